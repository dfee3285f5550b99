//! /imports: files of devices that are taken while they come and become devices in the background, as jobs.
//!
//! What has come of an import is shown by /jobs. Absent: rows in memory beyond those of a few blocks.

mod failed;
mod file;
mod row;

use super::{
    caller::{Over, job_id},
    error::{Answer, Refusal},
    jobs::shown,
};
use crate::http::{Pace, Unread};
use axum::{
    Json,
    body::Body,
    extract::{Path, Request},
    http::{StatusCode, header},
    response::{IntoResponse, Response},
};
use file::{File, Piece};
use futures_util::StreamExt;
use landfall_core::{HandOver, ImportMode, NewImport, Row, Scope};
use landfall_model::{AppId, Error, JobCounts, Result};
use row::read_row;
use serde_json::Value;
use std::collections::HashMap;

/// Bytes of the listener's budget for a body that is taken while it comes.
const BUDGET_BYTES: usize = 256 * 1024;
/// Rows that are handed over at once.
const ROWS: usize = 200;
/// Names of applications that an import remembers.
const APPS: usize = 1_000;

/// Takes a file: CSV, JSON lines or a JSON array. Answers once all of it is durable; its rows become devices afterwards.
pub(super) async fn begin(over: Over, request: Request) -> Answer<(StatusCode, Json<Value>)> {
    over.params.only(&["app", "mode", "dryRun", "name"])?;
    let mode = match over.params.text("mode") {
        None | Some("keepGood") => ImportMode::KeepGood,
        Some("allOrNothing") => ImportMode::AllOrNothing,
        Some(_) => return Err(Error::invalid("mode", "must be keepGood or allOrNothing").into()),
    };
    let dry_run = over.params.flag("dryRun")?;
    let new = NewImport { name: over.params.text("name").map(str::to_owned), mode, dry_run, columns: vec![] };
    // Rows that name an application need none here.
    let scope = match over.params.text("app") {
        Some(app) => over.narrowed(Some(app)).await?,
        None => over.narrowed(None).await.unwrap_or_else(|_| over.scope.clone()),
    };
    Pace::set(request.extensions(), |pace| {
        (pace.deadline_s, pace.budget_bytes, pace.streamed) = (None, BUDGET_BYTES, true);
    });
    let media = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let mut taking =
        Taking { over: &over, scope, new: Some(new), open: None, header: vec![], apps: HashMap::new(), file: File::of(media)? };
    let taken = taking.take(request.into_body()).await;
    match (taken, taking.open) {
        (Ok(()), Some(open)) => {
            let job = over.core.close_job(open).await?;
            Ok((StatusCode::CREATED, Json(shown(&job, &JobCounts::default(), over.core.now()))))
        }
        (Ok(()), None) => Err(Error::invalid("body", "holds no devices").into()),
        (Err(refusal), open) => {
            if let Some(open) = open {
                over.core.abandon_job(open, &format!("its file was not taken: {}", refusal.text())).await?;
            }
            Err(refusal)
        }
    }
}

/// A file on its way.
struct Taking<'o> {
    over: &'o Over,
    scope: Scope,
    /// Until the first row is there.
    new: Option<NewImport>,
    open: Option<HandOver>,
    header: Vec<String>,
    apps: HashMap<String, Result<AppId>>,
    file: File,
}

impl Taking<'_> {
    async fn take(&mut self, body: Body) -> std::result::Result<(), Refusal> {
        let mut chunks = body.into_data_stream();
        while let Some(chunk) = chunks.next().await {
            self.file.feed(&chunk.map_err(unread)?);
            self.hand_over().await?;
        }
        self.file.close()?;
        self.hand_over().await
    }

    /// What has come whole.
    async fn hand_over(&mut self) -> std::result::Result<(), Refusal> {
        let mut rows = vec![];
        while let Some(piece) = self.file.next()? {
            match piece {
                Piece::Header(header) => {
                    if !header.iter().any(|name| name == "nodeId") {
                        return Err(Error::invalid("body", "the header names no column nodeId").into());
                    }
                    self.header = header;
                }
                piece => rows.push(self.row(piece).await?),
            }
            if rows.len() == ROWS {
                self.send(std::mem::take(&mut rows)).await?;
            }
        }
        self.send(rows).await
    }

    async fn send(&mut self, rows: Vec<Row>) -> std::result::Result<(), Refusal> {
        if rows.is_empty() {
            return Ok(());
        }
        if let Some(new) = self.new.take() {
            let columns = if self.header.is_empty() { failed::columns() } else { self.header.clone() };
            self.open = Some(self.over.core.open_import(&self.scope, NewImport { columns, ..new }).await?);
        }
        let Some(open) = &mut self.open else { return Ok(()) };
        Ok(self.over.core.hand_over_rows(open, rows).await?)
    }

    async fn row(&mut self, piece: Piece) -> Result<Row> {
        let (app, row) = read_row(&self.header, piece);
        let (Some(name), Row::Device(mut new)) = (app, row.clone()) else { return Ok(row) };
        if !self.apps.contains_key(&name) {
            if self.apps.len() >= APPS {
                self.apps.clear();
            }
            let found = self.over.app(&name).await.map(|app| app.id);
            if found.as_ref().is_err_and(Error::is_ours) {
                found.clone()?;
            }
            self.apps.insert(name.clone(), found);
        }
        match self.apps.get(&name) {
            Some(Ok(id)) => {
                new.app = Some(*id);
                Ok(Row::Device(new))
            }
            _ => Ok(failed::unread_app(&row, &name)),
        }
    }
}

fn unread(error: axum::Error) -> Refusal {
    match Unread::of(&error) {
        Some(why) => Error::invalid("body", why.to_string()).into(),
        None => Error::invalid("body", "could not be read to its end").into(),
    }
}

/// The rows that failed, as a file with the columns of the first, the number of the row and why.
pub(super) async fn failed(over: Over, Path(which): Path<String>) -> std::result::Result<Response, Refusal> {
    over.params.only(&[])?;
    let id = job_id(&which)?;
    let (_, order) = over.core.import(&over.scope, id).await?;
    let body = Body::from_stream(failed::lines(over.core.clone(), over.scope.clone(), id, order.columns));
    Ok(([(header::CONTENT_TYPE, "text/csv; charset=utf-8")], body).into_response())
}

/// Makes a job that deletes what an import made and nobody used since.
pub(super) async fn undo(over: Over, Path(which): Path<String>) -> Answer<(StatusCode, Json<Value>)> {
    over.params.only(&[])?;
    let job = over.core.undo_import(&over.scope, job_id(&which)?).await?;
    Ok((StatusCode::CREATED, Json(shown(&job, &JobCounts::default(), over.core.now()))))
}
