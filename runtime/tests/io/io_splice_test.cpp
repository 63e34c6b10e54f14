// SPDX-License-Identifier: MIT
// io::copy() between pipes and streams, which Linux makes inside the kernel.
// covers: P045
// runs: asan
#include <eddy/prelude.hpp>

#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/future/join.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/io.hpp>
#include <support/dice.hpp>
#include <support/net.hpp>
#include <support/stress.hpp>

namespace {

namespace pipe = eddy::net::pipe;
using eddy::net::tcp_stream;
using eddy::net::unix_stream;
using support::bytes_of;
using support::text_of;
using support::within;

constexpr std::size_t total = 3U << 20;

std::vector<std::byte> numbered(std::size_t size) {
    std::vector<std::byte> bytes(size);
    std::uint32_t state = 1;
    for (auto& byte : bytes) {
        state = state * 1'664'525 + 1'013'904'223;
        byte = static_cast<std::byte>(state >> 24);
    }
    return bytes;
}

/// Writes in pieces of random sizes, then ends the stream.
template <class W>
eddy::task<void> feed(W to, std::span<const std::byte> bytes, support::dice& random) {
    while (!bytes.empty()) {
        const auto piece = bytes.first(std::min<std::size_t>(bytes.size(), 1 + random.below(100'000)));
        const auto written = co_await to.write_all(piece);
        if (!written) co_return;
        bytes = bytes.subspan(piece.size());
        if (random.below(4) == 0) co_await eddy::yield_now();
    }
    static_cast<void>(co_await to.shutdown());
}

template <class R>
eddy::task<std::vector<std::byte>> read_all(R from, support::dice& random) {
    std::vector<std::byte> got, into(100'000);
    for (;;) {
        const auto count = co_await from.read(std::span(into).first(1 + random.below(into.size())));
        if (!count || *count == 0) co_return got;
        got.insert(got.end(), into.begin(), into.begin() + static_cast<std::ptrdiff_t>(*count));
        if (random.below(4) == 0) co_await eddy::yield_now();
    }
}

/// Copies everything, and drops and repeats the copy at random if `drops`.
template <class R, class W>
eddy::task<std::uint64_t> copy_all(R from, W to, support::dice& random, bool drops) {
    for (std::uint64_t before = 0;;) {
        auto copying = eddy::io::copy(from, to, 512);
        auto polls = drops ? 1 + random.below(3) : ~std::size_t{0};
        auto some = eddy::poll_fn([&](eddy::context& cx) -> eddy::poll_result<bool> {
            const auto done = copying.poll(cx);
            if (done) {
                EXPECT_TRUE(*done);
                return true;
            }
            if (--polls == 0) return false;
            return eddy::not_ready;
        });
        const bool ended = co_await some;
        before += copying.count();
        if (ended) {
            static_cast<void>(co_await to.shutdown());
            co_return before;
        }
        co_await eddy::yield_now();
    }
}

/// One side writes to `first`, a copy runs from `from` to `to`, and the other side reads from `last`.
template <class First, class From, class To, class Last>
void expect_copied(First first, From from, To to, Last last, bool drops) {
    eddy::core core;
    support::dice random(support::seed());
    const auto bytes = numbered(total);
    auto all = eddy::join(feed(std::move(first), bytes, random),
                          copy_all(std::move(from), std::move(to), random, drops), read_all(std::move(last), random));
    const auto results = within(core, std::move(all));
    EXPECT_EQ(results.second, total);
    EXPECT_TRUE(results.third == bytes);
}

struct tcp_pair {
    tcp_stream first;
    tcp_stream second;

    tcp_pair() : tcp_pair(support::connection()) {}

private:
    explicit tcp_pair(support::connection&& made)
        : first(std::move(made.stream)), second(adopted(std::move(made.peer))) {}
    static tcp_stream adopted(support::raw_socket peer) {
        peer.set_nonblocking();
        return tcp_stream::from_native(peer.release()).value();
    }
};

// covers: B12
TEST(IoSplice, CopiesAllBytesBetweenPipesAndStreams) {
    const support::leaves_no_descriptor guard;
    {
        auto in = pipe::make().value();
        auto out = unix_stream::pair().value();
        expect_copied(std::move(in.tx), std::move(in.rx), std::move(out.first), std::move(out.second), false);
    }
    {
        auto in = unix_stream::pair().value();
        auto out = pipe::make().value();
        expect_copied(std::move(in.first), std::move(in.second), std::move(out.tx), std::move(out.rx), false);
    }
    {
        auto in = pipe::make().value();
        tcp_pair out;
        expect_copied(std::move(in.tx), std::move(in.rx), std::move(out.first), std::move(out.second), false);
    }
    {
        tcp_pair in;
        auto out = pipe::make().value();
        expect_copied(std::move(in.first), std::move(in.second), std::move(out.tx), std::move(out.rx), false);
    }
    {
        auto in = pipe::make().value();
        auto out = pipe::make().value();
        expect_copied(std::move(in.tx), std::move(in.rx), std::move(out.tx), std::move(out.rx), false);
    }
}

#if defined(__linux__)  // elsewhere a copy has a buffer, and loses what is in it

TEST(IoSplice, HalvesAreSpliced) {
    auto in = pipe::make().value();
    auto out = unix_stream::pair().value();
    auto halves = std::move(out.first).into_split();
    expect_copied(std::move(in.tx), std::move(in.rx), std::move(halves.writer), std::move(out.second), true);
}

// A copy through a buffer would lose bytes. With io_uring, a TCP connection is copied so.
TEST(IoSplice, DroppedCopyLosesNothing) {
    for (int round = 0; round != 3; ++round) {
        auto pipes = pipe::make().value();
        auto streams = unix_stream::pair().value();
        expect_copied(std::move(pipes.tx), std::move(pipes.rx), std::move(streams.first), std::move(streams.second),
                      true);
        auto more = pipe::make().value();
        auto others = unix_stream::pair().value();
        expect_copied(std::move(others.first), std::move(others.second), std::move(more.tx), std::move(more.rx), true);
    }
}

#endif

// Without a handler, SIGPIPE would end the test.
TEST(IoSplice, ResetPeerIsAnErrorWithoutSignal) {
    {
        eddy::core core;
        support::connection to;
        auto from = pipe::make().value();
        to.peer.reset();
        within(core, from.tx.write_all("hello")).value();
        const auto copied = within(core, eddy::io::copy(from.rx, to.stream));
        ASSERT_FALSE(copied);
        EXPECT_TRUE(copied.error() == std::errc::connection_reset || copied.error() == std::errc::broken_pipe)
            << copied.error().message();
    }
    {
        eddy::core core;
        auto to = unix_stream::pair().value();
        auto from = pipe::make().value();
        {
            const auto gone = std::move(to.second);
        }
        within(core, from.tx.write_all("hello")).value();
        EXPECT_EQ(within(core, eddy::io::copy(from.rx, to.first)).error(), std::errc::broken_pipe);
    }
    {
        eddy::core core;
        auto from = unix_stream::pair().value();
        auto to = pipe::make().value();
        {
            const auto gone = std::move(to.rx);
        }
        within(core, from.first.write_all("hello")).value();
        EXPECT_EQ(within(core, eddy::io::copy(from.second, to.tx)).error(), std::errc::broken_pipe);
    }
}

TEST(IoSplice, ReaderThatIsResetIsAnError) {
    eddy::core core;
    support::connection from;
    auto to = pipe::make().value();
    from.peer.send("hello");
    auto copying = eddy::io::copy(from.stream, to.tx);
    auto reset = [](support::connection& ends, pipe::receiver& rx) -> eddy::task<std::string> {
        std::string got(5, ' ');
        EXPECT_TRUE(co_await rx.read_exact(got));
        ends.peer.reset();
        co_return got;
    };
    const auto results = within(core, eddy::join(std::move(copying), reset(from, to.rx)));
    EXPECT_EQ(results.first.error(), std::errc::connection_reset);
    EXPECT_EQ(results.second, "hello");
}

TEST(IoSplice, PeerThatClosesAPipeWakesAWaitingCopy) {
    eddy::core core;
    auto from = unix_stream::pair().value();
    auto to = pipe::make().value();
    auto fill = [](unix_stream& stream) -> eddy::task<void> {
        const auto bytes = numbered(total);
        static_cast<void>(co_await eddy::time::timeout(std::chrono::milliseconds(1), stream.write_all(bytes)));
    };
    within(core, fill(from.first));
    auto close = [](pipe::receiver rx) -> eddy::task<void> {
        for (int i = 0; i != 10; ++i) co_await eddy::yield_now();
        static_cast<void>(rx);
    };
    auto copying = eddy::io::copy(from.second, to.tx);
    const auto results = within(core, eddy::join(std::move(copying), close(std::move(to.rx))));
    EXPECT_EQ(results.first.error(), std::errc::broken_pipe);
}

// splice(2) does not pass an urgent byte.
TEST(IoSplice, UrgentByteDoesNotStopTheCopy) {
    eddy::core core;
    support::connection from;
    auto to = pipe::make().value();
    from.peer.send("before ");
    from.peer.send_urgent('!');
    from.peer.send("after");
    from.peer.shutdown();
    from.peer.wait_for(POLLOUT);
    EXPECT_EQ(within(core, eddy::io::copy(from.stream, to.tx)).value(), 12u);
    std::string got(12, ' ');
    within(core, to.rx.read_exact(got)).value();
    EXPECT_EQ(got, "before after");
}

// splice(2) refuses such a descriptor.
TEST(IoSplice, AppendingDescriptorIsCopied) {
    auto from = unix_stream::pair().value();
    auto to = pipe::make().value();
    ASSERT_EQ(::fcntl(to.tx.native_handle(), F_SETFL, O_APPEND | O_NONBLOCK), 0);
    expect_copied(std::move(from.first), std::move(from.second), std::move(to.tx), std::move(to.rx), false);
}

/// A stream whose reads do more than those of its base.
class counting_stream : public unix_stream {
public:
    counting_stream(unix_stream&& base, std::size_t& count) noexcept : unix_stream(std::move(base)), count_(&count) {}
    eddy::poll_result<eddy::result<std::size_t>> poll_read(eddy::context& cx, std::span<std::byte> into) {
        auto count = unix_stream::poll_read(cx, into);
        if (count && *count) *count_ += **count;
        return count;
    }

private:
    std::size_t* count_;
};

TEST(IoSplice, DerivedStreamIsReadByItsOwnFunction) {
    std::size_t count = 0;
    auto from = unix_stream::pair().value();
    auto to = pipe::make().value();
    expect_copied(std::move(from.first), counting_stream(std::move(from.second), count), std::move(to.tx),
                  std::move(to.rx), false);
    EXPECT_EQ(count, total);
}

TEST(IoSplice, EmptyStreamIsMisuse) {
    eddy::core core;
    auto from = unix_stream::pair().value();
    auto to = pipe::make().value();
    {
        const auto gone = std::move(to.tx);
    }
    EXPECT_THROW(within(core, eddy::io::copy(from.first, to.tx)), eddy::misuse);
}

}  // namespace
