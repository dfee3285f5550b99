//! The machine below all tables: databases, connections, migrations, the writer and its queue.

pub(crate) mod backend;
pub(crate) mod checkpoint;
pub(crate) mod documents;
pub(crate) mod migrate;
pub(crate) mod origin;
pub(crate) mod postgres;
pub(crate) mod queue;
pub(crate) mod readers;
pub(crate) mod sql;
pub(crate) mod sqlite;
pub(crate) mod tls;
pub(crate) mod writer;
