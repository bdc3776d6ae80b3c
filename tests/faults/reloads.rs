//! NGINX reads its configuration again, or is replaced by another executable.

use phantom_token_devkit::eventually;

use crate::{
    plan::{Plan, WORKERS},
    scene::Allowed,
};

#[test]
fn nothing_is_lost_when_the_configuration_is_reloaded() {
    let mut scene = Plan::default().start();
    let mut reloads = 0;

    let course = scene.run(&Allowed::default(), |stage| {
        reloads = stage.repeat(500, |stage, _| stage.nginx.reload());
    });

    let how = format!("`HUP`, {reloads} times");
    scene.conclude("reload", &how, &Allowed::default(), &course);
}

#[test]
fn nothing_is_lost_when_a_changed_configuration_is_loaded() {
    let variants = ["", "phantom_token_realm other;", "phantom_token_worker_cache off;"];
    let sizes = ["4m", "4m", "5m", "4m", "3m"];
    let mut scene = Plan::default().start();
    let mut reloads = 0;

    let course = scene.run(&Allowed::default(), |stage| {
        reloads = stage.repeat(500, |stage, time| {
            let zone = sizes[time as usize % sizes.len()];
            let mut plan = Plan { zone, ..Plan::default() };
            plan.directives = variants[time as usize % variants.len()].to_owned();
            let config = plan.config().replace("phantom_token_worker_cache 256;", "");
            stage.nginx.set_whole(config);
            stage.nginx.reload();
        });
        stage.nginx.set_whole(Plan::default().config());
        stage.nginx.reload();
    });

    let how = format!("`HUP`, {reloads} times, with other settings and other sizes of the zone");
    let allowed = Allowed { counters_end: true, ..Allowed::default() };
    scene.conclude("reload of a changed configuration", &how, &allowed, &course);
}

#[test]
fn nothing_is_lost_when_the_executable_is_upgraded() {
    let plan = Plan { launch: Box::new(|nginx| nginx.daemon()), ..Plan::default() };
    let mut scene = plan.start();
    let mut upgrades = 0;

    let course = scene.run(&Allowed::default(), |stage| {
        upgrades = stage.repeat(500, |stage, _| {
            stage.nginx.upgrade();
            let all_new = eventually(|| (stage.nginx.workers().len() == WORKERS).then_some(()));
            let (now, log) = (stage.nginx.workers(), stage.nginx.error_log());
            assert!(all_new.is_some(), "{now:?} are not {WORKERS} workers:\n{log}");
        });
    });

    let how = format!("`USR2`, `WINCH`, `QUIT`, {upgrades} times");
    let allowed = Allowed { counters_end: true, ..Allowed::default() };
    scene.conclude("upgrade of the executable", &how, &allowed, &course);
}
