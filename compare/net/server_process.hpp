// SPDX-License-Identifier: MIT
#pragma once

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <barrier>
#include <charconv>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string_view>
#include <thread>

/// The common part of the C++ echo servers of the group `net`, which does not affect their speed: the command line, the
/// listeners, the first line of output, and the end of the process. It does not use eddy.
///
///     $ SERVER --port 7000 --threads 2     (defaults: port 0, which selects a free port, and one thread)
///     listening on 127.0.0.1:7000
///
/// A server exits with status 0 on SIGTERM.
namespace bench {

constexpr int backlog = 4096;

struct server_options {
    std::uint16_t port = 0;
    unsigned threads = 1;
    const char* driver = nullptr;  // only for eddy's servers, as is the next one
    unsigned replace_ms = 0;       // only used by bench_tls_eddy
};

[[noreturn]] inline void die(const char* what) {
    std::perror(what);
    std::exit(1);
}

template <class Number>
bool parse_number(std::string_view text, Number& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    return error == std::errc{} && end == text.data() + text.size();
}

/// Exits the program with status 2 if the command line is invalid.
inline server_options parse_options(int argc, char** argv, bool is_eddy = false) {
    server_options options;
    bool understood = argc % 2 == 1;
    for (int i = 1; understood && i < argc; i += 2) {
        const std::string_view name = argv[i];
        if (name == "--port")
            understood = parse_number(argv[i + 1], options.port);
        else if (name == "--threads")
            understood = parse_number(argv[i + 1], options.threads) && options.threads > 0;
        else if (name == "--driver" && is_eddy)
            options.driver = argv[i + 1];
        else if (name == "--replace-ms" && is_eddy)
            understood = parse_number(argv[i + 1], options.replace_ms);
        else
            understood = false;
    }
    if (understood) return options;
    std::fprintf(stderr, "usage: %s [--port N] [--threads N]%s\n", argv[0], is_eddy ? " [--driver D]" : "");
    std::exit(2);
}

/// Sets up the process: the exit on SIGTERM, and the maximum number of descriptors. Call it first.
inline void prepare_process() {
    // _exit() is async-signal-safe (signal-safety(7)), and there is nothing to clean up.
    std::signal(SIGTERM, [](int) { ::_exit(0); });

    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = std::min<rlim_t>(limit.rlim_max, 1 << 20);  // more would only enlarge tables
    if (::setrlimit(RLIMIT_NOFILE, &limit) < 0) die("setrlimit");
}

inline void announce(unsigned port) {
    std::printf("listening on 127.0.0.1:%u\n", port);
    std::fflush(stdout);
}

inline std::uint16_t port_of(int listener) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    // SAFETY: the socket API takes a sockaddr_in as a sockaddr, and uses it during the call only.
    if (::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size) < 0) die("getsockname");
    return ntohs(address.sin_port);
}

/// Makes a non-blocking listener. A shared port has several listeners: the kernel distributes connections over them by
/// a hash, and threads do not pass connections to each other.
inline int make_listener(std::uint16_t port, bool is_shared) {
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0) die("socket");
    const int on = 1;
    ::setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (is_shared) ::setsockopt(listener, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    // On Linux accepted sockets inherit TCP_NODELAY, which saves a system call per connection.
    ::setsockopt(listener, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);

    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    // SAFETY: as in port_of().
    if (::bind(listener, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) die("bind");
    if (::listen(listener, backlog) < 0) die("listen");
    return listener;
}

/// main() of a server whose threads share nothing. Each thread makes a `Server(listener)` and calls its run(), which
/// does not return. The main thread runs the first server: in a process with one thread the kernel counts no references
/// of descriptors.
template <class Server>
int run_servers(int argc, char** argv) {
    const server_options options = parse_options(argc, argv);
    prepare_process();
    const int listener = make_listener(options.port, options.threads > 1);
    const auto port = port_of(listener);

    std::barrier ready(options.threads, [port]() noexcept { announce(port); });
    const auto serve = [&ready](int from) {
        // Construct the server on its own thread, because an io_uring belongs to the thread that has created it.
        const auto server = std::make_unique<Server>(from);
        ready.arrive_and_wait();
        server->run();
    };
    for (unsigned i = 1; i < options.threads; ++i) std::thread(serve, make_listener(port, true)).detach();
    serve(listener);
    return 1;  // run() must not return
}

}  // namespace bench
