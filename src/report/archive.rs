// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What is noted of an archive.
//!
//! **In:** the results of the stages that archives go through. **Out:** findings of the report.
//! **Refuses:** nothing; that nobody vouches for an archive is said where nobody overlooks it.

use super::Report;
use crate::authenticate::archive::{Archive, ArchiveEvidence};
use crate::coverage::Cover;
use crate::escape::escape;
use crate::expose::{ExposedTree, OsVersion, at_least};
use crate::finding::{Finding, Origin, Outcome, Stage};
use crate::policy_file::{Stated, Trust};
use crate::source::Layer;
use crate::unpack::Totals;

/// The subject of what is said of an archive.
const ARCHIVE: &str = "archive";

impl Report {
    /// Notes who vouches for an archive as a whole; that nobody does, so that nobody overlooks it.
    pub(crate) fn archive_authenticated(&mut self, archive: &Archive) {
        let sha256 = archive.sha256();
        if let Some(evidence) = archive.evidence() {
            self.coverage.replace(Cover::Unproven, Cover::Signed);
            let id = match evidence {
                ArchiveEvidence::Checksums { .. } | ArchiveEvidence::Signature { .. } => {
                    "authenticate-signature"
                }
                ArchiveEvidence::Pin { .. } => "authenticate-pin",
            };
            self.passed(
                (id, Stage::Authenticate),
                ARCHIVE,
                (
                    "somebody trusted who vouches for the whole file",
                    format!("{evidence}; SHA-256 {sha256}"),
                ),
                Origin::Rule("an archive is authenticated as a whole, before it is taken apart"),
            );
        }
        if let Some(origin) = archive.danger() {
            self.coverage.replace(Cover::Unproven, Cover::Unprotected);
            self.findings.push(Finding {
                id: "authenticate-danger",
                stage: Stage::Authenticate,
                outcome: Outcome::Noted,
                subject: ARCHIVE.to_owned(),
                expected: "nothing: archive.authentication is danger-none".to_owned(),
                found: format!("DANGER: nobody vouches for this archive; SHA-256 {sha256}"),
                required_by: origin.clone(),
                advice: String::new(),
            });
        }
    }

    /// Notes that compression was taken off.
    pub(crate) fn archive_decoded(&mut self, archive: &Archive) {
        if let Layer::Taken(format) = archive.layer() {
            self.passed(
                ("source-decode", Stage::Source),
                ARCHIVE,
                ("one layer of compression at most", format!("{format}, by its first bytes")),
                Origin::Rule("bytes come whole, in bounds and in time, or not at all"),
            );
        }
    }

    /// Notes that every entry is right, and with that the end of the path.
    pub(crate) fn archive_judged(&mut self, totals: Totals, trust: &Trust) {
        self.archive_sound(totals);
        for Stated { value, origin } in &trust.minimum_versions {
            self.noted(
                ("expose-version", Stage::Expose),
                ARCHIVE,
                (&at_least(value), "os-release is read at boot only"),
                origin.clone(),
            );
        }
    }

    /// Notes a tree that is complete, and with that the end of the path.
    pub(crate) fn archive_unpacked(
        &mut self,
        totals: Totals,
        version: Option<&OsVersion>,
        floors: &[Stated<String>],
    ) {
        self.archive_sound(totals);
        for (version, Stated { value, origin }) in version.into_iter().cycle().zip(floors) {
            self.passed(
                ("expose-version", Stage::Expose),
                ARCHIVE,
                (&at_least(value), version.to_string()),
                origin.clone(),
            );
        }
    }

    /// Notes a tree in its place.
    pub(crate) fn archive_placed(&mut self, exposed: &ExposedTree) {
        self.passed(
            ("unpack-taken", Stage::Unpack),
            ARCHIVE,
            ("a free name", escape(&exposed.path().to_string_lossy())),
            Origin::Rule("an archive is unpacked as it was signed, whole, or not at all"),
        );
    }

    fn archive_sound(&mut self, totals: Totals) {
        self.arrived = true;
        let Totals { entries, bytes, .. } = totals;
        self.passed(
            ("unpack-entry", Stage::Unpack),
            ARCHIVE,
            (
                "a tar archive that every reader reads alike",
                format!("{entries} entries, {bytes} bytes in files"),
            ),
            Origin::Rule("an archive is unpacked as it was signed, whole, or not at all"),
        );
    }
}
