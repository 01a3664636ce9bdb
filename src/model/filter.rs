//! Filters: trees of rules and references, as XML writes them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::{
    Attribute, Binding, ChainName, FilterName, Kind, Location, Parameters, Priority, Profile, Protocol, StateSet,
    Value, VariableAccess, document_kind,
};

document_kind!(FiltersKind, "filters/1");

/// The document `filters/1`: what one run of the reader yields, in the order in which it was read.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Filters {
    /// Kind and version.
    pub nwf: FiltersKind,
    /// The profile that the XML was read under.
    #[serde(default)]
    pub profile: Profile,
    /// The filters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub filters: Vec<Filter>,
    /// The bindings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub bindings: Vec<Binding>,
}

/// Something in a document that the types allow, and the profile or the field table does not.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// A name that the profile does not allow.
    #[error("{why}")]
    Name {
        /// What is wrong with it.
        why: String,
        /// Where it stands.
        at: Option<Location>,
    },
    /// A rule that no XML gives.
    #[error("filter `{filter}` rule {number}: {why}")]
    Rule {
        /// The filter.
        filter: FilterName,
        /// The rule's number in it, from 1.
        number: usize,
        /// What is wrong with it.
        why: String,
        /// Where it begins.
        at: Option<Location>,
    },
}

impl Filters {
    /// Everything that is wrong with a document from elsewhere: names for the profile, rules as [`Rule::check`]
    /// says.
    pub fn faults(&self) -> Vec<Fault> {
        let name = |name: &FilterName, at: &Option<Location>| {
            name.check(self.profile).err().map(|why| Fault::Name { why: why.to_string(), at: at.clone() })
        };
        let mut faults = Vec::new();
        for filter in &self.filters {
            faults.extend(name(&filter.name, &filter.at));
            let mut number = 0;
            for entry in &filter.entries {
                match entry {
                    Entry::Reference(reference) => faults.extend(name(&reference.filter, &reference.at)),
                    Entry::Rule(rule) => {
                        number += 1;
                        let fault = |why| Fault::Rule { filter: filter.name.clone(), number, why, at: rule.at.clone() };
                        faults.extend(rule.check().err().map(fault));
                    }
                }
            }
        }
        faults.extend(self.bindings.iter().filter_map(|binding| name(&binding.filter, &binding.at)));
        faults
    }
}

/// A named node of the filter tree (spec 01, section 2).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Filter {
    /// Its name.
    pub name: FilterName,
    /// The chain that its Ethernet-layer rules stand in.
    pub chain: ChainName,
    /// Place of the chain below `root` (XML-16).
    pub priority: Priority,
    /// The UUID that the XML gave; none if it gave none (XML-17, XML-18).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uuid: Option<Uuid>,
    /// Rules and references in document order (XML-10).
    #[serde(default)]
    pub entries: Vec<Entry>,
    /// Where the filter begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Location>,
}

impl Filter {
    /// The UUID for printing: the one given, or one made from the name, so that the same document prints
    /// the same bytes each time (XML-92; libvirt makes a random one).
    pub fn printed_uuid(&self) -> Uuid {
        self.uuid.unwrap_or_else(|| Uuid::new_v5(&Uuid::NAMESPACE_OID, self.name.as_str().as_bytes()))
    }
}

/// A child of a filter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Entry {
    /// A rule.
    Rule(Rule),
    /// Another filter, expanded in place (RES-40).
    Reference(Reference),
}

/// A reference from one filter to another (XML-20).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// The filter referred to; it need not exist (RES-70).
    pub filter: FilterName,
    /// Defaults for its variables (RES-21).
    #[serde(default, skip_serializing_if = "Parameters::is_empty")]
    pub parameters: Parameters,
    /// Where the reference stands.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Location>,
}

/// What happens to a packet that a rule matches (XML-31).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Action {
    /// Discard.
    Drop,
    /// Let pass, without more evaluation.
    Accept,
    /// Discard and answer; discard alone at the Ethernet layer.
    Reject,
    /// Leave the chain and go on in the calling one.
    Return,
    /// Go on with the next rule.
    Continue,
}

impl Action {
    /// All of them.
    pub const ALL: [Action; 5] = [Action::Drop, Action::Accept, Action::Reject, Action::Return, Action::Continue];

    /// The word in XML.
    pub fn name(self) -> &'static str {
        match self {
            Action::Drop => "drop",
            Action::Accept => "accept",
            Action::Reject => "reject",
            Action::Return => "return",
            Action::Continue => "continue",
        }
    }
}

/// Which traffic a rule is about, as the guest sees it (XML-30).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// To the guest.
    In,
    /// From the guest.
    Out,
    /// Both.
    Inout,
}

impl Direction {
    /// All of them.
    pub const ALL: [Direction; 3] = [Direction::In, Direction::Out, Direction::Inout];

    /// The word in XML.
    pub fn name(self) -> &'static str {
        match self {
            Direction::In => "in",
            Direction::Out => "out",
            Direction::Inout => "inout",
        }
    }
}

/// One rule (spec 01, section 4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// What it does.
    pub action: Action,
    /// Which traffic it is about.
    pub direction: Direction,
    /// Its place, low first (XML-30).
    pub priority: Priority,
    /// Whether the automatic connection-state check applies; `false` also switches `state` off (EB-73).
    #[serde(default = "yes", skip_serializing_if = "is_true")]
    pub statematch: bool,
    /// What it matches; none matches every frame (XML-32).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// The attributes, in table order, each with the sign that it has in the end (XML-43).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub items: Vec<Item>,
    /// The accesses of the rule in order of first appearance (RES-31); absent: that of `items`. In the
    /// profile `libvirt` it also holds accesses that a later element overwrote (QR-4).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub accesses: Vec<VariableAccess>,
    /// The states of all elements together, where the profile `libvirt` prints only the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_state: Option<StateSet>,
    /// Where the rule begins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Location>,
}

fn yes() -> bool {
    true
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "the form that serde asks for")]
fn is_true(truth: &bool) -> bool {
    *truth
}

impl Rule {
    /// The item of one attribute.
    pub fn item(&self, attribute: Attribute) -> Option<&Item> {
        self.items.iter().find(|item| item.attribute == attribute)
    }

    /// The distinct accesses of the rule in order of first appearance (RES-31).
    pub fn access_list(&self) -> Vec<&VariableAccess> {
        if !self.accesses.is_empty() {
            return self.accesses.iter().collect();
        }
        let mut list: Vec<&VariableAccess> = Vec::new();
        for item in &self.items {
            if let Operand::Variable(access) = &item.operand
                && !list.contains(&access)
            {
                list.push(access);
            }
        }
        list
    }

    /// Checks what the types do not say, for rules of documents that people wrote: the attributes belong to
    /// the protocol, stand once and in table order, and have values of their kind.
    ///
    /// # Errors
    /// The first attribute that is wrong, and how.
    pub fn check(&self) -> Result<(), String> {
        let Some(protocol) = self.protocol else {
            return match self.items.first() {
                Some(item) => Err(format!("a rule without protocol has the attribute `{}`", item.attribute)),
                None => Ok(()),
            };
        };
        let mut rows = protocol.rows().iter();
        for item in &self.items {
            let Some(row) = rows.find(|row| row.attribute == item.attribute) else {
                let why = match protocol.row(item.attribute) {
                    Some(_) => "it stands twice, or out of the order of the field table",
                    None => "the protocol does not take it",
                };
                return Err(format!("attribute `{}` of `{protocol}`: {why}", item.attribute));
            };
            match &item.operand {
                Operand::Literal(value) if !value.is_of(row.kind) => {
                    return Err(format!(
                        "attribute `{}` of `{protocol}` must be {}",
                        item.attribute,
                        row.kind.expected()
                    ));
                }
                Operand::Literal(_) | Operand::Variable(_) => {}
            }
        }
        self.check_accesses()
    }

    /// A list of accesses, where a document gives one, holds at least those of the attributes.
    fn check_accesses(&self) -> Result<(), String> {
        if self.accesses.is_empty() {
            return Ok(());
        }
        let lacking = self.items.iter().find_map(|item| match &item.operand {
            Operand::Variable(access) if !self.accesses.contains(access) => Some(access),
            Operand::Variable(_) | Operand::Literal(_) => None,
        });
        match lacking {
            Some(access) => Err(format!("`accesses` lacks `{access}`")),
            None => Ok(()),
        }
    }
}

/// One attribute of a rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Item {
    /// The attribute.
    pub attribute: Attribute,
    /// Whether the test is inverted (XML-41).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub negated: bool,
    /// Its value.
    pub operand: Operand,
}

impl Item {
    /// The text that stands for the value in XML, not escaped.
    pub fn print(&self, kind: Kind) -> String {
        match &self.operand {
            Operand::Literal(value) => value.print(kind),
            Operand::Variable(access) => access.to_string(),
        }
    }
}

/// A literal or a variable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Operand {
    /// A value of the attribute's kind.
    Literal(Value),
    /// A variable, whose values are known when an interface is resolved.
    Variable(VariableAccess),
}
