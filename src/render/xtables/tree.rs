//! The rules of one interface as the arguments of their commands, in order, whatever the chains are called.

use std::collections::BTreeMap;

use super::XtablesError;
use super::command::Tool;
use super::ethernet::{self, Spelling};
use super::ip;
use super::names::IpChain;
use super::words::{Combination, Wrong};
use crate::model::{Attribute, ChainName, Direction, InterfaceName, Layer, Priority, Profile, Provenance};
use crate::plan::Scope;
use crate::render::{Manner, Place, RenderError, RenderWarning, add_new};
use crate::ruleset::{InterfaceRules, Orientation, Placement, Rule, Side, StateTest, Verdict};

/// The tree of one interface.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Tree {
    /// The sides that have rules of the Ethernet layer, whose root chains are made (EB-91).
    pub(super) sides: Vec<Side>,
    /// Rules and chains of the Ethernet layer in the order of their making (EB-92).
    pub(super) ethernet: Vec<EthernetStep>,
    /// The rules of the IP layer, for each tool that has any.
    pub(super) ip: Vec<IpRules>,
}

/// One step in making the Ethernet layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum EthernetStep {
    /// Make a chain, and the jump to it.
    Chain { side: Side, chain: ChainName },
    /// Append a rule.
    Rule { side: Side, chain: ChainName, words: Vec<String>, provenance: Provenance },
}

/// The rules of the IP layer for one tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IpRules {
    pub(super) tool: Tool,
    pub(super) rules: Vec<IpRule>,
}

/// A rule of the IP layer in one chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct IpRule {
    pub(super) chain: IpChain,
    pub(super) words: Vec<String>,
    pub(super) provenance: Provenance,
}

/// A tree, and what was odd about making it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) tree: Tree,
    pub(super) warnings: Vec<RenderWarning>,
    /// The first rule of the IP layer.
    pub(super) first_ip: Option<Place>,
    /// Whether a rule asks for the state of connections.
    pub(super) has_state: bool,
    /// Whether a rule of the IP layer rejects.
    pub(super) has_reject: bool,
}

/// Makes the tree of an interface.
///
/// # Errors
/// Every rule that cannot be said.
pub(super) fn make(rules: &InterfaceRules, manner: Manner) -> Result<Made, Vec<RenderError>> {
    let mut maker = Maker {
        interface: &rules.binding.interface,
        profile: manner.profile,
        spelling: if rules.binding.interim.is_some() { Spelling::Interim } else { Spelling::Filter },
        warnings: Vec::new(),
        errors: Vec::new(),
        has_state: false,
    };
    let first_ip = rules.ip_rules().next().map(Place::of);
    if let Some(place) = &first_ip
        && manner.profile == Profile::Nwf
        && manner.scope == Scope::All
    {
        let error = XtablesError::Scope { interface: maker.interface.clone(), place: place.clone() };
        return Err(vec![error.into()]);
    }
    let ethernet = maker.ethernet(rules);
    let has = |side: Side| rules.rules.iter().any(|rule| rule.layer() == Layer::Ethernet && side.has(rule.direction));
    let sides = Side::BOTH.into_iter().filter(|side| has(*side)).collect();
    let ip = [(Tool::Iptables, Layer::Ipv4), (Tool::Ip6tables, Layer::Ipv6)]
        .into_iter()
        .filter(|(_, layer)| rules.ip_rules().any(|rule| rule.layer() == *layer))
        .map(|(tool, layer)| IpRules {
            tool,
            rules: rules.ip_rules().filter(|rule| rule.layer() == layer).flat_map(|rule| maker.ip(rule)).collect(),
        })
        .collect();
    if !maker.errors.is_empty() {
        return Err(maker.errors);
    }
    Ok(Made {
        tree: Tree { sides, ethernet, ip },
        warnings: maker.warnings,
        first_ip,
        has_state: maker.has_state,
        has_reject: rules.ip_rules().any(|rule| rule.verdict == Verdict::Reject),
    })
}

struct Maker<'a> {
    interface: &'a InterfaceName,
    profile: Profile,
    spelling: Spelling,
    warnings: Vec<RenderWarning>,
    errors: Vec<RenderError>,
    has_state: bool,
}

/// A chain that waits for its turn.
struct Waiting {
    side: Side,
    chain: ChainName,
    priority: Priority,
}

impl Maker<'_> {
    /// EB-92.
    fn ethernet(&mut self, rules: &InterfaceRules) -> Vec<EthernetStep> {
        let mut steps = Vec::new();
        let mut waiting: std::collections::VecDeque<Waiting> = waiting(rules, self.profile).into();
        for rule in rules.rules.iter().filter(|rule| rule.layer() == Layer::Ethernet) {
            let raised = if rule.chain.is_root() { rule.priority } else { rule.priority.max(rule.chain_priority) };
            // A rule's own chain is there before it, whatever its priority became by other filters.
            let own = waiting.iter().rposition(|next| next.chain == rule.chain).map_or(0, |position| position + 1);
            let due = waiting.iter().take_while(|next| next.priority <= raised).count().max(own);
            steps.extend(waiting.drain(..due).map(|Waiting { side, chain, .. }| EthernetStep::Chain { side, chain }));
            self.ethernet_rule(rule, &mut steps);
        }
        steps.extend(waiting.into_iter().map(|Waiting { side, chain, .. }| EthernetStep::Chain { side, chain }));
        steps
    }

    fn ethernet_rule(&mut self, rule: &Rule, steps: &mut Vec<EthernetStep>) {
        self.warn_of_inverted_lists(rule);
        let placements = rule.placements(self.profile);
        for positions in rule.combinations() {
            let combination = Combination { rule, positions: &positions };
            for placement in &placements {
                match ethernet::rule(combination, placement, self.profile, self.spelling) {
                    Ok(alternatives) => steps.extend(alternatives.into_iter().map(|words| EthernetStep::Rule {
                        side: placement.side,
                        chain: rule.chain.clone(),
                        words,
                        provenance: rule.provenance.clone(),
                    })),
                    Err(wrong) => return self.fail(rule, placement, wrong),
                }
            }
        }
    }

    /// EB-60, EB-61.
    fn ip(&mut self, rule: &Rule) -> Vec<IpRule> {
        self.warn_of_inverted_lists(rule);
        if let Some(comment) = &rule.comment
            && comment.chars().any(char::is_control)
        {
            let error = XtablesError::Comment { interface: self.interface.clone(), place: Place::of(rule) };
            self.errors.push(error.into());
            return Vec::new();
        }
        let placements = rule.placements(self.profile);
        if placements.is_empty() && rule.has_icmp_type() && rule.direction == Direction::Inout {
            add_new(&mut self.warnings, [RenderWarning::IcmpInout { place: Place::of(rule) }]);
        }
        self.has_state |= placements
            .iter()
            .any(|Placement { state, .. }| state.as_ref().is_some_and(|StateTest { states, .. }| !states.is_empty()));
        let mut made = Vec::new();
        for positions in rule.combinations() {
            let combination = Combination { rule, positions: &positions };
            for chain in [IpChain::FromGuest, IpChain::ToGuest, IpChain::Host] {
                let Some(placement) = placements.iter().find(|placement| placement.side == chain.side()) else {
                    continue;
                };
                match ip::rule(combination, placement, chain, self.profile) {
                    Ok(words) => {
                        let provenance = rule.provenance.clone();
                        made.extend(words.map(|words| IpRule { chain, words, provenance }));
                    }
                    Err(wrong) => {
                        self.fail(rule, placement, wrong);
                        return Vec::new();
                    }
                }
            }
        }
        made
    }

    /// An inverted list is the single rules, which together match everything (NFT-202).
    fn warn_of_inverted_lists(&mut self, rule: &Rule) {
        if self.profile == Profile::Libvirt {
            return;
        }
        let is_list = |expression: &&crate::ruleset::Expression| {
            expression.negated && expression.test.slots().iter().any(|slot| slot.wheel().is_some())
        };
        let warnings = rule
            .expressions
            .iter()
            .filter(is_list)
            .map(|expression| RenderWarning::InvertedList { place: Place::of(rule).with(expression.attribute) });
        add_new(&mut self.warnings, warnings);
    }

    fn fail(&mut self, rule: &Rule, placement: &Placement, wrong: Wrong) {
        let interface = self.interface.clone();
        // Named as the author wrote it.
        let place = |attribute: Attribute| {
            let written = match placement.orientation {
                Orientation::AsWritten => attribute,
                Orientation::Mirrored => attribute.mirrored(),
            };
            Place::of(rule).with(written)
        };
        let error = match wrong {
            Wrong::Malformed(attribute) => {
                let why = "the value is none that the attribute can have".to_owned();
                RenderError::Malformed { interface, place: place(attribute), why }
            }
            // Found in the rule as written.
            Wrong::NeedsProtocol(attribute, needed) => {
                RenderError::NeedsProtocol { interface, place: Place::of(rule).with(attribute), needed }
            }
            Wrong::Inexpressible(attribute, what, help) => {
                XtablesError::Inexpressible { interface, place: place(attribute), what, help }.into()
            }
        };
        add_new(&mut self.errors, [error]);
    }
}

/// The chains beside `root` in the order of their making: by priority; of equal ones those for packets from the guest
/// first, and of these in the order in which their rules come.
///
/// The priority of a name is that of its first rule (RES-83), or, in the profile `libvirt`, that of its last one on
/// each side (EB-92).
fn waiting(rules: &InterfaceRules, profile: Profile) -> Vec<Waiting> {
    let mut all = Vec::new();
    for side in Side::BOTH {
        let own = || {
            let here = |rule: &&Rule| rule.layer() == Layer::Ethernet && side.has(rule.direction);
            rules.rules.iter().filter(here).filter(|rule| !rule.chain.is_root())
        };
        let mut last: BTreeMap<&ChainName, Priority> = BTreeMap::new();
        for rule in own() {
            last.insert(&rule.chain, rule.chain_priority);
        }
        let mut known: Vec<&ChainName> = Vec::new();
        match profile {
            Profile::Nwf => {
                let here = rules.chains.iter().filter(|chain| chain.sides.contains(&side));
                all.extend(here.map(|chain| Waiting { side, chain: chain.name.clone(), priority: chain.priority }));
            }
            Profile::Libvirt => {
                for rule in own() {
                    if !known.contains(&&rule.chain) {
                        known.push(&rule.chain);
                        let priority = last.get(&rule.chain).copied().unwrap_or(rule.chain_priority);
                        all.push(Waiting { side, chain: rule.chain.clone(), priority });
                    }
                }
            }
        }
    }
    all.sort_by_key(|waiting| waiting.priority);
    all
}

impl Tree {
    /// The chains beside `root` of one side, in the order of the jumps to them.
    pub(super) fn sub_chains(&self, side: Side) -> impl Iterator<Item = &ChainName> {
        self.ethernet.iter().filter_map(move |step| match step {
            EthernetStep::Chain { side: own, chain } if *own == side => Some(chain),
            EthernetStep::Chain { .. } | EthernetStep::Rule { .. } => None,
        })
    }

    /// Whether a tool has chains of the interface.
    pub(super) fn uses(&self, tool: Tool) -> bool {
        match tool {
            Tool::Ebtables => !self.sides.is_empty(),
            Tool::Iptables | Tool::Ip6tables => self.ip.iter().any(|rules| rules.tool == tool),
        }
    }
}
