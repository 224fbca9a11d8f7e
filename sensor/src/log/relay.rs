//! What delivery and others say through `tracing`, in the engine log: a sensor in the background has
//! no other place to say it.

use std::io::{self, Write};
use std::sync::Arc;

use tracing::{Event, Subscriber};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

use super::program::{LineFormat, ProgramLog, Said};
use super::{Level, Log};

/// Hands warnings and errors to the engine log.
struct Relay(Arc<Log>);

/// From now on the engine log hears all warnings and errors of this process. What else
/// `BATELEUR_DEBUG` asks for goes to standard error.
pub(crate) fn install(log: &Arc<Log>) {
    let level = ProgramLog::default().level();
    // A second log in a process would be a fault of the program, and the first one stays.
    let _ = tracing::subscriber::set_global_default(hearing(log, level));
}

fn hearing(log: &Arc<Log>, level: tracing::Level) -> impl Subscriber + Send + Sync + 'static {
    let relay = Relay(Arc::clone(log));
    tracing_subscriber::registry().with(LevelFilter::from_level(level)).with(relay)
}

impl<S: Subscriber> Layer<S> for Relay {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut said = Said::default();
        event.record(&mut said);
        let about = event.metadata();
        let level = match *about.level() {
            tracing::Level::ERROR => Level::Error,
            tracing::Level::WARN => Level::Warning,
            other => {
                let mut line = String::new();
                let mut writer = Writer::new(&mut line);
                let level = other.as_str().to_ascii_lowercase();
                if said.line(LineFormat::Text, &level, about.target(), &mut writer).is_ok() {
                    let _ = io::stderr().lock().write_all(line.as_bytes());
                }
                return;
            }
        };
        let mut text = String::new();
        if said.body(&mut Writer::new(&mut text)).is_ok() {
            self.0.say(level, component(about.target()), &text);
        }
    }
}

/// Who speaks: the crate, of our own the room in it.
fn component(target: &str) -> &str {
    let own = module_path!().split("::").next();
    let (first, last) = (target.split("::").next(), target.rsplit("::").next());
    (if first == own { last } else { first }).unwrap_or(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_log_hears_warnings_and_errors() {
        let log = Arc::new(Log::keeping(Level::Debug));
        tracing::subscriber::with_default(hearing(&log, tracing::Level::INFO), || {
            tracing::warn!(target: "delivery::publisher", sink = "redis", "no\nanswer");
            tracing::error!(target: "delivery::delivery", "the spool can't be closed: {}", "x");
            tracing::info!(target: "delivery::publisher", sink = "redis", "records are delivered");
            tracing::debug!("not asked for");
            tracing::warn!("own");
        });
        let of = |module: &str, text: &str| (module.to_owned(), text.to_owned());
        let wanted = [
            of("delivery", "no\\nanswer sink=redis"),
            of("delivery", "the spool can't be closed: x"),
            of("tests", "own"),
        ];
        assert_eq!(log.take_kept(), wanted);
    }

    #[test]
    fn levels_are_those_of_the_engine_log() {
        let log = Arc::new(Log::keeping(Level::Error));
        tracing::subscriber::with_default(hearing(&log, tracing::Level::WARN), || {
            tracing::warn!(target: "delivery", "a warning");
            tracing::error!(target: "delivery", "an error");
        });
        assert_eq!(log.take_kept(), [("delivery".to_owned(), "an error".to_owned())]);
    }
}
