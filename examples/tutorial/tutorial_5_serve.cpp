// SPDX-License-Identifier: MIT
// Tutorial, chapters 5 and 6: messages between clients, limits, and a graceful end.
//     $ ./tutorial_5_serve 127.0.0.1:6379      and, in other terminals,
//     $ redis-cli -p 6379 SUBSCRIBE news
//     $ redis-cli -p 6379 PUBLISH news hello     (integer) 1
// Ctrl-C ends it. Clients then have 2 s to receive their replies.
#include <eddy/prelude.hpp>

#include <cstdio>
#include <memory>
#include <string>

#include "session.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using eddy::try_;

task<result<void>> serve(std::string where) {
    auto listener = co_await try_(eddy::net::tcp_listener::bind(where));
    const auto bound = co_await try_(listener.local_addr());
    // docs: serve
    const auto state = std::make_shared<tutorial::server_state>();
    eddy::spawn_background(tutorial::store::purge(state->data));
    const auto stop = co_await try_(eddy::signal::shutdown_token());

    const auto handler = [state](eddy::net::tcp_stream client) {
        auto limited = eddy::io::idle_timeout(std::move(client), 5min);  // also for reads that wait for a request
        return tutorial::talk(std::move(limited), state);
    };
    auto options = eddy::net::serve_options().max_connections(1000).shutdown(stop).drain(2s);
    auto serving = eddy::net::serve(std::move(listener), handler, std::move(options));
    // docs: end
    std::printf("listening on %s\n", bound.to_string().c_str());
    std::fflush(stdout);
    const auto report = co_await try_(serving);
    std::printf("served %llu clients\n", static_cast<unsigned long long>(report.accepted));
    co_return eddy::ok();
}

}  // namespace

int main(int argc, char** argv) { return eddy::run(serve(argc > 1 ? argv[1] : "127.0.0.1:6379")); }
