//! Other keys of the log: whoever knows one of them believes what the rotations lead to, and no more.

use sigillo_merkle::{KeysOfLog, NoteSignature, VerifierKey, rotation_text};
use sigillo_model::{Entry, FindingCode, KeyRotated, Signer as _, Verdict};
use sigillo_proof::{LoggedLine, Receipt, ReceiptCheck, ReceiptTrust, check_receipt};
use sigillo_testkit::MemorySigner;

use crate::world::{Changes, ORIGIN, Plan, World, receipt_changed, verifier_key};

impl World {
    /// Rotates the key of the log to the next one; somebody else signs what is `forged`.
    pub(crate) fn rotate(&mut self, forged: bool) {
        let number = self.later.len() as u64 + 1;
        let next = MemorySigner::new(100 * self.generation() + number);
        let signer = self.later.last().map_or(&self.signer, |(_, signer)| signer);
        let (origin, other) = (self.origin(), MemorySigner::new(77));
        let log = verifier_key(&origin, &next).to_string();
        let by = if forged { &other } else { signer };
        let signature = signature_of(&origin, number, (signer, by), &next);
        let body = KeyRotated { log, number, signature };
        let index = self.push(&Entry::KeyRotated(body));
        self.later.push((index, next));
    }

    /// Returns the keys of the log, oldest first.
    fn keys(&self) -> Vec<VerifierKey> {
        let later = self.later.iter().map(|(_, signer)| verifier_key(ORIGIN, signer));
        std::iter::once(self.log_key().clone()).chain(later).collect()
    }
}

/// Makes a rotation from one key to another.
pub(crate) fn rotation(number: u64, old: &MemorySigner, next: &MemorySigner) -> KeyRotated {
    let log = verifier_key(ORIGIN, next).to_string();
    KeyRotated { log, number, signature: signature_of(ORIGIN, number, (old, old), next) }
}

/// Signs a rotation by any key, under the name and id of the old one.
fn signature_of(
    origin: &str,
    number: u64,
    (old, by): (&MemorySigner, &MemorySigner),
    next: &MemorySigner,
) -> String {
    let text = rotation_text(number, &verifier_key(origin, next));
    let (signature, id) = (by.sign(text.as_bytes()).unwrap(), verifier_key(origin, old).id());
    let line = NoteSignature { name: origin.to_owned(), id, signature }.to_line();
    line.trim_end().to_owned()
}

/// Makes a log that begins with the key of others, and says that it goes on with one's own.
pub(crate) fn usurped() -> (World, Receipt) {
    let plan = Plan { batches: vec![2], every: 1, sealed: true };
    receipt_changed(&plan, &Changes { rotations: 2, forged: true, ..Changes::default() })
}

fn rotated(rotations: usize) -> (World, Receipt) {
    let plan = Plan { batches: vec![2], every: 1, sealed: true };
    receipt_changed(&plan, &Changes { rotations, ..Changes::default() })
}

fn check(world: &World, receipt: &Receipt, log: Option<KeysOfLog>) -> ReceiptCheck {
    let receipt = Receipt::parse(&receipt.to_json()).unwrap();
    check_receipt(&receipt, &ReceiptTrust { log, ..world.trust() }, &[])
}

fn line_of(body: KeyRotated) -> String {
    String::from_utf8(Entry::KeyRotated(body).to_line().unwrap()).unwrap()
}

/// Returns receipts whose rotations somebody changed without the keys, each with what was done.
pub(crate) fn forged(world: &World, honest: &Receipt) -> Vec<(&'static str, Receipt)> {
    let stranger = MemorySigner::new(77);
    let mut forgeries = Vec::new();
    let mut add = |name, change: &dyn Fn(&mut Vec<LoggedLine>)| {
        let mut receipt = honest.clone();
        change(&mut receipt.archive.rotations);
        forgeries.push((name, receipt));
    };
    add("all rotations left out", &|it| it.clear());
    add("the first rotation left out", &|it| drop(it.remove(0)));
    add("the last rotation left out", &|it| drop(it.pop()));
    add("rotations turned round", &|it| it.reverse());
    add("a rotation twice", &|it| it.push(it[1].clone()));
    add("an entry that is no rotation", &|it| it[1] = honest.archive.created.clone());
    add("a rotation signed by itself", &|it| {
        it[1].line = line_of(rotation(2, &stranger, &stranger));
    });
    add("a rotation of a later version", &|it| {
        it[1].line = it[1].line.replace("\"v\":1", "\"v\":2");
    });
    add("a rotation that the log does not have", &|it| {
        let (_, newest) = world.later.last().unwrap();
        it.push(LoggedLine { line: line_of(rotation(3, newest, &stranger)), ..it[1].clone() });
        it[2].index += 1;
    });
    forgeries
}

#[test]
fn whoever_knows_a_key_believes_what_it_leads_to() {
    let (world, receipt) = rotated(2);
    let keys = world.keys();
    for key in &keys {
        let checked = check(&world, &receipt, Some(key.clone().into()));
        assert_eq!(checked.verdict, Verdict::Intact, "{key}: {:?}", checked.findings);
    }
    let other = verifier_key(ORIGIN, &MemorySigner::new(77));
    for log in [None, Some(other.into())] {
        assert_eq!(check(&world, &receipt, log).verdict, Verdict::CannotTell);
    }
    // Of a receipt of before the rotation, its key does not know.
    let (before, older) = rotated(0);
    let newer = Some(keys[2].clone().into());
    assert_eq!(check(&before, &older, newer).verdict, Verdict::CannotTell);
    assert!(!String::from_utf8(older.to_json()).unwrap().contains("rotations"));
}

#[test]
fn who_knows_of_a_rotation_believes_the_older_key_only_up_to_it() {
    let (world, older) = rotated(0);
    let size = world.tree.size();
    let next = MemorySigner::new(101);
    let known = |index| {
        let mut keys = KeysOfLog::new(world.log_key().clone());
        let body = rotation(1, &world.signer, &next);
        keys.rotate(index, body.number, &body.log, &body.signature).unwrap();
        Some(keys)
    };
    // The entry at `size` is not covered, the one before it is.
    assert_eq!(check(&world, &older, known(size)).verdict, Verdict::Intact);
    assert_eq!(check(&world, &older, known(size - 1)).verdict, Verdict::CannotTell);
}

#[test]
fn no_rotation_can_be_forged_or_left_out() {
    let (world, receipt) = rotated(2);
    for (name, forged) in forged(&world, &receipt) {
        let checked = check(&world, &forged, world.trust().log);
        assert_eq!(checked.verdict, Verdict::Damaged, "{name}: {:?}", checked.findings);
    }
    let (_, mut forged) = forged(&world, &receipt).remove(6);
    forged.archive.rotations.truncate(2);
    let checked = check(&world, &forged, world.trust().log);
    let found = checked.findings.iter().any(|it| it.code == FindingCode::KeyRotationFalse);
    assert!(found, "{:?}", checked.findings);
}

#[test]
fn whoever_usurps_a_log_with_a_rotation_of_their_own_is_found_out() {
    let (world, receipt) = usurped();
    for log in [world.trust().log, None] {
        let checked = check(&world, &receipt, log);
        assert_eq!(checked.verdict, Verdict::Damaged, "{:?}", checked.findings);
        let found = checked.findings.iter().filter(|it| it.code == FindingCode::KeyRotationFalse);
        assert_eq!(found.count(), 2, "{:?}", checked.findings);
    }
}

#[test]
fn a_chain_of_ones_own_keys_is_consistent_and_never_believed() {
    let (victim, _) = rotated(2);
    let plan = Plan { batches: vec![2], every: 1, sealed: true };
    let changes = Changes { log_key: 9, rotations: 2, ..Changes::default() };
    let (forger, receipt) = receipt_changed(&plan, &changes);
    let trust = ReceiptTrust {
        log: Some(victim.log_key().clone().into()),
        anchors: forger.anchors.clone(),
        ..ReceiptTrust::default()
    };
    let checked = check_receipt(&receipt, &trust, &[]);
    assert_eq!(checked.verdict, Verdict::CannotTell, "{:?}", checked.findings);
}

#[test]
fn a_checkpoint_by_a_key_whose_time_was_over_is_refused() {
    let (world, mut receipt) = rotated(2);
    let size = world.tree.size();
    for signer in [&world.signer, &world.later[0].1] {
        receipt.checkpoint = world.checkpoint_by(signer, size);
        let checked = check(&world, &receipt, world.trust().log);
        assert_eq!(checked.verdict, Verdict::Damaged, "{:?}", checked.findings);
    }
    // And one by a key whose time had not come.
    let older = world.later[0].0;
    receipt.checkpoint = world.checkpoint_by(&world.later[1].1, older);
    assert_eq!(check(&world, &receipt, world.trust().log).verdict, Verdict::Damaged);
}
