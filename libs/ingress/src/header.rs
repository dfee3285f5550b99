//! The PROXY protocol, versions 1 and 2 (HAProxy, "The PROXY protocol", 2020): a header before the client's first byte.
//!
//! The header is asked for in steps and never read beyond its end, so that the bytes after it stay where they are. Type-length-values and
//! checksums of version 2 are skipped.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// Longest header that is taken, bytes: load balancers add some hundred bytes of type-length-values.
pub const HEADER_BYTES: usize = 4_096;

/// Longest header of version 1 (section 2.1).
const V1_BYTES: usize = 107;
const V1_START: &[u8] = b"PROXY ";
/// Begins version 2 (section 2.2). No header of version 1 is as short.
const V2_START: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";
const V2_FIXED: usize = 16;

/// How far a header is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// At least so many more bytes belong to it, 1 or more.
    More(usize),
    /// It is whole. The client's address; absent where the proxy speaks for itself, or does not know.
    Whole(Option<SocketAddr>),
}

/// Reads the header that `bytes` are the start of.
///
/// # Errors
/// What is wrong, for people.
pub fn header(bytes: &[u8]) -> Result<Step, &'static str> {
    let starts = |start: &[u8]| bytes.iter().zip(start).all(|(byte, expected)| byte == expected);
    match (starts(&V2_START), starts(V1_START)) {
        (false, false) => Err("the connection of a proxy must begin with a PROXY protocol header"),
        _ if bytes.len() < V2_START.len() => Ok(Step::More(V2_START.len() - bytes.len())),
        (true, _) => v2(bytes),
        (false, true) => v1(bytes),
    }
}

fn v1(bytes: &[u8]) -> Result<Step, &'static str> {
    let Some(line) = bytes.strip_suffix(b"\r\n") else {
        return if bytes.len() < V1_BYTES { Ok(Step::More(1)) } else { Err("the PROXY header has no end within 107 bytes") };
    };
    let wrong = "the PROXY header is not `PROXY TCP4|TCP6|UNKNOWN SOURCE DESTINATION PORT PORT`";
    let line = core::str::from_utf8(line).map_err(|_| wrong)?;
    let fields: Vec<&str> = line.split(' ').collect();
    match fields.as_slice() {
        ["PROXY", "UNKNOWN", ..] => Ok(Step::Whole(None)),
        ["PROXY", "TCP4", source, destination, from, to] => both::<Ipv4Addr>(source, destination, from, to).ok_or(wrong),
        ["PROXY", "TCP6", source, destination, from, to] => both::<Ipv6Addr>(source, destination, from, to).ok_or(wrong),
        _ => Err(wrong),
    }
}

fn both<A: core::str::FromStr + Into<IpAddr>>(source: &str, destination: &str, from: &str, to: &str) -> Option<Step> {
    let port = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse::<u16>().ok()).flatten();
    let (source, _) = (source.parse::<A>().ok()?, destination.parse::<A>().ok()?);
    let (from, _) = (port(from)?, port(to)?);
    Some(Step::Whole(Some(SocketAddr::new(source.into(), from))))
}

fn v2(bytes: &[u8]) -> Result<Step, &'static str> {
    let Some(([.., command, family, high, low], rest)) = bytes.split_first_chunk::<V2_FIXED>() else {
        return Ok(Step::More(V2_FIXED.saturating_sub(bytes.len())));
    };
    let length = usize::from(u16::from_be_bytes([*high, *low]));
    if length > HEADER_BYTES - V2_FIXED {
        return Err("the PROXY header is longer than 4096 bytes");
    }
    if !matches!(command, 0x20 | 0x21) {
        return Err("the PROXY header is neither of version 2 nor of a command that is known");
    }
    if rest.len() < length {
        return Ok(Step::More(length - rest.len()));
    }
    let short = "the PROXY header is too short for its addresses";
    match (command, family) {
        (0x20, _) | (_, 0x00 | 0x31 | 0x32) => Ok(Step::Whole(None)),
        (_, 0x11) => {
            let (source, ports) = (rest.first_chunk::<4>(), rest.get(8..12));
            let source = source.map(|bytes| IpAddr::from(*bytes)).zip(ports).filter(|_| length >= 12).ok_or(short)?;
            Ok(Step::Whole(Some(SocketAddr::new(source.0, port(source.1)))))
        }
        (_, 0x21) => {
            let (source, ports) = (rest.first_chunk::<16>(), rest.get(32..36));
            let source = source.map(|bytes| IpAddr::from(*bytes)).zip(ports).filter(|_| length >= 36).ok_or(short)?;
            Ok(Step::Whole(Some(SocketAddr::new(source.0, port(source.1)))))
        }
        _ => Err("the PROXY header is for neither TCP over IPv4 nor TCP over IPv6"),
    }
}

/// The source port, which comes first.
fn port(ports: &[u8]) -> u16 {
    ports.first_chunk().map_or(0, |bytes| u16::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Feeds what each step asks for; tells how much was taken.
    fn read(mut all: &[u8]) -> (usize, Result<Option<SocketAddr>, &'static str>) {
        let mut taken = vec![];
        loop {
            match header(&taken) {
                Ok(Step::More(count)) => {
                    let Some((more, rest)) = all.split_at_checked(count) else { return (taken.len(), Err("end")) };
                    taken.extend_from_slice(more);
                    all = rest;
                }
                Ok(Step::Whole(client)) => return (taken.len(), Ok(client)),
                Err(why) => return (taken.len(), Err(why)),
            }
        }
    }

    fn v2(command: u8, family: u8, length: u16, rest: &[u8]) -> Vec<u8> {
        [&V2_START[..], &[command, family], &length.to_be_bytes(), rest].concat()
    }

    #[test]
    fn headers_name_the_client_and_nothing_beyond_them_is_read() {
        let four = [198, 51, 100, 1, 10, 0, 0, 1, 0x12, 0x67, 0, 80];
        let mut six = [0; 36];
        six[..4].copy_from_slice(&[0x20, 1, 0x0d, 0xb8]);
        (six[15], six[32], six[33]) = (1, 0x12, 0x67);
        let with_tlv = [&four[..], &[4, 0, 3, 1, 2, 3]].concat();
        let cases: [(Vec<u8>, Option<&str>); 10] = [
            (b"PROXY TCP4 198.51.100.1 10.0.0.1 4711 80\r\n".to_vec(), Some("198.51.100.1:4711")),
            (b"PROXY TCP6 2001:db8::1 ::1 4711 80\r\n".to_vec(), Some("[2001:db8::1]:4711")),
            (b"PROXY UNKNOWN\r\n".to_vec(), None),
            (b"PROXY UNKNOWN ffff:f...f:ffff x y z more\r\n".to_vec(), None),
            (v2(0x21, 0x11, 12, &four), Some("198.51.100.1:4711")),
            (v2(0x21, 0x11, 18, &with_tlv), Some("198.51.100.1:4711")),
            (v2(0x21, 0x21, 36, &six), Some("[2001:db8::1]:4711")),
            (v2(0x20, 0x11, 12, &four), None),
            (v2(0x20, 0x00, 0, &[]), None),
            (v2(0x21, 0x00, 3, &[1, 2, 3]), None),
        ];
        for (bytes, expected) in cases {
            let whole = [&bytes[..], b"\x10\x0c\x00\x04MQTT"].concat();
            let expected = expected.map(|text| text.parse().unwrap());
            assert_eq!(read(&whole), (bytes.len(), Ok(expected)), "{}", bytes.escape_ascii());
            let (_, cut) = read(&bytes[..bytes.len() - 1]);
            assert_eq!(cut, Err("end"), "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn what_is_no_header_is_refused() {
        let long = [b"PROXY TCP4 ".as_slice(), &[b'1'; 200]].concat();
        for bytes in [
            b"\x10\x0c\x00\x04MQTT........".to_vec(),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\x00".to_vec(),
            b"GET / HTTP/1.1\r\n".to_vec(),
            b"PROXX TCP4 198.51.100.1".to_vec(),
            b"PROXY TCP4 198.51.100.1 10.0.0.1 4711\r\n".to_vec(),
            b"PROXY TCP4 198.51.100.1 10.0.0.1 4711 +80\r\n".to_vec(),
            b"PROXY TCP4 198.51.100.1 10.0.0.1 4711 65536\r\n".to_vec(),
            b"PROXY TCP4 198.51.100.1 10.0.0.1  80\r\n".to_vec(),
            b"PROXY TCP4 2001:db8::1 ::1 4711 80\r\n".to_vec(),
            b"PROXY TCP4 198.51.100.1 10.0.0.1 4711 80 \r\n".to_vec(),
            b"PROXY UDP4 198.51.100.1 10.0.0.1 4711 80\r\n".to_vec(),
            b"PROXY \xff\xff\xff\xff\xff\xff\xff\xff\r\n".to_vec(),
            long,
            v2(0x11, 0x11, 12, &[0; 12]),
            v2(0x22, 0x11, 12, &[0; 12]),
            v2(0x21, 0x12, 12, &[0; 12]),
            v2(0x21, 0x11, 11, &[0; 11]),
            v2(0x21, 0x21, 12, &[0; 12]),
            v2(0x21, 0x11, 4_081, &[0; 5_000]),
        ] {
            let (taken, outcome) = read(&bytes);
            assert!(outcome.is_err_and(|why| why != "end") && taken <= HEADER_BYTES, "{}", bytes.escape_ascii());
        }
    }

    #[test]
    fn anything_can_be_read() {
        let corpus: [&[u8]; 3] = [
            b"PROXY TCP4 198.51.100.1 10.0.0.1 4711 80\r\n",
            b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc6\x33\x64\x01\x0a\0\0\x01\x12\x67\0\x50",
            b"\r\n\r\n\0\r\nQUIT\n\x20\0\0\0",
        ];
        landfall_testkit::mutate::run(&corpus, 1, 20_000, crate::fuzz::fuzz_proxy_header);
    }
}
