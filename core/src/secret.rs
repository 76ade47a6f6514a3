//! What nobody else knows: the key of everything that must not be guessed.

use core::fmt;

/// Sixteen octets that nobody else knows, from a source of real entropy, new at every start.
/// Initial sequence numbers (RFC 6528), ports and hash tables are keyed by it.
#[derive(Clone, Copy)]
pub struct Secret([u8; 16]);

impl Secret {
    /// A secret. `None` for all zeros, which is what a forgotten one looks like.
    #[must_use]
    pub fn new(octets: [u8; 16]) -> Option<Self> {
        octets.iter().any(|octet| *octet != 0).then_some(Self(octets))
    }

    /// The octets.
    #[must_use]
    pub(crate) const fn octets(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Secret {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Secret(…)");
    }
}
