//! Fixed memory, lent by the caller. Knows no protocol.
