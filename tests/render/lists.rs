//! Lists (spec 04, section 6).

use nwf::model::Profile;
use nwf::plan::Features;
use nwf::render::RenderWarning;

use crate::support::{lines, lines_for, ruleset, try_plan};

fn rule(protocol: &str) -> String {
    format!("<rule action='accept' direction='out'><{protocol}/></rule>")
}

#[test]
fn nft_201_one_list_is_a_set() {
    let ip = rule("ip srcipaddr='$IP'");
    assert_eq!(
        lines(&ip, "IP=10.0.0.3 IP=10.0.0.1 IP=10.0.0.2", "l2o"),
        ["ether type ip ip saddr { 10.0.0.1, 10.0.0.2, 10.0.0.3 } accept"]
    );
    assert_eq!(lines(&ip, "IP=10.0.0.3", "l2o"), ["ether type ip ip saddr 10.0.0.3 accept"]);
    assert_eq!(
        lines(&rule("mac srcmacaddr='$M' srcmacmask='ff:ff:ff:00:00:00'"), "M=2:0:0:0:0:1 M=4:0:0:0:0:1", "l2o"),
        ["ether saddr { 02:00:00:00:00:00-02:00:00:ff:ff:ff, 04:00:00:00:00:00-04:00:00:ff:ff:ff } accept"]
    );
}

#[test]
fn nft_201_one_mask_makes_ranges_and_what_overlaps_is_one() {
    let ip = rule("ip srcipaddr='$IP' srcipmask='24'");
    assert_eq!(
        lines(&ip, "IP=10.0.0.3 IP=10.0.0.1 IP=10.0.2.2", "l2o"),
        ["ether type ip ip saddr { 10.0.0.0/24, 10.0.2.0/24 } accept"]
    );
    // Neighbours are joined, and one range needs no set.
    assert_eq!(lines(&ip, "IP=10.0.0.3 IP=10.0.1.2", "l2o"), ["ether type ip ip saddr 10.0.0.0/23 accept"]);
    let masks = rule("ip srcipaddr='$IP' srcipmask='$MASK'");
    assert_eq!(
        lines(&masks, "IP=10.0.0.3 IP=10.9.0.2 MASK=8 MASK=32", "l2o"),
        ["ether type ip ip saddr 10.0.0.0/8 accept"]
    );
}

#[test]
fn nft_201_lists_in_step_are_joined() {
    assert_eq!(
        lines(
            &rule("arp arpsrcmacaddr='$M' arpsrcipaddr='$IP'"),
            "M=2:0:0:0:0:1 M=2:0:0:0:0:2 IP=10.0.0.2 IP=10.0.0.1",
            "l2o"
        ),
        ["ether type arp arp htype 1 arp ptype ip arp hlen 6 arp plen 4 arp saddr ether . arp saddr ip \
          { 02:00:00:00:00:01 . 10.0.0.2, 02:00:00:00:00:02 . 10.0.0.1 } accept"]
    );
    assert_eq!(
        lines(
            &rule("udp statematch='false'/><udp srcipaddr='$IP' dstportstart='$P' dstportend='$E'")
                .replace("statematch='false'", ""),
            "IP=10.0.0.1 IP=10.0.0.2 P=1 P=2 E=3 E=2",
            "l3o"
        )[0],
        "ether type ip meta l4proto 17 ip frag-off & 0x1fff == 0 ip saddr . udp dport { 10.0.0.1 . 1-3, 10.0.0.2 . 2 } \
         meta mark & 0x0f000000 { 0x01000000, 0x02000000 } accept"
    );
}

#[test]
fn nft_201_independent_lists_are_several_sets() {
    assert_eq!(
        lines(
            &rule("ip srcipaddr='$A[@1]' dstipaddr='$B[@2]' protocol='$P[@1]'"),
            "A=10.0.0.1 A=10.0.0.2 B=10.1.0.1 B=10.1.0.2 B=10.1.0.3 P=6 P=17",
            "l2o"
        ),
        ["ether type ip ip saddr . ip protocol { 10.0.0.1 . 6, 10.0.0.2 . 17 } \
          ip daddr { 10.1.0.1, 10.1.0.2, 10.1.0.3 } accept"]
    );
}

#[test]
fn nft_201_ranges_of_a_joined_list_that_overlap_are_written_out() {
    assert_eq!(
        lines(
            &rule("ip srcipaddr='$A' srcipmask='$M' dstipaddr='$B'"),
            "A=10.0.0.1 A=10.1.0.1 M=8 M=16 B=10.5.0.1 B=10.5.0.1",
            "l2o"
        ),
        [
            "ether type ip ip saddr 10.0.0.0/8 ip daddr 10.5.0.1 accept",
            "ether type ip ip saddr 10.1.0.0/16 ip daddr 10.5.0.1 accept"
        ]
    );
}

#[test]
fn nft_201_a_range_of_two_lists_in_step() {
    assert_eq!(
        lines(&rule("ip protocol='tcp' dstportstart='$S' dstportend='$E'"), "S=10 S=15 S=50 E=20 E=30 E=50", "l2o"),
        ["ether type ip ip frag-off & 0x1fff == 0 ip protocol 6 th dport { 10-30, 50 } accept"]
    );
}

#[test]
fn nft_202_an_inverted_list_is_what_its_single_rules_mean() {
    let negated = "<rule action='drop' direction='out'><arp match='no' arpsrcipaddr='$IP'/></rule>";
    let front = "ether type arp arp ptype ip arp plen 4";
    assert_eq!(lines(negated, "IP=10.0.0.1", "l2o"), [format!("{front} arp saddr ip != 10.0.0.1 drop")]);
    assert_eq!(lines(negated, "IP=10.0.0.1 IP=10.0.0.2", "l2o"), [format!("{front} drop")]);
    let libvirt = lines_for(negated, "IP=10.0.0.1 IP=10.0.0.2", "l2o", Profile::Libvirt, Features::none());
    assert_eq!(
        libvirt,
        [format!("{front} arp saddr ip != 10.0.0.1 drop"), format!("{front} arp saddr ip != 10.0.0.2 drop")]
    );
    let warnings = |words| try_plan(&ruleset(negated, words, Profile::Nwf), Features::none()).unwrap().1;
    assert!(warnings("IP=10.0.0.1").is_empty());
    let found = warnings("IP=10.0.0.1 IP=10.0.0.2");
    assert!(matches!(found.as_slice(), [RenderWarning::InvertedList { .. }]));
    assert_eq!(
        found[0].to_string(),
        "filter `f` rule 1 (arp, out), `arpsrcipaddr`: an inverted list matches what differs from any one value of it, \
         not from all"
    );
}

#[test]
fn nft_202_an_inverted_list_of_networks_excludes_what_is_in_all_of_them() {
    let negated = "<rule action='drop' direction='out'><ip match='no' srcipaddr='$IP' srcipmask='$M'/></rule>";
    assert_eq!(
        lines(negated, "IP=10.0.0.1 IP=10.1.0.1 M=8 M=16", "l2o"),
        ["ether type ip ip saddr != 10.1.0.0/16 drop"]
    );
}

#[test]
fn nft_202_an_inverted_item_beside_others_in_step_is_written_out() {
    let mixed = "<rule action='drop' direction='out'><ip srcipaddr='$IP'/><ip match='no' srcmacaddr='$M'/></rule>";
    assert_eq!(
        lines(mixed, "IP=10.0.0.1 IP=10.0.0.2 M=2:0:0:0:0:1 M=2:0:0:0:0:2", "l2o"),
        [
            "ether type ip ether saddr != 02:00:00:00:00:01 ip saddr 10.0.0.1 drop",
            "ether type ip ether saddr != 02:00:00:00:00:02 ip saddr 10.0.0.2 drop"
        ]
    );
}

#[test]
fn nft_201_ten_thousand_values_are_one_line() {
    let words: Vec<String> = (0..10_000).map(|n| format!("IP=10.1.{}.{}", n / 250, n % 250)).collect();
    let found = lines(&rule("ip srcipaddr='$IP'"), &words.join(" "), "l2o");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].matches(',').count(), 9_999);
}

#[test]
fn nft_202_tcp_options_of_a_list_are_written_out() {
    let rule = "<rule action='drop' direction='out'><tcp option='$O'/></rule>";
    assert_eq!(lines(rule, "O=2 O=3", "l3o").len(), 2);
}
