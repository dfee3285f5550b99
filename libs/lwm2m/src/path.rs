//! The path of an object, object instance, resource or resource instance. Absent: alternative roots; see [`crate::registration`].

use std::cmp::Ordering;
use std::fmt;
use std::str::FromStr;

/// The identifier that is never assigned to anything (core 1.1 section 7.2.1); in object links it means "none".
pub const MAX_ID: u16 = 65_535;

/// Up to four identifiers, 0 to 65534 each; none of them is the root. Parents sort before their children.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Path {
    ids: [u16; 4],
    depth: u8,
}

/// Why a text is not a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PathError {
    /// It does not begin with `/`.
    #[error("a path begins with /")]
    NoSlash,
    /// A segment is empty, not decimal, has a leading zero, or is above 65534.
    #[error("a path has decimal identifiers of 0 to 65534")]
    Identifier,
    /// It has more than four segments.
    #[error("a path has at most four identifiers")]
    TooDeep,
}

impl Path {
    /// The root: contains everything.
    pub const ROOT: Self = Self { ids: [0; 4], depth: 0 };

    /// An object such as `/3`. For numbers in code; what a peer sent goes through [`Path::new`] or [`Path::child`].
    pub const fn object(object: u16) -> Self {
        Self { ids: [object, 0, 0, 0], depth: 1 }
    }

    /// An object instance such as `/3/0`.
    pub const fn instance(object: u16, instance: u16) -> Self {
        Self { ids: [object, instance, 0, 0], depth: 2 }
    }

    /// A resource such as `/3/0/9`.
    pub const fn resource(object: u16, instance: u16, resource: u16) -> Self {
        Self { ids: [object, instance, resource, 0], depth: 3 }
    }

    /// A resource instance such as `/3/0/7/1`.
    pub const fn resource_instance(object: u16, instance: u16, resource: u16, index: u16) -> Self {
        Self { ids: [object, instance, resource, index], depth: 4 }
    }

    /// The path of these identifiers; `None` for more than four or for the reserved 65535.
    pub fn new(ids: &[u16]) -> Option<Self> {
        ids.iter().try_fold(Self::ROOT, |path, id| path.child(*id))
    }

    /// The path one level below; `None` below a resource instance and for the reserved 65535.
    pub fn child(self, id: u16) -> Option<Self> {
        let mut longer = self;
        *longer.ids.get_mut(usize::from(self.depth))? = id;
        longer.depth += 1;
        (id != MAX_ID).then_some(longer)
    }

    /// The path one level above; `None` for the root.
    pub fn parent(self) -> Option<Self> {
        self.depth.checked_sub(1).map(|depth| self.cut(depth))
    }

    /// The first `depth` identifiers of it, 0 to 4.
    pub fn cut(self, depth: u8) -> Self {
        let depth = depth.min(self.depth);
        let mut ids = self.ids;
        ids.iter_mut().skip(usize::from(depth)).for_each(|id| *id = 0);
        Self { ids, depth }
    }

    /// The path of already separated segments, as in CoAP's Uri-Path.
    ///
    /// # Errors
    /// [`PathError::Identifier`] or [`PathError::TooDeep`].
    pub fn from_segments<S: AsRef<str>>(segments: impl IntoIterator<Item = S>) -> Result<Self, PathError> {
        let mut path = Self::ROOT;
        for segment in segments {
            let id = parse_id(segment.as_ref()).ok_or(PathError::Identifier)?;
            path = path.child(id).ok_or(PathError::TooDeep)?;
        }
        Ok(path)
    }

    /// The identifiers as texts, for CoAP's Uri-Path.
    pub fn segments(&self) -> Vec<String> {
        self.ids().iter().map(u16::to_string).collect()
    }

    /// The identifiers, 0 to 4 of them.
    pub fn ids(&self) -> &[u16] {
        self.ids.get(..usize::from(self.depth)).unwrap_or_default()
    }

    /// 0 for the root, 1 object, 2 object instance, 3 resource, 4 resource instance.
    pub const fn depth(&self) -> u8 {
        self.depth
    }

    /// Whether it is the root.
    pub const fn is_root(&self) -> bool {
        self.depth == 0
    }

    /// The object, unless it is the root.
    pub fn object_id(&self) -> Option<u16> {
        self.ids().first().copied()
    }

    /// The object instance, where there is one.
    pub fn instance_id(&self) -> Option<u16> {
        self.ids().get(1).copied()
    }

    /// The resource, where there is one.
    pub fn resource_id(&self) -> Option<u16> {
        self.ids().get(2).copied()
    }

    /// The resource instance, where there is one.
    pub fn resource_instance_id(&self) -> Option<u16> {
        self.ids().get(3).copied()
    }

    /// Whether `other` is this or lies below it.
    pub fn contains(&self, other: &Self) -> bool {
        other.ids().starts_with(self.ids())
    }
}

/// An identifier as it is written: decimal, without leading zeros, at most 65534.
pub(crate) fn parse_id(text: &str) -> Option<u16> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) && (text == "0" || !text.starts_with('0'));
    text.parse().ok().filter(|id| plain && *id != MAX_ID)
}

impl FromStr for Path {
    type Err = PathError;

    /// `/` is the root; anything else is `/` and identifiers with `/` between them.
    fn from_str(text: &str) -> Result<Self, PathError> {
        match text.strip_prefix('/') {
            None => Err(PathError::NoSlash),
            Some("") => Ok(Self::ROOT),
            Some(rest) => Self::from_segments(rest.split('/')),
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_root() {
            return f.write_str("/");
        }
        self.ids().iter().try_for_each(|id| write!(f, "/{id}"))
    }
}

impl fmt::Debug for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Ord for Path {
    fn cmp(&self, other: &Self) -> Ordering {
        self.ids().cmp(other.ids())
    }
}

impl PartialOrd for Path {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_read_and_written_alike() {
        let good: [(&str, &[u16]); 6] = [
            ("/", &[]),
            ("/3", &[3]),
            ("/3/0", &[3, 0]),
            ("/3/0/9", &[3, 0, 9]),
            ("/3/0/7/1", &[3, 0, 7, 1]),
            ("/65534", &[65_534]),
        ];
        for (text, ids) in good {
            let path: Path = text.parse().unwrap();
            assert_eq!((path.ids(), path.to_string().as_str()), (ids, text));
            assert_eq!(Path::from_segments(path.segments()), Ok(path));
        }
        let bad = [
            ("", PathError::NoSlash),
            ("3/0", PathError::NoSlash),
            ("//", PathError::Identifier),
            ("/3/", PathError::Identifier),
            ("/03", PathError::Identifier),
            ("/+3", PathError::Identifier),
            ("/65535", PathError::Identifier),
            ("/65536", PathError::Identifier),
            ("/rd", PathError::Identifier),
            ("/1/2/3/4/5", PathError::TooDeep),
        ];
        for (text, error) in bad {
            assert_eq!(text.parse::<Path>(), Err(error), "{text}");
        }
    }

    #[test]
    fn parents_come_first_and_contain_their_children() {
        let mut paths: Vec<Path> = ["/3/0/9", "/10", "/3", "/3/0", "/3/0/7/1", "/", "/3/1"].map(|p| p.parse().unwrap()).to_vec();
        paths.sort();
        assert_eq!(format!("{paths:?}"), "[/, /3, /3/0, /3/0/7/1, /3/0/9, /3/1, /10]");
        let contains = |a: &str, b: &str| a.parse::<Path>().unwrap().contains(&b.parse().unwrap());
        assert!(contains("/", "/3/0/7/1") && contains("/3/0", "/3/0") && contains("/3/0", "/3/0/9"));
        assert!(!contains("/3/0", "/3") && !contains("/3/0", "/3/1") && !contains("/3", "/30"));
        assert_eq!(Path::resource(3, 0, 9).parent(), Some(Path::instance(3, 0)));
        assert_eq!(Path::ROOT.parent(), None);
        assert_eq!(Path::new(&[1, MAX_ID]), None);
    }
}
