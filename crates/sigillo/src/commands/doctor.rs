//! `sigillo doctor`: does everything work, and will it tomorrow?

use std::collections::BTreeSet;

use clap::Args;
use serde_json::json;

use sigillo_authorities::{KeyError, KeyFolder};
use sigillo_custody::{
    Check, Health, check_catalogue, check_certificates, check_clock, check_index, check_last_read,
    check_published, check_sealing, check_signer, check_space, check_stamping, check_trees,
    growth_a_day,
};
use sigillo_ers::{HashFunction, pem_blocks, token_signature};
use sigillo_evidence_log::{Archive, Chains, HashFamily, LogView, read_view};
use sigillo_model::{ArchiveId, ErrorKind, EvidenceDigest, Sha256Digest, Sha512Digest};
use sigillo_store::ReadPool;

use crate::{
    commands::{EXIT_CLEAN, EXIT_FINDINGS},
    context::Context,
    error::CommandError,
    guard::BACKUP,
    lines::Line,
    machine::{check_durability, check_leftovers, space_of},
    output::{counted, grouped, visible},
};

/// Examine archive, keys, settings and disks, and say what mends what is wrong
///
/// Every check says OK, WARN or FAIL, what was found, how much was looked at where that is not all,
/// and the command that mends it. Nothing is written and nobody is asked over the network, unless an
/// option says so. Whether documents are intact is for `sigillo verify` to say.
///
/// Exits with 0 if all is well, 3 if something is not.
///
/// Examples:
///
///   sigillo doctor --archive /srv/archive
///   sigillo doctor --online --probe --archive /srv/archive
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct DoctorArgs {
    /// Ask every time-stamping authority for a time-stamp, too
    #[arg(long)]
    pub(crate) online: bool,
    /// Let the store prove anew that it keeps its word; writes a few small objects and removes them
    #[arg(long)]
    pub(crate) probe: bool,
}

/// Examines, and says what was found.
pub(crate) async fn run(context: &Context, args: DoctorArgs) -> Result<u8, CommandError> {
    let mut checks = vec![settings(context)];
    let archive = match context.archive_as_found().await {
        Ok(archive) => Some(archive),
        Err(error) if error.kind_name() == "usage" => return Err(error),
        Err(error) => {
            checks.push(of_error("archive", &error, "sigillo verify"));
            None
        }
    };
    if let Some(archive) = &archive {
        of_archive(context, &args, archive, &mut checks).await?;
    }
    Ok(report(context, archive.map(|it| it.description().archive), &checks))
}

/// Makes a failed check of an error: its first hint is what mends it.
fn of_error(name: &'static str, error: &CommandError, otherwise: &str) -> Check {
    let words = [&error.words[..], &error.excerpt[..]].concat().join(": ");
    let mend = error.hints.first().cloned().unwrap_or_else(|| otherwise.to_owned());
    if error.kind == ErrorKind::Transient {
        Check::warn(name, words, mend)
    } else {
        Check::fail(name, words, mend)
    }
}

fn settings(context: &Context) -> Check {
    let name = "settings";
    match context.usable_authorities() {
        Ok(names) if names.is_empty() => {
            Check::ok(name, "they can be read; the trial authority gives the time-stamps")
        }
        Ok(names) => {
            Check::ok(name, format!("they can be read; authorities: {}", names.join(", ")))
        }
        Err(error) => {
            let file = context.places.settings();
            let mut check = of_error(name, &error, "");
            let hint = check.mend.take().filter(|it| !it.is_empty());
            let hint = hint.map_or_else(String::new, |hint| format!("   ({hint})"));
            Check { mend: Some(format!("${{EDITOR:-vi}} '{}'{hint}", file.display())), ..check }
        }
    }
}

async fn of_archive(
    context: &Context,
    args: &DoctorArgs,
    archive: &Archive,
    checks: &mut Vec<Check>,
) -> Result<(), CommandError> {
    let description = archive.description();
    let message = format!(
        "it can be read, has format {}, and is of {}",
        description.format, description.entity.name
    );
    checks.push(Check::ok("archive", message));
    checks.push(store(context, args, archive).await);
    let keys = keys(context, archive, checks)?;
    checks.push(trust(context, archive));
    let now = context.clock.now();
    let view = match read_view(archive).await {
        Ok(view) => view,
        Err(error) => {
            checks.push(of_error("log", &error.into(), "sigillo verify --full"));
            return Ok(());
        }
    };
    checks.push(Check::ok(
        "log",
        format!("{} in {}", counted(view.size, "entry"), counted(view.head, "commit")),
    ));
    checks.push(check_published(archive, &view).await?);
    if let Some(keys) = &keys {
        checks.push(match keys.log_signer().last_signed()? {
            None if archive.generation() > 1 => unfinished(archive),
            last => check_signer(archive, &view, last).await?,
        });
        checks.push(certificates(context, keys));
    }
    checks.push(check_clock(&view, now));
    checks.push(check_sealing(&view, now));
    stamping(context, &view, checks);
    match Chains::read(archive, &view).await {
        Ok(chains) => checks.extend(check_trees(&chains)),
        Err(error) => checks.push(of_error("hash-trees", &error.into(), "sigillo verify --full")),
    }
    checks.push(index(context, archive, &view).await);
    checks.push(catalogue(archive).await?);
    let begun = archive.commit(1).await.ok().flatten().map(|commit| commit.header.at);
    checks.push(check_last_read(context.last_full_read(archive), begun, now));
    disks(context, archive, &view, checks).await?;
    if args.online
        && let Some(keys) = &keys
    {
        authorities(context, keys, checks).await;
    }
    Ok(())
}

/// Says whether the store proved that it keeps its word.
async fn store(context: &Context, args: &DoctorArgs, archive: &Archive) -> Check {
    let name = "store";
    if args.probe {
        return match context.probe(archive).await {
            Ok(()) => Check::ok(name, "it creates only what is absent, as it proved just now"),
            Err(error) => of_error(
                name,
                &error,
                "move the archive to a store that creates only what is absent",
            ),
        };
    }
    if context.is_probed(archive) {
        Check::ok(name, "it creates only what is absent, as it proved before; --probe asks again")
    } else {
        let words = "it was not probed from here yet; the next command that writes does it";
        Check::warn(name, words, "sigillo doctor --probe")
    }
}

/// Looks at the key folder; returns the keys if they can be used.
fn keys(
    context: &Context,
    archive: &Archive,
    checks: &mut Vec<Check>,
) -> Result<Option<KeyFolder>, CommandError> {
    let keys = match context.keys(archive) {
        Ok(keys) => keys,
        Err(error) => {
            let folder = context.places.keys_of(&context.url()?);
            let mend = match KeyFolder::open(&folder) {
                Err(KeyError::Exposed { path, remedy, .. }) => {
                    format!("chmod {remedy} '{}'", path.display())
                }
                Err(KeyError::Missing { path }) => format!(
                    "restore '{}' from a copy of the key folder, or name the right folder with \
                     --keys",
                    path.display()
                ),
                Ok(_) => "name the folder with this archive's keys with --keys".to_owned(),
                Err(_) => format!("restore '{}' from its newest copy", folder.display()),
            };
            let check = of_error("keys", &error, &mend);
            checks.push(Check { mend: Some(mend), ..check });
            return Ok(None);
        }
    };
    let description = archive.description();
    let fits = keys.log_signer().public_key()[..] == *archive.log_keys().first().public_key()
        && keys.seal_pem() == archive.seal_at(u64::MAX);
    let folder = keys.path().display();
    let current = keys.log_signer().of_key(archive.log_keys().current().public_key());
    checks.push(if let Err(error) = current {
        let words = format!("the key that signs the log now is not in {folder}: {error}");
        Check::fail("keys", words, format!("restore '{folder}' from its newest copy"))
    } else if fits {
        let message =
            format!("all are in {folder}, readable by their owner only, and are this archive's");
        Check::ok("keys", message)
    } else {
        let words = format!("log key or seal in {folder} are not those of the archive");
        Check::fail("keys", words, format!("restore '{folder}' from its newest copy"))
    });
    let of_trial = if description.trial {
        "these are TRIAL keys: nothing made with them is qualified"
    } else {
        "these are not trial keys"
    };
    checks.push(Check::ok("qualification", of_trial));
    Ok(fits.then_some(keys))
}

/// Says that a log began and that its key did not sign yet: the program was stopped between.
fn unfinished(archive: &Archive) -> Check {
    let words = format!(
        "log {} began, and its key has signed nothing yet: `sigillo log succeed` was interrupted",
        archive.generation()
    );
    Check::fail("signer", words, COMPLETE_SUCCESSION)
}

/// What to do about a succession that was interrupted.
const COMPLETE_SUCCESSION: &str =
    "the same `sigillo log succeed` again, with --trial --yes or with act and signature";

fn trust(context: &Context, archive: &Archive) -> Check {
    let name = "trust";
    if let Ok(Some((words, _))) = context.lacks_log(archive) {
        return Check::fail(name, format!("LOG_DIVERGED: {words}"), BACKUP);
    }
    match context.trust.knowledge_of(archive) {
        Ok((true, _)) => match context.trust.check(archive) {
            Ok(anchors) => {
                let anchors = counted(anchors as u64, "anchor");
                Check::ok(name, format!("the trust store believes this archive, with {anchors}"))
            }
            Err(error) => of_error(name, &error, "sigillo trust list"),
        },
        Ok((false, _)) if context.trust.knows(archive) => Check::fail(
            name,
            format!(
                "LOG_UNBELIEVED: nothing in the trust store vouches for log {} of this archive",
                archive.generation()
            ),
            if context.own_keys(archive).is_some() {
                COMPLETE_SUCCESSION
            } else {
                "sigillo verify"
            },
        ),
        Ok((false, _)) => Check::warn(
            name,
            "the trust store does not believe this archive, so `sigillo verify` cannot tell whose \
             it is",
            "get the archive's file from its owner in person, then: sigillo trust add FILE",
        ),
        Err(error) => of_error(name, &error, "sigillo trust list"),
    }
}

fn certificates(context: &Context, keys: &KeyFolder) -> Check {
    let own = keys.certificates().into_iter().map(|(name, der)| (name.to_owned(), der));
    let mut certificates: Vec<_> = own.collect();
    // What is wrong with the settings was said of the settings.
    for pem in context.authority_anchors().unwrap_or_default() {
        let ders = pem_blocks(&pem, "CERTIFICATE").unwrap_or_default();
        let named = |der| ("an authority in the settings".to_owned(), der);
        certificates.extend(ders.into_iter().map(named));
    }
    check_certificates(&certificates, context.clock.now())
}

/// Says what waits for a time-stamp on each of the lines that `sigillo seal --stamp-only` asks for.
fn stamping(context: &Context, view: &LogView, checks: &mut Vec<Check>) {
    match context.line_names() {
        Ok(lines) => {
            let now = context.clock.now();
            checks.extend(lines.iter().map(|line| check_stamping(view, line, now)));
        }
        Err(error) => checks.push(of_error("time-stamps", &error, "mend the settings first")),
    }
}

async fn index(context: &Context, archive: &Archive, view: &LogView) -> Check {
    let index = match context.peek_index(archive) {
        Ok(index) => index,
        Err(error) => {
            // It can be made again, whatever is in the way of it.
            let folder = context.index_folder(archive);
            let mend = format!("rm -r '{}' && sigillo rebuild", folder.display());
            return Check::warn("index", error.words.join(": "), mend);
        }
    };
    let checked = async {
        let reads = ReadPool::start()?;
        Ok(check_index(archive, index, &reads, view.head).await?)
    };
    checked.await.unwrap_or_else(|error: CommandError| of_error("index", &error, "sigillo rebuild"))
}

async fn catalogue(archive: &Archive) -> Result<Check, CommandError> {
    Ok(match check_catalogue(archive, &ReadPool::start()?).await {
        Ok(check) => check,
        Err(error) => of_error("catalogue", &error.into(), "sigillo rebuild"),
    })
}

/// Looks at the disks of archive and state.
async fn disks(
    context: &Context,
    archive: &Archive,
    view: &LogView,
    checks: &mut Vec<Check>,
) -> Result<(), CommandError> {
    if let Some(folder) = context.url()?.folder() {
        checks.push(check_durability(folder));
        if let Some(space) = space_of(folder) {
            let growth = growth_a_day(archive, view, context.clock.now()).await;
            checks.push(check_space("space", space, growth));
        }
        checks.push(check_leftovers(folder));
    }
    if let Some(space) = space_of(context.places.state()) {
        checks.push(check_space("state-space", space, 0));
    }
    Ok(())
}

/// Asks the authorities of every line, as a sealing would.
async fn authorities(context: &Context, keys: &KeyFolder, checks: &mut Vec<Check>) {
    match context.lines(keys) {
        Ok(lines) => {
            let on = |line: &Line| format!(" on the line {}", line.name);
            let is_one = lines.len() == 1;
            for line in &lines {
                let on = if is_one { String::new() } else { on(line) };
                checks.push(authorities_of(context, line, &on).await);
            }
        }
        Err(error) => checks.push(of_error("authorities", &error, "mend the settings first")),
    }
}

async fn authorities_of(context: &Context, line: &Line, on: &str) -> Check {
    let name = "authorities";
    let mend = "see to it that an authority of the settings answers; sealings wait meanwhile";
    let (family, imprint) = (HashFamily::of_line(&line.name), b"sigillo doctor");
    let imprint: EvidenceDigest = match family {
        HashFamily::Sha256 => Sha256Digest::of(imprint).into(),
        HashFamily::Sha512 => Sha512Digest::of(imprint).into(),
    };
    match line.authorities.stamp(imprint, &*context.clock, &*context.entropy).await {
        Ok(stamped) => {
            let silent: BTreeSet<_> = stamped.refused.iter().map(|it| &it.authority[..]).collect();
            let message = format!("{} gives time-stamps{on}", stamped.authority);
            let signed = token_signature(stamped.token.raw()).ok().flatten();
            let signed = signed.and_then(|signed| signed.hash);
            if (family, signed) == (HashFamily::Sha512, Some(HashFunction::Sha256)) {
                let words = "signs them with SHA-256: they fall with it";
                let mend = "give the line an authority that signs with SHA-384 or SHA-512";
                return Check::warn(name, format!("{message}, and {words}"), mend);
            }
            match silent.into_iter().next() {
                None => Check::ok(name, message),
                Some(other) => Check::warn(name, format!("{message}, but {other} does not"), mend),
            }
        }
        Err(error) => {
            let check = of_error(name, &CommandError::of(error.kind(), &error), mend);
            Check { message: format!("{}{on}", check.message), ..check }
        }
    }
}

fn report(context: &Context, archive: Option<ArchiveId>, checks: &[Check]) -> u8 {
    let worst = checks.iter().map(|check| check.state).max().unwrap_or(Health::Ok);
    let mut text = String::new();
    for check in checks {
        let (word, name) = (check.state.word(), check.name);
        text.push_str(&format!("{word:<4}  {name:<14}  {}\n", visible(&check.message)));
        if let Some(mend) = &check.mend {
            text.push_str(&format!("      to mend it: {}\n", visible(mend)));
        }
    }
    let wrong = checks.iter().filter(|check| check.state != Health::Ok).count() as u64;
    text.push_str(&match wrong {
        0 => format!("All {} checks are well.\n", grouped(checks.len() as u64)),
        1 => "1 check is not well.\n".to_owned(),
        wrong => format!("{} checks are not well.\n", grouped(wrong)),
    });
    let value = json!({"archive": archive, "checks": checks, "state": worst});
    context.output.result("sigillo.doctor/1", &text, value);
    if worst == Health::Ok { EXIT_CLEAN } else { EXIT_FINDINGS }
}
