//! Frames that a filter's rules match, and frames that they only just do not.

use crate::dice::Dice;
use crate::filters::{Case, GenRule};
use crate::lab::frames::{Arp, Ip, Mac, ethernet, mac, tagged};
use crate::lab::{GUEST_IP, GUEST_IP6, GUEST_MAC, PEER_IP, PEER_IP6, PEER_MAC};
use nwf::model::{Attribute, Kind, Layer, Place, Profile, Protocol, Role, TcpFlags, Value};
use nwf::ruleset::Side;
use std::net::IpAddr;

/// Where the parts of a frame begin.
struct Draft {
    bytes: Vec<u8>,
    network: usize,
    transport: Option<usize>,
    /// Where the number of the upper protocol stands.
    upper: Option<usize>,
}

/// Frames for a case, each other one for the other side.
pub fn frames(dice: &mut Dice, case: &Case, count: usize) -> Vec<(Side, Vec<u8>)> {
    (0..count)
        .map(|number| {
            let side = if number % 2 == 0 { Side::FromGuest } else { Side::ToGuest };
            let rule = if case.rules.is_empty() || dice.chance(8) { None } else { Some(dice.pick(&case.rules)) };
            (side, frame(dice, side, case.profile, rule.as_ref()))
        })
        .collect()
}

fn frame(dice: &mut Dice, side: Side, profile: Profile, rule: Option<&GenRule>) -> Vec<u8> {
    let protocol = rule.and_then(|rule| rule.protocol);
    let wanted = rule.and_then(|rule| {
        let item = rule.items.iter().find(|item| item.row.attribute == Attribute::Protocol)?;
        let value = Value::parse(Kind::IpProtocol, &dice.pick(&item.values), profile).ok()?;
        u8::try_from(value.value.number()?).ok()
    });
    let mut draft = draft(dice, side, protocol, wanted);
    if let (Some(rule), Some(protocol)) = (rule, protocol) {
        fill(dice, &mut draft, rule, protocol, profile);
    }
    spoil(dice, &mut draft);
    let mut bytes = draft.bytes;
    if dice.chance(4) {
        bytes = tagged(&bytes, dice.pick(&[0, 1, 5, 4095]));
    }
    if dice.chance(4) {
        let kept = 14 + dice.below(bytes.len() - 13);
        bytes.truncate(kept.max(14));
    }
    bytes
}

fn draft(dice: &mut Dice, side: Side, protocol: Option<Protocol>, wanted: Option<u8>) -> Draft {
    let (guest, peer) = (mac(GUEST_MAC), mac(PEER_MAC));
    let (src, dst) = if side == Side::FromGuest { (guest, peer) } else { (peer, guest) };
    let any = [
        Protocol::Vlan,
        Protocol::Stp,
        Protocol::Arp,
        Protocol::Rarp,
        Protocol::Tcp,
        Protocol::Udp,
        Protocol::Icmp,
        Protocol::TcpIpv6,
        Protocol::UdpIpv6,
        Protocol::Icmpv6,
        Protocol::Mac,
    ];
    let protocol = match protocol {
        Some(protocol) if !dice.chance(4) => protocol,
        _ => dice.pick(&any),
    };
    match protocol {
        Protocol::Mac => {
            let kind = dice.pick(&[0x88cc, 0x600, 0x0806, 0x0800, 0x86dd, 0x05dc]);
            let body: Vec<u8> = (0..dice.pick(&[0, 1, 20, 46, 60])).map(|_| dice.bits().to_be_bytes()[0]).collect();
            Draft { bytes: ethernet(src, dst, kind, &body), network: 14, transport: None, upper: None }
        }
        Protocol::Vlan => {
            let inner = dice.pick(&[Protocol::Udp, Protocol::Arp, Protocol::UdpIpv6]);
            let inner = draft(dice, side, Some(inner), None);
            Draft {
                bytes: tagged(&inner.bytes, dice.pick(&[0, 1, 5, 0x2005])),
                network: 18,
                transport: None,
                upper: None,
            }
        }
        Protocol::Stp => {
            let mut body = vec![0x42, 0x42, 0x03, 0, 0, 0];
            body.extend((0..32).map(|_| dice.pick(&[0_u8, 0, 0, 1, 128, 255])));
            if dice.chance(60) {
                body[6] = 0;
            }
            if dice.chance(8) {
                let at = dice.below(5);
                body[at] ^= 1;
            }
            let dst = if dice.chance(95) { mac("01:80:c2:00:00:00") } else { dst };
            Draft { bytes: ethernet(src, dst, 38, &body), network: 14, transport: None, upper: None }
        }
        Protocol::Arp | Protocol::Rarp => {
            let (sip, dip) = addresses(side, false);
            let (IpAddr::V4(sip), IpAddr::V4(dip)) = (sip, dip) else { panic!("both are of IPv4") };
            let ethertype = if protocol == Protocol::Arp { 0x0806 } else { 0x8035 };
            let mut arp = Arp { ethertype, ..Arp::request(src, sip, dip) };
            if dice.chance(30) {
                arp = Arp { ethertype, ..Arp::reply(src, sip, dst, dip) };
            }
            if dice.chance(8) {
                arp.htype = dice.pick(&[0, 6, 256, 0x100]);
            }
            if dice.chance(8) {
                arp.ptype = dice.pick(&[0, 0x86dd, 0x0801, 8]);
            }
            if dice.chance(5) {
                arp.plen = dice.pick(&[0, 6, 16, 3]);
            }
            Draft { bytes: arp.frame(), network: 14, transport: None, upper: None }
        }
        other => {
            let six = other == Protocol::Ipv6 || other.layer() == Layer::Ipv6;
            let numbers: &[u8] = &[6, 6, 17, 17, if six { 58 } else { 1 }, 132, 136, 50, 51, 2];
            let number = match wanted.or_else(|| other.ip_number()) {
                Some(number) if !dice.chance(6) => number,
                _ => dice.pick(numbers),
            };
            packet(dice, (src, dst), side, six, number)
        }
    }
}

fn addresses(side: Side, six: bool) -> (IpAddr, IpAddr) {
    let (guest, peer) = if six { (GUEST_IP6, PEER_IP6) } else { (GUEST_IP, PEER_IP) };
    let (guest, peer): (IpAddr, IpAddr) = (guest.parse().unwrap(), peer.parse().unwrap());
    if side == Side::FromGuest { (guest, peer) } else { (peer, guest) }
}

/// An IP packet whose transport header has something of everything.
fn packet(dice: &mut Dice, (src, dst): (Mac, Mac), side: Side, six: bool, number: u8) -> Draft {
    let (sip, dip) = addresses(side, six);
    let mut ip = Ip::new(src, dst, sip, dip);
    ip.tos = dice.pick(&[0, 0, 4, 32, 184, 185, 46, 8]);
    ip.id = u16::from_be_bytes([dice.bits().to_be_bytes()[0], dice.bits().to_be_bytes()[1]]);
    let mut payload: Vec<u8> = Vec::new();
    payload.extend(dice.pick(&[0_u16, 53, 80, 2000, 65535]).to_be_bytes());
    payload.extend(dice.pick(&[0_u16, 53, 80, 2000, 65535]).to_be_bytes());
    payload.extend([0, 0, 0, 1, 0, 0, 0, 0]);
    if number == 6 {
        let mut options: Vec<u8> = Vec::new();
        for _ in 0..dice.below(4) {
            options.extend(dice.pick(&[
                &[1_u8][..],
                &[2, 4, 5, 0xb4],
                &[3, 3, 7],
                &[4, 2],
                &[8, 10, 0, 0, 0, 1, 0, 0, 0, 2],
                &[254, 4, 1, 2],
                &[0],
            ]));
        }
        if dice.chance(5) {
            // An option that leads beyond the header.
            options.extend([5, 30]);
        }
        options.resize(options.len().div_ceil(4) * 4, 1);
        payload.push(0x50 + u8::try_from(options.len() * 4).unwrap());
        payload.push(dice.pick(&[0x02, 0x12, 0x10, 0x01, 0x04, 0x3f, 0, 0xff, 0x82]));
        payload.extend([0x20, 0, 0, 0, 0, 0]);
        payload.extend(options);
    } else if number == 17 {
        payload[4..8].copy_from_slice(&[0, 24, 0, 0]);
    } else if number == 51 {
        // Next header, length in words less two.
        payload[..4].copy_from_slice(&[17, 4, 0, 0]);
    } else if number == 1 || number == 58 {
        let kind = dice.pick(&[0_u8, 3, 8, 11, 128, 135, 136, 255]);
        payload[..4].copy_from_slice(&[kind, dice.pick(&[0, 0, 1, 4, 255]), 0, 0]);
    }
    payload.extend(dice.bits().to_be_bytes());
    payload.resize(payload.len().max(24), 7);
    let mut offset = 14 + if six { 40 } else { 20 };
    let mut upper = if six { 14 + 6 } else { 14 + 9 };
    if six && dice.chance(25) {
        let mut extensions = vec![
            (0_u8, vec![0_u8, 0, 1, 4, 0, 0, 0, 0]),
            (60, vec![0, 0, 1, 4, 0, 0, 0, 0]),
            (60, vec![0, 1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
            (43, vec![0, 0, 0, 0, 0, 0, 0, 0]),
            (44, vec![0, 0, 0, 1, 0, 0, 0, 9]),
            (44, vec![0, 0, 0, 64, 0, 0, 0, 9]),
            (44, vec![0, 0, 0, 0, 0, 0, 0, 9]),
            (51, vec![0, 2, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0]),
        ];
        for _ in 0..=dice.below(2) {
            let at = dice.below(extensions.len());
            let one = extensions.swap_remove(at);
            upper = offset;
            offset += one.1.len();
            ip.extensions.push(one);
        }
    }
    if !six && dice.chance(12) {
        ip.fragment = dice.pick(&[0x2000, 0x2001, 1, 64, 0x4000]);
    }
    let mut bytes = ip.carry(number, &payload);
    if !six && dice.chance(12) {
        // Options of IPv4 stand in front of the rest: NOPs, or a router alert.
        let options = dice.pick(&[&[1_u8, 1, 1, 1][..], &[0x94, 4, 0, 0], &[1, 1, 1, 1, 1, 1, 1, 0]]);
        let tail = bytes.split_off(34);
        bytes.extend(options);
        bytes.extend(tail);
        bytes[14] += u8::try_from(options.len() / 4).unwrap();
        let total = u16::from_be_bytes([bytes[16], bytes[17]]) + u16::try_from(options.len()).unwrap();
        bytes[16..18].copy_from_slice(&total.to_be_bytes());
        offset += options.len();
    }
    Draft { bytes, network: 14, transport: Some(offset), upper: Some(upper) }
}

/// Puts the values of a rule into a frame, or others beside them.
fn fill(dice: &mut Dice, draft: &mut Draft, rule: &GenRule, protocol: Protocol, profile: Profile) {
    let mirrored = dice.chance(35);
    let step = dice.below(3);
    let in_step = dice.chance(70);
    // Usually all fields fit but one, or all of them.
    let odd = if dice.chance(50) { Some(dice.below(rule.items.len().max(1))) } else { None };
    for (number, item) in rule.items.iter().enumerate() {
        let read = |text: &str| Value::parse(item.row.kind, text, profile).map(|parsed| parsed.value).ok();
        let text = if in_step { item.values[step % item.values.len()].clone() } else { dice.pick(&item.values) };
        let Some(value) = read(&text) else { continue };
        let mut place = item.row;
        match item.row.role {
            Role::Leader | Role::CodeOf(_) => {}
            // The end of a range, in the place of its start.
            Role::EndOf(start) if dice.chance(40) => {
                let Some(row) = protocol.row(start) else { continue };
                place = row;
            }
            _ => continue,
        }
        if mirrored {
            match protocol.row(place.attribute.mirrored()) {
                Some(row) => place = row,
                None => continue,
            }
        }
        let masked = rule.items.iter().any(|other| other.row.role == Role::MaskOf(item.row.attribute));
        let width = match place.place {
            Place::Link { width, .. } | Place::Network { width, .. } | Place::Transport { width, .. } => width,
            _ => 8,
        };
        let Some(mut bits) = bits(dice, &value) else { continue };
        if odd == Some(number) || (masked && dice.chance(50)) {
            let most = u128::MAX >> (128 - u32::from(width));
            bits = match dice.below(4) {
                0 => bits.wrapping_add(1) & most,
                1 => bits.wrapping_sub(1) & most,
                _ => bits ^ 1 << dice.below(width.into()),
            };
        }
        match place.place {
            Place::Link { offset, width } => put(&mut draft.bytes, 0, offset, width, bits),
            Place::Network { offset, width } => put(&mut draft.bytes, draft.network, offset, width, bits),
            Place::Transport { offset, width } => {
                if let Some(start) = draft.transport {
                    put(&mut draft.bytes, start, offset, width, bits);
                }
            }
            Place::Comparison => {
                if odd != Some(number) && draft.bytes.len() >= 42 {
                    draft.bytes.copy_within(28..32, 38);
                } else if draft.bytes.len() >= 42 {
                    draft.bytes.copy_within(28..32, 38);
                    let at = 38 + dice.below(4);
                    draft.bytes[at] ^= 1 << dice.below(8);
                }
            }
            Place::UpperProtocol => {
                if odd == Some(number)
                    && let Some(at) = draft.upper
                {
                    draft.bytes[at] = u8::try_from(bits & 0xff).unwrap();
                }
            }
            _ => {}
        }
    }
}

fn bits(dice: &mut Dice, value: &Value) -> Option<u128> {
    Some(match value {
        Value::Number(number) | Value::Hex(number) => (*number).into(),
        Value::Mac(mac) => mac.octets().iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte)),
        Value::Ipv4(address) => u32::from(*address).into(),
        Value::Ipv6(address) => u128::from(*address),
        Value::Bool(_) => 1,
        Value::TcpFlags(TcpFlags { mask, flags }) => {
            let others = dice.bits().to_be_bytes()[0] & !mask.bits() & 0x3f;
            (flags.bits() | others).into()
        }
        _ => return None,
    })
}

/// Writes bits, as far as the frame has them.
fn put(bytes: &mut [u8], start: usize, offset: u16, width: u16, value: u128) {
    for bit in 0..usize::from(width) {
        let at = start * 8 + usize::from(offset) + bit;
        let Some(byte) = bytes.get_mut(at / 8) else { return };
        let one = 0x80 >> (at % 8);
        if value >> (usize::from(width) - 1 - bit) & 1 == 1 {
            *byte |= one;
        } else {
            *byte &= !one;
        }
    }
}

/// Bends an IP header a little, and makes the checksum right again.
fn spoil(dice: &mut Dice, draft: &mut Draft) {
    let bytes = &mut draft.bytes;
    if draft.upper.is_none() {
        return;
    }
    let four = bytes[12..14] == [0x08, 0x00];
    if dice.chance(4) {
        match dice.below(4) {
            0 => bytes[14] ^= 0x10,
            1 if four => bytes[14] = bytes[14] & 0xf0 | dice.pick(&[0, 4, 6, 15]),
            2 => {
                let at = if four { 17 } else { 19 };
                bytes[at] = bytes[at].wrapping_add(dice.pick(&[1, 255, 30, 200]));
            }
            _ => {
                let at = bytes.len() - 1 - dice.below(20);
                bytes[at] ^= 1 << dice.below(8);
            }
        }
    }
    if four {
        let end = 14 + usize::from(bytes[14] & 0xf) * 4;
        if end >= 34 && end <= bytes.len() {
            bytes[24..26].fill(0);
            let mut sum: u32 = bytes[14..end].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum();
            while sum > 0xffff {
                sum = (sum & 0xffff) + (sum >> 16);
            }
            let sum = !u16::try_from(sum).unwrap();
            bytes[24..26].copy_from_slice(&sum.to_be_bytes());
        }
    }
}
