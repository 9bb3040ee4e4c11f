//! Counts its arguments and variables, and their bytes.

fn main() -> std::process::ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let variables: Vec<(String, String)> = std::env::vars().collect();
    let argument_bytes: usize = arguments.iter().map(String::len).sum();
    let variable_bytes: usize = variables
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    probes::report::<_, &str>(Ok(format_args!(
        "{} arguments of {argument_bytes} bytes, {} variables of {variable_bytes} bytes",
        arguments.len(),
        variables.len(),
    )))
}
