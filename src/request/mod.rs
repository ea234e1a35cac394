// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What the machine was told: kernel words and a credential become one [`Request`].
//!
//! **In:** words of the kernel command line and lines of the credential `import.pull`, either of
//! which may come from the network: they choose what is loaded and may only tighten what is
//! demanded of it.
//! **Out:** a [`Request`]: transfers, each with what becomes of it; which partition the command line
//! takes for the root; pins and image policies to meet.
//! **Refuses:** words it would have to guess about, and security words it cannot honour: a demand
//! that is not understood ends the boot instead of being left out.

pub mod boot_origin;
mod credential;
mod error;
mod mounts;
pub mod pull;
mod root;
mod transfer;
mod verity_options;
mod words;

use crate::cmdline::Word;
use crate::designator::PartitionDesignator;
use crate::digest::RootHashClaim;
use crate::finding::Origin;
use crate::image_filter::ImageFilter;
use crate::image_policy::FileSystemSet;
use crate::policy_file::{OnCorruption, Stated};
use boot_origin::BootOriginError;
pub use credential::import_pull;
pub use error::RequestError;
pub use mounts::{MountFlag, MountWords};
pub use root::{Root, RootDevice, RootError, Usr};
pub use transfer::{Purpose, Transfer, TransferError};
pub use words::WordError;

/// Which of two systems is told. Words with `rd.` are for the initrd, and the same words without it
/// for the system that it hands over to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// The initrd: it needs a root.
    Initrd,
    /// The system itself: it has one.
    Host,
}

/// Everything the machine was told.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// Whom the words are for.
    pub side: Side,
    /// The words of the kernel command line.
    pub words: &'a [Word],
    /// The text of the credential `import.pull`, if there is one.
    pub credential: Option<&'a str>,
    /// What the firmware loaded the kernel image from, or why that is not known.
    pub boot_url: &'a Result<String, BootOriginError>,
}

/// A root hash that the command line names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pin {
    /// `root` or `usr`.
    pub designator: PartitionDesignator,
    /// The hash.
    pub root_hash: RootHashClaim,
    /// The word, for reports.
    pub word: String,
    /// Who gave it.
    pub origin: Origin,
}

/// What this boot was asked to load. Made by [`Request::read`] alone.
///
/// It can't be put together from parts, or doubled.
///
/// ```
/// # use veriroot::{cmdline::words, request::{Request, Side, Told, boot_origin::BootOriginError}};
/// let words = words("rd.systemd.pull=raw,machine,verify=no:image:http://h/i.raw").unwrap();
/// let boot_url = &Err(BootOriginError::Missing);
/// let told = Told { side: Side::Initrd, words: &words, credential: None, boot_url };
/// assert!(Request::read(&told).is_ok());
/// ```
/// ```compile_fail,E0451
/// # use veriroot::request::Request;
/// fn forge(it: Request) -> Request {
///     Request { ..it }
/// }
/// ```
/// ```compile_fail,E0277
/// # use veriroot::request::Request;
/// let twice = Request::clone;
/// ```
#[derive(Debug)]
#[must_use]
pub struct Request {
    transfers: Vec<Transfer>,
    root: Option<Root>,
    pins: Vec<Pin>,
    image_policies: Vec<String>,
    image_filter: ImageFilter,
    root_mount: MountWords,
    usr_mount: MountWords,
    on_corruption: Vec<Stated<OnCorruption>>,
    overlay: Option<String>,
}

impl Request {
    /// Reads everything that the machine was told.
    ///
    /// # Errors
    /// A [`RequestError`] that quotes the word.
    pub fn read(told: &Told<'_>) -> Result<Self, RequestError> {
        let Told { side, words, .. } = *told;
        let words::Heeded { on_corruption, overlay } = words::heed(words, side)?;
        let asked = transfer::asked(told)?;
        let (transfers, root) = match side {
            Side::Host => (transfer::directories(asked, side)?, None),
            Side::Initrd => {
                let (elected, root) = root::elect(words, &asked)?;
                (transfer::with_root(asked, elected)?, Some(root))
            }
        };
        Ok(Self {
            transfers,
            root,
            pins: pins(words)?,
            image_policies: image_policies(words),
            image_filter: image_filter(words)?,
            root_mount: mounts::root(words)?,
            usr_mount: mounts::usr(words)?,
            on_corruption,
            overlay,
        })
    }

    /// What to load, in the order in which it was asked for.
    #[must_use]
    pub fn transfers(&self) -> &[Transfer] {
        &self.transfers
    }

    /// Which of it becomes the root; `None` where the system has one.
    #[must_use]
    pub fn root(&self) -> Option<&Root> {
        self.root.as_ref()
    }

    /// Root hashes the command line names.
    #[must_use]
    pub fn pins(&self) -> &[Pin] {
        &self.pins
    }

    /// Which partitions are candidates.
    #[must_use]
    pub fn image_filter(&self) -> &ImageFilter {
        &self.image_filter
    }

    /// What is asked of the mount of the root, and of that of usr.
    #[must_use]
    pub fn mounts(&self) -> (&MountWords, &MountWords) {
        (&self.root_mount, &self.usr_mount)
    }

    /// The file systems that root and usr are held to.
    #[must_use]
    pub fn filesystems(&self) -> Vec<(PartitionDesignator, Stated<FileSystemSet>)> {
        let of =
            |designator, words: &MountWords| words.filesystems.clone().map(|set| (designator, set));
        let root = of(PartitionDesignator::Root, &self.root_mount);
        root.into_iter().chain(of(PartitionDesignator::Usr, &self.usr_mount)).collect()
    }

    /// What is to be done about bad blocks, at least.
    #[must_use]
    pub fn on_corruption(&self) -> &[Stated<OnCorruption>] {
        &self.on_corruption
    }

    /// The word that asks for a root that can be written to and forgets.
    #[must_use]
    pub fn overlay(&self) -> Option<&str> {
        self.overlay.as_deref()
    }

    /// Image policies the command line adds, unparsed.
    #[must_use]
    pub fn image_policies(&self) -> &[String] {
        &self.image_policies
    }
}

/// The value of a key that may be given several times only if it says the same each time.
fn single<'w>(words: &'w [Word], key: &str) -> Result<Option<&'w Word>, RequestError> {
    single_of(words, &[key])
}

/// The same over several spellings of a key.
fn single_of<'w>(words: &'w [Word], keys: &[&str]) -> Result<Option<&'w Word>, RequestError> {
    let mut found: Option<&Word> = None;
    for word in words.iter().filter(|word| keys.contains(&word.key.as_str())) {
        if found.is_some_and(|earlier| earlier.value != word.value) {
            return Err(RequestError::Conflict { word: word.shown() });
        }
        found = Some(word);
    }
    Ok(found)
}

fn pins(words: &[Word]) -> Result<Vec<Pin>, RequestError> {
    let mut pins = Vec::new();
    for (key, designator) in
        [("roothash", PartitionDesignator::Root), ("usrhash", PartitionDesignator::Usr)]
    {
        let Some(word) = single(words, key)? else { continue };
        let root_hash = word
            .value
            .as_deref()
            .and_then(RootHashClaim::from_hex)
            .ok_or_else(|| RequestError::Pin { word: word.shown() })?;
        let word = word.shown();
        pins.push(Pin { designator, root_hash, origin: Origin::KernelWord(word.clone()), word });
    }
    Ok(pins)
}

fn image_policies(words: &[Word]) -> Vec<String> {
    words
        .iter()
        .filter(|word| word.key == "systemd.image-policy" || word.key == "rd.systemd.image-policy")
        .map(|word| word.value.clone().unwrap_or_default())
        .collect()
}

/// The one filter; with or without `rd.`, and always the same if it is given twice. systemd takes
/// the last one, and none for an empty one: which was meant would be a guess.
fn image_filter(words: &[Word]) -> Result<ImageFilter, RequestError> {
    let keys = ["systemd.image-filter", "rd.systemd.image-filter"];
    let Some(word) = single_of(words, &keys)? else { return Ok(ImageFilter::default()) };
    ImageFilter::parse(word.value.as_deref().unwrap_or_default())
        .map_err(|error| RequestError::ImageFilter { word: word.shown(), error })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmdline::words;
    use crate::image_filter::FilterError;

    const PULL: &str = "rd.systemd.pull=raw,machine,verify=no,blockdev:image:http://h/image.raw";

    fn request(rest: &str) -> Result<Request, RequestError> {
        let words = words(&format!("quiet {PULL} {rest}")).unwrap();
        let boot_url = &Err(BootOriginError::Missing);
        Request::read(&Told { side: Side::Initrd, words: &words, credential: None, boot_url })
    }

    #[test]
    fn pins_are_whole_root_hashes() {
        let hash = "ab".repeat(32);
        let read = request(&format!("roothash={hash}")).unwrap();
        assert_eq!(read.pins().first().map(|pin| pin.root_hash.to_string()), Some(hash.clone()));
        for word in ["roothash".to_owned(), "roothash=".to_owned(), format!("usrhash={hash}00")] {
            assert_eq!(request(&word).unwrap_err(), RequestError::Pin { word: word.clone() });
        }
        let other = "cd".repeat(32);
        let conflict = format!("roothash={hash} roothash={other}");
        assert!(matches!(request(&conflict), Err(RequestError::Conflict { .. })));
        assert!(request(&format!("roothash={hash} roothash={hash}")).is_ok());
    }

    #[test]
    fn both_spellings_of_the_image_policy_count() {
        let read = request("systemd.image_policy=root=signed rd.systemd.image_policy=~").unwrap();
        assert_eq!(read.image_policies(), ["root=signed", "~"]);
    }

    #[test]
    fn an_image_filter_is_one_filter() {
        let filter = ImageFilter::parse("root=v*").unwrap();
        for word in ["systemd.image_filter=root=v*", "rd.systemd.image_filter=root=v*"] {
            assert_eq!(request(word).unwrap().image_filter(), &filter);
        }
        assert_eq!(request("").unwrap().image_filter(), &ImageFilter::default());
        for word in ["systemd.image-filter", "systemd.image-filter="] {
            let (error, word) = (FilterError::Empty, word.to_owned());
            assert_eq!(request(&word).unwrap_err(), RequestError::ImageFilter { word, error });
        }
        let two = "systemd.image_filter=root=a rd.systemd.image_filter=root=b";
        assert!(matches!(request(two), Err(RequestError::Conflict { .. })));
    }
}
