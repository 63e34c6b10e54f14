// SPDX-License-Identifier: MIT
// Echo: a server for many clients, in which a silent client uses almost no memory.
//     $ ./tcp_echo                       listening on 127.0.0.1:6142, on all processors; with --loop on one thread
//     $ nc 127.0.0.1 6142                in more terminals; or ./tcp_load 127.0.0.1:6142
// Ctrl-C (SIGINT) or SIGTERM ends it with exit code 0.
#include <eddy/prelude.hpp>

#include <sys/resource.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <system_error>

namespace {

// ---- One client: one coroutine ----

eddy::task<void> echo(eddy::net::tcp_stream client) {
    if (!client.set_nodelay(true)) co_return;
    // receive() waits without a buffer, and then leases a buffer of the loop. So silent clients hold no buffers.
    while (auto data = co_await client.receive()) {
        if (data->empty()) break;  // the peer closed its side
        if (!co_await client.write_all(*data)) break;
    }
}

// ---- All clients ----

/// Accepts forever. `for_each` would end at the first error; this loop continues. If descriptors run out, the listener
/// returns the error and then pauses before it tries again. One task accepts; the clients are distributed over the
/// workers.
eddy::task<void> serve(eddy::net::tcp_listener& listener) {
    auto incoming = listener.incoming();
    bool has_told = false;
    while (auto client = co_await incoming.next()) {
        if (*client) {
            eddy::spawn(echo(std::move((*client)->stream)));
            has_told = false;
        } else if (!std::exchange(has_told, true)) {
            std::fprintf(stderr, "accept: %s\n", client->error().message().c_str());
        }
    }
}

// ---- Shutdown: a signal as a user-defined source ----

/// SIGINT and SIGTERM as a descriptor, signalfd(2): readable when one of them is pending.
class ending_signals {
public:
    ending_signals() {
        sigset_t wanted;
        sigemptyset(&wanted);
        sigaddset(&wanted, SIGINT);
        sigaddset(&wanted, SIGTERM);
        pthread_sigmask(SIG_BLOCK, &wanted, nullptr);  // else they would end the process
        fd_ = ::signalfd(-1, &wanted, SFD_NONBLOCK | SFD_CLOEXEC);
        if (fd_ < 0) throw std::system_error(errno, std::generic_category(), "signalfd");
    }
    ending_signals(ending_signals&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    ending_signals& operator=(ending_signals&&) = delete;
    ~ending_signals() {
        if (fd_ >= 0) ::close(fd_);
    }

    [[nodiscard]] int native_handle() const noexcept { return fd_; }

private:
    int fd_ = -1;
};

eddy::task<void> until_signal(ending_signals signals) {
    eddy::io::async_fd<ending_signals> source(std::move(signals), eddy::io::interest::readable);
    static_cast<void>(co_await source.readable());
}

/// Runs the server, on a pool or on one loop. Prints `why_driver`, the reason for the driver of the loop or pool.
eddy::task<eddy::result<void>> run_server(std::string where, ending_signals signals, std::string why_driver) {
    auto listener = co_await eddy::try_(eddy::net::tcp_listener::bind(where));
    std::printf("listening on %s\n", listener.local_addr().value().to_string().c_str());
    std::printf("driver %s\n", why_driver.c_str());
    std::fflush(stdout);
    co_await eddy::race(serve(listener), until_signal(std::move(signals)));
    co_return eddy::ok();
}

/// Prints how the polls were distributed over the workers of the pool.
void print_worker_shares(const eddy::runtime_metrics& counted) {
    for (std::size_t i = 0; i < counted.workers(); ++i) {
        const double share =
            100.0 * static_cast<double>(counted.worker(i).polls) / static_cast<double>(counted.polls());
        std::printf("worker %zu: %.1f %% of the polls\n", i, share);
    }
}

/// Raises the soft limit, which is often 1,024. Each client needs a descriptor.
void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int main(int argc, char** argv) {
    std::string where = "127.0.0.1:6142";
    std::string driver;
    bool is_on_loop = false;
    CLI::App app("An echo server.");
    app.add_option("address", where, "the address to listen on; port 0 chooses a free port")->capture_default_str();
    app.add_option("--driver", driver, "auto uses io_uring if it is available")
        ->check(CLI::IsMember({"epoll", "io_uring", "poll", "auto"}));
    app.add_flag("--loop", is_on_loop, "use one event loop instead of one worker per processor");
    CLI11_PARSE(app, argc, argv);
    if (!driver.empty()) ::setenv("EDDY_DRIVER", driver.c_str(), 1);

    try {
        raise_descriptor_limit();
        ending_signals signals;  // before threads are created, which inherit the signal mask
        eddy::result<void> ended;
        if (is_on_loop) {
            eddy::core loop;
            ended = loop.run(run_server(where, std::move(signals), std::string(loop.why_driver())));
        } else {
            const eddy::runtime pool;
            ended = pool.block_on(run_server(where, std::move(signals), std::string(pool.why_driver())));
            if (ended) print_worker_shares(pool.metrics());
        }
        if (!ended) throw std::system_error(ended.error(), where);
    } catch (const std::system_error& error) {
        std::fprintf(stderr, "tcp_echo: %s\n", error.what());
        return 1;
    }
}
