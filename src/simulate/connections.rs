//! A small connection tracker: what a rule that asks for connection state is told.
//!
//! It knows what decides over rules: whether a packet begins a connection, belongs to one, answers one, reports an
//! error of one, or none of these. It does not know time, sequence numbers, checksums nor helpers: a connection never
//! expires, every segment is in its window, and `RELATED` is an ICMP error. Fragments are not put together: a later
//! one is `INVALID`, as it is to a host that does not do so either.

use std::collections::HashMap;
use std::net::IpAddr;

use super::packet::{Frame, Upper, addresses, ether_type, number, upper_of_ipv4, upper_of_ipv6};
use crate::ruleset::ConnectionDirection;

/// What tells connections apart. For ICMP queries the ports are the identifier and type and code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tuple {
    /// The sender.
    pub source: IpAddr,
    /// The receiver.
    pub destination: IpAddr,
    /// The protocol behind IP.
    pub protocol: u8,
    /// The source port, or what stands for it.
    pub source_port: u16,
    /// The destination port, or what stands for it.
    pub destination_port: u16,
}

/// State of a packet's connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConnectionState {
    /// The packet begins a connection.
    New,
    /// Packets have been seen both ways.
    Established,
    /// The packet reports an error of a connection.
    Related,
    /// The packet belongs to nothing.
    Invalid,
    /// Neighbour discovery and multicast listeners, which are never tracked.
    Untracked,
}

impl ConnectionState {
    /// The word of rules, in capitals.
    pub fn name(self) -> &'static str {
        match self {
            ConnectionState::New => "NEW",
            ConnectionState::Established => "ESTABLISHED",
            ConnectionState::Related => "RELATED",
            ConnectionState::Invalid => "INVALID",
            ConnectionState::Untracked => "UNTRACKED",
        }
    }
}

/// What the tracker says of one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tracked {
    /// The state.
    pub state: ConnectionState,
    /// The half of the connection; none without a connection.
    pub direction: Option<ConnectionDirection>,
    /// The connection, by its first packet.
    pub connection: Option<Tuple>,
}

impl Tracked {
    const fn none(state: ConnectionState) -> Self {
        Tracked { state, direction: None, connection: None }
    }
}

/// One known connection.
#[allow(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
#[derive(Debug, Clone, Copy, Default)]
struct Connection {
    answered: bool,
    /// TCP: it was seen from its first segment on.
    from_start: bool,
    /// TCP: the answer was acknowledged, so that a reset does not make it forgotten.
    assured: bool,
    /// TCP: ended by a reset.
    closed: bool,
}

/// The known connections.
#[derive(Debug, Clone, Default)]
pub struct Connections(HashMap<Tuple, Connection>);

/// What the flags of a TCP segment say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Segment {
    Syn,
    SynAck,
    Fin,
    Ack,
    Reset,
}

impl Connections {
    /// Tells the state of a packet, and remembers that a connection was answered. A new connection is known only once
    /// its packet has passed ([`Connections::confirm`]).
    pub fn track(&mut self, frame: &Frame<'_>) -> Tracked {
        self.look_up(frame).unwrap_or(Tracked::none(ConnectionState::Invalid))
    }

    /// Remembers the connection that a packet began.
    pub fn confirm(&mut self, tracked: &Tracked, frame: &Frame<'_>) {
        let segment = segment(frame);
        if let (ConnectionState::New, Some(tuple)) = (tracked.state, tracked.connection)
            && segment != Some(Segment::Reset)
        {
            let from_start = segment == Some(Segment::Syn);
            self.0.entry(tuple).or_insert(Connection { from_start, ..Connection::default() });
        }
    }

    /// Whether a connection counts where connections are counted.
    pub fn is_open(&self, tuple: &Tuple) -> bool {
        self.0.get(tuple).is_some_and(|connection| !connection.closed)
    }

    fn look_up(&mut self, frame: &Frame<'_>) -> Option<Tracked> {
        let upper = frame.upper()?;
        let header = upper.header?;
        let six = frame.ether_type() == Some(ether_type::IPV6);
        let icmp = matches!((upper.protocol, six), (number::ICMP, false) | (number::ICMPV6, true));
        if icmp {
            let kind = u8::try_from(frame.transport_bits(0, 8)?).ok()?;
            if six && matches!(kind, 130..=136 | 143) {
                return Some(Tracked::none(ConnectionState::Untracked));
            }
            let error = if six { kind < 128 } else { matches!(kind, 3 | 4 | 5 | 11 | 12) };
            if error {
                return self.related(frame, six);
            }
        }
        let tuple = tuple(frame.bytes(), frame.network_offset(), six, upper, header)?;
        let segment = if upper.protocol == number::TCP { Some(segment(frame)?) } else { None };
        if let Some(connection) = self.0.get(&tuple).copied() {
            return self.known(tuple, connection, ConnectionDirection::Original, segment);
        }
        let inverse = tuple.inverse();
        if let Some(connection) = self.0.get(&inverse).copied() {
            return self.known(inverse, connection, ConnectionDirection::Reply, segment);
        }
        let begins = match segment {
            // An acknowledgement alone picks up a connection that began earlier.
            Some(segment) => matches!(segment, Segment::Syn | Segment::Ack),
            None => !icmp || tuple.is_query(),
        };
        begins.then_some(Tracked::new(tuple))
    }

    /// A packet of a connection that is known.
    fn known(
        &mut self,
        tuple: Tuple,
        connection: Connection,
        direction: ConnectionDirection,
        segment: Option<Segment>,
    ) -> Option<Tracked> {
        let original = direction == ConnectionDirection::Original;
        let waiting = connection.from_start && !connection.answered;
        match segment {
            Some(Segment::Syn) if connection.closed => {
                self.0.remove(&tuple);
                return Some(Tracked::new(if original { tuple } else { tuple.inverse() }));
            }
            Some(Segment::SynAck) if original => return None,
            Some(Segment::Fin | Segment::Ack) if original && waiting => return None,
            Some(Segment::Fin) if waiting => return None,
            Some(Segment::Syn) if !original && !waiting => return None,
            _ => {}
        }
        let known = self.0.get_mut(&tuple)?;
        known.answered |= !original;
        known.assured |= original && known.answered && segment == Some(Segment::Ack);
        known.closed |= segment == Some(Segment::Reset);
        let forgotten = known.closed && !known.assured;
        let state = if known.answered { ConnectionState::Established } else { ConnectionState::New };
        if forgotten {
            self.0.remove(&tuple);
        }
        Some(Tracked { state, direction: Some(direction), connection: Some(tuple) })
    }

    /// An ICMP error: the connection of the packet that it quotes.
    fn related(&self, frame: &Frame<'_>, six: bool) -> Option<Tracked> {
        let quoted = frame.icmp_body()?;
        let upper = if six { upper_of_ipv6(quoted, 0, false) } else { upper_of_ipv4(quoted, 0, false) }?;
        let quoted = tuple(quoted, 0, six, upper, upper.header?)?;
        // The error goes to the one who sent what it is about.
        let (_, receiver) = frame.addresses()?;
        if receiver != quoted.source {
            return None;
        }
        let inverse = quoted.inverse();
        let (connection, direction) = if self.0.contains_key(&quoted) {
            (quoted, ConnectionDirection::Reply)
        } else {
            (Some(inverse).filter(|inverse| self.0.contains_key(inverse))?, ConnectionDirection::Original)
        };
        Some(Tracked { state: ConnectionState::Related, direction: Some(direction), connection: Some(connection) })
    }
}

impl Tracked {
    fn new(tuple: Tuple) -> Self {
        Tracked { state: ConnectionState::New, direction: Some(ConnectionDirection::Original), connection: Some(tuple) }
    }
}

impl Tuple {
    /// That of the answers; an ICMP message without one keeps its type.
    fn inverse(&self) -> Tuple {
        let Tuple { source, destination, protocol, source_port, destination_port } = *self;
        let icmp = matches!((protocol, source.is_ipv6()), (number::ICMP, false) | (number::ICMPV6, true));
        let (source_port, destination_port) = if icmp {
            let [kind, code] = destination_port.to_be_bytes();
            (source_port, u16::from_be_bytes([answer(kind, source.is_ipv6()).unwrap_or(kind), code]))
        } else {
            (destination_port, source_port)
        };
        Tuple { source: destination, destination: source, protocol, source_port, destination_port }
    }

    /// Whether an ICMP message asks for an answer.
    fn is_query(&self) -> bool {
        let [kind, _] = self.destination_port.to_be_bytes();
        if self.source.is_ipv6() { matches!(kind, 128 | 139) } else { matches!(kind, 8 | 13 | 15 | 17) }
    }
}

/// The type of ICMP that answers a type, and the other way round.
fn answer(kind: u8, six: bool) -> Option<u8> {
    let pairs: &[(u8, u8)] = if six { &[(128, 129), (139, 140)] } else { &[(8, 0), (13, 14), (15, 16), (17, 18)] };
    pairs.iter().find_map(|(query, answer)| match kind {
        kind if kind == *query => Some(*answer),
        kind if kind == *answer => Some(*query),
        _ => None,
    })
}

/// The tuple of an IP packet; none if its transport header is cut off.
fn tuple(bytes: &[u8], network: usize, six: bool, upper: Upper, header: usize) -> Option<Tuple> {
    let (source, destination) = addresses(bytes, network, six)?;
    let field = |at: usize| -> Option<u16> {
        let pair: [u8; 2] = bytes.get(header + at..header + at + 2)?.try_into().ok()?;
        Some(u16::from_be_bytes(pair))
    };
    let (source_port, destination_port) = match (upper.protocol, six) {
        (number::TCP | number::UDP | number::UDPLITE | number::SCTP | number::DCCP, _) => (field(0)?, field(2)?),
        (number::ICMP, false) | (number::ICMPV6, true) => (field(4)?, field(0)?),
        _ => (0, 0),
    };
    Some(Tuple { source, destination, protocol: upper.protocol, source_port, destination_port })
}

/// What a segment's flags say; none for combinations that no connection has.
fn segment(frame: &Frame<'_>) -> Option<Segment> {
    const FIN: u128 = 1;
    const SYN: u128 = 2;
    const RST: u128 = 4;
    const ACK: u128 = 16;
    const URG: u128 = 32;
    frame.tcp_options()?;
    let flags = frame.transport_bits(106, 6)? & (FIN | SYN | RST | ACK | URG);
    match flags & !URG {
        SYN => Some(Segment::Syn),
        _ if flags == SYN | ACK => Some(Segment::SynAck),
        _ if flags == RST || flags == RST | ACK => Some(Segment::Reset),
        both if both == FIN | ACK => Some(Segment::Fin),
        ACK => Some(Segment::Ack),
        _ => None,
    }
}
