//! What is in the way passes: it is no refusal, and going back is done in the end.

use super::*;

/// What passes is no refusal: it is tried again soon, and told only when it lasts.
#[test]
fn what_passes_is_not_a_refusal() {
    let maker = maker();
    let (one, two) = (maker.add(1, "one"), maker.add(2, "two"));
    maker.publish(&one);
    let server = maker.serve();
    let check = |name: &str, spoil: &dyn Fn(&Fake), mend: &dyn Fn(&Fake), why: &str| {
        maker.publish(&one);
        let sensor = maker.sensor(name);
        let mut follower = maker.follower(&address(&server), name, &sensor);
        follower.settings.never_older = false;
        assert_eq!(follower.step(0), Step::Changed(one), "{name}");
        maker.publish(&two);
        spoil(&sensor);
        let step = follower.step(10);
        assert!(matches!(&step, Step::Failed(said) if said.contains(why)), "{name}: {step:?}");
        assert!(follower.pause(0.5) <= Duration::from_secs(5), "{name}: soon");
        follower.step(20);
        assert!(follower.pause(0.5) <= Duration::from_secs(10), "{name}: later and later");
        let state = |bundle: Hash| {
            let all = receipts(&server);
            let kept = all.into_iter().find(|kept| kept.receipt.sensor == name).unwrap();
            (kept.receipt.state, kept.receipt.wanted == bundle)
        };
        assert_eq!(state(one), (State::InForce, true), "{name}: it may pass");
        assert!(matches!(follower.step(110), Step::Failed(_)), "{name}");
        assert_eq!(state(two), (State::Failed, true), "{name}: it lasts");
        mend(&sensor);
        assert_eq!(follower.step(111), Step::Changed(two), "{name}");
        assert_eq!(state(two), (State::InForce, true), "{name}");
        assert_eq!((has(&sensor), maker.current(name)), (Some(two), Some(two)), "{name}");
        maker.layout().set("default", &one, true).unwrap();
    };
    check("busy", &|fake| fake.busy.set(9), &|fake| fake.busy.set(0), "already in progress");
    let away = |fake: &Fake, is_away| *fake.is_away.borrow_mut() = is_away;
    check("away", &|fake| away(fake, true), &|fake| away(fake, false), "does not answer");
    let mend = |fake: &Fake| {
        fake.dies.set(false);
        away(fake, false);
    };
    check("dies", &|fake| fake.dies.set(true), &mend, "does not answer");
    let locked = RefCell::new(None);
    let lock = |fake: &Fake| *locked.borrow_mut() = Some(Store::open(&fake.store, 3).unwrap());
    check("locked", &lock, &|_| drop(locked.take()), "changes these rules");
    let file = maker.layout().bundle_file(&two);
    let away = file.with_extension("away");
    let hide = |_: &Fake| fs::rename(&file, &away).unwrap();
    check("download", &hide, &|_| fs::rename(&away, &file).unwrap(), "no such bundle");
    let never = Refusal::Never("not with -S".to_owned());
    let refuse = |fake: &Fake| *fake.refuses.borrow_mut() = Some((two, never.clone()));
    check("never", &refuse, &|fake| *fake.refuses.borrow_mut() = None, "-S");
}

/// A sensor that can't load what it has in force either has a trouble of its own.
#[test]
fn a_sensor_that_loads_nothing_has_not_refused_the_bundle() {
    let maker = maker();
    let sensor = maker.sensor("a");
    let (one, two) = (maker.add(1, "one"), maker.add(2, "two"));
    maker.publish(&one);
    let mut follower = maker.follower_of_folder("a", &sensor);
    follower.step(0);
    maker.publish(&two);
    struct Broken<'a>(&'a Fake);
    impl Control for Broken<'_> {
        fn in_force(&self) -> Result<InForce, String> {
            self.0.in_force()
        }

        fn reload(&self) -> Result<(), Refusal> {
            Err(Refusal::Failed("sensor.yaml:1: no".to_owned()))
        }
    }
    let broken = Broken(&sensor);
    let origin = Origin::new(&maker.layout().folder().display().to_string(), None, "t").unwrap();
    let mut follower = Follower::new(settings(maker.folder.path(), "a"), origin, &test, &broken);
    let step = follower.step(10);
    assert!(matches!(&step, Step::Failed(why) if why.contains("neither")), "{step:?}");
    assert_eq!((has(&sensor), maker.current("a")), (Some(one), Some(one)));
    drop(follower);
    assert_eq!(maker.follower_of_folder("a", &sensor).step(20), Step::Changed(two));
}

/// Going back is tried until it is done, whatever is in the way.
#[test]
fn going_back_is_tried_until_the_sensor_is_there() {
    let maker = maker();
    let sensor = maker.sensor("a");
    let (one, two, three) = (maker.add(1, "one"), maker.add(2, "two"), maker.add(3, "three"));
    maker.publish(&one);
    let mut follower = maker.follower_of_folder("a", &sensor);
    follower.step(0);
    maker.publish(&two);
    sensor.is_poor_with.set(Some(two));
    // It loads it, half of the rules are refused, and it is busy when it is to go back.
    struct Slow<'a>(&'a Fake);
    impl Control for Slow<'_> {
        fn in_force(&self) -> Result<InForce, String> {
            self.0.in_force()
        }

        fn reload(&self) -> Result<(), Refusal> {
            let done = self.0.reload();
            self.0.busy.set(2);
            done
        }
    }
    let slow = Slow(&sensor);
    let origin = Origin::new(&maker.layout().folder().display().to_string(), None, "t").unwrap();
    let mut held = Follower::new(settings(maker.folder.path(), "a"), origin, &test, &slow);
    let step = held.step(10);
    assert!(matches!(&step, Step::Failed(why) if why.contains("not done yet")), "{step:?}");
    assert_eq!((has(&sensor), maker.current("a")), (Some(two), Some(one)));
    drop(held);
    for now in [20, 30] {
        assert!(matches!(follower.step(now), Step::Failed(_)));
    }
    assert!(matches!(follower.step(40), Step::Refused(why) if why.contains("1 of 2")));
    assert_eq!((has(&sensor), maker.current("a")), (Some(one), Some(one)));
    let (receipt, _) = follower.sent.clone().unwrap();
    assert_eq!((receipt.state, receipt.bundle, receipt.wanted), (State::Refused, Some(one), two));
    // Refused again; before it is back, the channel names something better.
    let mut follower = maker.follower_of_folder("a", &sensor);
    *sensor.refuses.borrow_mut() = Some((one, Refusal::Busy("busy".to_owned())));
    assert!(matches!(follower.step(50), Step::Failed(_)));
    maker.publish(&three);
    assert_eq!(follower.step(60), Step::Changed(three));
    assert_eq!((has(&sensor), maker.current("a")), (Some(three), Some(three)));
}

/// Clocks are put right now and then.
#[test]
fn a_clock_that_was_wrong_does_no_harm() {
    let maker = maker();
    let sensor = maker.sensor("a");
    let (one, two) = (maker.add(1, "one"), maker.add(2, "two"));
    maker.publish(&one);
    let mut follower = maker.follower_of_folder("a", &sensor);
    follower.step(0);
    maker.publish(&two);
    let refusal = Refusal::Failed("no".to_owned());
    *sensor.refuses.borrow_mut() = Some((two, refusal));
    let far = 4_000_000_000;
    assert!(matches!(follower.step(far), Step::Refused(_)));
    *sensor.refuses.borrow_mut() = None;
    assert_eq!(follower.step(100), Step::Changed(two), "not only in a hundred years");
    assert_eq!(follower.sent.as_ref().unwrap().1, 100);
}
