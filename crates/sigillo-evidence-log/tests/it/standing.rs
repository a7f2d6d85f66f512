//! Whether a line stands for another one: by what it proves of the documents now, whatever else of it is lost.

use std::collections::BTreeSet;

use sigillo_evidence_log::{Chains, EVIDENCE_LINE, ToldRevocations, read_view, standing_lines};
use sigillo_model::{ObjectKey, Severity};

use crate::{
    renewing::Renewing,
    renewing_trees::{OTHER, rehash, rehash_without, stopped, without},
};

/// Returns the lines that hold of the first sealing.
async fn standing(it: &Renewing) -> Vec<String> {
    let archive = it.world.archive().await;
    let view = read_view(&archive).await.unwrap();
    let chains = Chains::read(&archive, &view).await.unwrap();
    let of = (&archive, &view, &chains);
    let rules = it.rules(EVIDENCE_LINE);
    let told = ToldRevocations::read(of, rules.anchors).await.unwrap();
    let by = (rules.anchors, rules.algorithms);
    let standing = standing_lines(of, by, (&told, rules.at), &BTreeSet::from([1])).await.unwrap();
    standing.into_iter().map(|(_, line)| line).collect()
}

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
    assert_eq!(standing(&it).await.last().map(String::as_str), Some(EVIDENCE_LINE));
    // Day 3760: the first ended on day 3653, the hash trees on day 3753, and the renewal of day 300 came in time.
    it.let_pass(3_460);
    assert_eq!(severity(&it).await, Severity::Note);
    assert_eq!(standing(&it).await, [OTHER]);
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
    let now = without(&it, &lost, None, async || (severity().await, standing(&it).await)).await;
    assert_eq!(now, (Severity::CannotTell, vec![EVIDENCE_LINE.to_owned()]));
}

#[tokio::test]
async fn documents_that_hash_trees_do_not_have_count_by_what_came_before_them() {
    let mut it = Renewing::with_sealings(1).await;
    it.stamp_on(OTHER).await;
    it.let_pass(100);
    let whole = rehash(&it, EVIDENCE_LINE).await;
    rehash_without(&it, OTHER, &[1]).await;
    let (both, token) = ([OTHER, EVIDENCE_LINE], ObjectKey::renewal_token(whole.renewal));
    let leaves = &whole.leaves[0];
    assert_eq!(standing(&it).await, both);
    for lost in [leaves, &whole.list, &token] {
        assert_eq!(without(&it, lost, None, async || standing(&it).await).await, both, "{lost}");
    }
    // The first time-stamps ended on day 3653, those over the trees do on day 3753.
    it.let_pass(3_600);
    assert_eq!(standing(&it).await, [EVIDENCE_LINE]);
    for (lost, holds) in [(leaves, false), (&whole.list, true), (&token, false)] {
        let left = without(&it, lost, None, async || standing(&it).await).await;
        assert_eq!(left.len(), usize::from(holds), "{lost}: {left:?}");
    }
}
