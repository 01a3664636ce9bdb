//! Filters over the whole language that knows no connections.

use crate::bench::Count;
use crate::dice::Dice;
use crate::lab::{GUEST_MAC, PEER_MAC};
use nwf::leases::Leases;
use nwf::model::{Attribute, FieldRow, Kind, Layer, Parameters, Profile, Protocol, Role};
use nwf::plan::Features;
use nwf::render::nft::Nft;
use nwf::render::{Options, plan};
use nwf::resolve::store::MemoryStore;
use nwf::resolve::{Limits, Target, resolve};
use nwf::ruleset::{Ruleset, Side};

/// Every protocol, those with many fields more often.
const PROTOCOLS: &[Option<Protocol>] = &[
    None,
    Some(Protocol::Mac),
    Some(Protocol::Mac),
    Some(Protocol::Vlan),
    Some(Protocol::Vlan),
    Some(Protocol::Stp),
    Some(Protocol::Stp),
    Some(Protocol::Arp),
    Some(Protocol::Arp),
    Some(Protocol::Arp),
    Some(Protocol::Rarp),
    Some(Protocol::Rarp),
    Some(Protocol::Ip),
    Some(Protocol::Ip),
    Some(Protocol::Ip),
    Some(Protocol::Ip),
    Some(Protocol::Ipv6),
    Some(Protocol::Ipv6),
    Some(Protocol::Ipv6),
    Some(Protocol::Ipv6),
    Some(Protocol::Tcp),
    Some(Protocol::Tcp),
    Some(Protocol::Udp),
    Some(Protocol::Udp),
    Some(Protocol::Icmp),
    Some(Protocol::Icmp),
    Some(Protocol::All),
    Some(Protocol::Igmp),
    Some(Protocol::Sctp),
    Some(Protocol::Esp),
    Some(Protocol::Ah),
    Some(Protocol::Udplite),
    Some(Protocol::TcpIpv6),
    Some(Protocol::TcpIpv6),
    Some(Protocol::UdpIpv6),
    Some(Protocol::UdpIpv6),
    Some(Protocol::Icmpv6),
    Some(Protocol::Icmpv6),
    Some(Protocol::AllIpv6),
    Some(Protocol::SctpIpv6),
    Some(Protocol::EspIpv6),
    Some(Protocol::AhIpv6),
    Some(Protocol::UdpliteIpv6),
];

/// Chains beside `root`.
const CHAINS: &[&str] =
    &["mac", "vlan", "stp", "arp", "rarp", "ipv4", "ipv6", "mac-x", "vlan-x", "stp-x", "arp-x", "ipv4-x", "ipv6-x"];

/// An attribute of a rule: one value, or a list that a variable has.
#[derive(Debug, Clone)]
pub struct Item {
    /// Which attribute.
    pub row: &'static FieldRow,
    /// Its values.
    pub values: Vec<String>,
    /// How it stands in the filter, if by a variable: name and text.
    pub variable: Option<(String, String)>,
}

/// A rule.
#[derive(Debug, Clone)]
pub struct GenRule {
    /// In which filter it is; 0 is the one on top.
    pub filter: usize,
    /// Its action.
    pub action: &'static str,
    /// Its direction.
    pub direction: &'static str,
    /// Its priority.
    pub priority: Option<i32>,
    /// What it is about.
    pub protocol: Option<Protocol>,
    /// `match='no'`.
    pub negated: bool,
    /// What it asks.
    pub items: Vec<Item>,
}

/// A filter, or several that belong together, and frames for it.
#[derive(Debug, Clone)]
pub struct Case {
    /// Its seed.
    pub seed: u64,
    /// How it is read.
    pub profile: Profile,
    /// The chains of the filters that the one on top refers to, and their priorities.
    pub chains: Vec<(&'static str, Option<i32>)>,
    /// The rules.
    pub rules: Vec<GenRule>,
    /// The frames, by the side that they meet.
    pub frames: Vec<(Side, Vec<u8>)>,
}

impl Case {
    /// The filters as XML, the one on top first.
    pub fn xml(&self) -> Vec<String> {
        (0..=self.chains.len())
            .map(|filter| {
                let mut xml = match filter.checked_sub(1).map(|index| self.chains[index]) {
                    None => "<filter name='case' chain='root'>\n".to_owned(),
                    Some((chain, None)) => format!("<filter name='case-{filter}' chain='{chain}'>\n"),
                    Some((chain, Some(priority))) => {
                        format!("<filter name='case-{filter}' chain='{chain}' priority='{priority}'>\n")
                    }
                };
                for rule in self.rules.iter().filter(|rule| rule.filter == filter) {
                    rule.write(&mut xml);
                }
                if filter == 0 {
                    for other in 1..=self.chains.len() {
                        xml.push_str(&format!("  <filterref filter='case-{other}'/>\n"));
                    }
                }
                xml.push_str("</filter>\n");
                xml
            })
            .collect()
    }

    /// The variables, as `NAME=VALUE` lines.
    pub fn parameters(&self) -> String {
        let items = self.rules.iter().flat_map(|rule| &rule.items);
        let variables = items.filter_map(|item| Some((&item.variable.as_ref()?.0, &item.values)));
        variables.flat_map(|(name, values)| values.iter().map(move |value| format!("{name}={value}\n"))).collect()
    }

    /// What it is resolved to; an error where the XML or the values are refused.
    pub fn ruleset(&self) -> Result<Ruleset, String> {
        let mut read = Vec::new();
        for xml in self.xml() {
            let outcome = nwf::xml::read(&xml, "case.xml", self.profile);
            if let Some(problem) = outcome.problems.iter().find(|problem| problem.is_error()) {
                return Err(format!("XML: {problem:?}"));
            }
            read.extend(outcome.filters.filters);
        }
        let mut parameters = Parameters::new();
        for line in self.parameters().lines() {
            let (name, value) = line.split_once('=').unwrap();
            parameters.entry(name.parse().unwrap()).or_default().push(value.to_owned());
        }
        let target = Target {
            interface: "vnet0".parse().unwrap(),
            mac: Some(GUEST_MAC.parse().unwrap()),
            filter: Some(read[0].name.clone()),
            parameters,
            binding: None,
        };
        let store = MemoryStore::new(read);
        let outcome = resolve(&[target], &store, &Leases::default(), self.profile, Limits::default(), false);
        outcome.map(|outcome| outcome.ruleset).map_err(|errors| format!("resolution: {errors:?}"))
    }
}

impl GenRule {
    fn write(&self, xml: &mut String) {
        let Self { action, direction, .. } = self;
        xml.push_str(&format!("  <rule action='{action}' direction='{direction}'"));
        if let Some(priority) = self.priority {
            xml.push_str(&format!(" priority='{priority}'"));
        }
        if *action == "accept" || self.protocol.is_some_and(|protocol| protocol.layer() != Layer::Ethernet) {
            xml.push_str(" statematch='false'");
        }
        let Some(protocol) = self.protocol else {
            xml.push_str("/>\n");
            return;
        };
        xml.push_str(&format!(">\n    <{protocol}"));
        if self.negated {
            xml.push_str(" match='no'");
        }
        for item in &self.items {
            let text = item.variable.as_ref().map_or(&item.values[0], |(_, text)| text);
            xml.push_str(&format!(" {}='{text}'", item.row.attribute));
        }
        xml.push_str("/>\n  </rule>\n");
    }
}

/// A case without frames, all of whose rules are taken.
pub fn case(dice: &mut Dice, seed: u64, profile: Profile, count: &mut Count) -> Case {
    let mut chains: Vec<(&'static str, Option<i32>)> = Vec::new();
    for _ in 0..dice.below(4) {
        let chain = dice.pick(CHAINS);
        if chains.iter().all(|(known, _)| *known != chain) {
            let priority = if dice.chance(50) { Some(dice.pick(&[-999, -500, -10, 0, 10, 700])) } else { None };
            chains.push((chain, priority));
        }
    }
    let mut case = Case { seed, profile, chains, rules: Vec::new(), frames: Vec::new() };
    let wanted = 1 + dice.below(8);
    let family = dice.pick(PROTOCOLS);
    let mut name = 0;
    for _ in 0..200 {
        if case.rules.len() >= wanted {
            break;
        }
        let filter = dice.below(case.chains.len() + 1);
        // Rules about the same thing come across each other.
        let mut protocol = if dice.chance(30) { family } else { dice.pick(PROTOCOLS) };
        if let Some((chain, _)) = filter.checked_sub(1).map(|index| case.chains[index])
            && dice.chance(70)
        {
            let prefix = chain.split('-').next().unwrap();
            protocol = match prefix {
                "ipv4" => Some(Protocol::Ip),
                other => other.parse().ok(),
            };
        }
        let rule = rule(dice, filter, protocol, &mut name);
        let alone = Case { rules: vec![rule.clone()], frames: Vec::new(), ..case.clone() };
        let fits = alone.ruleset().and_then(|ruleset| {
            let options = Options { scope: None, features: Some(Features::none()) };
            plan(&ruleset, &Nft, &options).map(drop).map_err(|errors| format!("rendering: {errors:?}"))
        });
        match fits {
            Ok(()) => case.rules.push(rule),
            Err(why) => count.refused(&why),
        }
    }
    case
}

fn rule(dice: &mut Dice, filter: usize, protocol: Option<Protocol>, name: &mut usize) -> GenRule {
    let action = match protocol {
        // A rule about everything hides the others.
        None => dice.pick(&["continue", "return", "accept", "drop"]),
        Some(_) => dice.pick(&["accept", "drop", "drop", "drop", "reject", "return", "continue"]),
    };
    let mut rule = GenRule {
        filter,
        action,
        direction: dice.pick(&["in", "out", "inout", "inout"]),
        priority: if dice.chance(50) { Some(dice.pick(&[-1000, -800, -501, -500, 0, 100, 500, 999])) } else { None },
        protocol,
        negated: dice.chance(25),
        items: Vec::new(),
    };
    let Some(protocol) = protocol else { return rule };
    let leaders: Vec<&'static FieldRow> = protocol
        .rows()
        .iter()
        .filter(|row| row.role == Role::Leader)
        .filter(|row| !matches!(row.attribute, Attribute::ConnlimitAbove | Attribute::State | Attribute::IpSet))
        .collect();
    let most = dice.pick(&[0, 1, 1, 1, 2, 2, 2, 3, 4]);
    let mut lists = dice.chance(30);
    for _ in 0..most {
        let row = dice.pick(&leaders);
        if rule.items.iter().any(|item| item.row.attribute == row.attribute) {
            continue;
        }
        // An address and a range of addresses exclude each other in effect.
        let ports = matches!(row.attribute, Attribute::SrcPortStart | Attribute::DstPortStart);
        let needs = ports && matches!(protocol, Protocol::Ip | Protocol::Ipv6);
        if needs && !rule.items.iter().any(|item| item.row.attribute == Attribute::Protocol) {
            let row = protocol.row(Attribute::Protocol).unwrap();
            let value = dice.pick(&["tcp", "udp", "sctp", "udplite", "17"]).to_owned();
            rule.items.push(Item { row, values: vec![value], variable: None });
        }
        if row.attribute == Attribute::Type && protocol == Protocol::Ipv6 {
            rule.items.retain(|item| item.row.attribute != Attribute::Protocol);
            let row = protocol.row(Attribute::Protocol).unwrap();
            rule.items.push(Item { row, values: vec!["icmpv6".to_owned()], variable: None });
        }
        let list = lists && row.allows_variable() && dice.chance(60);
        let wheel = if dice.chance(30) { 1 + dice.below(2) } else { 0 };
        let length = if list { 2 + usize::from(wheel == 1) } else { 1 };
        let values: Vec<String> = (0..length).map(|_| value(dice, row.kind, row.attribute)).collect();
        let variable = list.then(|| {
            *name += 1;
            let text = match wheel {
                0 => format!("$V{name}"),
                wheel => format!("$V{name}[@{wheel}]"),
            };
            (format!("V{name}"), text)
        });
        let first = values[0].clone();
        rule.items.push(Item { row, values, variable });
        for other in protocol.rows() {
            let values = match other.role {
                Role::MaskOf(of) if of == row.attribute && dice.chance(50) => {
                    vec![value(dice, other.kind, other.attribute)]
                }
                Role::EndOf(of) if of == row.attribute && !list && dice.chance(60) => {
                    vec![end(dice, other.kind, &first)]
                }
                Role::CodeOf(of) if of == row.attribute && dice.chance(60) => {
                    vec![dice.pick(&["0", "1", "4", "255"]).to_owned()]
                }
                _ => continue,
            };
            rule.items.push(Item { row: other, values, variable: None });
        }
        lists |= dice.chance(5);
    }
    if dice.chance(40)
        && let Some(code) = rule.items.iter().find(|item| item.row.attribute == Attribute::Code).cloned()
        && let Some(row) = protocol.row(Attribute::CodeEnd)
    {
        rule.items.push(Item { row, values: vec![end(dice, Kind::U8, &code.values[0])], variable: None });
    }
    // In documents attributes stand in the order of the table; so they do here.
    rule.items.sort_by_key(|item| protocol.rows().iter().position(|row| row.attribute == item.row.attribute));
    rule
}

/// The end of a range that begins with a value.
fn end(dice: &mut Dice, kind: Kind, start: &str) -> String {
    let more = dice.pick(&[0_u32, 1, 2, 9, 200]);
    if let Some((_, most)) = kind.range() {
        let start: u32 = start.parse().unwrap_or(0);
        return start.saturating_add(more).min(most).to_string();
    }
    match kind {
        Kind::Ipv4 => {
            let start: std::net::Ipv4Addr = start.parse().unwrap();
            std::net::Ipv4Addr::from(u32::from(start).saturating_add(more)).to_string()
        }
        Kind::Ipv6 => {
            let start: std::net::Ipv6Addr = start.parse().unwrap();
            std::net::Ipv6Addr::from(u128::from(start).saturating_add(more.into())).to_string()
        }
        other => panic!("{other:?} has no ranges"),
    }
}

fn value(dice: &mut Dice, kind: Kind, attribute: Attribute) -> String {
    if attribute == Attribute::Option {
        return dice.pick(&["2", "3", "4", "8", "254"]).to_owned();
    }
    let words: &[&str] = match kind {
        Kind::Mac => &[
            GUEST_MAC,
            GUEST_MAC,
            PEER_MAC,
            PEER_MAC,
            "52:54:00:11:22:32",
            "ff:ff:ff:ff:ff:ff",
            "33:33:00:00:00:01",
            "01:80:c2:00:00:00",
            "00:00:00:00:00:00",
        ],
        Kind::MacMask => &[
            "ff:ff:ff:00:00:00",
            "ff:ff:ff:ff:ff:ff",
            "ff:ff:ff:ff:ff:fe",
            "80:00:00:00:00:00",
            "ff:ff:fe:00:00:00",
            "00:00:00:00:00:00",
        ],
        Kind::Ipv4 => {
            &["10.0.0.5", "10.0.0.5", "10.0.0.1", "10.0.0.4", "10.0.1.0", "0.0.0.0", "255.255.255.255", "224.0.0.1"]
        }
        Kind::Mask4 => &["32", "31", "30", "24", "23", "8", "1", "0", "255.255.255.0"],
        Kind::Ipv6 => &[
            "2001:db8::5",
            "2001:db8::5",
            "2001:db8::1",
            "2001:db8::4",
            "fe80::5",
            "::",
            "ff02::1",
            "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
        ],
        Kind::Mask6 => &["128", "127", "126", "64", "65", "10", "1", "0", "ffff:ffff::"],
        Kind::Bool => &["true"],
        Kind::EtherType => &["ipv4", "ipv6", "arp", "rarp", "vlan", "0x88cc", "1536", "0x600", "65535"],
        Kind::VlanType => &["ipv4", "ipv6", "arp", "60", "0x88cc", "vlan"],
        Kind::VlanId => &["0", "1", "5", "256", "4094", "4095"],
        Kind::ArpOperation => &["Request", "Reply", "3", "4", "0", "65535", "0x100"],
        Kind::IpProtocol => {
            &["tcp", "tcp", "udp", "udp", "icmp", "icmpv6", "igmp", "sctp", "esp", "ah", "47", "0", "255", "59", "44"]
        }
        Kind::Dscp => &["0", "1", "8", "46", "63"],
        Kind::TcpFlags => &[
            "SYN/SYN",
            "SYN,ACK/SYN",
            "SYN,ACK,FIN,RST/NONE",
            "ALL/ALL",
            "ALL/NONE",
            "ALL/SYN,ACK",
            "FIN,URG/URG",
            "NONE/NONE",
        ],
        Kind::U8 => &["0", "1", "2", "3", "8", "128", "136", "255"],
        Kind::U16 | Kind::U16Decimal => &["0", "1", "2", "6", "53", "80", "256", "2048", "32768", "65534", "65535"],
        Kind::U32 => &["0", "1", "4", "65536", "4294967295"],
        other => panic!("{other:?} has no values here"),
    };
    dice.pick(words).to_owned()
}
