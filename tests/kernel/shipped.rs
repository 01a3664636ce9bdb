//! Every filter that ships, with the packets of its cases, in both directions.

use crate::lab::Lab;
use crate::lab::probe::{self, Direction, Probe};
use crate::lab::programs::shipped_filters;
use crate::lab::wire::End;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many cases run at once; a case mostly waits for packets that do not come.
const AT_ONCE: usize = 6;

fn cases() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/filters");
    let mut cases: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("packets").is_file())
        .collect();
    cases.sort();
    cases
}

fn name(case: &Path) -> String {
    case.file_name().unwrap().to_string_lossy().into_owned()
}

fn probes(case: &Path) -> Vec<Probe> {
    let file = case.join("packets");
    probe::read(&file.display().to_string(), &fs::read_to_string(&file).unwrap())
}

/// The probes in groups, in which no two frames are equal.
fn distinct(probes: Vec<Probe>) -> Vec<Vec<Probe>> {
    let mut groups: Vec<(BTreeSet<Vec<u8>>, Vec<Probe>)> = Vec::new();
    for probe in probes {
        let free = groups.iter().position(|(frames, _)| !frames.contains(&probe.frame));
        let place = free.unwrap_or_else(|| {
            groups.push(Default::default());
            groups.len() - 1
        });
        groups[place].0.insert(probe.frame.clone());
        groups[place].1.push(probe);
    }
    groups.into_iter().map(|(_, probes)| probes).collect()
}

/// Sends all probes of a case; gives what went otherwise than it should.
fn judge(lab: &Lab, case: &Path) -> Vec<String> {
    let (out, to): (Vec<Probe>, Vec<Probe>) =
        probes(case).into_iter().partition(|probe| probe.direction == Direction::Out);
    let mut wrong = Vec::new();
    for (from, to, probes) in [(End::Guest, End::Peer, out), (End::Peer, End::Guest, to)] {
        for group in distinct(probes) {
            let frames: Vec<Vec<u8>> = group.iter().map(|probe| probe.frame.clone()).collect();
            let expected: Vec<bool> = group.iter().map(|probe| probe.pass).collect();
            let arrived = lab.exchange(from, to, &frames, &expected);
            for (probe, arrived) in group.iter().zip(arrived) {
                if probe.pass != arrived {
                    let went = if arrived { "passed" } else { "was dropped" };
                    wrong.push(format!("{}/packets:{}: {went}: {}", name(case), probe.line, probe.text));
                }
            }
        }
    }
    wrong
}

#[test]
fn shipped_filters_pass_and_drop_what_their_cases_say() {
    if Lab::new("shipped filters").is_none() {
        return;
    }
    let cases = cases();
    assert!(!cases.is_empty(), "there are no cases");
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = std::panic::catch_unwind(|| {
                        let lab = Lab::new(&name(case)).expect("there was a laboratory before");
                        lab.apply(&[&fs::read_to_string(case.join("binding.xml")).unwrap()]);
                        judge(&lab, case)
                    });
                    wrong.lock().unwrap().extend(outcome.unwrap_or_else(|panic| {
                        let text = panic.downcast_ref::<String>().map_or("(no text)", String::as_str);
                        vec![format!("{}: {text}", name(case))]
                    }));
                }
            });
        }
    });
    let mut wrong = wrong.into_inner().unwrap();
    wrong.sort();
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn every_shipped_filter_has_cases_in_both_directions() {
    let mut seen: BTreeMap<String, (bool, bool)> = BTreeMap::new();
    for case in cases() {
        let name = name(&case);
        let filter = name.split("--").next().unwrap().to_owned();
        let entry = seen.entry(filter).or_default();
        for probe in probes(&case) {
            entry.0 |= probe.direction == Direction::Out;
            entry.1 |= probe.direction == Direction::In;
        }
    }
    let mut missing = Vec::new();
    for file in fs::read_dir(shipped_filters()).unwrap() {
        let path = file.unwrap().path();
        if path.extension().is_none_or(|extension| extension != "xml") {
            continue;
        }
        let filter = path.file_stem().unwrap().to_string_lossy().into_owned();
        match seen.get(&filter) {
            Some((true, true)) => {}
            Some(_) => missing.push(format!("{filter}: one direction is not tested")),
            None => missing.push(format!("{filter}: no case")),
        }
    }
    missing.sort();
    assert!(missing.is_empty(), "\n{}", missing.join("\n"));
}
