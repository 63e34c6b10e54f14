// SPDX-License-Identifier: MIT
// The example file_server, with curl and with clients that stop half way.
// covers: P147
#ifdef EDDY_TEST_HTTP_EXAMPLES
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <cstddef>
#include <filesystem>
#include <ranges>
#include <string>
#include <vector>

#include <support/file_contents.hpp>
#include <support/http/curl.hpp>
#include <support/net.hpp>
#include <support/process.hpp>
#include <support/temp_dir.hpp>

namespace {

/// The server, and a folder with one file that does not fit into the buffers of a connection.
class file_server {
public:
    file_server() {
        for (std::size_t i = 0; text.size() < 20'000'000; ++i) text += std::to_string(i) + '\n';
        support::set_contents(folder / "large", text);
        address = support::addr_in(program.line());
    }

    [[nodiscard]] std::string curl(std::vector<std::string> arguments) const {
        arguments.push_back("http://" + address.to_string() + "/large");
        return support::curl(arguments).out;
    }
    /// Returns the number of open descriptors of the server.
    [[nodiscard]] std::ptrdiff_t descriptors() const {
        const std::filesystem::directory_iterator all("/proc/" + std::to_string(program.pid()) + "/fd");
        return std::distance(begin(all), end(all));
    }

    support::temp_dir folder;
    std::string text;
    support::process program{{"file_server", "127.0.0.1:0", folder / ""}};
    eddy::net::socket_addr address = eddy::net::socket_addr(eddy::net::ip_addr::v4_loopback(), 0);
};

TEST(HttpFileServer, RangesAreThoseThatCurlAsksFor) {
    file_server server;
    EXPECT_TRUE(server.curl({}) == server.text);
    EXPECT_EQ(server.curl({"-r", "0-99"}), server.text.substr(0, 100));
    EXPECT_TRUE(server.curl({"-r", "1000000-1999999"}) == server.text.substr(1'000'000, 1'000'000));
    EXPECT_TRUE(server.curl({"-r", "-300000"}) == server.text.substr(server.text.size() - 300'000));
    const auto part = server.folder / "part";
    support::set_contents(part, server.text.substr(0, 5'000'000));
    EXPECT_EQ(server.curl({"-C", "-", "-o", part}), "");  // continues the download
    EXPECT_TRUE(support::contents_of(part) == server.text);
    server.program.signal(SIGTERM);
    const auto ended = server.program.wait();
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_TRUE(ended.out.starts_with("sent ")) << ended.out;
}

TEST(HttpFileServer, FileThatIsShortenedEndsTheConnectionEarly) {
    const file_server server;
    const auto client = support::raw_socket::connected(server.address);
    client.send("GET /large HTTP/1.1\r\nHost: a\r\n\r\n");
    const auto start = client.receive(100'000);
    std::filesystem::resize_file(server.folder / "large", 1'000);
    const auto rest = client.receive(server.text.size() + 100'000);  // up to the end
    EXPECT_LT(start.size() + rest.size(), server.text.size());
    EXPECT_TRUE(server.text.starts_with(start.substr(start.find("\r\n\r\n") + 4)));
}

TEST(HttpFileServer, ClientsThatStopHalfWayLeaveNoDescriptor) {
    file_server server;
    EXPECT_EQ(server.curl({"-r", "0-99"}).size(), 100U);  // so that what is opened once is open
    const auto before = server.descriptors();
    const std::string ask = "GET /large HTTP/1.1\r\nHost: a\r\n\r\n";
    for (int round = 0; round < 2; ++round) {
        std::vector<support::raw_socket> clients;
        for (int i = 0; i < 100; ++i) {
            clients.push_back(support::raw_socket::connected(server.address));
            clients.back().send(ask);
        }
        for (std::size_t i = 0; i < clients.size(); ++i) {
            const auto start = clients[i].receive(100'000 + 1'000 * i);
            const auto body = start.find("\r\n\r\n") + 4;
            EXPECT_TRUE(server.text.starts_with(start.substr(body))) << i;
        }
        EXPECT_GE(server.descriptors(), 200) << "a connection and a file for each client";
        for (std::size_t i = 0; i < clients.size(); i += 2) clients[i].reset();
        clients.clear();
        EXPECT_TRUE(support::comes_true([&] { return server.descriptors() <= before; })) << server.descriptors();
    }
    server.program.signal(SIGTERM);
    const auto ended = server.program.wait();
    EXPECT_EQ(ended.code, 0) << ended.err;
    EXPECT_EQ(ended.err, "");
}

TEST(HttpFileServer, CrawlerVisitsEachPageOfTheServerOnce) {
    const support::temp_dir folder;
    support::set_contents(
        folder / "index.html",
        R"(<a href="a.html">1</a><a href="a.html#x">2</a><a href="gone.html">3</a><a href="data">4</a>)"
        R"(<a href="http://127.0.0.1:1/">another server</a>)");
    support::set_contents(folder / "a.html", R"(<a href="/index.html">back</a><a href="b.html">on</a>)");
    support::set_contents(folder / "b.html", "the end");
    support::set_contents(folder / "data", R"(href="not_html.html")");
    support::process server({"file_server", "127.0.0.1:0", folder / ""});
    const auto url = "http://" + support::addr_in(server.line()).to_string() + "/";
    const auto crawled = support::run({"crawler", url + "index.html"});
    EXPECT_EQ(crawled.code, 0) << crawled.err;
    std::vector<std::string> lines;
    for (const auto line : std::views::split(crawled.out, '\n')) lines.emplace_back(line.begin(), line.end());
    std::ranges::sort(lines);
    const std::vector<std::string> expected{"",
                                            "Protocol error: " + url + "gone.html",
                                            "ok: " + url + "a.html",
                                            "ok: " + url + "b.html",
                                            "ok: " + url + "data",
                                            "ok: " + url + "index.html"};
    EXPECT_EQ(lines, expected);
}

}  // namespace
#endif
