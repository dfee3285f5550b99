//! The four cipher suites: their numbers, names and record sizes. Absent: key exchanges other than plain PSK.

/// A cipher suite of pre-shared keys with AES-128 and the SHA-256 pseudo-random function.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Suite {
    /// TLS_PSK_WITH_AES_128_CCM_8, 0xC0A8 (RFC 6655): what LwM2M demands of every client.
    PskAes128Ccm8 = 1,
    /// TLS_PSK_WITH_AES_128_CCM, 0xC0A4 (RFC 6655).
    PskAes128Ccm = 2,
    /// TLS_PSK_WITH_AES_128_GCM_SHA256, 0x00A8 (RFC 5487).
    PskAes128GcmSha256 = 3,
    /// TLS_PSK_WITH_AES_128_CBC_SHA256, 0x00AE (RFC 5487); encrypt-then-MAC where both sides want it.
    PskAes128CbcSha256 = 4,
}

impl Suite {
    /// Every suite, in the default order of preference.
    pub const ALL: [Self; 4] = [Self::PskAes128Ccm8, Self::PskAes128Ccm, Self::PskAes128GcmSha256, Self::PskAes128CbcSha256];

    /// The number on the wire.
    pub const fn code(self) -> u16 {
        match self {
            Self::PskAes128Ccm8 => 0xc0a8,
            Self::PskAes128Ccm => 0xc0a4,
            Self::PskAes128GcmSha256 => 0x00a8,
            Self::PskAes128CbcSha256 => 0x00ae,
        }
    }

    /// The suite with this number; `None` for one that is not spoken here.
    pub fn from_code(code: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|suite| suite.code() == code)
    }

    /// The registered name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PskAes128Ccm8 => "TLS_PSK_WITH_AES_128_CCM_8",
            Self::PskAes128Ccm => "TLS_PSK_WITH_AES_128_CCM",
            Self::PskAes128GcmSha256 => "TLS_PSK_WITH_AES_128_GCM_SHA256",
            Self::PskAes128CbcSha256 => "TLS_PSK_WITH_AES_128_CBC_SHA256",
        }
    }

    pub(crate) const fn is_cbc(self) -> bool {
        matches!(self, Self::PskAes128CbcSha256)
    }

    /// Bytes of keys for both directions: two AES keys, and two salts of 4 bytes or two MAC keys of 32.
    pub(crate) const fn key_bytes(self) -> usize {
        if self.is_cbc() { 96 } else { 40 }
    }
}

#[cfg(test)]
mod tests {
    use super::Suite;

    #[test]
    fn numbers_go_both_ways() {
        for suite in Suite::ALL {
            assert_eq!(Suite::from_code(suite.code()), Some(suite));
        }
        assert_eq!(Suite::from_code(0x00ff), None);
    }
}
