//! Jobs: long work on many targets, done in the background, a part a commit, in turns that are fair between accounts.

mod task;

pub use task::{Begun, Chosen, NewJob, Task};
