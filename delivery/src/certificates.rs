//! Certificates and servers for tests of TLS.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, ExtendedKeyUsagePurpose, IsCa, KeyPair,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use serde_json::{Value, json};

/// An authority, a server's and a client's certificate, as PEM files in `folder`.
pub(crate) fn write(folder: &Path, name: &str) {
    let key = KeyPair::generate().expect("a test certificate");
    let mut params = CertificateParams::new(Vec::new()).expect("a test certificate");
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, key).expect("a test certificate");
    let file = |end: &str| folder.join(format!("{name}-{end}.pem"));
    fs::write(file("ca"), authority.pem()).expect("a test certificate");
    for (who, purpose) in [
        ("server", ExtendedKeyUsagePurpose::ServerAuth),
        ("client", ExtendedKeyUsagePurpose::ClientAuth),
    ] {
        let key = KeyPair::generate().expect("a test certificate");
        let mut params =
            CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a test certificate");
        params.extended_key_usages = vec![purpose];
        let certificate = params.signed_by(&key, &authority).expect("a test certificate");
        fs::write(file(who), certificate.pem()).expect("a test certificate");
        fs::write(file(&format!("{who}-key")), key.serialize_pem()).expect("a test certificate");
    }
}

/// A server that only speaks with clients that the authority `name` knows.
pub(crate) fn server(folder: &Path, name: &str) -> Arc<ServerConfig> {
    let file = |end: &str| folder.join(format!("{name}-{end}.pem"));
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut roots = RootCertStore::empty();
    roots
        .add(CertificateDer::from_pem_file(file("ca")).expect("a test certificate"))
        .expect("a test authority");
    let verifier =
        WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .build()
            .expect("a test certificate");
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("a test certificate")
        .with_client_cert_verifier(verifier)
        .with_single_cert(
            vec![CertificateDer::from_pem_file(file("server")).expect("a test certificate")],
            PrivateKeyDer::from_pem_file(file("server-key")).expect("a test certificate"),
        )
        .expect("a test certificate");
    Arc::new(config)
}

/// Settings of a client that trusts `ca`, with a certificate of `name`.
pub(crate) fn client(folder: &Path, ca: &str, name: Option<&str>) -> Value {
    let file = |name: &str, end: &str| folder.join(format!("{name}-{end}.pem"));
    let mut tls = json!({"ca": file(ca, "ca")});
    if let Some(name) = name {
        tls["certificate"] = json!(file(name, "client"));
        tls["key"] = json!(file(name, "client-key"));
    }
    tls
}
