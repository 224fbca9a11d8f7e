//! What is kept, and what becomes of it when the disk does not take it.

use super::*;

fn receipt(sensor: &str) -> Receipt {
    let wanted = Hash::of(b"");
    let text = format!(
        "{{\"sensor\":\"{sensor}\",\"channel\":\"default\",\"state\":\"failed\",\"wanted\":\"{wanted}\"}}"
    );
    Receipt::parse(text.as_bytes()).unwrap()
}

#[test]
fn receipts_are_limited_and_those_of_the_gone_make_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(folder.path(), 0).unwrap();
    desk.most = 2;
    assert!(desk.hear(receipt("a"), 0).unwrap());
    assert!(desk.hear(receipt("b"), FORGOTTEN).unwrap());
    assert!(!desk.hear(receipt("c"), FORGOTTEN).unwrap());
    assert!(desk.hear(receipt("b"), FORGOTTEN).unwrap(), "who is known has a place");
    assert_eq!(desk.shed(), 1);
    assert!(desk.hear(receipt("c"), FORGOTTEN + 1).unwrap());
    let names: Vec<_> = desk.receipts().map(|kept| kept.receipt.sensor.as_str()).collect();
    assert_eq!(names, ["b", "c"]);
}

/// Nobody is told what a restart would not know, and the disk is tried until it takes it.
#[test]
fn what_cannot_be_written_is_not_told() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(folder.path(), 0).unwrap();
    let edition = |name: &[u8]| Edition { bundle: Hash::of(name), version: 1 };
    let plan = Plan { stages: vec![100], ..Plan::default() };
    let known = [("a".to_owned(), 0)];
    let (next, before) = (edition(b"next"), edition(b"before"));
    let rollout = Rollout::start("default", next, Some(before), plan, &known, 0);
    desk.rollouts.insert("default".to_owned(), rollout);
    // No file can be made there.
    let state = folder.path().join("state/rollouts");
    fs::remove_dir(&state).unwrap();
    fs::write(&state, "").unwrap();
    for now in [10, 20] {
        assert!(desk.channel("default", Some("a"), now).is_err(), "{now}");
    }
    desk.tick(25);
    assert!(desk.trouble().is_some());
    fs::remove_file(&state).unwrap();
    desk.tick(30);
    assert_eq!(desk.trouble(), None);
    assert!(desk.layout.rollout_file("default").exists());
    let told = desk.channel("default", Some("a"), 40).unwrap().unwrap();
    assert_eq!(told.bundle, next.bundle);
}

/// A roll-out that is over holds for whoever asks only when the channel's file says so.
#[test]
fn a_channel_that_cannot_be_written_is_tried_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(folder.path(), 0).unwrap();
    let edition = |name: &[u8]| Edition { bundle: Hash::of(name), version: 1 };
    let (next, before) = (edition(b"next"), edition(b"before"));
    let plan = Plan { stages: vec![100], ..Plan::default() };
    let known = [("a".to_owned(), 0)];
    let mut rollout = Rollout::start("default", next, Some(before), plan, &known, 0);
    rollout.back("by hand").unwrap();
    desk.rollouts.insert("default".to_owned(), rollout);
    // The bundle of before is not there: the channel can't name it.
    assert!(desk.channel("default", Some("a"), 10).is_err());
    assert!(desk.channel("default", Some("a"), 20).is_err(), "nor later");
    assert!(desk.is_unsettled("default"));
}

#[test]
fn receipts_are_written_though_the_clock_is_put_back() {
    let folder = tempfile::tempdir().unwrap();
    let mut desk = Desk::open(folder.path(), 5000).unwrap();
    desk.hear(receipt("a"), 5000).unwrap();
    desk.tick(100);
    assert!(folder.path().join("state/receipts.json").exists());
}
