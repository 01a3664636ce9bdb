//! The restore format for people: a change of any number of interfaces as one text, one transaction for each table.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::plan::xtables::{TABLES, batch, programs};
use crate::plan::{Plan, Rendering};

/// What a restore text does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum RestoreAction {
    /// Put rules in force, or in the place of others.
    Install,
    /// Take them away.
    Remove,
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
    for table in TABLES {
        if let (Some(input), Some((restore, _))) = (batch.text(table), programs(table)) {
            let _ = write!(text, "# {restore}\n{input}");
        }
    }
    text
}
