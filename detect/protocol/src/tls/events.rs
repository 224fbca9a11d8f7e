//! Protocol events of TLS.

macro_rules! events {
    ($($variant:ident $rule:literal $record:literal),+ $(,)?) => {
        /// Something that is wrong with a session.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(super) enum Event {
            $($variant),+
        }

        /// Names in rules (`app-layer-event:tls.<name>`), by number.
        pub const EVENTS: &[&str] = &[$($rule),+];

        /// The event of a number, with its name in anomaly records.
        const RECORDS: &[(Event, &str)] = &[$((Event::$variant, $record)),+];
    };
}

/// Name in anomaly records, by number.
pub(super) fn record_name(number: u8) -> &'static str {
    let found = RECORDS.iter().find(|(event, _)| *event as u8 == number);
    found.map_or("UNKNOWN", |(_, name)| name)
}

events! {
    InvalidSslv2Header "invalid_sslv2_header" "INVALID_SSLV2_HEADER",
    InvalidTlsHeader "invalid_tls_header" "INVALID_TLS_HEADER",
    InvalidRecordVersion "invalid_record_version" "INVALID_RECORD_VERSION",
    InvalidRecordType "invalid_record_type" "INVALID_RECORD_TYPE",
    InvalidRecordLength "invalid_record_length" "INVALID_RECORD_LENGTH",
    InvalidHandshakeMessage "invalid_handshake_message" "INVALID_HANDSHAKE_MESSAGE",
    HeartbeatMessage "heartbeat_message" "HEARTBEAT_MESSAGE",
    InvalidHeartbeatMessage "invalid_heartbeat_message" "INVALID_HEARTBEAT_MESSAGE",
    OverflowHeartbeatMessage "overflow_heartbeat_message" "OVERFLOW_HEARTBEAT_MESSAGE",
    DataleakHeartbeatMismatch "dataleak_heartbeat_mismatch" "DATALEAK_HEARTBEAT_MISMATCH",
    HandshakeInvalidLength "handshake_invalid_length" "HANDSHAKE_INVALID_LENGTH",
    MultipleSniExtensions "multiple_sni_extensions" "MULTIPLE_SNI_EXTENSIONS",
    InvalidSniType "invalid_sni_type" "INVALID_SNI_TYPE",
    InvalidSniLength "invalid_sni_length" "INVALID_SNI_LENGTH",
    TooManyRecordsInPacket "too_many_records_in_packet" "TOO_MANY_RECORDS_IN_PACKET",
    InvalidAlertMessage "invalid_alert_message" "INVALID_ALERT_MESSAGE",
    InvalidCertificate "invalid_certificate" "INVALID_CERTIFICATE",
    CertificateInvalidLength "certificate_invalid_length" "CERTIFICATE_INVALID_LENGTH",
    CertificateInvalidVersion "certificate_invalid_version" "CERTIFICATE_INVALID_VERSION",
    CertificateInvalidSerial "certificate_invalid_serial" "CERTIFICATE_INVALID_SERIAL",
    CertificateInvalidAlgorithmidentifier
        "certificate_invalid_algorithmidentifier" "CERTIFICATE_INVALID_ALGORITHMIDENTIFIER",
    CertificateInvalidX509name "certificate_invalid_x509name" "CERTIFICATE_INVALID_X509NAME",
    CertificateInvalidDate "certificate_invalid_date" "CERTIFICATE_INVALID_DATE",
    CertificateInvalidExtensions
        "certificate_invalid_extensions" "CERTIFICATE_INVALID_EXTENSIONS",
    CertificateInvalidDer "certificate_invalid_der" "CERTIFICATE_INVALID_DER",
    CertificateInvalidSubject "certificate_invalid_subject" "CERTIFICATE_INVALID_SUBJECT",
    CertificateInvalidIssuer "certificate_invalid_issuer" "CERTIFICATE_INVALID_ISSUER",
    CertificateInvalidValidity "certificate_invalid_validity" "CERTIFICATE_INVALID_VALIDITY",
    TooManySubjectAlternativeNames
        "too_many_subject_alternative_names" "TOO_MANY_SUBJECT_ALTERNATIVE_NAMES",
    ErrorMessageEncountered "error_message_encountered" "ERROR_MESSAGE_ENCOUNTERED",
    InvalidSslRecord "invalid_ssl_record" "INVALID_SSL_RECORD",
}
