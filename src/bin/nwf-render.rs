//! `nwf-render`: the document `ruleset/1` to a plan or a script of a backend.

use std::process::ExitCode;

fn main() -> ExitCode {
    nwf::cli::main::<nwf::cli::Render>()
}
