//! What was seen and met: what contradicts it, and what outranks it.

use sigillo_merkle::{NoteSignature, rotation_text};
use sigillo_model::Signer as _;
use sigillo_proof::EndedLog;
use sigillo_testkit::MemorySigner;
use tempfile::TempDir;

use super::*;

fn key(generation: u64, seed: u64) -> VerifierKey {
    let public_key = MemorySigner::new(seed).public_key().try_into().unwrap();
    let name = if generation == 1 { "log".to_owned() } else { format!("log/g{generation}") };
    VerifierKey::new_ed25519(name, public_key).unwrap()
}

fn head(size: u64, root: &str) -> SignedHead {
    SignedHead { size, root: Sha256Digest::of(root.as_bytes()) }
}

fn at() -> LogTime {
    LogTime::new("2026-11-30T08:00:00Z".parse().unwrap())
}

/// What a file shows: the first log, those after it by the seeds of their keys, and heads.
fn met(file: &str, later: &[u64], heads: &[(u64, SignedHead)]) -> Met {
    let later = (2..).zip(later).map(|(generation, seed)| (generation, key(generation, *seed)));
    let logs = std::iter::once((1, key(1, 1))).chain(later);
    let logs = logs.map(|(generation, key)| (generation, key.into())).collect();
    Met { logs, heads: heads.to_vec(), file: file.to_owned() }
}

/// What is believed of the log of a generation, whose first key is of a seed, and of the end of the one
/// before it.
fn named(generation: u64, seed: u64, end: Option<(SignedHead, bool)>) -> SuccessorKeys {
    let before = end.map(|(head, others_may_sign)| EndedLog {
        at: at(),
        others_may_sign,
        root: head.root,
        size: head.size,
    });
    let log = KeysOfLog::new(key(generation, seed));
    SuccessorKeys { generation, commit: key(generation, seed + 50), log, before }
}

fn memory() -> (TempDir, Memory) {
    let folder = tempfile::tempdir().unwrap();
    let memory = Memory::in_folder(folder.path().join("archive"));
    (folder, memory)
}

fn trust(named: &[SuccessorKeys]) -> ReceiptTrust {
    ReceiptTrust { successors: named.to_vec(), ..ReceiptTrust::default() }
}

/// Meets a file as a command does, with one trust.
fn meet(memory: &Memory, met: &Met, named: &[SuccessorKeys]) -> Option<String> {
    meet_with(memory, met, &trust(named))
}

fn meet_with(memory: &Memory, met: &Met, trust: &ReceiptTrust) -> Option<String> {
    let found = memory.contradiction(met, trust);
    if found.is_none() {
        memory.learn(met, trust, at()).unwrap();
    }
    found.map(|it| format!("{}: {}", it.object, it.message))
}

#[test]
fn what_was_met_lies_apart_from_what_was_seen_and_says_where_it_was_met() {
    let (_folder, memory) = memory();
    memory.see(&key(1, 1), head(12, "own"), at()).unwrap();
    let theirs = met("di altri\n.zip", &[], &[(1, head(30, "theirs"))]);
    assert_eq!(meet(&memory, &theirs, &[]), None);
    assert_eq!(memory.seen(&key(1, 1)).unwrap().head, head(12, "own"));
    let known = memory.met(&key(1, 1), None).unwrap();
    assert_eq!((known.head, known.at), (head(30, "theirs"), Some(at())));
    assert_eq!(known.how(), "met in di altri\\u{a}.zip on 2026-11-30T08:00:00Z");
    // Older ones change nothing, and neither does a file of another archive with the same id.
    assert_eq!(meet(&memory, &met("x", &[], &[(1, head(29, "x"))]), &[]), None);
    assert_eq!(memory.met(&key(1, 1), None).unwrap(), known);
    assert_eq!(memory.met(&key(1, 2), None), None);
}

#[test]
fn two_roots_of_one_size_are_a_fork_whether_one_was_seen_or_met() {
    let (_folder, memory) = memory();
    memory.see(&key(1, 1), head(12, "own"), at()).unwrap();
    assert_eq!(meet(&memory, &met("a.zip", &[], &[(1, head(20, "a"))]), &[]), None);
    let (seen, met_there) = (memory.seen_file(&key(1, 1)), memory.met_file(&key(1, 1)));
    for (size, how, file) in [(12, "seen on 2026", seen), (20, "met in a.zip on 2026", met_there)] {
        let found = meet(&memory, &met("b.zip", &[], &[(1, head(size, "other"))]), &[]).unwrap();
        assert!(found.starts_with("checkpoint: the log was forked"), "{found}");
        assert!(found.contains(how), "{found}");
        assert!(found.ends_with(&format!("; that is remembered in {}", file.display())), "{found}");
    }
}

#[test]
fn nothing_is_compared_with_or_remembered_that_a_known_end_does_not_allow() {
    let own = head(22, "own");
    for exposed in [true, false] {
        let end = [named(2, 2, Some((own, exposed)))];
        // Met before the end was known: of the size at which the log ended, and beyond.
        for theirs in [head(22, "theirs"), head(30, "theirs")] {
            let (_folder, memory) = memory();
            memory.see(&key(1, 1), theirs, at()).unwrap();
            assert_eq!(meet(&memory, &met("theirs.zip", &[], &[(1, theirs)]), &[]), None);
            let honest = met("own.zip", &[2], &[(1, own)]);
            assert_eq!(meet(&memory, &honest, &end), None, "{exposed} {theirs:?}");
            assert_eq!(memory.met(&key(1, 1), None).unwrap().head, own, "{exposed} {theirs:?}");
        }
        // Beyond the end nothing is remembered; below it only where nobody else may sign.
        let (_folder, memory) = memory();
        assert_eq!(meet(&memory, &met("x.zip", &[], &[(1, head(30, "theirs"))]), &end), None);
        assert_eq!(memory.met(&key(1, 1), None), None, "{exposed}");
        assert_eq!(meet(&memory, &met("x.zip", &[], &[(1, head(9, "x"))]), &end), None);
        assert_eq!(memory.met(&key(1, 1), None).is_some(), !exposed);
    }
}

#[test]
fn nothing_below_the_end_is_either_where_others_have_the_keys_of_a_later_log() {
    let (own, theirs) = (head(32, "own"), head(22, "theirs"));
    let ended = [named(2, 2, Some((own, false)))];
    let exposed = [ended[0].clone(), named(3, 3, Some((head(9, "second"), true)))];
    let (_folder, memory) = memory();
    let fork = met("theirs.zip", &[], &[(1, theirs)]);
    assert_eq!(meet(&memory, &fork, &exposed), None);
    assert_eq!(memory.met(&key(1, 1), None), None);
    // Met before that was known.
    assert_eq!(meet(&memory, &fork, &ended), None);
    assert_eq!(memory.met(&key(1, 1), None).unwrap().head, theirs);
    let honest = met("own.zip", &[], &[(1, head(22, "own"))]);
    assert!(meet(&memory, &honest, &ended).is_some());
    assert_eq!(meet(&memory, &honest, &exposed), None);
    assert_eq!(meet(&memory, &met("own.zip", &[2], &[(1, own)]), &exposed), None);
    assert_eq!(memory.met(&key(1, 1), None).unwrap().head, own);
}

/// The first log's keys, of which the second signs from an entry on.
fn rotated(index: u64) -> KeysOfLog {
    let mut keys = KeysOfLog::new(key(1, 1));
    let text = rotation_text(1, &key(1, 8));
    let signature = MemorySigner::new(1).sign(text.as_bytes()).unwrap().try_into().unwrap();
    let line = NoteSignature::ed25519(&key(1, 1), signature).to_line();
    keys.rotate(index, 1, &key(1, 8).to_string(), line.trim_end()).unwrap();
    keys
}

#[test]
fn what_was_met_by_a_key_that_retired_is_neither_remembered_nor_compared_with() {
    let known = ReceiptTrust { log: Some(rotated(23)), ..ReceiptTrust::default() };
    let (beside, beyond) = (head(22, "theirs"), head(30, "theirs"));
    let honest = |size| {
        let mut met = met("own.zip", &[], &[(1, head(size, "own"))]);
        met.logs = vec![(1, rotated(23))];
        met
    };
    let (_folder, memory) = memory();
    assert_eq!(meet_with(&memory, &met("theirs.zip", &[], &[(1, beside)]), &known), None);
    assert_eq!(memory.met(&key(1, 1), None), None);
    for theirs in [beside, beyond] {
        // Met before the rotation was known.
        assert_eq!(meet(&memory, &met("theirs.zip", &[], &[(1, theirs)]), &[]), None);
        assert_eq!(memory.met(&key(1, 1), None).unwrap().head, theirs);
        assert_eq!(memory.met(&key(1, 1), known.log.as_ref()), None);
        assert!(memory.contradiction(&honest(theirs.size), &trust(&[])).is_some());
        assert_eq!(memory.contradiction(&honest(theirs.size), &known), None);
    }
    assert_eq!(meet_with(&memory, &honest(24), &known), None);
    let own = memory.met(&key(1, 1), known.log.as_ref()).unwrap();
    assert_eq!((own.head, own.how()), (head(24, "own"), format!("met in own.zip on {}", at())));
    // What was seen in the archive itself is still compared with.
    memory.see(&key(1, 1), head(22, "own"), at()).unwrap();
    assert!(meet_with(&memory, &met("theirs.zip", &[], &[(1, beside)]), &known).is_some());
}

#[test]
fn two_logs_after_one_are_a_fork_unless_the_trust_store_says_which() {
    for is_seen in [false, true] {
        let (_folder, memory) = memory();
        if is_seen {
            memory.see_logs(&[(2, key(2, 2)), (3, key(3, 3))]).unwrap();
        } else {
            assert_eq!(meet(&memory, &met("a.zip", &[2, 3], &[]), &[]), None);
            // An older file shows fewer.
            assert_eq!(meet(&memory, &met("a1.zip", &[2], &[]), &[]), None);
        }
        let found = meet(&memory, &met("b.zip", &[4, 5], &[]), &[]).unwrap();
        assert!(found.starts_with("log 2: the log was forked: after log 1 came"), "{found}");
        assert!(found.contains("met in a.zip on 2026") != is_seen, "{found}");
        let file = if is_seen { "/seen-logs" } else { "/met-logs" };
        assert!(found.contains("that is remembered in ") && found.ends_with(file), "{found}");
        assert!(meet(&memory, &met("b.zip", &[2, 5], &[]), &[]).unwrap().starts_with("log 3"));
        // What came after a log that is not the one that is named is none of the archive's either.
        let told = [named(2, 4, None)];
        assert_eq!(meet(&memory, &met("b.zip", &[4, 5], &[]), &told), None);
        assert!(meet(&memory, &met("c.zip", &[4, 6], &[]), &told).unwrap().starts_with("log 3"));
    }
}

#[test]
fn of_the_logs_that_were_seen_none_counts_behind_another_than_is_named() {
    let (_folder, memory) = memory();
    memory.see_logs(&[(2, key(2, 2)), (3, key(3, 3))]).unwrap();
    let left = |named: &[(u64, VerifierKey)]| {
        let left = unless_named(memory.seen_logs(), named);
        left.into_iter().map(|it| it.generation).collect::<Vec<_>>()
    };
    assert_eq!(left(&[]), [2, 3]);
    assert_eq!(left(&[(1, key(1, 9)), (2, key(2, 2))]), [2, 3]);
    assert_eq!(left(&[(3, key(3, 4))]), [2]);
    assert_eq!(left(&[(2, key(2, 4))]), [0; 0]);
    // The archive as it is now takes the place of what it was.
    memory.see_logs(&[(2, key(2, 4))]).unwrap();
    assert_eq!(memory.seen_logs().len(), 1);
}

#[test]
fn a_trust_that_is_not_the_users_own_plants_nothing() {
    let (_folder, memory) = memory();
    let (a, b) = ([named(2, 2, None)], [named(2, 4, None)]);
    // Judged by a folder that names the log, and remembered by the own trust store, which names none.
    assert_eq!(memory.contradiction(&met("a.zip", &[2], &[]), &trust(&a)), None);
    memory.learn(&met("a.zip", &[2], &[]), &trust(&[]), at()).unwrap();
    assert_eq!(memory.contradiction(&met("b.zip", &[4], &[]), &trust(&b)), None);
    memory.learn(&met("b.zip", &[4], &[]), &trust(&[]), at()).unwrap();
    let logs = memory.read_logs(MET_LOGS);
    assert_eq!(logs.iter().map(|it| it.log.clone()).collect::<Vec<_>>(), [key(2, 2)]);
}
