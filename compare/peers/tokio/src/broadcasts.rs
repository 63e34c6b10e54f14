// SPDX-License-Identifier: MIT
//! Broadcast channels.

use tokio::sync::{broadcast, mpsc};

use crate::measure::{ns_per_operation, report};
use crate::runtimes::{Flavour, run_root};

const CAPACITY: usize = 1024;
const RECEIVERS: u64 = 8;
const BATCH: u64 = 512;

async fn receive_batches(mut from: broadcast::Receiver<u64>, done: mpsc::Sender<u64>, batches: u64) {
    let mut expected = 0;
    for _ in 0..batches {
        for _ in 0..BATCH {
            assert_eq!(from.recv().await, Ok(expected));
            expected += 1;
        }
        done.send(expected).await.unwrap();
    }
}

async fn send_batches(to: broadcast::Sender<u64>, mut done: mpsc::Receiver<u64>, batches: u64) {
    let mut next = 0;
    for _ in 0..batches {
        for _ in 0..BATCH {
            to.send(next).unwrap();
            next += 1;
        }
        for _ in 0..RECEIVERS {
            assert_eq!(done.recv().await, Some(next));
        }
    }
}

async fn broadcast_batches(batches: u64) {
    let (values, unused) = broadcast::channel(CAPACITY);
    let (done, all_done) = mpsc::channel(RECEIVERS as usize);
    drop(unused);
    let mut handles = Vec::new();
    for _ in 0..RECEIVERS {
        handles.push(tokio::spawn(receive_batches(values.subscribe(), done.clone(), batches)));
    }
    handles.push(tokio::spawn(send_batches(values, all_done, batches)));
    for handle in handles {
        handle.await.unwrap();
    }
}

/// ns per delivery from one sender to eight receivers, in batches that fit into the channel.
pub fn to_eight(flavour: Flavour) {
    let ns = run_root(flavour, async {
        broadcast_batches(40).await;
        ns_per_operation(400 * BATCH * RECEIVERS, broadcast_batches(400)).await
    });
    report("broadcast_1x8", flavour, "ns", ns);
}
