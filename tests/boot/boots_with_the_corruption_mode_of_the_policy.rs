// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What the policy wants done about a bad block is what the live table says, and nothing laxer.

use crate::demands::{Demand, SHOW, table};

/// The read fails.
pub(crate) const EIO: Demand = Demand {
    name: "on-corruption-eio",
    policy: "[boot]\non-corruption = \"eio\"\nhold = \"1s\"\n",
    script: SHOW,
};
/// The machine restarts.
pub(crate) const RESTART: Demand = Demand {
    name: "on-corruption-restart",
    policy: "[boot]\non-corruption = \"restart\"\nhold = \"1s\"\n",
    script: SHOW,
};
/// The kernel panics.
pub(crate) const PANIC: Demand = Demand {
    name: "on-corruption-panic",
    policy: "[boot]\non-corruption = \"panic\"\nhold = \"1s\"\n",
    script: SHOW,
};

/// The words of a table after root hash and salt.
fn optional(demand: &Demand) -> Vec<&'static str> {
    // start, length, verity, version, two devices, two block sizes, blocks, hash start, algorithm,
    // root hash, salt
    table(demand).split_whitespace().skip(13).collect()
}

#[test]
fn boots_with_the_corruption_mode_of_the_policy() {
    assert_eq!(optional(&EIO), [""; 0]);
    assert_eq!(optional(&RESTART), ["1", "restart_on_corruption"]);
    assert_eq!(optional(&PANIC), ["1", "panic_on_corruption"]);
}
