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
use nwf::ruleset::{InterfaceRules, Side};
use nwf::simulate::{Scope, Simulator};

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
