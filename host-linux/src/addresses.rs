//! Our addresses: which of them a host can have, and what becomes of each on the link.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use hikyaku::wire::address::{Cidr, NotAHost};
use hikyaku::{AddressState, Duration, Instant, Stack};

use crate::report::{Failure, note};
use crate::tun::{PREFIX_4, PREFIX_6};

/// Claims of other hosts are told this often at most.
const CLAIM_NOTE_INTERVAL: Duration = Duration::from_secs(10);

/// Finds an address that we cannot have, before any device is made. `option` is its name.
///
/// # Errors
/// [`Failure::Usage`] with the reason.
pub(crate) fn check_ours(address: IpAddr, option: &str) -> Result<(), Failure> {
    let prefix = if address.is_ipv4() { PREFIX_4 } else { PREFIX_6 };
    let fault = Cidr::new(address, prefix).and_then(|cidr| cidr.host_fault());
    let reason = match (fault, is_link_local(address)) {
        (Some(fault @ (NotAHost::Network | NotAHost::Broadcast)), _) => {
            format!("{fault}, a /{prefix}")
        }
        (Some(fault), _) => fault.to_string(),
        (None, true) => "a link-local address, which names no host beyond its link".to_owned(),
        (None, false) => return Ok(()),
    };
    let example = if address.is_ipv4() { "192.168.69.2" } else { "fd69::2" };
    Err(Failure::Usage(format!(
        "{option} {address}: it is {reason}; give the address of one host, such as {example}"
    )))
}

/// Finds a peer that nobody can connect to, before any device is made.
///
/// # Errors
/// [`Failure::Usage`] with the reason.
pub(crate) fn check_remote(remote: SocketAddr) -> Result<(), Failure> {
    let address = remote.ip();
    // The network of the peer is not known: a prefix of all bits leaves out what depends on it.
    let prefix = if address.is_ipv4() { 32 } else { 128 };
    match Cidr::new(address, prefix).and_then(|cidr| cidr.host_fault()) {
        None => Ok(()),
        Some(fault) => {
            let fault = if address == IpAddr::V4(Ipv4Addr::BROADCAST) {
                "the broadcast address of every network".to_owned()
            } else {
                fault.to_string()
            };
            Err(Failure::Usage(format!(
                "connect {address}: it is {fault}; give the address of one host beside our stack"
            )))
        }
    }
}

fn is_link_local(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

/// Tells what becomes of the addresses that we were given on the command line.
pub(crate) struct Watch {
    device: String,
    /// Those of which it is not known yet whether another host has them.
    probed: Vec<IpAddr>,
    ours: Vec<IpAddr>,
    claims: u64,
    next_claim_note: Instant,
}

impl Watch {
    /// Watches `ours` on the link `device`.
    pub(crate) fn new(device: String, ours: Vec<IpAddr>, stack: &Stack<'_>) -> Self {
        let is_probed =
            |address: &IpAddr| stack.address_state(*address) == Some(AddressState::Tentative);
        let probed: Vec<IpAddr> = ours.iter().copied().filter(is_probed).collect();
        for address in &probed {
            note!("probing whether another host on {device} uses {address}");
        }
        Self { device, probed, ours, claims: 0, next_claim_note: Instant::ZERO }
    }

    /// Tells what has changed. Call it whenever the stack has worked.
    pub(crate) fn observe(&mut self, stack: &Stack<'_>, now: Instant) {
        let device = &self.device;
        let before = self.probed.len();
        self.probed.retain(|address| match stack.address_state(*address) {
            Some(AddressState::Tentative) => true,
            Some(AddressState::Duplicate) => {
                let option = if address.is_ipv4() { "--addr" } else { "--addr6" };
                note!(
                    "{address} is a duplicate: another host on {device} uses it, so we do not; \
                     try another {option}"
                );
                false
            }
            Some(AddressState::Usable) => {
                note!("{address} is ours: no other host on {device} uses it");
                false
            }
            None => false,
        });
        let claims = stack.counters().address_conflicts as u64;
        let is_new = claims != self.claims && self.probed.len() == before;
        if is_new && before == 0 && now >= self.next_claim_note {
            self.next_claim_note = now + CLAIM_NOTE_INTERVAL;
            let ours: Vec<String> = self.ours.iter().map(IpAddr::to_string).collect();
            note!(
                "another host on {device} claims an address that we use ({}); \
                 give one of the two hosts another address",
                ours.join(" or ")
            );
        }
        self.claims = claims;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_no_host_is_refused_with_the_reason() {
        for (address, reason) in [
            ("192.168.69.2", None),
            ("10.0.0.254", None),
            ("2001:db8::", None),
            ("127.0.0.1", Some("a loopback address")),
            ("::1", Some("a loopback address")),
            ("224.0.0.9", Some("a multicast address")),
            ("ff02::9", Some("a multicast address")),
            ("10.1.2.0", Some("the address of the network itself, a /24")),
            ("10.1.2.255", Some("the broadcast address of the network, a /24")),
            ("255.255.255.255", Some("the broadcast address of the network, a /24")),
            ("169.254.1.1", Some("a link-local address")),
            ("fe80::1", Some("a link-local address")),
            ("0.0.0.0", Some("a reserved address")),
            ("240.1.1.1", Some("a reserved address")),
            ("::", Some("a reserved address")),
            ("::ffff:10.0.0.1", Some("a reserved address")),
        ] {
            let told = check_ours(address.parse().unwrap(), "--addr").err();
            let told = told.map(|failure| failure.to_string());
            assert_eq!(told.is_some(), reason.is_some(), "{address}: {told:?}");
            if let (Some(told), Some(reason)) = (told, reason) {
                assert!(told.contains(reason) && told.contains(address), "{told}");
            }
        }
    }

    #[test]
    fn a_peer_that_is_no_host_is_refused() {
        for (address, is_fine) in [
            ("192.168.70.1:7", true),
            ("192.168.70.255:7", true),
            ("[fe80::1]:7", true),
            ("127.0.0.1:7", false),
            ("224.0.0.1:7", false),
            ("255.255.255.255:7", false),
            ("0.0.0.0:7", false),
            ("[::1]:7", false),
            ("[ff02::1]:7", false),
        ] {
            assert_eq!(check_remote(address.parse().unwrap()).is_ok(), is_fine, "{address}");
        }
    }
}
