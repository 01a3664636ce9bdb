//! Differences that are known and accepted; each has its row in `docs/quirks.md`.

use crate::filters::Case;
use nwf::model::{Attribute, Role};

/// The row of the table that a frame belongs to under a filter, if any.
pub fn known(case: &Case, frame: &[u8]) -> Option<&'static str> {
    if length_behind_tag(case, frame) {
        return Some("length-behind-tag");
    }
    if cut_header(case, frame) {
        return Some("cut-header");
    }
    None
}

/// A tagged frame with a length where the inner type is, and a rule that asks for that type.
fn length_behind_tag(case: &Case, frame: &[u8]) -> bool {
    let asks =
        case.rules.iter().flat_map(|rule| &rule.items).any(|item| item.row.attribute == Attribute::EncapProtocol);
    let tag = frame.get(12..14) == Some(&[0x81, 0]);
    asks && tag && frame.get(16).is_none_or(|high| *high < 6)
}

/// A frame that ends within the header after Ethernet's, and a test that all values pass.
fn cut_header(case: &Case, frame: &[u8]) -> bool {
    let least = match frame.get(12..14) {
        Some([0x08, 0x00]) => 20,
        Some([0x86, 0xdd]) => 40,
        Some([0x08, 0x06] | [0x80, 0x35]) => 28,
        _ => return false,
    };
    let idle = |rule: &crate::filters::GenRule| {
        rule.items.iter().any(|item| {
            matches!(item.row.role, Role::MaskOf(_)) && item.values.iter().any(|value| value == "0")
                || matches!(item.row.role, Role::EndOf(_))
                || rule.negated && item.values.len() > 1
        })
    };
    frame.len() < 14 + least && case.rules.iter().any(idle)
}
