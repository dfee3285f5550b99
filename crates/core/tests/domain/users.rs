//! Users: made, signed in, changed and gone.

use super::{Ground, Tenant, cause};
use landfall_core::{AccountChange, CloseCause, Hashing, NewUser, PasswordKey, UserCaller, UserChange, UserSessions};
use landfall_model::{AccountId, Batch, Cause, PageRequest, Role, Secret, User, Write};
use landfall_testkit::ground::user::{FROM, PASSWORD};
use parking_lot::Mutex;
use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
};

const PAGE: PageRequest = PageRequest { no: 0, size: 100 };

async fn id(domain: &Ground, tenant: &Tenant) -> String {
    domain.core.tenant_of(tenant.all.account()).await.unwrap()
}

/// What operators read of a login that fails.
async fn refused(domain: &Ground, tenant: Option<&str>, name: &str, password: &str) -> String {
    let error = domain.core.sign_in(tenant, name, password, FROM).await.unwrap_err();
    assert_eq!(error.cause, Cause::Unauthenticated, "{error}");
    error.to_string()
}

fn new(name: &str, role: Role) -> NewUser {
    NewUser { name: name.into(), role, password: Some(Secret::new(PASSWORD)) }
}

#[tokio::test]
async fn a_user_comes_with_its_password_to_its_tenant_alone() {
    let domain = Ground::new(501).await;
    let (mine, theirs) = domain.two_tenants().await;
    let admin = domain.admin(&mine).await;
    let tenants = (id(&domain, &mine).await, id(&domain, &theirs).await);
    assert_eq!((admin.account(), admin.user().role), (mine.all.account(), Role::Admin));
    let again = domain.core.sign_in(Some(&tenants.0), "ADMIN", PASSWORD, FROM).await.unwrap();
    assert_eq!(again, admin);
    for (tenant, name, password, why) in [
        (Some(&*tenants.0), "admin", "password-of-the-tesT", "the password is not the user's"),
        (Some(&*tenants.0), "nobody", PASSWORD, "there is no user of this name in the tenant"),
        (Some(&*tenants.1), "admin", PASSWORD, "there is no user of this name in the tenant"),
        (Some("management"), "admin", PASSWORD, "there is no user of this name in the tenant"),
        (Some("nowhere"), "admin", PASSWORD, "there is no account with this tenant id"),
        (None, "admin", PASSWORD, "the name has no tenant id before it, and the server has several accounts"),
        (None, "device_1", PASSWORD, "the name has no tenant id before it, and the server has several accounts"),
    ] {
        assert_eq!(refused(&domain, tenant, name, password).await, why);
    }
    let long = "x".repeat(1_025);
    assert!(refused(&domain, Some(&tenants.0), "admin", &long).await.contains("longer than 1024 bytes"));
}

#[tokio::test]
async fn a_name_without_tenant_is_a_device_or_of_the_only_account() {
    let domain = Ground::new(502).await;
    let mine = domain.tenant("mine").await;
    let admin = domain.admin(&mine).await;
    assert_eq!(domain.core.sign_in(None, "admin", PASSWORD, FROM).await, Ok(admin));
    let theirs = domain.tenant("theirs").await;
    let device = domain.device_user(&theirs, "7").await;
    assert_eq!(domain.core.sign_in(None, "device_7", PASSWORD, FROM).await.unwrap(), device);
    assert!(refused(&domain, None, "admin", PASSWORD).await.contains("several accounts"));
}

#[tokio::test]
async fn the_first_login_of_a_device_is_kept() {
    let domain = Ground::new(503).await;
    let (mine, theirs) = domain.two_tenants().await;
    let account = mine.all.account();
    let issued = domain.core.issue_credentials(account, "1", "one", None).unwrap();
    let write = |user: &User| Batch { writes: vec![Write::User(Box::new(user.clone()))], events: vec![] };
    domain.core.store().commit(write(&issued)).await.unwrap();
    assert!(refused(&domain, None, "device_1", "two").await.contains("not the user's"));
    assert!(!domain.core.user_of_device(account, "1").await.unwrap().unwrap().proven);
    let caller = domain.core.sign_in(None, "device_1", "one", FROM).await.unwrap();
    let kept = domain.core.user_of_device(account, "1").await.unwrap().unwrap();
    assert_eq!((kept.proven, kept.version, caller.user()), (true, 2, &*kept));
    // The same again writes nothing.
    domain.core.sign_in(None, "device_1", "one", FROM).await.unwrap();
    assert_eq!(domain.core.user_of_device(account, "1").await.unwrap().unwrap().version, 2);
    // Issued anew, the old password is dead, and who came with it is not signed in any more.
    let before = domain.core.user_of_device(account, "1").await.unwrap();
    let anew = domain.core.issue_credentials(account, "1", "two", before.as_deref()).unwrap();
    assert!(!anew.proven && anew.created_at == issued.created_at);
    domain.core.store().commit(write(&anew)).await.unwrap();
    assert_eq!(cause(domain.core.still_signed_in(&caller).await), Cause::Unauthenticated);
    assert!(refused(&domain, None, "device_1", "one").await.contains("not the user's"));
    domain.core.sign_in(None, "device_1", "two", FROM).await.unwrap();
    for (account, id) in [(theirs.all.account(), "1"), (account, "ÜX")] {
        if id != "1" {
            domain.device_user(&mine, "üx").await;
        }
        assert_eq!(cause(domain.core.user_of_device(account, id).await), Cause::NameTaken);
    }
    for (id, password) in [("a/b", "x"), ("1", ""), ("1", &*"x".repeat(1_025))] {
        assert_eq!(cause(domain.core.issue_credentials(account, id, password, None)), Cause::InvalidField);
    }
}

#[derive(Default)]
struct Closed(Mutex<Vec<(AccountId, String, CloseCause)>>);

impl UserSessions for Closed {
    fn close(&self, account: AccountId, name: &str, why: CloseCause) {
        self.0.lock().push((account, name.into(), why));
    }
}

#[tokio::test]
async fn whoever_may_not_come_any_more_is_out_at_once() {
    let domain = Ground::new(504).await;
    let mine = domain.tenant("mine").await;
    let (account, tenant, core) = (mine.all.account(), id(&domain, &mine).await, &domain.core);
    let closed = Arc::new(Closed::default());
    core.enlist_sessions(&closed);
    let change = async |name: &str, change: UserChange| core.change_user(&domain.operator, account, name, change).await.unwrap();
    let disabled = UserChange { enabled: Some(false), ..Default::default() };
    for caller in [domain.admin(&mine).await, domain.device_user(&mine, "1").await] {
        let name = caller.user().name.clone();
        assert_eq!(core.still_signed_in(&caller).await, Ok(()));
        change(&name, disabled.clone()).await;
        assert!(core.still_signed_in(&caller).await.is_err_and(|error| error.detail == "the user is disabled"));
        assert_eq!(refused(&domain, Some(&tenant), &name, PASSWORD).await, "the user is disabled");
        assert_eq!(refused(&domain, Some(&tenant), &name, "wrong").await, "the password is not the user's");
        change(&name, UserChange { enabled: Some(true), ..Default::default() }).await;
        assert_eq!(core.still_signed_in(&caller).await, Ok(()));
        change(&name, UserChange { password: Some(Secret::new("another one")), ..Default::default() }).await;
        assert!(core.still_signed_in(&caller).await.is_err());
        assert_eq!(refused(&domain, Some(&tenant), &name, PASSWORD).await, "the password is not the user's");
        let caller = core.sign_in(Some(&tenant), &name, "another one", FROM).await.unwrap();
        core.delete_user(&domain.operator, account, &name.to_uppercase()).await.unwrap();
        assert!(core.still_signed_in(&caller).await.is_err_and(|error| error.detail == "the user was deleted"));
        let told: Vec<_> = std::mem::take(&mut *closed.0.lock()).into_iter().map(|(_, name, why)| (name, why)).collect();
        let changed = (name.clone(), CloseCause::CredentialsChanged);
        assert_eq!(told, [changed.clone(), changed, (name, CloseCause::Deleted)]);
    }
    let reader = domain.reader(&mine).await;
    change("reader", UserChange { role: Some(Role::Admin), ..Default::default() }).await;
    assert!(core.still_signed_in(&reader).await.is_err());
}

#[tokio::test]
async fn names_roles_and_passwords_have_their_forms() {
    let domain = Ground::new(505).await;
    let mine = domain.tenant("mine").await;
    let (account, core) = (mine.all.account(), &domain.core);
    let made =
        async |account, new| core.create_user(&domain.operator, account, new).await.map_err(|error| (error.cause, error.path));
    let field = |path: &'static str| (Cause::InvalidField, Some(path.into()));
    for name in ["", "a b", "a/b", "a:b", "device_1", "DEVICE_1", &"x".repeat(1_001)] {
        assert_eq!(made(account, new(name, Role::Admin)).await, Err(field("name")), "{name}");
    }
    for role in [Role::Device, Role::Bootstrap] {
        assert_eq!(made(account, new("x", role)).await, Err(field("role")));
    }
    for password in ["", "1234567", &*"x".repeat(1_025)] {
        let short = NewUser { password: Some(Secret::new(password)), ..new("x", Role::Admin) };
        assert_eq!(made(account, short).await, Err(field("password")));
    }
    let (user, password) = made(account, NewUser { password: None, ..new("Max@x.de", Role::Reader) }).await.unwrap();
    let tenant = id(&domain, &mine).await;
    let caller = core.sign_in(Some(&tenant), "max@X.de", password.unwrap().expose(), FROM).await.unwrap();
    assert_eq!(caller.user(), &*user);
    assert_eq!(made(account, new("MAX@x.de", Role::Admin)).await, Err((Cause::NameTaken, Some("name".into()))));
    assert_eq!(
        made(AccountId::from_random([9; 16]), new("x", Role::Admin)).await.map_err(|error| error.0),
        Err(Cause::AccountNotFound)
    );
    domain.device_user(&mine, "1").await;
    let promoted = UserChange { role: Some(Role::Admin), ..Default::default() };
    assert_eq!(cause(core.change_user(&domain.operator, account, "device_1", promoted).await), Cause::InvalidField);
    let listed = core.users(&domain.operator, account, None, PAGE).await.unwrap();
    assert_eq!(listed.items.iter().map(|user| &*user.name).collect::<Vec<_>>(), ["device_1", "Max@x.de"]);
}

#[tokio::test]
async fn an_operator_of_an_account_has_its_users_alone() {
    let domain = Ground::new(506).await;
    let (mine, theirs) = domain.two_tenants().await;
    let core = &domain.core;
    let token = core.rotate_account_token(&domain.operator, mine.all.account()).await.unwrap();
    let own = core.operator(token.expose()).await.unwrap();
    core.create_user(&own, mine.all.account(), new("max", Role::Admin)).await.unwrap();
    domain.admin(&theirs).await;
    domain.bootstrap().await;
    for (account, name, expected) in
        [(theirs.all.account(), "admin", Cause::AccountNotFound), (AccountId::MANAGEMENT, "devicebootstrap", Cause::Forbidden)]
    {
        assert_eq!(cause(core.create_user(&own, account, new("x", Role::Admin)).await), expected);
        assert_eq!(cause(core.users(&own, account, None, PAGE).await), expected);
        assert_eq!(cause(core.user(&own, account, name).await), expected);
        assert_eq!(cause(core.change_user(&own, account, name, UserChange::default()).await), expected);
        assert_eq!(cause(core.delete_user(&own, account, name).await), expected);
        assert!(core.user(&domain.operator, account, name).await.is_ok());
    }
}

#[tokio::test]
async fn tenant_ids_are_set_by_the_operator_of_the_server() {
    let domain = Ground::new(507).await;
    let (mine, theirs) = domain.two_tenants().await;
    let (core, account) = (&domain.core, mine.all.account());
    let admin = domain.admin(&mine).await;
    let derived = id(&domain, &mine).await;
    assert!(
        derived.len() == 16 && derived.starts_with('t') && derived[1..].bytes().all(|byte| byte.is_ascii_digit()),
        "{derived}"
    );
    let token = core.rotate_account_token(&domain.operator, account).await.unwrap();
    let own = core.operator(token.expose()).await.unwrap();
    let set = async |by, tenant: &str| {
        let change = AccountChange { tenant: Some(tenant.into()), ..Default::default() };
        core.change_account(by, account, change).await.map(|account| account.tenant_id().into_owned())
    };
    assert_eq!(cause(set(&own, "acme").await), Cause::Forbidden);
    for tenant in ["", "Acme", "a-b", "management", &"x".repeat(33)] {
        assert_eq!(cause(set(&domain.operator, tenant).await), Cause::InvalidField, "{tenant}");
    }
    assert_eq!(cause(set(&domain.operator, &id(&domain, &theirs).await).await), Cause::NameTaken);
    assert_eq!(set(&domain.operator, "acme").await, Ok("acme".into()));
    assert_eq!(core.sign_in(Some("acme"), "admin", PASSWORD, FROM).await, Ok(admin));
    assert!(refused(&domain, Some(&derived), "admin", PASSWORD).await.contains("no account"));
}

#[tokio::test]
async fn wrong_passwords_slow_who_sends_them() {
    let domain = Ground::new(508).await;
    let mine = domain.tenant("mine").await;
    let (admin, tenant) = (domain.admin(&mine).await, id(&domain, &mine).await);
    let from = |last: u8| IpAddr::from([198, 51, 100, last]);
    let come = async |password: &str, from| {
        domain.core.sign_in(Some(&tenant), "admin", password, from).await.map_err(|error| error.cause)
    };
    for _ in 0..10 {
        assert_eq!(come("wrong", from(1)).await, Err(Cause::Unauthenticated));
    }
    assert_eq!(come("wrong", from(1)).await, Err(Cause::Throttled));
    // Who is signed in goes on, even there; another address is none of it.
    assert_eq!(come(PASSWORD, from(1)).await, Ok(admin.clone()));
    let domain = domain.restart().await;
    let come = async |password: &str, from| {
        domain.core.sign_in(Some(&tenant), "admin", password, from).await.map_err(|error| error.cause)
    };
    for _ in 0..11 {
        come("00f1e2d3c4b5a6978899", from(1)).await.unwrap_err();
    }
    assert_eq!(come(PASSWORD, from(1)).await, Err(Cause::Throttled), "also what looks generated counts, as it is dear to check");
    assert_eq!(come(PASSWORD, from(2)).await, Ok(admin.clone()));
    domain.advance_s(60);
    assert_eq!(come(PASSWORD, from(1)).await, Ok(admin));
}

#[tokio::test]
async fn another_key_opens_nothing_and_says_so() {
    let domain = Ground::new(509).await;
    let mine = domain.tenant("mine").await;
    domain.device_user(&mine, "1").await;
    let domain = domain.restart_with_key(PasswordKey::new([8; 32])).await;
    let why = refused(&domain, None, "device_1", PASSWORD).await;
    assert!(why.contains("another password.key"), "{why}");
    let _: UserCaller = domain.admin(&mine).await;
}

/// Counts what is hashed.
#[derive(Default)]
struct Counting(AtomicU32);

#[async_trait::async_trait]
impl Hashing for Counting {
    async fn hash(&self, password: Secret, _: [u8; 16]) -> landfall_model::Result<String> {
        Ok(password.expose().to_owned())
    }

    async fn verify(&self, password: Secret, hash: Option<String>) -> landfall_model::Result<bool> {
        self.0.fetch_add(1, Ordering::Relaxed);
        Ok(hash.is_some_and(|hash| hash == password.expose()))
    }
}

#[tokio::test]
async fn a_flood_is_little_work_and_shuts_nobody_else_out() {
    let hashing = Arc::new(Counting::default());
    let domain = Ground::plan(510).hashing(hashing.clone()).open().await;
    let mine = domain.tenant("mine").await;
    let (tenant, core) = (id(&domain, &mine).await, &domain.core);
    let (admin, bootstrap, device) = (domain.admin(&mine).await, domain.bootstrap().await, domain.device_user(&mine, "1").await);
    let worked = || hashing.0.swap(0, Ordering::Relaxed);
    worked();
    // Who is known costs nothing.
    for _ in 0..1_000 {
        assert_eq!(core.sign_in(Some("management"), "devicebootstrap", PASSWORD, FROM).await.as_ref(), Ok(&bootstrap));
    }
    assert_eq!(worked(), 0);
    let flooder = IpAddr::from([203, 0, 113, 9]);
    for minute in 0..3 {
        for n in 0..2_000 {
            let guess = format!("guess {minute} {n}");
            for (tenant, name) in [("management", "devicebootstrap"), (&*tenant, "admin"), (&*tenant, "nobody")] {
                assert!(core.sign_in(Some(tenant), name, &guess, flooder).await.is_err());
            }
            assert!(core.sign_in(Some(&tenant), &format!("n{n}"), &guess, flooder).await.is_err());
        }
        let hashed = worked();
        assert!((1..=100).contains(&hashed), "{hashed} hashes for 8,000 guesses");
        assert_eq!(core.sign_in(Some("management"), "devicebootstrap", PASSWORD, flooder).await.as_ref(), Ok(&bootstrap));
        assert_eq!(core.sign_in(Some(&tenant), "admin", PASSWORD, FROM).await.as_ref(), Ok(&admin));
        assert_eq!(core.sign_in(None, "device_1", PASSWORD, flooder).await.as_ref(), Ok(&device), "a neighbour of the flooder");
        domain.advance_s(60);
    }
    assert_eq!(worked(), 0);
}

#[tokio::test]
async fn names_that_are_not_there_are_checked_as_long() {
    let hashing = Arc::new(Counting::default());
    let domain = Ground::plan(511).hashing(hashing.clone()).open().await;
    let mine = domain.tenant("mine").await;
    let tenant = id(&domain, &mine).await;
    domain.admin(&mine).await;
    for (tenant, name) in [(&*tenant, "admin"), (&tenant, "nobody"), ("nowhere", "admin"), ("management", "x")] {
        hashing.0.store(0, Ordering::Relaxed);
        refused(&domain, Some(tenant), name, "wrong").await;
        assert_eq!(hashing.0.load(Ordering::Relaxed), 1, "{tenant}/{name}");
    }
}

#[tokio::test]
async fn a_person_gives_itself_another_password() {
    let domain = Ground::new(512).await;
    let mine = domain.tenant("mine").await;
    let (core, tenant) = (&domain.core, id(&domain, &mine).await);
    let (reader, device, bootstrap) =
        (domain.reader(&mine).await, domain.device_user(&mine, "1").await, domain.bootstrap().await);
    let (old, new) = (Secret::new(PASSWORD), Secret::new("a new password"));
    for other in [&device, &bootstrap] {
        assert_eq!(cause(core.change_own_password(other, None, &new).await), Cause::Forbidden);
    }
    let wrong = core.change_own_password(&reader, Some(&new), &new).await.unwrap_err();
    assert_eq!((wrong.cause, wrong.path.as_deref()), (Cause::InvalidField, Some("currentUserPassword")));
    core.change_own_password(&reader, Some(&old), &new).await.unwrap();
    assert_eq!(
        cause(core.change_own_password(&reader, None, &new).await),
        Cause::Unauthenticated,
        "it was signed in with the old one"
    );
    assert!(refused(&domain, Some(&tenant), "reader", PASSWORD).await.contains("not the user's"));
    assert!(core.sign_in(Some(&tenant), "reader", new.expose(), FROM).await.is_ok());
}
