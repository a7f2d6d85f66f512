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

/// The heads of the first log that were met, the newest first.
fn met_heads(memory: &Memory) -> Vec<SignedHead> {
    memory.met(&key(1, 1), None).into_iter().map(|it| it.head).collect()
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
    memory.learn(met, trust, at()).unwrap();
    found.map(|it| format!("{}: {}", it.object, it.message))
}

#[test]
fn what_was_met_lies_apart_from_what_was_seen_and_says_where_it_was_met() {
    let (_folder, memory) = memory();
    memory.see(&key(1, 1), head(12, "own"), at()).unwrap();
    let theirs = met("di altri\n.zip", &[], &[(1, head(30, "theirs"))]);
    assert_eq!(meet(&memory, &theirs, &[]), None);
    assert_eq!(memory.seen(&key(1, 1)).unwrap().head, head(12, "own"));
    let known = memory.met(&key(1, 1), None);
    assert_eq!((known[0].head, known[0].at), (head(30, "theirs"), Some(at())));
    assert_eq!(known[0].how(), "met in di altri\\u{a}.zip on 2026-11-30T08:00:00Z");
    // The same again changes nothing, and neither does a file of another archive with the same id.
    assert_eq!(meet(&memory, &met("x", &[], &[(1, head(30, "theirs"))]), &[]), None);
    assert_eq!(memory.met(&key(1, 1), None), known);
    assert_eq!(memory.met(&key(1, 2), None), []);
}

#[test]
fn a_head_that_was_met_stays_until_the_archive_is_known_to_contain_it() {
    let (_folder, memory) = memory();
    let (old, fork, newer) = (head(30, "old"), head(30, "fork"), head(40, "newer"));
    let file = |name: &str, head| met(name, &[], &[(1, head)]);
    assert_eq!(meet(&memory, &file("old.zip", old), &[]), None);
    assert!(meet(&memory, &file("fork.zip", fork), &[]).unwrap().contains("met in old.zip"));
    // Files of both say so from now on, whatever else is met, and what is newer takes the place of none.
    assert_eq!(meet(&memory, &file("newer.zip", newer), &[]), None);
    assert!(meet(&memory, &file("old.zip", old), &[]).unwrap().contains("met in fork.zip"));
    assert!(meet(&memory, &file("fork.zip", fork), &[]).unwrap().contains("met in old.zip"));
    assert_eq!(met_heads(&memory), [newer, old, fork]);
    // The archive has two of them, as it is seen afterwards: the third is still missing there.
    let found = memory.met(&key(1, 1), None);
    let found: Vec<_> = found.into_iter().filter(|it| it.head != fork).collect();
    memory.settle(&key(1, 1), &found).unwrap();
    assert_eq!(met_heads(&memory), [newer, old, fork]);
    memory.see(&key(1, 1), head(30, "old"), at()).unwrap();
    assert_eq!(met_heads(&memory), [newer, fork]);
    memory.see(&key(1, 1), head(50, "own"), at()).unwrap();
    assert_eq!(met_heads(&memory), [fork]);
    assert_eq!(meet(&memory, &file("old.zip", old), &[]), None);
    assert!(meet(&memory, &file("fork.zip", fork), &[]).unwrap().contains("met in old.zip"));
    // An end of the log settles it.
    let end = [named(2, 2, Some((head(60, "end"), true)))];
    assert_eq!(meet(&memory, &met("own.zip", &[2], &[(1, head(60, "end"))]), &end), None);
    assert_eq!(met_heads(&memory), [head(60, "end")]);
}

#[test]
fn what_contradicts_what_was_seen_is_remembered_beside_it() {
    let (_folder, memory) = memory();
    let (own, fork) = (head(12, "own"), head(12, "fork"));
    memory.see(&key(1, 1), own, at()).unwrap();
    assert!(meet(&memory, &met("fork.zip", &[], &[(1, fork)]), &[]).is_some());
    assert_eq!(met_heads(&memory), [fork]);
    // The archive itself says which is its own.
    assert_eq!(meet(&memory, &met("own.zip", &[], &[(1, own)]), &[]), None);
}

#[test]
fn of_a_file_with_two_heads_of_a_log_the_newer_stands_for_both_unless_the_older_contradicts() {
    let (_folder, memory) = memory();
    let statement = |sizes: [(u64, &str); 2]| {
        met("s.json", &[], &sizes.map(|(size, root)| (1, head(size, root))))
    };
    assert_eq!(meet(&memory, &statement([(10, "a"), (20, "b")]), &[]), None);
    assert_eq!(met_heads(&memory), [head(20, "b")]);
    assert_eq!(meet(&memory, &statement([(20, "b"), (30, "c")]), &[]), None);
    assert_eq!(met_heads(&memory), [head(30, "c")]);
    assert!(meet(&memory, &statement([(30, "fork"), (40, "d")]), &[]).is_some());
    let all = [head(40, "d"), head(30, "c"), head(30, "fork")];
    assert_eq!(met_heads(&memory), all);
    assert!(meet(&memory, &statement([(30, "c"), (35, "e")]), &[]).is_some());
    assert!(met_heads(&memory).contains(&head(30, "c")));
}

#[test]
fn what_stands_for_a_head_that_was_met_first_takes_its_place() {
    let max = met_heads::MET_HEADS_MAX as u64;
    let statement = |sizes: [(u64, &str); 2]| {
        met("s.json", &[], &sizes.map(|(size, root)| (1, head(size, root))))
    };
    for is_known in [false, true] {
        let (_folder, memory) = memory();
        assert_eq!(meet(&memory, &one(10, "fork"), &[]), None);
        for size in 101..101 + met_heads::FIRST_HEADS_MAX as u64 {
            assert_eq!(meet(&memory, &one(size, "a"), &[]), None);
        }
        if is_known {
            // Met by itself before, behind the one that it stands for.
            assert_eq!(meet(&memory, &one(20, "fork"), &[]), None);
        }
        assert_eq!(meet(&memory, &statement([(10, "fork"), (20, "fork")]), &[]), None);
        assert!(!met_heads(&memory).contains(&head(10, "fork")), "the newer stands for it");
        for size in 1001..=1001 + 2 * max {
            assert_eq!(meet(&memory, &one(size, "a"), &[]), None);
        }
        assert_eq!(met_heads(&memory).len() as u64, max);
        assert!(met_heads(&memory).contains(&head(20, "fork")), "{is_known}");
        assert!(meet(&memory, &one(20, "a"), &[]).unwrap().contains("the log was forked"));
    }
}

/// A file that shows a head of the first log.
fn one(size: u64, root: &str) -> Met {
    met("x.zip", &[], &[(1, head(size, root))])
}

#[test]
fn what_can_expose_a_fork_stays_however_much_is_met() {
    let max = met_heads::MET_HEADS_MAX as u64;
    let half = met_heads::FIRST_HEADS_MAX as u64;
    let sizes =
        |memory: &Memory| -> Vec<_> { met_heads(memory).iter().map(|it| it.size).rev().collect() };
    // What was met first, and what was met last.
    let (_folder, memory) = memory();
    for size in 1..=200 {
        assert_eq!(meet(&memory, &one(size, "a"), &[]), None);
    }
    let kept: Vec<_> = (1..=half).chain(200 - (max - half) + 1..=200).collect();
    assert_eq!((kept.len() as u64, sizes(&memory)), (max, kept));
    // The one of the most entries, whenever it was met.
    assert_eq!(meet(&memory, &one(1000, "a"), &[]), None);
    for size in 201..=400 {
        assert_eq!(meet(&memory, &one(size, "a"), &[]), None);
    }
    assert_eq!(sizes(&memory).last_chunk(), Some(&[399, 400, 1000]));
    assert_eq!(sizes(&memory).first_chunk(), Some(&[1, 2, 3]));
    // A fork, once two heads of one size show it.
    assert!(meet(&memory, &one(400, "fork"), &[]).is_some());
    for size in 401..=600 {
        assert_eq!(meet(&memory, &one(size, "a"), &[]), None);
    }
    assert_eq!(sizes(&memory).iter().filter(|it| **it == 400).count(), 2);
    assert_eq!(sizes(&memory).first_chunk(), Some(&[1, 2, 3]));
    assert_eq!(sizes(&memory).len() as u64, max);
    // What the archive contains makes room first.
    let found = memory.met(&key(1, 1), None);
    let found: Vec<_> = found.into_iter().filter(|it| it.head == head(2, "a")).collect();
    memory.settle(&key(1, 1), &found).unwrap();
    let before = sizes(&memory);
    assert_eq!(meet(&memory, &one(601, "a"), &[]), None);
    let mut after = before;
    after.retain(|it| *it != 2);
    after.insert(after.len() - 1, 601);
    assert_eq!(sizes(&memory), after);
}

#[test]
fn whoever_makes_forks_without_end_has_nothing_forgotten_that_was_met_before() {
    let (_folder, memory) = memory();
    let half = met_heads::FIRST_HEADS_MAX as u64;
    for size in 1..=half {
        assert_eq!(meet(&memory, &one(size, "a"), &[]), None);
    }
    for size in 1001..=1100 {
        assert_eq!(meet(&memory, &one(size, "fork"), &[]), None);
        let is_remembered = size - 1000 <= half / 2;
        assert_eq!(meet(&memory, &one(size, "other fork"), &[]).is_some(), is_remembered);
    }
    let heads = met_heads(&memory);
    // Of two that contradict each other none makes room: they prove what there is to be proven.
    let is_first = |it: &&SignedHead| it.size <= half;
    assert_eq!(heads.iter().filter(is_first).count() as u64, half);
    assert_eq!(heads.len(), met_heads::MET_HEADS_MAX);
    assert!(meet(&memory, &one(half, "fork"), &[]).unwrap().contains("met in x.zip"));
}

#[test]
fn what_two_learn_at_once_is_remembered_of_both() {
    let (_folder, memory) = memory();
    let sizes = || 1..=met_heads::MET_HEADS_MAX as u64;
    std::thread::scope(|threads| {
        for size in sizes() {
            let memory = &memory;
            threads.spawn(move || {
                memory.learn(&one(size, "a"), &trust(&[]), at()).unwrap();
                memory.see(&key(2, size), head(size, "a"), at()).unwrap();
            });
        }
    });
    let mut learnt: Vec<_> = met_heads(&memory).iter().map(|it| it.size).collect();
    learnt.reverse();
    assert_eq!(learnt, sizes().collect::<Vec<_>>());
    // The older of two that are seen at once never takes the place of the newer.
    std::thread::scope(|threads| {
        for size in sizes() {
            let memory = &memory;
            threads.spawn(move || memory.see(&key(1, 1), head(size, "a"), at()).unwrap());
        }
    });
    assert_eq!(memory.seen(&key(1, 1)).map(|it| it.head.size), sizes().last());
}

#[test]
fn a_memory_of_an_older_version_is_read() {
    let (_folder, memory) = memory();
    let file = memory.met_file(&key(1, 1));
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let theirs = head(30, "theirs");
    let text = format!("30 {} 2026-11-30T08:00:00Z di altri.zip\n{}\n", theirs.root, key(1, 1));
    std::fs::write(&file, text).unwrap();
    let known = memory.met(&key(1, 1), None);
    assert_eq!(
        (known[0].head, known[0].how()),
        (theirs, format!("met in di altri.zip on {}", at()))
    );
    assert_eq!(memory.met(&key(1, 1), Some(&rotated(40))), []);
    std::fs::write(&file, format!("30 {}\n", theirs.root)).unwrap();
    assert_eq!(memory.met(&key(1, 1), None)[0].how(), "met in a file earlier");
    assert_eq!(meet(&memory, &met("x.zip", &[], &[(1, head(31, "x"))]), &[]), None);
    assert_eq!(met_heads(&memory), [head(31, "x"), theirs]);
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
            assert_eq!(met_heads(&memory), [own], "{exposed} {theirs:?}");
        }
        // Beyond the end nothing is remembered; below it only where nobody else may sign.
        let (_folder, memory) = memory();
        assert_eq!(meet(&memory, &met("x.zip", &[], &[(1, head(30, "theirs"))]), &end), None);
        assert_eq!(met_heads(&memory), [], "{exposed}");
        assert_eq!(meet(&memory, &met("x.zip", &[], &[(1, head(9, "x"))]), &end), None);
        assert_eq!(met_heads(&memory).is_empty(), exposed);
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
    assert_eq!(met_heads(&memory), []);
    // Met before that was known.
    assert_eq!(meet(&memory, &fork, &ended), None);
    assert_eq!(met_heads(&memory), [theirs]);
    let honest = met("own.zip", &[], &[(1, head(22, "own"))]);
    assert!(meet(&memory, &honest, &ended).is_some());
    assert_eq!(meet(&memory, &honest, &exposed), None);
    assert_eq!(meet(&memory, &met("own.zip", &[2], &[(1, own)]), &exposed), None);
    assert_eq!(met_heads(&memory), [own]);
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
    assert_eq!(met_heads(&memory), []);
    for theirs in [beside, beyond] {
        // Met before the rotation was known.
        assert_eq!(meet(&memory, &met("theirs.zip", &[], &[(1, theirs)]), &[]), None);
        assert!(met_heads(&memory).contains(&theirs));
        assert_eq!(memory.met(&key(1, 1), known.log.as_ref()), []);
        assert!(memory.contradiction(&honest(theirs.size), &trust(&[])).is_some());
        assert_eq!(memory.contradiction(&honest(theirs.size), &known), None);
    }
    assert_eq!(meet_with(&memory, &honest(24), &known), None);
    let own = &memory.met(&key(1, 1), known.log.as_ref())[..];
    let how: Vec<_> = own.iter().map(|it| (it.head, it.how())).collect();
    assert_eq!(how, [(head(24, "own"), format!("met in own.zip on {}", at()))]);
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
fn who_saw_fewer_logs_and_ends_late_makes_none_forgotten() {
    let (_folder, memory) = memory();
    let generations = || memory.seen_logs().into_iter().map(|it| it.generation).collect::<Vec<_>>();
    memory.see_logs(&[(2, key(2, 2)), (3, key(3, 3)), (4, key(4, 4))]).unwrap();
    for seen in [&[(2, key(2, 2)), (3, key(3, 3))][..], &[(2, key(2, 2))], &[]] {
        memory.see_logs(seen).unwrap();
        assert_eq!(generations(), [2, 3, 4], "{seen:?}");
    }
    memory.see_logs(&[(2, key(2, 2)), (3, key(3, 5))]).unwrap();
    assert_eq!(generations(), [2, 3], "what came after another log is none of it");
}

#[test]
fn what_cannot_be_locked_is_remembered_all_the_same() {
    let (folder, memory) = memory();
    std::fs::create_dir_all(folder.path().join("archive").join(LOCK)).unwrap();
    memory.see(&key(1, 1), head(12, "own"), at()).unwrap();
    assert_eq!(memory.seen(&key(1, 1)).map(|it| it.head), Some(head(12, "own")));
}

#[test]
fn nobody_waits_for_ever_for_another_who_remembers() {
    let (folder, memory) = memory();
    std::fs::create_dir_all(folder.path().join("archive")).unwrap();
    let held = File::create(folder.path().join("archive").join(LOCK)).unwrap();
    held.lock().unwrap();
    memory.see(&key(1, 1), head(12, "own"), at()).unwrap();
    assert_eq!(memory.seen(&key(1, 1)).map(|it| it.head), Some(head(12, "own")));
}

#[test]
fn one_damaged_line_takes_nothing_else_with_it() {
    let (_folder, memory) = memory();
    for size in 1..=3 {
        assert_eq!(meet(&memory, &one(size, "a"), &[]), None);
    }
    let known = memory.met(&key(1, 1), None);
    memory.settle(&key(1, 1), &known[1..2]).unwrap();
    memory.see_logs(&[(2, key(2, 2)), (3, key(3, 3))]).unwrap();
    memory.see(&key(1, 1), head(2, "a"), at()).unwrap();
    // A byte that is none of a text, at the beginning of a line: of the second head, and of the first log.
    for (file, line) in [(memory.met_file(&key(1, 1)), 2), (memory.seen_logs_file(), 0)] {
        let mut bytes = std::fs::read(&file).unwrap();
        let lines = bytes.split_inclusive(|it| *it == b'\n').take(line).map(<[u8]>::len);
        let start: usize = lines.sum();
        bytes[start] = 0xFF;
        std::fs::write(&file, bytes).unwrap();
    }
    // What stood below the damaged line says nothing of the one above it.
    assert_eq!(met_heads(&memory), [head(3, "a"), head(1, "a")]);
    let logs: Vec<_> = memory.seen_logs().into_iter().map(|it| it.generation).collect();
    assert_eq!(logs, [3]);
    let name = memory.met_file(&key(1, 1));
    let text = [b"7 ", head(7, "a").root.to_string().as_bytes(), b" \xFF x\xFF.zip\n"].concat();
    std::fs::write(&name, text).unwrap();
    assert_eq!(met_heads(&memory), [head(7, "a")]);
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
