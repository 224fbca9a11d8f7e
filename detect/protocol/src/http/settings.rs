//! Choices for HTTP/1 (`app-layer.protocols.http.libhtp`), with the defaults of Suricata 8.

/// Which server's reading of request targets is imitated.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Personality {
    /// Hardly any normalisation.
    #[default]
    Minimal,
    /// What most servers do.
    Generic,
    /// Everything that helps detection.
    Ids,
    /// Apache 2.
    Apache2,
    /// IIS 5.1.
    Iis51,
    /// IIS 6.0.
    Iis60,
    /// IIS 7.0.
    Iis70,
    /// IIS 7.5.
    Iis75,
}

impl Personality {
    /// By its name in the configuration, any case; none: not known or refused. The old names
    /// `APACHE` and `APACHE_2_2` stand for Apache 2.
    pub fn by_name(name: &str) -> Option<Self> {
        let known: [(&str, Self); 10] = [
            ("minimal", Self::Minimal),
            ("generic", Self::Generic),
            ("ids", Self::Ids),
            ("apache_2", Self::Apache2),
            ("apache", Self::Apache2),
            ("apache_2_2", Self::Apache2),
            ("iis_5_1", Self::Iis51),
            ("iis_6_0", Self::Iis60),
            ("iis_7_0", Self::Iis70),
            ("iis_7_5", Self::Iis75),
        ];
        known.iter().find(|(text, _)| name.eq_ignore_ascii_case(text)).map(|&(_, value)| value)
    }
}

/// What becomes of a `%` that no two hexadecimal digits follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum InvalidEncoding {
    /// It stays.
    #[default]
    PreservePercent,
    /// It goes, what follows stays.
    RemovePercent,
    /// The two bytes after it are decoded all the same.
    Decode,
}

/// How request targets are normalised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UriSettings {
    /// `\` becomes `/`.
    pub backslash_separators: bool,
    /// Letters of the path become lower case.
    pub lowercase: bool,
    /// Several `/` become one.
    pub separators_compress: bool,
    /// Encoded separators are decoded.
    pub separators_decode: bool,
    /// `%uXXXX` is decoded.
    pub u_encoding: bool,
    /// UTF-8 is mapped to single bytes.
    pub utf8_bestfit: bool,
    /// What stands for characters without a best fit.
    pub bestfit_replacement: u8,
    /// An encoded NUL ends the path.
    pub nul_encoded_terminates: bool,
    /// A NUL ends the path.
    pub nul_raw_terminates: bool,
    /// Invalid `%` sequences.
    pub invalid: InvalidEncoding,
    /// `+` is a blank in the query.
    pub query_plusspace: bool,
    /// The path is decoded twice.
    pub double_decode_path: bool,
    /// The query is decoded twice.
    pub double_decode_query: bool,
    /// `http.uri` begins with scheme, user and host where the target has them.
    pub include_all: bool,
}

impl Default for UriSettings {
    fn default() -> Self {
        Self {
            backslash_separators: false,
            lowercase: false,
            separators_compress: false,
            separators_decode: false,
            u_encoding: false,
            utf8_bestfit: false,
            bestfit_replacement: b'?',
            nul_encoded_terminates: false,
            nul_raw_terminates: false,
            invalid: InvalidEncoding::PreservePercent,
            query_plusspace: false,
            double_decode_path: false,
            double_decode_query: false,
            include_all: false,
        }
    }
}

/// How much of a body is kept, and when it is inspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BodySettings {
    /// Bytes that are inspected and make the file; 0: all.
    pub limit: u64,
    /// Nothing is inspected before so many bytes are there.
    pub minimal_inspect_size: u32,
    /// Overlap with what was inspected before.
    pub inspect_window: u32,
}

impl Default for BodySettings {
    fn default() -> Self {
        Self { limit: 4096, minimal_inspect_size: 32 * 1024, inspect_window: 4096 }
    }
}

/// Choices of one server configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpSettings {
    /// Personality; change it with [`HttpSettings::set_personality`].
    pub personality: Personality,
    /// Bodies of requests.
    pub request_body: BodySettings,
    /// Bodies of responses.
    pub response_body: BodySettings,
    /// Layers of content coding that are taken off (`response-body-decompress-layer-limit`).
    pub layer_limit: u32,
    /// Bodies are inspected as they come (`http-body-inline`).
    pub body_inline: bool,
    /// `randomize-inspection-sizes`; the caller applies it with [`HttpSettings::randomized`].
    pub randomize: bool,
    /// `randomize-inspection-range`, percent.
    pub randomize_range: u32,
    /// Normalisation of request targets.
    pub uri: UriSettings,
    /// Bytes of a buffered line or header.
    pub meta_field_limit: usize,
    /// Headers of a message.
    pub headers_limit: usize,
    /// Transactions at a time, from the oldest that is not done with to the newest; with one more
    /// the data is given up.
    pub max_tx: usize,
    /// Layers of LZMA that are taken off (`lzma-enabled`: `yes` is 1).
    pub lzma_layers: u32,
    /// Memory of the LZMA decoder.
    pub lzma_memlimit: u64,
    /// Output from which a body may be a bomb.
    pub bomb_limit: u64,
    /// Bombs after which a flow's bodies are not decoded any more.
    pub bomb_count: u32,
    /// `decompression-time-limit`, microseconds.
    pub time_limit: u32,
    /// Decompression of Flash files in responses.
    pub swf: SwfSettings,
}

/// `swf-decompression`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SwfSettings {
    /// Deflated files (`CWS`) are decompressed.
    pub deflate: bool,
    /// LZMA files (`ZWS`) are decompressed.
    pub lzma: bool,
    /// Compressed bytes that are read; 0: all.
    pub compress_depth: u32,
    /// Bytes that are produced; 0: as many as there are.
    pub decompress_depth: u32,
}

impl Default for SwfSettings {
    fn default() -> Self {
        Self {
            deflate: false,
            lzma: false,
            compress_depth: 100 * 1024,
            decompress_depth: 100 * 1024,
        }
    }
}

impl Default for HttpSettings {
    fn default() -> Self {
        Self {
            personality: Personality::Minimal,
            request_body: BodySettings::default(),
            response_body: BodySettings::default(),
            layer_limit: 2,
            body_inline: false,
            randomize: true,
            randomize_range: 10,
            uri: UriSettings::default(),
            meta_field_limit: 18_000,
            headers_limit: 1024,
            max_tx: 512,
            lzma_layers: 0,
            lzma_memlimit: 1024 * 1024,
            bomb_limit: 1024 * 1024,
            bomb_count: 3,
            time_limit: 100_000,
            swf: SwfSettings::default(),
        }
    }
}

impl HttpSettings {
    /// Takes a personality on, with everything it defines: what was set of that before is lost.
    pub fn set_personality(&mut self, personality: Personality) {
        self.personality = personality;
        let generic = !matches!(personality, Personality::Minimal | Personality::Apache2);
        let ids = personality == Personality::Ids;
        let late_iis =
            matches!(personality, Personality::Iis60 | Personality::Iis70 | Personality::Iis75);
        self.uri.backslash_separators = generic;
        self.uri.separators_decode = generic;
        self.uri.separators_compress = personality != Personality::Minimal;
        self.uri.u_encoding = ids || late_iis;
        self.uri.utf8_bestfit = ids;
        // Rules expect the letters as they were sent, whatever the server makes of them.
        self.uri.lowercase = false;
    }

    /// The same with inspection sizes that vary by half the range up and down; `seed` is any
    /// random number.
    pub fn randomized(mut self, seed: u64) -> Self {
        if !self.randomize {
            return self;
        }
        let mut state = seed;
        for body in [&mut self.request_body, &mut self.response_body] {
            for size in [&mut body.minimal_inspect_size, &mut body.inspect_window] {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                let fraction = ((state >> 40) as f64) / f64::from(1u32 << 24) - 0.5;
                let change = f64::from(*size) * f64::from(self.randomize_range) / 100.0 * fraction;
                *size = (f64::from(*size) + change).max(0.0) as u32;
            }
        }
        self
    }

    /// Sizes of bodies by direction (0: requests).
    pub(crate) const fn body(&self, direction: usize) -> &BodySettings {
        if direction == 0 { &self.request_body } else { &self.response_body }
    }
}

#[cfg(test)]
mod tests {
    use super::{HttpSettings, Personality};

    #[test]
    fn personality_resets_lowercase() {
        let mut settings = HttpSettings::default();
        settings.uri.lowercase = true;
        settings.set_personality(Personality::Ids);
        assert!(!settings.uri.lowercase && settings.uri.u_encoding && settings.uri.utf8_bestfit);
        settings.set_personality(Personality::Apache2);
        assert!(settings.uri.separators_compress && !settings.uri.separators_decode);
    }

    #[test]
    fn random_sizes_stay_in_range() {
        for seed in 0..200 {
            let settings = HttpSettings::default().randomized(seed * 0x1234_5678_9abc);
            let size = settings.response_body.minimal_inspect_size;
            assert!((31_129..=34_407).contains(&size), "{size}");
        }
    }

    #[test]
    fn names() {
        assert_eq!(Personality::by_name("IDS"), Some(Personality::Ids));
        assert_eq!(Personality::by_name("Apache_2_2"), Some(Personality::Apache2));
        assert_eq!(Personality::by_name("tomcat_6_0"), None);
        assert_eq!(Personality::by_name("iis_4_0"), None);
    }
}
