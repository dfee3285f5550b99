//! The HTTP listener: TLS, limits, graceful shutdown.
