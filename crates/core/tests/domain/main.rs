//! The domain over a real store, in virtual time.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test that cannot go on has failed")]

mod addresses;
mod agents;
mod alarms;
mod batches;
mod binaries;
mod calls;
mod clock;
mod commands;
mod deletion;
mod devices;
mod frames;
mod groups;
mod imports;
mod interrupted;
mod inventory;
mod isolation;
mod jobs;
mod keys;
mod names;
mod onem2m;
mod principals;
mod products;
mod redecode;
mod shadow;
mod status;
mod subscriptions;
mod turns;
mod uplinks;
mod users;
mod withdrawn;

use onem2m::tree;

use landfall_testkit::{
    Ground, Tenant,
    ground::{
        cause,
        live::SENT_MAX,
        new_device,
        place::Place,
        product::{sensor, thermometer},
    },
};
