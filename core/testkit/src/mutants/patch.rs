//! Unified diffs of one file, and how they are applied: by what they say stands there, which must
//! stand there exactly once. Line numbers are not asked, so that they need not be kept current.

/// A run of lines, before and after.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hunk {
    /// What must stand there.
    pub old: String,
    /// What takes its place.
    pub new: String,
}

/// A change of one file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    /// The file, from the root of the workspace.
    pub file: String,
    /// The changes in it.
    pub hunks: Vec<Hunk>,
}

impl Patch {
    /// Reads a diff as `diff -u` and `git diff` write it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(diff: &str) -> Result<Self, String> {
        let mut patch = Self { file: String::new(), hunks: Vec::new() };
        for line in diff.split_inclusive('\n') {
            if let Some(name) = line.strip_prefix("+++ b/") {
                if !patch.file.is_empty() {
                    return Err("it changes more than one file".to_string());
                }
                patch.file = name.trim_end().to_string();
            } else if line.starts_with("@@ ") {
                patch.hunks.push(Hunk { old: String::new(), new: String::new() });
            } else if let Some(hunk) = patch.hunks.last_mut() {
                let text = line.get(1..).unwrap_or("");
                match line.as_bytes().first() {
                    Some(b' ') => {
                        hunk.old.push_str(text);
                        hunk.new.push_str(text);
                    }
                    Some(b'-') => hunk.old.push_str(text),
                    Some(b'+') => hunk.new.push_str(text),
                    _ => return Err(format!("`{}` belongs in no diff", line.trim_end())),
                }
            }
        }
        if patch.file.is_empty() || patch.hunks.is_empty() {
            return Err("it has no `+++ b/FILE` or no `@@`".to_string());
        }
        Ok(patch)
    }

    /// The text of the file with the change in it.
    ///
    /// # Errors
    /// It no longer applies.
    pub fn apply(&self, text: &str) -> Result<String, String> {
        let mut text = text.to_string();
        for hunk in &self.hunks {
            let places = text.matches(&hunk.old).count();
            if places != 1 || hunk.old.is_empty() {
                let (file, old) = (&self.file, &hunk.old);
                return Err(format!("no longer applies: {places} times in {file}:\n{old}"));
            }
            text = text.replacen(&hunk.old, &hunk.new, 1);
        }
        Ok(text)
    }

    /// How many lines it takes out and puts in, whichever is more.
    #[must_use]
    pub fn lines(&self) -> usize {
        self.hunks.iter().map(|hunk| changed(&hunk.old, &hunk.new)).sum()
    }
}

/// Lines between the common beginning and the common end.
fn changed(old: &str, new: &str) -> usize {
    let (old, new): (Vec<_>, Vec<_>) = (old.lines().collect(), new.lines().collect());
    let front = old.iter().zip(&new).take_while(|(a, b)| a == b).count();
    let (old, new) = (&old[front..], &new[front..]);
    let back = old.iter().rev().zip(new.iter().rev()).take_while(|(a, b)| a == b).count();
    old.len().max(new.len()) - back
}
