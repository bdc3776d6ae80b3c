//! There are more tokens than the zone has room for.

use phantom_token_devkit::load::mixture;

use crate::{
    plan::{LoadPlan, Plan},
    scene::{Allowed, Stage, status},
};

/// Some two hundred JWTs find room in the smallest zone of several shards.
const MANY: u64 = 20_000;

#[test]
fn nothing_is_wrong_when_tokens_need_many_times_the_zone() {
    let plan = Plan {
        zone: "512k",
        load: LoadPlan { choose: |number| mixture(number, MANY), ..LoadPlan::default() },
        ..Plan::default()
    };
    let mut scene = plan.start();

    let course = scene.run(&Allowed::default(), |stage| {
        let many_evicted =
            |stage: &Stage<'_>| status(stage.nginx)["evictions"].as_u64().unwrap() > 1000;
        stage.repeat_until(500, many_evicted, |_, _| {});
    });

    let how = format!("{MANY} tokens, and new ones all the time, in a zone of 512 KB");
    scene.conclude("the zone is full", &how, &Allowed::default(), &course);
}
