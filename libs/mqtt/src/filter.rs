//! Topic names and topic filters (MQTT 4.7). Absent: trees of filters; one filter answers for itself.

use std::fmt;

/// A checked topic filter. Shared subscriptions (`$share/...`) are told apart, not supported.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Filter(Box<str>);

/// Why a text is no topic filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FilterError {
    /// No character at all [MQTT-4.7.3-1].
    Empty,
    /// U+0000 inside [MQTT-4.7.3-2].
    Nul,
    /// `#` is not alone in the last level [MQTT-4.7.1-2] (5.0: [MQTT-4.7.1-1]).
    MultiLevel,
    /// `+` does not fill its level [MQTT-4.7.1-3] (5.0: [MQTT-4.7.1-2]).
    SingleLevel,
    /// A shared subscription.
    Shared,
}

impl Filter {
    /// Checks `text`.
    pub fn new(text: &str) -> Result<Self, FilterError> {
        Self::check(text)?;
        Ok(Self(text.into()))
    }

    /// The same rules without keeping the text.
    pub fn check(text: &str) -> Result<(), FilterError> {
        if text.is_empty() {
            return Err(FilterError::Empty);
        }
        if text.contains('\0') {
            return Err(FilterError::Nul);
        }
        let mut levels = text.split('/').peekable();
        while let Some(level) = levels.next() {
            if level.contains('#') && (level != "#" || levels.peek().is_some()) {
                return Err(FilterError::MultiLevel);
            }
            if level.contains('+') && level != "+" {
                return Err(FilterError::SingleLevel);
            }
        }
        if text.starts_with("$share/") { Err(FilterError::Shared) } else { Ok(()) }
    }

    /// The text as subscribed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether `+` or `#` occurs.
    pub fn has_wildcard(&self) -> bool {
        self.0.contains(['+', '#'])
    }

    /// Whether a message published to `topic` belongs to this filter. A wildcard in the first level never matches a topic that starts
    /// with `$` [MQTT-4.7.2-1]; `a/#` matches `a` too.
    pub fn matches(&self, topic: &str) -> bool {
        if topic.starts_with('$') && self.0.starts_with(['+', '#']) {
            return false;
        }
        let mut names = topic.split('/');
        for level in self.0.split('/') {
            if level == "#" {
                return true;
            }
            match names.next() {
                Some(name) if level == "+" || level == name => {}
                _ => return false,
            }
        }
        names.next().is_none()
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Whether `topic` may be published to: not empty, no wildcard, no U+0000 [MQTT-3.3.2-2], [MQTT-4.7.3-1], [MQTT-4.7.3-2].
pub fn topic_is_valid(topic: &str) -> bool {
    !topic.is_empty() && !topic.bytes().any(|byte| matches!(byte, b'+' | b'#' | 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn matching_cases() {
        let cases = [
            ("a/b", "a/b", true),
            ("a/b", "a/b/c", false),
            ("a/b", "a", false),
            ("a/b", "A/b", false),
            ("a/+", "a/b", true),
            ("a/+", "a/", true),
            ("a/+", "a", false),
            ("a/+", "a/b/c", false),
            ("+/b", "a/b", true),
            ("+/b", "/b", true),
            ("+", "a", true),
            ("+", "/a", false),
            ("+/+", "/a", true),
            ("/+", "/a", true),
            ("#", "a", true),
            ("#", "a/b/c", true),
            ("#", "/", true),
            ("a/#", "a", true),
            ("a/#", "a/", true),
            ("a/#", "a/b/c", true),
            ("a/#", "ab", false),
            ("a/+/c/#", "a/b/c", true),
            ("a/+/c/#", "a/b/d", false),
            ("#", "$SYS/x", false),
            ("+/x", "$SYS/x", false),
            ("$SYS/#", "$SYS/x", true),
            ("$SYS/+", "$SYS/x", true),
            ("a//b", "a//b", true),
            ("a/+/b", "a//b", true),
            ("é/+", "é/ü", true),
        ];
        for (filter, topic, expected) in cases {
            assert_eq!(Filter::new(filter).unwrap().matches(topic), expected, "{filter} {topic}");
        }
    }

    #[test]
    fn validity_cases() {
        let cases = [
            ("", Err(FilterError::Empty)),
            ("a\0b", Err(FilterError::Nul)),
            ("#", Ok(())),
            ("+", Ok(())),
            ("a/#", Ok(())),
            ("a#", Err(FilterError::MultiLevel)),
            ("#/a", Err(FilterError::MultiLevel)),
            ("a/#/", Err(FilterError::MultiLevel)),
            ("a+", Err(FilterError::SingleLevel)),
            ("a/+b/c", Err(FilterError::SingleLevel)),
            ("++", Err(FilterError::SingleLevel)),
            ("/", Ok(())),
            ("$share/g/t", Err(FilterError::Shared)),
            ("$share", Ok(())),
        ];
        for (text, expected) in cases {
            assert_eq!(Filter::check(text), expected, "{text:?}");
        }
    }

    #[test]
    fn topic_cases() {
        for (topic, expected) in [("a/b", true), ("/", true), ("", false), ("a/+", false), ("a#", false), ("a\0", false)] {
            assert_eq!(topic_is_valid(topic), expected, "{topic:?}");
        }
    }
}
