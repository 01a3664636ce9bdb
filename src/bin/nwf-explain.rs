//! `nwf-explain`: what packets would meet, and why.

use std::process::ExitCode;

fn main() -> ExitCode {
    nwf::cli::main::<nwf::cli::Explain>()
}
