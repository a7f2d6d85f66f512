//! Whether a line stands for another one: by what it proves of the documents now, whatever else of it is lost.

use bytes::Bytes;
use jiff::SignedDuration;
use rstest::rstest;

use sigillo_ers::AlgorithmTable;
use sigillo_evidence_log::{
    EVIDENCE_LINE, GatherRules, RENEWAL_LEAD, RenewalRules, Renewer, UnstampedTree,
    commit_hash_tree, plan_gathering, plan_renewals, stamp_sealings,
};
use sigillo_model::{Clock as _, HashTree, ObjectKey, Severity};

use crate::{
    renewing::{Renewing, TABLE},
    renewing_trees::{LONG, OTHER, rehash, stamp_first, stopped, tree_of, without, without_in},
    validation::{Far, RealClock, has_openssl, stamp},
    world::{Place, World},
};

#[tokio::test]
async fn a_lost_renewal_that_is_not_needed_keeps_no_line_from_standing() {
    let mut it = Renewing::with_sealings(1).await;
    it.stamp_on(OTHER).await;
    it.let_pass(100);
    let leaves = rehash(&it, EVIDENCE_LINE).await.leaves.remove(0);
    it.let_pass(100);
    let lost = ObjectKey::renewal_token(it.renewed_on(OTHER, false).await.renewal);
    let severity = async |it: &Renewing| stopped(&it.plan(false).await).severity;
    for gone in [&lost, &leaves] {
        std::fs::remove_file(it.file(gone)).unwrap();
    }
    assert_eq!(severity(&it).await, Severity::Note, "what it renewed holds for years");
    it.let_pass(100);
    it.renewed_on(OTHER, true).await;
    assert_eq!(severity(&it).await, Severity::Note);
    // Day 3760: the first ended on day 3653, the hash trees on day 3753, and the renewal of day 300 came in time.
    it.let_pass(3_460);
    assert_eq!(severity(&it).await, Severity::Note);
}

#[tokio::test]
async fn what_a_lost_renewal_was_needed_for_does_not_stand() {
    let mut it = Renewing::with_sealings(1).await;
    it.stamp_on(OTHER).await;
    it.let_pass(100);
    let leaves = rehash(&it, EVIDENCE_LINE).await.leaves.remove(0);
    it.let_pass(3_400);
    let lost = ObjectKey::renewal_token(it.renewed_on(OTHER, false).await.renewal);
    // The first of it ended on day 3653.
    it.let_pass(200);
    let severity = async || {
        without(&it, &leaves, None, async || stopped(&it.plan(false).await).severity).await
    };
    assert_eq!(severity().await, Severity::Note);
    assert_eq!(without(&it, &lost, None, severity).await, Severity::CannotTell);
}

/// Makes new hash trees on a line with the certificate that an authority has, and documents left out of each
/// batch; returns their tree and the keys of its leaves.
async fn far_trees(
    (world, far): (&World, &Far),
    rules: &RenewalRules<'_>,
    left_out: &[u32],
) -> (HashTree, Vec<ObjectKey>) {
    let plan = plan_renewals(&world.archive().await, rules).await.unwrap();
    let (tree, leaves) = tree_of(world, &plan, left_out).await;
    let renewer = Renewer {
        authorities: &far.authorities,
        anchors: rules.anchors,
        algorithms: rules.algorithms,
        clock: &RealClock,
        entropy: &*world.entropy,
    };
    let made = UnstampedTree { tree: &tree, lists: &[Bytes::from_static(b"")], documents: 2 };
    let mut log = world.writer().await;
    let outcome = commit_hash_tree(&renewer, &mut log, &plan, made).await.unwrap();
    assert!(outcome.rehashed.is_some(), "{outcome:?}");
    (tree, leaves)
}

#[rstest]
#[case::all(&[], true)]
#[case::but_one(&[1], false)]
#[tokio::test(flavor = "multi_thread")]
async fn documents_that_hash_trees_do_not_have_count_by_what_came_before_them(
    #[case] left_out: &[u32],
    #[case] has_all: bool,
) {
    if !has_openssl() {
        return;
    }
    let (world, far, other) = (World::new(Place::Folder).await, Far::new(true), Far::new(true));
    far.list_revoked("250101000000Z,keyCompromise", "20");
    stamp(&world, &far).await;
    let (mut anchors, table) = (far.anchors.clone(), AlgorithmTable::from_toml(TABLE).unwrap());
    for (name, der) in other.anchors.certificates() {
        anchors.add_der(name, der).unwrap();
    }
    let (mut log, entropy) = (world.writer().await, &*world.entropy);
    stamp_sealings(&mut log, OTHER, &other.authorities, &RealClock, entropy).await.unwrap();
    drop(log);
    other.certify_again();
    let rules = RenewalRules {
        line: OTHER,
        anchors: &anchors,
        algorithms: &table,
        at: RealClock.now(),
        lead: RENEWAL_LEAD,
        all: false,
        all_trees: true,
        over_lost: false,
    };
    let (tree, leaves) = far_trees((&world, &other), &rules, left_out).await;
    // That the first line is revoked is told as long as the other does not hold in its place.
    let holds = async |days: i64| {
        let at = RealClock.now() + SignedDuration::from_hours(24 * days);
        let rules = GatherRules { anchors: &anchors, algorithms: &table, at };
        let plan = plan_gathering(&world.archive().await, &rules).await.unwrap();
        assert_eq!(plan.revoked.len() as u64 + plan.replaced, 1, "{plan:?}");
        plan.replaced == 1
    };
    // What came before the trees ends after 3650 days, these after 5000.
    assert_eq!((holds(0).await, holds(3_700).await), (true, has_all));
    let list = ObjectKey::hash_tree_objects(tree.renewal, 1);
    let token = ObjectKey::renewal_token(tree.renewal);
    for (lost, is_needed) in [(&leaves[0], true), (&list, false), (&token, true)] {
        let both = async || (holds(0).await, holds(3_700).await);
        let both = without_in(&world, lost, None, both).await;
        assert_eq!(both, (true, has_all && !is_needed), "{lost}");
    }
}

#[tokio::test]
async fn a_line_of_sha_512_stands_with_all_documents_and_without_its_lists() {
    let mut it = Renewing::with_sealings(1).await;
    it.let_pass(100);
    let leaves = rehash(&it, EVIDENCE_LINE).await.leaves.remove(0);
    let long = stamp_first(&it, LONG, &[]).await;
    let severity = async || stopped(&it.plan(false).await).severity;
    without(&it, &leaves, None, async || {
        assert_eq!(severity().await, Severity::Note);
        let tree = ObjectKey::hash_tree(long.renewal);
        let [list, leaf, tree] = [&long.list, &long.leaves[0], &tree];
        for (lost, stands) in [(list, true), (leaf, false), (tree, false)] {
            let severity = without(&it, lost, None, &severity).await;
            assert_eq!(severity == Severity::Note, stands, "{lost}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_line_of_sha_512_that_left_documents_out_stands_for_no_other() {
    let mut it = Renewing::with_sealings(1).await;
    it.let_pass(100);
    let leaves = rehash(&it, EVIDENCE_LINE).await.leaves.remove(0);
    stamp_first(&it, LONG, &[1]).await;
    let plan = without(&it, &leaves, None, async || it.plan(false).await).await;
    assert_eq!(stopped(&plan).severity, Severity::CannotTell);
    // What it left out nothing on it ever proved: there is no end to announce.
    assert_eq!(it.plan_on(LONG, (false, false, false)).await.findings, []);
}
