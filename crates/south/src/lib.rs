//! landfall-south
