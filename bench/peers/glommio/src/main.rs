// SPDX-License-Identifier: MIT
//! glommio as a contestant of `./dev bench net`: a task for each connection, on io_uring.
//!
//!     glommio_echo --port 7000 --threads 1
//!
//! An executor for each thread, as glommio means it, with a listener of its own. glommio waits for a socket by io_uring, and
//! receives and sends by system calls.

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
        // TcpListener::bind() sets a backlog of 1,024, and no TCP_NODELAY.
        // SAFETY: the descriptor is a listener, and nobody else's from here on.
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
