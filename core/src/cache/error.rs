//! What can go wrong with a zone.

use thiserror::Error;

/// The memory cannot be used as a zone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum RegionError {
    /// There is not enough memory.
    #[error("the zone has {len} bytes, but it needs at least {minimum}")]
    TooSmall {
        /// Usable bytes.
        len: usize,
        /// Least number of bytes.
        minimum: usize,
    },
    /// There is more memory than can be numbered.
    #[error("the zone has {len} bytes, which is too large")]
    TooLarge {
        /// Usable bytes.
        len: usize,
    },
    /// The memory holds no zone.
    #[error("the memory holds no zone")]
    NotAZone,
    /// The zone was laid out by another version of the module.
    #[error("the zone has layout version {found}, but this module needs {expected}")]
    OtherVersion {
        /// Version in the memory.
        found: u64,
        /// Version of this code.
        expected: u64,
    },
    /// The zone was laid out for another size.
    #[error("the zone was laid out for {found} bytes, but has {len}")]
    OtherLength {
        /// Length in the memory.
        found: u64,
        /// Usable bytes.
        len: usize,
    },
}

/// An answer was not stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InsertError {
    /// The JWT is longer than the zone takes; see [`Zone::longest_jwt`](super::Zone::longest_jwt).
    #[error("the JWT has {len} bytes, but the zone takes at most {longest}")]
    TooLarge {
        /// Bytes of the JWT.
        len: usize,
        /// Most bytes taken.
        longest: usize,
    },
    /// The answer has expired already.
    #[error("the answer has expired already")]
    Expired,
    /// After the question was asked, there was a purge, or the answer to a later question came. So
    /// the answer may be out of date.
    #[error("a purge or a later answer came in the meantime")]
    Outdated,
    /// Another process kept the shard locked for too long.
    #[error("the zone is locked by another process")]
    Busy,
    /// The memory was overwritten by something else; the shard has been emptied.
    #[error("the zone was corrupted and its shard has been emptied")]
    Corrupt,
}

impl InsertError {
    /// Whether the next answer may be stored all the same: it was not this one that was at fault.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::Outdated | Self::Busy | Self::Corrupt)
    }
}

/// A check did not pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum CheckError {
    /// Another process kept the shard locked for too long.
    #[error("shard {shard} is locked by another process")]
    Busy {
        /// Number of the shard.
        shard: u32,
    },
    /// An invariant does not hold.
    #[error("shard {shard}: {what}")]
    Broken {
        /// Number of the shard.
        shard: u32,
        /// The invariant.
        what: &'static str,
    },
}
