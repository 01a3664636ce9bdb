//! Turns rulesets into plans: the texts by which a backend programs the kernel.
//!
//! What a ruleset means is settled in [`crate::ruleset`]; a [`Backend`] says it in the words of its tool, exactly
//! or not at all. Nothing here asks the host or starts a process.

pub mod nft;
mod problem;
pub mod xtables;

use crate::model::Profile;
use crate::plan::{BackendName, Feature, Features, InterfacePlan, Plan, PlanKind, Rendering, Scope};
use crate::ruleset::{InterfaceRules, Ruleset};

pub use problem::{Place, Remedy, RenderError, RenderWarning};

/// What a backend is told beside the rules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Manner {
    /// The profile that the rules were written for.
    pub profile: Profile,
    /// Which packets to the guest the rules of the IP layer see.
    pub scope: Scope,
}

/// One rendering, and what was odd about making it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rendered {
    /// The texts.
    pub rendering: Rendering,
    /// What is rendered otherwise than an author may think.
    pub warnings: Vec<RenderWarning>,
    /// Whether another host could be served better.
    pub degraded: bool,
}

/// Turns the rules of an interface into the steps of one way to program the kernel.
///
/// Pure: starts no process and asks the host nothing, so a plan can be printed, compared, stored, and applied
/// elsewhere. [`plan`] calls it once for each set of features that it renders for (design.md, "What a plan holds").
pub trait Backend {
    /// Which tool the texts are for.
    fn name(&self) -> BackendName;

    /// Renders one interface for hosts that have `host`.
    ///
    /// # Errors
    /// Every rule that cannot be expressed exactly, in order; then nothing is rendered.
    fn render(&self, rules: &InterfaceRules, manner: Manner, host: &Features) -> Result<Rendered, Vec<RenderError>>;
}

/// What may be chosen for a plan.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Options {
    /// The scope; none for the profile's own (NFT-118).
    pub scope: Option<Scope>,
    /// The host to render for; none for any.
    pub features: Option<Features>,
}

/// A plan, and what was odd about making it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The plan.
    pub plan: Plan,
    /// What is rendered otherwise than an author may think, each once.
    pub warnings: Vec<RenderWarning>,
}

/// The scope of a profile (NFT-118).
pub fn default_scope(profile: Profile) -> Scope {
    match profile {
        Profile::Nwf => Scope::All,
        Profile::Libvirt => Scope::Bridged,
    }
}

/// Renders a ruleset: for any host, or for one.
///
/// # Errors
/// The variables without a value, and every rule of every interface that cannot be rendered for any of the hosts.
pub fn plan(ruleset: &Ruleset, backend: &dyn Backend, options: &Options) -> Result<Outcome, Vec<RenderError>> {
    let profile = ruleset.profile;
    let manner = Manner { profile, scope: options.scope.unwrap_or_else(|| default_scope(profile)) };
    let hosts = match &options.features {
        Some(host) => vec![host.clone()],
        None => hosts(),
    };
    let forced = options.features.is_some();
    let mut interfaces = Vec::with_capacity(ruleset.interfaces.len());
    let mut warnings = Vec::new();
    let mut errors = Vec::new();
    for rules in &ruleset.interfaces {
        match renderings(rules, backend, manner, &hosts, forced) {
            Ok((renderings, odd)) => {
                add_new(&mut warnings, odd);
                interfaces.push(InterfacePlan { binding: rules.binding.clone(), scope: manner.scope, renderings });
            }
            Err(found) => add_new(&mut errors, found),
        }
    }
    if !errors.is_empty() {
        return Err(errors);
    }
    let plan = Plan { nwf: PlanKind, profile, backend: backend.name(), interfaces };
    Ok(Outcome { plan, warnings })
}

/// The hosts that a plan serves, best first: with connection tracking in the bridge, with br_netfilter's, with the
/// bridge's but nothing that answers rejected packets, with nothing.
fn hosts() -> Vec<Features> {
    let silent = Features { has: [Feature::BridgeConntrack].into(), ..Features::default() };
    vec![Features::native(), Features::relay(), silent, Features::none()]
}

fn renderings(
    rules: &InterfaceRules,
    backend: &dyn Backend,
    manner: Manner,
    hosts: &[Features],
    forced: bool,
) -> Result<(Vec<Rendering>, Vec<RenderWarning>), Vec<RenderError>> {
    if let Some(missing) = &rules.missing {
        let help = RenderError::help_for_missing(missing.learning);
        let interface = &rules.binding.interface;
        let error = |variable: &crate::ruleset::MissingVariable| RenderError::Missing {
            interface: interface.clone(),
            access: variable.access.clone(),
            filters: variable.filters.clone(),
            help,
        };
        return Err(missing.variables.iter().map(error).collect());
    }
    let mut renderings: Vec<Rendering> = Vec::new();
    let mut warnings = Vec::new();
    let mut errors = Vec::new();
    for host in hosts {
        match backend.render(rules, manner, host) {
            Ok(rendered) => {
                // What only a lesser host brings about is told when that host is the one that was named.
                if forced || renderings.is_empty() {
                    add_new(&mut warnings, rendered.warnings);
                }
                let needs_nothing = rendered.rendering.requires.is_empty() && !rendered.degraded;
                if renderings.iter().all(|known| known.hash != rendered.rendering.hash) {
                    renderings.push(rendered.rendering);
                }
                if needs_nothing {
                    break;
                }
            }
            Err(found) => add_new(&mut errors, found),
        }
    }
    if renderings.is_empty() { Err(errors) } else { Ok((renderings, warnings)) }
}

/// Appends what is not there yet.
fn add_new<T: PartialEq>(all: &mut Vec<T>, more: impl IntoIterator<Item = T>) {
    for item in more {
        if !all.contains(&item) {
            all.push(item);
        }
    }
}
