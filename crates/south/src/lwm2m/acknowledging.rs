//! Acknowledgements of reports in the format of their product: frames to a client that has just reported.
//!
//! Absent: who makes them (`landfall_core::Core::acknowledge`). They wait for nothing: one that does not reach the client soon is of no use to it.

use super::{
    client::Op,
    hub::{Hub, Moment},
};
use landfall_core::Step;
use landfall_lwm2m::Response;
use landfall_model::DeviceId;

/// Acknowledgements that wait for one client; further ones are not sent.
pub(super) const ACKNOWLEDGEMENTS: usize = 8;

impl Hub {
    /// Sends frames to a client that hears, before what else it is asked.
    pub(super) fn acknowledge(&mut self, now: Moment, device: DeviceId, frames: Vec<Vec<u8>>) {
        let Some(client) = self.clients.get_mut(&device) else { return };
        let plan = client.plan.as_ref();
        let Some(path) = plan.and_then(|plan| plan.bindings.as_ref()?.downlink.clone()).filter(|_| client.hears(now.since))
        else {
            return self.not_acknowledged(device, "asleep", "the device does not hear any more");
        };
        let ops = &mut client.busy().ops;
        for bytes in frames {
            let waiting = ops.iter().filter(|op| is_one(op)).count();
            if waiting >= ACKNOWLEDGEMENTS {
                self.not_acknowledged(device, "line", "as many acknowledgements of reports wait for the device as may");
                break;
            }
            ops.insert(waiting, Op::Acknowledge(Step::Frame { path: path.clone(), bytes }));
        }
        self.pump(now, device);
    }

    pub(super) fn acknowledged(&mut self, now: Moment, device: DeviceId, answer: &Response) {
        if answer.code.class() != 2 {
            self.not_acknowledged(device, "code", &format!("the device refused the frame: {}", answer.code));
        }
        self.pump(now, device);
    }

    /// The client did not answer: what waits for it comes too late.
    pub(super) fn forget_acknowledgements(&mut self, device: DeviceId, unanswered: &Op) {
        let Some(busy) = self.clients.get_mut(&device).and_then(|client| client.busy.as_mut()) else { return };
        let before = busy.ops.len();
        busy.ops.retain(|op| !is_one(op));
        if before > busy.ops.len() || is_one(unanswered) {
            self.not_acknowledged(device, "unanswered", "the device does not answer");
        }
    }

    fn not_acknowledged(&mut self, device: DeviceId, check: &'static str, why: &str) {
        self.note_device(device, "lwm2m.acknowledge", check, format!("a report is not acknowledged: {why}"));
    }
}

fn is_one(op: &Op) -> bool {
    matches!(op, Op::Acknowledge(_))
}
