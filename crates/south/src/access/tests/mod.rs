//! The list of protocols, and what each access must do.

pub(crate) mod suite;

use crate::PROTOCOLS;
use std::collections::HashSet;

#[test]
fn protocols_share_neither_names_nor_listeners() {
    let mut seen = HashSet::new();
    for protocol in PROTOCOLS {
        assert!(seen.insert(protocol.name) || protocol.listeners.iter().any(|one| one.key == protocol.name), "{}", protocol.name);
        assert!(protocol.listeners.iter().all(|one| one.key == protocol.name || seen.insert(one.key)), "{}", protocol.name);
    }
}
