//! The kinds of clients that one listener serves. A face knows who its clients are and what their topics and payloads mean; the rest of `mqtt/`
//! knows neither. Absent: one face that names another.

mod application;
pub(super) mod device;
mod table;
pub(super) mod user;

use landfall_core::{AppCaller, DeviceCaller, Downlink};
use landfall_model::Device;
use landfall_mqtt::{
    ConnectRequest, Delivery, DisconnectReason, Publish, PublishRefusal, Qos, SubscribeRefusal, Subscription, Will,
};
use std::{borrow::Cow, sync::Arc};

use super::{Mqtt, Peer, admission::Refused, flow::Job, listening::Commands, outbox::Outbox};
pub(super) use table::whose;

/// A client of one kind, from its CONNECT on.
pub(crate) trait Face: Clone + Send + Sync + 'static {
    /// Who it is, and the record of the device that it is, if it is one; or the exact check that it failed.
    fn admit(peer: &Peer, request: &ConnectRequest) -> impl Future<Output = Result<Admitted<Self>, Refused>> + Send;
    /// Whose secret a refused CONNECT may have been a guess of, where it named no device that is known.
    fn at_stake(client_id: &str) -> &str;
    /// The name that its why records bear.
    fn identity(&self) -> &str;
    /// The device that it is: its session outlives the connection, and calls reach it.
    fn device(&self) -> Option<&DeviceCaller> {
        None
    }
    /// The application that it is, and the topic on which it receives its notifications: its session outlives the connection.
    fn receiver(&self) -> Option<(&AppCaller, &Arc<str>)> {
        None
    }
    /// Where messages wait that come of its own work.
    fn outbox(&self) -> Option<&Arc<Outbox>> {
        None
    }
    /// Fetches what there may be for it, whenever its outbox says so.
    fn errand(&self, _: &Peer) -> Option<Job> {
        None
    }
    /// Its connection is over; `stopping`: because the server stops.
    fn gone(&self, _: &Mqtt, _stopping: bool) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
    /// Whether it may have a subscription. The error ends the connection; a refusal has left its why record.
    fn subscribe(
        &mut self,
        peer: &Peer,
        asked: &Subscription,
    ) -> impl Future<Output = Result<Result<Granted, SubscribeRefusal>, DisconnectReason>> + Send;
    /// A message that is due once the answer to a SUBSCRIBE is out.
    fn subscribed(&mut self) -> Option<Delivery> {
        None
    }
    /// The calls that come by a filter, if it is one of the client's.
    fn commands(&self, _: &str) -> Option<Commands> {
        None
    }
    /// A message of the client: work whose end is its acknowledgement, or the answer at once. A refusal has left its why record.
    fn publish(&self, peer: &Peer, publish: Publish) -> Result<Job, Result<(), PublishRefusal>>;
    /// What is to be done with its will.
    fn will(&self, peer: &Peer, will: Will) -> Option<Job> {
        self.publish(peer, will.into()).ok()
    }
    /// A call as a message to the client: topic and payload. `None`: it takes no calls.
    fn message<'a>(&self, _: &'a Downlink) -> Option<(String, Cow<'a, [u8]>)> {
        None
    }
    /// A filter as it is kept with the session, whatever the client calls itself next.
    fn kept(&self, filter: &str) -> String {
        filter.to_owned()
    }
    /// A kept filter as the client means it now.
    fn resumed(&self, filter: &str) -> String {
        filter.to_owned()
    }
}

/// A client, and the device that it is, as its credentials were checked.
pub(crate) type Admitted<F> = (F, Option<Arc<Device>>);

/// What a subscription may be.
pub(crate) struct Granted {
    pub(super) qos: Qos,
    /// The calls that come by it.
    pub(super) commands: Option<Commands>,
}

macro_rules! faces {
    ($($(#[$doc:meta])* $name:ident: $face:ty;)*) => {
        /// The faces.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Kind {
            $($(#[$doc])* $name,)*
        }

        /// A client of one of the faces.
        #[derive(Clone)]
        pub(crate) enum Client {
            $($(#[$doc])* $name($face),)*
        }

        impl Client {
            /// [`Face::admit`].
            pub(super) async fn admit(kind: Kind, peer: &Peer, request: &ConnectRequest) -> Result<Admitted<Self>, Refused> {
                match kind {
                    $(Kind::$name => <$face>::admit(peer, request).await.map(|(face, device)| (Self::$name(face), device)),)*
                }
            }

            /// [`Face::at_stake`].
            pub(super) fn at_stake(kind: Kind, request: &ConnectRequest) -> &str {
                match kind { $(Kind::$name => <$face>::at_stake(&request.client_id),)* }
            }

            pub(super) fn identity(&self) -> &str {
                match self { $(Self::$name(face) => face.identity(),)* }
            }

            pub(super) fn device(&self) -> Option<&DeviceCaller> {
                match self { $(Self::$name(face) => face.device(),)* }
            }

            pub(super) fn receiver(&self) -> Option<(&AppCaller, &Arc<str>)> {
                match self { $(Self::$name(face) => face.receiver(),)* }
            }

            pub(super) fn outbox(&self) -> Option<&Arc<Outbox>> {
                match self { $(Self::$name(face) => face.outbox(),)* }
            }

            pub(super) fn errand(&self, peer: &Peer) -> Option<Job> {
                match self { $(Self::$name(face) => face.errand(peer),)* }
            }

            pub(super) async fn gone(&self, mqtt: &Mqtt, stopping: bool) {
                match self { $(Self::$name(face) => face.gone(mqtt, stopping).await,)* }
            }

            pub(super) async fn subscribe(
                &mut self,
                peer: &Peer,
                asked: &Subscription,
            ) -> Result<Result<Granted, SubscribeRefusal>, DisconnectReason> {
                match self { $(Self::$name(face) => face.subscribe(peer, asked).await,)* }
            }

            pub(super) fn subscribed(&mut self) -> Option<Delivery> {
                match self { $(Self::$name(face) => face.subscribed(),)* }
            }

            pub(super) fn commands(&self, filter: &str) -> Option<Commands> {
                match self { $(Self::$name(face) => face.commands(filter),)* }
            }

            pub(super) fn publish(&self, peer: &Peer, publish: Publish) -> Result<Job, Result<(), PublishRefusal>> {
                match self { $(Self::$name(face) => face.publish(peer, publish),)* }
            }

            pub(super) fn will(&self, peer: &Peer, will: Will) -> Option<Job> {
                match self { $(Self::$name(face) => face.will(peer, will),)* }
            }

            pub(super) fn message<'a>(&self, call: &'a Downlink) -> Option<(String, Cow<'a, [u8]>)> {
                match self { $(Self::$name(face) => face.message(call),)* }
            }

            pub(super) fn kept(&self, filter: &str) -> String {
                match self { $(Self::$name(face) => face.kept(filter),)* }
            }

            pub(super) fn resumed(&self, filter: &str) -> String {
                match self { $(Self::$name(face) => face.resumed(filter),)* }
            }
        }
    };
}

// The FACES. Whose a CONNECT is says `table.rs`.
faces! {
    /// A node of OceanConnect that asks for its own secret with that of its product.
    Claim: device::Claim;
    /// A device of OceanConnect.
    Node: device::Node;
    /// An application that receives its notifications.
    Application: application::Application;
    /// A user of Cumulocity, who speaks for devices.
    Agent: user::Agent;
    /// A device of Cumulocity that asks for its credentials.
    Newcomer: user::Newcomer;
}
