//! Differences that are known and accepted; each has its row in `docs/quirks.md`.

use crate::bench::Rules;
use crate::filters::Case;
use nwf::model::{Attribute, Profile, Protocol, Role};

/// A name, and whether a frame belongs to that row under a filter.
type Row = (&'static str, fn(&Case, &[u8]) -> bool);

/// The row of the table that a frame belongs to under a filter, if any.
pub fn known(rules: Rules, case: &Case, frame: &[u8]) -> Option<&'static str> {
    let rows: &[Row] = match rules {
        Rules::Nft => &[("length-behind-tag", length_behind_tag), ("cut-header", cut_header)],
        Rules::Xtables => &[
            ("length-behind-tag", length_behind_tag),
            ("vlan-encap", vlan_encap),
            ("stp-fields", stp_fields),
            ("stp-llc", stp_llc),
            ("ipv6-extensions", ipv6_extensions),
            ("ipv4-fragment", ipv4_fragment),
            ("arp-lengths", arp_lengths),
            ("inverted-ports", inverted_ports),
        ],
    };
    rows.iter().find(|(_, holds)| holds(case, frame)).map(|(name, _)| *name)
}

fn is_spanning_tree(frame: &[u8]) -> bool {
    frame.starts_with(&[0x01, 0x80, 0xc2, 0, 0, 0])
}

fn rules_of(case: &Case, wanted: Protocol) -> impl Iterator<Item = &crate::filters::GenRule> {
    case.rules.iter().filter(move |rule| rule.protocol == Some(wanted))
}

/// ebtables reads the fields of spanning tree one byte too early; the profile `libvirt` takes that.
fn stp_fields(case: &Case, frame: &[u8]) -> bool {
    case.profile == Profile::Libvirt && is_spanning_tree(frame) && rules_of(case, Protocol::Stp).next().is_some()
}

/// ebtables reads the number behind `--vlan-encap` as hexadecimal; libvirt writes it decimal.
fn vlan_encap(case: &Case, frame: &[u8]) -> bool {
    let asks =
        |rule: &crate::filters::GenRule| rule.items.iter().any(|item| item.row.attribute == Attribute::EncapProtocol);
    case.profile == Profile::Libvirt && frame.get(12..14) == Some(&[0x81, 0]) && case.rules.iter().any(asks)
}

/// ebtables cannot ask whether the LLC header is that of spanning tree.
fn stp_llc(case: &Case, frame: &[u8]) -> bool {
    is_spanning_tree(frame)
        && rules_of(case, Protocol::Stp).next().is_some()
        && frame.get(14..19) != Some(&[0x42, 0x42, 3, 0, 0])
}

/// ebtables also skips AH, stops at 59 (nothing follows), and knows no protocol of a later fragment.
fn ipv6_extensions(case: &Case, frame: &[u8]) -> bool {
    frame.get(12..14) == Some(&[0x86, 0xdd])
        && frame.get(20).is_some_and(|next| [0_u8, 43, 44, 51, 59, 60].contains(next))
        && case.rules.iter().any(|rule| rule.protocol.is_some())
}

/// ebtables looks for the target where the lengths in the header say it is.
fn arp_lengths(case: &Case, frame: &[u8]) -> bool {
    matches!(frame.get(12..14), Some([0x08, 0x06] | [0x80, 0x35]))
        && frame.get(18..20).is_some_and(|lengths| lengths != [6, 4])
        && case.rules.iter().any(|rule| matches!(rule.protocol, Some(Protocol::Arp | Protocol::Rarp)))
}

/// iptables-nft reads ports in later fragments, where there are none; the profile `nwf` asks for first fragments.
fn ipv4_fragment(case: &Case, frame: &[u8]) -> bool {
    let later = |frame: &[u8]| Some(u16::from_be_bytes([*frame.get(20)?, *frame.get(21)?]) & 0x1fff != 0);
    case.profile == Profile::Libvirt
        && frame.get(12..14) == Some(&[0x08, 0x00])
        && later(frame) == Some(true)
        && [Protocol::Tcp, Protocol::Udp, Protocol::Sctp, Protocol::Icmp]
            .iter()
            .any(|protocol| rules_of(case, *protocol).next().is_some())
}

/// iptables-nft compares two inverted ports at once; the profile `nwf` keeps them apart.
fn inverted_ports(case: &Case, _: &[u8]) -> bool {
    let has = |rule: &crate::filters::GenRule, port| rule.items.iter().any(|item| item.row.attribute == port);
    case.profile == Profile::Libvirt
        && case
            .rules
            .iter()
            .any(|rule| rule.negated && has(rule, Attribute::SrcPortStart) && has(rule, Attribute::DstPortStart))
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
        // The LLC header and a configuration message.
        _ if is_spanning_tree(frame) => 3 + 35,
        Some([0x08, 0x00]) => 20,
        Some([0x86, 0xdd]) => 40,
        Some([0x08, 0x06] | [0x80, 0x35]) => 28,
        _ => return false,
    };
    let idle = |rule: &crate::filters::GenRule| {
        rule.items.iter().any(|item| {
            matches!(item.row.role, Role::MaskOf(_))
                && item.values.iter().any(|value| value == "0" || value == "00:00:00:00:00:00")
                || matches!(item.row.role, Role::EndOf(_))
                || rule.negated && item.values.len() > 1
        })
    };
    frame.len() < 14 + least && case.rules.iter().any(idle)
}
