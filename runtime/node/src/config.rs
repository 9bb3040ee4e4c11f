//! What a node needs to know.

use std::path::PathBuf;

use mote_api::Limits;
use mote_host::HostConfig;
use rand::RngExt;

use crate::addresses::AddressSource;
use crate::images::ImagesConfig;

/// What a node needs to know.
#[derive(Clone, Debug)]
pub struct NodeConfig {
    /// Where sandboxes are kept: a folder of this node alone.
    pub state: PathBuf,
    /// The engine, and the programs in sandboxes.
    pub host: HostConfig,
    /// Ceilings of a sandbox's calls where its creator names none, and those
    /// that no creator can go over.
    pub limits: SandboxLimits,
    /// Folders of the host below which folders may be granted; none, unless
    /// named: whoever may create sandboxes may then read and write there.
    pub folders: Vec<PathBuf>,
    /// Sandboxes that may be there at once.
    pub sandboxes: usize,
    /// Addresses to give to sandboxes; none unless named.
    pub addresses: AddressSource,
    /// What callers have to show.
    pub token: Option<Token>,
    /// From where images are pulled; none are, unless this is there.
    pub images: Option<ImagesConfig>,
}

/// Ceilings of a sandbox's calls.
#[derive(Clone, Debug)]
pub struct SandboxLimits {
    /// Where its creator names none.
    pub usual: Limits,
    /// Those that no creator can go over.
    pub most: Limits,
}

/// Shortest token in bytes: 128 random bits in hexadecimal digits.
const MIN_TOKEN_BYTES: usize = 32;

/// Random bytes of a token that is made here.
const MADE_BYTES: usize = 32;

/// What callers have to show, kept out of logs.
#[derive(Clone)]
pub struct Token(String);

/// A token is not one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a token is at least {MIN_TOKEN_BYTES} visible ASCII characters; make one with `openssl rand -hex 32`"
)]
pub struct TokenError;

impl Token {
    /// Takes a token, without the white space around it.
    ///
    /// # Errors
    /// It is too short to be secret, or cannot be sent in a header.
    pub fn parse(text: &str) -> Result<Self, TokenError> {
        let text = text.trim();
        let visible = text.bytes().all(|byte| byte.is_ascii_graphic());
        (visible && text.len() >= MIN_TOKEN_BYTES)
            .then(|| Self(text.to_owned()))
            .ok_or(TokenError)
    }

    /// A new token, as text: nobody can guess it.
    pub fn make() -> String {
        let random: [u8; MADE_BYTES] = rand::rng().random();
        random.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// Whether it is what a caller shows, in a time that tells nothing about
    /// where they differ.
    pub(crate) fn is(&self, shown: &[u8]) -> bool {
        use subtle::ConstantTimeEq;
        self.0.as_bytes().ct_eq(shown).into()
    }
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_long_and_visible() {
        let token = Token::parse(&format!(" {}\n", "a1".repeat(16))).unwrap();
        assert!(token.is("a1".repeat(16).as_bytes()));
        assert!(!token.is(b"") && !token.is("a1".repeat(15).as_bytes()));
        assert_eq!(format!("{token:?}"), "Token(…)");
        for bad in ["", "short", &"ä".repeat(32), &"a b ".repeat(16)] {
            assert!(Token::parse(bad).is_err(), "{bad}");
        }
    }
}
