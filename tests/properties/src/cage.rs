// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What the cage costs.
//!
//! **In:** how many starts. **Out:** the median time from the start of a process to its end, with
//! no cage and with that of each role, and the part of it that the process spent in entering.
//! **Refuses:** (panics) a process that can't enter.

use std::process::Command;
use std::time::{Duration, Instant};

use veriroot::cage::{Offer, Role, enter};

/// The child: enters the cage of that role, says how long it took, and ends.
///
/// # Panics
/// If it can't.
pub fn child(role: &str) {
    let begun = Instant::now();
    match role {
        "network" => enter(Role::Network).unwrap(),
        "decode" => enter(Role::Decode).unwrap(),
        _ => {}
    }
    println!("{}", begun.elapsed().as_nanos());
}

/// Starts this program so many times in each role, taking turns.
///
/// # Panics
/// If a child does not come to its end.
#[must_use]
pub fn cost(starts: usize) -> String {
    const ROLES: [&str; 3] = ["none", "network", "decode"];
    let program = std::env::current_exe().unwrap();
    let mut taken: [Vec<(Duration, Duration)>; 3] = Default::default();
    for _ in 0..starts {
        for (role, taken) in ROLES.iter().zip(&mut taken) {
            let begun = Instant::now();
            let output = Command::new(&program).args(["cage-child", role]).output().unwrap();
            let whole = begun.elapsed();
            assert!(output.status.success(), "{role}: {}", String::from_utf8_lossy(&output.stderr));
            let said = String::from_utf8(output.stdout).unwrap();
            taken.push((whole, Duration::from_nanos(said.trim().parse().unwrap())));
        }
    }
    let mut text = format!("{starts} starts each; the kernel adds: {}\n", Offer::of_kernel());
    for (role, taken) in ROLES.iter().zip(&mut taken) {
        let at = |part: fn(&(Duration, Duration)) -> Duration, percent: usize| {
            let mut all: Vec<Duration> = taken.iter().map(part).collect();
            all.sort_unstable();
            all[(all.len() - 1) * percent / 100].as_micros()
        };
        text += &format!(
            "{role:<8} start to end {:>6} us (90 %: {:>6}), of it entering {:>6} us (90 %: {:>6})\n",
            at(|it| it.0, 50),
            at(|it| it.0, 90),
            at(|it| it.1, 50),
            at(|it| it.1, 90),
        );
    }
    text
}
