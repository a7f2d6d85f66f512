//! `sigillo init`: a new archive with trial keys.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use serde_json::json;

use sigillo_authorities::KeyFolder;
use sigillo_evidence_log::{Archive, LogError, LogKeys, LogWriter, NewArchive, place_of};
use sigillo_model::{Entity, ErrorKind, LogTime, ObjectKey};
use sigillo_store::{Store, StoreUrl, stranger_in};

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
    let keys = context.keys(&archive)?.path().to_owned();
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
    if url.folder().is_some_and(|folder| !folder.exists()) {
        refuse_inside(&url).await?;
    }
    let store = Store::open_or_make(&url, tokio::runtime::Handle::current())?;
    // A place that holds another archive is refused before keys are made for it.
    let found = match Archive::open(store.clone()).await {
        Ok(existing) => existing.learn().await.map(|()| existing),
        Err(error) => Err(error),
    };
    let keys = match found {
        // One whose log another one followed was complete before that.
        Ok(existing)
            if existing.generation() > 1
                && existing.description().entity.name == entity.name
                && context.keys(&existing).is_ok() =>
        {
            refuse_other_ipa(&existing, &entity)?;
            return context.archive().await;
        }
        Ok(existing) => match context.keys(&existing) {
            Ok(keys) if existing.description().entity.name == entity.name => {
                refuse_other_ipa(&existing, &entity)?;
                keys
            }
            _ => {
                let place = place_of(&store);
                let entity = existing.description().entity.name.clone();
                return Err(LogError::OtherArchive { place, entity }.into());
            }
        },
        Err(LogError::NoArchive { .. }) => {
            refuse_strangers(&url)?;
            refuse_inside(&url).await?;
            new_keys(context, &url, &entity)?
        }
        Err(error) => return Err(error.into()),
    };
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
    context.remember_probed(&archive)?;
    context.trust.add(&Trusted::of(&archive, vec![keys.trial_root_pem().to_owned()]))?;
    let log_keys = LogKeys { commit: keys.commit_signer(), checkpoint: keys.log_signer() };
    let clock = Arc::clone(&context.clock);
    LogWriter::open(archive.clone(), log_keys, clock, &*context.entropy, 0).await?;
    context.remember_signed(&archive, &keys)?;
    Ok(archive)
}

/// Refuses a folder in which something lies that is no archive's: an archive has a folder to itself.
fn refuse_strangers(url: &StoreUrl) -> Result<(), CommandError> {
    let Some(folder) = url.folder() else { return Ok(()) };
    let stranger =
        stranger_in(folder).map_err(|error| CommandError::file("looking into", folder, &error))?;
    let Some(stranger) = stranger else { return Ok(()) };
    let words = format!(
        "FOLDER_NOT_EMPTY: {} holds {stranger:?}, which is not of an archive; nothing was written",
        folder.display()
    );
    Err(CommandError::new(ErrorKind::Invalid, words)
        .hint(format!("name a new folder for the archive, such as {}", beside(folder).display()))
        .hint("the documents in a folder go into an archive with `sigillo ingest FOLDER`"))
}

/// Refuses another IPA code than the one the archive was made with.
fn refuse_other_ipa(existing: &Archive, entity: &Entity) -> Result<(), CommandError> {
    let (named, stated) = (&entity.ipa, &existing.description().entity.ipa);
    if named.is_none() || named == stated {
        return Ok(());
    }
    let named = named.as_deref().unwrap_or_default();
    let stated = match stated {
        Some(stated) => format!("the IPA code {stated:?}, not {named:?}"),
        None => format!("no IPA code, so not {named:?}"),
    };
    let words = format!("OTHER_IPA: this archive was made with {stated}; nothing was written");
    Err(CommandError::new(ErrorKind::Invalid, words)
        .hint("what an archive says of its entity stays as it was made: leave out --ipa"))
}

/// Refuses a place within an archive: what lies there would be taken for a part of it.
async fn refuse_inside(url: &StoreUrl) -> Result<(), CommandError> {
    // A folder may be named from where we are, and may not be there yet.
    let absolute = |it: &Path| it.canonicalize().or_else(|_| std::path::absolute(it)).ok();
    let full = url.folder().and_then(absolute).map(StoreUrl::in_folder);
    for above in full.as_ref().unwrap_or(url).above() {
        let Ok(store) = Store::open(&above, tokio::runtime::Handle::current()) else { continue };
        // Whoever may not look there cannot tell.
        if store.size(&ObjectKey::archive()).await.is_err() {
            continue;
        }
        let words = format!(
            "INSIDE_ARCHIVE: {above} holds an archive, and {url} lies within it; nothing was written"
        );
        return Err(CommandError::new(ErrorKind::Invalid, words).hint(format!(
            "name a place beside it, or that archive itself with --archive {above}"
        )));
    }
    Ok(())
}

/// Returns a place for an archive beside a folder.
fn beside(folder: &Path) -> PathBuf {
    let folder = folder.canonicalize().unwrap_or(folder.to_owned());
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push("-archive");
    folder.with_file_name(name)
}

/// Makes keys for an archive that is not there yet. Keys that signed a log before are left alone:
/// their archive was in the same place, and may come back.
fn new_keys(context: &Context, url: &StoreUrl, entity: &Entity) -> Result<KeyFolder, CommandError> {
    for folder in context.places.new_keys_of(url) {
        let unused = match KeyFolder::open(&folder) {
            Ok(keys) => keys.log_signer().last_signed()?.is_none(),
            // None there yet, or not all of them: what was begun is completed.
            Err(_) => true,
        };
        if unused {
            let (clock, entropy) = (&*context.clock, &*context.entropy);
            return Ok(KeyFolder::create(&folder, &entity.name, clock, entropy)?);
        }
    }
    let words = "these keys already signed the log of another archive, which is not there";
    Err(CommandError::new(ErrorKind::Invalid, words)
        .hint("name a new folder for the keys of the new archive with --keys"))
}
