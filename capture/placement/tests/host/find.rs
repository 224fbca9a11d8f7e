//! Interfaces found by what users say of them, and what they are told when there is none.

use std::collections::BTreeMap;

use placement::{Candidate, Inventory, Selector, Surroundings};

const STATUS: &str = r#"[
    {"name": "cbr0", "interface": "eth0", "ips": ["10.0.0.2"], "default": true, "dns": {}},
    {"name": "sensors/passive", "interface": "net1", "dns": {},
     "device-info": {"type": "pci", "version": "1.0.0", "pci": {"pci-address": "0000:81:01.0"}}},
    {"name": "sensors/inline", "dns": {},
     "device-info": {"type": "pci", "pci": {"pci-address": "0000:81:01.1"}}},
    {"name": "sensors/passive", "interface": "net3", "dns": {}},
    {"name": "sensors/bare", "dns": {}}
]"#;

fn inventory() -> Inventory {
    let one = |name: &str, altnames: &[&str], pci: Option<&str>, mac: &str| Candidate {
        name: name.to_owned(),
        altnames: altnames.iter().map(|name| (*name).to_owned()).collect(),
        pci: pci.map(str::to_owned),
        mac: Some(mac.to_owned()),
    };
    Inventory {
        interfaces: vec![
            one("eth0", &[], None, "0a:58:0a:00:00:02"),
            one("net1", &["enp129s1"], Some("0000:81:01.0"), "02:00:00:00:00:11"),
            one("net2", &[], Some("0000:81:01.1"), "02:00:00:00:00:12"),
            one("net3", &[], Some("0000:af:01.2"), "02:00:00:00:00:13"),
        ],
        without: BTreeMap::from([
            ("0000:81:02.0".to_owned(), "vfio-pci".to_owned()),
            ("0000:81:02.1".to_owned(), String::new()),
            ("0000:81:00.0".to_owned(), "ice".to_owned()),
        ]),
    }
}

fn surroundings(status: Option<&str>) -> Surroundings {
    let environment = [
        ("PCIDEVICE_INTEL_COM_SRIOV_CAPTURE", "0000:81:01.0,0000:81:01.1"),
        ("PCIDEVICE_INTEL_COM_SRIOV_CAPTURE_INFO", "{}"),
        ("PCIDEVICE_EXAMPLE_ORG_GONE", "0000:99:00.0"),
        ("PATH", "/bin"),
    ];
    let owned = environment.map(|(name, value)| (name.to_owned(), value.to_owned()));
    Surroundings { environment: BTreeMap::from(owned), network_status: status.map(str::to_owned) }
}

fn check_with(surroundings: &Surroundings, text: &str, expected: Result<&str, &[&str]>) {
    let found = text
        .parse::<Selector>()
        .and_then(|selector| inventory().find(&selector, surroundings))
        .map(|names| names.join(" "))
        .map_err(|error| error.to_string());
    match expected {
        Ok(names) => assert_eq!(found.as_deref(), Ok(names), "{text}"),
        Err(parts) => {
            let error = found.unwrap_err();
            for part in parts {
                assert!(error.contains(part), "{text}: {error:?} lacks {part:?}");
            }
        }
    }
}

fn check(text: &str, expected: Result<&str, &[&str]>) {
    check_with(&surroundings(Some(STATUS)), text, expected);
}

#[test]
fn by_name_address_and_mac() {
    check("net1", Ok("net1"));
    check(" enp129s1\n", Ok("net1"));
    check("0000:81:01.1", Ok("net2"));
    check("pci:81:01.1", Ok("net2"));
    check("81:01.1", Ok("net2"));
    check("pci:0000:AF:01.2", Ok("net3"));
    check("02:00:00:00:00:12", Ok("net2"));
    check("mac:0A:58:0A:00:00:02", Ok("eth0"));
}

#[test]
fn by_the_resource_of_a_device_plugin() {
    check("resource:intel.com/sriov_capture", Ok("net1 net2"));
    check("resource:intel.com/sriov-capture", Ok("net1 net2"));
    check(
        "resource:intel.com/other",
        Err(&[
            "intel.com/other",
            "PCIDEVICE_INTEL_COM_OTHER",
            "PCIDEVICE_EXAMPLE_ORG_GONE=0000:99",
        ]),
    );
    check("resource:example.org/gone", Err(&["0000:99:00.0", "net1 (0000:81:01.0)"]));
}

#[test]
fn by_the_network_of_a_pod() {
    check("network:inline", Ok("net2"));
    check("network:sensors/passive", Ok("net1 net3"));
    check("network:passive", Ok("net1 net3"));
    check("network:cbr0", Ok("eth0"));
    check("network:other/passive", Err(&["other/passive", "sensors/passive (net1)"]));
    check("network:bare", Err(&["sensors/bare has no interface"]));
}

#[test]
fn the_annotation_may_be_one_of_a_file() {
    let quoted = serde_json::to_string(STATUS).unwrap();
    let file = format!("other=\"a\"\nk8s.v1.cni.cncf.io/network-status={quoted}\nlast=\"b\"\n");
    check_with(&surroundings(Some(&file)), "network:inline", Ok("net2"));
    for (status, part) in [
        (None, "are not known"),
        (Some("other=\"a\""), "are not known"),
        (Some("[{"), "can't be read"),
        (Some("k8s.v1.cni.cncf.io/network-status=[]"), "can't be read"),
        (Some("[]"), "there is none"),
    ] {
        check_with(&surroundings(status), "network:inline", Err(&[part]));
    }
    let written = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(written.path(), STATUS).unwrap();
    let mut from_file = Surroundings::default();
    from_file.read_network_status(written.path()).unwrap();
    check_with(&from_file, "network:inline", Ok("net2"));
}

#[test]
fn what_there_is_instead_is_told() {
    check("net9", Err(&["named net9", "eth0, net1 (enp129s1), net2, net3"]));
    check("02:00:00:00:00:99", Err(&["MAC 02:00", "net2 (02:00:00:00:00:12)"]));
    check("pci:0000:12:00.0", Err(&["PCI address 0000:12:00.0", "net2 (0000:81:01.1)"]));
    check("0000:81:02.0", Err(&["0000:81:02.0 is here", "vfio-pci"]));
    check("0000:81:02.1", Err(&["no driver"]));
    check("0000:81:00.0", Err(&["driver is ice", "network namespace"]));
    check("  ", Err(&["no interface was named"]));
}
