//! What cannot be rendered, and what is rendered otherwise than an author may think.

use std::fmt;

use super::xtables::XtablesError;
use crate::model::{Attribute, Direction, FilterName, InterfaceName, Location, Protocol, Provenance, VariableAccess};
use crate::problem::Problem;
use crate::ruleset::{LearningMethod, Rule};

/// The rule, and perhaps the attribute in it, that a problem is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The filter that the rule is written in.
    pub filter: FilterName,
    /// Its number among the rules of that filter, from 1.
    pub rule: u32,
    /// What it matches.
    pub protocol: Option<Protocol>,
    /// Which traffic it is about.
    pub direction: Direction,
    /// The attribute, where one is to blame.
    pub attribute: Option<Attribute>,
    /// Where it begins.
    pub at: Option<Location>,
}

impl Place {
    /// The place of a rule as a whole.
    pub fn of(rule: &Rule) -> Self {
        let Provenance { filter, rule: number, at } = rule.provenance.clone();
        Place { filter, rule: number, protocol: rule.protocol, direction: rule.direction, attribute: None, at }
    }

    /// The same rule, with the attribute that is to blame.
    #[must_use]
    pub fn with(self, attribute: Attribute) -> Self {
        Place { attribute: Some(attribute), ..self }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "filter `{}` rule {} (", self.filter, self.rule)?;
        if let Some(protocol) = self.protocol {
            write!(f, "{protocol}, ")?;
        }
        write!(f, "{})", self.direction.name())?;
        match self.attribute {
            Some(attribute) => write!(f, ", `{attribute}`"),
            None => Ok(()),
        }
    }
}

/// Why nothing is rendered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum RenderError {
    /// A variable of the interface has no value.
    #[error("{interface}: `{access}` has no value; wanted by {}", list(filters))]
    #[diagnostic(code(nwf::render::missing))]
    Missing {
        /// The interface.
        interface: InterfaceName,
        /// The access without a value.
        access: VariableAccess,
        /// The filters that use it.
        filters: Vec<FilterName>,
        /// What to do.
        #[help]
        help: &'static str,
    },
    /// The name of an interface that nft cannot write.
    #[error("the interface name `{}` cannot stand in a map of nft", interface.as_str().escape_debug())]
    #[diagnostic(
        code(nwf::render::interface_name),
        help("rename the interface: no `\"` and no `\\`, and no `*` at the end")
    )]
    InterfaceName {
        /// The interface.
        interface: InterfaceName,
    },
    /// A protocol or attribute that the backend does not render yet.
    #[error("{interface}: {place}: {what} cannot be rendered for nftables yet")]
    #[diagnostic(
        code(nwf::render::not_yet),
        help(
            "nothing was rendered, since a rule left out would be a door left open; take the rule out, or wait for it"
        )
    )]
    NotYet {
        /// The interface.
        interface: InterfaceName,
        /// The rule.
        place: Place,
        /// What is not there, with its article or quotes.
        what: String,
    },
    /// An IP set of the kernel, which nftables does not know.
    #[error("{interface}: {place}: nftables has no access to the kernel's IP sets")]
    #[diagnostic(
        code(nwf::render::ip_set),
        help("a list of addresses in a variable does the same; the backend `xtables` is the one for IP sets")
    )]
    IpSet {
        /// The interface.
        interface: InterfaceName,
        /// The rule.
        place: Place,
    },
    /// A rule needs the state of connections, and there is none.
    #[error(
        "{interface}: {place}: connection state is needed, but the host has neither bridge connection tracking (nf_conntrack_bridge) nor br_netfilter"
    )]
    #[diagnostic(
        code(nwf::render::no_state),
        help(
            "load nf_conntrack_bridge; or load br_netfilter and set nf_call_iptables and nf_call_ip6tables on the bridge; or use statematch='false'"
        )
    )]
    NoState {
        /// The interface.
        interface: InterfaceName,
        /// The rule.
        place: Place,
    },
    /// A range that ends before it begins.
    #[error("{interface}: {place}: the range {start} to {end} ends before it begins")]
    #[diagnostic(code(nwf::render::empty_range), help("exchange the two, or leave the end out for a single value"))]
    EmptyRange {
        /// The interface.
        interface: InterfaceName,
        /// The rule.
        place: Place,
        /// The start.
        start: String,
        /// The end.
        end: String,
    },
    /// An attribute has a meaning only beside a protocol.
    #[error("{interface}: {place}: this needs {needed} in the same rule")]
    #[diagnostic(code(nwf::render::needs_protocol), help("add the attribute `protocol`, positive, with such a value"))]
    NeedsProtocol {
        /// The interface.
        interface: InterfaceName,
        /// The rule.
        place: Place,
        /// What is needed.
        needed: &'static str,
    },
    /// What only ebtables and iptables cannot do.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Xtables(#[from] XtablesError),
    /// A test that no reader of XML makes.
    #[error("{interface}: {place}: {why}")]
    #[diagnostic(
        code(nwf::render::malformed),
        help("the ruleset was not made by nwf-resolve, or by one of another version")
    )]
    Malformed {
        /// The interface.
        interface: InterfaceName,
        /// The rule.
        place: Place,
        /// What is wrong.
        why: String,
    },
}

/// What a caller does about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Remedy {
    /// Variables must be given.
    Variables,
    /// The filter must be changed: no host can render it.
    Input,
    /// Another host or backend may do it.
    Host,
}

impl RenderError {
    /// What would help.
    pub fn remedy(&self) -> Remedy {
        match self {
            RenderError::Missing { .. } => Remedy::Variables,
            RenderError::EmptyRange { .. } | RenderError::NeedsProtocol { .. } | RenderError::Malformed { .. } => {
                Remedy::Input
            }
            RenderError::InterfaceName { .. }
            | RenderError::NotYet { .. }
            | RenderError::IpSet { .. }
            | RenderError::NoState { .. } => Remedy::Host,
            RenderError::Xtables(error) => error.remedy(),
        }
    }

    /// What to do about a missing variable.
    pub(super) fn help_for_missing(learning: Option<LearningMethod>) -> &'static str {
        match learning {
            Some(LearningMethod::Any) => {
                "give it with `nwf-resolve --param NAME=VALUE`, or learn it: `nwf-learn`, then `nwf-resolve --leases`"
            }
            Some(LearningMethod::Dhcp) => {
                "give it with `nwf-resolve --param NAME=VALUE`, or learn it: `nwf-learn --method dhcp`, then `nwf-resolve --leases`"
            }
            None => "give it with `nwf-resolve --param NAME=VALUE`, or as a parameter of the binding",
        }
    }
}

impl Problem for RenderError {
    fn location(&self) -> Option<Location> {
        match self {
            RenderError::Missing { .. } | RenderError::InterfaceName { .. } => None,
            RenderError::NotYet { place, .. }
            | RenderError::IpSet { place, .. }
            | RenderError::NoState { place, .. }
            | RenderError::EmptyRange { place, .. }
            | RenderError::NeedsProtocol { place, .. }
            | RenderError::Malformed { place, .. } => place.at.clone(),
            RenderError::Xtables(error) => error.location(),
        }
    }
}

/// What is rendered otherwise than an author may think.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum RenderWarning {
    /// Rejected packets are dropped without an answer.
    #[error("filter `{filter}`: `reject` becomes `drop` for packets to the guest: nftables cannot answer there")]
    #[diagnostic(
        code(nwf::render::reject_is_drop),
        severity(Warning),
        help("write `drop` to say so; packets from the guest can be rejected")
    )]
    RejectIsDrop {
        /// The filter.
        filter: FilterName,
        /// The first such rule.
        at: Option<Location>,
    },
    /// Rejected packets from the guest are dropped, since the host cannot answer.
    #[error("filter `{filter}`: `reject` becomes `drop`: the host can reject neither in the bridge nor behind it")]
    #[diagnostic(
        code(nwf::render::reject_needs_host),
        severity(Warning),
        help("load the kernel module nft_reject_bridge, or br_netfilter")
    )]
    RejectNeedsHost {
        /// The filter.
        filter: FilterName,
        /// The first such rule.
        at: Option<Location>,
    },
    /// A list whose test is inverted.
    #[error("{place}: an inverted list matches what differs from any one value of it, not from all")]
    #[diagnostic(
        code(nwf::render::inverted_list),
        severity(Warning),
        help(
            "with two different values that is every packet; write the wanted values, and the opposite action behind"
        )
    )]
    InvertedList {
        /// The rule and its attribute.
        place: Place,
    },
    /// libvirt builds nothing of an ICMP rule with a type for both directions.
    #[error("{place}: has no effect, as in libvirt: an ICMP type with direction `inout` is never built")]
    #[diagnostic(
        code(nwf::render::icmp_inout),
        severity(Warning),
        help("write one rule for each direction; the profile `nwf` builds it for both")
    )]
    IcmpInout {
        /// The rule.
        place: Place,
    },
    /// The old plan has an interface that the new one lacks.
    #[error("the old plan has `{interface}`, the new one has not: its rules stay")]
    #[diagnostic(
        code(nwf::render::old_interface),
        severity(Warning),
        help("`--action remove` with its ruleset takes them away")
    )]
    OldInterface {
        /// The interface.
        interface: InterfaceName,
    },
}

impl Problem for RenderWarning {
    fn location(&self) -> Option<Location> {
        match self {
            RenderWarning::RejectIsDrop { at, .. } | RenderWarning::RejectNeedsHost { at, .. } => at.clone(),
            RenderWarning::InvertedList { place } | RenderWarning::IcmpInout { place } => place.at.clone(),
            RenderWarning::OldInterface { .. } => None,
        }
    }
}

fn list(filters: &[FilterName]) -> String {
    let names: Vec<String> = filters.iter().map(|filter| format!("`{filter}`")).collect();
    names.join(", ")
}
