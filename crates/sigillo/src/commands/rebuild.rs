//! `sigillo rebuild`: tiles, checkpoint, block values, index and catalogue from the truth.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use serde_json::json;

use sigillo_custody::{RebuildOutcome, RebuildProgress, rebuild_blocks};
use sigillo_evidence_log::{
    Archive, LogView, LogWriter, Tables, UnreadDocuments, index_commit, read_view, rebuild_log,
};
use sigillo_store::{CpuPool, ReadPool};

use crate::{
    commands::{EXIT_CLEAN, EXIT_DAMAGE},
    context::Context,
    error::CommandError,
    output::{counted, grouped, visible},
    progress::{Count, Shown, Work},
};

/// Makes everything anew that follows from the truth.
pub(crate) async fn run(context: &Context) -> Result<u8, CommandError> {
    let archive = context.archive().await?;
    let keys = context.keys(&archive)?;
    let mut log = context.log(&archive, &keys).await?;
    let published = publish(context, &mut log).await?;
    let view = read_view(&archive).await?;
    let blocks = block_values(context, &archive, &view).await?;
    let index = index(context, &archive, &view).await?;
    let tables = Tables::remove_all(&archive, ReadPool::start()?, Arc::clone(&context.clock));
    let listed = tables.await?.catch_up().await?;
    let mut text = format!(
        "Rebuilt {} of the published log, the block values of {}, the index of {} and the catalogue \
         of {}.\n",
        counted(published, "file"),
        counted(blocks.rebuilt.len() as u64, "pack"),
        counted(index.documents, "document"),
        grouped(listed.appended),
    );
    for unread in &index.unread {
        text.push_str(&unread_text(unread));
    }
    for (commit, error) in &listed.left_out {
        let words = visible(&error.to_string());
        text.push_str(&format!(
            "  DAMAGE the documents of commit {commit} are left out of the catalogue: {words}\n"
        ));
    }
    for key in &blocks.damaged {
        text.push_str(&format!("  DAMAGE {key}: it does not have its own name; not rebuilt\n"));
    }
    let lacking: u64 = index.unread.iter().map(|it| it.documents - it.kept).sum();
    if lacking > 0 {
        text.push_str(&format!(
            "The index lacks {}. Until the damaged objects are brought back from a copy and this is \
             run again, nothing can be ingested; everything else goes on.\n",
            counted(lacking, "document"),
        ));
    }
    let names = |keys: &[sigillo_model::ObjectKey]| {
        keys.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let value = json!({
        "block_values": names(&blocks.rebuilt),
        "damaged": names(&blocks.damaged),
        "indexed_documents": index.documents,
        "index_lacks_documents": lacking,
        "left_out_commits": listed.left_out.iter().map(|it| it.0).collect::<Vec<_>>(),
        "listed_documents": listed.appended,
        "published_files": published,
    });
    context.output.result("sigillo.rebuild/1", &text, value);
    let whole = blocks.damaged.is_empty() && index.unread.is_empty() && listed.left_out.is_empty();
    Ok(if whole { EXIT_CLEAN } else { EXIT_DAMAGE })
}

/// Writes the published log anew.
async fn publish(context: &Context, log: &mut LogWriter) -> Result<u64, CommandError> {
    let far = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
    let counted = Arc::clone(&far);
    let work = Work { verb: "Published", unit: "commits" };
    let shown = Shown::begin(context.global.progress, context.output, work, move || Count {
        done: counted[0].load(Ordering::Relaxed),
        total: counted[1].load(Ordering::Relaxed),
        bytes: 0,
    });
    let mut note = |done, total| {
        far[0].store(done, Ordering::Relaxed);
        far[1].store(total, Ordering::Relaxed);
    };
    let published = rebuild_log(log, &mut note).await?;
    drop(shown);
    Ok(published)
}

/// Writes block values anew that are missing or wrong.
async fn block_values(
    context: &Context,
    archive: &Archive,
    view: &LogView,
) -> Result<RebuildOutcome, CommandError> {
    let progress = Arc::new(RebuildProgress::default());
    let (counted, total) = (Arc::clone(&progress), view.batches.len() as u64);
    let work = Work { verb: "Checked", unit: "batches" };
    let shown = Shown::begin(context.global.progress, context.output, work, move || Count {
        done: counted.batches.load(Ordering::Relaxed),
        total,
        bytes: counted.bytes_read.load(Ordering::Relaxed),
    });
    let blocks = rebuild_blocks(archive, view, &CpuPool::start(0)?, progress).await?;
    drop(shown);
    Ok(blocks)
}

/// The index as it was made anew.
struct Indexed {
    documents: u64,
    /// What could not be read for it.
    unread: Vec<UnreadDocuments>,
}

/// Makes the index anew, beside the one in use: that stays until the new one is whole. What cannot
/// be read any more is taken over from it, where it can be opened.
async fn index(
    context: &Context,
    archive: &Archive,
    view: &LogView,
) -> Result<Indexed, CommandError> {
    let earlier = context.peek_index(archive).ok();
    let (mut index, _lock) = context.index_beside(archive)?;
    let indexed = Arc::new(AtomicU64::new(0));
    let (counted, total) = (Arc::clone(&indexed), view.head);
    let work = Work { verb: "Indexed", unit: "commits" };
    let shown = Shown::begin(context.global.progress, context.output, work, move || Count {
        done: counted.load(Ordering::Relaxed),
        total,
        bytes: 0,
    });
    let (reads, mut unread) = (ReadPool::start()?, Vec::new());
    while let Some(commit) = archive.commit(index.complete_to() + 1).await? {
        let both = (&mut index, earlier.as_ref());
        unread.extend(index_commit(archive, both, &reads, &commit).await?);
        indexed.store(index.complete_to(), Ordering::Relaxed);
    }
    drop(shown);
    let index = index.take_place_of(&context.index_folder(archive));
    let index = index.map_err(|error| CommandError::of(error.kind(), &error))?;
    Ok(Indexed { documents: index.len() as u64, unread })
}

/// Says of which documents what is true could not be read for the index.
fn unread_text(unread: &UnreadDocuments) -> String {
    let UnreadDocuments { commit, key, documents, kept, error } = unread;
    let words = CommandError::of(error.kind(), error).words.join(": ");
    let (of, lacks) = (counted(*documents, "document"), documents - kept);
    let known = match (lacks, *kept) {
        (0, _) => "the index still knows what it knew of them".to_owned(),
        (_, 0) => "the index lacks them".to_owned(),
        _ => format!("the index lacks {}", grouped(lacks)),
    };
    format!(
        "  DAMAGE {key}: {of} of commit {commit} cannot be read ({}); {known}\n",
        visible(&words)
    )
}
