//! Every example runs to its end and says what it should.

use std::path::Path;
use std::process::Command;

/// What the examples need beside the defaults; the test has the same, so that nothing is built
/// twice.
const FEATURES: &str = "alloc,edge-nal,embassy-net-driver,embassy-time";

fn run(example: &str) -> String {
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["run", "--quiet", "--locked", "-p", "hikyaku", "--features", FEATURES]);
    let output = cargo.args(["--example", example]).output().expect("cargo runs");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let wrong = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{example} failed:\n{said}{wrong}");
    said
}

#[test]
fn examples_say_what_they_should() {
    let expected: [(&str, &[&str]); 5] = [
        ("echo", &["20000 octets went out and came back"]),
        ("server", &["192.168.69.1:", " came\n", " is done\n", "3 served: [\"ONE\\n\""]),
        ("client", &["the page says: This is /index.html."]),
        ("static_storage", &["one connection takes ", "a second connection: no connection slot"]),
        ("async", &["192.168.69.1:", " came\n", "20000 octets went out and came back"]),
    ];
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("examples");
    let files = std::fs::read_dir(folder).expect("the examples");
    let mut names: Vec<String> = files
        .map(|file| file.expect("a readable folder").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "rs"))
        .map(|path| path.file_stem().expect("a name").to_string_lossy().into_owned())
        .collect();
    let mut tested: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
    names.sort();
    tested.sort_unstable();
    assert_eq!(names, tested, "each example is run");
    for (example, words) in expected {
        let said = run(example);
        for word in words {
            assert!(said.contains(word), "{example} does not say {word:?}:\n{said}");
        }
    }
}
