//! What a pool promises: the one choice about memory that is made at set-up.

/// How windows are backed by blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum AllocationPolicy {
    /// No window is told whose blocks are not promised. Nothing that was asked for is ever
    /// dropped for want of memory; windows are as small as the pool makes them. For firmware.
    Reserved,
    /// Windows reach as far as the pool would now, though nobody is promised those blocks; data
    /// that finds none is left unacknowledged. One block is promised each way. For hosts.
    Overcommit,
}
