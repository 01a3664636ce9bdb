//! Chains, maps, names, comments, renderings (spec 04, sections 4.2 to 4.5; design.md §2).

use nwf::model::Profile;
use nwf::plan::{Feature, Features, Scope, StateMode};
use nwf::render::nft::{Action, Nft, script};
use nwf::render::{Options, RenderError, plan};
use nwf::ruleset::Ruleset;

use crate::support::{chain, rendering, ruleset, ruleset_of, try_plan};

const STATEFUL: &str = "<rule action='accept' direction='in'><tcp dstportstart='80'/></rule>";

fn any_host(ruleset: &Ruleset) -> nwf::plan::Plan {
    plan(ruleset, &Nft, &Options::default()).unwrap().plan
}

#[test]
fn nft_112_a_plan_has_a_rendering_for_each_kind_of_host_and_none_twice() {
    let modes = |content: &str| -> Vec<(StateMode, Vec<Feature>)> {
        let plan = any_host(&ruleset(content, "", Profile::Nwf));
        plan.interfaces[0].renderings.iter().map(|one| (one.state, one.requires.iter().copied().collect())).collect()
    };
    assert_eq!(modes("<rule action='drop' direction='out'><arp/></rule>"), [(StateMode::None, vec![])]);
    assert_eq!(modes("<rule action='drop' direction='out'><tcp/></rule>"), [(StateMode::None, vec![])]);
    assert_eq!(
        modes(STATEFUL),
        [
            (StateMode::Native, vec![Feature::BridgeConntrack]),
            (StateMode::Relay, vec![Feature::InetConntrack, Feature::BridgeNetfilter])
        ]
    );
    assert_eq!(
        modes("<rule action='reject' direction='out'><tcp/></rule>"),
        [
            (StateMode::None, vec![Feature::BridgeReject]),
            (StateMode::None, vec![Feature::BridgeNetfilter]),
            (StateMode::None, vec![])
        ]
    );
    let both = format!("<rule action='reject' direction='out'><udp/></rule>{STATEFUL}");
    assert_eq!(
        modes(&both),
        [
            (StateMode::Native, vec![Feature::BridgeConntrack, Feature::BridgeReject]),
            (StateMode::Relay, vec![Feature::InetConntrack, Feature::BridgeNetfilter]),
            (StateMode::Native, vec![Feature::BridgeConntrack])
        ]
    );
}

#[test]
fn nft_106_an_interface_is_in_the_maps_that_its_rules_need() {
    let maps = |content: &str, profile| -> Vec<String> {
        let found = rendering(&ruleset(content, "", profile), Features::relay());
        found.links.into_iter().map(|link| link.from).collect()
    };
    assert_eq!(maps("<rule action='drop' direction='out'><arp/></rule>", Profile::Nwf), ["l2o"]);
    assert_eq!(maps("<rule action='drop' direction='inout'><arp/></rule>", Profile::Nwf), ["l2o", "l2i"]);
    // NFT-118: the map of rules for packets to the guest is the scope's.
    assert_eq!(maps(STATEFUL, Profile::Nwf), ["l3o", "l3i"]);
    assert_eq!(maps(STATEFUL, Profile::Libvirt), ["l3o", "l3b"]);
    assert!(maps("", Profile::Nwf).is_empty());
}

#[test]
fn nft_118_the_scope_can_be_chosen() {
    let options = Options { scope: Some(Scope::Bridged), features: Some(Features::relay()) };
    let plan = plan(&ruleset(STATEFUL, "", Profile::Nwf), &Nft, &options).unwrap().plan;
    assert_eq!(plan.interfaces[0].scope, Scope::Bridged);
    assert_eq!(plan.interfaces[0].renderings[0].links[1].from, "l3b");
}

#[test]
fn nft_108_nft_109_chains_and_their_jumps() {
    let top = "<filter name='top' chain='root'><filterref filter='a'/><filterref filter='b'/>\
               <rule action='drop' direction='inout' priority='1000'/>\
               <rule action='accept' direction='out' priority='-500'><mac protocolid='arp'/></rule></filter>";
    let a = "<filter name='a' chain='arp' priority='-500'><rule action='accept' direction='out'>\
             <arp opcode='1'/></rule></filter>";
    let b = "<filter name='b' chain='ipv4-x_y' priority='700'><rule action='drop' direction='in'><ip/></rule></filter>";
    let found = rendering(&ruleset_of(&[top, a, b], "", Profile::Nwf), Features::none());
    assert_eq!(
        chain(&found, "i.vnet0.l2o"),
        ["ether type arp jump i.vnet0.l2o.arp", "ether type 0x0806 accept", "drop"]
    );
    assert_eq!(chain(&found, "i.vnet0.l2i"), ["ether type ip jump i.vnet0.l2i.ipv4-x_5fy", "drop"]);
    // QE-3: the end of a chain beside root accepts.
    assert_eq!(chain(&found, "i.vnet0.l2o.arp"), ["ether type arp arp operation 1 accept", "accept"]);
    assert_eq!(chain(&found, "i.vnet0.l2i.ipv4-x_5fy"), ["ether type ip drop", "accept"]);
    assert_eq!(found.chains.len(), 4);
}

#[test]
fn qe_3_a_chain_whose_last_rule_lets_nothing_through_needs_no_end() {
    let content = |action: &str| {
        let xml = format!("<filter name='f' chain='arp'><rule action='{action}' direction='out'/></filter>");
        chain(&rendering(&ruleset_of(&[&xml], "", Profile::Nwf), Features::none()), "i.vnet0.l2o.arp")
    };
    assert_eq!(content("drop"), ["drop"]);
    assert_eq!(content("return"), ["return"]);
    assert_eq!(content("continue"), ["continue", "accept"]);
}

#[test]
fn nft_109_ip_layer_rules_stand_in_one_chain_whatever_theirs() {
    let filter = "<filter name='f' chain='ipv4'><rule action='drop' direction='out'><tcp/></rule></filter>";
    let found = rendering(&ruleset_of(&[filter], "", Profile::Nwf), Features::none());
    let names: Vec<&str> = found.chains.iter().map(|chain| chain.name.as_str()).collect();
    assert_eq!(names, ["i.vnet0.l3o", "i.vnet0.l3i"]);
}

#[test]
fn nft_107_each_line_of_a_rule_says_where_it_comes_from() {
    let content = "<rule action='drop' direction='out'>\n\
                   <tcp comment='no &quot;mail&quot;, \\ please' dstportstart='25'/></rule>\n\
                   <rule action='drop' direction='out'><arp match='no' gratuitous='1'/></rule>";
    let found = rendering(&ruleset(content, "", Profile::Nwf), Features::none());
    let l3 = &found.chains.iter().find(|chain| chain.name == "i.vnet0.l3o").unwrap().lines[0];
    assert!(l3.text.ends_with("counter drop comment \"f=f;r=1;l=2 no 'mail', \\ please\""), "{}", l3.text);
    assert_eq!(l3.provenance.as_ref().unwrap().rule, 1);
    let l2 = &found.chains.iter().find(|chain| chain.name == "i.vnet0.l2o").unwrap().lines;
    assert_eq!(l2.len(), 4);
    assert!(l2.iter().all(|line| line.text.ends_with("comment \"f=f;r=2;l=4\"")));
}

#[test]
fn nft_107_the_hash_marks_the_links_and_follows_the_content() {
    let made = |content: &str| rendering(&ruleset(content, "", Profile::Nwf), Features::none());
    let one = made("<rule action='drop' direction='out'><arp/></rule>");
    let other = made("<rule action='drop' direction='out'><ip/></rule>");
    assert_ne!(one.hash, other.hash);
    assert_eq!(one.hash.len(), 64);
    let mark = &one.hash[..16];
    assert_eq!(
        one.links[0].install,
        [
            "add element bridge nwf l2o { \"vnet0\" : jump i.vnet0.l2o }".to_owned(),
            "delete element bridge nwf l2o { \"vnet0\" }".to_owned(),
            format!("add element bridge nwf l2o {{ \"vnet0\" comment \"h={mark}\" : jump i.vnet0.l2o }}"),
        ]
    );
    assert_eq!(one.links[0].remove, one.links[0].install[..2]);
}

#[test]
fn nft_66_an_interface_that_no_map_takes_is_refused() {
    let mut ruleset = ruleset(STATEFUL, "", Profile::Nwf);
    for name in ["vnet*", "a\"b", "a\\"] {
        ruleset.interfaces[0].binding.interface = name.parse().unwrap();
        let errors = try_plan(&ruleset, Features::relay()).unwrap_err();
        assert!(matches!(errors.as_slice(), [RenderError::InterfaceName { .. }]));
    }
}

#[test]
fn every_rule_that_cannot_be_rendered_is_told() {
    let content = "<rule action='drop' direction='out'><tcp connlimit-above='1'/></rule><rule action='drop' direction='in'><all ipset='x'/></rule>";
    assert_eq!(try_plan(&ruleset(content, "", Profile::Nwf), Features::relay()).unwrap_err().len(), 2);
    assert_eq!(plan(&ruleset(content, "", Profile::Nwf), &Nft, &Options::default()).unwrap_err().len(), 2);
}

#[test]
fn a_script_is_lines_of_statements_and_comments() {
    let mut ruleset = ruleset(STATEFUL, "", Profile::Nwf);
    let owner = nwf::model::Owner { name: "a\ndelete table bridge nwf".to_owned(), uuid: uuid::Uuid::nil() };
    ruleset.interfaces[0].binding.owner = Some(owner);
    let text = script(&any_host(&ruleset), None, Action::Install);
    assert!(text.starts_with("#!/usr/sbin/nft -f\n"));
    for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        assert!(
            line.starts_with("add ") || line.starts_with("flush ") || line.starts_with("delete element "),
            "{line}"
        );
    }
}

#[test]
fn old_chains_and_links_are_taken_away_by_the_script() {
    let old = any_host(&ruleset("<rule action='drop' direction='inout'><arp/></rule>", "", Profile::Nwf));
    let new = any_host(&ruleset("<rule action='drop' direction='out'><arp/></rule>", "", Profile::Nwf));
    let text = script(&new, Some(&old), Action::Install);
    let tail: Vec<&str> = text.lines().skip_while(|line| !line.starts_with("# What the old plan")).skip(1).collect();
    assert_eq!(
        tail,
        [
            "add chain bridge nwf i.vnet0.l2i",
            "add element bridge nwf l2i { \"vnet0\" : jump i.vnet0.l2i }",
            "delete element bridge nwf l2i { \"vnet0\" }",
            "flush chain bridge nwf i.vnet0.l2i",
            "delete chain bridge nwf i.vnet0.l2i",
        ]
    );
    assert!(!script(&old, Some(&new), Action::Install).contains("# What the old plan"));
}
