//! What is done in which order: build, switch, undo, remove, and the interim rulesets (spec 03, sections 7 to 9).
//!
//! The profile `libvirt` has the lists of the spec word for word. The profile `nwf` differs where the quirk list says
//! *improve*: what an earlier build left is dropped from all three tools (QE-18), base chains are never taken out
//! (QE-11), chains are linked when they are full (QE-16), interim rulesets are built beside what is in force (QE-17),
//! an undone first build leaves nothing that accepts (QE-13), and the switch ends with a look (QE-19).

use super::command::{Command, Need, Tool};
use super::names::{Base, IpChain, Names, Phase};
use super::tree::{self, EthernetStep, IpRules, Made, Tree};
use super::{ethernet, ethernet_link, ip_link, post_link, script};
use crate::model::{InterfaceName, Profile};
use crate::plan::{Plan, Table};
use crate::render::{Manner, RenderError};
use crate::ruleset::{InterfaceRules, Ruleset, Side};

/// What a list of commands does (design.md §3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Action {
    /// Build, then switch.
    Install,
    /// Remove everything (EB-113).
    Remove,
    /// Build the rules beside those in force (EB-91).
    Build,
    /// Put what was built in force (EB-112, EB-115).
    Switch,
    /// Drop what was built (EB-110).
    Undo,
}

impl Action {
    /// The word on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Action::Install => "install",
            Action::Remove => "remove",
            Action::Build => "build",
            Action::Switch => "switch",
            Action::Undo => "undo",
        }
    }
}

/// One step of an operation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// Run a command.
    Run(Command),
    /// Run a command if another one fails.
    Unless {
        /// The question.
        check: Command,
        /// What is done if the answer is no.
        command: Command,
    },
    /// Look which sub-chains the root chains of a phase jump to (EB-114): a listing of each.
    Look { phase: Phase, roots: [String; 2], letters: String },
    /// Look at one chain, for jumps that are not there (EB-114, EB-115: *searched in turn*). Nothing depends on it.
    List(Command),
    /// Remove the sub-chains that were found, and those that are known (EB-114).
    RemoveFound { phase: Phase, known: Vec<String> },
}

/// The steps of one interface. An operation on several builds all of them, then switches all (RES-102).
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Operation {
    /// May fail, and then nothing has changed once `undo` has run.
    pub(super) build: Vec<Step>,
    /// What must not be stopped.
    pub(super) switch: Vec<Step>,
    /// What takes back the steps of `build` (EB-95, EB-134).
    pub(super) undo: Vec<Step>,
}

fn may<'a>(tool: Tool, words: impl IntoIterator<Item = &'a str>) -> Step {
    Step::Run(Command::may(tool, words))
}

fn must<'a>(tool: Tool, words: impl IntoIterator<Item = &'a str>) -> Step {
    Step::Run(Command::must(tool, words))
}

/// Adds a command that empties a chain and one that deletes it.
fn flush_and_delete(steps: &mut Vec<Step>, tool: Tool, chain: &str) {
    steps.push(may(tool, ["-F", chain]));
    steps.push(may(tool, ["-X", chain]));
}

fn on_link(verb: &str, (base, words): &(&str, Vec<String>)) -> Vec<String> {
    let mut all = vec![verb.to_owned(), (*base).to_owned()];
    all.extend_from_slice(words);
    all
}

/// The lists of one interface.
struct Lists<'a> {
    names: Names<'a>,
    tree: &'a Tree,
    /// Sub-chains that are in force, in the order in which EB-114 would find them.
    old: Vec<String>,
}

impl Lists<'_> {
    fn is_nwf(&self) -> bool {
        self.names.profile == Profile::Nwf
    }

    /// Runs a command on a link, in the words of one verb.
    fn link(need: Need, tool: Tool, verb: &str, link: &(&str, Vec<String>)) -> Step {
        let words = on_link(verb, link);
        let words = words.iter().map(String::as_str);
        match need {
            Need::Must => must(tool, words),
            Need::May => may(tool, words),
        }
    }

    /// The first four lines of EB-93 and EB-112.
    fn unlink_ip(&self, tool: Tool, phase: Phase) -> Vec<Step> {
        let mut steps = Vec::new();
        for chain in IpChain::ALL {
            let link = ip_link(self.names, chain, phase);
            steps.push(Self::link(Need::May, tool, "-D", &link));
            if chain == IpChain::ToGuest && !self.is_nwf() {
                // The link of versions that did not write `--physdev-is-bridged`.
                let (base, mut words) = link;
                words.retain(|word| word != "--physdev-is-bridged");
                steps.push(Self::link(Need::May, tool, "-D", &(base, words)));
            }
        }
        steps
    }

    /// Lines 5 to 10 of EB-93 and EB-112.
    fn delete_ip(&self, tool: Tool, phase: Phase) -> Vec<Step> {
        let mut steps = Vec::new();
        for chain in IpChain::ALL {
            flush_and_delete(&mut steps, tool, &self.names.ip(chain, phase));
        }
        steps
    }

    /// Lines 1 to 10 of EB-93.
    fn drop_ip(&self, tool: Tool, phase: Phase) -> Vec<Step> {
        let mut steps = self.unlink_ip(tool, phase);
        steps.extend(self.delete_ip(tool, phase));
        steps
    }

    /// The first two EBT lines of EB-110 and EB-112.
    fn unlink_ethernet(&self, phase: Phase) -> Vec<Step> {
        let link = |side| Self::link(Need::May, Tool::Ebtables, "-D", &ethernet_link(self.names, side, phase));
        Side::BOTH.map(link).into()
    }

    fn look(&self, phase: Phase) -> Step {
        let roots = Side::BOTH.map(|side| self.names.root(side, phase));
        Step::Look { phase, roots, letters: self.names.letters(phase) }
    }

    fn delete_roots(&self, phase: Phase) -> Vec<Step> {
        let mut steps = Vec::new();
        for side in Side::BOTH {
            flush_and_delete(&mut steps, Tool::Ebtables, &self.names.root(side, phase));
        }
        steps
    }

    /// The first eight EBT lines of EB-110 and EB-112.
    fn drop_ethernet(&self, phase: Phase) -> Vec<Step> {
        let mut steps = self.unlink_ethernet(phase);
        steps.push(self.look(phase));
        steps.extend(self.delete_roots(phase));
        steps
    }

    /// The sub-chains of the tree, from the guest first.
    fn sub_chains(&self, phase: Phase) -> Vec<String> {
        let of = |side| self.tree.sub_chains(side).map(move |chain| self.names.sub_chain(chain, side, phase));
        Side::BOTH.into_iter().flat_map(of).collect()
    }

    fn remove_temporary(&self) -> Step {
        Step::RemoveFound { phase: Phase::Temporary, known: self.sub_chains(Phase::Temporary) }
    }

    /// EB-110.
    fn undo(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for tool in [Tool::Iptables, Tool::Ip6tables] {
            steps.extend(self.drop_ip(tool, Phase::Temporary));
            steps.extend(self.undo_post(tool));
        }
        steps.extend(self.drop_ethernet(Phase::Temporary));
        steps.push(self.remove_temporary());
        steps
    }

    /// EB-95.
    fn undo_failed(&self) -> Vec<Step> {
        let mut steps = self.unlink_ethernet(Phase::Temporary);
        for tool in [Tool::Ip6tables, Tool::Iptables] {
            if self.tree.uses(tool) {
                steps.extend(self.drop_ip(tool, Phase::Temporary));
                steps.extend(self.undo_post(tool));
            }
        }
        steps.push(self.look(Phase::Temporary));
        steps.extend(self.delete_roots(Phase::Temporary));
        steps.push(self.remove_temporary());
        steps
    }

    /// QE-13: unless a tree is in force, nothing may accept what the host's own rules would judge.
    fn undo_post(&self, tool: Tool) -> Option<Step> {
        let words = on_link("-D", &post_link(self.names));
        self.is_nwf().then(|| Step::Unless {
            check: Command::may(tool, ["-S", &self.names.ip(IpChain::FromGuest, Phase::Active)]),
            command: Command::may(tool, words.iter().map(String::as_str)),
        })
    }

    /// EB-113.
    fn remove(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for tool in [Tool::Iptables, Tool::Ip6tables] {
            steps.extend(self.drop_ip(tool, Phase::Temporary));
        }
        steps.extend(self.drop_ethernet(Phase::Temporary));
        for tool in [Tool::Iptables, Tool::Ip6tables] {
            steps.extend(self.unlink_ip(tool, Phase::Active));
            steps.push(Self::link(Need::May, tool, "-D", &post_link(self.names)));
            steps.extend(self.delete_ip(tool, Phase::Active));
        }
        steps.extend(self.drop_ethernet(Phase::Active));
        steps.push(Step::RemoveFound { phase: Phase::Temporary, known: Vec::new() });
        steps.push(Step::RemoveFound { phase: Phase::Active, known: self.old.clone() });
        steps
    }

    /// EB-91.
    fn build(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        if self.is_nwf() {
            for tool in [Tool::Iptables, Tool::Ip6tables] {
                steps.extend(self.drop_ip(tool, Phase::Temporary));
            }
        }
        steps.extend(self.drop_ethernet(Phase::Temporary));
        steps.push(Step::RemoveFound { phase: Phase::Temporary, known: Vec::new() });
        for side in &self.tree.sides {
            steps.push(must(Tool::Ebtables, ["-N", &self.names.root(*side, Phase::Temporary)]));
        }
        steps.extend(self.ethernet_rules());
        for rules in &self.tree.ip {
            match self.names.profile {
                Profile::Libvirt => {
                    steps.extend(self.drop_ip(rules.tool, Phase::Temporary));
                    steps.extend(self.classic_base_chains(rules.tool));
                    steps.extend(self.new_ip_chains(rules.tool));
                    steps.extend(self.ip_links(rules.tool));
                    steps.extend(self.ip_rules(rules));
                }
                Profile::Nwf => {
                    steps.extend(self.base_chains(rules.tool));
                    steps.extend(self.new_ip_chains(rules.tool));
                    steps.extend(self.ip_rules(rules));
                    steps.extend(self.ip_links(rules.tool));
                }
            }
        }
        steps.extend(self.ethernet_links());
        steps
    }

    /// EB-92.
    fn ethernet_rules(&self) -> Vec<Step> {
        let tool = Tool::Ebtables;
        let mut steps = Vec::new();
        for step in &self.tree.ethernet {
            match step {
                EthernetStep::Chain { side, chain } => {
                    let name = self.names.sub_chain(chain, *side, Phase::Temporary);
                    flush_and_delete(&mut steps, tool, &name);
                    steps.push(must(tool, ["-N", &name]));
                    let root = self.names.root(*side, Phase::Temporary);
                    let entry = ethernet::entry(chain.prefix()).iter().copied();
                    steps.push(must(tool, ["-A", root.as_str()].into_iter().chain(entry).chain(["-j", &name])));
                }
                EthernetStep::Rule { side, chain, words, provenance } => {
                    let name = self.names.ethernet(chain, *side, Phase::Temporary);
                    let words = ["-A", name.as_str()].into_iter().chain(words.iter().map(String::as_str));
                    let command = Command { provenance: Some(provenance.clone()), ..Command::must(tool, words) };
                    steps.push(Step::Run(command));
                }
            }
        }
        steps
    }

    /// EB-91, step 5.
    fn ethernet_links(&self) -> Vec<Step> {
        let link = |side: &Side| {
            Self::link(Need::Must, Tool::Ebtables, "-A", &ethernet_link(self.names, *side, Phase::Temporary))
        };
        self.tree.sides.iter().map(link).collect()
    }

    /// Lines 11 to 22 of EB-93.
    fn classic_base_chains(&self, tool: Tool) -> Vec<Step> {
        let mut steps: Vec<Step> = Base::ALL.iter().map(|base| may(tool, ["-N", self.names.base(*base)])).collect();
        for base in Base::ALL {
            steps.push(may(tool, ["-D", base.parent().0, "-j", self.names.base(base)]));
        }
        for base in Base::ALL {
            let (parent, position) = base.parent();
            steps.push(must(tool, ["-I", parent, position, "-j", self.names.base(base)]));
        }
        steps
    }

    /// QE-11: what is there stays where it is.
    fn base_chains(&self, tool: Tool) -> Vec<Step> {
        let mut steps: Vec<Step> = Base::ALL.iter().map(|base| may(tool, ["-N", self.names.base(*base)])).collect();
        for base in Base::ALL {
            let (parent, position) = base.parent();
            steps.push(Step::Unless {
                check: Command::may(tool, ["-C", parent, "-j", self.names.base(base)]),
                command: Command::must(tool, ["-I", parent, position, "-j", self.names.base(base)]),
            });
        }
        steps
    }

    fn new_ip_chains(&self, tool: Tool) -> Vec<Step> {
        IpChain::ALL.into_iter().map(|chain| must(tool, ["-N", &self.names.ip(chain, Phase::Temporary)])).collect()
    }

    /// The last five lines of EB-93. In the profile `nwf` the entry that accepts stays where it is.
    fn ip_links(&self, tool: Tool) -> Vec<Step> {
        let link = |chain| Self::link(Need::Must, tool, "-A", &ip_link(self.names, chain, Phase::Temporary));
        let mut steps: Vec<Step> = IpChain::ALL.into_iter().map(link).collect();
        let post = post_link(self.names);
        match self.names.profile {
            Profile::Libvirt => {
                steps.push(Self::link(Need::May, tool, "-D", &post));
                steps.push(Self::link(Need::Must, tool, "-A", &post));
            }
            Profile::Nwf => steps.push(Step::Unless {
                check: Command::may(tool, on_link("-C", &post).iter().map(String::as_str)),
                command: Command::must(tool, on_link("-A", &post).iter().map(String::as_str)),
            }),
        }
        steps
    }

    fn ip_rules(&self, rules: &IpRules) -> Vec<Step> {
        rules
            .rules
            .iter()
            .map(|rule| {
                let name = self.names.ip(rule.chain, Phase::Temporary);
                let words = ["-A", name.as_str()].into_iter().chain(rule.words.iter().map(String::as_str));
                let provenance = Some(rule.provenance.clone());
                Step::Run(Command { provenance, ..Command::must(rules.tool, words) })
            })
            .collect()
    }

    /// EB-112, EB-115.
    fn switch(&self) -> Vec<Step> {
        let mut steps = Vec::new();
        for tool in [Tool::Iptables, Tool::Ip6tables] {
            steps.extend(self.drop_ip(tool, Phase::Active));
            if self.is_nwf() && !self.tree.uses(tool) {
                steps.push(Self::link(Need::May, tool, "-D", &post_link(self.names)));
                continue;
            }
            for chain in IpChain::ALL {
                let (temporary, active) = (self.names.ip(chain, Phase::Temporary), self.names.ip(chain, Phase::Active));
                steps.push(may(tool, ["-E", &temporary, &active]));
            }
        }
        steps.extend(self.drop_ethernet(Phase::Active));
        for side in Side::BOTH {
            steps.push(Step::List(Command::may(Tool::Ebtables, ["-L", &self.names.root(side, Phase::Temporary)])));
        }
        for side in Side::BOTH {
            if self.is_nwf() && !self.tree.sides.contains(&side) {
                continue;
            }
            steps.push(self.rename_root(side, Need::May));
        }
        steps.push(Step::RemoveFound { phase: Phase::Active, known: self.old.clone() });
        for (temporary, active) in self.sub_chains(Phase::Temporary).iter().zip(self.sub_chains(Phase::Active)) {
            steps.push(Step::List(Command::may(Tool::Ebtables, ["-L", temporary])));
            flush_and_delete(&mut steps, Tool::Ebtables, &active);
            steps.push(may(Tool::Ebtables, ["-E", temporary, &active]));
        }
        if self.is_nwf() {
            steps.extend(self.verify());
        }
        steps
    }

    fn rename_root(&self, side: Side, need: Need) -> Step {
        let (temporary, active) = (self.names.root(side, Phase::Temporary), self.names.root(side, Phase::Active));
        Step::Run(Command { need, ..Command::may(Tool::Ebtables, ["-E", &temporary, &active]) })
    }

    /// QE-19: the chains have the names that the next build will look for.
    fn verify(&self) -> Vec<Step> {
        let root = |side: &Side| must(Tool::Ebtables, ["-L", &self.names.root(*side, Phase::Active)]);
        let mut steps: Vec<Step> = self.tree.sides.iter().map(root).collect();
        let subs = self.sub_chains(Phase::Active);
        steps.extend(subs.iter().map(|sub| must(Tool::Ebtables, ["-L", sub])));
        for rules in &self.tree.ip {
            let chain = |chain| must(rules.tool, ["-S", &self.names.ip(chain, Phase::Active)]);
            steps.extend(IpChain::ALL.map(chain));
        }
        steps
    }

    /// EB-130 to EB-132.
    fn interim(&self) -> Vec<Step> {
        let mut steps = self.remove();
        let new = |side: &Side| must(Tool::Ebtables, ["-N", &self.names.root(*side, Phase::Temporary)]);
        steps.extend(self.tree.sides.iter().map(new));
        steps.extend(self.ethernet_rules());
        steps.extend(self.ethernet_links());
        steps.extend(self.tree.sides.iter().map(|side| self.rename_root(*side, Need::Must)));
        steps
    }

    /// EB-134.
    fn remove_interim(&self) -> Vec<Step> {
        let mut steps = self.drop_ethernet(Phase::Active);
        steps.extend(self.drop_ethernet(Phase::Temporary));
        steps.push(Step::RemoveFound { phase: Phase::Active, known: Vec::new() });
        steps.push(Step::RemoveFound { phase: Phase::Temporary, known: Vec::new() });
        steps
    }

    fn operation(&self, action: Action, is_interim: bool) -> Operation {
        let classic_interim = is_interim && !self.is_nwf();
        let nothing = Operation::default();
        match action {
            Action::Install if classic_interim => {
                Operation { build: self.interim(), undo: self.remove_interim(), ..nothing }
            }
            Action::Install => Operation { build: self.build(), switch: self.switch(), undo: self.undo_failed() },
            Action::Build => Operation { build: self.build(), undo: self.undo_failed(), ..nothing },
            Action::Switch => Operation { switch: self.switch(), ..nothing },
            Action::Undo if classic_interim => Operation { switch: self.remove_interim(), ..nothing },
            Action::Undo => Operation { switch: self.undo(), ..nothing },
            Action::Remove => Operation { switch: self.remove(), ..nothing },
        }
    }
}

/// The sub-chains that a plan has for an interface, in the order in which EB-114 would find them.
fn sub_chains_of(old: Option<&Plan>, names: Names<'_>) -> Vec<String> {
    let roots = Side::BOTH.map(|side| names.root(side, Phase::Active));
    let interfaces = old.into_iter().flat_map(|old| &old.interfaces);
    interfaces
        .filter(|interface| interface.binding.interface == *names.interface)
        .flat_map(|interface| interface.renderings.iter().take(1))
        .flat_map(|rendering| &rendering.chains)
        .filter(|chain| chain.table == Table::EbtablesNat && !roots.contains(&chain.name))
        .map(|chain| chain.name.clone())
        .collect()
}

/// The operations of all interfaces.
fn operations<'a>(
    ruleset: &'a Ruleset,
    manner: Manner,
    old: Option<&Plan>,
    action: Action,
) -> Result<Vec<(&'a InterfaceName, Operation)>, Vec<RenderError>> {
    let mut operations = Vec::new();
    let mut errors = Vec::new();
    for rules in &ruleset.interfaces {
        match operation(rules, manner, old, action) {
            Ok(operation) => operations.push((&rules.binding.interface, operation)),
            Err(found) => errors.extend(found),
        }
    }
    if errors.is_empty() { Ok(operations) } else { Err(errors) }
}

fn operation(
    rules: &InterfaceRules,
    manner: Manner,
    old: Option<&Plan>,
    action: Action,
) -> Result<Operation, Vec<RenderError>> {
    let names = Names { profile: manner.profile, interface: &rules.binding.interface };
    names.check().map_err(|error| vec![error.into()])?;
    let Made { tree, .. } = tree::make(rules, manner)?;
    let lists = Lists { names, tree: &tree, old: sub_chains_of(old, names) };
    Ok(lists.operation(action, rules.binding.interim.is_some()))
}

/// An operation as a list of commands, one a line, in display form (EB-33): all interfaces are built, then all are
/// switched. Where a command depends on another one, `||` stands between them.
///
/// What listings would find at run time is what `old` has, and the rules themselves (EB-114).
///
/// # Errors
/// Every rule that cannot be said.
pub fn commands(
    ruleset: &Ruleset,
    manner: Manner,
    old: Option<&Plan>,
    action: Action,
) -> Result<String, Vec<RenderError>> {
    let operations = operations(ruleset, manner, old, action)?;
    let mut text = String::new();
    let mut put = |line: String| {
        text.push_str(&line);
        text.push('\n');
    };
    let builds = operations.iter().flat_map(|(_, operation)| &operation.build);
    let switches = operations.iter().flat_map(|(_, operation)| &operation.switch);
    for step in builds.chain(switches) {
        match step {
            Step::Run(command) | Step::List(command) => put(command.to_string()),
            Step::Unless { check, command } => put(format!("{check} || {command}")),
            Step::Look { roots, .. } => {
                for root in roots {
                    put(Command::may(Tool::Ebtables, ["-L", root]).to_string());
                }
            }
            Step::RemoveFound { known, .. } => {
                for chain in known {
                    for verb in ["-L", "-F", "-X"] {
                        put(Command::may(Tool::Ebtables, [verb, chain]).to_string());
                    }
                }
            }
        }
    }
    Ok(text)
}

/// An operation as a shell script (spec 03, section 11).
///
/// # Errors
/// Every rule that cannot be said.
pub fn shell(
    ruleset: &Ruleset,
    manner: Manner,
    old: Option<&Plan>,
    action: Action,
) -> Result<String, Vec<RenderError>> {
    let operations = operations(ruleset, manner, old, action)?;
    Ok(script::text(&operations, action))
}
