// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What is recorded of how a file came, and of the files beside it.
//!
//! **In:** what the stages know. **Out:** findings. **Refuses:** nothing.

use super::{DPS, Report};
use crate::checksums::{Received, Shown};
use crate::coverage::Coverage;
use crate::designator::PartitionDesignator;
use crate::dissect::Dissected;
use crate::finding::{Origin, Stage};
use crate::source::{Layer, Source, clock};

impl Report {
    /// Notes where the bytes come from; nothing vouches for them yet.
    pub(crate) fn opened(&mut self, source: &Source) {
        self.mode = source.mode().name();
        self.coverage = Coverage::new(source.len());
        match source.layer() {
            Layer::None => {}
            Layer::Taken(format) => self.passed(
                ("source-decode", Stage::Source),
                "image",
                ("one layer of compression at most", format!("{format}, by its first bytes")),
                Origin::Rule("bytes come whole, in bounds and in time, or not at all"),
            ),
            Layer::Feigned(format) => self.noted(
                ("source-feigned", Stage::Source),
                "image",
                (
                    "a partition table, or compression",
                    &format!("a partition table behind the first bytes of {format}: not decoded"),
                ),
                Origin::Rule("a partition table is never given to a decoder"),
            ),
        }
        let floor = clock::floor();
        let encrypted = source.server().is_some_and(|it| it.starts_with("https"));
        if encrypted && !clock::now(floor).1 {
            self.noted(
                ("source-clock", Stage::Source),
                "server certificate",
                (
                    "judged by the later of the system clock and a floor",
                    &format!("by the floor, {floor} s after 1970: the clock is behind it"),
                ),
                Origin::Rule("a validity is never left unchecked"),
            );
        }
    }

    /// Notes what is known of how the file came.
    pub(crate) fn received(&mut self, received: &Received) {
        let (id, expected, found) = match received.shown() {
            Shown::Nothing => return,
            Shown::Pinned { sha256 } => {
                ("source-digest", "the file whose SHA-256 verify= names", sha256.clone())
            }
            Shown::Listed { list, sha256 } => (
                "source-digest",
                "the file whose SHA-256 the checksum file lists",
                format!("{sha256}, listed in {list}"),
            ),
            Shown::Signed { list, signature, signer, sha256 } => {
                self.passed(
                    ("source-signature", Stage::Source),
                    "checksum file",
                    (
                        "a detached signature of the checksum file by a key of the keyring",
                        format!("{signature}, by {signer}"),
                    ),
                    received.origin().clone(),
                );
                (
                    "source-digest",
                    "the file whose SHA-256 the checksum file lists",
                    format!("{sha256}, listed in {list}"),
                )
            }
        };
        self.passed((id, Stage::Source), "image", (expected, found), received.origin().clone());
    }

    /// Notes which files beside the image stand for what it lacks.
    pub(super) fn beside(
        &mut self,
        name: &str,
        designator: PartitionDesignator,
        dissected: &Dissected,
    ) {
        let group = dissected.group(designator).and_then(|it| it.as_ref().ok());
        let Some(group) = group.filter(|it| !it.sidecars.is_empty()) else { return };
        self.passed(
            ("dissect-sidecar", Stage::Dissect),
            name,
            ("root hash, signature and hash tree of one build", group.sidecars.join(", ")),
            DPS,
        );
    }
}
