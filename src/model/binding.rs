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
