// SPDX-License-Identifier: MIT
// The example reverse_proxy in front of two copies of the example web_server, with curl as the client.
#if defined(EDDY_TEST_HTTP_EXAMPLES) && defined(EDDY_TEST_HTTPS)
#include <eddy/http.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/sync.hpp>
#include <eddy/task.hpp>

#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <fstream>
#include <iterator>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "support/certificates.hpp"
#include "support/http/curl.hpp"
#include "support/http/http_server.hpp"
#include "support/process.hpp"
#include "support/temp_dir.hpp"

namespace {

using namespace std::chrono_literals;
using support::process;

/// A web server whose file "name" has its name.
class named_server {
public:
    explicit named_server(const std::string& name) {
        std::ofstream(folder_ / "name") << name;
        start("127.0.0.1:0");
    }

    [[nodiscard]] const std::string& addr() const noexcept { return addr_; }
    /// Ends the server, and waits until connections are refused: the kernel may close a listener in a ring later.
    void kill() {
        process_.reset();
        constexpr int refused = 7;
        for (int i = 0; i < 1000 && support::curl({"http://" + addr_ + "/"}).code != refused; ++i) {
        }
    }
    void start_again() { start(addr_); }

private:
    void start(const std::string& where) {
        process_.emplace(std::vector<std::string>{"web_server", where, folder_ / ""});
        addr_ = support::addr_in(process_->line()).to_string();
    }

    support::temp_dir folder_;
    std::optional<process> process_;
    std::string addr_;
};

class HttpReverseProxy : public testing::Test {
protected:
    std::string status_of(std::vector<std::string> arguments) {
        arguments.insert(arguments.begin(), {"-o", "/dev/null", "-w", "%{http_code}"});
        return support::curl(std::move(arguments)).out;
    }
    std::string name() { return support::curl({"--fail", url + "/files/name"}).out; }
    /// Returns whether the server with this name gets a request within 15 s, which is at least 28 health checks.
    bool is_used_soon(const std::string& wanted) {
        const auto last = std::chrono::steady_clock::now() + 15s;
        while (std::chrono::steady_clock::now() < last) {
            if (name() == wanted) return true;
        }
        return false;
    }

    named_server one{"one"};
    named_server two{"two"};
    process proxy{{"reverse_proxy", "127.0.0.1:0", one.addr(), two.addr()}};
    const std::string url = "http://" + support::addr_in(proxy.line()).to_string();
};

TEST_F(HttpReverseProxy, DistributesRequests) {
    std::multiset<std::string> names;
    for (int i = 0; i < 6; ++i) names.insert(name());
    EXPECT_EQ(names, (std::multiset<std::string>{"one", "one", "one", "two", "two", "two"}));
}

TEST_F(HttpReverseProxy, PassesStatusesAndBodiesOn) {
    EXPECT_EQ(status_of({url + "/none"}), "404");
    EXPECT_EQ(status_of({"-X", "DELETE", url + "/notes"}), "405");
    EXPECT_EQ(support::curl({url + "/count/3"}).out, "1\n2\n3\n");
    const auto head = support::curl({"-I", url + "/files/name"}).out;
    EXPECT_NE(head.find("Content-Length: 3\r\n"), std::string::npos) << head;

    const support::temp_dir folder;
    std::string content;
    for (int i = 0; content.size() < 3'000'000; ++i) content += std::to_string(i) + '\n';
    std::ofstream(folder / "sent") << content;
    for (const std::string framing : {"X: y", "Transfer-Encoding: chunked"}) {
        const auto ended =
            support::curl({"-T", folder / "sent", "-H", framing, "-o", folder / "got", "--fail", url + "/echo"});
        EXPECT_EQ(ended.code, 0) << ended.err;
        std::ifstream got(folder / "got", std::ios::binary);
        EXPECT_TRUE(std::string(std::istreambuf_iterator<char>(got), {}) == content) << framing;
    }
}

/// Sends bytes to a TCP port of this machine, and returns what is received until the connection ends.
std::string exchange_raw(const std::string& addr, const std::string& bytes) {
    eddy::core loop;
    return loop.run([&]() -> eddy::task<std::string> {
        auto stream = (co_await eddy::net::tcp_stream::connect(addr)).value();
        (co_await stream.write_all(bytes)).value();
        co_return co_await support::receive_all(stream);
    }());
}

TEST_F(HttpReverseProxy, MalformedBodyOfClientGets400) {
    const auto addr = url.substr(7);
    const std::string head =
        "POST /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n";
    const auto malformed = exchange_raw(addr, head + "5\r\nhelloX");
    EXPECT_TRUE(malformed.starts_with("HTTP/1.1 400 ")) << malformed;
    const auto complete = exchange_raw(addr, head + "5\r\nhello\r\n0\r\n\r\n");
    EXPECT_TRUE(complete.starts_with("HTTP/1.1 200 ") && complete.contains("hello")) << complete;
    EXPECT_EQ(name(), name() == "one" ? "two" : "one");  // both servers are still used
}

TEST_F(HttpReverseProxy, OptionsOfTheServerAreAnsweredItself) {
    const auto answer = exchange_raw(url.substr(7), "OPTIONS * HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 204 ")) << answer;
}

TEST_F(HttpReverseProxy, FieldsNamedByConnectionAreRemoved) {
    // The server behind the proxy is this test: it returns the head that it gets.
    eddy::core loop;
    loop.run([]() -> eddy::task<void> {
        auto listener = (co_await eddy::net::tcp_listener::bind("127.0.0.1:0")).value();
        const eddy::sync::cancellation_token end;
        const auto app = [](eddy::http::request asked) -> eddy::task<eddy::http::response> {
            std::string names;
            for (const auto& [name, value] : asked.headers) names.append(name).append(";");
            co_return eddy::http::response(eddy::http::status::ok, std::move(names));
        };
        const auto addr = listener.local_addr().value().to_string();
        auto serving =
            eddy::spawn(eddy::http::serve(std::move(listener), app, eddy::http::serve_options().shutdown(end)));
        process other({"reverse_proxy", "127.0.0.1:0", addr});
        const auto to = support::addr_in(other.line());
        auto stream = (co_await eddy::net::tcp_stream::connect(to)).value();
        (co_await stream.write_all("GET / HTTP/1.1\r\nHost: a\r\nConnection: close,\tX-A ,\tX-B\r\nX-A: 1\r\nX-B: "
                                   "2\r\nX-C: 3\r\n\r\n"))
            .value();
        const auto got = co_await support::receive_all(stream);
        EXPECT_TRUE(got.contains("X-C;")) << got;
        EXPECT_FALSE(got.contains("X-A;") || got.contains("X-B;")) << got;
        end.cancel();
        static_cast<void>(co_await serving);
    }());
}

TEST_F(HttpReverseProxy, RequestsOfFailedServerGoToTheOther) {
    two.kill();
    // POST is repeated, too, because the failed server did not get it.
    for (int i = 0; i < 2; ++i) EXPECT_EQ(status_of({"-d", "x", url + "/echo"}), "200");
    for (int i = 0; i < 10; ++i) EXPECT_EQ(name(), "one");
    two.start_again();
    EXPECT_TRUE(is_used_soon("two"));
}

TEST_F(HttpReverseProxy, AnswersItselfIfNoServerIsLeft) {
    one.kill();
    two.kill();
    const auto first = status_of({url + "/files/name"});
    EXPECT_TRUE(first == "502" || first == "503") << first;  // 503 if the health checks were faster
    EXPECT_EQ(status_of({url + "/files/name"}), "503");
    one.start_again();
    EXPECT_TRUE(is_used_soon("one"));
    proxy.signal(SIGTERM);
    EXPECT_EQ(proxy.wait().code, 0);
}

TEST_F(HttpReverseProxy, ClientsConnectWithTls) {
    const support::certificate_authority authority;
    const auto issued = authority.issue({"DNS:localhost"});
    const support::temp_dir folder;
    std::ofstream(folder / "certificate.pem") << issued.pem;
    std::ofstream(folder / "key.pem") << issued.key;
    std::ofstream(folder / "trusted.pem") << authority.pem();
    process https(
        {"reverse_proxy", "--tls", folder / "certificate.pem", folder / "key.pem", "127.0.0.1:0", one.addr()});
    const auto port = std::to_string(support::addr_in(https.line()).port());
    const std::string to = "https://localhost:" + port;
    const std::string trusted = folder / "trusted.pem";
    for (const std::string version : {"--http1.1", "--http2"}) {
        EXPECT_EQ(support::curl({version, "--cacert", trusted, to + "/files/name"}).out, "one") << version;
        EXPECT_EQ(support::curl({version, "--cacert", trusted, "-d", "hello", to + "/echo"}).out, "hello") << version;
    }
    EXPECT_NE(support::curl({"http://localhost:" + port + "/files/name"}).code, 0);  // without TLS
    https.signal(SIGTERM);
    const auto ended = https.wait();
    EXPECT_EQ(ended.code, 0);
    EXPECT_EQ(ended.err, "");
}

}  // namespace
#endif
