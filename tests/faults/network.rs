//! Packets between NGINX and the authorization server are lost.

use phantom_token_devkit::{
    LossyNetwork,
    load::{CheckingApi, Issuer},
};

use crate::{plan::Plan, report::skipped, scene::Allowed};

const NAME: &str = "packets are lost";
const PERCENT: u32 = 20;

#[test]
fn nothing_is_wrong_when_packets_are_lost_on_the_way_to_the_authorization_server() {
    let (network, listener) = match LossyNetwork::start() {
        Ok(network) => network,
        Err(why) => return skipped(NAME, &why),
    };
    let plan = Plan {
        introspection: "proxy_connect_timeout 2s; proxy_read_timeout 2s;",
        ..Plan::default()
    };
    let mut scene = plan.start_with(Issuer::start_on(listener), CheckingApi::start());
    let allowed = Allowed { statuses: &[502, 504], ..Allowed::default() };

    let course = scene.run(&allowed, |stage| {
        network.lose(PERCENT).expect("to lose packets");
        stage.repeat(100, |_, _| {});
        network.lose(0).expect("to lose no packets");
    });

    let how = format!("`nft` drops {PERCENT} % of the packets each way, in a network namespace");
    scene.conclude(NAME, &how, &allowed, &course);
}
