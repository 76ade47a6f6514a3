//! Replays every fuzz corpus, so that what fuzzing once met is met in every `cargo test`.

use hikyaku_testkit::fuzz::{TARGETS, seeds};
use std::path::{Path, PathBuf};
use std::{env, fs};

fn corpus(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus").join(target)
}

#[test]
fn every_corpus_is_replayed() {
    for target in TARGETS {
        let folder = corpus(target.name);
        let files = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
        let mut replayed = 0;
        for file in files {
            let path = file.expect("a readable folder").path();
            // The name is on standard output, which is shown where the target panics.
            println!("{}", path.display());
            (target.run)(&fs::read(&path).expect("a readable seed"));
            replayed += 1;
        }
        assert!(replayed > 0, "{folder:?} is empty");
    }
}

/// With `HIKYAKU_WRITE_SEEDS=1` this writes the files first: after a change of the list.
#[test]
fn written_seeds_are_what_the_list_says() {
    for seed in seeds::all() {
        let path = corpus(seed.target).join(&seed.name);
        if env::var_os("HIKYAKU_WRITE_SEEDS").is_some() {
            fs::create_dir_all(corpus(seed.target)).expect("a writable folder");
            fs::write(&path, &seed.bytes).expect("a writable seed");
        }
        let there = fs::read(&path).unwrap_or_else(|error| {
            panic!("{path:?}: {error}; HIKYAKU_WRITE_SEEDS=1 writes the listed seeds")
        });
        assert_eq!(there, seed.bytes, "{path:?}");
    }
}

#[test]
fn each_target_is_a_door_with_a_corpus() {
    let doors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/fuzz_targets");
    for door in fs::read_dir(&doors).expect("fuzz/fuzz_targets") {
        let path = door.expect("a readable folder").path();
        let text = fs::read_to_string(&path).expect("a readable target");
        assert!(text.lines().count() <= 30, "{path:?}: a door has at most 30 lines");
        let name = path.file_stem().and_then(|name| name.to_str()).expect("a plain name");
        let built = TARGETS.iter().any(|target| target.name == name);
        assert!(
            built || !cfg!(all(feature = "ethernet", feature = "ipv6", feature = "dhcp")),
            "{name} is not in hikyaku_testkit::fuzz::TARGETS"
        );
    }
}
