//! The source files of the project, read once.
//!
//! What it is: every file under the root with its text. What it is NOT: build output. Folders named `target` or
//! `.git`, folders that cargo marked as a cache, and the findings of fuzzing are left out. The rules read it.

use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};

/// Folders under `fuzz/` that the fuzzer fills.
const FUZZ_OUTPUT: [&str; 3] = ["artifacts", "corpus", "coverage"];

/// The files of the project by their path from the root, with `/` between folders.
#[derive(Debug, Default)]
pub struct Tree {
    /// Text, or `None` for a file that is not UTF-8.
    files: BTreeMap<String, Option<String>>,
}

impl Tree {
    /// Reads the project under `root`.
    ///
    /// # Errors
    /// When a folder or file cannot be read.
    pub fn read(root: &Path) -> io::Result<Self> {
        let mut tree = Self::default();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(&folder)? {
                let entry = entry?;
                let kind = entry.file_type()?;
                if kind.is_dir() && !is_output(&entry.path()) {
                    folders.push(entry.path());
                } else if kind.is_file() {
                    tree.take(root, entry.path())?;
                }
            }
        }
        Ok(tree)
    }

    fn take(&mut self, root: &Path, file: PathBuf) -> io::Result<()> {
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            // An editor's temporary file that went away between the listing and the reading.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(error),
        };
        let path = file.strip_prefix(root).expect("the walk starts at the root");
        let path = path.components().map(|part| part.as_os_str().to_string_lossy());
        let path = path.collect::<Vec<_>>().join("/");
        self.files.insert(path, String::from_utf8(bytes).ok());
        Ok(())
    }

    /// The text files: path and text, in the order of their paths.
    pub(crate) fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.iter().filter_map(|(path, text)| Some((path.as_str(), text.as_deref()?)))
    }

    /// The text files whose names end with `ending`.
    pub(crate) fn ending(&self, ending: &str) -> impl Iterator<Item = (&str, &str)> {
        self.files().filter(move |(path, _)| path.ends_with(ending))
    }

    /// The text of one file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path)?.as_deref()
    }

    /// Whether `path` is a file or a folder of the project; the root is the empty path.
    pub(crate) fn contains(&self, path: &str) -> bool {
        if path.is_empty() || self.files.contains_key(path) {
            return true;
        }
        let folder = format!("{path}/");
        let mut after = self.files.range(folder.clone()..);
        after.next().is_some_and(|(path, _)| path.starts_with(&folder))
    }

    /// A project made of the given files, for the tests of the rules.
    #[cfg(test)]
    pub(crate) fn sample(files: &[(&str, &str)]) -> Self {
        let owned = |(path, text): &(&str, &str)| ((*path).to_owned(), Some((*text).to_owned()));
        Self { files: files.iter().map(owned).collect() }
    }
}

fn is_output(folder: &Path) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let in_fuzz = folder.parent().is_some_and(|parent| parent.ends_with("fuzz"));
    matches!(&*name, "target" | ".git")
        || folder.join("CACHEDIR.TAG").exists()
        || (in_fuzz && FUZZ_OUTPUT.contains(&&*name))
}

#[cfg(test)]
mod tests {
    use super::Tree;

    #[test]
    fn folders_are_known_by_their_files() {
        let tree = Tree::sample(&[("a/b/c.rs", ""), ("a-b.rs", "")]);
        assert!(tree.contains("a"));
        assert!(tree.contains("a/b"));
        assert!(tree.contains("a/b/c.rs"));
        assert!(!tree.contains("a/c"));
        assert!(!tree.contains("b"));
    }
}
