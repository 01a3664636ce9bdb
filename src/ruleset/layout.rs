//! In which order the rules and jumps of a chain stand (spec 02, section 9).

use super::{Chain, InterfaceRules, Rule, Side};
use crate::model::{ChainName, Layer};

/// One step of the root chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// Enter a chain, if the frame is of the chain's kind (RES-82).
    Jump(&'a Chain),
    /// A rule of `root`.
    Rule(&'a Rule),
}

impl InterfaceRules {
    /// The Ethernet-layer content of `root` on one side: jumps by chain priority among rules by priority; at
    /// equal priority the jump comes first (RES-86).
    pub fn root(&self, side: Side) -> Vec<Step<'_>> {
        let mut chains = self.chains.iter().filter(|chain| chain.sides.contains(&side)).peekable();
        let mut steps = Vec::new();
        for rule in self.ethernet_rules(side).filter(|rule| rule.chain.is_root()) {
            while let Some(chain) = chains.next_if(|chain| chain.priority <= rule.priority) {
                steps.push(Step::Jump(chain));
            }
            steps.push(Step::Rule(rule));
        }
        steps.extend(chains.map(Step::Jump));
        steps
    }

    /// The rules of a chain beside `root` on one side.
    pub fn chain<'a>(&'a self, name: &'a ChainName, side: Side) -> impl Iterator<Item = &'a Rule> {
        self.ethernet_rules(side).filter(move |rule| rule.chain == *name)
    }

    fn ethernet_rules(&self, side: Side) -> impl Iterator<Item = &Rule> {
        let here = move |rule: &&Rule| rule.layer() == Layer::Ethernet && side.has(rule.direction);
        self.rules.iter().filter(here)
    }

    /// The IP-layer rules, in order, whatever their chain (RES-87).
    pub fn ip_rules(&self) -> impl Iterator<Item = &Rule> {
        self.rules.iter().filter(|rule| rule.layer() != Layer::Ethernet)
    }
}
