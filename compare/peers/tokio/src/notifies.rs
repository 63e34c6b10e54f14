// SPDX-License-Identifier: MIT
//! Notifications.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use tokio::sync::Notify;

use crate::measure::{ns_per_operation, report};
use crate::runtimes::{Flavour, run_root};

/// Two tasks take turns. The task that was notified writes `turns`. It is atomic because the compiler cannot verify
/// that. Relaxed is enough: the notifications order the accesses.
#[derive(Default)]
struct Table {
    first: Notify,
    second: Notify,
    turns: AtomicU64,
}

impl Table {
    fn take_turn(&self) {
        self.turns.store(self.turns.load(Relaxed) + 1, Relaxed);
    }
}

async fn begin_turns(shared: Arc<Table>, times: u64) {
    for _ in 0..times {
        shared.first.notify_one();
        shared.second.notified().await;
        shared.take_turn();
    }
}

async fn answer_turns(shared: Arc<Table>, times: u64) {
    for _ in 0..times {
        shared.first.notified().await;
        shared.take_turn();
        shared.second.notify_one();
    }
}

async fn take_turns(times: u64) {
    let shared = Arc::new(Table::default());
    let answering = tokio::spawn(answer_turns(shared.clone(), times));
    let beginning = tokio::spawn(begin_turns(shared.clone(), times));
    beginning.await.unwrap();
    answering.await.unwrap();
    assert_eq!(shared.turns.load(Relaxed), 2 * times);
}

async fn take_permits(times: u64) {
    let own = Notify::new();
    let mut taken = 0;
    for _ in 0..times {
        own.notify_one();
        own.notified().await;
        taken += 1;
    }
    assert_eq!(taken, times);
}

/// ns per round trip of two tasks that notify each other, including spawning and joining.
pub fn pingpong(flavour: Flavour) {
    let ns = run_root(flavour, async {
        take_turns(20_000).await;
        ns_per_operation(200_000, take_turns(200_000)).await
    });
    report("notify_pingpong", flavour, "ns", ns);
}

/// ns per permit that one task stores and consumes.
pub fn permits(flavour: Flavour) {
    let ns = run_root(flavour, async {
        take_permits(500_000).await;
        ns_per_operation(5_000_000, take_permits(5_000_000)).await
    });
    report("notify_permit", flavour, "ns", ns);
}
