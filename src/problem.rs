//! What is common to the errors of all stages: where they point, and what they propose.
//!
//! Each stage has its own enum of errors; this module has what those enums need, and the one trait through
//! which [`crate::cli`] prints them. It knows no stage.

use std::sync::Arc;

use miette::{MietteError, MietteSpanContents, SourceCode, SourceSpan, SpanContents};

use crate::model::Location;

/// An error or warning of a stage, as people and scripts are told of it.
///
/// `miette` gives message, help, code, severity and the underlined text; this adds the place for those
/// errors that have a place but no text at hand.
pub trait Problem: miette::Diagnostic + Send + Sync + 'static {
    /// Where in which file; none if no file is to blame.
    fn location(&self) -> Option<Location> {
        None
    }
}

/// A text with the name that it goes by in messages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    name: Arc<str>,
    text: Arc<str>,
}

/// Longest line that a message shows: longer ones belong to documents that no person wrote.
const SHOWN_LINE_MAX: usize = 2000;

impl Source {
    /// A text and its name: the path as it was typed, or `<stdin>`.
    pub fn new(name: impl Into<Arc<str>>, text: impl Into<Arc<str>>) -> Self {
        Source { name: name.into(), text: text.into() }
    }

    /// The name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The text.
    pub fn text(&self) -> &Arc<str> {
        &self.text
    }

    /// The place of a byte offset. An offset behind the end is the end.
    pub fn location(&self, offset: usize) -> Location {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let before = self.text.get(..end).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let newlines = before.bytes().filter(|byte| *byte == b'\n').count();
        let column = before.get(line_start..).unwrap_or_default().chars().count();
        let number = |count: usize| u32::try_from(count + 1).unwrap_or(u32::MAX);
        Location { file: self.name.clone(), line: number(newlines), column: number(column) }
    }
}

impl SourceCode for Source {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        lines_before: usize,
        lines_after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let contents = self.text.as_ref().read_span(span, lines_before, lines_after)?;
        if contents.data().len() > SHOWN_LINE_MAX {
            return Err(MietteError::OutOfBounds);
        }
        Ok(Box::new(MietteSpanContents::new_named(
            self.name.to_string(),
            contents.data(),
            *contents.span(),
            contents.line(),
            contents.column(),
            contents.line_count(),
        )))
    }
}

/// Longest name that is compared: no name is longer, and the work grows with its square.
const NAME_MAX: usize = 255;

/// The candidate that a mistyped name most probably means; none if all are too far from it.
pub fn closest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > NAME_MAX {
        return None;
    }
    let near = candidates.into_iter().map(|candidate| (strsim::damerau_levenshtein(name, candidate), candidate));
    let (distance, candidate) = near.min()?;
    let tolerated = (name.chars().count() / 3).max(2);
    (distance <= tolerated).then_some(candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn locations_count_characters_from_one() {
        let source = Source::new("f", "ab\nçd\n");
        let place = |offset| {
            let location = source.location(offset);
            (location.line, location.column)
        };
        assert_eq!(place(0), (1, 1));
        assert_eq!(place(3), (2, 1));
        // Inside and behind the two-byte character.
        assert_eq!(place(4), (2, 1));
        assert_eq!(place(5), (2, 2));
        assert_eq!(place(99), (3, 1));
    }

    #[test]
    fn proposals_are_near() {
        assert_eq!(closest("clean-trafic", ["clean-traffic", "allow-arp"]), Some("clean-traffic"));
        assert_eq!(closest("xyz", ["clean-traffic", "allow-arp"]), None);
        assert_eq!(closest("x", []), None);
    }
}
