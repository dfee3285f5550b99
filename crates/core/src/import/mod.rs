//! Imports (devicecontrol/import): files of up to millions of rows that become devices in the background.
//!
//! A row is read by whoever knows the file and handed over as a [`Row`]; it is kept until it is done, longer only where it failed, so that those
//! can be had again as a file. What a row makes is said by the planner of its variant, for a part of at most 1,000 rows at once. Absent:
//! how rows are worked off, which is the engine's of jobs, and the forms of files.

mod before;
mod credentials;
mod device;
mod fault;
mod part;
mod task;
mod undo;

pub use credentials::{NewCredentials, NewDeviceObject};
pub use device::NewDevice;
pub use fault::RowFault;
pub(crate) use task::Import;
pub(crate) use undo::Undo;

use crate::{Core, HandOver, NewJob, Scope};
use landfall_model::{Batch, Cause, Error, Job, JobBlock, JobId, JobKind, Result, TargetState, Targets};
use serde::{Deserialize, Serialize};

/// What one row of a file says. Its number in the file is its place, from 1.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Row {
    /// A device is registered.
    Device(Box<NewDevice>),
    /// A device gets its credentials, and an object that stands for it.
    Credentials(Box<NewCredentials>),
    /// It could not be read.
    Unread(Box<Unread>),
}

/// A row that could not be read, which fails when its turn comes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Unread {
    /// The column in which it is wrong.
    pub column: Option<String>,
    /// What is wrong.
    pub reason: String,
    /// Its cells, in the words of the reader.
    pub given: serde_json::Value,
}

/// What becomes of the good rows of a file that has bad ones.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImportMode {
    /// They are carried out.
    #[default]
    KeepGood,
    /// Nothing is. All rows are checked before the first is written; what fails later because of somebody else's writes ends the import, and
    /// what it made until then is undone.
    AllOrNothing,
}

/// An import to be opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NewImport {
    /// Unique among the imports of its application that are kept; one is made where there is none.
    pub name: Option<String>,
    /// What becomes of good rows.
    pub mode: ImportMode,
    /// Rows are only checked.
    pub dry_run: bool,
    /// The columns of its file, for that of the rows that failed.
    pub columns: Vec<String>,
}

/// What an import was asked for beside its rows.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportOrder {
    /// What becomes of good rows.
    pub mode: ImportMode,
    /// Rows are only checked.
    pub dry_run: bool,
    /// The columns of its file.
    pub columns: Vec<String>,
}

/// A row that failed.
#[derive(Clone, Debug, PartialEq)]
pub struct FailedRow {
    /// Its number in the file, from 1.
    pub number: u64,
    /// Why.
    pub fault: RowFault,
    /// The row as it was handed over.
    pub row: Row,
}

impl Core {
    /// Opens an import into the scope's account, for its application where rows name none. Rows follow by [`Core::hand_over_rows`]; nothing
    /// is made before [`Core::close_job`]. What [`Core::make_job`] says, `InvalidField` for columns that are too long.
    pub async fn open_import(&self, scope: &Scope, new: NewImport) -> Result<HandOver> {
        let id = JobId::new(self.now(), self.random_16());
        let checks_first = new.mode == ImportMode::AllOrNothing && !new.dry_run;
        let order = ImportOrder { mode: new.mode, dry_run: new.dry_run, columns: new.columns };
        let order = json(&order)?;
        if order.len() > Job::ORDER_BYTES {
            return Err(Error::invalid("columns", "are too long together"));
        }
        let new = NewJob {
            id,
            kind: JobKind::Import,
            name: new.name.unwrap_or_else(|| id.to_string()),
            order,
            targets: Targets::Rows(vec![]),
            choosing: checks_first.then(|| "0".to_owned()),
            in_flight: None,
            due_at: None,
            with: Batch::default(),
        };
        self.open_job(scope, new).await
    }

    /// Hands over the rows that follow. What [`Core::hand_over`] says; a row that is too large fails by itself when its turn comes.
    pub async fn hand_over_rows(&self, to: &mut HandOver, rows: Vec<Row>) -> Result<()> {
        let texts = rows.iter().map(text_of).collect::<Result<_>>()?;
        self.hand_over(to, texts).await
    }

    /// Rows of an import of the scope that failed, in the order of the file, those from the number `from` on, at most `limit`; in an import that goes on,
    /// further ones may follow. `ResourceNotFound`.
    pub async fn failed_rows(&self, scope: &Scope, id: JobId, from: u64, limit: u32) -> Result<Vec<FailedRow>> {
        self.import(scope, id).await?;
        let found = self.store.begun_targets(id, TargetState::Failed, from.saturating_sub(1), limit).await?;
        let (mut failed, mut block) = (Vec::with_capacity(found.len()), None::<JobBlock>);
        for target in found {
            let at = |block: &JobBlock| block.part(target.place, 1);
            let mut one = block.as_ref().and_then(at);
            if one.is_none() {
                block = self.store.job_block(id, target.place).await?;
                one = block.as_ref().and_then(at);
            }
            let Some(Targets::Rows(rows)) = one.map(|one| one.targets) else { continue };
            let row = rows.first().filter(|row| !row.is_empty()).map(|row| read(row)).transpose()?;
            let fault = RowFault::read(target.detail.as_deref().unwrap_or_default());
            failed.extend(row.map(|row| FailedRow { number: target.place + 1, fault, row }));
        }
        Ok(failed)
    }

    /// An import of the scope, and what it was asked for. `ResourceNotFound`.
    pub async fn import(&self, scope: &Scope, id: JobId) -> Result<(Job, ImportOrder)> {
        let (job, _) = self.job(scope, id).await?;
        if job.kind != JobKind::Import {
            return Err(Error::new(Cause::ResourceNotFound, "there is no such import"));
        }
        let order = order_of(&job)?;
        Ok((job, order))
    }
}

fn order_of(job: &Job) -> Result<ImportOrder> {
    serde_json::from_str(&job.order).map_err(|_| Error::new(Cause::Internal, format!("the import {} cannot be read", job.id)))
}

/// A row as it is kept.
fn text_of(row: &Row) -> Result<String> {
    let text = json(row)?;
    if text.len() <= crate::ROW_BYTES {
        return Ok(text);
    }
    let reason = format!("the row is larger than {} bytes", crate::ROW_BYTES);
    json(&Row::Unread(Box::new(Unread { column: None, reason, given: serde_json::Value::Null })))
}

fn read(row: &str) -> Result<Row> {
    serde_json::from_str(row).map_err(|_| Error::new(Cause::Internal, "a row of an import cannot be read"))
}

fn json(one: &impl Serialize) -> Result<String> {
    serde_json::to_string(one).map_err(|error| Error::new(Cause::Internal, error.to_string()))
}
