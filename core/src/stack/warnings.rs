//! Configurations that work badly, as the user can ask for them. No packet passes here.

use core::fmt;

use crate::profile::Profile;
use crate::storage::policy::AllocationPolicy;
use crate::storage::stream::Stream;
use crate::tcp::user_calls::Half;

use super::Stack;

/// A configuration that works, but badly.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum ConfigWarning {
    /// A connection can have a window of less than two segments. A peer may delay its ACK until a
    /// second segment has come, for up to half a second (RFC 9293 §3.8.6.3), and Linux does so for
    /// 40 ms. A sender with no memory for a second segment waits that long in each round trip, so
    /// that 2048 bytes a window make about 50 kB/s.
    ///
    /// The remedy is a larger `window` in [`storage!`](crate::storage!), more or larger blocks, or
    /// a larger limit in [`ConnectionConfig`](crate::ConnectionConfig). Where memory is too short
    /// for two segments, [`ConnectionConfig::mss`](crate::ConnectionConfig::mss) makes segments
    /// smaller: half of the window, at most.
    SmallWindow {
        /// The direction: `Half::Read` for the receive window, `Half::Write` for the send window.
        half: Half,
        /// The bytes that every connection can have at the same time. If the blocks do not suffice
        /// for the configured limits of all connections, it is the window of one block, of which a
        /// single byte may be left where the stream begins with the last one.
        window: u32,
        /// Two segments of the largest size, in bytes.
        limit: u32,
    },
}

impl fmt::Display for ConfigWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::SmallWindow { half, window, limit } = self;
        let name = if *half == Half::Read { "receive" } else { "send" };
        write!(
            f,
            "the {name} window can be as small as {window} bytes, less than two segments ({limit} \
             bytes): round trips wait for delayed ACKs"
        )
    }
}

impl<P: Profile> Stack<'_, P> {
    /// Reports settings that make connections slow, for the storage and the configuration that the
    /// stack was made with. Connections with a configuration of their own are not considered.
    ///
    /// ```
    /// # use hikyaku::*;
    /// storage!(static NET: Small {
    ///     connections: 4, listeners: 1, half_open: 0, time_wait: 0, udp_sockets: 0,
    ///     records: 0, window: 4096,
    /// });
    /// # let storage = NET.take().unwrap();
    /// # let secret = Secret::new([1; 16]).unwrap();
    /// let stack = Stack::new(storage, &Config::new(), secret)?;
    /// assert_eq!(stack.warnings().next(), None);
    /// # Ok::<(), ConfigError>(())
    /// ```
    pub fn warnings(&self) -> impl Iterator<Item = ConfigWarning> + use<P> {
        let (receive, send, mss) = self.commons.windows();
        let limit = u32::from(mss).saturating_mul(2);
        let has_connections = self.tcp.connections_max() > 0;
        let warn = |half, wanted| {
            let window = self.window_for_all(wanted);
            (has_connections && window < limit).then_some(ConfigWarning::SmallWindow {
                half,
                window,
                limit,
            })
        };
        [warn(Half::Read, receive), warn(Half::Write, send)].into_iter().flatten()
    }

    /// The window that all connections can have at the same time, of those that `wanted` allows.
    fn window_for_all(&self, wanted: u32) -> u32 {
        let (layout, blocks) = (P::Stream::LAYOUT, &self.commons.blocks);
        let size = blocks.block_size();
        let wanted = wanted.min(P::Stream::window_max(size));
        let share = match self.commons.policy {
            AllocationPolicy::Reserved => {
                let halves = self.tcp.connections_max().saturating_mul(2).max(1);
                (blocks.capacity() as usize).checked_div(halves).unwrap_or(0)
            }
            // Blocks are taken when data is there, so that a connection finds those of the others.
            AllocationPolicy::Overcommit => blocks.capacity() as usize,
        };
        if layout.blocks_for(wanted, size) as usize <= share {
            wanted
        } else {
            // The first connections may have reserved all blocks but one for each direction.
            wanted.min(layout.window_of(1, size))
        }
    }
}
