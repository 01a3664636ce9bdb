//! JSON documents in and out (design.md §2).

use std::io::{IsTerminal, Write};
use std::path::Path;

use miette::SourceSpan;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Common, Failure, Status};
use crate::model::{Filters, Location};
use crate::problem::{Problem, Source};

/// A kind of document: a JSON object whose member `nwf` names kind and version.
pub trait Document: Serialize + DeserializeOwned {
    /// Kind and version, such as `filters/1`.
    const KIND: &'static str;

    /// Reads a document.
    ///
    /// # Errors
    /// The text is no JSON, another kind or version, or has members that are unknown, missing or wrong.
    fn read(source: &Source) -> Result<Self, Failure> {
        serde_json::from_str(source.text())
            .map_err(|error| Failure::new(Status::Input, explain::<Self>(source, &error)))
    }
}

impl Document for Filters {
    const KIND: &'static str = "filters/1";
}

/// Why a document could not be read or written.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum DocumentError {
    /// There is nothing.
    #[error("`{}` is empty; a document `{expected}` was expected", text.name())]
    #[diagnostic(code(nwf::document::empty), help("did the program in front fail? its message says why"))]
    Empty {
        /// The kind that was expected.
        expected: &'static str,
        /// The input.
        text: Source,
    },
    /// It is something else than JSON.
    #[error("`{}` is not a JSON document: {why}", text.name())]
    #[diagnostic(
        code(nwf::document::not_json),
        help("a document `{expected}` was expected; `nwf-parse` makes one from XML")
    )]
    NotJson {
        /// What the JSON reader says.
        why: String,
        /// The kind that was expected.
        expected: &'static str,
        #[source_code]
        /// The input.
        text: Source,
        #[label("here")]
        /// The place.
        at: SourceSpan,
    },
    /// A document of another kind or version.
    #[error("the document is `{found}`; what is read here is `{expected}`")]
    #[diagnostic(
        code(nwf::document::kind),
        help("the order of the programs is nwf-parse, nwf-resolve, nwf-render, nwf-apply")
    )]
    Kind {
        /// The kind that was found.
        found: String,
        /// The kind that was expected.
        expected: &'static str,
        /// The input.
        text: Source,
    },
    /// A member is unknown, missing or has a wrong value.
    #[error("the document `{expected}` is wrong: {why}")]
    #[diagnostic(code(nwf::document::content), help("the schema of `{expected}` tells what is allowed"))]
    Content {
        /// What is wrong.
        why: String,
        /// The kind that was expected.
        expected: &'static str,
        #[source_code]
        /// The input.
        text: Source,
        #[label("here")]
        /// The place, if it can be told.
        at: Option<SourceSpan>,
    },
    /// The result could not be written.
    #[error("cannot write `{name}`: {error}")]
    #[diagnostic(
        code(nwf::document::unwritable),
        help("nothing was written; check the path, its permissions and the space")
    )]
    Unwritable {
        /// The file.
        name: String,
        /// What the system said.
        error: std::io::Error,
    },
}

impl Problem for DocumentError {
    fn location(&self) -> Option<Location> {
        match self {
            DocumentError::NotJson { text, at, .. } => Some(text.location(at.offset())),
            DocumentError::Content { text, at, .. } => Some(text.location(at.map_or(0, |at| at.offset()))),
            DocumentError::Empty { text, .. } | DocumentError::Kind { text, .. } => Some(text.location(0)),
            DocumentError::Unwritable { .. } => None,
        }
    }
}

/// What is wrong with a document that could be read, where no place can be told.
pub(super) fn content<D: Document>(source: &Source, why: String) -> Failure {
    Failure::new(Status::Input, DocumentError::Content { why, expected: D::KIND, text: source.clone(), at: None })
}

/// The only member that is looked at when a document could not be read.
#[derive(serde::Deserialize)]
struct Head {
    nwf: String,
}

fn explain<D: Document>(source: &Source, error: &serde_json::Error) -> DocumentError {
    let text = source.clone();
    let expected = D::KIND;
    if source.text().trim().is_empty() {
        return DocumentError::Empty { expected, text };
    }
    if let Ok(Head { nwf }) = serde_json::from_str(source.text())
        && nwf != expected
    {
        return DocumentError::Kind { found: nwf, expected, text };
    }
    let at = SourceSpan::from(offset(source.text(), error));
    let why = error.to_string();
    // The place is told by the label; serde_json repeats it at the end of its sentence.
    let why = why.rsplit_once(" at line ").map_or(why.as_str(), |(sentence, _)| sentence).to_owned();
    match error.classify() {
        serde_json::error::Category::Data => DocumentError::Content { why, expected, text, at: Some(at) },
        _ => DocumentError::NotJson { why, expected, text, at },
    }
}

/// Byte offset of the line and column that `serde_json` names.
fn offset(text: &str, error: &serde_json::Error) -> usize {
    let line_start: usize = text.split_inclusive('\n').take(error.line().saturating_sub(1)).map(str::len).sum();
    let mut offset = (line_start + error.column().saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(offset) {
        offset -= 1;
    }
    offset
}

impl Common {
    /// Writes a document to where `--output` says: on one line, or indented on a terminal (UI-2).
    ///
    /// # Errors
    /// The file cannot be written; then it is as it was.
    pub fn write_document(&self, document: &impl Serialize) -> Result<(), Failure> {
        let to_terminal = self.output_file().is_none() && std::io::stdout().is_terminal();
        let text = if to_terminal { serde_json::to_string_pretty(document) } else { serde_json::to_string(document) };
        let failed = |error: serde_json::Error| {
            let error = std::io::Error::from(error);
            Failure::new(Status::Failed, DocumentError::Unwritable { name: "<stdout>".to_owned(), error })
        };
        self.write_text(&(text.map_err(failed)? + "\n"))
    }

    /// Writes a text to where `--output` says, whole or not at all. A closed pipe is no error (UI-6).
    ///
    /// # Errors
    /// The file cannot be written; then it is as it was.
    pub fn write_text(&self, text: &str) -> Result<(), Failure> {
        let unwritable = |name: String, error| Failure::new(Status::Failed, DocumentError::Unwritable { name, error });
        if let Some(path) = self.output_file() {
            let written = write_file(path, text.as_bytes());
            return written.map_err(|error| unwritable(path.display().to_string(), error));
        }
        let mut stdout = std::io::stdout().lock();
        match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
            Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            Err(error) => Err(unwritable("<stdout>".to_owned(), error)),
            Ok(()) => Ok(()),
        }
    }

    fn output_file(&self) -> Option<&Path> {
        self.output.as_deref().filter(|path| *path != Path::new("-"))
    }
}

/// Replaces a file by a temporary one beside it; a device or pipe is written to directly.
fn write_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return std::fs::OpenOptions::new().write(true).open(path)?.write_all(bytes);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new().permissions(permissions(path)).tempfile_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

/// The permissions of the file that is replaced, or those of a new one.
fn permissions(path: &Path) -> std::fs::Permissions {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).map_or_else(|_| std::fs::Permissions::from_mode(0o644), |metadata| metadata.permissions())
}
