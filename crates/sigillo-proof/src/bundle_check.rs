//! Checking a bundle, without archive and without network.

use std::{cell::LazyCell, collections::HashSet};

use jiff::Timestamp;

use sigillo_ers::{
    AlgorithmTable, Authorities, HashFunction, RecordObject, RecordReport, RecordRules,
    RevocationRules, RevocationSet, RevocationSummary, verify_record,
};
use sigillo_model::{Entry, FileEntry, Finding, FindingCode, Sha256Digest, Sha512Digest, Verdict};

use crate::{
    Bundle, BundleError, BundledFile, DocumentSection, EvidenceMaker, GivenFile, Receipt,
    ReceiptCheck, ReceiptTrust,
    bundle::RecordAt,
    check::begin_check,
    check_validation::{RevocationCheck, evidence},
    line_findings::LineOf,
};

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
    let mut revocation = RevocationCheck::default();
    let (maker, mut seen) = (EvidenceMaker::new(&bundle.receipt), HashSet::new());
    for (number, document) in (1..).zip(&bundle.receipt.documents) {
        let batch = usize::try_from(document.batch).ok();
        let batch = batch.and_then(|batch| bundle.receipt.batches.get(batch));
        let sealing = batch.and_then(|batch| batch.sealed.as_ref()).map(|sealed| sealed.number);
        for evidence in maker.records_of(document) {
            // Those of one sealing have the same time-stamps on a line.
            if !seen.insert((sealing, evidence.line.clone())) {
                continue;
            }
            let report = verify(document, &evidence.record, rules, &evidence_set);
            revocation.take(&format!("documents/{number}, {}", evidence.line), &report);
            checker.look_at_line(sealing.map(|sealing| (sealing, evidence.line.clone())));
            for finding in report.findings.into_iter().filter(is_of_time) {
                let object = format!("documents/{number}, {}, {}", evidence.line, finding.object);
                checker.add(Finding { object, ..finding });
            }
            checker.look_at_line(None);
        }
    }
    for line in incomplete_lines(&bundle.receipt) {
        checker.lines.doubt(&line);
    }
    let receipt = checker.conclude();
    findings.extend(receipt.findings.iter().cloned());
    let more_findings = receipt.more_findings;
    let no_outsider = "whether the archive has grown since, or destroyed the document, is not known \
                       here";
    findings.push(Finding::new(FindingCode::FreshnessUnknown, "checkpoint", no_outsider));
    findings.extend(revocation.finding());
    findings.sort_by(|a, b| (b.severity, a.code).cmp(&(a.severity, b.code)));
    let verdict = Verdict::of(&findings).max(receipt.verdict);
    let (receipt, revocation) = (Some(receipt), revocation.summary);
    BundleCheck { verdict, findings, more_findings, receipt, files: counted, revocation }
}

/// Returns the lines of SHA-512 that do not prove all documents of the bundle in their sealing: they stand
/// in for no other line.
fn incomplete_lines(receipt: &Receipt) -> HashSet<LineOf> {
    let sealed = |document: &DocumentSection| {
        let batch = receipt.batches.get(usize::try_from(document.batch).ok()?)?;
        Some(batch.sealed.as_ref()?.number)
    };
    let mut lines = HashSet::new();
    for section in &receipt.sealings {
        let Ok(Entry::BatchesSealed(body)) = Entry::parse_line(section.entry.line.as_bytes())
        else {
            continue;
        };
        for token in section.tokens.iter().filter(|token| token.is_over_trees()) {
            let mut of_sealing =
                receipt.documents.iter().filter(|it| sealed(it) == Some(body.number));
            let is_in = |it: &DocumentSection| it.hash_trees.iter().any(|at| at.line == token.line);
            if !of_sealing.all(is_in) {
                lines.insert((body.number, token.line.clone()));
            }
        }
    }
    lines
}

/// Tells whether a file has the SHA-512 that is stated of it, if one is.
fn is_second_digest(bundle: &Bundle, file: &BundledFile, entry: &FileEntry) -> bool {
    let document = bundle.receipt.documents.get(file.document);
    let stated = document.and_then(|it| it.sha512.get(file.position));
    let mut stated = stated.into_iter().chain(&entry.sha512);
    let found = LazyCell::new(|| Sha512Digest::of(&file.bytes));
    stated.all(|stated| *stated == *found)
}

/// Tells whether a finding is about time, which the receipt does not look at: what else is wrong with
/// an evidence record is wrong with the receipt that it follows from.
fn is_of_time(finding: &Finding) -> bool {
    matches!(
        finding.code,
        FindingCode::RenewedLate
            | FindingCode::AlgorithmExpired
            | FindingCode::EvidenceEnded
            | FindingCode::RecordFromLater
            | FindingCode::CertificateRevoked
            | FindingCode::RevokedLater
    )
}

fn verify(
    document: &DocumentSection,
    raw: &[u8],
    rules: &BundleRules<'_>,
    evidence: &RevocationSet,
) -> RecordReport {
    let record = document.record.as_bytes();
    let digest = |hash: HashFunction| Some(hash.digest(record));
    let rules = RecordRules {
        authorities: Authorities::Anchored(&rules.trust.anchors),
        algorithms: rules.algorithms,
        at: Some(rules.at),
        whole_group: false,
        revocation: RevocationRules { evidence: Some(evidence), required: false },
    };
    verify_record(raw, &[RecordObject { name: "record.json", digest: &digest }], &rules)
}
