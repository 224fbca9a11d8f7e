//! The sensor seen from outside: metrics, and whether it is well and ready, over HTTP.

mod accept;
pub(crate) mod catalogue;
mod collect;
mod endpoint;
mod metric;
mod observer;
#[cfg(feature = "otel")]
pub(crate) mod otlp;
mod page;
mod program;
mod request;
mod serve;
#[cfg(test)]
mod tests;
mod text;

pub(crate) use endpoint::{Endpoint, Limits, Serving};
pub(crate) use observer::{Counted, Interface, Lane, Observed, Observer, Rules};
