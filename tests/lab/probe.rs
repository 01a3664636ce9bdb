//! Probes: lines that describe a frame and what must become of it, as the pages
//! `tests/cases/filters/README.md` and `tests/cases/kernel/README.md` have them.

use super::frames::{Arp, BROADCAST, Ip, Mac, ethernet, flag, mac, neighbour, protocol, tagged};
use super::{GUEST_IP, GUEST_IP6, GUEST_MAC, PEER_IP, PEER_IP6, PEER_MAC};
use std::collections::BTreeMap;
use std::net::Ipv6Addr;
use std::str::FromStr;

/// Which way a frame goes, as the guest sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// To the guest.
    In,
    /// From the guest.
    Out,
}

/// One frame, and whether it must pass.
#[derive(Debug, Clone)]
pub struct Probe {
    /// Number of the line, from 1.
    pub line: usize,
    /// The words of the line, without the remark.
    pub text: String,
    /// Which way the frame goes.
    pub direction: Direction,
    /// The frame.
    pub frame: Vec<u8>,
    /// Whether it must arrive.
    pub pass: bool,
}

/// Reads a file of probes.
///
/// # Panics
///
/// At the first line that is none; the text names file and line.
pub fn read(name: &str, text: &str) -> Vec<Probe> {
    let mut probes = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let words = line.split('#').next().unwrap_or_default().trim();
        if words.is_empty() {
            continue;
        }
        match probe(words) {
            Ok((direction, frame, pass)) => {
                probes.push(Probe { line: number + 1, text: words.to_owned(), direction, frame, pass });
            }
            Err(error) => panic!("{name}:{}: {error}: {line}", number + 1),
        }
    }
    probes
}

fn probe(text: &str) -> Result<(Direction, Vec<u8>, bool), String> {
    let (frame, verdict) = text.split_once("->").ok_or("`->` is missing")?;
    let pass = match verdict.trim() {
        "pass" => true,
        "drop" => false,
        other => return Err(format!("`{other}` is no verdict")),
    };
    let mut words = frame.split_whitespace();
    let direction = match words.next() {
        Some("in") => Direction::In,
        Some("out") => Direction::Out,
        other => return Err(format!("{other:?} is no direction")),
    };
    let kind = words.next().ok_or("a kind is missing")?;
    let mut keys = Keys::read(words)?;
    let stations = match direction {
        Direction::Out => (Station::guest(), Station::peer()),
        Direction::In => (Station::peer(), Station::guest()),
    };
    let vlan: Option<u16> = keys.optional("vlan")?;
    let mut frame = match kind {
        "eth" => eth(&mut keys, &stations)?,
        "arp" => arp(&mut keys, &stations, false)?,
        "rarp" => arp(&mut keys, &stations, true)?,
        "ip" => ip(&mut keys, &stations, false)?,
        "ip6" => ip(&mut keys, &stations, true)?,
        other => return Err(format!("`{other}` is no kind")),
    };
    keys.none_left()?;
    if let Some(vlan) = vlan {
        frame = tagged(&frame, vlan);
    }
    Ok((direction, frame, pass))
}

/// The addresses of one end.
struct Station {
    mac: &'static str,
    ip: &'static str,
    ip6: &'static str,
}

impl Station {
    fn guest() -> Self {
        Self { mac: GUEST_MAC, ip: GUEST_IP, ip6: GUEST_IP6 }
    }

    fn peer() -> Self {
        Self { mac: PEER_MAC, ip: PEER_IP, ip6: PEER_IP6 }
    }
}

/// The keys of a line; taking one marks it as known.
struct Keys<'a>(BTreeMap<&'a str, &'a str>);

impl<'a> Keys<'a> {
    fn read(words: impl Iterator<Item = &'a str>) -> Result<Self, String> {
        let mut keys = BTreeMap::new();
        for word in words {
            let (key, value) = word.split_once('=').ok_or_else(|| format!("`{word}` is no KEY=VALUE"))?;
            if keys.insert(key, value).is_some() {
                return Err(format!("`{key}` is given twice"));
            }
        }
        Ok(Self(keys))
    }

    fn take(&mut self, key: &str) -> Option<&'a str> {
        self.0.remove(key)
    }

    fn value<T: FromStr>(&mut self, key: &str, default: &str) -> Result<T, String> {
        let text = self.take(key).unwrap_or(default);
        text.parse().map_err(|_| format!("`{key}={text}` is no good value"))
    }

    fn optional<T: FromStr>(&mut self, key: &str) -> Result<Option<T>, String> {
        let Some(text) = self.take(key) else {
            return Ok(None);
        };
        text.parse().map(Some).map_err(|_| format!("`{key}={text}` is no good value"))
    }

    fn mac(&mut self, key: &str, default: &str) -> Mac {
        match self.take(key).unwrap_or(default) {
            "broadcast" => BROADCAST,
            text => mac(text),
        }
    }

    fn ethertype(&mut self, default: u16) -> Result<u16, String> {
        self.take("type").map_or(Ok(default), |text| {
            text.strip_prefix("0x")
                .and_then(|digits| u16::from_str_radix(digits, 16).ok())
                .ok_or_else(|| format!("`type={text}` is no Ethernet type"))
        })
    }

    fn none_left(&self) -> Result<(), String> {
        self.0.keys().next().map_or(Ok(()), |key| Err(format!("`{key}` is no key here")))
    }
}

fn eth(keys: &mut Keys, (sender, receiver): &(Station, Station)) -> Result<Vec<u8>, String> {
    let (src, dst) = (keys.mac("src", sender.mac), keys.mac("dst", receiver.mac));
    let mut body = vec![0; 46];
    let data = keys.take("data").unwrap_or_default();
    if !data.len().is_multiple_of(2) || data.len() > 92 {
        return Err(format!("`data={data}` is too long, or has half a byte"));
    }
    for (byte, start) in body.iter_mut().zip((0..data.len()).step_by(2)) {
        *byte =
            u8::from_str_radix(&data[start..start + 2], 16).map_err(|_| format!("`data={data}` is not hexadecimal"))?;
    }
    Ok(ethernet(src, dst, keys.ethertype(0x88b5)?, &body))
}

fn arp(keys: &mut Keys, (sender, receiver): &(Station, Station), reverse: bool) -> Result<Vec<u8>, String> {
    let nobody = "00:00:00:00:00:00";
    let defaults = if reverse {
        ("3", 0x8035, sender.mac, "0.0.0.0", "0.0.0.0")
    } else {
        ("1", 0x0806, nobody, sender.ip, receiver.ip)
    };
    let (op, ethertype, tha, spa, tpa) = defaults;
    let arp = Arp {
        src: keys.mac("src", sender.mac),
        dst: keys.mac("dst", "broadcast"),
        ethertype: keys.ethertype(ethertype)?,
        htype: keys.value("htype", "1")?,
        ptype: keys.value("ptype", "2048")?,
        hlen: keys.value("hlen", "6")?,
        plen: keys.value("plen", "4")?,
        op: keys.value("op", op)?,
        sha: keys.mac("sha", sender.mac),
        spa: keys.value("spa", spa)?,
        tha: keys.mac("tha", tha),
        tpa: keys.value("tpa", tpa)?,
    };
    Ok(arp.frame())
}

fn ip(keys: &mut Keys, (sender, receiver): &(Station, Station), six: bool) -> Result<Vec<u8>, String> {
    let (src, dst) = (keys.mac("src", sender.mac), keys.mac("dst", receiver.mac));
    let mut ip = if six {
        let sip: Ipv6Addr = keys.value("sip", sender.ip6)?;
        let dip: Ipv6Addr = keys.value("dip", receiver.ip6)?;
        Ip::new(src, dst, sip, dip)
    } else {
        let sip: std::net::Ipv4Addr = keys.value("sip", sender.ip)?;
        let dip: std::net::Ipv4Addr = keys.value("dip", receiver.ip)?;
        Ip::new(src, dst, sip, dip)
    };
    ip.tos = keys.value("tos", "0")?;
    if !six {
        ip.fragment = match keys.take("frag") {
            None => 0,
            Some("first") => 0x2000,
            Some("later") => 8,
            Some(other) => return Err(format!("`frag={other}` is no part of a packet")),
        };
    }
    let number = match keys.take("proto").unwrap_or("udp") {
        "icmp" => protocol::ICMP,
        "igmp" => 2,
        "tcp" => protocol::TCP,
        "udp" => protocol::UDP,
        "icmpv6" => protocol::ICMPV6,
        text => text.parse().map_err(|_| format!("`proto={text}` is no protocol"))?,
    };
    let cut = if six { extensions(keys.take("ext").unwrap_or_default(), &mut ip)? } else { Cut::No };
    match cut {
        Cut::No => carry(keys, (sender, receiver), &ip, number),
        Cut::Without => {
            // The keys of the protocol have nothing to describe, but are no error.
            let _ = carry(keys, (sender, receiver), &ip, number)?;
            Ok(ip.carry(number, &[]))
        }
        Cut::Rest => {
            let _ = carry(keys, (sender, receiver), &ip, number)?;
            Ok(ip.carry(number, &[0x41; 24]))
        }
    }
}

/// What of the protocol's own bytes is in the packet.
enum Cut {
    /// All of them.
    No,
    /// None.
    Without,
    /// Bytes from the middle.
    Rest,
}

fn extensions(list: &str, ip: &mut Ip) -> Result<Cut, String> {
    let padding = vec![0, 0, 1, 4, 0, 0, 0, 0];
    let fragment = |offset: u16| {
        let [high, low] = offset.to_be_bytes();
        (protocol::FRAGMENT, vec![0, 0, high, low, 0, 0, 0, 1])
    };
    let mut cut = Cut::No;
    for word in list.split(',').filter(|word| !word.is_empty()) {
        if !matches!(cut, Cut::No) {
            return Err(format!("`{word}` stands behind the end of the packet"));
        }
        match word {
            "hbh" => ip.extensions.push((0, vec![0, 0, 5, 2, 0, 0, 1, 0])),
            "dst" => ip.extensions.push((protocol::DESTINATION_OPTIONS, padding.clone())),
            "frag" => ip.extensions.push(fragment(1)),
            "frag-cut" => {
                ip.extensions.push(fragment(1));
                ip.extensions.push((protocol::DESTINATION_OPTIONS, vec![0, 1, 1, 12, 0, 0, 0, 0]));
                cut = Cut::Without;
            }
            "frag-rest" => {
                ip.extensions.push(fragment(64));
                cut = Cut::Rest;
            }
            other => return Err(format!("`{other}` is no extension header")),
        }
    }
    Ok(cut)
}

fn carry(keys: &mut Keys, (sender, receiver): (&Station, &Station), ip: &Ip, number: u8) -> Result<Vec<u8>, String> {
    match number {
        protocol::UDP | protocol::TCP => {
            let sport = keys.value("sport", "40000")?;
            let dport = keys.value("dport", "9")?;
            if number == protocol::UDP {
                return Ok(ip.udp(sport, dport, b"nwf-test"));
            }
            let mut flags = 0;
            for letter in keys.take("flags").unwrap_or("S").chars() {
                flags |= match letter {
                    'S' => flag::SYN,
                    'A' => flag::ACK,
                    'F' => flag::FIN,
                    'R' => flag::RST,
                    'P' => flag::PSH,
                    other => return Err(format!("`{other}` is no TCP flag")),
                };
            }
            Ok(ip.tcp(sport, dport, flags, (1, 0), b"nwf-test"))
        }
        protocol::ICMP | protocol::ICMPV6 => {
            let default = if number == protocol::ICMP { "8" } else { "128" };
            let text = keys.take("icmp").unwrap_or(default);
            let (kind, code) = text.split_once('/').unwrap_or((text, "0"));
            let bad = |_| format!("`icmp={text}` is no type");
            let (kind, code): (u8, u8) = (kind.parse().map_err(bad)?, code.parse().map_err(bad)?);
            let rest = match kind {
                134 if number == protocol::ICMPV6 => super::frames::router_advertisement(),
                135..=137 if number == protocol::ICMPV6 => {
                    let default = if kind == 135 { receiver } else { sender };
                    neighbour(keys.value("target", default.ip6)?)
                }
                _ => vec![0; 20],
            };
            Ok(ip.icmp_as(number, kind, code, &rest))
        }
        _ => Ok(ip.carry(number, &[0; 24])),
    }
}
