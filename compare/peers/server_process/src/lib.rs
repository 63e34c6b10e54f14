// SPDX-License-Identifier: MIT
//! The common part of the Rust echo servers of the group `net`, which does not affect their speed: the command line,
//! the listeners, the first line of output, and the end of the process. compare/net/server_process.hpp does the same
//! for C++.
//!
//!     SERVER --port 7000 --threads 2     (defaults: port 0, which selects a free port, and one thread)
//!     listening on 127.0.0.1:7000
//!
//! A server exits with status 0 on SIGTERM.

use std::io;
use std::mem::size_of;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::{AsRawFd, FromRawFd};
use std::panic::{self, PanicHookInfo};
use std::process::exit;
use std::sync::{Arc, Barrier};
use std::thread;

pub const BACKLOG: u32 = 4096;

/// The size of a client's buffer: larger than a message, because a read that fills the buffer causes another read.
pub const BUFFER_SIZE: usize = 32 * 1024;

pub struct Options {
    pub port: u16,
    pub threads: usize,
}

impl Options {
    /// Exits the program with status 2 if the command line is invalid.
    pub fn parse() -> Options {
        parse(std::env::args().skip(1)).unwrap_or_else(|| {
            eprintln!("usage: {} [--port N] [--threads N]", program());
            exit(2)
        })
    }
}

fn parse(mut words: impl Iterator<Item = String>) -> Option<Options> {
    let mut options = Options { port: 0, threads: 1 };
    while let Some(name) = words.next() {
        let value = words.next()?;
        match name.as_str() {
            "--port" => options.port = value.parse().ok()?,
            "--threads" => options.threads = value.parse().ok().filter(|&count| count > 0)?,
            _ => return None,
        }
    }
    Some(options)
}

fn program() -> String {
    std::env::args().next().unwrap_or_default()
}

/// Sets up the process: the exit on SIGTERM, the message of a panic, and the maximum number of descriptors. Call it
/// first.
pub fn prepare_process() {
    panic::set_hook(Box::new(complain));
    extern "C" fn end(_: libc::c_int) {
        // SAFETY: _exit() is async-signal-safe (signal-safety(7)).
        unsafe { libc::_exit(0) }
    }
    // SAFETY: plain system calls. The limit is initialized before it is read, and the handler is a static function.
    unsafe {
        libc::signal(libc::SIGTERM, end as extern "C" fn(libc::c_int) as libc::sighandler_t);
        let mut limit = std::mem::zeroed::<libc::rlimit>();
        libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit);
        limit.rlim_cur = limit.rlim_max;
        libc::setrlimit(libc::RLIMIT_NOFILE, &limit);
    }
}

/// Prints a panic in one line, which the table can show. glommio panics if io_uring is forbidden.
fn complain(panic: &PanicHookInfo) {
    let payload = panic.payload();
    let text = payload.downcast_ref::<&str>().copied().or(payload.downcast_ref::<String>().map(String::as_str));
    eprintln!("{}: {}", program(), text.unwrap_or("panicked"));
}

/// Makes a blocking listener, like those of runtimes on io_uring: the ring waits instead of the thread. A shared port
/// has several listeners: the kernel distributes connections over them by a hash.
fn listen(port: u16, is_shared: bool) -> io::Result<TcpListener> {
    // SAFETY: plain system calls with pointers to locals, on a descriptor that `listener` owns.
    unsafe {
        let fd = check(libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0))?;
        let listener = TcpListener::from_raw_fd(fd);
        turn_on(&listener, libc::SOL_SOCKET, libc::SO_REUSEADDR)?;
        if is_shared {
            turn_on(&listener, libc::SOL_SOCKET, libc::SO_REUSEPORT)?;
        }
        // On Linux accepted sockets inherit this, which saves a system call per connection.
        turn_on(&listener, libc::IPPROTO_TCP, libc::TCP_NODELAY)?;

        let mut address = std::mem::zeroed::<libc::sockaddr_in>();
        address.sin_family = libc::AF_INET as libc::sa_family_t;
        address.sin_port = port.to_be();
        address.sin_addr.s_addr = u32::from(Ipv4Addr::LOCALHOST).to_be();
        let size = size_of::<libc::sockaddr_in>() as libc::socklen_t;
        check(libc::bind(fd, (&raw const address).cast(), size))?;
        check(libc::listen(fd, BACKLOG as libc::c_int))?;
        Ok(listener)
    }
}

fn turn_on(listener: &TcpListener, level: libc::c_int, option: libc::c_int) -> io::Result<()> {
    let on: libc::c_int = 1;
    let size = size_of::<libc::c_int>() as libc::socklen_t;
    // SAFETY: the kernel reads `size` bytes of a local variable.
    check(unsafe { libc::setsockopt(listener.as_raw_fd(), level, option, (&raw const on).cast(), size) })?;
    Ok(())
}

fn check(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(result) }
}

/// Synchronizes the start of the threads. Each calls announce() before it accepts, and the last one prints the first
/// line.
pub struct Ready {
    all: Arc<Barrier>,
    port: u16,
}

impl Ready {
    pub fn announce(self) {
        if self.all.wait().is_leader() {
            println!("listening on {}:{}", Ipv4Addr::LOCALHOST, self.port);
        }
    }
}

/// main() of a server whose threads share nothing. Each thread calls `serve` with its own listener, and does not
/// return. The main thread is the first one: in a process with one thread the kernel counts no references of
/// descriptors.
pub fn run_servers(serve: fn(TcpListener, Ready) -> io::Result<()>) -> io::Result<()> {
    let options = Options::parse();
    prepare_process();
    let first = listen(options.port, options.threads > 1)?;
    let port = first.local_addr()?.port();
    let all = Arc::new(Barrier::new(options.threads));
    for _ in 1..options.threads {
        let listener = listen(port, true)?;
        let ready = Ready { all: all.clone(), port };
        thread::spawn(move || end_with(serve(listener, ready)));
    }
    end_with(serve(first, Ready { all, port }))
}

/// Exits the process with status 1, because a server must not end by itself.
fn end_with(result: io::Result<()>) -> ! {
    let why = result.err().map_or("ended by itself".into(), |error| error.to_string());
    eprintln!("{}: {why}", program());
    exit(1)
}
