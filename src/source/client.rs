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

use reqwest::blocking::Client;
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Url, retry};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::answer::Trouble;
use super::frame::Open;
use super::link::Failure;
use crate::limits;
use crate::url::{Scheme, SourceUrl};

pub(super) fn client(url: &SourceUrl, open: &Open) -> Result<Client, Trouble> {
    Client::builder()
        .tls_backend_preconfigured(tls(&open.tls_roots)?)
        .https_only(url.scheme() == Scheme::Https)
        .http1_only()
        .no_proxy()
        .referer(false)
        .redirect(Policy::custom(redirect))
        .retry(retry::never())
        .connect_timeout(open.pace.connect_timeout)
        .timeout(open.pace.stall_timeout)
        .user_agent(concat!("veriroot/", env!("CARGO_PKG_VERSION")))
        .build()
        .map_err(|error| Trouble::lasting(Failure::Tls, chain(&error)))
}

/// TLS 1.2 and 1.3 with the given roots and no others.
fn tls(pem: &str) -> Result<rustls::ClientConfig, Trouble> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        let certificate = certificate
            .map_err(|error| Trouble::lasting(Failure::Tls, format!("TLS roots: {error}")))?;
        roots.add_parsable_certificates([certificate]);
    }
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls_openssl::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
            .map_err(|error| Trouble::lasting(Failure::Tls, error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// A redirect that was not followed.
#[derive(Debug, thiserror::Error)]
#[error("redirect refused: {0}")]
struct Refused(&'static str);

fn redirect(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    match judge_redirect(attempt.previous(), attempt.url()) {
        Ok(()) => attempt.follow(),
        Err(reason) => attempt.error(Refused(reason)),
    }
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
pub(super) fn cut(error: &io::Error) -> Trouble {
    let cause = error.get_ref().and_then(|it| it.downcast_ref::<reqwest::Error>());
    if cause.is_some_and(reqwest::Error::is_timeout) {
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
