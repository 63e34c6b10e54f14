// SPDX-License-Identifier: MIT
// TLS: an echo server and a client, in one program. The arguments are the server's certificate and its key as PEM
// files, for the host name localhost.
//     $ openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost
//           -addext subjectAltName=DNS:localhost -keyout key.pem -out certificate.pem
//     $ ./tls_echo certificate.pem key.pem
//     TLS 1.3, echo: hello
//
// The client verifies the server's certificate and its host name: here, it trusts only the certificate file.
#include <eddy/prelude.hpp>
#include <eddy/tls.hpp>

#include <cstdio>
#include <string>

namespace {

namespace net = eddy::net;
namespace tls = eddy::tls;

eddy::task<eddy::result<void>> serve_one(net::tcp_listener& listener, tls::server_config config) {
    auto accepted = co_await eddy::try_(listener.accept());
    auto peer = co_await eddy::try_(tls::accept(std::move(accepted.stream), config));
    std::array<std::byte, 4096> buffer;
    for (;;) {
        const auto count = co_await eddy::try_(peer.read(buffer));
        if (count == 0) break;  // close_notify; without it, errc::tls_truncated
        co_await eddy::try_(peer.write_all(std::span(buffer).first(count)));
    }
    co_return co_await peer.shutdown();
}

eddy::task<eddy::result<void>> talk(net::socket_addr to, tls::client_config config) {
    auto tcp = co_await eddy::try_(net::tcp_stream::connect(to));
    auto peer = co_await eddy::try_(tls::connect(std::move(tcp), config, "localhost"));
    co_await eddy::try_(peer.write_all("hello"));
    std::string answer(5, ' ');
    co_await eddy::try_(peer.read_exact(answer));
    co_await eddy::try_(peer.shutdown());  // without it, the server reports a truncated connection
    std::printf("TLS 1.%d, echo: %s\n", peer.version() == tls::version::tls_1_3 ? 3 : 2, answer.c_str());
    co_return eddy::ok();
}

eddy::task<eddy::result<void>> run_both(std::string certificate, std::string key) {
    auto identity = co_await eddy::try_(tls::identity::from_files(certificate, key));
    auto server = co_await eddy::try_(tls::server_config::make(std::move(identity)));
    auto client = co_await eddy::try_(tls::client_builder().trust_file(certificate).build());
    auto listener = co_await eddy::try_(net::tcp_listener::bind("127.0.0.1:0"));
    const auto address = co_await eddy::try_(listener.local_addr());
    co_await eddy::try_(eddy::try_join(serve_one(listener, server), talk(address, client)));
    co_return eddy::ok();
}

}  // namespace

int main(int argc, char** argv) {
    if (argc != 3) {
        std::fputs("usage: tls_echo CERTIFICATE.pem KEY.pem\n", stderr);
        return 2;
    }
    return eddy::run(run_both(argv[1], argv[2]));
}
