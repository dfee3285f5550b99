//! Numbers that parts of the program count for themselves, as operators scrape them.

/// A number with its name and help in the exposition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Metric {
    /// Without the prefix of the program.
    pub name: &'static str,
    /// What an operator reads.
    pub help: &'static str,
    /// The number, or the numbers.
    pub count: Count,
}

/// The numbers of a metric.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Count {
    /// Counted from the start.
    Total(u64),
    /// So many now.
    Now(u64),
    /// So many now, by a label of this name.
    NowBy(&'static str, Vec<(&'static str, u64)>),
    /// Refusals counted from the start, by step and check of their why records.
    Refused(Vec<(&'static str, &'static str, u64)>),
}
