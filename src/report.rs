//! The document `report/1`: what a program changed, or would change.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{InterfaceName, document_kind};
use crate::plan::{RejectMode, Scope, StateMode};

document_kind!(ReportKind, "report/1");

/// The document `report/1`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Report {
    /// Kind and version.
    pub nwf: ReportKind,
    /// Whether anything changed; with `--check`, whether anything would.
    pub changed: bool,
    /// The interfaces, in the order in which they were asked for.
    pub interfaces: Vec<InterfaceReport>,
    /// What concerns no interface in particular.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// With `--diff`: what was in force of all that changed, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<String>,
    /// With `--diff`: what is, or would be, in force instead.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

/// What became of one interface.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InterfaceReport {
    /// The interface.
    pub interface: InterfaceName,
    /// What was done.
    pub action: Action,
    /// Whether that is a change; with `--check`, whether it would be one.
    pub changed: bool,
    /// How connection state is known; none where nothing is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<StateMode>,
    /// How rejected packets are answered; none where nothing is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reject: Option<RejectMode>,
    /// Which packets to the guest are seen by rules of the IP layer; none where nothing is in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<Scope>,
    /// Hash of the rendering that is, or would be, in force.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hash: Option<String>,
    /// Where the kernel differed from what was recorded as in force, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub drift: Vec<String>,
    /// Milliseconds from the first look at the kernel to the end of the transaction; interfaces that are changed
    /// together share it.
    pub time_ms: f64,
    /// What the administrator should know, one sentence each.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
}

/// What was done to an interface.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// It had no rules and has some now.
    Installed,
    /// It has other rules now.
    Replaced,
    /// It has what it had.
    Unchanged,
    /// It has no rules any more.
    Removed,
    /// With `--check`: it would get rules.
    WouldInstall,
    /// With `--check`: it would get other rules.
    WouldReplace,
    /// With `--check`: it would lose its rules.
    WouldRemove,
}

impl Action {
    /// Whether anything changed, or would.
    pub fn is_change(self) -> bool {
        self != Action::Unchanged
    }

    /// What `--check` says instead.
    #[must_use]
    pub fn in_check(self) -> Self {
        match self {
            Action::Installed => Action::WouldInstall,
            Action::Replaced => Action::WouldReplace,
            Action::Removed => Action::WouldRemove,
            same => same,
        }
    }

    /// The word, for people.
    pub fn words(self) -> &'static str {
        match self {
            Action::Installed => "installed",
            Action::Replaced => "replaced",
            Action::Unchanged => "unchanged",
            Action::Removed => "removed",
            Action::WouldInstall => "would be installed",
            Action::WouldReplace => "would be replaced",
            Action::WouldRemove => "would be removed",
        }
    }
}
