//! One rule in one chain: the lines that say it.

use std::fmt::Write;

use super::fields::{Unwritable, shape};
use super::matching::{self, Wrong};
use super::{Work, is_answered, names, setup};
use crate::model::{Direction, Layer, Profile, State};
use crate::plan::{Line, RejectMode, StateMode};
use crate::render::{Place, RenderError, RenderWarning, add_new};
use crate::ruleset::{ConnectionDirection, Placement, Rule, Side, StateTest, Verdict};

impl Work<'_> {
    /// Writes a rule as it reads on one side, if it stands there.
    pub(super) fn rule_lines(&mut self, rule: &Rule, side: Side, lines: &mut Vec<Line>) {
        let placements = rule.placements(self.profile);
        let Some(placement) = placements.iter().find(|placement| placement.side == side) else { return };
        let expressions = placement.expressions(rule);
        let shape = match shape(rule, &expressions, self.profile) {
            Ok(shape) => shape,
            Err(errors) => {
                for (attribute, error) in errors {
                    let place =
                        Place { attribute: attribute.map(|shown| written_as(shown, placement)), ..Place::of(rule) };
                    let error = self.unwritable(place, error);
                    add_new(&mut self.errors, [error]);
                }
                return;
            }
        };
        let written = match matching::write(&shape, &rule.wheels, self.profile) {
            Ok(written) => written,
            Err(wrong) => {
                let error = self.wrong(rule, placement, wrong);
                add_new(&mut self.errors, [error]);
                return;
            }
        };
        if self.profile == Profile::Nwf {
            let place = |attribute| Place::of(rule).with(written_as(attribute, placement));
            let warnings =
                written.inverted_lists.iter().map(|shown| RenderWarning::InvertedList { place: place(*shown) });
            add_new(&mut self.warnings, warnings);
        }
        let state = match &placement.state {
            None => String::new(),
            Some(asked) => match self.state_test(rule, asked) {
                Some(text) => text,
                None => return,
            },
        };
        let mut guards = String::new();
        for guard in &shape.guards {
            let _ = write!(guards, "{guard} ");
        }
        let same = written.texts.iter().any(|text| text.contains("@same"));
        self.parts.same |= same;
        let verdict = self.verdict(rule, side);
        let comment = names::comment(&rule.provenance, rule.comment.as_deref());
        for text in written.texts {
            let blank = if text.is_empty() { "" } else { " " };
            let text = format!("{guards}{text}{blank}{state}counter{verdict} comment \"{comment}\"");
            lines.push(Line { text, provenance: Some(rule.provenance.clone()) });
        }
    }

    fn unwritable(&self, place: Place, error: Unwritable) -> RenderError {
        let interface = self.interface.clone();
        match error {
            // What is not there names the attribute.
            Unwritable::NotYet(what) => {
                let place = Place { attribute: None, ..place };
                RenderError::NotYet { interface, place, what: what.to_owned() }
            }
            Unwritable::IpSet => RenderError::IpSet { interface, place },
            Unwritable::NeedsProtocol(needed) => RenderError::NeedsProtocol { interface, place, needed },
            Unwritable::Malformed(why) => {
                RenderError::Malformed { interface, place: Place { attribute: None, ..place }, why }
            }
        }
    }

    fn wrong(&self, rule: &Rule, placement: &Placement, wrong: Wrong) -> RenderError {
        let interface = self.interface.clone();
        let place = |attribute| Place::of(rule).with(written_as(attribute, placement));
        match wrong {
            Wrong::EmptyRange { attribute, start, end } => {
                RenderError::EmptyRange { interface, place: place(attribute), start, end }
            }
            Wrong::Value { attribute } => {
                let why = "the value is none that the attribute can have".to_owned();
                RenderError::Malformed { interface, place: place(attribute), why }
            }
        }
    }

    /// NFT-113, with a blank behind it; none if this host knows no state, which is an error then.
    fn state_test(&mut self, rule: &Rule, test: &StateTest) -> Option<String> {
        match self.state {
            StateMode::Native => {
                self.parts.native_state = true;
                let direction = match test.direction {
                    Some(ConnectionDirection::Original) => "ct direction original ",
                    Some(ConnectionDirection::Reply) => "ct direction reply ",
                    None => "",
                };
                let names: Vec<String> = test.states.iter().map(|state| state.name().to_ascii_lowercase()).collect();
                Some(format!("{direction}ct state {} ", names.join(",")))
            }
            StateMode::Relay => {
                self.parts.relay_state = true;
                let (mask, reply) = match test.direction {
                    Some(ConnectionDirection::Original) => (setup::RELAY_MASK, 0),
                    Some(ConnectionDirection::Reply) => (setup::RELAY_MASK, setup::RELAY_REPLY),
                    None => (setup::STATE_MASK, 0),
                };
                let marks: Vec<String> =
                    test.states.iter().map(|state| format!("{:#010x}", mark(*state) | reply)).collect();
                Some(match marks.as_slice() {
                    [single] => format!("meta mark & {mask:#010x} == {single} "),
                    _ => format!("meta mark & {mask:#010x} {{ {} }} ", marks.join(", ")),
                })
            }
            StateMode::None => {
                let error = RenderError::NoState { interface: self.interface.clone(), place: Place::of(rule) };
                add_new(&mut self.errors, [error]);
                None
            }
        }
    }

    /// What stands behind the counter, with a blank in front.
    fn verdict(&mut self, rule: &Rule, side: Side) -> String {
        let ethernet = rule.layer() == Layer::Ethernet;
        match rule.verdict {
            Verdict::Accept => " accept".to_owned(),
            Verdict::Return => " return".to_owned(),
            Verdict::Continue if ethernet => " continue".to_owned(),
            // An IP-layer `continue` counts (QE-10).
            Verdict::Continue => String::new(),
            Verdict::Reject if !ethernet => self.reject(rule, side),
            Verdict::Drop | Verdict::Reject => " drop".to_owned(),
        }
    }

    /// NFT-124.
    fn reject(&mut self, rule: &Rule, side: Side) -> String {
        let filter = rule.provenance.filter.clone();
        let at = rule.provenance.at.clone();
        if !is_answered(rule, side) {
            // The answers of a connection that was rejected need no answer.
            let told = |warning: &RenderWarning| matches!(warning, RenderWarning::RejectIsDrop { filter: known, .. } if *known == filter);
            if rule.direction != Direction::Out && !self.warnings.iter().any(told) {
                self.warnings.push(RenderWarning::RejectIsDrop { filter, at });
            }
            return " drop".to_owned();
        }
        match self.reject {
            RejectMode::Native => {
                self.parts.native_reject = true;
                " reject with icmpx type port-unreachable".to_owned()
            }
            RejectMode::Relay => {
                self.parts.relay_reject = true;
                format!(" meta mark set meta mark | {:#010x} accept", setup::REJECT_BIT)
            }
            RejectMode::Drop => {
                self.degraded = true;
                let told = |warning: &RenderWarning| matches!(warning, RenderWarning::RejectNeedsHost { filter: known, .. } if *known == filter);
                if !self.warnings.iter().any(told) {
                    self.warnings.push(RenderWarning::RejectNeedsHost { filter, at });
                }
                " drop".to_owned()
            }
        }
    }
}

/// The relay's number of a state, in its place in the mark.
fn mark(state: State) -> u32 {
    match state {
        State::New => 0x0100_0000,
        State::Established => 0x0200_0000,
        State::Related => 0x0300_0000,
        State::Invalid => 0x0400_0000,
        // A test never has it: it says that there is no test.
        State::None => 0,
    }
}

/// The attribute as the author wrote it, where the rule is mirrored.
fn written_as(attribute: crate::model::Attribute, placement: &Placement) -> crate::model::Attribute {
    if super::is_mirrored(placement.orientation) { attribute.mirrored() } else { attribute }
}
