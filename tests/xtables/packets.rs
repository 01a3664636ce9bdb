//! Real packets through the rules of this backend: the cases of `tests/cases/kernel` and of the filters that ship.

use std::net::Ipv4Addr;
use std::path::Path;
use std::process::Command;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nwf::model::Profile;
use nwf::render::xtables::{RestoreAction, restore};

use crate::given::{Given, planned};
use crate::judge;
use crate::lab::frames::{Ip, mac};
use crate::lab::programs::binding;
use crate::lab::wire::End;
use crate::lab::{GUEST_IP, GUEST_MAC, Lab, Options, PEER_IP, PEER_MAC};

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

/// How often the rules are replaced under a flow of frames.
const REPLACEMENTS: usize = 200;

/// What a frame of the flow is.
const KINDS: [&[u8]; 3] = [b"good", b"spoofed", b"forbidden"];

/// Frames of one kind after the other, about a thousand a second: one of the guest, one with the address of another,
/// one to a port that is forbidden. Gives how many of each were sent.
fn flow(lab: &Lab, is_over: &AtomicBool) -> [usize; 3] {
    let (guest, peer) = (mac(GUEST_MAC), mac(PEER_MAC));
    let other = mac("52:54:00:99:99:99");
    let (from, to): (Ipv4Addr, Ipv4Addr) = (GUEST_IP.parse().unwrap(), PEER_IP.parse().unwrap());
    let frame = |source, port, data: &[u8]| Ip::new(source, peer, from, to).udp(1000, port, data);
    let frames = [frame(guest, 53, KINDS[0]), frame(other, 53, KINDS[1]), frame(guest, 666, KINDS[2])];
    let mut end = lab.open(End::Guest);
    let mut sent = [0; 3];
    while !is_over.load(Ordering::Relaxed) {
        for (frame, sent) in frames.iter().zip(&mut sent) {
            end.send(frame);
            *sent += 1;
            std::thread::sleep(Duration::from_micros(900));
        }
    }
    sent
}

/// Counts what arrives of each kind, until nothing has for a while.
fn count(lab: &Lab, is_over: &AtomicBool, is_ready: &Barrier) -> [usize; 3] {
    let mut end = lab.open(End::Peer);
    is_ready.wait();
    let mut seen = [0; 3];
    let mut last = Instant::now();
    while !is_over.load(Ordering::Relaxed) || last.elapsed() < Duration::from_millis(500) {
        if let Some(frame) = end.next() {
            last = Instant::now();
            let kind = KINDS.iter().position(|kind| frame.windows(kind.len()).any(|part| part == *kind));
            if let Some(kind) = kind {
                seen[kind] += 1;
            }
        } else {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    assert_eq!(end.overrun(), 0, "the capture lost frames");
    seen
}

#[test]
fn nothing_is_lost_and_nothing_slips_through_while_rules_are_replaced() {
    let options = Options { bridge_netfilter: true, addresses: false };
    let Some(lab) = Lab::with("replacing", options) else { return };
    let filter = |rules: &str| {
        let xml = format!(
            "<filter name='f' chain='root'><filterref filter='m'/>{rules}
               <rule action='drop' direction='out' priority='600'><udp dstportstart='666'/></rule></filter>"
        );
        let chain = "<filter name='m' chain='mac'><rule action='return' direction='out'><mac srcmacaddr='$MAC'/></rule>
               <rule action='drop' direction='out'/></filter>";
        let mut given = Given::new(Profile::Nwf);
        given.mac = Some(GUEST_MAC.parse().unwrap());
        planned(&given.rules_of(&[&xml, chain]))
    };
    let one = filter("");
    let other =
        filter("<rule action='accept' direction='in'><tcp/></rule><rule action='drop' direction='in'><arp/></rule>");
    load(&lab, &restore(&one, None, RestoreAction::Install));
    let is_over = AtomicBool::new(false);
    let is_done = AtomicBool::new(false);
    let is_ready = Barrier::new(2);
    let (sent, seen) = std::thread::scope(|scope| {
        let counter = scope.spawn(|| count(&lab, &is_done, &is_ready));
        is_ready.wait();
        let sender = scope.spawn(|| flow(&lab, &is_over));
        for number in 0..REPLACEMENTS {
            let (new, old) = if number % 2 == 0 { (&other, &one) } else { (&one, &other) };
            load(&lab, &restore(new, Some(old), RestoreAction::Install));
        }
        is_over.store(true, Ordering::Relaxed);
        let sent = sender.join().unwrap();
        is_done.store(true, Ordering::Relaxed);
        (sent, counter.join().unwrap())
    });
    println!("{REPLACEMENTS} replacements, {sent:?} sent, {seen:?} seen");
    assert_eq!(seen, [sent[0], 0, 0]);
}
