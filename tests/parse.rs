//! Runs `nwf-parse` as its users do.
//!
//! A folder of `cases/parse` is a case: the program runs inside it with the lines of `arguments` (without that
//! file: `input.xml`) and the standard input `stdin`, and must give exactly `stdout`, `stderr` (absent: nothing)
//! and `status` (absent: 0). `NWF_UPDATE_CASES=1` writes those three anew.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use nwf::model::{Filters, Profile};

fn cases() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/parse");
    let mut cases: Vec<PathBuf> = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path()).collect();
    cases.sort();
    cases
}

fn run(folder: &Path, arguments: &[&str], stdin: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_nwf-parse"))
        .args(arguments)
        .current_dir(folder)
        .env_remove("CLICOLOR_FORCE")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that does not read its input closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(stdin);
    child.wait_with_output().unwrap()
}

fn text(folder: &Path, name: &str) -> Option<String> {
    std::fs::read_to_string(folder.join(name)).ok()
}

/// Stdout, stderr and status of a case, as its files hold them.
fn actual(folder: &Path) -> [String; 3] {
    let arguments = text(folder, "arguments").unwrap_or_else(|| "input.xml\n".to_owned());
    let arguments: Vec<&str> = arguments.lines().filter(|line| !line.is_empty()).collect();
    let stdin = std::fs::read(folder.join("stdin")).unwrap_or_default();
    let output = run(folder, &arguments, &stdin);
    let status = output.status.code().unwrap();
    [
        String::from_utf8(output.stdout).unwrap(),
        String::from_utf8(output.stderr).unwrap(),
        if status == 0 { String::new() } else { format!("{status}\n") },
    ]
}

#[test]
fn cases_give_what_they_say() {
    let update = std::env::var_os("NWF_UPDATE_CASES").is_some();
    let mut wrong = String::new();
    for folder in cases() {
        for (name, actual) in ["stdout", "stderr", "status"].into_iter().zip(actual(&folder)) {
            let expected = text(&folder, name).unwrap_or_default();
            if actual == expected {
                continue;
            }
            if update && actual.is_empty() {
                std::fs::remove_file(folder.join(name)).unwrap();
            } else if update {
                std::fs::write(folder.join(name), actual).unwrap();
            } else {
                let case = folder.file_name().unwrap().to_string_lossy();
                writeln!(wrong, "== {case}: {name}\n-- expected\n{expected}\n-- actual\n{actual}").unwrap();
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Codes whose input is too large, or too deep, for a folder: below in this file.
const ELSEWHERE: [&str; 4] =
    ["nwf::xml::too_large", "nwf::xml::too_deep", "nwf::xml::too_many_elements", "nwf::xml::too_many_problems"];

#[test]
fn every_code_is_explained_and_has_a_case() {
    let mut seen = BTreeSet::new();
    for folder in cases() {
        let stderr = text(&folder, "stderr").unwrap_or_default();
        seen.extend(stderr.lines().filter(|line| line.starts_with("nwf::xml::")).map(str::to_owned));
    }
    let explained: BTreeSet<String> = nwf::xml::EXPLANATIONS.iter().map(|(code, _)| (*code).to_owned()).collect();
    assert_eq!(explained.len(), nwf::xml::EXPLANATIONS.len(), "a code is explained twice");
    let elsewhere: BTreeSet<String> = ELSEWHERE.iter().map(|code| (*code).to_owned()).collect();
    let expected: BTreeSet<String> = explained.difference(&elsewhere).cloned().collect();
    assert_eq!(seen, expected);
}

/// What an input of any kind must keep to (issue A): a clear error within two seconds.
#[track_caller]
fn refused(input: &[u8], code: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("input.xml"), input).unwrap();
    refused_file(folder.path(), code)
}

#[track_caller]
fn refused_file(folder: &Path, code: &str) -> String {
    let begin = Instant::now();
    let output = run(folder, &["input.xml"], b"");
    // The tests run beside each other, and unoptimised.
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains(code), "{stderr}");
    assert!(stderr.len() < 200_000, "{} bytes of messages", stderr.len());
    stderr
}

#[test]
fn an_entity_bomb_is_refused() {
    let mut bomb = String::from("<!DOCTYPE filter [<!ENTITY e0 'ha'>");
    for level in 1..100 {
        let before = format!("&e{};", level - 1).repeat(10);
        write!(bomb, "<!ENTITY e{level} '{before}'>").unwrap();
    }
    bomb.push_str("]><filter name='&e99;'/>");
    refused(bomb.as_bytes(), "nwf::xml::document_type");
}

#[test]
fn one_hundred_thousand_nested_elements_are_refused() {
    let stderr = refused(("<filter>".repeat(100_000) + &"</filter>".repeat(100_000)).as_bytes(), "nwf::xml::too_deep");
    assert!(stderr.contains("elements are nested more than 256 deep"), "{stderr}");
}

#[test]
fn a_nul_is_refused() {
    refused(b"\0", "nwf::xml::forbidden_character");
    refused(b"<filter name='a\0b'/>", "nwf::xml::forbidden_character");
    refused(b"<filter name='a&#0;b'/>", "nwf::xml::unknown_entity");
}

#[test]
fn what_is_no_xml_is_refused() {
    for input in [
        "",
        " ",
        "hello",
        "<",
        "<>",
        "<a",
        "<a b",
        "<a b='",
        "<a b=c/>",
        "<a b='1' b='2'/>",
        "<a b='1'c='2'/>",
        "<a/><b/>",
        "<a/>x",
        "x<a/>",
        "</a>",
        "<a></b>",
        "<a",
        "<!-- ",
        "<a><![CDATA[",
        "<a>&</a>",
        "<a>&amp</a>",
        "<a b='<'/>",
        "<a b='&'/>",
        "<1a/>",
        "<a 1='b'/>",
        "<?xml version='1.0'",
        " <?xml version='1.0'?><a/>",
        "<a>]]></a>",
        "<!-- -- --><a/>",
        "<![CDATA[x]]>",
        "<?xml version='3.0'?><a/>",
        "<a>",
        "&amp;<a/>",
        "<a/>&amp;",
        "<!>",
    ] {
        refused(input.as_bytes(), "nwf::xml::not_well_formed");
    }
}

#[test]
fn a_file_of_100_mb_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let file = std::fs::File::create(folder.path().join("input.xml")).unwrap();
    // NULs, of which only the first 16 MiB are ever looked at.
    file.set_len(100 * 1024 * 1024).unwrap();
    let stderr = refused_file(folder.path(), "nwf::xml::too_large");
    assert!(stderr.contains("the document has more than 16777216 bytes"), "{stderr}");
}

#[test]
fn a_million_elements_are_refused() {
    let input = format!("<filter name='a'>{}</filter>", "<rule/>".repeat(1_000_000));
    refused(input.as_bytes(), "nwf::xml::too_many_elements");
}

#[test]
fn ten_thousand_problems_are_told_in_part() {
    let line = "<rule action='dorp' direction='in'/>";
    let one_line = format!("<filter name='a'>{}</filter>", line.repeat(10_000));
    let many_lines = format!("<filter name='a'>\n{}</filter>", format!("{line}\n").repeat(10_000));
    for input in [one_line, many_lines] {
        let stderr = refused(input.as_bytes(), "nwf::xml::too_many_problems");
        assert_eq!(stderr.matches("nwf::xml::bad_action").count(), 200);
    }
}

#[test]
fn long_names_and_values_are_cut_in_messages() {
    let long = "x".repeat(2_000_000);
    for (input, code) in [
        (format!("<{long}/>"), "nwf::xml::unknown_root"),
        (format!("<filter name='1{long}'/>"), "nwf::xml::bad_filter_name"),
        (format!("<filter name='a' chain='{long}'/>"), "nwf::xml::bad_chain"),
        (format!("<filter name='a' {long}='1'/>"), "nwf::xml::unknown_attribute"),
        (format!("<filter name='a'><{long}/></filter>"), "nwf::xml::unknown_element"),
        (format!("<filter name='a'><uuid>{long}</uuid></filter>"), "nwf::xml::bad_uuid"),
        (format!("<filter name='a'><rule action='{long}' direction='in'/></filter>"), "nwf::xml::bad_action"),
        (format!("<filter name='a'>&{long};</filter>"), "nwf::xml::unknown_entity"),
        (
            format!("<filter name='a'><rule action='drop' direction='in'><tcp dscp='{long}'/></rule></filter>"),
            "nwf::xml::bad_value",
        ),
        (
            format!("<interface type='bridge'><target dev='{long}'/><filterref filter='a'/></interface>"),
            "nwf::xml::bad_interface_name",
        ),
    ] {
        let stderr = refused(input.as_bytes(), code);
        assert!(stderr.len() < 2000, "{code}: {} bytes", stderr.len());
    }
}

#[test]
fn a_name_is_never_a_path() {
    let stderr = refused(b"<filter name='../../etc/passwd'/>", "nwf::xml::bad_filter_name");
    assert!(stderr.contains("`../../etc/passwd` is not a filter name"), "{stderr}");
}

#[test]
fn output_goes_to_a_file_whole_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| folder.path().join(name);
    std::fs::write(path("good.xml"), "<filter name='a'/>").unwrap();
    std::fs::write(path("bad.xml"), "<filter/>").unwrap();
    assert_eq!(run(folder.path(), &["-o", "out", "good.xml"], b"").status.code(), Some(0));
    let written = std::fs::read_to_string(path("out")).unwrap();
    assert!(written.starts_with("{\"nwf\":\"filters/1\""), "{written}");
    assert_eq!(run(folder.path(), &["-o", "out", "bad.xml"], b"").status.code(), Some(3));
    assert_eq!(std::fs::read_to_string(path("out")).unwrap(), written);
}

#[test]
fn the_document_reads_back_as_itself() {
    let filters = Path::new(env!("CARGO_MANIFEST_DIR")).join("filters");
    let first = run(&filters, &["--strict", "."], b"");
    assert_eq!(first.status.code(), Some(0), "{}", String::from_utf8_lossy(&first.stderr));
    let second = run(&filters, &[], &first.stdout);
    assert_eq!(first.stdout, second.stdout);
    let document: Filters = serde_json::from_slice(&first.stdout).unwrap();
    assert!(document.filters.len() >= 25);
}

/// Every `*.xml` of the conformance data with a filter; none if there is no data.
fn conformance_files() -> Vec<PathBuf> {
    let root = std::env::var_os("NWF_CONFORMANCE_DIR")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/conformance"), PathBuf::from);
    let mut files = Vec::new();
    let mut open = vec![root.join("nwfilter"), root.join("tck")];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().map(Result::unwrap) {
            if entry.file_type().unwrap().is_dir() {
                open.push(entry.path());
            } else if entry.path().extension().is_some_and(|extension| extension == "xml") {
                files.push(entry.path());
            }
        }
    }
    files.sort();
    files
}

#[test]
fn xml_97_conformance_filters_print_as_they_read() {
    let files = conformance_files();
    if files.is_empty() {
        println!("skipped: no conformance data");
        return;
    }
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let name = file.display().to_string();
        let first = nwf::xml::read(&text, &name, Profile::Libvirt);
        assert!(!first.has_errors(), "{name}: {:#?}", first.problems);
        let [filter] = first.filters.filters.as_slice() else { panic!("{name} holds no filter") };
        let printed = nwf::xml::write_filter(filter, Profile::Libvirt);
        let second = nwf::xml::read(&printed, &name, Profile::Libvirt);
        // XML-81: what libvirt drops when it reads its own output.
        let set = first.problems.iter().any(|problem| problem.error == nwf::xml::XmlError::SetWithoutFlags);
        if !set {
            assert_eq!(nwf::xml::write_filter(&second.filters.filters[0], Profile::Libvirt), printed, "{name}");
        }
    }
}
