//! Tokens: short ones without an allocation, extended ones (RFC 8974) with one. Absent: the bound on their length, see
//! [`crate::Limits::token_bytes`].

use core::fmt;
use core::hash::{Hash, Hasher};

/// Longest token kept in place.
const INLINE: usize = 14;
/// Longest token that the wire can say (RFC 8974 2.1).
pub(crate) const LONGEST: usize = 65_804;

/// What joins a response to its request; chosen by the client, echoed by the server. At most 65,804 bytes.
#[derive(Clone)]
pub struct Token(Repr);

#[derive(Clone)]
enum Repr {
    Inline(u8, [u8; INLINE]),
    Boxed(Box<[u8]>),
}

impl Token {
    /// The token without bytes.
    pub const EMPTY: Self = Self(Repr::Inline(0, [0; INLINE]));

    /// `None` above 65,804 bytes.
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut inline = [0; INLINE];
        if let Some(head) = inline.get_mut(..bytes.len()) {
            head.copy_from_slice(bytes);
            return Some(Self(Repr::Inline(bytes.len() as u8, inline)));
        }
        (bytes.len() <= LONGEST).then(|| Self(Repr::Boxed(bytes.into())))
    }

    /// The bytes on the wire.
    pub fn as_bytes(&self) -> &[u8] {
        match &self.0 {
            Repr::Inline(length, bytes) => bytes.get(..usize::from(*length)).unwrap_or_default(),
            Repr::Boxed(bytes) => bytes,
        }
    }
}

impl From<[u8; 8]> for Token {
    fn from(bytes: [u8; 8]) -> Self {
        let mut inline = [0; INLINE];
        inline[..8].copy_from_slice(&bytes);
        Self(Repr::Inline(8, inline))
    }
}

impl PartialEq for Token {
    fn eq(&self, other: &Self) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl Eq for Token {}

impl Hash for Token {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_bytes().hash(state);
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes().iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_and_long_tokens_are_their_bytes() {
        for length in [0, 1, 8, 14, 15, 64, 65_804] {
            let bytes = vec![7; length];
            assert_eq!(Token::new(&bytes).unwrap().as_bytes(), bytes, "{length}");
        }
        assert!(Token::new(&[0; 65_805]).is_none());
        assert_eq!(Token::new(&[1, 2, 3, 4, 5, 6, 7, 8]).unwrap(), Token::from([1, 2, 3, 4, 5, 6, 7, 8]));
        assert_ne!(Token::EMPTY, Token::new(&[0]).unwrap());
    }
}
