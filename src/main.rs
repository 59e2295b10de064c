//! The `imgkeep` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    imgkeep::cli::run()
}
