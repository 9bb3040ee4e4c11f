//! Many files at once, as a tar archive.
//!
//! Only files, folders and links that stay inside go in or out. Each file is
//! put in its place at once; an archive that is refused half-way leaves what
//! came before. They are brought to the disk together at the end: one by one
//! would take as long as some thousand times the disk's latency.

mod pack;
mod unpack;

/// Most entries of one archive: more than a large repository has files, and
/// little enough that the names of one folder fit into memory.
pub const ARCHIVE_ENTRIES: usize = 200_000;
