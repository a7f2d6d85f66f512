//! Checking a bundle, and a receipt as of a time, without archive and without network.

use std::cell::LazyCell;

use jiff::Timestamp;

use sigillo_ers::{AlgorithmTable, RevocationSummary};
use sigillo_model::{FileEntry, Finding, FindingCode, Sha256Digest, Sha512Digest, Verdict};

use crate::{
    Bundle, BundleError, BundledFile, GivenFile, Receipt, ReceiptCheck, ReceiptTrust,
    bundle::RecordAt,
    bundle_times::judge_times,
    check::{Checker, begin_check},
    check_ended::check_ended,
    check_seals::check_seals,
    check_validation::{RevocationCheck, evidence},
};

/// Why it need not be known of all time-stamps whether their certificates were revoked.
pub const REVOCATION_KNOWN: &str =
    "of each sealing it is known on an evidence line that holds, which is enough";

/// By what a bundle is checked.
#[derive(Clone, Copy, Debug)]
pub struct BundleRules<'a> {
    /// Whom to believe about the archive of the bundle.
    pub trust: &'a ReceiptTrust,
    /// How long algorithms may be relied on.
    pub algorithms: &'a AlgorithmTable,
    /// The time as of which it must hold.
    pub at: Timestamp,
}

/// What checking a bundle met.
#[derive(Clone, Debug)]
pub struct BundleCheck {
    /// The outcome in three values.
    pub verdict: Verdict,
    /// What was met, gravest first.
    pub findings: Vec<Finding>,
    /// Findings beyond those kept in words.
    pub more_findings: u64,
    /// What the receipt in it proves; `None` if it is no bundle.
    pub receipt: Option<ReceiptCheck>,
    /// Files that are in the bundle, each with its digest checked.
    pub files: usize,
    /// By what the revocation of certificates was judged.
    pub revocation: RevocationSummary,
}

impl BundleCheck {
    /// Says that what should be a bundle cannot be read.
    pub fn unreadable(error: &BundleError) -> Self {
        let code = match error {
            BundleError::OtherSchema => FindingCode::BundleSchemaUnknown,
            BundleError::Differs { .. } => FindingCode::BundleDiffers,
            BundleError::Malformed { .. } | BundleError::TooLarge | BundleError::Unfit { .. } => {
                FindingCode::BundleMalformed
            }
        };
        let findings = vec![Finding::new(code, "bundle", error.to_string())];
        let verdict = Verdict::of(&findings);
        let revocation = RevocationSummary::default();
        Self { verdict, findings, more_findings: 0, receipt: None, files: 0, revocation }
    }
}

/// Checks everything that a bundle says: the receipt in it, the evidence records as of a time, the
/// files in it and those beside it.
pub fn check_bundle(bundle: &Bundle, files: &[GivenFile], rules: &BundleRules<'_>) -> BundleCheck {
    let mut checker = begin_check(&bundle.receipt, rules.trust, files);
    let mut findings = Vec::new();
    let (mut counted, mut record) = (0, RecordAt::default());
    for file in &bundle.files {
        match record.of(&bundle.receipt, file.document).and_then(|it| it.files.get(file.position)) {
            Some(entry)
                if entry.size == file.bytes.len() as u64
                    && entry.sha256 == Sha256Digest::of(&file.bytes)
                    && is_second_digest(bundle, file, entry) =>
            {
                counted += 1;
            }
            _ => {
                let object = format!("files/{}/{}", file.document + 1, file.position + 1);
                let message = "it does not have the digest or the size that the record states";
                findings.push(Finding::new(FindingCode::BundleFile, object, message));
            }
        }
    }
    let (evidence_set, unread) = evidence(&bundle.receipt);
    findings.extend(unread);
    let of = (&bundle.receipt, true);
    let revocation = judge_times(&mut checker, of, rules, &evidence_set);
    check_seals(&mut checker, &bundle.receipt, rules.trust);
    check_ended(&mut checker, &bundle.receipt, rules.trust);
    let unknown = unknown_revocation(&checker, &bundle.receipt, &revocation);
    let receipt = checker.conclude();
    findings.extend(receipt.findings.iter().cloned());
    let more_findings = receipt.more_findings;
    let no_outsider = "whether the archive has grown since, or destroyed the document, is not known \
                       here";
    findings.push(Finding::new(FindingCode::FreshnessUnknown, "checkpoint", no_outsider));
    findings.extend(unknown);
    findings.sort_by(|a, b| (b.severity, a.code).cmp(&(a.severity, b.code)));
    let verdict = Verdict::of(&findings).max(receipt.verdict);
    let (receipt, revocation) = (Some(receipt), revocation.summary);
    BundleCheck { verdict, findings, more_findings, receipt, files: counted, revocation }
}

/// Checks everything that a receipt says, as [`check_receipt`](crate::check_receipt) does, and judges its
/// time-stamps as of a time, as those of a bundle. Returns also by what the revocation of certificates was
/// judged.
pub fn check_receipt_at(
    receipt: &Receipt,
    files: &[GivenFile],
    rules: &BundleRules<'_>,
) -> (ReceiptCheck, RevocationSummary) {
    let mut checker = begin_check(receipt, rules.trust, files);
    let (evidence_set, unread) = evidence(receipt);
    // One of a submission does not say where its documents are in hash trees.
    let of = (receipt, receipt.submission.is_none());
    let revocation = judge_times(&mut checker, of, rules, &evidence_set);
    check_seals(&mut checker, receipt, rules.trust);
    check_ended(&mut checker, receipt, rules.trust);
    let unknown = unknown_revocation(&checker, receipt, &revocation);
    unread.into_iter().chain(unknown).for_each(|finding| checker.add(finding));
    (checker.conclude(), revocation.summary)
}

/// Says what is not known of the revocation of certificates, if anything is.
fn unknown_revocation(
    checker: &Checker,
    receipt: &Receipt,
    revocation: &RevocationCheck,
) -> Option<Finding> {
    let is_known = checker.lines.is_revocation_known();
    not_known(revocation.finding(), is_known, is_bare(receipt))
}

/// Tells whether something in a receipt has no time-stamp in it: there was none yet, or it was taken out.
fn is_bare(receipt: &Receipt) -> bool {
    receipt.batches.iter().any(|it| it.sealed.is_none())
        || receipt.sealings.iter().any(|it| it.tokens.is_empty())
}

/// Says what is not known, by what `told` says of the time-stamps that are there, which are enough if all is
/// known on a line of each sealing, and nothing is bare.
fn not_known(told: Option<Finding>, is_known: bool, is_bare: bool) -> Option<Finding> {
    match told {
        Some(finding) if is_known && !is_bare => Some(finding.not_needed(REVOCATION_KNOWN)),
        None if is_bare => {
            let message = "whether a certificate was revoked is known of the time-stamps that are here, \
                           and not everything has one";
            Some(Finding::new(FindingCode::RevocationUnknown, "certificates", message))
        }
        told => told,
    }
}

/// Tells whether a file has the SHA-512 that is stated of it, if one is.
fn is_second_digest(bundle: &Bundle, file: &BundledFile, entry: &FileEntry) -> bool {
    let document = bundle.receipt.documents.get(file.document);
    let stated = document.and_then(|it| it.sha512.get(file.position));
    let mut stated = stated.into_iter().chain(&entry.sha512);
    let found = LazyCell::new(|| Sha512Digest::of(&file.bytes));
    stated.all(|stated| *stated == *found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says how something is told that is not known, and whether nobody has to demand it.
    fn told(told: bool, is_known: bool, is_bare: bool) -> Option<bool> {
        let unknown = || Finding::new(FindingCode::RevocationUnknown, "a", "cannot tell");
        not_known(told.then(unknown), is_known, is_bare).map(|it| it.is_outweighed)
    }

    #[test]
    fn revocation_is_not_known_of_what_has_no_time_stamp() {
        assert_eq!(told(false, true, false), None, "all is known");
        assert_eq!(told(true, false, false), Some(false));
        assert_eq!(told(true, true, false), Some(true), "another line is enough");
        assert_eq!(told(false, true, true), Some(false), "not of what has no time-stamp");
        assert_eq!(told(true, true, true), Some(false), "nor does another line help that");
    }
}
