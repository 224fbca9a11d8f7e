//! Events of the HTTP/1 parser: names in rules and in anomaly records.

macro_rules! events {
    ($($variant:ident $lower:literal $upper:literal),+ $(,)?) => {
        /// An event of the HTTP/1 parser; its number is its place in [`EVENTS`].
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub(crate) enum Event {
            $(
                #[allow(dead_code, reason = "some names are accepted in rules and never raised")]
                $variant
            ),+
        }

        /// Names in rules (`app-layer-event:http.<name>`), by number.
        pub const EVENTS: &[&str] = &[$($lower),+];

        /// Names in anomaly records, by number.
        pub(crate) const NAMES: &[&str] = &[$($upper),+];
    };
}

events! {
    UnknownError "unknown_error" "UNKNOWN_ERROR",
    GzipDecompressionFailed "gzip_decompression_failed" "GZIP_DECOMPRESSION_FAILED",
    RequestFieldMissingColon "request_field_missing_colon" "REQUEST_FIELD_MISSING_COLON",
    ResponseFieldMissingColon "response_field_missing_colon" "RESPONSE_FIELD_MISSING_COLON",
    InvalidRequestChunkLen "invalid_request_chunk_len" "INVALID_REQUEST_CHUNK_LEN",
    InvalidResponseChunkLen "invalid_response_chunk_len" "INVALID_RESPONSE_CHUNK_LEN",
    InvalidTransferEncodingInRequest
        "invalid_transfer_encoding_value_in_request" "INVALID_TRANSFER_ENCODING_VALUE_IN_REQUEST",
    InvalidTransferEncodingInResponse
        "invalid_transfer_encoding_value_in_response" "INVALID_TRANSFER_ENCODING_VALUE_IN_RESPONSE",
    InvalidContentLengthInRequest
        "invalid_content_length_field_in_request" "INVALID_CONTENT_LENGTH_FIELD_IN_REQUEST",
    InvalidContentLengthInResponse
        "invalid_content_length_field_in_response" "INVALID_CONTENT_LENGTH_FIELD_IN_RESPONSE",
    DuplicateContentLengthInRequest
        "duplicate_content_length_field_in_request" "DUPLICATE_CONTENT_LENGTH_FIELD_IN_REQUEST",
    DuplicateContentLengthInResponse
        "duplicate_content_length_field_in_response" "DUPLICATE_CONTENT_LENGTH_FIELD_IN_RESPONSE",
    ContinueAlreadySeen "100_continue_already_seen" "100_CONTINUE_ALREADY_SEEN",
    UnableToMatchResponse
        "unable_to_match_response_to_request" "UNABLE_TO_MATCH_RESPONSE_TO_REQUEST",
    InvalidServerPortInRequest
        "invalid_server_port_in_request" "INVALID_SERVER_PORT_IN_REQUEST",
    InvalidAuthorityPort "invalid_authority_port" "INVALID_AUTHORITY_PORT",
    RequestHeaderInvalid "request_header_invalid" "REQUEST_HEADER_INVALID",
    ResponseHeaderInvalid "response_header_invalid" "RESPONSE_HEADER_INVALID",
    MissingHostHeader "missing_host_header" "MISSING_HOST_HEADER",
    HostHeaderAmbiguous "host_header_ambiguous" "HOST_HEADER_AMBIGUOUS",
    InvalidRequestFieldFolding
        "invalid_request_field_folding" "INVALID_REQUEST_FIELD_FOLDING",
    InvalidResponseFieldFolding
        "invalid_response_field_folding" "INVALID_RESPONSE_FIELD_FOLDING",
    RequestFieldTooLong "request_field_too_long" "REQUEST_FIELD_TOO_LONG",
    ResponseFieldTooLong "response_field_too_long" "RESPONSE_FIELD_TOO_LONG",
    RequestServerPortMismatch
        "request_server_port_tcp_port_mismatch" "REQUEST_SERVER_PORT_TCP_PORT_MISMATCH",
    RequestUriHostInvalid "request_uri_host_invalid" "REQUEST_URI_HOST_INVALID",
    RequestHeaderHostInvalid "request_header_host_invalid" "REQUEST_HEADER_HOST_INVALID",
    RequestAuthUnrecognized "request_auth_unrecognized" "REQUEST_AUTH_UNRECOGNIZED",
    RequestHeaderRepetition "request_header_repetition" "REQUEST_HEADER_REPETITION",
    ResponseHeaderRepetition "response_header_repetition" "RESPONSE_HEADER_REPETITION",
    DoubleEncodedUri "double_encoded_uri" "DOUBLE_ENCODED_URI",
    UriDelimNonCompliant "uri_delim_non_compliant" "URI_DELIM_NON_COMPLIANT",
    MethodDelimNonCompliant "method_delim_non_compliant" "METHOD_DELIM_NON_COMPLIANT",
    RequestLineLeadingWhitespace
        "request_line_leading_whitespace" "REQUEST_LINE_LEADING_WHITESPACE",
    TooManyEncodingLayers "too_many_encoding_layers" "TOO_MANY_ENCODING_LAYERS",
    RequestTooManyLzmaLayers "request_too_many_lzma_layers" "REQUEST_TOO_MANY_LZMA_LAYERS",
    ResponseTooManyLzmaLayers "response_too_many_lzma_layers" "RESPONSE_TOO_MANY_LZMA_LAYERS",
    AbnormalContentEncoding "abnormal_ce_header" "ABNORMAL_CE_HEADER",
    ResponseMultipartByteranges "response_multipart_byteranges" "RESPONSE_MULTIPART_BYTERANGES",
    ResponseAbnormalTransferEncoding
        "response_abnormal_transfer_encoding" "RESPONSE_ABNORMAL_TRANSFER_ENCODING",
    ResponseChunkedOldProtocol "response_chunked_old_proto" "RESPONSE_CHUNKED_OLD_PROTO",
    ResponseInvalidProtocol "response_invalid_protocol" "RESPONSE_INVALID_PROTOCOL",
    ResponseInvalidStatus "response_invalid_status" "RESPONSE_INVALID_STATUS",
    RequestLineIncomplete "request_line_incomplete" "REQUEST_LINE_INCOMPLETE",
    ProtocolContainsExtraData "protocol_contains_extra_data" "PROTOCOL_CONTAINS_EXTRA_DATA",
    ContentLengthExtraDataStart
        "content_length_extra_data_start" "CONTENT_LENGTH_EXTRA_DATA_START",
    ContentLengthExtraDataEnd "content_length_extra_data_end" "CONTENT_LENGTH_EXTRA_DATA_END",
    SwitchingProtoWithContentLength
        "switching_proto_with_content_length" "SWITCHING_PROTO_WITH_CONTENT_LENGTH",
    DeformedEol "deformed_eol" "DEFORMED_EOL",
    ParserStateError "parser_state_error" "PARSER_STATE_ERROR",
    MissingOutboundTransactionData
        "missing_outbound_transaction_data" "MISSING_OUTBOUND_TRANSACTION_DATA",
    MissingInboundTransactionData
        "missing_inbound_transaction_data" "MISSING_INBOUND_TRANSACTION_DATA",
    ZeroLengthDataChunks "zero_length_data_chunks" "ZERO_LENGTH_DATA_CHUNKS",
    RequestLineUnknownMethod "request_line_unknown_method" "REQUEST_LINE_UNKNOWN_METHOD",
    RequestLineUnknownMethodNoProtocol
        "request_line_unknown_method_no_protocol" "REQUEST_LINE_UNKNOWN_METHOD_NO_PROTOCOL",
    RequestLineUnknownMethodInvalidProtocol
        "request_line_unknown_method_invalid_protocol"
        "REQUEST_LINE_UNKNOWN_METHOD_INVALID_PROTOCOL",
    RequestLineMissingProtocol "request_line_missing_protocol" "REQUEST_LINE_MISSING_PROTOCOL",
    ResponseLineInvalidProtocol
        "response_line_invalid_protocol" "RESPONSE_LINE_INVALID_PROTOCOL",
    ResponseLineInvalidStatus
        "response_line_invalid_response_status" "RESPONSE_LINE_INVALID_RESPONSE_STATUS",
    ResponseBodyInternalError "response_body_internal_error" "RESPONSE_BODY_INTERNAL_ERROR",
    RequestBodyDataCallbackError
        "request_body_data_callback_error" "REQUEST_BODY_DATA_CALLBACK_ERROR",
    RequestInvalidEmptyName "request_invalid_empty_name" "REQUEST_INVALID_EMPTY_NAME",
    RequestInvalidLwsAfterName
        "request_invalid_lws_after_name" "REQUEST_INVALID_LWS_AFTER_NAME",
    ResponseHeaderNameNotToken
        "response_header_name_not_token" "RESPONSE_HEADER_NAME_NOT_TOKEN",
    ResponseInvalidLwsAfterName
        "response_invalid_lws_after_name" "RESPONSE_INVALID_LWS_AFTER_NAME",
    ResponseInvalidEmptyName "response_invalid_empty_name" "RESPONSE_INVALID_EMPTY_NAME",
    LzmaDecompressionDisabled "lzma_decompression_disabled" "LZMA_DECOMPRESSION_DISABLED",
    LzmaMemlimitReached "lzma_memlimit_reached" "LZMA_MEMLIMIT_REACHED",
    CompressionBombDoubleLzma "compression_bomb_double_lzma" "COMPRESSION_BOMB_DOUBLE_LZMA",
    CompressionBomb "compression_bomb" "COMPRESSION_BOMB",
    CompressionBombLimitReached
        "compression_bomb_limit_reached" "COMPRESSION_BOMB_LIMIT_REACHED",
    ConnectionAlreadyOpen "connection_already_open" "CONNECTION_ALREADY_OPEN",
    InvalidContentEncoding "invalid_content_encoding" "INVALID_CONTENT_ENCODING",
    InvalidGap "invalid_gap" "INVALID_GAP",
    RequestChunkExtension "request_chunk_extension" "REQUEST_CHUNK_EXTENSION",
    ResponseChunkExtension "response_chunk_extension" "RESPONSE_CHUNK_EXTENSION",
    RequestLineInvalid "request_line_invalid" "REQUEST_LINE_INVALID",
    RequestBodyUnexpected "request_body_unexpected" "REQUEST_BODY_UNEXPECTED",
    ResponseBodyUnexpected "response_body_unexpected" "RESPONSE_BODY_UNEXPECTED",
    RequestTooManyHeaders "request_too_many_headers" "REQUEST_TOO_MANY_HEADERS",
    ResponseTooManyHeaders "response_too_many_headers" "RESPONSE_TOO_MANY_HEADERS",
    MultipartGenericError "multipart_generic_error" "MULTIPART_GENERIC_ERROR",
    MultipartNoFiledata "multipart_no_filedata" "MULTIPART_NO_FILEDATA",
    MultipartInvalidHeader "multipart_invalid_header" "MULTIPART_INVALID_HEADER",
    TooManyWarnings "too_many_warnings" "TOO_MANY_WARNINGS",
    RangeInvalid "range_invalid" "RANGE_INVALID",
    FileNameTooLong "file_name_too_long" "FILE_NAME_TOO_LONG",
    FailedProtocolChange "failed_protocol_change" "FAILED_PROTOCOL_CHANGE",
}

#[cfg(test)]
mod tests {
    use super::{EVENTS, Event, NAMES};

    #[test]
    fn both_name_lists_agree() {
        assert_eq!(EVENTS.len(), NAMES.len());
        for (lower, upper) in EVENTS.iter().zip(NAMES) {
            assert_eq!(lower.to_uppercase(), **upper);
        }
        assert_eq!(EVENTS[Event::InvalidGap as usize], "invalid_gap");
    }
}
