//! The command line: what may be said, and which op it means.
//!
//! Only here is anything printed: results on stdout, progress and logs on stderr.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Error, Result};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::cli::exit::Exit;
use crate::config::Config;
use crate::config::sources::Sources;

mod archive;
mod daemon;
mod demo;
mod exit;
mod explain;
mod gc;
mod listen;
mod log;
mod print;
mod progress;
mod relink;
mod restore;
mod scan;
mod serve;
mod service;
mod setup;
mod status;
mod stop;
mod unwrap;
mod verify;

/// Keep the images that your documents hot-link.
///
/// imgkeep finds every remote image in your posts, saved pages and style sheets, keeps a copy of each by its
/// SHA-256, and points the documents at the copies. Only the URLs change, and `imgkeep restore` takes it back.
#[derive(Debug, Parser)]
#[command(
    name = "imgkeep",
    version,
    max_term_width = 100,
    subcommand_required = true,
    arg_required_else_help = true
)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(flatten)]
    settings: Settings,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
struct Global {
    /// Read this configuration instead of `imgkeep.toml` in the working directory.
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How results are written to stdout.
    #[arg(long, global = true, value_name = "FORMAT", default_value = "human")]
    format: Format,
    /// Say more on stderr; twice for every request.
    #[arg(short, long, global = true, action = clap::ArgAction::Count)]
    verbose: u8,
    /// Say nothing on stderr but errors.
    #[arg(short, long, global = true, conflicts_with = "verbose")]
    quiet: bool,
}

/// May stand before and behind the command; a global option of clap's would keep only those behind it.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
struct Settings {
    /// Set one configuration key, such as `fetch.per_host=2`; may be given more than once.
    #[arg(long, value_name = "SECTION.KEY=VALUE")]
    set: Vec<String>,
}

/// The arguments of a command.
#[derive(Debug, Args)]
struct Of<A: Args> {
    #[command(flatten)]
    own: A,
    #[command(flatten)]
    settings: Settings,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    Human,
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// List the remote images that documents name; no network, no change.
    Scan(Of<scan::Arguments>),
    /// Download the images, keep them, and point the documents at the kept copies.
    Archive(Of<archive::Arguments>),
    /// Put the original URLs back into the documents.
    Restore(Of<restore::Arguments>),
    /// Change how the documents point at the kept copies; no download.
    Relink(Of<relink::Arguments>),
    /// Re-read every kept image and check every archived document.
    Verify(Of<verify::Arguments>),
    /// Remove images that no document refers to any more, after a time of grace.
    Gc(Of<gc::Arguments>),
    /// Say what is kept, from where, and what could not be had.
    Status(Of<status::Arguments>),
    /// Explain one image: what hides it, what is kept of it, who is asked for it and when again; no network.
    Explain(Of<explain::Arguments>),
    /// Take the image proxies off URLs.
    Unwrap(Of<unwrap::Arguments>),
    /// Serve the kept images over HTTP, also in place of the proxies that documents still ask.
    Serve(Of<serve::Arguments>),
    /// Archive documents whenever they appear or change, look after the store, and serve it.
    Daemon(Of<daemon::Arguments>),
    /// Show the whole job on sample posts, offline, in a temporary folder.
    Demo(Of<demo::Arguments>),
    /// Write completions for a shell.
    #[command(after_help = "Example:\n  imgkeep completions bash > /etc/bash_completion.d/imgkeep")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write the man page (roff).
    #[command(after_help = "Example:\n  imgkeep man | man -l -")]
    Man,
}

/// What every command gets.
struct Context {
    config: Config,
    /// Where it was read from.
    sources: Sources,
    format: Format,
    quiet: bool,
}

/// Runs the program.
#[must_use]
pub fn run() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { Exit::Usage } else { Exit::Done };
            // The usage text goes where it can; if even that is closed, the exit code has to do.
            let _ = error.print();
            return code.into();
        }
    };
    let is_service = matches!(cli.command, Command::Daemon(_));
    log::start(cli.global.verbose, cli.global.quiet, is_service);
    match command(cli) {
        Ok(exit) => exit.into(),
        Err(error) if exit::is_broken_pipe(&error) => Exit::Done.into(),
        Err(error) => {
            complain(&error);
            exit::of(&error).into()
        }
    }
}

fn command(cli: Cli) -> Result<Exit> {
    let Cli { global, settings, command } = cli;
    let context = |own: Settings| -> Result<Context> {
        let sets = settings.set.into_iter().chain(own.set).collect();
        let sources = Sources::of_process(global.config, sets);
        let config = Config::load(&sources)?;
        Ok(Context { config, sources, format: global.format, quiet: global.quiet })
    };
    match command {
        Command::Scan(arguments) => scan::run(&context(arguments.settings)?, &arguments.own),
        Command::Archive(arguments) => archive::run(&context(arguments.settings)?, &arguments.own),
        Command::Restore(arguments) => restore::run(&context(arguments.settings)?, &arguments.own),
        Command::Relink(arguments) => relink::run(&context(arguments.settings)?, &arguments.own),
        Command::Verify(arguments) => verify::run(&context(arguments.settings)?, &arguments.own),
        Command::Gc(arguments) => gc::run(&context(arguments.settings)?, &arguments.own),
        Command::Status(arguments) => status::run(&context(arguments.settings)?, &arguments.own),
        Command::Explain(arguments) => explain::run(&context(arguments.settings)?, &arguments.own),
        Command::Unwrap(arguments) => unwrap::run(&context(arguments.settings)?, &arguments.own),
        Command::Serve(arguments) => serve::run(&context(arguments.settings)?, &arguments.own),
        Command::Daemon(arguments) => daemon::run(&context(arguments.settings)?, &arguments.own),
        Command::Demo(arguments) => demo::run(&context(arguments.settings)?, &arguments.own),
        Command::Completions { shell } => completions(shell),
        Command::Man => man(),
    }
}

fn completions(shell: clap_complete::Shell) -> Result<Exit> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut <Cli as clap::CommandFactory>::command(), "imgkeep", &mut script);
    io::stdout().write_all(&script)?;
    Ok(Exit::Done)
}

fn man() -> Result<Exit> {
    let mut page = Vec::new();
    print::man(&<Cli as clap::CommandFactory>::command(), &mut page)?;
    io::stdout().write_all(&page)?;
    Ok(Exit::Done)
}

/// One line: what, where, why.
fn complain(error: &Error) {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            let separator = if text.is_empty() { "" } else { ": " };
            text.push_str(separator);
            text.push_str(&cause);
        }
    }
    // Nobody is left to tell if stderr is closed.
    let _ = writeln!(io::stderr(), "imgkeep: {text}");
}
