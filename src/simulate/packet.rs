//! Frames as the kernel reads them when it matches rules.
//!
//! A [`Frame`] is a view of bytes: nothing is copied, nothing is believed. Every field is asked for by its place and
//! is absent where the bytes end, where a header is malformed, or where a fragment does not carry it. A rule that asks
//! for an absent field does not match, inverted or not, so absence is never mixed up with zero.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::model::MacAddr;

/// Numbers of the protocols that are looked into.
pub mod number {
    /// ICMP for IPv4.
    pub const ICMP: u8 = 1;
    /// IGMP.
    pub const IGMP: u8 = 2;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// DCCP.
    pub const DCCP: u8 = 33;
    /// IPv6's fragment header.
    pub const FRAGMENT: u8 = 44;
    /// IPsec ESP.
    pub const ESP: u8 = 50;
    /// IPsec AH.
    pub const AH: u8 = 51;
    /// ICMP for IPv6.
    pub const ICMPV6: u8 = 58;
    /// Nothing behind this header.
    pub const NO_NEXT: u8 = 59;
    /// SCTP.
    pub const SCTP: u8 = 132;
    /// UDP-Lite.
    pub const UDPLITE: u8 = 136;
    /// IPv6's hop-by-hop options.
    pub const HOP_BY_HOP: u8 = 0;
    /// IPv6's routing header.
    pub const ROUTING: u8 = 43;
    /// IPv6's destination options.
    pub const DESTINATION_OPTIONS: u8 = 60;
}

/// Ethernet types that are looked into.
pub mod ether_type {
    /// IPv4.
    pub const IPV4: u16 = 0x0800;
    /// ARP.
    pub const ARP: u16 = 0x0806;
    /// Reverse ARP.
    pub const RARP: u16 = 0x8035;
    /// A tag of 802.1Q.
    pub const VLAN: u16 = 0x8100;
    /// IPv6.
    pub const IPV6: u16 = 0x86dd;
    /// A service tag of 802.1ad.
    pub const SERVICE_VLAN: u16 = 0x88a8;
}

/// Bytes of an Ethernet header without a tag.
const ETHERNET_BYTES: usize = 14;
/// Bytes of a tag.
const TAG_BYTES: usize = 4;
/// LLC for spanning tree, and the number of its protocol (NFT-122).
const SPANNING_TREE_LLC: [u8; 5] = [0x42, 0x42, 0x03, 0x00, 0x00];
/// Largest number of IPv6 extension headers that are walked. Each has at least 8 bytes, so no frame has more.
const EXTENSIONS_MAX: usize = 8192;

/// What an IP packet carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upper {
    /// Its protocol; of IPv6 the last of the next headers, or AH.
    pub protocol: u8,
    /// Offset of its header from the start of the frame; none in a later fragment. The frame may end in front of it.
    pub header: Option<usize>,
}

/// A frame, decoded as far as its bytes allow.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    bytes: &'a [u8],
    network: usize,
    tagged: bool,
    upper: Option<Upper>,
}

impl<'a> Frame<'a> {
    /// Decodes a frame, from its Ethernet header on, without the checksum at its end.
    pub fn decode(bytes: &'a [u8]) -> Self {
        let outer = read(bytes, 0, 96, 16);
        let is_tag = [ether_type::VLAN, ether_type::SERVICE_VLAN].map(u128::from);
        let tagged = outer.is_some_and(|outer| is_tag.contains(&outer)) && bytes.len() >= ETHERNET_BYTES + TAG_BYTES;
        let network = ETHERNET_BYTES + if tagged { TAG_BYTES } else { 0 };
        let mut frame = Frame { bytes, network, tagged, upper: None };
        frame.upper = match frame.ether_type() {
            Some(ether_type::IPV4) => upper_of_ipv4(bytes, network, true),
            Some(ether_type::IPV6) => upper_of_ipv6(bytes, network, true),
            _ => None,
        };
        frame
    }

    /// The same frame without what lies behind its IP packet, as the IP layer sees it.
    #[must_use]
    pub fn without_padding(&self) -> Frame<'a> {
        let length = match self.ether_type() {
            Some(ether_type::IPV4) => self.network_bits(16, 16),
            Some(ether_type::IPV6) => self.network_bits(32, 16).map(|length| length + 40),
            _ => None,
        };
        let end = length.and_then(|length| usize::try_from(length).ok()).map(|length| self.network + length);
        match end.and_then(|end| self.bytes.get(..end)) {
            Some(bytes) if self.upper.is_some() => Frame { bytes, ..*self },
            _ => *self,
        }
    }

    /// All bytes.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The destination; none in a frame that is cut off.
    pub fn destination(&self) -> Option<MacAddr> {
        mac(self.bytes, 0)
    }

    /// The source; none in a frame that is cut off.
    pub fn source(&self) -> Option<MacAddr> {
        mac(self.bytes, 6)
    }

    /// The Ethernet type, that of the tag in a tagged frame (NFT-40), or the length of an 802.3 frame.
    pub fn ether_type(&self) -> Option<u16> {
        self.link_bits(96, 16).and_then(|value| u16::try_from(value).ok())
    }

    /// Number and inner type of the outermost VLAN tag.
    pub fn vlan(&self) -> Option<(u16, u16)> {
        let field = |offset, width| self.link_bits(offset, width).and_then(|value| u16::try_from(value).ok());
        if self.tagged { Some((field(116, 12)?, field(128, 16)?)) } else { None }
    }

    /// Bits from the first of the Ethernet header on; none if the frame ends before the last of them.
    pub fn link_bits(&self, offset: u16, width: u16) -> Option<u128> {
        read(self.bytes, 0, offset, width)
    }

    /// Bits from the first behind the Ethernet header, and behind the first tag, on.
    pub fn network_bits(&self, offset: u16, width: u16) -> Option<u128> {
        read(self.bytes, self.network, offset, width)
    }

    /// Bits from the first of the transport header on; none without one.
    pub fn transport_bits(&self, offset: u16, width: u16) -> Option<u128> {
        read(self.bytes, self.upper?.header?, offset, width)
    }

    /// What an IP packet carries; none in other frames, in malformed headers, and in those cut off by the frame's
    /// end.
    pub fn upper(&self) -> Option<Upper> {
        self.upper
    }

    /// Source and destination of an IP packet.
    pub fn addresses(&self) -> Option<(IpAddr, IpAddr)> {
        match self.ether_type()? {
            ether_type::IPV4 => addresses(self.bytes, self.network, false),
            ether_type::IPV6 => addresses(self.bytes, self.network, true),
            _ => None,
        }
    }

    /// Whether this is spanning tree: its address, LLC and protocol.
    pub fn is_spanning_tree(&self) -> bool {
        let end = self.network + SPANNING_TREE_LLC.len();
        self.destination() == Some(MacAddr::SPANNING_TREE)
            && self.bytes.get(self.network..end) == Some(&SPANNING_TREE_LLC)
    }

    /// The options of a TCP header; none without a whole header of a believable length.
    pub fn tcp_options(&self) -> Option<&'a [u8]> {
        let upper = self.upper.filter(|upper| upper.protocol == number::TCP)?;
        let start = upper.header?;
        let length = usize::try_from(self.transport_bits(96, 4)?).ok()? * 4;
        self.bytes.get(start + 20..start + length.max(20)).filter(|_| length >= 20)
    }

    /// The bytes behind the fixed eight of an ICMP header: in an error, the packet that it is about.
    pub(super) fn icmp_body(&self) -> Option<&'a [u8]> {
        self.bytes.get(self.upper?.header? + 8..)
    }

    /// Offset of the first byte behind the Ethernet header.
    pub fn network_offset(&self) -> usize {
        self.network
    }
}

/// Reads `width` bits, at most 128, `offset` bits behind byte `start`.
fn read(bytes: &[u8], start: usize, offset: u16, width: u16) -> Option<u128> {
    let (first, last) = (usize::from(offset), usize::from(offset) + usize::from(width));
    let field = bytes.get(start + first / 8..start + last.div_ceil(8))?;
    if field.len() > 16 {
        return None;
    }
    let value = field.iter().fold(0_u128, |sum, byte| sum << 8 | u128::from(*byte));
    let behind = last.div_ceil(8) * 8 - last;
    let mask = u128::MAX.checked_shr(128 - u32::from(width)).unwrap_or_default();
    Some(value >> behind & mask)
}

fn byte(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at).copied().map(usize::from)
}

fn mac(bytes: &[u8], start: usize) -> Option<MacAddr> {
    let octets = bytes.get(start..start + 6)?;
    octets.try_into().ok().map(MacAddr::new)
}

/// The addresses of an IP header.
pub(super) fn addresses(bytes: &[u8], network: usize, six: bool) -> Option<(IpAddr, IpAddr)> {
    if six {
        let address = |offset| read(bytes, network, offset, 128).map(|bits| IpAddr::V6(Ipv6Addr::from(bits)));
        return Some((address(64)?, address(192)?));
    }
    let address = |offset| {
        let bits = u32::try_from(read(bytes, network, offset, 32)?).ok()?;
        Some(IpAddr::V4(Ipv4Addr::from(bits)))
    };
    Some((address(96)?, address(128)?))
}

/// What an IPv4 packet carries. `whole`: the packet must not be cut off.
pub(super) fn upper_of_ipv4(bytes: &[u8], network: usize, whole: bool) -> Option<Upper> {
    let header = bytes.get(network..network + 20)?;
    let [version_and_length, _, total_high, total_low, _, _, fragment_high, fragment_low, _, protocol, ..] = header
    else {
        return None;
    };
    let header_bytes = usize::from(version_and_length & 0xf) * 4;
    let total = usize::from(u16::from_be_bytes([*total_high, *total_low]));
    if version_and_length >> 4 != 4 || header_bytes < 20 || total < header_bytes {
        return None;
    }
    if whole && bytes.len() < network + total {
        return None;
    }
    let later = u16::from_be_bytes([*fragment_high, *fragment_low]) & 0x1fff != 0;
    Some(Upper { protocol: *protocol, header: (!later).then_some(network + header_bytes) })
}

/// What an IPv6 packet carries, behind its extension headers. `whole`: the packet must not be cut off.
pub(super) fn upper_of_ipv6(bytes: &[u8], network: usize, whole: bool) -> Option<Upper> {
    if byte(bytes, network)? >> 4 != 6 {
        return None;
    }
    let length = usize::try_from(read(bytes, network, 32, 16)?).ok()?;
    if whole && bytes.len() < network + 40 + length {
        return None;
    }
    let mut next = *bytes.get(network + 6)?;
    let mut at = network + 40;
    bytes.get(network..at)?;
    for _ in 0..EXTENSIONS_MAX {
        // The kernel stops at AH, whose number rules can ask for.
        if !is_extension(next) || matches!(next, number::NO_NEXT) {
            return Some(Upper { protocol: next, header: Some(at) });
        }
        let following = *bytes.get(at)?;
        let length = byte(bytes, at + 1)?;
        match next {
            number::AH => return Some(Upper { protocol: next, header: Some(at) }),
            number::FRAGMENT => {
                let later = read(bytes, at, 16, 13)? != 0;
                if later {
                    let known = !is_extension(following) || following == number::NO_NEXT;
                    return known.then_some(Upper { protocol: following, header: None });
                }
                at += 8;
            }
            _ => {
                if next == number::ROUTING {
                    bytes.get(at..at + 4)?;
                }
                at += 8 * (length + 1);
            }
        }
        next = following;
    }
    None
}

fn is_extension(next: u8) -> bool {
    matches!(
        next,
        number::HOP_BY_HOP
            | number::ROUTING
            | number::FRAGMENT
            | number::AH
            | number::NO_NEXT
            | number::DESTINATION_OPTIONS
    )
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing)]
    use super::*;

    fn frame(kind: u16, body: &[u8]) -> Vec<u8> {
        let mut bytes = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
        bytes.extend(kind.to_be_bytes());
        bytes.extend(body);
        bytes
    }

    fn ipv4(protocol: u8, fragment: u16, options: usize, body: &[u8]) -> Vec<u8> {
        let length = u16::try_from(20 + options * 4 + body.len()).unwrap();
        let mut packet = vec![0x45 + u8::try_from(options).unwrap(), 0];
        packet.extend(length.to_be_bytes());
        packet.extend([0, 1]);
        packet.extend(fragment.to_be_bytes());
        packet.extend([64, protocol, 0, 0, 10, 0, 0, 5, 10, 0, 0, 1]);
        packet.extend(vec![1; options * 4]);
        packet.extend(body);
        frame(ether_type::IPV4, &packet)
    }

    fn ipv6(next: u8, body: &[u8]) -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0];
        packet.extend(u16::try_from(body.len()).unwrap().to_be_bytes());
        packet.extend([next, 64]);
        packet.extend([0x20; 16]);
        packet.extend([0x21; 16]);
        packet.extend(body);
        frame(ether_type::IPV6, &packet)
    }

    #[test]
    fn nft_40_a_tagged_frame_is_of_the_tags_type() {
        let bytes = frame(0x8100, &[0x20, 0x64, 0x08, 0x00, 0x45]);
        let decoded = Frame::decode(&bytes);
        assert_eq!(decoded.ether_type(), Some(0x8100));
        assert_eq!(decoded.vlan(), Some((100, 0x0800)));
        assert_eq!(decoded.upper(), None);
        let cut = frame(0x8100, &[0x20]);
        assert_eq!(Frame::decode(&cut).vlan(), None);
    }

    #[test]
    fn nft_47_a_later_fragment_has_a_protocol_and_no_ports() {
        let bytes = ipv4(17, 8, 0, &[0, 53, 0, 53]);
        let decoded = Frame::decode(&bytes);
        assert_eq!(decoded.upper(), Some(Upper { protocol: 17, header: None }));
        assert_eq!(decoded.transport_bits(0, 16), None);
        let first = ipv4(17, 0x2000, 0, &[0, 53, 0, 54]);
        assert_eq!(Frame::decode(&first).transport_bits(16, 16), Some(54));
    }

    #[test]
    fn options_move_the_transport_header() {
        let bytes = ipv4(17, 0, 2, &[0, 53, 0, 54]);
        assert_eq!(Frame::decode(&bytes).transport_bits(0, 16), Some(53));
    }

    #[test]
    fn a_packet_that_is_cut_off_has_no_protocol() {
        let mut bytes = ipv4(17, 0, 0, &[0, 53, 0, 54]);
        bytes.pop();
        assert_eq!(Frame::decode(&bytes).upper(), None);
        assert_eq!(Frame::decode(&bytes).network_bits(72, 8), Some(17));
        let mut bytes = ipv6(17, &[0, 53, 0, 54]);
        bytes.pop();
        assert_eq!(Frame::decode(&bytes).upper(), None);
    }

    #[test]
    fn padding_is_cut_off_for_the_ip_layer_only() {
        let mut bytes = ipv4(6, 0, 0, &[]);
        bytes.extend([0; 26]);
        let decoded = Frame::decode(&bytes);
        assert_eq!(decoded.transport_bits(0, 16), Some(0));
        assert_eq!(decoded.without_padding().transport_bits(0, 16), None);
    }

    #[test]
    fn nft_44_extension_headers_are_skipped() {
        let options = [60, 0, 1, 4, 0, 0, 0, 0];
        let more = [17, 0, 1, 4, 0, 0, 0, 0];
        let bytes = ipv6(0, &[&options[..], &more, &[0, 53, 0, 54]].concat());
        let decoded = Frame::decode(&bytes);
        assert_eq!(decoded.upper().unwrap().protocol, 17);
        assert_eq!(decoded.transport_bits(16, 16), Some(54));
        // AH is an answer of its own, and nothing is looked for behind it.
        let bytes = ipv6(51, &[6, 4, 0, 0, 0, 0, 0, 0]);
        assert_eq!(Frame::decode(&bytes).upper().unwrap().protocol, 51);
    }

    #[test]
    fn fragments_of_ipv6() {
        let first = ipv6(44, &[17, 0, 0, 1, 0, 0, 0, 9, 0, 53, 0, 54]);
        assert_eq!(Frame::decode(&first).transport_bits(0, 16), Some(53));
        let later = ipv6(44, &[17, 0, 0, 64, 0, 0, 0, 9, 0, 53, 0, 54]);
        assert_eq!(Frame::decode(&later).upper(), Some(Upper { protocol: 17, header: None }));
        // The protocol can be told, its header is not in this fragment.
        let cut = ipv6(44, &[60, 0, 0, 1, 0, 0, 0, 9, 17, 1, 1, 12, 0, 0, 0, 0]);
        assert_eq!(Frame::decode(&cut).upper().unwrap().protocol, 17);
        assert_eq!(Frame::decode(&cut).transport_bits(0, 16), None);
        let lost = ipv6(44, &[60, 0, 0, 1, 0, 0, 0, 9, 60, 1, 1, 12, 0, 0, 0, 0]);
        assert_eq!(Frame::decode(&lost).upper(), None);
    }

    #[test]
    fn tcp_options_are_those_of_the_header() {
        let mut segment = vec![0; 24];
        segment[12] = 0x60;
        segment[20] = 2;
        segment[21] = 4;
        assert_eq!(Frame::decode(&ipv4(6, 0, 0, &segment)).tcp_options(), Some(&[2, 4, 0, 0][..]));
        segment[12] = 0x40;
        assert_eq!(Frame::decode(&ipv4(6, 0, 0, &segment)).tcp_options(), None);
        segment[12] = 0x70;
        assert_eq!(Frame::decode(&ipv4(6, 0, 0, &segment)).tcp_options(), None);
    }

    #[test]
    fn spanning_tree_needs_its_llc() {
        let mut bytes = vec![0x01, 0x80, 0xc2, 0, 0, 0, 2, 0, 0, 0, 0, 2, 0, 38];
        bytes.extend([0x42, 0x42, 3, 0, 0, 0, 0x80]);
        assert!(Frame::decode(&bytes).is_spanning_tree());
        bytes[14] = 0x43;
        assert!(!Frame::decode(&bytes).is_spanning_tree());
    }
}
