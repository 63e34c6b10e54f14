// SPDX-License-Identifier: MIT
// TLS with OpenSSL itself: its programs as peers, and its functions for rare behavior of a peer.
// covers: P067
#include <eddy/tls.hpp>

#include <eddy/bytes.hpp>
#include <eddy/codec.hpp>
#include <eddy/future.hpp>
#include <eddy/io.hpp>
#include <eddy/net.hpp>
#include <eddy/runtime.hpp>
#include <eddy/task.hpp>

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <fstream>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "openssl.hpp"
#include "support/process.hpp"
#include "support/temp_dir.hpp"
#include "support/tls_pair.hpp"

namespace {

using eddy::result;
using eddy::task;
using eddy::try_;
using support::tls_world;
namespace net = eddy::net;
namespace tls = eddy::tls;

const char* const versions[] = {"-tls1_2", "-tls1_3"};

/// Files for the programs of OpenSSL.
struct files {
    support::temp_dir folder;
    std::string authority = folder / "authority.pem";
    std::string chain = folder / "chain.pem";
    std::string key = folder / "key.pem";

    explicit files(const tls_world& world) {
        std::ofstream(authority) << world.authority().pem();
        std::ofstream(chain) << world.issued().pem;
        std::ofstream(key) << world.issued().key;
    }
};

std::string shell(const std::string& command, std::string& errors) {
    auto ended = support::run({"/bin/sh", "-c", command});
    errors = ended.err;
    return ended.out;
}

task<result<std::string>> echo_one_client(net::tcp_listener& listener, tls::server_config config) {
    auto accepted = co_await try_(listener.accept());
    auto peer = co_await try_(tls::accept(std::move(accepted.stream), config));
    std::array<std::byte, 1000> into{};
    std::string got;
    while (got.find('\n') == std::string::npos) {
        const auto count = co_await try_(peer.read(into));
        if (count == 0) break;
        got.append(reinterpret_cast<const char*>(into.data()), count);
    }
    co_await try_(peer.write_all(got));
    co_await try_(peer.shutdown());
    co_return std::move(got);
}

TEST(TlsPeer, ServesOpensslClient) {
    const tls_world world;
    const files paths(world);
    for (const char* const version : versions) {
        eddy::core loop;
        auto listener = loop.run(net::tcp_listener::bind("127.0.0.1:0"));
        ASSERT_TRUE(listener.has_value());
        const auto port = std::to_string(listener->local_addr()->port());
        std::string errors;
        std::string said;
        std::thread client([&] {
            said = shell(
                "echo hello | openssl s_client -quiet -verify_return_error -servername localhost "
                "-verify_hostname localhost -CAfile " +
                    paths.authority + " " + version + " -connect 127.0.0.1:" + port,
                errors);
        });
        const auto got = loop.run(echo_one_client(*listener, *world.server().build()));
        client.join();
        EXPECT_EQ(got.value_or("nothing"), "hello\n") << errors;
        EXPECT_EQ(said, "hello\n") << errors;
    }
}

/// Reads lines up to one that begins with `begin`. Returns whether there is one.
bool has_line(support::process& from, std::string_view begin) {
    for (int lines = 0; lines < 300; ++lines) {
        if (from.line().starts_with(begin)) return true;
    }
    return false;
}

// A server that sent its tickets only with its first answer would let these two clients wait.

TEST(TlsPeer, OpensslClientThatSendsNothingGetsTickets) {
    const tls_world world;
    const files paths(world);
    eddy::core loop;
    auto listener = loop.run(net::tcp_listener::bind("127.0.0.1:0"));
    ASSERT_TRUE(listener.has_value());
    const auto port = std::to_string(listener->local_addr()->port());
    bool has_ticket = false;
    std::thread playing([&] {
        // The input of the client is a FIFO that it opens itself, so its input does not end.
        const std::string fifo = paths.folder / "input";
        support::process client({"/bin/sh", "-c",
                                 "mkfifo " + fifo + " && exec stdbuf -oL openssl s_client -tls1_3 -CAfile " +
                                     paths.authority + " -connect 127.0.0.1:" + port + " <>" + fifo});
        has_ticket = has_line(client, "Post-Handshake New Session Ticket arrived:");
    });
    static_cast<void>(loop.run(echo_one_client(*listener, *world.server().build())));
    playing.join();
    EXPECT_TRUE(has_ticket);
}

TEST(TlsPeer, GnutlsClientThatWaitsForTicketsResumes) {
    const tls_world world;
    const files paths(world);
    eddy::core loop;
    auto listener = loop.run(net::tcp_listener::bind("127.0.0.1:0"));
    ASSERT_TRUE(listener.has_value());
    const auto port = std::to_string(listener->local_addr()->port());
    bool has_resumed = false;
    std::thread playing([&] {
        // It has no input, so it ends when it has resumed the session.
        support::process client({"/usr/bin/gnutls-cli", "--resume", "--waitresumption",
                                 "--x509cafile=" + paths.authority, "--sni-hostname=localhost",
                                 "--verify-hostname=localhost", "-p", port, "127.0.0.1"});
        has_resumed = has_line(client, "*** This is a resumed session");
    });
    const auto config = *world.server().build();
    static_cast<void>(loop.run(echo_one_client(*listener, config)));
    static_cast<void>(loop.run(echo_one_client(*listener, config)));
    playing.join();
    EXPECT_TRUE(has_resumed);
}

task<result<std::string>> ask(net::socket_addr to, tls::client_config config, std::string question) {
    auto tcp = co_await try_(net::tcp_stream::connect(to));
    auto peer = co_await try_(tls::connect(std::move(tcp), config, "localhost"));
    co_await try_(peer.write_all(question));
    std::string answer(question.size(), ' ');
    co_await try_(peer.read_exact(std::as_writable_bytes(std::span(answer))));
    co_await try_(peer.shutdown());
    co_return std::move(answer);
}

TEST(TlsPeer, ConnectsToOpensslServer) {
    const tls_world world;
    const files paths(world);
    for (const char* const version : versions) {
        support::process server({"/usr/bin/openssl", "s_server", "-rev", "-accept", "127.0.0.1:0", "-cert", paths.chain,
                                 "-key", paths.key, version});
        std::string line = server.line();
        for (int tries = 0; tries < 20 && !line.starts_with("ACCEPT "); ++tries) line = server.line();
        ASSERT_TRUE(line.starts_with("ACCEPT ")) << line;
        const auto address = net::socket_addr::parse(line.substr(7));
        ASSERT_TRUE(address.has_value()) << line;
        eddy::core loop;
        EXPECT_EQ(loop.run(ask(*address, *world.client().build(), "hello\n")).value_or("nothing"), "olleh\n");
    }
}

/// How a client ends a connection on which it has only sent.
enum class ending { stream, framed };

task<result<void>> only_send(net::socket_addr to, tls::client_config config, std::string text, ending how) {
    auto tcp = co_await try_(net::tcp_stream::connect(to));
    auto peer = co_await try_(tls::connect(std::move(tcp), config, "localhost"));
    const auto limit = std::chrono::seconds(20);
    if (how == ending::framed) {
        eddy::codec::framed out(std::move(peer), eddy::codec::bytes_codec());
        co_await try_(out.feed(eddy::bytes(std::move(text))));
        co_return co_await out.close_gracefully(limit);
    }
    co_await try_(peer.write_all(text));
    co_return co_await net::close_gracefully(std::move(peer), limit);
}

TEST(TlsPeer, GracefulCloseLosesNothingToTicketsOfOpenssl) {
    const tls_world world;
    const files paths(world);
    const std::string text(1'000'000, '\x01');
    for (const char* const version : versions) {
        for (const ending how : {ending::stream, ending::framed, ending::stream}) {
            // The input of the server is a FIFO that it opens itself: at the end of its input it would end.
            const support::temp_dir folder;
            const std::string fifo = folder / "input";
            support::process server({"/bin/sh", "-c",
                                     "mkfifo " + fifo +
                                         " && exec openssl s_server -accept 127.0.0.1:0 -naccept 1 -cert " +
                                         paths.chain + " -key " + paths.key + " " + version + " <>" + fifo});
            std::string line = server.line();
            for (int tries = 0; tries < 20 && !line.starts_with("ACCEPT "); ++tries) line = server.line();
            ASSERT_TRUE(line.starts_with("ACCEPT ")) << line;
            const auto address = net::socket_addr::parse(line.substr(7));
            ASSERT_TRUE(address.has_value()) << line;
            std::string got;
            std::thread reader([&] { got = server.wait().out; });
            eddy::core loop;
            const auto ended = loop.run(only_send(*address, *world.client().build(), text, how));
            reader.join();
            EXPECT_TRUE(ended.has_value()) << ended.error().message();
            EXPECT_EQ(std::ranges::count(got, '\x01'), 1'000'000);
        }
    }
}

#ifdef EDDY_TEST_TLS_EXAMPLE
TEST(TlsPeer, TlsEchoExampleEchoes) {
    const support::temp_dir folder;
    const std::string certificate = folder / "certificate.pem";
    const std::string key = folder / "key.pem";
    std::string errors;
    shell(
        "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 1 -subj /CN=localhost "
        "-addext subjectAltName=DNS:localhost -keyout " +
            key + " -out " + certificate,
        errors);
    const auto ended = support::run({"tls_echo", certificate, key});
    EXPECT_EQ(ended.out, "TLS 1.3, echo: hello\n") << ended.err << errors;
    EXPECT_EQ(ended.code, 0);
}
#endif

// ---- A peer that is driven by hand ----

/// A connection of OpenSSL whose encrypted bytes pass through memory.
class raw_peer {
public:
    raw_peer(SSL_CTX* context, int version) : ssl_(SSL_new(context)) {
        SSL_set_min_proto_version(ssl_.get(), version);
        SSL_set_max_proto_version(ssl_.get(), version);
        SSL_set_bio(ssl_.get(), BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem()));
        BIO_set_mem_eof_return(SSL_get_rbio(ssl_.get()), -1);
    }

    SSL* get() const noexcept { return ssl_.get(); }

    /// Repeats `call(ssl)` until it succeeds, and moves bytes to and from `below` meanwhile.
    template <class Call>
    task<result<int>> run(eddy::io::duplex_stream& below, Call call) {
        std::array<std::byte, 20'000> buffer{};
        for (;;) {
            const int outcome = call(ssl_.get());
            const int kind = SSL_get_error(ssl_.get(), outcome);
            co_await try_(send(below));
            if (outcome > 0) co_return outcome;
            if (kind != SSL_ERROR_WANT_READ) co_return std::unexpected(std::make_error_code(std::errc::io_error));
            const auto count = co_await try_(eddy::io::read(below, buffer));
            if (count == 0) co_return std::unexpected(eddy::make_error_code(eddy::errc::unexpected_eof));
            BIO_write(SSL_get_rbio(ssl_.get()), buffer.data(), static_cast<int>(count));
        }
    }
    /// Sends what OpenSSL has written.
    task<result<void>> send(eddy::io::duplex_stream& below) {
        std::vector<std::byte> bytes(BIO_ctrl_pending(SSL_get_wbio(ssl_.get())));
        if (bytes.empty()) co_return eddy::ok();
        BIO_read(SSL_get_wbio(ssl_.get()), bytes.data(), static_cast<int>(bytes.size()));
        co_return co_await eddy::io::write_all(below, bytes);
    }

private:
    eddy::detail::ssl_owner ssl_;
};

class raw_client : public raw_peer {
public:
    explicit raw_client(int version)
        : raw_peer(eddy::detail::ssl_context_owner(SSL_CTX_new(TLS_client_method())).get(), version) {
        SSL_set_connect_state(get());
    }
};

int write_text(SSL* to, const char* text) {
    return SSL_write(to, text, static_cast<int>(std::char_traits<char>::length(text)));
}

TEST(TlsPeer, AnswersAKeyUpdateBeforeItsNextData) {
    const tls_world world;
    eddy::core loop;
    const auto received = loop.run([](const tls_world& certificates) -> task<result<std::string>> {
        auto [client_end, server_end] = eddy::io::duplex(64 * 1024);
        raw_client client(TLS1_3_VERSION);
        auto handshake = eddy::join(tls::accept(std::move(server_end), *certificates.server().build()),
                                    client.run(client_end, [](SSL* ssl) { return SSL_do_handshake(ssl); }));
        auto [accepted, shaken] = co_await handshake;
        auto server = co_await try_(std::move(accepted));
        co_await try_(shaken);

        // While the server waits for a request on the idle connection, the client asks for new keys.
        std::array<std::byte, 100> into{};
        auto request = server.read(into);
        const auto ask = [](raw_client& from, eddy::io::duplex_stream& below) -> task<result<int>> {
            SSL_key_update(from.get(), SSL_KEY_UPDATE_REQUESTED);
            co_await try_(from.run(below, [](SSL* ssl) { return SSL_do_handshake(ssl); }));
            co_return co_await from.run(below, [](SSL* ssl) { return write_text(ssl, "request"); });
        };
        auto both = eddy::join(std::ref(request), ask(client, client_end));
        auto [count, asked] = co_await both;
        co_await try_(asked);
        EXPECT_EQ(count, result<std::size_t>(7));
        // RFC 8446, section 4.6.3: the answer to the key update comes before the next data.
        co_await try_(server.write_all(std::string("answer")));
        std::string answer(6, ' ');
        const auto size =
            co_await try_(client.run(client_end, [&](SSL* ssl) { return SSL_read(ssl, answer.data(), 6); }));
        EXPECT_EQ(size, 6);
        co_return std::move(answer);
    }(world));
    EXPECT_EQ(received.value_or("nothing"), "answer");
}

TEST(TlsPeer, RefusesRenegotiation) {
    const tls_world world;
    eddy::core loop;
    const auto outcome = loop.run([](const tls_world& certificates) -> task<result<bool>> {
        auto [client_end, server_end] = eddy::io::duplex(64 * 1024);
        raw_client client(TLS1_2_VERSION);
        auto handshake = eddy::join(tls::accept(std::move(server_end), *certificates.server().build()),
                                    client.run(client_end, [](SSL* ssl) { return SSL_do_handshake(ssl); }));
        auto [accepted, shaken] = co_await handshake;
        auto server = co_await try_(std::move(accepted));
        co_await try_(shaken);
        EXPECT_EQ(server.version(), tls::version::tls_1_2);
        SSL_renegotiate(client.get());
        auto again = client.run(client_end, [](SSL* ssl) { return SSL_do_handshake(ssl); });
        std::array<std::byte, 100> into{};
        auto request = server.read(into);
        auto first = eddy::select(std::ref(again), std::ref(request));
        auto ended = co_await first;
        co_return ended.index() == 0 ? !std::get<0>(ended).has_value() : !std::get<1>(ended).has_value();
    }(world));
    EXPECT_EQ(outcome, result<bool>(true));
}

TEST(TlsPeer, RefusesClientsWithOldCiphersOnly) {
    const tls_world world;
    eddy::core loop;
    for (const char* const ciphers : {"SHA1", "kRSA"}) {
        auto [client_end, server_end] = eddy::io::duplex(64 * 1024);
        raw_client client(TLS1_2_VERSION);
        ASSERT_EQ(SSL_set_cipher_list(client.get(), ciphers), 1);
        const auto shake = [](SSL* ssl) { return SSL_do_handshake(ssl); };
        auto [accepted, shaken] = loop.run(
            eddy::join(tls::accept(std::move(server_end), *world.server().build()), client.run(client_end, shake)));
        EXPECT_FALSE(shaken.has_value());
        ASSERT_FALSE(accepted.has_value());
        EXPECT_EQ(accepted.error().root_cause(), "no shared cipher");
    }
}

/// Accepts tickets, and replaces each one that a client uses.
SSL_TICKET_RETURN renew(SSL*, SSL_SESSION*, const unsigned char*, std::size_t, SSL_TICKET_STATUS status, void*) {
    const bool is_good = status == SSL_TICKET_SUCCESS || status == SSL_TICKET_SUCCESS_RENEW;
    return is_good ? SSL_TICKET_RETURN_USE_RENEW : SSL_TICKET_RETURN_IGNORE_RENEW;
}

TEST(TlsPeer, ResumesWithTicketsThatTheServerRenews) {
    const tls_world world;
    const files paths(world);
    const eddy::detail::ssl_context_owner context(SSL_CTX_new(TLS_server_method()));
    ASSERT_EQ(SSL_CTX_use_certificate_chain_file(context.get(), paths.chain.c_str()), 1);
    ASSERT_EQ(SSL_CTX_use_PrivateKey_file(context.get(), paths.key.c_str(), SSL_FILETYPE_PEM), 1);
    SSL_CTX_set_session_ticket_cb(context.get(), nullptr, renew, nullptr);
    eddy::core loop;
    const auto connect = [&](const tls::client_config& config, int version, bool ends) -> task<result<bool>> {
        auto [client_end, server_end] = eddy::io::duplex(64 * 1024);
        raw_peer server(context.get(), version);
        SSL_set_accept_state(server.get());
        auto handshake = eddy::join(tls::connect(std::move(client_end), config, "localhost"),
                                    server.run(server_end, [](SSL* ssl) { return SSL_do_handshake(ssl); }));
        auto [connected, shaken] = co_await handshake;
        auto client = co_await try_(std::move(connected));
        co_await try_(shaken);
        co_await try_(server.run(server_end, [](SSL* ssl) { return write_text(ssl, "x"); }));
        std::array<std::byte, 1> into{};
        co_await try_(client.read(into));  // with TLS 1.3, the ticket is before the data
        if (ends) co_await try_(client.shutdown());
        co_return client.was_resumed();
    };
    for (const int version : {TLS1_2_VERSION, TLS1_3_VERSION}) {
        for (const bool ends : {true, false}) {  // a connection that is dropped does not spoil its session
            const auto config = *world.client().build();
            EXPECT_EQ(loop.run(connect(config, version, ends)), result<bool>(false));
            for (int i = 0; i < 3; ++i) EXPECT_EQ(loop.run(connect(config, version, ends)), result<bool>(true)) << i;
        }
    }
}

TEST(TlsPeer, SessionOfAConnectionThatFailedIsNotResumed) {
    const tls_world world;
    const files paths(world);
    const eddy::detail::ssl_context_owner context(SSL_CTX_new(TLS_server_method()));
    ASSERT_EQ(SSL_CTX_use_certificate_chain_file(context.get(), paths.chain.c_str()), 1);
    ASSERT_EQ(SSL_CTX_use_PrivateKey_file(context.get(), paths.key.c_str(), SSL_FILETYPE_PEM), 1);
    const auto config = *world.client().build();
    eddy::core loop;
    const auto connect = [&](bool fails) -> task<result<bool>> {
        auto [client_end, server_end] = eddy::io::duplex(64 * 1024);
        raw_peer server(context.get(), TLS1_2_VERSION);
        SSL_set_accept_state(server.get());
        auto handshake = eddy::join(tls::connect(std::move(client_end), config, "localhost"),
                                    server.run(server_end, [](SSL* ssl) { return SSL_do_handshake(ssl); }));
        auto [connected, shaken] = co_await handshake;
        auto client = co_await try_(std::move(connected));
        co_await try_(shaken);
        std::array<std::byte, 1> into{};
        if (fails) {
            const std::string garbage = std::string("\x17\x03\x03\x00\x20", 5) + std::string(32, 'x');
            co_await try_(eddy::io::write_all(server_end, std::as_bytes(std::span(garbage))));
            const auto failed = co_await client.read(into);
            EXPECT_EQ(failed.error().category(), tls::openssl_category());
        }
        co_return client.was_resumed();
    };
    EXPECT_EQ(loop.run(connect(false)), result<bool>(false));
    EXPECT_EQ(loop.run(connect(true)), result<bool>(true));
    EXPECT_EQ(loop.run(connect(false)), result<bool>(false));
    EXPECT_EQ(loop.run(connect(false)), result<bool>(true));
}

}  // namespace
