// SPDX-License-Identifier: MIT
// Servers and clients of eddy::proto over TCP.
// runs: each driver, tsan
#include <eddy/proto.hpp>

#include <gtest/gtest.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/codec/framed.hpp>
#include <eddy/codec/lines_codec.hpp>
#include <eddy/future/join.hpp>
#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/stream.hpp>
#include <eddy/sync/cancellation_token.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/join_set.hpp>
#include <eddy/task/spawn.hpp>

#include "support/proto/numbered_codec.hpp"
#include "support/proto/streamed_codec.hpp"
#include "support/runtimes.hpp"

namespace {

using namespace std::chrono_literals;
namespace net = eddy::net;
namespace proto = eddy::proto;
using eddy::errc;
using eddy::result;
using eddy::task;
using eddy::codec::lines_codec;
using support::numbered_codec;
using support::streamed_codec;

using message = proto::message<std::string, std::string>;

task<result<std::string>> double_number(std::string text) { co_return std::to_string(2 * std::stoi(text)); }

/// A server that runs until end().
template <class Builder, class S>
class running_server {
public:
    /// Starts the server. It listens after start().
    running_server(Builder builder, S service) : builder_(std::move(builder)), service_(std::move(service)) {}

    task<> start() {
        auto listener = co_await net::tcp_listener::bind("127.0.0.1:0");
        address_ = *listener->local_addr();
        builder_.shutdown(token_);
        serving_.emplace(eddy::spawn(builder_.serve(*std::move(listener), service_)));
    }
    [[nodiscard]] const net::socket_addr& address() const { return *address_; }
    task<net::serve_report> end() {
        token_.cancel();
        auto ended = co_await *std::move(serving_);
        EXPECT_TRUE(ended && *ended);
        co_return **ended;
    }

private:
    Builder builder_;
    S service_;
    std::optional<net::socket_addr> address_;
    eddy::sync::cancellation_token token_;
    std::optional<eddy::join_handle<result<net::serve_report>>> serving_;
};

/// Makes a hundred calls at the same time.
template <class Client>
task<> double_hundred(Client client) {
    eddy::join_set<bool> calls;
    for (int i = 0; i < 100; ++i) {
        calls.spawn([](Client with, int n) -> task<bool> {
            const auto answer = co_await with(std::to_string(n));
            co_return answer && *answer == std::to_string(2 * n);
        }(client, i));
    }
    int right = 0;
    while (auto ended = co_await calls.join_next()) right += **ended ? 1 : 0;
    EXPECT_EQ(right, 100);
}

// covers: S92
TEST(ProtoTcp, DoublerAnswersHundredRequests) {
    support::everywhere([]() -> task<> {
        running_server pipelined(proto::tcp_server<proto::pipeline>(lines_codec(100)), double_number);
        running_server multiplexed(proto::tcp_server(numbered_codec()), double_number);
        co_await pipelined.start();
        co_await multiplexed.start();
        {
            const auto one = co_await proto::tcp_client<proto::pipeline>(lines_codec(100)).connect(pipelined.address());
            const auto two = co_await proto::tcp_client(numbered_codec()).connect(multiplexed.address());
            EXPECT_TRUE(one && two);
            if (one) co_await double_hundred(*one);
            if (two) co_await double_hundred(*two);
        }
        const auto first = co_await pipelined.end();
        const auto second = co_await multiplexed.end();
        EXPECT_EQ(first.accepted, 1U);
        EXPECT_EQ(first.failed + second.failed, 0U);
    });
}

TEST(ProtoTcp, ServerListensAtItsAddress) {
    support::everywhere([]() -> task<> {
        auto [listens, at] = eddy::sync::oneshot<net::socket_addr>::channel();
        const eddy::sync::cancellation_token token;
        auto server = proto::tcp_server(lines_codec(100));
        server.address("127.0.0.1:0").shutdown(token).options(proto::connection_options().max_in_flight(2));
        auto shared = std::make_shared<decltype(listens)>(std::move(listens));
        server.on_listening([shared](const net::socket_addr& where) { static_cast<void>(shared->send(where)); });
        auto serving = eddy::spawn(server.serve(double_number));
        const auto where = co_await std::move(at);
        {
            const auto client = co_await proto::tcp_client(lines_codec(100)).max_in_flight(3).connect(*where);
            const auto answer = co_await (*client)("21");
            EXPECT_EQ(*answer, "42");
        }
        token.cancel();
        const auto ended = co_await serving;
        EXPECT_EQ((**ended).accepted, 1U);
    });
}

TEST(ProtoTcp, ClientThatStillSendsGetsAnswersBeforeAnError) {
    support::everywhere([]() -> task<> {
        const auto service = [](std::string text) -> task<result<std::string>> {
            if (text == "x") co_return std::unexpected(std::make_error_code(std::errc::io_error));
            co_return text + text;
        };
        auto builder = proto::tcp_server(lines_codec(100));
        builder.options(net::serve_options().on_error([](const auto&) {}));
        running_server server(std::move(builder), service);
        co_await server.start();
        {
            auto client = co_await net::tcp_stream::connect(server.address());
            std::string lines = "1\n2\nx\n";
            for (int i = 0; i < 100'000; ++i) lines += "many more\n";
            const auto sent = co_await eddy::io::write_all(*client, lines);
            EXPECT_TRUE(sent);
            const auto answers = co_await eddy::io::read_to_string(*client);
            EXPECT_EQ(answers, "11\n22\n");
        }
        const auto report = co_await server.end();
        EXPECT_EQ(report.failed, 1U);
    });
}

TEST(ProtoTcp, AddressInUseIsAnError) {
    support::everywhere([]() -> task<> {
        auto listener = co_await net::tcp_listener::bind("127.0.0.1:0");
        auto server = proto::tcp_server(lines_codec(100));
        server.address(*listener->local_addr());
        const auto ended = co_await server.serve(double_number);
        EXPECT_EQ(ended.error(), std::errc::address_in_use);
    });
}

// ---- Streamed bodies ----

constexpr int chunk_count = 300;

/// The chunk `n` of a body: every byte depends on the chunk and on the body.
std::string chunk(int of, int n) {
    std::string text(static_cast<std::size_t>(n * 37 % 3000), ' ');
    for (std::size_t i = 0; i < text.size(); ++i)
        text[i] = static_cast<char>('a' + (i * 7 + static_cast<std::size_t>(of + n)) % 26);
    return text;
}
eddy::async_generator<result<std::string>> produce(int of) {
    for (int n = 0; n < chunk_count; ++n) co_yield chunk(of, n);
}
/// Returns whether a body is that of produce().
task<bool> is_produced(proto::body<std::string> from, int of) {
    for (int n = 0; n < chunk_count; ++n) {
        const auto next = co_await from.next();
        if (!next || !*next || **next != chunk(of, n)) co_return false;
    }
    const auto end = co_await from.next();
    co_return !end;
}

/// "echo": returns the body. "count": returns the number of chunks. "make N": returns the body N. "none": no bodies.
task<result<message>> stream_service(message request) {
    if (request.head == "echo") co_return message("echo", std::move(request.body));
    if (request.head.starts_with("make")) co_return message("made", produce(std::stoi(request.head.substr(5))));
    int count = 0;
    while (auto next = co_await request.body.next()) {
        if (!*next) co_return std::unexpected(next->error());
        ++count;
    }
    co_return message(std::to_string(count));
}

template <class Client>
task<bool> use_streams(Client client, int id) {
    auto echoed = co_await client(message("echo", produce(id)));
    if (!echoed) co_return false;
    const auto same = co_await is_produced(std::move(echoed->body), id);
    const auto counted = co_await client(message("count", produce(id)));
    const auto none = co_await client(message("none"));
    auto made = co_await client(message("make " + std::to_string(id)));
    if (!counted || !none || !made) co_return false;
    const auto arrived = co_await is_produced(std::move(made->body), id);
    co_return same&& arrived && counted->head == std::to_string(chunk_count) && none->head == "0";
}

/// With one connection per task if `shares` is false: in a pipelined protocol, tasks that read several bodies at the
/// same time would wait for each other.
template <bool Numbered>
task<> use_streams_at_once(bool shares) {
    running_server server(proto::tcp_server(streamed_codec<Numbered>()), stream_service);
    co_await server.start();
    {
        const auto builder = proto::tcp_client(streamed_codec<Numbered>());
        const auto first = co_await builder.connect(server.address());
        using client = std::remove_cvref_t<decltype(*first)>;
        eddy::join_set<bool> tasks;
        for (int id = 0; id < 5; ++id) {
            const auto own = co_await builder.connect(server.address());
            tasks.spawn(use_streams<client>(shares ? *first : *own, id));
        }
        while (auto ended = co_await tasks.join_next()) EXPECT_TRUE(**ended);
    }
    const auto report = co_await server.end();
    EXPECT_EQ(report.failed, 0U);
}

// covers: S92
TEST(ProtoTcp, BodiesArriveUnchangedInBothDirections) {
    support::everywhere([]() -> task<> {
        co_await use_streams_at_once<false>(false);
        co_await use_streams_at_once<true>(true);
    });
}

template <bool Numbered>
task<> check_reset() {
    auto [seen, error] = eddy::sync::oneshot<std::error_code>::channel();
    auto told = std::make_shared<std::optional<decltype(seen)>>(std::move(seen));
    const auto service = [told](message request) -> task<result<message>> {
        while (auto next = co_await request.body.next()) {
            if (*next) continue;
            static_cast<void>((*told)->send(next->error()));
            co_return std::unexpected(next->error());
        }
        co_return message("complete");
    };
    auto builder = proto::tcp_server(streamed_codec<Numbered>());
    builder.options(net::serve_options().on_error([](const auto&) {}));
    running_server server(std::move(builder), service);
    co_await server.start();
    {
        auto stream = co_await net::tcp_stream::connect(server.address());
        EXPECT_TRUE(stream->set_linger(0s));
        auto frames = eddy::codec::framed(*std::move(stream), streamed_codec<Numbered>());
        using frame = typename streamed_codec<Numbered>::frame;
        auto make = [](auto content) {
            if constexpr (Numbered) {
                return frame(1, std::move(content));
            } else {
                return frame(std::move(content));
            }
        };
        auto head = make(proto::head_frame(std::string("x"), true));
        static_cast<void>(co_await frames.send(std::move(head)));
        auto part = make(proto::chunk_frame(std::string("y")));
        static_cast<void>(co_await frames.send(std::move(part)));
    }
    const auto why = co_await std::move(error);
    EXPECT_TRUE(*why == std::errc::connection_reset || *why == errc::unexpected_eof) << why->message();
    static_cast<void>(co_await server.end());
}

TEST(ProtoTcp, ResetByClientFailsRequestBody) {
    support::everywhere([]() -> task<> {
        co_await check_reset<false>();
        co_await check_reset<true>();
    });
}

template <bool Numbered>
task<> check_lost_server() {
    auto listener = co_await net::tcp_listener::bind("127.0.0.1:0");
    const auto builder = proto::tcp_client(streamed_codec<Numbered>());
    auto client = co_await builder.connect(*listener->local_addr());
    auto call = eddy::spawn((*client)(message("x", produce(1))));
    auto accepted = co_await listener->accept();
    auto frames = eddy::codec::framed(std::move(accepted->stream), streamed_codec<Numbered>());
    static_cast<void>(co_await frames.next());
    using frame = typename streamed_codec<Numbered>::frame;
    {
        auto peer = std::move(frames);
        if constexpr (Numbered) {
            auto head = frame(1, proto::head_frame(std::string("y"), true));
            static_cast<void>(co_await peer.send(std::move(head)));
        } else {
            auto head = frame(proto::head_frame(std::string("y"), true));
            static_cast<void>(co_await peer.send(std::move(head)));
        }
        auto answer = co_await call;
        EXPECT_EQ((*answer)->head, "y");
        static_cast<void>(co_await peer.close());
        const auto next = co_await (*answer)->body.next();
        EXPECT_FALSE(*next);
    }
    const auto later = co_await (*client)(message("z"));
    EXPECT_FALSE(later);
}

TEST(ProtoTcp, LostServerFailsResponseBody) {
    support::everywhere([]() -> task<> {
        co_await check_lost_server<false>();
        co_await check_lost_server<true>();
    });
}

// ---- Set-up ----

/// A handshake: the client sends a password, and the server answers with its name.
task<result<net::tcp_stream>> check_password(net::tcp_stream stream) {
    std::array<std::byte, 6> got;
    co_await eddy::try_(eddy::io::read_exact(stream, got));
    const std::string_view text(reinterpret_cast<const char*>(got.data()), got.size());
    if (text != "secret") co_return std::unexpected(std::make_error_code(std::errc::permission_denied));
    co_await eddy::try_(eddy::io::write_all(stream, std::string("eddy")));
    co_return std::move(stream);
}
auto send_password(std::string password) {
    return [password](net::tcp_stream stream) -> task<result<net::tcp_stream>> {
        co_await eddy::try_(eddy::io::write_all(stream, password));
        std::array<std::byte, 4> name;
        co_await eddy::try_(eddy::io::read_exact(stream, name));
        co_return std::move(stream);
    };
}

// covers: S92
TEST(ProtoTcp, SetUpRunsBeforeFirstRequest) {
    support::everywhere([]() -> task<> {
        auto builder = proto::tcp_server(lines_codec(100));
        builder.options(net::serve_options().on_error([](const auto&) {}));
        running_server server(builder.setup(check_password), double_number);
        co_await server.start();
        {
            const auto codec = lines_codec(100);
            const auto right =
                co_await proto::tcp_client(codec).setup(send_password("secret")).connect(server.address());
            const auto answer = co_await (*right)("4");
            EXPECT_EQ(*answer, "8");
            const auto wrong =
                co_await proto::tcp_client(codec).setup(send_password("sesame")).connect(server.address());
            EXPECT_FALSE(wrong);
        }
        const auto report = co_await server.end();
        EXPECT_EQ(report.failed, 1U);
    });
}

TEST(ProtoTcp, SetUpMayChooseCodec) {
    support::everywhere([]() -> task<> {
        const auto choose =
            [](net::tcp_stream stream) -> task<result<eddy::codec::framed<net::tcp_stream, lines_codec>>> {
            co_return eddy::codec::framed(std::move(stream), lines_codec(5));
        };
        auto builder = proto::tcp_server(lines_codec(100));
        builder.options(net::serve_options().on_error([](const auto&) {}));
        running_server server(builder.setup(choose), double_number);
        co_await server.start();
        {
            const auto client = co_await proto::tcp_client(lines_codec(100)).connect(server.address());
            const auto fits = co_await (*client)("4");
            EXPECT_EQ(*fits, "8");
            const auto too_long = co_await (*client)("1000000");
            EXPECT_FALSE(too_long);
        }
        static_cast<void>(co_await server.end());
    });
}

TEST(ProtoTcp, SetUpThatDoesNotEndIsClosed) {
    support::everywhere([]() -> task<> {
        auto [reported, code] = eddy::sync::oneshot<std::error_code>::channel();
        auto told = std::make_shared<decltype(reported)>(std::move(reported));
        auto builder = proto::tcp_server(lines_codec(100));
        builder.options(net::serve_options().on_error(
            [told](const eddy::unobserved_error& one) { static_cast<void>(told->send(one.code)); }));
        running_server server(builder.setup(check_password, 1ms), double_number);
        co_await server.start();
        auto silent = co_await net::tcp_stream::connect(server.address());
        const auto why = co_await std::move(code);
        EXPECT_EQ(*why, errc::timed_out);
        const auto rest = co_await eddy::io::read_to_string(*silent);
        EXPECT_EQ(rest, "");
        static_cast<void>(co_await server.end());

        // The server of this client accepts and says nothing.
        auto listener = co_await net::tcp_listener::bind("127.0.0.1:0");
        const auto client = co_await proto::tcp_client(lines_codec(100))
                                .setup(send_password("secret"), 1ms)
                                .connect(*listener->local_addr());
        EXPECT_EQ(client.error(), errc::timed_out);
    });
}

}  // namespace
