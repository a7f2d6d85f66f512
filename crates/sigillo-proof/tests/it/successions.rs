//! Logs that came after others: documents before, across and after the border are proven to who believes
//! the old key, or the new one, and to nobody else.

use sigillo_merkle::{
    KeysOfLog, MemoryTree, NoteSignature, VerifierKey, inclusion_path, leaf_hash, root_at,
    rotation_text,
};
use sigillo_model::{
    Entry, FindingCode, LogSucceeded, LogTime, Sha256Digest, Signer as _, Statement, Succession,
    SuccessionReason, Verdict, parse_canonical,
};
use sigillo_proof::{
    Bundle, EndedLog, EntryPlace, LoggedLine, RECEIPT_SCHEMA, RECEIPT_SCHEMA_OF_LOGS, Receipt,
    ReceiptCheck, ReceiptTrust, SUCCESSION_INDEX, SuccessionSection, SuccessorKeys, check_receipt,
    extends,
};
use sigillo_testkit::MemorySigner;

use crate::world::{
    Changes, ORIGIN, Plan, World, digests, receipt as receipt_of, receipt_changed, verifier_key,
};

/// After what the log of a test is succeeded.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Border {
    /// After the submission was received: its batches are in the next log.
    Received,
    /// After the batches were committed: they are sealed in the next log.
    Committed,
    /// After the sealing was stamped: it is renewed in the next log.
    Stamped,
}

/// A log that ended.
pub(crate) struct Ended {
    later: Vec<(u64, MemorySigner)>,
    lines: Vec<Vec<u8>>,
    tree: MemoryTree,
}

impl World {
    pub(crate) fn generation(&self) -> u64 {
        self.ended.len() as u64 + 1
    }

    pub(crate) fn origin(&self) -> String {
        origin_of(self.generation())
    }

    /// Returns a place in the newest log.
    pub(crate) fn at(&self, index: u64) -> EntryPlace {
        EntryPlace { log: self.generation(), index }
    }

    pub(crate) fn tree_of(&self, log: u64) -> &MemoryTree {
        self.ended.get(usize::try_from(log).unwrap() - 1).map_or(&self.tree, |it| &it.tree)
    }

    /// Returns an entry of any log, with the proof that it is in it.
    pub(crate) fn line_at(&self, place: EntryPlace) -> LoggedLine {
        let EntryPlace { log, index } = place;
        let Some(ended) = self.ended.get(usize::try_from(log).unwrap() - 1) else {
            return self.line(index);
        };
        let line = ended.lines[usize::try_from(index).unwrap()].clone();
        let proof = inclusion_path(index, ended.tree.size(), &ended.tree).unwrap();
        LoggedLine { index, line: String::from_utf8(line).unwrap(), log, proof: digests(&proof) }
    }

    /// Returns the rotations that lead to the newest key of a log.
    pub(crate) fn rotations_of(&self, log: u64) -> Vec<LoggedLine> {
        let ended = self.ended.get(usize::try_from(log).unwrap() - 1);
        let later = ended.map_or(&self.later, |it| &it.later).iter();
        later.map(|(index, _)| self.line_at(EntryPlace { log, index: *index })).collect()
    }

    pub(crate) fn successions(&self) -> Vec<SuccessionSection> {
        let later = (2..=self.generation()).map(|log| SuccessionSection {
            entry: self.line_at(EntryPlace { log, index: SUCCESSION_INDEX }),
            rotations: self.rotations_of(log),
        });
        later.collect()
    }

    /// Begins another log, if there is a border here.
    pub(crate) fn pass(&mut self, changes: &Changes<'_>, border: Border) {
        if changes.borders.contains(&border) {
            let last = if border == Border::Stamped { 3 } else { 1 };
            self.succeed(changes, last);
        }
    }

    /// Ends the newest log with this commit, and begins another.
    pub(crate) fn succeed(&mut self, changes: &Changes<'_>, last: u64) {
        let (generation, size) = (self.generation() + 1, self.tree.size());
        let [log, commit] =
            [300, 400].map(|seed| MemorySigner::new(seed + generation + changes.log_key));
        let origin = origin_of(generation);
        let mut body = LogSucceeded {
            act_sha256: Sha256Digest::of(b"act"),
            signature: None,
            signature_sha256: Sha256Digest::of(b"signature"),
            succession: Succession {
                checkpoint: None,
                commit: verifier_key(&format!("{origin}/commit"), &commit).to_string(),
                generation,
                last,
                last_sha256: Sha256Digest::of(b"commit"),
                log: verifier_key(&origin, &log).to_string(),
                reason: SuccessionReason::KeysExposed,
                root: root_of_tree(&self.tree),
                seal: changes.seals_anew.then(|| self.seal_anew()),
                size,
            },
        };
        let old = self.later.last().map_or(&self.signer, |(_, signer)| signer);
        body.signature = changes.vouched.then(|| signature_of(&body, &self.origin(), old));
        self.signer = log;
        let ended = Ended {
            later: std::mem::take(&mut self.later),
            lines: std::mem::take(&mut self.lines),
            tree: std::mem::take(&mut self.tree),
        };
        self.ended.push(ended);
        self.push_line(br#"{"type":"commit.opened","v":2}"#.to_vec());
        self.push(&Entry::LogSucceeded(Box::new(body)));
        (0..changes.rotations.min(1)).for_each(|_| self.rotate(changes.forged));
    }

    /// Returns the keys of the newest log as somebody knows them who was given them.
    pub(crate) fn successor_keys(&self) -> SuccessorKeys {
        self.successor_keys_of(self.generation())
    }

    /// Does the same for the log of a generation, from 2.
    fn successor_keys_of(&self, generation: u64) -> SuccessorKeys {
        let place = usize::try_from(generation).unwrap() - 2;
        let body = self.successions()[place].body().unwrap().succession;
        SuccessorKeys {
            generation: body.generation,
            commit: VerifierKey::parse(&body.commit).unwrap(),
            log: VerifierKey::parse(&body.log).unwrap().into(),
            before: None,
        }
    }
}

fn origin_of(generation: u64) -> String {
    if generation == 1 { ORIGIN.to_owned() } else { format!("{ORIGIN}/g{generation}") }
}

fn root_of_tree(tree: &MemoryTree) -> Sha256Digest {
    let root = root_at(tree.size(), tree).unwrap();
    Sha256Digest::from_bytes(*root.as_bytes())
}

/// Signs for a log by a key of the one before it.
fn signature_of(body: &LogSucceeded, origin: &str, old: &MemorySigner) -> String {
    let signature = old.sign(body.text(origin).as_bytes()).unwrap();
    let (name, id) = (origin.to_owned(), verifier_key(origin, old).id());
    NoteSignature { name, id, signature }.to_line().trim_end().to_owned()
}

/// An archive whose log was succeeded, and the receipt of its documents.
pub(crate) fn succeeded(borders: &[Border], vouched: bool) -> (World, Receipt) {
    let plan = Plan { batches: vec![2], every: 1, sealed: true };
    let changes = Changes { borders, vouched, renewals: 1, ..Changes::default() };
    let (world, mut receipt) = receipt_changed(&plan, &changes);
    receipt.submission = None;
    (world, receipt)
}

fn check(receipt: &Receipt, trust: &ReceiptTrust) -> ReceiptCheck {
    check_receipt(&Receipt::parse(&receipt.to_json()).unwrap(), trust, &[])
}

#[track_caller]
fn check_verdict(receipt: &Receipt, trust: &ReceiptTrust, expected: Verdict) {
    let checked = check(receipt, trust);
    assert_eq!(checked.verdict, expected, "{:?}", checked.findings);
}

const BORDERS: [&[Border]; 5] = [
    &[Border::Received],
    &[Border::Committed],
    &[Border::Stamped],
    &[Border::Received, Border::Stamped],
    &[Border::Committed, Border::Stamped],
];

#[test]
fn who_believes_the_old_key_believes_what_its_successor_proves() {
    for borders in BORDERS {
        let (world, receipt) = succeeded(borders, true);
        assert_eq!(receipt.schema, RECEIPT_SCHEMA_OF_LOGS);
        let checked = check(&receipt, &world.trust());
        assert_eq!(checked.verdict, Verdict::Intact, "{borders:?}: {:?}", checked.findings);
        let told = checked.findings.iter().filter(|it| it.code == FindingCode::LogSucceeded);
        assert_eq!(told.count(), borders.len());
        assert_eq!((checked.documents, checked.sealings, checked.times.len()), (2, 1, 2));
        let ended: Vec<_> = checked.logs.iter().map(|it| it.ended).collect();
        assert_eq!(ended.len(), borders.len() + 1);
        assert!(ended.iter().rev().skip(1).all(|it| *it) && !ended[borders.len()]);
        // Whoever knows nobody, or somebody else, cannot tell.
        let other = verifier_key(ORIGIN, &MemorySigner::new(77));
        for log in [None, Some(KeysOfLog::new(other))] {
            check_verdict(&receipt, &ReceiptTrust { log, ..world.trust() }, Verdict::CannotTell);
        }
    }
}

#[test]
fn a_log_that_nobody_signed_for_is_believed_by_who_was_given_its_keys() {
    for borders in BORDERS {
        let (world, receipt) = succeeded(borders, false);
        let checked = check(&receipt, &world.trust());
        assert_eq!(checked.verdict, Verdict::CannotTell, "{:?}", checked.findings);
        assert_eq!(checked.findings[0].code, FindingCode::OriginUnknown);
        let known = world.successor_keys();
        let given = |it: SuccessorKeys| ReceiptTrust { successors: vec![it], ..world.trust() };
        check_verdict(&receipt, &given(known.clone()), Verdict::Intact);
        let other = |name: &str| verifier_key(name, &MemorySigner::new(77));
        let origin = world.origin();
        let log = SuccessorKeys { log: other(&origin).into(), ..known.clone() };
        let commit = SuccessorKeys { commit: other(&format!("{origin}/commit")), ..known };
        for it in [log, commit] {
            check_verdict(&receipt, &given(it), Verdict::CannotTell);
        }
    }
}

#[test]
fn who_knows_other_keys_of_a_log_does_not_believe_the_old_key_about_it() {
    let (world, receipt) = succeeded(&[Border::Received], true);
    let other = SuccessorKeys {
        log: verifier_key(&world.origin(), &MemorySigner::new(77)).into(),
        ..world.successor_keys()
    };
    let trust = ReceiptTrust { successors: vec![other], ..world.trust() };
    check_verdict(&receipt, &trust, Verdict::CannotTell);
}

#[test]
fn who_knows_that_the_key_of_a_later_log_changed_believes_the_older_one_up_to_there() {
    for vouched in [true, false] {
        let (world, receipt) = succeeded(&[Border::Received], vouched);
        let known = world.successor_keys();
        let size = check(&receipt, &world.trust()).checkpoint.unwrap().size;
        for (index, verdict) in [(size - 1, Verdict::CannotTell), (size, Verdict::Intact)] {
            let successors = vec![rotated_at(index, &known, &world.signer)];
            check_verdict(&receipt, &ReceiptTrust { successors, ..world.trust() }, verdict);
        }
    }
}

/// Returns what somebody knows of a log who knows that its first key, which `old` is, signed for another at
/// a place.
fn rotated_at(index: u64, known: &SuccessorKeys, old: &MemorySigner) -> SuccessorKeys {
    let origin = known.log.first().name().to_owned();
    let new = verifier_key(&origin, &MemorySigner::new(500));
    let signature = old.sign(rotation_text(1, &new).as_bytes()).unwrap();
    let line = NoteSignature { name: origin, id: known.log.first().id(), signature }.to_line();
    let mut log = known.log.clone();
    log.rotate(index, 1, &new.to_string(), line.trim_end()).unwrap();
    SuccessorKeys { log, ..known.clone() }
}

#[test]
fn a_retired_key_of_a_later_log_begins_no_log_after_it() {
    let (world, receipt) = succeeded(&[Border::Committed, Border::Stamped], true);
    let end = receipt.archive.successions[1].body().unwrap().succession.size;
    let (second, third) = (world.successor_keys_of(2), world.successor_keys_of(3));
    let known = |successors| ReceiptTrust { successors, ..world.trust() };
    check_verdict(&receipt, &known(vec![second.clone()]), Verdict::Intact);
    for index in [end - 1, end, end + 9] {
        let rotated = rotated_at(index, &second, &MemorySigner::new(303));
        check_verdict(&receipt, &known(vec![rotated.clone()]), Verdict::CannotTell);
        // Who was given the new keys believes the entity about the end as well.
        check_verdict(&receipt, &known(vec![rotated, third.clone()]), Verdict::Intact);
    }
}

#[test]
fn keys_that_rotated_in_both_logs_lead_from_one_to_the_other() {
    let plan = Plan { batches: vec![2], every: 1, sealed: true };
    let borders = &[Border::Committed, Border::Stamped];
    let changes = Changes { borders, rotations: 2, renewals: 1, ..Changes::default() };
    let (world, receipt) = receipt_changed(&plan, &changes);
    assert_eq!(receipt.archive.rotations.len(), 1);
    assert!(receipt.archive.successions.iter().all(|it| !it.rotations.is_empty()));
    check_verdict(&receipt, &world.trust(), Verdict::Intact);
    let forged = Changes { forged: true, ..changes };
    let (world, receipt) = receipt_changed(&plan, &forged);
    check_verdict(&receipt, &world.trust(), Verdict::Damaged);
}

#[test]
fn a_seal_is_by_the_certificate_of_its_log() {
    let plan = Plan { batches: vec![2], every: 1, sealed: true };
    for borders in BORDERS.into_iter().filter(|it| it.len() == 1) {
        let changes = Changes { borders, seals_anew: true, renewals: 1, ..Changes::default() };
        let (mut world, receipt) = receipt_changed(&plan, &changes);
        check_verdict(&receipt, &world.trust(), Verdict::Intact);
        // As if the next log had not named it.
        if borders != [Border::Stamped] {
            let unnamed = world.begun_otherwise(&receipt, &|it| it.succession.seal = None);
            let checked = check(&unnamed, &world.trust());
            let told = checked.findings.iter().any(|it| it.code == FindingCode::SealDamaged);
            assert!(told, "{borders:?}: {:?}", checked.findings);
        }
    }
}

#[test]
fn what_begins_a_log_stands_at_its_beginning() {
    let (mut world, mut receipt) = succeeded(&[Border::Stamped], true);
    let again = world.lines[1].clone();
    let index = world.push_line(again);
    receipt.lines_mut().filter(|line| line.log == 2).for_each(|line| {
        *line = world.line(line.index);
    });
    receipt.checkpoint = world.signed_checkpoint();
    check_verdict(&receipt, &world.trust(), Verdict::Intact);
    receipt.archive.successions[0].entry = world.line(index);
    let checked = check(&receipt, &world.trust());
    assert_eq!(checked.findings[0].code, FindingCode::SuccessionFalse, "{:?}", checked.findings);
}

#[test]
fn a_receipt_of_several_logs_extends_one_of_the_first_alone() {
    let (_, newer) = succeeded(&[Border::Stamped], true);
    let mut older = newer.clone();
    older.archive.successions.clear();
    // The first log had more entries than the next has yet.
    older.checkpoint = format!("{ORIGIN}\n999\nAA==\n\n");
    older.sealings[0].tokens[0].renewals.clear();
    assert_eq!(extends(&older, &newer), Ok(()));
    assert!(extends(&newer, &older).is_err());
}

impl World {
    /// Puts another entry in place of that with which the newest log begins, as who has the keys of that
    /// log can, and proves its entries anew.
    fn begun_otherwise(
        &mut self,
        receipt: &Receipt,
        change: &dyn Fn(&mut LogSucceeded),
    ) -> Receipt {
        let mut body = receipt.archive.successions.last().unwrap().body().unwrap();
        change(&mut body);
        let honest = self.lines[1].clone();
        self.set_beginning(Entry::LogSucceeded(Box::new(body)).to_line().unwrap());
        let mut forged = receipt.clone();
        let newest = self.generation();
        for line in forged.lines_mut().filter(|line| line.log == newest) {
            *line = self.line(line.index);
        }
        forged.checkpoint = self.signed_checkpoint();
        self.set_beginning(honest);
        forged
    }

    fn set_beginning(&mut self, line: Vec<u8>) {
        self.lines[1] = line;
        self.tree = self.lines.iter().map(|it| leaf_hash(it)).collect();
    }
}

/// Returns receipts of an archive that was succeeded after its sealing, whose successor says something
/// false, each with what that is.
pub(crate) fn false_beginnings(
    world: &mut World,
    honest: &Receipt,
) -> Vec<(&'static str, Receipt)> {
    let mut forgeries = Vec::new();
    let mut add = |name, change: &dyn Fn(&mut LogSucceeded)| {
        forgeries.push((name, world.begun_otherwise(honest, change)));
    };
    let root = Sha256Digest::of(b"another history");
    let by = |body: &mut LogSucceeded, signer: &MemorySigner| {
        let line = signature_of(body, ORIGIN, signer);
        let id = verifier_key(ORIGIN, &MemorySigner::new(1)).id();
        let mut line = NoteSignature::parse_line(&line).unwrap();
        line.id = id;
        body.signature = Some(line.to_line().trim_end().to_owned());
    };
    add("another root", &|it| it.succession.root = root);
    add("another root that nobody signed for", &|it| {
        (it.succession.root, it.signature) = (root, None);
    });
    add("another root that the old key signed for", &|it| {
        it.succession.root = root;
        by(it, &MemorySigner::new(1));
    });
    add("another size", &|it| it.succession.size -= 1);
    add("signed by somebody else", &|it| by(it, &MemorySigner::new(77)));
    add("signed for another act", &|it| it.act_sha256 = root);
    add("another generation", &|it| {
        it.succession.generation = 3;
        by(it, &MemorySigner::new(1));
    });
    add("no commit before it", &|it| {
        it.succession.last = 0;
        by(it, &MemorySigner::new(1));
    });
    add("a key of another origin", &|it| {
        it.succession.log = verifier_key("altro.invalid/g2", &MemorySigner::new(303)).to_string();
        by(it, &MemorySigner::new(1));
    });
    add("a commit key of another origin", &|it| {
        it.succession.commit =
            verifier_key("altro.invalid/g2", &MemorySigner::new(403)).to_string();
        by(it, &MemorySigner::new(1));
    });
    add("the old commit key again", &|it| {
        let name = format!("{ORIGIN}/g2/commit");
        it.succession.commit = verifier_key(&name, &MemorySigner::new(2)).to_string();
        by(it, &MemorySigner::new(1));
    });
    add("one key for both", &|it| {
        let name = format!("{ORIGIN}/g2/commit");
        it.succession.commit = verifier_key(&name, &MemorySigner::new(303)).to_string();
        by(it, &MemorySigner::new(1));
    });
    add("no certificate", &|it| it.succession.seal = Some("none".to_owned()));
    forgeries
}

/// Returns receipts whose logs somebody changed without any key, each with what was done.
pub(crate) fn other_archives(honest: &Receipt) -> Vec<(&'static str, Receipt)> {
    let plan = Plan { batches: vec![2], every: 1, sealed: true };
    let borders = &[Border::Stamped];
    let changes = Changes { borders, log_key: 9, renewals: 1, ..Changes::default() };
    let (_, mut other) = receipt_changed(&plan, &changes);
    other.submission = None;
    swapped(honest, &other)
}

fn swapped(honest: &Receipt, other: &Receipt) -> Vec<(&'static str, Receipt)> {
    let mut forgeries = Vec::new();
    let mut add = |name, change: &dyn Fn(&mut Receipt)| {
        let mut receipt = honest.clone();
        change(&mut receipt);
        receipt.schema_wanted().clone_into(&mut receipt.schema);
        forgeries.push((name, receipt));
    };
    add("no logs after the first", &|it| it.archive.successions.clear());
    add("the newest log left out", &|it| drop(it.archive.successions.pop()));
    add("a log twice", &|it| {
        let again = it.archive.successions[0].clone();
        it.archive.successions.push(again);
    });
    add("a log twice, under the next number", &|it| {
        let mut again = it.archive.successions[0].clone();
        again.entry.log += 1;
        it.archive.successions.push(again);
    });
    add("a log that begins elsewhere", &|it| it.archive.successions[0].entry.index = 0);
    add("the logs of another archive", &|it| {
        it.archive.successions.clone_from(&other.archive.successions);
        it.checkpoint.clone_from(&other.checkpoint);
    });
    add("the first log of another archive", &|it| {
        it.archive.log.clone_from(&other.archive.log);
        it.archive.created.clone_from(&other.archive.created);
        it.archive.description.clone_from(&other.archive.description);
    });
    add("the checkpoint of the first log", &|it| {
        let statement: Statement = parse_canonical(it.sealings[0].statement.as_bytes()).unwrap();
        it.checkpoint = statement.checkpoint;
    });
    add("an older entry in the newer log", &|it| it.batches[0].entry.log += 1);
    add("a renewal in the older log", &|it| {
        it.sealings[0].tokens[0].renewals[0].entry.log = 1;
    });
    forgeries
}

#[test]
fn nothing_false_is_believed_of_where_a_log_ended_and_another_began() {
    let (mut world, receipt) = succeeded(&[Border::Stamped], true);
    let trust = world.trust();
    for (name, forged) in false_beginnings(&mut world, &receipt) {
        let checked = check(&forged, &trust);
        assert_eq!(checked.verdict, Verdict::Damaged, "{name}: {:?}", checked.findings);
    }
    // As long as it says what is so, the owner of the next log can say it in other words.
    let again = world.begun_otherwise(&receipt, &|it| it.signature_sha256 = it.act_sha256);
    check_verdict(&again, &trust, Verdict::Intact);
}

#[test]
fn no_log_can_be_left_out_or_taken_from_another_archive() {
    let (world, receipt) = succeeded(&[Border::Stamped], true);
    for (name, forged) in other_archives(&receipt) {
        let Ok(forged) = Receipt::parse(&forged.to_json()) else { continue };
        let checked = check_receipt(&forged, &world.trust(), &[]);
        assert_eq!(checked.verdict, Verdict::Damaged, "{name}: {:?}", checked.findings);
    }
}

#[test]
fn the_schema_says_whether_there_are_several_logs() {
    let (_, several) = succeeded(&[Border::Stamped], true);
    let (_, one) = succeeded(&[], true);
    assert_eq!(one.schema, RECEIPT_SCHEMA);
    for (receipt, schema) in [(&several, RECEIPT_SCHEMA), (&one, RECEIPT_SCHEMA_OF_LOGS)] {
        let mut other = receipt.clone();
        schema.clone_into(&mut other.schema);
        assert!(Receipt::parse(&other.to_json()).is_err());
    }
    let zip = |receipt: &Receipt| {
        Bundle { receipt: receipt.clone(), files: Vec::new() }.to_zip().unwrap()
    };
    for receipt in [&several, &one] {
        assert_eq!(Bundle::parse(&zip(receipt)).unwrap().receipt, *receipt);
    }
    // What reads only the first schema refuses the second by its name.
    assert!(String::from_utf8_lossy(&zip(&several)).contains("\"schema\":\"sigillo.bundle/2\""));
    assert!(!String::from_utf8(one.to_json()).unwrap().contains("successions"));
}

/// Changes what somebody knows of the end of a log.
type Change<'c> = &'c dyn Fn(&mut EndedLog);

#[test]
fn where_others_may_sign_for_a_log_that_ended_only_what_is_older_is_believed() {
    let plan = |sealed| Plan { batches: vec![2], every: 1, sealed };
    let (world, sealed) = receipt_of(&plan(true));
    let (unsealed_world, unsealed) = receipt_of(&plan(false));
    let known = |world: &World, receipt: &Receipt, change: Change<'_>| {
        let head = check(receipt, &world.trust()).checkpoint.unwrap();
        let mut before = EndedLog {
            at: LogTime::new("2090-01-01T00:00:00Z".parse().unwrap()),
            others_may_sign: true,
            root: Sha256Digest::from_bytes(*head.root.as_bytes()),
            size: head.size,
        };
        change(&mut before);
        let key = |name: &str| verifier_key(name, &MemorySigner::new(77));
        let next = SuccessorKeys {
            generation: 2,
            commit: key(&format!("{ORIGIN}/g2/commit")),
            log: key(&format!("{ORIGIN}/g2")).into(),
            before: Some(before),
        };
        ReceiptTrust { successors: vec![next], ..world.trust() }
    };
    let early = |it: &mut EndedLog| it.at = LogTime::new("1990-01-01T00:00:00Z".parse().unwrap());
    let cases: [(Change<'_>, Verdict); 7] = [
        (&|_| {}, Verdict::Intact),
        (&|it| it.size += 1, Verdict::Intact),
        (&|it| it.size -= 1, Verdict::CannotTell),
        (&|it| it.root = Sha256Digest::of(b"other"), Verdict::CannotTell),
        (&early, Verdict::CannotTell),
        (&|it| (it.size, it.others_may_sign) = (it.size - 1, false), Verdict::CannotTell),
        (
            &|it| (it.root, it.others_may_sign) = (Sha256Digest::of(b"other"), false),
            Verdict::Damaged,
        ),
    ];
    for (change, verdict) in cases {
        check_verdict(&sealed, &known(&world, &sealed, change), verdict);
    }
    // What nothing time-stamps may be from afterwards.
    let trust = known(&unsealed_world, &unsealed, &|_| {});
    check_verdict(&unsealed, &trust, Verdict::CannotTell);
    let trust = known(&unsealed_world, &unsealed, &|it| it.others_may_sign = false);
    check_verdict(&unsealed, &trust, Verdict::Intact);
}
