//! Reading and writing open files by number, standard streams included.

use rquickjs::function::Func;
use rquickjs::{ArrayBuffer, Ctx, Object, Result, TypedArray};

use super::errno::{check, throw};
use super::{bytes, bytes_mut, utf8};

/// Puts the functions below on `native`.
pub fn install<'js>(native: &Object<'js>) -> Result<()> {
    native.set("read", Func::from(read))?;
    native.set("readToEnd", Func::from(read_to_end))?;
    native.set("write", Func::from(write))?;
    native.set("writeText", Func::from(write_text))
}

/// Reads into `view` at `position`, or where the file stands if that is
/// negative. Returns how many bytes; none at the end.
fn read<'js>(ctx: Ctx<'js>, fd: i32, view: TypedArray<'js, u8>, position: f64) -> Result<u32> {
    let buffer = bytes_mut(&view);
    let (pointer, length) = (buffer.as_mut_ptr().cast(), buffer.len());
    // SAFETY: pointer and length are those of one live slice.
    let count = unsafe {
        if position < 0.0 {
            libc::read(fd, pointer, length)
        } else {
            libc::pread(fd, pointer, length, position as i64)
        }
    };
    check(&ctx, count).map(|count| count as u32)
}

/// Everything from where the file stands to its end.
fn read_to_end(ctx: Ctx<'_>, fd: i32) -> Result<ArrayBuffer<'_>> {
    /// Asked of the system at once; a pipe holds no more.
    const CHUNK_BYTES: usize = 64 << 10;
    let mut content: Vec<u8> = Vec::new();
    loop {
        let length = content.len();
        content.resize(length + CHUNK_BYTES, 0);
        let rest = &mut content[length..];
        // SAFETY: pointer and length are those of one live slice.
        let count = unsafe { libc::read(fd, rest.as_mut_ptr().cast(), rest.len()) };
        let count = check(&ctx, count)? as usize;
        content.truncate(length + count);
        if count == 0 {
            return ArrayBuffer::new(ctx, content);
        }
    }
}

/// Writes what `view` shows, all of it, as `read` reads. Returns its length.
fn write<'js>(ctx: Ctx<'js>, fd: i32, view: TypedArray<'js, u8>, position: f64) -> Result<u32> {
    write_all(fd, bytes(&view), position).map_err(|error| throw(&ctx, &error))?;
    Ok(bytes(&view).len() as u32)
}

/// Writes a text in UTF-8 where the file stands.
fn write_text<'js>(ctx: Ctx<'js>, fd: i32, text: rquickjs::String<'js>) -> Result<u32> {
    let text = utf8(&text)?;
    write_all(fd, &text, -1.0).map_err(|error| throw(&ctx, &error))?;
    Ok(text.len() as u32)
}

/// Writes all of `rest`: a call may take less than it was given.
pub fn write_all(fd: i32, mut rest: &[u8], position: f64) -> std::io::Result<()> {
    let mut position = position as i64;
    while !rest.is_empty() {
        let (pointer, length) = (rest.as_ptr().cast(), rest.len());
        // SAFETY: pointer and length are those of one live slice.
        let count = unsafe {
            if position < 0 {
                libc::write(fd, pointer, length)
            } else {
                libc::pwrite(fd, pointer, length, position)
            }
        };
        if count < 0 {
            return Err(std::io::Error::last_os_error());
        }
        rest = rest.get(count as usize..).unwrap_or_default();
        if position >= 0 {
            position += count as i64;
        }
    }
    Ok(())
}
