//! Why an XDP program does not run, in words that help.

use crate::attach::Attempt;

/// What went wrong with the program or its tables.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The kernel does not take the program.
    #[error("the XDP program cannot be loaded: {cause}{}", on_new_lines(log))]
    Load {
        /// What the system says.
        cause: libbpf_rs::Error,
        /// What the kernel's verifier and libbpf say.
        log: String,
    },
    /// The interface takes the program in none of the modes that were to be tried.
    #[error("the XDP program cannot be attached to interface {interface}: {}", list(tried))]
    Attach {
        /// Index of the interface.
        interface: u32,
        /// What was tried.
        tried: Vec<Attempt>,
    },
    /// A table of the program cannot be made, read or written.
    #[error("the table {table} of the XDP program: {cause}")]
    Table {
        /// Its name.
        table: &'static str,
        /// What the system says.
        cause: libbpf_rs::Error,
    },
    /// The program has no such table, or it has another form than expected.
    #[error("the XDP program was built without a fitting table {table}")]
    Form {
        /// Its name.
        table: &'static str,
    },
    /// There is no room for so high a queue.
    #[error("queue {queue} is beyond the {limit} queues that the XDP program can serve")]
    Queue {
        /// The queue.
        queue: u32,
        /// How many there can be.
        limit: u32,
    },
    /// A prefix is longer than an address.
    #[error("{address}/{length} is no prefix: the length is at most {limit}")]
    Prefix {
        /// The address.
        address: std::net::IpAddr,
        /// Its stated length.
        length: u8,
        /// The greatest length.
        limit: u8,
    },
    /// A trial run of the program failed.
    #[error("the XDP program cannot be tried on a frame: {cause}")]
    Trial {
        /// What the system says.
        cause: libbpf_rs::Error,
    },
}

fn on_new_lines(log: &str) -> String {
    log.lines().map(|line| format!("\n  {line}")).collect()
}

fn list(tried: &[Attempt]) -> String {
    let words: Vec<String> =
        tried.iter().map(|attempt| format!("{}: {}", attempt.mode, attempt.reason)).collect();
    words.join("; ")
}
