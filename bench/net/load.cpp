// SPDX-License-Identifier: MIT

// The load generator of the network bench: many clients of an echo server, on one thread and one epoll loop.
//
//     $ bench_load --port 7000 --connections 100 --size 64 --seconds 2 --warmup 0.5
//     $ bench_load --port 7000 --connections 10000 --idle 60 --touch
//
// It is a closed loop: a connection has --depth requests in flight (1 by default) and sends the next one when an
// answer is complete. Every byte of every answer is compared; the first wrong byte, and the first connection lost,
// ends the run with status 1. It prints "measuring" when the warm-up is over, and then the figures.
//
// With --server-pid it reads the server's processor time at both edges of the measured interval itself: only here
// is it known exactly when the interval begins and ends.
//
// It knows nothing of eddy, so a fault in eddy cannot hide in the yardstick. It has to be at least as fast as any
// server it measures, hence the same habits as in bare_epoll.cpp.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <limits>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "histogram.hpp"

namespace {

using nanoseconds = std::uint64_t;

constexpr std::size_t receive_size = 256UL * 1024;
constexpr std::size_t events_per_turn = 256;
constexpr std::size_t most_depth = 64;
// One address has some 28,000 ports (ip_local_port_range), some of them still in TIME_WAIT from the run before.
constexpr unsigned connections_per_address = 10'000;
// A closed loop in which nothing arrives for so long is broken.
constexpr int stall_ms = 10'000;

struct options {
    std::uint16_t port = 0;
    unsigned connections = 1;
    std::size_t size = 64;
    std::size_t depth = 1;
    double seconds = 0;          // either this
    std::uint64_t requests = 0;  // or this
    double warmup = 0;
    double idle = 0;  // or this
    bool touch = false;
    bool json = false;
    pid_t server_pid = 0;
};

/// What the server did wrong: a wrong byte, a lost connection, silence.
struct failure : std::runtime_error {
    using std::runtime_error::runtime_error;
};

[[noreturn]] void throw_errno(const char* what) { throw std::system_error(errno, std::generic_category(), what); }

nanoseconds read_clock(clockid_t clock) {
    timespec time{};
    if (::clock_gettime(clock, &time) < 0) throw_errno("clock_gettime");
    return static_cast<nanoseconds>(time.tv_sec) * 1'000'000'000 + static_cast<nanoseconds>(time.tv_nsec);
}

nanoseconds now() { return read_clock(CLOCK_MONOTONIC); }

nanoseconds from_seconds(double seconds) { return static_cast<nanoseconds>(seconds * 1e9); }

/// The processor time of another process, all its threads, ended ones included. The same figures as the sum over
/// /proc/PID/task/*/schedstat, in one call; in /proc/PID/stat they are rounded to 10 ms.
class cpu_clock {
public:
    explicit cpu_clock(pid_t pid) {
        if (pid == 0) return;
        if (const int error = ::clock_getcpuclockid(pid, &clock_); error != 0)
            throw std::system_error(error, std::generic_category(), "clock_getcpuclockid");
        valid_ = true;
    }

    /// 0 if there is no process to look at.
    [[nodiscard]] nanoseconds read() const { return valid_ ? read_clock(clock_) : 0; }

private:
    clockid_t clock_{};
    bool valid_ = false;
};

/// The text of all messages: windows into one table, so that none is ever built and each is checked by one memcmp.
///
/// No two of the table's words are alike (splitmix64 is a bijection), so two messages of 8 bytes or more are the same
/// only if they begin at the same word. A connection's messages begin one word further each, and those of different
/// connections are scattered: the answer to another request, or another client's answer, is always noticed among
/// 131,072 requests of a connection, and almost always between connections.
class pattern {
public:
    explicit pattern(std::size_t message_size) : words_(starts + message_size / sizeof(std::uint64_t) + 1) {
        for (std::uint64_t i = 0; auto& word : words_) word = splitmix64(++i);
    }

    [[nodiscard]] const std::byte* message(unsigned connection, std::uint64_t sequence) const noexcept {
        const auto start = (connection * std::uint64_t{0x9E3779B1} + sequence) % starts;
        return reinterpret_cast<const std::byte*>(words_.data() + start);
    }

private:
    static constexpr std::size_t starts = 1 << 17;  // a power of two: % is cheap, and a table of 1 MiB

    static std::uint64_t splitmix64(std::uint64_t x) noexcept {
        x *= 0x9E3779B97F4A7C15;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        return x ^ (x >> 31);
    }

    std::vector<std::uint64_t> words_;
};

/// One client. What it sends is an endless stream of messages of the same size, and so is what it receives; the
/// positions in both say all there is to know.
struct connection {
    int fd = -1;
    std::uint64_t begun = 0;     // messages given a start time, sent or about to be
    std::uint64_t answered = 0;  // messages; begun - answered are in flight
    std::uint64_t sent = 0;      // bytes
    std::uint64_t received = 0;  // bytes
};

struct report {
    std::uint64_t requests = 0;
    nanoseconds elapsed = 0;
    nanoseconds server_cpu = 0;
    unsigned errors = 0;
};

class load {
public:
    explicit load(const options& wanted);

    /// Runs the closed loop. Throws failure.
    void measure();
    /// Holds idle connections until standard input is closed or the time is over. Throws failure.
    void hold();

    /// The figures of measure(); all 0 if it failed before the end of the measured interval.
    [[nodiscard]] report result() const;
    [[nodiscard]] const bench::histogram& latencies() const noexcept { return latencies_; }

private:
    enum class phase { warming, measuring, draining };

    [[nodiscard]] int connect(unsigned index) const;
    void watch(unsigned index, std::uint32_t events) const;
    void touch(unsigned index);

    void turn();
    void advance();
    void begin();
    void end();
    [[nodiscard]] bool finished() const noexcept;

    void receive(unsigned index);
    void check(unsigned index, std::span<const std::byte> bytes);
    void count_answer(unsigned index);
    void send_due(unsigned index);
    void begin_due(unsigned index);
    void flush(unsigned index);
    std::size_t gather(unsigned index, std::span<iovec> parts) const;
    [[noreturn]] void lost(unsigned index, const char* why) const;

    options options_;
    pattern pattern_;
    cpu_clock server_clock_;
    int epoll_;
    std::vector<connection> connections_;
    std::vector<nanoseconds> starts_;  // of the requests in flight: `depth` for each connection, by sequence % depth
    std::unique_ptr<std::byte[]> buffer_ = std::make_unique_for_overwrite<std::byte[]>(receive_size);
    bench::histogram latencies_;

    phase phase_ = phase::warming;
    nanoseconds now_ = 0;  // read after each receive, which is as fine as it matters here
    nanoseconds warm_until_ = 0;
    std::uint64_t begun_ = 0;
    std::uint64_t answered_ = 0;
    std::uint64_t most_begun_ = std::numeric_limits<std::uint64_t>::max();  // no request is begun beyond it

    // At the edges of the measured interval:
    nanoseconds begin_time_ = 0, end_time_ = 0;
    nanoseconds begin_cpu_ = 0, end_cpu_ = 0;
    std::uint64_t begin_answered_ = 0, end_answered_ = 0;
};

// ---- Opening and holding connections ----

load::load(const options& wanted)
    : options_(wanted),
      pattern_(wanted.size),
      server_clock_(wanted.server_pid),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      connections_(wanted.connections),
      starts_(wanted.connections * wanted.depth) {
    if (epoll_ < 0) throw_errno("epoll_create1");
    for (unsigned i = 0; i < connections_.size(); ++i) connections_[i].fd = connect(i);
}

/// The socket is left in blocking mode, for connect() and touch(); the loop passes MSG_DONTWAIT.
int load::connect(unsigned index) const {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) throw_errno("socket");
    const int on = 1;
    ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    // Lets connect() pick the port, when it knows the other end: a port is then taken for that one server only.
    ::setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);

    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + index / connections_per_address);
    if (::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) throw_errno("bind");
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(options_.port);
    if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) throw_errno("connect");
    return fd;
}

void load::watch(unsigned index, std::uint32_t events) const {
    epoll_event event{};
    event.events = events;
    event.data.u32 = index;
    if (::epoll_ctl(epoll_, EPOLL_CTL_ADD, connections_[index].fd, &event) < 0) throw_errno("epoll_ctl");
}

/// One request and its answer, blocking.
void load::touch(unsigned index) {
    const int fd = connections_[index].fd;
    const auto sent = ::send(fd, pattern_.message(index, 0), options_.size, MSG_NOSIGNAL);
    if (sent != static_cast<ssize_t>(options_.size)) lost(index, "send");
    for (std::size_t seen = 0; seen < options_.size;) {
        const auto room = std::min(receive_size, options_.size - seen);
        const auto received = ::recv(fd, buffer_.get(), room, 0);
        if (received <= 0) lost(index, received == 0 ? "closed by the server" : "recv");
        check(index, std::span(buffer_.get(), static_cast<std::size_t>(received)));
        seen += static_cast<std::size_t>(received);
    }
}

void load::hold() {
    for (unsigned i = 0; i < connections_.size(); ++i) {
        if (options_.touch) touch(i);
        watch(i, EPOLLIN | EPOLLRDHUP);
    }
    std::puts("ready");
    std::fflush(stdout);

    // An epoll instance is readable when it has something to report: here, a connection that is no longer idle.
    std::array<pollfd, 2> either{{{STDIN_FILENO, POLLIN, 0}, {epoll_, POLLIN, 0}}};
    const auto until = now() + from_seconds(options_.idle);
    for (auto time = now(); time < until && either[0].revents == 0; time = now()) {
        const auto left_ms = (until - time) / 1'000'000 + 1;
        if (::poll(either.data(), either.size(), static_cast<int>(left_ms)) < 0 && errno != EINTR) throw_errno("poll");
        if (either[1].revents != 0) throw failure("an idle connection was closed, or received something");
    }
}

// ---- The closed loop ----

void load::measure() {
    for (unsigned i = 0; i < connections_.size(); ++i) watch(i, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
    now_ = now();
    warm_until_ = now_ + from_seconds(options_.warmup);
    advance();
    for (unsigned i = 0; i < connections_.size(); ++i) send_due(i);
    while (!finished()) turn();
}

void load::turn() {
    std::array<epoll_event, events_per_turn> events;
    const int count = ::epoll_wait(epoll_, events.data(), static_cast<int>(events.size()), stall_ms);
    if (count < 0 && errno != EINTR) throw_errno("epoll_wait");
    if (count == 0) throw failure("no answer for " + std::to_string(stall_ms / 1000) + " s");
    for (int i = 0; i < count; ++i) {
        const unsigned index = events[i].data.u32;
        if ((events[i].events & (EPOLLRDHUP | EPOLLHUP | EPOLLERR)) != 0) lost(index, "closed by the server");
        if ((events[i].events & EPOLLIN) != 0) receive(index);
        send_due(index);
    }
    advance();
}

void load::advance() {
    if (phase_ == phase::warming && now_ >= warm_until_) begin();
    if (phase_ != phase::measuring) return;
    const bool over =
        options_.requests != 0 ? answered_ == most_begun_ : now_ >= begin_time_ + from_seconds(options_.seconds);
    if (over) end();
}

void load::begin() {
    std::puts("measuring");
    std::fflush(stdout);
    phase_ = phase::measuring;
    begin_answered_ = answered_;
    if (options_.requests != 0) most_begun_ = std::max(begun_, answered_ + options_.requests);
    begin_cpu_ = server_clock_.read();
    begin_time_ = now();
}

void load::end() {
    end_time_ = now();
    end_cpu_ = server_clock_.read();
    end_answered_ = answered_;
    phase_ = phase::draining;
    most_begun_ = begun_;  // what is in flight is still checked, though no longer counted
}

bool load::finished() const noexcept { return phase_ == phase::draining && answered_ == begun_; }

void load::receive(unsigned index) {
    for (;;) {
        const auto received = ::recv(connections_[index].fd, buffer_.get(), receive_size, MSG_DONTWAIT);
        if (received < 0 && errno == EAGAIN) return;
        if (received <= 0) lost(index, received == 0 ? "closed by the server" : "recv");
        now_ = now();
        const auto size = static_cast<std::size_t>(received);
        check(index, std::span(buffer_.get(), size));
        if (size < receive_size) return;  // the socket is empty
    }
}

void load::check(unsigned index, std::span<const std::byte> bytes) {
    auto& peer = connections_[index];
    while (!bytes.empty()) {
        const auto offset = peer.received - peer.answered * options_.size;
        const auto size = std::min<std::size_t>(bytes.size(), options_.size - offset);
        if (std::memcmp(bytes.data(), pattern_.message(index, peer.answered) + offset, size) != 0)
            throw failure("connection " + std::to_string(index) + ", answer " + std::to_string(peer.answered) +
                          ": a wrong byte");
        peer.received += size;
        bytes = bytes.subspan(size);
        if (offset + size == options_.size) count_answer(index);
    }
}

void load::count_answer(unsigned index) {
    auto& peer = connections_[index];
    if (phase_ == phase::measuring)
        latencies_.record(now_ - starts_[index * options_.depth + peer.answered % options_.depth]);
    ++peer.answered;
    ++answered_;
}

void load::send_due(unsigned index) {
    begin_due(index);
    const auto& peer = connections_[index];
    if (peer.sent < peer.begun * options_.size) flush(index);
}

void load::begin_due(unsigned index) {
    auto& peer = connections_[index];
    while (peer.begun - peer.answered < options_.depth && begun_ < most_begun_) {
        starts_[index * options_.depth + peer.begun % options_.depth] = now_;
        ++peer.begun;
        ++begun_;
    }
}

/// Sends what has begun, all of it in one call. What the socket does not take waits for the next event: room in it
/// makes one.
void load::flush(unsigned index) {
    std::array<iovec, most_depth> parts;
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = gather(index, parts);
    constexpr int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
    auto& peer = connections_[index];
    // One part is the common case, and send() has less to copy and to check.
    const auto sent = message.msg_iovlen == 1 ? ::send(peer.fd, parts[0].iov_base, parts[0].iov_len, flags)
                                              : ::sendmsg(peer.fd, &message, flags);
    if (sent >= 0)
        peer.sent += static_cast<std::uint64_t>(sent);
    else if (errno != EAGAIN)
        lost(index, "send");
}

std::size_t load::gather(unsigned index, std::span<iovec> parts) const {
    const auto& peer = connections_[index];
    auto sequence = peer.sent / options_.size;
    auto offset = peer.sent % options_.size;
    std::size_t count = 0;
    for (; sequence < peer.begun; ++sequence, offset = 0) {
        // SAFETY: iovec has no const; sendmsg() only reads.
        auto* text = const_cast<std::byte*>(pattern_.message(index, sequence));
        parts[count++] = {text + offset, options_.size - offset};
    }
    return count;
}

void load::lost(unsigned index, const char* why) const {
    throw failure("connection " + std::to_string(index) + " is lost: " + why);
}

report load::result() const {
    if (phase_ != phase::draining) return {};
    return {end_answered_ - begin_answered_, end_time_ - begin_time_, end_cpu_ - begin_cpu_, 0};
}

// ---- The command line and the output ----

constexpr const char* usage =
    "usage: bench_load --port P [--connections N] [--size B] [--depth D] [--json]\n"
    "           --seconds S | --requests R   [--warmup S] [--server-pid PID]\n"
    "           --idle SECONDS   [--touch]   (until standard input is closed)\n";

[[noreturn]] void explain_usage() {
    std::fputs(usage, stderr);
    std::exit(2);
}

template <class T>
void parse(std::string_view text, T& value) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc{} || end != text.data() + text.size()) explain_usage();
}

options parse_options(std::span<char*> arguments) {
    options wanted;
    for (std::size_t i = 1; i < arguments.size(); ++i) {
        const std::string_view name = arguments[i];
        const auto value = [&]() -> std::string_view {
            if (++i == arguments.size()) explain_usage();
            return arguments[i];
        };
        if (name == "--port")
            parse(value(), wanted.port);
        else if (name == "--connections")
            parse(value(), wanted.connections);
        else if (name == "--size")
            parse(value(), wanted.size);
        else if (name == "--depth")
            parse(value(), wanted.depth);
        else if (name == "--seconds")
            parse(value(), wanted.seconds);
        else if (name == "--requests")
            parse(value(), wanted.requests);
        else if (name == "--warmup")
            parse(value(), wanted.warmup);
        else if (name == "--idle")
            parse(value(), wanted.idle);
        else if (name == "--server-pid")
            parse(value(), wanted.server_pid);
        else if (name == "--touch")
            wanted.touch = true;
        else if (name == "--json")
            wanted.json = true;
        else
            explain_usage();
    }
    const int ends = (wanted.seconds > 0) + (wanted.requests > 0) + (wanted.idle > 0);
    const bool sound = wanted.port != 0 && wanted.connections > 0 && wanted.size > 0 && wanted.depth > 0 &&
                       wanted.depth <= most_depth && ends == 1;
    if (!sound) explain_usage();
    return wanted;
}

void raise_descriptor_limit(unsigned connections) {
    rlimit limit{};
    ::getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < connections + 16)
        throw std::runtime_error("RLIMIT_NOFILE is too low for " + std::to_string(connections) + " connections");
}

void print(const options& wanted, const report& figures, const bench::histogram& latencies) {
    const double seconds = static_cast<double>(figures.elapsed) / 1e9;
    const double rate = seconds > 0 ? static_cast<double>(figures.requests) / seconds : 0;
    const auto us = [&](double quantile) { return static_cast<double>(latencies.at(quantile)) / 1e3; };
    const char* format =
        wanted.json ? "{\"connections\": %u, \"size\": %zu, \"depth\": %zu, \"requests\": %llu, \"seconds\": %.6f, "
                      "\"errors\": %u, \"requests_per_s\": %.1f, \"p50_us\": %.3f, \"p99_us\": %.3f, "
                      "\"p999_us\": %.3f, \"max_us\": %.3f, \"server_cpu_ns\": %llu}\n"
                    : "%u connections, %zu B, depth %zu: %llu requests in %.3f s, %u errors, %.0f/s\n"
                      "p50 %.1f us, p99 %.1f us, p99.9 %.1f us, max %.1f us; server %llu ns of processor time\n";
    std::printf(format, wanted.connections, wanted.size, wanted.depth,
                static_cast<unsigned long long>(figures.requests), seconds, figures.errors, rate, us(0.5), us(0.99),
                us(0.999), static_cast<double>(latencies.max()) / 1e3,
                static_cast<unsigned long long>(figures.server_cpu));
}

int run(const options& wanted) {
    raise_descriptor_limit(wanted.connections);
    load clients(wanted);
    unsigned errors = 0;
    try {
        wanted.idle > 0 ? clients.hold() : clients.measure();
    } catch (const failure& what) {
        std::fprintf(stderr, "bench_load: %s\n", what.what());
        errors = 1;
    }
    if (wanted.idle > 0) return static_cast<int>(errors);
    auto figures = clients.result();
    figures.errors = errors;
    print(wanted, figures, clients.latencies());
    return static_cast<int>(errors);
}

}  // namespace

int main(int argc, char** argv) {
    const auto wanted = parse_options(std::span(argv, static_cast<std::size_t>(argc)));
    try {
        return run(wanted);
    } catch (const std::exception& what) {
        std::fprintf(stderr, "bench_load: %s\n", what.what());
        return 1;
    }
}
