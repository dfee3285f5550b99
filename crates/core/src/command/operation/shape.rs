//! A command as an operation, and what the words of a device make of it.
//!
//! Pure. A command that was made here has all fragments of the operation as its parameters and the first of them as its service; one that an
//! application made shows its service as the one fragment and its method as the description.

use super::{NewOperation, Operation, OperationChange, OperationStatus, state};
use crate::command::state::Times;
use landfall_model::{Cause, Command, CommandState, Error, Result};
use serde_json::{Map, Value};

/// The method of a command that was made as an operation.
pub(crate) const METHOD: &str = "operation";
/// Bytes of the fragments of an operation, and of what its device adds.
const FRAGMENTS: usize = 65_536;
/// Characters of the name of a fragment.
const NAME: usize = 256;
/// Characters of a reason.
const REASON: usize = 1_024;
/// Where the reason of a failure is kept in the result of a command.
const WHY: &str = "failureReason";
/// What for people is.
const DESCRIPTION: &str = "description";
/// Fields of an operation that are no fragments of it.
const STANDARD: [&str; 9] =
    ["id", "self", "deviceId", "status", "creationTime", WHY, "bulkOperationId", "deviceName", "deviceExternalIDs"];

impl OperationStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Executing, Self::Successful, Self::Failed];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Executing => "EXECUTING",
            Self::Successful => "SUCCESSFUL",
            Self::Failed => "FAILED",
        }
    }

    /// Of a command.
    pub fn of(state: CommandState) -> Self {
        match state {
            CommandState::Pending => Self::Pending,
            CommandState::Sent | CommandState::Delivered => Self::Executing,
            CommandState::Successful => Self::Successful,
            CommandState::Failed | CommandState::Timeout | CommandState::Expired | CommandState::Canceled => Self::Failed,
        }
    }

    /// The states of a command that are this.
    pub(super) fn states(self) -> impl Iterator<Item = CommandState> {
        CommandState::ALL.into_iter().filter(move |state| Self::of(*state) == self)
    }
}

/// Service and parameters of an operation that is made here. `InvalidField`.
pub(super) fn asked(new: NewOperation) -> Result<(String, String)> {
    let mut fragments = new.fragments;
    fragments.retain(|name, _| !STANDARD.contains(&name.as_str()));
    check(&fragments)?;
    let service = fragments.keys().find(|name| *name != DESCRIPTION);
    let service = service.ok_or_else(|| Error::new(Cause::InvalidField, "an operation needs a fragment that says what to do"))?;
    Ok((service.clone(), Value::Object(fragments).to_string()))
}

fn check(fragments: &Map<String, Value>) -> Result<()> {
    if let Some(name) = fragments.keys().find(|name| name.is_empty() || name.chars().count() > NAME) {
        let name: String = name.chars().take(NAME).collect();
        return Err(Error::invalid(name, format!("the name of a fragment must have 1 to {NAME} characters")));
    }
    if Value::Object(fragments.clone()).to_string().len() > FRAGMENTS {
        return Err(Error::new(Cause::InvalidField, format!("the fragments must have at most {FRAGMENTS} bytes together")));
    }
    Ok(())
}

/// A command as everybody sees it.
pub(super) fn shown(command: &Command, device_name: Option<String>) -> Operation {
    let mut fragments = object(&command.paras);
    if !made_here(command) {
        let service = [(command.service_id.clone(), Value::Object(fragments))];
        fragments = service.into_iter().collect();
        fragments.insert(DESCRIPTION.to_owned(), command.method.clone().into());
    }
    let mut result = command.result.as_deref().map(object).unwrap_or_default();
    let told = result.remove(WHY).or_else(|| result.get("error").cloned());
    fragments.extend(result);
    fragments.retain(|name, _| !STANDARD.contains(&name.as_str()));
    let reason = match command.state {
        CommandState::Timeout => Some("the device did not answer in time".to_owned()),
        CommandState::Expired => Some("the device did not take it in time".to_owned()),
        CommandState::Canceled => Some("canceled before the device took it".to_owned()),
        CommandState::Failed => told.map(|why| why.as_str().map_or_else(|| why.to_string(), str::to_owned)),
        _ => None,
    };
    Operation {
        id: command.id,
        device: command.device,
        device_name,
        place: command.place,
        status: OperationStatus::of(command.state),
        created_at: command.created_at,
        failure_reason: reason,
        fragments,
    }
}

/// Nobody but an application names another method, and in its name.
fn made_here(command: &Command) -> bool {
    command.app.is_none() && command.method == METHOD
}

fn object(text: &str) -> Map<String, Value> {
    serde_json::from_str(text).unwrap_or_default()
}

/// The states that follow what is said of a command, in their order; one that has the state of the command only keeps what the device adds.
///
/// What a device said last it may say again. `OperationNotAllowed` where it cannot follow, `InvalidField`.
pub(super) fn after(command: &Command, change: &OperationChange, times: Times) -> Result<Vec<Command>> {
    use OperationStatus::{Executing, Failed, Pending, Successful};
    let now = OperationStatus::of(command.state);
    let next = change.status.unwrap_or(now);
    let result = result(command, change, next)?;
    if change.status.is_none() || next == now && command.state != CommandState::Sent {
        let same = result == command.result;
        return Ok(if same { vec![] } else { vec![Command { version: command.version + 1, result, ..command.clone() }] });
    }
    let to = match (now, next) {
        (Pending | Executing, Executing) => None,
        (Pending | Executing, Successful) => Some(CommandState::Successful),
        (Pending | Executing, Failed) => Some(CommandState::Failed),
        _ => {
            let detail = format!("the operation is {} and cannot become {}", now.as_str(), next.as_str());
            return Err(Error::new(Cause::OperationNotAllowed, detail).at("status"));
        }
    };
    let mut states = vec![];
    let mut last = command.clone();
    if last.state == CommandState::Pending {
        // It may take as long as it was given from the start.
        last = Command { due_at: command.due_at, ..state::sent(&last, times) };
        states.push(last.clone());
    }
    if last.state == CommandState::Sent {
        let result = result.clone().filter(|_| to.is_none());
        last = Command { result, ..state::taken(&last, command.due_at, times.now) };
        states.push(last.clone());
    }
    if let Some(to) = to {
        let result = result.or_else(|| Some("{}".to_owned()));
        states.push(Command { result, ..state::ended(&last, to, times.now) });
    }
    Ok(states)
}

/// The result of a command with what is added to it.
fn result(command: &Command, change: &OperationChange, next: OperationStatus) -> Result<Option<String>> {
    let mut result = command.result.as_deref().map(object).unwrap_or_default();
    let added = change.fragments.iter().filter(|(name, _)| !STANDARD.contains(&name.as_str()));
    let added = added.map(|(name, value)| (name.clone(), value.clone()));
    let asked = if made_here(command) { object(&command.paras) } else { Map::new() };
    // A fragment that is said as it was asked adds nothing.
    result.extend(added.filter(|(name, value)| asked.get(name) != Some(value)));
    if let Some(reason) = change.failure_reason.as_ref().filter(|_| next == OperationStatus::Failed) {
        if reason.chars().count() > REASON {
            return Err(Error::invalid(WHY, format!("must have at most {REASON} characters")));
        }
        result.insert(WHY.to_owned(), reason.clone().into());
    }
    check(&result)?;
    let text = Value::Object(result).to_string();
    Ok(if text == "{}" { command.result.clone() } else { Some(text) })
}

#[cfg(test)]
mod tests;
