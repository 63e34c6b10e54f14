// SPDX-License-Identifier: MIT
//! Oneshot channels.

use std::hint::black_box;

use tokio::sync::oneshot;

use crate::measure::{ns_per_operation, report};
use crate::runtimes::{Flavour, run_root};

async fn send_to_self(count: u64) {
    let mut sum = 0;
    for i in 0..count {
        let (sender, receiver) = oneshot::channel();
        sender.send(black_box(i)).unwrap();
        sum += receiver.await.unwrap();
    }
    assert_eq!(sum, count * (count - 1) / 2);
}

/// ns per channel that one task makes, sends on, receives from and drops.
pub fn to_self(flavour: Flavour) {
    let ns = run_root(flavour, async {
        send_to_self(100_000).await;
        ns_per_operation(5_000_000, send_to_self(5_000_000)).await
    });
    report("oneshot", flavour, "ns", ns);
}
