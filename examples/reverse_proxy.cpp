// SPDX-License-Identifier: MIT
// A reverse proxy: distributes HTTP requests among several servers. Each request goes to the healthy server with the
// fewest requests in progress. If a server fails, a request that is safe to repeat goes to another one. A server is
// healthy while `GET /health` succeeds. Bodies are passed on as they arrive. With --tls, clients connect with TLS.
//     $ ./web_server 127.0.0.1:8081 & ./web_server 127.0.0.1:8082 &
//     $ ./reverse_proxy 127.0.0.1:8080 127.0.0.1:8081 127.0.0.1:8082
//     $ curl http://127.0.0.1:8080/notes
//     $ openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost
//           -addext subjectAltName=DNS:localhost -keyout key.pem -out certificate.pem
//     $ ./reverse_proxy --tls certificate.pem key.pem 127.0.0.1:8443 127.0.0.1:8081 127.0.0.1:8082
//     $ curl --cacert certificate.pem https://localhost:8443/notes
#include <eddy/http.hpp>
#include <eddy/prelude.hpp>
#include <eddy/tls.hpp>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <expected>
#include <optional>
#include <ranges>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace {

using namespace std::chrono_literals;
namespace http = eddy::http;
namespace net = eddy::net;
namespace tls = eddy::tls;
using eddy::result;
using eddy::task;
using eddy::try_;

/// A server behind the proxy.
struct backend {
    std::string addr;
    bool is_healthy = true;
    std::size_t in_progress = 0;  // requests that wait for the head of their response
};

class counted_request {
public:
    explicit counted_request(backend& of) noexcept : of_(of) { ++of_.in_progress; }
    counted_request(const counted_request&) = delete;
    counted_request& operator=(const counted_request&) = delete;
    ~counted_request() { --of_.in_progress; }

private:
    backend& of_;
};

// docs: health
/// Updates `is_healthy` twice per second.
task<void> check_health(backend& server) {
    const http::client web(http::client_options().timeout(2s).proxies(http::proxies::none()));
    auto every = eddy::time::interval(500ms);
    for (;;) {
        co_await every.tick();
        const auto answer = co_await web.get("http://" + server.addr + "/health");
        const bool is_healthy = answer && is_success(answer->status);
        if (is_healthy != server.is_healthy)
            std::fprintf(stderr, "%s is %s\n", server.addr.c_str(), is_healthy ? "healthy" : "not healthy");
        server.is_healthy = is_healthy;
    }
}
// docs: end

/// Removes the fields that concern a single connection: RFC 9110, section 7.6.1.
void remove_connection_fields(http::headers& fields) {
    std::vector<std::string> names{"Connection", "Keep-Alive", "Proxy-Connection", "TE", "Trailer", "Upgrade"};
    for (const auto& [name, value] : fields) {
        if (!http::equal_names(name, "Connection")) continue;
        for (const auto part : std::views::split(value, ',')) {
            std::string_view token(part.begin(), part.end());
            while (token.starts_with(' ') || token.starts_with('\t')) token.remove_prefix(1);
            while (token.ends_with(' ') || token.ends_with('\t')) token.remove_suffix(1);
            names.emplace_back(token);
        }
    }
    for (const auto& name : names) fields.remove(name);
}

/// The service. All requests run on one event loop, so it needs no lock.
class proxy {
public:
    explicit proxy(std::vector<backend> servers) : servers_(std::move(servers)) {}

    std::vector<backend>& servers() noexcept { return servers_; }

    // docs: forward
    task<result<http::response>> forward(http::request asked) {
        if (asked.target == "*") co_return http::response(http::status::no_content);  // OPTIONS: about the proxy itself
        remove_connection_fields(asked.headers);
        if (asked.peer) asked.headers.add("X-Forwarded-For", asked.peer->ip().to_string());
        const bool is_idempotent = asked.method != http::method::post && asked.method != http::method::patch;
        std::vector<const backend*> tried;
        for (;;) {
            backend* const server = select(tried);
            if (server == nullptr) break;
            tried.push_back(server);
            http::request copy(asked.method, asked.target);
            copy.headers = asked.headers;
            const auto* const content = asked.body.in_memory();  // null if the client still sends the body
            copy.body = content != nullptr ? http::body(*content) : std::move(asked.body);
            auto answer = co_await send(*server, std::move(copy));
            if (answer) {
                remove_connection_fields(answer->headers);
                co_return *std::move(answer);
            }
            const auto& error = answer.error();
            if (error.phase() == http::phase::body) co_return std::unexpected(error.code());  // 400, 408 or 413
            std::fprintf(stderr, "%s\n", error.message().c_str());
            if (error.phase() == http::phase::url) co_return http::response(http::status::bad_request);
            const bool was_sent = error.phase() == http::phase::send || error.phase() == http::phase::receive;
            if (!was_sent) server->is_healthy = false;
            if (content == nullptr || (was_sent && !is_idempotent)) break;
        }
        if (tried.empty()) co_return http::response::text("no server\n", http::status::service_unavailable);
        co_return http::response::text("the server failed\n", http::status::bad_gateway);
    }
    // docs: end

private:
    /// Returns the healthy server with the fewest requests in progress, except those in `tried`. Servers with the same
    /// number take turns. Returns null if there is none.
    backend* select(const std::vector<const backend*>& tried) {
        backend* best = nullptr;
        ++turn_;
        for (std::size_t i = 0; i < servers_.size(); ++i) {
            backend& each = servers_[(turn_ + i) % servers_.size()];
            if (!each.is_healthy || std::ranges::find(tried, &each) != tried.end()) continue;
            if (best == nullptr || each.in_progress < best->in_progress) best = &each;
        }
        return best;
    }

    task<std::expected<http::response, http::client_error>> send(backend& server, http::request asked) {
        std::string url = "http://" + server.addr + asked.target;
        const counted_request counted(server);
        co_return co_await web_.send(std::move(url), std::move(asked));
    }

    // Redirects and compressed responses are passed on unchanged. The servers are reached without another proxy.
    static http::client_options options() {
        return http::client_options().timeout(10s).max_redirects(0).decompressed_limit(0).max_idle(64).proxies(
            http::proxies::none());
    }

    const http::client web_{options()};
    std::vector<backend> servers_;
    std::size_t turn_ = 0;
};

/// The certificate for clients and its key, PEM files.
struct identity_files {
    std::string certificate, key;

    identity_files(std::string of_certificate, std::string of_key)
        : certificate(std::move(of_certificate)), key(std::move(of_key)) {}  // not an aggregate: GCC 12 bug
};

// docs: tls
task<result<net::serve_report>> serve_tls(net::tcp_listener listener, identity_files from, http::service app,
                                          eddy::sync::cancellation_token end) {
    auto identity = co_await try_(tls::identity::from_files(from.certificate, from.key));
    auto builder = tls::server_builder(std::move(identity));
    const auto config = co_await try_(builder.alpn(http::alpn_protocols()).build());  // HTTP/2 for clients that have it
    const auto options = http::serve_options().body_limit(1 << 30).shutdown(end);
    const auto handler = [=](net::tcp_stream tcp, net::socket_addr peer,
                             net::serve_connection connection) -> task<result<void>> {
        auto accepted = co_await tls::accept(std::move(tcp), config);
        if (!accepted) co_return eddy::ok();  // a client without TLS, or one that refuses the certificate
        co_return co_await http::serve_connection(*std::move(accepted), app, options, std::move(connection), peer);
    };
    auto connections = net::serve_options().max_connections(10'000).idle_timeout(60s).shutdown(end).drain(10s);
    co_return co_await net::serve(std::move(listener), handler, std::move(connections));
}
// docs: end

task<result<net::serve_report>> serve_clients(net::tcp_listener listener, std::optional<identity_files> files,
                                              http::service app, eddy::sync::cancellation_token end) {
    if (files) co_return co_await serve_tls(std::move(listener), *std::move(files), app, end);
    auto options = http::serve_options().max_connections(10'000).body_limit(1 << 30).shutdown(end).drain(10s);
    co_return co_await http::serve(std::move(listener), app, std::move(options));
}

task<result<void>> run_proxy(std::string where, std::vector<backend> servers, std::optional<identity_files> files) {
    const auto end = co_await try_(eddy::signal::shutdown_token());  // Ctrl-C and SIGTERM, from here on
    auto listener = co_await try_(net::tcp_listener::bind(where));
    std::printf("listening on %s\n", listener.local_addr().value().to_string().c_str());
    std::fflush(stdout);
    // docs: run
    proxy all(std::move(servers));
    eddy::task_owner checks;
    for (backend& each : all.servers()) checks.spawn([&each] { return check_health(each); });
    const http::service app([&all](http::request asked) { return all.forward(std::move(asked)); });
    const auto report = co_await try_(serve_clients(std::move(listener), std::move(files), app, end));
    co_await checks.close();
    // docs: end
    std::printf("served %llu connections\n", static_cast<unsigned long long>(report.accepted));
    co_return eddy::ok();
}

}  // namespace

int main(int argc, char** argv) {
    std::vector<std::string> arguments(argv + 1, argv + argc);
    std::optional<identity_files> files;
    if (arguments.size() > 3 && arguments[0] == "--tls") {
        files.emplace(arguments[1], arguments[2]);
        arguments.erase(arguments.begin(), arguments.begin() + 3);
    }
    if (arguments.size() < 2) {
        std::fprintf(stderr, "usage: reverse_proxy [--tls CERTIFICATE.pem KEY.pem] ADDRESS SERVER...\n");
        return 2;
    }
    std::vector<backend> servers;
    for (std::size_t i = 1; i < arguments.size(); ++i) servers.push_back({.addr = arguments[i]});
    eddy::core core;
    const auto ended = core.run(run_proxy(arguments[0], std::move(servers), std::move(files)));
    if (ended) return 0;
    std::fprintf(stderr, "reverse_proxy: %s\n", ended.error().message().c_str());
    return 1;
}
