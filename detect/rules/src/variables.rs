//! Variables of addresses and ports (`vars` in the configuration).

use std::collections::HashMap;

/// Names without the dollar sign and their texts; texts may name other variables.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Variables {
    addresses: HashMap<String, String>,
    ports: HashMap<String, String>,
}

impl Variables {
    /// Defines or redefines an address variable.
    pub fn set_address(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.addresses.insert(name.into(), value.into());
    }

    /// Defines or redefines a port variable.
    pub fn set_port(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.ports.insert(name.into(), value.into());
    }

    /// Text of an address variable.
    pub fn address(&self, name: &str) -> Option<&str> {
        self.addresses.get(name).map(String::as_str)
    }

    /// Text of a port variable.
    pub fn port(&self, name: &str) -> Option<&str> {
        self.ports.get(name).map(String::as_str)
    }

    /// The variables of Suricata 8's sample configuration.
    pub fn sample() -> Self {
        let mut variables = Self::default();
        for (name, value) in [
            ("HOME_NET", "[192.168.0.0/16,10.0.0.0/8,172.16.0.0/12]"),
            ("EXTERNAL_NET", "!$HOME_NET"),
            ("HTTP_SERVERS", "$HOME_NET"),
            ("SMTP_SERVERS", "$HOME_NET"),
            ("SQL_SERVERS", "$HOME_NET"),
            ("DNS_SERVERS", "$HOME_NET"),
            ("TELNET_SERVERS", "$HOME_NET"),
            ("AIM_SERVERS", "$EXTERNAL_NET"),
            ("DC_SERVERS", "$HOME_NET"),
            ("DNP3_SERVER", "$HOME_NET"),
            ("DNP3_CLIENT", "$HOME_NET"),
            ("MODBUS_CLIENT", "$HOME_NET"),
            ("MODBUS_SERVER", "$HOME_NET"),
            ("ENIP_CLIENT", "$HOME_NET"),
            ("ENIP_SERVER", "$HOME_NET"),
        ] {
            variables.set_address(name, value);
        }
        for (name, value) in [
            ("HTTP_PORTS", "80"),
            ("SHELLCODE_PORTS", "!80"),
            ("ORACLE_PORTS", "1521"),
            ("SSH_PORTS", "22"),
            ("DNP3_PORTS", "20000"),
            ("MODBUS_PORTS", "502"),
            ("FILE_DATA_PORTS", "[$HTTP_PORTS,110,143]"),
            ("FTP_PORTS", "21"),
            ("GENEVE_PORTS", "6081"),
            ("VXLAN_PORTS", "4789"),
            ("TEREDO_PORTS", "3544"),
            ("SIP_PORTS", "[5060, 5061]"),
        ] {
            variables.set_port(name, value);
        }
        variables
    }
}
