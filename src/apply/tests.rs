//! Applying to a kernel that exists only in memory, with death at every step.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::File;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use proptest::prelude::*;

use super::state::faults;
use super::*;
use crate::model::{Bound, FilterName, Location, Profile, Provenance};
use crate::plan::{Feature, InterfacePlan, Line, Link, PlanKind, RejectMode, Rendering, Scope, StateMode};
use crate::problem::Problem as _;

/// A kernel as far as our statements go.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Kernel {
    tables: BTreeMap<String, SimTable>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct SimTable {
    comment: Option<String>,
    maps: BTreeMap<String, SimMap>,
    chains: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct SimMap {
    comment: Option<String>,
    elements: BTreeMap<String, (String, Option<String>)>,
}

impl Kernel {
    /// Loads one statement, as the kernel would.
    fn load(&mut self, text: &str) -> Result<(), &'static str> {
        let (command, rest) = text.split_once('{').map_or((text, ""), |(a, b)| (a, b));
        let words: Vec<&str> = command.split_whitespace().collect();
        let (verb, what, table) = (words[0], words[1], format!("{} {}", words[2], words[3]));
        let quoted = |text: &str, word: &str| {
            let (_, value) = text.split_once(&format!("{word}\""))?;
            Some(value.split_once('"')?.0.to_owned())
        };
        if what == "table" {
            match (verb, self.tables.contains_key(&table)) {
                ("add", true) => {}
                ("create", true) => return Err("File exists"),
                ("add" | "create", false) => {
                    let comment = quoted(rest, "comment ");
                    self.tables.insert(table, SimTable { comment, ..SimTable::default() });
                }
                ("delete", true) => drop(self.tables.remove(&table)),
                _ => return Err("No such file or directory"),
            }
            return Ok(());
        }
        let table = self.tables.get_mut(&table).ok_or("No such file or directory")?;
        let name = words[4].to_owned();
        let missing = "No such file or directory";
        match (verb, what) {
            ("add", "map") => {
                let comment = quoted(rest, "comment ");
                table.maps.entry(name).or_insert_with(|| SimMap { comment, ..SimMap::default() });
            }
            ("add", "chain") => drop(table.chains.entry(name).or_default()),
            ("flush", "chain") => table.chains.get_mut(&name).ok_or(missing)?.clear(),
            ("delete", "chain") => {
                let is_used = table.maps.values().flat_map(|map| map.elements.values()).any(|(to, _)| *to == name)
                    || table.chains.values().flatten().any(|rule| rule.ends_with(&format!("jump {name}")));
                if is_used {
                    return Err("Device or resource busy");
                }
                table.chains.remove(&name).ok_or(missing)?;
            }
            ("add", "rule") => {
                let rule = text.splitn(6, ' ').nth(5).unwrap();
                if rule.contains("nonsense") {
                    return Err("syntax error");
                }
                if let Some((_, to)) = rule.split_once("jump ")
                    && !table.chains.contains_key(to)
                {
                    return Err(missing);
                }
                table.chains.get_mut(&name).ok_or(missing)?.push(rule.to_owned());
            }
            ("add", "element") => {
                let key = quoted(rest, "").unwrap();
                let to = rest.split_once("jump ").unwrap().1.trim_end_matches([' ', '}']).to_owned();
                if !table.chains.contains_key(&to) {
                    return Err(missing);
                }
                let elements = &mut table.maps.get_mut(&name).ok_or(missing)?.elements;
                match elements.get(&key) {
                    Some((old, _)) if *old != to => return Err("File exists"),
                    Some(_) => {}
                    None => drop(elements.insert(key, (to, quoted(rest, "comment ")))),
                }
            }
            ("delete", "element") => {
                let key = quoted(rest, "").unwrap();
                table.maps.get_mut(&name).ok_or(missing)?.elements.remove(&key).ok_or(missing)?;
            }
            _ => panic!("the simulated kernel does not know: {text}"),
        }
        Ok(())
    }

    /// The rules and elements of an interface.
    fn of(&self, interface: &str) -> String {
        let mut text = String::new();
        let prefix = names::chain_prefix(&interface.parse().unwrap());
        for table in self.tables.values() {
            for (name, rules) in table.chains.iter().filter(|(name, _)| name.starts_with(&prefix)) {
                let _ = writeln!(text, "{name}: {rules:?}");
            }
            for (name, map) in &table.maps {
                if let Some(element) = map.elements.get(interface) {
                    let _ = writeln!(text, "{name}: {element:?}");
                }
            }
        }
        text
    }
}

/// A host that exists only in memory, and counts what it is asked to run.
#[derive(Default)]
struct Sim {
    inner: Mutex<SimInner>,
}

#[derive(Default)]
struct SimInner {
    kernel: Kernel,
    generation: u32,
    features: BTreeSet<Feature>,
    files: BTreeMap<PathBuf, String>,
    ran: Vec<&'static str>,
    /// Runs until nft does not start.
    fail_after: Option<usize>,
    has_no_generation: bool,
    /// Whether somebody else changes rules while a transaction runs.
    is_busy: bool,
}

impl Sim {
    fn new() -> Self {
        let sim = Sim::default();
        let mut inner = sim.inner.lock().unwrap();
        inner.generation = 7;
        for (path, text) in [
            ("/proc/sys/kernel/random/boot_id", "boot-1\n"),
            ("/proc/sys/kernel/osrelease", "6.1\n"),
            ("/proc/self/ns/net", "net:[1]"),
            ("/proc/self/status", "Name:\tx\nCapEff:\t000001fffeffffff\n"),
        ] {
            inner.files.insert(path.into(), text.to_owned());
        }
        drop(inner);
        sim
    }

    fn inner(&self) -> std::sync::MutexGuard<'_, SimInner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn set(&self, path: &str, text: &str) {
        self.inner().files.insert(path.into(), text.to_owned());
    }

    /// Somebody else changes rules.
    fn foreign(&self, statements: &[&str]) {
        let mut inner = self.inner();
        for text in statements {
            inner.kernel.load(text).unwrap();
        }
        inner.generation += 1;
    }

    fn flush(&self) {
        let mut inner = self.inner();
        inner.kernel = Kernel::default();
        inner.generation += 1;
    }

    fn kernel(&self) -> Kernel {
        self.inner().kernel.clone()
    }

    /// What was asked and run since the last call.
    fn ran(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.inner().ran)
    }

    fn count(inner: &mut SimInner, what: &'static str) -> io::Result<()> {
        inner.ran.push(what);
        match &mut inner.fail_after {
            Some(0) => Err(io::Error::new(io::ErrorKind::NotFound, "no nft")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }
}

impl Runner for Sim {
    fn try_script(&self, script: &str) -> io::Result<bool> {
        faults::step();
        let mut inner = self.inner();
        Sim::count(&mut inner, "try")?;
        let feature = match script {
            script if script.contains("reject") => Feature::BridgeReject,
            script if script.contains("inet") => Feature::InetConntrack,
            _ => Feature::BridgeConntrack,
        };
        Ok(inner.features.contains(&feature))
    }

    fn table(&self, table: Table) -> io::Result<Option<String>> {
        let mut inner = self.inner();
        Sim::count(&mut inner, "table")?;
        Ok(inner.kernel.tables.get(&table.to_string()).map(|table| table.comment.clone().unwrap_or_default()))
    }

    fn elements(&self, map: &str) -> io::Result<Vec<Element>> {
        let mut inner = self.inner();
        Sim::count(&mut inner, "elements")?;
        let map = inner.kernel.tables.get("bridge nwf").and_then(|table| table.maps.get(map));
        let element = |(interface, (target, comment)): (&String, &(String, Option<String>))| Element {
            interface: interface.clone(),
            target: Some(target.clone()),
            comment: comment.clone(),
        };
        Ok(map.map(|map| map.elements.iter().map(element).collect()).unwrap_or_default())
    }

    fn chains(&self) -> io::Result<Vec<String>> {
        let mut inner = self.inner();
        Sim::count(&mut inner, "chains")?;
        let table = inner.kernel.tables.get("bridge nwf");
        Ok(table.map(|table| table.chains.keys().cloned().collect()).unwrap_or_default())
    }

    fn rules(&self, table: Table, chain: &str) -> io::Result<Option<Vec<Option<String>>>> {
        let mut inner = self.inner();
        Sim::count(&mut inner, "rules")?;
        let rules = inner.kernel.tables.get(&table.to_string()).and_then(|table| table.chains.get(chain));
        let comment = |rule: &String| change::comment(rule).map(str::to_owned);
        Ok(rules.map(|rules| rules.iter().map(comment).collect()))
    }

    fn transaction(&self, script: &str, _lock: Option<&File>) -> io::Result<Ran> {
        faults::step();
        {
            let mut inner = self.inner();
            Sim::count(&mut inner, "transaction")?;
            let mut kernel = inner.kernel.clone();
            for (number, text) in script.lines().enumerate() {
                if let Err(why) = kernel.load(text) {
                    let number = number + 1;
                    let stderr = format!("/dev/stdin:{number}:1-2: Error: Could not process rule: {why}\n{text}\n^^\n");
                    return Ok(Ran { status: Some(1), stderr, ..Ran::default() });
                }
            }
            inner.kernel = kernel;
            inner.generation += 1 + u32::from(inner.is_busy);
        }
        // Killed when the kernel has done it and nobody has noted it.
        faults::step();
        Ok(Ran { status: Some(0), ..Ran::default() })
    }

    fn generation(&self) -> Option<u32> {
        let inner = self.inner();
        (!inner.has_no_generation).then_some(inner.generation)
    }

    fn file(&self, path: &Path) -> io::Result<String> {
        self.inner().files.get(path).cloned().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn link(&self, path: &Path) -> io::Result<String> {
        self.file(path)
    }
}

/// A host, its state, and short ways to apply.
struct Lab {
    sim: Sim,
    folder: tempfile::TempDir,
}

impl Lab {
    fn new() -> Self {
        Lab { sim: Sim::new(), folder: tempfile::tempdir().unwrap() }
    }

    fn applier(&self, options: Options) -> Applier<'_> {
        Applier { runner: &self.sim, folder: self.folder.path().join("nwf"), options, critical: &() }
    }

    fn install(&self, plans: &[InterfacePlan]) -> Result<Report, Vec<ApplyError>> {
        let outcome = self.applier(Options::default()).install(document(plans), None);
        outcome.map(|outcome| outcome.report)
    }

    fn check(&self, plans: &[InterfacePlan]) -> Result<Report, Vec<ApplyError>> {
        let options = Options { check: true, diff: true };
        self.applier(options).install(document(plans), None).map(|outcome| outcome.report)
    }

    fn remove(&self, names: &[&str]) -> Result<Report, ApplyError> {
        let names: Vec<InterfaceName> = names.iter().map(|name| name.parse().unwrap()).collect();
        self.applier(Options::default()).remove(&names).map(|outcome| outcome.report)
    }

    fn lose_state(&self) {
        let _ = std::fs::remove_dir_all(self.folder.path().join("nwf"));
    }

    fn store(&self) -> Store {
        Store::open(&self.folder.path().join("nwf"), Access::Read, None).unwrap()
    }
}

fn document(plans: &[InterfacePlan]) -> Vec<(String, Plan)> {
    let interfaces = plans.to_vec();
    let plan = Plan { nwf: PlanKind, profile: Profile::Nwf, backend: BackendName::Nft, interfaces };
    vec![("plan.json".to_owned(), plan)]
}

fn actions(report: &Report) -> Vec<Action> {
    report.interfaces.iter().map(|interface| interface.action).collect()
}

fn base() -> Vec<String> {
    let mark = "comment \"owner=nwf;schema=1\"; }";
    let mut texts = vec![format!("add table bridge nwf {{ {mark}")];
    for map in names::MAPS {
        texts.push(format!("add map bridge nwf {map} {{ type ifname : verdict; {mark}"));
    }
    for map in names::MAPS {
        texts.push(format!("add chain bridge nwf b_{map} {{ type filter hook prerouting priority -300; }}"));
        texts.push(format!("flush chain bridge nwf b_{map}"));
        texts.push(format!("add rule bridge nwf b_{map} iifname vmap @{map}"));
    }
    texts
}

/// A rendering: stages (`l2o`, or `l2o.arp` for a chain that a stage jumps to), each with its rules.
fn rendering(interface: &str, setup: Vec<String>, stages: &[(&str, &[&str])]) -> Rendering {
    let prefix = names::chain_prefix(&interface.parse().unwrap());
    let table = Table::BridgeNwf;
    let mut chains = Vec::new();
    for (stage, rules) in stages {
        let mut lines: Vec<Line> = Vec::new();
        for (other, _) in stages.iter().filter(|(other, _)| other.starts_with(&format!("{stage}."))) {
            lines.push(Line { text: format!("jump {prefix}{other}"), provenance: None });
        }
        for (number, rule) in rules.iter().enumerate() {
            let number = u32::try_from(number).unwrap() + 1;
            let text = format!("{rule} comment \"f=test;r={number};l={}\"", number * 10);
            let at = Location { file: "test.xml".into(), line: number * 10, column: 3 };
            let filter: FilterName = "test".parse().unwrap();
            lines.push(Line { text, provenance: Some(Provenance { filter, rule: number, at: Some(at) }) });
        }
        chains.push(PlanChain { table, name: format!("{prefix}{stage}"), lines });
    }
    let ends: Vec<_> = stages.iter().map(|(stage, _)| *stage).filter(|stage| !stage.contains('.')).collect();
    let ends: Vec<_> = ends.into_iter().map(|map| (table, map.to_owned(), format!("{prefix}{map}"))).collect();
    let hash = Rendering::compute_hash(&setup, &chains, &ends);
    let links = ends.into_iter().map(|(table, from, to)| {
        let element = format!("element {table} {from} {{ \"{interface}\"");
        let (make, take) = (format!("add {element} : jump {to} }}"), format!("delete {element} }}"));
        let marked = format!("add {element} comment \"{}\" : jump {to} }}", names::mark(&hash));
        Link { table, from, to, install: vec![make.clone(), take.clone(), marked], remove: vec![make, take] }
    });
    let links = links.collect();
    let requires = BTreeSet::new();
    Rendering { requires, state: StateMode::None, reject: RejectMode::Drop, setup, chains, links, hash }
}

fn plan_of(interface: &str, renderings: Vec<Rendering>) -> InterfacePlan {
    let binding = Bound {
        interface: interface.parse().unwrap(),
        mac: None,
        filter: None,
        interim: None,
        parameters: BTreeMap::new(),
        owner: None,
        link_device: None,
    };
    InterfacePlan { binding, scope: Scope::All, renderings }
}

fn plan(interface: &str, stages: &[(&str, &[&str])]) -> InterfacePlan {
    plan_of(interface, vec![rendering(interface, base(), stages)])
}

/// Plans that differ in chains, links and rules.
fn variants(interface: &str) -> Vec<InterfacePlan> {
    vec![
        plan(interface, &[("l2o", &["drop"])]),
        plan(interface, &[("l2o", &["accept", "drop"]), ("l2o.arp", &["drop"]), ("l2i", &["drop"])]),
        plan(interface, &[("l3o", &["drop"]), ("l3i", &["drop"])]),
        plan(interface, &[("l2o", &["drop"]), ("l2o.mac", &[]), ("l3o", &["drop"]), ("l3b", &["accept"])]),
    ]
}

#[test]
fn applying_twice_runs_nothing_the_second_time() {
    let lab = Lab::new();
    let plans = [plan("vnet0", &[("l2o", &["drop"])]), plan("vnet1", &[("l2i", &["drop"])])];
    let report = lab.install(&plans).unwrap();
    assert_eq!(actions(&report), [Action::Installed; 2]);
    assert!(report.changed);
    assert_eq!(lab.sim.ran(), ["table", "table", "transaction"]);
    let before = lab.sim.kernel();
    let report = lab.install(&plans).unwrap();
    assert_eq!(actions(&report), [Action::Unchanged; 2]);
    assert!(!report.changed);
    assert_eq!(lab.sim.ran(), [""; 0], "the generation tells that nothing has changed");
    assert_eq!(lab.sim.kernel(), before);
}

/// One look at our table and its maps.
const LOOK: [&str; 6] = ["table", "elements", "elements", "elements", "elements", "elements"];

#[test]
fn without_a_generation_the_maps_and_chains_are_looked_at() {
    let lab = Lab::new();
    lab.sim.inner().has_no_generation = true;
    let plans = [plan("vnet0", &[("l2o", &["drop"])])];
    lab.install(&plans).unwrap();
    lab.sim.ran();
    assert_eq!(actions(&lab.install(&plans).unwrap()), [Action::Unchanged]);
    // The base chains and the interface's.
    assert_eq!(lab.sim.ran(), [&LOOK[..], &["rules"; 6]].concat());
}

#[test]
fn a_change_by_somebody_else_costs_one_look() {
    let lab = Lab::new();
    lab.install(&[plan("vnet0", &[("l2o", &["drop"])])]).unwrap();
    lab.sim.foreign(&["add table bridge other"]);
    lab.sim.ran();
    lab.install(&[plan("vnet0", &[("l2o", &["accept"])])]).unwrap();
    assert_eq!(lab.sim.ran(), [&LOOK[..], &["transaction"]].concat());
}

#[test]
fn a_change_by_somebody_else_under_way_is_looked_for_the_next_time() {
    let lab = Lab::new();
    let plans = [plan("vnet0", &[("l2o", &["drop"])])];
    lab.sim.inner().is_busy = true;
    lab.install(&plans).unwrap();
    lab.sim.ran();
    for expected in [[&LOOK[..], &["rules"; 6]].concat(), Vec::new()] {
        assert_eq!(actions(&lab.install(&plans).unwrap()), [Action::Unchanged]);
        assert_eq!(lab.sim.ran(), expected);
    }
}

#[test]
fn a_replacement_removes_what_the_new_plan_lacks() {
    for first in 0..4 {
        for second in 0..4 {
            let lab = Lab::new();
            let plans = variants("vnet0");
            lab.install(&plans[first..=first]).unwrap();
            let report = lab.install(&plans[second..=second]).unwrap();
            let expected = if first == second { Action::Unchanged } else { Action::Replaced };
            assert_eq!(actions(&report), [expected]);
            let clean = Lab::new();
            clean.install(&plans[second..=second]).unwrap();
            assert_eq!(lab.sim.kernel(), clean.sim.kernel(), "{first} then {second}");
        }
    }
}

#[test]
fn one_interface_is_changed_and_the_other_left_alone() {
    let lab = Lab::new();
    let other = plan("vnet1", &[("l2o", &["drop"])]);
    lab.install(&[plan("vnet0", &[("l2o", &["drop"])]), other.clone()]).unwrap();
    let before = lab.sim.kernel().of("vnet1");
    let report = lab.install(&[plan("vnet0", &[("l2i", &["drop"])]), other]).unwrap();
    assert_eq!(actions(&report), [Action::Replaced, Action::Unchanged]);
    assert_eq!(lab.sim.kernel().of("vnet1"), before);
    lab.remove(&["vnet0"]).unwrap();
    assert_eq!(lab.sim.kernel().of("vnet0"), "");
    assert_eq!(lab.sim.kernel().of("vnet1"), before);
}

#[test]
fn removing_what_has_no_rules_changes_nothing() {
    let lab = Lab::new();
    let report = lab.remove(&["vnet0", "vnet0"]).unwrap();
    assert_eq!(actions(&report), [Action::Unchanged]);
    assert!(!report.changed);
    assert_eq!(lab.sim.kernel(), Kernel::default());
}

#[test]
fn nft_126_after_a_flush_the_rules_come_back_and_others_are_named() {
    let lab = Lab::new();
    let plans = [plan("vnet0", &[("l2o", &["drop"])]), plan("vnet1", &[("l2o", &["drop"])])];
    lab.install(&plans).unwrap();
    let before = lab.sim.kernel();
    lab.sim.flush();
    let report = lab.check(&plans[..1]).unwrap();
    assert_eq!(actions(&report), [Action::WouldInstall]);
    assert_eq!(report.before.as_deref(), Some(""), "nothing is in force");
    let report = lab.install(&plans[..1]).unwrap();
    assert_eq!(actions(&report), [Action::Installed]);
    assert_eq!(report.warnings, ["the rules of `vnet1` are gone from the kernel: somebody has flushed them"]);
    assert_eq!(actions(&lab.install(&plans).unwrap()), [Action::Unchanged, Action::Installed]);
    assert_eq!(lab.sim.kernel(), before);
    lab.sim.flush();
    assert_eq!(actions(&lab.remove(&["vnet0"]).unwrap()), [Action::Unchanged]);
    assert_eq!(lab.store().record(&"vnet0".parse().unwrap()), None);
}

#[test]
fn nft_107_a_table_without_our_mark_is_not_touched() {
    let error = |result: Result<Report, Vec<ApplyError>>| result.unwrap_err()[0].to_string();
    let text = "the table `bridge nwf` is not ours: it has no comment `owner=nwf`";
    for statements in [
        &["add table bridge nwf", "add chain bridge nwf mine"][..],
        &["add table bridge nwf", "add map bridge nwf l2o { type ifname : verdict; }"],
    ] {
        let lab = Lab::new();
        lab.sim.foreign(statements);
        let before = lab.sim.kernel();
        let plans = [plan("vnet0", &[("l2o", &["drop"])])];
        assert_eq!(error(lab.check(&plans)), text);
        assert_eq!(error(lab.install(&plans)), text);
        assert_eq!(lab.applier(Options::default()).remove_all().unwrap_err().to_string(), text);
        assert_eq!(lab.sim.kernel(), before);
    }
}

#[test]
fn nft_107_a_table_of_another_schema_is_not_touched() {
    let lab = Lab::new();
    lab.sim.foreign(&[
        "add table bridge nwf { comment \"owner=nwf;schema=2\"; }",
        "add map bridge nwf l2o { type ifname : verdict; comment \"owner=nwf;schema=2\"; }",
    ]);
    let errors = lab.install(&[plan("vnet0", &[("l2o", &["drop"])])]).unwrap_err();
    assert_eq!(
        errors[0].to_string(),
        "the table `bridge nwf` was made by another version of nwf: its comment is `owner=nwf;schema=2`"
    );
}

#[test]
fn a_lost_state_is_made_anew_of_names_and_marks() {
    for first in 0..4 {
        for second in 0..4 {
            let lab = Lab::new();
            let plans = variants("vnet0");
            let other = plan("vnet.1", &[("l2o", &["drop"]), ("l2o.arp", &["drop"])]);
            lab.install(&[plans[first].clone(), other.clone()]).unwrap();
            lab.lose_state();
            let report = lab.install(&plans[second..=second]).unwrap();
            let expected = if first == second { Action::Unchanged } else { Action::Replaced };
            assert_eq!(actions(&report), [expected], "{first} then {second}");
            let clean = Lab::new();
            clean.install(&[plans[second].clone(), other.clone()]).unwrap();
            assert_eq!(lab.sim.kernel(), clean.sim.kernel());
            // The other is known again as well.
            assert_eq!(actions(&lab.install(std::slice::from_ref(&other)).unwrap()), [Action::Unchanged]);
            lab.lose_state();
            assert_eq!(actions(&lab.remove(&["vnet.1"]).unwrap()), [Action::Removed]);
            assert_eq!(lab.sim.kernel().of("vnet.1"), "");
        }
    }
}

#[test]
fn chains_without_an_element_are_found_when_the_state_is_lost() {
    let lab = Lab::new();
    lab.install(&variants("vnet0")[1..2]).unwrap();
    lab.sim.foreign(&["delete element bridge nwf l2o { \"vnet0\" }", "delete element bridge nwf l2i { \"vnet0\" }"]);
    lab.lose_state();
    assert_eq!(actions(&lab.remove(&["vnet0"]).unwrap()), [Action::Removed]);
    assert_eq!(lab.sim.kernel().of("vnet0"), "");
}

#[test]
fn drift_is_found_by_check_and_put_right_by_apply() {
    let cases: &[(&[&str], &str)] = &[
        (&["delete element bridge nwf l2i { \"vnet0\" }"], "the map `l2i` has no element `vnet0`"),
        (
            &["flush chain bridge nwf i.vnet0.l2o.arp"],
            "the chain `bridge nwf i.vnet0.l2o.arp` has 0 rules instead of 1",
        ),
        (&["add rule bridge nwf i.vnet0.l2i accept"], "the chain `bridge nwf i.vnet0.l2i` has 2 rules instead of 1"),
        (
            &["flush chain bridge nwf i.vnet0.l2i", "add rule bridge nwf i.vnet0.l2i accept comment \"f=x\""],
            "the rules of the chain `bridge nwf i.vnet0.l2i` have other comments",
        ),
        (&["flush chain bridge nwf b_l2o"], "the chain `bridge nwf b_l2o` has 0 rules instead of 1"),
        (
            &[
                "add chain bridge nwf evil",
                "delete element bridge nwf l2i { \"vnet0\" }",
                "add element bridge nwf l2i { \"vnet0\" : jump evil }",
            ],
            "the element `vnet0` of the map `l2i` does not lead to the chain `i.vnet0.l2i`",
        ),
        (
            &["add chain bridge nwf evil", "add element bridge nwf l3b { \"vnet0\" : jump evil }"],
            "the map `l3b` has an element `vnet0` that is not in the plan",
        ),
        (
            &[
                "delete element bridge nwf l2i { \"vnet0\" }",
                "add element bridge nwf l2i { \"vnet0\" comment \"h=0000000000000000\" : jump i.vnet0.l2i }",
            ],
            "the element `vnet0` of the map `l2i` is marked as of other rules",
        ),
    ];
    for (statements, sentence) in cases {
        let lab = Lab::new();
        let plans = &variants("vnet0")[1..2];
        lab.install(plans).unwrap();
        let before = lab.sim.kernel().of("vnet0");
        lab.sim.foreign(statements);
        let broken = lab.sim.kernel();
        let report = lab.check(plans).unwrap();
        assert_eq!(actions(&report), [Action::WouldReplace]);
        assert_eq!(report.interfaces[0].drift, [*sentence]);
        assert_ne!(report.before, report.after);
        assert_eq!(lab.sim.kernel(), broken);
        assert_eq!(actions(&lab.install(plans).unwrap()), [Action::Replaced]);
        assert_eq!(lab.sim.kernel().of("vnet0"), before);
        assert!(!lab.check(plans).unwrap().changed);
    }
}

#[test]
fn drift_of_one_interface_is_not_forgotten_when_another_is_changed() {
    let lab = Lab::new();
    let (one, other) = (plan("vnet0", &[("l2o", &["drop"])]), plan("vnet1", &[("l2o", &["drop"])]));
    lab.install(&[one.clone(), other.clone()]).unwrap();
    lab.sim.foreign(&["flush chain bridge nwf i.vnet0.l2o"]);
    lab.install(&[plan("vnet1", &[("l2o", &["accept"])])]).unwrap();
    lab.install(std::slice::from_ref(&other)).unwrap();
    assert_eq!(actions(&lab.check(std::slice::from_ref(&one)).unwrap()), [Action::WouldReplace]);
    assert_eq!(actions(&lab.install(&[one, other]).unwrap()), [Action::Replaced, Action::Unchanged]);
}

#[test]
fn check_changes_neither_kernel_nor_state() {
    let lab = Lab::new();
    let plans = variants("vnet0");
    let report = lab.check(&plans[..1]).unwrap();
    assert_eq!(actions(&report), [Action::WouldInstall]);
    insta::assert_snapshot!(report.after.unwrap(), @r#"
    interface vnet0
      chain bridge nwf i.vnet0.l2o
        drop comment "f=test;r=1;l=10"
      link bridge nwf l2o -> i.vnet0.l2o
    "#);
    assert!(!lab.folder.path().join("nwf").exists());
    assert_eq!(lab.sim.kernel(), Kernel::default());
    lab.install(&plans[..1]).unwrap();
    let options = Options { check: true, diff: false };
    let report = lab.applier(options).remove(&["vnet0".parse().unwrap()]).unwrap().report;
    assert_eq!(actions(&report), [Action::WouldRemove]);
    let report = lab.applier(options).remove_all().unwrap().report;
    assert_eq!(actions(&report), [Action::WouldRemove]);
    assert_ne!(lab.sim.kernel().of("vnet0"), "");
}

#[test]
fn remove_all_removes_our_tables_and_no_others() {
    let lab = Lab::new();
    lab.sim.foreign(&["add table inet other", "add table bridge libvirt_nwfilter_inet"]);
    let before = lab.sim.kernel();
    lab.install(&[plan("vnet0", &[("l2o", &["drop"])]), relay_plan("vnet1")]).unwrap_err();
    switch_on(&lab.sim);
    lab.install(&[plan("vnet0", &[("l2o", &["drop"])]), relay_plan("vnet1")]).unwrap();
    assert!(lab.sim.kernel().tables.contains_key("inet nwf"));
    let report = lab.applier(Options::default()).remove_all().unwrap().report;
    assert_eq!(actions(&report), [Action::Removed; 2]);
    assert_eq!(lab.sim.kernel(), before);
    assert!(!lab.applier(Options::default()).remove_all().unwrap().report.changed);
    assert_eq!(lab.store().interfaces().unwrap().len(), 0);
}

fn relay_plan(interface: &str) -> InterfacePlan {
    let mut setup = base();
    setup.push("add table inet nwf { comment \"owner=nwf;schema=1;relay\"; }".to_owned());
    let mut native = rendering(interface, base(), &[("l3o", &["native"])]);
    native.requires = BTreeSet::from([Feature::BridgeConntrack]);
    native.state = StateMode::Native;
    let mut relay = rendering(interface, setup, &[("l3o", &["relay"])]);
    relay.requires = BTreeSet::from([Feature::InetConntrack, Feature::BridgeNetfilter]);
    relay.state = StateMode::Relay;
    plan_of(interface, vec![native, relay])
}

const SWITCHES: [&str; 2] =
    ["/proc/sys/net/bridge/bridge-nf-call-iptables", "/proc/sys/net/bridge/bridge-nf-call-ip6tables"];

fn switch_on(sim: &Sim) {
    sim.inner().features.insert(Feature::InetConntrack);
    for path in SWITCHES {
        sim.set(path, "1\n");
    }
}

#[test]
fn nft_112_the_first_rendering_that_fits_is_taken() {
    let lab = Lab::new();
    switch_on(&lab.sim);
    let plans = [relay_plan("vnet0")];
    let report = lab.install(&plans).unwrap();
    assert_eq!(report.interfaces[0].state, Some(StateMode::Relay));
    assert_eq!(lab.sim.ran(), ["table", "try", "try", "try", "table", "table", "transaction"]);
    // Once a boot.
    lab.install(&[relay_plan("vnet1")]).unwrap();
    assert_eq!(lab.sim.ran(), ["transaction"]);
    lab.sim.inner().features.insert(Feature::BridgeConntrack);
    assert_eq!(lab.install(&plans).unwrap().interfaces[0].state, Some(StateMode::Relay));
    lab.sim.set("/proc/sys/kernel/random/boot_id", "boot-2");
    assert_eq!(lab.install(&plans).unwrap().interfaces[0].state, Some(StateMode::Native));
}

#[test]
fn nft_112_probe_asks_anew() {
    let lab = Lab::new();
    switch_on(&lab.sim);
    let features = lab.applier(Options::default()).probe().unwrap();
    assert_eq!(features.has, BTreeSet::from([Feature::InetConntrack, Feature::BridgeNetfilter]));
    assert_eq!(features.kernel.as_deref(), Some("6.1"));
    lab.sim.inner().features.insert(Feature::BridgeConntrack);
    let features = lab.applier(Options::default()).probe().unwrap();
    assert!(features.has.contains(&Feature::BridgeConntrack));
    assert_eq!(lab.install(&[relay_plan("vnet0")]).unwrap().interfaces[0].state, Some(StateMode::Native));
}

fn shown(error: &ApplyError) -> String {
    let help = miette::Diagnostic::help(error).map(|help| help.to_string()).unwrap_or_default();
    format!("{error}\n{help}")
}

#[test]
fn nft_150_what_is_missing_is_named_with_remedies() {
    let lab = Lab::new();
    let errors = lab.install(&[relay_plan("vnet0"), relay_plan("vnet1")]).unwrap_err();
    assert_eq!(errors.len(), 2);
    insta::assert_snapshot!(shown(&errors[0]), @r"
    the rules of `vnet0` need what this host lacks: `bridge-conntrack`, or `inet-conntrack` and `bridge-netfilter`
    bridge-conntrack: load the kernel module nf_conntrack_bridge (Linux 5.3 or newer)
    inet-conntrack: load the kernel modules nf_conntrack and nft_ct
    bridge-netfilter: load the kernel module br_netfilter
    or use statematch='false' in the filter's rules
    ");
    assert_eq!(lab.sim.kernel(), Kernel::default());
    // A module that was loaded since is found without a new boot.
    switch_on(&lab.sim);
    lab.install(&[relay_plan("vnet0")]).unwrap();
}

#[test]
fn nft_114_relay_needs_the_switches_of_the_bridge() {
    let lab = Lab::new();
    switch_on(&lab.sim);
    for path in SWITCHES {
        lab.sim.set(path, "0\n");
    }
    // On no bridge yet: a warning.
    let report = lab.install(&[relay_plan("vnet9")]).unwrap();
    assert_eq!(
        report.interfaces[0].warnings,
        [
            "the rules of `vnet9` need connection state, and it is on no bridge yet: packets that need it are dropped if \
          its bridge does not pass them to br_netfilter"
        ]
    );
    let port = "/sys/class/net/vnet0/brport/bridge";
    lab.sim.set(port, "../../../br0");
    lab.sim.set(&format!("{port}/bridge/nf_call_iptables"), "1\n");
    lab.sim.set(&format!("{port}/bridge/nf_call_ip6tables"), "0\n");
    let errors = lab.install(&[relay_plan("vnet0")]).unwrap_err();
    insta::assert_snapshot!(shown(&errors[0]), @r"
    the rules of `vnet0` need connection state, but bridged packets do not pass br_netfilter on its bridge `br0`
    switch it on for this bridge: `ip link set br0 type bridge nf_call_iptables 1 nf_call_ip6tables 1`; or use statematch='false' in the filter's rules
    ");
    // One by the bridge and one for all bridges.
    lab.sim.set(SWITCHES[1], "1\n");
    lab.install(&[relay_plan("vnet0")]).unwrap();
}

#[test]
fn a_refusal_names_the_rule_that_it_is_about() {
    let lab = Lab::new();
    lab.install(&[plan("vnet0", &[("l2o", &["drop"])])]).unwrap();
    let before = lab.sim.kernel();
    let bad = [plan("vnet1", &[("l2o", &["drop"])]), plan("vnet0", &[("l2o", &["drop", "nonsense"])])];
    let errors = lab.install(&bad).unwrap_err();
    insta::assert_snapshot!(shown(&errors[0]), @r#"
    nft refused the rules of `vnet0` at rule 2 of the filter `test`: `add rule bridge nwf i.vnet0.l2o nonsense comment "f=test;r=2;l=20"`
    nothing was changed; nft said:
    /dev/stdin:31:1-2: Error: Could not process rule: syntax error
    add rule bridge nwf i.vnet0.l2o nonsense comment "f=test;r=2;l=20"
    ^^
    "#);
    assert_eq!(errors[0].location().unwrap().to_string(), "test.xml:20:3");
    assert_eq!(lab.sim.kernel(), before);
    assert_eq!(lab.store().transaction(), None);
    assert_eq!(actions(&lab.install(&[plan("vnet0", &[("l2o", &["drop"])])]).unwrap()), [Action::Unchanged]);
}

#[test]
fn plans_that_nwf_render_does_not_write_are_refused() {
    let good = plan("vnet0", &[("l2o", &["drop"])]);
    let broken = |change: &dyn Fn(&mut Rendering)| {
        let mut plan = good.clone();
        change(&mut plan.renderings[0]);
        plan
    };
    let cases: Vec<(InterfacePlan, &str)> = vec![
        (plan_of("vnet0", Vec::new()), "it has no renderings"),
        (
            broken(&|rendering| rendering.chains[0].name = "b_l2o".to_owned()),
            "the chain `bridge nwf b_l2o` is not one of `vnet0`",
        ),
        (
            broken(&|rendering| rendering.chains[0].name = "i.vnet0.x;y".to_owned()),
            "the chain `bridge nwf i.vnet0.x;y` is not one of `vnet0`",
        ),
        (
            broken(&|rendering| rendering.chains[0].table = Table::EbtablesNat),
            "the chain `ebtables nat i.vnet0.l2o` is not one of `vnet0`",
        ),
        (
            broken(&|rendering| rendering.links[0].to = "other".to_owned()),
            "a link leads to `other`, which is none of its chains",
        ),
        (
            broken(&|rendering| rendering.chains[0].lines[0].text.push_str("\nflush ruleset")),
            "a statement has control characters: `drop comment \\\"f=test;r=1;l=10\\\"\\nflush ruleset`",
        ),
        (broken(&|rendering| rendering.chains[0].lines.clear()), "its hash does not fit its texts"),
    ];
    let lab = Lab::new();
    for (plan, why) in cases {
        let errors = lab.install(&[plan]).unwrap_err();
        assert_eq!(errors[0].to_string(), format!("the plan of `vnet0` is wrong: {why}"));
    }
    let errors = lab.install(&[good.clone(), good.clone()]).unwrap_err();
    assert_eq!(errors[0].to_string(), "the interface `vnet0` is planned twice, in `plan.json` and in `plan.json`");
    let mut other = document(&[good]);
    other[0].1.backend = BackendName::Xtables;
    let errors = lab.applier(Options::default()).install(other, None).unwrap_err();
    assert_eq!(errors[0].to_string(), "plans of the backend `xtables` cannot be applied yet");
    assert_eq!(lab.sim.ran(), [""; 0], "nobody is asked");
}

#[test]
fn without_the_capability_nothing_is_tried() {
    let sim = Sim::new();
    assert!(Applier::permitted(&sim).is_ok());
    sim.set("/proc/self/status", "CapEff:\t000001fffeffefff\n");
    assert_eq!(
        Applier::permitted(&sim).unwrap_err().to_string(),
        "rules can only be looked at and changed with the capability CAP_NET_ADMIN"
    );
}

#[test]
fn without_nft_the_package_is_named() {
    let lab = Lab::new();
    // The table is asked for, twice, by the look and by the constant part.
    lab.sim.inner().fail_after = Some(2);
    let errors = lab.install(&[plan("vnet0", &[("l2o", &["drop"])])]).unwrap_err();
    assert_eq!(shown(&errors[0]), "the program `nft` was not found\ninstall the package `nftables`");
}

#[test]
fn the_state_of_another_namespace_is_not_believed() {
    let lab = Lab::new();
    let plans = [plan("vnet0", &[("l2o", &["drop"])])];
    lab.install(&plans).unwrap();
    lab.sim.set("/proc/self/ns/net", "net:[2]");
    lab.sim.flush();
    lab.sim.inner().generation -= 1;
    let report = lab.install(&plans).unwrap();
    assert_eq!(actions(&report), [Action::Installed]);
    assert!(report.warnings[0].ends_with("is of another network namespace"), "{:?}", report.warnings);
}

#[test]
fn unreadable_state_is_as_good_as_lost() {
    let lab = Lab::new();
    let plans = [variants("vnet0")[1].clone()];
    lab.install(&plans).unwrap();
    let record = lab.folder.path().join("nwf/interfaces/vnet0.json");
    std::fs::write(&record, "{\"nwf\":\"installed/9\"}").unwrap();
    std::fs::remove_file(lab.folder.path().join("nwf/host.json")).unwrap();
    lab.install(&variants("vnet0")[..1]).unwrap();
    let clean = Lab::new();
    clean.install(&variants("vnet0")[..1]).unwrap();
    assert_eq!(lab.sim.kernel(), clean.sim.kernel());
}

/// Style, section 8: a Runner that fails at the n-th command, for every n: the state after is the state before.
#[test]
fn a_command_that_fails_leaves_all_as_it_was() {
    for fail_after in 0..16 {
        let lab = Lab::new();
        switch_on(&lab.sim);
        let old = [variants("vnet0")[1].clone(), plan("vnet1", &[("l2o", &["drop"])])];
        lab.install(&old).unwrap();
        lab.sim.foreign(&["add table inet other"]);
        let before = lab.sim.kernel();
        lab.sim.inner().fail_after = Some(fail_after);
        let new = [variants("vnet0")[2].clone(), relay_plan("vnet1")];
        let result = lab.install(&new);
        lab.sim.inner().fail_after = None;
        if result.is_ok() {
            assert!(fail_after >= 11, "{fail_after}");
            continue;
        }
        assert_eq!(lab.sim.kernel(), before, "{fail_after}");
        assert_eq!(actions(&lab.install(&old).unwrap()), [Action::Unchanged; 2], "{fail_after}");
    }
}

/// Runs something that dies at the n-th step; gives whether it died.
fn dies(step: u32, job: impl FnOnce()) -> bool {
    faults::die_after(Some(step));
    let result = catch_unwind(AssertUnwindSafe(job));
    faults::die_after(None);
    let Err(payload) = result else {
        return false;
    };
    assert!(payload.downcast_ref::<&str>() == Some(&"killed by the test"), "another panic than the one meant");
    true
}

/// Silences the deaths that a test causes.
fn quietly(job: impl FnOnce()) {
    static ONCE: std::sync::Once = std::sync::Once::new();
    ONCE.call_once(|| {
        let usual = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let is_ours = info.payload().downcast_ref::<&str>().is_some_and(|text| *text == "killed by the test");
            if !is_ours {
                usual(info);
            }
        }));
    });
    job();
}

#[test]
fn death_at_every_step_leaves_old_or_new_and_the_next_run_goes_on() {
    quietly(|| {
        let plans = variants("vnet0");
        let other = plan("vnet1", &[("l2o", &["drop"])]);
        let clean = |index: usize| {
            let lab = Lab::new();
            lab.install(&[plans[index].clone(), other.clone()]).unwrap();
            lab.sim.kernel()
        };
        for (first, second, third) in [(0, 1, 2), (1, 0, 0), (1, 2, 1), (2, 3, 3), (3, 1, 2)] {
            for step in 0.. {
                let lab = Lab::new();
                lab.install(&[plans[first].clone(), other.clone()]).unwrap();
                let died = dies(step, || drop(lab.install(&plans[second..=second])));
                let now = lab.sim.kernel();
                assert!(now == clean(first) || now == clean(second), "step {step}");
                let report = lab.check(&plans[second..=second]).unwrap();
                assert_eq!(report.changed, now != clean(second), "step {step}: check tells what is so");
                let report = lab.install(&[plans[third].clone(), other.clone()]).unwrap();
                assert_eq!(lab.sim.kernel(), clean(third), "step {step}");
                assert_eq!(report.interfaces[1].action, Action::Unchanged);
                assert!(!lab.install(&[plans[third].clone(), other.clone()]).unwrap().changed);
                if !died {
                    assert!(step > 8, "{step} steps are too few");
                    break;
                }
            }
        }
    });
}

#[test]
fn death_while_removing() {
    quietly(|| {
        for all in [false, true] {
            for step in 0.. {
                let lab = Lab::new();
                let plans = [variants("vnet0")[1].clone(), plan("vnet1", &[("l3o", &["drop"])])];
                lab.install(&plans).unwrap();
                let before = lab.sim.kernel();
                let died = dies(step, || {
                    if all {
                        drop(lab.applier(Options::default()).remove_all());
                    } else {
                        drop(lab.remove(&["vnet0"]));
                    }
                });
                let is_removed = lab.sim.kernel().of("vnet0").is_empty();
                assert!(is_removed || lab.sim.kernel() == before);
                let report = lab.install(&plans[..1]).unwrap();
                assert_eq!(report.changed, is_removed, "step {step}");
                assert_eq!(lab.sim.kernel().of("vnet0"), {
                    let clean = Lab::new();
                    clean.install(&plans[..1]).unwrap();
                    clean.sim.kernel().of("vnet0")
                });
                lab.remove(&["vnet0", "vnet1"]).unwrap();
                assert!(lab.sim.kernel().tables["bridge nwf"].chains.keys().all(|name| name.starts_with("b_")));
                if !died {
                    break;
                }
            }
        }
    });
}

/// What may happen to a host.
#[derive(Debug, Clone)]
enum Event {
    Install { interface: usize, variant: usize, death: Option<u32> },
    Remove { interface: usize, death: Option<u32> },
    RemoveAll { death: Option<u32> },
    Flush,
    LoseState,
    LoseRecord { interface: usize },
    DropElement { interface: usize, map: usize },
    Drift { interface: usize, chain: usize },
    Foreign,
}

fn event() -> impl Strategy<Value = Event> {
    let death = || proptest::option::of(0_u32..16);
    prop_oneof![
        6 => (0_usize..3, 0_usize..4, death()).prop_map(|(interface, variant, death)| Event::Install { interface, variant, death }),
        2 => (0_usize..3, death()).prop_map(|(interface, death)| Event::Remove { interface, death }),
        1 => death().prop_map(|death| Event::RemoveAll { death }),
        1 => Just(Event::Flush),
        1 => Just(Event::LoseState),
        1 => (0_usize..3).prop_map(|interface| Event::LoseRecord { interface }),
        1 => (0_usize..3, 0_usize..5).prop_map(|(interface, map)| Event::DropElement { interface, map }),
        1 => (0_usize..3, 0_usize..4).prop_map(|(interface, chain)| Event::Drift { interface, chain }),
        1 => Just(Event::Foreign),
    ]
}

const INTERFACES: [&str; 3] = ["vnet0", "a.b_c", "x+1"];

fn happen(lab: &Lab, event: &Event) {
    let with_death = |death: &Option<u32>, job: &dyn Fn()| {
        dies(death.unwrap_or(u32::MAX), job);
    };
    match event {
        Event::Install { interface, variant, death } => {
            let plan = variants(INTERFACES[*interface])[*variant].clone();
            with_death(death, &|| drop(lab.install(std::slice::from_ref(&plan)).unwrap()));
        }
        Event::Remove { interface, death } => {
            with_death(death, &|| drop(lab.remove(&[INTERFACES[*interface]]).unwrap()));
        }
        Event::RemoveAll { death } => {
            with_death(death, &|| drop(lab.applier(Options::default()).remove_all().unwrap()));
        }
        Event::Flush => lab.sim.flush(),
        Event::LoseState => lab.lose_state(),
        Event::LoseRecord { interface } => {
            let file = format!("nwf/interfaces/{}.json", names::encoded(INTERFACES[*interface]));
            let _ = std::fs::remove_file(lab.folder.path().join(file));
        }
        Event::DropElement { interface, map } => {
            let mut inner = lab.sim.inner();
            if let Some(table) = inner.kernel.tables.get_mut("bridge nwf") {
                table.maps.get_mut(names::MAPS[*map]).unwrap().elements.remove(INTERFACES[*interface]);
                inner.generation += 1;
            }
        }
        Event::Drift { interface, chain } => {
            let name = format!(
                "{}{}",
                names::chain_prefix(&INTERFACES[*interface].parse().unwrap()),
                ["l2o", "l2i", "l3o", "l2o.arp"][*chain]
            );
            let mut inner = lab.sim.inner();
            if let Some(rules) = inner.kernel.tables.get_mut("bridge nwf").and_then(|table| table.chains.get_mut(&name))
            {
                rules.push("accept".to_owned());
                inner.generation += 1;
            }
        }
        Event::Foreign => lab.sim.inner().generation += 1,
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whatever has happened before: what check tells is so, and after an install the kernel has of the interfaces
    /// exactly what a clean host would have.
    #[test]
    fn whatever_happened_an_install_gives_what_it_gives_on_a_clean_host(
        events in proptest::collection::vec(event(), 0..12),
        last in proptest::collection::vec(0_usize..4, 3),
    ) {
        quietly(|| ());
        let lab = Lab::new();
        for event in &events {
            happen(&lab, event);
        }
        let plans: Vec<InterfacePlan> =
            INTERFACES.iter().zip(&last).map(|(name, variant)| variants(name)[*variant].clone()).collect();
        let clean = Lab::new();
        clean.install(&plans).unwrap();
        let differs = |lab: &Lab| INTERFACES.iter().any(|name| lab.sim.kernel().of(name) != clean.sim.kernel().of(name));
        let told = lab.check(&plans).unwrap().changed;
        prop_assert!(told || !differs(&lab), "check misses a difference");
        lab.install(&plans).unwrap();
        for name in INTERFACES {
            prop_assert_eq!(lab.sim.kernel().of(name), clean.sim.kernel().of(name));
        }
        prop_assert!(!lab.check(&plans).unwrap().changed);
        prop_assert!(!lab.install(&plans).unwrap().changed);
    }
}

/// Each error's code and whole text, and that the code is explained.
#[test]
fn ui_31_errors_have_codes_texts_and_explanations() {
    use miette::Diagnostic;
    let interface: InterfaceName = "vnet0".parse().unwrap();
    let path = PathBuf::from("/run/nwf/host.json");
    let denied = || io::Error::from_raw_os_error(13);
    let ran = Ran { status: Some(1), stdout: String::new(), stderr: "Error: x\n".repeat(20) };
    let errors: Vec<Box<dyn Diagnostic>> = vec![
        Box::new(ApplyError::NotPermitted),
        Box::new(ApplyError::NoNft),
        Box::new(ApplyError::NftUnusable { error: denied() }),
        Box::new(ApplyError::UnreadableRules { error: io::Error::from_raw_os_error(95) }),
        Box::new(ApplyError::ForeignTable { table: Table::InetNwf }),
        Box::new(ApplyError::OtherSchema { table: Table::BridgeNwf, comment: "owner=nwf;schema=2".to_owned() }),
        Box::new(ApplyError::Refused { ran, place: None }),
        Box::new(ApplyError::MissingFeature {
            interface: interface.clone(),
            missing: vec![BTreeSet::from([Feature::BridgeReject])],
        }),
        Box::new(ApplyError::RelayOff { interface: interface.clone(), bridge: "br0".to_owned() }),
        Box::new(ApplyError::Backend { backend: BackendName::Xtables }),
        Box::new(ApplyError::PlannedTwice {
            interface: interface.clone(),
            first: "a.json".to_owned(),
            second: "b.json".to_owned(),
        }),
        Box::new(ApplyError::BadPlan { interface: interface.clone(), why: "it has no renderings".to_owned() }),
        Box::new(ApplyError::State { what: "write", path: path.clone(), error: denied() }),
        Box::new(ApplyError::StateBehind { path: path.clone(), error: denied() }),
        Box::new(ApplyWarning::RelayUnknown { interface: interface.clone() }),
        Box::new(ApplyWarning::Flushed { interfaces: vec![interface; 7] }),
        Box::new(ApplyWarning::OtherNamespace { path: "/run/nwf".into() }),
    ];
    let mut text = String::new();
    let mut codes = BTreeSet::new();
    for error in &errors {
        let code = error.code().unwrap().to_string();
        let help = error.help().map(|help| help.to_string()).unwrap_or_default();
        let _ = writeln!(text, "{code}\n  {error}\n  {}", help.replace('\n', "\n  "));
        codes.insert(code);
    }
    let explained: BTreeSet<String> = EXPLANATIONS.iter().map(|(code, _)| (*code).to_owned()).collect();
    assert_eq!(codes, explained);
    assert_eq!(codes.len(), errors.len());
    insta::assert_snapshot!(text, @r#"
    nwf::apply::not_permitted
      rules can only be looked at and changed with the capability CAP_NET_ADMIN
      run nwf-apply as root; nwf-parse, nwf-resolve and nwf-render need no privileges
    nwf::apply::no_nft
      the program `nft` was not found
      install the package `nftables`
    nwf::apply::nft_unusable
      the program `nft` cannot be run: Permission denied (os error 13)
      `nft --version` should print a version
    nwf::apply::unreadable_rules
      the kernel does not tell what rules there are: Operation not supported (os error 95)
      has it nf_tables for bridges (CONFIG_NF_TABLES_BRIDGE)? `nft list tables` should list without an error
    nwf::apply::foreign_table
      the table `inet nwf` is not ours: it has no comment `owner=nwf`
      nothing was changed; find out whose it is, then rename or delete it (`nft delete table inet nwf`)
    nwf::apply::other_schema
      the table `bridge nwf` was made by another version of nwf: its comment is `owner=nwf;schema=2`
      nothing was changed; use that version, or remove all rules with its `nwf-apply --remove-all`
    nwf::apply::refused
      nft refused the rules
      nothing was changed; nft said:
      Error: x
      Error: x
      Error: x
      Error: x
      Error: x
      Error: x
      Error: x
      Error: x
      Error: x
      Error: x
      Error: x
      Error: x
      (8 more lines)
    nwf::apply::missing_feature
      the rules of `vnet0` need what this host lacks: `bridge-reject`
      bridge-reject: load the kernel module nft_reject_bridge
    nwf::apply::relay_off
      the rules of `vnet0` need connection state, but bridged packets do not pass br_netfilter on its bridge `br0`
      switch it on for this bridge: `ip link set br0 type bridge nf_call_iptables 1 nf_call_ip6tables 1`; or use statematch='false' in the filter's rules
    nwf::apply::backend
      plans of the backend `xtables` cannot be applied yet
      render the rules for nftables: `nwf-render --backend nft`
    nwf::apply::planned_twice
      the interface `vnet0` is planned twice, in `a.json` and in `b.json`
      an interface has one filter; leave one of the two out
    nwf::apply::bad_plan
      the plan of `vnet0` is wrong: it has no renderings
      nothing was changed; render the ruleset again with nwf-render
    nwf::apply::state
      cannot write `/run/nwf/host.json`: Permission denied (os error 13)
      the state is in `$NWF_RUN_DIR`, by default `/run/nwf`; check its permissions and the space
    nwf::apply::state_behind
      the kernel has changed, but the state could not be written to `/run/nwf/host.json`: Permission denied (os error 13)
      make room or correct the permissions; the next run finds out what is in force
    nwf::apply::relay_unknown
      the rules of `vnet0` need connection state, and it is on no bridge yet: packets that need it are dropped if its bridge does not pass them to br_netfilter
      once it is on its bridge: `ip link set BRIDGE type bridge nf_call_iptables 1 nf_call_ip6tables 1`
    nwf::apply::flushed
      the rules of `vnet0`, `vnet0`, `vnet0`, `vnet0`, `vnet0` and 2 more interfaces are gone from the kernel: somebody has flushed them
      apply their plans again
    nwf::apply::other_namespace
      the state in `/run/nwf` is of another network namespace
      set `NWF_RUN_DIR` to a directory of its own for each network namespace; this run has looked at the kernel instead
    "#);
}
