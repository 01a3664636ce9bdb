//! Real packets through the rules of this backend: the cases of `tests/cases/kernel` and of the filters that ship.

use std::path::Path;
use std::process::Command;

use crate::judge;
use crate::lab::programs::binding;
use crate::lab::{GUEST_MAC, Lab, Options};

/// The rules of a case as restore texts; none if this backend refuses them, with the reason.
fn texts(lab: &Lab, collection: &str, case: &Path) -> Result<String, String> {
    let read = |name: &str| std::fs::read_to_string(case.join(name)).unwrap_or_default();
    let mut paths = vec![case.display().to_string()];
    if collection == "kernel" {
        let parameters = read("parameters");
        let parameters: Vec<(&str, &str)> = parameters.lines().filter_map(|line| line.split_once('=')).collect();
        let binding = binding("vnet0", GUEST_MAC, "case", &parameters);
        paths = vec![lab.file("filter.xml", &read("filter.xml")), lab.file("binding.xml", &binding)];
    }
    let mut parse = vec!["nwf-parse"];
    parse.extend(paths.iter().map(String::as_str));
    let ruleset = lab.must(&["nwf-resolve"], &lab.must(&parse, ""));
    let render = ["nwf-render", "--backend", "xtables", "--scope", "bridged", "--format", "restore"];
    let ran = lab.run(&render, &ruleset);
    if ran.status == Some(8) { Err(ran.stderr) } else { Ok(ran.success("nwf-render").unwrap()) }
}

fn load(lab: &Lab, text: &str) {
    for section in text.split_inclusive("COMMIT\n") {
        let (tool, input) = section.split_once('\n').unwrap();
        let mut command = Command::new(tool.strip_prefix("# ").unwrap());
        command.arg("--noflush");
        lab.host.command(command, input.as_bytes()).unwrap().success(tool).unwrap();
    }
}

fn run(collection: &str) {
    let options = Options { bridge_netfilter: true, addresses: false };
    if Lab::with("packets", options).is_none() {
        return;
    }
    let cases = judge::cases(collection);
    let (mut wrong, mut refused) = (Vec::new(), 0);
    for chunk in cases.chunks(6) {
        std::thread::scope(|scope| {
            let each: Vec<_> = chunk
                .iter()
                .map(|case| {
                    scope.spawn(move || {
                        let lab = Lab::with(&judge::name(case), options).expect("there was a laboratory before");
                        let text = texts(&lab, collection, case)?;
                        load(&lab, &text);
                        let mut probes = judge::probes(case);
                        // Connection tracking waits for the rest of a packet whose first part it has not seen.
                        if text.contains("--ctstate") {
                            probes.retain(|probe| !probe.text.contains("frag=later"));
                        }
                        Ok::<_, String>(judge::send(&lab, &judge::name(case), probes))
                    })
                })
                .collect();
            for (thread, case) in each.into_iter().zip(chunk) {
                match thread.join().unwrap() {
                    Ok(found) => wrong.extend(found),
                    Err(why) => {
                        refused += 1;
                        eprintln!("refused: {}: {why}", judge::name(case));
                    }
                }
            }
        });
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    println!("{} cases, {refused} refused", cases.len());
}

#[test]
fn rules_match_exactly_the_frames_that_their_xml_names() {
    run("kernel");
}

#[test]
fn filters_that_ship_judge_as_their_cases_say() {
    run("filters");
}
