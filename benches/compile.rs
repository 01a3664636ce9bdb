//! How long resolving and rendering take for many interfaces, long lists and wrong input, and how much memory.
//!
//! Each program is run by itself, with its input in a file. For 1,000 interfaces the time that `nft -f` needs for the
//! same rules stands beside it: what compiling adds to loading. Memory is the largest resident set of the program,
//! as the kernel counted it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::print_stdout, missing_docs)]

#[path = "../tests/lab/mod.rs"]
mod lab;

use lab::Lab;
use lab::programs::{binding, program, shipped_filters};
use std::fmt::Write as _;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Instant;

/// How often each is run; the median time counts, and the largest memory.
const ROUNDS: usize = 9;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let bench = Bench { folder: folder.path() };
    println!("medians of {ROUNDS} runs");
    println!("{:<50}{:>10}{:>10}{:>9}", "", "time", "memory", "status");
    let compiled = bench.thousand_interfaces();
    bench.lists();
    bench.wrong_input();
    if let Some(lab) = Lab::new("compile benchmark") {
        bench.beside_nft(&lab, compiled);
    }
}

struct Bench<'a> {
    folder: &'a Path,
}

/// What one run took.
struct Taken {
    seconds: f64,
    megabytes: f64,
    status: String,
}

impl Bench<'_> {
    fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Runs a program several times, its output into a file, and prints what it took.
    fn run(&self, what: &str, words: &[&str], output: &str) -> f64 {
        let path = self.folder.join(output);
        let mut all: Vec<Taken> = (0..ROUNDS).map(|_| once(words, &path)).collect();
        all.sort_by(|one, other| one.seconds.total_cmp(&other.seconds));
        let memory = all.iter().map(|taken| taken.megabytes).fold(0.0, f64::max);
        let median = &all[ROUNDS / 2];
        println!("{what:<50}{:>7.0} ms{memory:>7.0} MB{:>9}", median.seconds * 1e3, median.status);
        median.seconds
    }

    /// The time for resolving and rendering together.
    fn thousand_interfaces(&self) -> f64 {
        let folder = self.folder.join("bindings");
        std::fs::create_dir(&folder).unwrap();
        for number in 0..1000 {
            let (high, low) = (number / 250, number % 250 + 1);
            let mac = format!("52:54:00:00:{high:02x}:{low:02x}");
            let text =
                binding(&format!("vnet{number}"), &mac, "clean-traffic", &[("IP", &format!("10.0.{high}.{low}"))]);
            std::fs::write(folder.join(format!("vnet{number:04}.xml")), text).unwrap();
        }
        let bindings = folder.display().to_string();
        let path = |name: &str| self.folder.join(name).display().to_string();
        self.run("nwf-parse: 1,000 bindings", &["nwf-parse", &bindings], "filters.json");
        let resolve = ["nwf-resolve", &path("filters.json")];
        let resolved = self.run("nwf-resolve: clean-traffic on 1,000 interfaces", &resolve, "ruleset.json");
        let rendered = self.run("nwf-render: the same", &["nwf-render", &path("ruleset.json")], "plan.json");
        let together = resolved + rendered;
        let verdict = if together < 0.5 { "within" } else { "OVER" };
        println!(
            "{:<50}{:>7.0} ms   {verdict} the limit of 500 ms",
            "  resolving and rendering together",
            together * 1e3
        );
        together
    }

    fn lists(&self) {
        let list = |count: usize, item: &dyn Fn(usize) -> String| {
            (0..count).map(|number| format!("\"{}\"", item(number))).collect::<Vec<_>>().join(",")
        };
        let address = |number: usize| format!("10.{}.{}.1", number / 250, number % 250);
        let addresses = self.file("addresses.json", &format!("{{\"IP\":[{}]}}", list(10_000, &address)));
        let port = |number: usize| (number + 1).to_string();
        let ports = self.file("ports.json", &format!("{{\"X\":[{0}],\"Y\":[{0}]}}", list(100, &port)));
        let million = self.file("million.json", &format!("{{\"X\":[{0}],\"Y\":[{0}]}}", list(1000, &port)));
        let product = self.file(
            "product.xml",
            "<filter name='product'><rule action='accept' direction='out'>\
             <tcp srcportstart='$X' dstportstart='$Y[@1]'/></rule></filter>",
        );
        let on =
            |filter: &'static str| ["nwf-resolve", "-i", "vnet0", "--mac", "52:54:00:00:00:01", "--filter", filter];
        let resolve =
            |what: &str, filter, more: &[&str]| self.run(what, &[&on(filter)[..], more].concat(), "list.json");
        resolve("nwf-resolve: a list of 10,000 addresses", "no-ip-spoofing", &["--params", &addresses]);
        let of_product = ["--filters", &product, "--params"];
        resolve("nwf-resolve: 100 x 100 combinations", "product", &[&of_product[..], &[&ports]].concat());
        resolve("nwf-resolve: 1,000,000 combinations", "product", &[&of_product[..], &[&million]].concat());
    }

    fn wrong_input(&self) {
        let parse = |what: &str, text: &str| {
            let path = self.file("wrong.xml", text);
            self.run(&format!("nwf-parse: {what}"), &["nwf-parse", &path], "wrong.json");
            std::fs::remove_file(path).unwrap();
        };
        parse("no XML", "hello");
        let entities: String = (1..10).fold(String::from("<!ENTITY e0 'x'>"), |mut text, number| {
            let _ = write!(text, "<!ENTITY e{number} '{}'>", format!("&e{};", number - 1).repeat(10));
            text
        });
        parse("an entity bomb", &format!("<!DOCTYPE f [{entities}]><filter name='&e9;'/>"));
        parse("100,000 nested elements", &"<filter>".repeat(100_000));
        parse("a NUL", "<filter name='a\0b'/>");
        parse("100 MB", &format!("<filter name='a'>{}</filter>", " ".repeat(100_000_000)));
        let deep: String = (0..10_000).fold(String::new(), |mut text, number| {
            let next = number + 1;
            let separator = if number == 0 { "" } else { "," };
            let _ = write!(
                text,
                "{separator}{{\"name\":\"f{number}\",\"chain\":\"root\",\"priority\":0,\
                 \"entries\":[{{\"reference\":{{\"filter\":\"f{next}\"}}}}]}}"
            );
            text
        });
        let deep = self.file("deep.json", &format!("{{\"nwf\":\"filters/1\",\"filters\":[{deep}]}}"));
        let words = ["nwf-resolve", "-i", "vnet0", "--mac", "52:54:00:00:00:01", "--filter", "f0", &deep];
        self.run("nwf-resolve: references 10,000 deep", &words, "wrong.json");
    }

    /// What loading the rules of the 1,000 interfaces takes, and what compiling them adds.
    fn beside_nft(&self, lab: &Lab, compiled: f64) {
        let ruleset = std::fs::read_to_string(self.folder.join("ruleset.json")).unwrap();
        let script = lab.must(&["nwf-render", "--format", "script"], &ruleset);
        let script = self.file("script.nft", &script);
        let seconds = lab.host.run(move || {
            let mut times: Vec<f64> = (0..3)
                .map(|_| {
                    let started = Instant::now();
                    assert!(Command::new("nft").args(["-f", &script]).status().unwrap().success());
                    started.elapsed().as_secs_f64()
                })
                .collect();
            times.sort_by(f64::total_cmp);
            times[1]
        });
        println!("{:<50}{:>7.0} ms", "nft -f: the rules of these 1,000 interfaces", seconds * 1e3);
        println!("{:<50}{:>10.2}", "  compiling, as a part of loading", compiled / seconds);
    }
}

/// One run, with the memory that the kernel counted for it.
fn once(words: &[&str], output: &Path) -> Taken {
    let mut command = Command::new("/usr/bin/time");
    command.args(["-f", "%M", "-o"]).arg(output.with_extension("memory")).arg("--").arg(program(words[0]));
    command.args(&words[1..]).env("NWF_FILTER_PATH", shipped_filters());
    command.stdin(Stdio::null()).stdout(std::fs::File::create(output).unwrap()).stderr(Stdio::null());
    let started = Instant::now();
    let status = command.status().unwrap();
    let seconds = started.elapsed().as_secs_f64();
    let told = std::fs::read_to_string(output.with_extension("memory")).unwrap();
    let kilobytes: f64 = told.lines().last().and_then(|line| line.parse().ok()).unwrap_or_default();
    let status = status.code().map_or_else(|| format!("{:?}", status.signal()), |code| code.to_string());
    Taken { seconds, megabytes: kilobytes / 1024.0, status }
}
