//! `subprocess` starts other programs of the sandbox.

use super::python;
use crate::harness::Mote;

#[test]
fn a_child_takes_input_and_gives_output_and_status() {
    let code = r#"
import subprocess
print(subprocess.run(["sh", "-c", "cat; echo err >&2; exit 3"], input="in\n", capture_output=True, text=True))
print(subprocess.check_output("echo one | wc -l", shell=True, text=True).strip())
print(subprocess.run(["sh", "-c", "echo a; echo b >&2"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout)
try:
    subprocess.run(["sh", "-c", "exit 2"], check=True)
except subprocess.CalledProcessError as error:
    print(error)
"#;
    assert_eq!(
        python(code).ok(),
        "CompletedProcess(args=['sh', '-c', 'cat; echo err >&2; exit 3'], returncode=3, stdout='in\\n', stderr='err\\n')\n\
         1\nb'a\\nb\\n'\nCommand '['sh', '-c', 'exit 2']' returned non-zero exit status 2.\n"
    );
}

#[test]
fn a_child_may_be_python_or_a_command_of_the_shell() {
    let code = r#"
import os, subprocess, sys
print(subprocess.check_output([sys.executable, "-c", "print(6 * 7)"]))
print(subprocess.check_output(["wc", "-c"], input=b"abc").strip())
print(os.system("exit 5") >> 8, os.popen("echo popen").read())
"#;
    assert_eq!(python(code).ok(), "b'42\\n'\nb'3'\n5 popen\n\n");
}

#[test]
fn more_than_a_pipe_holds_goes_through_a_child() {
    let code = r#"
import subprocess
data = bytes(range(256)) * 4096
print(subprocess.run(["sh", "-c", "cat"], input=data, stdout=subprocess.PIPE).stdout == data)
"#;
    assert_eq!(python(code).ok(), "True\n");
}

#[test]
fn a_child_that_is_too_slow_is_ended() {
    let code = r#"
import subprocess
try:
    subprocess.run(["sh", "-c", "echo out; sleep 30"], timeout=0.2, capture_output=True)
except subprocess.TimeoutExpired as error:
    print(error, error.stdout)
child = subprocess.Popen(["sh", "-c", "sleep 30"])
print(child.poll())
child.kill()
print(child.wait())
"#;
    assert_eq!(
        python(code).ok(),
        "Command '['sh', '-c', 'echo out; sleep 30']' timed out after 0.2 seconds b'out\\n'\nNone\n-9\n"
    );
}

#[test]
fn a_reader_that_left_is_no_error_to_tell() {
    let output = Mote::new().sh("python3 -c 'for n in range(100000): print(n)' | head -n 1");
    assert_eq!(
        (output.stdout.as_str(), output.stderr.as_str()),
        ("0\n", "")
    );
}

#[test]
fn a_program_may_end_without_waiting_for_its_children() {
    for code in [
        "p = subprocess.Popen(['sh', '-c', 'echo hi'], stdout=subprocess.PIPE); print(p.stdout.read())",
        "p = subprocess.Popen(['sh', '-c', 'cat'], stdin=subprocess.PIPE); p.stdin.write(b'x'); print(b'hi\\n')",
        "p = subprocess.Popen(['cat'], stdin=subprocess.PIPE); p.itself = p; print(b'hi\\n')",
        "p = subprocess.Popen(['cat', 'none'], stdout=-1, stderr=subprocess.STDOUT); print(b'hi\\n')",
    ] {
        let output = python(&format!("import subprocess; {code}"));
        assert_eq!((output.stderr.as_str(), output.code), ("", 0), "{code}");
        assert_eq!(output.stdout, "b'hi\\n'\n", "{code}");
    }
}

#[test]
fn a_child_can_be_used_when_the_program_exits() {
    let code = r#"
import atexit
atexit.register(lambda: print(early.communicate(b"exit")))
import subprocess
def cat():
    return subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
early = cat()
"#;
    assert_eq!(python(code).ok(), "(b'exit', None)\n");
}

#[test]
fn starting_and_reading_a_child_keeps_no_frame_alive() {
    let code = r#"
import subprocess
class Local:
    def __del__(self):
        print("gone")
def use():
    local = Local()
    print(subprocess.Popen(["cat"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE).stdout.read())
use()
print("end")
"#;
    assert_eq!(python(code).ok(), "b''\ngone\nend\n");
}

#[test]
fn a_child_the_collector_found_first_has_ended() {
    let code = r#"
import gc, subprocess
class Owner:
    def __init__(self):
        self.itself = self
        self.child = subprocess.Popen(["sh", "-c", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    def __del__(self):
        print(self.child.stdout.read(), self.child.wait())
Owner()
gc.collect()
print("end")
"#;
    assert_eq!(python(code).ok(), "b'' -15\nend\n");
}
