//! The files that are made from the code: man pages, completions, schemas, the list of errors.
//!
//! With `NWF_UPDATE=1` (`make generate`) they are written; else they are compared with what they should be.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, missing_docs)]

use clap::{Command, CommandFactory};
use clap_complete::{Shell, generate};
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, italic, roman};
use nwf::model::{Layer, Protocol, Role};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// A program: its command line, the exit statuses that it can have, and the stages whose errors it prints.
struct Program {
    command: fn() -> Command,
    statuses: &'static [u8],
    stages: &'static [&'static str],
}

/// All programs. A new one is one line here; `every_program_is_listed` wants it.
const PROGRAMS: &[Program] = &[
    program(nwf::cli::Parse::command, &[0, 1, 2, 3], &["cli", "document", "parse", "xml"]),
    program(nwf::cli::Resolve::command, &[0, 1, 2, 3, 4], &["cli", "document", "resolve", "xml"]),
    program(nwf::cli::Render::command, &[0, 1, 2, 3, 4, 8], &["cli", "document", "render"]),
    program(nwf::cli::Apply::command, &[0, 1, 2, 3, 5, 8], &["apply", "cli", "document"]),
    program(nwf::cli::Explain::command, &[0, 1, 2, 3, 4, 5], &["cli", "document", "explain"]),
    program(nwf::cli::front_command, &[0, 2, 8], &["front"]),
];

/// A kind of document: kind and version, what it holds, its schema.
type Document = (&'static str, &'static str, fn() -> schemars::Schema);

/// All kinds of documents; each has a page in docs/documents.
const DOCUMENTS: &[Document] = &[
    ("filters/1", "filters, bindings as typed data", || schemars::schema_for!(nwf::model::Filters)),
    ("ruleset/1", "the concrete rules of interfaces", || schemars::schema_for!(nwf::ruleset::Ruleset)),
    ("plan/1", "a ruleset rendered for one backend", || schemars::schema_for!(nwf::plan::Plan)),
    ("features/1", "what a host's kernel and programs can do", || schemars::schema_for!(nwf::plan::Features)),
    ("leases/1", "the known addresses of interfaces", || schemars::schema_for!(nwf::leases::Leases)),
    ("report/1", "what a program changed, or would change", || schemars::schema_for!(nwf::report::Report)),
];

/// Exit statuses (design.md §3), the same in every program.
const STATUSES: &[(u8, &str)] = &[
    (0, "Done, or nothing to do."),
    (1, "The operation failed; what was in force before is in force now."),
    (2, "Wrong usage."),
    (3, "Wrong input, also a filter that no host could render."),
    (4, "A variable has no value; the message lists each with the filter that wants it."),
    (5, "With --check: something would change; with --lint: something was found."),
    (6, "The time ran out."),
    (7, "The interface is gone."),
    (8, "Not permitted, or the kernel or a program lacks what is needed; the message says which, and the remedy."),
];

/// Variables of the environment, and the programs that read them; none: all.
const ENVIRONMENT: &[(&str, &[&str], &str)] = &[
    (
        "NWF_FILTER_PATH",
        &["nwf-resolve"],
        "Folders in which the filter NAME is looked up as NAME.xml, with colons between them; by default \
         /etc/nwf/filters:/usr/share/nwf/filters.",
    ),
    (
        "NWF_RUN_DIR",
        &["nwf-apply"],
        "Folder of the state, one for each network namespace; by default /run/nwf. It must not outlive a boot.",
    ),
    ("NO_COLOR", &[], "If it is set and not empty: no colour, unless --color asks for it."),
    ("CLICOLOR_FORCE", &[], "If it is set and not empty: colour also where standard error is no terminal."),
];

/// Paths that the programs use.
const PATHS: &[(&str, &[&str], &str)] = &[
    ("/etc/nwf/filters", &["nwf-resolve"], "Filters of this host; found before those that ship."),
    ("/usr/share/nwf/filters", &["nwf-resolve"], "The filters that ship with nwf."),
    ("/run/nwf", &["nwf-apply"], "What is in force: the state, and its lock."),
];

const fn program(command: fn() -> Command, statuses: &'static [u8], stages: &'static [&'static str]) -> Program {
    Program { command, statuses, stages }
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files below a folder whose names end so, by their paths from the root of the repository.
fn files(folder: &str, ending: &str) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![root().join(folder)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_str().is_some_and(|name| name.ends_with(ending)) {
                found.insert(path.strip_prefix(root()).unwrap().to_owned());
            }
        }
    }
    found
}

#[test]
fn generated_files_are_fresh() {
    let mut expected = BTreeMap::new();
    man_pages(&mut expected);
    completions(&mut expected);
    schemas(&mut expected);
    expected.insert(PathBuf::from("docs/errors.md"), error_list());
    expected.insert(PathBuf::from("docs/fields.md"), field_tables());

    let old: BTreeSet<PathBuf> =
        ["man", "completions", "schemas"].into_iter().flat_map(|folder| files(folder, "")).collect();
    let stale = old.into_iter().filter(|path| !expected.contains_key(path));
    if std::env::var_os("NWF_UPDATE").is_some_and(|value| value == "1") {
        for path in stale {
            std::fs::remove_file(root().join(path)).unwrap();
        }
        for (path, text) in expected {
            let path = root().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        }
        return;
    }
    let differing = expected
        .iter()
        .filter(|(path, text)| std::fs::read_to_string(root().join(path)).ok().as_ref() != Some(text))
        .map(|(path, _)| path.clone());
    let wrong: Vec<String> = differing.chain(stale).map(|path| path.display().to_string()).collect();
    assert!(wrong.is_empty(), "not what the code says: {}\nrun `make generate`", wrong.join(", "));
}

#[test]
fn every_program_is_listed() {
    let listed: BTreeSet<PathBuf> =
        PROGRAMS.iter().map(|program| format!("src/bin/{}.rs", (program.command)().get_name()).into()).collect();
    assert_eq!(listed, files("src/bin", ".rs"));
}

#[test]
fn every_document_has_a_page_that_names_all_its_members() {
    for (kind, _, schema) in DOCUMENTS {
        let mut text = read(page_of(kind));
        assert!(text.starts_with(&format!("# `{kind}`")), "{kind}");
        // What is described on another page is linked, not told again.
        let mut unread: Vec<&str> =
            DOCUMENTS.iter().map(|(other, _, _)| *other).filter(|other| other != kind).collect();
        while let Some(place) = unread.iter().position(|other| {
            let name = page_of(other);
            text.contains(&format!("({}", name.file_name().unwrap().to_str().unwrap()))
        }) {
            text += &read(page_of(unread.remove(place)));
        }
        let mut words = BTreeSet::new();
        words_of(schema().as_value(), &mut words);
        let untold: Vec<&String> = words.iter().filter(|word| !text.contains(&format!("`{word}`"))).collect();
        assert!(untold.is_empty(), "the page of {kind} does not tell of {untold:?}");
    }
    assert_eq!(DOCUMENTS.len(), files("docs/documents", ".md").len());
}

fn page_of(kind: &str) -> PathBuf {
    format!("docs/documents/{}.md", kind.trim_end_matches("/1")).into()
}

/// All names of members, and all words that stand for themselves, in a schema.
fn words_of(schema: &serde_json::Value, words: &mut BTreeSet<String>) {
    match schema {
        serde_json::Value::Array(items) => items.iter().for_each(|item| words_of(item, words)),
        serde_json::Value::Object(members) => {
            for (name, value) in members {
                match (name.as_str(), value) {
                    ("properties", serde_json::Value::Object(properties)) => {
                        words.extend(properties.keys().cloned());
                        properties.values().for_each(|property| words_of(property, words));
                    }
                    ("const", serde_json::Value::String(word)) => {
                        words.insert(word.clone());
                    }
                    ("enum", serde_json::Value::Array(list)) => {
                        words.extend(list.iter().filter_map(|word| word.as_str().map(str::to_owned)));
                    }
                    ("default" | "description", _) => {}
                    _ => words_of(value, words),
                }
            }
        }
        _ => {}
    }
}

#[test]
fn every_error_is_explained() {
    let used = codes();
    let explained: BTreeSet<String> = nwf::cli::codes().map(|(code, _)| code.to_owned()).collect();
    let unknown: Vec<&str> = used.difference(&explained).map(String::as_str).collect();
    assert!(unknown.is_empty(), "`nwf-parse --explain` does not know: {}", unknown.join(", "));
    let left: Vec<_> = explained.difference(&used).collect();
    assert!(left.is_empty(), "no error has these codes: {left:?}");
}

/// The schema of a kind says yes to a document.
fn follows_schema(kind: &str, document: &str) {
    let (_, _, schema) = DOCUMENTS.iter().find(|(known, _, _)| *known == kind).unwrap();
    let schema = jsonschema::validator_for(schema().as_value()).unwrap();
    let document: serde_json::Value =
        serde_json::from_str(document).unwrap_or_else(|error| panic!("{error}: {document}"));
    let faults: Vec<String> =
        schema.iter_errors(&document).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
    assert!(faults.is_empty(), "{kind}: {}", faults.join("\n"));
}

fn run(program: &str, arguments: &[&str], input: &str) -> String {
    let mut command = assert_cmd::Command::cargo_bin(program).unwrap();
    command.env("NWF_FILTER_PATH", root().join("filters")).args(arguments).write_stdin(input);
    String::from_utf8(command.assert().success().get_output().stdout.clone()).unwrap()
}

#[test]
fn what_the_programs_write_follows_the_schemas() {
    let filters = run("nwf-parse", &[root().join("filters").to_str().unwrap()], "");
    follows_schema("filters/1", &filters);
    for case in std::fs::read_dir(root().join("tests/cases/filters")).unwrap() {
        let binding = case.unwrap().path().join("binding.xml");
        let own = binding.with_file_name("filters");
        let Ok(xml) = std::fs::read_to_string(&binding) else { continue };
        let document = run("nwf-parse", &[], &xml);
        follows_schema("filters/1", &document);
        let arguments = if own.is_dir() { vec!["--filters", own.to_str().unwrap()] } else { Vec::new() };
        let ruleset = run("nwf-resolve", &arguments, &document);
        follows_schema("ruleset/1", &ruleset);
        follows_schema("plan/1", &run("nwf-render", &[], &ruleset));
    }
}

#[test]
fn examples_in_the_pages_follow_the_schemas() {
    for (kind, _, _) in DOCUMENTS {
        let page = read(page_of(kind));
        for example in page.split("```json\n").skip(1) {
            follows_schema(kind, example.split("```").next().unwrap());
        }
    }
}

#[test]
fn schemas_refuse_unknown_members() {
    for (kind, _, schema) in DOCUMENTS {
        let schema = jsonschema::validator_for(schema().as_value()).unwrap();
        let mut document =
            serde_json::json!({ "nwf": kind, "interfaces": [], "changed": false, "backend": "nft", "has": [] });
        let members = document.as_object_mut().unwrap();
        members.retain(|name, _| schema_has(kind, name));
        assert!(schema.is_valid(&document), "{kind}");
        document["surprise"] = true.into();
        assert!(!schema.is_valid(&document), "{kind}");
    }
}

fn schema_has(kind: &str, member: &str) -> bool {
    let (_, _, schema) = DOCUMENTS.iter().find(|(known, _, _)| *known == kind).unwrap();
    schema().as_value()["properties"].get(member).is_some()
}

// What the code says.

/// All error codes in src/, as in `code(nwf::resolve::cycle)`.
fn codes() -> BTreeSet<String> {
    let mut codes = BTreeSet::new();
    for path in files("src", ".rs") {
        for part in read(path).split("code(nwf::").skip(1) {
            codes.insert(format!("nwf::{}", part.split_once(')').unwrap().0));
        }
    }
    codes
}

/// The stage of a code.
fn stage(code: &str) -> &str {
    code.split("::").nth(1).unwrap()
}

/// The long text of a code, on one line.
fn explanation(code: &str) -> Option<String> {
    let (_, text) = nwf::cli::codes().find(|(known, _)| *known == code)?;
    Some(text.split_whitespace().collect::<Vec<_>>().join(" "))
}

// Man pages.

fn man_pages(files: &mut BTreeMap<PathBuf, String>) {
    let codes: BTreeMap<String, String> =
        codes().into_iter().map(|code| (code.clone(), explanation(&code).unwrap_or_default())).collect();
    for program in PROGRAMS {
        let command = (program.command)();
        let name = command.get_name().to_owned();
        files.insert(format!("man/{name}.1").into(), man_page(program, command, &name, &codes));
    }
    files.insert("man/nwf.7".into(), overview(&codes));
}

fn man_page(program: &Program, command: Command, name: &str, codes: &BTreeMap<String, String>) -> String {
    let man = Man::new(command).section("1").source(source()).manual(MANUAL).title(name);
    let mut page = Vec::new();
    man.render_title(&mut page).unwrap();
    man.render_name_section(&mut page).unwrap();
    man.render_synopsis_section(&mut page).unwrap();
    man.render_description_section(&mut page).unwrap();
    man.render_options_section(&mut page).unwrap();
    man.render_extra_section(&mut page).unwrap();

    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    for (status, text) in STATUSES.iter().filter(|(status, _)| program.statuses.contains(status)) {
        term(&mut roff, &status.to_string(), text);
    }
    let concerns = |programs: &[&str]| programs.is_empty() || programs.contains(&name);
    roff.control("SH", ["ENVIRONMENT"]);
    for (variable, _, text) in ENVIRONMENT.iter().filter(|(_, programs, _)| concerns(programs)) {
        term(&mut roff, variable, text);
    }
    if PATHS.iter().any(|(_, programs, _)| concerns(programs)) {
        roff.control("SH", ["FILES"]);
        for (path, _, text) in PATHS.iter().filter(|(_, programs, _)| concerns(programs)) {
            term(&mut roff, path, text);
        }
    }
    if !program.stages.is_empty() {
        roff.control("SH", ["ERRORS"]);
        roff.text([
            roman("Every error has a code, which stays the same from version to version. "),
            bold("nwf-parse --explain"),
            roman(" "),
            italic("CODE"),
            roman(" prints what follows here."),
        ]);
        for (code, text) in codes.iter().filter(|(code, _)| program.stages.contains(&stage(code))) {
            term(&mut roff, code, text);
        }
    }
    see_also(&mut roff, name);
    let page = String::from_utf8(page).unwrap() + &roff.render();
    // Each part brings the definition of the apostrophe.
    let preamble: String = page.split_inclusive('\n').take(2).collect();
    preamble.clone() + &page.replace(&preamble, "")
}

const MANUAL: &str = "Network filters of virtual machines";

fn source() -> String {
    format!("nwf {}", env!("CARGO_PKG_VERSION"))
}

/// A word, and indented what it means.
fn term(roff: &mut Roff, word: &str, text: &str) {
    roff.control("TP", []);
    roff.text([bold(word)]);
    roff.text([roman(text)]);
}

fn see_also(roff: &mut Roff, but: &str) {
    roff.control("SH", ["SEE ALSO"]);
    let names = PROGRAMS.iter().map(|program| (program.command)().get_name().to_owned());
    let pages = names.map(|name| (name, "1")).chain([("nwf".to_owned(), "7"), ("nft".to_owned(), "8")]);
    let mut line: Vec<Inline> = Vec::new();
    for (name, section) in pages.filter(|(name, section)| (name.as_str(), *section) != (but, "1")) {
        if but == "nwf(7)" && name == "nwf" && section == "7" {
            continue;
        }
        if !line.is_empty() {
            line.push(roman(", "));
        }
        line.push(bold(name));
        line.push(roman(format!("({section})")));
    }
    roff.text(line);
}

fn overview(codes: &BTreeMap<String, String>) -> String {
    let mut roff = Roff::new();
    roff.control("TH", ["nwf", "7", "", &source(), MANUAL]);
    let paragraphs = |roff: &mut Roff, texts: &[&str]| {
        for text in texts {
            roff.control("PP", []);
            roff.text([roman(*text)]);
        }
    };
    roff.control("SH", ["NAME"]);
    roff.text([roman("nwf - network filters of virtual machines, from XML to the kernel")]);
    roff.control("SH", ["SYNOPSIS"]);
    roff.text([
        bold("nwf-parse"),
        roman(" "),
        italic("BINDING.xml"),
        roman(" | "),
        bold("nwf-resolve"),
        roman(" | "),
        bold("nwf-render"),
        roman(" | "),
        bold("nwf-apply"),
    ]);
    roff.control("SH", ["DESCRIPTION"]);
    paragraphs(
        &mut roff,
        &[
            "nwf compiles network filters for the interfaces of virtual machines into kernel firewall rules, and \
             applies them without a gap. It reads the filter XML that users of libvirt have, and needs no libvirt.",
            "It is a set of programs that pass JSON documents to each other. Each does one job and is useful alone; \
             reading, resolving and rendering need no privileges.",
        ],
    );
    for program in PROGRAMS {
        let command = (program.command)();
        let about = command.get_about().map(ToString::to_string).unwrap_or_default();
        term(&mut roff, &format!("{}(1)", command.get_name()), &format!("{about}."));
    }
    roff.control("SH", ["DOCUMENTS"]);
    paragraphs(
        &mut roff,
        &["A document is one JSON object whose first member, \"nwf\", names its kind and version. Another kind or \
           version, or a member that is not known, is refused. Their JSON Schemas are in /usr/share/nwf/schemas."],
    );
    for (kind, text, _) in DOCUMENTS {
        term(&mut roff, kind, &format!("Holds {text}."));
    }
    roff.control("SH", ["PROFILES"]);
    paragraphs(
        &mut roff,
        &["Where libvirt's behaviour is odd, the profile \"nwf\", the default, improves it; with --compat libvirt it \
           is kept, for hosts that migrate. The profile is chosen where XML is read and recorded in every document; \
           an option that contradicts the document is wrong usage."],
    );
    roff.control("SH", ["EXIT STATUS"]);
    paragraphs(&mut roff, &["The same in every program:"]);
    for (status, text) in STATUSES {
        term(&mut roff, &status.to_string(), text);
    }
    term(&mut roff, "130, 143", "Ended by SIGINT or SIGTERM.");
    roff.control("SH", ["ENVIRONMENT"]);
    for (variable, _, text) in ENVIRONMENT {
        term(&mut roff, variable, text);
    }
    roff.control("SH", ["FILES"]);
    for (path, _, text) in PATHS {
        term(&mut roff, path, text);
    }
    roff.control("SH", ["ERRORS"]);
    paragraphs(
        &mut roff,
        &[
            "Every error and warning has a code, which stays the same from version to version. nwf-parse --explain CODE \
           prints what it means; with --error-format json the code is a member of the message. All codes:",
        ],
    );
    for code in codes.keys() {
        roff.control("PP", []);
        roff.text([roman(code.as_str())]);
    }
    see_also(&mut roff, "nwf(7)");
    roff.render()
}

// Completions, schemas, errors.

fn completions(files: &mut BTreeMap<PathBuf, String>) {
    for program in PROGRAMS {
        for (folder, shell) in [("bash", Shell::Bash), ("zsh", Shell::Zsh), ("fish", Shell::Fish)] {
            let mut command = (program.command)();
            let name = command.get_name().to_owned();
            let file = match shell {
                Shell::Zsh => format!("_{name}"),
                Shell::Fish => format!("{name}.fish"),
                _ => name.clone(),
            };
            let mut text = Vec::new();
            generate(shell, &mut command, name, &mut text);
            files.insert(format!("completions/{folder}/{file}").into(), String::from_utf8(text).unwrap());
        }
    }
}

fn schemas(files: &mut BTreeMap<PathBuf, String>) {
    for (kind, _, schema) in DOCUMENTS {
        let text = serde_json::to_string_pretty(&schema()).unwrap() + "\n";
        files.insert(format!("schemas/{}.json", kind.replace('/', "-")).into(), text);
    }
}

fn error_list() -> String {
    let mut text = String::from(
        "# Errors and warnings\n\n\
         Made from the code by `make generate`. Every error has a code that stays the same from version to version;\n\
         `nwf-parse --explain CODE` prints what is written here.\n",
    );
    let mut last = String::new();
    for code in codes() {
        let stage = stage(&code);
        if stage != last {
            let _ = write!(text, "\n## {stage}\n");
            stage.clone_into(&mut last);
        }
        let _ = write!(text, "\n### `{code}`\n\n{}\n", markdown(&explanation(&code).unwrap_or_default()));
    }
    text
}

fn field_tables() -> String {
    let mut text = String::from(
        "# Protocols and their attributes\n\n\
         Made from the code by `make generate`. The child of a `<rule>` names a protocol; these are the attributes that it\n\
         takes. In documents, the attributes of a rule stand in the order of these tables. `$`: a variable may stand for\n\
         the value. Each element also takes `match='no'`, which inverts its tests.\n",
    );
    let tables = Protocol::ALL.iter().map(|protocol| (protocol.layer(), field_table(*protocol), *protocol));
    let mut groups: Vec<(Layer, String, Vec<Protocol>)> = Vec::new();
    for (layer, table, protocol) in tables {
        match groups.iter_mut().find(|(other, same, _)| *other == layer && *same == table) {
            Some((_, _, protocols)) => protocols.push(protocol),
            None => groups.push((layer, table, vec![protocol])),
        }
    }
    let mut last = None;
    for (layer, table, protocols) in groups {
        if last != Some(layer) {
            text += match layer {
                Layer::Ethernet => "\n## Ethernet layer\n\nRules live in chains, and know nothing of connections.\n",
                Layer::Ipv4 => "\n## IPv4\n\nRules form one list, and know connections.\n",
                Layer::Ipv6 => "\n## IPv6\n\nRules form one list, and know connections.\n",
            };
            last = Some(layer);
        }
        let names: Vec<String> = protocols.iter().map(|protocol| format!("`{protocol}`")).collect();
        let _ = write!(text, "\n### {}\n\n{table}", names.join(", "));
    }
    text
}

fn field_table(protocol: Protocol) -> String {
    let mut text = String::from("| attribute | value | `$` | in a test |\n|---|---|---|---|\n");
    for row in protocol.rows() {
        let role = match row.role {
            Role::Leader => "stands for itself".to_owned(),
            Role::MaskOf(leader) => format!("mask of `{leader}`"),
            Role::EndOf(leader) => format!("end of the range from `{leader}`"),
            Role::CodeOf(leader) => format!("code of the `{leader}`"),
            Role::OptionOf(leader) => format!("how `{leader}` is looked up"),
            Role::Remark => "none, a remark".to_owned(),
        };
        let ours = if row.ours { "; unknown to libvirt" } else { "" };
        let variable = if row.allows_variable() { "$" } else { "" };
        let _ = writeln!(text, "| `{}` | {} | {variable} | {role}{ours} |", row.attribute, row.kind.expected());
    }
    text
}

/// Keeps elements such as `<rule>` from being taken for HTML, and breaks lines.
fn markdown(text: &str) -> String {
    let mut lines = String::new();
    let mut width = 0;
    for word in text.split(' ') {
        if width > 0 && width + 1 + word.chars().count() > 110 {
            lines.push('\n');
            width = 0;
        } else if width > 0 {
            lines.push(' ');
            width += 1;
        }
        width += word.chars().count();
        lines.push_str(&word.replace('<', "\\<"));
    }
    lines
}
