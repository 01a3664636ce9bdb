//! What the tools list after a filter was applied, against the public test data, on this kernel.

use std::path::Path;

use nwf::model::Profile;
use nwf::render::xtables::Action;

use super::given::{Given, data, list, list_with, planned};
use super::host::Host;

/// A section of expectations: a command, and the lines that it prints.
struct Section {
    command: String,
    expected: Vec<String>,
}

fn sections(file: &Path, interface: &str) -> Vec<Section> {
    let text = std::fs::read_to_string(file).unwrap().replace("vnet0", interface);
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines().take_while(|line| !line.is_empty()) {
        match line.strip_prefix('#') {
            Some(command) => sections.push(Section { command: command.to_owned(), expected: Vec::new() }),
            None => sections.last_mut().expect("a command comes first").expected.push(line.to_owned()),
        }
    }
    sections
}

/// Undoes what versions of the tools print differently, and takes the blanks out.
fn plain(line: &str) -> String {
    let line = line.replace("-p 0x600 ", "-p Length ").replace("--icmp-type 255/255", "--icmp-type any");
    line.to_lowercase().split_whitespace().collect()
}

fn compare(host: &Host, file: &Path, interface: &str) -> usize {
    let sections = sections(file, interface);
    for Section { command, expected } in &sections {
        let printed = host.sh(&format!("{command} 2>&1"));
        let printed: Vec<String> = printed.stdout.lines().map(plain).collect();
        let expected: Vec<String> = expected.iter().map(|line| plain(line)).collect();
        assert_eq!(printed, expected, "{}: {command}", file.display());
    }
    sections.len()
}

#[test]
fn eb_171_the_tools_list_what_the_data_says() {
    let Some(folder) = data().map(|data| data.join("tck")) else { return };
    let Some(host) = Host::new("tck") else { return };
    let second = folder.join("testvm");
    let rules = |case: &Path, interface: &str| {
        let given = Given::case(Profile::Libvirt, &case.join("params.json")).on(interface);
        given.rules(&std::fs::read_to_string(case.join("filter.xml")).unwrap())
    };
    let neighbour = rules(&second, "vnet8");
    host.all(&list(&neighbour, Action::Install));
    let mut count = compare(&host, &second.join("expected.fwall"), "vnet8");

    let mut cases: Vec<_> = std::fs::read_dir(&folder).unwrap().flatten().map(|entry| entry.path()).collect();
    cases.retain(|case| case.join("filter.xml").is_file() && *case != second);
    cases.sort();
    let mut old = None;
    for case in &cases {
        let text = std::fs::read_to_string(case.join("filter.xml")).unwrap();
        let needs = text.lines().next().and_then(|line| line.split_once('#')?.1.split_once('#'));
        if let Some((command, _)) = needs
            && host.sh(command).status != Some(0)
        {
            eprintln!("skipped: {} needs `{command}`", case.display());
            continue;
        }
        // Each case takes the place of the one before, as upstream redefines the filter of a running guest.
        let ruleset = rules(case, "vnet7");
        host.all(&list_with(&ruleset, old.as_ref(), Action::Install));
        count += compare(&host, &case.join("expected.fwall"), "vnet7");
        compare(&host, &second.join("expected.fwall"), "vnet8");
        old = Some(planned(&ruleset));
    }
    assert!(cases.len() >= 20);
    println!("{} cases, {count} sections", cases.len());
}
