//! Period statements: an honest one is proven, and no count, entry or checkpoint in one can be
//! changed, not even by who has the key that seals.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use sigillo_merkle::{Frontier, frontier_at, root_at};
use sigillo_model::{
    CommitOpened, Entry, FindingCode, LogTime, Sha256Digest, Verdict, to_canonical,
};
use sigillo_proof::{
    Base64Bytes, PeriodCheck, PeriodStatement, ReceiptTrust, StatedPeriod, check_period,
    count_period, is_period_statement, render_period,
};

use crate::{
    mutations::{changes, each_scalar},
    period_log::{Log, ended},
    world::digests,
};

const SCHEMA: &str = include_str!("../../../../docs/schemas/period-statement.json");

fn codes(check: &PeriodCheck) -> Vec<&'static str> {
    check.findings.iter().map(|it| it.code.code()).collect()
}

/// Counts with as little of our code as possible: types by their names, sums by their members.
fn count_plainly(entries: &str, packs: &str) -> BTreeMap<String, u64> {
    let mut sums: BTreeMap<String, u64> = BTreeMap::new();
    let mut add = |name: &str, more: &Value| {
        *sums.entry(name.to_owned()).or_default() += more.as_u64().unwrap();
    };
    for line in entries.lines() {
        let entry: Value = serde_json::from_str(line).unwrap();
        add(entry["type"].as_str().unwrap(), &json!(1));
        for name in ["aggregations", "already", "archived", "pending", "refused", "documents"] {
            if !entry[name].is_null() {
                add(name, &entry[name]);
            }
        }
        if entry["type"] == "submission.completed" {
            add("received", &entry["received"]);
        }
    }
    for list in packs.lines() {
        let list: Value = serde_json::from_str(list).unwrap();
        list["packs"].as_array().unwrap().iter().for_each(|pack| add("bytes", &pack["size"]));
    }
    sums
}

#[test]
fn an_honest_statement_is_proven_with_every_count() {
    let log = Log::new();
    for (after, through) in [(0, 5), (0, 1), (1, 3), (2, 4), (4, 5), (3, 3)] {
        let statement = log.statement(after, through);
        let check = log.check(&statement);
        assert_eq!(
            (check.verdict, codes(&check)),
            (Verdict::Intact, vec!["F507", "F605"]),
            "{after}"
        );
        let counted = check.counted.unwrap();
        let plainly = count_plainly(&statement.entries, &statement.packs);
        let sum = |name: &str| plainly.get(name).copied().unwrap_or(0);
        let counts = counted.counts;
        let named = [
            (counts.aggregations, "aggregations"),
            (counts.already, "already"),
            (counts.annulments, "unit.annulled"),
            (counts.archived, "archived"),
            (counts.batches, "batch.committed"),
            (counts.bytes, "bytes"),
            (counts.commits, "commit.opened"),
            (counts.disposals, "disposal.completed"),
            (counts.documents, "documents"),
            (counts.erasures, "content.erased"),
            (counts.fixity_reads, "fixity.checked"),
            (counts.holds_placed, "hold.placed"),
            (counts.holds_released, "hold.released"),
            (counts.pending, "pending"),
            (counts.received, "received"),
            (counts.refused, "refused"),
            (counts.renewals, "evidence.renewed"),
            (counts.submissions_completed, "submission.completed"),
            (counts.submissions_received, "submission.received"),
            (counts.submissions_refused, "submission.refused"),
        ];
        for (found, name) in named {
            assert_eq!(found, sum(name), "{name} of {after} to {through}");
        }
        assert_eq!(counts.incidents, sum("copy.repaired") + sum("log.succeeded"));
        assert_eq!(counts.entries, statement.entries.lines().count() as u64);
        assert_eq!(counts.commits, (through - after) as u64);
        for it in &counted.types {
            assert_eq!(it.count, sum(&it.type_name), "{}", it.type_name);
        }
        let commits = counted.first.map(|it| it.commit).zip(counted.last.map(|it| it.commit));
        let expected = (through > after).then_some((after as u64 + 1, through as u64));
        assert_eq!(commits, expected);
    }
    let check = log.check(&log.statement(1, 2));
    let counts = check.counted.unwrap().counts;
    assert_eq!((counts.documents, counts.bytes, counts.batches), (5, 831, 2));
    assert_eq!((counts.refused, counts.received), (2, 9));
}

#[test]
fn every_forged_count_is_found_even_if_it_is_sealed_and_stamped_again() {
    let log = Log::new();
    let draft = log.draft(0, 5);
    let honest = draft.state().unwrap();
    let whole = serde_json::to_value(&honest).unwrap();
    let mut tried = 0;
    each_scalar(&whole, "", &mut |path, value| {
        if path == "/at" {
            // When it was stated nobody but the authority can confirm.
            return;
        }
        for change in changes(value) {
            let mut forged = whole.clone();
            *forged.pointer_mut(path).unwrap() = change.clone();
            let mut statement = log.statement(0, 5);
            statement.statement = String::from_utf8(to_canonical(&forged)).unwrap();
            log.seal_again(&mut statement);
            let check = log.check(&statement);
            assert_eq!(check.verdict, Verdict::Damaged, "{path} {change}: {:?}", codes(&check));
            tried += 1;
        }
    });
    assert!(tried > 100, "only {tried}");
    for (name, number) in whole["counts"].as_object().unwrap() {
        let mut forged = whole.clone();
        forged["counts"][name] = json!(number.as_u64().unwrap() + 1);
        let mut statement = log.statement(0, 5);
        statement.statement = String::from_utf8(to_canonical(&forged)).unwrap();
        log.seal_again(&mut statement);
        let said = log.check_refused(&statement, FindingCode::PeriodDiffers);
        assert!(said.contains(name.as_str()), "{name}: {said}");
    }
}

#[test]
fn a_count_forged_without_the_seal_key_breaks_the_seal() {
    let log = Log::new();
    let mut statement = log.statement(0, 5);
    statement.statement = statement.statement.replace("\"refused\":2", "\"refused\":1");
    let check = log.check(&statement);
    assert_eq!(check.verdict, Verdict::Damaged);
    assert_eq!(codes(&check), ["F824", "F825", "F825", "F507", "F605"]);
}

#[test]
fn no_entry_can_be_dropped_doubled_swapped_or_added() {
    let log = Log::new();
    let code = FindingCode::PeriodEntries;
    let honest = log.statement(1, 4);
    let lines: Vec<_> = honest.entries.lines().collect();
    let with = |lines: &[&str]| {
        let entries = ended(lines.iter());
        // Counted anew and sealed by who has the seal key: only the roots are against it.
        let mut statement = honest.clone();
        let mut edge = log.draft(1, 4).edge;
        if let Ok(counted) = count_period(&mut edge, &entries, &honest.packs) {
            let mut stated = StatedPeriod::parse(&honest.statement).unwrap();
            (stated.counts, stated.types) = (counted.counts, counted.types);
            (stated.first, stated.last) = (counted.first, counted.last);
            stated.batches = counted.batches;
            statement.statement = stated.to_json();
            log.seal_again(&mut statement);
        }
        statement.entries = entries;
        statement
    };
    for at in 0..lines.len() {
        let mut dropped = lines.clone();
        dropped.remove(at);
        log.check_refused(&with(&dropped), code);
        let mut doubled = lines.clone();
        doubled.insert(at, lines[at]);
        log.check_refused(&with(&doubled), code);
        let mut added = lines.clone();
        added.insert(at, r#"{"type":"hold.placed","v":1}"#);
        log.check_refused(&with(&added), code);
        for other in 0..at {
            let mut swapped = lines.clone();
            swapped.swap(at, other);
            log.check_refused(&with(&swapped), code);
        }
    }
    // A line cut in two, two lines in one, and one that lacks its end.
    for changed in [
        honest.entries.replacen(',', ",\n", 1),
        honest.entries.replacen('\n', "", 1),
        honest.entries.trim_end().to_owned(),
        format!("{}\n", honest.entries),
        format!("\n{}", honest.entries),
    ] {
        let mut statement = honest.clone();
        statement.entries = changed;
        log.check_refused(&statement, code);
    }
    assert_eq!(log.check(&with(&lines)).verdict, Verdict::Intact);
}

#[test]
fn lists_of_packs_are_those_that_the_log_names() {
    let log = Log::new();
    let code = FindingCode::PeriodEntries;
    let honest = log.statement(0, 5);
    let lists: Vec<_> = honest.packs.lines().collect();
    let more = honest.packs.replace("\"size\":41", "\"size\":42");
    for packs in [
        more,
        format!("{}\n", lists[0]),
        format!("{}\n{}\n{}\n", lists[1], lists[0], lists[2]),
        format!("{}{}\n", honest.packs, lists[0]),
        honest.packs.trim_end().to_owned(),
        String::new(),
    ] {
        let mut statement = honest.clone();
        statement.packs = packs;
        log.check_refused(&statement, code);
    }
}

#[test]
fn checkpoints_cannot_be_exchanged() {
    let log = Log::new();
    let entries = FindingCode::PeriodEntries;
    let honest = log.statement(1, 4);
    let stated = StatedPeriod::parse(&honest.statement).unwrap();
    let with = |change: &dyn Fn(&mut StatedPeriod)| {
        let (mut statement, mut stated) = (honest.clone(), stated.clone());
        change(&mut stated);
        statement.statement = stated.to_json();
        log.seal_again(&mut statement);
        statement
    };
    for commit in [0, 2, 3, 4] {
        let older = (commit > 0).then(|| log.checkpoint(commit));
        log.check_refused(&with(&|it| it.older.clone_from(&older)), entries);
    }
    for commit in [1, 2, 3, 5] {
        let forged = with(&|it| it.newer = log.checkpoint(commit));
        assert_eq!(log.check(&forged).verdict, Verdict::Damaged, "{commit}");
    }
    // Both the other way round.
    let forged = with(&|it| {
        (it.older, it.newer) = (Some(log.checkpoint(4)), log.checkpoint(1));
    });
    assert_eq!(log.check(&forged).verdict, Verdict::Damaged);
    // Checkpoints that another log signed under this log's name, with the same tree and another.
    let stranger = sigillo_testkit::MemorySigner::new(99);
    let by = log.world.checkpoint_by(&stranger, log.sizes[4]);
    log.check_refused(&with(&|it| it.newer.clone_from(&by)), FindingCode::ReceiptCheckpoint);
    let by = log.world.checkpoint_by(&stranger, log.sizes[1]);
    log.check_refused(&with(&|it| it.older = Some(by.clone())), entries);
    // The edge of another tree; one hash less; a proof too many.
    let mut forged = honest.clone();
    forged.edge[0] = Sha256Digest::of(b"");
    let said = log.check_refused(&forged, entries);
    assert!(said.contains("does not give the root of the older checkpoint"), "{said}");
    forged.edge = digests(frontier_at(log.sizes[2], &log.world.tree).unwrap().edge());
    log.check_refused(&forged, entries);
    let mut forged = honest.clone();
    forged.edge.pop();
    log.check_refused(&forged, entries);
    let mut forged = honest;
    forged.consistency.push(Sha256Digest::of(b""));
    log.check_refused(&forged, entries);
}

#[test]
fn a_log_whose_headers_contradict_it_is_no_log() {
    // What the log key signed is the root over these lines, but they are not those of a log.
    let header = |log: &Log, change: &dyn Fn(&mut CommitOpened)| {
        let Ok(Entry::CommitOpened(mut header)) = Entry::parse_line(&log.world.lines[0]) else {
            panic!("the first line is a header");
        };
        let size = log.world.tree.size();
        let root = root_at(size, &log.world.tree).unwrap();
        header.root = Sha256Digest::from_bytes(*root.as_bytes());
        (header.commit, header.first_leaf) = (6, size);
        header.at = LogTime::new("2026-11-25T09:00:00Z".parse().unwrap());
        change(&mut header);
        Entry::CommitOpened(header)
    };
    let check = |change: &dyn Fn(&mut CommitOpened)| {
        let mut log = Log::new();
        let entry = header(&log, change);
        log.world.push(&entry);
        log.close();
        let draft = log.draft(4, 6);
        let mut stated = log.draft(4, 5).state().unwrap();
        stated.newer.clone_from(&draft.newer);
        let statement = log.sealed(draft, &stated);
        codes(&log.check(&statement))[0]
    };
    assert_eq!(check(&|_| ()), "F824", "only the counts are those of one commit less");
    assert_eq!(check(&|it| it.first_leaf -= 1), "F823");
    assert_eq!(check(&|it| it.root = Sha256Digest::of(b"")), "F823");
    assert_eq!(check(&|it| it.commit = 7), "F823");
    assert_eq!(check(&|it| it.at = LogTime::new("2026-11-25T07:00:00Z".parse().unwrap())), "F823");
    // A period that begins amidst a commit.
    let mut edge = Frontier::new();
    let log = Log::new();
    edge.push(sigillo_merkle::leaf_hash(&log.world.lines[0]));
    let line = format!("{}\n", String::from_utf8_lossy(&log.world.lines[1]));
    let error = count_period(&mut edge, &line, "").unwrap_err();
    assert!(error.to_string().contains("does not begin with the header"), "{error}");
}

#[test]
fn entries_of_unknown_types_are_counted_and_named() {
    let more = [
        r#"{"type":"moon.landed","v":1}"#,
        r#"{"type":"moon.landed","v":1}"#,
        r#"{"documents":1000,"type":"batch.committed","v":2}"#,
    ];
    let log = Log::with(&more);
    let check = log.check(&log.statement(4, 5));
    assert_eq!(
        (check.verdict, codes(&check)),
        (Verdict::CannotTell, vec!["F826", "F826", "F507", "F605"])
    );
    let unknown: Vec<_> =
        check.unknown.iter().map(|it| (it.type_name.as_str(), it.v, it.count)).collect();
    assert_eq!(unknown, [("batch.committed", 2, 1), ("moon.landed", 1, 2)]);
    let counts = check.counted.unwrap().counts;
    assert_eq!((counts.batches, counts.documents, counts.entries), (0, 0, 11));
    assert!(check.findings[1].message.contains("moon.landed"), "{:?}", check.findings);
}

#[test]
fn whom_nobody_trusts_may_be_consistent_and_no_more() {
    let log = Log::new();
    let statement = log.statement(1, 4);
    let check = check_period(&statement, &ReceiptTrust::default());
    assert_eq!(check.verdict, Verdict::CannotTell);
    assert_eq!(codes(&check), ["F601", "F602", "F603", "F507", "F605"]);
    // Made wholly with keys of one's own, for who trusts the archive's.
    let other = Log::new();
    let mut trust = log.world.trust();
    trust.log = Some(
        crate::world::verifier_key(crate::world::ORIGIN, &sigillo_testkit::MemorySigner::new(50))
            .into(),
    );
    let check = check_period(&other.statement(1, 4), &trust);
    assert_eq!(check.verdict, Verdict::CannotTell);
    assert_eq!(check.findings[0].code, FindingCode::OriginUnknown);
}

#[test]
fn a_statement_without_a_time_stamp_says_so() {
    let log = Log::new();
    let mut statement = log.statement(1, 4);
    statement.token = None;
    let check = log.check(&statement);
    assert_eq!((check.verdict, codes(&check)), (Verdict::Intact, vec!["F507", "F605", "F827"]));
    // Another seal than the one that was stamped, over the same text.
    let mut statement = log.statement(1, 4);
    let sha256 = Sha256Digest::of(statement.statement.as_bytes());
    statement.seal = Base64Bytes(log.world.seal_over(sha256));
    log.check_refused(&statement, FindingCode::PeriodSeal);
    // The seal of somebody else, who leads to an anchor too.
    let other = Log::new();
    let mut statement = log.statement(1, 4);
    statement.seal = Base64Bytes(other.world.seal_over(sha256));
    log.stamp(&mut statement);
    let mut trust = log.world.trust();
    trust.anchors.add_der("other", &other.world.root).unwrap();
    let check = check_period(&statement, &trust);
    assert_eq!(codes(&check)[0], "F825", "{:?}", check.findings);
}

#[test]
fn every_changed_member_and_byte_is_noticed() {
    let log = Log::new();
    let statement = log.statement(1, 4);
    let trust = log.world.trust();
    let is_noticed = |bytes: &[u8]| match PeriodStatement::parse(bytes) {
        Err(_) => true,
        Ok(read) => check_period(&read, &trust).verdict != Verdict::Intact,
    };
    let bytes = statement.to_json();
    assert!(!is_noticed(&bytes));
    assert_eq!(bytes, to_canonical(&statement));
    let whole = serde_json::to_value(&statement).unwrap();
    each_scalar(&whole, "", &mut |path, value| {
        for change in changes(value) {
            let mut changed = whole.clone();
            *changed.pointer_mut(path).unwrap() = change;
            assert!(is_noticed(&to_canonical(&changed)), "{path}");
        }
    });
    for name in whole.as_object().unwrap().keys().filter(|name| *name != "token") {
        let mut changed = whole.clone();
        changed.as_object_mut().unwrap().remove(name).unwrap();
        assert!(is_noticed(&to_canonical(&changed)), "{name}");
    }
    let mut changed = bytes.clone();
    let step = if std::env::var_os("SIGILLO_SLOW_TESTS").is_some() { 1 } else { 7 };
    for at in (0..bytes.len()).step_by(step) {
        changed[at] ^= 1;
        assert!(is_noticed(&changed), "byte {at}");
        changed[at] ^= 1;
    }
    for end in (0..bytes.len()).step_by(97) {
        assert!(is_noticed(&bytes[..end]), "cut to {end}");
    }
}

#[test]
fn a_period_of_as_many_entries_as_may_be_is_proven() {
    let mut log = Log::new();
    let line = r#"{"type":"fixity.checked","v":1}"#;
    log.open();
    for _ in 1..sigillo_proof::PERIOD_ENTRIES_MAX {
        log.world.push_line(line.as_bytes().to_vec());
    }
    log.close();
    let check = log.check(&log.statement(5, 6));
    assert_eq!(check.verdict, Verdict::Intact, "{:?}", check.findings);
    assert_eq!(check.counted.unwrap().counts.fixity_reads, 99_999);
    log.commit(&[]);
    let draft = log.draft(5, 7);
    let stated = draft.state().unwrap();
    let error = draft.seal(&stated, Vec::new()).unwrap_err().to_string();
    assert!(error.contains("100001 entries, more than 100000"), "{error}");
}

#[test]
fn what_is_too_much_or_of_another_schema_is_refused() {
    let log = Log::new();
    let statement = log.statement(1, 4);
    let text = String::from_utf8(statement.to_json()).unwrap();
    assert!(is_period_statement(text.as_bytes()));
    assert!(!is_period_statement(b"PK\x03\x04"));
    assert!(!is_period_statement(br#"{"schema":"sigillo.receipt/1"}"#));
    let refusal = |bytes: &[u8]| PeriodStatement::parse(bytes).unwrap_err().to_string();
    let later = text.replace("period-statement/1", "period-statement/3");
    assert!(refusal(later.as_bytes()).contains("period-statement/3"));
    assert_eq!(
        PeriodCheck::unreadable(&PeriodStatement::parse(later.as_bytes()).unwrap_err()).verdict,
        Verdict::CannotTell
    );
    assert!(refusal(text.replace("period-statement/1", "receipt/1").as_bytes()).contains("schema"));
    assert!(refusal(format!(" {text}").as_bytes()).contains("canonical"));
    assert!(PeriodStatement::parse(format!("{text}\n").as_bytes()).is_ok());
    assert!(refusal(format!("{text}\n\n").as_bytes()).contains("canonical"));
    // What is sealed has one spelling too, whoever sealed another.
    let mut spelt = statement.clone();
    spelt.statement = spelt.statement.replace("\"counts\":{", "\"counts\": {");
    log.seal_again(&mut spelt);
    log.check_refused(&spelt, FindingCode::PeriodMalformed);
    let limit = usize::try_from(sigillo_proof::PERIOD_BYTES_MAX).unwrap();
    assert!(refusal(&vec![b' '; limit + 1]).contains("bytes, more than"));
    let mut many = statement.clone();
    many.entries = "\n".repeat(sigillo_proof::PERIOD_ENTRIES_MAX + 1);
    assert!(refusal(&many.to_json()).contains("100001 entries, more than 100000"));
    let mut many = statement;
    many.edge = vec![Sha256Digest::of(b""); 129];
    assert!(refusal(&many.to_json()).contains("129 hashes in a proof"));
    assert!(refusal("[".repeat(10_000_000).as_bytes()).contains("no period statement"));
    let types = ended((0..=1_000).map(|it| format!("{{\"type\":\"x.{it}\",\"v\":1}}")));
    let header = format!("{}\n", String::from_utf8_lossy(&log.world.lines[0]));
    let error = count_period(&mut Frontier::new(), &(header + &types), "").unwrap_err();
    assert!(error.to_string().contains("more than 1000 types"), "{error}");
}

#[test]
fn a_statement_is_as_its_schema_says_and_in_words_has_every_count() {
    let schema: Value = serde_json::from_str(SCHEMA).unwrap();
    let log = Log::new();
    for (after, through) in [(0, 5), (1, 4)] {
        let mut problems = Vec::new();
        let value = serde_json::to_value(log.statement(after, through)).unwrap();
        crate::schema::compare(&schema, &schema, &value, "", &mut problems);
        assert_eq!(problems, Vec::<String>::new());
    }
    let stated = log.draft(0, 5).state().unwrap();
    let text = render_period(&stated, 2);
    for (name, number) in serde_json::to_value(stated.counts).unwrap().as_object().unwrap() {
        assert!(text.contains(&format!("{:>16}", number.as_u64().unwrap())), "{name}: {text}");
    }
    assert!(text.contains("and 1 more batches"), "{text}");
    assert_eq!(stated.batches[0].root, Sha256Digest::of(&[1; 16]));
}
