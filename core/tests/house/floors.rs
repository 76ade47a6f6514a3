//! The plan of the house: the rank of every file in `core/src`.

/// Whether the files of a floor may name each other.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Order {
    /// Only files that stand before them in the list.
    Listed,
    /// Any of them, as long as there is no circle.
    Free,
}

/// A group of files, on a level of the house.
pub(super) struct Floor {
    pub(super) name: &'static str,
    pub(super) level: u8,
    pub(super) order: Order,
    pub(super) files: &'static [&'static str],
}

/// The rank of each file in `core/src`: arrows point to a lower level, or stay on their floor.
///
/// Two floors on one level never name each other. **A new file is added here**, on the lowest
/// floor that can carry it.
pub(super) const FLOORS: &[Floor] = &[
    Floor {
        name: "facts",
        level: 0,
        order: Order::Free,
        files: &[
            "time.rs",
            "seq.rs",
            "counters.rs",
            "flow.rs",
            "secret.rs",
            "readiness.rs",
            "trace.rs",
            "waker.rs",
        ],
    },
    Floor {
        name: "wire",
        level: 1,
        order: Order::Free,
        files: &[
            "wire/mod.rs",
            "wire/checksum.rs",
            "wire/address.rs",
            "wire/dhcp.rs",
            "wire/icmp.rs",
            "wire/ethernet.rs",
            "wire/arp.rs",
            "wire/ndp.rs",
            "wire/ipv4.rs",
            "wire/ipv6.rs",
            "wire/icmpv4.rs",
            "wire/icmpv6.rs",
            "wire/udp.rs",
            "wire/tcp.rs",
            "wire/tcp_options.rs",
        ],
    },
    Floor {
        name: "storage",
        level: 1,
        order: Order::Free,
        files: &[
            "storage/mod.rs",
            "storage/block_pool.rs",
            "storage/stream.rs",
            "storage/queue.rs",
            "storage/ring.rs",
            "storage/assembler.rs",
            "storage/slab.rs",
            "storage/hash_table.rs",
            "storage/deadlines.rs",
            "storage/list.rs",
            "storage/linear.rs",
            "storage/parking.rs",
            "storage/policy.rs",
        ],
    },
    Floor { name: "device", level: 2, order: Order::Listed, files: &["device.rs"] },
    Floor {
        name: "tcp",
        level: 3,
        order: Order::Listed,
        files: &[
            "tcp/segment.rs",
            "tcp/state.rs",
            "tcp/window.rs",
            "tcp/options.rs",
            "tcp/timestamps.rs",
            "tcp/bare.rs",
            "tcp/rtt.rs",
            "tcp/path_mtu.rs",
            "tcp/timers.rs",
            "tcp/congestion/mod.rs",
            "tcp/congestion/reno.rs",
            "tcp/congestion/additive.rs",
            "tcp/congestion/chosen.rs",
            "tcp/recovery/record.rs",
            "tcp/recovery/mod.rs",
            "tcp/recovery/go_back.rs",
            "tcp/recovery/timeout_only.rs",
            "tcp/recovery/scoreboard.rs",
            "tcp/isn.rs",
            "profile.rs",
            "tcp/send.rs",
            "tcp/receive.rs",
            "tcp/settings.rs",
            "tcp/ack_budget.rs",
            "tcp/time_wait.rs",
            "tcp/commons.rs",
            "tcp/connection.rs",
            "tcp/expires.rs",
            "tcp/arrives.rs",
            "tcp/user_calls.rs",
            "tcp/departs.rs",
            "tcp/listener.rs",
            "tcp/cookie.rs",
            "tcp/mod.rs",
        ],
    },
    Floor {
        name: "socket",
        level: 4,
        order: Order::Free,
        files: &[
            "socket/demux.rs",
            "socket/turns.rs",
            "socket/tcp_slots.rs",
            "socket/tcp_pool.rs",
            "socket/tcp_handshakes.rs",
            "socket/tcp.rs",
            "socket/udp.rs",
            "socket/waiters.rs",
            "socket/mod.rs",
        ],
    },
    Floor {
        name: "stack",
        level: 5,
        order: Order::Free,
        files: &[
            "stack/storage.rs",
            "stack/neighbor.rs",
            "stack/addresses.rs",
            "stack/frames.rs",
            "stack/arp.rs",
            "stack/ndp.rs",
            "stack/link.rs",
            "stack/headers.rs",
            "stack/reply.rs",
            "stack/ingress.rs",
            "stack/egress.rs",
            "stack/setup.rs",
            "stack/waiters.rs",
            "stack/mod.rs",
        ],
    },
    Floor {
        name: "service",
        level: 6,
        order: Order::Free,
        files: &["service/mod.rs", "service/dhcp/mod.rs", "service/dhcp/lease.rs"],
    },
    Floor {
        name: "aio",
        level: 6,
        order: Order::Listed,
        files: &[
            "io.rs",
            "aio/timer.rs",
            "aio/profile.rs",
            "aio/shared.rs",
            "aio/tcp.rs",
            "aio/udp.rs",
            "aio/mod.rs",
        ],
    },
    Floor {
        name: "adapter",
        level: 7,
        order: Order::Free,
        files: &[
            "adapter/embassy.rs",
            "adapter/embassy_time.rs",
            "adapter/embedded_io.rs",
            "adapter/embedded_io_async.rs",
            "adapter/edge_nal.rs",
            "adapter/edge_nal/udp.rs",
            "adapter/mod.rs",
        ],
    },
    Floor { name: "roof", level: 8, order: Order::Listed, files: &["lib.rs"] },
];

/// Arrows that would point down and still must not be: TCP is pure and knows no device.
pub(super) const NEVER: &[(&str, &str)] = &[("tcp", "device")];
