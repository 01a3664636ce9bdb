//! Rules with connection state, by real connections through the relay (spec 04, NFT-56).

use crate::lab::programs::binding;
use crate::lab::{GUEST_IP, GUEST_IP6, GUEST_MAC, HOST_IP, Lab, Options, PEER_IP, PEER_IP6};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use crate::lab::namespace::Namespace;

/// Long enough for an answer, even after one lost packet.
const SOON: Duration = Duration::from_millis(2500);
/// After that without an answer, the packets were dropped.
const NEVER: Duration = Duration::from_millis(400);

const WITH_STATE: Options = Options { bridge_netfilter: true, addresses: true };

/// SSH to the guest and name lookups by the guest, with what answers them; nothing else.
const SERVER: &str = "<filter name='server' chain='root'>
  <rule action='accept' direction='in' priority='500'>
    <tcp dstportstart='22'/>
  </rule>
  <rule action='accept' direction='out' priority='500'>
    <udp dstportstart='53'/>
  </rule>
  <rule action='drop' direction='inout' priority='1000'>
    <all/>
  </rule>
</filter>
";

fn guest(filter: &str) -> String {
    binding("vnet0", GUEST_MAC, filter, &[("IP", GUEST_IP)])
}

fn address(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), port)
}

/// Lets something listen on TCP ports of a namespace, and answer each line with itself.
fn listen(namespace: &Namespace, ports: &[u16]) {
    for port in ports {
        let address = address("::", *port);
        let listener = namespace.run(move || TcpListener::bind(address)).unwrap();
        // The thread stands in accept until the process ends.
        namespace.spawn(move || {
            for stream in listener.incoming().flatten() {
                let mut stream = stream;
                let mut bytes = [0; 64];
                while let Ok(length @ 1..) = stream.read(&mut bytes) {
                    let _ = stream.write_all(&bytes[..length]);
                }
            }
        });
    }
}

/// Whether a connection can be made and carries bytes in both directions.
fn connects(from: &Namespace, ip: &str, port: u16, patience: Duration) -> bool {
    let to = address(ip, port);
    from.run(move || {
        let Ok(mut stream) = TcpStream::connect_timeout(&to, patience) else {
            return false;
        };
        stream.set_read_timeout(Some(patience)).unwrap();
        let mut answer = [0; 5];
        stream.write_all(b"hello").is_ok() && stream.read_exact(&mut answer).is_ok() && answer == *b"hello"
    })
}

/// Whether a datagram sent between two sockets arrives.
fn arrives(from: &UdpSocket, to: &UdpSocket, ip: &str, patience: Duration) -> bool {
    let target = address(ip, to.local_addr().unwrap().port());
    to.set_read_timeout(Some(patience)).unwrap();
    from.send_to(b"datagram", target).unwrap();
    let mut bytes = [0; 16];
    to.recv_from(&mut bytes).is_ok()
}

fn socket(namespace: &Namespace, port: u16) -> UdpSocket {
    let address = address("0.0.0.0", port);
    namespace.run(move || UdpSocket::bind(address)).unwrap()
}

#[test]
fn state_connections_to_the_guest_pass_with_their_answers_only() {
    let Some(lab) = Lab::with("state, tcp in", WITH_STATE) else {
        return;
    };
    listen(&lab.guest, &[22, 23]);
    listen(&lab.peer, &[22, 80]);
    assert!(connects(&lab.peer, GUEST_IP, 23, SOON), "without a filter");
    lab.apply(&[&guest("server"), SERVER]);
    assert!(connects(&lab.peer, GUEST_IP, 22, SOON), "to the open port");
    assert!(!connects(&lab.peer, GUEST_IP, 23, NEVER), "to another port");
    assert!(!connects(&lab.guest, PEER_IP, 80, NEVER), "by the guest");
    assert!(!connects(&lab.guest, PEER_IP, 22, NEVER), "by the guest, to the port that is open for others");
}

#[test]
fn state_the_host_meets_the_same_rules() {
    let Some(lab) = Lab::with("state, host", WITH_STATE) else {
        return;
    };
    listen(&lab.guest, &[22, 23]);
    listen(&lab.host, &[80]);
    lab.apply(&[&guest("server"), SERVER]);
    assert!(connects(&lab.host, GUEST_IP, 22, SOON), "to the open port");
    assert!(!connects(&lab.host, GUEST_IP, 23, NEVER), "to another port");
    assert!(!connects(&lab.guest, HOST_IP, 80, NEVER), "by the guest");
}

#[test]
fn state_in_profile_libvirt_the_host_is_not_filtered_on_its_way_to_the_guest() {
    let Some(lab) = Lab::with("state, scope bridged", WITH_STATE) else {
        return;
    };
    listen(&lab.guest, &[22, 23]);
    let paths = [lab.file("guest.xml", &guest("server")), lab.file("server.xml", SERVER)];
    let parsed = lab.must(&["nwf-parse", "--compat", "libvirt", &paths[0], &paths[1]], "");
    let plan = lab.must(&["nwf-render"], &lab.must(&["nwf-resolve"], &parsed));
    lab.install(&plan);
    assert!(connects(&lab.peer, GUEST_IP, 22, SOON), "the peer to the open port");
    assert!(!connects(&lab.peer, GUEST_IP, 23, NEVER), "the peer to another port");
    assert!(connects(&lab.host, GUEST_IP, 22, SOON), "the host to the open port");
    // The datagram arrives; an answer of the guest would not, as in the other profile.
    let (from, to) = (socket(&lab.host, 40000), socket(&lab.guest, 54));
    assert!(arrives(&from, &to, GUEST_IP, SOON), "the host to another port");
    let from = socket(&lab.peer, 40000);
    assert!(!arrives(&from, &to, GUEST_IP, NEVER), "the peer to another port");
}

#[test]
fn state_ipv6_connections_pass_with_their_answers_only() {
    let Some(lab) = Lab::with("state, IPv6", WITH_STATE) else {
        return;
    };
    let filter = "<filter name='server' chain='root'>
  <rule action='accept' direction='inout' priority='400' statematch='false'>
    <icmpv6/>
  </rule>
  <rule action='accept' direction='in' priority='500'>
    <tcp-ipv6 dstportstart='22'/>
  </rule>
  <rule action='drop' direction='inout' priority='1000'>
    <all-ipv6/>
  </rule>
</filter>
";
    listen(&lab.guest, &[22, 23]);
    listen(&lab.peer, &[22]);
    assert!(connects(&lab.peer, GUEST_IP6, 23, SOON), "without a filter");
    lab.apply(&[&guest("server"), filter]);
    assert!(connects(&lab.peer, GUEST_IP6, 22, SOON), "to the open port");
    assert!(!connects(&lab.peer, GUEST_IP6, 23, NEVER), "to another port");
    assert!(!connects(&lab.guest, PEER_IP6, 22, NEVER), "by the guest");
    assert!(connects(&lab.peer, GUEST_IP, 23, SOON), "by IPv4, of which the filter says nothing");
}

#[test]
fn state_reject_tells_the_guest_and_not_the_others() {
    let Some(lab) = Lab::with("state, reject", WITH_STATE) else {
        return;
    };
    let filter = "<filter name='server' chain='root'>
  <rule action='reject' direction='out' priority='500'>
    <tcp dstportstart='80'/>
  </rule>
</filter>
";
    listen(&lab.peer, &[80, 81]);
    let report = lab.apply(&[&guest("server"), filter]);
    let report: serde_json::Value = serde_json::from_str(&report).unwrap();
    let (to, host) = (address(PEER_IP, 80), address(HOST_IP, 80));
    let refused = |to: SocketAddr| lab.guest.run(move || TcpStream::connect_timeout(&to, SOON)).unwrap_err().kind();
    if report["interfaces"][0]["reject"] == "drop" {
        crate::lab::skip("state, reject", "this kernel has no way to answer a rejected packet");
        return;
    }
    assert_eq!(refused(to), ErrorKind::ConnectionRefused);
    assert_eq!(refused(host), ErrorKind::ConnectionRefused);
    assert!(connects(&lab.guest, PEER_IP, 81, SOON), "to another port");
}

#[test]
fn state_datagrams_to_the_guest_pass_as_answers_only() {
    let Some(lab) = Lab::with("state, udp out", WITH_STATE) else {
        return;
    };
    lab.apply(&[&guest("server"), SERVER]);
    let resolver = socket(&lab.peer, 53);
    let asked = socket(&lab.guest, 40001);
    let other = socket(&lab.guest, 40002);
    assert!(!arrives(&resolver, &asked, GUEST_IP, NEVER), "unasked");
    assert!(arrives(&asked, &resolver, PEER_IP, SOON), "a question");
    assert!(arrives(&resolver, &asked, GUEST_IP, SOON), "its answer");
    assert!(!arrives(&resolver, &other, GUEST_IP, NEVER), "to a port that asked nothing");
    let service = socket(&lab.peer, 54);
    assert!(!arrives(&other, &service, PEER_IP, NEVER), "to another port");
}

#[test]
fn state_a_connection_outlives_a_replacement_of_its_filter() {
    let Some(lab) = Lab::with("state, replaced", WITH_STATE) else {
        return;
    };
    listen(&lab.guest, &[22]);
    lab.apply(&[&guest("server"), SERVER]);
    let to = address(GUEST_IP, 22);
    let mut stream = lab.peer.run(move || TcpStream::connect_timeout(&to, SOON)).unwrap();
    let more = SERVER.replace("<udp dstportstart='53'/>", "<udp dstportstart='53' dstportend='54'/>");
    lab.apply(&[&guest("server"), &more]);
    stream.set_read_timeout(Some(SOON)).unwrap();
    stream.write_all(b"hello").unwrap();
    let mut answer = [0; 5];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(&answer, b"hello");
}

#[test]
fn state_is_refused_with_the_remedy_where_the_bridge_gives_none() {
    let off = Options { bridge_netfilter: false, addresses: true };
    let Some(lab) = Lab::with("state, switched off", off) else {
        return;
    };
    let plan = lab.plan(&[&guest("server"), SERVER]);
    let before = lab.ruleset();
    let ran = lab.run(&["nwf-apply"], &plan);
    if ran.status == Some(0) && lab.ruleset().contains("ct state") {
        let native = !lab.ruleset().contains("table inet nwf");
        if native {
            crate::lab::skip("state, switched off", "the kernel tracks bridged connections itself");
            return;
        }
    }
    assert_eq!(ran.status, Some(8), "{ran:?}");
    assert!(ran.stderr.contains("nf_call_iptables"), "{}", ran.stderr);
    assert_eq!(lab.ruleset(), before);
}
