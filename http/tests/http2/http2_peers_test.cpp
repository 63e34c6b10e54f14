// SPDX-License-Identifier: MIT
// HTTP/2 of the examples web_server and https_server with the clients of other projects: curl, nghttp and h2load.
// covers: P146
// runs: plain
#include <gtest/gtest.h>

#include <eddy/net.hpp>
#include <eddy/runtime.hpp>

#include <csignal>
#include <fstream>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "support/environment.hpp"
#include "support/http/curl.hpp"
#include "support/process.hpp"
#include "support/temp_dir.hpp"
#ifdef EDDY_TEST_HTTPS
#include "support/certificates.hpp"
#endif

namespace {

using support::addr_in;
using support::curl;
using support::process;

TEST(Http2Peers, WebServerWorksWithCurl) {
    process server({"web_server", "127.0.0.1:0"});
    const std::string url = "http://" + addr_in(server.line()).to_string();
    const std::string h2 = "--http2-prior-knowledge";
    EXPECT_EQ(curl({h2, "-X", "PUT", "-d", "buy tea", url + "/notes/monday"}).code, 0);
    // Each request needs a call of curl: curl 7.88 cannot reuse a connection with prior knowledge. That fails with
    // nghttp2's own server, too.
    EXPECT_EQ(curl({h2, url + "/notes/monday"}).out, "buy tea\n");
    EXPECT_EQ(curl({h2, url + "/notes"}).out, "{\"monday\":\"buy tea\"}\n");
    EXPECT_EQ(curl({h2, url + "/count/3"}).out, "1\n2\n3\n");
    EXPECT_EQ(curl({h2, "-o", "/dev/null", "-w", "%{http_version} %{http_code}", url + "/none"}).out, "2 404");
    EXPECT_EQ(curl({"--http1.1", "-o", "/dev/null", "-w", "%{http_version} %{http_code}", url + "/none"}).out,
              "1.1 404");
    const auto head = curl({h2, "-I", url + "/notes/monday"}).out;
    EXPECT_TRUE(head.starts_with("HTTP/2 200 \r\n")) << head;
    EXPECT_NE(head.find("content-length: 8\r\n"), std::string::npos) << head;

    server.signal(SIGINT);
    const auto ended = server.wait();
    EXPECT_EQ(ended.code, 0);
    EXPECT_EQ(ended.err, "");
}

TEST(Http2Peers, CurlUploadsLargeFiles) {
    process server({"web_server", "127.0.0.1:0"});
    const std::string url = "http://" + addr_in(server.line()).to_string() + "/echo";
    const support::temp_dir folder;
    std::string content;
    for (int i = 0; content.size() < 3'000'000; ++i) content += std::to_string(i) + '\n';
    std::ofstream(folder / "sent") << content;
    for (const std::string expect : {"Expect:", "Expect: 100-continue"}) {
        const auto ended =
            curl({"--http2-prior-knowledge", "-T", folder / "sent", "-H", expect, "-o", folder / "got", url});
        EXPECT_EQ(ended.code, 0) << ended.err;
        std::ifstream got(folder / "got", std::ios::binary);
        EXPECT_TRUE(std::string(std::istreambuf_iterator<char>(got), {}) == content) << expect;
    }
}

TEST(Http2Peers, WebServerWorksWithNghttp) {
    process server({"web_server", "127.0.0.1:0"});
    const std::string url = "http://" + addr_in(server.line()).to_string();
    const auto ended = support::run({"/usr/bin/nghttp", "--no-dep", url + "/count/4"});
    EXPECT_EQ(ended.out, "1\n2\n3\n4\n") << ended.err;
    EXPECT_EQ(ended.code, 0);
}

TEST(Http2Peers, AllRequestsOfH2loadSucceed) {
    process server({"web_server", "127.0.0.1:0"});
    const std::string url = "http://" + addr_in(server.line()).to_string();
    const auto ended = support::run({"/usr/bin/h2load", "-n", "3000", "-c", "10", "-m", "100", url + "/notes"});
    EXPECT_NE(ended.out.find("3000 done, 3000 succeeded, 0 failed, 0 errored, 0 timeout"), std::string::npos)
        << ended.out;
    EXPECT_NE(ended.out.find("status codes: 3000 2xx"), std::string::npos) << ended.out;
}

// ---- The client, with the servers of nghttp2 and Node ----

/// Returns a port that is free now.
std::string free_port() {
    eddy::core loop;
    const auto listener = loop.run(eddy::net::tcp_listener::bind("127.0.0.1:0"));
    return std::to_string(listener.value().local_addr().value().port());
}

/// Fetches until the server listens.
process::outcome fetch(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "fetch");
    for (;;) {
        auto got = support::run(arguments);
        if (got.err.find("Connection refused") == std::string::npos) return got;
    }
}

TEST(Http2Peers, FetchWorksWithNghttpd) {
    const support::temp_dir folder;
    const std::string content(3'000'000, 'x');
    std::ofstream(folder / "large.txt") << content;
    const auto port = free_port();
    const process server({"/usr/sbin/nghttpd", "--no-tls", "-d", folder / "", "-a", "127.0.0.1", port});
    const std::string url = "http://127.0.0.1:" + port;
    const auto got = fetch({"--http2", url + "/large.txt", url + "/large.txt"});
    EXPECT_TRUE(got.out == content + content) << got.err;
    EXPECT_EQ(got.err, "HTTP/2 200 OK, text/plain\nHTTP/2 200 OK, text/plain\n");
    EXPECT_EQ(got.code, 0);
    const auto missing = fetch({"--http2", url + "/none"});
    EXPECT_TRUE(missing.err.starts_with("HTTP/2 404 Not Found")) << missing.err;
}

TEST(Http2Peers, FetchWorksWithNode) {
    process server({"/usr/bin/node", "-e", R"(
const http2 = require("http2");
const server = http2.createServer();
server.on("stream", (stream, headers) => {
  stream.additionalHeaders({":status": 103, link: "</style.css>"});
  stream.respond({":status": 200, "content-type": "text/plain", "content-length": 2000000}, {waitForTrailers: true});
  stream.on("wantTrailers", () => stream.sendTrailers({checksum: "1"}));
  let count = 0;
  const write = () => {
    if (count == 200) return stream.end();
    ++count;
    if (stream.write("x".repeat(10000))) setImmediate(write); else stream.once("drain", write);
  };
  write();
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
)"});
    const std::string url = "http://127.0.0.1:" + server.line() + "/";
    const auto got = support::run({"fetch", "--http2", url, url});
    EXPECT_TRUE(got.out == std::string(4'000'000, 'x')) << got.out.size() << got.err;
    EXPECT_EQ(got.err, "HTTP/2 200 OK, text/plain\nchecksum: 1\nHTTP/2 200 OK, text/plain\nchecksum: 1\n");
    EXPECT_EQ(got.code, 0);
}

#ifdef EDDY_TEST_HTTPS
TEST(Http2Peers, FetchNegotiatesHttp2WithNghttpd) {
    const support::certificate_authority authority;
    const auto issued = authority.issue({"DNS:localhost"});
    const support::temp_dir folder;
    std::ofstream(folder / "certificate.pem") << issued.pem;
    std::ofstream(folder / "key.pem") << issued.key;
    std::ofstream(folder / "trusted.pem") << authority.pem();
    const auto port = free_port();
    const process server({"/usr/sbin/nghttpd", "-d", folder / "", "-a", "127.0.0.1", port, folder / "key.pem",
                          folder / "certificate.pem"});
    const std::string url = "https://localhost:" + port + "/trusted.pem";
    const std::string trusted = folder / "trusted.pem";
    const support::environment variable("SSL_CERT_FILE", trusted.c_str());
    const auto got = fetch({url, url});
    EXPECT_EQ(got.out, authority.pem() + authority.pem());
    EXPECT_TRUE(got.err.starts_with("HTTP/2 200 OK")) << got.err;
    EXPECT_EQ(got.code, 0);
}

TEST(Http2Peers, HttpsServerNegotiatesProtocol) {
    const support::certificate_authority authority;
    const auto issued = authority.issue({"DNS:localhost"});
    const support::temp_dir folder;
    std::ofstream(folder / "certificate.pem") << issued.pem;
    std::ofstream(folder / "key.pem") << issued.key;
    std::ofstream(folder / "trusted.pem") << authority.pem();
    process server({"https_server", "127.0.0.1:0", folder / "certificate.pem", folder / "key.pem"});
    const std::string url = "https://localhost:" + std::to_string(addr_in(server.line()).port()) + "/hello";
    const std::string trusted = folder / "trusted.pem";
    EXPECT_EQ(curl({"--http2", "--cacert", trusted, url}).out, "hello over HTTP/2\n");
    EXPECT_EQ(curl({"--http1.1", "--cacert", trusted, url}).out, "hello over HTTP/1.1\n");
    EXPECT_EQ(curl({"--no-alpn", "--cacert", trusted, url}).out, "hello over HTTP/1.1\n");
    EXPECT_NE(curl({"--http2", url}).code, 0);  // the certificate is not trusted
    EXPECT_EQ(curl({"--http2", "--cacert", trusted, url, url}).out, "hello over HTTP/2\nhello over HTTP/2\n");

    server.signal(SIGINT);
    const auto ended = server.wait();
    EXPECT_EQ(ended.code, 0);
    EXPECT_EQ(ended.err, "");
}
#endif

#ifdef EDDY_TEST_ZERO_DOWNTIME
/// The example zero_downtime. Its processes are not children of this one, except the first one.
class replaced_server {
public:
    explicit replaced_server(const support::temp_dir& folder)
        : first_({"zero_downtime", "127.0.0.1:0", "127.0.0.1:0", folder / "certificate.pem", folder / "key.pem"}),
          id_(first_.pid()),
          start_(first_.line()) {}
    replaced_server(const replaced_server&) = delete;
    replaced_server& operator=(const replaced_server&) = delete;
    ~replaced_server() { ::kill(id_, SIGKILL); }

    /// Returns the address that follows `scheme` in the first line.
    [[nodiscard]] eddy::net::socket_addr addr_after(const std::string& scheme) const {
        const auto begin = start_.find(scheme) + scheme.size();
        return eddy::net::socket_addr::parse(start_.substr(begin, start_.find(' ', begin) - begin)).value();
    }
    void replace() {
        ::kill(id_, SIGHUP);
        const auto ready = first_.line();
        const std::string replaced = "process " + std::to_string(id_) + ": replaced by process ";
        const auto line = first_.line();
        ASSERT_TRUE(line.starts_with(replaced)) << ready << line;
        id_ = std::stoi(line.substr(replaced.size()));
        EXPECT_TRUE(ready.starts_with("process " + std::to_string(id_) + ": ready on http://")) << ready;
    }
    /// Ends the last process, and waits for all.
    process::outcome end() {
        ::kill(id_, SIGTERM);
        return first_.wait();
    }

private:
    process first_;
    pid_t id_;
    std::string start_;
};

// covers: B13
TEST(Http2Peers, ServerIsReplacedWithoutALostRequest) {
    const support::certificate_authority authority;
    const auto issued = authority.issue({"DNS:localhost"});
    const support::temp_dir folder;
    std::ofstream(folder / "certificate.pem") << issued.pem;
    std::ofstream(folder / "key.pem") << issued.key;
    std::ofstream(folder / "trusted.pem") << authority.pem();
    replaced_server server(folder);
    const std::string url = "http://" + server.addr_after("http://").to_string() + "/late";
    process load({"/usr/bin/h2load", "--h1", "-n", "400", "-c", "20", url});  // 2 s
    for (int i = 0; i < 3; ++i) server.replace();
    const auto said = load.wait().out;
    EXPECT_TRUE(said.contains("status codes: 400 2xx")) << said;
    const std::string secure = "https://localhost:" + std::to_string(server.addr_after("https://").port()) + "/";
    EXPECT_EQ(curl({"--http2", "--cacert", folder / "trusted.pem", secure}).out, "hello\n");
    const auto ended = server.end();
    EXPECT_EQ(ended.code, 0);
    EXPECT_EQ(ended.err, "");
}
#endif

}  // namespace
