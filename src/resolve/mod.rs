//! From a filter and the parameters of one interface to its concrete rules (spec 02).
//!
//! The [`store`] finds filters by name; [`tree`] walks them and notes which values each rule sees;
//! [`iterators`] turns the lists of a rule into wheels; [`lower`] makes the rules of the
//! [ruleset](crate::ruleset). [`interim`] makes the rulesets that need no filter. Nothing here knows a firewall.

mod error;
mod interim;
mod iterators;
mod lower;
pub mod store;
#[cfg(test)]
mod tests;
mod tree;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::leases::Leases;
use crate::model::{
    AccessKind, Binding, Bound, FilterName, InterfaceName, Interim, Layer, MacAddr, Parameters, Profile, VariableName,
};
use crate::ruleset::{Chain, InterfaceRules, LearningMethod, Missing, MissingVariable, Rule, Ruleset, Side};

pub use error::{EXPLANATIONS, ResolveError};
pub use interim::{Families, interim};
use store::FilterStore;
use tree::{Environment, Tree};

/// Largest number of expanded rules of an interface, unless told otherwise.
pub const MAX_RULES: usize = 100_000;
/// Longest chain of references, unless told otherwise.
pub const MAX_DEPTH: usize = 100;

/// How far resolution goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rules of one interface, every combination of lists counted; also references followed.
    pub rules: usize,
    /// Filters on one path from the top.
    pub depth: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits { rules: MAX_RULES, depth: MAX_DEPTH }
    }
}

/// One binding with everything that the environment is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The interface.
    pub interface: InterfaceName,
    /// The guest's MAC, if it is known.
    pub mac: Option<MacAddr>,
    /// The top-level filter; none if only an interim ruleset is wanted.
    pub filter: Option<FilterName>,
    /// What the binding or the user gives.
    pub parameters: Parameters,
    /// The binding itself, if there is one: owner, link device, place.
    pub binding: Option<Arc<Binding>>,
}

impl Target {
    /// The target of a binding; none if the binding does not know its interface.
    pub fn of(binding: &Binding) -> Option<Target> {
        Some(Target {
            interface: binding.interface.clone()?,
            mac: binding.mac,
            filter: Some(binding.filter.clone()),
            parameters: binding.parameters.clone(),
            binding: Some(Arc::new(binding.clone())),
        })
    }

    /// What the ruleset says of the binding.
    pub fn bound(&self, interim: Option<Interim>) -> Bound {
        let binding = self.binding.as_deref();
        Bound {
            interface: self.interface.clone(),
            mac: self.mac,
            filter: self.filter.clone(),
            interim,
            parameters: self.parameters.clone(),
            owner: binding.and_then(|binding| binding.owner.clone()),
            link_device: binding.and_then(|binding| binding.link_device.clone()),
        }
    }

    /// The environment of the top-level filter: what the user gives wins over what is known (RES-20, RES-23).
    fn environment(&self, leases: &Leases, profile: Profile) -> Environment {
        let mut values = leases.variables(&self.interface, self.mac);
        if profile == Profile::Libvirt {
            // RES-23: libvirt never provides an IPv6 address.
            values.retain(|name, _| name.as_str() != "IPV6");
        }
        if let (Some(mac), Ok(name)) = (self.mac, "MAC".parse()) {
            values.insert(name, vec![mac.to_string()]);
        }
        values.extend(self.parameters.clone());
        Environment::new(values)
    }
}

/// What came out, and what there is to warn of.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The interfaces, in order.
    pub ruleset: Ruleset,
    /// Warnings.
    pub warnings: Vec<ResolveError>,
}

/// Resolves several interfaces. With `partial` an interface whose variables have no value is given back without
/// rules and says what is missing.
///
/// # Errors
/// Everything that is wrong, of all interfaces.
pub fn resolve(
    targets: &[Target],
    store: &dyn FilterStore,
    leases: &Leases,
    profile: Profile,
    limits: Limits,
    partial: bool,
) -> Result<Outcome, Vec<ResolveError>> {
    let mut outcome = Outcome { ruleset: Ruleset { profile, ..Ruleset::default() }, warnings: Vec::new() };
    let mut errors = Vec::new();
    for target in targets {
        match resolve_one(target, store, leases, profile, limits, partial) {
            Ok((rules, warnings)) => {
                outcome.ruleset.interfaces.push(rules);
                outcome.warnings.extend(warnings);
            }
            Err(found) => {
                errors.extend(found.into_iter().filter(|error| !error.is_repeated(&errors)).collect::<Vec<_>>());
            }
        }
    }
    outcome.warnings.dedup_by(|one, other| one.to_string() == other.to_string());
    if errors.is_empty() { Ok(outcome) } else { Err(errors) }
}

fn resolve_one(
    target: &Target,
    store: &dyn FilterStore,
    leases: &Leases,
    profile: Profile,
    limits: Limits,
    partial: bool,
) -> Result<(InterfaceRules, Vec<ResolveError>), Vec<ResolveError>> {
    let Some(filter) = &target.filter else {
        return Err(vec![ResolveError::NoFilter { interface: target.interface.clone() }]);
    };
    let environment = target.environment(leases, profile);
    let place = target.binding.as_ref().and_then(|binding| binding.at.clone());
    let tree = Tree::walk(filter, place.as_ref(), &environment, store, limits)?;
    let mut rules =
        InterfaceRules { binding: target.bound(None), chains: Vec::new(), rules: Vec::new(), missing: None };
    if let Some(missing) = missing(&tree, filter, &environment, profile)? {
        if !partial {
            return Err(vec![ResolveError::Missing { interface: target.interface.clone(), missing }]);
        }
        rules.missing = Some(missing);
        return Ok((rules, Vec::new()));
    }
    let mut instances = tree.instances;
    // The sort is stable, so ties stay in the order of expansion (RES-84).
    instances.sort_by_key(|instance| (!instance.filter.chain.is_root(), instance.rule().priority));
    let mut errors = Vec::new();
    let mut total = 0_usize;
    for instance in &instances {
        match lower::lower(instance, profile) {
            Ok(rule) => {
                total = total.saturating_add(rule.combination_count());
                rules.rules.push(rule);
            }
            Err(found) => errors.extend(found),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    if total > limits.rules {
        let interface = target.interface.clone();
        return Err(vec![ResolveError::TooManyRules { interface, count: total, limit: limits.rules }]);
    }
    let (chains, warnings) = chains(&rules.rules);
    rules.chains = chains;
    Ok((rules, warnings))
}

/// The chains beside `root` that have rules, in the order of their jumps (RES-80, RES-83, RES-86).
fn chains(rules: &[Rule]) -> (Vec<Chain>, Vec<ResolveError>) {
    let mut chains: Vec<Chain> = Vec::new();
    let mut warnings: Vec<ResolveError> = Vec::new();
    for rule in rules.iter().filter(|rule| rule.layer() == Layer::Ethernet && !rule.chain.is_root()) {
        let position = chains.iter().position(|chain| chain.name == rule.chain).unwrap_or_else(|| {
            chains.push(Chain { name: rule.chain.clone(), priority: rule.chain_priority, sides: Vec::new() });
            chains.len() - 1
        });
        let Some(chain) = chains.get_mut(position) else { continue };
        if chain.priority != rule.chain_priority {
            warnings.push(ResolveError::ChainPriorities {
                chain: chain.name.clone(),
                used: chain.priority,
                other: rule.chain_priority,
                filter: rule.provenance.filter.clone(),
                at: rule.provenance.at.clone(),
            });
        }
        let lacking = |side: &Side| side.has(rule.direction) && !chain.sides.contains(side);
        let sides: Vec<Side> = Side::BOTH.into_iter().filter(lacking).collect();
        chain.sides.extend(sides);
        chain.sides.sort_unstable();
    }
    chains.sort_by_key(|chain| chain.priority);
    warnings.dedup_by(|one, other| one.to_string() == other.to_string());
    (chains, warnings)
}

/// What the tree needs and the environment lacks, with the learning method (RES-50 to RES-54, LRN-1).
fn missing(
    tree: &Tree,
    filter: &FilterName,
    environment: &Environment,
    profile: Profile,
) -> Result<Option<Missing>, Vec<ResolveError>> {
    if tree.missing.is_empty() {
        return Ok(None);
    }
    let variables: Vec<MissingVariable> = tree
        .missing
        .iter()
        .map(|(access, filters)| MissingVariable { access: access.clone(), filters: filters.iter().cloned().collect() })
        .collect();
    let method = method_variable()
        .and_then(|name| environment.first(&name).map(str::to_ascii_lowercase))
        .unwrap_or("any".to_owned());
    let method = match method.as_str() {
        "any" => Some(LearningMethod::Any),
        "dhcp" => Some(LearningMethod::Dhcp),
        "none" => None,
        _ if !can_be_learned(&variables, LearningMethod::Dhcp, profile) => None,
        _ => {
            return Err(vec![ResolveError::LearningMethod { filter: filter.clone(), method }]);
        }
    };
    let learning = method.filter(|method| can_be_learned(&variables, *method, profile));
    Ok(Some(Missing { variables, learning }))
}

fn method_variable() -> Option<VariableName> {
    "CTRL_IP_LEARNING".parse().ok()
}

/// Whether nothing but the guest's addresses is missing, and they are asked for in a way that learning can
/// serve (RES-52, RES-54; QR-5 and LRN-1 in the profile `nwf`).
fn can_be_learned(variables: &[MissingVariable], method: LearningMethod, profile: Profile) -> bool {
    variables.iter().all(|variable| {
        let access = &variable.access;
        match (profile, access.name.as_str(), access.kind) {
            (Profile::Libvirt, name, kind) => name == "IP" && kind == AccessKind::Iterator(0),
            (Profile::Nwf, "IP" | "IPV6", AccessKind::Iterator(_) | AccessKind::Element(0)) => true,
            (Profile::Nwf, "IP" | "IPV6", AccessKind::Element(_)) => method == LearningMethod::Dhcp,
            (Profile::Nwf, _, _) => false,
        }
    })
}

/// The families whose addresses a binding waits for; as far as its filters can be read (LRN-1, LRN-21).
pub fn families_to_learn(
    target: &Target,
    store: &dyn FilterStore,
    leases: &Leases,
    profile: Profile,
    limits: Limits,
) -> Option<Families> {
    let environment = target.environment(leases, profile);
    let tree = Tree::walk(target.filter.as_ref()?, None, &environment, store, limits).ok()?;
    let names: BTreeSet<&str> = tree.missing.keys().map(|access| access.name.as_str()).collect();
    match (names.contains("IP"), names.contains("IPV6")) {
        (true, false) => Some(Families::Ipv4),
        (false, true) => Some(Families::Ipv6),
        (true, true) => Some(Families::Both),
        (false, false) => None,
    }
}
