//! Which functions and tests there are, read from the sources line by line.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::path::Path;

/// Where code and tests lie.
const FOLDERS: [&str; 2] = ["core", "host-linux"];

/// The functions of each file, and all tests.
#[derive(Debug, Default)]
pub struct Sources {
    functions: BTreeMap<String, BTreeSet<String>>,
    tests: BTreeSet<String>,
}

/// The name of the function that a line begins.
fn function(line: &str) -> Option<&str> {
    let before = line.find("fn ")?;
    let qualifiers = ["pub", "const", "async", "unsafe"];
    let qualified = line[..before]
        .split_whitespace()
        .all(|word| qualifiers.contains(&word) || word.starts_with("pub("));
    let name = line[before + 3..].split(|c: char| !c.is_alphanumeric() && c != '_').next()?;
    (qualified && !name.is_empty()).then_some(name)
}

impl Sources {
    /// Those of the tree at `root`.
    ///
    /// # Errors
    ///
    /// A file could not be read.
    pub fn read(root: &Path) -> Result<Self, Box<dyn Error>> {
        let mut sources = Self::default();
        for folder in FOLDERS {
            sources.add_folder(root, folder)?;
        }
        Ok(sources)
    }

    fn add_folder(&mut self, root: &Path, folder: &str) -> Result<(), Box<dyn Error>> {
        for entry in fs::read_dir(root.join(folder))? {
            let entry = entry?;
            let name = format!("{folder}/{}", entry.file_name().to_string_lossy());
            if entry.file_type()?.is_dir() {
                if !name.ends_with("/target") {
                    self.add_folder(root, &name)?;
                }
            } else if name.ends_with(".rs") {
                self.add(&name, &fs::read_to_string(entry.path())?);
            }
        }
        Ok(())
    }

    /// Takes note of a file.
    pub fn add(&mut self, name: &str, text: &str) {
        let mut is_test = false;
        for line in text.lines().map(str::trim) {
            is_test |= line == "#[test]";
            let Some(function) = function(line) else { continue };
            self.functions.entry(name.to_string()).or_default().insert(function.to_string());
            if is_test {
                self.tests.insert(function.to_string());
            }
            is_test = false;
        }
    }

    /// Whether `path:function` exists.
    #[must_use]
    pub fn has_function(&self, place: &str) -> bool {
        let Some((file, function)) = place.split_once(':') else { return false };
        self.functions.get(file).is_some_and(|all| all.contains(function))
    }

    /// Whether there is a test of this name.
    #[must_use]
    pub fn has_test(&self, name: &str) -> bool {
        self.tests.contains(name)
    }

    /// All tests.
    pub fn tests(&self) -> impl Iterator<Item = &String> {
        self.tests.iter()
    }
}
