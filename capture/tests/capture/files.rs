//! Several files: in order, merged, with faults among them.

use std::fs;
use std::path::PathBuf;

use crate::craft::{PLAIN, Sample, classic, drain, pcapng};
use capture::{Merge, ReadError, Sequence, Source};
use proptest::prelude::*;

fn write(directory: &tempfile::TempDir, files: &[Vec<u8>]) -> Vec<PathBuf> {
    let write = |(index, bytes): (usize, &Vec<u8>)| {
        let path = directory.path().join(format!("{index}.pcap"));
        fs::write(&path, bytes).unwrap();
        path
    };
    files.iter().enumerate().map(write).collect()
}

fn times(times: &[u64]) -> Vec<Sample> {
    times.iter().map(|time| Sample::new(*time, &time.to_be_bytes())).collect()
}

fn places(frames: &[Sample]) -> Vec<(u64, u32)> {
    frames.iter().map(|frame| (frame.timestamp_us, frame.file)).collect()
}

#[test]
fn a_sequence_goes_on_after_a_fault() {
    let directory = tempfile::tempdir().unwrap();
    let good = classic(&times(&[5, 6]), false, PLAIN).bytes;
    let mut paths = write(
        &directory,
        &[
            good.clone(),
            good[..good.len() - 1].to_vec(),
            vec![],
            pcapng(&times(&[1]), true, false).bytes,
        ],
    );
    paths.insert(1, directory.path().join("missing.pcap"));
    paths.push(directory.path().to_owned());
    let mut source = Sequence::new(paths.clone());
    let (frames, errors) = drain(&mut source, 32);
    assert_eq!(places(&frames), [(5, 0), (6, 0), (5, 2), (1, 4)]);
    assert!(matches!(
        errors.as_slice(),
        [
            ReadError::Open { .. },
            ReadError::Fault { .. },
            ReadError::Empty { .. },
            ReadError::Open { .. }
        ]
    ));
    let texts: Vec<String> = errors.iter().map(ToString::to_string).collect();
    let names = [1, 2, 3, 5].map(|index: usize| paths[index].display().to_string());
    assert!(texts.iter().zip(names).all(|(text, name)| text.starts_with(&name)), "{texts:?}");
    assert!(texts[3].ends_with("it is a directory"));
    let statistics = source.statistics();
    assert_eq!((statistics.files, statistics.faulty_files, statistics.frames), (3, 4, 4));
}

#[test]
fn a_merge_delivers_everything_before_it_tells_of_faults() {
    let directory = tempfile::tempdir().unwrap();
    let cut = classic(&times(&[2, 4]), false, PLAIN).bytes;
    let paths = write(
        &directory,
        &[
            classic(&times(&[1, 4, 9]), false, PLAIN).bytes,
            cut[..cut.len() - 1].to_vec(),
            b"not a capture".to_vec(),
            pcapng(&times(&[4, 3, 10]), false, false).bytes,
        ],
    );
    let mut source = Merge::new(&paths).unwrap();
    let (frames, errors) = drain(&mut source, 2);
    assert_eq!(places(&frames), [(1, 0), (2, 1), (4, 0), (4, 3), (3, 3), (9, 0), (10, 3)]);
    assert!(matches!(errors.as_slice(), [ReadError::NotCapture { .. }, ReadError::Fault { .. }]));
    assert_eq!(source.statistics().faulty_files, 2);
}

#[test]
fn too_many_files() {
    let paths = vec![PathBuf::from("x"); capture::MERGE_LIMIT + 1];
    let error = Merge::new(&paths).err().unwrap();
    assert_eq!(error.to_string(), "513 files cannot be merged at once, the limit is 512");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn a_merge_is_in_order_and_stable(
        files in prop::collection::vec(prop::collection::vec(0u64..50, 0..200), 0..6)
    ) {
        let directory = tempfile::tempdir().unwrap();
        let mut expected = Vec::new();
        let mut bytes = Vec::new();
        for (file, mut stamps) in files.into_iter().enumerate() {
            stamps.sort_unstable();
            let mut samples = times(&stamps);
            for (place, sample) in samples.iter_mut().enumerate() {
                sample.bytes = vec![place as u8; 5];
                sample.wire_len = 5;
            }
            bytes.push(classic(&samples, false, PLAIN).bytes);
            let file = file as u32;
            expected.extend(samples.into_iter().map(|sample| Sample { file, ..sample }));
        }
        // A stable sort of the files one after another is what a stable merge must give.
        expected.sort_by_key(|sample| sample.timestamp_us);
        let paths = write(&directory, &bytes);
        let (frames, errors) = drain(&mut Merge::new(&paths).unwrap(), 32);
        prop_assert!(errors.is_empty());
        prop_assert!(frames == expected);
    }
}
