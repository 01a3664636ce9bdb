//! Where a rule is enforced, and how it reads there.
//!
//! A filter's rule is written as the guest sees it. The host enforces it where packets enter from the guest
//! and where they leave to it, and a rule of the IP layer describes both halves of a connection. This is the
//! one place that turns the one into the other; it states for all backends what EB-40, EB-60 to EB-78, NFT-110
//! and NFT-111 say of each.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Expression, Rule, StateMatch, Verdict};
use crate::model::{Attribute, Direction, Layer, Profile, State};

/// The side of the port that a packet passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Side {
    /// It was sent by the guest.
    FromGuest,
    /// It is delivered to the guest.
    ToGuest,
}

impl Side {
    /// Both, in the order in which rules are made.
    pub const BOTH: [Side; 2] = [Side::FromGuest, Side::ToGuest];

    /// Whether Ethernet-layer rules of a direction exist on this side (RES-80).
    pub fn has(self, direction: Direction) -> bool {
        match direction {
            Direction::Out => self == Side::FromGuest,
            Direction::In => self == Side::ToGuest,
            Direction::Inout => true,
        }
    }
}

/// Whether the rule's source is the packet's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Orientation {
    /// It is.
    AsWritten,
    /// Source and destination are exchanged.
    Mirrored,
}

/// Which half of a connection a packet must belong to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ConnectionDirection {
    /// That of the connection's first packet.
    Original,
    /// The other one.
    Reply,
}

/// The check of the connection's state in one chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateTest {
    /// One of these; never empty, never `NONE`.
    pub states: Vec<State>,
    /// And this half.
    pub direction: Option<ConnectionDirection>,
}

/// One chain that a rule is enforced in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placement {
    /// The side.
    pub side: Side,
    /// How the rule reads there.
    pub orientation: Orientation,
    /// The check of the connection's state; none for none.
    pub state: Option<StateTest>,
}

impl Placement {
    /// The tests of a rule as they read in this chain: exchanged if mirrored, and then, in the IP layer, without
    /// the source MAC, which a packet to the guest does not carry (EB-64).
    pub fn expressions(&self, rule: &Rule) -> Vec<Expression> {
        match self.orientation {
            Orientation::AsWritten => rule.expressions.clone(),
            Orientation::Mirrored => rule
                .expressions
                .iter()
                .filter(|expression| rule.layer() == Layer::Ethernet || expression.attribute != Attribute::SrcMacAddr)
                .map(Expression::mirrored)
                .collect(),
        }
    }
}

impl Rule {
    /// The chains that the rule is enforced in, the side of packets from the guest first.
    ///
    /// Empty where libvirt builds nothing (EB-68); there the profile `nwf` builds the rule on both sides.
    pub fn placements(&self, profile: Profile) -> Vec<Placement> {
        Side::BOTH
            .into_iter()
            .filter_map(|side| match self.layer() {
                Layer::Ethernet => self.ethernet_placement(side),
                Layer::Ipv4 | Layer::Ipv6 => self.ip_placement(side, profile),
            })
            .collect()
    }

    /// EB-40, NFT-110.
    fn ethernet_placement(&self, side: Side) -> Option<Placement> {
        let orientation = match (self.direction, side) {
            (Direction::Inout, Side::FromGuest) => Orientation::Mirrored,
            _ => Orientation::AsWritten,
        };
        side.has(self.direction).then_some(Placement { side, orientation, state: None })
    }

    /// EB-61, EB-64, EB-68, EB-77; NFT-111.
    fn ip_placement(&self, side: Side, profile: Profile) -> Option<Placement> {
        let as_written = (side == Side::FromGuest) == (self.direction == Direction::Out);
        let one_directional = matches!(&self.state, StateMatch::Explicit(_)) || self.has_icmp_type();
        if one_directional && !side.has(self.direction) {
            return None;
        }
        if self.has_icmp_type() && self.direction == Direction::Inout && profile == Profile::Libvirt {
            return None;
        }
        if !as_written && (self.has_limit() || self.is_only_source_mac()) {
            return None;
        }
        let orientation = if as_written { Orientation::AsWritten } else { Orientation::Mirrored };
        Some(Placement { side, orientation, state: self.state_test(orientation) })
    }

    /// EB-70 to EB-75.
    fn state_test(&self, orientation: Orientation) -> Option<StateTest> {
        let accepts = self.verdict == Verdict::Accept;
        if accepts && self.has_limit() {
            return None;
        }
        match &self.state {
            StateMatch::Off => None,
            StateMatch::Explicit(set) if set.is_none() => None,
            StateMatch::Explicit(set) => Some(StateTest { states: set.states().to_vec(), direction: None }),
            StateMatch::Automatic if !accepts || self.direction == Direction::Inout => None,
            StateMatch::Automatic => {
                let (states, direction) = match orientation {
                    Orientation::AsWritten => (vec![State::New, State::Established], ConnectionDirection::Original),
                    Orientation::Mirrored => (vec![State::Established], ConnectionDirection::Reply),
                };
                Some(StateTest { states, direction: (!self.has_icmp_type()).then_some(direction) })
            }
        }
    }

    /// An ICMP type has a direction: the answer has another type (EB-68).
    pub fn has_icmp_type(&self) -> bool {
        self.layer() != Layer::Ethernet && self.expression(Attribute::Type).is_some()
    }

    fn has_limit(&self) -> bool {
        self.expression(Attribute::ConnlimitAbove).is_some()
    }

    /// Whether nothing but the source MAC tells packets apart; sets, limits and comments do not count (EB-64).
    fn is_only_source_mac(&self) -> bool {
        let counts = |expression: &&Expression| {
            !matches!(expression.attribute, Attribute::SrcMacAddr | Attribute::IpSet | Attribute::ConnlimitAbove)
        };
        self.expression(Attribute::SrcMacAddr).is_some()
            && !self.expressions.iter().any(|expression| counts(&expression))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::model::{MacAddr, Protocol, Value};
    use crate::ruleset::tests::rule;
    use crate::ruleset::{Slot, Test};

    fn is(attribute: Attribute, value: Value) -> Expression {
        Expression { attribute, negated: false, test: Test::Is(Slot::Value(value)) }
    }

    /// What a rule becomes, one word a chain: side, orientation, states, half of the connection.
    fn told(rule: &Rule, profile: Profile) -> Vec<String> {
        let word = |placement: &Placement| {
            let side = if placement.side == Side::FromGuest { "from" } else { "to" };
            let orientation = if placement.orientation == Orientation::AsWritten { "" } else { "~" };
            let state = placement.state.as_ref().map_or(String::new(), |state| {
                let names: Vec<&str> = state.states.iter().map(|state| state.name()).collect();
                let half = match state.direction {
                    Some(ConnectionDirection::Original) => ">",
                    Some(ConnectionDirection::Reply) => "<",
                    None => "",
                };
                format!(" {}{half}", names.join(","))
            });
            format!("{orientation}{side}{state}")
        };
        rule.placements(profile).iter().map(word).collect()
    }

    fn tcp(direction: Direction, verdict: Verdict, state: StateMatch) -> Rule {
        Rule { protocol: Some(Protocol::Tcp), direction, verdict, state, ..rule() }
    }

    #[test]
    fn nft_110_ethernet_rules() {
        let told = |direction| told(&Rule { direction, ..rule() }, Profile::Nwf);
        assert_eq!(told(Direction::Out), ["from"]);
        assert_eq!(told(Direction::In), ["to"]);
        assert_eq!(told(Direction::Inout), ["~from", "to"]);
    }

    #[test]
    fn eb_72_nft_111_automatic_state() {
        let told = |direction, verdict| told(&tcp(direction, verdict, StateMatch::Automatic), Profile::Nwf);
        assert_eq!(told(Direction::Out, Verdict::Accept), ["from NEW,ESTABLISHED>", "~to ESTABLISHED<"]);
        assert_eq!(told(Direction::In, Verdict::Accept), ["~from ESTABLISHED<", "to NEW,ESTABLISHED>"]);
        assert_eq!(told(Direction::Inout, Verdict::Accept), ["~from", "to"]);
        assert_eq!(told(Direction::Out, Verdict::Drop), ["from", "~to"]);
        assert_eq!(told(Direction::In, Verdict::Reject), ["~from", "to"]);
    }

    #[test]
    fn eb_70_eb_71_explicit_state_holds_one_way() {
        let state = |names: &[State]| StateMatch::Explicit(names.to_vec().into());
        let told = |direction, state| told(&tcp(direction, Verdict::Accept, state), Profile::Nwf);
        assert_eq!(told(Direction::Out, state(&[State::New])), ["from NEW"]);
        assert_eq!(told(Direction::In, state(&[State::Related, State::New])), ["to NEW,RELATED"]);
        assert_eq!(told(Direction::Inout, state(&[State::Invalid])), ["~from INVALID", "to INVALID"]);
        assert_eq!(told(Direction::In, state(&[State::None])), ["to"]);
    }

    #[test]
    fn eb_73_statematch_off() {
        let told = |direction| told(&tcp(direction, Verdict::Accept, StateMatch::Off), Profile::Nwf);
        assert_eq!(told(Direction::Out), ["from", "~to"]);
        assert_eq!(told(Direction::In), ["~from", "to"]);
    }

    #[test]
    fn eb_68_an_icmp_type_goes_one_way_and_qe_8() {
        let icmp = |direction| Rule {
            protocol: Some(Protocol::Icmp),
            expressions: vec![is(Attribute::Type, Value::Number(8))],
            ..tcp(direction, Verdict::Accept, StateMatch::Automatic)
        };
        assert_eq!(told(&icmp(Direction::Out), Profile::Nwf), ["from NEW,ESTABLISHED"]);
        assert_eq!(told(&icmp(Direction::In), Profile::Nwf), ["to NEW,ESTABLISHED"]);
        assert_eq!(told(&icmp(Direction::Inout), Profile::Nwf), ["~from", "to"]);
        assert!(told(&icmp(Direction::Inout), Profile::Libvirt).is_empty());
    }

    #[test]
    fn eb_64_a_rule_of_nothing_but_a_source_mac_is_not_mirrored() {
        let mac = is(Attribute::SrcMacAddr, Value::Mac(MacAddr::BROADCAST));
        let mut rule = tcp(Direction::Out, Verdict::Drop, StateMatch::Automatic);
        rule.expressions = vec![mac];
        assert_eq!(told(&rule, Profile::Nwf), ["from"]);
        rule.expressions.push(is(Attribute::DstPortStart, Value::Number(80)));
        assert_eq!(told(&rule, Profile::Nwf), ["from", "~to"]);
        let placements = rule.placements(Profile::Nwf);
        let mirrored = placements.last().unwrap().expressions(&rule);
        assert_eq!(mirrored, [is(Attribute::SrcPortStart, Value::Number(80))]);
    }

    #[test]
    fn eb_77_eb_74_a_limit_is_not_mirrored_and_an_accepting_one_knows_no_state() {
        let limited = |direction, verdict| {
            let mut rule = tcp(direction, verdict, StateMatch::Automatic);
            rule.expressions = vec![is(Attribute::ConnlimitAbove, Value::Number(9))];
            told(&rule, Profile::Nwf)
        };
        assert_eq!(limited(Direction::Out, Verdict::Accept), ["from"]);
        assert_eq!(limited(Direction::In, Verdict::Drop), ["to"]);
        assert_eq!(limited(Direction::Inout, Verdict::Drop), ["to"]);
    }
}
