//! The shell's commands say and do what GNU's say and do.
//!
//! The literal outputs are those of GNU coreutils and the other originals.

use super::says;
use crate::harness::Mote;

#[test]
fn rg_searches_files() {
    let mote = Mote::new()
        .file("a.py", "import os\n# TODO\n")
        .file("b/c.md", "TODO\n");
    assert_eq!(
        mote.sh("rg -n TODO | sort").ok(),
        "a.py:2:# TODO\nb/c.md:1:TODO\n"
    );
}

#[test]
fn apply_patch_changes_all_files_or_none() {
    let mote = Mote::new().file("a.txt", "one\ntwo\nthree\n");
    let line = "apply_patch <<'P'\n*** Begin Patch\n*** Update File: a.txt\n@@\n one\n-two\n+2\n*** Add File: n/b.txt\n+new\n*** End Patch\nP\ncat a.txt n/b.txt";
    assert_eq!(
        mote.sh(line).ok(),
        "Success. Updated the following files:\nM a.txt\nA n/b.txt\none\n2\nthree\nnew\n"
    );
    let line = "apply_patch '*** Begin Patch\n*** Add File: c.txt\n+c\n*** Update File: a.txt\n@@\n-zwei\n+2\n*** End Patch'";
    let output = mote.sh(line);
    assert_eq!(output.code, 1, "{output:#?}");
    assert_eq!(
        output.stderr,
        "apply_patch: a.txt: these lines are not there, in this order:\nzwei\n"
    );
    assert!(!mote.workspace().join("c.txt").exists());
}

#[test]
fn sed_edits_streams_and_files() {
    says(
        r#"printf 'alpha\nbeta\ngamma\n' > f; sed -n '2,3p' f; sed -E 's/(.)(.)/\2\1/; 1d' f; sed '/beta/a\  more' f | tail -2; sed -i.bak 's/a/A/g' f; head -1 f f.bak; echo hello-world | sed -E 's/(^|-)(.)/\U\2/g'; seq 3 | sed -n '1!G;h;$p'"#,
        r#"beta
gamma
ebta
agmma
  more
gamma
==> f <==
AlphA

==> f.bak <==
alpha
HelloWorld
3
2
1
"#,
    );
}

#[test]
fn awk_computes_over_fields() {
    says(
        r#"printf 'name,n\na,1\nb,2\na,3\n' > f; awk -F, 'NR>1 {s[$1]+=$2} END {for (k in s) print k, s[k]}' f | sort; awk -F, -v OFS='\t' '{$1=$1} 1' f | head -1; awk 'BEGIN {printf "%.2f %s\n", 1/3, substr("hello",2,3); print length("abc"), toupper("x"), split("a:b",p,":"), p[2]}'; awk '!seen[$0]++' <<< $'x\nx\ny'"#,
        "a 4\nb 2\nname\tn\n0.33 ell\n3 X 2 b\nx\ny\n",
    );
}

#[test]
fn grep_finds_lines_and_files() {
    says(
        r#"mkdir -p s/t; printf 'import os\n# TODO one\n' > s/a.py; printf 'x TODO\n' > s/t/b.md; grep -rn TODO s | sort; grep -rl --include='*.py' TODO s; grep -c o s/a.py; grep -oE '[a-z]+' s/a.py | head -2; grep -A1 import s/a.py; grep -q zzz s/a.py; echo $?; grep -P '(?<=x )TODO' s/t/b.md; grep -n TODO s/a.py /dev/null; grep -L TODO s/a.py s/t/b.md; echo $?"#,
        r#"s/a.py:2:# TODO one
s/t/b.md:1:x TODO
s/a.py
2
import
os
import os
# TODO one
1
x TODO
s/a.py:2:# TODO one
0
"#,
    );
}

#[test]
fn find_selects_and_runs_commands() {
    says(
        r#"mkdir -p p/q; touch p/a.py p/q/b.py p/c.txt; find p -name '*.py' | sort; find p -type d | sort; find p -maxdepth 1 -type f ! -name '*.py'; find p -name '*.py' -print0 | sort -z | xargs -0 -n1 basename; find p -name '*.txt' -exec echo found {} \;; find p -name '*.py' -delete; find p -type f -printf '%f\n'"#,
        r#"p/a.py
p/q/b.py
p
p/q
p/c.txt
a.py
b.py
found p/c.txt
c.txt
"#,
    );
}

#[test]
fn xargs_has_the_statuses_of_gnu() {
    says(
        r#"seq 5 | xargs -n2 echo; printf 'a\nb\n' | xargs -I{} echo 'v-{}'; echo x | xargs false; echo $?; true | xargs -r echo none; printf 'a b\0c\0' | xargs -0 -n1 echo"#,
        r#"1 2
3 4
5
v-a
v-b
123
a b
c
"#,
    );
}

#[test]
fn ls_lists_as_coreutils_does() {
    says(
        "mkdir -p d/sub; printf 12345 > d/b; touch -d 2020-01-02 d/b; touch d/.hidden d/c; ls d; ls -A d; ls -d d/*/; ls -F d; ls -l d/b | sed 's/user user/root root/'; ls -1S d/? | head -1; ls -r d; ls d nofile 2>/dev/null; echo $?",
        r#"b
c
sub
.hidden
b
c
sub
d/sub/
b
c
sub/
-rw-r--r-- 1 root root 5 Jan  2  2020 d/b
d/b
sub
c
b
d:
b
c
sub
2
"#,
    );
}

#[test]
fn the_long_listing_has_nine_columns() {
    says(
        "mkdir d; echo x > d/f; ls -la d | awk 'NR>1 {print NF, $1, $NF}' | tail -1; ls -lh d/f | awk '{print $5}'; ls -l d | head -1",
        r#"9 -rw-r--r-- f
2
total 4
"#,
    );
}

#[test]
fn copies_keep_trees_and_say_what_fails() {
    says(
        "mkdir -p a/b; echo 1 > a/b/f; cp -r a c; cat c/b/f; cp -v a/b/f g; cp a x 2>&1; cp nofile y 2>&1; cp -n a/b/f g; cp -t c g; ls c; cp -r a/. e; ls e; mv -v g h; mv h c/; ls c; mv nofile z 2>&1; rm -rv c/b; rm nofile 2>&1; rm -f nofile; rm a 2>&1; mkdir -pv q/w; rmdir q/w",
        r#"1
'a/b/f' -> 'g'
cp: -r not specified; omitting directory 'a'
cp: cannot stat 'nofile': No such file or directory
b
g
b
renamed 'g' -> 'h'
b
g
h
mv: cannot stat 'nofile': No such file or directory
removed 'c/b/f'
removed directory 'c/b'
rm: cannot remove 'nofile': No such file or directory
rm: cannot remove 'a': Is a directory
mkdir: created directory 'q'
mkdir: created directory 'q/w'
"#,
    );
}

#[test]
fn permissions_last_as_long_as_the_shell() {
    says(
        r#"printf '#!/bin/sh\necho ran\n' > s.sh; chmod 640 s.sh; stat -c %a s.sh; chmod u+x,o+r s.sh; stat -c %A s.sh; chmod -R 755 .; test -x s.sh && ./s.sh"#,
        r#"640
-rwxr--r--
ran
"#,
    );
}

#[test]
fn diff_compares_files_and_trees() {
    says(
        r#"printf 'a\nb\nc\n' > x; printf 'a\nB\nc\nd\n' > y; diff x y; diff -u x y | tail -n +3; diff -q x y; echo $?; mkdir p q; cp x p/f; cp y q/f; touch p/only; diff -r p q; diff -w <(echo 'a  b') <(echo 'a b') && echo same; diff x nofile 2>&1; echo $?"#,
        r#"2c2
< b
---
> B
3a4
> d
@@ -1,3 +1,4 @@
 a
-b
+B
 c
+d
Files x and y differ
1
diff -r p/f q/f
2c2
< b
---
> B
3a4
> d
Only in p: only
same
diff: nofile: No such file or directory
2
"#,
    );
}

#[test]
fn patch_applies_with_offset_and_backwards() {
    says(
        r#"printf 'a\nb\nc\n' > x; sed 's/b/B/' x > y; diff -u x y > p; sed -i '1i top' x; patch x p; cat x; patch -R x < p; head -3 x | tail -1; printf 'q\n' > x; patch x < p; echo $?"#,
        r#"patching file x
Hunk #1 succeeded at 2 (offset 1 line).
top
a
B
c
patching file x
Hunk #1 succeeded at 2 (offset 1 line).
b
patching file x
Hunk #1 FAILED at 1.
1 out of 1 hunk FAILED -- saving rejects to file x.rej
1
"#,
    );
}

#[test]
fn archives_keep_trees() {
    says(
        "mkdir -p s/t; echo 1 > s/t/f; tar czf a.tgz s; tar tzf a.tgz; rm -r s; tar xzf a.tgz; cat s/t/f; gzip -k s/t/f; zcat s/t/f.gz; ls s/t; echo hi | gzip | gunzip; tar cf - s/t/f | tar tf - | head -1",
        r#"s/
s/t/
s/t/f
1
1
f
f.gz
hi
s/t/f
"#,
    );
}

#[test]
fn digests_and_encodings_are_those_of_coreutils() {
    says(
        "echo -n hello | sha256sum; echo -n hello | md5sum; echo -n hello | base64; echo aGk= | base64 -d; echo; echo -n AB | xxd -p; echo hi | od -An -tx1; echo a > f; sha1sum f > sums; sha1sum -c sums",
        r#"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824  -
5d41402abc4b2a76b9719d911017c592  -
aGVsbG8=
hi
4142
 68 69 0a
f: OK
"#,
    );
}

#[test]
fn jq_queries_and_builds_json() {
    says(
        r#"echo '{"u":[{"n":"bob","a":30},{"n":"al","a":25}]}' > j; jq -r '.u[].n' j; jq -c '.u | map(select(.a > 26) | {n})' j; jq '.u | length, (map(.a) | add)' j; jq -r '.u[] | [.n, .a] | @csv' j; jq --arg n al '.u[] | select(.n == $n).a' j; jq -n -c '{a: 1} + {b: [1, 2]}'; jq -e .nope j; echo $?; jq . <<< '{"a":[1,{"b":null}]}'; jq -S -c . <<< '{"b":1,"a":2}'"#,
        r#"bob
al
[{"n":"bob"}]
2
55
"bob",30
"al",25
25
{"a":1,"b":[1,2]}
null
1
{
  "a": [
    1,
    {
      "b": null
    }
  ]
}
{"a":2,"b":1}
"#,
    );
}

#[test]
fn small_text_tools_work_together() {
    says(
        r#"printf '3 c\n1 a\n2 b\n' > f; sort -n f | cut -d' ' -f2 | tr a-z A-Z | paste -sd,; tac f | head -1; nl -ba f | tail -1; rev <<< abc; fold -w2 <<< abcd; seq 3 | shuf | sort; comm -12 <(seq 1 3) <(seq 2 4); join <(printf '1 a\n') <(printf '1 b\n'); column -t <<< $'a bb\nccc d'; wc -l < f; seq -w 8 10; basename /x/y.txt .txt; expr 3 + 4; numfmt --to=iec 2048"#,
        "A,B,C\n2 b\n     3\t2 b\ncba\nab\ncd\n1\n2\n3\n2\n3\n1 a b\na    bb\nccc  d\n3\n08\n09\n10\ny\n7\n2.0K\n",
    );
}

#[test]
fn dates_are_read_as_gnu_reads_them() {
    says(
        r#"export TZ=UTC; for d in '2024-01-31 +1 day' '2024-01-31 1 month' '5 Jan 2024 10:11' '01/05/2024' '@86400' '2024-03-05T10:00:00+02:00' '20240105' 'Jan 5, 2024'; do date -d "$d" '+%F %T'; done; date -d 2024-03-05 '+%j %a %b %e %s'; date -d nonsense 2>/dev/null; echo $?; date -Iseconds -d @0"#,
        r#"2024-02-01 00:00:00
2024-03-02 00:00:00
2024-01-05 10:11:00
2024-01-05 00:00:00
1970-01-02 00:00:00
2024-03-05 08:00:00
2024-01-05 00:00:00
2024-01-05 00:00:00
065 Tue Mar  5 1709596800
1
1970-01-01T00:00:00+00:00
"#,
    );
}

#[test]
fn bc_cuts_and_never_rounds() {
    says(
        "echo 'scale=2; 5/3; 2/3*100' | bc; echo '5/3; 1.5*2.25; 2^100' | bc; bc -l <<< '4*a(1); sqrt(2)'; echo 'obase=16; 255' | bc; echo 'for (i=0; i<3; i++) i*i' | bc; echo '0.1+0.2' | bc",
        r#"1.66
66.00
1
3.37
1267650600228229401496703205376
3.14159265358979323844
1.41421356237309504880
FF
0
1
4
.3
"#,
    );
}

#[test]
fn timeout_ends_what_takes_too_long() {
    says(
        "timeout 0.1 sleep 5; echo $?; timeout 5 echo in time",
        r#"124
in time
"#,
    );
}

#[test]
fn devices_are_there() {
    says(
        "echo gone > /dev/null; cat /dev/null; head -c 3 /dev/zero | od -An -tx1; head -c 8 /dev/urandom | wc -c; cat /dev/stdin <<< in; [ -e /dev/null ] && echo null",
        r#" 00 00 00
8
in
null
"#,
    );
}

#[test]
fn zip_archives_are_those_of_everybody() {
    says(
        r#"mkdir -p d/e; yes again | head -50 > d/e/long; echo b > d/b; zip -qr z.zip d -x '*.tmp'; unzip -Z1 z.zip | sort; unzip -p z.zip d/b; unzip -q z.zip -d out; cmp d/e/long out/d/e/long && echo same; unzip -o z.zip d/e/long; unzip -l z.zip | tail -1; python3 -c 'import zipfile; print(zipfile.ZipFile("z.zip").testzip())'; zip -j j.zip d/b"#,
        r#"d/
d/b
d/e/
d/e/long
b
same
Archive:  z.zip
  inflating: d/e/long                
      302                     4 files
None
  adding: b (stored 0%)
"#,
    );
}
