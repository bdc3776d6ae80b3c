//! Workers are killed.

use std::time::Duration;

use phantom_token_devkit::eventually;

use crate::{
    plan::{LoadPlan, Plan},
    scene::{Allowed, Lost, Scene, Stage},
};

#[test]
fn nothing_is_wrong_when_workers_are_killed() {
    let mut scene = with_mortal_workers();
    let mut kills = 0;

    let course = scene.run(&Allowed::default(), |stage| {
        kills = stage.repeat(300, |stage, time| kill_one(stage, time));
    });

    let allowed = Allowed { lost: Lost::PerKill(kills), ..Allowed::default() };
    let how = format!("`SIGKILL`, {kills} times");
    scene.conclude("a worker dies", &how, &allowed, &course);
}

#[test]
fn nothing_is_wrong_when_workers_are_killed_while_they_wait_for_introspections() {
    let mut scene = with_mortal_workers();
    let mut kills = 0;

    let course = scene.run(&Allowed::default(), |stage| {
        stage.issuer.take(Duration::from_millis(100));
        kills = stage.repeat(100, |stage, time| {
            let before = stage.issuer.introspections();
            eventually(|| (stage.issuer.introspections() > before).then_some(()))
                .expect("an introspection");
            kill_one(stage, time);
        });
        stage.issuer.take(Duration::ZERO);
    });

    let allowed = Allowed { lost: Lost::PerKill(kills), ..Allowed::default() };
    let how = format!("`SIGKILL`, {kills} times, just after a request to the authorization server");
    scene.conclude("a worker dies while introspections are under way", &how, &allowed, &course);
}

fn with_mortal_workers() -> Scene {
    let plan = Plan {
        load: LoadPlan { resends: false, ..LoadPlan::default() },
        tolerated: vec!["exited on signal 9"],
        ..Plan::default()
    };
    plan.start()
}

/// Kills one of the workers and waits until there is another one.
fn kill_one(stage: &mut Stage<'_>, time: u64) {
    let workers = stage.nginx.workers();
    let victim = workers[time as usize % workers.len()];
    stage.nginx.kill_worker(victim);
    let replaced = || {
        let now = stage.nginx.workers();
        (now.len() == workers.len() && !now.contains(&victim)).then_some(())
    };
    eventually(replaced).expect("another worker");
}
