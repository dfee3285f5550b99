//! Topic names and topic filters (MQTT 4.7). Absent: trees of filters; one filter answers for itself.

use std::fmt;

/// How the filter of a shared subscription begins (MQTT 5, 4.8.2).
pub(crate) const SHARE: &str = "$share/";

/// A checked topic filter, also that of a shared subscription (`$share/GROUP/FILTER`).
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
    /// A shared subscription whose group is empty or has a wildcard, or that has no filter [MQTT-4.8.2-1], [MQTT-4.8.2-2].
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
        let (group, filter) = parts(text);
        if group.is_some_and(|group| group.is_empty() || group.contains(['+', '#'])) || filter.is_empty() {
            return Err(FilterError::Shared);
        }
        let mut levels = filter.split('/').peekable();
        while let Some(level) = levels.next() {
            if level.contains('#') && (level != "#" || levels.peek().is_some()) {
                return Err(FilterError::MultiLevel);
            }
            if level.contains('+') && level != "+" {
                return Err(FilterError::SingleLevel);
            }
        }
        Ok(())
    }

    /// The text as subscribed.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The group of a shared subscription.
    pub fn group(&self) -> Option<&str> {
        parts(&self.0).0
    }

    /// The filter of topics, without the group of a shared subscription.
    pub fn topic_filter(&self) -> &str {
        parts(&self.0).1
    }

    /// Whether `+` or `#` occurs.
    pub fn has_wildcard(&self) -> bool {
        self.0.contains(['+', '#'])
    }

    /// Whether a message published to `topic` belongs to this filter. A wildcard in the first level never matches a topic that starts
    /// with `$` [MQTT-4.7.2-1]; `a/#` matches `a` too.
    pub fn matches(&self, topic: &str) -> bool {
        let filter = self.topic_filter();
        if topic.starts_with('$') && filter.starts_with(['+', '#']) {
            return false;
        }
        let mut names = topic.split('/');
        for level in filter.split('/') {
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

/// The group, where `text` names one, and the filter of topics.
fn parts(text: &str) -> (Option<&str>, &str) {
    match text.strip_prefix(SHARE) {
        Some(shared) => shared.split_once('/').map_or((Some(shared), ""), |(group, filter)| (Some(group), filter)),
        None => (None, text),
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
            ("$share/g/a/+", "a/b", true),
            ("$share/g/a/+", "$share/g/a/b", false),
            ("$share/g/#", "$SYS/x", false),
            ("$share/g/$SYS/#", "$SYS/x", true),
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
            ("$share/g/t", Ok(())),
            ("$share/g/+/t/#", Ok(())),
            ("$share/g//", Ok(())),
            ("$share", Ok(())),
            ("$share/", Err(FilterError::Shared)),
            ("$share/g", Err(FilterError::Shared)),
            ("$share/g/", Err(FilterError::Shared)),
            ("$share//t", Err(FilterError::Shared)),
            ("$share/+/t", Err(FilterError::Shared)),
            ("$share/g#/t", Err(FilterError::Shared)),
            ("$share/g/t#", Err(FilterError::MultiLevel)),
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
