// SPDX-License-Identifier: MIT
//! Tasks that are spawned and joined, in ns per task.

use std::hint::black_box;

use crate::measure::{ns_per_operation, report};
use crate::runtimes::{Flavour, run_root};

const BATCH: u64 = 1000;

/// One task at a time.
pub async fn one_at_a_time(tasks: u64) {
    let mut sum = 0;
    for i in 0..tasks {
        sum += tokio::spawn(async move { black_box(i) }).await.unwrap();
    }
    assert_eq!(sum, tasks * (tasks - 1) / 2);
}

/// 1,000 tasks at a time, joined in the order in which they were spawned.
pub async fn in_batches(batches: u64) {
    let mut sum = 0;
    let mut handles = Vec::with_capacity(BATCH as usize);
    for _ in 0..batches {
        for i in 0..BATCH {
            handles.push(tokio::spawn(async move { black_box(i) }));
        }
        for handle in handles.drain(..) {
            sum += handle.await.unwrap();
        }
    }
    assert_eq!(sum, batches * (BATCH * (BATCH - 1) / 2));
}

pub fn one(flavour: Flavour) {
    let ns = run_root(flavour, async {
        one_at_a_time(100_000).await;
        ns_per_operation(1_000_000, one_at_a_time(1_000_000)).await
    });
    report("spawn_join_one", flavour, "ns", ns);
}

pub fn batch(flavour: Flavour) {
    let ns = run_root(flavour, async {
        in_batches(100).await;
        ns_per_operation(1000 * BATCH, in_batches(1000)).await
    });
    report("spawn_join_batch", flavour, "ns", ns);
}
