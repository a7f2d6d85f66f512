//! `sigillo er create` and `sigillo er renew`: evidence records outside of any archive.

use std::path::Path;

use jiff::Timestamp;
use serde_json::{Value, json};

use sigillo_authorities::{Authorities, Stamped};
use sigillo_ers::{
    AlgorithmTable, Authorities as Accepted, EvidenceRecord, HashFunction, Imprint,
    RECORD_BYTES_MAX, RecordReport, RecordRules, Renewal, RevocationRules, StampParts,
    TimeStampToken, TrustAnchors, lists_root, record_hashes, renew_hash_tree, renew_time_stamp,
    renewals_due, revoked_by_others, token_renewals_due, write_chain, write_record,
};
use sigillo_model::{ErrorKind, Finding, FindingCode, Severity, Verdict};

use crate::{
    commands::{
        EXIT_CLEAN,
        er::{ErCreateArgs, ErRenewArgs, algorithms, due_in_json, due_text, second},
        er_objects::{Digested, anchors, of_files},
        verify::{exit_code, findings_text},
    },
    context::Context,
    error::CommandError,
    output::counted,
    places::{archive_around, read_beginning, refuse_taken, write_new},
};

pub(super) async fn create(context: &Context, args: &ErCreateArgs) -> Result<u8, CommandError> {
    let output = &args.output;
    refuse_place(output)?;
    let hash = hash_named(&args.hash)?;
    let files = of_files(&args.files, Vec::new())?;
    let authorities = authorities(context)?;
    let group = digests(&Digested::read(&files, &[hash])?, hash)?;
    let lists = vec![group];
    let imprint = Imprint::new(hash, lists_root(hash, &lists))
        .ok_or_else(|| CommandError::new(ErrorKind::Bug, "a digest has another length"))?;
    let stamped = stamp(context, &authorities, imprint, &|_| Ok(())).await?;
    let stamp = StampParts { hash, lists, token: stamped.token.raw() };
    let record = write_record(&[hash], &[&write_chain(&[stamp])]);
    write_new(output, &record)?;
    let count = args.files.len() as u64;
    let text = format!(
        "The evidence record over {} is in {}, with {}.\n",
        counted(count, "file"),
        output.display(),
        stamp_words(&stamped),
    );
    let mut value = json!({
        "bytes": record.len(),
        "files": count,
        "hash": hash.name(),
        "output": output.display().to_string(),
    });
    add_stamp(&mut value, &stamped);
    context.output.result("sigillo.er.create/1", &text, value);
    Ok(EXIT_CLEAN)
}

pub(super) async fn renew(context: &Context, args: &ErRenewArgs) -> Result<u8, CommandError> {
    let output = &args.output;
    refuse_place(output)?;
    let hash = args.hash.as_deref().map(hash_named).transpose()?;
    let files = args.objects.read()?;
    if hash.is_some() && files.is_empty() {
        return Err(CommandError::usage("a hash tree is renewed over files, and none is named")
            .hint("name all files that the record proves, or leave out --hash"));
    }
    let raw = read_beginning(&args.record, RECORD_BYTES_MAX as u64)?;
    let record = EvidenceRecord::read(&raw).map_err(|error| {
        let words = format!("{} is no evidence record that can be read", args.record.display());
        let mut this = CommandError::new(ErrorKind::Invalid, words);
        this.words.push(error.to_string());
        this
    })?;
    let authorities = authorities(context)?;
    let algorithms = algorithms()?;
    let anchors = anchors(context, args.trust.as_deref())?;
    let rules = |whole_group| RecordRules {
        authorities: anchors.as_ref().map_or(Accepted::Any, Accepted::Anchored),
        algorithms: &algorithms,
        at: Some(context.clock.now()),
        whole_group,
        revocation: RevocationRules::EMBEDDED,
    };
    let hashes = [record_hashes(&raw), hash.into_iter().collect()].concat();
    let objects = Digested::read(&files, &hashes)?;
    let before = objects.verify(&raw, &rules(hash.is_some()));
    refuse_unproven(args, &before)?;
    if hash.is_none() {
        refuse_fallen(context, &before, &algorithms)?;
    }
    refuse_other_kind(context, &before)?;

    let cannot = |error: sigillo_ers::RenewalError| CommandError::of(ErrorKind::Invalid, &error);
    let prepared = match hash {
        None => renew_time_stamp(&record).map_err(cannot)?,
        Some(hash) => renew_hash_tree(&record, hash, &digests(&objects, hash)?).map_err(cannot)?,
    };
    let by = (anchors.as_ref().unwrap_or(authorities.anchors()), context.clock.now());
    let fits = |token: &TimeStampToken| {
        is_not_revoked(token, &record, by)?;
        lasts_longer(token, &record, &algorithms, by)
    };
    let stamped = stamp(context, &authorities, prepared.imprint(), &fits).await?;
    let renewed = prepared.finish(stamped.token.raw());
    let mut at_once = rules(false);
    at_once.at = at_once.at.max(Some(stamped.token.verified().stamped_at));
    if renewed.len() > RECORD_BYTES_MAX {
        let words = format!("the renewed record would have more than {RECORD_BYTES_MAX} bytes");
        return Err(CommandError::new(ErrorKind::Invalid, words));
    }
    let after = verify_renewed(&objects, &renewed, &at_once)?;
    write_new(output, &renewed)?;
    let done = Renewed { args, record: &renewed, objects: &objects, report: &after };
    done.print(context, &stamped, &algorithms);
    Ok(exit_code(&after.findings))
}

/// Says why a new time-stamp is not to be put over a record: one that is in it says that a certificate behind
/// the new one is revoked.
fn is_not_revoked(
    new: &TimeStampToken,
    before: &EvidenceRecord<'_>,
    by: (&TrustAnchors, Timestamp),
) -> Result<(), String> {
    let stamps = before.chains.iter().flat_map(|chain| &chain.stamps).map(|stamp| stamp.token);
    revoked_by_others(new.raw(), stamps, by).map_or(Ok(()), Err)
}

/// Says why a new time-stamp is not to be put over a record: it would end sooner.
fn lasts_longer(
    new: &TimeStampToken,
    before: &EvidenceRecord<'_>,
    algorithms: &AlgorithmTable,
    by: (&TrustAnchors, Timestamp),
) -> Result<(), String> {
    let ends = |token| {
        let due = token_renewals_due(token, algorithms, by).unwrap_or_default();
        let mut ends = due.into_iter().filter(|it| it.renewal == Renewal::TimeStamp);
        ends.find_map(|it| it.before)
    };
    let last = before.chains.last().and_then(|chain| chain.stamps.last());
    let until = last.and_then(|last| ends(last.token));
    match ends(new.raw()).zip(until) {
        Some((end, until)) if end < until => Err(format!(
            "its time-stamp ends on {end}, and what it is to renew holds until {until}: an authority with a \
             newer certificate, or stronger algorithms, is needed"
        )),
        _ => Ok(()),
    }
}

/// Verifies what is about to be written.
fn verify_renewed(
    objects: &Digested,
    renewed: &[u8],
    rules: &RecordRules<'_>,
) -> Result<RecordReport, CommandError> {
    let after = objects.verify(renewed, rules);
    if after.verdict() != Verdict::Damaged {
        return Ok(after);
    }
    let is_order = |it: &Finding| it.code == FindingCode::RecordOrder;
    if after.findings.iter().filter(|it| it.severity == Severity::Damage).all(is_order) {
        let words = "the authority states a time before that of the last time-stamp of the record: \
                     nothing was written";
        return Err(CommandError::new(ErrorKind::Transient, words)
            .hint("one of the two clocks is wrong: ask another authority, or later"));
    }
    let words = "the renewed record does not verify, and was not written";
    let mut this = CommandError::new(ErrorKind::Bug, words);
    let told = after.findings.iter().filter(|it| it.severity != Severity::Note);
    this.words.extend(told.map(|it| it.message.clone()));
    Err(this)
}

/// A record that was renewed and written.
struct Renewed<'a> {
    args: &'a ErRenewArgs,
    record: &'a [u8],
    objects: &'a Digested,
    report: &'a RecordReport,
}

impl Renewed<'_> {
    fn print(&self, context: &Context, stamped: &Stamped, algorithms: &AlgorithmTable) {
        let (output, report) = (&self.args.output, self.report);
        let last = report.stamps.last();
        let due = last.map(|last| renewals_due(last, algorithms)).unwrap_or_default();
        let mut text = format!(
            "The renewed evidence record is in {}, with {}.\n",
            output.display(),
            stamp_words(stamped)
        );
        text.extend(due.iter().map(|due| due_text(due, context.clock.now())));
        text.push_str(&findings_text(&report.findings, 0));
        let mut value = json!({
            "bytes": self.record.len(),
            "findings": report.findings,
            "objects": self.objects.names,
            "output": output.display().to_string(),
            "renewal": if self.args.hash.is_some() { "hash-tree" } else { "time-stamp" },
            "renewals": due.iter().map(due_in_json).collect::<Vec<_>>(),
            "verdict": report.verdict(),
        });
        add_stamp(&mut value, stamped);
        context.output.result("sigillo.er.renew/1", &text, value);
    }
}

/// Refuses a file that is there, and one inside an archive, where nothing but Sigillo writes.
fn refuse_place(output: &Path) -> Result<(), CommandError> {
    refuse_taken(output)?;
    let Some(archive) = archive_around(output) else { return Ok(()) };
    let words = format!("{} is inside of the archive {}", output.display(), archive.display());
    Err(CommandError::new(ErrorKind::Invalid, words).hint("write it elsewhere"))
}

/// Refuses to put a time-stamp on what is broken already, or on an object that the record was not
/// seen to prove.
fn refuse_unproven(args: &ErRenewArgs, before: &RecordReport) -> Result<(), CommandError> {
    let unseen = [
        FindingCode::AlgorithmUnknown,
        FindingCode::RecordDigestMissing,
        FindingCode::RecordUnsupported,
    ];
    let is_unseen = before.findings.iter().any(|it| unseen.contains(&it.code));
    if before.verdict() != Verdict::Damaged && !is_unseen {
        return Ok(());
    }
    let mut damage = before.findings.iter().filter(|it| it.severity == Severity::Damage);
    if !is_unseen && damage.all(|it| it.code == FindingCode::RecordGroup) {
        let words = format!(
            "{} holds more than what is named, other objects or the rest of a tree: a hash tree that \
             is renewed over a part would not prove the others",
            args.record.display()
        );
        return Err(CommandError::new(ErrorKind::Invalid, words)
            .hint("name all files that the record proves, each once"));
    }
    let words = format!(
        "{} was not seen to prove what it should, and is not renewed as it is",
        args.record.display()
    );
    let mut this = CommandError::new(ErrorKind::Integrity, words);
    let told = before.findings.iter().filter(|it| it.severity != Severity::Note);
    this.words.extend(told.map(|it| format!("{} {}: {}", it.code, it.object, it.message)));
    Err(this.hint("`sigillo er verify` says more; what cannot be verified now cannot be renewed"))
}

/// Refuses to put a time-stamp on hash trees that cannot be relied on any more.
fn refuse_fallen(
    context: &Context,
    before: &RecordReport,
    algorithms: &AlgorithmTable,
) -> Result<(), CommandError> {
    let hash = before.stamps.last().and_then(|stamp| stamp.hash);
    let Some(hash) = hash.filter(|hash| !algorithms.hash(*hash).holds_at(context.clock.now()))
    else {
        return Ok(());
    };
    let words = format!("the last chain is of {hash}, which cannot be relied on any more");
    Err(CommandError::new(ErrorKind::Invalid, words)
        .hint("renew the hash tree: name the files, and --hash sha512"))
}

/// Refuses to join trial time-stamps and real ones: a record is worth no more than its weakest link.
fn refuse_other_kind(context: &Context, before: &RecordReport) -> Result<(), CommandError> {
    let tokens = before.stamps.iter().filter_map(|stamp| stamp.token.as_ref());
    let is_trial = tokens.clone().any(|token| token.trial);
    let (words, remedy) = match (is_trial, context.has_authorities()?) {
        (true, true) => (
            "the record has a TRIAL time-stamp, which no real one makes worth more",
            "make a new record with `sigillo er create`",
        ),
        (false, false) if before.stamps.iter().any(|stamp| stamp.token.is_some()) => (
            "the record has real time-stamps, which a TRIAL one would make worthless",
            "name an authority in the settings",
        ),
        _ => return Ok(()),
    };
    Err(CommandError::new(ErrorKind::Invalid, words).hint(remedy))
}

/// Returns the authorities of the settings, or without any the trial authority of some keys.
fn authorities(context: &Context) -> Result<Authorities, CommandError> {
    if context.has_authorities()? {
        return context.real_authorities();
    }
    let keys = context.named_keys().map_err(|error| {
        error.hint(
            "name an authority in the settings, or with --archive or --keys whose trial authority \
             to ask",
        )
    })?;
    context.authorities(&keys)
}

fn hash_named(name: &str) -> Result<HashFunction, CommandError> {
    let known = [HashFunction::Sha256, HashFunction::Sha384, HashFunction::Sha512];
    name.parse().ok().filter(|hash| known.contains(hash)).ok_or_else(|| {
        CommandError::usage(format!("{name:.20?} is no hash function of new records"))
            .hint("use sha256, sha384 or sha512")
    })
}

fn digests(objects: &Digested, hash: HashFunction) -> Result<Vec<Vec<u8>>, CommandError> {
    objects.of(hash).map_err(|name| {
        CommandError::usage(format!("the {hash} digest of {name} is not at hand"))
            .hint("give the file, or that digest too (--digest sha256:HEX+sha512:HEX)")
    })
}

async fn stamp(
    context: &Context,
    authorities: &Authorities,
    imprint: Imprint,
    fits: &(dyn Fn(&TimeStampToken) -> Result<(), String> + Sync),
) -> Result<Stamped, CommandError> {
    let with = (&*context.clock, &*context.entropy);
    let stamped = authorities.stamp_fitting(imprint, with, fits).await;
    stamped.map_err(|error| CommandError::of(error.kind(), &error))
}

fn stamp_words(stamped: &Stamped) -> String {
    let what = if stamped.trial { "a TRIAL time-stamp, not qualified," } else { "a time-stamp" };
    format!("{what} of {}", second(stamped.token.verified().stamped_at))
}

/// Adds what is to be said of a new time-stamp.
fn add_stamp(value: &mut Value, stamped: &Stamped) {
    value["authority"] = json!(stamped.authority);
    value["refused"] = stamped
        .refused
        .iter()
        .map(|refused| json!({"authority": refused.authority, "words": refused.words}))
        .collect();
    value["stamped_at"] = json!(second(stamped.token.verified().stamped_at));
    value["trial"] = json!(stamped.trial);
}
