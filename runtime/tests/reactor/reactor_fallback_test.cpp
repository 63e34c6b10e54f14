// SPDX-License-Identifier: MIT
// The fallback reactor: used on threads without an event loop.
#include <eddy/runtime/reactor.hpp>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdlib>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/future/try.hpp>
#include <eddy/io/registration.hpp>
#include <eddy/net/tcp_listener.hpp>
#include <eddy/net/tcp_stream.hpp>
#include <eddy/runtime/background_reactor.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/wait.hpp>
#include <eddy/task/task.hpp>

#include "support/polling.hpp"
#include "support/system.hpp"

namespace {

using eddy::reactor_handle;
using eddy::try_;
using eddy::io::interest;
using eddy::io::registration;
using eddy::net::tcp_listener;
using eddy::net::tcp_stream;
using support::counter;

/// Runs `test` in a separate process, because a fallback reactor cannot be removed
/// once it is set.
template <class F>
void in_own_process(F test) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_EXIT(
        {
            test();
            std::exit(testing::Test::HasFailure() ? 1 : 0);
        },
        testing::ExitedWithCode(0), "");
}

eddy::background_reactor make_background() { return eddy::reactor().background().value(); }

// covers: S18
TEST(ReactorFallback, CurrentWithoutALoopThrowsWithRemedies) {
    const auto text = support::text_of_misuse([] { static_cast<void>(reactor_handle::current()); });
    EXPECT_NE(text.find("event loop"), std::string::npos) << text;
    EXPECT_NE(text.find("set_fallback"), std::string::npos) << text;
    EXPECT_NE(text.find("reactor_fallback_test.cpp"), std::string::npos) << text;
}

// covers: S18
TEST(ReactorFallback, FirstSetterWins) {
    in_own_process([] {
        const eddy::reactor first;
        const eddy::reactor second;
        EXPECT_TRUE(reactor_handle::set_fallback(first.handle()).has_value());
        EXPECT_EQ(reactor_handle::set_fallback(second.handle()).error(), eddy::errc::fallback_is_set);
        EXPECT_EQ(reactor_handle::set_fallback(first.handle()).error(), eddy::errc::fallback_is_set);
        const counter source;
        const auto tied = registration::attach(source, interest::readable).value();
        EXPECT_FALSE(first.is_idle());
        EXPECT_TRUE(second.is_idle());
    });
}

// covers: S18
TEST(ReactorFallback, OneOfManyThreadsSetsTheFallback) {
    in_own_process([] {
        const eddy::reactor reactor;
        std::atomic<int> set = 0;
        std::vector<std::thread> all;
        all.reserve(8);
        for (int i = 0; i < 8; ++i) {
            all.emplace_back([&, handle = reactor.handle()] {
                if (reactor_handle::set_fallback(handle)) ++set;
                EXPECT_TRUE(reactor_handle::current().has_value());
            });
        }
        for (auto& one : all) one.join();
        EXPECT_EQ(set, 1);
    });
}

// covers: S18
TEST(ReactorFallback, LoopOfTheThreadTakesPrecedence) {
    in_own_process([] {
        const eddy::reactor fallback;
        EXPECT_TRUE(reactor_handle::set_fallback(fallback.handle()).has_value());
        eddy::core loop;
        loop.run([](const eddy::reactor& other) -> eddy::task<void> {
            const counter source;
            const auto tied = registration::attach(source, interest::readable).value();
            EXPECT_TRUE(other.is_idle());
            co_return;
        }(fallback));
        auto without_io = eddy::core::builder().enable_io(false).build().value();
        without_io.run([]() -> eddy::task<void> {
            EXPECT_EQ(reactor_handle::current().error(), eddy::errc::io_disabled);
            co_return;
        }());
    });
}

eddy::task<eddy::result<void>> echo_once(tcp_listener& listener) {
    auto client = co_await try_(listener.accept());
    auto lease = co_await try_(client.stream.receive());
    co_await try_(client.stream.write_all(std::span<const std::byte>(lease.data(), lease.size())));
    co_return eddy::ok();
}

eddy::task<eddy::result<std::size_t>> ask(eddy::net::socket_addr addr) {
    auto stream = co_await try_(tcp_stream::connect(addr));
    const std::array<std::byte, 5> question{};
    co_await try_(stream.write_all(question));
    std::array<std::byte, 16> answer;
    co_return co_await try_(stream.read(answer));
}

// covers: S18
TEST(ReactorFallback, WaitWithoutALoopUsesTheFallback) {
    in_own_process([] {
        auto events = make_background();
        EXPECT_TRUE(reactor_handle::set_fallback(events.handle()).has_value());
        auto listener = eddy::wait(tcp_listener::bind(eddy::net::socket_addr::parse("127.0.0.1:0").value())).value();
        std::thread server([&] { EXPECT_TRUE(eddy::wait(echo_once(listener)).has_value()); });
        EXPECT_EQ(eddy::wait(ask(listener.local_addr().value())).value(), 5u);
        server.join();
        EXPECT_GT(events.handle().metrics().ready_events, 0u);
    });
}

// covers: S18
TEST(ReactorFallback, ReceiveLeaseMayEndOnAnotherThread) {
    in_own_process([] {
        auto events = make_background();
        EXPECT_TRUE(reactor_handle::set_fallback(events.handle()).has_value());
        auto listener = eddy::wait(tcp_listener::bind(eddy::net::socket_addr::parse("127.0.0.1:0").value())).value();
        const auto receive = [&]() -> eddy::task<eddy::result<eddy::io::leased_buffer>> {
            auto client = co_await try_(listener.accept());
            co_return co_await try_(client.stream.receive());
        };
        std::optional<eddy::io::leased_buffer> lease;
        std::thread server([&] { lease.emplace(eddy::wait(receive()).value()); });
        static_cast<void>(eddy::wait(ask(listener.local_addr().value())));
        server.join();
        EXPECT_EQ(lease->size(), 5u);
        lease.reset();  // the thread that owned the buffer has ended
    });
}

// covers: S18
TEST(ReactorFallback, UseAfterTheFallbackIsGoneReturnsShutdown) {
    in_own_process([] {
        const counter source;
        std::optional<registration> tied;
        {
            const eddy::reactor reactor;
            EXPECT_TRUE(reactor_handle::set_fallback(reactor.handle()).has_value());
            tied.emplace(registration::attach(source, interest::readable).value());
        }
        const auto gone = eddy::errc::runtime_shutdown;
        EXPECT_EQ(eddy::wait(tied->readiness(interest::readable)).error(), gone);
        const counter other;
        EXPECT_EQ(registration::attach(other, interest::readable).error(), gone);
        EXPECT_EQ(reactor_handle::current().error(), gone);
        EXPECT_EQ(eddy::wait(tcp_stream::connect("127.0.0.1:1")).error(), gone);
        const eddy::reactor another;
        EXPECT_EQ(reactor_handle::set_fallback(another.handle()).error(), eddy::errc::fallback_is_set);
    });
}

}  // namespace
