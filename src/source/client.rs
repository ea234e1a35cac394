// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The HTTP client of the network child, and what its errors mean.
//!
//! **In:** the child's orders, a server's redirects, errors of the HTTP and TLS libraries.
//! **Out:** a client that asks one server directly, with TLS from the given roots or not at all;
//! each error as passing or lasting. **Refuses:** more redirects than [`limits::REDIRECTS`], a way
//! from TLS back into the clear, redirects to this machine, proxies.

use std::error::Error as StdError;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;

use reqwest::redirect::{Action, Attempt, Policy};
use reqwest::{Client, Proxy, RequestBuilder, Url, retry};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::answer::Trouble;
use super::clock::Clock;
use super::frame::Open;
use super::link::Failure;
use super::pace::Pace;
use crate::limits;
use crate::url::{Scheme, SourceUrl};

/// What every connection to one server has in common.
#[derive(Debug)]
pub(super) struct Clients {
    open: Open,
    url: SourceUrl,
    tls: rustls::ClientConfig,
}

impl Clients {
    pub(super) fn new(open: Open) -> Result<Self, Trouble> {
        let url = SourceUrl::parse(&open.url)
            .map_err(|error| Trouble::lasting(Failure::BadAnswer, error.to_string()))?;
        let tls = tls(&open)?;
        Ok(Self { open, url, tls })
    }

    /// A client of its own for each connection, bound to the thread that uses it.
    pub(super) fn client(&self) -> Result<Client, Trouble> {
        let builder = Client::builder().no_proxy().redirect(Policy::custom(self.redirects()));
        let builder = match &self.open.proxy {
            None => builder,
            Some(proxy) => builder.proxy(Proxy::all(proxy).map_err(|error| {
                Trouble::lasting(Failure::BadAnswer, format!("the proxy: {error}"))
            })?),
        };
        builder
            .tls_backend_preconfigured(self.tls.clone())
            .https_only(self.url.scheme() == Scheme::Https)
            .http1_only()
            .referer(false)
            .retry(retry::never())
            .connect_timeout(self.open.pace.connect_timeout)
            .user_agent(concat!("veriroot/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| Trouble::lasting(Failure::Tls, chain(&error)))
    }

    pub(super) fn pace(&self) -> &Pace {
        &self.open.pace
    }

    /// The rule for redirects. With a client certificate none leads to another origin: TLS would
    /// show it there. A token stays behind by itself: the client
    /// drops `Authorization` where host or port differ, and the scheme can't.
    fn redirects(&self) -> impl Fn(Attempt<'_>) -> Action + Send + Sync + 'static {
        let bound = self.open.secrets.client.is_some();
        move |attempt| match judge_redirect(attempt.previous(), attempt.url()) {
            Ok(()) if bound && !keeps_origin(attempt.previous(), attempt.url()) => {
                attempt.error(Refused("to another server than the one with the client certificate"))
            }
            Ok(()) => attempt.follow(),
            Err(reason) => attempt.error(Refused(reason)),
        }
    }

    /// The one request there is.
    pub(super) fn request(&self, client: &Client) -> RequestBuilder {
        let request = client.get(self.url.as_str());
        match &self.open.secrets.bearer {
            Some(token) => request.bearer_auth(token.as_str()),
            None => request,
        }
    }
}

/// TLS 1.2 and 1.3 with the given roots and no others, judged by the clock of [`super::clock`].
fn tls(open: &Open) -> Result<rustls::ClientConfig, Trouble> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(open.tls_roots.as_bytes()) {
        let certificate = certificate
            .map_err(|error| Trouble::lasting(Failure::Tls, format!("TLS roots: {error}")))?;
        roots.add_parsable_certificates([certificate]);
    }
    let provider = Arc::new(rustls_openssl::default_provider());
    let clock = Arc::new(Clock { floor: open.clock_floor });
    let config = rustls::ClientConfig::builder_with_details(provider, clock)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(|error| Trouble::lasting(Failure::Tls, error.to_string()))?
        .with_root_certificates(roots);
    let Some((chain, key)) = &open.secrets.client else { return Ok(config.with_no_client_auth()) };
    // What is wrong with a secret is not told by its text.
    let unusable = || Trouble::lasting(Failure::Tls, "the client certificate or its key");
    let chain = CertificateDer::pem_slice_iter(chain.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|_pem| unusable())?;
    let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|_pem| unusable())?;
    config.with_client_auth_cert(chain, key).map_err(|_error| unusable())
}

/// A redirect that was not followed.
#[derive(Debug, thiserror::Error)]
#[error("redirect refused: {0}")]
struct Refused(&'static str);

/// Whether all of a way stays with one origin (scheme, host and port).
fn keeps_origin(previous: &[Url], next: &Url) -> bool {
    previous.iter().all(|it| it.origin() == next.origin())
}

fn judge_redirect(previous: &[Url], next: &Url) -> Result<(), &'static str> {
    if previous.len() > limits::REDIRECTS {
        return Err("too many");
    }
    let next_url = SourceUrl::parse(next.as_str()).map_err(|_error| "to no URL we would use")?;
    if next_url.scheme() != Scheme::Https && previous.iter().any(|it| it.scheme() == "https") {
        return Err("from https to http");
    }
    let from = previous.last().and_then(Url::host_str);
    if from != next.host_str() && next.host_str().is_some_and(is_local) {
        return Err("to an address of this machine or link");
    }
    Ok(())
}

/// A host that names this machine or its link, where a stranger must not send us.
fn is_local(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>().map(|it| it.to_canonical()) {
        Ok(IpAddr::V4(it)) => it.is_loopback() || it.is_link_local() || it.is_unspecified(),
        Ok(IpAddr::V6(it)) => it.is_loopback() || it.is_unicast_link_local() || it.is_unspecified(),
        Err(_name) => {
            let name = bare.trim_end_matches('.');
            name.eq_ignore_ascii_case("localhost") || name.ends_with(".localhost")
        }
    }
}

/// A request that brought no response.
pub(super) fn trouble(error: reqwest::Error) -> Trouble {
    let error = error.without_url();
    let text = chain(&error);
    if error.is_redirect() {
        Trouble::lasting(Failure::Redirect, text)
    } else if has_tls_cause(&error) {
        Trouble::lasting(Failure::Tls, text)
    } else if error.is_timeout() {
        Trouble::passing(Failure::Stalled, text)
    } else if error.is_builder() {
        Trouble::lasting(Failure::BadAnswer, text)
    } else {
        Trouble::passing(Failure::Unavailable, text)
    }
}

/// A body that broke off.
pub(super) fn cut(error: &reqwest::Error) -> Trouble {
    if error.is_timeout() {
        Trouble::passing(Failure::Stalled, "no bytes in time")
    } else {
        Trouble::passing(Failure::Unavailable, "the body was cut")
    }
}

/// Whether rustls is at the root of it. An `io::Error` hides its inner error from `source`.
fn has_tls_cause(error: &(dyn StdError + 'static)) -> bool {
    let inner: Option<&(dyn StdError + 'static)> = match error.downcast_ref::<io::Error>() {
        Some(error) => match error.get_ref() {
            Some(inner) => Some(inner),
            None => None,
        },
        None => error.source(),
    };
    error.is::<rustls::Error>() || inner.is_some_and(has_tls_cause)
}

fn chain(error: &reqwest::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn urls(texts: &[&str]) -> Vec<Url> {
        texts.iter().map(|it| Url::parse(it).unwrap()).collect()
    }

    #[test]
    fn redirects_never_lead_back_into_the_clear_or_home() {
        let judge = |previous: &[&str], next: &str| {
            judge_redirect(&urls(previous), &Url::parse(next).unwrap())
        };
        let home = Err("to an address of this machine or link");
        let clear = Err("from https to http");
        let cases = [
            (&["http://a/i"][..], "http://b/i", Ok(())),
            (&["http://a/i"], "https://b/i", Ok(())),
            (&["https://a/i"], "https://a/j", Ok(())),
            (&["https://a/i"], "http://a/i", clear),
            (&["http://a/i", "https://a/i"], "http://a/i", clear),
            (&["http://127.0.0.1/i"], "http://127.0.0.1:8080/i", Ok(())),
            (&["http://a/i"], "http://127.0.0.1/i", home),
            (&["http://a/i"], "http://169.254.169.254/i", home),
            (&["http://a/i"], "http://0/i", home),
            (&["http://a/i"], "http://[::1]/i", home),
            (&["http://a/i"], "http://[::ffff:127.0.0.1]/i", home),
            (&["http://a/i"], "http://[fe80::1]/i", home),
            (&["http://a/i"], "http://LOCALHOST./i", home),
            (&["http://a/i"], "http://x.localhost/i", home),
            (&["http://a/i"], "file:///etc/passwd", Err("to no URL we would use")),
            (&["http://a/i"], "http://u@b/i", Err("to no URL we would use")),
            (&["http://a"; limits::REDIRECTS], "http://b/i", Ok(())),
            (&["http://a"; limits::REDIRECTS + 1], "http://b/i", Err("too many")),
        ];
        for (previous, next, expected) in cases {
            assert_eq!(judge(previous, next), expected, "{next}");
        }
    }
}
