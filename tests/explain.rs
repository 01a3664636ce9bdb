//! Runs of `nwf-explain`: output, messages and status of each case in `tests/cases/explain`.

mod runner;

#[test]
fn cases() {
    runner::run("explain");
}
