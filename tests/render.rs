//! What rules become in the words of nft: by rule number, by the loader of nft, and by properties.
//!
//! What loads is asked of `nft -c` in a network namespace of its own. That needs root; where it cannot be done the
//! tests say `skipped`, and with `NWF_REQUIRE_KERNEL=1` in the environment that is a failure.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing, missing_docs)]

mod lab;
mod runner;

#[path = "render/answers.rs"]
mod answers;
#[path = "render/form.rs"]
mod form;
#[path = "render/lists.rs"]
mod lists;
#[path = "render/load.rs"]
mod load;
#[path = "render/properties.rs"]
mod properties;
#[path = "render/rules.rs"]
mod rules;
#[path = "render/support.rs"]
mod support;

#[test]
fn cases() {
    runner::run("render");
}
