//! The one integration binary: the domain in virtual time, and the real program over its real listeners.

mod domain;
mod wire;
