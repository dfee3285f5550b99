//! Discovery (TS-0001, 10.2.6): the targets below one that fit.

use super::{Right, Target, window::Mark};
use crate::{Core, OriginCaller};
use landfall_model::{AccountId, AccountPart, Cause, Error, IdKind, ResourceId, Result, Time};
use parking_lot::Mutex;
use std::collections::HashMap;

/// Targets that one discovery looks at, at most.
const LOOKED_AT: usize = 100_000;
/// Labelled ones that are read at once.
const PAGE: u32 = 1_000;
/// Depth of the tree.
const LEVELS: usize = 32;

/// Discoveries of one account at once; one more is told to come later.
const AT_ONCE: u32 = 4;

/// How many discoveries each account has under way.
#[derive(Default)]
pub(crate) struct Discoveries(Mutex<HashMap<AccountId, u32>>);

/// One of them, until it is dropped.
struct UnderWay<'a>(&'a Discoveries, AccountId);

impl Discoveries {
    fn begin(&self, account: AccountId) -> Result<UnderWay<'_>> {
        let mut of = self.0.lock();
        let count = of.entry(account).or_default();
        if *count >= AT_ONCE {
            return Err(Error::new(Cause::Overloaded, "4 discoveries of the tenant are under way; try again"));
        }
        *count += 1;
        Ok(UnderWay(self, account))
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        let mut of = self.0.0.lock();
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
            Target::Credentials(_) | Target::Instance(..) | Target::Request(_) | Target::Outcome(_) => false,
            _ => true,
        }
    }
}

impl Core {
    /// What fits below a target and the originator may discover, in the order of the tree, after `offset` of them and at most `limit`. Looks at
    /// 100,000 targets at most. Labels alone are found without a walk when the whole tree is meant.
    pub async fn discover(
        &self,
        by: &OriginCaller,
        top: &Target,
        criteria: &Criteria,
        offset: usize,
        limit: usize,
    ) -> Result<Vec<Target>> {
        let _under_way = self.discoveries.begin(by.account.id)?;
        self.check_right(by, top, Right::Discover).await?;
        let wanted = offset.saturating_add(limit);
        let indexed = !criteria.labels.is_empty() && !criteria.any && criteria.levels.is_none();
        let mut found = match top {
            Target::Place(AccountPart::Base) if indexed => self.discover_labelled(by, criteria, wanted).await?,
            _ => self.discover_walking(by, top, criteria, wanted).await?,
        };
        found.truncate(wanted);
        Ok(found.split_off(offset.min(found.len())))
    }

    /// Labels of records and nodes are indexed; instances and information objects are found by a walk only.
    async fn discover_labelled(&self, by: &OriginCaller, criteria: &Criteria, wanted: usize) -> Result<Vec<Target>> {
        let mut found = vec![];
        let mut after: Option<ResourceId> = None;
        let mut looked_at = 0;
        while found.len() < wanted && looked_at < LOOKED_AT {
            let ids = self.store.labelled(by.account.id, &criteria.labels, after, PAGE).await?;
            let Some(last) = ids.last().copied() else { break };
            (after, looked_at) = (Some(last), looked_at + ids.len());
            for id in ids {
                if !matches!(id.kind(), Some(IdKind::Record | IdKind::Device(..))) {
                    continue;
                }
                if let Ok(target) = self.find_id(by, id).await
                    && criteria.fits(&target)
                    && self.may(by, &target, Right::Discover).await?
                {
                    found.push(target);
                }
            }
        }
        Ok(found)
    }

    async fn discover_walking(&self, by: &OriginCaller, top: &Target, criteria: &Criteria, wanted: usize) -> Result<Vec<Target>> {
        let mut found = vec![];
        let mut looked_at = 0;
        let mut to_visit = vec![(top.clone(), Mark::default(), criteria.levels.unwrap_or(LEVELS))];
        while let Some((at, mark, levels)) = to_visit.pop() {
            if levels == 0 || found.len() >= wanted || looked_at >= LOOKED_AT {
                continue;
            }
            // Instances are read only where they are looked for; containers always, for what may be in them.
            let instances = criteria.any || criteria.types.is_empty() || criteria.types.contains(&4);
            let types: &[u8] = if at.holds_instances() && !instances { &[3, 23, 28] } else { &[] };
            let (children, next) = self.next_children(by, &at, types, mark).await?;
            looked_at += children.len().max(1);
            if let Some(next) = next {
                to_visit.push((at, next, levels));
            }
            let mut below = vec![];
            for child in children {
                if criteria.fits(&child) && self.may(by, &child, Right::Discover).await? {
                    found.push(child.clone());
                }
                if criteria.goes_below(&child) {
                    below.push((child, Mark::default(), levels - 1));
                }
            }
            below.reverse();
            to_visit.extend(below);
        }
        Ok(found)
    }
}
