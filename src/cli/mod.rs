//! What the programs share: arguments, documents in and out, diagnostics, exit statuses.
//!
//! Everything below returns values; only here is something printed. A program is one call of [`main`].

mod apply;
mod arguments;
mod codes;
mod diagnostics;
mod documents;
mod explain;
mod front;
mod input;
mod parse;
mod render;
mod resolve;

use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

pub use apply::Apply;
pub use arguments::{Color, Common, Compat, ErrorFormat};
pub use codes::codes;
pub use diagnostics::{Diagnostics, Failure, Usage};
pub use documents::{Document, DocumentError};
pub use explain::Explain;
pub use front::{front, front_command};
pub use input::{Input, InputError, inputs, read_limited};
pub use parse::{Parse, check_filters};
pub use render::Render;
pub use resolve::Resolve;

/// How a program ends; the same in every tool (design.md §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Status {
    /// Done, or nothing to do.
    Done = 0,
    /// The operation failed; what was in force before is in force now.
    Failed = 1,
    /// Wrong usage.
    Usage = 2,
    /// Wrong input.
    Input = 3,
    /// A variable has no value.
    Missing = 4,
    /// `--check`: something would change.
    WouldChange = 5,
    /// The time ran out.
    Timeout = 6,
    /// The interface is gone.
    InterfaceGone = 7,
    /// Not permitted, or the kernel or a program lacks what is needed.
    Unsupported = 8,
}

impl From<Status> for ExitCode {
    fn from(status: Status) -> ExitCode {
        ExitCode::from(status as u8)
    }
}

/// A program: its arguments, and what it does with them.
pub trait Program: CommandFactory + FromArgMatches {
    /// The options that all programs have.
    fn common(&self) -> &Common;

    /// Does the work.
    ///
    /// # Errors
    /// The problems, which the caller prints, and the status that they give.
    fn run(self, diagnostics: &Diagnostics) -> Result<Status, Failure>;
}

/// Runs a program with the arguments of the process.
pub fn main<P: Program>() -> ExitCode {
    let matches = match P::command().try_get_matches() {
        Ok(matches) => matches,
        Err(error) => return arguments::explain(&error),
    };
    let program = match P::from_arg_matches(&matches) {
        Ok(program) => program,
        Err(error) => return arguments::explain(&error),
    };
    let diagnostics = Diagnostics::new(program.common());
    match program.run(&diagnostics) {
        Ok(status) => status.into(),
        Err(failure) => diagnostics.report(&failure).into(),
    }
}
