//! What a run tells of itself: its log, its endpoint for metrics, and a collector of metrics.

use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, Result};
use delivery::network::Network;

use crate::config::native::Sensor;
use crate::log::program::Installed;
use crate::observe::{Endpoint, Limits, Observer, Serving};
use crate::process::live::{Voice, settle};

use super::native::RunArguments;

/// From now on messages go where configuration and command line say.
pub(super) fn log(arguments: &RunArguments, sensor: &Sensor) -> Result<Installed> {
    let mut log = sensor.program_log(&arguments.output);
    log.format = arguments.log_format.unwrap_or(log.format);
    let name = log.file.as_deref().unwrap_or(Path::new("")).display().to_string();
    log.install().with_context(|| format!("{name}: cannot be opened for the log"))
}

impl Voice for Installed {
    fn say(&self, text: &str) {
        tracing::info!("{text}");
    }

    fn warn(&self, text: &str) {
        tracing::warn!("{text}");
    }

    fn reopen(&self) {
        Installed::reopen(self);
    }
}

/// What is bound and read while rights are still there.
pub(super) struct Watching {
    observer: Arc<Observer>,
    endpoint: Option<Endpoint>,
    #[cfg(feature = "otel")]
    exporter: Option<crate::observe::otlp::Exporter>,
}

/// All of it at work; it ends when this goes.
pub(super) struct Watched {
    /// Knows what is to be known.
    pub(super) observer: Arc<Observer>,
    _serving: Option<Serving>,
    #[cfg(feature = "otel")]
    _exporting: Option<crate::observe::otlp::Exporting>,
}

impl Watching {
    /// Binds what is to be bound; what is sent takes the event network.
    pub(super) fn open(
        arguments: &RunArguments,
        sensor: &Sensor,
        network: &Network,
    ) -> Result<Self> {
        #[cfg(not(feature = "otel"))]
        let _ = network;
        let listen = match arguments.metrics.as_slice() {
            [] => &sensor.metrics.listen.0,
            given => given,
        };
        let endpoint = match listen {
            [] => None,
            some => Some(Endpoint::bind(some).map_err(|(address, error)| {
                anyhow::anyhow!("metrics: cannot listen at {address}: {error}")
            })?),
        };
        Ok(Self {
            observer: Observer::new(sensor.metrics.per_worker),
            endpoint,
            #[cfg(feature = "otel")]
            exporter: exporter(sensor, network)?,
        })
    }

    /// Begins, on some CPUs if any are named.
    pub(super) fn begin(self, cpus: &[usize]) -> Result<Watched> {
        let cpus = cpus.to_vec();
        let place = move || {
            // Where that cannot be, they run where the system puts them.
            let _ = settle(&cpus);
        };
        let serve = |endpoint: Endpoint| {
            for address in endpoint.addresses() {
                tracing::info!("metrics are served at http://{address}/metrics");
            }
            endpoint.serve(Arc::clone(&self.observer), Limits::default(), place.clone())
        };
        let serving = self.endpoint.map(serve).transpose();
        let serving = serving.context("there is no thread for metrics")?;
        #[cfg(feature = "otel")]
        let exporting = {
            let begin = |one: crate::observe::otlp::Exporter| {
                one.begin(Arc::clone(&self.observer), place.clone())
            };
            self.exporter.map(begin).transpose().context("there is no thread for metrics")?
        };
        Ok(Watched {
            observer: self.observer,
            _serving: serving,
            #[cfg(feature = "otel")]
            _exporting: exporting,
        })
    }
}

#[cfg(feature = "otel")]
fn exporter(sensor: &Sensor, network: &Network) -> Result<Option<crate::observe::otlp::Exporter>> {
    use crate::observe::otlp::{Exporter, Resource};
    let Some(settings) = &sensor.otel else { return Ok(None) };
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = host.trim().to_owned();
    let name = sensor.name().unwrap_or(&host).to_owned();
    let exporter = Exporter::new(settings, network, Resource { host, sensor: name });
    exporter.map(Some).map_err(anyhow::Error::msg)
}
