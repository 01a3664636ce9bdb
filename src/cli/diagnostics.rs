//! Printing of errors and warnings, for people and for programs (UI-30, UI-31).

use std::fmt::Write as _;
use std::io::{IsTerminal, Write};

use miette::{GraphicalReportHandler, GraphicalTheme, Severity};
use serde::Serialize;

use super::{Color, Common, ErrorFormat, Status};
use crate::problem::Problem;

/// Why a program ends without having done its work.
#[derive(Debug)]
pub struct Failure {
    status: Status,
    problems: Vec<Box<dyn Problem>>,
}

impl Failure {
    /// One problem, and the status that it gives.
    pub fn new(status: Status, problem: impl Problem) -> Self {
        Failure { status, problems: vec![Box::new(problem)] }
    }

    /// Several problems at once.
    pub fn all<P: Problem>(status: Status, problems: impl IntoIterator<Item = P>) -> Self {
        let problems = problems.into_iter().map(|problem| Box::new(problem) as Box<dyn Problem>);
        Failure { status, problems: problems.collect() }
    }

    /// A status alone: what there was to say has been said.
    pub fn told(status: Status) -> Self {
        Failure { status, problems: Vec::new() }
    }
}

/// Options that contradict each other, or an argument that cannot be used.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{message}")]
#[diagnostic(code(nwf::cli::usage))]
pub struct Usage {
    message: String,
    #[help]
    help: Option<String>,
}

impl Problem for Usage {}

impl Usage {
    /// Wrong usage, told in one sentence.
    pub fn failure(message: impl Into<String>, help: impl Into<Option<String>>) -> Failure {
        Failure::new(Status::Usage, Usage { message: message.into(), help: help.into() })
    }
}

/// How a program prints its problems.
#[derive(Debug, Clone)]
pub struct Diagnostics {
    quiet: bool,
    verbose: bool,
    format: ErrorFormat,
    color: bool,
}

#[derive(Serialize)]
struct JsonProblem {
    severity: &'static str,
    code: Option<String>,
    message: String,
    help: Option<String>,
    file: Option<String>,
    line: Option<u32>,
    column: Option<u32>,
    status: Option<u8>,
}

impl Diagnostics {
    /// Decides on colour as UI-40 says: the option, then `NO_COLOR`, `CLICOLOR_FORCE`, `TERM=dumb`, then
    /// whether standard error is a terminal.
    pub fn new(common: &Common) -> Self {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let color = match common.color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto if set("NO_COLOR") => false,
            Color::Auto if set("CLICOLOR_FORCE") => true,
            Color::Auto if std::env::var_os("TERM").is_some_and(|term| term == "dumb") => false,
            Color::Auto => std::io::stderr().is_terminal(),
        };
        Diagnostics { quiet: common.quiet, verbose: common.verbose, format: common.error_format, color }
    }

    /// Whether `--verbose` was given.
    pub fn is_verbose(&self) -> bool {
        self.verbose
    }

    /// Whether `--quiet` was given.
    pub fn is_quiet(&self) -> bool {
        self.quiet
    }

    /// Prints a warning, unless `--quiet` was given.
    pub fn warn(&self, problem: &dyn Problem) {
        if !self.quiet {
            self.print(problem, None);
        }
    }

    /// Tells a person something that is neither error nor warning; with `--verbose` only.
    pub fn tell(&self, text: &str) {
        if self.verbose && self.format == ErrorFormat::Human {
            put(&format!("{text}\n"));
        }
    }

    /// Prints all problems of a failure and gives back its status.
    pub fn report(&self, failure: &Failure) -> Status {
        for problem in &failure.problems {
            if problem.severity() == Some(Severity::Warning) {
                self.warn(problem.as_ref());
            } else {
                self.print(problem.as_ref(), Some(failure.status));
            }
        }
        failure.status
    }

    fn print(&self, problem: &dyn Problem, status: Option<Status>) {
        match self.format {
            ErrorFormat::Human => put(&self.human(problem)),
            ErrorFormat::Json => put(&json(problem, status)),
        }
    }

    fn human(&self, problem: &dyn Problem) -> String {
        let theme = if self.color {
            GraphicalTheme::unicode()
        } else {
            GraphicalTheme { styles: miette::ThemeStyles::none(), ..GraphicalTheme::unicode() }
        };
        let mut text = String::new();
        let handler = GraphicalReportHandler::new_themed(theme).with_width(110).with_links(false);
        let rendered = handler.render_report(&mut text, as_diagnostic(problem));
        if rendered.is_err() {
            text = format!("{problem}\n");
        }
        if problem.source_code().is_none()
            && let Some(place) = problem.location()
        {
            let _ = writeln!(text, "  at {place}");
        }
        text
    }
}

fn as_diagnostic(problem: &dyn Problem) -> &dyn miette::Diagnostic {
    problem
}

fn json(problem: &dyn Problem, status: Option<Status>) -> String {
    let place = problem.location();
    let line = JsonProblem {
        severity: if problem.severity() == Some(Severity::Warning) { "warning" } else { "error" },
        code: problem.code().map(|code| code.to_string()),
        message: problem.to_string(),
        help: problem.help().map(|help| help.to_string()),
        file: place.as_ref().map(|place| place.file.to_string()),
        line: place.as_ref().map(|place| place.line),
        column: place.as_ref().map(|place| place.column),
        status: status.map(|status| status as u8),
    };
    // A struct of texts and numbers always has a JSON form.
    serde_json::to_string(&line).map(|text| text + "\n").unwrap_or_default()
}

/// Writes to standard error; that nobody reads it is no reason to fail.
fn put(text: &str) {
    let _ = std::io::stderr().write_all(text.as_bytes());
}
