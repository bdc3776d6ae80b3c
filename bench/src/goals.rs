//! The numbers that the project wants to reach.

use crate::{
    burst::INTROSPECTION, cache::Cache, counting::Count, report::Results, setting::USUAL_JWT,
    start::Start,
};

/// One of them.
pub struct Goal {
    /// What is measured.
    pub what: &'static str,
    /// What it should be.
    pub reach: String,
    /// What it is.
    pub measured: String,
    /// Whether that is good enough.
    pub met: bool,
}

/// All that can be told from these results.
pub fn of(results: &Results) -> Vec<Goal> {
    let ratio = |what, title, most: f64| {
        let scene = results.scenes.iter().find(|scene| scene.title == title)?;
        let measured = scene.rows.iter().find(|row| row.name == "phantom_token")?.ratio.0;
        Some(Goal {
            what,
            reach: format!("at most {most:.2} x bare"),
            measured: format!("{measured:.3}"),
            met: measured <= most,
        })
    };
    let goals = [
        ratio("processor time of a hit, one token", "One token", 1.03),
        ratio("the same, 1,000 tokens", "1,000 tokens in turn", 1.05),
        ratio("the same, 100,000 tokens", "100,000 tokens in turn", 1.06),
        ratio("processor time of a miss, stored", "Miss, the answer is stored", 3.6),
        ratio("the same, not stored", "Miss, the answer may not be stored", 3.6),
        instructions(results),
        system_calls(results),
        introspections(results),
        burst_time(results),
        start(results, "start-up with a zone of 1 GB", |start| start.start),
        start(results, "reload with a zone of 1 GB", |start| start.reload),
    ];
    goals.into_iter().flatten().chain(results.cache.iter().flat_map(of_cache)).collect()
}

fn of_cache(cache: &Cache) -> Vec<Goal> {
    let lookup = cache.lookups.iter().take(1).map(|growth| Goal {
        what: "lookup in the zone at 1,000,000 entries, the same number of tokens in use",
        reach: "at most 1.5 x at 1,000".to_owned(),
        measured: format!("{:.2}", growth.ratio),
        met: growth.ratio <= 1.5,
    });
    let worst =
        cache.rooms.iter().map(|(_, room)| room.overhead / room.bound()).fold(0.0, f64::max);
    let (inserts, failures) = cache.rooms.iter().fold((0, 0), |(inserts, failures), (_, room)| {
        (inserts + room.inserts, failures + room.failures)
    });
    let behind = cache.hits.exact_lru - cache.hits.zone;
    let others = [
        Goal {
            what: "bytes of the zone for a token, beyond its JWT",
            reach: "at most 96 and 10 % of the JWT".to_owned(),
            measured: format!("{:.0} % of that at most", worst * 100.0),
            met: worst <= 1.0,
        },
        Goal {
            what: "inserts into a full zone that fail",
            reach: "none".to_owned(),
            measured: format!("{failures} of {inserts}"),
            met: failures == 0,
        },
        Goal {
            what: "hits of a Zipf(0.99) trace, with room for 10 %",
            reach: "at least exact LRU less 1 point".to_owned(),
            measured: format!("{:.2} % ({:.2} %)", cache.hits.zone, cache.hits.exact_lru),
            met: behind <= 1.0,
        },
    ];
    lookup.chain(others).collect()
}

fn instructions(results: &Results) -> Option<Goal> {
    let (bare, hit) = bare_and_hit(results)?;
    let added = hit.instructions.without_allocator() - bare.instructions.without_allocator();
    Some(Goal {
        what: "instructions that the module adds to a hit",
        reach: "at most 1500".to_owned(),
        measured: format!("{added:.0}"),
        met: added <= 1500.0,
    })
}

fn system_calls(results: &Results) -> Option<Goal> {
    let (bare, hit) = bare_and_hit(results)?;
    let added = (hit.all_calls() - bare.all_calls()).max(0.0);
    Some(Goal {
        what: "system calls that the module adds to a hit",
        reach: "none".to_owned(),
        measured: format!("{added:.1}"),
        met: added < 0.05,
    })
}

fn bare_and_hit(results: &Results) -> Option<(&Count, &Count)> {
    let find = |name| {
        let mut counts = results.counts.iter();
        counts.find(|count| count.name == name && count.jwt == USUAL_JWT)
    };
    Some((find("bare")?, find("hit")?))
}

fn introspections(results: &Results) -> Option<Goal> {
    let most = results.bursts.first()?.asked.1;
    Some(Goal {
        what: "introspections in a cold burst",
        reach: "1".to_owned(),
        measured: format!("{most} at most"),
        met: most == 1,
    })
}

fn burst_time(results: &Results) -> Option<Goal> {
    let (median, longest) = results.bursts.first()?.answered;
    let bound = INTROSPECTION.as_secs_f64() * 1e3 * 1.2;
    Some(Goal {
        what: "time until the last answer of a cold burst",
        reach: format!("at most {bound:.0} ms"),
        measured: format!("{median:.0} ms ({longest:.0} at most)"),
        met: median <= bound,
    })
}

fn start(results: &Results, what: &'static str, time: fn(&Start) -> f64) -> Option<Goal> {
    let [_, stock, stock_beside_module, ours] = results.starts.as_slice() else {
        return None;
    };
    let ratio = time(ours) / time(stock);
    Some(Goal {
        what,
        reach: "at most 1.10 x stock".to_owned(),
        measured: format!(
            "{ratio:.2} ({:.2} x stock with the module loaded)",
            time(ours) / time(stock_beside_module)
        ),
        met: ratio <= 1.1,
    })
}
