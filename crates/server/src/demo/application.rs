//! The application of the demonstration: an OceanConnect client on plain HTTP.

use super::{text, within};
use http_body_util::{BodyExt, Full, Limited};
use hyper::{Request, body::Bytes};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};

/// A logged-in application.
pub struct Application {
    base: String,
    app_id: String,
    bearer: String,
}

impl Application {
    /// Logs in (1.3.1).
    pub async fn login(base: &str, app_id: &str, secret: &str) -> Result<Self, String> {
        let form = [("Content-Type", "application/x-www-form-urlencoded")];
        let body = format!("appId={app_id}&secret={secret}");
        let token = http("POST", &format!("{base}/iocm/app/sec/v1.1.0/login"), &form, &body).await?;
        let bearer = format!("Bearer {}", text(&token, "accessToken")?);
        Ok(Self { base: base.to_owned(), app_id: app_id.to_owned(), bearer })
    }

    /// Calls an operation; an answer with an `error_code` is an error.
    pub async fn call(&self, method: &str, path: &str, body: Option<&Value>) -> Result<Value, String> {
        let headers =
            [("app_key", self.app_id.as_str()), ("Authorization", self.bearer.as_str()), ("Content-Type", "application/json")];
        let body = body.map(Value::to_string).unwrap_or_default();
        let answer = http(method, &format!("{}{path}", self.base), &headers, &body).await?;
        if answer["error_code"].is_string() { Err(format!("{method} {path}: {answer}")) } else { Ok(answer) }
    }

    /// Subscribes (1.6.1).
    pub async fn subscribe(&self, notify_type: &str, callback_url: &str) -> Result<(), String> {
        let body = json!({"notifyType": notify_type, "callbackUrl": callback_url});
        self.call("POST", "/iocm/app/sub/v1.2.0/subscriptions", Some(&body)).await.map(|_| ())
    }

    /// The command that does the same.
    pub fn curl(&self, method: &str, path: &str, body: &str) -> String {
        let data = if body.is_empty() { String::new() } else { format!(" -H 'Content-Type: application/json' -d '{body}'") };
        let key = &self.app_id;
        format!("curl -X {method} -H 'app_key: {key}' -H \"Authorization: Bearer $TOKEN\"{data} '{}{path}'", self.base)
    }
}

/// One request; the JSON of a 2xx answer, null where it has none.
pub async fn http(method: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Result<Value, String> {
    let mut request = Request::builder().method(method).uri(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(Full::new(Bytes::from(body.to_owned()))).map_err(|e| e.to_string())?;
    let client: Client<_, Full<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    within(url, async {
        let answer = client.request(request).await.map_err(|e| format!("{method} {url}: {e}"))?;
        let status = answer.status();
        let bytes = Limited::new(answer.into_body(), 1 << 20).collect().await.map_err(|e| e.to_string())?.to_bytes();
        let value = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).map_err(|e| e.to_string())? };
        if status.is_success() { Ok(value) } else { Err(format!("{method} {url}: {status} {value}")) }
    })
    .await
}
