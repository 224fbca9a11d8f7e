//! Writes classic pcap files.

use std::io::{self, BufWriter, Write};

use crate::{Frame, LinkType};

const BUFFER: usize = 64 * 1024;
const MAGIC: u32 = 0xa1b2_c3d4;

/// Writes frames of one link type, with microseconds and in little-endian order.
pub struct PcapWriter<W: Write> {
    output: BufWriter<W>,
}

impl<W: Write> PcapWriter<W> {
    /// Begins a file by writing its header.
    pub fn new(output: W, link_type: LinkType, snap_length: u32) -> io::Result<PcapWriter<W>> {
        let mut output = BufWriter::with_capacity(BUFFER, output);
        output.write_all(&MAGIC.to_le_bytes())?;
        output.write_all(&2u16.to_le_bytes())?;
        output.write_all(&4u16.to_le_bytes())?;
        output.write_all(&[0; 8])?;
        output.write_all(&snap_length.to_le_bytes())?;
        output.write_all(&u32::from(link_type.0).to_le_bytes())?;
        Ok(PcapWriter { output })
    }

    /// Adds a frame. Its link type is taken to be that of the file; seconds beyond 32 bits are
    /// written as the last ones the format has.
    pub fn write(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        let seconds = u32::try_from(frame.timestamp_us / 1_000_000).unwrap_or(u32::MAX);
        let microseconds = (frame.timestamp_us % 1_000_000) as u32;
        let length = u32::try_from(frame.bytes.len()).map_err(|_| {
            io::Error::new(io::ErrorKind::InvalidInput, "a frame of more than 4 GiB")
        })?;
        let mut header = [0; 16];
        let fields = [seconds, microseconds, length, frame.wire_len.max(length)];
        for (place, field) in header.chunks_exact_mut(4).zip(fields) {
            place.copy_from_slice(&field.to_le_bytes());
        }
        self.output.write_all(&header)?;
        self.output.write_all(frame.bytes)
    }

    /// Passes on what is buffered.
    pub fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }

    /// Ends the file and gives its output back.
    pub fn finish(self) -> io::Result<W> {
        self.output.into_inner().map_err(io::IntoInnerError::into_error)
    }
}

/// Writes a whole file of frames that all have one link type.
pub fn write_pcap<'a, W: Write>(
    output: W,
    link_type: LinkType,
    frames: impl IntoIterator<Item = Frame<'a>>,
) -> io::Result<W> {
    let mut writer = PcapWriter::new(output, link_type, crate::MAXIMUM_FRAME)?;
    for frame in frames {
        writer.write(&frame)?;
    }
    writer.finish()
}
