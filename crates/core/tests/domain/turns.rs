//! Many writers of one record at once, over both stores: none fails, and they come in their order.

use super::{Ground, Place, tree::node};
use landfall_core::{DeviceChange, NewResource, ResourceChange, Target};
use landfall_model::{AccountPart, Cause, DeviceInfo, EventBody, ResourceKind, Result};
use serde_json::{Value, json};
use std::sync::Arc;
use tokio::task::JoinSet;

/// Runs all of them at once; returns what became of each in the order of the beginnings.
async fn all<T: Send + 'static>(
    writers: impl Iterator<Item = impl Future<Output = Result<T>> + Send + 'static>,
) -> Vec<Result<T>> {
    let mut running = JoinSet::new();
    for (n, writer) in writers.enumerate() {
        running.spawn(async move { (n, writer.await) });
    }
    let mut done = running.join_all().await;
    done.sort_by_key(|(n, _)| *n);
    done.into_iter().map(|(_, result)| result).collect()
}

async fn a_device_has_many_writers(domain: Ground) {
    let tenant = domain.tenant("t").await;
    let id = domain.device(&tenant, "n").await.id;
    let before = domain.newest();
    let writers = (0..60).map(|n| {
        let (core, scope) = (domain.core.clone(), tenant.scope.clone());
        let change =
            DeviceChange { info: DeviceInfo { name: Some(n.to_string()), ..DeviceInfo::default() }, ..DeviceChange::default() };
        async move { core.modify_device(&scope, id, change).await }
    });
    for result in all(writers).await {
        result.unwrap();
    }
    let told = domain.events_since(before).await;
    let names = told.iter().filter_map(|stored| match &stored.event.body {
        EventBody::DeviceInfoChanged(view) => view.info.name.clone(),
        _ => None,
    });
    assert_eq!(names.collect::<Vec<_>>(), (0..60).map(|n| n.to_string()).collect::<Vec<_>>(), "in the order in which they came");
}

async fn an_application_logs_in_many_times(domain: Ground) {
    let tenant = domain.tenant("t").await;
    let other = domain.tenant("u").await;
    let writers = (0..60).map(|n| {
        let core = domain.core.clone();
        let id = tenant.app.id.to_string();
        let secret = if n % 3 == 2 { other.secret.clone() } else { tenant.secret.clone() };
        async move { core.login(&id, &secret).await }
    });
    let mut last = None;
    for (n, result) in all(writers).await.into_iter().enumerate() {
        match result {
            Ok(pair) => last = Some(pair),
            Err(error) => assert_eq!((n % 3, error.cause), (2, Cause::Unauthenticated), "{error}"),
        }
    }
    let access = last.unwrap().access;
    domain.core.authenticate(&tenant.app.id.to_string(), access.expose()).await.expect("the last one to come holds the token");
}

async fn nodes_of_a_group_go_while_it_is_changed(domain: Ground) {
    let tenant = domain.tenant("t").await;
    let by = Arc::new(tenant.origin(&domain, "Capp").await);
    let groups = Target::Place(AccountPart::Groups);
    let Value::Object(attributes) = json!({ "cnd": "com.telekom.iot.orchestrator.deviceGroup", "nds": ["kept"], "aes": [] })
    else {
        unreachable!()
    };
    let group = NewResource {
        kind: ResourceKind::FlexContainer,
        name: Some("g".into()),
        labels: vec![],
        policies: vec![],
        attributes,
        expires_at: None,
    };
    assert_eq!(domain.provision(&by, vec![node("kept")]).await, 0);
    let group = domain.core.create_resource(&by, &groups, group).await.unwrap();
    let name = |n: usize| format!("d{n}");
    let nodes = (0..20).map(|n| {
        let mut one = node(&name(n));
        one.groups = Some(vec!["g".into()]);
        one
    });
    assert_eq!(domain.provision(&by, nodes.collect()).await, 0);
    let mut targets = vec![];
    for n in 0..20 {
        targets.push(domain.core.find(&by, &[&name(n)]).await.unwrap());
    }
    let writers = (0..40).map(|n| {
        let (core, by, target, id) = (domain.core.clone(), by.clone(), targets[n / 2].clone(), group.id);
        async move {
            if n % 2 == 0 {
                return core.delete_target(&by, &target).await;
            }
            let change = ResourceChange { labels: Some(vec![format!("n:{n}")]), ..ResourceChange::default() };
            core.update_resource(&by, id, change).await.map(|_| ())
        }
    });
    for result in all(writers).await {
        result.unwrap();
    }
    let Target::Resource(left) = domain.core.find(&by, &["device-group", "g"]).await.unwrap() else { panic!("no group") };
    assert_eq!(domain.core.whole_resource(&left).await.unwrap().attributes["nds"], json!(["kept"]));
}

macro_rules! over_both_stores {
    ($($name:ident $seed:literal,)*) => {
        mod sqlite {
            $(#[tokio::test] async fn $name() { super::$name(super::Ground::new($seed).await).await; })*
        }
        mod postgres {
            $(#[tokio::test] async fn $name() {
                if let Some(place) = super::Place::postgres(stringify!($name)) {
                    super::$name(super::Ground::plan($seed).place(place).open().await).await;
                }
            })*
        }
    };
}

over_both_stores! {
    a_device_has_many_writers 301,
    an_application_logs_in_many_times 302,
    nodes_of_a_group_go_while_it_is_changed 303,
}
