//! What is lost of renewals: it is told once, keeps nothing else from counting, and can be renewed
//! over where the time-stamps that are left still hold.

use std::fs;

use sigillo_evidence_log::{ChainToken, Chains, EVIDENCE_LINE, Unread, read_view};
use sigillo_model::ObjectKey;

use crate::renewing::Renewing;

/// How many time-stamps each sealing has, and how many of them lead to it.
async fn chains(it: &Renewing) -> Vec<(usize, usize)> {
    let archive = it.world.archive().await;
    let view = read_view(&archive).await.unwrap();
    let chains = Chains::read(&archive, &view).await.unwrap();
    let count = |chain: &[ChainToken]| {
        (chain.len(), chain.iter().filter(|token| token.is_placed()).count())
    };
    chains.iter().map(|(_, _, chain)| count(chain)).collect()
}

#[tokio::test]
async fn over_a_lost_newest_time_stamp_one_renews_only_on_demand_and_while_the_older_ones_hold() {
    let mut it = Renewing::with_sealings(2).await;
    it.let_pass(3_400);
    let lost = ObjectKey::renewal_token(it.renewed().await.renewal);
    let bytes = fs::read(it.file(&lost)).unwrap();
    it.let_pass(100);
    for damaged in [Some(bytes.iter().rev().copied().collect::<Vec<_>>()), None] {
        fs::remove_file(it.file(&lost)).unwrap();
        if let Some(damaged) = &damaged {
            fs::write(it.file(&lost), damaged).unwrap();
        }
        let plan = it.plan(true).await;
        assert_eq!((plan.due.len(), plan.findings.len()), (0, 1), "{:?}", plan.findings);
        let plan = it.plan_over(false, true).await;
        let told: Vec<_> = plan.findings.iter().map(|it| (it.code.code(), &it.object)).collect();
        assert_eq!((plan.due.len(), told), (2, vec![("F510", &lost.to_string())]));
        assert!(plan.due.iter().all(|it| it.tokens.len() == 2), "all are named");
    }
    let plan = it.plan_over(false, true).await;
    it.carry_out(&plan).await;
    let told = [("F510", lost.to_string())];
    assert_eq!(it.faults_at(Some("2040-01-01")).await, told, "the rest proves what it proved");
    assert_eq!(chains(&it).await, [(3, 3); 2]);
    // What was renewed over is an older one that is missing from now on.
    assert_eq!(it.plan(true).await.due.len(), 2);
    fs::write(it.file(&lost), &bytes).unwrap();
    assert_eq!(it.faults_at(Some("2040-01-01")).await, []);
}

#[tokio::test]
async fn nothing_is_renewed_over_a_time_stamp_that_has_ended() {
    let mut it = Renewing::with_sealings(1).await;
    it.let_pass(3_400);
    let lost = ObjectKey::renewal_token(it.renewed().await.renewal);
    it.let_pass(400);
    assert_eq!(it.plan_over(true, true).await.due.len(), 1, "nothing is lost yet");
    fs::remove_file(it.file(&lost)).unwrap();
    let plan = it.plan_over(true, true).await;
    let told: Vec<_> = plan.findings.iter().map(|it| it.code.code()).collect();
    assert_eq!((plan.due.len(), told), (0, vec!["F510", "F911"]));
    let ended = &plan.findings[1].message;
    assert!(ended.contains("2036-11-25") && ended.contains("from a copy"), "{ended}");
}

#[tokio::test]
async fn lost_members_of_a_renewal_are_told_once_and_later_renewals_count() {
    let mut it = Renewing::with_sealings(2).await;
    it.let_pass(3_400);
    let lost = ObjectKey::renewal_members(it.renewed().await.renewal);
    it.let_pass(10);
    it.renewed().await;
    let bytes = fs::read(it.file(&lost)).unwrap();
    fs::write(it.file(&lost), b"{}").unwrap();
    let told = [("F510", lost.to_string())];
    assert_eq!(it.faults_at(Some("2040-01-01")).await, told);
    assert_eq!(chains(&it).await, [(3, 2); 2], "a later one says that it was there");
    assert_eq!(it.plan(true).await.due.len(), 2);
    it.renewed().await;
    assert_eq!(it.faults_at(Some("2040-01-01")).await, told);
    fs::write(it.file(&lost), bytes).unwrap();
    assert_eq!(it.faults_at(Some("2040-01-01")).await, []);
    assert_eq!(chains(&it).await, [(4, 4); 2]);
}

#[tokio::test]
async fn what_lost_members_may_have_named_is_held_back_until_somebody_says_that_they_are_lost() {
    let mut it = Renewing::with_sealings(2).await;
    it.let_pass(3_400);
    let body = it.renewed().await;
    let lost = ObjectKey::renewal_members(body.renewal);
    it.let_pass(10);
    let bytes = fs::read(it.file(&lost)).unwrap();
    fs::remove_file(it.file(&lost)).unwrap();
    let archive = it.world.archive().await;
    let view = read_view(&archive).await.unwrap();
    let read = Chains::read(&archive, &view).await.unwrap();
    assert_eq!(read.perhaps_renewed(&view, EVIDENCE_LINE, 1), [Unread::Renewal(0)]);
    let plan = it.plan(true).await;
    assert_eq!((plan.due.len(), plan.held_back), (0, 2));
    let plan = it.plan_over(true, true).await;
    assert!(plan.due.iter().all(|it| it.tokens.last() == Some(&body.token_sha256)), "{plan:?}");
    it.carry_out(&plan).await;
    assert_eq!(it.faults_at(Some("2040-01-01")).await, [("F510", lost.to_string())]);
    assert_eq!(chains(&it).await, [(3, 2); 2]);
    fs::write(it.file(&lost), bytes).unwrap();
    assert_eq!(it.faults_at(Some("2040-01-01")).await, []);
    assert_eq!(chains(&it).await, [(3, 3); 2]);
}
