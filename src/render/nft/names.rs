//! Names and comments in the kernel, and what may stand between quotes (NFT-107, NFT-108).

use std::fmt::Write;

use crate::model::{InterfaceName, Provenance};

/// Longest comment of a rule, in bytes (NFT-64).
const COMMENT_MAX_BYTES: usize = 128;

/// Whether nft can write the name as the key of a map (NFT-66): a `"` ends the text, an asterisk at the end makes
/// a prefix of it, and a backslash may protect either.
pub fn fits_in_a_map(interface: &InterfaceName) -> bool {
    let name = interface.as_str();
    !name.ends_with('*') && !name.contains(['"', '\\'])
}

/// A part of a chain's name: bytes outside `A-Z a-z 0-9 -` become `_` and two hexadecimal digits.
pub fn encode(part: &str) -> String {
    let mut text = String::with_capacity(part.len());
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || byte == b'-' {
            text.push(char::from(byte));
        } else {
            let _ = write!(text, "_{byte:02x}");
        }
    }
    text
}

/// A text that can stand between double quotes: without control characters, `"` made `'`.
pub fn clean(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).map(|c| if c == '"' { '\'' } else { c }).collect()
}

/// The first bytes of a text, at most `length`, up to the end of a character.
fn cut(text: &str, length: usize) -> &str {
    let mut end = length.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}

/// The comment of a rule: where it comes from, a blank, and what the user wrote, in at most 128 bytes. A filter's
/// name that is too long for that is cut, so that number and line stay whole.
pub fn comment(provenance: &Provenance, user: Option<&str>) -> String {
    let mut place = format!(";r={}", provenance.rule);
    if let Some(at) = &provenance.at {
        let _ = write!(place, ";l={}", at.line);
    }
    let name = clean(provenance.filter.as_str());
    let mut text = format!("f={}{place}", cut(&name, COMMENT_MAX_BYTES - "f=".len() - place.len()));
    if let Some(user) = user {
        let user = clean(user);
        let _ = write!(text, " {user}");
        text.truncate(cut(&text, COMMENT_MAX_BYTES).trim_end().len());
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::Location;

    #[test]
    fn nft_108_names_are_encoded() {
        assert_eq!(encode("vnet0"), "vnet0");
        assert_eq!(encode("a_b.c@d-é"), "a_5fb_2ec_40d-_c3_a9");
    }

    #[test]
    fn nft_66_names_that_no_map_takes() {
        let fits = |name: &str| fits_in_a_map(&name.parse().unwrap());
        assert!(fits("vnet0") && fits("a*b") && fits("x+") && fits("a'b") && fits("é$;{}#"));
        assert!(!fits("vnet*") && !fits("a\"b") && !fits("a\\"));
    }

    #[test]
    fn nft_107_comments() {
        let at = Some(Location { file: "x.xml".into(), line: 12, column: 3 });
        let provenance = |filter: &str| Provenance { filter: filter.parse().unwrap(), rule: 3, at: at.clone() };
        assert_eq!(comment(&provenance("web"), None), "f=web;r=3;l=12");
        assert_eq!(comment(&provenance("web"), Some("let\n \"it\" pass\u{7}")), "f=web;r=3;l=12 let 'it' pass");
        assert_eq!(comment(&Provenance { at: None, ..provenance("a\"b") }, Some("")), "f=a'b;r=3");
        let long = comment(&provenance("web"), Some(&"é".repeat(200)));
        assert_eq!(long, format!("f=web;r=3;l=12 {}", "é".repeat(56)));
        let long = comment(&provenance(&"n".repeat(200)), Some("x"));
        assert_eq!(long, format!("f={};r=3;l=12", "n".repeat(COMMENT_MAX_BYTES - 11)));
        assert_eq!(long.len(), COMMENT_MAX_BYTES);
    }
}
