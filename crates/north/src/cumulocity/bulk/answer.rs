//! The answer to a file: its lists are read from the import page by page while they are sent.

use crate::cumulocity::Reply;
use axum::{body::Body, http::StatusCode};
use bytes::Bytes;
use futures_util::stream;
use landfall_core::{Core, FailedRow, Row as ImportRow, Scope};
use landfall_model::{JobCounts, JobId, Result, TargetState};
use serde_json::{Value, json};
use std::sync::Arc;

/// Rows of a page.
const PAGE: u32 = 1_000;

/// Where sending is.
struct Answer {
    core: Arc<Core>,
    scope: Scope,
    job: JobId,
    counts: JobCounts,
    /// Of the caller, whose devices they are unless a row names another.
    tenant: String,
    updated: u64,
    /// Whether an entry of the list was sent.
    begun: bool,
    next: Option<Next>,
}

/// What is sent next: a list, from the row after this one.
#[derive(Clone, Copy)]
enum Next {
    Updated(u64),
    Failed(u64),
    Numbers,
}

/// 201, of an import that is over.
pub(super) fn of(core: Arc<Core>, scope: Scope, (job, counts): (JobId, JobCounts), tenant: String) -> Reply {
    let answer = Answer { core, scope, job, counts, tenant, updated: 0, begun: false, next: Some(Next::Updated(0)) };
    let pages = stream::try_unfold(answer, |mut answer| async move {
        let Some(next) = answer.next else { return Ok::<_, landfall_model::Error>(None) };
        let sent = answer.page(next).await?;
        Ok(Some((Bytes::from(sent), answer)))
    });
    Reply::Streamed(StatusCode::CREATED, Body::from_stream(pages))
}

impl Answer {
    async fn page(&mut self, next: Next) -> Result<String> {
        match next {
            Next::Updated(from) => {
                let found = self.core.begun_targets(&self.scope, self.job, TargetState::Succeeded, from, PAGE).await?.items;
                let updated = found.iter().filter_map(|target| Core::updated_credentials(target.detail.as_deref()));
                let entries: Vec<_> =
                    updated.map(|id| json!({"bulkNewDeviceStatus": "CREDENTIAL_UPDATED", "deviceId": id})).collect();
                self.updated += entries.len() as u64;
                let mut sent = if from == 0 { r#"{"credentialUpdatedList":["#.to_owned() } else { String::new() };
                self.list(&mut sent, entries);
                self.next = Some(match found.last().filter(|_| found.len() == PAGE as usize) {
                    Some(last) => Next::Updated(last.place + 1),
                    None => {
                        sent.push_str(r#"],"failedCreationList":["#);
                        self.begun = false;
                        Next::Failed(1)
                    }
                });
                Ok(sent)
            }
            Next::Failed(from) => {
                let found = self.core.failed_rows(&self.scope, self.job, from, PAGE).await?;
                let mut sent = String::new();
                self.list(&mut sent, found.iter().map(|row| failed(row, &self.tenant)).collect());
                let more = found.last().filter(|_| found.len() == PAGE as usize);
                self.next = Some(more.map_or(Next::Numbers, |last| Next::Failed(last.number + 1)));
                Ok(sent)
            }
            Next::Numbers => {
                self.next = None;
                let JobCounts { succeeded, failed, .. } = self.counts;
                let (all, created) = (succeeded + failed, succeeded.saturating_sub(self.updated));
                Ok(format!(
                    r#"],"numberOfAll":{all},"numberOfCreated":{created},"numberOfFailed":{failed},"numberOfSuccessful":{succeeded}}}"#
                ))
            }
        }
    }

    fn list(&mut self, sent: &mut String, entries: Vec<Value>) {
        for entry in entries {
            if std::mem::replace(&mut self.begun, true) {
                sent.push(',');
            }
            sent.push_str(&entry.to_string());
        }
    }
}

/// What is told of a row that failed; its password is not.
fn failed(row: &FailedRow, own: &str) -> Value {
    let (id, tenant) = match &row.row {
        ImportRow::Credentials(new) => (Some(new.id.as_str()), new.tenant.as_deref()),
        ImportRow::Unread(unread) => (unread.given["id"].as_str(), unread.given["tenant"].as_str()),
        ImportRow::Device(_) => (None, None),
    };
    let column = row.fault.column.as_ref().map_or(String::new(), |column| format!(", column {column}"));
    let reason = format!("row {}{column}: {}", row.number, row.fault.reason);
    let (shown, tenant) = (id.unwrap_or_default(), tenant.unwrap_or(own));
    let line = format!("DeviceInfo{{id='{shown}', credentials='***', tenant='{tenant}'}}");
    let mut told = json!({"bulkNewDeviceStatus": "FAILED", "failureReason": reason, "line": line});
    if let (Some(id), Some(told)) = (id, told.as_object_mut()) {
        told.insert("deviceId".to_owned(), id.into());
    }
    told
}
