//! Children that come from several lists: a page of them, or the next ones after a mark.

use super::Target;
use crate::{Core, DeviceFilter, OriginCaller, ResourceFilter};
use landfall_model::{AccountPart, AppId, Device, DeviceId, PageRequest, ResourceId, ResourceKind, Result, Sort, Time};

/// How far the children of a target were read: the list, and the last one taken from it.
#[derive(Clone, Copy, Default)]
pub(super) enum Mark {
    #[default]
    Fixed,
    Resources(Option<(Time, ResourceId)>),
    /// Those of an application, by its place among those that are open to the caller.
    Devices(usize, Option<(Time, DeviceId)>),
    /// The number of the next page; no list of requests is long.
    Requests(u64),
    Instances(u64),
}

impl Core {
    /// The next children of a target, as [`Core::children_within`] has them, and where to go on; a list ends a page, so one may be empty.
    pub(super) async fn next_children(
        &self,
        by: &OriginCaller,
        at: &Target,
        types: &[u8],
        mark: Mark,
    ) -> Result<(Vec<Target>, Option<Mark>)> {
        let wanted = |ty: u8| types.is_empty() || types.contains(&ty);
        let limit = Window::PAGE;
        let (items, next) = match mark {
            Mark::Fixed => {
                let fixed = self.fixed_children(at).into_iter().filter(|child| wanted(child.ty())).collect();
                (fixed, Some(Mark::Resources(None)))
            }
            Mark::Resources(after) => {
                let kinds: Vec<_> = ResourceKind::ALL.into_iter().filter(|kind| wanted(kind.ty())).collect();
                let parent = Some(at.id(by.account.id));
                let filter = ResourceFilter { account: by.account.id, parent, device: None, kinds };
                let none = filter.kinds.is_empty();
                let found = if none { vec![] } else { self.store.resources_after(&filter, after, limit).await? };
                let last = found.last().map(|one| (one.created_at, one.id)).filter(|_| found.len() == limit as usize);
                let next = last.map_or_else(|| last_list(at, wanted), |last| Some(Mark::Resources(Some(last))));
                (found.into_iter().map(Target::Resource).collect(), next)
            }
            Mark::Devices(no, after) => self.next_devices(by, at, no, after).await?,
            Mark::Requests(no) => {
                let page = PageRequest { no, size: limit };
                let found = self.provisionings_of(by.account.id, Some(by.app.id), page).await?.items;
                let next = (found.len() == limit as usize).then_some(Mark::Requests(no + 1));
                let shown = found.into_iter().map(Box::new).map(match at {
                    Target::Place(AccountPart::Requests) => Target::Request,
                    _ => Target::Outcome,
                });
                (shown.collect(), next)
            }
            Mark::Instances(after) => {
                let found = self.store.instances_after(at.id(by.account.id), self.now(), after, limit).await?;
                let last = found.last().map(|one| one.state).filter(|_| found.len() == limit as usize);
                let shown = found.into_iter().map(|one| Target::Instance(Box::new(one), Box::new(at.clone())));
                (shown.collect(), last.map(Mark::Instances))
            }
        };
        Ok((self.retrievable(by, items).await?, next))
    }

    async fn next_devices(
        &self,
        by: &OriginCaller,
        at: &Target,
        no: usize,
        after: Option<(Time, DeviceId)>,
    ) -> Result<(Vec<Target>, Option<Mark>)> {
        let open = self.apps_open_to(by).await?;
        let Some(app) = open.get(no).copied() else { return Ok((vec![], None)) };
        let filter = DeviceFilter { principal: Some(app), sort: Sort::Ascending, ..DeviceFilter::of(by.account.id) };
        let found = self.store.devices_after(&filter, after, Window::PAGE).await?;
        let last = found.last().map(|one| (one.created_at, one.id)).filter(|_| found.len() == Window::PAGE as usize);
        let next = last.map_or(Mark::Devices(no + 1, None), |last| Mark::Devices(no, Some(last)));
        let once = found.into_iter().filter(|device| is_first(device, &open[..no]));
        let shown = once.map(match at {
            Target::Place(AccountPart::Base) => Target::Node,
            _ => Target::Channel,
        });
        Ok((shown.collect(), Some(next)))
    }
}

/// Whether a device was not listed already with those that one of these applications sees.
pub(super) fn is_first(device: &Device, earlier: &[AppId]) -> bool {
    !earlier.iter().any(|app| device.principals.include(*app))
}

/// The list that comes after the resources.
fn last_list(at: &Target, wanted: impl Fn(u8) -> bool) -> Option<Mark> {
    match at {
        Target::Place(AccountPart::Base) if wanted(14) => Some(Mark::Devices(0, None)),
        Target::Place(AccountPart::Communication) if wanted(3) => Some(Mark::Devices(0, None)),
        Target::Place(AccountPart::Requests | AccountPart::Responses) if wanted(28) => Some(Mark::Requests(0)),
        _ if at.holds_instances() && wanted(4) => Some(Mark::Instances(0)),
        _ => None,
    }
}

/// A page cut out of several lists that follow one another.
pub(super) struct Window {
    /// Entries still to be passed over.
    skip: u64,
    room: usize,
    pub total: u64,
    /// Nothing stands where an entry is another list's too.
    pub items: Vec<Option<Target>>,
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
        self.items.extend(list.into_iter().map(Some).skip(skipped as usize).take(self.room - self.items.len()));
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

    pub fn put(&mut self, total: u64, found: impl ExactSizeIterator<Item = Option<Target>>) {
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
