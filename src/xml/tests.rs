//! Tests of the reader and the writer under the numbers of spec 01.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use super::*;
use crate::model::Profile;

/// Reads one filter without any problem and prints it.
#[track_caller]
fn canonical(text: &str, profile: Profile) -> String {
    let outcome = read(text, "test.xml", profile);
    assert!(outcome.problems.is_empty(), "{:#?}", outcome.problems);
    write_filter(&outcome.filters.filters[0])
}

#[test]
fn xml_100_example_3() {
    let outcome = read(EXAMPLE_3, "test.xml", Profile::Libvirt);
    for p in &outcome.problems {
        println!("{p:?}")
    }
    assert_eq!(write_filter(&outcome.filters.filters[0]), EXAMPLE_3_PRINTED);
}
const EXAMPLE_3: &str = "<filter name='testcase' chain='root'>
  <uuid>5c6d49af-b071-6127-b4ec-6f8ed4b55335</uuid>
  <rule action='accept' direction='out'>
    <sctp srcipaddr='$A[ 1 ]' srcportstart='$B[ @0 ]' dstportstart='$C[@2 ]' dscp='3'/>
  </rule>
  <rule action='drop' direction='in' priority='450'>
    <arp match='no' arpdstmacaddr='12:34:56:78:9A:BC'/>
    <arp opcode='reply'/>
    <tcp dstportstart='1'/>
  </rule>
  <rule action='accept' direction='in'>
    <tcp state='related , new' flags='SYN/syn,ack'/>
  </rule>
</filter>
";

const EXAMPLE_3_PRINTED: &str = "<filter name='testcase' chain='root'>
  <uuid>5c6d49af-b071-6127-b4ec-6f8ed4b55335</uuid>
  <rule action='accept' direction='out' priority='500'>
    <sctp srcipaddr='$A[1]' dscp='3' srcportstart='$B' dstportstart='$C[@2]'/>
  </rule>
  <rule action='drop' direction='in' priority='450'>
    <arp opcode='Reply'/>
    <arp match='no' arpdstmacaddr='12:34:56:78:9a:bc'/>
  </rule>
  <rule action='accept' direction='in' priority='500'>
    <tcp state='NEW,RELATED' flags='SYN/SYN,ACK'/>
  </rule>
</filter>
";

#[test]
fn shipped_filters_smoke() {
    for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/filters")).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let outcome = read(&text, &path.display().to_string(), Profile::Nwf);
        for p in &outcome.problems {
            println!("{} {:?} {p} [{}]", p.at, p.severity, miette::Diagnostic::help(p).unwrap());
        }
        assert!(!outcome.has_errors());
    }
}
