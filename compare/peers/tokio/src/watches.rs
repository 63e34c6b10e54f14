// SPDX-License-Identifier: MIT
//! Watch channels.

use tokio::sync::watch;

use crate::measure::{ns_per_operation, report};
use crate::runtimes::{Flavour, run_root};

async fn show_and_watch(to: watch::Sender<u64>, mut from: watch::Receiver<u64>, times: u64) {
    for i in 1..=times {
        to.send(i).unwrap();
        from.changed().await.unwrap();
        assert_eq!(*from.borrow_and_update(), i);
    }
}

async fn show_what_is_shown(mut from: watch::Receiver<u64>, to: watch::Sender<u64>, times: u64) {
    for _ in 0..times {
        from.changed().await.unwrap();
        let seen = *from.borrow_and_update();
        to.send(seen).unwrap();
    }
}

async fn watch_each_other(times: u64) {
    let (there, seen_there) = watch::channel(0);
    let (back, seen_back) = watch::channel(0);
    let answering = tokio::spawn(show_what_is_shown(seen_there, back, times));
    let asking = tokio::spawn(show_and_watch(there, seen_back, times));
    asking.await.unwrap();
    answering.await.unwrap();
}

/// ns per round trip over two watch channels.
pub fn pingpong(flavour: Flavour) {
    let ns = run_root(flavour, async {
        watch_each_other(20_000).await;
        ns_per_operation(200_000, watch_each_other(200_000)).await
    });
    report("watch_pingpong", flavour, "ns", ns);
}
