//! Kept sessions: what of a connection outlives it, as the core stores it, and how it is taken up again.

use landfall_core::DeviceCaller;
use landfall_model::{
    CallId, DeviceId, Error, ErrorKind, OutboundMessage as StoredMessage, StoredSession, SubscribedFilter, Time,
};
use landfall_mqtt::{Delivery, Filter, OutboundMessage, Qos, SavedSession, Subscription};

use super::{Mqtt, faces::Client, listening::Commands};

/// A session taken up again, or a new one.
#[derive(Default)]
pub(super) struct Resumed {
    /// What the connection starts with; absent for a new session.
    pub(super) session: Option<Box<SavedSession>>,
    /// The calls that come by its subscriptions.
    pub(super) commands: Vec<Commands>,
    /// The call behind each of its messages; a message's token is its place here.
    pub(super) calls: Vec<CallId>,
}

/// Takes up the kept session of a device, or forgets it for a clean start.
pub(super) async fn resume(mqtt: &Mqtt, caller: &DeviceCaller, client: &Client, clean_start: bool) -> Result<Resumed, Error> {
    if clean_start {
        if mqtt.core.store().session(caller.device()).await?.is_some() {
            mqtt.core.drop_session(caller).await?;
        }
        return Ok(Resumed::default());
    }
    let Some(stored) = mqtt.core.kept_session(caller).await? else { return Ok(Resumed::default()) };
    let mut resumed = Resumed::default();
    let mut session = SavedSession { qos2_received: stored.qos2_received, ..SavedSession::default() };
    for kept in &stored.subscriptions {
        let text = client.resumed(&kept.filter);
        let (Some(commands), Ok(filter)) = (client.commands(&text), Filter::new(&text)) else { continue };
        match mqtt.core.reachable(caller, commands.device.unwrap_or(caller.device())).await {
            Ok(_) => {
                resumed.commands.push(commands);
                session.subscriptions.push(subscription(filter, kept.qos));
            }
            // The device is no longer behind this one.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    for message in stored.outbound {
        // A call that is over must not reach the device: its `mid` may be another call's by now.
        let Some(call) = message.call else { continue };
        if mqtt.core.store().call(call).await?.is_some() {
            session.outbound.push(outbound(message, resumed.calls.len() as u64));
            resumed.calls.push(call);
        }
    }
    resumed.session = Some(Box::new(session));
    Ok(resumed)
}

fn subscription(filter: Filter, qos: u8) -> Subscription {
    let qos = if qos == 0 { Qos::AtMostOnce } else { Qos::AtLeastOnce };
    Subscription::new(filter, qos)
}

fn outbound(message: StoredMessage, token: u64) -> OutboundMessage {
    let delivery = Delivery::new(token, message.topic, message.payload, Qos::AtLeastOnce);
    OutboundMessage { delivery, packet_id: (message.packet_id > 0).then_some(message.packet_id) }
}

/// A session as it is stored; the core sets its end.
pub(super) fn stored(
    device: DeviceId,
    client: &Client,
    session: SavedSession,
    call: impl Fn(u64) -> Option<CallId>,
) -> StoredSession {
    let subscriptions = session.subscriptions.iter();
    let message = |message: OutboundMessage| StoredMessage {
        packet_id: message.packet_id.unwrap_or(0),
        call: call(message.delivery.token),
        topic: message.delivery.topic.to_string(),
        payload: message.delivery.payload.to_vec(),
    };
    StoredSession {
        device,
        subscriptions: subscriptions
            .map(|s| SubscribedFilter { filter: client.kept(s.filter.as_str()), qos: s.qos as u8 })
            .collect(),
        qos2_received: session.qos2_received,
        outbound: session.outbound.into_iter().map(message).collect(),
        expires_at: Time(0),
    }
}
