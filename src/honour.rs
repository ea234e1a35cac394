// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Demands that this version can't meet.
//!
//! **In:** the policy and the request. **Out:** nothing. **Refuses:** what would go unheeded, before
//! the network is touched.

use crate::authenticate::AuthenticateError;
use crate::designator::PartitionDesignator;
use crate::error::Error;
use crate::loader;
use crate::policy_file::EffectivePolicy;
use crate::request::pull::Format;
use crate::request::{Request, RequestError, RootDevice, Transfer};

/// Refuses what the policy and the words ask for and this boot would not do.
///
/// # Errors
/// A [`RequestError`] that names the key or the word; a pin that nothing could meet.
pub fn honour(policy: &EffectivePolicy, request: &Request) -> Result<(), Error> {
    let tree = request.root().is_some_and(|it| it.device == RootDevice::Directory);
    if let (true, Some(pin)) = (tree, request.pins().first()) {
        let (designator, pin) = (pin.designator, pin.clone());
        return Err(AuthenticateError::PinUnused { designator, pin }.into());
    }
    can_expose(policy, request)?;
    // A tree is mounted read-only, whatever it becomes.
    let writes = |it: &Transfer| it.format() == Format::Tar && it.asks_for_writes();
    if request.transfers().iter().any(writes) {
        return Err(unsupported("rw of rd.systemd.pull=tar").into());
    }
    Ok(request.transfers().iter().try_for_each(|it| loader::permits(it.url(), policy))?)
}

/// Refuses words about the root that this version does not do as told.
fn can_expose(policy: &EffectivePolicy, request: &Request) -> Result<(), RequestError> {
    // Whether the root takes writes is the policy's to say.
    let overlay = policy.boot().overlay.value;
    if let Some(word) = request.overlay().filter(|_| !overlay) {
        return Err(unsupported(word));
    }
    let Some(root) = request.root() else { return Ok(()) };
    let has_root = policy.rule(PartitionDesignator::Root).0.uses.may_be_used();
    if root.device == RootDevice::Tmpfs && has_root {
        return Err(unsupported(&root.word));
    }
    let (of_root, of_usr) = request.mounts();
    let has_usr = policy.rule(PartitionDesignator::Usr).0.uses.may_be_used();
    if !has_usr && !of_usr.flags.is_empty() {
        return Err(unsupported("mount.usrflags="));
    }
    for (asked, takes_writes) in [(of_root, overlay), (of_usr, false)] {
        if let Some((true, word)) = asked.writable.as_ref().filter(|_| !takes_writes) {
            return Err(unsupported(word));
        }
    }
    Ok(())
}

/// What this version does not do.
#[must_use]
pub fn unsupported(word: &str) -> RequestError {
    RequestError::Unsupported { word: word.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cmdline::words;
    use crate::policy_file::Statements;
    use crate::request::boot_origin::BootOriginError;
    use crate::request::{Side, Told};

    #[test]
    fn a_tree_that_takes_writes_is_not_promised() {
        let policy = EffectivePolicy::new(Statements::default()).unwrap();
        let honoured = |options: &str, root: &str| {
            let text = format!("rd.systemd.pull={options},verify=no:i:https://h/i {root}");
            let (words, boot_url) = (words(&text).unwrap(), &Err(BootOriginError::Missing));
            let told = Told { side: Side::Initrd, words: &words, credential: None, boot_url };
            honour(&policy, &Request::read(&told).unwrap()).map_err(|it| it.to_string())
        };
        let tree = "root=bind:/run/machines/i";
        assert_eq!(honoured("tar,machine", tree), Ok(()));
        assert_eq!(honoured("tar,machine,ro", tree), Ok(()));
        let refused = honoured("tar,machine,rw", tree).unwrap_err();
        assert!(refused.contains("rw of rd.systemd.pull=tar"), "{refused}");
    }
}
