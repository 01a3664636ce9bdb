//! The laboratory itself: what it counts is what passes.

use crate::lab::frames::{Arp, Ip, flag, mac, numbered, router_advertisement, tagged};
use crate::lab::wire::End;
use crate::lab::{GUEST_IP, GUEST_IP6, GUEST_MAC, Lab, PEER_IP, PEER_IP6, PEER_MAC};
use etherparse::{NetSlice, SlicedPacket, TransportSlice};
use std::net::{Ipv4Addr, Ipv6Addr};

fn samples() -> Vec<Vec<u8>> {
    let (guest, peer) = (mac(GUEST_MAC), mac(PEER_MAC));
    let (guest_ip, peer_ip): (Ipv4Addr, Ipv4Addr) = (GUEST_IP.parse().unwrap(), PEER_IP.parse().unwrap());
    let (guest_ip6, peer_ip6): (Ipv6Addr, Ipv6Addr) = (GUEST_IP6.parse().unwrap(), PEER_IP6.parse().unwrap());
    let ip = Ip::new(guest, peer, guest_ip, peer_ip);
    let ip6 = Ip::new(guest, peer, guest_ip6, peer_ip6);
    vec![
        numbered(Arp::request(guest, guest_ip, peer_ip).frame(), 1),
        numbered(Arp::request(guest, guest_ip, peer_ip).frame(), 2),
        ip.udp(4000, 53, b"question"),
        ip.tcp(4000, 80, flag::SYN, (7, 0), b""),
        ip.icmp(8, 0, b"\0\0\0\x01ping"),
        ip6.udp(4000, 53, b"question!"),
        ip6.tcp(4000, 80, flag::SYN, (7, 0), b""),
        ip6.icmp(134, 0, &router_advertisement()),
        tagged(&ip.udp(4000, 54, b"in a VLAN"), 5),
    ]
}

#[test]
fn frames_are_what_another_reader_takes_them_for() {
    for frame in samples() {
        let packet = SlicedPacket::from_ethernet(&frame).unwrap();
        match &packet.net {
            Some(NetSlice::Ipv4(ip)) => {
                let header = ip.header().to_header();
                assert_eq!(header.header_checksum, header.calc_header_checksum());
                match &packet.transport {
                    Some(TransportSlice::Udp(udp)) => {
                        assert_eq!(udp.to_header().calc_checksum_ipv4(&header, udp.payload()).unwrap(), udp.checksum());
                    }
                    Some(TransportSlice::Tcp(tcp)) => {
                        assert_eq!(tcp.calc_checksum_ipv4(header.source, header.destination).unwrap(), tcp.checksum());
                    }
                    Some(TransportSlice::Icmpv4(_)) => {}
                    other => panic!("{other:?}"),
                }
            }
            Some(NetSlice::Ipv6(ip)) => {
                let header = ip.header().to_header();
                match &packet.transport {
                    Some(TransportSlice::Udp(udp)) => {
                        assert_eq!(udp.to_header().calc_checksum_ipv6(&header, udp.payload()).unwrap(), udp.checksum());
                    }
                    Some(TransportSlice::Tcp(tcp)) => {
                        assert_eq!(tcp.calc_checksum_ipv6(header.source, header.destination).unwrap(), tcp.checksum());
                    }
                    Some(TransportSlice::Icmpv6(icmp)) => {
                        assert!(icmp.is_checksum_valid(header.source, header.destination));
                    }
                    other => panic!("{other:?}"),
                }
            }
            Some(NetSlice::Arp(arp)) => assert_eq!(arp.sender_protocol_addr(), [10, 0, 0, 5]),
            None => panic!("nothing known in {frame:02x?}"),
        }
    }
}

#[test]
fn without_rules_every_frame_passes_in_both_directions() {
    let Some(lab) = Lab::new("laboratory") else {
        return;
    };
    let frames = samples();
    let all = vec![true; frames.len()];
    assert_eq!(lab.exchange(End::Guest, End::Peer, &frames, &all), all);
    assert_eq!(lab.exchange(End::Peer, End::Guest, &frames, &all), all);
}

#[test]
fn rules_decide_which_frames_pass() {
    let Some(lab) = Lab::new("laboratory") else {
        return;
    };
    lab.load(
        "table bridge t {
            chain out { type filter hook prerouting priority -300; iifname vnet0 ether type arp drop; }
            chain in { type filter hook postrouting priority 300; oifname vnet0 ether type ip6 drop; }
        }",
    );
    let frames = samples();
    let out: Vec<bool> = (0..frames.len()).map(|number| number > 1).collect();
    let to: Vec<bool> = (0..frames.len()).map(|number| !(5..8).contains(&number)).collect();
    assert_eq!(lab.exchange(End::Guest, End::Peer, &frames, &out), out);
    assert_eq!(lab.exchange(End::Peer, End::Guest, &frames, &to), to);
}

#[test]
fn a_laboratory_leaves_nothing_in_the_namespace_it_was_made_from() {
    let look = || {
        let devices = std::fs::read_to_string("/proc/self/net/dev").unwrap();
        let mut names: Vec<String> =
            devices.lines().filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned())).collect();
        names.sort();
        names
    };
    let before = look();
    let Some(lab) = Lab::new("laboratory") else {
        return;
    };
    assert_eq!(look(), before);
    drop(lab);
    assert_eq!(look(), before);
}
