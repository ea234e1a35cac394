// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The same archive to other readers: what is accepted here, they unpack to the same tree.
