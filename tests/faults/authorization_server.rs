//! The authorization server is gone, or what it answers arrives badly.

use std::time::Duration;

use phantom_token_devkit::{
    MisbehavingProxy, Trouble,
    load::{CheckingApi, Issuer, scatter},
};

use crate::{
    plan::Plan,
    scene::{Allowed, Scene, Stage},
};

const DIRECTIVES: &str = "phantom_token_cache_lock_timeout 1s;";

#[test]
fn nothing_is_wrong_when_the_authorization_server_goes_and_comes_back() {
    let (mut scene, proxy) = behind_a_proxy();
    let allowed = Allowed { statuses: &[502], ..Allowed::default() };
    let mut times = 0;

    let course = scene.run(&allowed, |stage| {
        times = stage.repeat_until(300, Stage::has_refusals, |stage, _| {
            proxy.make(Trouble::Refuse);
            stage.wait_for_answers(300);
            proxy.make(Trouble::None);
        });
    });

    let how = format!("refuses connections, {times} times");
    scene.conclude("the authorization server is down", &how, &allowed, &course);
}

#[test]
fn nothing_is_wrong_when_answers_of_the_authorization_server_are_late_cut_or_in_pieces() {
    let troubles = [
        Trouble::Delay(Duration::from_millis(30)),
        Trouble::Drip,
        Trouble::Cut(40),
        Trouble::Cut(0),
        Trouble::Cut(700),
        Trouble::Reset(0),
        Trouble::Reset(300),
        Trouble::Stall,
        Trouble::None,
    ];
    let (mut scene, proxy) = behind_a_proxy();
    let allowed = Allowed { statuses: &[502, 504], ..Allowed::default() };

    let course = scene.run(&allowed, |stage| {
        stage.repeat_until(60, Stage::has_refusals, |_, time| {
            proxy.make(troubles[scatter(time) as usize % troubles.len()]);
        });
        proxy.make(Trouble::None);
    });

    let how = format!(
        "a proxy delays, stalls, cuts, resets or splits {} pieces of answers",
        proxy.affected()
    );
    scene.conclude("the authorization server's answers arrive badly", &how, &allowed, &course);
}

fn behind_a_proxy() -> (Scene, MisbehavingProxy) {
    let issuer = Issuer::start();
    let proxy = MisbehavingProxy::start(issuer.address());
    let plan = Plan {
        directives: DIRECTIVES.to_owned(),
        introspection: "proxy_connect_timeout 2s; proxy_read_timeout 2s;",
        issuer_address: Some(proxy.address()),
        ..Plan::default()
    };
    (plan.start_with(issuer, CheckingApi::start()), proxy)
}
