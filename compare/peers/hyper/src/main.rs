// SPDX-License-Identifier: MIT
//! The HTTP server of the group `http` with hyper, on Tokio: a task per connection.
//!
//!     hyper_http --port 7000 --threads 1
//!
//! One thread uses Tokio's `current_thread` scheduler, several threads use `multi_thread` with that number of workers.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use server_process::{BACKLOG, Options, prepare_process};
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::{Builder, Runtime};

async fn hello(_: Request<Incoming>) -> Result<Response<Full<Bytes>>, Infallible> {
    let mut response = Response::new(Full::new(Bytes::from_static(b"Hello, World!")));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    Ok(response)
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
            tokio::spawn(async move {
                // The load generator compares the names of the fields, so they are written as those of the others.
                let mut server = http1::Builder::new();
                server.title_case_headers(true);
                let _ = server.serve_connection(TokioIo::new(client), service_fn(hello)).await;
            });
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
    runtime(threads)?.block_on(async move { tokio::spawn(serve(port)).await.expect("a server that does not panic") })
}
