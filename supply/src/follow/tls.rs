//! TLS to rule servers, by rustls with AWS-LC; certificates are those of the system.

use std::fs;
use std::sync::Arc;

use ureq::tls::{PemItem, RootCerts, TlsConfig, TlsProvider, parse_pem};

/// Where systems keep the certificates that they trust, after `SSL_CERT_FILE`.
const FILES: [&str; 3] =
    ["/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem"];

/// The settings.
pub(super) fn config() -> Result<TlsConfig, String> {
    let named = std::env::var("SSL_CERT_FILE").ok();
    let names = named.iter().map(String::as_str).chain(FILES);
    let (name, pem) = names
        .filter_map(|name| Some((name, fs::read(name).ok()?)))
        .next()
        .ok_or("no file of trusted certificates is there; SSL_CERT_FILE names one")?;
    let certificates: Vec<_> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(format!("{name}: there is no certificate in it"));
    }
    let provider = rustls::crypto::aws_lc_rs::default_provider();
    Ok(TlsConfig::builder()
        .provider(TlsProvider::Rustls)
        .unversioned_rustls_crypto_provider(Arc::new(provider))
        .root_certs(RootCerts::Specific(Arc::new(certificates)))
        .build())
}
