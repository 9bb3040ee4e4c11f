//! `sys.stdout` and `sys.stderr` lose nothing.

use super::python;
use crate::harness::Mote;

/// More than a stream of the sandbox takes at a time, many times over.
const MANY: usize = 300_000;

/// What `code` leaves on stdout and stderr, with buffers, without them by an
/// option, and without them by the environment.
fn each_way(code: &str) -> [(String, String); 3] {
    let unbuffered = Mote::new().flag("-e").flag("PYTHONUNBUFFERED=1");
    [
        python(code),
        Mote::new().run(&["python3", "-u", "-c", code]),
        unbuffered.run(&["python3", "-c", code]),
    ]
    .map(|output| {
        assert_eq!(output.code, 0, "{} {}", code, output.stderr.len());
        (output.stdout, output.stderr)
    })
}

#[test]
fn a_large_print_is_written_whole() {
    for (stdout, stderr) in each_way(&format!("print('x' * {MANY})")) {
        assert_eq!((stdout.len(), stderr.as_str()), (MANY + 1, ""));
    }
}

#[test]
fn a_large_write_to_stderr_is_written_whole() {
    for (stdout, stderr) in each_way(&format!("import sys; sys.stderr.write('x' * {MANY})")) {
        assert_eq!((stdout.as_str(), stderr.len()), ("", MANY));
    }
}

#[test]
fn a_large_write_of_bytes_is_written_whole_and_counted() {
    let code = format!(
        "import sys\nfor stream in sys.stdout, sys.stderr: assert stream.buffer.write(b'x' * {MANY}) == {MANY}"
    );
    for (stdout, stderr) in each_way(&code) {
        assert_eq!((stdout.len(), stderr.len()), (MANY, MANY));
    }
}

#[test]
fn a_large_print_goes_through_a_pipe_whole() {
    let line = format!("python3 -c 'print(\"x\" * {MANY})' | wc -c");
    assert_eq!(Mote::new().sh(&line).ok().trim(), (MANY + 1).to_string());
}

#[test]
fn only_unbuffered_streams_have_no_buffer() {
    let code = "import sys; print(hasattr(sys.stdout.buffer, 'raw'), sys.stdout.write_through)";
    let [buffered, option, variable] = each_way(code).map(|(stdout, _)| stdout);
    assert_eq!(buffered, "True False\n");
    assert_eq!(
        (option.as_str(), variable.as_str()),
        ("False True\n", "False True\n")
    );
}
