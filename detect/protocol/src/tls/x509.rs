//! Reads what is shown of an X.509 certificate (RFC 5280): names, serial, validity, other names.

use std::fmt::Write as _;

use super::der::{CONTEXT, Fault, Reader, tag};
use super::san::{self, AltNames};
use super::{name, time};

/// Content of the object identifier of subjectAltName, 2.5.29.17.
const SUBJECT_ALT_NAME: &[u8] = b"\x55\x1d\x11";

/// Fields of a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Certificate {
    /// The subject's name on one line.
    pub(super) subject: String,
    /// The issuer's name on one line.
    pub(super) issuer: String,
    /// Serial number: hexadecimal pairs with colons, upper case, leading zeros kept.
    pub(super) serial: String,
    /// First second of validity, since 1970.
    pub(super) not_before: i64,
    /// Last second of validity.
    pub(super) not_after: i64,
    /// Other names of the subject.
    pub(super) alt_names: AltNames,
}

/// Reads a certificate; what follows it in `der` is not looked at.
pub(super) fn read(der: &[u8]) -> Result<Certificate, Fault> {
    let mut outer = Reader::new(der).enter(tag::SEQUENCE)?;
    let certificate = to_be_signed(outer.enter(tag::SEQUENCE)?)?;
    algorithm(&mut outer)?;
    outer.bit_string().map_err(|_| Fault::Structure)?;
    Ok(certificate)
}

fn to_be_signed(mut fields: Reader<'_>) -> Result<Certificate, Fault> {
    version(&mut fields)?;
    let serial = fields.expect(tag::INTEGER).map_err(|_| Fault::Serial)?;
    algorithm(&mut fields)?;
    let issuer = name::read(&mut fields)?;
    let mut validity = fields.enter(tag::SEQUENCE)?;
    let not_before = date(&mut validity)?;
    let not_after = date(&mut validity)?;
    let subject = name::read(&mut fields)?;
    public_key(&mut fields)?;
    unique_id(&mut fields, 1)?;
    unique_id(&mut fields, 2)?;
    let alt_names = extensions(fields)?;
    Ok(Certificate { subject, issuer, serial: hex_pairs(serial), not_before, not_after, alt_names })
}

fn version(fields: &mut Reader<'_>) -> Result<(), Fault> {
    if fields.peek()? != (CONTEXT, 0) {
        return Ok(());
    }
    let content = fields.element()?.content;
    let number = Reader::new(content).expect(tag::INTEGER).map_err(|_| Fault::Version)?;
    // The number is only required to be an unsigned one of 32 bits.
    let negative = number.first().is_none_or(|first| first & 0x80 != 0);
    let significant = number.len() - number.iter().take_while(|byte| **byte == 0).count();
    if negative || significant > 4 { Err(Fault::Version) } else { Ok(()) }
}

fn algorithm(fields: &mut Reader<'_>) -> Result<(), Fault> {
    let mut parts = Reader::new(fields.expect(tag::SEQUENCE)?);
    parts.object_id().map_err(|fault| match fault {
        Fault::Incomplete => Fault::Incomplete,
        _ => Fault::Algorithm,
    })?;
    if !parts.is_empty() {
        parts.element()?;
    }
    Ok(())
}

fn date(validity: &mut Reader<'_>) -> Result<i64, Fault> {
    let element = validity.element().map_err(|_| Fault::Date)?;
    time::parse(element.tag, element.content).ok_or(Fault::Date)
}

fn public_key(fields: &mut Reader<'_>) -> Result<(), Fault> {
    let mut parts = fields.enter(tag::SEQUENCE)?;
    algorithm(&mut parts)?;
    parts.bit_string().map_err(|_| Fault::Structure)
}

fn unique_id(fields: &mut Reader<'_>, number: u32) -> Result<(), Fault> {
    if fields.is_empty() || fields.peek().map_err(|_| Fault::Structure)? != (CONTEXT, number) {
        return Ok(());
    }
    fields.element().map(|_| ()).map_err(|_| Fault::Structure)
}

/// Goes through all extensions for the one with other names of the subject.
fn extensions(mut fields: Reader<'_>) -> Result<AltNames, Fault> {
    if fields.is_empty() {
        return Ok(AltNames::default());
    }
    if fields.peek().map_err(|_| Fault::Extensions)?.1 != 3 {
        return Err(Fault::Extensions);
    }
    fields.skip_header()?;
    let mut list = fields.enter(tag::SEQUENCE)?;
    if !fields.is_empty() {
        return Err(Fault::Structure);
    }
    let mut found = None;
    let mut repeated = false;
    while !list.is_empty() {
        let (id, value) = extension(&mut list).map_err(|_| Fault::Structure)?;
        if id == SUBJECT_ALT_NAME {
            repeated |= found.is_some();
            found = Some(value);
        }
    }
    // An extension that comes twice is no extension (RFC 5280, 4.2).
    let value = found.filter(|_| !repeated);
    Ok(value.and_then(san::read).unwrap_or_default())
}

fn extension<'a>(list: &mut Reader<'a>) -> Result<(&'a [u8], &'a [u8]), Fault> {
    let mut parts = list.enter(tag::SEQUENCE)?;
    let id = parts.object_id()?;
    if parts.peek()? == (0, tag::BOOLEAN) {
        parts.element()?;
    }
    Ok((id, parts.expect(tag::OCTET_STRING)?))
}

fn hex_pairs(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 3);
    for (at, byte) in bytes.iter().enumerate() {
        // Writing to a string can't fail.
        let _ = if at == 0 { write!(text, "{byte:02X}") } else { write!(text, ":{byte:02X}") };
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Fault, read};

    const CERTIFICATE: &[u8] = include_bytes!("testdata/host.der");

    #[test]
    fn fields_of_a_certificate() {
        let got = read(CERTIFICATE).unwrap();
        assert_eq!(got.subject, "C=DE, ST=Bavaria, O=Ex, Inc, CN=host.example");
        assert_eq!(got.issuer, got.subject);
        assert_eq!(got.serial, "00:80:FF:01");
        assert_eq!(got.not_after - got.not_before, 3650 * 86_400);
        assert_eq!(
            got.alt_names.list,
            [
                "a.example",
                "*.b.example",
                "[1, 2, 3, 4]",
                "[32, 1, 13, 184, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]",
                "RFC822Name(e@f.g)",
                "http://u/",
                "RegisteredID(1.2.3.4)",
                "DirectoryName(C=US, CN=dir)",
                "OtherName(1.2.3.4, [...])",
            ]
        );
    }

    /// Puts `byte` at `at` of the certificate.
    fn check(at: usize, byte: u8, want: Fault) {
        let mut bytes = CERTIFICATE.to_vec();
        bytes[at] = byte;
        assert_eq!(read(&bytes), Err(want), "byte {at}");
    }

    #[test]
    fn each_fault_has_its_place() {
        check(0, 0x31, Fault::Der);
        check(1, 0x80, Fault::Der);
        check(2, 0x7f, Fault::Structure);
        check(10, 0x03, Fault::Version);
        check(13, 0x04, Fault::Serial);
        check(21, 0x26, Fault::Algorithm);
        check(110, b'x', Fault::Date);
        assert_eq!(read(&CERTIFICATE[..3]), Err(Fault::Incomplete));
        assert_eq!(read(&CERTIFICATE[..300]), Err(Fault::Structure));
    }

    proptest::proptest! {
        #[test]
        fn mutations_never_panic(
            changes in proptest::collection::vec(
                (0..CERTIFICATE.len(), proptest::num::u8::ANY),
                0..6,
            ),
            length in 0..=CERTIFICATE.len(),
        ) {
            let mut bytes = CERTIFICATE.to_vec();
            for (at, byte) in changes {
                bytes[at] = byte;
            }
            let _ = read(&bytes[..length]);
        }
    }
}
