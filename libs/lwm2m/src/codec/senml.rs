//! What both SenML formats mean (RFC 8428, core 1.1 section 7.4.5): records with base fields that are carried on. Absent: their bytes;
//! units and sums, which LwM2M does not use.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::collect::{Collector, Raw};
use super::fault::{At, DecodeCheck, DecodeError, EncodeError};
use super::{Decoded, Reading};
use crate::link::strip_root;
use crate::path::Path;
use crate::value::{Entry, EntryTime, Value};

/// Longest name and base name, bytes; a path has at most 24, a root before it 64.
pub(super) const NAME_BYTES_MAX: usize = 88;
/// The version of SenML that is spoken (RFC 8428 section 4.4).
const VERSION_MAX: i64 = 10;
/// Times below this are relative to the receipt (RFC 8428 section 4.5.3), seconds.
const ABSOLUTE_FROM_S: f64 = 268_435_456.0;

/// One record as it was read.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Record {
    pub base_version: Option<i64>,
    pub base_name: Option<String>,
    pub base_time_s: Option<f64>,
    pub base_value: Option<f64>,
    pub name: Option<String>,
    pub time_s: Option<f64>,
    pub value: Option<Raw>,
}

/// Base fields as they stand at a record.
#[derive(Default)]
struct Base {
    name: String,
    time_s: f64,
    value: Option<f64>,
}

impl Base {
    fn take(&mut self, record: &mut Record, root: &str) -> Result<Path, DecodeCheck> {
        if let Some(name) = record.base_name.take() {
            self.name = name;
        }
        self.time_s = record.base_time_s.unwrap_or(self.time_s);
        self.value = record.base_value.or(self.value);
        let name = record.name.as_deref().unwrap_or_default();
        if self.name.len() > NAME_BYTES_MAX || name.len() > NAME_BYTES_MAX {
            return Err(DecodeCheck::Path);
        }
        let full = self.name.clone() + name;
        path_of(&full, root).ok_or(DecodeCheck::Path)
    }

    /// The value with the base value added, where there is one and the value is a number.
    fn add(&self, raw: Raw) -> Raw {
        match (self.value, raw) {
            (None, raw) => raw,
            (Some(base), Raw::Int(n)) => whole(base + n as f64),
            (Some(base), Raw::Uint(n)) => whole(base + n as f64),
            (Some(base), Raw::Float(x)) => Raw::Float(base + x),
            (Some(_), raw) => raw,
        }
    }
}

/// A sum of numbers of which one was whole: whole again if nothing is lost.
fn whole(x: f64) -> Raw {
    if x.fract() == 0.0 && x.abs() < 9_007_199_254_740_992.0 { Raw::Int(x as i64) } else { Raw::Float(x) }
}

/// The values of records.
pub(super) fn entries(records: Vec<Record>, base: &Path, reading: &Reading<'_>) -> Result<Decoded, DecodeError> {
    check_version(&records)?;
    let mut collector = Collector::new(base, reading);
    let mut carried = Base::default();
    for (number, mut record) in records.into_iter().enumerate() {
        let at = At::Record(number);
        let path = match carried.take(&mut record, reading.root) {
            Ok(path) => path,
            Err(check) => {
                collector.fault(at, None, check)?;
                continue;
            }
        };
        let raw = match (record.value, carried.value) {
            (Some(raw), _) => Ok(carried.add(raw)),
            (None, Some(base_value)) => Ok(Raw::Float(base_value)),
            (None, None) => Err(DecodeCheck::NotOneValue),
        };
        let time = time(carried.time_s + record.time_s.unwrap_or_default());
        match raw.and_then(|raw| Ok((raw, time?))) {
            Ok((raw, time)) => collector.raw(at, path, raw, time)?,
            Err(check) => collector.fault(at, Some(path), check)?,
        }
    }
    Ok(collector.finish())
}

/// The path that a full name says. It may end in a slash: that of a base name without a name behind it.
pub(super) fn path_of(name: &str, root: &str) -> Option<Path> {
    let name = strip_root(name, root);
    let path = if name.len() > 1 { name.strip_suffix('/').unwrap_or(name) } else { name };
    path.parse().ok()
}

fn check_version(records: &[Record]) -> Result<(), DecodeError> {
    let newer = |record: &Record| record.base_version.is_some_and(|version| version > VERSION_MAX);
    let at = records.iter().position(newer);
    at.map_or(Ok(()), |at| Err(DecodeError::new(DecodeCheck::SenmlVersion, At::Record(at))))
}

/// The paths of records without values, in order, each once.
pub(super) fn paths(records: Vec<Record>) -> Result<Vec<Path>, DecodeError> {
    check_version(&records)?;
    let mut carried = Base::default();
    let mut paths: Vec<Path> = Vec::with_capacity(records.len());
    let mut seen = std::collections::BTreeSet::new();
    for (number, mut record) in records.into_iter().enumerate() {
        let at = At::Record(number);
        let path = carried.take(&mut record, "").map_err(|check| DecodeError::new(check, at))?;
        if record.value.is_some() {
            return Err(DecodeError::new(DecodeCheck::UnwantedValue, at));
        }
        if seen.insert(path) {
            paths.push(path);
        }
    }
    Ok(paths)
}

/// A sum of base time and time as a moment; 0 is the receipt itself.
pub(super) fn time(seconds: f64) -> Result<Option<EntryTime>, DecodeCheck> {
    if !seconds.is_finite() || seconds.abs() > 1e12 {
        return Err(DecodeCheck::Time);
    }
    let ms = (seconds * 1_000.0).round() as i64;
    Ok(match seconds {
        0.0 => None,
        absolute if absolute >= ABSOLUTE_FROM_S => Some(EntryTime::AbsoluteMs(ms)),
        _ => Some(EntryTime::RelativeMs(ms)),
    })
}

/// A moment as the number of seconds that stands for it. A relative time of 0 is none at all.
pub(super) fn seconds(time: EntryTime) -> Result<f64, EncodeError> {
    let (EntryTime::RelativeMs(ms) | EntryTime::AbsoluteMs(ms)) = time;
    let seconds = ms as f64 / 1_000.0;
    let said = self::time(seconds).ok().flatten();
    if said == Some(time) || ms == 0 { Ok(seconds) } else { Err(EncodeError::Time) }
}

/// A record to write: its name and value.
pub(super) struct Line<'a> {
    /// Only on the first record, and only if there is something to share.
    pub base_name: Option<String>,
    pub name: String,
    pub time_s: Option<f64>,
    pub value: &'a Value,
}

/// The records for entries below `base`, which share the path down to the object instance.
pub(super) fn lines<'a>(base: &Path, entries: &'a [Entry]) -> Result<Vec<Line<'a>>, EncodeError> {
    let shared = base.cut(2);
    let mut seen = std::collections::BTreeSet::new();
    let mut lines = Vec::with_capacity(entries.len());
    for entry in entries {
        if matches!(entry.value, Value::Float(x) if !x.is_finite()) {
            return Err(EncodeError::NotFinite);
        }
        let time_s = entry.time.map(seconds).transpose()?.filter(|seconds| *seconds != 0.0);
        if !seen.insert((entry.path, time_s.map(f64::to_bits))) {
            return Err(EncodeError::Twice(entry.path));
        }
        let base_name = (lines.is_empty() && !shared.is_root()).then(|| format!("{shared}/"));
        lines.push(Line { base_name, name: name_below(&shared, &entry.path), time_s, value: &entry.value });
    }
    Ok(lines)
}

/// `path` as a name behind the base name of `shared`; all of it below the root.
pub(super) fn name_below(shared: &Path, path: &Path) -> String {
    let text = path.to_string();
    if shared.is_root() {
        return text;
    }
    text.get(shared.to_string().len() + 1..).unwrap_or_default().to_owned()
}

const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
const URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, LENIENT.with_encode_padding(false));
const STANDARD: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, LENIENT);

/// Reads base64 in the alphabet for URLs (SenML) or the standard one (text and old JSON); padding may be there or not.
pub(super) fn base64(text: &str, url: bool) -> Result<Vec<u8>, DecodeCheck> {
    let engine = if url { &URL } else { &STANDARD };
    engine.decode(text).map_err(|_| DecodeCheck::Base64)
}

pub(super) fn to_base64(bytes: &[u8], url: bool) -> String {
    let engine = if url { &URL } else { &STANDARD };
    engine.encode(bytes)
}
