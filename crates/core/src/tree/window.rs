//! A page of children that come from several lists.

use super::Target;
use landfall_model::PageRequest;

/// A page cut out of several lists that follow one another.
pub(super) struct Window {
    /// Entries still to be passed over.
    skip: u64,
    room: usize,
    pub total: u64,
    pub items: Vec<Target>,
    list: List,
}

/// How far the list at hand was read.
enum List {
    Unread,
    /// Its next page, and how many entries of that are passed over.
    At(PageRequest, usize),
    Read,
}

impl Window {
    /// Entries that are read at once.
    const PAGE: u32 = 1_000;

    pub fn new(skip: u64, room: usize) -> Self {
        Self { skip, room, total: 0, items: vec![], list: List::Unread }
    }

    /// A list that is in memory.
    pub fn take(&mut self, list: Vec<Target>) {
        self.total += list.len() as u64;
        let skipped = self.skip.min(list.len() as u64);
        self.skip -= skipped;
        self.items.extend(list.into_iter().skip(skipped as usize).take(self.room - self.items.len()));
    }

    /// What to read next of the list at hand; none: it was read as far as it is wanted.
    pub fn next(&mut self) -> Option<PageRequest> {
        let left = u32::try_from(self.room - self.items.len()).unwrap_or(Self::PAGE).min(Self::PAGE);
        match self.list {
            // The length of a list is wanted even where no entry of it is.
            List::Unread => {
                let size = if self.skip == 0 { left.max(1) } else { Self::PAGE };
                let page = PageRequest { no: self.skip / u64::from(size), size };
                self.list = List::At(page, (self.skip % u64::from(size)) as usize);
                Some(page)
            }
            List::At(page, _) if left > 0 => Some(page),
            List::At(..) | List::Read => {
                self.list = List::Unread;
                None
            }
        }
    }

    pub fn put(&mut self, total: u64, found: impl ExactSizeIterator<Item = Target>) {
        let List::At(page, passed_over) = self.list else { return };
        if page.offset() <= self.skip {
            self.total += total;
            self.skip = self.skip.saturating_sub(total);
        }
        let more = found.len() > 0 && page.offset() + (found.len() as u64) < total;
        self.items.extend(found.skip(passed_over).take(self.room - self.items.len()));
        self.list = if more { List::At(PageRequest { no: page.no + 1, ..page }, 0) } else { List::Read };
    }
}
