// SPDX-License-Identifier: MIT
#include <eddy/prelude.hpp>
#include <eddy/test/by_hand.hpp>
#include <eddy/test/run_paused.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <functional>
#include <memory>
#include <source_location>
#include <stdexcept>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <support/executors.hpp>
#include <support/net.hpp>

namespace {

using namespace std::chrono_literals;
using eddy::net::ip_addr;
using eddy::net::serve;
using eddy::net::serve_options;
using eddy::net::socket_addr;
using eddy::net::tcp_listener;
using eddy::net::tcp_stream;
using eddy::net::unix_listener;
using eddy::net::unix_stream;
using eddy::sync::cancellation_token;
using support::bytes_of;
using support::within;

const socket_addr any(ip_addr::v4_loopback(), 0);

static_assert(eddy::net::listener<tcp_listener> && eddy::net::listener<unix_listener>);
static_assert(!eddy::net::listener<tcp_stream>);

template <class Stream>
eddy::task<void> echo(Stream stream) {
    while (auto data = co_await stream.receive()) {
        if (data->empty()) break;
        if (!co_await stream.write_all(*data)) break;
    }
}

/// Connects to `to`, sends a byte, and returns whether the byte was echoed.
eddy::task<bool> ask(socket_addr to) {
    auto stream = co_await tcp_stream::connect(to);
    if (!stream || !co_await stream->write_all(bytes_of("x"))) co_return false;
    std::array<std::byte, 1> back{};
    const auto read = co_await stream->read_exact(back);
    co_return read.has_value();
}

TEST(NetServe, ServesEachConnectionUntilShutdown) {
    const support::leaves_no_descriptor guard;
    eddy::core core;
    auto listener = tcp_listener::bind(any, core.handle()).value();
    const auto at = listener.local_addr().value();
    const cancellation_token end;
    const auto clients = [&]() -> eddy::task<int> {
        int served = 0;
        for (int i = 0; i < 20; ++i) served += co_await ask(at) ? 1 : 0;
        end.cancel();
        co_return served;
    };
    auto both = eddy::join(serve(std::move(listener), echo<tcp_stream>, serve_options().shutdown(end)), clients());
    const auto done = within(core, std::move(both));
    EXPECT_EQ(done.second, 20);
    EXPECT_EQ(done.first.value().accepted, 20u);
    EXPECT_EQ(done.first.value().failed, 0u);
    EXPECT_EQ(done.first.value().aborted, 0u);
    EXPECT_EQ(within(core, tcp_stream::connect(at)).error(), std::errc::connection_refused);
}

TEST(NetServe, ServesUnixListener) {
    eddy::core core;
    const auto name = eddy::net::unix_addr::abstract("eddy.serve." + std::to_string(::getpid())).value();
    const cancellation_token end;
    const auto client = [&]() -> eddy::task<bool> {
        auto stream = co_await unix_stream::connect(name);
        if (!stream || !co_await stream->write_all(bytes_of("x"))) co_return false;
        std::array<std::byte, 1> back{};
        const auto read = co_await stream->read_exact(back);
        end.cancel();
        co_return read.has_value();
    };
    const auto handler = [](unix_stream stream, const eddy::net::unix_addr& peer) {
        EXPECT_TRUE(peer.is_unnamed());
        return echo(std::move(stream));
    };
    auto both = eddy::join(
        serve(unix_listener::bind(name, core.handle()).value(), handler, serve_options().shutdown(end)), client());
    const auto done = within(core, std::move(both));
    EXPECT_TRUE(done.second);
    EXPECT_TRUE(done.first);
}

TEST(NetServe, MaxConnectionsLimitsOpenConnections) {
    eddy::core core;
    auto listener = tcp_listener::bind(any, core.handle()).value();
    const auto at = listener.local_addr().value();
    const cancellation_token end;
    int now = 0;
    int most = 0;
    const auto handler = [&](tcp_stream stream, const socket_addr&) -> eddy::task<void> {
        most = std::max(most, ++now);
        co_await echo(std::move(stream));
        --now;
    };
    const auto clients = [&]() -> eddy::task<int> {
        std::vector<eddy::task<bool>> asking;
        asking.reserve(10);
        for (int i = 0; i < 10; ++i) asking.push_back(ask(at));
        int served = 0;
        for (const bool each : co_await eddy::join_all(std::move(asking))) served += each ? 1 : 0;
        end.cancel();
        co_return served;
    };
    auto both =
        eddy::join(serve(std::move(listener), handler, serve_options().shutdown(end).max_connections(3)), clients());
    const auto done = within(core, std::move(both));
    EXPECT_EQ(done.second, 10);
    EXPECT_EQ(done.first.value().accepted, 10u);
    EXPECT_EQ(most, 3);
}

TEST(NetServe, BurstBeyondLimitTakesNoDescriptors) {
    constexpr std::size_t clients = 300;
    eddy::core core;
    auto listener = tcp_listener::bind(any, core.handle()).value();
    std::vector<support::raw_socket> burst;
    for (std::size_t i = 0; i < clients; ++i) {
        burst.push_back(support::raw_socket::connected(listener.local_addr().value()));
    }
    const std::size_t before = support::fd_count();
    std::size_t most = 0;
    std::size_t served = 0;
    const cancellation_token end;
    const auto handler = [&](tcp_stream stream) -> eddy::task<void> {
        const auto own = std::move(stream);
        for (int turns = 0; turns < 3; ++turns) co_await eddy::time::sleep(100us);
        most = std::max(most, support::fd_count());
        if (++served == clients) end.cancel();
    };
    const auto done =
        within(core, serve(std::move(listener), handler, serve_options().shutdown(end).max_connections(2)));
    EXPECT_EQ(done.value().accepted, clients);
    EXPECT_LE(most, before + 2) << "more connections were accepted than the limit allows";
}

TEST(NetServe, ShutdownLetsOpenConnectionsFinish) {
    eddy::core core;
    auto listener = tcp_listener::bind(any, core.handle()).value();
    const auto at = listener.local_addr().value();
    const cancellation_token end;
    const auto client = [&]() -> eddy::task<std::string> {
        auto stream = co_await tcp_stream::connect(at);
        if (!stream || !co_await stream->write_all(bytes_of("a"))) co_return "not served";
        std::array<std::byte, 1> back{};
        if (!co_await stream->read_exact(back)) co_return "no answer";
        end.cancel();
        co_await eddy::yield_now();
        auto late = co_await tcp_stream::connect(at);
        if (late) co_return "a late client was served";
        if (!co_await stream->write_all(bytes_of("b"))) co_return "cut off";
        if (!co_await stream->read_exact(back)) co_return "cut off";
        co_return "served to the end";
    };
    auto both = eddy::join(serve(std::move(listener), echo<tcp_stream>, serve_options().shutdown(end)), client());
    const auto done = within(core, std::move(both));
    EXPECT_EQ(done.second, "served to the end");
    EXPECT_EQ(done.first.value().aborted, 0u);
}

TEST(NetServe, DrainTimeoutAbortsOpenConnections) {
    eddy::core core;
    auto listener = tcp_listener::bind(any, core.handle()).value();
    const auto at = listener.local_addr().value();
    const cancellation_token end;
    const auto held = std::make_shared<int>();
    const auto handler = [&](tcp_stream stream, const socket_addr&) -> eddy::task<void> {
        const std::shared_ptr<const int> mine = held;  // destroyed with the coroutine frame
        end.cancel();
        co_await echo(std::move(stream));
    };
    const auto client = [&]() -> eddy::task<bool> {
        auto stream = co_await tcp_stream::connect(at);
        std::array<std::byte, 1> into{};
        if (!stream) co_return false;
        const auto read = co_await stream->read(into);
        co_return read == 0u;
    };
    auto both = eddy::join(serve(std::move(listener), handler, serve_options().shutdown(end).drain(5ms)), client());
    const auto done = within(core, std::move(both));
    EXPECT_TRUE(done.second);
    EXPECT_EQ(done.first.value().aborted, 1u);
    EXPECT_EQ(held.use_count(), 1);
}

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

TEST(NetServe, DroppedServeAbortsAllConnections) {
    const support::leaves_no_descriptor guard;
    eddy::core core;
    auto listener = tcp_listener::bind(any, core.handle()).value();
    const auto at = listener.local_addr().value();
    const auto client = [&]() -> eddy::task<bool> {
        auto stream = co_await tcp_stream::connect(at);
        if (!stream || !co_await stream->write_all(bytes_of("x"))) co_return false;
        std::array<std::byte, 1> back{};
        const auto read = co_await stream->read_exact(back);
        co_return read.has_value();
    };
    auto either = eddy::select(serve(std::move(listener), echo<tcp_stream>), client());
    EXPECT_EQ(within(core, std::move(either)).index(), 1u);
    EXPECT_EQ(within(core, tcp_stream::connect(at)).error(), std::errc::connection_refused);
}

TEST(NetServeStress, ServesManyClientsOnRuntime) {
    eddy::runtime pool;
    const cancellation_token end;
    std::atomic<int> calls{0};
    const auto all = [&]() -> eddy::task<int> {
        auto listener = co_await tcp_listener::bind(any);
        const auto at = listener->local_addr().value();
        const auto handler = [&calls](tcp_stream stream, const socket_addr&) {
            ++calls;
            return echo(std::move(stream));
        };
        auto serving =
            eddy::spawn(serve(*std::move(listener), handler, serve_options().shutdown(end).max_connections(50)));
        eddy::join_set<bool> clients;
        for (int i = 0; i < 200; ++i) clients.spawn(ask(at));
        int served = 0;
        for (const bool each : co_await std::move(clients).join_all()) served += each ? 1 : 0;
        end.cancel();
        auto ended = co_await serving;
        co_return ended.value() && (*ended)->accepted == 200 ? served : -1;
    };
    auto limited = eddy::time::timeout(20s, all());
    EXPECT_EQ(pool.block_on(std::move(limited)), 200);
    EXPECT_EQ(calls, 200);
}

// ---- Errors of handlers ----

TEST(NetServe, HandlersErrorsReachTheHook) {
    eddy::core core;
    auto listener = tcp_listener::bind(any, core.handle()).value();
    const auto at = listener.local_addr().value();
    const cancellation_token end;
    std::vector<eddy::unobserved_error> errors;
    int calls = 0;
    const auto handler = [&](tcp_stream) -> eddy::task<eddy::result<void>> {
        if (++calls == 1) throw std::runtime_error("thrown by a handler");
        end.cancel();
        co_return std::unexpected(make_error_code(std::errc::protocol_error));
    };
    const auto client = [&]() -> eddy::task<void> {
        for (int i = 0; i < 2; ++i) {
            auto stream = (co_await tcp_stream::connect(at)).value();
            std::array<std::byte, 1> into{};
            static_cast<void>(co_await stream.read(into));
        }
    };
    auto options = serve_options().shutdown(end).on_error([&](const auto& error) { errors.push_back(error); });
    const unsigned line = std::source_location::current().line() + 1;
    auto both = eddy::join(serve(std::move(listener), handler, std::move(options)), client());
    const auto done = within(core, std::move(both));
    EXPECT_EQ(done.first.value().failed, 2u);
    ASSERT_EQ(errors.size(), 2u);
    EXPECT_EQ(errors[0].message, "thrown by a handler");
    EXPECT_NE(errors[0].exception, nullptr);
    EXPECT_EQ(errors[1].code, std::errc::protocol_error);
    EXPECT_EQ(errors[1].exception, nullptr);
    EXPECT_EQ(errors[1].spawned_at.line(), line);
}

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

TEST(NetServeDeathTest, HookThatThrowsIsNamedWithItsException) {
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
        "serve.. was moved after its first poll.*net_serve_test.cpp:");
}

// ---- Graceful cancellation ----

/// An object that handlers use until they have ended.
class served_object {
public:
    static constexpr int clients = 3;

    /// Serves a connection until it is aborted. Then needs several more polls to end.
    eddy::task<void> serve_one(tcp_stream stream) {
        const auto own = std::move(stream);
        ++alive_;
        co_await eddy::finally(use(), [this] { return end(); });
    }
    eddy::task<eddy::result<void>> wait_until_all_run() {
        while (alive_ < clients) co_await eddy::yield_now();
        co_return std::unexpected(make_error_code(std::errc::io_error));
    }
    [[nodiscard]] int alive() const noexcept { return alive_; }

private:
    eddy::task<void> use() {
        for (;;) {
            length_ += std::string(name_).size();
            co_await eddy::yield_now();
        }
    }
    eddy::task<void> end() {
        for (int i = 0; i < 3; ++i) co_await eddy::time::sleep(1ms);
        length_ += std::string(name_).size();
        --alive_;
    }

    std::string name_ = "a name that is allocated";
    std::atomic<std::size_t> length_ = 0;
    std::atomic<int> alive_ = 0;
};

/// Runs on an event loop and on a runtime with 4 workers.
class NetServeCancel : public testing::TestWithParam<unsigned> {
protected:
    /// Calls `cancel` with a server and its object. Its task cancels the server after all handlers have started.
    template <class Cancel>
    void check(Cancel cancel) {
        const auto rounds = [&]() -> eddy::task<void> {
            for (int round = 0; round < 3; ++round) {
                auto object = std::make_unique<served_object>();
                auto bound = co_await tcp_listener::bind(any);
                auto listener = std::move(bound).value();
                std::vector<tcp_stream> clients;
                for (int i = 0; i < served_object::clients; ++i) {
                    auto client = co_await tcp_stream::connect(listener.local_addr().value());
                    clients.push_back(std::move(client).value());
                }
                const auto handler = [&used = *object](tcp_stream stream) { return used.serve_one(std::move(stream)); };
                auto server = serve(std::move(listener), handler);
                co_await cancel(std::move(server), *object);
                EXPECT_EQ(object->alive(), 0);
            }
        };
        auto limited = eddy::time::timeout(20s, rounds());
        EXPECT_TRUE(on.run(std::move(limited)).has_value());
    }

    support::executor on{GetParam()};
};
INSTANTIATE_TEST_SUITE_P(Executors, NetServeCancel, testing::Values(0u, 4u), support::name_of_executor);

TEST_P(NetServeCancel, FailedScopeWaitsForHandlers) {
    check([](auto server, served_object& object) -> eddy::task<void> {
        const auto body = [&](auto& children) -> eddy::task<eddy::result<void>> {
            children.spawn(std::move(server));
            children.spawn(object.wait_until_all_run());
            co_return eddy::ok();
        };
        const auto ended = co_await eddy::scope(body);
        EXPECT_EQ(ended.error(), std::errc::io_error);
    });
}

TEST_P(NetServeCancel, ClosedTaskOwnerWaitsForHandlers) {
    check([](auto server, served_object& object) -> eddy::task<void> {
        eddy::task_owner owner;
        owner.spawn(std::move(server));
        static_cast<void>(co_await object.wait_until_all_run());
        co_await owner.close();
    });
}

TEST_P(NetServeCancel, TaskOwnerWaitsForHandlersOfItsCoroutine) {
    check([](auto server, served_object& object) -> eddy::task<void> {
        eddy::task_owner owner;
        owner.spawn([&]() -> eddy::task<eddy::result<void>> {
            co_await eddy::try_(std::move(server));
            co_return eddy::ok();
        });
        static_cast<void>(co_await object.wait_until_all_run());
        co_await owner.close();
    });
}

TEST_P(NetServeCancel, SelectWaitsForHandlers) {
    check([](auto server, served_object& object) -> eddy::task<void> {
        const auto first = co_await eddy::select(std::move(server), object.wait_until_all_run());
        EXPECT_EQ(first.index(), 1u);
    });
}

TEST_P(NetServeCancel, AbortedTaskWaitsForHandlers) {
    check([](auto server, served_object& object) -> eddy::task<void> {
        auto serving = eddy::spawn(std::move(server));
        static_cast<void>(co_await object.wait_until_all_run());
        serving.abort();
        const auto ended = co_await serving;
        EXPECT_TRUE(ended.error().is_cancelled());
    });
}

TEST(NetServe, PollCancelStopsAccepting) {
    eddy::core core;
    auto listener = tcp_listener::bind(any, core.handle()).value();
    const auto at = listener.local_addr().value();
    auto server = serve(std::move(listener), echo<tcp_stream>);
    auto cancel = eddy::poll_fn([&](eddy::context& cx) { return server.poll_cancel(cx); });
    within(core, std::move(cancel));
    EXPECT_EQ(within(core, tcp_stream::connect(at)).error(), std::errc::connection_refused);
}

// ---- Idle connections ----

/// Answers each byte with a byte. The connection is idle while it waits for a byte.
eddy::task<eddy::result<void>> answer(tcp_stream stream, eddy::net::serve_connection connection) {
    for (;;) {
        auto idle = connection.idle();
        std::array<std::byte, 1> request{};
        const auto got = co_await stream.read(request);
        idle.end();
        if (!got || *got == 0) co_return eddy::ok();
        co_await eddy::try_(stream.write_all(request));
    }
}

TEST(NetServe, DrainClosesIdleConnectionsImmediately) {
    eddy::core core;
    auto listener = tcp_listener::bind(any, core.handle()).value();
    const auto at = listener.local_addr().value();
    const cancellation_token end;
    const auto client = [&]() -> eddy::task<bool> {
        auto stream = (co_await tcp_stream::connect(at)).value();
        static_cast<void>(co_await stream.write_all(bytes_of("x")));
        std::array<std::byte, 1> into{};
        static_cast<void>(co_await stream.read_exact(into));
        end.cancel();
        const auto last = co_await stream.read(into);  // the end of the stream, long before the drain time is over
        co_return last == 0u;
    };
    auto both = eddy::join(serve(std::move(listener), answer, serve_options().shutdown(end).drain(1h)), client());
    const auto done = within(core, std::move(both));
    EXPECT_TRUE(done.second);
    EXPECT_EQ(done.first.value().aborted, 1u);
}

TEST(NetServe, DrainLetsBusyConnectionsFinishTheirRequest) {
    eddy::core core;
    auto listener = tcp_listener::bind(any, core.handle()).value();
    const auto at = listener.local_addr().value();
    const cancellation_token end;
    const auto handler = [&](tcp_stream stream,
                             eddy::net::serve_connection connection) -> eddy::task<eddy::result<void>> {
        std::array<std::byte, 1> request{};
        {
            const auto idle = connection.idle();
            co_await eddy::try_(stream.read_exact(request));
        }
        end.cancel();  // the drain begins while the request is being answered
        for (int i = 0; i < 20; ++i) co_await eddy::yield_now();
        co_await eddy::try_(stream.write_all(request));
        const auto idle = connection.idle();  // is aborted here
        co_await eddy::pending<void>();
        co_return eddy::ok();
    };
    auto both = eddy::join(serve(std::move(listener), handler, serve_options().shutdown(end).drain(1h)), ask(at));
    const auto done = within(core, std::move(both));
    EXPECT_TRUE(done.second);
    EXPECT_EQ(done.first.value().aborted, 1u);
}

TEST(NetServe, IdleTimeoutAbortsIdleConnections) {
    eddy::core core;
    auto listener = tcp_listener::bind(any, core.handle()).value();
    const auto at = listener.local_addr().value();
    const cancellation_token end;
    const auto client = [&]() -> eddy::task<int> {
        auto first = (co_await tcp_stream::connect(at)).value();
        auto second = (co_await tcp_stream::connect(at)).value();
        std::array<std::byte, 1> into{};
        int ended = 0;
        for (tcp_stream* each : {&first, &second}) {
            static_cast<void>(co_await each->write_all(bytes_of("x")));
            static_cast<void>(co_await each->read_exact(into));
        }
        for (tcp_stream* each : {&first, &second}) {
            const auto last = co_await each->read(into);
            if (last == 0u) ++ended;
        }
        end.cancel();
        co_return ended;
    };
    auto options = serve_options().shutdown(end).idle_timeout(5ms);
    auto both = eddy::join(serve(std::move(listener), answer, std::move(options)), client());
    const auto done = within(core, std::move(both));
    EXPECT_EQ(done.second, 2);
    EXPECT_EQ(done.first.value().aborted, 2u);
}

TEST(NetServe, IdleConnectionsOfAPoolAreClosedByDrain) {
    const eddy::runtime pool = eddy::runtime::builder().worker_threads(3).build().value();
    const auto main = [&]() -> eddy::task<int> {
        auto listener = (co_await tcp_listener::bind(any)).value();
        const auto at = listener.local_addr().value();
        const cancellation_token end;
        auto server = eddy::spawn(serve(std::move(listener), answer, serve_options().shutdown(end).drain(1h)));
        std::vector<tcp_stream> clients;
        for (int i = 0; i < 20; ++i) clients.push_back((co_await tcp_stream::connect(at)).value());
        std::array<std::byte, 1> into{};
        for (auto& each : clients) {
            static_cast<void>(co_await each.write_all(bytes_of("x")));
            static_cast<void>(co_await each.read_exact(into));
        }
        end.cancel();
        int ended = 0;
        for (auto& each : clients) {
            const auto last = co_await each.read(into);
            if (last == 0u) ++ended;
        }
        static_cast<void>(co_await server);
        co_return ended;
    };
    EXPECT_EQ(pool.block_on(main()), 20);
}

TEST(NetServe, IdleTimeoutWithoutServeConnectionIsMisuse) {
    eddy::core core;
    auto listener = tcp_listener::bind(any, core.handle()).value();
    EXPECT_THROW(static_cast<void>(serve(std::move(listener), echo<tcp_stream>, serve_options().idle_timeout(1s))),
                 eddy::misuse);
}

}  // namespace
