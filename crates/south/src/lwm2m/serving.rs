//! Serves LwM2M: what the last run left is taken back, then the driver runs the hub.

use super::{Lwm2m, hub::Hub};
use crate::driver::datagram::{self, Datagrams};
use landfall_model::Result;
use std::sync::Arc;
use tokio::sync::watch;

/// Records read at once when the last run's are taken back.
const PAGE: u32 = 10_000;

/// Takes back the sessions and registrations of the last run, and returns what serves LwM2M until `stop` is true (or its sender is gone).
///
/// # Errors
/// When those cannot be read.
pub(super) async fn serve(
    lwm2m: Arc<Lwm2m>,
    sockets: Datagrams,
    stop: watch::Receiver<bool>,
) -> Result<impl Future<Output = ()> + Send> {
    let mut hub = Hub::new(Arc::clone(&lwm2m));
    restore(&lwm2m, &mut hub).await?;
    Ok(datagram::serve(hub, Arc::clone(&lwm2m.world), sockets, stop))
}

async fn restore(lwm2m: &Lwm2m, hub: &mut Hub) -> Result<()> {
    let store = lwm2m.core.store();
    let mut after = None;
    loop {
        let sessions = store.secure_sessions(after, PAGE).await?;
        let Some(last) = sessions.last() else { break };
        after = Some(last.id);
        hub.restore(sessions, vec![]);
    }
    let mut after = None;
    loop {
        let registrations = store.registrations(after, PAGE).await?;
        let Some(last) = registrations.last() else { return Ok(()) };
        after = Some(last.device);
        hub.restore(vec![], registrations);
    }
}
