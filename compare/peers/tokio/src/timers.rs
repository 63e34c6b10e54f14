// SPDX-License-Identifier: MIT
//! Sleeps that are armed and dropped before they fire, in ns per sleep.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Sleep, sleep};

use crate::measure::{ns_per_operation, report};
use crate::runtimes::{Flavour, run_root};

const MANY: usize = 100_000;

fn long_sleep(i: usize) -> Sleep {
    sleep(Duration::from_millis(30_000 + i as u64 % 1000))
}

/// Polls `sleeping` once, which inserts it into the timer wheel.
async fn arm(mut sleeping: Pin<&mut Sleep>) {
    poll_fn(|cx| {
        assert!(sleeping.as_mut().poll(cx).is_pending());
        Poll::Ready(())
    })
    .await
}

/// Many sleeps that are armed in place. Usually each would be in a box; without boxes is best for Tokio.
struct Armed(Vec<Sleep>);

impl Armed {
    async fn new(count: usize) -> Self {
        let mut sleeps = Vec::with_capacity(count);
        for i in 0..count {
            sleeps.push(long_sleep(i));
            // SAFETY: the vector has the capacity for all sleeps and no other code accesses it, so the sleeps do not
            // move until they are dropped.
            arm(unsafe { Pin::new_unchecked(&mut sleeps[i]) }).await;
        }
        Armed(sleeps)
    }
}

async fn arm_and_drop(count: usize) {
    for i in 0..count {
        arm(pin!(long_sleep(i))).await;
    }
}

async fn arm_many_and_drop(times: usize) {
    for _ in 0..times {
        assert_eq!(Armed::new(MANY).await.0.len(), MANY);
    }
}

/// Without other timers.
pub fn arm_cancel(flavour: Flavour) {
    let ns = run_root(flavour, async {
        arm_and_drop(100_000).await;
        ns_per_operation(1_000_000, arm_and_drop(1_000_000)).await
    });
    report("timer_arm_cancel", flavour, "ns", ns);
}

/// While 100,000 other timers stay armed.
pub fn arm_cancel_live(flavour: Flavour) {
    let ns = run_root(flavour, async {
        let others = Armed::new(MANY).await;
        arm_and_drop(100_000).await;
        let ns = ns_per_operation(1_000_000, arm_and_drop(1_000_000)).await;
        drop(others);
        ns
    });
    report("timer_arm_cancel_live", flavour, "ns", ns);
}

/// Arms 100,000 timers, then drops all in the same order.
pub fn arm_cancel_100k(flavour: Flavour) {
    let ns = run_root(flavour, async {
        arm_many_and_drop(1).await;
        ns_per_operation(10 * MANY as u64, arm_many_and_drop(10)).await
    });
    report("timer_arm_cancel_100k", flavour, "ns", ns);
}
