//! What scripts expect in `/dev`.

use std::path::Path;

use crate::bindings::wasi::random::random::get_random_bytes;

/// Bytes that one read of an endless device brings: more than scripts take of
/// one, little enough to hold.
const ENDLESS_BYTES: usize = 1 << 20;

/// A file that is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// Takes everything and holds nothing.
    Null,
    /// Zeros.
    Zero,
    /// Random bytes.
    Random,
}

impl Device {
    /// The device of this path, which is in normal form.
    pub fn at(path: &Path) -> Option<Self> {
        match path.to_str()? {
            "/dev/null" => Some(Self::Null),
            "/dev/zero" => Some(Self::Zero),
            "/dev/random" | "/dev/urandom" => Some(Self::Random),
            _ => None,
        }
    }

    /// What a read brings.
    pub fn read(self) -> Vec<u8> {
        match self {
            Self::Null => Vec::new(),
            Self::Zero => vec![0; ENDLESS_BYTES],
            Self::Random => get_random_bytes(ENDLESS_BYTES as u64),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn devices_are_known_by_their_paths() {
        assert_eq!(Device::at(Path::new("/dev/null")), Some(Device::Null));
        assert_eq!(Device::at(Path::new("/dev/urandom")), Some(Device::Random));
        assert_eq!(Device::at(Path::new("/dev/sda")), None);
        assert_eq!(Device::at(Path::new("null")), None);
    }
}
