//! Many files at once, as a tar archive.
//!
//! Only files, folders and links that stay inside go in or out. Each file is
//! put in its place at once; an archive that is refused half-way leaves what
//! came before. They are not forced to the disk, as a single file is: one by
//! one that takes thousands of times the disk's latency, and all at once it
//! waits for what every neighbour wrote. So they outlive the host's end like
//! what any program writes, and the machine's as far as its system got.

mod extension;
mod pack;
mod unpack;

pub use extension::EntryExtension;

/// Most entries of one archive: more than a large repository has files, and
/// little enough that the names of one folder fit into memory.
pub const ARCHIVE_ENTRIES: usize = 200_000;
