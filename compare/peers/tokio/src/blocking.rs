// SPDX-License-Identifier: MIT
//! Blocking calls, on the pool for blocking work.

use tokio::task::spawn_blocking;

use crate::measure::{ns_per_operation, report};
use crate::runtimes::{Flavour, run_root};

async fn call(times: u64) {
    for i in 0..times {
        assert_eq!(spawn_blocking(move || i + 1).await.unwrap(), i + 1);
    }
}

/// us per round trip, one at a time.
pub fn round_trips(flavour: Flavour) {
    let ns = run_root(flavour, async {
        call(1000).await;
        ns_per_operation(20_000, call(20_000)).await
    });
    report("spawn_blocking", flavour, "us", ns / 1e3);
}
