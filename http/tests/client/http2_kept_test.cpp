// SPDX-License-Identifier: MIT
// Kept HTTP/2 connections that the server has ended before the next request, while the thread of the client was busy.
#include <eddy/http.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/task.hpp>

#include <gtest/gtest.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdint>
#include <expected>
#include <functional>
#include <optional>
#include <string>
#include <thread>
#include <utility>

#include "support/gate.hpp"
#include "support/http/http2_peer.hpp"
#include "support/http/http_answers.hpp"
#include "support/net.hpp"
#ifdef EDDY_TEST_HTTPS
#include "support/tls_pair.hpp"
#endif

namespace {

using support::text_of;

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using eddy::try_;
using peer = support::http2_peer;
namespace http = eddy::http;
namespace io = eddy::io;
namespace net = eddy::net;

/// How the server ends its first connection.
enum class ending { fin, reset, goaway };

/// Returns whether the socket of this process with this port has input, an end or an error, or was closed because of
/// it: another worker of the client may have noticed.
bool has_input(std::uint16_t port) {
    for (const int fd : support::open_fds()) {
        sockaddr_in name{};
        socklen_t size = sizeof name;
        // SAFETY: a sockaddr_in may be accessed as a sockaddr.
        if (::getsockname(fd, reinterpret_cast<sockaddr*>(&name), &size) != 0) continue;
        if (name.sin_family != AF_INET || ntohs(name.sin_port) != port) continue;
        pollfd input{fd, POLLIN, 0};
        return ::poll(&input, 1, 0) == 1;
    }
    return true;
}

using secured = std::function<task<result<io::boxed_stream>>(net::tcp_stream)>;

/// A server on a thread of its own. It answers one request, ends the connection in end(), and then answers one request
/// of the next connection.
class ending_server {
public:
    ending_server(ending how, secured accept)
        : how_(how), accept_(std::move(accept)), thread_([this] {
              eddy::core loop;
              const auto outcome = loop.run(play());
              EXPECT_TRUE(outcome.has_value()) << outcome.error().message();
          }) {
        EXPECT_TRUE(is_bound_.wait());
    }

    std::string authority() const { return "localhost:" + std::to_string(port_); }
    /// Blocks this thread until the socket of the client has noticed the end.
    void end() {
        may_end_.open();
        EXPECT_TRUE(has_ended_.wait());
    }

private:
    task<result<void>> play() {
        auto listener = co_await try_(net::tcp_listener::bind("127.0.0.1:0"));
        port_ = listener.local_addr().value().port();
        is_bound_.open();
        auto accepted = co_await try_(listener.accept());
        const int fd = accepted.stream.native_handle();
        const auto port = accepted.peer.port();
        if (how_ == ending::reset) co_await try_(accepted.stream.set_zero_linger());
        std::optional<peer> first;
        first.emplace(co_await try_(accept_(std::move(accepted.stream))));
        co_await first->begin();
        co_await first->next(peer::headers);
        co_await first->answer(1, "first");
        EXPECT_TRUE(may_end_.wait());
        if (how_ == ending::goaway) co_await first->send(peer::goaway, 0, 0, peer::bytes_of(1) + peer::bytes_of(0));
        if (how_ == ending::reset) {
            first.reset();
        } else {
            ::shutdown(fd, SHUT_WR);
        }
        while (!has_input(port)) co_await eddy::yield_now();
        has_ended_.open();
        auto next = co_await try_(listener.accept());
        peer second(co_await try_(accept_(std::move(next.stream))));
        co_await second.begin();
        co_await second.next(peer::headers);
        co_await second.answer(1, "second");
        co_await second.next(peer::goaway);
        co_return eddy::ok();
    }

    const ending how_;
    const secured accept_;
    std::uint16_t port_ = 0;
    support::gate is_bound_, may_end_, has_ended_;
    std::jthread thread_;
};

task<result<io::boxed_stream>> plain(net::tcp_stream tcp) { co_return io::boxed_stream(std::move(tcp)); }

/// Sends POST at once after the server has ended the connection, without giving up the thread.
task<void> post_after_end(http::client_options options, ending_server& server, std::string scheme) {
    const std::string url = scheme + server.authority() + "/";
    const http::client web(std::move(options));
    EXPECT_EQ(co_await text_of(web.get(url)), "first");
    server.end();
    EXPECT_EQ(co_await text_of(web.post(url, "a/b", "x")), "second");
}

http::client_options options_of_client() { return http::client_options().prior_knowledge(true).timeout(20s); }

TEST(Http2KeptConnection, IsNotUsedAfterServerHasEndedIt) {
    for (const auto how : {ending::fin, ending::reset, ending::goaway}) {
        ending_server server(how, plain);
        eddy::core loop;
        loop.run(post_after_end(options_of_client(), server, "http://"));
    }
}

TEST(Http2KeptConnection, IsNotUsedAfterServerHasEndedItPool) {
    for (const auto how : {ending::fin, ending::reset, ending::goaway}) {
        ending_server server(how, plain);
        const eddy::runtime pool = eddy::runtime::builder().worker_threads(2).build().value();
        pool.block_on(post_after_end(options_of_client(), server, "http://"));
    }
}

#ifdef EDDY_TEST_HTTPS
TEST(Http2KeptConnection, IsNotUsedAfterServerHasEndedItTls) {
    const support::tls_world world;
    const auto config = world.server().alpn(http::alpn_protocols()).build().value();
    const auto accept = [&](net::tcp_stream tcp) -> task<result<io::boxed_stream>> {
        co_return io::boxed_stream(co_await try_(eddy::tls::accept(std::move(tcp), config)));
    };
    for (const auto how : {ending::fin, ending::reset, ending::goaway}) {
        ending_server server(how, accept);
        eddy::core loop;
        auto options = options_of_client().tls(world.client().build().value());
        loop.run(post_after_end(std::move(options), server, "https://"));
    }
}
#endif

}  // namespace
