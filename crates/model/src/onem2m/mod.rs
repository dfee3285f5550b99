//! The vocabulary of the oneM2M tree.

pub(crate) mod node;
pub(crate) mod resource;
