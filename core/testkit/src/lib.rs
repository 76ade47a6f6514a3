//! What hikyaku's tests, fuzz targets and benchmarks share.

pub mod fuzz;
