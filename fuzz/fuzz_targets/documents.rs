//! What is written as JSON on one machine and read on another, by the first byte: manifests, the
//! files of channels, receipts, roll-outs and orders.
#![no_main]

use libfuzzer_sys::fuzz_target;
use supply::layout::Channel;
use supply::manifest::{Hash, Manifest, below};
use supply::receipt::{MOST_REASON, Receipt, is_name, name_of};
use supply::rollout::Rollout;
use supply::server::Order;

fuzz_target!(|data: &[u8]| {
    let Some((first, rest)) = data.split_first() else { return };
    match first {
        b'm' => {
            let Ok(manifest) = Manifest::parse(rest) else { return };
            let bytes = manifest.to_bytes();
            let again = Manifest::parse(&bytes).expect("what was written is read");
            assert_eq!((&again, again.hash()), (&manifest, Hash::of(&bytes)));
            assert!(manifest.files.iter().all(|file| below(&file.path).is_some()));
        }
        b'c' => {
            let Ok(channel) = Channel::parse(rest, "default") else { return };
            let again = Channel::parse(&channel.to_bytes(), "default");
            assert_eq!(again.expect("what was written is read"), channel);
        }
        b'r' => {
            let Ok(receipt) = Receipt::parse(rest) else { return };
            assert!(is_name(&receipt.sensor) && is_name(&receipt.channel));
            assert!(receipt.reason.len() <= MOST_REASON);
            let bytes = serde_json::to_vec(&receipt).expect("it is written");
            assert_eq!(Receipt::parse(&bytes).expect("what was written is read"), receipt);
        }
        b'o' => {
            let Ok(mut rollout) = serde_json::from_slice::<Rollout>(rest) else { return };
            rollout.tick(1000);
            let _ = rollout.ask("a", 1000);
            let _ = rollout.failures(2000).len();
        }
        b'n' => assert!(is_name(&name_of(&String::from_utf8_lossy(rest)))),
        _ => drop(serde_json::from_slice::<Order>(rest)),
    }
});
