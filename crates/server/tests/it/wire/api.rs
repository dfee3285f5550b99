//! An HTTP client that holds every OceanConnect answer to the contract.

use super::server::Server;
use landfall_testkit::contract::Contract;
use serde_json::{Value, json};
use std::sync::{LazyLock, Mutex};

pub static CONTRACT: LazyLock<&'static Contract> = LazyLock::new(Contract::oceanconnect);
/// Operations and codes that were seen, for the coverage test.
pub static SEEN: Mutex<Vec<(String, u16, String)>> = Mutex::new(Vec::new());

/// An answer.
#[derive(Clone, Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub text: String,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    /// `(status, error_code)`.
    pub fn error(&self) -> (u16, String) {
        (self.status, self.json()["error_code"].as_str().unwrap_or_default().to_owned())
    }
}

/// Sends any request to the plain listener.
pub fn send(server: &Server, method: &str, path: &str, headers: &[(&str, &str)], body: Option<&[u8]>) -> Answer {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut request = ureq::http::Request::builder().method(method).uri(format!("{}{path}", server.url()));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let request = request.body(body.unwrap_or_default().to_vec()).unwrap();
    let mut response = agent.run(request).unwrap_or_else(|e| panic!("{method} {path}: {e}"));
    let named = |(name, value): (&ureq::http::HeaderName, &ureq::http::HeaderValue)| {
        (name.to_string(), value.to_str().unwrap_or_default().to_owned())
    };
    let headers = response.headers().iter().map(named).collect();
    Answer { status: response.status().as_u16(), headers, text: response.body_mut().read_to_string().unwrap() }
}

/// The admin API with the server's token.
pub fn admin(server: &Server, method: &str, path: &str, body: Option<Value>) -> Answer {
    let token = format!("Bearer {}", server.admin_token());
    let body = body.map(|body| body.to_string().into_bytes());
    let headers = [("Authorization", token.as_str()), ("Content-Type", "application/json")];
    send(server, method, &format!("/api/v1{path}"), &headers, body.as_deref())
}

/// An OceanConnect application with a token.
pub struct App<'a> {
    pub server: &'a Server,
    pub id: String,
    pub secret: String,
    pub token: String,
}

impl<'a> App<'a> {
    /// Makes an application in an account and logs it in.
    pub fn create(server: &'a Server, account: &str, name: &str) -> Self {
        let made = admin(server, "POST", &format!("/apps?account={account}"), Some(json!({"name": name})));
        assert_eq!(made.status, 201, "{}", made.text);
        let (id, secret) = (text(&made.json(), "appId"), text(&made.json(), "secret"));
        let mut app = Self { server, id, secret, token: String::new() };
        app.login();
        app
    }

    pub fn login(&mut self) {
        let body = format!("appId={}&secret={}", self.id, self.secret);
        let headers = [("Content-Type", "application/x-www-form-urlencoded")];
        let answer = send(self.server, "POST", "/iocm/app/sec/v1.1.0/login", &headers, Some(body.as_bytes()));
        check("POST", "/iocm/app/sec/v1.1.0/login", &answer);
        assert_eq!(answer.status, 200, "{}", answer.text);
        self.token = text(&answer.json(), "accessToken");
    }

    /// Calls an operation; the answer must fit the contract.
    pub fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let headers = [("app_key", self.id.as_str()), ("Authorization", &bearer), ("Content-Type", "application/json")];
        let body = body.map(|body| body.to_string().into_bytes());
        let answer = send(self.server, method, path, &headers, body.as_deref());
        check(method, path, &answer);
        answer
    }

    /// Registers an MQTT device; gives `(deviceId, secret)`.
    pub fn register(&self, node_id: &str, product_id: &str) -> (String, String) {
        let body = json!({"deviceInfo": {"nodeId": node_id}, "mqttConnect": true, "productId": product_id});
        let answer = self.call("POST", "/iocm/app/reg/v2.0.0/deviceCredentials", Some(body));
        assert_eq!(answer.status, 200, "{}", answer.text);
        (text(&answer.json(), "deviceId"), text(&answer.json(), "secret"))
    }

    pub fn subscribe(&self, notify_type: &str, callback_url: &str) -> String {
        let body = json!({"notifyType": notify_type, "callbackUrl": callback_url});
        let answer = self.call("POST", "/iocm/app/sub/v1.2.0/subscriptions", Some(body));
        assert_eq!(answer.status, 201, "{}", answer.text);
        text(&answer.json(), "subscriptionId")
    }

    pub fn history(&self, device_id: &str, page_size: u32) -> Value {
        let path =
            format!("/iocm/app/data/v1.2.0/deviceDataHistory?deviceId={device_id}&gatewayId={device_id}&pageSize={page_size}");
        let answer = self.call("GET", &path, None);
        assert_eq!(answer.status, 200, "{}", answer.text);
        answer.json()
    }
}

/// An account of its own; gives its name.
pub fn account(server: &Server, name: &str) -> String {
    let made = admin(server, "POST", "/accounts", Some(json!({"name": name})));
    assert_eq!(made.status, 201, "{}", made.text);
    name.to_owned()
}

/// The thermometer of the tests in an account; gives its productId.
pub fn thermometer(server: &Server, account: &str) -> String {
    let made = admin(server, "POST", &format!("/products?account={account}"), Some(thermometer_model()));
    assert_eq!(made.status, 201, "{}", made.text);
    text(&made.json(), "productId")
}

/// A product of a model in an account; gives its productId.
pub fn example(server: &Server, account: &str, model: &str) -> String {
    let made = admin(server, "POST", &format!("/products?account={account}"), Some(serde_json::from_str(model).unwrap()));
    assert_eq!(made.status, 201, "{}", made.text);
    text(&made.json(), "productId")
}

/// The status of a device of an account.
pub fn status(server: &Server, account: &str, device: &str) -> String {
    text(&admin(server, "GET", &format!("/devices/{device}?account={account}"), None).json(), "status")
}

pub fn thermometer_model() -> Value {
    json!({
        "name": "Thermometer T1",
        "manufacturerId": "acme", "manufacturerName": "Acme", "deviceType": "Thermometer", "model": "T1", "protocolType": "MQTT",
        "services": [
            {"serviceId": "Battery", "serviceType": "Battery",
             "properties": [{"propertyName": "batteryLevel", "dataType": "int", "min": "0", "max": "100", "method": "RE"}]},
            {"serviceId": "Thermometer", "serviceType": "Thermometer",
             "properties": [{"propertyName": "temperature", "dataType": "decimal", "method": "RE"},
                            {"propertyName": "unit", "dataType": "string", "maxLength": 8, "method": "RE"}]},
            {"serviceId": "Switch", "serviceType": "Switch",
             "commands": [{"commandName": "SET", "paras": [{"paraName": "value", "dataType": "int", "required": true}]}]}
        ]
    })
}

pub fn text(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_else(|| panic!("no {key} in {value}")).to_owned()
}

/// Holds an answer to the contract and notes what was seen.
pub fn check(method: &str, path: &str, answer: &Answer) {
    let bare = path.split('?').next().unwrap_or_default();
    match CONTRACT.check_answer(method, bare, answer.status, answer.text.as_bytes()) {
        Ok(operation) => {
            let code = answer.json()["error_code"].as_str().unwrap_or_default().to_owned();
            SEEN.lock().unwrap().push((operation.id.clone(), answer.status, code));
        }
        Err(violation) => panic!("{method} {path} -> {} {}: {violation}", answer.status, answer.text),
    }
}
