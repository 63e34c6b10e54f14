// SPDX-License-Identifier: MIT
//! A select of a wait that never ends and another future, in ns per select.

use std::hint::black_box;

use tokio::select;
use tokio::sync::Notify;
use tokio::task::yield_now;

use crate::measure::{ns_per_operation, report};
use crate::runtimes::{Flavour, run_root};

async fn child(x: u64) -> u64 {
    black_box(x) + 1
}

async fn select_children(times: u64) {
    let never = Notify::new();
    let mut sum = 0;
    for i in 0..times {
        select! {
            () = never.notified() => unreachable!(),
            value = child(i) => sum += value,
        }
    }
    assert_eq!(sum, times * (times + 1) / 2);
}

async fn select_yields(times: u64) {
    let never = Notify::new();
    let mut yields = 0;
    for _ in 0..times {
        select! {
            () = never.notified() => unreachable!(),
            () = yield_now() => yields += 1,
        }
    }
    assert_eq!(yields, times);
}

/// The other future is ready immediately. The wait is canceled, if select has started it at all.
pub fn ready(flavour: Flavour) {
    let ns = run_root(flavour, async {
        select_children(100_000).await;
        ns_per_operation(1_000_000, select_children(1_000_000)).await
    });
    report("select_ready", flavour, "ns", ns);
}

/// The other future yields, so that both wait.
pub fn pending(flavour: Flavour) {
    let ns = run_root(flavour, async {
        select_yields(100_000).await;
        ns_per_operation(1_000_000, select_yields(1_000_000)).await
    });
    report("select_pending", flavour, "ns", ns);
}
