//! Checking the renewals of a time-stamp of a receipt.

use jiff::Timestamp;

use sigillo_ers::{Trust, verify_token};
use sigillo_model::{BatchesSealed, Entry, EvidenceRenewed, FindingCode, Sha256Digest};

use crate::{
    RenewalSection, TokenSection,
    bundle::renewal_imprint,
    check::{AttestedTime, not_qualified},
    check_sealings::SealingsCheck,
};

impl SealingsCheck<'_> {
    /// Checks the renewals of a time-stamp: each is in the log, after what it renews, covers all the
    /// older ones, and attests a later time. `stamped_at` is the time of the first, if it is known.
    pub(crate) fn renewals(
        &mut self,
        body: &BatchesSealed,
        token: &TokenSection,
        stamped_at: Option<Timestamp>,
    ) {
        let (mut index, mut newest) = (token.entry.index, stamped_at);
        for (place, section) in token.renewals.iter().enumerate() {
            if section.entry.index <= index {
                let message = "the renewals of a time-stamp do not stand in the order of the log";
                self.find(FindingCode::ReceiptDiffers, body, message);
            }
            index = section.entry.index;
            let Some(entry) = self.renewal_entry(body, token, section) else { continue };
            if renewal_imprint(token, place) != Some(entry.root) {
                let message = "a renewal does not cover all the time-stamps before it";
                self.find(FindingCode::RenewalDamaged, body, message);
                continue;
            }
            let Some(renewed_at) = self.renewal_token(body, section, &entry) else { continue };
            if newest.is_some_and(|newest| renewed_at < newest) {
                let message = "a renewal attests a time before that of what it renews";
                self.find(FindingCode::RenewalDamaged, body, message);
            }
            newest = Some(renewed_at);
        }
    }

    /// Reads the log entry of a renewal that names its token and its line.
    fn renewal_entry(
        &mut self,
        body: &BatchesSealed,
        token: &TokenSection,
        section: &RenewalSection,
    ) -> Option<EvidenceRenewed> {
        let Entry::EvidenceRenewed(entry) = self.checker.entry(&section.entry, "renewal")? else {
            self.find(FindingCode::ReceiptLogProof, body, "a log entry is of another type");
            return None;
        };
        if entry.line == token.line && entry.token_sha256 == Sha256Digest::of(&section.token.0) {
            return Some(entry);
        }
        let message = "a renewal is not the one that the log names";
        self.find(FindingCode::RenewalDamaged, body, message);
        None
    }

    /// Verifies the token of a renewal at its own time, and returns that.
    fn renewal_token(
        &mut self,
        body: &BatchesSealed,
        section: &RenewalSection,
        entry: &EvidenceRenewed,
    ) -> Option<Timestamp> {
        let code = FindingCode::RenewalDamaged;
        let token = match verify_token(&section.token.0, entry.root, &self.trust.anchors) {
            Ok(token) => token,
            Err(error) => {
                let unknown = error.is_unknown_algorithm();
                let code = if unknown { FindingCode::AlgorithmUnknown } else { code };
                self.find(code, body, error.to_string());
                return None;
            }
        };
        let stamped_at = token.stamped_at.to_string();
        if stamped_at != entry.stamped_at || token.trial != entry.trial {
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
        if let Some(message) = not_qualified(&token) {
            self.find(FindingCode::NotQualified, body, message);
        }
        self.checker.times.push(AttestedTime {
            sealing: body.number,
            stamped_at,
            trial: token.trial,
            qualified: token.qualification.is_qualified(),
            authority: token.authority,
            renewal: true,
        });
        Some(token.stamped_at)
    }
}
