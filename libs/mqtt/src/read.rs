//! A cursor over one packet body. Every read is bounds-checked and names the check that failed. Absent: any allocation.

use crate::check::{self, Check};

pub(crate) type Parse<T> = Result<T, &'static Check>;

pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn new(body: &'a [u8]) -> Self {
        Self { rest: body }
    }

    pub fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub fn rest(self) -> &'a [u8] {
        self.rest
    }

    pub fn bytes(&mut self, count: usize) -> Parse<&'a [u8]> {
        let (head, rest) = self.rest.split_at_checked(count).ok_or(&check::TRUNCATED)?;
        self.rest = rest;
        Ok(head)
    }

    pub fn u8(&mut self) -> Parse<u8> {
        let (head, rest) = self.rest.split_first().ok_or(&check::TRUNCATED)?;
        self.rest = rest;
        Ok(*head)
    }

    pub fn u16(&mut self) -> Parse<u16> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(&check::TRUNCATED)?;
        self.rest = rest;
        Ok(u16::from_be_bytes(*head))
    }

    pub fn u32(&mut self) -> Parse<u32> {
        let (head, rest) = self.rest.split_first_chunk().ok_or(&check::TRUNCATED)?;
        self.rest = rest;
        Ok(u32::from_be_bytes(*head))
    }

    /// A packet identifier, which is never 0 [MQTT-2.3.1-1].
    pub fn packet_id(&mut self) -> Parse<u16> {
        match self.u16()? {
            0 => Err(&check::PACKET_ID),
            id => Ok(id),
        }
    }

    /// Binary data with its 16-bit length.
    pub fn binary(&mut self) -> Parse<&'a [u8]> {
        let count = self.u16()?;
        self.bytes(usize::from(count))
    }

    /// A UTF-8 string without U+0000 [MQTT-1.5.3-1], [MQTT-1.5.3-2].
    pub fn text(&mut self) -> Parse<&'a str> {
        let bytes = self.binary()?;
        let text = std::str::from_utf8(bytes).map_err(|_| &check::UTF8)?;
        if bytes.contains(&0) { Err(&check::UTF8_NUL) } else { Ok(text) }
    }

    /// A variable byte integer of at most four bytes, and of no more than it needs [MQTT-1.5.5-1].
    pub fn varint(&mut self) -> Parse<u32> {
        let mut value = 0;
        for shift in [0, 7, 14, 21] {
            let byte = self.u8()?;
            value |= u32::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return if byte == 0 && shift > 0 { Err(&check::REMAINING_LENGTH) } else { Ok(value) };
            }
        }
        Err(&check::REMAINING_LENGTH)
    }

    pub fn end(&self) -> Parse<()> {
        if self.rest.is_empty() { Ok(()) } else { Err(&check::TRAILING) }
    }
}
