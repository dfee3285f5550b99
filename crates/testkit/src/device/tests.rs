//! Tests of simulated devices.
