//! Tests of it. Absent: more.
