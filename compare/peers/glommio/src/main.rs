// SPDX-License-Identifier: MIT
//! The echo server of the group `net` with glommio: a task per connection, on io_uring.
//!
//!     glommio_echo --port 7000 --threads 1
//!
//! Each thread has its own executor and listener, which is glommio's model. glommio waits for sockets with io_uring,
//! and receives and sends with system calls.

use std::io;
use std::os::fd::{FromRawFd, IntoRawFd};

use futures_lite::{AsyncReadExt, AsyncWriteExt};
use glommio::LocalExecutorBuilder;
use glommio::net::{TcpListener, TcpStream};
use server_process::{BUFFER_SIZE, Ready, run_servers};

async fn echo(mut client: TcpStream) {
    let mut buffer = vec![0; BUFFER_SIZE];
    while let Ok(size) = client.read(&mut buffer).await {
        if size == 0 || client.write_all(&buffer[..size]).await.is_err() {
            return;
        }
    }
}

fn serve(listener: std::net::TcpListener, ready: Ready) -> io::Result<()> {
    LocalExecutorBuilder::default().make()?.run(async move {
        // Not TcpListener::bind(), which sets a backlog of 1,024 and does not set TCP_NODELAY.
        // SAFETY: the descriptor is a listener, and into_raw_fd() gave up its ownership.
        let listener = unsafe { TcpListener::from_raw_fd(listener.into_raw_fd()) };
        ready.announce();
        loop {
            if let Ok(client) = listener.accept().await {
                glommio::spawn_local(echo(client)).detach();
            }
        }
    })
}

fn main() -> io::Result<()> {
    run_servers(serve)
}
