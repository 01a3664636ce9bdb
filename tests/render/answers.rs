//! Rejected packets are answered (NFT-124), by real connections.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use nwf::model::Profile;
use nwf::plan::Features;
use nwf::render::nft::{Action, script};

use crate::lab::namespace::Namespace;
use crate::lab::{HOST_IP, Lab, Options, PEER_IP};
use crate::support::{ruleset, try_plan};

const REJECT: &str = "<rule action='reject' direction='out'><tcp dstportstart='25'/></rule>";

fn address(ip: &str, port: u16) -> SocketAddr {
    SocketAddr::new(ip.parse().unwrap(), port)
}

fn listen(namespace: &Namespace, port: u16) {
    let listener = namespace.run(move || TcpListener::bind(address("0.0.0.0", port))).unwrap();
    // The thread stands in accept until the process ends.
    namespace.spawn(move || listener.incoming().for_each(drop));
}

/// How the try to connect ends; none: it does connect.
fn refusal(from: &Namespace, ip: &'static str, port: u16) -> Option<ErrorKind> {
    from.run(move || TcpStream::connect_timeout(&address(ip, port), Duration::from_millis(1500)).err())
        .map(|error| error.kind())
}

fn rules(host: Features) -> String {
    let (plan, _) = try_plan(&ruleset(REJECT, "", Profile::Nwf), host).unwrap();
    script(&plan, None, Action::Install)
}

#[test]
fn nft_124_the_relay_answers_the_guest_at_once() {
    let options = Options { bridge_netfilter: true, addresses: true };
    let Some(lab) = Lab::with("reject through the relay", options) else { return };
    for port in [25, 80] {
        listen(&lab.peer, port);
        listen(&lab.host, port);
    }
    assert_eq!(refusal(&lab.guest, PEER_IP, 25), None, "without rules");
    lab.load(&rules(Features::relay()));
    assert_eq!(refusal(&lab.guest, PEER_IP, 25), Some(ErrorKind::ConnectionRefused), "to a neighbour");
    assert_eq!(refusal(&lab.guest, HOST_IP, 25), Some(ErrorKind::ConnectionRefused), "to the host");
    assert_eq!(refusal(&lab.guest, PEER_IP, 80), None, "another port of a neighbour");
    assert_eq!(refusal(&lab.guest, HOST_IP, 80), None, "another port of the host");
}

#[test]
fn nft_124_without_br_netfilter_rejected_packets_are_dropped() {
    let Some(lab) = Lab::with("reject without br_netfilter", Options { addresses: true, ..Options::default() }) else {
        return;
    };
    listen(&lab.peer, 25);
    listen(&lab.peer, 80);
    for host in [Features::relay(), Features::none()] {
        lab.load(&rules(host));
        assert_eq!(refusal(&lab.guest, PEER_IP, 25), Some(ErrorKind::TimedOut), "to a neighbour");
        assert_eq!(refusal(&lab.guest, PEER_IP, 80), None, "another port");
    }
}
