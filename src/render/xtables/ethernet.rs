//! Rules of the Ethernet layer in the words of ebtables (spec 03, section 5).

use super::words::{Combination, Shown, Sign, Words, Wrong, looks_at_nothing, shown};
use crate::model::{Attribute, ChainPrefix, Profile, Protocol};
use crate::ruleset::{Expression, Placement, Rule, Slot, Test, TypeCode, Verdict};

/// Destination of spanning-tree frames.
const STP_ADDRESS: &str = "01:80:c2:00:00:00";

/// How the options are spelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Spelling {
    /// As in rules of filters (section 5).
    Filter,
    /// As in the interim rulesets (EB-133).
    Interim,
}

/// The form of an option's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Decimal numbers, addresses.
    Plain,
    /// A number marked *hex*.
    Hex,
    /// The type inside a VLAN tag (QE-5).
    Encapsulated,
    /// An IPv4 address that always has a length (EB-46).
    WithLength,
    /// No value (EB-42).
    Flag,
    /// DSCP in the TOS byte (QE-7).
    Tos,
    /// ICMPv6 type and code (EB-48).
    Icmp,
}

/// Place, name and form of the option of an attribute; none if a protocol of this layer does not have it. The first
/// two ranks stand in front of what tells the protocol.
fn option(protocol: Protocol, attribute: Attribute) -> Option<(u8, &'static str, Form)> {
    use Attribute as A;
    let ip = |ipv4: &'static str, ipv6: &'static str| if protocol == Protocol::Ipv6 { ipv6 } else { ipv4 };
    Some(match attribute {
        A::SrcMacAddr => (0, "-s", Form::Plain),
        A::DstMacAddr => (1, "-d", Form::Plain),
        A::ProtocolId => (2, "-p", Form::Hex),
        A::VlanId => (2, "--vlan-id", Form::Plain),
        A::EncapProtocol => (3, "--vlan-encap", Form::Encapsulated),
        A::HwType => (2, "--arp-htype", Form::Plain),
        A::Opcode => (3, "--arp-opcode", Form::Plain),
        A::ProtocolType => (4, "--arp-ptype", Form::Hex),
        A::ArpSrcIpAddr => (5, "--arp-ip-src", Form::WithLength),
        A::ArpDstIpAddr => (6, "--arp-ip-dst", Form::WithLength),
        A::ArpSrcMacAddr => (7, "--arp-mac-src", Form::Plain),
        A::ArpDstMacAddr => (8, "--arp-mac-dst", Form::Plain),
        A::Gratuitous => (9, "--arp-gratuitous", Form::Flag),
        A::SrcIpAddr => (3, ip("--ip-source", "--ip6-source"), Form::Plain),
        A::DstIpAddr => (4, ip("--ip-destination", "--ip6-destination"), Form::Plain),
        A::Protocol => (5, ip("--ip-protocol", "--ip6-protocol"), Form::Plain),
        A::SrcPortStart => (6, ip("--ip-source-port", "--ip6-source-port"), Form::Plain),
        A::DstPortStart => (7, ip("--ip-destination-port", "--ip6-destination-port"), Form::Plain),
        A::Dscp => (8, "--ip-tos", Form::Tos),
        A::Type if protocol == Protocol::Stp => (2, "--stp-type", Form::Plain),
        A::Type | A::Code => (8, "--ip6-icmp-type", Form::Icmp),
        A::Flags => (3, "--stp-flags", Form::Plain),
        A::RootPriority => (4, "--stp-root-pri", Form::Plain),
        A::RootAddress => (5, "--stp-root-addr", Form::Plain),
        A::RootCost => (6, "--stp-root-cost", Form::Plain),
        A::SenderPriority => (7, "--stp-sender-prio", Form::Plain),
        A::SenderAddress => (8, "--stp-sender-addr", Form::Plain),
        A::Port => (9, "--stp-port", Form::Plain),
        A::Age => (10, "--stp-msg-age", Form::Plain),
        A::MaxAge => (11, "--stp-max-age", Form::Plain),
        A::HelloTime => (12, "--stp-hello-time", Form::Plain),
        A::ForwardDelay => (13, "--stp-forward-delay", Form::Plain),
        A::SrcMacMask
        | A::DstMacMask
        | A::TypeEnd
        | A::CodeEnd
        | A::RootPriorityHi
        | A::RootAddressMask
        | A::RootCostHi
        | A::SenderPriorityHi
        | A::SenderAddressMask
        | A::PortHi
        | A::AgeHi
        | A::MaxAgeHi
        | A::HelloTimeHi
        | A::ForwardDelayHi
        | A::ArpSrcIpMask
        | A::ArpDstIpMask
        | A::SrcIpMask
        | A::DstIpMask
        | A::SrcIpFrom
        | A::SrcIpTo
        | A::DstIpFrom
        | A::DstIpTo
        | A::SrcPortEnd
        | A::DstPortEnd
        | A::ConnlimitAbove
        | A::State
        | A::IpSet
        | A::IpSetFlags
        | A::Option
        | A::Comment => return None,
    })
}

/// First rank behind what tells the protocol.
const BEHIND_PROTOCOL: u8 = 2;

/// What tells the protocol of a rule (EB-45 to EB-49).
fn head(protocol: Protocol) -> &'static [&'static str] {
    match protocol {
        Protocol::Vlan => &["-p", "0x8100"],
        Protocol::Stp => &["-d", STP_ADDRESS],
        Protocol::Arp => &["-p", "0x806"],
        Protocol::Rarp => &["-p", "0x8035"],
        Protocol::Ip => &["-p", "ipv4"],
        Protocol::Ipv6 => &["-p", "ipv6"],
        Protocol::Mac
        | Protocol::Tcp
        | Protocol::Icmp
        | Protocol::Igmp
        | Protocol::Udp
        | Protocol::Udplite
        | Protocol::Esp
        | Protocol::Ah
        | Protocol::Sctp
        | Protocol::All
        | Protocol::TcpIpv6
        | Protocol::Icmpv6
        | Protocol::UdpIpv6
        | Protocol::UdpliteIpv6
        | Protocol::EspIpv6
        | Protocol::AhIpv6
        | Protocol::SctpIpv6
        | Protocol::AllIpv6 => &[],
    }
}

/// Which frames enter a chain (EB-92).
pub(super) fn entry(prefix: ChainPrefix) -> &'static [&'static str] {
    match prefix {
        ChainPrefix::Ipv4 => &["-p", "0x0800"],
        ChainPrefix::Ipv6 => &["-p", "0x86dd"],
        ChainPrefix::Arp => &["-p", "0x0806"],
        ChainPrefix::Rarp => &["-p", "0x8035"],
        ChainPrefix::Vlan => &["-p", "0x8100"],
        ChainPrefix::Stp => &["-d", STP_ADDRESS],
        ChainPrefix::Mac | ChainPrefix::Root => &[],
    }
}

/// EB-51.
fn target(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Accept => "ACCEPT",
        Verdict::Drop | Verdict::Reject => "DROP",
        Verdict::Return => "RETURN",
        Verdict::Continue => "CONTINUE",
    }
}

/// One combination of a rule in one chain: the arguments behind the chain's name. Several where ebtables needs more
/// than one rule to say it, none where it matches nothing.
pub(super) fn rule(
    combination: Combination<'_>,
    placement: &Placement,
    profile: Profile,
    spelling: Spelling,
) -> Result<Vec<Vec<String>>, Wrong> {
    let rule = combination.rule;
    let mut words = Words::new(Sign::Behind);
    if let Some(protocol) = rule.protocol {
        check_protocol_of(rule, profile)?;
        check_spanning_tree(rule, profile)?;
        let rank = |attribute| match (spelling, attribute) {
            // EB-131 names the upper protocol first.
            (Spelling::Interim, Attribute::Protocol) => BEHIND_PROTOCOL,
            (Spelling::Filter | Spelling::Interim, _) => option(protocol, attribute).map_or(u8::MAX, |(rank, ..)| rank),
        };
        let tests = shown(rule, placement, rank);
        let is_mac = |shown: &&Shown| rank(shown.written) < BEHIND_PROTOCOL;
        let write = Write { combination, profile, spelling, protocol };
        for shown in tests.iter().filter(is_mac) {
            // ebtables takes no mask of zeros.
            if profile == Profile::Libvirt || !looks_at_nothing(combination, &shown.expression)? {
                write.test(&mut words, shown)?;
            } else if shown.expression.negated {
                words.never();
            }
        }
        words.all(head(protocol));
        let rest: Vec<&Shown> = tests.iter().filter(|shown| !is_mac(shown)).collect();
        let is_implied = protocol == Protocol::Ipv6 && rule.expression(Attribute::Protocol).is_none();
        for shown in &rest {
            if is_implied && shown.written == Attribute::Type {
                words.option(false, "--ip6-protocol", "58");
            }
            let codes = rest.iter().find(|other| other.expression.attribute == Attribute::Code);
            match (shown.expression.attribute, codes) {
                // Said together with the type.
                (Attribute::Code, _) if protocol == Protocol::Ipv6 => {}
                (Attribute::Type, Some(codes)) if protocol == Protocol::Ipv6 => {
                    let values = write.type_and_code(&shown.expression, &codes.expression)?;
                    words.one_of("--ip6-icmp-type", &values);
                }
                _ => write.test(&mut words, shown)?,
            }
        }
    }
    words.all(&["-j", target(rule.verdict)]);
    Ok(words.finish())
}

/// The match of ebtables takes the two bytes of the protocol identifier in front of the version for one, in every kernel
/// up to now: it reads all fields of a BPDU one byte too early, and finds no type but 0.
fn check_spanning_tree(rule: &Rule, profile: Profile) -> Result<(), Wrong> {
    let is_field = |expression: &&Expression| expression.attribute != Attribute::SrcMacAddr;
    match rule.expressions.iter().find(is_field) {
        Some(field) if profile == Profile::Nwf && rule.protocol == Some(Protocol::Stp) => Err(Wrong::Inexpressible(
            field.attribute,
            "the kernel's part of ebtables reads fields of spanning-tree frames at the wrong place",
            "match the frames by `srcmacaddr` alone, or use the backend `nft`",
        )),
        Some(_) | None => Ok(()),
    }
}

/// The kernel takes ports and ICMPv6 types only beside a positive test of a protocol that has them.
///
/// In the profile `nwf` a type without any such test says itself what it is a type of.
fn check_protocol_of(rule: &Rule, profile: Profile) -> Result<(), Wrong> {
    let is_one_of = |numbers: &[u32]| {
        rule.expression(Attribute::Protocol).is_some_and(|expression| match &expression.test {
            Test::Is(slot) if !expression.negated => {
                slot.values(&rule.wheels).iter().all(|value| value.number().is_some_and(|n| numbers.contains(&n)))
            }
            Test::Is(_) | Test::Masked { .. } | Test::Range { .. } | Test::TypeCode(_) | Test::InSet { .. } => false,
        })
    };
    if !matches!(rule.protocol, Some(Protocol::Ip | Protocol::Ipv6)) {
        return Ok(());
    }
    for attribute in [Attribute::SrcPortStart, Attribute::DstPortStart] {
        // TCP, UDP, DCCP, SCTP, UDP-Lite.
        if rule.expression(attribute).is_some() && !is_one_of(&[6, 17, 33, 132, 136]) {
            return Err(Wrong::NeedsProtocol(attribute, "a `protocol` with ports, such as `tcp` or `udp`,"));
        }
    }
    for attribute in [Attribute::Type, Attribute::Code] {
        let is_implied = profile == Profile::Nwf && rule.expression(Attribute::Protocol).is_none();
        if rule.expression(attribute).is_some() && !is_implied && !is_one_of(&[58]) {
            return Err(Wrong::NeedsProtocol(attribute, "`protocol='icmpv6'`"));
        }
    }
    Ok(())
}

/// Writes tests of one combination.
struct Write<'a> {
    combination: Combination<'a>,
    profile: Profile,
    spelling: Spelling,
    protocol: Protocol,
}

impl Write<'_> {
    fn test(&self, words: &mut Words, shown: &Shown) -> Result<(), Wrong> {
        let Expression { attribute, negated, test } = &shown.expression;
        let Some((_, name, form)) = option(self.protocol, *attribute) else { return Err(Wrong::Malformed(*attribute)) };
        let name = match self.spelling {
            Spelling::Filter => name,
            Spelling::Interim => short(name),
        };
        let value = match form {
            Form::Flag => {
                if *negated {
                    words.push("!");
                }
                words.push(name);
                return Ok(());
            }
            Form::Tos if self.profile == Profile::Nwf => return self.tos(words, name, &shown.expression),
            Form::Plain => self.plain(*attribute, test)?,
            Form::Hex => {
                let number = self.single(*attribute, test)?;
                match self.spelling {
                    Spelling::Filter => format!("{number:#x}"),
                    Spelling::Interim => ether_type_name(number),
                }
            }
            Form::Tos => format!("{:#x}", self.single(*attribute, test)?),
            Form::Encapsulated => {
                let number = self.single(*attribute, test)?;
                match self.profile {
                    Profile::Nwf => format!("{number:04x}"),
                    Profile::Libvirt => number.to_string(),
                }
            }
            Form::WithLength => self.with_length(shown)?,
            Form::Icmp => self.icmp(*attribute, test)?,
        };
        words.option(*negated, name, &value);
        Ok(())
    }

    fn plain(&self, attribute: Attribute, test: &Test) -> Result<String, Wrong> {
        let value = self.combination.operand(attribute, test, ':')?;
        if attribute == Attribute::VlanId && value == "4095" {
            let help =
                "the number is reserved, and no frame should carry it; use the backend `nft`, or leave the rule out";
            return Err(Wrong::Inexpressible(attribute, "ebtables knows no VLAN 4095", help));
        }
        // EB-133.
        let is_udp = attribute == Attribute::Protocol && value == "17";
        Ok(if is_udp && self.spelling == Spelling::Interim { "udp".to_owned() } else { value })
    }

    fn single(&self, attribute: Attribute, test: &Test) -> Result<u32, Wrong> {
        match test {
            Test::Is(slot) => self.combination.number(attribute, slot),
            Test::Masked { .. } | Test::Range { .. } | Test::TypeCode(_) | Test::InSet { .. } => {
                Err(Wrong::Malformed(attribute))
            }
        }
    }

    /// EB-46. In the profile `libvirt` the mask of the source is used for a destination that has none (QE-6).
    fn with_length(&self, shown: &Shown) -> Result<String, Wrong> {
        let Expression { attribute, test, .. } = &shown.expression;
        let text = self.combination.operand(*attribute, test, ':')?;
        let Test::Is(_) = test else { return Ok(text) };
        if self.profile == Profile::Libvirt
            && shown.written == Attribute::ArpDstIpAddr
            && let Some(Test::Masked { mask, .. }) =
                self.combination.rule.expression(Attribute::ArpSrcIpAddr).map(|source| &source.test)
        {
            return Ok(format!("{text}/{}", self.combination.text(*attribute, mask)?));
        }
        Ok(format!("{text}/32"))
    }

    /// QE-7: the tool compares the whole byte, of which DSCP is the upper six bits. So the rule is said for each value
    /// of the lower two.
    fn tos(&self, words: &mut Words, name: &str, expression: &Expression) -> Result<(), Wrong> {
        let attribute = expression.attribute;
        if expression.negated {
            let help = "write rules for the wanted values, or use the backend `nft`";
            return Err(Wrong::Inexpressible(attribute, "ebtables cannot invert a test of DSCP", help));
        }
        let dscp = self.single(attribute, &expression.test)?;
        let bytes: Vec<String> = (0..4).map(|ecn| format!("{:#x}", dscp * 4 + ecn)).collect();
        words.one_of(name, &bytes);
        Ok(())
    }

    /// EB-48.
    fn icmp(&self, attribute: Attribute, test: &Test) -> Result<String, Wrong> {
        let (types, codes) = self.bounds(attribute, test)?;
        Ok(format!("{}:{}/{}:{}", types.0, types.1, codes.0, codes.1))
    }

    fn bounds(&self, attribute: Attribute, test: &Test) -> Result<(Bounds, Bounds), Wrong> {
        let Test::TypeCode(TypeCode { type_start, type_end, code_start, code_end }) = test else {
            return Err(Wrong::Malformed(attribute));
        };
        let number = |slot: &Slot| self.combination.number(attribute, slot);
        Ok(((number(type_start)?, number(type_end)?), (number(code_start)?, number(code_end)?)))
    }

    /// Type and code with different signs: the tool has one sign for both, so what is left of the inverted one is said
    /// as ranges.
    fn type_and_code(&self, types: &Expression, codes: &Expression) -> Result<Vec<String>, Wrong> {
        let (type_range, _) = self.bounds(types.attribute, &types.test)?;
        let (_, code_range) = self.bounds(codes.attribute, &codes.test)?;
        let mut values = Vec::new();
        for (low, high) in ranges(type_range, types.negated) {
            for (from, to) in ranges(code_range, codes.negated) {
                values.push(format!("{low}:{high}/{from}:{to}"));
            }
        }
        Ok(values)
    }
}

/// The lowest and the highest number of a range.
type Bounds = (u32, u32);

/// A range of bytes, or what is left without it.
fn ranges((low, high): Bounds, negated: bool) -> Vec<Bounds> {
    if !negated {
        return vec![(low, high)];
    }
    let mut left = Vec::new();
    if let Some(below) = low.checked_sub(1) {
        left.push((0, below));
    }
    if high < 255 {
        left.push((high + 1, 255));
    }
    left
}

/// The short name of an option (EB-133).
fn short(name: &'static str) -> &'static str {
    match name {
        "--ip-source" => "--ip-src",
        "--ip-destination" => "--ip-dst",
        "--ip-source-port" => "--ip-sport",
        "--ip-destination-port" => "--ip-dport",
        "--ip6-source" => "--ip6-src",
        "--ip6-destination" => "--ip6-dst",
        "--ip6-source-port" => "--ip6-sport",
        "--ip6-destination-port" => "--ip6-dport",
        other => other,
    }
}

/// The name of an Ethernet type in the interim rulesets (EB-133).
fn ether_type_name(number: u32) -> String {
    match number {
        0x0800 => "IPv4".to_owned(),
        0x0806 => "ARP".to_owned(),
        0x86dd => "IPv6".to_owned(),
        other => format!("{other:#x}"),
    }
}
