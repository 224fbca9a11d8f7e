//! Why a set can't be had.

/// Why a rule's set can't be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DatasetError {
    /// Paths in rules must stay below the data directory.
    #[error("Absolute paths not allowed: {0}")]
    Absolute(String),
    /// `..` in a path.
    #[error("Directory traversals not allowed: {0}")]
    Traversal(String),
    /// Rules may not write.
    #[error("Rules containing save/state datasets have been disabled")]
    NoWriting,
    /// The first rule that names a set must say its type.
    #[error("dataset {0} not defined")]
    NoType(String),
    /// Two rules disagree.
    #[error("dataset {0} already exists and is of another type")]
    OtherType(String),
    /// The file can't be read.
    #[error("fopen '{path}' failed: {reason}")]
    File {
        /// Path.
        path: String,
        /// Reason.
        reason: String,
    },
    /// A line or document that makes no sense.
    #[error("dataset {name}: {what} in {path}")]
    Value {
        /// Name of the set.
        name: String,
        /// Path.
        path: String,
        /// What was found.
        what: String,
    },
    /// More rows than a set may have.
    #[error(
        "hashsize {rows} in dataset '{name}' exceeds configured 'single-hashsize' limit ({limit})"
    )]
    Rows {
        /// Name of the set.
        name: String,
        /// Rows asked for.
        rows: u32,
        /// The limit.
        limit: u32,
    },
    /// More rows than all sets may have.
    #[error(
        "hashsize in dataset '{name}' exceeds configured 'total-hashsizes' limit ({limit}, in use \
         {used})"
    )]
    AllRows {
        /// Name of the set.
        name: String,
        /// The limit.
        limit: u32,
        /// Rows of the other sets.
        used: u32,
    },
    /// The rows alone take more than the set may.
    #[error("memcap {memcap} of dataset '{name}' is smaller than its {rows} rows need")]
    Memcap {
        /// Name of the set.
        name: String,
        /// The limit.
        memcap: u64,
        /// Rows.
        rows: u32,
    },
}
