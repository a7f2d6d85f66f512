//! One file for each command.

pub(crate) mod bundle;
pub(crate) mod doctor;
pub(crate) mod er;
mod er_make;
mod er_objects;
mod er_revocation;
mod export;
mod find;
mod freshness;
mod gather;
mod ingest;
mod init;
mod log;
pub(crate) mod log_anchor;
mod log_ended;
pub(crate) mod log_rotate;
pub(crate) mod log_statement;
pub(crate) mod log_succeed;
mod log_succeed_again;
mod log_succeed_known;
pub(crate) mod log_witness;
mod log_witness_ended;
mod rebuild;
pub(crate) mod receipt;
mod receipt_refresh;
pub(crate) mod renew;
mod renew_trees;
mod sample;
pub(crate) mod seal;
pub(crate) mod shell;
mod status;
pub(crate) mod submission;
mod suggest;
mod sweep;
mod trust;
mod trust_lists;
pub(crate) mod verify;

use crate::{
    cli::{Cli, Command},
    context::Context,
    error::CommandError,
    output::Output,
};

/// Done and clean.
pub(crate) const EXIT_CLEAN: u8 = 0;
/// Refused or failed.
pub(crate) const EXIT_REFUSED: u8 = 1;
/// Findings, or "cannot tell".
pub(crate) const EXIT_FINDINGS: u8 = 3;
/// Try again.
pub(crate) const EXIT_TRANSIENT: u8 = 4;
/// Integrity damage.
pub(crate) const EXIT_DAMAGE: u8 = 5;
/// Interrupted by the user.
pub(crate) const EXIT_INTERRUPTED: u8 = 130;

/// Runs a command and returns its exit code.
pub(crate) async fn run(cli: Cli, output: &Output) -> Result<u8, CommandError> {
    let context = Context::new(cli.global, *output)?;
    match cli.command {
        Command::Init(args) => init::run(context, args).await,
        Command::Ingest(args) => ingest::run(context, args).await,
        Command::Status(_) => status::run(&context).await,
        Command::Find(args) => find::run(&context, args).await,
        Command::Get(args) => export::get(&context, args).await,
        Command::Export(args) => export::export(&context, args).await,
        Command::Verify(args) => verify::run(&context, args).await,
        Command::Seal(args) => seal::run(&context, args).await,
        Command::Renew(args) => renew::run(&context, args).await,
        Command::Rebuild(_) => rebuild::run(&context).await,
        Command::Sweep(args) => sweep::run(&context, args).await,
        Command::Doctor(args) => doctor::run(&context, args).await,
        Command::Submission(command) => submission::run(&context, command).await,
        Command::Receipt(command) => receipt::run(&context, command).await,
        Command::Prove(args) => bundle::prove(&context, args).await,
        Command::Check(args) => bundle::check(&context, &args),
        Command::Er(command) => er::run(&context, command).await,
        Command::Log(command) => log::run(&context, command).await,
        Command::Trust(command) => trust::run(&context, command).await,
        Command::Completions(args) => Ok(shell::completions(*output, &args)),
        Command::Man(args) => shell::man(*output, &args),
    }
}
