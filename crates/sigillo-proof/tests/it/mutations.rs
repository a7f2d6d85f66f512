//! Nothing in a receipt can be changed unnoticed: every member, and every byte of a small one.

use serde_json::Value;

use sigillo_model::{
    ArchiveDescription, FindingCode, Severity, SubmissionId, Verdict, to_canonical,
};
use sigillo_proof::{Receipt, ReceiptTrust, SubmissionSection, check_receipt};

use crate::world::{Plan, SUBMISSION, receipt, receipt_described};

/// Whether a changed receipt is refused or found damaged.
fn is_noticed(bytes: &[u8], trust: &ReceiptTrust) -> bool {
    match Receipt::parse(bytes) {
        Err(_) => true,
        Ok(receipt) => check_receipt(&receipt, trust, &[]).verdict != Verdict::Intact,
    }
}

/// Calls `with` on every scalar below `value`, by its path.
pub(crate) fn each_scalar(value: &Value, path: &str, with: &mut dyn FnMut(&str, &Value)) {
    match value {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, item)| each_scalar(item, &format!("{path}/{index}"), with)),
        Value::Object(members) => members
            .iter()
            .for_each(|(name, item)| each_scalar(item, &format!("{path}/{name}"), with)),
        scalar => with(path, scalar),
    }
}

/// Returns other values in place of a scalar: one changed character in three places of a text.
pub(crate) fn changes(value: &Value) -> Vec<Value> {
    match value {
        Value::Bool(is) => vec![Value::Bool(!is)],
        Value::Number(number) => {
            let number = number.as_u64().unwrap();
            let below = number.checked_sub(1);
            below.into_iter().chain([number + 1]).map(Value::from).collect()
        }
        Value::String(text) if text.is_empty() => vec![Value::from("x")],
        Value::String(text) => {
            let places = [0, text.len() / 2, text.len() - 1];
            places.iter().map(|at| Value::from(flip(text, *at))).collect()
        }
        other => panic!("a receipt has no {other}"),
    }
}

/// Changes one character, a hexadecimal digit to another.
fn flip(text: &str, at: usize) -> String {
    let mut bytes = text.as_bytes().to_vec();
    bytes[at] = match bytes[at] {
        b'0' => b'1',
        b'a' => b'b',
        b'A' => b'B',
        byte if byte.is_ascii_digit() => byte - 1,
        byte if byte.is_ascii_lowercase() || byte.is_ascii_uppercase() => byte - 1,
        _ => b'x',
    };
    String::from_utf8(bytes).unwrap()
}

#[track_caller]
fn check_every_member(plan: &Plan) {
    let (world, receipt) = receipt(plan);
    let trust = world.trust();
    assert!(!is_noticed(&receipt.to_json(), &trust), "the honest receipt of {plan:?}");
    let whole = serde_json::to_value(&receipt).unwrap();
    let mut unnoticed = Vec::new();
    let mut tried = 0;
    each_scalar(&whole, "", &mut |path, value| {
        for change in changes(value) {
            let mut changed = whole.clone();
            *changed.pointer_mut(path).unwrap() = change;
            tried += 1;
            if !is_noticed(&to_canonical(&changed), &trust) {
                unnoticed.push(path.to_owned());
            }
        }
    });
    assert!(tried > 100, "only {tried} changes were tried");
    assert_eq!(unnoticed, Vec::<String>::new());
}

#[test]
fn every_changed_member_of_a_submissions_receipt_is_noticed() {
    check_every_member(&Plan { batches: vec![3, 5], every: 1, sealed: true });
}

#[test]
fn every_changed_member_of_a_receipt_with_leaves_is_noticed() {
    check_every_member(&Plan { batches: vec![66], every: 1, sealed: false });
}

#[test]
fn every_changed_member_of_single_documents_receipts_is_noticed() {
    check_every_member(&Plan { batches: vec![9], every: 4, sealed: true });
}

/// Calls `with` on every member of every object below `value`, by its path.
fn each_member(value: &Value, path: &str, with: &mut dyn FnMut(&str)) {
    match value {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .for_each(|(index, item)| each_member(item, &format!("{path}/{index}"), with)),
        Value::Object(members) => members.iter().for_each(|(name, item)| {
            let path = format!("{path}/{name}");
            with(&path);
            each_member(item, &path, with);
        }),
        _ => {}
    }
}

fn remove(value: &mut Value, path: &str) {
    let (parent, name) = path.rsplit_once('/').unwrap();
    value.pointer_mut(parent).and_then(Value::as_object_mut).unwrap().remove(name).unwrap();
}

#[test]
fn no_member_but_the_whole_submission_can_be_left_out_unnoticed() {
    let plans = [(vec![3, 5], true), (vec![66], false)];
    for (batches, sealed) in plans {
        let (world, receipt) = receipt(&Plan { batches, every: 1, sealed });
        let (trust, whole) = (world.trust(), serde_json::to_value(&receipt).unwrap());
        let mut unnoticed = Vec::new();
        each_member(&whole, "", &mut |path| {
            let mut changed = whole.clone();
            remove(&mut changed, path);
            if !is_noticed(&to_canonical(&changed), &trust) {
                unnoticed.push(path.to_owned());
            }
        });
        assert_eq!(unnoticed, ["/submission"]);
    }
}

/// Returns the codes of what a receipt of a submission gives once its section was changed.
fn codes_with(plan: &Plan, change: impl Fn(&mut Receipt)) -> Vec<&'static str> {
    let (world, mut receipt) = receipt(plan);
    change(&mut receipt);
    let receipt = Receipt::parse(&receipt.to_json()).unwrap();
    let check = check_receipt(&receipt, &world.trust(), &[]);
    check.findings.iter().map(|it| it.code.code()).collect()
}

#[test]
fn a_submission_that_no_entry_names_is_not_believed() {
    let plan = Plan { batches: vec![3], every: 1, sealed: true };
    let bare = |id| SubmissionSection {
        completed: None,
        counts: None,
        id,
        received: None,
        received_at: None,
        refusals: Vec::new(),
        report: None,
        source: None,
    };
    // Invented, and then the own id: without the entry of its receipt nothing binds it to the log.
    for id in [SubmissionId::from_bytes([0; 16]), SUBMISSION] {
        let codes = codes_with(&plan, |receipt| receipt.submission = Some(bare(id)));
        assert_eq!(codes[0], "F807", "{codes:?}");
    }
    let codes = codes_with(&plan, |receipt| receipt.submission.as_mut().unwrap().received = None);
    assert_eq!(codes, ["F807", "F507", "F605"]);
}

#[test]
fn documents_left_out_of_a_batch_of_an_open_submission_are_missed() {
    let plan = Plan { batches: vec![6, 2], every: 1, sealed: false };
    let open = |receipt: &mut Receipt| {
        let section = receipt.submission.as_mut().unwrap();
        (section.completed, section.counts, section.report) = (None, None, None);
        (section.received_at, section.source) = (None, None);
        section.refusals.clear();
    };
    assert_eq!(codes_with(&plan, open), ["F506", "F507", "F605", "F810"]);
    let codes = codes_with(&plan, |receipt| {
        open(receipt);
        receipt.documents.drain(1..6);
    });
    assert_eq!(codes, ["F807", "F506", "F507", "F605", "F810"]);
    // Whole batches were perhaps not there yet: that cannot be told from the receipt, and it says so.
    let (world, mut receipt) = receipt(&plan);
    open(&mut receipt);
    receipt.batches.pop();
    receipt.documents.truncate(6);
    let check = check_receipt(&receipt, &world.trust(), &[]);
    let said = &check.findings.last().unwrap().message;
    assert!(said.contains("6 of the 9 received are proven to be archived"), "{said}");
}

#[test]
fn every_flipped_byte_is_noticed() {
    let (world, receipt) = receipt(&Plan { batches: vec![2], every: 1, sealed: true });
    let (trust, mut bytes) = (world.trust(), receipt.to_json());
    // Every member has its own test above; all bytes take a while.
    let step = if std::env::var_os("SIGILLO_SLOW_TESTS").is_some() { 1 } else { 5 };
    for at in (0..bytes.len()).step_by(step) {
        bytes[at] ^= 1;
        assert!(is_noticed(&bytes, &trust), "byte {at}: {}", bytes[at]);
        bytes[at] ^= 1;
    }
}

#[test]
fn no_item_of_a_list_can_be_dropped_or_doubled() {
    let (world, receipt) = receipt(&Plan { batches: vec![3, 2], every: 1, sealed: true });
    let whole = serde_json::to_value(&receipt).unwrap();
    let lists = [
        "/batches",
        "/documents",
        "/submission/refusals",
        "/archive/created/proof",
        "/documents/0/order_proof",
        "/documents/0/tree_path",
        "/sealings/0/consistency",
        "/batches/0/entry/proof",
        "/batches/0/sealed/tree_path",
        "/sealings/0/tokens/0/entry/proof",
    ];
    for list in lists {
        for at in [0, usize::MAX] {
            for double in [false, true] {
                let mut changed = whole.clone();
                let items = changed.pointer_mut(list).and_then(Value::as_array_mut).unwrap();
                let at = at.min(items.len() - 1);
                let item = items.remove(at);
                if double {
                    items.splice(at..at, [item.clone(), item]);
                }
                let bytes = to_canonical(&changed);
                assert!(is_noticed(&bytes, &world.trust()), "{list} {at} {double}");
            }
        }
    }
}

#[test]
fn a_receipt_stripped_of_its_sealing_is_only_an_older_one() {
    let (world, mut receipt) = receipt(&Plan { batches: vec![2], every: 1, sealed: true });
    receipt.sealings.clear();
    let check = check_receipt(&receipt, &world.trust(), &[]);
    assert_eq!(check.findings[0].severity, Severity::Damage);
    receipt.batches[0].sealed = None;
    let check = check_receipt(&receipt, &world.trust(), &[]);
    assert_eq!(check.verdict, Verdict::Intact);
}

/// Checks the receipt of an archive that says something else of itself, by whom its own keys are
/// believed.
fn described(change: &dyn Fn(&mut ArchiveDescription)) -> (Verdict, FindingCode) {
    let plan = Plan { batches: vec![2], every: 1, sealed: true };
    let (world, receipt) = receipt_described(&plan, change);
    let check = check_receipt(&receipt, &world.trust(), &[]);
    (check.verdict, check.findings[0].code)
}

#[test]
fn an_archive_that_is_not_known_here_is_not_judged() {
    let unknown = (Verdict::CannotTell, FindingCode::ReceiptArchiveUnknown);
    assert_eq!(described(&|it| it.format = 2), unknown);
    assert_eq!(described(&|it| "aes".clone_into(&mut it.encryption)), unknown);
    assert_eq!(described(&|it| "md5".clone_into(&mut it.algorithms.evidence)), unknown);
    assert_eq!(described(&|it| "sha1".clone_into(&mut it.algorithms.address)), unknown);
}

#[test]
fn an_archive_that_names_no_certificate_of_its_seal_is_damage() {
    let damage = (Verdict::Damaged, FindingCode::ReceiptDiffers);
    assert_eq!(described(&|it| it.keys.seal.clear()), damage);
    assert_eq!(described(&|it| it.keys.seal.truncate(100)), damage);
    // As large as no description is read from an archive.
    assert_eq!(described(&|it| it.entity.ipa = Some("x".repeat(70_000))), damage);
}
