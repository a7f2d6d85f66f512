//! Logs that ended because others have their keys: what those make is believed by nobody who knows of it.

use jiff::{SignedDuration, Timestamp};

use sigillo_ers::{AlgorithmTable, sealing_value};
use sigillo_merkle::KeysOfLog;
use sigillo_model::{
    BatchesSealed, Entry, Finding, FindingCode, LogTime, SealingStamped, Sha256Digest,
    SubmissionCompleted, Verdict,
};
use sigillo_proof::{
    Base64Bytes, Bundle, BundleRules, EndedLog, PeriodStatement, Receipt, ReceiptCheck,
    ReceiptTrust, SuccessorKeys, TokenSection, check_bundle, check_period, check_receipt, end_of,
};
use sigillo_testkit::MemorySigner;

use crate::{
    families::prove_again,
    period_log::Log,
    rotations::rotation,
    second::{Cases, TABLE, disagreements, has_programs},
    successions::{Border, succeeded},
    world::{
        Changes, ORIGIN, Plan, World, now, receipt as receipt_of, receipt_changed, verifier_key,
    },
};

/// Another evidence line of SHA-256.
const OTHER: &str = "plain-sha256-b";

fn days(days: i64) -> Timestamp {
    now() + SignedDuration::from_hours(24 * days)
}

/// What somebody believes who knows that the log of a generation ended at a time, with these entries, and
/// that others have its keys.
fn exposed(trust: ReceiptTrust, (generation, at): (u64, Timestamp), size: u64) -> ReceiptTrust {
    let name = format!("{ORIGIN}/g{}", generation + 1);
    let key = |name: &str| verifier_key(name, &MemorySigner::new(77));
    let before = EndedLog {
        at: LogTime::new(at),
        others_may_sign: true,
        root: Sha256Digest::of(b"root"),
        size,
    };
    let next = SuccessorKeys {
        generation: generation + 1,
        commit: key(&format!("{name}/commit")),
        log: key(&name).into(),
        before: Some(before),
    };
    ReceiptTrust { successors: vec![next], ..trust }
}

/// What somebody believes who knows that the first log ended with these entries, and that nobody else has
/// its keys.
fn ended(trust: ReceiptTrust, size: u64) -> ReceiptTrust {
    ended_at(trust, days(1), size)
}

fn ended_at(trust: ReceiptTrust, at: Timestamp, size: u64) -> ReceiptTrust {
    let mut trust = exposed(trust, (1, at), size);
    trust.successors[0].before.as_mut().unwrap().others_may_sign = false;
    trust
}

#[test]
fn the_keys_of_older_logs_lie_beside_those_that_others_have() {
    let (world, receipt) = receipt_of(&Plan { batches: vec![2], every: 1, sealed: true });
    // The first log ended for another reason, later than all that is here; of the second others have the keys.
    for (at, expected) in [(days(1), Verdict::Intact), (days(-1), Verdict::CannotTell)] {
        let mut trust = ended(world.trust(), world.tree.size() + 9);
        let second = exposed(world.trust(), (2, at), 9);
        trust.successors.extend(second.successors);
        let checked = check(&receipt, &trust);
        assert_eq!(checked.verdict, expected, "{:?}", checked.findings);
    }
}

fn check(receipt: &Receipt, trust: &ReceiptTrust) -> ReceiptCheck {
    check_receipt(&Receipt::parse(&receipt.to_json()).unwrap(), trust, &[])
}

/// Checks a receipt as who does not know that its log ended, and as who knows that it ended at `at`.
#[track_caller]
fn check_both(world: &World, receipt: &Receipt, at: Timestamp, expected: [Verdict; 2]) {
    let knowing = exposed(world.trust(), (1, at), world.tree.size() + 9);
    for (trust, expected) in [world.trust(), knowing].iter().zip(expected) {
        let checked = check(receipt, trust);
        assert_eq!(checked.verdict, expected, "{:?}", checked.findings);
        let told = checked.findings.iter().any(|it| it.code == FindingCode::OriginUnknown);
        assert_eq!(told, expected == Verdict::CannotTell);
    }
}

const BELIEVED: [Verdict; 2] = [Verdict::Intact, Verdict::Intact];
const UNTIL_KNOWN: [Verdict; 2] = [Verdict::Intact, Verdict::CannotTell];

fn body_of(receipt: &Receipt) -> BatchesSealed {
    let Ok(Entry::BatchesSealed(body)) =
        Entry::parse_line(receipt.sealings[0].entry.line.as_bytes())
    else {
        panic!("it is the entry of a sealing");
    };
    body
}

/// Adds a time-stamp by an authority of `by` to the sealing of a receipt, on another line.
fn stamp_also(world: &mut World, receipt: &mut Receipt, by: Option<&World>, at: Timestamp) {
    let body = body_of(receipt);
    let (token, stamped_at) = by.unwrap_or(world).stamp_at(sealing_value(&body), at);
    let index = world.push(&Entry::SealingStamped(SealingStamped {
        line: OTHER.to_owned(),
        number: body.number,
        sealing: body.sealing,
        stamped_at,
        token_sha256: Sha256Digest::of(&token),
        tree: None,
        trial: true,
    }));
    receipt.sealings[0].tokens.push(TokenSection {
        entry: world.line(index),
        hash_tree: None,
        line: OTHER.to_owned(),
        path: Vec::new(),
        renewals: Vec::new(),
        token: Base64Bytes(token),
    });
    prove_again(world, receipt);
}

fn plan(batches: Vec<usize>, sealed: bool) -> Plan {
    Plan { batches, every: 1, sealed }
}

#[test]
fn a_period_statement_is_believed_only_with_a_time_stamp_of_before() {
    let log = Log::new();
    let statement = log.statement(1, 4);
    let mut unstamped = statement.clone();
    unstamped.token = None;
    let verdict = |statement: &PeriodStatement, at: Option<Timestamp>| {
        let trust = log.world.trust();
        let trust = match at {
            Some(at) => exposed(trust, (1, at), log.world.tree.size()),
            None => trust,
        };
        let checked = check_period(&PeriodStatement::parse(&statement.to_json()).unwrap(), &trust);
        let told = checked.findings.iter().any(|it| it.code == FindingCode::OriginUnknown);
        assert_eq!(told, checked.verdict == Verdict::CannotTell, "{:?}", checked.findings);
        checked.verdict
    };
    assert_eq!(verdict(&statement, None), Verdict::Intact);
    assert_eq!(verdict(&statement, Some(days(1))), Verdict::Intact);
    assert_eq!(verdict(&statement, Some(days(-1))), Verdict::CannotTell);
    assert_eq!(verdict(&unstamped, None), Verdict::Intact);
    for at in [days(1), days(-1)] {
        assert_eq!(verdict(&unstamped, Some(at)), Verdict::CannotTell);
    }
    // By an authority of one's own.
    let value = sigillo_proof::period_value(
        Sha256Digest::of(statement.statement.as_bytes()),
        Sha256Digest::of(&statement.seal.0),
    );
    let own = Base64Bytes(World::new().stamp_at(value, days(-9)).0);
    let own = PeriodStatement { token: Some(own), ..statement };
    assert_eq!(verdict(&own, Some(days(-1))), Verdict::CannotTell);
}

#[test]
fn an_authority_of_ones_own_makes_nothing_older() {
    let (mut world, mut receipt) = receipt_of(&plan(vec![2], true));
    check_both(&world, &receipt, days(1), BELIEVED);
    check_both(&world, &receipt, days(-1), UNTIL_KNOWN);
    stamp_also(&mut world, &mut receipt, Some(&World::new()), days(-9));
    check_both(&world, &receipt, days(1), BELIEVED);
    check_both(&world, &receipt, days(-1), UNTIL_KNOWN);
    // One that is believed does.
    let (mut world, mut receipt) = receipt_of(&plan(vec![2], true));
    stamp_also(&mut world, &mut receipt, None, days(-9));
    check_both(&world, &receipt, days(-1), BELIEVED);
}

#[test]
fn a_time_stamp_that_does_not_hold_any_more_makes_nothing_older_in_a_bundle() {
    let end = "2027-06-01T00:00:00Z";
    let changes = Changes { authority_until: end, ..Changes::default() };
    let (mut world, mut receipt) = receipt_changed(&plan(vec![2], true), &changes);
    receipt.submission = None;
    world.stamp_anew();
    stamp_also(&mut world, &mut receipt, None, days(30));
    let bundle = Bundle { receipt, files: Vec::new() };
    let algorithms = AlgorithmTable::from_toml(TABLE).unwrap();
    let knowing = exposed(world.trust(), (1, days(1)), world.tree.size() + 9);
    let verdict = |trust: &ReceiptTrust, at: &str| {
        let rules = BundleRules { trust, algorithms: &algorithms, at: at.parse().unwrap() };
        check_bundle(&bundle, &[], &rules).verdict
    };
    let (before, after) = ("2027-05-01T00:00:00Z", "2028-01-01T00:00:00Z");
    for (trust, at, expected) in [
        (&world.trust(), before, Verdict::Intact),
        (&world.trust(), after, Verdict::Intact),
        (&knowing, before, Verdict::Intact),
        (&knowing, after, Verdict::CannotTell),
    ] {
        assert_eq!(verdict(trust, at), expected, "{at}");
    }
}

#[test]
fn what_is_refused_is_under_no_time_stamp() {
    let (world, receipt) = receipt_of(&plan(Vec::new(), false));
    assert!(
        receipt.batches.is_empty() && !receipt.submission.as_ref().unwrap().refusals.is_empty()
    );
    check_both(&world, &receipt, days(1), UNTIL_KNOWN);
}

#[test]
fn who_has_the_keys_cannot_count_anew_what_was_archived() {
    let (mut world, mut receipt) = receipt_of(&plan(vec![2], true));
    let section = receipt.submission.as_mut().unwrap();
    let counts = section.counts.as_mut().unwrap();
    (counts.received, counts.refused) = (9, 7);
    let index = world.push(&Entry::SubmissionCompleted(SubmissionCompleted {
        aggregations: 0,
        already: 0,
        archived: counts.archived,
        pending: 0,
        received: counts.received,
        refused: counts.refused,
        report_sha256: Sha256Digest::of(section.report.as_ref().unwrap().as_bytes()),
        submission: section.id,
    }));
    section.completed = Some(world.line(index));
    prove_again(&world, &mut receipt);
    check_both(&world, &receipt, days(1), UNTIL_KNOWN);
    // What the documents are is not in doubt.
    receipt.submission = None;
    check_both(&world, &receipt, days(1), BELIEVED);
}

#[test]
fn who_has_the_new_keys_says_once_where_the_old_log_ended() {
    let (world, receipt) = succeeded(&[Border::Stamped], true);
    let terms = receipt.archive.successions[0].body().unwrap().succession;
    let told = |change: &dyn Fn(&mut EndedLog)| {
        let mut before = EndedLog {
            at: LogTime::new(now()),
            others_may_sign: true,
            root: terms.root,
            size: terms.size,
        };
        change(&mut before);
        let keys = SuccessorKeys { before: Some(before), ..world.successor_keys() };
        check(&receipt, &ReceiptTrust { successors: vec![keys], ..world.trust() })
    };
    assert_eq!(told(&|_| {}).verdict, Verdict::Intact);
    let other = Sha256Digest::of(b"another history");
    let changes: [&dyn Fn(&mut EndedLog); 3] =
        [&|it| it.size += 1, &|it| it.size -= 1, &|it| it.root = other];
    for change in changes {
        let checked = told(change);
        assert_eq!(checked.verdict, Verdict::Damaged);
        assert_eq!(checked.findings[0].code, FindingCode::SuccessionFalse);
    }
}

#[test]
fn beyond_the_known_end_of_a_log_nothing_is_believed_whatever_ended_it() {
    let (world, receipt) = receipt_of(&plan(vec![2], true));
    let log = Log::new();
    let (statement, of_statement) = (log.statement(1, 4), log.sizes[4]);
    let of_receipt = check(&receipt, &world.trust()).checkpoint.unwrap().size;
    let told = |findings: &[Finding], size: u64| {
        let told = findings.iter().find(|it| it.code == FindingCode::OriginUnknown).unwrap();
        let end = format!("this log ended with {} entries and root ", size - 1);
        assert!(told.message.starts_with(&end), "{told:?}");
    };
    let checked = check(&receipt, &ended(world.trust(), of_receipt - 1));
    assert_eq!(checked.verdict, Verdict::CannotTell, "{:?}", checked.findings);
    told(&checked.findings, of_receipt);
    let checked = check_period(&statement, &ended(log.world.trust(), of_statement - 1));
    assert_eq!(checked.verdict, Verdict::CannotTell, "{:?}", checked.findings);
    told(&checked.findings, of_statement);
    // What it had before its end stays as it is.
    let checked = check(&receipt, &ended(world.trust(), of_receipt + 1));
    assert_eq!(checked.verdict, Verdict::Intact, "{:?}", checked.findings);
    let checked = check_period(&statement, &ended(log.world.trust(), of_statement + 1));
    assert_eq!(checked.verdict, Verdict::Intact, "{:?}", checked.findings);
}

#[test]
fn others_may_sign_for_a_log_that_ended_where_they_may_for_a_later_one() {
    let (world, receipt) = receipt_of(&plan(vec![2], true));
    let size = check(&receipt, &world.trust()).checkpoint.unwrap().size;
    // Another history of as many entries as the log ended with.
    let mut trust = ended(world.trust(), size);
    assert_eq!(end_of(1, &trust.successors), trust.successors[0].before);
    assert_eq!(check(&receipt, &trust).verdict, Verdict::Damaged);
    trust.successors.extend(exposed(world.trust(), (3, days(1)), 9).successors);
    assert_eq!(check(&receipt, &trust).verdict, Verdict::CannotTell);
    assert!(end_of(1, &trust.successors).unwrap().others_may_sign);
    assert_eq!(end_of(2, &trust.successors), None);
    // What came before says nothing of a later one.
    let mut before = exposed(world.trust(), (1, days(1)), size);
    before.successors.extend(ended(world.trust(), size).successors);
    before.successors[1].generation = 3;
    assert!(!end_of(2, &before.successors).unwrap().others_may_sign);
}

#[test]
fn what_was_stamped_after_the_known_end_of_a_log_is_not_believed_whatever_ended_it() {
    let told = |findings: &[Finding]| {
        let told = findings.iter().find(|it| it.code == FindingCode::OriginUnknown);
        told.is_some_and(|it| it.message.contains("was time-stamped only after that"))
    };
    let verdict = |world: &World, receipt: &Receipt, at: Timestamp| {
        let checked = check(receipt, &ended_at(world.trust(), at, world.tree.size() + 9));
        assert_eq!(told(&checked.findings), checked.verdict == Verdict::CannotTell);
        checked.verdict
    };
    let (mut world, mut receipt) = receipt_of(&plan(vec![2], true));
    let minutes = |minutes| now() + SignedDuration::from_mins(minutes);
    for (at, expected) in [
        (days(1), Verdict::Intact),
        // As far as clocks differ.
        (minutes(-9), Verdict::Intact),
        (minutes(-11), Verdict::CannotTell),
        (days(-1), Verdict::CannotTell),
    ] {
        assert_eq!(verdict(&world, &receipt, at), expected, "{at}");
    }
    // One of before is enough, but not by an authority of one's own.
    stamp_also(&mut world, &mut receipt, Some(&World::new()), days(-9));
    assert_eq!(verdict(&world, &receipt, days(-1)), Verdict::CannotTell);
    for (other, end) in [(days(-9), days(-1)), (days(9), days(1))] {
        let (mut world, mut receipt) = receipt_of(&plan(vec![2], true));
        stamp_also(&mut world, &mut receipt, None, other);
        assert_eq!(verdict(&world, &receipt, end), Verdict::Intact);
    }
    // Also where a later log says that others have its keys, and what is here is older than that.
    let (world, receipt) = receipt_of(&plan(vec![2], true));
    let mut trust = ended_at(world.trust(), days(-1), world.tree.size() + 9);
    trust.successors.extend(exposed(world.trust(), (2, days(1)), 9).successors);
    assert!(told(&check(&receipt, &trust).findings));

    let log = Log::new();
    let statement = log.statement(1, 4);
    for (statement, at, expected) in
        [(&statement, days(1), Verdict::Intact), (&statement, days(-1), Verdict::CannotTell)]
    {
        let trust = ended_at(log.world.trust(), at, log.world.tree.size());
        let checked = check_period(statement, &trust);
        assert_eq!(checked.verdict, expected, "{:?}", checked.findings);
        assert_eq!(told(&checked.findings), expected == Verdict::CannotTell);
    }
    let mut trust = ended_at(log.world.trust(), days(-1), log.world.tree.size());
    trust.successors.extend(exposed(log.world.trust(), (2, days(1)), 9).successors);
    assert!(told(&check_period(&statement, &trust).findings));
}

#[test]
fn what_no_time_stamp_of_before_covers_is_not_believed_whatever_ended_its_log() {
    let verdict = |world: &World, receipt: &Receipt, at: Timestamp| {
        check_both_of(receipt, &world.trust(), &ended_at(world.trust(), at, world.tree.size() + 9))
    };
    // To leave out what says how young it is does not help.
    let (world, stamped) = receipt_of(&plan(vec![2, 1], true));
    assert_eq!(verdict(&world, &stamped, days(1)), Verdict::Intact);
    let mut stripped = stamped.clone();
    stripped.sealings.iter_mut().for_each(|it| it.tokens.clear());
    let mut one = stamped;
    one.sealings[0].tokens.clear();
    for receipt in [stripped, one] {
        assert_eq!(verdict(&world, &receipt, days(1)), Verdict::CannotTell);
    }
    // Nor never to seal it, nor to refuse all.
    for plan in [plan(vec![2], false), plan(Vec::new(), false)] {
        let (world, receipt) = receipt_of(&plan);
        for at in [days(1), days(-1)] {
            assert_eq!(verdict(&world, &receipt, at), Verdict::CannotTell);
        }
    }
    let log = Log::new();
    let mut statement = log.statement(1, 4);
    statement.token = None;
    for at in [days(1), days(-1)] {
        let checked = check_period(&statement, &ended_at(log.world.trust(), at, 99));
        assert_eq!(checked.verdict, Verdict::CannotTell, "{:?}", checked.findings);
    }
}

#[test]
fn what_the_end_of_a_log_covers_needs_no_time_stamp_unless_others_may_sign() {
    for sealed in [true, false] {
        let (world, receipt) = receipt_of(&plan(vec![2], sealed));
        let head = check(&receipt, &world.trust()).checkpoint.unwrap();
        for (at, others, expected) in [
            (days(1), false, Verdict::Intact),
            (days(-1), false, Verdict::Intact),
            (days(-1), true, Verdict::CannotTell),
        ] {
            let mut trust = exposed(world.trust(), (1, at), head.size);
            let before = trust.successors[0].before.as_mut().unwrap();
            before.root = Sha256Digest::from_bytes(*head.root.as_bytes());
            before.others_may_sign = others;
            assert_eq!(check_both_of(&receipt, &world.trust(), &trust), expected);
        }
    }
}

/// Checks a receipt as who knows nothing of the end of its log, who believes it, and as who does.
#[track_caller]
fn check_both_of(receipt: &Receipt, trust: &ReceiptTrust, knowing: &ReceiptTrust) -> Verdict {
    assert_eq!(check(receipt, trust).verdict, Verdict::Intact);
    let checked = check(receipt, knowing);
    let told = checked.findings.iter().any(|it| it.code == FindingCode::OriginUnknown);
    assert_eq!(told, checked.verdict == Verdict::CannotTell, "{:?}", checked.findings);
    checked.verdict
}

#[test]
fn told_where_a_log_ended_the_second_implementation_believes_nothing_beyond_it() {
    if !has_programs() {
        return;
    }
    let (world, mut receipt) = receipt_of(&plan(vec![2], true));
    let size = check(&receipt, &world.trust()).checkpoint.unwrap().size;
    receipt.submission = None;
    let zip = Bundle { receipt, files: Vec::new() }.to_zip().unwrap();
    for (end, verdict) in [(size - 1, Verdict::CannotTell), (size + 1, Verdict::Intact)] {
        let mut cases = Cases { ended: Some(end), ..Cases::default() };
        cases.push(format!("{end} of {size}"), zip.clone(), &ended(world.trust(), end));
        assert_eq!(cases.bundles[0].2, verdict);
        assert_eq!(disagreements(&cases, &world), Vec::<String>::new());
    }
}

#[test]
fn a_retired_key_signs_for_no_end_of_before_it_retired() {
    let (world, receipt) = succeeded(&[Border::Stamped], true);
    let end = receipt.archive.successions[0].body().unwrap().succession.size;
    let (first, next) = (MemorySigner::new(1), MemorySigner::new(55));
    let knowing = |index: u64| {
        let (mut keys, body) =
            (KeysOfLog::from(world.log_key().clone()), rotation(1, &first, &next));
        keys.rotate(index, 1, &body.log, &body.signature).unwrap();
        ReceiptTrust { log: Some(keys), ..world.trust() }
    };
    assert_eq!(check(&receipt, &world.trust()).verdict, Verdict::Intact);
    for index in [end - 1, end, end + 9] {
        let trust = knowing(index);
        assert_eq!(check(&receipt, &trust).verdict, Verdict::CannotTell, "{index}");
        // Who was given the new key believes the entity about the end as well.
        let given = ReceiptTrust { successors: vec![world.successor_keys()], ..trust };
        assert_eq!(check(&receipt, &given).verdict, Verdict::Intact, "{index}");
    }
}
