//! Protocol attributes as fields of nft (NFT-122): which key, which guards, which alternatives.

use std::collections::BTreeSet;

use super::key::Key;
use crate::model::{Attribute, Layer, Profile, Protocol, Value};
use crate::ruleset::{Expression, Rule, Slot, Test, TypeCode};

/// What must hold before a field may be read. The order is that of the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Guard {
    /// The frame's type, as ebtables reads it: a tagged frame is of type 0x8100 (NFT-40).
    EtherType(&'static str),
    /// Spanning tree goes to one address; its LLC header and protocol number tell it from what else does.
    SpanningTree,
    /// The fields behind a spanning-tree message's type are those of a configuration message only.
    StpConfiguration,
    /// The protocol behind the IP header and its extensions.
    L4Proto(u8),
    /// Not a later fragment, which has no transport header (NFT-47).
    FirstFragment,
    /// The same of IPv6, which has no field for it: three bytes behind the headers can be read, whatever they are.
    /// A test of one, two or four bytes is done on later fragments too, at a place that the sender chooses; one
    /// of three bytes is not (NFT-47).
    TransportHeader,
    /// ARP for hardware of type Ethernet (NFT-43).
    ArpHardware,
    /// ARP with protocol addresses of type IPv4.
    ArpProtocol,
    /// ARP with hardware addresses of six bytes.
    ArpHardwareLength,
    /// ARP with protocol addresses of four bytes.
    ArpProtocolLength,
    /// The same four of reverse ARP, which nft reads as bytes only.
    RarpHardware,
    /// See [`Guard::RarpHardware`].
    RarpProtocol,
    /// See [`Guard::RarpHardware`].
    RarpHardwareLength,
    /// See [`Guard::RarpHardware`].
    RarpProtocolLength,
}

impl std::fmt::Display for Guard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Guard::EtherType(name) => return write!(f, "ether type {name}"),
            Guard::L4Proto(number) => return write!(f, "meta l4proto {number}"),
            Guard::SpanningTree => "ether daddr 01:80:c2:00:00:00 @nh,0,40 0x4242030000",
            Guard::StpConfiguration => "@nh,48,8 0x00",
            Guard::FirstFragment => "ip frag-off & 0x1fff == 0",
            Guard::TransportHeader => "@th,0,24 0x000000-0xffffff",
            Guard::ArpHardware => "arp htype 1",
            Guard::ArpProtocol => "arp ptype ip",
            Guard::ArpHardwareLength => "arp hlen 6",
            Guard::ArpProtocolLength => "arp plen 4",
            Guard::RarpHardware => "@nh,0,16 1",
            Guard::RarpProtocol => "@nh,16,16 0x0800",
            Guard::RarpHardwareLength => "@nh,32,8 6",
            Guard::RarpProtocolLength => "@nh,40,8 4",
        })
    }
}

/// What a field is compared with.
#[derive(Debug, Clone, Copy)]
pub enum Bounds<'a> {
    /// One value.
    One(&'a Slot),
    /// The values that begin like this one.
    Masked(&'a Slot, &'a Slot),
    /// Both included.
    Range(&'a Slot, &'a Slot),
}

/// One test of a packet.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    /// The attribute that it comes from, for messages.
    pub attribute: Attribute,
    /// Whether it is inverted.
    pub negated: bool,
    /// What is tested.
    pub what: What<'a>,
}

/// The kinds of tests.
#[derive(Debug, Clone, Copy)]
pub enum What<'a> {
    /// A field lies in an interval.
    Field(Key, Bounds<'a>),
    /// TCP flags.
    TcpFlags(&'a Slot),
    /// A TCP option is there.
    TcpOption(&'a Slot),
    /// A text without values.
    Text(&'static str),
}

impl<'a> Item<'a> {
    /// The slots of the test.
    pub fn slots(&self) -> Vec<&'a Slot> {
        match self.what {
            What::Field(_, Bounds::One(slot)) | What::TcpFlags(slot) | What::TcpOption(slot) => vec![slot],
            What::Field(_, Bounds::Masked(one, other) | Bounds::Range(one, other)) => vec![one, other],
            What::Text(_) => Vec::new(),
        }
    }
}

/// Why an expression cannot be written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unwritable {
    /// Not yet: what, with its article and quotes.
    NotYet(&'static str),
    /// An IP set.
    IpSet,
    /// Something else must be in the rule.
    NeedsProtocol(&'static str),
    /// No reader of XML makes it.
    Malformed(String),
}

/// The tests of a rule: guards that hold in each of the alternatives, each of which is a list of tests.
#[derive(Debug, Default)]
pub struct Shape<'a> {
    /// What must hold.
    pub guards: BTreeSet<Guard>,
    /// The rule matches what one of these matches; a single, empty one matches all that passes the guards.
    pub alternatives: Vec<Vec<Item<'a>>>,
}

/// Two addresses of an ARP packet are equal: byte by byte, since nft compares no two fields (NFT-51).
const SAME_BYTES: [&str; 4] = [
    "@nh,112,8 . @nh,192,8 @same",
    "@nh,120,8 . @nh,200,8 @same",
    "@nh,128,8 . @nh,208,8 @same",
    "@nh,136,8 . @nh,216,8 @same",
];
/// One byte of them differs; negated, the whole test is four rules (D18).
const DIFFERENT_BYTES: [&str; 4] = [
    "@nh,112,8 . @nh,192,8 != @same",
    "@nh,120,8 . @nh,200,8 != @same",
    "@nh,128,8 . @nh,208,8 != @same",
    "@nh,136,8 . @nh,216,8 != @same",
];

/// IP protocols whose header begins with two ports: tcp, udp, dccp, sctp, udplite.
const WITH_PORTS: [u32; 5] = [6, 17, 33, 132, 136];
const ICMPV6: u8 = 58;

/// Turns the tests of a rule, as they read in one chain, into fields. An expression without a place in the packet is
/// told with its attribute.
pub fn shape<'a>(
    rule: &Rule,
    expressions: &'a [Expression],
    profile: Profile,
) -> Result<Shape<'a>, Vec<(Option<Attribute>, Unwritable)>> {
    let mut shape = Shape { guards: BTreeSet::new(), alternatives: vec![Vec::new()] };
    let Some(protocol) = rule.protocol else { return Ok(shape) };
    if let Some(guard) = ether_type(protocol) {
        shape.guards.insert(Guard::EtherType(guard));
    }
    if protocol == Protocol::Stp {
        shape.guards.insert(Guard::SpanningTree);
    }
    if let Some(number) = protocol.ip_number() {
        shape.guards.insert(Guard::L4Proto(number));
    }
    let mut errors = Vec::new();
    for expression in expressions {
        let reader = Reader { protocol, profile, rule, expressions };
        match reader.alternatives(expression, &mut shape.guards) {
            Ok(alternatives) => shape.multiply(&alternatives),
            Err(error) => errors.push((Some(expression.attribute), error)),
        }
    }
    if errors.is_empty() { Ok(shape) } else { Err(errors) }
}

impl<'a> Shape<'a> {
    /// Adds an expression's alternatives to each of those that are there.
    fn multiply(&mut self, more: &[Vec<Item<'a>>]) {
        let known = std::mem::take(&mut self.alternatives);
        for alternative in &known {
            for items in more {
                self.alternatives.push(alternative.iter().chain(items).copied().collect());
            }
        }
    }
}

/// The frames that a protocol's rules look into (NFT-102).
fn ether_type(protocol: Protocol) -> Option<&'static str> {
    match protocol {
        Protocol::Mac | Protocol::Stp => None,
        Protocol::Vlan => Some("0x8100"),
        Protocol::Arp => Some("arp"),
        Protocol::Rarp => Some("0x8035"),
        Protocol::Ip => Some("ip"),
        Protocol::Ipv6 => Some("ip6"),
        _ if protocol.layer() == Layer::Ipv4 => Some("ip"),
        _ => Some("ip6"),
    }
}

/// The keys of a transport protocol's ports.
fn ports(protocol: Protocol) -> (Key, Key) {
    let both = |source, destination| (Key::decimal(source, 16), Key::decimal(destination, 16));
    match protocol {
        Protocol::Tcp | Protocol::TcpIpv6 => both("tcp sport", "tcp dport"),
        Protocol::Udp | Protocol::UdpIpv6 => both("udp sport", "udp dport"),
        Protocol::Sctp | Protocol::SctpIpv6 => both("sctp sport", "sctp dport"),
        _ => both("th sport", "th dport"),
    }
}

/// One rule's expressions, read one after another.
struct Reader<'r, 'a> {
    protocol: Protocol,
    profile: Profile,
    rule: &'r Rule,
    expressions: &'a [Expression],
}

impl<'a> Reader<'_, 'a> {
    fn alternatives(
        &self,
        expression: &'a Expression,
        guards: &mut BTreeSet<Guard>,
    ) -> Result<Vec<Vec<Item<'a>>>, Unwritable> {
        let Expression { attribute, negated, ref test } = *expression;
        let item = |what| vec![vec![Item { attribute, negated, what }]];
        match (attribute, test) {
            (Attribute::ConnlimitAbove, _) => Err(Unwritable::NotYet("the attribute `connlimit-above`")),
            (Attribute::IpSet, _) => Err(Unwritable::IpSet),
            (Attribute::Gratuitous, Test::Is(Slot::Value(Value::Bool(wanted)))) => {
                if !wanted {
                    return Ok(vec![Vec::new()]);
                }
                self.address_guards(negated, guards);
                let text = |text| Item { attribute, negated: false, what: What::Text(text) };
                Ok(if negated {
                    DIFFERENT_BYTES.map(|different| vec![text(different)]).to_vec()
                } else {
                    vec![SAME_BYTES.map(text).to_vec()]
                })
            }
            (Attribute::Flags, Test::Is(slot)) if self.protocol != Protocol::Stp => {
                self.transport_guard(guards);
                Ok(item(What::TcpFlags(slot)))
            }
            (Attribute::Option, Test::Is(slot)) => {
                self.transport_guard(guards);
                Ok(item(What::TcpOption(slot)))
            }
            (Attribute::Type | Attribute::Code, Test::TypeCode(ranges)) => self.type_code(expression, ranges, guards),
            (Attribute::Protocol, Test::Is(slot)) if self.is_icmpv6_guard(slot, negated) => Ok(vec![Vec::new()]),
            (_, Test::Is(value)) => Ok(item(What::Field(self.key(expression, guards)?, Bounds::One(value)))),
            (_, Test::Masked { value, mask }) => {
                Ok(item(What::Field(self.key(expression, guards)?, Bounds::Masked(value, mask))))
            }
            (_, Test::Range { start, end }) => {
                Ok(item(What::Field(self.key(expression, guards)?, Bounds::Range(start, end))))
            }
            (_, Test::TypeCode(_) | Test::InSet { .. }) => Err(malformed(attribute)),
        }
    }

    /// The key of an attribute, and the guards without which it must not be read.
    fn key(&self, expression: &Expression, guards: &mut BTreeSet<Guard>) -> Result<Key, Unwritable> {
        use Attribute as A;
        let attribute = expression.attribute;
        match attribute {
            A::SrcMacAddr => return Ok(Key::mac("ether saddr")),
            A::DstMacAddr => return Ok(Key::mac("ether daddr")),
            _ => {}
        }
        match self.protocol {
            Protocol::Mac if attribute == A::ProtocolId => Ok(Key::hexadecimal("ether type", 16)),
            Protocol::Vlan => match attribute {
                A::VlanId => Ok(Key { shifted: true, ..Key::decimal("vlan id", 12) }),
                A::EncapProtocol => Ok(Key::hexadecimal("vlan type", 16)),
                _ => Err(malformed(attribute)),
            },
            Protocol::Stp => self.stp_key(attribute, guards),
            Protocol::Arp | Protocol::Rarp => self.arp_key(expression, guards),
            Protocol::Ip => match attribute {
                A::SrcIpAddr => Ok(Key::ipv4("ip saddr")),
                A::DstIpAddr => Ok(Key::ipv4("ip daddr")),
                A::Protocol => Ok(Key::decimal("ip protocol", 8)),
                A::SrcPortStart | A::DstPortStart => self.port_key(attribute, guards),
                A::Dscp => Ok(match self.profile {
                    Profile::Nwf => Key::dscp("ip dscp"),
                    // The number is compared with the whole byte, as ebtables does (D10, QE-7).
                    Profile::Libvirt => Key::hexadecimal("@nh,8,8", 8),
                }),
                _ => Err(malformed(attribute)),
            },
            Protocol::Ipv6 => match attribute {
                A::SrcIpAddr => Ok(Key::ipv6("ip6 saddr")),
                A::DstIpAddr => Ok(Key::ipv6("ip6 daddr")),
                A::Protocol => Ok(Key::decimal("meta l4proto", 8)),
                A::SrcPortStart | A::DstPortStart => self.port_key(attribute, guards),
                A::Type => {
                    self.icmpv6_guard(guards)?;
                    Ok(Key::decimal("icmpv6 type", 8))
                }
                _ => Err(malformed(attribute)),
            },
            _ => self.ip_layer_key(attribute, guards),
        }
    }

    /// NFT-122: places behind the LLC header, which nft counts as network header (right where ebtables is one byte
    /// off, D11). What stands behind the type is there in configuration messages only, so the type must be theirs
    /// unless the rule names one.
    fn stp_key(&self, attribute: Attribute, guards: &mut BTreeSet<Guard>) -> Result<Key, Unwritable> {
        use Attribute as A;
        let key = match attribute {
            A::Type => return Ok(Key::hexadecimal("@nh,48,8", 8)),
            A::Flags => Key::hexadecimal("@nh,56,8", 8),
            A::RootPriority => Key::hexadecimal("@nh,64,16", 16),
            A::RootAddress => Key::hexadecimal("@nh,80,48", 48),
            A::RootCost => Key::hexadecimal("@nh,128,32", 32),
            A::SenderPriority => Key::hexadecimal("@nh,160,16", 16),
            A::SenderAddress => Key::hexadecimal("@nh,176,48", 48),
            A::Port => Key::hexadecimal("@nh,224,16", 16),
            A::Age => Key::hexadecimal("@nh,240,16", 16),
            A::MaxAge => Key::hexadecimal("@nh,256,16", 16),
            A::HelloTime => Key::hexadecimal("@nh,272,16", 16),
            A::ForwardDelay => Key::hexadecimal("@nh,288,16", 16),
            _ => return Err(malformed(attribute)),
        };
        if !self.expressions.iter().any(|expression| expression.attribute == A::Type) {
            guards.insert(Guard::StpConfiguration);
        }
        Ok(key)
    }

    /// NFT-43: ebtables reads addresses of Ethernet and IPv4 only, wherever they lie; nft reads fixed places.
    fn arp_key(&self, expression: &Expression, guards: &mut BTreeSet<Guard>) -> Result<Key, Unwritable> {
        use Attribute as A;
        let attribute = expression.attribute;
        let (named, raw) = match attribute {
            A::HwType => (Key::decimal("arp htype", 16), Key::decimal("@nh,0,16", 16)),
            A::ProtocolType => (Key::hexadecimal("arp ptype", 16), Key::hexadecimal("@nh,16,16", 16)),
            A::Opcode => (Key::decimal("arp operation", 16), Key::decimal("@nh,48,16", 16)),
            A::ArpSrcMacAddr => (Key::mac("arp saddr ether"), Key::hexadecimal("@nh,64,48", 48)),
            A::ArpDstMacAddr => (Key::mac("arp daddr ether"), Key::hexadecimal("@nh,144,48", 48)),
            A::ArpSrcIpAddr => (Key::ipv4("arp saddr ip"), Key::hexadecimal("@nh,112,32", 32)),
            A::ArpDstIpAddr => (Key::ipv4("arp daddr ip"), Key::hexadecimal("@nh,192,32", 32)),
            _ => return Err(malformed(attribute)),
        };
        let reverse = self.protocol == Protocol::Rarp;
        match attribute {
            A::ArpSrcMacAddr | A::ArpDstMacAddr => guards.extend(if reverse {
                [Guard::RarpHardware, Guard::RarpHardwareLength]
            } else {
                [Guard::ArpHardware, Guard::ArpHardwareLength]
            }),
            A::ArpSrcIpAddr | A::ArpDstIpAddr => self.address_guards(expression.negated, guards),
            _ => {}
        }
        Ok(if reverse { raw } else { named })
    }

    /// The guards of protocol addresses. Inverted tests mostly drop: then frames with odd hardware addresses are
    /// to be caught, and their length is not asked for.
    fn address_guards(&self, negated: bool, guards: &mut BTreeSet<Guard>) {
        let reverse = self.protocol == Protocol::Rarp;
        guards.extend(if reverse {
            [Guard::RarpProtocol, Guard::RarpProtocolLength]
        } else {
            [Guard::ArpProtocol, Guard::ArpProtocolLength]
        });
        if !negated {
            guards.insert(if reverse { Guard::RarpHardwareLength } else { Guard::ArpHardwareLength });
        }
    }

    /// Ports of Ethernet-layer rules: beside a protocol that has them (XML-80).
    fn port_key(&self, attribute: Attribute, guards: &mut BTreeSet<Guard>) -> Result<Key, Unwritable> {
        let has_ports = |value: &Value| value.number().is_some_and(|number| WITH_PORTS.contains(&number));
        let protocol = self.expressions.iter().find(|expression| expression.attribute == Attribute::Protocol);
        let fits = protocol.is_some_and(|expression| match &expression.test {
            Test::Is(slot) => !expression.negated && slot.values(&self.rule.wheels).iter().all(has_ports),
            Test::Masked { .. } | Test::Range { .. } | Test::TypeCode(_) | Test::InSet { .. } => false,
        });
        if !fits {
            return Err(Unwritable::NeedsProtocol("`protocol` tcp, udp, udplite, sctp or 33 (dccp)"));
        }
        self.transport_guard(guards);
        let (source, destination) = ports(self.protocol);
        Ok(if attribute == Attribute::SrcPortStart { source } else { destination })
    }

    fn ip_layer_key(&self, attribute: Attribute, guards: &mut BTreeSet<Guard>) -> Result<Key, Unwritable> {
        use Attribute as A;
        let four = self.protocol.layer() == Layer::Ipv4;
        match attribute {
            A::SrcIpAddr | A::SrcIpFrom => Ok(if four { Key::ipv4("ip saddr") } else { Key::ipv6("ip6 saddr") }),
            A::DstIpAddr | A::DstIpFrom => Ok(if four { Key::ipv4("ip daddr") } else { Key::ipv6("ip6 daddr") }),
            A::Dscp => Ok(Key::dscp(if four { "ip dscp" } else { "ip6 dscp" })),
            A::SrcPortStart => {
                self.transport_guard(guards);
                Ok(ports(self.protocol).0)
            }
            A::DstPortStart => {
                self.transport_guard(guards);
                Ok(ports(self.protocol).1)
            }
            A::Type => {
                self.transport_guard(guards);
                Ok(self.icmp_keys().ok_or_else(|| malformed(attribute))?.0)
            }
            _ => Err(malformed(attribute)),
        }
    }

    /// The keys of type and code.
    fn icmp_keys(&self) -> Option<(Key, Key)> {
        match self.protocol {
            Protocol::Icmp => Some((Key::decimal("icmp type", 8), Key::decimal("icmp code", 8))),
            Protocol::Icmpv6 | Protocol::Ipv6 => Some((Key::decimal("icmpv6 type", 8), Key::decimal("icmpv6 code", 8))),
            _ => None,
        }
    }

    /// NFT-102: a packet that is looked into behind its IP header is not a later fragment.
    fn transport_guard(&self, guards: &mut BTreeSet<Guard>) {
        let four = self.protocol == Protocol::Ip || self.protocol.layer() == Layer::Ipv4;
        guards.insert(if four { Guard::FirstFragment } else { Guard::TransportHeader });
    }

    /// Whether the test of the protocol number is what the ICMP test beside it asks for anyway.
    fn is_icmpv6_guard(&self, slot: &Slot, negated: bool) -> bool {
        self.protocol == Protocol::Ipv6 && !negated && self.has_type_code() && is_icmpv6(slot)
    }

    fn has_type_code(&self) -> bool {
        let tests = |expression: &Expression| matches!(expression.attribute, Attribute::Type | Attribute::Code);
        self.expressions.iter().any(tests)
    }

    /// ICMP tests of Ethernet-layer rules: what they read is ICMPv6, whether or not the rule says so, and a rule
    /// that says something else means nothing (XML-75).
    fn icmpv6_guard(&self, guards: &mut BTreeSet<Guard>) -> Result<(), Unwritable> {
        if self.protocol != Protocol::Ipv6 {
            return Ok(());
        }
        let protocol = self.expressions.iter().find(|expression| expression.attribute == Attribute::Protocol);
        let fits = protocol.is_none_or(|expression| match &expression.test {
            Test::Is(slot) => !expression.negated && is_icmpv6(slot),
            Test::Masked { .. } | Test::Range { .. } | Test::TypeCode(_) | Test::InSet { .. } => false,
        });
        if !fits {
            return Err(Unwritable::NeedsProtocol("`protocol` icmpv6"));
        }
        guards.insert(Guard::L4Proto(ICMPV6));
        Ok(())
    }

    /// ICMP type and code: inverted as a whole, the two are alternatives (NFT-122).
    fn type_code(
        &self,
        expression: &'a Expression,
        ranges: &'a TypeCode,
        guards: &mut BTreeSet<Guard>,
    ) -> Result<Vec<Vec<Item<'a>>>, Unwritable> {
        let keys = self.icmp_keys().ok_or_else(|| malformed(expression.attribute))?;
        self.icmpv6_guard(guards)?;
        self.transport_guard(guards);
        let item = |negated, key, start, end| {
            let what = What::Field(key, Bounds::Range(start, end));
            Item { attribute: expression.attribute, negated, what }
        };
        let TypeCode { type_start, type_end, code_start, code_end } = ranges;
        let types = |negated| item(negated, keys.0, type_start, type_end);
        let codes = |negated| item(negated, keys.1, code_start, code_end);
        // A range of all codes, inverted, matches nothing: that alternative vanishes when it is written.
        Ok(if expression.negated {
            vec![vec![types(true)], vec![types(false), codes(true)]]
        } else {
            vec![vec![types(false), codes(false)]]
        })
    }
}

fn is_icmpv6(slot: &Slot) -> bool {
    matches!(slot, Slot::Value(value) if value.number() == Some(ICMPV6.into()))
}

fn malformed(attribute: Attribute) -> Unwritable {
    Unwritable::Malformed(format!("a test of `{attribute}` in this way has no meaning here"))
}
