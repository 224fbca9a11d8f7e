//! Followers that are killed at every step go on.

use std::process::Command;

use super::*;
use crate::store::tests::{CRASH_AT, CRASH_IN};

/// How sensors take the second bundle in the test below.
const WAYS: [&str; 4] = ["takes", "refuses", "poor", "busy"];
const WAY: &str = "SUPPLY_TEST_WAY";

fn sensor_that(way: &str, root: &Path, two: Hash) -> Fake {
    let sensor = Fake::at(root.join("store-a"));
    match way {
        "refuses" => {
            *sensor.refuses.borrow_mut() = Some((two, Refusal::Failed("no".to_owned())));
        }
        "poor" => sensor.is_poor_with.set(Some(two)),
        "busy" => sensor.busy.set(1),
        _ => {}
    }
    sensor
}

fn killed_or_not<'a>(root: &Path, sensor: &'a Fake) -> Follower<'a> {
    let from = root.join("layout").display().to_string();
    let origin = Origin::new(&from, None, "test").unwrap();
    Follower::new(settings(root, "a"), origin, &test, sensor)
}

/// What the program does that is killed.
#[test]
fn steps_of_a_follower_that_may_be_killed() {
    let (Ok(root), Ok(way)) = (std::env::var(CRASH_IN), std::env::var(WAY)) else { return };
    let root = Path::new(&root);
    let two = Layout::at(&root.join("layout")).channel("default").unwrap().unwrap().bundle;
    let sensor = sensor_that(&way, root, two);
    let mut follower = killed_or_not(root, &sensor);
    for now in [10, 20, 30] {
        follower.step(now);
    }
}

#[test]
fn a_follower_that_is_killed_at_any_step_goes_on() {
    let program = std::env::current_exe().unwrap();
    for way in WAYS {
        let mut at = 0;
        loop {
            let maker = maker();
            let root = maker.folder.path();
            let (one, two) = (maker.add(1, "one"), maker.add(2, "two"));
            maker.publish(&one);
            let sensor = maker.sensor("a");
            maker.follower_of_folder("a", &sensor).step(0);
            maker.publish(&two);
            let output = Command::new(&program)
                .args(["--exact", "follow::tests::killed::steps_of_a_follower_that_may_be_killed"])
                .env(CRASH_IN, root)
                .env(CRASH_AT, at.to_string())
                .env(WAY, way)
                .output()
                .unwrap();
            let sensor = sensor_that(way, root, two);
            let mut follower = killed_or_not(root, &sensor);
            let mut step = Step::Unchanged;
            for now in [100, 110, 120] {
                step = follower.step(now);
            }
            let end = match way {
                "takes" | "busy" => two,
                _ => one,
            };
            let place = format!("{way}, step {at}: {step:?}");
            assert_eq!((has(&sensor), maker.current("a")), (Some(end), Some(end)), "{place}");
            assert_eq!(Notes::read(&maker.store("a")).stage, notes::Stage::Settled, "{place}");
            let (receipt, _) = follower.sent.clone().unwrap();
            let state = if end == two { State::InForce } else { State::Refused };
            assert_eq!((receipt.state, receipt.bundle), (state, Some(end)), "{place}");
            assert_eq!(receipt.wanted, two, "{place}");
            if output.status.success() {
                assert!(at > 8, "only {at} steps were cut short");
                break;
            }
            at += 1;
            assert!(at < 200, "the program never came to its end");
        }
    }
}
