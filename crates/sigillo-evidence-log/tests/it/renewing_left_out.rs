//! Documents that new hash trees left out: newer time-stamps do nothing for them, and what came before the trees
//! ends one day. Who plans renewals says so, and an audit does.

use sigillo_evidence_log::{EVIDENCE_LINE, LogAudit};
use sigillo_model::{Finding, FindingCode, ObjectKey, Severity};

use crate::{
    renewing::Renewing,
    renewing_trees::{OTHER, rehash, rehash_without, stopped, told, without},
};

fn audited(audit: &LogAudit) -> Vec<&Finding> {
    audit.findings.iter().filter(|it| it.code == FindingCode::LineStopped).collect()
}

#[tokio::test]
async fn documents_that_new_hash_trees_left_out_are_told_until_when_what_came_before_holds() {
    let mut it = Renewing::with_sealings(2).await;
    it.let_pass(100);
    rehash_without(&it, EVIDENCE_LINE, &[1]).await;
    for (over_lost, all) in [(false, false), (false, true), (true, false)] {
        let plan = it.plan_over(all, over_lost).await;
        assert_eq!(told(&plan), [("F523", "sealings")], "{plan:?}");
        assert_eq!(plan.due.len(), if all { 2 } else { 0 }, "what is in the trees is renewed");
        let stopped = stopped(&plan);
        assert_eq!(stopped.severity, Severity::CannotTell);
        for words in ["documents of 2 sealings were left out", "holds by itself", "on 2036-11-25"] {
            assert!(stopped.message.contains(words), "{stopped:?}");
        }
    }
    // A newer time-stamp changes nothing for them.
    it.let_pass(3_300);
    it.renewed().await;
    it.let_pass(400);
    let words = stopped(&it.plan(false).await).message.clone();
    assert!(words.contains("does not hold by itself") && !words.contains("ends on"), "{words}");
}

#[tokio::test]
async fn an_audit_says_until_when_documents_hold_that_new_hash_trees_left_out() {
    let mut it = Renewing::with_sealings(2).await;
    it.let_pass(100);
    rehash_without(&it, EVIDENCE_LINE, &[1]).await;
    it.let_pass(100);
    it.renewed().await;
    for (day, words) in [
        ("2030-01-01", "holds by itself, and the first of that ends on 2036-11-25"),
        ("2037-01-01", "does not hold by itself"),
    ] {
        let audit = it.audit_at(Some(day)).await;
        let [finding] = &audited(&audit)[..] else { panic!("{audit:?}") };
        assert_eq!(finding.severity, Severity::Note);
        assert!(finding.message.contains("documents of 2 sealings were left out"), "{finding:?}");
        assert!(finding.message.contains(words), "{finding:?}");
    }
}

#[tokio::test]
async fn another_line_stands_for_documents_that_were_left_out_unless_it_left_some_out_too() {
    let mut it = Renewing::with_sealings(1).await;
    it.stamp_on(OTHER).await;
    it.let_pass(100);
    rehash_without(&it, EVIDENCE_LINE, &[1]).await;
    assert_eq!(stopped(&it.plan(false).await).severity, Severity::Note);
    rehash_without(&it, OTHER, &[0]).await;
    assert_eq!(stopped(&it.plan(false).await).severity, Severity::CannotTell);
}

#[tokio::test]
async fn an_audit_asks_for_no_renewal_where_new_hash_trees_are_lost() {
    let mut it = Renewing::with_sealings(1).await;
    it.let_pass(100);
    let renewal = rehash(&it, EVIDENCE_LINE).await.renewal;
    for lost in [ObjectKey::renewal_token(renewal), ObjectKey::hash_tree(renewal)] {
        let audit = without(&it, &lost, None, async || it.audit_at(Some("2036-10-01")).await).await;
        let [finding] = &audited(&audit)[..] else { panic!("{audit:?}") };
        assert!(finding.message.contains("ends on 2036-11-25"), "{finding:?}");
        assert!(!finding.message.contains("on hold"), "{finding:?}");
        assert!(audit.findings.iter().all(|it| it.code != FindingCode::RenewalDue), "{audit:?}");
    }
}
