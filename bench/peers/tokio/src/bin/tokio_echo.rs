// SPDX-License-Identifier: MIT
//! Tokio as a contestant of `./dev bench net`: a task for each connection.
//!
//!     tokio_echo --port 7000 --threads 1
//!
//! One thread is Tokio's `current_thread` scheduler, more are `multi_thread` with so many workers.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::process::exit;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::runtime::{Builder, Runtime};

// Larger than a message: one that is filled costs another read.
const BUFFER_SIZE: usize = 32 * 1024;
const BACKLOG: u32 = 4096;

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

fn prepare_process() {
    extern "C" fn end(_: libc::c_int) {
        // SAFETY: may be called from a signal handler (signal-safety(7)).
        unsafe { libc::_exit(0) }
    }
    // SAFETY: plain system calls; the limit is filled in before it is read, and the handler is a function for ever.
    unsafe {
        libc::signal(libc::SIGTERM, end as extern "C" fn(libc::c_int) as libc::sighandler_t);
        let mut limit = std::mem::zeroed::<libc::rlimit>();
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
    }
}

/// The values of `--port` and `--threads`.
fn parse_options() -> Option<(u16, usize)> {
    let (mut port, mut threads) = (0, 1);
    let mut words = std::env::args().skip(1);
    while let Some(name) = words.next() {
        let value = words.next()?;
        match name.as_str() {
            "--port" => port = value.parse().ok()?,
            "--threads" => threads = value.parse().ok().filter(|&count| count > 0)?,
            _ => return None,
        }
    }
    Some((port, threads))
}

fn main() -> io::Result<()> {
    let Some((port, threads)) = parse_options() else {
        eprintln!("usage: tokio_echo [--port N] [--threads N]");
        exit(2);
    };
    prepare_process();
    // As a task, not on main's thread: on the pool that would be a thread beside the workers.
    runtime(threads)?.block_on(async move { tokio::spawn(serve(port)).await.expect("a server that does not panic") })
}
