//! The kernel's IP sets, as far as somebody tells what is in them.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;

use super::packet::{Frame, number};
use crate::model::IpSetDirection;

/// What a dimension of an element holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Network(IpNet),
    Port(Option<u8>, u16, u16),
}

/// One element of an IP set: addresses, networks and ports, in the order of the set's dimensions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element(Vec<Part>);

/// Why a text is no element of an IP set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is neither an address, a network, nor a port such as `tcp:80`, or several of them with commas between")]
pub struct InvalidElement(String);

impl FromStr for Element {
    type Err = InvalidElement;

    fn from_str(text: &str) -> Result<Self, InvalidElement> {
        let parts: Option<Vec<Part>> = text.split(',').map(part).collect();
        parts.map(Element).ok_or_else(|| InvalidElement(text.to_owned()))
    }
}

fn part(text: &str) -> Option<Part> {
    if let Ok(network) = text.parse::<IpNet>() {
        return Some(Part::Network(network));
    }
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(Part::Network(address.into()));
    }
    let (protocol, ports) = match text.split_once(':') {
        Some(("tcp", ports)) => (Some(number::TCP), ports),
        Some(("udp", ports)) => (Some(number::UDP), ports),
        Some(("sctp", ports)) => (Some(number::SCTP), ports),
        Some(("udplite", ports)) => (Some(number::UDPLITE), ports),
        Some(_) => return None,
        None => (None, text),
    };
    let (low, high) = ports.split_once('-').unwrap_or((ports, ports));
    Some(Part::Port(protocol, low.parse().ok()?, high.parse().ok()?))
}

/// The sets whose content is known.
pub type Sets = BTreeMap<String, Vec<Element>>;

/// Whether a packet's fields are in a set.
pub fn contains(elements: &[Element], flags: &[IpSetDirection], frame: &Frame<'_>) -> bool {
    elements.iter().any(|Element(parts)| {
        parts.len() <= flags.len() && parts.iter().zip(flags).all(|(part, flag)| holds(*part, *flag, frame))
    })
}

fn holds(part: Part, flag: IpSetDirection, frame: &Frame<'_>) -> bool {
    match part {
        Part::Network(network) => frame.addresses().is_some_and(|(source, destination)| {
            network.contains(&if flag == IpSetDirection::Src { source } else { destination })
        }),
        Part::Port(protocol, low, high) => {
            let carried = frame.upper().map(|upper| upper.protocol);
            let fits = match protocol {
                Some(wanted) => carried == Some(wanted),
                None => matches!(carried, Some(number::TCP | number::UDP | number::SCTP | number::UDPLITE)),
            };
            let offset = if flag == IpSetDirection::Src { 0 } else { 16 };
            let found = frame.transport_bits(offset, 16);
            fits && found.is_some_and(|found| (u128::from(low)..=u128::from(high)).contains(&found))
        }
    }
}
