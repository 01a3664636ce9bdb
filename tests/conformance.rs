//! Resolution against the public test data: each case's rules, placements and combinations must be as many, and in
//! the order, of the commands that libvirt makes for it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nwf::leases::Leases;
use nwf::model::{Attribute, Layer, Parameters, Profile, Value, format_ipv6};
use nwf::resolve::store::{Layered, MemoryStore, SearchPath};
use nwf::resolve::{Limits, Target, resolve};
use nwf::ruleset::{InterfaceRules, Rule, Side};

/// The folder of the data; says so where there is none.
fn data() -> Option<PathBuf> {
    let folder = std::env::var_os("NWF_CONFORMANCE_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance"), PathBuf::from);
    let there = folder.join("nwfilter").is_dir();
    if !there {
        eprintln!("skipped: no conformance data");
    }
    there.then_some(folder)
}

struct Case {
    name: String,
    rules: InterfaceRules,
    expected: Vec<String>,
}

fn variables(file: &Path) -> (String, Parameters) {
    let text = std::fs::read_to_string(file).unwrap();
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let lists: BTreeMap<String, Vec<String>> = serde_json::from_value(json["variables"].clone()).unwrap();
    let parameters = lists.into_iter().map(|(name, values)| (name.parse().unwrap(), values)).collect();
    (json["ifname"].as_str().unwrap().to_owned(), parameters)
}

fn cases() -> Vec<Case> {
    let Some(folder) = data() else { return Vec::new() };
    let mut cases = Vec::new();
    for entry in std::fs::read_dir(folder.join("nwfilter")).unwrap().flatten() {
        let folder = entry.path();
        let expected = folder.join("expected.ebiptables.args");
        if !expected.is_file() {
            continue;
        }
        let name = entry.file_name().into_string().unwrap();
        let file = folder.join("filter.xml");
        let text = std::fs::read_to_string(&file).unwrap();
        let outcome = nwf::xml::read(&text, &file.display().to_string(), Profile::Libvirt);
        assert!(outcome.problems.iter().all(|problem| !problem.is_error()), "{name}: {:?}", outcome.problems);
        let (interface, parameters) = variables(&folder.join("vars.json"));
        let top = outcome.filters.filters.first().unwrap().name.clone();
        let store = Layered(
            MemoryStore::new(outcome.filters.filters),
            SearchPath::new(vec![folder.join("filters")], Profile::Libvirt),
        );
        let target =
            Target { interface: interface.parse().unwrap(), mac: None, filter: Some(top), parameters, binding: None };
        let resolved = resolve(&[target], &store, &Leases::default(), Profile::Libvirt, Limits::default(), false);
        let rules = resolved.unwrap_or_else(|errors| panic!("{name}: {errors:?}")).ruleset.interfaces.remove(0);
        let expected = std::fs::read_to_string(expected).unwrap().lines().map(str::to_owned).collect();
        cases.push(Case { name, rules, expected });
    }
    cases.sort_by(|one, other| one.name.cmp(&other.name));
    cases
}

/// The chain that a rule's command appends to, for each command in order.
fn appended(rules: &InterfaceRules) -> Vec<String> {
    let interface = &rules.binding.interface;
    let mut chains = Vec::new();
    let mut of_layer = |layer: Layer| {
        for rule in rules.rules.iter().filter(|rule| rule.layer() == layer) {
            for _ in rule.combinations() {
                // EB-60: forward from the guest, forward to the guest, to the host.
                let sides: Vec<Side> =
                    rule.placements(Profile::Libvirt).iter().map(|placement| placement.side).collect();
                let names = match layer {
                    Layer::Ethernet => [(Side::FromGuest, 'J'), (Side::ToGuest, 'P'), (Side::ToGuest, '-')],
                    Layer::Ipv4 | Layer::Ipv6 => [(Side::FromGuest, 'F'), (Side::ToGuest, 'P'), (Side::FromGuest, 'H')],
                };
                for (side, letter) in names {
                    if letter == '-' || !sides.contains(&side) {
                        continue;
                    }
                    chains.push(match (layer, letter) {
                        (Layer::Ethernet, letter) if rule.chain.is_root() => {
                            format!("ebtables libvirt-{letter}-{interface}")
                        }
                        (Layer::Ethernet, letter) => format!("ebtables {letter}-{interface}-{}", rule.chain),
                        (layer, letter) => {
                            let tool = if layer == Layer::Ipv4 { "iptables" } else { "ip6tables" };
                            let chain = if letter == 'P' {
                                "FP"
                            } else if letter == 'F' {
                                "FJ"
                            } else {
                                "HJ"
                            };
                            format!("{tool} {chain}-{interface}")
                        }
                    });
                }
            }
        }
    };
    of_layer(Layer::Ethernet);
    of_layer(Layer::Ipv4);
    of_layer(Layer::Ipv6);
    chains
}

/// The chain that each rule command of the expected list appends to; jumps between chains are left out.
fn expected_chains(expected: &[String]) -> Vec<String> {
    let appends = |line: &String| {
        let words: Vec<&str> = line.split(' ').collect();
        let at = words.iter().position(|word| *word == "-A")?;
        let chain = words[at + 1];
        let target = words.last()?;
        let jump = words.contains(&"-j")
            && (target.starts_with("J-") || target.starts_with("P-") || target.starts_with("libvirt-"));
        let base = ["PREROUTING", "POSTROUTING"].contains(&chain)
            || chain.starts_with("libvirt-in")
            || chain.starts_with("libvirt-out");
        (!jump && !base && !words.contains(&"-g")).then(|| format!("{} {chain}", words[0]))
    };
    expected.iter().filter_map(appends).collect()
}

#[test]
fn conformance_nwfilter_rules_stand_in_the_chains_and_the_order_of_libvirt() {
    let cases = cases();
    for case in &cases {
        assert_eq!(appended(&case.rules), expected_chains(&case.expected), "{}", case.name);
    }
    println!("{} cases", cases.len());
}

/// The value of an option of an expected command.
fn option<'a>(line: &'a str, name: &str) -> Option<&'a str> {
    let mut words = line.split(' ');
    words.find(|word| *word == name)?;
    words.next()
}

/// Values of one attribute over the combinations of a rule.
fn values(rule: &Rule, attribute: Attribute) -> Vec<Option<String>> {
    let value = |positions: Vec<usize>| {
        let slots = rule.expression(attribute)?.test.slots();
        Some(match slots[0].value(&rule.wheels, &positions)? {
            Value::Ipv4(address) => address.to_string(),
            Value::Ipv6(address) => format_ipv6(*address),
            other => other.number()?.to_string(),
        })
    };
    rule.combinations().map(value).collect()
}

#[test]
fn conformance_iterators_give_the_values_in_the_order_of_libvirt() {
    for case in cases().iter().filter(|case| case.name.starts_with("iter")) {
        let fields = [
            (Attribute::SrcIpAddr, "--source"),
            (Attribute::SrcPortStart, "--sport"),
            (Attribute::DstPortStart, "--dport"),
        ];
        for (attribute, name) in fields {
            // As written: the chain for packets from the guest, as all these rules are about them.
            let lines = case.expected.iter().filter(|line| line.contains("-A FJ-"));
            let expected: Vec<_> = lines.map(|line| option(line, name).map(str::to_owned)).collect();
            let found: Vec<_> = case.rules.rules.iter().flat_map(|rule| values(rule, attribute)).collect();
            assert_eq!(found, expected, "{} {attribute}", case.name);
        }
    }
}
