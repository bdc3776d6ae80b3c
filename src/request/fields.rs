//! How a request was refused, and what its response has of that.

use core::cell::Cell;

use http::StatusCode;
use nginx_sys::ngx_str_t;
use phantom_token_core::outcome::Outcome;

use crate::nginx;
use crate::nginx::headers::{CACHE_CONTROL, Header, Name, RETRY_AFTER, WWW_AUTHENTICATE};
use crate::nginx::lasting::Lasting;
use crate::nginx::request::{OutOfMemory, Request};

/// How a request was refused.
#[derive(Clone, Copy)]
pub struct Refused {
    pub status: StatusCode,
    pub challenge: Option<Lasting<[u8]>>,
    pub retry_after: Option<Lasting<[u8]>>,
    pub body: &'static [u8],
    pub outcome: Outcome,
}

/// Which fields of the response to a refused request this module has set. A request may be refused more than once, and
/// NGINX may have thrown all fields away in between.
#[derive(Default)]
pub struct Fields {
    challenge: Field,
    retry_after: Field,
    no_store: Field,
    body: Cell<Option<&'static [u8]>>,
}

#[derive(Default)]
struct Field(Cell<Option<Header>>);

impl Fields {
    /// Sets those that come with the status.
    ///
    /// # Errors
    ///
    /// The request's memory is used up.
    pub fn set(&self, request: Request, refused: &Refused) -> Result<(), OutOfMemory> {
        if let Some(challenge) = refused.challenge {
            self.challenge.set(request, &WWW_AUTHENTICATE, challenge.string())?;
        }
        if let Some(challenge) = self.challenge.present(request, &WWW_AUTHENTICATE) {
            request.headers_out().set_www_authenticate(challenge);
        }
        match refused.retry_after {
            Some(retry_after) => self.retry_after.set(request, &RETRY_AFTER, retry_after.string()),
            None => Ok(()),
        }
    }

    /// Keeps caches from the response.
    ///
    /// # Errors
    ///
    /// The request's memory is used up.
    pub fn set_no_store(&self, request: Request) -> Result<(), OutOfMemory> {
        self.no_store.set(request, &CACHE_CONTROL, nginx::string(b"no-store"))
    }

    /// Takes the challenge of a refusal back that another module has overruled.
    pub fn take_challenge_back(&self, request: Request) {
        if let Some(challenge) = self.challenge.present(request, &WWW_AUTHENTICATE) {
            challenge.take_back();
        }
    }

    /// Keeps what is sent in place of NGINX's own page.
    pub fn keep_body(&self, body: &'static [u8]) {
        self.body.set(Some(body));
    }

    /// Takes it, once.
    pub fn take_body(&self) -> Option<&'static [u8]> {
        self.body.take()
    }
}

impl Field {
    fn set(
        &self,
        request: Request,
        name: &'static Name,
        value: ngx_str_t,
    ) -> Result<(), OutOfMemory> {
        match self.present(request, name) {
            Some(header) => {
                header.set_value(value);
                header.restore();
            }
            None => self.0.set(Some(request.headers_out().push(name, value)?)),
        }
        Ok(())
    }

    /// The header, if it is still in the response.
    fn present(&self, request: Request, name: &'static Name) -> Option<Header> {
        self.0.get().filter(|header| request.headers_out().has(*header, name))
    }
}
