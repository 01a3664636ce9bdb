//! The differential test: generated filters, frames near their edges, and two answers to each, that of the simulator
//! and that of the kernel, which must be the same.
//!
//! - `NWF_DIFFERENTIAL_FILTERS`: how many filters are tried; 200 if it is not set.
//! - `NWF_DIFFERENTIAL_SECONDS`: go on with fresh seeds until they are over.
//! - `NWF_DIFFERENTIAL_SEED`: the seed to begin with, to see a difference again.
//! - `NWF_DIFFERENTIAL_SAVE`: a folder for what differs, a case each.
//!
//! It needs root, and says `skipped` where it cannot run.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::format_push_string, missing_docs)]

mod lab;

#[path = "differential/bench.rs"]
mod bench;
#[path = "differential/dice.rs"]
mod dice;
#[path = "differential/filters.rs"]
mod filters;
#[path = "differential/frames.rs"]
mod frames;
#[path = "differential/quirks.rs"]
mod quirks;

use bench::{Bench, Difference, Rules};
use dice::Dice;
use filters::Case;
use nwf::model::Profile;
use std::time::{Duration, Instant};

/// Filters of one round; before it all their frames are sent without rules.
const ROUND: usize = 20;
/// Frames of a filter, both directions together.
const FRAMES: usize = 50;
/// The seed of a test run.
const SEED: u64 = 0x6e77_6600;
/// How many differences are made small and shown.
const SHOWN: usize = 8;

fn number(name: &str) -> Option<u64> {
    let text = std::env::var(name).ok()?;
    Some(text.parse().unwrap_or_else(|_| panic!("{name}={text} is no number")))
}

#[test]
fn the_simulator_and_nftables_give_the_same_verdicts() {
    compare("nft", Rules::Nft);
}

#[test]
fn the_simulator_and_xtables_give_the_same_verdicts() {
    compare("xtables", Rules::Xtables);
}

fn compare(name: &str, rules: Rules) {
    let Some(mut bench) = Bench::new(&format!("differential test of {name}"), rules) else { return };
    let filters = usize::try_from(number("NWF_DIFFERENTIAL_FILTERS").unwrap_or(200)).unwrap();
    let time = number("NWF_DIFFERENTIAL_SECONDS").map(Duration::from_secs);
    let clock = Duration::from_secs(std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap().as_secs());
    let fresh = if time.is_some() { clock.as_secs() << 20 } else { SEED };
    let first = number("NWF_DIFFERENTIAL_SEED").unwrap_or(fresh);
    let started = Instant::now();
    let mut found: Vec<Difference> = Vec::new();
    let mut tried = 0;
    loop {
        let over = match time {
            Some(time) => started.elapsed() >= time,
            None => tried >= filters,
        };
        if over || found.len() >= SHOWN {
            break;
        }
        let count = if time.is_some() { ROUND } else { ROUND.min(filters - tried) };
        let cases: Vec<Case> = (tried..tried + count)
            .map(|number| {
                let seed = first + number as u64;
                let mut dice = Dice::new(seed);
                let profile = if dice.chance(50) { Profile::Nwf } else { Profile::Libvirt };
                let mut case = filters::case(&mut dice, seed, profile, &mut bench.count);
                case.frames = frames::frames(&mut dice, &case, FRAMES);
                case
            })
            .collect();
        found.extend(bench.round(cases, SHOWN - found.len()));
        tried += count;
    }
    let report = format!("{tried} filters from seed {first} in {:.0?}; {}", started.elapsed(), bench.count.text());
    println!("{report}");
    let _ = std::io::Write::write_all(
        &mut std::io::stderr(),
        format!("differential test of {name}: {report}\n").as_bytes(),
    );
    if let Some(folder) = std::env::var_os("NWF_DIFFERENTIAL_SAVE") {
        for difference in &found {
            difference.save(folder.as_ref());
        }
    }
    let texts: Vec<String> = found.iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "\n{}\n{report}", texts.join("\n"));
    assert!(bench.count.dropped * 20 > bench.count.compared, "too few frames are dropped: {report}");
    assert!(bench.count.passed * 20 > bench.count.compared, "too few frames pass: {report}");
}
