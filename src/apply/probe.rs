//! What the host can do (NFT-39, NFT-112, NFT-114).

use std::collections::BTreeSet;
use std::path::Path;

use super::kernel::unusable;
use super::problem::ApplyError;
use super::runner::Runner;
use crate::model::InterfaceName;
use crate::plan::{Feature, InterfacePlan, Rendering};

/// Transactions that load only where a feature is there; they are tried and thrown away.
const TRIALS: [(Feature, &str); 3] = [
    (
        Feature::BridgeConntrack,
        "add table bridge nwf_probe\n\
         add chain bridge nwf_probe c { type filter hook prerouting priority 10; }\n\
         add rule bridge nwf_probe c ct state new ct direction original\n",
    ),
    (
        Feature::BridgeReject,
        "add table bridge nwf_probe\n\
         add chain bridge nwf_probe c { type filter hook prerouting priority 10; }\n\
         add rule bridge nwf_probe c reject with icmpx type port-unreachable\n",
    ),
    (
        Feature::InetConntrack,
        "add table inet nwf_probe\n\
         add chain inet nwf_probe c { type filter hook prerouting priority -150; }\n\
         add rule inet nwf_probe c ct state new ct direction original meta mark set meta mark | 1\n",
    ),
];

/// The switches of br_netfilter for all bridges; they exist once it is loaded.
const SWITCHES: [&str; 2] =
    ["/proc/sys/net/bridge/bridge-nf-call-iptables", "/proc/sys/net/bridge/bridge-nf-call-ip6tables"];

/// The same for one bridge.
const BRIDGE_SWITCHES: [&str; 2] = ["nf_call_iptables", "nf_call_ip6tables"];

/// What the kernel can do, of what only a trial tells; the same until the next boot, or until a module is added.
///
/// # Errors
/// nft cannot be run.
pub fn tried(runner: &dyn Runner) -> Result<BTreeSet<Feature>, ApplyError> {
    let mut features = BTreeSet::new();
    for (feature, script) in TRIALS {
        if runner.try_script(script).map_err(unusable)? {
            features.insert(feature);
        }
    }
    Ok(features)
}

/// Adds what a file tells, which may change at any time.
#[must_use]
pub fn with_files(runner: &dyn Runner, mut features: BTreeSet<Feature>) -> BTreeSet<Feature> {
    if SWITCHES.iter().all(|path| runner.file(Path::new(path)).is_ok()) {
        features.insert(Feature::BridgeNetfilter);
    }
    features
}

/// The first rendering whose needs are met; otherwise what each of them lacks.
///
/// # Errors
/// What is missing, one set for each rendering.
pub fn choose<'a>(
    plan: &'a InterfacePlan,
    features: &BTreeSet<Feature>,
) -> Result<&'a Rendering, Vec<BTreeSet<Feature>>> {
    let lacks = |rendering: &Rendering| rendering.requires.difference(features).copied().collect::<BTreeSet<_>>();
    let found = plan.renderings.iter().find(|rendering| lacks(rendering).is_empty());
    found.ok_or_else(|| plan.renderings.iter().map(lacks).collect())
}

/// Whether the packets of an interface pass br_netfilter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Relay {
    /// They do.
    On,
    /// They do not, because its bridge has this name and is not told to.
    Off(String),
    /// The interface is on no bridge yet.
    Unknown,
}

/// Asks the switches, for both families (NFT-114).
pub fn relay(runner: &dyn Runner, interface: &InterfaceName) -> Relay {
    let is_on = |path: &Path| runner.file(path).is_ok_and(|text| text.trim() != "0");
    let everywhere = SWITCHES.map(|path| is_on(Path::new(path)));
    if everywhere == [true, true] {
        return Relay::On;
    }
    let port = Path::new("/sys/class/net").join(interface.as_str()).join("brport/bridge");
    let Ok(bridge) = runner.link(&port) else {
        return Relay::Unknown;
    };
    let flags = BRIDGE_SWITCHES.map(|name| is_on(&port.join("bridge").join(name)));
    if everywhere.iter().zip(flags).all(|(all, this)| *all || this) {
        return Relay::On;
    }
    let name = Path::new(&bridge).file_name().unwrap_or_default().to_string_lossy().into_owned();
    Relay::Off(name)
}

/// Whether this process may change rules: `CAP_NET_ADMIN` is the 12th bit of its effective capabilities.
pub fn is_permitted(runner: &dyn Runner) -> bool {
    const NET_ADMIN: u32 = 12;
    let Ok(status) = runner.file(Path::new("/proc/self/status")) else {
        return true;
    };
    let effective = status.lines().find_map(|line| line.strip_prefix("CapEff:"));
    let bits = effective.and_then(|digits| u64::from_str_radix(digits.trim(), 16).ok());
    bits.is_none_or(|bits| bits >> NET_ADMIN & 1 == 1)
}
