//! landfall-push
