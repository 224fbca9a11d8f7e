//! The Certificate message (RFC 5246, 7.4.2): a chain, of which the first certificate is read.

use std::cell::OnceCell;

use sha1::{Digest, Sha1};
use smallvec::SmallVec;

use super::der::Fault;
use super::events::Event;
use super::hello::{Fields, Span};
use super::x509::{self, Certificate};

/// How many certificates of a chain are kept.
const MAX_CERTIFICATES: usize = 256;

/// Certificates of one side.
#[derive(Debug)]
pub(super) struct Chain {
    bytes: Box<[u8]>,
    spans: SmallVec<[Span; 4]>,
    certificate: Option<Box<Certificate>>,
    fingerprint: OnceCell<String>,
}

impl Chain {
    /// Certificates as they came.
    pub(super) fn certificates(&self) -> impl Iterator<Item = &[u8]> {
        self.spans.iter().map(|span| span.of(&self.bytes))
    }

    /// One of them.
    pub(super) fn nth(&self, index: usize) -> Option<&[u8]> {
        self.spans.get(index).map(|span| span.of(&self.bytes))
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.spans.len()
    }

    /// Fields of the first one, if it could be read.
    pub(super) fn certificate(&self) -> Option<&Certificate> {
        self.certificate.as_deref()
    }

    /// SHA-1 of the first one, as hexadecimal pairs with colons.
    pub(super) fn fingerprint(&self) -> Option<&str> {
        self.certificate.as_ref()?;
        let first = self.nth(0)?;
        Some(self.fingerprint.get_or_init(|| {
            let mut text = String::with_capacity(59);
            for (at, byte) in Sha1::digest(first).into_iter().enumerate() {
                if at > 0 {
                    text.push(':');
                }
                text.extend(super::fingerprint::digits(byte));
            }
            text
        }))
    }
}

/// Reads the message; none when it is shorter than its list. Certificates that can't be read
/// are left out until there is one that can; what comes after it is taken as it is. The events
/// tell what was wrong.
pub(super) fn read(body: &[u8]) -> Option<(Chain, SmallVec<[Event; 2]>)> {
    let mut fields = Fields::new(body, 0);
    let length = u24(&mut fields)?;
    let list = fields.take(length)?;
    let mut chain = Chain {
        bytes: list.into(),
        spans: SmallVec::new(),
        certificate: None,
        fingerprint: OnceCell::new(),
    };
    let mut events = SmallVec::new();
    let mut rest = Fields::new(list, 0);
    for _ in 0..MAX_CERTIFICATES {
        if rest.is_empty() {
            break;
        }
        let Some(span) = u24(&mut rest).and_then(|length| rest.span(length)) else {
            events.push(Event::InvalidCertificate);
            break;
        };
        if chain.certificate.is_none() {
            match x509::read(span.of(list)) {
                Ok(certificate) => {
                    if certificate.alt_names.too_many {
                        events.push(Event::TooManySubjectAlternativeNames);
                    }
                    chain.certificate = Some(Box::new(certificate));
                }
                Err(fault) => {
                    events.push(event_of(fault));
                    continue;
                }
            }
        }
        chain.spans.push(span);
    }
    Some((chain, events))
}

fn u24(fields: &mut Fields<'_>) -> Option<usize> {
    let high = usize::from(fields.u8()?);
    Some(high << 16 | usize::from(fields.u16()?))
}

const fn event_of(fault: Fault) -> Event {
    match fault {
        Fault::Incomplete => Event::CertificateInvalidLength,
        Fault::Der => Event::CertificateInvalidDer,
        Fault::Structure => Event::InvalidCertificate,
        Fault::Version => Event::CertificateInvalidVersion,
        Fault::Serial => Event::CertificateInvalidSerial,
        Fault::Algorithm => Event::CertificateInvalidAlgorithmidentifier,
        Fault::Date => Event::CertificateInvalidDate,
        Fault::Extensions => Event::CertificateInvalidExtensions,
    }
}
