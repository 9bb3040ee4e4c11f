//! Compression in the formats of zlib.

use std::io::{self, Read};

use flate2::Compression;
use flate2::read::{
    DeflateDecoder, DeflateEncoder, GzEncoder, MultiGzDecoder, ZlibDecoder, ZlibEncoder,
};
use rquickjs::function::Func;
use rquickjs::{ArrayBuffer, Ctx, Exception, Object, Result, TypedArray};

use super::bytes;

/// Puts the functions below on `native`.
pub fn install<'js>(native: &Object<'js>) -> Result<()> {
    native.set("compress", Func::from(compress))?;
    native.set("decompress", Func::from(decompress))?;
    native.set("crc32", Func::from(crc32))
}

fn compress<'js>(
    ctx: Ctx<'js>,
    format: String,
    input: TypedArray<'js, u8>,
    level: u32,
) -> Result<ArrayBuffer<'js>> {
    let (input, level) = (bytes(&input), Compression::new(level));
    let output = match format.as_str() {
        "gzip" => read_all(GzEncoder::new(input, level), u64::MAX),
        "deflate" => read_all(ZlibEncoder::new(input, level), u64::MAX),
        _ => read_all(DeflateEncoder::new(input, level), u64::MAX),
    };
    finish(ctx, output)
}

/// Throws a text that starts with zlib's name of the error. What comes out is
/// at most `most` bytes.
fn decompress<'js>(
    ctx: Ctx<'js>,
    format: String,
    input: TypedArray<'js, u8>,
    most: f64,
) -> Result<ArrayBuffer<'js>> {
    let (input, most) = (bytes(&input), most as u64);
    let output = match format.as_str() {
        "gzip" => read_all(MultiGzDecoder::new(input), most),
        "deflate" => read_all(ZlibDecoder::new(input), most),
        _ => read_all(DeflateDecoder::new(input), most),
    };
    finish(ctx, output)
}

fn read_all(reader: impl Read, most: u64) -> io::Result<Vec<u8>> {
    let mut output = Vec::new();
    reader
        .take(most.saturating_add(1))
        .read_to_end(&mut output)?;
    if output.len() as u64 > most {
        return Err(io::Error::other("ERR_BUFFER_TOO_LARGE"));
    }
    Ok(output)
}

fn finish(ctx: Ctx<'_>, output: io::Result<Vec<u8>>) -> Result<ArrayBuffer<'_>> {
    match output {
        Ok(output) => ArrayBuffer::new(ctx, output),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(
            Exception::throw_message(&ctx, "Z_BUF_ERROR unexpected end of file"),
        ),
        Err(error) if error.kind() == io::ErrorKind::Other => {
            Err(Exception::throw_message(&ctx, &error.to_string()))
        }
        Err(_) => Err(Exception::throw_message(
            &ctx,
            "Z_DATA_ERROR incorrect header check",
        )),
    }
}

/// The checksum of gzip, of bytes that follow those which gave `start`.
fn crc32(input: TypedArray<'_, u8>, start: u32) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(start);
    hasher.update(bytes(&input));
    hasher.finalize()
}
