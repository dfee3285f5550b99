//! The newest events in memory, for consumers that keep up.

use landfall_model::{Event, Seq, StoredEvent};
use std::{collections::VecDeque, sync::Arc};

/// Consecutive events up to the newest one.
pub(crate) struct Ring {
    events: VecDeque<(Arc<Event>, u32)>,
    first_seq: u64,
    bytes: usize,
    max_events: usize,
    max_bytes: usize,
}

impl Ring {
    /// A ring whose first event will be the one after `newest`.
    pub(crate) fn new(newest: u64, max_events: usize, max_bytes: usize) -> Self {
        Self { events: VecDeque::new(), first_seq: newest + 1, bytes: 0, max_events, max_bytes }
    }

    /// Forgets all; the next event will be the one after `newest`.
    pub(crate) fn begin_after(&mut self, newest: u64) {
        *self = Self::new(newest, self.max_events, self.max_bytes);
    }

    /// Appends the next event; `size` is its encoded length in bytes.
    pub(crate) fn push(&mut self, event: Arc<Event>, size: u32) {
        self.bytes += size as usize;
        self.events.push_back((event, size));
        while self.events.len() > self.max_events || self.bytes > self.max_bytes {
            let Some((_, size)) = self.events.pop_front() else { break };
            self.bytes -= size as usize;
            self.first_seq += 1;
        }
    }

    /// At most `limit` events after `after`; `None` when some of them are no longer here.
    pub(crate) fn after(&self, after: u64, limit: usize) -> Option<Vec<StoredEvent>> {
        let from = (after + 1).checked_sub(self.first_seq)?;
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(self.events.len());
        let found = self.events.range(from..).take(limit).zip(self.first_seq + from as u64..);
        Some(found.map(|((event, _), seq)| StoredEvent { seq: Seq(seq), event: event.clone() }).collect())
    }

    pub(crate) fn get(&self, seq: u64) -> Option<StoredEvent> {
        let index = usize::try_from(seq.checked_sub(self.first_seq)?).ok()?;
        self.events.get(index).map(|(event, _)| StoredEvent { seq: Seq(seq), event: event.clone() })
    }
}
