//! What each module may know of the others, and what the package may depend on.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, missing_docs)]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The modules of the library, and those that each may name: only ones below it, none beside it. A longer path
/// stands for a part that may know more than the rest of its module.
const MAY_KNOW: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("problem", &["model"]),
    ("leases", &["model"]),
    ("xml", &["model", "problem"]),
    ("ruleset", &["model"]),
    ("resolve", &["model", "problem", "leases", "ruleset"]),
    // The search path reads XML, and its error shows what is wrong with it.
    ("resolve::store", &["model", "problem", "xml"]),
    ("resolve::error", &["model", "problem", "ruleset", "xml"]),
    ("simulate", &["model", "problem", "ruleset"]),
    ("plan", &["model"]),
    ("report", &["model", "plan"]),
    ("render", &["model", "problem", "ruleset", "plan"]),
    ("apply", &["model", "problem", "plan", "report"]),
    (
        "cli",
        &["model", "problem", "leases", "xml", "ruleset", "resolve", "simulate", "plan", "report", "render", "apply"],
    ),
];

/// Modules that need names and addresses of the model, but never what a filter says.
const KNOW_NAMES_ONLY: &[&str] = &["ruleset", "plan", "report", "render", "apply", "leases", "problem"];

/// What a filter says: the tree of rules before it is resolved.
const TREE: &[&str] = &["Filter", "Filters", "Entry", "Reference", "Rule", "Item", "Operand", "Binding"];

/// Modules that touch the world; all others are functions from values to values.
const TOUCH_THE_WORLD: &[&str] = &["cli", "apply", "resolve::store"];

/// Signs of touching the world.
const WORLD: &[&str] =
    &["std::fs", "std::process", "std::env", "std::time", "File::open", "print!(", "println!(", "duct::", "nix::"];

/// Licences that a dependency may have; of several, one of these.
const LICENCES: &[&str] = &[
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "ISC",
    "Unicode-3.0",
    "Zlib",
];

/// A file of the library: its module path, and its text without comments and tests.
struct File {
    module: String,
    text: String,
}

fn library() -> Vec<File> {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![src.clone()];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path: PathBuf = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let inside = path.strip_prefix(&src).unwrap().with_extension("");
            let parts: Vec<&str> = inside.iter().map(|part| part.to_str().unwrap()).collect();
            let module = parts.join("::").trim_end_matches("::mod").to_owned();
            if !module.starts_with("bin::") && module != "lib" && !module.ends_with("tests") {
                files.push(File { module, text: code(&std::fs::read_to_string(&path).unwrap()) });
            }
        }
    }
    files
}

/// A source text without comments, and without what follows `#[cfg(test)]`, which stands last.
fn code(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod").next().unwrap();
    let text = text.split("#[cfg(test)]\npub(crate) mod").next().unwrap();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).map(|line| line.to_owned() + "\n").collect()
}

/// The entry of a table that fits a module best.
fn entry_of<'a, T>(table: &'a [(&'a str, T)], module: &str) -> Option<&'a T> {
    let fits = |name: &str| module == name || module.starts_with(&format!("{name}::"));
    table.iter().filter(|(name, _)| fits(name)).max_by_key(|(name, _)| name.len()).map(|(_, entry)| entry)
}

/// The paths that a text names from the root of the crate, such as `model::Profile`.
fn paths(file: &File) -> BTreeSet<String> {
    let depth = file.module.split("::").count();
    // As many steps up as the file is deep lead to the root too.
    let up = "super::".repeat(depth);
    let mut found = BTreeSet::new();
    for root in ["crate::", up.as_str()] {
        for part in file.text.split(root).skip(1) {
            expand("", part, &mut found);
        }
    }
    found
}

/// Takes `a::{b, c::d}` apart.
fn expand(before: &str, text: &str, found: &mut BTreeSet<String>) {
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':')).unwrap_or(text.len());
    let (path, rest) = text.split_at(end);
    if !rest.starts_with('{') {
        found.insert(format!("{before}{path}"));
        return;
    }
    let before = format!("{before}{path}");
    let mut depth = 0;
    let mut item = String::new();
    for c in rest.chars() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            _ => {}
        }
        if (c == ',' && depth == 1) || depth == 0 {
            if !item.trim().is_empty() {
                expand(&before, item.trim(), found);
            }
            item.clear();
            if depth == 0 {
                return;
            }
        } else if !(c == '{' && depth == 1) {
            item.push(c);
        }
    }
}

#[test]
fn modules_know_only_what_is_below_them() {
    let mut wrong = Vec::new();
    let modules: BTreeSet<&str> = MAY_KNOW.iter().map(|(name, _)| name.split("::").next().unwrap()).collect();
    for file in library() {
        let Some(allowed) = entry_of(MAY_KNOW, &file.module) else {
            wrong.push(format!("`{}` is not in the table MAY_KNOW", file.module));
            continue;
        };
        let own = file.module.split("::").next().unwrap();
        for path in paths(&file) {
            let other = path.split("::").next().unwrap();
            if modules.contains(other) && other != own && !allowed.contains(&other) {
                wrong.push(format!("`{}` names `{path}`", file.module));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_reader_and_the_resolver_know_the_tree() {
    let mut wrong = Vec::new();
    for file in library() {
        let own = file.module.split("::").next().unwrap();
        if !KNOW_NAMES_ONLY.contains(&own) {
            continue;
        }
        for path in paths(&file) {
            if let Some(name) = path.strip_prefix("model::")
                && TREE.contains(&name.split("::").next().unwrap())
            {
                wrong.push(format!("`{}` names `{path}`", file.module));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn only_the_edges_touch_the_world() {
    let mut wrong = Vec::new();
    for file in library() {
        let edges: Vec<(&str, ())> = TOUCH_THE_WORLD.iter().map(|name| (*name, ())).collect();
        if entry_of(&edges, &file.module).is_some() {
            continue;
        }
        for sign in WORLD {
            if file.text.contains(sign) {
                wrong.push(format!("`{}` has `{sign}`", file.module));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn programs_are_one_call() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/bin");
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = code(&std::fs::read_to_string(&path).unwrap());
        let calls = text.lines().filter(|line| line.contains("nwf::cli::")).count();
        assert!(calls == 1 && text.lines().count() < 10, "{}", path.display());
    }
}

#[test]
fn paths_are_found_in_all_forms() {
    let text =
        "use crate::{a, b::{c, d::E}};\nuse crate::f::G;\nlet h = crate::i::j();\nuse super::super::k;\nuse super::l;";
    let file = File { module: "m::n".to_owned(), text: text.to_owned() };
    let found: Vec<String> = paths(&file).into_iter().collect();
    assert_eq!(found, ["a", "b::c", "b::d::E", "f::G", "i::j", "k"]);
}

// Dependencies.

#[test]
fn dependencies_have_free_licences() {
    let version = Command::new("rustc").arg("-vV").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    let host = version.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline", "--filter-platform", host])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut wrong = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let licence = package["license"].as_str().unwrap_or_default();
        if !is_free(licence) {
            wrong.insert(package["name"].to_string(), licence.to_owned());
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// Whether one of the licences is allowed; where several hold at once, each of them. A `/` is an old way to
/// write OR.
fn is_free(licence: &str) -> bool {
    let licence = licence.replace(['(', ')'], "").replace('/', " OR ");
    licence.split(" AND ").all(|part| part.split(" OR ").any(|name| LICENCES.contains(&name.trim())))
}

#[test]
fn licences_are_read_as_expressions() {
    assert!(is_free("MIT OR Apache-2.0"));
    assert!(is_free("Unlicense/MIT"));
    assert!(is_free("(MIT OR Apache-2.0) AND Unicode-3.0"));
    assert!(!is_free("MIT AND GPL-2.0"));
    assert!(!is_free(""));
}
