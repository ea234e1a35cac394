// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Fresh random policies, filters and images: our verdict beside that of a live systemd.
//!
//! `make peer-differential`. The directory of `VERIROOT_PEER` holds a system with systemd-dissect;
//! `VERIROOT_SEED` makes a run repeatable; `VERIROOT_POLICIES` says how many policies there are.
//! Nothing accepted here may be refused there; what is only refused here is counted by rule.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::wildcard_enum_match_arm,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a test that panics has failed; it runs the peer"
)]

mod images;
mod random;
#[path = "../conformance/verdict.rs"]
mod verdict;

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use random::Random;
use verdict::{layout, verdict};
use veriroot::image_filter::ImageFilter;

/// So many examples are shown of each rule.
const EXAMPLES: usize = 3;

/// One question for both.
struct Question {
    policy: String,
    filter: Option<String>,
    image: String,
}

/// Answers each line (policy, filter, image) with a line: exit code, last words.
const ASK: &str = r#"cd "$1"; while IFS=$'\t' read -r policy filter image; do
    said=$(systemd-dissect --validate --image-policy="${policy#:}" ${filter:+"--image-filter=${filter#:}"} "$image" 2>&1)
    printf '%s\t%s\n' "$?" "$(tail -n1 <<<"$said")"
done"#;

fn ask(peer: &Path, inside: &Path, questions: &[Question]) -> Vec<(bool, String)> {
    let mut child = Command::new("chroot")
        .arg(peer)
        .args(["/bin/bash", "-c", ASK, "ask"])
        .arg(Path::new("/").join(inside.strip_prefix(peer).unwrap()))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = String::new();
    for Question { policy, filter, image } in questions {
        // A tab is white space to the shell, which would swallow an empty field: colons fill it.
        let filter = filter.as_ref().map_or(String::new(), |it| it.to_owned());
        lines += &format!(":{policy}\t:{filter}\t{image}\n");
    }
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(lines.as_bytes()).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let answers: Vec<_> = text
        .lines()
        .map(|line| line.split_once('\t').unwrap())
        .map(|(code, said)| (code == "0", said.to_owned()))
        .collect();
    assert_eq!(answers.len(), questions.len(), "the peer did not answer every question");
    answers
}

#[test]
fn nothing_is_accepted_that_the_live_peer_refuses() {
    let variable = |name: &str| std::env::var(name).ok();
    let peer =
        PathBuf::from(variable("VERIROOT_PEER").expect("run this as make peer-differential"));
    let seed: u64 = variable("VERIROOT_SEED").map_or(1, |it| it.parse().unwrap());
    let count: usize = variable("VERIROOT_POLICIES").map_or(250, |it| it.parse().unwrap());
    let mut random = Random::new(seed);
    let inside = tempfile::tempdir_in(peer.join("tmp")).unwrap();
    let images = images::write_all(inside.path(), &mut random);
    let mut questions = Vec::new();
    for _ in 0..count {
        let policy = random.policy();
        for image in &images {
            questions.push(Question { policy: policy.clone(), filter: None, image: image.clone() });
        }
    }
    for filter in (0..count / 10).map(|_| random.filter()) {
        for (policy, image) in ["*", "root=open:=ignore"]
            .iter()
            .zip([&images, &images])
            .flat_map(|(policy, images)| images.iter().map(move |image| (policy, image)))
        {
            let (policy, filter) = ((*policy).to_owned(), Some(filter.clone()));
            questions.push(Question { policy, filter, image: image.clone() });
        }
    }
    let answers = ask(&peer, inside.path(), &questions);
    compare(seed, inside.path(), &questions, &answers);
}

fn compare(seed: u64, inside: &Path, questions: &[Question], answers: &[(bool, String)]) {
    let mut layouts = BTreeMap::new();
    let mut looser = Vec::new();
    let (mut accepted, mut refused) = (0, 0);
    let mut stricter = BTreeMap::<_, (usize, String)>::new();
    for (question, (theirs, said)) in questions.iter().zip(answers) {
        let Question { policy, filter, image } = question;
        let ours = match filter.as_deref().map(ImageFilter::parse).transpose() {
            Err(error) => Err(("filter-mistake", error.to_string())),
            Ok(parsed) => {
                let layout = layouts
                    .entry((image, filter))
                    .or_insert_with(|| layout(&inside.join(image), &parsed.unwrap_or_default()));
                verdict(policy, layout)
            }
        };
        let asked = format!("{image} {policy:?} {filter:?}");
        match (ours, theirs) {
            (Ok(()), true) => accepted += 1,
            (Err(_), false) => refused += 1,
            (Ok(()), false) => looser.push(format!("{asked}: {said}")),
            (Err((rule, said)), true) => {
                let (count, examples) = stricter.entry(rule).or_default();
                *count += 1;
                if *count <= EXAMPLES {
                    *examples += &format!("\n    {asked}: {said}");
                }
            }
        }
    }
    println!(
        "seed {seed}, {} questions: {accepted} accepted by both, {refused} refused by both, {} looser",
        questions.len(),
        looser.len()
    );
    for (rule, (count, examples)) in &stricter {
        println!("stricter by {rule}: {count}, such as{examples}");
    }
    assert!(looser.is_empty(), "looser than the peer:\n{}", looser.join("\n"));
    let listed = include_str!("../conformance/stricter.tsv");
    for rule in stricter.keys() {
        let line = format!("\n{rule}\t");
        assert!(listed.contains(&line), "{rule} is not among the listed rules");
    }
}
