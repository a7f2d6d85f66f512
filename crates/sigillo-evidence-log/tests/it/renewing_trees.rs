//! What is lost of the objects that hash trees consist of, and of what they are over: who plans renewals says
//! so, and for what they do nothing.

use std::fs;

use bytes::Bytes;

use sigillo_ers::{list_value, rehashed_group, tree_root};
use sigillo_evidence_log::{
    Chains, EVIDENCE_LINE, LogView, ReadTokens, RenewalPlan, Renewer, SealingChains, StampWith,
    Stamping, UnstampedTree, commit_hash_tree, read_view,
};
use sigillo_model::{
    BatchesSealed, Finding, FindingCode, HashTree, ObjectKey, RehashedBatch, RehashedSealing,
    RenewalId, Severity, Sha256Digest, Sha512Digest,
};

use crate::{
    gathering::{algorithms, ask_again, renewals},
    renewing::Renewing,
    validation::{Far, RealClock, has_openssl, stamp},
    world::{Place, World, commit},
};

/// Another line.
pub(crate) const OTHER: &str = "plain-sha256-other";

/// A line of SHA-512.
pub(crate) const LONG: &str = "plain-sha512-long";

/// What hash trees consist of: the leaves of each sealing, and their list of objects.
pub(crate) struct Parts {
    pub(crate) leaves: Vec<ObjectKey>,
    pub(crate) list: ObjectKey,
    pub(crate) renewal: RenewalId,
}

/// Makes new hash trees for the sealings of a line, of leaves that are no documents.
pub(crate) async fn rehash(it: &Renewing, line: &str) -> Parts {
    rehash_without(it, line, &[]).await
}

/// Makes new hash trees that leave documents out of each batch.
pub(crate) async fn rehash_without(it: &Renewing, line: &str, left_out: &[u32]) -> Parts {
    let plan = it.plan_on(line, (false, false, true)).await;
    let (tree, leaves) = tree_of(&it.world, &plan, left_out).await;
    let (lists, documents) = ([Bytes::from_static(b"")], 2 * plan.trees.len() as u64);
    it.stamp_trees(&plan, UnstampedTree { tree: &tree, lists: &lists, documents }).await;
    let renewal = tree.renewal;
    Parts { leaves, list: ObjectKey::hash_tree_objects(renewal, 1), renewal }
}

/// Stores leaves for what a plan says, but for some in each batch, and returns the tree over them and an empty
/// list, and their keys.
pub(crate) async fn tree_of(
    world: &World,
    plan: &RenewalPlan,
    left_out: &[u32],
) -> (HashTree, Vec<ObjectKey>) {
    let view = read_view(&world.archive().await).await.unwrap();
    let (line, renewal) = (plan.line.as_str(), RenewalId::random(&*world.entropy));
    let (mut sealings, mut keys) = (Vec::new(), Vec::new());
    for planned in &plan.trees {
        let sealing = &view.sealing(planned.number).unwrap().body;
        let (mut made, key) = sealing_of(world, (&view, line), sealing, left_out).await;
        made.tokens.clone_from(&planned.tokens);
        made.value = value_of(world, line, sealing).await;
        sealings.push(made);
        keys.push(key);
    }
    (tree_over(line, renewal, sealings), keys)
}

fn tree_over(line: &str, renewal: RenewalId, sealings: Vec<RehashedSealing>) -> HashTree {
    let (hash, objects) = (HashTree::HASH.to_owned(), vec![Sha512Digest::of(b"")]);
    HashTree { format: 1, hash, line: line.to_owned(), objects, renewal, sealings }
}

/// Stores leaves for a sealing, and returns what a first tree has of it, and their key.
async fn sealing_of(
    world: &World,
    (view, line): (&LogView, &str),
    sealing: &BatchesSealed,
    left_out: &[u32],
) -> (RehashedSealing, ObjectKey) {
    let leaves = (0..2_u32).filter(|it| !left_out.contains(it)).map(|it| {
        let place = [sealing.number.to_be_bytes(), u64::from(it).to_be_bytes()].concat();
        Sha512Digest::of(&[line.as_bytes(), &place].concat())
    });
    let leaves: Vec<_> = leaves.collect();
    let bytes: Vec<u8> = leaves.iter().flat_map(|leaf| *leaf.as_bytes()).collect();
    let sha256 = Sha256Digest::of(&bytes);
    let key = ObjectKey::hash_tree_leaves(sha256);
    world.store.create(&key, bytes.into()).await.unwrap();
    let batch = RehashedBatch {
        batch: view.batches_of(sealing)[0].body.batch,
        leaves: Some(sha256),
        left_out: left_out.to_vec(),
        root: tree_root(&leaves),
    };
    let value = list_value(&signed(world, sealing).await).unwrap();
    let (batches, tokens) = (vec![batch], Vec::new());
    (RehashedSealing { batches, number: sealing.number, tokens, value }, key)
}

/// Has the sealings stamped on a line of SHA-512, with documents left out of each batch, and returns what the
/// first of these trees consists of.
pub(crate) async fn stamp_first(it: &Renewing, line: &str, left_out: &[u32]) -> Parts {
    let (world, authorities) = (&it.world, it.authorities());
    let mut log = world.writer().await;
    let (clock, entropy) = (&world.clock, &*world.entropy);
    let with = StampWith { line, authorities: &authorities, clock, entropy };
    let (mut stamping, mut parts) = (Stamping::begin(&log, with).await.unwrap(), Vec::new());
    for sealing in stamping.waiting() {
        let of = (stamping.view(), line);
        let (made, key) = sealing_of(world, of, &sealing, left_out).await;
        let tree = tree_over(line, RenewalId::random(entropy), vec![made]);
        let (renewal, lists) = (tree.renewal, [Bytes::from_static(b"")]);
        let trees = UnstampedTree { tree: &tree, lists: &lists, documents: 2 };
        assert!(stamping.stamp(&mut log, &sealing, Some(trees)).await.unwrap());
        let list = ObjectKey::hash_tree_objects(renewal, 1);
        parts.push(Parts { leaves: vec![key], list, renewal });
    }
    stamping.finish(&log).await.unwrap();
    parts.remove(0)
}

/// Returns the SHA-512 of statement and seal.
async fn signed(world: &World, sealing: &BatchesSealed) -> [Sha512Digest; 2] {
    let statement = world.read(&ObjectKey::statement(sealing.sealing)).await;
    let seal = world.read(&ObjectKey::seal(sealing.sealing)).await;
    [Sha512Digest::of(&statement), Sha512Digest::of(&seal)]
}

/// Returns what new hash trees have of a sealing itself: statement, seal, and the chain of its time-stamps.
async fn value_of(world: &World, line: &str, sealing: &BatchesSealed) -> Sha512Digest {
    let archive = world.archive().await;
    let view = read_view(&archive).await.unwrap();
    let chains = Chains::read(&archive, &view).await.unwrap();
    let (of, chain) = ((&archive, &view, &chains), chains.of(line, sealing.number));
    let read = SealingChains::read(of, chain, &mut ReadTokens::new()).await.unwrap().unwrap();
    let group = [sealing.statement_sha256, sealing.seal_sha256];
    let group = group.iter().map(|it| it.as_bytes().to_vec()).collect();
    let lists = vec![group, vec![sealing.root.as_bytes().to_vec()]];
    let older = read.stamps(0, &[]).unwrap().write(lists);
    list_value(&rehashed_group(&signed(world, sealing).await, &[&older])).unwrap()
}

pub(crate) fn told(plan: &RenewalPlan) -> Vec<(&str, &str)> {
    plan.findings.iter().map(|it| (it.code.code(), it.object.as_str())).collect()
}

pub(crate) fn stopped(plan: &RenewalPlan) -> &Finding {
    plan.findings.iter().find(|it| it.code == FindingCode::LineStopped).unwrap()
}

/// Takes an object away, or changes it, for as long as something is done; `None` takes it away.
pub(crate) async fn without<T>(
    it: &Renewing,
    key: &ObjectKey,
    instead: Option<&[u8]>,
    work: impl AsyncFnOnce() -> T,
) -> T {
    without_in(&it.world, key, instead, work).await
}

/// As [`without`].
pub(crate) async fn without_in<T>(
    world: &World,
    key: &ObjectKey,
    instead: Option<&[u8]>,
    work: impl AsyncFnOnce() -> T,
) -> T {
    let file = world.file(key);
    let bytes = fs::read(&file).unwrap();
    fs::remove_file(&file).unwrap();
    if let Some(instead) = instead {
        fs::write(&file, instead).unwrap();
    }
    let done = work().await;
    fs::write(&file, bytes).unwrap();
    done
}

#[tokio::test]
async fn lost_leaves_are_told_whatever_is_due_and_what_else_is_under_the_trees_is_renewed() {
    let mut it = Renewing::with_sealings(2).await;
    it.let_pass(100);
    let parts = rehash(&it, EVIDENCE_LINE).await;
    let plan = it.plan(false).await;
    assert_eq!((told(&plan), plan.not_due), (vec![], 2));
    let lost = &parts.leaves[1];
    for instead in [None, Some(&[7; 128][..]), Some(&[7; 100])] {
        for all in [false, true] {
            let plan = without(&it, lost, instead, async || it.plan(all).await).await;
            assert_eq!(told(&plan), [("F510", lost.as_str()), ("F523", "sealings")]);
            let stopped = stopped(&plan);
            assert_eq!(stopped.severity, Severity::CannotTell);
            for words in [
                "documents of 1 sealings, or their `tree.json`, are lost",
                "holds by itself",
                "ends on 2036-11-25",
            ] {
                assert!(stopped.message.contains(words), "{stopped:?}");
            }
            assert_eq!(plan.due.len(), if all { 2 } else { 0 }, "what they leave is renewed");
        }
        let plan = without(&it, lost, instead, async || it.plan_over(true, true).await).await;
        assert_eq!(told(&plan), [("F510", lost.as_str()), ("F523", "sealings")]);
    }
    assert_eq!(it.plan(false).await.findings, []);
}

#[tokio::test]
async fn a_lost_list_of_objects_is_told_and_keeps_no_document_from_being_renewed() {
    let mut it = Renewing::with_sealings(2).await;
    it.let_pass(100);
    let parts = rehash(&it, EVIDENCE_LINE).await;
    for instead in [None, Some(&b"other"[..])] {
        let plan = without(&it, &parts.list, instead, async || it.plan(true).await).await;
        assert_eq!((told(&plan), plan.due.len()), (vec![("F510", parts.list.as_str())], 2));
    }
}

#[tokio::test]
async fn a_line_stands_for_another_only_with_what_its_hash_trees_consist_of() {
    let mut it = Renewing::with_sealings(1).await;
    it.stamp_on(OTHER).await;
    it.let_pass(100);
    let [one, other] = [rehash(&it, EVIDENCE_LINE).await, rehash(&it, OTHER).await];
    without(&it, &one.leaves[0], None, async || {
        let plan = it.plan(false).await;
        assert_eq!(stopped(&plan).severity, Severity::Note, "{plan:?}");
        let severity = async |lost: &ObjectKey| {
            let plan = without(&it, lost, None, async || it.plan(false).await).await;
            stopped(&plan).severity
        };
        assert_eq!(severity(&other.leaves[0]).await, Severity::CannotTell);
        assert_eq!(severity(&other.list).await, Severity::Note, "no document needs it");
        let token = ObjectKey::renewal_token(other.renewal);
        assert_eq!(severity(&token).await, Severity::CannotTell, "it is renewed no more");
    })
    .await;
}

#[tokio::test]
async fn what_came_before_lost_hash_trees_is_said_to_hold_only_where_it_does() {
    let mut it = Renewing::with_sealings(2).await;
    it.let_pass(100);
    let archive = it.world.archive().await;
    let view = read_view(&archive).await.unwrap();
    let body = &view.stamps[0].body;
    let first = ObjectKey::token(body.sealing, &body.line, body.token_sha256);
    it.renewed().await;
    it.let_pass(100);
    rehash(&it, EVIDENCE_LINE).await;
    let view = read_view(&archive).await.unwrap();
    let lost = ObjectKey::renewal_token(view.rehashes[0].body.renewal);
    fs::remove_file(it.file(&lost)).unwrap();
    let said = async |it: &Renewing| stopped(&it.plan(false).await).message.clone();
    let words = said(&it).await;
    assert!(words.contains("these holds by itself, and the first of that ends on 2037"), "{words}");
    without(&it, &first, None, async || {
        let words = said(&it).await;
        assert!(words.contains("holds by itself for 1 of them, and the first"), "{words}");
        assert!(words.contains("for the others it does not hold by itself"), "{words}");
    })
    .await;
    // It ended.
    it.let_pass(4_000);
    let words = said(&it).await;
    assert!(
        words.contains("these does not hold by itself") && !words.contains("ends on"),
        "{words}"
    );
}

#[tokio::test]
async fn no_new_hash_trees_are_planned_over_what_is_lost_and_another_line_is_asked_for() {
    let mut it = Renewing::with_sealings(2).await;
    it.let_pass(100);
    let lost = ObjectKey::renewal_token(it.renewed().await.renewal);
    it.let_pass(100);
    let plan =
        async |it: &Renewing, over_lost| it.plan_on(EVIDENCE_LINE, (true, over_lost, true)).await;
    let at_once = without(&it, &lost, None, async || plan(&it, true).await).await;
    // Only what was renewed over it can be renewed without saying so.
    let left = without(&it, &lost, None, async || plan(&it, false).await).await;
    assert_eq!((left.due.len(), left.left_by_lost), (0, 2));
    it.renewed().await;
    let later = without(&it, &lost, None, async || plan(&it, false).await).await;
    assert_eq!(later.left_by_lost, 0);
    for plan in [at_once, later] {
        assert_eq!((plan.trees.len(), plan.due.len()), (0, 2), "{plan:?}");
        assert_eq!(told(&plan), [("F510", lost.as_str()), ("F523", "sealings")]);
        let stopped = stopped(&plan);
        assert_eq!(stopped.severity, Severity::CannotTell);
        for words in ["2 sealings get no new hash trees", "one is lost", "name another line"] {
            assert!(stopped.message.contains(words), "{stopped:?}");
        }
    }
    assert_eq!(plan(&it, false).await.trees.len(), 2, "it is back");
}

#[tokio::test]
async fn sealings_that_lost_hash_trees_may_be_of_are_told_until_when_they_hold() {
    let mut it = Renewing::with_sealings(2).await;
    it.stamp_on(OTHER).await;
    it.let_pass(100);
    let lost = ObjectKey::hash_tree(rehash(&it, EVIDENCE_LINE).await.renewal);
    let mut severities = Vec::new();
    for days in [0, 3_600] {
        it.let_pass(days);
        for over_lost in [false, true] {
            let plan = async || it.plan_over(true, over_lost).await;
            let plan = without(&it, &lost, None, plan).await;
            assert_eq!(told(&plan), [("F510", lost.as_str()), ("F523", "sealings")]);
            assert_eq!((plan.due.len(), plan.held_back), (0, 2));
            let stopped = stopped(&plan);
            severities.push(stopped.severity);
            let words = &stopped.message;
            assert!(words.contains("time-stamps of 2 sealings") && words.contains("tree.json"));
            assert_eq!(words.contains("ends on 2036-11-25"), days == 0, "{words}");
            assert_eq!(words.contains("does not hold by itself"), days > 0, "{words}");
        }
    }
    // The other line ended as well.
    assert_eq!(severities, [[Severity::Note; 2], [Severity::CannotTell; 2]].concat());
}

#[tokio::test]
async fn two_lines_that_are_renewed_no_more_do_not_stand_for_one_another() {
    let mut it = Renewing::with_sealings(1).await;
    it.stamp_on(OTHER).await;
    it.let_pass(100);
    let [one, other] = [rehash(&it, EVIDENCE_LINE).await, rehash(&it, OTHER).await];
    let severity = async |line| stopped(&it.plan_on(line, (false, false, false)).await).severity;
    let tree = ObjectKey::hash_tree(other.renewal);
    for lost in [&tree, &other.leaves[0]] {
        without(&it, lost, None, async || {
            assert_eq!(severity(OTHER).await, Severity::Note, "the first has all that it needs");
            without(&it, &one.leaves[0], None, async || {
                for line in [EVIDENCE_LINE, OTHER] {
                    assert_eq!(severity(line).await, Severity::CannotTell, "{lost} {line}");
                }
            })
            .await;
        })
        .await;
    }
}

#[tokio::test]
async fn newer_time_stamps_do_nothing_where_what_a_first_one_covers_is_lost() {
    let it = Renewing::with_sealings(2).await;
    let parts = stamp_first(&it, LONG, &[]).await;
    let lost = ObjectKey::hash_tree(parts.renewal);
    let plan = async |it: &Renewing, all| it.plan_on(LONG, (all, false, false)).await;
    assert_eq!(told(&plan(&it, false).await), []);
    for (lost, all) in [(&lost, false), (&lost, true), (&parts.leaves[0], true)] {
        let plan = without(&it, lost, None, async || plan(&it, all).await).await;
        assert_eq!(told(&plan), [("F503", lost.as_str()), ("F523", "sealings")]);
        let stopped = stopped(&plan);
        assert_eq!(stopped.severity, Severity::Note, "the other line stands for them");
        assert!(stopped.message.contains("documents of 1 sealings"), "{stopped:?}");
        assert!(stopped.message.contains("Nothing else on the line proves them"), "{stopped:?}");
        assert_eq!(plan.due.len(), if all { 2 } else { 0 }, "for the day it is back");
    }
    // Nor does such a line stand for another one.
    let first = read_view(&it.world.archive().await).await.unwrap().stamps[0].body.clone();
    let first = ObjectKey::token(first.sealing, EVIDENCE_LINE, first.token_sha256);
    let alone = without(&it, &first, None, async || {
        without(&it, &lost, None, async || stopped(&plan(&it, false).await).severity).await
    });
    assert_eq!(alone.await, Severity::CannotTell);
}

#[tokio::test]
async fn lost_hash_trees_hold_nothing_back_that_has_some() {
    let mut it = Renewing::with_sealings(1).await;
    it.let_pass(100);
    rehash(&it, EVIDENCE_LINE).await;
    let mut log = it.world.writer().await;
    commit(&mut log, &[it.world.batch(2).await]).await;
    it.world.sealed(&mut log).await;
    drop(log);
    it.stamp_on(EVIDENCE_LINE).await;
    it.let_pass(100);
    let lost = ObjectKey::hash_tree(rehash(&it, EVIDENCE_LINE).await.renewal);
    let plan = without(&it, &lost, None, async || it.plan(true).await).await;
    let due: Vec<u64> = plan.due.iter().map(|it| it.number).collect();
    assert_eq!((due, plan.held_back), (vec![1], 1), "{plan:?}");
    assert!(stopped(&plan).message.contains("time-stamps of 1 sealings"), "{plan:?}");
}

#[tokio::test]
async fn nothing_lost_of_hash_trees_is_said_to_be_renewed_over() {
    let mut it = Renewing::with_sealings(1).await;
    it.let_pass(100);
    let parts = rehash(&it, EVIDENCE_LINE).await;
    let view = read_view(&it.world.archive().await).await.unwrap();
    let renewal = view.rehashes[0].body.renewal;
    for lost in [
        parts.leaves[0].clone(),
        parts.list.clone(),
        ObjectKey::renewal_token(renewal),
        ObjectKey::hash_tree(renewal),
    ] {
        let plan = without(&it, &lost, None, async || it.plan(true).await).await;
        assert_eq!((told(&plan)[0], plan.left_by_lost), (("F510", lost.as_str()), 0), "{plan:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hash_trees_whose_certificate_is_on_hold_are_waited_for() {
    if !has_openssl() {
        return;
    }
    let (world, far) = (World::new(Place::Folder).await, Far::new(false));
    stamp(&world, &far).await;
    far.certify_again();
    let plan = renewals(&world, &far, true).await;
    let (tree, _) = tree_of(&world, &plan, &[]).await;
    let algorithms = algorithms();
    let renewer = Renewer {
        authorities: &far.authorities,
        anchors: &far.anchors,
        algorithms: &algorithms,
        clock: &RealClock,
        entropy: &*world.entropy,
    };
    let made = UnstampedTree { tree: &tree, lists: &[Bytes::from_static(b"")], documents: 2 };
    let mut log = world.writer().await;
    let outcome = commit_hash_tree(&renewer, &mut log, &plan, made).await.unwrap();
    assert!(outcome.rehashed.is_some(), "{outcome:?}");
    drop(log);
    for (reason, for_now) in [("certificateHold", true), ("superseded", false)] {
        // Lists state whole seconds.
        tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
        far.list_revoked(&format!("250101000000Z,{reason}"), "21");
        far.publish();
        assert!(ask_again(&world, &far).await.stored > 0);
        let plan = renewals(&world, &far, false).await;
        let words = &stopped(&plan).message;
        assert_eq!(words.contains("cannot be renewed for now"), for_now, "{words}");
        assert_eq!(words.contains("Once the hold ends"), for_now, "{words}");
        assert_eq!(words.contains("can be renewed no more"), !for_now, "{words}");
        assert!(words.contains("holds by itself"), "{words}");
    }
}
