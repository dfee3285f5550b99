//! landfall-model
