//! Any rule that the reader takes is either refused, or loaded by the tools; by restore text and by command alike.

use nwf::leases::Leases;
use nwf::model::{Kind, Profile, Protocol, Role};
use nwf::plan::Scope;
use nwf::render::xtables::{Action, RestoreAction, Xtables, restore};
use nwf::render::{Options, plan};
use nwf::resolve::store::MemoryStore;
use nwf::resolve::{Limits, Target, resolve};
use nwf::ruleset::Ruleset;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use super::given::{list, planned};
use super::host::Host;

/// Values at the edges of a kind, as XML has them.
fn values(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::U8 => &["0", "1", "128", "254", "255"],
        Kind::U16 | Kind::U16Decimal => &["0", "1", "80", "1024", "65534", "65535"],
        Kind::U32 => &["0", "1", "4294967295"],
        Kind::Mac => &["0:0:0:0:0:0", "52:54:0:11:22:33", "ff:ff:ff:ff:ff:ff", "1:0:5e:0:0:1"],
        Kind::MacMask => &["0:0:0:0:0:0", "ff:ff:ff:0:0:0", "ff:ff:ff:ff:ff:fe", "ff:ff:ff:ff:ff:ff"],
        Kind::Ipv4 => &["0.0.0.0", "10.0.0.5", "224.0.0.1", "255.255.255.255"],
        Kind::Mask4 => &["0", "1", "24", "31", "32", "255.255.252.0"],
        Kind::Ipv6 => &["::", "::1", "fe80::1", "2001:db8::ffff:1", "::ffff:10.0.0.1", "ff02::1"],
        Kind::Mask6 => &["0", "1", "64", "127", "128"],
        Kind::Bool => &["true", "false"],
        Kind::Text => &["a", "it's \\ $HOME `x` ; #", "-j ACCEPT", "--comment", "\u{e9}\u{1F600}"],
        Kind::EtherType => &["0x600", "ipv4", "arp", "0x88cc", "65535"],
        Kind::VlanType => &["0x3c", "arp", "0x1234", "65535"],
        Kind::VlanId => &["0", "1", "4094", "4095"],
        Kind::ArpOperation => &["0", "Request", "ARP_NAK", "65535"],
        Kind::IpProtocol => &["0", "tcp", "udp", "icmp", "icmpv6", "132", "255"],
        Kind::Dscp => &["0", "8", "63"],
        Kind::State => &["NEW", "NONE", "ESTABLISHED,RELATED", "INVALID,NEW"],
        Kind::TcpFlags => &["SYN/ALL", "ALL/NONE", "SYN,ACK/SYN", "NONE/NONE", "FIN/FIN"],
        // A set must exist before a rule can name it.
        Kind::IpSet | Kind::IpSetFlags => &[],
    }
}

/// A rule in XML: its attributes in two elements, one of them inverted.
fn rule() -> impl Strategy<Value = String> {
    let head = (
        select(&["accept", "drop", "reject", "return", "continue"][..]),
        select(&["in", "out", "inout"][..]),
        select(&["", " statematch='false'"][..]),
    );
    (head, select(Protocol::ALL)).prop_flat_map(|((action, direction, state), protocol)| {
        let rows: Vec<_> = protocol.rows().iter().filter(|row| !values(row.kind).is_empty()).collect();
        let most = rows.len().min(6);
        subsequence(rows, 0..=most).prop_flat_map(move |rows| {
            let attributes: Vec<_> = rows
                .into_iter()
                .map(|row| {
                    let is_inverted = if row.role == Role::Remark { Just(false).boxed() } else { any::<bool>().boxed() };
                    (select(values(row.kind)), is_inverted).prop_map(move |(value, is_inverted)| {
                        let value = value.replace('\'', "&apos;");
                        (format!(" {}='{value}'", row.attribute), is_inverted)
                    })
                })
                .collect();
            attributes.prop_map(move |attributes| {
                let of = |inverted: bool| {
                    let own = attributes.iter().filter(|(_, is_inverted)| *is_inverted == inverted);
                    own.map(|(text, _)| text.as_str()).collect::<String>()
                };
                format!(
                    "<rule action='{action}' direction='{direction}'{state}><{protocol}{}/><{protocol} match='no'{}/></rule>",
                    of(false),
                    of(true)
                )
            })
        })
    })
}

/// The rules of one rule in XML; none if the reader or resolution refuses it.
fn rules(profile: Profile, rules: &str) -> Option<Ruleset> {
    let xml = format!("<filter name='f' chain='root'>{rules}</filter>");
    let outcome = nwf::xml::read(&xml, "filter.xml", profile);
    if outcome.problems.iter().any(nwf::xml::XmlProblem::is_error) {
        return None;
    }
    let target = Target {
        interface: "vnet0".parse().unwrap(),
        mac: None,
        filter: Some("f".parse().unwrap()),
        parameters: nwf::model::Parameters::new(),
        binding: None,
    };
    let store = MemoryStore::new(outcome.filters.filters);
    let resolved = resolve(&[target], &store, &Leases::default(), profile, Limits::default(), false).ok()?;
    Some(Ruleset { profile, ..resolved.ruleset })
}

#[test]
fn any_rule_is_loaded_or_refused() {
    let Some(host) = Host::new("any rule") else { return };
    let mut runner = TestRunner::deterministic();
    let (mut loaded, mut refused) = (0, 0);
    for profile in [Profile::Nwf, Profile::Libvirt] {
        let mut all: Option<Ruleset> = None;
        for _ in 0..1500 {
            let text = rule().new_tree(&mut runner).unwrap().current();
            let Some(ruleset) = rules(profile, &text) else { continue };
            let options = Options { scope: Some(Scope::Bridged), features: None };
            if plan(&ruleset, &Xtables, &options).is_err() {
                refused += 1;
                continue;
            }
            // libvirt prints what the tools refuse.
            let is_odd = text.contains("'continue'") || text.contains("mask='0");
            if profile == Profile::Libvirt && is_odd {
                continue;
            }
            loaded += 1;
            match &mut all {
                Some(all) => all.interfaces[0].rules.extend(ruleset.interfaces[0].rules.clone()),
                None => all = Some(ruleset),
            }
        }
        let mut all = all.unwrap();
        // The order of a ruleset (RES-84) is kept, as all have one priority and stand in root.
        let text = restore(&planned(&all), None, RestoreAction::Install);
        if let Err(why) = host.restore(&text) {
            // Which ones were it?
            let each: Vec<_> = std::mem::take(&mut all.interfaces[0].rules);
            for rule in each {
                all.interfaces[0].rules = vec![rule];
                let fresh = Host::new("one rule").unwrap();
                if let Err(why) = fresh.restore(&restore(&planned(&all), None, RestoreAction::Install)) {
                    eprintln!("{why}");
                }
            }
            panic!("{why}");
        }
        let by_restore = host.listing();
        let fresh = Host::new("commands").unwrap();
        let sample = all.interfaces[0].rules.len() / 8;
        all.interfaces[0].rules.truncate(sample);
        fresh.all(&list(&all, Action::Install));
        let by_commands = fresh.listing();
        let other = Host::new("restore").unwrap();
        other.restore(&restore(&planned(&all), None, RestoreAction::Install)).unwrap();
        assert_eq!(by_commands.lines().count(), other.listing().lines().count());
        assert!(by_restore.lines().count() > by_commands.lines().count());
        let sorted = |listing: String| {
            let mut lines: Vec<String> = listing.lines().map(str::to_owned).collect();
            lines.sort();
            lines
        };
        assert_eq!(sorted(by_commands), sorted(other.listing()));
    }
    assert!(loaded > 700 && refused > 30, "{loaded} loaded, {refused} refused");
    println!("{loaded} rules loaded, {refused} refused");
}
