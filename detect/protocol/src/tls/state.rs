//! What is remembered of a session: versions, progress of both sides, flags.

use std::cell::OnceCell;

use super::certificate::Chain;
use super::fingerprint::Ja3;
use super::handshake::Assembly;
use super::hello::Hello;

/// Version numbers and their names.
pub(super) mod version {
    use std::borrow::Cow;

    /// SSLv2.
    pub(crate) const SSL_2: u16 = 0x0200;
    /// TLS 1.0.
    pub(crate) const TLS_1_0: u16 = 0x0301;
    /// TLS 1.1.
    pub(crate) const TLS_1_1: u16 = 0x0302;
    /// TLS 1.2.
    pub(crate) const TLS_1_2: u16 = 0x0303;
    /// TLS 1.3.
    pub(crate) const TLS_1_3: u16 = 0x0304;
    /// High byte of drafts of TLS 1.3.
    const DRAFT_HIGH: u16 = 0x7f;
    /// Any draft of TLS 1.3 before the 16th.
    const DRAFT_EARLY: u16 = 0x7f01;

    /// True for numbers that have a name.
    pub(crate) const fn is_known(number: u16) -> bool {
        matches!(
            number,
            SSL_2
                | 0x0300..=TLS_1_3
                | DRAFT_EARLY
                | 0x7f10..=0x7f1c
                | 0xfb14..=0xfb17
                | 0xfb1a
        )
    }

    /// The number that the version field of a hello stands for: early drafts of TLS 1.3 used
    /// the final number or their own.
    pub(crate) const fn of_hello(number: u16) -> u16 {
        match number {
            TLS_1_3 | 0x7f01..=0x7f0f => DRAFT_EARLY,
            other => other,
        }
    }

    /// True for the version field of a server's hello by a draft of TLS 1.3 before the 22nd.
    pub(crate) const fn is_early_draft(number: u16) -> bool {
        number == TLS_1_3 || number >> 8 == DRAFT_HIGH
    }

    /// The name in records.
    pub(crate) fn name(number: u16) -> Cow<'static, str> {
        let fixed = match number {
            0 => "UNDETERMINED",
            SSL_2 => "SSLv2",
            0x0300 => "SSLv3",
            TLS_1_0 => "TLSv1",
            TLS_1_1 => "TLS 1.1",
            TLS_1_2 => "TLS 1.2",
            TLS_1_3 => "TLS 1.3",
            DRAFT_EARLY => "TLS 1.3 draft-<16",
            0x7f10..=0x7f1c => return Cow::Owned(format!("TLS 1.3 draft-{}", number & 0xff)),
            0xfb14..=0xfb17 | 0xfb1a => {
                return Cow::Owned(format!("TLS 1.3 draft-{}-fb", number & 0xff));
            }
            other => return Cow::Owned(other.to_string()),
        };
        Cow::Borrowed(fixed)
    }
}

/// Progress values.
pub(super) mod progress {
    /// A hello was read (both sides).
    pub(crate) const HELLO: u8 = 1;
    /// Certificates were read (both sides).
    pub(crate) const CERTIFICATE: u8 = 2;
    /// The client's handshake is over.
    pub(crate) const CLIENT_HANDSHAKE: u8 = 3;
    /// The client is finished.
    pub(crate) const CLIENT_FINISHED: u8 = 4;
    /// The server's part of the hello phase is over.
    pub(crate) const SERVER_HELLO_DONE: u8 = 3;
    /// The server's handshake is over.
    pub(crate) const SERVER_HANDSHAKE: u8 = 4;
    /// The server is finished.
    pub(crate) const SERVER_FINISHED: u8 = 5;

    /// Names of the client's progress.
    pub(crate) const CLIENT: &[&str] = &[
        "client_in_progress",
        "client_hello_done",
        "client_cert_done",
        "client_handshake_done",
        "client_finished",
    ];

    /// Names of the server's progress.
    pub(crate) const SERVER: &[&str] = &[
        "server_in_progress",
        "server_hello",
        "server_cert_done",
        "server_hello_done",
        "server_handshake_done",
        "server_finished",
    ];
}

/// One side of a session.
#[derive(Debug, Default)]
pub(super) struct Side {
    /// Version: of the record header until a hello tells.
    pub(super) version: u16,
    /// A hello told the version.
    pub(super) version_is_final: bool,
    /// How far the side is.
    pub(super) progress: u8,
    /// It sent ChangeCipherSpec.
    pub(super) cipher_changed: bool,
    /// SSLv2: it sends encrypted messages.
    pub(super) sslv2_encrypted: bool,
    /// Bytes to come of an application data record.
    pub(super) skip: u32,
    /// Handshake messages that are not complete.
    pub(super) assembly: Assembly,
    /// The first hello.
    pub(super) hello: Option<Hello>,
    /// Hellos after it (retries), up to a limit.
    pub(super) later_hellos: Vec<Hello>,
    /// The certificates.
    pub(super) chain: Option<Box<Chain>>,
    /// JA3 or JA3S, when asked for.
    pub(super) ja3: OnceCell<Ja3>,
}

impl Side {
    /// All hellos in their order.
    pub(super) fn hellos(&self) -> impl Iterator<Item = &Hello> + Clone {
        self.hello.iter().chain(&self.later_hellos)
    }

    /// The server name: the first that was given.
    pub(super) fn server_name(&self) -> Option<&[u8]> {
        self.hellos().find_map(Hello::server_name)
    }

    /// True when names were read from a certificate.
    pub(super) fn has_certificate(&self) -> bool {
        self.chain.as_ref().is_some_and(|chain| chain.certificate().is_some())
    }

    /// Raises the progress.
    pub(super) fn reach(&mut self, progress: u8) {
        self.progress = self.progress.max(progress);
    }
}

/// What is known of the session as a whole.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Flags {
    /// One of the sides changed to encryption.
    pub(super) cipher_changed: bool,
    /// A client hello was read.
    pub(super) client_hello: bool,
    /// A server hello was read.
    pub(super) server_hello: bool,
    /// The server asks for a certificate.
    pub(super) client_certificate_wanted: bool,
    /// The client announced early data.
    pub(super) early_data: bool,
    /// The client sent an extension with versions.
    pub(super) client_versions: bool,
    /// TLS 1.3: there will be no certificate to see.
    pub(super) log_without_certificate: bool,
    /// The session may be the continuation of an earlier one.
    pub(super) resumed: bool,
    /// Application data was seen after the handshake.
    pub(super) application_data: bool,
}

#[cfg(test)]
mod tests {
    use super::version;

    #[test]
    fn versions_have_names() {
        for (number, name, known) in [
            (0, "UNDETERMINED", false),
            (0x0200, "SSLv2", true),
            (0x0300, "SSLv3", true),
            (0x0301, "TLSv1", true),
            (0x0304, "TLS 1.3", true),
            (0x0305, "773", false),
            (0x7f01, "TLS 1.3 draft-<16", true),
            (0x7f0f, "32527", false),
            (0x7f10, "TLS 1.3 draft-16", true),
            (0x7f1c, "TLS 1.3 draft-28", true),
            (0x7f1d, "32541", false),
            (0xfb17, "TLS 1.3 draft-23-fb", true),
            (0xfb18, "64280", false),
            (0xfb1a, "TLS 1.3 draft-26-fb", true),
            (12_848, "12848", false),
        ] {
            assert_eq!(version::name(number), name);
            assert_eq!(version::is_known(number), known, "{name}");
        }
    }
}
