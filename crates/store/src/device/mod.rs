//! Devices: their names, presence, shadows, lists and counters.

pub(crate) mod counts;
mod fleet;
pub(crate) mod groups;
pub(crate) mod identities;
pub(crate) mod lists;
pub(crate) mod members;
pub(crate) mod names;
pub(crate) mod presence;
pub(crate) mod principals;
mod read;
pub(crate) mod record;
pub(crate) mod shadows;
pub(crate) mod unlinked;

#[cfg(test)]
pub(crate) mod tests;
