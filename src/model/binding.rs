//! Bindings: one filter for one interface.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{FilterName, InterfaceName, Location, MacAddr, VariableName};

/// Values of variables: each an ordered, non-empty list (RES-1); equal values are kept (XML-22).
pub type Parameters = BTreeMap<VariableName, Vec<String>>;

/// One interface, its MAC, its top-level filter, its parameters (spec 01, sections 10 and 11).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Binding {
    /// The host-side device; none where a domain's XML does not name it.
    pub interface: Option<InterfaceName>,
    /// The guest's address; none where the XML does not give it.
    pub mac: Option<MacAddr>,
    /// The top-level filter.
    pub filter: FilterName,
    /// Its parameters.
    #[serde(default)]
    pub parameters: Parameters,
    /// The guest, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// The lower device of a macvtap interface, for address learning (XML-121).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_device: Option<InterfaceName>,
    /// The firewall technology that libvirt recorded (XML-121).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<String>,
    /// Where the binding begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Location>,
}

/// The guest that an interface belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Owner {
    /// Its name.
    pub name: String,
    /// Its UUID.
    pub uuid: Uuid,
}

/// A binding as far as it matters once it is resolved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Bound {
    /// The interface.
    pub interface: InterfaceName,
    /// The guest's MAC address, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<MacAddr>,
    /// The top-level filter; none for an interim ruleset that was made without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub filter: Option<FilterName>,
    /// Which interim ruleset this is, if it is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interim: Option<Interim>,
    /// The parameters of the binding, without automatic values.
    #[serde(default, skip_serializing_if = "Parameters::is_empty")]
    pub parameters: Parameters,
    /// The guest, if it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<Owner>,
    /// The lower device of a macvtap interface, for address learning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_device: Option<InterfaceName>,
}

/// The interim rulesets (LRN-20).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Interim {
    /// While an address is learned by any means: the guest's MAC, IP and ARP.
    Basic,
    /// While a DHCP lease is waited for: DHCP and nothing else.
    DhcpOnly,
    /// After a failure: nothing.
    DropAll,
}

impl Interim {
    /// The word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Interim::Basic => "basic",
            Interim::DhcpOnly => "dhcp-only",
            Interim::DropAll => "drop-all",
        }
    }
}

/// The place in the XML that a rule comes from.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Provenance {
    /// The filter that the rule is written in.
    pub filter: FilterName,
    /// Its number among the rules of that filter, from 1.
    pub rule: u32,
    /// Where it begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Location>,
}
