//! What every refusal has in common.

use crate::Response;

/// Checks a refusal with 401 but for its challenge, and gives the challenge.
///
/// # Panics
///
/// When something about it is not as it should be.
pub fn unauthorized(response: &Response) -> &str {
    refused(
        response,
        401,
        r#"{"code":"unauthorized_request","message":"Access denied due to missing, invalid or expired credentials"}"#,
    );
    response.header("www-authenticate").expect("a challenge")
}

/// Checks a refusal with that 5xx status.
///
/// # Panics
///
/// When something about it is not as it should be.
pub fn server_error(response: &Response, status: u16) {
    refused(
        response,
        status,
        r#"{"code":"server_error","message":"Problem encountered processing the request"}"#,
    );
    assert_eq!(response.header("www-authenticate"), None);
}

fn refused(response: &Response, status: u16, body: &str) {
    assert_eq!(response.status, status, "{}", response.text());
    assert_eq!(response.text(), body);
    assert_eq!(response.header("content-type"), Some("application/json"));
    assert_eq!(response.header("content-length"), Some(body.len().to_string().as_str()));
    assert_eq!(response.header("cache-control"), Some("no-store"));
}
