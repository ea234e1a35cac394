// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! A dissected image as JSON: a contract; new keys may come, old ones stay.
//!
//! **In:** rows and what the policy says of them. **Out:** one object on stdout.
//! **Refuses:** nothing.

use std::io;

use serde::Serialize;
use veriroot::dissect::Dissected;
use veriroot::report::Report;

use super::super::{Json, json};
use super::rows::{Pairing, Row, rows};

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Image<'a> {
    version: u32,
    image: &'a str,
    /// Never true: these are the image's own words.
    authenticated: bool,
    size: Option<u64>,
    sector_size: Option<u64>,
    disk_uuid: Option<String>,
    partitions: Vec<Partition>,
    /// Only with a policy.
    #[serde(skip_serializing_if = "Option::is_none")]
    layout_admitted: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    refusal: Option<json::Finding<'a>>,
    exit_code: u8,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(clippy::struct_excessive_bools, reason = "two bits of the table, each its own")]
struct Partition {
    number: Option<u32>,
    designator: Option<&'static str>,
    architecture: Option<&'static str>,
    uuid: Option<String>,
    label: String,
    type_uuid: Option<String>,
    start: u64,
    size: u64,
    filesystem: Option<&'static str>,
    read_only: bool,
    growfs: bool,
    verity: Option<Verity>,
    note: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Verity {
    data: u32,
    hash: Option<u32>,
    signature: Option<u32>,
}

/// The version of the object's form.
const VERSION: u32 = 1;

pub(super) fn write(
    format: Json,
    dissected: Option<&Dissected>,
    (report, judged): (&Report, bool),
) -> io::Result<()> {
    let table = dissected.and_then(Dissected::table);
    let image = Image {
        version: VERSION,
        image: &report.image,
        authenticated: false,
        size: dissected.map(Dissected::length),
        sector_size: table.map(|it| it.sector_size.bytes()),
        disk_uuid: table.map(|it| it.disk_guid.to_string()),
        partitions: dissected.map(rows).unwrap_or_default().into_iter().map(partition).collect(),
        layout_admitted: judged.then_some(report.refused.is_none()),
        refusal: report.findings.last().map(json::finding),
        exit_code: report.refused.map_or(0, |it| it.exit_code()),
    };
    json::print(format, &image)
}

fn partition(row: Row) -> Partition {
    Partition {
        number: row.number,
        designator: row.designator.map(|it| it.name()),
        architecture: row.architecture.map(|it| it.name()),
        uuid: row.uuid.map(|it| it.to_string()),
        label: row.label,
        type_uuid: row.type_uuid.map(|it| it.to_string()),
        start: row.start,
        size: row.size,
        filesystem: row.filesystem,
        read_only: row.read_only,
        growfs: row.growfs,
        verity: row.pairing.map(|Pairing { data, hash, signature, .. }| Verity {
            data,
            hash,
            signature,
        }),
        note: row.note,
    }
}
