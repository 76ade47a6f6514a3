//! TCP, pure: no device, no clock, an address only as a `FlowKey`.
//!
//! The file list is the table of contents. A segment comes in through `arrives`, a call of the
//! user through `user_calls`, time through `expires`; what leaves is planned in `departs`.

mod ack_budget;
pub mod arrives;
pub mod bare;
pub mod commons;
pub mod congestion;
pub mod connection;
pub mod cookie;
pub mod departs;
pub mod expires;
pub mod isn;
pub mod listener;
pub mod options;
pub mod path_mtu;
pub mod receive;
pub mod recovery;
pub mod rtt;
pub mod segment;
pub mod send;
pub mod settings;
pub mod state;
pub mod time_wait;
pub mod timers;
pub mod timestamps;
pub mod user_calls;
pub mod window;
