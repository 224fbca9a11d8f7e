//! Tests of the sink of Parquet files: what was written is read back.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::record::{Field, Row};
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::record::Batch;
use crate::sinks::SinkSettings;

fn archive(folder: &Path, more: &str) -> Archive {
    let yaml = format!("{{directory: '{}'{more}}}", folder.display());
    serde_saphyr::from_str::<Settings>(&yaml).unwrap().archive("north").unwrap()
}

fn offer(archive: &mut Archive, records: &[Value], first: u64) {
    let lines: String = records.iter().map(|record| format!("{record}\n")).collect();
    let batch = Batch { worker: 3, first: 100 + first, bytes: lines.into_bytes() };
    let records: Vec<_> = batch.records().collect();
    assert_eq!(archive.offer(&records, first).unwrap(), records.len());
}

fn settle(archive: &mut Archive) -> Result<Vec<u64>, Trouble> {
    let mut settled = Settled::default();
    archive.settle(Duration::ZERO, &mut settled)?;
    let mut tickets: Vec<u64> =
        settled.delivered.iter().flat_map(|(first, end)| *first..*end).collect();
    tickets.sort_unstable();
    Ok(tickets)
}

/// All files below a folder, by their path from there.
fn files_in(folder: &Path) -> Vec<String> {
    let (mut found, mut folders) = (Vec::new(), vec![folder.to_owned()]);
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.push(path.strip_prefix(folder).unwrap().to_str().unwrap().to_owned());
            }
        }
    }
    found.sort();
    found
}

/// A row as the object that was written: what is absent is left out.
fn object(row: &Row) -> Map<String, Value> {
    let mut members = Map::new();
    for (name, field) in row.get_column_iter() {
        let value = match field {
            Field::Null => continue,
            Field::Bool(value) => json!(value),
            Field::UByte(value) => json!(value),
            Field::UShort(value) => json!(value),
            Field::UInt(value) => json!(value),
            Field::ULong(value) => json!(value),
            Field::Double(value) => json!(value),
            Field::TimestampMicros(value) => json!({"microseconds": value}),
            Field::Str(text) => json!(text),
            Field::Group(row) => match object(row) {
                members if members.is_empty() => continue,
                members => Value::Object(members),
            },
            field => panic!("{name}: {field:?}"),
        };
        members.insert(name.clone(), value);
    }
    members
}

/// Rows of all files, by worker's sequence number.
fn rows(folder: &Path) -> BTreeMap<u64, Map<String, Value>> {
    let mut rows = BTreeMap::new();
    for path in files_in(folder) {
        let reader = SerializedFileReader::new(File::open(folder.join(&path)).unwrap()).unwrap();
        for row in reader.get_row_iter(None).unwrap() {
            let row = object(&row.unwrap());
            let before = rows.insert(row["sequence"].as_u64().unwrap(), row);
            assert!(before.is_none(), "a record twice");
        }
    }
    rows
}

/// Puts what is in `other`, and JSON in columns that are JSON, back to where it was.
fn merge(into: &mut Map<String, Value>, other: Map<String, Value>) {
    for (name, value) in other {
        match (into.get_mut(&name), value) {
            (Some(Value::Object(into)), Value::Object(value)) => merge(into, value),
            (Some(there), value) => panic!("{name} is {there} and {value}"),
            (None, value) => {
                into.insert(name, value);
            }
        }
    }
}

/// The record that a row was made of.
fn record_of(mut row: Map<String, Value>) -> Map<String, Value> {
    let table = Table::new(row.get("event_type").and_then(Value::as_str).unwrap_or("")).unwrap();
    for name in ["sensor", "worker", "sequence"] {
        row.remove(name).expect("a number beside the record");
    }
    let other = row.remove("other");
    restore(&mut row, &table.members, &table);
    if let Some(other) = other {
        merge(&mut row, serde_json::from_str(other.as_str().unwrap()).unwrap());
    }
    row
}

fn restore(members: &mut Map<String, Value>, group: &table::Group, table: &Table) {
    for (name, value) in members.iter_mut() {
        match &group[name.as_str()] {
            table::Place::Group(group) => restore(value.as_object_mut().unwrap(), group, table),
            table::Place::Column(at) if table.cells[*at] == table::Cell::Json => {
                *value = serde_json::from_str(value.as_str().unwrap()).unwrap();
            }
            table::Place::Column(_) => {}
        }
    }
}

const AT: &str = "2026-11-22T05:30:00.000007+0000";

#[test]
fn records_are_taken_apart_and_nothing_is_lost() {
    let check = |record: Value, columns: Value| {
        let folder = tempfile::tempdir().unwrap();
        let mut archive = archive(folder.path(), "");
        offer(&mut archive, std::slice::from_ref(&record), 0);
        archive.finish();
        assert_eq!(settle(&mut archive).unwrap(), [0]);
        let row = rows(folder.path()).remove(&100).unwrap();
        assert_eq!((&row["sensor"], &row["worker"]), (&json!("north"), &json!(3)));
        for (name, want) in columns.as_object().unwrap() {
            assert_eq!(row.get(name).unwrap_or(&Value::Null), want, "{name}");
        }
        let mut back = record_of(row);
        // A time is kept as a time.
        if let Some(Value::Object(time)) = back.get("timestamp") {
            assert_eq!(time["microseconds"], json!(1_795_325_400_000_007_u64));
            back.insert("timestamp".to_owned(), record["timestamp"].clone());
        }
        assert_eq!(Value::Object(back), record);
    };
    check(
        json!({
            "timestamp": AT, "event_type": "http", "flow_id": 2_251_799_813_685_247_u64,
            "src_ip": "192.0.2.1", "src_port": 65535, "vlan": [1, 2],
            "http": {"hostname": "a", "status": 200, "request_headers": [{"name": "a"}]}
        }),
        json!({
            "event_type": "http", "src_port": 65535, "vlan": "[1,2]", "other": null,
            "http": {"hostname": "a", "status": 200, "request_headers": "[{\"name\":\"a\"}]"}
        }),
    );
    // Of another type, too large, unknown, null, empty, or called like columns of ours.
    check(
        json!({
            "timestamp": "2026-11-22T06:30:00.000007+0100", "event_type": "http", "src_port": 65536,
            "dest_port": "80", "src_ip": 7, "new": {"a": [null]}, "sensor": "x", "other": 1,
            "http": {"status": -1, "hostname": null, "extra": true}, "ether": {}, "traffic": 5
        }),
        json!({"src_port": null, "sensor": "north", "http": null}),
    );
    check(
        json!({"timestamp": AT, "event_type": "unheard", "proto": "TCP", "unheard": {"a": 1}}),
        json!({"proto": "TCP", "other": "{\"unheard\":{\"a\":1}}"}),
    );
    check(
        json!({"timestamp": AT, "event_type": "stats", "stats": {"uptime": 5, "a": {"b": 1}}}),
        json!({"other": "{\"stats\":{\"a\":{\"b\":1}}}"}),
    );
    check(json!({"timestamp": "yesterday", "event_type": "dns"}), json!({"timestamp": null}));
    check(json!({}), json!({"event_type": null, "other": null}));
    check(json!({"event_type": ["http"]}), json!({"event_type": null}));
}

#[test]
fn files_lie_in_folders_by_type_and_hour() {
    let folder = tempfile::tempdir().unwrap();
    let base = folder.path().join("a/b");
    let mut archive = archive(&base, "");
    let at = |time: &str, kind: &str| json!({"timestamp": time, "event_type": kind});
    let records = [
        at("2026-11-22T05:59:59.999999+0000", "http"),
        at("2026-11-22T00:30:00.000000+0100", "http"),
        at("2026-11-22T05:00:00.000000+0000", "../../x"),
        at("2026-11-22T05:00:00.000000+0000", "http"),
    ];
    offer(&mut archive, &records, 0);
    assert!(settle(&mut archive).unwrap().is_empty(), "nothing is confirmed before it is whole");
    let parts = files_in(&base);
    assert_eq!(parts.len(), 3);
    assert!(parts.iter().all(|name| name.ends_with(PART) && !name.contains('/')), "{parts:?}");
    archive.finish();
    assert_eq!(settle(&mut archive).unwrap(), [0, 1, 2, 3]);
    let files = files_in(folder.path());
    let folders: Vec<&str> =
        files.iter().filter_map(|name| Some(name.rsplit_once("/north-")?.0)).collect();
    assert_eq!(
        folders,
        [
            "a/b/event_type=_._.._x/date=2026-11-22/hour=05",
            "a/b/event_type=http/date=2026-11-21/hour=23",
            "a/b/event_type=http/date=2026-11-22/hour=05",
        ]
    );
}

#[test]
fn files_end_when_they_are_full_or_too_many() {
    let check = |more: &str, want: &[usize], ended: usize| {
        let folder = tempfile::tempdir().unwrap();
        let mut archive = archive(folder.path(), more);
        let record = |at: u64| {
            let kind = if at.is_multiple_of(2) { "http" } else { "dns" };
            json!({"timestamp": AT, "event_type": kind, "n": at})
        };
        let mut settled = 0;
        for at in 0..40 {
            offer(&mut archive, &[record(at)], at);
            settled += settle(&mut archive).unwrap().len();
        }
        assert_eq!(settled, ended, "{more}");
        archive.finish();
        settled += settle(&mut archive).unwrap().len();
        assert_eq!(settled, 40, "{more}");
        let mut counts: Vec<usize> = files_in(folder.path())
            .iter()
            .map(|path| {
                let file = File::open(folder.path().join(path)).unwrap();
                let reader = SerializedFileReader::new(file).unwrap();
                usize::try_from(reader.metadata().file_metadata().num_rows()).unwrap()
            })
            .collect();
        counts.sort_unstable();
        assert_eq!(counts, want, "{more}");
        assert_eq!(rows(folder.path()).len(), 40);
    };
    check("", &[20, 20], 0);
    check(", rows: 15", &[5, 5, 15, 15], 30);
    check(", open-files: 1", &[1; 40], 39);
    check(", size: 1 B, compression: none", &[1; 40], 40);
    check(", every: 1 us", &[1; 40], 40);
}

#[test]
fn what_is_not_finished_goes_and_comes_again() {
    let folder = tempfile::tempdir().unwrap();
    let record = json!({"timestamp": AT, "event_type": "http"});
    let keep = ["north-2-20261122T053000Z-1.parquet.part", "south-20261122T053000Z-1.parquet.part"];
    for name in keep.iter().chain(&["north-20261122T053000Z-7.parquet.part"]) {
        fs::write(folder.path().join(name), "torn").unwrap();
    }
    let mut archive = archive(folder.path(), "");
    offer(&mut archive, &[record.clone(), record.clone()], 0);
    assert_eq!(archive.figures.leftovers, 1);
    assert_eq!(files_in(folder.path()).len(), 3);
    // One of the same name does not touch what is at work.
    let mut other = super::tests::archive(folder.path(), "");
    offer(&mut other, std::slice::from_ref(&record), 5);
    assert_eq!((other.figures.leftovers, files_in(folder.path()).len()), (0, 4));
    drop(other);
    archive.forget();
    assert_eq!(files_in(folder.path()), keep);
    offer(&mut archive, &[record.clone(), record], 0);
    archive.reopen();
    assert_eq!(settle(&mut archive).unwrap(), [0, 1]);
    drop(archive);
    keep.iter().for_each(|name| fs::remove_file(folder.path().join(name)).unwrap());
    assert_eq!(rows(folder.path()).len(), 2);
}

#[test]
fn no_object_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut archive = archive(folder.path(), "");
    offer(&mut archive, &[json!([1]), json!({}), json!("a")], 7);
    let mut settled = Settled::default();
    archive.finish();
    archive.settle(Duration::ZERO, &mut settled).unwrap();
    assert_eq!(settled.delivered, [(8, 9)]);
    let refused: Vec<u64> = settled.refused.iter().map(|(ticket, _)| *ticket).collect();
    assert_eq!(refused, [7, 9]);
}

/// A small file system of its own.
struct Disk(tempfile::TempDir);

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

#[test]
fn a_full_disk_settles_nothing_that_is_not_there() {
    let disk = tempfile::tempdir().unwrap();
    let mut mount = Command::new("mount");
    mount.args(["-t", "tmpfs", "-o", "size=131072", "tmpfs"]).arg(disk.path());
    if !mount.output().is_ok_and(|output| output.status.success()) {
        eprintln!("skipped: needs root, to mount a small file system");
        return;
    }
    let disk = Disk(disk);
    let folder = disk.0.path();
    let ballast = folder.join("ballast");
    fs::write(&ballast, vec![0; 110 << 10]).unwrap();
    let mut archive = archive(folder, ", compression: none");
    let records: Vec<Value> = (0..300)
        .map(|at| json!({"timestamp": AT, "event_type": "http", "text": format!("{at:0>90}")}))
        .collect();
    offer(&mut archive, &records, 0);
    archive.finish();
    let trouble = settle(&mut archive).unwrap_err();
    assert!(trouble.what.contains("full") && !trouble.is_lasting, "{trouble}");
    archive.forget();
    assert_eq!(files_in(folder), ["ballast"]);
    fs::remove_file(&ballast).unwrap();
    offer(&mut archive, &records, 0);
    archive.finish();
    assert_eq!(settle(&mut archive).unwrap().len(), 300);
    assert_eq!(rows(folder).len(), 300);
}

#[test]
fn settings_are_checked() {
    let check = |yaml: &str, is_good: bool| {
        let settings = serde_saphyr::from_str::<Settings>(yaml).map_err(|e| e.to_string());
        let built = settings.and_then(|settings| settings.archive("s").map(|_| ()));
        assert_eq!(built.is_ok(), is_good, "{yaml}: {built:?}");
    };
    check("{directory: /d}", true);
    check("{directory: /d, rows: 5, size: 1 MiB, every: 1 h, mode: '0600', level: 19}", true);
    for wrong in [
        "{}",
        "{directory: /d, rows: 0}",
        "{directory: /d, size: 0}",
        "{directory: /d, every: 0 s}",
        "{directory: /d, open-files: 0}",
        "{directory: /d, level: 20}",
        "{directory: /d, compression: lzo}",
        "{directory: /d, path: /e}",
    ] {
        check(wrong, false);
    }
}

#[test]
fn examples_of_the_documentation_are_good() {
    let text = include_str!("../../../../docs/sinks.md");
    let section = text.split("\n## ").find(|section| section.starts_with("parquet\n")).unwrap();
    let block = section.split("\n\n").find(|block| block.starts_with("    parquet:")).unwrap();
    let block: String = block.lines().map(|line| format!("{}\n", &line[4..])).collect();
    let settings: SinkSettings = serde_saphyr::from_str(&block).unwrap();
    assert_eq!(settings.kinds(), ["parquet"]);
    settings.build(&Surroundings::default()).unwrap();
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (0u64..70_000).prop_map(Value::from),
        "\\PC{0,6}".prop_map(Value::from),
    ];
    let name = prop::sample::select(vec![
        "http",
        "hostname",
        "status",
        "dns",
        "src_port",
        "flow_id",
        "vlan",
        "ether",
        "other",
        "x",
        "timestamp",
        "worker",
        "metadata",
        "flowbits",
    ]);
    leaf.prop_recursive(3, 24, 4, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            prop::collection::btree_map(name.clone(), inner, 0..4).prop_map(|members| {
                Value::Object(members.into_iter().map(|(k, v)| (k.to_owned(), v)).collect())
            }),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_record_comes_back(
        records in prop::collection::vec(
            (
                prop::sample::select(vec!["http", "dns", "alert", "unheard"]),
                prop::collection::btree_map(
                    prop::sample::select(vec![
                        "http", "dns", "src_port", "flow_id", "ether", "metadata", "y", "sensor",
                    ]),
                    value(),
                    0..5,
                ),
            ),
            1..12,
        ),
    ) {
        let records: Vec<Value> = records
            .into_iter()
            .map(|(kind, members)| {
                let mut record: Map<String, Value> =
                    members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
                record.insert("event_type".to_owned(), kind.into());
                Value::Object(record)
            })
            .collect();
        let folder = tempfile::tempdir().unwrap();
        let mut archive = archive(folder.path(), ", rows: 3");
        offer(&mut archive, &records, 0);
        archive.finish();
        prop_assert_eq!(settle(&mut archive).unwrap().len(), records.len());
        let back: Vec<Value> = rows(folder.path())
            .into_values()
            .map(|row| Value::Object(record_of(row)))
            .collect();
        prop_assert_eq!(back, records);
    }
}
