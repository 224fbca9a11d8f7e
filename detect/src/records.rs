//! Which records a packet or the end of a flow gives rise to, for each output.

use decode::{Direction, Packet, Timestamp};
use engine::sharing::OwnOrShared;
use engine::{Flow, Inspector};
use flow::EndReason;
use flow::policy::DropReason;
use json::Writer;
use protocol::{LogOptions, Parser};

use crate::detector::Progress;
use crate::event::alert::AlertRecord;
use crate::event::drop::Dropped;
use crate::event::envelope::{Endpoints, Envelope};
use crate::event::fileinfo::FileRecord;
use crate::event::stream::StreamPacket;
use crate::event::{
    alert, anomaly, arp, drop, fast, fileinfo, flow as flow_record, packet, stream, transaction,
};
use crate::output::{Events, FileEvent, Records};
use crate::settings::{EveSettings, OutputSettings, Settings};
use crate::shared::FileNumbers;

/// Writes the records of one detector.
#[derive(Debug)]
pub(crate) struct Reporter {
    outputs: Vec<OutputSettings>,
    inline: bool,
    ordered: bool,
    store: bool,
    /// Depth of the streams of flows with a file that is to be stored.
    store_depth: Option<u32>,
    write_fileinfo: bool,
    /// Some output has records of TCP packets.
    stream: bool,
    /// Some output wants records of protocols or files.
    wants_transactions: bool,
    /// Numbers of stored files.
    file_numbers: OwnOrShared<FileNumbers>,
    /// Order key of the records at hand.
    order: u64,
}

/// What records of one packet have in common.
struct Scene<'a> {
    packet: &'a Packet<'a>,
    root: Option<&'a Packet<'a>>,
    progress: &'a Progress,
    inspector: &'a Inspector,
}

impl Reporter {
    pub(crate) fn new(settings: &Settings) -> Self {
        let wants_transactions = settings.outputs.iter().any(|o| match o {
            OutputSettings::Eve(eve) => {
                !eve.protocols.is_empty() || eve.files.is_some() || eve.anomaly.is_some()
            }
            OutputSettings::Fast | OutputSettings::Syslog => false,
        });
        Self {
            outputs: settings.outputs.clone(),
            inline: settings.inline,
            ordered: settings.ordered,
            store: settings.file_store.is_some(),
            store_depth: settings.file_store.as_ref().and_then(|f| f.stream_depth),
            write_fileinfo: settings.file_store.as_ref().is_some_and(|f| f.write_fileinfo),
            stream: settings
                .outputs
                .iter()
                .any(|o| matches!(o, OutputSettings::Eve(eve) if eve.stream.is_some())),
            wants_transactions: wants_transactions || settings.file_store.is_some(),
            file_numbers: OwnOrShared::Own(Box::default()),
            order: 0,
        }
    }

    /// Stored files get their numbers from what all workers share.
    pub(crate) fn set_file_numbers(&mut self, numbers: OwnOrShared<FileNumbers>) {
        self.file_numbers = numbers;
    }

    /// True when transactions must be kept until their records are written.
    pub(crate) const fn has_outputs(&self) -> bool {
        self.wants_transactions
    }

    /// Records of a packet, its alerts, and the transactions of its flow. Most packets have none,
    /// which is seen where it is called.
    #[inline]
    pub(crate) fn packet(
        &mut self,
        packet: &Packet<'_>,
        root: Option<&Packet<'_>>,
        flow: Option<&mut Flow>,
        progress: &Progress,
        inspector: &Inspector,
        events: &mut Events,
    ) {
        let frame = root.unwrap_or(packet).number;
        if frame > 0 {
            self.order = frame;
        }
        let is_quiet = packet.events.is_empty()
            && inspector.queue.alerts.is_empty()
            && progress.dropped.is_none()
            && progress.verdict.tagged.is_none()
            && inspector.packet_variables().is_empty()
            && packet.ethertype != 0x0806
            && !self.stream;
        let is_settled = flow.as_ref().is_none_or(|flow| {
            (progress.unchanged || !self.wants_transactions)
                && !flow.extension.session.has_anomalies()
        });
        if !is_quiet || !is_settled {
            let scene = Scene { packet, root, progress, inspector };
            self.records(&scene, flow, is_quiet, events);
        }
    }

    // Apart, so that a packet without records does not pay for its stack.
    #[inline(never)]
    fn records(
        &mut self,
        scene: &Scene<'_>,
        flow: Option<&mut Flow>,
        is_quiet: bool,
        events: &mut Events,
    ) {
        let Some(flow) = flow else {
            self.packet_records(scene, None, events);
            return;
        };
        if !is_quiet {
            self.packet_records(scene, Some(flow), events);
        }
        let progress = scene.progress;
        if self.inline && progress.dropped.is_some() {
            flow.extension.records.drop_logged[progress.facts.direction.index()] = true;
        }
        self.detection_anomalies(scene, flow, events);
        if self.wants_transactions && !progress.unchanged {
            self.transactions(scene, flow, events);
        }
    }

    fn packet_records(&mut self, scene: &Scene<'_>, flow: Option<&Flow>, events: &mut Events) {
        let (inline, ordered, order) = (self.inline, self.ordered, self.order);
        for (output, records) in self.outputs.iter().zip(&mut events.outputs) {
            match output {
                OutputSettings::Fast | OutputSettings::Syslog => {
                    let write = match output {
                        OutputSettings::Syslog => fast::write_syslog,
                        _ => fast::write,
                    };
                    for alert in &scene.inspector.queue.alerts {
                        let rules = scene.inspector.rules();
                        write(&mut records.bytes, rules, alert, scene.packet, inline);
                        mark(records, ordered, order);
                    }
                }
                OutputSettings::Eve(eve) => {
                    let mut sheet = Sheet { records, eve, ordered, order };
                    alerts(&mut sheet, scene, flow, inline);
                    on_packet(&mut sheet, scene, flow, inline);
                }
            }
        }
    }

    /// Anomalies of protocol detection.
    fn detection_anomalies(&mut self, scene: &Scene<'_>, flow: &mut Flow, events: &mut Events) {
        let anomalies = flow.extension.session.take_anomalies();
        if anomalies.is_empty() {
            return;
        }
        let proto = flow.extension.session.proto().name();
        for (layer, event) in anomalies.records() {
            self.each_eve(events, |sheet| {
                if sheet.eve.anomaly.is_none_or(|a| !a.app_layer) {
                    return;
                }
                let head = envelope(scene, Some(flow), None);
                sheet.write(|out, eve| {
                    anomaly::app_layer(out, eve, &head, proto, event, layer);
                });
            });
        }
    }

    /// Records that the parser of the protocol before a change still owes.
    fn retired(&mut self, scene: &Scene<'_>, flow: &mut Flow, events: &mut Events) {
        let Some(parser) = flow.extension.retired.take() else { return };
        for tx in parser.first_tx()..parser.next_tx() {
            if parser.meta(tx).is_none_or(|m| m.logged || m.log_disabled) {
                continue;
            }
            self.each_eve(events, |sheet| {
                let Some(options) = options(sheet.eve, parser.proto()) else { return };
                let head = envelope(scene, Some(flow), None);
                sheet.attempt(|out, eve| transaction::write(out, eve, options, &head, &parser, tx));
            });
        }
    }

    /// Anomalies, records and files of transactions that are due.
    fn transactions(&mut self, scene: &Scene<'_>, flow: &mut Flow, events: &mut Events) {
        self.retired(scene, flow, events);
        let Some(parser) = flow.extension.session.parser() else { return };
        let (first, next) = (parser.first_tx(), parser.next_tx());
        // A dropped flow is not looked at any further, and what it had begun has no records.
        let last = scene.progress.all_due
            || flow.extension.ended == [true; 2] && is_closed(flow)
            || flow.extension.session.is_disabled() && flow.action != flow::FlowAction::Drop;
        for tx in first..next {
            self.anomalies(scene, flow, tx, events);
            self.store_files(scene, flow, tx, events);
            self.files(scene, flow, tx, last, events);
            self.record(scene, flow, tx, last, events);
        }
    }

    fn anomalies(&mut self, scene: &Scene<'_>, flow: &mut Flow, tx: u64, events: &mut Events) {
        let Some(parser) = flow.extension.session.parser() else { return };
        let Some(meta) = parser.meta(tx) else { return };
        let from = usize::from(meta.events_reported);
        if meta.events.len() <= from || meta.logged {
            return;
        }
        let names: Vec<&str> =
            meta.events.iter().skip(from).map(|e| parser.event_name(*e)).collect();
        let proto = parser.proto().name();
        for name in &names {
            self.each_eve(events, |sheet| {
                if sheet.eve.anomaly.is_none_or(|a| !a.app_layer) {
                    return;
                }
                let head = envelope(scene, Some(flow), Some(tx));
                sheet.write(|out, eve| {
                    anomaly::app_layer(out, eve, &head, proto, name, "proto_parser");
                });
            });
        }
        if let Some(meta) = flow.extension.session.parser_mut().and_then(|p| p.meta_mut(tx)) {
            meta.events_reported = meta.events.len() as u8;
        }
    }

    /// The record of a transaction, once it is complete or nothing more can come.
    fn record(
        &mut self,
        scene: &Scene<'_>,
        flow: &mut Flow,
        tx: u64,
        last: bool,
        events: &mut Events,
    ) {
        let Some(parser) = flow.extension.session.parser() else { return };
        let Some(meta) = parser.meta(tx) else { return };
        if meta.logged || !(last || parser.loggable(tx)) {
            return;
        }
        if !meta.log_disabled && !flow.extension.inspection.no_records {
            let proto = parser.proto();
            self.each_eve(events, |sheet| {
                let Some(options) = options(sheet.eve, proto) else { return };
                let head = envelope(scene, Some(flow), None);
                sheet.attempt(|out, eve| transaction::write(out, eve, options, &head, parser, tx));
            });
        }
        if let Some(meta) = flow.extension.session.parser_mut().and_then(|p| p.meta_mut(tx)) {
            meta.logged = true;
        }
    }

    /// Records of files of the packet's direction that have ended.
    fn files(
        &mut self,
        scene: &Scene<'_>,
        flow: &mut Flow,
        tx: u64,
        last: bool,
        events: &mut Events,
    ) {
        for direction in Direction::BOTH {
            // The other side's files have records here only when nothing comes from it any more.
            let over = last || is_closed(flow) && flow.extension.ended[direction.index()];
            if direction != scene.progress.facts.direction && !over {
                continue;
            }
            let Some(parser) = flow.extension.session.parser() else { return };
            for file in parser.files(tx, direction) {
                if file.logged || file.is_open() {
                    continue;
                }
                let record = FileRecord { parser, tx, direction, file };
                self.each_eve(events, |sheet| {
                    let Some(options) = &sheet.eve.files else { return };
                    let head = envelope(scene, Some(flow), None);
                    sheet.write(|out, eve| fileinfo::write(out, eve, options, &head, &record));
                });
            }
            let Some(parser) = flow.extension.session.parser_mut() else { return };
            for file in parser.files_mut(tx, direction) {
                file.logged |= !file.is_open();
            }
        }
    }

    /// Hands out bytes of files that are to be stored.
    fn store_files(&mut self, scene: &Scene<'_>, flow: &mut Flow, tx: u64, events: &mut Events) {
        if !self.store {
            return;
        }
        let flow_wide = flow.extension.inspection.store_files;
        let mut storing = false;
        for direction in Direction::BOTH {
            let Some(parser) = flow.extension.session.parser_mut() else { return };
            let wide = flow_wide[direction.index()]
                || parser.meta(tx).is_some_and(|m| m.store_files[direction.index()]);
            let mut closed = Vec::new();
            storing |= wide;
            for (at, file) in parser.files_mut(tx, direction).iter_mut().enumerate() {
                if wide && file.is_open() {
                    file.mark_store(None);
                }
                if !file.store || file.stored {
                    continue;
                }
                storing = true;
                if file.id == 0 {
                    file.id = self.file_numbers.with(FileNumbers::next);
                }
                let id = file.id;
                file.take_unstored(&mut |bytes| {
                    events.files.push(FileEvent::Data { id, bytes: bytes.to_vec() });
                });
                if !file.is_open() {
                    file.stored = true;
                    closed.push(at);
                }
            }
            for at in closed {
                self.close_file(scene, flow, (tx, direction, at), events);
            }
        }
        if storing
            && let Some(depth) = self.store_depth
            && let Some(tcp) = flow.tcp.as_deref_mut()
        {
            tcp.raise_depth(depth);
        }
    }

    fn close_file(
        &self,
        scene: &Scene<'_>,
        flow: &Flow,
        (tx, direction, at): (u64, Direction, usize),
        events: &mut Events,
    ) {
        let Some(parser) = flow.extension.session.parser() else { return };
        let Some(file) = parser.files(tx, direction).get(at) else { return };
        let mut record = Vec::new();
        if self.write_fileinfo {
            let eve = EveSettings::default();
            let head = envelope(scene, Some(flow), None);
            let source = FileRecord { parser, tx, direction, file };
            let options = crate::settings::FilesSettings::default();
            fileinfo::write(&mut Writer::new(&mut record), &eve, &options, &head, &source);
            record.pop();
        }
        events.files.push(FileEvent::Close {
            id: file.id,
            sha256: file.hashes().sha256,
            seconds: scene.packet.timestamp.seconds(),
            record,
        });
    }

    /// Records at the end of a flow.
    pub(crate) fn flow(
        &mut self,
        flow: &Flow,
        reason: EndReason,
        now: Timestamp,
        inspector: &Inspector,
        events: &mut Events,
    ) {
        if flow.extension.inspection.no_records {
            return;
        }
        self.each_eve(events, |sheet| {
            if sheet.eve.flow {
                sheet.write(|out, eve| {
                    flow_record::write(out, eve, flow, reason, now, inspector.rules());
                });
            }
            if sheet.eve.netflow {
                for direction in Direction::BOTH {
                    sheet.write(|out, eve| {
                        let rules = inspector.rules();
                        flow_record::write_half(out, eve, flow, direction, now, rules);
                    });
                }
            }
        });
    }

    fn each_eve(&self, events: &mut Events, mut each: impl FnMut(&mut Sheet<'_>)) {
        for (output, records) in self.outputs.iter().zip(&mut events.outputs) {
            if let OutputSettings::Eve(eve) = output {
                each(&mut Sheet { records, eve, ordered: self.ordered, order: self.order });
            }
        }
    }
}

/// The buffer of one EVE output.
struct Sheet<'a> {
    records: &'a mut Records,
    eve: &'a EveSettings,
    ordered: bool,
    order: u64,
}

impl Sheet<'_> {
    fn write(&mut self, record: impl FnOnce(&mut Writer<'_>, &EveSettings)) {
        self.attempt(|out, eve| {
            record(out, eve);
            true
        });
    }

    /// Writes a record unless it turns out that there is none.
    fn attempt(&mut self, record: impl FnOnce(&mut Writer<'_>, &EveSettings) -> bool) {
        let start = self.records.bytes.len();
        if record(&mut Writer::new(&mut self.records.bytes), self.eve) {
            if !self.eve.prefix.is_empty() {
                self.records.bytes.splice(start..start, self.eve.prefix.bytes());
            }
            mark(self.records, self.ordered, self.order);
        } else {
            self.records.bytes.truncate(start);
        }
    }
}

fn is_closed(flow: &Flow) -> bool {
    flow.tcp.as_deref().is_some_and(flow::TcpSession::is_closed)
}

fn mark(records: &mut Records, ordered: bool, order: u64) {
    records.count += 1;
    if ordered {
        records.marks.push((order, records.bytes.len()));
    }
}

/// Options of a protocol's records in an output that has them on.
fn options(eve: &EveSettings, proto: protocol::AppProto) -> Option<&LogOptions> {
    eve.protocols.iter().find(|(p, _)| *p == proto).map(|(_, options)| options)
}

fn envelope<'a>(scene: &Scene<'a>, flow: Option<&'a Flow>, tx_id: Option<u64>) -> Envelope<'a> {
    Envelope {
        timestamp: scene.packet.timestamp,
        flow,
        packet: Some(scene.packet),
        endpoints: scene.packet.is_ip().then(|| Endpoints::of_packet(scene.packet)),
        rules: scene.inspector.rules(),
        packet_variables: scene.inspector.packet_variables(),
        tx_id,
        input: scene.packet.input,
    }
}

fn alerts(sheet: &mut Sheet<'_>, scene: &Scene<'_>, flow: Option<&Flow>, inline: bool) {
    let Some(options) = sheet.eve.alert.clone() else { return };
    for alert in &scene.inspector.queue.alerts {
        let record = AlertRecord {
            alert,
            rules: scene.inspector.rules(),
            packet: scene.packet,
            root: scene.root,
            flow,
            packet_variables: scene.inspector.packet_variables(),
            verdict: scene.progress.verdict,
            dropped: inline && scene.progress.dropped.is_some(),
        };
        sheet.write(|out, eve| alert::write(out, eve, &options, &record));
    }
}

/// Records about the packet itself: events, drops, tags, ARP.
fn on_packet(sheet: &mut Sheet<'_>, scene: &Scene<'_>, flow: Option<&Flow>, inline: bool) {
    let packet = scene.packet;
    if let Some(options) = sheet.eve.anomaly {
        for &code in packet.events.as_slice() {
            let stream = decode::event::is_stream(code);
            if if stream { options.stream } else { options.decode } {
                let head = envelope(scene, flow, None);
                let header = options.packet_header && !stream;
                sheet.write(|out, eve| {
                    anomaly::on_packet(out, eve, &head, packet, code, header);
                });
            }
        }
    }
    if let (Some(options), Some(reason), true) = (sheet.eve.drop, scene.progress.dropped, inline)
        && !packet.origin.is_pseudo()
        && wants_drop(options.all, scene, flow)
    {
        let head = envelope(scene, flow, None);
        let dropped = Dropped {
            reason: reason.eve_name(),
            direction: scene.progress.facts.direction,
            flow,
            verdict: scene.progress.verdict,
            alerts: &scene.inspector.queue.alerts,
            rules: scene.inspector.rules(),
        };
        sheet.write(|out, eve| drop::write(out, eve, &options, &head, packet, &dropped));
    }
    if let (Some(options), Some(session)) = (sheet.eve.stream, flow.and_then(|f| f.tcp.as_deref()))
    {
        let head = envelope(scene, flow, None);
        let way = StreamPacket {
            direction: scene.progress.facts.direction,
            before: scene.progress.tcp_before,
            reason: scene.progress.dropped.map(DropReason::eve_name),
            session,
        };
        sheet.attempt(|out, eve| stream::write(out, eve, &options, &head, packet, &way));
    }
    let tags = sheet.eve.alert.as_ref().is_some_and(|a| a.tagged_packets);
    if tags && scene.progress.verdict.tagged.is_some() {
        let head = envelope(scene, flow, None);
        sheet.write(|out, eve| packet::tagged(out, eve, &head, packet));
    }
    if sheet.eve.arp && packet.ethertype == 0x0806 {
        let head = envelope(scene, flow, None);
        sheet.attempt(|out, eve| arp::write(out, eve, &head, packet));
    }
    if sheet.eve.metadata_records && !scene.inspector.packet_variables().is_empty() {
        let head = envelope(scene, flow, None);
        sheet.write(|out, eve| packet::metadata(out, eve, &head, packet));
    }
}

/// `flows: start` writes one drop record a direction of a dropped flow, and every rule's drop.
fn wants_drop(all: bool, scene: &Scene<'_>, flow: Option<&Flow>) -> bool {
    let at = scene.progress.facts.direction.index();
    let dropped_flow = flow.filter(|f| f.action == flow::FlowAction::Drop);
    match dropped_flow {
        Some(flow) if !all && scene.progress.verdict.drop.is_none() => {
            !flow.extension.records.drop_logged[at]
        }
        _ => true,
    }
}
