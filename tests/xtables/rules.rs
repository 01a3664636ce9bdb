//! Rules in the words of the tools, by rule number.

use nwf::model::Profile;
use nwf::plan::{Features, Scope};
use nwf::render::xtables::{Action, Xtables};
use nwf::render::{Options, RenderError, plan};
use nwf::ruleset::Ruleset;

use super::given::{Given, list, planned};

/// The rules of commands that append to a chain: the chain and what follows it. Jumps and links are left out.
fn appended(ruleset: &Ruleset) -> Vec<String> {
    let rules = list(ruleset, Action::Build).into_iter().filter_map(|line| {
        let (_, rest) = line.split_once(" -A ")?;
        let is_link =
            ["PREROUTING ", "POSTROUTING ", "nwf-in", "nwf-out ", "nwf-host-in ", "libvirt-in", "libvirt-out "]
                .iter()
                .any(|base| rest.starts_with(base))
                || rest.starts_with("libvirt-host-in ");
        (!is_link && !line.contains("||")).then(|| rest.to_owned())
    });
    rules.collect()
}

/// The rules of a filter in the profile `nwf`, their comments left out.
fn nwf(rules: &str) -> Vec<String> {
    let lines = appended(&Given::new(Profile::Nwf).filter(rules));
    lines.into_iter().map(|line| without_comment(&line)).collect()
}

fn without_comment(line: &str) -> String {
    match line.split_once(" -m comment --comment '") {
        Some((before, rest)) => format!("{before}{}", rest.split_once('\'').unwrap().1),
        None => line.to_owned(),
    }
}

fn libvirt(rules: &str) -> Vec<String> {
    appended(&Given::new(Profile::Libvirt).filter(rules))
}

fn errors(ruleset: &Ruleset, options: &Options) -> Vec<String> {
    let errors = plan(ruleset, &Xtables, options).unwrap_err();
    errors.iter().map(told).collect()
}

/// Code, message and help of an error.
fn told(error: &RenderError) -> String {
    let code = miette::Diagnostic::code(error).map_or(String::new(), |code| code.to_string());
    let help = miette::Diagnostic::help(error).map_or(String::new(), |help| help.to_string());
    format!("{code}: {error}; {help}")
}

fn bridged() -> Options {
    Options { scope: Some(Scope::Bridged), features: None }
}

fn refused(rules: &str) -> String {
    errors(&Given::new(Profile::Nwf).filter(rules), &bridged()).join("\n")
}

#[test]
fn qe_2_rules_of_the_ip_layer_need_the_scope_bridged() {
    let ruleset = Given::new(Profile::Nwf).filter("<rule action='drop' direction='in'><tcp/></rule>");
    assert_eq!(
        errors(&ruleset, &Options::default()),
        [
            "nwf::render::xtables_scope: vnet0: filter `f` rule 1 (tcp, in): ebtables and iptables cannot see all packets \
          to the guest, only bridged ones; packets that the host itself sends or routes to the guest would pass this \
          rule by; say `--scope bridged` to accept that, or use the backend `nft`"
        ]
    );
    assert!(plan(&ruleset, &Xtables, &bridged()).is_ok());
    let ethernet = Given::new(Profile::Nwf).filter("<rule action='drop' direction='in'><ip/></rule>");
    assert!(plan(&ethernet, &Xtables, &Options::default()).is_ok());
    let libvirt = Given::new(Profile::Libvirt).filter("<rule action='drop' direction='in'><tcp/></rule>");
    assert!(plan(&libvirt, &Xtables, &Options::default()).is_ok());
}

#[test]
fn qe_1_rules_of_the_ip_layer_need_br_netfilter() {
    let ruleset = Given::new(Profile::Nwf).filter("<rule action='drop' direction='in'><tcp/></rule>");
    let options = Options { features: Some(Features::none()), ..bridged() };
    assert_eq!(
        errors(&ruleset, &options),
        [
            "nwf::render::xtables_host: vnet0: filter `f` rule 1 (tcp, in): the host lacks `bridge-netfilter`, which rules \
          of the IP layer need; load the kernel module br_netfilter"
        ]
    );
    let outcome = plan(&ruleset, &Xtables, &bridged()).unwrap();
    let renderings = &outcome.plan.interfaces[0].renderings;
    assert_eq!(renderings.len(), 1);
    assert_eq!(renderings[0].requires.iter().map(|feature| feature.name()).collect::<Vec<_>>(), ["bridge-netfilter"]);
}

#[test]
fn eb_40_eb_43_inout_is_mirrored_and_keeps_its_order() {
    assert_eq!(
        nwf("<rule action='return' direction='inout'>
               <mac srcmacaddr='2:0:0:0:0:1' dstmacaddr='2:0:0:0:0:2' dstmacmask='ff:ff:ff:0:0:0' protocolid='0x88cc'/>
             </rule>"),
        [
            "nwf-j-vnet0 -d 02:00:00:00:00:01 -s 02:00:00:00:00:02/ff:ff:ff:00:00:00 -p 0x88cc -j RETURN",
            "nwf-p-vnet0 -s 02:00:00:00:00:01 -d 02:00:00:00:00:02/ff:ff:ff:00:00:00 -p 0x88cc -j RETURN",
        ]
    );
}

#[test]
fn qe_5_the_type_in_a_vlan_tag_has_four_digits() {
    let rule = "<rule action='drop' direction='out'><vlan vlanid='7' encap-protocol='arp'/></rule>";
    assert_eq!(nwf(rule), ["nwf-j-vnet0 -p 0x8100 --vlan-id 7 --vlan-encap 0806 -j DROP"]);
    assert_eq!(libvirt(rule), ["libvirt-J-vnet0 -p 0x8100 --vlan-id 7 --vlan-encap 2054 -j DROP"]);
}

#[test]
fn qe_6_a_source_mask_is_the_sources_alone() {
    let rule = "<rule action='drop' direction='inout'>
                  <arp arpsrcipaddr='10.0.0.0' arpsrcipmask='24' arpdstipaddr='10.0.0.9'/>
                </rule>";
    assert_eq!(
        nwf(rule),
        [
            "nwf-j-vnet0 -p 0x806 --arp-ip-dst 10.0.0.0/24 --arp-ip-src 10.0.0.9/32 -j DROP",
            "nwf-p-vnet0 -p 0x806 --arp-ip-src 10.0.0.0/24 --arp-ip-dst 10.0.0.9/32 -j DROP",
        ]
    );
    assert_eq!(
        libvirt(rule),
        [
            "libvirt-J-vnet0 -p 0x806 --arp-ip-dst 10.0.0.0/24 --arp-ip-src 10.0.0.9/24 -j DROP",
            "libvirt-P-vnet0 -p 0x806 --arp-ip-src 10.0.0.0/24 --arp-ip-dst 10.0.0.9/24 -j DROP",
        ]
    );
}

#[test]
fn qe_7_dscp_is_said_for_each_value_of_the_two_bits_below() {
    let rule = "<rule action='drop' direction='out'><ip dscp='10'/></rule>";
    assert_eq!(
        nwf(rule),
        ["0x28", "0x29", "0x2a", "0x2b"].map(|byte| format!("nwf-j-vnet0 -p ipv4 --ip-tos {byte} -j DROP"))
    );
    assert_eq!(libvirt(rule), ["libvirt-J-vnet0 -p ipv4 --ip-tos 0xa -j DROP"]);
    assert_eq!(
        refused("<rule action='drop' direction='inout'><ip match='no' dscp='10'/></rule>"),
        "nwf::render::xtables_inexpressible: vnet0: filter `f` rule 1 (ip, inout), `dscp`: ebtables cannot invert a test \
         of DSCP; write rules for the wanted values, or use the backend `nft`"
    );
}

#[test]
fn qe_8_an_icmp_type_stands_in_both_directions() {
    let rule = "<rule action='drop' direction='inout'><icmp type='8'/></rule>";
    assert_eq!(
        nwf(rule),
        [
            "nwf-fj-vnet0 -p icmp '!' -f --icmp-type 8 -j DROP",
            "nwf-fp-vnet0 -p icmp '!' -f --icmp-type 8 -j DROP",
            "nwf-hj-vnet0 -p icmp '!' -f --icmp-type 8 -j DROP",
        ]
    );
    assert!(libvirt(rule).is_empty());
    let warnings = plan(&Given::new(Profile::Libvirt).filter(rule), &Xtables, &Options::default()).unwrap().warnings;
    assert_eq!(warnings.len(), 1);
}

#[test]
fn qe_9_sets_are_looked_up_for_every_protocol_and_can_be_inverted() {
    assert_eq!(
        nwf("<rule action='drop' direction='in'><tcp match='no' ipset='a b' ipsetflags='src,dst'/></rule>"),
        [
            "nwf-fj-vnet0 -p tcp -m set '!' --match-set 'a b' dst,src -j DROP",
            "nwf-fp-vnet0 -p tcp -m set '!' --match-set 'a b' src,dst -j DROP",
            "nwf-hj-vnet0 -p tcp -m set '!' --match-set 'a b' dst,src -j DROP",
        ]
    );
    assert_eq!(
        libvirt(
            "<rule action='drop' direction='in' statematch='false'><all match='no' ipset='x' ipsetflags='src'/></rule>"
        )[1],
        "FP-vnet0 -p all -m set --match-set x src -j DROP"
    );
}

#[test]
fn qe_10_continue_counts() {
    let rule = "<rule action='continue' direction='in'><udp/></rule>";
    assert_eq!(nwf(rule), ["nwf-fj-vnet0 -p udp", "nwf-fp-vnet0 -p udp", "nwf-hj-vnet0 -p udp"]);
    assert_eq!(libvirt(rule)[0], "FJ-vnet0 -p udp -j CONTINUE");
}

#[test]
fn eb_48_type_and_code_with_different_signs_are_said_as_ranges() {
    let ipv6 = |test: &str| nwf(&format!("<rule action='drop' direction='out'>{test}</rule>"));
    assert_eq!(
        ipv6("<ipv6 protocol='icmpv6' type='1' code='3' codeend='5'/>"),
        ["nwf-j-vnet0 -p ipv6 --ip6-protocol 58 --ip6-icmp-type 1:1/3:5 -j DROP"]
    );
    assert_eq!(
        ipv6("<ipv6 match='no' type='1' code='3'/><ipv6 protocol='icmpv6'/>"),
        ["nwf-j-vnet0 -p ipv6 --ip6-protocol 58 --ip6-icmp-type '!' 1:1/3:3 -j DROP"]
    );
    assert_eq!(
        ipv6("<ipv6 protocol='icmpv6' type='1'/><ipv6 match='no' code='3'/>"),
        [
            "nwf-j-vnet0 -p ipv6 --ip6-protocol 58 --ip6-icmp-type 1:1/0:2 -j DROP",
            "nwf-j-vnet0 -p ipv6 --ip6-protocol 58 --ip6-icmp-type 1:1/4:255 -j DROP",
        ]
    );
    assert_eq!(
        ipv6("<ipv6 protocol='icmpv6' code='0'/><ipv6 match='no' type='0' typeend='254'/>"),
        ["nwf-j-vnet0 -p ipv6 --ip6-protocol 58 --ip6-icmp-type 255:255/0:0 -j DROP"]
    );
}

#[test]
fn eb_68_type_and_code_with_different_signs_in_the_ip_layer() {
    assert_eq!(
        nwf("<rule action='drop' direction='out'><icmp type='3'/><icmp match='no' code='1'/></rule>")[0],
        "nwf-fj-vnet0 -p icmp '!' -f -m icmp --icmp-type 3 -m icmp '!' --icmp-type 3/1 -j DROP"
    );
    assert_eq!(
        nwf("<rule action='drop' direction='out'><icmpv6 type='3'/><icmpv6 match='no' code='1'/></rule>")[0],
        "nwf-fj-vnet0 -p icmpv6 -m icmp6 --icmpv6-type 3 -m icmp6 '!' --icmpv6-type 3/1 -j DROP"
    );
    assert_eq!(
        refused("<rule action='drop' direction='out'><icmp match='no' type='3'/><icmp code='1'/></rule>"),
        "nwf::render::xtables_inexpressible: vnet0: filter `f` rule 1 (icmp, out), `type`: iptables has no words for a \
         code of any type but one; write a rule for each type, or use the backend `nft`"
    );
}

#[test]
fn an_icmp_type_that_iptables_takes_for_any_is_refused() {
    assert_eq!(
        refused("<rule action='drop' direction='out'><icmp type='255'/></rule>"),
        "nwf::render::xtables_inexpressible: vnet0: filter `f` rule 1 (icmp, out), `type`: iptables takes the ICMP type \
         255 for any type; the type is reserved: leave the rule out, or use the backend `nft`"
    );
    assert!(nwf("<rule action='drop' direction='out'><icmpv6 type='255'/></rule>")[0].contains("--icmpv6-type 255"));
    assert!(libvirt("<rule action='drop' direction='out'><icmp type='255'/></rule>")[0].contains("--icmp-type 255"));
}

#[test]
fn a_vlan_that_ebtables_does_not_know_is_refused() {
    assert_eq!(
        refused("<rule action='drop' direction='out'><vlan vlanid='4095'/></rule>"),
        "nwf::render::xtables_inexpressible: vnet0: filter `f` rule 1 (vlan, out), `vlanid`: ebtables knows no VLAN \
         4095; the number is reserved, and no frame should carry it; use the backend `nft`, or leave the rule out"
    );
}

#[test]
fn the_tcp_option_that_iptables_does_not_know_is_refused() {
    assert_eq!(
        refused("<rule action='drop' direction='out'><tcp option='0'/></rule>"),
        "nwf::render::xtables_inexpressible: vnet0: filter `f` rule 1 (tcp, out), `option`: iptables has no words for the \
         TCP option 0; it only ends the list of options: leave the rule out, or use the backend `nft`"
    );
}

#[test]
fn what_reads_ports_leaves_later_fragments_alone() {
    let rule = "<rule action='drop' direction='in' statematch='false'><tcp match='no' dstportstart='80'/></rule>";
    assert_eq!(nwf(rule)[1], "nwf-fp-vnet0 -p tcp '!' -f '!' --dport 80 -j DROP");
    // There the sign of this attribute is that of another one (Q-10).
    assert_eq!(libvirt(rule)[1], "FP-vnet0 -p tcp --dport 80 -j DROP");
    // IPv6 has its fragments in a header of its own, and the kernel looks for ports in the first one only.
    let ipv6 = "<rule action='drop' direction='in'><tcp-ipv6 dstportstart='80'/></rule>";
    assert_eq!(nwf(ipv6)[1], "nwf-fp-vnet0 -p tcp --dport 80 -j DROP");
    let address = "<rule action='drop' direction='in'><tcp srcipaddr='10.0.0.1'/></rule>";
    assert_eq!(nwf(address)[1], "nwf-fp-vnet0 -p tcp --source 10.0.0.1 -j DROP");
}

#[test]
fn masks_of_zeros_hold_always_or_never() {
    let mac = |sign: &str| {
        nwf(&format!(
            "<rule action='drop' direction='out'>
               <mac{sign} srcmacaddr='2:0:0:0:0:1' srcmacmask='0:0:0:0:0:0'/><mac protocolid='arp'/></rule>"
        ))
    };
    assert_eq!(mac(""), ["nwf-j-vnet0 -p 0x806 -j DROP"]);
    assert!(mac(" match='no'").is_empty());
    let tcp = |sign: &str| {
        nwf(&format!("<rule action='drop' direction='in'><tcp{sign} srcipaddr='10.0.0.1' srcipmask='0'/></rule>"))
    };
    assert_eq!(tcp("").len(), 3);
    assert!(tcp(" match='no'").is_empty());
}

#[test]
fn two_inverted_ports_are_compared_one_by_one() {
    let rule = nwf("<rule action='drop' direction='in'><udp match='no' srcportstart='5' dstportstart='6'/></rule>");
    assert_eq!(rule[1], "nwf-fp-vnet0 -p udp '!' -f -m multiport '!' --sports 5 -m multiport '!' --dports 6 -j DROP");
}

#[test]
fn no_segment_differs_in_no_flag() {
    let rule = |sign: &str| nwf(&format!("<rule action='accept' direction='in'><tcp{sign} flags='NONE/NONE'/></rule>"));
    assert_eq!(rule("").len(), 3);
    assert!(rule(" match='no'").is_empty());
}

#[test]
fn fields_that_the_kernel_reads_wrongly_are_refused() {
    let rule = "<rule action='drop' direction='in'><stp srcmacaddr='2:0:0:0:0:1' root-cost='5'/></rule>";
    assert_eq!(
        refused(rule),
        "nwf::render::xtables_inexpressible: vnet0: filter `f` rule 1 (stp, in), `root-cost`: the kernel's part of \
         ebtables reads fields of spanning-tree frames at the wrong place; match the frames by `srcmacaddr` alone, or \
         use the backend `nft`"
    );
    assert_eq!(libvirt(rule), ["libvirt-P-vnet0 -s 02:00:00:00:00:01 -d 01:80:c2:00:00:00 --stp-root-cost 5 -j DROP"]);
    assert_eq!(
        nwf("<rule action='drop' direction='in'><stp srcmacaddr='2:0:0:0:0:1'/></rule>"),
        ["nwf-p-vnet0 -s 02:00:00:00:00:01 -d 01:80:c2:00:00:00 -j DROP"]
    );
}

#[test]
fn an_icmpv6_type_says_its_protocol() {
    assert_eq!(
        nwf("<rule action='drop' direction='out'><ipv6 type='1' srcipaddr='::1'/></rule>"),
        ["nwf-j-vnet0 -p ipv6 --ip6-source ::1 --ip6-protocol 58 --ip6-icmp-type 1:1/0:255 -j DROP"]
    );
    assert_eq!(
        refused("<rule action='drop' direction='inout'><ipv6 protocol='udp' type='1'/></rule>"),
        "nwf::render::needs_protocol: vnet0: filter `f` rule 1 (ipv6, inout), `type`: this needs `protocol='icmpv6'` in \
         the same rule; add the attribute `protocol`, positive, with such a value"
    );
    let libvirt = Given::new(Profile::Libvirt).filter("<rule action='drop' direction='out'><ipv6 type='1'/></rule>");
    assert!(errors(&libvirt, &bridged())[0].starts_with("nwf::render::needs_protocol"));
}

#[test]
fn comments_say_where_a_rule_comes_from() {
    let rules = "<rule action='drop' direction='in'>\n<udp comment='it&apos;s \"$me\" `x` \\ &#233;'/></rule>";
    assert_eq!(
        appended(&Given::new(Profile::Nwf).filter(rules))[0],
        r#"nwf-fj-vnet0 -p udp -m comment --comment 'f=f;r=1;l=1 it'\''s "$me" `x` \ é' -j DROP"#
    );
    assert_eq!(libvirt(rules)[0], r#"FJ-vnet0 -p udp -m comment --comment 'it'\''s "$me" `x` \ é' -j DROP"#);
    // In the restore format a backslash protects a quote.
    let plan = planned(&Given::new(Profile::Nwf).filter(rules));
    let lines = plan.interfaces[0].renderings[0].chains.iter().flat_map(|chain| &chain.lines);
    assert_eq!(
        lines.map(|line| line.text.as_str()).next().unwrap(),
        r#"-p udp -m comment --comment "f=f;r=1;l=1 it's \"$me\" `x` \\ é" -j DROP"#
    );
}

#[test]
fn a_comment_is_cut_at_255_bytes_between_characters() {
    let long = "é".repeat(128);
    let rules = format!("<rule action='drop' direction='in'><udp comment='{long}'/></rule>");
    let line = appended(&Given::new(Profile::Nwf).filter(&rules)).remove(0);
    let comment = line.split('\'').nth(1).unwrap();
    assert_eq!(comment, format!("f=f;r=1;l=1 {}", "é".repeat(121)));
    assert_eq!(comment.len(), 254);
    assert_eq!(libvirt(&rules)[0], format!("FJ-vnet0 -p udp -m comment --comment {long} -j DROP"));
}

#[test]
fn qe_14_eb_158_comments_with_line_ends_are_refused() {
    for profile in [Profile::Nwf, Profile::Libvirt] {
        let ruleset = Given::new(profile).filter("<rule action='drop' direction='in'><udp comment='a&#10;b'/></rule>");
        assert_eq!(
            errors(&ruleset, &bridged()),
            ["nwf::render::xtables_comment: vnet0: filter `f` rule 1 (udp, in): the comment has control characters, \
              which ebtables and iptables list as they are; leave out line ends, tabs and other control characters"]
        );
    }
    // Comments of the Ethernet layer are not passed on (EB-34).
    assert_eq!(nwf("<rule action='drop' direction='in'><mac comment='a&#10;b'/></rule>"), ["nwf-p-vnet0 -j DROP"]);
}

#[test]
fn nft_202_an_inverted_list_is_the_single_rules_with_a_warning() {
    let mut given = Given::new(Profile::Nwf);
    given.parameters.insert("A".parse().unwrap(), vec!["10.0.0.1".to_owned(), "10.0.0.2".to_owned()]);
    let ruleset = given.filter("<rule action='drop' direction='out'><ip match='no' srcipaddr='$A'/></rule>");
    assert_eq!(
        appended(&ruleset),
        ["1", "2"].map(|last| format!("nwf-j-vnet0 -p ipv4 --ip-source '!' 10.0.0.{last} -j DROP"))
    );
    let warnings = plan(&ruleset, &Xtables, &Options::default()).unwrap().warnings;
    assert_eq!(
        warnings.iter().map(ToString::to_string).collect::<Vec<_>>(),
        [
            "filter `f` rule 1 (ip, out), `srcipaddr`: an inverted list matches what differs from any one value of it, not \
          from all"
        ]
    );
}

#[test]
fn res_34_combinations_stand_in_order_in_each_chain() {
    let mut given = Given::new(Profile::Nwf);
    given.parameters.insert("A".parse().unwrap(), vec!["10.0.0.1".to_owned(), "10.0.0.2".to_owned()]);
    given.parameters.insert("P".parse().unwrap(), vec!["80".to_owned(), "90".to_owned()]);
    let ruleset =
        given.filter("<rule action='drop' direction='out'><tcp srcipaddr='$A[@1]' dstportstart='$P[@2]'/></rule>");
    let lines: Vec<String> = appended(&ruleset).iter().map(|line| without_comment(line)).collect();
    assert_eq!(lines.len(), 12);
    assert_eq!(
        lines.iter().filter(|line| line.starts_with("nwf-fj")).collect::<Vec<_>>(),
        [("1", "80"), ("2", "80"), ("1", "90"), ("2", "90")]
            .map(|(last, port)| format!("nwf-fj-vnet0 -p tcp '!' -f --source 10.0.0.{last} --dport {port} -j DROP"))
            .iter()
            .collect::<Vec<_>>()
    );
}

#[test]
fn eb_23_names_that_the_tools_misread_are_refused() {
    let ruleset = Given::new(Profile::Nwf).on("vnet+").filter("<rule action='drop' direction='in'/>");
    assert_eq!(
        errors(&ruleset, &bridged()),
        ["nwf::render::xtables_interface_name: the interface name `vnet+` cannot be given to ebtables and iptables; \
          rename the interface: letters, digits, `_`, `.`, `-` only; or use the backend `nft`"]
    );
}

#[test]
fn eb_23_two_interfaces_that_would_share_a_chain_are_found() {
    let of = |interface: &str, chain: &str| {
        let xml = format!("<filter name='f' chain='{chain}'><rule action='drop' direction='in'><mac/></rule></filter>");
        Given::new(Profile::Nwf).on(interface).rules(&xml)
    };
    let mut both = of("a", "arp-mac");
    both.interfaces.extend(of("a-arp", "mac").interfaces);
    let told: Vec<String> = nwf::render::xtables::collisions(&planned(&both)).iter().map(ToString::to_string).collect();
    assert_eq!(told, ["the interfaces `a` and `a-arp` would share the chain `o-a-arp-mac`"]);
    let mut both = of("a", "arp-mac");
    both.interfaces.extend(of("b", "arp-mac").interfaces);
    assert!(nwf::render::xtables::collisions(&planned(&both)).is_empty());
}

/// Two filters with one chain name and different priorities.
const SHARED_CHAIN: [&str; 3] = [
    "<filter name='top' chain='root'><filterref filter='one'/><filterref filter='two'/>
       <rule action='accept' direction='inout' priority='0'><mac protocolid='arp'/></rule></filter>",
    "<filter name='one' chain='arp' priority='-500'>
       <rule action='return' direction='out' priority='-400'><arp/></rule></filter>",
    "<filter name='two' chain='arp' priority='100'>
       <rule action='drop' direction='out' priority='200'><arp/></rule></filter>",
];

#[test]
fn eb_92_res_83_the_priority_of_a_chain() {
    let chain = |ruleset: &Ruleset| {
        let plan = planned(ruleset);
        let root = plan.interfaces[0].renderings[0].chains[0].clone();
        root.lines.into_iter().map(|line| line.text).collect::<Vec<_>>()
    };
    let filters = |profile| {
        let ruleset = Given::new(profile).rules_of(&SHARED_CHAIN);
        (chain(&ruleset), list(&ruleset, Action::Build))
    };
    let (nwf, _) = filters(Profile::Nwf);
    assert_eq!(nwf, ["-p 0x0806 -j i-vnet0-arp", "-p 0x806 -j ACCEPT"]);
    let (libvirt, list) = filters(Profile::Libvirt);
    assert_eq!(libvirt, ["-p 0x806 -j ACCEPT", "-p 0x0806 -j I-vnet0-arp"]);
    // A chain is there before its rules, though libvirt would fail here.
    let at = |end: &str| list.iter().position(|line| line.ends_with(end)).unwrap();
    assert!(at("-N J-vnet0-arp") < at("-A J-vnet0-arp -p 0x806 -j RETURN"));
}
