//! ebtables, iptables and ip6tables: chains of each interface in their tables (spec 03).
//!
//! A [plan](crate::plan) has the texts of the restore tools under the names that are in force; [`commands`] and
//! [`shell`] print the lists of single commands that libvirt runs, for people and scripts.

mod command;
mod ethernet;
mod ip;
mod lifecycle;
mod names;
mod problem;
mod restore;
mod script;
mod tree;
mod words;

use crate::model::{InterfaceName, Profile};
use crate::plan::{BackendName, Feature, Features, Line, Link, PlanChain, RejectMode, Rendering, StateMode, Table};
use crate::render::{Backend, Manner, RenderError, Rendered};
use crate::ruleset::{InterfaceRules, Side};

use command::{Tool, restore_line};
use names::{Base, IpChain, Names, Phase};
use tree::{EthernetStep, IpRules, Made, Tree};

pub use lifecycle::{Action, commands, shell};
pub use names::collisions;
pub use problem::{EXPLANATIONS, XtablesError};
pub use restore::{RestoreAction, restore};

/// The backend for ebtables, iptables and ip6tables.
#[derive(Debug, Clone, Copy, Default)]
pub struct Xtables;

impl Backend for Xtables {
    fn name(&self) -> BackendName {
        BackendName::Xtables
    }

    fn render(&self, rules: &InterfaceRules, manner: Manner, host: &Features) -> Result<Rendered, Vec<RenderError>> {
        let names = Names { profile: manner.profile, interface: &rules.binding.interface };
        names.check().map_err(|error| vec![error.into()])?;
        let Made { tree, warnings, first_ip, has_state, has_reject } = tree::make(rules, manner)?;
        if let Some(place) = &first_ip
            && !host.has.contains(&Feature::BridgeNetfilter)
        {
            let interface = rules.binding.interface.clone();
            let error = XtablesError::Host { interface, place: place.clone(), feature: Feature::BridgeNetfilter };
            return Err(vec![error.into()]);
        }
        let requires = first_ip.iter().map(|_| Feature::BridgeNetfilter).collect();
        let state = if has_state { StateMode::Relay } else { StateMode::None };
        let reject = if has_reject { RejectMode::Relay } else { RejectMode::Drop };
        let mut chains = ethernet_chains(&tree, names);
        let mut links = ethernet_links(&tree, names);
        let mut setup = Vec::new();
        for rules in &tree.ip {
            setup.extend(base_chains(rules.tool, manner.profile));
            chains.extend(ip_chains(rules, names));
            links.extend(ip_links(rules.tool, names));
        }
        let led: Vec<_> = links.iter().map(|link| (link.table, link.from.clone(), link.to.clone())).collect();
        let hash = Rendering::compute_hash(&setup, &chains, &led);
        let rendering = Rendering { requires, state, reject, setup, chains, links, hash };
        Ok(Rendered { rendering, warnings, degraded: false })
    }
}

/// The chains of the Ethernet layer, each root before the chains that it jumps to.
fn ethernet_chains(tree: &Tree, names: Names<'_>) -> Vec<PlanChain> {
    let mut chains = Vec::new();
    for side in &tree.sides {
        let mut own: Vec<PlanChain> = Vec::new();
        let chain = |name: String| PlanChain { table: Table::EbtablesNat, name, lines: Vec::new() };
        own.push(chain(names.root(*side, Phase::Active)));
        own.extend(tree.sub_chains(*side).map(|sub| chain(names.sub_chain(sub, *side, Phase::Active))));
        let mut put = |name: &str, line: Line| {
            if let Some(chain) = own.iter_mut().find(|chain| chain.name == name) {
                chain.lines.push(line);
            }
        };
        for step in &tree.ethernet {
            match step {
                EthernetStep::Chain { side: own, chain } if own == side => {
                    let sub = names.sub_chain(chain, *side, Phase::Active);
                    let words = ethernet::entry(chain.prefix()).iter().copied().chain(["-j", &sub]);
                    put(&names.root(*side, Phase::Active), Line { text: restore_line(words), provenance: None });
                }
                EthernetStep::Rule { side: own, chain, words, provenance } if own == side => {
                    let text = restore_line(words.iter().map(String::as_str));
                    let line = Line { text, provenance: Some(provenance.clone()) };
                    put(&names.ethernet(chain, *side, Phase::Active), line);
                }
                EthernetStep::Chain { .. } | EthernetStep::Rule { .. } => {}
            }
        }
        chains.extend(own);
    }
    chains
}

fn ip_chains(rules: &IpRules, names: Names<'_>) -> Vec<PlanChain> {
    IpChain::ALL
        .into_iter()
        .map(|chain| {
            let own = rules.rules.iter().filter(|rule| rule.chain == chain);
            let lines = own.map(|rule| Line {
                text: restore_line(rule.words.iter().map(String::as_str)),
                provenance: Some(rule.provenance.clone()),
            });
            PlanChain { table: rules.tool.table(), name: names.ip(chain, Phase::Active), lines: lines.collect() }
        })
        .collect()
}

/// The way into a root chain (EB-10).
fn ethernet_link(names: Names<'_>, side: Side, phase: Phase) -> (&'static str, Vec<String>) {
    let (base, option) = match side {
        Side::FromGuest => ("PREROUTING", "-i"),
        Side::ToGuest => ("POSTROUTING", "-o"),
    };
    let root = names.root(side, phase);
    (base, strings([option, names.interface.as_str(), "-j", &root]))
}

/// The way into a chain of the IP layer (EB-11).
fn ip_link(names: Names<'_>, chain: IpChain, phase: Phase) -> (&'static str, Vec<String>) {
    let interface = names.interface.as_str();
    let own = names.ip(chain, phase);
    let words = match chain {
        IpChain::ToGuest => strings(["-m", "physdev", "--physdev-is-bridged", "--physdev-out", interface, "-g", &own]),
        IpChain::FromGuest | IpChain::Host => strings(["-m", "physdev", "--physdev-in", interface, "-g", &own]),
    };
    (names.base(chain.base()), words)
}

/// What lets packets from the guest pass once all chains have judged them (EB-11).
fn post_link(names: Names<'_>) -> (&'static str, Vec<String>) {
    let words = strings(["-m", "physdev", "--physdev-in", names.interface.as_str(), "-j", "ACCEPT"]);
    (names.base(Base::InPost), words)
}

fn strings<const N: usize>(words: [&str; N]) -> Vec<String> {
    words.map(str::to_owned).into()
}

fn link(tool: Tool, (from, words): (&'static str, Vec<String>)) -> Link {
    let line = |verb: &str| vec![restore_line([verb, from].into_iter().chain(words.iter().map(String::as_str)))];
    Link {
        table: tool.table(),
        from: from.to_owned(),
        to: words.last().cloned().unwrap_or_default(),
        install: line("-A"),
        remove: line("-D"),
    }
}

fn ethernet_links(tree: &Tree, names: Names<'_>) -> Vec<Link> {
    let of = |side: &Side| link(Tool::Ebtables, ethernet_link(names, *side, Phase::Active));
    tree.sides.iter().map(of).collect()
}

fn ip_links(tool: Tool, names: Names<'_>) -> Vec<Link> {
    let own = IpChain::ALL.into_iter().map(|chain| ip_link(names, chain, Phase::Active));
    own.chain([post_link(names)]).map(|words| link(tool, words)).collect()
}

/// The constant part for one tool: each statement with its table in front. Unlike nft's it cannot be loaded over
/// itself: `-N` of a chain that is there fails the transaction, so what is there already has to be left out.
fn base_chains(tool: Tool, profile: Profile) -> Vec<String> {
    let table = tool.table();
    let mut statements: Vec<String> =
        Base::ALL.iter().map(|base| format!("{table} -N {}", base.name(profile))).collect();
    for base in Base::ALL {
        let (parent, position) = base.parent();
        statements.push(format!("{table} -I {parent} {position} -j {}", base.name(profile)));
    }
    statements
}

/// Interfaces are named in comments of scripts and messages.
fn listed(interfaces: &[&InterfaceName]) -> String {
    interfaces.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ")
}
