//! The backend for ebtables, iptables and ip6tables: its text against the public test data and rule by rule, and what
//! the tools and the shells make of it.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

mod lab;
mod runner;

#[path = "xtables/conformance.rs"]
mod conformance;
#[path = "xtables/given.rs"]
mod given;
#[path = "xtables/host.rs"]
mod host;
#[allow(dead_code)]
#[path = "kernel/judge.rs"]
mod judge;
#[path = "xtables/lifecycle.rs"]
mod lifecycle;
#[path = "xtables/listings.rs"]
mod listings;
#[path = "xtables/packets.rs"]
mod packets;
#[path = "xtables/properties.rs"]
mod properties;
#[path = "xtables/rules.rs"]
mod rules;
#[path = "xtables/shells.rs"]
mod shells;

#[test]
fn cases() {
    runner::run("xtables");
}
