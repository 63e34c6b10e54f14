// SPDX-License-Identifier: MIT
// Kept connections of the client: they are not used after the server has sent something or has closed them, after
// `Connection: close`, or after an incomplete request.
#include <eddy/http.hpp>

#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>

#include <gtest/gtest.h>

#include <linux/sockios.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "support/gate.hpp"
#include "support/http/http_answers.hpp"
#include "support/http/http_readers.hpp"
#include "support/http/http_server.hpp"
#include "support/net.hpp"
#include "support/runtime.hpp"
#include "support/runtimes.hpp"
#ifdef EDDY_TEST_HTTPS
#include "support/tls_pair.hpp"
#endif

namespace {

using support::status_and_text_of;

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using eddy::try_;
namespace http = eddy::http;
namespace io = eddy::io;
namespace net = eddy::net;

std::uint16_t port_of(int fd, int (*name_of)(int, sockaddr*, socklen_t*)) {
    sockaddr_in name{};
    socklen_t size = sizeof name;
    // SAFETY: a sockaddr_in may be accessed as a sockaddr.
    if (name_of(fd, reinterpret_cast<sockaddr*>(&name), &size) != 0 || name.sin_family != AF_INET) return 0;
    return ntohs(name.sin_port);
}

/// Waits until the peer, which is a socket of this process, has received everything that was sent on the socket `fd`,
/// also the end.
void wait_until_arrived(int fd) {
    const auto own = port_of(fd, ::getsockname);
    const auto other = port_of(fd, ::getpeername);
    EXPECT_TRUE(support::comes_true([&] {
        for (const int each : support::open_fds()) {
            if (port_of(each, ::getsockname) != other || port_of(each, ::getpeername) != own) continue;
            const int is_quick = 1;  // acknowledges at once, and not after the 40 ms of tcp(7)
            ::setsockopt(each, IPPROTO_TCP, TCP_QUICKACK, &is_quick, sizeof is_quick);
        }
        int left = 0;
        return ::ioctl(fd, SIOCOUTQ, &left) == 0 && left == 0;
    }));
}

/// What a server does after its response to a first request.
struct interlude {
    const char* name;
    std::string bytes;  // empty: it ends the connection
};

/// A server with an event loop of its own. Answers one request of each connection with its path. After that on the
/// first connection, it waits for interrupt(), and sends the bytes of the interlude.
class interrupting_server {
public:
    /// `accept` makes the stream of a connection: it returns a task<result<S>>.
    template <class Accept>
    interrupting_server(std::string between, Accept accept, bool is_body_late = false)
        : between_(std::move(between)), is_body_late_(is_body_late), thread_([this, accept = std::move(accept)] {
              eddy::core loop;
              static_cast<void>(loop.run(end_.run_until_cancelled(play(accept))));
          }) {
        EXPECT_TRUE(is_bound_.wait());
    }
    interrupting_server(const interrupting_server&) = delete;
    interrupting_server& operator=(const interrupting_server&) = delete;
    ~interrupting_server() {
        end_.cancel();
        goes_on_.open();
    }

    [[nodiscard]] std::string authority() const { return "localhost:" + std::to_string(port_); }
    /// Lets the server send the bytes between the requests. Blocks this thread until the client's socket has them.
    void interrupt() {
        goes_on_.open();
        EXPECT_TRUE(has_interrupted_.wait());
    }

private:
    template <class Accept>
    task<result<void>> play(const Accept& accept) {
        auto listener = co_await try_(net::tcp_listener::bind("127.0.0.1:0"));
        port_ = listener.local_addr().value().port();
        is_bound_.open();
        auto first = co_await try_(listener.accept());
        const int fd = first.stream.native_handle();
        auto stream = co_await try_(accept(std::move(first.stream)));
        co_await try_(answer(stream, !is_body_late_));
        EXPECT_TRUE(goes_on_.wait());
        if (is_body_late_) co_await try_(io::write_all(stream, std::as_bytes(std::span(std::string_view("/a")))));
        if (between_.empty()) {
            ::shutdown(fd, SHUT_WR);
        } else {
            co_await try_(io::write_all(stream, std::as_bytes(std::span(between_))));
            co_await try_(io::flush(stream));
        }
        wait_until_arrived(fd);
        has_interrupted_.open();
        for (;;) {
            auto next = co_await try_(listener.accept());
            auto other = co_await try_(accept(std::move(next.stream)));
            co_await try_(answer(other));
        }
    }

    template <class S>
    task<result<void>> answer(S& stream, bool has_body = true) {
        std::string head;
        std::array<std::byte, 1000> some{};
        while (!head.ends_with("\r\n\r\n") && !head.ends_with("\r\n\r\nbody")) {
            const auto count = co_await try_(io::read(stream, some));
            if (count == 0) co_return std::unexpected(std::make_error_code(std::errc::connection_aborted));
            head += support::text_of(std::span(some).first(count));
        }
        const auto begin = head.find(' ') + 1;
        const auto path = head.substr(begin, head.find(' ', begin) - begin);
        const std::string text =
            "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(path.size()) + "\r\n\r\n" + (has_body ? path : "");
        co_await try_(io::write_all(stream, std::as_bytes(std::span(text))));
        co_return co_await io::flush(stream);
    }

    const std::string between_;
    const bool is_body_late_;  // the body of the first response is sent with the interlude
    std::uint16_t port_ = 0;
    support::gate is_bound_;
    support::gate goes_on_;
    support::gate has_interrupted_;
    eddy::sync::cancellation_token end_;
    std::jthread thread_;
};

/// Sends two requests. The server interrupts while this task does not give up its thread.
task<std::string> ask_twice(const http::client& web, std::string url, interrupting_server& server, bool is_post) {
    auto text = co_await status_and_text_of(web.get(url + "/a"));
    server.interrupt();
    auto second = is_post ? web.post(url + "/b", "text/plain", "body") : web.get(url + "/b");
    text.append(", ").append(co_await status_and_text_of(std::move(second)));
    co_return text;
}

/// Sends two requests. The end of the first body arrives together with the interlude, and this task has no coop budget
/// left when it sends the second request.
task<std::string> ask_without_budget(const http::client& web, std::string url, interrupting_server& server) {
    auto first = co_await web.get(url + "/a");
    if (!first) co_return first.error().message();
    server.interrupt();
    auto text = (co_await first->body.read_text()).value_or("none");
    co_await eddy::poll_fn([](eddy::context& cx) {
        while (cx.consume_budget()) {
        }
        return eddy::poll_result<bool>(true);
    });
    text.append(", ").append(co_await status_and_text_of(web.get(url + "/b")));
    co_return text;
}

const std::string unasked = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";

/// Runs `ask(bytes, is_post)` for each interlude and for GET and POST.
template <class Ask>
void for_each_interlude(Ask ask) {
    const std::string own = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nmine";
    const interlude all[] = {
        {"408", "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"},
        {"a response without a request", own},
        {"garbage", std::string("\0x", 2)},
        {"end", ""},
    };
    for (const auto& [name, bytes] : all)
        for (const bool is_post : {false, true})
            EXPECT_EQ(ask(bytes, is_post), "200 /a, 200 /b") << name << (is_post ? ", POST" : ", GET");
}

http::client_options direct() { return http::client_options().proxies(http::proxies::none()).timeout(20s); }

task<result<net::tcp_stream>> accept_plain(net::tcp_stream tcp) { co_return std::move(tcp); }

TEST(HttpKeptConnection, IsNotUsedAfterServerHasInterrupted) {
    for_each_interlude([](const std::string& bytes, bool is_post) {
        interrupting_server server(bytes, accept_plain);
        const http::client web(direct());
        eddy::core loop;
        return loop.run(ask_twice(web, "http://" + server.authority(), server, is_post));
    });
}

TEST(HttpKeptConnection, IsNotUsedAfterServerHasInterruptedPool) {
    for_each_interlude([](const std::string& bytes, bool is_post) {
        interrupting_server server(bytes, accept_plain);
        const http::client web(direct());
        const auto pool = support::make_runtime(2);
        auto asking = pool.spawn(ask_twice(web, "http://" + server.authority(), server, is_post));
        return pool.block_on(std::move(asking)).value();
    });
}

TEST(HttpKeptConnection, IsCheckedWithoutCoopBudget) {
    interrupting_server server(unasked, accept_plain, true);
    const http::client web(direct());
    eddy::core loop;
    EXPECT_EQ(loop.run(ask_without_budget(web, "http://" + server.authority(), server)), "/a, 200 /b");
}

TEST(HttpKeptConnection, IsUsedAgainIfServerIsSilent) {
    eddy::core loop;
    const auto say_path = [](http::request asked) -> task<http::response> {
        co_return http::response(http::status::ok, std::string(asked.path()));
    };
    const auto script = [&](net::socket_addr at, const auto&) -> task<void> {
        const http::client web(direct());
        for (int i = 0; i < 5; ++i)
            EXPECT_EQ(co_await status_and_text_of(web.get("http://" + at.to_string() + "/a")), "200 /a");
    };
    const auto report = loop.run(support::serve_http_during(say_path, http::serve_options(), script));
    EXPECT_EQ(report.accepted, 1U);
}

/// Sends two requests to a server that keeps both connections open, but answers one request on each of them.
void expect_a_connection_each(const std::function<http::request()>& make_request) {
    eddy::core loop;
    loop.run([&]() -> task<void> {
        auto listener = (co_await net::tcp_listener::bind("127.0.0.1:0")).value();
        const std::string url = "http://" + listener.local_addr().value().to_string() + "/";
        const auto serve = [](net::tcp_listener& from) -> task<result<void>> {
            std::vector<net::tcp_stream> kept;
            std::array<std::byte, 1000> some{};
            for (int i = 0; i < 2; ++i) {
                kept.push_back((co_await try_(from.accept())).stream);
                static_cast<void>(co_await try_(kept.back().read(some)));
                co_await try_(kept.back().write_all("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"));
            }
            co_return eddy::ok();
        };
        auto server = eddy::spawn(serve(listener));
        const http::client web(http::client_options().timeout(5s));
        for (int i = 0; i < 2; ++i) {
            EXPECT_EQ(co_await status_and_text_of(web.send(url, make_request())), "200 hi");
        }
        server.abort();
        static_cast<void>(co_await std::move(server));
    }());
}

TEST(HttpKeptConnection, IsNotUsedAfterConnectionClose) {
    expect_a_connection_each([] {
        http::request asked;
        asked.headers.add("Connection", "close");
        return asked;
    });
}

TEST(HttpKeptConnection, IsNotUsedAfterIncompleteRequest) {
    const bool never = false;
    expect_a_connection_each([&never] {
        http::request asked(http::method::post, "/");
        asked.body = http::body::from_reader(support::throwing_reader(never));
        return asked;
    });
}

#ifdef EDDY_TEST_HTTPS
/// Accepts connections with TLS.
auto accept_tls(const support::tls_world& certificates) {
    auto config = certificates.server().build().value();
    return [config](net::tcp_stream tcp) { return eddy::tls::accept(std::move(tcp), config); };
}

TEST(HttpKeptConnection, IsNotUsedAfterServerHasInterruptedTls) {
    const support::tls_world certificates;
    const auto options = direct().tls(certificates.client().build().value());
    for_each_interlude([&](const std::string& bytes, bool is_post) {
        interrupting_server server(bytes, accept_tls(certificates));
        const http::client web(options);
        eddy::core loop;
        return loop.run(ask_twice(web, "https://" + server.authority(), server, is_post));
    });
}

TEST(HttpKeptConnection, IsCheckedWithoutCoopBudgetTls) {
    const support::tls_world certificates;
    interrupting_server server(unasked, accept_tls(certificates), true);
    const http::client web(direct().tls(certificates.client().build().value()));
    eddy::core loop;
    EXPECT_EQ(loop.run(ask_without_budget(web, "https://" + server.authority(), server)), "/a, 200 /b");
}

TEST(HttpKeptConnection, IsNotUsedAfterServerHasInterruptedTlsPool) {
    const support::tls_world certificates;
    const auto options = direct().tls(certificates.client().build().value());
    for_each_interlude([&](const std::string& bytes, bool is_post) {
        interrupting_server server(bytes, accept_tls(certificates));
        const http::client web(options);
        const auto pool = support::make_runtime(2);
        auto asking = pool.spawn(ask_twice(web, "https://" + server.authority(), server, is_post));
        return pool.block_on(std::move(asking)).value();
    });
}
#endif

}  // namespace
