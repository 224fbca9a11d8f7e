//! Reasons by which librdkafka and brokers refuse things.

use std::fmt;

use rdkafka_sys::RDKafkaRespErr as Known;

/// An error code of librdkafka (negative) or of a broker; brokers may have ones that are newer than
/// librdkafka.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Code(pub(crate) i32);

impl Code {
    /// Nothing is wrong.
    pub(crate) const NONE: Self = Self::of(Known::RD_KAFKA_RESP_ERR_NO_ERROR);
    /// The client's queue is full.
    pub(crate) const QUEUE_FULL: Self = Self::of(Known::RD_KAFKA_RESP_ERR__QUEUE_FULL);
    /// The client can't go on.
    pub const FATAL: Self = Self::of(Known::RD_KAFKA_RESP_ERR__FATAL);
    /// Dropped by [`crate::Producer::purge`] before it was sent.
    pub const PURGED: Self = Self::of(Known::RD_KAFKA_RESP_ERR__PURGE_QUEUE);
    /// Dropped by [`crate::Producer::purge`] after it was sent.
    pub const PURGED_IN_FLIGHT: Self = Self::of(Known::RD_KAFKA_RESP_ERR__PURGE_INFLIGHT);
    /// No broker can be reached.
    pub const ALL_BROKERS_DOWN: Self = Self::of(Known::RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN);
    /// A connection failed or was lost.
    pub const TRANSPORT: Self = Self::of(Known::RD_KAFKA_RESP_ERR__TRANSPORT);
    /// A broker's name can't be resolved.
    pub const RESOLVE: Self = Self::of(Known::RD_KAFKA_RESP_ERR__RESOLVE);
    /// A handshake of TLS failed.
    pub const TLS: Self = Self::of(Known::RD_KAFKA_RESP_ERR__SSL);
    /// A broker does not know who we are.
    pub const AUTHENTICATION: Self = Self::of(Known::RD_KAFKA_RESP_ERR__AUTHENTICATION);
    /// As [`Code::AUTHENTICATION`], in the broker's words.
    pub const SASL_AUTHENTICATION: Self =
        Self::of(Known::RD_KAFKA_RESP_ERR_SASL_AUTHENTICATION_FAILED);
    /// The broker has no such mechanism of SASL.
    pub const SASL_MECHANISM: Self = Self::of(Known::RD_KAFKA_RESP_ERR_UNSUPPORTED_SASL_MECHANISM);
    /// We may not write to this topic.
    pub const TOPIC_AUTHORIZATION: Self =
        Self::of(Known::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    /// We may not do this at all.
    pub const CLUSTER_AUTHORIZATION: Self =
        Self::of(Known::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED);
    /// The topic is not there, by the client's metadata.
    pub const UNKNOWN_TOPIC: Self = Self::of(Known::RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC);
    /// The topic or partition is not there, by the broker.
    pub const UNKNOWN_TOPIC_OR_PARTITION: Self =
        Self::of(Known::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
    /// The topic's name is not valid.
    pub const INVALID_TOPIC: Self = Self::of(Known::RD_KAFKA_RESP_ERR_TOPIC_EXCEPTION);
    /// A message, or the batch that it came in, is larger than the topic allows.
    pub const MESSAGE_TOO_LARGE: Self = Self::of(Known::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE);
    /// `message.timeout.ms` passed.
    pub const TIMED_OUT: Self = Self::of(Known::RD_KAFKA_RESP_ERR__MSG_TIMED_OUT);

    const fn of(code: Known) -> Self {
        Self(code as i32)
    }
}

impl fmt::Display for Code {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(crate::event::text_of(*self))
    }
}

impl fmt::Debug for Code {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} ({self})", self.0)
    }
}
