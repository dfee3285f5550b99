//! landfall-north
