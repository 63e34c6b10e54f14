// SPDX-License-Identifier: MIT
// The memory of a server, which its responses share: what is dropped for others, and when the heap is trimmed. No byte
// is allocated, the tests only count.
// runs: once
#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <list>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <eddy/future.hpp>
#include <eddy/net.hpp>
#include <eddy/task.hpp>
#include <eddy/test.hpp>
#include <eddy/time.hpp>

#include "server/server_memory.hpp"

#if defined(__GLIBC__)
namespace {
std::atomic<int> trims = 0;
}

/// Replaces that of the C library.
extern "C" int malloc_trim(std::size_t) {
    ++trims;
    trims.notify_all();
    return 1;
}
#endif

namespace {

using namespace std::chrono_literals;
using eddy::task;
using eddy::detail::memory_holder;
using eddy::detail::response_share;
using eddy::detail::server_memory;
using eddy::time::clock;
using address = std::optional<eddy::net::socket_addr>;

constexpr std::size_t limit = 4;
constexpr std::size_t large = response_share::least_progress;

/// A connection with its responses.
class connection {
public:
    explicit connection(server_memory& in, std::string_view peer = "") : in_(&in) {
        if (!peer.empty()) peer_ = eddy::net::socket_addr::parse(peer).value();
    }

    /// Takes memory for a response. Returns whether it got it.
    bool take(std::size_t bytes = 1, std::size_t of = limit) {
        shares_.emplace_back();
        if (in_->take(shares_.back(), by_, peer_, bytes, of)) return true;
        EXPECT_FALSE(shares_.back().has_memory());
        shares_.pop_back();
        return false;
    }
    /// Same, for a response that the client does not receive.
    bool take_unread(std::size_t bytes = 1) { return take(bytes) && (wait(), true); }
    /// Same, for a response of which the client has received much now.
    bool take_read(std::size_t bytes = 1) { return take_unread(bytes) && (send(large), true); }

    void wait() { shares_.back().begin_wait(clock::now()); }
    void send(std::size_t bytes, bool has_more = true) { shares_.back().has_sent(bytes, has_more, clock::now()); }
    void end() { shares_.pop_back(); }

    /// Returns the places of the responses that were dropped since the last call: "02" for the first and the third.
    std::string dropped() {
        std::string places;
        char place = '0';
        for (auto& one : shares_) {
            if (one.take_drop()) places += place;
            ++place;
        }
        return places;
    }
    bool take_window(std::size_t bytes, std::size_t of = limit) { return in_->take_window(by_, peer_, bytes, of); }
    void give_back_window(std::size_t bytes) { in_->give_back_window(by_, bytes); }
    memory_holder& holder() { return by_; }

private:
    server_memory* in_;
    address peer_;
    memory_holder by_;  // declared before the shares
    std::list<response_share> shares_;
};

template <class F>
void with_paused_clock(F test) {
    eddy::test::run_paused([&]() -> task<void> { co_await test(*std::make_shared<server_memory>()); });
}

TEST(HttpServerMemory, OneClientMayUseAllOfIt) {
    with_paused_clock([](server_memory& all) -> task<void> {
        connection one(all);
        EXPECT_FALSE(one.take(limit + 1));
        EXPECT_TRUE(one.take(limit));
        EXPECT_EQ(all.used(), limit);
        EXPECT_FALSE(one.take());
        one.end();
        EXPECT_EQ(all.used(), 0U);
        for (std::size_t i = 0; i < limit; ++i) EXPECT_TRUE(one.take());
        EXPECT_FALSE(one.take()) << "none of them waits for its client yet";
        EXPECT_EQ(one.dropped(), "");
        EXPECT_FALSE(one.take(1, limit - 1)) << "a copy of the options may have a lower limit";
        EXPECT_TRUE(one.take(1, limit + 1));
        EXPECT_EQ(all.used(), limit + 1);
        co_return;
    });
}

TEST(HttpServerMemory, UnreadResponsesAreDroppedOldestFirst) {
    with_paused_clock([](server_memory& all) -> task<void> {
        connection one(all);
        for (std::size_t i = 0; i < limit; ++i) EXPECT_TRUE(one.take_unread());
        connection other(all);
        EXPECT_TRUE(other.take());
        EXPECT_EQ(one.dropped(), "0");
        EXPECT_EQ(one.dropped(), "") << "it was told already";
        EXPECT_EQ(all.used(), limit);
        EXPECT_TRUE(other.take(2));
        EXPECT_EQ(one.dropped(), "12");
        EXPECT_TRUE(one.take()) << "also for its own connection";
        EXPECT_EQ(one.dropped(), "3");
        EXPECT_EQ(all.used(), limit);
        EXPECT_FALSE(other.take()) << "the rest does not wait";
        EXPECT_EQ(other.dropped(), "");
        co_return;
    });
}

/// Is ready each time that responses were dropped.
class end_of_response {
public:
    using output_type = void;
    explicit end_of_response(memory_holder& by) : by_(&by) {}
    eddy::poll_result<void> poll(eddy::context& cx) {
        if (by_->poll_dropped(cx)) return eddy::poll_result<void>::ready();
        return eddy::not_ready;
    }

private:
    memory_holder* by_;
};

TEST(HttpServerMemory, DropWakesTheConnectionOnce) {
    with_paused_clock([](server_memory& all) -> task<void> {
        connection one(all);
        eddy::test::by_hand waits(end_of_response(one.holder()));
        EXPECT_FALSE(waits.poll()) << "without memory";
        for (std::size_t i = 0; i < limit; ++i) EXPECT_TRUE(one.take_unread());
        EXPECT_FALSE(waits.poll());
        connection other(all);
        eddy::test::by_hand others(end_of_response(other.holder()));
        EXPECT_TRUE(other.take(2));
        EXPECT_FALSE(others.poll());
        EXPECT_EQ(waits.wakes(), 1U);
        EXPECT_TRUE(waits.poll());
        EXPECT_FALSE(waits.poll());
        EXPECT_TRUE(other.take());
        EXPECT_EQ(waits.wakes(), 2U);
        EXPECT_EQ(others.wakes(), 0U);
        co_return;
    });
}

TEST(HttpServerMemory, ReadResponsesAreNotDroppedForTheSameClient) {
    with_paused_clock([](server_memory& all) -> task<void> {
        connection one(all);
        for (std::size_t i = 0; i < limit; ++i) EXPECT_TRUE(one.take_read());
        EXPECT_FALSE(one.take());
        co_await eddy::test::advance(response_share::patience - 1ms);
        one.send(large - 1);  // too little
        EXPECT_FALSE(one.take());
        co_await eddy::test::advance(1ms);
        EXPECT_TRUE(one.take());
        EXPECT_TRUE(one.take());
        EXPECT_EQ(one.dropped(), "01") << "their clients have received nothing for too long";
    });
}

TEST(HttpServerMemory, ProgressProtectsResponse) {
    struct test_case {
        std::vector<std::size_t> sent;  // at once, before it waits, then after each second
        bool is_dropped;
    };
    const std::vector<test_case> cases = {
        {{0}, true},
        {{large}, false},        // waits since now
        {{1}, false},            // the client has received something
        {{0, large - 1}, true},  // too little for the client to count as a reader
        {{0, large}, false},
        {{0, large / 2, large - large / 2}, false},  // in parts
        {{large, 0, 0}, true},
        {{large, large, 0}, false},
        {{large, large, 0, 0}, true},
    };
    for (const auto& [sent, is_dropped] : cases) {
        with_paused_clock([&](server_memory& all) -> task<void> {
            connection one(all);
            EXPECT_TRUE(one.take(limit));
            if (sent.front() != 0) one.send(sent.front());
            one.wait();
            for (std::size_t i = 1; i < sent.size(); ++i) {
                co_await eddy::test::advance(1s);
                one.wait();  // changes nothing
                one.send(sent[i]);
            }
            EXPECT_EQ(one.take(), is_dropped) << testing::PrintToString(sent);
            EXPECT_EQ(one.dropped(), is_dropped ? "0" : "");
        });
    }
}

TEST(HttpServerMemory, ResponseThatWaitsForItsServiceIsNotUnread) {
    with_paused_clock([](server_memory& all) -> task<void> {
        connection one(all);
        EXPECT_TRUE(one.take_read(limit));
        one.send(1, false);  // all that there is
        co_await eddy::test::advance(1h);
        EXPECT_FALSE(one.take());
        one.wait();  // for more
        EXPECT_FALSE(one.take()) << "it waits since now";
        co_await eddy::test::advance(response_share::patience);
        EXPECT_TRUE(one.take());
    });
}

TEST(HttpServerMemory, ClientWithMostMemoryLosesUnreadResponsesFirst) {
    with_paused_clock([](server_memory& all) -> task<void> {
        connection first(all, "192.0.2.1:1");
        connection second(all, "192.0.2.2:1");
        connection again(all, "192.0.2.2:2");
        EXPECT_TRUE(first.take_unread(1));
        EXPECT_TRUE(second.take_unread(1));
        EXPECT_TRUE(again.take_unread(2));
        connection other(all, "192.0.2.3:1");
        EXPECT_TRUE(other.take());
        EXPECT_EQ(second.dropped(), "0") << "its client has the most, and this is its oldest one";
        EXPECT_TRUE(other.take());
        EXPECT_EQ(again.dropped(), "0");
        EXPECT_TRUE(other.take());
        EXPECT_TRUE(other.take());
        EXPECT_EQ(first.dropped(), "0");
        EXPECT_FALSE(other.take());
        EXPECT_EQ(all.clients(), 3U);
        {
            connection late(all, "192.0.2.3:2");
            connection last(all, "192.0.2.4:2");
            EXPECT_FALSE(late.take());
            EXPECT_EQ(all.clients(), 3U);
            EXPECT_TRUE(last.take());
            EXPECT_EQ(all.clients(), 4U);
        }
        EXPECT_EQ(all.clients(), 3U) << "clients without connections are forgotten";
        co_return;
    });
}

TEST(HttpServerMemory, ClientKeepsOnlyItsShareFromOthers) {
    with_paused_clock([](server_memory& all) -> task<void> {
        connection first(all, "192.0.2.1:1");
        for (std::size_t i = 0; i < limit; ++i) EXPECT_TRUE(first.take_read());
        EXPECT_FALSE(first.take());
        connection other(all, "192.0.2.2:1");
        EXPECT_TRUE(other.take());
        EXPECT_EQ(first.dropped(), "0");
        EXPECT_FALSE(other.take(2)) << "3 and 3 would be an equal share of more";
        EXPECT_EQ(first.dropped(), "");
        EXPECT_TRUE(other.take());
        EXPECT_EQ(first.dropped(), "1");
        EXPECT_FALSE(other.take());
        EXPECT_FALSE(first.take());
        EXPECT_EQ(other.dropped() + first.dropped(), "");
        co_return;
    });
}

TEST(HttpServerMemory, AddressTellsClientsApart) {
    struct test_case {
        const char* first;
        const char* second;
        bool is_same;
    };
    const std::vector<test_case> cases = {
        {"", "", true},
        {"", "192.0.2.1:1", false},
        {"192.0.2.1:1", "192.0.2.1:2", true},
        {"192.0.2.1:1", "[::ffff:192.0.2.1]:1", true},
        {"192.0.2.1:1", "192.0.2.2:1", false},
        {"[2001:db8:0:1::1]:1", "[2001:db8:0:1:ffff::2]:1", true},
        {"[2001:db8:0:1::1]:1", "[2001:db8:0:2::1]:1", false},
    };
    for (const auto& [first, second, is_same] : cases) {
        with_paused_clock([&](server_memory& all) -> task<void> {
            connection one(all, first);
            for (std::size_t i = 0; i < limit; ++i) EXPECT_TRUE(one.take_read());
            connection other(all, second);
            EXPECT_EQ(other.take(), !is_same) << first << ' ' << second;
            co_return;
        });
    }
}

TEST(HttpServerMemory, OnlySomeResponsesAreLookedAt) {
    constexpr std::size_t many = 65;
    with_paused_clock([](server_memory& all) -> task<void> {
        connection one(all);
        for (std::size_t i = 0; i < many - 1; ++i)
            EXPECT_TRUE(one.take(1, many) && (one.wait(), one.send(large), true));
        EXPECT_TRUE(one.take(1, many) && (one.wait(), true));
        EXPECT_FALSE(one.take(1, many)) << "the unread one is behind";
        EXPECT_TRUE(one.take(1, many)) << "the search goes on there";
        co_return;
    });
}

TEST(HttpServerMemory, ClientGetsHalfOfTheWindowsThatAreLeft) {
    with_paused_clock([](server_memory& all) -> task<void> {
        connection one(all, "192.0.2.1:1");
        connection same(all, "192.0.2.1:2");
        connection other(all, "192.0.2.2:1");
        EXPECT_FALSE(one.take_window(9, 8));
        EXPECT_TRUE(one.take_window(2, 8));
        EXPECT_TRUE(same.take_window(2, 8));
        EXPECT_TRUE(one.take_window(0, 8));
        EXPECT_FALSE(same.take_window(1, 8)) << "3 are left, and its client has 4";
        EXPECT_TRUE(other.take_window(4, 8));
        EXPECT_FALSE(other.take_window(1, 8));
        other.give_back_window(4);
        EXPECT_TRUE(other.take_window(2, 8));
        EXPECT_FALSE(other.take_window(1, 8));
        {
            connection last(all, "192.0.2.3:1");
            EXPECT_TRUE(last.take_window(2, 8));
            EXPECT_FALSE(one.take_window(0, 7)) << "a copy of the options may have a lower limit";
        }
        connection next(all, "192.0.2.3:2");
        EXPECT_TRUE(next.take_window(2, 8)) << "the end of a connection gives its windows back";
        EXPECT_FALSE(next.take_window(1, 8));
        EXPECT_TRUE(next.take_window(3, 13)) << "2, and 2 would be left";
        EXPECT_EQ(all.used(), 0U);
        co_return;
    });
}

#if defined(__GLIBC__)
/// Waits until the heap was trimmed `times` times.
task<void> trimmed(int times) {
    auto waiting = eddy::spawn_blocking([times] {
        for (int seen = trims; seen < times; seen = trims) trims.wait(seen);
    });
    static_cast<void>(co_await waiting);
}

TEST(HttpServerMemory, HeapIsTrimmedAfterPeak) {
    constexpr std::size_t peak = 64 << 20;
    trims = 0;
    with_paused_clock([](server_memory& all) -> task<void> {
        connection one(all);
        const auto rise = [&](std::size_t bytes) { EXPECT_TRUE(one.take(bytes, 2 * peak)); };
        rise(peak - 1);
        one.end();
        co_await eddy::time::sleep(1h);
        EXPECT_EQ(trims, 0) << "that was no peak";
        rise(peak / 4 + 1);
        rise(peak - peak / 4 - 1);
        one.end();
        co_await eddy::time::sleep(1h);
        EXPECT_EQ(trims, 0) << "too much is still in use";
        one.end();
        co_await eddy::time::sleep(1999ms);
        rise(peak);  // another peak
        one.end();
        co_await eddy::time::sleep(2s);
        EXPECT_EQ(trims, 0);
        rise(peak / 4);
        co_await eddy::time::sleep(1ms);
        co_await trimmed(1);
        rise(peak - peak / 4);
        one.end();
        co_await eddy::time::sleep(2s);
        co_await trimmed(2);
        co_await eddy::time::sleep(1h);
        EXPECT_EQ(trims, 2);
    });
}

TEST(HttpServerMemory, DroppedTrimIsTriedAgain) {
    constexpr std::size_t peak = 64 << 20;
    trims = 0;
    const auto all = std::make_shared<server_memory>();
    const auto rise_and_fall = [&] {
        connection one(*all);
        EXPECT_TRUE(one.take(peak, peak));
    };
    rise_and_fall();  // without an executor
    eddy::test::run_paused([&]() -> task<void> {
        rise_and_fall();
        co_return;  // ends before the time has come
    });
    eddy::test::run_paused([&]() -> task<void> {
        rise_and_fall();
        co_await eddy::time::sleep(2s);
        co_await trimmed(1);
    });
    EXPECT_EQ(trims, 1);
}
#endif

}  // namespace
