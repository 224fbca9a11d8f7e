//! Tests of downloads.
