//! Node's modules: files, paths, bytes, streams and the like.

use super::prints;

#[test]
fn files_are_read_written_and_listed() {
    prints(
        "const fs = require('fs'); fs.writeFileSync('x.txt', 'hello'); fs.appendFileSync('x.txt', ' world'); console.log(fs.readFileSync('x.txt', 'utf8'), fs.existsSync('x.txt'), fs.statSync('x.txt').size, fs.statSync('x.txt').isFile()); fs.mkdirSync('d/e', {recursive: true}); fs.renameSync('x.txt', 'd/y.txt'); fs.copyFileSync('d/y.txt', 'd/z.txt'); console.log(fs.readdirSync('d'), fs.readdirSync('.', {withFileTypes: true}).map((e) => [e.name, e.isDirectory()])); fs.rmSync('d', {recursive: true}); console.log(fs.existsSync('d'))",
        r#"hello world true 11 true
[ 'e', 'y.txt', 'z.txt' ] [ [ 'd', true ] ]
false
"#,
    );
}

#[test]
fn file_errors_have_the_codes_and_texts_of_node() {
    prints(
        "const fs = require('fs'); const m = (f) => { try { f() } catch (e) { console.log(e.code, e.message) } }; m(() => fs.readFileSync('nofile')); fs.mkdirSync('d'); m(() => fs.mkdirSync('d')); m(() => fs.readdirSync('nodir')); m(() => fs.readFileSync('d')); m(() => fs.rmSync('nofile')); m(() => fs.writeFileSync('no/x', '')); m(() => fs.unlinkSync('nofile')); m(() => fs.rmSync('d'))",
        r#"ENOENT ENOENT: no such file or directory, open 'nofile'
EEXIST EEXIST: file already exists, mkdir 'd'
ENOENT ENOENT: no such file or directory, scandir 'nodir'
EISDIR EISDIR: illegal operation on a directory, read
ENOENT ENOENT: no such file or directory, lstat 'nofile'
ENOENT ENOENT: no such file or directory, open 'no/x'
ENOENT ENOENT: no such file or directory, unlink 'nofile'
ERR_FS_EISDIR Path is a directory: rm returned EISDIR (is a directory) d
"#,
    );
}

#[test]
fn promised_files_work_too() {
    prints(
        "const fs = require('fs/promises'); (async () => { await fs.mkdir('q/r', {recursive: true}); await fs.writeFile('q/p.txt', 'abc'); console.log(await fs.readFile('q/p.txt', 'utf8'), await fs.readdir('q'), (await fs.stat('q/p.txt')).size); await fs.rename('q/p.txt', 'q/r/p'); await fs.rm('q', {recursive: true, force: true}); await fs.access('q').catch((e) => console.log(e.code)) })()",
        r#"abc [ 'p.txt', 'r' ] 3
ENOENT
"#,
    );
}

#[test]
fn paths_are_joined_and_taken_apart() {
    prints(
        "const p = require('path'); console.log(p.join('a', '..', 'b', './c'), p.resolve('/a', 'b', '../c'), p.basename('/x/y.txt', '.txt'), p.extname('a.tar.gz'), p.dirname('/a/b'), p.relative('/a/b/c', '/a/d'), p.parse('/home/u/f.txt'), p.normalize('/a//b/../c/.'), p.isAbsolute('a'))",
        "b/c /a/c y .gz /a ../../d { root: '/', dir: '/home/u', base: 'f.txt', ext: '.txt', name: 'f' } /a/c false\n",
    );
}

#[test]
fn buffers_convert_and_compare() {
    prints(
        "const b = Buffer.from('héllo'); console.log(b.length, b.toString('hex'), b.toString('base64'), Buffer.from('aGk=', 'base64').toString(), Buffer.concat([b, Buffer.from([1, 2])]), b.equals(Buffer.from('héllo')), b.indexOf('l'), b.readUInt16BE(0), JSON.stringify(Buffer.from('a')), Buffer.byteLength('é'), btoa('x'), atob('eA=='))",
        r#"6 68c3a96c6c6f aMOpbGxv hi <Buffer 68 c3 a9 6c 6c 6f 01 02> true 3 26819 {"type":"Buffer","data":[97]} 2 eA== x
"#,
    );
}

#[test]
fn urls_are_parsed_and_built() {
    prints(
        "const u = new URL('https://user:pw@ex.com:8080/p/a?x=1&y=2#h'); u.searchParams.append('z', 'a b'); console.log(u.host, u.pathname, u.searchParams.get('x'), u.href, new URL('../x', 'http://a.com/b/c').href, new URLSearchParams({a: 1, b: 'c d'}).toString()); try { new URL('bad') } catch (e) { console.log(e.code) }",
        r#"ex.com:8080 /p/a 1 https://user:pw@ex.com:8080/p/a?x=1&y=2&z=a+b#h http://a.com/x a=1&b=c+d
ERR_INVALID_URL
"#,
    );
}

#[test]
fn assertions_explain_what_differs() {
    prints(
        "const assert = require('assert'); const m = (f) => { try { f() } catch (e) { console.log(e.name, e.code); console.log(e.message) } }; assert.deepEqual({a: [1]}, {a: [1]}); m(() => assert.strictEqual(1, 2)); m(() => assert.deepStrictEqual({a: 1, b: 2}, {a: 1, b: 3})); m(() => assert(false, 'told')); m(() => assert.throws(() => {})); m(() => assert.deepEqual([1, 2, 3], [1, 2, 4]))",
        r#"AssertionError ERR_ASSERTION
Expected values to be strictly equal:

1 !== 2

AssertionError ERR_ASSERTION
Expected values to be strictly deep-equal:
+ actual - expected

  {
    a: 1,
+   b: 2
-   b: 3
  }
AssertionError ERR_ASSERTION
told
AssertionError ERR_ASSERTION
Missing expected exception.
AssertionError ERR_ASSERTION
Expected values to be loosely deep-equal:

[
  1,
  2,
  3
]

should loosely deep-equal

[
  1,
  2,
  4
]
"#,
    );
}

#[test]
fn events_reach_their_listeners() {
    prints(
        "const EventEmitter = require('events'); const e = new EventEmitter(); e.on('x', (...a) => console.log('on', a)); e.once('x', () => console.log('once')); console.log(e.emit('x', 1, 2), e.emit('x'), e.emit('none'), e.listenerCount('x')); try { e.emit('error', new Error('ee')) } catch (er) { console.log(er.message) }",
        r#"on [ 1, 2 ]
once
on []
true true false 1
ee
"#,
    );
}

#[test]
fn streams_pipe_and_iterate() {
    prints(
        "const {Readable, Transform, pipeline} = require('stream'); const up = new Transform({transform(c, e, cb) { cb(null, c.toString().toUpperCase()) }}); pipeline(Readable.from(['a', 'b']), up, (err) => { console.log('done', err); (async () => { for await (const c of Readable.from([1, 2])) console.log(c) })() }); up.on('data', (d) => console.log(d.toString()))",
        r#"A
B
done undefined
1
2
"#,
    );
}

#[test]
fn hashes_and_compression_are_there() {
    prints(
        "const c = require('crypto'); const z = require('zlib'); console.log(c.createHash('sha256').update('a').digest('hex'), c.createHmac('sha1', 'k').update('m').digest('base64'), c.randomBytes(8).length, z.gunzipSync(z.gzipSync('hey')).toString(), c.randomUUID().length)",
        "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb dytxyKKZfnaL4B2XEeSk80ok7zM= 8 hey 36\n",
    );
}
