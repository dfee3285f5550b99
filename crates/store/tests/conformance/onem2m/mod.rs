//! The oneM2M tree.

pub mod claims;
pub mod instances;
pub mod labels;
pub mod tree;
