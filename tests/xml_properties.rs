//! Properties of the XML reader and writer: what is written reads back as itself, whatever stands in it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use miette::{Diagnostic, GraphicalReportHandler};
use nwf::model::{
    AccessKind, Action, Attribute, Binding, ChainName, Direction, Entry, Filter, FilterName, IpSetDirection, Item,
    Kind, MacAddr, Operand, Owner, Parameters, Priority, Profile, Protocol, Reference, Role, Rule, State, TcpFlagSet,
    TcpFlags, Value, VariableAccess,
};
use nwf::xml::{XmlError, read, read_bytes, write_binding, write_filter};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::strategy::Union;

/// Texts that try to leave their quotes.
fn hostile() -> impl Strategy<Value = String> {
    let nasty = select(vec![
        "'/><rule action='accept' direction='inout'/>",
        "\"",
        "&amp;",
        "&#39;",
        "]]>",
        "<!--",
        "-->",
        "<![CDATA[",
        "$IP",
        "\n",
        "\t",
        "\r\n",
        "é\u{1F600}",
        "\\",
        " ",
    ]);
    let piece = Union::new(vec![nasty.prop_map(str::to_owned).boxed(), "[ -~]{0,8}".boxed()]);
    proptest::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn number(kind: Kind, number: u32, hexadecimal: bool) -> Value {
    let named = Value::Number(number).print(kind).parse::<u32>().is_err();
    if hexadecimal && !named && !matches!(kind, Kind::ArpOperation | Kind::U16Decimal) {
        Value::Hex(number)
    } else {
        Value::Number(number)
    }
}

fn value(kind: Kind) -> BoxedStrategy<Value> {
    if let Some((low, high)) = kind.range() {
        return (low..=high, any::<bool>()).prop_map(move |(n, hexadecimal)| number(kind, n, hexadecimal)).boxed();
    }
    let states = || proptest::collection::vec(select(&State::ALL[..]), 0..4);
    let directions = proptest::collection::vec(any::<bool>(), 1..=6);
    match kind {
        Kind::Mac => any::<[u8; 6]>().prop_map(|bytes| Value::Mac(MacAddr::new(bytes))).boxed(),
        Kind::MacMask => (0..=48_u32)
            .prop_map(|ones| {
                let bits = (0xffff_ffff_ffff_u64 << (48 - ones)) & 0xffff_ffff_ffff;
                let bytes = bits.to_be_bytes();
                let groups: Vec<String> = bytes[2..].iter().map(|byte| format!("{byte:02x}")).collect();
                Value::MacMask(groups.join(":").parse().unwrap())
            })
            .boxed(),
        Kind::Ipv4 => any::<u32>().prop_map(|bits| Value::Ipv4(Ipv4Addr::from(bits))).boxed(),
        Kind::Ipv6 => select(vec![u128::MAX, 0xffff_ffff, 0xffff, 0xffff_ffff_ffff, u128::from(u64::MAX)])
            .prop_flat_map(|mask| any::<u128>().prop_map(move |bits| Value::Ipv6(Ipv6Addr::from(bits & mask))))
            .boxed(),
        Kind::Mask4 => (0..=32_u8).prop_map(Value::Prefix).boxed(),
        Kind::Mask6 => (0..=128_u8).prop_map(Value::Prefix).boxed(),
        Kind::Bool => any::<bool>().prop_map(Value::Bool).boxed(),
        Kind::Text => hostile()
            .prop_map(|mut text| {
                while text.len() > 256 {
                    text.pop();
                }
                Value::Text(text)
            })
            .boxed(),
        Kind::State => states().prop_map(|states| Value::State(states.into())).boxed(),
        Kind::TcpFlags => (0..=0x3f_u8, 0..=0x3f_u8)
            .prop_map(|(mask, flags)| {
                let set = |bits| TcpFlagSet::try_from(bits).unwrap();
                Value::TcpFlags(TcpFlags { mask: set(mask), flags: set(flags) })
            })
            .boxed(),
        Kind::IpSet => "[A-Za-z0-9_.:+ -]{0,31}".prop_map(Value::IpSet).boxed(),
        Kind::IpSetFlags => directions
            .prop_map(|flags| {
                let direction = |source| if source { IpSetDirection::Src } else { IpSetDirection::Dst };
                Value::IpSetFlags(flags.into_iter().map(direction).collect())
            })
            .boxed(),
        numeric => panic!("{numeric:?} has a range"),
    }
}

fn variable() -> impl Strategy<Value = Operand> {
    let kind = prop_oneof![(0..=1000_u16).prop_map(AccessKind::Iterator), any::<u32>().prop_map(AccessKind::Element)];
    ("[A-Za-z0-9_]{1,8}", kind)
        .prop_map(|(name, kind)| Operand::Variable(VariableAccess { name: name.parse().unwrap(), kind }))
}

/// One attribute, or none, for each row of a protocol.
fn items(protocol: Protocol) -> BoxedStrategy<Vec<Item>> {
    let rows = protocol.rows().iter().map(|row| {
        let attribute = row.attribute;
        let literal = value(row.kind).prop_map(Operand::Literal);
        let operand =
            if row.allows_variable() { prop_oneof![3 => literal, 1 => variable()].boxed() } else { literal.boxed() };
        let item = (any::<bool>(), operand).prop_map(move |(negated, operand)| Item { attribute, negated, operand });
        proptest::option::weighted(0.4, item)
    });
    let rows: Vec<_> = rows.collect();
    rows.prop_map(move |items| readable(protocol, items.into_iter().flatten().collect())).boxed()
}

/// Makes a set of attributes one that a reader can yield: followers have the sign of what they follow, sets
/// and their flags stand together, ports have a protocol (XML-80).
fn readable(protocol: Protocol, mut items: Vec<Item>) -> Vec<Item> {
    let has = |items: &[Item], attribute| items.iter().any(|item| item.attribute == attribute);
    if !has(&items, Attribute::IpSet) || !has(&items, Attribute::IpSetFlags) {
        items.retain(|item| !matches!(item.attribute, Attribute::IpSet | Attribute::IpSetFlags));
    }
    if matches!(protocol, Protocol::Ip | Protocol::Ipv6) {
        let tcp = Operand::Literal(Value::Number(6));
        match items.iter_mut().find(|item| item.attribute == Attribute::Protocol) {
            Some(item) => item.operand = tcp,
            None => items.retain(|item| !item.attribute.name().contains("port")),
        }
    }
    let signs: BTreeMap<Attribute, bool> = items.iter().map(|item| (item.attribute, item.negated)).collect();
    for item in &mut items {
        let bound = matches!(item.attribute, Attribute::TypeEnd | Attribute::CodeEnd);
        match protocol.row(item.attribute).unwrap().role {
            Role::MaskOf(leader) | Role::EndOf(leader) => {
                let own = bound && item.negated;
                item.negated = signs.get(&leader).copied().unwrap_or(own);
            }
            Role::Leader | Role::CodeOf(_) | Role::OptionOf(_) | Role::Remark => {}
        }
    }
    items
}

fn rule() -> impl Strategy<Value = Rule> {
    let protocol = proptest::option::weighted(0.95, select(Protocol::ALL));
    let matched = protocol.prop_flat_map(|protocol| {
        let items = protocol.map_or_else(|| Just(Vec::new()).boxed(), items);
        (Just(protocol), items)
    });
    let action = select(&Action::ALL[..]);
    let direction = select(&Direction::ALL[..]);
    (action, direction, -1000..=1000_i64, any::<bool>(), matched).prop_map(
        |(action, direction, priority, statematch, (protocol, items))| Rule {
            action,
            direction,
            priority: Priority::try_from(priority).unwrap(),
            statematch,
            protocol,
            items,
            accesses: Vec::new(),
            effective_state: None,
            at: None,
        },
    )
}

fn filter_name() -> impl Strategy<Value = FilterName> {
    "[A-Za-z_é][A-Za-z0-9._é-]{0,20}".prop_map(|name| name.parse().unwrap())
}

fn parameters() -> impl Strategy<Value = Parameters> {
    let values = proptest::collection::vec("[A-Za-z0-9_.:]{1,12}", 1..4);
    let names = "[A-Za-z0-9_]{1,8}".prop_map(|name| name.parse().unwrap());
    proptest::collection::btree_map(names, values, 0..4)
}

fn filter() -> impl Strategy<Value = Filter> {
    let reference = (filter_name(), parameters())
        .prop_map(|(filter, parameters)| Entry::Reference(Reference { filter, parameters, at: None }));
    let entry = prop_oneof![4 => rule().prop_map(Entry::Rule), 1 => reference];
    let chain = select(vec!["root", "mac", "vlan", "stp", "stp-x", "arp-1", "rarp", "ipv4:a", "ipv6.b"]);
    let entries = proptest::collection::vec(entry, 0..5);
    (filter_name(), chain, -1000..=1000_i64, any::<u128>(), entries).prop_map(
        |(name, chain, priority, uuid, entries)| Filter {
            name,
            chain: chain.parse::<ChainName>().unwrap(),
            priority: Priority::try_from(priority).unwrap(),
            uuid: Some(uuid::Uuid::from_u128(uuid)),
            entries,
            at: None,
        },
    )
}

fn without_places(mut filter: Filter) -> Filter {
    filter.at = None;
    for entry in &mut filter.entries {
        match entry {
            Entry::Rule(rule) => rule.at = None,
            Entry::Reference(reference) => reference.at = None,
        }
    }
    filter
}

/// A protocol's elements with attributes that may be anything, also wrong.
fn loose_rule() -> impl Strategy<Value = String> {
    let protocol = select(Protocol::ALL);
    protocol.prop_flat_map(|protocol| {
        let rows = protocol.rows();
        let attribute = (0..rows.len()).prop_flat_map(move |row| {
            let row = &rows[row];
            let right = value(row.kind).prop_map(|value| value.print(row.kind));
            let text = prop_oneof![8 => right, 1 => hostile(), 1 => "[$]?[A-Z]{1,2}([\\[]@?[0-9][\\]])?"];
            (Just(row.attribute.name()), text)
        });
        let element = (any::<bool>(), proptest::collection::btree_map(0..20_u8, attribute, 0..4));
        proptest::collection::vec(element, 0..4).prop_map(move |elements| {
            let mut text = String::new();
            for (negated, attributes) in elements {
                write!(text, "<{protocol}{}", if negated { " match='no'" } else { "" }).unwrap();
                let mut seen = Vec::new();
                for (name, value) in attributes.into_values() {
                    if !seen.contains(&name) {
                        let value = value.replace('&', "&amp;").replace('<', "&lt;").replace('\'', "&apos;");
                        write!(text, " {name}='{value}'").unwrap();
                        seen.push(name);
                    }
                }
                text.push_str("/>");
            }
            text
        })
    })
}

/// What is left when the order of first appearance and the remembered states are forgotten, which no XML holds.
fn printable(filter: Filter) -> Filter {
    let mut filter = without_places(filter);
    for entry in &mut filter.entries {
        if let Entry::Rule(rule) = entry {
            rule.accesses.clear();
            rule.effective_state = None;
        }
    }
    filter
}

fn render(text: &str, profile: Profile) {
    for problem in read(text, "fuzzed.xml", profile).problems {
        let mut out = String::new();
        GraphicalReportHandler::new().render_report(&mut out, &problem).unwrap();
        assert!(problem.code().is_some() && problem.help().is_some(), "{problem}");
        assert!(!out.contains("Failed to read contents"), "{text:?}: {out}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    /// XML-97: model to XML to model, over the whole field table; nothing leaves its quotes.
    #[test]
    fn xml_97_what_is_written_reads_back(filter in filter()) {
        let text = write_filter(&filter, Profile::Nwf);
        let outcome = read(&text, "written.xml", Profile::Nwf);
        prop_assert!(!outcome.has_errors(), "{text}\n{:#?}", outcome.problems);
        let again = outcome.filters.filters.into_iter().next().unwrap();
        prop_assert_eq!(&write_filter(&again, Profile::Nwf), &text);
        prop_assert_eq!(without_places(again), filter);
    }

    /// The document form is as exact.
    #[test]
    fn filters_pass_through_json(filter in filter()) {
        let text = serde_json::to_string(&filter).unwrap();
        let again: Filter = serde_json::from_str(&text).unwrap();
        prop_assert_eq!(again, filter);
    }

    /// Whatever is read at all prints to something that reads as the same, in both profiles.
    #[test]
    fn xml_97_what_is_read_prints_to_itself(rule in loose_rule(), libvirt in any::<bool>()) {
        let profile = if libvirt { Profile::Libvirt } else { Profile::Nwf };
        let text = format!("<filter name='a'><rule action='drop' direction='in'>{rule}</rule></filter>");
        let outcome = read(&text, "loose.xml", profile);
        let drops = outcome.problems.iter().any(|problem| problem.error == XmlError::SetWithoutFlags);
        if let Some(filter) = outcome.filters.filters.into_iter().next() && !drops {
            let printed = write_filter(&filter, profile);
            let second = read(&printed, "printed.xml", profile);
            prop_assert!(!second.has_errors(), "{printed}\n{:#?}", second.problems);
            let again = second.filters.filters.into_iter().next().unwrap();
            let uuid = again.uuid;
            prop_assert_eq!(printable(again), Filter { uuid, ..printable(filter) });
        }
    }

    /// Each rule that can be read passes the check of documents that people write.
    #[test]
    fn what_is_read_is_well_typed(rule in loose_rule(), libvirt in any::<bool>()) {
        let profile = if libvirt { Profile::Libvirt } else { Profile::Nwf };
        let text = format!("<filter name='a'><rule action='drop' direction='in'>{rule}</rule></filter>");
        for filter in read(&text, "loose.xml", profile).filters.filters {
            for entry in filter.entries {
                if let Entry::Rule(rule) = entry {
                    prop_assert_eq!(rule.check(), Ok(()), "{}", text);
                }
            }
        }
    }

    /// Bindings in all three forms.
    #[test]
    fn bindings_read_back(
        interface in proptest::option::of("[a-z&'<\"][a-z0-9.+&'<-]{0,9}"),
        mac in proptest::option::of(any::<[u8; 6]>()),
        filter in filter_name(),
        parameters in parameters(),
        owner in proptest::option::of(("[!-~]([ -~]{0,9}[!-~])?", any::<u128>())),
        backend in proptest::option::of("[ -~]{1,9}"),
    ) {
        let whole = interface.is_some() && mac.is_some() && owner.is_some();
        let binding = Binding {
            interface: interface.map(|name| name.parse().unwrap()),
            mac: mac.map(MacAddr::new),
            filter,
            parameters,
            owner: owner.map(|(name, uuid)| Owner { name, uuid: uuid::Uuid::from_u128(uuid) }),
            link_device: whole.then(|| "eth0".parse().unwrap()),
            backend: backend.filter(|_| whole),
            at: None,
        };
        let text = write_binding(&binding);
        let outcome = read(&text, "written.xml", Profile::Nwf);
        prop_assert!(!outcome.has_errors(), "{text}\n{:#?}", outcome.problems);
        let again = outcome.filters.bindings.into_iter().next().unwrap();
        prop_assert_eq!(Binding { at: None, ..again }, binding);
    }

    /// Nothing that strangers send makes the reader panic, and every problem can be shown.
    #[test]
    fn any_text_is_judged(text in any::<String>(), bytes in any::<Vec<u8>>()) {
        render(&text, Profile::Nwf);
        read_bytes(&bytes, "fuzzed.xml", Profile::Libvirt);
    }

    /// The same for texts that are nearly right.
    #[test]
    fn damaged_filters_are_judged(filter in filter(), edits in proptest::collection::vec(
        (any::<prop::sample::Index>(), select(vec!["", "<", ">", "'", "&", "é", "\n", "/", "--", "]]>", "$", " x='1'"])), 1..4,
    )) {
        let mut text = write_filter(&filter, Profile::Nwf);
        for (place, insert) in edits {
            let mut at = place.index(text.len());
            while !text.is_char_boundary(at) {
                at -= 1;
            }
            if insert.is_empty() {
                text.remove(at);
            } else {
                text.insert_str(at, insert);
            }
        }
        render(&text, Profile::Nwf);
        render(&text, Profile::Libvirt);
    }
}
