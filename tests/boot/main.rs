// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Boots of an emulated machine: `make boot`. One file per scenario, named after what it shows.
//!
//! The accepted image and the refused ones get the same initrd and the same kind of command line; a
//! refused one differs in one thing. The refused ones share a guest, each in a namespace of its own.

mod attaches_and_detaches_by_name;
mod boots_and_refuses_the_matrix;
mod boots_file_system_with_files_beside_it;
mod boots_file_with_a_signed_checksum;
mod boots_file_with_the_checksum_of_the_command_line;
mod boots_pinned_root_without_signature;
mod boots_signed_archive;
mod boots_root_that_takes_writes;
mod boots_signed_image_on_verity;
mod boots_usr_without_root;
mod boots_where_udev_never_answers;
mod boots_with_the_corruption_mode_of_the_policy;
mod demands;
mod doctor_knows_its_initrd;
mod exposes_extensions_as_directories;
mod exposes_what_policy_opens;
mod exposure;
mod keeps_its_links_where_udev_runs;
mod keeps_a_record_of_every_boot;
mod machine;
mod mounts_and_unmounts_a_directory;
mod reboots_the_machine_on_refusal;
mod refuses_another_partition_as_root;
mod refuses_device_name_that_is_taken;
mod refuses_flipped_bit_in_data;
mod refuses_flipped_bit_in_hash_tree;
mod refuses_image_signed_by_stranger;
mod refuses_image_without_hash_tree;
mod refuses_image_without_signature;
mod refuses_pin_of_another_root;
mod refuses_pin_of_usr_where_root_is_used;
mod refuses_pinned_root_without_signature;
mod refuses_plain_root;
mod refuses_root_below_minimum_version;
mod refuses_root_hash_the_kernel_does_not_accept;
mod refuses_words_that_widen_policy;
mod takes_an_archive_back;
mod takes_everything_back;

/// What the shared guest runs, in this order.
const ATTACKS: &[&machine::Attack] = &[
    &refuses_another_partition_as_root::ATTACK,
    &refuses_flipped_bit_in_data::ATTACK,
    &refuses_flipped_bit_in_hash_tree::ATTACK,
    &refuses_image_signed_by_stranger::ATTACK,
    &refuses_image_without_hash_tree::ATTACK,
    &refuses_image_without_signature::ATTACK,
    &refuses_pin_of_another_root::ATTACK,
    &refuses_pin_of_usr_where_root_is_used::ATTACK,
    &refuses_pinned_root_without_signature::ATTACK,
    &refuses_plain_root::ATTACK,
    &refuses_words_that_widen_policy::ATTACK,
];

/// What the second shared guest runs, in this order: the genuine image under other policies.
const DEMANDS: &[&demands::Demand] = &[
    &boots_where_udev_never_answers::BOOT,
    &boots_where_udev_never_answers::REFUSE,
    &boots_with_the_corruption_mode_of_the_policy::EIO,
    &boots_with_the_corruption_mode_of_the_policy::RESTART,
    &boots_with_the_corruption_mode_of_the_policy::PANIC,
    &keeps_a_record_of_every_boot::ACCEPTED,
    &keeps_a_record_of_every_boot::REFUSED,
    &keeps_a_record_of_every_boot::KILLED,
    &keeps_a_record_of_every_boot::KILLED_LATE,
    &keeps_a_record_of_every_boot::LATE,
    &refuses_device_name_that_is_taken::SQUATTED,
    &refuses_device_name_that_is_taken::TWICE,
    &refuses_root_below_minimum_version::NEWER,
    &refuses_root_below_minimum_version::SAME,
    &refuses_root_hash_the_kernel_does_not_accept::REQUIRED,
    &refuses_root_hash_the_kernel_does_not_accept::OFF,
];

/// What the third shared guest runs, in this order: other images, other ends.
const EXPOSURES: &[&exposure::Exposure] = &[
    &attaches_and_detaches_by_name::ATTACH,
    &attaches_and_detaches_by_name::FLIPPED,
    &attaches_and_detaches_by_name::STRANGER,
    &attaches_and_detaches_by_name::STRIPPED,
    &boots_root_that_takes_writes::OVERLAY,
    &boots_root_that_takes_writes::PLAIN,
    &boots_usr_without_root::USR,
    &boots_usr_without_root::FLAGS,
    &boots_usr_without_root::ROOT_WANTED,
    &boots_usr_without_root::FLIPPED,
    &boots_usr_without_root::STRANGER,
    &boots_usr_without_root::STRIPPED,
    &boots_usr_without_root::EXTENSION,
    &doctor_knows_its_initrd::DOCTOR,
    &exposes_extensions_as_directories::SYSEXT,
    &exposes_extensions_as_directories::CONFEXT,
    &exposes_extensions_as_directories::PORTABLE,
    &exposes_extensions_as_directories::MACHINE,
    &exposes_extensions_as_directories::NO_MACHINE,
    &exposes_extensions_as_directories::RENAMED,
    &exposes_extensions_as_directories::FLIPPED,
    &exposes_extensions_as_directories::STRANGER,
    &exposes_extensions_as_directories::STRIPPED,
    &exposes_extensions_as_directories::ROOT,
    &exposes_extensions_as_directories::AS_ROOT,
    &exposes_extensions_as_directories::SCOPED,
    &exposes_extensions_as_directories::SCOPED_TOO,
    &exposes_what_policy_opens::OPEN,
    &exposes_what_policy_opens::CLOSED,
    &exposes_what_policy_opens::NOWHERE,
    &exposes_what_policy_opens::LINK,
    &keeps_its_links_where_udev_runs::UDEV,
    &mounts_and_unmounts_a_directory::MOUNT,
    &mounts_and_unmounts_a_directory::FLIPPED,
];
