//! What readers of history and consumers of the stream get.

use crate::{
    store::{LIST_LIMIT, SharedStore},
    stream::{events, frames, history, points},
};
use async_trait::async_trait;
use landfall_core::store::{EventStore, FramePage, FrameQuery, HistoryOf, HistoryQuery, HistoryStore, PointQuery, PointSlice};
use landfall_model::{Cause, Error, HistoryPoint, Page, PageRequest, Result, Seq, StoredEvent, Time};

#[async_trait]
impl HistoryStore for SharedStore {
    async fn history(&self, query: &HistoryQuery, page: PageRequest) -> Result<Page<HistoryPoint>> {
        let query = *query;
        let waiting = self.shared().pending.lock().waiting(query.of);
        let account = self.account_of(Some(&query.of.id())).await?;
        self.scan(account, move |sql| history::history(sql, &query, waiting, page)).await
    }

    async fn points(&self, query: &PointQuery) -> Result<PointSlice> {
        let query = *query;
        let waiting = self.shared().pending.lock().waiting(HistoryOf::Device(query.device));
        let account = self.account_of(Some(&query.device)).await?;
        self.scan(account, move |sql| points::slice(sql, &query, waiting)).await
    }

    async fn frames(&self, query: &FrameQuery) -> Result<FramePage> {
        if self.shared().pending.lock().holds_frames(query.device) {
            self.flush().await?;
        }
        let query = *query;
        let account = self.account_of(Some(&query.device)).await?;
        self.scan(account, move |sql| frames::read(sql, &query)).await
    }
}

#[async_trait]
impl EventStore for SharedStore {
    async fn events_after(&self, after: Seq, limit: u32) -> Result<Vec<StoredEvent>> {
        if limit == 0 || after >= self.newest() {
            return Ok(Vec::new());
        }
        if let Some(recent) = self.shared().ring.lock().after(after.0, limit as usize) {
            return Ok(recent);
        }
        self.read(move |sql| events::after(sql, after.0, u64::from(limit))).await
    }

    async fn events_at(&self, seqs: &[Seq]) -> Result<Vec<StoredEvent>> {
        if seqs.len() > LIST_LIMIT {
            return Err(Error::new(Cause::TooMany, "at most 1000 events can be read at once"));
        }
        let mut wanted: Vec<u64> = seqs.iter().map(|seq| seq.0).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let mut recent = Vec::new();
        {
            let ring = self.shared().ring.lock();
            wanted.retain(|seq| ring.get(*seq).map(|event| recent.push(event)).is_none());
        }
        let mut found = if wanted.is_empty() { Vec::new() } else { self.read(move |sql| events::at(sql, &wanted)).await? };
        found.append(&mut recent);
        Ok(found)
    }

    async fn seq_before(&self, at: Time) -> Result<Seq> {
        let newest = self.newest();
        let before = self.read(move |sql| events::before(sql, at)).await?;
        Ok(before.map_or(newest, Seq))
    }

    fn newest(&self) -> Seq {
        Seq(*self.shared().newest.borrow())
    }

    async fn wait_after(&self, seq: Seq) {
        let mut newest = self.shared().newest.subscribe();
        // The sender lives as long as this store.
        drop(newest.wait_for(|newest| *newest > seq.0).await);
    }
}
