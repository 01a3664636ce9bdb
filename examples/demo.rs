//! Shows the pipeline at work: `make demo`, or `cargo run --example demo`.
//!
//! A throw-away network namespace gets a bridge, a guest behind `vnet0` and a neighbour
//! behind `vnet1`. Good and spoofed frames are sent before and after the filter
//! `clean-traffic-dual` is applied to `vnet0`, and what arrives is counted. Ends with status
//! 0 if all went as expected, 1 if not, and 8 if no namespace can be made here.
//!
//! Nothing is left behind, however it ends: the namespaces and their mounts last as long as
//! this process.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing)]

#[path = "../tests/lab/mod.rs"]
mod lab;

use lab::frames::{Arp, Ip, Mac, ethernet, flag, mac, neighbour, numbered};
use lab::programs::{binding, program, shipped_filters};
use lab::wire::End;
use lab::{GUEST_IP, GUEST_IP6, GUEST_MAC, Lab, PEER_IP, PEER_IP6, PEER_MAC, nft};
use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt;
use std::io::IsTerminal;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

/// How many frames of each kind are sent.
const FRAMES: usize = 20;
/// How wide what is printed may be.
const WIDTH: usize = 110;
/// Set in the environment of the demo that runs in a user namespace.
const INSIDE: &str = "NWF_DEMO_INSIDE";

fn main() -> ExitCode {
    if !nix::unistd::geteuid().is_root() && std::env::var_os(INSIDE).is_none() {
        // In a user namespace of our own we may do all that is needed here.
        let own = std::env::current_exe().expect("a running program has a path");
        let error = Command::new("unshare").args(["--user", "--map-root-user", "--"]).arg(own).env(INSIDE, "1").exec();
        eprintln!("demo: unshare: {error}; run it as root");
        return ExitCode::from(8);
    }
    let Some(lab) = Lab::new("demo") else {
        eprintln!("demo: run it as root, on a kernel with network namespaces and nftables");
        return ExitCode::from(8);
    };
    match Demo::new(lab).show() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("demo: {error}");
            ExitCode::FAILURE
        }
    }
}

/// The laboratory, and how to write on the terminal.
struct Demo {
    lab: Lab,
    folder: PathBuf,
    coloured: bool,
}

impl Demo {
    fn new(lab: Lab) -> Self {
        let folder = lab.run_dir.with_file_name("demo");
        Self { lab, folder, coloured: std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none() }
    }

    fn show(&self) -> Result<bool, String> {
        self.title("A bridge, a guest behind vnet0, and its binding to a filter");
        let xml = binding("vnet0", GUEST_MAC, "clean-traffic-dual", &[("IP", GUEST_IP), ("IPV6", GUEST_IP6)]);
        let folder = self.folder.clone();
        let text = xml.clone();
        self.lab
            .host
            .run(move || {
                std::fs::create_dir_all(&folder)?;
                std::fs::write(folder.join("guest.xml"), text)
            })
            .map_err(|error| format!("guest.xml: {error}"))?;
        self.say("$ cat guest.xml");
        print!("{xml}");

        let kinds = kinds();
        let before = self.send(&kinds, |_| true);

        self.title("From XML to the kernel, stage by stage");
        self.stage("nwf-parse guest.xml > guest.json", "guest.json")?;
        self.stage("nwf-resolve guest.json > ruleset.json", "ruleset.json")?;
        self.stage("nwf-render ruleset.json > plan.json", "plan.json")?;
        let script = self.shell("nwf-render --format script ruleset.json")?;
        print_lines(
            script.lines().filter(|line| line.starts_with("add rule bridge nwf i.vnet0") && line.contains("comment")),
            8,
        );
        show_json(&self.shell("nwf-apply plan.json")?, 16)?;

        self.title("The same in one line; what is in force already stays untouched");
        show_json(&self.shell("nwf-parse guest.xml | nwf-resolve | nwf-render | nwf-apply")?, 16)?;

        let after = self.send(&kinds, |kind| kind.good);
        self.title("Frames sent, and what arrived");
        let mut fine = self.table(&kinds, &before, &after);

        self.title("What the kernel counted, by line of the XML");
        fine &= self.counters(&kinds)?;

        self.title("And away again");
        show_json(&self.shell("nwf-apply --remove vnet0")?, 16)?;
        if self.lab.ruleset().contains("vnet0") {
            println!("vnet0 is still in the ruleset");
            fine = false;
        }
        println!();
        println!("{}", if fine { "All as expected." } else { "NOT as expected: see above." });
        Ok(fine)
    }

    fn title(&self, text: &str) {
        if self.coloured {
            println!("\n\x1b[1m== {text}\x1b[0m\n");
        } else {
            println!("\n== {text}\n");
        }
    }

    fn say(&self, text: &str) {
        if self.coloured {
            println!("\x1b[36m{text}\x1b[0m");
        } else {
            println!("{text}");
        }
    }

    /// Runs a line of shell as it is printed; gives its standard output.
    fn shell(&self, line: &str) -> Result<String, String> {
        self.say(&format!("$ {line}"));
        let programs = program("nwf-parse");
        let programs = programs.parent().expect("a program lies in a folder");
        let path = std::env::var("PATH").unwrap_or_default();
        // The folder is there only inside, so the shell goes to it by itself.
        let mut shell = Command::new("sh");
        shell
            .args(["-ec", &format!("cd '{}'\n{line}", self.folder.display())])
            .env("PATH", format!("{}:{path}:/usr/sbin:/sbin", programs.display()))
            .env("NWF_RUN_DIR", &self.lab.run_dir)
            .env("NWF_FILTER_PATH", shipped_filters());
        let ran = self.lab.host.command(shell, b"").map_err(|error| format!("sh: {error}"))?;
        print!("{}", ran.stderr);
        ran.success(line)
    }

    /// Runs a stage, and shows the document that it wrote.
    fn stage(&self, line: &str, document: &str) -> Result<(), String> {
        self.shell(line)?;
        let text = self.lab.host.read(self.folder.join(document)).map_err(|error| format!("{document}: {error}"))?;
        show_json(&text, 40)?;
        println!();
        Ok(())
    }

    /// Sends all frames, and counts for each kind those that arrived.
    fn send(&self, kinds: &[Kind], passes: impl Fn(&Kind) -> bool) -> Vec<usize> {
        let mut counts = vec![0; kinds.len()];
        for way in [(End::Guest, End::Peer), (End::Peer, End::Guest)] {
            let mut frames = Vec::new();
            let mut expected = Vec::new();
            let mut of = Vec::new();
            for (number, kind) in kinds.iter().enumerate() {
                if kind.way == way {
                    frames.extend(kind.frames.iter().cloned());
                    expected.extend(kind.frames.iter().map(|_| passes(kind)));
                    of.extend(kind.frames.iter().map(|_| number));
                }
            }
            let arrived = self.lab.exchange(way.0, way.1, &frames, &expected);
            for (number, arrived) in of.into_iter().zip(arrived) {
                counts[number] += usize::from(arrived);
            }
        }
        counts
    }

    fn table(&self, kinds: &[Kind], before: &[usize], after: &[usize]) -> bool {
        let mut fine = true;
        println!("{:<44}{:>6}{:>16}{:>15}{:>10}", "", "sent", "arrived before", "arrived after", "expected");
        for (number, kind) in kinds.iter().enumerate() {
            let expected = if kind.good { FRAMES } else { 0 };
            let right = before[number] == FRAMES && after[number] == expected;
            fine &= right;
            let mark = match (right, self.coloured) {
                (true, true) => "  \x1b[32mok\x1b[0m",
                (true, false) => "  ok",
                (false, true) => "  \x1b[1;31mWRONG\x1b[0m",
                (false, false) => "  WRONG",
            };
            println!("{:<44}{FRAMES:>6}{:>16}{:>15}{expected:>10}{mark}", kind.name, before[number], after[number]);
        }
        fine
    }

    /// Prints the counters of the rules that met a frame, each with its line of XML; tells
    /// whether each spoofed frame was counted by exactly one rule that drops.
    fn counters(&self, kinds: &[Kind]) -> Result<bool, String> {
        self.say("$ nft -j list table bridge nwf");
        let listing = self
            .lab
            .host
            .command(nft(&["-j", "list", "table", "bridge", "nwf"]), b"")
            .map_err(|error| format!("nft: {error}"))?
            .success("nft -j list table bridge nwf")?;
        let listing: Value = serde_json::from_str(&listing).map_err(|error| format!("nft: {error}"))?;
        let mut counted: BTreeMap<(String, u64, String), u64> = BTreeMap::new();
        let mut rules = 0;
        for object in listing["nftables"].as_array().into_iter().flatten() {
            let rule = &object["rule"];
            let Some((filter, line)) = provenance(rule["comment"].as_str().unwrap_or_default()) else {
                continue;
            };
            let mut packets = 0;
            let mut verdict = "";
            for expression in rule["expr"].as_array().into_iter().flatten() {
                packets += expression["counter"]["packets"].as_u64().unwrap_or(0);
                for word in ["accept", "drop", "return", "continue"] {
                    if expression.get(word).is_some() {
                        verdict = word;
                    }
                }
            }
            rules += 1;
            *counted.entry((filter.to_owned(), line, verdict.to_owned())).or_default() += packets;
        }
        let mut dropped = 0;
        println!("{:>8}  {:<7} {:<32} XML", "packets", "verdict", "filter:line");
        for ((filter, line, verdict), packets) in &counted {
            if verdict == "drop" {
                dropped += packets;
            }
            if *packets > 0 {
                let place = format!("{filter}:{line}");
                let text = xml_line(filter, *line);
                println!("{packets:>8}  {verdict:<7} {place:<32} {}", cut(&text, WIDTH - 51));
            }
        }
        println!("({rules} rules of {} lines; those that met no frame are left out)", counted.len());
        let spoofed = kinds.iter().filter(|kind| !kind.good).count() * FRAMES;
        let spoofed = u64::try_from(spoofed).expect("a small number");
        if dropped == spoofed {
            println!("Each of the {spoofed} spoofed frames was dropped by exactly one rule.");
        } else {
            println!("{dropped} frames were dropped by rules, but {spoofed} were spoofed.");
        }
        Ok(dropped == spoofed)
    }
}

/// The filter and line in a rule's comment `f=FILTER;r=RULE;l=LINE`.
fn provenance(comment: &str) -> Option<(&str, u64)> {
    let words = comment.split_whitespace().next()?;
    let mut filter = None;
    let mut line = None;
    for part in words.split(';') {
        match part.split_once('=')? {
            ("f", value) => filter = Some(value),
            ("l", value) => line = value.parse().ok(),
            _ => {}
        }
    }
    Some((filter?, line?))
}

/// What the rule that begins in a line of a shipped filter looks for.
fn xml_line(filter: &str, line: u64) -> String {
    let path = shipped_filters().join(format!("{filter}.xml"));
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let start = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
    let mut rule = String::new();
    for line in text.lines().skip(start) {
        rule.push_str(line.trim());
        rule.push(' ');
        if line.contains("</rule>") || (line.contains("<rule") && line.contains("/>")) {
            break;
        }
    }
    let Some((_, inner)) = rule.split_once('>') else {
        return rule;
    };
    match inner.trim().trim_end_matches("</rule>").trim() {
        "" => "(whatever comes here)".to_owned(),
        fields => fields.to_owned(),
    }
}

/// A kind of traffic: frames that must all pass, or all be dropped, once the filter holds.
struct Kind {
    name: &'static str,
    good: bool,
    way: (End, End),
    frames: Vec<Vec<u8>>,
}

/// All the traffic of the demo. All frames differ.
fn kinds() -> Vec<Kind> {
    let (guest, peer, stranger) = (mac(GUEST_MAC), mac(PEER_MAC), mac("52:54:00:66:66:66"));
    let ip4 = |text: &str| text.parse::<Ipv4Addr>().expect("an address");
    let ip6 = |text: &str| text.parse::<Ipv6Addr>().expect("an address");
    let (guest_ip, peer_ip) = (ip4(GUEST_IP), ip4(PEER_IP));
    let (guest_ip6, peer_ip6) = (ip6(GUEST_IP6), ip6(PEER_IP6));
    let (foreign_ip, foreign_ip6) = (ip4("10.0.0.66"), ip6("2001:db8::66"));
    let arp = |arp: Arp| move |number: usize| numbered(arp.frame(), u32::try_from(number).expect("few frames"));
    let send = |ip: Ip| {
        move |number: usize| {
            let text = format!("frame {number:4}").into_bytes();
            match (number % 3, ip.sip.is_ipv4()) {
                (0, _) => ip.udp(40000, 53, &text),
                (1, _) => ip.tcp(40000, 80, flag::SYN, (1, 0), &text),
                (_, true) => ip.icmp(8, 0, &text),
                (_, false) => ip.icmp(128, 0, &text),
            }
        }
    };
    let from = |src: Mac, sip: Ipv4Addr| Ip::new(src, peer, sip, peer_ip);
    let from6 = |src: Mac, sip: Ipv6Addr| Ip::new(src, peer, sip, peer_ip6);
    let out = (End::Guest, End::Peer);
    let to = (End::Peer, End::Guest);
    let request = Arp::request(guest, guest_ip, peer_ip);

    vec![
        kind("from the guest: ARP", true, out, 0, arp(request.clone())),
        kind("from the guest: IPv4 (UDP, TCP, ping)", true, out, 1, send(from(guest, guest_ip))),
        kind("from the guest: IPv6 (UDP, TCP, ping)", true, out, 2, send(from6(guest, guest_ip6))),
        kind("from the guest: IPv6 neighbour discovery", true, out, 3, |number| {
            let target = Ipv6Addr::from(u128::from(ip6("2001:db8::1:0")) + number as u128);
            let group = ip6("ff02::1:ff00:1");
            Ip::new(guest, mac("33:33:ff:00:00:01"), guest_ip6, group).icmp(135, 0, &neighbour(target))
        }),
        kind("to the guest: ARP", true, to, 4, arp(Arp::reply(peer, peer_ip, guest, guest_ip))),
        kind("to the guest: IPv4 (UDP, TCP, ping)", true, to, 5, send(Ip::new(peer, guest, peer_ip, guest_ip))),
        kind("to the guest: IPv6 (UDP, TCP, ping)", true, to, 6, send(Ip::new(peer, guest, peer_ip6, guest_ip6))),
        kind("spoofed: MAC address", false, out, 7, send(from(stranger, guest_ip))),
        kind("spoofed: IPv4 source address", false, out, 8, send(from(guest, foreign_ip))),
        kind("spoofed: ARP sender MAC address", false, out, 9, arp(Arp { sha: stranger, ..request.clone() })),
        kind("spoofed: ARP sender IP address", false, out, 10, arp(Arp { spa: foreign_ip, ..request })),
        kind("spoofed: IPv6 source address", false, out, 11, send(from6(guest, foreign_ip6))),
        kind("spoofed: foreign protocol (LLDP, 0x88cc)", false, out, 12, |number| {
            let number = u32::try_from(number).expect("few frames");
            numbered(ethernet(guest, peer, 0x88cc, b""), number)
        }),
    ]
}

fn kind(name: &'static str, good: bool, way: (End, End), place: usize, frame: impl Fn(usize) -> Vec<u8>) -> Kind {
    let frames = (0..FRAMES).map(|number| frame(place * FRAMES + number));
    Kind { name, good, way, frames: frames.collect() }
}

/// Prints the beginning of a JSON document, indented.
fn show_json(text: &str, most: usize) -> Result<(), String> {
    let json: Json = serde_json::from_str(text).map_err(|error| format!("no JSON: {error}: {text}"))?;
    let mut lines = Vec::new();
    json.lines(0, "", "", &mut lines);
    print_lines(lines.iter().map(String::as_str), most);
    Ok(())
}

/// Prints the first lines, each cut to the width, and how many there are more.
fn print_lines<'a>(lines: impl Iterator<Item = &'a str>, most: usize) {
    let lines: Vec<&str> = lines.collect();
    for line in lines.iter().take(most) {
        println!("{}", cut(line, WIDTH));
    }
    if lines.len() > most {
        println!("  … {} more lines", lines.len() - most);
    }
}

fn cut(line: &str, width: usize) -> String {
    if line.chars().count() <= width {
        return line.to_owned();
    }
    let mut short: String = line.chars().take(width - 1).collect();
    short.push('…');
    short
}

/// A JSON document whose members keep their order.
enum Json {
    Scalar(String),
    Array(Vec<Json>),
    Object(Vec<(String, Json)>),
}

impl Json {
    /// The document on one line.
    fn flat(&self) -> String {
        match self {
            Self::Scalar(text) => text.clone(),
            Self::Array(items) => {
                let items: Vec<String> = items.iter().map(Self::flat).collect();
                format!("[{}]", items.join(", "))
            }
            Self::Object(members) => {
                let members: Vec<String> =
                    members.iter().map(|(name, value)| format!("\"{name}\": {}", value.flat())).collect();
                format!("{{{}}}", members.join(", "))
            }
        }
    }

    /// The document indented: what fits a line stays on it, of a long list the first items
    /// are shown, and what lies deep is cut at the end of the line.
    fn lines(&self, depth: usize, before: &str, behind: &str, lines: &mut Vec<String>) {
        const ITEMS: usize = 2;
        const DEEP: usize = 3;
        let indent = "  ".repeat(depth);
        let flat = format!("{indent}{before}{}{behind}", self.flat());
        match self {
            _ if flat.chars().count() <= WIDTH => lines.push(flat),
            Self::Array(items) if depth <= DEEP => {
                lines.push(format!("{indent}{before}["));
                for (number, item) in items.iter().take(ITEMS).enumerate() {
                    let comma = if number + 1 < items.len() { "," } else { "" };
                    item.lines(depth + 1, "", comma, lines);
                }
                if items.len() > ITEMS {
                    lines.push(format!("{indent}  … {} more", items.len() - ITEMS));
                }
                lines.push(format!("{indent}]{behind}"));
            }
            Self::Object(members) if depth < DEEP => {
                lines.push(format!("{indent}{before}{{"));
                for (number, (name, value)) in members.iter().enumerate() {
                    let comma = if number + 1 < members.len() { "," } else { "" };
                    value.lines(depth + 1, &format!("\"{name}\": "), comma, lines);
                }
                lines.push(format!("{indent}}}{behind}"));
            }
            _ => lines.push(cut(&flat, WIDTH)),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct AnyJson;
        impl<'de> Visitor<'de> for AnyJson {
            type Value = Json;

            fn expecting(&self, text: &mut fmt::Formatter) -> fmt::Result {
                text.write_str("JSON")
            }

            fn visit_unit<E>(self) -> Result<Json, E> {
                Ok(Json::Scalar("null".to_owned()))
            }

            fn visit_bool<E>(self, value: bool) -> Result<Json, E> {
                Ok(Json::Scalar(value.to_string()))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Json, E> {
                Ok(Json::Scalar(value.to_string()))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Json, E> {
                Ok(Json::Scalar(value.to_string()))
            }

            fn visit_f64<E>(self, value: f64) -> Result<Json, E> {
                Ok(Json::Scalar(value.to_string()))
            }

            fn visit_str<E>(self, value: &str) -> Result<Json, E> {
                Ok(Json::Scalar(Value::from(value).to_string()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
                let mut all = Vec::new();
                while let Some(item) = items.next_element()? {
                    all.push(item);
                }
                Ok(Json::Array(all))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Json, A::Error> {
                let mut all = Vec::new();
                while let Some(member) = members.next_entry()? {
                    all.push(member);
                }
                Ok(Json::Object(all))
            }
        }
        from.deserialize_any(AnyJson)
    }
}
