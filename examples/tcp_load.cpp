// SPDX-License-Identifier: MIT
// Load: a client with many concurrent connections, which compares every byte of the responses.
// Each connection sends a request, waits for the same number of bytes, compares them, and repeats.
//     $ ./tcp_echo                                          and, in another terminal,
//     $ ./tcp_load 127.0.0.1:6142 --connections 5000 --seconds 3
// The exit code is 0, or 1 if a byte was wrong or a connection was lost.
#include <eddy/prelude.hpp>

#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <fmt/format.h>
#include <algorithm>
#include <bit>
#include <CLI/CLI.hpp>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace {

using namespace std::chrono_literals;
using steady = std::chrono::steady_clock;

struct settings {
    std::string address;
    unsigned connections = 1000;
    double seconds = 5;
    std::size_t size = 64;
    std::string json;
    std::string driver;
};

// ---- Counting ----

/// Latencies in microseconds, accurate to 1 %: each power of two is divided into 64 buckets.
class histogram {
public:
    void record(std::uint64_t us) noexcept {
        ++buckets_[bucket_of(us)];
        ++count_;
        max_ = std::max(max_, us);
    }
    [[nodiscard]] std::uint64_t max() const noexcept { return max_; }
    [[nodiscard]] std::uint64_t count() const noexcept { return count_; }

    /// Returns the value that a fraction `quantile` of the recorded values does not exceed.
    [[nodiscard]] std::uint64_t at(double quantile) const noexcept {
        const auto rank = static_cast<std::uint64_t>(std::ceil(quantile * static_cast<double>(count_)));
        std::uint64_t seen = 0;
        for (std::size_t i = 0; i < buckets_.size(); ++i) {
            seen += buckets_[i];
            if (seen != 0 && seen >= rank) return std::min(largest_in(i), max_);
        }
        return max_;
    }

    /// Returns how many of the recorded values are in [2^power, 2^(power + 1)). 0 counts as 1.
    [[nodiscard]] std::uint64_t in_octave(unsigned power) const noexcept {
        std::uint64_t sum = power == 0 ? buckets_[0] : 0;
        const auto last = bucket_of((std::uint64_t{2} << power) - 1);
        for (auto i = bucket_of(std::uint64_t{1} << power); i <= last; ++i) sum += buckets_[i];
        return sum;
    }

private:
    // Values up to 127 have one bucket each; for larger values the seven leading bits choose the bucket.
    static std::size_t bucket_of(std::uint64_t us) noexcept {
        const auto shift = static_cast<std::size_t>(std::max(0, static_cast<int>(std::bit_width(us)) - 7));
        return shift * 64 + static_cast<std::size_t>(us >> shift);
    }
    static std::uint64_t largest_in(std::size_t bucket) noexcept {
        const std::size_t shift = bucket < 128 ? 0 : bucket / 64 - 1;
        return ((std::uint64_t{bucket} - shift * 64 + 1) << shift) - 1;
    }

    std::array<std::uint64_t, 64 * 60> buckets_{};
    std::uint64_t count_ = 0;
    std::uint64_t max_ = 0;
};

/// The counters of all connections. The connections run on one thread, so the counters are plain variables.
struct totals {
    histogram all;
    histogram recent;      // since the last line was printed
    unsigned open = 0;     // established connections
    unsigned talking = 0;  // connections that have not ended
    bool is_connecting = true;
    std::uint64_t errors = 0;
    steady::time_point end;

    /// Counts an error, and prints the first few.
    void fail(unsigned connection, const std::string& what) {
        constexpr std::uint64_t most_told = 10;
        if (++errors <= most_told) {
            fmt::print(stderr, "{}tcp_load: connection {}: {}\n", isatty(STDOUT_FILENO) ? "\r\x1b[K" : "", connection,
                       what);
        } else if (errors == most_told + 1) {
            fmt::print(stderr, "tcp_load: further errors are counted, not printed\n");
        }
    }
};

// ---- One connection ----

/// Fills `request` with bytes that no other request contains: splitmix64 (Steele, Lea and Flood, OOPSLA 2014), seeded
/// with `connection` and `sequence`.
void fill(std::vector<std::byte>& request, unsigned connection, std::uint64_t sequence) noexcept {
    std::uint64_t state = (std::uint64_t{connection} << 40) ^ (sequence * 0xbf58476d1ce4e5b9ULL);
    for (std::size_t at = 0; at < request.size(); at += sizeof state) {
        state += 0x9e3779b97f4a7c15ULL;
        std::uint64_t word = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9ULL;
        word = (word ^ (word >> 27)) * 0x94d049bb133111ebULL;
        word ^= word >> 31;
        std::memcpy(request.data() + at, &word, std::min(sizeof word, request.size() - at));
    }
}

/// Sends requests until the time is over, or until the first error.
eddy::task<void> talk(eddy::net::tcp_stream stream, unsigned connection, const settings& wanted, totals& count) {
    std::vector<std::byte> request(wanted.size);
    std::vector<std::byte> response(wanted.size);
    std::string lost;
    for (std::uint64_t sequence = 1; lost.empty() && steady::now() < count.end; ++sequence) {
        fill(request, connection, sequence);
        const auto begin = steady::now();
        // Write and read concurrently: a large echo arrives before the whole request is written, and would otherwise
        // fill both socket buffers.
        const auto answer = co_await eddy::try_join(stream.write_all(request), stream.read_exact(response));
        if (!answer) {
            lost = fmt::format("request {}: {}", sequence, answer.error().message());
        } else if (const auto wrong = std::ranges::mismatch(request, response); wrong.in1 != request.end()) {
            lost = fmt::format("request {}: byte {} is {:#04x} and not {:#04x}", sequence, wrong.in1 - request.begin(),
                               static_cast<unsigned>(*wrong.in2), static_cast<unsigned>(*wrong.in1));
        } else {
            const auto took = std::chrono::duration_cast<std::chrono::microseconds>(steady::now() - begin);
            const auto us = static_cast<std::uint64_t>(took.count());
            count.all.record(us);
            count.recent.record(us);
        }
    }
    if (!lost.empty()) count.fail(connection, lost);
    --count.talking;
}

// ---- Connecting: a limited number at a time, since the queue of a listener is finite ----

/// Connects to the server. A local address has about 28,000 ports. The kernel tries the even half first, and finding a
/// port in the other half is slow. So for a loopback server, further connections use 127.0.0.2, 127.0.0.3, ...
eddy::task<eddy::result<eddy::net::tcp_stream>> connect(eddy::net::socket_addr to, unsigned connection) {
    constexpr unsigned per_address = 12'000;
    if (connection < per_address || !to.is_ipv4() || !to.ip().is_loopback()) {
        co_return co_await eddy::net::tcp_stream::connect(to);
    }
    auto socket = co_await eddy::try_(eddy::net::tcp_socket::v4());
    const auto last = static_cast<std::uint8_t>(1 + connection / per_address);
    co_await eddy::try_(socket.bind({eddy::net::ipv4_addr(127, 0, 0, last), 0}));
    co_return co_await std::move(socket).connect(to);
}

struct connecting {
    eddy::net::socket_addr to;
    std::vector<std::optional<eddy::net::tcp_stream>> streams;
    unsigned next = 0;
    unsigned done = 0;

    connecting(const eddy::net::socket_addr& where, unsigned how_many) : to(where), streams(how_many) {}
};

eddy::task<void> connect_some(connecting& all, totals& count) {
    while (all.next < all.streams.size()) {
        const unsigned mine = all.next++;
        auto stream = co_await connect(all.to, mine);
        if (!stream) {
            count.fail(mine, fmt::format("cannot connect: {}", stream.error().message()));
        } else if (auto set = stream->set_nodelay(true); !set) {
            count.fail(mine, fmt::format("cannot set TCP_NODELAY: {}", set.error().message()));
        } else {
            all.streams[mine].emplace(*std::move(stream));
            ++count.open;
        }
        ++all.done;
    }
}

// ---- The display ----

/// Prints lines. On a terminal, each line overwrites the previous one. Otherwise one line per second is printed.
class display {
public:
    void line(const std::string& text, bool is_new_second) {
        if (is_terminal_) {
            fmt::print("\r\x1b[K{}", text);
        } else if (is_new_second) {
            fmt::print("{}\n", text);
        }
        std::fflush(stdout);
    }
    void end() {
        if (is_terminal_) fmt::print("\r\x1b[K");
    }

private:
    bool is_terminal_ = isatty(STDOUT_FILENO) != 0;
};

std::string in_ms(std::uint64_t us) { return fmt::format("{:.2f} ms", static_cast<double>(us) / 1000); }

/// Shows the counters until `is_over`.
template <class IsOver>
eddy::task<void> watch(display& out, totals& count, IsOver is_over) {
    auto every = eddy::time::interval(500ms);
    auto last = steady::now();
    bool half = false;
    for (co_await every.tick(); !is_over();) {
        // Checks for the end every 20 ms, and prints the line at each tick.
        const auto tick = co_await eddy::select(every.tick(), eddy::time::sleep(20ms));
        if (tick.index() != 0) continue;
        const bool is_new_second = std::exchange(half, !half);
        if (!is_new_second && !isatty(STDOUT_FILENO)) continue;
        const auto now = steady::now();
        const double seconds = std::chrono::duration<double>(now - std::exchange(last, now)).count();
        if (count.is_connecting) {
            out.line(fmt::format("{} connections, connecting", count.open), is_new_second);
            continue;
        }
        out.line(fmt::format("{} connections, {:.0f} requests/s, p50 {}, p99 {}", count.open,
                             static_cast<double>(count.recent.count()) / seconds, in_ms(count.recent.at(0.5)),
                             in_ms(count.recent.at(0.99))),
                 is_new_second);
        count.recent = histogram();
    }
}

// ---- All of it ----

eddy::task<double> load(const settings& wanted, eddy::net::socket_addr to, eddy::core_handle handle, totals& count) {
    constexpr unsigned at_once = 200;
    display out;

    connecting all(to, wanted.connections);
    for (unsigned i = 0; i < std::min(at_once, wanted.connections); ++i) handle.spawn(connect_some(all, count));
    co_await watch(out, count, [&] { return all.done == all.streams.size(); });

    const auto begin = steady::now();
    count.end = begin + std::chrono::duration_cast<steady::duration>(std::chrono::duration<double>(wanted.seconds));
    count.is_connecting = false;
    count.talking = count.open;
    for (unsigned i = 0; i < all.streams.size(); ++i) {
        if (all.streams[i]) handle.spawn(talk(*std::move(all.streams[i]), i, wanted, count));
    }
    // The last responses may be late. A response that does not arrive within 10 s is an error.
    const auto patience = std::chrono::duration<double>(wanted.seconds) + 10s;
    const auto talked = co_await eddy::time::timeout(std::chrono::duration_cast<std::chrono::milliseconds>(patience),
                                                     watch(out, count, [&] { return count.talking == 0; }));
    const auto took = std::chrono::duration<double>(steady::now() - begin);
    out.end();
    if (!talked) {
        count.errors += count.talking;
        fmt::print(stderr, "tcp_load: {} connections: no response within 10 s\n", count.talking);
    }
    co_return took.count();
}

void print_table(const settings& wanted, std::string_view why_driver, const totals& count, double seconds) {
    const auto row = [](const char* name, const std::string& value) { fmt::print("  {:<14}{:>14}\n", name, value); };
    fmt::print("\n  {:<14}{}\n", "driver", why_driver);
    row("connections", fmt::format("{}", count.open));
    row("request size", fmt::format("{} B", wanted.size));
    row("seconds", fmt::format("{:.2f}", seconds));
    row("requests", fmt::format("{}", count.all.count()));
    row("requests/s", fmt::format("{:.0f}", static_cast<double>(count.all.count()) / seconds));
    row("p50", in_ms(count.all.at(0.5)));
    row("p99", in_ms(count.all.at(0.99)));
    row("p99.9", in_ms(count.all.at(0.999)));
    row("max", in_ms(count.all.max()));
    row("errors", fmt::format("{}", count.errors));
    std::fflush(stdout);
}

/// Draws how long the requests took: one bar for each power of two in which there are requests, in one color on a
/// terminal.
void print_histogram(const histogram& all) {
    constexpr unsigned powers = 40;
    constexpr double longest_bar = 40;
    std::array<std::uint64_t, powers> counts{};
    for (unsigned i = 0; i < powers; ++i) counts[i] = all.in_octave(i);
    const auto is_used = [](std::uint64_t count) { return count != 0; };
    const auto begin = std::ranges::find_if(counts, is_used);
    auto end = counts.end();
    while (end != begin && !is_used(end[-1])) --end;
    if (begin == end) return;

    const bool is_terminal = isatty(STDOUT_FILENO) != 0;
    const auto most = static_cast<double>(*std::max_element(begin, end));
    fmt::print("\n  {:<14}{:>10}\n", "latency", "requests");
    for (auto at = begin; at != end; ++at) {
        const std::uint64_t limit = std::uint64_t{2} << (at - counts.begin());
        const auto length = static_cast<std::size_t>(std::ceil(static_cast<double>(*at) / most * longest_bar));
        fmt::print("  < {:<12}{:>10}  {}{}{}\n", in_ms(limit), *at, is_terminal ? "\x1b[36m" : "",
                   std::string(length, '#'), is_terminal ? "\x1b[0m" : "");
    }
    std::fflush(stdout);
}

bool write_json(const settings& wanted, const std::string& driver, const totals& count, double seconds) {
    nlohmann::ordered_json figures;
    figures["driver"] = driver;
    figures["connections"] = count.open;
    figures["requests"] = count.all.count();
    figures["errors"] = count.errors;
    figures["p50_us"] = count.all.at(0.5);
    figures["p99_us"] = count.all.at(0.99);
    figures["p999_us"] = count.all.at(0.999);
    figures["max_us"] = count.all.max();
    figures["seconds"] = seconds;
    figures["requests_per_s"] = static_cast<double>(count.all.count()) / seconds;
    figures["size"] = wanted.size;
    std::ofstream file(wanted.json);
    file << figures.dump() << '\n';
    return file.flush().good();
}

void raise_descriptor_limit() {
    rlimit limit{};
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);
}

}  // namespace

int main(int argc, char** argv) {
    settings wanted;
    CLI::App app("A load client for an echo server. It compares every byte.");
    app.add_option("address", wanted.address, "the address of the server, for example 127.0.0.1:6142")->required();
    app.add_option("--connections", wanted.connections, "the number of concurrent connections")
        ->check(CLI::Range(1, 1'000'000))
        ->capture_default_str();
    app.add_option("--seconds", wanted.seconds, "the duration of the load, after all are connected")
        ->check(CLI::PositiveNumber)
        ->capture_default_str();
    app.add_option("--size", wanted.size, "bytes per request")->check(CLI::Range(1, 64 << 20))->capture_default_str();
    app.add_option("--json", wanted.json, "write the results to this file, as JSON");
    app.add_option("--driver", wanted.driver, "auto uses io_uring if it is available")
        ->check(CLI::IsMember({"epoll", "io_uring", "poll", "auto"}));
    CLI11_PARSE(app, argc, argv);
    if (!wanted.driver.empty()) ::setenv("EDDY_DRIVER", wanted.driver.c_str(), 1);

    try {
        raise_descriptor_limit();
        auto addr = eddy::net::socket_addr::parse(wanted.address);
        if (!addr) throw std::system_error(addr.error(), wanted.address);
        const auto count = std::make_unique<totals>();
        eddy::core core;
        const auto why = core.why_driver();  // for example "epoll: the default on Linux"
        const std::string driver(why.substr(0, why.find(':')));
        fmt::print("opens {} connections, then sends requests of {} bytes for {} s, and compares each byte\n",
                   wanted.connections, wanted.size, wanted.seconds);
        std::fflush(stdout);
        const double seconds = core.run(load(wanted, *addr, core.handle(), *count));

        print_table(wanted, why, *count, seconds);
        print_histogram(count->all);
        if (!wanted.json.empty() && !write_json(wanted, driver, *count, seconds)) {
            fmt::print(stderr, "tcp_load: cannot write {}\n", wanted.json);
            return 1;
        }
        return count->errors == 0 ? 0 : 1;
    } catch (const std::system_error& error) {
        fmt::print(stderr, "tcp_load: {}\n", error.what());
        return 1;
    }
}
