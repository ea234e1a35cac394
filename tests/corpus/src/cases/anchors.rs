// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The certificates that a machine trusts.

use veriroot_test_support::keys::{self, Algorithm, Spec, Usage, Validity};

use super::{Make, b0, builder};
use crate::{Case, Demand, anchors};

pub(super) const ALL: &[Make] = &[usages, directories];

fn usages() -> Vec<Case> {
    const ORIGIN: &str = "OpenSSL accepts expired and future signers";
    let spec = |name: &str| Spec::new(name, Algorithm::P256);
    let cases = [
        // An initrd has no clock to trust: dates are reported, and the verdict is the same always.
        ("expired", spec("x").validity(Validity::Expired), Demand::Accept),
        ("future", spec("x").validity(Validity::Future), Demand::Accept),
        ("authority", spec("x").ca(), Demand::Accept),
        ("digitalSignature", spec("x").usage(Usage::DigitalSignature), Demand::Accept),
        ("version 1", spec("x").version_1(), Demand::Accept),
        ("keyCertSign only", spec("x").usage(Usage::CertSign), Demand::Refuse),
        ("serverAuth only", spec("x").usage(Usage::ServerAuth), Demand::Refuse),
        ("unknown critical extension", spec("x").usage(Usage::UnknownCritical), Demand::Refuse),
    ];
    cases
        .into_iter()
        .map(|(name, spec, demand)| {
            let signer = spec.signer();
            let image = builder().change("root", |it| it.signed_by(&signer)).build();
            let mut case = Case::of("CMS-11", name, ORIGIN, demand, &image);
            case.anchors = anchors(&[&signer]);
            case
        })
        .collect()
}

fn directories() -> Vec<Case> {
    const ORIGIN: &str = "systemd ignores what it can't load and reads only the first PEM block";
    let trusted = keys::trusted().certificate_pem();
    let with = |name: &str, demand, extra: &[(&str, Vec<u8>)]| {
        let mut case = Case::of("CMS-12", name, ORIGIN, demand, &b0());
        case.anchors
            .extend(extra.iter().map(|(name, content)| ((*name).to_owned(), content.clone())));
        case
    };
    let only = |name: &str, content: Vec<(&str, Vec<u8>)>| {
        let mut case = Case::of("CMS-12", name, ORIGIN, Demand::Refuse, &b0());
        case.anchors = content.into_iter().map(|(name, it)| (name.to_owned(), it)).collect();
        case
    };
    let stranger = keys::stranger();
    let der = stranger.certificate.to_der().unwrap();
    let key = stranger.key.private_key_to_pem_pkcs8().unwrap();
    vec![
        with("twin", Demand::Accept, &[]),
        with("second anchor", Demand::Accept, &[("b.crt", stranger.certificate_pem())]),
        with("backup file", Demand::Accept, &[("b.crt.bak", b"junk".to_vec())]),
        with("DER in .crt", Demand::Refuse, &[("b.crt", der)]),
        with(
            "two in one PEM",
            Demand::Refuse,
            &[("b.crt", [&stranger.certificate_pem()[..], &trusted].concat())],
        ),
        with("junk", Demand::Refuse, &[("b.crt", b"junk".to_vec())]),
        with("private key", Demand::Refuse, &[("b.crt", key)]),
        with("a megabyte", Demand::Refuse, &[("b.crt", vec![b'\n'; 1 << 20])]),
        only("empty directory", vec![]),
        only("empty file", vec![("a.crt", vec![])]),
        only("only a stranger", vec![("a.crt", stranger.certificate_pem())]),
        only("only a hidden one", vec![(".a.crt", trusted)]),
    ]
}
