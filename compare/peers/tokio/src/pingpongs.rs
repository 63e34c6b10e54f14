// SPDX-License-Identifier: MIT
//! One task asks, the other task answers, in ns per round trip. The asking task measures the time.

use tokio::sync::{mpsc, oneshot};

use crate::measure::{ns_per_operation, report};
use crate::runtimes::{Flavour, talk};

const ROUND_TRIPS: u64 = 200_000;

async fn ask(to: &mpsc::Sender<u64>, from: &mut mpsc::Receiver<u64>, times: u64) {
    for i in 0..times {
        to.send(i).await.unwrap();
        assert_eq!(from.recv().await, Some(i + 1));
    }
}

async fn answer_by_channel(mut from: mpsc::Receiver<u64>, to: mpsc::Sender<u64>) {
    while let Some(asked) = from.recv().await {
        to.send(asked + 1).await.unwrap();
    }
}

/// A number, and the sender for its successor.
type Question = (u64, oneshot::Sender<u64>);

async fn ask_with_oneshots(to: &mpsc::Sender<Question>, times: u64) {
    for i in 0..times {
        let (sender, receiver) = oneshot::channel();
        to.send((i, sender)).await.unwrap();
        assert_eq!(receiver.await, Ok(i + 1));
    }
}

async fn answer_by_oneshots(mut from: mpsc::Receiver<Question>) {
    while let Some((number, back)) = from.recv().await {
        back.send(number + 1).unwrap();
    }
}

/// Over two channels of capacity 1.
pub fn channels(flavour: Flavour) {
    let times = ROUND_TRIPS;
    let (asking, asked) = mpsc::channel(1);
    let (answering, mut answered) = mpsc::channel(1);
    let asker = async move {
        ask(&asking, &mut answered, times / 10).await;
        ns_per_operation(times, ask(&asking, &mut answered, times)).await
    };
    report("pingpong_chan", flavour, "ns", talk(flavour, asker, answer_by_channel(asked, answering)));
}

/// The question carries a oneshot sender for the answer.
pub fn oneshots(flavour: Flavour) {
    let times = ROUND_TRIPS;
    let (asking, asked) = mpsc::channel(1);
    let asker = async move {
        ask_with_oneshots(&asking, times / 10).await;
        ns_per_operation(times, ask_with_oneshots(&asking, times)).await
    };
    report("pingpong_oneshot", flavour, "ns", talk(flavour, asker, answer_by_oneshots(asked)));
}
