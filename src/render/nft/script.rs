//! A plan as a file for `nft -f`, to be read and loaded by people.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::plan::{InterfacePlan, Link, Plan, PlanChain, Rendering, Statement};

/// What a script does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Put the rules in force, or in the place of others.
    Install,
    /// Take them away.
    Remove,
}

/// The best rendering of every interface as one script: one transaction. What interfaces of the same name have in
/// `old`, and lack here, is taken away.
pub fn script(plan: &Plan, old: Option<&Plan>, action: Action) -> String {
    let mut text = String::from("#!/usr/sbin/nft -f\n");
    let what = match action {
        Action::Install => "puts rules in force",
        Action::Remove => "takes rules away",
    };
    let _ = writeln!(text, "# Made by nwf-render; {what} in one transaction. Loading it again is safe.");
    let chosen: Vec<(&InterfacePlan, &Rendering)> =
        plan.interfaces.iter().filter_map(|interface| Some((interface, interface.renderings.first()?))).collect();
    let mut known = BTreeSet::new();
    let mut constant = Vec::new();
    for statement in chosen.iter().flat_map(|(_, rendering)| &rendering.setup) {
        let wanted = match action {
            Action::Install => true,
            // The tables and maps from which something is taken must be there.
            Action::Remove => statement.starts_with("add table ") || statement.starts_with("add map "),
        };
        if wanted && known.insert(statement) {
            constant.push(statement);
        }
    }
    if !constant.is_empty() {
        text.push_str("\n# The same for all interfaces.\n");
    }
    for statement in constant {
        put(&mut text, statement);
    }
    for (interface, rendering) in chosen {
        headline(&mut text, interface, rendering);
        let statements = match action {
            Action::Install => rendering.nft_install(),
            Action::Remove => rendering.nft_remove(),
        };
        for Statement { text: statement, .. } in &statements {
            put(&mut text, statement);
        }
        let name = &interface.binding.interface;
        let before = old.and_then(|old| old.interfaces.iter().find(|other| other.binding.interface == *name));
        if let Some(before) = before {
            let stale = stale(before, rendering);
            if !stale.is_empty() {
                let _ = writeln!(text, "# What the old plan has, and this one has not:");
            }
            for statement in &stale {
                put(&mut text, statement);
            }
        }
    }
    text
}

fn put(text: &mut String, statement: &str) {
    text.push_str(statement);
    text.push('\n');
}

/// Says what follows. Names have neither line ends nor other control characters.
fn headline(text: &mut String, interface: &InterfacePlan, rendering: &Rendering) {
    let binding = &interface.binding;
    let _ = write!(text, "\n# Interface {}", binding.interface);
    if let Some(mac) = binding.mac {
        let _ = write!(text, " ({mac})");
    }
    if let Some(filter) = &binding.filter {
        let _ = write!(text, ", filter {filter}");
    }
    if let Some(interim) = binding.interim {
        let _ = write!(text, ", interim rules {}", interim.name());
    }
    if let Some(owner) = &binding.owner {
        let name: String = owner.name.chars().filter(|c| !c.is_control()).collect();
        let _ = write!(text, ", guest {name}");
    }
    text.push_str(".\n");
    if !rendering.requires.is_empty() {
        let names: Vec<&str> = rendering.requires.iter().map(|feature| feature.name()).collect();
        let _ = writeln!(text, "# The host must have: {}.", names.join(", "));
    }
}

/// Statements that take away what any rendering of the old plan has and the new rendering lacks, also where it is
/// not there.
fn stale(before: &InterfacePlan, now: &Rendering) -> Vec<String> {
    let mut chains: Vec<&PlanChain> = Vec::new();
    let mut links: Vec<&Link> = Vec::new();
    for rendering in &before.renderings {
        for chain in &rendering.chains {
            let same = |other: &PlanChain| (other.table, &other.name) == (chain.table, &chain.name);
            if !now.chains.iter().any(same) && !chains.iter().any(|other| same(other)) {
                chains.push(chain);
            }
        }
        for link in &rendering.links {
            let same = |other: &Link| (other.table, &other.from) == (link.table, &link.from);
            if !now.links.iter().any(same) && !links.iter().any(|other| same(other)) {
                links.push(link);
            }
        }
    }
    let each = |verb: &'static str| {
        chains.iter().map(move |PlanChain { table, name, .. }| format!("{verb} chain {table} {name}"))
    };
    let mut statements: Vec<String> = each("add").collect();
    statements.extend(links.iter().flat_map(|link| link.remove.iter().cloned()));
    statements.extend(each("flush"));
    statements.extend(each("delete"));
    statements
}
