// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What a policy demands, and what does not meet it. Alternatives are alternatives before anything
//! is checked; a check that fails never falls back to the next.

use veriroot::authenticate::AuthenticateError;
use veriroot::authenticate::cms::CmsError;
use veriroot::designator::PartitionDesignator;
use veriroot::error::Error;
use veriroot::fetch::FetchError;
use veriroot::identify::IdentifyError;
use veriroot::policy::PolicyError;
use veriroot_test_support::ddi::{Ddi, GROW_FS, READ_ONLY, Volume};
use veriroot_test_support::erofs::Erofs;
use veriroot_test_support::keys;

use crate::judge::{Machine, Twin};

/// Every policy under which a root with tree and signature could be used protected.
const PROTECTED: [&str; 6] = [
    "root=signed:=ignore",
    "root=verity+signed:=ignore",
    "root=verity:=ignore",
    "root=verity+signed+absent:=ignore",
    "root=signed+unprotected+absent:=ignore",
    "*",
];

// POL-01
#[test]
fn refuses_bad_signature_whatever_else_would_do() {
    for policy in PROTECTED {
        let twin = Twin::new(Machine::demanding(policy), Ddi::builder().build());
        let strange = Ddi::builder().change("root", |it| it.signed_by(&keys::stranger())).build();
        assert_refused!(
            twin.refused(|_| strange),
            Error::Authenticate(AuthenticateError::Cms {
                error: CmsError::UnknownSigner { .. },
                ..
            })
        );
    }
}

// POL-01
#[test]
fn refuses_bad_block_whatever_else_would_do() {
    for policy in PROTECTED {
        let twin = Twin::new(Machine::demanding(policy), Ddi::builder().build());
        let error = twin.refused(|it| it.flip_bit("root", 700_000, 1));
        assert_refused!(error, Error::Fetch(FetchError::Block { .. }));
    }
}

#[test]
fn refuses_signature_that_cannot_be_read_whatever_else_would_do() {
    for policy in PROTECTED {
        let twin = Twin::new(Machine::demanding(policy), Ddi::builder().build());
        let error = twin.refused(|it| it.change_content("root-verity-sig", |it| it[0] = b'x'));
        assert_refused!(error, Error::Policy(PolicyError::Group { .. }));
        let error = twin.refused(|it| it.change_content("root-verity", |it| it[0] = b'x'));
        assert_refused!(error, Error::Policy(PolicyError::Group { .. }));
    }
}

#[test]
fn refuses_unsigned_tree_where_verity_would_do_and_nobody_pins_it() {
    let signed = Ddi::builder().build();
    let unsigned = Ddi::builder().change("root", Volume::unsigned).build();
    let hash = unsigned.root_hash("root").to_vec();
    for policy in [
        "root=verity:=ignore",
        "root=verity+signed+absent:=ignore",
        "root=verity+unprotected:=ignore",
    ] {
        let twin = Twin::new(Machine::demanding(policy), signed.clone());
        let error = twin.refused(|_| unsigned.clone());
        assert_refused!(error, Error::Authenticate(AuthenticateError::NoEvidence { .. }));
        // A pin of a command line that anybody may have written vouches for nothing.
        let pinned = Machine {
            policy: Some(policy.to_owned()),
            ..Machine::pinning(PartitionDesignator::Root, &hash)
        };
        let error = pinned.refuses(&unsigned);
        assert_refused!(error, Error::Authenticate(AuthenticateError::NoEvidence { .. }));
        Machine { pins_suffice: true, ..pinned }.accepts(&unsigned);
    }
}

/// `verity+signed` implies that there is a signature partition (systemd.image-policy(7)).
#[test]
fn refuses_unsigned_tree_where_verity_or_signed_are_demanded() {
    let twin = Twin::new(Machine::demanding("root=verity+signed:=ignore"), Ddi::builder().build());
    let error = twin.refused(|it| it.remove("root-verity-sig"));
    assert_refused!(
        error,
        Error::Policy(PolicyError::Layout { designator: PartitionDesignator::RootVeritySig, .. })
    );
}

#[test]
fn refuses_pinned_but_unsigned_root_where_a_signature_is_demanded() {
    let unsigned = Ddi::builder().change("root", Volume::unsigned).build();
    let machine = Machine {
        pins_suffice: true,
        ..Machine::pinning(PartitionDesignator::Root, unsigned.root_hash("root"))
    };
    let signed = Twin::new(machine, Ddi::builder().build());
    assert_eq!(signed.image.root_hash("root"), unsigned.root_hash("root"));
    let error = signed.refused(|_| unsigned);
    assert_refused!(error, Error::Policy(PolicyError::Layout { .. }));
}

#[test]
fn refuses_plain_root_where_protection_is_demanded() {
    let plain = Ddi::builder().change("root", Volume::plain).build();
    let twin = Twin::new(Machine::demanding("root=unprotected:=ignore"), plain);
    for policy in
        ["root=signed:=ignore", "root=verity:=ignore", "root=verity+signed+absent:=ignore"]
    {
        let error = twin.refused_by(&Machine::demanding(policy));
        assert_refused!(error, Error::Policy(PolicyError::Layout {
            designator: PartitionDesignator::Root, found, ..
        }) if found.contains("without hash tree"));
    }
    // Encryption is recognised and never opened.
    let error = twin.refused_by(&Machine::demanding("root=encrypted:=ignore"));
    assert_refused!(error, Error::Policy(PolicyError::Layout { .. }));
}

#[test]
fn refuses_image_in_which_nothing_would_be_used() {
    let twin = Twin::b0();
    for policy in ["-", "root=unused+absent:=ignore"] {
        let error = twin.refused_by(&Machine::demanding(policy));
        assert_refused!(error, Error::Policy(PolicyError::NothingUsed { .. }));
    }
    // What would protect a root that is not used makes no system either.
    let error = twin.refused_by(&Machine::demanding("root=absent+unused:=open"));
    assert_refused!(error, Error::Policy(PolicyError::Discord { .. }));
    let empty = Ddi::empty().partition("home", vec![1]).build();
    let error = Machine::demanding("root=signed+absent:=ignore").refuses(&empty);
    assert_refused!(error, Error::Policy(PolicyError::NothingUsed { .. }));
    // A partition of data is used, and nothing boots from it.
    let data = Ddi::empty().partition("home", Erofs::root_tree(4096).build()).build();
    let machine = Machine::demanding("root=signed+absent:home=unprotected:=ignore");
    assert_refused!(machine.refuses(&data), Error::Policy(PolicyError::NothingUsed { .. }));
    let error = twin.refused_by(&Machine::demanding("~"));
    assert_refused!(error, Error::Policy(PolicyError::Layout { .. }));
}

#[test]
fn refuses_attribute_bits_that_the_policy_does_not_admit() {
    let machine = Machine::demanding("root=signed+read-only-on+growfs-off:=ignore");
    let twin = Twin::new(machine, Ddi::builder().build());
    for (attributes, bit) in [(0, "read-only"), (READ_ONLY | GROW_FS, "growfs")] {
        let error = twin.refused(|it| it.set_attributes("root", attributes));
        assert_refused!(error, Error::Policy(PolicyError::Layout { found, .. })
            if found.contains(bit));
    }
}

#[test]
fn refuses_file_systems_that_the_policy_does_not_name() {
    let twin = Twin::new(Machine::demanding("root=signed+erofs:=ignore"), Ddi::builder().build());
    for policy in ["root=signed+squashfs:=ignore", "root=signed+ext4+xfs+btrfs:=ignore"] {
        let error = twin.refused_by(&Machine::demanding(policy));
        assert_refused!(error, Error::Identify(IdentifyError::NotAdmitted { .. }));
    }
}

#[test]
fn refuses_file_systems_that_a_policy_file_does_not_list() {
    let listing = |list: &str| Machine {
        policy: None,
        file: Some(format!("[filesystems]\nroot = [{list}]\n")),
        ..Machine::default()
    };
    let twin = Twin::new(listing("\"erofs\", \"xfs\""), Ddi::builder().build());
    let error = twin.refused_by(&listing("\"xfs\""));
    assert_refused!(error, Error::Identify(IdentifyError::NotAdmitted { origins, .. })
        if origins.iter().any(|it| it.to_string() == "/etc/test.toml:2"));
}

#[test]
fn refuses_by_the_line_of_the_file_that_demands_it() {
    let file = |policy: &str| Machine {
        policy: None,
        file: Some(format!("# ours\nimage-policy = \"{policy}\"\n")),
        ..Machine::default()
    };
    let image = Ddi::builder().change("root", Volume::plain).build();
    let twin = Twin::new(file("root=unprotected:=ignore"), image);
    let error = twin.refused_by(&file("root=signed:=ignore"));
    assert_refused!(error, Error::Policy(PolicyError::Layout { origins, .. })
        if origins.iter().any(|it| it.to_string() == "/etc/test.toml:2"));
}

#[test]
fn refuses_unsigned_root_where_no_policy_is_stated() {
    let machine = Machine { policy: None, ..Machine::default() };
    let twin = Twin::new(machine, Ddi::builder().build());
    for weaken in [Volume::unsigned, Volume::plain] {
        let error = twin.refused(|_| Ddi::builder().change("root", weaken).build());
        assert_refused!(error, Error::Policy(PolicyError::Layout { origins, .. })
            if origins.iter().any(|it| it.to_string() == "the built-in policy"));
    }
}

// POL-05: of a tree that is there and not used, the policy's word counts as of any other partition.
#[test]
fn refuses_tree_beside_an_open_root_that_the_policy_wants_absent() {
    let (b0, plain) =
        (Ddi::builder().build(), Ddi::builder().change("root", Volume::plain).build());
    for (uses, with_tree, without) in
        [("unused", true, false), ("absent", false, true), ("unused+absent", true, true)]
    {
        let policy = format!("root=unprotected:root-verity={uses}:root-verity-sig={uses}:=ignore");
        let machine = Machine::demanding(&policy);
        for (image, accepted) in [(&b0, with_tree), (&plain, without)] {
            if accepted {
                machine.accepts(image);
            } else {
                let error = machine.refuses(image);
                assert_refused!(&error, Error::Policy(PolicyError::Layout { designator, .. })
                    if designator.name().starts_with("root-verity"));
            }
        }
    }
}

// Bits of a companion that is used are the policy's matter, as those of its data are.
#[test]
fn refuses_attribute_bits_of_a_companion_that_the_policy_does_not_admit() {
    for companion in ["root-verity", "root-verity-sig"] {
        let policy = format!("root=signed:{companion}=unprotected+read-only-on:=ignore");
        let image = Ddi::builder().build().set_attributes(companion, READ_ONLY);
        let twin = Twin::new(Machine::demanding(&policy), image);
        let error = twin.refused(|it| it.set_attributes(companion, 0));
        assert_refused!(error, Error::Policy(PolicyError::Layout { designator, found, .. })
            if designator.name() == companion && found.contains("read-only"));
        // One that is not used may look as it likes.
        let open = format!("root=unprotected:{companion}=unused+read-only-on:=ignore");
        Machine::demanding(&open).accepts(&Ddi::builder().build().set_attributes(companion, 0));
    }
}
