//! Runs `nwf-apply` and `nwf` as their users do: on the kernel, in namespaces of their own, and by their messages.
//!
//! What needs no kernel of its own, above all death at every step, is tested beside the code.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

#[path = "lab/mod.rs"]
mod lab;

use std::fmt::Write as _;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lab::programs::{Ran, binding, program};
use lab::{GUEST_MAC, Lab, Options};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

/// A filter with one rule for each port.
fn filter(name: &str, ports: impl IntoIterator<Item = u16>) -> String {
    let mut xml = format!("<filter name='{name}' chain='root'>\n");
    for port in ports {
        let _ = writeln!(
            xml,
            "<rule action='drop' direction='out' priority='500'><ip protocol='udp' dstportstart='{port}'/></rule>"
        );
    }
    xml + "</filter>\n"
}

fn bound(interface: &str, filter: &str) -> String {
    format!(
        "<filterbinding><owner><name>guest</name><uuid>00000000-0000-4000-8000-000000000001</uuid></owner>\
         <portdev name='{interface}'/><mac address='{GUEST_MAC}'/><filterref filter='{filter}'/></filterbinding>"
    )
}

fn plan(lab: &Lab, interface: &str, ports: &[u16]) -> String {
    lab.plan(&[&bound(interface, "a"), &filter("a", ports.iter().copied())])
}

/// The report of a run that must end well.
fn report(ran: &Ran) -> Value {
    assert!(ran.status == Some(0) || ran.status == Some(5), "{ran:?}");
    serde_json::from_str(&ran.stdout).unwrap()
}

fn actions(report: &Value) -> Vec<&str> {
    report["interfaces"].as_array().unwrap().iter().map(|one| one["action"].as_str().unwrap()).collect()
}

/// Comments of the rules of an interface.
fn comments(lab: &Lab, interface: &str) -> Vec<String> {
    let prefix = format!("i.{interface}.");
    lab.rules().into_iter().filter(|rule| rule.chain.starts_with(&prefix)).map(|rule| rule.comment).collect()
}

#[test]
fn the_report_says_what_was_done() {
    let Some(lab) = Lab::new("reports") else {
        return;
    };
    let both = lab.plan(&[&bound("vnet0", "a"), &bound("vnet1", "b"), &filter("a", [1]), &filter("b", [2])]);
    let first = report(&lab.run(&["nwf-apply"], &both));
    assert_eq!(first["nwf"], "report/1");
    assert_eq!(first["changed"], true);
    assert_eq!(actions(&first), ["installed", "installed"]);
    let one = &first["interfaces"][0];
    assert_eq!(
        json!([one["interface"], one["changed"], one["state"], one["reject"], one["scope"]]),
        json!(["vnet0", true, "none", "drop", "all"])
    );
    assert!(one["time_ms"].as_f64().unwrap() > 0.0);
    let second = report(&lab.run(&["nwf-apply"], &both));
    assert_eq!(second["changed"], false);
    assert_eq!(actions(&second), ["unchanged", "unchanged"]);
    let mixed = lab.plan(&[&bound("vnet0", "a"), &bound("vnet1", "b"), &filter("a", [1]), &filter("b", [3])]);
    assert_eq!(actions(&report(&lab.run(&["nwf-apply", "--check"], &mixed))), ["unchanged", "would-replace"]);
    assert_eq!(actions(&report(&lab.run(&["nwf-apply"], &mixed))), ["unchanged", "replaced"]);
    let removed = report(&lab.run(&["nwf-apply", "--remove", "vnet0", "vnet7"], ""));
    assert_eq!(actions(&removed), ["removed", "unchanged"]);
    assert_eq!(comments(&lab, "vnet0"), [""; 0]);
    assert_eq!(comments(&lab, "vnet1"), ["f=b;r=1;l=2"]);
    // Several documents are one run.
    let paths = [lab.file("a.json", &plan(&lab, "vnet0", &[1])), lab.file("b.json", &plan(&lab, "vnet2", &[1]))];
    assert_eq!(actions(&report(&lab.run(&["nwf-apply", &paths[0], &paths[1]], ""))), ["installed", "installed"]);
    let ran = lab.run(&["nwf-apply", "--error-format", "json", &paths[0], &paths[0]], "");
    assert_eq!(ran.status, Some(3), "{ran:?}");
    assert!(ran.stderr.contains("nwf::apply::planned_twice"), "{ran:?}");
}

#[test]
fn people_are_told_with_verbose_only() {
    let Some(lab) = Lab::new("verbose") else {
        return;
    };
    let plan = plan(&lab, "vnet0", &[1]);
    let ran = lab.run(&["nwf-apply", "-v"], &plan);
    assert!(ran.stderr.starts_with("vnet0: installed (state=none reject=drop scope=all), "), "{ran:?}");
    let ran = lab.run(&["nwf-apply", "-v"], &plan);
    assert!(ran.stderr.ends_with(" ms\nnothing to change: all is as it should be\n"), "{ran:?}");
    assert_eq!(lab.run(&["nwf-apply"], &plan).stderr, "");
}

#[test]
fn ui_11_diff_shows_what_changes() {
    let Some(lab) = Lab::new("diff") else {
        return;
    };
    lab.must(&["nwf-apply"], &plan(&lab, "vnet0", &[1, 2, 3]));
    let ran = lab.run(&["nwf-apply", "--check", "--diff"], &plan(&lab, "vnet0", &[1, 4, 3]));
    assert_eq!(ran.status, Some(5));
    let lines: Vec<&str> = ran.stderr.lines().collect();
    assert_eq!(lines[..2], ["--- in force", "+++ planned"], "{ran:?}");
    let changed: Vec<&&str> = lines[2..].iter().filter(|line| line.starts_with(['-', '+'])).collect();
    assert_eq!(changed.len(), 2, "{ran:?}");
    assert!(changed[0].starts_with("-    ") && changed[0].contains("dport 2 "), "{ran:?}");
    assert!(changed[1].starts_with("+    ") && changed[1].contains("dport 4 "), "{ran:?}");
    let report = report(&ran);
    assert!(report["before"].as_str().unwrap().contains("dport 2 "));
    assert!(report["after"].as_str().unwrap().contains("dport 4 "));
    let ran = lab.run(&["nwf-apply", "--diff", "--error-format", "json"], &plan(&lab, "vnet0", &[1]));
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
}

#[test]
fn remove_all_wants_to_be_sure() {
    let Some(lab) = Lab::new("remove-all") else {
        return;
    };
    lab.load("table bridge other {\n chain c {\n counter\n }\n}");
    let others = lab.ruleset();
    lab.must(&["nwf-apply"], &plan(&lab, "vnet0", &[1]));
    let before = lab.ruleset();
    let ran = lab.run(&["nwf-apply", "--remove-all"], "");
    assert_eq!(ran.status, Some(2));
    assert!(ran.stderr.contains("`--remove-all` needs `--force` where nobody can be asked"), "{ran:?}");
    let ran = lab.run(&["nwf-apply", "--remove-all", "--check"], "");
    assert_eq!((ran.status, actions(&report(&ran))), (Some(5), vec!["would-remove"]));
    assert_eq!(lab.ruleset(), before);
    assert_eq!(actions(&report(&lab.run(&["nwf-apply", "--remove-all", "--force"], ""))), ["removed"]);
    assert_eq!(lab.ruleset(), others);
    let again = report(&lab.run(&["nwf-apply", "--remove-all", "--force"], ""));
    assert_eq!(again["changed"], false);
}

#[test]
fn a_lost_state_is_found_again_in_the_kernel() {
    let Some(lab) = Lab::new("lost state") else {
        return;
    };
    // A filter with a sub-chain, so that the later one has less.
    let long = lab.plan(&[&binding("vnet0", GUEST_MAC, "clean-traffic", &[("IP", "10.0.0.5")])]);
    lab.must(&["nwf-apply"], &long);
    let whole = lab.ruleset();
    let lose = || {
        let folder = lab.run_dir.clone();
        lab.host.run(move || std::fs::remove_dir_all(folder).unwrap());
    };
    lose();
    assert_eq!(actions(&report(&lab.run(&["nwf-apply"], &long))), ["unchanged"]);
    assert_eq!(lab.ruleset(), whole);
    lose();
    let short = plan(&lab, "vnet0", &[1]);
    assert_eq!(actions(&report(&lab.run(&["nwf-apply"], &short))), ["replaced"]);
    assert_eq!(comments(&lab, "vnet0"), ["f=a;r=1;l=2"]);
    assert!(!lab.ruleset().contains("i.vnet0.l2i"), "{}", lab.ruleset());
    lose();
    lab.must(&["nwf-apply", "--remove", "vnet0"], "");
    assert!(!lab.ruleset().contains("vnet0"), "{}", lab.ruleset());
}

#[test]
fn drift_is_found_and_put_right() {
    let Some(lab) = Lab::new("drift") else {
        return;
    };
    let plan = lab.plan(&[&binding("vnet0", GUEST_MAC, "clean-traffic", &[("IP", "10.0.0.5")])]);
    lab.must(&["nwf-apply"], &plan);
    let whole = lab.ruleset();
    for damage in [
        "flush chain bridge nwf i.vnet0.l2o.mac",
        "insert rule bridge nwf i.vnet0.l2o accept",
        "delete element bridge nwf l2o { \"vnet0\" }",
        "flush map bridge nwf l2i",
        "flush chain bridge nwf b_l2o",
        "add chain bridge nwf x\nadd element bridge nwf l3o { \"vnet0\" : jump x }",
        "flush ruleset",
    ] {
        lab.load(damage);
        let damaged = lab.ruleset();
        let ran = lab.run(&["nwf-apply", "--check"], &plan);
        assert_eq!(ran.status, Some(5), "{damage}: {ran:?}");
        assert_eq!(lab.ruleset(), damaged);
        let drift = report(&ran)["interfaces"][0]["drift"].as_array().map_or(0, Vec::len);
        assert!(drift > 0, "{damage}: {ran:?}");
        lab.must(&["nwf-apply"], &plan);
        let repaired = lab.ruleset().replace("\tchain x {\n\t}\n\n", "").replace("\n\tchain x {\n\t}\n", "");
        assert_eq!(repaired, whole, "{damage}");
        assert_eq!(lab.run(&["nwf-apply", "--check"], &plan).status, Some(0), "{damage}");
        // What somebody else changes elsewhere is no drift, and costs nobody their counters.
        lab.load("add table ip elsewhere\ndelete table ip elsewhere");
        assert_eq!(actions(&report(&lab.run(&["nwf-apply"], &plan))), ["unchanged"]);
    }
}

#[test]
fn odd_names_are_interfaces_like_others() {
    let Some(lab) = Lab::new("odd names") else {
        return;
    };
    for name in ["a.b_c", "x+y@1", "-", "fwd", "drop", "é", "tap#1", "15-bytes-long_1", "0", "b_l2o"] {
        let plan = plan(&lab, name, &[1]);
        assert_eq!(actions(&report(&lab.run(&["nwf-apply"], &plan))), ["installed"], "{name}");
        assert_eq!(actions(&report(&lab.run(&["nwf-apply"], &plan))), ["unchanged"], "{name}");
        assert!(lab.ruleset().contains(&format!("\"{name}\" ")), "{name}: {}", lab.ruleset());
        // Found by what the kernel shows alone.
        let folder = lab.run_dir.clone();
        lab.host.run(move || std::fs::remove_dir_all(folder).unwrap());
        assert_eq!(actions(&report(&lab.run(&["nwf-apply", &format!("--remove={name}")], ""))), ["removed"], "{name}");
        assert!(!lab.ruleset().contains(&format!("\"{name}\"")), "{name}");
        assert!(!lab.ruleset().contains("chain i."), "{name}: {}", lab.ruleset());
    }
}

/// The same plan for many interfaces.
fn many(lab: &Lab, count: usize, ports: &[u16]) -> String {
    let bindings: Vec<String> = (0..count).map(|number| bound(&format!("vnet{number}"), "a")).collect();
    let filter = filter("a", ports.iter().copied());
    let mut pieces: Vec<&str> = bindings.iter().map(String::as_str).collect();
    pieces.push(&filter);
    lab.plan(&pieces)
}

#[test]
fn five_hundred_interfaces_are_one_transaction() {
    const COUNT: usize = 500;
    let Some(lab) = Lab::new("five hundred interfaces") else {
        return;
    };
    let plan = many(&lab, COUNT, &[1, 2, 3]);
    let broken = many(&lab, COUNT, &[1, 2]);
    let first = report(&lab.run(&["nwf-apply"], &plan));
    assert_eq!(actions(&first), vec!["installed"; COUNT]);
    assert_eq!(lab.rules().len(), COUNT * 3 + 5);
    // By generation, and by looking.
    for _ in 0..2 {
        let started = Instant::now();
        let again = report(&lab.run(&["nwf-apply"], &plan));
        assert_eq!(actions(&again), vec!["unchanged"; COUNT]);
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
        lab.load("add table ip elsewhere\ndelete table ip elsewhere");
    }
    let before = lab.ruleset();
    // The last of them is refused, and with it all.
    let mut plan: Value = serde_json::from_str(&broken).unwrap();
    let statements = plan["interfaces"][COUNT - 1]["renderings"][0]["links"][0]["install"].as_array_mut().unwrap();
    statements.push("add element bridge nwf l2o { \"vnet499\" : jump nowhere }".into());
    let ran = lab.run(&["nwf-apply"], &plan.to_string());
    assert_eq!(ran.status, Some(1), "{ran:?}");
    assert!(ran.stderr.contains("nft refused the rules of `vnet499`"), "{ran:?}");
    assert_eq!(lab.ruleset(), before);
    assert_eq!(actions(&report(&lab.run(&["nwf-apply"], &broken))), vec!["replaced"; COUNT]);
    lab.must(&["nwf-apply", "--remove-all", "--force"], "");
    assert_eq!(lab.ruleset(), "");
}

/// Starts nwf-apply in the host's namespace; the caller must be there.
fn start(path: &Path, run_dir: &Path, plan: &str) -> std::process::Child {
    let mut command = Command::new(path);
    command.arg(plan).env("NWF_RUN_DIR", run_dir).process_group(0);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
}

/// A large transaction, so that it takes a while to write and to load, killed at moments spread over all of it.
#[test]
fn killed_at_any_moment_all_interfaces_have_the_old_rules_or_all_the_new() {
    const COUNT: usize = 80;
    const KILLS: u32 = 30;
    let Some(lab) = Lab::new("kill -9") else {
        return;
    };
    let ports: Vec<u16> = (1000..1020).collect();
    let plans = [many(&lab, COUNT, &ports), many(&lab, COUNT, &ports[1..])];
    let paths = [0, 1].map(|number: usize| lab.file(&format!("{number}.json"), &plans[number]));
    let mut whole = Vec::new();
    let mut usual = Duration::ZERO;
    for path in &paths {
        let started = Instant::now();
        lab.must(&["nwf-apply", path], "");
        usual = started.elapsed();
        whole.push(lab.ruleset());
    }
    let mut outcomes = [0_u32; 2];
    for number in 0..KILLS {
        let wanted = (number % 2) as usize;
        let (path, run_dir, plan) = (program("nwf-apply"), lab.run_dir.clone(), paths[wanted].clone());
        let delay = usual * number / KILLS * 11 / 10;
        // Every fourth is told to end, the others die.
        let signal = if number % 4 == 3 { Signal::SIGTERM } else { Signal::SIGKILL };
        let status = lab.host.run(move || {
            let mut child = start(&path, &run_dir, &plan);
            std::thread::sleep(delay);
            let id = Pid::from_raw(i32::try_from(child.id()).unwrap());
            let _ = kill(id, signal);
            let status = child.wait().unwrap();
            // An nft that it has started goes on to its end and holds the lock as long; what nft lists meanwhile is
            // of before and after.
            if let Ok(lock) = std::fs::File::open(run_dir.join("lock")) {
                lock.lock().unwrap();
            }
            status
        });
        if signal == Signal::SIGTERM {
            // At the very start the program has not yet said what a signal is to do.
            assert!(
                matches!(status.code(), Some(0 | 143)) || status.signal() == Some(15),
                "after {delay:?}: {status:?}"
            );
        }
        let now = lab.ruleset();
        let found = whole.iter().position(|ruleset| *ruleset == now);
        let found = found.unwrap_or_else(|| panic!("after {delay:?} neither is in force"));
        outcomes[found] += 1;
        // Whatever it left, the next run knows: what it says is so.
        let ran = lab.run(&["nwf-apply", "--check", &paths[wanted]], "");
        let now = lab.ruleset();
        let expected = if now == whole[wanted] { 0 } else { 5 };
        assert_eq!(ran.status, Some(expected), "after {delay:?}: {}", ran.stderr);
        if number % 3 == 0 {
            lab.must(&["nwf-apply", &paths[wanted]], "");
            assert_eq!(lab.ruleset(), whole[wanted], "after {delay:?}");
        }
    }
    assert_eq!(outcomes[0] + outcomes[1], KILLS);
    lab.must(&["nwf-apply", "--remove-all", "--force"], "");
    assert_eq!(lab.ruleset(), "");
}

#[test]
fn ended_by_a_signal_while_it_waits_it_has_changed_nothing() {
    let Some(lab) = Lab::new("signals") else {
        return;
    };
    for (signal, status) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let (path, run_dir) = (program("nwf-apply"), lab.run_dir.clone());
        let ended = lab.host.run(move || {
            let mut command = Command::new(&path);
            command.env("NWF_RUN_DIR", &run_dir).stdin(Stdio::piped()).stdout(Stdio::null());
            let mut child = command.spawn().unwrap();
            std::thread::sleep(Duration::from_millis(300));
            kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
            child.wait().unwrap()
        });
        assert_eq!(ended.code(), Some(status));
        assert_eq!(lab.ruleset(), "");
    }
}

#[test]
fn nft_114_relay_needs_the_switches_of_the_bridge() {
    let stateful = "<filter name='s' chain='root'><rule action='accept' direction='out' priority='500'><tcp dstportstart='80'/></rule></filter>";
    let xml = [bound("vnet0", "s"), stateful.to_owned()];
    let xml: Vec<&str> = xml.iter().map(String::as_str).collect();
    let Some(lab) = Lab::new("br_netfilter off") else {
        return;
    };
    let features: Value = serde_json::from_str(&lab.must(&["nwf-apply", "--probe"], "")).unwrap();
    assert_eq!(features["nwf"], "features/1");
    let has = |name: &str| features["has"].as_array().unwrap().contains(&name.into());
    if has("bridge-conntrack") {
        lab::skip("br_netfilter off", "this kernel has connection tracking for bridges");
        return;
    }
    let plan = lab.plan(&xml);
    let ran = lab.run(&["nwf-apply"], &plan);
    assert_eq!(ran.status, Some(8), "{ran:?}");
    let expected = if has("bridge-netfilter") { "nwf::apply::relay_off" } else { "nwf::apply::missing_feature" };
    assert!(ran.stderr.contains(expected), "{ran:?}");
    assert_eq!(lab.ruleset(), "");
    if !has("bridge-netfilter") {
        return;
    }
    assert!(ran.stderr.contains("ip link set br0 type bridge nf_call_iptables 1"), "{ran:?}");
    let Some(lab) = Lab::with("br_netfilter on", Options { bridge_netfilter: true, ..Options::default() }) else {
        return;
    };
    let done = report(&lab.run(&["nwf-apply"], &plan));
    assert_eq!(done["interfaces"][0]["state"], "relay");
    assert!(lab.ruleset().contains("table inet nwf"));
    // Not there yet: a warning, in the report as well.
    let xml = [bound("vnet7", "s"), stateful.to_owned()];
    let xml: Vec<&str> = xml.iter().map(String::as_str).collect();
    let ran = lab.run(&["nwf-apply"], &lab.plan(&xml));
    assert!(ran.stderr.contains("nwf::apply::relay_unknown"), "{ran:?}");
    assert_eq!(report(&ran)["interfaces"][0]["warnings"].as_array().unwrap().len(), 1);
    lab.must(&["nwf-apply", "--remove-all", "--force"], "");
    assert_eq!(lab.ruleset(), "");
}

#[test]
fn a_table_beside_ip_without_our_mark_is_not_touched() {
    let Some(lab) = Lab::with("unmarked inet table", Options { bridge_netfilter: true, ..Options::default() }) else {
        return;
    };
    let stateful = "<filter name='s' chain='root'><rule action='accept' direction='out' priority='500'><tcp dstportstart='80'/></rule></filter>";
    lab.load("table inet nwf {\n chain mine {\n counter\n }\n}");
    let before = lab.ruleset();
    let plan = lab.plan(&[&bound("vnet0", "s"), stateful]);
    for arguments in [&["nwf-apply", "--check"][..], &["nwf-apply"]] {
        let ran = lab.run(arguments, &plan);
        if ran.stderr.contains("missing_feature") || ran.stdout.contains("\"state\":\"native\"") {
            lab::skip("unmarked inet table", "this kernel needs no relay");
            return;
        }
        assert_eq!(ran.status, Some(1), "{ran:?}");
        assert!(ran.stderr.contains("the table `inet nwf` is not ours"), "{ran:?}");
        assert_eq!(lab.ruleset(), before);
    }
}

#[test]
fn a_refusal_leads_back_to_the_line_of_the_xml() {
    let Some(lab) = Lab::new("refusals") else {
        return;
    };
    let plan = plan(&lab, "vnet0", &[1, 2, 3]);
    let mut broken: nwf::plan::Plan = serde_json::from_str(&plan).unwrap();
    for rendering in &mut broken.interfaces[0].renderings {
        let line = &mut rendering.chains[0].lines[1];
        line.text = line.text.replace("dport 2", "dport nonsense");
        let links: Vec<_> =
            rendering.links.iter().map(|link| (link.table, link.from.clone(), link.to.clone())).collect();
        rendering.hash = nwf::plan::Rendering::compute_hash(&rendering.setup, &rendering.chains, &links);
    }
    let broken = serde_json::to_string(&broken).unwrap();
    let ran = lab.run(&["nwf-apply"], &broken);
    assert_eq!(ran.status, Some(1));
    assert!(ran.stderr.contains("at rule 2 of the filter `a`"), "{ran:?}");
    let ran = lab.run(&["nwf-apply", "--error-format", "json"], &broken);
    let error: Value = serde_json::from_str(&ran.stderr).unwrap();
    assert_eq!(json!([error["code"], error["line"], error["status"]]), json!(["nwf::apply::refused", 3, 1]));
    assert!(error["file"].as_str().unwrap().ends_with("1.xml"), "{error}");
    assert!(error["help"].as_str().unwrap().contains("/dev/stdin:"), "{error}");
    assert_eq!(lab.ruleset(), "");
    // Another text than the hash is of.
    let ran = lab.run(&["nwf-apply"], &plan.replace("dport 2 ", "dport 4 "));
    assert_eq!(ran.status, Some(3));
    assert!(ran.stderr.contains("the plan of `vnet0` is wrong: its hash does not fit its texts"), "{ran:?}");
}

#[test]
fn without_nft_the_package_is_named() {
    let Some(lab) = Lab::new("no nft") else {
        return;
    };
    let plan = plan(&lab, "vnet0", &[1]);
    if ["/usr/sbin/nft", "/sbin/nft"].iter().any(|path| Path::new(path).exists()) {
        // Found even where the PATH leaves it out.
        let mut command = lab.program("nwf-apply");
        command.env("PATH", "/nonexistent");
        let ran = lab.host.command(command, plan.as_bytes()).unwrap();
        assert_eq!(ran.status, Some(0), "{ran:?}");
    }
}

/// A program of the front, run anywhere.
fn nwf(arguments: &[&str], path: &str) -> Ran {
    let output = Command::new(program("nwf")).args(arguments).env("PATH", path).env("NO_COLOR", "1").output().unwrap();
    Ran::from(output)
}

#[test]
fn ui_14_the_front_runs_programs_beside_it_and_on_the_path() {
    let folder = tempfile::tempdir().unwrap();
    let script = |name: &str, mode: u32| {
        use std::os::unix::fs::PermissionsExt;
        let path = folder.path().join(name);
        std::fs::write(&path, "#!/bin/sh\necho \"from the path: $*\"\nexit 6\n").unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    };
    script("nwf-hello", 0o755);
    script("nwf-parse", 0o755);
    script("nwf-readme", 0o644);
    let path = format!("{}:/usr/bin:/bin", folder.path().display());
    let ran = nwf(&["hello", "--help", "a b"], &path);
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(6), "from the path: --help a b\n"));
    let beside = nwf(&["parse", "--version"], &path);
    assert_eq!(beside.stdout, format!("nwf-parse {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(nwf(&["help", "parse"], &path).stdout, nwf(&["parse", "--help"], &path).stdout);
    let list = nwf(&["--list"], &path).stdout;
    for line in ["hello ", "parse ", "apply "] {
        assert!(list.lines().any(|name| name.starts_with(line)), "{list}");
    }
    assert!(!list.contains("readme"), "{list}");
    assert!(list.contains(&program("nwf-parse").display().to_string()), "the one beside it comes first: {list}");
}

#[test]
fn ui_13_the_front_proposes_what_was_meant() {
    let ran = nwf(&["aply"], "/bin");
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(2), ""));
    insta::assert_snapshot!(ran.stderr, @r"
    nwf::front::unknown_command

      × there is no command `aply`
      help: did you mean `nwf apply`? `nwf --list` lists all commands
    ");
    assert_eq!(nwf(&["pars"], "/bin").status, Some(2), "nothing is abbreviated");
    let ran = nwf(&["zzzzzzzz"], "/bin");
    assert!(ran.stderr.contains("help: `nwf --list` lists the commands that there are"), "{ran:?}");
    let ran = nwf(&[], "/bin");
    assert_eq!((ran.status, ran.stdout.as_str()), (Some(2), ""));
    assert!(ran.stderr.starts_with("Compile network filters"), "{ran:?}");
    let ran = nwf(&["--help"], "/bin");
    assert_eq!((ran.status, ran.stderr.as_str()), (Some(0), ""));
    assert_eq!(nwf(&["--version"], "/bin").stdout, format!("nwf {}\n", env!("CARGO_PKG_VERSION")));
    assert_eq!(nwf(&["--lits"], "/bin").status, Some(2));
}
