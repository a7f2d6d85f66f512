//! Checking what a receipt says of a whole submission: its entries, its report, its documents.

use std::collections::{BTreeMap, BTreeSet};

use sigillo_model::{
    BatchCommitted, Entry, FindingCode, Sha256Digest, SubmissionCompleted, SubmissionReceived,
    VersionId,
};

use crate::{Counts, Receipt, StatedReport, SubmissionSection, check::Checker};

const OBJECT: &str = "submission";

/// Checks what the receipt says of a submission against the log and against its report.
///
/// The entry of its receipt must be there: it alone binds the section to the log. What may be
/// missing is what came later; then the section says no more than that.
pub(crate) fn check_submission(
    checker: &mut Checker,
    receipt: &Receipt,
    section: &SubmissionSection,
    batches: &[Option<BatchCommitted>],
) {
    let received = check_received(checker, section);
    let documents = Documents::of(receipt, section, batches);
    check_whole_batches(checker, section, batches, &documents);
    let stated = check_report(checker, section);
    let Some(completed) = &section.completed else {
        check_open(checker, section, received.as_ref(), &documents);
        return;
    };
    match checker.entry(completed, OBJECT) {
        Some(Entry::SubmissionCompleted(body)) if body.submission == section.id => {
            check_completed(checker, section, &body, stated.as_ref(), &documents);
        }
        Some(_) => differs(checker, "the entry of its end is that of something else"),
        None => {}
    }
}

fn differs(checker: &mut Checker, message: impl Into<String>) {
    checker.find(FindingCode::ReceiptDiffers, OBJECT, message);
}

/// The documents of the receipt, by whose batch they are in.
struct Documents {
    /// How many the receipt has of each batch of the submission, by its place in the receipt.
    ours: BTreeMap<usize, u64>,
    /// Those in batches of others, or in batches that are not proven.
    others: BTreeSet<VersionId>,
    all: BTreeSet<VersionId>,
}

impl Documents {
    fn of(
        receipt: &Receipt,
        section: &SubmissionSection,
        batches: &[Option<BatchCommitted>],
    ) -> Self {
        let mut documents =
            Self { ours: BTreeMap::new(), others: BTreeSet::new(), all: BTreeSet::new() };
        for document in &receipt.documents {
            let at = usize::try_from(document.batch).unwrap_or(usize::MAX);
            let body = batches.get(at).and_then(Option::as_ref);
            if body.is_some_and(|body| body.submission == section.id) {
                *documents.ours.entry(at).or_default() += 1;
            } else {
                documents.others.insert(document.version_id);
            }
            documents.all.insert(document.version_id);
        }
        documents
    }

    fn archived(&self) -> u64 {
        self.ours.values().sum()
    }
}

/// Reads the entry with which a submission begins. A receipt always has it.
fn check_received(
    checker: &mut Checker,
    section: &SubmissionSection,
) -> Option<SubmissionReceived> {
    let Some(received) = &section.received else {
        differs(checker, "no log entry in the receipt proves that it was received");
        return None;
    };
    match checker.entry(received, OBJECT)? {
        Entry::SubmissionReceived(body) if body.submission == section.id => Some(body),
        _ => {
            differs(checker, "the entry of its receipt is that of something else");
            None
        }
    }
}

/// Checks that the receipt has every document of the batches of the submission that are in it.
fn check_whole_batches(
    checker: &mut Checker,
    section: &SubmissionSection,
    batches: &[Option<BatchCommitted>],
    documents: &Documents,
) {
    for (number, body) in batches.iter().enumerate() {
        let Some(body) = body.as_ref().filter(|body| body.submission == section.id) else {
            continue;
        };
        let here = documents.ours.get(&number).copied().unwrap_or(0);
        if here != u64::from(body.documents) {
            let message = format!(
                "{here} of the {} documents that its batch {number} has are in the receipt",
                body.documents
            );
            differs(checker, message);
        }
    }
}

/// Checks what is said of a submission whose end is not in the receipt.
fn check_open(
    checker: &mut Checker,
    section: &SubmissionSection,
    received: Option<&SubmissionReceived>,
    documents: &Documents,
) {
    if section.counts.is_some() || section.report.is_some() {
        differs(checker, "it has counts or a report that no entry proves");
    }
    if !documents.others.is_empty() {
        differs(checker, "it has documents from batches of other submissions");
    }
    let archived = documents.archived();
    let of = received.map_or(String::new(), |body| format!(" of the {} received", body.received));
    let message = format!(
        "its end is not yet in this receipt: {archived}{of} are proven to be archived; what was \
         refused, was there before or came later cannot be told from it"
    );
    checker.find(FindingCode::ReceiptSubmissionOpen, OBJECT, message);
}

/// Reads the report, and compares with it what the receipt takes from it.
fn check_report(checker: &mut Checker, section: &SubmissionSection) -> Option<StatedReport> {
    let Some(text) = &section.report else {
        let none = section.refusals.is_empty()
            && section.received_at.is_none()
            && section.source.is_none();
        if !none {
            differs(checker, "it says what only its report could prove");
        }
        return None;
    };
    let stated = match StatedReport::parse(text) {
        Ok(stated) => stated,
        Err(error) => {
            differs(checker, format!("its report: {error}"));
            return None;
        }
    };
    let same = stated.submission == section.id
        && Some(stated.received_at) == section.received_at
        && Some(&stated.source) == section.source.as_ref()
        && stated.refusals == section.refusals;
    if !same {
        differs(checker, "the receipt says something else than its report");
    }
    Some(stated)
}

fn check_completed(
    checker: &mut Checker,
    section: &SubmissionSection,
    body: &SubmissionCompleted,
    stated: Option<&StatedReport>,
    documents: &Documents,
) {
    let report_sha256 = section.report.as_ref().map(|it| Sha256Digest::of(it.as_bytes()));
    match report_sha256 {
        None => {
            let message = "its report is not in the receipt, so refusals cannot be told";
            checker.find(FindingCode::NotRead, OBJECT, message);
        }
        Some(sha256) if sha256 != body.report_sha256 => {
            differs(checker, "its report is not the one the log names");
        }
        Some(_) => {}
    }
    if section.counts != Some(Counts::from(body)) {
        differs(checker, "its counts are not those in the log");
    }
    let archived = documents.archived();
    if archived != body.archived + body.aggregations {
        let message = format!(
            "{archived} of its documents are in the receipt, {} in the log",
            body.archived + body.aggregations
        );
        differs(checker, message);
    }
    let listed = stated.and_then(|it| it.already_versions.as_ref());
    let listed: BTreeSet<_> = listed.into_iter().flatten().copied().collect();
    if !documents.others.is_subset(&listed) || !listed.is_subset(&documents.all) {
        let message = "the documents that were there before are not those of its report";
        differs(checker, message);
    }
}
