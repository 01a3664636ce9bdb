//! The rules of spec 02, each under its number.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, clippy::format_collect)]

use super::store::MemoryStore;
use super::*;
use crate::model::{Attribute, Value};
use crate::ruleset::{Slot, Step};

/// Filters of an XML text each; broken ones fail the test.
fn store(profile: Profile, filters: &[&str]) -> MemoryStore {
    let read = |text: &&str| {
        let outcome = crate::xml::read(text, "test.xml", profile);
        let errors: Vec<_> = outcome.problems.iter().filter(|problem| problem.is_error()).collect();
        assert!(errors.is_empty(), "{errors:?}");
        outcome.filters.filters
    };
    MemoryStore::new(filters.iter().flat_map(read).collect::<Vec<_>>())
}

fn parameters(values: &[(&str, &[&str])]) -> Parameters {
    let list = |list: &[&str]| list.iter().map(|value| (*value).to_owned()).collect::<Vec<_>>();
    values.iter().map(|(name, values)| (name.parse().unwrap(), list(values))).collect()
}

fn target(filter: &str, values: &[(&str, &[&str])]) -> Target {
    Target {
        interface: "vnet0".parse().unwrap(),
        mac: Some("52:54:00:11:22:33".parse().unwrap()),
        filter: Some(filter.parse().unwrap()),
        parameters: parameters(values),
        binding: None,
    }
}

fn try_resolve(profile: Profile, filters: &[&str], values: &[(&str, &[&str])]) -> Result<InterfaceRules, Vec<String>> {
    let targets = [target("top", values)];
    match resolve(&targets, &store(profile, filters), &Leases::default(), profile, Limits::default(), false) {
        Ok(outcome) => Ok(outcome.ruleset.interfaces.into_iter().next().unwrap()),
        Err(errors) => Err(errors.iter().map(ToString::to_string).collect()),
    }
}

fn resolved(filters: &[&str], values: &[(&str, &[&str])]) -> InterfaceRules {
    try_resolve(Profile::Nwf, filters, values).unwrap_or_else(|errors| panic!("{errors:?}"))
}

fn errors(filters: &[&str], values: &[(&str, &[&str])]) -> Vec<String> {
    try_resolve(Profile::Nwf, filters, values).unwrap_err()
}

/// The combinations of a rule's values, in order; each the printed values of the fields in table order.
fn combinations(rule: &Rule) -> Vec<String> {
    let told = |positions: Vec<usize>| {
        let value = |slot: &Slot| {
            let value = slot.value(&rule.wheels, &positions).unwrap();
            match value {
                Value::Ipv4(address) => address.to_string(),
                other => other.number().map_or_else(|| format!("{other:?}"), |number| number.to_string()),
            }
        };
        let values = rule.expressions.iter().flat_map(|expression| expression.test.slots());
        values.map(value).collect::<Vec<_>>().join(",")
    };
    rule.combinations().map(told).collect()
}

const A: (&str, &[&str]) = ("A", &["1.1.1.1", "2.2.2.2", "3.3.3.3", "3.3.3.3"]);
const B: (&str, &[&str]) = ("B", &["80", "90", "80", "80"]);
const C: (&str, &[&str]) = ("C", &["1080", "1090", "1100", "1110"]);

/// One rule about source address, source port and destination port.
fn walked(attributes: &str) -> Vec<String> {
    let text = format!("<filter name='top'><rule action='accept' direction='out'><tcp {attributes}/></rule></filter>");
    combinations(&resolved(&[&text], &[A, B, C]).rules[0])
}

#[test]
fn res_35_repeated_positions_of_one_wheel_are_skipped() {
    assert_eq!(walked("srcipaddr='$A' srcportstart='$B'"), ["1.1.1.1,80", "2.2.2.2,90", "3.3.3.3,80"]);
    assert_eq!(walked("srcportstart='$B'"), ["80", "90"]);
}

#[test]
fn res_34_the_first_iterator_varies_fastest() {
    let product = ["1.1.1.1,80", "2.2.2.2,80", "3.3.3.3,80", "1.1.1.1,90", "2.2.2.2,90", "3.3.3.3,90"];
    assert_eq!(walked("srcipaddr='$A[@1]' srcportstart='$B[@2]'"), product);
}

#[test]
fn res_32_iterator_0_is_the_first_wheel_even_if_it_comes_second() {
    let order = ["1.1.1.1,80", "1.1.1.1,90", "2.2.2.2,80", "2.2.2.2,90", "3.3.3.3,80", "3.3.3.3,90"];
    assert_eq!(walked("srcipaddr='$A[@1]' srcportstart='$B'"), order);
}

#[test]
fn res_36_equal_ids_walk_in_step() {
    let order = walked("srcipaddr='$A[@1]' srcportstart='$B[@2]' dstportstart='$C[@2]'");
    assert_eq!(order.len(), 12);
    assert_eq!(order[..4], ["1.1.1.1,80,1080", "2.2.2.2,80,1080", "3.3.3.3,80,1080", "1.1.1.1,90,1090"]);
    assert_eq!(order[11], "3.3.3.3,80,1110");
    assert_eq!(walked("srcipaddr='$A[@1]' srcportstart='$B[@2]' dstportstart='$C[@3]'").len(), 24);
}

#[test]
fn res_11_one_access_is_walked_once_and_two_accesses_of_one_list_twice() {
    let one = walked("srcipaddr='$A' dstipaddr='$A'");
    assert_eq!(one, ["1.1.1.1,1.1.1.1", "2.2.2.2,2.2.2.2", "3.3.3.3,3.3.3.3"]);
    let two = walked("srcipaddr='$A[@1]' dstipaddr='$A[@2]'");
    assert_eq!(two.len(), 9);
    assert_eq!(two[..4], ["1.1.1.1,1.1.1.1", "2.2.2.2,1.1.1.1", "3.3.3.3,1.1.1.1", "1.1.1.1,2.2.2.2"]);
}

#[test]
fn res_32_element_accesses_stand_still() {
    assert_eq!(walked("srcipaddr='$A[1]' srcportstart='$B'"), ["2.2.2.2,80", "2.2.2.2,90"]);
    assert_eq!(walked("srcipaddr='$A[1]' srcportstart='$B[2]' dstportstart='$C[2]'"), ["2.2.2.2,80,1100"]);
}

#[test]
fn res_37_a_rule_without_variables_stands_once() {
    assert_eq!(walked("dstportstart='80'"), ["80"]);
}

#[test]
fn res_30_iterators_are_local_to_a_rule() {
    let text = "<filter name='top'>
        <rule action='accept' direction='out'><tcp srcipaddr='$A[@1]'/></rule>
        <rule action='accept' direction='out'><tcp srcportstart='$B[@1]'/></rule></filter>";
    let rules = resolved(&[text], &[A, ("B", &["80", "90", "100"])]);
    assert_eq!(combinations(&rules.rules[0]).len(), 3);
    assert_eq!(combinations(&rules.rules[1]), ["80", "90", "100"]);
}

#[test]
fn res_33_lists_of_one_iterator_have_one_length() {
    let text = "<filter name='top'><rule action='accept' direction='out'>
        <tcp srcipaddr='$A[@2]' srcportstart='$B[@2]' dstportstart='80'/></rule></filter>";
    let told = errors(&[text], &[A, ("B", &["80"])]);
    let sentence = "filter `top` rule 1: iterator 2 walks lists of different lengths: `$A[@2]` has 4, `$B[@2]` has 1";
    assert_eq!(told, [sentence]);
}

#[test]
fn qr_4_overwritten_accesses_count_in_the_profile_libvirt_only() {
    let text = "<filter name='top'><rule action='accept' direction='out'>
        <tcp srcipaddr='$A[@1]'/><tcp srcipaddr='10.0.0.1'/></rule></filter>";
    let nwf = try_resolve(Profile::Nwf, &[text], &[]).unwrap();
    assert_eq!(nwf.rules[0].combination_count(), 1);
    let libvirt = try_resolve(Profile::Libvirt, &[text], &[A]).unwrap();
    assert_eq!(libvirt.rules[0].combination_count(), 3);
    assert!(try_resolve(Profile::Libvirt, &[text], &[]).is_err());
}

#[test]
fn res_31_order_of_appearance_is_that_of_elements_and_then_of_the_table() {
    // The port's element comes first, so its iterator is appended first and varies faster.
    let text = "<filter name='top'><rule action='accept' direction='out'>
        <tcp dstportstart='$B[@1]'/><tcp srcipaddr='$A[@2]'/></rule></filter>";
    let rules = resolved(&[text], &[A, B]);
    assert_eq!(combinations(&rules.rules[0])[..3], ["1.1.1.1,80", "1.1.1.1,90", "2.2.2.2,80"]);
}

/// A rule that shows what a filter sees: the port of each variable.
fn seeing(name: &str, references: &str) -> String {
    format!(
        "<filter name='{name}'><rule action='accept' direction='out'>
        <tcp srcportstart='$X' dstportstart='$Y'/></rule>{references}</filter>"
    )
}

#[test]
fn res_20_to_22_the_definition_nearest_to_the_interface_wins() {
    let top = "<filter name='top'><filterref filter='A'><parameter name='X' value='1'/>
        <parameter name='Y' value='2'/></filterref></filter>";
    let a =
        seeing("A", "<filterref filter='C'><parameter name='Y' value='3'/><parameter name='Z' value='4'/></filterref>");
    let c = "<filter name='C'><rule action='accept' direction='out'>
        <tcp srcportstart='$Y' dstportstart='$Z'/></rule></filter>";
    let rules = resolved(&[top, &a, c], &[("X", &["5"])]);
    let told: Vec<_> = rules.rules.iter().flat_map(combinations).collect();
    assert_eq!(told, ["5,2", "2,4"]);
    // Parameters of one reference are unknown at the next one.
    let two = "<filter name='top'><filterref filter='A'><parameter name='Y' value='2'/></filterref>
        <filterref filter='A'/></filter>";
    let told = errors(&[two, &seeing("A", "")], &[("X", &["5"])]);
    assert_eq!(told, ["vnet0: the variable `Y` (wanted by `A`) has no value"]);
}

#[test]
fn res_21_lists_are_replaced_as_a_whole() {
    let top = "<filter name='top'><filterref filter='A'><parameter name='X' value='1'/><parameter name='X' value='2'/>
        <parameter name='Y' value='7'/></filterref></filter>";
    let rules = resolved(&[top, &seeing("A", "")], &[("X", &["5"])]);
    assert_eq!(combinations(&rules.rules[0]), ["5,7"]);
}

#[test]
fn res_23_mac_is_automatic_and_a_given_one_wins() {
    let text = "<filter name='top'><rule action='accept' direction='out'><mac srcmacaddr='$MAC'/></rule></filter>";
    let source =
        |rules: &InterfaceRules| match rules.rules[0].expression(Attribute::SrcMacAddr).unwrap().test.slots()[0] {
            Slot::Value(Value::Mac(mac)) => mac.to_string(),
            other => panic!("{other:?}"),
        };
    assert_eq!(source(&resolved(&[text], &[])), "52:54:00:11:22:33");
    assert_eq!(source(&resolved(&[text], &[("MAC", &["2:0:0:0:0:1"])])), "02:00:00:00:00:01");
}

fn leases(text: &str) -> Leases {
    serde_json::from_str(text).unwrap()
}

#[test]
fn res_23_qr_2_all_known_addresses_are_used_in_the_order_learned() {
    let text = "<filter name='top'><rule action='accept' direction='out'><ip srcipaddr='$IP'/></rule></filter>";
    let known = leases(
        r#"{"nwf":"leases/1","interfaces":[{"interface":"vnet0","mac":"52:54:00:11:22:33","method":"any","complete":true,
        "leases":[{"address":"10.0.0.7","family":"ipv4","vlan":[],"source":"arp","server":null,"expires":null,
        "learned_at":1.5,"last_seen":2}],"variables":{"IP":["10.0.0.7","10.0.0.6"],"IPV6":[]}}]}"#,
    );
    let store = store(Profile::Nwf, &[text]);
    let rules = |values: &[(&str, &[&str])], leases| {
        let targets = [target("top", values)];
        let outcome = resolve(&targets, &store, leases, Profile::Nwf, Limits::default(), false);
        outcome.map(|outcome| combinations(&outcome.ruleset.interfaces[0].rules[0])).map_err(|errors| errors.len())
    };
    assert_eq!(rules(&[], &known).unwrap(), ["10.0.0.7", "10.0.0.6"]);
    // A value that the user gives wins, LRN-3.
    assert_eq!(rules(&[("IP", &["10.0.0.9"])], &known).unwrap(), ["10.0.0.9"]);
    // What was learned of another guest on the same interface does not count.
    let mut other = known.clone();
    other.interfaces[0].mac = Some("52:54:00:00:00:01".parse().unwrap());
    assert_eq!(rules(&[], &other), Err(1));
}

#[test]
fn res_40_42_expansion_is_depth_first_and_merges_nothing() {
    let port = |number: u32| format!("<rule action='accept' direction='out'><tcp dstportstart='{number}'/></rule>");
    let top = format!(
        "<filter name='top'>{}<filterref filter='A'/>{}<filterref filter='B'/><filterref filter='A'/></filter>",
        port(1),
        port(2)
    );
    let a = format!("<filter name='A'>{}<filterref filter='B'/></filter>", port(10));
    let b = format!("<filter name='B'>{}</filter>", port(20));
    let rules = resolved(&[&top, &a, &b], &[]);
    let told: Vec<_> = rules.rules.iter().flat_map(combinations).collect();
    assert_eq!(told, ["1", "10", "20", "2", "20", "10", "20"]);
    let told: Vec<_> =
        rules.rules.iter().map(|rule| format!("{}{}", rule.provenance.filter, rule.provenance.rule)).collect();
    assert_eq!(told, ["top1", "A1", "B1", "top2", "B1", "A1", "B1"]);
}

#[test]
fn res_50_every_missing_access_is_listed_with_its_filters_qr_13() {
    let top = "<filter name='top'><filterref filter='b'/><filterref filter='a'/>
        <rule action='accept' direction='out'><tcp srcipaddr='$IP[@1]' dstportstart='$PORTS[7]'/></rule></filter>";
    let rule = "<rule action='accept' direction='out'><ip srcipaddr='$IP'/></rule>";
    let a = format!("<filter name='a'>{rule}</filter>");
    let b = format!("<filter name='b'>{rule}</filter>");
    let told = errors(&[top, &a, &b], &[("PORTS", &["1", "2"])]);
    let sentence = "vnet0: these variables have no value: `IP` (wanted by `a`, `b`), `IP[@1]` (wanted by `top`), \
                    `PORTS[7]` (wanted by `top`)";
    assert_eq!(told, [sentence]);
}

fn partial(profile: Profile, attributes: &str, values: &[(&str, &[&str])]) -> Result<Option<LearningMethod>, String> {
    let text = format!("<filter name='top'><rule action='accept' direction='out'><all {attributes}/></rule></filter>");
    let targets = [target("top", values)];
    let outcome = resolve(&targets, &store(profile, &[&text]), &Leases::default(), profile, Limits::default(), true);
    match outcome {
        Ok(outcome) => {
            let interface = outcome.ruleset.interfaces.into_iter().next().unwrap();
            assert!(interface.rules.is_empty() && interface.chains.is_empty());
            Ok(interface.missing.unwrap().learning)
        }
        Err(errors) => Err(errors[0].to_string()),
    }
}

#[test]
fn res_52_53_learning_method() {
    let method = |value: &str| partial(Profile::Nwf, "srcipaddr='$IP'", &[("CTRL_IP_LEARNING", &[value])]);
    assert_eq!(partial(Profile::Nwf, "srcipaddr='$IP'", &[]), Ok(Some(LearningMethod::Any)));
    assert_eq!(method("DHCP"), Ok(Some(LearningMethod::Dhcp)));
    assert_eq!(method("none"), Ok(None));
    assert_eq!(method("magic"), Err("filter `top`: `CTRL_IP_LEARNING` is `magic`".to_owned()));
    // Not checked unless it is needed.
    let other = partial(Profile::Nwf, "srcipaddr='$X'", &[("CTRL_IP_LEARNING", &["magic"])]);
    assert_eq!(other, Ok(None));
}

#[test]
fn res_54_qr_5_which_accesses_start_learning() {
    let dhcp: &[(&str, &[&str])] = &[("CTRL_IP_LEARNING", &["dhcp"])];
    for (access, libvirt, nwf, with_dhcp) in [
        ("$IP", true, true, true),
        ("$IP[@1]", false, true, true),
        ("$IP[0]", false, true, true),
        ("$IP[1]", false, false, true),
    ] {
        let attributes = format!("srcipaddr='{access}'");
        let learns = |profile, values| partial(profile, &attributes, values).unwrap().is_some();
        assert_eq!(learns(Profile::Libvirt, &[]), libvirt, "{access}");
        assert_eq!(learns(Profile::Nwf, &[]), nwf, "{access}");
        assert_eq!(learns(Profile::Nwf, dhcp), with_dhcp, "{access}");
    }
    assert_eq!(partial(Profile::Nwf, "srcipaddr='$IP' dstipaddr='$GATEWAY'", &[]), Ok(None));
}

#[test]
fn lrn_1_a_missing_ipv6_address_is_learned_in_the_profile_nwf_only() {
    let text = "<filter name='top'><rule action='accept' direction='out'><all-ipv6 srcipaddr='$IPV6'/></rule></filter>";
    for (profile, learned) in [(Profile::Nwf, Some(LearningMethod::Any)), (Profile::Libvirt, None)] {
        let targets = [target("top", &[])];
        let store = store(profile, &[text]);
        let outcome = resolve(&targets, &store, &Leases::default(), profile, Limits::default(), true).unwrap();
        assert_eq!(outcome.ruleset.interfaces[0].missing.as_ref().unwrap().learning, learned);
    }
}

#[test]
fn res_58_unknown_filters_are_told_before_variables_with_the_way_and_the_closest_name() {
    let top = "<filter name='top'><filterref filter='middle'/><rule action='drop' direction='out'>
        <ip srcipaddr='$IP'/></rule></filter>";
    let middle = "<filter name='middle'><filterref filter='no-arp-spoofin'/></filter>";
    let other = "<filter name='no-arp-spoofing'/>";
    let targets = [target("top", &[])];
    let store = store(Profile::Nwf, &[top, middle, other]);
    let found = resolve(&targets, &store, &Leases::default(), Profile::Nwf, Limits::default(), true).unwrap_err();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].to_string(), "no filter is named `no-arp-spoofin`, reached by `top` -> `middle`");
    let help = miette::Diagnostic::help(&found[0]).unwrap().to_string();
    assert_eq!(help, "define it, or name its folder with `--filters`; the closest name is `no-arp-spoofing`");
}

#[test]
fn res_71_72_circles_are_refused_with_the_whole_path_and_diamonds_are_fine() {
    let refer = |name: &str, to: &[&str]| {
        let references: String = to.iter().map(|to| format!("<filterref filter='{to}'/>")).collect();
        format!("<filter name='{name}'>{references}</filter>")
    };
    let told = errors(&[&refer("top", &["a"]), &refer("a", &["b"]), &refer("b", &["a"])], &[]);
    assert_eq!(told, ["the filters refer to each other in a circle: `top` -> `a` -> `b` -> `a`"]);
    assert_eq!(
        errors(&[&refer("top", &["top"])], &[]),
        ["the filters refer to each other in a circle: `top` -> `top`"]
    );
    resolved(&[&refer("top", &["a", "b"]), &refer("a", &["c"]), &refer("b", &["c"]), &refer("c", &[])], &[]);
}

#[test]
fn limits_hold_for_depth_for_paths_and_for_rules() {
    let deep: Vec<String> = (0..10_000)
        .map(|level| {
            let name = if level == 0 { "top".to_owned() } else { format!("f{level}") };
            format!("<filter name='{name}'><filterref filter='f{}'/></filter>", level + 1)
        })
        .collect();
    let deep: Vec<&str> = deep.iter().map(String::as_str).collect();
    assert_eq!(errors(&deep, &[]), ["the references from `top` are more than 100 deep, at `f100`"]);
    let limits = Limits { depth: 20_000, ..Limits::default() };
    let targets = [target("top", &[])];
    let found = resolve(&targets, &store(Profile::Nwf, &deep), &Leases::default(), Profile::Nwf, limits, false);
    assert_eq!(found.unwrap_err()[0].to_string().split(',').next(), Some("no filter is named `f10000`"));

    let doubling: Vec<String> = (0..40)
        .map(|level| {
            let name = if level == 0 { "top".to_owned() } else { format!("f{level}") };
            let next = format!("<filterref filter='f{}'/>", level + 1);
            format!("<filter name='{name}'>{next}{next}</filter>")
        })
        .chain(["<filter name='f40'/>".to_owned()])
        .collect();
    let doubling: Vec<&str> = doubling.iter().map(String::as_str).collect();
    assert_eq!(errors(&doubling, &[]), ["the filter `top` has more than 100000 references and rules"]);

    let many: Vec<String> = (0..1000).map(|number| number.to_string()).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let text = "<filter name='top'><rule action='accept' direction='out'>
        <tcp srcportstart='$X[@1]' dstportstart='$Y[@2]'/></rule></filter>";
    let told = errors(&[text], &[("X", &many), ("Y", &many)]);
    assert_eq!(told, ["vnet0 has 1000000 rules, more than 100000"]);
}

#[test]
fn res_63_qr_6_every_value_is_checked_and_names_variable_value_filter_and_attribute() {
    let text = "<filter name='top'><rule action='accept' direction='out'>
        <tcp srcipaddr='$A' dstportstart='$P[@1]'/></rule></filter>";
    let told = errors(&[text], &[("A", &["10.0.0.1", "abc"]), ("P", &["http"])]);
    let expected = [
        "filter `top` rule 1: `abc` from `$A` is not a value for `srcipaddr`",
        "filter `top` rule 1: `http` from `$P[@1]` is not a value for `dstportstart`",
    ];
    assert_eq!(told, expected);
    // Names that are legal literals are legal values.
    let text = "<filter name='top'><rule action='accept' direction='out'><ip protocol='$P'/></rule></filter>";
    assert_eq!(combinations(&resolved(&[text], &[("P", &["tcp", "17"])]).rules[0]), ["6", "17"]);
}

#[test]
fn empty_ranges_are_refused_whether_written_or_from_lists() {
    let text = |attributes: &str| {
        format!("<filter name='top'><rule action='accept' direction='out'><udp {attributes}/></rule></filter>")
    };
    let told = errors(&[&text("srcportstart='90' srcportend='80'")], &[]);
    assert_eq!(told, ["filter `top` rule 1: the range of `srcportstart` from 90 to 80 is empty"]);
    let values: &[(&str, &[&str])] = &[("X", &["1", "50"]), ("Y", &["10", "60"])];
    // In step: 1-10 and 50-60. As a product 50-10 would be among them.
    resolved(&[&text("dstportstart='$X' dstportend='$Y'")], values);
    let told = errors(&[&text("dstportstart='$X' dstportend='$Y[@1]'")], values);
    assert_eq!(told, ["filter `top` rule 1: the range of `dstportstart` from 50 to 10 is empty"]);
}

/// The steps of `root` on one side: names of chains, numbers of rules.
fn root(rules: &InterfaceRules, side: Side) -> Vec<String> {
    let told = |step: Step<'_>| match step {
        Step::Jump(chain) => chain.name.to_string(),
        Step::Rule(rule) => format!("{}{}", rule.provenance.filter, rule.provenance.rule),
    };
    rules.root(side).into_iter().map(told).collect()
}

#[test]
fn res_80_to_88_worked_example() {
    let top = "<filter name='top'><filterref filter='A'/><rule action='drop' direction='inout' priority='1000'/>
        <filterref filter='B'/>
        <rule action='accept' direction='out' priority='-500'><mac protocolid='arp'/></rule></filter>";
    let a = "<filter name='A' chain='arp' priority='-500'>
        <rule action='accept' direction='out' priority='300'><arp/></rule>
        <rule action='accept' direction='in' priority='450'><arp/></rule></filter>";
    let b = "<filter name='B' chain='ipv4-x' priority='700'>
        <rule action='accept' direction='in' priority='500'><ip/></rule>
        <rule action='accept' direction='out' priority='710'><tcp/></rule></filter>";
    let rules = resolved(&[top, a, b], &[]);
    let order: Vec<_> =
        rules.rules.iter().map(|rule| format!("{}{}", rule.provenance.filter, rule.provenance.rule)).collect();
    assert_eq!(order, ["top2", "top1", "A1", "A2", "B1", "B2"]);
    assert_eq!(root(&rules, Side::FromGuest), ["arp", "top2", "top1"]);
    assert_eq!(root(&rules, Side::ToGuest), ["arp", "ipv4-x", "top1"]);
    assert_eq!(rules.ip_rules().count(), 1);
    let sides: Vec<_> = rules.chains.iter().map(|chain| (chain.name.as_str(), chain.sides.as_slice())).collect();
    assert_eq!(sides, [("arp", &Side::BOTH[..]), ("ipv4-x", &[Side::ToGuest][..])]);
}

#[test]
fn res_86_jumps_stand_before_rules_of_equal_priority() {
    let top = "<filter name='top'><filterref filter='b'/><filterref filter='a'/>
        <rule action='accept' direction='in' priority='-650'/><rule action='accept' direction='in' priority='-500'/>
        <rule action='accept' direction='in' priority='1000'/></filter>";
    let chain = |name: &str, chain: &str| {
        format!("<filter name='{name}' chain='{chain}'><rule action='drop' direction='in'/></filter>")
    };
    let a = chain("a", "arp-ip' priority='-510");
    let b = chain("b", "arp");
    assert_eq!(root(&resolved(&[top, &a, &b], &[]), Side::ToGuest), ["top1", "arp-ip", "arp", "top2", "top3"]);
    // Jumps behind all rules go last; of equal ones the first in the sorted list is first.
    let top = "<filter name='top'><filterref filter='b'/><filterref filter='a'/>
        <rule action='accept' direction='in' priority='-900'/></filter>";
    let a = chain("a", "arp-z' priority='900");
    let b = chain("b", "arp-y' priority='900");
    assert_eq!(root(&resolved(&[top, &a, &b], &[]), Side::ToGuest), ["top1", "arp-y", "arp-z"]);
}

#[test]
fn res_81_ip_layer_rules_make_no_chain() {
    let top = "<filter name='top' chain='ipv4'><rule action='accept' direction='out'><tcp/></rule></filter>";
    let rules = resolved(&[top], &[]);
    assert!(rules.chains.is_empty());
    assert!(root(&rules, Side::FromGuest).is_empty());
    assert_eq!(rules.ip_rules().count(), 1);
}

#[test]
fn res_83_qr_7_the_first_priority_of_a_chain_holds_with_a_warning() {
    let filter = |name: &str, priority: &str, own: &str| {
        format!(
            "<filter name='{name}' chain='arp-x' priority='{priority}'>
            <rule action='drop' direction='in' priority='{own}'/></filter>"
        )
    };
    let top = "<filter name='top'><filterref filter='a'/><filterref filter='b'/></filter>";
    let store = store(Profile::Nwf, &[top, &filter("a", "-100", "500"), &filter("b", "-200", "400")]);
    let targets = [target("top", &[])];
    let outcome = resolve(&targets, &store, &Leases::default(), Profile::Nwf, Limits::default(), false).unwrap();
    assert_eq!(outcome.ruleset.interfaces[0].chains[0].priority.get(), -200);
    let warnings: Vec<String> = outcome.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(warnings, ["chain `arp-x` has the priority -200; filter `a`, which shares it, asks for -100 in vain"]);
}

#[test]
fn res_84_ties_keep_the_order_of_expansion() {
    let rule = |priority: &str, port: u32| {
        format!("<rule action='accept' direction='out' priority='{priority}'><tcp dstportstart='{port}'/></rule>")
    };
    let top = format!("<filter name='top'>{}{}{}</filter>", rule("500", 1), rule("100", 2), rule("500", 3));
    let told: Vec<_> = resolved(&[&top], &[]).rules.iter().flat_map(combinations).collect();
    assert_eq!(told, ["2", "1", "3"]);
}

#[test]
fn res_87_qr_9_ip_layer_rules_of_root_come_first_whatever_their_priority() {
    let top = "<filter name='top'><filterref filter='a'/>
        <rule action='accept' direction='out' priority='1000'><tcp dstportstart='1'/></rule></filter>";
    let a = "<filter name='a' chain='ipv4'>
        <rule action='accept' direction='out' priority='-1000'><tcp dstportstart='2'/></rule></filter>";
    let rules = resolved(&[top, a], &[]);
    assert_eq!(rules.ip_rules().flat_map(combinations).collect::<Vec<_>>(), ["1", "2"]);
}

#[test]
fn xml_82_what_has_no_effect_is_left_out() {
    let count = |attributes: &str| {
        let text = format!("<filter name='top'><rule action='accept' direction='out'><{attributes}/></rule></filter>");
        resolved(&[&text], &[]).rules[0].expressions.len()
    };
    assert_eq!(count("tcp srcipmask='24'"), 0);
    assert_eq!(count("tcp srcportend='24'"), 0);
    assert_eq!(count("tcp srcipto='10.0.0.1'"), 0);
    assert_eq!(count("tcp srcipaddr='10.0.0.1' srcipfrom='10.0.0.1' srcipto='10.0.0.2'"), 1);
    assert_eq!(count("icmp code='1'"), 0);
    assert_eq!(count("arp gratuitous='false'"), 0);
    assert_eq!(count("arp gratuitous='true'"), 1);
}

#[test]
fn xml_75_icmp_bounds_of_ipv6() {
    let bounds = |attributes: &str| {
        let text =
            format!("<filter name='top'><rule action='accept' direction='out'><ipv6 {attributes}/></rule></filter>");
        combinations(&resolved(&[&text], &[]).rules[0])
    };
    assert_eq!(bounds("type='1'"), ["1,1,0,255"]);
    assert_eq!(bounds("typeend='5'"), ["0,5,0,255"]);
    assert_eq!(bounds("code='3' codeend='4'"), ["0,255,3,4"]);
    assert_eq!(bounds("type='1' typeend='2' code='3'"), ["1,2,3,3"]);
}

#[test]
fn xml_83_eb_50_spanning_tree_in_both_directions_has_no_source_address() {
    let text = "<filter name='top'><rule action='drop' direction='inout'>
        <stp srcmacaddr='1:2:3:4:5:6'/></rule></filter>";
    let told = errors(&[text], &[]);
    assert_eq!(told, ["filter `top` rule 1: a rule for `stp` with `srcmacaddr` cannot have the direction `inout`"]);
}

#[test]
fn several_bindings_give_one_ruleset_per_interface_in_order() {
    let text = "<filter name='top'><rule action='accept' direction='out'><ip srcipaddr='$IP'/></rule></filter>";
    let mut targets = vec![target("top", &[("IP", &["10.0.0.1"])]), target("top", &[("IP", &["10.0.0.2"])])];
    targets[1].interface = "vnet1".parse().unwrap();
    let store = store(Profile::Nwf, &[text]);
    let outcome = resolve(&targets, &store, &Leases::default(), Profile::Nwf, Limits::default(), false).unwrap();
    let told: Vec<_> = outcome
        .ruleset
        .interfaces
        .iter()
        .map(|rules| (rules.binding.interface.to_string(), combinations(&rules.rules[0]).concat()))
        .collect();
    assert_eq!(told, [("vnet0".to_owned(), "10.0.0.1".to_owned()), ("vnet1".to_owned(), "10.0.0.2".to_owned())]);
}

/// One line for each rule of an interim ruleset.
fn told(rules: &InterfaceRules) -> Vec<String> {
    let expression = |expression: &crate::ruleset::Expression| {
        let values: Vec<String> = expression
            .test
            .slots()
            .into_iter()
            .map(|slot| match slot {
                Slot::Value(Value::Mac(mac)) => mac.to_string(),
                Slot::Value(Value::Ipv4(address)) => address.to_string(),
                Slot::Value(Value::Ipv6(address)) => address.to_string(),
                Slot::Value(other) => other.number().unwrap().to_string(),
                Slot::Column { .. } => panic!("a list in an interim ruleset"),
            })
            .collect();
        let sign = if expression.negated { "!" } else { "" };
        format!("{}={sign}{}", expression.attribute, values.join("/"))
    };
    let rule = |rule: &Rule| {
        let parts = rule.expressions.iter().map(expression).collect::<Vec<_>>().join(" ");
        let protocol = rule.protocol.map_or("any", crate::model::Protocol::name);
        format!("{} {:?} {protocol} {parts}", rule.direction.name(), rule.verdict).trim_end().to_owned()
    };
    rules.rules.iter().map(rule).collect()
}

fn interim_of(kind: Interim, families: Families, servers: &[&str]) -> Vec<String> {
    let servers: Vec<_> = servers.iter().map(|server| server.parse().unwrap()).collect();
    let bound = target("top", &[]).bound(None);
    told(&interim(kind, bound, "52:54:00:11:22:33".parse().unwrap(), families, &servers))
}

#[test]
fn lrn_20_eb_130_basic() {
    let expected = [
        "out Drop mac srcmacaddr=!52:54:00:11:22:33",
        "out Accept mac protocolid=2048",
        "out Accept mac protocolid=2054",
        "out Drop any",
    ];
    assert_eq!(interim_of(Interim::Basic, Families::Ipv4, &[]), expected);
}

#[test]
fn lrn_20_eb_131_dhcp_only() {
    let mac = "52:54:00:11:22:33";
    let request = format!("out Accept ip srcmacaddr={mac} protocol=17 srcportstart=68 dstportstart=67");
    let answer = |to: &str, server: &str| {
        format!("in Accept ip dstmacaddr={to} {server}protocol=17 srcportstart=67 dstportstart=68")
    };
    let broadcast = "ff:ff:ff:ff:ff:ff";
    let drops = ["out Drop any".to_owned(), "in Drop any".to_owned()];
    let none = interim_of(Interim::DhcpOnly, Families::Ipv4, &[]);
    assert_eq!(none, [request.clone(), drops[0].clone(), answer(mac, ""), answer(broadcast, ""), drops[1].clone()]);
    let two = interim_of(Interim::DhcpOnly, Families::Ipv4, &["192.168.122.1", "10.0.0.1"]);
    let (one, other) = ("srcipaddr=192.168.122.1 ", "srcipaddr=10.0.0.1 ");
    let expected = [
        request,
        drops[0].clone(),
        answer(mac, one),
        answer(broadcast, one),
        answer(mac, other),
        answer(broadcast, other),
        drops[1].clone(),
    ];
    assert_eq!(two, expected);
}

#[test]
fn lrn_20_eb_132_drop_all() {
    assert_eq!(interim_of(Interim::DropAll, Families::Both, &[]), ["out Drop any", "in Drop any"]);
}

#[test]
fn lrn_21_ipv6_among_the_families() {
    let basic = interim_of(Interim::Basic, Families::Both, &[]);
    assert_eq!(basic[3], "out Accept mac protocolid=34525");
    let only = interim_of(Interim::Basic, Families::Ipv6, &[]);
    assert_eq!(only.len(), 3);
    let dhcp = interim_of(Interim::DhcpOnly, Families::Ipv6, &["fe80::1"]);
    assert_eq!(dhcp[0], "out Accept ipv6 srcmacaddr=52:54:00:11:22:33 protocol=17 srcportstart=546 dstportstart=547");
    let types: Vec<&String> = dhcp.iter().filter(|line| line.contains("type=")).collect();
    assert_eq!(types.len(), 9);
    assert!(
        dhcp.contains(&"in Accept ipv6 srcipaddr=fe80::1 protocol=17 srcportstart=547 dstportstart=546".to_owned())
    );
    assert!(!dhcp.iter().any(|line| line.contains(" ip ")));
}

/// One access of the property below: variable 0 to 2, and its iterator or position.
type Access = (usize, Result<u8, u8>);

/// The odometer of RES-32 to RES-36 done by hand: all positions counted, repetitions skipped on the way.
fn plain_reading(lists: &[Vec<u16>; 3], accesses: &[Access]) -> Option<Vec<Vec<u16>>> {
    let mut wheels: Vec<(Option<u8>, Vec<usize>)> = vec![(Some(0), Vec::new())];
    for (variable, kind) in accesses {
        match kind {
            Err(position) if usize::from(*position) >= lists[*variable].len() => return None,
            Err(_) => wheels.push((None, Vec::new())),
            Ok(iterator) => match wheels.iter_mut().find(|(known, _)| *known == Some(*iterator)) {
                Some((_, variables)) => variables.push(*variable),
                None => wheels.push((Some(*iterator), vec![*variable])),
            },
        }
    }
    let mut sizes = Vec::new();
    for (_, variables) in &wheels {
        let lengths: BTreeSet<usize> = variables.iter().map(|variable| lists[*variable].len()).collect();
        if lengths.len() > 1 {
            return None;
        }
        sizes.push(lengths.first().copied().unwrap_or(1));
    }
    let mut positions = vec![0; wheels.len()];
    let mut found = Vec::new();
    loop {
        let value = |(variable, kind): &Access| {
            let position = match kind {
                Err(position) => usize::from(*position),
                Ok(iterator) => positions[wheels.iter().position(|(known, _)| *known == Some(*iterator)).unwrap()],
            };
            lists[*variable][position]
        };
        found.push(accesses.iter().map(value).collect());
        let mut wheel = 0;
        loop {
            if wheel == wheels.len() {
                return Some(found);
            }
            let tuple =
                |position: usize| wheels[wheel].1.iter().map(|variable| lists[*variable][position]).collect::<Vec<_>>();
            positions[wheel] += 1;
            while positions[wheel] < sizes[wheel]
                && (0..positions[wheel]).any(|earlier| tuple(earlier) == tuple(positions[wheel]))
            {
                positions[wheel] += 1;
            }
            if positions[wheel] < sizes[wheel] {
                break;
            }
            positions[wheel] = 0;
            wheel += 1;
        }
    }
}

proptest::proptest! {
    #[test]
    fn res_30_to_36_expansion_is_the_plain_reading_of_the_rules(
        lists in proptest::array::uniform3(proptest::collection::vec(1_u16..5, 1..5)),
        accesses in proptest::collection::vec((0_usize..3, proptest::result::maybe_err(0_u8..3, 0_u8..4)), 1..5),
    ) {
        let attributes = ["srcportstart", "dstportstart", "option", "dscp"];
        // Table order: dscp stands before the ports.
        let mut ordered: Vec<(&str, &Access)> = attributes.iter().copied().zip(&accesses).collect();
        ordered.sort_by_key(|(name, _)| *name != "dscp");
        let written: String = ordered.iter().map(|(name, (variable, kind))| {
            let access = match kind {
                Ok(iterator) => format!("@{iterator}"),
                Err(position) => position.to_string(),
            };
            format!(" {name}='$V{variable}[{access}]'")
        }).collect();
        let text = format!("<filter name='top'><rule action='accept' direction='out'><tcp{written}/></rule></filter>");
        let values: Vec<(String, Vec<String>)> = lists.iter().enumerate()
            .map(|(number, list)| (format!("V{number}"), list.iter().map(ToString::to_string).collect())).collect();
        let values: Vec<(&str, Vec<&str>)> =
            values.iter().map(|(name, list)| (name.as_str(), list.iter().map(String::as_str).collect())).collect();
        let values: Vec<(&str, &[&str])> = values.iter().map(|(name, list)| (*name, list.as_slice())).collect();
        let in_order: Vec<Access> = ordered.iter().map(|(_, access)| **access).collect();
        let found = try_resolve(Profile::Nwf, &[&text], &values).ok().map(|rules| combinations(&rules.rules[0]));
        let expected = plain_reading(&lists, &in_order).map(|all| {
            let told = |values: &Vec<u16>| values.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
            all.iter().map(told).collect::<Vec<_>>()
        });
        proptest::prop_assert_eq!(found, expected);
    }
}
