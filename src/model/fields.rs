//! The table of all protocols and their fields (spec 01, sections 4 and 7).
//!
//! One row for each attribute that a protocol element takes: its kind of value, its part in an
//! expression, the attribute that it changes places with when source and destination are exchanged, and
//! where it lies in the packet. The XML reader and writer, the schema, resolution, the backends and
//! the simulator read this table and no other; a new field is a new row and its rendering.

use std::fmt;
use std::str::FromStr;

use super::text_type;

/// The layer that a protocol belongs to (XML-33).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// Frames as such; rules live in chains and keep no state.
    Ethernet,
    /// IPv4 packets; rules form one flat list and know connections.
    Ipv4,
    /// IPv6 packets; the same.
    Ipv6,
}

macro_rules! protocols {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $layer:ident, $rows:ident;)*) => {
        /// A protocol that a rule can be about: the name of an element in `<rule>` (XML-32, XML-33).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Protocol { $($(#[$doc])* $variant),* }

        impl Protocol {
            /// All of them.
            pub const ALL: &'static [Protocol] = &[$(Protocol::$variant),*];

            /// The element's name.
            pub fn name(self) -> &'static str {
                match self { $(Protocol::$variant => $name),* }
            }

            /// Where the protocol's rules are enforced.
            pub fn layer(self) -> Layer {
                match self { $(Protocol::$variant => Layer::$layer),* }
            }

            /// The attributes that the element takes, in table order (XML-34).
            pub fn rows(self) -> &'static [FieldRow] {
                match self { $(Protocol::$variant => $rows),* }
            }
        }
    };
}

protocols! {
    /// Any frame.
    Mac = "mac", Ethernet, MAC_ROWS;
    /// 802.1Q-tagged frames.
    Vlan = "vlan", Ethernet, VLAN_ROWS;
    /// Spanning-tree frames.
    Stp = "stp", Ethernet, STP_ROWS;
    /// ARP.
    Arp = "arp", Ethernet, ARP_ROWS;
    /// Reverse ARP.
    Rarp = "rarp", Ethernet, ARP_ROWS;
    /// IPv4, without state.
    Ip = "ip", Ethernet, IP_ROWS;
    /// IPv6, without state.
    Ipv6 = "ipv6", Ethernet, IPV6_ROWS;
    /// TCP over IPv4.
    Tcp = "tcp", Ipv4, TCP_ROWS;
    /// ICMP.
    Icmp = "icmp", Ipv4, ICMP_ROWS;
    /// IGMP.
    Igmp = "igmp", Ipv4, PLAIN_IPV4_ROWS;
    /// UDP over IPv4.
    Udp = "udp", Ipv4, UDP_ROWS;
    /// UDP-Lite over IPv4.
    Udplite = "udplite", Ipv4, PLAIN_IPV4_ROWS;
    /// IPsec ESP over IPv4.
    Esp = "esp", Ipv4, PLAIN_IPV4_ROWS;
    /// IPsec AH over IPv4.
    Ah = "ah", Ipv4, PLAIN_IPV4_ROWS;
    /// SCTP over IPv4.
    Sctp = "sctp", Ipv4, UDP_ROWS;
    /// Anything over IPv4.
    All = "all", Ipv4, PLAIN_IPV4_ROWS;
    /// TCP over IPv6.
    TcpIpv6 = "tcp-ipv6", Ipv6, TCP_IPV6_ROWS;
    /// ICMPv6.
    Icmpv6 = "icmpv6", Ipv6, ICMPV6_ROWS;
    /// UDP over IPv6.
    UdpIpv6 = "udp-ipv6", Ipv6, UDP_IPV6_ROWS;
    /// UDP-Lite over IPv6.
    UdpliteIpv6 = "udplite-ipv6", Ipv6, PLAIN_IPV6_ROWS;
    /// IPsec ESP over IPv6.
    EspIpv6 = "esp-ipv6", Ipv6, PLAIN_IPV6_ROWS;
    /// IPsec AH over IPv6.
    AhIpv6 = "ah-ipv6", Ipv6, PLAIN_IPV6_ROWS;
    /// SCTP over IPv6.
    SctpIpv6 = "sctp-ipv6", Ipv6, UDP_IPV6_ROWS;
    /// Anything over IPv6.
    AllIpv6 = "all-ipv6", Ipv6, PLAIN_IPV6_ROWS;
}

impl Protocol {
    /// The row of one attribute; none if the protocol does not take it.
    pub fn row(self, attribute: Attribute) -> Option<&'static FieldRow> {
        self.rows().iter().find(|row| row.attribute == attribute)
    }

    /// The number that stands for the protocol in an IP header; none for Ethernet-layer protocols, `all`
    /// and `all-ipv6`.
    pub fn ip_number(self) -> Option<u8> {
        match self {
            Protocol::Icmp => Some(1),
            Protocol::Igmp => Some(2),
            Protocol::Tcp | Protocol::TcpIpv6 => Some(6),
            Protocol::Udp | Protocol::UdpIpv6 => Some(17),
            Protocol::Esp | Protocol::EspIpv6 => Some(50),
            Protocol::Ah | Protocol::AhIpv6 => Some(51),
            Protocol::Icmpv6 => Some(58),
            Protocol::Sctp | Protocol::SctpIpv6 => Some(132),
            Protocol::Udplite | Protocol::UdpliteIpv6 => Some(136),
            Protocol::Mac
            | Protocol::Vlan
            | Protocol::Stp
            | Protocol::Arp
            | Protocol::Rarp
            | Protocol::Ip
            | Protocol::Ipv6
            | Protocol::All
            | Protocol::AllIpv6 => None,
        }
    }
}

/// Why a text is no name of a protocol or attribute.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{name}` is not {what}")]
pub struct UnknownName {
    name: String,
    what: &'static str,
}

impl FromStr for Protocol {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let found = Protocol::ALL.iter().copied().find(|protocol| protocol.name() == text);
        found.ok_or_else(|| UnknownName { name: text.to_owned(), what: "a protocol" })
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

text_type!(Protocol, "Protocol", "a protocol of a rule, named like its XML element");

macro_rules! attributes {
    ($($variant:ident = $name:literal;)*) => {
        /// An attribute of a protocol element. One name means one thing in all protocols that take it,
        /// except for its kind of value (`flags`, `type`).
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        #[allow(missing_docs, reason = "each is named like the attribute")]
        pub enum Attribute { $($variant),* }

        impl Attribute {
            /// All of them.
            pub const ALL: &'static [Attribute] = &[$(Attribute::$variant),*];

            /// The attribute's name in XML.
            pub fn name(self) -> &'static str {
                match self { $(Attribute::$variant => $name),* }
            }
        }
    };
}

attributes! {
    SrcMacAddr = "srcmacaddr";
    SrcMacMask = "srcmacmask";
    DstMacAddr = "dstmacaddr";
    DstMacMask = "dstmacmask";
    ProtocolId = "protocolid";
    VlanId = "vlanid";
    EncapProtocol = "encap-protocol";
    Type = "type";
    TypeEnd = "typeend";
    Code = "code";
    CodeEnd = "codeend";
    Flags = "flags";
    RootPriority = "root-priority";
    RootPriorityHi = "root-priority-hi";
    RootAddress = "root-address";
    RootAddressMask = "root-address-mask";
    RootCost = "root-cost";
    RootCostHi = "root-cost-hi";
    SenderPriority = "sender-priority";
    SenderPriorityHi = "sender-priority-hi";
    SenderAddress = "sender-address";
    SenderAddressMask = "sender-address-mask";
    Port = "port";
    PortHi = "port-hi";
    Age = "age";
    AgeHi = "age-hi";
    MaxAge = "max-age";
    MaxAgeHi = "max-age-hi";
    HelloTime = "hello-time";
    HelloTimeHi = "hello-time-hi";
    ForwardDelay = "forward-delay";
    ForwardDelayHi = "forward-delay-hi";
    HwType = "hwtype";
    ProtocolType = "protocoltype";
    Opcode = "opcode";
    ArpSrcMacAddr = "arpsrcmacaddr";
    ArpDstMacAddr = "arpdstmacaddr";
    ArpSrcIpAddr = "arpsrcipaddr";
    ArpSrcIpMask = "arpsrcipmask";
    ArpDstIpAddr = "arpdstipaddr";
    ArpDstIpMask = "arpdstipmask";
    Gratuitous = "gratuitous";
    SrcIpAddr = "srcipaddr";
    SrcIpMask = "srcipmask";
    DstIpAddr = "dstipaddr";
    DstIpMask = "dstipmask";
    SrcIpFrom = "srcipfrom";
    SrcIpTo = "srcipto";
    DstIpFrom = "dstipfrom";
    DstIpTo = "dstipto";
    Protocol = "protocol";
    SrcPortStart = "srcportstart";
    SrcPortEnd = "srcportend";
    DstPortStart = "dstportstart";
    DstPortEnd = "dstportend";
    Dscp = "dscp";
    ConnlimitAbove = "connlimit-above";
    State = "state";
    IpSet = "ipset";
    IpSetFlags = "ipsetflags";
    Option = "option";
    Comment = "comment";
}

impl FromStr for Attribute {
    type Err = UnknownName;

    fn from_str(text: &str) -> Result<Self, UnknownName> {
        let found = Attribute::ALL.iter().copied().find(|attribute| attribute.name() == text);
        found.ok_or_else(|| UnknownName { name: text.to_owned(), what: "an attribute of a protocol" })
    }
}

impl fmt::Display for Attribute {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

text_type!(Attribute, "Attribute", "an attribute of a protocol element, named as in XML");

impl Attribute {
    /// The attribute that this one changes places with when source and destination are exchanged; itself
    /// if it knows no side.
    #[must_use]
    pub fn mirrored(self) -> Attribute {
        use Attribute as A;
        match self {
            A::SrcMacAddr => A::DstMacAddr,
            A::DstMacAddr => A::SrcMacAddr,
            A::SrcMacMask => A::DstMacMask,
            A::DstMacMask => A::SrcMacMask,
            A::ArpSrcMacAddr => A::ArpDstMacAddr,
            A::ArpDstMacAddr => A::ArpSrcMacAddr,
            A::ArpSrcIpAddr => A::ArpDstIpAddr,
            A::ArpDstIpAddr => A::ArpSrcIpAddr,
            A::ArpSrcIpMask => A::ArpDstIpMask,
            A::ArpDstIpMask => A::ArpSrcIpMask,
            A::SrcIpAddr => A::DstIpAddr,
            A::DstIpAddr => A::SrcIpAddr,
            A::SrcIpMask => A::DstIpMask,
            A::DstIpMask => A::SrcIpMask,
            A::SrcIpFrom => A::DstIpFrom,
            A::DstIpFrom => A::SrcIpFrom,
            A::SrcIpTo => A::DstIpTo,
            A::DstIpTo => A::SrcIpTo,
            A::SrcPortStart => A::DstPortStart,
            A::DstPortStart => A::SrcPortStart,
            A::SrcPortEnd => A::DstPortEnd,
            A::DstPortEnd => A::SrcPortEnd,
            other => other,
        }
    }
}

/// Kind of value that an attribute takes (XML-52).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// 0 to 255.
    U8,
    /// 0 to 65535.
    U16,
    /// 0 to 4294967295.
    U32,
    /// 0 to 65535, decimal only.
    U16Decimal,
    /// An Ethernet address.
    Mac,
    /// A mask for Ethernet addresses.
    MacMask,
    /// An IPv4 address.
    Ipv4,
    /// An IPv4 prefix length, or a netmask.
    Mask4,
    /// An IPv6 address.
    Ipv6,
    /// An IPv6 prefix length, or a netmask.
    Mask6,
    /// A truth value.
    Bool,
    /// Up to 256 bytes of text.
    Text,
    /// An Ethernet type: at least 0x600, or a name.
    EtherType,
    /// The type inside an 802.1Q tag: at least 0x3c, or a name.
    VlanType,
    /// A VLAN number, at most 4095.
    VlanId,
    /// An ARP operation, a number or a name.
    ArpOperation,
    /// An IP protocol, a number or a name.
    IpProtocol,
    /// A DSCP, at most 63.
    Dscp,
    /// A set of connection states.
    State,
    /// A mask and a set of TCP flags.
    TcpFlags,
    /// The name of a kernel IP set.
    IpSet,
    /// The header fields that are looked up in an IP set.
    IpSetFlags,
}

/// The part that an attribute plays in an expression.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Role {
    /// Stands for itself.
    Leader,
    /// The mask of an address; without effect where the address is absent (XML-82).
    MaskOf(Attribute),
    /// The inclusive end of a range; without effect where the start is absent.
    EndOf(Attribute),
    /// An ICMP code, which belongs to the type (XML-43).
    CodeOf(Attribute),
    /// Says how another attribute is looked up (`ipsetflags`).
    OptionOf(Attribute),
    /// Attached to the rule; matches nothing.
    Remark,
}

/// Where a field lies in the packet. Offsets and widths are in bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Place {
    /// From the first bit of the Ethernet header.
    Link {
        /// Bits in front of the field.
        offset: u16,
        /// Bits of the field.
        width: u16,
    },
    /// From the first bit behind the Ethernet header (behind the LLC header's start for spanning tree).
    Network {
        /// Bits in front of the field.
        offset: u16,
        /// Bits of the field.
        width: u16,
    },
    /// From the first bit of the transport header.
    Transport {
        /// Bits in front of the field.
        offset: u16,
        /// Bits of the field.
        width: u16,
    },
    /// The protocol number of an IP packet: `protocol`, or the last of IPv6's next headers.
    UpperProtocol,
    /// A list behind the fixed TCP header.
    TcpOptions,
    /// What the kernel knows of the connection.
    Connection,
    /// Two fields of the packet compared (gratuitous ARP).
    Comparison,
    /// An IP set of the kernel.
    IpSet,
    /// Nowhere: it is a mask, an end or a remark, and lies where its leader does.
    None,
}

/// One attribute of one protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldRow {
    /// The attribute.
    pub attribute: Attribute,
    /// What its value is.
    pub kind: Kind,
    /// What it does in an expression.
    pub role: Role,
    /// Where it lies in the packet.
    pub place: Place,
    /// Whether only the profile `nwf` knows it; libvirt ignores it.
    pub ours: bool,
}

impl FieldRow {
    /// Whether a variable may stand for the value. The profile `libvirt` takes one everywhere (XML-50,
    ///
    pub fn allows_variable(&self) -> bool {
        match self.kind {
            Kind::Bool | Kind::Text | Kind::State | Kind::TcpFlags => false,
            Kind::U8
            | Kind::U16
            | Kind::U32
            | Kind::U16Decimal
            | Kind::Mac
            | Kind::MacMask
            | Kind::Ipv4
            | Kind::Mask4
            | Kind::Ipv6
            | Kind::Mask6
            | Kind::EtherType
            | Kind::VlanType
            | Kind::VlanId
            | Kind::ArpOperation
            | Kind::IpProtocol
            | Kind::Dscp
            | Kind::IpSet
            | Kind::IpSetFlags => true,
        }
    }
}

const fn row(attribute: Attribute, kind: Kind, role: Role, place: Place) -> FieldRow {
    FieldRow { attribute, kind, role, place, ours: false }
}

const fn leader(attribute: Attribute, kind: Kind, place: Place) -> FieldRow {
    row(attribute, kind, Role::Leader, place)
}

const fn mask(attribute: Attribute, kind: Kind, of: Attribute) -> FieldRow {
    row(attribute, kind, Role::MaskOf(of), Place::None)
}

const fn end(attribute: Attribute, kind: Kind, of: Attribute) -> FieldRow {
    row(attribute, kind, Role::EndOf(of), Place::None)
}

const fn link(offset: u16, width: u16) -> Place {
    Place::Link { offset, width }
}

const fn network(offset: u16, width: u16) -> Place {
    Place::Network { offset, width }
}

const fn transport(offset: u16, width: u16) -> Place {
    Place::Transport { offset, width }
}

const SRC_MAC: FieldRow = leader(Attribute::SrcMacAddr, Kind::Mac, link(48, 48));
const SRC_MAC_MASK: FieldRow = mask(Attribute::SrcMacMask, Kind::MacMask, Attribute::SrcMacAddr);
const DST_MAC: FieldRow = leader(Attribute::DstMacAddr, Kind::Mac, link(0, 48));
const DST_MAC_MASK: FieldRow = mask(Attribute::DstMacMask, Kind::MacMask, Attribute::DstMacAddr);
const COMMENT: FieldRow = row(Attribute::Comment, Kind::Text, Role::Remark, Place::None);

/// XML-70.
const MAC_ROWS: &[FieldRow] = &[
    SRC_MAC,
    SRC_MAC_MASK,
    DST_MAC,
    DST_MAC_MASK,
    leader(Attribute::ProtocolId, Kind::EtherType, link(96, 16)),
    COMMENT,
];

/// XML-71. The tag's control word is the first thing behind the type 0x8100.
const VLAN_ROWS: &[FieldRow] = &[
    SRC_MAC,
    SRC_MAC_MASK,
    DST_MAC,
    DST_MAC_MASK,
    leader(Attribute::VlanId, Kind::VlanId, link(116, 12)),
    leader(Attribute::EncapProtocol, Kind::VlanType, link(128, 16)),
    COMMENT,
];

/// XML-72; offsets: NFT-14, from the LLC header on.
const STP_ROWS: &[FieldRow] = &[
    SRC_MAC,
    SRC_MAC_MASK,
    leader(Attribute::Type, Kind::U8, network(48, 8)),
    leader(Attribute::Flags, Kind::U8, network(56, 8)),
    leader(Attribute::RootPriority, Kind::U16, network(64, 16)),
    end(Attribute::RootPriorityHi, Kind::U16, Attribute::RootPriority),
    leader(Attribute::RootAddress, Kind::Mac, network(80, 48)),
    mask(Attribute::RootAddressMask, Kind::MacMask, Attribute::RootAddress),
    leader(Attribute::RootCost, Kind::U32, network(128, 32)),
    end(Attribute::RootCostHi, Kind::U32, Attribute::RootCost),
    leader(Attribute::SenderPriority, Kind::U16, network(160, 16)),
    end(Attribute::SenderPriorityHi, Kind::U16, Attribute::SenderPriority),
    leader(Attribute::SenderAddress, Kind::Mac, network(176, 48)),
    mask(Attribute::SenderAddressMask, Kind::MacMask, Attribute::SenderAddress),
    leader(Attribute::Port, Kind::U16, network(224, 16)),
    end(Attribute::PortHi, Kind::U16, Attribute::Port),
    leader(Attribute::Age, Kind::U16, network(240, 16)),
    end(Attribute::AgeHi, Kind::U16, Attribute::Age),
    leader(Attribute::MaxAge, Kind::U16, network(256, 16)),
    end(Attribute::MaxAgeHi, Kind::U16, Attribute::MaxAge),
    leader(Attribute::HelloTime, Kind::U16, network(272, 16)),
    end(Attribute::HelloTimeHi, Kind::U16, Attribute::HelloTime),
    leader(Attribute::ForwardDelay, Kind::U16, network(288, 16)),
    end(Attribute::ForwardDelayHi, Kind::U16, Attribute::ForwardDelay),
    COMMENT,
];

/// XML-73; for Ethernet and IPv4 (RFC 826: hardware length 6, protocol length 4).
const ARP_ROWS: &[FieldRow] = &[
    SRC_MAC,
    SRC_MAC_MASK,
    DST_MAC,
    DST_MAC_MASK,
    leader(Attribute::HwType, Kind::U16, network(0, 16)),
    leader(Attribute::ProtocolType, Kind::U16, network(16, 16)),
    leader(Attribute::Opcode, Kind::ArpOperation, network(48, 16)),
    leader(Attribute::ArpSrcMacAddr, Kind::Mac, network(64, 48)),
    leader(Attribute::ArpDstMacAddr, Kind::Mac, network(144, 48)),
    leader(Attribute::ArpSrcIpAddr, Kind::Ipv4, network(112, 32)),
    mask(Attribute::ArpSrcIpMask, Kind::Mask4, Attribute::ArpSrcIpAddr),
    leader(Attribute::ArpDstIpAddr, Kind::Ipv4, network(192, 32)),
    mask(Attribute::ArpDstIpMask, Kind::Mask4, Attribute::ArpDstIpAddr),
    leader(Attribute::Gratuitous, Kind::Bool, Place::Comparison),
    COMMENT,
];

const SRC_PORT: FieldRow = leader(Attribute::SrcPortStart, Kind::U16, transport(0, 16));
const SRC_PORT_END: FieldRow = end(Attribute::SrcPortEnd, Kind::U16, Attribute::SrcPortStart);
const DST_PORT: FieldRow = leader(Attribute::DstPortStart, Kind::U16, transport(16, 16));
const DST_PORT_END: FieldRow = end(Attribute::DstPortEnd, Kind::U16, Attribute::DstPortStart);
const TYPE: FieldRow = leader(Attribute::Type, Kind::U8, transport(0, 8));
const CODE: FieldRow = row(Attribute::Code, Kind::U8, Role::CodeOf(Attribute::Type), transport(8, 8));

/// XML-74.
const IP_ROWS: &[FieldRow] = &[
    SRC_MAC,
    SRC_MAC_MASK,
    DST_MAC,
    DST_MAC_MASK,
    leader(Attribute::SrcIpAddr, Kind::Ipv4, network(96, 32)),
    mask(Attribute::SrcIpMask, Kind::Mask4, Attribute::SrcIpAddr),
    leader(Attribute::DstIpAddr, Kind::Ipv4, network(128, 32)),
    mask(Attribute::DstIpMask, Kind::Mask4, Attribute::DstIpAddr),
    leader(Attribute::Protocol, Kind::IpProtocol, Place::UpperProtocol),
    SRC_PORT,
    SRC_PORT_END,
    DST_PORT,
    DST_PORT_END,
    leader(Attribute::Dscp, Kind::Dscp, network(8, 6)),
    COMMENT,
];

/// XML-75.
const IPV6_ROWS: &[FieldRow] = &[
    SRC_MAC,
    SRC_MAC_MASK,
    DST_MAC,
    DST_MAC_MASK,
    leader(Attribute::SrcIpAddr, Kind::Ipv6, network(64, 128)),
    mask(Attribute::SrcIpMask, Kind::Mask6, Attribute::SrcIpAddr),
    leader(Attribute::DstIpAddr, Kind::Ipv6, network(192, 128)),
    mask(Attribute::DstIpMask, Kind::Mask6, Attribute::DstIpAddr),
    leader(Attribute::Protocol, Kind::IpProtocol, Place::UpperProtocol),
    SRC_PORT,
    SRC_PORT_END,
    DST_PORT,
    DST_PORT_END,
    TYPE,
    end(Attribute::TypeEnd, Kind::U8, Attribute::Type),
    CODE,
    end(Attribute::CodeEnd, Kind::U8, Attribute::Code),
    COMMENT,
];

/// XML-76, the common block, with what follows it (XML-77). `$dscp` is the field's offset.
macro_rules! ip_layer_rows {
    ($address:ident, $mask:ident, $bits:literal, $source:literal, $destination:literal, $dscp:literal $(, $more:expr)*) => {
        &[
            SRC_MAC,
            leader(Attribute::SrcIpAddr, Kind::$address, network($source, $bits)),
            mask(Attribute::SrcIpMask, Kind::$mask, Attribute::SrcIpAddr),
            leader(Attribute::DstIpAddr, Kind::$address, network($destination, $bits)),
            mask(Attribute::DstIpMask, Kind::$mask, Attribute::DstIpAddr),
            leader(Attribute::SrcIpFrom, Kind::$address, network($source, $bits)),
            end(Attribute::SrcIpTo, Kind::$address, Attribute::SrcIpFrom),
            leader(Attribute::DstIpFrom, Kind::$address, network($destination, $bits)),
            end(Attribute::DstIpTo, Kind::$address, Attribute::DstIpFrom),
            leader(Attribute::Dscp, Kind::Dscp, network($dscp, 6)),
            leader(Attribute::ConnlimitAbove, Kind::U16Decimal, Place::Connection),
            leader(Attribute::State, Kind::State, Place::Connection),
            leader(Attribute::IpSet, Kind::IpSet, Place::IpSet),
            row(Attribute::IpSetFlags, Kind::IpSetFlags, Role::OptionOf(Attribute::IpSet), Place::None),
            $($more,)*
            COMMENT,
        ]
    };
}

const OPTION: FieldRow = leader(Attribute::Option, Kind::U8, Place::TcpOptions);
/// The six flags in the low bits of the header's fourteenth byte.
const TCP_FLAGS: FieldRow = leader(Attribute::Flags, Kind::TcpFlags, transport(106, 6));

const PLAIN_IPV4_ROWS: &[FieldRow] = ip_layer_rows!(Ipv4, Mask4, 32, 96, 128, 8);
const PLAIN_IPV6_ROWS: &[FieldRow] = ip_layer_rows!(Ipv6, Mask6, 128, 64, 192, 4);
const UDP_ROWS: &[FieldRow] =
    ip_layer_rows!(Ipv4, Mask4, 32, 96, 128, 8, SRC_PORT, SRC_PORT_END, DST_PORT, DST_PORT_END);
const UDP_IPV6_ROWS: &[FieldRow] =
    ip_layer_rows!(Ipv6, Mask6, 128, 64, 192, 4, SRC_PORT, SRC_PORT_END, DST_PORT, DST_PORT_END);
const TCP_ROWS: &[FieldRow] =
    ip_layer_rows!(Ipv4, Mask4, 32, 96, 128, 8, SRC_PORT, SRC_PORT_END, DST_PORT, DST_PORT_END, OPTION, TCP_FLAGS);
const TCP_IPV6_ROWS: &[FieldRow] = ip_layer_rows!(
    Ipv6,
    Mask6,
    128,
    64,
    192,
    4,
    SRC_PORT,
    SRC_PORT_END,
    DST_PORT,
    DST_PORT_END,
    OPTION,
    FieldRow { ours: true, ..TCP_FLAGS }
);
const ICMP_ROWS: &[FieldRow] = ip_layer_rows!(Ipv4, Mask4, 32, 96, 128, 8, TYPE, CODE);
const ICMPV6_ROWS: &[FieldRow] = ip_layer_rows!(Ipv6, Mask6, 128, 64, 192, 4, TYPE, CODE);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn xml_33_there_are_24_protocols() {
        assert_eq!(Protocol::ALL.len(), 24);
        let count = |layer| Protocol::ALL.iter().filter(|protocol| protocol.layer() == layer).count();
        assert_eq!((count(Layer::Ethernet), count(Layer::Ipv4), count(Layer::Ipv6)), (7, 9, 8));
        assert!("igmp-ipv6".parse::<Protocol>().is_err());
        assert!("TCP".parse::<Protocol>().is_err());
    }

    #[test]
    fn every_follower_stands_behind_its_leader_and_every_row_once() {
        for protocol in Protocol::ALL {
            let rows = protocol.rows();
            for (position, row) in rows.iter().enumerate() {
                let same = rows.iter().filter(|other| other.attribute == row.attribute).count();
                assert_eq!(same, 1, "{protocol} {}", row.attribute);
                let leader = match row.role {
                    Role::Leader | Role::Remark => continue,
                    Role::MaskOf(leader) | Role::EndOf(leader) | Role::CodeOf(leader) | Role::OptionOf(leader) => {
                        leader
                    }
                };
                let found = rows.iter().position(|other| other.attribute == leader);
                assert!(found.is_some_and(|found| found < position), "{protocol} {}", row.attribute);
            }
        }
    }

    #[test]
    fn mirroring_twice_changes_nothing() {
        for attribute in Attribute::ALL {
            assert_eq!(attribute.mirrored().mirrored(), *attribute);
        }
    }

    #[test]
    fn every_protocol_that_takes_an_attribute_takes_its_mirror_unless_the_spec_leaves_it_out() {
        for protocol in Protocol::ALL {
            for row in protocol.rows() {
                let lacks = protocol.row(row.attribute.mirrored()).is_none();
                // XML-76: no destination MAC in the IP layer. XML-72: none in spanning-tree frames.
                let known = matches!(row.attribute, Attribute::SrcMacAddr | Attribute::SrcMacMask);
                assert!(!lacks || known, "{protocol} {}", row.attribute);
            }
        }
    }

    #[test]
    fn ip_layer_address_places_have_the_width_of_their_kind() {
        for protocol in Protocol::ALL {
            for row in protocol.rows() {
                if let (Kind::Ipv4 | Kind::Ipv6, Place::Network { width, .. }) = (row.kind, row.place) {
                    assert_eq!(width, if row.kind == Kind::Ipv4 { 32 } else { 128 }, "{protocol} {}", row.attribute);
                }
            }
        }
    }
}
