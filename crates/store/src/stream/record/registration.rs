//! Registrations: written on each contact of a sleeping device, so compact. The device is the key of the row and not repeated.

use super::wire::{Input, Malformed, Read, put_bytes, put_i64, put_u64};
use landfall_model::{DeviceId, Observed, Registration, Time};

const VERSION: u8 = 1;

const QUEUE_MODE: u8 = 1;
const HAS_SESSION: u8 = 2;

/// A registration as bytes.
pub(crate) fn encode_registration(r: &Registration) -> Vec<u8> {
    let texts = [&r.location, &r.endpoint, &r.version, &r.binding, &r.links, &r.peer];
    let mut out =
        Vec::with_capacity(96 + texts.iter().chain(&r.observed.paths.iter().collect::<Vec<_>>()).map(|t| t.len()).sum::<usize>());
    out.push(VERSION);
    out.push((u8::from(r.queue_mode) * QUEUE_MODE) | (u8::from(r.session.is_some()) * HAS_SESSION));
    texts.iter().for_each(|text| put_bytes(&mut out, text.as_bytes()));
    put_u64(&mut out, u64::from(r.lifetime_s));
    if let Some(session) = r.session {
        put_u64(&mut out, session);
    }
    put_u64(&mut out, u64::from(r.observed.generation));
    put_u64(&mut out, r.observed.paths.len() as u64);
    r.observed.paths.iter().for_each(|path| put_bytes(&mut out, path.as_bytes()));
    put_i64(&mut out, r.updated_at.0);
    let since = |t: Time| t.0.wrapping_sub(r.updated_at.0);
    put_i64(&mut out, since(r.registered_at));
    put_i64(&mut out, since(r.expires_at));
    put_u64(&mut out, r.contacts.len() as u64);
    r.contacts.iter().for_each(|t| put_i64(&mut out, since(*t)));
    out
}

/// The other way.
pub(crate) fn decode_registration(device: DeviceId, bytes: &[u8]) -> Result<Registration, Malformed> {
    let mut input = Input(bytes);
    let flags = match (input.byte()?, input.byte()?) {
        (VERSION, flags) if flags & !(QUEUE_MODE | HAS_SESSION) == 0 => flags,
        _ => return Err(Malformed),
    };
    let mut text = || -> Read<String> { Ok(input.str()?.to_owned()) };
    let (location, endpoint, version, binding, links, peer) = (text()?, text()?, text()?, text()?, text()?, text()?);
    let lifetime_s = u32::try_from(input.u64()?).map_err(|_| Malformed)?;
    let session = if flags & HAS_SESSION != 0 { Some(input.u64()?) } else { None };
    let generation = u16::try_from(input.u64()?).map_err(|_| Malformed)?;
    let mut paths = Vec::new();
    for _ in 0..input.u64()? {
        paths.push(input.str()?.to_owned());
    }
    let updated_at = Time(input.i64()?);
    let mut time = || -> Read<Time> { Ok(Time(updated_at.0.wrapping_add(input.i64()?))) };
    let (registered_at, expires_at) = (time()?, time()?);
    let mut contacts = Vec::new();
    for _ in 0..input.u64()? {
        contacts.push(Time(updated_at.0.wrapping_add(input.i64()?)));
    }
    if !input.is_empty() {
        return Err(Malformed);
    }
    Ok(Registration {
        device,
        location,
        endpoint,
        lifetime_s,
        version,
        binding,
        queue_mode: flags & QUEUE_MODE != 0,
        links,
        peer,
        session,
        observed: Observed { generation, paths },
        registered_at,
        updated_at,
        expires_at,
        contacts,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const DEVICE: DeviceId = DeviceId(Uuid::from_u128(7));

    fn full() -> Registration {
        Registration {
            device: DEVICE,
            location: "a1b2".into(),
            endpoint: "urn:imei:490154203237518".into(),
            lifetime_s: u32::MAX,
            version: "1.1".into(),
            binding: "UQ".into(),
            queue_mode: true,
            links: "</1/0>,</3/0>,</5/0>\0".into(),
            peer: "[::1]:5683".into(),
            session: Some(u64::MAX),
            observed: Observed { generation: u16::MAX, paths: vec!["/3/0".into(), String::new()] },
            registered_at: Time(i64::MIN),
            updated_at: Time(1_700_000_000_000),
            expires_at: Time(i64::MAX),
            contacts: vec![Time(5), Time(-5)],
        }
    }

    fn bare() -> Registration {
        Registration {
            session: None,
            queue_mode: false,
            endpoint: String::new(),
            observed: Observed::default(),
            contacts: vec![],
            updated_at: Time(i64::MIN),
            expires_at: Time(i64::MAX),
            ..full()
        }
    }

    #[test]
    fn registrations_come_back() {
        for registration in [full(), bare()] {
            assert_eq!(decode_registration(DEVICE, &encode_registration(&registration)), Ok(registration));
        }
    }

    #[test]
    fn what_was_cut_or_grew_is_refused() {
        let bytes = encode_registration(&full());
        for n in 0..bytes.len() {
            assert_eq!(decode_registration(DEVICE, &bytes[..n]), Err(Malformed), "{n} bytes");
        }
        assert_eq!(decode_registration(DEVICE, &[&bytes[..], &[0]].concat()), Err(Malformed));
        for (at, byte) in [(0, 2), (1, 4)] {
            let mut odd = bytes.clone();
            odd[at] = byte;
            assert_eq!(decode_registration(DEVICE, &odd), Err(Malformed), "byte {at}");
        }
    }

    #[test]
    fn flipped_bits_end_in_a_record_or_an_error() {
        let bytes = encode_registration(&full());
        let (mut read, mut refused) = (0, 0);
        for at in 0..bytes.len() * 8 {
            let mut odd = bytes.clone();
            odd[at / 8] ^= 1 << (at % 8);
            match decode_registration(DEVICE, &odd) {
                Ok(other) => {
                    assert_ne!(other, full(), "bit {at}");
                    read += 1;
                }
                Err(Malformed) => refused += 1,
            }
        }
        assert!(read > 0 && refused > 0, "{read} read, {refused} refused");
    }
}
