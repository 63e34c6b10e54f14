// SPDX-License-Identifier: MIT
//! Semaphores.

use tokio::sync::Semaphore;

use crate::measure::{ns_per_operation, report};
use crate::runtimes::{Flavour, run_root};

async fn acquire_often(times: u64) {
    let own = Semaphore::new(1);
    for _ in 0..times {
        drop(own.acquire().await.unwrap());
    }
    assert_eq!(own.available_permits(), 1);
}

/// ns per permit that one task acquires and releases.
pub fn uncontended(flavour: Flavour) {
    let ns = run_root(flavour, async {
        acquire_often(500_000).await;
        ns_per_operation(5_000_000, acquire_often(5_000_000)).await
    });
    report("semaphore_uncontended", flavour, "ns", ns);
}
