//! Between strings and bytes, in every encoding that Node names.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{
    GeneralPurpose, GeneralPurposeConfig, STANDARD, URL_SAFE_NO_PAD,
};
use rquickjs::function::Func;
use rquickjs::{
    ArrayBuffer, Ctx, Exception, Object, Result, String as JsString, TypedArray, Value, qjs,
};

use super::bytes;

/// Node reads base64 whether it is padded or not, and whatever its last bits.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// Puts the functions below on `native`.
pub fn install<'js>(native: &Object<'js>) -> Result<()> {
    native.set("encode", Func::from(encode))?;
    native.set("decode", Func::from(decode))?;
    native.set(
        "isUtf8",
        Func::from(|view: TypedArray<'js, u8>| std::str::from_utf8(bytes(&view)).is_ok()),
    )?;
    native.set(
        "utf8Length",
        Func::from(|text: JsString<'js>| utf8(&text).map(|text| text.len() as u32)),
    )
}

/// The bytes of a string in UTF-8; a lone surrogate becomes U+FFFD.
pub fn utf8(text: &JsString<'_>) -> Result<Vec<u8>> {
    let text = text.clone().to_cstring()?;
    // SAFETY: the engine's buffer lives as long as `text`.
    let bytes = unsafe { std::slice::from_raw_parts(text.as_ptr().cast::<u8>(), text.len()) };
    let mut bytes = bytes.to_vec();
    // The engine writes a lone surrogate as the three bytes ED A0..BF xx,
    // which occur in nothing else and are as many as those of U+FFFD.
    let mut at = 0;
    while let Some(found) = bytes
        .get(at..)
        .and_then(|rest| rest.iter().position(|byte| *byte == 0xED))
    {
        at += found;
        if let Some(unit @ [_, 0xA0..=0xBF, _]) = bytes.get_mut(at..at + 3) {
            unit.copy_from_slice("\u{FFFD}".as_bytes());
        }
        at += 1;
    }
    Ok(bytes)
}

/// The bytes of `text` in `encoding`, as an ArrayBuffer.
fn encode<'js>(ctx: Ctx<'js>, text: JsString<'js>, encoding: String) -> Result<ArrayBuffer<'js>> {
    let bytes = match encoding.as_str() {
        "utf8" => utf8(&text)?,
        "utf16le" => utf16(&ctx, &text)?
            .into_iter()
            .flat_map(u16::to_le_bytes)
            .collect(),
        "latin1" => utf16(&ctx, &text)?
            .into_iter()
            .map(|unit| unit as u8)
            .collect(),
        "hex" => decode_hex(&utf8(&text)?),
        "base64" => decode_base64(&utf8(&text)?)?,
        other => {
            return Err(Exception::throw_type(
                &ctx,
                &format!("unknown encoding {other}"),
            ));
        }
    };
    ArrayBuffer::new(ctx, bytes)
}

/// The string that a view's bytes are in `encoding`.
fn decode<'js>(
    ctx: Ctx<'js>,
    view: TypedArray<'js, u8>,
    encoding: String,
) -> Result<JsString<'js>> {
    let bytes = bytes(&view);
    let text = match encoding.as_str() {
        "utf8" => String::from_utf8_lossy(bytes).into_owned(),
        "utf16le" => {
            let units: Vec<u16> = bytes
                .chunks_exact(2)
                .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
                .collect();
            return from_utf16(&ctx, &units);
        }
        "latin1" => bytes.iter().map(|byte| *byte as char).collect(),
        "ascii" => bytes.iter().map(|byte| (byte & 0x7F) as char).collect(),
        "hex" => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        "base64" => STANDARD.encode(bytes),
        "base64url" => URL_SAFE_NO_PAD.encode(bytes),
        other => {
            return Err(Exception::throw_type(
                &ctx,
                &format!("unknown encoding {other}"),
            ));
        }
    };
    JsString::from_str(ctx, &text)
}

/// The code units of a string.
fn utf16(ctx: &Ctx<'_>, text: &JsString<'_>) -> Result<Vec<u16>> {
    let mut length = 0;
    // SAFETY: the value is a live string of this context; the engine's copy
    // is of the length it says, and freed once copied.
    unsafe {
        let context = ctx.as_raw().as_ptr();
        let units = qjs::JS_ToCStringLenUTF16(context, &mut length, text.as_raw());
        if units.is_null() {
            return Err(rquickjs::Error::Exception);
        }
        let copy = std::slice::from_raw_parts(units, length as usize).to_vec();
        qjs::JS_FreeCStringUTF16(context, units);
        Ok(copy)
    }
}

/// The string of these code units, whether or not surrogates are in pairs.
fn from_utf16<'js>(ctx: &Ctx<'js>, units: &[u16]) -> Result<JsString<'js>> {
    // SAFETY: the engine copies the units; the value it returns is ours.
    let value = unsafe {
        let raw = qjs::JS_NewStringUTF16(ctx.as_raw().as_ptr(), units.as_ptr(), units.len() as _);
        Value::from_raw(ctx.clone(), raw)
    };
    JsString::from_value(value)
}

/// Pairs of hexadecimal digits, up to the first that is none.
fn decode_hex(text: &[u8]) -> Vec<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    text.chunks_exact(2)
        .map_while(|pair| Some((digit(pair[0])? << 4 | digit(pair[1])?) as u8))
        .collect()
}

/// Base64 in either alphabet up to the first `=`; what is in neither is skipped.
fn decode_base64(text: &[u8]) -> Result<Vec<u8>> {
    let mut digits: Vec<u8> = text
        .iter()
        .take_while(|byte| **byte != b'=')
        .filter_map(|byte| match byte {
            b'-' => Some(b'+'),
            b'_' => Some(b'/'),
            b'+' | b'/' | b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' => Some(*byte),
            _ => None,
        })
        .collect();
    if digits.len() % 4 == 1 {
        digits.pop(); // six bits are no byte
    }
    LENIENT.decode(digits).map_err(|_| rquickjs::Error::Unknown)
}
