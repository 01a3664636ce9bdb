//! The codes of all errors and warnings, and what they mean in full (UI-31).

use crate::render::xtables;
use crate::{apply, resolve, xml};

/// Code and explanation, stage by stage.
const STAGES: &[&[(&str, &str)]] = &[
    CLI,
    DOCUMENT,
    xml::EXPLANATIONS,
    super::parse::EXPLANATIONS,
    resolve::EXPLANATIONS,
    RESOLVE,
    RENDER,
    xtables::EXPLANATIONS,
    apply::EXPLANATIONS,
    super::front::EXPLANATIONS,
    super::explain::EXPLANATIONS,
];

const CLI: &[(&str, &str)] = &[
    (
        "nwf::cli::usage",
        "The arguments contradict each other or the input, or one of them cannot be used. Nothing was done. The option \
         --help of each program tells what it takes; an option that contradicts the profile recorded in a document is \
         wrong usage too.",
    ),
    (
        "nwf::cli::unreadable",
        "The operating system refused to open or read the file: it does not exist, or its permissions or those of a \
         folder above it do not allow it.",
    ),
    (
        "nwf::cli::too_large",
        "A document can have 64 MiB. That is far above what any host needs, so a larger file is most probably another \
         one than was meant; it is refused before it fills the memory.",
    ),
    ("nwf::cli::not_text", "All that is read is UTF-8 text. The byte that is named belongs to no character of it."),
];

const DOCUMENT: &[(&str, &str)] = &[
    (
        "nwf::document::empty",
        "The input holds nothing where a document was expected. In a pipeline this means most often that the program in \
         front failed: its own message says why.",
    ),
    (
        "nwf::document::not_json",
        "Between the programs pass JSON documents. XML is read by nwf-parse alone: give it the file, and its output to \
         the program that was called.",
    ),
    (
        "nwf::document::kind",
        "The first member of a document, \"nwf\", names its kind and version. A program reads the kinds that the program \
         in front of it writes: nwf-parse writes filters/1, nwf-resolve reads that and writes ruleset/1, nwf-render \
         reads that and writes plan/1, nwf-apply reads that. Another version was written by another version of nwf.",
    ),
    (
        "nwf::document::content",
        "A member of the document is unknown, missing, or has a value that it cannot have. Unknown members are refused, \
         because a typing error in a document that was written by hand must not open a firewall. The JSON Schemas and \
         the pages in docs/documents tell what is allowed.",
    ),
    (
        "nwf::document::unwritable",
        "The result could not be written. A file that --output names is written beside its place and then renamed, so \
         the folder must be writable; what was in the file before is still there.",
    ),
];

const RESOLVE: &[(&str, &str)] = &[
    (
        "nwf::resolve::no_binding",
        "Only bindings are resolved: an interface with its top-level filter. The input holds filters alone, or nothing. \
         Add a <filterbinding>, or name the interface and its filter by options.",
    ),
    (
        "nwf::resolve::no_interface",
        "The <interface> of a domain has no <target dev='...'/>, so nothing tells which device of this host is meant. It \
         gets its name when the domain starts; name it with -i, and with --mac if there are several.",
    ),
    (
        "nwf::resolve::params",
        "The file of --params is a JSON object whose members are the variables: {\"IP\": [\"10.0.0.5\", \"10.0.0.6\"]}. A \
         single text counts as a list of one. Empty lists and empty texts are refused: leave the variable out instead.",
    ),
];

const RENDER: &[(&str, &str)] = &[
    (
        "nwf::render::missing",
        "The ruleset was made with --partial, and the interface lacks variables. Nothing is ever rendered from half a \
         filter. Resolve it again when the values are known; until then an interim ruleset can be in force.",
    ),
    (
        "nwf::render::interface_name",
        "The kernel allows names of interfaces that the language of nft has no way to write as one name: those with a \
         quote or a backslash, and those that end in an asterisk, which would match others too.",
    ),
    (
        "nwf::render::not_yet",
        "This version does not render the attribute connlimit-above for nftables. What it cannot render exactly it \
         refuses, and the filter as a whole, since a rule left out is a door left open.",
    ),
    (
        "nwf::render::ip_set",
        "The attributes ipset and ipsetflags look an address up in a set of the kernel's ipset. nftables has sets of its \
         own and cannot read those.",
    ),
    (
        "nwf::render::no_state",
        "The rule asks for the state of connections, by `state` or because it accepts at the IP layer. The host for which \
         was rendered (--features) knows no state of bridged packets. With statematch='false' a rule asks for none, and \
         answers then need a rule of their own.",
    ),
    (
        "nwf::render::empty_range",
        "The end of a range of addresses or numbers lies before its start, so it holds nothing, and the tools of the \
         kernel refuse it.",
    ),
    (
        "nwf::render::needs_protocol",
        "Ports, ICMP types and the like are at a place in the packet that only the protocol above it defines. Without the \
         test of the protocol the rule would look at bytes of something else.",
    ),
    (
        "nwf::render::malformed",
        "A rule has a value of another kind than its attribute takes, or refers to a list that is not there. nwf-resolve \
         writes no such rule, so the document was written or changed by other means.",
    ),
    (
        "nwf::render::reject_is_drop",
        "A packet to the guest is filtered where it leaves the bridge, and there the kernel cannot send an answer. The \
         packet is dropped, which is stricter, never wider.",
    ),
    (
        "nwf::render::reject_needs_host",
        "An answer to a rejected packet needs nft_reject_bridge, or br_netfilter and the family inet. The host for which \
         was rendered has neither, so the packet is dropped without an answer.",
    ),
    (
        "nwf::render::inverted_list",
        "A rule with a list stands for one rule for each value. Inverted, each of these matches every packet that differs \
         from its own value, so with two values every packet is matched by one of them. What is meant is most often: \
         accept the values, then drop the rest.",
    ),
    (
        "nwf::render::icmp_inout",
        "libvirt builds no rule for icmp or icmpv6 with a type and the direction inout. The profile libvirt keeps that, \
         and says so.",
    ),
    (
        "nwf::render::old_interface",
        "--old names the plan in force, and interfaces that only it has are left alone: rendering one interface must not \
         take the rules of another away.",
    ),
    (
        "nwf::render::twice",
        "The inputs hold two rulesets for one interface. Both in one plan would let the order of the inputs decide which \
         of them holds.",
    ),
    (
        "nwf::render::old_backend",
        "With --old, chains are removed that the old plan has and the new one lacks, in the same transaction. Another \
         backend has other tables, so there is no such transaction.",
    ),
    (
        "nwf::render::old_profile",
        "The chains of ebtables and iptables have other names in each profile. Single commands take away chains of their \
         own names only, so the rules of the other profile would stay in force beside the new ones.",
    ),
];

/// All codes with their explanations, stage by stage.
pub fn codes() -> impl Iterator<Item = (&'static str, &'static str)> {
    STAGES.iter().copied().flatten().copied()
}

#[cfg(test)]
mod tests {
    #[test]
    fn no_code_is_explained_twice() {
        let mut codes: Vec<&str> = super::codes().map(|(code, _)| code).collect();
        codes.sort_unstable();
        let all = codes.len();
        codes.dedup();
        assert_eq!(codes.len(), all);
    }
}
