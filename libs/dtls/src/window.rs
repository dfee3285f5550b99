//! The replay window of RFC 6347 section 4.1.2.6, 64 records wide. Absent: authentication; only authenticated records may move it.

/// Which of the latest records were received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Window {
    /// Highest sequence number accepted.
    pub(crate) right: u64,
    /// Bit n: `right - n` was accepted. 0: nothing was.
    pub(crate) seen: u64,
}

impl Window {
    /// Whether `seq` may be looked at: not seen yet and not left of the window.
    pub(crate) fn is_fresh(&self, seq: u64) -> bool {
        match self.right.checked_sub(seq) {
            None => true,
            Some(behind) => behind < 64 && (self.seen >> behind) & 1 == 0,
        }
    }

    /// Marks an authenticated record as received. Whether it is newer than all before.
    pub(crate) fn accept(&mut self, seq: u64) -> bool {
        let newer = self.seen == 0 || seq > self.right;
        if seq > self.right {
            let shift = seq - self.right;
            self.seen = if shift < 64 { self.seen << shift | 1 } else { 1 };
            self.right = seq;
        } else if self.right - seq < 64 {
            self.seen |= 1 << (self.right - seq);
        }
        newer
    }
}

#[cfg(test)]
mod tests {
    use super::Window;

    #[test]
    fn agrees_with_a_plain_set() {
        let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
        let mut window = Window::default();
        let mut seen = std::collections::BTreeSet::new();
        for _ in 0..20_000 {
            dice ^= dice << 13;
            dice ^= dice >> 7;
            dice ^= dice << 17;
            let right = seen.last().copied().unwrap_or(0_u64);
            let seq = (right + dice % 40).saturating_sub(dice >> 8 & 0x7f);
            let fresh = !seen.contains(&seq) && seq + 64 > right;
            assert_eq!(window.is_fresh(seq), fresh, "{seq} after {right}");
            if fresh {
                assert_eq!(window.accept(seq), seen.is_empty() || seq > right);
                seen.insert(seq);
            }
        }
    }

    #[test]
    fn jumps_forget_all() {
        let mut window = Window::default();
        assert!(window.accept(0) && !window.is_fresh(0));
        assert!(window.accept(64));
        assert!(!window.is_fresh(0) && window.is_fresh(1));
        assert!(window.accept(u64::MAX >> 16));
        assert!(!window.is_fresh(64));
    }
}
