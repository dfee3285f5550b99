//! Records and handshake fragments as they are on the wire (RFC 6347 sections 4.1 and 4.2.2, RFC 9146 section 4). Absent: cryptography and state.

/// Content types.
pub(crate) const CHANGE_CIPHER_SPEC: u8 = 20;
pub(crate) const ALERT: u8 = 21;
pub(crate) const HANDSHAKE: u8 = 22;
pub(crate) const APPLICATION_DATA: u8 = 23;
pub(crate) const TLS12_CID: u8 = 25;

/// Handshake message types.
pub(crate) const HELLO_REQUEST: u8 = 0;
pub(crate) const CLIENT_HELLO: u8 = 1;
pub(crate) const SERVER_HELLO: u8 = 2;
pub(crate) const HELLO_VERIFY_REQUEST: u8 = 3;
pub(crate) const SERVER_KEY_EXCHANGE: u8 = 12;
pub(crate) const SERVER_HELLO_DONE: u8 = 14;
pub(crate) const CLIENT_KEY_EXCHANGE: u8 = 16;
pub(crate) const FINISHED: u8 = 20;

/// DTLS 1.2 and 1.0 as version numbers.
pub(crate) const DTLS_1_2: [u8; 2] = [0xfe, 0xfd];
pub(crate) const DTLS_1_0: [u8; 2] = [0xfe, 0xff];

/// Largest plaintext of a record (RFC 5246 section 6.2.1).
pub(crate) const PLAINTEXT_BYTES_MAX: usize = 16_384;
/// Largest protected record body (RFC 5246 section 6.2.3).
const BODY_BYTES_MAX: usize = PLAINTEXT_BYTES_MAX + 2_048;
/// Sequence numbers end here (48 bits).
pub(crate) const SEQ_END: u64 = 1 << 48;

/// Takes fields from the front; every read fails softly at the end.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(count)?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Option<&'a [u8; N]> {
        let (taken, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(taken)
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array::<1>().map(|[byte]| *byte)
    }

    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(|bytes| u16::from_be_bytes(*bytes))
    }

    pub(crate) fn u24(&mut self) -> Option<u32> {
        self.array().map(|[a, b, c]| u32::from_be_bytes([0, *a, *b, *c]))
    }

    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(|bytes| u64::from_be_bytes(*bytes))
    }

    /// A field with a length of one byte before it.
    pub(crate) fn short(&mut self) -> Option<&'a [u8]> {
        let count = self.u8()?;
        self.bytes(usize::from(count))
    }

    /// A field with a length of two bytes before it.
    pub(crate) fn long(&mut self) -> Option<&'a [u8]> {
        let count = self.u16()?;
        self.bytes(usize::from(count))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// One record, not yet opened.
#[derive(Clone, Copy)]
pub(crate) struct Record<'a> {
    pub(crate) kind: u8,
    pub(crate) version: [u8; 2],
    pub(crate) epoch: u16,
    pub(crate) seq: u64,
    /// Empty but for [`TLS12_CID`].
    pub(crate) cid: &'a [u8],
    pub(crate) body: &'a [u8],
}

impl<'a> Record<'a> {
    /// The next record of a datagram. `cid_bytes` is how long our own Connection IDs are.
    pub(crate) fn read(reader: &mut Reader<'a>, cid_bytes: usize) -> Option<Self> {
        let kind = reader.u8()?;
        let version = *reader.array()?;
        let numbers = reader.u64()?;
        let cid = if kind == TLS12_CID { reader.bytes(cid_bytes)? } else { &[] };
        let body = reader.long()?;
        let known = matches!(kind, CHANGE_CIPHER_SPEC..=APPLICATION_DATA | TLS12_CID);
        if !known || version[0] != 0xfe || body.len() > BODY_BYTES_MAX {
            return None;
        }
        Some(Self { kind, version, epoch: (numbers >> 48) as u16, seq: numbers & (SEQ_END - 1), cid, body })
    }
}

impl Record<'_> {
    /// Bytes of the whole record.
    pub(crate) fn bytes(&self) -> usize {
        13 + self.cid.len() + self.body.len()
    }
}

/// Starts a record; its length field is filled by [`end_record`].
pub(crate) fn begin_record(out: &mut Vec<u8>, kind: u8, version: [u8; 2], epoch: u16, seq: u64, cid: &[u8]) {
    out.push(kind);
    out.extend(version);
    out.extend((u64::from(epoch) << 48 | seq).to_be_bytes());
    out.extend(cid);
    out.extend([0, 0]);
}

/// Fills the length of the record whose body starts at `body`.
pub(crate) fn end_record(out: &mut [u8], body: usize) {
    let count = u16::try_from(out.len().saturating_sub(body)).unwrap_or(u16::MAX);
    if let Some(field) = body.checked_sub(2).and_then(|at| out.get_mut(at..body)) {
        field.copy_from_slice(&count.to_be_bytes());
    }
}

/// Appends a record of epoch 0.
pub(crate) fn plain_record(out: &mut Vec<u8>, kind: u8, version: [u8; 2], seq: u64, body: &[u8]) {
    begin_record(out, kind, version, 0, seq, &[]);
    let start = out.len();
    out.extend(body);
    end_record(out, start);
}

/// A handshake message or a part of one.
#[derive(Clone, Copy)]
pub(crate) struct Fragment<'a> {
    pub(crate) kind: u8,
    /// Bytes of the whole message.
    pub(crate) total: u32,
    pub(crate) seq: u16,
    pub(crate) offset: u32,
    pub(crate) bytes: &'a [u8],
}

impl<'a> Fragment<'a> {
    /// The next fragment of a record's plaintext; `None` where it contradicts itself.
    pub(crate) fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let kind = reader.u8()?;
        let total = reader.u24()?;
        let seq = reader.u16()?;
        let offset = reader.u24()?;
        let count = reader.u24()?;
        let bytes = reader.bytes(usize::try_from(count).ok()?)?;
        (offset + count <= total).then_some(Self { kind, total, seq, offset, bytes })
    }

    pub(crate) fn is_whole(&self) -> bool {
        self.offset == 0 && usize::try_from(self.total) == Ok(self.bytes.len())
    }
}

/// The header of a handshake fragment.
pub(crate) fn fragment_header(kind: u8, total: usize, seq: u16, offset: usize, count: usize) -> [u8; 12] {
    let [_, t0, t1, t2] = (total as u32).to_be_bytes();
    let [s0, s1] = seq.to_be_bytes();
    let [_, o0, o1, o2] = (offset as u32).to_be_bytes();
    let [_, c0, c1, c2] = (count as u32).to_be_bytes();
    [kind, t0, t1, t2, s0, s1, o0, o1, o2, c0, c1, c2]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_cut_at_their_length() {
        let mut datagram = Vec::new();
        plain_record(&mut datagram, HANDSHAKE, DTLS_1_2, 7, b"abc");
        begin_record(&mut datagram, TLS12_CID, DTLS_1_2, 1, 9, b"12345678");
        end_record(&mut datagram, 13 + 3 + 13 + 8);
        let mut reader = Reader(&datagram);
        let first = Record::read(&mut reader, 8).unwrap();
        assert_eq!((first.kind, first.epoch, first.seq, first.body), (HANDSHAKE, 0, 7, &b"abc"[..]));
        let second = Record::read(&mut reader, 8).unwrap();
        assert_eq!((second.kind, second.epoch, second.seq, second.cid), (TLS12_CID, 1, 9, &b"12345678"[..]));
        assert!(reader.is_empty());
        for end in 0..16 {
            assert!(Record::read(&mut Reader(&datagram[..end]), 8).is_none(), "{end}");
        }
    }

    #[test]
    fn records_of_other_protocols_are_none() {
        for (at, byte) in [(0, 19), (0, 24), (0, 26), (1, 3), (11, 0xff)] {
            let mut datagram = Vec::new();
            plain_record(&mut datagram, HANDSHAKE, DTLS_1_2, 7, b"abc");
            datagram[at] = byte;
            assert!(Record::read(&mut Reader(&datagram), 8).is_none(), "{at} {byte}");
        }
    }

    #[test]
    fn fragments_stay_inside_their_message() {
        let good = [&fragment_header(1, 10, 2, 4, 3)[..], b"xyz"].concat();
        let fragment = Fragment::read(&mut Reader(&good)).unwrap();
        assert_eq!((fragment.kind, fragment.total, fragment.seq, fragment.offset, fragment.bytes), (1, 10, 2, 4, &b"xyz"[..]));
        assert!(!fragment.is_whole());
        let beyond = [&fragment_header(1, 6, 2, 4, 3)[..], b"xyz"].concat();
        assert!(Fragment::read(&mut Reader(&beyond)).is_none());
        assert!(Fragment::read(&mut Reader(&good[..14])).is_none());
    }
}
