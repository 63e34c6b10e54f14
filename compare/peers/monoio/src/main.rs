// SPDX-License-Identifier: MIT
//! The echo server of the group `net` with monoio: a task per connection, on io_uring.
//!
//!     monoio_echo --port 7000 --threads 1
//!
//! Each thread has its own runtime and listener, which is monoio's model.

use std::io;

use io_uring::IoUring;
use monoio::io::{AsyncReadRent, AsyncWriteRentExt};
use monoio::net::{TcpListener, TcpStream};
use monoio::{IoUringDriver, Runtime, RuntimeBuilder};
use server_process::{BUFFER_SIZE, Ready, run_servers};

async fn echo(mut client: TcpStream) {
    let mut buffer = Vec::with_capacity(BUFFER_SIZE);
    loop {
        // An operation owns its buffer, and returns it with its result.
        let (received, filled) = client.read(buffer).await;
        if !received.is_ok_and(|size| size > 0) {
            return;
        }
        let (sent, used) = client.write_all(filled).await;
        if sent.is_err() {
            return;
        }
        buffer = used;
        buffer.clear();
    }
}

/// monoio's default ring has none of these flags, and takes three times as long for short connections.
fn runtime() -> io::Result<Runtime<IoUringDriver>> {
    let mut ring = IoUring::builder();
    ring.setup_single_issuer().setup_defer_taskrun();
    RuntimeBuilder::<IoUringDriver>::new().uring_builder(ring).build()
}

fn serve(listener: std::net::TcpListener, ready: Ready) -> io::Result<()> {
    runtime()?.block_on(async move {
        let listener = TcpListener::from_std(listener)?;
        ready.announce();
        loop {
            if let Ok((client, _)) = listener.accept().await {
                monoio::spawn(echo(client));
            }
        }
    })
}

fn main() -> io::Result<()> {
    run_servers(serve)
}
