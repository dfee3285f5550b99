//! The real program, started on free ports, spoken to by clients over the wire.

mod admin;
mod api;
mod commands;
mod configured;
mod device;
mod doors;
mod golden;
mod journey;
mod kill;
mod mqtt;
mod onem2m;
mod push;
mod receiver;
mod server;
mod standing;
mod starts;
mod tls;
mod walls;
