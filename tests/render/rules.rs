//! Single rules (spec 04, sections 4.3 and 4.6).

use nwf::model::Profile;
use nwf::plan::{Feature, Features, RejectMode, StateMode};
use nwf::render::RenderWarning;

use crate::support::{chain, lines, lines_for, out, rendering, ruleset, try_plan};

const G4: &str = "ip frag-off & 0x1fff == 0";

/// An IP-layer rule that drops, from the guest as written.
fn ip(protocol: &str) -> Vec<String> {
    lines(&format!("<rule action='drop' direction='out'><{protocol}/></rule>"), "", "l3o")
}

#[test]
fn nft_122_mac_addresses_and_types() {
    assert_eq!(out("mac srcmacaddr='52:54:00:00:00:01'"), ["ether saddr 52:54:00:00:00:01 drop"]);
    // D19: the value is masked first.
    assert_eq!(
        out("mac match='no' srcmacaddr='52:54:00:00:00:01' srcmacmask='ff:ff:ff:00:00:00'"),
        ["ether saddr & ff:ff:ff:00:00:00 != 52:54:00:00:00:00 drop"]
    );
    assert_eq!(out("mac protocolid='arp'"), ["ether type 0x0806 drop"]);
    assert_eq!(out("mac match='no' protocolid='0x88cc'"), ["ether type != 0x88cc drop"]);
    assert_eq!(out("mac"), ["drop"]);
}

#[test]
fn two_fields_that_each_differ_are_not_joined_by_nft() {
    // nft 1.0.6 loads `ether saddr != A ether type != B` as one comparison of both fields together.
    let twice = "match='no' srcmacaddr='52:54:00:00:00:01' protocolid='0x600'";
    assert_eq!(out(&format!("mac {twice}")), ["ether saddr != 52:54:00:00:00:01 ether type != 0x0600-0x0600 drop"]);
    let ports = ip("udp match='no' srcportstart='5' dstportstart='6'");
    assert!(ports[0].ends_with("sport != 5 udp dport != 6-6 drop"), "{ports:?}");
}

#[test]
fn nft_102_what_looks_into_a_frame_names_its_type_first() {
    for (protocol, begin) in
        [("ip", "ether type ip"), ("ipv6", "ether type ip6"), ("arp", "ether type arp"), ("rarp", "ether type 0x8035")]
    {
        assert_eq!(out(protocol), [format!("{begin} drop")]);
    }
    assert_eq!(ip("all"), ["ether type ip drop"]);
    assert_eq!(ip("all-ipv6"), ["ether type ip6 drop"]);
}

#[test]
fn nft_122_ipv4() {
    assert_eq!(
        out("ip srcipaddr='10.1.2.3' srcipmask='8' dstipaddr='10.0.0.1'"),
        ["ether type ip ip saddr 10.0.0.0/8 ip daddr 10.0.0.1 drop"]
    );
    assert_eq!(out("ip match='no' protocol='igmp'"), ["ether type ip ip protocol != 2 drop"]);
    assert_eq!(out("ip srcipaddr='10.0.0.1' srcipmask='0'"), ["ether type ip drop"]);
    // What is in no address matches nothing: there is no line, so nothing is dropped.
    assert!(out("ip match='no' srcipaddr='10.0.0.1' srcipmask='0'").is_empty());
}

#[test]
fn nft_47_ports_are_not_read_in_later_fragments() {
    assert_eq!(
        out("ip protocol='udp' srcportstart='67' dstportstart='1000' dstportend='2000'"),
        [format!("ether type ip {G4} ip protocol 17 th sport 67 th dport 1000-2000 drop")]
    );
    assert_eq!(
        out("ipv6 protocol='udp' dstportstart='547'"),
        ["ether type ip6 @th,0,24 0x000000-0xffffff meta l4proto 17 th dport 547 drop"]
    );
    assert_eq!(ip("udp dstportstart='53'"), [format!("ether type ip meta l4proto 17 {G4} udp dport 53 drop")]);
    assert_eq!(
        ip("udp-ipv6 dstportstart='53'"),
        ["ether type ip6 meta l4proto 17 @th,0,24 0x000000-0xffffff udp dport 53 drop"]
    );
    assert_eq!(ip("icmp type='8'"), [format!("ether type ip meta l4proto 1 {G4} icmp type 8 drop")]);
}

#[test]
fn nft_44_protocols_of_ipv6_lie_behind_its_extensions() {
    assert_eq!(out("ipv6 protocol='tcp'"), ["ether type ip6 meta l4proto 6 drop"]);
    assert_eq!(out("ipv6 match='no' protocol='58'"), ["ether type ip6 meta l4proto != 58 drop"]);
}

#[test]
fn d22_nft_45_types_and_codes_of_icmpv6() {
    let icmp = |attributes: &str| out(&format!("ipv6 protocol='icmpv6' {attributes}"));
    let front = "ether type ip6 meta l4proto 58 @th,0,24 0x000000-0xffffff";
    assert_eq!(icmp("type='133' typeend='137'"), [format!("{front} icmpv6 type 133-137 drop")]);
    assert_eq!(icmp("type='1' code='4'"), [format!("{front} icmpv6 type 1 icmpv6 code 4 drop")]);
    assert_eq!(icmp("codeend='3'"), [format!("{front} icmpv6 code 0-3 drop")]);
    let negated = |attributes: &str| out(&format!("ipv6 protocol='icmpv6'/><ipv6 match='no' {attributes}"));
    assert_eq!(negated("type='133'"), [format!("{front} icmpv6 type != 133 drop")]);
    assert_eq!(
        negated("type='1' code='4'"),
        [format!("{front} icmpv6 type != 1 drop"), format!("{front} icmpv6 type 1 icmpv6 code != 4 drop")]
    );
}

#[test]
fn d10_qe_7_dscp_by_profile() {
    let rule = "<rule action='drop' direction='out'><ip dscp='10'/></rule>";
    assert_eq!(lines(rule, "", "l2o"), ["ether type ip ip dscp 10 drop"]);
    let libvirt = lines_for(rule, "", "l2o", Profile::Libvirt, Features::none());
    assert_eq!(libvirt, ["ether type ip @nh,8,8 0x0a drop"]);
    assert_eq!(ip("tcp dscp='10'"), ["ether type ip meta l4proto 6 ip dscp 10 drop"]);
    assert_eq!(ip("tcp-ipv6 match='no' dscp='10'"), ["ether type ip6 meta l4proto 6 ip6 dscp != 10 drop"]);
}

#[test]
fn nft_43_arp_is_read_for_ethernet_and_ipv4_only() {
    assert_eq!(
        out("arp match='no' arpsrcmacaddr='52:54:00:00:00:01'"),
        ["ether type arp arp htype 1 arp hlen 6 arp saddr ether != 52:54:00:00:00:01 drop"]
    );
    assert_eq!(
        out("arp arpdstipaddr='10.0.0.1' arpdstipmask='255.255.0.0'"),
        ["ether type arp arp ptype ip arp hlen 6 arp plen 4 arp daddr ip 10.0.0.0/16 drop"]
    );
    // A dropping rule is to catch odd frames, too: it does not ask for their hardware addresses' length.
    assert_eq!(
        out("arp match='no' arpsrcipaddr='10.0.0.1'"),
        ["ether type arp arp ptype ip arp plen 4 arp saddr ip != 10.0.0.1 drop"]
    );
    assert_eq!(
        out("arp hwtype='1' protocoltype='0x800' opcode='Request'"),
        ["ether type arp arp htype 1 arp ptype 0x0800 arp operation 1 drop"]
    );
}

#[test]
fn d14_d16_d18_rarp_is_read_by_its_bytes() {
    assert_eq!(
        out("rarp opcode='3' hwtype='1' protocoltype='0x800'"),
        ["ether type 0x8035 @nh,0,16 1 @nh,16,16 0x0800 @nh,48,16 3 drop"]
    );
    assert_eq!(
        out("rarp arpsrcipaddr='10.0.0.1' arpsrcipmask='24'"),
        ["ether type 0x8035 @nh,16,16 0x0800 @nh,32,8 6 @nh,40,8 4 @nh,112,32 & 0xffffff00 == 0x0a000000 drop"]
    );
    assert_eq!(
        out("rarp match='no' arpdstmacaddr='52:54:00:00:00:01'"),
        ["ether type 0x8035 @nh,0,16 1 @nh,32,8 6 @nh,144,48 != 0x525400000001 drop"]
    );
}

#[test]
fn nft_51_d18_gratuitous_arp() {
    let guards = "arp ptype ip arp hlen 6 arp plen 4";
    let equal = "@nh,112,8 . @nh,192,8 @same @nh,120,8 . @nh,200,8 @same @nh,128,8 . @nh,208,8 @same @nh,136,8 . @nh,216,8 @same";
    assert_eq!(out("arp gratuitous='true'"), [format!("ether type arp {guards} {equal} drop")]);
    assert_eq!(out("arp gratuitous='false'"), ["ether type arp drop"]);
    // "Not all bytes are equal" is "one differs": four rules.
    let differing = out("arp match='no' gratuitous='true'");
    assert_eq!(differing.len(), 4);
    assert_eq!(differing[0], "ether type arp arp ptype ip arp plen 4 @nh,112,8 . @nh,192,8 != @same drop");
    assert!(out("rarp gratuitous='true'")[0].starts_with("ether type 0x8035 @nh,16,16 0x0800"));
    // The set is made only where it is used.
    let made = |attribute: &str| {
        let rule = format!("<rule action='drop' direction='out'><arp {attribute}='1'/></rule>");
        let setup = rendering(&ruleset(&rule, "", Profile::Nwf), Features::none()).setup;
        setup.iter().filter(|text| text.contains(" same ")).count()
    };
    assert_eq!((made("gratuitous"), made("opcode")), (2, 0));
}

#[test]
fn nft_110_ethernet_rules_for_both_directions_are_exchanged_from_the_guest() {
    let rule = "<rule action='accept' direction='inout'><ip srcmacaddr='52:54:00:00:00:01' srcipaddr='10.0.0.1' \
                protocol='tcp' dstportstart='80'/></rule>";
    assert_eq!(
        lines(rule, "", "l2i"),
        [format!(
            "ether type ip {G4} ether saddr 52:54:00:00:00:01 ip saddr 10.0.0.1 ip protocol 6 th dport 80 accept"
        )]
    );
    assert_eq!(
        lines(rule, "", "l2o"),
        [format!(
            "ether type ip {G4} ether daddr 52:54:00:00:00:01 ip daddr 10.0.0.1 ip protocol 6 th sport 80 accept"
        )]
    );
}

#[test]
fn nft_110_reject_is_drop_for_frames() {
    let rule = "<rule action='reject' direction='out'><mac/></rule>";
    assert_eq!(lines(rule, "", "l2o"), ["drop"]);
    assert!(try_plan(&ruleset(rule, "", Profile::Nwf), Features::none()).unwrap().1.is_empty());
}

#[test]
fn nft_113_states_in_both_modes() {
    let state = |state: &str, host: Features| {
        let rule = format!("<rule action='accept' direction='in'><tcp state='{state}'/></rule>");
        lines_for(&rule, "", "l3i", Profile::Nwf, host).concat()
    };
    for (states, native, relay) in [
        ("NEW", "ct state new", "meta mark & 0x07000000 == 0x01000000"),
        ("ESTABLISHED", "ct state established", "meta mark & 0x07000000 == 0x02000000"),
        ("RELATED", "ct state related", "meta mark & 0x07000000 == 0x03000000"),
        ("INVALID", "ct state invalid", "meta mark & 0x07000000 == 0x04000000"),
        ("RELATED,NEW", "ct state new,related", "meta mark & 0x07000000 { 0x01000000, 0x03000000 }"),
    ] {
        assert_eq!(state(states, Features::native()), format!("ether type ip meta l4proto 6 {native} accept"));
        assert_eq!(state(states, Features::relay()), format!("ether type ip meta l4proto 6 {relay} accept"));
    }
    assert_eq!(state("NONE", Features::none()), "ether type ip meta l4proto 6 accept");
}

#[test]
fn nft_111_nft_113_automatic_state() {
    let rule = "<rule action='accept' direction='in'><tcp dstportstart='22' srcmacaddr='52:54:00:00:00:01'/></rule>";
    let native = |stage| lines_for(rule, "", stage, Profile::Nwf, Features::native());
    let front = format!("ether type ip meta l4proto 6 {G4}");
    assert_eq!(
        native("l3i"),
        [format!(
            "{front} ether saddr 52:54:00:00:00:01 tcp dport 22 ct direction original ct state new,established accept"
        )]
    );
    // D7: the answers do not carry the sender's address as their source.
    assert_eq!(native("l3o"), [format!("{front} tcp sport 22 ct direction reply ct state established accept")]);
    assert_eq!(
        lines(rule, "", "l3i"),
        [format!(
            "{front} ether saddr 52:54:00:00:00:01 tcp dport 22 meta mark & 0x0f000000 {{ 0x01000000, 0x02000000 }} accept"
        )]
    );
    assert_eq!(lines(rule, "", "l3o"), [format!("{front} tcp sport 22 meta mark & 0x0f000000 == 0x0a000000 accept")]);
}

#[test]
fn nft_111_an_icmp_type_tests_the_state_only_and_qe_8() {
    let rule = "<rule action='accept' direction='out'><icmp type='8'/></rule>";
    let found = lines_for(rule, "", "l3o", Profile::Nwf, Features::native());
    assert_eq!(found, [format!("ether type ip meta l4proto 1 {G4} icmp type 8 ct state new,established accept")]);
    assert!(lines(rule, "", "l3i").is_empty());

    let both = "<rule action='drop' direction='inout'><icmp type='8'/></rule>";
    assert_eq!((lines(both, "", "l3o").len(), lines(both, "", "l3i").len()), (1, 1));
    let (plan, warnings) = try_plan(&ruleset(both, "", Profile::Libvirt), Features::none()).unwrap();
    assert!(plan.interfaces[0].renderings[0].chains.is_empty());
    assert!(matches!(warnings.as_slice(), [RenderWarning::IcmpInout { .. }]));
}

#[test]
fn nft_116_nft_150_without_state_a_stateful_filter_is_refused() {
    let rule = "<rule action='accept' direction='in'><tcp dstportstart='80'/></rule>";
    let errors = try_plan(&ruleset(rule, "", Profile::Nwf), Features::none()).unwrap_err();
    assert_eq!(
        errors[0].to_string(),
        "vnet0: filter `f` rule 1 (tcp, in): connection state is needed, but the host has neither bridge connection \
         tracking (nf_conntrack_bridge) nor br_netfilter"
    );
    let off = "<rule action='accept' direction='in' statematch='false'><tcp dstportstart='80'/></rule>";
    assert!(try_plan(&ruleset(off, "", Profile::Nwf), Features::none()).is_ok());
}

#[test]
fn d24_d25_tcp_flags_are_numbers() {
    let front = format!("ether type ip meta l4proto 6 {G4}");
    assert_eq!(ip("tcp flags='SYN,ACK/SYN'"), [format!("{front} tcp flags & 0x12 == 0x02 drop")]);
    assert_eq!(ip("tcp match='no' flags='ALL/NONE'"), [format!("{front} tcp flags & 0x3f != 0x00 drop")]);
    // A flag outside of the mask is never found, and nothing is looked at with an empty mask.
    assert!(ip("tcp flags='SYN/ACK'").is_empty());
    assert_eq!(ip("tcp flags='NONE/NONE'"), [format!("{front} drop")]);
    assert_eq!(ip("tcp match='no' flags='SYN/ACK'"), [format!("{front} drop")]);
}

#[test]
fn d26_tcp_options() {
    let front = "ether type ip meta l4proto 6 ip frag-off & 0x1fff == 0";
    assert_eq!(ip("tcp option='5'"), [format!("{front} tcp option 5 exists drop")]);
    assert_eq!(ip("tcp match='no' option='5'"), [format!("{front} tcp option 5 missing drop")]);
    // An option is missing in later fragments, too; they have no header.
    let six = ip("tcp-ipv6 match='no' option='5'");
    assert_eq!(six, ["ether type ip6 meta l4proto 6 @th,0,24 0x000000-0xffffff tcp option 5 missing drop"]);
}

#[test]
fn nft_122_ranges_of_addresses() {
    assert_eq!(
        ip("udp match='no' srcipfrom='10.0.0.1' srcipto='10.0.0.9'"),
        ["ether type ip meta l4proto 17 ip saddr != 10.0.0.1-10.0.0.9 drop"]
    );
    assert_eq!(ip("all-ipv6 dstipaddr='2001:db8::1' dstipmask='64'"), ["ether type ip6 ip6 daddr 2001:db8::/64 drop"]);
}

#[test]
fn nft_122_other_protocols_by_number() {
    for (protocol, number) in [("udplite", 136), ("esp", 50), ("ah", 51), ("sctp", 132), ("igmp", 2), ("icmp", 1)] {
        assert_eq!(ip(protocol), [format!("ether type ip meta l4proto {number} drop")]);
    }
    for (protocol, number) in [("udplite-ipv6", 136), ("esp-ipv6", 50), ("ah-ipv6", 51), ("sctp-ipv6", 132)] {
        assert_eq!(ip(protocol), [format!("ether type ip6 meta l4proto {number} drop")]);
    }
    assert_eq!(ip("icmpv6"), ["ether type ip6 meta l4proto 58 drop"]);
    let sctp = ip("sctp dstportstart='5'");
    assert_eq!(sctp, [format!("ether type ip meta l4proto 132 {G4} sctp dport 5 drop")]);
}

#[test]
fn qe_10_an_ip_layer_continue_counts_and_goes_on() {
    let rule = "<rule action='continue' direction='out'><tcp/></rule>";
    let found = rendering(&ruleset(rule, "", Profile::Nwf), Features::none());
    let line = &found.chains[0].lines[0].text;
    assert_eq!(line, "ether type ip meta l4proto 6 counter comment \"f=f;r=1;l=2\"");
    let rule = "<rule action='continue' direction='out'><arp/></rule>";
    assert_eq!(lines(rule, "", "l2o"), ["ether type arp continue"]);
}

#[test]
fn nft_124_reject_as_well_as_the_host_can() {
    let rule = "<rule action='reject' direction='inout'><tcp dstportstart='25'/></rule>";
    let ruleset = ruleset(rule, "", Profile::Nwf);
    let on = |host: Features| {
        let (mut plan, warnings) = try_plan(&ruleset, host).unwrap();
        (plan.interfaces.remove(0).renderings.remove(0), warnings)
    };
    let from = format!("ether type ip meta l4proto 6 {G4} tcp sport 25");
    let to = format!("ether type ip meta l4proto 6 {G4} tcp dport 25");

    let (native, warnings) = on(Features::native());
    assert_eq!(chain(&native, "i.vnet0.l3o"), [format!("{from} reject with icmpx type port-unreachable")]);
    assert_eq!(chain(&native, "i.vnet0.l3i"), [format!("{to} drop")]);
    assert_eq!((native.reject, native.state), (RejectMode::Native, StateMode::None));
    assert_eq!(native.requires, [Feature::BridgeReject].into());
    assert!(matches!(warnings.as_slice(), [RenderWarning::RejectIsDrop { .. }]));

    let (relay, warnings) = on(Features::relay());
    assert_eq!(chain(&relay, "i.vnet0.l3o"), [format!("{from} meta mark set meta mark | 0x10000000 accept")]);
    assert_eq!((relay.reject, relay.state), (RejectMode::Relay, StateMode::None));
    assert_eq!(relay.requires, [Feature::BridgeNetfilter].into());
    assert!(relay.setup.iter().any(|text| text.contains("b_rjb meta mark & 0x10000000 != 0 drop")));
    assert!(!relay.setup.iter().any(|text| text.contains("ct state")));
    assert_eq!(warnings.len(), 1);

    let (none, warnings) = on(Features::none());
    assert_eq!(chain(&none, "i.vnet0.l3o"), [format!("{from} drop")]);
    assert_eq!(none.reject, RejectMode::Drop);
    assert!(none.requires.is_empty());
    assert_eq!(warnings.len(), 2);
}

#[test]
fn nft_122_vlan() {
    let front = "ether type 0x8100";
    assert_eq!(out("vlan vlanid='5' encap-protocol='arp'"), [format!("{front} vlan id 5 vlan type 0x0806 drop")]);
    assert_eq!(out("vlan match='no' vlanid='0x10'"), [format!("{front} vlan id != 16 drop")]);
    assert_eq!(out("vlan"), [format!("{front} drop")]);
}

#[test]
fn nft_122_d11_d12_d13_spanning_tree() {
    let front = "ether daddr 01:80:c2:00:00:00 @nh,0,40 0x4242030000";
    let configuration = format!("{front} @nh,48,8 0x00");
    assert_eq!(out("stp"), [format!("{front} drop")]);
    assert_eq!(out("stp type='128' flags='1'"), [format!("{front} @nh,48,8 0x80 @nh,56,8 0x01 drop")]);
    assert_eq!(out("stp flags='1'"), [format!("{configuration} @nh,56,8 0x01 drop")]);
    assert_eq!(
        out("stp root-cost='5' root-cost-hi='9' port='1'"),
        [format!("{configuration} @nh,128,32 0x00000005-0x00000009 @nh,224,16 0x0001 drop")]
    );
    assert_eq!(
        out("stp match='no' root-address='1:2:3:4:5:6' root-address-mask='ff:ff:ff:0:0:0'"),
        [format!("{configuration} @nh,80,48 & 0xffffff000000 != 0x010203000000 drop")]
    );
}

#[test]
fn nft_103_what_cannot_be_rendered_refuses_the_filter_and_names_the_rule() {
    let why = |rule: &str| {
        let content = format!("<rule action='drop' direction='out'><{rule}/></rule>");
        let errors = try_plan(&ruleset(&content, "", Profile::Nwf), Features::native()).unwrap_err();
        errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(
        why("tcp connlimit-above='3'"),
        "vnet0: filter `f` rule 1 (tcp, out): the attribute `connlimit-above` cannot be rendered for nftables yet"
    );
    assert_eq!(
        why("all ipset='x' ipsetflags='src'"),
        "vnet0: filter `f` rule 1 (all, out), `ipset`: nftables has no access to the kernel's IP sets"
    );
    assert_eq!(
        why("ipv6 type='1'/><ipv6 protocol='tcp'"),
        "vnet0: filter `f` rule 1 (ipv6, out), `type`: this needs `protocol` icmpv6 in the same rule"
    );
}

#[test]
fn xml_80_ports_of_frames_need_a_protocol_with_ports() {
    let negated = "<rule action='drop' direction='out'><ip match='no' protocol='tcp' dstportstart='80'/></rule>";
    let errors = try_plan(&ruleset(negated, "", Profile::Libvirt), Features::none()).unwrap_err();
    assert!(errors[0].to_string().contains("this needs `protocol` tcp, udp"), "{}", errors[0]);
}
