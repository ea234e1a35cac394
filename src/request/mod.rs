// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! What the machine was told: kernel words become one [`Request`].
//!
//! **In:** words of the kernel command line, which may come from the network: they choose what is
//! loaded and may only tighten what is demanded of it.
//! **Out:** a [`Request`]: one image, where it stands, which partition the command line takes for
//! the root, pins and image policies to meet.
//! **Refuses:** words it would have to guess about, and security words it cannot honour: a demand
//! that is not understood ends the boot instead of being left out.

mod error;
pub mod pull;

use crate::cmdline::Word;
use crate::designator::PartitionDesignator;
use crate::digest::RootHashClaim;
use crate::escape::escape;
use crate::finding::Origin;
use crate::image_filter::ImageFilter;
use crate::url::SourceUrl;
pub use error::RequestError;
use pull::{Format, ImageClass, Pull, Remote, TransportCheck};

/// Which device the command line calls the root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootDevice {
    /// Whatever authenticates as root: `dissect`, `gpt-auto`, `/dev/mapper/root`, or nothing said.
    Designated,
    /// `/dev/disk/by-loop-ref/NAME.raw-partN`: slot N, which has to be the one that
    /// authenticates.
    Partition(u32),
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

/// What this boot was asked to load. Made by [`Request::from_words`] alone.
///
/// It can't be put together from parts, or doubled.
///
/// ```
/// # use veriroot::{cmdline::words, request::Request};
/// let words = words("rd.systemd.pull=raw,machine,verify=no:image:http://h/i.raw").unwrap();
/// assert!(Request::from_words(&words).is_ok());
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
    name: String,
    url: SourceUrl,
    root: RootDevice,
    root_word: String,
    pins: Vec<Pin>,
    sha256: Option<[u8; 32]>,
    image_policies: Vec<String>,
    image_filter: ImageFilter,
}

/// Beginnings of keys that say something about security, or about what is mounted over the root,
/// and that this version does not honour. Ignoring one would boot something weaker than what was
/// asked for; and what systemd would mount by it, nobody vouches for.
const UNSUPPORTED: [&str; 10] = [
    "mount.",
    "rd.systemd.mount-",
    "rd.systemd.swap-",
    "rd.systemd.verity",
    "rootflags",
    "rootfstype",
    "systemd.mount-",
    "systemd.swap-",
    "systemd.verity",
    "systemd.volatile",
];

impl Request {
    /// Reads the words of the initrd's command line.
    ///
    /// # Errors
    /// A [`RequestError`] that quotes the word.
    pub fn from_words(words: &[Word]) -> Result<Self, RequestError> {
        if let Some(word) = words.iter().find(|word| is_unsupported(word)) {
            return Err(RequestError::Unsupported { word: word.shown() });
        }
        let pull = pull(words)?;
        let url = SourceUrl::parse(&pull.remote)
            .map_err(|error| RequestError::Url { url: escape(&pull.remote), error })?;
        let root_word = single(words, "root")?;
        let root = root_device(root_word.and_then(|word| word.value.as_deref()), &pull.name)?;
        Ok(Self {
            root_word: root_word.map(Word::shown).unwrap_or_default(),
            root,
            sha256: if let TransportCheck::Sha256(sha256) = pull.check {
                Some(sha256)
            } else {
                None
            },
            pins: pins(words)?,
            image_policies: image_policies(words),
            image_filter: image_filter(words)?,
            name: pull.name,
            url,
        })
    }

    /// Name of the image, without suffix.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it stands.
    #[must_use]
    pub fn url(&self) -> &SourceUrl {
        &self.url
    }

    /// Which device the command line calls the root, and the word that says so.
    #[must_use]
    pub fn root(&self) -> (&RootDevice, &str) {
        (&self.root, &self.root_word)
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

    /// The SHA-256 that the whole file has to have.
    #[must_use]
    pub fn sha256(&self) -> Option<&[u8; 32]> {
        self.sha256.as_ref()
    }

    /// Image policies the command line adds, unparsed.
    #[must_use]
    pub fn image_policies(&self) -> &[String] {
        &self.image_policies
    }
}

fn is_unsupported(word: &Word) -> bool {
    UNSUPPORTED.iter().any(|beginning| word.key.starts_with(beginning))
}

/// The value of a key that may be given several times only if it says the same each time.
fn single<'w>(words: &'w [Word], key: &str) -> Result<Option<&'w Word>, RequestError> {
    let mut found: Option<&Word> = None;
    for word in words.iter().filter(|word| word.key == key) {
        if found.is_some_and(|earlier| earlier.value != word.value) {
            return Err(RequestError::Conflict { word: word.shown() });
        }
        found = Some(word);
    }
    Ok(found)
}

fn pull(words: &[Word]) -> Result<Pull, RequestError> {
    let mut pulls = words.iter().filter(|word| word.key == "rd.systemd.pull");
    let word = pulls.next().ok_or(RequestError::NoPull)?;
    if pulls.next().is_some() {
        return Err(RequestError::SeveralPulls);
    }
    let expression = word.value.as_deref().unwrap_or_default();
    let pull = Pull::parse(expression)
        .map_err(|error| RequestError::Pull { expression: escape(expression), error })?;
    let unsupported = if pull.format == Format::Tar {
        Some("tar")
    } else if pull.class != ImageClass::Machine {
        Some("any class but machine")
    } else if matches!(pull.check, TransportCheck::Signature | TransportCheck::Checksum) {
        Some("verify=signature (also where no verify= is given) and verify=checksum")
    } else if pull.base == Remote::BootOrigin {
        Some("bootorigin")
    } else {
        None
    };
    match unsupported {
        Some(word) => Err(RequestError::Unsupported { word: word.to_owned() }),
        None => Ok(pull),
    }
}

fn root_device(value: Option<&str>, name: &str) -> Result<RootDevice, RequestError> {
    let Some(value) = value else { return Ok(RootDevice::Designated) };
    if ["dissect", "dissect-force", "gpt-auto", "gpt-auto-force", "/dev/mapper/root"]
        .contains(&value)
    {
        return Ok(RootDevice::Designated);
    }
    value
        .strip_prefix("/dev/disk/by-loop-ref/")
        .and_then(|rest| rest.strip_prefix(name))
        .and_then(|rest| rest.strip_prefix(".raw-part"))
        .filter(|digits| digits.bytes().all(|b| b.is_ascii_digit()) && !digits.starts_with('0'))
        .and_then(|digits| digits.parse().ok())
        .map(RootDevice::Partition)
        .ok_or_else(|| RequestError::RootDevice { device: escape(value) })
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
    let mut given: Option<&Word> = None;
    for key in ["systemd.image-filter", "rd.systemd.image-filter"] {
        let Some(word) = single(words, key)? else { continue };
        if given.is_some_and(|earlier| earlier.value != word.value) {
            return Err(RequestError::Conflict { word: word.shown() });
        }
        given = Some(word);
    }
    let Some(word) = given else { return Ok(ImageFilter::default()) };
    ImageFilter::parse(word.value.as_deref().unwrap_or_default())
        .map_err(|error| RequestError::ImageFilter { word: word.shown(), error })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmdline::words;
    use crate::image_filter::FilterError;

    const PULL: &str = "rd.systemd.pull=raw,machine,verify=no,blockdev:image:http://h/image.raw";
    const ROOT: &str = "root=/dev/disk/by-loop-ref/image.raw-part2";

    fn request(rest: &str) -> Result<Request, RequestError> {
        Request::from_words(&words(&format!("quiet {PULL} {rest}")).unwrap())
    }

    #[test]
    fn reads_the_announced_command_line() {
        let request = request(ROOT).unwrap();
        assert_eq!(request.name(), "image");
        assert_eq!(request.root(), (&RootDevice::Partition(2), ROOT));
        assert!(request.pins().is_empty() && request.image_policies().is_empty());
    }

    #[test]
    fn a_root_is_one_that_this_image_can_become() {
        for root in ["", "root=dissect", "root=gpt-auto", "root=/dev/mapper/root"] {
            assert_eq!(request(root).unwrap().root().0, &RootDevice::Designated, "{root}");
        }
        for root in [
            "/dev/sda1",
            "/dev/disk/by-loop-ref/image.raw",
            "/dev/disk/by-loop-ref/other.raw-part2",
            "/dev/disk/by-loop-ref/image.raw-part02",
            "/dev/disk/by-loop-ref/image.raw-part+2",
            "/dev/disk/by-loop-ref/image.raw-part4294967296",
            "tmpfs",
        ] {
            assert_eq!(
                request(&format!("root={root}")).unwrap_err(),
                RequestError::RootDevice { device: root.to_owned() }
            );
        }
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

    #[test]
    fn security_words_it_cannot_honour_end_the_boot() {
        for word in [
            "systemd.verity=0",
            "rd.systemd.verity=0",
            "systemd.verity_root_options=ignore-corruption",
            "systemd.mount-extra=h:/x:/usr:nfs",
            "rd.systemd.mount-extra=h:/x:/usr:nfs",
            "systemd.swap-extra=/dev/sda1",
            "systemd.volatile=overlay",
            "mount.usr=/dev/sda1",
            "mount.usrflags=rw",
            "rootflags=rw",
            "rootfstype=ext4",
        ] {
            assert!(matches!(request(word), Err(RequestError::Unsupported { .. })), "{word}");
        }
        let tar = words("rd.systemd.pull=tar,machine,verify=no:i:http://h/i.tar").unwrap();
        assert!(matches!(Request::from_words(&tar), Err(RequestError::Unsupported { .. })));
        let twice = words(&format!("{PULL} {PULL}")).unwrap();
        assert_eq!(Request::from_words(&twice).unwrap_err(), RequestError::SeveralPulls);
        assert_eq!(Request::from_words(&[]).unwrap_err(), RequestError::NoPull);
    }
}
