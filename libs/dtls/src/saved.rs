//! A live session as bytes, so that it survives the process. Absent: encryption of those bytes; the owner keeps them safe.

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use zeroize::Zeroizing;

use crate::channel::{Keys, PEER_CID_BYTES_MAX};
use crate::prf::Master;
use crate::window::Window;
use crate::wire::{PLAINTEXT_BYTES_MAX, Reader, SEQ_END};
use crate::{SessionId, Suite};

/// First byte of the form. A change of the form is a new number; older ones stay readable.
const VERSION: u8 = 1;
const FLAG_EMS: u8 = 1;
const FLAG_ETM: u8 = 2;
const FLAG_CID: u8 = 4;

/// A live session that can be stored and restored. It holds its secrets, overwrites them when it goes, and never shows them.
#[derive(Clone, PartialEq, Eq)]
pub struct SavedSession {
    pub(crate) id: SessionId,
    pub(crate) resume_id: u64,
    pub(crate) suite: Suite,
    pub(crate) encrypt_then_mac: bool,
    pub(crate) ems: bool,
    pub(crate) reads_cid: bool,
    pub(crate) keys: Keys,
    pub(crate) master: Master,
    pub(crate) peer: SocketAddr,
    pub(crate) peer_cid: Box<[u8]>,
    pub(crate) identity: Box<[u8]>,
    pub(crate) write_seq: u64,
    pub(crate) window: Window,
    pub(crate) max_plaintext: u16,
}

impl fmt::Debug for SavedSession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, peer, suite, write_seq, .. } = self;
        let mut shown = f.debug_struct("SavedSession");
        shown.field("id", id).field("peer", peer).field("suite", suite).field("write_seq", write_seq).finish_non_exhaustive()
    }
}

/// Why saved bytes are no session, or a saved session cannot live here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum RestoreError {
    /// Not the form of a saved session, or of a version that this program does not know.
    Malformed,
    /// This session, or another one that cannot be told from it, lives already.
    Exists,
    /// The table of sessions is full.
    Full,
}

impl SavedSession {
    /// Which session it is.
    pub fn id(&self) -> SessionId {
        self.id
    }

    /// Where its client was.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Who its client is.
    pub fn identity(&self) -> &[u8] {
        &self.identity
    }

    /// The first sequence number that the restored session may write. Give it to [`crate::Server::reserved`] once the bytes are durable.
    pub fn write_seq(&self) -> u64 {
        self.write_seq
    }

    /// The session as bytes, for storage only: 143 (AEAD) or 199 (CBC), an address of 7 or 27, the client's Connection ID and the identity.
    pub fn to_bytes(&self) -> Zeroizing<Vec<u8>> {
        let mut out = Zeroizing::new(Vec::with_capacity(256 + self.identity.len()));
        let flag = |set: bool, bit: u8| if set { bit } else { 0 };
        let flags = flag(self.ems, FLAG_EMS) | flag(self.encrypt_then_mac, FLAG_ETM) | flag(self.reads_cid, FLAG_CID);
        out.extend([VERSION, self.suite as u8, flags]);
        for number in [self.id.0, self.resume_id, self.write_seq, self.window.right, self.window.seen] {
            out.extend(number.to_be_bytes());
        }
        out.extend(self.max_plaintext.to_be_bytes());
        out.extend(self.keys.0.iter().take(self.suite.key_bytes()));
        out.extend(self.master.0);
        write_address(&mut out, self.peer);
        out.push(self.peer_cid.len() as u8);
        out.extend(&self.peer_cid);
        out.extend((self.identity.len() as u16).to_be_bytes());
        out.extend(&self.identity);
        out
    }

    /// The session of these bytes.
    ///
    /// # Errors
    /// [`RestoreError::Malformed`] for anything that [`SavedSession::to_bytes`] did not make.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, RestoreError> {
        let saved = Self::read(&mut Reader(bytes)).ok_or(RestoreError::Malformed)?;
        // One form for each session: what does not come out again byte for byte was not ours.
        if saved.to_bytes().as_slice() == bytes { Ok(saved) } else { Err(RestoreError::Malformed) }
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        if reader.u8()? != VERSION {
            return None;
        }
        let code = reader.u8()?;
        let suite = Suite::ALL.into_iter().find(|suite| *suite as u8 == code)?;
        let flags = reader.u8()?;
        let (id, resume_id) = (SessionId(reader.u64()?), reader.u64()?);
        let write_seq = reader.u64().filter(|seq| *seq <= SEQ_END)?;
        let window = Window { right: reader.u64().filter(|seq| *seq < SEQ_END)?, seen: reader.u64()? };
        let max_plaintext = reader.u16().filter(|bytes| (64..=PLAINTEXT_BYTES_MAX).contains(&usize::from(*bytes)))?;
        let mut keys = Keys([0; 96]);
        for (to, from) in keys.0.iter_mut().zip(reader.bytes(suite.key_bytes())?) {
            *to = *from;
        }
        let master = Master(*reader.array()?);
        let peer = read_address(reader)?;
        let peer_cid: Box<[u8]> = reader.short().filter(|cid| cid.len() <= PEER_CID_BYTES_MAX)?.into();
        let identity = reader.long()?.into();
        let encrypt_then_mac = flags & FLAG_ETM != 0;
        let reads_cid = flags & FLAG_CID != 0;
        // The newest record of a window that moved is in it; the MAC order is a matter of CBC; a Connection ID comes both ways or not at all.
        let window_is_sound = window.seen & 1 == 1 || window == Window::default();
        if !window_is_sound || encrypt_then_mac && !suite.is_cbc() || !reads_cid && !peer_cid.is_empty() {
            return None;
        }
        Some(Self {
            id,
            resume_id,
            suite,
            encrypt_then_mac,
            ems: flags & FLAG_EMS != 0,
            reads_cid,
            keys,
            master,
            peer,
            peer_cid,
            identity,
            write_seq,
            window,
            max_plaintext,
        })
    }
}

fn write_address(out: &mut Vec<u8>, address: SocketAddr) {
    match address {
        SocketAddr::V4(v4) => {
            out.push(4);
            out.extend(v4.ip().octets());
        }
        SocketAddr::V6(v6) => {
            out.push(6);
            out.extend(v6.ip().octets());
            out.extend(v6.flowinfo().to_be_bytes());
            out.extend(v6.scope_id().to_be_bytes());
        }
    }
    out.extend(address.port().to_be_bytes());
}

fn read_address(reader: &mut Reader<'_>) -> Option<SocketAddr> {
    match reader.u8()? {
        4 => {
            let ip = IpAddr::V4(Ipv4Addr::from(*reader.array::<4>()?));
            Some(SocketAddr::new(ip, reader.u16()?))
        }
        6 => {
            let ip = Ipv6Addr::from(*reader.array::<16>()?);
            let flow = u32::from_be_bytes(*reader.array()?);
            let scope = u32::from_be_bytes(*reader.array()?);
            Some(SocketAddr::V6(SocketAddrV6::new(ip, reader.u16()?, flow, scope)))
        }
        _ => None,
    }
}
