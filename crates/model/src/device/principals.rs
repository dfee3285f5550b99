//! Which principals see a device: a relation, because dialects differ. An OceanConnect device has the application that registered it, another
//! one may have several, one of a tenant none.

use crate::AppId;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error, SeqAccess, Visitor},
};
use std::{fmt, ops::Deref, sync::Arc};

/// The applications that see a device, each once; the one that registered it first. With none, only the account itself sees it.
///
/// In JSON it is one id where it is one application, as records had it before there could be several; else a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Principals(Arc<[AppId]>);

impl Principals {
    /// Applications that may see one device.
    pub const MOST: usize = 64;

    /// Whether an application is one of them.
    pub fn include(&self, app: AppId) -> bool {
        self.0.contains(&app)
    }
}

impl Deref for Principals {
    type Target = [AppId];

    fn deref(&self) -> &[AppId] {
        &self.0
    }
}

impl From<AppId> for Principals {
    fn from(app: AppId) -> Self {
        Self([app].into())
    }
}

impl From<Option<AppId>> for Principals {
    fn from(app: Option<AppId>) -> Self {
        app.into_iter().collect()
    }
}

impl FromIterator<AppId> for Principals {
    fn from_iter<T: IntoIterator<Item = AppId>>(apps: T) -> Self {
        let mut once = vec![];
        for app in apps {
            if !once.contains(&app) {
                once.push(app);
            }
        }
        Self(once.into())
    }
}

impl Serialize for Principals {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &*self.0 {
            [app] => app.serialize(serializer),
            several => several.serialize(serializer),
        }
    }
}

impl<'de> Deserialize<'de> for Principals {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(OneOrSeveral)
    }
}

struct OneOrSeveral;

impl<'de> Visitor<'de> for OneOrSeveral {
    type Value = Principals;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the id of an application, or a list of them")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Principals, E> {
        text.parse::<AppId>().map(Principals::from).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Principals, A::Error> {
        let mut apps = vec![];
        while let Some(app) = list.next_element()? {
            apps.push(app);
        }
        Ok(apps.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(byte: u8) -> AppId {
        AppId::from_random([byte; 16])
    }

    #[test]
    fn json_is_one_id_or_a_list() {
        let (a, b) = (app(1), app(2));
        let cases: [(&[AppId], String); 3] =
            [(&[], "[]".into()), (&[a], format!("\"{a}\"")), (&[b, a], format!("[\"{b}\",\"{a}\"]"))];
        for (apps, text) in cases {
            let principals: Principals = apps.iter().copied().collect();
            assert_eq!(serde_json::to_string(&principals).unwrap(), text);
            assert_eq!(serde_json::from_str::<Principals>(&text).unwrap(), principals);
            assert_eq!(&*principals, apps);
        }
        assert!(serde_json::from_str::<Principals>("null").is_err() && serde_json::from_str::<Principals>("\"x\"").is_err());
    }

    #[test]
    fn each_is_there_once() {
        let (a, b) = (app(1), app(2));
        let principals: Principals = [b, a, b].into_iter().collect();
        assert_eq!(&*principals, [b, a]);
        assert!(principals.include(a) && !principals.include(app(3)));
    }
}
