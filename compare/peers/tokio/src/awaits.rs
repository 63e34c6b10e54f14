// SPDX-License-Identifier: MIT
//! Awaits of children that never suspend.

use std::future::Future;
use std::hint::black_box;
use std::pin::Pin;

use crate::measure::{ns_per_operation, report};
use crate::runtimes::{Flavour, run_root};

const LEVELS: u64 = 1000;

async fn descend(levels: u64) -> u64 {
    if levels == 0 { black_box(0) } else { 1 + Box::pin(descend(levels - 1)).await }
}

async fn descend_often(times: u64) {
    for _ in 0..times {
        assert_eq!(descend(LEVELS).await, LEVELS);
    }
}

async fn child(x: u64) -> u64 {
    black_box(x) + 1
}

#[inline(never)]
fn boxed_child(x: u64) -> Pin<Box<dyn Future<Output = u64> + Send>> {
    Box::pin(child(x))
}

async fn await_children(count: u64) {
    let mut sum = 0;
    for i in 0..count {
        sum += child(i).await;
    }
    assert_eq!(sum, count * (count + 1) / 2);
}

async fn await_boxed_children(count: u64) {
    let mut sum = 0;
    for i in 0..count {
        sum += boxed_child(i).await;
    }
    assert_eq!(sum, count * (count + 1) / 2);
}

/// ns per level of a recursion with 1,000 levels. Each level has its own heap frame.
pub fn deep(flavour: Flavour) {
    let ns = run_root(flavour, async {
        descend_often(100).await;
        ns_per_operation(1000 * LEVELS, descend_often(1000)).await
    });
    report("await_deep", flavour, "ns", ns);
}

/// ns per child that is visible to the compiler.
pub fn ready(flavour: Flavour) {
    let ns = run_root(flavour, async {
        await_children(1_000_000).await;
        ns_per_operation(10_000_000, await_children(10_000_000)).await
    });
    report("await_ready", flavour, "ns", ns);
}

/// ns per child that is opaque to the compiler: the future is type-erased and on the heap.
pub fn opaque(flavour: Flavour) {
    let ns = run_root(flavour, async {
        await_boxed_children(1_000_000).await;
        ns_per_operation(10_000_000, await_boxed_children(10_000_000)).await
    });
    report("await_opaque", flavour, "ns", ns);
}
