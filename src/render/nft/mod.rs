//! nftables: one table, maps from port to chain, one chain for each stage of an interface (spec 04, section 4).

mod fields;
mod key;
mod matching;
mod names;
mod rules;
mod script;
mod setup;

use std::collections::BTreeSet;

use super::{Backend, Manner, Place, RenderError, RenderWarning, Rendered, add_new};
use crate::model::{ChainPrefix, Direction, InterfaceName, Profile, Protocol};
use crate::plan::{
    BackendName, Feature, Features, Line, Link, PlanChain, RejectMode, Rendering, Scope, StateMode, Table,
};
use crate::ruleset::{Chain, InterfaceRules, Orientation, Rule, Side, Step, Verdict};

pub use script::{Action, script};

/// The backend for nftables.
#[derive(Debug, Clone, Copy, Default)]
pub struct Nft;

/// What of the constant part a rendering uses.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(clippy::struct_excessive_bools, reason = "each is a part that is there or not")]
struct Parts {
    /// Connection state of the bridge family.
    native_state: bool,
    /// Connection state handed over in the mark.
    relay_state: bool,
    /// Rejecting in the bridge family.
    native_reject: bool,
    /// Rejecting in the family inet, asked for by the mark.
    relay_reject: bool,
    /// The set of equal bytes.
    same: bool,
}

/// The work on one interface for one kind of host.
struct Work<'a> {
    interface: &'a InterfaceName,
    profile: Profile,
    /// How state would be known.
    state: StateMode,
    /// How packets would be rejected.
    reject: RejectMode,
    parts: Parts,
    degraded: bool,
    warnings: Vec<RenderWarning>,
    errors: Vec<RenderError>,
}

/// The place of a chain in the way of a packet; also the name of its map.
fn stage(side: Side, ip_layer: bool, scope: Scope) -> &'static str {
    match (side, ip_layer, scope) {
        (Side::FromGuest, false, _) => "l2o",
        (Side::ToGuest, false, _) => "l2i",
        (Side::FromGuest, true, _) => "l3o",
        (Side::ToGuest, true, Scope::All) => "l3i",
        (Side::ToGuest, true, Scope::Bridged) => "l3b",
    }
}

impl Backend for Nft {
    fn name(&self) -> BackendName {
        BackendName::Nft
    }

    fn render(&self, rules: &InterfaceRules, manner: Manner, host: &Features) -> Result<Rendered, Vec<RenderError>> {
        let interface = &rules.binding.interface;
        if !names::fits_in_a_map(interface) {
            return Err(vec![RenderError::InterfaceName { interface: interface.clone() }]);
        }
        let mut work = Work::new(interface, manner.profile, host);
        let mut chains = Vec::new();
        let mut links = Vec::new();
        for side in Side::BOTH {
            work.ethernet_chains(rules, side, manner.scope, &mut chains, &mut links);
        }
        for side in Side::BOTH {
            work.ip_chain(rules, side, manner.scope, &mut chains, &mut links);
        }
        if work.errors.is_empty() { Ok(work.finish(chains, &links)) } else { Err(work.errors) }
    }
}

impl<'a> Work<'a> {
    fn new(interface: &'a InterfaceName, profile: Profile, host: &Features) -> Self {
        let has = |features: &[Feature]| features.iter().all(|feature| host.has.contains(feature));
        let state = if has(&[Feature::BridgeConntrack]) {
            StateMode::Native
        } else if has(&[Feature::InetConntrack, Feature::BridgeNetfilter]) {
            StateMode::Relay
        } else {
            StateMode::None
        };
        let reject = if has(&[Feature::BridgeReject]) {
            RejectMode::Native
        } else if has(&[Feature::BridgeNetfilter]) {
            RejectMode::Relay
        } else {
            RejectMode::Drop
        };
        Work {
            interface,
            profile,
            state,
            reject,
            parts: Parts::default(),
            degraded: false,
            warnings: Vec::new(),
            errors: Vec::new(),
        }
    }

    fn chain_name(&self, stage: &str, chain: Option<&Chain>) -> String {
        let interface = names::encode(self.interface.as_str());
        match chain {
            None => format!("i.{interface}.{stage}"),
            Some(chain) => format!("i.{interface}.{stage}.{}", names::encode(chain.name.as_str())),
        }
    }

    /// The chains of frames on one side: the root, and those that it jumps to (NFT-109).
    fn ethernet_chains(
        &mut self,
        rules: &InterfaceRules,
        side: Side,
        scope: Scope,
        chains: &mut Vec<PlanChain>,
        links: &mut Vec<(&'static str, String)>,
    ) {
        let stage = stage(side, false, scope);
        let steps = rules.root(side);
        if steps.is_empty() {
            return;
        }
        let root = self.chain_name(stage, None);
        let mut content = Vec::new();
        let mut inner = Vec::new();
        for step in steps {
            match step {
                Step::Rule(rule) => self.rule_lines(rule, side, &mut content),
                Step::Jump(chain) => {
                    let name = self.chain_name(stage, Some(chain));
                    content.push(Line { text: format!("{}jump {name}", entry(chain.name.prefix())), provenance: None });
                    let mut below = Vec::new();
                    let mut last = None;
                    for rule in rules.chain(&chain.name, side) {
                        self.rule_lines(rule, side, &mut below);
                        last = Some(rule);
                    }
                    // The end of a chain beside `root` accepts (QE-3).
                    if !last.is_some_and(is_final) {
                        below.push(Line { text: "counter accept".to_owned(), provenance: None });
                    }
                    inner.push(PlanChain { table: Table::BridgeNwf, name, lines: below });
                }
            }
        }
        links.push((stage, root.clone()));
        chains.push(PlanChain { table: Table::BridgeNwf, name: root, lines: content });
        chains.append(&mut inner);
    }

    /// The chain of IP packets on one side, whatever chains the rules were written in.
    fn ip_chain(
        &mut self,
        rules: &InterfaceRules,
        side: Side,
        scope: Scope,
        chains: &mut Vec<PlanChain>,
        links: &mut Vec<(&'static str, String)>,
    ) {
        let mut content = Vec::new();
        let mut any = false;
        for rule in rules.ip_rules() {
            let placements = rule.placements(self.profile);
            if placements.is_empty() && side == Side::FromGuest {
                let place = Place::of(rule);
                if rule.has_icmp_type() && rule.direction == Direction::Inout {
                    add_new(&mut self.warnings, [RenderWarning::IcmpInout { place }]);
                }
            }
            if placements.iter().any(|placement| placement.side == side) {
                any = true;
                self.rule_lines(rule, side, &mut content);
            }
        }
        if any {
            let stage = stage(side, true, scope);
            let name = self.chain_name(stage, None);
            links.push((stage, name.clone()));
            chains.push(PlanChain { table: Table::BridgeNwf, name, lines: content });
        }
    }

    /// Puts everything together once all rules are written.
    fn finish(self, chains: Vec<PlanChain>, links: &[(&'static str, String)]) -> Rendered {
        let setup = setup::statements(self.parts);
        let led: Vec<_> = links.iter().map(|(map, to)| (Table::BridgeNwf, (*map).to_owned(), to.clone())).collect();
        let hash = Rendering::compute_hash(&setup, &chains, &led);
        let links = led.into_iter().map(|(table, from, to)| link(self.interface, table, from, to, &hash)).collect();
        let Parts { native_state, relay_state, native_reject, relay_reject, same: _ } = self.parts;
        let mut requires = BTreeSet::new();
        requires.extend(native_state.then_some(Feature::BridgeConntrack));
        requires.extend(native_reject.then_some(Feature::BridgeReject));
        requires.extend(relay_state.then_some(Feature::InetConntrack));
        requires.extend((relay_state || relay_reject).then_some(Feature::BridgeNetfilter));
        let state = match (native_state, relay_state) {
            (true, _) => StateMode::Native,
            (_, true) => StateMode::Relay,
            (false, false) => StateMode::None,
        };
        let reject = match (native_reject, relay_reject) {
            (true, _) => RejectMode::Native,
            (_, true) => RejectMode::Relay,
            (false, false) => RejectMode::Drop,
        };
        let rendering = Rendering { requires, state, reject, setup, chains, links, hash };
        Rendered { rendering, warnings: self.warnings, degraded: self.degraded }
    }
}

/// The map element of an interface. That it is added, deleted and added makes the text right whether it is there,
/// is there with another hash, or is not (NFT-63).
fn link(interface: &InterfaceName, table: Table, from: String, to: String, hash: &str) -> Link {
    let short = hash.get(..16).unwrap_or(hash);
    let element = format!("element {table} {from} {{ \"{interface}\"");
    let make = format!("add {element} : jump {to} }}");
    let take = format!("delete {element} }}");
    let mark = format!("add {element} comment \"h={short}\" : jump {to} }}");
    Link { table, from, to, install: vec![make.clone(), take.clone(), mark], remove: vec![make, take] }
}

/// Which frames enter a chain (NFT-7).
fn entry(prefix: ChainPrefix) -> &'static str {
    match prefix {
        ChainPrefix::Ipv4 => "ether type ip ",
        ChainPrefix::Ipv6 => "ether type ip6 ",
        ChainPrefix::Arp => "ether type arp ",
        ChainPrefix::Rarp => "ether type 0x8035 ",
        ChainPrefix::Vlan => "ether type 0x8100 ",
        ChainPrefix::Stp => "ether daddr 01:80:c2:00:00:00 ",
        ChainPrefix::Mac | ChainPrefix::Root => "",
    }
}

/// Whether no frame gets behind the rule.
fn is_final(rule: &Rule) -> bool {
    let any_frame = matches!(rule.protocol, None | Some(Protocol::Mac)) && rule.expressions.is_empty();
    any_frame && rule.verdict != Verdict::Continue
}

/// Whether a rule's packets are answered, or would be, on a side: only those from the guest can be.
fn is_answered(rule: &Rule, side: Side) -> bool {
    rule.verdict == Verdict::Reject && side == Side::FromGuest
}

/// Whether a rule is written with source and destination exchanged.
fn is_mirrored(orientation: Orientation) -> bool {
    orientation == Orientation::Mirrored
}
