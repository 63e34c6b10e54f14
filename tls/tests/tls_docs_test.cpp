// SPDX-License-Identifier: MIT
// Blocks of code in tls/docs/tls.md; see docs_test.cpp.
#include <eddy/prelude.hpp>
#include <eddy/tls.hpp>

#include <gtest/gtest.h>

#include <csignal>
#include <fstream>
#include <string>
#include <system_error>
#include <utility>

#include "support/certificates.hpp"
#include "support/temp_dir.hpp"

namespace {

using namespace std::chrono_literals;
using eddy::result;
using eddy::task;
using eddy::try_;
namespace codec = eddy::codec;
namespace net = eddy::net;
namespace sync = eddy::sync;
namespace tls = eddy::tls;

// docs: handler
/// Sends each line of a client back.
task<result<void>> echo_lines(net::tcp_stream tcp, tls::server_config config) {
    auto accepted = co_await tls::accept(std::move(tcp), config);
    if (!accepted) co_return eddy::ok();  // a client without TLS, or one that refuses the certificate
    codec::framed lines(*std::move(accepted), codec::lines_codec(1024));
    while (auto line = co_await try_(lines.try_next())) co_await try_(lines.send(*line));
    co_return co_await lines.close();  // sends close_notify
}
// docs: end

// docs: server
task<result<void>> serve(net::tcp_listener listener, std::string folder, sync::cancellation_token end) {
    auto own = co_await try_(tls::identity::from_files(folder + "/certificate.pem", folder + "/key.pem"));
    const auto config = co_await try_(tls::server_config::make(std::move(own)));
    const auto handler = [config](net::tcp_stream tcp) { return echo_lines(std::move(tcp), config); };
    auto options = net::serve_options().max_connections(1000).shutdown(end).drain(5s);
    co_await try_(net::serve(std::move(listener), handler, std::move(options)));
    co_return eddy::ok();
}
// docs: end

// docs: client
/// Sends a line, and returns the answer.
task<result<std::string>> ask(std::string server, std::string host, std::string line, tls::client_config config) {
    auto tcp = co_await try_(net::tcp_stream::connect(server));               // "example.com:4433"
    auto stream = co_await try_(tls::connect(std::move(tcp), config, host));  // "example.com"
    co_await try_(stream.write_all(line + "\n"));
    co_await try_(stream.shutdown());  // sends close_notify; without it, the server reports errc::tls_truncated
    std::string answer;
    co_await try_(eddy::io::read_to_string(stream, answer));
    co_return answer;
}
// docs: end

// docs: renew
/// Reads the files again at each SIGHUP. Open connections are not affected.
task<result<void>> renew_at_hangup(tls::server_config config, std::string folder) {
    auto hangups = co_await try_(eddy::signal::stream(eddy::signal::kind::hangup()));
    while (co_await hangups.next()) {
        const auto renewed = tls::identity::from_files(folder + "/certificate.pem", folder + "/key.pem");
        const auto replaced = renewed ? config.replace(*renewed) : std::unexpected(renewed.error());
        if (!replaced) std::fprintf(stderr, "no new certificate: %s\n", replaced.error().message().c_str());
    }
    co_return eddy::ok();
}
// docs: end

// docs: client certificates
result<tls::server_config> with_client_certificates(tls::identity own, const std::string& issuers) {
    return tls::server_builder(std::move(own)).require_client_certificate(issuers).build();
}

result<tls::client_config> with_identity(tls::identity own, const std::string& trusted) {
    return tls::client_builder().trust_pem(trusted).identity(std::move(own)).build();
}
// docs: end

struct TlsDocs : testing::Test {
    support::certificate_authority authority;
    support::temp_dir folder;

    void issue(const std::string& name) const {
        const auto issued = authority.issue({"DNS:" + name});
        std::ofstream(folder / "certificate.pem") << issued.pem;
        std::ofstream(folder / "key.pem") << issued.key;
    }
    tls::identity identity(const std::string& name) const {
        const auto issued = authority.issue({"DNS:" + name});
        return tls::identity::from_pem(issued.pem, issued.key).value();
    }
    result<tls::client_config> client() const { return tls::client_builder().trust_pem(authority.pem()).build(); }
};

TEST_F(TlsDocs, ServerAnswersClient) {
    issue("localhost");
    eddy::core loop;
    loop.run([&]() -> task<void> {
        auto listener = (co_await net::tcp_listener::bind("127.0.0.1:0")).value();
        const auto address = listener.local_addr().value().to_string();
        const sync::cancellation_token end;
        auto server = eddy::spawn(serve(std::move(listener), folder / "", end));
        const auto trusting = client().value();
        const auto answer = co_await ask(address, "localhost", "hello", trusting);
        EXPECT_EQ(answer.value(), "hello\n");
        const auto other_name = co_await ask(address, "example.com", "hello", trusting);
        EXPECT_EQ(other_name.error().category(), tls::certificate_category());
        end.cancel();
        const auto ended = co_await server;
        EXPECT_TRUE(ended.value().has_value());
    });
}

TEST_F(TlsDocs, HangupRenewsCertificate) {
    issue("localhost");
    eddy::core loop;
    loop.run([&]() -> task<void> {
        auto listener = (co_await net::tcp_listener::bind("127.0.0.1:0")).value();
        const auto address = listener.local_addr().value().to_string();
        const auto config = tls::server_config::make(identity("old.example.com")).value();
        auto renewing = eddy::spawn(renew_at_hangup(config, folder / ""));
        co_await eddy::yield_now();  // now it listens for the signal
        std::raise(SIGHUP);
        const auto handler = [config](net::tcp_stream tcp) { return echo_lines(std::move(tcp), config); };
        auto server = eddy::spawn(net::serve(std::move(listener), handler));
        const auto trusting = client().value();
        for (bool is_renewed = false; !is_renewed;) {
            const auto answer = co_await ask(address, "localhost", "hello", trusting);
            is_renewed = answer.has_value();
        }
        renewing.abort();
        server.abort();
    });
}

TEST_F(TlsDocs, ClientWithoutCertificateIsRefused) {
    eddy::core loop;
    loop.run([&]() -> task<void> {
        auto listener = (co_await net::tcp_listener::bind("127.0.0.1:0")).value();
        const auto address = listener.local_addr().value().to_string();
        const auto config = with_client_certificates(identity("localhost"), authority.pem()).value();
        const auto handler = [config](net::tcp_stream tcp) { return echo_lines(std::move(tcp), config); };
        auto server = eddy::spawn(net::serve(std::move(listener), handler));
        const auto known = with_identity(identity("worker"), authority.pem()).value();
        const auto answer = co_await ask(address, "localhost", "hello", known);
        EXPECT_EQ(answer.value(), "hello\n");
        const auto refused = co_await ask(address, "localhost", "hello", client().value());
        EXPECT_FALSE(refused.has_value());
        server.abort();
    });
}

}  // namespace
