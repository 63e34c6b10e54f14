// SPDX-License-Identifier: MIT
//! Tokio as a contestant of `./dev bench net`: a task for each connection.
//!
//!     tokio_echo --port 7000 --threads 1
//!
//! One thread is Tokio's `current_thread` scheduler, more are `multi_thread` with so many workers.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use server_process::{BACKLOG, BUFFER_SIZE, Options, prepare_process};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Runtime};

async fn echo(mut client: TcpStream) {
    // read_buf() does not want its memory zeroed before: of a quiet client's buffer only one page is ever touched.
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
    socket.set_nodelay(true)?; // the accepted ones inherit it
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
    // As a task, not on main's thread: on the pool that would be a thread beside the workers.
    runtime(threads)?.block_on(async move { tokio::spawn(serve(port)).await.expect("a server that does not panic") })
}
