//! Rules of the IP layer in the words of iptables and ip6tables (spec 03, section 6).

use super::names::IpChain;
use super::words::{Combination, Shown, Sign, Words, Wrong, looks_at_nothing, shown};
use crate::model::{Attribute, IpSetDirection, Layer, Profile, Protocol, Provenance, Value};
use crate::ruleset::{ConnectionDirection, Expression, Placement, Rule, StateTest, Test, TypeCode, Verdict};

/// Longest comment of the profile `nwf`, in bytes (design.md, "Provenance in the kernel").
const COMMENT_MAX_BYTES: usize = 255;

/// Place among the options (EB-62); none if a protocol of this layer does not have the attribute.
fn rank(attribute: Attribute) -> Option<u8> {
    use Attribute as A;
    Some(match attribute {
        A::SrcMacAddr => 2,
        A::SrcIpAddr | A::SrcIpFrom => 3,
        A::DstIpAddr | A::DstIpFrom => 4,
        A::Dscp => 5,
        A::Flags | A::Type => 6,
        A::SrcPortStart | A::Code => 7,
        A::DstPortStart => 8,
        A::Option => 9,
        A::IpSet => BEHIND_STATE,
        A::ConnlimitAbove => BEHIND_STATE + 1,
        A::DstMacAddr
        | A::SrcMacMask
        | A::DstMacMask
        | A::ProtocolId
        | A::VlanId
        | A::EncapProtocol
        | A::TypeEnd
        | A::CodeEnd
        | A::RootPriority
        | A::RootPriorityHi
        | A::RootAddress
        | A::RootAddressMask
        | A::RootCost
        | A::RootCostHi
        | A::SenderPriority
        | A::SenderPriorityHi
        | A::SenderAddress
        | A::SenderAddressMask
        | A::Port
        | A::PortHi
        | A::Age
        | A::AgeHi
        | A::MaxAge
        | A::MaxAgeHi
        | A::HelloTime
        | A::HelloTimeHi
        | A::ForwardDelay
        | A::ForwardDelayHi
        | A::HwType
        | A::ProtocolType
        | A::Opcode
        | A::ArpSrcMacAddr
        | A::ArpDstMacAddr
        | A::ArpSrcIpAddr
        | A::ArpSrcIpMask
        | A::ArpDstIpAddr
        | A::ArpDstIpMask
        | A::Gratuitous
        | A::SrcIpMask
        | A::DstIpMask
        | A::SrcIpTo
        | A::DstIpTo
        | A::Protocol
        | A::SrcPortEnd
        | A::DstPortEnd
        | A::State
        | A::IpSetFlags
        | A::Comment => return None,
    })
}

/// First rank of the tests of what is behind the IP header.
const TRANSPORT_HEADER: u8 = 6;
/// First rank behind the test of the connection's state.
const BEHIND_STATE: u8 = 20;

/// What tells the protocol of a packet (EB-63).
fn protocol_name(protocol: Protocol) -> &'static str {
    let name = protocol.name();
    name.strip_suffix("-ipv6").unwrap_or(name)
}

/// EB-79; none for a rule that only counts (QE-10).
fn target(verdict: Verdict, chain: IpChain, profile: Profile) -> Option<&'static str> {
    Some(match (verdict, chain) {
        (Verdict::Accept, IpChain::FromGuest | IpChain::Host) | (Verdict::Return, _) => "RETURN",
        (Verdict::Accept, IpChain::ToGuest) => "ACCEPT",
        (Verdict::Drop, _) => "DROP",
        (Verdict::Reject, _) => "REJECT",
        (Verdict::Continue, _) => match profile {
            Profile::Nwf => return None,
            Profile::Libvirt => "CONTINUE",
        },
    })
}

/// One combination of a rule in one chain: the arguments behind the chain's name; none where it matches nothing.
pub(super) fn rule(
    combination: Combination<'_>,
    placement: &Placement,
    chain: IpChain,
    profile: Profile,
) -> Result<Option<Vec<String>>, Wrong> {
    let rule = combination.rule;
    let mut words = Words::new(Sign::InFront);
    let Some(protocol) = rule.protocol else { return Err(Wrong::Malformed(Attribute::Protocol)) };
    words.all(&["-p", protocol_name(protocol)]);
    if profile == Profile::Nwf && protocol.layer() == Layer::Ipv4 && reads_transport_header(rule) {
        // A later fragment has no ports, yet iptables on nf_tables reads whatever stands in their place.
        words.all(&["!", "-f"]);
    }
    let write = Write { combination, profile, protocol };
    let tests = shown(rule, placement, |attribute| rank(attribute).unwrap_or(u8::MAX));
    let is_early = |shown: &&Shown| rank(shown.written).unwrap_or(u8::MAX) < BEHIND_STATE;
    let codes = tests.iter().find(|shown| shown.written == Attribute::Code);
    for shown in tests.iter().filter(is_early) {
        match (shown.written, codes) {
            // Said together with the type.
            (Attribute::Code, _) => {}
            (Attribute::Type, Some(codes)) => write.type_and_code(&mut words, &shown.expression, &codes.expression)?,
            // The tools take no inverted mask of zeros.
            _ if profile == Profile::Nwf
                && shown.expression.negated
                && looks_at_nothing(combination, &shown.expression)? =>
            {
                words.never();
            }
            _ => write.test(&mut words, &shown.expression)?,
        }
    }
    if let Some(state) = &placement.state {
        state_test(&mut words, state);
    }
    for shown in tests.iter().filter(|shown| !is_early(shown)) {
        write.test(&mut words, &shown.expression)?;
    }
    if let Some(comment) = comment(rule.comment.as_deref(), &rule.provenance, profile) {
        words.all(&["-m", "comment", "--comment", &comment]);
    }
    if let Some(target) = target(rule.verdict, chain, profile) {
        words.all(&["-j", target]);
    }
    // Nothing of this layer is said in more than one rule.
    Ok(words.finish().pop())
}

/// Whether a rule looks behind the IP header.
fn reads_transport_header(rule: &Rule) -> bool {
    rule.expressions.iter().any(|expression| {
        rank(expression.attribute).is_some_and(|rank| (TRANSPORT_HEADER..BEHIND_STATE).contains(&rank))
    })
}

/// EB-70, EB-72, EB-75.
fn state_test(words: &mut Words, state: &StateTest) {
    let names: Vec<&str> = state.states.iter().map(|state| state.name()).collect();
    words.all(&["-m", "conntrack", "--ctstate", &names.join(",")]);
    match state.direction {
        Some(ConnectionDirection::Original) => words.all(&["-m", "conntrack", "--ctdir", "Original"]),
        Some(ConnectionDirection::Reply) => words.all(&["-m", "conntrack", "--ctdir", "Reply"]),
        None => {}
    }
}

/// Writes tests of one combination.
struct Write<'a> {
    combination: Combination<'a>,
    profile: Profile,
    protocol: Protocol,
}

impl Write<'_> {
    fn test(&self, words: &mut Words, expression: &Expression) -> Result<(), Wrong> {
        use Attribute as A;
        let Expression { attribute, negated, test } = expression;
        let operand = |between| self.combination.operand(*attribute, test, between);
        let name = match attribute {
            A::SrcMacAddr => {
                words.all(&["-m", "mac"]);
                "--mac-source"
            }
            A::SrcIpAddr => "--source",
            A::DstIpAddr => "--destination",
            A::SrcIpFrom | A::DstIpFrom => {
                words.all(&["-m", "iprange"]);
                let name = if *attribute == A::SrcIpFrom { "--src-range" } else { "--dst-range" };
                words.option(*negated, name, &operand('-')?);
                return Ok(());
            }
            A::Dscp => {
                words.all(&["-m", "dscp"]);
                "--dscp"
            }
            A::Flags => return self.tcp_flags(words, expression),
            A::SrcPortStart | A::DstPortStart if self.profile == Profile::Nwf && self.inverts_both_ports() => {
                let ports = operand(':')?;
                // multiport takes no range of one port.
                let single = ports.split_once(':').filter(|(low, high)| low == high).map(|(low, _)| low.to_owned());
                let name = if *attribute == A::SrcPortStart { "--sports" } else { "--dports" };
                words.all(&["-m", "multiport"]);
                words.option(true, name, &single.unwrap_or(ports));
                return Ok(());
            }
            A::SrcPortStart => "--sport",
            A::DstPortStart => "--dport",
            A::Option if operand(':')? == "0" => {
                return Err(Wrong::Inexpressible(
                    *attribute,
                    "iptables has no words for the TCP option 0",
                    "it only ends the list of options: leave the rule out, or use the backend `nft`",
                ));
            }
            A::Option => "--tcp-option",
            A::Type => {
                let value = self.icmp(expression)?;
                words.option(*negated, self.icmp_option().1, &value);
                return Ok(());
            }
            A::IpSet => return self.ip_set(words, expression),
            A::ConnlimitAbove => {
                words.all(&["-m", "connlimit"]);
                "--connlimit-above"
            }
            other => return Err(Wrong::Malformed(*other)),
        };
        words.option(*negated, name, &operand(':')?);
        Ok(())
    }

    /// Two inverted ports: iptables on `nf_tables` compares the four bytes at once, and would match where either
    /// differs. The match `multiport` keeps them apart.
    fn inverts_both_ports(&self) -> bool {
        let inverted = |attribute| {
            let found = self.combination.rule.expression(attribute);
            found.is_some_and(|expression| expression.negated)
        };
        inverted(Attribute::SrcPortStart) && inverted(Attribute::DstPortStart)
    }

    /// EB-66.
    fn tcp_flags(&self, words: &mut Words, expression: &Expression) -> Result<(), Wrong> {
        let Test::Is(slot) = &expression.test else { return Err(Wrong::Malformed(expression.attribute)) };
        let Value::TcpFlags(value) = self.combination.value(expression.attribute, slot)? else {
            return Err(Wrong::Malformed(expression.attribute));
        };
        if expression.negated && value.mask.bits() == 0 && value.flags.bits() == 0 {
            // No segment differs in no flag. iptables on nf_tables leaves this test out, inverted or not, and would
            // match every segment.
            words.never();
            return Ok(());
        }
        words.option(expression.negated, "--tcp-flags", &value.mask.to_string());
        words.push(&value.flags.to_string());
        Ok(())
    }

    /// EB-76, QE-9.
    fn ip_set(&self, words: &mut Words, expression: &Expression) -> Result<(), Wrong> {
        let Test::InSet { name, flags } = &expression.test else { return Err(Wrong::Malformed(expression.attribute)) };
        let name = self.combination.text(expression.attribute, name)?;
        let flags: Vec<&str> = flags
            .iter()
            .map(|flag| match flag {
                IpSetDirection::Src => "src",
                IpSetDirection::Dst => "dst",
            })
            .collect();
        words.all(&["-m", "set"]);
        let negated = expression.negated && self.profile == Profile::Nwf;
        words.option(negated, "--match-set", &name);
        words.push(&flags.join(","));
        Ok(())
    }

    /// The match and the option of the protocol's types.
    fn icmp_option(&self) -> (&'static str, &'static str) {
        match self.protocol.layer() {
            Layer::Ipv6 => ("icmp6", "--icmpv6-type"),
            Layer::Ethernet | Layer::Ipv4 => ("icmp", "--icmp-type"),
        }
    }

    /// The type, with its code if that is tested too (EB-68).
    fn icmp(&self, expression: &Expression) -> Result<String, Wrong> {
        let (kind, code) = self.type_code(expression)?;
        match (kind, code) {
            (Some(255), _) if self.profile == Profile::Nwf && self.protocol == Protocol::Icmp => {
                Err(Wrong::Inexpressible(
                    expression.attribute,
                    "iptables takes the ICMP type 255 for any type",
                    "the type is reserved: leave the rule out, or use the backend `nft`",
                ))
            }
            (Some(kind), None) => Ok(kind.to_string()),
            (Some(kind), Some(code)) => Ok(format!("{kind}/{code}")),
            (None, _) => Err(Wrong::Inexpressible(
                expression.attribute,
                "iptables has no words for a code of any type",
                "write a rule for each type, or use the backend `nft`",
            )),
        }
    }

    /// Type and code, each none if it can be any.
    fn type_code(&self, expression: &Expression) -> Result<(Option<u32>, Option<u32>), Wrong> {
        let attribute = expression.attribute;
        let number = |slot| self.combination.number(attribute, slot);
        let one = |start, end| match (number(start)?, number(end)?) {
            (0, 255) => Ok(None),
            (start, end) if start == end => Ok(Some(start)),
            _ => Err(Wrong::Inexpressible(
                attribute,
                "iptables has no words for a range of ICMP types or codes",
                "write a rule for each, or use the backend `nft`",
            )),
        };
        match &expression.test {
            Test::Is(slot) => Ok((Some(number(slot)?), None)),
            Test::TypeCode(TypeCode { type_start, type_end, code_start, code_end }) => {
                Ok((one(type_start, type_end)?, one(code_start, code_end)?))
            }
            Test::Masked { .. } | Test::Range { .. } | Test::InSet { .. } => Err(Wrong::Malformed(attribute)),
        }
    }

    /// A type and a code with different signs: of the type, all but the code. The other way round there are no words.
    fn type_and_code(&self, words: &mut Words, types: &Expression, codes: &Expression) -> Result<(), Wrong> {
        if types.negated {
            return Err(Wrong::Inexpressible(
                types.attribute,
                "iptables has no words for a code of any type but one",
                "write a rule for each type, or use the backend `nft`",
            ));
        }
        let kind = self.icmp(types)?;
        let (_, code) = self.type_code(codes)?;
        let (module, option) = self.icmp_option();
        words.all(&["-m", module]);
        words.option(false, option, &kind);
        if let Some(code) = code {
            words.all(&["-m", module]);
            words.option(true, option, &format!("{kind}/{code}"));
        }
        Ok(())
    }
}

/// The comment of a rule: in the profile `nwf` where it comes from, a blank, and what the user wrote, in at most 255
/// bytes; in the profile `libvirt` what the user wrote.
fn comment(user: Option<&str>, provenance: &Provenance, profile: Profile) -> Option<String> {
    if profile == Profile::Libvirt {
        return user.map(str::to_owned);
    }
    let line = provenance.at.as_ref().map_or(String::new(), |at| format!(";l={}", at.line));
    let place = format!(";r={}{line}", provenance.rule);
    let name = cut(provenance.filter.as_str(), COMMENT_MAX_BYTES - "f=".len() - place.len());
    let mut text = format!("f={name}{place}");
    if let Some(user) = user {
        text.push(' ');
        text.push_str(user);
        text.truncate(cut(&text, COMMENT_MAX_BYTES).len());
    }
    Some(text)
}

/// The first bytes of a text, at most `length`, up to the end of a character.
fn cut(text: &str, length: usize) -> &str {
    let mut end = length.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text.get(..end).unwrap_or_default()
}
