//! Measures the sensor, its rooms and its peer.
