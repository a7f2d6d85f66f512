//! `sigillo er`: evidence records of RFC 4998, in or outside of any archive.

use std::{
    collections::HashMap,
    fs::File,
    io::{self, Read as _},
    path::{Path, PathBuf},
};

use clap::{Args, Subcommand};
use jiff::Timestamp;
use serde_json::{Value, json};

use sigillo_ers::{
    AlgorithmTable, Authorities, HashFunction, Lifetime, RECORD_BYTES_MAX, RecordObject,
    RecordReport, RecordRules, StampParts, StampReport, Trust, TrustAnchors, lists_root,
    pem_blocks, record_hashes, verify_record, write_chain, write_record,
};
use sigillo_model::{ErrorKind, Sha256Digest, Verdict};

use crate::{
    commands::{
        EXIT_CLEAN,
        verify::{exit_code, findings_text},
    },
    context::Context,
    error::CommandError,
    output::{counted, visible},
    places::{read_beginning, refuse_taken, write_new},
};

/// The table of algorithms that comes with the program.
const ALGORITHMS: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../policies/algorithms.toml"));
/// At most so many objects are verified at a time.
const OBJECTS_MAX: usize = 10_000;
/// Bytes of a file that are read at a time.
const PIECE_BYTES: usize = 1 << 20;
/// Largest file of certificates, in bytes.
const CERTIFICATES_BYTES_MAX: u64 = 4 << 20;

/// Verify and read evidence records (RFC 4998)
#[derive(Debug, Subcommand)]
pub(crate) enum ErCommand {
    /// Verify an evidence record over files
    ///
    /// Checks every hash tree, every time-stamp and every renewal. Without --trust, the
    /// certificates of the trust store count; `--trust any` accepts every authority, and then the
    /// record is verified as of its last time-stamp. Revocation is not looked at.
    ///
    /// Exits with 0 if the record holds, 3 if something cannot be told (a renewal that came too
    /// late, an algorithm that is too weak, an unknown authority), 5 if it does not prove the files.
    ///
    /// Examples:
    ///
    ///   sigillo er verify contract.er contract.pdf --trust tsa-root.pem
    ///   sigillo er verify contract.er --digest sha256:HEX+sha512:HEX --trust any
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
    /// The files that it is to prove
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// An object known by its digests only, one for each hash function; may be repeated
    #[arg(long, value_name = "ALG:HEX[+ALG:HEX]")]
    digest: Vec<String>,
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
}

/// Options of `er create`.
#[derive(Args, Debug)]
pub(crate) struct ErCreateArgs {
    /// The files
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// The file to write the record to; it is not overwritten
    #[arg(short, long, value_name = "ER")]
    output: PathBuf,
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
        ErCommand::Create(args) => create(context, &args).await,
        ErCommand::Verify(args) => verify(context, &args),
        ErCommand::Show(args) => show(context, &args),
    }
}

/// What is to be proven: a file, or digests.
enum Proven {
    File(PathBuf),
    Digests(String, HashMap<HashFunction, Vec<u8>>),
}

async fn create(context: &Context, args: &ErCreateArgs) -> Result<u8, CommandError> {
    let output = &args.output;
    refuse_taken(output)?;
    if args.files.len() > OBJECTS_MAX {
        let words = format!("more than {OBJECTS_MAX} files are not taken into one record");
        return Err(CommandError::usage(words));
    }
    let authorities = if context.has_authorities()? {
        context.real_authorities()?
    } else {
        let keys = context.named_keys().map_err(|error| {
            error.hint(
                "name an authority in the settings, or with --archive or --keys whose trial \
                 authority to ask",
            )
        })?;
        context.authorities(&keys)?.0
    };
    let hash = HashFunction::Sha256;
    let mut group = Vec::with_capacity(args.files.len());
    for file in &args.files {
        group.extend(digests_of(&Proven::File(file.clone()), &[hash])?.remove(&hash));
    }
    let lists = vec![group];
    let imprint: [u8; Sha256Digest::LENGTH_BYTES] = lists_root(hash, &lists)
        .try_into()
        .map_err(|_| CommandError::new(ErrorKind::Bug, "a SHA-256 digest has another length"))?;
    let imprint = Sha256Digest::from_bytes(imprint);
    let stamped = authorities.stamp(imprint, &*context.clock, &*context.entropy).await;
    let stamped = stamped.map_err(|error| CommandError::of(error.kind(), &error))?;
    let stamp = StampParts { hash, lists, token: stamped.token.raw() };
    let record = write_record(&[hash], &[&write_chain(&[stamp])]);
    write_new(output, &record)?;
    let (stamped_at, count) = (stamped.token.verified().stamped_at, args.files.len() as u64);
    let text = format!(
        "The evidence record over {} is in {}, with {} of {}.\n",
        counted(count, "file"),
        output.display(),
        if stamped.trial { "a TRIAL time-stamp, not qualified," } else { "a time-stamp" },
        second(stamped_at),
    );
    let value = json!({
        "authority": stamped.authority,
        "bytes": record.len(),
        "files": count,
        "output": output.display().to_string(),
        "refused": stamped.refused.iter().map(|refused| json!({
            "authority": refused.authority, "words": refused.words,
        })).collect::<Vec<_>>(),
        "stamped_at": second(stamped_at),
        "trial": stamped.trial,
    });
    context.output.result("sigillo.er.create/1", &text, value);
    Ok(EXIT_CLEAN)
}

fn verify(context: &Context, args: &ErVerifyArgs) -> Result<u8, CommandError> {
    let proven = proven(args)?;
    let raw = read_beginning(&args.record, RECORD_BYTES_MAX as u64)?;
    let anchors = anchors(context, args.trust.as_deref())?;
    let at = args.at.as_deref().map(parse_time).transpose()?;
    let algorithms = algorithms()?;
    let hashes = record_hashes(&raw);
    let digests = proven.iter().map(|it| digests_of(it, &hashes)).collect::<Result<Vec<_>, _>>()?;
    let lookups: Vec<_> = digests
        .iter()
        .map(|digests| move |hash: HashFunction| digests.get(&hash).cloned())
        .collect();
    let names: Vec<String> = proven.iter().map(name_of).collect();
    let objects: Vec<RecordObject<'_>> =
        names.iter().zip(&lookups).map(|(name, digest)| RecordObject { name, digest }).collect();
    let rules = RecordRules {
        authorities: anchors.as_ref().map_or(Authorities::Any, Authorities::Anchored),
        algorithms: &algorithms,
        at: at.or(anchors.as_ref().map(|_| context.clock.now())),
        whole_group: args.group,
    };
    let report = verify_record(&raw, &objects, &rules);
    let value = json!({
        "algorithms": algorithms.source,
        "as_of": report.as_of.map(second),
        "findings": report.findings,
        "holds_until": report.holds_until().map(second),
        "objects": names,
        "time_stamps": report.stamps.iter().map(in_json).collect::<Vec<_>>(),
        "verdict": report.verdict(),
    });
    context.output.result("sigillo.er.verify/1", &in_text(&report, names.len()), value);
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

fn proven(args: &ErVerifyArgs) -> Result<Vec<Proven>, CommandError> {
    let files = args.files.iter().map(|path| Ok(Proven::File(path.clone())));
    let digests = args.digest.iter().map(|text| parse_digests(text));
    let proven = files.chain(digests).collect::<Result<Vec<_>, _>>()?;
    if proven.is_empty() {
        return Err(CommandError::usage("nothing is named that the record is to prove")
            .hint("name the files, or give their digests with --digest"));
    }
    if proven.len() > OBJECTS_MAX {
        let words = format!("more than {OBJECTS_MAX} objects are not verified at a time");
        return Err(CommandError::usage(words));
    }
    Ok(proven)
}

fn parse_digests(text: &str) -> Result<Proven, CommandError> {
    let unusable = |what: &str| {
        CommandError::usage(format!("{what}: {text:.80?}"))
            .hint("write it as sha256:HEX, several for the same object as sha256:HEX+sha512:HEX")
    };
    let mut digests = HashMap::new();
    for part in text.split('+') {
        let (name, digits) = part.split_once(':').ok_or_else(|| unusable("this is no digest"))?;
        let hash: HashFunction = name
            .parse()
            .map_err(|_| unusable(&format!("{name:.20?} is no hash function known here")))?;
        let bytes = hex::decode(digits).map_err(|_| unusable("a digest is not hexadecimal"))?;
        if bytes.len() != hash.length_bytes() {
            let what = format!("a digest of {hash} has {} bytes", hash.length_bytes());
            return Err(unusable(&what));
        }
        if digests.insert(hash, bytes).is_some() {
            return Err(unusable("there are two digests of one hash function"));
        }
    }
    Ok(Proven::Digests(text.to_owned(), digests))
}

fn name_of(proven: &Proven) -> String {
    match proven {
        Proven::File(path) => path.display().to_string(),
        Proven::Digests(text, _) => text.clone(),
    }
}

/// Returns the anchors that count, `None` if any authority is accepted.
fn anchors(context: &Context, trust: Option<&str>) -> Result<Option<TrustAnchors>, CommandError> {
    match trust {
        Some("any") => Ok(None),
        Some(path) => read_anchors(Path::new(path)).map(Some),
        None => context.trust.all_anchors().map(Some),
    }
}

fn read_anchors(path: &Path) -> Result<TrustAnchors, CommandError> {
    let failed = |error| CommandError::file("reading", path, &error);
    let unusable = |what: String| {
        let words = format!("{} cannot be used as trust anchors: {what}", path.display());
        CommandError::new(ErrorKind::Invalid, words)
            .hint("give a PEM file with certificates, or `any`")
    };
    if path.metadata().map_err(failed)?.len() > CERTIFICATES_BYTES_MAX {
        return Err(unusable("it is too large".to_owned()));
    }
    let text = std::fs::read_to_string(path).map_err(failed)?;
    let blocks = pem_blocks(&text, "CERTIFICATE").map_err(|error| unusable(error.to_string()))?;
    if blocks.is_empty() {
        return Err(unusable("it has no block -----BEGIN CERTIFICATE-----".to_owned()));
    }
    let mut anchors = TrustAnchors::new();
    for der in blocks {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        anchors.add_der(&name, &der).map_err(|error| unusable(error.to_string()))?;
    }
    Ok(anchors)
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

/// Computes the digests of what is to be proven, reading a file once for all of them.
fn digests_of(
    what: &Proven,
    hashes: &[HashFunction],
) -> Result<HashMap<HashFunction, Vec<u8>>, CommandError> {
    let path = match what {
        Proven::Digests(_, digests) => return Ok(digests.clone()),
        Proven::File(path) => path,
    };
    let failed = |error: io::Error| CommandError::file("reading", path, &error);
    let mut file = File::open(path).map_err(failed)?;
    let mut digests: Vec<_> = hashes.iter().map(|hash| (*hash, hash.hasher())).collect();
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut piece) {
            Ok(0) => break,
            Ok(length) => {
                for (_, digest) in &mut digests {
                    digest.update(&piece[..length]);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(failed(error)),
        }
    }
    Ok(digests.into_iter().map(|(hash, digest)| (hash, digest.finish())).collect())
}

/// Returns a time without the part of a second.
fn second(at: Timestamp) -> String {
    Timestamp::from_second(at.as_second()).unwrap_or(at).to_string()
}

fn in_text(report: &RecordReport, objects: usize) -> String {
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
    if let Some(until) = report.holds_until() {
        text.push_str(&format!("  the last time-stamp is good until {}\n", second(until)));
    }
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
    }
    parts.extend(stamp.signature.map(|signature| signature.to_string()));
    format!("  chain {}, time-stamp {}: {}\n", stamp.chain, stamp.position, parts.join("; "))
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
        "serial": token.map(|token| &token.serial),
        "signature": stamp.signature.map(|signature| signature.to_string()),
        "stamped_at": stamp.stamped_at.map(|at| at.to_string()),
        "trial": token.map(|token| token.trial),
    })
}
