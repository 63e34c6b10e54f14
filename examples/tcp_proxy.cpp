// SPDX-License-Identifier: MIT
// A TCP proxy: connects each client to a server, which may be slow to start, and forwards both directions.
//     $ ./tcp_proxy 127.0.0.1:8081 127.0.0.1:8080       (listens on the first address, connects to the second)
#include <eddy/prelude.hpp>

#include <cstdio>
#include <string>
#include <utility>

namespace {

using namespace std::chrono_literals;
namespace io = eddy::io;
namespace net = eddy::net;
namespace time = eddy::time;
using eddy::result;
using eddy::task;
using eddy::try_;

/// Connects to the server: five attempts of at most a second, with growing random delays between them.
task<result<net::tcp_stream>> connect(const std::string& server) {
    const auto delays = time::backoff(10ms).max_retries(4);
    auto connecting = eddy::retry(delays, [&] { return time::try_timeout(1s, net::tcp_stream::connect(server)); });
    co_return co_await connecting;
}

/// Serves one client. Ends when both sides have closed their direction, or if no byte has passed for five minutes.
task<result<void>> forward(net::tcp_stream client, const std::string& server) {
    auto upstream = co_await try_(connect(server));
    auto copying = io::copy_bidirectional(client, upstream, io::copy_options().idle_timeout(5min));
    const auto bytes = co_await try_(copying);
    std::printf("%llu bytes there, %llu bytes back\n", static_cast<unsigned long long>(bytes.a_to_b),
                static_cast<unsigned long long>(bytes.b_to_a));
    std::fflush(stdout);
    co_return eddy::ok();
}

task<result<void>> run_proxy(std::string listen_on, std::string server) {
    const auto end = co_await try_(eddy::signal::shutdown_token());  // Ctrl-C and SIGTERM, from here on
    auto listener = co_await try_(net::tcp_listener::bind(listen_on));
    std::printf("listening on %s\n", listener.local_addr().value().to_string().c_str());
    std::fflush(stdout);

    // If the server cannot be reached, on_error prints the error, and the client loses only its own connection.
    auto options = net::serve_options().max_connections(10'000).shutdown(end).drain(5s);
    options.on_error([](const eddy::unobserved_error& failed) {
        std::printf("%s\n", failed.message.c_str());
        std::fflush(stdout);
    });
    const auto handler = [&](net::tcp_stream client) { return forward(std::move(client), server); };
    co_await try_(net::serve(std::move(listener), handler, std::move(options)));
    co_return eddy::ok();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc == 3) return eddy::run(run_proxy(argv[1], argv[2]));
    std::fprintf(stderr, "usage: %s LISTEN_ADDRESS SERVER_ADDRESS\n", argv[0]);
    return 2;
}
