//! Options that mean the same in every program (UI-10).

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, ValueEnum};

use super::Status;
use crate::model::Profile;

/// Heading of these options; each names it, since a heading of the whole would hold for what follows them too.
const COMMON: &str = "Common options";

/// The options that all programs have.
#[derive(Debug, Clone, Default, Args)]
pub struct Common {
    /// Print no warnings
    #[arg(short, long, global = true, help_heading = COMMON)]
    pub quiet: bool,
    /// Tell more on standard error
    #[arg(short, long, global = true, conflicts_with = "quiet", help_heading = COMMON)]
    pub verbose: bool,
    /// Write the result to FILE, whole or not at all
    ///
    /// `-` is standard output, the default.
    #[arg(short, long, value_name = "FILE", help_heading = COMMON)]
    pub output: Option<PathBuf>,
    /// How errors are printed
    ///
    /// `json` prints one object a line: code, message, help, file, line, column, status.
    #[arg(long, value_name = "FORMAT", default_value = "human", help_heading = COMMON)]
    pub error_format: ErrorFormat,
    /// When to use colour
    #[arg(long, value_name = "WHEN", default_value = "auto", help_heading = COMMON)]
    pub color: Color,
}

/// How errors are printed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum ErrorFormat {
    /// For people: with the text underlined.
    #[default]
    Human,
    /// For programs: one object a line.
    Json,
}

/// When to use colour.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// Values of `--compat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Compat {
    /// What libvirt does, odd or not.
    Libvirt,
}

impl Compat {
    /// The profile that an optional `--compat` asks for; none if nothing was said.
    pub fn profile(option: Option<Compat>) -> Option<Profile> {
        option.map(|Compat::Libvirt| Profile::Libvirt)
    }
}

/// Prints what clap has to say: help and version on standard output, status 0; anything else is wrong usage.
pub(super) fn explain(error: &clap::Error) -> ExitCode {
    let text = error.render().ansi().to_string();
    let plain = error.render().to_string();
    if error.use_stderr() {
        let _ = write!(anstream::stderr(), "{text}");
        return Status::Usage.into();
    }
    let _ = write!(anstream::stdout(), "{}", if text.is_empty() { plain } else { text });
    Status::Done.into()
}
