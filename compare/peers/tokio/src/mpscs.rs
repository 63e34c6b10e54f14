// SPDX-License-Identifier: MIT
//! Channels from several tasks to one, in ns per message, including spawning.

use tokio::sync::mpsc;

use crate::measure::{ns_per_operation, report};
use crate::runtimes::{Flavour, run_root};

const CAPACITY: usize = 128;
const MESSAGES: u64 = 1_000_000;

async fn pass_on_bounded<const PRODUCERS: u64>(count: u64) {
    let (sender, mut receiver) = mpsc::channel(CAPACITY);
    let consumer = tokio::spawn(async move {
        let mut sum = 0;
        while let Some(value) = receiver.recv().await {
            sum += value;
        }
        sum
    });
    let each = count / PRODUCERS;
    for i in 0..PRODUCERS {
        let sender = sender.clone();
        tokio::spawn(async move {
            for value in i * each..(i + 1) * each {
                sender.send(value).await.unwrap();
            }
        });
    }
    drop(sender);
    assert_eq!(consumer.await.unwrap(), count * (count - 1) / 2);
}

async fn pass_on_unbounded<const PRODUCERS: u64>(count: u64) {
    let (sender, mut receiver) = mpsc::unbounded_channel();
    let consumer = tokio::spawn(async move {
        let mut sum = 0;
        while let Some(value) = receiver.recv().await {
            sum += value;
        }
        sum
    });
    let each = count / PRODUCERS;
    for i in 0..PRODUCERS {
        let sender = sender.clone();
        tokio::spawn(async move {
            for value in i * each..(i + 1) * each {
                sender.send(value).unwrap();
            }
        });
    }
    drop(sender);
    assert_eq!(consumer.await.unwrap(), count * (count - 1) / 2);
}

/// Over a channel of capacity 128.
pub fn bounded<const PRODUCERS: u64>(flavour: Flavour) {
    let ns = run_root(flavour, async {
        pass_on_bounded::<PRODUCERS>(MESSAGES / 10).await;
        ns_per_operation(MESSAGES, pass_on_bounded::<PRODUCERS>(MESSAGES)).await
    });
    report(&format!("mpsc_bounded_p{PRODUCERS}"), flavour, "ns", ns);
}

/// Over an unbounded channel.
pub fn unbounded<const PRODUCERS: u64>(flavour: Flavour) {
    let ns = run_root(flavour, async {
        pass_on_unbounded::<PRODUCERS>(MESSAGES / 10).await;
        ns_per_operation(MESSAGES, pass_on_unbounded::<PRODUCERS>(MESSAGES)).await
    });
    report(&format!("mpsc_unbounded_p{PRODUCERS}"), flavour, "ns", ns);
}
