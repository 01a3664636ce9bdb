//! The meaning of rules, compared with what the cases of real packets expect: no root is needed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod lab;

use std::fs;
use std::path::{Path, PathBuf};

use lab::GUEST_MAC;
use lab::probe::{self, Direction};
use lab::programs::{binding, shipped_filters};
use nwf::leases::Leases;
use nwf::model::{Filters, Profile};
use nwf::resolve::store::{Layered, MemoryStore, SearchPath};
use nwf::resolve::{Limits, Target, resolve};
use nwf::ruleset::{InterfaceRules, Side, Verdict};
use nwf::simulate::text::{Packet, Stations};
use nwf::simulate::{Origin, Scope, Simulator};
use proptest::prelude::*;

/// The folders of a collection of cases, by name.
fn cases(collection: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(collection);
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut cases: Vec<PathBuf> = entries.filter(|path| path.join("packets").is_file()).collect();
    cases.sort();
    cases
}

fn read(texts: &[String]) -> Filters {
    let parts = texts.iter().map(|text| {
        let outcome = nwf::xml::read(text, "case", Profile::Nwf);
        assert!(!outcome.has_errors(), "{:?}", outcome.problems);
        outcome.filters
    });
    nwf::xml::join(Profile::Nwf, parts).unwrap()
}

fn rules(texts: &[String]) -> InterfaceRules {
    let input = read(texts);
    let target = Target::of(&input.bindings[0]).unwrap();
    let store = Layered(MemoryStore::new(input.filters), SearchPath::new(vec![shipped_filters()], Profile::Nwf));
    let resolved = resolve(&[target], &store, &Leases::default(), Profile::Nwf, Limits::default(), false);
    resolved.unwrap().ruleset.interfaces.remove(0)
}

/// The XML files of a folder, if it is there.
fn xml_files(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|extension| extension == "xml")).collect();
    files.sort();
    files.iter().map(|file| fs::read_to_string(file).unwrap()).collect()
}

/// Judges the probes of a case, each alone; gives how many there were, and what went otherwise than it should.
fn judge(case: &Path, rules: &InterfaceRules) -> (usize, Vec<String>) {
    let file = case.join("packets");
    let probes = probe::read(&file.display().to_string(), &fs::read_to_string(&file).unwrap());
    let mut simulator = Simulator::new(rules, Profile::Nwf, Scope::All);
    let mut wrong = Vec::new();
    for probe in &probes {
        let side = if probe.direction == Direction::Out { Side::FromGuest } else { Side::ToGuest };
        simulator.forget();
        let judgement = simulator.judge(side, &probe.frame);
        if judgement.passes() != probe.pass {
            wrong.push(format!("{}:{}: {}: {:?}", file.display(), probe.line, probe.text, judgement.by));
        }
    }
    (probes.len(), wrong)
}

fn compare(collection: &str, least: usize, rules_of: impl Fn(&Path) -> InterfaceRules) {
    let mut probes = 0;
    let mut wrong = Vec::new();
    for case in cases(collection) {
        let (count, of_case) = judge(&case, &rules_of(&case));
        probes += count;
        wrong.extend(of_case);
    }
    assert!(wrong.is_empty(), "{} of {probes} differ\n{}", wrong.len(), wrong.join("\n"));
    assert!(probes >= least, "only {probes} probes in {collection}");
    println!("{probes} probes agree");
}

#[test]
fn shipped_filters_mean_what_their_cases_say() {
    compare("filters", 1263, |case| {
        let mut texts = xml_files(&case.join("filters"));
        texts.push(fs::read_to_string(case.join("binding.xml")).unwrap());
        rules(&texts)
    });
}

#[test]
fn rules_of_every_kind_mean_what_their_cases_say() {
    compare("kernel", 200, |case| {
        let filter = fs::read_to_string(case.join("filter.xml")).unwrap();
        let parameters = fs::read_to_string(case.join("parameters")).unwrap_or_default();
        let parameters: Vec<(&str, &str)> = parameters.lines().filter_map(|line| line.split_once('=')).collect();
        rules(&[filter, binding("vnet0", GUEST_MAC, "case", &parameters)])
    });
}

// One rule at a time.

/// The rules of a filter with one dropping rule.
fn one_rule(direction: &str, protocol: &str, parameters: &[(&str, &str)]) -> InterfaceRules {
    let filter = format!(
        "<filter name='case' chain='root'><rule action='drop' direction='{direction}' statematch='false'>{protocol}</rule></filter>"
    );
    rules(&[filter, binding("vnet0", GUEST_MAC, "case", parameters)])
}

/// Checks which packets a rule matches; those that it must not match have a `!` in front.
#[track_caller]
fn matched(direction: &str, protocol: &str, parameters: &[(&str, &str)], packets: &[&str]) {
    let rules = one_rule(direction, protocol, parameters);
    let mut simulator = Simulator::new(&rules, Profile::Nwf, Scope::All);
    let stations = Stations::of(&rules.binding);
    for packet in packets {
        let (text, expected) = packet.strip_prefix('!').map_or((*packet, true), |text| (text, false));
        let packet = Packet::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"));
        let side = packet.side().unwrap();
        let judgement = simulator.judge(side, &packet.frame(side, &stations, None));
        assert_eq!(!judgement.passes(), expected, "{protocol}: {text}: {:?}", judgement.path);
    }
}

#[test]
fn nft_122_ethernet_addresses_and_types() {
    matched(
        "out",
        "<mac srcmacaddr='52:54:00:11:22:33'/>",
        &[],
        &["out arp", "!out arp ether src 2:0:0:0:0:1", "!in arp"],
    );
    matched("out", "<mac match='no' srcmacaddr='52:54:00:11:22:33'/>", &[], &["!out arp", "out ether src 2:0:0:0:0:1"]);
    // D19: bits of the value outside of the mask do not count.
    matched(
        "out",
        "<mac dstmacaddr='2:0:5:1:2:3' dstmacmask='ff:ff:ff:0:0:0'/>",
        &[],
        &["out ether dst 2:0:5:9:9:9", "!out ether dst 2:0:6:1:2:3"],
    );
    matched("out", "<mac protocolid='arp'/>", &[], &["out arp", "!out rarp", "!out vlan id 1 arp"]);
    matched("out", "<mac protocolid='0x8100'/>", &[], &["out vlan id 1 arp", "!out arp"]);
    matched(
        "inout",
        "<mac srcmacaddr='2:0:0:0:0:1'/>",
        &[],
        &["in ether src 2:0:0:0:0:1", "out ether dst 2:0:0:0:0:1", "!out ether src 2:0:0:0:0:1"],
    );
}

#[test]
fn nft_41_vlan() {
    matched(
        "out",
        "<vlan vlanid='5'/>",
        &[],
        &["out vlan id 5", "!out vlan id 6", "!out vlan id 5 cut 15", "!out arp", "out vlan id 5 pcp 7 arp"],
    );
    matched("out", "<vlan encap-protocol='arp'/>", &[], &["out vlan id 5 arp", "!out vlan id 5 ip ttl 3", "!out arp"]);
    matched(
        "out",
        "<vlan match='no' vlanid='5'/>",
        &[],
        &["!out vlan id 5", "out vlan id 6", "!out vlan cut 15", "!out arp"],
    );
    // Rules of other protocols do not look into tags.
    matched("out", "<ip srcipaddr='192.0.2.5'/>", &[], &["out udp", "!out vlan id 5 udp"]);
}

#[test]
fn xml_72_spanning_tree() {
    matched(
        "out",
        "<stp root-priority='0x1000' root-priority-hi='0x1fff'/>",
        &[],
        &[
            "out stp root-priority 4096",
            "out stp root-priority 8191",
            "!out stp root-priority 8192",
            "!out stp root-priority 4096 type 0x80",
        ],
    );
    matched("out", "<stp type='0x80'/>", &[], &["out stp type 0x80", "!out stp", "!out arp ether dst 1:80:c2:0:0:0"]);
    matched(
        "out",
        "<stp match='no' root-address='2:0:0:0:0:1' root-address-mask='ff:ff:0:0:0:0'/>",
        &[],
        &[
            "!out stp root-address 2:0:9:9:9:9",
            "out stp root-address 3:0:0:0:0:1",
            "!out stp root-address 3:0:0:0:0:1 cut 26",
        ],
    );
    matched(
        "out",
        "<stp forward-delay='0xf00' port='1' age='2' max-age='3' hello-time='4' flags='5' root-cost='6' sender-priority='7'/>",
        &[],
        &[
            "out stp port 1 age 2 max-age 3 hello-time 4 flags 5 root-cost 6 sender-priority 7",
            "!out stp port 1 age 2 max-age 3 hello-time 4 flags 5 root-cost 7 sender-priority 7",
        ],
    );
}

#[test]
fn nft_43_arp_and_its_guards() {
    matched(
        "out",
        "<arp arpsrcipaddr='10.0.0.5'/>",
        &[],
        &[
            "out arp saddr ip 10.0.0.5",
            "!out arp saddr ip 10.0.0.6",
            "!out arp saddr ip 10.0.0.5 hlen 8",
            "!out arp saddr ip 10.0.0.5 plen 16",
            "!out arp saddr ip 10.0.0.5 ptype 0x86dd",
            "out arp saddr ip 10.0.0.5 htype 6",
            "!out arp saddr ip 10.0.0.5 cut 31",
            "!out rarp saddr ip 10.0.0.5",
        ],
    );
    // Inverted, the length of the other addresses is not asked for.
    matched(
        "out",
        "<arp match='no' arpsrcipaddr='10.0.0.5' arpsrcipmask='24'/>",
        &[],
        &[
            "!out arp saddr ip 10.0.0.9",
            "out arp saddr ip 10.0.1.5",
            "out arp saddr ip 10.0.1.5 hlen 8",
            "!out arp saddr ip 10.0.1.5 plen 16",
            "!out arp saddr ip 10.0.1.5 cut 31",
        ],
    );
    matched(
        "out",
        "<arp arpsrcmacaddr='2:0:0:0:0:1'/>",
        &[],
        &[
            "out arp saddr ether 2:0:0:0:0:1",
            "!out arp saddr ether 2:0:0:0:0:1 htype 6",
            "!out arp saddr ether 2:0:0:0:0:1 hlen 8",
            "out arp saddr ether 2:0:0:0:0:1 plen 16",
        ],
    );
    matched(
        "out",
        "<arp opcode='Reply' hwtype='1' protocoltype='0x800'/>",
        &[],
        &["out arp op reply", "!out arp", "!out arp op reply htype 6"],
    );
    matched(
        "out",
        "<rarp arpdstmacaddr='2:0:0:0:0:1'/>",
        &[],
        &["out rarp daddr ether 2:0:0:0:0:1", "!out arp daddr ether 2:0:0:0:0:1"],
    );
}

#[test]
fn d18_gratuitous_arp() {
    let same = "out arp saddr ip 10.0.0.5 daddr ip 10.0.0.5";
    let other = "out arp saddr ip 10.0.0.5 daddr ip 10.0.0.4";
    matched("out", "<arp gratuitous='true'/>", &[], &[same, &format!("!{other}"), &format!("!{same} hlen 8")]);
    matched(
        "out",
        "<arp match='no' gratuitous='true'/>",
        &[],
        &[other, &format!("!{same}"), &format!("{other} hlen 8"), &format!("!{other} cut 41")],
    );
    matched("out", "<arp gratuitous='false'/>", &[], &[same, other]);
}

#[test]
fn nft_47_ip_and_fragments() {
    matched(
        "out",
        "<ip protocol='udp' dstportstart='53'/>",
        &[],
        &[
            "out udp dport 53",
            "!out tcp dport 53",
            "!out frag middle udp dport 53",
            "out frag first udp dport 53",
            "!out udp dport 53 cut 37",
            "!out ip6 udp dport 53",
            "out ip options 01010101 udp dport 53",
            "!out udp dport 53 ip version 5",
        ],
    );
    matched("out", "<ip match='no' protocol='udp'/>", &[], &["!out udp", "out tcp", "out frag last tcp", "!out arp"]);
    matched("out", "<ip dscp='10'/>", &[], &["out ip dscp 10", "out ip tos 43", "!out ip tos 10"]);
    matched(
        "out",
        "<ip protocol='tcp' srcportstart='20' srcportend='25'/>",
        &[],
        &["out tcp sport 20", "out tcp sport 25", "!out tcp sport 26", "!out tcp sport 19"],
    );
    matched(
        "out",
        "<ip srcipaddr='10.0.0.0' srcipmask='8' dstipaddr='10.0.0.1'/>",
        &[],
        &[
            "out ip saddr 10.9.9.9 daddr 10.0.0.1",
            "!out ip saddr 11.9.9.9 daddr 10.0.0.1",
            "!out ip saddr 10.9.9.9 daddr 10.0.0.2",
            "!out ip saddr 10.9.9.9 daddr 10.0.0.1 cut 33",
        ],
    );
}

#[test]
fn qe_7_the_profile_libvirt_compares_the_whole_byte() {
    let rules = one_rule("out", "<ip dscp='10'/>", &[]);
    let stations = Stations::of(&rules.binding);
    let mut simulator = Simulator::new(&rules, Profile::Libvirt, Scope::Bridged);
    let mut passes = |text: &str| {
        let frame = Packet::parse(text).unwrap().frame(Side::FromGuest, &stations, None);
        simulator.judge(Side::FromGuest, &frame).passes()
    };
    assert!(passes("ip dscp 10"));
    assert!(!passes("ip tos 10"));
}

#[test]
fn nft_44_ipv6_behind_extension_headers() {
    matched(
        "out",
        "<ipv6 protocol='udp' dstportstart='53'/>",
        &[],
        &[
            "out ip6 udp dport 53",
            "out ip6 ext hbh,dst udp dport 53",
            "!out ip6 frag middle udp dport 53",
            "!out udp dport 53",
            "!out ip6 ext ah udp dport 53",
        ],
    );
    matched(
        "out",
        "<ipv6 protocol='icmpv6' type='133' typeend='136'/>",
        &[],
        &["out icmpv6 type 133", "out icmpv6 type nd-neighbor-advert code 9", "!out icmpv6 type 137", "!out ip6 udp"],
    );
    matched(
        "out",
        "<ipv6 match='no' protocol='tcp'/>",
        &[],
        &["!out ip6 tcp", "out ip6 udp", "!out udp", "!out ip6 length 200 udp"],
    );
    matched(
        "out",
        "<ipv6 srcipaddr='2001:db8::' srcipmask='32'/>",
        &[],
        &["out ip6 saddr 2001:db8:ffff::1", "!out ip6 saddr 2001:db9::1"],
    );
}

#[test]
fn eb_66_tcp_flags_and_options() {
    matched(
        "out",
        "<tcp flags='SYN,ACK/SYN'/>",
        &[],
        &["out tcp flags syn", "out tcp flags syn,psh", "!out tcp flags syn,ack", "!out tcp flags none"],
    );
    matched(
        "out",
        "<tcp match='no' flags='ALL/NONE'/>",
        &[],
        &["out tcp flags syn", "!out tcp flags none", "!out frag middle tcp flags syn", "!out tcp ip length 32"],
    );
    matched(
        "out",
        "<tcp option='8'/>",
        &[],
        &["out tcp option 8", "out tcp option 1,1,2,8", "!out tcp option 2", "!out tcp", "!out udp"],
    );
    matched(
        "out",
        "<tcp match='no' option='8'/>",
        &[],
        &["!out tcp option 8", "out tcp option 2", "out tcp", "!out frag middle tcp", "!out tcp doff 4"],
    );
    matched("out", "<tcp-ipv6 flags='SYN/SYN'/>", &[], &["out ip6 tcp", "!out tcp", "!out ip6 tcp flags ack"]);
}

#[test]
fn eb_61_ip_layer_rules_are_mirrored() {
    matched(
        "in",
        "<tcp dstportstart='22' srcipaddr='192.0.2.1'/>",
        &[],
        &[
            "in tcp dport 22",
            "!in tcp sport 22 dport 9",
            "out tcp sport 22 dport 9",
            "!out tcp dport 22",
            "!in ip saddr 192.0.2.2 tcp dport 22",
        ],
    );
    matched(
        "out",
        "<udp srcmacaddr='52:54:00:11:22:33' srcipfrom='192.0.2.4' srcipto='192.0.2.6'/>",
        &[],
        &["out udp", "in udp", "!out ether src 2:0:0:0:0:1 udp", "!out ip saddr 192.0.2.7 udp"],
    );
    matched(
        "out",
        "<all match='no' srcipfrom='192.0.2.4' srcipto='192.0.2.6'/>",
        &[],
        &["!out udp", "out ip saddr 192.0.2.7", "!out ip6 udp", "!out arp"],
    );
}

#[test]
fn eb_68_icmp() {
    matched(
        "out",
        "<icmp type='8'/>",
        &[],
        &["out icmp", "!in icmp", "!out icmp type 0", "!out icmpv6 type 8", "out icmp code 3"],
    );
    matched(
        "out",
        "<icmp match='no' type='3' code='1'/>",
        &[],
        &[
            "!out icmp type 3 code 1",
            "out icmp type 3 code 2",
            "out icmp type 4 code 1",
            "!out frag middle icmp type 4",
        ],
    );
    matched("in", "<icmpv6 type='128'/>", &[], &["in icmpv6", "!out icmpv6", "!in icmpv6 type 129"]);
    matched("inout", "<igmp/>", &[], &["out igmp", "in igmp", "!in icmp"]);
}

#[test]
fn each_protocol_of_the_ip_layer_by_its_number() {
    for (four, six, text) in [
        ("esp", "esp-ipv6", "esp"),
        ("ah", "ah-ipv6", "ah"),
        ("udplite", "udplite-ipv6", "udplite"),
        ("sctp", "sctp-ipv6", "sctp"),
        ("udp", "udp-ipv6", "udp"),
    ] {
        let (of_four, of_six) = (format!("out ip {text}"), format!("out ip6 {text}"));
        matched("out", &format!("<{four}/>"), &[], &[&of_four, &format!("!{of_six}"), "!out icmp"]);
        matched("out", &format!("<{six}/>"), &[], &[&of_six, &format!("!{of_four}"), "!out icmpv6"]);
    }
    matched(
        "out",
        "<all/>",
        &[],
        &["out icmp", "out ip protocol 99", "!out ip6 udp", "out frag middle udp", "!out arp", "!out vlan udp"],
    );
    matched("out", "<sctp dstportstart='5'/>", &[], &["out sctp dport 5", "!out sctp dport 6", "!out udp dport 5"]);
    matched("out", "<all-ipv6 dscp='10'/>", &[], &["out ip6 dscp 10", "!out ip6 dscp 11", "!out ip dscp 10"]);
}

#[test]
fn nft_200_lists_walk_in_step_or_apart() {
    let lists = [("A", "10.0.0.1"), ("A", "10.0.0.2"), ("P", "1"), ("P", "2")];
    matched(
        "out",
        "<udp dstipaddr='$A' dstportstart='$P'/>",
        &lists,
        &[
            "out ip daddr 10.0.0.1 udp dport 1",
            "out ip daddr 10.0.0.2 udp dport 2",
            "!out ip daddr 10.0.0.1 udp dport 2",
        ],
    );
    matched(
        "out",
        "<udp dstipaddr='$A' dstportstart='$P[@1]'/>",
        &lists,
        &[
            "out ip daddr 10.0.0.1 udp dport 2",
            "out ip daddr 10.0.0.2 udp dport 1",
            "!out ip daddr 10.0.0.3 udp dport 1",
        ],
    );
    let ranges = [("A", "5"), ("A", "20"), ("B", "8"), ("B", "30")];
    matched(
        "out",
        "<udp dstportstart='$A' dstportend='$B'/>",
        &ranges,
        &["out udp dport 8", "out udp dport 20", "!out udp dport 9", "!out udp dport 19"],
    );
    let apart = [("A", "5"), ("A", "10"), ("B", "15"), ("B", "30")];
    matched(
        "out",
        "<udp dstportstart='$A' dstportend='$B[@1]'/>",
        &apart,
        &["out udp dport 5", "out udp dport 30", "!out udp dport 4", "!out udp dport 31"],
    );
    matched(
        "out",
        "<all dstipaddr='$A' dstipmask='$M'/>",
        &[("A", "10.1.0.0"), ("A", "10.2.0.1"), ("M", "16"), ("M", "32")],
        &["out ip daddr 10.1.9.9", "out ip daddr 10.2.0.1", "!out ip daddr 10.2.0.2"],
    );
}

#[test]
fn nft_202_an_inverted_list_matches_what_differs_from_any_value() {
    let two = [("A", "10.0.0.1"), ("A", "10.0.0.2")];
    let packets = ["out ip saddr 10.0.0.1", "out ip saddr 10.0.0.3", "!out arp", "!out ip saddr 10.0.0.3 cut 29"];
    matched("out", "<ip match='no' srcipaddr='$A'/>", &two, &packets);
    matched(
        "out",
        "<ip match='no' srcipaddr='$A'/>",
        &[("A", "10.0.0.1")],
        &["!out ip saddr 10.0.0.1", "out ip saddr 10.0.0.3"],
    );
}

#[test]
fn ten_thousand_values_cost_no_more_than_one() {
    let values: Vec<String> = (0..10_000).map(|number| format!("10.{}.{}.1", number / 200, number % 200)).collect();
    let list: Vec<(&str, &str)> = values.iter().map(|value| ("A", value.as_str())).collect();
    let rules = one_rule("out", "<ip srcipaddr='$A'/>", &list);
    let stations = Stations::of(&rules.binding);
    let mut simulator = Simulator::new(&rules, Profile::Nwf, Scope::All);
    let frame = |text: &str| Packet::parse(text).unwrap().frame(Side::FromGuest, &stations, None);
    let (inside, outside) = (frame("ip saddr 10.49.199.1"), frame("ip saddr 10.49.200.1"));
    let start = std::time::Instant::now();
    for _ in 0..10_000 {
        assert!(!simulator.judge(Side::FromGuest, &inside).passes());
        assert!(simulator.judge(Side::FromGuest, &outside).passes());
    }
    assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
}

// Chains.

/// The verdicts of packets, in sequence, by the rules of filters; the first filter is the top one.
fn verdicts(filters: &str, profile: Profile, scope: Scope, packets: &[&str]) -> Vec<&'static str> {
    let rules = rules(&[filters.to_owned(), binding("vnet0", GUEST_MAC, "top", &[])]);
    let stations = Stations::of(&rules.binding);
    let mut simulator = Simulator::new(&rules, profile, scope);
    let mut before: Option<(Side, Vec<u8>)> = None;
    let mut found = Vec::new();
    for text in packets {
        let (text, origin) = text.strip_suffix(" @host").map_or((*text, Origin::Bridge), |text| (text, Origin::Host));
        let packet = Packet::parse(text).unwrap();
        let side = packet.side().unwrap();
        let quoted = before.as_ref().filter(|(other, _)| *other != side).map(|(_, frame)| frame.as_slice());
        let frame = packet.frame(side, &stations, quoted);
        found.push(match simulator.judge_from(side, origin, &frame).verdict {
            Verdict::Accept => "accept",
            Verdict::Drop => "drop",
            Verdict::Reject => "reject",
            other => panic!("{other:?}"),
        });
        before = Some((side, frame));
    }
    found
}

fn nwf(filters: &str, packets: &[&str]) -> Vec<&'static str> {
    verdicts(filters, Profile::Nwf, Scope::All, packets)
}

#[test]
fn qe_3_the_end_of_a_chain_accepts() {
    let chain = |rule: &str| {
        let top = "<filter name='top' chain='root'><filterref filter='sub'/><rule action='drop' direction='out' priority='900'/></filter>";
        (format!("<filter name='sub' chain='arp'>{rule}</filter>"), top.to_owned())
    };
    let judge = |rule: &str, packets: &[&str]| {
        let (sub, top) = chain(rule);
        let rules = rules(&[sub, top, binding("vnet0", GUEST_MAC, "top", &[])]);
        let stations = Stations::of(&rules.binding);
        let mut simulator = Simulator::new(&rules, Profile::Nwf, Scope::All);
        packets
            .iter()
            .map(|text| {
                simulator
                    .judge(Side::FromGuest, &Packet::parse(text).unwrap().frame(Side::FromGuest, &stations, None))
                    .passes()
            })
            .collect::<Vec<_>>()
    };
    // The end accepts; `return` goes on behind the jump; other frames pass by.
    assert_eq!(
        judge("<rule action='drop' direction='out'><arp opcode='1'/></rule>", &["arp op 2", "arp op 1", "rarp"]),
        [true, false, false]
    );
    assert_eq!(
        judge("<rule action='return' direction='out'><arp opcode='1'/></rule>", &["arp op 2", "arp op 1"]),
        [true, false]
    );
    assert_eq!(judge("<rule action='continue' direction='out'><arp opcode='1'/></rule>", &["arp op 1"]), [true]);
}

#[test]
fn return_in_root_lets_through_and_an_ethernet_reject_drops() {
    let filter = "<filter name='top' chain='root'>
        <rule action='return' direction='out' priority='1'><arp opcode='1'/></rule>
        <rule action='reject' direction='out' priority='2'><arp/></rule>
        <rule action='reject' direction='out' priority='2'><udp/></rule></filter>";
    assert_eq!(nwf(filter, &["out arp", "out arp op 2", "out udp", "out tcp"]), ["accept", "drop", "reject", "accept"]);
}

#[test]
fn both_layers_must_let_a_packet_through() {
    let filter = "<filter name='top' chain='root'>
        <rule action='accept' direction='inout' priority='1'><mac protocolid='ipv4'/></rule>
        <rule action='drop' direction='inout' priority='2'/>
        <rule action='drop' direction='in' priority='3' statematch='false'><udp dstportstart='9'/></rule></filter>";
    assert_eq!(
        nwf(filter, &["in udp dport 9", "in udp dport 10", "in ip6 udp dport 10", "out udp sport 9"]),
        ["drop", "accept", "drop", "drop"]
    );
}

#[test]
fn qe_2_the_scope_decides_over_packets_of_the_host() {
    let filter = "<filter name='top' chain='root'><rule action='drop' direction='in'><all/></rule></filter>";
    let packets = ["in udp", "in udp @host"];
    assert_eq!(nwf(filter, &packets), ["drop", "drop"]);
    assert_eq!(verdicts(filter, Profile::Nwf, Scope::Bridged, &packets), ["drop", "accept"]);
}

// Connections.

const SERVER: &str = "<filter name='top' chain='root'>
    <rule action='accept' direction='in'><tcp dstportstart='22'/></rule>
    <rule action='accept' direction='out'><udp dstportstart='53'/></rule>
    <rule action='accept' direction='out'><icmp type='8'/></rule>
    <rule action='accept' direction='in'><icmp state='RELATED,ESTABLISHED'/></rule>
    <rule action='drop' direction='inout' priority='900'><all/></rule></filter>";

#[test]
fn eb_72_answers_pass_and_nothing_else() {
    let found = nwf(
        SERVER,
        &[
            "out tcp sport 22 dport 40000 flags syn,ack",
            "in tcp sport 40000 dport 22",
            "out tcp sport 22 dport 40000 flags syn,ack",
            "in tcp sport 40000 dport 22 flags ack",
            "out tcp sport 22 dport 40001 flags ack",
            "out tcp sport 40000 dport 22",
            "in udp sport 53 dport 40000",
            "out udp sport 40000 dport 53",
            "in udp sport 53 dport 40000",
            "in udp sport 53 dport 40001",
        ],
    );
    let expected = ["drop", "accept", "accept", "accept", "drop", "drop", "drop", "accept", "accept", "drop"];
    assert_eq!(found, expected);
}

#[test]
fn xml_57_related_and_echo() {
    let packets = [
        "in icmp type echo-reply",
        "out icmp type echo-request",
        "in icmp type echo-reply",
        "out udp dport 53",
        "in icmp type destination-unreachable code 3",
        "in icmp type destination-unreachable code 3 ip daddr 192.0.2.77",
        "in icmp type router-advertisement",
    ];
    assert_eq!(nwf(SERVER, &packets), ["drop", "accept", "accept", "accept", "accept", "drop", "drop"]);
}

#[test]
fn a_dropped_packet_begins_no_connection() {
    let filter = "<filter name='top' chain='root'>
        <rule action='drop' direction='out' priority='1'><ip protocol='udp' dstportstart='5'/></rule>
        <rule action='drop' direction='out' priority='2'><udp dstportstart='6' state='NONE'/></rule>
        <rule action='accept' direction='inout' priority='3'><udp state='ESTABLISHED'/></rule>
        <rule action='accept' direction='out' priority='4'><udp state='NEW'/></rule>
        <rule action='drop' direction='inout' priority='900'><all/></rule></filter>";
    for port in ["5", "6"] {
        let (out, back) = (format!("out udp sport 9 dport {port}"), format!("in udp sport {port} dport 9"));
        assert_eq!(nwf(filter, &[&out, &back]), ["drop", "drop"]);
    }
    assert_eq!(nwf(filter, &["out udp sport 9 dport 7", "in udp sport 7 dport 9"]), ["accept", "accept"]);
}

#[test]
fn xml_57_invalid_and_untracked() {
    let filter = "<filter name='top' chain='root'>
        <rule action='drop' direction='inout' priority='1'><all state='INVALID'/></rule>
        <rule action='drop' direction='inout' priority='1'><all-ipv6 state='INVALID,NEW'/></rule></filter>";
    let packets = [
        "out tcp flags rst",
        "out tcp flags none",
        "out tcp flags fin",
        "out tcp flags ack",
        "out tcp flags syn,fin",
        "out icmp type 0",
        "out icmpv6 type nd-neighbor-solicit",
        "out icmpv6",
        "out frag middle udp",
    ];
    assert_eq!(nwf(filter, &packets), ["drop", "drop", "drop", "accept", "drop", "drop", "accept", "drop", "drop"]);
}

#[test]
fn nft_123_a_limit_counts_connections_of_each_source() {
    let filter = "<filter name='top' chain='root'>
        <rule action='drop' direction='in' priority='1'><tcp dstportstart='22' connlimit-above='2'/></rule></filter>";
    let from = |address: &str, port: u32| format!("in ip saddr {address} tcp sport {port} dport 22");
    let packets = [
        from("10.9.0.1", 1),
        from("10.9.0.1", 2),
        from("10.9.0.1", 2),
        from("10.9.0.1", 3),
        from("10.9.0.2", 4),
        format!("{} flags rst", from("10.9.0.1", 1)),
        from("10.9.0.1", 3),
    ];
    let packets: Vec<&str> = packets.iter().map(String::as_str).collect();
    assert_eq!(nwf(filter, &packets), ["accept", "accept", "accept", "drop", "accept", "accept", "accept"]);
}

#[test]
fn ip_sets_are_unknown_until_somebody_tells() {
    let filter = "<filter name='top' chain='root'>
        <rule action='drop' direction='in' priority='1' statematch='false'><all ipset='bad' ipsetflags='src,dst'/></rule></filter>";
    let rules = rules(&[filter.to_owned(), binding("vnet0", GUEST_MAC, "top", &[])]);
    let stations = Stations::of(&rules.binding);
    let mut simulator = Simulator::new(&rules, Profile::Nwf, Scope::All);
    let frame = |text: &str, side| Packet::parse(text).unwrap().frame(side, &stations, None);
    let judgement = simulator.judge(Side::ToGuest, &frame("udp dport 5", Side::ToGuest));
    assert!(judgement.passes());
    assert_eq!(judgement.unknown_sets.into_iter().collect::<Vec<_>>(), ["bad"]);
    simulator.tell_set("bad", vec!["192.0.2.0/24,udp:5".parse().unwrap()]);
    assert!(!simulator.judge(Side::ToGuest, &frame("udp dport 5", Side::ToGuest)).passes());
    assert!(simulator.judge(Side::ToGuest, &frame("udp dport 6", Side::ToGuest)).passes());
    assert!(simulator.judge(Side::ToGuest, &frame("tcp dport 5", Side::ToGuest)).passes());
    // EB-76: mirrored, source and destination are exchanged.
    assert!(!simulator.judge(Side::FromGuest, &frame("ip daddr 192.0.2.9 udp sport 5", Side::FromGuest)).passes());
}

// Anything that comes.

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..120), kind in 0_usize..6, six in any::<bool>()) {
        let rules = all_fields();
        let mut frame = bytes;
        let kinds: [[u8; 2]; 6] = [[8, 0], [8, 6], [0x80, 0x35], [0x86, 0xdd], [0x81, 0], [0, 38]];
        if let Some(place) = frame.get_mut(12..14) {
            place.copy_from_slice(&kinds[kind]);
        }
        if let Some(version) = frame.get_mut(14) {
            *version = if six { 0x60 } else { 0x45 };
        }
        let mut simulator = Simulator::new(&rules, Profile::Nwf, Scope::All);
        for side in Side::BOTH {
            let first = simulator.judge(side, &frame).verdict;
            simulator.forget();
            prop_assert_eq!(simulator.judge(side, &frame).verdict, first);
            simulator.forget();
        }
    }

    #[test]
    fn a_test_and_its_inverse_never_match_the_same_frame(text in packet(), length in 0_usize..90, field in field()) {
        let frame_of = |rules: &InterfaceRules| {
            let stations = Stations::of(&rules.binding);
            let mut frame = Packet::parse(&text).unwrap().frame(Side::FromGuest, &stations, None);
            frame.truncate(length);
            frame
        };
        let matches = |field: &str| {
            let rules = one_rule("out", field, &[]);
            let mut simulator = Simulator::new(&rules, Profile::Nwf, Scope::All);
            !simulator.judge(Side::FromGuest, &frame_of(&rules)).passes()
        };
        prop_assert!(!(matches(field) && matches(&field.replacen(' ', " match='no' ", 1))));
    }

    #[test]
    fn no_text_makes_it_panic(text in "[ -~]{0,40}") {
        let _ = Packet::parse(&text);
    }
}

fn packet() -> impl Strategy<Value = String> {
    let headers = [
        "arp",
        "rarp",
        "tcp",
        "udp",
        "icmp",
        "icmpv6",
        "ip6 tcp",
        "vlan id 3",
        "stp",
        "frag middle udp",
        "ip6 ext hbh udp",
    ];
    prop::sample::select(headers.to_vec()).prop_map(str::to_owned)
}

/// One test of one field.
fn field() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "<mac srcmacaddr='52:54:00:11:22:33'/>",
        "<mac protocolid='arp'/>",
        "<vlan vlanid='3'/>",
        "<stp root-cost='0'/>",
        "<arp gratuitous='true'/>",
        "<arp arpsrcipaddr='192.0.2.5'/>",
        "<rarp arpdstmacaddr='52:54:00:11:22:33'/>",
        "<ip srcipaddr='192.0.2.5'/>",
        "<ip protocol='udp'/>",
        "<ipv6 protocol='udp'/>",
        "<tcp dstportstart='80'/>",
        "<tcp flags='SYN/SYN'/>",
        "<tcp option='1'/>",
        "<icmp type='8' code='1'/>",
        "<icmp type='8' code='0'/>",
        "<all dscp='0'/>",
        "<udp srcportstart='1' srcportend='50000'/>",
    ])
}

/// A filter that asks for nearly everything.
fn all_fields() -> InterfaceRules {
    let protocols = [
        "<mac srcmacaddr='1:2:3:4:5:6' protocolid='0x800'/>",
        "<vlan vlanid='5' encap-protocol='arp'/>",
        "<stp root-address='1:2:3:4:5:6' forward-delay='1'/>",
        "<arp gratuitous='true' arpsrcmacaddr='1:2:3:4:5:6'/>",
        "<rarp match='no' arpsrcipaddr='10.0.0.1'/>",
        "<ip protocol='tcp' dstportstart='5' dscp='3'/>",
        "<ipv6 protocol='icmpv6' type='3' codeend='5'/>",
        "<tcp flags='SYN/SYN' option='5' connlimit-above='3'/>",
        "<icmp match='no' type='3' code='5'/>",
        "<icmpv6 type='3'/>",
        "<udp-ipv6 dstportstart='5' dscp='3'/>",
        "<all state='RELATED,INVALID'/>",
        "<sctp-ipv6 srcportstart='5'/>",
    ];
    let written: String = protocols
        .iter()
        .flat_map(|protocol| ["<rule action='continue' direction='inout'>", protocol, "</rule>"])
        .collect();
    rules(&[format!("<filter name='top' chain='root'>{written}</filter>"), binding("vnet0", GUEST_MAC, "top", &[])])
}

#[test]
fn a_reset_ends_a_connection_that_was_never_acknowledged() {
    let filter = "<filter name='top' chain='root'>
        <rule action='drop' direction='inout' priority='1'><tcp state='ESTABLISHED'/></rule></filter>";
    let packets = [
        "in tcp dport 22",
        "in tcp dport 22 flags rst",
        "in tcp dport 22",
        "out tcp sport 22 dport 40000 flags syn,ack",
    ];
    assert_eq!(nwf(filter, &packets), ["accept", "accept", "accept", "drop"]);
}
