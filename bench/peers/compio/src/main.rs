// SPDX-License-Identifier: MIT
//! compio as a contestant of `./dev bench net`: a task for each connection, on io_uring.
//!
//!     compio_echo --port 7000 --threads 1
//!
//! A runtime for each thread, as compio means it, with a listener of its own. What comes is received by one multishot
//! operation for each connection, into buffers that the ring's connections share.

use std::io;
use std::num::NonZero;
use std::pin::pin;

use compio::driver::ProactorBuilder;
use compio::io::{AsyncReadMulti, AsyncWriteExt};
use compio::net::{TcpListener, TcpStream};
use compio::runtime::{Runtime, RuntimeBuilder, spawn};
use futures_util::StreamExt;
use server_process::{BUFFER_SIZE, Ready, run_servers};

// Twice as many as there are clients with a request in flight, at most. Of 1,024 the ring runs out at 1,000 connections, and
// each of these that finds none begins its receive anew.
const BUFFERS: NonZero<u16> = NonZero::new(2048).unwrap();

// Of tasks, before the ring is looked at. compio's own 61 splits what 100 connections have to say, which costs more calls.
const POLLS_PER_TURN: usize = 1024;

async fn echo(client: TcpStream) {
    let (mut reader, mut writer) = (&client, &client);
    let mut received = pin!(reader.read_multi(0)); // no limit but the size of a buffer
    while let Some(data) = received.next().await {
        match data {
            Ok(buffer) => {
                if writer.write_all(buffer).await.0.is_err() {
                    return;
                }
            }
            // Out of buffers; the stream begins another receive when it is asked again.
            Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {}
            Err(_) => return,
        }
    }
}

fn runtime() -> io::Result<Runtime> {
    let mut ring = ProactorBuilder::new();
    ring.single_issuer(true).defer_taskrun(true).buffer_pool_size(BUFFERS).buffer_pool_buffer_len(BUFFER_SIZE);
    RuntimeBuilder::new().with_proactor(ring).event_interval(POLLS_PER_TURN).build()
}

fn serve(listener: std::net::TcpListener, ready: Ready) -> io::Result<()> {
    runtime()?.block_on(async move {
        let listener = TcpListener::from_std(listener)?;
        let mut clients = listener.incoming(); // one multishot operation for all
        ready.announce();
        while let Some(client) = clients.next().await {
            if let Ok(client) = client {
                spawn(echo(client)).detach();
            }
        }
        Ok(())
    })
}

fn main() -> io::Result<()> {
    run_servers(serve)
}
