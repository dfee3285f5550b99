//! Fixed runs of mutated traffic through the fuzzing entry points.
