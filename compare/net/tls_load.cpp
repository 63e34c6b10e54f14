// SPDX-License-Identifier: MIT

// The load generator of the group `tls`: clients of a TLS echo server, on one thread and one epoll loop.
//
//     $ bench_tls_load --port 7000 --mode echo --connections 100 --size 1024 --seconds 2 --warmup 0.5
//     $ bench_tls_load --port 7000 --mode full --connections 16 --size 16 --seconds 2
//     $ bench_tls_load --port 7000 --mode echo --connections 1000 --idle 60
//
// In the mode `echo`, each connection sends the next request after an answer. In `full` and `resumed`, each connection
// is closed after its answer and opened again, with a full handshake or a resumed session; `requests` are handshakes
// then. It compares every byte of every answer, and prints the same figures as bench_load. It does not use eddy, so
// that a bug in eddy cannot affect both sides of a measurement.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "clock.hpp"
#include "interval.hpp"
#include "messages.hpp"
#include "server_costs.hpp"

namespace {

struct tls_load_options {
    std::uint16_t port = 0;
    std::string mode = "echo";
    unsigned connections = 1;
    std::size_t size = 1024;
    double seconds = 0;
    double warmup = 0;
    double idle = 0;
    pid_t server_pid = 0;
    bool json = false;
};

/// The number of connections that are opened at a time. It keeps a server busy, and is far below its backlog.
constexpr unsigned openings = 64;

class tls_clients {
public:
    tls_clients(const tls_load_options& wanted, bench::interval& measured)
        : wanted_(wanted),
          measured_(measured),
          context_(SSL_CTX_new(TLS_client_method())),
          epoll_(::epoll_create1(EPOLL_CLOEXEC)),
          all_(wanted.connections),
          request_(wanted.size),
          received_(wanted.size) {
        if (context_ == nullptr || epoll_ < 0) throw bench::failure("no memory or descriptors");
        SSL_CTX_set_mode(context_, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
        SSL_CTX_set_read_ahead(context_, 1);
        for (std::size_t i = 0; i < request_.size(); ++i) request_[i] = static_cast<unsigned char>(i * 7 + i / 251);
        if (wanted.mode == "resumed") {
            SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
            SSL_CTX_set_app_data(context_, this);
            SSL_CTX_sess_set_new_cb(context_, keep_session);
        }
    }

    void run() {
        if (wanted_.mode == "resumed") get_session();
        while (next_ < std::min(openings, wanted_.connections)) open(next_++);
        // Connections that stay open are measured after their handshakes.
        while (next_ < wanted_.connections || (!reopens() && answered_ < wanted_.connections)) turn();
        if (wanted_.idle > 0) return wait_idle();
        run_until(bench::now() + bench::from_seconds(wanted_.warmup));
        measured_.begin();
        run_until(measured_.begun() + bench::from_seconds(wanted_.seconds));
        measured_.end();
    }

private:
    struct client {
        int fd = -1;
        SSL* ssl = nullptr;
        std::size_t sent = 0;
        std::size_t received = 0;
        bench::nanoseconds start = 0;
    };

    [[nodiscard]] bool reopens() const noexcept { return wanted_.mode != "echo"; }

    static int keep_session(SSL* of, SSL_SESSION* session) {
        auto* const self = static_cast<tls_clients*>(SSL_CTX_get_app_data(SSL_get_SSL_CTX(of)));
        if (self->session_ != nullptr) return 0;
        self->session_ = session;
        return 1;
    }

    /// Opens a connection until the server has sent a session ticket.
    void get_session() {
        open(0);
        const auto limit = bench::now() + bench::from_seconds(5);
        while (session_ == nullptr && bench::now() < limit) turn();
        if (session_ == nullptr) throw bench::failure("the server sent no session ticket");
        close(all_[0]);
        // With the cache, OpenSSL would use the session once only.
        SSL_CTX_set_session_cache_mode(context_, SSL_SESS_CACHE_OFF);
        answered_ = 0;
    }

    void open(unsigned index) {
        client& one = all_[index];
        one.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (one.fd < 0) bench::throw_errno("socket");
        const int on = 1;
        ::setsockopt(one.fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        // close() resets the connection, so ports do not run out.
        const linger at_once{1, 0};
        ::setsockopt(one.fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
        sockaddr_in to{};
        to.sin_family = AF_INET;
        to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        to.sin_port = htons(wanted_.port);
        // SAFETY: the socket API takes a sockaddr_in as a sockaddr, and reads it during the call only.
        if (::connect(one.fd, reinterpret_cast<const sockaddr*>(&to), sizeof to) < 0 && errno != EINPROGRESS)
            bench::throw_errno("connect");
        one.ssl = SSL_new(context_);
        if (one.ssl == nullptr || SSL_set_fd(one.ssl, one.fd) != 1) throw bench::failure("SSL_new");
        if (session_ != nullptr) SSL_set_session(one.ssl, session_);
        SSL_set_connect_state(one.ssl);
        one.sent = one.received = 0;
        one.start = bench::now();
        epoll_event event{};
        event.events = EPOLLIN | EPOLLOUT | EPOLLET;
        event.data.u32 = index;
        if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, one.fd, &event) < 0) bench::throw_errno("epoll_ctl");
    }

    void close(client& one) {
        // Otherwise OpenSSL takes the end for a failure, and does not resume the session any more.
        SSL_set_shutdown(one.ssl, SSL_SENT_SHUTDOWN | SSL_RECEIVED_SHUTDOWN);
        SSL_free(one.ssl);
        ::close(one.fd);
        one = {};
    }

    void run_until(bench::nanoseconds end) {
        while (bench::now() < end) turn();
    }

    void turn() {
        std::array<epoll_event, 256> events;
        const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), 10'000);
        if (count < 0 && errno != EINTR) bench::throw_errno("epoll_wait");
        if (count == 0) throw bench::failure("no answer for 10 s");
        for (int i = 0; i < count; ++i) serve(events[i].data.u32);
    }

    /// Sends and receives until the socket is empty and accepts no more.
    void serve(unsigned index) {
        client& one = all_[index];
        for (;;) {
            if (one.sent != request_.size()) {
                if (!write(one)) return;
                continue;
            }
            if (!read(one)) return;
            if (one.received == request_.size() && !finish(index)) return;
        }
    }

    bool write(client& one) {
        ERR_clear_error();
        const int sent = SSL_write(one.ssl, request_.data() + one.sent, static_cast<int>(request_.size() - one.sent));
        if (sent <= 0) return may_wait(one, sent);
        one.sent += static_cast<std::size_t>(sent);
        return true;
    }

    bool read(client& one) {
        ERR_clear_error();
        const int size = SSL_read(one.ssl, received_.data(), static_cast<int>(request_.size() - one.received));
        if (size <= 0) return may_wait(one, size);
        if (std::memcmp(received_.data(), request_.data() + one.received, static_cast<std::size_t>(size)) != 0)
            throw bench::failure("a wrong byte");
        one.received += static_cast<std::size_t>(size);
        return true;
    }

    /// Returns false if the operation must wait.
    /// Errors: throws failure for any other error.
    bool may_wait(const client& one, int outcome) const {
        const int why = SSL_get_error(one.ssl, outcome);
        if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE) return false;
        std::array<char, 256> text{};
        ERR_error_string_n(ERR_get_error(), text.data(), text.size());
        throw bench::failure("a connection is lost: SSL_get_error " + std::to_string(why) + ", " + text.data());
    }

    /// Counts an answer, and begins the next request. Returns false if the connection must wait.
    bool finish(unsigned index) {
        client& one = all_[index];
        if (next_ != 0 && next_ < wanted_.connections) open(next_++);
        ++answered_;
        measured_.count();
        if (measured_.has_begun()) measured_.record(bench::now() - one.start);
        if (next_ == 0) return false;  // get_session() closes the connection
        if (wanted_.mode == "resumed" && SSL_session_reused(one.ssl) == 0)
            throw bench::failure("the server did not resume the session");
        if (reopens()) {
            close(one);
            open(index);
            return false;
        }
        if (wanted_.idle > 0) return false;
        one.sent = one.received = 0;
        one.start = bench::now();
        return true;
    }

    /// Waits until standard input is closed.
    void wait_idle() {
        std::puts("ready");
        std::fflush(stdout);
        pollfd input{STDIN_FILENO, POLLIN, 0};
        ::poll(&input, 1, static_cast<int>(wanted_.idle * 1000));
    }

    const tls_load_options& wanted_;
    bench::interval& measured_;
    SSL_CTX* context_;
    SSL_SESSION* session_ = nullptr;
    int epoll_;
    std::vector<client> all_;
    std::vector<unsigned char> request_;
    std::vector<unsigned char> received_;
    std::uint64_t answered_ = 0;
    unsigned next_ = 0;  // the next connection to open for the first time
};

tls_load_options parse(int argc, char** argv) {
    tls_load_options wanted;
    CLI::App app("Clients of a TLS echo server that compare every byte of every answer.");
    app.add_option("--port", wanted.port, "the port of the server on 127.0.0.1")->required();
    app.add_option("--mode", wanted.mode, "echo, full or resumed")->check(CLI::IsMember({"echo", "full", "resumed"}));
    app.add_option("--connections", wanted.connections, "the number of connections")->check(CLI::PositiveNumber);
    app.add_option("--size", wanted.size, "bytes per request")->check(CLI::PositiveNumber);
    app.add_option("--warmup", wanted.warmup, "seconds before the measurement");
    app.add_option("--server-pid", wanted.server_pid, "also measure the processor time of this process");
    app.add_flag("--json", wanted.json, "print the figures in one line");
    auto* end = app.add_option_group("when the run ends");
    end->add_option("--seconds", wanted.seconds, "after this time, which starts at the end of the warm-up");
    end->add_option("--idle", wanted.idle, "after this idle time, or when standard input is closed");
    end->require_option(1);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& wrong) {
        std::exit(app.exit(wrong));
    }
    return wanted;
}

void print(const tls_load_options& wanted, const bench::interval& measured) {
    const auto seconds = static_cast<double>(measured.elapsed()) / 1e9;
    const auto us = [&](double quantile) { return static_cast<double>(measured.latencies().at(quantile)) / 1e3; };
    const auto server = measured.server();
    const nlohmann::ordered_json figures = {
        {"requests", measured.requests()},
        {"seconds", seconds},
        {"requests_per_s", static_cast<double>(measured.requests()) / seconds},
        {"p50_us", us(0.5)},
        {"p99_us", us(0.99)},
        {"p999_us", us(0.999)},
        {"load_cpu_ns", measured.own_cpu()},
        {"server_cpu_ns", server.cpu},
        {"server_user_ticks", server.user_ticks},
        {"server_system_ticks", server.system_ticks},
    };
    std::puts(figures.dump(wanted.json ? -1 : 4).c_str());
}

}  // namespace

int main(int argc, char** argv) {
    const auto wanted = parse(argc, argv);
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    try {
        bench::interval measured{bench::server_costs(wanted.server_pid, false)};
        tls_clients all(wanted, measured);
        all.run();
        if (wanted.idle == 0) print(wanted, measured);
    } catch (const std::exception& what) {
        std::fprintf(stderr, "bench_tls_load: %s\n", what.what());
        return 1;
    }
}
