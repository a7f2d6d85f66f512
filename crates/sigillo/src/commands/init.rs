//! `sigillo init`: a new archive with trial keys.

use std::sync::Arc;

use serde_json::json;

use sigillo_authorities::KeyFolder;
use sigillo_evidence_log::{Archive, LogKeys, LogWriter, NewArchive};
use sigillo_model::{Entity, LogTime};
use sigillo_store::Store;

use crate::{
    cli::InitArgs, commands::EXIT_CLEAN, context::Context, error::CommandError, output::visible,
    trust::Trusted,
};

/// Makes an archive and says where its keys are.
pub(crate) async fn run(mut context: Context, args: InitArgs) -> Result<u8, CommandError> {
    if let Some(place) = args.place {
        context.global.archive = Some(place);
    }
    let entity = Entity { ipa: args.ipa, name: args.entity };
    let archive = create(&context, entity).await?;
    let description = archive.description();
    let keys = context.places.keys_of(&context.url()?);
    let text = format!(
        "The archive of {} is ready.\n  id     {}\n  origin {}\n  keys   {} (keep a copy; they are \
         TRIAL keys, nothing made with them is qualified)\n",
        visible(&description.entity.name),
        description.archive,
        description.origin,
        keys.display(),
    );
    let value = json!({
        "archive": description.archive,
        "entity": description.entity.name,
        "keys": keys.display().to_string(),
        "origin": description.origin,
        "trial": description.trial,
    });
    context.output.result("sigillo.init/1", &text, value);
    Ok(EXIT_CLEAN)
}

/// Makes keys, archive and first commit, or completes what was begun with the same keys.
pub(crate) async fn create(context: &Context, entity: Entity) -> Result<Archive, CommandError> {
    if entity.name.trim().is_empty() || entity.name.chars().any(char::is_control) {
        return Err(CommandError::usage(
            "the name of the entity is empty or has control characters",
        ));
    }
    let url = context.url()?;
    let store = Store::open_or_make(&url, tokio::runtime::Handle::current())?;
    let folder = context.places.keys_of(&url);
    // A place that holds another archive is refused before keys are made for it.
    if let Ok(existing) = Archive::open(store.clone()).await {
        let fits = context.keys(&existing).is_ok();
        if !fits || existing.description().entity.name != entity.name {
            let place = store.identity();
            let entity = existing.description().entity.name.clone();
            return Err(sigillo_evidence_log::LogError::OtherArchive { place, entity }.into());
        }
    }
    let keys = KeyFolder::create(&folder, &entity.name, &*context.clock, &*context.entropy)?;
    store.probe(&*context.entropy).await?;
    let mut commit_key = [0; 32];
    commit_key.copy_from_slice(&keys.commit_signer().public_key());
    let new = NewArchive {
        entity,
        commit_key,
        log_key: keys.log_signer().public_key(),
        seal_pem: keys.seal_pem().to_owned(),
        trial: true,
    };
    let at = LogTime::new(context.clock.now());
    let archive = new.create(store, at, &*context.entropy).await?;
    context.trust.add(&Trusted::of(&archive, vec![keys.trial_root_pem().to_owned()]))?;
    let log_keys = LogKeys { commit: keys.commit_signer(), checkpoint: keys.log_signer() };
    let clock = Arc::clone(&context.clock);
    LogWriter::create(archive.clone(), log_keys, clock, &*context.entropy).await?;
    context.remember_signed(&archive, &keys)?;
    Ok(archive)
}
