//! `sigillo rebuild`: tiles, checkpoint, block values and index from the truth.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use serde_json::json;

use sigillo_custody::rebuild_blocks;
use sigillo_evidence_log::{catch_up_index, read_view, rebuild_log};
use sigillo_store::{CpuPool, ReadPool};

use crate::{
    commands::{EXIT_CLEAN, EXIT_DAMAGE},
    context::Context,
    error::CommandError,
    output::grouped,
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
    catch_up_index(&archive, &mut index, &ReadPool::start()?).await?;
    let mut text = format!(
        "Rebuilt {} files of the published log, the block values of {} packs, and the index of {} \
         documents.\n",
        grouped(published),
        blocks.rebuilt.len(),
        grouped(index.len() as u64),
    );
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
        "published_files": published,
    });
    context.output.result("sigillo.rebuild/1", &text, value);
    Ok(if blocks.damaged.is_empty() { EXIT_CLEAN } else { EXIT_DAMAGE })
}
