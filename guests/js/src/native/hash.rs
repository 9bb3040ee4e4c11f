//! Hashes, and random bytes.

use std::cell::RefCell;

use md5::Md5;
use rquickjs::function::Func;
use rquickjs::{ArrayBuffer, Ctx, Exception, Object, Result, TypedArray};
use sha1::Sha1;
use sha2::digest::DynDigest;
use sha2::{Sha224, Sha256, Sha384, Sha512};

use super::bytes;
use crate::bindings::wasi::random::random;

/// A hash by Node's name for it.
fn new_hash(algorithm: &str) -> Option<Box<dyn DynDigest>> {
    Some(match algorithm {
        "md5" => Box::new(Md5::default()),
        "sha1" => Box::new(Sha1::default()),
        "sha224" => Box::new(Sha224::default()),
        "sha256" => Box::new(Sha256::default()),
        "sha384" => Box::new(Sha384::default()),
        "sha512" => Box::new(Sha512::default()),
        _ => return None,
    })
}

thread_local! {
    /// Hashes under way; a handle is an index. A finished one leaves its place.
    static HASHES: RefCell<Vec<Option<Box<dyn DynDigest>>>> = const { RefCell::new(Vec::new()) };
}

/// Puts the functions below on `native`.
pub fn install<'js>(native: &Object<'js>) -> Result<()> {
    native.set("hashStart", Func::from(start))?;
    native.set("hashCopy", Func::from(copy))?;
    native.set("hashUpdate", Func::from(update))?;
    native.set("hashFinish", Func::from(finish))?;
    native.set("randomBytes", Func::from(random_bytes))
}

/// A handle for a new hash; none when the algorithm is unknown.
fn start(algorithm: String) -> Option<u32> {
    new_hash(&algorithm).map(keep)
}

fn keep(hash: Box<dyn DynDigest>) -> u32 {
    HASHES.with_borrow_mut(|hashes| {
        let free = hashes.iter().position(Option::is_none).unwrap_or_else(|| {
            hashes.push(None);
            hashes.len() - 1
        });
        hashes[free] = Some(hash);
        free as u32
    })
}

fn copy(ctx: Ctx<'_>, handle: u32) -> Result<u32> {
    let hash = HASHES.with_borrow(|hashes| {
        hashes
            .get(handle as usize)?
            .as_ref()
            .map(|hash| hash.box_clone())
    });
    hash.map(keep).ok_or_else(|| finished(&ctx))
}

fn update<'js>(ctx: Ctx<'js>, handle: u32, view: TypedArray<'js, u8>) -> Result<()> {
    let updated = HASHES.with_borrow_mut(|hashes| {
        let hash = hashes.get_mut(handle as usize)?.as_mut()?;
        hash.update(bytes(&view));
        Some(())
    });
    updated.ok_or_else(|| finished(&ctx))
}

fn finish(ctx: Ctx<'_>, handle: u32) -> Result<ArrayBuffer<'_>> {
    let hash = HASHES.with_borrow_mut(|hashes| hashes.get_mut(handle as usize)?.take());
    let digest = hash.ok_or_else(|| finished(&ctx))?.finalize();
    ArrayBuffer::new(ctx, digest.into_vec())
}

fn finished(ctx: &Ctx<'_>) -> rquickjs::Error {
    Exception::throw_message(ctx, "this hash is finished")
}

/// Bytes from the host's secure source of them.
fn random_bytes(ctx: Ctx<'_>, length: u32) -> Result<ArrayBuffer<'_>> {
    ArrayBuffer::new(ctx, random::get_random_bytes(u64::from(length)))
}
