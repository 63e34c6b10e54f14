// SPDX-License-Identifier: MIT
#include <eddy/prelude.hpp>
#include <eddy/runtime.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/test/run_paused.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <source_location>
#include <stdexcept>
#include <string>
#include <system_error>
#include <thread>
#include <utility>
#include <vector>

#include <support/executors.hpp>
#include <support/net.hpp>
#include <support/runtime/serve.hpp>

namespace {

using eddy::net::ip_addr;
using eddy::net::serve;
using eddy::net::serve_options;
using eddy::net::socket_addr;
using eddy::net::tcp_listener;
using eddy::net::tcp_stream;
using eddy::net::unix_stream;
using eddy::sync::cancellation_token;
using support::ask;
using support::echo;
using support::within;

const socket_addr any(ip_addr::v4_loopback(), 0);

// covers: P066
TEST(NetServe, FailedHandlerEndsOnlyThatConnection) {
    eddy::core core;
    auto listener = tcp_listener::bind(any, core.handle()).value();
    const auto at = listener.local_addr().value();
    const cancellation_token end;
    int number = 0;
    const auto handler = [&](tcp_stream stream) -> eddy::task<eddy::result<void>> {
        const int mine = ++number;
        if (mine == 1) throw std::runtime_error("the first");
        if (mine == 2) co_return std::unexpected(std::make_error_code(std::errc::protocol_error));
        co_await echo(std::move(stream));
        co_return eddy::ok();
    };
    const auto clients = [&]() -> eddy::task<int> {
        int served = 0;
        for (int i = 0; i < 5; ++i) served += co_await ask(at) ? 1 : 0;
        end.cancel();
        co_return served;
    };
    auto both = eddy::join(serve(std::move(listener), handler, serve_options().shutdown(end)), clients());
    const auto done = within(core, std::move(both));
    EXPECT_EQ(done.second, 3);
    EXPECT_EQ(done.first.value().accepted, 5u);
    EXPECT_EQ(done.first.value().failed, 2u);
}

/// A listener that lifts a descriptor limit after two failures.
class lifting_listener {
public:
    using accepted_type = tcp_listener::accepted_type;

    lifting_listener(tcp_listener&& inner, support::descriptor_limit& limit) noexcept
        : inner_(std::move(inner)), limit_(&limit) {}

    eddy::poll_result<eddy::result<accepted_type>> poll_accept(eddy::context& cx) {
        auto answer = inner_.poll_accept(cx);
        if (answer && !*answer && ++failures_ == 2) limit_->lift();
        return answer;
    }
    [[nodiscard]] eddy::result<socket_addr> local_addr() const noexcept { return inner_.local_addr(); }

private:
    tcp_listener inner_;
    support::descriptor_limit* limit_;
    int failures_ = 0;
};

// covers: R012
TEST(NetServe, AcceptIsRetriedAfterDescriptorShortage) {
    eddy::core core;
    auto listener = tcp_listener::bind(any, core.handle()).value();
    const auto client = support::raw_socket::connected(listener.local_addr().value());
    const cancellation_token end;
    const auto handler = [&](tcp_stream stream) -> eddy::task<void> {
        end.cancel();
        const auto closed = std::move(stream);
        co_return;
    };
    support::descriptor_limit none(0);
    lifting_listener lifting(std::move(listener), none);
    std::vector<eddy::unobserved_error> errors;
    const auto hook = [&](const eddy::unobserved_error& error) { errors.push_back(error); };
    const auto done = within(core, serve(std::move(lifting), handler, serve_options().shutdown(end).on_error(hook)));
    EXPECT_EQ(done.value().accepted, 1u);
    EXPECT_EQ(done.value().accept_errors, 2u);
    ASSERT_GE(errors.size(), 1u);  // at most one per second
    EXPECT_EQ(errors[0].code, std::errc::too_many_files_open);
    EXPECT_EQ(errors[0].message.find("cannot accept a connection: "), 0u) << errors[0].message;
}

/// A user-defined listener. The script gets the number of the call and returns the result of poll_accept().
class scripted_listener {
public:
    struct accepted_type {
        unix_stream stream;
        int peer;
    };
    using answer = eddy::poll_result<eddy::result<accepted_type>>;
    using script = std::function<answer(int)>;

    explicit scripted_listener(script says) : says_(std::move(says)) {}

    answer poll_accept(eddy::context&) { return says_(calls_++); }
    [[nodiscard]] eddy::result<int> local_addr() const noexcept { return 7; }

    static accepted_type connection(int peer) {
        auto pair = unix_stream::pair().value();
        return {std::move(pair.first), peer};
    }

private:
    script says_;
    int calls_ = 0;
};

// covers: P133
TEST(NetServe, FailedAcceptIsReportedOncePerSecond) {
    const auto says = [](int call) -> scripted_listener::answer {
        using result = eddy::result<scripted_listener::accepted_type>;
        const auto error = call < 100 ? std::errc::connection_aborted : std::errc::not_supported;
        return result(std::unexpect, std::make_error_code(error));
    };
    std::size_t reports = 0;
    testing::internal::CaptureStderr();
    const auto outcome = eddy::test::run_paused([&]() -> eddy::task<std::error_code> {
        const auto handler = [](unix_stream) -> eddy::task<void> { co_return; };
        const auto hook = [&](const eddy::unobserved_error&) { ++reports; };
        auto first = serve(scripted_listener(says), handler, serve_options().on_error(hook));
        auto done = co_await first;
        auto second = serve(scripted_listener(says), handler);
        static_cast<void>(co_await second);
        co_return done.error();
    });
    EXPECT_EQ(outcome, std::errc::not_supported);
    EXPECT_EQ(reports, 1u);
    const std::string text = testing::internal::GetCapturedStderr();
    const std::string expected =
        " cannot accept a connection: " + std::make_error_code(std::errc::connection_aborted).message() + '\n';
    ASSERT_GE(text.size(), expected.size());
    EXPECT_EQ(text.substr(text.size() - expected.size()), expected) << text;
    EXPECT_EQ(text.find("eddy: serve() at "), 0u) << text;
    EXPECT_EQ(std::ranges::count(text, '\n'), 1) << text;
}

// covers: P066
TEST(NetServe, ErrorOfUserListenerEndsServe) {
    eddy::core core;
    std::vector<int> peers;
    const auto says = [](int call) -> scripted_listener::answer {
        using result = eddy::result<scripted_listener::accepted_type>;
        if (call == 3) return result(std::unexpect, std::make_error_code(std::errc::not_supported));
        return result(scripted_listener::connection(3 - call));
    };
    const auto handler = [&](unix_stream, int peer) { peers.push_back(peer); };  // not a coroutine
    EXPECT_EQ(within(core, serve(scripted_listener(says), handler)).error(), std::errc::not_supported);
    EXPECT_EQ(peers, (std::vector{3, 2, 1}));
}

TEST(NetServe, ServerThatIsShutDownAcceptsNothing) {
    eddy::core core;
    const cancellation_token end;
    end.cancel();
    const auto says = [](int call) -> scripted_listener::answer {
        return eddy::result<scripted_listener::accepted_type>(scripted_listener::connection(call));
    };
    const auto handler = [](unix_stream, int) {};
    const auto done = within(core, serve(scripted_listener(says), handler, serve_options().shutdown(end)));
    EXPECT_EQ(done->accepted, 0u);
}

TEST(NetServe, FinishedHandlersAreReleasedDuringFlood) {
    eddy::core core;
    const cancellation_token end;
    const auto held = std::make_shared<int>();
    long most = 0;
    const auto flood = [&](int call) -> scripted_listener::answer {
        most = std::max(most, held.use_count());
        if (call == 5000) end.cancel();
        return eddy::result<scripted_listener::accepted_type>(scripted_listener::connection(call));
    };
    const auto handler = [&](unix_stream) -> eddy::task<std::shared_ptr<int>> { co_return held; };
    const auto done = within(core, serve(scripted_listener(flood), handler, serve_options().shutdown(end)));
    EXPECT_GE(done.value().accepted, 5000u);
    EXPECT_LT(most, 1000);
}

TEST(NetServe, ConnectionLostBeforeAcceptDoesNotEndServe) {
    for (const auto gone : {std::errc::connection_aborted, std::errc::connection_reset}) {
        eddy::core core;
        const cancellation_token end;
        const auto says = [&](int call) -> scripted_listener::answer {
            using result = eddy::result<scripted_listener::accepted_type>;
            if (call == 0) return result(std::unexpect, std::make_error_code(gone));
            if (call == 1) return result(scripted_listener::connection(call));
            return eddy::not_ready;
        };
        const auto handler = [&](unix_stream) { end.cancel(); };
        const auto done = within(core, serve(scripted_listener(says), handler, serve_options().shutdown(end)));
        ASSERT_TRUE(done) << done.error().message();
        EXPECT_EQ(done->accepted, 1u);
    }
}

// The listener waits until a connection has ended, so one poll of the server removes it and accepts again.
TEST(NetServe, ConnectionThatEndsDuringAcceptsMakesRoom) {
    auto pool = eddy::runtime::builder().worker_threads(1).build().value();
    const auto inside = pool.enter();
    support::async_gate end_first;
    std::function<std::size_t()> wakes;
    std::size_t wakes_before = 0;
    int calls = 0;
    const auto says = [&](int call) -> scripted_listener::answer {
        using result = eddy::result<scripted_listener::accepted_type>;
        ++calls;
        if (call == 1) return eddy::not_ready;
        if (call % 2 == 0) {
            wakes_before = wakes();
            return result(scripted_listener::connection(call));
        }
        while (wakes() == wakes_before) std::this_thread::yield();
        if (call == 3) return eddy::not_ready;
        return result(std::unexpect, std::make_error_code(std::errc::not_supported));
    };
    const auto handler = [&](unix_stream, int number) -> eddy::task<void> {
        if (number == 0) co_await end_first.wait();
    };
    eddy::test::by_hand server(serve(scripted_listener(says), handler));
    wakes = [&server] { return server.wakes(); };
    eddy::test::assert_pending(server.poll());
    EXPECT_EQ(calls, 2);
    eddy::test::assert_pending(server.poll());
    EXPECT_EQ(calls, 6);
    end_first.open();
    auto done = server.poll();
    for (; !done; done = server.poll()) std::this_thread::yield();
    EXPECT_EQ(done->error(), std::errc::not_supported);
}

// ---- Errors of handlers ----

// covers: P133 I20.2.2
TEST(NetServe, HandlersErrorsReachTheHook) {
    eddy::core core;
    auto listener = tcp_listener::bind(any, core.handle()).value();
    const auto at = listener.local_addr().value();
    const cancellation_token end;
    std::vector<eddy::unobserved_error> errors;
    int calls = 0;
    const auto handler = [&](tcp_stream) -> eddy::task<eddy::result<void>> {
        switch (++calls) {
        case 1: throw std::runtime_error("thrown by a handler");
        case 2: throw std::system_error(make_error_code(std::errc::broken_pipe), "a handler");
        case 3: throw 3;
        default: end.cancel();
        }
        co_return std::unexpected(make_error_code(std::errc::protocol_error));
    };
    const auto client = [&]() -> eddy::task<void> {
        for (int i = 0; i < 4; ++i) {
            auto stream = (co_await tcp_stream::connect(at)).value();
            std::array<std::byte, 1> into{};
            static_cast<void>(co_await stream.read(into));
        }
    };
    auto options = serve_options().shutdown(end).on_error([&](const auto& error) { errors.push_back(error); });
    const unsigned line = std::source_location::current().line() + 1;
    auto both = eddy::join(serve(std::move(listener), handler, std::move(options)), client());
    const auto done = within(core, std::move(both));
    EXPECT_EQ(done.first.value().failed, 4u);
    ASSERT_EQ(errors.size(), 4u);
    EXPECT_EQ(errors[0].message, "thrown by a handler");
    EXPECT_NE(errors[0].exception, nullptr);
    EXPECT_EQ(errors[1].code, std::errc::broken_pipe);
    EXPECT_EQ(errors[1].message, "a handler: " + make_error_code(std::errc::broken_pipe).message());
    EXPECT_EQ(errors[2].message, "an exception that is not a std::exception");
    EXPECT_EQ(errors[3].code, std::errc::protocol_error);
    EXPECT_EQ(errors[3].exception, nullptr);
    EXPECT_EQ(errors[3].spawned_at.line(), line);
}

TEST(NetServe, ErrorsOfEndedConnectionsReachTheHookAfterDrop) {
    std::vector<eddy::unobserved_error> errors;
    std::vector<std::string> unread;
    eddy::sync::notify has_begun;
    eddy::sync::notify fails;
    {
        eddy::core core = eddy::core::builder()
                              .on_unobserved_error([&](const auto& error) { unread.push_back(error.what()); })
                              .build()
                              .value();
        auto listener = tcp_listener::bind(any, core.handle()).value();
        const auto at = listener.local_addr().value();
        const auto handler = [&](tcp_stream) -> eddy::task<eddy::result<void>> {
            has_begun.notify_one();
            co_await fails.notified();
            co_return std::unexpected(make_error_code(std::errc::broken_pipe));
        };
        const auto client = [&]() -> eddy::task<void> {
            auto stream = (co_await tcp_stream::connect(at)).value();
            co_await has_begun.notified();
            fails.notify_one();
            co_await eddy::yield_now();  // the handler fails; serve() is woken, and is not polled any more
        };
        auto options = serve_options().on_error([&](const auto& error) { errors.push_back(error); });
        const auto run = [](auto server) -> eddy::task<void> { static_cast<void>(co_await std::move(server)); };
        core.handle().spawn(run(serve(std::move(listener), handler, std::move(options))));
        within(core, client());
    }
    ASSERT_EQ(errors.size(), 1u);
    EXPECT_EQ(errors[0].code, std::errc::broken_pipe);
    EXPECT_EQ(unread, std::vector<std::string>());
}

// covers: P133 I20.2.3
TEST(NetServe, HandlersErrorIsPrintedByDefault) {
    testing::internal::CaptureStderr();
    eddy::core core;
    auto listener = tcp_listener::bind(any, core.handle()).value();
    const auto at = listener.local_addr().value();
    const cancellation_token end;
    const auto handler = [&](tcp_stream) -> eddy::task<eddy::result<void>> {
        end.cancel();
        co_return std::unexpected(make_error_code(std::errc::protocol_error));
    };
    auto both = eddy::join(serve(std::move(listener), handler, serve_options().shutdown(end)), ask(at));
    static_cast<void>(within(core, std::move(both)));
    const std::string text = testing::internal::GetCapturedStderr();
    EXPECT_NE(text.find("eddy: a connection of serve() at " + std::string(__FILE__) + ':'), text.npos) << text;
    EXPECT_NE(text.find(" failed: " + make_error_code(std::errc::protocol_error).message()), text.npos) << text;
}

TEST(NetServeDeathTest, MessageNamesThrowingHookAndItsException) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            eddy::core core;
            auto listener = tcp_listener::bind(any, core.handle()).value();
            const auto at = listener.local_addr().value();
            const auto handler = [](tcp_stream) -> eddy::task<eddy::result<void>> {
                co_return std::unexpected(make_error_code(std::errc::protocol_error));
            };
            const auto hook = [](const eddy::unobserved_error&) { throw std::logic_error("cannot log"); };
            auto both = eddy::join(serve(std::move(listener), handler, serve_options().on_error(hook)), ask(at));
            static_cast<void>(within(core, std::move(both)));
        },
        "eddy: the function given to serve_options::on_error.. threw an exception.*: cannot log");
}

// covers: I20.2.9
TEST(NetServeDeathTest, MoveAfterFirstPollNamesServeAndItsCallSite) {
    GTEST_FLAG_SET(death_test_style, "threadsafe");
    EXPECT_DEATH(
        {
            eddy::core core;
            core.run([]() -> eddy::task<void> {
                auto listener = (co_await tcp_listener::bind(any)).value();
                auto server = serve(std::move(listener), echo<tcp_stream>);
                static_cast<void>(co_await eddy::select_biased(std::ref(server), eddy::ready()));
                auto moved = std::move(server);
                static_cast<void>(co_await moved);
            }());
        },
        "serve.. was moved after its first poll.*net_serve_errors_test.cpp:");
}

}  // namespace
