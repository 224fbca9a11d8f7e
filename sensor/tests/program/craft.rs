//! Captures and directories for the tests.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Command, Output};

use capture::{Frame, LinkType, write_pcap};
use tempfile::TempDir;

/// A directory with what a run needs.
pub(crate) struct Place {
    dir: TempDir,
}

pub(crate) struct Ran {
    pub(crate) status: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Place {
    /// With a capture of one TCP connection with an HTTP request, `web.pcap`.
    pub(crate) fn new() -> Self {
        let place = Self { dir: tempfile::tempdir().unwrap() };
        fs::create_dir(place.path("out")).unwrap();
        place.capture("web.pcap", &web());
        place.write(
            "classification.config",
            "config classification: misc-activity,Misc activity,3\n",
        );
        place.write("reference.config", "config reference: url http://\n");
        place
    }

    /// Writes a capture of frames that come a millisecond apart.
    pub(crate) fn capture(&self, name: &str, frames: &[Vec<u8>]) {
        let frames = frames.iter().zip(0..).map(|(bytes, n)| Frame {
            timestamp_us: 1_700_000_000_000_000 + n * 1000,
            link_type: LinkType::ETHERNET,
            interface: 0,
            wire_len: bytes.len() as u32,
            bytes,
            file: 0,
            no_checksum: false,
        });
        let file = File::create(self.path(name)).unwrap();
        write_pcap(file, LinkType::ETHERNET, frames).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    /// Writes `suricata.yaml` with its header.
    pub(crate) fn config(&self, text: &str) {
        self.write("suricata.yaml", &format!("%YAML 1.1\n---\n{text}"));
    }

    /// The text of a file; whole records in it are as the schema says.
    pub(crate) fn read(&self, name: &str) -> String {
        let text = fs::read_to_string(self.path(name)).unwrap_or_default();
        if name.ends_with("eve.json") {
            for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
                assert_eq!(schema::check_line(line), [], "{line}");
            }
        }
        text
    }

    pub(crate) fn run(&self, arguments: &[&str]) -> Ran {
        self.run_with(&[], arguments)
    }

    /// With variables in the environment.
    pub(crate) fn run_with(&self, variables: &[(&str, &str)], arguments: &[&str]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_bateleur"))
            .args(arguments)
            .current_dir(self.dir.path())
            .env("TZ", "UTC")
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        Ran::of(&output)
    }

    /// In Suricata's mode, with the files that the directory has.
    pub(crate) fn suricata(&self, more: &[&str]) -> Ran {
        let mut arguments = vec![
            "suricata",
            "-c",
            "suricata.yaml",
            "-l",
            "out",
            "--set",
            "classification-file=classification.config",
            "--set",
            "reference-config-file=reference.config",
        ];
        arguments.extend(more);
        self.run(&arguments)
    }
}

impl Ran {
    fn of(output: &Output) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self {
            status: output.status.code().unwrap_or(-1),
            stdout: text(&output.stdout),
            stderr: text(&output.stderr),
        }
    }

    #[track_caller]
    pub(crate) fn expect(&self, status: i32, parts: &[&str]) {
        let all = format!("{}{}", self.stdout, self.stderr);
        assert_eq!(self.status, status, "{all}");
        for part in parts {
            assert!(all.contains(part), "\"{part}\" is not in:\n{all}");
        }
    }
}

const CLIENT: [u8; 4] = [10, 0, 0, 1];
const SERVER: [u8; 4] = [192, 0, 2, 80];

fn web() -> Vec<Vec<u8>> {
    let request = b"GET /secret HTTP/1.1\r\nHost: example.test\r\n\r\n";
    exchange(40_000, request, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
}

/// A connection from `port`: handshake, a request, its answer, and the end. The fourth octet of
/// an address is that of its hardware address.
pub(crate) fn exchange(port: u16, request: &[u8], answer: &[u8]) -> Vec<Vec<u8>> {
    let (asked, answered) = (1 + request.len() as u32, 1 + answer.len() as u32);
    let c = |seq, ack, flags, data: &[u8]| tcp((CLIENT, port), (SERVER, 80), seq, ack, flags, data);
    let s = |seq, ack, flags, data: &[u8]| tcp((SERVER, 80), (CLIENT, port), seq, ack, flags, data);
    vec![
        c(0, 0, 0x02, b""),
        s(0, 1, 0x12, b""),
        c(1, 1, 0x10, b""),
        c(1, 1, 0x18, request),
        s(1, asked, 0x10, b""),
        s(1, asked, 0x18, answer),
        c(asked, answered, 0x10, b""),
        c(asked, answered, 0x11, b""),
        s(answered, asked + 1, 0x11, b""),
        c(asked + 1, answered + 1, 0x10, b""),
    ]
}

fn tcp(
    source: ([u8; 4], u16),
    destination: ([u8; 4], u16),
    seq: u32,
    ack: u32,
    flags: u8,
    data: &[u8],
) -> Vec<u8> {
    let mut segment = Vec::new();
    segment.extend(source.1.to_be_bytes());
    segment.extend(destination.1.to_be_bytes());
    segment.extend(seq.to_be_bytes());
    segment.extend(ack.to_be_bytes());
    segment.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(data);
    let mut pseudo = Vec::new();
    pseudo.extend(source.0);
    pseudo.extend(destination.0);
    pseudo.extend([0, 6]);
    pseudo.extend((segment.len() as u16).to_be_bytes());
    pseudo.extend(&segment);
    segment[16..18].copy_from_slice(&checksum(&pseudo));
    let mut ip = vec![0x45, 0];
    ip.extend((20 + segment.len() as u16).to_be_bytes());
    ip.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
    ip.extend(source.0);
    ip.extend(destination.0);
    let sum = checksum(&ip);
    ip[10..12].copy_from_slice(&sum);
    let mut frame = vec![2, 0, 0, 0, 0, destination.0[3], 2, 0, 0, 0, 0, source.0[3], 8, 0];
    frame.extend(ip);
    frame.extend(segment);
    frame
}

/// RFC 1071.
fn checksum(bytes: &[u8]) -> [u8; 2] {
    let mut sum: u32 = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(pair.get(1).copied().unwrap_or(0)))
        .sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    (!(sum as u16)).to_be_bytes()
}
