//! What an operator may tune in the domain: the `[limits]` of the server's configuration.

use serde::{Deserialize, Serialize};

/// Limits and defaults. Those without a source are ours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Validity of a registration that names none, in seconds (1.4.1: 180).
    pub code_timeout_s: u32,
    /// Silence after which a device is ABNORMAL, in seconds (1.4.9: 25 h).
    pub abnormal_after_s: u32,
    /// Silence after which a device is OFFLINE, in seconds (1.4.9: 49 h).
    pub offline_after_s: u32,
    /// Time for an answer to a service call before its `mid` is freed, in seconds (device-side section 7: 60).
    pub call_timeout_s: u32,
    /// Waiting calls a device may have.
    pub calls_per_device: usize,
    /// Validity of a command that names none, in seconds (1.7.1: 48 h).
    pub command_expire_s: u32,
    /// Time for the acknowledgement of a command without validity, in seconds.
    pub immediate_command_s: u32,
    /// Time for the acknowledgement of a command that was sent, in seconds; longer than all its transmissions take.
    pub command_ack_s: u32,
    /// Time for the result of a command that was acknowledged, in seconds.
    pub command_result_s: u32,
    /// Pending commands a device may have (1.7.1: 20).
    pub commands_per_device: usize,
    /// Silence after which a device takes no more commands, in seconds (1.7.1: 7 days).
    pub zombie_after_s: u32,
    /// Whether a device whose key was refreshed and that did not bind again in time is deleted (1.4.3), or kept inactive.
    pub delete_refreshed: bool,
    /// Life of an access token in seconds (1.3.1: 3600).
    pub access_token_s: u32,
    /// Life of a refresh token in seconds (1.3.2: a month).
    pub refresh_token_s: u32,
    /// Life of a kept session without a connection, in seconds.
    pub session_s: u32,
    /// Accounts on the server.
    pub accounts: u64,
    /// Applications of an account.
    pub apps: u64,
    /// Users of an account who are people, and of the server itself.
    pub users: u64,
    /// Wrong passwords of a user in a minute after which addresses that took part in that must wait; 0: any number.
    pub wrong_passwords_per_minute: u32,
    /// Products of an account.
    pub products: u64,
    /// Groups of devices of an account.
    pub groups: u64,
    /// Subscriptions of an application.
    pub subscriptions: u64,
    /// Callback addresses of calls and commands that an application may use at a time.
    pub call_addresses: u64,
    /// Devices behind one gateway.
    pub children: u64,
    /// Requests for the credentials of devices that an account may have open.
    pub device_requests: u64,
    /// Times a minute that a device of one id may ask for its credentials; 0: any number.
    pub credential_polls_per_device: u32,
    /// Times a minute that devices at one address may ask for their credentials; 0: any number.
    pub credential_polls_per_address: u32,
    /// Bytes that a file may have.
    pub binary_bytes: u64,
    /// Files of an account.
    pub binaries: u64,
    /// Bytes of all files of an account, when another one begins to come.
    pub binary_bytes_per_account: u64,
    /// Devices of an application that has no limit of its own; `None`: no limit.
    pub devices: Option<u64>,
    /// Claims of secrets that the nodes of a product may make in a minute (one-model-one-secret); 0: any number.
    pub claims_per_minute: u32,
    /// Jobs that are not over, of the whole server, at most [`Settings::MOST_JOBS`].
    pub jobs: u64,
    /// Jobs of an account that are not over.
    pub jobs_per_account: u64,
    /// Targets that may be under way at once, of a job that asks for no other bound. A target whose device sleeps is under way until it comes.
    pub job_in_flight: u32,
    /// Life of a job and of what became of its targets after it was over, in seconds.
    pub job_retention_s: u32,
    /// Silence after which a job whose rows are still being handed over is stopped, in seconds.
    pub hand_over_s: u32,
    /// Rows of an import.
    pub import_rows: u64,
    /// Bytes of the rows of an import, as they are kept.
    pub import_bytes: u64,
    /// Resources that one discovery looks at before it answers with what it has.
    pub discovery_targets: usize,
}

impl Settings {
    /// Jobs that the engine looks at in one turn.
    pub const MOST_JOBS: u32 = 100_000;
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            code_timeout_s: 180,
            abnormal_after_s: 25 * 3600,
            offline_after_s: 49 * 3600,
            call_timeout_s: 60,
            calls_per_device: 32,
            command_expire_s: 172_800,
            immediate_command_s: 300,
            command_ack_s: 300,
            command_result_s: 3600,
            commands_per_device: 20,
            zombie_after_s: 7 * 86_400,
            delete_refreshed: true,
            access_token_s: 3600,
            refresh_token_s: 30 * 86_400,
            session_s: 86_400,
            accounts: 10_000,
            apps: 1_000,
            users: 10_000,
            wrong_passwords_per_minute: 10,
            products: 10_000,
            groups: 10_000,
            subscriptions: 1_000,
            call_addresses: 1_000,
            children: 10_000,
            device_requests: 100_000,
            credential_polls_per_device: 60,
            credential_polls_per_address: 6_000,
            binary_bytes: 50 * 1024 * 1024,
            binaries: 10_000,
            binary_bytes_per_account: 10 * 1024 * 1024 * 1024,
            devices: None,
            claims_per_minute: 600,
            jobs: 1_000,
            jobs_per_account: 100,
            job_in_flight: 1_000_000,
            job_retention_s: 30 * 86_400,
            hand_over_s: 120,
            import_rows: 5_000_000,
            import_bytes: 2 << 30,
            discovery_targets: 100_000,
        }
    }
}
