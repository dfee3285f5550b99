//! Entries in the order of their paths, for formats that nest. Absent: times.

use super::fault::EncodeError;
use crate::value::Entry;

/// The entries by path. No path twice, and no resource with both a value and instances.
pub(super) fn sorted(entries: &[Entry]) -> Result<Vec<&Entry>, EncodeError> {
    let mut sorted: Vec<&Entry> = entries.iter().collect();
    sorted.sort_by_key(|entry| entry.path);
    if let Some(pair) = sorted.windows(2).find(|pair| pair[0].path.contains(&pair[1].path)) {
        return Err(EncodeError::Twice(pair[1].path));
    }
    if sorted.iter().any(|entry| entry.time.is_some()) {
        return Err(EncodeError::Time);
    }
    Ok(sorted)
}
