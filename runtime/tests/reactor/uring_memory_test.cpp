// SPDX-License-Identifier: MIT
// The memory of many connections that are idle, or whose data is not read. Each test runs in its own process, because
// memory that earlier tests have freed would hide the memory that the connections take.
// runs: once, asan, tsan, ring
#include <gtest/gtest.h>

#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include <support/net.hpp>
#include <support/poll_once.hpp>
#include <support/runtime/conversation.hpp>
#include <support/runtime/more_descriptors.hpp>
#include <support/runtime/ring_faults.hpp>
#include <support/sanitizers.hpp>
#include <support/stress.hpp>
#include <support/system.hpp>

namespace {

using namespace std::chrono_literals;
using eddy::net::tcp_stream;
using support::once;
using support::raw_socket;
using support::within;

constexpr std::size_t many = support::is_sanitized ? 2'000 : 10'000;
constexpr std::size_t ring_buffers = 1024;
constexpr std::size_t buffer_size = 32 * 1024;

/// Returns the resident memory of this process in bytes.
std::size_t resident() {
    std::ifstream file("/proc/self/statm");
    std::size_t all = 0;
    std::size_t pages = 0;
    file >> all >> pages;
    return pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
}

/// The peers, in a separate process, so that neither their descriptors nor their memory count here.
class peer_process {
public:
    explicit peer_process(const raw_socket& listener) : commands_(support::make_socket_pair()) {
        for (const auto* end : {&commands_.reader, &commands_.writer}) {
            ::fcntl(end->native_handle(), F_SETFL, ::fcntl(end->native_handle(), F_GETFL) & ~O_NONBLOCK);
        }
        const auto to = listener.addr();
        child_ = ::fork();
        if (child_ == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            serve_commands(to);
            ::_exit(0);
        }
    }
    peer_process(const peer_process&) = delete;
    peer_process& operator=(const peer_process&) = delete;
    ~peer_process() {
        commands_.writer.close();
        int status = 0;
        ::waitpid(child_, &status, 0);
        EXPECT_EQ(status, 0);
    }

    /// Runs a command for `count` connections, and waits until it is done. 'c' connects `count` more, 's' sends 64
    /// bytes on each, and 'f' sends on each until its socket is full.
    void command_all(char what, std::size_t count) const {
        const command wanted{what, count};
        char done = 0;
        ASSERT_EQ(::write(commands_.writer.native_handle(), &wanted, sizeof wanted), sizeof wanted);
        ASSERT_EQ(::read(commands_.writer.native_handle(), &done, 1), 1);
    }

private:
    struct command {
        char what;
        std::size_t count;
    };

    void serve_commands(const eddy::net::socket_addr& to) {
        commands_.writer.close();
        std::vector<raw_socket> sockets;
        command wanted{};
        const std::string flood(64 * 1024, 'f');
        while (::read(commands_.reader.native_handle(), &wanted, sizeof wanted) == sizeof wanted) {
            for (std::size_t i = 0; i < wanted.count; ++i) {
                if (wanted.what == 'c') {
                    sockets.push_back(raw_socket::connected(to));
                    // Socket buffers of the system are not part of this test, and the system's memory for TCP is
                    // limited.
                    const int little = 8 * 1024;
                    ::setsockopt(sockets.back().fd(), SOL_SOCKET, SO_SNDBUF, &little, sizeof little);
                }
                if (wanted.what == 's') sockets.at(i).send(std::string(64, 's'));
                if (wanted.what == 'f') {
                    while (::send(sockets.at(i).fd(), flood.data(), flood.size(), MSG_DONTWAIT | MSG_NOSIGNAL) > 0) {
                    }
                }
            }
            if (::write(commands_.reader.native_handle(), &wanted.what, 1) != 1) return;
        }
    }

    support::fd_pair commands_;
    pid_t child_ = -1;
};

class UringMemoryOwnProcess : public testing::Test {
protected:
    void SetUp() override {
        if (more_.limit() < many + 200) GTEST_SKIP() << "only " << more_.limit() << " descriptors are allowed here";
        listener_.emplace(raw_socket::listening());
        const int little = 8 * 1024;
        ::setsockopt(listener_->fd(), SOL_SOCKET, SO_RCVBUF, &little, sizeof little);
        peers_.emplace(*listener_);
        loop_.emplace(eddy::core::builder().driver(eddy::driver_kind::io_uring).build().value());
    }

    void connect_all() {
        streams_.reserve(many);
        while (streams_.size() < many) {
            const auto more = std::min<std::size_t>(100, many - streams_.size());
            peers_->command_all('c', more);
            for (std::size_t i = 0; i < more; ++i) {
                auto accepted = listener_->accept();
                accepted.set_nonblocking();
                streams_.push_back(tcp_stream::from_native(accepted.release()).value());
            }
        }
    }

    /// Sends requests on separate connections, and checks that all are answered within the usual time limit.
    void expect_others_are_served() { within(*loop_, support::ask_all(4, 100'000, support::seed())); }

    static void print(const char* what, std::size_t bytes) {
        std::printf("%s: %zu KiB in all, %zu bytes a connection\n", what, bytes / 1024, bytes / many);
    }

    const support::more_descriptors more_;
    std::optional<raw_socket> listener_;
    std::optional<peer_process> peers_;
    std::optional<eddy::core> loop_;
    std::vector<tcp_stream> streams_;
};

TEST_F(UringMemoryOwnProcess, IdleConnectionsHoldNoBuffer) {
    connect_all();
    expect_others_are_served();  // touches the memory that the first connections use and keep
    const auto before = resident();
    const auto begin_reads = [&]() -> eddy::task<void> {
        std::array<std::byte, 1> into{};
        for (auto& each : streams_) {
            const auto nothing = co_await once(each.read(into));
            EXPECT_FALSE(nothing.has_value());
        }
        co_await eddy::time::sleep(1ms);  // the driver tick that submits the last receives
    };
    within(*loop_, begin_reads());
    const auto grown = resident() - std::min(before, resident());
    print("idle", grown);
    // Each connection takes 128 bytes for the stream and its receive, and some memory in the list of requested streams
    // and in the allocator. The kernel's own memory is not included.
    if (!support::is_sanitized) {
        EXPECT_LE(grown / many, 512u);
    }
    EXPECT_EQ(support::mapped_buffers(), 1u);
    expect_others_are_served();
    streams_.clear();
}

// covers: R104
TEST_F(UringMemoryOwnProcess, SlowConnectionsHoldOnlyRingBuffers) {
    connect_all();
    expect_others_are_served();
    const auto before = resident();
    const auto read_one_byte_each = [&]() -> eddy::task<void> {
        std::array<std::byte, 1> into{};
        for (auto& each : streams_) {
            const auto nothing = co_await once(each.read(into));
            EXPECT_FALSE(nothing.has_value());
        }
        co_await eddy::time::sleep(1ms);
        peers_->command_all('s', many);
        for (auto& each : streams_) {
            const auto count = co_await each.read(into);
            EXPECT_EQ(count, 1u);
        }
    };
    within(*loop_, read_one_byte_each());
    const auto after_64 = resident();
    print("slow, 64 bytes each", after_64 - std::min(before, after_64));
    expect_others_are_served();

    peers_->command_all('f', many);
    expect_others_are_served();
    const auto after_flood = resident();
    print("slow, flooded", after_flood - std::min(before, after_flood));
    // All buffers of the ring may be in use, and each connection may use the memory of an idle one.
    if (!support::is_sanitized) {
        EXPECT_LE(after_flood, before + ring_buffers * (buffer_size + 64) + many * 512);
    }
    EXPECT_EQ(support::mapped_buffers(), 1u);

    // The data is still correct: the rest of the 64 bytes, and then the flood.
    const auto read_on = [&]() -> eddy::task<void> {
        std::array<std::byte, 64> into{};
        for (std::size_t i = 0; i < streams_.size(); i += 10) {
            const auto done = co_await streams_[i].read_exact(into);
            EXPECT_TRUE(done.has_value());
            EXPECT_EQ(support::text_of(into), std::string(63, 's') + "f");
        }
    };
    within(*loop_, read_on());
    streams_.clear();
}

}  // namespace
