//! The operations of the dialect that this version has.

/// One operation of the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Operation {
    Login,
    RefreshToken,
    RegisterByCode,
    RegisterBySecret,
    ModifyDevice,
    DeleteDevice,
    Activation,
    GetDevice,
    ListDevices,
    History,
    Capabilities,
    Subscribe,
    GetSubscription,
    ListSubscriptions,
    DeleteSubscription,
    DeleteSubscriptions,
    CallService,
    RefreshKey,
    ModifyShadow,
    GetShadow,
    ShadowHistory,
    CreateCommand,
    ListCommands,
    CancelCommand,
    CreateRevocation,
    ListRevocations,
}

impl Operation {
    /// Every operation.
    #[cfg(test)]
    pub const ALL: [Self; 26] = [
        Self::Login,
        Self::RefreshToken,
        Self::RegisterByCode,
        Self::RegisterBySecret,
        Self::ModifyDevice,
        Self::DeleteDevice,
        Self::Activation,
        Self::GetDevice,
        Self::ListDevices,
        Self::History,
        Self::Capabilities,
        Self::Subscribe,
        Self::GetSubscription,
        Self::ListSubscriptions,
        Self::DeleteSubscription,
        Self::DeleteSubscriptions,
        Self::CallService,
        Self::RefreshKey,
        Self::ModifyShadow,
        Self::GetShadow,
        Self::ShadowHistory,
        Self::CreateCommand,
        Self::ListCommands,
        Self::CancelCommand,
        Self::CreateRevocation,
        Self::ListRevocations,
    ];

    /// `operationId` in the contract.
    pub fn id(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::RefreshToken => "refresh_token",
            Self::RegisterByCode => "register_device_verify_code",
            Self::RegisterBySecret => "register_device_password",
            Self::ModifyDevice => "modify_device",
            Self::DeleteDevice => "delete_device",
            Self::Activation => "get_device_activation",
            Self::GetDevice => "get_device",
            Self::ListDevices => "list_devices",
            Self::History => "list_device_data_history",
            Self::Capabilities => "get_device_capabilities",
            Self::Subscribe => "subscribe_service_data",
            Self::GetSubscription => "get_subscription",
            Self::ListSubscriptions => "list_subscriptions",
            Self::DeleteSubscription => "delete_subscription",
            Self::DeleteSubscriptions => "delete_subscriptions",
            Self::CallService => "call_device_service",
            Self::RefreshKey => "refresh_device_key",
            Self::ModifyShadow => "modify_device_shadow",
            Self::GetShadow => "get_device_shadow",
            Self::ShadowHistory => "list_shadow_history",
            Self::CreateCommand => "create_device_command",
            Self::ListCommands => "list_device_commands",
            Self::CancelCommand => "modify_device_command",
            Self::CreateRevocation => "create_command_cancel_task",
            Self::ListRevocations => "list_command_cancel_tasks",
        }
    }
}
