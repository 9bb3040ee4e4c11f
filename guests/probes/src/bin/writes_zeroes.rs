//! Has the host write zeroes that take no memory of the guest: BYTES.

use probes::bindings::wasi::cli::stdout::get_stdout;

fn main() -> std::process::ExitCode {
    let bytes: u64 = probes::argument(1);
    let stdout = get_stdout();
    if stdout.check_write().is_err() || stdout.write_zeroes(bytes).is_err() {
        return std::process::ExitCode::FAILURE;
    }
    std::process::ExitCode::SUCCESS
}
