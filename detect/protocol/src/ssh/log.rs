//! The `ssh` object of records.

use json::Writer;

use super::{Side, Ssh};

/// Writes the object; false when no banner was read.
pub(super) fn write(ssh: &Ssh, out: &mut Writer<'_>) -> bool {
    let [client, server] = &ssh.sides;
    if client.proto.is_empty() && server.proto.is_empty() {
        return false;
    }
    out.key("ssh").open();
    side(client, "client", out);
    side(server, "server", out);
    out.close();
    true
}

fn side(side: &Side, key: &'static str, out: &mut Writer<'_>) {
    if side.proto.is_empty() {
        return;
    }
    out.key(key).open();
    out.field_text("proto_version", &side.proto);
    if !side.software.is_empty() {
        out.field_text("software_version", &side.software);
    }
    if let Some(hassh) = &side.hassh {
        out.key("hassh").open();
        out.field_str("hash", &hassh.hash);
        out.field_text("string", &hassh.string);
        out.close();
    }
    out.close();
}
