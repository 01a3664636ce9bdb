//! Text to a tree of elements, or the place where the text is no well-formed XML (XML-1, XML-2).
//!
//! The tree borrows from the text and keeps the offset of every name and value, so that whoever reads
//! it can point at each. It is bounded in depth and size; documents from strangers cost no more than that.

use std::borrow::Cow;
use std::ops::Range;

use quick_xml::Reader;
use quick_xml::errors::{Error, IllFormedError, SyntaxError};
use quick_xml::events::attributes::AttrError;
use quick_xml::events::{BytesDecl, BytesStart, Event};

use super::problem::{XmlError, quote};

/// Elements that may stand inside each other; libvirt's XML library has the same limit.
pub const DEPTH_MAX: usize = 256;

/// Elements and attributes of one document. Their tree takes some 100 bytes each.
pub const NODES_MAX: usize = 500_000;

/// One element of the document.
#[derive(Debug)]
pub(super) struct Element<'t> {
    /// Its name, with the prefix if it has one.
    pub name: &'t str,
    /// Offset of its `<`.
    pub start: usize,
    /// Its attributes as written.
    pub attributes: Vec<Attribute<'t>>,
    /// The elements directly inside.
    pub children: Vec<Element<'t>>,
    /// The text directly inside, references resolved. Blanks between child elements are left out.
    pub text: Cow<'t, str>,
    /// Where the first text that is not blank stands.
    pub text_at: Option<Range<usize>>,
}

impl<'t> Element<'t> {
    /// Where the name stands, with the `<` in front.
    pub fn span(&self) -> Range<usize> {
        self.start..self.start + 1 + self.name.len()
    }

    /// The attribute of a name.
    pub fn attribute(&self, name: &str) -> Option<&Attribute<'t>> {
        self.attributes.iter().find(|attribute| attribute.name == name)
    }

    /// The first child of a name.
    pub fn child(&self, name: &str) -> Option<&Element<'t>> {
        self.children.iter().find(|child| child.name == name)
    }

    /// All children of a name.
    pub fn children_named<'e>(&'e self, name: &'e str) -> impl Iterator<Item = &'e Element<'t>> {
        self.children.iter().filter(move |child| child.name == name)
    }
}

/// One attribute of an element.
#[derive(Debug)]
pub(super) struct Attribute<'t> {
    /// Its name.
    pub name: &'t str,
    /// Offset of the name.
    pub name_at: usize,
    /// The value, references resolved and white space normalised.
    pub value: Cow<'t, str>,
    /// Offset of the value as written, behind its quote.
    pub value_at: usize,
    /// Length of the value as written.
    pub value_len: usize,
}

impl Attribute<'_> {
    /// Where the name stands.
    pub fn name_span(&self) -> Range<usize> {
        self.name_at..self.name_at + self.name.len()
    }

    /// Where the whole attribute stands.
    pub fn span(&self) -> Range<usize> {
        self.name_at..self.value_at + self.value_len + 1
    }

    /// Where the value stands, without quotes; with them if it is empty.
    pub fn value_span(&self) -> Range<usize> {
        match self.value_len {
            0 => self.value_at.saturating_sub(1)..self.value_at + 1,
            len => self.value_at..self.value_at + len,
        }
    }
}

/// What is wrong with the text, and where.
pub(super) type Fault = (Range<usize>, XmlError);

fn fault<T>(at: Range<usize>, why: impl Into<String>) -> Result<T, Fault> {
    Err((at, XmlError::NotWellFormed { why: why.into() }))
}

/// Reads the root element.
///
/// # Errors
/// The first thing that makes the text no XML document, or one that is too large or uses entities of its own.
pub(super) fn parse(text: &str) -> Result<Element<'_>, Fault> {
    refuse_characters(text)?;
    let mut reader = Reader::from_str(text);
    reader.config_mut().enable_all_checks(true);
    let mut builder = Builder { text, open: Vec::new(), root: None, nodes: 0 };
    loop {
        let start = offset(reader.buffer_position(), text);
        match reader.read_event() {
            Ok(Event::Start(tag)) => builder.open(&tag, start)?,
            Ok(Event::Empty(tag)) => {
                builder.open(&tag, start)?;
                builder.close();
            }
            Ok(Event::End(_)) => builder.close(),
            Ok(Event::Text(piece)) => {
                let len = piece.len();
                let raw = text.get(start..start + len).unwrap_or_default();
                if let Some(end) = raw.find("]]>") {
                    return fault(start + end..start + end + 3, "`]]>` cannot stand in text");
                }
                builder.text(start..start + len, normalize_newlines(raw))?;
            }
            Ok(Event::CData(_)) => {
                let end = offset(reader.buffer_position(), text);
                let raw = text.get(start..end).unwrap_or_default();
                let inner = raw.strip_prefix("<![CDATA[").and_then(|raw| raw.strip_suffix("]]>")).unwrap_or_default();
                builder.cdata(start..end, normalize_newlines(inner))?;
            }
            Ok(Event::GeneralRef(_)) => {
                let end = offset(reader.buffer_position(), text);
                let name = text.get(start + 1..end.saturating_sub(1)).unwrap_or_default();
                let character = resolve_reference(name).map_err(|error| (start..end, error))?;
                builder.cdata(start..end, Cow::Owned(character.to_string()))?;
            }
            Ok(Event::Decl(declaration)) => {
                if start != 0 {
                    return fault(start..start + 5, "the XML declaration can only be the first thing of a document");
                }
                check_declaration(&declaration, start, text)?;
            }
            Ok(Event::DocType(_)) => return Err((start..start + 9, XmlError::DocumentType)),
            Ok(Event::Comment(_) | Event::PI(_)) => {}
            Ok(Event::Eof) => return builder.finish(),
            Err(error) => {
                let at = offset(reader.error_position(), text);
                let rest = text.get(at..).unwrap_or_default();
                let end = rest.find('>').filter(|_| rest.starts_with("</")).map_or(1, |end| end + 1);
                return fault(at..at + end, explain(&error));
            }
        }
    }
}

fn offset(position: u64, text: &str) -> usize {
    usize::try_from(position).unwrap_or(usize::MAX).min(text.len())
}

/// XML 1.0 has no control characters but tab, newline and carriage return, and not the two non-characters.
fn refuse_characters(text: &str) -> Result<(), Fault> {
    let control = text.bytes().position(|byte| byte < 0x20 && !matches!(byte, b'\t' | b'\n' | b'\r'));
    let Some(at) = control.or_else(|| text.find(['\u{fffe}', '\u{ffff}'])) else { return Ok(()) };
    let character = text.get(at..).and_then(|rest| rest.chars().next()).unwrap_or_default();
    Err((at..at + character.len_utf8(), XmlError::ForbiddenCharacter { character, offset: at }))
}

fn explain(error: &Error) -> String {
    match error {
        Error::IllFormed(IllFormedError::MismatchedEndTag { expected, found }) => {
            format!("`</{found}>` stands where `</{expected}>` was expected")
        }
        Error::IllFormed(IllFormedError::UnmatchedEndTag(found)) => format!("`</{found}>` closes nothing"),
        Error::IllFormed(IllFormedError::DoubleHyphenInComment) => "`--` cannot stand inside a comment".to_owned(),
        Error::IllFormed(IllFormedError::UnclosedReference) => {
            "a bare `&` cannot stand in text; it is written `&amp;`".to_owned()
        }
        Error::Syntax(SyntaxError::UnclosedComment) => "this comment is never closed".to_owned(),
        Error::Syntax(
            SyntaxError::UnclosedTag
            | SyntaxError::UnclosedSingleQuotedAttributeValue
            | SyntaxError::UnclosedDoubleQuotedAttributeValue,
        ) => "this tag is never closed".to_owned(),
        Error::Syntax(SyntaxError::UnclosedCData) => "this CDATA section is never closed".to_owned(),
        Error::Syntax(SyntaxError::UnclosedPI | SyntaxError::UnclosedXmlDecl) => "this `<?` is never closed".to_owned(),
        Error::Syntax(SyntaxError::UnclosedDoctype) => "this document type is never closed".to_owned(),
        Error::Syntax(SyntaxError::InvalidBangMarkup) => "`<!` begins nothing that XML knows".to_owned(),
        other => other.to_string(),
    }
}

/// The text is UTF-8 already; a declaration that says otherwise means that somebody converted only half.
fn check_declaration(declaration: &BytesDecl<'_>, start: usize, text: &str) -> Result<(), Fault> {
    let end = text.get(start..).and_then(|rest| rest.find("?>")).map_or(text.len(), |found| start + found + 2);
    match declaration.version() {
        Ok(version) if version == "1.0" || version == "1.1" => {}
        _ => return fault(start..end, "the XML declaration must name version 1.0 or 1.1"),
    }
    match declaration.encoding() {
        None => Ok(()),
        Some(Ok(name)) if ["utf-8", "utf8", "us-ascii", "ascii"].iter().any(|ours| name.eq_ignore_ascii_case(ours)) => {
            Ok(())
        }
        Some(Ok(name)) => Err((start..end, XmlError::Encoding { declared: name.into_owned() })),
        Some(Err(_)) => fault(start..end, "the XML declaration is malformed"),
    }
}

/// XML 1.0, section 2.11: all line ends are read as `\n`.
fn normalize_newlines(raw: &str) -> Cow<'_, str> {
    if raw.contains('\r') { Cow::Owned(raw.replace("\r\n", "\n").replace('\r', "\n")) } else { Cow::Borrowed(raw) }
}

/// One of the five predefined entities, or a character by number; no others exist here.
fn resolve_reference(name: &str) -> Result<char, XmlError> {
    let unknown = || XmlError::UnknownEntity { name: name.to_owned() };
    match name {
        "amp" => return Ok('&'),
        "lt" => return Ok('<'),
        "gt" => return Ok('>'),
        "quot" => return Ok('"'),
        "apos" => return Ok('\''),
        _ => {}
    }
    let number = name.strip_prefix('#').ok_or_else(unknown)?;
    let (digits, base) = match number.strip_prefix('x') {
        Some(digits) => (digits, 16),
        None => (number, 10),
    };
    let is_number = !digits.is_empty() && digits.chars().all(|digit| digit.is_digit(base));
    let character = u32::from_str_radix(digits, base).ok().filter(|_| is_number).and_then(char::from_u32);
    let allowed = |c: &char| matches!(c, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..);
    character.filter(allowed).ok_or_else(unknown)
}

/// The value of an attribute: references resolved, white space as XML 1.0, section 3.3.3 has it.
fn attribute_value(raw: &str, at: usize) -> Result<Cow<'_, str>, Fault> {
    if let Some(found) = raw.find('<') {
        return fault(at + found..at + found + 1, "`<` cannot stand in an attribute; it is written `&lt;`");
    }
    if !raw.contains(['&', '\t', '\n', '\r']) {
        return Ok(Cow::Borrowed(raw));
    }
    let blanks = |piece: &str| piece.replace("\r\n", " ").replace(['\t', '\n', '\r'], " ");
    let mut value = String::with_capacity(raw.len());
    let mut rest = raw;
    while let Some((before, behind)) = rest.split_once('&') {
        value.push_str(&blanks(before));
        let start = at + raw.len() - behind.len() - 1;
        let Some((name, next)) = behind.split_once(';') else {
            return fault(start..start + 1, "a bare `&` cannot stand in an attribute; it is written `&amp;`");
        };
        value.push(resolve_reference(name).map_err(|error| (start..start + name.len() + 2, error))?);
        rest = next;
    }
    value.push_str(&blanks(rest));
    Ok(Cow::Owned(value))
}

fn is_name(name: &str) -> bool {
    let mut chars = name.chars();
    chars.next().is_some_and(|c| c.is_alphabetic() || matches!(c, '_' | ':'))
        && chars.all(|c| c.is_alphanumeric() || matches!(c, '_' | ':' | '-' | '.' | '\u{b7}' | '\u{300}'..))
}

struct Builder<'t> {
    text: &'t str,
    open: Vec<Element<'t>>,
    root: Option<Element<'t>>,
    nodes: usize,
}

impl<'t> Builder<'t> {
    fn count(&mut self, at: usize) -> Result<(), Fault> {
        self.nodes += 1;
        if self.nodes > NODES_MAX {
            return Err((at..at + 1, XmlError::TooManyNodes { limit: NODES_MAX }));
        }
        Ok(())
    }

    fn open(&mut self, tag: &BytesStart<'_>, start: usize) -> Result<(), Fault> {
        self.count(start)?;
        let name_at = start + 1;
        let name_len = tag.name().as_ref().len();
        let name = self.text.get(name_at..name_at + name_len).unwrap_or_default();
        if !is_name(name) {
            return fault(start..name_at + name_len, format!("`{}` is not a name", quote(name)));
        }
        if self.open.is_empty() && self.root.is_some() {
            return fault(start..name_at + name_len, "a document has one root element; this is a second one");
        }
        if self.open.len() >= DEPTH_MAX {
            return Err((start..name_at + name_len, XmlError::TooDeep { limit: DEPTH_MAX }));
        }
        let attributes = self.attributes(tag, name_at, name_at + name_len)?;
        let element = Element { name, start, attributes, children: Vec::new(), text: Cow::Borrowed(""), text_at: None };
        self.open.push(element);
        Ok(())
    }

    fn attributes(
        &mut self,
        tag: &BytesStart<'_>,
        tag_at: usize,
        name_end: usize,
    ) -> Result<Vec<Attribute<'t>>, Fault> {
        let raw = tag.attributes_raw();
        let mut found = Vec::new();
        let mut behind = name_end;
        for attribute in tag.attributes() {
            let attribute = attribute.map_err(|error| attribute_fault(&error, tag_at))?;
            let distance = |slice: &str| slice.as_ptr().addr().wrapping_sub(raw.as_ptr().addr());
            let name_at = name_end + distance(attribute.key.as_ref());
            let value_at = name_end + distance(&attribute.value);
            let name = self.text.get(name_at..name_at + attribute.key.as_ref().len()).unwrap_or_default();
            let value = self.text.get(value_at..value_at + attribute.value.len()).unwrap_or_default();
            self.count(name_at)?;
            if !is_name(name) {
                return fault(name_at..name_at + name.len().max(1), format!("`{}` is not a name", quote(name)));
            }
            if name_at == behind {
                return fault(name_at..name_at + name.len(), "a blank is missing in front of this attribute");
            }
            behind = value_at + value.len() + 1;
            let value_len = value.len();
            found.push(Attribute { name, name_at, value: attribute_value(value, value_at)?, value_at, value_len });
        }
        Ok(found)
    }

    fn close(&mut self) {
        let Some(element) = self.open.pop() else { return };
        match self.open.last_mut() {
            Some(parent) => parent.children.push(element),
            None => self.root = Some(element),
        }
    }

    fn text(&mut self, at: Range<usize>, piece: Cow<'t, str>) -> Result<(), Fault> {
        let blank = piece.chars().all(|c| matches!(c, ' ' | '\t' | '\n' | '\r'));
        if blank && self.open.last().is_none_or(|element| !element.children.is_empty()) {
            return Ok(());
        }
        if !blank {
            return self.cdata(at, piece);
        }
        self.append(piece, None);
        Ok(())
    }

    fn cdata(&mut self, at: Range<usize>, piece: Cow<'t, str>) -> Result<(), Fault> {
        if self.open.is_empty() {
            let raw = self.text.get(at.clone()).unwrap_or_default();
            let first = at.start + (raw.len() - raw.trim_start().len());
            let end = first + raw.trim_start().chars().next().map_or(1, char::len_utf8);
            let place = if self.root.is_some() { "behind the root element" } else { "in front of the root element" };
            return fault(first..end, format!("there is text {place}"));
        }
        self.append(piece, Some(at));
        Ok(())
    }

    fn append(&mut self, piece: Cow<'t, str>, at: Option<Range<usize>>) {
        let Some(element) = self.open.last_mut() else { return };
        if element.text_at.is_none() {
            element.text_at = at;
        }
        if element.text.is_empty() {
            element.text = piece;
        } else {
            element.text.to_mut().push_str(&piece);
        }
    }

    fn finish(self) -> Result<Element<'t>, Fault> {
        if let Some(element) = self.open.last() {
            return fault(element.span(), format!("`<{}>` is never closed", element.name));
        }
        self.root.ok_or_else(|| (0..0, XmlError::NotWellFormed { why: "there is no XML element".to_owned() }))
    }
}

fn attribute_fault(error: &AttrError, tag_at: usize) -> Fault {
    let (position, why) = match error {
        AttrError::ExpectedEq(at) => (*at, "`=` and a value are missing"),
        AttrError::ExpectedValue(at) => (*at, "a value is missing"),
        AttrError::UnquotedValue(at) => (*at, "a value must stand in quotes"),
        AttrError::ExpectedQuote(at, _) => (*at, "the quote that ends the value is missing"),
        AttrError::Duplicated(at, _) => (*at, "this attribute stands twice in the element"),
    };
    (tag_at + position..tag_at + position + 1, XmlError::NotWellFormed { why: why.to_owned() })
}
