//! What the xtables backend cannot render.

use crate::model::{InterfaceName, Location};
use crate::plan::Feature;
use crate::render::{Place, Remedy};

/// Why the xtables backend renders nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, miette::Diagnostic)]
pub enum XtablesError {
    /// The name of an interface that the tools take for something else (EB-23).
    #[error("the interface name `{}` cannot be given to ebtables and iptables", interface.as_str().escape_debug())]
    #[diagnostic(
        code(nwf::render::xtables_interface_name),
        help("rename the interface: letters, digits, `_`, `.`, `-` only; or use the backend `nft`")
    )]
    InterfaceName {
        /// The interface.
        interface: InterfaceName,
    },
    /// Two interfaces would share a chain (EB-23).
    #[error("the interfaces `{first}` and `{second}` would share the chain `{chain}`")]
    #[diagnostic(
        code(nwf::render::xtables_shared_chain),
        help("rename one of the interfaces, or use the backend `nft`, where no two names collide")
    )]
    SharedChain {
        /// The interface that has it first.
        first: InterfaceName,
        /// The other one.
        second: InterfaceName,
        /// The chain.
        chain: String,
    },
    /// IP-layer rules in the scope `all` (QE-2).
    #[error("{interface}: {place}: ebtables and iptables cannot see all packets to the guest, only bridged ones")]
    #[diagnostic(
        code(nwf::render::xtables_scope),
        help(
            "packets that the host itself sends or routes to the guest would pass this rule by; say `--scope bridged` to accept that, or use the backend `nft`"
        )
    )]
    Scope {
        /// The interface.
        interface: InterfaceName,
        /// The first such rule.
        place: Place,
    },
    /// The host that was named lacks what the rules need.
    #[error("{interface}: {place}: the host lacks `{feature}`, which rules of the IP layer need")]
    #[diagnostic(code(nwf::render::xtables_host), help("{}", feature.remedy()))]
    Host {
        /// The interface.
        interface: InterfaceName,
        /// The first rule that needs it.
        place: Place,
        /// What is not there.
        feature: Feature,
    },
    /// A comment that would break lines and listings (EB-158).
    #[error("{interface}: {place}: the comment has control characters, which ebtables and iptables list as they are")]
    #[diagnostic(code(nwf::render::xtables_comment), help("leave out line ends, tabs and other control characters"))]
    Comment {
        /// The interface.
        interface: InterfaceName,
        /// The rule.
        place: Place,
    },
    /// A test that the tools have no words for.
    #[error("{interface}: {place}: {what}")]
    #[diagnostic(code(nwf::render::xtables_inexpressible), help("{help}"))]
    Inexpressible {
        /// The interface.
        interface: InterfaceName,
        /// The rule.
        place: Place,
        /// What cannot be said.
        what: &'static str,
        /// What can.
        help: &'static str,
    },
}

impl XtablesError {
    /// What would help.
    pub(in crate::render) fn remedy(&self) -> Remedy {
        match self {
            XtablesError::Comment { .. } => Remedy::Input,
            XtablesError::InterfaceName { .. }
            | XtablesError::SharedChain { .. }
            | XtablesError::Scope { .. }
            | XtablesError::Host { .. }
            | XtablesError::Inexpressible { .. } => Remedy::Host,
        }
    }

    /// Where the rule begins.
    pub(in crate::render) fn location(&self) -> Option<Location> {
        match self {
            XtablesError::InterfaceName { .. } | XtablesError::SharedChain { .. } => None,
            XtablesError::Scope { place, .. }
            | XtablesError::Host { place, .. }
            | XtablesError::Comment { place, .. }
            | XtablesError::Inexpressible { place, .. } => place.at.clone(),
        }
    }
}

/// Codes and what they mean in full (UI-31).
pub const EXPLANATIONS: &[(&str, &str)] = &[
    (
        "nwf::render::xtables_interface_name",
        "For ebtables and iptables a + at the end of an interface's name means every interface that begins so, and other \
         characters have meanings in their files or in a shell. Names of letters, digits, _, . and - are safe.",
    ),
    (
        "nwf::render::xtables_shared_chain",
        "The chain of the filter chain `mac` for the interface `a-arp` has the same name as that of `arp-mac` for `a`. \
         The rules of both interfaces would stand in it.",
    ),
    (
        "nwf::render::xtables_scope",
        "ebtables and iptables judge rules of the IP layer where packets are bridged. What the host itself sends to the \
         guest, or routes to it, does not pass there: a rule that drops everything to the guest would still let the host \
         in. The profile nwf promises that all packets are seen, so such rules are refused until --scope bridged says \
         that less is enough. The backend nft sees all of them.",
    ),
    (
        "nwf::render::xtables_host",
        "Bridged packets pass iptables and ip6tables only if the kernel module br_netfilter is loaded and its switches \
         bridge-nf-call-iptables and bridge-nf-call-ip6tables, or those of the bridge, are on. Without it the rules \
         would be there and judge nothing.",
    ),
    (
        "nwf::render::xtables_comment",
        "A comment is passed to iptables as it is, and comes back in its listings. A line end in it would break one rule \
         into two lines there and in saved rules.",
    ),
    (
        "nwf::render::xtables_inexpressible",
        "ebtables and iptables have no option for this test, or give the option another meaning. What cannot be rendered \
         exactly fails the whole filter, since a rule left out is a door left open. The backend nft may have the words.",
    ),
];
