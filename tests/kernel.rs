//! Kernel tests: real packets through real rules, in namespaces of their own.
//!
//! They need root, and say `skipped` where they cannot run; with `NWF_REQUIRE_KERNEL=1` in
//! the environment that is a failure.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]
#![allow(clippy::indexing_slicing, clippy::format_push_string, missing_docs)]

mod lab;

#[path = "kernel/judge.rs"]
mod judge;
#[path = "kernel/laboratory.rs"]
mod laboratory;
#[path = "kernel/lifecycle.rs"]
mod lifecycle;
#[path = "kernel/rules.rs"]
mod rules;
#[path = "kernel/shipped.rs"]
mod shipped;
#[path = "kernel/state.rs"]
mod state;
