//! Names of application protocols.

macro_rules! protocols {
    ($($variant:ident $name:literal $doc:literal),+ $(,)?) => {
        /// An application protocol.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[repr(u8)]
        pub enum AppProto {
            /// Not known yet.
            #[default]
            Unknown,
            /// Looked for and not found.
            Failed,
            $(#[doc = $doc] $variant),+
        }

        impl AppProto {
            /// All real protocols.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// Name in EVE and statistics.
            pub const fn name(self) -> &'static str {
                match self {
                    Self::Unknown => "unknown",
                    Self::Failed => "failed",
                    $(Self::$variant => $name),+
                }
            }
        }
    };
}

protocols! {
    Http1 "http" "HTTP/1.", Ftp "ftp" "FTP control.", Smtp "smtp" "SMTP.", Tls "tls" "TLS and SSL.",
    Ssh "ssh" "SSH.", Imap "imap" "IMAP.", Smb "smb" "SMB.", Dcerpc "dcerpc" "DCE RPC.",
    Dns "dns" "DNS.", Modbus "modbus" "Modbus.", Enip "enip" "EtherNet/IP.", Dnp3 "dnp3" "DNP3.",
    Nfs "nfs" "NFS.", Ntp "ntp" "NTP.", FtpData "ftp-data" "FTP data.", Tftp "tftp" "TFTP.",
    Ike "ike" "IKE.", Krb5 "krb5" "Kerberos.", Quic "quic" "QUIC.", Dhcp "dhcp" "DHCP.",
    Sip "sip" "SIP.", Rfb "rfb" "RFB (VNC).", Mqtt "mqtt" "MQTT.", Pgsql "pgsql" "PostgreSQL.",
    Telnet "telnet" "Telnet.", Websocket "websocket" "WebSocket.", Ldap "ldap" "LDAP.",
    Doh2 "doh2" "DNS over HTTP/2.", Rdp "rdp" "RDP.", Http2 "http2" "HTTP/2.",
    BittorrentDht "bittorrent-dht" "BitTorrent DHT.", Pop3 "pop3" "POP3.", Mdns "mdns" "mDNS.",
    Snmp "snmp" "SNMP.",
}

impl AppProto {
    /// True for a protocol that was found.
    pub const fn is_known(self) -> bool {
        !matches!(self, Self::Unknown | Self::Failed)
    }

    /// The protocols that a rule header or `app-layer-protocol` name stands for: `http` is both
    /// versions, `http1` the first, `dns` includes DNS over HTTP/2. Empty: no such name.
    pub fn by_rule_name(name: &str) -> &'static [Self] {
        match name {
            "http" => &[Self::Http1, Self::Http2],
            "http1" => &[Self::Http1],
            "ssl" => &[Self::Tls],
            "dns" => &[Self::Dns, Self::Doh2],
            "failed" => &[Self::Failed],
            "unknown" => &[Self::Unknown],
            _ => {
                let found = Self::ALL.iter().position(|p| p.name() == name);
                found.and_then(|at| Self::ALL.get(at..=at)).unwrap_or(&[])
            }
        }
    }
}
