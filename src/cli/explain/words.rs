//! Rules, places and frames in words, for people.

use std::fmt::Write as _;

use crate::model::{Attribute, Kind, Layer, Protocol, Provenance, Value, format_ipv6};
use crate::ruleset::{
    Expression, Orientation, Placement, Rule, Side, Slot, StateMatch, Test, TypeCode, Verdict, Wheel,
};
use crate::simulate::connections::Tracked;
use crate::simulate::packet::{Frame, ether_type, number};
use crate::simulate::{Match, Miss};

/// How many values of a list are shown.
const LIST_SHOWN: usize = 4;

/// The word for a verdict.
pub fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accept => "accept",
        Verdict::Drop => "drop",
        Verdict::Reject => "reject",
        Verdict::Return => "return",
        Verdict::Continue => "continue",
    }
}

/// The word for a side, as the guest sees it.
pub fn direction(side: Side) -> &'static str {
    match side {
        Side::FromGuest => "out",
        Side::ToGuest => "in",
    }
}

/// `clean-traffic rule 3 (clean-traffic.xml:20)`.
pub fn place(provenance: &Provenance) -> String {
    let Provenance { filter, rule, at } = provenance;
    match at {
        Some(at) => format!("{filter} rule {rule} ({}:{})", at.file, at.line),
        None => format!("{filter} rule {rule}"),
    }
}

/// A rule as it reads in a chain: `drop arp arpsrcipaddr!=10.0.0.5`; mirrored, with source and destination exchanged.
pub fn rule(rule: &Rule, orientation: Orientation) -> String {
    let placement = Placement { side: Side::FromGuest, orientation, state: None };
    let mut text = verdict(rule.verdict).to_owned();
    if let Some(protocol) = rule.protocol {
        let _ = write!(text, " {protocol}");
    }
    for expression in placement.expressions(rule) {
        let _ = write!(text, " {}", self::expression(rule.protocol, &expression, &rule.wheels));
    }
    match &rule.state {
        StateMatch::Explicit(set) => {
            let names: Vec<&str> = set.states().iter().map(|state| state.name()).collect();
            let _ = write!(text, " state={}", names.join(","));
        }
        StateMatch::Off => text.push_str(" statematch=false"),
        StateMatch::Automatic => {}
    }
    if orientation == Orientation::Mirrored && !rule.expressions.is_empty() {
        text.push_str(" (mirrored)");
    }
    text
}

fn expression(protocol: Option<Protocol>, expression: &Expression, wheels: &[Wheel]) -> String {
    let Expression { attribute, negated, test } = expression;
    let kind = kind(protocol, *attribute);
    let equal = if *negated { "!=" } else { "=" };
    let slot = |slot: &Slot, kind: Kind| values(slot, kind, wheels);
    match test {
        Test::Is(value) => format!("{attribute}{equal}{}", slot(value, kind)),
        Test::Masked { value, mask } => {
            let mask_kind = match kind {
                Kind::Mac => Kind::MacMask,
                Kind::Ipv6 => Kind::Mask6,
                _ => Kind::Mask4,
            };
            format!("{attribute}{equal}{}/{}", slot(value, kind), slot(mask, mask_kind))
        }
        Test::Range { start, end } => format!("{attribute}{equal}{}-{}", slot(start, kind), slot(end, kind)),
        Test::TypeCode(TypeCode { type_start, type_end, code_start, code_end }) => {
            let range = |start: &Slot, end: &Slot| {
                let (start, end) = (slot(start, Kind::U8), slot(end, Kind::U8));
                if start == end { start } else { format!("{start}-{end}") }
            };
            let (types, codes) = (range(type_start, type_end), range(code_start, code_end));
            if codes == "0-255" { format!("type{equal}{types}") } else { format!("type/code{equal}{types}/{codes}") }
        }
        Test::InSet { name, flags } => {
            let flags = Value::IpSetFlags(flags.clone()).print(Kind::IpSetFlags);
            format!("ipset{equal}{}({flags})", slot(name, Kind::IpSet))
        }
    }
}

/// The kind of an attribute's values.
fn kind(protocol: Option<Protocol>, attribute: Attribute) -> Kind {
    let row = protocol.and_then(|protocol| protocol.row(attribute)).or_else(|| Protocol::Mac.row(attribute));
    row.map_or(Kind::Text, |row| row.kind)
}

fn values(slot: &Slot, kind: Kind, wheels: &[Wheel]) -> String {
    let values = slot.values(wheels);
    let print = |value: &Value| match (kind, value.number()) {
        // Ethernet types are known by their hexadecimal numbers.
        (Kind::EtherType | Kind::VlanType, Some(number)) => Value::Hex(number).print(kind),
        _ => value.print(kind),
    };
    if let [value] = values {
        return print(value);
    }
    let shown: Vec<String> = values.iter().take(LIST_SHOWN).map(print).collect();
    let more = if values.len() > LIST_SHOWN { format!(", ... {} values", values.len()) } else { String::new() };
    format!("{{{}{more}}}", shown.join(", "))
}

/// Why a rule does not match; empty if it does.
pub fn because(rule: &Rule, outcome: &Match, tracked: Option<&Tracked>) -> String {
    match outcome {
        Match::Yes => String::new(),
        Match::Unknown(set) => format!("nobody told what is in the IP set `{set}`"),
        Match::No(Miss::Protocol) => "another protocol".to_owned(),
        Match::No(Miss::Absent(attribute)) => format!("the frame has no {attribute} to compare"),
        Match::No(Miss::Differs(attribute, Some(number))) => {
            format!("{attribute} is {}", print_number(kind(rule.protocol, *attribute), *number))
        }
        Match::No(Miss::Differs(attribute, None)) => format!("{attribute} does not hold"),
        Match::No(Miss::State) => {
            let state = tracked.map_or("not known", |tracked| tracked.state.name());
            let half = tracked.and_then(|tracked| tracked.direction).map_or("", half);
            format!("the connection is {state}{half}")
        }
        Match::No(Miss::Limit) => "the limit of connections is not passed".to_owned(),
    }
}

fn half(direction: crate::ruleset::ConnectionDirection) -> &'static str {
    match direction {
        crate::ruleset::ConnectionDirection::Original => ", in its first direction",
        crate::ruleset::ConnectionDirection::Reply => ", in the direction of answers",
    }
}

/// A number of a packet, as values of that kind are written.
fn print_number(kind: Kind, number: u128) -> String {
    let small = u32::try_from(number);
    match (kind, small) {
        (Kind::Mac, _) => {
            let bytes = number.to_be_bytes();
            let octets = bytes.last_chunk::<6>().copied().unwrap_or_default();
            crate::model::MacAddr::new(octets).to_string()
        }
        (Kind::Ipv4, Ok(address)) => std::net::Ipv4Addr::from(address).to_string(),
        (Kind::Ipv6, _) => format_ipv6(number.into()),
        (Kind::TcpFlags, _) => flags(number),
        (Kind::EtherType | Kind::VlanType, Ok(number)) => Value::Hex(number).print(kind),
        (_, Ok(number)) => Value::Number(number).print(kind),
        (_, Err(_)) => number.to_string(),
    }
}

fn flags(bits: u128) -> String {
    const NAMES: [(&str, u128); 6] = [("FIN", 1), ("SYN", 2), ("RST", 4), ("PSH", 8), ("ACK", 16), ("URG", 32)];
    let names: Vec<&str> = NAMES.iter().filter(|(_, bit)| bits & bit != 0).map(|(name, _)| *name).collect();
    if names.is_empty() { "NONE".to_owned() } else { names.join(",") }
}

/// A frame on one line.
pub fn frame(bytes: &[u8]) -> String {
    let frame = Frame::decode(bytes);
    let (Some(source), Some(destination), Some(kind)) = (frame.source(), frame.destination(), frame.ether_type())
    else {
        return format!("{} bytes, no whole Ethernet header", bytes.len());
    };
    let mut text = format!("{source} > {destination}");
    let mut add = |part: String| {
        text.push_str(", ");
        text.push_str(&part);
    };
    let bits = |offset, width| frame.network_bits(offset, width).unwrap_or_default();
    let ipv4 = |offset| print_number(Kind::Ipv4, bits(offset, 32));
    match kind {
        ether_type::IPV4 | ether_type::IPV6 => add(packet(&frame)),
        ether_type::ARP | ether_type::RARP => {
            let name = if kind == ether_type::ARP { "ARP" } else { "RARP" };
            let operation = print_number(Kind::ArpOperation, bits(48, 16));
            let mac = |offset| print_number(Kind::Mac, bits(offset, 48));
            let (sender, target) = (mac(64), mac(144));
            add(format!("{name} {operation}, {} ({sender}) > {} ({target})", ipv4(112), ipv4(192)));
        }
        _ => match frame.vlan() {
            Some((id, inner)) => add(format!("VLAN {id}, type {inner:#06x}")),
            None if frame.is_spanning_tree() => add("spanning tree".to_owned()),
            None => add(format!("type {kind:#06x}")),
        },
    }
    text
}

fn packet(frame: &Frame<'_>) -> String {
    let family = if frame.ether_type() == Some(ether_type::IPV4) { "IPv4" } else { "IPv6" };
    let Some((source, destination)) = frame.addresses() else { return format!("{family}, cut off") };
    let addresses = format!("{family} {source} > {destination}");
    let Some(upper) = frame.upper() else { return format!("{addresses}, malformed or cut off") };
    let name = match upper.protocol {
        number::TCP => "TCP",
        number::UDP => "UDP",
        number::UDPLITE => "UDP-Lite",
        number::SCTP => "SCTP",
        number::ICMP => "ICMP",
        number::ICMPV6 => "ICMPv6",
        number::IGMP => "IGMP",
        number::ESP => "ESP",
        number::AH => "AH",
        other => return format!("{addresses}, protocol {other}"),
    };
    if upper.header.is_none() {
        return format!("{addresses}, {name}, later fragment");
    }
    let bits = |offset, width| frame.transport_bits(offset, width);
    let more = match upper.protocol {
        number::TCP | number::UDP | number::UDPLITE | number::SCTP => {
            bits(0, 16).zip(bits(16, 16)).map(|(source, destination)| format!(" {source} > {destination}"))
        }
        number::ICMP | number::ICMPV6 => bits(0, 8).zip(bits(8, 8)).map(|(kind, code)| format!(" {kind}/{code}")),
        _ => Some(String::new()),
    };
    let flags = bits(106, 6).filter(|_| upper.protocol == number::TCP).map(|bits| format!(" {}", flags(bits)));
    match more {
        Some(more) => format!("{addresses}, {name}{more}{}", flags.unwrap_or_default()),
        None => format!("{addresses}, {name}, cut off"),
    }
}

/// Which frames enter a chain.
pub fn entry(prefix: crate::model::ChainPrefix) -> &'static str {
    use crate::model::ChainPrefix as C;
    match prefix {
        C::Root | C::Mac => "every frame",
        C::Vlan => "VLAN",
        C::Stp => "spanning tree",
        C::Arp => "ARP",
        C::Rarp => "RARP",
        C::Ipv4 => "IPv4",
        C::Ipv6 => "IPv6",
    }
}

/// The name of a layer.
pub fn layer(layer: Layer) -> &'static str {
    match layer {
        Layer::Ethernet => "Ethernet layer",
        Layer::Ipv4 => "IPv4",
        Layer::Ipv6 => "IPv6",
    }
}

/// Bytes as pairs of digits.
pub fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
