//! The constant part (spec 04, section 4.4): tables, maps, base chains, and what hands state and rejects over.
//!
//! Every statement may be loaded again: what exists is added without effect, what has content is emptied first,
//! in the same transaction.

use std::fmt::Write;

use super::Parts;

/// Bits of the mark in which the relay keeps the state of a connection (NFT-115): 24 to 27.
///
/// The lower three: 1 new, 2 established, 3 related, 4 invalid, 5 untracked; the fourth: the reply direction.
/// kube-proxy uses bits 14 and 15, Docker bit 0 and up, Calico 16 to 31 unless told otherwise, Cilium 8 to 11.
pub const RELAY_MASK: u32 = 0x0f00_0000;
/// The bits of [`RELAY_MASK`] without the direction.
pub const STATE_MASK: u32 = 0x0700_0000;
/// The bit of [`RELAY_MASK`] that says: reply direction.
pub const RELAY_REPLY: u32 = 0x0800_0000;
/// Bit of the mark that asks the family inet to reject a packet (NFT-124): 28.
pub const REJECT_BIT: u32 = 0x1000_0000;

/// What is always there (NFT-117).
const BASE: [&str; 21] = [
    "add table bridge nwf { comment \"owner=nwf;schema=1\"; }",
    "add map bridge nwf l2o { type ifname : verdict; comment \"owner=nwf;schema=1\"; }",
    "add map bridge nwf l2i { type ifname : verdict; comment \"owner=nwf;schema=1\"; }",
    "add map bridge nwf l3o { type ifname : verdict; comment \"owner=nwf;schema=1\"; }",
    "add map bridge nwf l3i { type ifname : verdict; comment \"owner=nwf;schema=1\"; }",
    "add map bridge nwf l3b { type ifname : verdict; comment \"owner=nwf;schema=1\"; }",
    "add chain bridge nwf b_l2o { type filter hook prerouting priority -300; policy accept; }",
    "add chain bridge nwf b_l3o { type filter hook prerouting priority 10; policy accept; }",
    "add chain bridge nwf b_l3i { type filter hook postrouting priority 290; policy accept; }",
    "add chain bridge nwf b_l3b { type filter hook forward priority 10; policy accept; }",
    "add chain bridge nwf b_l2i { type filter hook postrouting priority 300; policy accept; }",
    "flush chain bridge nwf b_l2o",
    "add rule bridge nwf b_l2o iifname vmap @l2o",
    "flush chain bridge nwf b_l3o",
    "add rule bridge nwf b_l3o ether type { ip, ip6 } iifname vmap @l3o",
    "flush chain bridge nwf b_l3i",
    "add rule bridge nwf b_l3i ether type { ip, ip6 } oifname vmap @l3i",
    "flush chain bridge nwf b_l3b",
    "add rule bridge nwf b_l3b ether type { ip, ip6 } oifname vmap @l3b",
    "flush chain bridge nwf b_l2i",
    "add rule bridge nwf b_l2i oifname vmap @l2i",
];

/// Our table beside IP.
const INET: &str = "add table inet nwf { comment \"owner=nwf;schema=1;relay\"; }";

/// What copies the state of connections into the mark, and takes it out again (NFT-56, NFT-117).
const RELAY: [&str; 18] = [
    "add chain inet nwf relay",
    "add chain inet nwf b_pre { type filter hook prerouting priority -150; policy accept; }",
    "add chain inet nwf b_post { type filter hook postrouting priority 290; policy accept; }",
    "flush chain inet nwf relay",
    "add rule inet nwf relay meta mark set meta mark & 0xf0ffffff",
    "add rule inet nwf relay ct state invalid meta mark set meta mark | 0x04000000 return",
    "add rule inet nwf relay ct state untracked meta mark set meta mark | 0x05000000 return",
    "add rule inet nwf relay ct state new meta mark set meta mark | 0x01000000",
    "add rule inet nwf relay ct state established meta mark set meta mark | 0x02000000",
    "add rule inet nwf relay ct state related meta mark set meta mark | 0x03000000",
    "add rule inet nwf relay ct direction reply meta mark set meta mark | 0x08000000",
    "flush chain inet nwf b_pre",
    "add rule inet nwf b_pre meta iifkind \"bridge\" jump relay",
    "flush chain inet nwf b_post",
    "add rule inet nwf b_post meta oifkind \"bridge\" jump relay",
    "add chain bridge nwf b_clr { type filter hook input priority 5; policy accept; }",
    "flush chain bridge nwf b_clr",
    "add rule bridge nwf b_clr meta mark set meta mark & 0xf0ffffff",
];

/// What rejects the packets that carry the reject bit, and drops them should br_netfilter be off (NFT-124).
const REJECT: [&str; 11] = [
    "add chain inet nwf b_rjf { type filter hook forward priority -10; policy accept; }",
    "add chain inet nwf b_rji { type filter hook input priority -10; policy accept; }",
    "flush chain inet nwf b_rjf",
    "add rule inet nwf b_rjf meta mark & 0x10000000 != 0 reject with icmpx type port-unreachable",
    "add rule inet nwf b_rjf meta mark & 0x10000000 != 0 drop",
    "flush chain inet nwf b_rji",
    "add rule inet nwf b_rji meta mark & 0x10000000 != 0 reject with icmpx type port-unreachable",
    "add rule inet nwf b_rji meta mark & 0x10000000 != 0 drop",
    "add chain bridge nwf b_rjb { type filter hook forward priority 20; policy accept; }",
    "flush chain bridge nwf b_rjb",
    "add rule bridge nwf b_rjb meta mark & 0x10000000 != 0 drop",
];

/// The set of gratuitous ARP and reverse ARP (NFT-51): every pair of equal bytes, for the source's and target's
/// protocol addresses behind an Ethernet header. Four look-ups of one byte each say that two addresses are equal.
fn same() -> [String; 2] {
    let mut pairs = String::new();
    for byte in 0..=255 {
        let _ = write!(pairs, "{}{byte} . {byte}", if byte == 0 { "" } else { ", " });
    }
    [
        "add set bridge nwf same { typeof @nh,112,8 . @nh,192,8; }".to_owned(),
        format!("add element bridge nwf same {{ {pairs} }}"),
    ]
}

/// The constant part for what a rendering uses.
pub fn statements(parts: Parts) -> Vec<String> {
    let mut texts: Vec<String> = BASE.iter().map(|&text| text.to_owned()).collect();
    if parts.relay_state || parts.relay_reject {
        texts.push(INET.to_owned());
    }
    if parts.relay_state {
        texts.extend(RELAY.iter().map(|&text| text.to_owned()));
    }
    if parts.relay_reject {
        texts.extend(REJECT.iter().map(|&text| text.to_owned()));
    }
    if parts.same {
        texts.extend(same());
    }
    texts
}
