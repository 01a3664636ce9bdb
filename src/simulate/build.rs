//! Frames from what a text says: real bytes, with lengths and checksums.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::packet::{ether_type, number};
use super::text::{
    FRAGMENT_FIRST, FRAGMENT_LAST, FRAGMENT_MIDDLE, Given, NETWORK, Packet, Station, Stations, TRANSPORT,
};
use crate::model::MacAddr;
use crate::ruleset::Side;

/// The smallest frame, without its checksum.
const FRAME_MIN: usize = 60;
/// An Ethernet type for experiments, of frames that say nothing of what they are.
const EXPERIMENTAL: u64 = 0x88b5;
/// How much of a packet an ICMP error quotes at most.
const QUOTE_MAX: usize = 128;
/// Offset of a fragment from the middle of a packet, in bytes.
const MIDDLE_OFFSET: u64 = 64;

/// The work on one frame.
struct Builder<'p> {
    packet: &'p Packet,
    sender: Station,
    receiver: Station,
    quoted: Option<&'p [u8]>,
}

impl Packet {
    /// The bytes of the frame, from the Ethernet header on.
    ///
    /// What the text leaves out comes from the stations. An ICMP error quotes `quoted`, a frame that went the other
    /// way, if there is one.
    pub fn frame(&self, side: Side, stations: &Stations, quoted: Option<&[u8]>) -> Vec<u8> {
        let (sender, receiver) = stations.ends(side);
        Builder { packet: self, sender, receiver, quoted }.frame()
    }
}

fn word(number: u64) -> [u8; 2] {
    let [.., high, low] = number.to_be_bytes();
    [high, low]
}

fn long(number: u64) -> [u8; 4] {
    let [.., a, b, c, d] = number.to_be_bytes();
    [a, b, c, d]
}

fn byte(number: u64) -> u8 {
    let [.., low] = number.to_be_bytes();
    low
}

fn length_of(bytes: usize) -> u64 {
    bytes as u64
}

impl Builder<'_> {
    fn has(&self, header: &str) -> bool {
        self.packet.headers.contains(&header)
    }

    fn given(&self, header: &'static str, field: &'static str) -> Option<&Given> {
        self.packet.fields.get(&(header, field))
    }

    fn number(&self, header: &'static str, field: &'static str) -> Option<u64> {
        match self.given(header, field) {
            Some(Given::Number(number)) => Some(*number),
            _ => None,
        }
    }

    fn or(&self, header: &'static str, field: &'static str, default: u64) -> u64 {
        self.number(header, field).unwrap_or(default)
    }

    fn mac(&self, header: &'static str, field: &'static str) -> Option<MacAddr> {
        match self.given(header, field) {
            Some(Given::Mac(address)) => Some(*address),
            _ => None,
        }
    }

    fn ipv4(&self, header: &'static str, field: &'static str) -> Option<Ipv4Addr> {
        match self.given(header, field) {
            Some(Given::Address(IpAddr::V4(address))) => Some(*address),
            _ => None,
        }
    }

    fn ipv6(&self, header: &'static str, field: &'static str) -> Option<Ipv6Addr> {
        match self.given(header, field) {
            Some(Given::Address(IpAddr::V6(address))) => Some(*address),
            _ => None,
        }
    }

    fn bytes(&self, header: &'static str, field: &'static str) -> Option<&[u8]> {
        match self.given(header, field) {
            Some(Given::Bytes(bytes)) => Some(bytes),
            _ => None,
        }
    }

    /// The header behind the Ethernet header: as written, else as what is written needs it.
    fn network(&self) -> Option<&'static str> {
        let written = NETWORK.into_iter().find(|header| self.has(header));
        let typed = || match self.number("ether", "type")? {
            0x0800 => Some("ip"),
            0x0806 => Some("arp"),
            0x8035 => Some("rarp"),
            0x86dd => Some("ip6"),
            _ => None,
        };
        let carried = || match TRANSPORT.into_iter().find(|header| self.has(header))? {
            "icmpv6" => Some("ip6"),
            _ => Some("ip"),
        };
        let in_tag = || match self.number("vlan", "type")? {
            0x0800 => Some("ip"),
            0x0806 => Some("arp"),
            0x8035 => Some("rarp"),
            0x86dd => Some("ip6"),
            _ => None,
        };
        let fragment = || self.has("frag").then_some("ip");
        written.or_else(carried).or_else(typed).or_else(in_tag).or_else(fragment)
    }

    fn frame(&self) -> Vec<u8> {
        if let Some(raw) = self.bytes("raw", "") {
            return self.cut(raw.to_vec());
        }
        let network = self.network();
        let (body, kind, destination) = match network {
            Some("ip") => self.ip(),
            Some("ip6") => self.ip6(),
            Some("stp") => self.stp(),
            Some(header @ "rarp") => self.arp(header),
            Some(_) => self.arp("arp"),
            None => (self.payload(46), EXPERIMENTAL, self.receiver.mac),
        };
        let mut frame = self.mac("ether", "dst").unwrap_or(destination).octets().to_vec();
        frame.extend(self.mac("ether", "src").unwrap_or(self.sender.mac).octets());
        let tagged = self.has("vlan");
        let outer = if tagged { u64::from(ether_type::VLAN) } else { kind };
        frame.extend(word(self.or("ether", "type", outer)));
        if tagged {
            frame.extend(word(self.or("vlan", "pcp", 0) << 13 | self.or("vlan", "id", 1)));
            frame.extend(word(self.or("vlan", "type", kind)));
        }
        frame.extend(body);
        if frame.len() < FRAME_MIN {
            frame.resize(FRAME_MIN, 0);
        }
        self.cut(frame)
    }

    fn cut(&self, mut frame: Vec<u8>) -> Vec<u8> {
        if let Some(length) = self.number("cut", "").and_then(|length| usize::try_from(length).ok()) {
            frame.truncate(length);
        }
        frame
    }

    fn payload(&self, default: usize) -> Vec<u8> {
        if let Some(bytes) = self.bytes("payload", "hex") {
            return bytes.to_vec();
        }
        let length = self.number("payload", "length").and_then(|length| usize::try_from(length).ok());
        vec![0; length.unwrap_or(default)]
    }

    fn arp(&self, header: &'static str) -> (Vec<u8>, u64, MacAddr) {
        let reverse = header == "rarp";
        let operation = self.or(header, "op", if reverse { 3 } else { 1 });
        let asks = operation == 1 || reverse;
        let nobody = MacAddr::new([0; 6]);
        let nowhere = Ipv4Addr::UNSPECIFIED;
        let target = match (reverse, asks) {
            (true, _) => self.sender.mac,
            (false, true) => nobody,
            (false, false) => self.receiver.mac,
        };
        let (source_ip, target_ip) = if reverse { (nowhere, nowhere) } else { (self.sender.ipv4, self.receiver.ipv4) };
        let mut body = Vec::new();
        body.extend(word(self.or(header, "htype", 1)));
        body.extend(word(self.or(header, "ptype", u64::from(ether_type::IPV4))));
        body.extend([byte(self.or(header, "hlen", 6)), byte(self.or(header, "plen", 4))]);
        body.extend(word(operation));
        body.extend(self.mac(header, "saddr ether").unwrap_or(self.sender.mac).octets());
        body.extend(self.ipv4(header, "saddr ip").unwrap_or(source_ip).octets());
        body.extend(self.mac(header, "daddr ether").unwrap_or(target).octets());
        body.extend(self.ipv4(header, "daddr ip").unwrap_or(target_ip).octets());
        body.extend(self.payload(0));
        let kind = if reverse { ether_type::RARP } else { ether_type::ARP };
        (body, kind.into(), if asks { MacAddr::BROADCAST } else { self.receiver.mac })
    }

    fn stp(&self) -> (Vec<u8>, u64, MacAddr) {
        let header = "stp";
        let address = |field| self.mac(header, field).unwrap_or(self.sender.mac).octets();
        let mut body = vec![0x42, 0x42, 3, 0, 0, 0];
        body.extend([byte(self.or(header, "type", 0)), byte(self.or(header, "flags", 0))]);
        body.extend(word(self.or(header, "root-priority", 0x8000)));
        body.extend(address("root-address"));
        body.extend(long(self.or(header, "root-cost", 0)));
        body.extend(word(self.or(header, "sender-priority", 0x8000)));
        body.extend(address("sender-address"));
        body.extend(word(self.or(header, "port", 0x8001)));
        body.extend(word(self.or(header, "age", 0)));
        body.extend(word(self.or(header, "max-age", 0x1400)));
        body.extend(word(self.or(header, "hello-time", 0x0200)));
        body.extend(word(self.or(header, "forward-delay", 0x0f00)));
        let length = length_of(body.len());
        (body, length, MacAddr::SPANNING_TREE)
    }

    /// Offset in bytes and whether more follow, of a fragment.
    fn fragment(&self) -> Option<(u64, bool)> {
        match self.number("frag", "")? {
            FRAGMENT_FIRST => Some((0, true)),
            FRAGMENT_MIDDLE => Some((MIDDLE_OFFSET, true)),
            FRAGMENT_LAST => Some((MIDDLE_OFFSET, false)),
            offset => Some((offset & !7, false)),
        }
    }

    fn ip(&self) -> (Vec<u8>, u64, MacAddr) {
        let header = "ip";
        let source = self.ipv4(header, "saddr").unwrap_or(self.sender.ipv4);
        let destination = self.ipv4(header, "daddr").unwrap_or(self.receiver.ipv4);
        let addresses = [source.octets(), destination.octets()].concat();
        let (protocol, body) = self.transport(&addresses, false);
        let mut options = self.bytes(header, "options").unwrap_or_default().to_vec();
        options.truncate(40);
        options.resize(options.len().next_multiple_of(4), 0);
        let words = 5 + length_of(options.len() / 4);
        let length = words * 4 + length_of(body.len());
        let (offset, more) = self.fragment().unwrap_or_default();
        let mut packet = vec![byte(self.or(header, "version", 4) << 4 | words)];
        packet.push(byte(self.or(header, "tos", self.or(header, "dscp", 0) << 2)));
        packet.extend(word(self.or(header, "length", length)));
        packet.extend(word(self.or(header, "id", 1)));
        packet.extend(word((u64::from(more) << 13) | (offset / 8)));
        packet.extend([byte(self.or(header, "ttl", 64)), byte(self.or(header, "protocol", protocol)), 0, 0]);
        packet.extend(addresses);
        packet.extend(options);
        let sum = checksum(&[&packet]);
        set(&mut packet, 10, sum);
        packet.extend(body);
        let to = match destination.octets() {
            [255, 255, 255, 255] => MacAddr::BROADCAST,
            [_, b, c, d] if destination.is_multicast() => MacAddr::new([0x01, 0, 0x5e, b & 0x7f, c, d]),
            _ => self.receiver.mac,
        };
        (packet, ether_type::IPV4.into(), to)
    }

    fn ip6(&self) -> (Vec<u8>, u64, MacAddr) {
        let header = "ip6";
        let source = self.ipv6(header, "saddr").unwrap_or(self.sender.ipv6);
        let destination = self.ipv6(header, "daddr").unwrap_or(self.receiver.ipv6);
        let addresses = [source.octets(), destination.octets()].concat();
        let (protocol, mut body) = self.transport(&addresses, true);
        let mut next = self.or(header, "nexthdr", protocol);
        let mut extensions: Vec<u8> = self.bytes(header, "ext").unwrap_or_default().to_vec();
        if self.has("frag") && !extensions.contains(&number::FRAGMENT) {
            extensions.push(number::FRAGMENT);
        }
        for extension in extensions.iter().rev() {
            let mut bytes = match *extension {
                number::FRAGMENT => {
                    let (offset, more) = self.fragment().unwrap_or_default();
                    let field = word(offset | u64::from(more));
                    [&[byte(next), 0][..], &field, &long(1)].concat()
                }
                number::AH => [&[byte(next), 4, 0, 0][..], &long(0x100), &long(1), &[0; 12]].concat(),
                number::ROUTING => vec![byte(next), 0, 4, 0, 0, 0, 0, 0],
                // Padding of four bytes.
                _ => vec![byte(next), 0, 1, 4, 0, 0, 0, 0],
            };
            next = u64::from(*extension);
            bytes.append(&mut body);
            body = bytes;
        }
        let flow = self.or(header, "flowlabel", 0);
        let first = self.or(header, "version", 6) << 28 | self.or(header, "dscp", 0) << 22 | flow;
        let mut packet = long(first).to_vec();
        packet.extend(word(self.or(header, "length", length_of(body.len()))));
        packet.extend([byte(next), byte(self.or(header, "hoplimit", 255))]);
        packet.extend(addresses);
        packet.extend(body);
        let [.., a, b, c, d] = destination.octets();
        let to = if destination.is_multicast() { MacAddr::new([0x33, 0x33, a, b, c, d]) } else { self.receiver.mac };
        (packet, ether_type::IPV6.into(), to)
    }

    /// What an IP packet carries: the protocol's number and its bytes.
    fn transport(&self, addresses: &[u8], six: bool) -> (u64, Vec<u8>) {
        let written = TRANSPORT.into_iter().find(|header| self.has(header));
        let asked = self.number("ip", "protocol").or(self.number("ip6", "nexthdr"));
        let header = written.or(match asked {
            Some(1) => Some("icmp"),
            Some(2) => Some("igmp"),
            Some(6) => Some("tcp"),
            None | Some(17) => Some("udp"),
            Some(33) => Some("dccp"),
            Some(50) => Some("esp"),
            Some(51) => Some("ah"),
            Some(58) => Some("icmpv6"),
            Some(132) => Some("sctp"),
            Some(136) => Some("udplite"),
            Some(_) => None,
        });
        match header {
            Some(header @ "tcp") => (number::TCP.into(), self.tcp(header, addresses)),
            Some(header @ "udp") => (number::UDP.into(), self.udp(header, number::UDP, addresses)),
            Some(header @ "udplite") => (number::UDPLITE.into(), self.udp(header, number::UDPLITE, addresses)),
            Some(header @ "dccp") => {
                let mut body = self.ports(header);
                body.extend([3, 0, 0, 0, 0, 0, 0, 0]);
                body.extend(self.payload(0));
                (number::DCCP.into(), body)
            }
            Some(header @ "sctp") => {
                let mut body = self.ports(header);
                // No tag, no checksum, and a chunk that begins an association (RFC 9260, section 3.3.2).
                body.extend([0; 8]);
                body.extend([1, 0, 0, 20, 0, 0, 0, 1, 0, 0, 16, 0, 0, 1, 0, 1, 0, 0, 0, 0]);
                body.extend(self.payload(0));
                (number::SCTP.into(), body)
            }
            Some(header @ "icmp") => (number::ICMP.into(), self.icmp(header, addresses, false)),
            Some(header @ "icmpv6") => (number::ICMPV6.into(), self.icmp(header, addresses, six)),
            Some(header @ "igmp") => {
                let mut body = vec![byte(self.or(header, "type", 0x16)), 0, 0, 0];
                body.extend(self.ipv4(header, "group").unwrap_or(Ipv4Addr::UNSPECIFIED).octets());
                let sum = checksum(&[&body]);
                set(&mut body, 2, sum);
                (number::IGMP.into(), body)
            }
            Some(header @ "esp") => {
                let mut body = long(self.or(header, "spi", 0x100)).to_vec();
                body.extend(long(1));
                body.extend(self.payload(16));
                (number::ESP.into(), body)
            }
            Some(header @ "ah") => {
                let mut body = vec![byte(self.or(header, "nexthdr", 17)), 4, 0, 0];
                body.extend(long(self.or(header, "spi", 0x100)));
                body.extend(long(1));
                body.extend([0; 12]);
                body.extend(self.payload(8));
                (number::AH.into(), body)
            }
            _ => (asked.unwrap_or_default(), self.payload(24)),
        }
    }

    fn ports(&self, header: &'static str) -> Vec<u8> {
        let source = word(self.or(header, "sport", 40000));
        let destination = word(self.or(header, "dport", if header == "tcp" { 80 } else { 9 }));
        [source, destination].concat()
    }

    fn tcp(&self, header: &'static str, addresses: &[u8]) -> Vec<u8> {
        const SYN: u64 = 2;
        let mut options = Vec::new();
        for kind in self.bytes(header, "option").unwrap_or_default() {
            match kind {
                0 | 1 => options.push(*kind),
                2 => options.extend([2, 4, 5, 0xb4]),
                3 => options.extend([3, 3, 7]),
                8 => options.extend([8, 10, 0, 0, 0, 1, 0, 0, 0, 0]),
                kind => options.extend([*kind, 2]),
            }
        }
        options.truncate(40);
        options.resize(options.len().next_multiple_of(4), 1);
        let words = 5 + length_of(options.len() / 4);
        let mut segment = self.ports(header);
        segment.extend(long(self.or(header, "seq", 1)));
        segment.extend(long(self.or(header, "ack", 0)));
        segment.extend([byte(self.or(header, "doff", words) << 4), byte(self.or(header, "flags", SYN))]);
        segment.extend(word(self.or(header, "window", 8192)));
        segment.extend([0; 4]);
        segment.extend(options);
        segment.extend(self.payload(0));
        let sum = pseudo_checksum(addresses, number::TCP, &segment);
        set(&mut segment, 16, sum);
        segment
    }

    fn udp(&self, header: &'static str, protocol: u8, addresses: &[u8]) -> Vec<u8> {
        let payload = self.payload(0);
        let mut datagram = self.ports(header);
        datagram.extend(word(8 + length_of(payload.len())));
        datagram.extend([0, 0]);
        datagram.extend(payload);
        let sum = pseudo_checksum(addresses, protocol, &datagram);
        // Zero would say that there is no checksum.
        set(&mut datagram, 6, if sum == 0 { 0xffff } else { sum });
        datagram
    }

    fn icmp(&self, header: &'static str, addresses: &[u8], six: bool) -> Vec<u8> {
        let version6 = header == "icmpv6";
        let kind = self.or(header, "type", if version6 { 128 } else { 8 });
        let mut message = vec![byte(kind), byte(self.or(header, "code", 0)), 0, 0];
        let error = if version6 { kind < 128 } else { matches!(kind, 3 | 4 | 5 | 11 | 12) };
        if error {
            message.extend([0; 4]);
            let packet = self.quoted.and_then(|frame| frame.get(14..)).unwrap_or(&[0; 28]);
            message.extend(packet.iter().take(QUOTE_MAX));
        } else if version6 && matches!(kind, 135..=137) {
            let asked = if kind == 135 { self.receiver.ipv6 } else { self.sender.ipv6 };
            message.extend([0; 4]);
            message.extend(self.ipv6(header, "target").unwrap_or(asked).octets());
        } else if version6 && kind == 134 {
            // A router for half an hour (RFC 4861, section 4.2).
            message.extend([64, 0, 7, 8, 0, 0, 0, 0, 0, 0, 0, 0]);
        } else {
            message.extend(word(self.or(header, "id", 1)));
            message.extend(word(self.or(header, "sequence", 1)));
            message.extend(self.payload(16));
        }
        let sum = if six { pseudo_checksum(addresses, number::ICMPV6, &message) } else { checksum(&[&message]) };
        set(&mut message, 2, sum);
        message
    }
}

fn set(bytes: &mut [u8], at: usize, value: u16) {
    if let Some(place) = bytes.get_mut(at..at + 2) {
        place.copy_from_slice(&value.to_be_bytes());
    }
}

/// The checksum of a payload together with addresses and protocol (RFC 9293, section 3.1; RFC 8200, section 8.1).
fn pseudo_checksum(addresses: &[u8], protocol: u8, payload: &[u8]) -> u16 {
    let length = long(length_of(payload.len()));
    checksum(&[addresses, &length, &[0, 0, 0, protocol], payload])
}

/// The checksum of RFC 1071 over parts, of which only the last may be of odd length.
fn checksum(parts: &[&[u8]]) -> u16 {
    let mut sum: u64 = 0;
    for pair in parts.iter().flat_map(|part| part.chunks(2)) {
        sum += match pair {
            [high, low] => u64::from(*high) << 8 | u64::from(*low),
            [high] => u64::from(*high) << 8,
            _ => 0,
        };
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let [.., high, low] = sum.to_be_bytes();
    !u16::from_be_bytes([high, low])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::simulate::packet::Frame;
    use std::collections::BTreeMap;

    fn stations() -> Stations {
        let binding = crate::model::Bound {
            interface: "vnet0".parse().unwrap(),
            mac: Some("52:54:00:11:22:33".parse().unwrap()),
            filter: None,
            interim: None,
            parameters: BTreeMap::from([("IP".parse().unwrap(), vec!["10.0.0.5".to_owned()])]),
            owner: None,
            link_device: None,
        };
        Stations::of(&binding)
    }

    fn frame(text: &str) -> Vec<u8> {
        Packet::parse(text).unwrap().frame(Side::FromGuest, &stations(), None)
    }

    #[test]
    fn defaults_are_those_of_the_binding() {
        let bytes = frame("tcp dport 22");
        let decoded = Frame::decode(&bytes);
        assert_eq!(decoded.source().unwrap().to_string(), "52:54:00:11:22:33");
        let (source, destination) = decoded.addresses().unwrap();
        assert_eq!((source.to_string(), destination.to_string()), ("10.0.0.5".to_owned(), "10.0.0.1".to_owned()));
        assert_eq!(decoded.transport_bits(16, 16), Some(22));
        assert_eq!(decoded.transport_bits(106, 6), Some(2));
        assert_eq!(bytes.len(), 60);
    }

    #[test]
    fn checksums_are_right() {
        for text in ["tcp", "udp payload hex 0102ff", "ip6 tcp", "ip6 udp payload length 3", "icmp", "icmpv6", "igmp"] {
            let bytes = frame(text);
            let decoded = Frame::decode(&bytes);
            let packet = decoded.without_padding();
            let start = packet.upper().unwrap().header.unwrap();
            let body = packet.bytes().get(start..).unwrap();
            let protocol = packet.upper().unwrap().protocol;
            let (source, destination) = packet.addresses().unwrap();
            let octets = |address: IpAddr| match address {
                IpAddr::V4(address) => address.octets().to_vec(),
                IpAddr::V6(address) => address.octets().to_vec(),
            };
            let addresses = [octets(source), octets(destination)].concat();
            let sum = if matches!(protocol, number::ICMP | number::IGMP) {
                checksum(&[body])
            } else {
                pseudo_checksum(&addresses, protocol, body)
            };
            assert_eq!(sum, 0, "{text}");
            if decoded.ether_type() == Some(ether_type::IPV4) {
                assert_eq!(checksum(&[bytes.get(14..34).unwrap()]), 0, "{text}");
            }
        }
    }

    #[test]
    fn what_is_written_can_be_read_back() {
        let bytes = frame("vlan id 100 ip ttl 3");
        let decoded = Frame::decode(&bytes);
        assert_eq!(decoded.vlan(), Some((100, 0x0800)));
        let bytes = frame("ip6 ext hbh,dst tcp dport 443 flags syn,ack option 8,4");
        let decoded = Frame::decode(&bytes);
        assert_eq!(decoded.transport_bits(16, 16), Some(443));
        assert_eq!(decoded.tcp_options().unwrap().first(), Some(&8));
        let bytes = frame("frag middle udp dport 53");
        assert_eq!(Frame::decode(&bytes).upper().unwrap().header, None);
        let bytes = frame("ip6 daddr ff02::1 frag first udp");
        assert!(Frame::decode(&bytes).transport_bits(0, 16).is_some());
        assert_eq!(Frame::decode(&bytes).destination().unwrap().to_string(), "33:33:00:00:00:01");
        let bytes = frame("stp root-priority 4096");
        assert!(Frame::decode(&bytes).is_spanning_tree());
        assert_eq!(Frame::decode(&bytes).network_bits(64, 16), Some(4096));
        assert_eq!(frame("tcp cut 40").len(), 40);
        assert_eq!(frame("raw 0a0b"), [10, 11]);
        let bytes = frame("arp op reply");
        assert_eq!(Frame::decode(&bytes).destination().unwrap().to_string(), "52:54:00:00:00:01");
    }
}
