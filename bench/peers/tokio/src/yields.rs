// SPDX-License-Identifier: MIT
//! Tasks that let others run. op: one yield.

use tokio::task::yield_now;

use crate::measure::{ns_per_operation, report};
use crate::runtimes::{Flavour, run_root};

const TASKS: u64 = 1000;

async fn yield_often(times: u64) {
    for _ in 0..times {
        yield_now().await;
    }
}

async fn yield_together(times: u64) {
    let mut handles = Vec::with_capacity(TASKS as usize);
    for _ in 0..TASKS {
        handles.push(tokio::spawn(yield_often(times)));
    }
    for handle in handles {
        handle.await.unwrap();
    }
}

/// With nothing else to run.
pub fn alone(flavour: Flavour) {
    let ns = run_root(flavour, async {
        yield_often(100_000).await;
        ns_per_operation(10_000_000, yield_often(10_000_000)).await
    });
    report("yield_1", flavour, "ns", ns);
}

/// A thousand tasks yield to each other; spawning and joining them is included.
pub fn crowd(flavour: Flavour) {
    let ns = run_root(flavour, async {
        yield_together(100).await;
        ns_per_operation(3000 * TASKS, yield_together(3000)).await
    });
    report("yield_1000", flavour, "ns", ns);
}
