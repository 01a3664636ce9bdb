//! Lists of commands and texts of the restore tools over the life of an interface, on this kernel (EB-172).

use nwf::model::Profile;
use nwf::plan::Plan;
use nwf::plan::xtables::{Listing, TABLES, own_name, programs};
use nwf::render::xtables::{Action, RestoreAction, restore};
use nwf::ruleset::Ruleset;

use super::given::{Given, list, list_with, planned};
use super::host::Host;

/// Frames alone, with two sub-chains.
const ETHERNET: &[&str] = &[
    "<filter name='f' chain='root'><filterref filter='a'/><filterref filter='b'/>
       <rule action='drop' direction='inout' priority='900'/></filter>",
    "<filter name='a' chain='arp-a' priority='-400'><rule action='accept' direction='inout'><arp opcode='1'/></rule></filter>",
    "<filter name='b' chain='ipv6' priority='-300'><rule action='return' direction='in'><ipv6/></rule></filter>",
];
/// Frames and packets, with another sub-chain.
const BOTH: &[&str] = &[
    "<filter name='g' chain='root'><filterref filter='c'/><rule action='accept' direction='in'><tcp dstportstart='22' comment='a \"b\" \\ c'/></rule>
       <rule action='reject' direction='inout'><all/></rule><rule action='drop' direction='inout'><all-ipv6/></rule></filter>",
    "<filter name='c' chain='mac-c'><rule action='return' direction='out'><mac/></rule></filter>",
];
/// Packets alone.
const PACKETS: &[&str] = &["<filter name='h' chain='root'><rule action='drop' direction='in'><udp/></rule></filter>"];

fn rules(profile: Profile, filters: &[&str]) -> Ruleset {
    Given::new(profile).rules_of(filters)
}

fn neighbour(profile: Profile) -> Ruleset {
    Given::new(profile).on("vnet1").rules_of(BOTH)
}

/// What a state has of one interface: lines that name it, and all that stands in its chains of ebtables.
fn of(state: &str, interface: &str) -> String {
    let mut own = Vec::new();
    for part in state.split("\n\n") {
        let heading = part.lines().next().unwrap_or_default();
        let is_inside = heading.starts_with("Bridge chain: ") && heading.contains(interface);
        own.extend(part.lines().filter(|line| is_inside || line.contains(interface)));
    }
    own.join("\n")
}

/// All that is in the kernel, chains in the order of their names.
fn state(host: &Host) -> String {
    let mut parts: Vec<String> = host.listing().split("\n\n").map(str::to_owned).collect();
    parts.sort();
    parts.join("\n\n")
}

/// What is there after the rules were installed on a fresh host, behind the neighbour's.
fn fresh(name: &'static str, ruleset: &Ruleset) -> Option<String> {
    let host = Host::new(name)?;
    host.all(&list(&neighbour(ruleset.profile), Action::Install));
    host.all(&list(ruleset, Action::Install));
    Some(of(&state(&host), "vnet0"))
}

#[test]
fn eb_172_lists_of_commands() {
    for profile in [Profile::Nwf, Profile::Libvirt] {
        let Some(host) = Host::new("commands") else { return };
        let second = neighbour(profile);
        host.all(&list(&second, Action::Install));
        let beside = of(&state(&host), "vnet1");
        let mut old: Option<Plan> = None;
        let mut sequence = vec![ETHERNET, ETHERNET, BOTH, ETHERNET, BOTH, BOTH, PACKETS, ETHERNET];
        sequence.push(PACKETS);
        for filters in sequence {
            let ruleset = rules(profile, filters);
            host.all(&list_with(&ruleset, old.as_ref(), Action::Install));
            let own = of(&state(&host), "vnet0");
            let expected = fresh("expected", &ruleset).unwrap();
            // Base chains list the interfaces in the order of their last change; libvirt leaves its entry behind.
            let lines = |text: &str| {
                let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
                lines.retain(|line| profile == Profile::Nwf || !line.contains("in-post"));
                lines
            };
            assert_eq!(lines(&own), lines(&expected), "{profile}");
            assert_eq!(of(&state(&host), "vnet1"), beside, "{profile}");
            old = Some(planned(&ruleset));
        }
        let last = rules(profile, PACKETS);
        host.all(&list_with(&last, old.as_ref(), Action::Remove));
        assert_eq!(of(&state(&host), "vnet0"), "", "{profile}");
        assert_eq!(of(&state(&host), "vnet1"), beside, "{profile}");
    }
}

#[test]
fn eb_95_qe_13_a_build_that_is_dropped_leaves_nothing() {
    for profile in [Profile::Nwf, Profile::Libvirt] {
        let Some(host) = Host::new("undo") else { return };
        for filters in [ETHERNET, BOTH] {
            let ruleset = rules(profile, filters);
            host.all(&list(&ruleset, Action::Build));
            host.all(&list(&ruleset, Action::Undo));
            let left = of(&state(&host), "vnet0");
            match profile {
                Profile::Nwf => assert_eq!(left, ""),
                Profile::Libvirt => assert!(left.lines().all(|line| line.starts_with("-A libvirt-in-post ")), "{left}"),
            }
        }
        // With a tree in force its entry stays.
        host.all(&list(&rules(profile, BOTH), Action::Install));
        let in_force = of(&state(&host), "vnet0");
        host.all(&list(&rules(profile, PACKETS), Action::Build));
        host.all(&list(&rules(profile, PACKETS), Action::Undo));
        assert_eq!(of(&state(&host), "vnet0"), in_force, "{profile}");
    }
}

#[test]
fn qe_18_what_an_earlier_build_left_is_not_renamed_into_force() {
    let Some(host) = Host::new("leftover") else { return };
    host.all(&list(&rules(Profile::Nwf, BOTH), Action::Build));
    host.all(&list(&rules(Profile::Nwf, ETHERNET), Action::Install));
    let found = of(&state(&host), "vnet0");
    assert!(!found.contains("nwf-fi") && !found.contains("nwf-fj"), "{found}");
}

#[test]
fn qe_11_base_chains_are_never_taken_out() {
    for action in [Action::Install, Action::Build, Action::Undo, Action::Remove] {
        for line in list(&rules(Profile::Nwf, BOTH), action) {
            assert!(!line.contains("-D FORWARD") && !line.contains("-D INPUT"), "{line}");
        }
    }
    let built = list(&rules(Profile::Nwf, BOTH), Action::Build);
    let wanted = "iptables -w -C FORWARD -j nwf-out || iptables -w -I FORWARD 2 -j nwf-out";
    assert!(built.iter().any(|line| line == wanted), "{built:#?}");
}

#[test]
fn qe_16_chains_are_linked_when_they_are_full() {
    let built = list(&rules(Profile::Nwf, PACKETS), Action::Build);
    let at = |part: &str| built.iter().position(|line| line.contains(part)).unwrap();
    assert!(at("-A nwf-fp-vnet0 -p udp") < at("-A nwf-out "));
    let built = list(&rules(Profile::Libvirt, PACKETS), Action::Build);
    let at = |part: &str| built.iter().position(|line| line.contains(part)).unwrap();
    assert!(at("-A libvirt-out ") < at("-A FP-vnet0 -p udp"));
}

#[test]
fn eb_114_eb_115_sub_chains_are_removed_and_renamed_behind_all() {
    let old = planned(&rules(Profile::Libvirt, BOTH));
    let switch = list_with(&rules(Profile::Libvirt, ETHERNET), Some(&old), Action::Switch);
    let ebtables = |words: &str| format!("ebtables --concurrent -t nat {words}");
    let mut expected = vec![ebtables("-L I-vnet0-mac-c"), ebtables("-F I-vnet0-mac-c"), ebtables("-X I-vnet0-mac-c")];
    for (temporary, active) in
        [("J-vnet0-arp-a", "I-vnet0-arp-a"), ("P-vnet0-arp-a", "O-vnet0-arp-a"), ("P-vnet0-ipv6", "O-vnet0-ipv6")]
    {
        expected.push(ebtables(&format!("-L {temporary}")));
        expected.push(ebtables(&format!("-F {active}")));
        expected.push(ebtables(&format!("-X {active}")));
        expected.push(ebtables(&format!("-E {temporary} {active}")));
    }
    assert_eq!(switch[38..], expected);
}

#[test]
fn restore_texts_give_what_commands_give() {
    for profile in [Profile::Nwf, Profile::Libvirt] {
        let Some(host) = Host::new("restore") else { return };
        let second = planned(&neighbour(profile));
        host.restore(&restore(&second, None, RestoreAction::Install)).unwrap();
        let beside = of(&state(&host), "vnet1");
        let mut old: Option<Plan> = None;
        for filters in [ETHERNET, ETHERNET, BOTH, ETHERNET, BOTH, BOTH, PACKETS, ETHERNET, PACKETS] {
            let ruleset = rules(profile, filters);
            let plan = planned(&ruleset);
            // What is in force: the neighbour's rules, and ours.
            let mut in_force = second.clone();
            in_force.interfaces.extend(old.iter().flat_map(|old| old.interfaces.clone()));
            host.restore(&restore(&plan, Some(&in_force), RestoreAction::Install)).unwrap();
            assert_eq!(of(&state(&host), "vnet0"), fresh("expected", &ruleset).unwrap(), "{profile}");
            assert_eq!(of(&state(&host), "vnet1"), beside, "{profile}");
            old = Some(plan);
        }
        host.restore(&restore(&old.unwrap(), None, RestoreAction::Remove)).unwrap();
        assert_eq!(of(&state(&host), "vnet0"), "", "{profile}");
        assert_eq!(of(&state(&host), "vnet1"), beside, "{profile}");
    }
}

#[test]
fn a_restore_text_has_one_transaction_for_each_table() {
    let text = restore(&planned(&rules(Profile::Nwf, PACKETS)), None, RestoreAction::Install);
    assert_eq!(
        text,
        "# iptables-restore
*filter
-N nwf-in
-N nwf-out
-N nwf-in-post
-N nwf-host-in
-I FORWARD 1 -j nwf-in
-I FORWARD 2 -j nwf-out
-I FORWARD 3 -j nwf-in-post
-I INPUT 1 -j nwf-host-in
:nwf-fo-vnet0 - [0:0]
:nwf-fi-vnet0 - [0:0]
:nwf-hi-vnet0 - [0:0]
-A nwf-fo-vnet0 -p udp -m comment --comment f=h;r=1;l=1 -j DROP
-A nwf-fi-vnet0 -p udp -m comment --comment f=h;r=1;l=1 -j DROP
-A nwf-hi-vnet0 -p udp -m comment --comment f=h;r=1;l=1 -j DROP
-A nwf-out -m physdev --physdev-is-bridged --physdev-out vnet0 -g nwf-fo-vnet0
-A nwf-in -m physdev --physdev-in vnet0 -g nwf-fi-vnet0
-A nwf-host-in -m physdev --physdev-in vnet0 -g nwf-hi-vnet0
-A nwf-in-post -m physdev --physdev-in vnet0 -j ACCEPT
COMMIT
"
    );
    let old = planned(&rules(Profile::Nwf, PACKETS));
    let text = restore(&planned(&rules(Profile::Nwf, ETHERNET)), Some(&old), RestoreAction::Install);
    assert_eq!(
        text,
        "# ebtables-restore
*nat
:nwf-i-vnet0 ACCEPT
:i-vnet0-arp-a ACCEPT
:nwf-o-vnet0 ACCEPT
:o-vnet0-arp-a ACCEPT
:o-vnet0-ipv6 ACCEPT
-A nwf-i-vnet0 -p 0x0806 -j i-vnet0-arp-a
-A nwf-i-vnet0 -j DROP
-A i-vnet0-arp-a -p 0x806 --arp-opcode 1 -j ACCEPT
-A nwf-o-vnet0 -p 0x0806 -j o-vnet0-arp-a
-A nwf-o-vnet0 -p 0x86dd -j o-vnet0-ipv6
-A nwf-o-vnet0 -j DROP
-A o-vnet0-arp-a -p 0x806 --arp-opcode 1 -j ACCEPT
-A o-vnet0-ipv6 -p ipv6 -j RETURN
-A PREROUTING -i vnet0 -j nwf-i-vnet0
-A POSTROUTING -o vnet0 -j nwf-o-vnet0
COMMIT
# iptables-restore
*filter
-D nwf-out -m physdev --physdev-is-bridged --physdev-out vnet0 -g nwf-fo-vnet0
-D nwf-in -m physdev --physdev-in vnet0 -g nwf-fi-vnet0
-D nwf-host-in -m physdev --physdev-in vnet0 -g nwf-hi-vnet0
-D nwf-in-post -m physdev --physdev-in vnet0 -j ACCEPT
-F nwf-fo-vnet0
-F nwf-fi-vnet0
-F nwf-hi-vnet0
-X nwf-fo-vnet0
-X nwf-fi-vnet0
-X nwf-hi-vnet0
COMMIT
"
    );
}

/// What of a plan's links and constant parts the listings of a host say is there, and how many there are.
fn listed(host: &Host, plan: &Plan) -> (usize, usize) {
    let rendering = &plan.interfaces[0].renderings[0];
    let (mut there, mut all) = (0, 0);
    for table in TABLES {
        let (_, save) = programs(table).unwrap();
        let text = host.run(&[save, "-t", own_name(table).unwrap()], "").success(save).unwrap();
        let listing = Listing::read(table, &text);
        let links = rendering.links.iter().filter(|link| link.table == table);
        let found: Vec<bool> = links.map(|link| listing.has_link(link)).collect();
        let setup = rendering.setup.iter().filter(|statement| statement.starts_with(&table.to_string()));
        let parts: Vec<bool> = setup.map(|statement| listing.has_setup(statement)).collect();
        let chains = rendering.chains.iter().filter(|chain| chain.table == table);
        let chains: Vec<bool> = chains.map(|chain| listing.has_chain(&chain.name)).collect();
        for is_there in [found, parts, chains].concat() {
            all += 1;
            there += usize::from(is_there);
        }
    }
    (there, all)
}

#[test]
fn listings_tell_what_is_in_force() {
    for profile in [Profile::Nwf, Profile::Libvirt] {
        let Some(host) = Host::new("listing") else { return };
        let plan = planned(&rules(profile, BOTH));
        assert_eq!(listed(&host, &plan).0, 0);
        host.restore(&restore(&plan, None, RestoreAction::Install)).unwrap();
        let (there, all) = listed(&host, &plan);
        assert_eq!((there, all), (33, 33));
        host.restore(&restore(&plan, None, RestoreAction::Remove)).unwrap();
        // The constant part of both IP versions stays.
        assert_eq!(listed(&host, &plan).0, 16);
    }
}

#[test]
fn a_restore_text_that_fails_changes_nothing_in_its_table() {
    let Some(host) = Host::new("atomic") else { return };
    let plan = planned(&rules(Profile::Nwf, ETHERNET));
    host.restore(&restore(&plan, None, RestoreAction::Install)).unwrap();
    let before = state(&host);
    let text = restore(&planned(&rules(Profile::Nwf, BOTH)), Some(&plan), RestoreAction::Install);
    let broken = text.replacen("COMMIT", "-A nwf-i-vnet0 -p nonsense\nCOMMIT", 1);
    host.restore(&broken).unwrap_err();
    assert_eq!(state(&host), before);
}

#[test]
fn ten_thousand_combinations_load_at_once() {
    let mut given = Given::new(Profile::Nwf);
    let list = (0..10_000).map(|n| format!("10.{}.{}.{}", n / 250 / 250, n / 250 % 250, n % 250 + 1)).collect();
    given.parameters.insert("A".parse().unwrap(), list);
    let ruleset = given.filter("<rule action='accept' direction='in'><tcp srcipaddr='$A'/></rule>");
    let started = std::time::Instant::now();
    let text = restore(&planned(&ruleset), None, RestoreAction::Install);
    let rendered = started.elapsed();
    assert_eq!(text.lines().filter(|line| line.contains("-p tcp")).count(), 30_000);
    let Some(host) = Host::new("many") else { return };
    let started = std::time::Instant::now();
    host.restore(&text).unwrap();
    println!("rendered in {rendered:?}, loaded in {:?}", started.elapsed());
}
