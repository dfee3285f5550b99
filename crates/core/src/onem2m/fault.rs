//! What went wrong about devices, in the words of Device-to-Cloud: entries of `error-msg` and of the shared `logs`.

use crate::{Core, DeviceCaller, Target, node_name, onem2m::node::json_instance};
use landfall_model::{AccountPart, Batch, Device, DeviceId, Error, MessageBox, Result};
use serde_json::{Value, json};
use std::sync::Arc;

/// What went wrong about a device: the error summary table of Device-to-Cloud.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum NodeFault {
    NameMissing,
    NameTaken,
    CredentialsMissing,
    EventRefused,
    ProfileMissing,
    Subscription,
    GetDeviceData,
    CreateDeviceObjects,
    CreateDeviceData,
    RemoveSubscription,
    CreateSubscription,
    CreateInTable,
    Unexpected,
    UpdateDeviceData,
    UpdateDeviceProperties,
    GetFromTable,
    UpdateInTable,
    DeleteDeviceData,
    ProcessNotification,
}

impl NodeFault {
    /// `status.code` and `status.detail`, the latter word for word.
    pub fn status(self) -> (u16, &'static str) {
        match self {
            Self::NameMissing => (
                400,
                "Device could not been provisioned. Check the data of device-provisioning request. nodeResourceName is missed.",
            ),
            Self::NameTaken => (400, "Device could not been provisioned. Device with the same nodeResourceName already exists."),
            Self::CredentialsMissing => (
                400,
                "Device could not been provisioned. Check the data of device-provisioning request. psk-id or psk is missed.",
            ),
            Self::EventRefused => (400, "device event could not been handled. Check the data of device. profile is missed."),
            Self::ProfileMissing => {
                (400, "Device could not been provisioned. Check the data of device-provisioning request. profile is missed.")
            }
            Self::Subscription => (500, "Internal server error: subscription creation failed."),
            Self::GetDeviceData => (500, "Internal server error: device-provisioning unable to get device data."),
            Self::CreateDeviceObjects => (500, "Internal server error: device-provisioning unable to create device objects."),
            Self::CreateDeviceData => (500, "Internal server error: device-provisioning unable to create device data."),
            Self::RemoveSubscription => (500, "Internal server error: device-provisioning unable to remove device subscription."),
            Self::CreateSubscription => (500, "Internal server error: device-provisioning unable to create device subscription."),
            Self::CreateInTable => (500, "Internal server error: device-provisioning unable to create device data in table."),
            Self::Unexpected => (500, "Internal server error: unexpected error occurred."),
            Self::UpdateDeviceData => (500, "Internal server error: device-provisioning unable to update device data."),
            Self::UpdateDeviceProperties => {
                (500, "Internal server error: device-provisioning unable to update device properties.")
            }
            Self::GetFromTable => (500, "Internal server error: device-provisioning unable to get device data from table."),
            Self::UpdateInTable => (500, "Internal server error: device-provisioning unable to update device data in table."),
            Self::DeleteDeviceData => (500, "Internal server error: device-provisioning unable to delete device data."),
            Self::ProcessNotification => (500, "Internal server error: device-provisioning unable to process notification data."),
        }
    }
}

impl Core {
    /// Where the server itself failed at a device, its `error-msg` and `logs` tell so, as far as they still can be written.
    pub(crate) async fn told_of<T>(&self, id: DeviceId, fault: NodeFault, outcome: Result<T>) -> Result<T> {
        if outcome.as_ref().is_err_and(Error::is_ours)
            && let Ok(Some(device)) = self.store.device(id).await
        {
            // Without a database there is nowhere to tell it.
            let _ = self.fault(&device, fault, "").await;
        }
        outcome
    }

    /// Writes what went wrong about the calling device to its `error-msg` and to `logs`.
    pub async fn node_fault(&self, caller: &DeviceCaller, fault: NodeFault, data: &str) -> Result<()> {
        let device = self.caller_device(caller).await?;
        self.fault(&device, fault, data).await
    }

    pub(crate) async fn fault(&self, device: &Arc<Device>, fault: NodeFault, data: &str) -> Result<()> {
        self.store.commit(self.faulted(device, fault, data).await?).await.map(|_| ())
    }

    pub(crate) async fn faulted(&self, device: &Arc<Device>, fault: NodeFault, data: &str) -> Result<Batch> {
        let app = match device.app() {
            Some(id) => self.store.app(id).await?,
            None => None,
        };
        let creator = app.and_then(|app| app.originator.as_ref().map(|own| own.name.clone()));
        let mut whole = self.error_message(device, fault, data, creator.clone()).await?;
        let logged = self.logged(device.account, &device.node_id, "device processing failed", fault, data, creator).await?;
        whole.merge(logged);
        Ok(whole)
    }

    /// An entry of `error-msg`.
    pub(crate) async fn error_message(
        &self,
        device: &Arc<Device>,
        fault: NodeFault,
        data: &str,
        creator: Option<String>,
    ) -> Result<Batch> {
        let content = json!({
            "nodeResourceName": node_name(device), "nodeID": device.node_id, "data": data, "status": status(fault)
        });
        self.posted(device, MessageBox::Errors, &content, creator).await
    }

    /// An entry of `logs`.
    pub(crate) async fn logged(
        &self,
        account: landfall_model::AccountId,
        node_id: &str,
        what: &str,
        fault: NodeFault,
        data: &str,
        creator: Option<String>,
    ) -> Result<Batch> {
        let Some(account) = self.store.account(account).await? else { return Ok(Batch::default()) };
        let content = json!({
            "identifier": node_id, "type": what, "service": "d2c-device-provisioning", "data": data, "status": status(fault)
        });
        let logs = Target::Place(AccountPart::Logs);
        self.appended(&account, &logs, creator, json_instance(&content)).await
    }
}

fn status(fault: NodeFault) -> Value {
    let (code, detail) = fault.status();
    json!({ "code": code, "message": if code == 400 { "bad request" } else { "internal server error" }, "detail": detail })
}
