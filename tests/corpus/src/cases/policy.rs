// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Policies: alternatives, typing mistakes, and what is left unsaid.

use veriroot_test_support::ddi::{Image, Volume};
use veriroot_test_support::keys;

use super::{Make, b0, builder};
use crate::{Case, Demand};

pub(super) const ALL: &[Make] = &[alternatives, typos, unsaid, contradictions, charset];

fn under(
    id: &'static str,
    origin: &'static str,
    policy: &str,
    demand: Demand,
    image: &Image,
) -> Case {
    let shown: String =
        policy.chars().take(40).map(|c| if c.is_ascii_graphic() { c } else { '?' }).collect();
    Case { policy: policy.to_owned(), ..Case::of(id, &shown, origin, demand, image) }
}

fn alternatives() -> Vec<Case> {
    const ORIGIN: &str = "kairos PR 4444: a bad signature fell back to none";
    let strange = builder().change("root", |it| it.signed_by(&keys::stranger())).build();
    let flipped = b0().flip_bit("root", 40_000, 1);
    let unreadable = b0().change_content("root-verity-sig", |it| it[0] = b'x');
    let plain = builder().change("root", Volume::plain).build();
    let mut cases = Vec::new();
    for policy in [
        "root=verity+signed:=ignore",
        "root=verity+signed+absent:=ignore",
        "root=signed+unprotected+absent:=ignore",
        "*",
    ] {
        cases.push(under("POL-01", ORIGIN, policy, Demand::Accept, &b0()));
        for (name, image) in
            [("stranger", &strange), ("flipped", &flipped), ("unreadable", &unreadable)]
        {
            let mut case = under("POL-01", ORIGIN, policy, Demand::Refuse, image);
            case.name = format!("{} {name}", case.name);
            cases.push(case);
        }
    }
    for policy in ["root=signed:=ignore", "root=verity:=ignore", "root=verity+signed:=ignore"] {
        let mut case = under("POL-01", ORIGIN, policy, Demand::Refuse, &plain);
        case.name += " plain";
        cases.push(case);
    }
    let mut case = under("POL-01", ORIGIN, "root=unprotected:=ignore", Demand::Accept, &plain);
    case.name += " plain";
    cases.push(case);
    cases
}

fn typos() -> Vec<Case> {
    const ORIGIN: &str = "systemd drops unknown flags, and an empty set is open";
    let plain = builder().change("root", Volume::plain).build();
    let mut cases = vec![under("POL-02", ORIGIN, "root=signed:=ignore", Demand::Accept, &b0())];
    for policy in [
        "root=sgned:=ignore",
        "root=signe:=ignore",
        "root=signedd:=ignore",
        "root=Signed:=ignore",
        "root=grbl:=ignore",
        "root=signed=:=ignore",
        "root:signed:=ignore",
        "rot=signed:=ignore",
        "root=signed;=ignore",
        "root=signed:ignore",
        "root= signed:=ignore",
    ] {
        cases.push(under("POL-02", ORIGIN, policy, Demand::Refuse, &plain));
    }
    cases
}

fn unsaid() -> Vec<Case> {
    const ORIGIN: &str = "in systemd each of these leaves the root open or ignored";
    let plain = builder().change("root", Volume::plain).build();
    [
        "-",
        "root=",
        "root=-",
        "=",
        "root=+",
        ":",
        "root=erofs",
        "root=growfs-off",
        "root=read-only-on",
    ]
    .into_iter()
    .map(|policy| under("POL-03", ORIGIN, policy, Demand::Refuse, &plain))
    .chain([under("POL-03", ORIGIN, "root=signed+erofs:=ignore", Demand::Accept, &b0())])
    .collect()
}

fn contradictions() -> Vec<Case> {
    const ORIGIN: &str = "TEST-50-DISSECT";
    [
        "root=signed:root-verity-sig=unused+absent:=ignore",
        "root=verity:root-verity=absent:=ignore",
        "root=signed:root=verity:=ignore",
    ]
    .into_iter()
    .map(|policy| under("POL-05", ORIGIN, policy, Demand::Refuse, &b0()))
    .chain([under(
        "POL-05",
        ORIGIN,
        "root=signed:root-verity-sig=unprotected:=ignore",
        Demand::Accept,
        &b0(),
    )])
    .collect()
}

fn charset() -> Vec<Case> {
    const ORIGIN: &str = "homoglyphs, control characters, size";
    let many = format!("root=signed:{}=ignore", "home=absent:".repeat(2000));
    [
        "root=\u{455}igned:=ignore",
        "root=signed\t:=ignore",
        "root=signed\r",
        "root=signed\n:=ignore",
        &many,
    ]
    .into_iter()
    .map(|policy| under("POL-06", ORIGIN, policy, Demand::Refuse, &b0()))
    .chain([under("POL-06", ORIGIN, "root=signed:=ignore", Demand::Accept, &b0())])
    .collect()
}
