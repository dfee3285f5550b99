//! Discovery (TS-0001, 10.2.6): the targets below one that fit.
//!
//! Who asks for the next ones goes on where the last answer ended: the walk is kept for a while.

use super::{Right, Target, window::Mark};
use crate::{Core, OriginCaller};
use landfall_model::{AccountId, AccountPart, Cause, Error, IdKind, ResourceId, Result, Time};
use parking_lot::Mutex;
use std::collections::{HashMap, VecDeque};

/// Labelled ones that are read at once.
const PAGE: u32 = 1_000;
/// Depth of the tree: the fixed places and parts of devices come on top of the resources.
const LEVELS: usize = super::LEVELS + 4;

/// Discoveries of one account at once; one more is told to come later.
const AT_ONCE: u32 = 4;
/// Seconds for which a walk is kept.
const KEPT_S: i64 = 60;
/// Walks that are kept for one account.
const KEPT: usize = 16;
/// Visits that all kept walks still have before them.
const KEPT_VISITS: usize = 100_000;

/// How many discoveries each account has under way, and the walks that may go on, the oldest first.
#[derive(Default)]
pub(crate) struct Discoveries {
    under_way: Mutex<HashMap<AccountId, u32>>,
    kept: Mutex<VecDeque<(Search, Walk, Time)>>,
}

/// One of them, until it is dropped.
struct UnderWay<'a>(&'a Discoveries, AccountId);

/// Who looks for what, and where.
#[derive(Clone, PartialEq)]
struct Search {
    account: AccountId,
    originator: String,
    top: ResourceId,
    criteria: Criteria,
}

/// How far a discovery came: what is to be visited, the next one last, and how many fitted before that.
#[derive(Clone)]
struct Walk {
    to_visit: Vec<Visit>,
    found: usize,
    /// It stopped because it had looked at much, not because it had found enough.
    cut: bool,
}

/// A page of targets to look at.
#[derive(Clone)]
enum Visit {
    /// Children of a target, and how many levels there are down to them and below.
    Children(Target, Mark, usize),
    /// What has one of the labels.
    Labelled(Option<ResourceId>),
}

/// What a visit brought.
struct Visited {
    fitting: Vec<Target>,
    looked_at: usize,
    /// In the order in which they are to be visited.
    next: Vec<Visit>,
}

impl Discoveries {
    fn begin(&self, account: AccountId) -> Result<UnderWay<'_>> {
        let mut of = self.under_way.lock();
        let count = of.entry(account).or_default();
        if *count >= AT_ONCE {
            return Err(Error::new(Cause::Overloaded, "4 discoveries of the tenant are under way; try again"));
        }
        *count += 1;
        Ok(UnderWay(self, account))
    }

    /// The walk of a search that came nearest to an offset. Who asks for the first ones begins anew, unless none were found so far.
    fn walk_to(&self, search: &Search, offset: usize, now: Time) -> Option<Walk> {
        let kept = self.kept.lock();
        let fits = |walk: &Walk| walk.found <= offset && (offset > 0 || walk.cut);
        let fresh = kept.iter().filter(|(one, walk, at)| one == search && fits(walk) && now < at.plus_s(KEPT_S));
        fresh.max_by_key(|(_, walk, _)| walk.found).map(|(_, walk, _)| walk.clone())
    }

    fn keep(&self, search: Search, walk: Walk, now: Time) {
        if walk.to_visit.len() > KEPT_VISITS {
            return;
        }
        let mut kept = self.kept.lock();
        kept.retain(|(one, other, at)| now < at.plus_s(KEPT_S) && !(*one == search && other.found == walk.found));
        let of_account: Vec<usize> = (0..kept.len()).filter(|at| kept[*at].0.account == search.account).collect();
        if of_account.len() >= KEPT {
            kept.remove(of_account[0]);
        }
        kept.push_back((search, walk, now));
        let mut visits: usize = kept.iter().map(|(_, walk, _)| walk.to_visit.len()).sum();
        while visits > KEPT_VISITS {
            visits -= kept.pop_front().map_or(visits, |(_, walk, _)| walk.to_visit.len());
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut of = self.0.under_way.lock();
        if let Some(count) = of.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                of.remove(&self.1);
            }
        }
    }
}

/// What is looked for; empty lists and `None` fit everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Criteria {
    /// One of these types.
    pub types: Vec<u8>,
    /// One of these labels.
    pub labels: Vec<String>,
    /// Made before.
    pub created_before: Option<Time>,
    /// Made after.
    pub created_after: Option<Time>,
    /// Last changed at or after.
    pub modified_since: Option<Time>,
    /// Last changed before.
    pub unmodified_since: Option<Time>,
    /// By this originator.
    pub creator: Option<String>,
    /// `fo` 2: one condition is enough, instead of all.
    pub any: bool,
    /// Levels below; absent: all.
    pub levels: Option<usize>,
}

impl Criteria {
    fn fits(&self, target: &Target) -> bool {
        let times = target.times();
        let (made, changed) = (times.map(|(made, _)| made), times.map(|(_, changed)| changed));
        let conditions = [
            (!self.types.is_empty()).then(|| self.types.contains(&target.ty())),
            (!self.labels.is_empty()).then(|| self.labels.iter().any(|label| target.labels().contains(label))),
            self.created_before.map(|at| made.is_some_and(|made| made < at)),
            self.created_after.map(|at| made.is_some_and(|made| made > at)),
            self.modified_since.map(|at| changed.is_some_and(|changed| changed >= at)),
            self.unmodified_since.map(|at| changed.is_some_and(|changed| changed < at)),
            self.creator.as_deref().map(|name| target.creator() == Some(name)),
        ];
        let mut given = conditions.into_iter().flatten().peekable();
        given.peek().is_none() || if self.any { given.any(|fits| fits) } else { given.all(|fits| fits) }
    }

    /// Whether something that fits may be below.
    fn goes_below(&self, target: &Target) -> bool {
        let only = |ty: u8| !self.any && !self.types.is_empty() && self.types.iter().all(|one| *one == ty);
        match target {
            Target::Node(_) => !only(14),
            Target::Place(AccountPart::Communication) => !only(14) && !only(13),
            Target::Credentials(_) | Target::Managed(..) | Target::Instance(..) | Target::Request(_) | Target::Outcome(_) => {
                false
            }
            _ => true,
        }
    }
}

/// What a discovery found, and whether there is more behind.
#[derive(Clone, Debug, PartialEq)]
pub struct Discovered {
    /// What fits.
    pub targets: Vec<Target>,
    /// Whether to ask again, after these.
    pub more: bool,
}

impl Core {
    /// What fits below a target and the originator may discover, in the order of the tree, after `offset` of them and at most `limit`. Looks at
    /// `limits.discovery_targets` at most, so that there may be more behind less than `limit`. Labels alone are found without a walk when the whole tree
    /// is meant. `Overloaded` where the account has four under way.
    pub async fn discover(
        &self,
        by: &OriginCaller,
        top: &Target,
        criteria: &Criteria,
        offset: usize,
        limit: usize,
    ) -> Result<Discovered> {
        let _under_way = self.tree.discoveries.begin(by.account.id)?;
        self.check_right(by, top, Right::Discover).await?;
        let top_id = top.id(by.account.id);
        let search = Search { account: by.account.id, originator: by.name.clone(), top: top_id, criteria: criteria.clone() };
        let kept = self.tree.discoveries.walk_to(&search, offset, self.now());
        let mut walk = kept.unwrap_or_else(|| Walk { to_visit: vec![first_visit(top, criteria)], found: 0, cut: false });
        let mut targets = vec![];
        let mut looked_at = 0;
        while looked_at < self.settings.discovery_targets
            && targets.len() <= limit
            && let Some(visit) = walk.to_visit.pop()
        {
            let visited = self.visit(by, criteria, &visit).await?;
            looked_at += visited.looked_at.max(1);
            let fitting = visited.fitting.len();
            targets.extend(visited.fitting.into_iter().skip(offset.saturating_sub(walk.found)));
            if targets.len() > limit {
                walk.to_visit.push(visit);
            } else {
                walk.found += fitting;
                walk.to_visit.extend(visited.next.into_iter().rev());
            }
        }
        walk.cut = targets.len() <= limit;
        let more = !walk.to_visit.is_empty();
        if more {
            self.tree.discoveries.keep(search, walk, self.now());
        }
        targets.truncate(limit);
        Ok(Discovered { targets, more })
    }

    async fn visit(&self, by: &OriginCaller, criteria: &Criteria, visit: &Visit) -> Result<Visited> {
        match visit {
            Visit::Children(at, mark, levels) => self.visit_children(by, criteria, at, *mark, *levels).await,
            Visit::Labelled(after) => self.visit_labelled(by, criteria, *after).await,
        }
    }

    /// Labels of records and nodes are indexed; instances and information objects are found by a walk only.
    async fn visit_labelled(&self, by: &OriginCaller, criteria: &Criteria, after: Option<ResourceId>) -> Result<Visited> {
        let ids = self.store.labelled(by.account.id, &criteria.labels, after, PAGE).await?;
        let mut fitting = vec![];
        for id in &ids {
            if !matches!(id.kind(), Some(IdKind::Record | IdKind::Device(..))) {
                continue;
            }
            if let Ok(target) = self.find_id(by, *id).await
                && criteria.fits(&target)
                && self.may(by, &target, Right::Discover).await?
            {
                fitting.push(target);
            }
        }
        let last = ids.last().filter(|_| ids.len() == PAGE as usize);
        Ok(Visited { fitting, looked_at: ids.len(), next: last.map(|last| Visit::Labelled(Some(*last))).into_iter().collect() })
    }

    async fn visit_children(
        &self,
        by: &OriginCaller,
        criteria: &Criteria,
        at: &Target,
        mark: Mark,
        levels: usize,
    ) -> Result<Visited> {
        if levels == 0 {
            return Ok(Visited { fitting: vec![], looked_at: 0, next: vec![] });
        }
        // Instances are read only where they are looked for; containers always, for what may be in them.
        let instances = criteria.any || criteria.types.is_empty() || criteria.types.contains(&4);
        let types: &[u8] = if at.holds_instances() && !instances { &[3, 23, 28] } else { &[] };
        let (children, next_mark) = self.next_children(by, at, types, mark).await?;
        let (looked_at, mut fitting, mut next) = (children.len(), vec![], vec![]);
        for child in children {
            if criteria.fits(&child) && self.may(by, &child, Right::Discover).await? {
                fitting.push(child.clone());
            }
            if levels > 1 && criteria.goes_below(&child) {
                next.push(Visit::Children(child, Mark::default(), levels - 1));
            }
        }
        next.extend(next_mark.map(|mark| Visit::Children(at.clone(), mark, levels)));
        Ok(Visited { fitting, looked_at, next })
    }
}

fn first_visit(top: &Target, criteria: &Criteria) -> Visit {
    let indexed = !criteria.labels.is_empty() && !criteria.any && criteria.levels.is_none();
    match top {
        Target::Place(AccountPart::Base) if indexed => Visit::Labelled(None),
        _ => Visit::Children(top.clone(), Mark::default(), criteria.levels.unwrap_or(LEVELS)),
    }
}
