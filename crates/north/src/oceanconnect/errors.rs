//! The error tables of the contract: from a fault of an operation to its status, code and text.
//!
//! Every operation has a table of its own, with its own spelling. The rows here are those that this server can send; where the
//! contract lists a code under several statuses, the row is the one that rule [A 4] picks. Not in any table, and answered all the same:
//! 404 `100404` for operations of the contract that this version does not have, 405 `100405` for methods a path does not have, and 503
//! `100501` where too much is under way: 500 is for faults [A 42].

use super::{Operation, row, row::Row};
use crate::http::Reason;
use axum::{
    body::Body,
    http::{StatusCode, header},
    response::Response,
};
use landfall_model::{Cause, Error};
use serde::Serialize;

/// Why a request is refused.
#[derive(Debug)]
pub(super) enum Fault {
    /// A mandatory field is missing.
    Missing(&'static str),
    /// The body or the query cannot be read: no JSON, a wrong type, a wrong content type.
    Malformed(String),
    /// The header with the appId is missing.
    NoAppKey,
    /// A fault that has a code of its own in the operation's table.
    Coded(&'static str, String),
    /// The core refused, or a field is out of its range.
    Core(Error),
}

impl Fault {
    /// A field out of its range.
    pub fn invalid(path: &'static str, detail: impl Into<std::borrow::Cow<'static, str>>) -> Self {
        Self::Core(Error::invalid(path, detail))
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Core(error)
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Missing(path) => write!(f, "{path}: is mandatory"),
            Self::Malformed(detail) => write!(f, "malformed: {detail}"),
            Self::NoAppKey => f.write_str("app_key: the header is missing"),
            Self::Coded(_, detail) => f.write_str(detail),
            Self::Core(error) => error.fmt(f),
        }
    }
}

/// The error table of an operation.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Errors {
    rows: &'static [Row],
    invalid: Row,
    missing: Row,
    malformed: Row,
}

impl Errors {
    /// Of these rows; what is wrong with the form of a request is answered with 50400.
    pub const fn of(rows: &'static [Row]) -> Self {
        Self { rows, invalid: row::INVALID, missing: row::INVALID, malformed: row::INVALID }
    }

    /// With this row for a value out of its range, of a known form; also for what is missing or malformed, where nothing else follows.
    pub const fn invalid(self, row: Row) -> Self {
        Self { invalid: row, missing: row, malformed: row, ..self }
    }

    /// With this row for a mandatory field that is missing, and for what is malformed.
    pub const fn missing(self, row: Row) -> Self {
        Self { missing: row, malformed: row, ..self }
    }

    /// With this row for what is no request at all.
    pub const fn malformed(self, row: Row) -> Self {
        Self { malformed: row, ..self }
    }

    /// The row for a fault.
    pub fn row(&self, fault: &Fault) -> Row {
        let find = |code: &str| self.rows.iter().find(|row| row.1 == code).copied();
        match fault {
            Fault::NoAppKey => ["100025", "100220", "1010005"].into_iter().find_map(find).unwrap_or(row::UNAUTHENTICATED),
            Fault::Coded(code, _) => find(code).unwrap_or(row::INTERNAL),
            Fault::Missing(path) => own_codes(path).iter().chain(&["102202"]).find_map(|code| find(code)).unwrap_or(self.missing),
            Fault::Malformed(_) => self.malformed,
            Fault::Core(error) => codes(error).iter().find_map(|code| find(code)).unwrap_or_else(|| match error.cause {
                Cause::InvalidField | Cause::PayloadInvalid | Cause::ProductNotFound | Cause::CallbackInvalid => self.invalid,
                Cause::Overloaded | Cause::Stopping => row::CONGESTION,
                // 1.7.1 to 1.7.6 have a code of their own for it.
                _ => find(row::INTERNAL.1).or_else(|| find(row::COMMAND_INTERNAL.1)).unwrap_or(row::INTERNAL),
            }),
        }
    }
}

/// The codes that fit a cause, the best first; the table of the operation decides.
fn codes(error: &Error) -> &'static [&'static str] {
    match error.cause {
        // 1.3.1 and 1.3.2 blame the pair, all others the token.
        Cause::Unauthenticated => &["100208", "1010005"],
        Cause::AppFrozen => &["100449", "1010005"],
        Cause::Throttled => &["1010009"],
        // The tables of 1.6 do not list 100203.
        Cause::AppNotFound => &["100203", "100217"],
        Cause::AppNotAuthorized => &["100217"],
        // The last are those of 1.9.7 and 1.9.8.
        Cause::DeviceNotFound => &["100403", "100418", "100604"],
        Cause::DeviceForeign => &["100418", "100403", "100604"],
        Cause::ProductNotFound => &["600002"],
        Cause::SubscriptionNotFound => &["100225"],
        // Of a group of devices, or of a batch.
        Cause::ResourceNotFound => &["100603", "105005"],
        Cause::NameTaken => &["100602", "105002"],
        // 1.9.1 blames the list of devices.
        Cause::GroupFull => &["100609", "100601"],
        Cause::ServiceNotFound => &["100444", "100431"],
        Cause::ModelNotFound => &["100425"],
        Cause::CommandNotFound => &["100434"],
        Cause::CommandNotPending => &["100435"],
        Cause::DeviceNotActive => &["100610"],
        Cause::DeviceOnline => &["100611"],
        Cause::DeviceZombie => &["100612"],
        Cause::CommandLimit => &["100223"],
        Cause::PropertiesEmpty => &["107002"],
        Cause::PropertyUnknown => &["107003"],
        Cause::PropertyReadOnly => &["100443"],
        Cause::CommandUnknown => &["102203"],
        Cause::CommandMuted => &["100432"],
        Cause::NodeIdTaken => &["100426"],
        Cause::SubscriptionExists => &["100227"],
        Cause::CallbackInvalid => &["100222"],
        Cause::DeviceOffline => &["100428"],
        // The remark of 107003 blames the connection of the device.
        Cause::TakesNoWork => &["100428", "107003"],
        Cause::GatewayOffline => &["100450"],
        Cause::DeviceLimit => &["100412"],
        Cause::Overloaded | Cause::Stopping => &["100501"],
        // A device with too many waiting calls; an application with too many subscriptions, or too many batches under way; an account with too many
        // groups.
        Cause::TooMany => &["100501", "100227", "105001", "100607"],
        Cause::CodecNotFound | Cause::CodecFailed => &["100001"],
        Cause::InvalidField => error.path.as_deref().map(own_codes).unwrap_or_default(),
        _ => &[],
    }
}

/// The codes of a field that has some of its own: a refusal blames no other field (contract section 17).
fn own_codes(path: &str) -> &'static [&'static str] {
    match path {
        "verifyCode" => &["100003"],
        "callbackUrl" => &["100222"],
        _ => &[],
    }
}

/// The error body and status for a fault.
pub(super) fn refuse(operation: &Operation, fault: &Fault) -> Response {
    let (status, code, desc) = operation.errors.row(fault);
    let named = |check| Reason::new(code, check, fault.to_string());
    let reason = match fault {
        Fault::Missing(_) => named("field.missing"),
        Fault::Malformed(_) => named("request.malformed"),
        Fault::NoAppKey => named("app-key.missing"),
        Fault::Coded(check, _) => named(check),
        Fault::Core(error) => Reason::of(code, error),
    };
    if let Fault::Core(error) = fault
        && error.kind() == landfall_model::ErrorKind::Internal
    {
        tracing::error!(operation = operation.id, %fault, "request failed");
    }
    reason.on(body(status, code, desc))
}

/// The answer where a handler panicked.
pub(super) fn failed() -> Response {
    let (status, code, desc) = row::INTERNAL;
    body(status, code, desc)
}

/// The answer for operations of the contract that this version does not have.
pub(super) fn unsupported() -> Response {
    let reason = Reason::new("100404", "path.unknown", "there is no such path, or its operation is not supported");
    reason.on(body(404, "100404", "The operation is not supported by this version."))
}

/// The answer for a method that a path does not have.
pub(super) fn wrong_method() -> Response {
    let reason = Reason::new("100405", "method.unknown", "the path does not have this method");
    reason.on(body(405, "100405", "The method is not supported by this path."))
}

fn body(status: u16, code: &str, desc: &str) -> Response {
    #[derive(Serialize)]
    struct ErrorBody<'a> {
        error_code: &'a str,
        error_desc: &'a str,
    }
    let text = serde_json::to_vec(&ErrorBody { error_code: code, error_desc: desc }).unwrap_or_default();
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response.headers_mut().insert(header::CONTENT_TYPE, header::HeaderValue::from_static("application/json"));
    response
}

#[cfg(test)]
mod tests {
    use super::{super::OPERATIONS, row::*, *};

    const CONTRACT: &str = include_str!("../../../../spec/oceanconnect/huawei-northbound.openapi.yaml");

    /// The rows that the contract prints for an operation.
    fn printed(operation: &Operation) -> Vec<String> {
        let start = CONTRACT.find(&format!("operationId: {}\n", operation.id)).expect("operation");
        let rest = &CONTRACT[start + 12..];
        let end = rest.find("operationId:").unwrap_or(rest.len());
        rest[..end].lines().filter_map(|line| line.trim().strip_prefix("- {http: ")).map(plain).collect()
    }

    /// A row without quotes and note.
    fn plain(row: &str) -> String {
        let row = row.split(", note: ").next().unwrap_or_default().trim_end_matches('}');
        format!("{}}}", row.replace('\'', ""))
    }

    #[test]
    fn every_row_is_printed_in_the_contract() {
        // What the tables lack and the contract's text adds: section 8 for 1.6.3.
        let added = [("get_subscription", "100217"), ("get_subscription", "100225")];
        for operation in OPERATIONS {
            let printed = printed(operation);
            assert!(!printed.is_empty(), "{}", operation.id);
            for (status, code, desc) in operation.errors.rows {
                let row = format!("{status}, code: {code}, desc: {}}}", desc.replace('\'', ""));
                let listed = printed.contains(&row);
                assert!(listed || added.contains(&(operation.id, code)), "{}: {row}", operation.id);
            }
        }
    }

    #[test]
    fn every_cause_has_a_row_of_its_operation() {
        for operation in OPERATIONS {
            for cause in Cause::ALL {
                let (status, code, _) = operation.errors.row(&Fault::Core(Error::new(*cause, "why")));
                let known = operation.errors.rows.iter().any(|r| r.1 == code) || [INTERNAL.1, CONGESTION.1].contains(&code);
                // What these take cannot be out of range.
                let takes_ids =
                    ["delete_device", "get_device_activation", "get_device_shadow", "delete_device_group", "get_device_group"];
                let extra = takes_ids.contains(&operation.id) && code == INVALID.1;
                assert!(known || extra, "{} {cause:?}: {status} {code}", operation.id);
            }
        }
    }

    #[test]
    fn the_same_cause_differs_by_operation() {
        let core = |cause| Fault::Core(Error::new(cause, ""));
        let cases = [
            (
                "register_device_verify_code",
                core(Cause::AppNotAuthorized),
                (403, "100217", "The application has not been authorized."),
            ),
            ("register_device_password", core(Cause::AppNotAuthorized), NOT_AUTHORIZED),
            ("call_device_service", core(Cause::AppNotAuthorized), (200, "100217", "The application hasn't been authorized.")),
            ("call_device_service", core(Cause::AppNotFound), (200, "100203", "The application is not existed.")),
            ("subscribe_service_data", core(Cause::AppNotFound), NOT_AUTHORIZED),
            ("get_device", core(Cause::DeviceNotFound), NO_DEVICE),
            ("get_device", core(Cause::DeviceForeign), FOREIGN_DEVICE),
            ("get_device_activation", core(Cause::DeviceForeign), NO_DEVICE),
            ("list_device_data_history", core(Cause::DeviceNotFound), (200, "100418", "The deviceData is not existed.")),
            ("call_device_service", core(Cause::DeviceNotFound), (200, "100418", "The deviceData is not existed.")),
            ("modify_device", core(Cause::ProductNotFound), INVALID_100022),
            ("register_device_verify_code", core(Cause::ProductNotFound), NO_PRODUCT),
            ("login", core(Cause::Unauthenticated), WRONG_SECRET),
            ("get_device", core(Cause::Unauthenticated), UNAUTHENTICATED),
            ("register_device_verify_code", Fault::NoAppKey, (401, "100025", "AppId for auth not exist.")),
            ("call_device_service", Fault::NoAppKey, UNAUTHENTICATED),
            ("login", Fault::Missing("secret"), FIELD_NULL),
            ("refresh_token", Fault::Malformed(String::new()), INVALID),
            ("register_device_verify_code", Fault::invalid("verifyCode", ""), (400, "100003", "Invalid verify code.")),
            ("register_device_verify_code", Fault::invalid("psk", ""), INVALID),
            ("register_device_password", Fault::Missing("deviceInfo.nodeId"), BAD_MESSAGE),
            ("delete_device", Fault::invalid("cascade", ""), INVALID),
            ("get_subscription", core(Cause::SubscriptionNotFound), NOT_FOUND),
            ("call_device_service", core(Cause::TooMany), CONGESTION),
            ("subscribe_service_data", core(Cause::Internal), INTERNAL),
            ("subscribe_service_data", Fault::Missing("callbackUrl"), (400, "100222", "The request callbackurl is illegal.")),
            ("subscribe_service_data", core(Cause::CallbackInvalid), (400, "100222", "The request callbackurl is illegal.")),
            ("subscribe_service_data", Fault::Missing("notifyType"), INVALID),
            ("subscribe_service_data", Fault::invalid("channel", ""), INVALID),
            ("subscribe_service_data", Fault::Malformed(String::new()), INVALID),
            ("list_subscriptions", Fault::invalid("pageSize", ""), INVALID),
            ("create_device_command", Fault::invalid("callbackUrl", ""), INVALID_100022),
            ("create_device_command", core(Cause::Internal), COMMAND_INTERNAL),
            ("create_device_command", core(Cause::ServiceNotFound), (200, "100431", "The serviceType is not exist.")),
            ("call_device_service", core(Cause::ServiceNotFound), (404, "100444", "The serviceType is not exist.")),
            ("create_device_command", core(Cause::AppNotAuthorized), NOT_AUTHORIZED),
            ("modify_device_command", core(Cause::AppNotAuthorized), NOT_AUTHORIZED_200),
            ("create_device_command", core(Cause::CallbackInvalid), INVALID_100022),
            ("list_command_cancel_tasks", core(Cause::AppNotFound), NO_APP),
            ("list_device_commands", core(Cause::AppNotFound), NO_APP_200),
            ("create_device_command", core(Cause::DeviceZombie), (403, "100612", "Device is zombie.")),
            ("create_device_command", core(Cause::CommandLimit), (400, "100223", "Command counts has reached the upLimit.")),
            ("create_device_command", core(Cause::TakesNoWork), (200, "100428", "The device is not online.")),
            ("modify_device_shadow", core(Cause::TakesNoWork), (400, "107003", "The request properties is unknown.")),
            ("create_device_command", core(Cause::Overloaded), CONGESTION),
            ("login", core(Cause::Overloaded), CONGESTION),
            ("modify_device", core(Cause::Stopping), CONGESTION),
            ("refresh_device_key", Fault::invalid("verifyCode", ""), BAD_CODE),
            ("refresh_device_key", Fault::Malformed(String::new()), BAD_MESSAGE),
            ("refresh_device_key", Fault::NoAppKey, NO_APP_KEY),
            ("list_device_commands", Fault::NoAppKey, COMMAND_NO_APP_KEY),
            ("get_device_shadow", Fault::NoAppKey, UNAUTHENTICATED_SHADOW),
            ("modify_device_shadow", core(Cause::DeviceNotFound), NO_DEVICE),
            ("get_device_shadow", core(Cause::DeviceNotFound), FOREIGN_DEVICE),
            ("create_device_group", core(Cause::TooMany), (200, "100607", "The devGroup has reached the limit.")),
            ("create_device_group", core(Cause::GroupFull), (400, "100609", "Too much devices to add.")),
            ("create_device_group", core(Cause::NameTaken), (200, "100602", "The device group name has been used.")),
            (
                "modify_device_group",
                core(Cause::GroupFull),
                (200, "100601", "The number of device in the group has reach the max."),
            ),
            ("delete_device_group", core(Cause::ResourceNotFound), (200, "100603", "The device group is not existed")),
            ("get_device_group", core(Cause::ResourceNotFound), (200, "100603", "The device group is not existed.")),
            ("list_device_groups", core(Cause::AppNotAuthorized), NOT_AUTHORIZED_200),
            ("add_device_group_members", core(Cause::AppNotAuthorized), NOT_AUTHORIZED),
            (
                "add_device_group_members",
                core(Cause::DeviceForeign),
                (400, "100604", "The device group request parameter is invalid."),
            ),
            ("remove_device_group_members", Fault::Missing("deviceIds"), INVALID),
            ("list_device_group_members", Fault::Missing("devGroupId"), INVALID),
            ("modify_device_shadow", core(Cause::ModelNotFound), (200, "100425", "The special deviceCapability is not exist.")),
        ];
        for (id, fault, expected) in cases {
            let operation = OPERATIONS.iter().find(|operation| operation.id == id).unwrap();
            assert_eq!(operation.errors.row(&fault), expected, "{id} {fault:?}");
        }
    }
}
