//! The sequence of requests of one bootstrap. Absent: time; the owner gives up when no answer comes, with [`Sequence::no_answer`].

use std::collections::{BTreeSet, VecDeque};
use std::fmt;

use super::config::{BootstrapConfig, ConfigError};
use crate::codec::EncodeError;
use crate::content_format::ContentFormat;
use crate::link::{LinkLimits, parse_discover};
use crate::message::{Code, Method, Request, Response};
use crate::operation::{self, OperationError, WriteMode};
use crate::path::Path;
use crate::value::{Entry, Value};

/// Which step of a bootstrap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StepName {
    /// Bootstrap-Discover of the root.
    Discover,
    /// Bootstrap-Delete of a path.
    Delete(Path),
    /// Bootstrap-Write of an object instance.
    Write(Path),
    /// Bootstrap-Finish.
    Finish,
}

impl fmt::Display for StepName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Discover => f.write_str("discover"),
            Self::Delete(path) => write!(f, "delete {path}"),
            Self::Write(path) => write!(f, "write {path}"),
            Self::Finish => f.write_str("finish"),
        }
    }
}

/// Why a bootstrap failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BootstrapFailure {
    /// The client refused a step.
    #[error("the client answered {1} to: {0}")]
    Refused(StepName, Code),
    /// The client found what it was told inconsistent (4.06 to Finish).
    #[error("the client found the configuration inconsistent")]
    Inconsistent,
    /// No answer came.
    #[error("the client did not answer to: {0}")]
    NoAnswer(StepName),
}

/// Where a bootstrap stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// [`Sequence::next_request`] has one.
    Ready,
    /// A request is out; [`Sequence::answered`] is next.
    Waiting(StepName),
    /// The client has everything and will register.
    Finished,
    /// It is over.
    Failed(BootstrapFailure),
}

enum Step {
    Discover,
    Delete(Path),
    Write(Path, Vec<Entry>),
    Finish,
}

impl Step {
    fn name(&self) -> StepName {
        match self {
            Self::Discover => StepName::Discover,
            Self::Delete(path) => StepName::Delete(*path),
            Self::Write(path, _) => StepName::Write(*path),
            Self::Finish => StepName::Finish,
        }
    }
}

/// The requests of one bootstrap, one at a time. Feed it answers with [`Sequence::answered`], drain it with [`Sequence::next_request`]
/// while [`Sequence::progress`] is [`Progress::Ready`].
pub struct Sequence {
    config: BootstrapConfig,
    format: ContentFormat,
    steps: VecDeque<Step>,
    progress: Progress,
}

impl fmt::Debug for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sequence").field("format", &self.format).field("progress", &self.progress).finish_non_exhaustive()
    }
}

impl Sequence {
    /// A bootstrap that writes in `format` (see [`super::BootstrapRequest::format`]). With `discover`, the client is asked what it has
    /// first, so that no account is written over its bootstrap account; clients that cannot tell (1.0) go on without.
    ///
    /// # Errors
    /// A configuration that no client could work with.
    pub fn new(config: BootstrapConfig, format: ContentFormat, discover: bool) -> Result<Self, ConfigError> {
        config.validate()?;
        let mut sequence = Self { config, format, steps: VecDeque::new(), progress: Progress::Ready };
        if discover {
            sequence.steps.push_back(Step::Discover);
        } else {
            sequence.plan(&BTreeSet::new());
        }
        Ok(sequence)
    }

    fn plan(&mut self, taken: &BTreeSet<u16>) {
        self.steps.extend(self.config.delete.iter().map(|path| Step::Delete(*path)));
        self.steps.extend(self.config.writes(taken).into_iter().map(|(path, entries)| Step::Write(path, entries)));
        self.steps.push_back(Step::Finish);
    }

    /// Where it stands.
    pub const fn progress(&self) -> Progress {
        self.progress
    }

    /// The request to send now; `None` unless it is [`Progress::Ready`].
    ///
    /// # Errors
    /// Values that the format cannot say.
    pub fn next_request(&mut self) -> Result<Option<Request>, EncodeError> {
        let Some(step) = self.steps.front().filter(|_| self.progress == Progress::Ready) else { return Ok(None) };
        let request = match step {
            Step::Discover => Request { accept: Some(ContentFormat::LINK), ..Request::new(Method::Get, Vec::new()) },
            Step::Delete(path) => Request::new(Method::Delete, path.segments()),
            Step::Write(path, entries) => match operation::write("", path, WriteMode::Replace, self.format, entries) {
                Ok(request) => request,
                Err(OperationError::Encode(error)) => return Err(error),
                Err(_) => return Err(EncodeError::OutsideBase(*path)),
            },
            Step::Finish => Request::new(Method::Post, vec!["bs".into()]),
        };
        self.progress = Progress::Waiting(step.name());
        Ok(Some(request))
    }

    /// Takes the answer to the request that is out; without one, nothing happens.
    pub fn answered(&mut self, response: &Response) -> Progress {
        if !matches!(self.progress, Progress::Waiting(_)) {
            return self.progress;
        }
        let Some(step) = self.steps.pop_front() else { return self.progress };
        // Clients since 1.1 need not know the letter Q in a binding.
        if let Step::Write(path, entries) = &step
            && response.code.class() == 4
            && let Some(plain) = without_queue(entries)
        {
            self.steps.push_front(Step::Write(*path, plain));
            self.progress = Progress::Ready;
            return self.progress;
        }
        self.progress = match (&step, response.code) {
            (Step::Discover, code) => {
                let taken = if code == Code::CONTENT { bootstrap_accounts(&response.payload) } else { BTreeSet::new() };
                self.plan(&taken);
                Progress::Ready
            }
            // What is to be deleted may not be there.
            (Step::Delete(_), Code::DELETED | Code::NOT_FOUND) | (Step::Write(..), Code::CHANGED | Code::CREATED) => {
                Progress::Ready
            }
            (Step::Finish, Code::CHANGED) => Progress::Finished,
            (Step::Finish, Code::NOT_ACCEPTABLE) => Progress::Failed(BootstrapFailure::Inconsistent),
            (step, code) => Progress::Failed(BootstrapFailure::Refused(step.name(), code)),
        };
        self.progress
    }

    /// Says that no answer will come any more.
    pub fn no_answer(&mut self) -> Progress {
        if let Progress::Waiting(step) = self.progress {
            self.progress = Progress::Failed(BootstrapFailure::NoAnswer(step));
        }
        self.progress
    }
}

/// The same values with a binding without queue mode; `None` if it has none.
fn without_queue(entries: &[Entry]) -> Option<Vec<Entry>> {
    let mut plain = entries.to_vec();
    let binding = plain.iter_mut().find(|entry| entry.path.object_id() == Some(1) && entry.path.resource_id() == Some(7))?;
    let Value::Text(letters) = &mut binding.value else { return None };
    let before = letters.len();
    letters.retain(|letter| letter != 'Q');
    (letters.len() < before).then_some(plain)
}

/// The instances of object 0 without a short server id, which are bootstrap accounts (core 1.1 section 6.1.7.3). What cannot be read
/// tells nothing.
fn bootstrap_accounts(payload: &[u8]) -> BTreeSet<u16> {
    let answer = parse_discover(payload, "", &LinkLimits { links: 256, ..LinkLimits::default() }).unwrap_or_default();
    let accounts = answer.links.iter().filter(|link| link.path.object_id() == Some(0) && link.attributes.ssid.is_none());
    accounts.filter_map(|link| link.path.instance_id()).collect()
}
