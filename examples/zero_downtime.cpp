// SPDX-License-Identifier: MIT
// A server for HTTP/1.1, HTTP/2 and TLS that is replaced by a new version of itself while clients use it. No request
// fails: the new process gets the listening sockets of the old one, and the old one finishes its requests.
//     $ ./zero_downtime 127.0.0.1:8080 127.0.0.1:8443 certificate.pem key.pem       # see https_server for the files
//     process 4711: ready on http://127.0.0.1:8080 and https://127.0.0.1:8443
//     $ kill -HUP 4711
//     process 4713: ready on http://127.0.0.1:8080 and https://127.0.0.1:8443
//     process 4711: replaced by process 4713
#include <eddy/http.hpp>
#include <eddy/prelude.hpp>
#include <eddy/process.hpp>
#include <eddy/tls.hpp>

#include <chrono>
#include <cstdio>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <variant>
#include <vector>

#include <unistd.h>

namespace {

using namespace std::chrono_literals;
namespace http = eddy::http;
namespace net = eddy::net;
namespace process = eddy::process;
namespace signal = eddy::signal;
namespace tls = eddy::tls;
using eddy::result;
using eddy::task;
using eddy::try_;
using eddy::sync::cancellation_token;

task<http::response> hello(http::request) { co_return http::response::text("hello\n"); }

std::string to_text(const net::tcp_listener& listener) { return listener.local_addr().value().to_string(); }

/// Answers after 100 ms, so some of its requests are always in progress.
task<http::response> late(http::request) {
    co_await eddy::time::sleep(100ms);
    co_return http::response::text("late\n");
}

http::service make_service() {
    http::router routes;
    routes.get("/", hello).get("/late", late);
    return http::service(routes);
}

// docs: serve
/// When `end` is cancelled, the requests in progress are finished. A connection that is idle stays open for 1 s: a
/// request of its client may be under way.
task<result<void>> serve_web(net::tcp_listener listener, cancellation_token end) {
    const auto options = http::serve_options().shutdown(end).idle_grace(1s).drain(10s);
    co_await try_(http::serve(std::move(listener), make_service(), options));
    co_return eddy::ok();
}

task<result<void>> serve_tls(net::tcp_listener listener, tls::server_config config, cancellation_token end) {
    const auto options = http::serve_options().shutdown(end);
    const auto handler = [app = make_service(), config, options](
                             net::tcp_stream tcp, net::socket_addr peer,
                             net::serve_connection connection) -> task<result<void>> {
        auto accepted = co_await tls::accept(std::move(tcp), config);
        if (!accepted) co_return eddy::ok();
        co_return co_await http::serve_connection(*std::move(accepted), app, options, std::move(connection), peer);
    };
    auto connections = net::serve_options().shutdown(end).idle_grace(1s).drain(10s).idle_timeout(60s);
    co_await try_(net::serve(std::move(listener), handler, std::move(connections)));
    co_return eddy::ok();
}
// docs: end

// docs: listener
/// Returns the socket with this name, which the predecessor or the service manager has passed, or binds one.
task<result<net::tcp_listener>> open(std::vector<net::inherited_listener>& inherited, std::string_view name,
                                     std::string where) {
    for (auto& one : inherited) {
        if (one.name() == name) co_return std::move(one).into<net::tcp_listener>();
    }
    co_return co_await net::tcp_listener::bind(where);
}
// docs: end

// docs: hand over
/// Ends when the server must end: `stop` was cancelled, or a successor that was started at a SIGHUP is ready.
task<result<void>> wait_for_end(signal::signal_stream hangups, cancellation_token stop, process::command successor,
                                process::hand_over_options options) {
    for (;;) {
        const auto first = co_await eddy::select(hangups.next(), stop.cancelled());
        if (first.index() == 1) break;
        // A server that must end meanwhile kills the successor.
        const auto second = co_await eddy::select(process::hand_over(successor, options), stop.cancelled());
        if (second.index() == 1) break;
        const auto& replaced = std::get<0>(second);
        const auto text = replaced ? "replaced by process " + std::to_string(*replaced)
                                   : "not replaced: " + replaced.error().message();
        std::printf("process %d: %s\n", ::getpid(), text.c_str());
        std::fflush(stdout);
        if (replaced) break;
    }
    co_return eddy::ok();
}

task<result<void>> run_server(std::vector<std::string> arguments) {
    const auto stop = co_await try_(signal::shutdown_token());
    auto hangups = co_await try_(signal::stream(signal::kind::hangup()));
    auto inherited = co_await try_(net::inherited_listeners());
    auto web = co_await try_(open(inherited, "web", arguments[1]));
    auto secure = co_await try_(open(inherited, "tls", arguments[2]));
    auto identity = co_await try_(tls::identity::from_files(arguments[3], arguments[4]));
    auto keys = co_await try_(process::inherited_bytes());
    auto builder = tls::server_builder(std::move(identity));
    auto made = builder.alpn(http::alpn_protocols()).ticket_keys(std::move(keys)).build();
    // With another OpenSSL, the keys may have another length. Clients of the old process then begin new sessions.
    if (!made && made.error() == std::errc::invalid_argument) made = builder.ticket_keys("").build();
    const auto config = co_await try_(std::move(made));

    auto options = process::hand_over_options().listener("web", web).listener("tls", secure);
    options.bytes(config.ticket_keys());
    auto successor = process::command(arguments[0]).args({arguments.begin() + 1, arguments.end()});
    const std::string urls = "http://" + to_text(web) + " and https://" + to_text(secure);
    const auto end = stop.child_token();
    auto serving_web = eddy::spawn(serve_web(std::move(web), end));
    auto serving_tls = eddy::spawn(serve_tls(std::move(secure), config, end));
    std::printf("process %d: ready on %s\n", ::getpid(), urls.c_str());
    std::fflush(stdout);
    co_await try_(net::notify_ready());  // the predecessor stops when it has this message

    co_await try_(wait_for_end(std::move(hangups), stop, std::move(successor), std::move(options)));
    end.cancel();
    const auto web_ended = co_await std::move(serving_web);
    const auto tls_ended = co_await std::move(serving_tls);
    co_await try_(web_ended.value());
    co_return tls_ended.value();
}
// docs: end

}  // namespace

int main(int argc, char** argv) {
    if (argc != 5) {
        std::fputs("usage: zero_downtime ADDRESS TLS_ADDRESS CERTIFICATE.pem KEY.pem\n", stderr);
        return 2;
    }
    eddy::core core;
    const auto ended = core.run(run_server({argv, argv + argc}));
    if (ended) return 0;
    std::fprintf(stderr, "zero_downtime: %s\n", ended.error().message().c_str());
    return 1;
}
