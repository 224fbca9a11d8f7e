//! Bodies: off with the content codings, into files and into what rules look at.

use decode::Timestamp;

use super::buffers::progress;
use super::coding;
use super::decompress::{Limits, Pipeline, Verdict};
use super::events::Event;
use super::message::Known;
use super::multipart::{Happening, Multipart};
use super::parameter;
use super::piece::Piece;
use super::range;
use super::request_line::Method;
use super::settings::BodySettings;
use super::transaction::{Context, Transaction};
use super::window::{self, Held, Reach};
use crate::buffer::View;
use crate::file::range::Ranges;
use crate::file::{File, FileSettings};

/// Longest file name.
const NAME_LIMIT: usize = 4096;

/// Files of one message.
const FILES: usize = 1024;

/// What becomes a file of a request's body.
#[derive(Default)]
enum Upload {
    /// Not decided: no data came yet.
    #[default]
    Open,
    /// Nothing.
    None,
    /// The body.
    Whole,
    /// The parts that have a file name.
    Parts(Box<Multipart>),
}

/// How a body ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyEnd {
    /// Complete, or cut in a way that Suricata 8 takes for complete.
    Complete,
    /// Cut.
    Cut,
}

/// A body.
#[derive(Default)]
pub(crate) struct Body {
    /// Bytes on the wire, with the framing of chunks.
    pub(crate) wire: u64,
    /// Bytes after decoding.
    pub(crate) decoded: u64,
    /// Nothing comes any more.
    pub(crate) ended: bool,
    /// Files.
    pub(crate) files: Vec<File>,
    pipeline: Option<Box<Pipeline>>,
    upload: Upload,
    held: Held,
    /// It is a part of a file that is joined across connections.
    pub(crate) piece: Option<Box<Piece>>,
}

impl Body {
    /// Forgets everything.
    pub(crate) fn clear(&mut self) {
        self.held.clear();
        self.files.clear();
        let held = std::mem::take(&mut self.held);
        let files = std::mem::take(&mut self.files);
        *self = Self { held, files, ..Self::default() };
    }

    fn reach(&self, total: u64, context: &Context) -> Reach {
        Reach { total, ended: self.ended, inline: context.settings.body_inline }
    }

    /// True when rules may look at a file.
    fn file_ready(&self, file: &File, settings: &BodySettings, context: &Context) -> bool {
        !file.is_open() || window::is_ready(self.reach(file.size, context), settings)
    }

    /// The window on the `index`-th file.
    pub(crate) fn file_view(
        &self,
        index: usize,
        direction: usize,
        context: &Context,
    ) -> Option<View<'_>> {
        let settings = context.settings.body(direction);
        let file = self.files.get(index)?;
        if !self.file_ready(file, settings, context) {
            return None;
        }
        let inspected = file.inspected();
        let new = file.view(0).bytes.len() as u64;
        let again = window::overlap(inspected, new, settings, direction == 0);
        Some(file.view(again))
    }

    /// The window on the body of a response: that on its file when it is one.
    pub(crate) fn response_view(&self, context: &Context) -> Option<View<'_>> {
        if self.files.is_empty() {
            self.held_view(1, context)
        } else {
            self.file_view(0, 1, context)
        }
    }

    /// The window on a body that is kept itself.
    pub(crate) fn held_view(&self, direction: usize, context: &Context) -> Option<View<'_>> {
        let settings = context.settings.body(direction);
        if self.decoded == 0 || !window::is_ready(self.reach(self.decoded, context), settings) {
            return None;
        }
        let (bytes, offset) = self.held.window(settings, direction == 0);
        Some(View { bytes, offset, end: self.ended })
    }

    /// What is still held of a body that is kept itself.
    pub(crate) fn held(&self) -> &[u8] {
        self.held.all()
    }

    /// Rules have looked at everything that was visible.
    pub(crate) fn mark_inspected(&mut self, direction: usize, context: &Context) {
        let settings = context.settings.body(direction);
        let (ended, inline) = (self.ended, context.settings.body_inline);
        for file in &mut self.files {
            let reach = Reach { total: file.size, ended, inline };
            if !file.is_open() || window::is_ready(reach, settings) {
                file.mark_inspected();
            }
        }
        if window::is_ready(self.reach(self.decoded, context), settings) {
            self.held.mark_inspected(settings);
        }
    }

    /// True when no decoded byte will be looked at any more.
    fn is_satisfied(&self, direction: usize) -> bool {
        direction == 1 && self.files.first().is_some_and(|f| !f.is_open() && !f.store)
    }
}

impl Transaction {
    fn body(&mut self, direction: usize) -> &mut Body {
        let [request, response] = &mut self.bodies;
        if direction == 0 { request } else { response }
    }

    /// Prepares the decoders that Content-Encoding asks for.
    pub(crate) fn prepare_decoding(&mut self, direction: usize, context: &mut Context) {
        if !context.decode_bodies {
            return;
        }
        let Some(value) = self.message(direction).value(Known::ContentEncoding) else { return };
        let settings = &context.settings;
        let found =
            coding::parse(value, direction == 1, settings.layer_limit, settings.lzma_layers);
        let limits = Limits {
            bomb: settings.bomb_limit,
            time: settings.time_limit,
            lzma_memory: settings.lzma_memlimit,
        };
        let exhausted = context.bombs >= settings.bomb_count;
        let lzma = if direction == 0 {
            Event::RequestTooManyLzmaLayers
        } else {
            Event::ResponseTooManyLzmaLayers
        };
        self.event_if(context, found.abnormal, Event::AbnormalContentEncoding);
        self.event_if(context, found.too_many, Event::TooManyEncodingLayers);
        self.event_if(context, found.too_many_lzma, lzma);
        if found.list.is_empty() {
            return;
        }
        if exhausted {
            return;
        }
        let pipeline = Pipeline::new(&found.list, limits);
        self.body(direction).pipeline = Some(Box::new(pipeline));
    }

    /// Takes the decoders away: the body is not what the headers say.
    pub(crate) fn drop_decoding(&mut self, direction: usize) {
        self.body(direction).pipeline = None;
    }

    /// Bytes of framing.
    pub(crate) fn body_framing(&mut self, direction: usize, len: usize) {
        self.body(direction).wire += len as u64;
    }

    /// Bytes of the body, without framing.
    pub(crate) fn body_data(&mut self, direction: usize, data: &[u8], context: &mut Context) {
        if data.is_empty() {
            return;
        }
        self.touch(direction);
        let body = self.body(direction);
        body.wire += data.len() as u64;
        let Some(mut pipeline) = body.pipeline.take() else {
            self.deliver(direction, data, context);
            return;
        };
        if body.is_satisfied(direction) && pipeline.is_harmless() {
            body.pipeline = Some(pipeline);
            return;
        }
        let verdict = pipeline.feed(data, &mut |piece| self.deliver(direction, piece, context));
        self.body(direction).pipeline = Some(pipeline);
        if verdict == Verdict::Bomb {
            context.bombs = context.bombs.saturating_add(1);
            self.event(context, Event::CompressionBomb);
            let reached = context.bombs >= context.settings.bomb_count;
            self.event_if(context, reached, Event::CompressionBombLimitReached);
        }
    }

    /// A hole in the body.
    pub(crate) fn body_gap(&mut self, direction: usize, len: u64, context: &mut Context) {
        self.touch(direction);
        let body = self.body(direction);
        if let Some(pipeline) = &mut body.pipeline {
            pipeline.end();
            body.files.iter_mut().for_each(File::truncate);
            return;
        }
        body.wire += len;
        if direction == 1 && body.files.is_empty() {
            self.open_response_file(context);
        }
        let body = self.body(direction);
        for file in &mut body.files {
            file.gap(len);
        }
        if let Some(piece) = &mut body.piece {
            piece.gap(len, context);
        }
    }

    /// The body ends.
    pub(crate) fn end_body(&mut self, direction: usize, end: BodyEnd, context: &mut Context) {
        if let Some(mut pipeline) = self.body(direction).pipeline.take() {
            pipeline.finish(&mut |piece| self.deliver(direction, piece, context));
        }
        let body = self.body(direction);
        if let Upload::Parts(mut parts) = std::mem::take(&mut body.upload) {
            let cut = end == BodyEnd::Cut;
            parts.finish(cut, &mut |what| self.part(what, context));
        }
        let body = self.body(direction);
        body.upload = Upload::None;
        body.ended = true;
        for file in body.files.iter_mut().filter(|file| file.is_open()) {
            match end {
                BodyEnd::Complete => file.close(),
                BodyEnd::Cut => file.truncate(),
            }
        }
        if let Some(piece) = &mut body.piece {
            piece.end(context);
        }
        self.touch(direction);
    }

    /// Decoded bytes.
    fn deliver(&mut self, direction: usize, data: &[u8], context: &mut Context) {
        let body = self.body(direction);
        let before = body.decoded;
        body.decoded += data.len() as u64;
        if direction == 1 {
            if before == 0 && body.files.is_empty() {
                self.open_response_file(context);
            }
            let limit = context.settings.response_body.limit;
            let keep = context.keep_bodies;
            let body = self.body(direction);
            if let Some(piece) = &mut body.piece {
                piece.append(within(data, before, limit), context);
            }
            match body.files.last_mut() {
                Some(file) => append(file, data, before, limit),
                None if keep => {
                    let settings = &context.settings.response_body;
                    body.held.append(within(data, before, limit), settings);
                }
                None => {}
            }
            return;
        }
        let settings = &context.settings.request_body;
        if context.keep_bodies {
            let kept = within(data, before, settings.limit);
            if !kept.is_empty() {
                body.held.append(kept, settings);
            }
        }
        self.upload(data, before, context);
    }

    /// Bytes of a request's body for the files in it.
    fn upload(&mut self, data: &[u8], before: u64, context: &mut Context) {
        if let Upload::Open = self.body(0).upload {
            let upload = self.decide_upload(context);
            self.body(0).upload = upload;
        }
        let limit = context.settings.request_body.limit;
        match std::mem::replace(&mut self.body(0).upload, Upload::None) {
            Upload::Parts(mut parts) => {
                let files = &mut self.body(0).files;
                let stored = files.last().is_some_and(|file| file.is_open() && file.store);
                let kept = within(data, before, if stored { 0 } else { limit });
                parts.feed(kept, &mut |what| self.part(what, context));
                if kept.len() < data.len() {
                    parts.finish(true, &mut |what| self.part(what, context));
                }
                self.body(0).upload = Upload::Parts(parts);
            }
            Upload::Whole => {
                if let Some(file) = self.body(0).files.last_mut() {
                    append(file, data, before, limit);
                }
                self.body(0).upload = Upload::Whole;
            }
            Upload::Open | Upload::None => {}
        }
    }

    fn decide_upload(&mut self, context: &mut Context) -> Upload {
        let kind = self.request.kind;
        if !matches!(kind, Method::Post | Method::Put) {
            return Upload::None;
        }
        if kind == Method::Post {
            let content_type = self.request.message.value(Known::ContentType);
            if let Some(boundary) = content_type.and_then(parameter::boundary) {
                return Upload::Parts(Box::new(Multipart::new(&boundary)));
            }
        }
        let name = self.path().to_vec();
        if name.is_empty() {
            return Upload::None;
        }
        self.open_file(0, Some(&name), context);
        Upload::Whole
    }

    /// What the reader of a multipart body tells.
    fn part(&mut self, what: Happening<'_>, context: &mut Context) {
        match what {
            Happening::Open(name) => self.open_file(0, Some(name), context),
            Happening::Data(data) => {
                if let Some(file) = self.body(0).files.last_mut() {
                    file.append(data);
                }
            }
            Happening::Cut => {
                if let Some(file) = self.body(0).files.last_mut() {
                    file.truncate();
                }
            }
            Happening::Close | Happening::NoData => {
                if let Some(file) = self.body(0).files.last_mut() {
                    file.close();
                }
                let empty = what == Happening::NoData;
                self.event_if(context, empty, Event::MultipartNoFiledata);
            }
            Happening::InvalidHeader => self.event(context, Event::MultipartInvalidHeader),
        }
    }

    fn open_response_file(&mut self, context: &mut Context) {
        let message = &self.response.message;
        let disposition = message.value(Known::ContentDisposition);
        let named = disposition.and_then(|value| parameter::parameter(value, b"filename"));
        let name = match named {
            Some([]) => None,
            Some(name) => Some(name.to_vec()),
            // The body of a response to something without a path is no file.
            None if self.path().is_empty() => return,
            None => Some(self.path().to_vec()),
        };
        self.open_file(1, name.as_deref(), context);
        let Some(value) = self.response.message.value(Known::ContentRange) else { return };
        let found = range::parse(value);
        let valid = found.is_some_and(|range| range.is_valid());
        let settings = file_settings(1, context);
        let piece =
            found.and_then(|range| Piece::announced(self, name.as_deref(), &range, settings));
        let body = self.body(1);
        if let Some(file) = body.files.last_mut() {
            file.range = found.and_then(|range| range.part());
        }
        body.piece = piece.map(Box::new);
        self.event_if(context, !valid, Event::RangeInvalid);
    }

    /// Hands on what came of a part of a file, and takes over the whole that it completes.
    pub(crate) fn join(&mut self, ranges: &mut Ranges, now: Timestamp) {
        let body = self.body(1);
        let Some(file) = body.piece.as_mut().and_then(|piece| piece.join(ranges, now)) else {
            return;
        };
        body.files.push(file);
        self.touch(1);
    }

    fn open_file(&mut self, direction: usize, name: Option<&[u8]>, context: &mut Context) {
        let long = name.is_some_and(|name| name.len() > NAME_LIMIT);
        self.event_if(context, long, Event::FileNameTooLong);
        let name = name.map(|name| name.get(..NAME_LIMIT).unwrap_or(name));
        let settings = file_settings(direction, context);
        let body = self.body(direction);
        if body.files.len() < FILES {
            body.files.push(File::open(name, &settings));
        }
    }

    /// Progress of a direction behind the headers.
    pub(crate) fn has_headers(&self, direction: usize) -> bool {
        self.progress.get(direction).is_some_and(|&p| p > progress::HEADERS)
    }
}

/// How a file in a body is kept.
fn file_settings(direction: usize, context: &Context) -> FileSettings {
    let most = window::most_held(context.settings.body(direction));
    let window = if context.keep_bodies {
        context.files.window.max(u32::try_from(most).unwrap_or(u32::MAX))
    } else {
        0
    };
    let settings = context.settings.body(direction);
    // Bodies of requests are looked at from their start until enough was inspected.
    let again = if direction == 0 { settings.minimal_inspect_size } else { 0 };
    let overlap = settings.inspect_window.max(again);
    FileSettings { window, overlap, ..context.files }
}

/// The bytes that are within the limit; 0: no limit.
fn within(data: &[u8], before: u64, limit: u64) -> &[u8] {
    if limit == 0 {
        return data;
    }
    let room = usize::try_from(limit.saturating_sub(before)).unwrap_or(usize::MAX);
    data.get(..room).unwrap_or(data)
}

/// Appends to a file, which is cut at the limit of the body unless it is to be stored; `before`
/// bytes of the body came before.
fn append(file: &mut File, data: &[u8], before: u64, limit: u64) {
    if !file.is_open() {
        return;
    }
    let limit = if file.store { 0 } else { limit };
    let kept = within(data, before, limit);
    if !kept.is_empty() {
        file.append(kept);
    }
    if kept.len() < data.len() {
        file.truncate();
    }
}
