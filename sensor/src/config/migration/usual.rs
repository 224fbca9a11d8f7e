//! Values of `suricata.yaml` that a sensor has anyway: what says them need not be told.

use crate::config::native::{Kind, Value};
use crate::config::{boolean, size};

/// Keys with what Suricata's own file says, as the sensor has it without a word; `*` stands for one
/// part of a key. The test holds them against the settings.
pub(super) const USUAL: &[(&str, &str)] = &[
    ("app-layer.error-policy", "ignore"),
    ("app-layer.protocols.dns.tcp.enabled", "yes"),
    ("app-layer.protocols.dns.udp.enabled", "yes"),
    ("app-layer.protocols.http.libhtp.default-config.double-decode-path", "no"),
    ("app-layer.protocols.http.libhtp.default-config.double-decode-query", "no"),
    ("app-layer.protocols.http.libhtp.default-config.http-body-inline", "auto"),
    ("app-layer.protocols.http.libhtp.default-config.personality", "IDS"),
    ("app-layer.protocols.http.libhtp.default-config.request-body-inspect-window", "4kb"),
    ("app-layer.protocols.http.libhtp.default-config.request-body-limit", "100kb"),
    ("app-layer.protocols.http.libhtp.default-config.request-body-minimal-inspect-size", "32kb"),
    ("app-layer.protocols.http.libhtp.default-config.response-body-decompress-layer-limit", "2"),
    ("app-layer.protocols.http.libhtp.default-config.response-body-inspect-window", "16kb"),
    ("app-layer.protocols.http.libhtp.default-config.response-body-limit", "100kb"),
    ("app-layer.protocols.http.libhtp.default-config.response-body-minimal-inspect-size", "40kb"),
    ("app-layer.protocols.http.libhtp.default-config.swf-decompression.compress-depth", "100kb"),
    ("app-layer.protocols.http.libhtp.default-config.swf-decompression.decompress-depth", "100kb"),
    ("app-layer.protocols.http.libhtp.default-config.swf-decompression.enabled", "no"),
    ("app-layer.protocols.http.libhtp.default-config.swf-decompression.type", "both"),
    ("app-layer.protocols.ldap.tcp.enabled", "yes"),
    ("app-layer.protocols.ldap.udp.enabled", "yes"),
    ("asn1-max-frames", "256"),
    ("decoder.geneve.enabled", "true"),
    ("decoder.geneve.ports", "$GENEVE_PORTS"),
    ("decoder.teredo.enabled", "true"),
    ("decoder.teredo.ports", "$TEREDO_PORTS"),
    ("decoder.vxlan.enabled", "true"),
    ("decoder.vxlan.ports", "$VXLAN_PORTS"),
    ("defrag.hash-size", "65536"),
    ("defrag.max-frags", "65535"),
    ("defrag.prealloc", "no"),
    ("defrag.timeout", "60"),
    ("defrag.trackers", "65535"),
    ("detect.profile", "medium"),
    ("detect.custom-values.toclient-groups", "3"),
    ("detect.custom-values.toserver-groups", "25"),
    ("detect.sgh-mpm-context", "auto"),
    ("detect.prefilter.default", "mpm"),
    ("detect.thresholds.memcap", "16mb"),
    ("exception-policy", "auto"),
    ("flow.emergency-recovery", "30"),
    ("flow.hash-size", "65536"),
    ("flow.prealloc", "10000"),
    ("flow-timeouts.*.bypassed", "100"),
    ("flow-timeouts.*.emergency-bypassed", "50"),
    ("flow-timeouts.default.closed", "0"),
    ("flow-timeouts.default.emergency-closed", "0"),
    ("flow-timeouts.default.emergency-established", "100"),
    ("flow-timeouts.default.emergency-new", "10"),
    ("flow-timeouts.default.established", "300"),
    ("flow-timeouts.default.new", "30"),
    ("flow-timeouts.icmp.emergency-established", "100"),
    ("flow-timeouts.icmp.emergency-new", "10"),
    ("flow-timeouts.icmp.established", "300"),
    ("flow-timeouts.icmp.new", "30"),
    ("flow-timeouts.tcp.closed", "60"),
    ("flow-timeouts.tcp.emergency-closed", "10"),
    ("flow-timeouts.tcp.emergency-established", "100"),
    ("flow-timeouts.tcp.emergency-new", "5"),
    ("flow-timeouts.tcp.established", "600"),
    ("flow-timeouts.tcp.new", "60"),
    ("flow-timeouts.udp.emergency-established", "100"),
    ("flow-timeouts.udp.emergency-new", "10"),
    ("flow-timeouts.udp.established", "300"),
    ("flow-timeouts.udp.new", "30"),
    ("host.hash-size", "4096"),
    ("host.memcap", "16mb"),
    ("host.prealloc", "1000"),
    ("legacy.uricontent", "enabled"),
    ("mpm-algo", "auto"),
    ("pcre.match-limit", "3500"),
    ("pcre.match-limit-recursion", "1500"),
    ("spm-algo", "auto"),
    ("stats.exception-policy.per-app-proto-errors", "false"),
    ("stream.inline", "auto"),
    ("stream.midstream", "no"),
    ("stream.reassembly.randomize-chunk-size", "yes"),
    ("stream.reassembly.toclient-chunk-size", "2560"),
    ("stream.reassembly.toserver-chunk-size", "2560"),
    ("stream.reassembly.urgent.oob-limit-policy", "drop"),
    ("stream.reassembly.urgent.policy", "oob"),
    ("threading.autopin", "no"),
    ("threading.detect-thread-ratio", "1.0"),
    ("threading.set-cpu-affinity", "no"),
    ("vlan.use-for-tracking", "true"),
];

/// Sections whose keys mean nothing here, so that no value of them is in force.
const WITHOUT_MEANING: [&str; 5] = ["detect", "legacy", "mpm-algo", "spm-algo", "threading"];

/// What a sensor has for a key; none: that is not known, or nothing like it.
pub(super) fn of(path: &str) -> Option<&'static str> {
    USUAL.iter().find(|(key, _)| fits(key, path)).map(|(_, usual)| *usual)
}

/// The same, if it is in force here.
pub(super) fn in_force(path: &str) -> Option<&'static str> {
    let section = path.split('.').next().unwrap_or_default();
    of(path).filter(|_| !WITHOUT_MEANING.contains(&section))
}

/// Whether a value says nothing that is not so anyway: no section without content does, either.
pub(super) fn says_nothing(path: &str, value: &Value) -> bool {
    let Kind::Scalar { text, .. } = &value.kind else { return true };
    value.is_null() || of(path).is_some_and(|usual| is_same(text, usual))
}

fn fits(key: &str, path: &str) -> bool {
    let mut parts = path.split('.');
    key.split('.').all(|one| parts.next().is_some_and(|part| one == "*" || one == part))
        && parts.next().is_none()
}

fn is_same(text: &str, usual: &str) -> bool {
    let bytes = |text: &str| size::strict(text).filter(|_| !text.is_empty());
    text.eq_ignore_ascii_case(usual)
        || boolean::is_true(text) && boolean::is_true(usual)
        || boolean::is_false(text) && boolean::is_false(usual)
        || bytes(text).is_some_and(|size| bytes(usual) == Some(size))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::native::DEFAULTS;
    use crate::config::suricata::{Config, Mode, read};
    use crate::config::tree::Node;
    use crate::config::yaml::Loader;
    use crate::log::{Level, Log};

    /// Settings of a sensor to which a key of `suricata.yaml` was said as well.
    fn settings(said: Option<(&str, &str)>) -> String {
        let log = Log::keeping(Level::Error);
        let mut loader = Loader::new(Node::default(), &log);
        loader.text(DEFAULTS).unwrap();
        let mut root = loader.finish();
        if let Some((key, value)) = said {
            root.set_final(key, value);
        }
        let mode = Mode { detection: true, ..Mode::default() };
        let all = read(Config { root: &root, log: &log, mode: &mode }, Path::new("/out"));
        let all = all.unwrap_or_else(|_| panic!("{said:?}: {:?}", log.take_kept()));
        let process = &all.process;
        // Rules' own settings have tables without an order.
        format!(
            "{:?} {:?} {:?} {:?}",
            all.detector, process.engine, process.statistics, process.datasets
        )
    }

    #[test]
    fn usual_values_change_nothing() {
        let plain = settings(None);
        assert!(plain == settings(None), "settings are the same each time");
        assert!(plain != settings(Some(("flow-timeouts.tcp.new", "999"))), "a timeout is seen");
        let changed: Vec<&(&str, &str)> = USUAL
            .iter()
            .filter(|(key, usual)| settings(Some((&key.replace('*', "tcp"), usual))) != plain)
            .collect();
        assert!(changed.is_empty(), "{changed:#?}");
    }

    #[test]
    fn values_are_the_same_however_they_are_written() {
        for (text, usual, expected) in [
            ("100 KiB", "100kb", true),
            ("102400", "100kb", true),
            ("10mb", "100kb", false),
            ("on", "yes", true),
            ("off", "yes", false),
            ("MEDIUM", "medium", true),
        ] {
            assert_eq!(is_same(text, usual), expected, "{text} {usual}");
        }
        assert!(of("flow-timeouts.udp.bypassed").is_some() && of("flow-timeouts.udp").is_none());
        assert!(in_force("mpm-algo").is_none() && in_force("exception-policy") == Some("auto"));
    }
}
