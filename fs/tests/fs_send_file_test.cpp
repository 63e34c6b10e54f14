// SPDX-License-Identifier: MIT
// covers: P068
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/eddy.hpp>
#include <eddy/fs.hpp>

#include <support/dice.hpp>
#include <support/executors.hpp>
#include <support/file_contents.hpp>
#include <support/net.hpp>
#include <support/poll_once.hpp>
#include <support/stress.hpp>
#include <support/temp_dir.hpp>

// fs::send_file() to sockets and to other writers.

namespace {

namespace fs = eddy::fs;
using checked = eddy::task<fs::result<void>>;
using eddy::net::tcp_stream;
using eddy::net::unix_stream;

/// Runs a coroutine, whose errors fail the test, on an event loop and on a runtime.
template <class F>
void on_each_executor(F test) {
    for (const unsigned workers : {0U, 2U}) {
        support::executor runs(workers);
        const auto done = runs.run(test());
        EXPECT_TRUE(done) << (workers == 0 ? "event loop: " : "runtime: ") << done.error().message();
    }
}

/// Returns bytes that differ at all distances that are no multiple of 251.
std::string text_of_size(std::size_t size) {
    std::string text(size, '\0');
    for (std::size_t i = 0; i < size; ++i) text[i] = static_cast<char>(i % 251 + i / 100'003);
    return text;
}

/// A file in a directory of its own.
class sample {
public:
    explicit sample(std::size_t size) : text(text_of_size(size)) { support::set_contents(path, text); }

    /// Returns whether the system says that the page cache has the whole file, so that sendfile(2) is used.
    [[nodiscard]] bool is_cached() const {
#if defined(__linux__)
        const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        std::string bytes(text.size(), '\0');
        const iovec into{bytes.data(), bytes.size()};
        const auto count = ::preadv2(fd, &into, 1, 0, RWF_NOWAIT);
        ::close(fd);
        return count == static_cast<ssize_t>(bytes.size());
#else
        return false;
#endif
    }
    /// Removes the file from the page cache, if its file system can do that.
    void make_cold() const {
        const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
        EXPECT_EQ(::fsync(fd), 0);
#ifdef POSIX_FADV_DONTNEED
        EXPECT_EQ(::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), 0);
#endif
        ::close(fd);
    }

    support::temp_dir dir;
    std::string path = dir / "file";
    std::string text;
};

template <class Stream>
eddy::task<std::string> receive_all(Stream stream) {
    std::string all;
    std::vector<char> piece(64 * 1024);
    for (;;) {
        const auto count = co_await eddy::io::read(stream, std::span(piece));
        if (!count || *count == 0) co_return all;
        all.append(piece.data(), *count);
    }
}

void set_small_buffer(int fd, int which) {
    const int size = 64 * 1024;
    EXPECT_EQ(::setsockopt(fd, SOL_SOCKET, which, &size, sizeof size), 0);
}

struct tcp_pair {
    tcp_stream first;
    tcp_stream second;
};

eddy::task<tcp_pair> connect_pair() {
    auto listener = (co_await eddy::net::tcp_listener::bind("127.0.0.1:0")).value();
    auto first = (co_await tcp_stream::connect(listener.local_addr().value())).value();
    auto accepted = (co_await listener.accept()).value();
    // Small buffers, so that a peer that does not read soon stops the sender.
    set_small_buffer(first.native_handle(), SO_SNDBUF);
    set_small_buffer(accepted.stream.native_handle(), SO_RCVBUF);
    co_return tcp_pair{std::move(first), std::move(accepted.stream)};
}

/// The bytes of a range, as send_file() defines it.
std::string_view part_of(std::string_view text, fs::file_range part) {
    const auto begin = std::min<std::uint64_t>(part.offset, text.size());
    return text.substr(begin, std::min<std::uint64_t>(part.size, text.size()));
}

// covers: B12
TEST(FsSendFile, SendsRangesToTcp) {
    const sample file(3'000'000);
    const std::vector<fs::file_range> ranges{fs::file_range(),
                                             fs::file_range(0, 0),
                                             fs::file_range(5, 1),
                                             fs::file_range(0, 131'072),
                                             fs::file_range(1'000, 2'500'000),
                                             fs::file_range(2'999'000),
                                             fs::file_range(2'999'000, 5'000),
                                             fs::file_range(3'000'000),
                                             fs::file_range(9'000'000, 7)};
    on_each_executor([&]() -> checked {
        auto opened = co_await eddy::try_(fs::file::open(file.path));
        const auto before = fs::metrics();
        std::uint64_t total = 0;
        for (const auto& part : ranges) {
            auto [stream, peer] = co_await connect_pair();
            auto received = eddy::spawn(receive_all(std::move(peer)));
            const auto sent = co_await eddy::try_(fs::send_file(stream, opened, part));
            const auto ended = co_await stream.shutdown();
            EXPECT_TRUE(ended);
            const auto all = co_await received;
            EXPECT_TRUE(all.value() == part_of(file.text, part)) << part.offset << ' ' << part.size;
            EXPECT_EQ(sent, part_of(file.text, part).size());
            total += sent;
        }
        const auto after = fs::metrics();
        EXPECT_EQ(after.sent_bytes - before.sent_bytes, file.is_cached() ? total : 0);
        EXPECT_EQ(after.copied_bytes - before.copied_bytes, file.is_cached() ? 0 : total);
        EXPECT_EQ(opened.position(), 0U);
        co_return {};
    });
}

TEST(FsSendFile, KeepsTheOrderOfWrites) {
    const sample file(300'000);
    on_each_executor([&]() -> checked {
        auto opened = co_await eddy::try_(fs::file::open(file.path));
        auto [stream, peer] = co_await connect_pair();
        auto received = eddy::spawn(receive_all(std::move(peer)));
        std::string expected;
        for (int i = 0; i < 20; ++i) {
            const auto head = "head " + std::to_string(i);
            const auto written = co_await stream.write_all(head);
            EXPECT_TRUE(written);
            const auto sent = co_await eddy::try_(fs::send_file(stream, opened, fs::file_range(1'000, 200'000)));
            EXPECT_EQ(sent, 200'000U);
            expected += head + file.text.substr(1'000, 200'000);
        }
        const auto ended = co_await stream.shutdown();
        EXPECT_TRUE(ended);
        const auto all = co_await received;
        EXPECT_TRUE(all.value() == expected);
        co_return {};
    });
}

/// Sends a file to a writer, whose other end `received` reads, and which `end` ends.
template <class W, class F>
checked send_and_compare(const sample& file, W& to, eddy::join_handle<std::string> received, F end) {
    auto opened = co_await eddy::try_(fs::file::open(file.path));
    const auto sent = co_await eddy::try_(fs::send_file(to, opened));
    EXPECT_EQ(sent, file.text.size());
    co_await end();
    const auto all = co_await received;
    EXPECT_TRUE(all.value() == file.text);
    co_return {};
}

template <class W>
auto shutdown_of(W& writer) {
    return [&writer]() -> eddy::task<void> { EXPECT_TRUE(co_await eddy::io::shutdown(writer)); };
}

TEST(FsSendFile, SendsToUnixStreamsAndHalves) {
    const sample file(1'500'000);
    on_each_executor([&]() -> checked {
        auto pair = unix_stream::pair().value();
        const auto before = fs::metrics();
        co_await eddy::try_(send_and_compare(file, pair.first, eddy::spawn(receive_all(std::move(pair.second))),
                                             shutdown_of(pair.first)));
        auto borrowed = co_await connect_pair();
        auto halves = borrowed.first.split();
        co_await eddy::try_(send_and_compare(file, halves.writer, eddy::spawn(receive_all(std::move(borrowed.second))),
                                             shutdown_of(halves.writer)));
        auto owned = co_await connect_pair();
        auto [reader, writer] = std::move(owned.first).into_split();
        co_await eddy::try_(
            send_and_compare(file, writer, eddy::spawn(receive_all(std::move(owned.second))), shutdown_of(writer)));
        const auto after = fs::metrics();
        EXPECT_EQ(after.sent_bytes - before.sent_bytes, file.is_cached() ? 3 * file.text.size() : 0);
        co_return {};
    });
}

TEST(FsSendFile, CopiesToOtherWriters) {
    const sample file(700'000);
    on_each_executor([&]() -> checked {
        const auto before = fs::metrics();
        auto ends = eddy::io::duplex(10'000);
        co_await eddy::try_(send_and_compare(file, ends.first, eddy::spawn(receive_all(std::move(ends.second))),
                                             shutdown_of(ends.first)));
        auto pair = co_await connect_pair();
        eddy::io::boxed_stream boxed(std::move(pair.first));
        co_await eddy::try_(
            send_and_compare(file, boxed, eddy::spawn(receive_all(std::move(pair.second))), shutdown_of(boxed)));
        auto opened = co_await eddy::try_(fs::file::open(file.path));
        auto copy = co_await eddy::try_(fs::file::create(file.dir / "copy"));
        const auto sent = co_await eddy::try_(fs::send_file(copy, opened, fs::file_range(1, 100'000)));
        EXPECT_EQ(sent, 100'000U);
        EXPECT_TRUE(support::contents_of(file.dir / "copy") == file.text.substr(1, 100'000));
        const auto after = fs::metrics();
        EXPECT_EQ(after.sent_bytes, before.sent_bytes);
        EXPECT_EQ(after.copied_bytes - before.copied_bytes, 2 * file.text.size() + 100'000);
        co_return {};
    });
}

/// Polls a future that sends until it waits for the peer, which does not read.
template <class F>
eddy::task<void> poll_until_blocked(F& sending) {
    for (std::uint64_t before = 1; before != sending.sent();) {
        before = sending.sent();
        // Some polls end because the coop budget is used up, or wait for a job.
        for (int i = 0; i < 20; ++i) {
            const auto is_ready = co_await support::poll_once(sending);
            EXPECT_FALSE(is_ready);
            co_await eddy::yield_now();
        }
    }
}

TEST(FsSendFile, WaitsForSlowReader) {
    const sample file(4'000'000);
    on_each_executor([&]() -> checked {
        auto opened = co_await eddy::try_(fs::file::open(file.path));
        auto [stream, peer] = co_await connect_pair();
        auto sending = fs::send_file(stream, opened);
        co_await poll_until_blocked(sending);
        EXPECT_GT(sending.sent(), 0U);
        EXPECT_LT(sending.sent(), file.text.size());
        auto received = eddy::spawn(receive_all(std::move(peer)));
        const auto sent = co_await eddy::try_(std::move(sending));
        EXPECT_EQ(sent, file.text.size());
        const auto ended = co_await stream.shutdown();
        EXPECT_TRUE(ended);
        const auto all = co_await received;
        EXPECT_TRUE(all.value() == file.text);
        co_return {};
    });
}

TEST(FsSendFile, SendsColdFile) {
    const sample file(2'000'000);
    on_each_executor([&]() -> checked {
        auto opened = co_await eddy::try_(fs::file::open(file.path));
        auto [stream, peer] = co_await connect_pair();
        file.make_cold();
        auto received = eddy::spawn(receive_all(std::move(peer)));
        const auto sent = co_await eddy::try_(fs::send_file(stream, opened));
        EXPECT_EQ(sent, file.text.size());
        const auto ended = co_await stream.shutdown();
        EXPECT_TRUE(ended);
        const auto all = co_await received;
        EXPECT_TRUE(all.value() == file.text);
        co_return {};
    });
}

TEST(FsSendFile, OtherTasksRunMeanwhile) {
    const sample file(16'000'000);
    support::executor runs(0);
    const auto done = runs.run([&]() -> checked {
        auto opened = co_await eddy::try_(fs::file::open(file.path));
        auto [stream, peer] = co_await connect_pair();
        std::uint64_t rounds = 0;
        auto other = eddy::spawn([](std::uint64_t& count) -> eddy::task<void> {
            for (;; ++count) co_await eddy::yield_now();
        }(rounds));
        auto received = eddy::spawn(receive_all(std::move(peer)));
        co_await eddy::try_(fs::send_file(stream, opened));
        other.abort();
        const auto ended = co_await stream.shutdown();
        EXPECT_TRUE(ended);
        const auto all = co_await received;
        EXPECT_TRUE(all.value() == file.text);
        EXPECT_GE(rounds, 16'000'000 / (3 << 20)) << "one poll sends at most about 3 MiB";
        co_return {};
    }());
    EXPECT_TRUE(done);
}

/// Lets SIGPIPE end the process, until it is destroyed.
class deadly_sigpipe {
public:
    deadly_sigpipe() {
        struct sigaction ends{};
        ends.sa_handler = SIG_DFL;
        ::sigaction(SIGPIPE, &ends, &before_);
    }
    deadly_sigpipe(const deadly_sigpipe&) = delete;
    deadly_sigpipe& operator=(const deadly_sigpipe&) = delete;
    ~deadly_sigpipe() { ::sigaction(SIGPIPE, &before_, nullptr); }

private:
    struct sigaction before_{};
};

// sendfile(2) sends the first pages, which the peer's system answers with a reset, raises SIGPIPE at the next ones, and
// returns the number of bytes that it has sent.
TEST(FsSendFile, PeerThatHasClosedRaisesNoSignal) {
    const sample file(4'000'000);
    const deadly_sigpipe ends;
    on_each_executor([&]() -> checked {
        auto opened = co_await eddy::try_(fs::file::open(file.path));
        for (int i = 0; i < 20; ++i) {
            support::connection pair;
            pair.peer.close();
            const auto failed = co_await fs::send_file(pair.stream, opened);
            EXPECT_FALSE(failed);
        }
        co_return {};
    });
}

TEST(FsSendFile, ResetByPeerIsAnErrorWithThePath) {
    const sample file(4'000'000);
    const deadly_sigpipe ends;
    on_each_executor([&]() -> checked {
        auto opened = co_await eddy::try_(fs::file::open(file.path));
        support::connection pair;
        set_small_buffer(pair.stream.native_handle(), SO_SNDBUF);
        set_small_buffer(pair.peer.fd(), SO_RCVBUF);
        auto sending = fs::send_file(pair.stream, opened);
        co_await poll_until_blocked(sending);
        pair.peer.reset();
        const auto failed = co_await std::move(sending);
        EXPECT_FALSE(failed);
        if (failed) co_return {};
        EXPECT_TRUE(failed.error() == std::errc::connection_reset || failed.error() == std::errc::broken_pipe)
            << failed.error().message();
        EXPECT_TRUE(failed.error().message().starts_with("send " + file.path + ": ")) << failed.error().message();
        const auto again = co_await fs::send_file(pair.stream, opened);
        EXPECT_EQ(again.error(), std::errc::broken_pipe);
        co_return {};
    });
}

TEST(FsSendFile, UnixPeerThatClosedIsAnError) {
    const sample file(100'000);
    on_each_executor([&]() -> checked {
        auto opened = co_await eddy::try_(fs::file::open(file.path));
        auto pair = unix_stream::pair().value();
        {
            const auto closed = std::move(pair.second);
        }
        const auto failed = co_await fs::send_file(pair.first, opened);
        EXPECT_EQ(failed.error(), std::errc::broken_pipe);
        co_return {};
    });
}

TEST(FsSendFile, TruncatedFileEndsEarly) {
    const sample file(4'000'000);
    on_each_executor([&]() -> checked {
        support::set_contents(file.path, file.text);
        auto opened = co_await eddy::try_(fs::file::open(file.path));
        auto [stream, peer] = co_await connect_pair();
        auto sending = fs::send_file(stream, opened);
        co_await poll_until_blocked(sending);
        const auto cut = sending.sent() + 500'000;
        EXPECT_EQ(::truncate(file.path.c_str(), static_cast<off_t>(cut)), 0);
        auto received = eddy::spawn(receive_all(std::move(peer)));
        const auto sent = co_await eddy::try_(std::move(sending));
        EXPECT_GE(sent, cut - 500'000);
        EXPECT_LE(sent, cut + 64 * 1024) << "a chunk may have been read before";
        const auto ended = co_await stream.shutdown();
        EXPECT_TRUE(ended);
        const auto all = co_await received;
        EXPECT_EQ(all.value().size(), sent);
        EXPECT_TRUE(all.value().starts_with(file.text.substr(0, cut - 500'000)));
        co_return {};
    });
}

TEST(FsSendFile, ClosedFileAndBadOffsetAreErrors) {
    const sample file(1'000);
    on_each_executor([&]() -> checked {
        auto opened = co_await eddy::try_(fs::file::open(file.path));
        auto [stream, peer] = co_await connect_pair();
        const auto far = co_await fs::send_file(stream, opened, fs::file_range(~std::uint64_t{0}));
        EXPECT_EQ(far.error(), std::errc::invalid_argument);
        co_await eddy::try_(opened.close());
        const auto failed = co_await fs::send_file(stream, opened);
        EXPECT_EQ(failed.error(), fs::errc::closed);
        EXPECT_EQ(failed.error().path(), file.path);
        co_return {};
    });
}

/// Drops a sending at a random moment, then sends the rest, until the file was sent.
eddy::task<fs::result<void>> send_in_parts(tcp_stream& stream, const std::string& path, std::uint64_t seed) {
    support::dice dice(seed);
    auto opened = co_await eddy::try_(fs::file::open(path));
    for (fs::file_range rest;;) {
        auto sending = fs::send_file(stream, opened, rest);
        bool is_ready = false;
        for (auto polls = dice.between(1, 4); polls != 0 && !is_ready; --polls) {
            if (dice.one_in(2)) co_await eddy::yield_now();
            is_ready = co_await support::poll_once(sending);
        }
        if (is_ready) break;
        rest.offset += sending.sent();
    }
    const auto ended = co_await stream.shutdown();
    EXPECT_TRUE(ended);
    co_return {};
}

TEST(FsSendFileStress, SentIsTheCountAfterADrop) {
    const sample file(5'000'000);
    const auto rounds = support::rounds(500);
    on_each_executor([&]() -> checked {
        for (std::uint64_t i = 0; i < rounds; ++i) {
            auto [stream, peer] = co_await connect_pair();
            auto received = eddy::spawn(receive_all(std::move(peer)));
            co_await eddy::try_(send_in_parts(stream, file.path, support::seed() + i));
            const auto all = co_await received;
            EXPECT_TRUE(all.value() == file.text) << "seed " << support::seed() + i;
        }
        co_return {};
    });
}

}  // namespace
