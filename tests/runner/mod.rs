//! Runs cases that are folders: a command, and exactly what it prints and how it ends.
//!
//! | file | content |
//! | --- | --- |
//! | `command` | a line for `sh`, run in the case's folder, with our programs first on the path |
//! | `stdout`, `stderr` | what it prints; absent: nothing |
//! | `status` | how it ends; absent: 0 |
//!
//! With `NWF_UPDATE=1` the files are written instead of compared: read what changed before you commit it.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::path::Path;
use std::process::{Command, Stdio};

/// Runs every case below `tests/cases/FOLDER` and reports all that differ.
pub fn run(folder: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases").join(folder);
    let mut cases: Vec<_> = std::fs::read_dir(&root).unwrap().flatten().map(|entry| entry.path()).collect();
    cases.retain(|case| case.join("command").is_file());
    cases.sort();
    assert!(!cases.is_empty(), "no case in {}", root.display());
    let failures: Vec<String> = cases.iter().flat_map(|case| run_case(case)).collect();
    assert!(failures.is_empty(), "{} differences\n{}", failures.len(), failures.join("\n"));
    println!("{} cases", cases.len());
}

fn run_case(case: &Path) -> Vec<String> {
    let command = std::fs::read_to_string(case.join("command")).unwrap();
    let programs = Path::new(env!("CARGO_BIN_EXE_nwf-resolve")).parent().unwrap();
    let path = format!("{}:{}", programs.display(), std::env::var("PATH").unwrap_or_default());
    let filters = Path::new(env!("CARGO_MANIFEST_DIR")).join("filters");
    let output = Command::new("sh")
        .args(["-c", command.trim_end()])
        .current_dir(case)
        .env("PATH", path)
        .env("FILTERS", filters)
        .env("NWF_FILTER_PATH", "/nonexistent")
        .env_remove("NO_COLOR")
        .env_remove("CLICOLOR_FORCE")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let status = output.status.code().map_or("killed".to_owned(), |code| code.to_string());
    let status = if status == "0" { String::new() } else { status + "\n" };
    let found = [("stdout", text(&output.stdout)), ("stderr", text(&output.stderr)), ("status", status)];
    found.iter().filter_map(|(name, found)| compare(case, name, found)).collect()
}

fn compare(case: &Path, name: &str, found: &str) -> Option<String> {
    let file = case.join(name);
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    if expected == found {
        return None;
    }
    if std::env::var_os("NWF_UPDATE").is_some() {
        if found.is_empty() {
            let _ = std::fs::remove_file(&file);
        } else {
            std::fs::write(&file, found).unwrap();
        }
        return None;
    }
    let case = case.file_name().unwrap_or_default().to_string_lossy();
    Some(format!("== {case}: {name}\n-- expected\n{expected}-- found\n{found}"))
}
