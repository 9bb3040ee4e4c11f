//! Files and folders. Paths are absolute: the library resolves them against
//! the working directory it keeps.

use std::ffi::CString;
use std::io;
use std::mem::MaybeUninit;

use libc::{c_char, c_int};
use rquickjs::function::Func;
use rquickjs::{Array, ArrayBuffer, Ctx, Object, Result, TypedArray};

use super::bytes;
use super::errno::{check, throw};
use super::stdio::write_all;

/// Mode of what is created. WASI has no permission bits; libc ignores it.
const ANY_MODE: c_int = 0o666;

/// Puts the functions below on `native`.
pub fn install<'js>(native: &Object<'js>) -> Result<()> {
    native.set("open", Func::from(open))?;
    native.set(
        "close",
        Func::from(|ctx: Ctx<'js>, fd: c_int| close(&ctx, fd)),
    )?;
    native.set("sync", Func::from(sync))?;
    native.set("resize", Func::from(resize))?;
    native.set("stat", Func::from(stat))?;
    native.set("statOpen", Func::from(stat_open))?;
    native.set("readFile", Func::from(read_file))?;
    native.set("writeFile", Func::from(write_file))?;
    native.set("readFolder", Func::from(read_folder))?;
    native.set("makeFolder", Func::from(make_folder))?;
    native.set("removeFolder", Func::from(remove_folder))?;
    native.set("remove", Func::from(remove))?;
    native.set("rename", Func::from(rename))?;
    native.set("link", Func::from(link))?;
    native.set("makeLink", Func::from(make_link))?;
    native.set("readLink", Func::from(read_link))?;
    native.set("setTimes", Func::from(set_times))
}

/// A path as the system wants it.
fn c_path(ctx: &Ctx<'_>, path: String) -> Result<CString> {
    CString::new(path).map_err(|_| throw(ctx, &io::Error::from_raw_os_error(libc::EINVAL)))
}

/// Flags of `open` as letters, which the library makes of Node's: `r`ead,
/// `w`rite, `a`ppend, `c`reate, e`x`clusive, `t`runcate, `d`irectory,
/// `n`o symbolic link.
fn open_flags(letters: &str) -> c_int {
    let access = match (letters.contains('r'), letters.contains('w')) {
        (true, true) => libc::O_RDWR,
        (false, true) => libc::O_WRONLY,
        _ => libc::O_RDONLY,
    };
    letters.chars().fold(access, |flags, letter| {
        flags
            | match letter {
                'a' => libc::O_APPEND,
                'c' => libc::O_CREAT,
                'x' => libc::O_EXCL,
                't' => libc::O_TRUNC,
                'd' => libc::O_DIRECTORY,
                'n' => libc::O_NOFOLLOW,
                _ => 0,
            }
    })
}

fn open(ctx: Ctx<'_>, path: String, letters: String) -> Result<c_int> {
    let path = c_path(&ctx, path)?;
    // SAFETY: the path is a live C string.
    check(&ctx, unsafe {
        libc::open(path.as_ptr(), open_flags(&letters), ANY_MODE)
    })
}

fn close(ctx: &Ctx<'_>, fd: c_int) -> Result<()> {
    // SAFETY: a number; one that is not open is refused.
    check(ctx, unsafe { libc::close(fd) }).map(drop)
}

fn sync(ctx: Ctx<'_>, fd: c_int) -> Result<()> {
    // SAFETY: as in `close`.
    check(&ctx, unsafe { libc::fsync(fd) }).map(drop)
}

fn resize(ctx: Ctx<'_>, fd: c_int, length: f64) -> Result<()> {
    // SAFETY: as in `close`.
    check(&ctx, unsafe { libc::ftruncate(fd, length as libc::off_t) }).map(drop)
}

/// `[type, dev, ino, nlink, size, atime, mtime, ctime]`, times in milliseconds.
fn stat<'js>(ctx: Ctx<'js>, path: String, follow: bool) -> Result<Array<'js>> {
    let path = c_path(&ctx, path)?;
    let flags = if follow { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
    let mut status = MaybeUninit::uninit();
    // SAFETY: path and buffer are live; a call that succeeds fills the buffer.
    let status = unsafe {
        check(
            &ctx,
            libc::fstatat(libc::AT_FDCWD, path.as_ptr(), status.as_mut_ptr(), flags),
        )?;
        status.assume_init()
    };
    describe(ctx, &status)
}

/// The same of an open file.
fn stat_open<'js>(ctx: Ctx<'js>, fd: c_int) -> Result<Array<'js>> {
    let mut status = MaybeUninit::uninit();
    // SAFETY: as in `stat`.
    let status = unsafe {
        check(&ctx, libc::fstat(fd, status.as_mut_ptr()))?;
        status.assume_init()
    };
    describe(ctx, &status)
}

fn describe<'js>(ctx: Ctx<'js>, status: &libc::stat) -> Result<Array<'js>> {
    let millis = |time: libc::timespec| time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6;
    let array = Array::new(ctx)?;
    array.set(0, file_type(status.st_mode))?;
    let numbers = [
        status.st_dev as f64,
        status.st_ino as f64,
        status.st_nlink as f64,
        status.st_size as f64,
        millis(status.st_atim),
        millis(status.st_mtim),
        millis(status.st_ctim),
    ];
    for (index, number) in numbers.into_iter().enumerate() {
        array.set(index + 1, number)?;
    }
    Ok(array)
}

/// A file's type as one letter, as `ls -l` prints it.
fn file_type(mode: libc::mode_t) -> &'static str {
    match mode & libc::S_IFMT {
        libc::S_IFDIR => "d",
        libc::S_IFREG => "-",
        libc::S_IFLNK => "l",
        libc::S_IFCHR => "c",
        libc::S_IFBLK => "b",
        libc::S_IFIFO => "p",
        _ => "s",
    }
}

fn read_file<'js>(ctx: Ctx<'js>, path: String) -> Result<ArrayBuffer<'js>> {
    let content = std::fs::read(path).map_err(|error| throw(&ctx, &error))?;
    ArrayBuffer::new(ctx, content)
}

fn write_file<'js>(
    ctx: Ctx<'js>,
    path: String,
    letters: String,
    content: TypedArray<'js, u8>,
) -> Result<()> {
    let fd = open(ctx.clone(), path, letters)?;
    let written = write_all(fd, bytes(&content), -1.0);
    close(&ctx, fd)?;
    written.map_err(|error| throw(&ctx, &error))
}

/// `[name, type, name, type, …]` of a folder, the types as in `stat`.
fn read_folder(ctx: Ctx<'_>, path: String) -> Result<Vec<String>> {
    let list = || -> io::Result<Vec<String>> {
        let mut list = Vec::new();
        for entry in std::fs::read_dir(path)? {
            let entry = entry?;
            let kind = entry.file_type()?;
            let letter = if kind.is_dir() {
                "d"
            } else if kind.is_symlink() {
                "l"
            } else if kind.is_file() {
                "-"
            } else {
                "c"
            };
            list.push(entry.file_name().to_string_lossy().into_owned());
            list.push(letter.to_owned());
        }
        Ok(list)
    };
    list().map_err(|error| throw(&ctx, &error))
}

fn make_folder(ctx: Ctx<'_>, path: String) -> Result<()> {
    std::fs::create_dir(path).map_err(|error| throw(&ctx, &error))
}

fn remove_folder(ctx: Ctx<'_>, path: String) -> Result<()> {
    std::fs::remove_dir(path).map_err(|error| throw(&ctx, &error))
}

fn remove(ctx: Ctx<'_>, path: String) -> Result<()> {
    std::fs::remove_file(path).map_err(|error| throw(&ctx, &error))
}

fn rename(ctx: Ctx<'_>, from: String, to: String) -> Result<()> {
    std::fs::rename(from, to).map_err(|error| throw(&ctx, &error))
}

fn link(ctx: Ctx<'_>, from: String, to: String) -> Result<()> {
    std::fs::hard_link(from, to).map_err(|error| throw(&ctx, &error))
}

fn make_link(ctx: Ctx<'_>, target: String, path: String) -> Result<()> {
    let (target, path) = (c_path(&ctx, target)?, c_path(&ctx, path)?);
    // SAFETY: both are live C strings.
    check(&ctx, unsafe {
        libc::symlink(target.as_ptr(), path.as_ptr())
    })
    .map(drop)
}

fn read_link(ctx: Ctx<'_>, path: String) -> Result<String> {
    let target = std::fs::read_link(path).map_err(|error| throw(&ctx, &error))?;
    Ok(target.to_string_lossy().into_owned())
}

/// Sets the times of a path (times in milliseconds).
fn set_times(ctx: Ctx<'_>, path: String, accessed: f64, modified: f64, follow: bool) -> Result<()> {
    let path = c_path(&ctx, path)?;
    let times = [timespec(accessed), timespec(modified)];
    let flags = if follow { 0 } else { libc::AT_SYMLINK_NOFOLLOW };
    let path: *const c_char = path.as_ptr();
    // SAFETY: the path is a live C string and the times are two, as it takes.
    check(&ctx, unsafe {
        libc::utimensat(libc::AT_FDCWD, path, times.as_ptr(), flags)
    })
    .map(drop)
}

fn timespec(millis: f64) -> libc::timespec {
    let seconds = (millis / 1e3).floor();
    // SAFETY: a plain struct of integers, for which zero is a value; its
    // padding has private fields, so it cannot be written as a literal.
    let mut time: libc::timespec = unsafe { std::mem::zeroed() };
    time.tv_sec = seconds as libc::time_t;
    time.tv_nsec = ((millis - seconds * 1e3) * 1e6) as _;
    time
}
