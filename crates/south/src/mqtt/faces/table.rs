//! Whose client a CONNECT is: the one table that tells the faces apart.

use super::{Kind, device, user};
use landfall_core::Core;
use landfall_model::{DeviceId, ErrorKind, Result};
use landfall_mqtt::ConnectRequest;

/// A form of CONNECT, and whose clients connect so.
struct Row {
    /// By clientId, user name, the form of the password, the will.
    shows: fn(&ConnectRequest) -> bool,
    /// Whom the UUID in it must name, where clients of several faces show one; only then the core is asked.
    names: Option<Named>,
    whose: Kind,
}

/// Whom a UUID names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Named {
    /// A device, also one that was deleted.
    Device,
    /// Anybody else, or nobody: who proves nothing does not learn which.
    Other,
}

/// The rows, in the order in which they are asked: the last one takes what is left.
const TABLE: &[Row] = &[
    // `{productId}_{nodeId}_1_{0|1}_{YYYYMMDDHH}`
    Row { shows: device::claims, names: None, whose: Kind::Claim },
    // `{deviceId}_0_{0|1}_{YYYYMMDDHH}`, `{nodeId}_2_{0|1}_{YYYYMMDDHH}`
    Row { shows: device::logs_in, names: None, whose: Kind::Node },
    // `management/{user}`, `{tenant}/{user}`, `device_{id}`
    Row { shows: |request| !is_node(request) && user::asks(request), names: None, whose: Kind::Newcomer },
    Row { shows: |request| !is_node(request) && user::speaks(request), names: None, whose: Kind::Agent },
    // A deviceId alone: the device learns what it left out.
    Row { shows: has_uuid, names: Some(Named::Device), whose: Kind::Node },
    // `{appId}`
    Row { shows: has_uuid, names: Some(Named::Other), whose: Kind::Application },
    Row { shows: |_| true, names: None, whose: Kind::Node },
];

/// Whose client this is.
pub(in crate::mqtt) async fn whose(core: &Core, request: &ConnectRequest) -> Result<Kind> {
    let mut named = None;
    for row in TABLE.iter().filter(|row| (row.shows)(request)) {
        let Some(wanted) = row.names else { return Ok(row.whose) };
        let known = match named {
            Some(known) => known,
            None => *named.insert(ask(core, request).await?),
        };
        if known == wanted {
            return Ok(row.whose);
        }
    }
    Ok(Kind::Node)
}

async fn ask(core: &Core, request: &ConnectRequest) -> Result<Named> {
    let Some(id) = uuid(request) else { return Ok(Named::Other) };
    match core.device_by_id(id).await {
        Ok(_) => Ok(Named::Device),
        Err(error) => match error.kind() {
            ErrorKind::NotFound => Ok(Named::Other),
            ErrorKind::Denied => Ok(Named::Device),
            _ => Err(error),
        },
    }
}

/// A clientId that ends with a timestamp is a node's, whatever it is called.
fn is_node(request: &ConnectRequest) -> bool {
    device::claims(request) || device::logs_in(request)
}

fn has_uuid(request: &ConnectRequest) -> bool {
    uuid(request).is_some()
}

/// The user name, else the clientId, where neither has a form of devices and it is a UUID in the form that is given out.
fn uuid(request: &ConnectRequest) -> Option<DeviceId> {
    if is_node(request) || user::asks(request) || user::speaks(request) {
        return None;
    }
    let texts = [request.username.as_deref(), Some(&*request.client_id)];
    texts.into_iter().flatten().find_map(|text| text.parse::<DeviceId>().ok().filter(|id| id.to_string() == text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use landfall_mqtt::Version;
    use landfall_testkit::Ground;

    fn request(client_id: &str, username: &str) -> ConnectRequest {
        ConnectRequest {
            version: Version::V311,
            client_id: client_id.into(),
            username: (!username.is_empty()).then(|| username.into()),
            password: None,
            clean_start: true,
            keep_alive_s: 60,
            session_expiry_s: 0,
            maximum_packet_bytes: u32::MAX,
            will: None,
            user: vec![],
        }
    }

    #[tokio::test]
    async fn each_form_is_that_of_one_face() {
        let ground = Ground::new(1).await;
        let tenant = ground.tenant("a").await;
        let device = ground.device(&tenant, "n").await.id.to_string();
        let removed = ground.device(&tenant, "removed").await.id;
        ground.core.delete_device(&tenant.scope, removed, false).await.unwrap();
        let (app, removed, product) = (tenant.app.id.to_string(), removed.to_string(), tenant.product.id.to_string());
        let nobody = tenant.app.account.to_string();
        let login = |id: &str, kind: u8| format!("{id}_{kind}_1_2026010100");
        let cases = [
            ("a deviceId's login", login(&device, 0), device.as_str(), Kind::Node),
            ("of nobody's id", login(&nobody, 0), nobody.as_str(), Kind::Node),
            ("of an appId", login(&app, 0), app.as_str(), Kind::Node),
            ("a nodeId's login", login("urn:imei:47_11", 2), "urn:imei:47_11", Kind::Node),
            ("a nodeId that is a UUID", login(&nobody, 2), nobody.as_str(), Kind::Node),
            ("a login without its user name", login(&device, 0), "", Kind::Node),
            ("a claim", login(&format!("{product}_n"), 1), product.as_str(), Kind::Claim),
            ("a claim under an appId", login(&format!("{app}_n"), 1), app.as_str(), Kind::Claim),
            ("an appId", app.clone(), app.as_str(), Kind::Application),
            ("another name before an appId", "mosq-1".into(), app.as_str(), Kind::Application),
            ("no name before an appId", String::new(), app.as_str(), Kind::Application),
            ("an appId alone", app.clone(), "", Kind::Application),
            ("a UUID of nobody", nobody.clone(), nobody.as_str(), Kind::Application),
            ("a deviceId without the rest", device.clone(), device.as_str(), Kind::Node),
            ("that of a device that was deleted", removed.clone(), removed.as_str(), Kind::Node),
            ("a UUID in another form", app.to_uppercase(), "", Kind::Node),
            ("a tenant's user", "d-1".into(), "t1/device_d-1", Kind::Agent),
            ("one that is called by a UUID", nobody.clone(), "t1/device_d-1", Kind::Agent),
            ("a device by its own name", format!("d:{device}"), "device_d-1", Kind::Agent),
            ("the bootstrap user", "d-1".into(), "management/devicebootstrap", Kind::Newcomer),
            ("a nodeId that looks like a user", login("t1/device_1", 2), "t1/device_1", Kind::Node),
            ("a nodeId that looks like the server's user", login("management/a", 2), "management/a", Kind::Node),
            ("anything", "mosq-1".into(), "someone", Kind::Node),
            ("nothing", String::new(), "", Kind::Node),
        ];
        for (form, client_id, username, expected) in cases {
            let request = request(&client_id, username);
            assert_eq!(whose(&ground.core, &request).await.unwrap(), expected, "{form}");
            let (_, rows) = TABLE.split_last().unwrap();
            for named in [Named::Device, Named::Other] {
                let shown = rows.iter().filter(|row| (row.shows)(&request) && row.names.is_none_or(|wanted| wanted == named));
                assert!(shown.count() <= 1, "{form} is two faces' where the id is that of {named:?}");
            }
        }
    }
}
