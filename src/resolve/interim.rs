//! The interim rulesets: what holds while an address is not known, and after a failure (LRN-20, LRN-21).

use crate::model::{
    Attribute, Bound, ChainName, Direction, FilterName, Interim, MacAddr, Priority, Protocol, Provenance, Value,
};
use crate::ruleset::{Expression, InterfaceRules, Rule, Slot, StateMatch, Test, TypeCode, Verdict};
use std::net::IpAddr;

/// The families whose addresses are waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Families {
    /// IPv4.
    Ipv4,
    /// IPv6.
    Ipv6,
    /// Both.
    Both,
}

impl Families {
    fn ipv4(self) -> bool {
        self != Families::Ipv6
    }

    fn ipv6(self) -> bool {
        self != Families::Ipv4
    }
}

const ETHERTYPE_IPV4: u32 = 0x0800;
const ETHERTYPE_ARP: u32 = 0x0806;
const ETHERTYPE_IPV6: u32 = 0x86dd;
const UDP: u32 = 17;
const ICMPV6: u32 = 58;
/// Multicast listener reports, version 1 and 2, and their end; router solicitation; neighbour discovery.
const ICMPV6_FROM_GUEST: [u32; 6] = [131, 132, 143, 133, 135, 136];
/// Router advertisement and neighbour discovery.
const ICMPV6_TO_GUEST: [u32; 3] = [134, 135, 136];

/// Makes an interim ruleset. `mac` is the guest's; `servers` are the DHCP servers whose answers pass, of both
/// families; for a family without any, all.
pub fn interim(kind: Interim, bound: Bound, mac: MacAddr, families: Families, servers: &[IpAddr]) -> InterfaceRules {
    let mut rules = Builder { kind, rules: Vec::new() };
    match kind {
        Interim::Basic => rules.basic(mac, families),
        Interim::DhcpOnly => rules.dhcp_only(mac, families, servers),
        Interim::DropAll => {
            rules.add(Direction::Out, Verdict::Drop, None, Vec::new());
            rules.add(Direction::In, Verdict::Drop, None, Vec::new());
        }
    }
    let binding = Bound { interim: Some(kind), ..bound };
    InterfaceRules { binding, chains: Vec::new(), rules: rules.rules, missing: None }
}

struct Builder {
    kind: Interim,
    rules: Vec<Rule>,
}

fn is(attribute: Attribute, value: Value) -> Expression {
    Expression { attribute, negated: false, test: Test::Is(Slot::Value(value)) }
}

fn number(attribute: Attribute, value: u32) -> Expression {
    is(attribute, Value::Number(value))
}

fn icmpv6_type(kind: u32) -> Expression {
    let value = |number| Slot::Value(Value::Number(number));
    let test = Test::TypeCode(TypeCode {
        type_start: value(kind),
        type_end: value(kind),
        code_start: value(0),
        code_end: value(255),
    });
    Expression { attribute: Attribute::Type, negated: false, test }
}

impl Builder {
    fn basic(&mut self, mac: MacAddr, families: Families) {
        let foreign = Expression { negated: true, ..is(Attribute::SrcMacAddr, Value::Mac(mac)) };
        self.add(Direction::Out, Verdict::Drop, Some(Protocol::Mac), vec![foreign]);
        let mut accepted = Vec::new();
        if families.ipv4() {
            accepted.extend([ETHERTYPE_IPV4, ETHERTYPE_ARP]);
        }
        if families.ipv6() {
            accepted.push(ETHERTYPE_IPV6);
        }
        for ethertype in accepted {
            let expressions = vec![number(Attribute::ProtocolId, ethertype)];
            self.add(Direction::Out, Verdict::Accept, Some(Protocol::Mac), expressions);
        }
        self.add(Direction::Out, Verdict::Drop, None, Vec::new());
    }

    fn dhcp_only(&mut self, mac: MacAddr, families: Families, servers: &[IpAddr]) {
        let source = || is(Attribute::SrcMacAddr, Value::Mac(mac));
        if families.ipv4() {
            self.dhcp(Direction::Out, Protocol::Ip, vec![source()], None, (68, 67));
        }
        if families.ipv6() {
            self.dhcp(Direction::Out, Protocol::Ipv6, vec![source()], None, (546, 547));
            self.icmpv6(Direction::Out, &[source()], &ICMPV6_FROM_GUEST);
        }
        self.add(Direction::Out, Verdict::Drop, None, Vec::new());

        let of_family = |ipv4: bool| {
            let mut chosen: Vec<Option<Value>> = servers
                .iter()
                .filter_map(|server| match server {
                    IpAddr::V4(server) => ipv4.then_some(Some(Value::Ipv4(*server))),
                    IpAddr::V6(server) => (!ipv4).then_some(Some(Value::Ipv6(*server))),
                })
                .collect();
            if chosen.is_empty() {
                chosen.push(None);
            }
            chosen
        };
        if families.ipv4() {
            for server in of_family(true) {
                for destination in [mac, MacAddr::BROADCAST] {
                    let to = vec![is(Attribute::DstMacAddr, Value::Mac(destination))];
                    self.dhcp(Direction::In, Protocol::Ip, to, server.clone(), (67, 68));
                }
            }
        }
        if families.ipv6() {
            for server in of_family(false) {
                self.dhcp(Direction::In, Protocol::Ipv6, Vec::new(), server, (547, 546));
            }
            self.icmpv6(Direction::In, &[], &ICMPV6_TO_GUEST);
        }
        self.add(Direction::In, Verdict::Drop, None, Vec::new());
    }

    fn dhcp(
        &mut self,
        direction: Direction,
        protocol: Protocol,
        mut expressions: Vec<Expression>,
        server: Option<Value>,
        ports: (u32, u32),
    ) {
        expressions.extend(server.map(|server| is(Attribute::SrcIpAddr, server)));
        expressions.push(number(Attribute::Protocol, UDP));
        expressions.push(number(Attribute::SrcPortStart, ports.0));
        expressions.push(number(Attribute::DstPortStart, ports.1));
        self.add(direction, Verdict::Accept, Some(protocol), expressions);
    }

    fn icmpv6(&mut self, direction: Direction, first: &[Expression], types: &[u32]) {
        for kind in types {
            let mut expressions = first.to_vec();
            expressions.push(number(Attribute::Protocol, ICMPV6));
            expressions.push(icmpv6_type(*kind));
            self.add(direction, Verdict::Accept, Some(Protocol::Ipv6), expressions);
        }
    }

    fn add(
        &mut self,
        direction: Direction,
        verdict: Verdict,
        protocol: Option<Protocol>,
        expressions: Vec<Expression>,
    ) {
        let Ok(filter) = format!("nwf-interim-{}", self.kind.name()).parse::<FilterName>() else { return };
        let rule = u32::try_from(self.rules.len() + 1).unwrap_or(u32::MAX);
        self.rules.push(Rule {
            chain: ChainName::root(),
            chain_priority: Priority::ZERO,
            priority: Priority::RULE_DEFAULT,
            direction,
            verdict,
            protocol,
            expressions,
            state: StateMatch::Automatic,
            comment: None,
            wheels: Vec::new(),
            provenance: Provenance { filter, rule, at: None },
        });
    }
}
