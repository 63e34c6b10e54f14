// SPDX-License-Identifier: MIT
//! The echo server of the group `net` with compio: a task per connection, on io_uring.
//!
//!     compio_echo --port 7000 --threads 1
//!
//! Each thread has its own runtime and listener, which is compio's model. Each connection receives with one multishot
//! operation, into buffers that all connections of the ring share.

use std::io;
use std::num::NonZero;
use std::pin::pin;

use compio::driver::ProactorBuilder;
use compio::io::{AsyncReadMulti, AsyncWriteExt};
use compio::net::{TcpListener, TcpStream};
use compio::runtime::{Runtime, RuntimeBuilder, spawn};
use futures_util::StreamExt;
use server_process::{BUFFER_SIZE, Ready, run_servers};

// Twice the maximum number of clients with a request in flight. With 1,024 buffers and 1,000 connections the ring
// runs out of buffers, and each receive without a buffer must be restarted.
const BUFFERS: NonZero<u16> = NonZero::new(2048).unwrap();

// The number of polled tasks after which the ring is checked. compio's default of 61 splits the events of 100
// connections, which costs more system calls.
const POLLS_PER_TURN: usize = 1024;

async fn echo(client: TcpStream) {
    let (mut reader, mut writer) = (&client, &client);
    let mut received = pin!(reader.read_multi(0)); // limited by the buffer size only
    while let Some(data) = received.next().await {
        match data {
            Ok(buffer) => {
                if writer.write_all(buffer).await.0.is_err() {
                    return;
                }
            }
            // Out of buffers. The next call of next() starts another receive.
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
        let mut clients = listener.incoming(); // one multishot operation for all connections
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
