//! landfall-testkit
