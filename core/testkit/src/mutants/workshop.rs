//! A copy of the workspace in a temporary folder, in which tests are built and run.

use std::fs::{self, File};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::Catcher;

/// How long tests may run that pass without a fault, and how long with one: a time-out means that
/// something loops for ever.
const CONTROL_LIMIT: Duration = Duration::from_secs(10);
const LIMIT: Duration = Duration::from_secs(30);
/// How much memory tests may take, KiB: what loops for ever may also grow for ever.
const MEMORY: u32 = 4 << 20;
/// How much of what the compiler says is told.
const ERROR_LINES: usize = 20;

/// What came of tests.
pub(super) enum Outcome {
    /// They passed, so many of them.
    Passed {
        tests: usize,
    },
    /// These failed.
    Failed(Vec<String>),
    NotBuilt(String),
}

/// The copy, removed when this is dropped.
pub(super) struct Workshop {
    folder: PathBuf,
}

impl Workshop {
    pub(super) fn set_up(root: &Path) -> io::Result<Self> {
        let folder = std::env::temp_dir().join(format!("hikyaku-mutants-{}", std::process::id()));
        // Nobody else may have made it: what is built in it is run.
        fs::create_dir(&folder)?;
        let workshop = Self { folder };
        for file in files(root)? {
            let (from, to) = (root.join(&file), workshop.tree().join(&file));
            // What is listed may have been removed since.
            if from.is_file() {
                fs::create_dir_all(to.parent().unwrap_or(&workshop.folder))?;
                // Without its times: what is new here is built.
                fs::write(to, fs::read(from)?)?;
            }
        }
        Ok(workshop)
    }

    /// Where the copy is.
    pub(super) fn tree(&self) -> PathBuf {
        self.folder.join("tree")
    }

    /// Everything must pass as it is, in far less than the time limit.
    pub(super) fn control(&self, catchers: &[Catcher]) -> Result<(), String> {
        for catcher in catchers {
            let executable = self.build(catcher)?;
            let start = Instant::now();
            match self.execute(&executable, catcher) {
                Outcome::Passed { tests: 0 } => return Err(format!("`{catcher}` names no test")),
                Outcome::Passed { .. } => {}
                Outcome::Failed(tests) => {
                    return Err(format!("`{catcher}` fails without a fault: {}", tests.join(", ")));
                }
                Outcome::NotBuilt(error) => return Err(error),
            }
            if start.elapsed() > CONTROL_LIMIT {
                return Err(format!("`{catcher}` takes {} s", start.elapsed().as_secs()));
            }
        }
        Ok(())
    }

    pub(super) fn test(&self, catcher: &Catcher) -> Outcome {
        match self.build(catcher) {
            Ok(executable) => self.execute(&executable, catcher),
            Err(error) => Outcome::NotBuilt(error),
        }
    }

    /// Builds the tests; returns what is to be run.
    fn build(&self, catcher: &Catcher) -> Result<PathBuf, String> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or("cargo".into()));
        cargo
            .args(["test", "-q", "--offline", "--locked", "--no-run", "-p", "hikyaku"])
            .arg("--message-format=json-render-diagnostics")
            .current_dir(self.tree())
            .stdin(Stdio::null())
            .env("CARGO_TARGET_DIR", self.folder.join("target"))
            .env("CARGO_PROFILE_TEST_DEBUG", "false")
            .env("CARGO_PROFILE_DEV_DEBUG", "false");
        match &catcher.target {
            Some(target) => cargo.args(["--test", target]),
            None => cargo.arg("--lib"),
        };
        let output = cargo.output().map_err(|error| error.to_string())?;
        if !output.status.success() {
            let errors = String::from_utf8_lossy(&output.stderr);
            let at = errors.find("error").unwrap_or(0);
            let lines: Vec<_> = errors[at..].lines().take(ERROR_LINES).collect();
            return Err(lines.join("\n"));
        }
        let messages = String::from_utf8_lossy(&output.stdout);
        messages
            .lines()
            .filter_map(|line| line.split_once("\"executable\":\"")?.1.split('"').next())
            .next_back()
            .map(PathBuf::from)
            .ok_or("cargo names no executable".to_string())
    }

    fn execute(&self, executable: &Path, catcher: &Catcher) -> Outcome {
        match self.observe(executable, catcher) {
            Ok((status, printed)) => judge(status, &printed),
            Err(error) => Outcome::NotBuilt(error.to_string()),
        }
    }

    /// Runs tests to their end, or for the time limit: then there is no status.
    fn observe(
        &self,
        executable: &Path,
        catcher: &Catcher,
    ) -> io::Result<(Option<ExitStatus>, String)> {
        let log = self.folder.join("log");
        let mut child = Command::new("sh")
            .arg("-c")
            .arg(format!("ulimit -v {MEMORY}; exec \"$0\" \"$@\""))
            .arg(executable)
            .args(Some(&catcher.filter).filter(|filter| !filter.is_empty()))
            .current_dir(self.tree().join("core"))
            .stdin(Stdio::null())
            .stdout(File::create(&log)?)
            .stderr(Stdio::null())
            // One failing input is enough: no search for a smaller one, no file that keeps it.
            .env("PROPTEST_MAX_SHRINK_ITERS", "0")
            .env("PROPTEST_DISABLE_FAILURE_PERSISTENCE", "1")
            .spawn()?;
        let status = wait(&mut child)?;
        let printed = fs::read(&log)?;
        Ok((status, String::from_utf8_lossy(&printed).into_owned()))
    }
}

impl Drop for Workshop {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Waits for the end, or ends it.
fn wait(child: &mut Child) -> io::Result<Option<ExitStatus>> {
    let end = Instant::now() + LIMIT;
    while Instant::now() < end {
        if let Some(status) = child.try_wait()? {
            return Ok(Some(status));
        }
        sleep(Duration::from_millis(10));
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

/// What a test executable has said.
fn judge(status: Option<ExitStatus>, printed: &str) -> Outcome {
    let Some(status) = status else {
        return Outcome::Failed(vec!["time-out".to_string()]);
    };
    if let Some(signal) = status.signal() {
        return Outcome::Failed(vec![format!("signal {signal}")]);
    }
    if status.success() {
        let passed = printed.split_once("test result: ok. ").and_then(|(_, rest)| {
            let (count, _) = rest.split_once(" passed")?;
            count.parse().ok()
        });
        return Outcome::Passed { tests: passed.unwrap_or(0) };
    }
    let failed = printed.lines().filter_map(|line| {
        let name = line.strip_prefix("test ")?;
        name.strip_suffix(" ... FAILED").or(name.strip_suffix(" - should panic ... FAILED"))
    });
    let failed: Vec<_> = failed.map(str::to_string).collect();
    if failed.is_empty() {
        return Outcome::NotBuilt(format!("the tests end with {status} and no failed test"));
    }
    Outcome::Failed(failed)
}

/// All files that are, or could be, under version control; without one all but what is built.
fn files(root: &Path) -> io::Result<Vec<PathBuf>> {
    let listed = Command::new("git")
        .args(["ls-files", "-z", "--cached", "--others", "--exclude-standard"])
        .current_dir(root)
        .output();
    if let Ok(listed) = listed
        && listed.status.success()
        && !listed.stdout.is_empty()
    {
        let names = String::from_utf8_lossy(&listed.stdout).into_owned();
        return Ok(names.split_terminator('\0').map(PathBuf::from).collect());
    }
    let mut files = Vec::new();
    walk(root, Path::new(""), &mut files)?;
    Ok(files)
}

fn walk(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), folder.join(entry.file_name()));
        if entry.file_type()?.is_file() {
            files.push(path);
        } else if entry.file_type()?.is_dir() && name != "target" && name != ".git" {
            walk(root, &path, files)?;
        }
    }
    Ok(())
}

/// A number that is the same for the same commit: that of its hash.
pub(super) fn commit_number(root: &Path) -> io::Result<u64> {
    let output = Command::new("git").args(["rev-parse", "HEAD"]).current_dir(root).output()?;
    let hash = String::from_utf8_lossy(&output.stdout).into_owned();
    hash.get(..15)
        .and_then(|front| u64::from_str_radix(front, 16).ok())
        .ok_or_else(|| io::Error::other("no commit to draw by"))
}
