//! From text to filters and bindings: the document and `<filter>` (spec 01, sections 1 to 3).

use std::ops::Range;
use std::sync::Arc;

use uuid::Uuid;

use crate::model::{
    ChainName, Entry, Filter, FilterName, Filters, FiltersKind, Location, Priority, Profile, Reference, Severity,
};

use super::problem::{Excerpt, XmlError, XmlProblem, retell};
use super::tree::{self, Element};

/// Largest document that is read, in bytes.
pub const BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Problems of one document that are told; a document with more is no filter with mistakes.
pub const PROBLEMS_MAX: usize = 200;

/// What reading one document yields.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The filters and bindings; none if one of the problems is an error.
    pub filters: Filters,
    /// Everything that is wrong or odd, in the order of the text.
    pub problems: Vec<XmlProblem>,
}

impl Outcome {
    /// Whether the document is refused.
    pub fn has_errors(&self) -> bool {
        self.problems.iter().any(XmlProblem::is_error)
    }

    fn refused(problem: XmlProblem, profile: Profile) -> Self {
        Outcome { filters: none(profile), problems: vec![problem] }
    }
}

fn none(profile: Profile) -> Filters {
    Filters { nwf: FiltersKind, profile, filters: Vec::new(), bindings: Vec::new() }
}

/// Reads one document: a filter, a binding, an interface or a domain.
///
/// `file` is what messages and [`Location`]s call it. Nothing is read from anywhere else.
pub fn read(text: &str, file: &str, profile: Profile) -> Outcome {
    let file: Arc<str> = file.into();
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.len() as u64 > BYTES_MAX {
        return Outcome::refused(unplaced(XmlError::TooLarge { limit: BYTES_MAX }, &file), profile);
    }
    let mut reader = DocumentReader::new(text, file, profile);
    let mut filters = none(profile);
    match tree::parse(text) {
        Err((at, error)) => reader.error(at, error),
        Ok(root) => reader.root(&root, &mut filters),
    }
    let DocumentReader { mut problems, hidden_errors, .. } = reader;
    // In the order of the text; what is found by comparing elements is found late.
    problems.sort_by_key(|problem| (problem.at.line, problem.at.column));
    if let Some(severity) = hidden_errors {
        let mut last = unplaced(XmlError::TooManyProblems { limit: PROBLEMS_MAX }, &reader.file);
        last.severity = severity;
        problems.push(last);
    }
    if problems.iter().any(XmlProblem::is_error) {
        filters = none(profile);
    }
    Outcome { filters, problems }
}

/// Reads one document from bytes: [`decode`], then [`read()`].
pub fn read_bytes(bytes: &[u8], file: &str, profile: Profile) -> Outcome {
    match decode(bytes, file) {
        Ok(text) => read(text, file, profile),
        Err(problem) => Outcome::refused(*problem, profile),
    }
}

/// The bytes as text.
///
/// # Errors
/// They are no UTF-8, or more than [`BYTES_MAX`].
pub fn decode<'b>(bytes: &'b [u8], file: &str) -> Result<&'b str, Box<XmlProblem>> {
    let file: Arc<str> = file.into();
    if bytes.len() as u64 > BYTES_MAX {
        return Err(Box::new(unplaced(XmlError::TooLarge { limit: BYTES_MAX }, &file)));
    }
    std::str::from_utf8(bytes).map_err(|error| {
        let sixteen = matches!(bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
        let help = if sixteen {
            "it looks like UTF-16; convert it with `iconv -f UTF-16 -t UTF-8`"
        } else {
            "convert it to UTF-8, for example with iconv; is this a text file?"
        };
        let offset = error.valid_up_to();
        let before = bytes.get(..offset).unwrap_or_default();
        let line = before.split(|byte| *byte == b'\n').count() - 1;
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let column = String::from_utf8_lossy(before.get(start..).unwrap_or_default()).chars().count();
        let at = location(&file, line, column);
        Box::new(XmlProblem::new(XmlError::NotUtf8 { offset, help }, Severity::Error, at, Excerpt::none(file)))
    })
}

fn unplaced(error: XmlError, file: &Arc<str>) -> XmlProblem {
    XmlProblem::new(error, Severity::Error, location(file, 0, 0), Excerpt::none(file.clone()))
}

fn location(file: &Arc<str>, line: usize, column: usize) -> Location {
    let number = |count: usize| u32::try_from(count + 1).unwrap_or(u32::MAX);
    Location { file: file.clone(), line: number(line), column: number(column) }
}

/// What the reading of one document knows and collects.
pub(super) struct DocumentReader<'t> {
    text: &'t str,
    file: Arc<str>,
    pub profile: Profile,
    problems: Vec<XmlProblem>,
    /// Severity of the worst problem beyond those that are told.
    hidden_errors: Option<Severity>,
    /// The place that was asked for last: offset, line, column. Most questions go on from there.
    known: (usize, usize, usize),
}

impl<'t> DocumentReader<'t> {
    fn new(text: &'t str, file: Arc<str>, profile: Profile) -> Self {
        DocumentReader { text, file, profile, problems: Vec::new(), hidden_errors: None, known: (0, 0, 0) }
    }

    /// Line and column of an offset, from 0.
    fn place(&mut self, offset: usize) -> (usize, usize) {
        let (from, line, column) = if self.known.0 <= offset { self.known } else { (0, 0, 0) };
        let piece = self.text.get(from..offset).or_else(|| self.text.get(from..)).unwrap_or_default();
        let (line, column) = match piece.rfind('\n') {
            None => (line, column + piece.chars().count()),
            Some(at) => {
                let newlines = piece.bytes().filter(|byte| *byte == b'\n').count();
                (line + newlines, piece.get(at + 1..).unwrap_or_default().chars().count())
            }
        };
        self.known = (from + piece.len(), line, column);
        (line, column)
    }

    pub fn at(&mut self, offset: usize) -> Location {
        let (line, column) = self.place(offset);
        location(&self.file, line, column)
    }

    /// Line of an offset, from 1.
    pub fn line(&mut self, offset: usize) -> u32 {
        self.at(offset).line
    }

    fn tell(&mut self, span: Range<usize>, error: XmlError, severity: Severity) -> Option<&mut XmlProblem> {
        if self.problems.len() >= PROBLEMS_MAX {
            // Errors come before warnings in the order of `Severity`.
            self.hidden_errors = Some(self.hidden_errors.map_or(severity, |worst| worst.min(severity)));
            return None;
        }
        let (line, column) = self.place(span.start);
        let at = location(&self.file, line, column);
        let excerpt = Excerpt::cut(self.text, self.file.clone(), span, line, column);
        self.problems.push(XmlProblem::new(error, severity, at, excerpt));
        self.problems.last_mut()
    }

    /// Refuses the document.
    pub fn error(&mut self, span: Range<usize>, error: XmlError) {
        self.tell(span, error, Severity::Error);
    }

    /// Tells something that does not keep the document from being used.
    pub fn warn(&mut self, span: Range<usize>, error: XmlError) {
        self.tell(span, error, Severity::Warning);
    }

    /// An error in the profile `nwf`; in the profile `libvirt` a warning, and what is wrong is ignored.
    pub fn odd(&mut self, span: Range<usize>, error: XmlError) {
        match self.profile {
            Profile::Nwf => self.error(span, error),
            Profile::Libvirt => {
                if let Some(problem) = self.tell(span, error, Severity::Warning) {
                    problem.ignored = true;
                }
            }
        }
    }

    /// Tells of every attribute of an element that is not among those known.
    pub fn known_attributes(&mut self, element: &Element<'t>, known: &[&'static str]) {
        for attribute in &element.attributes {
            if !known.contains(&attribute.name) {
                let error = XmlError::UnknownAttribute {
                    name: attribute.name.to_owned(),
                    element: element.name.to_owned(),
                    closest: alias(attribute.name, known).or_else(|| nearest(attribute.name, known)),
                    known: known.to_vec(),
                };
                self.odd(attribute.name_span(), error);
            }
        }
    }

    /// Tells of every child of an element that is not among those known, and of text between them.
    pub fn known_children(&mut self, element: &Element<'t>, known: &[&'static str]) {
        self.no_text(element);
        for child in element.children.iter().filter(|child| !known.contains(&child.name)) {
            self.unknown_element(element, child, known);
        }
    }

    pub fn unknown_element(&mut self, parent: &Element<'t>, child: &Element<'t>, known: &[&'static str]) {
        let error = XmlError::UnknownElement {
            name: child.name.to_owned(),
            parent: parent.name.to_owned(),
            closest: nearest(child.name, known),
            known: known.to_vec(),
        };
        self.odd(child.span(), error);
    }

    pub fn no_text(&mut self, element: &Element<'t>) {
        if let Some(at) = &element.text_at {
            let raw = self.text.get(at.clone()).unwrap_or_default();
            let start = at.start + (raw.len() - raw.trim_start().len());
            let span = start..start + raw.trim().len();
            self.warn(span, XmlError::StrayText { element: element.name.to_owned() });
        }
    }

    /// The first child of a name; further ones are told of.
    pub fn single<'e>(&mut self, parent: &'e Element<'t>, name: &'static str) -> Option<&'e Element<'t>> {
        let mut children = parent.children_named(name);
        let first = children.next()?;
        let first_line = self.line(first.start);
        for further in children {
            let error = XmlError::RepeatedElement { name, parent: parent.name.to_owned(), first_line };
            self.odd(further.span(), error);
        }
        Some(first)
    }

    /// An attribute as the path reader has it (XML-4): an empty one is absent.
    pub fn path_attribute<'e>(
        &mut self,
        element: &'e Element<'t>,
        name: &'static str,
        element_name: &'static str,
    ) -> Option<&'e tree::Attribute<'t>> {
        let attribute = element.attribute(name)?;
        if attribute.value.is_empty() {
            let error = XmlError::EmptyAttribute { element: element_name, attribute: name };
            self.warn(attribute.name_span(), error);
            return None;
        }
        Some(attribute)
    }

    fn root(&mut self, root: &Element<'t>, filters: &mut Filters) {
        const ROOTS: &[&str] = &["filter", "filterbinding", "filterbindingstatus", "interface", "domain"];
        match root.name {
            "filter" => filters.filters.extend(self.filter(root)),
            "filterbinding" => filters.bindings.extend(self.filter_binding(root)),
            "filterbindingstatus" => match self.single(root, "filterbinding") {
                Some(inner) => {
                    self.known_children(root, &["filterbinding"]);
                    filters.bindings.extend(self.filter_binding(inner));
                }
                None => self.error(
                    root.span(),
                    XmlError::MissingElement {
                        parent: "filterbindingstatus",
                        element: "filterbinding",
                        help: "the status file of a binding holds one `<filterbinding>`",
                    },
                ),
            },
            "interface" => match self.interface(root, None) {
                Some(binding) => filters.bindings.push(binding),
                None if root.child("filterref").is_none() => self.warn(root.span(), XmlError::NoFilter),
                None => {}
            },
            "domain" => self.domain(root, filters),
            other => {
                let error = XmlError::UnknownRoot { name: other.to_owned(), closest: nearest(other, ROOTS) };
                self.error(root.span(), error);
            }
        }
    }

    /// `<filter>` (spec 01, section 2). None if something needed is missing, which has been told then.
    fn filter(&mut self, element: &Element<'t>) -> Option<Filter> {
        self.known_attributes(element, &["name", "chain", "priority"]);
        self.known_children(element, &["uuid", "filterref", "rule"]);
        let at = self.at(element.start);
        let name = self.filter_name(element);
        let (chain, priority) = self.chain(element);
        let uuid = self.single(element, "uuid").and_then(|uuid| {
            self.known_attributes(uuid, &[]);
            self.uuid(uuid)
        });
        let mut entries = Vec::new();
        for child in &element.children {
            match child.name {
                "rule" => entries.extend(self.rule(child, &chain).map(Entry::Rule)),
                "filterref" => entries.extend(self.reference(child).map(Entry::Reference)),
                _ => {}
            }
        }
        Some(Filter { name: name?, chain, priority, uuid, entries, at: Some(at) })
    }

    fn filter_name(&mut self, element: &Element<'t>) -> Option<FilterName> {
        let Some(attribute) = element.attribute("name").filter(|attribute| !attribute.value.is_empty()) else {
            let span = element.attribute("name").map_or(element.span(), tree::Attribute::value_span);
            let help = "every filter has a name: `<filter name='NAME'>`";
            self.error(span, XmlError::MissingAttribute { element: "filter", attribute: "name", help });
            return None;
        };
        self.checked_filter_name(&attribute.value, attribute.value_span())
    }

    pub fn checked_filter_name(&mut self, text: &str, span: Range<usize>) -> Option<FilterName> {
        let profile = self.profile;
        let parse = |text: &str| {
            let name: FilterName = text.parse()?;
            name.check(profile).map(|()| name)
        };
        match parse(text) {
            Ok(name) => Some(name),
            Err(invalid) => {
                self.error(span, XmlError::BadFilterName(retell(text, invalid, parse)));
                None
            }
        }
    }

    /// `chain` and `priority` (XML-12 to XML-16).
    fn chain(&mut self, element: &Element<'t>) -> (ChainName, Priority) {
        let priority = self.path_attribute(element, "priority", "filter");
        let priority_span = priority.map(tree::Attribute::value_span).unwrap_or_default();
        let given = priority.and_then(|attribute| {
            let parsed = self.priority(&attribute.value, attribute.value_span());
            if parsed.is_none() {
                let text = attribute.value.clone().into_owned();
                self.error(attribute.value_span(), XmlError::BadPriority { text });
            }
            parsed
        });
        let Some(attribute) = self.path_attribute(element, "chain", "filter") else {
            if given.is_some() {
                self.odd(priority_span, XmlError::PriorityWithoutChain);
            }
            return (ChainName::root(), Priority::ZERO);
        };
        match attribute.value.parse::<ChainName>() {
            Ok(chain) => {
                let priority = given.unwrap_or_else(|| chain.prefix().default_priority(self.profile));
                (chain, priority)
            }
            Err(invalid) => {
                let invalid = retell(&attribute.value, invalid, str::parse::<ChainName>);
                self.error(attribute.value_span(), XmlError::BadChain(invalid));
                (ChainName::root(), Priority::ZERO)
            }
        }
    }

    /// A priority as XML-6 and Q-2 have integers; none if it is none. Loose forms are told of.
    pub fn priority(&mut self, text: &str, span: Range<usize>) -> Option<Priority> {
        let trimmed = text.trim_start_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
        let digits = trimmed.strip_prefix(['-', '+']).unwrap_or(trimmed);
        if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return None;
        }
        let loose = trimmed.len() != text.len() || trimmed.starts_with('+');
        if loose && self.profile == Profile::Nwf {
            return None;
        }
        let number: i64 = trimmed.parse().ok()?;
        let priority = Priority::try_from(number).ok()?;
        if loose {
            let error = XmlError::LooseValue {
                attribute: "priority",
                text: text.to_owned(),
                read: priority.to_string(),
                why: "libvirt takes `+` and leading blanks",
            };
            self.warn(span, error);
        }
        Some(priority)
    }

    /// A UUID as text of an element (XML-17); none if it is absent, empty, or wrong, which has been told then.
    pub fn uuid(&mut self, element: &Element<'t>) -> Option<Uuid> {
        self.known_children_of_text(element);
        if element.text.is_empty() {
            return None;
        }
        let uuid = parse_uuid(&element.text);
        if uuid.is_none() {
            let span = self.text_span(element);
            self.error(span, XmlError::BadUuid { text: element.text.trim().to_owned() });
        }
        uuid
    }

    /// Where the text of an element stands, without blanks around it.
    pub fn text_span(&self, element: &Element<'t>) -> Range<usize> {
        let Some(at) = element.text_at.clone() else { return element.span() };
        let raw = self.text.get(at.clone()).unwrap_or_default();
        let start = at.start + (raw.len() - raw.trim_start().len());
        start..start + raw.trim().len()
    }

    /// Tells of elements inside one that holds text only.
    pub fn known_children_of_text(&mut self, element: &Element<'t>) {
        for child in &element.children {
            self.unknown_element(element, child, &[]);
        }
    }

    /// `<filterref>` inside a filter (XML-20).
    fn reference(&mut self, element: &Element<'t>) -> Option<Reference> {
        let at = self.at(element.start);
        let parameters = self.parameters(element, true);
        let Some(attribute) = element.attribute("filter") else {
            self.missing_filter(element);
            return None;
        };
        let filter = self.checked_filter_name(&attribute.value, attribute.value_span())?;
        Some(Reference { filter, parameters, at: Some(at) })
    }

    pub fn missing_filter(&mut self, element: &Element<'t>) {
        let help = "name the filter that is referred to: `<filterref filter='NAME'/>`";
        self.error(element.span(), XmlError::MissingAttribute { element: "filterref", attribute: "filter", help });
    }
}

/// The known name that a mistyped one most probably means. What is longer than any name means none.
pub(super) fn nearest(name: &str, known: &[&'static str]) -> Option<&'static str> {
    if name.len() > 64 {
        return None;
    }
    let near = crate::problem::closest(name, known.iter().copied())?;
    pick(known, near)
}

/// The known name that equals a text, with its lifetime.
fn pick(known: &[&'static str], name: &str) -> Option<&'static str> {
    known.iter().copied().find(|known| *known == name)
}

/// Names that documentation and habit use for what an element calls otherwise.
fn alias(name: &str, known: &[&'static str]) -> Option<&'static str> {
    let meant = match name {
        "msg-age" => "age",
        "msg-age-hi" => "age-hi",
        "srcport" | "sport" => "srcportstart",
        "dstport" | "dport" => "dstportstart",
        "srcip" | "saddr" => "srcipaddr",
        "dstip" | "daddr" => "dstipaddr",
        _ => return None,
    };
    pick(known, meant)
}

/// XML-17: 32 hexadecimal digits in pairs, with `-` and blanks anywhere between the pairs.
fn parse_uuid(text: &str) -> Option<Uuid> {
    let mut bytes = [0; 16];
    let mut rest = text.trim_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
    for byte in &mut bytes {
        rest = rest.trim_start_matches(['-', ' ']);
        let pair = rest.get(..2).filter(|pair| pair.bytes().all(|digit| digit.is_ascii_hexdigit()))?;
        *byte = u8::from_str_radix(pair, 16).ok()?;
        rest = rest.get(2..)?;
    }
    rest.is_empty().then(|| Uuid::from_bytes(bytes))
}
