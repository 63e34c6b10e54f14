// SPDX-License-Identifier: MIT
//! Frames from a reader in memory, in ns per frame.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use tokio::io::{AsyncRead, ReadBuf};
use tokio_util::codec::{Decoder, Encoder, FramedRead, LengthDelimitedCodec, LinesCodec};

use crate::measure::{ns_per_operation, report};
use crate::runtimes::{Flavour, run_root};

const FRAMES_IN_BLOCK: u64 = 1000;

fn size_of_frame(i: u64) -> usize {
    (8 + i * 37 % 113) as usize
}

/// A reader that is always ready and repeats the same block.
struct Endless {
    block: BytesMut,
    at: usize,
}

impl AsyncRead for Endless {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.at == self.block.len() {
            self.at = 0;
        }
        let count = into.remaining().min(self.block.len() - self.at);
        into.put_slice(&self.block[self.at..self.at + count]);
        self.at += count;
        Poll::Ready(Ok(()))
    }
}

fn block_of(mut encode: impl FnMut(String, &mut BytesMut)) -> Endless {
    let mut block = BytesMut::new();
    for i in 0..FRAMES_IN_BLOCK {
        encode("x".repeat(size_of_frame(i)), &mut block);
    }
    Endless { block, at: 0 }
}

async fn read_frames<D>(with: D, block: Endless, count: u64, size_of: impl Fn(&D::Item) -> usize)
where
    D: Decoder + Unpin,
    D::Error: std::fmt::Debug,
{
    let mut frames = FramedRead::new(block, with);
    let mut bytes = 0;
    let mut expected = 0;
    for i in 0..count {
        bytes += size_of(&frames.next().await.unwrap().unwrap());
        expected += size_of_frame(i % FRAMES_IN_BLOCK);
    }
    assert_eq!(bytes, expected);
}

async fn decode_lines(count: u64) {
    let mut codec = LinesCodec::new_with_max_length(1024);
    let block = block_of(|line, into| codec.encode(line, into).unwrap());
    read_frames(codec, block, count, String::len).await;
}

async fn decode_lengths(count: u64) {
    let mut codec = LengthDelimitedCodec::new();
    let block = block_of(|frame, into| codec.encode(Bytes::from(frame), into).unwrap());
    read_frames(codec, block, count, |frame| frame.len()).await;
}

pub fn lines(flavour: Flavour) {
    let ns = run_root(flavour, async {
        decode_lines(500_000).await;
        ns_per_operation(5_000_000, decode_lines(5_000_000)).await
    });
    report("codec_lines", flavour, "ns", ns);
}

pub fn lengths(flavour: Flavour) {
    let ns = run_root(flavour, async {
        decode_lengths(500_000).await;
        ns_per_operation(5_000_000, decode_lengths(5_000_000)).await
    });
    report("codec_lengths", flavour, "ns", ns);
}
