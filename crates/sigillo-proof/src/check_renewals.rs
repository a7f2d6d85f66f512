//! Checking the renewals of a time-stamp of a receipt.

use jiff::Timestamp;

use sigillo_ers::{Trust, verify_token};
use sigillo_model::{BatchesSealed, Entry, EvidenceRenewed, FindingCode, Sha256Digest};

use crate::{RenewalSection, TokenSection, check::AttestedTime, check_sealings::SealingsCheck};

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
            let Some(raw) = &section.token else {
                self.left_out(body, section, &entry);
                continue;
            };
            if token.renewal_imprint(place) != Some(entry.root) {
                let message = "a renewal does not cover all the time-stamps before it";
                self.find(FindingCode::RenewalDamaged, body, message);
                continue;
            }
            let Some(renewed_at) = self.renewal_token(body, &raw.0, &entry) else { continue };
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
        let sha256 = section.token.as_ref().map(|raw| Sha256Digest::of(&raw.0));
        if entry.line == token.line && sha256.is_none_or(|it| it == entry.token_sha256) {
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
        if !section.path.is_empty() {
            let message = "a renewal without its token has a path";
            self.find(FindingCode::ReceiptDiffers, body, message);
        }
        let message = format!(
            "the token of the renewal {} of {} is not in it: the archive had lost it; what is here \
             is judged as if there had been no such renewal",
            entry.renewal, entry.stamped_at
        );
        self.find(FindingCode::RenewalNotIncluded, body, message);
    }

    /// Verifies the token of a renewal at its own time, and returns that.
    fn renewal_token(
        &mut self,
        body: &BatchesSealed,
        raw: &[u8],
        entry: &EvidenceRenewed,
    ) -> Option<Timestamp> {
        let code = FindingCode::RenewalDamaged;
        let token = match verify_token(raw, entry.root, &self.trust.anchors) {
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
        self.checker.times.push(AttestedTime {
            sealing: body.number,
            stamped_at,
            authority: token.authority,
            trial: token.trial,
            renewal: true,
        });
        Some(token.stamped_at)
    }
}
