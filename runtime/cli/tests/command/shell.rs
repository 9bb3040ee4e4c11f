//! `sh` says and does what bash 5.2 says and does.
//!
//! The literal outputs are bash's.

mod commands;

use crate::harness::Mote;

#[track_caller]
fn says(line: &str, stdout: &str) {
    ends(line, 0, stdout, "");
}

#[track_caller]
fn ends(line: &str, code: i32, stdout: &str, stderr: &str) {
    let output = Mote::new().sh(line);
    assert_eq!(output.stdout, stdout, "{output:#?}");
    assert_eq!(output.stderr, stderr, "{output:#?}");
    assert_eq!(output.code, code, "{output:#?}");
}

#[test]
fn an_unknown_command_is_127_and_says_where_it_would_run() {
    ends(
        "sqlite3 x.db .tables; echo $?",
        0,
        "127\n",
        "sh: line 1: sqlite3: command not found\n\
         mote: sqlite3 is not in the wasm tier; run this in a pod (a whole operating system) instead\n",
    );
}

#[test]
fn a_file_of_one_call_is_there_for_the_next_and_a_variable_is_not() {
    let mote = Mote::new();
    mote.sh("mkdir -p a/b; echo kept > a/b/f; X=1; cd a").ok();
    assert_eq!(
        mote.sh("cat a/b/f; echo \"[${X-}]\"; pwd").ok(),
        "kept\n[]\n/workspace\n"
    );
}

#[test]
fn components_are_commands_like_any_other() {
    let line = "echo '[1, 2]' | python3 -c 'import json, sys; print(sum(json.load(sys.stdin)))' \
                | node -e 'process.stdin.on(\"data\", d => console.log(d * 2))'; \
                node -e 'process.exit(9)'; echo $?";
    says(line, "6\n9\n");
}

#[test]
fn a_script_may_name_its_interpreter() {
    let mote = Mote::new().file(
        "x.py",
        "#!/usr/bin/env python3\nimport sys\nprint(sys.argv[1:])\n",
    );
    assert_eq!(mote.sh("chmod +x x.py && ./x.py a b").ok(), "['a', 'b']\n");
}

#[test]
fn a_pipe_between_components_streams() {
    // The writer would never end by itself.
    let line =
        "node -e 'const w = () => process.stdout.write(\"y\\n\".repeat(1000), w); w()' | head -2";
    says(line, "y\ny\n");
}

#[test]
fn the_script_may_come_from_standard_input_with_arguments() {
    let mote = Mote::new().stdin("echo \"$# $1\"; exit 4\n");
    let output = mote.run(&["bash", "-s", "a", "b"]);
    assert_eq!(
        (output.stdout.as_str(), output.code),
        ("2 a\n", 4),
        "{output:#?}"
    );
}

#[test]
fn a_pipeline_counts_and_sorts() {
    says(
        r#"printf 'b\na\nb\n' | sort | uniq -c | sort -rn | awk '{print $2, $1}'"#,
        r#"b 2
a 1
"#,
    );
}

#[test]
fn a_pipeline_ends_with_its_last_status_or_with_pipefail_the_first_failure() {
    says(
        r#"false | true; echo $?; set -o pipefail; false | true; echo $?; true | false | true; echo "${PIPESTATUS[@]}""#,
        r#"0
1
0 1 0
"#,
    );
}

#[test]
fn head_ends_an_endless_writer_quietly() {
    says(
        r#"yes | head -2; seq 1000000 | head -1; while :; do echo y; done | head -1; echo "${PIPESTATUS[@]}""#,
        r#"y
y
1
y
141 0
"#,
    );
}

#[test]
fn errexit_stops_at_the_first_failure() {
    ends(
        "set -euo pipefail; echo start; false; echo never",
        1,
        "start\n",
        "",
    );
}

#[test]
fn errexit_ignores_conditions() {
    says(
        "set -e; if false; then :; fi; false || true; ! true; f() { false; echo inside; }; f && echo ok; echo alive",
        r#"inside
ok
alive
"#,
    );
}

#[test]
fn an_unset_variable_is_a_failure_under_nounset() {
    says(
        r#"set -u; echo "${UNSET:-default}"; (echo "$UNSET") 2>/dev/null || echo failed"#,
        r#"default
failed
"#,
    );
}

#[test]
fn an_exit_status_is_a_whole_number() {
    ends(
        "(exit 7); echo $?; sh -c 'exit 200'; echo $?; exit 3",
        3,
        r#"7
200
"#,
        "",
    );
}

#[test]
fn a_heredoc_expands_unless_its_word_is_quoted() {
    says(
        "x=1; cat <<A; cat <<'B'; cat <<-C\n$x $((x+1)) $(echo sub)\nA\n$x `no` $(no)\nB\n\tstripped\n\tC",
        r#"1 2 sub
$x `no` $(no)
stripped
"#,
    );
}

#[test]
fn a_heredoc_inside_a_substitution_keeps_quotes_and_parentheses() {
    says(
        r#"x=$(cat <<'E'
it's "quoted" $(not run)
) paren
E
); echo "$x""#,
        r#"it's "quoted" $(not run)
) paren
"#,
    );
}

#[test]
fn substitutions_with_heredocs_nest() {
    says(
        r#"x=$(cat <<A
$(cat <<B
nested $((1+1))
B
)
A
); echo "$x"; bash <<'X'
echo "from bash $((1+1))"
X"#,
        r#"nested 2
from bash 2
"#,
    );
}

#[test]
fn traps_run_at_exit_and_on_errors() {
    ends(
        r#"trap 'echo bye $?' EXIT; trap 'echo "failed: $BASH_COMMAND"' ERR; false; exit 4"#,
        4,
        r#"failed: false
bye 4
"#,
        "",
    );
}

#[test]
fn an_error_in_a_function_runs_the_trap_once() {
    ends(
        r#"set -Eeuo pipefail; trap 'echo "line $LINENO: $BASH_COMMAND"' ERR; f() { false; }; f"#,
        1,
        "line 1: false\n",
        "",
    );
}

#[test]
fn background_jobs_run_and_are_waited_for() {
    says(
        "sleep 0.05 & p=$!; wait $p; echo $?; (exit 7) & wait $!; echo $?; f() { sleep 0.02; echo slow; }; f & echo fast; wait; sleep 5 & kill $!; wait $!; echo $?",
        r#"0
7
fast
slow
143
"#,
    );
}

#[test]
fn arrays_are_indexed_and_associative() {
    says(
        r#"a=(x y 'z w'); a+=(q); echo "${#a[@]} ${a[2]} ${a[*]:1:2} ${!a[*]}"; unset 'a[0]'; echo "${a[@]}"; declare -A m=([k]=v [j]="w x"); echo "${m[j]} ${#m[@]}"; mapfile -t l < <(seq 3); echo "${l[-1]}""#,
        r#"4 z w y z w 0 1 2 3
y z w q
w x 2
3
"#,
    );
}

#[test]
fn parameters_expand_in_every_way() {
    says(
        r#"s=hello.tar.gz; echo ${s%.*} ${s%%.*} ${s#*.} ${s##*.} ${#s} ${s:0:5} ${s: -2} ${s/l/L} ${s//l/L} ${s^} ${s^^}; n=s; echo ${!n}; echo "${u:-d} ${u:+x}${s:+y}"; v='a b'; echo "${v@Q}""#,
        r#"hello.tar hello tar.gz gz 12 hello gz heLlo.tar.gz heLLo.tar.gz Hello.tar.gz HELLO.TAR.GZ
hello.tar.gz
d y
'a b'
"#,
    );
}

#[test]
fn arithmetic_is_that_of_whole_numbers() {
    says(
        "echo $((7/2)) $((7%3)) $((2**10)) $((0x1f)) $((5>3?1:0)) $((10#08)); ((i=5, i++)); echo $i; for ((i=0;i<3;i++)); do echo -n $i; done; echo",
        r#"3 1 1024 31 1 8
6
012
"#,
    );
}

#[test]
fn double_brackets_match_patterns_and_expressions() {
    says(
        r#"[[ abc == a* && ! abc == "a*" ]] && echo glob; [[ 2024-01-02 =~ ^([0-9]+)-([0-9]+) ]] && echo "${BASH_REMATCH[1]} ${BASH_REMATCH[2]}"; [[ 10 -gt 9 && a < b ]] && echo order"#,
        r#"glob
2024 01
order
"#,
    );
}

#[test]
fn globs_and_braces_expand() {
    says(
        "mkdir -p d/e; touch a.txt b.txt d/c.py d/e/f.py; echo *.txt {1..3} {a,b}{1,2} {01..03}; shopt -s globstar nullglob; echo **/*.py *.none [ab].txt",
        r#"a.txt b.txt 1 2 3 a1 a2 b1 b2 01 02 03
d/c.py d/e/f.py a.txt b.txt
"#,
    );
}

#[test]
fn process_substitution_gives_files() {
    says(
        r#"diff <(printf 'a\nb\n') <(printf 'a\nc\n'); cat <(echo 1) <(echo 2); while read -r l; do n=$l; done < <(seq 4); echo $n"#,
        r#"2c2
< b
---
> c
1
2
4
"#,
    );
}

#[test]
fn descriptors_above_two_work() {
    says(
        r#"exec 3> out; echo three >&3; exec 3>&-; cat out; exec 4< out; read -r l <&4; echo "$l"; { echo s >&5; } 5>&1; { echo o; echo e >&2; } 2>&1 | sort"#,
        r#"three
three
s
e
o
"#,
    );
}

#[test]
fn functions_have_arguments_locals_and_statuses() {
    says(
        r#"f() { local x=$1; echo "$x $# $*"; return 5; }; f a 'b c'; echo $?; fact() { (( $1 <= 1 )) && echo 1 || echo $(( $1 * $(fact $(($1-1))) )); }; fact 5; o() { local OPTIND; while getopts ':ab:' c; do echo "$c ${OPTARG-}"; done; shift $((OPTIND-1)); echo "$*"; }; o -a -b v -z rest"#,
        r#"a 2 a b c
5
120
a 
b v
? z
rest
"#,
    );
}

#[test]
fn printf_formats_as_in_bash() {
    says(
        r#"printf '%05d|%-5s|%5.2f|%x|%o|%e|%c|%%\n' 42 ab 3.14159 255 8 12345.678 Z; printf '%s,' 1 2 3; echo; printf '%q %b\n' 'a b' 'x\ty'; printf '%(%Y)T\n' 0; printf -v v '%03d' 7; echo $v"#,
        "00042|ab   | 3.14|ff|10|1.234568e+04|Z|%\n1,2,3,\na\\ b x\ty\n1970\n007\n",
    );
}

#[test]
fn read_splits_at_ifs() {
    says(
        r#"IFS=, read -r a b c <<< 'x,,z'; echo "[$a][$b][$c]"; printf 'no newline' | while read -r l || [ -n "$l" ]; do echo "[$l]"; done; read -r -a w <<< '1 2 3'; echo "${w[1]}""#,
        r#"[x][][z]
[no newline]
2
"#,
    );
}

#[test]
fn what_a_script_sources_and_evaluates_runs_here() {
    says(
        r#"printf 'f() { echo "f $1"; }\nX=5\n' > lib.sh; . ./lib.sh; f a; echo $X; eval 'Y=$((X+1))'; echo $Y; printf '#!/bin/bash\necho "run $1 $#"; exit 3\n' > r.sh; chmod +x r.sh; ./r.sh q; echo $?; env A=1 sh -c 'echo $A'; set -- p q; echo "$2 $#""#,
        r#"f a
5
6
run q 1
3
1
q 2
"#,
    );
}

#[test]
fn a_missing_file_says_so() {
    ends(
        "cat nofile; ls nofile; grep x nofile; cd nodir; ./nofile.sh",
        127,
        "",
        r#"cat: nofile: No such file or directory
ls: cannot access 'nofile': No such file or directory
grep: nofile: No such file or directory
sh: line 1: cd: nodir: No such file or directory
sh: line 1: ./nofile.sh: No such file or directory
"#,
    );
}

#[test]
fn a_syntax_error_is_status_two() {
    ends(
        "echo before; if then; fi",
        2,
        "",
        r#"sh: -c: line 1: syntax error near unexpected token `then'
sh: -c: line 1: `echo before; if then; fi'
"#,
    );
}

#[test]
fn jobs_that_write_at_once_lose_nothing() {
    let line = "head -c 300000 /dev/zero & head -c 300000 /dev/zero & wait";
    assert_eq!(Mote::new().sh(line).ok().len(), 600_000);
}
