// SPDX-License-Identifier: MIT
//! Async mutexes, in ns per lock and unlock.

use std::future::Future;
use std::sync::Arc;

use tokio::sync::Mutex;
use tokio::task::yield_now;

use crate::measure::{ns_per_operation, report};
use crate::runtimes::{Flavour, run_root};

type Counter = Arc<Mutex<u64>>;

async fn count_up(shared: Counter, times: u64) {
    for _ in 0..times {
        let mut guard = shared.lock().await;
        *guard += 1;
    }
}

async fn count_up_and_yield(shared: Counter, times: u64) {
    for _ in 0..times {
        let mut guard = shared.lock().await;
        *guard += 1;
        yield_now().await;
    }
}

async fn count_alone(times: u64) {
    let shared = Counter::default();
    count_up(shared.clone(), times).await;
    assert_eq!(*shared.lock().await, times);
}

/// Runs four tasks that count to `times` together.
async fn count_by_four<F>(count_up: fn(Counter, u64) -> F, times: u64)
where
    F: Future<Output = ()> + Send + 'static,
{
    let shared = Counter::default();
    let handles = [(); 4].map(|()| tokio::spawn(count_up(shared.clone(), times / 4)));
    for handle in handles {
        handle.await.unwrap();
    }
    assert_eq!(*shared.lock().await, times);
}

/// By one task.
pub fn uncontended(flavour: Flavour) {
    let ns = run_root(flavour, async {
        count_alone(500_000).await;
        ns_per_operation(5_000_000, count_alone(5_000_000)).await
    });
    report("mutex_uncontended", flavour, "ns", ns);
}

/// By four tasks that await nothing while they hold the lock.
pub fn by_four(flavour: Flavour) {
    let ns = run_root(flavour, async {
        count_by_four(count_up, 100_000).await;
        ns_per_operation(1_000_000, count_by_four(count_up, 1_000_000)).await
    });
    report("mutex_4", flavour, "ns", ns);
}

/// By four tasks that yield while they hold the lock, so that the others wait for it.
pub fn by_four_who_yield(flavour: Flavour) {
    let ns = run_root(flavour, async {
        count_by_four(count_up_and_yield, 40_000).await;
        ns_per_operation(400_000, count_by_four(count_up_and_yield, 400_000)).await
    });
    report("mutex_4_yield", flavour, "ns", ns);
}
