//! The document `leases/1`: the addresses that are known of interfaces (LRN-232).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

use crate::model::{InterfaceName, MacAddr, Parameters, document_kind};

document_kind!(LeasesKind, "leases/1");

/// The document `leases/1`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Leases {
    /// Kind and version.
    pub nwf: LeasesKind,
    /// The interfaces.
    pub interfaces: Vec<InterfaceLeases>,
    /// Counters of the run that wrote the document; nothing that is resolved depends on them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistics: Option<BTreeMap<String, serde_json::Value>>,
}

/// What is known of one interface.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InterfaceLeases {
    /// The interface; none if a capture file was read without one.
    pub interface: Option<InterfaceName>,
    /// The guest's address.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mac: Option<MacAddr>,
    /// How the addresses were learned: `any` or `dhcp`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Whether every family that was asked for has a lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub complete: Option<bool>,
    /// The leases, in the order learned.
    #[serde(default)]
    pub leases: Vec<Lease>,
    /// The addresses as values of variables, in the order learned. These are what a filter sees.
    #[serde(default)]
    pub variables: BTreeMap<String, Vec<String>>,
}

/// One address and how it is known.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Lease {
    /// The address.
    pub address: std::net::IpAddr,
    /// `ipv4` or `ipv6`.
    pub family: String,
    /// VLAN numbers, outermost first.
    #[serde(default)]
    pub vlan: Vec<u16>,
    /// Which kind of packet told it.
    pub source: String,
    /// The server that granted it.
    #[serde(default)]
    pub server: Option<std::net::IpAddr>,
    /// When it ends, in seconds since 1970.
    #[serde(default)]
    pub expires: Option<f64>,
    /// When it was learned, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learned_at: Option<f64>,
    /// When it was last confirmed, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_seen: Option<f64>,
}

impl Leases {
    /// The values that are known for an interface. Those learned of another MAC address do not count: the
    /// interface's name may have belonged to another guest.
    pub fn variables(&self, interface: &InterfaceName, mac: Option<MacAddr>) -> Parameters {
        let mut variables = Parameters::new();
        let same_mac = |known: Option<MacAddr>| known.is_none() || mac.is_none() || known == mac;
        let concerned = self.interfaces.iter().filter(|known| match &known.interface {
            Some(name) => name == interface && same_mac(known.mac),
            None => mac.is_some() && known.mac == mac,
        });
        for (name, values) in concerned.flat_map(|known| &known.variables) {
            let Ok(name) = name.parse() else { continue };
            let list: &mut Vec<String> = variables.entry(name).or_default();
            for value in values {
                if !list.contains(value) {
                    list.push(value.clone());
                }
            }
        }
        variables.retain(|_, values| !values.is_empty());
        variables
    }
}
