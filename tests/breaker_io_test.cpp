// SPDX-License-Identifier: MIT
// What breaks readers, writers, pipes and servers: seeks that are refused, writers that throw half way, floods in one direction,
// listeners that fail for a moment.
#include <gtest/gtest.h>

#include <unistd.h>

#include <algorithm>
#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <limits>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/io.hpp>
#include <eddy/prelude.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/test/io_mock.hpp>

#include "support/choppy_io.hpp"
#include "support/net.hpp"

namespace {

namespace io = eddy::io;
using eddy::net::serve;
using eddy::net::serve_options;
using eddy::net::unix_stream;
using eddy::sync::cancellation_token;
using eddy::test::assert_pending;
using eddy::test::by_hand;
using support::finish;
using support::within;

// ---- Seeking ----

/// A buf_reader that has the first of ten bytes taken out, and the others in its buffer.
io::buf_reader<io::cursor<std::string>> reader_after_one_byte() {
    io::buf_reader from(io::cursor(std::string("0123456789")));
    std::array<std::byte, 1> first{};
    EXPECT_EQ(finish(io::read(from, first)), 1u);
    return from;
}

TEST(BreakerBufReader, ASeekThatIsRefusedTakesNoBytes) {
    for (const auto refused : {io::seek_from::current(-2), io::seek_from::end(-11),
                               io::seek_from::start(std::numeric_limits<std::uint64_t>::max())}) {
        auto from = reader_after_one_byte();
        EXPECT_EQ(finish(io::seek(from, refused)).error(), std::errc::invalid_argument);
        EXPECT_EQ(finish(io::stream_position(from)), 1u);
        EXPECT_EQ(finish(io::read_to_string(from)), "123456789");
    }
}

TEST(BreakerBufReader, TheLargestStepsBackAndForth) {
    for (const auto offset : {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::min() + 8,
                              std::numeric_limits<std::int64_t>::max()}) {
        auto from = reader_after_one_byte();
        EXPECT_EQ(finish(io::seek(from, io::seek_from::current(offset))).error(), std::errc::invalid_argument)
            << offset;
        EXPECT_EQ(finish(io::read_to_string(from)), "123456789");
    }
}

TEST(BreakerBufReader, ASeekThatFailsLaterTakesNoBytesEither) {
    // Below a buf_writer a seek is begun when what was written has gone: so that it is refused is told by poll_seek_complete().
    io::buf_stream both(io::cursor(std::string("0123456789")));
    std::array<std::byte, 1> first{};
    EXPECT_EQ(finish(io::read(both, first)), 1u);
    EXPECT_EQ(finish(io::seek(both, io::seek_from::current(-2))).error(), std::errc::invalid_argument);
    EXPECT_EQ(finish(io::read_to_string(both)), "123456789");
    EXPECT_EQ(finish(io::seek(both, io::seek_from::end(-3))), 7u);
    EXPECT_EQ(finish(io::read_to_string(both)), "789");
}

TEST(BreakerBufReader, ASeekThatIsDroppedIsInNoDoubt) {
    auto from = reader_after_one_byte();
    EXPECT_TRUE(from.start_seek(io::seek_from::start(5)));  // and nobody asks how it ends
    EXPECT_EQ(finish(io::read_to_string(from)), "56789");
}

// ---- Writers that throw ----

/// Takes three bytes at a time, and throws at the second call, once.
class throwing_writer {
public:
    eddy::poll_result<eddy::result<std::size_t>> poll_write(eddy::context&, std::span<const std::byte> from) {
        if (++calls_ == 2) throw std::runtime_error("the second write");
        const std::size_t count = std::min<std::size_t>(from.size(), 3);
        got += support::as_text(from.first(count));
        return eddy::ok(count);
    }
    eddy::poll_result<eddy::result<void>> poll_flush(eddy::context&) { return eddy::ok(); }
    eddy::poll_result<eddy::result<void>> poll_shutdown(eddy::context&) { return eddy::ok(); }

    std::string got;

private:
    int calls_ = 0;
};

TEST(BreakerBufWriter, AWriterThatThrowsGetsNoByteTwice) {
    throwing_writer to;
    io::buf_writer buffered(std::ref(to));
    EXPECT_TRUE(finish(io::write_all(buffered, "123456789")));
    EXPECT_THROW(static_cast<void>(finish(io::flush(buffered))), std::runtime_error);
    EXPECT_EQ(support::as_text(buffered.buffered()), "456789");
    EXPECT_TRUE(finish(io::flush(buffered)));
    EXPECT_EQ(to.got, "123456789");
}

// ---- Lines ----

TEST(BreakerLines, AReturnAtTheEndOfTheTextEndsNoLine) {
    auto lines = io::lines(io::buf_reader(support::choppy_reader("a\r\nb\r")));
    EXPECT_EQ(finish(lines.next()).value(), "a");
    EXPECT_EQ(finish(lines.next()).value(), "b\r");
    EXPECT_FALSE(finish(lines.next()));
}

// ---- Copying both ways ----

TEST(BreakerCopyBidirectional, AFloodInOneDirectionLetsTheOtherPass) {
    for (const bool is_reversed : {false, true}) {
        auto flood = io::join(io::repeat(std::byte{'f'}), io::cursor(std::string()));
        auto quiet = io::join(io::cursor(std::string("ping")), io::sink());
        const auto poll_often = [](auto both) {
            by_hand copying(std::move(both));
            for (int i = 0; i < 100; ++i) assert_pending(copying.poll());
        };
        if (is_reversed) {
            poll_often(io::copy_bidirectional(quiet, flood));
        } else {
            poll_often(io::copy_bidirectional(flood, quiet));
        }
        EXPECT_EQ(flood.writer().inner(), "ping") << is_reversed;
    }
}

// ---- Pipes ----

TEST(BreakerPipeDeathTest, NoSignalIsLeftForAThreadThatBlocksIt) {
    EXPECT_EXIT(
        {
            sigset_t pipe;
            sigemptyset(&pipe);
            sigaddset(&pipe, SIGPIPE);
            std::signal(SIGPIPE, SIG_DFL);
            pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
            auto ends = eddy::net::pipe::make();
            static_cast<void>(eddy::net::pipe::receiver(std::move(ends->rx)));
            const auto count = ends->tx.try_write(support::as_bytes("x"));
            const bool is_told = !count && count.error() == std::errc::broken_pipe;
            pthread_sigmask(SIG_UNBLOCK, &pipe, nullptr);
            std::_Exit(is_told ? EXIT_SUCCESS : EXIT_FAILURE);
        },
        ::testing::ExitedWithCode(EXIT_SUCCESS), "");
}

TEST(BreakerPipeDeathTest, ASignalThatWasPendingBeforeStays) {
    EXPECT_EXIT(
        {
            sigset_t pipe;
            sigemptyset(&pipe);
            sigaddset(&pipe, SIGPIPE);
            pthread_sigmask(SIG_BLOCK, &pipe, nullptr);
            ::raise(SIGPIPE);
            auto ends = eddy::net::pipe::make();
            static_cast<void>(eddy::net::pipe::receiver(std::move(ends->rx)));
            static_cast<void>(ends->tx.try_write(support::as_bytes("x")));
            sigset_t pending;
            sigpending(&pending);
            std::_Exit(sigismember(&pending, SIGPIPE) == 1 ? EXIT_SUCCESS : EXIT_FAILURE);
        },
        ::testing::ExitedWithCode(EXIT_SUCCESS), "");
}

// ---- Moving ----

template <class T>
void assign_to_itself(T& object) {
    T& same = object;  // what the compiler does not see
    object = std::move(same);
}

TEST(BreakerSockets, AssigningOneToItselfKeepsIt) {
    eddy::core core;
    auto [first, second] = unix_stream::pair().value();
    auto [tx, rx] = eddy::net::pipe::make().value();
    eddy::net::udp_socket udp =
        eddy::net::udp_socket::bind(eddy::net::socket_addr(eddy::net::ip_addr::v4_loopback(), 0), core.handle())
            .value();
    assign_to_itself(first);
    assign_to_itself(rx);
    assign_to_itself(udp);
    EXPECT_GE(first.native_handle(), 0);
    EXPECT_GE(rx.native_handle(), 0);
    EXPECT_TRUE(udp.local_addr());
    EXPECT_EQ(first.try_write(support::as_bytes("x")), 1u);
    auto [reader, writer] = std::move(first).into_split();
    assign_to_itself(reader);
    assign_to_itself(writer);
    EXPECT_EQ(writer.try_write(support::as_bytes("y")), 1u);
    std::array<std::byte, 4> into{};
    EXPECT_EQ(second.try_read(into), 2u);
}

/// A source of a user's own.
struct some_source {
    int fd;
    [[nodiscard]] int native_handle() const noexcept { return fd; }
};

TEST(BreakerSockets, AssigningADescriptorToItselfKeepsItsRegistration) {
    eddy::core core;
    auto [first, second] = unix_stream::pair().value();
    const auto work = [&]() -> eddy::task<bool> {
        io::async_fd<some_source> fd(some_source{first.native_handle()});
        assign_to_itself(fd);
        EXPECT_EQ(second.try_write(support::as_bytes("x")), 1u);
        const auto guard = co_await fd.readable();
        co_return guard.has_value();
    };
    EXPECT_TRUE(within(core, work()));
}

// ---- Scripts ----

TEST(BreakerIoMock, AStepWithoutBytesIsNone) {
    auto [peer, script] = eddy::test::io_builder().read("").read("in").write("").write("out").build_with_handle();
    script.read("").read("more").write("").write("end");
    static_cast<void>(eddy::test::io_mock_handle(std::move(script)));
    EXPECT_TRUE(finish(io::write_all(peer, "outend")));
    EXPECT_EQ(finish(io::read_to_string(peer)), "inmore");
    peer.assert_done();
}

// ---- Serving ----

/// A listener of a user's own: `script` says what each accept answers, and then there is nobody for ever.
class scripted_listener {
public:
    struct accepted_type {
        unix_stream stream;
        int peer;
    };
    using script = std::function<eddy::poll_result<eddy::result<accepted_type>>(int)>;

    explicit scripted_listener(script says) : says_(std::move(says)) {}

    eddy::poll_result<eddy::result<accepted_type>> poll_accept(eddy::context&) { return says_(calls_++); }
    [[nodiscard]] eddy::result<int> local_addr() const noexcept { return 7; }

    static accepted_type connection(int peer) {
        auto pair = unix_stream::pair().value();
        return {std::move(pair.first), peer};
    }

private:
    script says_;
    int calls_ = 0;
};

TEST(BreakerServe, ConnectionsThatHaveEndedAreLetGoDuringAFlood) {
    eddy::core core;
    const cancellation_token end;
    const auto held = std::make_shared<int>();
    long most = 0;
    const auto flood = [&](int call) -> eddy::poll_result<eddy::result<scripted_listener::accepted_type>> {
        most = std::max(most, held.use_count());
        if (call == 5000) end.cancel();
        return eddy::result<scripted_listener::accepted_type>(scripted_listener::connection(call));
    };
    const auto handler = [&](unix_stream) -> eddy::task<std::shared_ptr<int>> { co_return held; };
    const auto done = within(core, serve(scripted_listener(flood), handler, serve_options().shutdown(end)));
    EXPECT_GE(done.value().accepted, 5000u);
    EXPECT_LT(most, 1000);
}

TEST(BreakerServe, AConnectionThatIsGoneBeforeItIsAcceptedEndsNoServer) {
    for (const auto gone : {std::errc::connection_aborted, std::errc::connection_reset}) {
        eddy::core core;
        const cancellation_token end;
        const auto says = [&](int call) -> eddy::poll_result<eddy::result<scripted_listener::accepted_type>> {
            using answer = eddy::result<scripted_listener::accepted_type>;
            if (call == 0) return answer(std::unexpect, std::make_error_code(gone));
            if (call == 1) return answer(scripted_listener::connection(call));
            return eddy::not_ready;
        };
        const auto handler = [&](unix_stream) { end.cancel(); };
        const auto done = within(core, serve(scripted_listener(says), handler, serve_options().shutdown(end)));
        ASSERT_TRUE(done) << done.error().message();
        EXPECT_EQ(done->accepted, 1u);
    }
}

}  // namespace
