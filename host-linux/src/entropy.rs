//! Randomness from the system, for secrets and seeds.

use anyhow::{Context, bail};
use hikyaku::Secret;
use rustix::rand::{GetRandomFlags, getrandom};

/// Fills an array from the system's generator.
fn fresh<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    // Requests of up to 256 octets are never cut short.
    let filled = getrandom(&mut bytes, GetRandomFlags::empty()).context("getrandom")?;
    if filled != N {
        bail!("getrandom gave {filled} octets of {N}");
    }
    Ok(bytes)
}

/// A secret for a stack's keyed hashes.
pub(crate) fn secret() -> anyhow::Result<Secret> {
    Secret::new(fresh()?).context("the system's random generator gives only zeroes")
}

/// A seed short enough to be typed again.
pub(crate) fn seed() -> anyhow::Result<u64> {
    Ok(u64::from(u32::from_le_bytes(fresh()?)))
}
