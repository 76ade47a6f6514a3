//! What hikyaku's tests, fuzz targets and benchmarks share.
