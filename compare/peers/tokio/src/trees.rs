// SPDX-License-Identifier: MIT
//! Trees of tasks that join their children. The result is the time of the whole tree in milliseconds, measured by main.

use std::future::Future;
use std::hint::black_box;
use std::time::Instant;

use crate::measure::{milliseconds, report};
use crate::runtimes::{Flavour, block_on_root, runtime};

// Neither is an `async fn`: the compiler cannot infer `Send` for a task that spawns itself, so it is declared.

fn skynet_node(first: u64, size: u64) -> impl Future<Output = u64> + Send {
    async move {
        if size == 1 {
            return black_box(first);
        }
        let part = size / 10;
        let children: [_; 10] = std::array::from_fn(|i| tokio::spawn(skynet_node(first + i as u64 * part, part)));
        let mut sum = 0;
        for child in children {
            sum += child.await.unwrap();
        }
        sum
    }
}

fn fib(n: u64) -> impl Future<Output = u64> + Send {
    async move {
        if n < 2 {
            return black_box(n);
        }
        let first = tokio::spawn(fib(n - 1));
        let second = Box::pin(fib(n - 2)).await;
        first.await.unwrap() + second
    }
}

/// A tree of 1,111,111 tasks. A node of size s > 1 spawns ten nodes of size s / 10; a node of size 1 returns its
/// number. Checks the sum.
pub fn skynet(flavour: Flavour) {
    const LEAVES: u64 = 1_000_000;
    let runtime = runtime(flavour);
    assert_eq!(block_on_root(&runtime, skynet_node(0, 10_000)), 10_000 * 9999 / 2);
    let start = Instant::now();
    let sum = block_on_root(&runtime, skynet_node(0, LEAVES));
    let taken = start.elapsed();
    assert_eq!(sum, LEAVES * (LEAVES - 1) / 2);
    report("skynet", flavour, "ms", milliseconds(taken));
}

/// 1,346,268 spawns: fib(n) spawns fib(n - 1) and awaits fib(n - 2) as a child.
pub fn fib30(flavour: Flavour) {
    let runtime = runtime(flavour);
    assert_eq!(block_on_root(&runtime, fib(15)), 610);
    let start = Instant::now();
    let number = block_on_root(&runtime, fib(30));
    let taken = start.elapsed();
    assert_eq!(number, 832_040);
    report("fib30", flavour, "ms", milliseconds(taken));
}
