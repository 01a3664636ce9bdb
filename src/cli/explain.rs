//! `nwf-explain`: says what packets would meet, draws rules, and looks for what is odd in them.

mod drawing;
mod lint;
mod way;
mod words;

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{ArgGroup, Parser, ValueEnum};
use miette::SourceSpan;
use serde::Serialize;

use super::input::INPUT_MAX_BYTES;
use super::{Common, Compat, Diagnostics, Document, Failure, Input, InputError, Program, Status, Usage, inputs};
use crate::model::{Filters, InterfaceName, Location, Profile, VariableAccess};
use crate::plan;
use crate::problem::{Problem, Source, closest};
use crate::ruleset::{InterfaceRules, Ruleset, Side};
use crate::simulate::packet::Frame;
use crate::simulate::pcap::{self, PcapError};
use crate::simulate::text::{Packet, Stations, TextError};
use crate::simulate::{Element, Origin, Scope, Simulator};
use drawing::Drawing;
use lint::Finding;
use way::Judged;

impl From<plan::Scope> for Scope {
    fn from(scope: plan::Scope) -> Scope {
        match scope {
            plan::Scope::All => Scope::All,
            plan::Scope::Bridged => Scope::Bridged,
        }
    }
}

/// Say what a packet would meet, and why
///
/// Reads documents `ruleset/1` (from nwf-resolve), leads packets through the rules, and prints their way and the rule
/// that decided. No privileges are needed, and nothing is sent. Without --packet, --pcap and --matrix the rules
/// themselves are shown; --tree, --dot, --svg and --lint also read documents `filters/1` (from nwf-parse).
///
/// A packet is a list of headers with their fields, in nft's words: `ip saddr 10.0.0.5 tcp dport 80 flags syn`. What is
/// left out comes from the binding: the guest's addresses on one end, a neighbour on the other. `in` or `out` may
/// stand in front.
#[derive(Debug, Parser)]
#[command(name = "nwf-explain", version, after_help = EXAMPLES, after_long_help = long_help())]
#[allow(clippy::struct_excessive_bools, reason = "each is an option")]
#[command(group = ArgGroup::new("what").args(["packet", "pcap", "matrix", "tree", "dot", "svg", "lint"]))]
pub struct Explain {
    #[command(flatten)]
    common: Common,
    /// Judge a packet; several are a sequence, in which connections are remembered
    #[arg(short, long, value_name = "TEXT", group = "judged")]
    packet: Vec<String>,
    /// Judge the frames of a packet capture, in order
    ///
    /// The classic format of libpcap. Without --direction a frame goes out if its source is the guest's MAC address.
    #[arg(long, value_name = "FILE", group = "judged")]
    pcap: Option<PathBuf>,
    /// Judge each line of a file by itself, and print a table
    ///
    /// A line is a packet as for --packet; `#` begins a remark.
    #[arg(long, value_name = "FILE", group = "judged")]
    matrix: Option<PathBuf>,
    /// Which way packets go that do not say so themselves, as the guest sees it [default: out]
    #[arg(long, value_name = "DIRECTION", requires = "judged")]
    direction: Option<DirectionChoice>,
    /// Packets to the guest come from the host or another network, not from a port of the bridge
    #[arg(long, requires = "judged")]
    from_host: bool,
    /// Which packets to the guest the rules of tcp, udp, icmp and so on see
    ///
    /// By default `all`, and `bridged` in the profile `libvirt`.
    #[arg(long, requires = "judged")]
    scope: Option<ScopeChoice>,
    /// Tell an element of an IP set; repeated for more, `NAME=` for an empty set
    #[arg(long, value_name = "NAME=ELEMENT", requires = "judged", value_parser = set_element)]
    ipset: Vec<(String, Option<Element>)>,
    /// Show filters or chains as an indented tree (the default)
    #[arg(long)]
    tree: bool,
    /// Show them as text for Graphviz
    #[arg(long)]
    dot: bool,
    /// Show them as a picture
    #[arg(long)]
    svg: bool,
    /// Look for rules that are probably not meant; status 5 if there are any
    #[arg(long)]
    lint: bool,
    /// How the result is printed
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    format: Format,
    /// The interface, where the input has several
    #[arg(short, long, value_name = "IFACE")]
    interface: Option<InterfaceName>,
    /// Behave like libvirt where it differs
    ///
    /// The profile is recorded in the input; another one here is wrong usage.
    #[arg(long, value_name = "WHOM")]
    compat: Option<Compat>,
    /// Documents `ruleset/1` or `filters/1`; `-` is standard input, the default
    #[arg(value_name = "PATH")]
    paths: Vec<PathBuf>,
}

const EXAMPLES: &str = "\
Examples:
  nwf-resolve -i vnet0 --mac 52:54:00:11:22:33 --filter clean-traffic \\
    --param IP=10.0.0.5 </dev/null |
    nwf-explain --packet 'out ip saddr 10.0.0.6 tcp dport 80'
  nwf-parse /usr/share/nwf/filters | nwf-explain --tree

Exit status: 0 done, whatever the verdict, 2 wrong usage, 3 wrong input,
4 a variable has no value, 5 --lint found something.";

fn long_help() -> String {
    format!("{EXAMPLES}\n\nHeaders and their fields:\n{}", indented(&Packet::vocabulary()))
}

fn indented(text: &str) -> String {
    text.lines().flat_map(|line| ["  ", line, "\n"]).collect()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For scripts
    Json,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DirectionChoice {
    /// To the guest
    In,
    /// From the guest
    Out,
}

impl From<DirectionChoice> for Side {
    fn from(direction: DirectionChoice) -> Side {
        match direction {
            DirectionChoice::In => Side::ToGuest,
            DirectionChoice::Out => Side::FromGuest,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ScopeChoice {
    /// All that leave through the port, also from the host and routed
    All,
    /// Only those that come from another port of the bridge
    Bridged,
}

fn set_element(text: &str) -> Result<(String, Option<Element>), String> {
    let (name, element) = text.split_once('=').ok_or("write NAME=ELEMENT")?;
    let element = match element {
        "" => None,
        element => Some(element.parse::<Element>().map_err(|error| error.to_string())?),
    };
    Ok((name.to_owned(), element))
}

/// What is wrong with the input.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum ExplainError {
    #[error("{why}")]
    #[diagnostic(code(nwf::explain::packet))]
    Packet {
        why: String,
        #[help]
        help: String,
        #[source_code]
        text: Source,
        #[label("here")]
        at: SourceSpan,
    },
    #[error("`{name}` is no packet capture that can be read: {why}")]
    #[diagnostic(
        code(nwf::explain::pcap),
        help("convert it with `editcap -F pcap OLD NEW` or `tcpdump -r OLD -w NEW`")
    )]
    Pcap { name: String, why: PcapError },
    #[error("the input has no interface `{wanted}`")]
    #[diagnostic(code(nwf::explain::no_interface))]
    NoInterface {
        wanted: InterfaceName,
        #[help]
        help: String,
    },
    #[error("the interface `{interface}` stands in `{first}` and in `{second}`")]
    #[diagnostic(code(nwf::explain::twice), help("leave one of them out"))]
    Twice { interface: InterfaceName, first: String, second: String },
    #[error("{interface}: `{access}` has no value, so there are no rules")]
    #[diagnostic(
        code(nwf::explain::missing),
        help("give it with `nwf-resolve --param NAME=VALUE`, or as a parameter of the binding")
    )]
    Missing { interface: InterfaceName, access: VariableAccess },
}

impl Problem for ExplainError {
    fn location(&self) -> Option<Location> {
        match self {
            ExplainError::Packet { text, at, .. } => Some(text.location(at.offset())),
            ExplainError::Pcap { .. }
            | ExplainError::NoInterface { .. }
            | ExplainError::Twice { .. }
            | ExplainError::Missing { .. } => None,
        }
    }
}

/// Codes and explanations of this program's errors.
pub(super) const EXPLANATIONS: &[(&str, &str)] = &[
    (
        "nwf::explain::packet",
        "A packet is written as a list of headers, each followed by fields and their values: `ip saddr 10.0.0.5 tcp \
         dport 80`. The words are nft's where it has them; `nwf-explain --help` lists all. The header need not be \
         repeated in front of each field. Headers of one layer exclude each other.",
    ),
    (
        "nwf::explain::pcap",
        "Packet captures are read in the classic format of libpcap, with Ethernet frames. tcpdump writes it; Wireshark \
         and dumpcap write pcapng unless told otherwise.",
    ),
    (
        "nwf::explain::no_interface",
        "The option -i names an interface that none of the documents has. Packets are judged by the rules of one \
         interface.",
    ),
    (
        "nwf::explain::twice",
        "Two of the documents hold rules of the same interface. Which of them is meant cannot be told.",
    ),
    (
        "nwf::explain::missing",
        "nwf-resolve was told to go on although variables have no value (--partial). Such an interface has no rules \
         yet, so there is nothing that could judge a packet; the kernel is not given anything for it either.",
    ),
];

/// What was read.
enum Documents {
    Rules(Ruleset),
    Filters(Filters),
}

impl Program for Explain {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(self, _: &Diagnostics) -> Result<Status, Failure> {
        self.check_usage()?;
        let documents = self.read_input()?;
        let profile = match &documents {
            Documents::Rules(ruleset) => ruleset.profile,
            Documents::Filters(filters) => filters.profile,
        };
        self.check_profile(profile)?;
        if self.judges() {
            return self.judge(&documents);
        }
        if self.lint {
            return self.find(&documents);
        }
        let drawing = match &documents {
            Documents::Rules(ruleset) => Drawing::of_rules(&self.chosen(ruleset)?, profile),
            Documents::Filters(filters) => Drawing::of_filters(filters),
        };
        let text = match (self.dot, self.svg) {
            (true, _) => drawing.dot(),
            (_, true) => drawing.svg(),
            (false, false) => drawing.text(),
        };
        self.common.write_text(&text)?;
        Ok(Status::Done)
    }
}

impl Explain {
    fn judges(&self) -> bool {
        !self.packet.is_empty() || self.pcap.is_some() || self.matrix.is_some()
    }

    fn check_usage(&self) -> Result<(), Failure> {
        if self.format == Format::Json && !self.judges() && !self.lint {
            let help = "leave `--format json` out, or add --packet, --pcap, --matrix or --lint".to_owned();
            return Err(Usage::failure("a drawing has no JSON form", help));
        }
        Ok(())
    }

    fn check_profile(&self, profile: Profile) -> Result<(), Failure> {
        match Compat::profile(self.compat) {
            Some(asked) if asked != profile => Err(Usage::failure(
                format!("the input was read under the profile `{profile}`, and `--compat {asked}` asks for another"),
                format!("give `--compat {asked}` to nwf-parse"),
            )),
            _ => Ok(()),
        }
    }

    /// All documents joined. Rules and filters cannot be mixed; which it is, the first document tells.
    fn read_input(&self) -> Result<Documents, Failure> {
        let mut sources = Vec::new();
        for input in inputs(&self.paths, "nwf-explain")? {
            sources.push(input.read()?);
        }
        if sources.first().is_some_and(is_filters) && !self.judges() {
            return read_filters(&sources).map(Documents::Filters);
        }
        read_rules(&sources).map(Documents::Rules)
    }

    /// The interfaces that are meant.
    fn chosen<'r>(&self, ruleset: &'r Ruleset) -> Result<Vec<&'r InterfaceRules>, Failure> {
        let Some(wanted) = &self.interface else { return Ok(ruleset.interfaces.iter().collect()) };
        let found = ruleset.interfaces.iter().find(|rules| rules.binding.interface == *wanted);
        found.map(|rules| vec![rules]).ok_or_else(|| {
            let names = ruleset.interfaces.iter().map(|rules| rules.binding.interface.as_str());
            let help = match closest(wanted.as_str(), names.clone()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("it has {}", list(names)),
            };
            Failure::new(Status::Input, ExplainError::NoInterface { wanted: wanted.clone(), help })
        })
    }

    fn judge(&self, documents: &Documents) -> Result<Status, Failure> {
        let Documents::Rules(ruleset) = documents else { return Ok(Status::Failed) };
        let chosen = self.chosen(ruleset)?;
        let [rules] = chosen.as_slice() else {
            let names = ruleset.interfaces.iter().map(|rules| rules.binding.interface.as_str());
            let message = match ruleset.interfaces.len() {
                0 => "the input has no interface".to_owned(),
                count => format!("the input has {count} interfaces, and packets are judged by the rules of one"),
            };
            return Err(Usage::failure(message, format!("name it with `-i`: {}", list(names))));
        };
        if let Some(missing) = &rules.missing {
            let errors = missing.variables.iter().map(|variable| ExplainError::Missing {
                interface: rules.binding.interface.clone(),
                access: variable.access.clone(),
            });
            return Err(Failure::all(Status::Missing, errors));
        }
        let scope = match self.scope {
            Some(ScopeChoice::All) => Scope::All,
            Some(ScopeChoice::Bridged) => Scope::Bridged,
            None => Scope::default_of(ruleset.profile),
        };
        let mut simulator = Simulator::new(rules, ruleset.profile, scope);
        self.tell_sets(&mut simulator);
        let origin = if self.from_host { Origin::Host } else { Origin::Bridge };
        let judged: Vec<Judged<'_>> = self
            .frames(rules)?
            .into_iter()
            .map(|(text, side, frame)| {
                if self.matrix.is_some() {
                    simulator.forget();
                }
                let judgement = simulator.judge_from(side, origin, &frame);
                Judged { text, side, frame, judgement }
            })
            .collect();
        match (self.format, self.matrix.is_some()) {
            (Format::Json, _) => self.common.write_document(&way::report(&rules.binding.interface, &judged))?,
            (Format::Text, true) => self.common.write_text(&way::table(&judged))?,
            (Format::Text, false) => self.common.write_text(&way::tree(&judged))?,
        }
        Ok(Status::Done)
    }

    fn tell_sets(&self, simulator: &mut Simulator<'_>) {
        let mut sets = std::collections::BTreeMap::<&str, Vec<Element>>::new();
        for (name, element) in &self.ipset {
            sets.entry(name).or_default().extend(element.clone());
        }
        for (name, elements) in sets {
            simulator.tell_set(name, elements);
        }
    }

    /// The frames to be judged: how they were written, which way they go, their bytes.
    fn frames(&self, rules: &InterfaceRules) -> Result<Vec<(String, Side, Vec<u8>)>, Failure> {
        let stations = Stations::of(&rules.binding);
        let default = self.direction.map(Side::from);
        if let Some(path) = &self.pcap {
            let bytes = read_bytes(path)?;
            let failed = |why| {
                let name = path.display().to_string();
                Failure::new(Status::Input, ExplainError::Pcap { name, why })
            };
            let captured = pcap::frames(&bytes).map_err(failed)?;
            let frames = captured.iter().enumerate().map(|(number, frame)| {
                let from_guest = Frame::decode(frame.bytes).source() == Some(stations.guest.mac);
                let guessed = if from_guest { Side::FromGuest } else { Side::ToGuest };
                (format!("frame {}", number + 1), default.unwrap_or(guessed), frame.bytes.to_vec())
            });
            return Ok(frames.collect());
        }
        let mut errors = Vec::new();
        let mut packets = Vec::new();
        let (status, lines) = match &self.matrix {
            Some(path) => (Status::Input, lines(&input_at(path).read()?)),
            None => {
                let texts = self.packet.iter().map(|text| (text.clone(), Source::new("--packet", text.as_str()), 0));
                (Status::Usage, texts.collect())
            }
        };
        for (text, source, offset) in lines {
            match Packet::parse(&text) {
                Ok(packet) => packets.push((text, packet)),
                Err(error) => errors.push(packet_error(error, source, offset)),
            }
        }
        if !errors.is_empty() {
            return Err(Failure::all(status, errors));
        }
        let mut frames: Vec<(String, Side, Vec<u8>)> = Vec::new();
        for (text, packet) in packets {
            let side = packet.side().or(default).unwrap_or(Side::FromGuest);
            // An ICMP error is about what went the other way last.
            let quoted = frames.iter().rev().find(|(_, other, _)| *other != side && self.matrix.is_none());
            let frame = packet.frame(side, &stations, quoted.map(|(_, _, frame)| frame.as_slice()));
            frames.push((text, side, frame));
        }
        Ok(frames)
    }

    fn find(&self, documents: &Documents) -> Result<Status, Failure> {
        let found = match documents {
            Documents::Rules(ruleset) => lint::of_rules(&self.chosen(ruleset)?, ruleset.profile),
            Documents::Filters(filters) => lint::of_filters(filters),
        };
        match self.format {
            Format::Json => {
                #[derive(Serialize)]
                struct Findings {
                    findings: Vec<Finding>,
                }
                let status = if found.is_empty() { Status::Done } else { Status::WouldChange };
                self.common.write_document(&Findings { findings: found })?;
                Ok(status)
            }
            Format::Text => {
                let text: String = found.iter().map(Finding::print).collect();
                self.common.write_text(&text)?;
                Ok(if found.is_empty() { Status::Done } else { Status::WouldChange })
            }
        }
    }
}

fn list<'n>(names: impl Iterator<Item = &'n str>) -> String {
    let names: Vec<String> = names.map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

fn input_at(path: &Path) -> Input {
    if path == Path::new("-") { Input::Standard } else { Input::Path(path.to_owned()) }
}

/// The bytes of a file, up to the limit of all inputs.
fn read_bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    let name = || path.display().to_string();
    let failed = |error| Failure::new(Status::Input, InputError::Unreadable { name: name(), error });
    let mut bytes = Vec::new();
    let mut reader: Box<dyn Read> = match input_at(path) {
        Input::Standard => Box::new(std::io::stdin().lock()),
        Input::Path(path) => Box::new(std::fs::File::open(path).map_err(failed)?),
    };
    reader.as_mut().take(INPUT_MAX_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.len() as u64 > INPUT_MAX_BYTES {
        let error = InputError::TooLarge { name: name(), limit: INPUT_MAX_BYTES };
        return Err(Failure::new(Status::Input, error));
    }
    Ok(bytes)
}

/// The packets of a file: text, file, offset of the text in it.
fn lines(source: &Source) -> Vec<(String, Source, usize)> {
    let mut at = 0;
    let mut found = Vec::new();
    for line in source.text().split_inclusive('\n') {
        let text = line.split('#').next().unwrap_or_default();
        let trimmed = text.trim();
        if !trimmed.is_empty() {
            let indent = text.len() - text.trim_start().len();
            found.push((trimmed.to_owned(), source.clone(), at + indent));
        }
        at += line.len();
    }
    found
}

fn packet_error(error: TextError, text: Source, offset: usize) -> ExplainError {
    let TextError { why, help, at } = error;
    ExplainError::Packet { why, help, text, at: SourceSpan::from(offset + at.start..offset + at.end) }
}

/// Whether a document is `filters/1`.
fn is_filters(source: &Source) -> bool {
    #[derive(serde::Deserialize)]
    struct Head {
        nwf: String,
    }
    serde_json::from_str::<Head>(source.text()).is_ok_and(|head| head.nwf == Filters::KIND)
}

fn read_filters(sources: &[Source]) -> Result<Filters, Failure> {
    let mut parts = Vec::new();
    for source in sources {
        let filters = Filters::read(source)?;
        super::check_filters(&filters, source.name())?;
        parts.push(filters);
    }
    let profile = parts.first().map(|part| part.profile).unwrap_or_default();
    check_profiles(profile, parts.iter().map(|part| part.profile))?;
    crate::xml::join(profile, parts).map_err(|duplicates| Failure::all(Status::Input, duplicates))
}

fn read_rules(sources: &[Source]) -> Result<Ruleset, Failure> {
    let mut joined = Ruleset::default();
    let mut profiles = Vec::new();
    let mut places = std::collections::BTreeMap::new();
    for source in sources {
        let ruleset = Ruleset::read(source)?;
        ruleset.check().map_err(|why| super::documents::content::<Ruleset>(source, why))?;
        profiles.push(ruleset.profile);
        for rules in ruleset.interfaces {
            let interface = rules.binding.interface.clone();
            let second = source.name().to_string();
            if let Some(first) = places.insert(interface.clone(), second.clone()) {
                return Err(Failure::new(Status::Input, ExplainError::Twice { interface, first, second }));
            }
            joined.interfaces.push(rules);
        }
    }
    joined.profile = profiles.first().copied().unwrap_or_default();
    check_profiles(joined.profile, profiles.into_iter())?;
    Ok(joined)
}

fn check_profiles(first: Profile, mut all: impl Iterator<Item = Profile>) -> Result<(), Failure> {
    match all.find(|other| *other != first) {
        Some(other) => Err(Usage::failure(
            format!("the inputs were read under different profiles: `{first}` and `{other}`"),
            "read all of them with the same `--compat`".to_owned(),
        )),
        None => Ok(()),
    }
}
