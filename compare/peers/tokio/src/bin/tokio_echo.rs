// SPDX-License-Identifier: MIT
//! The echo server of the group `net` with Tokio: a task per connection.
//!
//!     tokio_echo --port 7000 --threads 1
//!
//! One thread uses Tokio's `current_thread` scheduler, several threads use `multi_thread` with that number of workers.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use server_process::{BACKLOG, BUFFER_SIZE, Options, prepare_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Runtime};

async fn echo(mut client: TcpStream) {
    // read_buf() needs no zeroed memory, so only one page of an idle client's buffer is touched.
    let mut buffer = Vec::with_capacity(BUFFER_SIZE);
    while let Ok(size) = client.read_buf(&mut buffer).await {
        if size == 0 || client.write_all(&buffer).await.is_err() {
            return;
        }
        buffer.clear();
    }
}

fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.set_nodelay(true)?; // inherited by accepted sockets
    socket.bind(SocketAddr::from((Ipv4Addr::LOCALHOST, port)))?;
    socket.listen(BACKLOG)
}

async fn serve(port: u16) -> io::Result<()> {
    let listener = listen(port)?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        if let Ok((client, _)) = listener.accept().await {
            tokio::spawn(echo(client));
        }
    }
}

fn runtime(threads: usize) -> io::Result<Runtime> {
    match threads {
        1 => Builder::new_current_thread().enable_io().build(),
        _ => Builder::new_multi_thread().worker_threads(threads).enable_io().build(),
    }
}

fn main() -> io::Result<()> {
    let Options { port, threads } = Options::parse();
    prepare_process();
    // Runs as a task. With `multi_thread`, the main thread would be an additional thread next to the workers.
    runtime(threads)?.block_on(async move { tokio::spawn(serve(port)).await.expect("a server that does not panic") })
}
