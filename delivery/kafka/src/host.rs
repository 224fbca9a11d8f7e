//! What a producer asks of the program around it: sockets, and tokens to authenticate with.

use std::io;
use std::os::fd::OwnedFd;
use std::time::SystemTime;

/// Called in threads of librdkafka.
pub trait Host: Send + Sync {
    /// A TCP socket that is not connected yet.
    ///
    /// # Errors
    /// What keeps it from being made; librdkafka tells of it, and tries again later.
    fn socket(&self, family: Family) -> io::Result<OwnedFd>;

    /// A token for SASL/OAUTHBEARER, asked for when one is needed and again before it ends.
    ///
    /// # Errors
    /// Why there is none; it is asked for again some seconds later.
    fn token(&self) -> Result<Token, String> {
        Err("no token is configured".into())
    }
}

/// Family of a socket's addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// IPv4
    V4,
    /// IPv6
    V6,
}

/// A token of OAuth 2 (RFC 6750, RFC 7628).
#[derive(Clone, PartialEq, Eq)]
pub struct Token {
    /// As it is sent.
    pub value: String,
    /// Whose it is; for logs of the broker.
    pub principal: String,
    /// When it ends.
    pub expires: SystemTime,
}
