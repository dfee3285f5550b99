//! Device bind and hub calls over HTTPS (device-side sections 3 and 8).
