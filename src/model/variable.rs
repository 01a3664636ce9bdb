//! Variable accesses: `$NAME`, `$NAME[@2]`, `$NAME[3]` (spec 02, section 2).

use std::fmt;
use std::str::FromStr;

use super::{Profile, VariableName, text_type};

/// One way of reading a variable. Two accesses are the same if all of this is equal (RES-11).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct VariableAccess {
    /// The variable.
    pub name: VariableName,
    /// Which of its values.
    pub kind: AccessKind,
}

/// Which values of a variable an access stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AccessKind {
    /// Walks all values, in step with the other accesses of the same iterator, 0 to 1000.
    Iterator(u16),
    /// Always the value at this position, from 0.
    Element(u32),
}

/// Why a text that begins with `$` is no access.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a variable access")]
pub struct InvalidAccess(String);

/// Largest iterator number (RES-10).
const ITERATOR_MAX: u32 = 1000;

impl VariableAccess {
    /// The access `$NAME`, that is, iterator 0.
    pub fn plain(name: VariableName) -> Self {
        VariableAccess { name, kind: AccessKind::Iterator(0) }
    }

    /// Reads an access under a profile: `libvirt` takes text behind `]` and the empty name (QR-1).
    ///
    /// # Errors
    /// The text is malformed (RES-10).
    pub fn parse(text: &str, profile: Profile) -> Result<Self, InvalidAccess> {
        parse(text, profile).ok_or_else(|| InvalidAccess(text.to_owned()))
    }

    /// The printed form without `$`, as the missing set has it (RES-50).
    pub fn without_sign(&self) -> String {
        let mut text = self.to_string();
        text.remove(0);
        text
    }
}

fn parse(text: &str, profile: Profile) -> Option<VariableAccess> {
    let text = text.strip_prefix('$')?;
    let end = text.bytes().position(|b| !VariableName::allows(b)).unwrap_or(text.len());
    let (name, rest) = text.split_at_checked(end)?;
    if name.is_empty() && profile == Profile::Nwf {
        return None;
    }
    let name: VariableName = name.parse().ok()?;
    if rest.is_empty() {
        return Some(VariableAccess::plain(name));
    }
    let rest = rest.strip_prefix('[')?.trim_ascii_start();
    let (iterator, rest) = match rest.strip_prefix('@') {
        Some(rest) => (true, rest.trim_ascii_start()),
        None => (false, rest),
    };
    let digits = rest.bytes().position(|b| !b.is_ascii_digit()).unwrap_or(rest.len());
    let (number, rest) = rest.split_at_checked(digits)?;
    let number: u32 = number.parse().ok()?;
    let behind = rest.trim_ascii_start().strip_prefix(']')?;
    if !behind.is_empty() && profile == Profile::Nwf {
        return None;
    }
    let kind = match iterator {
        true if number > ITERATOR_MAX => return None,
        true => AccessKind::Iterator(u16::try_from(number).ok()?),
        false => AccessKind::Element(number),
    };
    Some(VariableAccess { name, kind })
}

impl FromStr for VariableAccess {
    type Err = InvalidAccess;

    /// Reads the printed form; also the empty name, which only the profile `libvirt` makes.
    fn from_str(text: &str) -> Result<Self, InvalidAccess> {
        VariableAccess::parse(text, Profile::Libvirt)
    }
}

impl fmt::Display for VariableAccess {
    /// XML-95: `$NAME` for iterator 0, `$NAME[@N]` for another, `$NAME[N]` for an element.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            AccessKind::Iterator(0) => write!(f, "${}", self.name),
            AccessKind::Iterator(number) => write!(f, "${}[@{number}]", self.name),
            AccessKind::Element(number) => write!(f, "${}[{number}]", self.name),
        }
    }
}

text_type!(VariableAccess, "VariableAccess", "a variable access: `$NAME`, `$NAME[@ITERATOR]` or `$NAME[POSITION]`");

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn res_10_syntax_and_xml_95_print() {
        for (text, printed) in [
            ("$A", "$A"),
            ("$A[@0]", "$A"),
            ("$A[ @ 1 ]", "$A[@1]"),
            ("$A[ 1 ]", "$A[1]"),
            ("$A_b9[@1000]", "$A_b9[@1000]"),
            ("$1", "$1"),
        ] {
            assert_eq!(VariableAccess::parse(text, Profile::Nwf).unwrap().to_string(), printed);
        }
        for wrong in ["$A-B", "$A b", "$A[]", "$A[@]", "$A[x]", "$A[1", "$A[@1001]", "A", "$A[99999999999]"] {
            assert!(VariableAccess::parse(wrong, Profile::Nwf).is_err(), "{wrong}");
            assert!(VariableAccess::parse(wrong, Profile::Libvirt).is_err(), "{wrong}");
        }
    }

    #[test]
    fn qr_1_loose_forms_are_refused_in_the_profile_nwf() {
        for loose in ["$A[1]junk", "$", "$[0]"] {
            assert!(VariableAccess::parse(loose, Profile::Nwf).is_err(), "{loose}");
            assert!(VariableAccess::parse(loose, Profile::Libvirt).is_ok(), "{loose}");
        }
        assert!(VariableAccess::parse("$A[-1]", Profile::Nwf).is_err());
    }

    #[test]
    fn res_11_equal_accesses() {
        let parse = |text| VariableAccess::parse(text, Profile::Nwf).unwrap();
        assert_eq!(parse("$A"), parse("$A[@0]"));
        assert_ne!(parse("$A"), parse("$A[@1]"));
        assert_ne!(parse("$A"), parse("$A[0]"));
    }
}
