//! Puts plans in force and takes them away: one transaction for all interfaces of a run.
//!
//! What is in force is known from the state of earlier runs ([`state`]), and from the kernel where that may be wrong.
//! Three questions are answered before anything is changed:
//!
//! 1. *Is the state that of the kernel?* Each change of any rules gives the kernel's rules another generation. If it
//!    is the one that the state was last verified for, nobody has changed anything, and nothing is looked at. If not,
//!    one look at our maps tells which interfaces have which rules, and those that are to stay as they are have their
//!    chains compared as well.
//! 2. *Was a run interrupted?* A transaction is announced in the state before it is run. The look tells whether it was
//!    done; either way the state is put right.
//! 3. *Was the state lost?* Then our names and marks in the kernel tell what is ours (NFT-107, NFT-108).
//!
//! The rest is text ([`change`]): new chains fill the old ones, links and chains that are not in the new plan go, and
//! the kernel does all of it or nothing.

mod change;
mod kernel;
mod names;
mod netlink;
mod probe;
mod problem;
mod runner;
mod session;
pub mod state;
#[cfg(test)]
mod tests;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs::File;
use std::path::PathBuf;
use std::time::Instant;

pub use problem::{ApplyError, ApplyWarning, EXPLANATIONS, RefusedStatement};
pub use runner::{Element, Host, Ran, Runner};
pub use text::unified;

use change::{Change, Script};
use kernel::{Comments, Look, TableSeen};
use session::{Decision, Session, Target, record_of, refuse_foreign};
use state::{Access, Record, Store};

use crate::model::InterfaceName;
use crate::plan::{BackendName, Features, FeaturesKind, Plan, PlanChain, Table};
use crate::report::{Action, InterfaceReport, Report, ReportKind};

/// What is wanted besides the change itself.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Options {
    /// Change nothing, only say what would change.
    pub check: bool,
    /// Tell in the report what was in force before and is after.
    pub diff: bool,
}

/// Told when a change begins that must not be interrupted, and when it is over.
pub trait Critical {
    /// The transaction is about to be announced.
    fn begin(&self);
    /// The state says what is in force.
    fn end(&self);
}

/// Nobody interrupts.
impl Critical for () {
    fn begin(&self) {}
    fn end(&self) {}
}

/// What came of a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// For programs.
    pub report: Report,
    /// For people.
    pub warnings: Vec<ApplyWarning>,
}

/// Where rules are applied: the host, and the state of earlier runs.
pub struct Applier<'a> {
    /// The way to the host.
    pub runner: &'a dyn Runner,
    /// The directory of the state, `$NWF_RUN_DIR`.
    pub folder: PathBuf,
    /// What is wanted besides.
    pub options: Options,
    /// Who must know when not to interrupt.
    pub critical: &'a dyn Critical,
}

impl Applier<'_> {
    /// Gets ready for a transaction while the plans are still on their way: starts an nft that waits for its script.
    /// Nothing if nothing is to be changed.
    pub fn prepare(&self) -> Option<File> {
        if self.options.check {
            return None;
        }
        let lock = Store::lock_file(&self.folder, Access::Write).ok().flatten()?;
        self.runner.prepare(&lock);
        Some(lock)
    }

    /// Whether rules may be changed at all.
    ///
    /// # Errors
    /// They may not.
    pub fn permitted(runner: &dyn Runner) -> Result<(), ApplyError> {
        if probe::is_permitted(runner) { Ok(()) } else { Err(ApplyError::NotPermitted) }
    }

    /// Puts plans in force, each with the name of its file.
    ///
    /// # Errors
    /// All that is wrong with the plans or missing on the host, or why the transaction failed. Nothing has changed
    /// then, except after [`ApplyError::StateBehind`].
    pub fn install(&self, plans: Vec<(String, Plan)>, lock: Option<File>) -> Result<Outcome, Vec<ApplyError>> {
        let started = Instant::now();
        let mut errors = Vec::new();
        let mut places: BTreeMap<InterfaceName, String> = BTreeMap::new();
        let mut wanted = Vec::new();
        for (file, plan) in plans {
            if plan.backend != BackendName::Nft {
                errors.push(ApplyError::Backend { backend: plan.backend });
                continue;
            }
            for plan in plan.interfaces {
                let interface = plan.binding.interface.clone();
                if let Err(why) = change::validate(&plan) {
                    errors.push(ApplyError::BadPlan { interface: interface.clone(), why });
                }
                if let Some(first) = places.insert(interface.clone(), file.clone()) {
                    errors.push(ApplyError::PlannedTwice { interface, first, second: file.clone() });
                }
                wanted.push(plan);
            }
        }
        if !errors.is_empty() {
            return Err(errors);
        }
        if wanted.is_empty() {
            return Ok(Outcome { report: self.report(Vec::new()), warnings: Vec::new() });
        }
        let mut session = self.open(lock, started).map_err(one)?;
        let targets = session.choose(wanted)?;
        self.change(session, targets).map_err(one)
    }

    /// Takes the rules of interfaces away. Those without rules stay as they are.
    ///
    /// # Errors
    /// Why the transaction failed. Nothing has changed then, except after [`ApplyError::StateBehind`].
    pub fn remove(&self, interfaces: &[InterfaceName]) -> Result<Outcome, ApplyError> {
        let mut seen = BTreeSet::new();
        let targets = interfaces.iter().filter(|name| seen.insert(*name)).cloned().map(Target::Remove).collect();
        self.change(self.open(None, Instant::now())?, targets)
    }

    /// Takes away all rules of all interfaces, and our tables.
    ///
    /// # Errors
    /// Why the transaction failed. Nothing has changed then, except after [`ApplyError::StateBehind`].
    pub fn remove_all(&self) -> Result<Outcome, ApplyError> {
        let mut session = self.open(None, Instant::now())?;
        session.need_look()?;
        let mut script = Script::default();
        for table in [Table::BridgeNwf, Table::InetNwf] {
            let seen = kernel::table(self.runner, table)?;
            refuse_foreign(table, &seen)?;
            if seen == TableSeen::Ours {
                script.push(format!("delete table {table}"));
            }
        }
        let is_empty = script == Script::default();
        let mut interfaces = session.recorded()?;
        interfaces.extend(session.look.iter().flat_map(Look::interfaces));
        let decisions: Vec<Decision> = interfaces
            .iter()
            .map(|name| Decision {
                old: session.record(name),
                target: Target::Remove(name.clone()),
                action: Action::Removed,
                drift: Vec::new(),
            })
            .collect();
        if !(self.options.check || is_empty && decisions.is_empty()) {
            session.host.tables.clear();
            session.run(&script, &[], interfaces.into_iter().collect(), self.critical)?;
        }
        let mut outcome = self.finish(session, decisions, &Comments::new());
        outcome.report.changed |= !is_empty;
        Ok(outcome)
    }

    /// What the host can do, asked anew and kept in the state.
    ///
    /// # Errors
    /// nft cannot be run, or the state not be written.
    pub fn probe(&self) -> Result<Features, ApplyError> {
        let mut session = self.open(None, Instant::now())?;
        let features = probe::tried(self.runner)?;
        session.host.features = Some(features.clone());
        session.save_host()?;
        Ok(Features {
            nwf: FeaturesKind,
            kernel: Some(session.host.kernel.clone()).filter(|kernel| !kernel.is_empty()),
            has: probe::with_files(self.runner, features),
        })
    }

    fn report(&self, interfaces: Vec<InterfaceReport>) -> Report {
        let changed = interfaces.iter().any(|interface| interface.changed);
        let text = self.options.diff.then(String::new);
        Report { nwf: ReportKind, changed, interfaces, warnings: Vec::new(), before: text.clone(), after: text }
    }

    fn open(&self, lock: Option<File>, started: Instant) -> Result<Session<'_>, ApplyError> {
        let access = if self.options.check { Access::Read } else { Access::Write };
        let mut session = Session::new(self.runner, Store::open(&self.folder, access, lock)?, started);
        session.check = self.options.check;
        session.reconcile()?;
        Ok(session)
    }

    /// Decides what happens to each target, and does it.
    fn change(&self, mut session: Session<'_>, targets: Vec<Target>) -> Result<Outcome, ApplyError> {
        if targets.iter().any(|target| session.host.unverified.contains(target.interface())) {
            session.need_look()?;
        }
        let mut decisions = session.decide(targets)?;
        let comments = session.verify(&mut decisions)?;
        session.flushed(&decisions)?;

        let mut script = Script::default();
        let mut new = Vec::new();
        let mut remove = Vec::new();
        let changes: Vec<&Decision> = decisions.iter().filter(|decision| decision.action.is_change()).collect();
        session.setup(&changes, &mut script)?;
        for Decision { target, old, .. } in &changes {
            let old = old.as_ref().map(|record| &record.rendering);
            match (target, old) {
                (Target::Install { plan, rendering }, old) => {
                    let change = Change::Install { old, new: rendering };
                    script.change(target.interface(), change, session.look.as_ref());
                    new.push(record_of(plan, rendering));
                }
                (Target::Remove(name), Some(old)) => {
                    script.change(name, Change::Remove { old }, session.look.as_ref());
                    remove.push(name.clone());
                }
                (Target::Remove(_), None) => {}
            }
        }
        if !self.options.check {
            session.adopt(&decisions)?;
            if changes.is_empty() {
                session.settle(&decisions)?;
            } else {
                session.expect(&decisions)?;
                session.run(&script, &new, remove, self.critical)?;
            }
        }
        Ok(self.finish(session, decisions, &comments))
    }

    fn finish(&self, session: Session<'_>, decisions: Vec<Decision>, comments: &Comments) -> Outcome {
        let time_ms = (session.started.elapsed().as_secs_f64() * 10_000.0).round() / 10.0;
        let mut report = self.report(Vec::new());
        let (mut before, mut after) = (String::new(), String::new());
        for Decision { target, old, action, drift } in decisions {
            let interface = target.interface().clone();
            let action = if self.options.check { action.in_check() } else { action };
            let new = match &target {
                Target::Install { plan, rendering } => Some((rendering, plan.scope)),
                Target::Remove(_) => None,
            };
            if self.options.diff && action.is_change() {
                // The constant part is shown only where it is what differs.
                let setup = |record: &Record| new.is_some_and(|(new, _)| new.setup != record.rendering.setup);
                let shown = old.as_ref().is_some_and(setup);
                if let Some(old) = old.as_ref().filter(|old| !session.is_gone(old)) {
                    let is_found = |chain: &PlanChain| comments.contains_key(&(chain.table, chain.name.clone()));
                    let is_compared = !drift.is_empty() && old.rendering.chains.iter().any(is_found);
                    let found = is_compared.then_some(comments);
                    before.push_str(&text::record(old, found, shown));
                    for sentence in &drift {
                        let _ = writeln!(before, "  # {sentence}");
                    }
                }
                if let Some((new, _)) = new {
                    after.push_str(&text::text(&interface, new, None, shown));
                }
            }
            let warnings = session.warnings.iter().filter(|warning| warning.interface() == Some(&interface));
            report.interfaces.push(InterfaceReport {
                action,
                changed: action.is_change(),
                state: new.map(|(rendering, _)| rendering.state),
                reject: new.map(|(rendering, _)| rendering.reject),
                scope: new.map(|(_, scope)| scope),
                hash: new.map(|(rendering, _)| rendering.hash.clone()),
                drift,
                time_ms,
                warnings: warnings.map(ToString::to_string).collect(),
                interface,
            });
        }
        report.changed = report.interfaces.iter().any(|interface| interface.changed);
        let general = session.warnings.iter().filter(|warning| warning.interface().is_none());
        report.warnings = general.map(ToString::to_string).collect();
        if self.options.diff {
            (report.before, report.after) = (Some(before), Some(after));
        }
        Outcome { report, warnings: session.warnings }
    }
}

fn one(error: ApplyError) -> Vec<ApplyError> {
    vec![error]
}

impl ApplyWarning {
    /// The interface that it is about; none if about none in particular.
    pub fn interface(&self) -> Option<&InterfaceName> {
        match self {
            ApplyWarning::RelayUnknown { interface } => Some(interface),
            ApplyWarning::Flushed { .. } | ApplyWarning::OtherNamespace { .. } => None,
        }
    }
}
