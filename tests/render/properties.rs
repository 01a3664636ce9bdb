//! Any rule over the field table is rendered to what nft loads, or refused for a reason.

use nwf::model::{Attribute, FieldRow, Kind, MacAddr, Profile, Protocol, Role, State, TcpFlagSet, TcpFlags, Value};
use nwf::plan::Features;
use nwf::render::nft::{Action, script};
use nwf::render::{Remedy, RenderError};
use nwf::ruleset::{
    Column, Expression, InterfaceRules, Rule, Ruleset, Slot, StateMatch, Test, TypeCode, Verdict, Wheel,
};
use proptest::prelude::*;

use crate::load::{hosts, load, namespace};
use crate::support::{ruleset, try_plan};

const SUPPORTED: [Protocol; 22] = [
    Protocol::Mac,
    Protocol::Arp,
    Protocol::Rarp,
    Protocol::Ip,
    Protocol::Ipv6,
    Protocol::Tcp,
    Protocol::Icmp,
    Protocol::Igmp,
    Protocol::Udp,
    Protocol::Udplite,
    Protocol::Esp,
    Protocol::Ah,
    Protocol::Sctp,
    Protocol::All,
    Protocol::TcpIpv6,
    Protocol::Icmpv6,
    Protocol::UdpIpv6,
    Protocol::UdpliteIpv6,
    Protocol::EspIpv6,
    Protocol::AhIpv6,
    Protocol::SctpIpv6,
    Protocol::AllIpv6,
];

fn value(kind: Kind) -> BoxedStrategy<Value> {
    if let Some((low, high)) = kind.range() {
        // The ends, and few values in between, so that lists have repetitions and neighbours.
        return prop_oneof![Just(low), Just(high), low..=high, low..=(low + 3)].prop_map(Value::Number).boxed();
    }
    match kind {
        Kind::Mac => any::<[u8; 6]>().prop_map(|bytes| Value::Mac(MacAddr::new(bytes))).boxed(),
        Kind::MacMask => (0..=48_u32)
            .prop_map(|length| {
                let bits = (0xffff_ffff_ffff_u64 << (48 - length)) & 0xffff_ffff_ffff;
                let bytes: Vec<String> = bits.to_be_bytes()[2..].iter().map(|byte| format!("{byte:02x}")).collect();
                Value::MacMask(bytes.join(":").parse().unwrap())
            })
            .boxed(),
        Kind::Ipv4 => {
            prop_oneof![any::<u32>(), 0x0a00_0000_u32..0x0a00_0008].prop_map(|bits| Value::Ipv4(bits.into())).boxed()
        }
        Kind::Ipv6 => {
            prop_oneof![any::<u128>(), 0_u128..4, Just(u128::MAX)].prop_map(|bits| Value::Ipv6(bits.into())).boxed()
        }
        Kind::Mask4 => (0..=32_u8).prop_map(Value::Prefix).boxed(),
        Kind::Mask6 => (0..=128_u8).prop_map(Value::Prefix).boxed(),
        Kind::Bool => Just(Value::Bool(true)).boxed(),
        Kind::TcpFlags => (0..=0x3f_u8, 0..=0x3f_u8)
            .prop_map(|(mask, flags)| {
                let set = |bits: u8| TcpFlagSet::try_from(bits).unwrap();
                Value::TcpFlags(TcpFlags { mask: set(mask), flags: set(flags) })
            })
            .boxed(),
        other => panic!("{other:?} has no field"),
    }
}

/// Columns that are made while a rule is: of which wheel, with which values.
type Columns = Vec<(usize, Vec<Value>)>;

/// The positions of the wheels of a rule.
const LENGTHS: [usize; 3] = [2, 3, 5];

/// A slot as it is wanted: one value, or a list on a wheel.
fn slot(kind: Kind) -> impl Strategy<Value = (Option<usize>, Vec<Value>)> {
    let wheel = if kind == Kind::TcpFlags || kind == Kind::Bool {
        Just(None).boxed()
    } else {
        proptest::option::weighted(0.4, 0..3_usize).boxed()
    };
    (wheel, proptest::collection::vec(value(kind), 5))
}

fn place((wheel, mut values): (Option<usize>, Vec<Value>), columns: &mut Columns) -> Slot {
    match wheel {
        None => Slot::Value(values.remove(0)),
        Some(wheel) => {
            values.truncate(LENGTHS[wheel]);
            columns.push((wheel, values));
            Slot::Column { wheel, column: columns.iter().filter(|(other, _)| *other == wheel).count() - 1 }
        }
    }
}

/// A test as it is wanted.
type Wish = (&'static FieldRow, u8, bool, Vec<(Option<usize>, Vec<Value>)>);

/// One test of an attribute: its kind of test by a number, the sign, and up to four slots.
fn wish(protocol: Protocol, row: &'static FieldRow) -> BoxedStrategy<Wish> {
    let second = protocol.rows().iter().find(|other| match other.role {
        Role::MaskOf(leader) | Role::EndOf(leader) => leader == row.attribute,
        _ => false,
    });
    let second_kind = second.map_or(row.kind, |row| row.kind);
    let slots = (slot(row.kind), slot(second_kind), slot(row.kind), slot(row.kind));
    (Just(row), 0..3_u8, any::<bool>(), slots)
        .prop_map(|(row, test, sign, (a, b, c, d))| (row, test, sign, vec![a, b, c, d]))
        .boxed()
}

fn expression(protocol: Protocol, (row, test, negated, slots): Wish, columns: &mut Columns) -> Expression {
    let mut slots = slots.into_iter();
    let mut next = |columns: &mut Columns| place(slots.next().unwrap(), columns);
    let has =
        |wanted: fn(Role, Attribute) -> bool| protocol.rows().iter().any(|other| wanted(other.role, row.attribute));
    let test = if row.attribute == Attribute::Type && test > 0 {
        Test::TypeCode(TypeCode {
            type_start: next(columns),
            type_end: Slot::Value(Value::Number(255)),
            code_start: next(columns),
            code_end: Slot::Value(Value::Number(255)),
        })
    } else if test > 0 && has(|role, leader| role == Role::MaskOf(leader)) {
        Test::Masked { value: next(columns), mask: next(columns) }
    } else if test > 1 && has(|role, leader| role == Role::EndOf(leader)) {
        Test::Range { start: next(columns), end: next(columns) }
    } else {
        Test::Is(next(columns))
    };
    Expression { attribute: row.attribute, negated, test }
}

fn rule() -> impl Strategy<Value = Rule> {
    let protocol = proptest::sample::select(SUPPORTED.to_vec());
    let head = (
        prop_oneof![Just(Verdict::Accept), Just(Verdict::Drop), Just(Verdict::Reject), Just(Verdict::Continue)],
        prop_oneof![Just("in"), Just("out"), Just("inout")],
        prop_oneof![
            Just(StateMatch::Automatic),
            Just(StateMatch::Off),
            proptest::sample::subsequence(State::ALL[..4].to_vec(), 1..=4)
                .prop_map(|states| StateMatch::Explicit(states.into()))
        ],
    );
    (protocol, head).prop_flat_map(|(protocol, (verdict, direction, state))| {
        let tested = |row: &&'static FieldRow| {
            row.role == Role::Leader
                && !matches!(row.attribute, Attribute::ConnlimitAbove | Attribute::State | Attribute::IpSet)
                && (row.attribute != Attribute::Type || row.kind == Kind::U8)
        };
        let rows: Vec<&'static FieldRow> = protocol.rows().iter().filter(tested).collect();
        let most = rows.len().min(5);
        proptest::sample::subsequence(rows, 0..=most)
            .prop_flat_map(move |rows| rows.into_iter().map(|row| wish(protocol, row)).collect::<Vec<_>>())
            .prop_map(move |wishes| {
                let mut columns = Columns::new();
                let expressions: Vec<Expression> =
                    wishes.into_iter().map(|wish| expression(protocol, wish, &mut columns)).collect();
                let access: nwf::model::VariableAccess = nwf::model::VariableAccess::plain("A".parse().unwrap());
                let wheels = (0..LENGTHS.len()).map(|wheel| {
                    let filler = (wheel, vec![Value::Number(0); LENGTHS[wheel]]);
                    let of_wheel = columns.iter().filter(|(other, _)| *other == wheel).chain(std::iter::once(&filler));
                    let column =
                        |(_, values): &(usize, Vec<Value>)| Column { access: access.clone(), values: values.clone() };
                    Wheel { columns: of_wheel.map(column).collect() }
                });
                let model = ruleset(&format!("<rule action='drop' direction='{direction}'/>"), "", Profile::Nwf);
                let model = model.interfaces[0].rules[0].clone();
                Rule {
                    verdict,
                    protocol: Some(protocol),
                    state: state.clone(),
                    wheels: wheels.collect(),
                    expressions,
                    ..model
                }
            })
    })
}

/// ICMP tests with a whole code range are what resolution makes; the random ones may end before they begin.
fn may_be_refused(error: &RenderError) -> bool {
    matches!(error, RenderError::EmptyRange { .. } | RenderError::NeedsProtocol { .. } | RenderError::NoState { .. })
}

#[test]
fn any_rule_loads_or_is_refused_for_its_values() {
    let Some(namespace) = namespace("any rule loads") else { return };
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        cases: 40,
        failure_persistence: None,
        ..ProptestConfig::default()
    });
    let mut loaded = 0;
    let frame = ruleset("", "", Profile::Nwf);
    // A rule at a time is refused or not; those that are not are loaded together.
    let rules = proptest::collection::vec(rule(), 30);
    for _ in 0..40 {
        let tree = rules.new_tree(&mut runner).unwrap();
        let rules = proptest::strategy::ValueTree::current(&tree);
        for profile in [Profile::Nwf, Profile::Libvirt] {
            for host in hosts() {
                let fitting: Vec<Rule> =
                    rules.iter().filter(|rule| fits(&frame, rule, profile, &host)).cloned().collect();
                loaded += fitting.len();
                let all = with_rules(&frame, fitting, profile);
                let (plan, _) = try_plan(&all, host).unwrap();
                load(&namespace, true, &script(&plan, None, Action::Install));
            }
        }
    }
    assert!(loaded > 1000, "only {loaded} rules were loaded");
    println!("{loaded} rules loaded");
}

fn with_rules(frame: &Ruleset, rules: Vec<Rule>, profile: Profile) -> Ruleset {
    let interface = InterfaceRules { rules, ..frame.interfaces[0].clone() };
    let ruleset = Ruleset { profile, interfaces: vec![interface], ..frame.clone() };
    ruleset.check().unwrap();
    ruleset
}

fn fits(frame: &Ruleset, rule: &Rule, profile: Profile, host: &Features) -> bool {
    match try_plan(&with_rules(frame, vec![rule.clone()], profile), host.clone()) {
        Ok(_) => true,
        Err(errors) => {
            assert!(errors.iter().all(may_be_refused), "{errors:?}\n{rule:?}");
            assert!(errors.iter().all(|error| error.remedy() != Remedy::Variables));
            false
        }
    }
}
