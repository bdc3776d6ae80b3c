//! Pages that include each other, and what the API gets for the parts of a page.

use std::fs;

use phantom_token_devkit::Gateway;

/// Pages that include each other, as deep as NGINX allows; the last one includes a part, which can
/// make no subrequests any more.
pub fn write_pages_around(gateway: &Gateway, part: &str) {
    const DEEPEST: usize = 50;
    for page in 0..=DEEPEST {
        let next = format!("/{}.html", page + 1);
        let included = if page == DEEPEST { part } else { &next };
        let content = format!("<!--#include virtual=\"{included}\" -->");
        fs::write(gateway.prefix().join(format!("html/{page}.html")), content).unwrap();
    }
}

/// Every Authorization that came to the API with this target.
pub fn authorizations(gateway: &Gateway, target: &str) -> Vec<String> {
    let requests = gateway.api.requests().into_iter().filter(|request| request.target == target);
    requests.map(|request| request.header("authorization").unwrap().to_owned()).collect()
}
