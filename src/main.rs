//! The `portcullis` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    // Two libraries ask for a provider; this is the only one in the binary.
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    match portcullis::cli::main() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let message = format!("{error:#}");
            let prefix = if message.starts_with("error") { "" } else { "error: " };
            #[expect(clippy::print_stderr, reason = "the answer to the shell")]
            {
                eprintln!("{prefix}{message}");
            }
            ExitCode::FAILURE
        }
    }
}
