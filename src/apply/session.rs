//! One run: what the state and the kernel say, what follows for each interface, and the transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::{Instant, SystemTime};

use super::Critical;
use super::change::{Script, base_chains, comment, link_drift, tables};
use super::kernel::{self, Comments, Look, TableSeen};
use super::problem::{ApplyError, ApplyWarning};
use super::runner::{Ran, Runner};
use super::state::{self, HostRecord, Record, Store, Transaction};
use super::{names, probe};
use crate::model::{Bound, InterfaceName};
use crate::plan::{Feature, InterfacePlan, Link, PlanChain, RejectMode, Rendering, Scope, StateMode, Table};
use crate::report::Action;

/// What one interface is to have.
pub(super) enum Target {
    Install { plan: Box<InterfacePlan>, rendering: Box<Rendering> },
    Remove(InterfaceName),
}

impl Target {
    pub(super) fn interface(&self) -> &InterfaceName {
        match self {
            Target::Install { plan, .. } => &plan.binding.interface,
            Target::Remove(name) => name,
        }
    }
}

/// One target with what was found out about it.
pub(super) struct Decision {
    pub(super) target: Target,
    pub(super) old: Option<Record>,
    pub(super) action: Action,
    pub(super) drift: Vec<String>,
}

/// The state as it is now, compared with the kernel as far as needed.
pub(super) struct Session<'a> {
    pub(super) runner: &'a dyn Runner,
    pub(super) store: Store,
    pub(super) check: bool,
    pub(super) started: Instant,
    pub(super) host: HostRecord,
    /// What `host.json` holds, to write it only if it changes.
    pub(super) host_on_disk: Option<HostRecord>,
    /// The generation when the session began.
    pub(super) generation: Option<u32>,
    /// Whether the state is that of the kernel, but for `host.unverified`.
    pub(super) is_exact: bool,
    pub(super) look: Option<Look>,
    /// Records that replace those of the files; none: there is nothing. Used where files must not be written.
    pub(super) overlay: BTreeMap<InterfaceName, Option<Record>>,
    /// Whether the kernel was tried in this session.
    pub(super) has_probed: bool,
    pub(super) warnings: Vec<ApplyWarning>,
}

pub(super) fn record_of(plan: &InterfacePlan, rendering: &Rendering) -> Record {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |time| time.as_secs());
    Record {
        nwf: state::RecordKind,
        binding: plan.binding.clone(),
        scope: plan.scope,
        rendering: rendering.clone(),
        since,
        recovered: false,
    }
}

impl<'a> Session<'a> {
    pub(super) fn new(runner: &'a dyn Runner, store: Store, started: Instant) -> Self {
        let host_on_disk = store.host();
        let boot = runner.file(Path::new("/proc/sys/kernel/random/boot_id")).unwrap_or_default();
        let kernel = runner.file(Path::new("/proc/sys/kernel/osrelease")).unwrap_or_default();
        let host = HostRecord {
            nwf: state::HostKind,
            boot: boot.trim().to_owned(),
            kernel: kernel.trim().to_owned(),
            namespace: runner.link(Path::new("/proc/self/ns/net")).unwrap_or_default(),
            ..HostRecord::default()
        };
        Session {
            runner,
            store,
            check: false,
            started,
            host,
            host_on_disk,
            generation: runner.generation(),
            is_exact: false,
            look: None,
            overlay: BTreeMap::new(),
            has_probed: false,
            warnings: Vec::new(),
        }
    }

    /// Finds out whether the state is right, and puts it right if not.
    pub(super) fn reconcile(&mut self) -> Result<(), ApplyError> {
        let same = |a: &HostRecord, b: &HostRecord| (&a.boot, &a.kernel) == (&b.boot, &b.kernel);
        let known = self.host_on_disk.clone().filter(|known| same(known, &self.host));
        let records = self.store.interfaces()?.len();
        let is_here = known.as_ref().is_some_and(|known| known.namespace == self.host.namespace);
        let is_complete = is_here && known.as_ref().is_some_and(|known| known.interfaces == records);
        if let Some(known) = known.filter(|_| is_here) {
            self.host = known;
        } else if self.host_on_disk.as_ref().is_some_and(|known| known.boot == self.host.boot) {
            self.warnings.push(ApplyWarning::OtherNamespace { path: self.store.folder().to_owned() });
        }
        let interrupted = self.store.transaction();
        let is_verified = self.generation.is_some() && self.generation == self.host.generation;
        self.is_exact = is_complete && interrupted.is_none() && is_verified;
        if self.is_exact {
            return Ok(());
        }
        self.need_look()?;
        let is_told = match interrupted {
            Some(transaction) => self.repair(&transaction)?,
            None => true,
        };
        let recorded = self.recorded()?;
        let is_known = self.look.iter().flat_map(Look::interfaces).all(|name| recorded.contains(&name));
        if !is_complete || !is_told || !is_known {
            self.recover_all()?;
        }
        Ok(())
    }

    /// Looks at the maps, unless that was done.
    pub(super) fn need_look(&mut self) -> Result<(), ApplyError> {
        if self.look.is_none() {
            let look = Look::take(self.runner)?;
            if look.generation != self.generation {
                // Somebody else was at it since the session began.
                self.is_exact = false;
                self.generation = look.generation;
            }
            self.look = Some(look);
        }
        match &self.look {
            Some(look) => refuse_foreign(Table::BridgeNwf, &look.table),
            None => Ok(()),
        }
    }

    /// Whether our table is there.
    pub(super) fn has_table(&self) -> bool {
        match &self.look {
            Some(look) => look.table == TableSeen::Ours,
            None => self.host.tables.contains(&Table::BridgeNwf),
        }
    }

    pub(super) fn record(&self, interface: &InterfaceName) -> Option<Record> {
        match self.overlay.get(interface) {
            Some(record) => record.clone(),
            None => self.store.record(interface),
        }
    }

    pub(super) fn recorded(&self) -> Result<BTreeSet<InterfaceName>, ApplyError> {
        let mut names = self.store.interfaces()?;
        for (name, record) in &self.overlay {
            if record.is_some() {
                names.insert(name.clone())
            } else {
                names.remove(name)
            };
        }
        Ok(names)
    }

    pub(super) fn put(&mut self, interface: &InterfaceName, record: Option<Record>) -> Result<(), ApplyError> {
        if !self.check {
            match &record {
                Some(record) => self.store.put(record)?,
                None => self.store.forget(interface)?,
            }
        }
        self.overlay.insert(interface.clone(), record);
        Ok(())
    }

    pub(super) fn is_in_kernel(&self, record: &Record) -> bool {
        let drift = self.look.as_ref().map(|look| link_drift(record.interface(), &record.rendering, look));
        drift.is_some_and(|drift| drift.is_empty())
    }

    /// Whether nothing of a record is to be seen in the maps.
    pub(super) fn is_gone(&self, record: &Record) -> bool {
        self.look.as_ref().is_some_and(|look| look.of(record.interface()).next().is_none())
            && !record.rendering.links.is_empty()
    }

    /// Puts the state right after a run that did not come to its end; false if it lacks a record of what that run
    /// was about, so that only the kernel can tell.
    pub(super) fn repair(&mut self, transaction: &Transaction) -> Result<bool, ApplyError> {
        let mut is_told = true;
        for name in &transaction.install {
            let (old, new) = (self.store.record(name), self.store.new_record(name));
            let Some(new) = new else {
                is_told &= old.is_some();
                continue;
            };
            if self.is_in_kernel(&new) {
                self.put(name, Some(new))?;
            } else if !old.as_ref().map_or_else(|| self.is_absent(name), |old| self.is_in_kernel(old)) {
                // Neither: somebody else was at it. Whatever may be there is removed with the next change.
                self.put(name, Some(merged(old, new)))?;
            }
            if !self.check {
                self.store.drop_new(name)?;
            }
        }
        for name in &transaction.remove {
            if self.is_absent(name) {
                self.put(name, None)?;
            }
        }
        if !self.check {
            self.store.finish()?;
        }
        Ok(is_told)
    }

    pub(super) fn is_absent(&self, interface: &InterfaceName) -> bool {
        self.look.as_ref().is_some_and(|look| look.of(interface).next().is_none())
    }

    /// Makes the state anew of what the kernel shows.
    pub(super) fn recover_all(&mut self) -> Result<(), ApplyError> {
        let recorded = self.recorded()?;
        let mut chains = if self.has_table() { kernel::interface_chains(self.runner)? } else { BTreeMap::new() };
        let mut names: BTreeSet<InterfaceName> = self.look.iter().flat_map(Look::interfaces).collect();
        names.extend(chains.keys().cloned());
        for name in recorded.difference(&names) {
            self.put(name, None)?;
        }
        for name in names {
            let known = self.record(&name).filter(|record| self.is_in_kernel(record));
            if known.is_none() {
                let record = self.recovered(&name, chains.remove(&name).unwrap_or_default());
                self.put(&name, Some(record))?;
            }
        }
        Ok(())
    }

    /// A record of what the kernel shows of an interface: names, and the mark of the hash.
    pub(super) fn recovered(&self, interface: &InterfaceName, chains: BTreeSet<String>) -> Record {
        let mut links = Vec::new();
        let mut hash = String::new();
        for (map, seen) in self.look.iter().flat_map(|look| look.of(interface)) {
            let Some(to) = seen.target.clone() else {
                continue;
            };
            if let Some(mark) = seen.comment.as_deref().and_then(|comment| comment.strip_prefix("h=")) {
                mark.clone_into(&mut hash);
            }
            let element = |text: &str| format!("{text} element {} {map} {{ ", Table::BridgeNwf);
            let remove = names::quoted(interface.as_str()).map_or_else(Vec::new, |name| {
                vec![format!("{}{name} : jump {to} }}", element("add")), format!("{}{name} }}", element("delete"))]
            });
            links.push(Link { table: Table::BridgeNwf, from: map.to_owned(), to, install: Vec::new(), remove });
        }
        let chain = |name| PlanChain { table: Table::BridgeNwf, name, lines: Vec::new() };
        let scope = if links.iter().any(|link| link.from == "l3b") { Scope::Bridged } else { Scope::All };
        let rendering = Rendering {
            requires: BTreeSet::new(),
            state: StateMode::None,
            reject: RejectMode::Drop,
            setup: Vec::new(),
            chains: chains.into_iter().map(chain).collect(),
            links,
            hash,
        };
        let binding = Bound {
            interface: interface.clone(),
            mac: None,
            filter: None,
            interim: None,
            parameters: BTreeMap::new(),
            owner: None,
            link_device: None,
        };
        Record { nwf: state::RecordKind, binding, scope, rendering, since: 0, recovered: true }
    }

    /// Takes for each plan the first rendering that this host can do.
    pub(super) fn choose(&mut self, plans: Vec<InterfacePlan>) -> Result<Vec<Target>, Vec<ApplyError>> {
        let mut errors = Vec::new();
        let mut targets = Vec::new();
        for plan in plans {
            let interface = &plan.binding.interface;
            let is_modest = plan.renderings.first().is_some_and(|first| first.requires.is_empty());
            let features =
                if is_modest { BTreeSet::new() } else { self.features(&plan).map_err(|error| vec![error])? };
            match probe::choose(&plan, &features).cloned() {
                Err(missing) => errors.push(ApplyError::MissingFeature { interface: interface.clone(), missing }),
                Ok(rendering) => {
                    if rendering.state == StateMode::Relay {
                        match probe::relay(self.runner, interface) {
                            probe::Relay::On => {}
                            probe::Relay::Off(bridge) => {
                                errors.push(ApplyError::RelayOff { interface: interface.clone(), bridge });
                            }
                            probe::Relay::Unknown => {
                                self.warnings.push(ApplyWarning::RelayUnknown { interface: interface.clone() });
                            }
                        }
                    }
                    targets.push(Target::Install { plan: Box::new(plan), rendering: Box::new(rendering) });
                }
            }
        }
        if errors.is_empty() { Ok(targets) } else { Err(errors) }
    }

    /// What the host can do: as it was found in this boot, asked anew if that is not enough for a plan.
    pub(super) fn features(&mut self, plan: &InterfacePlan) -> Result<BTreeSet<Feature>, ApplyError> {
        if let Some(tried) = &self.host.features {
            let features = probe::with_files(self.runner, tried.clone());
            if self.has_probed || probe::choose(plan, &features).is_ok() {
                return Ok(features);
            }
        }
        let tried = probe::tried(self.runner)?;
        self.has_probed = true;
        self.host.features = Some(tried.clone());
        if !self.check {
            self.save_host()?;
        }
        Ok(probe::with_files(self.runner, tried))
    }

    pub(super) fn decide(&mut self, targets: Vec<Target>) -> Result<Vec<Decision>, ApplyError> {
        let mut decisions = Vec::new();
        let mut chains = None;
        for target in targets {
            let interface = target.interface().clone();
            let mut old = self.record(&interface);
            let is_broken = old.is_none() && self.store.is_broken(&interface);
            if is_broken {
                self.need_look()?;
            }
            if is_broken || (old.is_none() && !self.is_exact && !self.is_absent(&interface)) {
                if chains.is_none() {
                    chains =
                        Some(if self.has_table() { kernel::interface_chains(self.runner)? } else { BTreeMap::new() });
                }
                let own = chains.as_mut().and_then(|chains| chains.remove(&interface)).unwrap_or_default();
                old = Some(self.recovered(&interface, own));
            }
            let action = match (&target, &old) {
                (Target::Remove(_), None) => Action::Unchanged,
                // Somebody has deleted the table, and the rules with it.
                (Target::Remove(_), Some(_)) if !self.has_table() => Action::Unchanged,
                (Target::Remove(_), Some(_)) => Action::Removed,
                (Target::Install { .. }, None) => Action::Installed,
                (Target::Install { rendering, .. }, Some(old)) if is_same_hash(rendering, old) => Action::Unchanged,
                (Target::Install { .. }, Some(_)) => Action::Replaced,
            };
            decisions.push(Decision { target, old, action, drift: Vec::new() });
        }
        Ok(decisions)
    }

    /// Compares with the kernel what is to stay as it is. What is not as recorded is replaced.
    pub(super) fn verify(&mut self, decisions: &mut [Decision]) -> Result<Comments, ApplyError> {
        let is_trusted = |session: &Session<'_>, decision: &Decision| {
            session.is_exact && !session.host.unverified.contains(decision.target.interface())
        };
        let open: Vec<bool> = decisions
            .iter()
            .map(|decision| {
                let is_install = matches!(decision.target, Target::Install { .. });
                is_install && decision.action == Action::Unchanged && !is_trusted(self, decision)
            })
            .collect();
        if !open.contains(&true) {
            return Ok(Comments::new());
        }
        self.need_look()?;
        let Some(look) = &self.look else {
            return Ok(Comments::new());
        };
        let mut wanted = BTreeSet::new();
        for (decision, _) in decisions.iter_mut().zip(&open).filter(|(_, open)| **open) {
            let Target::Install { plan, rendering } = &decision.target else {
                continue;
            };
            decision.drift = link_drift(&plan.binding.interface, rendering, look);
            if decision.drift.is_empty() {
                wanted.extend(rendering.chains.iter().map(|chain| (chain.table, chain.name.clone())));
                wanted.extend(base_chains(&rendering.setup).into_iter().map(|(chain, _)| chain));
            }
        }
        let comments = kernel::comments(self.runner, wanted)?;
        for (decision, _) in decisions.iter_mut().zip(&open).filter(|(_, open)| **open) {
            let Target::Install { rendering, .. } = &decision.target else {
                continue;
            };
            if decision.drift.is_empty() {
                decision.drift = chain_drift(rendering, &comments);
            }
            if !decision.drift.is_empty() {
                let is_gone = decision.old.as_ref().is_some_and(|old| self.is_gone(old));
                decision.action = if is_gone { Action::Installed } else { Action::Replaced };
            }
        }
        Ok(comments)
    }

    /// Warns of interfaces whose rules somebody has flushed and that this run does not put back.
    pub(super) fn flushed(&mut self, decisions: &[Decision]) -> Result<(), ApplyError> {
        if self.is_exact || self.has_table() {
            return Ok(());
        }
        let mut others = self.recorded()?;
        for decision in decisions {
            others.remove(decision.target.interface());
        }
        if !others.is_empty() {
            self.warnings.push(ApplyWarning::Flushed { interfaces: others.into_iter().collect() });
        }
        Ok(())
    }

    /// Adds the constant parts of what is installed, each once.
    pub(super) fn setup(&mut self, changes: &[&Decision], script: &mut Script) -> Result<(), ApplyError> {
        let mut setups: Vec<&[String]> = Vec::new();
        for decision in changes {
            if let Target::Install { rendering, .. } = &decision.target
                && !setups.contains(&&rendering.setup[..])
            {
                setups.push(&rendering.setup);
            }
        }
        if !self.has_table() {
            self.host.tables.clear();
        }
        for setup in setups {
            for table in tables(setup) {
                // A table that is not known to be ours may be somebody else's.
                if self.host.tables.insert(table) {
                    refuse_foreign(table, &kernel::table(self.runner, table)?)?;
                }
            }
            for text in setup {
                script.push(text);
            }
        }
        Ok(())
    }

    /// Notes what will be known of the kernel once the transaction is done.
    pub(super) fn expect(&mut self, decisions: &[Decision]) -> Result<(), ApplyError> {
        let mut unverified = if self.is_exact { std::mem::take(&mut self.host.unverified) } else { self.recorded()? };
        for decision in decisions {
            unverified.remove(decision.target.interface());
        }
        self.host.unverified = unverified;
        Ok(())
    }

    /// Nothing is to be done: notes what is known of the kernel now.
    pub(super) fn settle(&mut self, decisions: &[Decision]) -> Result<(), ApplyError> {
        self.expect(decisions)?;
        let is_still = self.runner.generation() == self.generation;
        self.host.generation = self.generation.filter(|_| is_still);
        self.save_host()
    }

    /// What is in force already, but was only known from the kernel, is known in full now; what somebody else has
    /// removed is not known any more.
    pub(super) fn adopt(&self, decisions: &[Decision]) -> Result<(), ApplyError> {
        for Decision { target, old, .. } in decisions.iter().filter(|decision| !decision.action.is_change()) {
            match (target, old) {
                (Target::Install { plan, rendering }, Some(Record { recovered: true, .. })) => {
                    self.store.put(&record_of(plan, rendering))?;
                }
                (Target::Remove(name), Some(_)) => self.store.forget(name)?,
                _ => {}
            }
        }
        Ok(())
    }

    /// Announces a transaction, runs it, and notes that it was done.
    pub(super) fn run(
        &mut self,
        script: &Script,
        new: &[Record],
        remove: Vec<InterfaceName>,
        critical: &dyn Critical,
    ) -> Result<(), ApplyError> {
        critical.begin();
        let result = self.run_uninterrupted(script, new, remove);
        critical.end();
        result
    }

    pub(super) fn run_uninterrupted(
        &mut self,
        script: &Script,
        new: &[Record],
        remove: Vec<InterfaceName>,
    ) -> Result<(), ApplyError> {
        let install = new.iter().map(|record| record.interface().clone()).collect();
        let transaction = Transaction { nwf: state::TransactionKind, install, remove };
        self.store.prepare(new, transaction.remove.clone())?;
        let before = self.runner.generation();
        let ran = if *script == Script::default() {
            Ok(Ran { status: Some(0), ..Ran::default() })
        } else {
            self.runner.transaction(&script.text(), self.store.lock())
        };
        let failed = match ran {
            Ok(ran) if ran.is_success() => None,
            Ok(ran) => Some(ApplyError::Refused { place: script.refused(&ran), ran }),
            Err(error) => Some(kernel::unusable(error)),
        };
        if let Some(error) = failed {
            // Why it failed matters more than that the state could not be tidied up: the next run does that.
            let _ = self.store.abandon(&transaction);
            return Err(error);
        }
        let behind = |error| match error {
            ApplyError::State { path, error, .. } => ApplyError::StateBehind { path, error },
            other => other,
        };
        self.store.commit(&transaction).map_err(behind)?;
        let after = self.runner.generation();
        let is_ours_alone = before.is_some()
            && before == self.generation
            && (after == before.map(next_generation) || (*script == Script::default() && after == before));
        self.host.generation = after.filter(|_| is_ours_alone);
        self.generation = after;
        self.save_host().map_err(behind)
    }

    pub(super) fn save_host(&mut self) -> Result<(), ApplyError> {
        self.host.interfaces = self.store.interfaces()?.len();
        if self.host_on_disk.as_ref() != Some(&self.host) {
            self.store.put_host(&self.host)?;
            self.host_on_disk = Some(self.host.clone());
        }
        Ok(())
    }
}

/// A table that is somebody else's is not touched (NFT-107).
pub(super) fn refuse_foreign(table: Table, seen: &TableSeen) -> Result<(), ApplyError> {
    match seen {
        TableSeen::Foreign => Err(ApplyError::ForeignTable { table }),
        TableSeen::OtherSchema(comment) => Err(ApplyError::OtherSchema { table, comment: comment.clone() }),
        TableSeen::Ours | TableSeen::Absent => Ok(()),
    }
}

/// The kernel leaves out 0.
fn next_generation(generation: u32) -> u32 {
    generation.wrapping_add(1).max(1)
}

/// Whether a rendering is what a record says; of a recovered one, only the first digits of the hash are known.
fn is_same_hash(rendering: &Rendering, record: &Record) -> bool {
    let old = &record.rendering.hash;
    if record.recovered { old.len() == 16 && rendering.hash.starts_with(old) } else { rendering.hash == *old }
}

/// All that either of two records may have put into the kernel. Its hash is that of none.
fn merged(old: Option<Record>, new: Record) -> Record {
    let Some(old) = old else {
        return Record { rendering: Rendering { hash: String::new(), ..new.rendering.clone() }, ..new };
    };
    let mut rendering = old.rendering.clone();
    for chain in new.rendering.chains {
        if !rendering.chains.iter().any(|known| (known.table, &known.name) == (chain.table, &chain.name)) {
            rendering.chains.push(chain);
        }
    }
    for link in new.rendering.links {
        if !rendering.links.iter().any(|known| (known.table, &known.from) == (link.table, &link.from)) {
            rendering.links.push(link);
        }
    }
    rendering.hash = String::new();
    Record { rendering, recovered: true, ..old }
}

/// Where chains differ from those of a rendering: by the number of their rules, and by their comments in order.
fn chain_drift(rendering: &Rendering, found: &Comments) -> Vec<String> {
    let mut drift = Vec::new();
    for (key, rules) in base_chains(&rendering.setup) {
        let has = found.get(&key).map(Vec::len);
        if has != Some(rules) {
            drift.push(number_drift(&key, has, rules));
        }
    }
    for chain in &rendering.chains {
        let key = (chain.table, chain.name.clone());
        let Some(comments) = found.get(&key) else {
            drift.push(number_drift(&key, None, chain.lines.len()));
            continue;
        };
        let expected: Vec<Option<&str>> = chain.lines.iter().map(|line| comment(&line.text)).collect();
        if comments.len() != expected.len() {
            drift.push(number_drift(&key, Some(comments.len()), expected.len()));
        } else if !comments.iter().map(Option::as_deref).eq(expected) {
            drift.push(format!("the rules of the chain `{} {}` have other comments", key.0, key.1));
        }
    }
    drift
}

fn number_drift((table, name): &(Table, String), has: Option<usize>, expected: usize) -> String {
    match has {
        None => format!("the chain `{table} {name}` is gone"),
        Some(has) => format!("the chain `{table} {name}` has {has} rules instead of {expected}"),
    }
}
