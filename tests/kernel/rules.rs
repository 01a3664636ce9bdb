//! Rules of every kind, with the packets of their cases (`tests/cases/kernel`).

use crate::judge::{self, name};
use crate::lab::GUEST_MAC;
use crate::lab::Lab;
use crate::lab::probe::Direction;
use crate::lab::programs::binding;
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

fn install(lab: &Lab, case: &Path) {
    let filter = fs::read_to_string(case.join("filter.xml")).unwrap();
    let parameters = fs::read_to_string(case.join("parameters")).unwrap_or_default();
    let parameters: Vec<(&str, &str)> = parameters.lines().filter_map(|line| line.split_once('=')).collect();
    lab.apply(&[&binding("vnet0", GUEST_MAC, "case", &parameters), &filter]);
}

#[test]
fn rules_match_exactly_the_frames_that_their_xml_names() {
    let cases = judge::cases("kernel");
    judge::all("rules of every kind", &cases, |lab, case| {
        install(lab, case);
        judge::case(lab, case)
    });
}

#[test]
fn without_rules_no_frame_of_the_cases_is_lost() {
    let Some(lab) = Lab::new("frames of the cases") else {
        return;
    };
    let mut seen = BTreeSet::new();
    let mut probes = Vec::new();
    for case in judge::cases("kernel").iter().chain(&judge::cases("filters")) {
        for mut probe in judge::probes(case) {
            probe.text = format!("{}: {}", name(case), probe.text);
            probe.pass = true;
            if seen.insert((probe.direction == Direction::Out, probe.frame.clone())) {
                probes.push(probe);
            }
        }
    }
    let lost = judge::send(&lab, "cases", probes);
    assert!(lost.is_empty(), "\n{}", lost.join("\n"));
}
