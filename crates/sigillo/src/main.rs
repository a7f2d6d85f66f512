//! Sigillo on the command line: settings in, exit code out.
//!
//! The only crate that reads the environment and the clock, and the only one that prints.

mod cli;
mod commands;
mod context;
mod error;
mod guard;
mod lines;
mod lists;
mod machine;
mod memory;
mod output;
mod pace;
mod places;
mod progress;
#[cfg(test)]
mod reference;
mod require;
mod seen;
mod settings;
mod system;
mod trust;
mod trust_ends;
mod trust_store;
mod witnesses;

use std::process::ExitCode;

use clap::Parser as _;

/// Gives memory back that many threads used for many small things; that of the system keeps it
/// (docs/decisions/0013-memory-allocator.md).
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return not_understood(&error),
    };
    start_logging();
    let output = output::Output::new(cli.global.json);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(32)
        .enable_all()
        .build();
    let runtime = match runtime {
        Ok(runtime) => runtime,
        Err(source) => return output.fail(&error::CommandError::io("starting", &source)).into(),
    };
    let code = match runtime.block_on(commands::run(cli, &output)) {
        Ok(code) => code,
        Err(error) => output.fail(&error),
    };
    output.finish(code).into()
}

/// Says what the command line got wrong, or the help that it asks for; as JSON if it asks for that.
fn not_understood(error: &clap::Error) -> ExitCode {
    let wants_json = std::env::args_os().any(|arg| arg == "--json");
    if wants_json && error.use_stderr() {
        let error = error::CommandError::not_understood(error);
        return output::Output::new(true).fail(&error).into();
    }
    error.exit()
}

/// Log lines are for operators, on stderr; `SIGILLO_LOG=debug` shows more.
fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("SIGILLO_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
}
