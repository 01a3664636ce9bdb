//! Transactions for ebtables, iptables and ip6tables, and what their listings say is in force.
//!
//! A line `:CHAIN` of the restore format makes a chain or empties it, so a chain that is there keeps its place and gets
//! its new rules. Links and base chains have no such line: `-A` adds a second one, `-N` fails the transaction. So what
//! is in force must be known: from a record, or from a listing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use super::{Line, Link, PlanChain, Rendering, Statement, Table};

/// The tables of the three tools, in the order in which they are loaded.
pub const TABLES: [Table; 3] = [Table::EbtablesNat, Table::IptablesFilter, Table::Ip6tablesFilter];

/// The program that loads a table in one transaction, and the one that lists it; none for a table of nft.
pub fn programs(table: Table) -> Option<(&'static str, &'static str)> {
    match table {
        Table::EbtablesNat => Some(("ebtables-restore", "ebtables-save")),
        Table::IptablesFilter => Some(("iptables-restore", "iptables-save")),
        Table::Ip6tablesFilter => Some(("ip6tables-restore", "ip6tables-save")),
        Table::BridgeNwf | Table::InetNwf => None,
    }
}

/// The name of a table for its own tool.
pub fn own_name(table: Table) -> Option<&'static str> {
    match table {
        Table::EbtablesNat => Some("nat"),
        Table::IptablesFilter | Table::Ip6tablesFilter => Some("filter"),
        Table::BridgeNwf | Table::InetNwf => None,
    }
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
    pub fn text(&self, table: Table) -> Option<String> {
        let statements = self.tables.get(&table)?;
        let mut text = format!("*{}\n", own_name(table)?);
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
    TABLES.into_iter().find_map(|table| {
        let rest = statement.strip_prefix(table.to_string().as_str())?.strip_prefix(' ')?;
        Some((table, rest))
    })
}

/// What a listing in the restore format, such as that of `iptables-save -t filter`, says is in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Listing {
    chains: BTreeSet<String>,
    /// The words of each rule, its chain first, then sorted: listings have an order of their own.
    rules: BTreeSet<Vec<String>>,
}

impl Listing {
    /// Reads the part of one table. Lines of other tables are left out.
    pub fn read(table: Table, text: &str) -> Self {
        let mut listing = Listing::default();
        let mut is_inside = false;
        for line in text.lines() {
            if let Some(name) = line.strip_prefix('*') {
                is_inside = Some(name.trim()) == own_name(table);
            } else if is_inside && let Some(chain) = line.strip_prefix(':') {
                listing.chains.extend(chain.split(' ').next().map(str::to_owned));
            } else if is_inside && let Some(rule) = line.strip_prefix("-A ") {
                listing.rules.insert(words(rule));
            }
        }
        listing
    }

    /// Whether a chain is there.
    pub fn has_chain(&self, name: &str) -> bool {
        self.chains.contains(name)
    }

    /// The chains that are there, by name.
    pub fn chains(&self) -> impl Iterator<Item = &str> {
        self.chains.iter().map(String::as_str)
    }

    /// Whether a link of the listed table is there.
    pub fn has_link(&self, link: &Link) -> bool {
        let mut rules = link.install.iter().filter_map(|text| text.strip_prefix("-A "));
        rules.all(|rule| self.rules.contains(&words(rule)))
    }

    /// Whether what a statement of the constant part makes is there, wherever in its chain.
    pub fn has_setup(&self, statement: &str) -> bool {
        let Some((_, rest)) = split(statement) else { return false };
        if let Some(chain) = rest.strip_prefix("-N ") {
            return self.has_chain(chain);
        }
        let mut parts = rest.strip_prefix("-I ").unwrap_or_default().splitn(3, ' ');
        match (parts.next(), parts.next(), parts.next()) {
            (Some(chain), Some(_), Some(rule)) => self.rules.contains(&words(&format!("{chain} {rule}"))),
            _ => false,
        }
    }
}

/// The words of a rule, its chain first, then sorted.
fn words(rule: &str) -> Vec<String> {
    let mut words: Vec<String> = rule.split_whitespace().map(str::to_owned).collect();
    if let Some((_, rest)) = words.split_first_mut() {
        rest.sort();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_tells_chains_links_and_the_constant_part() {
        let text = "# Generated by iptables-save\n*nat\n:nwf-x - [0:0]\nCOMMIT\n*filter\n:FORWARD ACCEPT [1:2]\n\
            :nwf-out - [0:0]\n-A FORWARD -j nwf-out\n\
            -A nwf-out -m physdev --physdev-out v --physdev-is-bridged -g nwf-fo-v\nCOMMIT\n";
        let listing = Listing::read(Table::IptablesFilter, text);
        assert!(listing.has_chain("nwf-out") && !listing.has_chain("nwf-x") && !listing.has_chain("nwf-in"));
        let link = |interface: &str| Link {
            table: Table::IptablesFilter,
            from: "nwf-out".to_owned(),
            to: String::new(),
            install: vec![format!("-A nwf-out -m physdev --physdev-is-bridged --physdev-out {interface} -g nwf-fo-v")],
            remove: Vec::new(),
        };
        assert!(listing.has_link(&link("v")) && !listing.has_link(&link("w")));
        assert!(listing.has_setup("iptables filter -N nwf-out"));
        assert!(!listing.has_setup("iptables filter -N nwf-in"));
        assert!(listing.has_setup("iptables filter -I FORWARD 2 -j nwf-out"));
        assert!(!listing.has_setup("iptables filter -I FORWARD 1 -j nwf-in"));
    }
}
