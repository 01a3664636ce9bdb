//! The text of a transaction: what is added, and what is taken away of what was in force.

use std::collections::BTreeSet;

use super::kernel::{Look, TableSeen};
use super::names::{chain_prefix, mark, quoted};
use super::problem::RefusedStatement;
use super::runner::Ran;
use crate::model::{InterfaceName, Provenance};
use crate::plan::{InterfacePlan, Link, PlanChain, Rendering, Statement, Table};

/// What happens to one interface.
#[derive(Debug, Clone, Copy)]
pub enum Change<'a> {
    /// It gets these rules, instead of those that were in force, if any.
    Install {
        /// What may be in force.
        old: Option<&'a Rendering>,
        /// What is to be.
        new: &'a Rendering,
    },
    /// It loses these.
    Remove {
        /// What may be in force.
        old: &'a Rendering,
    },
}

/// One statement and what it is for.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    text: String,
    interface: Option<InterfaceName>,
    provenance: Option<Provenance>,
}

/// A transaction, one statement a line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Script {
    entries: Vec<Entry>,
}

impl Script {
    /// Adds a statement that is for no interface in particular.
    pub fn push(&mut self, text: impl Into<String>) {
        self.entries.push(Entry { text: text.into(), interface: None, provenance: None });
    }

    fn push_for(&mut self, interface: &InterfaceName, text: impl Into<String>) {
        self.push_statement(interface, Statement::plain(text));
    }

    fn push_statement(&mut self, interface: &InterfaceName, Statement { text, provenance }: Statement) {
        self.entries.push(Entry { text, interface: Some(interface.clone()), provenance });
    }

    /// The text for nft.
    pub fn text(&self) -> String {
        let mut text = String::with_capacity(self.entries.iter().map(|entry| entry.text.len() + 1).sum());
        for entry in &self.entries {
            text.push_str(&entry.text);
            text.push('\n');
        }
        text
    }

    /// The first statement that nft complains about.
    pub fn refused(&self, ran: &Ran) -> Option<Box<RefusedStatement>> {
        let mut numbers = ran.stderr.lines().filter_map(|line| {
            let rest = line.strip_prefix("/dev/stdin:")?;
            rest.split(':').next()?.parse::<usize>().ok()
        });
        let entry = numbers.find_map(|number| self.entries.get(number.checked_sub(1)?))?;
        let Entry { text, interface, provenance } = entry.clone();
        Some(Box::new(RefusedStatement { text, interface, provenance }))
    }

    /// Adds what changes one interface. What the look shows is put right first, so that it may differ from what the
    /// plans assume.
    pub fn change(&mut self, interface: &InterfaceName, change: Change<'_>, look: Option<&Look>) {
        const NOTHING: &[PlanChain] = &[];
        let (old_links, old_chains) = match change {
            Change::Install { old: Some(old), .. } | Change::Remove { old } => (&old.links[..], &old.chains[..]),
            Change::Install { old: None, .. } => (&[][..], NOTHING),
        };
        let (new_links, new_chains) = match change {
            Change::Install { new, .. } => (&new.links[..], &new.chains[..]),
            Change::Remove { .. } => (&[][..], NOTHING),
        };
        let kept_chains: BTreeSet<(Table, &str)> = new_chains.iter().map(key).collect();
        let gone_links: Vec<&Link> =
            old_links.iter().filter(|old| !new_links.iter().any(|new| is_same(old, new))).collect();
        let gone_chains: Vec<&PlanChain> =
            old_chains.iter().filter(|chain| !kept_chains.contains(&key(chain))).collect();

        for (map, seen) in look.into_iter().flat_map(|look| look.of(interface)) {
            // The first statement on this element that follows assumes this target.
            let of_map = |link: &&&Link| link.table == Table::BridgeNwf && link.from == map;
            let assumed = gone_links.iter().find(of_map).map(|link| &link.to);
            let new_links: Vec<&Link> = new_links.iter().collect();
            let assumed = assumed.or_else(|| new_links.iter().find(of_map).map(|link| &link.to));
            if (assumed.is_none() || assumed != seen.target.as_ref())
                && let Some(name) = quoted(interface.as_str())
            {
                self.push_for(interface, format!("delete element {} {map} {{ {name} }}", Table::BridgeNwf));
            }
        }
        let each = |verb: &str, script: &mut Script| {
            for PlanChain { table, name, .. } in &gone_chains {
                script.push_for(interface, format!("{verb} chain {table} {name}"));
            }
        };
        // The statements that take a link away name its chain, which somebody may have deleted.
        each("add", self);
        for text in gone_links.iter().flat_map(|link| &link.remove) {
            self.push_for(interface, text);
        }
        if let Change::Install { new, .. } = change {
            for statement in new.nft_install() {
                self.push_statement(interface, statement);
            }
        }
        each("flush", self);
        each("delete", self);
    }
}

fn key(chain: &PlanChain) -> (Table, &str) {
    (chain.table, &chain.name)
}

fn is_same(a: &Link, b: &Link) -> bool {
    (a.table, &a.from, &a.to) == (b.table, &b.from, &b.to)
}

/// Whether a statement begins with these words.
fn is_statement_on(text: &str, words: &str) -> bool {
    text.strip_prefix(words).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '{']))
}

/// The tables that a constant part makes.
pub fn tables(setup: &[String]) -> BTreeSet<Table> {
    let all = [Table::BridgeNwf, Table::InetNwf];
    let makes = |table: &Table| setup.iter().any(|text| is_statement_on(text, &format!("add table {table}")));
    all.into_iter().filter(makes).collect()
}

/// The base chains of a constant part, and how many rules each gets.
pub fn base_chains(setup: &[String]) -> Vec<((Table, String), usize)> {
    let mut chains: Vec<((Table, String), usize)> = Vec::new();
    for text in setup {
        let mut words = text.split_whitespace();
        let mut next = || words.next().unwrap_or_default();
        let (verb, what, family, table, name) = (next(), next(), next(), next(), next());
        let table = match (family, table) {
            ("bridge", "nwf") => Table::BridgeNwf,
            ("inet", "nwf") => Table::InetNwf,
            _ => continue,
        };
        let key = (table, name.to_owned());
        let known = chains.iter_mut().find(|(chain, _)| *chain == key);
        match (verb, what, known) {
            ("add", "chain", None) => chains.push((key, 0)),
            ("flush", "chain", Some((_, rules))) => *rules = 0,
            ("add", "rule", Some((_, rules))) => *rules += 1,
            _ => {}
        }
    }
    chains
}

/// The comment of a rule's text; none if it has none.
pub fn comment(text: &str) -> Option<&str> {
    let (_, comment) = text.strip_suffix('"')?.rsplit_once('"').filter(|(front, _)| front.ends_with(" comment "))?;
    Some(comment)
}

/// What is missing or different in the maps, compared with what was recorded.
pub fn link_drift(interface: &InterfaceName, rendering: &Rendering, look: &Look) -> Vec<String> {
    let mut drift = Vec::new();
    if look.table != TableSeen::Ours {
        return vec![format!("the table `{}` is gone", Table::BridgeNwf)];
    }
    let seen: Vec<_> = look.of(interface).collect();
    for Link { from, to, .. } in &rendering.links {
        let Some((_, link)) = seen.iter().find(|(map, _)| map == from) else {
            drift.push(format!("the map `{from}` has no element `{interface}`"));
            continue;
        };
        if link.target.as_ref() != Some(to) {
            drift.push(format!("the element `{interface}` of the map `{from}` does not lead to the chain `{to}`"));
        } else if link.comment.as_deref() != Some(&mark(&rendering.hash)) {
            drift.push(format!("the element `{interface}` of the map `{from}` is marked as of other rules"));
        }
    }
    for (map, _) in seen {
        if !rendering.links.iter().any(|link| link.from == map) {
            drift.push(format!("the map `{map}` has an element `{interface}` that is not in the plan"));
        }
    }
    drift
}

/// Why a plan is refused before nft sees it: it writes elsewhere than to the interface's chains, or its hash does not
/// fit.
///
/// # Errors
/// What is wrong.
pub fn validate(plan: &InterfacePlan) -> Result<(), String> {
    let interface = &plan.binding.interface;
    if plan.renderings.is_empty() {
        return Err("it has no renderings".to_owned());
    }
    let prefix = chain_prefix(interface);
    for rendering in &plan.renderings {
        for PlanChain { table, name, lines } in &rendering.chains {
            if *table != Table::BridgeNwf || !is_chain_name(name, &prefix) {
                return Err(format!("the chain `{table} {}` is not one of `{interface}`", name.escape_debug()));
            }
            lines.iter().try_for_each(|line| is_line(&line.text))?;
        }
        for Link { table, to, install, remove, .. } in &rendering.links {
            if *table != Table::BridgeNwf || !rendering.chains.iter().any(|chain| chain.name == *to) {
                return Err(format!("a link leads to `{}`, which is none of its chains", to.escape_debug()));
            }
            install.iter().chain(remove).try_for_each(|text| is_line(text))?;
        }
        rendering.setup.iter().try_for_each(|text| is_line(text))?;
        let links: Vec<_> =
            rendering.links.iter().map(|link| (link.table, link.from.clone(), link.to.clone())).collect();
        if Rendering::compute_hash(&rendering.setup, &rendering.chains, &links) != rendering.hash {
            return Err("its hash does not fit its texts".to_owned());
        }
    }
    Ok(())
}

fn is_chain_name(name: &str, prefix: &str) -> bool {
    name.strip_prefix(prefix).is_some_and(|rest| {
        !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    })
}

/// One statement is one line, so that nft's line numbers lead back to it.
fn is_line(text: &str) -> Result<(), String> {
    if text.contains(char::is_control) {
        return Err(format!("a statement has control characters: `{}`", text.escape_debug()));
    }
    Ok(())
}
