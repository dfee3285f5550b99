//! Why calls of applications were refused, by the names of the requests.

use super::{
    super::reasons::{ASKS, header, why},
    Client, start,
};
use crate::wire::api::send;
use serde_json::json;

#[test]
fn a_refused_request_leaves_its_reason_under_its_name() {
    let server = start();
    let client = Client::start(&server, "mine");
    let refused = client.send_with("GET", "/nothing", None, None, &[ASKS]);
    assert!(header(&refused, "x-landfall-reason").unwrap().starts_with("ResourceNotFound: "), "{refused:?}");
    let found = &why(&client.app, "mine")[0];
    let id = header(&refused, "x-m2m-ri").unwrap();
    let expected = json!({"requestId": id, "dialect": "onem2m", "operation": "retrieve", "status": 404, "code": "4004"});
    assert_eq!((&found["call"], &found["identity"]), (&expected, &json!("Capp")));

    let refused = client.disguised("mine", "Capp", &format!("{}.nonsense", client.app.id)).get("/nothing");
    assert_eq!((refused.status, refused.text.as_str()), (401, r#"{"m2m:dbg":"missing or invalid access token"}"#));
    assert_eq!(header(&refused, "x-landfall-reason"), None, "nobody asked");
    let found = &why(&client.app, "mine")[0];
    assert!(found["detail"].as_str().unwrap().starts_with("the token was not given out for the application"), "{found}");

    let form = [("Content-Type", "application/x-www-form-urlencoded"), ASKS];
    let body = format!("grant_type=client_credentials&client_id={}&client_secret=wrong", client.app.id);
    send(&server, "POST", "/device-management-orchestrator/oauth/token", &form, Some(body.as_bytes()));
    let found = &why(&client.app, "mine")[0]["call"];
    assert_eq!((&found["operation"], &found["status"], &found["code"]), (&json!("token"), &json!(401), &json!("invalid_client")));
}
