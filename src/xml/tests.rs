//! Tests of the reader and the writer under the numbers of spec 01.
//!
//! What whole files and their messages look like is in `tests/cases/parse`; here are the edges.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use miette::Diagnostic;

use super::*;
use crate::model::Profile::{Libvirt, Nwf};
use crate::model::{Binding, Entry, Filter, Filters, Profile, Rule};

/// Codes of all problems of a document, without the common front; errors with a `!`.
fn codes(text: &str, profile: Profile) -> Vec<String> {
    let name = |problem: &XmlProblem| {
        let code = problem.code().unwrap().to_string();
        let sign = if problem.is_error() { "!" } else { "" };
        format!("{sign}{}", code.strip_prefix("nwf::xml::").unwrap())
    };
    read(text, "test.xml", profile).problems.iter().map(name).collect()
}

/// The only filter of a document that may have warnings.
#[track_caller]
fn filter(text: &str, profile: Profile) -> Filter {
    let outcome = read(text, "test.xml", profile);
    assert!(!outcome.has_errors(), "{:#?}", outcome.problems);
    let [filter] = outcome.filters.filters.as_slice() else { panic!("not one filter: {:?}", outcome.filters) };
    filter.clone()
}

#[track_caller]
fn binding(text: &str) -> Binding {
    let outcome = read(text, "test.xml", Nwf);
    assert_eq!(outcome.problems, []);
    let [binding] = outcome.filters.bindings.as_slice() else { panic!("not one binding") };
    binding.clone()
}

fn with_rule(elements: &str) -> String {
    format!("<filter name='test'><rule action='accept' direction='out'>{elements}</rule></filter>")
}

#[track_caller]
fn rule(elements: &str, profile: Profile) -> Rule {
    match filter(&with_rule(elements), profile).entries.first() {
        Some(Entry::Rule(rule)) => rule.clone(),
        other => panic!("no rule: {other:?}"),
    }
}

fn rule_codes(elements: &str, profile: Profile) -> Vec<String> {
    codes(&with_rule(elements), profile)
}

/// The attributes of a rule in order, as `name=value`, with a `!` where they are negated.
#[track_caller]
fn items(elements: &str, profile: Profile) -> String {
    let rule = rule(elements, profile);
    let protocol = rule.protocol.unwrap();
    let show = |item: &crate::model::Item| {
        let kind = protocol.row(item.attribute).unwrap().kind;
        format!("{}{}={}", if item.negated { "!" } else { "" }, item.attribute, item.print(kind))
    };
    rule.items.iter().map(show).collect::<Vec<_>>().join(" ")
}

const NONE: [&str; 0] = [];

#[test]
fn xml_2_only_elements_count() {
    let text =
        "<?xml version='1.0'?><!-- a --><?pi x?><filter name='test'><!-- <rule/> --><?pi?>\n</filter><!-- b -->\n";
    assert_eq!(codes(text, Nwf), NONE);
    assert_eq!(filter(text, Nwf).entries, []);
    assert_eq!(codes("<filter name='test'><rule action='drop' direction='in'>x</rule></filter>", Nwf), ["stray_text"]);
    assert_eq!(rule_codes("<tcp><![CDATA[x]]></tcp>", Libvirt), ["stray_text"]);
}

#[test]
fn xml_3_q_1_what_is_not_known_is_an_error_and_to_libvirt_nothing() {
    for (text, code) in [
        ("<filter name='test'><foo><rule/></foo></filter>", "unknown_element"),
        ("<filter name='test' foo='1'/>", "unknown_attribute"),
        ("<filter name='test'><uuid x='1'>5c6d49af-b071-6127-b4ec-6f8ed4b55335</uuid></filter>", "unknown_attribute"),
        ("<filter name='test'><filterref filter='a' b='c'/></filter>", "unknown_attribute"),
        ("<filter name='test'><filterref filter='a'><foo/></filterref></filter>", "unknown_element"),
        (
            "<filter name='test'><filterref filter='a'><parameter name='A' value='1' x=''/></filterref></filter>",
            "unknown_attribute",
        ),
        ("<filter name='test'><rule action='drop' direction='in' foo='1'/></filter>", "unknown_attribute"),
        ("<filter name='test'><rule action='drop' direction='in'><TCP/></rule></filter>", "unknown_element"),
        ("<filter name='test'><rule action='drop' direction='in'><tcp><foo/></tcp></rule></filter>", "unknown_element"),
        (
            "<filter name='test'><rule action='drop' direction='in'><stp port_hi='1'/></rule></filter>",
            "unknown_attribute",
        ),
        (
            "<filter name='test'><rule action='drop' direction='in'><tcp SRCIPADDR='1'/></rule></filter>",
            "unknown_attribute",
        ),
    ] {
        assert_eq!(codes(text, Nwf), [format!("!{code}")], "{text}");
        assert_eq!(codes(text, Libvirt), [code], "{text}");
    }
    assert_eq!(rule("<TCP srcipaddr='10.0.0.1'/>", Libvirt).protocol, None);
}

#[test]
fn xml_3_the_names_of_the_documentation_lead_to_the_right_ones() {
    let helps = |attribute: &str| {
        let text = with_rule(&format!("<stp {attribute}='1'/>"));
        read(&text, "test.xml", Nwf).problems[0].help().unwrap().to_string()
    };
    assert_eq!(helps("port_hi"), "did you mean `port-hi`?");
    assert_eq!(helps("msg-age"), "did you mean `age`?");
    assert_eq!(helps("msg-age-hi"), "did you mean `age-hi`?");
}

#[test]
fn xml_4_empty_is_absent_for_the_path_reader_only() {
    assert_eq!(codes("<filter name=''/>", Libvirt), ["!missing_attribute"]);
    let lax = filter("<filter name='test' chain='' priority=''/>", Libvirt);
    assert_eq!((lax.chain.as_str(), lax.priority.get()), ("root", 0));
    assert_eq!(filter("<filter name='test'><uuid></uuid></filter>", Nwf).uuid, None);
    assert_eq!(codes("<filter name='test'><rule action='' direction='in'/></filter>", Libvirt), ["!bad_action"]);
    assert_eq!(rule_codes("<tcp srcipaddr=''/>", Libvirt), ["!bad_value"]);
    assert_eq!(items("<tcp state=''/>", Nwf), "state=");
    // A reference to the empty name is accepted by libvirt.
    assert_eq!(codes("<filter name='test'><filterref filter=''/></filter>", Libvirt), NONE);
    assert_eq!(codes("<filter name='test'><filterref filter=''/></filter>", Nwf), ["!bad_filter_name"]);
}

#[test]
fn xml_5_roots() {
    for text in ["<network/>", "<Filter name='a'/>", "<nwfilter/>"] {
        assert_eq!(codes(text, Libvirt), ["!unknown_root"], "{text}");
    }
    let problems = read("<filters/>", "test.xml", Nwf).problems;
    assert!(problems[0].help().unwrap().to_string().starts_with("did you mean `filter`?"));
}

#[test]
fn xml_6_q_2_priorities_are_read_as_integers() {
    let priority = |text: &str, profile| {
        let document = format!("<filter name='a' chain='arp' priority='{text}'/>");
        let outcome = read(&document, "test.xml", profile);
        outcome.filters.filters.first().map(|filter| filter.priority.get())
    };
    for text in [" 5", "+5", "\t+5"] {
        assert_eq!(priority(text, Libvirt), Some(5), "{text}");
        assert_eq!(priority(text, Nwf), None, "{text}");
    }
    for text in ["5 ", "5x", "--5", "1001", "-1001", "99999999999999999999", "0x10"] {
        assert_eq!(priority(text, Libvirt), None, "{text}");
    }
    assert_eq!(priority("-1000", Nwf), Some(-1000));
    assert_eq!(priority("1000", Nwf), Some(1000));
    assert_eq!(priority("007", Nwf), Some(7));
    // An empty one is an absent one (XML-4).
    assert_eq!(priority("", Nwf), Some(-500));
}

#[test]
fn xml_10_the_order_of_entries_is_kept() {
    let read = filter(
        "<filter name='test'><filterref filter='a'/><rule action='drop' direction='in'/><filterref filter='b'/></filter>",
        Nwf,
    );
    let kinds: Vec<_> = read.entries.iter().map(|entry| matches!(entry, Entry::Rule(_))).collect();
    assert_eq!(kinds, [false, true, false]);
    let at = read.at.unwrap();
    assert_eq!((at.line, at.column), (1, 1));
}

#[test]
fn locations_count_characters() {
    let read = filter("<!-- é\né --><filter name='test'>\n  <rule action='drop' direction='in'/></filter>", Nwf);
    let at = read.at.unwrap();
    assert_eq!((at.line, at.column, at.file.as_ref()), (2, 6, "test.xml"));
    let Entry::Rule(rule) = &read.entries[0] else { panic!("no rule") };
    assert_eq!(rule.at.as_ref().map(|at| (at.line, at.column)), Some((3, 3)));
}

#[test]
fn xml_11_q_3_names() {
    assert_eq!(codes("<filter/>", Libvirt), ["!missing_attribute"]);
    assert_eq!(codes("<filter name='a&apos;b/c'/>", Nwf), ["!bad_filter_name"]);
    assert_eq!(codes("<filter name='a&apos;b/c'/>", Libvirt), NONE);
    // Not even libvirt's profile takes what no tool could show.
    assert_eq!(codes("<filter name='a&#10;b'/>", Libvirt), ["!bad_filter_name"]);
}

#[test]
fn xml_13_14_q_4_chain_names() {
    for chain in ["root1", "ARP", "foo", "arp/x", "ipv4-12345678"] {
        assert_eq!(codes(&format!("<filter name='a' chain='{chain}'/>"), Libvirt), ["!bad_chain"], "{chain}");
    }
}

#[test]
fn xml_15_a_bad_priority_is_refused_even_without_chain() {
    assert_eq!(codes("<filter name='a' priority='x'/>", Libvirt), ["!bad_priority"]);
}

#[test]
fn xml_16_chain_priorities() {
    for (attributes, nwf, libvirt) in [
        ("", Some(0), 0),
        //
        ("priority='5'", None, 0),
        ("chain='root' priority='5'", Some(5), 5),
        ("chain='root'", Some(0), 0),
        ("chain='arp-testme'", Some(-500), -500),
        ("chain='rarp'", Some(-400), -400),
        ("chain='mac'", Some(-800), -800),
        ("chain='vlan'", Some(-750), -750),
        ("chain='ipv4'", Some(-700), -700),
        ("chain='ipv6'", Some(-600), -600),
        //
        ("chain='stp'", Some(-810), 0),
        ("chain='stp' priority='0'", Some(0), 0),
    ] {
        let text = format!("<filter name='a' {attributes}/>");
        let read_as = |profile| {
            let outcome = read(&text, "test.xml", profile);
            outcome.filters.filters.first().map(|filter| filter.priority.get())
        };
        assert_eq!((read_as(Nwf), read_as(Libvirt)), (nwf, Some(libvirt)), "{attributes}");
    }
    assert_eq!(codes("<filter name='a' priority='5'/>", Nwf), ["!priority_without_chain"]);
    assert_eq!(codes("<filter name='a' priority='5'/>", Libvirt), ["priority_without_chain"]);
}

#[test]
fn xml_17_uuids_are_read_liberally() {
    let uuid = |text: &str| {
        let outcome = read(&format!("<filter name='a'><uuid>{text}</uuid></filter>"), "test.xml", Nwf);
        outcome.filters.filters.first().and_then(|filter| filter.uuid).map(|uuid| uuid.to_string())
    };
    let printed = Some("01a992d2-f8c8-7c27-f69b-ab0a9d377379".to_owned());
    for right in [
        "01a992d2-f8c8-7c27-f69b-ab0a9d377379",
        "01A992D2F8C87C27F69BAB0A9D377379",
        "01 a9-92d2 f8c87c27f69bab0a9d377379",
        "\n  01a992d2-f8c8-7c27-f69b-ab0a9d377379\t",
    ] {
        assert_eq!(uuid(right), printed, "{right}");
    }
    for wrong in [
        "01a992d2-f8c8-7c27-f69b-ab0a9d37737",
        "0-1a992d2f8c87c27f69bab0a9d377379",
        "01a992d2-f8c8-7c27-f69b-ab0a9d3773799",
        "01a992d2-f8c8-7c27-f69b-ab0a9d37737g",
        "é1a992d2-f8c8-7c27-f69b-ab0a9d37737",
        "x",
    ] {
        assert_eq!(uuid(wrong), None, "{wrong}");
    }
}

#[test]
fn xml_17_the_first_uuid_counts() {
    let text = "<filter name='a'><uuid>01a992d2f8c87c27f69bab0a9d377379</uuid><uuid>x</uuid></filter>";
    assert_eq!(codes(text, Nwf), ["!repeated_element"]);
    assert_eq!(codes(text, Libvirt), ["repeated_element"]);
    assert!(filter(text, Libvirt).uuid.is_some());
}

#[test]
fn xml_18_whether_there_was_a_uuid_is_remembered() {
    let read = filter("<filter name='a'/>", Nwf);
    assert_eq!(read.uuid, None);
    // Printed is one all the same, and always the same one.
    assert_eq!(write_filter(&read, Nwf), write_filter(&read, Nwf));
    assert!(filter(&write_filter(&read, Nwf), Nwf).uuid.is_some());
}

#[test]
fn xml_20_q_28_a_reference_names_its_filter() {
    let text = "<filter name='a'><filterref/></filter>";
    let problems = read(text, "test.xml", Libvirt).problems;
    assert_eq!(problems[0].to_string(), "`<filterref>` lacks the attribute `filter`");
    assert_eq!(codes("<filter name='a'><filterref filter='not-there'/></filter>", Nwf), NONE);
}

fn with_parameters(parameters: &str) -> String {
    format!("<filter name='a'><filterref filter='b'>{parameters}</filterref></filter>")
}

fn parameters(text: &str, profile: Profile) -> Vec<(String, Vec<String>)> {
    let read = filter(&with_parameters(text), profile);
    let Entry::Reference(reference) = &read.entries[0] else { panic!("no reference") };
    reference.parameters.iter().map(|(name, values)| (name.to_string(), values.clone())).collect()
}

#[test]
fn xml_21_q_7_bad_parameters() {
    for parameter in [
        "<parameter value='1'/>",
        "<parameter name='a-b' value='1'/>",
        "<parameter name='A'/>",
        "<parameter name='A' value=''/>",
        "<parameter name='A' value='a b'/>",
        "<parameter name='A' value='10.0.0.0/8'/>",
        "<parameter name='A' value='$B'/>",
        "<parameter name='A' value='1+'/>",
        "<parameter name='A' value='1,2'/>",
        "<parameter name='A' value='é'/>",
        "<parameter name='A' value='1&#10;'/>",
    ] {
        assert_eq!(codes(&with_parameters(parameter), Nwf), ["!bad_parameter"], "{parameter}");
        assert_eq!(codes(&with_parameters(parameter), Libvirt), ["bad_parameter"], "{parameter}");
        assert_eq!(parameters(parameter, Libvirt), [], "{parameter}");
    }
    let right = "<parameter name='a_9' value='fe80::1_.:'/>";
    assert_eq!(parameters(right, Nwf), [("a_9".to_owned(), vec!["fe80::1_.:".to_owned()])]);
}

#[test]
fn xml_22_24_lists_keep_order_and_duplicates_and_names_their_case() {
    let text = "<parameter name='A' value='2'/><parameter name='a' value='x'/><parameter name='A' value='1'/>\
                <parameter name='A' value='2'/>";
    let expected = [
        ("A".to_owned(), vec!["2".to_owned(), "1".to_owned(), "2".to_owned()]),
        ("a".to_owned(), vec!["x".to_owned()]),
    ];
    assert_eq!(parameters(text, Nwf), expected);
}

#[test]
fn qr_14_learning_is_chosen_at_the_interface() {
    let dhcp = "<parameter name='CTRL_IP_LEARNING' value='dhcp'/>";
    assert_eq!(codes(&with_parameters(dhcp), Nwf), ["learning_in_filter"]);
    let interface = |method: &str| {
        let text = format!(
            "<interface type='bridge'><filterref filter='a'><parameter name='CTRL_IP_LEARNING' \
             value='{method}'/></filterref></interface>"
        );
        codes(&text, Nwf)
    };
    for method in ["any", "DHCP", "none"] {
        assert_eq!(interface(method), NONE, "{method}");
    }
    assert_eq!(interface("dchp"), ["bad_learning_method"]);
}

#[test]
fn xml_30_attributes_of_rules() {
    let read_rule = |attributes: &str, profile| {
        let outcome = read(&format!("<filter name='a'><rule {attributes}/></filter>"), "test.xml", profile);
        outcome.filters.filters.first().map(|filter| match &filter.entries[0] {
            Entry::Rule(rule) => (rule.priority.get(), rule.statematch),
            Entry::Reference(_) => panic!("no rule"),
        })
    };
    let both = |more: &str| {
        let attributes = format!("action='drop' direction='in' {more}");
        (read_rule(&attributes, Nwf), read_rule(&attributes, Libvirt))
    };
    let same = |result| (Some(result), Some(result));
    assert_eq!(both(""), same((500, true)));
    assert_eq!(both("priority='-1000'"), same((-1000, true)));
    //
    assert_eq!(both("priority='1001'"), (None, Some((500, true))));
    assert_eq!(both("priority=''"), (None, Some((500, true))));
    for off in ["0", "false", "FALSE", "False"] {
        assert_eq!(both(&format!("statematch='{off}'")), same((500, false)), "{off}");
    }
    for on in ["1", "true"] {
        assert_eq!(both(&format!("statematch='{on}'")), same((500, true)), "{on}");
    }
    assert_eq!(both("statematch='no'"), (None, Some((500, true))));
    for wrong in ["", "action='drop'", "direction='in'", "action='DROP' direction='in'", "action='drop' direction='IN'"]
    {
        assert_eq!(read_rule(wrong, Libvirt), None, "{wrong}");
    }
    for action in ["drop", "accept", "reject", "return", "continue"] {
        for direction in ["in", "out", "inout"] {
            assert!(read_rule(&format!("action='{action}' direction='{direction}'"), Nwf).is_some());
        }
    }
}

#[test]
fn xml_32_q_9_one_protocol_decides() {
    let two = "<arp opcode='1'/><tcp/>";
    assert_eq!(rule_codes(two, Nwf), ["!second_protocol"]);
    assert_eq!(rule_codes(two, Libvirt), ["second_protocol"]);
    assert_eq!(items(two, Libvirt), "opcode=Request");
    assert_eq!(items("<tcp/><arp/><tcp dscp='1'/>", Libvirt), "dscp=1");
    assert_eq!(rule("", Nwf).protocol, None);
    assert_eq!(items("<tcp/>", Nwf), "");
}

#[test]
fn xml_32_q_24_elements_of_one_name_add_up_and_the_last_wins() {
    assert_eq!(items("<tcp dscp='1'/><tcp srcipaddr='10.0.0.1'/>", Nwf), "srcipaddr=10.0.0.1 dscp=1");
    assert_eq!(rule_codes("<tcp dscp='1'/><tcp srcipaddr='10.0.0.1'/>", Nwf), NONE);
    // Value, sign, variable or literal: all of the last one.
    assert_eq!(items("<tcp match='no' dscp='1'/><tcp dscp='$A'/>", Nwf), "dscp=$A");
    assert_eq!(items("<tcp dscp='$A'/><tcp match='no' dscp='1'/>", Nwf), "!dscp=1");
    assert_eq!(rule_codes("<tcp dscp='1'/><tcp dscp='2'/>", Nwf), ["overwritten"]);
    assert_eq!(rule_codes("<tcp dscp='1'/><tcp dscp='1'/>", Nwf), NONE);
}

#[test]
fn xml_34_attributes_stand_in_table_order() {
    let typed = "<tcp flags='SYN/SYN' dstportstart='2' srcportstart='1' dscp='3' srcipaddr='10.0.0.1'/>";
    assert_eq!(items(typed, Nwf), "srcipaddr=10.0.0.1 dscp=3 srcportstart=1 dstportstart=2 flags=SYN/SYN");
}

#[test]
fn xml_35_q_29_every_bad_value_is_told() {
    let text = "<tcp dstportstart='x' srcipaddr='y' dscp='64'/>";
    for profile in [Nwf, Libvirt] {
        assert_eq!(rule_codes(text, profile), ["!bad_value"; 3]);
        let outcome = read(&with_rule(text), "test.xml", profile);
        let places: Vec<_> = outcome.problems.iter().map(|problem| problem.at.column).collect();
        assert!(places.is_sorted(), "{places:?}");
        assert_eq!(outcome.filters, Filters { profile, ..Filters::default() });
    }
}

#[test]
fn xml_40_q_13_match() {
    for text in ["yes", "NO", "false", ""] {
        let element = format!("<tcp match='{text}' dscp='1'/>");
        assert_eq!(items(&element, Libvirt), "dscp=1", "{text}");
        let expected: &[&str] = if text == "yes" { &[] } else { &["!bad_match"] };
        assert_eq!(rule_codes(&element, Nwf), expected, "{text}");
    }
    assert_eq!(items("<tcp match='no' dscp='1'/>", Nwf), "!dscp=1");
}

#[test]
fn xml_42_elements_mix_signs() {
    assert_eq!(items("<tcp match='no' dscp='1'/><tcp option='2'/>", Nwf), "!dscp=1 option=2");
}

/// The worked example of XML-43.
const WORKED: &str = "<tcp match='no' srcipaddr='10.1.2.3'/><tcp match='no' srcportstart='22'/>\
                      <tcp dstportstart='22' comment='comment'/><tcp srcipmask='32'/>";

#[test]
fn xml_43_followers_take_over_signs_in_libvirt() {
    assert_eq!(
        items(WORKED, Libvirt),
        "!srcipaddr=10.1.2.3 !srcipmask=32 !srcportstart=22 !dstportstart=22 comment=comment"
    );
    let printed = write_filter(&filter(&with_rule(WORKED), Libvirt), Libvirt);
    let expected = "    <tcp match='no' srcipaddr='10.1.2.3' srcipmask='32' srcportstart='22' dstportstart='22'/>\n    \
                    <tcp comment='comment'/>\n";
    assert!(printed.contains(expected), "{printed}");
    for (elements, expected) in [
        // Without the leader a follower is positive.
        ("<tcp match='no' dstportstart='80'/>", "dstportstart=80"),
        ("<udp match='no' srcportend='80'/>", "srcportend=80"),
        ("<sctp-ipv6 match='no' dstportend='80'/>", "dstportend=80"),
        ("<tcp match='no' srcipmask='8'/>", "srcipmask=8"),
        ("<icmp match='no' code='1'/>", "code=1"),
        ("<mac match='no' srcmacmask='ff:0:0:0:0:0'/>", "srcmacmask=ff:00:00:00:00:00"),
        ("<stp match='no' age-hi='5'/>", "age-hi=5"),
        ("<icmp match='no' type='3'/><icmp code='1'/>", "!type=3 !code=1"),
        ("<icmpv6 type='3'/><icmpv6 match='no' code='1'/>", "type=3 code=1"),
        (
            "<ipv6 match='no' type='3'/><ipv6 typeend='4' code='1' codeend='2'/>",
            "!type=3 !typeend=4 !code=1 !codeend=2",
        ),
        ("<all match='no' srcipfrom='10.0.0.1'/><all srcipto='10.0.0.2'/>", "!srcipfrom=10.0.0.1 !srcipto=10.0.0.2"),
        ("<stp match='no' port='3'/><stp port-hi='4'/>", "!port=3 !port-hi=4"),
        // No followers: arp, and ports and MAC masks of ip and ipv6.
        ("<arp match='no' srcmacmask='ff:0:0:0:0:0'/>", "!srcmacmask=ff:00:00:00:00:00"),
        ("<arp match='no' arpsrcipmask='8'/>", "!arpsrcipmask=8"),
        (
            "<ip protocol='6'/><ip match='no' dstportstart='8' dstportend='9'/>",
            "protocol=tcp !dstportstart=8 !dstportend=9",
        ),
        ("<ip match='no' srcmacmask='ff:0:0:0:0:0'/>", "!srcmacmask=ff:00:00:00:00:00"),
    ] {
        assert_eq!(items(elements, Libvirt), expected, "{elements}");
    }
}

#[test]
fn q_10_each_start_keeps_its_sign_and_masks_and_ends_follow() {
    assert_eq!(
        items(WORKED, Nwf),
        "!srcipaddr=10.1.2.3 !srcipmask=32 !srcportstart=22 dstportstart=22 comment=comment"
    );
    assert_eq!(rule_codes(WORKED, Nwf), ["sign_differs"]);
    for (elements, expected, warnings) in [
        ("<tcp match='no' dstportstart='80'/>", "!dstportstart=80", 1),
        ("<tcp match='no' dstportstart='80' dstportend='90'/>", "!dstportstart=80 !dstportend=90", 1),
        ("<tcp match='no' srcportstart='80'/><tcp srcportend='90'/>", "!srcportstart=80 !srcportend=90", 0),
        ("<tcp match='no' srcportstart='80' dstportstart='80'/>", "!srcportstart=80 !dstportstart=80", 0),
        ("<icmp match='no' type='3' code='1'/>", "!type=3 !code=1", 0),
        ("<icmp match='no' type='3'/><icmp code='1'/>", "!type=3 code=1", 1),
        (
            "<ipv6 match='no' type='3'/><ipv6 typeend='4' code='1' codeend='2'/>",
            "!type=3 !typeend=4 code=1 codeend=2",
            1,
        ),
        (
            "<arp match='no' arpsrcipaddr='10.0.0.0'/><arp arpsrcipmask='8'/>",
            "!arpsrcipaddr=10.0.0.0 !arpsrcipmask=8",
            0,
        ),
        (
            "<ip match='no' srcmacaddr='1:2:3:4:5:6'/><ip srcmacmask='ff:0:0:0:0:0'/>",
            "!srcmacaddr=01:02:03:04:05:06 !srcmacmask=ff:00:00:00:00:00",
            0,
        ),
    ] {
        assert_eq!(items(elements, Nwf), expected, "{elements}");
        assert_eq!(rule_codes(elements, Nwf), vec!["sign_differs"; warnings], "{elements}");
    }
}

#[test]
fn xml_44_some_signs_mean_nothing() {
    assert_eq!(rule_codes("<tcp match='no' dscp='1' state='NEW'/>", Nwf), ["no_effect"]);
    assert_eq!(rule_codes("<all match='no' ipset='a' ipsetflags='src'/>", Nwf), ["no_effect"]);
    assert_eq!(rule_codes("<tcp match='no' dscp='1' comment='x'/>", Nwf), NONE);
    // Stored and printed all the same.
    assert_eq!(items("<tcp match='no' state='NEW'/>", Nwf), "!state=NEW");
}

#[test]
fn xml_50_variables() {
    assert_eq!(
        items("<tcp srcipaddr='$IP' srcipmask='$A[@2]' dstportstart='$B[ 1 ]'/>", Nwf),
        "srcipaddr=$IP srcipmask=$A[@2] dstportstart=$B[1]"
    );
    for profile in [Nwf, Libvirt] {
        assert_eq!(rule_codes("<tcp srcipaddr='$a b'/>", profile), ["!bad_variable"]);
    }
    // XML-95: white space inside the brackets is gone, and iterator 0 needs no number.
    assert_eq!(items("<tcp srcipaddr='$IP[ @ 0 ]'/>", Nwf), "srcipaddr=$IP");
}

#[test]
fn xml_51_q_11_where_variables_have_no_use() {
    let state = "<tcp state='$A'/>";
    assert_eq!(rule_codes(state, Nwf), ["!variable_not_allowed"]);
    assert_eq!(rule_codes(state, Libvirt), ["useless_variable"]);
    // They still count as needed.
    assert_eq!(rule(state, Libvirt).access_list().len(), 1);
    let comment = "<tcp comment='$5 a month'/>";
    assert_eq!(items(comment, Nwf), "comment=$5 a month");
    assert_eq!(rule_codes(comment, Libvirt), ["!bad_variable"]);
    assert_eq!(items("<tcp comment='$A'/>", Nwf), "comment=$A");
    assert_eq!(rule("<tcp comment='$A'/>", Nwf).access_list().len(), 0);
    assert_eq!(rule("<tcp comment='$A'/>", Libvirt).access_list().len(), 1);
}

#[test]
fn qr_1_loose_accesses() {
    assert_eq!(rule_codes("<tcp dscp='$A[1]junk'/>", Nwf), ["!bad_variable"]);
    assert_eq!(rule_codes("<tcp dscp='$A[1]junk'/>", Libvirt), ["loose_variable"]);
    assert_eq!(items("<tcp dscp='$A[1]junk'/>", Libvirt), "dscp=$A[1]");
}

#[test]
fn res_31_accesses_stand_in_order_of_first_appearance() {
    let names = |elements: &str, profile| {
        let rule = rule(elements, profile);
        let list: Vec<_> = rule.access_list().iter().map(ToString::to_string).collect();
        (list.join(" "), rule.accesses.is_empty())
    };
    // Inside one element that of the table, which is that of the items: nothing to write down.
    assert_eq!(names("<tcp dstportstart='$B' srcipaddr='$A'/>", Nwf), ("$A $B".to_owned(), true));
    // Over several elements that of the elements.
    assert_eq!(names("<tcp dstportstart='$B'/><tcp srcipaddr='$A'/>", Nwf), ("$B $A".to_owned(), false));
    assert_eq!(names("<tcp dstportstart='$A'/><tcp srcipaddr='$A'/>", Nwf), ("$A".to_owned(), true));
    // RES-38, QR-4: what was overwritten counts in libvirt only.
    let overwritten = "<tcp dscp='$A'/><tcp dscp='$B'/>";
    assert_eq!(names(overwritten, Nwf), ("$B".to_owned(), true));
    assert_eq!(names(overwritten, Libvirt), ("$A $B".to_owned(), false));
    assert_eq!(names("<tcp dscp='$A'/><tcp dscp='1'/>", Libvirt), ("$A".to_owned(), false));
}

#[test]
fn q_15_to_q_16_states() {
    assert_eq!(rule_codes("<tcp state='NEWRELATED'/>", Nwf), ["!bad_value"]);
    assert_eq!(items("<tcp state='NEWRELATED'/>", Libvirt), "state=NEW,RELATED");
    let two = "<tcp state='RELATED'/><tcp state='NEW'/>";
    assert_eq!(items(two, Nwf), "state=NEW,RELATED");
    assert_eq!(rule(two, Nwf).effective_state, None);
    assert_eq!(rule_codes(two, Nwf), NONE);
    assert_eq!(items(two, Libvirt), "state=NEW");
    assert_eq!(rule(two, Libvirt).effective_state.unwrap().states().len(), 2);
    assert_eq!(rule("<tcp state='NEW'/><tcp state='NEW'/>", Libvirt).effective_state, None);
}

#[test]
fn q_17_range_ends_over_ipv6() {
    let range = "<udp-ipv6 dstipfrom='2001:db8::1' dstipto='2001:db8::9'/>";
    assert_eq!(items(range, Nwf), "dstipfrom=2001:db8::1 dstipto=2001:db8::9");
    assert_eq!(rule_codes(range, Libvirt), ["!ipv4_range_end"]);
    assert_eq!(rule_codes("<icmpv6 dstipfrom='2001:db8::1' dstipto='10.0.0.1'/>", Libvirt), ["!ipv4_range_end"]);
    assert_eq!(rule_codes("<icmpv6 dstipfrom='2001:db8::1' dstipto='10.0.0.1'/>", Nwf), ["!bad_value"]);
    assert_eq!(rule_codes("<icmpv6 srcipfrom='2001:db8::1' srcipto='2001:db8::9'/>", Libvirt), NONE);
    assert_eq!(rule_codes("<icmpv6 dstipfrom='2001:db8::1' dstipto='$A'/>", Libvirt), NONE);
    assert_eq!(rule_codes("<tcp dstipfrom='10.0.0.1' dstipto='10.0.0.9'/>", Libvirt), NONE);
}

#[test]
fn q_18_flags_over_ipv6() {
    assert_eq!(items("<tcp-ipv6 flags='SYN/SYN'/>", Nwf), "flags=SYN/SYN");
    assert_eq!(items("<tcp-ipv6 flags='SYN/SYN'/>", Libvirt), "");
    assert_eq!(rule_codes("<tcp-ipv6 flags='nonsense'/>", Libvirt), ["only_ours"]);
}

#[test]
fn xml_80_q_19_ports_need_a_protocol_that_has_them() {
    for protocol in ["6", "tcp", "17", "33", "132", "sctp", "0x11"] {
        assert_eq!(rule_codes(&format!("<ip protocol='{protocol}' dstportstart='1'/>"), Libvirt), NONE, "{protocol}");
    }
    for elements in
        ["<ip srcportend='1'/>", "<ipv6 protocol='1' dstportend='1'/>", "<ip protocol='$A' srcportstart='1'/>"]
    {
        assert_eq!(rule_codes(elements, Nwf)[0], "!ports_without_protocol", "{elements}");
        assert_eq!(rule_codes(elements, Libvirt)[0], "!ports_without_protocol", "{elements}");
    }
    assert_eq!(rule_codes("<ip match='no' protocol='6' dstportstart='1'/>", Libvirt), NONE);
    let late = "<ip dstportstart='1'/><ip protocol='6'/>";
    assert_eq!(rule_codes(late, Nwf), NONE);
    assert_eq!(rule_codes(late, Libvirt), ["!ports_without_protocol"]);
    assert_eq!(rule_codes("<ip protocol='6'/><ip dstportstart='1'/>", Libvirt), NONE);
}

#[test]
fn xml_81_q_20_ip_sets() {
    for (elements, nwf, libvirt) in [
        ("<tcp ipset='a'/>", "ipset=a ipsetflags=src", "ipset=a ipsetflags=src"),
        ("<tcp ipset='a' ipsetflags='dst'/>", "ipset=a ipsetflags=dst", ""),
        ("<all ipset='a'/>", "ipset=a ipsetflags=src", "ipset=a"),
        ("<all-ipv6 ipset='a' ipsetflags='SRC,dst'/>", "ipset=a ipsetflags=src,dst", "ipset=a ipsetflags=src,dst"),
    ] {
        assert_eq!(items(elements, Nwf), nwf, "{elements}");
        assert_eq!(items(elements, Libvirt), libvirt, "{elements}");
    }
    assert_eq!(rule_codes("<tcp ipsetflags='src'/>", Nwf), ["!set_flags_alone"]);
    assert_eq!(items("<tcp ipsetflags='src'/>", Libvirt), "");
    assert_eq!(items("<all ipsetflags='src'/>", Libvirt), "ipsetflags=src");
    // The check runs after all elements.
    assert_eq!(items("<tcp ipset='a'/><tcp ipsetflags='dst'/>", Nwf), "ipset=a ipsetflags=dst");
}

#[test]
fn xml_82_q_26_without_effect() {
    for elements in [
        "<mac srcmacmask='ff:0:0:0:0:0'/>",
        "<stp root-cost-hi='5'/>",
        "<arp arpsrcipmask='8'/>",
        "<tcp srcipto='10.0.0.1'/>",
        "<tcp srcportend='5'/>",
        "<icmp code='5'/>",
        "<tcp srcipaddr='10.0.0.1' srcipfrom='10.0.0.1'/>",
        "<arp gratuitous='no'/>",
    ] {
        assert_eq!(rule_codes(elements, Nwf), ["no_effect"], "{elements}");
        assert_eq!(rule_codes(elements, Libvirt), ["no_effect"], "{elements}");
    }
    for elements in [
        "<tcp srcportstart='2' srcportend='1'/>",
        "<udp srcipfrom='10.0.0.9' srcipto='10.0.0.1'/>",
        "<stp root-cost='0x10' root-cost-hi='15'/>",
    ] {
        assert_eq!(rule_codes(elements, Nwf), ["range_reversed"], "{elements}");
    }
    // XML-75: there each of the four bounds has an effect of its own.
    assert_eq!(rule_codes("<ipv6 protocol='58' typeend='5'/>", Nwf), NONE);
    assert_eq!(rule_codes("<ipv6 protocol='58' code='5'/>", Nwf), NONE);
    assert_eq!(rule_codes("<tcp srcportstart='0x1' srcportend='1'/>", Nwf), NONE);
    assert_eq!(rule_codes("<arp comment='x'/>", Nwf), NONE);
    assert_eq!(rule_codes("<arp comment='x'/>", Libvirt), ["no_effect"]);
}

#[test]
fn qr_3_mac_and_ip_on_one_iterator() {
    assert_eq!(rule_codes("<ip srcmacaddr='$MAC' srcipaddr='$IP'/>", Nwf), ["mac_and_ip"]);
    assert_eq!(rule_codes("<ipv6 srcmacaddr='$MAC' srcipaddr='$IPV6'/>", Nwf), ["mac_and_ip"]);
    assert_eq!(rule_codes("<ip srcmacaddr='$MAC' srcipaddr='$IP[@1]'/>", Nwf), NONE);
    assert_eq!(rule_codes("<ip srcmacaddr='$MAC[0]' srcipaddr='$IP[0]'/>", Nwf), NONE);
}

#[test]
fn qr_9_ip_layer_rules_in_chains() {
    let text = |chain: &str| {
        format!("<filter name='a' chain='{chain}'><rule action='drop' direction='in'><tcp/></rule></filter>")
    };
    assert_eq!(codes(&text("ipv4"), Nwf), ["ip_rule_in_chain"]);
    assert_eq!(codes(&text("root"), Nwf), NONE);
}

#[test]
fn xml_84_any_protocol_stands_in_any_chain() {
    let text = "<filter name='a' chain='arp'><rule action='drop' direction='in'><ip/></rule></filter>";
    assert_eq!(codes(text, Nwf), NONE);
}

#[test]
fn xml_90_to_94_printed_form() {
    let text = "<filter name='a' chain='stp' priority='0'><uuid>5c6d49afb0716127b4ec6f8ed4b55335</uuid>\
                <filterref filter='b'/><rule action='drop' direction='in'/>\
                <rule action='drop' direction='in' statematch='0'><mac/></rule>\
                <rule action='accept' direction='inout' priority='-7'><tcp match='no' dscp='1' option='2'/>\
                <tcp state='NEW'/></rule></filter>";
    let expected = "<filter name='a' chain='stp'>
  <uuid>5c6d49af-b071-6127-b4ec-6f8ed4b55335</uuid>
  <filterref filter='b'/>
  <rule action='drop' direction='in' priority='500'/>
  <rule action='drop' direction='in' priority='500' statematch='false'>
    <mac/>
  </rule>
  <rule action='accept' direction='inout' priority='-7'>
    <tcp match='no' dscp='1'/>
    <tcp state='NEW'/>
    <tcp match='no' option='2'/>
  </rule>
</filter>
";
    assert_eq!(write_filter(&filter(text, Libvirt), Libvirt), expected);
}

#[test]
fn q_6_the_priority_of_stp_chains_is_printed() {
    let printed = write_filter(&filter("<filter name='a' chain='stp'/>", Nwf), Nwf);
    assert!(printed.starts_with("<filter name='a' chain='stp' priority='-810'>"), "{printed}");
    // XML-97: an absent priority would be read as the default, so 0 is printed too.
    let zero = filter("<filter name='a' chain='stp' priority='0'/>", Nwf);
    assert_eq!(filter(&write_filter(&zero, Nwf), Nwf).priority.get(), 0);
    let arp = filter("<filter name='a' chain='arp' priority='0'/>", Libvirt);
    assert_eq!(filter(&write_filter(&arp, Libvirt), Libvirt).priority.get(), 0);
}

#[test]
fn xml_60_q_3_everything_is_escaped() {
    let comment = "<tcp comment='&lt;&amp;&quot;&apos;&gt;&#10;&#9;é'/>";
    let read = filter(&with_rule(comment), Nwf);
    let printed = write_filter(&read, Nwf);
    assert!(printed.contains("comment='&lt;&amp;&quot;&apos;&gt;&#10;&#9;é'"), "{printed}");
    let again = filter(&printed, Nwf);
    assert_eq!(items(comment, Nwf), "comment=<&\"'>\n\té");
    assert_eq!(write_filter(&again, Nwf), printed);
    let name = filter("<filter name='a&apos; chain=&apos;x'/>", Libvirt);
    assert!(write_filter(&name, Libvirt).starts_with("<filter name='a&apos; chain=&apos;x' chain='root'>"));
}

const BINDING: &str = "<filterbinding>
  <owner>
    <name>memtest</name>
    <uuid>d54df46f-1ab5-4a22-8618-4560ef5fac2c</uuid>
  </owner>
  <portdev name='vnet0'/>
  <linkdev name='eth0'/>
  <mac address='52:54:00:7b:35:93'/>
  <filterref filter='clean-traffic'>
    <parameter name='IP' value='10.0.0.1'/>
  </filterref>
  <backend name='nftables'/>
</filterbinding>
";

#[test]
fn xml_120_to_122_a_binding_reads_and_prints() {
    assert_eq!(write_binding(&binding(BINDING)), BINDING);
    let read = binding(BINDING);
    assert_eq!(read.backend.as_deref(), Some("nftables"));
    assert_eq!(read.owner.unwrap().name, "memtest");
}

#[test]
fn xml_120_what_a_binding_needs() {
    for needed in [
        "  <owner>\n    <name>memtest</name>\n    <uuid>d54df46f-1ab5-4a22-8618-4560ef5fac2c</uuid>\n  </owner>\n",
        "    <name>memtest</name>\n",
        "    <uuid>d54df46f-1ab5-4a22-8618-4560ef5fac2c</uuid>\n",
        "  <portdev name='vnet0'/>\n",
        "  <mac address='52:54:00:7b:35:93'/>\n",
        "  <filterref filter='clean-traffic'>\n    <parameter name='IP' value='10.0.0.1'/>\n  </filterref>\n",
    ] {
        assert!(BINDING.contains(needed));
        assert_eq!(codes(&BINDING.replace(needed, ""), Libvirt), ["!missing_element"], "{needed}");
    }
    for (from, to) in [
        ("<portdev name='vnet0'/>", "<portdev name=''/>"),
        ("<portdev name='vnet0'/>", "<portdev/>"),
        ("<linkdev name='eth0'/>", "<linkdev/>"),
        ("<linkdev name='eth0'/>", "<linkdev name=''/>"),
        ("<backend name='nftables'/>", "<backend/>"),
        ("<mac address='52:54:00:7b:35:93'/>", "<mac/>"),
        ("filter='clean-traffic'", "filter=''"),
    ] {
        assert_eq!(codes(&BINDING.replace(from, to), Libvirt), ["!missing_attribute"], "{to}");
    }
    assert_eq!(codes(&BINDING.replace("d54df46f", "d54df46"), Libvirt), ["!bad_uuid"]);
    assert_eq!(codes(&BINDING.replace("35:93", "35:9x"), Libvirt), ["!bad_mac"]);
    assert_eq!(codes(&BINDING.replace("name='vnet0'", "name='a/b'"), Libvirt), ["!bad_interface_name"]);
    assert_eq!(codes(&BINDING.replace("<portdev", "<portdev name='vnet1'/><portdev"), Libvirt), ["repeated_element"]);
}

#[test]
fn xml_120_children_come_in_any_order() {
    let reversed = "<filterbinding><filterref filter='a'/><mac address='1:2:3:4:5:6'/><portdev name='vnet0'/>\
                    <owner><uuid>d54df46f1ab54a2286184560ef5fac2c</uuid><name>x</name></owner></filterbinding>";
    assert_eq!(binding(reversed).link_device, None);
}

#[test]
fn xml_124_status_files() {
    let inner = BINDING.replace("\n<", "\n  <").replace("\n  ", "\n    ");
    let text = format!("<!-- generated -->\n<filterbindingstatus>\n{inner}</filterbindingstatus>\n");
    assert_eq!(write_binding(&binding(&text)), BINDING);
    assert_eq!(codes("<filterbindingstatus/>", Libvirt), ["!missing_element"]);
}

#[test]
fn xml_110_111_q_21_interfaces() {
    for kind in ["network", "bridge", "ethernet"] {
        let read = binding(&format!("<interface type='{kind}'><boot order='1'/><filterref filter='a'/></interface>"));
        assert_eq!((read.interface, read.mac, read.owner), (None, None, None));
    }
    for kind in ["user", "direct", "hostdev", "vhostuser", ""] {
        let text = format!("<interface type='{kind}'><filterref filter='a'/></interface>");
        assert_eq!(codes(&text, Nwf), ["!unsupported_interface"], "{kind}");
        assert_eq!(codes(&text, Libvirt), ["unsupported_interface"], "{kind}");
        assert_eq!(read(&text, "test.xml", Libvirt).filters.bindings, []);
    }
    let prints = "<interface type='bridge'>
  <mac address='52:54:00:7b:35:93'/>
  <target dev='vnet0'/>
  <filterref filter='a'/>
</interface>
";
    assert_eq!(write_binding(&binding(prints)), prints);
}

const DOMAIN: &str = "<domain type='kvm' xmlns:qemu='http://libvirt.org/schemas/domain/qemu/1.0'>
  <name>web</name>
  <uuid>d54df46f-1ab5-4a22-8618-4560ef5fac2c</uuid>
  <devices>
    <disk><what ever='it is'>text</what></disk>
    <interface type='direct'/>
    <interface type='bridge'>
      <mac address='52:54:00:7b:35:93'/>
      <filterref filter='a'>
        <parameter name='IP' value='10.0.0.1'/>
      </filterref>
    </interface>
    <interface type='network'>
      <filterref filter='a' oops='1'/>
    </interface>
  </devices>
  <qemu:commandline/>
</domain>
";

#[test]
fn xml_110_domains_give_a_binding_for_each_filtered_interface() {
    assert_eq!(codes(DOMAIN, Nwf), ["!unknown_attribute"]);
    let outcome = read(DOMAIN, "test.xml", Libvirt);
    let [first, second] = outcome.filters.bindings.as_slice() else { panic!("not two bindings") };
    assert_eq!(first.at.as_ref().map(|at| at.line), Some(7));
    assert_eq!(first.owner, second.owner);
    assert_eq!(first.owner.as_ref().unwrap().name, "web");
    // Without an interface there is no <filterbinding>: a domain says it all.
    let printed = write_binding(first);
    assert!(printed.starts_with("<domain>\n  <name>web</name>\n"), "{printed}");
    let again = binding(&printed);
    assert_eq!(Binding { at: None, ..again }, Binding { at: None, ..first.clone() });
}

#[test]
fn encodings_and_limits() {
    let problem = |bytes: &[u8]| {
        let outcome = read_bytes(bytes, "test.xml", Nwf);
        (outcome.problems[0].code().unwrap().to_string(), outcome.problems[0].at.clone())
    };
    let (code, at) = problem(b"<filter name='a'>\n <!-- \xff");
    assert_eq!((code.as_str(), at.line, at.column), ("nwf::xml::not_utf8", 2, 7));
    assert_eq!(codes("\u{feff}<filter name='a'/>", Nwf), NONE);
    assert_eq!(codes("<?xml version='1.0' encoding='utf-8'?><filter name='a'/>", Nwf), NONE);
    assert_eq!(codes("<?xml version='1.0' encoding='latin1'?><filter name='a'/>", Nwf), ["!encoding"]);
    let nested = |depth: usize| format!("<filter name='a'>{}{}</filter>", "<a>".repeat(depth), "</a>".repeat(depth));
    assert_eq!(codes(&nested(DEPTH_MAX - 1), Libvirt), ["unknown_element"]);
    assert_eq!(codes(&nested(DEPTH_MAX), Libvirt), ["!too_deep"]);
}

#[test]
fn references_are_resolved() {
    assert_eq!(items("<tcp comment='&#233;&#xE9;&lt;'/>", Nwf), "comment=éé<");
    assert_eq!(items("<tcp comment='a\n\tb\r\nc'/>", Nwf), "comment=a  b c");
    for wrong in ["&#0;", "&#xD800;", "&#x110000;", "&#;", "&#x;", "&#-1;", "&#+1;", "&;", "&a b;", "&#1;"] {
        assert_eq!(rule_codes(&format!("<tcp comment='{wrong}'/>"), Libvirt), ["!unknown_entity"], "{wrong}");
        assert_eq!(codes(&format!("<filter name='a'><uuid>{wrong}</uuid></filter>"), Libvirt), ["!unknown_entity"]);
    }
    let read = read(
        "<domain><name>a&amp;<![CDATA[<b>]]> &#233;</name><uuid>d54df46f1ab54a2286184560ef5fac2c</uuid><devices>\
         <interface type='bridge'><filterref filter='a'/></interface></devices></domain>",
        "test.xml",
        Nwf,
    );
    assert_eq!(read.filters.bindings[0].owner.as_ref().unwrap().name, "a&<b> é");
}

#[test]
fn joining_keeps_the_order_and_refuses_names_that_stand_twice() {
    let part = |name: &str, file: &str| read(&format!("<filter name='{name}'/>"), file, Nwf).filters;
    let joined = join(Nwf, [part("b", "1.xml"), part("a", "2.xml")]).unwrap();
    assert_eq!(joined.filters.iter().map(|filter| filter.name.as_str()).collect::<Vec<_>>(), ["b", "a"]);
    let duplicates = join(Nwf, [part("a", "1.xml"), part("b", "2.xml"), part("a", "3.xml")]).unwrap_err();
    let [duplicate] = duplicates.as_slice() else { panic!("{duplicates:?}") };
    assert_eq!(duplicate.to_string(), "two filters are named `a`; the first is at 1.xml:1:1");
    assert_eq!(crate::problem::Problem::location(duplicate).unwrap().to_string(), "3.xml:1:1");
    // Interfaces without a name are not the same interface.
    let unnamed = || read("<interface type='bridge'><filterref filter='a'/></interface>", "4.xml", Nwf).filters;
    assert_eq!(join(Nwf, [unnamed(), unnamed()]).unwrap().bindings.len(), 2);
}
