use super::*;
use crate::cache::Profile;
use crate::cache::key::TokenHash;
use proptest::prelude::*;

const NOW: UnixTime = UnixTime(1_000);
const LATER: UnixTime = UnixTime(2_000);

fn key(number: u64) -> CacheKey {
    CacheKey::new(TokenHash { high: number, low: !number }, Profile::new(&[]))
}

fn cache(entries: usize, bytes: usize) -> WorkerCache {
    WorkerCache::new(NonZeroUsize::new(entries).unwrap(), bytes)
}

fn put(cache: &mut WorkerCache, number: u64, jwt: &[u8]) {
    cache.put(key(number), jwt, lifetime(LATER, None), Generation(1), NOW);
}

fn jwt(cache: &mut WorkerCache, number: u64) -> Option<Vec<u8>> {
    jwt_at(cache, number, NOW)
}

fn jwt_at(cache: &mut WorkerCache, number: u64, now: UnixTime) -> Option<Vec<u8>> {
    serve(cache, &key(number), Generation(1), now).map(|hit| hit.jwt)
}

/// What a hit lends, to be kept.
struct Served {
    jwt: Vec<u8>,
    lifetime: Lifetime,
    touch: bool,
    shown: String,
}

fn serve(
    cache: &mut WorkerCache,
    key: &CacheKey,
    generation: Generation,
    now: UnixTime,
) -> Option<Served> {
    let mut seen = None;
    let is_served = cache.serve(key, generation, now, |hit| {
        let WorkerHit { jwt, lifetime, touch } = hit;
        let shown = format!("{hit:?}");
        seen = Some(Served { jwt: jwt.to_vec(), lifetime, touch, shown });
        true
    });
    if let Some(seen) = &seen {
        assert_eq!(seen.jwt, cache.served());
    }
    seen.filter(|_| is_served)
}

fn lifetime(fresh_until: UnixTime, expires: Option<UnixTime>) -> Lifetime {
    Lifetime { expires, ..Lifetime::fresh_until(fresh_until) }
}

#[test]
fn a_jwt_is_found_with_its_times() {
    let mut cache = cache(4, 100);

    cache.put(key(1), b"jwt", lifetime(UnixTime(1_500), Some(LATER)), Generation(1), NOW);

    let hit = serve(&mut cache, &key(1), Generation(1), NOW).unwrap();
    assert_eq!(hit.jwt, b"jwt");
    assert_eq!(hit.lifetime, lifetime(UnixTime(1_500), Some(LATER)));
}

#[test]
fn a_jwt_is_not_found_with_another_profile() {
    let mut cache = cache(4, 100);
    put(&mut cache, 1, b"jwt");

    let other = CacheKey::new(key(1).token(), Profile::new(&[b"other"]));

    assert!(serve(&mut cache, &other, Generation(1), NOW).is_none());
}

#[test]
fn a_jwt_is_not_served_when_it_is_not_fresh_any_more() {
    let mut cache = cache(4, 100);
    put(&mut cache, 1, b"jwt");

    assert_eq!(jwt_at(&mut cache, 1, UnixTime(1_999)), Some(b"jwt".to_vec()));
    assert_eq!(jwt_at(&mut cache, 1, LATER), None);
}

#[test]
fn an_expired_jwt_is_not_served_however_fresh() {
    let mut cache = cache(4, 100);

    cache.put(key(1), b"jwt", lifetime(LATER, Some(UnixTime(1_100))), Generation(1), NOW);

    assert_eq!(jwt_at(&mut cache, 1, UnixTime(1_099)), Some(b"jwt".to_vec()));
    assert_eq!(jwt_at(&mut cache, 1, UnixTime(1_100)), None);
}

#[test]
fn a_jwt_of_another_generation_is_gone_for_good() {
    let mut cache = cache(4, 100);
    put(&mut cache, 1, b"jwt");

    assert!(serve(&mut cache, &key(1), Generation(2), NOW).is_none());
    assert!(serve(&mut cache, &key(1), Generation(1), NOW).is_none());
}

#[test]
fn a_jwt_that_is_over_when_it_comes_replaces_the_former_with_nothing() {
    let mut cache = cache(4, 100);
    put(&mut cache, 1, b"former");

    cache.put(key(1), b"over", lifetime(LATER, Some(NOW)), Generation(1), NOW);

    assert_eq!(jwt(&mut cache, 1), None);
}

#[test]
fn a_removed_jwt_is_gone() {
    let mut cache = cache(4, 100);
    put(&mut cache, 1, b"jwt");

    cache.remove(&key(1));

    assert_eq!(jwt(&mut cache, 1), None);
}

#[test]
fn a_jwt_that_could_not_be_used_is_dropped() {
    let mut cache = cache(4, 100);
    put(&mut cache, 1, b"jwt");

    assert!(!cache.serve(&key(1), Generation(1), NOW, |_| false));

    assert_eq!(jwt(&mut cache, 1), None);
}

#[test]
fn the_least_recently_used_goes_when_there_are_too_many() {
    let mut cache = cache(2, 100);
    put(&mut cache, 1, b"1");
    put(&mut cache, 2, b"2");
    jwt(&mut cache, 1);

    put(&mut cache, 3, b"3");

    assert_eq!(jwt(&mut cache, 2), None);
    assert_eq!(jwt(&mut cache, 1), Some(b"1".to_vec()));
    assert_eq!(jwt(&mut cache, 3), Some(b"3".to_vec()));
}

#[test]
fn the_least_recently_used_go_when_there_are_too_many_bytes() {
    let mut cache = cache(10, 100);
    put(&mut cache, 1, &[1; 40]);
    put(&mut cache, 2, &[2; 40]);
    put(&mut cache, 3, &[3; 20]);

    put(&mut cache, 4, &[4; 80]);

    assert_eq!(jwt(&mut cache, 1), None);
    assert_eq!(jwt(&mut cache, 2), None);
    assert_eq!(jwt(&mut cache, 3), Some(vec![3; 20]));
    assert_eq!(jwt(&mut cache, 4), Some(vec![4; 80]));
}

#[test]
fn a_jwt_larger_than_the_cache_leaves_the_others_where_they_are() {
    let mut cache = cache(10, 100);
    put(&mut cache, 1, b"1");

    put(&mut cache, 2, &[2; 101]);

    assert_eq!(jwt(&mut cache, 2), None);
    assert_eq!(jwt(&mut cache, 1), Some(b"1".to_vec()));
}

#[test]
fn a_jwt_is_admitted_while_there_is_room_and_later_when_it_comes_again() {
    let mut cache = cache(2, 100);
    put(&mut cache, 1, b"1");

    assert!(cache.admits(&key(2), 99), "there is room");
    assert_eq!([(); 2].map(|()| cache.admits(&key(2), 100)), [false, true], "too many bytes");
    put(&mut cache, 2, b"2");
    assert_eq!([(); 2].map(|()| cache.admits(&key(3), 1)), [false, true], "too many entries");
}

#[test]
fn the_zone_is_told_of_an_entry_in_use_once_in_a_second() {
    let mut cache = cache(4, 100);
    put(&mut cache, 1, b"jwt");

    let touches = [1_000, 1_000, 1_001, 1_001, 1_002]
        .map(|now| serve(&mut cache, &key(1), Generation(1), UnixTime(now)).unwrap().touch);

    assert_eq!(touches, [false, false, true, false, true]);
}

#[test]
fn a_hit_is_printed_without_its_jwt() {
    let mut cache = cache(4, 100);
    put(&mut cache, 1, b"secret");

    let hit = serve(&mut cache, &key(1), Generation(1), NOW).unwrap().shown;

    assert!(hit.contains("6 bytes") && !hit.contains("secret"), "{hit}");
}

#[derive(Clone, Debug)]
enum Step {
    Get { key: u64 },
    Put { key: u64, len: usize, fresh_for: i64, expires_in: Option<i64>, generations_ago: u64 },
    Remove { key: u64 },
    Purge,
    Clock { by: i64 },
}

fn step() -> impl Strategy<Value = Step> {
    let key = 0..12_u64;
    let seconds = -2..20_i64;
    let put = (key.clone(), 0..70_usize, seconds.clone(), proptest::option::of(seconds), 0..2_u64);
    prop_oneof![
        6 => key.clone().prop_map(|key| Step::Get { key }),
        4 => put.prop_map(|(key, len, fresh_for, expires_in, generations_ago)| {
            Step::Put { key, len, fresh_for, expires_in, generations_ago }
        }),
        1 => key.prop_map(|key| Step::Remove { key }),
        1 => Just(Step::Purge),
        2 => (-5..10_i64).prop_map(|by| Step::Clock { by }),
    ]
}

/// What a worker cache promises, the long way round: a list, the most recent last.
struct Model {
    entries: Vec<(u64, WorkerEntry)>,
    most: usize,
    limit: usize,
}

impl Model {
    fn get(&mut self, key: u64, generation: u64, now: u64) -> Option<(Vec<u8>, bool)> {
        let mut entry = self.take(key)?;
        let Lifetime { fresh_until, expires, .. } = entry.lifetime;
        let over = fresh_until.0 <= now || expires.is_some_and(|at| at.0 <= now);
        if over || entry.generation.0 != generation {
            return None;
        }
        let touch = entry.touched.0 != now;
        entry.touched = UnixTime(now);
        let jwt = entry.jwt.clone();
        self.entries.push((key, entry));
        Some((jwt, touch))
    }

    fn put(&mut self, key: u64, entry: WorkerEntry, now: u64) {
        self.take(key);
        let Lifetime { fresh_until, expires, .. } = entry.lifetime;
        let over = fresh_until.0 <= now || expires.is_some_and(|at| at.0 <= now);
        if over || entry.jwt.len() > self.limit {
            return;
        }
        self.entries.push((key, entry));
        while self.entries.len() > self.most || self.bytes() > self.limit {
            self.entries.remove(0);
        }
    }

    fn take(&mut self, key: u64) -> Option<WorkerEntry> {
        let at = self.entries.iter().position(|(other, _)| *other == key)?;
        Some(self.entries.remove(at).1)
    }

    fn bytes(&self) -> usize {
        self.entries.iter().map(|(_, entry)| entry.jwt.len()).sum()
    }
}

proptest! {
    #[test]
    fn it_does_what_a_plain_list_does(
        most in 1..10_usize,
        limit in 0..300_usize,
        steps in proptest::collection::vec(step(), 0..200),
    ) {
        let mut cache = cache(most, limit);
        let mut model = Model { entries: Vec::new(), most, limit };
        let mut now = 1_000_u64;
        let mut generation = 10_u64;
        for (number, step) in steps.into_iter().enumerate() {
            match step {
                Step::Get { key: number } => {
                    let hit =
                        serve(&mut cache, &key(number), Generation(generation), UnixTime(now));
                    let hit = hit.map(|hit| (hit.jwt, hit.touch));
                    prop_assert_eq!(hit, model.get(number, generation, now));
                }
                Step::Put { key: of, len, fresh_for, expires_in, generations_ago } => {
                    let at = |seconds| UnixTime(now.saturating_add_signed(seconds));
                    let entry = WorkerEntry {
                        jwt: vec![number as u8; len],
                        lifetime: lifetime(at(fresh_for), expires_in.map(at)),
                        generation: Generation(generation.saturating_sub(generations_ago)),
                        touched: UnixTime(now),
                    };
                    cache.put(
                        key(of),
                        &entry.jwt,
                        entry.lifetime,
                        entry.generation,
                        UnixTime(now),
                    );
                    model.put(of, entry, now);
                }
                Step::Remove { key: number } => {
                    cache.remove(&key(number));
                    model.take(number);
                }
                Step::Purge => generation = generation.wrapping_add(1),
                Step::Clock { by } => now = now.saturating_add_signed(by),
            }
            prop_assert_eq!(cache.bytes, model.bytes());
            prop_assert_eq!(cache.entries.len(), model.entries.len());
        }
    }
}
