//! The commands and their options; the doc comments are the help texts.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::commands::{
    bundle::{CheckArgs, ProveArgs},
    doctor::DoctorArgs,
    er::ErCommand,
    log_anchor::AnchorArgs,
    log_statement::StatementArgs,
    log_succeed::SucceedArgs,
    log_witness::{AddCosignatureArgs, WitnessArgs},
    receipt::ReceiptCommand,
    seal::SealArgs,
    shell::{CompletionsArgs, ManArgs},
    submission::SubmissionCommand,
    verify::VerifyArgs,
};

/// Long-term digital preservation: ingest documents, prove them, give them back
///
/// Example, from nothing to a verified archive:
///
///   sigillo ingest papers/ --archive /srv/archive --create --entity "Comune di Prova"
///   sigillo verify --archive /srv/archive --full
///
/// Exit codes: 0 done and clean, 1 refused or failed, 2 wrong usage, 3 findings or "cannot tell",
/// 4 try again, 5 integrity damage, 70 a bug, 130 interrupted.
#[derive(Debug, Parser)]
#[command(name = "sigillo", version, max_term_width = 100, verbatim_doc_comment)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: GlobalArgs,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Above the options that every command has.
const EVERYWHERE: &str = "Options of every command";

/// Options of every command.
#[derive(Args, Clone, Debug)]
pub(crate) struct GlobalArgs {
    /// The archive: a folder, `s3://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`
    #[arg(long, global = true, help_heading = EVERYWHERE, env = "SIGILLO_ARCHIVE", value_name = "PLACE")]
    pub(crate) archive: Option<String>,
    /// The folder with this archive's keys [default: in your data folder]
    #[arg(long, global = true, help_heading = EVERYWHERE, env = "SIGILLO_KEYS", value_name = "DIR")]
    pub(crate) keys: Option<PathBuf>,
    /// The folder for what can be rebuilt: index, checkpoints seen [default: in your state folder]
    #[arg(long, global = true, help_heading = EVERYWHERE, env = "SIGILLO_STATE", value_name = "DIR")]
    pub(crate) state: Option<PathBuf>,
    /// The folder with settings and trust store [default: in your configuration folder]
    #[arg(long, global = true, help_heading = EVERYWHERE, env = "SIGILLO_CONFIG", value_name = "DIR")]
    pub(crate) config: Option<PathBuf>,
    /// Print one JSON object on stdout instead of text
    #[arg(long, global = true, help_heading = EVERYWHERE)]
    pub(crate) json: bool,
    /// How to show progress
    #[arg(long, global = true, help_heading = EVERYWHERE, value_enum, default_value_t = ProgressMode::Auto)]
    pub(crate) progress: ProgressMode,
}

/// How progress is shown, on stderr.
#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub(crate) enum ProgressMode {
    /// A bar on a terminal, sentences elsewhere
    Auto,
    /// A sentence every ten seconds
    Plain,
    /// Nothing
    None,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    Init(InitArgs),
    Ingest(IngestArgs),
    Status(StatusArgs),
    Find(FindArgs),
    Get(GetArgs),
    Export(ExportArgs),
    Verify(VerifyArgs),
    Seal(SealArgs),
    Renew(RenewArgs),
    Rebuild(RebuildArgs),
    Sweep(SweepArgs),
    Doctor(DoctorArgs),
    #[command(subcommand)]
    Submission(SubmissionCommand),
    #[command(subcommand)]
    Receipt(ReceiptCommand),
    Prove(ProveArgs),
    Check(CheckArgs),
    #[command(subcommand)]
    Er(ErCommand),
    #[command(subcommand)]
    Log(LogCommand),
    #[command(subcommand)]
    Trust(TrustCommand),
    Completions(CompletionsArgs),
    Man(ManArgs),
}

/// Make a new archive with trial keys
///
/// Makes keys in your data folder, describes the archive and writes its first commit. Repeating
/// it with the same keys completes what was begun. A folder that holds anything else is refused.
///
/// Example: sigillo init /srv/archive --entity "Comune di Prova"
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct InitArgs {
    /// The archive: a folder, `s3://BUCKET/PREFIX` or `az://CONTAINER/PREFIX`
    #[arg(value_name = "ARCHIVE")]
    pub(crate) place: Option<String>,
    /// The public body whose records these are (ente titolare)
    #[arg(long, value_name = "NAME")]
    pub(crate) entity: String,
    /// Its code in the index of public administrations
    #[arg(long, value_name = "CODE")]
    pub(crate) ipa: Option<String>,
}

/// Archive the files of folders (versamento)
///
/// Every file becomes one document, unless a table (--metadata) or a sidecar NAME.sigillo.json
/// says which files belong together and what they are. Links are not followed. What cannot be
/// archived is refused with a code, a reason and a remedy, and recorded; the rest goes on. The
/// same folder again archives only what is new. Ctrl-C finishes what was begun; twice, it stops
/// at once.
///
/// Exits with 1 if something was refused, with 3 if the certificate behind a new time-stamp is revoked,
/// with 5 if a line of SHA-512 leaves out documents that are damaged or lost.
///
/// Examples:
///
///   sigillo ingest papers/ --archive /srv/archive --source protocollo
///   sigillo ingest papers/ --archive /srv/archive --metadata papers/index.csv
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
#[expect(clippy::struct_excessive_bools, reason = "options that are given or not")]
pub(crate) struct IngestArgs {
    /// Folders or files to archive
    #[arg(required = true, value_name = "SOURCE")]
    pub(crate) sources: Vec<PathBuf>,
    /// Make the archive first if there is none
    #[arg(long, requires = "entity")]
    pub(crate) create: bool,
    /// The public body whose records these are; the archive of another is refused
    #[arg(long, value_name = "NAME")]
    pub(crate) entity: Option<String>,
    /// What the producer calls the source [default: the name of the folder]
    #[arg(long, value_name = "NAME")]
    pub(crate) source: Option<String>,
    /// A table (CSV) that describes the documents, see docs/metadata.md; one SOURCE only
    #[arg(long, value_name = "FILE.csv")]
    pub(crate) metadata: Option<PathBuf>,
    /// Take other content under a key that is there as a new version, instead of refusing it
    #[arg(long)]
    pub(crate) new_versions: bool,
    /// State SHA-512 of every file in its record as well: when SHA-256 comes to its end, hash trees
    /// are then renewed without reading the files again (always: `second_digest = true` in the settings)
    #[arg(long)]
    pub(crate) second_digest: bool,
    /// Leave sealing and time-stamp to a later `sigillo seal`
    #[arg(long)]
    pub(crate) no_seal: bool,
    /// Refuse files of more bytes
    #[arg(long, value_name = "BYTES", default_value_t = sigillo_ingest::FILE_BYTES_MAX)]
    pub(crate) file_bytes_max: u64,
}

/// Say what is in the archive and what waits
///
/// Every version of a document counts as a document, and so does every version of an aggregation
/// (fascicolo); `sigillo verify` and `sigillo export` count in the same way.
///
/// Example: sigillo status --archive /srv/archive
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct StatusArgs {}

/// Find documents by what their producers say of them
///
/// Every word must be a part of the key, the subject or the name of a file; upper and lower case
/// are alike. Of each document the newest version is looked at. Prints document id, key, date,
/// class and subject, sorted by key; `-` stands for what was not stated, and aggregations
/// (fascicoli) are marked. --json prints the rest, too.
///
/// Exits with 0 also when nothing is found, and with 3 when not every document could be looked
/// at: then the catalogue is behind or damaged, and `sigillo rebuild` makes it anew.
///
/// Examples:
///
///   sigillo find bilancio previsione --archive /srv/archive
///   sigillo find --class VI --date 2025..2026-03 --archive /srv/archive
///   sigillo find --aggregation 2026/VI.5/3 --field Firmatario=Bianchi --archive /srv/archive
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct FindArgs {
    /// Words to look for
    #[arg(value_name = "TEXT")]
    pub(crate) text: Vec<String>,
    /// A part of the key: SOURCE/PATH or STRUCTURE/REGISTER/YEAR/NUMBER
    #[arg(long, value_name = "PART")]
    pub(crate) key: Option<String>,
    /// A part of the path
    #[arg(long, value_name = "PART")]
    pub(crate) path: Option<String>,
    /// A part of the subject
    #[arg(long, value_name = "PART")]
    pub(crate) subject: Option<String>,
    /// The class (voce di titolario), with those below it: vi is VI, VI.3, VI/3 and VI-3
    #[arg(long, value_name = "CODE")]
    pub(crate) class: Option<String>,
    /// The day of the document: YYYY, YYYY-MM, YYYY-MM-DD, DD/MM/YYYY, or FROM..TO
    #[arg(long, value_name = "DATE")]
    pub(crate) date: Option<String>,
    /// The document type, whole
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) document_type: Option<String>,
    /// The aggregation (fascicolo) whose documents to list, by its name or key, whole
    #[arg(long, value_name = "NAME")]
    pub(crate) aggregation: Option<String>,
    /// A part of what the producer states in a column of its own; may be repeated
    #[arg(long, value_name = "NAME=PART")]
    pub(crate) field: Vec<String>,
    /// Look at older versions too, and print the ids of versions
    #[arg(long)]
    pub(crate) versions: bool,
    /// Print so many at most
    #[arg(long, value_name = "N", default_value_t = 1000)]
    pub(crate) limit: usize,
}

/// Give documents back, checked against their digests
///
/// Files go to DIR under their own names. A document whose names an earlier one on the command
/// line has already goes to DIR/_others/VERSION. DIR must not be in an archive, and no link in it
/// is followed.
///
/// Example: sigillo get 5c1e9a02 -o out/ --archive /srv/archive
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct GetArgs {
    /// A version id, a document id, at least 8 digits of one, or a key: SOURCE/PATH or
    /// STRUCTURE/REGISTER/YEAR/NUMBER
    #[arg(required = true, value_name = "ID")]
    pub(crate) ids: Vec<String>,
    /// The folder to write to; nothing in it is overwritten
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,
}

/// Give every document back, checked against its digests
///
/// Writes documents of a path to DIR/SOURCE/PATH, as they came, and registered ones to
/// DIR/STRUCTURE/REGISTER/YEAR/NUMBER/; of files with the same name, the later ones get a number
/// in front. Earlier versions go to DIR/_versions/NUMBER, aggregations (fascicoli) to
/// DIR/_aggregations, with the ids of their members. What cannot lie there, because a document
/// archived before it does or no file system takes its name, goes to DIR/_others/VERSION.
///
/// DIR/_records.jsonl has a line for every version: its record, with all that was stated of it
/// (key, subject, class, date, the producer's own columns), and where its files were written.
///
/// DIR must not be in an archive. No link in it is followed; best it is empty or new.
///
/// Example: sigillo export --all -o out/ --archive /srv/archive
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct ExportArgs {
    /// All documents
    #[arg(long, required = true)]
    pub(crate) all: bool,
    /// The folder to write to; nothing in it is overwritten
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,
}

/// Renew time-stamps before they come to their end
///
/// Says for which sealings the certificate of the newest time-stamp, or what it was signed with,
/// comes to its end soon, and when; with --yes asks for one newer time-stamp over those of all of
/// them (RFC 4998, time-stamp renewal). No document is read. What was not renewed in time can be
/// renewed later, but whether it held in between nobody can prove. Every evidence line is renewed for
/// itself, also those that are not in the settings any more; trial time-stamps and real ones are never
/// joined.
///
/// Where the hash function comes to its end, a newer time-stamp does not help: new hash trees of
/// SHA-512 are made over all documents and all that proves them (RFC 4998, hash-tree renewal), and one
/// time-stamp over these. That reads every record, and of content only files without a second digest
/// in their record. It may be interrupted and goes on where it was; ingest may go on meanwhile.
/// With --gather nothing is renewed: shown are the time-stamps of whose certificates it is not known
/// whether they were revoked, or only by lists older than the time-stamp; with --yes the addresses
/// that the certificates name are asked, and what they answer is kept beside the time-stamps, so that
/// no verification needs a network. What says that a certificate is revoked is put beside all its
/// time-stamps. Do it before renewing. It can be done again at any time, and exits with 4 where that is
/// worth while: somebody who is named did not say enough yet. Exits with 3 as long as a time-stamp
/// rests on a revoked certificate that makes it doubtful, and if what came again lies there damaged.
///
/// Exits with 3 or 5 if something could not be verified: a newest time-stamp that could not be is not
/// renewed, an older one that is missing keeps nothing from being renewed. Exits with 4 if no
/// authority helped: then ask another one, or try again later.
///
/// Example: sigillo renew --yes --archive /srv/archive
///
/// Example: sigillo renew --gather --yes --archive /srv/archive
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
#[expect(clippy::struct_excessive_bools, reason = "options that are given or not")]
pub(crate) struct RenewArgs {
    /// Renew; without it, nothing is changed
    #[arg(long)]
    pub(crate) yes: bool,
    /// Renew what comes to its end within so many days
    #[arg(long, value_name = "DAYS", default_value_t = crate::commands::renew::LEAD_DAYS)]
    pub(crate) lead_days: u16,
    /// Renew all time-stamps, also those that do not come to their end yet
    #[arg(long)]
    pub(crate) all: bool,
    /// Make new hash trees also where the hash function does not come to its end yet
    #[arg(long)]
    pub(crate) hash_tree: bool,
    /// Renew also where newer time-stamps are lost for ever, over the last one that is there
    ///
    /// Look for a copy of them first: the new time-stamp names them, so one that is brought back
    /// later counts again. What is over a time-stamp that has come to its end proves nothing more.
    #[arg(long)]
    pub(crate) over_lost: bool,
    /// Renew nothing: ask again whether the certificates of time-stamps were revoked
    #[arg(long, conflicts_with_all = ["all", "lead_days"])]
    pub(crate) gather: bool,
}

/// Make everything anew that follows from the truth
///
/// Tiles, published checkpoint, block values of packs, index, catalogue. The truth itself is only read.
///
/// Example: sigillo rebuild --archive /srv/archive
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct RebuildArgs {}

/// Remove what no commit names
///
/// Lists the packs and reports that a stopped ingest left and no commit names, and files that were
/// never finished; with --yes removes them. What a commit names is never removed, whatever happens
/// at the same time: an ingest under way writes again what it had not committed, and says so.
///
/// Example: sigillo sweep --archive /srv/archive
///
/// Example: sigillo sweep --yes --archive /srv/archive
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct SweepArgs {
    /// Remove what is listed; without it, nothing is changed
    #[arg(long, alias = "perform")]
    pub(crate) yes: bool,
}

#[derive(Args, Debug)]
pub(crate) struct RotateKeyArgs {
    /// Rotate the key; without it, nothing is changed
    #[arg(long)]
    pub(crate) yes: bool,
}

/// Look into the evidence log
#[derive(Debug, Subcommand)]
pub(crate) enum LogCommand {
    /// Print the newest signed checkpoint, for others to keep
    ///
    /// Example: sigillo log checkpoint --archive /srv/archive > checkpoint.txt
    #[command(verbatim_doc_comment)]
    Checkpoint,
    /// Prove that the log only grew since a checkpoint that you kept
    ///
    /// Prints what a witness asks for (C2SP tlog-witness): the old size, a consistency proof and the
    /// published checkpoint; of a log that ended, that of its end. A log that has become shorter, or
    /// has another root at the old size, is damage: entries were taken back or replaced. Without a
    /// checkpoint, it is the request to a witness that has not seen the log before.
    ///
    /// Example: sigillo log consistency checkpoint.txt --archive /srv/archive
    ///
    /// Example: sigillo log consistency --since-witness polo.example/1 --archive /srv/archive
    #[command(verbatim_doc_comment)]
    Consistency(ConsistencyArgs),
    /// Cosign the checkpoint of another archive, as its witness
    ///
    /// REQUEST is what the other archive's `sigillo log consistency` printed. Prints the cosignature
    /// (C2SP tlog-cosignature), for them to add with `sigillo log add-cosignature`, if the checkpoint
    /// bears the signature of their log and goes on from the one that was cosigned last. A fork or
    /// a rollback is refused, named with both sizes and dates, and both checkpoints are kept as
    /// evidence; exit code 5. Without REQUEST, prints the witness's own key.
    ///
    /// Example: sigillo log witness --new-key polo.example/1
    ///
    /// Example: sigillo log witness request.txt > cosignature.txt
    #[command(verbatim_doc_comment)]
    Witness(WitnessArgs),
    /// Keep what a witness cosigned beside the log
    ///
    /// The witness must be in the trust store (`sigillo trust witness`). Receipts, bundles and `sigillo
    /// log checkpoint` have its cosignature from then on. Exits with 5 if something else lay in its place.
    ///
    /// Example: sigillo log add-cosignature cosignature.txt --archive /srv/archive
    #[command(verbatim_doc_comment)]
    AddCosignature(AddCosignatureArgs),
    /// Let a new key sign the checkpoints from here on
    ///
    /// Shows the key in force and, with --yes, makes the next one in the key folder and commits it,
    /// signed by the key before it. What the older key signed stays valid. If it was interrupted, the
    /// same again completes it.
    ///
    /// Example: sigillo log rotate-key --yes --archive /srv/archive
    #[command(verbatim_doc_comment)]
    RotateKey(RotateKeyArgs),
    Succeed(SucceedArgs),
    /// Put a time-stamp on the published checkpoint, kept beside the log
    ///
    /// Sealings time-stamp the log as well; this does so between them; an entry of the log names it.
    /// With --list, verifies and lists those over checkpoints of all logs of the archive.
    ///
    /// Example: sigillo log anchor --archive /srv/archive
    #[command(verbatim_doc_comment)]
    Anchor(AnchorArgs),
    /// Print entries, one JSON line each
    ///
    /// Example: sigillo log entries --from 0 --count 10 --archive /srv/archive
    #[command(verbatim_doc_comment)]
    Entries(EntriesArgs),
    Statement(StatementArgs),
}

/// Options of `log consistency`.
#[derive(Args, Debug)]
pub(crate) struct ConsistencyArgs {
    /// A file with an older checkpoint, as `sigillo log checkpoint` printed it
    #[arg(value_name = "CHECKPOINT")]
    pub(crate) old: Option<PathBuf>,
    /// Since the newest checkpoint that this witness cosigned, by its name
    #[arg(long, value_name = "NAME", conflicts_with = "old")]
    pub(crate) since_witness: Option<String>,
}

/// Options of `log entries`.
#[derive(Args, Debug)]
pub(crate) struct EntriesArgs {
    /// Place of the first entry, from 0
    #[arg(long, default_value_t = 0)]
    pub(crate) from: u64,
    /// How many at most
    #[arg(long, default_value_t = 1000)]
    pub(crate) count: u64,
    /// Of which log, from 1, where one succeeded another [default: the newest]
    #[arg(long, value_name = "N")]
    pub(crate) generation: Option<u64>,
}

/// Say whose archives and certificates are believed
#[derive(Debug, Subcommand)]
pub(crate) enum TrustCommand {
    /// List whom this trust store believes
    ///
    /// Example: sigillo trust list
    #[command(verbatim_doc_comment)]
    List,
    /// Believe what somebody exported; get the file from them in person
    ///
    /// Certificates of the same archive that were believed before stay so.
    ///
    /// Example: sigillo trust add comune-di-prova.json
    #[command(verbatim_doc_comment)]
    Add(TrustAddArgs),
    /// Believe a witness: that it cosigned only logs that grew
    ///
    /// KEY is what `sigillo log witness` printed there, got from its owner in person, or a file with
    /// it; or a file with a whole policy (C2SP tlog-policy), which says whose cosignatures together
    /// are enough.
    ///
    /// Example: sigillo trust witness polo-1.txt --quorum 2
    #[command(verbatim_doc_comment)]
    Witness(TrustWitnessArgs),
    /// Believe a trusted list: which time-stamping services a state vouches for
    ///
    /// FILE is an XML trusted list (ETSI TS 119 612, version 5 or 6). Its signature is checked: by
    /// the certificates named with --signer, or by those that the list of lists names for its
    /// territory, if that was imported before. A list older than the one that is believed is
    /// refused. From then on, time-stamps of its services count as known, and as qualified if the
    /// list granted that at their time.
    ///
    /// Examples:
    ///
    ///   sigillo trust import-list eu-lotl.xml --signer lotl-signer.pem
    ///   sigillo trust import-list it.xml
    #[command(verbatim_doc_comment)]
    ImportList(TrustImportListArgs),
    /// Print what others need to believe this archive
    ///
    /// Example: sigillo trust export --archive /srv/archive > comune-di-prova.json
    #[command(verbatim_doc_comment)]
    Export,
}

/// Options of `trust witness`.
#[derive(Args, Debug)]
pub(crate) struct TrustWitnessArgs {
    /// The key, or a file with it or with a policy
    #[arg(value_name = "KEY|FILE")]
    pub(crate) key: String,
    /// How many of the witnesses are enough [default: as before, one at first]
    #[arg(long, value_name = "K")]
    pub(crate) quorum: Option<usize>,
}

/// Options of `trust import-list`.
#[derive(Args, Debug)]
pub(crate) struct TrustImportListArgs {
    /// The trusted list, XML
    pub(crate) file: PathBuf,
    /// A file with certificates that may sign it (PEM), got in another way; may be repeated
    #[arg(long, value_name = "CERT.pem")]
    pub(crate) signer: Vec<PathBuf>,
}

/// Options of `trust add`.
#[derive(Args, Debug)]
pub(crate) struct TrustAddArgs {
    /// A file that `sigillo trust export` printed
    pub(crate) file: PathBuf,
}
