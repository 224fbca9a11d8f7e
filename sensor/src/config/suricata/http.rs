//! `app-layer.protocols.http.libhtp`.

use std::net::IpAddr;
use std::sync::Arc;

use protocol::file::range::RangeSettings;
use protocol::http::{
    BodySettings, HttpSettings, InvalidEncoding, Personality, SwfSettings, UriSettings,
};

use crate::config::tree::Node;
use crate::config::{boolean, integer, size};

use super::{Config, Fatal};

const MODULE: &str = "app-layer-htp";
const SECTION: &str = "app-layer.protocols.http.libhtp";

/// The settings for servers that have none of their own.
pub(super) fn default_config(config: Config<'_>) -> Result<HttpSettings, Fatal> {
    let mut settings = HttpSettings::default();
    if let Some(node) = config.root.get(&format!("{SECTION}.default-config")) {
        section(config, node, &mut settings)?;
    }
    Ok(settings)
}

/// Limits of files that come in parts; a value that is none leaves the built-in one.
pub(super) fn byterange(config: Config<'_>) -> RangeSettings {
    let mut ranges = RangeSettings::default();
    let read = |key: &str, value: &mut u64, parse: fn(&str) -> Option<u64>| {
        let Some(text) = config.text(&format!("app-layer.protocols.http.byterange.{key}")) else {
            return;
        };
        match parse(text) {
            Some(found) => *value = found,
            None => {
                let said = format!("{key} value cannot be deduced: {text}, resetting to default");
                config.log.warning("app-layer-htp-range", said);
            }
        }
    };
    read("memcap", &mut ranges.memory, size::strict);
    read("timeout", &mut ranges.timeout, |text| text.parse().ok());
    ranges
}

/// The settings of single servers, which begin with the built-in values.
pub(super) fn servers(config: Config<'_>) -> Result<Vec<(IpAddr, u8, Arc<HttpSettings>)>, Fatal> {
    let mut servers = Vec::new();
    let nodes = config.root.get(&format!("{SECTION}.server-config"));
    for item in nodes.map_or(&[][..], |node| &node.children) {
        let Some((name, Some(node))) = item.item() else { continue };
        let mut settings = HttpSettings::default();
        section(config, node, &mut settings)?;
        let settings = Arc::new(settings);
        let addresses = node.child("address").map(Node::texts).unwrap_or_default();
        for text in addresses {
            match network(text.trim()) {
                Some((address, length)) => servers.push((address, length, Arc::clone(&settings))),
                None => {
                    let said = format!("LIBHTP {name}: bad server address \"{text}\"");
                    config.log.error(MODULE, said);
                }
            }
        }
    }
    Ok(servers)
}

fn network(text: &str) -> Option<(IpAddr, u8)> {
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length.parse::<u8>().ok()?)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = length.unwrap_or(most);
    (length <= most).then_some((address, length))
}

/// Keys in the order of the file: a personality takes back what stood before it.
fn section(config: Config<'_>, node: &Node, settings: &mut HttpSettings) -> Result<(), Fatal> {
    for child in &node.children {
        let text = child.value.as_deref().unwrap_or_default();
        let key = child.name.as_str();
        let known = match key {
            "personality" => {
                personality(config, text, settings);
                true
            }
            "address" => true,
            "swf-decompression" => {
                swf(config, child, &mut settings.swf)?;
                true
            }
            _ => {
                let body = match key.split_once("-body-") {
                    Some(("request", rest)) => Some((rest, &mut settings.request_body)),
                    Some(("response", rest)) => Some((rest, &mut settings.response_body)),
                    _ => None,
                };
                let of_body = match body {
                    Some((rest, body)) => body_key(config, rest, text, body)?,
                    None => false,
                };
                of_body || limits(config, key, text, settings)? || uri(key, text, &mut settings.uri)
            }
        };
        if !known {
            config.log.warning(MODULE, format!("LIBHTP Ignoring unknown default config: {key}"));
        }
    }
    Ok(())
}

fn personality(config: Config<'_>, text: &str, settings: &mut HttpSettings) {
    match Personality::by_name(text) {
        Some(personality) => settings.set_personality(personality),
        None => {
            config.log.warning(MODULE, format!("LIBHTP Unknown personality \"{text}\", ignoring"))
        }
    }
}

fn bytes(config: Config<'_>, key: &str, text: &str) -> Result<u64, Fatal> {
    size::strict(text).ok_or_else(|| {
        config.log.error("misc", size::complaint(text));
        let said = format!("Error parsing {key} from conf file - {text}.  Killing engine");
        config.fail(MODULE, &said)
    })
}

fn body_key(
    config: Config<'_>,
    key: &str,
    text: &str,
    body: &mut BodySettings,
) -> Result<bool, Fatal> {
    let narrow = |size: u64| u32::try_from(size).unwrap_or(u32::MAX);
    match key {
        "limit" => body.limit = bytes(config, key, text)?,
        "minimal-inspect-size" => body.minimal_inspect_size = narrow(bytes(config, key, text)?),
        "inspect-window" => body.inspect_window = narrow(bytes(config, key, text)?),
        _ => return Ok(false),
    }
    Ok(true)
}

fn limits(
    config: Config<'_>,
    key: &str,
    text: &str,
    settings: &mut HttpSettings,
) -> Result<bool, Fatal> {
    let whole = |most: u32| {
        let value = integer::any_base(text).and_then(|value| u32::try_from(value).ok());
        if value.is_none() {
            let said = format!("malformed integer value for {key}: '{text}'");
            config.log.warning(MODULE, said);
        }
        value.map(|value| value.min(most))
    };
    let wide = |size: u64| usize::try_from(size).unwrap_or(usize::MAX);
    match key {
        "response-body-decompress-layer-limit" => {
            settings.layer_limit = whole(u32::MAX).unwrap_or(settings.layer_limit);
        }
        "lzma-enabled" => {
            settings.lzma_layers = match text {
                text if boolean::is_true(text) => 1,
                text if boolean::is_false(text) => 0,
                _ => whole(u32::MAX).unwrap_or(settings.lzma_layers),
            };
        }
        "lzma-memlimit" => settings.lzma_memlimit = bytes(config, key, text)?,
        "compression-bomb-limit" => settings.bomb_limit = bytes(config, key, text)?,
        "compression-bomb-count" => {
            settings.bomb_count = whole(u32::MAX).unwrap_or(settings.bomb_count);
        }
        "decompression-time-limit" => {
            settings.time_limit = whole(1_000_000).unwrap_or(settings.time_limit).max(1);
        }
        "max-tx" => {
            settings.max_tx = whole(u32::MAX).map_or(settings.max_tx, |n| wide(u64::from(n)));
        }
        "headers-limit" => {
            settings.headers_limit =
                whole(u32::MAX).map_or(settings.headers_limit, |n| wide(u64::from(n)));
        }
        "meta-field-limit" => {
            settings.meta_field_limit = wide(bytes(config, key, text)?);
            if settings.meta_field_limit == 0 {
                let said = "Error meta-field-limit from conf file cannot be 0. Killing engine";
                return Err(config.fail(MODULE, said));
            }
        }
        "http-body-inline" => {
            settings.body_inline = match text {
                "auto" => config.mode.inline,
                _ => boolean::is_true(text),
            };
        }
        "randomize-inspection-sizes" => settings.randomize = boolean::is_true(text),
        "randomize-inspection-range" => {
            let range = whole(u32::MAX).unwrap_or(settings.randomize_range);
            if range > 100 {
                let said = "randomize-inspection-range must be at most 100";
                return Err(config.fail(MODULE, said));
            }
            settings.randomize_range = range;
        }
        _ => return Ok(false),
    }
    Ok(true)
}

fn uri(key: &str, text: &str, uri: &mut UriSettings) -> bool {
    let on = boolean::is_true(text);
    match key {
        "double-decode-path" => uri.double_decode_path = on,
        "double-decode-query" => uri.double_decode_query = on,
        "uri-include-all" => uri.include_all = on,
        "query-plusspace-decode" => uri.query_plusspace = on,
        "path-convert-backslash-separators" => uri.backslash_separators = on,
        "path-convert-lowercase" => uri.lowercase = on,
        "path-nul-encoded-terminates" => uri.nul_encoded_terminates = on,
        "path-nul-raw-terminates" => uri.nul_raw_terminates = on,
        "path-separators-compress" => uri.separators_compress = on,
        "path-separators-decode" => uri.separators_decode = on,
        "path-u-encoding-decode" => uri.u_encoding = on,
        "path-utf8-convert-bestfit" => uri.utf8_bestfit = on,
        "path-bestfit-replacement-char" => {
            uri.bestfit_replacement = text.bytes().next().unwrap_or(uri.bestfit_replacement);
        }
        "path-url-encoding-invalid-handling" => {
            uri.invalid = match text {
                "remove_percent" => InvalidEncoding::RemovePercent,
                "decode_invalid" => InvalidEncoding::Decode,
                _ => InvalidEncoding::PreservePercent,
            };
        }
        _ => return false,
    }
    true
}

fn swf(config: Config<'_>, node: &Node, swf: &mut SwfSettings) -> Result<(), Fatal> {
    let on = node.truth("enabled").unwrap_or(false);
    let kind = node.text("type").unwrap_or("both");
    swf.deflate = on && matches!(kind, "both" | "deflate");
    swf.lzma = on && matches!(kind, "both" | "lzma");
    let depth = |key: &str, default: u32| match node.text(key) {
        Some(text) => bytes(config, key, text).map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
        None => Ok(default),
    };
    swf.compress_depth = depth("compress-depth", swf.compress_depth)?;
    swf.decompress_depth = depth("decompress-depth", swf.decompress_depth)?;
    Ok(())
}
