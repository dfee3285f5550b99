//! Revocation of all pending commands of a device: made and listed (1.7.5, 1.7.6).

use super::{
    Errors, Fault,
    command::{bytes, page_of, pagination},
    map::{self, within},
    request::{Inbound, Query, answer, check_size, existing},
    row,
    wire::{CreateRevocation, Paged},
};
use axum::{http::StatusCode, response::Response};
use landfall_core::RevokeFilter;
use landfall_model::{RevokeState, TaskId};

/// Task states as filters, with the spellings of examples and other tables (contract row 19): a task that waits is printed WAITTING, and
/// what is still to be done DEFAULT or PENDDING.
const STATES: [(&str, RevokeState); 9] = [
    ("WAITING", RevokeState::Waiting),
    ("WAITTING", RevokeState::Waiting),
    ("DEFAULT", RevokeState::Waiting),
    ("PENDING", RevokeState::Waiting),
    ("PENDDING", RevokeState::Waiting),
    ("RUNNING", RevokeState::Running),
    ("SUCCESS", RevokeState::Success),
    ("PART_SUCCESS", RevokeState::PartSuccess),
    ("FAILED", RevokeState::Failed),
];

/// 1.7.5 and 1.7.6.
pub(super) const BOTH: Errors = Errors::of(&[
    row::NO_DEVICE_200,
    row::INVALID_100022,
    row::NO_APP,
    row::NOT_AUTHORIZED,
    row::THROTTLED,
    row::UNAUTHENTICATED,
    row::COMMAND_INTERNAL,
    row::COMMAND_NO_APP_KEY,
    row::CONGESTION,
])
.invalid(row::INVALID_100022);

/// 1.7.5
pub(super) async fn create(inbound: Inbound) -> Result<Response, Fault> {
    let scope = inbound.scope().await?;
    let request: CreateRevocation = inbound.json()?;
    let device = request.device_id.filter(|id| !id.is_empty()).ok_or(Fault::Missing("deviceId"))?;
    within("deviceId", Some(&device), 1, 64)?;
    let (task, commands) = inbound.core().revoke_commands(&scope, existing(&device, "deviceId")?).await?;
    answer(StatusCode::CREATED, &map::revocation(&task, &commands))
}

/// 1.7.6
pub(super) async fn list(inbound: Inbound) -> Result<Response, Fault> {
    let scope = inbound.scope().await?;
    let query = inbound.query();
    let page = page_of(query)?;
    let state = query.word("status", &STATES)?;
    let (after, before) = query.period()?;
    let device = query.device("deviceId")?;
    if let Some(device) = device {
        inbound.core().device(&scope, device).await?;
    }
    let Ok(task) = task_id(query) else {
        return answer(StatusCode::OK, &Paged::<()> { pagination: pagination(page, 0), data: vec![] });
    };
    let filter = RevokeFilter { account: scope.account(), app: None, task, device, state, after, before };
    let found = inbound.core().revoke_tasks(&scope, filter, page).await?;
    check_size(found.items.iter().flat_map(|(_, commands)| commands).map(bytes).sum())?;
    let data = found.items.iter().map(|(task, commands)| map::revocation(task, commands)).collect();
    answer(StatusCode::OK, &Paged { pagination: pagination(page, found.total), data })
}

/// The task to look for. What is no id names no task, for which there is no code.
fn task_id(query: &Query) -> Result<Option<TaskId>, ()> {
    query.text("taskId").map(|text| text.parse().map_err(|_| ())).transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_are_taken_in_every_spelling() {
        for (word, state) in STATES {
            let query = Query::read(&format!("status={word}")).unwrap();
            assert_eq!(query.word("status", &STATES).unwrap(), Some(state));
        }
        assert!(Query::read("status=waiting").unwrap().word("status", &STATES).is_err());
        assert_eq!(task_id(&Query::read("").unwrap()), Ok(None));
        assert!(task_id(&Query::read("taskId=x").unwrap()).is_err());
    }
}
