//! The limits of one sandbox.

/// What one call of a script may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Processor time of one call, ms, at least 1. Loading a script may take ten times as much. The call is stopped at most
    /// two ticks of 1 ms after it.
    pub time_ms: u32,
    /// Linear memory of one instance, bytes; the script's own heap may take three quarters of it. At least 4 MiB, at most 1 GiB.
    pub memory_bytes: usize,
    /// Longest result, bytes.
    pub output_bytes: usize,
    /// Longest source, bytes.
    pub source_bytes: usize,
    /// Longest payload and longest JSON argument, bytes each.
    pub input_bytes: usize,
    /// Linear memory of all idle instances that are kept, bytes, shared out among the workers; beyond it, the longest unused go.
    pub cache_bytes: usize,
    /// Calls that may wait; once they are so many, those of who has most waiting are refused.
    pub queue_calls: usize,
    /// The first rest of a codec that timed out three times in a row, ms; it doubles with each try that fails, up to a minute.
    pub rest_ms: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            time_ms: 10,
            memory_bytes: 16 << 20,
            output_bytes: 64 << 10,
            source_bytes: 256 << 10,
            input_bytes: 256 << 10,
            cache_bytes: 256 << 20,
            queue_calls: 1024,
            rest_ms: 1_000,
        }
    }
}

impl Limits {
    /// The heap of the script, bytes.
    pub(crate) fn heap_bytes(&self) -> usize {
        self.memory_bytes / 4 * 3
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        if self.time_ms == 0 {
            return Err("time_ms must be at least 1".into());
        }
        if !(4 << 20..=1 << 30).contains(&self.memory_bytes) {
            return Err("memory_bytes must be from 4 MiB to 1 GiB".into());
        }
        if self.output_bytes > self.heap_bytes() || self.source_bytes > self.heap_bytes() || self.input_bytes > self.heap_bytes()
        {
            return Err("output_bytes, source_bytes and input_bytes must fit the script's heap".into());
        }
        if self.queue_calls == 0 {
            return Err("queue_calls must be at least 1".into());
        }
        Ok(())
    }
}
