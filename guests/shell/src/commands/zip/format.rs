//! The ZIP format: archives of any origin are read, new ones are plain and in
//! UTF-8.

use std::io::{Read, Write};
use std::time::SystemTime;

use chrono::{DateTime, Datelike, NaiveDate, NaiveDateTime, Timelike, Utc};
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use flate2::{Compression, Crc};

const LOCAL: &[u8] = b"PK\x03\x04";
const CENTRAL: &[u8] = b"PK\x01\x02";
const END: &[u8] = b"PK\x05\x06";

/// Bytes of the end record before its comment, and the most of that.
const END_BYTES: usize = 22;
const COMMENT_BYTES: usize = u16::MAX as usize;

const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// The version of the format that deflate needs, made on Unix.
const VERSION: u16 = 20;
const MADE_BY: u16 = (3 << 8) | VERSION;
/// Names are in UTF-8.
const UTF_8: u16 = 1 << 11;
/// The content is encrypted.
const ENCRYPTED: u16 = 1;

/// A member of an archive.
#[derive(Clone, Debug)]
pub struct Member {
    /// Its path; that of a folder ends with a slash.
    pub name: String,
    /// When it was changed.
    pub time: NaiveDateTime,
    /// Bytes of its content.
    pub size: u32,
    method: u16,
    flags: u16,
    crc: u32,
    attributes: u32,
    packed: Vec<u8>,
}

impl Member {
    /// Packs a file or, if the name ends with a slash, a folder.
    pub fn pack(name: String, content: &[u8], time: SystemTime, mode: u32, level: u32) -> Self {
        let mut crc = Crc::new();
        crc.update(content);
        let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level));
        let packed = encoder.write_all(content).and_then(|()| encoder.finish());
        let (method, packed) = match packed {
            Ok(packed) if packed.len() < content.len() => (DEFLATED, packed),
            _ => (STORED, content.to_vec()),
        };
        let kind = if name.ends_with('/') {
            0o040_000
        } else {
            0o100_000
        };
        Self {
            name,
            time: DateTime::<Utc>::from(time).naive_utc(),
            size: content.len() as u32,
            method,
            flags: UTF_8,
            crc: crc.sum(),
            attributes: (kind | mode) << 16,
            packed,
        }
    }

    /// Whether it is packed at all.
    pub fn is_deflated(&self) -> bool {
        self.method == DEFLATED
    }

    /// By how much it became smaller, in percent.
    pub fn saved(&self) -> u64 {
        let (size, packed) = (u64::from(self.size), self.packed.len() as u64);
        let saved = size.saturating_sub(packed) * 100 + size / 2;
        saved.checked_div(size).unwrap_or(0)
    }

    /// The content.
    ///
    /// # Errors
    /// Why it cannot be had.
    pub fn content(&self) -> Result<Vec<u8>, String> {
        if self.flags & ENCRYPTED != 0 {
            return Err("it is encrypted".to_owned());
        }
        let mut content = Vec::new();
        match self.method {
            STORED => content.clone_from(&self.packed),
            DEFLATED => {
                let read = DeflateDecoder::new(self.packed.as_slice()).read_to_end(&mut content);
                read.map_err(|_| "invalid compressed data".to_owned())?;
            }
            method => return Err(format!("unsupported compression method {method}")),
        }
        let mut crc = Crc::new();
        crc.update(&content);
        if crc.sum() == self.crc {
            Ok(content)
        } else {
            Err("bad CRC".to_owned())
        }
    }

    fn header(&self, local: bool, offset: u32) -> Vec<u8> {
        let date = (self.time.year().clamp(1980, 2107) - 1980) as u32;
        let stamp = (date << 25)
            | (self.time.month() << 21)
            | (self.time.day() << 16)
            | (self.time.hour() << 11)
            | (self.time.minute() << 5)
            | (self.time.second() / 2);
        let mut bytes = if local {
            LOCAL.to_vec()
        } else {
            CENTRAL.to_vec()
        };
        let short = |bytes: &mut Vec<u8>, value: u16| bytes.extend(value.to_le_bytes());
        let long = |bytes: &mut Vec<u8>, value: u32| bytes.extend(value.to_le_bytes());
        if !local {
            short(&mut bytes, MADE_BY);
        }
        short(&mut bytes, VERSION);
        short(&mut bytes, self.flags);
        short(&mut bytes, self.method);
        for value in [stamp, self.crc, self.packed.len() as u32, self.size] {
            long(&mut bytes, value);
        }
        short(&mut bytes, self.name.len() as u16);
        short(&mut bytes, 0); // no extra field
        if !local {
            bytes.extend([0; 6]); // no comment, first disk, binary
            long(&mut bytes, self.attributes);
            long(&mut bytes, offset);
        }
        bytes.extend(self.name.as_bytes());
        bytes
    }
}

/// An archive of these members.
pub fn write(members: &[Member]) -> Vec<u8> {
    let (mut archive, mut directory) = (Vec::new(), Vec::new());
    for member in members {
        directory.extend(member.header(false, archive.len() as u32));
        archive.extend(member.header(true, 0));
        archive.extend(&member.packed);
    }
    let start = archive.len() as u32;
    archive.extend(&directory);
    archive.extend(END);
    archive.extend([0; 4]); // one disk
    let count = (members.len() as u16).to_le_bytes();
    archive.extend(count);
    archive.extend(count);
    archive.extend((directory.len() as u32).to_le_bytes());
    archive.extend(start.to_le_bytes());
    archive.extend([0; 2]); // no comment
    archive
}

/// The members of an archive; nothing if it is none.
pub fn read(archive: &[u8]) -> Option<Vec<Member>> {
    let last = archive.len().checked_sub(END_BYTES)?;
    let first = last.saturating_sub(COMMENT_BYTES);
    let end = (first..=last)
        .rev()
        .find(|at| archive.get(*at..).is_some_and(|rest| rest.starts_with(END)))?;
    let count = short(archive, end + 10)?;
    let mut at = long(archive, end + 16)? as usize;
    let mut members = Vec::new();
    for _ in 0..count {
        if !archive.get(at..)?.starts_with(CENTRAL) {
            return None;
        }
        let name_length = usize::from(short(archive, at + 28)?);
        let rest = usize::from(short(archive, at + 30)?) + usize::from(short(archive, at + 32)?);
        let local = long(archive, at + 42)? as usize;
        if !archive.get(local..)?.starts_with(LOCAL) {
            return None;
        }
        let data = local
            + 30
            + usize::from(short(archive, local + 26)?)
            + usize::from(short(archive, local + 28)?);
        let packed = long(archive, at + 20)? as usize;
        members.push(Member {
            name: String::from_utf8_lossy(archive.get(at + 46..at + 46 + name_length)?)
                .into_owned(),
            time: time(long(archive, at + 12)?),
            size: long(archive, at + 24)?,
            method: short(archive, at + 10)?,
            flags: short(archive, at + 8)?,
            crc: long(archive, at + 16)?,
            attributes: long(archive, at + 38)?,
            packed: archive.get(data..data + packed)?.to_vec(),
        });
        at += 46 + name_length + rest;
    }
    Some(members)
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn time(stamp: u32) -> NaiveDateTime {
    let part = |shift: u32, bits: u32| (stamp >> shift) & ((1 << bits) - 1);
    NaiveDate::from_ymd_opt(part(25, 7) as i32 + 1980, part(21, 4), part(16, 5))
        .and_then(|date| date.and_hms_opt(part(11, 5), part(5, 6), part(0, 5) * 2))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_packed_comes_out_again() {
        let long = b"again and again ".repeat(50);
        let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1_700_000_000);
        let members = [
            Member::pack("d/".to_owned(), b"", time, 0o755, 6),
            Member::pack("d/a.txt".to_owned(), &long, time, 0o644, 6),
            Member::pack("b".to_owned(), b"b", time, 0o644, 6),
        ];
        let read = read(&write(&members)).expect("an archive");
        let names: Vec<&str> = read.iter().map(|member| member.name.as_str()).collect();
        assert_eq!(names, ["d/", "d/a.txt", "b"]);
        assert_eq!(read[1].content(), Ok(long));
        assert!(read[1].is_deflated() && !read[2].is_deflated());
        assert_eq!(read[1].time.to_string(), "2023-11-14 22:13:20");
    }

    #[test]
    fn what_is_no_archive_is_refused() {
        assert!(read(b"").is_none());
        assert!(read(&[0; 100]).is_none());
        let mut archive = write(&[Member::pack(
            "a".to_owned(),
            b"abc",
            SystemTime::UNIX_EPOCH,
            0,
            6,
        )]);
        archive[32] ^= 1;
        assert_eq!(
            read(&archive).expect("an archive")[0].content(),
            Err("bad CRC".to_owned())
        );
    }
}
