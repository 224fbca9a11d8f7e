//! `file-store.stream-depth`: files that are stored are put together beyond the usual depth.

use detect::settings::FileStoreSettings;

use crate::bench::{Bench, settings};

const RULE: &str = "alert http any any -> any any (msg:\"x\"; http.uri; content:\"/f\"; filestore:both,flow; sid:1;)\n";
const HEAD: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 20000\r\n\r\n";

/// Bytes that are stored of a file of 20000 bytes.
fn stored(force: bool, rule: &str, depth: u32, stream_depth: Option<u32>) -> usize {
    let settings = settings(|settings, _| {
        settings.stream.depth = depth;
        settings.file_store =
            Some(FileStoreSettings { force, write_fileinfo: false, stream_depth });
    });
    let mut bench = Bench::new(settings, rule);
    bench.open().ask(b"GET /f HTTP/1.1\r\nHost: a\r\n\r\n").answer(HEAD);
    for _ in 0..20 {
        bench.answer(&[b'x'; 1000]);
    }
    assert_eq!(bench.records("flow").len(), 1);
    bench.stored()
}

#[test]
fn the_depth_of_stored_files_holds_instead_of_that_of_streams() {
    let check = |depth, stream_depth, want: usize| {
        assert_eq!(stored(true, "", depth, stream_depth), want, "forced: {depth}");
        assert_eq!(stored(false, &RULE.replace("flow", "tx"), depth, stream_depth), want, "rule");
    };
    // The segment that would cross the depth is left out, as by Suricata 8.
    check(5000, None, 4000);
    check(5000, Some(0), 20_000);
    check(5000, Some(12_000), 11_000);
    check(5000, Some(3000), 4000);
    check(0, Some(12_000), 11_000);
    check(0, None, 20_000);
}

#[test]
fn flows_without_stored_files_keep_their_depth() {
    assert_eq!(stored(false, "", 5000, Some(0)), 0);
}
