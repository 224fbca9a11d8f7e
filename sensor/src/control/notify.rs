//! What the service manager is told: ready, reloading, stopping, and that the sensor lives.

use std::env;
use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::{Duration, Instant};

use sd_notify::NotifyState;

/// The way to the service manager. The socket is connected early, so that it stays in reach when
/// the process gives up its rights.
#[derive(Debug, Default)]
pub(crate) struct Notify {
    manager: Option<UnixDatagram>,
    /// How often a sign of life is due.
    interval: Option<Duration>,
    last_sign: Option<Instant>,
}

impl Notify {
    /// To the manager that started the process (`NOTIFY_SOCKET`, `WATCHDOG_USEC`); without one,
    /// nobody is told anything.
    ///
    /// # Errors
    /// When a manager is named and cannot be reached.
    pub(crate) fn from_environment() -> io::Result<Self> {
        let Some(address) = env::var_os("NOTIFY_SOCKET") else { return Ok(Self::default()) };
        Self::to(&address, sd_notify::watchdog_enabled())
    }

    /// To the manager at a socket, which wants signs of life within a time. An address that
    /// begins with `@` is in the abstract namespace.
    ///
    /// # Errors
    /// When the manager cannot be reached.
    pub(crate) fn to(address: &OsStr, watchdog: Option<Duration>) -> io::Result<Self> {
        let socket = UnixDatagram::unbound()?;
        match address.as_bytes().strip_prefix(b"@") {
            Some(name) => socket.connect_addr(&SocketAddr::from_abstract_name(name)?)?,
            None => socket.connect(address)?,
        }
        // A manager that does not read must not hold the sensor up.
        socket.set_nonblocking(true)?;
        // Half of what it allows, as sd_watchdog_enabled(3) advises.
        let interval = watchdog.map(|limit| limit / 2);
        Ok(Self { manager: Some(socket), interval, last_sign: None })
    }

    /// The sensor works.
    ///
    /// # Errors
    /// When the manager cannot be told; also with all below.
    pub(crate) fn ready(&self, status: &str) -> io::Result<()> {
        self.tell(&[NotifyState::Ready, NotifyState::Status(&one_line(status))])
    }

    /// Rules are being loaded anew; [`Notify::ready`] ends it.
    pub(crate) fn reloading(&self, status: &str) -> io::Result<()> {
        self.tell(&[
            NotifyState::Reloading,
            NotifyState::monotonic_usec_now()?,
            NotifyState::Status(&one_line(status)),
        ])
    }

    /// The sensor is about to end.
    pub(crate) fn stopping(&self, status: &str) -> io::Result<()> {
        self.tell(&[NotifyState::Stopping, NotifyState::Status(&one_line(status))])
    }

    /// What the sensor does, in a line.
    pub(crate) fn status(&self, status: &str) -> io::Result<()> {
        self.tell(&[NotifyState::Status(&one_line(status))])
    }

    /// Stopping or starting takes longer.
    pub(crate) fn extend(&self, by: Duration) -> io::Result<()> {
        let micros = u32::try_from(by.as_micros()).unwrap_or(u32::MAX);
        self.tell(&[NotifyState::ExtendTimeoutUsec(micros)])
    }

    /// A sign of life, given if one is due. Who calls this has seen all workers move.
    pub(crate) fn alive(&mut self, now: Instant) -> io::Result<()> {
        let Some(interval) = self.interval else { return Ok(()) };
        let is_due = self.last_sign.is_none_or(|last| now.duration_since(last) >= interval);
        if is_due {
            self.tell(&[NotifyState::Watchdog])?;
            self.last_sign = Some(now);
        }
        Ok(())
    }

    fn tell(&self, states: &[NotifyState<'_>]) -> io::Result<()> {
        let Some(manager) = &self.manager else { return Ok(()) };
        let text: String = states.iter().map(|state| format!("{state}\n")).collect();
        manager.send(text.as_bytes()).map(drop)
    }
}

/// The manager takes each line for a message of its own.
fn one_line(text: &str) -> String {
    text.replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Says something to a manager of our own and compares what arrives.
    fn check(manager: &UnixDatagram, said: io::Result<()>, expected: Option<&str>) {
        said.unwrap();
        let mut buffer = [0; 512];
        match (manager.recv(&mut buffer), expected) {
            (Ok(length), Some(expected)) => {
                assert_eq!(std::str::from_utf8(&buffer[..length]).unwrap(), expected);
            }
            (Err(error), None) => assert_eq!(error.kind(), io::ErrorKind::WouldBlock),
            (got, expected) => panic!("got {got:?}, expected {expected:?}"),
        }
    }

    #[test]
    fn a_manager_hears_of_each_state() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        manager.set_nonblocking(true).unwrap();
        let mut notify = Notify::to(path.as_os_str(), Some(Duration::from_secs(10))).unwrap();
        check(&manager, notify.ready("4 workers"), Some("READY=1\nSTATUS=4 workers\n"));
        check(&manager, notify.status("a\nREADY=1"), Some("STATUS=a READY=1\n"));
        check(
            &manager,
            notify.extend(Duration::from_secs(2)),
            Some("EXTEND_TIMEOUT_USEC=2000000\n"),
        );
        check(&manager, notify.stopping("bye"), Some("STOPPING=1\nSTATUS=bye\n"));

        assert_eq!(notify.interval, Some(Duration::from_secs(5)));
        let start = Instant::now();
        check(&manager, notify.alive(start), Some("WATCHDOG=1\n"));
        check(&manager, notify.alive(start + Duration::from_secs(4)), None);
        check(&manager, notify.alive(start + Duration::from_secs(5)), Some("WATCHDOG=1\n"));

        notify.reloading("rules").unwrap();
        let mut buffer = [0; 512];
        let length = manager.recv(&mut buffer).unwrap();
        let text = std::str::from_utf8(&buffer[..length]).unwrap();
        let time = text.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").unwrap();
        let time = time.strip_suffix("\nSTATUS=rules\n").unwrap();
        assert!(time.parse::<u64>().unwrap() > 0);
    }

    #[test]
    fn abstract_addresses_are_reached() {
        let name = format!("notify-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).unwrap();
        let manager = UnixDatagram::bind_addr(&address).unwrap();
        manager.set_nonblocking(true).unwrap();
        let notify = Notify::to(OsStr::new(&format!("@{name}")), None).unwrap();
        check(&manager, notify.status("here"), Some("STATUS=here\n"));
    }

    #[test]
    fn without_a_manager_nothing_happens() {
        let mut notify = Notify::default();
        assert_eq!(notify.interval, None);
        notify.ready("x").and_then(|()| notify.stopping("x")).unwrap();
        notify.alive(Instant::now()).unwrap();
        assert!(Notify::to(OsStr::new("/nowhere/notify"), None).is_err());
    }

    #[test]
    fn a_manager_that_does_not_read_holds_nobody_up() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let _manager = UnixDatagram::bind(&path).unwrap();
        let notify = Notify::to(path.as_os_str(), None).unwrap();
        let refused = (0..100_000).find_map(|_| notify.status("more").err());
        assert_eq!(refused.unwrap().kind(), io::ErrorKind::WouldBlock);
    }
}
