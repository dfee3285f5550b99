//! The real program, started on free ports, spoken to by clients over the wire.

mod admin;
mod agentlite;
mod api;
mod batches;
mod bodies;
mod channel;
mod commands;
mod configured;
mod database;
mod device;
mod doors;
mod golden;
mod groups;
mod imports;
mod jobs;
mod journey;
mod kill;
mod kill_batch;
mod mqtt;
mod onem2m;
mod push;
mod reasons;
mod receiver;
mod server;
#[path = "../../../../store/tests/conformance/stall.rs"]
mod stall;
mod standing;
mod starts;
mod tls;
mod tokens;
mod users;
mod walls;
