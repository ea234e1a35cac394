// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The hash tree up to the root hash, and every data block against the tree.
//!
//! **In:** [`Authenticated`]: trusted root hashes, a source whose bytes are claims, superblocks
//! that nobody signed.
//! **Out:** [`Fetched`]: the tree is the one of the root hash, unused slots included, so the
//! superblock's parameters are the only ones that fit it; every data block matches the tree. For a
//! boot the bytes that were judged are in sealed memory; for an audit they are let go.
//! **Refuses:** the first block that differs. Nothing is stored before it was judged, and no byte
//! that was judged is fetched again.

mod blocks;
mod error;
mod open;
mod store;
mod window;

use std::sync::{Mutex, PoisonError};

use crate::authenticate::{Authenticated, AuthenticatedPartition, Evidence, RootHash, Warrant};
use crate::coverage::Cover;
use crate::designator::PartitionDesignator;
use crate::dissect::group::SUPERBLOCK;
use crate::dissect::verity_superblock::VeritySuperblock;
use crate::finding::Origin;
use crate::image_policy::Rule;
use crate::limits;
use crate::merkle::{BlockError, TreeError, TreeShape, VerifiedTree};
use crate::source::{Seen, Source};
use crate::units::ByteRange;
use blocks::{Job, fetch_blocks};
pub use error::{Blame, FetchError};
pub use store::{LetGo, Saving, Sealing, Store, StoreError};
pub use window::Ends;

/// How long fetching will take, for whoever waits for it.
pub trait Progress {
    /// `total` bytes are to come.
    fn begin(&mut self, total: u64);

    /// `bytes` more have come and were found right.
    fn advance(&mut self, bytes: u64);

    /// What is left comes from this mirror.
    fn mirror(&mut self, _name: &str) {}

    /// It is known now what vouches for these bytes.
    fn covered(&mut self, _range: ByteRange, _cover: Cover) {}
}

/// What became known of one partition's bytes.
#[derive(Debug)]
pub enum Content {
    /// All of them are the ones that the root hash means.
    Verity(VerityContent),
    /// Nothing: these lines of policy open it.
    Open(Vec<Origin>),
}

/// A protected partition whose blocks were all checked.
#[derive(Debug)]
pub struct VerityContent {
    /// The root hash everything was checked against.
    pub root_hash: RootHash,
    /// What that rests on.
    pub evidence: Evidence,
    /// The tree's parameters, confirmed by the tree.
    pub shape: TreeShape,
    /// UUID of the superblock: a name, nothing hangs on it.
    pub uuid: uuid::Uuid,
    /// The hash partition up to the end of the tree.
    pub hash: ByteRange,
}

/// One partition whose bytes are in.
#[derive(Debug)]
pub struct FetchedPartition {
    /// What it is used as.
    pub designator: PartitionDesignator,
    /// Its slot, counted from 1.
    pub number: u32,
    /// Where its data stand: for a protected partition exactly the blocks the tree covers.
    pub data: ByteRange,
    /// Whether its GPT bit says that nobody shall write to it.
    pub read_only: bool,
    /// What is known of the bytes.
    pub content: Content,
    /// Beginning and end of the data, for the file system's superblock.
    pub ends: Ends,
    /// The policy's rule for it.
    pub rule: Rule,
    /// Who made that rule.
    pub origins: Vec<Origin>,
}

/// An image whose protected partitions are what was signed. Made by [`fetch`] alone.
///
/// It can't be put together, doubled, or left out: [`crate::identify`] takes no bytes that were not checked.
///
/// ```
/// # use veriroot::{fetch::{Fetched, LetGo}, identify::identify};
/// fn next(it: Fetched<LetGo>) -> bool {
///     identify(it).is_ok()
/// }
/// ```
/// ```compile_fail,E0308
/// # use veriroot::{authenticate::Authenticated, identify::identify};
/// fn next(it: Authenticated) -> bool {
///     identify(it).is_ok()
/// }
/// ```
/// ```compile_fail,E0451
/// # use veriroot::fetch::Fetched;
/// fn forge<S>(it: Fetched<S>) -> Fetched<S> {
///     Fetched { ..it }
/// }
/// ```
/// ```compile_fail,E0277
/// # use veriroot::{fetch::Fetched, sys::memfd::SealedMemfd};
/// let twice = Fetched::<SealedMemfd>::clone;
/// ```
#[derive(Debug)]
#[must_use]
pub struct Fetched<S> {
    kept: S,
    partitions: Vec<FetchedPartition>,
}

/// Fetches and checks what will be used.
///
/// # Errors
/// The first thing that is not as the root hash says; the source's failures; no memory.
pub fn fetch<S: Store>(
    authenticated: Authenticated,
    mut store: S,
    progress: &mut dyn Progress,
) -> Result<Fetched<S::Kept>, FetchError> {
    let (mut rest, partitions) = authenticated.into_parts();
    let announced = |it| announced::<S>(it);
    let total = partitions.iter().map(announced).fold(0, u64::saturating_add);
    progress.begin(total);
    let trees = partitions.iter().map(announced_tree).fold(0, u64::saturating_add);
    rest.only(partitions.iter().flat_map(wanted::<S>).collect())?;
    // What a stream holds already is given back as it is read.
    let needed = total.saturating_add(trees).saturating_sub(rest.source().held());
    store.make_room(rest.source().extent(), needed)?;
    let mut fetched = Vec::new();
    if rest.position().is_some() {
        // A stream gives its bytes in the order of the image.
        for partition in partitions {
            fetched.extend(fetch_together(rest.source(), vec![partition], &store, progress)?);
        }
    } else {
        // All that has to come from one and the same server comes first; what a tree judges may then
        // come from any.
        fetched = fetch_together(rest.source(), partitions, &store, progress)?;
    }
    let seen = rest.source().seen();
    let ended = rest.end()?;
    for (offset, bytes) in seen.iter().flat_map(take) {
        store.put(offset, &bytes).map_err(StoreError::from)?;
    }
    Ok(Fetched { kept: store.keep(ended).map_err(StoreError::from)?, partitions: fetched })
}

/// For a file that is to be judged again: the table and the signatures as they were judged.
fn take(seen: &Seen) -> Vec<(u64, Vec<u8>)> {
    std::mem::take(&mut *seen.lock().unwrap_or_else(PoisonError::into_inner))
}

fn fetch_together(
    source: &mut Source,
    partitions: Vec<AuthenticatedPartition>,
    store: &impl Store,
    progress: &mut dyn Progress,
) -> Result<Vec<FetchedPartition>, FetchError> {
    let prepared: Vec<Prepared> = partitions
        .into_iter()
        .map(|partition| prepare(source, partition, store, progress))
        .collect::<Result<_, _>>()?;
    let jobs: Vec<Job<'_>> = prepared.iter().filter_map(Prepared::job).collect();
    fetch_blocks(source, &jobs, store, progress)?;
    let mut ends: Vec<Ends> = jobs
        .into_iter()
        .map(|job| job.ends.into_inner().unwrap_or_else(PoisonError::into_inner))
        .rev()
        .collect();
    Ok(prepared.into_iter().map(|it| it.fetched(|| ends.pop())).collect())
}

/// What will be read of a partition.
fn wanted<S: Store>(partition: &AuthenticatedPartition) -> Vec<ByteRange> {
    match &partition.warrant {
        Warrant::Verity { hash, .. } => vec![*hash, partition.data],
        Warrant::Open(_) if S::TAKES_OPEN => vec![partition.data],
        Warrant::Open(_) => window::ranges(partition.data).to_vec(),
    }
}

/// Bytes of data that a partition will take, as its superblock claims and its size allows.
fn announced<S: Store>(partition: &AuthenticatedPartition) -> u64 {
    match &partition.warrant {
        Warrant::Verity { superblock, .. } => superblock.data_len().min(partition.data.len()),
        Warrant::Open(_) if S::TAKES_OPEN => partition.data.len(),
        Warrant::Open(_) => 0,
    }
}

/// Bytes that its tree will take: no more than its partition has.
fn announced_tree(partition: &AuthenticatedPartition) -> u64 {
    match &partition.warrant {
        Warrant::Verity { hash, .. } => hash.len(),
        Warrant::Open(_) => 0,
    }
}

/// A partition of which only data blocks are missing, if anything.
struct Prepared {
    demand: Demand,
    partition: FetchedPartition,
    tree: Option<VerifiedTree>,
}

impl Prepared {
    /// What is left to do.
    fn job(&self) -> Option<Job<'_>> {
        let (tree, data) = (self.tree.as_ref()?, self.partition.data);
        Some(Job { demand: &self.demand, data, tree, ends: Mutex::new(Ends::new(data.len())) })
    }

    fn fetched(self, ends: impl FnOnce() -> Option<Ends>) -> FetchedPartition {
        match self.tree.and_then(|_| ends()) {
            Some(ends) => FetchedPartition { ends, ..self.partition },
            None => self.partition,
        }
    }
}

fn prepare(
    source: &mut Source,
    partition: AuthenticatedPartition,
    store: &impl Store,
    progress: &mut dyn Progress,
) -> Result<Prepared, FetchError> {
    let AuthenticatedPartition { designator, number, data, read_only, warrant, rule, origins } =
        partition;
    let origin = origins.first().cloned().unwrap_or(Origin::BuiltIn);
    let demand = Demand { designator, origin };
    let (data, content, ends, tree) = match warrant {
        Warrant::Open(origins) => {
            (data, Content::Open(origins), open::fetch(source, data, store, progress)?, None)
        }
        Warrant::Verity { root_hash, evidence, superblock, hash } => {
            let plan = Plan::new(designator, &superblock, data, hash)?;
            let (data, hash, tree_range) = (plan.data, plan.hash, plan.tree);
            let tree = fetch_tree(source, &demand, plan, &root_hash, store);
            for (place, cover) in covered_by_tree((hash, tree_range), &superblock, &tree) {
                progress.covered(place, cover);
            }
            let tree = tree?;
            let (shape, uuid) = (tree.shape().clone(), superblock.uuid());
            let content = VerityContent { root_hash, evidence, shape, uuid, hash };
            (data, Content::Verity(content), Ends::new(data.len()), Some(tree))
        }
    };
    let partition =
        FetchedPartition { designator, number, data, read_only, content, ends, rule, origins };
    Ok(Prepared { demand, partition, tree })
}

/// Where tree and data stand if the superblock is right; the tree will tell.
struct Plan {
    shape: TreeShape,
    /// Exactly the blocks the tree covers.
    data: ByteRange,
    /// The hash partition up to the end of the tree.
    hash: ByteRange,
    /// The tree's blocks; none over a single data block.
    tree: Option<ByteRange>,
}

impl Plan {
    fn new(
        designator: PartitionDesignator,
        superblock: &VeritySuperblock,
        data: ByteRange,
        hash: ByteRange,
    ) -> Result<Self, FetchError> {
        let shape = superblock.shape().map_err(|error| FetchError::Shape { designator, error })?;
        let needed = shape.data_len();
        let data = data.part(0, needed).ok_or(FetchError::DataSize {
            designator,
            needed,
            size: data.len(),
        })?;
        let tree_len = u64::try_from(shape.tree_len()).unwrap_or(u64::MAX);
        let needed = shape.tree_offset().saturating_add(tree_len);
        let size = hash.len();
        let hash = hash.part(0, needed).ok_or(FetchError::TreeSize { designator, needed, size })?;
        let tree = hash.part(shape.tree_offset(), tree_len);
        Ok(Self { shape, data, hash, tree })
    }
}

/// Which partition, and who demands that it is protected.
struct Demand {
    designator: PartitionDesignator,
    origin: Origin,
}

fn fetch_tree(
    source: &mut Source,
    demand: &Demand,
    plan: Plan,
    root_hash: &RootHash,
    store: &impl Store,
) -> Result<VerifiedTree, FetchError> {
    let bytes = match plan.tree {
        Some(range) => source.read(range, limits::HASH_TREE)?,
        None => Vec::new(),
    };
    let tree = VerifiedTree::check(plan.shape, bytes, root_hash.as_bytes()).map_err(|error| {
        let (designator, blame) = (demand.designator, demand.blame());
        FetchError::Tree { designator, error, blame }.of_server(source.server())
    })?;
    if let Some(range) = plan.tree {
        store.put(range.offset(), tree.bytes()).map_err(StoreError::from)?;
    }
    Ok(tree)
}

/// What is known of a hash partition now.
fn covered_by_tree(
    (hash, tree): (ByteRange, Option<ByteRange>),
    superblock: &VeritySuperblock,
    checked: &Result<VerifiedTree, FetchError>,
) -> Vec<(ByteRange, Cover)> {
    let places = match checked {
        Ok(_) => [(hash.part(0, SUPERBLOCK), Cover::Structural), (tree, Cover::Tree)],
        Err(FetchError::Tree { error, .. }) => {
            let place = tree.and_then(|it| place_in_tree(it, error, superblock));
            [(place, Cover::Contradicted), (None, Cover::Unproven)]
        }
        Err(_) => return Vec::new(),
    };
    places.into_iter().filter_map(|(place, cover)| Some((place?, cover))).collect()
}

/// Which bytes of the image a tree's error speaks of.
fn place_in_tree(
    tree: ByteRange,
    error: &TreeError,
    superblock: &VeritySuperblock,
) -> Option<ByteRange> {
    let (offset, len) = match error {
        TreeError::BlockMismatch { offset, .. } => {
            (*offset, u64::from(superblock.hash_block_size()))
        }
        TreeError::EmptySlot { offset, .. } | TreeError::UnusedSlot { offset, .. } => {
            (*offset, u64::try_from(superblock.algorithm().digest_len()).ok()?)
        }
        TreeError::RootHashLength { .. } | TreeError::TreeLength { .. } => return None,
    };
    tree.part(u64::try_from(offset).ok()?, len)
}

impl Demand {
    fn blame(&self) -> Box<Blame> {
        Box::new(Blame { origin: self.origin.clone(), server: None })
    }

    /// The mismatch, placed in the image.
    fn bad_block(&self, data: ByteRange, error: BlockError) -> FetchError {
        let inside = if let BlockError::Mismatch { offset, .. } = &error { *offset } else { 0 };
        let offset = data.offset().saturating_add(inside);
        let (designator, blame) = (self.designator, self.blame());
        FetchError::Block { designator, offset, error, blame }
    }
}

impl<S> Fetched<S> {
    /// What is in.
    #[must_use]
    pub fn partitions(&self) -> &[FetchedPartition] {
        &self.partitions
    }

    /// Hands everything on to the stage that identifies.
    pub(crate) fn into_parts(self) -> (S, Vec<FetchedPartition>) {
        (self.kept, self.partitions)
    }
}
