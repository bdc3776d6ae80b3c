//! The clock of NGINX's host jumps.

use std::{fs, path::Path};

use phantom_token_devkit::eventually;
use tempfile::TempDir;

use crate::{
    plan::Plan,
    scene::{Allowed, Stage},
};

/// The library, where distributions have it.
const LIBRARIES: [&str; 3] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1",
    "/usr/lib/faketime/libfaketime.so.1",
];
/// In seconds; JWTs are good for an hour.
const JUMPS: [i64; 6] = [1800, 0, 7200, -7200, 86_400, 0];

#[test]
fn no_jwt_outlives_its_exp_when_the_clock_jumps() {
    let Some(library) = LIBRARIES.into_iter().find(|path| Path::new(path).exists()) else {
        panic!("libfaketime is missing: run scripts/setup");
    };
    let folder = TempDir::new().unwrap();
    let clock = folder.path().join("clock");
    set(&clock, 0);
    let timestamp = clock.clone();
    let plan = Plan {
        main: "env LD_PRELOAD; env FAKETIME_TIMESTAMP_FILE; env FAKETIME_NO_CACHE;
               env FAKETIME_DONT_FAKE_MONOTONIC; env FAKETIME_DISABLE_SHM;"
            .to_owned(),
        launch: Box::new(move |nginx| {
            nginx
                .environment("LD_PRELOAD", library)
                .environment("FAKETIME_TIMESTAMP_FILE", timestamp)
                .environment("FAKETIME_NO_CACHE", "1")
                .environment("FAKETIME_DONT_FAKE_MONOTONIC", "1")
                .environment("FAKETIME_DISABLE_SHM", "1")
        }),
        ..Plan::default()
    };
    let mut scene = plan.start();
    // A JWT of an authorization server whose clock is behind has expired.
    let allowed = Allowed { statuses: &[401], ..Allowed::default() };
    let mut jumps = 0;

    let course = scene.run(&allowed, |stage| {
        jumps = stage.repeat(300, |stage, time| {
            jump(stage, &clock, JUMPS[time as usize % JUMPS.len()]);
        });
        jump(stage, &clock, 0);
    });

    let how = format!("libfaketime, {jumps} jumps by half an hour to a day, to and fro");
    scene.conclude("the clock jumps", &how, &allowed, &course);
}

/// Lets NGINX's clock jump, and that of the authorization server some time later.
fn jump(stage: &mut Stage<'_>, clock: &Path, seconds: i64) {
    set(clock, seconds);
    let now = phantom_token_devkit::jwt::unix_now() as i64 + seconds;
    let jumped = || (nginx_time(stage)?.abs_diff(now) < 60).then_some(());
    eventually(jumped).expect("the clock of NGINX to jump");
    stage.wait_for_answers(300);
    stage.issuer.set_clock_offset(seconds);
}

fn nginx_time(stage: &Stage<'_>) -> Option<i64> {
    stage.nginx.get("/time").send().text().split('.').next()?.parse().ok()
}

/// By rename: a file that is half written has another time in it.
fn set(clock: &Path, seconds: i64) {
    let new = clock.with_extension("new");
    fs::write(&new, format!("{seconds:+}\n")).expect("to write the clock");
    fs::rename(&new, clock).expect("to set the clock");
}
