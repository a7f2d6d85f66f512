//! The log in sum: the same as the whole log says, however much of it was known before.

use sigillo_evidence_log::{
    Archive, EVIDENCE_LINE, LineSummary, LogError, LogSummary, LogView, read_view,
    summarise as summarise_lines,
};
use sigillo_model::ObjectKey;

use crate::world::{Place, World, commit};

async fn summarise(archive: &Archive, known: LogSummary) -> Result<LogSummary, LogError> {
    summarise_lines(archive, known, &[EVIDENCE_LINE.to_owned()]).await
}

/// Sees that a summary says what the whole log says.
#[track_caller]
fn check(summary: &LogSummary, view: &LogView) {
    assert_eq!((summary.head, summary.size), (view.head, view.size));
    assert_eq!(summary.batches, view.batches.len() as u64);
    assert_eq!(summary.documents, view.documents());
    assert_eq!(summary.sealings, view.sealings.len() as u64);
    assert_eq!(summary.submissions, view.received.len() as u64);
    assert_eq!(summary.sealed_through, view.sealed_through());
    let unsealed: Vec<_> = view.unsealed().map(|it| (it.commit, it.at)).collect();
    assert_eq!(summary.unsealed.iter().map(|it| (it.commit, it.at)).collect::<Vec<_>>(), unsealed);
    for line in &summary.lines {
        let unstamped: Vec<_> =
            view.unstamped(&line.line).iter().map(|it| (it.body.number, it.at)).collect();
        let told: Vec<_> = line.unstamped.iter().map(|it| (it.number, it.at)).collect();
        assert_eq!(told, unstamped);
        let mut stamps = view.stamps.iter().filter(|it| it.body.line == line.line);
        let newest = stamps.next_back().map(|it| it.body.stamped_at.clone());
        assert_eq!(line.newest_stamp_at, newest);
    }
    let stamped = view.stamps.last().map(|it| it.body.stamped_at.clone());
    assert_eq!(summary.newest_stamp_at, stamped);
    assert_eq!(summary.newest_commit_at, view.header.as_ref().map(|it| it.at));
}

#[tokio::test]
async fn a_summary_carried_on_says_what_the_whole_log_says() {
    let world = World::new(Place::Folder).await;
    let mut log = world.writer().await;
    let mut known = LogSummary::default();
    for step in 0..7 {
        match step {
            0 | 1 | 4 => {
                let batch = world.batch(3 + step).await;
                commit(&mut log, &[batch]).await;
            }
            2 | 5 => {
                world.sealed(&mut log).await;
            }
            _ => {
                world.stamp(&mut log).await;
            }
        }
        let archive = world.archive().await;
        let view = read_view(&archive).await.unwrap();
        known = summarise(&archive, known).await.unwrap();
        check(&known, &view);
        assert_eq!(summarise(&archive, LogSummary::default()).await.unwrap(), known);
        assert_eq!(summarise(&archive, known.clone()).await.unwrap(), known);
    }
    assert!(known.batches == 3 && known.sealings == 2, "{known:?}");
    assert_eq!(known.waiting().len(), 0);
    // On another line, every sealing waits; of several, each on its own.
    let archive = world.archive().await;
    for lines in [&["other"][..], &[EVIDENCE_LINE, "other"]] {
        let lines: Vec<String> = lines.iter().map(|&it| it.to_owned()).collect();
        let other = summarise_lines(&archive, known.clone(), &lines).await.unwrap();
        check(&other, &read_view(&archive).await.unwrap());
        assert_eq!(
            other.lines.iter().map(|it| &it.line).collect::<Vec<_>>(),
            lines.iter().collect::<Vec<_>>()
        );
        assert_eq!((other.waiting().len(), other.sealings), (2, 2));
    }
    let lines = ["other".to_owned()];
    let other = summarise_lines(&archive, known.clone(), &lines).await.unwrap();
    assert_eq!(summarise(&archive, other).await.unwrap(), known);
}

#[tokio::test]
async fn the_log_before_what_is_known_is_not_read_again() {
    let world = World::new(Place::Folder).await;
    let mut log = world.writer().await;
    for _ in 0..4 {
        let batch = world.batch(1).await;
        commit(&mut log, &[batch]).await;
    }
    let archive = world.archive().await;
    let known = summarise(&archive, LogSummary::default()).await.unwrap();
    std::fs::remove_file(world.file(&ObjectKey::commit(2))).unwrap();
    assert_eq!(summarise(&archive, known.clone()).await.unwrap(), known);
    assert!(summarise(&archive, LogSummary::default()).await.is_err());
}

#[tokio::test]
async fn a_summary_of_another_log_is_not_carried_on() {
    let (world, other) = (World::new(Place::Folder).await, World::new(Place::Folder).await);
    let mut log = world.writer().await;
    let mut longer = other.writer().await;
    for count in [1, 2] {
        let batch = world.batch(count).await;
        commit(&mut log, &[batch]).await;
        let batch = other.batch(count + 5).await;
        commit(&mut longer, &[batch]).await;
    }
    let archive = world.archive().await;
    let right = summarise(&archive, LogSummary::default()).await.unwrap();
    let foreign = summarise(&other.archive().await, LogSummary::default()).await.unwrap();
    assert_ne!(foreign.documents, right.documents);
    assert_eq!(summarise(&archive, foreign).await.unwrap(), right);
    let ahead = LogSummary { head: 99, ..right.clone() };
    assert_eq!(summarise(&archive, ahead).await.unwrap(), right);
    let lines = vec![LineSummary { line: EVIDENCE_LINE.to_owned(), ..LineSummary::default() }];
    let forged = LogSummary { documents: 7, lines, ..LogSummary::default() };
    assert_eq!(summarise(&archive, forged).await.unwrap(), right);
}
