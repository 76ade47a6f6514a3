//! Our hardware address on Ethernet: the same each time we are started, and nobody else's.

use hikyaku::wire::ethernet::Address;

use crate::cli::LinkArgs;

/// What tells this machine from all others, where it is there.
const MACHINE: &str = "/etc/machine-id";

/// The address that was asked for, or one that is made of what stays the same: the machine, the
/// device's name and our IPv4 address.
pub(crate) fn address(args: &LinkArgs) -> Address {
    args.mac.unwrap_or_else(|| {
        let machine = std::fs::read(MACHINE).unwrap_or_default();
        let device = args.tap.as_deref().unwrap_or_default();
        derive(&[&machine, device.as_bytes(), &args.addr.octets()])
    })
}

/// A locally administered address: FNV-1a over all parts and their lengths.
fn derive(parts: &[&[u8]]) -> Address {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    for part in parts {
        for octet in part.iter().copied().chain([part.len() as u8]) {
            hash = (hash ^ u64::from(octet)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    let [_, _, a, b, c, d, e, f] = (hash ^ hash >> 48).to_be_bytes();
    // IEEE 802, clause 8.4: one station's (bit 0), and given out by nobody (bit 1).
    Address([a & 0xfc | 0x02, b, c, d, e, f])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_local_and_differ_with_each_part() {
        let parts: [[&[u8]; 3]; 5] = [
            [b"id", b"tap0", &[192, 168, 69, 2]],
            [b"id", b"tap1", &[192, 168, 69, 2]],
            [b"id", b"tap0", &[192, 168, 69, 3]],
            [b"idt", b"ap0", &[192, 168, 69, 2]],
            [b"", b"", &[192, 168, 69, 2]],
        ];
        let made: Vec<Address> = parts.iter().map(|parts| derive(parts)).collect();
        for (index, address) in made.iter().enumerate() {
            assert_eq!(address.0[0] & 3, 2, "{address}");
            assert!(!made[..index].contains(address), "{address}");
            assert_eq!(derive(&parts[index]), *address);
        }
    }
}
