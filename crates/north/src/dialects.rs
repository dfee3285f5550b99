//! The list of dialects: `server` reads their sections of the configuration, mounts their routes and tells their subscribers through it, and
//! names none.

use crate::{cumulocity, dialect::Dialect, http::guarded, oceanconnect, onem2m, openapi::Document};
use axum::Router;
use landfall_core::{Core, Notifier};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _, ser::Error as _};
use serde_json::{Map, Value};
use std::{collections::BTreeMap, sync::Arc};

/// Every dialect.
pub const DIALECTS: &[Dialect] = &[oceanconnect::DIALECT, onem2m::DIALECT, cumulocity::DIALECT];

/// What the configuration says of each dialect.
#[derive(Clone, Debug, PartialEq)]
pub struct Sections(BTreeMap<&'static str, Section>);

#[derive(Clone, Debug, PartialEq)]
struct Section {
    enabled: bool,
    settings: Value,
}

impl Sections {
    /// How the dialects that are on tell their subscribers; those of the others rest.
    pub fn notifiers(&self) -> Vec<&'static dyn Notifier> {
        DIALECTS.iter().filter(|dialect| self.on(dialect).is_some()).filter_map(|dialect| dialect.notifier).collect()
    }

    /// The OpenAPI documents of the dialects that are on.
    pub fn documents(&self) -> Vec<Document> {
        let on = DIALECTS.iter().filter(|dialect| self.on(dialect).is_some());
        on.map(|dialect| Document { name: dialect.name, yaml: dialect.document }).collect()
    }

    fn on(&self, dialect: &Dialect) -> Option<&Section> {
        self.0.get(dialect.name).filter(|section| section.enabled)
    }

    /// The routes of the dialects that are on. The error names a key.
    pub fn routes(&self, core: &Arc<Core>) -> Result<Router, String> {
        let mut router = Router::new();
        for dialect in DIALECTS {
            let Some(section) = self.on(dialect) else {
                tracing::info!(dialect = dialect.name, paths = ?dialect.prefixes, "the dialect is off: its paths are unknown, its subscribers wait");
                continue;
            };
            let (clock, routes) = (Arc::clone(core), (dialect.routes)(Arc::clone(core), section.settings.clone()));
            let routes = routes.map_err(|why| format!("{}: {why}", dialect.name))?;
            router = router.merge(guarded(routes, dialect.form, move || clock.now()));
        }
        Ok(router)
    }
}

impl Default for Sections {
    fn default() -> Self {
        let none = Value::Object(Map::new());
        let section =
            |dialect: &Dialect| Section { enabled: true, settings: (dialect.settings)(none.clone()).unwrap_or_default() };
        Self(DIALECTS.iter().map(|dialect| (dialect.name, section(dialect))).collect())
    }
}

impl<'de> Deserialize<'de> for Sections {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut sections = Self::default();
        for (name, mut given) in BTreeMap::<String, Map<String, Value>>::deserialize(deserializer)? {
            let dialect = DIALECTS.iter().find(|dialect| dialect.name == name);
            let dialect = dialect.ok_or_else(|| D::Error::custom(format!("unknown section `{name}`")))?;
            let enabled = match given.remove("enabled") {
                None => true,
                Some(Value::Bool(enabled)) => enabled,
                Some(_) => return Err(D::Error::custom(format!("{name}.enabled: must be true or false"))),
            };
            let settings = (dialect.settings)(Value::Object(given)).map_err(|why| D::Error::custom(format!("{name}: {why}")))?;
            sections.0.insert(dialect.name, Section { enabled, settings });
        }
        Ok(sections)
    }
}

impl Serialize for Sections {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let shown = |section: &Section| {
            let mut shown = section.settings.clone();
            shown.as_object_mut()?.insert("enabled".to_owned(), section.enabled.into());
            Some(shown)
        };
        let shown: Option<BTreeMap<_, _>> = self.0.iter().map(|(name, section)| Some((name, shown(section)?))).collect();
        shown.ok_or_else(|| S::Error::custom("settings of a dialect are no table"))?.serialize(serializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{admin, bind, http::Form};
    use axum::{
        body::{Body, to_bytes},
        extract::Request,
        response::Response,
        routing::get,
    };
    use hyper::service::Service;
    use hyper_util::service::TowerToHyperService;
    use landfall_model::Time;
    use serde_json::json;

    #[test]
    fn names_and_paths_of_dialects_are_apart() {
        for (n, dialect) in DIALECTS.iter().enumerate() {
            assert_eq!(dialect.form.api, dialect.name);
            assert!(dialect.name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit()), "{}", dialect.name);
            for other in &DIALECTS[n + 1..] {
                assert_ne!(dialect.name, other.name);
                for (one, two) in dialect.prefixes.iter().flat_map(|one| other.prefixes.iter().map(move |two| (one, two))) {
                    assert!(!one.starts_with(two) && !two.starts_with(one), "{one} {two}");
                }
            }
        }
    }

    #[test]
    fn sections_are_printed_whole_and_read_back() {
        let sections = Sections::default();
        assert_eq!(sections.0.len(), DIALECTS.len());
        let printed = serde_json::to_value(&sections).unwrap();
        assert!(printed.as_object().unwrap().values().all(|section| section["enabled"] == true), "{printed}");
        assert_eq!(serde_json::from_value::<Sections>(printed).unwrap(), sections);
    }

    #[test]
    fn what_is_wrong_in_a_section_is_named() {
        for dialect in DIALECTS {
            for given in [json!({"enabled": 1}), json!({"nope": 1})] {
                let error = serde_json::from_value::<Sections>(json!({ dialect.name: given.clone() })).unwrap_err().to_string();
                let key = given.as_object().unwrap().keys().next().unwrap();
                assert!(error.contains(dialect.name) && error.contains(key), "{error}");
            }
            let off = serde_json::from_value::<Sections>(json!({ dialect.name: {"enabled": false} })).unwrap();
            assert_eq!(serde_json::to_value(&off).unwrap()[dialect.name]["enabled"], false);
        }
        assert!(serde_json::from_value::<Sections>(json!({"nope": {}})).unwrap_err().to_string().contains("`nope`"));
    }

    /// The answer of an API below `prefix` whose handler panics.
    async fn panicked(prefix: &str, form: Form) -> (Response, String) {
        let path = format!("{prefix}/broken");
        let broken = Router::new().route(&path, get(async || -> String { panic!("on purpose") }));
        let service = TowerToHyperService::new(guarded(broken, form, || Time(1_778_092_785_501)));
        let request = Request::builder().uri(&path).header("x-m2m-ri", "r-1").body(Body::empty()).unwrap();
        let mut response = service.call(request).await.unwrap();
        let body = to_bytes(std::mem::take(response.body_mut()), 1_000).await.unwrap();
        (response, String::from_utf8(body.to_vec()).unwrap())
    }

    #[tokio::test]
    async fn a_panic_is_answered_in_the_form_of_the_api() {
        let mut forms: Vec<_> = DIALECTS.iter().map(|dialect| (dialect.prefixes[0], dialect.form)).collect();
        forms.extend([("/api/v1", admin::FORM), ("/iota/device/v1", bind::FORM)]);
        let expected = [
            ("/iocm", r#"{"error_code":"50252","error_desc":"Internal server error."}"#),
            ("/device-management-orchestrator/v3", r#"{"m2m:dbg":"internal server error"}"#),
            ("/devicecontrol", r#"{"error":"general/internalError","message":"internal server error"}"#),
            ("/api/v1", r#"{"error":{"cause":"Internal","detail":"internal server error","path":null}}"#),
            ("/iota/device/v1", r#"{"result":255,"errorCode":"Internal","errorDesc":"internal error"}"#),
        ];
        assert_eq!(forms.len(), expected.len(), "each dialect says what it answers");
        for ((prefix, form), (same, body)) in forms.into_iter().zip(expected) {
            let (response, text) = panicked(prefix, form).await;
            assert_eq!((prefix, response.status().as_u16(), text.as_str()), (same, 500, body));
            if let Some(id) = response.headers().get("x-m2m-ri") {
                assert_eq!((id.as_bytes(), response.headers()["x-m2m-rsc"].as_bytes()), (&b"r-1"[..], &b"5000"[..]));
                assert_eq!(response.headers()["x-m2m-ot"], "2026-05-06T18:39:45.501Z");
            }
        }
    }
}
