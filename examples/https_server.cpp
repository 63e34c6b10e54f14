// SPDX-License-Identifier: MIT
// A server for HTTP/1.1 and HTTP/2 over TLS. Client and server agree on the protocol in the TLS handshake (ALPN). The
// arguments are the address, and the server's certificate and its key as PEM files.
//     $ openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost
//           -addext subjectAltName=DNS:localhost -keyout key.pem -out certificate.pem
//     $ ./https_server 127.0.0.1:8443 certificate.pem key.pem
//     $ curl --cacert certificate.pem https://localhost:8443/hello
//     hello over HTTP/2
#include <eddy/http.hpp>
#include <eddy/prelude.hpp>
#include <eddy/tls.hpp>

#include <chrono>
#include <cstdio>
#include <string>
#include <utility>

namespace {

using namespace std::chrono_literals;
namespace http = eddy::http;
namespace net = eddy::net;
namespace tls = eddy::tls;
using eddy::result;
using eddy::task;
using eddy::try_;

task<http::response> hello(http::request asked) {
    const bool is_2 = asked.version == http::version::http_2;
    co_return http::response::text(is_2 ? "hello over HTTP/2\n" : "hello over HTTP/1.1\n");
}

/// Answers 100 ms after the whole body was received. The check with h2spec uses it, because h2spec sends its next frame
/// before the response arrives.
task<result<http::response>> late(http::request asked) {
    const auto all = co_await try_(asked.body.read_all());
    co_await eddy::time::sleep(100ms);
    co_return http::response::text(std::to_string(all.size()) + " bytes\n");
}

/// Sends the body of the request back while it is received.
task<http::response> echo(http::request asked) { co_return http::response(http::status::ok, std::move(asked.body)); }

task<result<void>> run_server(std::string where, std::string certificate, std::string key) {
    const auto end = co_await try_(eddy::signal::shutdown_token());  // Ctrl-C and SIGTERM, from here on
    auto listener = co_await try_(net::tcp_listener::bind(where));
    std::printf("listening on %s\n", listener.local_addr().value().to_string().c_str());
    std::fflush(stdout);
    http::router routes;
    routes.get("/hello", hello).any("/late", late).put("/echo", echo).post("/echo", echo);
    const http::service app(routes);
    // docs: https server
    auto identity = co_await try_(tls::identity::from_files(certificate, key));
    auto builder = tls::server_builder(std::move(identity));
    const auto config = co_await try_(builder.alpn(http::alpn_protocols()).build());
    const auto options = http::serve_options().shutdown(end);
    const auto handler = [=](net::tcp_stream tcp, net::socket_addr peer,
                             net::serve_connection connection) -> task<result<void>> {
        auto accepted = co_await tls::accept(std::move(tcp), config);
        if (!accepted) co_return eddy::ok();  // a client without TLS, or one that refuses the certificate
        co_return co_await http::serve_connection(*std::move(accepted), app, options, std::move(connection), peer);
    };
    auto connections = net::serve_options().idle_timeout(60s).shutdown(end).drain(5s);
    // docs: end
    const auto report = co_await try_(net::serve(std::move(listener), handler, std::move(connections)));
    std::printf("served %llu connections\n", static_cast<unsigned long long>(report.accepted));
    co_return eddy::ok();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        std::fputs("usage: https_server ADDRESS CERTIFICATE.pem KEY.pem\n", stderr);
        return 2;
    }
    eddy::core core;
    const auto ended = core.run(run_server(argv[1], argv[2], argv[3]));
    if (ended) return 0;
    std::fprintf(stderr, "https_server: %s\n", ended.error().message().c_str());
    return 1;
}
