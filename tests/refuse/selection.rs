// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Which partitions belong together, and which one is meant.

use uuid::Uuid;
use veriroot::authenticate::AuthenticateError;
use veriroot::authenticate::cms::CmsError;
use veriroot::designator::{Architecture, PartitionDesignator};
use veriroot::dissect::group::GroupError;
use veriroot::dissect::verity_sig::SignatureError;
use veriroot::error::Error;
use veriroot::policy::PolicyError;
use veriroot_test_support::ddi::{Arch, Ddi, Image, NO_AUTO, Volume, type_guid};
use veriroot_test_support::erofs::Erofs;
use veriroot_test_support::keys;

use crate::judge::{Machine, Twin, graft};

/// What keeps the partitions of one designator apart.
fn group(error: Error) -> GroupError {
    match error {
        Error::Policy(PolicyError::Group { error, .. }) => error,
        other => panic!("{other:?}"),
    }
}

/// Another root, signed by a stranger.
fn evil() -> Image {
    let volume = Volume::new(Erofs::root_tree(4096).build()).signed_by(&keys::stranger());
    Ddi::builder().volume("root", volume).build()
}

// SEL-01
#[test]
fn refuses_two_roots_that_are_equally_new() {
    let twin = Twin::b0();
    let error = twin.refused(|it| graft(it, &evil(), "root", "root-x86-64"));
    let numbers = vec![1, 4];
    let designator = PartitionDesignator::Root;
    assert_eq!(group(error), GroupError::Ambiguous { designator, numbers });
}

// SEL-01
#[test]
fn refuses_newer_root_that_the_signature_does_not_name_instead_of_the_older_one() {
    let twin = Twin::b0();
    let newer = |it| graft(it, &evil(), "root", "root-x86-64_2");
    let designator = PartitionDesignator::RootVeritySig;
    let expected = GroupError::Unmatched { designator, data: 4 };
    assert_eq!(group(twin.refused(newer)), expected);
    let swapped = |it| newer(it).swap("1", "4");
    let expected = GroupError::Unmatched { designator, data: 1 };
    assert_eq!(group(twin.refused(swapped)), expected);
    // An older one beside it changes nothing.
    let report = twin.accepted(|it| graft(it, &evil(), "root", "root-x8"));
    assert_eq!(report.partitions[0].number, 1);
}

// SEL-01
#[test]
fn refuses_whole_newer_triple_by_a_stranger_instead_of_the_older_one() {
    let twin = Twin::b0();
    let error = twin.refused(|it| {
        let it = graft(it, &evil(), "root", "root-x86-64_2");
        let it = graft(it, &evil(), "root-verity", "root-x86-64-verity_2");
        graft(it, &evil(), "root-verity-sig", "root-x86-64-verity-sig_2")
    });
    assert_refused!(
        error,
        Error::Authenticate(AuthenticateError::Cms { error: CmsError::UnknownSigner { .. }, .. })
    );
}

// SEL-01
#[test]
fn takes_tree_and_signature_by_root_hash_in_every_order() {
    let twin = Twin::b0();
    let both = |it| {
        let it = graft(it, &evil(), "root-verity", "root-x86-64-verity_9");
        graft(it, &evil(), "root-verity-sig", "root-x86-64-verity-sig_9")
    };
    let want = Some(twin.image.root_hash_hex("root"));
    for (a, b) in [("1", "1"), ("2", "4"), ("3", "5"), ("1", "5")] {
        let report = twin.accepted(|it| both(it).swap(a, b));
        assert_eq!(report.partitions[0].root_hash, want);
    }
}

// SEL-01
#[test]
fn refuses_two_signatures_or_trees_of_one_root_hash() {
    let twin = Twin::b0();
    let error = twin.refused(|it| {
        let signature = it.content("root-verity-sig").to_vec();
        it.add_partition("root-verity-sig", Arch::X86_64, &signature)
    });
    let designator = PartitionDesignator::RootVeritySig;
    assert_eq!(group(error), GroupError::Ambiguous { designator, numbers: vec![3, 4] });
}

// Which of two is meant nobody says: they do not count as absent or as unused.
#[test]
fn refuses_two_of_a_kind_that_the_policy_could_use() {
    let home = || Erofs::root_tree(4096).build();
    let twin = Twin::new(
        Machine::demanding("root=signed:home=unprotected+unused+absent:=ignore"),
        Ddi::builder().partition("home", home()).build(),
    );
    let error = twin.refused(|it| it.add_partition("home", Arch::X86_64, &home()));
    let (designator, numbers) = (PartitionDesignator::Home, vec![4, 5]);
    assert_eq!(group(error), GroupError::Ambiguous { designator, numbers });
}

// Each of them is read and parsed: there is an end to that.
#[test]
fn refuses_more_signature_partitions_than_anybody_needs() {
    let designator = PartitionDesignator::RootVeritySig;
    let copies = |count: usize| {
        let image = Ddi::builder().build();
        let signature = image.content("root-verity-sig").to_vec();
        (1..count)
            .fold(image, |it, _| it.add_partition("root-verity-sig", Arch::X86_64, &signature))
    };
    let error = Machine::default().refuses(&copies(8));
    let numbers = (3..11).collect();
    assert_eq!(group(error), GroupError::Ambiguous { designator, numbers });
    let error = Machine::default().refuses(&copies(9));
    assert_eq!(group(error), GroupError::TooMany { designator });
    Machine::default().accepts(&copies(1));
}

#[test]
fn refuses_tree_or_signature_of_another_root() {
    let twin = Twin::b0();
    let other = Ddi::builder().volume("root", Volume::new(Erofs::root_tree(4096).build())).build();
    let error = twin.refused(|it| {
        it.replace_content("root-verity", other.content("root-verity"))
            .set_guid("root-verity", other.entry("root-verity").guid)
    });
    let designator = PartitionDesignator::RootVerity;
    assert_eq!(group(error), GroupError::Unmatched { designator, data: 1 });
    let error =
        twin.refused(|it| it.replace_content("root-verity-sig", other.content("root-verity-sig")));
    let designator = PartitionDesignator::RootVeritySig;
    assert_eq!(group(error), GroupError::Unmatched { designator, data: 1 });
}

#[test]
fn refuses_partition_guids_that_are_not_the_ends_of_the_root_hash() {
    let twin = Twin::b0();
    for (name, designator) in [
        ("root", PartitionDesignator::RootVeritySig),
        ("root-verity", PartitionDesignator::RootVerity),
    ] {
        let guid = Uuid::from_u128(twin.image.entry(name).guid.as_u128() ^ 1);
        let error = twin.refused(|it| it.set_guid(name, guid));
        assert_eq!(group(error), GroupError::Unmatched { designator, data: 1 });
    }
}

// SEL-02
#[test]
fn refuses_neighbours_that_the_policy_wants_absent() {
    for name in ["usr", "home", "srv", "var", "tmp", "swap", "esp", "xbootldr"] {
        let machine = Machine::demanding("root=signed:=absent");
        let twin = Twin::new(machine, Ddi::builder().build());
        let error = twin.refused(|it| it.add_partition(name, Arch::X86_64, &[1]));
        assert_refused!(&error, Error::Policy(PolicyError::Layout { designator, .. })
            if designator.name() == name);
    }
}

// SEL-03
#[test]
fn refuses_signed_root_without_its_signature_partition() {
    let twin = Twin::b0();
    let strips: [fn(Image) -> Image; 4] = [
        |it| it.remove("root-verity-sig"),
        |it| it.retype("root-verity-sig", type_guid("linux-generic", Arch::X86_64)),
        |it| it.relabel("root-verity-sig", "_empty"),
        |it| it.set_attributes("root-verity-sig", NO_AUTO),
    ];
    for strip in strips {
        assert_refused!(twin.refused(strip), Error::Policy(PolicyError::Layout {
            designator: PartitionDesignator::Root, found, ..
        }) if found.contains("without signature"));
    }
    let error = twin.refused(|it| it.change_content("root-verity-sig", |it| it.fill(0)));
    let error_in = SignatureError::NotAnObject;
    assert_eq!(group(error), GroupError::Signature { number: 3, error: error_in });
}

// SEL-04
#[test]
fn refuses_signed_root_without_its_hash_tree() {
    let twin = Twin::b0();
    for strip in [
        (|it: Image| it.remove("root-verity")) as fn(Image) -> Image,
        |it| it.strip_verity("root"),
        |it| it.retype("root-verity", type_guid("linux-generic", Arch::X86_64)),
    ] {
        let error = twin.refused(strip);
        assert_refused!(
            error,
            Error::Policy(PolicyError::Layout { designator: PartitionDesignator::Root, .. })
        );
    }
}

// SEL-05
#[test]
fn refuses_root_hash_that_only_partition_guids_spell() {
    let unsigned = Ddi::builder().change("root", Volume::unsigned).build();
    let root_hash = unsigned.root_hash("root").to_vec();
    assert_refused!(
        Machine::default().refuses(&unsigned),
        Error::Policy(PolicyError::Layout { designator: PartitionDesignator::Root, .. })
    );
    let pinned = Machine {
        policy: Some("root=verity:=ignore".to_owned()),
        pins_suffice: true,
        ..Machine::pinning(PartitionDesignator::Root, &root_hash)
    };
    let twin = Twin::new(pinned, unsigned);
    let error = twin.refused_by(&Machine::demanding("root=verity:=ignore"));
    assert_refused!(error, Error::Authenticate(AuthenticateError::NoEvidence { .. }));
}

// SEL-07
#[test]
fn refuses_signed_root_of_another_architecture() {
    let arm64 =
        Machine { architecture: Architecture::from_name("arm64").unwrap(), ..Machine::default() };
    let twin = Twin::new(arm64, Ddi::builder().arch(Arch::Arm64).build());
    let error = twin.refused_by(&Machine::default());
    assert!(error.to_string().contains("arm64"), "{error}");
    assert!(matches!(group(error), GroupError::Absent { foreign, .. } if foreign.len() == 1));
}

// SEL-07
#[test]
fn refuses_signed_usr_that_the_table_calls_root_where_the_root_is_pinned() {
    let root = Ddi::builder().build();
    let machine = Machine::pinning(PartitionDesignator::Root, root.root_hash("root"));
    let twin = Twin::new(machine, root);
    let usr = Ddi::empty().volume("usr", Volume::new(Erofs::usr_tree(4096).build())).build();
    let error = twin.refused(|_| {
        ["usr", "usr-verity", "usr-verity-sig"].into_iter().fold(usr, |it, name| {
            it.retype(name, type_guid(&name.replace("usr", "root"), Arch::X86_64))
        })
    });
    assert_refused!(error, Error::Authenticate(AuthenticateError::PinDiffers { .. }));
}

// SEL-08
#[test]
fn refuses_signed_root_that_is_not_the_pinned_one() {
    let twin = Twin::b0();
    let mut other = twin.image.root_hash("root").to_vec();
    *other.last_mut().unwrap() ^= 1;
    for pins_suffice in [false, true] {
        let machine =
            Machine { pins_suffice, ..Machine::pinning(PartitionDesignator::Root, &other) };
        assert_refused!(
            twin.refused_by(&machine),
            Error::Authenticate(AuthenticateError::PinDiffers { .. })
        );
    }
    Machine::pinning(PartitionDesignator::Root, twin.image.root_hash("root")).accepts(&twin.image);
}

// SEL-08
#[test]
fn refuses_pin_of_another_digest_length() {
    let twin = Twin::b0();
    let long = [twin.image.root_hash("root"), &[0; 32]].concat();
    let error = twin.refused_by(&Machine::pinning(PartitionDesignator::Root, &long));
    assert_refused!(error, Error::Authenticate(AuthenticateError::PinDiffers { .. }));
}

// SEL-09
#[test]
fn refuses_pin_that_nothing_is_held_against() {
    let twin = Twin::b0();
    let usr = Machine::pinning(PartitionDesignator::Usr, twin.image.root_hash("root"));
    assert_refused!(
        twin.refused_by(&usr),
        Error::Authenticate(AuthenticateError::PinUnused {
            designator: PartitionDesignator::Usr,
            ..
        })
    );
    let open = Machine { policy: Some("root=unprotected:=ignore".to_owned()), ..usr.clone() };
    let plain = Ddi::builder().change("root", Volume::plain).build();
    let twin = Twin::new(Machine { pins: Vec::new(), ..open.clone() }, plain);
    let pinned =
        Machine { policy: open.policy, ..Machine::pinning(PartitionDesignator::Root, &[7; 32]) };
    let error = twin.refused_by(&pinned);
    assert_refused!(error, Error::Authenticate(AuthenticateError::PinUnused { .. }));
}

#[test]
fn refuses_root_in_another_slot_than_the_command_line_names() {
    let image = Ddi::builder().root_second().build();
    let twin = Twin::new(Machine { root_slot: Some(2), ..Machine::default() }, image);
    for slot in [1, 3, 4] {
        let error = twin.refused_by(&Machine { root_slot: Some(slot), ..Machine::default() });
        assert_refused!(error, Error::Policy(PolicyError::RootSlot { actual: Some(2), .. }));
    }
    let error = twin.refused(|it| it.swap("root", "root-verity"));
    assert_refused!(error, Error::Policy(PolicyError::RootSlot { demanded: 2, .. }));
}

#[test]
fn refuses_usr_elsewhere_than_the_command_line_mounts_it_from() {
    let wanting = |slot| Machine {
        usr_slot: Some(slot),
        ..Machine::demanding("root=signed+absent:usr=signed+absent:=ignore")
    };
    let image = Ddi::empty().volume("usr", Volume::new(Erofs::usr_tree(4096).build())).build();
    let twin = Twin::new(wanting(Some(1)), image);
    wanting(None).accepts(&twin.image);
    for slot in [2, 3] {
        let error = twin.refused_by(&wanting(Some(slot)));
        assert_refused!(error, Error::Policy(PolicyError::UsrSlot { actual: Some(1), .. }));
    }
    // A usr that is mounted, of an image that has none: whatever its place is.
    for slot in [None, Some(1)] {
        let error = wanting(slot).refuses(&Ddi::builder().build());
        assert_refused!(error, Error::Policy(PolicyError::UsrSlot { actual: None, .. }));
    }
}

// SEL-02: a usr beside a root that has its own would hide part of what was signed.
#[test]
fn refuses_root_and_usr_that_are_both_protected() {
    let usr = Volume::new(Erofs::usr_tree(4096).build());
    let both = Ddi::builder().volume("usr", usr).build();
    let error = Machine::demanding("root=signed:usr=signed").refuses(&both);
    assert!(matches!(error, Error::Policy(PolicyError::Discord { .. })), "{error:?}");
    Machine::demanding("root=signed:=ignore").accepts(&both);
}
