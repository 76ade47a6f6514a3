//! RFC 9293 §3.9.2: what TCP wants of IP and of ICMP, and which addresses it does not listen to.

use std::net::{IpAddr, SocketAddr};

use hikyaku::time::Duration;
use hikyaku::wire::tcp::Flags;
use hikyaku::{ConnectConfig, ConnectionConfig, State};
use hikyaku_testkit::forge::{Tcp, icmp, with_ipv4_checksum, with_ipv4_options};
use hikyaku_testkit::lone::{Lone, PORT, Peer};
use hikyaku_testkit::pair::Family;
use hikyaku_testkit::seen::Seen;

use super::common::*;

fn ip(text: &str) -> IpAddr {
    text.parse().expect("an address")
}

/// TTL or hop limit of a packet.
fn hop_limit(packet: &[u8]) -> u8 {
    if packet[0] >> 4 == 4 { packet[8] } else { packet[7] }
}

#[test]
fn must_49_holds_the_hop_limit_is_the_configured_one() {
    for limit in [17, 64, 128] {
        hosts_with(
            |setup| setup.config.hop_limit = limit,
            |lone| {
                for packet in packets_of_a_life(lone, &[]) {
                    assert_eq!(hop_limit(&packet), limit);
                }
            },
        );
    }
}

#[test]
fn must_49_provoked_by_the_smallest_and_the_largest_and_by_answers_of_no_connection() {
    for limit in [1, 255] {
        hosts_with(
            |setup| setup.config.hop_limit = limit,
            |lone| {
                for flags in [Flags::SYN, Flags::ACK, Flags::FIN] {
                    let mut stray = lone.syn(0);
                    stray.destination.set_port(9);
                    stray.flags = flags;
                    // What arrived with another one changes nothing.
                    let mut packet = stray.packet();
                    if packet[0] >> 4 == 4 {
                        packet[8] = 3;
                        packet = with_ipv4_checksum(packet);
                    } else {
                        packet[7] = 3;
                    }
                    let answers = lone.feed_packet(&packet);
                    assert_eq!(hop_limit(&answers[0]), limit, "{flags:?}");
                }
            },
        );
    }
}

/// The Differentiated Services code point of a packet, and the two bits of ECN.
fn service(packet: &[u8]) -> (u8, u8) {
    let class = match packet[0] >> 4 {
        4 => packet[1],
        _ => packet[0] << 4 | packet[1] >> 4,
    };
    (class >> 2, class & 3)
}

#[test]
fn must_48_holds_the_code_point_is_the_configured_one() {
    for dscp in [0, 10, 46, 63] {
        hosts_with(
            |setup| setup.config.connection.dscp = dscp,
            |lone| {
                let packets = packets_of_a_life(lone, &[2, 4, 2, 24, 1, 3, 3, 2]);
                for packet in packets {
                    let seen = Seen::in_packet(&packet).expect("a segment");
                    // The reset of a closed port belongs to no connection.
                    let of_a_connection = seen.source.port() == PORT;
                    let wanted = if of_a_connection { dscp } else { 0 };
                    assert_eq!(service(&packet), (wanted, 0), "{seen}");
                }
            },
        );
    }
}

#[test]
fn must_48_provoked_by_connections_side_by_side_and_by_a_change_of_mind() {
    hosts(|lone| {
        let connection = ConnectionConfig { dscp: 46, ..ConnectionConfig::new() };
        let config = ConnectConfig { connection: Some(connection), ..ConnectConfig::new() };
        let to = SocketAddr::new(lone.them, 6000);
        let handle = lone.host.connect(lone.now, to, &config).expect("a slot");
        let syn = lone.packets();
        assert_eq!(service(&syn[0]), (46, 0), "from the SYN on");
        let plain = lone.passive(0);
        assert_eq!(lone.host.write(plain.handle, b"text"), Ok(4));
        assert_eq!(service(&lone.packets()[0]), (0, 0), "another connection");
        // Changed in the middle; what is sent again goes as what is sent now.
        for dscp in [8, 63, 0, 34] {
            lone.host.set_dscp(plain.handle, dscp);
            lone.now = lone.next_wake().expect("a timer runs");
            for packet in lone.packets() {
                let of_plain =
                    Seen::in_packet(&packet).is_some_and(|seen| seen.destination == plain.at);
                assert_eq!(service(&packet).0, if of_plain { dscp } else { 46 });
            }
        }
        // More than six bits would reach into those of ECN, or out of the octet.
        lone.host.set_dscp(plain.handle, 0xff);
        lone.pass(Duration::from_millis(1));
        let late = peer_text(&plain);
        for packet in lone.feed_packet(&late) {
            assert_eq!(service(&packet), (63, 0));
        }
        lone.host.abort(handle);
        lone.host.release(handle);
        lone.drain(&[plain]);
    });
}

/// Text of long ago, which is answered at once.
fn peer_text(peer: &Peer) -> Vec<u8> {
    let mut old = peer.segment(Flags::ACK, b"old");
    old.seq = peer.seq - 3;
    old.packet()
}

/// The packet with a header of IPv6 destination options before TCP.
fn with_ipv6_options(packet: &[u8], options: &[u8; 6]) -> Vec<u8> {
    let mut longer = packet[..40].to_vec();
    longer[6] = 60;
    longer.extend_from_slice(&[6, 0]);
    longer.extend_from_slice(options);
    longer.extend_from_slice(&packet[40..]);
    let payload = (longer.len() - 40) as u16;
    longer[4..6].copy_from_slice(&payload.to_be_bytes());
    longer
}

#[test]
fn must_50_holds_ip_options_that_mean_nothing_to_tcp_are_ignored() {
    each(|lone, peer| {
        let plain = peer.segment(Flags::ACK, b"text").packet();
        let packet = if plain[0] >> 4 == 4 {
            // Router alert.
            with_ipv4_options(&plain, &[148, 4, 0, 0])
        } else {
            with_ipv6_options(&plain, &[1, 4, 0, 0, 0, 0])
        };
        assert!(lone.feed_packet(&packet).iter().all(|answer| answer.len() <= 60));
        assert_eq!(read(lone, peer), b"text");
        peer.seq = peer.seq + 4;
    });
}

#[test]
fn must_50_provoked_by_options_of_all_kinds_on_syns_and_text() {
    for kind in KINDS {
        let mut lone = Lone::new(kind, Family::V4);
        // Record route, timestamp, security, unknown ones, copied or not; then forty octets.
        let options = [(7, 7), (68, 8), (130, 11), (30, 4), (94, 6), (158, 8), (222, 40)];
        for (number, (option, len)) in options.into_iter().enumerate() {
            let mut options = vec![0_u8; 40.min(usize::from(len).next_multiple_of(4))];
            (options[0], options[1], options[2]) = (option, len, 4);
            let syn = lone.syn(number as u16);
            let answers = lone.feed_packet(&with_ipv4_options(&syn.packet(), &options));
            let seen: Vec<_> = answers.iter().map(|one| one[0]).collect();
            assert_eq!(seen, [0x45], "{option}: answered, and without options");
            let (peer, text) = (lone.passive_with(&syn), b"text");
            let packet = peer.segment(Flags::ACK, text).packet();
            lone.feed_packet(&with_ipv4_options(&packet, &options));
            assert_eq!(read(&mut lone, &peer), text, "{option}");
            lone.drain(&[peer]);
        }
    }
}

/// A source quench that quotes a segment.
fn quench(lone: &Lone, quoted: &[u8]) -> Vec<u8> {
    let mut message = vec![4, 0, 0, 0, 0, 0, 0, 0];
    message.extend_from_slice(&quoted[..quoted.len().min(28)]);
    icmp(lone.them, lone.us, &message)
}

#[test]
fn must_55_holds_a_source_quench_changes_nothing() {
    for kind in KINDS {
        let mut lone = Lone::new(kind, Family::V4);
        let mut peer = lone.passive(0);
        assert_eq!(lone.host.write(peer.handle, &[1; 1608]), Ok(1608));
        let sent = lone.packets();
        let before = lone.host.info(peer.handle);
        let message = quench(&lone, &sent[0]);
        assert!(lone.feed_packet(&message).is_empty());
        assert_eq!(lone.host.info(peer.handle), before);
        while lone.host.next_event().is_some() {}
        ack(&mut lone, &mut peer, 1608);
        still_works(&mut lone, &mut peer);
        lone.drain(&[peer]);
    }
}

#[test]
fn must_55_provoked_by_a_flood_of_them_in_every_state() {
    for kind in KINDS {
        let mut lone = Lone::new(kind, Family::V4);
        let handle = {
            let to = SocketAddr::new(lone.them, 6000);
            lone.host.connect(lone.now, to, &hikyaku::ConnectConfig::new()).expect("a slot")
        };
        let syn = lone.packets();
        let before = lone.host.info(handle);
        let message = quench(&lone, &syn[0]);
        for _ in 0..500 {
            assert!(lone.feed_packet(&message).is_empty());
        }
        assert_eq!(lone.host.info(handle), before);
        assert_eq!(lone.host.state(handle), State::SynSent);
        lone.host.abort(handle);
        lone.host.release(handle);
        let peer = lone.passive(0);
        lone.host.close(peer.handle);
        let fin = lone.packets();
        let (before, message) = (lone.host.info(peer.handle), quench(&lone, &fin[0]));
        for _ in 0..500 {
            assert!(lone.feed_packet(&message).is_empty());
        }
        assert_eq!(lone.host.info(peer.handle), before);
        lone.drain(&[peer]);
    }
}

/// Segments to or from addresses that are not one host: nothing is answered or remembered.
fn unheard(lone: &mut Lone, segment: &Tcp) {
    let before = lone.host.usage();
    let answers = lone.feed_packet(&segment.packet());
    assert!(answers.is_empty(), "{segment:?}");
    assert_eq!(lone.host.usage(), before);
    assert!(lone.pass(Duration::from_secs(2)).is_empty());
}

#[test]
fn must_57_holds_a_syn_to_everybody_is_not_heard() {
    hosts(|lone| {
        let everybody = if lone.us.is_ipv4() {
            ["255.255.255.255", "224.0.0.1"]
        } else {
            ["ff02::1", "ff02::1:ff00:2"]
        };
        for address in everybody {
            let mut syn = lone.syn(0);
            syn.destination = SocketAddr::new(ip(address), PORT);
            unheard(lone, &syn);
        }
        let peer = lone.passive(0);
        lone.drain(&[peer]);
    });
}

#[test]
fn must_57_provoked_by_directed_broadcasts_closed_ports_and_other_flags() {
    hosts(|lone| {
        let everybody = if lone.us.is_ipv4() {
            ["10.0.0.255", "239.1.2.3", "255.255.255.255"]
        } else {
            ["ff01::1", "ff05::2", "ff0e::99"]
        };
        for address in everybody {
            for port in [PORT, 9] {
                for flags in [Flags::SYN, Flags::ACK, SYN_ACK, FIN_ACK, Flags::NONE] {
                    let mut syn = lone.syn(0);
                    syn.destination = SocketAddr::new(ip(address), port);
                    syn.flags = flags;
                    unheard(lone, &syn);
                }
            }
        }
        lone.drain(&[]);
    });
}

#[test]
fn must_63_holds_a_syn_from_no_single_host_is_not_heard() {
    hosts(|lone| {
        let sources =
            if lone.us.is_ipv4() { ["255.255.255.255", "224.0.0.1"] } else { ["ff02::1", "::"] };
        for address in sources {
            let mut syn = lone.syn(0);
            syn.source = SocketAddr::new(ip(address), 5000);
            unheard(lone, &syn);
        }
        let peer = lone.passive(0);
        lone.drain(&[peer]);
    });
}

#[test]
fn must_63_provoked_by_broadcasts_loopback_and_our_own_address() {
    hosts(|lone| {
        let sources = if lone.us.is_ipv4() {
            ["10.0.0.255", "127.0.0.1", "0.0.0.0", "240.0.0.1", "10.0.0.2"]
        } else {
            ["::1", "ff0e::1", "::ffff:10.0.0.1", "::ffff:127.0.0.1", "fd00::2"]
        };
        for address in sources {
            for port in [PORT, 9] {
                let mut syn = lone.syn(0);
                syn.destination.set_port(port);
                syn.source = SocketAddr::new(ip(address), 5000);
                unheard(lone, &syn);
            }
        }
        lone.drain(&[]);
    });
}
