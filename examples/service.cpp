// SPDX-License-Identifier: MIT
// The life of a service: it takes its socket from the service manager if it gets one, says when it is ready, feeds the
// manager's watchdog, tells load balancers that it is about to end before it ends, and knows its clients behind one.
//     $ ./service 127.0.0.1:8080
//     $ ./service --behind-proxy 127.0.0.1:8080                  # HAProxy: server a 127.0.0.1:8080 send-proxy-v2
//     $ systemd-socket-activate --listen 127.0.0.1:8080 ./service
//     $ curl http://127.0.0.1:8080/
//     you are 127.0.0.1:41234
#include <eddy/http.hpp>
#include <eddy/prelude.hpp>

#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <utility>

namespace {

using namespace std::chrono_literals;
namespace http = eddy::http;
namespace net = eddy::net;
namespace signal = eddy::signal;
using eddy::result;
using eddy::task;
using eddy::try_;

// docs: listener
/// Takes the socket of the service manager, or binds one.
task<result<net::tcp_listener>> open_listener(std::string where) {
    auto inherited = co_await try_(net::inherited_listeners());
    if (!inherited.empty()) co_return std::move(inherited.front()).into<net::tcp_listener>();
    co_return co_await net::tcp_listener::bind(where);
}
// docs: end

// docs: notify
/// Tells the service manager that the service is ready, that it is alive, and at last that it ends.
task<result<void>> report_to_manager(eddy::sync::cancellation_token ending) {
    co_await try_(net::notify_ready());
    auto feeding = ending.run_until_cancelled(net::feed_watchdog());
    if (const auto fed = co_await feeding; fed) co_await try_(std::move(*fed));
    co_await ending.cancelled();
    co_await try_(net::notify_stopping());
    co_return eddy::ok();
}
// docs: end

task<http::response> who_are_you(http::request asked) {
    co_return http::response::text("you are " + asked.peer->to_string() + "\n");
}

task<result<void>> run_service(std::string where, bool is_behind_proxy) {
    // docs: ending
    const auto ending = co_await try_(signal::shutdown_token());
    const auto end = signal::shutdown_delayed(ending, 2s);  // more than the load balancer's interval of checks
    http::router app;
    app.get("/", who_are_you).get("/health", http::health(ending));
    // docs: end
    auto listener = co_await try_(open_listener(std::move(where)));
    std::printf("listening on %s\n", listener.local_addr().value().to_string().c_str());
    std::fflush(stdout);
    auto reporting = eddy::spawn(report_to_manager(ending));
    auto options = http::serve_options().max_connections(1000).shutdown(end).drain(5s);
    // docs: proxy
    if (is_behind_proxy) {
        co_await try_(http::serve(net::proxy_listener(std::move(listener)), app, std::move(options)));
    } else {
        co_await try_(http::serve(std::move(listener), app, std::move(options)));
    }
    // docs: end
    const auto reported = co_await std::move(reporting);
    co_return reported.value();
}

}  // namespace

int main(int argc, char** argv) {
    const bool is_behind_proxy = argc > 1 && std::string_view(argv[1]) == "--behind-proxy";
    const int first = is_behind_proxy ? 2 : 1;
    eddy::core core;
    const auto ended = core.run(run_service(argc > first ? argv[first] : "127.0.0.1:8080", is_behind_proxy));
    if (ended) return 0;
    std::fprintf(stderr, "service: %s\n", ended.error().message().c_str());
    return 1;
}
