//! `sigillo completions` and `sigillo man`: what shells and manuals learn from the command line.

use std::path::{Path, PathBuf};

use clap::{Args, CommandFactory as _, ValueEnum as _};
use clap_complete::Shell;
use serde_json::json;

use crate::{cli::Cli, commands::EXIT_CLEAN, error::CommandError, output::Output};

/// Print what your shell needs to complete commands and options
///
/// Examples:
///
///   mkdir -p ~/.local/share/bash-completion/completions
///   sigillo completions bash > ~/.local/share/bash-completion/completions/sigillo
///
///   mkdir -p ~/.zfunc
///   sigillo completions zsh > ~/.zfunc/_sigillo
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct CompletionsArgs {
    /// The shell
    #[arg(value_name = "SHELL")]
    pub(crate) shell: Shell,
}

/// Write the manual, one page for each command
///
/// Example: sigillo man -o ~/.local/share/man/man1
#[derive(Args, Debug)]
#[command(verbatim_doc_comment)]
pub(crate) struct ManArgs {
    /// The folder to write to; pages of the same name are written anew
    #[arg(short, long, value_name = "DIR")]
    pub(crate) output: PathBuf,
}

/// Prints the completions of a shell.
pub(crate) fn completions(output: Output, args: &CompletionsArgs) -> u8 {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "sigillo", &mut script);
    let script = String::from_utf8_lossy(&script).into_owned();
    let shell = args.shell.to_possible_value().map(|it| it.get_name().to_owned());
    let value = json!({"script": script, "shell": shell});
    output.result("sigillo.completions/1", &script, value);
    EXIT_CLEAN
}

/// Writes the pages of the manual.
pub(crate) fn man(output: Output, args: &ManArgs) -> Result<u8, CommandError> {
    let folder = &args.output;
    std::fs::create_dir_all(folder)
        .map_err(|error| CommandError::file("making", folder, &error))?;
    let mut command = Cli::command().disable_help_subcommand(true);
    command.build();
    let mut pages = Vec::new();
    write_pages(folder, &command, "sigillo", &mut pages)?;
    let text = format!(
        "{} pages of the manual are in {}; read one with: man {}\n",
        pages.len(),
        folder.display(),
        folder.join(&pages[0]).display(),
    );
    let value = json!({"folder": folder.display().to_string(), "pages": pages});
    output.result("sigillo.man/1", &text, value);
    Ok(EXIT_CLEAN)
}

/// Writes the page of a command and those of the commands below it.
fn write_pages(
    folder: &Path,
    command: &clap::Command,
    name: &str,
    pages: &mut Vec<String>,
) -> Result<(), CommandError> {
    let page = format!("{name}.1");
    let path = folder.join(&page);
    let mut bytes = Vec::new();
    clap_mangen::Man::new(command.clone())
        .render(&mut bytes)
        .map_err(|error| CommandError::file("writing", &path, &error))?;
    std::fs::write(&path, bytes).map_err(|error| CommandError::file("writing", &path, &error))?;
    pages.push(page);
    for below in command.get_subcommands().filter(|it| !it.is_hide_set()) {
        write_pages(folder, below, &format!("{name}-{}", below.get_name()), pages)?;
    }
    Ok(())
}
