//! The restore format: a change of any number of interfaces as one transaction for each table.
//!
//! A line `:CHAIN` makes a chain or empties it, so a chain that is there keeps its place and gets its new rules. Links
//! and base chains have no such line: `-A` adds a second one, `-N` fails. So what is in force must be known.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::command::Tool;
use crate::plan::{Line, Link, Plan, PlanChain, Rendering, Statement, Table};

/// What a restore text does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RestoreAction {
    /// Put rules in force, or in the place of others.
    Install,
    /// Take them away.
    Remove,
}

/// The statements of one transaction a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Batch {
    /// By table, each with at least one statement.
    pub tables: BTreeMap<Table, Vec<Statement>>,
}

impl Batch {
    fn add(&mut self, table: Table, statement: Statement) {
        self.tables.entry(table).or_default().push(statement);
    }

    /// The input of the restore tool of one table, to be loaded with `--noflush`; none if nothing is to be done.
    pub fn text(&self, tool: Tool) -> Option<String> {
        let statements = self.tables.get(&tool.table())?;
        let mut text = format!("*{}\n", tool.table_name());
        for Statement { text: statement, .. } in statements {
            let _ = writeln!(text, "{statement}");
        }
        text.push_str("COMMIT\n");
        Some(text)
    }
}

/// The transactions that put `new` in the place of `old`, for each interface; none for an interface without rules.
/// `present` are the statements of constant parts that are in force already.
///
/// Chains are made and emptied, then filled, then linked; then links and chains go that only the old rules have.
pub fn batch(changes: &[(Option<&Rendering>, Option<&Rendering>)], present: &BTreeSet<&str>) -> Batch {
    let mut batch = Batch::default();
    let mut made: BTreeSet<&str> = present.clone();
    for statement in changes.iter().filter_map(|(_, new)| *new).flat_map(|new| &new.setup) {
        if made.insert(statement)
            && let Some((table, rest)) = split(statement)
        {
            batch.add(table, Statement::plain(rest));
        }
    }
    for PlanChain { table, name, .. } in changes.iter().filter_map(|(_, new)| *new).flat_map(|new| &new.chains) {
        let declaration = match table {
            // The policy is what the end of a chain does (EB-13).
            Table::EbtablesNat => format!(":{name} ACCEPT"),
            Table::IptablesFilter | Table::Ip6tablesFilter | Table::BridgeNwf | Table::InetNwf => {
                format!(":{name} - [0:0]")
            }
        };
        batch.add(*table, Statement::plain(declaration));
    }
    for (old, new) in changes {
        if let Some(new) = new {
            fill(&mut batch, *old, new);
        }
    }
    for (old, new) in changes {
        if let Some(old) = old {
            clear(&mut batch, old, *new);
        }
    }
    batch
}

/// Puts rules into the chains, then the links that are not there.
fn fill(batch: &mut Batch, old: Option<&Rendering>, new: &Rendering) {
    for PlanChain { table, name, lines } in &new.chains {
        for Line { text, provenance } in lines {
            let text = format!("-A {name} {text}");
            batch.add(*table, Statement { text, provenance: provenance.clone() });
        }
    }
    for link in &new.links {
        if !old.is_some_and(|old| old.links.contains(link)) {
            link.install.iter().for_each(|text| batch.add(link.table, Statement::plain(text)));
        }
    }
}

/// Takes away what the new rules have not: links first, since a chain that something leads to cannot go.
fn clear(batch: &mut Batch, old: &Rendering, new: Option<&Rendering>) {
    let is_kept = |link: &Link| new.is_some_and(|new| new.links.contains(link));
    for link in old.links.iter().filter(|link| !is_kept(link)) {
        link.remove.iter().for_each(|text| batch.add(link.table, Statement::plain(text)));
    }
    let is_named = |chain: &PlanChain| {
        let same = |other: &PlanChain| (other.table, &other.name) == (chain.table, &chain.name);
        new.is_some_and(|new| new.chains.iter().any(same))
    };
    for verb in ["-F", "-X"] {
        for chain in old.chains.iter().filter(|chain| !is_named(chain)) {
            batch.add(chain.table, Statement::plain(format!("{verb} {}", chain.name)));
        }
    }
}

/// Takes the table off a statement of a constant part.
fn split(statement: &str) -> Option<(Table, &str)> {
    Tool::ALL.iter().find_map(|tool| {
        let table = tool.table();
        let rest = statement.strip_prefix(table.to_string().as_str())?.strip_prefix(' ')?;
        Some((table, rest))
    })
}

/// A plan as input of the restore tools, each under a line with the tool's name. What the old plan has in force is
/// left out, and what only it has is taken away.
pub fn restore(plan: &Plan, old: Option<&Plan>, action: RestoreAction) -> String {
    let before = |name| {
        let mut interfaces = old.into_iter().flat_map(|old| &old.interfaces);
        interfaces.find(|other| other.binding.interface == name)?.renderings.first()
    };
    let changes: Vec<(Option<&Rendering>, Option<&Rendering>)> = plan
        .interfaces
        .iter()
        .map(|interface| {
            let own = interface.renderings.first();
            let old = before(interface.binding.interface.clone());
            match action {
                RestoreAction::Install => (old, own),
                RestoreAction::Remove => (old.or(own), None),
            }
        })
        .collect();
    let in_force = old.into_iter().flat_map(|old| &old.interfaces).filter_map(|interface| interface.renderings.first());
    let present: BTreeSet<&str> = in_force.flat_map(|rendering| &rendering.setup).map(String::as_str).collect();
    let batch = batch(&changes, &present);
    let mut text = String::new();
    for tool in Tool::ALL {
        if let Some(input) = batch.text(tool) {
            let _ = write!(text, "# {}\n{input}", tool.restore_name());
        }
    }
    text
}
