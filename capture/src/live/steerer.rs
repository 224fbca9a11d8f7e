//! The XDP program of an interface, if this build has any.

#[cfg(feature = "xdp")]
pub use built::Steerer;
#[cfg(not(feature = "xdp"))]
pub use missing::Steerer;

#[cfg(feature = "xdp")]
mod built {
    use std::os::fd::BorrowedFd;

    use steer::{Action, AttachMode, Counters, Error, HashSettings, Program, ProgramSettings};

    /// The program of an interface; it goes from the interface when this is dropped.
    #[derive(Debug)]
    pub struct Steerer(Program);

    impl Steerer {
        /// What the program did so far.
        ///
        /// # Errors
        /// In words, when the kernel does not tell.
        pub fn counters(&self) -> Result<Counters, String> {
            self.0.counters().map_err(|error| error.to_string())
        }

        /// Keeps so many thousandths of the flows from now on.
        ///
        /// # Errors
        /// In words.
        pub fn set_shed(&self, keep_permille: u32) -> Result<(), String> {
            self.0.set_shed(keep_permille).map_err(|error| error.to_string())
        }

        /// Loads it on an interface, native if the driver can, for frames in several buffers if
        /// `buffers`.
        pub(crate) fn load(
            interface: u32,
            hash: HashSettings,
            buffers: bool,
            generic: bool,
        ) -> Result<Steerer, String> {
            let modes: &[AttachMode] =
                if generic { &[AttachMode::Generic] } else { AttachMode::ALL };
            let settings = ProgramSettings {
                interface,
                hash,
                // A sensor's interface has no other use; nothing of its traffic is the host's.
                empty_slot: Action::Drop,
                multi_buffer: buffers,
                modes,
                ..ProgramSettings::default()
            };
            Program::load(&settings).map(Steerer).map_err(|error: Error| error.to_string())
        }

        /// The modes that were refused, and why.
        pub(crate) fn notes(&self) -> impl Iterator<Item = String> {
            self.0.tried().iter().map(|one| format!("no {:?} mode: {}", one.mode, one.reason))
        }

        /// `native` or `generic`.
        pub(crate) fn mode(&self) -> &'static str {
            match self.0.mode() {
                AttachMode::Native => "native",
                AttachMode::Generic => "generic",
            }
        }

        /// What metadata of this program begin with.
        pub(crate) fn magic(&self) -> u32 {
            self.0.metadata_magic()
        }

        /// Frames of a queue go to this socket.
        pub(crate) fn set_socket(&self, queue: u32, socket: BorrowedFd<'_>) -> Result<(), String> {
            self.0.set_socket(queue, socket).map_err(|error| error.to_string())
        }
    }
}

#[cfg(not(feature = "xdp"))]
mod missing {
    use std::os::fd::BorrowedFd;

    use steer::{Counters, HashSettings};

    /// The program of an interface: there is none in a build without the feature `xdp`.
    #[derive(Debug)]
    pub enum Steerer {}

    impl Steerer {
        /// What the program did so far.
        ///
        /// # Errors
        /// None: nobody has a value of this type.
        pub fn counters(&self) -> Result<Counters, String> {
            match *self {}
        }

        /// Keeps so many thousandths of the flows from now on.
        ///
        /// # Errors
        /// None: nobody has a value of this type.
        pub fn set_shed(&self, _keep_permille: u32) -> Result<(), String> {
            match *self {}
        }

        pub(crate) fn load(
            _interface: u32,
            _hash: HashSettings,
            _buffers: bool,
            _generic: bool,
        ) -> Result<Steerer, String> {
            Err("this build is without it (cargo build --features xdp)".to_owned())
        }

        pub(crate) fn notes(&self) -> std::iter::Empty<String> {
            match *self {}
        }

        pub(crate) fn mode(&self) -> &'static str {
            match *self {}
        }

        pub(crate) fn magic(&self) -> u32 {
            match *self {}
        }

        pub(crate) fn set_socket(
            &self,
            _queue: u32,
            _socket: BorrowedFd<'_>,
        ) -> Result<(), String> {
            match *self {}
        }
    }
}
