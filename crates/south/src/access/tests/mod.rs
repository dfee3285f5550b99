//! The list of protocols, and what each access must do.

pub(crate) mod suite;

use crate::PROTOCOLS;
use std::collections::HashSet;

#[test]
fn protocols_share_neither_names_nor_listeners() {
    let (mut names, mut keys) = (HashSet::new(), HashSet::new());
    for protocol in PROTOCOLS {
        assert!(names.insert(protocol.name), "{}", protocol.name);
        for listener in protocol.listeners {
            assert!(keys.insert(listener.key), "{}", listener.key);
        }
    }
}
