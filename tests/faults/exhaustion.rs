//! There are no more file descriptors, or no more connections.

use crate::{
    plan::{LoadPlan, Plan},
    scene::{Allowed, Lost, Stage},
};

/// More than a worker may have, together with those to the API and the authorization server.
const CROWD: usize = 150;

#[test]
fn nothing_is_wrong_when_file_descriptors_are_exhausted() {
    let plan = Plan {
        main: "worker_rlimit_nofile 60;".to_owned(),
        tolerated: vec!["Too many open files"],
        ..Plan::default()
    };
    exhaust(
        plan,
        "Too many open files",
        "no file descriptors are left",
        "`worker_rlimit_nofile 60`",
    );
}

#[test]
fn nothing_is_wrong_when_worker_connections_are_exhausted() {
    let plan = Plan {
        worker_connections: 50,
        tolerated: vec!["worker_connections are not enough"],
        ..Plan::default()
    };
    let line = "worker_connections are not enough";
    exhaust(plan, line, "no connections are left", "`worker_connections 50`");
}

fn exhaust(plan: Plan, line: &str, name: &str, how: &str) {
    let mut scene =
        Plan { load: LoadPlan { connections: 8, crowd: CROWD, ..LoadPlan::default() }, ..plan }
            .start();
    let allowed = Allowed { statuses: &[500, 502], lost: Lost::AnyNumber, ..Allowed::default() };

    let course = scene.run(&allowed, |stage| {
        let is_logged = |stage: &Stage<'_>| stage.nginx.error_log().contains(line);
        stage.repeat_until(100, is_logged, |_, _| {});
    });

    let how = format!("{how} in 2 workers, {CROWD} clients more");
    scene.conclude(name, &how, &allowed, &course);
}
