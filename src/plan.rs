//! What `nwf-apply` executes: a ruleset rendered for one backend, and what that needs of a host.
//!
//! A plan knows names and texts, not what a rule means. The texts are statements of the backend's tool; this
//! module only puts them into the order in which they are loaded.

pub mod xtables;

use std::collections::BTreeSet;
use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::model::{Bound, Profile, Provenance, document_kind};

document_kind!(PlanKind, "plan/1");
document_kind!(FeaturesKind, "features/1");

/// The document `plan/1`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Kind and version.
    pub nwf: PlanKind,
    /// The profile that the rules were written for.
    #[serde(default)]
    pub profile: Profile,
    /// The tool that the texts are for.
    pub backend: BackendName,
    /// The interfaces, in the order of the ruleset.
    pub interfaces: Vec<InterfacePlan>,
}

/// A way to put a ruleset into the kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum BackendName {
    /// nftables.
    Nft,
    /// ebtables, iptables and ip6tables.
    Xtables,
}

/// Which packets to the guest the rules of the IP layer see (NFT-118).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// All that leave through the port, also from the host and routed.
    All,
    /// Only those that come from another port of the bridge.
    Bridged,
}

impl Scope {
    /// The word in documents.
    pub fn name(self) -> &'static str {
        match self {
            Scope::All => "all",
            Scope::Bridged => "bridged",
        }
    }
}

/// What one interface needs, in one or more renderings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InterfacePlan {
    /// The interface, and where its rules come from.
    pub binding: Bound,
    /// Which packets to the guest are seen by rules of the IP layer.
    pub scope: Scope,
    /// The renderings, best first; `nwf-apply` takes the first whose needs the host meets.
    pub renderings: Vec<Rendering>,
}

/// How a rendering knows the state of connections (NFT-112, NFT-151).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StateMode {
    /// Connection tracking in the bridge family.
    Native,
    /// br_netfilter's, handed to the bridge family in bits of the mark.
    Relay,
    /// Not at all: no rule asks for it.
    None,
}

impl StateMode {
    /// The word in documents.
    pub fn name(self) -> &'static str {
        match self {
            StateMode::Native => "native",
            StateMode::Relay => "relay",
            StateMode::None => "none",
        }
    }
}

/// How a rendering answers rejected packets (NFT-124, NFT-151).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum RejectMode {
    /// In the bridge family.
    Native,
    /// In the family inet, told by a bit of the mark.
    Relay,
    /// Not at all: it drops.
    Drop,
}

impl RejectMode {
    /// The word in documents.
    pub fn name(self) -> &'static str {
        match self {
            RejectMode::Native => "native",
            RejectMode::Relay => "relay",
            RejectMode::Drop => "drop",
        }
    }
}

/// One way to render one interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rendering {
    /// What the host must have; empty for most filters.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub requires: BTreeSet<Feature>,
    /// How connection state is known.
    pub state: StateMode,
    /// How rejected packets are answered.
    pub reject: RejectMode,
    /// The constant part: whole statements, the same for every interface. For nft they are safe to repeat; for xtables
    /// each begins with its table, and what is there already is left out.
    pub setup: Vec<String>,
    /// The interface's chains; loading one again replaces its content.
    pub chains: Vec<PlanChain>,
    /// How packets get into them.
    pub links: Vec<Link>,
    /// SHA-256 of all texts above, in hexadecimal.
    pub hash: String,
}

/// A chain and its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlanChain {
    /// The table that it is in.
    pub table: Table,
    /// Its name in the kernel.
    pub name: String,
    /// Its rules, in order.
    #[serde(default)]
    pub lines: Vec<Line>,
}

/// One rule of a chain in the backend's syntax, without the command in front.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// The text.
    pub text: String,
    /// The rule that it comes from; none for jumps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provenance: Option<Provenance>,
}

/// The way from a base chain to a chain of the interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Link {
    /// The table that it is in.
    pub table: Table,
    /// The map or base chain that holds it.
    pub from: String,
    /// The chain that it leads to.
    pub to: String,
    /// Statements that make it; for nft also where it exists.
    pub install: Vec<String>,
    /// Statements that take it away; for nft also where it does not exist.
    pub remove: Vec<String>,
}

/// A table that a backend writes to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum Table {
    /// Ours in the bridge family.
    #[serde(rename = "bridge nwf")]
    BridgeNwf,
    /// Ours in the family inet, for the relay of connection state.
    #[serde(rename = "inet nwf")]
    InetNwf,
    /// ebtables' `nat`.
    #[serde(rename = "ebtables nat")]
    EbtablesNat,
    /// iptables' `filter`.
    #[serde(rename = "iptables filter")]
    IptablesFilter,
    /// ip6tables' `filter`.
    #[serde(rename = "ip6tables filter")]
    Ip6tablesFilter,
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Table::BridgeNwf => "bridge nwf",
            Table::InetNwf => "inet nwf",
            Table::EbtablesNat => "ebtables nat",
            Table::IptablesFilter => "iptables filter",
            Table::Ip6tablesFilter => "ip6tables filter",
        })
    }
}

/// Something that a host's kernel or programs may lack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Feature {
    /// `ct` in family bridge (`nf_conntrack_bridge`).
    BridgeConntrack,
    /// `reject` in family bridge (`nft_reject_bridge`).
    BridgeReject,
    /// `ct` in family inet.
    InetConntrack,
    /// Bridged packets pass the IP hooks (`br_netfilter`).
    BridgeNetfilter,
}

impl Feature {
    /// All of them.
    pub const ALL: [Feature; 4] =
        [Feature::BridgeConntrack, Feature::BridgeReject, Feature::InetConntrack, Feature::BridgeNetfilter];

    /// The word in documents.
    pub fn name(self) -> &'static str {
        match self {
            Feature::BridgeConntrack => "bridge-conntrack",
            Feature::BridgeReject => "bridge-reject",
            Feature::InetConntrack => "inet-conntrack",
            Feature::BridgeNetfilter => "bridge-netfilter",
        }
    }

    /// What an administrator does to get it.
    pub fn remedy(self) -> &'static str {
        match self {
            Feature::BridgeConntrack => "load the kernel module nf_conntrack_bridge (Linux 5.3 or newer)",
            Feature::BridgeReject => "load the kernel module nft_reject_bridge",
            Feature::InetConntrack => "load the kernel modules nf_conntrack and nft_ct",
            Feature::BridgeNetfilter => "load the kernel module br_netfilter",
        }
    }
}

impl fmt::Display for Feature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The document `features/1`: what a host can do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Features {
    /// Kind and version.
    pub nwf: FeaturesKind,
    /// The kernel's release; none if the document was made for no host in particular.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel: Option<String>,
    /// What is there.
    pub has: BTreeSet<Feature>,
}

impl Features {
    /// A host with connection tracking in the bridge family.
    pub fn native() -> Self {
        Features { has: BTreeSet::from([Feature::BridgeConntrack, Feature::BridgeReject]), ..Features::default() }
    }

    /// A host where br_netfilter's connection tracking serves.
    pub fn relay() -> Self {
        Features { has: BTreeSet::from([Feature::InetConntrack, Feature::BridgeNetfilter]), ..Features::default() }
    }

    /// A host without connection tracking for bridged packets.
    pub fn none() -> Self {
        Features::default()
    }
}

/// One statement of a script, with the rule that it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// The text, without a line end.
    pub text: String,
    /// The rule, for messages about this statement.
    pub provenance: Option<Provenance>,
}

impl Statement {
    /// A statement that comes from no rule.
    pub fn plain(text: impl Into<String>) -> Self {
        Statement { text: text.into(), provenance: None }
    }
}

impl Rendering {
    /// The hash of the texts, for the member `hash`: of what is loaded, so that two renderings with equal hashes
    /// do the same. The links' own texts, which carry the hash, are left out; where they lead is not.
    pub fn compute_hash(setup: &[String], chains: &[PlanChain], links: &[(Table, String, String)]) -> String {
        let mut hasher = Sha256::new();
        let mut put = |text: &str| {
            hasher.update(text.as_bytes());
            hasher.update([0]);
        };
        for text in setup {
            put(text);
        }
        for chain in chains {
            put(&format!("chain {} {}", chain.table, chain.name));
            for line in &chain.lines {
                put(&line.text);
            }
        }
        for (table, from, to) in links {
            put(&format!("link {table} {from} {to}"));
        }
        hasher.finalize().iter().fold(String::with_capacity(64), |mut text, byte| {
            let _ = fmt::Write::write_fmt(&mut text, format_args!("{byte:02x}"));
            text
        })
    }

    /// The chains and links as statements for nft, without the constant part (form to build of spec 04, §4.5).
    /// All chains are made and emptied before any rule is added, so jumps find their targets.
    pub fn nft_install(&self) -> Vec<Statement> {
        let mut statements = Vec::new();
        for PlanChain { table, name, .. } in &self.chains {
            statements.push(Statement::plain(format!("add chain {table} {name}")));
            statements.push(Statement::plain(format!("flush chain {table} {name}")));
        }
        for PlanChain { table, name, lines } in &self.chains {
            for Line { text, provenance } in lines {
                let text = format!("add rule {table} {name} {text}");
                statements.push(Statement { text, provenance: provenance.clone() });
            }
        }
        let links = self.links.iter().flat_map(|link| &link.install);
        statements.extend(links.map(Statement::plain));
        statements
    }

    /// Statements for nft that remove links and chains, also where nothing is there.
    pub fn nft_remove(&self) -> Vec<Statement> {
        let mut statements = Vec::new();
        let each_chain = |verb: &str, statements: &mut Vec<Statement>| {
            for PlanChain { table, name, .. } in &self.chains {
                statements.push(Statement::plain(format!("{verb} chain {table} {name}")));
            }
        };
        each_chain("add", &mut statements);
        let links = self.links.iter().flat_map(|link| &link.remove);
        statements.extend(links.map(Statement::plain));
        each_chain("flush", &mut statements);
        each_chain("delete", &mut statements);
        statements
    }
}
