//! The error tables of the contract: from a fault of an operation to its status, code and text.
//!
//! Every operation has a table of its own, with its own spelling. The rows here are those that this server can send; where the
//! contract lists a code under several statuses, the row is the one that rule [A 4] picks. Not in any table, and answered all the same:
//! 404 `100404` for operations of the contract that this version does not have, 405 `100405` for methods a path does not have, and 503
//! `100501` where too much is under way: 500 is for faults [A 42].

use super::Operation;
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

/// A row of an error table: HTTP status, `error_code`, `error_desc`.
pub(super) type Row = (u16, &'static str, &'static str);

const THROTTLED: Row = (403, "1010009", "app throttle exceed.");
const UNAUTHENTICATED: Row = (403, "1010005", "App_key or access_token is invalid.");
const NO_APP: Row = (403, "100203", "The application is not existed.");
const NOT_AUTHORIZED: Row = (403, "100217", "The application hasn't been authorized.");
const NO_DEVICE: Row = (404, "100403", "The device is not existed.");
const FOREIGN_DEVICE: Row = (404, "100418", "The deviceData is not existed.");
const INTERNAL: Row = (500, "50252", "Internal server error.");
const NO_PRODUCT: Row = (403, "600002", "The product not existed.");
const NODE_TAKEN: Row = (400, "100426", "The nodeId is duplicated.");
const BAD_MESSAGE: Row = (400, "100007", "Bad request message.");
const DEVICE_LIMIT: Row = (500, "100412", "The amount of device has reached the limit.");
const INVALID: Row = (400, "50400", "The input is invalid.");
const INVALID_100022: Row = (400, "100022", "The input is invalid.");
const APP_INPUT_INVALID: Row = (400, "100216", "The application input is invalid.");
const PARAMETER_INVALID: Row = (400, "100405", "The request parameter is invalid.");
const FIELD_NULL: Row = (400, "102202", "Required Parameter is null or empty.");
const WRONG_SECRET: Row = (401, "100208", "AppId or secret is not right.");
const BAD_CODE: Row = (400, "100003", "Invalid verify code.");
const NO_APP_KEY: Row = (401, "100025", "AppId for auth not exist.");
const NO_DEVICE_200: Row = (200, "100418", "The deviceData is not existed.");
const NO_APP_200: Row = (200, "100203", "The application is not existed.");
const NOT_AUTHORIZED_200: Row = (200, "100217", "The application hasn't been authorized.");
/// 1.4.8 and 1.4.9 print it so.
const UNAUTHENTICATED_SHADOW: Row = (403, "1010005", "pp_key or access_token is invalid.");
const COMMAND_INTERNAL: Row = (500, "100001", "Internal server error.");
const COMMAND_NO_APP_KEY: Row = (500, "100220", "Get AppKey from header failed.");
const CONGESTION: Row = (503, "100501", "Congestion occurs, and the current network has been flow-controlled");
const NOT_FOUND: Row = (404, "100225", "The resource is not found");

const MODIFY_SHADOW: &[Row] = &[
    (200, "100425", "The special deviceCapability is not exist."),
    (200, "100431", "The serviceType is not exist."),
    (400, "107002", "The properties is empty in database."),
    (400, "107003", "The request properties is unknown."),
    INVALID,
    NO_APP,
    NOT_AUTHORIZED,
    (403, "100443", "The property is forbidden to write."),
    THROTTLED,
    UNAUTHENTICATED_SHADOW,
    NO_DEVICE,
    FOREIGN_DEVICE,
    INTERNAL,
];
const SHADOW_HISTORY: &[Row] = &[
    APP_INPUT_INVALID,
    (400, "100419", "The deviceId and gatewayId can't be both null."),
    NO_APP,
    NOT_AUTHORIZED,
    THROTTLED,
    UNAUTHENTICATED,
    INTERNAL,
];
const CREATE_COMMAND: &[Row] = &[
    NO_APP_200,
    NO_DEVICE_200,
    (200, "100428", "The device is not online."),
    (200, "100431", "The serviceType is not exist."),
    INVALID_100022,
    (400, "100223", "Command counts has reached the upLimit."),
    NOT_AUTHORIZED,
    (403, "100612", "Device is zombie."),
    THROTTLED,
    UNAUTHENTICATED,
    COMMAND_INTERNAL,
    COMMAND_NO_APP_KEY,
    CONGESTION,
];
const LIST_COMMANDS: &[Row] = &[
    NO_APP_200,
    NO_DEVICE_200,
    INVALID_100022,
    NOT_AUTHORIZED,
    THROTTLED,
    UNAUTHENTICATED,
    COMMAND_INTERNAL,
    COMMAND_NO_APP_KEY,
    CONGESTION,
];
const CANCEL_COMMAND: &[Row] = &[
    NO_APP_200,
    NOT_AUTHORIZED_200,
    (200, "100434", "The device command is not existed."),
    (200, "100435", "The device command already canceled, expired or executed, Cannot cancel."),
    INVALID_100022,
    THROTTLED,
    UNAUTHENTICATED,
    COMMAND_INTERNAL,
    COMMAND_NO_APP_KEY,
    CONGESTION,
];
/// 1.7.5 and 1.7.6.
const REVOCATION: &[Row] = &[
    NO_DEVICE_200,
    INVALID_100022,
    NO_APP,
    NOT_AUTHORIZED,
    THROTTLED,
    UNAUTHENTICATED,
    COMMAND_INTERNAL,
    COMMAND_NO_APP_KEY,
    CONGESTION,
];
const GET_SHADOW: &[Row] = &[NO_APP, NOT_AUTHORIZED, THROTTLED, UNAUTHENTICATED_SHADOW, FOREIGN_DEVICE, INTERNAL];

const REGISTER_BY_CODE: &[Row] = &[
    BAD_CODE,
    BAD_MESSAGE,
    NODE_TAKEN,
    INVALID,
    NO_APP_KEY,
    NO_APP,
    (403, "100217", "The application has not been authorized."),
    THROTTLED,
    UNAUTHENTICATED,
    NO_PRODUCT,
    DEVICE_LIMIT,
    INTERNAL,
];
const REGISTER_BY_SECRET: &[Row] =
    &[BAD_MESSAGE, NODE_TAKEN, INVALID, NO_APP, NOT_AUTHORIZED, THROTTLED, UNAUTHENTICATED, NO_PRODUCT, DEVICE_LIMIT, INTERNAL];
const MODIFY_DEVICE: &[Row] = &[
    INVALID_100022,
    (400, "100440", "The isSecure is invalid."),
    INVALID,
    NO_APP,
    NOT_AUTHORIZED,
    THROTTLED,
    UNAUTHENTICATED,
    NO_DEVICE,
    FOREIGN_DEVICE,
    INTERNAL,
];
const LIST_DEVICES: &[Row] = &[
    APP_INPUT_INVALID,
    (400, "100218", "The gatewayId and pageNo cannot be both null."),
    PARAMETER_INVALID,
    NO_APP,
    NOT_AUTHORIZED,
    THROTTLED,
    UNAUTHENTICATED,
    INTERNAL,
];
const HISTORY: &[Row] = &[
    NO_DEVICE_200,
    APP_INPUT_INVALID,
    (400, "100419", "The deviceId and gatewayId can't be both null."),
    NO_APP,
    NOT_AUTHORIZED,
    THROTTLED,
    UNAUTHENTICATED,
    INTERNAL,
];
const CALL_SERVICE: &[Row] = &[
    NO_APP_200,
    NOT_AUTHORIZED_200,
    NO_DEVICE_200,
    (200, "100428", "The device is not online."),
    (200, "100432", "The device command is muted."),
    INVALID_100022,
    (400, "102203", "CommandName is invalid."),
    (403, "100450", "The gateway is not online."),
    THROTTLED,
    UNAUTHENTICATED,
    (404, "100444", "The serviceType is not exist."),
    COMMAND_INTERNAL,
    INTERNAL,
    CONGESTION,
];
const REFRESH_KEY: &[Row] = &[
    BAD_CODE,
    BAD_MESSAGE,
    NODE_TAKEN,
    (400, "100610", "Device is not active."),
    (400, "100611", "Device is online."),
    INVALID,
    NO_APP_KEY,
    NO_APP,
    NOT_AUTHORIZED,
    THROTTLED,
    UNAUTHENTICATED,
    NO_DEVICE,
    FOREIGN_DEVICE,
    INTERNAL,
];

/// The table of an operation.
pub(super) fn table(operation: Operation) -> &'static [Row] {
    match operation {
        Operation::Login => &[(400, "100449", "The device is frozen cant operate."), FIELD_NULL, WRONG_SECRET, INTERNAL],
        Operation::RefreshToken => {
            &[(400, "100449", "The device is freezed cant operate."), FIELD_NULL, INVALID, WRONG_SECRET, INTERNAL]
        }
        Operation::RegisterByCode => REGISTER_BY_CODE,
        Operation::RegisterBySecret => REGISTER_BY_SECRET,
        Operation::ModifyDevice => MODIFY_DEVICE,
        Operation::DeleteDevice => &[NO_APP, NOT_AUTHORIZED, THROTTLED, UNAUTHENTICATED, NO_DEVICE, FOREIGN_DEVICE, INTERNAL],
        Operation::Activation => &[NO_APP, NOT_AUTHORIZED, THROTTLED, UNAUTHENTICATED, NO_DEVICE, INTERNAL],
        Operation::GetDevice => {
            &[PARAMETER_INVALID, NO_APP, NOT_AUTHORIZED, THROTTLED, UNAUTHENTICATED, NO_DEVICE, FOREIGN_DEVICE, INTERNAL]
        }
        Operation::ListDevices => LIST_DEVICES,
        Operation::History => HISTORY,
        Operation::Capabilities => &[INVALID_100022, NO_APP, NOT_AUTHORIZED, THROTTLED, UNAUTHENTICATED, INTERNAL],
        Operation::Subscribe => &[
            (400, "100222", "The request callbackurl is illegal."),
            NOT_AUTHORIZED,
            THROTTLED,
            UNAUTHENTICATED,
            (409, "100227", "The resource is conflicted."),
        ],
        Operation::ListSubscriptions => &[
            (400, "100224", "The resource exceeds 1000, please refinement query conditions."),
            NOT_AUTHORIZED,
            THROTTLED,
            UNAUTHENTICATED,
        ],
        // The printed table of 1.6.3 has neither 100217 nor 100225; it takes those of 1.6.5 (contract section 8).
        Operation::GetSubscription | Operation::DeleteSubscription | Operation::DeleteSubscriptions => {
            &[NOT_AUTHORIZED, THROTTLED, UNAUTHENTICATED, NOT_FOUND]
        }
        Operation::CallService => CALL_SERVICE,
        Operation::RefreshKey => REFRESH_KEY,
        Operation::ModifyShadow => MODIFY_SHADOW,
        Operation::ShadowHistory => SHADOW_HISTORY,
        Operation::CreateCommand => CREATE_COMMAND,
        Operation::ListCommands => LIST_COMMANDS,
        Operation::CancelCommand => CANCEL_COMMAND,
        Operation::GetShadow => GET_SHADOW,
        Operation::CreateRevocation | Operation::ListRevocations => REVOCATION,
    }
}

/// The row for a fault of an operation.
pub(super) fn row(operation: Operation, fault: &Fault) -> Row {
    let listed = table(operation);
    let find = |code: &str| listed.iter().find(|row| row.1 == code).copied();
    match fault {
        Fault::NoAppKey => ["100025", "100220", "1010005"].into_iter().find_map(find).unwrap_or(UNAUTHENTICATED),
        Fault::Coded(code, _) => find(code).unwrap_or(INTERNAL),
        Fault::Missing(_) => find("102202").unwrap_or_else(|| missing(operation)),
        Fault::Malformed(_) => malformed(operation),
        Fault::Core(error) => codes(error).iter().find_map(|code| find(code)).unwrap_or_else(|| match error.cause {
            Cause::InvalidField | Cause::PayloadInvalid | Cause::ProductNotFound | Cause::CallbackInvalid => invalid(operation),
            Cause::Overloaded | Cause::Stopping => CONGESTION,
            // 1.7.1 to 1.7.6 have a code of their own for it.
            _ => find(INTERNAL.1).or_else(|| find(COMMAND_INTERNAL.1)).unwrap_or(INTERNAL),
        }),
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
        Cause::DeviceNotFound => &["100403", "100418"],
        Cause::DeviceForeign => &["100418", "100403"],
        Cause::ProductNotFound => &["600002"],
        Cause::SubscriptionNotFound => &["100225"],
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
        Cause::GatewayOffline => &["100450"],
        Cause::DeviceLimit => &["100412"],
        Cause::Overloaded | Cause::Stopping => &["100501"],
        // A device with too many waiting calls; an application with too many subscriptions.
        Cause::TooMany => &["100501", "100227"],
        Cause::CodecNotFound | Cause::CodecFailed => &["100001"],
        Cause::InvalidField if error.path.as_deref() == Some("verifyCode") => &["100003"],
        _ => &[],
    }
}

/// A value out of its range, of a known form.
fn invalid(operation: Operation) -> Row {
    match operation {
        Operation::Login => FIELD_NULL,
        Operation::GetDevice | Operation::ListDevices => PARAMETER_INVALID,
        Operation::History | Operation::ShadowHistory => APP_INPUT_INVALID,
        Operation::ModifyDevice | Operation::Capabilities | Operation::CallService => INVALID_100022,
        Operation::CreateCommand | Operation::ListCommands | Operation::CancelCommand => INVALID_100022,
        Operation::CreateRevocation | Operation::ListRevocations => INVALID_100022,
        // The only code with status 400 that these tables have.
        Operation::Subscribe | Operation::ListSubscriptions => table(operation)[0],
        // A filter that names nothing known matches nothing.
        Operation::GetSubscription | Operation::DeleteSubscription | Operation::DeleteSubscriptions => NOT_FOUND,
        // 1.4.7 and 1.4.9 take nothing that could be out of range; 1.4.5 lists no code for a bad `cascade`, and guessing would delete devices.
        _ => INVALID,
    }
}

fn missing(operation: Operation) -> Row {
    match operation {
        Operation::RegisterByCode | Operation::RegisterBySecret | Operation::RefreshKey => BAD_MESSAGE,
        _ => invalid(operation),
    }
}

fn malformed(operation: Operation) -> Row {
    match operation {
        // 1.4.4 lists both 100022 and 50400 with the same text: this one for what is no request at all.
        Operation::ModifyDevice => INVALID,
        _ => missing(operation),
    }
}

/// The error body and status for a fault.
pub(super) fn refuse(operation: Operation, fault: &Fault) -> Response {
    let (status, code, desc) = row(operation, fault);
    match fault {
        Fault::Core(error) if error.kind() == landfall_model::ErrorKind::Internal => {
            tracing::error!(operation = operation.id(), %fault, "request failed");
        }
        _ => tracing::debug!(operation = operation.id(), code, %fault, "request refused"),
    }
    body(status, code, desc)
}

/// The answer for operations of the contract that this version does not have.
pub(super) fn unsupported() -> Response {
    body(404, "100404", "The operation is not supported by this version.")
}

/// The answer for a method that a path does not have.
pub(super) fn wrong_method() -> Response {
    body(405, "100405", "The method is not supported by this path.")
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
    use super::*;

    const CONTRACT: &str = include_str!("../../../../spec/oceanconnect/huawei-northbound.openapi.yaml");

    /// The rows that the contract prints for an operation.
    fn printed(operation: Operation) -> Vec<String> {
        let start = CONTRACT.find(&format!("operationId: {}\n", operation.id())).expect("operation");
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
        let added = [(Operation::GetSubscription, "100217"), (Operation::GetSubscription, "100225")];
        for operation in Operation::ALL {
            let printed = printed(operation);
            assert!(!printed.is_empty(), "{operation:?}");
            for (status, code, desc) in table(operation) {
                let row = format!("{status}, code: {code}, desc: {}}}", desc.replace('\'', ""));
                let listed = printed.contains(&row);
                assert!(listed || added.contains(&(operation, code)), "{operation:?}: {row}");
            }
        }
    }

    #[test]
    fn every_cause_has_a_row_of_its_operation() {
        for operation in Operation::ALL {
            for cause in Cause::ALL {
                let (status, code, _) = row(operation, &Fault::Core(Error::new(*cause, "why")));
                let known = table(operation).iter().any(|r| r.1 == code) || [INTERNAL.1, CONGESTION.1].contains(&code);
                let extra = matches!(operation, Operation::DeleteDevice | Operation::Activation | Operation::GetShadow)
                    && code == INVALID.1;
                assert!(known || extra, "{operation:?} {cause:?}: {status} {code}");
            }
        }
    }

    #[test]
    fn the_same_cause_differs_by_operation() {
        use Operation as Op;
        let core = |cause| Fault::Core(Error::new(cause, ""));
        let cases = [
            (Op::RegisterByCode, core(Cause::AppNotAuthorized), (403, "100217", "The application has not been authorized.")),
            (Op::RegisterBySecret, core(Cause::AppNotAuthorized), NOT_AUTHORIZED),
            (Op::CallService, core(Cause::AppNotAuthorized), (200, "100217", "The application hasn't been authorized.")),
            (Op::CallService, core(Cause::AppNotFound), (200, "100203", "The application is not existed.")),
            (Op::Subscribe, core(Cause::AppNotFound), NOT_AUTHORIZED),
            (Op::GetDevice, core(Cause::DeviceNotFound), NO_DEVICE),
            (Op::GetDevice, core(Cause::DeviceForeign), FOREIGN_DEVICE),
            (Op::Activation, core(Cause::DeviceForeign), NO_DEVICE),
            (Op::History, core(Cause::DeviceNotFound), (200, "100418", "The deviceData is not existed.")),
            (Op::CallService, core(Cause::DeviceNotFound), (200, "100418", "The deviceData is not existed.")),
            (Op::ModifyDevice, core(Cause::ProductNotFound), INVALID_100022),
            (Op::RegisterByCode, core(Cause::ProductNotFound), NO_PRODUCT),
            (Op::Login, core(Cause::Unauthenticated), WRONG_SECRET),
            (Op::GetDevice, core(Cause::Unauthenticated), UNAUTHENTICATED),
            (Op::RegisterByCode, Fault::NoAppKey, (401, "100025", "AppId for auth not exist.")),
            (Op::CallService, Fault::NoAppKey, UNAUTHENTICATED),
            (Op::Login, Fault::Missing("secret"), FIELD_NULL),
            (Op::RefreshToken, Fault::Malformed(String::new()), INVALID),
            (Op::RegisterByCode, Fault::invalid("verifyCode", ""), (400, "100003", "Invalid verify code.")),
            (Op::RegisterByCode, Fault::invalid("psk", ""), INVALID),
            (Op::RegisterBySecret, Fault::Missing("deviceInfo.nodeId"), BAD_MESSAGE),
            (Op::DeleteDevice, Fault::invalid("cascade", ""), INVALID),
            (Op::GetSubscription, core(Cause::SubscriptionNotFound), NOT_FOUND),
            (Op::CallService, core(Cause::TooMany), table(Op::CallService)[13]),
            (Op::Subscribe, core(Cause::Internal), INTERNAL),
            (Op::CreateCommand, core(Cause::Internal), COMMAND_INTERNAL),
            (Op::CreateCommand, core(Cause::ServiceNotFound), (200, "100431", "The serviceType is not exist.")),
            (Op::CallService, core(Cause::ServiceNotFound), (404, "100444", "The serviceType is not exist.")),
            (Op::CreateCommand, core(Cause::AppNotAuthorized), NOT_AUTHORIZED),
            (Op::CancelCommand, core(Cause::AppNotAuthorized), NOT_AUTHORIZED_200),
            (Op::CreateCommand, core(Cause::CallbackInvalid), INVALID_100022),
            (Op::ListRevocations, core(Cause::AppNotFound), NO_APP),
            (Op::ListCommands, core(Cause::AppNotFound), NO_APP_200),
            (Op::CreateCommand, core(Cause::DeviceZombie), (403, "100612", "Device is zombie.")),
            (Op::CreateCommand, core(Cause::CommandLimit), (400, "100223", "Command counts has reached the upLimit.")),
            (Op::CreateCommand, core(Cause::Overloaded), CONGESTION),
            (Op::Login, core(Cause::Overloaded), CONGESTION),
            (Op::ModifyDevice, core(Cause::Stopping), CONGESTION),
            (Op::RefreshKey, Fault::invalid("verifyCode", ""), BAD_CODE),
            (Op::RefreshKey, Fault::Malformed(String::new()), BAD_MESSAGE),
            (Op::RefreshKey, Fault::NoAppKey, NO_APP_KEY),
            (Op::ListCommands, Fault::NoAppKey, COMMAND_NO_APP_KEY),
            (Op::GetShadow, Fault::NoAppKey, UNAUTHENTICATED_SHADOW),
            (Op::ModifyShadow, core(Cause::DeviceNotFound), NO_DEVICE),
            (Op::GetShadow, core(Cause::DeviceNotFound), FOREIGN_DEVICE),
            (Op::ModifyShadow, core(Cause::ModelNotFound), (200, "100425", "The special deviceCapability is not exist.")),
        ];
        for (operation, fault, expected) in cases {
            assert_eq!(row(operation, &fault), expected, "{operation:?} {fault:?}");
        }
    }
}
