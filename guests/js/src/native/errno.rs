//! Errors of the system, by name: the numbers differ between WASI and Linux,
//! whose numbers Node's programs know.

use std::io;

use rquickjs::{Ctx, Error, IntoJs};

/// Throws the name of what the system last refused with.
pub fn throw(ctx: &Ctx<'_>, error: &io::Error) -> Error {
    match name(error).into_js(ctx) {
        Ok(value) => ctx.throw(value),
        Err(error) => error,
    }
}

/// The result of a system call which says "refused" by a negative number.
pub fn check<T: Default + PartialOrd>(ctx: &Ctx<'_>, result: T) -> rquickjs::Result<T> {
    if result < T::default() {
        Err(throw(ctx, &io::Error::last_os_error()))
    } else {
        Ok(result)
    }
}

/// The error's name as in `errno.h`; `EIO` for one without.
fn name(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc::EACCES) => "EACCES",
        Some(libc::EAGAIN) => "EAGAIN",
        Some(libc::EBADF) => "EBADF",
        Some(libc::EBUSY) => "EBUSY",
        Some(libc::EDQUOT) => "EDQUOT",
        Some(libc::EEXIST) => "EEXIST",
        Some(libc::EFBIG) => "EFBIG",
        Some(libc::EINVAL) => "EINVAL",
        Some(libc::EISDIR) => "EISDIR",
        Some(libc::ELOOP) => "ELOOP",
        Some(libc::EMFILE) => "EMFILE",
        Some(libc::EMLINK) => "EMLINK",
        Some(libc::ENAMETOOLONG) => "ENAMETOOLONG",
        Some(libc::ENFILE) => "ENFILE",
        Some(libc::ENOENT) => "ENOENT",
        Some(libc::ENOMEM) => "ENOMEM",
        Some(libc::ENOSPC) => "ENOSPC",
        Some(libc::ENOSYS) => "ENOSYS",
        // A path outside every preopened directory is one that is not there.
        Some(libc::ENOTCAPABLE) => "EACCES",
        Some(libc::ENOTDIR) => "ENOTDIR",
        Some(libc::ENOTEMPTY) => "ENOTEMPTY",
        Some(libc::ENOTSUP) => "ENOTSUP",
        Some(libc::EPERM) => "EPERM",
        Some(libc::EPIPE) => "EPIPE",
        Some(libc::EROFS) => "EROFS",
        Some(libc::ESPIPE) => "ESPIPE",
        Some(libc::ETXTBSY) => "ETXTBSY",
        Some(libc::EXDEV) => "EXDEV",
        _ => "EIO",
    }
}
