//! Install, replace and remove, with packets before and after.

use crate::lab::frames::{Ip, mac};
use crate::lab::programs::{Ran, binding, program};
use crate::lab::wire::End;
use crate::lab::{GUEST_IP, GUEST_MAC, KernelRule, Lab, Options, PEER_IP, PEER_MAC};
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// A filter that drops the guest's datagrams to some ports, and passes all else.
fn drops(name: &str, ports: &[u16]) -> String {
    let mut xml = format!("<filter name='{name}' chain='root'>\n");
    for port in ports {
        xml.push_str(&format!(
            "  <rule action='drop' direction='out' priority='500'>\n    \
             <ip protocol='udp' dstportstart='{port}'/>\n  </rule>\n"
        ));
    }
    xml.push_str("</filter>\n");
    xml
}

fn bind(interface: &str, filter: &str) -> String {
    let mac = if interface == "vnet0" { GUEST_MAC } else { PEER_MAC };
    binding(interface, mac, filter, &[])
}

fn datagram(from: End, port: u16, text: &str) -> Vec<u8> {
    let ip = |text: &str| text.parse::<Ipv4Addr>().unwrap();
    let guest = (mac(GUEST_MAC), ip(GUEST_IP));
    let peer = (mac(PEER_MAC), ip(PEER_IP));
    let (from, to) = if from == End::Guest { (guest, peer) } else { (peer, guest) };
    Ip::new(from.0, to.0, from.1, to.1).udp(40000, port, text.as_bytes())
}

/// Sends a datagram to each port; asserts that those to `dropped` do not arrive.
#[track_caller]
fn assert_dropped(lab: &Lab, from: End, ports: &[u16], dropped: &[u16]) {
    let to = if from == End::Guest { End::Peer } else { End::Guest };
    let frames: Vec<Vec<u8>> = ports.iter().map(|port| datagram(from, *port, "x")).collect();
    let expected: Vec<bool> = ports.iter().map(|port| !dropped.contains(port)).collect();
    let arrived = lab.exchange(from, to, &frames, &expected);
    assert_eq!(arrived, expected, "ports {ports:?}, {dropped:?} dropped");
}

fn of(rules: Vec<KernelRule>, interface: &str) -> Vec<KernelRule> {
    let part = format!(".{interface}.");
    rules.into_iter().filter(|rule| rule.chain.contains(&part)).collect()
}

/// The interfaces of a report, each with what was done to it.
fn actions(report: &str) -> Vec<(String, String)> {
    let report: serde_json::Value = serde_json::from_str(report).unwrap_or_else(|error| panic!("{error}: {report}"));
    assert_eq!(report["nwf"], "report/1");
    let interfaces = report["interfaces"].as_array().unwrap();
    let words = interfaces.iter().map(|interface| {
        let word = |name: &str| interface[name].as_str().unwrap().to_owned();
        assert_eq!(interface["changed"], interface["action"] != "unchanged", "{interface}");
        (word("interface"), word("action"))
    });
    let words: Vec<(String, String)> = words.collect();
    assert_eq!(report["changed"], words.iter().any(|(_, action)| action != "unchanged"), "{report}");
    words
}

#[test]
fn install_replace_and_remove_change_what_passes() {
    let Some(lab) = Lab::new("install, replace, remove") else {
        return;
    };
    let ports = [1000, 2000, 3000];
    let did = |report: &str, action: &str| assert_eq!(actions(report), [("vnet0".to_owned(), action.to_owned())]);
    assert_dropped(&lab, End::Guest, &ports, &[]);
    did(&lab.apply(&[&bind("vnet0", "a"), &drops("a", &[1000])]), "installed");
    assert_dropped(&lab, End::Guest, &ports, &[1000]);
    did(&lab.apply(&[&bind("vnet0", "a"), &drops("a", &[2000, 3000])]), "replaced");
    assert_dropped(&lab, End::Guest, &ports, &[2000, 3000]);
    did(&lab.must(&["nwf-apply", "--remove", "vnet0"], ""), "removed");
    assert_dropped(&lab, End::Guest, &ports, &[]);
}

#[test]
fn applying_twice_changes_nothing_and_says_so() {
    let Some(lab) = Lab::new("applying twice") else {
        return;
    };
    let plan = lab.plan(&[&bind("vnet0", "a"), &drops("a", &[1000])]);
    let first = lab.must(&["nwf-apply"], &plan);
    assert_dropped(&lab, End::Guest, &[1000], &[1000]);
    let rules = lab.rules();
    assert_eq!(rules.iter().map(|rule| rule.packets).sum::<u64>(), 1);
    let second = lab.must(&["nwf-apply"], &plan);
    assert_eq!(lab.rules(), rules, "handles and counters");
    assert_eq!(actions(&first), [("vnet0".to_owned(), "installed".to_owned())]);
    assert_eq!(actions(&second), [("vnet0".to_owned(), "unchanged".to_owned())]);
}

#[test]
fn each_rule_names_filter_number_and_line() {
    let Some(lab) = Lab::new("provenance") else {
        return;
    };
    lab.apply(&[&bind("vnet0", "a"), &drops("a", &[1000, 2000])]);
    let comments: Vec<String> = of(lab.rules(), "vnet0").into_iter().map(|rule| rule.comment).collect();
    assert_eq!(comments, ["f=a;r=1;l=2", "f=a;r=2;l=5"]);
}

#[test]
fn comments_reach_the_kernel_and_never_leave_their_quotes() {
    let Some(lab) = Lab::new("comments") else {
        return;
    };
    let rule = |comment: &str| {
        format!("<rule action='drop' direction='out'><tcp dstportstart='25' comment='{comment}'/></rule>")
    };
    let filter = format!(
        "<filter name='a'>\n{}\n{}\n{}\n</filter>",
        rule("no mail"),
        rule("&quot; accept comment &quot;; flush ruleset; $(id) \\ &#10; # &apos;"),
        rule(&"é".repeat(120)),
    );
    lab.apply(&[&bind("vnet0", "a"), &filter]);
    let rules = of(lab.rules(), "vnet0");
    let comments: Vec<&str> =
        rules.iter().filter(|rule| rule.chain.ends_with("l3o")).map(|rule| rule.comment.as_str()).collect();
    assert_eq!(comments.len(), 3, "{comments:?}");
    assert_eq!(comments[0], "f=a;r=1;l=2 no mail");
    assert!(comments[1].starts_with("f=a;r=2;l=3 ' accept comment '; flush ruleset; $(id)"), "{}", comments[1]);
    assert!(comments[2].len() <= 128 && comments[2].len() > 120, "{}", comments[2]);
    assert!(comments[2].strip_prefix("f=a;r=3;l=4 ").unwrap().chars().all(|character| character == 'é'));
}

#[test]
fn remove_leaves_nothing_of_the_interface_and_all_of_others() {
    let Some(lab) = Lab::new("remove") else {
        return;
    };
    lab.apply(&[&bind("vnet1", "b"), &drops("b", &[2000])]);
    let before = lab.ruleset();
    lab.apply(&[&bind("vnet0", "a"), &drops("a", &[1000])]);
    assert_ne!(lab.ruleset(), before);
    lab.must(&["nwf-apply", "--remove", "vnet0"], "");
    assert_eq!(lab.ruleset(), before);
    // Nothing to remove is no error.
    lab.must(&["nwf-apply", "--remove", "vnet0"], "");
    assert_eq!(lab.ruleset(), before);
    lab.must(&["nwf-apply", "--remove", "vnet1"], "");
    assert!(!lab.ruleset().contains("vnet"), "{}", lab.ruleset());
}

#[test]
fn two_interfaces_do_not_touch_each_other() {
    let Some(lab) = Lab::new("two interfaces") else {
        return;
    };
    let ports = [1000, 2000];
    lab.apply(&[&bind("vnet0", "a"), &bind("vnet1", "b"), &drops("a", &[1000]), &drops("b", &[2000])]);
    assert_dropped(&lab, End::Guest, &ports, &[1000]);
    assert_dropped(&lab, End::Peer, &ports, &[2000]);
    let first = of(lab.rules(), "vnet0");
    assert_eq!(first.len(), 1);
    // Replaced in one document with the first, which stays as it is, counters and all.
    lab.apply(&[&bind("vnet0", "a"), &bind("vnet1", "b"), &drops("a", &[1000]), &drops("b", &[1000])]);
    assert_eq!(of(lab.rules(), "vnet0"), first);
    assert_dropped(&lab, End::Peer, &ports, &[1000]);
    lab.must(&["nwf-apply", "--remove", "vnet1"], "");
    assert_eq!(of(lab.rules(), "vnet0"), first);
    assert_dropped(&lab, End::Guest, &ports, &[1000]);
    assert_dropped(&lab, End::Peer, &ports, &[]);
}

#[test]
fn tables_of_others_stay_as_they_are() {
    let Some(lab) = Lab::new("foreign tables") else {
        return;
    };
    lab.load(
        "add table bridge other
         add map bridge other l2o { type ifname : verdict; }
         add chain bridge other c { type filter hook forward priority 0; }
         add rule bridge other c counter
         add table inet other
         add chain inet other i.vnet0.l2o
         add rule inet other i.vnet0.l2o counter",
    );
    let before = lab.ruleset();
    lab.apply(&[&bind("vnet0", "a"), &drops("a", &[1000])]);
    assert!(lab.ruleset().starts_with(&before), "{}", lab.ruleset());
    lab.must(&["nwf-apply", "--remove-all", "--force"], "");
    assert!(lab.ruleset().starts_with(&before), "{}", lab.ruleset());
    assert!(of(lab.rules(), "vnet0").is_empty(), "{}", lab.ruleset());
}

#[test]
fn a_table_of_our_name_without_our_mark_is_not_touched() {
    let Some(lab) = Lab::new("unmarked table") else {
        return;
    };
    lab.load("add table bridge nwf\nadd chain bridge nwf mine\nadd rule bridge nwf mine counter");
    let before = lab.ruleset();
    let plan = lab.plan(&[&bind("vnet0", "a"), &drops("a", &[1000])]);
    let ran = lab.run(&["nwf-apply"], &plan);
    assert_ne!(ran.status, Some(0), "{ran:?}");
    assert_eq!(lab.ruleset(), before);
    assert!(ran.stderr.contains("nwf"), "{ran:?}");
}

#[test]
fn what_others_flushed_comes_back_with_the_next_apply() {
    let Some(lab) = Lab::new("flush ruleset") else {
        return;
    };
    let plan = lab.plan(&[&bind("vnet0", "a"), &drops("a", &[1000])]);
    lab.must(&["nwf-apply"], &plan);
    let before = lab.ruleset();
    lab.load("flush ruleset");
    assert_dropped(&lab, End::Guest, &[1000], &[]);
    lab.must(&["nwf-apply"], &plan);
    assert_eq!(lab.ruleset(), before);
    assert_dropped(&lab, End::Guest, &[1000], &[1000]);
}

#[test]
fn check_finds_what_would_change_and_changes_nothing() {
    let Some(lab) = Lab::new("check") else {
        return;
    };
    let plan = lab.plan(&[&bind("vnet0", "a"), &drops("a", &[1000])]);
    let empty = lab.ruleset();
    let status = |plan: &str| lab.run(&["nwf-apply", "--check"], plan).status;
    assert_eq!(status(&plan), Some(5), "nothing is installed");
    assert_eq!(lab.ruleset(), empty);
    lab.must(&["nwf-apply"], &plan);
    assert_eq!(status(&plan), Some(0), "all is installed");
    let other = lab.plan(&[&bind("vnet0", "a"), &drops("a", &[2000])]);
    let before = lab.ruleset();
    assert_eq!(status(&other), Some(5), "another filter is in force");
    assert_eq!(lab.ruleset(), before);
    let rule = of(lab.rules(), "vnet0").remove(0);
    lab.nft(&["delete", "rule", "bridge", "nwf", &rule.chain, "handle", &rule.handle.to_string()]);
    assert_eq!(status(&plan), Some(5), "a rule was deleted by hand");
}

#[test]
fn a_plan_that_nft_refuses_leaves_the_old_rules() {
    let Some(lab) = Lab::new("refused plan") else {
        return;
    };
    lab.apply(&[&bind("vnet0", "a"), &drops("a", &[1000])]);
    let before = lab.ruleset();
    let plan = lab.plan(&[&bind("vnet0", "a"), &drops("a", &[2000])]);
    let broken = plan.replace("dport 2000", "dport nonsense");
    assert_ne!(plan, broken, "the plan names the port");
    let ran = lab.run(&["nwf-apply"], &broken);
    assert_ne!(ran.status, Some(0), "{ran:?}");
    assert_eq!(lab.ruleset(), before);
    lab.must(&["nwf-apply"], &plan);
    assert_dropped(&lab, End::Guest, &[1000, 2000], &[2000]);
}

#[test]
fn several_at_once_do_not_get_in_each_others_way() {
    let Some(lab) = Lab::new("several at once") else {
        return;
    };
    let plans: Vec<String> = [("vnet0", 1000), ("vnet1", 1000), ("vnet0", 2000), ("vnet1", 2000)]
        .iter()
        .map(|(interface, port)| lab.plan(&[&bind(interface, "a"), &drops("a", &[*port])]))
        .collect();
    let running: Vec<_> = plans
        .into_iter()
        .map(|plan| {
            let path = program("nwf-apply");
            let run_dir = lab.run_dir.clone();
            lab.host.spawn(move || -> Result<(), String> {
                for _ in 0..5 {
                    let mut command = Command::new(&path);
                    command.env("NWF_RUN_DIR", &run_dir);
                    start(&mut command, &plan)
                        .wait_with_output()
                        .map(Ran::from)
                        .map_err(|error| error.to_string())?
                        .success("nwf-apply")?;
                }
                Ok(())
            })
        })
        .collect();
    for thread in running {
        thread.join().unwrap().unwrap();
    }
    assert_eq!(of(lab.rules(), "vnet0").len(), 1);
    assert_eq!(of(lab.rules(), "vnet1").len(), 1);
}

/// Starts a program in the calling thread's namespace, with a text as its input.
fn start(command: &mut Command, input: &str) -> std::process::Child {
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    std::thread::spawn(move || drop(std::io::Write::write_all(&mut stdin, input.as_bytes())));
    child
}

#[test]
fn killed_at_any_moment_it_leaves_the_old_rules_or_the_new() {
    const KILLS: u32 = 60;
    let Some(lab) = Lab::new("killed") else {
        return;
    };
    let ports: Vec<u16> = (1000..1060).collect();
    let plans = [
        lab.plan(&[&bind("vnet0", "a"), &drops("a", &ports)]),
        lab.plan(&[&bind("vnet0", "b"), &drops("b", &ports[1..])]),
    ];
    let mut whole = Vec::new();
    let started = Instant::now();
    for plan in &plans {
        lab.must(&["nwf-apply"], plan);
        whole.push(lab.ruleset());
    }
    let usual = started.elapsed() / 2;
    let mut outcomes = [0, 0];
    for number in 0..KILLS {
        let plan = plans[(number % 2) as usize].clone();
        let path = program("nwf-apply");
        let run_dir = lab.run_dir.clone();
        // Spread evenly over somewhat more than the usual time.
        let delay = usual * number / KILLS * 6 / 5;
        lab.host.run(move || {
            let mut command = Command::new(&path);
            command.env("NWF_RUN_DIR", &run_dir).process_group(0);
            let mut child = start(&mut command, &plan);
            std::thread::sleep(delay);
            let id = i32::try_from(child.id()).unwrap();
            // At times alone, at times with the nft that it started.
            let target = if number % 3 == 0 { id } else { -id };
            let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(target), nix::sys::signal::Signal::SIGKILL);
            child.wait().unwrap();
        });
        // The nft that was left alone may still be at work, and a listing taken meanwhile has
        // some of both; what is there in the end stays.
        let mut now = lab.ruleset();
        let found = loop {
            if let Some(found) = whole.iter().position(|ruleset| *ruleset == now) {
                break found;
            }
            std::thread::sleep(Duration::from_millis(50));
            let later = lab.ruleset();
            assert_ne!(now, later, "after {delay:?} neither of the two is in force");
            now = later;
        };
        outcomes[found] += 1;
    }
    // It can always go on, whatever it left.
    for (plan, ruleset) in plans.iter().zip(&whole) {
        lab.must(&["nwf-apply"], plan);
        assert_eq!(lab.ruleset(), *ruleset);
    }
    lab.must(&["nwf-apply", "--remove", "vnet0"], "");
    assert!(!lab.ruleset().contains("vnet0"));
    assert!(outcomes[0] + outcomes[1] == KILLS);
}

#[test]
fn two_hundred_replacements_lose_nothing_and_let_nothing_through() {
    const REPLACEMENTS: u32 = 200;
    let Some(lab) = Lab::new("replacements under load") else {
        return;
    };
    let plans = [
        lab.plan(&[&bind("vnet0", "a"), &drops("a", &[1000, 1001])]),
        lab.plan(&[&bind("vnet0", "a"), &drops("a", &[1000, 1002, 1003])]),
    ];
    lab.must(&["nwf-apply"], &plans[0]);
    let good = datagram(End::Guest, 2000, "good");
    let bad = datagram(End::Guest, 1000, "bad.");
    let stop = Arc::new(AtomicBool::new(false));
    let mut sender = lab.open(End::Guest);
    let mut receiver = lab.open(End::Peer);
    let stop_sender = Arc::clone(&stop);
    let stop_receiver = Arc::clone(&stop);
    let (good_out, bad_out) = (good.clone(), bad.clone());
    let sending = std::thread::spawn(move || {
        let mut sent = 0_u64;
        while !stop_sender.load(Ordering::Relaxed) {
            sender.send(&good_out);
            sender.send(&bad_out);
            sent += 1;
            std::thread::sleep(Duration::from_micros(300));
        }
        sent
    });
    let receiving = std::thread::spawn(move || {
        let (mut passed, mut leaked) = (0_u64, 0_u64);
        let mut quiet = Instant::now();
        while !stop_receiver.load(Ordering::Relaxed) || quiet.elapsed() < Duration::from_millis(300) {
            match receiver.next() {
                Some(frame) => {
                    passed += u64::from(frame == good);
                    leaked += u64::from(frame == bad);
                    quiet = Instant::now();
                }
                None => std::thread::sleep(Duration::from_micros(500)),
            }
        }
        assert_eq!(receiver.overrun(), 0, "the capture lost frames");
        (passed, leaked)
    });
    for number in 1..=REPLACEMENTS {
        lab.must(&["nwf-apply"], &plans[(number % 2) as usize]);
    }
    stop.store(true, Ordering::Relaxed);
    let sent = sending.join().unwrap();
    let (passed, leaked) = receiving.join().unwrap();
    assert!(sent > u64::from(REPLACEMENTS), "{sent} frames are too few");
    assert_eq!((passed, leaked), (sent, 0));
}

#[test]
fn without_root_only_apply_is_refused() {
    let Some(lab) = Lab::new("not root") else {
        return;
    };
    // In a user namespace there may be nobody else whom we could be.
    let nobody = lab.host.run(|| Command::new("true").uid(65534).gid(65534).status());
    if nobody.is_err() {
        crate::lab::skip("not root", "programs cannot be started as another user");
        return;
    }
    let folder = lab.run_dir.with_file_name("bin");
    let run = |name: &'static str, input: &str| {
        // A copy, since others may not look into the folder where it was built.
        let (from, to) = (program(name), folder.join(name));
        let input = input.to_owned();
        let folder = folder.clone();
        lab.host.run(move || {
            std::fs::create_dir_all(&folder).unwrap();
            std::fs::copy(from, &to).unwrap();
            std::fs::set_permissions(&to, std::fs::Permissions::from_mode(0o755)).unwrap();
            let mut command = Command::new(&to);
            command
                .current_dir("/")
                .env("NWF_RUN_DIR", folder.join("run"))
                .env("NWF_FILTER_PATH", &folder)
                .uid(65534)
                .gid(65534);
            Ran::from(start(&mut command, &input).wait_with_output().unwrap())
        })
    };
    let xml = format!(
        "<domain><name>d</name><devices><interface type='bridge'><mac address='{GUEST_MAC}'/>\
         <target dev='vnet0'/><filterref filter='a'/></interface></devices></domain>"
    );
    let parsed = run("nwf-parse", &xml).success("nwf-parse").unwrap();
    let filter = run("nwf-parse", &drops("a", &[1000])).success("nwf-parse").unwrap();
    let filter = lab.file("a.json", &filter);
    let binding = lab.file("binding.json", &parsed);
    let merged = lab.must(&["nwf-parse", &binding, &filter], "");
    let ruleset = run("nwf-resolve", &merged).success("nwf-resolve").unwrap();
    let plan = run("nwf-render", &ruleset).success("nwf-render").unwrap();
    let ran = run("nwf-apply", &plan);
    assert_eq!(ran.status, Some(8), "{ran:?}");
    assert!(ran.stderr.contains("root") || ran.stderr.contains("CAP_NET_ADMIN"), "{ran:?}");
    assert_eq!(ran.stdout, "");
}

/// As many interfaces as one transaction takes are installed together, or not at all.
#[test]
fn a_document_of_several_interfaces_is_one_transaction() {
    let Some(lab) = Lab::with("several interfaces", Options::default()) else {
        return;
    };
    let plan = lab.plan(&[&bind("vnet0", "a"), &bind("vnet1", "b"), &drops("a", &[1000]), &drops("b", &[2000])]);
    let broken = plan.replace("dport 2000", "dport nonsense");
    assert_ne!(plan, broken, "the plan names the port");
    let ran = lab.run(&["nwf-apply"], &broken);
    assert_ne!(ran.status, Some(0), "{ran:?}");
    assert!(of(lab.rules(), "vnet0").is_empty(), "{}", lab.ruleset());
    assert_dropped(&lab, End::Guest, &[1000], &[]);
}
