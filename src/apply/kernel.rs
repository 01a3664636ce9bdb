//! Looks at the kernel: our maps, and where needed our chains.
//!
//! Listings are read for what they name, never for what a rule means (NFT-67, NFT-101).

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use serde::Deserialize;
use serde_json::Value;

use super::names::{MAPS, OWNER, SCHEMA, chain_owner};
use super::problem::ApplyError;
use super::runner::{Ran, Runner};
use crate::model::InterfaceName;
use crate::plan::Table;

/// How our table in the bridge family looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TableSeen {
    /// Its maps bear our mark.
    Ours,
    /// It has maps of our names without the mark: to be asked for the table's own.
    Unmarked,
    /// It has the mark of another layout.
    OtherSchema(String),
    /// It has none of our maps, or does not exist.
    Absent,
}

/// One element of our maps.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LinkSeen {
    /// The chain that it jumps to; none for any other verdict.
    pub target: Option<String>,
    /// Its comment.
    pub comment: Option<String>,
}

/// What our maps hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The generation that this is true for; none if it may have changed meanwhile.
    pub generation: Option<u32>,
    /// Whether the table is ours.
    pub table: TableSeen,
    /// The elements, by interface (as nft writes it) and map.
    pub links: BTreeMap<String, BTreeMap<String, LinkSeen>>,
}

#[derive(Deserialize)]
struct Listing {
    nftables: Vec<Object>,
}

/// One object of nft's JSON; of those that we do not ask for, nothing.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Object {
    map: Option<MapObject>,
    chain: Option<ChainObject>,
    rule: Option<RuleObject>,
}

#[derive(Deserialize)]
struct MapObject {
    family: String,
    table: String,
    name: String,
    comment: Option<String>,
    #[serde(default)]
    elem: Vec<Value>,
}

#[derive(Deserialize)]
struct ChainObject {
    family: String,
    table: String,
    name: String,
}

#[derive(Deserialize)]
struct RuleObject {
    family: String,
    table: String,
    chain: String,
    comment: Option<String>,
}

/// Runs nft with words as its arguments.
fn run(runner: &dyn Runner, words: &[&str]) -> Result<Ran, ApplyError> {
    runner.nft(words, "").map_err(unusable)
}

/// What it means that nft did not start.
pub fn unusable(error: io::Error) -> ApplyError {
    if error.kind() == io::ErrorKind::NotFound { ApplyError::NoNft } else { ApplyError::NftUnusable { error } }
}

fn parse(command: &[&str], ran: &Ran) -> Result<Vec<Object>, ApplyError> {
    let listing: Result<Listing, _> = serde_json::from_str(&ran.stdout);
    let listing = listing.map_err(|error| ApplyError::UnreadableAnswer {
        command: format!("nft {}", command.join(" ")),
        why: error.to_string(),
    })?;
    Ok(listing.nftables)
}

fn list(runner: &dyn Runner, words: &[&str]) -> Result<Vec<Object>, ApplyError> {
    let ran = run(runner, words)?;
    if !ran.is_success() {
        return Err(ApplyError::UnreadableRules { command: format!("nft {}", words.join(" ")), ran });
    }
    parse(words, &ran)
}

impl Look {
    /// Looks at all maps of the bridge family: one run of nft, whose time does not depend on the number of rules.
    ///
    /// # Errors
    /// nft is missing or fails.
    pub fn take(runner: &dyn Runner) -> Result<Self, ApplyError> {
        let before = runner.generation();
        let objects = list(runner, &["-j", "list", "maps", "bridge"])?;
        let generation = before.filter(|before| runner.generation() == Some(*before));
        let mut look = Look { generation, table: TableSeen::Absent, links: BTreeMap::new() };
        for map in objects.into_iter().filter_map(|object| object.map) {
            if map.family == "bridge" && map.table == "nwf" && MAPS.contains(&map.name.as_str()) {
                look.add(map);
            }
        }
        Ok(look)
    }

    fn add(&mut self, map: MapObject) {
        let seen = match map.comment.as_deref().and_then(|comment| comment.strip_prefix(OWNER)) {
            Some(rest) if rest.split(';').any(|part| part == SCHEMA) => TableSeen::Ours,
            Some(_) => TableSeen::OtherSchema(map.comment.unwrap_or_default()),
            None => TableSeen::Unmarked,
        };
        // One mark is enough, and another layout's outweighs it.
        if self.table == TableSeen::Absent
            || (self.table == TableSeen::Unmarked && seen == TableSeen::Ours)
            || matches!(seen, TableSeen::OtherSchema(_))
        {
            self.table = seen;
        }
        for element in map.elem {
            if let Some((interface, link)) = element_of(&element) {
                self.links.entry(interface).or_default().insert(map.name.clone(), link);
            }
        }
    }

    /// The elements of an interface.
    pub fn of(&self, interface: &InterfaceName) -> impl Iterator<Item = (&str, &LinkSeen)> {
        self.links.get(interface.as_str()).into_iter().flatten().map(|(map, link)| (map.as_str(), link))
    }
}

/// Key and verdict of a map's element in nft's JSON; none if its key is no plain name.
fn element_of(element: &Value) -> Option<(String, LinkSeen)> {
    let key = element.get(0)?;
    let (name, comment) = match key.get("elem") {
        Some(inner) => (inner.get("val")?.as_str()?, inner.get("comment").and_then(Value::as_str)),
        None => (key.as_str()?, None),
    };
    let verdict = element.get(1);
    let target = verdict.and_then(|verdict| verdict.get("jump")?.get("target")?.as_str());
    Some((name.to_owned(), LinkSeen { target: target.map(str::to_owned), comment: comment.map(str::to_owned) }))
}

/// Whether a table exists and bears our mark; none if it does not exist.
///
/// # Errors
/// nft cannot be run.
pub fn is_ours(runner: &dyn Runner, table: Table) -> Result<Option<bool>, ApplyError> {
    let (family, name) = words(table);
    // nft 1.0.6 leaves a table's comment out of its JSON.
    let ran = run(runner, &["-t", "list", "table", family, name])?;
    if !ran.is_success() {
        return Ok(None);
    }
    // Not those of maps and chains, which stand further in.
    let mark = format!("\tcomment \"{OWNER}");
    Ok(Some(ran.stdout.lines().any(|line| line.starts_with(&mark))))
}

fn words(table: Table) -> (&'static str, &'static str) {
    match table {
        Table::InetNwf => ("inet", "nwf"),
        _ => ("bridge", "nwf"),
    }
}

/// The chains of our interfaces, by interface.
///
/// # Errors
/// nft is missing or fails.
pub fn interface_chains(runner: &dyn Runner) -> Result<BTreeMap<InterfaceName, BTreeSet<String>>, ApplyError> {
    let mut chains: BTreeMap<InterfaceName, BTreeSet<String>> = BTreeMap::new();
    for chain in list(runner, &["-j", "list", "chains", "bridge"])?.into_iter().filter_map(|object| object.chain) {
        if chain.family == "bridge"
            && chain.table == "nwf"
            && let Some(interface) = chain_owner(&chain.name)
        {
            chains.entry(interface).or_default().insert(chain.name);
        }
    }
    Ok(chains)
}

/// Chains and the comments of their rules, in order.
pub type Comments = BTreeMap<(Table, String), Vec<Option<String>>>;

/// The comments of the rules of some chains. A chain that does not exist is left out.
///
/// # Errors
/// nft is missing, or its answer cannot be read.
pub fn comments(
    runner: &dyn Runner,
    chains: &BTreeSet<(Table, String)>,
    interfaces: usize,
) -> Result<Comments, ApplyError> {
    let mut found = Comments::new();
    for table in [Table::BridgeNwf, Table::InetNwf] {
        let (family, name) = words(table);
        let wanted: Vec<&str> = chains.iter().filter(|(of, _)| *of == table).map(|(_, chain)| chain.as_str()).collect();
        if wanted.is_empty() {
            continue;
        }
        let mut take = |command: &[&str]| -> Result<(), ApplyError> {
            let ran = run(runner, command)?;
            if ran.is_success() {
                collect(parse(command, &ran)?, chains, &mut found);
            }
            Ok(())
        };
        if table == Table::InetNwf || is_table_cheaper(wanted.len(), interfaces) {
            take(&["-j", "list", "table", family, name])?;
        } else {
            wanted.iter().try_for_each(|chain| take(&["-j", "list", "chain", family, name, chain]))?;
        }
    }
    Ok(found)
}

/// Whether one listing of the table takes less time than one of each chain: a run of nft costs as much as listing one
/// interface, and a little more for each interface that there is (NFT-70).
fn is_table_cheaper(chains: usize, interfaces: usize) -> bool {
    interfaces <= chains + chains * interfaces / 300
}

fn collect(objects: Vec<Object>, wanted: &BTreeSet<(Table, String)>, found: &mut Comments) {
    let key = |family: &str, table: &str, chain: String| {
        let table = match (family, table) {
            ("bridge", "nwf") => Table::BridgeNwf,
            ("inet", "nwf") => Table::InetNwf,
            _ => return None,
        };
        Some((table, chain)).filter(|key| wanted.contains(key))
    };
    for object in objects {
        if let Some(ChainObject { family, table, name }) = object.chain
            && let Some(key) = key(&family, &table, name)
        {
            found.entry(key).or_default();
        }
        if let Some(RuleObject { family, table, chain, comment }) = object.rule
            && let Some(key) = key(&family, &table, chain)
        {
            found.entry(key).or_default().push(comment);
        }
    }
}
