//! Who may ask: everybody, whoever brings a token, or whom Kubernetes lets.

use std::io::Read;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::Context;
use http::{HeaderMap, header};
use subtle::ConstantTimeEq;
use tokio::time::{MissedTickBehavior, interval};

use crate::crowd::Crowd;
use crate::refusal::Refusal;
use crate::review::{Known, Reviews};
use crate::target::Target;

/// How often the file is read again: a Secret that changes reaches a pod's file
/// within a minute or so, and this is to add little.
const RELOAD: Duration = Duration::from_secs(10);
/// The longest file of tokens, in bytes: a thousand of them.
const MAX_FILE_BYTES: u64 = 64 * 1024;
/// The shortest token, in bytes: less than 96 bits can be guessed.
const MIN_TOKEN_BYTES: usize = 16;

/// Decides who may ask. Copies share what they hold.
#[derive(Clone)]
pub enum Gate {
    /// Everybody. Then who reaches the router reaches every sandbox.
    Open,
    /// Whoever brings one of the tokens.
    Tokens(Arc<RwLock<Tokens>>),
    /// Whoever has the right, by Kubernetes' own rules.
    Reviews(Arc<Reviews>),
}

/// Someone whom the gate has let through.
#[derive(Clone, Debug)]
pub enum Guest {
    /// They may reach every sandbox.
    Any,
    /// They may reach what their rights say.
    Known(Known),
}

/// Tokens, one a line, so that an old and a new one are good for a while.
#[derive(Clone, Default, Eq, PartialEq)]
pub struct Tokens(Vec<Box<[u8]>>);

impl std::fmt::Debug for Gate {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str(match self {
            Self::Open => "Open",
            Self::Tokens(_) => "Tokens",
            Self::Reviews(_) => "Reviews",
        })
    }
}

impl Gate {
    /// Lets through whoever brings a token out of this file, which is read again
    /// from time to time, for as long as the process runs.
    ///
    /// # Errors
    /// The file is not there, or has no token.
    pub fn of_file(file: PathBuf) -> anyhow::Result<Self> {
        let tokens = Arc::new(RwLock::new(read(&file)?));
        tokio::spawn(reload(file, Arc::clone(&tokens)));
        Ok(Self::Tokens(tokens))
    }

    /// Who asks with these headers, from this address; counted in the crowd for
    /// as long as nobody has said.
    ///
    /// # Errors
    /// Nobody who may.
    pub async fn admit(
        &self,
        headers: &HeaderMap,
        peer: IpAddr,
        crowd: &Crowd,
    ) -> Result<Guest, Refusal> {
        match self {
            Self::Open => Ok(Guest::Any),
            Self::Tokens(tokens) => {
                let tokens = tokens.read().unwrap_or_else(PoisonError::into_inner);
                let known = tokens.has(given(headers)?);
                known
                    .then_some(Guest::Any)
                    .ok_or(Refusal::Unauthenticated("Invalid token."))
            }
            Self::Reviews(reviews) => {
                let known = reviews.identify(given(headers)?, peer, crowd).await;
                known.map(Guest::Known)
            }
        }
    }

    /// Whether they may reach the sandbox of this target; the target that is
    /// left. A right names a sandbox, so that nothing but its name may find it.
    ///
    /// # Errors
    /// They may not.
    pub async fn permit(&self, guest: &Guest, target: Target) -> Result<Target, Refusal> {
        let (Self::Reviews(reviews), Guest::Known(known)) = (self, guest) else {
            return Ok(target);
        };
        reviews.permit(known, &target).await?;
        Ok(Target {
            uid: None,
            address: None,
            ..target
        })
    }
}

impl Tokens {
    /// Each is compared, whole: the time tells nothing.
    fn has(&self, given: &[u8]) -> bool {
        let tokens = self.0.iter();
        tokens.fold(false, |known, token| known | bool::from(token.ct_eq(given)))
    }
}

fn given(headers: &HeaderMap) -> Result<&[u8], Refusal> {
    let value = headers.get(header::AUTHORIZATION);
    value
        .and_then(|value| bearer(value.as_bytes()))
        .ok_or(Refusal::Unauthenticated(
            "Missing or invalid Authorization header.",
        ))
}

fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = value.split_at_checked(7)?;
    let token = token.trim_ascii();
    (scheme.eq_ignore_ascii_case(b"bearer ") && !token.is_empty()).then_some(token)
}

fn read(file: &Path) -> anyhow::Result<Tokens> {
    let path = file.display();
    let opened = std::fs::File::open(file).with_context(|| format!("tokens in {path}"))?;
    let mut bytes = Vec::new();
    opened
        .take(MAX_FILE_BYTES + 1)
        .read_to_end(&mut bytes)
        .with_context(|| format!("tokens in {path}"))?;
    parse(&bytes).with_context(|| format!("tokens in {path}"))
}

fn parse(bytes: &[u8]) -> anyhow::Result<Tokens> {
    anyhow::ensure!(
        bytes.len() as u64 <= MAX_FILE_BYTES,
        "the file is longer than {MAX_FILE_BYTES} bytes"
    );
    let lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let tokens: Vec<Box<[u8]>> = lines.filter(|it| !it.is_empty()).map(Into::into).collect();
    anyhow::ensure!(!tokens.is_empty(), "there is none: write one a line");
    anyhow::ensure!(
        tokens.iter().all(|token| token.len() >= MIN_TOKEN_BYTES),
        "one is shorter than {MIN_TOKEN_BYTES} bytes and could be guessed"
    );
    Ok(Tokens(tokens))
}

async fn reload(file: PathBuf, tokens: Arc<RwLock<Tokens>>) {
    let mut ticks = interval(RELOAD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        match read(&file) {
            Ok(now) => {
                let mut tokens = tokens.write().unwrap_or_else(PoisonError::into_inner);
                if *tokens != now {
                    tracing::info!(count = now.0.len(), "the tokens have changed");
                    *tokens = now;
                }
            }
            // The old ones stay: to lock out everybody is no better.
            Err(error) => tracing::warn!("{error:#}; those of before stay good"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::crowd::Most;

    const TOKEN: &str = "0123456789abcdef";

    async fn admit(gate: &Gate, authorization: Option<&str>) -> Result<(), String> {
        let mut headers = HeaderMap::new();
        if let Some(value) = authorization {
            headers.insert("authorization", value.parse().unwrap());
        }
        let crowd = Crowd::new(Most { all: 1, one: 1 });
        let peer = IpAddr::from([10, 0, 0, 1]);
        let admitted = gate.admit(&headers, peer, &crowd).await.map(drop);
        admitted.map_err(|refusal| refusal.to_string())
    }

    #[tokio::test]
    async fn an_open_gate_lets_everybody_through() {
        assert_eq!(admit(&Gate::Open, None).await, Ok(()));
    }

    #[tokio::test]
    async fn a_token_is_needed_where_there_are_tokens() {
        let tokens = parse(format!("\n{TOKEN}\nanother-one-of-them\n").as_bytes()).unwrap();
        let gate = Gate::Tokens(Arc::new(RwLock::new(tokens)));
        for good in [
            "Bearer 0123456789abcdef",
            "bearer  0123456789abcdef",
            "Bearer another-one-of-them",
        ] {
            assert_eq!(admit(&gate, Some(good)).await, Ok(()), "{good}");
        }
        let missing = Err("Missing or invalid Authorization header.".to_owned());
        for none in [
            None,
            Some("Bearer"),
            Some("Bearer "),
            Some("Basic 0123456789abcdef"),
        ] {
            assert_eq!(admit(&gate, none).await, missing, "{none:?}");
        }
        let invalid = Err("Invalid token.".to_owned());
        for bad in [
            "Bearer 0123456789abcde",
            "Bearer 0123456789abcdef0",
            "Bearer x y",
        ] {
            assert_eq!(admit(&gate, Some(bad)).await, invalid, "{bad}");
        }
    }

    #[test]
    fn a_file_without_a_good_token_is_refused() {
        for bad in ["", "\n\n", "short", "0123456789abcdef\nshort"] {
            assert!(parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
        assert!(parse(&vec![b'a'; MAX_FILE_BYTES as usize + 1]).is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_file_that_changes_is_read_again_and_one_that_goes_is_not_missed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), TOKEN).unwrap();
        let gate = Gate::of_file(file.path().to_owned()).unwrap();
        std::fs::write(file.path(), "the-token-of-tomorrow").unwrap();
        tokio::time::advance(RELOAD * 2).await;
        tokio::task::yield_now().await;
        assert_eq!(
            admit(&gate, Some("Bearer the-token-of-tomorrow")).await,
            Ok(())
        );
        assert!(
            admit(&gate, Some(&format!("Bearer {TOKEN}")))
                .await
                .is_err()
        );
        drop(file);
        tokio::time::advance(RELOAD * 2).await;
        tokio::task::yield_now().await;
        assert_eq!(
            admit(&gate, Some("Bearer the-token-of-tomorrow")).await,
            Ok(())
        );
    }
}
