//! The README is true: its console blocks are run, and print what stands there.
//!
//! A block ```` ```console ```` holds lines `$ COMMAND` and below each its output, both channels. In the output `…`
//! stands for any text in a line, and alone on a line for any lines. A block `<!-- file: NAME -->` in front of other
//! code writes it into the folder in which the commands run. A block ```` ```console root ```` needs root and runs in a
//! laboratory; without root it is left out, which is said.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::format_push_string, missing_docs)]

mod lab;

use lab::Lab;
use std::path::Path;
use std::process::Command;

/// A command of the README with what it prints.
struct Step {
    line: usize,
    root: bool,
    command: String,
    output: String,
}

enum Part {
    File { name: String, text: String },
    Step(Step),
}

/// The files and commands of a Markdown text, in order.
fn parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut file: Option<String> = None;
    let mut lines = text.lines().enumerate();
    while let Some((_, line)) = lines.next() {
        if let Some(name) = line.strip_prefix("<!-- file: ") {
            file = Some(name.trim_end_matches(" -->").to_owned());
            continue;
        }
        let Some(info) = line.strip_prefix("```") else { continue };
        let block: Vec<(usize, &str)> = lines.by_ref().take_while(|(_, line)| *line != "```").collect();
        if let Some(name) = file.take() {
            parts.push(Part::File { name, text: block.iter().flat_map(|(_, line)| [*line, "\n"]).collect() });
        } else if info.starts_with("console") {
            let root = info == "console root";
            for (number, line) in block {
                if let Some(command) = line.strip_prefix("$ ") {
                    let command = command.to_owned();
                    parts.push(Part::Step(Step { line: number + 1, root, command, output: String::new() }));
                } else if let Some(Part::Step(step)) = parts.last_mut() {
                    if step.command.ends_with('\\') {
                        step.command += &format!("\n{line}");
                    } else {
                        step.output += &format!("{line}\n");
                    }
                }
            }
        }
    }
    parts
}

/// Whether an output is the expected one, in which `…` stands for anything.
fn is_like(expected: &str, found: &str) -> bool {
    fn lines_fit(expected: &[&str], found: &[&str]) -> bool {
        match expected.split_first() {
            None => found.is_empty(),
            Some((&"…", rest)) => (0..=found.len()).any(|skipped| lines_fit(rest, &found[skipped..])),
            Some((line, rest)) => found.first().is_some_and(|first| fits(line, first)) && lines_fit(rest, &found[1..]),
        }
    }
    fn fits(expected: &str, found: &str) -> bool {
        let Some((before, after)) = expected.split_once('…') else { return expected == found };
        let Some(rest) = found.strip_prefix(before) else { return false };
        rest.char_indices().map(|(at, _)| at).chain([rest.len()]).any(|at| fits(after, &rest[at..]))
    }
    let expected: Vec<&str> = expected.lines().collect();
    let found: Vec<&str> = found.lines().collect();
    lines_fit(&expected, &found)
}

#[test]
fn the_readme_shows_what_the_programs_print() {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(repository.join("README.md")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(repository.join("filters"), folder.path().join("filters")).unwrap();
    let lab = Lab::new("the blocks of the README that need root");
    let mut wrong = String::new();
    let mut ran = 0;
    for part in parts(&text) {
        let step = match part {
            Part::File { name, text } => {
                std::fs::write(folder.path().join(name), text).unwrap();
                continue;
            }
            Part::Step(step) => step,
        };
        if step.root && lab.is_none() {
            continue;
        }
        let output = run(&step.command, folder.path(), lab.as_ref().filter(|_| step.root));
        if !is_like(&step.output, &output) {
            wrong += &format!("README.md:{}: `{}` prints\n{output}", step.line, step.command);
        }
        ran += 1;
    }
    assert!(wrong.is_empty(), "{wrong}");
    assert!(ran > 3, "the blocks are not found any more");
}

/// Runs a command in a folder; gives both its channels.
fn run(command: &str, folder: &Path, lab: Option<&Lab>) -> String {
    let programs = lab::programs::program("nwf-parse");
    let path = std::env::var("PATH").unwrap_or_default();
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("exec 2>&1; {command}")])
        .current_dir(folder)
        .env("PATH", format!("{}:{path}:/usr/sbin:/sbin", programs.parent().unwrap().display()))
        .env("NWF_FILTER_PATH", "filters");
    let Some(lab) = lab else {
        return String::from_utf8_lossy(&shell.output().unwrap().stdout).into_owned();
    };
    shell.env("NWF_RUN_DIR", &lab.run_dir);
    lab.host.command(shell, b"").unwrap().stdout
}

#[test]
fn blocks_are_found_and_compared() {
    let text =
        "a\n<!-- file: f -->\n```xml\n<x/>\n```\n```console\n$ one \\\n  more\n1\n$ two\n```\n```sh\n$ no\n```\n";
    let found: Vec<String> = parts(text)
        .iter()
        .map(|part| match part {
            Part::File { name, text } => format!("{name}={text}"),
            Part::Step(Step { line, root, command, output }) => format!("{line} {root} {command} -> {output}"),
        })
        .collect();
    assert_eq!(found, ["f=<x/>\n", "7 false one \\\n  more -> 1\n", "10 false two -> "]);
    assert!(is_like("a\n…\nb…d\n", "a\nx\ny\nbcd\n"));
    assert!(is_like("a…b…", "a--b"));
    assert!(!is_like("a\n", "a\nb\n"));
    assert!(!is_like("a…c", "ab"));
}
