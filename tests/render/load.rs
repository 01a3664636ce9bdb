//! What is rendered loads: asked of nft in a namespace of its own.

use std::path::{Path, PathBuf};
use std::process::Command;

use nwf::model::{Interim, Profile};
use nwf::plan::{Features, Plan};
use nwf::render::nft::{Action, Nft, script};
use nwf::render::{Options, Remedy, RenderError, plan};
use nwf::ruleset::Ruleset;

use crate::lab::namespace::Namespace;
use crate::support::{ruleset, try_plan};

/// A namespace where nft may be asked; says why there is none.
pub fn namespace(name: &'static str) -> Option<Namespace> {
    if !nix::unistd::geteuid().is_root() {
        crate::lab::skip(name, "it needs root");
        return None;
    }
    let found = Namespace::new(name).and_then(|namespace| {
        let version = namespace.command(nft(&["--version"]), b"").map_err(|error| format!("nft: {error}"))?;
        version.success("nft --version").map(|_| namespace)
    });
    found.map_err(|reason| crate::lab::skip(name, &reason)).ok()
}

fn nft(words: &[&str]) -> Command {
    let mut command = Command::new("nft");
    let path = std::env::var("PATH").unwrap_or_default();
    command.args(words).env("PATH", format!("{path}:/usr/sbin:/sbin"));
    command
}

/// Loads a script; panics with what nft says.
pub fn load(namespace: &Namespace, check: bool, text: &str) {
    let words: &[&str] = if check { &["-c", "-f", "-"] } else { &["-f", "-"] };
    let ran = namespace.command(nft(words), text.as_bytes()).unwrap();
    if ran.status != Some(0) {
        let numbered: Vec<String> = text.lines().enumerate().map(|(n, line)| format!("{}: {line}", n + 1)).collect();
        panic!("{}\n{}", ran.stderr, numbered.join("\n"));
    }
}

/// The hosts whose texts any kernel loads: with the relay's table, and with nothing.
pub fn hosts() -> [Features; 2] {
    [Features::relay(), Features::none()]
}

/// Rules of every kind, attribute and shape.
const RULES: &str = "
<rule action='drop' direction='inout'/>
<rule action='accept' direction='inout'><mac srcmacaddr='1:2:3:4:5:6' srcmacmask='ff:ff:ff:0:0:0' dstmacaddr='1:2:3:4:5:6' protocolid='0x88cc'/></rule>
<rule action='continue' direction='inout'><mac match='no' srcmacaddr='$M' protocolid='ipv4'/></rule>
<rule action='drop' direction='inout'><mac srcmacaddr='$M[@1]' dstmacaddr='$M[@2]'/></rule>
<rule action='drop' direction='inout'><mac srcmacaddr='$M' srcmacmask='ff:ff:ff:ff:0:0' dstmacaddr='$M'/></rule>
<rule action='return' direction='inout'><arp hwtype='1' protocoltype='0x800' opcode='Reply' arpsrcmacaddr='$M' arpdstmacaddr='1:2:3:4:5:6' arpsrcipaddr='$IP' arpsrcipmask='24' arpdstipaddr='10.0.0.1'/></rule>
<rule action='drop' direction='inout'><arp match='no' hwtype='1' opcode='1' arpsrcmacaddr='$M' arpsrcipaddr='$IP' arpdstipaddr='10.0.0.1' arpdstipmask='8'/></rule>
<rule action='drop' direction='inout'><arp gratuitous='true'/></rule>
<rule action='drop' direction='inout'><arp match='no' gratuitous='true'/></rule>
<rule action='return' direction='inout'><rarp hwtype='1' protocoltype='0x800' opcode='3' arpsrcmacaddr='$M' arpdstmacaddr='1:2:3:4:5:6' arpsrcipaddr='$IP' arpsrcipmask='24' arpdstipaddr='10.0.0.1'/></rule>
<rule action='drop' direction='inout'><rarp match='no' opcode='3' arpsrcmacaddr='1:2:3:4:5:6' arpdstipaddr='$IP' arpdstipmask='24'/></rule>
<rule action='drop' direction='inout'><rarp arpsrcmacaddr='$M' arpdstmacaddr='$M'/></rule>
<rule action='drop' direction='inout'><rarp match='no' gratuitous='true'/></rule>
<rule action='accept' direction='inout'><ip srcipaddr='$IP' srcipmask='24' dstipaddr='10.0.0.9' protocol='tcp' srcportstart='$P' dstportstart='5' dstportend='9' dscp='$D'/></rule>
<rule action='accept' direction='inout'><ip srcipaddr='$IP' dscp='$D'/></rule>
<rule action='accept' direction='inout'><vlan srcmacaddr='$M' vlanid='$D' encap-protocol='arp'/></rule>
<rule action='drop' direction='out'><vlan match='no' vlanid='5' encap-protocol='0x86dd'/></rule>
<rule action='drop' direction='out'><stp srcmacaddr='$M' type='$D' flags='1' root-priority='1' root-priority-hi='5' root-address='1:2:3:4:5:6' root-address-mask='ff:ff:ff:0:0:0' root-cost='$P' root-cost-hi='70000'/></rule>
<rule action='drop' direction='inout'><stp match='no' sender-priority='1' sender-address='$M' sender-address-mask='ff:ff:ff:ff:0:0' port='$P' age='1' age-hi='3' max-age='20' hello-time='$D' forward-delay='1' forward-delay-hi='2'/></rule>
<rule action='accept' direction='inout'><ip match='no' srcipaddr='10.0.0.1' srcipmask='8' dscp='3'/></rule>
<rule action='accept' direction='inout'><ip match='no' dscp='3' protocol='$D'/></rule>
<rule action='accept' direction='inout'><ip srcipaddr='10.0.0.1' srcipmask='$D'/></rule>
<rule action='accept' direction='inout'><ipv6 srcipaddr='$IPV6' srcipmask='64' dstipaddr='$IPV6' protocol='udp' srcportstart='$P' dstportstart='$P'/></rule>
<rule action='accept' direction='inout'><ipv6 protocol='icmpv6'/><ipv6 match='no' type='3' typeend='5' code='2' codeend='8'/></rule>
<rule action='accept' direction='inout'><ipv6 type='$D' code='$D'/></rule>
<rule action='accept' direction='inout'><ipv6 match='no' protocol='$D' srcipaddr='::/0'/></rule>
<rule action='accept' direction='in'><tcp srcmacaddr='1:2:3:4:5:6' srcipaddr='$IP' dstipfrom='10.0.0.1' dstipto='10.0.0.9' dscp='$D' srcportstart='$P' srcportend='65535' dstportstart='80' flags='SYN,ACK/SYN' option='$D' comment='a &quot;b&quot;; c'/></rule>
<rule action='accept' direction='out'><tcp match='no' srcipaddr='10.0.0.1' dscp='1' dstportstart='80' option='3' flags='ALL/ALL'/></rule>
<rule action='reject' direction='inout'><tcp-ipv6 match='no' srcipaddr='2001:db8::1' dscp='1' srcportstart='80' option='3' flags='FIN/FIN'/></rule>
<rule action='accept' direction='out'><udp dstportstart='$P' dstipaddr='$IP'/></rule>
<rule action='accept' direction='in'><udp-ipv6 dstportstart='$P' dstipaddr='$IPV6'/></rule>
<rule action='accept' direction='in'><sctp state='NEW,RELATED' dstportstart='$P'/></rule>
<rule action='accept' direction='in'><sctp-ipv6 state='INVALID' dstportstart='$P' srcipfrom='$IPV6' srcipto='ffff::'/></rule>
<rule action='continue' direction='in'><udplite/></rule><rule action='drop' direction='out'><udplite-ipv6 dscp='$D'/></rule>
<rule action='accept' direction='out'><esp/></rule><rule action='drop' direction='out'><esp-ipv6/></rule>
<rule action='accept' direction='inout'><ah/></rule><rule action='drop' direction='out'><ah-ipv6/></rule>
<rule action='return' direction='in'><igmp/></rule>
<rule action='reject' direction='out'><all srcipaddr='$IP' dstipaddr='$IP'/></rule>
<rule action='accept' direction='inout'><all-ipv6 srcipaddr='$IPV6' srcipmask='8' dstipaddr='$IPV6'/></rule>
<rule action='accept' direction='out'><icmp type='8'/></rule><rule action='accept' direction='in'><icmp type='3' code='$D'/></rule>
<rule action='accept' direction='inout' statematch='false'><icmp match='no' type='3' code='4'/></rule>
<rule action='accept' direction='in'><icmp/></rule>
<rule action='accept' direction='out'><icmpv6 type='128' code='0'/></rule><rule action='drop' direction='in'><icmpv6 match='no' type='$D' code='4'/></rule>
";

const VALUES: &str = "M=2:0:0:0:0:1 M=2:0:0:0:0:2 M=2:1:0:0:0:2 IP=10.0.0.5 IP=10.0.0.6 IP=10.5.0.1 \
    IPV6=2001:db8::5 IPV6=fe80::5 IPV6=::10.1.2.3 P=80 P=443 P=8080 D=1 D=2 D=9";

/// Each rule by itself, then all together.
fn table() -> Vec<String> {
    let mut rules: Vec<String> = RULES.split_inclusive("</rule>").map(|rule| rule.trim().to_owned()).collect();
    rules.retain(|rule| !rule.is_empty());
    rules
}

/// Text for the rules of a table that stateless hosts take.
fn stateless(ruleset: &Ruleset, host: &Features) -> Ruleset {
    let mut ruleset = ruleset.clone();
    if host.has.is_empty() {
        for interface in &mut ruleset.interfaces {
            interface.rules.retain(|rule| rule.placements(ruleset.profile).iter().all(|one| one.state.is_none()));
        }
    }
    ruleset
}

#[test]
fn nft_122_every_kind_of_rule_loads_again_and_again_and_is_taken_away() {
    let Some(namespace) = namespace("rules of every kind load") else { return };
    let content = table().concat().replace("srcipaddr='::/0'", "");
    for profile in [Profile::Nwf, Profile::Libvirt] {
        let all = ruleset(&content, VALUES, profile);
        assert!(all.interfaces[0].rules.len() > 30);
        for host in hosts() {
            let (plan, _) = try_plan(&stateless(&all, &host), host.clone()).unwrap();
            let install = script(&plan, None, Action::Install);
            for _ in 0..3 {
                load(&namespace, false, &install);
            }
            let remove = script(&plan, None, Action::Remove);
            load(&namespace, false, &remove);
            load(&namespace, false, &remove);
            let left = namespace.command(nft(&["list", "ruleset"]), b"").unwrap();
            assert!(!left.stdout.contains("vnet0"), "{}", left.stdout);
        }
    }
}

#[test]
fn old_plans_give_way() {
    let Some(namespace) = namespace("old plans give way") else { return };
    let made = |content: &str| -> Plan {
        plan(&ruleset(content, "", Profile::Nwf), &Nft, &Options { scope: None, features: Some(Features::relay()) })
            .unwrap()
            .plan
    };
    let old =
        made("<rule action='drop' direction='inout'><arp/></rule><rule action='accept' direction='in'><tcp/></rule>");
    let new = made("<rule action='drop' direction='out'><arp/></rule>");
    load(&namespace, false, &script(&old, None, Action::Install));
    let text = script(&new, Some(&old), Action::Install);
    load(&namespace, false, &text);
    load(&namespace, false, &text);
    let left = namespace.command(nft(&["list", "table", "bridge", "nwf"]), b"").unwrap().stdout;
    assert!(left.contains("i.vnet0.l2o") && !left.contains("i.vnet0.l2i") && !left.contains("i.vnet0.l3"), "{left}");
}

#[test]
fn nft_121_interim_rulesets_load() {
    let Some(namespace) = namespace("interim rulesets load") else { return };
    for kind in [Interim::Basic, Interim::DhcpOnly, Interim::DropAll] {
        let bound = ruleset("", "", Profile::Nwf).interfaces.remove(0).binding;
        let servers = ["10.0.0.1".parse().unwrap(), "fe80::1".parse().unwrap()];
        let mac = "52:54:00:11:22:33".parse().unwrap();
        let rules = nwf::resolve::interim(kind, bound, mac, nwf::resolve::Families::Both, &servers);
        let ruleset = Ruleset { interfaces: vec![rules], ..Ruleset::default() };
        let plan = plan(&ruleset, &Nft, &Options::default()).unwrap().plan;
        assert_eq!(plan.interfaces[0].renderings.len(), 1);
        let text = script(&plan, None, Action::Install);
        assert!(text.contains(&format!("interim rules {}", kind.name())));
        load(&namespace, true, &text);
    }
}

#[test]
fn hostile_names_stay_in_their_quotes() {
    let Some(namespace) = namespace("hostile names") else { return };
    let content =
        "<rule action='drop' direction='out'><tcp comment='x'/></rule><rule action='drop' direction='in'><arp/></rule>";
    for name in
        ["a*b", "a$b", "a'b", "a;b", "a{b}", "a#b", "@a", "-a", "a,b", "a%b", "1", "any", "lo!", "é0", "x+", "<>|&"]
    {
        for comment in [
            "\\",
            "\\\\",
            "\"; flush ruleset #",
            "$x @y {z}",
            "a\\\"",
            "é\u{2028}\u{202e}",
            "#",
            "'",
            "\u{0}\u{1b}[0m\n",
        ] {
            let mut ruleset = ruleset(content, "", Profile::Libvirt);
            ruleset.interfaces[0].binding.interface = name.parse().unwrap();
            for rule in &mut ruleset.interfaces[0].rules {
                rule.comment = Some(comment.to_owned());
                rule.provenance.filter = "f\"; } \\".parse().unwrap();
            }
            let plan = plan(&ruleset, &Nft, &Options::default()).unwrap().plan;
            let text = script(&plan, None, Action::Install);
            assert!(!text.lines().any(|line| line.starts_with("flush ruleset") || line.contains('\u{1b}')));
            if comment.len() < 3 || name == "a*b" {
                load(&namespace, true, &text);
            }
        }
    }
}

/// Filters of the public test data.
fn conformance() -> Vec<PathBuf> {
    let folder = std::env::var_os("NWF_CONFORMANCE_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance"), PathBuf::from);
    let Ok(entries) = std::fs::read_dir(folder.join("nwfilter")) else {
        eprintln!("skipped: no conformance data");
        return Vec::new();
    };
    let mut found: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    found.retain(|case| case.join("filter.xml").is_file() && case.join("vars.json").is_file());
    found.sort();
    found
}

#[test]
fn filters_of_libvirts_tests_load_or_are_refused_with_a_reason() {
    let Some(namespace) = namespace("filters of libvirt's tests load") else { return };
    let mut refused = Vec::new();
    for case in conformance() {
        let xml = std::fs::read_to_string(case.join("filter.xml")).unwrap();
        let json: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(case.join("vars.json")).unwrap()).unwrap();
        let mut words = String::new();
        for (name, values) in json["variables"].as_object().unwrap() {
            for value in values.as_array().unwrap() {
                words += &[name, "=", value.as_str().unwrap(), " "].concat();
            }
        }
        let mut filters = vec![xml];
        for file in std::fs::read_dir(case.join("filters")).into_iter().flatten().flatten() {
            filters.push(std::fs::read_to_string(file.path()).unwrap());
        }
        let filters: Vec<&str> = filters.iter().map(String::as_str).collect();
        let all = crate::support::ruleset_of(&filters, &words, Profile::Libvirt);
        for host in hosts() {
            match try_plan(&stateless(&all, &host), host) {
                Ok((plan, _)) => load(&namespace, true, &script(&plan, None, Action::Install)),
                Err(errors) => {
                    assert!(errors.iter().all(|error| error.remedy() == Remedy::Host || ports(error)), "{errors:?}");
                    refused.push(case.file_name().unwrap().to_string_lossy().into_owned());
                }
            }
        }
    }
    refused.dedup();
    println!("refused: {}", refused.join(" "));
}

/// XML-80: libvirt stores ports beside a negated protocol; no tool takes them.
fn ports(error: &RenderError) -> bool {
    matches!(error, RenderError::NeedsProtocol { .. })
}
