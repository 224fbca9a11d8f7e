//! librdkafka's statistics, as counters.

use std::collections::BTreeMap;

use serde::Deserialize;

/// Brokers whose counters are told.
const BROKERS: usize = 64;

/// The part of the statistics that we tell.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Statistics {
    msg_cnt: u64,
    msg_size: u64,
    txmsgs: u64,
    txmsg_bytes: u64,
    tx: u64,
    tx_bytes: u64,
    brokers: BTreeMap<String, Broker>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Broker {
    nodeid: i64,
    state: String,
    connects: u64,
    disconnects: u64,
    outbuf_msg_cnt: u64,
    waitresp_msg_cnt: u64,
    txerrs: u64,
    txretries: u64,
    req_timeouts: u64,
    rtt: Window,
    throttle: Window,
}

/// A measure over the last interval, in microseconds (`throttle`: milliseconds).
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
struct Window {
    avg: i64,
    p99: i64,
}

impl Statistics {
    /// Reads them; none when they are not as expected.
    pub(super) fn read(json: &str) -> Option<Self> {
        serde_json::from_str(json).ok()
    }

    /// True when some broker is connected and knows us.
    pub(super) fn is_up(&self) -> bool {
        self.brokers.values().any(|broker| broker.state == "UP")
    }

    /// Tells the counters.
    pub(super) fn tell(&self, out: &mut dyn FnMut(&str, u64)) {
        out("queued_records", self.msg_cnt);
        out("queued_bytes", self.msg_size);
        out("sent_records", self.txmsgs);
        out("sent_record_bytes", self.txmsg_bytes);
        out("requests", self.tx);
        out("sent_bytes", self.tx_bytes);
        let sum = |of: fn(&Broker) -> u64| self.brokers.values().map(of).sum();
        out("retries", sum(|broker| broker.txretries));
        out("send_errors", sum(|broker| broker.txerrs));
        out("timeouts", sum(|broker| broker.req_timeouts));
        out("connects", sum(|broker| broker.connects));
        out("disconnects", sum(|broker| broker.disconnects));
        let is_up = |broker: &Broker| u64::from(broker.state == "UP");
        out("brokers_up", sum(|broker| u64::from(broker.nodeid >= 0 && broker.state == "UP")));
        // Those with a negative number are places to ask for the cluster, not members of it.
        let members = self.brokers.values().filter(|broker| broker.nodeid >= 0);
        for broker in members.take(BROKERS) {
            let mut tell = |name: &str, value: u64| {
                out(&format!("broker_{}_{name}", broker.nodeid), value);
            };
            tell("up", is_up(broker));
            tell("rtt_us", broker.rtt.avg.max(0).cast_unsigned());
            tell("rtt_p99_us", broker.rtt.p99.max(0).cast_unsigned());
            tell("throttle_ms", broker.throttle.avg.max(0).cast_unsigned());
            tell("waiting_records", broker.outbuf_msg_cnt);
            tell("unconfirmed_records", broker.waitresp_msg_cnt);
            tell("retries", broker.txretries);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_read() {
        let json = r#"{"name":"x","msg_cnt":3,"txmsgs":9,"brokers":{
            "a:1/bootstrap":{"nodeid":-1,"state":"UP","txretries":1,"rtt":{"avg":5}},
            "a:1/1":{"nodeid":1,"state":"INIT","txretries":4,"rtt":{"avg":70,"p99":90}}}}"#;
        let statistics = Statistics::read(json).expect("good");
        assert!(statistics.is_up());
        let mut told = BTreeMap::new();
        statistics.tell(&mut |name, value| {
            told.insert(name.to_owned(), value);
        });
        let of = |name: &str| told.get(name).copied();
        assert_eq!((of("queued_records"), of("sent_records")), (Some(3), Some(9)));
        assert_eq!((of("retries"), of("brokers_up")), (Some(5), Some(0)));
        assert_eq!((of("broker_1_rtt_us"), of("broker_1_rtt_p99_us")), (Some(70), Some(90)));
        assert_eq!((of("broker_1_up"), of("broker_-1_up")), (Some(0), None));
        assert!(Statistics::read("{").is_none());
    }
}
