//! A network laboratory for real packets: a bridge with two guests, in network
//! namespaces without a name.
//!
//! A [`Lab`] has three namespaces. `host` holds the bridge `br0` with the ports `vnet0`
//! and `vnet1`; `guest` and `peer` each hold the other end of a port, called `eth0`. Frames
//! are written and counted at the two ends, so that all that the kernel does between them
//! is what a guest's frames meet on a real host.
//!
//! The namespaces exist only as long as a thread of this process (or a program that it
//! started) is in them, and so do the mounts that hold our state. Nothing is left behind,
//! however the process ends, even by SIGKILL: there is nothing to clean up.
//!
//! The bridge learns no addresses, so every frame reaches every port whatever was sent
//! before, and IPv6 is off unless asked for, so that the kernel sends nothing of its own.

#![allow(dead_code)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::missing_errors_doc, clippy::format_push_string)]

pub mod frames;
pub mod namespace;
pub mod probe;
pub mod programs;
pub mod wire;

use namespace::Namespace;
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;

/// The MAC address of the guest behind `vnet0`.
pub const GUEST_MAC: &str = "52:54:00:11:22:33";
/// The MAC address of the neighbour behind `vnet1`.
pub const PEER_MAC: &str = "52:54:00:aa:bb:cc";
/// The MAC address of the bridge, which is the host's.
pub const HOST_MAC: &str = "52:54:00:00:00:fe";
/// The guest's IPv4 address.
pub const GUEST_IP: &str = "10.0.0.5";
/// The neighbour's IPv4 address.
pub const PEER_IP: &str = "10.0.0.1";
/// The host's IPv4 address on the bridge.
pub const HOST_IP: &str = "10.0.0.254";
/// The guest's IPv6 address.
pub const GUEST_IP6: &str = "2001:db8::5";
/// The neighbour's IPv6 address.
pub const PEER_IP6: &str = "2001:db8::1";
/// The host's IPv6 address on the bridge.
pub const HOST_IP6: &str = "2001:db8::fe";

/// What a laboratory is to have beside the bridge and its ports.
#[derive(Debug, Clone, Copy, Default)]
pub struct Options {
    /// Bridged frames pass iptables and conntrack, by the flags of the bridge (spec 04,
    /// NFT-56); without it neither the flags nor the sysctls are set.
    pub bridge_netfilter: bool,
    /// Host, guest and peer have their addresses, and an IP stack that answers.
    pub addresses: bool,
}

/// A host with one bridge, a guest behind `vnet0` and a neighbour behind `vnet1`.
pub struct Lab {
    /// Where the bridge is, and where our programs run.
    pub host: Namespace,
    /// Where the guest's end of `vnet0` is, as `eth0`.
    pub guest: Namespace,
    /// Where the neighbour's end of `vnet1` is, as `eth0`.
    pub peer: Namespace,
    /// `NWF_RUN_DIR` of the programs, to be seen from the host's namespace only.
    pub run_dir: PathBuf,
}

impl Lab {
    /// Makes a laboratory; where that is not possible says why, and gives none.
    ///
    /// # Panics
    ///
    /// If it is not possible though `NWF_REQUIRE_KERNEL=1` is in the environment.
    pub fn new(name: &str) -> Option<Self> {
        Self::with(name, Options::default())
    }

    /// As [`Lab::new`], with more than the bridge and its ports.
    ///
    /// # Panics
    ///
    /// As [`Lab::new`].
    pub fn with(name: &str, options: Options) -> Option<Self> {
        match Self::build(options) {
            Ok(lab) => Some(lab),
            Err(reason) => {
                skip(name, &reason);
                None
            }
        }
    }

    fn build(options: Options) -> Result<Self, String> {
        if !nix::unistd::geteuid().is_root() {
            return Err("it needs root".to_owned());
        }
        for program in ["ip", "nft", "mount", "sh"] {
            which(program)?;
        }
        let host = Namespace::new("host")?;
        let run_dir = host.private_mounts()?;
        let guest = Namespace::new("guest")?;
        let peer = Namespace::new("peer")?;
        for namespace in [&host, &guest, &peer] {
            let off = if options.addresses { "0" } else { "1" };
            for device in ["all", "default"] {
                // A kernel without IPv6 has no such file, and no need of it.
                let _ = namespace.write(&format!("/proc/sys/net/ipv6/conf/{device}/disable_ipv6"), off);
            }
        }
        let lab = Self { host, guest, peer, run_dir };
        Self::ip_batch(&lab.host, &lab.host_devices(options))?;
        Self::ip_batch(&lab.guest, &far_end(GUEST_MAC, GUEST_IP, GUEST_IP6, options))?;
        Self::ip_batch(&lab.peer, &far_end(PEER_MAC, PEER_IP, PEER_IP6, options))?;
        for sysctl in ["bridge-nf-call-iptables", "bridge-nf-call-ip6tables"] {
            let file = format!("/proc/sys/net/bridge/{sysctl}");
            if let Err(error) = lab.host.write(&file, "0")
                && options.bridge_netfilter
            {
                return Err(format!("the kernel has no br_netfilter ({file}: {error})"));
            }
        }
        lab.host
            .command(nft(&["list", "tables"]), b"")
            .map_err(|error| error.to_string())?
            .success("nft list tables")?;
        Ok(lab)
    }

    /// The devices of the host, as lines for `ip -batch`.
    fn host_devices(&self, options: Options) -> String {
        let Options { bridge_netfilter, addresses } = options;
        let mut lines = vec![
            "link set lo up".to_owned(),
            format!("link add br0 address {HOST_MAC} type bridge stp_state 0 mcast_snooping 0 forward_delay 0"),
        ];
        if bridge_netfilter {
            lines.push("link set br0 type bridge nf_call_iptables 1 nf_call_ip6tables 1".to_owned());
        }
        let ports = [("vnet0", "fe:54:00:11:22:33", self.guest.id()), ("vnet1", "fe:54:00:aa:bb:cc", self.peer.id())];
        for (port, mac, far) in ports {
            lines.push(format!("link add {port} address {mac} type veth peer name eth0 netns {far}"));
            lines.push(format!("link set {port} addrgenmode none"));
            lines.push(format!("link set {port} master br0"));
            lines.push(format!("link set {port} type bridge_slave learning off"));
            lines.push(format!("link set {port} up"));
        }
        lines.push("link set br0 addrgenmode none".to_owned());
        lines.push("link set br0 up".to_owned());
        if addresses {
            lines.push(format!("addr add {HOST_IP}/24 dev br0"));
            lines.push(format!("addr add {HOST_IP6}/64 dev br0 nodad"));
        }
        lines.join("\n")
    }

    fn ip_batch(namespace: &Namespace, lines: &str) -> Result<(), String> {
        let mut ip = Command::new("ip");
        ip.args(["-batch", "-"]);
        namespace.command(ip, lines.as_bytes()).map_err(|error| format!("ip: {error}"))?.success("ip -batch").map(drop)
    }

    /// Loads a ruleset text with `nft -f`, in the host's namespace.
    ///
    /// # Panics
    ///
    /// If nft refuses it.
    pub fn load(&self, rules: &str) {
        self.host.command(nft(&["-f", "-"]), rules.as_bytes()).expect("nft runs").success("nft -f -").unwrap();
    }

    /// The whole ruleset of the host's namespace, without handles and counters, as text.
    ///
    /// # Panics
    ///
    /// If nft fails.
    pub fn ruleset(&self) -> String {
        self.nft(&["-s", "list", "ruleset"])
    }

    /// Runs nft in the host's namespace; gives its standard output.
    ///
    /// # Panics
    ///
    /// If nft fails.
    pub fn nft(&self, arguments: &[&str]) -> String {
        self.host
            .command(nft(arguments), b"")
            .expect("nft runs")
            .success(&format!("nft {}", arguments.join(" ")))
            .unwrap_or_else(|error| panic!("{error}"))
    }

    /// All rules of our own tables: the comment of each, with its chain, handle and packets
    /// counted.
    ///
    /// # Panics
    ///
    /// If nft fails.
    pub fn rules(&self) -> Vec<KernelRule> {
        let listing = self.nft(&["-j", "list", "ruleset"]);
        let listing: Value = serde_json::from_str(&listing).expect("nft prints JSON");
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let objects = listing["nftables"].as_array().into_iter().flatten();
        let rules = objects.filter_map(|object| object.get("rule"));
        rules
            .filter(|rule| rule["table"] == "nwf")
            .map(|rule| {
                let expressions = rule["expr"].as_array().into_iter().flatten();
                let counters = expressions.filter_map(|expression| expression["counter"]["packets"].as_u64());
                KernelRule {
                    chain: text(&rule["chain"]),
                    handle: rule["handle"].as_u64().unwrap_or_default(),
                    comment: text(&rule["comment"]),
                    packets: counters.sum(),
                }
            })
            .collect()
    }
}

/// A rule as the kernel has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KernelRule {
    /// The chain it stands in.
    pub chain: String,
    /// The kernel's number for it; a rule that is made anew has a new one.
    pub handle: u64,
    /// Its comment.
    pub comment: String,
    /// How many packets it has counted.
    pub packets: u64,
}

/// The devices behind a port, as lines for `ip -batch`.
fn far_end(mac: &str, ip: &str, ip6: &str, options: Options) -> String {
    let mut lines = vec![
        "link set lo up".to_owned(),
        format!("link set eth0 address {mac}"),
        "link set eth0 addrgenmode none".to_owned(),
        "link set eth0 up".to_owned(),
    ];
    if options.addresses {
        lines.push(format!("addr add {ip}/24 dev eth0"));
        lines.push(format!("addr add {ip6}/64 dev eth0 nodad"));
    }
    lines.join("\n")
}

/// The program nft with arguments.
pub fn nft(arguments: &[&str]) -> Command {
    let mut command = Command::new("nft");
    command.args(arguments);
    command
}

/// Says loudly that a test is left out.
///
/// # Panics
///
/// With `NWF_REQUIRE_KERNEL=1` in the environment, which CI sets where the kernel tests
/// must run.
pub fn skip(name: &str, reason: &str) {
    let required = std::env::var("NWF_REQUIRE_KERNEL").is_ok_and(|value| value == "1");
    assert!(!required, "{name} cannot run: {reason}");
    // Written past the test harness, which would swallow the output of a passing test.
    let line = format!("skipped: {name}: {reason}\n");
    let _ = std::io::Write::write_all(&mut std::io::stderr(), line.as_bytes());
}

fn which(program: &str) -> Result<(), String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.extend(["/usr/sbin", "/sbin"].map(PathBuf::from));
    if folders.iter().any(|folder| folder.join(program).is_file()) {
        return Ok(());
    }
    Err(format!("the program {program} is not installed"))
}
