//! Rings that cannot be opened say why.

use std::thread;

use afpacket::{Error, Interface, Ring, RingSettings, Step};

use crate::namespace::{FAR, in_namespace, ip};
use crate::sender::settings;

#[test]
fn an_interface_has_to_be_there_and_up() {
    in_namespace(|| {
        let missing = |interface: Interface| {
            let settings = RingSettings { interface: interface.clone(), ..settings() };
            let error = Ring::open(&settings).unwrap_err();
            assert!(matches!(&error, Error::NoInterface { .. }), "{error}");
            assert!(error.to_string().starts_with(&interface.to_string()), "{error}");
        };
        missing(Interface::from("afp5"));
        missing(Interface::from(""));
        missing(Interface::from("a-name-that-is-too-long"));
        missing(Interface::Index(9999));
        missing(Interface::Index(0));
        missing(Interface::Index(u32::MAX));
        ip(&format!("link set {FAR} down"));
        let error = Ring::open(&settings()).unwrap_err();
        assert!(matches!(&error, Error::InterfaceDown { .. }), "{error}");
        assert!(error.to_string().contains("ip link set afp1 up"), "{error}");
    });
}

#[test]
fn without_privilege_the_capability_is_named() {
    in_namespace(|| {
        let open = || {
            // SAFETY: the raw call changes the user of this thread alone, and with it what the
            // thread may do.
            let result = unsafe { libc::syscall(libc::SYS_setresuid, -1, 65534, -1) };
            assert_eq!(result, 0);
            Ring::open(&settings()).unwrap_err()
        };
        let error = thread::spawn(open).join().unwrap();
        assert!(matches!(&error, Error::System { step: Step::OpenSocket, .. }), "{error}");
        assert!(error.to_string().contains("CAP_NET_RAW"), "{error}");
    });
}
