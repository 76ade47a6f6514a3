//! What `defmt` logs of values that must not be logged as they are.

use crate::socket::Secret;

impl defmt::Format for Secret {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "Secret(…)");
    }
}
