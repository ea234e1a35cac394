// SPDX-License-Identifier: MIT OR Apache-2.0
#![forbid(unsafe_code)]
//! The kernel that `make guest-kernel` unpacked, and its modules in the order they load.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// A kernel on disk.
#[derive(Debug)]
pub struct Kernel {
    image: PathBuf,
    /// By name, underscores only: where the module is; nowhere if it is built in.
    modules: BTreeMap<String, Option<PathBuf>>,
}

/// One module, with its content.
#[derive(Debug)]
pub struct Module {
    /// Its name, underscores only.
    pub name: String,
    /// The object file.
    pub object: Vec<u8>,
}

impl Kernel {
    /// The kernel under `build/kernel`.
    ///
    /// # Panics
    /// If there is none, with a hint: what can't be tested has not passed.
    #[must_use]
    pub fn find() -> Self {
        Self::in_tree(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../build/kernel"))
            .unwrap_or_else(|| panic!("no kernel to boot: run `make guest-kernel` first"))
    }

    /// The later kernel under `build/kernel-keyring`: one whose dm-verity has a keyring of its own.
    ///
    /// # Panics
    /// If there is none, with a hint.
    #[must_use]
    pub fn with_verity_keyring() -> Self {
        Self::in_tree(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../build/kernel-keyring"))
            .unwrap_or_else(|| panic!("no such kernel: run `make boot-keyring`"))
    }

    fn in_tree(tree: &Path) -> Option<Self> {
        let image = fs::read_dir(tree.join("boot"))
            .ok()?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.to_string_lossy().contains("/vmlinuz-"))?;
        let mut modules = BTreeMap::new();
        collect(&tree.join("lib/modules"), &mut modules);
        Some(Self { image, modules })
    }

    /// The file an emulator boots.
    #[must_use]
    pub fn image(&self) -> &Path {
        &self.image
    }

    /// `wanted` and everything they need, each after what it needs, less what is built in.
    ///
    /// # Panics
    /// If this kernel has no such module.
    #[must_use]
    pub fn modules(&self, wanted: &[&str]) -> Vec<Module> {
        let mut ordered = Vec::new();
        for name in wanted {
            self.add(name, &mut ordered);
        }
        ordered
    }

    /// Whether it has a module of that name, or has it built in.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.modules.contains_key(&name.replace('-', "_"))
    }

    fn add(&self, name: &str, ordered: &mut Vec<Module>) {
        let name = name.replace('-', "_");
        if ordered.iter().any(|module| module.name == name) {
            return;
        }
        let path = self.modules.get(&name).unwrap_or_else(|| panic!("no kernel module {name}"));
        let Some(path) = path else { return };
        let object = fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        for needed in depends(&object) {
            self.add(&needed, ordered);
        }
        ordered.push(Module { name, object });
    }
}

fn collect(directory: &Path, modules: &mut BTreeMap<String, Option<PathBuf>>) {
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            collect(&path, modules);
        } else if path.ends_with("modules.builtin") {
            let listing = fs::read_to_string(&path).unwrap();
            modules.extend(listing.lines().map(|line| (module_name(Path::new(line)), None)));
        } else if path.extension().is_some_and(|extension| extension == "ko") {
            modules.insert(module_name(&path), Some(path));
        }
    }
}

fn module_name(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().replace('-', "_")
}

/// The names after `depends=` in the `.modinfo` section: NUL-separated `key=value` texts.
fn depends(object: &[u8]) -> Vec<String> {
    object
        .split(|byte| *byte == 0)
        .find_map(|text| text.strip_prefix(b"depends="))
        .map(|names| String::from_utf8_lossy(names).into_owned())
        .unwrap_or_default()
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_comes_after_what_it_needs() {
        let tree = tempfile::tempdir().unwrap();
        assert!(Kernel::in_tree(tree.path()).is_none());
        let file = |path: &str, content: &str| {
            let path = tree.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content).unwrap();
        };
        file("boot/vmlinuz-1", "");
        file("lib/modules/1/modules.builtin", "kernel/crypto/sha-generic.ko\n");
        file("lib/modules/1/kernel/top.ko", "\x7fELF\0depends=low-one,low_two\0name=top\0");
        file("lib/modules/1/kernel/fs/low-one.ko", "\x7fELF\0depends=\0name=low_one\0");
        file("lib/modules/1/kernel/fs/low_two.ko", "\x7fELF\0license=GPL\0");

        let modules =
            Kernel::in_tree(tree.path()).unwrap().modules(&["sha-generic", "top", "low-one"]);
        let names: Vec<_> = modules.into_iter().map(|module| module.name).collect();
        assert_eq!(names, ["low_one", "low_two", "top"]);
    }
}
