//! Checking the renewals of a time-stamp of a receipt, and the new hash trees after it.

use jiff::Timestamp;

use sigillo_ers::{Trust, verify_token, walk_path};
use sigillo_model::{
    BatchesSealed, Entry, EvidenceDigest, EvidenceRehashed, EvidenceRenewed, FindingCode,
    Sha256Digest, Sha512Digest,
};

use crate::{
    Base64Bytes, EntryPlace, HashTreeSection, RenewalSection, SealingSection, TokenSection,
    check::{AttestedTime, LineStanding, not_qualified},
    check_sealings::SealingsCheck,
    evidence::sealing_tree_value,
};

/// How far a check of what came after a time-stamp is.
struct Newest {
    /// The evidence line.
    line: String,
    /// Where the entry of the newest time-stamp stands.
    place: EntryPlace,
    /// The time that it attests, if it is known.
    stamped_at: Option<Timestamp>,
}

impl SealingsCheck<'_> {
    /// Checks the renewals of a time-stamp: each is in the log, after what it renews, covers all the
    /// older ones, and attests a later time. `stamped_at` is the time of the first, if it is known.
    pub(crate) fn renewals(
        &mut self,
        (section, body): (&SealingSection, &BatchesSealed),
        token: &TokenSection,
        stamped_at: Option<Timestamp>,
    ) {
        let line = token.line.clone();
        let mut newest = Newest { line, place: token.entry.place(), stamped_at };
        for chain in token.chains() {
            if let (1, Some(tree)) = (chain.place, &token.hash_tree) {
                self.hash_tree((section, body), token, tree, &mut newest);
            }
            for (place, section) in chain.renewals.iter().enumerate() {
                self.in_order(body, section.entry.place(), &mut newest);
                let of = (token.line.as_str(), chain.is_sha512);
                let Some(entry) = self.renewal_entry(body, of, section) else { continue };
                let Some(raw) = &section.token else {
                    self.left_out(body, section, &entry);
                    continue;
                };
                if !section.validation.is_sorted_by(|a, b| a < b) {
                    let message = "the revocation evidence of a renewal is not in order";
                    self.find(FindingCode::ReceiptDiffers, body, message);
                }
                if chain.imprint(place) != Some(entry.root) {
                    let message = "a renewal does not cover all the time-stamps before it";
                    self.find(FindingCode::RenewalDamaged, body, message);
                    continue;
                }
                let stated = (entry.root, entry.stamped_at.as_str(), entry.trial);
                self.newer_token(body, &raw.0, stated, &mut newest);
            }
        }
    }

    /// Checks the time-stamp over new hash trees, and that statement and seal are in them.
    fn hash_tree(
        &mut self,
        (section, body): (&SealingSection, &BatchesSealed),
        token: &TokenSection,
        tree: &HashTreeSection,
        newest: &mut Newest,
    ) {
        self.in_order(body, tree.entry.place(), newest);
        let Some(entry) = self.tree_entry(body, token, tree) else { return };
        if token.is_over_trees() {
            let message = "a line of SHA-512 has no new hash trees of it";
            self.find(FindingCode::RenewalDamaged, body, message);
            return;
        }
        let value = sealing_tree_value(section, body, token);
        if value.map(|value| walk_path(value, &tree.path)) != Some(entry.root) {
            let message = "statement and seal do not lead to the root of their new hash trees";
            self.find(FindingCode::RenewalDamaged, body, message);
            return;
        }
        let stated = (entry.root.into(), entry.stamped_at.as_str(), entry.trial);
        self.newer_token(body, &tree.token.0, stated, newest);
    }

    fn in_order(&mut self, body: &BatchesSealed, place: EntryPlace, newest: &mut Newest) {
        if place <= newest.place {
            let message = "the renewals of a time-stamp do not stand in the order of the log";
            self.find(FindingCode::ReceiptDiffers, body, message);
        }
        newest.place = place;
    }

    /// Reads the log entry of new hash trees that names their token and their line.
    fn tree_entry(
        &mut self,
        body: &BatchesSealed,
        token: &TokenSection,
        tree: &HashTreeSection,
    ) -> Option<EvidenceRehashed> {
        let Entry::EvidenceRehashed(entry) = self.checker.entry(&tree.entry, "hash trees")? else {
            self.find(FindingCode::ReceiptLogProof, body, "a log entry is of another type");
            return None;
        };
        let digests = (Sha256Digest::of(&tree.token.0), Sha512Digest::of(&tree.token.0));
        if entry.line == token.line && (entry.token_sha256, entry.token_sha512) == digests {
            return Some(entry);
        }
        let message = "the time-stamp over new hash trees is not the one that the log names";
        self.find(FindingCode::RenewalDamaged, body, message);
        None
    }

    /// Reads the log entry of a renewal that names its token and its line, the token by the hash function
    /// of its chain as well: later renewals are over that digest, also once the token is lost.
    fn renewal_entry(
        &mut self,
        body: &BatchesSealed,
        (line, is_sha512): (&str, bool),
        section: &RenewalSection,
    ) -> Option<EvidenceRenewed> {
        let Entry::EvidenceRenewed(entry) = self.checker.entry(&section.entry, "renewal")? else {
            self.find(FindingCode::ReceiptLogProof, body, "a log entry is of another type");
            return None;
        };
        let is_named = |raw: &Base64Bytes| {
            Sha256Digest::of(&raw.0) == entry.token_sha256
                && entry.token_sha512.is_none_or(|it| it == Sha512Digest::of(&raw.0))
        };
        if entry.token_sha512.is_some() != is_sha512 {
            let message = "the log does not state the digest of a renewal, or one too many";
            self.find(FindingCode::RenewalDamaged, body, message);
            return None;
        }
        if entry.line == line && section.token.as_ref().is_none_or(is_named) {
            return Some(entry);
        }
        let message = "a renewal is not the one that the log names";
        self.find(FindingCode::RenewalDamaged, body, message);
        None
    }

    /// Notes a renewal whose token is not in the receipt: those around it prove what they prove.
    fn left_out(
        &mut self,
        body: &BatchesSealed,
        section: &RenewalSection,
        entry: &EvidenceRenewed,
    ) {
        if !section.path.is_empty() || !section.validation.is_empty() {
            let message = "a renewal without its token has a path, or names what it covers";
            self.find(FindingCode::ReceiptDiffers, body, message);
        }
        let message = format!(
            "the token of the renewal {} of {} is not in it: lost in the archive, left out because a \
             certificate was revoked, or taken out since; what is here is judged as if there had been no such renewal",
            entry.renewal, entry.stamped_at
        );
        self.find(FindingCode::RenewalNotIncluded, body, message);
    }

    /// Verifies the token of a renewal at its own time, which must not lie before that of what it
    /// renews.
    fn newer_token(
        &mut self,
        body: &BatchesSealed,
        raw: &[u8],
        (root, stamped_at, trial): (EvidenceDigest, &str, bool),
        newest: &mut Newest,
    ) {
        let code = FindingCode::RenewalDamaged;
        let token = match verify_token(raw, root, &self.trust.anchors) {
            Ok(token) => token,
            Err(error) => {
                let unknown = error.is_unknown_algorithm();
                let code = if unknown { FindingCode::AlgorithmUnknown } else { code };
                self.find(code, body, error.to_string());
                return;
            }
        };
        let attested = token.stamped_at.to_string();
        if attested != stamped_at || token.trial != trial {
            self.find(code, body, "a renewal attests another time than the log says");
        }
        if token.trust == Trust::Unknown {
            let message = "the authority of a renewal leads to no anchor of the trust store";
            self.find(FindingCode::AuthorityUnknown, body, message);
        }
        if token.trial && !self.archive.trial {
            let message = "the time-stamp of a renewal is for trial, not qualified";
            self.find(FindingCode::TrialEvidence, body, message);
        }
        if newest.stamped_at.is_some_and(|newest| token.stamped_at < newest) {
            let message = "a renewal attests a time before that of what it renews";
            self.find(code, body, message);
        }
        newest.stamped_at = Some(token.stamped_at);
        if let Some(message) = not_qualified(&token) {
            self.find(FindingCode::NotQualified, body, message);
        }
        self.checker.times.push(AttestedTime {
            sealing: body.number,
            stamped_at: attested,
            trial: token.trial,
            qualified: token.qualification.is_qualified(),
            authority: token.authority,
            renewal: true,
            line: newest.line.clone(),
            standing: LineStanding::Doubtful,
        });
    }
}
