//! `nwf-apply`: the document `plan/1` into the kernel, in one transaction.

use std::process::ExitCode;

fn main() -> ExitCode {
    nwf::cli::main::<nwf::cli::Apply>()
}
