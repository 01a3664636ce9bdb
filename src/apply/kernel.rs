//! Looks at the kernel: our table, our maps, and where needed our chains.
//!
//! They tell names and comments, never what a rule means (NFT-67, NFT-101).

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use super::names::{MAPS, OWNER, SCHEMA, chain_owner};
use super::problem::ApplyError;
use super::runner::{Element, Runner};
use crate::model::InterfaceName;
use crate::plan::Table;

/// Whose a table is (NFT-107).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableSeen {
    /// It bears our mark.
    Ours,
    /// It bears none.
    Foreign,
    /// It has the mark of another layout.
    OtherSchema(String),
    /// It does not exist.
    Absent,
}

/// What our maps hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The generation that this is true for; none if the kernel does not tell.
    pub generation: Option<u32>,
    /// Whose the table in the bridge family is.
    pub table: TableSeen,
    /// The elements, by interface and map.
    pub links: BTreeMap<String, BTreeMap<String, Element>>,
}

/// How often is looked again when somebody changes rules under way.
const TRIES: u32 = 5;

/// What it means that nft did not start.
pub fn unusable(error: io::Error) -> ApplyError {
    if error.kind() == io::ErrorKind::NotFound { ApplyError::NoNft } else { ApplyError::NftUnusable { error } }
}

fn unreadable(error: io::Error) -> ApplyError {
    if error.kind() == io::ErrorKind::PermissionDenied {
        ApplyError::NotPermitted
    } else {
        ApplyError::UnreadableRules { error }
    }
}

/// Whose a table is.
///
/// # Errors
/// The kernel refuses to tell.
pub fn table(runner: &dyn Runner, table: Table) -> Result<TableSeen, ApplyError> {
    let Some(comment) = runner.table(table).map_err(unreadable)? else {
        return Ok(TableSeen::Absent);
    };
    Ok(match comment.strip_prefix(OWNER) {
        Some(rest) if rest.split(';').any(|part| part == SCHEMA) => TableSeen::Ours,
        Some(_) => TableSeen::OtherSchema(comment),
        None => TableSeen::Foreign,
    })
}

impl Look {
    /// Looks at the table and its maps.
    ///
    /// # Errors
    /// The kernel refuses to tell.
    pub fn take(runner: &dyn Runner) -> Result<Self, ApplyError> {
        let mut look = Look { generation: None, table: TableSeen::Absent, links: BTreeMap::new() };
        for _ in 0..TRIES {
            let generation = runner.generation();
            look = Look { generation, table: table(runner, Table::BridgeNwf)?, links: BTreeMap::new() };
            if look.table == TableSeen::Ours {
                for map in MAPS {
                    for element in runner.elements(map).map_err(unreadable)? {
                        let links = look.links.entry(element.interface.clone()).or_default();
                        links.insert(map.to_owned(), element);
                    }
                }
            }
            if runner.generation() == generation {
                return Ok(look);
            }
        }
        Ok(Look { generation: None, ..look })
    }

    /// The elements of an interface.
    pub fn of(&self, interface: &InterfaceName) -> impl Iterator<Item = (&str, &Element)> {
        self.links.get(interface.as_str()).into_iter().flatten().map(|(map, link)| (map.as_str(), link))
    }

    /// All interfaces that have elements.
    pub fn interfaces(&self) -> impl Iterator<Item = InterfaceName> {
        self.links.keys().filter_map(|name| name.parse().ok())
    }
}

/// The chains of our interfaces, by interface.
///
/// # Errors
/// The kernel refuses to tell.
pub fn interface_chains(runner: &dyn Runner) -> Result<BTreeMap<InterfaceName, BTreeSet<String>>, ApplyError> {
    let mut chains: BTreeMap<InterfaceName, BTreeSet<String>> = BTreeMap::new();
    for chain in runner.chains().map_err(unreadable)? {
        if let Some(interface) = chain_owner(&chain) {
            chains.entry(interface).or_default().insert(chain);
        }
    }
    Ok(chains)
}

/// Chains and the comments of their rules, in order.
pub type Comments = BTreeMap<(Table, String), Vec<Option<String>>>;

/// The comments of the rules of some chains. A chain that does not exist is left out.
///
/// # Errors
/// The kernel refuses to tell.
pub fn comments(runner: &dyn Runner, chains: BTreeSet<(Table, String)>) -> Result<Comments, ApplyError> {
    let mut found = Comments::new();
    for (table, chain) in chains {
        if let Some(comments) = runner.rules(table, &chain).map_err(unreadable)? {
            found.insert((table, chain), comments);
        }
    }
    Ok(found)
}
