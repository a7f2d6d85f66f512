//! `sigillo er`: evidence records of RFC 4998, in or outside of any archive.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use serde_json::{Value, json};

use sigillo_ers::{
    AlgorithmTable, Authorities, Due, HashFunction, Lifetime, Qualification, RECORD_BYTES_MAX,
    RecordReport, RecordRules, Renewal, RevocationRules, StampReport, Trust, record_hashes,
    renewals_due, verify_record,
};
use sigillo_model::{ErrorKind, Verdict};

use crate::{
    commands::{
        EXIT_CLEAN, er_make,
        er_objects::{Digested, ErObjects, anchors},
        er_revocation,
        verify::{exit_code, findings_text},
    },
    context::Context,
    error::CommandError,
    output::{counted, visible},
    places::read_beginning,
    require::{self, require},
};

/// The table of algorithms that comes with the program.
const ALGORITHMS: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/algorithms.toml"));

/// Verify and read evidence records (RFC 4998)
#[derive(Debug, Subcommand)]
pub(crate) enum ErCommand {
    /// Verify an evidence record over files
    ///
    /// Checks every hash tree, every time-stamp and every renewal. Without --trust, the
    /// certificates of the trust store count; `--trust any` accepts every authority, and then the
    /// record is verified as of its last time-stamp. Whether certificates were revoked is told by
    /// the revocation lists and OCSP responses that the time-stamps bring with them and by those
    /// named with --revocation; nothing is fetched.
    ///
    /// Exits with 0 if the record holds, 3 if something cannot be told (a renewal that came too
    /// late, an algorithm that is too weak, an unknown authority), 5 if it does not prove the files.
    ///
    /// Examples:
    ///
    ///   sigillo er verify contract.er contract.pdf --trust tsa-root.pem
    ///   sigillo er verify contract.er --digest sha256:HEX+sha512:HEX --trust any
    ///   sigillo er verify contract.er contract.pdf --revocation tsa.crl --require revocation
    #[command(verbatim_doc_comment)]
    Verify(ErVerifyArgs),
    /// Make an evidence record over files, which stay outside of any archive
    ///
    /// One record over all of them together, with one time-stamp. Asks the authorities of the
    /// settings; without any, the trial authority of the archive or keys that are named, whose
    /// time-stamps prove nothing to others.
    ///
    /// Example: sigillo er create contract.pdf annex.pdf -o contract.er --archive /srv/archive
    #[command(verbatim_doc_comment)]
    Create(ErCreateArgs),
    /// Renew an evidence record before its time-stamp or its hash function is too weak
    ///
    /// Adds a time-stamp over the last ones; with --hash, a new hash function over the files, which
    /// must be all that the record proves, and over everything in it. `sigillo er verify` says what
    /// is due, and when. The record is verified before, and is not changed: a new one is written.
    /// Asks the authorities that `er create` asks.
    ///
    /// Exits with 3 if the new record does not prove everything: the renewal came too late, or an
    /// authority is not believed.
    ///
    /// Examples:
    ///
    ///   sigillo er renew contract.er -o contract-2.er
    ///   sigillo er renew contract.er contract.pdf --hash sha512 -o contract-2.er
    #[command(verbatim_doc_comment)]
    Renew(ErRenewArgs),
    /// Say what is in an evidence record, without verifying it
    ///
    /// Example: sigillo er show contract.er
    #[command(verbatim_doc_comment)]
    Show(ErShowArgs),
}

/// Options of `er verify`.
#[derive(Args, Debug)]
pub(crate) struct ErVerifyArgs {
    /// The evidence record
    #[arg(value_name = "ER")]
    record: PathBuf,
    #[command(flatten)]
    objects: ErObjects,
    /// Certificates that time-stamps may lead to (PEM), or `any` [default: the trust store]
    #[arg(long, value_name = "CA.pem|any")]
    trust: Option<String>,
    /// Verify as of this time, such as 2030-01-01 [default: now, with `--trust any` the last
    /// time-stamp]
    #[arg(long, value_name = "TIME")]
    at: Option<String>,
    /// Demand that the record is over these files and nothing else
    #[arg(long)]
    group: bool,
    /// A revocation list (DER or PEM) or an OCSP response (DER) to judge by; may be repeated
    #[arg(long, value_name = "FILE")]
    revocation: Vec<PathBuf>,
    /// What must be told; without it, that it cannot be told is a note
    #[arg(long, value_name = "WHAT")]
    require: Vec<Requirement>,
}

/// What `er verify` can be told to demand.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum Requirement {
    /// That trusted lists prove all time-stamps qualified, none for trial
    Qualified,
    /// Whether each certificate was revoked
    Revocation,
}

/// Options of `er create`.
#[derive(Args, Debug)]
pub(crate) struct ErCreateArgs {
    /// The files
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// The file to write the record to; it is not overwritten
    #[arg(short, long, value_name = "ER")]
    pub(super) output: PathBuf,
    /// The hash function: sha256, sha384 or sha512
    #[arg(long, value_name = "ALG", default_value = "sha256")]
    pub(super) hash: String,
}

/// Options of `er renew`.
#[derive(Args, Debug)]
pub(crate) struct ErRenewArgs {
    /// The evidence record
    #[arg(value_name = "ER")]
    pub(super) record: PathBuf,
    #[command(flatten)]
    pub(super) objects: ErObjects,
    /// Renew the hash tree, with this hash function: sha256, sha384 or sha512
    #[arg(long, value_name = "ALG")]
    pub(super) hash: Option<String>,
    /// Certificates that the time-stamps so far may lead to (PEM), or `any` [default: the trust
    /// store]
    #[arg(long, value_name = "CA.pem|any")]
    pub(super) trust: Option<String>,
    /// The file to write the new record to; it is not overwritten
    #[arg(short, long, value_name = "ER")]
    pub(super) output: PathBuf,
}

/// Options of `er show`.
#[derive(Args, Debug)]
pub(crate) struct ErShowArgs {
    /// The evidence record
    #[arg(value_name = "ER")]
    record: PathBuf,
}

pub(crate) async fn run(context: &Context, command: ErCommand) -> Result<u8, CommandError> {
    match command {
        ErCommand::Create(args) => er_make::create(context, &args).await,
        ErCommand::Renew(args) => er_make::renew(context, &args).await,
        ErCommand::Verify(args) => verify(context, &args),
        ErCommand::Show(args) => show(context, &args),
    }
}

fn verify(context: &Context, args: &ErVerifyArgs) -> Result<u8, CommandError> {
    let proven = args.objects.read()?;
    if proven.is_empty() {
        return Err(CommandError::usage("nothing is named that the record is to prove")
            .hint("name the files, or give their digests with --digest"));
    }
    let raw = read_beginning(&args.record, RECORD_BYTES_MAX as u64)?;
    let anchors = anchors(context, args.trust.as_deref())?;
    let at = args.at.as_deref().map(parse_time).transpose()?;
    let algorithms = algorithms()?;
    let digests = Digested::read(&proven, &record_hashes(&raw))?;
    let evidence = er_revocation::read(&args.revocation)?;
    let rules = RecordRules {
        authorities: anchors.as_ref().map_or(Authorities::Any, Authorities::Anchored),
        algorithms: &algorithms,
        at: at.or(anchors.as_ref().map(|_| context.clock.now())),
        whole_group: args.group,
        revocation: RevocationRules {
            evidence: Some(&evidence),
            required: args.require.contains(&Requirement::Revocation),
        },
    };
    let mut report = digests.verify(&raw, &rules);
    if args.require.contains(&Requirement::Qualified) {
        let verdict = report.verdict();
        require(&mut report.findings, &[require::Requirement::Qualified], verdict);
    }
    let due = report.stamps.last().map(|last| renewals_due(last, &algorithms)).unwrap_or_default();
    let value = json!({
        "algorithms": algorithms.source,
        "as_of": report.as_of.map(second),
        "findings": report.findings,
        "holds_until": due.first().and_then(|due| due.before).map(second),
        "objects": digests.names,
        "renewals": due.iter().map(due_in_json).collect::<Vec<_>>(),
        "time_stamps": report.stamps.iter().map(in_json).collect::<Vec<_>>(),
        "verdict": report.verdict(),
    });
    context.output.result(
        "sigillo.er.verify/1",
        &in_text(&report, &due, report.as_of.unwrap_or_else(|| context.clock.now()), proven.len()),
        value,
    );
    Ok(exit_code(&report.findings))
}

fn show(context: &Context, args: &ErShowArgs) -> Result<u8, CommandError> {
    let raw = read_beginning(&args.record, RECORD_BYTES_MAX as u64)?;
    if let Err(error) = sigillo_ers::EvidenceRecord::read(&raw) {
        let words = format!("{} is no evidence record that can be read", args.record.display());
        let mut this = CommandError::new(ErrorKind::Invalid, words);
        this.words.push(error.to_string());
        return Err(this);
    }
    let algorithms = algorithms()?;
    let rules = RecordRules {
        authorities: Authorities::Any,
        algorithms: &algorithms,
        at: None,
        whole_group: false,
        revocation: RevocationRules::EMBEDDED,
    };
    let report = verify_record(&raw, &[], &rules);
    let mut text = format!(
        "An evidence record of {} bytes, not verified: `sigillo er verify` does that\n",
        raw.len()
    );
    report.stamps.iter().for_each(|stamp| text.push_str(&stamp_text(stamp)));
    let value = json!({
        "bytes": raw.len(),
        "time_stamps": report.stamps.iter().map(in_json).collect::<Vec<_>>(),
    });
    context.output.result("sigillo.er.show/1", &text, value);
    Ok(EXIT_CLEAN)
}

pub(crate) fn algorithms() -> Result<AlgorithmTable, CommandError> {
    AlgorithmTable::from_toml(ALGORITHMS)
        .map_err(|error| CommandError::new(ErrorKind::Bug, error.to_string()))
}

/// Reads a time: a day means its first instant in UTC.
fn parse_time(text: &str) -> Result<Timestamp, CommandError> {
    let day = format!("{text}T00:00:00Z");
    text.parse().or_else(|_| day.parse()).map_err(|_| {
        CommandError::usage(format!("{text:.40?} is no time"))
            .hint("write it as 2030-01-01 or 2030-01-01T12:00:00Z")
    })
}

/// Says what is to be renewed, when and why; after its end also what a renewal is still good for.
pub(super) fn due_text(due: &Due, now: Timestamp) -> String {
    let what = match due.renewal {
        Renewal::HashTree => "hash tree",
        Renewal::TimeStamp => "time-stamp",
    };
    let before = match due.before {
        Some(before) if before <= now => {
            return format!(
                "  renew the {what} at once: it ended on {} ({})\n    \
                 a newer one proves from now on what is there today; that it came late is told for \
                 ever (F909, F910)\n",
                second(before),
                due.cause
            );
        }
        Some(before) => format!("before {}", second(before)),
        None => "soon".to_owned(),
    };
    format!("  renew the {what} {before}: {}\n", due.cause)
}

pub(super) fn due_in_json(due: &Due) -> Value {
    json!({
        "before": due.before.map(second),
        "cause": due.cause.to_string(),
        "renewal": match due.renewal {
            Renewal::HashTree => "hash-tree",
            Renewal::TimeStamp => "time-stamp",
        },
    })
}

/// Returns a time without the part of a second.
pub(super) fn second(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

fn in_text(report: &RecordReport, due: &[Due], now: Timestamp, objects: usize) -> String {
    let word = match report.verdict() {
        Verdict::Damaged => "NOT PROVEN",
        Verdict::CannotTell => "CANNOT TELL",
        Verdict::Intact => "PROVEN",
    };
    let mut text = word.to_owned();
    if report.verdict() == Verdict::Intact {
        text.push_str(&format!(": {}", counted(objects as u64, "object")));
        if let Some(first) = report.stamps.first().and_then(|stamp| stamp.stamped_at) {
            text.push_str(&format!(", as it was on {}", second(first)));
        }
    }
    if let Some(as_of) = report.as_of {
        text.push_str(&format!(" (verified as of {})", second(as_of)));
    }
    text.push('\n');
    report.stamps.iter().for_each(|stamp| text.push_str(&stamp_text(stamp)));
    text.extend(due.iter().map(|due| due_text(due, now)));
    text.push_str(&findings_text(&report.findings, 0));
    text
}

fn stamp_text(stamp: &StampReport) -> String {
    let mut parts = Vec::new();
    parts.extend(stamp.stamped_at.map(|at| at.to_string()));
    parts.extend(stamp.hash.map(|hash| hash.to_string()));
    parts.push(match stamp.lists {
        None => "no hash tree".to_owned(),
        Some((lists, first)) => {
            format!(
                "{}, {} in the first",
                counted(lists as u64, "list"),
                counted(first as u64, "hash")
            )
        }
    });
    if let Some(token) = &stamp.token {
        parts.push(visible(&token.authority));
        parts.extend(token.trial.then(|| "TRIAL".to_owned()));
        if let Qualification::Qualified { service } = &token.qualification {
            parts.push(format!("qualified, by {}", visible(service)));
        }
    }
    parts.extend(stamp.signature.map(|signature| signature.to_string()));
    let mut text =
        format!("  chain {}, time-stamp {}: {}\n", stamp.chain, stamp.position, parts.join("; "));
    text.extend(stamp.revocation.iter().filter_map(er_revocation::in_text));
    text
}

fn in_json(stamp: &StampReport) -> Value {
    let token = stamp.token.as_ref();
    json!({
        "anchor": token.and_then(|token| match &token.trust {
            Trust::Anchored { anchor } => Some(anchor),
            Trust::Unknown => None,
        }),
        "authority": token.map(|token| &token.authority),
        "certificate_end": stamp.certificate_end.map(second),
        "chain": stamp.chain,
        "algorithms_end": match stamp.lifetime {
            Lifetime::Until(end) => Some(second(end)),
            Lifetime::Open | Lifetime::Unknown => None,
        },
        "first_list": stamp.lists.map(|(_, first)| first),
        "hash": stamp.hash.map(HashFunction::name),
        "lists": stamp.lists.map(|(lists, _)| lists),
        "policy": token.map(|token| &token.policy),
        "position": stamp.position,
        "qualified": token.map(|token| token.qualification.is_qualified()),
        "revocation": stamp.revocation.iter().map(er_revocation::in_json).collect::<Vec<_>>(),
        "serial": token.map(|token| &token.serial),
        "signature": stamp.signature.map(|signature| signature.to_string()),
        "stamped_at": stamp.stamped_at.map(|at| at.to_string()),
        "trial": token.map(|token| token.trial),
    })
}

#[cfg(test)]
mod tests {
    use sigillo_ers::DueCause;

    use super::*;

    #[test]
    fn what_has_ended_is_not_to_be_renewed_before_it_did() {
        let end: Timestamp = "2036-11-25T00:00:00Z".parse().unwrap();
        let (renewal, cause) = (Renewal::TimeStamp, DueCause::Certificate);
        let due = Due { before: Some(end), renewal, cause };
        let at = |day: &str| due_text(&due, format!("{day}T00:00:00Z").parse().unwrap());
        assert!(at("2036-11-24").contains("before 2036-11-25"));
        let ended = at("2036-11-25");
        assert!(ended.contains("at once: it ended on 2036-11-25") && !ended.contains("before"));
    }
}
