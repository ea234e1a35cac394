// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! Whether a policy file says anything at all.
//!
//! **In:** a file as it was read. **Out:** whether it has a single statement: one without may be cut
//! off, or meant for somebody else. **Refuses:** nothing; [`PolicyFile::parse`] does.

use super::PolicyFile;

impl PolicyFile {
    pub(super) fn states_nothing(&self) -> bool {
        let Self { path: _, image_policy, filesystems, revoked, signers, credentials, .. } = self;
        let trust = self.certificates.is_none()
            && self.kernel_keyring.is_none()
            && self.command_line.is_none()
            && self.minimum_version.is_none();
        let transport = self.mirrors.is_none()
            && self.plain_http.is_none()
            && self.tls_roots.is_none()
            && self.proxy.is_none()
            && self.size_max.is_none()
            && self.budget.is_none()
            && self.memory_reserve.is_none()
            && self.openpgp_keyring.is_none();
        let archive = self.archive.is_none()
            && self.archive_devices.is_none()
            && self.archive_set_id.is_none();
        let boot = self.on_corruption.is_none()
            && self.on_refusal.is_none()
            && self.hold.is_none()
            && self.overlay.is_none()
            && self.required.is_none()
            && self.deadline.is_none()
            && self.extensions.is_empty();
        let lists = filesystems.is_empty() && revoked.is_empty() && signers.is_empty();
        let lists = lists && credentials.is_empty();
        image_policy.is_none() && lists && trust && transport && archive && boot
    }
}
