//! `sigillo rebuild`: tiles, checkpoint, block values, index and catalogue from the truth.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use serde_json::json;

use sigillo_custody::rebuild_blocks;
use sigillo_evidence_log::{Tables, catch_up_index, read_view, rebuild_log};
use sigillo_store::{CpuPool, ReadPool};

use crate::{
    commands::{EXIT_CLEAN, EXIT_DAMAGE},
    context::Context,
    error::CommandError,
    output::{grouped, visible},
    progress::{Count, Shown, Work},
};

/// Makes everything anew that follows from the truth.
pub(crate) async fn run(context: &Context) -> Result<u8, CommandError> {
    let archive = context.archive().await?;
    let keys = context.keys(&archive)?;
    let mut log = context.log(&archive, &keys).await?;
    let published = rebuild_log(&mut log, &mut |_, _| {}).await?;
    let view = read_view(&archive).await?;
    let read = Arc::new(AtomicU64::new(0));
    let counted = Arc::clone(&read);
    let work = Work { verb: "Read", unit: "bytes" };
    let shown = Shown::begin(context.global.progress, context.output, work, move || Count {
        done: counted.load(Ordering::Relaxed),
        total: 0,
        bytes: 0,
    });
    let blocks = rebuild_blocks(&archive, &view, &CpuPool::start(0)?, read).await?;
    drop(shown);
    let mut index = context.index(&archive)?;
    index.clear().map_err(|error| CommandError::of(error.kind(), &error))?;
    let reads = ReadPool::start()?;
    catch_up_index(&archive, &mut index, &reads).await?;
    let mut tables = Tables::remove_all(&archive, reads, Arc::clone(&context.clock)).await?;
    let listed = tables.catch_up().await?;
    let mut text = format!(
        "Rebuilt {} files of the published log, the block values of {} packs, the index of {} \
         documents and the catalogue of {}.\n",
        grouped(published),
        blocks.rebuilt.len(),
        grouped(index.len() as u64),
        grouped(listed.appended),
    );
    for (commit, error) in &listed.left_out {
        let words = visible(&error.to_string());
        text.push_str(&format!(
            "  DAMAGE the documents of commit {commit} are left out: {words}\n"
        ));
    }
    for key in &blocks.damaged {
        text.push_str(&format!("  DAMAGE {key}: it does not have its own name; not rebuilt\n"));
    }
    let names = |keys: &[sigillo_model::ObjectKey]| {
        keys.iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    let value = json!({
        "block_values": names(&blocks.rebuilt),
        "damaged": names(&blocks.damaged),
        "indexed_documents": index.len(),
        "left_out_commits": listed.left_out.iter().map(|it| it.0).collect::<Vec<_>>(),
        "listed_documents": listed.appended,
        "published_files": published,
    });
    context.output.result("sigillo.rebuild/1", &text, value);
    let whole = blocks.damaged.is_empty() && listed.left_out.is_empty();
    Ok(if whole { EXIT_CLEAN } else { EXIT_DAMAGE })
}
