//! TLS to receivers, by rustls: authorities, our certificate, and errors that say what to mend.

use std::fs;
use std::io::{self, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, aws_lc_rs, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, RootCertStore, SignatureScheme,
    StreamOwned,
};

use crate::network::Network;
use crate::sink::Trouble;
use crate::stream::{Stream, TlsSettings};

/// A connection with TLS.
pub type TlsStream = StreamOwned<ClientConnection, TcpStream>;

/// What connections to one receiver share: read once, at the start.
#[derive(Clone, Debug)]
pub struct Tls {
    config: Arc<ClientConfig>,
    server_name: Option<String>,
}

impl Tls {
    /// Reads authorities, certificate and key.
    ///
    /// # Errors
    /// With the name of the file that can't be used, and why.
    pub fn new(settings: &TlsSettings) -> Result<Self, String> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let builder = if settings.insecure {
            let verifier = Arc::new(AnyCertificate(provider));
            builder.dangerous().with_custom_certificate_verifier(verifier)
        } else {
            builder.with_root_certificates(authorities(settings.ca.as_deref())?)
        };
        let config = match (&settings.certificate, &settings.key) {
            (Some(certificate), Some(key)) => {
                let chain = certificates("tls.certificate", certificate)?;
                let private = PrivateKeyDer::from_pem_file(key).map_err(|error| {
                    format!("tls.key: {}: no private key: {error}", key.display())
                })?;
                builder.with_client_auth_cert(chain, private).map_err(|error| {
                    let (certificate, key) = (certificate.display(), key.display());
                    format!("tls.certificate {certificate} and tls.key {key}: {error}")
                })?
            }
            (None, None) => builder.with_no_client_auth(),
            _ => return Err("tls: certificate and key go together".to_owned()),
        };
        Ok(Self { config: Arc::new(config), server_name: settings.server_name.clone() })
    }

    /// Connects to `host:port` and shakes hands.
    ///
    /// # Errors
    /// When the receiver can't be reached, or one side does not trust the other.
    pub fn connect(
        &self,
        network: &Network,
        target: &str,
        timeout: Duration,
    ) -> Result<Stream, Trouble> {
        let tcp = network.connect(target, timeout)?;
        let host = target.rsplit_once(':').map_or(target, |(host, _)| host);
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let name = self.server_name.as_deref().unwrap_or(host).to_owned();
        let name = ServerName::try_from(name.clone())
            .map_err(|_| Trouble::lasting(format!("{target}: {name} is no name of a server")))?;
        let connection = ClientConnection::new(Arc::clone(&self.config), name)
            .map_err(|error| Trouble::lasting(format!("{target}: {error}")))?;
        let limits = tcp.set_read_timeout(Some(timeout)).and(tcp.set_write_timeout(Some(timeout)));
        limits.map_err(|error| Trouble::passing(format!("{target}: {error}")))?;
        let mut stream = StreamOwned::new(connection, tcp);
        while stream.conn.is_handshaking() {
            let StreamOwned { conn, sock } = &mut stream;
            conn.complete_io(sock).map_err(|error| explain(target, &error))?;
        }
        stream.flush().map_err(|error| explain(target, &error))?;
        Ok(Stream::Tls(Box::new(stream)))
    }
}

/// What went wrong with TLS, for people.
pub fn explain(target: &str, error: &io::Error) -> Trouble {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match tls {
        Some(rustls::Error::InvalidCertificate(why)) => Trouble::lasting(format!(
            "{target}: the receiver's certificate is not trusted: {why:?} (tls.ca, tls.server-name)"
        )),
        Some(rustls::Error::AlertReceived(alert)) => Trouble::lasting(format!(
            "{target}: the receiver refuses our side of TLS: {alert:?} (tls.certificate, tls.key)"
        )),
        Some(other) => Trouble::lasting(format!("{target}: TLS: {other}")),
        None => Trouble::passing(format!("{target}: {error}")),
    }
}

fn authorities(file: Option<&Path>) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    let given = match file {
        Some(file) => certificates("tls.ca", file)?,
        None => system_authorities()?,
    };
    let (added, _) = store.add_parsable_certificates(given);
    if added == 0 {
        return Err("tls: no certificate of an authority can be used (tls.ca)".to_owned());
    }
    Ok(store)
}

/// Where distributions keep the certificates of authorities.
fn system_authorities() -> Result<Vec<CertificateDer<'static>>, String> {
    const PLACES: [&str; 4] = [
        "/etc/ssl/certs/ca-certificates.crt",
        "/etc/pki/tls/certs/ca-bundle.crt",
        "/etc/ssl/ca-bundle.pem",
        "/etc/ssl/cert.pem",
    ];
    let place = PLACES.iter().map(Path::new).find(|place| place.exists()).ok_or(
        "tls: this system has no list of authorities (package ca-certificates); give tls.ca",
    )?;
    certificates("tls", place)
}

/// Those in the file that a setting names.
fn certificates(setting: &str, file: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let wrong = |why: &dyn std::fmt::Display| format!("{setting}: {}: {why}", file.display());
    let text = fs::read(file).map_err(|error| wrong(&error))?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&text).collect();
    let found = found.map_err(|error| wrong(&error))?;
    if found.is_empty() {
        return Err(wrong(&"there is no certificate in it (PEM is wanted)"));
    }
    Ok(found)
}

/// Takes any certificate, but still wants proof of its key.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
