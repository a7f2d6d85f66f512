//! What is lost of the objects that hash trees consist of, and of what they are over: who plans renewals says
//! so, and for what they do nothing.

use std::fs;

use bytes::Bytes;

use sigillo_ers::{list_value, rehashed_group, tree_root};
use sigillo_evidence_log::{
    Chains, EVIDENCE_LINE, ReadTokens, RenewalPlan, Renewer, SealingChains, UnstampedTree,
    commit_hash_tree, read_view,
};
use sigillo_model::{
    BatchesSealed, Finding, FindingCode, HashTree, ObjectKey, RehashedBatch, RehashedSealing,
    RenewalId, Severity, Sha256Digest, Sha512Digest,
};

use crate::{
    gathering::{algorithms, ask_again, renewals},
    renewing::Renewing,
    validation::{Far, RealClock, has_openssl, stamp},
    world::{Place, World},
};

/// Another line.
pub(crate) const OTHER: &str = "plain-sha256-other";

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
async fn tree_of(
    world: &World,
    plan: &RenewalPlan,
    left_out: &[u32],
) -> (HashTree, Vec<ObjectKey>) {
    let view = read_view(&world.archive().await).await.unwrap();
    let (line, renewal) = (plan.line.as_str(), RenewalId::random(&*world.entropy));
    let (mut sealings, mut keys) = (Vec::new(), Vec::new());
    for planned in &plan.trees {
        let sealing = &view.sealing(planned.number).unwrap().body;
        let leaves = (0..2_u32).filter(|it| !left_out.contains(it)).map(|it| {
            let place = [sealing.number.to_be_bytes(), u64::from(it).to_be_bytes()].concat();
            Sha512Digest::of(&[line.as_bytes(), &place].concat())
        });
        let leaves: Vec<_> = leaves.collect();
        let bytes: Vec<u8> = leaves.iter().flat_map(|leaf| *leaf.as_bytes()).collect();
        let sha256 = Sha256Digest::of(&bytes);
        keys.push(ObjectKey::hash_tree_leaves(sha256));
        world.store.create(&keys[keys.len() - 1], bytes.into()).await.unwrap();
        let batch = RehashedBatch {
            batch: view.batches_of(sealing)[0].body.batch,
            leaves: Some(sha256),
            left_out: left_out.to_vec(),
            root: tree_root(&leaves),
        };
        sealings.push(RehashedSealing {
            batches: vec![batch],
            number: planned.number,
            tokens: planned.tokens.clone(),
            value: value_of(world, line, sealing).await,
        });
    }
    let tree = HashTree {
        format: 1,
        hash: HashTree::HASH.to_owned(),
        line: line.to_owned(),
        objects: vec![Sha512Digest::of(b"")],
        renewal,
        sealings,
    };
    (tree, keys)
}

/// Returns what new hash trees have of a sealing itself: statement, seal, and the chain of its time-stamps.
async fn value_of(world: &World, line: &str, sealing: &BatchesSealed) -> Sha512Digest {
    let archive = world.archive().await;
    let view = read_view(&archive).await.unwrap();
    let chains = Chains::read(&archive, &view).await.unwrap();
    let (of, chain) = ((&archive, &view, &chains), chains.of(line, sealing.number));
    let read = SealingChains::read(of, chain, &mut ReadTokens::new()).await.unwrap().unwrap();
    let signed = [sealing.statement_sha256, sealing.seal_sha256];
    let group = signed.iter().map(|it| it.as_bytes().to_vec()).collect();
    let lists = vec![group, vec![sealing.root.as_bytes().to_vec()]];
    let older = read.stamps(0, &[]).unwrap().write(lists);
    let id = sealing.sealing;
    let statement = world.read(&ObjectKey::statement(id)).await;
    let seal = world.read(&ObjectKey::seal(id)).await;
    let signed = [Sha512Digest::of(&statement), Sha512Digest::of(&seal)];
    list_value(&rehashed_group(&signed, &[&older])).unwrap()
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
    let file = it.file(key);
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
            for words in
                ["documents of 1 sealings are lost", "holds by itself", "ends on 2036-11-25"]
            {
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
