//! Sets of addresses and ports.

use crate::{AddressSet, PortSet, Variables};

fn variables() -> Variables {
    let mut variables = Variables::sample();
    variables.set_address("LOOP", "[$LOOP,10.0.0.1]");
    variables.set_address("PART", "[10.0.0.0/8,!10.1.0.0/16]");
    variables.set_port("WEB", "[80,8000:8080,!8001]");
    variables
}

#[test]
fn addresses() {
    let check = |text: &str, inside: &[&str], outside: &[&str]| {
        let set = AddressSet::parse(text, &variables()).unwrap();
        for address in inside {
            assert!(set.contains(address.parse().unwrap()), "{text} lacks {address}");
        }
        for address in outside {
            assert!(!set.contains(address.parse().unwrap()), "{text} has {address}");
        }
    };
    check("any", &["1.2.3.4", "::1"], &[]);
    check("1.2.3.4", &["1.2.3.4"], &["1.2.3.5", "::1.2.3.4"]);
    check("!1.2.3.4", &["1.2.3.5", "::1"], &["1.2.3.4"]);
    check("10.0.0.0/8", &["10.0.0.0", "10.255.255.255"], &["9.255.255.255", "11.0.0.0"]);
    check("10.0.0.0/255.0.0.0", &["10.1.1.1"], &["11.0.0.0"]);
    check("1.2.3.4-1.2.3.9", &["1.2.3.4", "1.2.3.9"], &["1.2.3.3", "1.2.3.10"]);
    check("2001:db8::/32", &["2001:db8::1"], &["2001:db9::1", "1.2.3.4"]);
    check("0.0.0.0/0", &["1.2.3.4"], &["::1"]);
    check("[1.2.3.4, 5.6.7.8]", &["1.2.3.4", "5.6.7.8"], &["1.2.3.5"]);
    check("[10.0.0.0/8,![10.1.0.0/16,10.2.0.0/16]]", &["10.0.0.1"], &["10.1.0.1", "10.2.0.1"]);
    check("[any,!1.2.3.4]", &["1.2.3.5"], &["1.2.3.4"]);
    check("$HOME_NET", &["192.168.1.1", "10.0.0.1", "172.31.255.255"], &["172.32.0.0"]);
    check("$EXTERNAL_NET", &["8.8.8.8", "::1"], &["10.0.0.1"]);
    check("!$EXTERNAL_NET", &["10.0.0.1"], &["8.8.8.8", "::1"]);
    check("!$PART", &["10.1.0.1", "11.0.0.1"], &["10.2.0.1"]);
    check("![1.2.3.0/24,!1.2.3.4]", &["1.2.3.4", "1.2.4.0"], &["1.2.3.5"]);
    check("[!1.2.3.4,!5.6.7.8]", &["1.2.3.5"], &["1.2.3.4", "5.6.7.8"]);
    check("255.255.255.255", &["255.255.255.255"], &["0.0.0.0"]);
    let many: Vec<String> = (0..100).map(|n| format!("10.0.{n}.0-10.0.{n}.9")).collect();
    check(&format!("[{}]", many.join(",")), &["10.0.0.0", "10.0.99.9"], &["10.0.50.10"]);
}

#[test]
fn bad_addresses() {
    for text in [
        "!any",
        "[1.2.3.4,!1.2.3.4]",
        "$NOSUCH",
        "$LOOP",
        "1.2.3.400",
        "1.2.3",
        "1.2.3.4/33",
        "1.2.3.4-1.2.3.1",
        "[1.2.3.4",
        "1.2.3.4]",
        "[]",
        "",
        "!",
        "1.2.3.4,,1.2.3.5",
        "[!any]",
        "![any]",
        "1.2.3.4/255.0.255.0",
        "2001:db8::/129",
        "1.2.3.4-::1",
    ] {
        assert!(AddressSet::parse(text, &variables()).is_err(), "{text}");
    }
}

#[test]
fn ports() {
    let check = |text: &str, ranges: &[(u16, u16)]| {
        let set = PortSet::parse(text, &variables()).unwrap();
        assert_eq!(set.ranges(), ranges, "{text}");
        for &(low, high) in ranges {
            assert!(set.contains(low) && set.contains(high), "{text}");
            assert!(low == 0 || !set.contains(low - 1), "{text}");
        }
    };
    check("any", &[(0, 65535)]);
    check("80", &[(80, 80)]);
    check("80:90", &[(80, 90)]);
    check(":1023", &[(0, 1023)]);
    check("1024:", &[(1024, 65535)]);
    check(":", &[(0, 65535)]);
    check("!80", &[(0, 79), (81, 65535)]);
    check("[80,443,![8080:8090]]", &[(80, 80), (443, 443)]);
    check("[80:90,!85]", &[(80, 84), (86, 90)]);
    check("![80,81]", &[(0, 79), (82, 65535)]);
    check("$WEB", &[(80, 80), (8000, 8000), (8002, 8080)]);
    check("!$WEB", &[(0, 79), (81, 7999), (8001, 8001), (8081, 65535)]);
    check("[80,81,82]", &[(80, 82)]);
}

#[test]
fn bad_ports() {
    for text in ["70000", "90:80", "!any", "[80,!80]", "[]", "a", "-1", "80-90", "$NOSUCH", ""] {
        assert!(PortSet::parse(text, &variables()).is_err(), "{text}");
    }
}

#[test]
fn equal_sets_share_their_number() {
    let loaded = super::load(
        "alert tcp 10.0.0.0/8 80 -> any any (sid:1;)\n\
         alert tcp [10.0.0.0/9,10.128.0.0/9] [80] -> any any (sid:2;)\n\
         alert tcp 11.0.0.0/8 81 -> any any (sid:3;)\n",
    );
    let [one, two, three] = loaded.rules.as_slice() else { panic!("{:?}", loaded.failures) };
    assert_eq!((one.src.id(), one.src_ports.id()), (two.src.id(), two.src_ports.id()));
    assert_ne!(one.src.id(), three.src.id());
    assert_ne!(one.src_ports.id(), three.src_ports.id());
    assert_eq!((one.dst.id(), one.dst_ports.id()), (0, 0));
}
