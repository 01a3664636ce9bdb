//! What can go wrong while applying, and what an administrator should know though it went well.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io;
use std::path::PathBuf;

use super::runner::Ran;
use crate::model::{InterfaceName, Location, Provenance};
use crate::plan::{BackendName, Feature, Table};
use crate::problem::Problem;

/// Why nothing was applied. What was in force before is in force now, whichever it is.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ApplyError {
    /// The kernel would refuse.
    #[error("rules can only be looked at and changed with the capability CAP_NET_ADMIN")]
    #[diagnostic(
        code(nwf::apply::not_permitted),
        help("run nwf-apply as root; nwf-parse, nwf-resolve and nwf-render need no privileges")
    )]
    NotPermitted,
    /// There is no nft.
    #[error("the program `nft` was not found")]
    #[diagnostic(code(nwf::apply::no_nft), help("install the package `nftables`"))]
    NoNft,
    /// There is an nft that does not start.
    #[error("the program `nft` cannot be run: {error}")]
    #[diagnostic(code(nwf::apply::nft_unusable), help("`nft --version` should print a version"))]
    NftUnusable {
        /// What the system said.
        error: io::Error,
    },
    /// The kernel's rules cannot be read.
    #[error("the kernel does not tell what rules there are: {error}")]
    #[diagnostic(
        code(nwf::apply::unreadable_rules),
        help("has it nf_tables for bridges (CONFIG_NF_TABLES_BRIDGE)? `nft list tables` should list without an error")
    )]
    UnreadableRules {
        /// What it says.
        error: io::Error,
    },
    /// Somebody else has a table of our name (NFT-107).
    #[error("the table `{table}` is not ours: it has no comment `owner=nwf`")]
    #[diagnostic(
        code(nwf::apply::foreign_table),
        help("nothing was changed; find out whose it is, then rename or delete it (`nft delete table {table}`)")
    )]
    ForeignTable {
        /// The table.
        table: Table,
    },
    /// A later version of nwf made the table.
    #[error("the table `{table}` was made by another version of nwf: its comment is `{comment}`")]
    #[diagnostic(
        code(nwf::apply::other_schema),
        help("nothing was changed; use that version, or remove all rules with its `nwf-apply --remove-all`")
    )]
    OtherSchema {
        /// The table.
        table: Table,
        /// The comment.
        comment: String,
    },
    /// nft or the kernel refused the transaction.
    #[error("{}", refused(place.as_deref()))]
    #[diagnostic(code(nwf::apply::refused), help("{}", said("nothing was changed", ran)))]
    Refused {
        /// What came of `nft -f -`.
        ran: Ran,
        /// The first statement that it complains about, if it names one.
        place: Option<Box<RefusedStatement>>,
    },
    /// The host lacks what each of the renderings needs (NFT-150).
    #[error("the rules of `{interface}` need {}", needs(missing))]
    #[diagnostic(code(nwf::apply::missing_feature), help("{}", remedies(missing)))]
    MissingFeature {
        /// The interface.
        interface: InterfaceName,
        /// What is missing, one set for each rendering.
        missing: Vec<BTreeSet<Feature>>,
    },
    /// The rules need connection state, which br_netfilter does not give for this bridge (NFT-114).
    #[error(
        "the rules of `{interface}` need connection state, but bridged packets do not pass br_netfilter on its bridge `{bridge}`"
    )]
    #[diagnostic(
        code(nwf::apply::relay_off),
        help(
            "switch it on for this bridge: `ip link set {bridge} type bridge nf_call_iptables 1 nf_call_ip6tables 1`; \
             or use statematch='false' in the filter's rules"
        )
    )]
    RelayOff {
        /// The interface.
        interface: InterfaceName,
        /// Its bridge.
        bridge: String,
    },
    /// The backend is not there yet.
    #[error("plans of the backend `{}` cannot be applied yet", backend_name(*backend))]
    #[diagnostic(code(nwf::apply::backend), help("render the rules for nftables: `nwf-render --backend nft`"))]
    Backend {
        /// The plan's backend.
        backend: BackendName,
    },
    /// Two plans for one interface.
    #[error("the interface `{interface}` is planned twice, in `{first}` and in `{second}`")]
    #[diagnostic(code(nwf::apply::planned_twice), help("an interface has one filter; leave one of the two out"))]
    PlannedTwice {
        /// The interface.
        interface: InterfaceName,
        /// The file of the first plan.
        first: String,
        /// The file of the second.
        second: String,
    },
    /// A plan that nwf-render does not write.
    #[error("the plan of `{interface}` is wrong: {why}")]
    #[diagnostic(code(nwf::apply::bad_plan), help("nothing was changed; render the ruleset again with nwf-render"))]
    BadPlan {
        /// The interface.
        interface: InterfaceName,
        /// What is wrong.
        why: String,
    },
    /// The state cannot be read or written.
    #[error("cannot {what} `{}`: {error}", path.display())]
    #[diagnostic(
        code(nwf::apply::state),
        help("the state is in `$NWF_RUN_DIR`, by default `/run/nwf`; check its permissions and the space")
    )]
    State {
        /// What was tried.
        what: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
    /// The transaction is done, but the state does not say so.
    #[error("the kernel has changed, but the state could not be written to `{}`: {error}", path.display())]
    #[diagnostic(
        code(nwf::apply::state_behind),
        help("make room or correct the permissions; the next run finds out what is in force")
    )]
    StateBehind {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// A statement that nft refused, and where it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedStatement {
    /// The text.
    pub text: String,
    /// The interface that it is for; none for the constant part.
    pub interface: Option<InterfaceName>,
    /// The rule that it comes from.
    pub provenance: Option<Provenance>,
}

impl Problem for ApplyError {
    fn location(&self) -> Option<Location> {
        match self {
            ApplyError::Refused { place, .. } => place.as_ref()?.provenance.as_ref()?.at.clone(),
            _ => None,
        }
    }
}

/// What should be known though all went well.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum ApplyWarning {
    /// An interface that is on no bridge yet, with rules that need br_netfilter.
    #[error(
        "the rules of `{interface}` need connection state, and it is on no bridge yet: packets that need it are dropped if its bridge does not pass them to br_netfilter"
    )]
    #[diagnostic(
        severity(Warning),
        code(nwf::apply::relay_unknown),
        help("once it is on its bridge: `ip link set BRIDGE type bridge nf_call_iptables 1 nf_call_ip6tables 1`")
    )]
    RelayUnknown {
        /// The interface.
        interface: InterfaceName,
    },
    /// Our rules were removed by somebody else.
    #[error("the rules of {} are gone from the kernel: somebody has flushed them", list(interfaces))]
    #[diagnostic(severity(Warning), code(nwf::apply::flushed), help("apply their plans again"))]
    Flushed {
        /// Interfaces with rules in the state that this run does not put back.
        interfaces: Vec<InterfaceName>,
    },
    /// The state was written in another network namespace.
    #[error("the state in `{}` is of another network namespace", path.display())]
    #[diagnostic(
        severity(Warning),
        code(nwf::apply::other_namespace),
        help(
            "set `NWF_RUN_DIR` to a directory of its own for each network namespace; this run has looked at the kernel instead"
        )
    )]
    OtherNamespace {
        /// The directory.
        path: PathBuf,
    },
}

impl Problem for ApplyWarning {}

/// What the codes mean, in full (UI-31).
pub const EXPLANATIONS: &[(&str, &str)] = &[
    (
        "nwf::apply::not_permitted",
        "Reading and changing the kernel's rules needs the capability CAP_NET_ADMIN in the network namespace. Only \
         nwf-apply needs it: the stages in front can run as anyone, and their documents can be kept and applied later.",
    ),
    ("nwf::apply::no_nft", "Rules are given to the kernel by the program nft, of the package nftables."),
    (
        "nwf::apply::nft_unusable",
        "The program nft is there, but the system cannot start it, or cannot give it its input.",
    ),
    (
        "nwf::apply::unreadable_rules",
        "The kernel did not answer a question about our tables. Usually it lacks nf_tables for bridges \
         (CONFIG_NF_TABLES_BRIDGE), or this is a container that must not see rules.",
    ),
    (
        "nwf::apply::foreign_table",
        "nwf writes to the tables `bridge nwf` and `inet nwf` and marks them with a comment. A table of that name without \
         the mark belongs to somebody else and is left alone.",
    ),
    (
        "nwf::apply::other_schema",
        "The mark on our table names the layout of its content. A table with a layout that this version does not know is left alone.",
    ),
    (
        "nwf::apply::refused",
        "nft or the kernel refused the transaction, and with it every statement: what was in force is still in force. \
         The message names the rule that the first complaint is about.",
    ),
    (
        "nwf::apply::missing_feature",
        "A plan holds several renderings of the same rules, best first; this host has what none of them needs. \
         `nwf-apply --probe` prints what the host has.",
    ),
    (
        "nwf::apply::relay_off",
        "On kernels without connection tracking for bridges, the state of connections comes from br_netfilter. With it \
         switched off for the bridge no packet has a state, so every rule that asks for one would match nothing. nwf \
         switches nothing on by itself, because br_netfilter also sends bridged packets through the host's own IP rules.",
    ),
    ("nwf::apply::backend", "Plans of the backend xtables can be rendered, but not yet applied."),
    (
        "nwf::apply::planned_twice",
        "All plans of a run are applied in one transaction, and each interface has one filter.",
    ),
    (
        "nwf::apply::bad_plan",
        "The plan writes to chains that are not the interface's, or its hash does not fit its texts. The hash tells \
         whether rules are in force already, so a plan that was changed by hand must be rendered again.",
    ),
    ("nwf::apply::state", "nwf-apply keeps the plan in force of each interface, to know what a later plan replaces."),
    (
        "nwf::apply::state_behind",
        "The transaction was done when the state could not be written. The next run compares both and repairs the state.",
    ),
    (
        "nwf::apply::relay_unknown",
        "The interface does not exist yet, or is on no bridge, so it cannot be told whether its packets will pass \
         br_netfilter. If they do not, rules that need connection state match nothing.",
    ),
    (
        "nwf::apply::flushed",
        "The state lists interfaces whose rules are gone, as after `nft flush ruleset`. Their packets pass unfiltered \
         until their plans are applied again.",
    ),
    (
        "nwf::apply::other_namespace",
        "Each network namespace has its own rules and needs its own state. The state that was found belongs to another one.",
    ),
];

fn refused(place: Option<&RefusedStatement>) -> String {
    let mut text = "nft refused the rules".to_owned();
    let Some(RefusedStatement { text: statement, interface, provenance }) = place else {
        return text;
    };
    if let Some(interface) = interface {
        let _ = write!(text, " of `{interface}`");
    }
    if let Some(Provenance { filter, rule, .. }) = provenance {
        let _ = write!(text, " at rule {rule} of the filter `{filter}`");
    }
    let _ = write!(text, ": `{}`", shortened(statement));
    text
}

/// Longest statement that a message shows, in characters; lists of addresses are longer.
const SHOWN_STATEMENT_MAX: usize = 300;

fn shortened(text: &str) -> String {
    match text.char_indices().nth(SHOWN_STATEMENT_MAX) {
        Some((end, _)) => format!("{} …", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// Most lines of a program that a message shows.
const SHOWN_LINES_MAX: usize = 12;

fn said(advice: &str, ran: &Ran) -> String {
    let mut lines = ran.stderr.trim_end().lines();
    let mut text = format!("{advice}; nft said:");
    if ran.stderr.trim().is_empty() {
        return format!("{advice}; nft said nothing");
    }
    for line in lines.by_ref().take(SHOWN_LINES_MAX) {
        let _ = write!(text, "\n{}", shortened(line));
    }
    let left = lines.count();
    if left > 0 {
        let _ = write!(text, "\n({left} more lines)");
    }
    text
}

fn needs(missing: &[BTreeSet<Feature>]) -> String {
    let each = missing.iter().map(|features| {
        let names: Vec<String> = features.iter().map(|feature| format!("`{feature}`")).collect();
        names.join(" and ")
    });
    let each: Vec<String> = each.collect();
    format!("what this host lacks: {}", each.join(", or "))
}

fn remedies(missing: &[BTreeSet<Feature>]) -> String {
    let all: BTreeSet<Feature> = missing.iter().flatten().copied().collect();
    let mut text = String::new();
    for feature in &all {
        let _ = writeln!(text, "{feature}: {}", feature.remedy());
    }
    if all.iter().any(|feature| *feature != Feature::BridgeReject) {
        text.push_str("or use statematch='false' in the filter's rules");
    }
    text.trim_end().to_owned()
}

fn list(interfaces: &[InterfaceName]) -> String {
    const SHOWN: usize = 5;
    let names: Vec<String> = interfaces.iter().take(SHOWN).map(|name| format!("`{name}`")).collect();
    let more = interfaces.len().saturating_sub(SHOWN);
    if more > 0 { format!("{} and {more} more interfaces", names.join(", ")) } else { names.join(", ") }
}

fn backend_name(backend: BackendName) -> &'static str {
    match backend {
        BackendName::Nft => "nft",
        BackendName::Xtables => "xtables",
    }
}
