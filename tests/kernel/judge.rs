//! Sends the probes of cases, and tells what went otherwise than it should.

use crate::lab::Lab;
use crate::lab::probe::{self, Direction, Probe};
use crate::lab::wire::End;
use std::collections::BTreeSet;
use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

/// How many cases run at once; a case mostly waits for packets that do not come.
const AT_ONCE: usize = 6;

/// The folders of a collection of cases, by name.
pub fn cases(collection: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(collection);
    let mut cases: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.join("packets").is_file())
        .collect();
    cases.sort();
    cases
}

/// The name of a case.
pub fn name(case: &Path) -> String {
    case.file_name().unwrap().to_string_lossy().into_owned()
}

/// The probes of a case.
pub fn probes(case: &Path) -> Vec<Probe> {
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

/// Sends probes; gives what went otherwise than it should.
pub fn send(lab: &Lab, name: &str, probes: Vec<Probe>) -> Vec<String> {
    let (out, to): (Vec<Probe>, Vec<Probe>) = probes.into_iter().partition(|probe| probe.direction == Direction::Out);
    let mut wrong = Vec::new();
    for (from, to, probes) in [(End::Guest, End::Peer, out), (End::Peer, End::Guest, to)] {
        for group in distinct(probes) {
            let frames: Vec<Vec<u8>> = group.iter().map(|probe| probe.frame.clone()).collect();
            let expected: Vec<bool> = group.iter().map(|probe| probe.pass).collect();
            let arrived = lab.exchange(from, to, &frames, &expected);
            for (probe, arrived) in group.iter().zip(arrived) {
                if probe.pass != arrived {
                    let went = if arrived { "passed" } else { "was dropped" };
                    wrong.push(format!("{name}/packets:{}: {went}: {}", probe.line, probe.text));
                }
            }
        }
    }
    wrong
}

/// Sends the probes of a case; gives what went otherwise than it should.
pub fn case(lab: &Lab, case: &Path) -> Vec<String> {
    send(lab, &name(case), probes(case))
}

/// Runs cases, each in a laboratory of its own, several at once.
///
/// # Panics
///
/// If one of them has anything to say, or panics; with what all of them said.
pub fn all(title: &str, cases: &[PathBuf], judge: impl Fn(&Lab, &Path) -> Vec<String> + Sync) {
    if Lab::new(title).is_none() {
        return;
    }
    assert!(!cases.is_empty(), "there are no cases");
    let next = AtomicUsize::new(0);
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(case) = cases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let outcome = catch_unwind(AssertUnwindSafe(|| {
                        let lab = Lab::new(&name(case)).expect("there was a laboratory before");
                        judge(&lab, case)
                    }));
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
