//! What judged packets met, as text, as a table, and as JSON.

use serde::Serialize;

use super::words;
use crate::model::{InterfaceName, Provenance};
use crate::ruleset::{Orientation, Rule, Side};
use crate::simulate::{Decision, Judgement, Match, Stage, Visit};

/// A packet, and what became of it.
#[derive(Debug)]
pub struct Judged<'a> {
    /// As it was written; for captured ones its number.
    pub text: String,
    /// Which way it went.
    pub side: Side,
    /// Its bytes.
    pub frame: Vec<u8>,
    /// What became of it.
    pub judgement: Judgement<'a>,
}

/// The verdict of a packet and what decided it.
fn decided(judgement: &Judgement<'_>) -> String {
    match judgement.by {
        Decision::Rule(rule) => words::place(&rule.provenance),
        Decision::EndOfChain(chain) => format!("the end of chain {}", chain.name),
        Decision::Nothing => "no rule".to_owned(),
    }
}

/// The way of each packet as an indented tree.
pub fn tree(packets: &[Judged<'_>]) -> String {
    let mut lines = Lines::default();
    for (number, packet) in packets.iter().enumerate() {
        if number > 0 {
            lines.put(0, "");
        }
        let direction = words::direction(packet.side);
        let state = packet.judgement.tracked.map_or(String::new(), |tracked| format!(", {}", tracked.state.name()));
        lines.put(0, &format!("packet {}, {direction}: {}{state}", number + 1, words::frame(&packet.frame)));
        lines.way(&packet.judgement);
        let verdict = words::verdict(packet.judgement.verdict);
        lines.put(1, &format!("verdict: {verdict}, by {}", decided(&packet.judgement)));
        for set in &packet.judgement.unknown_sets {
            lines.put(1, &format!("if the packet is not in the IP set `{set}`; tell with --ipset what is in it"));
        }
    }
    lines.0
}

#[derive(Default)]
struct Lines(String);

impl Lines {
    fn put(&mut self, depth: usize, text: &str) {
        let indent = "  ".repeat(depth);
        self.0.push_str(format!("{indent}{text}").trim_end());
        self.0.push('\n');
    }

    fn way(&mut self, judgement: &Judgement<'_>) {
        let mut depth = 2;
        for visit in &judgement.path {
            match visit {
                Visit::Stage(stage) => {
                    depth = 2;
                    self.put(1, stage_name(*stage));
                }
                Visit::Jump { chain, taken: false } => {
                    self.put(2, &format!("-  chain {}: for {} only", chain.name, words::entry(chain.name.prefix())));
                }
                Visit::Jump { chain, taken: true } => {
                    depth = 3;
                    self.put(2, &format!("+  chain {}", chain.name));
                }
                Visit::Rule { rule, orientation, outcome } => {
                    let sign = match outcome {
                        Match::Yes => '+',
                        Match::No(_) => '-',
                        Match::Unknown(_) => '?',
                    };
                    let mut text = format!("{sign}  {}", words::rule(rule, *orientation));
                    let because = words::because(rule, outcome, judgement.tracked.as_ref());
                    if !because.is_empty() {
                        text.extend([": ", because.as_str()]);
                    }
                    self.put(depth, &format!("{text}  [{}]", words::place(&rule.provenance)));
                }
                Visit::EndOfChain(chain) => self.put(depth, &format!("=  the end of chain {} accepts", chain.name)),
                Visit::Return(_) => {
                    depth = 2;
                }
                Visit::NotSeen => self.put(2, "=  packets of the host are not filtered in this scope"),
            }
        }
    }
}

fn stage_name(stage: Stage) -> &'static str {
    match stage {
        Stage::Ethernet(Side::FromGuest) => "Ethernet layer, from the guest",
        Stage::Ethernet(Side::ToGuest) => "Ethernet layer, to the guest",
        Stage::Ip(Side::FromGuest) => "IP layer, from the guest",
        Stage::Ip(Side::ToGuest) => "IP layer, to the guest",
    }
}

/// One line a packet: verdict, what decided, the packet.
pub fn table(packets: &[Judged<'_>]) -> String {
    let rows: Vec<[String; 3]> = packets
        .iter()
        .map(|packet| {
            let doubt = if packet.judgement.unknown_sets.is_empty() { "" } else { "?" };
            let verdict = format!("{}{doubt}", words::verdict(packet.judgement.verdict));
            [verdict, decided(&packet.judgement), packet.text.clone()]
        })
        .collect();
    let head = ["verdict", "decided by", "packet"].map(str::to_owned);
    let width = |column: usize| {
        let cells = rows.iter().chain([&head]).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let (first, second) = (width(0), width(1));
    let mut text = String::new();
    for [verdict, by, packet] in [&head].into_iter().chain(&rows) {
        text.push_str(format!("{verdict:first$}  {by:second$}  {packet}").trim_end());
        text.push('\n');
    }
    text
}

/// All packets of an interface, for scripts.
#[derive(Debug, Serialize)]
pub struct Report<'a> {
    interface: &'a InterfaceName,
    packets: Vec<PacketReport<'a>>,
}

#[derive(Debug, Serialize)]
struct PacketReport<'a> {
    packet: &'a str,
    direction: &'static str,
    summary: String,
    frame: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    verdict: &'static str,
    by: By,
    path: Vec<Met>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    unknown_sets: Vec<&'a str>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
enum By {
    Rule(RuleReport),
    EndOfChain(String),
    Nothing,
}

#[derive(Debug, Serialize)]
struct RuleReport {
    filter: String,
    rule: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<u32>,
    text: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Met {
    Stage(&'static str),
    Jump { chain: String, taken: bool },
    Rule { matches: Option<bool>, because: String, rule: RuleReport },
    EndOfChain(String),
    Return(String),
    NotSeen,
}

fn rule_report(rule: &Rule, orientation: Orientation) -> RuleReport {
    let Provenance { filter, rule: number, at } = &rule.provenance;
    RuleReport {
        filter: filter.to_string(),
        rule: *number,
        file: at.as_ref().map(|at| at.file.to_string()),
        line: at.as_ref().map(|at| at.line),
        text: words::rule(rule, orientation),
    }
}

/// The report of an interface's packets.
pub fn report<'a>(interface: &'a InterfaceName, packets: &'a [Judged<'_>]) -> Report<'a> {
    let packets = packets.iter().map(|packet| {
        let Judged { text, side, frame, judgement } = packet;
        let by = match judgement.by {
            Decision::Rule(rule) => By::Rule(rule_report(rule, orientation_of(judgement, rule))),
            Decision::EndOfChain(chain) => By::EndOfChain(chain.name.to_string()),
            Decision::Nothing => By::Nothing,
        };
        PacketReport {
            packet: text,
            direction: words::direction(*side),
            summary: words::frame(frame),
            frame: words::hexadecimal(frame),
            state: judgement.tracked.map(|tracked| tracked.state.name()),
            verdict: words::verdict(judgement.verdict),
            by,
            path: judgement.path.iter().map(|visit| met(visit, judgement)).collect(),
            unknown_sets: judgement.unknown_sets.iter().map(String::as_str).collect(),
        }
    });
    Report { interface, packets: packets.collect() }
}

fn orientation_of(judgement: &Judgement<'_>, wanted: &Rule) -> Orientation {
    let found = judgement.path.iter().find_map(|visit| match visit {
        Visit::Rule { rule, orientation, .. } if std::ptr::eq(*rule, wanted) => Some(*orientation),
        _ => None,
    });
    found.unwrap_or(Orientation::AsWritten)
}

fn met(visit: &Visit<'_>, judgement: &Judgement<'_>) -> Met {
    match visit {
        Visit::Stage(Stage::Ethernet(_)) => Met::Stage("ethernet"),
        Visit::Stage(Stage::Ip(_)) => Met::Stage("ip"),
        Visit::Jump { chain, taken } => Met::Jump { chain: chain.name.to_string(), taken: *taken },
        Visit::Rule { rule, orientation, outcome } => Met::Rule {
            matches: match outcome {
                Match::Yes => Some(true),
                Match::No(_) => Some(false),
                Match::Unknown(_) => None,
            },
            because: words::because(rule, outcome, judgement.tracked.as_ref()),
            rule: rule_report(rule, *orientation),
        },
        Visit::EndOfChain(chain) => Met::EndOfChain(chain.name.to_string()),
        Visit::Return(chain) => Met::Return(chain.name.to_string()),
        Visit::NotSeen => Met::NotSeen,
    }
}
