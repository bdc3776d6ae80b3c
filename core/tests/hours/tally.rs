//! What happened, and how often.

use std::collections::BTreeMap;

/// How often each kind of event happened.
#[derive(Debug, Default)]
pub struct Tally(BTreeMap<What, u64>);

/// A kind of event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    Request,
    // How a request ends.
    WorkerHit,
    ZoneHit,
    HitOfLeader,
    HitOfFollower,
    OwnAnswer,
    StaleWhileUpdating,
    StaleAfterFailure,
    Refused,
    HungUp,
    Died,
    // What it meets on the way.
    Bypassed,
    Expired,
    Led,
    Followed,
    Alone,
    /// Though the location has others wait.
    LeftAlone,
    TookOver,
    TimedOut,
    FlightGone,
    // What introspection leads to.
    Introspection,
    Renewal,
    Stored,
    NotStorable,
    NotAdmitted,
    /// Not admitted for what happened to other tokens.
    KeptOutByOthers,
    Inactive,
    ExpiredOnArrival,
    Failed,
    DroppedOnRefresh,
    // What happens to all of them.
    Revocation,
    Logout,
    TokenPurge,
    PurgeInBetween,
    PurgeOfAll,
    Reload,
    Death,
    DeathBeforeLanding,
    ClockForward,
    ClockBackward,
    Outage,
    Stranger,
}

/// How a request ends; each ends in one way.
const ENDS: [What; 10] = [
    What::WorkerHit,
    What::ZoneHit,
    What::HitOfLeader,
    What::HitOfFollower,
    What::OwnAnswer,
    What::StaleWhileUpdating,
    What::StaleAfterFailure,
    What::Refused,
    What::HungUp,
    What::Died,
];

const REST: [What; 30] = [
    What::Bypassed,
    What::Expired,
    What::Led,
    What::Followed,
    What::Alone,
    What::LeftAlone,
    What::TookOver,
    What::TimedOut,
    What::FlightGone,
    What::Introspection,
    What::Renewal,
    What::Stored,
    What::NotStorable,
    What::NotAdmitted,
    What::Inactive,
    What::ExpiredOnArrival,
    What::Failed,
    What::DroppedOnRefresh,
    What::Revocation,
    What::Logout,
    What::TokenPurge,
    What::PurgeInBetween,
    What::PurgeOfAll,
    What::Reload,
    What::Death,
    What::DeathBeforeLanding,
    What::ClockForward,
    What::ClockBackward,
    What::Outage,
    What::Stranger,
];

impl Tally {
    pub fn add(&mut self, what: What) {
        *self.0.entry(what).or_default() += 1;
    }

    pub fn of(&self, what: What) -> u64 {
        self.0.get(&what).copied().unwrap_or_default()
    }

    pub fn assert_every_request_ended(&self) {
        let ends: u64 = ENDS.into_iter().map(|end| self.of(end)).sum();
        assert_eq!(ends, self.of(What::Request), "a request was forgotten: {self:?}");
    }

    /// Nothing is proved by what never happened, nor by a cache that is always empty.
    pub fn assert_everything_happened(&self) {
        for what in ENDS.into_iter().chain(REST) {
            assert!(self.of(what) >= 10, "hardly ever: {what:?} of {self:?}");
        }
        let hits = self.of(What::WorkerHit) + self.of(What::ZoneHit);
        // Nobody has stored anything for those.
        let requests = self.of(What::Request) - self.of(What::Stranger);
        assert!(hits * 2 > requests, "too few hits: {self:?}");
    }
}
