// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Archives from mirrors: each brings its own signature, under the same demands.

use std::sync::Arc;

use serde_json::json;
use veriroot_test_support::http::{Misbehaviour, Server};
use veriroot_test_support::keys;
use veriroot_test_support::sign::Cms;
use veriroot_test_support::tar;

use super::{Run, run};

const PATH: &str = "/tree.tar";

fn server(signer: &Arc<keys::Signer>) -> Server {
    let bytes = tar::archive(&tar::tree());
    let server = Server::of(PATH, &bytes[..]);
    server.serve("/tree.tar.p7s", Cms::detached(signer, &bytes).build());
    server
}

fn audit(servers: &[&Server]) -> Run {
    let (first, others) = servers.split_first().unwrap();
    let mirrors = others.iter().map(|it| format!("--mirror={}", it.url("/")));
    let arguments: Vec<String> = [first.url(PATH)].into_iter().chain(mirrors).collect();
    run("audit", &arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn an_archive_is_taken_from_the_first_mirror_that_proves_it() {
    let (good, stranger) = (server(&keys::trusted()), server(&keys::stranger()));
    let (unsigned, changed) = (server(&keys::trusted()), server(&keys::trusted()));
    unsigned.misbehave("/tree.tar.p7s", Misbehaviour::Status(404));
    changed.misbehave(PATH, Misbehaviour::FlipBit { offset: 700, bit: 0 });
    let absent = Server::start();
    assert_eq!(audit(&[&good]).code, 0);
    for (bad, code, reason, id) in [
        (&stranger, 22, "tampered", "authenticate-signature"),
        (&unsigned, 22, "tampered", "authenticate-evidence"),
        (&changed, 22, "tampered", "authenticate-signature"),
        (&absent, 10, "permanent", "source-absent"),
    ] {
        let ran = audit(&[bad]);
        assert_eq!((ran.code, &ran.refusal()["id"]), (code, &json!(id)));
        let ran = audit(&[bad, &good]);
        assert_eq!(ran.code, 0, "{} {}", ran.stderr, ran.verdict);
        assert_eq!(ran.dropped(), [(bad.url(PATH), reason.to_owned(), id.to_owned())]);
    }
    // None is left: the worst of what was found.
    let ran = audit(&[&absent, &changed, &stranger]);
    assert_eq!((ran.code, &ran.refusal()["id"]), (22, &json!("authenticate-signature")));
    assert_eq!(ran.dropped().len(), 3);
    // A server without ranges is as good as any.
    good.misbehave(PATH, Misbehaviour::IgnoreRange);
    good.misbehave("/tree.tar.p7s", Misbehaviour::IgnoreRange);
    assert_eq!(audit(&[&good]).code, 0);
}
