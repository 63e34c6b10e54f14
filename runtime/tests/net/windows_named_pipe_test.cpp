// SPDX-License-Identifier: MIT
// Named pipes: both ends in one process.
// covers: S04 P063
// runs: once, asan, windows
#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/future/join.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/future/select.hpp>
#include <eddy/future/yield_now.hpp>
#include <eddy/io/read.hpp>
#include <eddy/io/read_exact.hpp>
#include <eddy/io/write.hpp>
#include <eddy/io/write_all.hpp>
#include <eddy/net/named_pipe.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/runtime.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/timeout.hpp>

#include "sys/socket_api.hpp"

namespace {

using namespace std::chrono_literals;
namespace io = eddy::io;
namespace named_pipe = eddy::net::named_pipe;

/// Returns a name that no other test uses.
std::string new_name() {
    static unsigned number = 0;
    return R"(\\.\pipe\eddy.)" + std::to_string(::GetCurrentProcessId()) + "." + std::to_string(++number);
}

std::span<const std::byte> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

/// Runs a test on an event loop, for at most 20 s.
void on_loop(eddy::task<void> test) {
    eddy::core core;
    EXPECT_TRUE(core.run(eddy::time::timeout(20s, std::move(test))).has_value()) << "the time limit is exceeded";
}

struct connection {
    named_pipe::server server;
    named_pipe::client client;
};

eddy::task<connection> connect() {
    const auto name = new_name();
    auto server = named_pipe::server_options().first_instance(true).create(name).value();
    auto client = named_pipe::client_options().open(name).value();
    const auto done = co_await server.connect();
    EXPECT_TRUE(done.has_value());
    co_return connection{std::move(server), std::move(client)};
}

/// Opens the pipe after the other task has begun to wait for it.
eddy::task<std::optional<named_pipe::client>> open_later(std::string name) {
    co_await eddy::yield_now();
    auto client = named_pipe::client_options().open(name);
    EXPECT_TRUE(client.has_value());
    co_return client ? std::optional(*std::move(client)) : std::nullopt;
}

template <class End>
eddy::task<std::string> read_some(End& end) {
    std::array<char, 64> into{};
    const auto count = co_await io::read(end, std::as_writable_bytes(std::span(into)));
    if (!count) co_return "error: " + count.error().message();
    co_return std::string(into.data(), *count);
}

template <class End>
eddy::task<void> send(End& end, std::string_view text) {
    const auto done = co_await io::write_all(end, bytes_of(text));
    EXPECT_TRUE(done.has_value());
}

TEST(WindowsNamedPipe, BytesArriveInBothDirections) {
    on_loop([]() -> eddy::task<void> {
        auto pair = co_await connect();
        co_await send(pair.client, "question");
        EXPECT_EQ(co_await read_some(pair.server), "question");
        co_await send(pair.server, "answer");
        EXPECT_EQ(co_await read_some(pair.client), "answer");
    }());
}

TEST(WindowsNamedPipe, ServerWaitsForItsClient) {
    on_loop([]() -> eddy::task<void> {
        const auto name = new_name();
        auto server = named_pipe::server_options().create(name).value();
        auto both = eddy::join(server.connect(), open_later(name));
        auto done = co_await both;
        auto& [connected, client] = done;
        EXPECT_TRUE(connected.has_value());
        co_await send(server, "hello");
        EXPECT_EQ(co_await read_some(*client), "hello");
    }());
}

TEST(WindowsNamedPipe, MegabytesArriveUnchangedInBothDirections) {
    on_loop([]() -> eddy::task<void> {
        auto pair = co_await connect();
        std::vector<std::byte> sent(3'000'000);
        for (std::size_t i = 0; i != sent.size(); ++i) sent[i] = static_cast<std::byte>(i * 31 + i / 251);
        const auto send_all = [&sent](auto& to) -> eddy::task<void> {
            const auto written = co_await io::write_all(to, sent);
            EXPECT_TRUE(written.has_value());
        };
        const auto receive_all = [&sent](auto& from) -> eddy::task<void> {
            std::vector<std::byte> got(sent.size());
            const auto done = co_await io::read_exact(from, got);
            EXPECT_TRUE(done.has_value());
            EXPECT_TRUE(got == sent);
        };
        co_await eddy::join(send_all(pair.client), receive_all(pair.server), send_all(pair.server),
                            receive_all(pair.client));
    }());
}

TEST(WindowsNamedPipe, AvailableBytesAreReadWithoutWaiting) {
    on_loop([]() -> eddy::task<void> {
        auto pair = co_await connect();
        std::array<std::byte, 3> into{};
        const auto read = [&]() -> eddy::task<std::string> {
            auto polled = eddy::poll_fn([&](eddy::context& cx) { return pair.server.poll_read_available(cx, into); });
            const auto count = co_await std::move(polled);
            if (!count) co_return count.error() == std::errc::operation_would_block ? "none" : count.error().message();
            // SAFETY: char may alias all objects.
            co_return std::string(reinterpret_cast<const char*>(into.data()), *count);
        };
        EXPECT_EQ(co_await read(), "none");
        co_await send(pair.client, "bytes");
        EXPECT_TRUE((co_await io::flush(pair.client)).has_value());
        EXPECT_EQ(co_await read(), "byt");
        EXPECT_EQ(co_await read(), "es");
        EXPECT_EQ(co_await read(), "none");
        // A later read waits again.
        co_await send(pair.client, "more");
        EXPECT_EQ(co_await read_some(pair.server), "more");
        {
            const auto gone = std::move(pair.client);
        }
        EXPECT_EQ(co_await read(), "");
    }());
}

TEST(WindowsNamedPipe, StreamEndsWhenThePeerIsDestroyed) {
    on_loop([]() -> eddy::task<void> {
        auto pair = co_await connect();
        {
            const auto gone = std::move(pair.client);
        }
        EXPECT_EQ(co_await read_some(pair.server), "");
        const auto late = co_await io::write(pair.server, bytes_of("late"));
        EXPECT_EQ(late.error(), std::errc::broken_pipe);
    }());
}

TEST(WindowsNamedPipe, DestroyedPeerEndsAWaitingRead) {
    on_loop([]() -> eddy::task<void> {
        auto pair = co_await connect();
        const auto destroy = [](named_pipe::client gone) -> eddy::task<void> {
            co_await eddy::yield_now();
            static_cast<void>(gone);
        };
        auto both = eddy::join(read_some(pair.server), destroy(std::move(pair.client)));
        const auto done = co_await both;
        const auto& [text, nothing] = done;
        EXPECT_EQ(text, "");
        static_cast<void>(nothing);
    }());
}

TEST(WindowsNamedPipe, WrittenBytesArriveAfterTheWriterIsDestroyed) {
    on_loop([]() -> eddy::task<void> {
        const auto name = new_name();
        // Smaller than the write, which is therefore in progress when its end is destroyed.
        auto server = named_pipe::server_options().buffer_size(1000).create(name).value();
        auto client = std::optional(named_pipe::client_options().open(name).value());
        const auto connected = co_await server.connect();
        EXPECT_TRUE(connected.has_value());
        const std::vector<std::byte> sent(50'000, std::byte{7});
        const auto count = co_await io::write(*client, sent);
        EXPECT_EQ(count.value_or(0), sent.size());
        client.reset();
        std::vector<std::byte> got(sent.size());
        const auto done = co_await io::read_exact(server, got);
        EXPECT_TRUE(done.has_value());
        EXPECT_TRUE(got == sent);
        EXPECT_EQ(co_await read_some(server), "");
    }());
}

TEST(WindowsNamedPipe, CancelledReadLosesNoBytes) {
    on_loop([]() -> eddy::task<void> {
        auto pair = co_await connect();
        for (int i = 0; i != 50; ++i) {
            auto either = eddy::select(read_some(pair.server), eddy::yield_now());
            const auto first = co_await either;
            EXPECT_EQ(first.index(), 1U);
            const auto text = std::to_string(i);
            co_await send(pair.client, text);
            EXPECT_EQ(co_await read_some(pair.server), text);
        }
    }());
}

TEST(WindowsNamedPipe, CancelledConnectIsContinuedByTheNextOne) {
    on_loop([]() -> eddy::task<void> {
        const auto name = new_name();
        auto server = named_pipe::server_options().create(name).value();
        auto either = eddy::select(server.connect(), eddy::yield_now());
        const auto first = co_await either;
        EXPECT_EQ(first.index(), 1U);
        auto client = named_pipe::client_options().open(name).value();
        const auto done = co_await server.connect();
        EXPECT_TRUE(done.has_value());
        co_await send(client, "x");
        EXPECT_EQ(co_await read_some(server), "x");
    }());
}

TEST(WindowsNamedPipe, DestroyedServerEndsItsWaitForAClient) {
    on_loop([]() -> eddy::task<void> {
        const auto name = new_name();
        {
            auto server = named_pipe::server_options().create(name).value();
            auto either = eddy::select(server.connect(), eddy::yield_now());
            const auto first = co_await either;
            EXPECT_EQ(first.index(), 1U);
        }
        // The system removes the pipe when the cancelled operation has ended.
        auto client = named_pipe::client_options().open(name);
        while (client || client.error() != std::errc::no_such_file_or_directory) {
            co_await eddy::yield_now();
            client = named_pipe::client_options().open(name);
        }
    }());
}

TEST(WindowsNamedPipe, InstanceServesOneClientAfterAnother) {
    on_loop([]() -> eddy::task<void> {
        const auto name = new_name();
        auto server = named_pipe::server_options().create(name).value();
        for (int i = 0; i != 3; ++i) {
            auto both = eddy::join(server.connect(), open_later(name));
            auto done = co_await both;
            auto& [connected, client] = done;
            EXPECT_TRUE(connected.has_value());
            co_await send(*client, "one");
            EXPECT_EQ(co_await read_some(server), "one");
            EXPECT_TRUE(server.disconnect().has_value());
            EXPECT_NE(co_await read_some(*client), "one");
        }
    }());
}

TEST(WindowsNamedPipe, MissingOrBusyPipeIsReported) {
    on_loop([]() -> eddy::task<void> {
        const auto name = new_name();
        EXPECT_EQ(named_pipe::client_options().open(name).error(), std::errc::no_such_file_or_directory);
        auto server = named_pipe::server_options().max_instances(1).create(name).value();
        auto client = named_pipe::client_options().open(name).value();
        const auto done = co_await server.connect();
        EXPECT_TRUE(done.has_value());
        EXPECT_EQ(named_pipe::client_options().open(name).error(), std::errc::resource_unavailable_try_again);
    }());
}

TEST(WindowsNamedPipe, OptionsAreChecked) {
    using named_pipe::server_options;
    const auto name = new_name();
    EXPECT_EQ(server_options().create("").error(), eddy::errc::bad_path);
    EXPECT_EQ(server_options().create(std::string_view("a\0b", 3)).error(), eddy::errc::bad_path);
    EXPECT_EQ(server_options().create("\xff").error(), eddy::errc::bad_path);
    EXPECT_EQ(server_options().max_instances(0).create(name).error(), std::errc::invalid_argument);
    EXPECT_EQ(server_options().max_instances(255).create(name).error(), std::errc::invalid_argument);
    EXPECT_EQ(named_pipe::client_options().open("").error(), eddy::errc::bad_path);
    auto only = server_options().max_instances(1).create(name);
    EXPECT_TRUE(only.has_value());
    EXPECT_EQ(server_options().max_instances(1).create(name).error(), std::errc::resource_unavailable_try_again);
}

TEST(WindowsNamedPipe, EndsMoveBetweenThreads) {
    auto runtime = eddy::runtime::builder().worker_threads(4).build().value();
    const auto done = runtime.block_on(eddy::time::timeout(20s, []() -> eddy::task<void> {
        auto pair = co_await connect();
        const auto echo = [](named_pipe::server server) -> eddy::task<void> {
            for (;;) {
                const auto text = co_await read_some(server);
                if (text.empty()) co_return;
                co_await send(server, text);
            }
        };
        auto task = eddy::spawn(echo(std::move(pair.server)));
        for (int i = 0; i != 300; ++i) {
            const auto text = std::to_string(i);
            co_await send(pair.client, text);
            EXPECT_EQ(co_await read_some(pair.client), text);
            co_await eddy::yield_now();
        }
        {
            const auto gone = std::move(pair.client);
        }
        const auto ended = co_await task;
        EXPECT_TRUE(ended.has_value());
    }()));
    EXPECT_TRUE(done.has_value());
}

TEST(WindowsNamedPipe, UseAfterMoveThrowsMisuse) {
    on_loop([]() -> eddy::task<void> {
        auto pair = co_await connect();
        const auto moved = std::move(pair.client);
        EXPECT_THROW(static_cast<void>(co_await read_some(pair.client)), eddy::misuse);
    }());
}

}  // namespace
