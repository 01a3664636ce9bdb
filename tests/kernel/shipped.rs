//! Every filter that ships, with the packets of its cases (`tests/cases/filters`).

use crate::judge::{self, name};
use crate::lab::probe::Direction;
use crate::lab::programs::shipped_filters;
use std::collections::BTreeMap;
use std::fs;

#[test]
fn shipped_filters_pass_and_drop_what_their_cases_say() {
    judge::all("shipped filters", &judge::cases("filters"), |lab, case| {
        lab.install(&lab.plan_of(&[case.display().to_string()]));
        judge::case(lab, case)
    });
}

#[test]
fn every_shipped_filter_has_cases_in_both_directions() {
    let mut seen: BTreeMap<String, (bool, bool)> = BTreeMap::new();
    for case in judge::cases("filters") {
        let name = name(&case);
        let filter = name.split("--").next().unwrap().to_owned();
        let entry = seen.entry(filter).or_default();
        for probe in judge::probes(&case) {
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
