//! The two profiles of design.md §3.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Whose behaviour is meant where libvirt's and ours differ.
///
/// Chosen where the XML is read, recorded in every document, followed by every later stage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Profile {
    /// The improvements that the specifications list; the default.
    #[default]
    Nwf,
    /// What libvirt does, for hosts that migrate.
    Libvirt,
}

impl Profile {
    /// The word that documents and `--compat` use.
    pub fn name(self) -> &'static str {
        match self {
            Profile::Nwf => "nwf",
            Profile::Libvirt => "libvirt",
        }
    }
}

impl std::fmt::Display for Profile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
