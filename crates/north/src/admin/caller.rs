//! Who calls, for which account, with which body: the extractors of the admin API.

use super::{
    Admin, Operations,
    error::Refusal,
    query::{Params, id},
    routes::operation,
};
use crate::http::{Call, Unread};
use axum::{
    body::Bytes,
    extract::{FromRequest, FromRequestParts, MatchedPath, Request},
    http::{HeaderMap, StatusCode, header, request::Parts},
};
use landfall_core::{Core, Operator, Scope};
use landfall_model::{App, AppId, Cause, Error, PageRequest, Result};
use serde::de::DeserializeOwned;
use std::sync::Arc;

/// The account that an operator of the server means when no account is named.
const DEFAULT_ACCOUNT: &str = "default";

/// An operator and what was asked.
pub(super) struct Caller {
    pub(super) core: Arc<Core>,
    pub(super) ops: Arc<dyn Operations>,
    pub(super) operator: Operator,
    pub(super) params: Params,
    call: Call,
}

impl Caller {
    /// `Forbidden` unless the operator is the server's.
    pub(super) fn need_server(&self) -> Result<()> {
        if self.operator.is_server() {
            return Ok(());
        }
        Err(Error::new(Cause::Forbidden, "only the operator of the server may do this"))
    }
}

/// An operator with authority over one account.
pub(super) struct Over {
    pub(super) core: Arc<Core>,
    pub(super) ops: Arc<dyn Operations>,
    pub(super) params: Params,
    pub(super) scope: Scope,
    call: Call,
}

impl Over {
    /// The application of this id or name, which the call is about.
    pub(super) async fn app(&self, text: &str) -> Result<Arc<App>> {
        let app = self.find_app(text).await?;
        self.call.is_of(&app);
        Ok(app)
    }

    async fn find_app(&self, text: &str) -> Result<Arc<App>> {
        if let Ok(id) = text.parse::<AppId>() {
            return self.core.app(&self.scope, id).await;
        }
        let size = 1_000;
        for no in 0..=self.core.settings().apps / u64::from(size) {
            let page = self.core.apps(&self.scope, PageRequest { no, size }).await?;
            if let Some(app) = page.items.iter().find(|app| app.name == text) {
                return Ok(app.clone());
            }
            if page.items.len() < size as usize {
                break;
            }
        }
        Err(Error::new(Cause::AppNotFound, "there is no application of this id or name"))
    }

    /// Authority over the devices of the application named, or of the account's only one.
    pub(super) async fn narrowed(&self, app: Option<&str>) -> Result<Scope> {
        let app = match app {
            Some(text) => self.app(text).await.map_err(|error| error.at("app"))?,
            None => {
                let mut page = self.core.apps(&self.scope, PageRequest { no: 0, size: 2 }).await?;
                match (page.items.pop(), page.total) {
                    (Some(only), 1) => only,
                    _ => return Err(Error::invalid("app", "name the application, as the account does not have exactly one")),
                }
            }
        };
        self.core.narrow(&self.scope, app.id).await
    }
}

impl FromRequestParts<Arc<Admin>> for Caller {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, admin: &Arc<Admin>) -> std::result::Result<Self, Refusal> {
        let call = Call::of(&parts.extensions);
        if let Some(path) = parts.extensions.get::<MatchedPath>() {
            call.asks(operation(&parts.method, path.as_str()));
        }
        let operator = admin.core.operator(bearer(&parts.headers)?).await?;
        call.is_of_operator();
        let params = Params::read(parts.uri.query().unwrap_or_default())?;
        Ok(Self { core: admin.core.clone(), ops: admin.ops.clone(), operator, params, call })
    }
}

impl FromRequestParts<Arc<Admin>> for Over {
    type Rejection = Refusal;

    async fn from_request_parts(parts: &mut Parts, admin: &Arc<Admin>) -> std::result::Result<Self, Refusal> {
        let caller = Caller::from_request_parts(parts, admin).await?;
        let scope = chosen_account(&caller).await.map_err(|error| error.at("account"))?;
        Ok(Self { core: caller.core, ops: caller.ops, params: caller.params, scope, call: caller.call })
    }
}

/// The account that a call names, or the operator's own, or the one named `default`.
pub(super) async fn chosen_account(caller: &Caller) -> Result<Scope> {
    let (core, operator) = (&caller.core, &caller.operator);
    let account = match (caller.params.text("account"), operator.account()) {
        (Some(text), _) => match text.parse() {
            Ok(id) => core.account(operator, id).await?,
            Err(_) => core.account_by_name(operator, text).await?,
        },
        (None, Some(own)) => core.account(operator, own).await?,
        (None, None) => core.account_by_name(operator, DEFAULT_ACCOUNT).await?,
    };
    operator.over(account.id)
}

/// The account in a path: an id or a name.
pub(super) async fn account_in_path(caller: &Caller, text: &str) -> Result<landfall_model::AccountId> {
    match text.parse() {
        Ok(id) => Ok(id),
        Err(_) => Ok(caller.core.account_by_name(&caller.operator, text).await?.id),
    }
}

/// The device in a path.
pub(super) fn device_id(text: &str) -> std::result::Result<landfall_model::DeviceId, Refusal> {
    id(text, Cause::DeviceNotFound)
}

/// The job in a path.
pub(super) fn job_id(text: &str) -> std::result::Result<landfall_model::JobId, Refusal> {
    id(text, Cause::ResourceNotFound)
}

/// The bearer token of a request.
pub(super) fn bearer(headers: &HeaderMap) -> Result<&str> {
    let value = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = value.and_then(|value| value.split_once(' ')).filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
    match token.map(|(_, token)| token.trim()) {
        Some(token) if !token.is_empty() => Ok(token),
        _ => Err(Error::new(Cause::Unauthenticated, "send the operator token as `Authorization: Bearer ...`")),
    }
}

/// A JSON body.
pub(super) struct JsonBody<T>(pub(super) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for JsonBody<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> std::result::Result<Self, Refusal> {
        let RawBody(bytes) = RawBody::from_request(request, state).await?;
        let text = landfall_core::json::sound(&bytes).map_err(|why| Error::invalid("body", why))?;
        let value = serde_json::from_str(&text).map_err(|error| Error::invalid("body", error.to_string()))?;
        Ok(Self(value))
    }
}

/// The bytes of a body, within the limit of its route.
pub(super) struct RawBody(pub(super) Bytes);

impl<S: Send + Sync> FromRequest<S> for RawBody {
    type Rejection = Refusal;

    async fn from_request(request: Request, state: &S) -> std::result::Result<Self, Refusal> {
        Bytes::from_request(request, state).await.map(Self).map_err(|rejection| {
            match (Unread::of(&rejection), rejection.status()) {
                (Some(why), _) => Error::invalid("body", why.to_string()).into(),
                (None, StatusCode::PAYLOAD_TOO_LARGE) => {
                    Refusal::http(StatusCode::PAYLOAD_TOO_LARGE, "BodyTooLarge", "the body is larger than this operation takes")
                }
                _ => Error::invalid("body", "could not be read").into(),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_are_taken_from_the_header_alone() {
        let cases = [
            (Some("Bearer abc"), Some("abc")),
            (Some("bearer  abc "), Some("abc")),
            (Some("Basic abc"), None),
            (Some("Bearer "), None),
            (Some("abc"), None),
            (None, None),
        ];
        for (value, expected) in cases {
            let mut headers = HeaderMap::new();
            if let Some(value) = value {
                headers.insert(header::AUTHORIZATION, value.parse().unwrap());
            }
            assert_eq!(bearer(&headers).ok(), expected, "{value:?}");
        }
    }
}
