//! How long the whole pipeline takes beside `nft -f` alone, in a laboratory of its own.
//!
//! Both put the filter `clean-traffic` of one interface into the kernel. They take turns, so
//! that what else the machine does meets both; the medians are printed. The pipeline is
//! the four programs, started together and joined by pipes as a shell would do it; the bare
//! run is `nft -f` with the script that `nwf-render` prints for the same filter.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, missing_docs)]

#[path = "../tests/lab/mod.rs"]
mod lab;

use lab::programs::binding;
use lab::{GUEST_MAC, Lab};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How often each is run.
const ROUNDS: usize = 41;
/// How many times the bare `nft -f` the pipeline may take.
const LIMIT: f64 = 1.5;

fn main() {
    let Some(lab) = Lab::new("live benchmark") else {
        return;
    };
    let bench = Bench::new(lab);
    println!("clean-traffic on one interface, medians of {ROUNDS} runs, taking turns");
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    println!("load average at the start: {}", load.split_whitespace().next().unwrap_or("unknown"));
    println!("{:<28}{:>10}{:>11}{:>8}", "", "nft -f", "pipeline", "ratio");
    bench.compare("first install", Bench::empty);
    bench.compare("replace by another", |_| {});
    bench.unchanged();
    bench.remove();
}

struct Bench {
    lab: Lab,
    /// Two bindings that differ in an address, so that applying one after the other is a
    /// replacement.
    guests: [String; 2],
    scripts: [String; 2],
}

impl Bench {
    fn new(lab: Lab) -> Self {
        let guests = ["10.0.0.5", "10.0.0.6"].map(|ip| {
            let xml = binding("vnet0", GUEST_MAC, "clean-traffic", &[("IP", ip)]);
            lab.file(&format!("{ip}.xml"), &xml)
        });
        let scripts = [0, 1].map(|number: usize| {
            let ruleset = lab.must(&["nwf-resolve"], &lab.must(&["nwf-parse", &guests[number]], ""));
            let script = lab.must(&["nwf-render", "--format", "script"], &ruleset);
            lab.file(&format!("{number}.nft"), &script)
        });
        Self { lab, guests, scripts }
    }

    /// As on a host that has just been started.
    fn empty(&self) {
        self.lab.load("flush ruleset");
        let folder = self.lab.run_dir.clone();
        self.lab.host.run(move || {
            let _ = std::fs::remove_dir_all(&folder);
            std::fs::create_dir_all(&folder).unwrap();
        });
    }

    /// Runs both in turns, each after `prepare`, and prints their medians.
    fn compare(&self, name: &str, prepare: impl Fn(&Self)) {
        let (mut bare, mut pipeline) = (Vec::new(), Vec::new());
        self.empty();
        for round in 0..ROUNDS {
            prepare(self);
            pipeline.push(self.pipeline(round % 2));
            prepare(self);
            // What the pipeline has installed is replaced by the other.
            bare.push(self.nft((round + 1) % 2));
            // Puts back what our state says, outside of the measurement.
            self.nft(round % 2);
        }
        let (bare, pipeline) = (median(bare), median(pipeline));
        let verdict = if ratio(pipeline, bare) <= LIMIT { "within" } else { "OVER" };
        println!(
            "{name:<28}{:>7.1} ms{:>8.1} ms{:>8.2}  {verdict} the limit of {LIMIT}",
            milliseconds(bare),
            milliseconds(pipeline),
            ratio(pipeline, bare),
        );
    }

    fn unchanged(&self) {
        self.empty();
        self.pipeline(0);
        let times = (0..ROUNDS).map(|_| self.pipeline(0)).collect();
        println!("{:<28}{:>10}{:>8.1} ms", "apply again, nothing to do", "", milliseconds(median(times)));
    }

    fn remove(&self) {
        self.empty();
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            self.pipeline(0);
            let mut apply = self.lab.program("nwf-apply");
            apply.args(["--remove", "vnet0"]);
            times.push(self.timed(vec![apply]));
        }
        println!("{:<28}{:>10}{:>8.1} ms", "nwf-apply --remove", "", milliseconds(median(times)));
    }

    fn nft(&self, number: usize) -> Duration {
        let mut nft = Command::new("nft");
        nft.args(["-f", &self.scripts[number]]);
        self.timed(vec![nft])
    }

    fn pipeline(&self, number: usize) -> Duration {
        let mut programs: Vec<Command> =
            ["nwf-parse", "nwf-resolve", "nwf-render", "nwf-apply"].map(|name| self.lab.program(name)).into();
        programs[0].arg(&self.guests[number]);
        self.timed(programs)
    }

    /// Runs programs joined by pipes, in the host's namespace; all must end well.
    fn timed(&self, programs: Vec<Command>) -> Duration {
        self.lab.host.run(move || {
            let last = programs.len() - 1;
            let started = Instant::now();
            let mut input = Stdio::null();
            let mut running = Vec::new();
            for (number, mut command) in programs.into_iter().enumerate() {
                let output = if number == last { Stdio::null() } else { Stdio::piped() };
                let mut child = command.stdin(input).stdout(output).spawn().unwrap();
                input = child.stdout.take().map_or_else(Stdio::null, Stdio::from);
                running.push(child);
            }
            for child in &mut running {
                let status = child.wait().unwrap();
                assert!(status.success(), "{status}");
            }
            started.elapsed()
        })
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
