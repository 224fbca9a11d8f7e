//! What signals ask for: SIGTERM and SIGINT stop, SIGHUP reopens outputs, SIGUSR2 reloads rules.

use std::io::{self, Read};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use signal_hook::SigId;
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGUSR2};
use signal_hook::flag::register_conditional_default;
use signal_hook::low_level::{pipe, unregister};

/// What somebody asks the process for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Asked {
    /// End in order: what is in work is finished.
    Stop,
    /// End at once: it was asked to stop before.
    StopNow,
    /// Close the output files and open them by name again; somebody has moved them away.
    Reopen,
    /// Load the rules anew.
    Reload,
}

/// Receives signals. Several of the same kind that nobody has fetched yet are one, except that
/// the second wish to stop is a stronger one.
#[derive(Debug)]
pub(crate) struct Signals {
    /// A byte for each signal of any kind: what a waiting thread wakes up from.
    wake: UnixStream,
    /// A byte for each wish to stop, so that they can be counted.
    stops: UnixStream,
    stopping: bool,
    reopen: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
    /// A wish to stop ends the process at once: there is nothing to finish yet.
    is_starting: Arc<AtomicBool>,
    registered: Vec<SigId>,
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the system does not let signals be handled.
    pub(crate) fn listen() -> io::Result<Self> {
        let signals = Self::listen_from_start()?;
        signals.begin();
        Ok(signals)
    }

    /// Listens from now on, but until [`Signals::begin`] a wish to stop ends the process at once.
    ///
    /// # Errors
    /// When the system does not let signals be handled.
    pub(crate) fn listen_from_start() -> io::Result<Self> {
        let (wake, wake_end) = UnixStream::pair()?;
        let (stops, stops_end) = UnixStream::pair()?;
        stops.set_nonblocking(true)?;
        let mut signals = Self {
            wake,
            stops,
            stopping: false,
            reopen: Arc::default(),
            reload: Arc::default(),
            is_starting: Arc::new(AtomicBool::new(true)),
            registered: Vec::new(),
        };
        // Actions run in the order in which they are registered: first the wish, then the waking.
        for signal in [SIGINT, SIGTERM] {
            let starting = Arc::clone(&signals.is_starting);
            signals.registered.push(register_conditional_default(signal, starting)?);
            signals.registered.push(pipe::register(signal, stops_end.try_clone()?)?);
        }
        for (signal, flag) in [(SIGHUP, &signals.reopen), (SIGUSR2, &signals.reload)] {
            let id = signal_hook::flag::register(signal, Arc::clone(flag))?;
            signals.registered.push(id);
        }
        for signal in [SIGINT, SIGTERM, SIGHUP, SIGUSR2] {
            signals.registered.push(pipe::register(signal, wake_end.try_clone()?)?);
        }
        Ok(signals)
    }

    /// From now on there is something to finish when the process is to stop.
    pub(crate) fn begin(&self) {
        self.is_starting.store(false, Ordering::Relaxed);
    }

    /// The most urgent wish, if there is one.
    pub(crate) fn poll(&mut self) -> Option<Asked> {
        let wishes = self.count_stops();
        if wishes > 0 {
            let again = self.stopping || wishes > 1;
            self.stopping = true;
            return Some(if again { Asked::StopNow } else { Asked::Stop });
        }
        if self.reload.swap(false, Ordering::Relaxed) {
            return Some(Asked::Reload);
        }
        self.reopen.swap(false, Ordering::Relaxed).then_some(Asked::Reopen)
    }

    /// Waits for a wish, no longer than a time.
    pub(crate) fn wait(&mut self, longest: Duration) -> Option<Asked> {
        let start = Instant::now();
        loop {
            if let Some(asked) = self.poll() {
                return Some(asked);
            }
            let left = longest.saturating_sub(start.elapsed());
            // A time of 0 would mean: without end.
            if left.is_zero() || self.wake.set_read_timeout(Some(left)).is_err() {
                return None;
            }
            let mut bytes = [0; 64];
            match (&self.wake).read(&mut bytes) {
                // Old bytes, whose wishes were fetched already, lead to another round.
                Ok(1..) => {}
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(_) | Err(_) => return self.poll(),
            }
        }
    }

    fn count_stops(&self) -> usize {
        let mut bytes = [0; 64];
        (&self.stops).read(&mut bytes).unwrap_or_default()
    }
}

impl Drop for Signals {
    fn drop(&mut self) {
        for id in self.registered.drain(..) {
            unregister(id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use signal_hook::low_level::raise;
    use std::process::Command;
    use std::thread;

    const SCENARIO: &str = "SIGNALS_SCENARIO";

    /// Signals are the process's, and other tests share it: this one has a process of its own.
    #[test]
    fn each_signal_asks_for_its_own() {
        if std::env::var_os(SCENARIO).is_some() {
            return play();
        }
        let module = module_path!().split_once("::").unwrap().1;
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", &format!("{module}::each_signal_asks_for_its_own")])
            .env(SCENARIO, "")
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success() && said.contains("1 passed"), "{}: {said}", output.status);
    }

    fn play() {
        let mut signals = Signals::listen().unwrap();
        let check = |signals: &mut Signals, sent: &[i32], expected: &[Asked]| {
            sent.iter().for_each(|&signal| raise(signal).unwrap());
            let got: Vec<Asked> = std::iter::from_fn(|| signals.poll()).collect();
            assert_eq!(got, expected, "after {sent:?}");
        };
        check(&mut signals, &[], &[]);
        check(&mut signals, &[SIGHUP], &[Asked::Reopen]);
        check(&mut signals, &[SIGUSR2, SIGUSR2], &[Asked::Reload]);
        check(&mut signals, &[SIGHUP, SIGUSR2], &[Asked::Reload, Asked::Reopen]);
        check(&mut signals, &[SIGHUP, SIGTERM], &[Asked::Stop, Asked::Reopen]);
        check(&mut signals, &[SIGINT], &[Asked::StopNow]);

        // Bytes of signals that were fetched by polling do not end a wait.
        let start = Instant::now();
        assert_eq!(signals.wait(Duration::from_millis(50)), None);
        assert!(start.elapsed() >= Duration::from_millis(50));
        assert_eq!(signals.wait(Duration::ZERO), None);

        let sender = thread::spawn(|| {
            thread::sleep(Duration::from_millis(50));
            raise(SIGHUP).unwrap();
        });
        assert_eq!(signals.wait(Duration::from_secs(60)), Some(Asked::Reopen));
        sender.join().unwrap();

        let mut fresh = Signals::listen().unwrap();
        check(&mut fresh, &[SIGINT, SIGTERM], &[Asked::StopNow]);
    }
}
