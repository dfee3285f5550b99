//! Operations on their way to devices, and how far these say they are.

use super::*;
use landfall_core::{NewOperation, OperationStatus};
use landfall_model::CommandId;
use serde_json::json;

impl Ground {
    /// The tenant's administrator asks a device to do something; gives the operation's id, here and on the wire.
    async fn asks(&self, id: &str, fragments: Value) -> (CommandId, String) {
        let (admin, device) = (self.domain.admin(&self.tenant()).await, self.object(id).await.device().unwrap().id);
        let new = NewOperation { fragments: fragments.as_object().unwrap().clone() };
        let made = self.core.create_operation(&admin, device, new).await.unwrap();
        (made.id, made.number().to_string())
    }

    async fn status(&self, id: CommandId) -> OperationStatus {
        let admin = self.domain.admin(&self.tenant()).await;
        self.core.operation(&admin, id).await.unwrap().status
    }
}

impl Client {
    /// The next message, which is acknowledged.
    pub(super) async fn told(&mut self) -> Told {
        let (first, body) = self.packet().await;
        self.taken(first, &body).await
    }
}

fn on_ds(text: &str) -> Told {
    ("s/ds".to_owned(), text.to_owned())
}

#[tokio::test]
async fn operations_come_and_move_by_what_the_device_says() {
    let ground = Ground::new().await;
    let mut client = ground.agent("d-1").await;
    client.says("s/us", "100", 0).await;
    let (restart, _) = ground.asks("d-1", json!({"c8y_Restart": {}, "description": "again"})).await;
    assert_eq!(client.told().await, on_ds("510,d-1"));
    let (command, _) = ground.asks("d-1", json!({"c8y_Command": {"text": "say \"hi\", you"}})).await;
    assert_eq!(client.told().await, on_ds("511,d-1,\"say \"\"hi\"\", you\""));
    assert_eq!(ground.status(restart).await, OperationStatus::Pending, "only the device moves it");
    client.says("s/us", "501,c8y_Restart\n501,c8y_Command", 0).await;
    assert_eq!(
        (ground.status(restart).await, ground.status(command).await),
        (OperationStatus::Executing, OperationStatus::Executing)
    );
    client.says("s/us", "503,c8y_Restart\n502,c8y_Command,\"no, not now\"", 0).await;
    assert_eq!(
        (ground.status(restart).await, ground.status(command).await),
        (OperationStatus::Successful, OperationStatus::Failed)
    );
    let error = client.error("503,c8y_Restart").await;
    assert!(error.starts_with("41,503,"), "{error}");
}

#[tokio::test]
async fn operations_by_id_have_results() {
    let ground = Ground::new().await;
    let mut client = ground.agent("d-1").await;
    client.says("s/us", "100", 0).await;
    let (first, first_id) = ground.asks("d-1", json!({"c8y_RelayArray": ["OPEN"]})).await;
    assert_eq!(client.told().await, on_ds("519,d-1,OPEN"));
    let (second, second_id) = ground.asks("d-1", json!({"c8y_RelayArray": ["CLOSED"]})).await;
    assert_eq!(client.told().await, on_ds("519,d-1,CLOSED"));
    client.says("s/us", &format!("504,{second_id}\n506,{second_id},CLOSED\n504,{first_id}\n505,{first_id},stuck"), 0).await;
    assert_eq!((ground.status(first).await, ground.status(second).await), (OperationStatus::Failed, OperationStatus::Successful));
    assert_eq!(ground.fragments("d-1").await["c8y_RelayArray"], json!(["CLOSED"]));
    let (third, _) = ground.asks("d-1", json!({"c8y_Restart": {}})).await;
    assert_eq!(client.told().await, on_ds("510,d-1"));
    client.says("s/us", "501,c8y_Restart\n507,,lost", 0).await;
    assert_eq!(ground.status(third).await, OperationStatus::Failed);
    let mut other = ground.agent("d-2").await;
    other.says("s/us", "100", 0).await;
    let (theirs, id) = ground.asks("d-1", json!({"c8y_Restart": {}})).await;
    assert!(other.error(&format!("504,{id}")).await.starts_with("41,504,"), "another device's");
    assert_eq!(ground.status(theirs).await, OperationStatus::Pending);
}

#[tokio::test]
async fn what_waits_is_told_again_when_asked_and_in_each_connection() {
    let ground = Ground::new().await;
    let mut client = ground.agent("d-1").await;
    client.says("s/us", "100", 0).await;
    client.leave().await;
    ground.asks("d-1", json!({"c8y_Restart": {}})).await;
    let mut client = ground.agent("d-1").await;
    assert_eq!(client.told().await, on_ds("510,d-1"));
    assert_eq!(client.says("s/us", "500", 1).await, [on_ds("510,d-1")]);
    let (_, id) = ground.asks("d-1", json!({"c8y_Command": {"text": "ls"}})).await;
    assert_eq!(client.told().await, on_ds("511,d-1,ls"), "and not the first one again");
    client.says("s/us", "501,c8y_Restart", 0).await;
    assert_eq!(client.subscribe(&["devicecontrol/notifications"]).await, [1]);
    let (topic, text) = client.told().await;
    let second: Value = serde_json::from_str(&text).unwrap();
    assert_eq!((&*topic, &second["id"]), ("devicecontrol/notifications", &json!(id)), "what is taken already is not told");
    assert_eq!((&second["status"], &second["c8y_Command"]), (&json!("PENDING"), &json!({"text": "ls"})));
    assert_eq!(second["externalSource"], json!({"externalId": "d-1", "type": "c8y_Serial"}));
}

#[tokio::test]
async fn operations_of_children_come_by_the_parent() {
    let ground = Ground::new().await;
    let mut client = ground.agent("g-1").await;
    client.says("s/us", "100\n101,c-1", 0).await;
    let (restart, _) = ground.asks("c-1", json!({"c8y_Restart": {}})).await;
    assert_eq!(client.told().await, on_ds("510,c-1"));
    client.says("s/us/c-1", "501,c8y_Restart", 0).await;
    client.says("s/us/c-1", "503,c8y_Restart", 0).await;
    assert_eq!(ground.status(restart).await, OperationStatus::Successful);
    ground.asks("c-1", json!({"c8y_Relay": {"relayState": "OPEN"}})).await;
    assert_eq!(client.told().await, on_ds("518,c-1,OPEN"));
    client.leave().await;
    let mut again = ground.agent("g-1").await;
    assert_eq!(again.told().await, on_ds("518,c-1,OPEN"));
}

#[tokio::test]
async fn many_operations_come_as_the_client_takes_them() {
    let ground = Ground::new().await;
    let mut client = ground.agent("d-1").await;
    client.says("s/us", "100", 0).await;
    client.leave().await;
    // More than an outbox holds.
    let most = 300;
    for n in 0..most {
        ground.asks("d-1", json!({"c8y_Command": {"text": n.to_string()}})).await;
    }
    let mut client = ground.agent("d-1").await;
    for n in 0..most {
        assert_eq!(client.told().await, on_ds(&format!("511,d-1,{n}")));
    }
}

#[tokio::test]
async fn own_templates_carry_operations() {
    let ground = Ground::new().await;
    let mut client = ground.agent("d-1").await;
    client.says("s/us", "100", 0).await;
    client.says("s/ut/own", "11,dm1,c8y_Own,c8y_Own,a,list[*]\n10,done,PUT,OPERATION,,c8y_Own,status,OPERATIONSTATUS,", 0).await;
    assert_eq!(client.subscribe(&["s/dc/#"]).await, [1]);
    let (own, _) = ground.asks("d-1", json!({"c8y_Own": {"a": 5, "list": ["x", "y"]}})).await;
    assert_eq!(client.told().await, ("s/dc/own".to_owned(), "dm1,d-1,5,x,y".to_owned()));
    client.says("s/uc/own", "done,EXECUTING\ndone,SUCCESSFUL", 0).await;
    assert_eq!(ground.status(own).await, OperationStatus::Successful);
}
