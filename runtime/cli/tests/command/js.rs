//! `node` says and does what Node.js 20 says and does.
//!
//! The literal outputs are Node's, without the frames of its own internals.

mod library;

use crate::harness::{Mote, Output};

#[track_caller]
fn prints(code: &str, stdout: &str) {
    ends(&Mote::new().run(&["node", "-e", code]), 0, stdout, "");
}

#[track_caller]
fn ends(output: &Output, code: i32, stdout: &str, stderr: &str) {
    assert_eq!(output.stdout, stdout, "{output:#?}");
    assert_eq!(output.stderr, stderr, "{output:#?}");
    assert_eq!(output.code, code, "{output:#?}");
}

#[test]
fn standard_input_is_read_at_once_as_a_stream_and_by_lines() {
    let mote = Mote::new().stdin("one\ntwo\nlast");
    let whole = "console.log(JSON.stringify(require('fs').readFileSync(0, 'utf8')))";
    assert_eq!(
        mote.run(&["node", "-e", whole]).ok(),
        "\"one\\ntwo\\nlast\"\n"
    );
    let stream = "let d = ''; process.stdin.setEncoding('utf8').on('data', (c) => d += c).on('end', () => console.log(d.length))";
    assert_eq!(mote.run(&["node", "-e", stream]).ok(), "12\n");
    let lines = "require('readline').createInterface({input: process.stdin}).on('line', (l) => console.log('>', l))";
    assert_eq!(
        mote.run(&["node", "-e", lines]).ok(),
        "> one\n> two\n> last\n"
    );
}

#[test]
fn a_program_on_standard_input_runs_with_its_arguments() {
    let mote = Mote::new().stdin("console.log(process.argv.slice(2))");
    assert_eq!(mote.run(&["node", "-", "a"]).ok(), "[ 'a' ]\n");
    assert_eq!(mote.run(&["js", "-", "b"]).ok(), "[ 'b' ]\n");
}

#[test]
fn imports_in_a_line_of_code_work() {
    prints(
        "import('fs').then((m) => console.log(typeof m.readFileSync))",
        "function\n",
    );
    let module = [
        "node",
        "--input-type=module",
        "-e",
        "import {sep} from 'path'; console.log(sep)",
    ];
    assert_eq!(Mote::new().run(&module).ok(), "/\n");
}

#[test]
fn what_is_not_there_fails_by_name() {
    let output = Mote::new().run(&["node", "-e", "require('http')"]);
    assert_eq!(output.code, 1, "{output:#?}");
    assert!(
        output
            .stderr
            .contains("node:http is not available in this sandbox"),
        "{output:#?}"
    );
    let output = Mote::new().run(&["node", "--inspect-brk-nope", "x.js"]);
    assert_eq!(
        (output.code, output.stderr.as_str()),
        (9, "node: bad option: --inspect-brk-nope\n")
    );
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let output = Mote::new().run(&["node", "nofile.js"]);
    assert_eq!(output.code, 1, "{output:#?}");
    assert!(
        output
            .stderr
            .starts_with("Error: Cannot find module '/workspace/nofile.js'"),
        "{output:#?}"
    );
}

#[test]
fn other_programs_of_the_sandbox_can_be_run() {
    prints(
        "console.log(require('child_process').execSync('echo $((1+1)) | tr 2 3', {encoding: 'utf8'}))",
        "3\n\n",
    );
}

#[test]
fn console_prints_primitives_and_their_kinds() {
    prints(
        r#"console.log('a', 1, true, null, undefined, 1n, Symbol('x'), -0, NaN, 1e21, 0.1 + 0.2); console.log(['a', "it's", 'say "hi"', 'new\nline'], [1.0, -0], [undefined, null, , 3])"#,
        r#"a 1 true null undefined 1n Symbol(x) -0 NaN 1e+21 0.30000000000000004
[ 'a', "it's", 'say "hi"', 'new\nline' ] [ 1, -0 ] [ undefined, null, <1 empty item>, 3 ]
"#,
    );
}

#[test]
fn console_prints_nested_objects_to_a_depth() {
    prints(
        "console.log({a: 1, b: 'x', c: [1, 2, {d: 3}], e: {f: {g: {h: 1}}}}, [], {}, [[]], [{}]); console.log([[[[1]]]], {a: {b: {c: {}}}})",
        r#"{ a: 1, b: 'x', c: [ 1, 2, { d: 3 } ], e: { f: { g: [Object] } } } [] {} [ [] ] [ {} ]
[ [ [ [Array] ] ] ] { a: { b: { c: {} } } }
"#,
    );
}

#[test]
fn console_breaks_long_values_into_lines() {
    prints(
        "console.log({long1: 'aaaaaaaaaaaaaaaaaaaaaaaaaa', long2: 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb', long3: 'cccccccccccccccccc', n: [1, 2, 3]}); console.log(Array.from({length: 120}, (_, i) => i))",
        r#"{
  long1: 'aaaaaaaaaaaaaaaaaaaaaaaaaa',
  long2: 'bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb',
  long3: 'cccccccccccccccccc',
  n: [ 1, 2, 3 ]
}
[
   0,  1,  2,  3,  4,  5,  6,  7,  8,  9, 10, 11,
  12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23,
  24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35,
  36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47,
  48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59,
  60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71,
  72, 73, 74, 75, 76, 77, 78, 79, 80, 81, 82, 83,
  84, 85, 86, 87, 88, 89, 90, 91, 92, 93, 94, 95,
  96, 97, 98, 99,
  ... 20 more items
]
"#,
    );
}

#[test]
fn console_prints_collections_classes_and_functions() {
    prints(
        "class P { constructor() { this.x = 1 } get z() { return 1 } } console.log(new Map([['a', 1], [{b: 2}, new Set([1, 'x'])]]), new Set(), new P(), [new P()], P, class extends P {}, function foo() {}, () => {}, async () => {}, Object.create(null), new (class Foo extends Map {})([[1, 2]]))",
        "Map(2) { 'a' => 1, { b: 2 } => Set(2) { 1, 'x' } } Set(0) {} P { x: 1 } [ P { x: 1 } ] [class P] [class (anonymous) extends P] [Function: foo] [Function (anonymous)] [AsyncFunction (anonymous)] [Object: null prototype] {} Foo(1) [Map] { 1 => 2 }\n",
    );
}

#[test]
fn console_prints_keys_accessors_and_circles() {
    prints(
        "const o = {['a-b']: 1, 3: 4, [Symbol('s')]: 5, get g() { return 1 }, set g(v) {}, f() {}}; o.self = o; console.log(o)",
        r#"<ref *1> {
  '3': 4,
  'a-b': 1,
  g: [Getter/Setter],
  f: [Function: f],
  self: [Circular *1],
  [Symbol(s)]: 5
}
"#,
    );
}

#[test]
fn console_prints_dates_buffers_typed_arrays_and_promises() {
    prints(
        "console.log(new Date(0), [/y/gi], Buffer.from('hé'), new Uint8Array([1, 2]), new ArrayBuffer(2), Promise.resolve(5), new Promise(() => {}), Object('s'), Symbol.iterator)",
        "1970-01-01T00:00:00.000Z [ /y/gi ] <Buffer 68 c3 a9> Uint8Array(2) [ 1, 2 ] ArrayBuffer { [Uint8Contents]: <00 00>, byteLength: 2 } Promise { 5 } Promise { <pending> } [String: 's'] Symbol(Symbol.iterator)\n",
    );
}

#[test]
fn console_formats_with_placeholders() {
    prints(
        "console.log('%s is %d and %i, %f, %j %o %O %%', 'Bob', 42.5, 42.9, '3.5', {a: 1}, [1], {c: {}}, 'extra', {x: 1}); console.log('%s', {a: 1}, null, 5n, Symbol('q')); console.log('100%', 5)",
        r#"Bob is 42.5 and 42, 3.5, {"a":1} [ 1, [length]: 1 ] { c: {} } % extra { x: 1 }
{ a: 1 } null 5n Symbol(q)
100% 5
"#,
    );
}

#[test]
fn console_groups_counts_and_tables() {
    prints(
        "console.group('G'); console.log('in'); console.group(); console.log({a: 1, b: {c: 2}}); console.groupEnd(); console.groupEnd(); console.count(); console.count('x'); console.count(); console.table([{a: 1, b: 'x'}, {a: 2, c: true}]); console.dir({a: {b: {c: 1}}}, {depth: 0})",
        r#"G
  in
    { a: 1, b: { c: 2 } }
default: 1
x: 1
default: 2
┌─────────┬───┬─────┬──────┐
│ (index) │ a │ b   │ c    │
├─────────┼───┼─────┼──────┤
│ 0       │ 1 │ 'x' │      │
│ 1       │ 2 │     │ true │
└─────────┴───┴─────┴──────┘
{ a: [Object] }
"#,
    );
}

#[test]
fn inspect_has_the_options_of_node() {
    prints(
        "const {inspect} = require('util'); console.log(inspect({a: {b: {c: {d: 1}}}}, {depth: null}), inspect({a: 1, b: 'x'}, {colors: true}), inspect([1, 2, 3], {maxArrayLength: 1}), inspect({b: 1, a: 2}, {sorted: true}), inspect({a: [{b: 1}]}, {breakLength: 5}), inspect(new (class { [inspect.custom]() { return 'custom!' } })()))",
        "{\n  a: { b: { c: { d: 1 } } }\n} { a: \x1b[33m1\x1b[39m, b: \x1b[32m'x'\x1b[39m } [ 1, ... 2 more items ] { a: 2, b: 1 } {\n  a: [\n    {\n      b: 1\n    }\n  ]\n} custom!\n",
    );
}

#[test]
fn tasks_run_in_the_order_of_node() {
    prints(
        "setTimeout(() => console.log('timeout'), 1); process.nextTick(() => console.log('tick')); Promise.resolve().then(() => console.log('promise')); queueMicrotask(() => console.log('microtask')); console.log('sync')",
        r#"sync
tick
promise
microtask
timeout
"#,
    );
}

#[test]
fn timers_repeat_and_are_cleared() {
    prints(
        "let n = 0; const i = setInterval(() => { console.log('tick', ++n); if (n < 3) return; clearInterval(i); require('timers/promises').setTimeout(1, 'later').then(console.log) }, 1); clearTimeout(setTimeout(() => console.log('never'), 5))",
        r#"tick 1
tick 2
tick 3
later
"#,
    );
}

#[test]
fn promises_run_to_the_end() {
    prints(
        "(async () => { for await (const x of (async function* () { yield 1; yield 2 })()) console.log(x); const r = await Promise.allSettled([1, Promise.reject(new Error('x')), Promise.any([2])]); console.log(r.map((x) => x.status)); console.log(await Promise.race([new Promise((r) => setTimeout(r, 5, 'slow')), 'fast'])) })()",
        r#"1
2
[ 'fulfilled', 'rejected', 'fulfilled' ]
fast
"#,
    );
}

#[test]
fn errors_have_the_messages_of_v8() {
    prints(
        r#"const m = (f) => { try { f() } catch (e) { console.log(e.name + ': ' + e.message) } }; m(() => null.foo); m(() => { let x = {}; x.y.z }); m(() => nope); m(() => { const c = 1; c = 2 }); m(() => JSON.parse('{"a":}')); m(() => { const o = {a: {}}; o.a.f(1) }); m(() => { const fn = 5; fn() }); m(() => [].reduce((a) => a)); m(() => { for (const x of 5) ; }); m(() => 1n + 1); m(() => { const {a} = undefined; }); m(() => new Array(-1)); m(() => require('nope'))"#,
        r#"TypeError: Cannot read properties of null (reading 'foo')
TypeError: Cannot read properties of undefined (reading 'z')
ReferenceError: nope is not defined
TypeError: Assignment to constant variable.
SyntaxError: Unexpected token '}', "{"a":}" is not valid JSON
TypeError: o.a.f is not a function
TypeError: fn is not a function
TypeError: Reduce of empty array with no initial value
TypeError: 5 is not iterable
TypeError: Cannot mix BigInt and other types, use explicit conversions
TypeError: Cannot destructure property 'a' of 'undefined' as it is undefined.
RangeError: Invalid array length
Error: Cannot find module 'nope'
Require stack:
- /workspace/[eval]
"#,
    );
}

#[test]
fn an_uncaught_error_shows_its_place_and_is_status_one() {
    let mote = Mote::new().file(
        "e.js",
        r#"function outer() {
  const value = 1;
  return value + missing;
}
outer();
"#,
    );
    ends(
        &mote.run(&["node", "e.js"]),
        1,
        "",
        r#"/workspace/e.js:3
  return value + missing;
                 ^

ReferenceError: missing is not defined
    at outer (/workspace/e.js:3:18)
    at Object.<anonymous> (/workspace/e.js:5:1)

Node.js v20.20.2
"#,
    );
}

#[test]
fn an_error_may_be_caught_at_the_end() {
    prints(
        "process.on('uncaughtException', (e) => console.log('caught', e.message)); process.on('exit', (c) => console.log('exit', c)); setTimeout(() => console.log('still'), 1); throw new Error('x')",
        r#"caught x
still
exit 0
"#,
    );
}

#[test]
fn a_rejection_nobody_handles_is_status_one() {
    prints(
        "process.on('exit', (c) => console.log('exit', c)); process.on('unhandledRejection', (e) => console.log('unhandled', e.message)); Promise.reject(new Error('z'))",
        r#"unhandled z
exit 0
"#,
    );
}

#[test]
fn the_exit_status_is_that_of_the_program() {
    ends(&Mote::new().run(&["node", "-e", "process.on('exit', (c) => console.log('bye', c)); setTimeout(() => process.exit(3), 1); setTimeout(() => console.log('never'), 1000)"]), 3, "bye 3\n", "");
}

#[test]
fn modules_of_both_kinds_import_each_other() {
    let mote = Mote::new()
        .file("m.mjs", r#"import fs, {readFileSync} from 'node:fs';
import {x, default as d} from './lib.mjs';
import cjs from './c.cjs';
import data from './data.json' with {type: 'json'};
console.log(x, d.name, readFileSync === fs.readFileSync, cjs, data, import.meta.filename, typeof require);
console.log(await Promise.resolve(7), (await import('./lib.mjs')).x);
"#)
        .file("lib.mjs", "export const x = 1; export default function foo() {}\n")
        .file("c.cjs", "module.exports = {named: 'n', file: __filename};\n")
        .file("data.json", r#"{"n": 1.5}
"#);
    assert_eq!(
        mote.run(&["node", "m.mjs"]).ok(),
        r#"1 foo true { named: 'n', file: '/workspace/c.cjs' } { n: 1.5 } /workspace/m.mjs undefined
7 1
"#
    );
}

#[test]
fn commonjs_modules_are_found_cached_and_may_be_circular() {
    let mote = Mote::new()
        .file("main.js", "const a = require('./a'); const {b} = require('./dir'); console.log(a, b, require('./data.json').n, __filename, require.main === module, require('./a') === a, process.argv.slice(2));\n")
        .file("a.js", "exports.done = false; exports.v = require('./circle').v; exports.done = true;\n")
        .file("circle.js", "exports.v = require('./a').done;\n")
        .file("dir/index.js", "exports.b = 'idx'\n")
        .file("data.json", r#"{"n": 1.5}
"#);
    assert_eq!(
        mote.run(&["node", "main.js", "x", "y"]).ok(),
        "{ done: true, v: false } idx 1.5 /workspace/main.js true true [ 'x', 'y' ]\n"
    );
}

#[test]
fn packages_of_node_modules_have_exports() {
    let mote = Mote::new()
        .file("package.json", r#"{"type": "module", "name": "t"}
"#)
        .file("i.js", "import pkg from 'left'; import sub from 'left/sub'; console.log(pkg, sub);\n")
        .file("q.cjs", "console.log(require('left'));\n")
        .file("node_modules/left/package.json", r#"{"name": "left", "exports": {".": {"import": "./e.mjs", "require": "./m.js"}, "./sub": "./s.js"}}
"#)
        .file("node_modules/left/e.mjs", "export default 'left-esm'\n")
        .file("node_modules/left/m.js", "module.exports = 'left-cjs'\n")
        .file("node_modules/left/s.js", "module.exports = 'sub'\n");
    assert_eq!(mote.run(&["node", "i.js"]).ok(), "left-esm sub\n");
    assert_eq!(mote.run(&["node", "q.cjs"]).ok(), "left-cjs\n");
}

#[test]
fn the_language_is_that_of_2023() {
    prints(
        r#"class A { #p = 1; static #c = 0; get p() { return this.#p } static { A.#c++ } static c() { return A.#c } } console.log(new A().p, A.c(), [3, 1, 2].toSorted(), [1, 2, 3].at(-1), [1, 2, 3].findLast((x) => x < 3), [1, 2, 3].with(0, 9), 'abc'.replaceAll('b', 'x'), null ?? 'd', undefined?.x, 1_000, /(?<=\$)\d+/.exec('a$42')[0], /\p{L}+/u.exec('héé1')[0], [...'a1b2'.matchAll(/\d/g)].map((m) => m.index), structuredClone({d: new Date(0)}), Object.fromEntries([['a', 1]]), (1234567.891).toLocaleString(), 2 ** 53)"#,
        "1 1 [ 1, 2, 3 ] 3 2 [ 9, 2, 3 ] axc d undefined 1000 42 héé [ 1, 3 ] { d: 1970-01-01T00:00:00.000Z } { a: 1 } 1,234,567.891 9007199254740992\n",
    );
}

#[test]
fn dates_are_in_utc_and_print_as_in_node() {
    prints(
        "console.log(new Date(0).toString(), new Date(2024, 0, 15).toLocaleDateString(), new Date(0).toLocaleTimeString(), new Date('2024-01-01 10:00').toISOString(), new Date(0).toLocaleDateString('en-US', {weekday: 'long', year: 'numeric', month: 'long', day: 'numeric'}), new Intl.NumberFormat('en-US', {style: 'currency', currency: 'USD'}).format(5))",
        "Thu Jan 01 1970 00:00:00 GMT+0000 (Coordinated Universal Time) 1/15/2024 12:00:00 AM 2024-01-01T10:00:00.000Z Thursday, January 1, 1970 $5.00\n",
    );
}

#[test]
fn the_process_tells_its_arguments_and_folder() {
    let mote = Mote::new()
        .file("p.js", "console.log(process.argv.slice(2), process.cwd(), process.env.HOME, process.platform, process.exitCode, typeof process.version, process.argv[1]); process.stdout.write('no newline'); process.exitCode = 4;\n");
    ends(
        &mote.run(&["node", "p.js", "a", "b c"]),
        4,
        r#"[ 'a', 'b c' ] /workspace /workspace linux undefined string /workspace/p.js
no newline"#,
        "",
    );
}

#[test]
fn a_value_is_printed_with_p() {
    let mote = Mote::new();
    assert_eq!(mote.run(&["node", "-p", "1+1"]).ok(), "2\n");
    assert_eq!(
        mote.run(&["node", "-p", "[1,{a:2}]"]).ok(),
        "[ 1, { a: 2 } ]\n"
    );
    assert_eq!(
        mote.run(&["node", "-p", "process.argv.length", "a", "b"])
            .ok(),
        "3\n"
    );
}

#[test]
fn recursion_without_end_is_an_error_of_the_program() {
    prints(
        "function r(n) { return n ? r(n - 1) + 1 : 0 } console.log(r(5000)); try { (function f() { f() })() } catch (e) { console.log(e instanceof RangeError, e.message) }",
        r#"5000
true Maximum call stack size exceeded
"#,
    );
}
