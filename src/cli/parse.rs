//! `nwf-parse`: XML to `filters/1`, and back.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};
use miette::Diagnostic;

use super::codes::codes;
use super::input::INPUT_MAX_BYTES;
use super::{Common, Compat, Diagnostics, Document, Failure, Input, InputError, Program, Status, Usage, inputs};
use crate::model::{Fault, Filters, Location, Profile, Severity};
use crate::problem::{Problem, Source, closest};
use crate::xml::{self, XmlProblem};

/// Read filter XML and write it as one document
///
/// Examples:
///
///   nwf-parse /usr/share/nwf/filters/clean-traffic.xml
///
///   nwf-parse --strict /etc/nwf/filters >/dev/null
///
/// Reads filters, bindings, interfaces and domains, finds everything that is
/// wrong with them, and writes the document `filters/1` for nwf-resolve.
/// Nothing is written if anything is wrong.
///
/// A PATH is an XML file (root element `filter`, `filterbinding`, `interface`
/// or `domain`), a document `filters/1`, a directory (every *.xml file below
/// it, by name), or `-` for standard input, the default.
#[derive(Debug, Parser)]
#[command(name = "nwf-parse", version, verbatim_doc_comment)]
pub struct Parse {
    /// What to write
    #[arg(long, value_name = "FORMAT", default_value = "json")]
    to: Format,
    /// Take every warning for an error
    #[arg(long)]
    strict: bool,
    /// Read as libvirt does
    ///
    /// What libvirt silently ignores is then ignored with a warning; otherwise it is an error.
    #[arg(long, value_name = "WHOM")]
    compat: Option<Compat>,
    /// Explain an error code, of whatever program, and do nothing else
    #[arg(long, value_name = "CODE")]
    explain: Option<String>,
    /// What to read: XML files, documents, directories, or `-`
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
    #[command(flatten)]
    common: Common,
}

/// Values of `--to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// The document `filters/1`.
    Json,
    /// Canonical XML; needs exactly one filter or binding.
    Xml,
}

/// What can be wrong besides the XML itself.
#[derive(Debug, Clone, thiserror::Error, Diagnostic)]
enum ParseError {
    /// A directory without anything to read.
    #[error("`{name}` holds no *.xml file")]
    #[diagnostic(severity(Warning), code(nwf::parse::empty_directory), help("is it the right directory?"))]
    EmptyDirectory {
        /// The path as typed.
        name: String,
    },
    /// A name in a document that its profile does not allow.
    #[error("{why}")]
    #[diagnostic(code(nwf::parse::bad_name), help("{IN_DOCUMENT}"))]
    BadName {
        /// What is wrong with it.
        why: String,
        /// Where it was read from, as the document says; otherwise the document.
        at: Location,
    },
    /// A rule in a document that no XML gives.
    #[error("rule {number} of the filter `{filter}` is wrong: {why}")]
    #[diagnostic(code(nwf::parse::bad_rule), help("{IN_DOCUMENT}"))]
    BadRule {
        /// The filter.
        filter: String,
        /// Which of its rules, from 1.
        number: usize,
        /// What is wrong with it.
        why: String,
        /// Where it was read from, as the document says; otherwise the document.
        at: Location,
    },
    /// `--to xml` with more than one thing, or nothing.
    #[error("`--to xml` needs exactly one filter or binding; here are {filters} filters and {bindings} bindings")]
    #[diagnostic(code(nwf::parse::not_one), help("name one file, or write the document with `--to json`"))]
    NotOne {
        /// How many filters there are.
        filters: usize,
        /// How many bindings.
        bindings: usize,
    },
    /// A binding that has no XML form.
    #[error("this binding has no XML form: with a link device or backend it needs owner, interface and MAC")]
    #[diagnostic(code(nwf::parse::no_xml_form), help("add what is missing to the document"))]
    NoXmlForm,
}

const IN_DOCUMENT: &str =
    "the document was written or changed by hand; docs/documents/filters.md tells what is allowed";

impl Problem for ParseError {
    fn location(&self) -> Option<Location> {
        match self {
            ParseError::BadName { at, .. } | ParseError::BadRule { at, .. } => Some(at.clone()),
            ParseError::EmptyDirectory { .. } | ParseError::NotOne { .. } | ParseError::NoXmlForm => None,
        }
    }
}

/// Codes and explanations of this program's own errors.
pub(super) const EXPLANATIONS: &[(&str, &str)] = &[
    (
        "nwf::parse::empty_directory",
        "A directory was named, and neither it nor any directory below it has a file whose name ends in .xml. \
         Other files are not looked at.",
    ),
    (
        "nwf::parse::bad_name",
        "A document filters/1 holds a filter, or a reference to one, whose name its profile does not allow. What \
         nwf-parse writes has no such name, so the document was written or changed by other means.",
    ),
    (
        "nwf::parse::bad_rule",
        "A document filters/1 holds a rule that no XML gives: an attribute that the protocol does not take, that \
         stands twice or out of order, or whose value is of another kind. The attributes of a rule stand in the \
         order of the tables in docs/fields.md.",
    ),
    (
        "nwf::parse::not_one",
        "An XML file holds one filter or one binding, so --to xml needs exactly one. Name a single file, or a \
         document that holds a single object.",
    ),
    (
        "nwf::parse::no_xml_form",
        "A binding with owner, interface and MAC is written as <filterbinding>, one that lacks some of them as \
         <domain> or <interface>. Only a <filterbinding> has a place for a link device and a backend.",
    ),
];

/// The long text of a code; the program that printed the code does not matter.
fn explain(code: &str) -> Result<String, Failure> {
    if let Some((_, text)) = codes().find(|(known, _)| *known == code) {
        return Ok(format!("{code}\n\n{}", wrap(text)));
    }
    let near = closest(code, codes().map(|(known, _)| known));
    let help = near.map(|near| format!("did you mean `{near}`?"));
    Err(Usage::failure(format!("no error has the code `{}`", code.escape_debug()), help))
}

/// A paragraph in lines of at most 80 characters.
fn wrap(text: &str) -> String {
    let mut wrapped = String::new();
    let mut width = 0;
    for word in text.split_whitespace() {
        let len = word.chars().count();
        if width > 0 && width + 1 + len > 80 {
            wrapped.push('\n');
            width = 0;
        } else if width > 0 {
            wrapped.push(' ');
            width += 1;
        }
        wrapped.push_str(word);
        width += len;
    }
    wrapped + "\n"
}

/// Checks what a document `filters/1` from elsewhere says beyond its types; for every program that reads one.
///
/// `document` is its name, for rules that say nothing of where they come from.
///
/// # Errors
/// Everything that is wrong with it, status 3.
pub fn check_filters(filters: &Filters, document: &str) -> Result<(), Failure> {
    let place = |at: Option<Location>| at.unwrap_or_else(|| Location { file: document.into(), line: 1, column: 1 });
    let faults = filters.faults();
    if faults.is_empty() {
        return Ok(());
    }
    let told = faults.into_iter().map(|fault| match fault {
        Fault::Name { why, at } => ParseError::BadName { why, at: place(at) },
        Fault::Rule { filter, number, why, at } => {
            ParseError::BadRule { filter: filter.to_string(), number, why, at: place(at) }
        }
    });
    Err(Failure::all(Status::Input, told))
}

/// One input, as far as it is read in the first round.
enum Part {
    Document(Filters),
    Xml { name: String, bytes: Vec<u8> },
    Directory(PathBuf),
}

impl Program for Parse {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, diagnostics: &Diagnostics) -> Result<Status, Failure> {
        if let Some(code) = &self.explain {
            self.common.write_text(&explain(code)?)?;
            return Ok(Status::Done);
        }
        let mut collector = Collector { diagnostics, strict: self.strict, failed: false, parts: Vec::new() };
        let mut parts = Vec::new();
        for input in inputs(&self.paths, "nwf-parse")? {
            match first_look(&input) {
                Ok(part) => parts.push(part),
                Err(failure) => collector.fail(&failure),
            }
        }
        let profile = profile(Compat::profile(self.compat), &parts)?;
        for part in parts {
            collector.part(part, profile);
        }
        let Collector { failed, parts, .. } = collector;
        let whole = match xml::join(profile, parts) {
            Ok(whole) if !failed => whole,
            Ok(_) => return Err(Failure::told(Status::Input)),
            Err(duplicates) => return Err(Failure::all(Status::Input, duplicates)),
        };
        match self.to {
            Format::Json => self.common.write_document(&whole)?,
            Format::Xml => self.common.write_text(&canonical(&whole)?)?,
        }
        Ok(Status::Done)
    }
}

/// The profile of the run: that of the option, else that of the documents, else `nwf`.
fn profile(option: Option<Profile>, parts: &[Part]) -> Result<Profile, Failure> {
    let mut profile = option;
    for part in parts {
        let Part::Document(filters) = part else { continue };
        let wanted = *profile.get_or_insert(filters.profile);
        if wanted != filters.profile {
            let message = format!("the profiles `{wanted}` and `{}` cannot be mixed", filters.profile);
            let help = match option {
                Some(_) => "a document was read under the other profile; read its XML again",
                None => "the documents were read under different profiles; read their XML again",
            };
            return Err(Usage::failure(message, help.to_owned()));
        }
    }
    Ok(profile.unwrap_or_default())
}

/// Opens an input: a document is read, XML waits until the profile is known.
fn first_look(input: &Input) -> Result<Part, Failure> {
    if let Input::Path(path) = input
        && path.is_dir()
    {
        return Ok(Part::Directory(path.clone()));
    }
    let name = input.name();
    let bytes = match input {
        Input::Standard => read_bytes(&mut std::io::stdin().lock(), &name)?,
        Input::Path(path) => read_file(path)?,
    };
    if !is_json(&bytes) {
        return Ok(Part::Xml { name, bytes });
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let offset = error.utf8_error().valid_up_to();
        Failure::new(Status::Input, InputError::NotText { name: name.clone(), offset })
    })?;
    let source = Source::new(name, text);
    let filters = Filters::read(&source)?;
    check_filters(&filters, source.name())?;
    Ok(Part::Document(filters))
}

/// No XML document begins with a brace, and every JSON document does.
fn is_json(bytes: &[u8]) -> bool {
    bytes.trim_ascii_start().first() == Some(&b'{')
}

fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let name = path.display().to_string();
    let file = std::fs::File::open(path);
    let unreadable = |error| Failure::new(Status::Input, InputError::Unreadable { name: name.clone(), error });
    read_bytes(&mut file.map_err(unreadable)?, &name)
}

/// Reads as much as the larger of the two limits allows, and of XML no more than one byte above its own.
fn read_bytes(reader: &mut dyn Read, name: &str) -> Result<Vec<u8>, Failure> {
    let unreadable = |error| Failure::new(Status::Input, InputError::Unreadable { name: name.to_owned(), error });
    let mut bytes = Vec::new();
    let xml_limit = xml::BYTES_MAX + 1;
    reader.take(xml_limit).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 == xml_limit && is_json(&bytes) {
        reader.take(INPUT_MAX_BYTES + 1 - xml_limit).read_to_end(&mut bytes).map_err(unreadable)?;
        if bytes.len() as u64 > INPUT_MAX_BYTES {
            let error = InputError::TooLarge { name: name.to_owned(), limit: INPUT_MAX_BYTES };
            return Err(Failure::new(Status::Input, error));
        }
    }
    Ok(bytes)
}

/// Reads the parts one after another and tells what is wrong with each.
struct Collector<'d> {
    diagnostics: &'d Diagnostics,
    strict: bool,
    failed: bool,
    parts: Vec<Filters>,
}

impl Collector<'_> {
    fn fail(&mut self, failure: &Failure) {
        self.diagnostics.report(failure);
        self.failed = true;
    }

    fn part(&mut self, part: Part, profile: Profile) {
        match part {
            Part::Document(filters) => self.parts.push(filters),
            Part::Xml { name, bytes } => self.xml(&name, &bytes, profile),
            Part::Directory(directory) => self.directory(&directory, profile),
        }
    }

    fn directory(&mut self, directory: &Path, profile: Profile) {
        let files = match xml_files(directory) {
            Ok(files) => files,
            Err(failure) => return self.fail(&failure),
        };
        if files.is_empty() {
            let error = ParseError::EmptyDirectory { name: directory.display().to_string() };
            self.diagnostics.warn(&error);
            self.failed |= self.strict;
        }
        for file in files {
            match read_file(&file) {
                Ok(bytes) => self.xml(&file.display().to_string(), &bytes, profile),
                Err(failure) => self.fail(&failure),
            }
        }
    }

    fn xml(&mut self, name: &str, bytes: &[u8], profile: Profile) {
        let xml::Outcome { filters, mut problems } = xml::read_bytes(bytes, name, profile);
        if self.strict {
            for problem in &mut problems {
                problem.severity = Severity::Error;
            }
        }
        if problems.iter().any(XmlProblem::is_error) {
            self.fail(&Failure::all(Status::Input, problems));
            return;
        }
        for problem in &problems {
            self.diagnostics.warn(problem);
        }
        self.parts.push(filters);
    }
}

/// Every `*.xml` file below a directory, by name. A link to a directory is not followed.
fn xml_files(directory: &Path) -> Result<Vec<PathBuf>, Failure> {
    let mut found = Vec::new();
    let mut open = vec![directory.to_path_buf()];
    while let Some(directory) = open.pop() {
        let unreadable = |error| {
            let name = directory.display().to_string();
            Failure::new(Status::Input, InputError::Unreadable { name, error })
        };
        for entry in std::fs::read_dir(&directory).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let path = entry.path();
            if entry.file_type().map_err(unreadable)?.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|extension| extension == "xml") {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// The canonical XML of the only object.
fn canonical(whole: &Filters) -> Result<String, Failure> {
    match (whole.filters.as_slice(), whole.bindings.as_slice()) {
        ([filter], []) => Ok(xml::write_filter(filter, whole.profile)),
        ([], [binding])
            if (binding.owner.is_none() || binding.interface.is_none() || binding.mac.is_none())
                && (binding.link_device.is_some() || binding.backend.is_some()) =>
        {
            Err(Failure::new(Status::Input, ParseError::NoXmlForm))
        }
        ([], [binding]) => Ok(xml::write_binding(binding)),
        (filters, bindings) => {
            let error = ParseError::NotOne { filters: filters.len(), bindings: bindings.len() };
            Err(Failure::new(Status::Input, error))
        }
    }
}
