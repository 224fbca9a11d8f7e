//! Asks and tells network drivers by the ethtool ioctl: queues, rings, RSS, offloads, flags.
//!
//! The only module with unsafe code of this crate. Numbers and layouts are those of the kernel's
//! `linux/ethtool.h`, which are part of its stable interface.
#![allow(unsafe_code)]

use std::{
    collections::BTreeMap,
    io,
    os::fd::{AsRawFd, OwnedFd},
};

use rustix::net::{AddressFamily, SocketFlags, SocketType};

use crate::{
    facts::{Channels, Coalescing, Feature, Pause, Rings, Rss},
    setting::{Flow, Transform},
};

const GDRVINFO: u32 = 0x03;
const GCOALESCE: u32 = 0x0e;
const SCOALESCE: u32 = 0x0f;
const GRINGPARAM: u32 = 0x10;
const SRINGPARAM: u32 = 0x11;
const GPAUSEPARAM: u32 = 0x12;
const SPAUSEPARAM: u32 = 0x13;
const GSTRINGS: u32 = 0x1b;
const GRXFH: u32 = 0x29;
const SRXFH: u32 = 0x2a;
const GSSET_INFO: u32 = 0x37;
const GFEATURES: u32 = 0x3a;
const SFEATURES: u32 = 0x3b;
const GCHANNELS: u32 = 0x3c;
const SCHANNELS: u32 = 0x3d;
const GRSSH: u32 = 0x46;
const SRSSH: u32 = 0x47;

/// The string set with the names of features.
const FEATURE_NAMES: u32 = 4;
const NAME_BYTES: usize = 32;
/// The kernel has 64 features and room for 128; a buffer for names always has room for these.
const MOST_FEATURES: usize = 256;
/// `ETHTOOL_F_UNSUPPORTED`: a feature that was to change is fixed.
const UNSUPPORTED: i32 = 1;
/// Says in a request that the indirection table stays as it is.
const NO_INDIRECTION: u32 = u32::MAX;
/// No card has a longer key or table.
const MOST_RSS_WORDS: usize = 65_536;

/// Hash functions by the kernel's bit.
const FUNCTIONS: [(u8, &str); 3] = [(1, "toeplitz"), (2, "xor"), (4, "crc32")];

/// The features that are read: those that change what capture sees, or where.
const OFFLOADS: [&str; 15] = [
    "rx-gro",
    "rx-gro-hw",
    "rx-gro-list",
    "rx-udp-gro-forwarding",
    "rx-lro",
    "rx-vlan-hw-parse",
    "rx-vlan-filter",
    "rx-checksum",
    "rx-hashing",
    "rx-ntuple-filter",
    "tx-generic-segmentation",
    "tx-tcp-segmentation",
    "tx-tcp6-segmentation",
    "tx-udp-segmentation",
    "tx-vlan-hw-insert",
];

/// A socket for requests to drivers.
pub(crate) struct Ethtool {
    socket: OwnedFd,
}

impl Ethtool {
    pub(crate) fn open() -> io::Result<Self> {
        let flags = SocketFlags::CLOEXEC;
        let socket = rustix::net::socket_with(AddressFamily::INET, SocketType::DGRAM, flags, None)?;
        Ok(Self { socket })
    }

    pub(crate) fn driver(&self, interface: &str) -> io::Result<String> {
        let answer = self.ask(interface, request(GDRVINFO, 49))?;
        Ok(text(&answer, 4, NAME_BYTES))
    }

    pub(crate) fn channels(&self, interface: &str) -> io::Result<Channels> {
        let answer = self.ask(interface, request(GCHANNELS, 9))?;
        let word = |at| word(&answer, at);
        Ok(Channels {
            max_rx: word(1),
            max_tx: word(2),
            max_combined: word(4),
            rx: word(5),
            tx: word(6),
            other: word(7),
            combined: word(8),
        })
    }

    pub(crate) fn set_channels(
        &self,
        interface: &str,
        (rx, tx, combined): (u32, u32, u32),
    ) -> io::Result<()> {
        let mut words = self.ask(interface, request(GCHANNELS, 9))?;
        set(&mut words, &[(0, SCHANNELS), (5, rx), (6, tx), (8, combined)]);
        self.ask(interface, words).map(drop)
    }

    pub(crate) fn rings(&self, interface: &str) -> io::Result<Rings> {
        let answer = self.ask(interface, request(GRINGPARAM, 9))?;
        let word = |at| word(&answer, at);
        Ok(Rings { max_rx: word(1), max_tx: word(4), rx: word(5), tx: word(8) })
    }

    pub(crate) fn set_rings(&self, interface: &str, rx: u32, tx: u32) -> io::Result<()> {
        let mut words = self.ask(interface, request(GRINGPARAM, 9))?;
        set(&mut words, &[(0, SRINGPARAM), (5, rx), (8, tx)]);
        self.ask(interface, words).map(drop)
    }

    pub(crate) fn pause(&self, interface: &str) -> io::Result<Pause> {
        let answer = self.ask(interface, request(GPAUSEPARAM, 4))?;
        let on = |at| word(&answer, at) != 0;
        Ok(Pause { autonegotiate: on(1), rx: on(2), tx: on(3) })
    }

    pub(crate) fn set_pause(&self, interface: &str, pause: Pause) -> io::Result<()> {
        let values = [u32::from(pause.autonegotiate), pause.rx.into(), pause.tx.into()];
        let words = [&[SPAUSEPARAM][..], &values].concat();
        self.ask(interface, words).map(drop)
    }

    pub(crate) fn coalescing(&self, interface: &str) -> io::Result<Coalescing> {
        let answer = self.ask(interface, request(GCOALESCE, 23))?;
        Ok(Coalescing { rx_usecs: word(&answer, 1), adaptive_rx: word(&answer, 10) != 0 })
    }

    pub(crate) fn set_coalescing(&self, interface: &str, to: Coalescing) -> io::Result<()> {
        let mut words = self.ask(interface, request(GCOALESCE, 23))?;
        let adaptive = u32::from(to.adaptive_rx);
        set(&mut words, &[(0, SCOALESCE), (1, to.rx_usecs), (10, adaptive)]);
        self.ask(interface, words).map(drop)
    }

    pub(crate) fn offloads(&self, interface: &str) -> io::Result<BTreeMap<String, Feature>> {
        let names = self.feature_names(interface)?;
        let state = self.features(interface, names.len())?;
        let known = names.iter().enumerate().filter(|(_, name)| OFFLOADS.contains(&name.as_str()));
        Ok(known.map(|(bit, name)| (name.clone(), state.feature(bit))).collect())
    }

    pub(crate) fn set_offload(&self, interface: &str, name: &str, on: bool) -> io::Result<()> {
        let names = self.feature_names(interface)?;
        let bit = names.iter().position(|known| known == name).ok_or(io::ErrorKind::NotFound)?;
        let blocks = names.len().div_ceil(32);
        let mut words = request(SFEATURES, 2 + blocks * 2);
        let mask = 1 << (bit % 32);
        let at = 2 + bit / 32 * 2;
        let wanted = if on { mask } else { 0 };
        set(&mut words, &[(1, u32::try_from(blocks).unwrap_or(0)), (at, mask), (at + 1, wanted)]);
        match self.exchange(interface, &mut words)? {
            answer if answer & UNSUPPORTED != 0 => Err(io::ErrorKind::Unsupported.into()),
            _ => Ok(()),
        }
    }

    pub(crate) fn rss(&self, interface: &str) -> io::Result<Rss> {
        let answer = self.rss_words(interface)?;
        let (slots, key_bytes) = rss_sizes(&answer);
        let [function, transform, ..] = word(&answer, 4).to_ne_bytes();
        let table = answer.get(6..6 + slots).unwrap_or_default().to_vec();
        let bytes: Vec<u8> =
            answer.iter().skip(6 + slots).flat_map(|word| word.to_ne_bytes()).collect();
        let key = bytes.iter().take(key_bytes).map(|byte| format!("{byte:02x}")).collect();
        let function = FUNCTIONS.iter().find(|(bit, _)| *bit == function);
        let function = function.map_or("", |(_, name)| *name);
        let transform = Transform::from_bits(transform);
        Ok(Rss { function: function.to_owned(), transform, key, indirection: table })
    }

    /// Sets function and transform, and of key and table what `make_key` and `make_table` give for
    /// the card's sizes; what they don't give stays as it is. Without a name the function stays.
    pub(crate) fn set_rss(
        &self,
        interface: &str,
        (function, transform): (&str, Transform),
        make_key: impl Fn(usize) -> Option<Vec<u8>>,
        make_table: impl Fn(usize) -> Option<Vec<u32>>,
    ) -> io::Result<()> {
        let (slots, key_bytes) = rss_sizes(&self.rss_words(interface)?);
        let key = make_key(key_bytes).unwrap_or_default();
        let table = make_table(slots).filter(|table| !table.is_empty());
        if !(key.is_empty() || key.len() == key_bytes)
            || table.as_ref().is_some_and(|table| table.len() != slots)
        {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let function = FUNCTIONS.iter().find(|(_, name)| *name == function);
        let function = function.map_or(0, |(bit, _)| *bit);
        let indirection = match &table {
            Some(table) => u32::try_from(table.len()).unwrap_or(0),
            None => NO_INDIRECTION,
        };
        let functions = u32::from_ne_bytes([function, transform.bits(), 0, 0]);
        let key_size = u32::try_from(key.len()).unwrap_or(0);
        let mut words = request(SRSSH, 6);
        set(&mut words, &[(2, indirection), (3, key_size), (4, functions)]);
        words.extend(table.unwrap_or_default());
        words.extend(key.chunks(4).map(|chunk| {
            let mut bytes = [0; 4];
            for (to, from) in bytes.iter_mut().zip(chunk) {
                *to = *from;
            }
            u32::from_ne_bytes(bytes)
        }));
        self.ask(interface, words).map(drop)
    }

    pub(crate) fn flow_hash(&self, interface: &str, flow: Flow) -> io::Result<String> {
        let mut words = request(GRXFH, 48);
        set(&mut words, &[(1, flow.code())]);
        let answer = self.ask(interface, words)?;
        Ok(Flow::letters(quad(&answer, 2)))
    }

    pub(crate) fn set_flow_hash(
        &self,
        interface: &str,
        flow: Flow,
        fields: &str,
    ) -> io::Result<()> {
        let [a, b, c, d, e, f, g, h] = Flow::bits(fields).to_ne_bytes();
        let low = u32::from_ne_bytes([a, b, c, d]);
        let high = u32::from_ne_bytes([e, f, g, h]);
        let mut words = request(SRXFH, 48);
        set(&mut words, &[(1, flow.code()), (2, low), (3, high)]);
        self.ask(interface, words).map(drop)
    }

    /// Sets or clears flags of the interface (`IFF_…`).
    pub(crate) fn set_flag(&self, interface: &str, flag: i32, on: bool) -> io::Result<()> {
        let flag = libc::c_short::try_from(flag).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut request = named(interface)?;
        // SAFETY: the socket is open, the request is a whole `ifreq` with a name that ends in a
        // zero byte, and the kernel writes no more than an `ifreq`.
        let result =
            unsafe { libc::ioctl(self.socket.as_raw_fd(), libc::SIOCGIFFLAGS as _, &mut request) };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: SIOCGIFFLAGS, which succeeded, has filled in this field of the union, and every
        // value of it is a valid number.
        let flags = unsafe { request.ifr_ifru.ifru_flags };
        request.ifr_ifru.ifru_flags = if on { flags | flag } else { flags & !flag };
        // SAFETY: as for SIOCGIFFLAGS; the kernel only reads.
        let result =
            unsafe { libc::ioctl(self.socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &request) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
    }

    fn rss_words(&self, interface: &str) -> io::Result<Vec<u32>> {
        let sizes = self.ask(interface, request(GRSSH, 6))?;
        let (slots, key_bytes) = rss_sizes(&sizes);
        let words = slots.saturating_add(key_bytes.div_ceil(4));
        if words > MOST_RSS_WORDS {
            return Err(io::ErrorKind::InvalidData.into());
        }
        let mut full = request(GRSSH, 6 + words);
        set(&mut full, &[(2, word(&sizes, 2)), (3, word(&sizes, 3))]);
        self.ask(interface, full)
    }

    fn feature_names(&self, interface: &str) -> io::Result<Vec<String>> {
        let mut ask = request(GSSET_INFO, 5);
        set(&mut ask, &[(2, 1 << FEATURE_NAMES)]);
        let info = self.ask(interface, ask)?;
        let count = usize::try_from(word(&info, 4)).unwrap_or(0).min(MOST_FEATURES);
        let mut ask = request(GSTRINGS, 3 + MOST_FEATURES * NAME_BYTES / 4);
        set(&mut ask, &[(1, FEATURE_NAMES), (2, u32::try_from(count).unwrap_or(0))]);
        let answer = self.ask(interface, ask)?;
        Ok((0..count).map(|at| text(&answer, 12 + at * NAME_BYTES, NAME_BYTES)).collect())
    }

    fn features(&self, interface: &str, count: usize) -> io::Result<FeatureBits> {
        let blocks = count.div_ceil(32);
        let mut ask = request(GFEATURES, 2 + blocks * 4);
        set(&mut ask, &[(1, u32::try_from(blocks).unwrap_or(0))]);
        self.ask(interface, ask).map(FeatureBits)
    }

    fn ask(&self, interface: &str, mut words: Vec<u32>) -> io::Result<Vec<u32>> {
        self.exchange(interface, &mut words)?;
        Ok(words)
    }

    /// Hands a request to the kernel, which writes its answer over it.
    fn exchange(&self, interface: &str, words: &mut [u32]) -> io::Result<i32> {
        if extent(words).is_none_or(|bytes| bytes > size_of_val(words)) {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        let mut request = named(interface)?;
        request.ifr_ifru.ifru_data = words.as_mut_ptr().cast();
        // SAFETY: the socket is open, the request is a whole `ifreq` with a name that ends in a
        // zero byte, and its pointer is to `words`, which is borrowed for as long as the call
        // lasts. The kernel reads and writes there as much as the command and the sizes in the
        // request say, which `extent` has just found to lie within the slice; every bit pattern
        // that it may write is a valid u32.
        let result =
            unsafe { libc::ioctl(self.socket.as_raw_fd(), libc::SIOCETHTOOL as _, &mut request) };
        if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
    }
}

/// How many bytes from the start of the request the kernel may read or write; nothing for a
/// request that this module does not know.
fn extent(words: &[u32]) -> Option<usize> {
    let size = |at: usize| usize::try_from(word(words, at)).ok();
    Some(match word(words, 0) {
        GDRVINFO => 196,
        GCOALESCE | SCOALESCE => 92,
        GRINGPARAM | SRINGPARAM | GCHANNELS | SCHANNELS => 36,
        GPAUSEPARAM | SPAUSEPARAM => 16,
        // The rule part of the structure is left out where only fields are asked for.
        GRXFH | SRXFH => 192,
        // One count for one set.
        GSSET_INFO if word(words, 2).count_ones() == 1 && word(words, 3) == 0 => 20,
        // All names of the set are written, however many were expected.
        GSTRINGS if word(words, 1) == FEATURE_NAMES => 12 + MOST_FEATURES * NAME_BYTES,
        GFEATURES => size(1)?.checked_mul(16)?.checked_add(8)?,
        SFEATURES => size(1)?.checked_mul(8)?.checked_add(8)?,
        GRSSH => size(2)?.checked_mul(4)?.checked_add(size(3)?)?.checked_add(24)?,
        SRSSH => {
            let slots = if word(words, 2) == NO_INDIRECTION { 0 } else { size(2)? };
            slots.checked_mul(4)?.checked_add(size(3)?)?.checked_add(24)?
        }
        _ => return None,
    })
}

/// The answer about features: four words (available, requested, active, never changed) per block
/// of 32.
struct FeatureBits(Vec<u32>);

impl FeatureBits {
    fn feature(&self, bit: usize) -> Feature {
        let block = 2 + bit / 32 * 4;
        let has = |at: usize| word(&self.0, block + at) >> (bit % 32) & 1 == 1;
        Feature { on: has(2), fixed: !has(0) || has(3) }
    }
}

fn request(command: u32, words: usize) -> Vec<u32> {
    let mut request = vec![0; words];
    set(&mut request, &[(0, command)]);
    request
}

fn set(words: &mut [u32], values: &[(usize, u32)]) {
    for (at, value) in values {
        if let Some(word) = words.get_mut(*at) {
            *word = *value;
        }
    }
}

fn word(words: &[u32], at: usize) -> u32 {
    words.get(at).copied().unwrap_or(0)
}

/// The 64 bits at two words.
fn quad(words: &[u32], at: usize) -> u64 {
    let [a, b, c, d] = word(words, at).to_ne_bytes();
    let [e, f, g, h] = word(words, at + 1).to_ne_bytes();
    u64::from_ne_bytes([a, b, c, d, e, f, g, h])
}

/// The text, up to a zero byte, in the bytes from `start`.
fn text(words: &[u32], start: usize, length: usize) -> String {
    let bytes = words.iter().flat_map(|word| word.to_ne_bytes());
    let bytes: Vec<u8> = bytes.skip(start).take(length).take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Slots of the indirection table and bytes of the key.
fn rss_sizes(words: &[u32]) -> (usize, usize) {
    let size = |at| usize::try_from(word(words, at)).unwrap_or(usize::MAX);
    (size(2), size(3))
}

/// A request with the interface's name, cut to what the kernel allows with a zero byte behind it.
fn named(interface: &str) -> io::Result<libc::ifreq> {
    if interface.len() >= libc::IFNAMSIZ || interface.contains('\0') {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    let mut name = [0; libc::IFNAMSIZ];
    for (to, from) in name.iter_mut().zip(interface.bytes()) {
        *to = from.cast_signed() as libc::c_char;
    }
    Ok(libc::ifreq {
        ifr_name: name,
        ifr_ifru: libc::__c_anonymous_ifr_ifru { ifru_data: std::ptr::null_mut() },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(words: &[u32], expected: Option<usize>) {
        assert_eq!(extent(words), expected, "{words:x?}");
    }

    #[test]
    fn the_extent_of_a_request_is_what_the_kernel_may_touch() {
        check(&[], None);
        check(&[0x05, 0], None);
        check(&[GCHANNELS], Some(36));
        check(&[GFEATURES, 2], Some(40));
        check(&[SFEATURES, 2], Some(24));
        check(&[GRSSH, 0, 0, 0], Some(24));
        check(&[GRSSH, 0, 128, 40], Some(24 + 512 + 40));
        check(&[SRSSH, 0, NO_INDIRECTION, 52], Some(76));
        check(&[GSTRINGS, 1, 4], None);
        check(&[GSSET_INFO, 0, 3, 0], None);
    }

    #[test]
    fn requests_that_are_too_short_never_reach_the_kernel() {
        let ethtool = Ethtool::open().unwrap();
        for mut words in [vec![], vec![GCHANNELS; 8], vec![GRSSH, 0, 128, 40, 0, 0]] {
            let error = ethtool.exchange("lo", &mut words).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidInput, "{words:?}");
        }
        let long = "a-name-of-sixteen";
        assert_eq!(ethtool.channels(long).unwrap_err().kind(), io::ErrorKind::InvalidInput);
    }

    #[test]
    fn the_loopback_interface_has_offloads_and_no_channels() {
        let ethtool = Ethtool::open().unwrap();
        let offloads = ethtool.offloads("lo").unwrap();
        assert!(offloads["tx-tcp-segmentation"].on, "{offloads:?}");
        assert!(ethtool.channels("lo").is_err());
        assert!(ethtool.channels("no-such").is_err());
    }
}
