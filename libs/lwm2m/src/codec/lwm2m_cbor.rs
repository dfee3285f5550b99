//! LwM2M CBOR (core 1.2 section 7.4.4): nested maps from the root down, whose keys are identifiers or arrays of them. Absent: times, and
//! lists of paths; composite requests name their paths in SenML.

use super::cbor::{MAJOR_ARRAY, MAJOR_MAP, MAJOR_UNSIGNED, Reader, put_head, put_value};
use super::collect::Collector;
use super::fault::{DecodeCheck, DecodeError, EncodeError};
use super::{Decoded, Reading};
use crate::path::Path;
use crate::value::Entry;

pub(super) fn decode(base: &Path, payload: &[u8], reading: &Reading<'_>) -> Result<Decoded, DecodeError> {
    let mut collector = Collector::new(base, reading);
    let mut reader = Reader::new(payload);
    below(&mut reader, Path::ROOT, &mut collector)?;
    reader.end()?;
    Ok(collector.finish())
}

/// Takes a map below `parent`. Each level adds at least one identifier, and paths have at most four: that bounds the depth.
fn below(reader: &mut Reader<'_>, parent: Path, collector: &mut Collector<'_>) -> Result<(), DecodeError> {
    let mut items = reader.enter(MAJOR_MAP, "a map is wanted")?;
    while reader.more(&mut items)? {
        let path = key(reader, parent)?;
        if reader.peek().is_some_and(|byte| byte >> 5 == MAJOR_MAP) {
            below(reader, path, collector)?;
        } else {
            let at = reader.at();
            let raw = reader.any_value()?;
            collector.raw(at, path, raw, None)?;
        }
    }
    Ok(())
}

fn key(reader: &mut Reader<'_>, parent: Path) -> Result<Path, DecodeError> {
    if reader.peek().is_some_and(|byte| byte >> 5 == MAJOR_UNSIGNED) {
        return step(reader, parent);
    }
    let mut items = reader.enter(MAJOR_ARRAY, "a key is an identifier or an array of them")?;
    let mut path = parent;
    while reader.more(&mut items)? {
        path = step(reader, path)?;
    }
    // An empty key would let maps nest without end.
    if path == parent { reader.fail(DecodeCheck::Path) } else { Ok(path) }
}

fn step(reader: &mut Reader<'_>, parent: Path) -> Result<Path, DecodeError> {
    let at = reader.at();
    let fail = |check| DecodeError::new(check, at);
    let head = reader.head()?;
    let id = head.argument.filter(|_| head.major == MAJOR_UNSIGNED).and_then(|id| u16::try_from(id).ok());
    let check = if parent.depth() == 4 { DecodeCheck::TooDeep } else { DecodeCheck::Path };
    id.and_then(|id| parent.child(id)).ok_or(fail(check))
}

pub(super) fn encode(_base: &Path, entries: &[Entry]) -> Result<Vec<u8>, EncodeError> {
    let sorted = super::tree::sorted(entries)?;
    let mut out = Vec::new();
    put_map(&mut out, &sorted, 1)?;
    Ok(out)
}

/// Writes entries that share all identifiers above `depth` as a map of the one at `depth`.
fn put_map(out: &mut Vec<u8>, entries: &[&Entry], depth: u8) -> Result<(), EncodeError> {
    let groups = || entries.chunk_by(|a, b| a.path.cut(depth) == b.path.cut(depth));
    put_head(out, MAJOR_MAP, groups().count() as u64);
    for group in groups() {
        let Some(first) = group.first() else { continue };
        let id = first.path.cut(depth).ids().last().copied().unwrap_or_default();
        put_head(out, MAJOR_UNSIGNED, u64::from(id));
        if first.path.depth() == depth {
            put_value(out, &first.value, false)?;
        } else {
            put_map(out, group, depth + 1)?;
        }
    }
    Ok(())
}
