//! bulkNewDeviceRequests: a CSV in a form becomes an import, and its outcome the answer (contract section 3).
//!
//! The file streams through: a few hundred rows are in memory, whatever its size. Nothing is made before all of it was read; then the import goes on
//! though its client goes away.

mod answer;
mod columns;

use super::{Fault, Inbound, Reply};
use crate::{
    csv::{NoTable, Record, Table},
    http::{Malformed, Multipart, Pace, Piece, media_type},
};
use axum::{
    extract::Request,
    http::{HeaderMap, header},
};
use columns::Columns;
use futures_util::StreamExt;
use landfall_core::{Core, HandOver, NewImport, Row as ImportRow, Scope};
use landfall_model::{AccountId, Cause, Error, Job, JobState};
use std::time::Duration;

/// The part of the form that has the file.
const FILE: &str = "file";
/// Rows that are handed over at once.
const ROWS: usize = 500;
/// Seconds for the whole file, and for its rows to be done.
const READ_S: u32 = 3_600;
const DONE_S: u64 = 3_600;
/// Bytes of the listener's budget for a body that is not kept.
const BUDGET_BYTES: usize = 1024 * 1024;

/// `POST /devicecontrol/bulkNewDeviceRequests`.
pub(super) async fn create(inbound: Inbound) -> Result<Reply, Fault> {
    let core = inbound.dialect.core.clone();
    let most = inbound.dialect.settings.bulk_bytes;
    let scope = inbound.caller().scope()?;
    let tenant = core.tenant_of(inbound.caller().account()).await?;
    let mut reading = Reading::new(&core, &scope);
    let job = match reading.all(inbound.into_request(), most).await {
        Ok(open) => core.close_job(open).await?,
        Err(fault) => {
            if let Some(open) = reading.open.take() {
                core.abandon_job(open, &format!("its file was refused: {fault}")).await?;
            }
            return Err(fault);
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(DONE_S), core.job_over(&scope, job.id)).await;
    let (job, counts) = match done {
        Ok(done) => done?,
        Err(_) => {
            return Err(Error::new(Cause::Overloaded, format!("the rows are not done yet; the import {} goes on", job.id)).into());
        }
    };
    if job.state != JobState::Finished {
        return Err(stopped(&job).into());
    }
    Ok(answer::of(core, scope, (job.id, counts), tenant))
}

fn stopped(job: &Job) -> Error {
    let why = job.reason.as_deref().unwrap_or("somebody stopped it");
    Error::new(Cause::JobNotReady, format!("the import {} was stopped before all rows were done: {why}", job.id))
}

/// A file on its way into an import.
struct Reading<'a> {
    core: &'a Core,
    scope: &'a Scope,
    table: Table,
    columns: Option<Columns>,
    open: Option<HandOver>,
    rows: Vec<ImportRow>,
}

impl<'a> Reading<'a> {
    fn new(core: &'a Core, scope: &'a Scope) -> Self {
        Self { core, scope, table: Table::default(), columns: None, open: None, rows: vec![] }
    }

    /// Reads the form of a request of at most so many bytes.
    async fn all(&mut self, request: Request, most: u64) -> Result<HandOver, Fault> {
        let mut form = form_of(request.headers(), most)?;
        Pace::set(request.extensions(), |pace| {
            (pace.deadline_s, pace.budget_bytes) = (Some(READ_S), BUDGET_BYTES);
        });
        let (mut body, mut read, mut parts) = (request.into_body().into_data_stream(), 0, Parts::default());
        while let Some(bytes) = body.next().await {
            let bytes = bytes.map_err(|error| Fault::malformed(format!("the body broke off: {error}")))?;
            read += bytes.len() as u64;
            if read > most {
                return Err(Fault::too_large());
            }
            form.feed(&bytes);
            self.pieces(&mut form, &mut parts).await?;
        }
        form.close();
        self.pieces(&mut form, &mut parts).await?;
        if parts.files == 0 {
            return Err(Fault::invalid(FILE, "the form has no part of this name"));
        }
        self.table.close();
        self.records().await?;
        self.hand_over().await?;
        self.open.take().ok_or_else(|| Fault::invalid(FILE, "has no header line"))
    }

    async fn pieces(&mut self, form: &mut Multipart, parts: &mut Parts) -> Result<(), Fault> {
        while let Some(piece) = form.next().map_err(|Malformed(why)| Fault::malformed(why))? {
            match piece {
                Piece::Part(part) => {
                    parts.in_file = part.name == FILE;
                    parts.files += u32::from(parts.in_file);
                    if parts.files > 1 {
                        return Err(Fault::invalid(FILE, "the form has more than one part of this name"));
                    }
                }
                Piece::Data(data) if parts.in_file => {
                    self.table.feed(&data);
                    self.records().await?;
                }
                Piece::Data(_) => {}
            }
        }
        Ok(())
    }

    async fn records(&mut self) -> Result<(), Fault> {
        while let Some(record) = self.table.next().map_err(|NoTable(why)| Fault::invalid(FILE, why))? {
            match (record, &self.columns) {
                (Record::Row(row), Some(columns)) => {
                    let asked = columns.row(&row).and_then(|asked| {
                        let made = self.core.new_credentials(asked.id, &asked.password, asked.tenant, asked.object);
                        made.map_err(|error| columns.unread(&row, Some("CREDENTIALS"), &error.detail))
                    });
                    self.rows.push(match asked {
                        Ok(credentials) => ImportRow::Credentials(Box::new(credentials)),
                        Err(unread) => ImportRow::Unread(Box::new(unread)),
                    });
                    if self.rows.len() == ROWS {
                        self.hand_over().await?;
                    }
                }
                (Record::Row(_), None) => {}
                (Record::Header(names), _) => {
                    let tenants = self.scope.account() == AccountId::MANAGEMENT;
                    let columns = Columns::read(names.clone(), tenants).map_err(|why| Fault::invalid(FILE, why))?;
                    self.columns = Some(columns);
                    let new = NewImport { columns: names, ..NewImport::default() };
                    self.open = Some(self.core.open_import(self.scope, new).await?);
                }
            }
        }
        Ok(())
    }

    async fn hand_over(&mut self) -> Result<(), Fault> {
        let rows = std::mem::take(&mut self.rows);
        if let Some(open) = &mut self.open {
            self.core.hand_over_rows(open, rows).await?;
        }
        Ok(())
    }
}

/// Where in a form reading is.
#[derive(Default)]
struct Parts {
    files: u32,
    in_file: bool,
}

/// The form that headers announce: 415 where it is none, 413 where it says to be larger than it may be.
fn form_of(headers: &HeaderMap, most: u64) -> Result<Multipart, Fault> {
    let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if text(header::CONTENT_LENGTH).parse().is_ok_and(|length: u64| length > most) {
        return Err(Fault::too_large());
    }
    let content = text(header::CONTENT_TYPE);
    if media_type(content) != "multipart/form-data" {
        return Err(Fault::media("Content-Type must be multipart/form-data"));
    }
    Multipart::of(content).map_err(|Malformed(why)| Fault::malformed(why))
}

#[cfg(test)]
mod tests;
