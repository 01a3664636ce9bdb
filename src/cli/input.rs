//! Where a program's input comes from: named files, directories, standard input.

use std::io::{IsTerminal, Read};
use std::path::{Path, PathBuf};

use crate::problem::{Problem, Source};

use super::{Failure, Status, Usage};

/// Largest input that is read, in bytes: far above any filter or document that a host needs, and small
/// enough that a wrong file is refused at once.
pub const INPUT_MAX_BYTES: u64 = 64 * 1024 * 1024;

/// One input that can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Input {
    /// Standard input.
    Standard,
    /// A file or directory.
    Path(PathBuf),
}

/// Why an input could not be read.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum InputError {
    /// The operating system refused.
    #[error("cannot read `{name}`: {error}")]
    #[diagnostic(code(nwf::cli::unreadable), help("check the path and its permissions"))]
    Unreadable {
        /// The path as typed.
        name: String,
        /// What the system said.
        error: std::io::Error,
    },
    /// There is more than is ever needed.
    #[error("`{name}` is larger than {limit} bytes")]
    #[diagnostic(code(nwf::cli::too_large), help("no filter or document is as large as this; is it the right file?"))]
    TooLarge {
        /// The path as typed.
        name: String,
        /// The limit.
        limit: u64,
    },
    /// The bytes are no text.
    #[error("`{name}` is not UTF-8 text: byte {offset} cannot be read")]
    #[diagnostic(code(nwf::cli::not_text), help("convert it to UTF-8, for example with iconv"))]
    NotText {
        /// The path as typed.
        name: String,
        /// Offset of the first byte that is wrong.
        offset: usize,
    },
}

impl Problem for InputError {}

/// The inputs that the PATH arguments name; standard input if there are none.
///
/// # Errors
/// Standard input is asked for and is a terminal (UI-4).
pub fn inputs(paths: &[PathBuf], program: &str) -> Result<Vec<Input>, Failure> {
    let named: Vec<Input> = if paths.is_empty() {
        vec![Input::Standard]
    } else {
        paths
            .iter()
            .map(|path| if path == Path::new("-") { Input::Standard } else { Input::Path(path.clone()) })
            .collect()
    };
    if named.contains(&Input::Standard) && std::io::stdin().is_terminal() {
        let help = format!("name a file, or put `{program}` behind a pipe; `{program} --help` tells more");
        return Err(Usage::failure("there is nothing to read: standard input is a terminal", help));
    }
    Ok(named)
}

impl Input {
    /// The name in messages.
    pub fn name(&self) -> String {
        match self {
            Input::Standard => "<stdin>".to_owned(),
            Input::Path(path) => path.display().to_string(),
        }
    }

    /// Reads all of a file or of standard input.
    ///
    /// # Errors
    /// The system refuses, the input is larger than [`INPUT_MAX_BYTES`], or no UTF-8 text.
    pub fn read(&self) -> Result<Source, Failure> {
        let name = self.name();
        let unreadable = |error| Failure::new(Status::Input, InputError::Unreadable { name: name.clone(), error });
        let text = match self {
            Input::Standard => read_limited(&mut std::io::stdin().lock(), &name)?,
            Input::Path(path) => read_limited(&mut std::fs::File::open(path).map_err(unreadable)?, &name)?,
        };
        Ok(Source::new(name, text))
    }
}

/// Reads text up to the limit.
///
/// # Errors
/// As [`Input::read`].
pub fn read_limited(reader: &mut dyn Read, name: &str) -> Result<String, Failure> {
    let failure = |error| Failure::new(Status::Input, error);
    let mut bytes = Vec::new();
    let taken = reader.take(INPUT_MAX_BYTES + 1).read_to_end(&mut bytes);
    taken.map_err(|error| failure(InputError::Unreadable { name: name.to_owned(), error }))?;
    if bytes.len() as u64 > INPUT_MAX_BYTES {
        return Err(failure(InputError::TooLarge { name: name.to_owned(), limit: INPUT_MAX_BYTES }));
    }
    String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        failure(InputError::NotText { name: name.to_owned(), offset })
    })
}
