//! Paging of lists.

use serde::{Deserialize, Serialize};

/// One page of a list, and how many entries all pages together have.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Page<T> {
    /// Entries that match, on all pages.
    pub total: u64,
    /// The entries of this page.
    pub items: Vec<T>,
}

/// Which page: the first has number 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PageRequest {
    /// Page number from 0.
    pub no: u64,
    /// Entries a page, at least 1.
    pub size: u32,
}

impl PageRequest {
    /// Entries before this page.
    pub fn offset(self) -> u64 {
        self.no.saturating_mul(u64::from(self.size))
    }
}

/// Order by time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sort {
    /// Oldest first.
    Ascending,
    /// Newest first.
    #[default]
    Descending,
}
