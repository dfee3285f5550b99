//! Sets of networks.

use core::net::IpAddr;
use ipnet::IpNet;

/// Networks of IPv4 and IPv6.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<IpNet>);

impl Networks {
    /// Reads addresses (`10.0.0.1`) and networks (`10.0.0.0/8`, `fd00::/8`).
    ///
    /// # Errors
    /// Names the text that is neither.
    pub fn parse(texts: &[String]) -> Result<Self, String> {
        let network = |text: &String| {
            let one = text.parse::<IpAddr>().map(IpNet::from);
            one.or_else(|_| text.parse()).map_err(|_| format!("{text:?} is neither an address nor a network such as 10.0.0.0/8"))
        };
        texts.iter().map(network).collect::<Result<_, _>>().map(Self)
    }

    /// Whether an address is within one of them. An IPv4 address mapped into IPv6 is that IPv4 address.
    pub fn contains(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.0.iter().any(|network| network.contains(&address))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_found_in_their_networks() {
        let networks = Networks::parse(&["10.0.0.0/8".into(), "192.0.2.7".into(), "fd00::/8".into()]).unwrap();
        for (address, within) in [
            ("10.255.0.1", true),
            ("::ffff:10.0.0.1", true),
            ("11.0.0.1", false),
            ("192.0.2.7", true),
            ("192.0.2.8", false),
            ("fd12::1", true),
            ("fe80::1", false),
        ] {
            assert_eq!(networks.contains(address.parse().unwrap()), within, "{address}");
        }
        assert!(!Networks::default().contains("127.0.0.1".parse().unwrap()));
        for bad in ["10.0.0.0/33", "proxy.example.com", ""] {
            assert!(Networks::parse(&[bad.into()]).unwrap_err().contains(bad), "{bad}");
        }
    }
}
