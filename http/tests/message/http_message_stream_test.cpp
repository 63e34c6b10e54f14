// SPDX-License-Identifier: MIT
// The connection of HTTP with its buffers, and its end, over a stream that follows a script.
// runs: once
#include <eddy/http.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>
#include <eddy/time.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include "h1/message_stream.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::context;
using eddy::not_ready;
using eddy::poll_result;
using eddy::result;
using eddy::task;
using eddy::detail::connection_end;
using eddy::detail::message_stream;
using eddy::time::clock;
namespace io = eddy::io;

const auto broken = std::make_error_code(std::errc::connection_reset);

/// What a stream receives, and what was done with it.
struct script {
    std::deque<result<std::string>> input;                       // each element is a read; an empty text is the end
    bool is_endless = false;                                     // full reads follow
    std::size_t room = std::numeric_limits<std::size_t>::max();  // for output
    std::error_code write_failure;
    std::error_code flush_failure;
    std::string output;
    std::size_t received = 0;
    int flushes = 0;
    int shutdowns = 0;
    eddy::waker reader;
    eddy::waker writer;

    script() {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
    void receive(std::string text) {
        input.emplace_back(std::move(text));
        std::exchange(reader, eddy::waker()).wake();
    }
    void fail(std::error_code why) { input.emplace_back(std::unexpect, why); }
    void make_room(std::size_t bytes) {
        room = bytes;
        std::exchange(writer, eddy::waker()).wake();
    }
};

class scripted_stream {
public:
    explicit scripted_stream(std::shared_ptr<script> by) : by_(std::move(by)) {}

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) {
        if (by_->input.empty() && !by_->is_endless) {
            by_->reader = cx.waker();
            return not_ready;
        }
        if (by_->input.empty()) {
            by_->received += into.size();
            return eddy::ok(into.size());
        }
        auto next = std::move(by_->input.front());
        by_->input.pop_front();
        if (!next) return result<std::size_t>(std::unexpect, next.error());
        std::ranges::copy(std::as_bytes(std::span(*next)), into.begin());
        by_->received += next->size();
        return eddy::ok(next->size());
    }
    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from) {
        if (by_->write_failure) return result<std::size_t>(std::unexpect, by_->write_failure);
        const auto count = std::min(from.size(), by_->room);
        if (count == 0) {
            by_->writer = cx.waker();
            return not_ready;
        }
        by_->room -= count;
        by_->output.append(reinterpret_cast<const char*>(from.data()), count);
        return eddy::ok(count);
    }
    poll_result<result<void>> poll_flush(context&) {
        ++by_->flushes;
        if (by_->flush_failure) return result<void>(std::unexpect, by_->flush_failure);
        return eddy::ok();
    }
    poll_result<result<void>> poll_shutdown(context&) {
        ++by_->shutdowns;
        return eddy::ok();
    }

private:
    std::shared_ptr<script> by_;
};

/// A message_stream over a script.
struct connection {
    connection() : by(std::make_shared<script>()), stream(io::boxed_stream(scripted_stream(by)), 5s) {}

    task<result<std::size_t>> fill() {
        auto filling = eddy::poll_fn([this](context& cx) { return stream.poll_fill(cx); });
        co_return co_await filling;
    }
    task<bool> ahead(std::size_t most) {
        auto receiving =
            eddy::poll_fn([this, most](context& cx) -> poll_result<bool> { return stream.poll_ahead(cx, most); });
        co_return co_await receiving;
    }
    task<result<void>> flush() {
        auto flushing = eddy::poll_fn([this](context& cx) { return stream.poll_flush(cx); });
        co_return co_await flushing;
    }
    task<void> end_writing() {
        auto ending = eddy::poll_fn([this](context& cx) -> poll_result<bool> {
            stream.end_writing(cx);
            return true;
        });
        static_cast<void>(co_await ending);
    }
    /// Ends the connection, and returns how long that takes.
    task<eddy::time::duration> end(std::optional<std::chrono::nanoseconds> limit) {
        const auto begin = clock::now();
        connection_end ending(stream, limit);
        co_await ending;
        co_return clock::now() - begin;
    }

    std::shared_ptr<script> by;
    message_stream stream;
};

template <class F>
void with_connection(F test) {
    eddy::test::run_paused([&]() -> task<void> {
        connection one;
        co_await test(one);
    });
}

TEST(HttpMessageStream, BytesArriveAfterATimeout) {
    with_connection([](connection& one) -> task<void> {
        const auto begin = clock::now();
        auto count = co_await one.fill();
        EXPECT_EQ(count.error(), eddy::errc::timed_out);
        EXPECT_EQ(clock::now() - begin, 5s);
        EXPECT_FALSE(one.stream.is_broken());
        one.by->receive("late");
        count = co_await one.fill();
        EXPECT_EQ(count, 4U);
        EXPECT_EQ(one.stream.in(), "late");
    });
}

TEST(HttpMessageStream, ErrorOfTheConnectionIsReturnedAgain) {
    with_connection([](connection& one) -> task<void> {
        one.by->fail(broken);
        one.by->receive("x");
        EXPECT_FALSE(one.stream.is_broken());
        for (int i = 0; i < 2; ++i) {
            const auto count = co_await one.fill();
            EXPECT_EQ(count.error(), broken);
            EXPECT_TRUE(one.stream.is_broken());
        }
        const auto is_full = co_await one.ahead(10);
        EXPECT_FALSE(is_full);
        EXPECT_EQ(one.stream.in(), "");
        EXPECT_FALSE(one.stream.has_ended());
    });
}

TEST(HttpMessageStream, ReceivesAheadUpToALimit) {
    with_connection([](connection& one) -> task<void> {
        for (const char* const text : {"abc", "def", "ghi", ""}) one.by->receive(text);
        auto is_full = co_await one.ahead(6);
        EXPECT_TRUE(is_full);
        EXPECT_EQ(one.stream.in(), "abcdef");
        is_full = co_await one.ahead(6);
        EXPECT_TRUE(is_full);
        one.stream.consume(4);
        one.stream.consume(0);
        EXPECT_EQ(one.stream.in(), "ef");
        is_full = co_await one.ahead(6);
        EXPECT_FALSE(is_full);
        EXPECT_EQ(one.stream.in(), "efghi");
        EXPECT_TRUE(one.stream.has_ended());
        one.by->receive("never read");
        is_full = co_await one.ahead(6);
        EXPECT_FALSE(is_full);
        one.stream.consume_until("hi");
        EXPECT_EQ(one.stream.in(), "hi");
    });
}

TEST(HttpMessageStream, FlushSendsAllAndFlushesOnce) {
    with_connection([](connection& one) -> task<void> {
        auto flushed = co_await one.flush();
        EXPECT_TRUE(flushed.has_value());
        EXPECT_EQ(one.by->flushes, 0) << "there was nothing to send";
        one.stream.out() = "hello";
        EXPECT_TRUE(one.stream.has_unsent());
        one.by->room = 2;
        auto flushing = eddy::spawn(one.flush());
        co_await eddy::yield_now();
        EXPECT_EQ(one.by->output, "he");
        EXPECT_EQ(one.stream.sent(), 2U);
        EXPECT_EQ(one.by->flushes, 0);
        one.by->make_room(10);
        flushed = (co_await std::move(flushing)).value();
        EXPECT_TRUE(flushed.has_value());
        EXPECT_EQ(one.by->output, "hello");
        EXPECT_EQ(one.stream.sent(), 5U);
        EXPECT_EQ(one.by->flushes, 1);
        EXPECT_FALSE(one.stream.has_unsent());
        one.stream.out() = "x";
        one.by->flush_failure = broken;
        flushed = co_await one.flush();
        EXPECT_EQ(flushed.error(), broken);
        one.stream.out() = "y";
        one.by->write_failure = broken;
        flushed = co_await one.flush();
        EXPECT_EQ(flushed.error(), broken);
        EXPECT_TRUE(one.stream.has_unsent());
        one.stream.discard_unsent();
        EXPECT_FALSE(one.stream.has_unsent());
    });
}

TEST(HttpMessageStream, SendingHasATimeLimit) {
    with_connection([](connection& one) -> task<void> {
        one.stream.out() = "hello";
        one.by->room = 0;
        const auto begin = clock::now();
        const auto flushed = co_await one.flush();
        EXPECT_EQ(flushed.error(), eddy::errc::timed_out);
        EXPECT_EQ(clock::now() - begin, 5s);
    });
}

TEST(HttpMessageStream, WritingEndsOnlyAfterAllWasSent) {
    struct test_case {
        std::size_t room;
        std::error_code write_failure;
        std::error_code flush_failure;
        int shutdowns;
    };
    for (const auto& [room, write_failure, flush_failure, shutdowns] :
         std::vector<test_case>{{2, {}, {}, 1}, {1, {}, {}, 0}, {2, broken, {}, 0}, {2, {}, broken, 0}}) {
        with_connection([&](connection& one) -> task<void> {
            one.stream.out() = "ab";
            one.by->room = room;
            one.by->write_failure = write_failure;
            one.by->flush_failure = flush_failure;
            co_await one.end_writing();
            EXPECT_EQ(one.by->shutdowns, shutdowns);
        });
    }
}

TEST(HttpMessageStream, ReleasedConnectionReturnsTheReceivedBytesFirst) {
    with_connection([](connection& one) -> task<void> {
        one.by->receive("abcdef");
        const auto count = co_await one.fill();
        EXPECT_EQ(count, 6U);
        one.stream.consume(2);
        one.by->receive("gh");
        one.by->receive("");
        auto rest = one.stream.release();
        std::string got;
        for (;;) {
            std::array<std::byte, 3> some{};
            const auto size = co_await io::read(rest, some);
            if (size.value() == 0) break;
            got.append(reinterpret_cast<const char*>(some.data()), *size).append("|");
        }
        EXPECT_EQ(got, "cde|f|gh|");
        const auto sent = co_await io::write_all(rest, std::string_view("out"));
        EXPECT_TRUE(sent.has_value());
        EXPECT_EQ(one.by->output, "out");
    });
}

// ---- The end ----

TEST(HttpMessageStream, EndWithoutALimitDoesNotRead) {
    with_connection([](connection& one) -> task<void> {
        one.stream.out() = "bye";
        one.by->is_endless = true;
        const auto time = co_await one.end(std::nullopt);
        EXPECT_EQ(time, 0s);
        EXPECT_EQ(one.by->output, "bye");
        EXPECT_EQ(one.by->shutdowns, 1);
        EXPECT_EQ(one.by->received, 0U);
    });
}

TEST(HttpMessageStream, EndWaitsForThePeer) {
    for (const auto after : {0s, 1s, 3s}) {
        with_connection([after](connection& one) -> task<void> {
            one.stream.out() = "bye";
            auto ending = eddy::spawn(one.end(2s));
            co_await eddy::yield_now();
            EXPECT_EQ(one.by->output, "bye");
            EXPECT_EQ(one.by->shutdowns, 1);
            co_await eddy::time::sleep(after);
            one.by->receive("x");
            one.by->receive("");
            const auto time = (co_await std::move(ending)).value();
            EXPECT_EQ(time, std::min<eddy::time::duration>(after, 2s));
        });
    }
}

TEST(HttpMessageStream, EndNeedsNoWaitIfThePeerHasEnded) {
    with_connection([](connection& one) -> task<void> {
        one.by->receive("rest");
        one.by->receive("");
        const auto time = co_await one.end(2s);
        EXPECT_EQ(time, 0s);
        EXPECT_EQ(one.by->shutdowns, 1);
    });
}

TEST(HttpMessageStream, EndReceivesWhileItSends) {
    with_connection([](connection& one) -> task<void> {
        one.stream.out() = "bye";
        one.by->room = 0;
        auto ending = eddy::spawn(one.end(2s));
        co_await eddy::time::sleep(1s);
        one.by->receive("x");
        co_await eddy::yield_now();
        EXPECT_EQ(one.by->received, 1U);
        EXPECT_EQ(one.by->shutdowns, 0);
        one.by->make_room(3);
        const auto time = (co_await std::move(ending)).value();
        EXPECT_EQ(time, 3s) << "the limit begins when all was sent";
        EXPECT_EQ(one.by->shutdowns, 1);
    });
}

TEST(HttpMessageStream, FailureEndsTheWaitForThePeer) {
    with_connection([](connection& one) -> task<void> {
        one.stream.out() = "bye";
        one.by->write_failure = broken;
        const auto time = co_await one.end(2s);
        EXPECT_EQ(time, 0s);
        EXPECT_EQ(one.by->shutdowns, 0);
    });
    with_connection([](connection& one) -> task<void> {
        one.by->fail(broken);
        const auto time = co_await one.end(2s);
        EXPECT_EQ(time, 0s);
        EXPECT_EQ(one.by->shutdowns, 1);
    });
}

TEST(HttpMessageStream, EndDiscardsALimitedNumberOfBytes) {
    constexpr std::size_t most = std::size_t{64} << 20;
    constexpr std::size_t read = message_stream::read_size;
    for (const std::size_t unread : {0U, 1U}) {
        with_connection([unread](connection& one) -> task<void> {
            if (unread != 0) {
                one.by->receive(std::string(unread, 'x'));
                static_cast<void>(co_await one.fill());
                one.by->received = 0;
            }
            one.by->is_endless = true;
            const auto time = co_await one.end(2s);
            EXPECT_EQ(time, 0s);
            EXPECT_EQ(one.by->received, unread == 0 ? most + read : most);
        });
    }
}

}  // namespace
