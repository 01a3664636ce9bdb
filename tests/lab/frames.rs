//! Frames, built field by field; lengths and checksums are right unless set otherwise.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Six bytes of a MAC address.
pub type Mac = [u8; 6];

/// The MAC address of everybody.
pub const BROADCAST: Mac = [0xff; 6];
/// The smallest frame, without its checksum.
const SMALLEST: usize = 60;

/// Numbers of protocols in IP headers.
pub mod protocol {
    /// Internet Control Message Protocol.
    pub const ICMP: u8 = 1;
    /// Transmission Control Protocol.
    pub const TCP: u8 = 6;
    /// User Datagram Protocol.
    pub const UDP: u8 = 17;
    /// Fragment header of IPv6.
    pub const FRAGMENT: u8 = 44;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
    /// Destination options of IPv6.
    pub const DESTINATION_OPTIONS: u8 = 60;
}

/// Flags of TCP.
pub mod flag {
    /// The sender has no more to say.
    pub const FIN: u8 = 0x01;
    /// The first packet in a direction.
    pub const SYN: u8 = 0x02;
    /// The end, at once.
    pub const RST: u8 = 0x04;
    /// To be handed on at once.
    pub const PSH: u8 = 0x08;
    /// The acknowledgement number counts.
    pub const ACK: u8 = 0x10;
}

/// Reads a MAC address: six groups of two hexadecimal digits.
///
/// # Panics
///
/// If it is anything else.
pub fn mac(text: &str) -> Mac {
    let bytes: Vec<u8> = text
        .split(':')
        .map(|group| {
            assert_eq!(group.len(), 2, "`{text}` is no MAC address");
            u8::from_str_radix(group, 16).unwrap_or_else(|_| panic!("`{text}` is no MAC address"))
        })
        .collect();
    bytes.try_into().unwrap_or_else(|_| panic!("`{text}` is no MAC address"))
}

/// An Ethernet frame with a payload, filled up with zeros to the smallest size.
pub fn ethernet(src: Mac, dst: Mac, ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::with_capacity(SMALLEST);
    frame.extend(dst);
    frame.extend(src);
    frame.extend(ethertype.to_be_bytes());
    frame.extend(payload);
    if frame.len() < SMALLEST {
        frame.resize(SMALLEST, 0);
    }
    frame
}

/// The same frame with a VLAN tag.
pub fn tagged(frame: &[u8], vlan: u16) -> Vec<u8> {
    let mut with_tag = frame[..12].to_vec();
    with_tag.extend(0x8100_u16.to_be_bytes());
    with_tag.extend(vlan.to_be_bytes());
    with_tag.extend(&frame[12..]);
    with_tag
}

/// The same frame, in its last eight bytes told from all others by a number.
///
/// The bytes lie in the padding of a short frame, which the receiver does not look at.
pub fn numbered(mut frame: Vec<u8>, number: u32) -> Vec<u8> {
    let start = frame.len() - 8;
    frame[start..start + 4].copy_from_slice(b"nwf!");
    frame[start + 4..].copy_from_slice(&number.to_be_bytes());
    frame
}

/// An ARP or RARP frame.
#[derive(Debug, Clone)]
pub struct Arp {
    /// Ethernet source.
    pub src: Mac,
    /// Ethernet destination.
    pub dst: Mac,
    /// Ethernet type; 0x8035 makes it RARP.
    pub ethertype: u16,
    /// Hardware type.
    pub htype: u16,
    /// Protocol type.
    pub ptype: u16,
    /// Length of the hardware addresses; the frame always has 6 bytes for them.
    pub hlen: u8,
    /// Length of the protocol addresses; the frame always has 4 bytes for them.
    pub plen: u8,
    /// Operation: 1 asks, 2 answers.
    pub op: u16,
    /// Sender hardware address.
    pub sha: Mac,
    /// Sender protocol address.
    pub spa: Ipv4Addr,
    /// Target hardware address.
    pub tha: Mac,
    /// Target protocol address.
    pub tpa: Ipv4Addr,
}

impl Arp {
    /// Who has `tpa`? Tell `spa` at `src`.
    pub fn request(src: Mac, spa: Ipv4Addr, tpa: Ipv4Addr) -> Self {
        Self {
            src,
            dst: BROADCAST,
            ethertype: 0x0806,
            htype: 1,
            ptype: 0x0800,
            hlen: 6,
            plen: 4,
            op: 1,
            sha: src,
            spa,
            tha: [0; 6],
            tpa,
        }
    }

    /// To `dst`, which has `tpa`: `spa` is at `src`.
    pub fn reply(src: Mac, spa: Ipv4Addr, dst: Mac, tpa: Ipv4Addr) -> Self {
        Self { dst, op: 2, tha: dst, ..Self::request(src, spa, tpa) }
    }

    /// The frame's bytes.
    pub fn frame(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(28);
        body.extend(self.htype.to_be_bytes());
        body.extend(self.ptype.to_be_bytes());
        body.extend([self.hlen, self.plen]);
        body.extend(self.op.to_be_bytes());
        body.extend(self.sha);
        body.extend(self.spa.octets());
        body.extend(self.tha);
        body.extend(self.tpa.octets());
        ethernet(self.src, self.dst, self.ethertype, &body)
    }
}

/// The headers of an IPv4 or IPv6 packet, by the family of its addresses.
#[derive(Debug, Clone)]
pub struct Ip {
    /// Ethernet source.
    pub src: Mac,
    /// Ethernet destination.
    pub dst: Mac,
    /// Source address.
    pub sip: IpAddr,
    /// Destination address, of the same family.
    pub dip: IpAddr,
    /// TOS byte, or traffic class.
    pub tos: u8,
    /// Identification (IPv4).
    pub id: u16,
    /// Fragment flags and offset as in the header (IPv4): 0x2000 for more, offset in units
    /// of 8 bytes.
    pub fragment: u16,
    /// Time to live, or hop limit.
    pub ttl: u8,
    /// Extension headers (IPv6): the number and the bytes of each; their first byte, the
    /// number of the next header, is filled in.
    pub extensions: Vec<(u8, Vec<u8>)>,
}

impl Ip {
    /// A whole packet from one station to another.
    pub fn new(src: Mac, dst: Mac, sip: impl Into<IpAddr>, dip: impl Into<IpAddr>) -> Self {
        Self {
            src,
            dst,
            sip: sip.into(),
            dip: dip.into(),
            tos: 0,
            id: 1,
            fragment: 0,
            ttl: 255,
            extensions: Vec::new(),
        }
    }

    /// The frame with a payload of any protocol, as it is.
    ///
    /// # Panics
    ///
    /// If the addresses are of two families, or the payload is too long.
    pub fn carry(&self, number: u8, payload: &[u8]) -> Vec<u8> {
        match (self.sip, self.dip) {
            (IpAddr::V4(sip), IpAddr::V4(dip)) => {
                let length = u16::try_from(20 + payload.len()).expect("fits a packet");
                let mut packet = vec![0x45, self.tos];
                packet.extend(length.to_be_bytes());
                packet.extend(self.id.to_be_bytes());
                packet.extend(self.fragment.to_be_bytes());
                packet.extend([self.ttl, number, 0, 0]);
                packet.extend(sip.octets());
                packet.extend(dip.octets());
                let sum = checksum(&[&packet]);
                packet[10..12].copy_from_slice(&sum.to_be_bytes());
                packet.extend(payload);
                ethernet(self.src, self.dst, 0x0800, &packet)
            }
            (IpAddr::V6(sip), IpAddr::V6(dip)) => {
                let mut next = number;
                let mut body = payload.to_vec();
                for (header, bytes) in self.extensions.iter().rev() {
                    let mut bytes = bytes.clone();
                    bytes[0] = next;
                    next = *header;
                    bytes.extend(body);
                    body = bytes;
                }
                let length = u16::try_from(body.len()).expect("fits a packet");
                let mut packet = vec![0x60 | self.tos >> 4, self.tos << 4, 0, 0];
                packet.extend(length.to_be_bytes());
                packet.extend([next, self.ttl]);
                packet.extend(sip.octets());
                packet.extend(dip.octets());
                packet.extend(body);
                ethernet(self.src, self.dst, 0x86dd, &packet)
            }
            (sip, dip) => panic!("{sip} and {dip} are of two families"),
        }
    }

    /// The frame with a UDP datagram.
    pub fn udp(&self, sport: u16, dport: u16, data: &[u8]) -> Vec<u8> {
        let length = u16::try_from(8 + data.len()).expect("fits a packet");
        let mut datagram = Vec::new();
        datagram.extend(sport.to_be_bytes());
        datagram.extend(dport.to_be_bytes());
        datagram.extend(length.to_be_bytes());
        datagram.extend([0, 0]);
        datagram.extend(data);
        let sum = match self.checksum(protocol::UDP, &datagram) {
            0 => 0xffff,
            sum => sum,
        };
        datagram[6..8].copy_from_slice(&sum.to_be_bytes());
        self.carry(protocol::UDP, &datagram)
    }

    /// The frame with a TCP segment; `numbers` are those of sequence and acknowledgement.
    pub fn tcp(&self, sport: u16, dport: u16, flags: u8, numbers: (u32, u32), data: &[u8]) -> Vec<u8> {
        let mut segment = Vec::new();
        segment.extend(sport.to_be_bytes());
        segment.extend(dport.to_be_bytes());
        segment.extend(numbers.0.to_be_bytes());
        segment.extend(numbers.1.to_be_bytes());
        segment.extend([0x50, flags]);
        segment.extend(8192_u16.to_be_bytes());
        segment.extend([0; 4]);
        segment.extend(data);
        let sum = self.checksum(protocol::TCP, &segment);
        segment[16..18].copy_from_slice(&sum.to_be_bytes());
        self.carry(protocol::TCP, &segment)
    }

    /// The frame with a message of ICMP or `ICMPv6`, by the family of the addresses; `rest`
    /// is what follows the checksum.
    pub fn icmp(&self, kind: u8, code: u8, rest: &[u8]) -> Vec<u8> {
        let number = if self.sip.is_ipv4() { protocol::ICMP } else { protocol::ICMPV6 };
        self.icmp_as(number, kind, code, rest)
    }

    /// As [`Ip::icmp`], with the protocol of either family.
    pub fn icmp_as(&self, number: u8, kind: u8, code: u8, rest: &[u8]) -> Vec<u8> {
        let mut message = vec![kind, code, 0, 0];
        message.extend(rest);
        let sum = if number == protocol::ICMPV6 { self.checksum(number, &message) } else { checksum(&[&message]) };
        message[2..4].copy_from_slice(&sum.to_be_bytes());
        self.carry(number, &message)
    }

    /// The checksum of a payload with the pseudo-header of these addresses.
    fn checksum(&self, number: u8, payload: &[u8]) -> u16 {
        let length = u32::try_from(payload.len()).expect("fits a packet");
        let tail = [&length.to_be_bytes()[..], &[0, 0, 0, number]].concat();
        match (self.sip, self.dip) {
            (IpAddr::V4(sip), IpAddr::V4(dip)) => checksum(&[&sip.octets(), &dip.octets(), &tail, payload]),
            (IpAddr::V6(sip), IpAddr::V6(dip)) => checksum(&[&sip.octets(), &dip.octets(), &tail, payload]),
            (sip, dip) => panic!("{sip} and {dip} are of two families"),
        }
    }
}

/// What follows the checksum of a router advertisement: a router for half an hour, without
/// options (RFC 4861, section 4.2).
pub fn router_advertisement() -> Vec<u8> {
    let mut rest = vec![64, 0];
    rest.extend(1800_u16.to_be_bytes());
    rest.extend([0; 8]);
    rest
}

/// What follows the checksum of a neighbour solicitation or advertisement, or a redirect
/// (RFC 4861, sections 4.3 to 4.5), as far as the target.
pub fn neighbour(target: Ipv6Addr) -> Vec<u8> {
    let mut rest = vec![0; 4];
    rest.extend(target.octets());
    rest
}

/// The checksum of RFC 1071 over parts, of which only the last may be of odd length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum: u32 = 0;
    for part in parts {
        for pair in part.chunks(2) {
            sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        }
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !u16::try_from(sum).expect("folded to 16 bits")
}
