//! The way of a frame through the rules of one interface.
//!
//! A frame from the guest meets the Ethernet layer first, then, if it is an IP packet, the list of the IP layer; a
//! frame to the guest the other way round. Each layer must let it through. In the Ethernet layer the chain `root`
//! jumps to the others by what the frame is; the end of such a chain accepts (QE-3), `return` goes on behind the jump,
//! and `return` in `root` lets the frame through, as the end of `root` does. Connections are tracked between the two
//! layers, and a new one is remembered only if its first packet passes both.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;

use super::connections::{ConnectionState, Connections, Tracked, Tuple};
use super::matching::{Match, Matcher, Miss};
use super::packet::{Frame, ether_type};
use super::sets::{Element, Sets};
use crate::model::{Attribute, ChainPrefix, Layer, MacAddr, Profile, State};
use crate::ruleset::{Chain, InterfaceRules, Orientation, Placement, Rule, Side, StateTest, Step, Verdict};

/// Where a frame to the guest comes from; frames of the guest come from the guest.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Origin {
    /// Another port of the bridge.
    #[default]
    Bridge,
    /// The host itself, or another network by way of it.
    Host,
}

/// Which packets to the guest the rules of the IP layer see; a plan says the same of itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Scope {
    /// All that leave through the port, also from the host and routed.
    #[default]
    All,
    /// Only those that come from another port of the bridge (QE-2).
    Bridged,
}

impl Scope {
    /// What a plan has unless told otherwise (NFT-118).
    pub fn default_of(profile: Profile) -> Scope {
        match profile {
            Profile::Nwf => Scope::All,
            Profile::Libvirt => Scope::Bridged,
        }
    }
}

/// Part of the way of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The chains of Ethernet-layer rules.
    Ethernet(Side),
    /// The list of IP-layer rules.
    Ip(Side),
}

/// What decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision<'a> {
    /// A rule.
    Rule(&'a Rule),
    /// The end of a chain beside `root` (QE-3).
    EndOfChain(&'a Chain),
    /// No rule stood against it.
    Nothing,
}

/// One thing that a frame met.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Visit<'a> {
    /// A stage begins. What follows belongs to it.
    Stage(Stage),
    /// A jump of `root`; if it was taken, what follows belongs to the chain, up to its end.
    Jump {
        /// The chain.
        chain: &'a Chain,
        /// Whether the frame is of the chain's kind.
        taken: bool,
    },
    /// A rule.
    Rule {
        /// The rule.
        rule: &'a Rule,
        /// How it reads here.
        orientation: Orientation,
        /// Whether it matches.
        outcome: Match,
    },
    /// The end of a chain beside `root`, reached without a decision: it accepts.
    EndOfChain(&'a Chain),
    /// A chain beside `root` is left by `return`.
    Return(&'a Chain),
    /// The IP layer is passed over: packets of the host are not its matter (QE-2).
    NotSeen,
}

/// What becomes of a frame, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Judgement<'a> {
    /// `accept`, `drop`, or `reject`, which drops and answers.
    pub verdict: Verdict,
    /// What decided: of a frame that passed, in the last stage.
    pub by: Decision<'a>,
    /// What the frame met, in order.
    pub path: Vec<Visit<'a>>,
    /// The state of its connection; none where nothing is tracked.
    pub tracked: Option<Tracked>,
    /// IP sets that could have decided and of which nothing is known; the verdict holds if the packet is in none.
    pub unknown_sets: BTreeSet<String>,
}

impl Judgement<'_> {
    /// Whether the frame goes on.
    pub fn passes(&self) -> bool {
        self.verdict == Verdict::Accept
    }
}

/// A rule where it stands.
#[derive(Debug)]
struct Standing<'a> {
    rule: &'a Rule,
    placement: Placement,
    matcher: Matcher<'a>,
}

/// A step of the chain `root`.
#[derive(Debug)]
enum RootStep<'a> {
    Rule(Standing<'a>),
    Jump(&'a Chain, Vec<Standing<'a>>),
}

/// The rules that one side has.
#[derive(Debug)]
struct Half<'a> {
    root: Vec<RootStep<'a>>,
    ip: Vec<Standing<'a>>,
}

/// The meaning of one interface's rules.
///
/// It remembers connections from frame to frame; [`Simulator::forget`] makes it forget them.
#[derive(Debug)]
pub struct Simulator<'a> {
    scope: Scope,
    from_guest: Half<'a>,
    to_guest: Half<'a>,
    memory: Memory,
}

/// What is known beside the rules.
#[derive(Debug, Default)]
struct Memory {
    connections: Connections,
    /// For each rule with a limit, combination and source address: the connections that met it.
    counted: HashMap<(usize, Vec<usize>, IpAddr), BTreeSet<Tuple>>,
    sets: Sets,
}

/// The frame that is judged.
struct Work<'m, 'f, 'a> {
    frame: Frame<'f>,
    tracked: Option<Tracked>,
    memory: &'m mut Memory,
    path: Vec<Visit<'a>>,
    unknown_sets: BTreeSet<String>,
}

/// What a stage or a chain says.
enum Said<'a> {
    /// The stage is over.
    Final(Verdict, Decision<'a>),
    /// The chain is left.
    Return,
    /// Nothing.
    End,
}

impl<'a> Simulator<'a> {
    /// Prepares the rules of an interface.
    pub fn new(rules: &'a InterfaceRules, profile: Profile, scope: Scope) -> Self {
        let half = |side| Half::new(rules, profile, side);
        let (from_guest, to_guest) = (half(Side::FromGuest), half(Side::ToGuest));
        Simulator { scope, from_guest, to_guest, memory: Memory::default() }
    }

    /// Tells what is in an IP set.
    pub fn tell_set(&mut self, name: &str, elements: Vec<Element>) {
        self.memory.sets.insert(name.to_owned(), elements);
    }

    /// Forgets all connections.
    pub fn forget(&mut self) {
        self.memory.connections = Connections::default();
        self.memory.counted.clear();
    }

    /// Judges a frame; one to the guest comes from another port of the bridge.
    pub fn judge(&mut self, side: Side, frame: &[u8]) -> Judgement<'a> {
        self.judge_from(side, Origin::Bridge, frame)
    }

    /// Judges a frame of any origin.
    pub fn judge_from(&mut self, side: Side, origin: Origin, frame: &[u8]) -> Judgement<'a> {
        let frame = Frame::decode(frame);
        let mut work =
            Work { frame, tracked: None, memory: &mut self.memory, path: Vec::new(), unknown_sets: BTreeSet::new() };
        let is_ip = matches!(frame.ether_type(), Some(ether_type::IPV4 | ether_type::IPV6));
        let is_seen = side == Side::FromGuest || origin == Origin::Bridge || self.scope == Scope::All;
        let (verdict, by) = match side {
            Side::FromGuest => match work.ethernet(&self.from_guest, side) {
                (Verdict::Accept, by) if is_ip => {
                    let (verdict, later) = work.ip(&self.from_guest, side, is_seen);
                    (verdict, if later == Decision::Nothing { by } else { later })
                }
                other => other,
            },
            Side::ToGuest if is_ip => match work.ip(&self.to_guest, side, is_seen) {
                (Verdict::Accept, by) => {
                    let (verdict, later) = work.ethernet(&self.to_guest, side);
                    (verdict, if later == Decision::Nothing { by } else { later })
                }
                other => other,
            },
            Side::ToGuest => work.ethernet(&self.to_guest, side),
        };
        if verdict == Verdict::Accept
            && let Some(tracked) = &work.tracked
        {
            work.memory.connections.confirm(tracked, &frame);
        }
        let Work { tracked, path, unknown_sets, .. } = work;
        Judgement { verdict, by, path, tracked, unknown_sets }
    }
}

impl<'a> Half<'a> {
    fn new(rules: &'a InterfaceRules, profile: Profile, side: Side) -> Self {
        let standing = |rule: &'a Rule| {
            let placement = rule.placements(profile).into_iter().find(|placement| placement.side == side)?;
            Some(Standing { rule, matcher: Matcher::new(rule, &placement, profile), placement })
        };
        let steps = rules.root(side).into_iter();
        let root = steps.filter_map(|step| match step {
            Step::Rule(rule) => standing(rule).map(RootStep::Rule),
            Step::Jump(chain) => {
                let content = rules.chain(&chain.name, side).filter_map(standing).collect();
                Some(RootStep::Jump(chain, content))
            }
        });
        Half { root: root.collect(), ip: rules.ip_rules().filter_map(standing).collect() }
    }
}

impl<'a> Work<'_, '_, 'a> {
    fn ethernet(&mut self, half: &Half<'a>, side: Side) -> (Verdict, Decision<'a>) {
        if half.root.is_empty() {
            return (Verdict::Accept, Decision::Nothing);
        }
        self.path.push(Visit::Stage(Stage::Ethernet(side)));
        for step in &half.root {
            let said = match step {
                RootStep::Rule(standing) => self.rule(standing, 0),
                RootStep::Jump(chain, content) => self.jump(chain, content),
            };
            match said {
                Said::Final(verdict, by) => return (verdict, by),
                Said::Return => return (Verdict::Accept, self.last_rule()),
                Said::End => {}
            }
        }
        (Verdict::Accept, Decision::Nothing)
    }

    fn jump(&mut self, chain: &'a Chain, content: &[Standing<'a>]) -> Said<'a> {
        let taken = enters(chain.name.prefix(), &self.frame);
        self.path.push(Visit::Jump { chain, taken });
        if !taken {
            return Said::End;
        }
        for standing in content {
            match self.rule(standing, 0) {
                said @ Said::Final(..) => return said,
                Said::Return => {
                    self.path.push(Visit::Return(chain));
                    return Said::End;
                }
                Said::End => {}
            }
        }
        self.path.push(Visit::EndOfChain(chain));
        Said::Final(Verdict::Accept, Decision::EndOfChain(chain))
    }

    fn ip(&mut self, half: &Half<'a>, side: Side, is_seen: bool) -> (Verdict, Decision<'a>) {
        self.frame = self.frame.without_padding();
        self.tracked = Some(self.memory.connections.track(&self.frame));
        if half.ip.is_empty() {
            return (Verdict::Accept, Decision::Nothing);
        }
        self.path.push(Visit::Stage(Stage::Ip(side)));
        if !is_seen {
            self.path.push(Visit::NotSeen);
            return (Verdict::Accept, Decision::Nothing);
        }
        let layer = if self.frame.ether_type() == Some(ether_type::IPV4) { Layer::Ipv4 } else { Layer::Ipv6 };
        for (number, standing) in half.ip.iter().enumerate() {
            if standing.rule.layer() != layer {
                continue;
            }
            match self.rule(standing, number) {
                Said::Final(verdict, by) => return (verdict, by),
                Said::Return => return (Verdict::Accept, self.last_rule()),
                Said::End => {}
            }
        }
        (Verdict::Accept, Decision::Nothing)
    }

    fn last_rule(&self) -> Decision<'a> {
        match self.path.last() {
            Some(Visit::Rule { rule, .. }) => Decision::Rule(rule),
            _ => Decision::Nothing,
        }
    }

    /// One rule. `number` tells the rules with a limit apart.
    fn rule(&mut self, standing: &Standing<'a>, number: usize) -> Said<'a> {
        let Standing { rule, placement, matcher } = standing;
        let mut outcome = matcher.matches(&self.frame, &self.memory.sets);
        if matches!(outcome, Match::No(_)) {
            // Nothing more to ask.
        } else if !placement.state.as_ref().is_none_or(|test| self.has_state(test)) {
            outcome = Match::No(Miss::State);
        } else if rule.expression(Attribute::ConnlimitAbove).is_some() && !self.is_above_limit(matcher, number) {
            outcome = Match::No(Miss::Limit);
        }
        if let Match::Unknown(set) = &outcome {
            self.unknown_sets.insert(set.clone());
        }
        let matches = outcome == Match::Yes;
        self.path.push(Visit::Rule { rule, orientation: placement.orientation, outcome });
        match rule.verdict {
            _ if !matches => Said::End,
            Verdict::Continue => Said::End,
            Verdict::Return => Said::Return,
            // EB-51: frames are not answered.
            Verdict::Reject if rule.layer() == Layer::Ethernet => Said::Final(Verdict::Drop, Decision::Rule(rule)),
            verdict @ (Verdict::Accept | Verdict::Drop | Verdict::Reject) => Said::Final(verdict, Decision::Rule(rule)),
        }
    }

    fn has_state(&self, test: &StateTest) -> bool {
        let Some(tracked) = &self.tracked else { return false };
        let state = match tracked.state {
            ConnectionState::New => State::New,
            ConnectionState::Established => State::Established,
            ConnectionState::Related => State::Related,
            ConnectionState::Invalid => State::Invalid,
            ConnectionState::Untracked => return false,
        };
        test.states.contains(&state) && test.direction.is_none_or(|wanted| tracked.direction == Some(wanted))
    }

    /// NFT-123: each source address has a count of its own, and so has each combination of the rule's lists.
    fn is_above_limit(&mut self, matcher: &Matcher<'_>, number: usize) -> bool {
        let Some((source, _)) = self.frame.addresses() else { return false };
        let Some(connection) = self.tracked.and_then(|tracked| tracked.connection) else { return false };
        let mut above = false;
        for (combination, limit, negated) in matcher.limits(&self.frame, &self.memory.sets) {
            let counted = self.memory.counted.entry((number, combination, source)).or_default();
            counted.retain(|known| self.memory.connections.is_open(known));
            counted.insert(connection);
            above |= (counted.len() as u64 > u64::from(limit)) != negated;
        }
        above
    }
}

/// RES-82.
fn enters(prefix: ChainPrefix, frame: &Frame<'_>) -> bool {
    let is = |wanted: u16| frame.ether_type() == Some(wanted);
    match prefix {
        ChainPrefix::Root | ChainPrefix::Mac => true,
        ChainPrefix::Vlan => is(ether_type::VLAN),
        ChainPrefix::Stp => frame.destination() == Some(MacAddr::SPANNING_TREE),
        ChainPrefix::Arp => is(ether_type::ARP),
        ChainPrefix::Rarp => is(ether_type::RARP),
        ChainPrefix::Ipv4 => is(ether_type::IPV4),
        ChainPrefix::Ipv6 => is(ether_type::IPV6),
    }
}
