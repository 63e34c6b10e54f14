// SPDX-License-Identifier: MIT
#include <eddy/runtime/wait.hpp>
#include <eddy/sink.hpp>
#include <eddy/stream.hpp>
#include <eddy/test/by_hand.hpp>

#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <deque>
#include <expected>
#include <functional>
#include <memory>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

#include "support/polling.hpp"
#include "support/stress.hpp"

namespace {

namespace streams = eddy::streams;
using eddy::result;
using eddy::test::assert_pending;
using eddy::test::assert_ready;
using eddy::test::by_hand;

/// A stream and sink with a limited capacity. Yields the sent items in order. The halves must provide a lock, because
/// this class has none.
class echo : public eddy::stream_ops<echo>, public eddy::sink_ops<echo> {
public:
    using item_type = std::uint64_t;
    using error_type = std::error_code;

    explicit echo(std::size_t room) : room_(room) {}

    eddy::poll_result<std::optional<std::uint64_t>> poll_next(eddy::context& cx) {
        ++polls_;
        if (!items_.empty()) {
            const std::uint64_t item = items_.front();
            items_.pop_front();
            std::exchange(writer_, eddy::waker()).wake();
            return std::optional(item);
        }
        if (closed_) return std::nullopt;
        reader_ = cx.waker();
        return eddy::not_ready;
    }
    eddy::poll_result<result<void>> poll_ready(eddy::context& cx) {
        ++polls_;
        if (items_.size() < room_) return eddy::ok();
        writer_ = cx.waker();
        return eddy::not_ready;
    }
    result<void> start_send(std::uint64_t item) {
        items_.push_back(item);
        std::exchange(reader_, eddy::waker()).wake();
        return {};
    }
    eddy::poll_result<result<void>> poll_flush(eddy::context&) { return eddy::ok(); }
    eddy::poll_result<result<void>> poll_close(eddy::context&) {
        closed_ = true;
        std::exchange(reader_, eddy::waker()).wake();
        return eddy::ok();
    }

    [[nodiscard]] std::uint64_t polls() const noexcept { return polls_; }

private:
    std::size_t room_;
    std::deque<std::uint64_t> items_;
    bool closed_ = false;
    std::uint64_t polls_ = 0;
    eddy::waker reader_;
    eddy::waker writer_;
};

// covers: S91
TEST(StreamSplit, HalvesWorkInTwoTasks) {
    auto halves = streams::split<std::uint64_t>(echo(1));
    by_hand next{halves.reader.next()};
    assert_pending(next.poll());
    EXPECT_TRUE(assert_ready(by_hand{halves.writer.send(std::uint64_t{7})}.poll()));
    EXPECT_TRUE(next.is_woken());
    EXPECT_EQ(assert_ready(next.poll()), 7u);
    EXPECT_TRUE(assert_ready(by_hand{halves.writer.feed(std::uint64_t{8})}.poll())) << "kept in the half";
    EXPECT_TRUE(assert_ready(by_hand{halves.writer.flush()}.poll()));
    EXPECT_TRUE(assert_ready(by_hand{halves.writer.feed(std::uint64_t{9})}.poll()));
    by_hand third{halves.writer.feed(std::uint64_t{10})};
    assert_pending(third.poll());
    EXPECT_EQ(assert_ready(by_hand{halves.reader.next()}.poll()), 8u);
    EXPECT_TRUE(third.is_woken());
    EXPECT_TRUE(assert_ready(third.poll()));
}

TEST(StreamSplit, HalfWorksAfterTheOtherIsDropped) {
    std::optional halves(streams::split<std::uint64_t>(echo(1)));
    auto reader = std::move(halves->reader);
    {
        auto writer = std::move(halves->writer);
        EXPECT_TRUE(assert_ready(by_hand{writer.send(std::uint64_t{7})}.poll()));
        EXPECT_TRUE(assert_ready(by_hand{writer.close()}.poll()));
    }
    halves.reset();
    EXPECT_EQ(assert_ready(by_hand{reader.next()}.poll()), 7u);
    EXPECT_EQ(assert_ready(by_hand{reader.next()}.poll()), std::nullopt);
}

TEST(StreamSplit, SecondStartSendWithoutPollReadyIsMisuse) {
    auto halves = streams::split<std::uint64_t>(echo(1));
    EXPECT_TRUE(halves.writer.start_send(std::uint64_t{7}));
    EXPECT_TRUE(support::text_of_misuse([&] {
                    static_cast<void>(halves.writer.start_send(std::uint64_t{8}));
                }).contains("poll_ready()"));
}

TEST(StreamSplit, ReuniteAcceptsOnlyTwoHalvesOfOneObject) {
    auto first = streams::split<std::uint64_t>(echo(1));
    auto second = streams::split<std::uint64_t>(echo(1));
    assert_pending(by_hand{first.reader.next()}.poll());
    EXPECT_EQ(reunite(std::move(first.reader), std::move(first.writer)).polls(), 1u);
    auto third = streams::split<std::uint64_t>(echo(1));
    EXPECT_TRUE(support::text_of_misuse([&] {
                    static_cast<void>(reunite(std::move(second.reader), std::move(third.writer)));
                }).contains("belong to different objects"));
    EXPECT_TRUE(support::text_of_misuse([&] {
                    static_cast<void>(by_hand{second.reader.next()}.poll());  // NOLINT: a moved-from half is tested
                }).contains("moved from"));
    EXPECT_TRUE(support::text_of_misuse([&] {
                    static_cast<void>(by_hand{third.writer.flush()}.poll());  // NOLINT: a moved-from half is tested
                }).contains("moved from"));
}

/// A stream and sink whose poll_next calls a function. The function polls the other half, as another thread could do.
struct polls_other_half : eddy::stream_ops<polls_other_half>, eddy::sink_ops<polls_other_half> {
    using item_type = int;
    using error_type = std::error_code;
    std::function<void()>* meanwhile;
    explicit polls_other_half(std::function<void()>& f) : meanwhile(&f) {}
    eddy::poll_result<std::optional<int>> poll_next(eddy::context&) {
        (*meanwhile)();
        return std::optional(1);
    }
    eddy::poll_result<result<void>> poll_ready(eddy::context&) { return eddy::ok(); }
    result<void> start_send(int) { return {}; }
    eddy::poll_result<result<void>> poll_flush(eddy::context&) { return eddy::ok(); }
    eddy::poll_result<result<void>> poll_close(eddy::context&) { return eddy::ok(); }
};

TEST(StreamSplit, HalfIsWokenWhenTheOtherReleasesTheLock) {
    std::function<void()> meanwhile;
    auto halves = streams::split<int>(polls_other_half(meanwhile));
    by_hand flush{halves.writer.flush()};
    std::uint64_t wakes_inside = 1;
    meanwhile = [&] {
        assert_pending(flush.poll());
        assert_pending(flush.poll());
        wakes_inside = flush.wakes();
    };
    EXPECT_EQ(assert_ready(by_hand{halves.reader.next()}.poll()), 1);
    EXPECT_EQ(wakes_inside, 0u);
    EXPECT_EQ(flush.wakes(), 1u);
    EXPECT_EQ(flush.wakers(), 0u);
    EXPECT_TRUE(assert_ready(flush.poll()));
    meanwhile = [] { throw std::runtime_error("inside"); };
    EXPECT_THROW(static_cast<void>(by_hand{halves.reader.next()}.poll()), std::runtime_error);
    EXPECT_TRUE(assert_ready(by_hand{halves.writer.flush()}.poll())) << "the lock was released";
}

// covers: S91
TEST(StreamSplitStress, TwoThreadsSendAndReceive) {
    auto halves = streams::split<std::uint64_t>(echo(3));
    std::uint64_t count = 0;
    std::uint64_t expected = 0;
    {
        std::jthread sender([&count, writer = std::move(halves.writer)]() mutable {
            for (support::handover_rounds rounds(1'000'000); rounds.next(); ++count) {
                ASSERT_TRUE(eddy::wait(writer.send(count)));
            }
            ASSERT_TRUE(eddy::wait(writer.close()));
        });
        while (auto item = eddy::wait(halves.reader.next())) {
            ASSERT_EQ(*item, expected);
            ++expected;
        }
    }
    EXPECT_EQ(expected, count);
}

TEST(StreamSplit, FlushAndCloseWaitUntilTheKeptItemIsSent) {
    auto halves = streams::split<std::uint64_t>(echo(1));
    EXPECT_TRUE(assert_ready(by_hand{halves.writer.send(std::uint64_t{1})}.poll()));
    EXPECT_TRUE(assert_ready(by_hand{halves.writer.feed(std::uint64_t{2})}.poll())) << "kept in the half";
    by_hand flush{halves.writer.flush()};
    assert_pending(flush.poll());
    EXPECT_EQ(assert_ready(by_hand{halves.reader.next()}.poll()), 1u);
    EXPECT_TRUE(flush.is_woken());
    EXPECT_TRUE(assert_ready(flush.poll()));
    EXPECT_TRUE(assert_ready(by_hand{halves.writer.feed(std::uint64_t{3})}.poll()));
    by_hand close{halves.writer.close()};
    assert_pending(close.poll());
    EXPECT_EQ(assert_ready(by_hand{halves.reader.next()}.poll()), 2u);
    EXPECT_TRUE(assert_ready(close.poll()));
    EXPECT_EQ(assert_ready(by_hand{halves.reader.next()}.poll()), 3u);
    EXPECT_EQ(assert_ready(by_hand{halves.reader.next()}.poll()), std::nullopt);
}

/// A stream and sink whose poll_next (at the first call) and start_send throw while a half holds the lock.
class throwing_both : public eddy::stream_ops<throwing_both> {
public:
    using item_type = int;
    using error_type = std::error_code;
    using outcome = std::expected<void, std::error_code>;

    explicit throwing_both(int& polls) noexcept : polls_(&polls) {}
    eddy::poll_result<std::optional<int>> poll_next(eddy::context&) {
        if (++*polls_ == 1) throw std::runtime_error("on purpose");
        return std::optional<int>(*polls_);
    }
    eddy::poll_result<outcome> poll_ready(eddy::context&) { return outcome(); }
    outcome start_send(int) { throw std::runtime_error("on purpose"); }
    eddy::poll_result<outcome> poll_flush(eddy::context&) { return outcome(); }
    eddy::poll_result<outcome> poll_close(eddy::context&) { return outcome(); }

private:
    int* polls_;
};

/// A stream and sink that accepts no item.
class refuses_items : public eddy::stream_ops<refuses_items>, public eddy::sink_ops<refuses_items> {
public:
    using item_type = int;
    using error_type = std::error_code;
    static result<void> refused() { return result<void>(std::unexpect, std::make_error_code(std::errc::broken_pipe)); }

    static eddy::poll_result<std::optional<int>> poll_next(eddy::context&) { return std::nullopt; }
    static eddy::poll_result<result<void>> poll_ready(eddy::context&) { return refused(); }
    static result<void> start_send(int) { return refused(); }
    static eddy::poll_result<result<void>> poll_flush(eddy::context&) { return eddy::ok(); }
    static eddy::poll_result<result<void>> poll_close(eddy::context&) { return eddy::ok(); }
};

TEST(StreamSplit, ErrorOfKeptItemEndsFlushAndClose) {
    auto halves = streams::split<int>(refuses_items());
    EXPECT_TRUE(assert_ready(by_hand{halves.writer.feed(1)}.poll())) << "kept in the half";
    EXPECT_EQ(assert_ready(by_hand{halves.writer.flush()}.poll()).error(), std::errc::broken_pipe);
    EXPECT_EQ(assert_ready(by_hand{halves.writer.close()}.poll()).error(), std::errc::broken_pipe);
    auto taken = std::move(halves.reader);
    EXPECT_TRUE(support::text_of_misuse([&] {
                    static_cast<void>(reunite(std::move(halves.reader), std::move(halves.writer)));  // NOLINT
                }).contains("belong to different objects"));
    EXPECT_EQ(assert_ready(by_hand{taken.next()}.poll()), std::nullopt);
}

TEST(StreamSplit, ExceptionReleasesTheLock) {
    int polls = 0;
    auto halves = streams::split<int>(throwing_both(polls));
    by_hand first(halves.reader.next());
    EXPECT_THROW(static_cast<void>(first.poll()), std::runtime_error);
    by_hand sending(halves.writer.send(1));
    EXPECT_THROW(static_cast<void>(sending.poll()), std::runtime_error);
    by_hand second(halves.reader.next());
    EXPECT_EQ(assert_ready(second.poll()), 2);
    by_hand closing(halves.writer.close());
    EXPECT_TRUE(assert_ready(closing.poll()).has_value());
}

}  // namespace
