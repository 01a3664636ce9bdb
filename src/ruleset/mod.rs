//! What resolving yields: the concrete rules of an interface, for any backend.
//!
//! A rule with lists stays one rule: its values are literals or columns of [wheels](Wheel), and
//! [`Rule::combinations`] walks them in the order of RES-34. A rule also stands once however many chains it
//! is enforced in: [`Rule::placements`] tells which, and how it reads there. So what a ruleset means is
//! settled here, and backends only say it in their tool's words. Nothing here knows variables or XML.

mod expression;
mod layout;
mod placement;
mod wheel;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::model::{
    Action, Bound, ChainName, Direction, FilterName, Layer, Priority, Profile, Protocol, Provenance, StateSet,
    VariableAccess, document_kind,
};

pub use expression::{Expression, Slot, Test, TypeCode};
pub use layout::Step;
pub use placement::{ConnectionDirection, Orientation, Placement, Side, StateTest};
pub use wheel::{Column, Combinations, Wheel};

document_kind!(RulesetKind, "ruleset/1");

/// The document `ruleset/1`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ruleset {
    /// Kind and version.
    pub nwf: RulesetKind,
    /// The profile that the rules were written for.
    #[serde(default)]
    pub profile: Profile,
    /// The interfaces, in the order of their bindings.
    pub interfaces: Vec<InterfaceRules>,
}

/// The rules of one interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InterfaceRules {
    /// The interface, and where its rules come from.
    pub binding: Bound,
    /// The chains beside `root`, in the order of the jumps to them (RES-86).
    #[serde(default)]
    pub chains: Vec<Chain>,
    /// The rules in the order of RES-84: those of `root` first, then by priority, then as expanded.
    #[serde(default)]
    pub rules: Vec<Rule>,
    /// What has no value yet. Where it is present there are no rules, and nothing can be rendered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<Missing>,
}

/// Variables without a value (RES-50).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Missing {
    /// Each access without a value, sorted by its printed form.
    pub variables: Vec<MissingVariable>,
    /// How the addresses can be learned; none if they cannot (RES-52, LRN-1).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub learning: Option<LearningMethod>,
}

/// One access without a value.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct MissingVariable {
    /// The access.
    pub access: VariableAccess,
    /// The filters that use it, sorted.
    pub filters: Vec<FilterName>,
}

/// How addresses are learned (RES-53).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LearningMethod {
    /// From any packet.
    Any,
    /// From a DHCP server's answers.
    Dhcp,
}

/// A chain beside `root`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Chain {
    /// Its name; what it begins with decides which frames enter it (RES-82).
    pub name: ChainName,
    /// Its place among the rules of `root`.
    pub priority: Priority,
    /// The sides on which it exists (RES-80).
    pub sides: Vec<Side>,
}

/// What happens to a packet that a rule matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Let pass.
    Accept,
    /// Discard.
    Drop,
    /// Discard and answer.
    Reject,
    /// Leave the chain.
    Return,
    /// Go on with the next rule.
    Continue,
}

impl From<Action> for Verdict {
    fn from(action: Action) -> Verdict {
        match action {
            Action::Accept => Verdict::Accept,
            Action::Drop => Verdict::Drop,
            Action::Reject => Verdict::Reject,
            Action::Return => Verdict::Return,
            Action::Continue => Verdict::Continue,
        }
    }
}

/// What a rule says about connection state (EB-69 to EB-74).
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StateMatch {
    /// Nothing: an accepting rule of the IP layer gets the automatic check.
    #[default]
    Automatic,
    /// No check at all (`statematch='false'`).
    Off,
    /// These states; the rule holds in its own direction only. `NONE`: without a check.
    Explicit(StateSet),
}

impl StateMatch {
    fn is_automatic(&self) -> bool {
        *self == StateMatch::Automatic
    }
}

/// One rule of one interface.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// The chain of the filter that the rule is written in.
    pub chain: ChainName,
    /// That filter's chain priority; the chain's own is the first rule's (RES-83).
    pub chain_priority: Priority,
    /// The rule's own priority.
    pub priority: Priority,
    /// Which traffic it is about.
    pub direction: Direction,
    /// What it does.
    pub verdict: Verdict,
    /// What it matches; none matches every frame.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
    /// The tests, in table order; all must hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub expressions: Vec<Expression>,
    /// The check of the connection's state.
    #[serde(default, skip_serializing_if = "StateMatch::is_automatic")]
    pub state: StateMatch,
    /// The user's comment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
    /// The lists that the tests walk, fastest first; each of two or more positions.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub wheels: Vec<Wheel>,
    /// Where the rule comes from.
    pub provenance: Provenance,
}

impl Rule {
    /// The layer that the rule is enforced in.
    pub fn layer(&self) -> Layer {
        self.protocol.map_or(Layer::Ethernet, Protocol::layer)
    }

    /// The expression about one attribute.
    pub fn expression(&self, attribute: crate::model::Attribute) -> Option<&Expression> {
        self.expressions.iter().find(|expression| expression.attribute == attribute)
    }

    /// Checks what the types do not say, for documents that people or other programs wrote.
    ///
    /// # Errors
    /// What is wrong, in one sentence.
    pub fn check(&self) -> Result<(), String> {
        for wheel in &self.wheels {
            wheel.check()?;
        }
        let Some(protocol) = self.protocol else {
            return if self.expressions.is_empty() {
                Ok(())
            } else {
                Err("a rule without protocol has expressions".to_owned())
            };
        };
        let mut rows = protocol.rows().iter();
        for expression in &self.expressions {
            let attribute = expression.attribute;
            if !rows.any(|row| row.attribute == attribute) {
                return Err(format!("`{attribute}` of `{protocol}` is unknown there, stands twice, or out of order"));
            }
            expression.check(protocol, &self.wheels).map_err(|why| format!("`{attribute}` of `{protocol}`: {why}"))?;
        }
        Ok(())
    }
}

impl Ruleset {
    /// Checks every rule of the document, see [`Rule::check`], and that no interface stands twice.
    ///
    /// # Errors
    /// What is wrong, in one sentence.
    pub fn check(&self) -> Result<(), String> {
        let mut names = std::collections::BTreeSet::new();
        for rules in &self.interfaces {
            let interface = &rules.binding.interface;
            if !names.insert(interface) {
                return Err(format!("interface `{interface}` stands twice"));
            }
            for rule in &rules.rules {
                let Provenance { filter, rule: number, .. } = &rule.provenance;
                rule.check().map_err(|why| format!("{interface}, filter `{filter}` rule {number}: {why}"))?;
                if !rule.chain.is_root()
                    && !rules.chains.iter().any(|chain| chain.name == rule.chain)
                    && rule.layer() == Layer::Ethernet
                {
                    return Err(format!(
                        "{interface}, filter `{filter}` rule {number}: chain `{}` is not listed",
                        rule.chain
                    ));
                }
            }
            if rules.missing.is_some() && !rules.rules.is_empty() {
                return Err(format!("{interface} has rules although variables are missing"));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// An accepting rule for everything from the guest.
    pub fn rule() -> Rule {
        Rule {
            chain: ChainName::root(),
            chain_priority: Priority::ZERO,
            priority: Priority::RULE_DEFAULT,
            direction: Direction::Out,
            verdict: Verdict::Accept,
            protocol: None,
            expressions: Vec::new(),
            state: StateMatch::Automatic,
            comment: None,
            wheels: Vec::new(),
            provenance: Provenance { filter: "f".parse().unwrap(), rule: 1, at: None },
        }
    }
}
