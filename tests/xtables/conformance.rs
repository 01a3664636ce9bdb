//! The lists of commands against the public test data, by its own way of comparing.

use std::path::{Path, PathBuf};

use nwf::model::{Interim, Profile};
use nwf::plan::Scope;
use nwf::render::Manner;
use nwf::render::xtables::{Action, commands};
use nwf::resolve::{Families, interim};
use nwf::ruleset::Ruleset;

use super::given::{Given, data, list};

fn lines(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).unwrap().lines().map(str::to_owned).collect()
}

/// The blocks that are the same for every case.
fn blocks(folder: &Path) -> Vec<Vec<String>> {
    let text = std::fs::read_to_string(folder.join("common-blocks.txt")).unwrap();
    text.split("\n\n")
        .map(|block| block.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect())
        .filter(|block: &Vec<String>| !block.is_empty())
        .collect()
}

/// Cuts the blocks out, in order, each where it is found behind the one before.
fn without_blocks(mut list: Vec<String>, blocks: &[Vec<String>]) -> Vec<String> {
    let mut from = 0;
    for block in blocks {
        let found = (from..list.len()).find(|at| list[*at..].starts_with(block));
        if let Some(at) = found {
            list.drain(at..at + block.len());
            from = at;
        }
    }
    list
}

fn cases(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.path());
    let mut cases: Vec<PathBuf> = entries.filter(|path| path.join("filter.xml").is_file()).collect();
    cases.sort();
    cases
}

fn ruleset(case: &Path) -> Ruleset {
    let given = Given::case(Profile::Libvirt, &case.join("vars.json"));
    given.rules(&std::fs::read_to_string(case.join("filter.xml")).unwrap())
}

#[test]
fn eb_170_the_commands_of_building_are_those_of_the_data() {
    let Some(folder) = data().map(|data| data.join("nwfilter")) else { return };
    let blocks = blocks(&folder);
    assert_eq!(blocks.len(), 7);
    let cases = cases(&folder);
    for case in &cases {
        let built = list(&ruleset(case), Action::Build);
        let full = case.join("expected.full.args");
        if full.is_file() {
            assert_eq!(built, lines(&full), "{}", case.display());
        }
        let expected = lines(&case.join("expected.ebiptables.args"));
        assert_eq!(without_blocks(built, &blocks), expected, "{}", case.display());
    }
    assert!(cases.len() >= 28, "{} cases", cases.len());
    println!("{} cases", cases.len());
}

fn lifecycle(name: &str) -> Option<Vec<String>> {
    data().map(|folder| lines(&folder.join("nwfilter/_lifecycle").join(name)))
}

fn interim_rules(kind: Interim) -> Ruleset {
    let ruleset = Given::new(Profile::Libvirt).filter("");
    let mut bound = ruleset.interfaces[0].binding.clone();
    bound.filter = None;
    let servers = ["192.168.122.1", "10.0.0.1", "10.0.0.2"].map(|server| server.parse().unwrap());
    let mac = "10:20:30:40:50:60".parse().unwrap();
    let rules = interim(kind, bound, mac, Families::Ipv4, &servers);
    Ruleset { interfaces: vec![rules], ..ruleset }
}

#[test]
fn eb_110_eb_112_eb_113_the_lists_of_the_life_cycle_are_those_of_the_data() {
    let ruleset = Given::new(Profile::Libvirt).filter("<rule action='accept' direction='inout'/>");
    for (name, action) in
        [("tear-new.args", Action::Undo), ("tear-old.args", Action::Switch), ("all-teardown.args", Action::Remove)]
    {
        let Some(expected) = lifecycle(name) else { return };
        assert_eq!(list(&ruleset, action), expected, "{name}");
    }
}

#[test]
fn eb_130_to_eb_134_the_interim_rulesets_are_those_of_the_data() {
    for (name, kind, action) in [
        ("apply-basic.args", Interim::Basic, Action::Install),
        ("apply-dhcp-only.args", Interim::DhcpOnly, Action::Install),
        ("apply-drop-all.args", Interim::DropAll, Action::Install),
        ("remove-basic.args", Interim::Basic, Action::Undo),
        ("all-teardown.args", Interim::DropAll, Action::Remove),
    ] {
        let Some(expected) = lifecycle(name) else { return };
        // An interim ruleset has nothing that the scope is about.
        let manner = Manner { profile: Profile::Libvirt, scope: Scope::All };
        let text = commands(&interim_rules(kind), manner, None, action).unwrap();
        assert_eq!(text.lines().collect::<Vec<_>>(), expected, "{name}");
    }
}
