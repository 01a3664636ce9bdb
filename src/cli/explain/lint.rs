//! What is probably not meant: rules that never match, chains that let through, and the like.
//!
//! Everything told here is certain from the rules alone, but whether it is a mistake only the author knows. A rule is
//! called shadowed only if an earlier one certainly catches all that it could match; where that cannot be told (tied
//! lists, IP sets, limits), nothing is said.

use std::collections::BTreeSet;

use serde::Serialize;

use super::words;
use crate::model::{
    self, Action, Attribute, ChainPrefix, Direction, Entry, Filter, Filters, InterfaceName, Layer, Location, Profile,
    Protocol, Value,
};
use crate::ruleset::{
    Chain, Expression, InterfaceRules, Orientation, Rule, Side, Slot, StateTest, Step, Test, Verdict,
};
use crate::simulate::text::{Packet, Stations};
use crate::simulate::{Scope, Simulator, numbers};

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Finding {
    /// The file, where it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    /// The line.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    /// The filter.
    filter: String,
    /// The rule's number in the filter; none if the filter as a whole is meant.
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<u32>,
    /// What kind of thing.
    code: &'static str,
    /// What is odd.
    message: String,
    /// What to do.
    help: &'static str,
}

impl Finding {
    fn of(rule: &Rule, code: &'static str, message: String, help: &'static str) -> Self {
        let provenance = &rule.provenance;
        Finding {
            file: provenance.at.as_ref().map(|at| at.file.to_string()),
            line: provenance.at.as_ref().map(|at| at.line),
            filter: provenance.filter.to_string(),
            rule: Some(provenance.rule),
            code,
            message,
            help,
        }
    }

    /// The finding on one line, with its help on a second.
    pub fn print(&self) -> String {
        let place = match (&self.file, self.line) {
            (Some(file), Some(line)) => format!("{file}:{line}: "),
            _ => String::new(),
        };
        let rule = self.rule.map_or(String::new(), |rule| format!(" rule {rule}"));
        format!("{place}{}{rule}: {} [{}]\n    {}\n", self.filter, self.message, self.code, self.help)
    }
}

/// A rule where it stands, or a chain that catches all of its kind.
#[derive(Clone)]
struct Standing<'a> {
    rule: Option<&'a Rule>,
    /// What it is about; none: every frame.
    protocol: Option<Protocol>,
    expressions: Vec<Expression>,
    state: Option<StateTest>,
    name: String,
}

impl<'a> Standing<'a> {
    fn of(rule: &'a Rule, profile: Profile, side: Side) -> Option<Self> {
        let placement = rule.placements(profile).into_iter().find(|placement| placement.side == side)?;
        Some(Standing {
            rule: Some(rule),
            protocol: rule.protocol,
            expressions: placement.expressions(rule),
            state: placement.state,
            name: words::place(&rule.provenance),
        })
    }

    fn of_chain(chain: &Chain) -> Self {
        let protocol = match chain.name.prefix() {
            ChainPrefix::Root | ChainPrefix::Mac => None,
            ChainPrefix::Vlan => Some(Protocol::Vlan),
            // Not the protocol: other frames go to that address too.
            ChainPrefix::Stp => Some(Protocol::Mac),
            ChainPrefix::Arp => Some(Protocol::Arp),
            ChainPrefix::Rarp => Some(Protocol::Rarp),
            ChainPrefix::Ipv4 => Some(Protocol::Ip),
            ChainPrefix::Ipv6 => Some(Protocol::Ipv6),
        };
        let destination = Expression {
            attribute: Attribute::DstMacAddr,
            negated: false,
            test: Test::Is(Slot::Value(Value::Mac(model::MacAddr::SPANNING_TREE))),
        };
        let is_stp = chain.name.prefix() == ChainPrefix::Stp;
        Standing {
            rule: None,
            protocol,
            expressions: if is_stp { vec![destination] } else { Vec::new() },
            state: None,
            name: format!("chain {}", chain.name),
        }
    }

    /// Whether every frame that `other` matches is matched by this.
    fn covers(&self, other: &Standing<'_>) -> bool {
        let state = match (&self.state, &other.state) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(own), Some(theirs)) => {
                theirs.states.iter().all(|state| own.states.contains(state))
                    && (own.direction.is_none() || own.direction == theirs.direction)
            }
        };
        state
            && covers_protocol(self.protocol, other.protocol)
            && self.expressions.iter().all(|own| self.implied(own, other))
    }

    /// Whether a test holds for all that `other` matches.
    fn implied(&self, own: &Expression, other: &Standing<'_>) -> bool {
        if own.attribute == Attribute::ProtocolId
            && let Some(kind) = other.protocol.and_then(ether_type)
        {
            return self.numbers(own).is_some_and(|set| contains(&set, &[(kind, kind)]));
        }
        let Some(theirs) = other.expressions.iter().find(|theirs| theirs.attribute == own.attribute) else {
            return false;
        };
        match (self.numbers(own), other.numbers(theirs)) {
            (Some(own), Some(theirs)) => contains(&own, &theirs),
            _ => {
                let has_lists = own.test.slots().iter().any(|slot| slot.wheel().is_some());
                let counted = matches!(own.attribute, Attribute::ConnlimitAbove | Attribute::IpSet);
                !has_lists && !counted && own == theirs
            }
        }
    }

    fn numbers(&self, expression: &Expression) -> Option<Vec<(u128, u128)>> {
        match self.rule {
            Some(rule) => numbers(rule, &self.expressions, expression),
            None => match &expression.test {
                Test::Is(Slot::Value(Value::Mac(address))) => {
                    let number = address.octets().iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte));
                    Some(vec![(number, number)])
                }
                _ => None,
            },
        }
    }
}

fn ether_type(protocol: Protocol) -> Option<u128> {
    match protocol {
        Protocol::Ip => Some(0x0800),
        Protocol::Arp => Some(0x0806),
        Protocol::Rarp => Some(0x8035),
        Protocol::Vlan => Some(0x8100),
        Protocol::Ipv6 => Some(0x86dd),
        _ => None,
    }
}

fn covers_protocol(own: Option<Protocol>, other: Option<Protocol>) -> bool {
    match (own, other) {
        (None | Some(Protocol::Mac), None) => true,
        (Some(_), None) => false,
        (None | Some(Protocol::Mac), Some(other)) => other.layer() == Layer::Ethernet,
        (Some(Protocol::All), Some(other)) => other.layer() == Layer::Ipv4,
        (Some(Protocol::AllIpv6), Some(other)) => other.layer() == Layer::Ipv6,
        (Some(own), Some(other)) => own == other,
    }
}

/// Whether sorted ranges contain all of other sorted ranges.
fn contains(own: &[(u128, u128)], other: &[(u128, u128)]) -> bool {
    other.iter().all(|(low, high)| {
        let before = own.partition_point(|(start, _)| start <= low);
        before.checked_sub(1).and_then(|last| own.get(last)).is_some_and(|(_, end)| high <= end)
    })
}

/// Findings in the rules of interfaces, in the order of files and lines.
pub fn of_rules(interfaces: &[&InterfaceRules], profile: Profile) -> Vec<Finding> {
    let mut found = BTreeSet::new();
    for rules in interfaces {
        let mut lint = Lint { rules, profile, found: &mut found };
        lint.each_rule();
        for side in Side::BOTH {
            lint.ethernet(side);
            lint.ip(side);
        }
        lint.scope();
        lint.twins();
    }
    found.into_iter().collect()
}

struct Lint<'a, 'f> {
    rules: &'a InterfaceRules,
    profile: Profile,
    found: &'f mut BTreeSet<Finding>,
}

impl<'a> Lint<'a, '_> {
    fn interface(&self) -> &InterfaceName {
        &self.rules.binding.interface
    }

    fn tell(&mut self, rule: &Rule, code: &'static str, message: String, help: &'static str) {
        self.found.insert(Finding::of(rule, code, message, help));
    }

    fn each_rule(&mut self) {
        let rules = self.rules;
        let mut told_chain = BTreeSet::new();
        for rule in &rules.rules {
            if let Some(why) = impossible(rule) {
                self.tell(rule, "impossible", why, "no frame can match; change or remove the rule");
            }
            if rule.verdict == Verdict::Continue {
                let message = "`continue` has no effect but a counter".to_owned();
                self.tell(rule, "no-effect", message, "remove the rule, unless it is there to count");
            }
            if rule.placements(self.profile).is_empty() {
                let message = "an ICMP type with direction `inout` is never built in this profile".to_owned();
                self.tell(rule, "no-effect", message, "write one rule for each direction");
            }
            for expression in &rule.expressions {
                let lists = expression.test.slots().into_iter().any(|slot| slot.wheel().is_some());
                if expression.negated && lists {
                    let message = format!(
                        "the list of `{}` is inverted: a frame matches if it differs from any one value, not from all",
                        expression.attribute
                    );
                    let help = "accept or return for the values, and put the opposite action behind";
                    self.tell(rule, "negated-list", message, help);
                }
            }
            let filter = &rule.provenance.filter;
            if rule.layer() != Layer::Ethernet && !rule.chain.is_root() && told_chain.insert(filter) {
                let message = format!(
                    "an IP-layer rule in the chain `{}` does not stand in it: it comes after all IP-layer rules of \
                     `root` filters, whatever its priority",
                    rule.chain
                );
                self.tell(rule, "ip-rule-in-chain", message, "move it to a filter of the chain `root` (QR-9)");
            }
        }
    }

    fn ethernet(&mut self, side: Side) {
        let rules = self.rules;
        let mut before: Vec<Standing<'a>> = Vec::new();
        for step in rules.root(side) {
            match step {
                Step::Rule(rule) => {
                    let Some(standing) = Standing::of(rule, self.profile, side) else { continue };
                    self.shadow(&before, &standing);
                    if rule.verdict != Verdict::Continue {
                        before.push(standing);
                    }
                }
                Step::Jump(chain) => {
                    let own = Standing::of_chain(chain);
                    if let Some(first) = rules.chain(&chain.name, side).next()
                        && let Some(earlier) = before.iter().find(|earlier| earlier.covers(&own))
                    {
                        let message =
                            format!("the chain `{}` is never reached: {} decides before", chain.name, earlier.name);
                        self.tell(first, "shadowed", message, "give the chain a lower priority number");
                        continue;
                    }
                    let leaves = self.chain(chain, side, &before);
                    if !leaves {
                        before.push(own);
                    }
                }
            }
        }
    }

    /// Looks at a chain beside `root`; tells whether frames can leave it for what follows in `root`.
    fn chain(&mut self, chain: &'a Chain, side: Side, before: &[Standing<'a>]) -> bool {
        let rules = self.rules;
        let mut before = before.to_vec();
        let mut last = None;
        let mut leaves = false;
        for rule in rules.chain(&chain.name, side) {
            let Some(standing) = Standing::of(rule, self.profile, side) else { continue };
            self.shadow(&before, &standing);
            leaves |= rule.verdict == Verdict::Return;
            last = Some((rule, Standing::covers(&standing, &Standing::of_chain(chain))));
            if rule.verdict != Verdict::Continue {
                before.push(standing);
            }
        }
        if let Some((rule, unconditional)) = last
            && (!unconditional || rule.verdict == Verdict::Continue)
        {
            let message = format!(
                "the chain `{}` ends here, and what none of its rules matches is accepted at its end, packets {} \
                 the guest",
                chain.name,
                if side == Side::FromGuest { "from" } else { "to" }
            );
            self.tell(
                rule,
                "open-chain",
                message,
                "end the chain with a rule that drops, accepts or returns all (QE-3)",
            );
        }
        leaves
    }

    fn ip(&mut self, side: Side) {
        let rules = self.rules;
        for layer in [Layer::Ipv4, Layer::Ipv6] {
            let mut before = Vec::new();
            for rule in rules.ip_rules().filter(|rule| rule.layer() == layer) {
                let Some(standing) = Standing::of(rule, self.profile, side) else { continue };
                // A mirrored half may be shadowed although the rule is not.
                let as_written = (side == Side::FromGuest) == (rule.direction == Direction::Out);
                if as_written {
                    self.shadow(&before, &standing);
                }
                if rule.verdict != Verdict::Continue {
                    before.push(standing);
                }
            }
        }
    }

    fn shadow(&mut self, before: &[Standing<'a>], standing: &Standing<'a>) {
        let Some(rule) = standing.rule else { return };
        let Some(earlier) = before.iter().find(|earlier| earlier.covers(standing)) else { return };
        // A rule of both directions that is shadowed in one of them has still its use.
        if rule.direction == Direction::Inout && rule.layer() == Layer::Ethernet {
            return;
        }
        let message = format!("can never match: {} catches all that it could", earlier.name);
        self.tell(rule, "shadowed", message, "remove it, or give it a lower priority number");
    }

    /// QE-2.
    fn scope(&mut self) {
        if Scope::default_of(self.profile) == Scope::All {
            return;
        }
        let to_guest = |rule: &&Rule| {
            matches!(rule.verdict, Verdict::Drop | Verdict::Reject)
                && rule
                    .placements(self.profile)
                    .iter()
                    .any(|placement| placement.side == Side::ToGuest && placement.orientation == Orientation::AsWritten)
        };
        if let Some(rule) = self.rules.ip_rules().find(to_guest) {
            let message = "does not see packets that the host itself or another network sends to the guest".to_owned();
            let help = "the profile `nwf` filters them too (`--scope all`); an Ethernet-layer rule does in both (QE-2)";
            self.tell(rule, "host-to-guest", message, help);
        }
    }

    /// IPv4 rules that say nothing of IPv6, where IPv6 is let through.
    fn twins(&mut self) {
        let stations = Stations::of(&self.rules.binding);
        let ethernet_only = InterfaceRules {
            rules: self.rules.rules.iter().filter(|rule| rule.layer() == Layer::Ethernet).cloned().collect(),
            ..self.rules.clone()
        };
        let Ok(sample) = Packet::parse("ip6 tcp dport 80") else { return };
        let mut simulator = Simulator::new(&ethernet_only, self.profile, Scope::All);
        let open: Vec<Side> = Side::BOTH
            .into_iter()
            .filter(|side| simulator.judge(*side, &sample.frame(*side, &stations, None)).passes())
            .collect();
        let rules = self.rules;
        let mut told = BTreeSet::new();
        for rule in rules.ip_rules().filter(|rule| rule.layer() == Layer::Ipv4) {
            let Some(twin) = rule.protocol.and_then(twin) else { continue };
            let drops = matches!(rule.verdict, Verdict::Drop | Verdict::Reject);
            let has_twin = rules.ip_rules().any(|other| {
                let fits = other.protocol == Some(twin) || other.protocol == Some(Protocol::AllIpv6);
                let same = matches!(other.verdict, Verdict::Drop | Verdict::Reject);
                fits && same && (other.direction == rule.direction || other.direction == Direction::Inout)
            });
            let side = if rule.direction == Direction::Out { Side::FromGuest } else { Side::ToGuest };
            if drops && !has_twin && open.contains(&side) && told.insert(rule.provenance.filter.clone()) {
                let message = format!("has no IPv6 twin, and IPv6 packets pass on {}", self.interface());
                self.tell(
                    rule,
                    "no-ipv6-twin",
                    message,
                    "add the same rule for IPv6, or drop IPv6 in the Ethernet layer",
                );
            }
        }
    }
}

/// The protocol of IPv6 that stands for one of IPv4.
fn twin(protocol: Protocol) -> Option<Protocol> {
    match protocol {
        Protocol::Icmp => Some(Protocol::Icmpv6),
        other => format!("{other}-ipv6").parse().ok(),
    }
}

/// Why no frame can match a rule; none if one can, or if it cannot be told.
fn impossible(rule: &Rule) -> Option<String> {
    for expression in &rule.expressions {
        if numbers(rule, &rule.expressions, expression).is_some_and(|set| set.is_empty()) {
            return Some(format!("can never match: no value of `{}` does", expression.attribute));
        }
        if let Test::Is(Slot::Value(Value::TcpFlags(flags))) = &expression.test
            && !expression.negated
            && flags.flags.bits() & !flags.mask.bits() != 0
        {
            return Some("can never match: `flags` wants flags that it does not look at".to_owned());
        }
    }
    let ports = [Attribute::SrcPortStart, Attribute::DstPortStart];
    let wants_ports = ports.iter().any(|attribute| rule.expression(*attribute).is_some());
    if wants_ports && matches!(rule.protocol, Some(Protocol::Ip | Protocol::Ipv6)) {
        let protocols =
            rule.expression(Attribute::Protocol).map(|expression| numbers(rule, &rule.expressions, expression));
        if let Some(Some(set)) = protocols {
            let with_ports = [6, 17, 33, 132, 136].into_iter().any(|number| contains(&set, &[(number, number)]));
            if !with_ports {
                return Some("can never match: the protocol has no ports".to_owned());
            }
        }
    }
    None
}

/// Findings in filters as they are written, whose variables have no values yet.
pub fn of_filters(filters: &Filters) -> Vec<Finding> {
    let mut found = BTreeSet::new();
    for filter in &filters.filters {
        of_filter(filter, filters, &mut found);
    }
    found.into_iter().collect()
}

fn finding(
    filter: &Filter,
    rule: Option<u32>,
    at: Option<&Location>,
    code: &'static str,
    message: String,
    help: &'static str,
) -> Finding {
    Finding {
        file: at.map(|at| at.file.to_string()),
        line: at.map(|at| at.line),
        filter: filter.name.to_string(),
        rule,
        code,
        message,
        help,
    }
}

/// The rules of a filter with their numbers, in the order in which they are looked at.
fn ordered(filter: &Filter) -> Vec<(u32, &model::Rule)> {
    let rules = filter.entries.iter().filter_map(|entry| match entry {
        Entry::Rule(rule) => Some(rule),
        Entry::Reference(_) => None,
    });
    let mut rules: Vec<(u32, &model::Rule)> = (1..).zip(rules).collect();
    rules.sort_by_key(|(_, rule)| rule.priority);
    rules
}

fn is_ethernet(rule: &model::Rule) -> bool {
    rule.protocol.is_none_or(|protocol| protocol.layer() == Layer::Ethernet)
}

fn of_filter(filter: &Filter, filters: &Filters, found: &mut BTreeSet<Finding>) {
    let rules = ordered(filter);
    let mut told = false;
    for (position, (number, rule)) in rules.iter().enumerate() {
        let mut tell = |code, message, help| {
            found.insert(finding(filter, Some(*number), rule.at.as_ref(), code, message, help));
        };
        if rule.action == Action::Continue {
            let message = "`continue` has no effect but a counter".to_owned();
            tell("no-effect", message, "remove the rule, unless it is there to count");
        }
        let has_type = rule.item(Attribute::Type).is_some();
        if !is_ethernet(rule) && has_type && rule.direction == Direction::Inout && filters.profile == Profile::Libvirt {
            let message = "an ICMP type with direction `inout` is never built in this profile".to_owned();
            tell("no-effect", message, "write one rule for each direction");
        }
        if !is_ethernet(rule) && !filter.chain.is_root() && !told {
            told = true;
            let message = format!(
                "an IP-layer rule in the chain `{}` does not stand in it: it comes after all IP-layer rules of \
                 `root` filters, whatever its priority",
                filter.chain
            );
            tell("ip-rule-in-chain", message, "move it to a filter of the chain `root` (QR-9)");
        }
        let earlier = rules.iter().take(position).find(|(_, earlier)| written_covers(earlier, rule, &filter.chain));
        if let Some((earlier, _)) = earlier {
            let message = format!("can never match: rule {earlier} catches all that it could");
            tell("shadowed", message, "remove it, or give it a lower priority number");
        }
    }
    for entry in &filter.entries {
        if let Entry::Reference(reference) = entry
            && reference.filter == filter.name
        {
            let message = "refers to itself".to_owned();
            let help = "remove the reference; nwf-resolve refuses it";
            found.insert(finding(filter, None, reference.at.as_ref(), "cycle", message, help));
        }
    }
    // A chain that several filters share is ended by any of them.
    let shared = filters.filters.iter().any(|other| other.chain == filter.chain && other.name != filter.name);
    if filter.chain.is_root() || shared {
        return;
    }
    for side in Side::BOTH {
        let here = |(_, rule): &&(u32, &model::Rule)| is_ethernet(rule) && side.has(rule.direction);
        let Some((number, last)) = rules.iter().rfind(here) else { continue };
        if !is_unconditional(last, filter.chain.prefix()) || last.action == Action::Continue {
            let message = format!(
                "the chain `{}` ends here, and what none of its rules matches is accepted at its end, packets {} \
                 the guest",
                filter.chain,
                if side == Side::FromGuest { "from" } else { "to" }
            );
            let help = "end the chain with a rule that drops, accepts or returns all (QE-3)";
            found.insert(finding(filter, Some(*number), last.at.as_ref(), "open-chain", message, help));
        }
    }
}

fn is_unconditional(rule: &model::Rule, prefix: ChainPrefix) -> bool {
    let of_chain = match rule.protocol {
        None | Some(Protocol::Mac) => true,
        Some(Protocol::Arp) => prefix == ChainPrefix::Arp,
        Some(Protocol::Rarp) => prefix == ChainPrefix::Rarp,
        Some(Protocol::Ip) => prefix == ChainPrefix::Ipv4,
        Some(Protocol::Ipv6) => prefix == ChainPrefix::Ipv6,
        Some(Protocol::Vlan) => prefix == ChainPrefix::Vlan,
        Some(_) => false,
    };
    of_chain && rule.items.iter().all(|item| item.attribute == Attribute::Comment)
}

/// Whether an earlier rule certainly matches all that a later one of the same filter could.
fn written_covers(earlier: &model::Rule, later: &model::Rule, chain: &model::ChainName) -> bool {
    if earlier.action == Action::Continue || is_ethernet(earlier) != is_ethernet(later) {
        return false;
    }
    let directions = earlier.direction == later.direction || earlier.direction == Direction::Inout;
    if !directions {
        return false;
    }
    // Without a state test of its own an accepting IP-layer rule has the automatic one, so only equal ones compare.
    let same_test = is_ethernet(earlier)
        || (earlier.action == later.action
            && earlier.statematch == later.statematch
            && earlier.direction == later.direction)
        || earlier.action != Action::Accept;
    let matching = |rule: &model::Rule| {
        let items = rule.items.iter().filter(|item| item.attribute != Attribute::Comment);
        items.map(|item| (item.attribute, item.negated, item.operand.clone())).collect::<Vec<_>>()
    };
    let (own, theirs) = (matching(earlier), matching(later));
    let special =
        |attribute: &Attribute| matches!(attribute, Attribute::ConnlimitAbove | Attribute::IpSet | Attribute::State);
    if own.iter().any(|(attribute, ..)| special(attribute)) {
        return false;
    }
    let same = earlier.protocol == later.protocol && own == theirs;
    let broad = own.is_empty()
        && (covers_protocol(earlier.protocol, later.protocol) || is_unconditional(earlier, chain.prefix()));
    // Mirroring changes what an `inout` rule means from the guest.
    let mirrored = earlier.direction != later.direction && !own.is_empty();
    same_test && !mirrored && (same || broad)
}
