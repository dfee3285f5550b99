//! Request bodies as programs write them: one reader for all of them, so that every field has the same manners (contract section 17).
//!
//! The JSON library of the original platform converts between texts and other scalars, and so do the authors of programs. A scalar in the other
//! spelling is taken where it converts exactly, an empty text where nothing need be said is nothing, and names of fields are known in any letter
//! case. What is kept as it came (`RawValue`, `Value`) stays as it came. Faults name the field, never its value.

use super::Fault;
use serde::{
    Deserialize, Deserializer,
    de::{self, DeserializeSeed, Error as _, IntoDeserializer, MapAccess, Visitor, value::SeqDeserializer},
    forward_to_deserialize_any,
};
use serde_json::value::RawValue;
use std::{borrow::Cow, fmt};

/// Numbers beyond it are no whole ones for a double.
const WHOLE_MAX: f64 = 9_007_199_254_740_992.0;

/// Reads JSON.
pub(super) fn parse<'de, T: Deserialize<'de>>(text: &'de str) -> Result<T, Fault> {
    let whole: &RawValue = serde_json::from_str(text)
        .map_err(|error| Fault::Malformed(format!("no JSON at line {} column {}", error.line(), error.column())))?;
    T::deserialize(Json(whole)).map_err(|wrong| Fault::Malformed(wrong.to_string()))
}

/// Tells null from an absent field.
pub(super) fn present<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    let raw = <&RawValue>::deserialize(deserializer)?;
    if raw.get() == "null" {
        return Ok(Some(None));
    }
    let given = Option::<String>::deserialize(Json(raw)).map_err(|wrong| D::Error::custom(wrong.rule))?;
    Ok(given.map(Some))
}

/// A value of a body.
#[derive(Clone, Copy)]
struct Json<'de>(&'de RawValue);

impl<'de> Json<'de> {
    /// What stands between the quotes of a text without escapes.
    fn quoted(self) -> Option<&'de str> {
        self.0.get().strip_prefix('"')?.strip_suffix('"').filter(|text| !text.contains('\\'))
    }

    /// A number, true or false, bare or as a text.
    fn scalar(self) -> &'de str {
        self.quoted().unwrap_or_else(|| self.0.get())
    }

    fn whole<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let text = self.scalar();
        if let Ok(number) = text.parse::<i64>() {
            return visitor.visit_i64(number);
        }
        match text.parse::<f64>() {
            Ok(number) if number.fract() == 0.0 && number.abs() <= WHOLE_MAX => visitor.visit_i64(number as i64),
            _ => Err(Wrong::custom("must be a whole number")),
        }
    }

    fn members(self) -> Result<Vec<(Name<'de>, &'de RawValue)>, Wrong> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Vec<(Name<'de>, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut pairs = vec![];
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(pairs)
            }
        }
        self.plain(|json| json.deserialize_map(Pairs)).map_err(|_| Wrong::custom("must be an object"))
    }

    /// As it came.
    fn plain<T>(
        self,
        read: impl FnOnce(&mut serde_json::Deserializer<serde_json::de::StrRead<'de>>) -> serde_json::Result<T>,
    ) -> Result<T, Wrong> {
        read(&mut serde_json::Deserializer::from_str(self.0.get())).map_err(|_| Wrong::custom("is of a wrong type"))
    }
}

/// A name, borrowed where it can be.
#[derive(Deserialize)]
#[serde(transparent)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'de> IntoDeserializer<'de, Wrong> for Json<'de> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

/// Whole numbers are read alike: a field says its range when it is checked.
macro_rules! whole {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            self.whole(visitor)
        })*
    };
}

impl<'de> Deserializer<'de> for Json<'de> {
    type Error = Wrong;

    whole! { deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.scalar() {
            word if word.eq_ignore_ascii_case("true") => visitor.visit_bool(true),
            word if word.eq_ignore_ascii_case("false") => visitor.visit_bool(false),
            _ => Err(Wrong::custom("must be true or false")),
        }
    }

    fn deserialize_str<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.0.get().as_bytes() {
            [b'"', ..] => self.plain(|json| json.deserialize_str(visitor)),
            [b'-' | b'0'..=b'9' | b't' | b'f', ..] => visitor.visit_borrowed_str(self.0.get()),
            _ => Err(Wrong::custom("must be a string")),
        }
    }

    fn deserialize_string<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.deserialize_str(visitor)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.0.get() {
            "null" | "\"\"" => visitor.visit_none(),
            _ => visitor.visit_some(self),
        }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        let items: Vec<&RawValue> = serde_json::from_str(self.0.get()).map_err(|_| Wrong::custom("must be an array"))?;
        visitor.visit_seq(SeqDeserializer::new(items.into_iter().map(Json)))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let members = self.members()?;
        let mut known: Vec<(&'static str, Json<'de>)> = vec![];
        // A name in its own letter case goes before the others.
        for same in [<str as PartialEq>::eq as fn(&str, &str) -> bool, str::eq_ignore_ascii_case] {
            for (name, value) in &members {
                let Some(field) = fields.iter().copied().find(|field| same(field, &name.0)) else { continue };
                if known.iter().all(|(other, _)| *other != field) {
                    known.push((field, Json(value)));
                }
            }
        }
        visitor.visit_map(Members { left: known.into_iter(), next: None })
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, name: &'static str, visitor: V) -> Result<V::Value, Wrong> {
        self.plain(|json| json.deserialize_newtype_struct(name, visitor))
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        self.plain(|json| json.deserialize_any(visitor))
    }

    forward_to_deserialize_any! {
        i128 u128 f32 f64 char bytes byte_buf unit unit_struct tuple tuple_struct map enum identifier ignored_any
    }
}

/// The known members of an object.
struct Members<'de> {
    left: std::vec::IntoIter<(&'static str, Json<'de>)>,
    next: Option<(&'static str, Json<'de>)>,
}

impl<'de> MapAccess<'de> for Members<'de> {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Wrong> {
        self.next = self.left.next();
        self.next.map(|(name, _)| seed.deserialize(name.into_deserializer())).transpose()
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, Wrong> {
        let (name, value) = self.next.take().ok_or_else(|| Wrong::custom("has no value"))?;
        seed.deserialize(value).map_err(|wrong| wrong.under(name))
    }
}

/// What is wrong, and where.
#[derive(Debug)]
struct Wrong {
    path: String,
    rule: String,
}

impl Wrong {
    fn under(self, name: &str) -> Self {
        let dot = if self.path.is_empty() { "" } else { "." };
        Self { path: format!("{name}{dot}{}", self.path), ..self }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = if self.path.is_empty() { "the body" } else { &self.path };
        write!(f, "{path}: {}", self.rule)
    }
}

impl std::error::Error for Wrong {}

impl de::Error for Wrong {
    fn custom<T: fmt::Display>(rule: T) -> Self {
        Self { path: String::new(), rule: rule.to_string() }
    }

    fn invalid_type(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!("must be {expected}"))
    }

    fn invalid_value(_: de::Unexpected<'_>, expected: &dyn de::Expected) -> Self {
        Self::custom(format_args!("must be {expected}"))
    }

    fn missing_field(field: &'static str) -> Self {
        Self::custom("is mandatory").under(field)
    }

    fn duplicate_field(field: &'static str) -> Self {
        Self::custom("stands twice").under(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    #[derive(Debug, Default, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase", default)]
    struct Outer<'a> {
        app_id: Option<String>,
        expire_time: Option<i64>,
        is_secure: Option<bool>,
        #[serde(rename = "callbackURL")]
        callback_url: Option<String>,
        #[serde(deserialize_with = "present")]
        end_user: Option<Option<String>>,
        inner: Option<Inner>,
        #[serde(borrow)]
        text: Option<&'a str>,
        #[serde(borrow)]
        paras: Option<Raw<'a>>,
        kept: Value,
        list: Vec<Inner>,
    }

    #[derive(Debug, PartialEq, Deserialize)]
    struct Inner {
        name: String,
    }

    #[derive(Debug, Deserialize)]
    struct Raw<'a>(#[serde(borrow)] &'a RawValue);

    impl PartialEq for Raw<'_> {
        fn eq(&self, other: &Self) -> bool {
            self.0.get() == other.0.get()
        }
    }

    fn inner(name: &str) -> Inner {
        Inner { name: name.into() }
    }

    #[test]
    fn scalars_are_read_in_both_spellings() {
        let cases = [
            (r#"{"expireTime":100}"#, Outer { expire_time: Some(100), ..Outer::default() }),
            (r#"{"expireTime":"100"}"#, Outer { expire_time: Some(100), ..Outer::default() }),
            (r#"{"expireTime":100.0}"#, Outer { expire_time: Some(100), ..Outer::default() }),
            (r#"{"expireTime":"-1"}"#, Outer { expire_time: Some(-1), ..Outer::default() }),
            (r#"{"isSecure":"true"}"#, Outer { is_secure: Some(true), ..Outer::default() }),
            (r#"{"isSecure":"False"}"#, Outer { is_secure: Some(false), ..Outer::default() }),
            (r#"{"appId":1}"#, Outer { app_id: Some("1".into()), ..Outer::default() }),
            (r#"{"appId":1.50}"#, Outer { app_id: Some("1.50".into()), ..Outer::default() }),
            (r#"{"appId":true}"#, Outer { app_id: Some("true".into()), ..Outer::default() }),
            (r#"{"inner":{"name":7}}"#, Outer { inner: Some(inner("7")), ..Outer::default() }),
            (r#"{"list":[{"name":7},{"name":"a"}]}"#, Outer { list: vec![inner("7"), inner("a")], ..Outer::default() }),
        ];
        for (text, expected) in cases {
            assert_eq!(parse::<Outer<'_>>(text).unwrap(), expected, "{text}");
        }
    }

    #[test]
    fn an_empty_text_for_what_need_not_be_said_is_nothing() {
        let text = r#"{"appId":"","expireTime":"","isSecure":"","endUser":"","inner":"","text":""}"#;
        assert_eq!(parse::<Outer<'_>>(text).unwrap(), Outer::default());
        assert_eq!(parse::<Outer<'_>>(r#"{"endUser":null}"#).unwrap().end_user, Some(None));
        assert_eq!(parse::<Outer<'_>>(r#"{"endUser":"u"}"#).unwrap().end_user, Some(Some("u".into())));
        assert_eq!(parse::<Inner>(r#"{"name":""}"#).unwrap(), inner(""), "what is needed stays");
    }

    #[test]
    fn names_are_known_in_any_letter_case_and_the_right_one_goes_first() {
        let read = |text| parse::<Outer<'_>>(text).unwrap();
        assert_eq!(read(r#"{"appid":"a","CALLBACKurl":"u"}"#).app_id.as_deref(), Some("a"));
        assert_eq!(read(r#"{"callbackUrl":"u"}"#).callback_url.as_deref(), Some("u"));
        for both in [r#"{"appid":"a","appId":"b"}"#, r#"{"appId":"b","APPID":"a"}"#] {
            assert_eq!(read(both).app_id.as_deref(), Some("b"));
        }
        assert_eq!(read(r#"{"appid":"a","APPID":"b"}"#).app_id.as_deref(), Some("a"));
    }

    #[test]
    fn what_is_kept_stays_as_it_came_and_texts_are_borrowed() {
        let text = r#"{"paras":{"value": "1.00"},"text":"plain","kept":{"a":"","B":"1"},"later":[{}]}"#;
        let got = parse::<Outer<'_>>(text).unwrap();
        assert_eq!(got.paras.unwrap().0.get(), r#"{"value": "1.00"}"#);
        assert_eq!((got.text, got.kept), (Some("plain"), json!({"a": "", "B": "1"})));
        assert_eq!(parse::<Outer<'_>>(r#"{"appId":"\u00e4\"\n"}"#).unwrap().app_id.as_deref(), Some("ä\"\n"));
    }

    #[test]
    fn faults_name_the_field_and_never_the_value() {
        let cases = [
            (r#"{"expireTime":"secret"}"#, "malformed: expireTime: must be a whole number"),
            (r#"{"expireTime":1.5}"#, "malformed: expireTime: must be a whole number"),
            (r#"{"expireTime":1e300}"#, "malformed: expireTime: must be a whole number"),
            (r#"{"expireTime":[1]}"#, "malformed: expireTime: must be a whole number"),
            (r#"{"isSecure":1}"#, "malformed: isSecure: must be true or false"),
            (r#"{"appId":{"secret":1}}"#, "malformed: appId: must be a string"),
            (r#"{"endUser":["secret"]}"#, "malformed: endUser: must be a string"),
            (r#"{"inner":["secret"]}"#, "malformed: inner: must be an object"),
            (r#"{"inner":{}}"#, "malformed: inner.name: is mandatory"),
            (r#"{"list":[{"name":[]}]}"#, "malformed: list.name: must be a string"),
            (r#"{"list":{}}"#, "malformed: list: must be an array"),
            ("[]", "malformed: the body: must be an object"),
            (r#""secret""#, "malformed: the body: must be an object"),
            ("{\n\"secret\"", "malformed: no JSON at line 2 column 8"),
            ("", "malformed: no JSON at line 1 column 0"),
        ];
        for (text, expected) in cases {
            assert_eq!(parse::<Outer<'_>>(text).unwrap_err().to_string(), expected, "{text}");
        }
    }

    #[test]
    fn mutated_bodies_are_read_or_refused_without_their_values() {
        let corpus = [
            r#"{"appid":"secret","expireTime":"100","isSecure":"true","callbackURL":1.5,"endUser":null,"inner":{"name":"secret"}}"#,
            r#"{"text":"secret","paras":{"value":"4"},"kept":["secret"],"list":[{"name":7},{"name":""}]}"#,
        ];
        let corpus = corpus.map(str::as_bytes);
        landfall_testkit::mutate::run(&corpus, 1, 20_000, |bytes| {
            if let Err(fault) = std::str::from_utf8(bytes).map_or(Ok(()), |text| parse::<Outer<'_>>(text).map(drop)) {
                assert!(!fault.to_string().contains("secret"), "{fault}");
            }
        });
    }
}
