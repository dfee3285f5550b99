//! What a batch asks, and what its targets tell.

use landfall_model::{Cause, Command, CommandId, CommandState, Error, Job, JobCounts, JobTarget, Result, TargetState};
use serde::{Deserialize, Serialize};

/// Bytes of a result that a target keeps; of a longer one the command alone tells.
const RESULT_BYTES: usize = 4_000;

/// What a batch asks, as it is kept with its job.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchOrder {
    /// Of which devices.
    pub selection: Selection,
    /// Service of their products, 1 to 64 characters.
    pub service_id: String,
    /// Command of the service, 1 to 128 characters.
    pub method: String,
    /// JSON object of parameters, at most 64 KiB.
    pub paras: String,
    /// Takes a callback on every change of state of each command.
    pub callback_url: Option<String>,
    /// Sends of a command after the first, 0 to 3.
    pub max_retransmit: u8,
    /// Minutes after which what is open is over.
    pub timeout_min: u32,
    /// Labels of the batch; they select nothing.
    pub tags: Vec<Tag>,
    /// Kept and shown; the source gives it no meaning.
    pub group_tag: Option<String>,
}

/// Which devices of the application.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Selection {
    /// These, by id, as they were written. The list is kept as the job's targets and not here.
    Devices(#[serde(skip)] Vec<String>),
    /// Those whose product has these keys.
    Model {
        /// Device type.
        device_type: String,
        /// Manufacturer id.
        manufacturer_id: String,
        /// Model.
        model: String,
    },
    /// Those at this location.
    Location(String),
    /// Those of groups of these names.
    GroupsNamed(Vec<String>),
    /// Those of groups with these ids.
    Groups(Vec<String>),
    /// All.
    All,
}

/// A label of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tag {
    /// 1 to 128 characters.
    pub name: String,
    /// 1 to 1,024 characters.
    pub value: String,
}

/// A batch, and how far it is.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchTask {
    /// Its job.
    pub job: Job,
    /// How many of its commands are in which state.
    pub counts: JobCounts,
    /// What it asks, with the list of its devices where it has one.
    pub order: BatchOrder,
}

/// The part of a batch that one device has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SubTask {
    /// How far it is.
    pub state: TargetState,
    /// Id of the device, as it was written.
    pub device: String,
    /// Its command.
    pub command: Option<CommandId>,
    /// Why there is no command, or why its end is not waited for.
    pub refused: Option<Error>,
    /// The last state of the command and its result.
    pub ended: Option<(CommandState, Option<String>)>,
}

impl BatchOrder {
    pub(super) fn of(job: &Job) -> Result<Self> {
        serde_json::from_str(&job.order).map_err(|_| Error::new(Cause::Internal, "the order of the batch cannot be read"))
    }
}

impl SubTask {
    /// Of a target. What fails by neither refusal nor command has lost its device, what the server stops has lost its application.
    pub(super) fn of(target: JobTarget, device: String) -> Self {
        let detail = target.detail.as_deref();
        let ended = detail.and_then(ended);
        let cause = match target.state {
            TargetState::Failed if ended.is_none() => Some(Cause::DeviceNotFound),
            TargetState::Stopped => Some(Cause::AppNotAuthorized),
            _ => None,
        };
        let lost = || Some(Error::new(cause?, detail?.to_owned()));
        let refused = detail.and_then(refused).or_else(lost);
        Self { state: target.state, device, command: target.command, refused, ended }
    }
}

/// As a target tells why it has no command.
pub(super) fn refusal(error: &Error) -> String {
    let mut text = format!("{}: {error}", error.cause.as_str());
    text.truncate(text.floor_char_boundary(RESULT_BYTES));
    text
}

/// The refusal that a target tells.
pub(super) fn refused(detail: &str) -> Option<Error> {
    let (word, reason) = detail.split_once(": ")?;
    let cause = Cause::ALL.iter().find(|cause| cause.as_str() == word)?;
    Some(Error::new(*cause, reason.to_owned()))
}

/// As a target tells what became of its command.
pub(crate) fn outcome(command: &Command) -> String {
    match command.result.as_ref().filter(|result| result.len() <= RESULT_BYTES) {
        Some(result) => format!("{} {result}", command.state.as_str()),
        None => command.state.as_str().to_owned(),
    }
}

/// The end of a command that a target tells.
pub(super) fn ended(detail: &str) -> Option<(CommandState, Option<String>)> {
    let (word, result) = detail.split_once(' ').map_or((detail, None), |(word, result)| (word, Some(result.to_owned())));
    CommandState::ALL.into_iter().find(|state| state.as_str() == word).map(|state| (state, result))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_target_tells_is_read_again() {
        let error = Error::new(Cause::DeviceZombie, "the device: not seen");
        assert_eq!(refused(&refusal(&error)), Some(error));
        let invalid = Error::invalid("command.paras", "must be an object");
        assert_eq!(refused(&refusal(&invalid)), Some(Error::new(Cause::InvalidField, "command.paras: must be an object")));
        let long = Error::new(Cause::InvalidField, "ü".repeat(4_096));
        assert!(refusal(&long).len() <= RESULT_BYTES && refused(&refusal(&long)).is_some());
        assert_eq!(ended("SUCCESSFUL {\"a\": 1}"), Some((CommandState::Successful, Some("{\"a\": 1}".into()))));
        assert_eq!(ended("EXPIRED"), Some((CommandState::Expired, None)));
        for other in ["", "DeviceZombie", "stopped by an operator", "nothing: of ours"] {
            assert_eq!((refused(other), ended(other)), (None, None), "{other}");
        }
    }

    #[test]
    fn a_list_of_devices_is_not_kept_twice() {
        let order = |selection| BatchOrder {
            selection,
            service_id: "Device".into(),
            method: "REBOOT".into(),
            paras: "{}".into(),
            callback_url: None,
            max_retransmit: 0,
            timeout_min: 10,
            tags: vec![Tag { name: "n".into(), value: "v".into() }],
            group_tag: Some("g".into()),
        };
        let model = Selection::Model { device_type: "Meter".into(), manufacturer_id: "acme".into(), model: "M1".into() };
        for (given, kept) in [
            (Selection::Devices(vec!["d".into()]), Selection::Devices(vec![])),
            (model.clone(), model),
            (Selection::Location("hall".into()), Selection::Location("hall".into())),
            (Selection::GroupsNamed(vec!["a".into()]), Selection::GroupsNamed(vec!["a".into()])),
            (Selection::Groups(vec![]), Selection::Groups(vec![])),
            (Selection::All, Selection::All),
        ] {
            let text = serde_json::to_string(&order(given)).unwrap();
            assert_eq!(serde_json::from_str::<BatchOrder>(&text).unwrap(), order(kept), "{text}");
        }
    }
}
