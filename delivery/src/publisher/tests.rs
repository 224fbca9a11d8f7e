//! A publisher with a sink that does as it is told.

use std::path::Path;
use std::sync::{Mutex, MutexGuard};
use std::thread::JoinHandle;

use super::*;
use crate::activity::Activity;
use crate::record::Batch;
use crate::spool::{Spool, SpoolSettings, Writer};

/// What a sink was told, and what it is to say.
#[derive(Default)]
struct Orders {
    /// Tickets of records that were offered.
    offered: Vec<u64>,
    settled: Settled,
    /// All that is offered is confirmed.
    confirms: bool,
    trouble: Option<Trouble>,
    panics: bool,
    /// Of what it was given so much has not left it.
    unsent: u64,
    finishes: u64,
    reopenings: u64,
    forgotten: u64,
}

#[derive(Clone, Default)]
struct Obedient(Arc<Mutex<Orders>>);

impl Obedient {
    fn orders(&self) -> MutexGuard<'_, Orders> {
        self.0.lock().unwrap()
    }
}

impl Sink for Obedient {
    fn offer(&mut self, records: &[Record<'_>], first: u64) -> Result<usize, Trouble> {
        let mut orders = self.orders();
        if orders.panics {
            drop(orders);
            panic!("as ordered");
        }
        if let Some(trouble) = &orders.trouble {
            return Err(trouble.clone());
        }
        let end = first + records.len() as u64;
        orders.offered.extend(first..end);
        if orders.confirms {
            orders.settled.deliver(first, end);
        }
        Ok(records.len())
    }

    fn settle(&mut self, patience: Duration, settled: &mut Settled) -> Result<(), Trouble> {
        std::thread::sleep(patience);
        std::mem::swap(settled, &mut self.orders().settled);
        Ok(())
    }

    fn forget(&mut self) {
        self.orders().forgotten += 1;
    }

    fn unsent(&self) -> u64 {
        self.orders().unsent
    }

    fn finish(&mut self) {
        self.orders().finishes += 1;
    }

    fn reopen(&mut self) {
        self.orders().reopenings += 1;
    }
}

fn open(folder: &Path) -> Writer {
    let settings = SpoolSettings { directory: folder.to_path_buf(), ..SpoolSettings::default() };
    Spool::open(&settings).unwrap().0
}

/// A publisher at work, and what is needed to watch it.
struct Work {
    writer: Writer,
    sink: Obedient,
    figures: Arc<SinkFigures>,
    wishes: Arc<Wishes>,
    thread: Option<JoinHandle<()>>,
    next: u64,
}

impl Work {
    fn begin(folder: &Path, filter: &str, orders: Orders) -> Self {
        Self::begin_with(open(folder), folder, filter, orders)
    }

    /// With a window of 64 KiB.
    fn begin_with(writer: Writer, folder: &Path, filter: &str, orders: Orders) -> Self {
        let sink = Obedient(Arc::new(Mutex::new(orders)));
        let figures = Arc::new(SinkFigures::new("one", "obedient", Activity::default()));
        let wishes = Arc::new(Wishes::default());
        let publisher = Publisher::new(
            writer.register("one").unwrap(),
            Box::new(sink.clone()),
            serde_saphyr::from_str(filter).unwrap(),
            Arc::clone(&figures),
            RefusedFile::new(folder.join("refused-one.json"), 1 << 20),
            Arc::clone(&wishes),
            64 << 10,
        );
        let thread = Some(std::thread::spawn(move || publisher.run()));
        Self { writer, sink, figures, wishes, thread, next: 0 }
    }

    /// Spools a record of about so many bytes; returns how many exactly.
    fn spool(&mut self, kind: &str, size: usize) -> u64 {
        let fill = "x".repeat(size);
        let bytes = format!("{{\"event_type\":\"{kind}\",\"fill\":\"{fill}\"}}\n").into_bytes();
        let length = bytes.len() as u64 - 1;
        self.writer.append(&[Batch { worker: 0, first: self.next, bytes }]);
        self.next += 1;
        length
    }

    fn offered(&self) -> usize {
        self.sink.orders().offered.len()
    }

    fn wait(&self, what: &str, mut is_so: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            assert!(start.elapsed() < Duration::from_secs(14), "{what}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn is_finished(&self) -> bool {
        self.thread.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.wishes.end_at_once();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[test]
fn what_the_filter_leaves_out_takes_up_no_room() {
    let folder = tempfile::tempdir().unwrap();
    let mut work = Work::begin(folder.path(), "only: [alert]", Orders::default());
    let mut bytes = work.spool("alert", 100);
    work.wait("the first", |work| work.offered() == 1);
    // Ten times the window, behind an alert that is not settled.
    (0..640).for_each(|_| _ = work.spool("http", 1000));
    work.wait("filtered", |work| work.figures.filtered.get() == 640);
    bytes += work.spool("alert", 50);
    work.wait("the second", |work| work.offered() == 2);
    assert_eq!(work.sink.orders().finishes, 0, "the window was never full");
    // What was left out waits for nothing.
    work.wait("committed", |work| work.figures.lag.get() == 2);
    work.sink.orders().settled.deliver(0, 2);
    work.wait("delivered", |work| work.figures.lag.get() == 0);
    assert_eq!((work.figures.delivered.get(), work.figures.read.get()), (2, 642));
    assert_eq!(work.figures.delivered_bytes.get(), bytes, "of two alerts");
}

#[test]
fn settled_records_make_room() {
    // Behind a record of their own lane they can't be committed, behind another they are.
    let check = |first: &str, lag: u64| {
        let folder = tempfile::tempdir().unwrap();
        let mut work = Work::begin(folder.path(), "{}", Orders::default());
        work.spool(first, 10);
        work.wait("the first", |work| work.offered() == 1);
        // Each is confirmed before the next; together they are many times the window.
        for ticket in 1..=200 {
            work.spool("http", 2000);
            work.wait("the next", |work| work.offered() == ticket as usize + 1);
            work.sink.orders().settled.deliver(ticket, ticket + 1);
            work.wait("confirmed", |work| work.figures.delivered.get() == ticket);
        }
        assert_eq!(work.sink.orders().finishes, 0, "the window was never full");
        work.wait("a report", |work| work.figures.lag.get() == lag);
        work.spool("http", 10);
        work.wait("the last", |work| work.offered() == 202);
        // Of those that are settled already, or were never offered, nothing changes.
        work.sink.orders().settled.deliver(0, 300);
        work.wait("delivered", |work| work.figures.lag.get() == 0);
        assert_eq!(work.figures.delivered.get(), 202);
    };
    check("alert", 1);
    check("http", 201);
}

#[test]
fn refused_records_are_no_delivered_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let mut work = Work::begin(folder.path(), "{except: [dns]}", Orders::default());
    let bytes: Vec<u64> = ["http", "dns", "tls", "http"].map(|kind| work.spool(kind, 30)).to_vec();
    work.wait("offered", |work| work.offered() == 3);
    {
        let mut orders = work.sink.orders();
        orders.settled.refused.push((1, "too odd".to_owned()));
        orders.settled.delivered = vec![(0, 1), (2, 3)];
    }
    let counted = |work: &Work| (work.figures.delivered.get(), work.figures.refused.total());
    work.wait("settled", |work| counted(work) == (2, 1));
    assert_eq!(work.figures.delivered_bytes.get(), bytes[0] + bytes[3]);
}

#[test]
fn a_wish_ends_the_wait_for_a_receiver() {
    let folder = tempfile::tempdir().unwrap();
    let trouble = Some(Trouble::lasting("no such user"));
    let mut work =
        Work::begin(folder.path(), "{}", Orders { trouble, confirms: true, ..Orders::default() });
    work.spool("http", 10);
    work.wait("trouble", |work| work.figures.troubles.get() == 1);
    // Lasting trouble is left alone for 15 s at least; not when somebody asks for something.
    work.wishes.reopen();
    work.wait("the second attempt", |work| work.figures.troubles.get() == 2);
    assert_eq!(work.sink.orders().reopenings, 1);
    work.sink.orders().trouble = None;
    work.wishes.end_when_done();
    work.wait("the end", Work::is_finished);
    assert_eq!((work.figures.delivered.get(), work.figures.lag.get()), (1, 0));
}

#[test]
fn while_it_ends_it_waits_between_attempts() {
    let folder = tempfile::tempdir().unwrap();
    let trouble = Some(Trouble::passing("nobody there"));
    let mut work = Work::begin(folder.path(), "{}", Orders { trouble, ..Orders::default() });
    work.spool("http", 10);
    work.wishes.end_when_done();
    std::thread::sleep(Duration::from_millis(700));
    assert!((1..=5).contains(&work.figures.troubles.get()), "{}", work.figures.troubles.get());
    assert!(!work.is_finished());
    work.wishes.end_at_once();
    work.wait("the end", Work::is_finished);
    assert_eq!(work.figures.lag.get(), 1);
}

#[test]
fn a_sink_whose_thread_panicked_is_down() {
    let folder = tempfile::tempdir().unwrap();
    let mut work = Work::begin(folder.path(), "{}", Orders { confirms: true, ..Orders::default() });
    work.spool("http", 10);
    work.wait("up", |work| work.figures.health() == Health::Up);
    work.sink.orders().panics = true;
    work.spool("http", 10);
    work.wait("the end", Work::is_finished);
    assert!(matches!(work.figures.health(), Health::Down(_)), "{:?}", work.figures.health());
}

#[test]
fn the_end_waits_for_what_can_not_be_read_yet() {
    let folder = tempfile::tempdir().unwrap();
    let mut writer = open(folder.path());
    let bytes = b"{\"event_type\":\"alert\"}\n".to_vec();
    writer.append(&[Batch { worker: 0, first: 0, bytes }]);
    let path = folder.path().join("alerts-00000001.spool");
    let aside = folder.path().join("aside");
    std::fs::rename(&path, &aside).unwrap();
    std::fs::create_dir(&path).unwrap();
    let orders = Orders { confirms: true, ..Orders::default() };
    let work = Work::begin_with(writer, folder.path(), "{}", orders);
    let errors = |work: &Work| work.figures.own().get("spool-read-errors").copied();
    work.wait("errors", |work| errors(work) > Some(0));
    work.wishes.end_when_done();
    std::thread::sleep(Duration::from_millis(300));
    assert!(!work.is_finished());
    std::fs::remove_dir(&path).unwrap();
    std::fs::rename(&aside, &path).unwrap();
    work.wait("the end", Work::is_finished);
    assert_eq!((work.figures.delivered.get(), work.figures.missed.get()), (1, 0));
}

#[test]
fn what_never_left_the_sink_can_not_arrive_twice() {
    let check = |unsent: u64, outstanding: u64, again: u64, later: u64| {
        let folder = tempfile::tempdir().unwrap();
        let orders = Orders { unsent, ..Orders::default() };
        let mut work = Work::begin(folder.path(), "{}", orders);
        (0..10).for_each(|_| _ = work.spool("http", 10));
        work.wait("offered", |work| work.offered() == 10);
        work.wait("a report", |work| work.figures.outstanding.get() == outstanding);
        work.sink.orders().trouble = Some(Trouble::passing("nobody there"));
        work.spool("http", 10);
        work.wait("trouble", |work| work.figures.troubles.get() > 0);
        assert_eq!(work.figures.again.get(), again, "of {unsent}");
        drop(work);
        // The same holds for what comes again after a restart.
        let work = Work::begin(folder.path(), "{}", Orders { confirms: true, ..Orders::default() });
        work.wait("delivered", |work| work.figures.delivered.get() == 11);
        work.wishes.end_when_done();
        work.wait("the end", Work::is_finished);
        assert!((later..=later + 1).contains(&work.figures.again.get()), "of {unsent}");
    };
    check(0, 10, 10, 10);
    check(10, 0, 0, 0);
}

#[test]
fn the_first_reason_of_a_refusal_is_kept_and_told_once() {
    #[derive(Clone, Default)]
    struct Ear(Arc<Mutex<Vec<String>>>);
    struct Text<'a>(&'a mut String);
    impl tracing::field::Visit for Text<'_> {
        fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn std::fmt::Debug) {
            if field.name() == "message" {
                *self.0 = format!("{value:?}");
            }
        }
    }
    impl tracing::Subscriber for Ear {
        fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
            *metadata.level() == tracing::Level::WARN
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, event: &tracing::Event<'_>) {
            let mut text = String::new();
            event.record(&mut Text(&mut text));
            self.0.lock().unwrap().push(text);
        }
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }
    let folder = tempfile::tempdir().unwrap();
    let ear = Ear::default();
    let mut writer = open(folder.path());
    for first in 0..10 {
        let bytes = b"{\"event_type\":\"http\"}\n".to_vec();
        writer.append(&[Batch { worker: 0, first, bytes }]);
    }
    let sink = Obedient::default();
    sink.orders().settled.refused = (0..10).map(|at| (at, format!("too odd: {at}"))).collect();
    let figures = Arc::new(SinkFigures::new("one", "obedient", Activity::default()));
    let wishes = Arc::new(Wishes::default());
    let file = folder.path().join("refused-one.json");
    let publisher = Publisher::new(
        writer.register("one").unwrap(),
        Box::new(sink),
        Filter::default(),
        Arc::clone(&figures),
        RefusedFile::new(file.clone(), 1 << 20),
        Arc::clone(&wishes),
        64 << 10,
    );
    wishes.end_when_done();
    tracing::subscriber::with_default(ear.clone(), || publisher.run());
    assert_eq!((figures.refused.total(), figures.delivered.get()), (10, 0));
    let reason = "too odd: 0".to_owned();
    assert_eq!(figures.refusal(), Some(Refusal { reason, file: file.clone() }));
    let said = format!("10 records were refused: too odd: 0 (see {})", file.display());
    assert_eq!(*ear.0.lock().unwrap(), [said]);
}

#[test]
fn while_it_ends_a_receiver_is_tried_every_second() {
    let folder = tempfile::tempdir().unwrap();
    let trouble = Some(Trouble::lasting("a wrong password"));
    let mut work = Work::begin(folder.path(), "{}", Orders { trouble, ..Orders::default() });
    work.spool("http", 10);
    work.wait("trouble", |work| work.figures.troubles.get() == 1);
    work.wishes.end_when_done();
    let start = Instant::now();
    work.wait("tries", |work| work.figures.troubles.get() == 4);
    assert!(start.elapsed() < Duration::from_secs(6), "{:?}", start.elapsed());
}
