//! What an entry is found by.

use siphasher::sip::SipHasher24;
use siphasher::sip128::{self, Hasher128 as _};
use std::fmt;
use std::hash::Hasher;

/// Fingerprint of the way in which a token is introspected: the endpoint, the credential, the
/// accepted media type and whatever else may change the answer. Entries of one profile are never
/// served to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Profile(u64);

impl Profile {
    /// The profile of these parts, in this order, of which none is chosen by clients. The same parts make
    /// the same profile after a reload.
    pub fn new(parts: &[&[u8]]) -> Self {
        let mut hasher = SipHasher24::new();
        write(&mut hasher, parts);
        Self(hasher.finish())
    }

    /// The profile of the parts of this one, and of these.
    #[must_use]
    pub fn and(self, parts: &[&[u8]]) -> Self {
        let own = self.0.to_le_bytes();
        let parts: Vec<&[u8]> = [&own[..]].into_iter().chain(parts.iter().copied()).collect();
        Self::new(&parts)
    }

    pub(super) fn value(self) -> u64 {
        self.0
    }
}

/// The key of a token in a zone: a hash of the token under the zone's secret, and the profile.
/// The token cannot be found from it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CacheKey {
    token: TokenHash,
    profile: Profile,
}

impl CacheKey {
    pub(super) fn new(token: TokenHash, profile: Profile) -> Self {
        Self { token, profile }
    }

    /// The first 6 hex digits of the token's hash: enough to follow a token through a log, and
    /// of no use to anybody who wants the token.
    pub fn log_prefix(&self) -> impl fmt::Display {
        LogPrefix(self.token.high)
    }

    /// One of so many places for this key, and what tells it from others in that place.
    pub(super) fn trace(&self, places: usize) -> (usize, u32) {
        let place = (self.token.low ^ self.profile.0) as usize;
        (place.checked_rem(places).unwrap_or_default(), self.token.high as u32)
    }

    pub(super) fn token(&self) -> TokenHash {
        self.token
    }

    pub(super) fn profile(&self) -> Profile {
        self.profile
    }
}

impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CacheKey({})", self.log_prefix())
    }
}

struct LogPrefix(u64);

impl fmt::Display for LogPrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:06x}", self.0 >> 40)
    }
}

/// SipHash-2-4 with 128 bits of a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TokenHash {
    pub(super) high: u64,
    pub(super) low: u64,
}

impl TokenHash {
    /// The shard that holds all entries of this token.
    pub(super) fn shard(self, shards: u32) -> u32 {
        scale(self.high, shards)
    }

    /// The stripe of all entries of this token, of a power of two.
    #[inline]
    pub(super) fn stripe(self) -> u64 {
        self.low
    }

    /// The bucket, in that shard, that holds all entries of this token.
    pub(super) fn bucket(self, buckets: u32) -> u32 {
        scale(self.low, buckets)
    }
}

/// Makes the hash of a token.
pub(super) struct TokenHasher(sip128::SipHasher24);

impl TokenHasher {
    pub(super) fn new(secret: &[u8; 16]) -> Self {
        Self(sip128::SipHasher24::new_with_key(secret))
    }

    pub(super) fn hash(&self, token: &[u8]) -> TokenHash {
        let hash = self.0.hash(token);
        TokenHash { high: hash.h1, low: hash.h2 }
    }

    /// A profile under the secret; what is hashed for it is no token.
    pub(super) fn profile(&self, profile: Profile, values: &[&[u8]]) -> Profile {
        let mut hasher = self.0;
        hasher.write_u8(0);
        hasher.write_u64(profile.0);
        write(&mut hasher, values);
        Profile(hasher.finish128().h1)
    }
}

/// Each part with its length, so that no two lists of parts run together.
fn write(hasher: &mut impl Hasher, parts: &[&[u8]]) {
    for part in parts {
        hasher.write_u64(part.len() as u64);
        hasher.write(part);
    }
}

/// Maps the upper half of `hash` evenly to `0..count`.
fn scale(hash: u64, count: u32) -> u32 {
    ((hash >> 32).wrapping_mul(u64::from(count)) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_a_profile_do_not_run_together() {
        assert_ne!(Profile::new(&[b"ab", b"c"]), Profile::new(&[b"a", b"bc"]));
        assert_ne!(Profile::new(&[b"ab"]), Profile::new(&[b"ab", b""]));
    }

    #[test]
    fn a_profile_with_more_parts_is_another_one() {
        let profile = Profile::new(&[b"a"]);
        let more =
            [&[][..], &[&b""[..]], &[b"b"], &[b"b", b"c"], &[b"bc"]].map(|more| profile.and(more));
        for (index, one) in more.iter().enumerate() {
            assert_ne!(*one, profile);
            assert!(more[..index].iter().all(|other| other != one), "{index}");
        }
        assert_eq!(profile.and(&[b"b"]), profile.and(&[b"b"]));
    }

    #[test]
    fn profiles_of_values_depend_on_them_on_the_profile_and_on_the_secret() {
        let of = |secret, profile: &[&[u8]], values: &[&[u8]]| {
            TokenHasher::new(&[secret; 16]).profile(Profile::new(profile), values)
        };
        let base = of(1, &[b"p"], &[b"a", b"b"]);
        assert_eq!(of(1, &[b"p"], &[b"a", b"b"]), base);
        for other in [
            of(2, &[b"p"], &[b"a", b"b"]),
            of(1, &[b"q"], &[b"a", b"b"]),
            of(1, &[b"p"], &[b"ab", b""]),
            of(1, &[b"p"], &[b"b", b"a"]),
            of(1, &[b"p"], &[b"a"]),
        ] {
            assert_ne!(other, base);
        }
    }

    #[test]
    fn the_same_parts_make_the_same_profile() {
        assert_eq!(Profile::new(&[b"/introspect", b"id"]), Profile::new(&[b"/introspect", b"id"]));
    }

    #[test]
    fn a_log_prefix_is_six_hex_digits_of_the_hash() {
        let token = TokenHash { high: 0x00ab_cdef_0123_4567, low: 0 };
        let key = CacheKey::new(token, Profile::new(&[]));

        assert_eq!(key.log_prefix().to_string(), "00abcd");
        assert_eq!(format!("{key:?}"), "CacheKey(00abcd)");
    }

    #[test]
    fn every_hash_has_a_shard_and_a_bucket() {
        for half in [0, 1, u64::MAX / 2, u64::MAX] {
            let token = TokenHash { high: half, low: half };
            assert!(token.shard(16) < 16);
            assert!(token.bucket(1000) < 1000);
        }
    }
}
