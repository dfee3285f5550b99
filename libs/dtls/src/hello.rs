//! ClientHello, ServerHello and their extensions (RFC 5246 section 7.4.1, RFC 6347 section 4.2.1). Absent: what is chosen from them.

use crate::wire::{DTLS_1_2, Reader};
use crate::{Alert, Check, Suite};

/// TLS_EMPTY_RENEGOTIATION_INFO_SCSV (RFC 5746 section 3.3).
pub(crate) const RENEGOTIATION_SCSV: u16 = 0x00ff;

const MAX_FRAGMENT_LENGTH: u16 = 1;
const ENCRYPT_THEN_MAC: u16 = 22;
const EXTENDED_MASTER_SECRET: u16 = 23;
const RECORD_SIZE_LIMIT: u16 = 28;
const CONNECTION_ID: u16 = 54;
const RENEGOTIATION_INFO: u16 = 0xff01;
/// More extensions than any client has.
const EXTENSIONS_MAX: usize = 64;

/// A broken rule and what the peer is told about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    pub(crate) alert: Alert,
    pub(crate) check: Check,
    pub(crate) detail: &'static str,
}

impl Fault {
    pub(crate) const fn new(alert: Alert, check: Check, detail: &'static str) -> Self {
        Self { alert, check, detail }
    }
}

/// How a ClientHello begins, up to its cookie: what its first fragment tells.
pub(crate) struct HelloStart<'a> {
    pub(crate) version: [u8; 2],
    pub(crate) random: &'a [u8; 32],
    pub(crate) session_id: &'a [u8],
    pub(crate) cookie: &'a [u8],
}

impl<'a> HelloStart<'a> {
    pub(crate) fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let (version, random) = (*reader.array()?, reader.array()?);
        let session_id = reader.short().filter(|id| id.len() <= 32)?;
        Some(Self { version, random, session_id, cookie: reader.short()? })
    }
}

/// A ClientHello; extensions are read later.
pub(crate) struct ClientHello<'a> {
    pub(crate) start: HelloStart<'a>,
    suites: &'a [u8],
    compressions: &'a [u8],
    extensions: &'a [u8],
}

impl<'a> ClientHello<'a> {
    pub(crate) fn read(body: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(body);
        let hello = Self {
            start: HelloStart::read(&mut reader)?,
            suites: reader.long().filter(|list| !list.is_empty() && list.len() % 2 == 0)?,
            compressions: reader.short().filter(|list| !list.is_empty())?,
            extensions: if reader.is_empty() { &[] } else { reader.long()? },
        };
        reader.is_empty().then_some(hello)
    }

    /// What the cookie is bound to beside the start, so that a second ClientHello cannot ask for something else.
    pub(crate) fn wishes(&self) -> [&[u8]; 2] {
        [self.suites, self.compressions]
    }

    pub(crate) fn offers(&self, code: u16) -> bool {
        self.suites.chunks_exact(2).any(|pair| pair == code.to_be_bytes())
    }

    pub(crate) fn offers_null_compression(&self) -> bool {
        self.compressions.contains(&0)
    }

    pub(crate) fn extensions(&self) -> Result<Extensions<'a>, Fault> {
        Extensions::read(self.extensions)
    }
}

/// The extensions that mean something here; others are skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Extensions<'a> {
    pub(crate) ems: bool,
    pub(crate) etm: bool,
    pub(crate) cid: Option<&'a [u8]>,
    pub(crate) renegotiation: Option<&'a [u8]>,
    /// Code 1 to 4, checked.
    pub(crate) max_fragment: Option<u8>,
    /// 64 or more, checked.
    pub(crate) record_size: Option<u16>,
}

impl<'a> Extensions<'a> {
    fn read(list: &'a [u8]) -> Result<Self, Fault> {
        const DECODE: Fault = Fault::new(Alert::DecodeError, Check::Extension, "an extension cannot be parsed");
        let mut found = Self::default();
        let mut kinds = [0_u16; EXTENSIONS_MAX];
        let mut reader = Reader(list);
        let mut count = 0;
        while !reader.is_empty() {
            let kind = reader.u16().ok_or(DECODE)?;
            let body = reader.long().ok_or(DECODE)?;
            let (before, rest) = kinds.split_at_mut(count);
            if before.contains(&kind) {
                return Err(Fault::new(Alert::IllegalParameter, Check::Extension, "an extension comes twice"));
            }
            *rest.first_mut().ok_or(DECODE)? = kind;
            count += 1;
            found.take(kind, body)?;
        }
        Ok(found)
    }

    fn take(&mut self, kind: u16, body: &'a [u8]) -> Result<(), Fault> {
        const DECODE: Fault = Fault::new(Alert::DecodeError, Check::Extension, "an extension has a wrong form");
        const ILLEGAL: Fault =
            Fault::new(Alert::IllegalParameter, Check::Extension, "an extension has a value that is not allowed");
        let mut reader = Reader(body);
        match kind {
            EXTENDED_MASTER_SECRET => self.ems = true,
            ENCRYPT_THEN_MAC => self.etm = true,
            CONNECTION_ID => self.cid = Some(reader.short().ok_or(DECODE)?),
            RENEGOTIATION_INFO => self.renegotiation = Some(reader.short().ok_or(DECODE)?),
            MAX_FRAGMENT_LENGTH => {
                let code = reader.u8().ok_or(DECODE)?;
                self.max_fragment = Some(code).filter(|code| matches!(code, 1..=4));
                self.max_fragment.ok_or(ILLEGAL)?;
            }
            RECORD_SIZE_LIMIT => {
                let limit = reader.u16().ok_or(DECODE)?;
                self.record_size = Some(limit).filter(|limit| *limit >= 64);
                self.record_size.ok_or(ILLEGAL)?;
            }
            _ => return Ok(()),
        }
        if reader.is_empty() { Ok(()) } else { Err(DECODE) }
    }

    /// Appends the list with its length; nothing at all where there is no extension.
    pub(crate) fn write(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.extend([0, 0]);
        let mut put = |kind: u16, body: &[u8]| {
            out.extend(kind.to_be_bytes());
            out.extend((body.len() as u16).to_be_bytes());
            out.extend(body);
        };
        if let Some(data) = self.renegotiation {
            put(RENEGOTIATION_INFO, &[&[data.len() as u8], data].concat());
        }
        if self.ems {
            put(EXTENDED_MASTER_SECRET, &[]);
        }
        if self.etm {
            put(ENCRYPT_THEN_MAC, &[]);
        }
        if let Some(cid) = self.cid {
            put(CONNECTION_ID, &[&[cid.len() as u8], cid].concat());
        }
        if let Some(code) = self.max_fragment {
            put(MAX_FRAGMENT_LENGTH, &[code]);
        }
        if let Some(limit) = self.record_size {
            put(RECORD_SIZE_LIMIT, &limit.to_be_bytes());
        }
        let count = (out.len() - start - 2) as u16;
        if count == 0 {
            out.truncate(start);
        } else if let Some(field) = out.get_mut(start..start + 2) {
            field.copy_from_slice(&count.to_be_bytes());
        }
    }
}

/// The body of a ClientHello.
pub(crate) fn write_client_hello(
    random: &[u8; 32],
    session_id: &[u8],
    cookie: &[u8],
    suites: &[Suite],
    extensions: &Extensions<'_>,
) -> Vec<u8> {
    let mut out = Vec::with_capacity(128);
    out.extend(DTLS_1_2);
    out.extend(random);
    for field in [session_id, cookie] {
        out.push(field.len() as u8);
        out.extend(field);
    }
    out.extend((suites.len() as u16 * 2).to_be_bytes());
    for suite in suites {
        out.extend(suite.code().to_be_bytes());
    }
    out.extend([1, 0]);
    extensions.write(&mut out);
    out
}

/// A ServerHello.
pub(crate) struct ServerHello<'a> {
    pub(crate) random: &'a [u8; 32],
    pub(crate) session_id: &'a [u8],
    pub(crate) suite: u16,
    pub(crate) extensions: Extensions<'a>,
}

impl<'a> ServerHello<'a> {
    pub(crate) fn read(body: &'a [u8]) -> Option<Self> {
        let mut reader = Reader(body);
        if *reader.array::<2>()? != DTLS_1_2 {
            return None;
        }
        let random = reader.array()?;
        let session_id = reader.short().filter(|id| id.len() <= 32)?;
        let suite = reader.u16()?;
        let compression = reader.u8()?;
        let list = if reader.is_empty() { &[] } else { reader.long()? };
        let extensions = Extensions::read(list).ok()?;
        (reader.is_empty() && compression == 0).then_some(Self { random, session_id, suite, extensions })
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(96);
        out.extend(DTLS_1_2);
        out.extend(self.random);
        out.push(self.session_id.len() as u8);
        out.extend(self.session_id);
        out.extend(self.suite.to_be_bytes());
        out.push(0);
        self.extensions.write(&mut out);
        out
    }
}

/// Longest plaintext that a peer with these extensions takes (RFC 8449 section 5: the newer extension wins).
pub(crate) fn max_plaintext(extensions: &Extensions<'_>) -> u16 {
    let whole = crate::wire::PLAINTEXT_BYTES_MAX as u16;
    match (extensions.record_size, extensions.max_fragment) {
        (Some(limit), _) => limit.min(whole),
        (None, Some(code)) => 256_u16 << code.min(4),
        (None, None) => whole,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RANDOM: [u8; 32] = [7; 32];

    fn rich() -> Extensions<'static> {
        Extensions {
            ems: true,
            etm: true,
            cid: Some(b"abc"),
            renegotiation: Some(b""),
            max_fragment: Some(2),
            record_size: Some(64),
        }
    }

    #[test]
    fn hellos_go_both_ways() {
        for extensions in [rich(), Extensions::default()] {
            let body = write_client_hello(&RANDOM, b"id", b"cookie", &Suite::ALL, &extensions);
            let hello = ClientHello::read(&body).unwrap();
            assert_eq!((hello.start.random, hello.start.session_id, hello.start.cookie), (&RANDOM, &b"id"[..], &b"cookie"[..]));
            assert!(hello.offers(0xc0a8) && !hello.offers(0xc0a9) && hello.offers_null_compression());
            assert_eq!(hello.extensions(), Ok(extensions));
            let body = ServerHello { random: &RANDOM, session_id: b"x", suite: 0xae, extensions }.write();
            let hello = ServerHello::read(&body).unwrap();
            assert_eq!((hello.random, hello.session_id, hello.suite), (&RANDOM, &b"x"[..], 0xae));
            assert_eq!(hello.extensions, extensions);
            for end in 0..body.len() {
                // A hello without extensions is a hello.
                assert_eq!(ServerHello::read(&body[..end]).is_some(), end == 39, "{end}");
            }
        }
    }

    #[test]
    fn broken_extensions_are_named() {
        let cases: &[(&[u8], Alert)] = &[
            (&[0], Alert::DecodeError),
            (&[0, 23, 0, 1], Alert::DecodeError),
            (&[0, 23, 0, 1, 0], Alert::DecodeError),
            (&[0, 23, 0, 0, 0, 23, 0, 0], Alert::IllegalParameter),
            (&[9, 9, 0, 0, 9, 9, 0, 0], Alert::IllegalParameter),
            (&[0, 54, 0, 2, 2, 1], Alert::DecodeError),
            (&[0, 54, 0, 3, 1, 1, 1], Alert::DecodeError),
            (&[0, 54, 0, 0], Alert::DecodeError),
            (&[0, 1, 0, 1, 5], Alert::IllegalParameter),
            (&[0, 1, 0, 1, 0], Alert::IllegalParameter),
            (&[0, 28, 0, 2, 0, 63], Alert::IllegalParameter),
            (&[0, 28, 0, 1, 63], Alert::DecodeError),
        ];
        for (list, alert) in cases {
            assert_eq!(Extensions::read(list).unwrap_err().alert, *alert, "{list:?}");
        }
        let many: Vec<u8> = (1_000..1_065_u16).flat_map(|kind| [kind.to_be_bytes(), [0, 0]].concat()).collect();
        assert!(Extensions::read(&many).is_err() && Extensions::read(&many[..256]).is_ok());
    }

    #[test]
    fn plaintext_limits() {
        let with = |max_fragment, record_size| max_plaintext(&Extensions { max_fragment, record_size, ..Extensions::default() });
        assert_eq!(with(None, None), 16_384);
        assert_eq!(with(Some(1), None), 512);
        assert_eq!(with(Some(4), None), 4_096);
        assert_eq!(with(Some(1), Some(100)), 100);
        assert_eq!(with(None, Some(u16::MAX)), 16_384);
    }
}
