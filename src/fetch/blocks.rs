// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Data blocks over several lanes, judged while the network delivers.
//!
//! **In:** trees that were checked, and a source whose bytes are claims. **Out:** every data block in
//! its place, judged in the buffer it was stored from. **Refuses:** the first block that differs, in
//! the order of the image. A mirror that served it, or failed, is dropped; what it left open is asked
//! of the next one, and the same tree judges that.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, Sender};
use std::sync::{Mutex, PoisonError};
use std::thread;

use super::{Demand, Ends, FetchError, Progress, Store, StoreError};
use crate::coverage::Cover;
use crate::finding::Refusal;
use crate::merkle::VerifiedTree;
use crate::source::{self, Lane, Source};
use crate::units::ByteRange;

/// Bytes judged and stored at a time: a whole number of blocks of every size, and little enough to
/// stay in a core's own cache from the read to the write.
pub(super) const CHUNK: usize = 256 * 1024;

const CHUNK_BYTES: u64 = 256 * 1024;

/// Lanes for data that are worth it; a child has no more.
const LANES: u64 = 3;

/// Bytes that are not worth a second lane.
const ONE_LANE: u64 = 8 << 20;

/// Bytes that a lane asks for at a time. More would leave lanes idle at the end, less would cost a
/// way to the server and back too often.
const SEGMENT_MIN: u64 = 4 << 20;
const SEGMENT_MAX: u64 = 32 << 20;

/// The data of one partition, and what judges them.
pub(super) struct Job<'a> {
    pub(super) demand: &'a Demand,
    pub(super) data: ByteRange,
    pub(super) tree: &'a VerifiedTree,
    pub(super) ends: Mutex<Ends>,
}

impl Job<'_> {
    /// Where an offset in the image lies in the data, and in which block.
    fn place(&self, offset: u64) -> (u64, u64) {
        let block_size = u64::from(self.tree.shape().data_block_size());
        let inside = offset.saturating_sub(self.data.offset());
        (inside, inside.checked_div(block_size).unwrap_or(u64::MAX))
    }
}

/// Fetches the data of all jobs.
///
/// # Errors
/// What no mirror delivered: of all that was wrong with them the worst by exit code, and of equals
/// the first.
pub(super) fn fetch_blocks<S: Store>(
    source: &mut Source,
    jobs: &[Job<'_>],
    store: &S,
    progress: &mut dyn Progress,
) -> Result<(), FetchError> {
    let mut open = segments(jobs);
    if store.resumes() {
        let found;
        (open, found) = missing(open, jobs, store, progress);
        found.into_iter().try_for_each(|it| source.forgo(it))?;
    }
    let mut verdict: Option<FetchError> = None;
    loop {
        let pass = Pass::new(jobs, store, open);
        pass.run(source, progress)?;
        let (mut left, fault) = pass.ended();
        let Some(fault) = fault else { return Ok(()) };
        if let Some(place) = wrong(jobs, &fault) {
            progress.covered(place, Cover::Contradicted);
        }
        if let FetchError::Store(_) = &fault {
            return Err(fault);
        }
        let another = source.go_on(&fault, left.make_contiguous());
        let worst = match verdict {
            Some(earlier) if earlier.class().exit_code() >= fault.class().exit_code() => earlier,
            _ => fault,
        };
        if !another {
            return Err(worst);
        }
        progress.mirror(source.name());
        (open, verdict) = (left, Some(worst));
    }
}

/// The block that a fault speaks of.
fn wrong(jobs: &[Job<'_>], fault: &FetchError) -> Option<ByteRange> {
    let FetchError::Block { offset, .. } = fault else { return None };
    jobs.iter().find_map(|job| {
        let inside = offset.checked_sub(job.data.offset())?;
        job.data.part(inside, u64::from(job.tree.shape().data_block_size()))
    })
}

/// What is left to fetch, by its place in the image.
type Open = VecDeque<ByteRange>;

fn segments(jobs: &[Job<'_>]) -> Open {
    let total = jobs.iter().map(|it| it.data.len()).fold(0, u64::saturating_add);
    let quarter = total.checked_div(4 * LANES).unwrap_or_default();
    let len = quarter.clamp(SEGMENT_MIN, SEGMENT_MAX).next_multiple_of(CHUNK_BYTES);
    let mut open: Vec<ByteRange> = jobs
        .iter()
        .flat_map(|job| {
            let steps = job.data.len().div_ceil(len);
            (0..steps).filter_map(move |step| {
                let from = step.saturating_mul(len);
                job.data.part(from, len.min(job.data.len().saturating_sub(from)))
            })
        })
        .collect();
    open.sort_by_key(|it| it.offset());
    open.into()
}

/// What of `open` an earlier run did not leave, or not as the tree has it; and what it did.
fn missing<S: Store>(
    open: Open,
    jobs: &[Job<'_>],
    store: &S,
    progress: &mut dyn Progress,
) -> (Open, Vec<ByteRange>) {
    let pass = Pass::new(jobs, store, Open::new());
    let mut buffer = vec![0; CHUNK];
    let (mut missing, mut found): (Vec<ByteRange>, Vec<ByteRange>) = Default::default();
    for segment in open {
        let steps = segment.len().div_ceil(CHUNK_BYTES);
        let chunks = (0..steps).filter_map(|step| {
            let from = step.saturating_mul(CHUNK_BYTES);
            segment.part(from, CHUNK_BYTES.min(segment.len().saturating_sub(from)))
        });
        for range in chunks {
            let len = usize::try_from(range.len()).unwrap_or_default();
            let chunk = buffer.get_mut(..len).unwrap_or_default();
            if store.earlier(range.offset(), chunk) && pass.is_right(range.offset(), chunk) {
                tell(progress, range);
                store.stays(range);
                found.push(range);
                continue;
            }
            // One request for chunks that follow each other.
            let before = missing.last_mut().filter(|it| it.end() == range.offset());
            let joined = before.filter(|it| it.len() < SEGMENT_MAX).and_then(|before| {
                let len = before.len().saturating_add(range.len());
                *before = ByteRange::new(before.offset(), len)?;
                Some(())
            });
            if joined.is_none() {
                missing.push(range);
            }
        }
    }
    (missing.into(), found)
}

/// What one mirror is asked for, by all lanes together.
struct Pass<'a, S> {
    jobs: &'a [Job<'a>],
    store: &'a S,
    open: Mutex<Open>,
    /// Lanes go no further than this. Segments are handed out in the order of the image, so all
    /// that lies before a bad block has been looked at when the last lane stops.
    stop: AtomicU64,
    fault: Mutex<Option<(u64, FetchError)>>,
}

/// Why a lane stops.
enum Stop {
    /// Another lane said so.
    Told,
    /// For a reason of its own.
    Fault(FetchError),
}

impl From<source::Error> for Stop {
    fn from(error: source::Error) -> Self {
        Self::Fault(error.into())
    }
}

impl<'a, S: Store> Pass<'a, S> {
    fn new(jobs: &'a [Job<'a>], store: &'a S, open: Open) -> Self {
        let (stop, fault) = (AtomicU64::new(u64::MAX), Mutex::new(None));
        Self { jobs, store, open: Mutex::new(open), stop, fault }
    }

    /// Runs until nothing is left, or until one lane has a reason to stop. The first lane is this
    /// thread, which alone tells of progress.
    fn run(&self, source: &mut Source, progress: &mut dyn Progress) -> Result<(), source::Error> {
        let left = lock(&self.open).iter().map(|it| it.len()).fold(0, u64::saturating_add);
        let wanted = if left < ONE_LANE { 1 } else { usize::try_from(LANES).unwrap_or(1) };
        let mut lanes = source.lanes(wanted)?.into_iter();
        let (judged, news) = mpsc::channel();
        thread::scope(|scope| {
            let Some(mut own) = lanes.next() else { return };
            for mut lane in lanes {
                let judged: Sender<ByteRange> = judged.clone();
                let work = move || {
                    // Nobody listens only when this thread panics.
                    self.work(&mut lane, &mut |range| {
                        judged.send(range).unwrap_or_default();
                    });
                };
                // A thread that can't be started is no error: the others do its share.
                if thread::Builder::new().spawn_scoped(scope, work).is_err() {
                    break;
                }
            }
            drop(judged);
            self.work(&mut own, &mut |range| {
                tell(progress, range);
                news.try_iter().for_each(|range| tell(progress, range));
            });
            // Until the last lane has ended.
            news.iter().for_each(|range| tell(progress, range));
        });
        Ok(())
    }

    fn work(&self, lane: &mut Lane<'_>, told: &mut dyn FnMut(ByteRange)) {
        let mut buffer = vec![0; CHUNK];
        while let Some(segment) = self.next() {
            let mut at = segment.offset();
            let read = lane.read_into(segment, &mut buffer, |offset, chunk| {
                if offset >= self.stop.load(Ordering::SeqCst) {
                    return Err(Stop::Told);
                }
                let range = self.judge(offset, chunk)?;
                at = range.end();
                told(range);
                Ok(())
            });
            let Err(stop) = read else { continue };
            if let Some(rest) = ByteRange::new(at, segment.end().saturating_sub(at)) {
                lock(&self.open).push_front(rest);
            }
            if let Stop::Fault(fault) = stop {
                self.stop_at(at, fault.of_server(lane.server()));
            }
            return;
        }
    }

    fn next(&self) -> Option<ByteRange> {
        let mut open = lock(&self.open);
        let first = open.front()?.offset();
        if first >= self.stop.load(Ordering::SeqCst) { None } else { open.pop_front() }
    }

    /// Whether a chunk of an earlier run is as the tree has it; it stays where it is then.
    fn is_right(&self, offset: u64, chunk: &[u8]) -> bool {
        let Some((_, job)) = self.job(offset, chunk) else { return false };
        let (inside, block) = job.place(offset);
        let right = job.tree.check_blocks(block, chunk).is_ok();
        if right {
            lock(&job.ends).take(inside, chunk);
        }
        right
    }

    fn job(&self, offset: u64, chunk: &[u8]) -> Option<(ByteRange, &'a Job<'a>)> {
        let range = ByteRange::new(offset, u64::try_from(chunk.len()).ok()?)?;
        Some((range, self.jobs.iter().find(|it| it.data.overlaps(range))?))
    }

    /// Judges a chunk and stores it from where it was judged.
    fn judge(&self, offset: u64, chunk: &[u8]) -> Result<ByteRange, Stop> {
        let fault = |error: FetchError| Stop::Fault(error);
        let Some((range, job)) = self.job(offset, chunk) else { return Err(Stop::Told) };
        let (inside, block) = job.place(offset);
        job.tree
            .check_blocks(block, chunk)
            .map_err(|error| fault(job.demand.bad_block(job.data, error)))?;
        self.store.put(offset, chunk).map_err(|error| fault(StoreError::from(error).into()))?;
        lock(&job.ends).take(inside, chunk);
        Ok(range)
    }

    /// Keeps the fault that comes first in the image.
    fn stop_at(&self, at: u64, fault: FetchError) {
        // A server that fails may fail anywhere; one that lies is looked at up to its first lie.
        let at = if matches!(fault, FetchError::Block { .. }) { at } else { 0 };
        self.stop.fetch_min(at, Ordering::SeqCst);
        let mut first = lock(&self.fault);
        let lies = matches!(fault, FetchError::Block { .. });
        let replaces = first.as_ref().is_none_or(|(before, kept)| {
            let lied = matches!(kept, FetchError::Block { .. });
            (lies, lied) == (true, false) || (lies == lied && at < *before)
        });
        if replaces {
            *first = Some((at, fault));
        }
    }

    /// What is left open, and why.
    fn ended(self) -> (Open, Option<FetchError>) {
        let mut open = Vec::from(self.open.into_inner().unwrap_or_else(PoisonError::into_inner));
        open.sort_by_key(|it| it.offset());
        let fault = self.fault.into_inner().unwrap_or_else(PoisonError::into_inner);
        (open.into(), fault.map(|(_, fault)| fault))
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tell(progress: &mut dyn Progress, range: ByteRange) {
    progress.advance(range.len());
    progress.covered(range, Cover::Signed);
}
