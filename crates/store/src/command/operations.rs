//! Commands as operations: those of a device or a gateway in some of their states, in the order in which they were made.

use super::visible_page;
use crate::{
    device::shadows,
    engine::{
        documents::{Conditions, id_value},
        sql::{Sql, SqlResult, Value, to_db},
    },
};
use landfall_core::OperationFilter;
use landfall_model::{Command, CommandState, Page, PageRequest, Sort};

/// The states of the index of what is open, in the words of its definition.
const OPEN: &str = "state IN ('PENDING', 'SENT', 'DELIVERED')";

/// The fragments of a command: its service, and what is at the top of its parameters.
pub(super) fn names(command: &Command) -> String {
    let names = shadows::names(&command.paras);
    let service = shadows::line(&command.service_id);
    if names.contains(&service) { names } else { names + &service }
}

/// A page of commands. The index of what is open is by device, and so is read for a device or a gateway; what else there is goes by time.
pub(super) fn list(sql: &mut dyn Sql, filter: &OperationFilter, page: PageRequest) -> SqlResult<Page<Command>> {
    let open = !filter.states.is_empty() && !filter.states.iter().copied().any(CommandState::is_final);
    let fragment = filter.fragment.as_deref().map(shadows::line);
    let account = id_value(&filter.account.0);
    let mut conditions = Conditions::new();
    match open && (filter.device.is_some() || filter.gateway.is_some()) {
        true => {
            conditions.and_also(OPEN);
            conditions.sift("account", account);
        }
        false => conditions.and("account = #", account),
    }
    if let Some(device) = &filter.device {
        conditions.and("device = #", id_value(&device.0));
    }
    if let Some(gateway) = &filter.gateway {
        // A gateway is listed with those behind it.
        conditions.and("device IN (SELECT d.id FROM device d WHERE d.account = #", account);
        conditions.and("d.gateway = #)", id_value(&gateway.0));
    }
    if !filter.states.is_empty() {
        conditions.sift_any("state", filter.states.iter().map(|state| Value::Text(state.as_str())));
    }
    if let Some(fragment) = &fragment {
        conditions.and("replace(names, #, '') <> names", Value::Text(fragment));
    }
    if let Some(place) = filter.after_place {
        conditions.and("place > #", Value::Int(to_db(place)));
    }
    if let Some(from) = filter.from {
        conditions.and("created_at >= #", Value::Int(from.0));
    }
    conditions.and_between("created_at", None, filter.to);
    let order = match filter.sort {
        Sort::Ascending => "created_at, id",
        Sort::Descending => "created_at DESC, id DESC",
    };
    visible_page(sql, conditions, "command", order, page)
}
