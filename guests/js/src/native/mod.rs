//! What JavaScript cannot do by itself, as functions of one object, `native`,
//! which only the library sees.
//!
//! A function that the system refuses throws the bare name of the error
//! (`"ENOENT"`); the library makes Node's error of it.

mod child;
mod clock;
mod errno;
mod fs;
mod hash;
mod process;
mod stdio;
mod text;
mod url;
mod value;
mod zlib;

use rquickjs::{Ctx, Object, Result, TypedArray};

pub use text::utf8;

/// The object with every native function.
pub fn create<'js>(ctx: &Ctx<'js>) -> Result<Object<'js>> {
    let native = Object::new(ctx.clone())?;
    crate::script::install(&native)?;
    child::install(&native)?;
    clock::install(&native)?;
    fs::install(&native)?;
    hash::install(&native)?;
    process::install(&native)?;
    stdio::install(&native)?;
    text::install(&native)?;
    url::install(&native)?;
    value::install(&native)?;
    zlib::install(&native)?;
    Ok(native)
}

/// The bytes a view shows; none when its buffer is gone.
fn bytes<'a>(view: &'a TypedArray<'_, u8>) -> &'a [u8] {
    view.as_raw().map_or(&[], |raw| {
        // SAFETY: the view keeps the buffer alive, and nothing runs that
        // could change or move it while the slice is in use: no native
        // function calls back into JavaScript while it holds one.
        unsafe { raw.as_ref() }
    })
}

/// The same for writing.
#[allow(
    clippy::mut_from_ref,
    reason = "the engine owns the bytes; see `bytes`"
)]
fn bytes_mut<'a>(view: &'a TypedArray<'_, u8>) -> &'a mut [u8] {
    view.as_raw().map_or(&mut [], |mut raw| {
        // SAFETY: as in `bytes`; no function holds two slices of one view.
        unsafe { raw.as_mut() }
    })
}
