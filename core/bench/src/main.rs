//! Benchmarks of hikyaku beside its peers.

fn main() {}
