// SPDX-License-Identifier: MIT
// A server for the files of a folder, with ranges and conditions. On Linux the kernel passes the bytes from its cache
// to the connection (sendfile). Ctrl-C closes idle connections, and other connections after their response. Then the
// server prints which way the bytes took.
//     $ ./file_server 127.0.0.1:8080 folder
//     $ curl -r 0-99 http://127.0.0.1:8080/name
//     $ curl -C - -O http://127.0.0.1:8080/large      # continues a download that was stopped
#include <eddy/fs.hpp>
#include <eddy/http.hpp>
#include <eddy/prelude.hpp>

#include <chrono>
#include <cstdio>
#include <string>
#include <utility>

namespace {

using namespace std::chrono_literals;
namespace fs = eddy::fs;
namespace http = eddy::http;
namespace net = eddy::net;
using eddy::result;
using eddy::task;
using eddy::try_;

// docs: serve files
task<result<void>> serve_files(std::string where, std::string folder) {
    const auto end = co_await try_(eddy::signal::shutdown_token());  // Ctrl-C and SIGTERM, from here on
    auto listener = co_await try_(net::tcp_listener::bind(where));
    std::printf("listening on %s\n", listener.local_addr().value().to_string().c_str());
    std::fflush(stdout);
    auto options = http::serve_options().max_connections(10'000).shutdown(end).drain(5s);
    co_await try_(http::serve(std::move(listener), http::files(folder), std::move(options)));
    const auto bytes = fs::metrics();
    std::printf("sent %llu bytes, copied %llu\n", static_cast<unsigned long long>(bytes.sent_bytes),
                static_cast<unsigned long long>(bytes.copied_bytes));
    co_return eddy::ok();
}
// docs: end

}  // namespace

int main(int argc, char** argv) {
    eddy::runtime runtime;
    const auto ended = runtime.block_on(serve_files(argc > 1 ? argv[1] : "127.0.0.1:8080", argc > 2 ? argv[2] : "."));
    if (ended) return 0;
    std::fprintf(stderr, "file_server: %s\n", ended.error().message().c_str());
    return 1;
}
