//! Numbers, strings and ids as bytes.

use crate::engine::sql::SqlError;
use landfall_model::AppId;
use uuid::Uuid;

/// Bytes that no version of this program wrote.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Malformed;

impl From<Malformed> for SqlError {
    fn from(_: Malformed) -> Self {
        Self::wrong("a stored record cannot be read")
    }
}

pub(crate) type Read<T> = Result<T, Malformed>;

pub(crate) fn put_u64(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push((value as u8) | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

pub(crate) fn put_i64(out: &mut Vec<u8>, value: i64) {
    put_u64(out, ((value << 1) ^ (value >> 63)) as u64);
}

pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_u64(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

pub(crate) fn put_id(out: &mut Vec<u8>, id: &Uuid) {
    out.extend_from_slice(id.as_bytes());
}

/// The id of an application; one of zeros, which no application has, for none.
pub(crate) fn put_app(out: &mut Vec<u8>, app: Option<AppId>) {
    put_id(out, &app.map_or(Uuid::nil(), |app| app.0));
}

/// What is left to read.
#[derive(Clone, Copy)]
pub(crate) struct Input<'a>(pub(crate) &'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn take(&mut self, n: usize) -> Read<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(n).ok_or(Malformed)?;
        self.0 = tail;
        Ok(head)
    }

    pub(crate) fn byte(&mut self) -> Read<u8> {
        let (first, tail) = self.0.split_first().ok_or(Malformed)?;
        self.0 = tail;
        Ok(*first)
    }

    pub(crate) fn u64(&mut self) -> Read<u64> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                return Err(Malformed);
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(Malformed)
    }

    pub(crate) fn i64(&mut self) -> Read<i64> {
        let raw = self.u64()?;
        Ok(((raw >> 1) as i64) ^ -((raw & 1) as i64))
    }

    pub(crate) fn bytes(&mut self) -> Read<&'a [u8]> {
        let n = usize::try_from(self.u64()?).map_err(|_| Malformed)?;
        self.take(n)
    }

    pub(crate) fn str(&mut self) -> Read<&'a str> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }

    pub(crate) fn app(&mut self) -> Read<Option<AppId>> {
        Ok(Some(self.id()?).filter(|id| !id.is_nil()).map(AppId))
    }

    pub(crate) fn id(&mut self) -> Read<Uuid> {
        Uuid::from_slice(self.take(16)?).map_err(|_| Malformed)
    }
}
