//! `af-packet`, `af-xdp`, `threading`, `run-as`, `unix-command` become `capture`.

use capture::live::Method;

use super::{Migration, in_units};
use crate::bpf::Filter;
use crate::config::capture::CaptureSettings;
use crate::config::native::{Kind, Origin, Value};
use crate::config::suricata::{CaptureSection, read_capture};

impl Migration<'_> {
    /// What was captured where and by whom.
    pub(super) fn capture(&mut self) -> Result<(), String> {
        let section = CaptureSection::of(self.config.root);
        let has_section = self.config.root.get(section.name()).is_some_and(|node| {
            node.children
                .iter()
                .any(|item| item.text("interface").is_some_and(|name| name != "default"))
        });
        if !has_section {
            self.runmode();
            self.rights();
            return Ok(());
        }
        let settings = read_capture(self.config, section, &[]).map_err(|_| {
            let said: Vec<String> =
                self.config.log.take_kept().into_iter().map(|(_, text)| text).collect();
            said.join("; ")
        })?;
        self.interfaces(&settings, section.name());
        self.rings(&settings, section.name());
        self.threads(&settings, section.name());
        self.filter(&settings, section.name());
        self.runmode();
        self.rights();
        Ok(())
    }

    /// One filter for all interfaces; what `sensor.yaml` would refuse is left to the user.
    fn filter(&mut self, settings: &CaptureSettings, section: &str) {
        let Some(filter) = &settings.filter else { return };
        let good = Filter::parse(filter);
        if good.is_ok() {
            self.put("capture.filter", filter.clone());
        }
        let items = self.config.root.get(section).map_or(0, |node| node.children.len());
        for at in 0..items {
            let path = format!("{section}.{at}.bpf-filter");
            match &good {
                Ok(_) => self.take(path),
                Err(error) => self.leave(path, format!("it can't be understood: {error}")),
            }
        }
    }

    fn interfaces(&mut self, settings: &CaptureSettings, section: &str) {
        let items = settings.interfaces.iter().map(|one| {
            let mut pairs =
                vec![("name".to_owned(), Value::word(one.live.name.clone(), Origin::Default))];
            let method = match one.live.method {
                Method::Auto => "auto",
                Method::Xdp => "af-xdp",
                Method::Packet => "af-packet",
            };
            pairs.push(("method".to_owned(), Value::word(method, Origin::Default)));
            if !one.live.promiscuous {
                pairs.push(("promiscuous".to_owned(), plain("false")));
            }
            Value { kind: Kind::Map(pairs), ..Value::default() }
        });
        let items = items.collect();
        self.put_value("capture.interfaces", Value { kind: Kind::List(items), ..Value::default() });
        let count = self.config.root.get(section).map_or(0, |node| node.children.len());
        for at in 0..count {
            for key in [
                "interface",
                "disable-promisc",
                "copy-mode",
                "cluster-type",
                "cluster-id",
                "defrag",
            ] {
                self.take(format!("{section}.{at}.{key}"));
            }
        }
    }

    /// Rings, when they are the same for all.
    fn rings(&mut self, settings: &CaptureSettings, section: &str) {
        let Some(first) = settings.interfaces.first().map(|one| &one.live) else { return };
        let all = || settings.interfaces.iter().map(|one| &one.live);
        let count = self.config.root.get(section).map_or(0, |node| node.children.len());
        let default = CaptureSettings::default();
        let keys: &[&str] = if section == "af-xdp" {
            let same = |one: &capture::live::XdpSettings| (one.generic, one.zero_copy);
            if all().any(|one| same(&one.xdp) != same(&first.xdp)) {
                return;
            }
            if first.xdp.generic {
                self.put_plain("capture.af-xdp.generic", true);
            }
            if !first.xdp.zero_copy {
                self.put_plain("capture.af-xdp.zero-copy", false);
            }
            &["force-xdp-mode", "force-bind-mode"]
        } else {
            let same = |one: &capture::live::PacketSettings| {
                (one.block_size, one.blocks, one.block_timeout_ms)
            };
            if all().any(|one| same(&one.packet) != same(&first.packet)) {
                return;
            }
            let (packet, usual) = (&first.packet, &default.packet);
            if packet.block_size != usual.block_size
                && let Some(size) = in_units(packet.block_size.into())
            {
                self.put("capture.af-packet.block-size", size);
            }
            if packet.blocks != usual.blocks {
                // Fewer than two are none, and more than so many none that sensor.yaml takes.
                if packet.blocks > 65536 {
                    return;
                }
                self.put_plain("capture.af-packet.blocks", packet.blocks);
            }
            if packet.block_timeout_ms != usual.block_timeout_ms {
                let text = format!("{} ms", packet.block_timeout_ms);
                self.put("capture.af-packet.block-timeout", text);
            }
            &["block-size", "ring-size", "block-timeout", "tpacket-v3", "use-mmap"]
        };
        for at in 0..count {
            keys.iter().for_each(|key| self.take(format!("{section}.{at}.{key}")));
        }
    }

    fn threads(&mut self, settings: &CaptureSettings, section: &str) {
        let cpus = settings.cpus.as_ref();
        let workers = settings.workers.filter(|workers| (1..=256).contains(workers));
        let count = self.config.root.get(section).map_or(0, |node| node.children.len());
        let paths = (0..count).map(|at| format!("{section}.{at}.threads"));
        match (workers, cpus) {
            (Some(workers), Some(cpus)) if workers > cpus.len() => {
                for path in paths {
                    self.leave(path, "there are fewer CPUs for workers: capture.workers");
                }
            }
            (Some(workers), _) => {
                self.put_plain("capture.workers", workers);
                paths.for_each(|path| self.take(path));
            }
            (None, _) => paths.for_each(|path| self.take(path)),
        }
        let affinity = "threading.cpu-affinity";
        if let Some(cpus) = cpus {
            self.put("capture.cpus", cpus.to_string());
            self.take("threading.set-cpu-affinity");
        }
        if let Some(cpus) = &settings.management_cpus {
            self.put("capture.management-cpus", cpus.to_string());
            self.take("threading.set-cpu-affinity");
        }
        for (name, is_set) in [
            ("worker-cpu-set", cpus.is_some()),
            ("management-cpu-set", settings.management_cpus.is_some()),
        ] {
            if !is_set {
                continue;
            }
            self.take(format!("{affinity}.{name}.cpu"));
            let items = self.config.root.get(affinity).map_or(&[][..], |node| &node.children);
            if let Some(at) = items.iter().position(|item| item.child(name).is_some()) {
                self.take(format!("{affinity}.{at}.{name}.cpu"));
            }
        }
    }

    /// Workers that do all for their flows are the only way to run.
    fn runmode(&mut self) {
        match self.text("runmode") {
            Some("workers") => self.take("runmode"),
            Some("single") => {
                self.put_plain("capture.workers", 1);
                self.leave("runmode", "it is one worker: capture.workers is 1");
            }
            Some("autofp") => {
                self.leave("runmode", "there are workers, each of which does all for its flows");
            }
            _ => {}
        }
    }

    fn rights(&mut self) {
        for (old, new) in [("run-as.user", "capture.user"), ("run-as.group", "capture.group")] {
            if let Some(name) = self.text(old).map(ToOwned::to_owned) {
                self.put(new, name);
                self.take(old);
            }
        }
        let is_on = self
            .text("unix-command.enabled")
            .is_some_and(|word| !crate::config::boolean::is_false(word));
        if is_on {
            let path = crate::control::socket::path_of(self.text("unix-command.filename"));
            self.put("capture.control", path.display().to_string());
            self.take("unix-command.filename");
        }
        self.take("unix-command.enabled");
    }
}

fn plain(text: &str) -> Value {
    let kind = Kind::Scalar { text: text.to_owned(), is_plain: true };
    Value { kind, ..Value::default() }
}
