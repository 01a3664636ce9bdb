//! Runs of `nwf-resolve`: output, messages and status of each case in `tests/cases/resolve`.

mod runner;

#[test]
fn cases() {
    runner::run("resolve");
}
