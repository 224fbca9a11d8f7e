//! `file-store` in the outputs.

use ::detect::settings::{FileStoreSettings, Settings};

use crate::config::process::{FileStoreOutput, ProcessSettings};
use crate::config::size;
use crate::config::tree::Node;

use super::{Config, Fatal};

const MODULE: &str = "output-filestore";

pub(super) fn read(
    config: Config<'_>,
    node: &Node,
    detector: &mut Settings,
    process: &mut ProcessSettings,
) -> Result<(), Fatal> {
    if node.text("version") != Some("2") {
        let said = "File-store v1 has been removed. Please update to file-store v2.";
        config.log.warning(MODULE, said);
        return config.warn_or_fail("runmodes", "output module \"file-store\": setup failed");
    }
    if process.file_store.is_some() {
        config.log.error(MODULE, "only one file-store output can be enabled");
        return config.warn_or_fail("runmodes", "output module \"file-store\": setup failed");
    }
    process.file_store = Some(FileStoreOutput {
        directory: node.text("dir").unwrap_or("filestore").to_owned(),
        max_open_files: node
            .text("max-open-files")
            .and_then(|text| text.parse().ok())
            .unwrap_or_default(),
    });
    detector.file_store = Some(FileStoreSettings {
        force: node.truth("force-filestore").unwrap_or(false),
        write_fileinfo: node.truth("write-fileinfo").unwrap_or(false),
        stream_depth: stream_depth(config, node, detector.stream.depth)?,
    });
    // Stored files are named by their SHA-256.
    detector.protocol.file.sha256 = true;
    if node.truth("force-filestore").unwrap_or(false) {
        config.log.info(MODULE, "forcing filestore of all files");
        detector.protocol.file.store = true;
    }
    super::eve::force_hash(config, node, detector);
    Ok(())
}

fn stream_depth(config: Config<'_>, node: &Node, depth: u32) -> Result<Option<u32>, Fatal> {
    let Some(text) = node.text("stream-depth") else { return Ok(None) };
    let Some(wanted) = size::strict(text) else {
        config.log.error("misc", size::complaint(text));
        let said = format!(
            "Error parsing file-store.stream-depth from conf file - {text}.  Killing engine"
        );
        return Err(config.fail(MODULE, &said));
    };
    let wanted = u32::try_from(wanted).unwrap_or(u32::MAX);
    if wanted > 0 && wanted <= depth {
        let said = format!(
            "file-store.stream-depth value {wanted} has no effect since it's less than \
             stream.reassembly.depth value."
        );
        config.log.warning(MODULE, said);
    }
    Ok(Some(wanted))
}
