//! Rows that several error tables of the contract have.

/// A row of an error table: HTTP status, `error_code`, `error_desc`.
pub(super) type Row = (u16, &'static str, &'static str);

pub(super) const THROTTLED: Row = (403, "1010009", "app throttle exceed.");
pub(super) const UNAUTHENTICATED: Row = (403, "1010005", "App_key or access_token is invalid.");
pub(super) const NO_APP: Row = (403, "100203", "The application is not existed.");
pub(super) const NOT_AUTHORIZED: Row = (403, "100217", "The application hasn't been authorized.");
pub(super) const NO_DEVICE: Row = (404, "100403", "The device is not existed.");
pub(super) const FOREIGN_DEVICE: Row = (404, "100418", "The deviceData is not existed.");
pub(super) const INTERNAL: Row = (500, "50252", "Internal server error.");
pub(super) const NO_PRODUCT: Row = (403, "600002", "The product not existed.");
pub(super) const NODE_TAKEN: Row = (400, "100426", "The nodeId is duplicated.");
pub(super) const BAD_MESSAGE: Row = (400, "100007", "Bad request message.");
pub(super) const DEVICE_LIMIT: Row = (500, "100412", "The amount of device has reached the limit.");
pub(super) const INVALID: Row = (400, "50400", "The input is invalid.");
pub(super) const INVALID_100022: Row = (400, "100022", "The input is invalid.");
pub(super) const APP_INPUT_INVALID: Row = (400, "100216", "The application input is invalid.");
pub(super) const PARAMETER_INVALID: Row = (400, "100405", "The request parameter is invalid.");
pub(super) const NO_SUBJECT: Row = (400, "100419", "The deviceId and gatewayId can't be both null.");
pub(super) const FIELD_NULL: Row = (400, "102202", "Required Parameter is null or empty.");
pub(super) const WRONG_SECRET: Row = (401, "100208", "AppId or secret is not right.");
pub(super) const BAD_CODE: Row = (400, "100003", "Invalid verify code.");
pub(super) const NO_APP_KEY: Row = (401, "100025", "AppId for auth not exist.");
pub(super) const NO_DEVICE_200: Row = (200, "100418", "The deviceData is not existed.");
pub(super) const OFFLINE: Row = (200, "100428", "The device is not online.");
pub(super) const NO_SERVICE: Row = (200, "100431", "The serviceType is not exist.");
pub(super) const COMMAND_LIMIT: Row = (400, "100223", "Command counts has reached the upLimit.");
pub(super) const ZOMBIE: Row = (403, "100612", "Device is zombie.");
pub(super) const NO_APP_200: Row = (200, "100203", "The application is not existed.");
pub(super) const NOT_AUTHORIZED_200: Row = (200, "100217", "The application hasn't been authorized.");
/// 1.4.8 and 1.4.9 print it so.
pub(super) const UNAUTHENTICATED_SHADOW: Row = (403, "1010005", "pp_key or access_token is invalid.");
pub(super) const COMMAND_INTERNAL: Row = (500, "100001", "Internal server error.");
pub(super) const COMMAND_NO_APP_KEY: Row = (500, "100220", "Get AppKey from header failed.");
pub(super) const CONGESTION: Row = (503, "100501", "Congestion occurs, and the current network has been flow-controlled");
pub(super) const NOT_FOUND: Row = (404, "100225", "The resource is not found");
