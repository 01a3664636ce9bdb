//! What can be wrong with a filter tree, told to the person who wrote it.

use crate::model::{Attribute, ChainName, FilterName, InterfaceName, Kind, Location, Priority, VariableAccess};
use crate::problem::Problem;
use crate::ruleset::Missing;

/// Why an interface cannot be resolved, or what is odd about it.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
pub enum ResolveError {
    /// An interface without a filter.
    #[error("{interface} has no filter")]
    #[diagnostic(code(nwf::resolve::no_filter), help("name one with `--filter NAME`"))]
    NoFilter {
        /// The interface.
        interface: InterfaceName,
    },
    /// A reference or binding names a filter that nobody defined.
    #[error("no filter is named `{name}`{}", led_by(path))]
    #[diagnostic(code(nwf::resolve::unknown_filter))]
    UnknownFilter {
        /// The name.
        name: FilterName,
        /// The filters that led there, from the top.
        path: Vec<FilterName>,
        /// What to do.
        #[help]
        help: String,
        /// The reference.
        at: Option<Location>,
    },
    /// A filter refers to itself.
    #[error("the filters refer to each other in a circle: {}", arrows(path))]
    #[diagnostic(code(nwf::resolve::cycle), help("take out one of the references"))]
    Cycle {
        /// The whole path; the last name is the first again, or one on the way.
        path: Vec<FilterName>,
        /// The reference that closes the circle.
        at: Option<Location>,
    },
    /// The chain of references is longer than the limit.
    #[error("the references from `{top}` are more than {limit} deep, at `{name}`")]
    #[diagnostic(code(nwf::resolve::too_deep), help("if that is meant, raise the limit with `--max-depth`"))]
    TooDeep {
        /// The top-level filter.
        top: FilterName,
        /// The filter that is too deep.
        name: FilterName,
        /// The limit.
        limit: usize,
        /// The reference.
        at: Option<Location>,
    },
    /// More references were followed than rules are allowed.
    #[error("the filter `{top}` has more than {limit} references and rules")]
    #[diagnostic(
        code(nwf::resolve::too_many_references),
        help("each path to a filter counts; if that is meant, raise the limit with `--max-rules`")
    )]
    TooManyReferences {
        /// The top-level filter.
        top: FilterName,
        /// The limit.
        limit: usize,
    },
    /// More rules than the limit, every combination of lists counted.
    #[error("{interface} has {count} rules, more than {limit}")]
    #[diagnostic(
        code(nwf::resolve::too_many_rules),
        help(
            "lists with different iterators give every combination; if that is meant, raise the limit with `--max-rules`"
        )
    )]
    TooManyRules {
        /// The interface.
        interface: InterfaceName,
        /// Their number.
        count: usize,
        /// The limit.
        limit: usize,
    },
    /// Variables without a value.
    #[error("{interface}: {}", missing_sentence(missing))]
    #[diagnostic(
        code(nwf::resolve::missing_variable),
        help("give a value with `--param NAME=VALUE`, in the binding, or with `--leases FILE`")
    )]
    Missing {
        /// The interface.
        interface: InterfaceName,
        /// The accesses, and the filters that want them.
        missing: Missing,
    },
    /// Lists that are walked in step have different lengths.
    #[error("filter `{filter}` rule {rule}: iterator {iterator} walks lists of different lengths: {}", lengths(lists))]
    #[diagnostic(
        code(nwf::resolve::unequal_lists),
        help(
            "lists that are walked in step need equal lengths; for every combination use different iterators, such as `$NAME[@1]`"
        )
    )]
    UnequalLists {
        /// The filter.
        filter: FilterName,
        /// The rule's number.
        rule: u32,
        /// The iterator.
        iterator: u16,
        /// Each access with the number of its values.
        lists: Vec<(VariableAccess, usize)>,
        /// The rule.
        at: Option<Location>,
    },
    /// A variable's value is not what the attribute takes.
    #[error("filter `{filter}` rule {rule}: `{}` from `{access}` is not a value for `{attribute}`", value.escape_debug())]
    #[diagnostic(code(nwf::resolve::bad_value))]
    BadValue {
        /// The filter.
        filter: FilterName,
        /// The rule's number.
        rule: u32,
        /// The access.
        access: VariableAccess,
        /// The value.
        value: String,
        /// The attribute.
        attribute: Attribute,
        /// What would be right.
        #[help]
        help: String,
        /// The rule.
        at: Option<Location>,
    },
    /// A variable where a list cannot be used.
    #[error("filter `{filter}` rule {rule}: `{access}` has several values, and `{attribute}` takes no list")]
    #[diagnostic(code(nwf::resolve::no_list), help("write one rule for each value"))]
    NoList {
        /// The filter.
        filter: FilterName,
        /// The rule's number.
        rule: u32,
        /// The access.
        access: VariableAccess,
        /// The attribute.
        attribute: Attribute,
        /// The rule.
        at: Option<Location>,
    },
    /// A range that ends before it begins.
    #[error("filter `{filter}` rule {rule}: the range of `{attribute}` from {start} to {end} is empty")]
    #[diagnostic(code(nwf::resolve::empty_range), help("write the lower value first"))]
    EmptyRange {
        /// The filter.
        filter: FilterName,
        /// The rule's number.
        rule: u32,
        /// The attribute of the start.
        attribute: Attribute,
        /// The start.
        start: String,
        /// The end.
        end: String,
        /// The rule.
        at: Option<Location>,
    },
    /// A spanning-tree rule that cannot be mirrored (EB-50).
    #[error("filter `{filter}` rule {rule}: a rule for `stp` with `srcmacaddr` cannot have the direction `inout`")]
    #[diagnostic(
        code(nwf::resolve::stp_inout),
        help("spanning-tree frames have one destination; write a rule for `in` and one for `out`")
    )]
    StpInout {
        /// The filter.
        filter: FilterName,
        /// The rule's number.
        rule: u32,
        /// The rule.
        at: Option<Location>,
    },
    /// `CTRL_IP_LEARNING` has a value that means nothing.
    #[error("filter `{filter}`: `CTRL_IP_LEARNING` is `{}`", method.escape_debug())]
    #[diagnostic(code(nwf::resolve::learning_method), help("it must be `any`, `dhcp` or `none`"))]
    LearningMethod {
        /// The top-level filter.
        filter: FilterName,
        /// The value.
        method: String,
    },
    /// A filter's file is wrong.
    #[error("the filter `{name}` cannot be read from `{file}`")]
    #[diagnostic(code(nwf::resolve::broken_filter), help("`nwf-parse {file}` tells the same"))]
    BrokenFilter {
        /// The filter.
        name: FilterName,
        /// Its file.
        file: String,
        /// What is wrong with it.
        #[related]
        problems: Vec<crate::xml::XmlProblem>,
    },
    /// A filter's file cannot be read.
    #[error("the filter `{name}` cannot be read: `{file}`: {why}")]
    #[diagnostic(code(nwf::resolve::unreadable_filter), help("check the file and its permissions"))]
    UnreadableFilter {
        /// The filter.
        name: FilterName,
        /// Its file.
        file: String,
        /// What is wrong.
        why: String,
    },
    /// A file holds another filter than its name says (RES-91).
    #[error("`{file}` holds the filter `{found}`, not `{name}`")]
    #[diagnostic(
        code(nwf::resolve::other_filter),
        help("a filter is looked up as NAME.xml; rename the file or the filter")
    )]
    OtherFilter {
        /// The filter looked for.
        name: FilterName,
        /// The file.
        file: String,
        /// What is in it.
        found: String,
    },
    /// Filters give one chain different priorities (RES-83, QR-7).
    #[error("chain `{chain}` has the priority {used}; filter `{filter}`, which shares it, asks for {other} in vain")]
    #[diagnostic(
        code(nwf::resolve::chain_priorities),
        severity(Warning),
        help("give all filters of one chain the same priority")
    )]
    ChainPriorities {
        /// The chain.
        chain: ChainName,
        /// What holds.
        used: Priority,
        /// What does not.
        other: Priority,
        /// The filter that asks for it.
        filter: FilterName,
        /// Its rule.
        at: Option<Location>,
    },
}

impl ResolveError {
    /// Whether only values are missing: then the user can give them, and nothing is wrong with the filter.
    pub fn is_missing(&self) -> bool {
        matches!(self, ResolveError::Missing { .. })
    }

    /// Whether the same was found before, for another interface.
    pub(super) fn is_repeated(&self, earlier: &[ResolveError]) -> bool {
        !self.is_missing() && earlier.iter().any(|error| error.to_string() == self.to_string())
    }

    /// The help of [`ResolveError::BadValue`].
    pub(super) fn expected(kind: Kind) -> String {
        format!("it must be {}", kind.expected())
    }
}

impl Problem for ResolveError {
    fn location(&self) -> Option<Location> {
        match self {
            ResolveError::UnknownFilter { at, .. }
            | ResolveError::Cycle { at, .. }
            | ResolveError::TooDeep { at, .. }
            | ResolveError::UnequalLists { at, .. }
            | ResolveError::BadValue { at, .. }
            | ResolveError::NoList { at, .. }
            | ResolveError::EmptyRange { at, .. }
            | ResolveError::StpInout { at, .. }
            | ResolveError::ChainPriorities { at, .. } => at.clone(),
            ResolveError::BrokenFilter { problems, .. } => problems.first().and_then(Problem::location),
            ResolveError::NoFilter { .. }
            | ResolveError::TooManyReferences { .. }
            | ResolveError::TooManyRules { .. }
            | ResolveError::Missing { .. }
            | ResolveError::LearningMethod { .. }
            | ResolveError::UnreadableFilter { .. }
            | ResolveError::OtherFilter { .. } => None,
        }
    }
}

fn arrows(path: &[FilterName]) -> String {
    path.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" -> ")
}

fn led_by(path: &[FilterName]) -> String {
    if path.is_empty() { String::new() } else { format!(", reached by {}", arrows(path)) }
}

fn lengths(lists: &[(VariableAccess, usize)]) -> String {
    lists.iter().map(|(access, length)| format!("`{access}` has {length}")).collect::<Vec<_>>().join(", ")
}

fn missing_sentence(missing: &Missing) -> String {
    let wanted = missing.variables.iter().map(|variable| {
        let filters = variable.filters.iter().map(|filter| format!("`{filter}`")).collect::<Vec<_>>().join(", ");
        format!("`{}` (wanted by {filters})", variable.access.without_sign())
    });
    let list = wanted.collect::<Vec<_>>().join(", ");
    match missing.variables.len() {
        1 => format!("the variable {list} has no value"),
        _ => format!("these variables have no value: {list}"),
    }
}

/// Long explanations of the codes, for `nwf-parse --explain`.
pub const EXPLANATIONS: &[(&str, &str)] = &[
    ("nwf::resolve::no_filter", "An interface can only be resolved if its top-level filter is named."),
    (
        "nwf::resolve::unknown_filter",
        "A binding or a <filterref> names a filter that was found neither in the input document, nor in a folder named\n\
         with --filters, nor on the search path ($NWF_FILTER_PATH, else /etc/nwf/filters and /usr/share/nwf/filters).\n\
         A filter NAME is looked up as the file NAME.xml.",
    ),
    (
        "nwf::resolve::cycle",
        "Following the references from the top-level filter, a filter is reached that is already on the way. Such a tree\n\
         has no end. The message shows the whole way. A filter that is reached twice on different ways is fine.",
    ),
    (
        "nwf::resolve::too_deep",
        "The references lead from filter to filter more often than --max-depth allows (100 unless told otherwise).",
    ),
    (
        "nwf::resolve::too_many_references",
        "A filter that is referred to on several ways is expanded once for each. Together these are more than --max-rules\n\
         allows, although there may be few filters.",
    ),
    (
        "nwf::resolve::too_many_rules",
        "Each combination of the values of a rule's lists is one rule: two lists of 1,000 values with different iterators\n\
         are 1,000,000. The limit is --max-rules, 100,000 unless told otherwise.",
    ),
    (
        "nwf::resolve::missing_variable",
        "A rule uses a variable that has no value in the environment of its filter: neither the binding, nor --param,\n\
         --params or --leases, nor a <parameter> on the way gives one, or a position such as [7] is behind the end of the\n\
         list. With --partial the document names what is missing, and can be completed when an address is learned.",
    ),
    (
        "nwf::resolve::unequal_lists",
        "Accesses with the same iterator are walked in step: the first value of one goes with the first of the other. So\n\
         their lists need equal lengths; a single value is not repeated. Give one of them another iterator, as in $IP and\n\
         $PORT[@1], to get all combinations.",
    ),
    (
        "nwf::resolve::bad_value",
        "The text of a variable takes the place of the attribute's value, and must be of the kind that the attribute takes.",
    ),
    ("nwf::resolve::no_list", "The attribute takes one value; a variable there must have exactly one."),
    (
        "nwf::resolve::empty_range",
        "The end of a range of ports, addresses or numbers lies before its start, so it holds nothing. Firewall tools\n\
         refuse such a rule.",
    ),
    (
        "nwf::resolve::stp_inout",
        "Spanning-tree frames always go to 01:80:c2:00:00:00. A rule for both directions is mirrored for one of them, which\n\
         would turn its source address into a second destination.",
    ),
    (
        "nwf::resolve::learning_method",
        "The parameter CTRL_IP_LEARNING of the binding selects how a missing IP address is learned: any (from any packet\n\
         of the guest), dhcp (from a DHCP server's answers), or none.",
    ),
    (
        "nwf::resolve::broken_filter",
        "A filter was found on the search path, but its XML is wrong. Nothing is made from half a filter.",
    ),
    (
        "nwf::resolve::unreadable_filter",
        "The operating system, or the size or encoding of the file, prevents reading it.",
    ),
    (
        "nwf::resolve::other_filter",
        "On the search path the filter NAME is the file NAME.xml. A file whose filter has another name would make it\n\
         depend on the way of looking which filter is used.",
    ),
    (
        "nwf::resolve::chain_priorities",
        "Filters that name the same chain share it. If they give it different priorities, the one of the first rule in\n\
         the order of rules holds, and the others have no effect.",
    ),
];
