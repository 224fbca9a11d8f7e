//! Tests of what is in sources.
