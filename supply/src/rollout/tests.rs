//! Roll-outs as tables, and under whatever may happen to them.

use proptest::prelude::*;

use super::*;
use crate::receipt::State as Said;

const NEXT: &[u8] = b"next";
const BEFORE: &[u8] = b"before";

fn edition(name: &[u8], version: u64) -> Edition {
    Edition { bundle: Hash::of(name), version }
}

fn plan(stages: &[u8]) -> Plan {
    Plan { stages: stages.to_vec(), soak: 100, failures: 1, silence: 500, forget: 10_000 }
}

fn start(sensors: usize, plan: Plan) -> Rollout {
    let known: Vec<_> = (0..sensors).map(|number| (format!("s{number}"), 0)).collect();
    Rollout::start("default", edition(NEXT, 2), Some(edition(BEFORE, 1)), plan, &known, 0)
}

fn receipt(sensor: &str, said: Said) -> Receipt {
    let has_next = said == Said::InForce;
    Receipt {
        sensor: sensor.to_owned(),
        channel: "default".to_owned(),
        bundle: Some(Hash::of(if has_next { NEXT } else { BEFORE })),
        version: None,
        state: said,
        reason: if has_next { String::new() } else { "no $HOME".to_owned() },
        wanted: Hash::of(NEXT),
        loaded: 1,
        refused: 0,
        since: 0,
        program: String::new(),
    }
}

/// Every sensor asks; those who are told of the new bundle.
fn told(rollout: &mut Rollout, sensors: usize, now: u64) -> Vec<String> {
    let names = (0..sensors).map(|number| format!("s{number}"));
    let of = |name: &String| {
        let (told, _) = rollout.ask(name, now);
        told.unwrap().edition.bundle == Hash::of(NEXT)
    };
    names.filter(of).collect()
}

fn all_in_force(rollout: &mut Rollout, names: &[String], now: u64) {
    for name in names {
        rollout.hear(&receipt(name, Said::InForce), now);
    }
}

#[test]
fn stages_follow_each_other() {
    let check = |sensors: usize, stages: &[u8], counts: &[usize]| {
        let mut rollout = start(sensors, plan(stages));
        let mut before = Vec::new();
        for (stage, count) in counts.iter().enumerate() {
            let now = stage as u64 * 200;
            let names = told(&mut rollout, sensors, now);
            assert_eq!(names.len(), *count, "{sensors} {stages:?} {stage}");
            assert!(before.iter().all(|name| names.contains(name)), "somebody was left out again");
            assert_eq!((rollout.stage, rollout.state), (stage, State::Running));
            all_in_force(&mut rollout, &names, now + 1);
            rollout.tick(now + 100);
            // A stage without anybody new has its soak time from its beginning on.
            let is_new = names.len() > before.len();
            assert!(rollout.stage == stage || !is_new, "the soak time is not over");
            rollout.tick(now + 101);
            before = names;
        }
        assert_eq!(rollout.state, State::Done);
    };
    check(100, &[10, 50, 100], &[10, 50, 100]);
    check(3, &[10, 50, 100], &[1, 2, 3]);
    check(2, &[50, 100], &[1, 2]);
    check(1, &[100], &[1]);
    check(7, &[100], &[7]);
}

#[test]
fn the_soak_time_starts_when_all_have_it() {
    let mut rollout = start(4, plan(&[50, 100]));
    let names = told(&mut rollout, 4, 0);
    rollout.hear(&receipt(&names[0], Said::InForce), 10);
    rollout.tick(300);
    assert_eq!((rollout.stage, rollout.settled), (0, None));
    rollout.hear(&receipt(&names[1], Said::InForce), 300);
    assert_eq!(rollout.settled, Some(300));
    // One that has lost it again begins it anew.
    let mut lost = receipt(&names[0], Said::InForce);
    (lost.bundle, lost.wanted) = (Some(Hash::of(BEFORE)), Hash::of(BEFORE));
    rollout.hear(&lost, 350);
    assert_eq!(rollout.settled, None);
    rollout.hear(&receipt(&names[0], Said::InForce), 360);
    rollout.tick(459);
    assert_eq!(rollout.stage, 0);
    rollout.tick(460);
    assert_eq!(rollout.stage, 1);
}

#[test]
fn a_failure_stops_it_for_all_others() {
    let mut rollout = start(10, plan(&[20, 100]));
    let names = told(&mut rollout, 10, 0);
    rollout.hear(&receipt(&names[0], Said::InForce), 5);
    rollout.hear(&receipt(&names[1], Said::Refused), 6);
    assert_eq!(rollout.state, State::Stopped);
    assert!(rollout.reason.contains("no $HOME"), "{}", rollout.reason);
    assert!(rollout.reason.contains(&names[1]));
    rollout.tick(100_000);
    assert_eq!(told(&mut rollout, 10, 100_001), names, "nobody else, nobody less");
    assert!(rollout.stop("").is_err());
}

#[test]
fn what_is_in_the_way_stops_it_when_it_lasts() {
    let begun = || {
        let mut rollout = start(2, plan(&[50, 100]));
        let names = told(&mut rollout, 2, 0);
        for now in [6, 300, 500] {
            rollout.hear(&receipt(&names[0], Said::Failed), now);
            assert_eq!((rollout.state, rollout.stage), (State::Running, 0), "{now}");
        }
        (rollout, names)
    };
    let (mut rollout, names) = begun();
    rollout.hear(&receipt(&names[0], Said::Failed), 501);
    assert_eq!(rollout.state, State::Stopped);
    assert!(rollout.reason.contains("failed: no $HOME (for 501 s)"), "{}", rollout.reason);
    // It passes.
    let (mut rollout, names) = begun();
    rollout.hear(&receipt(&names[0], Said::InForce), 500);
    rollout.tick(599);
    assert_eq!((rollout.state, rollout.stage), (State::Running, 0));
    rollout.tick(600);
    assert_eq!((rollout.state, rollout.stage), (State::Running, 1));
    // Who had it and loses it, such as by a restart, has the same time.
    rollout.hear(&receipt(&names[0], Said::Failed), 2000);
    rollout.tick(2100);
    assert!(!rollout.reason.contains(&names[0]), "{}", rollout.reason);
}

#[test]
fn a_set_that_was_refused_and_is_in_force_all_the_same_is_a_failure() {
    let mut rollout = start(1, plan(&[100]));
    told(&mut rollout, 1, 0);
    let mut refused = receipt("s0", Said::Refused);
    refused.bundle = Some(Hash::of(NEXT));
    rollout.hear(&refused, 5);
    assert_eq!(rollout.state, State::Stopped);
}

#[test]
fn an_older_bundle_may_be_rolled_out() {
    for (version, allowed) in [(1, true), (2, false), (3, false)] {
        let (next, before) = (edition(NEXT, version), edition(BEFORE, 2));
        let known = [("s0".to_owned(), 0)];
        let plan = plan(&[100]);
        let mut rollout = Rollout::start("default", next, Some(before), plan, &known, 0);
        let (told, _) = rollout.ask("s0", 1);
        let told = told.unwrap();
        assert_eq!((told.edition, told.allow_older), (next, allowed));
    }
}

#[test]
fn a_clock_that_is_put_back_holds_nothing_up() {
    let mut rollout = start(1, plan(&[100]));
    told(&mut rollout, 1, 0);
    rollout.hear(&receipt("s0", Said::InForce), 400);
    assert_eq!(rollout.settled, Some(400));
    rollout.tick(10);
    rollout.tick(110);
    assert_eq!(rollout.state, State::Done);
}

#[test]
fn silence_is_a_failure() {
    let mut rollout = start(2, plan(&[50, 100]));
    assert_eq!(told(&mut rollout, 2, 0).len(), 1);
    rollout.tick(500);
    assert_eq!(rollout.state, State::Running);
    assert!(rollout.tick(501));
    assert_eq!(rollout.state, State::Stopped);
    assert!(rollout.reason.contains("silent"), "{}", rollout.reason);
}

#[test]
fn some_failures_are_borne_with_where_the_plan_says_so() {
    let mut rollout = start(10, Plan { failures: 2, ..plan(&[30, 100]) });
    let names = told(&mut rollout, 10, 0);
    rollout.hear(&receipt(&names[0], Said::Refused), 1);
    all_in_force(&mut rollout, &names[1..], 1);
    rollout.tick(101);
    assert_eq!((rollout.state, rollout.stage), (State::Running, 1));
    let names = told(&mut rollout, 10, 102);
    let other = names.iter().find(|name| !rollout.sensors[*name].has).unwrap();
    let other =
        if rollout.sensors[other].failure.is_some() { names.last().unwrap() } else { other };
    rollout.hear(&receipt(other, Said::Refused), 103);
    assert_eq!(rollout.state, State::Stopped);
    // When all fail and it is borne with, nobody has shown that it works.
    let mut rollout = start(1, Plan { failures: 2, ..plan(&[10, 100]) });
    told(&mut rollout, 1, 0);
    rollout.hear(&receipt("s0", Said::Refused), 1);
    rollout.tick(5000);
    assert_eq!((rollout.state, rollout.stage), (State::Running, 0));
}

#[test]
fn it_is_resumed_and_taken_back() {
    let mut rollout = start(10, plan(&[10, 100]));
    let names = told(&mut rollout, 10, 0);
    assert!(rollout.resume(0).is_err());
    rollout.hear(&receipt(&names[0], Said::Refused), 1);
    rollout.resume(1000).unwrap();
    let (said, _) = rollout.ask(&names[0], 1001);
    assert_eq!(said.unwrap().attempt, 1);
    rollout.tick(1499);
    assert_eq!(rollout.state, State::Running, "it has its time once more");
    all_in_force(&mut rollout, &names, 1499);
    rollout.tick(1599);
    assert_eq!(told(&mut rollout, 10, 1600).len(), 10);
    rollout.stop("by hand").unwrap();
    rollout.back("by hand").unwrap();
    assert!(told(&mut rollout, 10, 1700).is_empty());
    let (said, _) = rollout.ask(&names[0], 1701);
    assert!(said.unwrap().allow_older);
    assert_eq!(rollout.back(""), Err(OrderError::State(State::Back)));
    let next = edition(NEXT, 2);
    let mut first = Rollout::start("default", next, None, plan(&[100]), &[], 0);
    assert_eq!(first.back(""), Err(OrderError::NothingBefore));
    assert_eq!(first.ask("a", 1).0.map(|told| told.edition), Some(next));
}

#[test]
fn nobody_is_known_at_first() {
    let mut rollout = start(0, plan(&[10, 100]));
    rollout.tick(9000);
    assert_eq!((rollout.state, rollout.stage), (State::Running, 0));
    let (said, is_new) = rollout.ask("s0", 9001);
    assert!(is_new, "it is to be written down before it is told");
    assert_eq!(said.unwrap().edition, rollout.next);
    assert!(!rollout.ask("s0", 9002).1);
    for number in 1..10 {
        let (said, _) = rollout.ask(&format!("s{number}"), 9003);
        assert_eq!(said.unwrap().edition, rollout.before.unwrap());
    }
    // Sensors that are gone are not waited for.
    let mut rollout = start(4, plan(&[50, 100]));
    rollout.tick(1);
    assert_eq!(rollout.reached().count(), 2);
    let known = [("old".to_owned(), 0), ("new".to_owned(), 20_000)];
    let next = edition(NEXT, 2);
    let rollout = Rollout::start("default", next, None, plan(&[100]), &known, 20_001);
    assert_eq!(rollout.reached().map(|(name, _)| name).collect::<Vec<_>>(), ["new"]);
}

#[test]
fn places_are_stable_and_differ_by_bundle() {
    let order = |bundle: &Hash| {
        let mut names: Vec<_> = (0..50).map(|number| format!("s{number}")).collect();
        names.sort_by_key(|name| place("default", bundle, name));
        names
    };
    let (a, b) = (Hash::of(b"a"), Hash::of(b"b"));
    assert_eq!(order(&a), order(&a));
    assert_ne!(order(&a), order(&b));
    assert_ne!(place("ab", &a, "c"), place("a", &a, "bc"));
}

#[derive(Clone, Debug)]
enum Step {
    Ask(u8),
    Hear(u8, u8),
    Pass(u16),
    Restart,
    Stop,
    Resume,
    Back,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0u8..12).prop_map(Step::Ask),
        4 => ((0u8..12), (0u8..6)).prop_map(|(sensor, said)| Step::Hear(sensor, said)),
        2 => (0u16..700).prop_map(Step::Pass),
        1 => Just(Step::Restart),
        1 => Just(Step::Stop),
        1 => Just(Step::Resume),
        1 => Just(Step::Back),
    ];
    prop::collection::vec(step, 0..120)
}

proptest! {
    /// Whatever comes: nobody gets the bundle while it is stopped who had not been told of it, no
    /// stage reaches more than its share, and a restart from what was written changes nothing.
    #[test]
    fn nobody_gets_what_is_stopped(steps in steps(), failures in 1u32..3, sensors in 0usize..8) {
        let mut rollout = start(sensors, Plan { failures, ..plan(&[10, 50, 100]) });
        let (mut now, mut volunteers) = (0u64, Vec::new());
        for step in steps {
            let stopped = rollout.state == State::Stopped;
            match step {
                Step::Ask(sensor) => {
                    let name = format!("s{sensor}");
                    let before = rollout.sensors.get(&name).is_some_and(|s| s.due.is_some());
                    let (told, _) = rollout.ask(&name, now);
                    let is_next = told.unwrap().edition == rollout.next;
                    match rollout.state {
                        State::Back => prop_assert!(!is_next),
                        State::Done => prop_assert!(is_next),
                        _ if stopped => prop_assert_eq!(is_next, before),
                        _ => {}
                    }
                }
                Step::Hear(sensor, said) => {
                    let (said, name) = (Said::ALL[usize::from(said) % 3], format!("s{sensor}"));
                    // Those who have it without having been told are not what is limited.
                    let is_drawn = rollout.sensors.get(&name).is_some_and(|s| s.due.is_some());
                    if said == Said::InForce && !is_drawn {
                        volunteers.push(name.clone());
                    }
                    rollout.hear(&receipt(&name, said), now);
                }
                Step::Pass(seconds) => {
                    now += u64::from(seconds);
                    rollout.tick(now);
                }
                Step::Restart => {
                    let bytes = serde_json::to_vec(&rollout).unwrap();
                    let again: Rollout = serde_json::from_slice(&bytes).unwrap();
                    prop_assert_eq!(&again, &rollout);
                    rollout = again;
                }
                Step::Stop => drop(rollout.stop("by hand")),
                Step::Resume => drop(rollout.resume(now)),
                Step::Back => drop(rollout.back("by hand")),
            }
            if rollout.state == State::Running {
                prop_assert!(rollout.failures(now).len() < failures as usize);
                let is_drawn = |name: &str| !volunteers.iter().any(|known| known == name);
                let drawn = rollout.reached().filter(|(name, _)| is_drawn(name)).count() as u64;
                let share = (rollout.sensors.len() as u64 * u64::from(rollout.percent())).div_ceil(100);
                prop_assert!(drawn <= share.max(1), "{drawn} of {share}");
            }
        }
    }
}

/// What people are told of each sensor, also of one that is going back.
#[test]
fn words_say_what_is() {
    let words = |rollout: &Rollout| -> Vec<String> {
        rollout.standing().map(|(name, says)| format!("{name}: {says}")).collect()
    };
    let (next, before) = (Hash::of(NEXT).short(), Hash::of(BEFORE).short());
    let mut rollout = start(4, Plan { failures: 9, ..plan(&[75, 100]) });
    let names = told(&mut rollout, 4, 0);
    rollout.hear(&receipt(&names[0], Said::InForce), 1);
    rollout.hear(&receipt(&names[1], Said::Refused), 1);
    let says = words(&rollout);
    assert!(says.contains(&format!("{}: in force", names[0])), "{says:?}");
    assert!(says.contains(&format!("{}: refused: no $HOME", names[1])), "{says:?}");
    assert!(says.contains(&format!("{}: told to take it", names[2])), "{says:?}");
    assert_eq!(says.iter().filter(|one| one.ends_with("not reached")).count(), 1);
    rollout.back("by hand").unwrap();
    let says = words(&rollout);
    assert!(says.contains(&format!("{}: still has {next}", names[0])), "{says:?}");
    assert!(says.contains(&format!("{}: went back to {before}", names[1])), "{says:?}");
    assert_eq!(says.iter().filter(|one| one.ends_with("was not told to take it")).count(), 1);
    let mut gone = receipt(&names[0], Said::InForce);
    (gone.bundle, gone.wanted) = (Some(Hash::of(BEFORE)), Hash::of(BEFORE));
    rollout.hear(&gone, 9);
    let says = words(&rollout);
    assert!(says.contains(&format!("{}: went back to {before}", names[0])), "{says:?}");
}
