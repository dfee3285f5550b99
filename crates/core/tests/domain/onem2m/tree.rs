//! The oneM2M tree: originators, addresses, paging, rights, discovery, containers, notices.

use crate::{Ground, cause};
use landfall_core::{Criteria, NewInstance, NewResource, ResourceChange, Settings, Target};
use landfall_model::{AccountPart, Cause, Changed, NodeRequest, PageRequest, ResourceKind, Secret, SubscriptionKind};
use serde_json::{Map, Value, json};
use std::task::{Context, Waker};

/// The base of an account.
pub const BASE: Target = Target::Place(AccountPart::Base);

/// A node that can be provisioned.
pub fn node(name: &str) -> NodeRequest {
    NodeRequest {
        node_id: format!("urn:gsma:imei:{name}"),
        name: name.into(),
        profile: "SCS-LwM2M".into(),
        credentials: Some(vec![Secret::new(format!("psk-id:{name}-id")), Secret::new("psk:dGVzdDEyMw==")]),
        ..NodeRequest::default()
    }
}

/// A resource without labels or policies.
pub fn new(kind: ResourceKind, name: &str, attributes: Value) -> NewResource {
    let Value::Object(attributes) = attributes else { panic!("attributes are an object") };
    NewResource { kind, name: Some(name.into()), labels: vec![], policies: vec![], attributes, expires_at: None }
}

/// An instance.
pub fn text(content: &str) -> NewInstance {
    NewInstance { content: json!(content).to_string(), size: content.len() as u64, ..NewInstance::default() }
}

#[tokio::test]
async fn originators_are_those_of_the_token() {
    let domain = Ground::new(80).await;
    let (mine, theirs) = domain.two_tenants().await;
    let core = &domain.core;
    let by = mine.origin(&domain, "Cmine").await;
    theirs.origin(&domain, "Ctheirs").await;
    let token = core.rotate_originator_token(&mine.all, mine.app.id).await.unwrap();
    let (access, seconds) = core.client_token(&mine.app.id.to_string(), &mine.secret).await.unwrap();
    let (another, _) = core.client_token(&mine.app.id.to_string(), &mine.secret).await.unwrap();
    assert_eq!(seconds, 3600);
    assert_eq!(cause(core.client_token(&mine.app.id.to_string(), "wrong").await), Cause::Unauthenticated);
    for good in [token.expose(), access.expose(), another.expose()] {
        for tenant in [Some("mine"), None] {
            assert_eq!(core.originator(tenant, good, "Cmine").await.unwrap().name(), "Cmine");
        }
        for (tenant, name, wrong) in [
            ("theirs", "Cmine", Cause::Unauthenticated),
            ("nobody", "Cmine", Cause::Unauthenticated),
            ("mine", "x", Cause::Forbidden),
            ("mine", "", Cause::Forbidden),
        ] {
            assert_eq!(cause(core.originator(Some(tenant), good, name).await), wrong, "{tenant} {name}");
        }
    }
    let (end, proof) = (access.expose().split('.').nth(1).unwrap(), access.expose().rsplit('.').next().unwrap());
    let longer = access.expose().replace(end, &format!("{end}0"));
    let foreign = access.expose().replace(&mine.app.id.to_string(), &theirs.app.id.to_string());
    let cut = access.expose().replace(proof, &proof[2..]);
    for bad in ["", "x", "x.y", &format!("{}.{}", mine.app.id, "00"), &format!("{}.", theirs.app.id), &longer, &foreign, &cut] {
        assert_eq!(cause(core.originator(Some("mine"), bad, "Cmine").await), Cause::Unauthenticated, "{bad}");
    }
    let hook = core.originator(Some("mine"), token.expose(), "Chook").await.unwrap();
    let registered = domain.made(&hook, &BASE, new(ResourceKind::ApplicationEntity, "free", json!({}))).await;
    assert_eq!(registered.ae_id().as_deref(), Some("Chook"), "an entity has the originator that it came with");
    assert_eq!(core.entity_before(&hook).await.unwrap().as_deref(), Some(&*registered));
    assert!(core.originator(Some("mine"), token.expose(), "Chook").await.is_ok(), "an entity is an originator");
    assert!(core.originator(Some("mine"), token.expose(), "Cnew").await.is_ok(), "before it registers");
    for (name, ae_id) in [("first", "Cmine"), ("second", "Cmine")] {
        let own = domain.made(&by, &BASE, new(ResourceKind::ApplicationEntity, name, json!({}))).await;
        assert_eq!(own.ae_id().as_deref(), Some(ae_id), "the application's own registers as often as it likes");
    }
    let asking = core.originator(Some("mine"), token.expose(), "C").await.unwrap();
    let given = domain.made(&asking, &BASE, new(ResourceKind::ApplicationEntity, "given", json!({}))).await;
    assert_eq!(given.ae_id().as_deref(), Some("Cgiven"));
    let (other, _) =
        core.create_app(&mine.all, landfall_core::NewApp { name: "other".into(), limits: Default::default() }).await.unwrap();
    core.set_originator(&mine.all, other.id, Some("Cnew")).await.unwrap();
    assert_eq!(cause(core.originator(Some("mine"), token.expose(), "Cnew").await), Cause::Forbidden, "another's");
    for beyond in ["S", "Smine"] {
        assert_eq!(
            cause(core.originator(Some("mine"), token.expose(), beyond).await),
            Cause::Forbidden,
            "no operator allowed {beyond}"
        );
    }
    core.set_originator(&mine.all, mine.app.id, Some("Smine")).await.unwrap();
    for (origin, name) in [("Smine", "s1"), ("S", "s2")] {
        let by = core.originator(Some("mine"), token.expose(), origin).await.unwrap();
        let made = domain.made(&by, &BASE, new(ResourceKind::ApplicationEntity, name, json!({}))).await;
        assert_eq!(made.ae_id().as_deref(), Some("Smine"), "{origin}");
    }
    domain.advance_s(3601);
    assert_eq!(cause(core.originator(Some("mine"), access.expose(), "Cmine").await), Cause::Unauthenticated, "it ends");
    core.set_originator(&mine.all, mine.app.id, None).await.unwrap();
    assert_eq!(cause(core.originator(Some("mine"), token.expose(), "Cmine").await), Cause::Unauthenticated, "taken away");
    for bad in ["", "C", "mine", "C a", "C/a"] {
        assert_eq!(cause(core.set_originator(&mine.all, mine.app.id, Some(bad)).await), Cause::InvalidField, "{bad}");
    }
}

#[tokio::test]
async fn addresses_lead_to_devices_places_and_records() {
    let domain = Ground::new(81).await;
    let tenant = domain.tenant("t").await;
    let by = tenant.origin(&domain, "Capp").await;
    assert_eq!(domain.provision(&by, vec![node("d1")]).await, 0);
    let plain = domain.device(&tenant, "plain").await;
    let inner = domain.made(&by, &BASE, new(ResourceKind::Container, "c1", json!({}))).await;
    domain.made(&by, &Target::Resource(inner), new(ResourceKind::Container, "c2", json!({}))).await;
    let paths = [
        "device-provisioning/logs",
        "device-group",
        "d1",
        "d1/credentials",
        "d1/device-info",
        "device-communication/d1",
        "device-communication/d1/outgoing-msg",
        "c1/c2",
        &format!("{}/device-info", plain.id),
    ];
    for path in paths {
        let target = domain.at(&by, path).await;
        assert_eq!(domain.core.path_of(&by, &target).await.unwrap(), format!("t/{path}"));
        let again = domain.core.find_id(&by, target.id(by.account().id)).await.unwrap();
        assert_eq!(again, target, "{path} by id");
    }
    for path in [
        "x",
        "d1/x",
        "c1/c2/c3",
        "device-communication/x",
        "c1/la",
        "device-provisioning/logs/ol",
        "device-provisioning/response/x",
    ] {
        assert_eq!(domain.absent(&by, path).await, Cause::ResourceNotFound, "{path}");
    }
    let taken = domain.core.create_resource(&by, &BASE, new(ResourceKind::Container, "d1", json!({}))).await;
    assert_eq!(cause(taken), Cause::ResourceExists, "a device has the name");
    assert_eq!(
        domain.provision(&by, vec![node("c1"), node("device-group"), node("d2")]).await,
        2,
        "names of resources and places"
    );
}

#[tokio::test]
async fn children_are_cut_into_pages_across_their_sources() {
    let domain = Ground::new(82).await;
    let tenant = domain.tenant("t").await;
    let by = tenant.origin(&domain, "Capp").await;
    for name in ["a", "b", "c"] {
        domain.made(&by, &BASE, new(ResourceKind::Container, name, json!({}))).await;
        domain.advance_s(1);
    }
    assert_eq!(domain.provision(&by, (0..5).map(|n| node(&format!("d{n}"))).collect()).await, 0);
    let all = domain.core.children_within(&by, &BASE, &[], 0, 100).await.unwrap();
    let names: Vec<String> = all.items.iter().map(Target::name).collect();
    assert_eq!(names[..6], ["device-provisioning", "device-communication", "device-group", "a", "b", "c"]);
    assert_eq!((all.total, names.len()), (11, 11));
    for size in [1, 2, 3, 4, 7, 11, 12] {
        let mut paged = vec![];
        for no in 0..12 {
            let page = domain.core.children_within(&by, &BASE, &[], no * size, size as usize).await.unwrap();
            assert_eq!(page.total, 11, "size {size} page {no}");
            assert!(page.items.len() <= size as usize);
            paged.extend(page.items.iter().map(Target::name));
        }
        assert_eq!(paged, names, "size {size}");
    }
    let nodes = domain.core.children_within(&by, &BASE, &[14], 2, 2).await.unwrap();
    assert_eq!((nodes.total, nodes.items.len()), (5, 2));
    assert!(nodes.items.iter().all(|one| one.ty() == 14));
}

#[tokio::test]
async fn what_others_made_is_closed_unless_a_policy_opens_it() {
    let domain = Ground::new(83).await;
    let tenant = domain.tenant("t").await;
    let by = tenant.origin(&domain, "Cowner").await;
    let (other, _) = domain
        .core
        .create_app(&tenant.all, landfall_core::NewApp { name: "other".into(), limits: Default::default() })
        .await
        .unwrap();
    domain.core.set_originator(&tenant.all, other.id, Some("Cother")).await.unwrap();
    let token = domain.core.rotate_originator_token(&tenant.all, other.id).await.unwrap();
    let them = domain.core.originator(Some("t"), token.expose(), "Cother").await.unwrap();
    assert_eq!(domain.provision(&by, vec![node("d1")]).await, 0);
    let rule = |who: &str, what: u64| json!({ "acr": [{ "acor": [who], "acop": what }] });
    let acp = json!({ "pv": rule("Cother", 2), "pvs": rule("Cowner", 63) });
    let policy = domain.made(&by, &BASE, new(ResourceKind::AccessControlPolicy, "policy", acp)).await;
    let shut = domain.made(&by, &BASE, new(ResourceKind::Container, "shut", json!({}))).await;
    let mut open = new(ResourceKind::Container, "open", json!({}));
    open.policies = vec![policy.id];
    let open = domain.made(&by, &BASE, open).await;
    let core = &domain.core;
    let may = async |name: &str, right| core.check_right(&them, &domain.at(&them, name).await, right).await.is_ok();
    use landfall_core::Right::{Create, Delete, Retrieve, Update};
    assert!(may("open", Retrieve).await);
    let stranger = core.originator(Some("t"), token.expose(), "Cstranger").await.unwrap();
    assert_eq!(cause(core.check_right(&stranger, &domain.at(&them, "open").await, Retrieve).await), Cause::Forbidden, "nobody's");
    for (name, right) in
        [("open", Update), ("open", Delete), ("open", Create), ("shut", Retrieve), ("policy", Retrieve), ("d1", Retrieve)]
    {
        assert!(!may(name, right).await, "{name} {right:?}");
    }
    assert_eq!(cause(core.append(&them, &Target::Resource(open.clone()), text("x")).await), Cause::Forbidden);
    assert_eq!(cause(core.update_resource(&them, open.id, ResourceChange::default()).await), Cause::Forbidden);
    assert_eq!(cause(core.delete_target(&them, &Target::Resource(shut)).await), Cause::Forbidden);
    assert_eq!(cause(core.set_node_labels(&them, domain.at(&by, "d1").await.device().unwrap(), &[]).await), Cause::Forbidden);
    let seen = core.children_within(&them, &BASE, &[3, 14], 0, 100).await.unwrap();
    let seen: Vec<String> = seen.items.iter().map(Target::name).collect();
    assert_eq!(seen, ["device-provisioning", "device-communication", "device-group", "open"]);
    let wrong = ResourceChange { policies: Some(vec![open.id]), ..ResourceChange::default() };
    assert_eq!(cause(core.update_resource(&by, open.id, wrong).await), Cause::InvalidField, "no policy");
    core.authorize_app(&tenant.all, tenant.app.id, other.id, true).await.unwrap();
    assert!(may("d1", Delete).await, "authorized");
}

/// More than is read at once, so that the walk goes on from where it was.
#[tokio::test]
async fn discovery_walks_through_long_containers() {
    let domain = Ground::new(85).await;
    let (tenant, other) = (domain.tenant("t").await, domain.tenant("u").await);
    let (by, them) = (tenant.origin(&domain, "Capp").await, other.origin(&domain, "Capp").await);
    let mut within = vec![];
    for origin in [&by, &them] {
        within
            .push(Target::Resource(domain.made(origin, &BASE, new(ResourceKind::Container, "c", json!({ "mni": 5_000 }))).await));
    }
    for (origin, at, count) in [(&by, &within[0], 2_300), (&them, &within[1], 3)] {
        let appends = (0..count).map(|_| domain.core.append(origin, at, text("x")));
        futures_util::future::try_join_all(appends).await.unwrap();
    }
    let instances = Criteria { types: vec![4], ..Criteria::default() };
    let found = async |offset, limit| {
        let found = domain.core.discover(&by, &within[0], &instances, offset, limit).await.unwrap();
        let states = found.targets.iter().map(|one| if let Target::Instance(one, _) = one { one.state } else { 0 });
        states.collect::<Vec<_>>()
    };
    assert_eq!(found(0, 5_000).await, (1..=2_300).collect::<Vec<_>>());
    assert_eq!(found(2_298, 5).await, [2_299, 2_300]);
    assert_eq!(domain.core.discover(&them, &within[1], &instances, 0, 5_000).await.unwrap().targets.len(), 3);
}

/// What is asked for after the last answer begins there, whatever became of what was found before; but not a minute later.
#[tokio::test]
async fn discovery_goes_on_where_the_last_one_ended() {
    let domain = Ground::new(88).await;
    let tenant = domain.tenant("t").await;
    let by = tenant.origin(&domain, "Capp").await;
    let within = Target::Resource(domain.made(&by, &BASE, new(ResourceKind::Container, "c", json!({ "mni": 5_000 }))).await);
    futures_util::future::try_join_all((0..2_300).map(|_| domain.core.append(&by, &within, text("x")))).await.unwrap();
    let instances = Criteria { types: vec![4], ..Criteria::default() };
    let found = async |offset, limit| {
        let found = domain.core.discover(&by, &within, &instances, offset, limit).await.unwrap();
        let state = |one: Option<&Target>| if let Some(Target::Instance(one, _)) = one { one.state } else { 0 };
        (state(found.targets.first()), state(found.targets.last()), found.more)
    };
    assert_eq!(found(0, 1_100).await, (1, 1_100, true));
    for target in domain.core.discover(&by, &within, &instances, 0, 5).await.unwrap().targets {
        domain.core.delete_target(&by, &target).await.unwrap();
    }
    assert_eq!(found(1_100, 1_000).await, (1_101, 2_100, true));
    assert_eq!(found(1_100, 1_000).await, (1_101, 2_100, true), "asked again");
    assert_eq!(found(2_100, 1_000).await, (2_101, 2_300, false));
    assert_eq!(found(0, 1).await, (6, 6, true), "from the start again");
    domain.advance_s(61);
    assert_eq!(found(2_100, 1_000).await, (2_106, 2_300, false), "too late to go on");
}

/// Who asks for the first ones again sees what is new, also where it stands before what was found.
#[tokio::test]
async fn discovery_of_the_first_ones_begins_anew() {
    let domain = Ground::new(90).await;
    let tenant = domain.tenant("t").await;
    let by = tenant.origin(&domain, "Capp").await;
    let within = Target::Resource(domain.made(&by, &BASE, new(ResourceKind::Container, "c", json!({}))).await);
    futures_util::future::try_join_all((0..5).map(|_| domain.core.append(&by, &within, text("x")))).await.unwrap();
    let found = async || {
        let found = domain.core.discover(&by, &within, &Criteria::default(), 0, 2).await.unwrap();
        (found.targets.iter().map(Target::ty).collect::<Vec<_>>(), found.more)
    };
    assert_eq!(found().await, (vec![4, 4], true));
    domain.made(&by, &within, new(ResourceKind::Container, "inside", json!({}))).await;
    assert_eq!(found().await, (vec![3, 4], true));
}

/// What looks at as much as it may says that there is more, whatever it found.
#[tokio::test]
async fn discovery_that_looked_at_much_says_where_to_go_on() {
    let domain = Ground::plan(89).settings(Settings { discovery_targets: 1_500, ..Settings::default() }).open().await;
    let tenant = domain.tenant("t").await;
    let by = tenant.origin(&domain, "Capp").await;
    let within = Target::Resource(domain.made(&by, &BASE, new(ResourceKind::Container, "c", json!({ "mni": 5_000 }))).await);
    futures_util::future::try_join_all((0..2_300).map(|_| domain.core.append(&by, &within, text("x")))).await.unwrap();
    let found = async |criteria: &Criteria, offset| {
        let found = domain.core.discover(&by, &within, criteria, offset, 5_000).await.unwrap();
        (found.targets.len(), found.more)
    };
    let all = Criteria { types: vec![4], ..Criteria::default() };
    assert_eq!((found(&all, 0).await, found(&all, 2_000).await), ((2_000, true), (300, false)));
    let none = Criteria { creator: Some("Cnobody".into()), ..all };
    assert_eq!((found(&none, 0).await, found(&none, 0).await), ((0, true), (0, false)), "asked again it goes on");
}

/// An account that discovers much is told to wait; others are not.
#[tokio::test]
async fn discoveries_of_an_account_are_bounded() {
    let domain = Ground::new(86).await;
    let (tenant, other) = (domain.tenant("t").await, domain.tenant("u").await);
    let (by, them) = (tenant.origin(&domain, "Capp").await, other.origin(&domain, "Capp").await);
    let all = Criteria::default();
    // One that was polled once has its place until it is polled again.
    let mut under_way = vec![];
    while under_way.len() < 4 {
        let mut discovery = Box::pin(domain.core.discover(&by, &BASE, &all, 0, 10));
        if discovery.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending() {
            under_way.push(discovery);
        }
    }
    assert_eq!(cause(domain.core.discover(&by, &BASE, &all, 0, 10).await), Cause::Overloaded, "four at once");
    assert!(futures_util::future::join_all(under_way).await.iter().all(Result::is_ok));
    assert!(domain.core.discover(&by, &BASE, &all, 0, 10).await.is_ok(), "later again");
    assert!(domain.core.discover(&them, &BASE, &all, 0, 10).await.is_ok());
}

#[tokio::test]
async fn discovery_finds_what_fits() {
    let domain = Ground::new(84).await;
    let tenant = domain.tenant("t").await;
    let by = tenant.origin(&domain, "Capp").await;
    let mut nodes: Vec<NodeRequest> = (0..4).map(|n| node(&format!("d{n}"))).collect();
    nodes[1].labels = vec!["room:12".into()];
    nodes[3].labels = vec!["room:12".into(), "floor:1".into()];
    assert_eq!(domain.provision(&by, nodes).await, 0);
    let mut container = new(ResourceKind::Container, "c", json!({}));
    container.labels = vec!["room:12".into()];
    let container = domain.made(&by, &BASE, container).await;
    domain.core.append(&by, &Target::Resource(container), text("x")).await.unwrap();
    let found = async |criteria: Criteria, offset, limit| {
        let found = domain.core.discover(&by, &BASE, &criteria, offset, limit).await.unwrap();
        found.targets.iter().map(Target::name).collect::<Vec<_>>()
    };
    let rooms = Criteria { labels: vec!["room:12".into()], ..Criteria::default() };
    let sorted = async |criteria| {
        let mut names = found(criteria, 0, 100).await;
        names.sort();
        names
    };
    assert_eq!(sorted(rooms.clone()).await, ["c", "d1", "d3"]);
    assert_eq!(sorted(Criteria { types: vec![14], ..rooms.clone() }).await, ["d1", "d3"]);
    assert_eq!(sorted(Criteria { types: vec![4], ..rooms.clone() }).await, Vec::<String>::new());
    assert_eq!(
        sorted(Criteria { labels: vec!["floor:1".into(), "room:12".into()], ..Criteria::default() }).await,
        ["c", "d1", "d3"]
    );
    assert_eq!(
        sorted(Criteria { any: true, types: vec![14], labels: vec!["room:12".into()], ..Criteria::default() }).await.len(),
        5
    );
    let nodes = Criteria { types: vec![14], ..Criteria::default() };
    let all = found(nodes.clone(), 0, 100).await;
    assert_eq!(all.len(), 4);
    assert_eq!(found(nodes, 1, 2).await, all[1..3]);
    assert_eq!(found(Criteria { types: vec![13], ..Criteria::default() }, 0, 100).await.len(), 8);
    assert_eq!(found(Criteria { types: vec![4], ..Criteria::default() }, 0, 100).await.len(), 1);
    assert_eq!(found(Criteria { types: vec![3], levels: Some(1), ..Criteria::default() }, 0, 100).await.len(), 4);
    let now = domain.core.now();
    assert!(found(Criteria { created_after: Some(now), ..Criteria::default() }, 0, 100).await.is_empty());
    let device = domain.at(&by, "d1").await.device().unwrap();
    domain.core.set_node_labels(&by, device, &["profile:SCS-LwM2M".into()]).await.unwrap();
    assert_eq!(sorted(rooms).await, ["c", "d3"], "labels that are gone find nothing");
}

#[tokio::test]
async fn containers_keep_what_they_may_and_count_it() {
    let domain = Ground::new(85).await;
    let tenant = domain.tenant("t").await;
    let by = tenant.origin(&domain, "Capp").await;
    let limits = json!({ "mni": 3, "mbs": 10, "mia": 60 });
    let container = Target::Resource(domain.made(&by, &BASE, new(ResourceKind::Container, "c", limits)).await);
    let core = &domain.core;
    for n in 1..=5u64 {
        let made = core.append(&by, &container, text(&format!("i{n}"))).await.unwrap();
        assert_eq!(made.state, n);
    }
    let content = async |path: &str| match domain.at(&by, path).await {
        Target::Instance(instance, _) => instance.content,
        other => panic!("{other:?}"),
    };
    assert_eq!((content("c/ol").await, content("c/la").await), ("\"i3\"".into(), "\"i5\"".into()));
    core.append(&by, &container, text("123456789")).await.unwrap();
    assert_eq!(content("c/ol").await, "\"123456789\"", "bytes");
    assert_eq!(cause(core.append(&by, &container, text("12345678901")).await), Cause::ContentTooLarge);
    let named = |name: &str| NewInstance { name: Some(name.into()), ..text("") };
    core.append(&by, &container, named("n")).await.unwrap();
    assert_eq!(cause(core.append(&by, &container, named("n")).await), Cause::ResourceExists);
    let state = core.store().container_state(container.id(by.account().id)).await.unwrap();
    assert_eq!((state.state, state.instances, state.bytes), (7, 2, 9));
    core.delete_target(&by, &domain.at(&by, "c/la").await).await.unwrap();
    assert_eq!(content("c/la").await, "\"123456789\"");
    domain.advance_s(61);
    assert_eq!(domain.absent(&by, "c/la").await, Cause::ResourceNotFound, "mia");
    core.delete_target(&by, &container).await.unwrap();
    assert_eq!(cause(core.append(&by, &container, text("late")).await), Cause::ResourceNotFound);
    let logs = Target::Place(AccountPart::Logs);
    assert_eq!(cause(core.append(&by, &logs, text("x")).await), Cause::ChildNotAllowed);
    assert_eq!(cause(core.delete_target(&by, &logs).await), Cause::OperationNotAllowed);
}

#[tokio::test]
async fn subscribers_are_told_what_they_asked_for_and_no_more() {
    let domain = Ground::new(86).await;
    let tenant = domain.tenant("t").await;
    let by = tenant.origin(&domain, "Capp").await;
    let core = &domain.core;
    let container = domain.made(&by, &BASE, new(ResourceKind::Container, "c", json!({}))).await;
    let within = Target::Resource(container.clone());
    let to = |net: Value| json!({ "nu": ["https://a.example/x", "https://b.example/y"], "enc": { "net": net } });
    let children = domain.made(&by, &within, new(ResourceKind::Subscription, "s1", to(json!([3, 4])))).await;
    domain.made(&by, &within, new(ResourceKind::Subscription, "s2", to(json!([1, 2])))).await;
    let seq = domain.newest();
    let made = core.append(&by, &within, text("x")).await.unwrap();
    let told = domain.notices_since(seq).await;
    assert_eq!(told.len(), 2, "one for each address");
    assert_eq!((told[0].kind, told[0].reference.as_str()), (3, format!("/t/{}", children.id).as_str()));
    assert!(matches!(&told[0].changed, Changed::Instance(one) if one.id == made.id));
    let seq = domain.newest();
    let change = ResourceChange { attributes: Map::from_iter([("mni".to_owned(), json!(5))]), ..ResourceChange::default() };
    core.update_resource(&by, container.id, change).await.unwrap();
    core.delete_target(&by, &domain.at(&by, "c/la").await).await.unwrap();
    let kinds: Vec<u8> = domain.notices_since(seq).await.iter().map(|one| one.kind).collect();
    assert_eq!(kinds, [1, 1, 4, 4]);
    let seq = domain.newest();
    core.delete_target(&by, &within).await.unwrap();
    let kinds: Vec<u8> = domain.notices_since(seq).await.iter().map(|one| one.kind).collect();
    assert_eq!(kinds, [2, 2]);
    let pushes = async || {
        let filter = landfall_core::SubscriptionFilter::default();
        let page = core.store().subscriptions(&filter, PageRequest { no: 0, size: 100 }).await.unwrap();
        page.items.iter().filter(|one| matches!(one.kind, SubscriptionKind::Resource(..))).count()
    };
    assert_eq!(pushes().await, 2, "those that are told of the end are served on");
    core.sweep().await.unwrap();
    domain.advance_s(86_500);
    core.sweep().await.unwrap();
    assert_eq!(pushes().await, 0, "for a day");
}

#[tokio::test]
async fn what_goes_takes_all_below_it_along() {
    let domain = Ground::new(87).await;
    let tenant = domain.tenant("t").await;
    let by = tenant.origin(&domain, "Capp").await;
    let core = &domain.core;
    let group = new(
        ResourceKind::FlexContainer,
        "g",
        json!({ "cnd": "com.telekom.iot.orchestrator.deviceGroup", "nds": ["d0"], "aes": [] }),
    );
    assert_eq!(domain.provision(&by, vec![node("d0")]).await, 0);
    domain.made(&by, &Target::Place(AccountPart::Groups), group).await;
    let mut grouped = node("d1");
    grouped.groups = Some(vec!["g".into(), "absent".into()]);
    assert_eq!(domain.provision(&by, vec![grouped.clone()]).await, 0);
    let members = async || match domain.at(&by, "device-group/g").await {
        Target::Resource(group) => core.whole_resource(&group).await.unwrap().attributes["nds"].clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(members().await, json!(["d0", "d1"]));
    let outgoing = domain.at(&by, "device-communication/d1/outgoing-msg").await;
    core.append(&by, &outgoing, text("GET /3")).await.unwrap();
    let channel = domain.at(&by, "device-communication/d1").await;
    let extra = domain.made(&by, &channel, new(ResourceKind::Container, "extra", json!({}))).await;
    let subscription = json!({ "nu": ["https://a.example/"], "enc": { "net": [3] } });
    let subscription = domain.made(&by, &outgoing, new(ResourceKind::Subscription, "s", subscription)).await;
    core.delete_target(&by, &domain.at(&by, "d1").await).await.unwrap();
    assert_eq!(members().await, json!(["d0"]));
    for id in [extra.id, subscription.id, outgoing.id(by.account().id)] {
        assert_eq!(cause(core.find_id(&by, id).await), Cause::ResourceNotFound);
    }
    assert_eq!(cause(core.append(&by, &outgoing, text("GET /3")).await), Cause::ResourceNotFound);
    assert_eq!(domain.provision(&by, vec![grouped]).await, 0, "its names are free again");
    let fresh = domain.at(&by, "device-communication/d1/outgoing-msg").await;
    assert_eq!(core.store().container_state(fresh.id(by.account().id)).await.unwrap().state, 0);
}
