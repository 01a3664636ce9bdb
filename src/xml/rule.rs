//! `<rule>` and the protocol elements inside it (spec 01, sections 4 to 8).

use std::ops::Range;

use crate::model::{
    Action, Attribute, ChainName, Direction, FieldRow, Item, Kind, Layer, Operand, Priority, Profile, Protocol, Role,
    Rule, StateSet, Value, VariableAccess,
};
use crate::problem::closest;

use super::problem::XmlError;
use super::read::{DocumentReader, nearest};
use super::tree::{self, Element};

/// What one attribute of a rule has in the end, and where that stands.
#[derive(Debug, Clone)]
struct Slot {
    operand: Operand,
    /// The sign as written.
    negated: bool,
    /// Number of the element, from 0.
    element: usize,
    span: Range<usize>,
}

/// What the elements of one rule give, by row of the field table.
struct Slots {
    protocol: Protocol,
    of_row: Vec<Option<Slot>>,
    /// Every access in order of first appearance, also those overwritten later (RES-31, RES-38).
    accesses: Vec<VariableAccess>,
    /// The states of all elements together (XML-57).
    states: Option<StateSet>,
}

impl Slots {
    fn new(protocol: Protocol) -> Self {
        Slots { protocol, of_row: vec![None; protocol.rows().len()], accesses: Vec::new(), states: None }
    }

    fn get(&self, attribute: Attribute) -> Option<&Slot> {
        let position = self.protocol.rows().iter().position(|row| row.attribute == attribute)?;
        self.of_row.get(position)?.as_ref()
    }

    fn literal(&self, attribute: Attribute) -> Option<&Value> {
        match &self.get(attribute)?.operand {
            Operand::Literal(value) => Some(value),
            Operand::Variable(_) => None,
        }
    }

    /// The attributes that are there, in table order.
    fn present(&self) -> Vec<(&'static FieldRow, Slot)> {
        let rows = self.protocol.rows().iter().zip(&self.of_row);
        rows.filter_map(|(row, slot)| Some((row, slot.clone()?))).collect()
    }

    /// The sign that libvirt gives an attribute in the end, and the one that it takes it from (XML-43).
    fn libvirt_sign(&self, row: &FieldRow, slot: &Slot) -> (bool, Option<Attribute>) {
        match libvirt_leader(self.protocol, row) {
            None => (slot.negated, None),
            Some(leader) => (self.get(leader).is_some_and(|leader| leader.negated), Some(leader)),
        }
    }

    /// Whether an attribute stands for nothing since the one that it belongs to is absent (XML-82).
    fn lacks_leader(&self, row: &FieldRow) -> Option<Attribute> {
        let leader = match row.role {
            // XML-75: there any of the four bounds brings the others with it.
            _ if self.protocol == Protocol::Ipv6 && is_icmp_bound(row.attribute) => return None,
            Role::Leader | Role::Remark | Role::OptionOf(_) => return None,
            Role::MaskOf(leader) | Role::EndOf(leader) | Role::CodeOf(leader) => leader,
        };
        self.get(leader).is_none().then_some(leader)
    }

    /// The sign that an attribute has in the profile `nwf`: masks and ends of ranges go with what they
    /// belong to, everything else has its own.
    fn our_sign(&self, row: &FieldRow, slot: &Slot) -> bool {
        match row.role {
            Role::MaskOf(leader) | Role::EndOf(leader) => match self.get(leader) {
                Some(leader) => leader.negated,
                None => slot.negated && self.lacks_leader(row).is_none(),
            },
            Role::Leader | Role::CodeOf(_) | Role::OptionOf(_) | Role::Remark => slot.negated,
        }
    }
}

fn is_icmp_bound(attribute: Attribute) -> bool {
    matches!(attribute, Attribute::Type | Attribute::TypeEnd | Attribute::Code | Attribute::CodeEnd)
}

/// The attribute whose sign libvirt gives to this one (XML-43).
fn libvirt_leader(protocol: Protocol, row: &FieldRow) -> Option<Attribute> {
    use Attribute as A;
    match (protocol, row.attribute) {
        (Protocol::Arp | Protocol::Rarp, _) => None,
        (Protocol::Mac | Protocol::Vlan | Protocol::Stp, _) => match row.role {
            Role::MaskOf(leader) | Role::EndOf(leader) => Some(leader),
            Role::Leader | Role::CodeOf(_) | Role::OptionOf(_) | Role::Remark => None,
        },
        (_, A::SrcIpMask) => Some(A::SrcIpAddr),
        (_, A::DstIpMask) => Some(A::DstIpAddr),
        (Protocol::Ipv6, A::TypeEnd | A::Code | A::CodeEnd) => Some(A::Type),
        (Protocol::Ip | Protocol::Ipv6, _) => None,
        (_, A::SrcIpTo) => Some(A::SrcIpFrom),
        (_, A::DstIpTo) => Some(A::DstIpFrom),
        (_, A::SrcPortEnd | A::DstPortStart | A::DstPortEnd) => Some(A::SrcPortStart),
        (_, A::Code) => Some(A::Type),
        _ => None,
    }
}

fn sign_name(negated: bool) -> &'static str {
    if negated { "negated" } else { "as positive" }
}

impl<'t> DocumentReader<'t> {
    /// `<rule>`. None if action or direction cannot be read, which has been told then.
    pub fn rule(&mut self, element: &Element<'t>, chain: &ChainName) -> Option<Rule> {
        self.known_attributes(element, &["action", "direction", "priority", "statematch"]);
        self.no_text(element);
        let at = self.at(element.start);
        let action = self.word(
            element,
            "action",
            "every rule has an action: `drop`, `accept`, `reject`, `return` or `continue`",
            &Action::ALL.map(|action| (action.name(), action)),
            |text, closest| XmlError::BadAction { text, closest },
        );
        let direction = self.word(
            element,
            "direction",
            "every rule has a direction: `in` (to the guest), `out` (from the guest) or `inout`",
            &Direction::ALL.map(|direction| (direction.name(), direction)),
            |text, closest| XmlError::BadDirection { text, closest },
        );
        let priority = match element.attribute("priority") {
            None => Priority::RULE_DEFAULT,
            Some(attribute) => self.priority(&attribute.value, attribute.value_span()).unwrap_or_else(|| {
                let error = XmlError::BadPriority { text: attribute.value.clone().into_owned() };
                self.odd(attribute.value_span(), error);
                Priority::RULE_DEFAULT
            }),
        };
        let statematch = match element.attribute("statematch") {
            None => true,
            Some(attribute) => self.statematch(attribute),
        };
        let mut rule = Rule {
            action: action.unwrap_or(Action::Drop),
            direction: direction.unwrap_or(Direction::Inout),
            priority,
            statematch,
            protocol: None,
            items: Vec::new(),
            accesses: Vec::new(),
            effective_state: None,
            at: Some(at),
        };
        if let Some(slots) = self.protocol_elements(element) {
            if slots.protocol.layer() != Layer::Ethernet && !chain.is_root() {
                let error =
                    XmlError::IpRuleInChain { protocol: slots.protocol.name(), chain: chain.as_str().to_owned() };
                self.warn(element.span(), error);
            }
            self.finish(slots, element, &mut rule);
        }
        (action.is_some() && direction.is_some()).then_some(rule)
    }

    fn word<T: Copy>(
        &mut self,
        element: &Element<'t>,
        name: &'static str,
        help: &'static str,
        words: &[(&'static str, T)],
        wrong: impl Fn(String, Option<&'static str>) -> XmlError,
    ) -> Option<T> {
        let Some(attribute) = element.attribute(name) else {
            self.error(element.span(), XmlError::MissingAttribute { element: "rule", attribute: name, help });
            return None;
        };
        let found = words.iter().find(|(word, _)| *word == attribute.value).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let names: Vec<_> = words.iter().map(|(word, _)| *word).collect();
            let near = nearest(&attribute.value.to_lowercase(), &names);
            let error = wrong(attribute.value.clone().into_owned(), near);
            self.error(attribute.value_span(), error);
        }
        found
    }

    fn statematch(&mut self, attribute: &tree::Attribute<'t>) -> bool {
        match attribute.value.to_ascii_lowercase().as_str() {
            "0" | "false" => false,
            // What libvirt's schema has no word for: on is on.
            "1" | "true" => true,
            _ => {
                let text = attribute.value.clone().into_owned();
                self.odd(attribute.value_span(), XmlError::BadStatematch { text });
                true
            }
        }
    }

    /// The elements that say what the rule matches (XML-32).
    fn protocol_elements(&mut self, element: &Element<'t>) -> Option<Slots> {
        let mut slots: Option<Slots> = None;
        let mut number = 0;
        for child in &element.children {
            let Ok(protocol) = child.name.parse::<Protocol>() else {
                let names: Vec<_> = Protocol::ALL.iter().map(|protocol| protocol.name()).collect();
                self.unknown_element(element, child, &names);
                continue;
            };
            let slots = slots.get_or_insert_with(|| Slots::new(protocol));
            if slots.protocol == protocol {
                self.protocol_element(child, slots, number);
                number += 1;
            } else {
                let error = XmlError::SecondProtocol { first: slots.protocol.name(), second: protocol.name() };
                self.odd(child.span(), error);
            }
        }
        slots
    }

    fn protocol_element(&mut self, element: &Element<'t>, slots: &mut Slots, number: usize) {
        self.known_children(element, &[]);
        let protocol = slots.protocol;
        let mut known: Vec<_> = protocol.rows().iter().map(|row| row.attribute.name()).collect();
        known.push("match");
        self.known_attributes(element, &known);
        let negated = match element.attribute("match") {
            None => false,
            Some(attribute) if attribute.value == "no" => true,
            Some(attribute) if attribute.value == "yes" => false,
            Some(attribute) => {
                let text = attribute.value.clone().into_owned();
                self.odd(attribute.value_span(), XmlError::BadMatch { text });
                false
            }
        };
        for (position, row) in protocol.rows().iter().enumerate() {
            let Some(attribute) = element.attribute(row.attribute.name()) else { continue };
            if row.ours && self.profile == Profile::Libvirt {
                let error = XmlError::OnlyOurs { attribute: row.attribute.name(), element: protocol.name() };
                self.warn(attribute.span(), error);
                continue;
            }
            let Some(operand) = self.operand(protocol, row, attribute) else { continue };
            if let Operand::Variable(access) = &operand
                && !slots.accesses.contains(access)
            {
                slots.accesses.push(access.clone());
            }
            let mut slot = Slot { operand, negated, element: number, span: attribute.span() };
            if let Operand::Literal(Value::State(states)) = &slot.operand {
                let union = slots.states.as_ref().map_or_else(|| states.clone(), |before| before.union(states));
                slots.states = Some(union.clone());
                if self.profile == Profile::Nwf {
                    slot.operand = Operand::Literal(Value::State(union));
                }
            }
            let again_line = self.line(attribute.name_at);
            if let Some(place) = slots.of_row.get_mut(position)
                && let Some(before) = place.replace(slot.clone())
                && (before.operand != slot.operand || before.negated != negated)
                && row.kind != Kind::State
            {
                self.warn(before.span, XmlError::Overwritten { attribute: row.attribute.name(), again_line });
            }
        }
        if self.profile == Profile::Libvirt {
            self.ports_have_a_protocol(slots);
        }
    }

    /// Literal or variable; none if it is neither, which has been told then.
    fn operand(
        &mut self,
        protocol: Protocol,
        row: &'static FieldRow,
        attribute: &tree::Attribute<'t>,
    ) -> Option<Operand> {
        let text = attribute.value.as_ref();
        let comment_of_ours = row.kind == Kind::Text && self.profile == Profile::Nwf;
        if text.starts_with('$') && !comment_of_ours {
            return self.variable(row, attribute);
        }
        if self.profile == Profile::Libvirt && row.attribute == Attribute::DstIpTo && protocol.layer() == Layer::Ipv6 {
            let error = XmlError::Ipv4RangeEnd { element: protocol.name(), attribute: row.attribute.name() };
            self.error(attribute.value_span(), error);
            return None;
        }
        match Value::parse(row.kind, text, self.profile) {
            Ok(parsed) => {
                if let Some(why) = parsed.loose {
                    let error = XmlError::LooseValue {
                        attribute: row.attribute.name(),
                        text: text.to_owned(),
                        read: parsed.value.print(row.kind),
                        why,
                    };
                    self.warn(attribute.value_span(), error);
                }
                Some(Operand::Literal(parsed.value))
            }
            Err(invalid) => {
                let error = XmlError::BadValue {
                    attribute: row.attribute.name(),
                    text: text.to_owned(),
                    kind: row.kind,
                    because: invalid.because,
                    variable: row.allows_variable(),
                    closest: closest_word(row.kind, text),
                };
                self.error(attribute.value_span(), error);
                None
            }
        }
    }

    fn variable(&mut self, row: &'static FieldRow, attribute: &tree::Attribute<'t>) -> Option<Operand> {
        let text = attribute.value.as_ref();
        let span = attribute.value_span();
        if !row.allows_variable() && self.profile == Profile::Nwf {
            let error = XmlError::VariableNotAllowed { attribute: row.attribute.name(), expected: row.kind.expected() };
            self.error(span, error);
            return None;
        }
        let Ok(access) = VariableAccess::parse(text, self.profile) else {
            self.error(span, XmlError::BadVariable { text: text.to_owned() });
            return None;
        };
        if VariableAccess::parse(text, Profile::Nwf).is_err() {
            let read = match access.name.as_str() {
                "" => "a variable without a name, which never has a value".to_owned(),
                _ => format!("`{access}`"),
            };
            let error = XmlError::LooseVariable { text: text.to_owned(), read };
            self.warn(span.clone(), error);
        }
        if !row.allows_variable() {
            let effect = match row.kind {
                Kind::TcpFlags => "libvirt matches `NONE/NONE`",
                Kind::Text => "the comment is lost",
                _ => "libvirt ignores the value",
            };
            self.warn(span, XmlError::UselessVariable { attribute: row.attribute.name(), effect });
        }
        Some(Operand::Variable(access))
    }

    /// XML-80: ports need a protocol that has them.
    fn ports_have_a_protocol(&mut self, slots: &Slots) {
        const PORTS: [Attribute; 4] =
            [Attribute::SrcPortStart, Attribute::SrcPortEnd, Attribute::DstPortStart, Attribute::DstPortEnd];
        /// tcp, udp, dccp, sctp.
        const WITH_PORTS: [u32; 4] = [6, 17, 33, 132];
        if !matches!(slots.protocol, Protocol::Ip | Protocol::Ipv6) {
            return;
        }
        let protocol = slots.literal(Attribute::Protocol).and_then(Value::number);
        if protocol.is_some_and(|number| WITH_PORTS.contains(&number)) {
            return;
        }
        let more = match self.profile {
            Profile::Nwf => "",
            Profile::Libvirt => ", in the same element or an earlier one",
        };
        for attribute in PORTS {
            if let Some(slot) = slots.get(attribute) {
                let error = XmlError::PortsWithoutProtocol { attribute: attribute.name(), more };
                self.error(slot.span.clone(), error);
                return;
            }
        }
    }

    /// What is left to do when all elements of a rule are read.
    fn finish(&mut self, mut slots: Slots, element: &Element<'t>, rule: &mut Rule) {
        if self.profile == Profile::Nwf {
            self.ports_have_a_protocol(&slots);
        }
        self.complete_ip_set(&mut slots);
        self.warn_of_no_effect(&slots, rule);
        let mut in_use = Vec::new();
        rule.protocol = Some(slots.protocol);
        for (row, slot) in slots.present() {
            let (theirs, leader) = slots.libvirt_sign(row, &slot);
            let ours = slots.our_sign(row, &slot);
            self.compare_signs(&slots, row, &slot, (theirs, leader), ours);
            let negated = match self.profile {
                Profile::Nwf => ours,
                Profile::Libvirt => theirs,
            };
            if let Operand::Variable(access) = &slot.operand {
                in_use.push((slot.element, access.clone()));
            }
            rule.items.push(Item { attribute: row.attribute, negated, operand: slot.operand });
        }
        // The sort is stable: inside an element the order of the table stays (RES-31).
        in_use.sort_by_key(|(element, _)| *element);
        let mut accesses: Vec<VariableAccess> = Vec::new();
        for (_, access) in in_use {
            if !accesses.contains(&access) {
                accesses.push(access);
            }
        }
        if self.profile == Profile::Libvirt {
            accesses.clone_from(&slots.accesses);
            self.effective_state(&slots, rule);
        }
        if !rule.access_list().into_iter().eq(&accesses) {
            rule.accesses = accesses;
        }
        self.warn_of_mac_and_ip(element, rule);
    }

    /// libvirt prints the last `state` and uses all.
    fn effective_state(&mut self, slots: &Slots, rule: &mut Rule) {
        let Some(union) = &slots.states else { return };
        let Some(slot) = slots.get(Attribute::State) else { return };
        if slot.operand == Operand::Literal(Value::State(union.clone())) {
            return;
        }
        let last = match &slot.operand {
            Operand::Literal(value) => value.print(Kind::State),
            Operand::Variable(access) => access.to_string(),
        };
        let error = XmlError::StateUnited { union: Value::State(union.clone()).print(Kind::State), last };
        self.warn(slot.span.clone(), error);
        rule.effective_state = Some(union.clone());
    }

    /// XML-81 and Q-20.
    fn complete_ip_set(&mut self, slots: &mut Slots) {
        let rows = slots.protocol.rows();
        let position = |attribute| rows.iter().position(|row| row.attribute == attribute);
        let (Some(set_at), Some(flags_at)) = (position(Attribute::IpSet), position(Attribute::IpSetFlags)) else {
            return;
        };
        let keeps = matches!(slots.protocol, Protocol::All | Protocol::AllIpv6);
        let element = slots.protocol.name();
        let set = slots.of_row.get(set_at).cloned().flatten();
        let flags = slots.of_row.get(flags_at).cloned().flatten();
        let clear = |slots: &mut Slots, position: usize| {
            if let Some(slot) = slots.of_row.get_mut(position) {
                *slot = None;
            }
        };
        match (set, flags, self.profile) {
            (None, None, _) | (Some(_), Some(_), Profile::Nwf) => {}
            (None, Some(flags), Profile::Nwf) => self.error(flags.span, XmlError::SetFlagsAlone),
            (Some(set), None, Profile::Nwf) => add_source_flag(slots, flags_at, &set),
            (Some(set), None, Profile::Libvirt) if keeps => {
                let error = XmlError::NoEffect {
                    attribute: "ipset",
                    why: "libvirt looks no set up without `ipsetflags`".to_owned(),
                    help: "add `ipsetflags='src'` or `'dst'`",
                };
                self.warn(set.span, error);
            }
            (_, _, Profile::Libvirt) if keeps => {}
            (Some(set), None, Profile::Libvirt) => {
                add_source_flag(slots, flags_at, &set);
                self.warn(set.span, XmlError::SetWithoutFlags);
            }
            (Some(set), Some(_), Profile::Libvirt) => {
                clear(slots, set_at);
                clear(slots, flags_at);
                self.warn(set.span, XmlError::SetDropped { what: "`ipset` and `ipsetflags`", element });
            }
            (None, Some(flags), Profile::Libvirt) => {
                clear(slots, flags_at);
                self.warn(flags.span, XmlError::SetDropped { what: "`ipsetflags`", element });
            }
        }
    }

    /// XML-82, XML-73 and Q-26: what is accepted and changes nothing.
    fn warn_of_no_effect(&mut self, slots: &Slots, rule: &Rule) {
        let profile = self.profile;
        for (row, slot) in slots.present() {
            let attribute = row.attribute.name();
            let mut tell = |why: String, help| {
                self.warn(slot.span.clone(), XmlError::NoEffect { attribute, why, help });
            };
            if let Some(leader) = slots.lacks_leader(row) {
                tell(format!("the rule has no `{leader}`"), "add the attribute that it belongs to, or remove it");
                continue;
            }
            let address = match row.attribute {
                Attribute::SrcIpFrom | Attribute::SrcIpTo => Some(Attribute::SrcIpAddr),
                Attribute::DstIpFrom | Attribute::DstIpTo => Some(Attribute::DstIpAddr),
                _ => None,
            };
            if let Some(address) = address.filter(|address| slots.get(*address).is_some()) {
                tell(format!("`{address}` is there too"), "keep either the address or the range");
            }
            let negatable = !matches!(row.attribute, Attribute::State | Attribute::IpSet);
            if slot.negated && !negatable {
                let why = format!("`match='no'` does not negate `{attribute}`");
                tell(why, "move it to an element of its own, without `match`");
            }
            match &slot.operand {
                _ if row.attribute == Attribute::State && !rule.statematch => {
                    tell("`statematch` is off".to_owned(), "remove one of the two");
                }
                _ if row.attribute == Attribute::Comment
                    && slots.protocol.layer() == Layer::Ethernet
                    && profile == Profile::Libvirt =>
                {
                    let why = "libvirt keeps comments of IP-layer protocols only".to_owned();
                    tell(why, "write an XML comment: `<!-- ... -->`");
                }
                Operand::Literal(Value::Bool(false)) => {
                    tell("`false` matches gratuitous and other ARP".to_owned(), "remove it");
                }
                Operand::Literal(end) => self.warn_of_empty_range(slots, row, end, &slot),
                Operand::Variable(_) => {}
            }
        }
    }

    fn warn_of_empty_range(&mut self, slots: &Slots, row: &FieldRow, end: &Value, slot: &Slot) {
        let Role::EndOf(leader) = row.role else { return };
        let Some(start) = slots.literal(leader) else { return };
        // Of one kind, so of one variant, but for the base that a number was written in.
        if start.clone().normalized() > end.clone().normalized() {
            let error = XmlError::RangeReversed { start: start.print(row.kind), end: end.print(row.kind) };
            self.warn(slot.span.clone(), error);
        }
    }

    /// Q-10 and XML-43: tells where a sign is not the one that was written, or not the one of libvirt.
    fn compare_signs(
        &mut self,
        slots: &Slots,
        row: &FieldRow,
        slot: &Slot,
        (theirs, leader): (bool, Option<Attribute>),
        ours: bool,
    ) {
        let Some(leader) = leader else { return };
        let attribute = row.attribute.name();
        let follows = match row.role {
            Role::MaskOf(leader) | Role::EndOf(leader) => slots.get(leader).is_some(),
            Role::Leader | Role::CodeOf(_) | Role::OptionOf(_) | Role::Remark => false,
        };
        let useless = slots.lacks_leader(row).is_some();
        match self.profile {
            // Of an end or a mask that goes with its start, the start has told it.
            Profile::Nwf if theirs != ours && !follows && !useless => {
                let error = XmlError::SignDiffers {
                    attribute,
                    leader: leader.name(),
                    theirs: sign_name(theirs),
                    ours: sign_name(ours),
                };
                self.warn(slot.span.clone(), error);
            }
            Profile::Libvirt if theirs != slot.negated && !useless => {
                let error = XmlError::SignTakenOver {
                    attribute,
                    leader: leader.name(),
                    written: sign_name(slot.negated),
                    read: sign_name(theirs),
                };
                self.warn(slot.span.clone(), error);
            }
            Profile::Nwf | Profile::Libvirt => {}
        }
    }

    /// QR-3: `$MAC` has one value, `$IP` may have several.
    fn warn_of_mac_and_ip(&mut self, element: &Element<'t>, rule: &Rule) {
        let accesses = rule.access_list();
        let iterator_of = |name: &str| {
            accesses.iter().filter(|access| access.name.as_str() == name).map(|access| access.kind).collect::<Vec<_>>()
        };
        let mac = iterator_of("MAC");
        for list in ["IP", "IPV6"] {
            let walks = |kind: &crate::model::AccessKind| matches!(kind, crate::model::AccessKind::Iterator(_));
            if iterator_of(list).iter().any(|kind| walks(kind) && mac.contains(kind)) {
                self.warn(element.span(), XmlError::MacAndIp { list });
            }
        }
    }
}

/// `ipset` alone means `ipsetflags='src'`.
fn add_source_flag(slots: &mut Slots, flags_at: usize, set: &Slot) {
    use crate::model::IpSetDirection;
    if let Some(slot) = slots.of_row.get_mut(flags_at) {
        let operand = Operand::Literal(Value::IpSetFlags(vec![IpSetDirection::Src]));
        *slot = Some(Slot { operand, negated: false, element: set.element, span: set.span.clone() });
    }
}

/// The name that a mistyped value most probably means, where the kind has names.
fn closest_word(kind: Kind, text: &str) -> Option<&'static str> {
    let mut names: Vec<&'static str> = kind.names().iter().map(|(name, _)| *name).collect();
    match kind {
        Kind::State => names.extend(crate::model::State::ALL.map(crate::model::State::name)),
        Kind::Bool => names.extend(["true", "false", "yes", "no"]),
        _ => {}
    }
    let lower = text.to_lowercase();
    // A number that is out of range is no mistyped name.
    if text.starts_with(|c: char| c.is_ascii_digit()) || text.is_empty() || text.len() > 64 {
        return None;
    }
    let folded: Vec<String> = names.iter().map(|name| name.to_lowercase()).collect();
    let near = closest(&lower, folded.iter().map(String::as_str))?;
    folded.iter().position(|name| name == near).and_then(|position| names.get(position).copied())
}
