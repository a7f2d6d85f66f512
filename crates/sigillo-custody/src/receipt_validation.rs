//! The revocation evidence of a receipt: what lies beside the time-stamps in it.

use std::collections::BTreeMap;

use bytes::Bytes;

use sigillo_evidence_log::{Archive, read_validation};
use sigillo_model::{Entry, Sha256Digest, ValidationOf};
use sigillo_proof::{
    Base64Bytes, RECEIPT_VALIDATION_BYTES_MAX, RECEIPT_VALIDATION_MAX, Receipt, TokenSection,
    ValidationSection,
};

use crate::{CustodyError, GiveReceiptError, ReceiptLog};

/// How much revocation evidence was put into a receipt.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AddedValidation {
    /// Pieces that are in it.
    pub added: usize,
    /// Pieces that found no room.
    pub left_out: usize,
}

impl ReceiptLog {
    /// Puts what was gathered on the certificates of the time-stamps of a receipt into it, the smallest
    /// first, as far as there is room: at most [`RECEIPT_VALIDATION_MAX`] pieces of
    /// [`RECEIPT_VALIDATION_BYTES_MAX`] bytes together. `room` is a further limit, in bytes.
    ///
    /// # Errors
    ///
    /// [`GiveReceiptError`] if the store did not answer.
    pub async fn add_validation(
        &self,
        archive: &Archive,
        receipt: &mut Receipt,
        room: usize,
    ) -> Result<AddedValidation, GiveReceiptError> {
        let mut found: BTreeMap<(usize, Sha256Digest), Bytes> = BTreeMap::new();
        let tokens = receipt.sealings.iter().flat_map(|it| &it.tokens);
        for (of, token) in tokens.flat_map(places) {
            let read = read_validation(archive, of, token).await;
            for der in read.map_err(CustodyError::from)? {
                found.insert((der.len(), Sha256Digest::of(&der)), der);
            }
        }
        let all = found.len();
        let sections = smallest(found, room.min(RECEIPT_VALIDATION_BYTES_MAX));
        let added = sections.len();
        receipt.validation = sections;
        Ok(AddedValidation { added, left_out: all - added })
    }
}

/// Takes the smallest pieces, as many as there is room for, and puts them in the order of their digests.
fn smallest(
    found: BTreeMap<(usize, Sha256Digest), Bytes>,
    mut room: usize,
) -> Vec<ValidationSection> {
    let mut sections = Vec::new();
    for ((size, sha256), der) in found {
        if size > room || sections.len() == RECEIPT_VALIDATION_MAX {
            break;
        }
        room -= size;
        sections.push(ValidationSection { evidence: Base64Bytes(der.to_vec()), sha256 });
    }
    sections.sort_by_key(|section| section.sha256);
    sections
}

/// Returns beside what the evidence on a time-stamp and its renewals lies, and the token of each.
fn places(section: &TokenSection) -> Vec<(ValidationOf, Sha256Digest)> {
    let renewals = section.renewals.iter().map(|it| &it.entry);
    let entries = std::iter::once(&section.entry).chain(renewals);
    let places = entries.filter_map(|it| match Entry::parse_line(it.line.as_bytes()).ok()? {
        Entry::SealingStamped(body) if !body.trial => {
            Some((body.sealing.into(), body.token_sha256))
        }
        Entry::EvidenceRenewed(body) if !body.trial => {
            Some((body.renewal.into(), body.token_sha256))
        }
        _ => None,
    });
    places.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sizes(pieces: &[usize], room: usize) -> Vec<usize> {
        let pieces = pieces.iter().enumerate().map(|(number, size)| {
            let mut bytes = number.to_be_bytes().to_vec();
            bytes.resize(*size, 0);
            ((*size, Sha256Digest::of(&bytes)), Bytes::from(bytes))
        });
        let sections = smallest(pieces.collect(), room);
        assert!(sections.is_sorted_by(|a, b| a.sha256 < b.sha256));
        let mut sizes: Vec<_> = sections.iter().map(|it| it.evidence.0.len()).collect();
        sizes.sort_unstable();
        sizes
    }

    #[test]
    fn the_smallest_pieces_that_find_room_are_taken() {
        assert_eq!(sizes(&[300, 100, 200], 600), [100, 200, 300]);
        assert_eq!(sizes(&[300, 100, 200], 599), [100, 200]);
        assert!(sizes(&[300], 299).is_empty());
        let many = vec![10; RECEIPT_VALIDATION_MAX + 1];
        assert_eq!(sizes(&many, usize::MAX).len(), RECEIPT_VALIDATION_MAX);
    }
}
