//! The bench: one laboratory in which each filter takes the place of the one before.

use crate::filters::{Case, Item};
use crate::lab::wire::{End, Endpoint};
use crate::lab::{self, Lab, nft};
use crate::quirks::known;
use nwf::model::Role;
use nwf::plan::{Features, Plan, Scope};
use nwf::render::nft::{Action, Nft, script};
use nwf::render::xtables::{RestoreAction, Xtables, restore};
use nwf::render::{Backend, Options, plan};
use nwf::ruleset::Side;
use nwf::simulate::{self, Simulator};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

/// How long nothing must arrive until what has not come is called lost.
const QUIET: Duration = Duration::from_millis(40);
/// How long frames that should arrive are waited for.
const PATIENCE: Duration = Duration::from_millis(400);
/// How many frames are sent at once without rules.
const BATCH: usize = 200;

/// What was done.
#[derive(Debug, Default)]
pub struct Count {
    /// Frames whose verdicts were compared.
    pub compared: usize,
    /// Those of them that passed.
    pub passed: usize,
    /// Those that did not.
    pub dropped: usize,
    /// Frames that do not pass even without rules.
    pub lost: usize,
    quirks: BTreeMap<&'static str, usize>,
    refused: BTreeMap<String, usize>,
    rules: usize,
}

impl Count {
    /// Counts a rule that was not taken.
    pub fn refused(&mut self, why: &str) {
        let end = why.find(['{', '(']).unwrap_or(why.len()).min(60);
        let kind = why.get(..end).unwrap_or(why).trim().to_owned();
        if std::env::var_os("NWF_DIFFERENTIAL_REFUSED").is_some() {
            eprintln!("refused: {why}");
        }
        *self.refused.entry(kind).or_default() += 1;
    }

    /// In words.
    pub fn text(&self) -> String {
        let refused: usize = self.refused.values().sum();
        format!(
            "{} rules, {refused} refused; {} frames compared, {} passed, {} dropped; {} more pass nowhere; known differences: {:?}",
            self.rules, self.compared, self.passed, self.dropped, self.lost, self.quirks
        )
    }
}

/// A filter and a frame on which the answers differ.
pub struct Difference {
    case: Case,
    scope: Scope,
    side: Side,
    frame: Vec<u8>,
    simulated: bool,
    path: String,
    script: String,
}

impl Difference {
    /// Writes a case folder.
    pub fn save(&self, folder: &Path) {
        let folder = folder.join(format!("{:x}", self.case.seed));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("filter.xml"), self.case.xml().concat()).unwrap();
        std::fs::write(folder.join("parameters"), self.case.parameters()).unwrap();
        std::fs::write(folder.join("difference"), self.to_string()).unwrap();
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = |passes| if passes { "passes" } else { "is dropped" };
        let side = if self.side == Side::FromGuest { "from the guest" } else { "to the guest" };
        writeln!(f, "== seed {}, profile {}, scope {}", self.case.seed, self.case.profile, self.scope.name())?;
        write!(f, "{}{}", self.case.xml().concat(), self.case.parameters())?;
        write!(f, "frame {side}: ")?;
        for byte in &self.frame {
            write!(f, "{byte:02x}")?;
        }
        writeln!(f)?;
        writeln!(f, "simulator: {}; kernel: {}", word(self.simulated), word(!self.simulated))?;
        writeln!(f, "{}\n{}", self.path, self.script)
    }
}

/// Who programs the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rules {
    /// nftables, on a host without connection tracking in the bridge.
    Nft,
    /// ebtables, iptables and ip6tables, with `br_netfilter`.
    Xtables,
}

/// The laboratory, and what is in force in it.
pub struct Bench {
    rules: Rules,
    lab: Lab,
    guest: Endpoint,
    peer: Endpoint,
    old: Option<Plan>,
    /// What was done.
    pub count: Count,
}

impl Bench {
    /// Makes one; says why if that is not possible.
    pub fn new(name: &str, rules: Rules) -> Option<Self> {
        let options = lab::Options { bridge_netfilter: rules == Rules::Xtables, addresses: false };
        let lab = Lab::with(name, options)?;
        if rules == Rules::Xtables {
            for tool in ["ebtables-restore", "iptables-restore", "ip6tables-restore"] {
                let mut command = Command::new(tool);
                command.arg("--noflush");
                if let Err(error) = lab.host.command(command, b"") {
                    lab::skip(name, &format!("{tool}: {error}"));
                    return None;
                }
            }
        }
        let (guest, peer) = (lab.open(End::Guest), lab.open(End::Peer));
        Some(Self { rules, lab, guest, peer, old: None, count: Count::default() })
    }

    /// What a plan may ask of the host.
    fn features(&self) -> Features {
        match self.rules {
            Rules::Nft => Features::none(),
            Rules::Xtables => Features::relay(),
        }
    }

    /// The text of a plan, in the place of the one in force.
    fn text(&self, plan: &Plan, fresh: bool) -> String {
        let old = self.old.as_ref().filter(|_| !fresh);
        match self.rules {
            Rules::Nft => script(plan, old, Action::Install),
            Rules::Xtables => restore(plan, old, RestoreAction::Install),
        }
    }

    /// Loads a text.
    fn load(&self, text: &str) -> Result<(), String> {
        if self.rules == Rules::Nft {
            return self.lab.host.command(nft(&["-f", "-"]), text.as_bytes()).unwrap().success("nft").map(drop);
        }
        for section in text.split_inclusive("COMMIT\n") {
            let (tool, input) = section.split_once('\n').expect("a section has a line with its tool");
            let mut command = Command::new(tool.strip_prefix("# ").expect("a section begins with its tool"));
            command.arg("--noflush");
            self.lab.host.command(command, input.as_bytes()).unwrap().success(tool)?;
        }
        Ok(())
    }

    /// Tries cases; gives at most so many differences, made small.
    pub fn round(&mut self, mut cases: Vec<Case>, most: usize) -> Vec<Difference> {
        self.clear();
        self.without_rules(&mut cases);
        let mut found = Vec::new();
        for (number, case) in cases.iter().enumerate() {
            let scope = if number % 2 == 0 && self.rules == Rules::Nft { Scope::All } else { Scope::Bridged };
            self.count.rules += case.rules.len();
            let Some(difference) = self.compare(case, scope, true) else { continue };
            found.push(self.small(case, scope, difference));
            if found.len() >= most {
                break;
            }
        }
        found
    }

    /// Takes away the frames that do not pass without rules, and those that are there twice.
    fn without_rules(&mut self, cases: &mut [Case]) {
        let mut all: Vec<(Side, Vec<u8>)> = Vec::new();
        let mut known = HashSet::new();
        for case in cases.iter_mut() {
            let mut own = HashSet::new();
            case.frames.retain(|(side, frame)| own.insert((*side, key(frame).to_vec())));
            all.extend(case.frames.iter().filter(|frame| known.insert((frame.0, key(&frame.1).to_vec()))).cloned());
        }
        let mut passing = HashSet::new();
        for frames in all.chunks(BATCH) {
            let arrived = self.exchange(frames, &vec![false; frames.len()]);
            passing.extend(
                frames
                    .iter()
                    .zip(arrived)
                    .filter(|(_, arrived)| *arrived)
                    .map(|(frame, _)| (frame.0, key(&frame.1).to_vec())),
            );
        }
        self.count.lost += all.len() - passing.len();
        for case in cases {
            case.frames.retain(|(side, frame)| passing.contains(&(*side, key(frame).to_vec())));
        }
    }

    fn clear(&mut self) {
        if let Some(old) = self.old.take() {
            match self.rules {
                Rules::Nft => self.load(&script(&old, None, Action::Remove)).unwrap(),
                Rules::Xtables => self.reset(),
            }
        }
    }

    /// Empties the tables of xtables, whatever is in them.
    fn reset(&mut self) {
        let mut shell = Command::new("sh");
        let all = "ebtables -t nat -F; ebtables -t nat -X; for t in iptables ip6tables; do $t -F; $t -X; done";
        shell.args(["-c", all]);
        self.lab.host.command(shell, b"").unwrap();
        self.old = None;
    }

    fn compare(&mut self, case: &Case, scope: Scope, counted: bool) -> Option<Difference> {
        let ruleset = case.ruleset().ok()?;
        let options = Options { scope: Some(scope), features: Some(self.features()) };
        let backend: &dyn Backend = if self.rules == Rules::Nft { &Nft } else { &Xtables };
        let plan = match plan(&ruleset, backend, &options) {
            Ok(outcome) => outcome.plan,
            Err(errors) if self.rules == Rules::Xtables => {
                self.count.refused(&format!("{errors:?}"));
                return None;
            }
            Err(errors) => panic!("seed {}: {errors:?}", case.seed),
        };
        if self.rules == Rules::Xtables {
            // A restore text makes libvirt's own chains; where they are already, only nwf-apply knows to leave them.
            self.reset();
        }
        let text = self.text(&plan, false);
        if let Err(why) = self.load(&text) {
            assert!(
                self.rules == Rules::Xtables && refused_by_tool(case, &why),
                "seed {}: {why}\n{}{}{text}",
                case.seed,
                case.xml().concat(),
                case.parameters()
            );
            // What was loaded before goes away.
            self.count.refused(&why);
            self.reset();
            return None;
        }
        let fresh = self.text(&plan, true);
        self.old = Some(plan);
        let simulated = |frame: &(Side, Vec<u8>)| {
            let scope = match scope {
                Scope::All => simulate::Scope::All,
                Scope::Bridged => simulate::Scope::Bridged,
            };
            let mut simulator = Simulator::new(&ruleset.interfaces[0], case.profile, scope);
            let judgement = simulator.judge(frame.0, &frame.1);
            (
                judgement.passes(),
                format!("{:?}, state {:?}", judgement.by, judgement.tracked.map(|tracked| tracked.state)),
            )
        };
        let expected: Vec<bool> = case.frames.iter().map(|frame| simulated(frame).0).collect();
        let mut arrived = self.exchange(&case.frames, &expected);
        if arrived != expected {
            // Once more: what is only late is no difference.
            arrived = self.exchange(&case.frames, &expected);
        }
        if counted {
            self.count.compared += arrived.len();
            self.count.passed += arrived.iter().filter(|arrived| **arrived).count();
            self.count.dropped += arrived.iter().filter(|arrived| !**arrived).count();
        }
        let mut differs = None;
        for number in (0..arrived.len()).filter(|number| arrived[*number] != expected[*number]) {
            match known(self.rules, case, &case.frames[number].1) {
                Some(quirk) if counted => *self.count.quirks.entry(quirk).or_default() += 1,
                Some(_) => {}
                None => differs = differs.or(Some(number)),
            }
        }
        let differs = differs?;
        let (side, frame) = case.frames[differs].clone();
        let (simulated, path) = simulated(&case.frames[differs]);
        Some(Difference { case: case.clone(), scope, side, frame, simulated, path, script: fresh })
    }

    /// The same difference with as few rules as it needs, and one frame.
    fn small(&mut self, case: &Case, scope: Scope, first: Difference) -> Difference {
        let mut best = first;
        let mut case = Case { frames: vec![(best.side, best.frame.clone())], ..case.clone() };
        let mut number = 0;
        while number < case.rules.len() {
            let mut less = case.clone();
            less.rules.remove(number);
            match self.compare(&less, scope, false) {
                Some(difference) => {
                    best = difference;
                    case = less;
                }
                None => number += 1,
            }
        }
        while let Some(last) = case.chains.len().checked_sub(1)
            && case.rules.iter().all(|rule| rule.filter != last + 1)
        {
            case.chains.pop();
        }
        if let Some(difference) = self.compare(&case, scope, false) {
            best = difference;
        }
        best
    }

    /// Sends frames in both directions at once; tells which arrive.
    fn exchange(&mut self, frames: &[(Side, Vec<u8>)], expected: &[bool]) -> Vec<bool> {
        let index: HashMap<(Side, &[u8]), usize> =
            frames.iter().enumerate().map(|(number, (side, frame))| ((*side, key(frame)), number)).collect();
        while self.guest.next().is_some() || self.peer.next().is_some() {}
        for (side, frame) in frames {
            match side {
                Side::FromGuest => self.guest.send(frame),
                Side::ToGuest => self.peer.send(frame),
            }
        }
        let sent = Instant::now();
        let mut last = sent;
        let mut arrived = vec![false; frames.len()];
        loop {
            let mut any = false;
            for (side, end) in [(Side::FromGuest, &mut self.peer), (Side::ToGuest, &mut self.guest)] {
                while let Some(frame) = end.next() {
                    any = true;
                    if let Some(number) = index.get(&(side, key(&frame))) {
                        arrived[*number] = true;
                        last = Instant::now();
                    }
                }
            }
            if any {
                continue;
            }
            let missing = expected.iter().zip(&arrived).any(|(expected, arrived)| *expected && !*arrived);
            if last.elapsed() > QUIET && (!missing || sent.elapsed() > PATIENCE) {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        assert_eq!(self.guest.overrun() + self.peer.overrun(), 0, "the capture lost frames");
        arrived
    }
}

/// What the tools do not take: the target CONTINUE of libvirt, a MAC mask without ones, and an inverted prefix of
/// no length.
fn refused_by_tool(case: &Case, why: &str) -> bool {
    let empty = |item: &Item| {
        matches!(item.row.role, Role::MaskOf(_))
            && item.values.iter().any(|value| value == "0" || value == "00:00:00:00:00:00")
    };
    let is_empty = case.rules.iter().flat_map(|rule| &rule.items).any(empty);
    why.contains("'CONTINUE'") || (why.contains("Invalid argument") && is_empty)
}

/// What of a frame identifies it: `br_netfilter` cuts off what stands behind the end of an IP packet.
fn key(frame: &[u8]) -> &[u8] {
    let field = |at: usize| Some(usize::from(u16::from_be_bytes([*frame.get(at)?, *frame.get(at + 1)?])));
    let length = match frame.get(12..14) {
        Some([0x08, 0x00]) => field(16).map(|total| 14 + total),
        Some([0x86, 0xdd]) => field(18).map(|length| 54 + length),
        _ => None,
    };
    // A length that is no length is no end.
    let end = length.filter(|end| *end >= 34).unwrap_or(frame.len()).min(frame.len());
    &frame[..end]
}
