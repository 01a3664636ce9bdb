//! Names of chains (EB-20; design.md §3), and which interfaces can have them (EB-22, EB-23).

use std::collections::BTreeMap;

use super::XtablesError;
use crate::model::{ChainName, InterfaceName, Profile};
use crate::plan::{Plan, Table};
use crate::ruleset::Side;

/// Whether a tree of chains is being built or is in force (EB-21).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Phase {
    /// Being built.
    Temporary,
    /// In force.
    Active,
}

/// A chain of the IP layer that all interfaces share (EB-11).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Base {
    In,
    Out,
    InPost,
    HostIn,
}

impl Base {
    /// In the order of EB-11.
    pub(super) const ALL: [Base; 4] = [Base::In, Base::Out, Base::InPost, Base::HostIn];

    /// The chain that calls it, and the position there.
    pub(super) fn parent(self) -> (&'static str, &'static str) {
        match self {
            Base::In => ("FORWARD", "1"),
            Base::Out => ("FORWARD", "2"),
            Base::InPost => ("FORWARD", "3"),
            Base::HostIn => ("INPUT", "1"),
        }
    }

    pub(super) fn name(self, profile: Profile) -> &'static str {
        match (profile, self) {
            (Profile::Nwf, Base::In) => "nwf-in",
            (Profile::Nwf, Base::Out) => "nwf-out",
            (Profile::Nwf, Base::InPost) => "nwf-in-post",
            (Profile::Nwf, Base::HostIn) => "nwf-host-in",
            (Profile::Libvirt, Base::In) => "libvirt-in",
            (Profile::Libvirt, Base::Out) => "libvirt-out",
            (Profile::Libvirt, Base::InPost) => "libvirt-in-post",
            (Profile::Libvirt, Base::HostIn) => "libvirt-host-in",
        }
    }
}

/// A chain of the IP layer that belongs to one interface (EB-20).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum IpChain {
    /// Forwarded packets from the guest.
    FromGuest,
    /// Forwarded packets to the guest.
    ToGuest,
    /// Packets from the guest to the host.
    Host,
}

impl IpChain {
    /// In the order in which they are made and removed (EB-93).
    pub(super) const ALL: [IpChain; 3] = [IpChain::ToGuest, IpChain::FromGuest, IpChain::Host];

    /// The side whose placement says how a rule reads there (EB-61).
    pub(super) fn side(self) -> Side {
        match self {
            IpChain::FromGuest | IpChain::Host => Side::FromGuest,
            IpChain::ToGuest => Side::ToGuest,
        }
    }

    /// The chain that calls it.
    pub(super) fn base(self) -> Base {
        match self {
            IpChain::FromGuest => Base::In,
            IpChain::ToGuest => Base::Out,
            IpChain::Host => Base::HostIn,
        }
    }
}

/// The names of one interface.
#[derive(Debug, Clone, Copy)]
pub(super) struct Names<'a> {
    pub(super) profile: Profile,
    pub(super) interface: &'a InterfaceName,
}

impl Names<'_> {
    /// I and J: what comes in to the host; O and P: what goes out of it.
    fn letter(self, side: Side, phase: Phase) -> char {
        let letter = match (side, phase) {
            (Side::FromGuest, Phase::Temporary) => 'J',
            (Side::FromGuest, Phase::Active) => 'I',
            (Side::ToGuest, Phase::Temporary) => 'P',
            (Side::ToGuest, Phase::Active) => 'O',
        };
        match self.profile {
            Profile::Nwf => letter.to_ascii_lowercase(),
            Profile::Libvirt => letter,
        }
    }

    fn prefix(self) -> &'static str {
        match self.profile {
            Profile::Nwf => "nwf-",
            Profile::Libvirt => "libvirt-",
        }
    }

    /// First letters of the sub-chains of a phase, for a bracket expression (EB-160).
    pub(super) fn letters(self, phase: Phase) -> String {
        Side::BOTH.into_iter().map(|side| self.letter(side, phase)).collect()
    }

    pub(super) fn root(self, side: Side, phase: Phase) -> String {
        format!("{}{}-{}", self.prefix(), self.letter(side, phase), self.interface)
    }

    pub(super) fn sub_chain(self, chain: &ChainName, side: Side, phase: Phase) -> String {
        format!("{}-{}-{chain}", self.letter(side, phase), self.interface)
    }

    /// The chain of a rule of the Ethernet layer.
    pub(super) fn ethernet(self, chain: &ChainName, side: Side, phase: Phase) -> String {
        if chain.is_root() { self.root(side, phase) } else { self.sub_chain(chain, side, phase) }
    }

    pub(super) fn ip(self, chain: IpChain, phase: Phase) -> String {
        let (prefix, table) = match (self.profile, chain) {
            (Profile::Nwf, IpChain::FromGuest | IpChain::ToGuest) => ("nwf-", 'f'),
            (Profile::Nwf, IpChain::Host) => ("nwf-", 'h'),
            (Profile::Libvirt, IpChain::FromGuest | IpChain::ToGuest) => ("", 'F'),
            (Profile::Libvirt, IpChain::Host) => ("", 'H'),
        };
        format!("{prefix}{table}{}-{}", self.letter(chain.side(), phase), self.interface)
    }

    pub(super) fn base(self, base: Base) -> &'static str {
        base.name(self.profile)
    }

    /// Whether the tools take the name for one interface (EB-23).
    pub(super) fn check(self) -> Result<(), XtablesError> {
        let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'-');
        if self.interface.as_str().bytes().all(allowed) {
            return Ok(());
        }
        Err(XtablesError::InterfaceName { interface: self.interface.clone() })
    }
}

/// The pairs of interfaces of a plan that would share a chain (EB-23).
pub fn collisions(plan: &Plan) -> Vec<XtablesError> {
    let mut owners: BTreeMap<(Table, &str), &InterfaceName> = BTreeMap::new();
    let mut errors = Vec::new();
    for interface in &plan.interfaces {
        let name = &interface.binding.interface;
        for chain in interface.renderings.iter().flat_map(|rendering| &rendering.chains) {
            let owner = *owners.entry((chain.table, &chain.name)).or_insert(name);
            if owner != name {
                let error =
                    XtablesError::SharedChain { first: owner.clone(), second: name.clone(), chain: chain.name.clone() };
                if !errors.contains(&error) {
                    errors.push(error);
                }
            }
        }
    }
    errors
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn all(profile: Profile, interface: &str, chain: &str, phase: Phase) -> Vec<String> {
        let interface = interface.parse().unwrap();
        let names = Names { profile, interface: &interface };
        let chain = chain.parse().unwrap();
        let mut all: Vec<String> = Side::BOTH.map(|side| names.root(side, phase)).into();
        all.extend(Side::BOTH.map(|side| names.sub_chain(&chain, side, phase)));
        all.extend(IpChain::ALL.map(|chain| names.ip(chain, phase)));
        all
    }

    #[test]
    fn eb_20_names() {
        assert_eq!(
            all(Profile::Libvirt, "vnet0", "arp-mac", Phase::Temporary),
            [
                "libvirt-J-vnet0",
                "libvirt-P-vnet0",
                "J-vnet0-arp-mac",
                "P-vnet0-arp-mac",
                "FP-vnet0",
                "FJ-vnet0",
                "HJ-vnet0"
            ]
        );
        assert_eq!(
            all(Profile::Libvirt, "vnet0", "arp-mac", Phase::Active),
            [
                "libvirt-I-vnet0",
                "libvirt-O-vnet0",
                "I-vnet0-arp-mac",
                "O-vnet0-arp-mac",
                "FO-vnet0",
                "FI-vnet0",
                "HI-vnet0"
            ]
        );
        assert_eq!(
            all(Profile::Nwf, "vnet0", "arp-mac", Phase::Active),
            [
                "nwf-i-vnet0",
                "nwf-o-vnet0",
                "i-vnet0-arp-mac",
                "o-vnet0-arp-mac",
                "nwf-fo-vnet0",
                "nwf-fi-vnet0",
                "nwf-hi-vnet0"
            ]
        );
        assert_eq!(
            all(Profile::Nwf, "vnet0", "arp-mac", Phase::Temporary),
            [
                "nwf-j-vnet0",
                "nwf-p-vnet0",
                "j-vnet0-arp-mac",
                "p-vnet0-arp-mac",
                "nwf-fp-vnet0",
                "nwf-fj-vnet0",
                "nwf-hj-vnet0"
            ]
        );
    }

    #[test]
    fn eb_22_the_longest_names_fit() {
        for profile in [Profile::Nwf, Profile::Libvirt] {
            for name in all(profile, "fifteen-bytes-x", "ipv4-1234567", Phase::Temporary) {
                let is_ip = name.contains("fj-") || name.contains("fp-") || name.contains("hj-");
                assert!(name.len() <= if is_ip { 28 } else { 31 }, "{name}");
            }
        }
    }

    #[test]
    fn eb_23_names_of_interfaces() {
        let check = |name: &str| {
            let interface = name.parse().unwrap();
            Names { profile: Profile::Nwf, interface: &interface }.check().is_ok()
        };
        assert!(check("vnet0") && check("a-b_c.1") && check("-"));
        assert!(!check("x+") && !check("a+b") && !check("é") && !check("a'b") && !check("a$b") && !check("a;b"));
    }
}
