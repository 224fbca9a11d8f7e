//! Sessions by hand; any split of their bytes gives the same.

use decode::Timestamp;
use proptest::prelude::*;

use super::*;
use Direction::{ToClient as C, ToServer as S};

const CLIENT: [&str; 8] = [
    "curve25519-sha256,ecdh-sha2-nistp256",
    "ssh-ed25519",
    "aes128-ctr",
    "aes256-ctr",
    "hmac-sha2-256",
    "hmac-sha2-512",
    "none",
    "zlib@openssh.com",
];

fn record(message: u8, body: &[u8], padding: u8) -> Vec<u8> {
    let length = 2 + body.len() + usize::from(padding);
    let mut out = u32::try_from(length).unwrap().to_be_bytes().to_vec();
    out.extend([padding, message]);
    out.extend(body);
    out.resize(out.len() + usize::from(padding), 0);
    out
}

fn kexinit(lists: &[&str]) -> Vec<u8> {
    let mut body = vec![7; 16];
    // A cookie is before them. The languages are empty; then a flag and four reserved bytes.
    for list in lists.iter().chain(&["", ""]) {
        body.extend(u32::try_from(list.len()).unwrap().to_be_bytes());
        body.extend(list.as_bytes());
    }
    body.extend([0; 5]);
    record(KEXINIT, &body, 4)
}

fn newkeys() -> Vec<u8> {
    record(NEWKEYS, &[], 10)
}

fn joined(parts: &[&[u8]]) -> Vec<u8> {
    parts.concat()
}

fn ssh(hassh: Fingerprints, encryption_handling: EncryptionHandling) -> Ssh {
    Ssh::new(SshSettings { hassh, encryption_handling })
}

/// Gives a side's bytes in pieces, as a stream does: what is not consumed comes again.
struct Feed {
    ssh: Ssh,
    left: [Vec<u8>; 2],
    encrypted: Option<Encrypted>,
    flushed: [bool; 2],
    stopped: [bool; 2],
}

impl Feed {
    fn new(ssh: Ssh) -> Self {
        Self {
            ssh,
            left: [Vec::new(), Vec::new()],
            encrypted: None,
            flushed: [false; 2],
            stopped: [false; 2],
        }
    }

    fn give(&mut self, direction: Direction, bytes: &[u8]) -> bool {
        if self.stopped[direction.index()] {
            return true;
        }
        let left = &mut self.left[direction.index()];
        left.extend(bytes);
        let mut effects = Effects::default();
        let (chunk, timestamp) = (Chunk::Bytes(left), Timestamp::default());
        let outcome =
            self.ssh.parse(&Input { direction, chunk, eof: false, timestamp }, &mut effects);
        self.encrypted = self.encrypted.or(effects.encrypted);
        self.flushed[direction.index()] |= effects.flush[direction.index()];
        for side in [0, 1] {
            self.stopped[side] |= effects.stop[side];
        }
        match outcome {
            Outcome::Consumed(length) => {
                left.drain(..length);
                true
            }
            Outcome::Error => false,
        }
    }

    fn buffer(&self, buffer: BufferId, direction: Direction) -> Option<String> {
        let mut scratch = Vec::new();
        let view = self.ssh.buffer(0, buffer, direction, 0, &mut scratch)?;
        Some(String::from_utf8_lossy(view.bytes).into_owned())
    }

    fn log(&self) -> Option<String> {
        let mut out = Vec::new();
        let mut writer = Writer::new(&mut out);
        writer.open();
        let is_written = self.ssh.log(0, &LogOptions::default(), &mut writer);
        writer.close();
        is_written.then(|| String::from_utf8(out).unwrap())
    }

    fn events(&self) -> Vec<&'static str> {
        self.ssh.meta.events.iter().map(|event| self.ssh.event_name(*event)).collect()
    }
}

#[test]
fn banners() {
    let long = format!("SSH-2.0-{}", "x".repeat(300));
    let long_line = format!("{long}\n");
    let check = |bytes: &[u8], proto: &str, software: &str, progress: u8, events: &[&str]| {
        let mut feed = Feed::new(ssh(Fingerprints::No, EncryptionHandling::Full));
        let name = String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(feed.give(S, bytes), !events.contains(&"invalid_banner"), "{name}");
        let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        assert_eq!(feed.buffer(PROTO, S), some(proto), "{name}");
        assert_eq!(feed.buffer(SOFTWARE, S), some(software), "{name}");
        assert_eq!(feed.ssh.progress(0, S), progress, "{name}");
        assert_eq!(feed.events(), events, "{name}");
        assert_eq!(feed.flushed[0], progress > 0, "{name}");
    };
    check(b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n", "2.0", "OpenSSH_9.2p1", 2, &[]);
    check(b"SSH-1.99-Cisco-1.25\n", "1.99", "Cisco-1.25", 2, &[]);
    check(b"SSH-2.0-\r\n", "2.0", "", 2, &[]);
    check(b"SSH-2.0-a\r\0\0\0\x02", "2.0", "a", 2, &[]);
    check(b"SSH-2.0-a\r", "", "", 0, &[]);
    check(b"SSH-2.0-a", "", "", 0, &[]);
    check(b"SSH-2.0\r\n", "", "", 0, &["invalid_banner"]);
    check(b"SSH--a\r\n", "", "", 0, &["invalid_banner"]);
    check(b"GET / HTTP/1.1\r\n", "", "", 0, &["invalid_banner"]);
    check(&[b"SSH-", &[b'x'; 300][..]].concat(), "", "", 0, &["invalid_banner"]);
    check(long.as_bytes(), "2.0", &long[8..], 0, &["long_banner"]);
    check(long_line.as_bytes(), "2.0", &long[8..], 2, &["long_banner"]);
}

#[test]
fn a_banner_that_is_too_long_ends_some_time() {
    let mut feed = Feed::new(ssh(Fingerprints::Yes, EncryptionHandling::Full));
    assert!(feed.give(S, format!("SSH-2.0-a {}", "x".repeat(300)).as_bytes()));
    assert!(feed.give(S, &[b'x'; 5000]));
    assert_eq!((feed.left[0].len(), feed.ssh.progress(0, S)), (0, 0));
    assert!(feed.give(S, &joined(&[b"xx\r\n", &kexinit(&CLIENT)])));
    assert_eq!(feed.ssh.progress(0, S), 2);
    assert_eq!(feed.buffer(SOFTWARE, S).as_deref(), Some("a"));
    assert!(feed.buffer(HASSH, S).is_some());
    assert_eq!(feed.events(), ["long_banner"]);
}

#[test]
fn only_so_much_of_a_banner_is_kept() {
    let mut feed = Feed::new(ssh(Fingerprints::Yes, EncryptionHandling::Full));
    assert!(feed.give(S, &joined(&[b"SSH-2.0-", &[b'x'; 100_000]])));
    assert!(feed.give(C, &joined(&[b"SSH-2.0-", &[b'x'; 100_000], b"\n"])));
    for side in [S, C] {
        assert_eq!(feed.buffer(SOFTWARE, side).unwrap().len(), MOST_KEPT - 8);
    }
}

#[test]
fn records_that_are_not_as_they_should_be() {
    let check = |bytes: &[u8], is_good: bool, events: &[&str]| {
        let mut feed = Feed::new(ssh(Fingerprints::Yes, EncryptionHandling::Full));
        assert!(feed.give(S, b"SSH-2.0-a\r\n"));
        assert_eq!(feed.give(S, bytes), is_good, "{bytes:?}");
        assert_eq!(feed.events(), events, "{bytes:?}");
        assert_eq!(feed.buffer(HASSH, S), None);
        assert!(feed.left[0].len() < MOST_KEX);
    };
    check(&[0, 0, 0, 0, 0, KEXINIT], false, &["invalid_record"]);
    check(&[0, 0, 0, 1, 0, KEXINIT], false, &["invalid_record"]);
    check(&[0, 0, 0, 2, 0, KEXINIT], true, &[]);
    check(&[0, 1, 0, 1, 0, KEXINIT], true, &["long_kex_record"]);
    check(&[0xff, 0xff, 0xff, 0xff, 0, 30], true, &[]);
    // Padding that is longer than what is padded; lists that are cut short.
    check(&record(KEXINIT, b"abc", 200), true, &[]);
    check(
        &[0, 0, 0, 40, 255, KEXINIT].iter().copied().chain([9; 38]).collect::<Vec<_>>(),
        true,
        &[],
    );
    check(&record(KEXINIT, &[0xff; 30], 0), true, &[]);
}

/// The value is the one that the definition of HASSH gives for these lists.
#[test]
fn fingerprints_of_both_sides() {
    let mut feed = Feed::new(ssh(Fingerprints::Yes, EncryptionHandling::TrackOnly));
    for side in [S, C] {
        assert!(feed.give(side, &joined(&[b"SSH-2.0-a\r\n", &kexinit(&CLIENT)])));
    }
    let client = "curve25519-sha256,ecdh-sha2-nistp256;aes128-ctr;hmac-sha2-256;none";
    let server = "curve25519-sha256,ecdh-sha2-nistp256;aes256-ctr;hmac-sha2-512;zlib@openssh.com";
    assert_eq!(feed.buffer(HASSH_STRING, S).as_deref(), Some(client));
    assert_eq!(feed.buffer(HASSH_SERVER_STRING, C).as_deref(), Some(server));
    assert_eq!(feed.buffer(HASSH_STRING, C), None);
    assert_eq!(feed.buffer(HASSH_SERVER, S), None);
    let hash = feed.buffer(HASSH, S).unwrap();
    assert_eq!(hash, "88189635a3ee7c7f0c02224b7a2e1292");
    assert!(!feed.ssh.loggable(0), "it may say more");
    let expected = format!(
        "{{\"ssh\":{{\"client\":{{\"proto_version\":\"2.0\",\"software_version\":\"a\",\
         \"hassh\":{{\"hash\":\"{hash}\",\"string\":\"{client}\"}}}},\
         \"server\":{{\"proto_version\":\"2.0\",\"software_version\":\"a\",\
         \"hassh\":{{\"hash\":\"{}\",\"string\":\"{server}\"}}}}}}}}",
        feed.buffer(HASSH_SERVER, C).unwrap()
    );
    assert_eq!(feed.log().unwrap(), expected);
}

#[test]
fn what_nobody_said_is_not_logged() {
    let mut feed = Feed::new(ssh(Fingerprints::Auto, EncryptionHandling::Full));
    assert_eq!(feed.log(), None);
    assert!(feed.give(C, &joined(&[b"SSH-2.0-\n", &kexinit(&CLIENT)])));
    assert_eq!(feed.log().unwrap(), r#"{"ssh":{"server":{"proto_version":"2.0"}}}"#);
    assert!(!feed.ssh.loggable(0));
    assert!(feed.give(S, b"SSH-2.0-\n"));
    assert!(feed.ssh.loggable(0), "nobody asks for fingerprints");
}

#[test]
fn encrypted_sessions() {
    for (handling, encrypted, is_over) in [
        (EncryptionHandling::TrackOnly, Some(Encrypted::TrackOnly), true),
        (EncryptionHandling::Bypass, Some(Encrypted::Bypass), true),
        (EncryptionHandling::Full, None, false),
    ] {
        let mut feed = Feed::new(ssh(Fingerprints::Yes, handling));
        assert!(feed.give(S, b"SSH-2.0-a\r\n"));
        assert!(feed.give(C, &joined(&[b"SSH-2.0-b\r\n", &newkeys()])));
        assert_eq!((feed.ssh.progress(0, S), feed.ssh.progress(0, C)), (2, 2));
        assert!(feed.give(S, &newkeys()));
        assert_eq!((feed.ssh.progress(0, S), feed.ssh.progress(0, C)), (3, 3));
        assert_eq!(feed.encrypted, encrypted);
        assert!(feed.ssh.loggable(0));
        // Noise is a record only to those who look at it.
        assert_eq!(feed.give(S, &[0; 40]), is_over, "{handling:?}");
    }
}

#[test]
fn holes_end_it_and_freed_ones_say_nothing() {
    let mut feed = Feed::new(ssh(Fingerprints::Yes, EncryptionHandling::Full));
    assert!(feed.give(S, &joined(&[b"SSH-2.0-a\r\n", &kexinit(&CLIENT)])));
    let gap = Chunk::Gap(3);
    let input = Input { direction: S, chunk: gap, eof: false, timestamp: Timestamp::default() };
    assert_eq!(feed.ssh.parse(&input, &mut Effects::default()), Outcome::Error);
    feed.ssh.free(0);
    assert_eq!((feed.ssh.first_tx(), feed.ssh.meta(0).is_none()), (1, true));
    assert_eq!(feed.buffer(PROTO, S), None);
    assert_eq!(feed.ssh.progress(0, S), 2, "it goes on as it was");
}

proptest! {
    /// Pieces of any size, of both sides in turn, say the same as the whole.
    #[test]
    fn pieces_are_like_the_whole(cuts in prop::collection::vec(1usize..120, 1..200)) {
        let script = |name: &[u8]| joined(&[
            b"SSH-2.0-", name, b" comment\r\n", &kexinit(&CLIENT), &record(30, &[1; 200], 9),
            &newkeys(), &[0xff; 300],
        ]);
        let bytes = [script(b"client"), script(b"server")];
        let mut whole = Feed::new(ssh(Fingerprints::Yes, EncryptionHandling::TrackOnly));
        prop_assert!(whole.give(S, &bytes[0]) && whole.give(C, &bytes[1]));
        let mut feed = Feed::new(ssh(Fingerprints::Yes, EncryptionHandling::TrackOnly));
        let mut at = [0, 0];
        let mut cuts = cuts.iter().cycle();
        while at != [bytes[0].len(), bytes[1].len()] {
            for (side, direction) in [(0, S), (1, C)] {
                let end = bytes[side].len().min(at[side] + cuts.next().unwrap());
                prop_assert!(feed.give(direction, &bytes[side][at[side]..end]));
                at[side] = end;
            }
        }
        prop_assert_eq!(feed.log(), whole.log());
        prop_assert_eq!(feed.events(), whole.events());
        prop_assert_eq!(feed.encrypted, whole.encrypted);
        prop_assert_eq!(feed.ssh.progress(0, C), 3);
    }

    /// Whatever comes, nothing panics, and no more is held than a message may be long.
    #[test]
    fn any_bytes_are_taken(pieces in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..300)), 0..20), banner in any::<bool>()) {
        let mut feed = Feed::new(ssh(Fingerprints::Yes, EncryptionHandling::Full));
        if banner {
            feed.give(S, b"SSH-2.0-a\n");
        }
        for (is_server, piece) in pieces {
            let direction = if is_server { C } else { S };
            if !feed.give(direction, &piece) {
                break;
            }
            prop_assert!(feed.left[direction.index()].len() < HEADER + MOST_KEX);
        }
        feed.log();
    }
}
