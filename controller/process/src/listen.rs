//! Addresses to listen on.

use std::fmt;
use std::io;

use tokio::net::TcpListener;

/// An address to listen on, as Go's flags name it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Listen {
    /// `0`: not at all.
    Off,
    /// `:8080`: every address of the machine.
    Everywhere(u16),
    /// `127.0.0.1:8080`, `localhost:8080`, `[::1]:8080`.
    At(String),
}

impl Listen {
    /// Reads an address.
    pub fn parse(text: &str) -> Option<Self> {
        if text == "0" {
            return Some(Self::Off);
        }
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok()?;
        let bracketed = host.starts_with('[') && host.ends_with(']');
        match host {
            "" => Some(Self::Everywhere(port)),
            _ if host.contains(':') && !bracketed => None,
            _ => Some(Self::At(text.to_owned())),
        }
    }

    /// Opens the port, unless it is off.
    ///
    /// # Errors
    /// The port is taken or the address is not this machine's.
    pub async fn open(&self) -> io::Result<Option<TcpListener>> {
        match self {
            Self::Off => Ok(None),
            Self::At(address) => TcpListener::bind(address).await.map(Some),
            // The IPv6 address takes IPv4 too, where the machine has IPv6.
            Self::Everywhere(port) => match TcpListener::bind(("::", *port)).await {
                Ok(listener) => Ok(Some(listener)),
                Err(_) => TcpListener::bind(("0.0.0.0", *port)).await.map(Some),
            },
        }
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("0"),
            Self::Everywhere(port) => write!(f, ":{port}"),
            Self::At(address) => f.write_str(address),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_go() {
        for text in ["0", ":8080", "127.0.0.1:0", "localhost:1", "[::1]:8080"] {
            assert_eq!(Listen::parse(text).unwrap().to_string(), text);
        }
        for text in ["", "8080", ":", ":x", ":65536", "::1", "::1:80x"] {
            assert_eq!(Listen::parse(text), None, "{text}");
        }
    }

    #[tokio::test]
    async fn an_address_that_is_off_opens_nothing() {
        assert!(Listen::Off.open().await.unwrap().is_none());
        let everywhere = Listen::Everywhere(0).open().await.unwrap().unwrap();
        assert!(everywhere.local_addr().unwrap().ip().is_unspecified());
    }
}
