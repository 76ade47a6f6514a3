//! A laboratory for tests: shell scripts inside `hikyaku run`, with files, a time limit and the
//! stack's counters. The test process itself never enters a namespace.

// Each test file uses its own part of this.
#![allow(dead_code, unreachable_pub)]

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};
use sha2::{Digest, Sha256};

/// The program under test.
pub const HIKYAKU: &str = env!("CARGO_BIN_EXE_hikyaku");
/// What every script must be done in where nothing else is said.
pub const LIMIT: Duration = Duration::from_secs(60);

/// What came of a command.
pub struct Report {
    pub status: ExitStatus,
    pub seconds: f64,
    pub stdout: String,
    pub stderr: String,
}

impl Report {
    /// A counter as `-v` prints it, zero if it is not there.
    pub fn counter(&self, name: &str) -> u64 {
        counter(&self.stderr, name)
    }

    /// Fails the test if connections still hold anything of the pools.
    #[track_caller]
    pub fn assert_nothing_held(&self) {
        for pool in ["connections", "half_open", "time_wait", "blocks", "records"] {
            let held = self.counter(&format!("{pool}_held"));
            assert_eq!(held, 0, "{pool}:\n{}", self.stderr);
        }
    }

    /// Fails the test unless the command has ended well.
    #[track_caller]
    pub fn succeeded(self) -> Self {
        assert!(self.status.success(), "{}\n{}\n{}", self.status, self.stdout, self.stderr);
        self
    }
}

/// A counter in a text as `-v` prints it, zero if it is not there.
pub fn counter(text: &str, name: &str) -> u64 {
    let prefix = format!("hikyaku: {name}: ");
    let lines = text.lines().filter_map(|line| line.strip_prefix(&prefix));
    lines.map(|count| count.parse::<u64>().expect("a count")).sum()
}

/// A folder of its own for a test, removed when the test has passed.
pub struct Lab {
    folder: PathBuf,
    limit: Duration,
}

impl Lab {
    pub fn new(name: &str) -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let unique = format!("{name}-{}-{number}", std::process::id());
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(unique);
        fs::create_dir_all(&folder).unwrap();
        Self { folder, limit: LIMIT }
    }

    /// The same with another time limit.
    pub fn within(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    pub fn read(&self, name: &str) -> String {
        String::from_utf8_lossy(&fs::read(self.path(name)).unwrap_or_default()).into_owned()
    }

    /// Writes a file of `size` octets that look random, different for each `seed`.
    pub fn sample(&self, name: &str, size: usize, seed: u64) {
        let mut state = seed | 1 << 40;
        let octets: Vec<u8> = (0..size)
            .map(|_| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 32) as u8
            })
            .collect();
        fs::write(self.path(name), octets).unwrap();
    }

    /// Fails the test unless both files have the same SHA-256, and something in them.
    #[track_caller]
    pub fn assert_equal(&self, one: &str, other: &str) {
        let digest = |name| {
            let octets = fs::read(self.path(name)).unwrap();
            assert!(!octets.is_empty(), "{name} is empty");
            (octets.len(), Sha256::digest(&octets))
        };
        assert_eq!(digest(one), digest(other), "{one} and {other} differ");
    }

    /// Runs `hikyaku` with these arguments.
    pub fn hikyaku(&self, args: &[&str]) -> Report {
        self.finish(Command::new(HIKYAKU).args(args))
    }

    /// Runs a script beside the stack, in the lab's folder; `args` are hikyaku's own.
    ///
    /// The script finds `$HIKYAKU`, `$NC`, `$HIKYAKU_ADDR` and `$HIKYAKU_ADDR6`, and stops at its
    /// first failure.
    #[track_caller]
    pub fn script(&self, args: &[&str], script: &str) -> Report {
        // What an earlier script left must not look like this one's.
        let _ = fs::remove_file(self.path("err"));
        let text = format!("set -eu\n{PRELUDE}\n{script}\n");
        let mut command = Command::new(HIKYAKU);
        command.arg("-v").args(args).args(["run", "--echo", "7", "--discard", "9"]);
        command.args(["--chargen", "19", "--", "sh", "-c", &text]);
        let report = self.finish(&mut command);
        // Exit code 3 is ours, and the message names the remedy.
        assert_ne!(report.status.code(), Some(3), "not permitted: {}", report.stderr);
        report
    }

    /// Runs a script in a network namespace without any stack of ours, in the lab's folder.
    ///
    /// As root that is one without a user namespace, in which dnsmasq refuses to start as root.
    #[track_caller]
    pub fn network(&self, script: &str) -> Report {
        if !rustix::process::geteuid().is_root() {
            return self.script(&[], script);
        }
        let text = format!("set -eu\nip link set lo up\n{PRELUDE}\n{script}\n");
        self.finish(Command::new("unshare").args(["-n", "sh", "-c", &text]))
    }

    /// Runs a command to its end, at most for [`LIMIT`] or what was said instead.
    #[track_caller]
    pub fn finish(&self, command: &mut Command) -> Report {
        let files = ["stdout", "stderr"].map(|name| fs::File::create(self.path(name)).unwrap());
        let [stdout, stderr] = files;
        command.current_dir(&self.folder).env("HIKYAKU", HIKYAKU).env("NC", nc());
        // A home that is there: tshark crashes without one.
        command.env("HOME", &self.folder);
        command.stdin(Stdio::null()).stdout(stdout).stderr(stderr).process_group(0);
        let start = Instant::now();
        let mut child = command.spawn().unwrap();
        let group = Pid::from_child(&child);
        let mut status = None;
        while status.is_none() && start.elapsed() < self.limit {
            std::thread::sleep(Duration::from_millis(2));
            status = child.try_wait().unwrap();
        }
        let seconds = start.elapsed().as_secs_f64();
        // The group holds this one command and what a failed script leaves running.
        let _ = kill_process_group(group, Signal::KILL);
        let Some(status) = status else {
            let _ = child.wait();
            panic!("not done after {:?}: {}", self.limit, self.read("stderr"));
        };
        Report { status, seconds, stdout: self.read("stdout"), stderr: self.read("stderr") }
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        // What a failed test leaves behind is worth a look.
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

/// Waits for what others do, with a limit.
const PRELUDE: &str = r#"
wait_for() { # COMMAND...: until it succeeds
    tries=0
    until "$@"; do
        tries=$((tries + 1))
        if [ $tries -gt "${PATIENCE:-250}" ]; then echo "waited in vain for: $*" >&2; exit 99; fi
        sleep 0.02
    done
}
# To be run by `sh -c`, in whatever namespace, with `sh PORT` behind it.
KERNEL_LISTENS='grep -qi ":$(printf %04X "$1") 0*:0000 0A" /proc/net/tcp /proc/net/tcp6'
we_listen() { # FILE: the stderr of a `hikyaku listen`
    grep -q 'listening on' "$1"
}
"#;

/// OpenBSD's nc, or what plays its part.
pub fn nc() -> &'static str {
    static NC: OnceLock<String> = OnceLock::new();
    NC.get_or_init(|| {
        let help = Command::new("nc").arg("-h").stdin(Stdio::null()).output();
        if help.is_ok_and(|output| String::from_utf8_lossy(&output.stderr).contains("OpenBSD")) {
            return "nc".to_owned();
        }
        stand_in("OpenBSD's nc", "netcat-openbsd", "kernel sockets of our own");
        format!("{HIKYAKU} kernel-nc")
    })
}

/// Says that a tool is missing and what plays its part, or fails where tools are required.
#[track_caller]
pub fn stand_in(tool: &str, package: &str, instead: &str) {
    let text = format!("{tool} is missing (try: apt install {package})");
    assert!(std::env::var_os("HIKYAKU_REQUIRE_TOOLS").is_none_or(|value| value != "1"), "{text}");
    println!("{text}; {instead} play its part");
}

/// Whether a program starts at all.
pub fn is_there(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok()
}

/// Fails with the remedy where a tool without a stand-in is missing.
#[track_caller]
pub fn require(program: &str, package: &str) {
    assert!(is_there(program), "{program} is missing; try: apt install {package}");
}
