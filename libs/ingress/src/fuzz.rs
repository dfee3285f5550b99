//! What the fuzz targets call: must return for any input.

use crate::{HEADER_BYTES, Networks, Proxies, Step, header};

/// Feeds bytes as the steps ask for them; a header must end within its limit, and never ask for nothing.
pub fn fuzz_proxy_header(data: &[u8]) {
    let mut taken = 0;
    while let Ok(Step::More(count)) = header(data.get(..taken).unwrap_or_default()) {
        assert!(count > 0 && taken + count <= HEADER_BYTES, "{count} more after {taken}");
        taken += count;
        if taken > data.len() {
            break;
        }
    }
    let proxies =
        Proxies { forwarded_for_from: Networks::parse(&["0.0.0.0/0".into()]).unwrap_or_default(), ..Proxies::default() };
    let text = String::from_utf8_lossy(data);
    proxies.client(([10, 0, 0, 1], 1).into(), text.lines());
}
