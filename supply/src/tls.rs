//! TLS to servers of rules, by rustls with AWS-LC and the authorities that the system trusts.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use ureq::tls::{PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

/// Where distributions keep the certificates of authorities.
const PLACES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// The settings. `SSL_CERT_FILE` names another file, as for OpenSSL and curl.
///
/// # Errors
/// When there is no such file, or no certificate in it.
pub(crate) fn config() -> Result<TlsConfig, String> {
    let named = std::env::var("SSL_CERT_FILE").ok().filter(|file| !file.is_empty());
    let found = PLACES.into_iter().find(|place| Path::new(place).exists());
    let place = named.or(found.map(str::to_owned)).ok_or(
        "this system has no list of authorities (package ca-certificates); SSL_CERT_FILE names one",
    )?;
    of_file(&place)
}

fn of_file(place: &str) -> Result<TlsConfig, String> {
    let text = fs::read(place).map_err(|error| format!("{place}: {error}"))?;
    let roots: Vec<_> = parse_pem(&text)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if roots.is_empty() {
        return Err(format!("{place}: there is no certificate of an authority in it"));
    }
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .root_certs(RootCerts::from(roots))
        .unversioned_rustls_crypto_provider(Arc::new(aws_lc_rs::default_provider()))
        .build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_without_authorities_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("list.pem");
        let place = path.display().to_string();
        let said = of_file(&place).map(drop).unwrap_err();
        assert!(said.starts_with(&place), "{said}");
        fs::write(&path, "none\n").unwrap();
        let said = of_file(&place).map(drop).unwrap_err();
        assert!(said.contains("no certificate"), "{said}");
    }
}
