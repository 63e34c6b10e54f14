// SPDX-License-Identifier: MIT
// Fetches URLs, and writes their bodies to standard output as they arrive. Follows redirects. Supports https if
// eddy::http is built with eddy::tls. Uses the proxies of the environment, such as http_proxy. Status lines and errors
// are written to standard error. Over TLS, the server chooses HTTP/1.1 or HTTP/2. With --http2, all URLs are requested
// with HTTP/2, also without TLS. With --retry, requests that have failed are repeated, if that is safe. A URL gets the
// cookies that earlier ones have set.
//     $ ./fetch http://127.0.0.1:8080/notes http://127.0.0.1:8080/count/5
//     200 OK, application/json
//     {"monday":"buy tea"}
//     200 OK
//     1
//     ...
#include <eddy/http.hpp>
#include <eddy/prelude.hpp>

#include <chrono>
#include <cstdio>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace std::chrono_literals;
namespace http = eddy::http;
namespace io = eddy::io;
using eddy::result;
using eddy::task;
using eddy::try_;

/// Writes a body while it is received, so a body of any size takes little memory.
task<result<void>> print(http::body& from) {
    std::vector<std::byte> some(16 * 1024);
    for (;;) {
        const auto count = co_await try_(io::read(from, some));
        if (count == 0) co_return eddy::ok();
        std::fwrite(some.data(), 1, count, stdout);
        std::fflush(stdout);
    }
}

// docs: fetch
task<bool> fetch(const http::client& web, std::string url) {
    auto answer = co_await web.get(url);
    if (!answer) {
        std::fprintf(stderr, "fetch: %s\n", answer.error().message().c_str());
        co_return false;
    }
    std::string line = answer->version == http::version::http_2 ? "HTTP/2 " : "";
    line += std::to_string(http::to_int(answer->status)) + ' ' + std::string(reason_of(answer->status));
    if (const auto type = answer->headers.get("Content-Type")) line.append(", ").append(*type);
    std::fprintf(stderr, "%s\n", line.c_str());
    const auto printed = co_await print(answer->body);
    if (!printed) std::fprintf(stderr, "fetch: %s\n", printed.error().message().c_str());
    for (const auto& [name, value] : answer->body.trailers())
        std::fprintf(stderr, "%s: %s\n", std::string(name).c_str(), std::string(value).c_str());
    co_return printed.has_value() && is_success(answer->status);
}
// docs: end

task<int> fetch_all(std::vector<std::string> urls) {
    auto options = http::client_options().cookies(std::make_shared<http::cookie_jar>());
    if (std::erase(urls, "--http2") != 0) options.prior_knowledge(true);
    if (std::erase(urls, "--retry") != 0) {
        const auto delays = eddy::time::backoff(100ms).max_retries(3);
        options.retries(eddy::proto::retry_policy(delays)).retry_after(10s);
    }
    const http::client web(options);  // keeps connections open: two URLs of one server share a connection
    int code = 0;
    for (auto& url : urls) {
        const bool is_fine = co_await fetch(web, url);
        if (!is_fine) code = 1;
    }
    co_return code;
}

}  // namespace

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fputs("usage: fetch [--http2] [--retry] URL...\n", stderr);
        return 2;
    }
    return eddy::run(fetch_all({argv + 1, argv + argc}));
}
