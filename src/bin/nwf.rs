//! `nwf`: runs the other programs, `nwf parse` for `nwf-parse`.

use std::process::ExitCode;

fn main() -> ExitCode {
    nwf::cli::front()
}
