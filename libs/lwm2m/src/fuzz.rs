//! Entry points for fuzzers. Absent: the fuzzer.
