//! Queue mode (core 1.1 section 6.5): when a client that sleeps can be reached. Absent: the queue itself, the forecast of
//! contacts, and clocks; moments are arguments.

/// How long a client listens after its last message unless told otherwise, seconds: CoAP's MAX_TRANSMIT_WAIT.
pub const AWAKE_DEFAULT_S: u32 = 93;
/// Whether a client in queue mode still listens at `now_ms`, `awake_ms` after its last message at the latest.
pub const fn is_awake(last_contact_ms: u64, now_ms: u64, awake_ms: u64) -> bool {
    now_ms.saturating_sub(last_contact_ms) < awake_ms
}
