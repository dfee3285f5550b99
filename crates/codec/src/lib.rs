//! landfall-codec
