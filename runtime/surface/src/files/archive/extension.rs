//! What stands before an entry of an archive and extends its header, read
//! within bounds.

use std::io::{self, ErrorKind, Read};

use tar::{Entry, EntryType, PaxExtensions};

/// Longest extension of an entry's header, in bytes: two paths and some words.
/// The archive's own reader would take whatever length the entry claims.
const EXTENSION_BYTES: u64 = 64 << 10;

/// What an entry's header has no room for. It is read from the raw entries of
/// an archive.
#[derive(Debug, Default)]
pub struct EntryExtension {
    /// Its path.
    pub path: Option<Vec<u8>>,
    /// Where the link leads that it is.
    pub link: Option<Vec<u8>>,
    /// Its size in bytes.
    pub size: Option<u64>,
}

impl EntryExtension {
    /// Takes in an entry that extends the next one. Where it is one of its own,
    /// gives what was said of it.
    ///
    /// # Errors
    /// The extension is too long or broken ([`ErrorKind::InvalidData`]), or the
    /// archive cannot be read.
    pub fn take<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> io::Result<Option<Self>> {
        match entry.header().entry_type() {
            EntryType::GNULongName => self.path = Some(text(entry)?),
            EntryType::GNULongLink => self.link = Some(text(entry)?),
            EntryType::XHeader => self.read(&content(entry)?)?,
            EntryType::XGlobalHeader => {}
            _ => return Ok(Some(std::mem::take(self))),
        }
        Ok(None)
    }

    /// Takes what matters out of a header in the format of POSIX.
    fn read(&mut self, bytes: &[u8]) -> io::Result<()> {
        for field in PaxExtensions::new(bytes) {
            let field = field.map_err(|error| invalid(error.to_string()))?;
            let value = || field.value_bytes().to_vec();
            match field.key_bytes() {
                b"path" => self.path = Some(value()),
                b"linkpath" => self.link = Some(value()),
                b"size" => {
                    let size = field.value().ok().and_then(|text| text.parse().ok());
                    self.size = Some(size.ok_or_else(|| invalid("a size is no number"))?);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

/// All of an extension.
fn content<R: Read>(entry: &mut Entry<'_, R>) -> io::Result<Vec<u8>> {
    if entry.size() > EXTENSION_BYTES {
        return Err(invalid("an extended header is longer than 64 KiB"));
    }
    let mut bytes = Vec::new();
    entry.read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// An extension that is one text, up to its NUL.
fn text<R: Read>(entry: &mut Entry<'_, R>) -> io::Result<Vec<u8>> {
    let mut bytes = content(entry)?;
    let end = bytes.iter().position(|byte| *byte == 0);
    bytes.truncate(end.unwrap_or(bytes.len()));
    Ok(bytes)
}

fn invalid(why: impl Into<String>) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why.into())
}
