//! The revocation evidence of a receipt: what lies beside the time-stamps in it.

use std::{
    cmp::Reverse,
    collections::{BTreeMap, HashSet},
};

use bytes::Bytes;
use jiff::Timestamp;

use sigillo_ers::{
    RevocationReason, RevocationSet, ToldEvidence, TrustAnchors, evidence_told_each,
};
use sigillo_evidence_log::{Archive, Chains, ToldRevocations, read_validation};
use sigillo_model::{Entry, EvidenceDigest, Sha256Digest, Sha512Digest, ValidationOf};
use sigillo_proof::{
    Base64Bytes, LoggedLine, RECEIPT_VALIDATION_BYTES_MAX, RECEIPT_VALIDATION_MAX, Receipt,
    RenewalSection, TokenSection, ValidationSection,
};

use crate::{CustodyError, GiveReceiptError, ReceiptLog};

/// How much revocation evidence was put into a receipt.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct AddedValidation {
    /// Pieces that are in it.
    pub added: usize,
    /// Pieces that found no room.
    pub left_out: usize,
    /// Certificates of which a revocation found no room. So that nobody takes them for good, nothing that
    /// says so of them is in it either.
    pub silent: usize,
}

/// A piece of evidence that may go into a receipt.
#[derive(Clone, Debug)]
struct Candidate {
    der: Bytes,
    /// What it tells of the certificates of the receipt.
    told: Vec<ToldEvidence>,
    /// Whether a renewal in the receipt covers it, so that it counts when its signer has ended.
    is_covered: bool,
}

impl ReceiptLog {
    /// Reads what is told to be revoked anywhere in the archive.
    ///
    /// # Errors
    ///
    /// [`GiveReceiptError`] if the store did not answer.
    pub async fn told_revocations(
        &self,
        archive: &Archive,
        anchors: &TrustAnchors,
    ) -> Result<ToldRevocations, GiveReceiptError> {
        let chains = Chains::read(archive, &self.view).await.map_err(CustodyError::from)?;
        let read = ToldRevocations::read((archive, &self.view, &chains), anchors).await;
        Ok(read.map_err(CustodyError::from)?)
    }

    /// Puts what was gathered on the certificates of the time-stamps of a receipt into it, and what lies
    /// beside others in the archive and says that one of them is revoked, as far as there is room: at
    /// most [`RECEIPT_VALIDATION_MAX`] pieces of [`RECEIPT_VALIDATION_BYTES_MAX`] bytes together. `room` is
    /// a further limit, in bytes. What tells of a revocation goes first, then for each certificate the
    /// newest, then the rest.
    ///
    /// # Errors
    ///
    /// [`GiveReceiptError`] if the store did not answer.
    pub async fn add_validation(
        &self,
        archive: &Archive,
        receipt: &mut Receipt,
        (anchors, elsewhere): (&TrustAnchors, &ToldRevocations),
        room: usize,
    ) -> Result<AddedValidation, GiveReceiptError> {
        let mut found: BTreeMap<Sha256Digest, Candidate> = BTreeMap::new();
        let covered = covered_in(receipt);
        let tokens: Vec<&TokenSection> =
            receipt.sealings.iter().flat_map(|it| &it.tokens).collect();
        let places: Vec<_> = tokens.iter().flat_map(|it| places(it)).collect();
        if places.is_empty() {
            return Ok(AddedValidation::default());
        }
        let mut take = |der: Bytes, told: Vec<ToldEvidence>, needs_told: bool| {
            if needs_told && told.is_empty() {
                return;
            }
            let sha256 = Sha256Digest::of(&der);
            let either: [EvidenceDigest; 2] = [sha256.into(), Sha512Digest::of(&der).into()];
            let is_covered = either.iter().any(|it| covered.contains(it));
            let none = Candidate { der, told: Vec::new(), is_covered };
            let candidate = found.entry(sha256).or_insert(none);
            let new: Vec<_> = told.into_iter().filter(|it| !candidate.told.contains(it)).collect();
            candidate.told.extend(new);
        };
        // Those from elsewhere are asked about every time-stamp, and read once.
        let elsewhere: Vec<_> =
            elsewhere.pieces().iter().map(|it| (it.der.clone(), read(&it.der), true)).collect();
        for Place { of, token, raw } in places {
            let beside = read_validation(archive, of, token).await.map_err(CustodyError::from)?;
            let beside: Vec<_> =
                beside.into_iter().map(|der| (der.clone(), read(&der), false)).collect();
            let all = || beside.iter().chain(&elsewhere);
            let sets: Vec<&RevocationSet> = all().map(|(_, set, _)| set).collect();
            let told = match raw {
                Some(raw) => evidence_told_each(raw, anchors, &sets),
                None => vec![Vec::new(); sets.len()],
            };
            for ((der, _, needs_told), told) in all().zip(told) {
                take(der.clone(), told, *needs_told);
            }
        }
        let found: Vec<Candidate> = found.into_values().collect();
        let all = found.len();
        let Chosen { sections, silent } = choose(&found, room.min(RECEIPT_VALIDATION_BYTES_MAX));
        let added = sections.len();
        receipt.validation = sections;
        Ok(AddedValidation { added, left_out: all - added, silent })
    }
}

/// What goes into a receipt.
struct Chosen {
    sections: Vec<ValidationSection>,
    /// Certificates of which a revocation found no room.
    silent: usize,
}

/// A revocation of a certificate, since when and why.
type Claim = (Sha256Digest, Option<(Timestamp, Option<RevocationReason>)>);

/// Takes the pieces that matter most, as many as there is room for, and puts them in the order of their
/// digests. What is said of a certificate that a piece without room says to be revoked is left out, too:
/// nothing is better than what is not so any more.
fn choose(found: &[Candidate], room: usize) -> Chosen {
    let mut silent: HashSet<Sha256Digest> = HashSet::new();
    loop {
        let (taken, without_room) = fill(found, &silent, room);
        let before = silent.len();
        silent.extend(without_room);
        if silent.len() == before {
            let mut sections: Vec<_> = taken.into_iter().map(section).collect();
            sections.sort_by_key(|section| section.sha256);
            return Chosen { sections, silent: before };
        }
    }
}

/// Takes pieces in the order in which they matter, none that says good of a certificate that is `silent`;
/// returns the certificates of which a revocation found no room.
fn fill<'c>(
    found: &'c [Candidate],
    silent: &HashSet<Sha256Digest>,
    mut room: usize,
) -> (Vec<&'c Candidate>, HashSet<Sha256Digest>) {
    let misleads = |it: &ToldEvidence| it.revoked.is_none() && silent.contains(&it.certificate);
    let usable = |it: &Candidate| !it.told.iter().any(misleads);
    let (mut taken, mut places) = (Vec::new(), HashSet::new());
    let mut told: HashSet<Claim> = HashSet::new();
    for (_, place) in ranked(found) {
        let candidate = &found[place];
        let fits = candidate.der.len() <= room && taken.len() < RECEIPT_VALIDATION_MAX;
        if !usable(candidate) || !fits || !places.insert(place) {
            continue;
        }
        room -= candidate.der.len();
        told.extend(candidate.told.iter().map(|it| (it.certificate, it.revoked)));
        taken.push(candidate);
    }
    let all = found.iter().flat_map(|it| &it.told).filter(|it| it.revoked.is_some());
    let missing = all.filter(|it| !told.contains(&(it.certificate, it.revoked)));
    (taken, missing.map(|it| it.certificate).collect())
}

/// Returns the places of pieces in the order in which they matter, some again: of every revocation the newest
/// that tells it, of every certificate the newest that says good; the same of what is covered; the other
/// revocations, the rest by age, and last what tells nothing that is understood, the smallest first.
fn ranked(found: &[Candidate]) -> Vec<(Rank, usize)> {
    let mut best: BTreeMap<(bool, Claim), (Timestamp, Sha256Digest, usize)> = BTreeMap::new();
    let mut ranked = Vec::new();
    for (place, candidate) in found.iter().enumerate() {
        let sha256 = Sha256Digest::of(&candidate.der);
        for told in &candidate.told {
            let claim = (told.certificate, told.revoked);
            for covered in [false, true] {
                if covered && !candidate.is_covered {
                    continue;
                }
                let this = (told.as_of, sha256, place);
                let known = best.entry((covered, claim)).or_insert(this);
                *known = this.max(*known);
            }
        }
        let newest = candidate.told.iter().map(|it| it.as_of).max();
        let is_revocation = candidate.told.iter().any(|it| it.revoked.is_some());
        let rank = match newest {
            Some(as_of) => (if is_revocation { 4 } else { 5 }, Reverse(Some(as_of)), 0),
            None => (6, Reverse(None), candidate.der.len()),
        };
        ranked.push((rank, place));
    }
    ranked.extend(best.into_iter().map(|((covered, (_, revoked)), (as_of, _, place))| {
        let rank = 2 * u8::from(covered) + u8::from(revoked.is_none());
        ((rank, Reverse(Some(as_of)), 0), place)
    }));
    ranked.sort_unstable();
    ranked
}

/// What matters more stands first: how, as of when, how large.
type Rank = (u8, Reverse<Option<Timestamp>>, usize);

fn section(candidate: &Candidate) -> ValidationSection {
    let sha256 = Sha256Digest::of(&candidate.der);
    ValidationSection { evidence: Base64Bytes(candidate.der.to_vec()), sha256 }
}

/// Reads a piece of evidence; what cannot be read tells nothing.
fn read(der: &[u8]) -> RevocationSet {
    let mut set = RevocationSet::new();
    match set.add("validation", der) {
        Ok(()) => set,
        Err(_) => RevocationSet::new(),
    }
}

/// Returns the digests of the evidence that renewals in a receipt cover.
fn covered_in(receipt: &Receipt) -> HashSet<EvidenceDigest> {
    let tokens = receipt.sealings.iter().flat_map(|it| &it.tokens);
    let renewals = tokens.flat_map(|it| {
        it.renewals.iter().chain(it.hash_tree.iter().flat_map(|tree| &tree.renewals))
    });
    renewals.flat_map(|it| it.validation.iter().copied()).collect()
}

/// Beside what the evidence on a time-stamp lies.
struct Place<'r> {
    of: ValidationOf,
    token: Sha256Digest,
    raw: Option<&'r [u8]>,
}

/// Returns where the evidence on a time-stamp, the hash trees after it and the renewals of either lies.
fn places(section: &TokenSection) -> Vec<Place<'_>> {
    fn renewed(renewals: &[RenewalSection]) -> impl Iterator<Item = (&LoggedLine, Option<&[u8]>)> {
        renewals.iter().map(|it| (&it.entry, it.token.as_ref().map(|token| &token.0[..])))
    }
    let first = (&section.entry, Some(&section.token.0[..]));
    let mut all: Vec<_> = std::iter::once(first).chain(renewed(&section.renewals)).collect();
    if let Some(tree) = &section.hash_tree {
        all.push((&tree.entry, Some(&tree.token.0[..])));
        all.extend(renewed(&tree.renewals));
    }
    let places = all.into_iter().filter_map(|(it, raw)| {
        let (of, token) = match Entry::parse_line(it.line.as_bytes()).ok()? {
            Entry::SealingStamped(body) if !body.trial => (body.sealing.into(), body.token_sha256),
            Entry::EvidenceRenewed(body) if !body.trial => (body.renewal.into(), body.token_sha256),
            Entry::EvidenceRehashed(body) if !body.trial => {
                (body.renewal.into(), body.token_sha256)
            }
            _ => return None,
        };
        Some(Place { of, token, raw })
    });
    places.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A piece of a size that tells something of a certificate as of a day, a revocation for a reason.
    fn piece(size: usize, told: &[(&str, i64, Option<i64>)]) -> Candidate {
        let day = |days: i64| Timestamp::from_second(days * 86_400).unwrap();
        let mut der = format!("{size} {told:?}").into_bytes();
        der.resize(size.max(der.len()), 0);
        let sha256 = Sha256Digest::of(&der);
        let told = told.iter().map(|(certificate, as_of, revoked)| ToldEvidence {
            sha256,
            certificate: Sha256Digest::of(certificate.as_bytes()),
            as_of: day(*as_of),
            revoked: revoked.map(|at| (day(at), None)),
            ends_hold: revoked.is_none(),
        });
        Candidate { der: der.into(), told: told.collect(), is_covered: false }
    }

    /// Returns the sizes of what is chosen, and of how many certificates nothing may be said.
    fn chosen(found: &[Candidate], room: usize) -> (Vec<usize>, usize) {
        for turned in 0..found.len() {
            let mut other = found.to_vec();
            other.rotate_left(turned);
            let (first, second) = (choose(found, room), choose(&other, room));
            assert_eq!(first.sections, second.sections, "the order does not matter");
        }
        let Chosen { sections, silent } = choose(found, room);
        assert!(sections.is_sorted_by(|a, b| a.sha256 < b.sha256));
        let mut sizes: Vec<_> = sections.iter().map(|it| it.evidence.0.len()).collect();
        sizes.sort_unstable();
        (sizes, silent)
    }

    #[test]
    fn what_tells_a_revocation_goes_in_before_any_number_of_others() {
        let good = (0..70).zip(100..).map(|(day, size)| piece(size, &[("tsa", day, None)]));
        let mut found: Vec<_> = good.collect();
        found.push(piece(900, &[("tsa", 30, Some(20))]));
        found.push(piece(901, &[("tsa", 29, Some(20))]));
        let (sizes, silent) = chosen(&found, usize::MAX);
        assert_eq!((sizes.len(), silent), (RECEIPT_VALIDATION_MAX, 0));
        assert!(sizes.contains(&900) && sizes.contains(&169), "{sizes:?}");
        // With room for little it is the newest of each sort.
        assert_eq!(chosen(&found, 900 + 169), (vec![169, 900], 0));
        assert_eq!(chosen(&found, 900 + 168).0[..1], [168], "the newest that finds room");
    }

    #[test]
    fn of_a_certificate_whose_revocation_finds_no_room_nothing_good_is_said() {
        let found = [
            piece(500, &[("tsa", 9, Some(5))]),
            piece(100, &[("tsa", 4, None)]),
            piece(101, &[("other", 4, None)]),
            piece(102, &[("tsa", 4, None), ("third", 4, None)]),
        ];
        assert_eq!(chosen(&found, 499), (vec![101], 1));
        assert_eq!(chosen(&found, usize::MAX), (vec![100, 101, 102, 500], 0));
    }

    #[test]
    fn what_a_renewal_covers_goes_before_what_is_only_of_the_same_certificate() {
        let mut covered = piece(100, &[("tsa", 1, None)]);
        covered.is_covered = true;
        let found = [covered, piece(101, &[("tsa", 2, None)]), piece(102, &[("tsa", 3, None)])];
        assert_eq!(chosen(&found, 202), (vec![100, 102], 0));
    }

    #[test]
    fn what_tells_nothing_goes_last_the_smallest_first() {
        let found = [piece(300, &[]), piece(100, &[]), piece(200, &[("tsa", 1, None)])];
        assert_eq!(chosen(&found, 300).0, [100, 200]);
        assert_eq!(chosen(&found, 600).0, [100, 200, 300]);
    }
}
