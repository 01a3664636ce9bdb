//! The shell batch: its form, and what the shells make of it (EB-161).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use nwf::model::{Interim, Profile};
use nwf::render::xtables::Action;
use nwf::resolve::{Families, interim};
use nwf::ruleset::Ruleset;

use super::given::{Given, script};
use super::host::Host;

const ACTIONS: [Action; 5] = [Action::Install, Action::Remove, Action::Build, Action::Switch, Action::Undo];

/// Sub-chains, both IP versions, and a comment with all that a shell might look at.
const FILTER: &str = r#"<filter name='f' chain='root'>
  <filterref filter='sub'/>
  <rule action='drop' direction='out' priority='-900'><mac match='no' srcmacaddr='$MAC'/></rule>
  <rule action='accept' direction='out'><tcp dstportstart='80' comment='`date` $(date) $HOME "q" &apos;s&apos; \ ; | &amp; * ? [a] # ~ { } &lt; &gt; ! %s %n é'/></rule>
  <rule action='drop' direction='inout'><all-ipv6/></rule>
</filter>"#;
const SUB: &str = "<filter name='sub' chain='arp-x' priority='-400'>
  <rule action='accept' direction='inout'><arp opcode='Request'/></rule>
  <rule action='drop' direction='inout'/>
</filter>";

fn ruleset(profile: Profile) -> Ruleset {
    let mut given = Given::new(profile);
    given.mac = Some("52:54:00:11:22:33".parse().unwrap());
    given.rules_of(&[FILTER, SUB])
}

/// The same for two interfaces.
fn pair(profile: Profile) -> Ruleset {
    let mut ruleset = ruleset(profile);
    let mut second = ruleset.interfaces[0].clone();
    second.binding.interface = "vnet1".parse().unwrap();
    ruleset.interfaces.push(second);
    ruleset
}

fn interim_rules(profile: Profile) -> Ruleset {
    let ruleset = Given::new(profile).filter("");
    let bound = ruleset.interfaces[0].binding.clone();
    let rules = interim(Interim::DhcpOnly, bound, "52:54:00:11:22:33".parse().unwrap(), Families::Both, &[]);
    Ruleset { interfaces: vec![rules], ..ruleset }
}

/// All scripts of both profiles, with a word for each.
fn scripts() -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for profile in [Profile::Nwf, Profile::Libvirt] {
        for action in ACTIONS {
            all.insert(format!("{profile} {} filter", action.name()), script(&pair(profile), action));
            all.insert(format!("{profile} {} interim", action.name()), script(&interim_rules(profile), action));
        }
    }
    all
}

/// The shells that are here, each with the words that start it.
fn shells() -> Vec<Vec<&'static str>> {
    let known = [vec!["sh"], vec!["dash"], vec!["bash", "--posix"], vec!["busybox", "sh"]];
    let is_here = |words: &Vec<&str>| {
        let there = run(words, &["-c", ":"], &[]).is_some();
        if !there {
            eprintln!("skipped: no {}", words[0]);
        }
        there
    };
    known.into_iter().filter(is_here).collect()
}

/// Runs a program; none if it is not there.
fn run(words: &[&str], arguments: &[&str], environment: &[(&str, &Path)]) -> Option<Output> {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]).args(arguments).stdin(Stdio::null());
    for (name, value) in environment {
        command.env(name, value);
    }
    command.output().ok()
}

fn write(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}

#[test]
fn eb_150_to_157_the_example_of_the_specification() {
    let rules = "<rule action='drop' direction='out'><mac match='no' srcmacaddr='52:54:0:11:22:33'/></rule>";
    let text = script(&Given::new(Profile::Libvirt).filter(rules), Action::Build);
    assert_eq!(
        text,
        r#"#!/bin/sh
# build vnet0; generated, do not edit
# shellcheck disable=SC1003,SC2016 # words are meant as they are
set -uf
LC_ALL=C; export LC_ALL
EBT=${EBT:-ebtables}
IPT=${IPT:-iptables}
IP6T=${IP6T:-ip6tables}

nwf_may() { "$@" >/dev/null 2>&1 </dev/null || :; }

# The chains that a root chain jumps to, by their first letters.
nwf_subs() {
  "$EBT" --concurrent -t nat -L "$1" 2>/dev/null </dev/null |
    sed -n 's/^.*-j \(['"$2"']-[^ ]*\).*$/\1/p'
}

nwf_undo() {
  nwf_may "$EBT" --concurrent -t nat -D PREROUTING -i vnet0 -j libvirt-J-vnet0
  nwf_may "$EBT" --concurrent -t nat -D POSTROUTING -o vnet0 -j libvirt-P-vnet0
  new_subs=$(nwf_subs libvirt-J-vnet0 JP; nwf_subs libvirt-P-vnet0 JP)
  nwf_may "$EBT" --concurrent -t nat -F libvirt-J-vnet0
  nwf_may "$EBT" --concurrent -t nat -X libvirt-J-vnet0
  nwf_may "$EBT" --concurrent -t nat -F libvirt-P-vnet0
  nwf_may "$EBT" --concurrent -t nat -X libvirt-P-vnet0
  for sub in $new_subs; do
    nwf_may "$EBT" --concurrent -t nat -F "$sub"
  done
  for sub in $new_subs; do
    nwf_may "$EBT" --concurrent -t nat -X "$sub"
  done
}

nwf_fail() {
  printf 'Failure in command %s.\n' "$1" >&2
  printf 'Exit status %s: %s\n' "$2" "$3" >&2
  nwf_undo
  exit 1
}

trap 'nwf_undo; exit 1' HUP INT TERM

nwf_may "$EBT" --concurrent -t nat -D PREROUTING -i vnet0 -j libvirt-J-vnet0
nwf_may "$EBT" --concurrent -t nat -D POSTROUTING -o vnet0 -j libvirt-P-vnet0
new_subs=$(nwf_subs libvirt-J-vnet0 JP; nwf_subs libvirt-P-vnet0 JP)
nwf_may "$EBT" --concurrent -t nat -F libvirt-J-vnet0
nwf_may "$EBT" --concurrent -t nat -X libvirt-J-vnet0
nwf_may "$EBT" --concurrent -t nat -F libvirt-P-vnet0
nwf_may "$EBT" --concurrent -t nat -X libvirt-P-vnet0
for sub in $new_subs; do
  nwf_may "$EBT" --concurrent -t nat -F "$sub"
done
for sub in $new_subs; do
  nwf_may "$EBT" --concurrent -t nat -X "$sub"
done
res=$("$EBT" --concurrent -t nat -N libvirt-J-vnet0 2>&1 </dev/null)
rc=$?
if [ "$rc" -ne 0 ]; then
  nwf_fail 'ebtables --concurrent -t nat -N libvirt-J-vnet0' "$rc" "$res"
fi
res=$("$EBT" --concurrent -t nat -A libvirt-J-vnet0 -s '!' 52:54:00:11:22:33 -j DROP 2>&1 </dev/null)
rc=$?
if [ "$rc" -ne 0 ]; then
  nwf_fail 'ebtables --concurrent -t nat -A libvirt-J-vnet0 -s '\''!'\'' 52:54:00:11:22:33 -j DROP' "$rc" "$res"
fi
res=$("$EBT" --concurrent -t nat -A PREROUTING -i vnet0 -j libvirt-J-vnet0 2>&1 </dev/null)
rc=$?
if [ "$rc" -ne 0 ]; then
  nwf_fail 'ebtables --concurrent -t nat -A PREROUTING -i vnet0 -j libvirt-J-vnet0' "$rc" "$res"
fi
exit 0
"#
    );
}

#[test]
fn eb_161_every_shell_reads_every_script() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in scripts() {
        let file = write(folder.path(), "script", &text);
        for shell in shells() {
            let output = run(&shell, &["-n", file.to_str().unwrap()], &[]).unwrap();
            assert!(output.status.success() && output.stderr.is_empty(), "{shell:?} {name}: {output:?}");
        }
    }
}

#[test]
fn shellcheck_finds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in scripts() {
        let file = write(folder.path(), "script", &text);
        let Some(output) = run(&["shellcheck", "--shell=sh"], &[file.to_str().unwrap()], &[]) else {
            eprintln!("skipped: no shellcheck");
            return;
        };
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stdout));
    }
}

/// In front of a script: the tools' place is taken by functions that write their arguments down, and one call fails.
const STUBS: &str = r#"
stub() {
  read -r calls <"$STUBS/count"
  read -r fails <"$STUBS/fails"
  calls=$((calls + 1))
  echo "$calls" >"$STUBS/count"
  printf '%s\0' "$@" '' >>"$STUBS/log"
  [ "$calls" -ne "$fails" ] || { printf '%s\n' 'refused: %s \n' >&2; return 4; }
}
ebt() { stub ebtables "$@"; }
ipt() { stub iptables "$@"; }
ip6t() { stub ip6tables "$@"; }
EBT=ebt IPT=ipt IP6T=ip6t
"#;

/// A folder for the files of the stubs.
struct Stub {
    folder: tempfile::TempDir,
}

impl Stub {
    fn new() -> Self {
        Stub { folder: tempfile::tempdir().unwrap() }
    }

    /// Runs a script; gives its end, and the calls of the tools.
    fn run(&self, shell: &[&str], script: &str, fails: usize) -> (Output, Vec<Vec<String>>) {
        let folder = self.folder.path();
        let file = write(folder, "script", &format!("{STUBS}{script}"));
        write(folder, "fails", &format!("{fails}\n"));
        write(folder, "count", "0\n");
        write(folder, "log", "");
        let output = run(shell, &[file.to_str().unwrap()], &[("STUBS", folder)]).unwrap();
        let log = std::fs::read_to_string(folder.join("log")).unwrap();
        let calls = log.split("\0\0").filter(|call| !call.is_empty());
        (output, calls.map(|call| call.split('\0').map(str::to_owned).collect()).collect())
    }
}

/// Whether a call is one that has to succeed: what makes or fills something, and the last look.
fn is_must(call: &[String], profile: Profile, action: &str) -> bool {
    let words: Vec<&str> = call.iter().map(String::as_str).collect();
    let verb = if words[0] == "ebtables" { words[4] } else { words[2] };
    let chain = if words[0] == "ebtables" { words[5] } else { words[3] };
    let is_base = ["libvirt-in", "libvirt-out", "libvirt-in-post", "libvirt-host-in"].contains(&chain)
        || ["nwf-in", "nwf-out", "nwf-in-post", "nwf-host-in"].contains(&chain);
    match verb {
        "-A" | "-I" => true,
        "-N" => !is_base,
        "-E" => profile == Profile::Libvirt && action == "interim",
        _ => false,
    }
}

#[test]
fn eb_161_any_call_may_fail() {
    let stub = Stub::new();
    for profile in [Profile::Nwf, Profile::Libvirt] {
        for (kind, ruleset) in [("filter", ruleset(profile)), ("interim", interim_rules(profile))] {
            let file = script(&ruleset, Action::Install);
            let (output, all) = stub.run(&["sh"], &file, 0);
            assert!(output.status.success() && output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
            // The calls of the undo list are those of a failure at the first call that has to succeed.
            let first = all.iter().position(|call| is_must(call, profile, kind)).unwrap();
            let undo = stub.run(&["sh"], &file, first + 1).1.split_off(first + 1);
            assert!(!undo.is_empty());
            let is_last_look = |at: usize| profile == Profile::Nwf && at + count_last_looks(&all) >= all.len();
            for (at, call) in all.iter().enumerate() {
                let (output, calls) = stub.run(&["sh"], &file, at + 1);
                let message = String::from_utf8(output.stderr.clone()).unwrap();
                if is_must(call, profile, kind) {
                    assert_eq!(output.status.code(), Some(1), "{call:?}");
                    assert_eq!(message.lines().count(), 2, "{message}");
                    assert!(message.starts_with(&format!("Failure in command {}", call[0])), "{message}");
                    assert!(message.ends_with("\nExit status 4: refused: %s \\n\n"), "{message}");
                    assert_eq!(calls[..=at], all[..=at]);
                    assert_eq!(calls[at + 1..], undo, "{call:?}");
                } else if is_last_look(at) {
                    assert_eq!(output.status.code(), Some(1), "{call:?}");
                    assert_eq!(calls, all[..=at], "nothing is undone");
                } else {
                    assert!(output.status.success() && message.is_empty(), "{call:?}: {output:?}");
                }
            }
        }
    }
}

/// How many of the calls at the end are looks.
fn count_last_looks(calls: &[Vec<String>]) -> usize {
    calls.iter().rev().take_while(|call| call.iter().any(|word| word == "-L" || word == "-S")).count()
}

#[test]
fn eb_157_words_arrive_byte_for_byte_in_every_shell() {
    let stub = Stub::new();
    let hostile = "`date` $(date) $HOME \"q\" 's' \\ ; | & * ? [a] # ~ { } < > ! %s %n é";
    let file = script(&pair(Profile::Libvirt), Action::Install);
    for shell in shells() {
        let (_, calls) = stub.run(&shell, &file, 0);
        let comments: Vec<&String> =
            calls.iter().filter_map(|call| call.iter().skip_while(|word| *word != "--comment").nth(1)).collect();
        assert_eq!(comments.len(), 6, "three chains on two interfaces");
        assert!(comments.iter().all(|comment| *comment == hostile), "{shell:?}: {comments:?}");
    }
}

#[test]
fn eb_154_the_message_shows_the_command_as_it_can_be_typed() {
    let stub = Stub::new();
    let file = script(&ruleset(Profile::Libvirt), Action::Install);
    let (_, all) = stub.run(&["sh"], &file, 0);
    let at = all.iter().position(|call| call.iter().any(|word| word == "--comment")).unwrap();
    for shell in shells() {
        let message = String::from_utf8(stub.run(&shell, &file, at + 1).0.stderr).unwrap();
        assert_eq!(
            message.lines().next().unwrap(),
            "Failure in command iptables -w -A FJ-vnet0 -p tcp --dport 80 -m conntrack --ctstate NEW,ESTABLISHED -m \
             conntrack --ctdir Original -m comment --comment '`date` $(date) $HOME \"q\" '\\''s'\\'' \\ ; | & * ? [a] # ~ \
             { } < > ! %s %n é' -j RETURN."
        );
    }
}

#[test]
fn eb_156_a_signal_undoes_what_was_built() {
    let stub = Stub::new();
    let text = script(&pair(Profile::Nwf), Action::Build);
    // The script ends itself in the middle of building.
    let cut = text.replacen("res=$(\"$IPT\" -w -N nwf-fp-vnet0", "kill -TERM $$\nres=$(\"$IPT\" -w -N nwf-fp-vnet0", 1);
    assert_ne!(text, cut);
    for shell in shells() {
        let (output, calls) = stub.run(&shell, &cut, 0);
        assert_eq!(output.status.code(), Some(1), "{shell:?}");
        let last: Vec<&str> = calls.last().unwrap().iter().map(String::as_str).collect();
        assert_eq!(last, ["ebtables", "--concurrent", "-t", "nat", "-X", "p-vnet1-arp-x"], "{shell:?}");
    }
}

#[test]
fn eb_159_scripts_run_twice_in_every_shell_and_leave_nothing() {
    let Some(host) = Host::new("scripts") else { return };
    for profile in [Profile::Nwf, Profile::Libvirt] {
        for ruleset in [pair(profile), interim_rules(profile)] {
            for shell in shells() {
                let is_first = shell == ["sh"];
                let run = |action: Action| {
                    let ran = host.run(&shell, &script(&ruleset, action));
                    assert_eq!((ran.status, ran.stdout.as_str(), ran.stderr.as_str()), (Some(0), "", ""), "{shell:?}");
                };
                run(Action::Remove);
                let empty = host.listing();
                run(Action::Install);
                let once = host.listing();
                assert_ne!(once, empty);
                run(Action::Install);
                assert_eq!(host.listing(), once, "{shell:?}");
                if !is_first {
                    run(Action::Remove);
                    continue;
                }
                // EB-134 removes an interim ruleset in either form.
                if profile == Profile::Nwf || ruleset.interfaces[0].binding.interim.is_none() {
                    run(Action::Build);
                    run(Action::Undo);
                    assert_eq!(host.listing(), once, "{shell:?}");
                }
                run(Action::Build);
                run(Action::Switch);
                assert_eq!(host.listing(), once, "{shell:?}");
                run(Action::Remove);
                assert!(!host.listing().contains("vnet"), "{shell:?}: {}", host.listing());
            }
        }
    }
}
