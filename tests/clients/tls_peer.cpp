// SPDX-License-Identifier: MIT
// A TLS client or server for the checks in this folder, which connect it to other implementations.
//     tls_peer server [OPTION VALUE]...     echoes what each client sends, until the client ends the stream
//     tls_peer client [OPTION VALUE]...     sends bytes, receives as many, ends the stream, and waits for the end
// Options of both: --count N (connections, 1 by default), --alpn A,B, --min 1.2 or 1.3, --cert FILE, --key FILE,
// --timeout MILLISECONDS (of a handshake). Of the server: --second HOST,CERT,KEY (an identity for this host name),
// --client-ca FILE. Of the client: --port N, --host NAME, --ca FILE, --size BYTES.
//
// The server first prints the line "port N". Each connection gives one line, with tabs between the fields:
//     version=1.3 alpn=h2 resumed=no name=localhost peer=/CN=client bytes=100 end=closed error=
// A field without a value is empty. `end` is "closed" if the other side has sent close_notify.
#include <eddy/prelude.hpp>
#include <eddy/tls.hpp>

#include <openssl/bio.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <cstdio>
#include <fstream>
#include <iterator>
#include <map>
#include <sstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

namespace net = eddy::net;
namespace tls = eddy::tls;
using eddy::result;
using eddy::task;
using eddy::try_;

using stream = tls::stream<net::tcp_stream>;

/// The options of the command line.
class options {
public:
    explicit options(std::span<char*> words) {
        for (; words.size() >= 2; words = words.subspan(2)) values_[words[0]] = words[1];
        if (!words.empty()) throw std::invalid_argument(std::string("an option without a value: ") + words[0]);
    }

    [[nodiscard]] std::string text(const std::string& name) const {
        const auto found = values_.find("--" + name);
        return found != values_.end() ? found->second : std::string();
    }
    [[nodiscard]] int number(const std::string& name, int otherwise) const {
        const auto found = text(name);
        return found.empty() ? otherwise : std::stoi(found);
    }
    [[nodiscard]] std::vector<std::string> list(const std::string& name) const {
        std::vector<std::string> all;
        std::istringstream from(text(name));
        for (std::string each; std::getline(from, each, ',');) all.push_back(each);
        return all;
    }

private:
    std::map<std::string, std::string> values_;
};

std::string file(const std::string& path) {
    std::ifstream from(path);
    return {std::istreambuf_iterator<char>(from), std::istreambuf_iterator<char>()};
}

/// Returns the subject of a PEM certificate, such as "/CN=client".
std::string subject(const std::string& pem) {
    if (pem.empty()) return {};
    BIO* const text = BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size()));
    X509* const certificate = PEM_read_bio_X509(text, nullptr, nullptr, nullptr);
    std::array<char, 200> name{};
    if (certificate != nullptr) {
        X509_NAME_oneline(X509_get_subject_name(certificate), name.data(), static_cast<int>(name.size()));
    }
    X509_free(certificate);
    BIO_free(text);
    return name.data();
}

/// The line about a connection.
struct outcome {
    std::string handshake;  // the fields up to `peer`
    std::size_t bytes = 0;
    bool is_closed = false;
    std::error_code error;

    outcome() = default;

    void shaken(const stream& from) {
        handshake = std::string("version=") + (from.version() == tls::version::tls_1_3 ? "1.3" : "1.2");
        handshake += "\talpn=" + std::string(from.alpn());
        handshake += from.was_resumed() ? "\tresumed=yes" : "\tresumed=no";
        handshake += "\tname=" + std::string(from.server_name());
        handshake += "\tpeer=" + subject(from.peer_certificate());
    }
    void print() const {
        const auto why = error ? std::string(error.category().name()) + ": " + error.message() : std::string();
        std::printf("%s\tbytes=%zu\tend=%s\terror=%s\n", handshake.empty() ? "version=" : handshake.c_str(), bytes,
                    is_closed ? "closed" : "", why.c_str());
        std::fflush(stdout);
    }
};

// ---- The server ----

task<result<void>> echo(net::tcp_stream tcp, tls::server_config config, outcome& out) {
    auto peer = co_await try_(tls::accept(std::move(tcp), config));
    out.shaken(peer);
    std::vector<std::byte> buffer(20'000);
    for (;;) {
        const auto count = co_await try_(peer.read(buffer));
        if (count == 0) break;
        out.bytes += count;
        co_await try_(peer.write_all(std::span(buffer).first(count)));
    }
    out.is_closed = true;
    co_return co_await peer.shutdown();
}

task<void> serve_one(net::tcp_stream tcp, tls::server_config config) {
    outcome out;
    const auto ended = co_await echo(std::move(tcp), config, out);
    if (!ended) out.error = ended.error();
    out.print();
}

result<tls::server_config> server_config(const options& given) {
    auto own = tls::identity::from_files(given.text("cert"), given.text("key"));
    if (!own) return std::unexpected(own.error());
    tls::server_builder builder(std::move(*own));
    builder.alpn(given.list("alpn"));
    if (given.text("min") == "1.3") builder.min_version(tls::version::tls_1_3);
    builder.handshake_timeout(std::chrono::milliseconds(given.number("timeout", 10'000)));
    if (const auto ca = given.text("client-ca"); !ca.empty()) builder.require_client_certificate(file(ca));
    if (const auto second = given.list("second"); second.size() == 3) {
        auto other = tls::identity::from_files(second[1], second[2]);
        if (!other) return std::unexpected(other.error());
        builder.identity_for(second[0], std::move(*other));
    }
    return builder.build();
}

task<result<void>> run_server(options given) {
    auto config = co_await try_(server_config(given));
    auto listener = co_await try_(net::tcp_listener::bind("127.0.0.1:0"));
    const auto address = co_await try_(listener.local_addr());
    std::printf("port %u\n", unsigned{address.port()});
    std::fflush(stdout);
    // One after another, so that the lines are in the order of the connections.
    for (int left = given.number("count", 1); left > 0; --left) {
        auto accepted = co_await try_(listener.accept());
        co_await serve_one(std::move(accepted.stream), config);
    }
    co_return eddy::ok();
}

// ---- The client ----

/// Sends `size` bytes: a line that does not change if it is reversed, as `openssl s_server -rev` does.
task<result<void>> send(stream& to, std::size_t size) {
    std::string line(size, 'x');
    line.back() = '\n';
    co_await try_(to.write_all(line));
    co_return co_await to.flush();
}

task<result<void>> receive(stream& from, std::size_t size, outcome& out) {
    std::vector<std::byte> buffer(20'000);
    while (out.bytes < size) {
        const auto count = co_await try_(from.read(buffer));
        if (count == 0) {
            out.is_closed = true;
            co_return std::unexpected(eddy::make_error_code(eddy::errc::unexpected_eof));
        }
        out.bytes += count;
    }
    co_return eddy::ok();
}

task<result<void>> talk(const options& given, tls::client_config config, outcome& out) {
    auto tcp = co_await try_(net::tcp_stream::connect("127.0.0.1:" + given.text("port")));
    auto peer = co_await try_(tls::connect(std::move(tcp), config, given.text("host")));
    out.shaken(peer);
    const auto size = static_cast<std::size_t>(given.number("size", 100));
    co_await try_(eddy::try_join(send(peer, size), receive(peer, size, out)));
    co_await try_(peer.shutdown());
    std::vector<std::byte> buffer(100);
    const auto count = co_await try_(peer.read(buffer));
    out.is_closed = count == 0;
    co_return eddy::ok();
}

result<tls::client_config> client_config(const options& given) {
    tls::client_builder builder;
    builder.trust_file(given.text("ca"));
    builder.alpn(given.list("alpn"));
    if (given.text("min") == "1.3") builder.min_version(tls::version::tls_1_3);
    builder.handshake_timeout(std::chrono::milliseconds(given.number("timeout", 10'000)));
    if (const auto certificate = given.text("cert"); !certificate.empty()) {
        auto own = tls::identity::from_files(certificate, given.text("key"));
        if (!own) return std::unexpected(own.error());
        builder.identity(std::move(*own));
    }
    return builder.build();
}

task<result<void>> run_client(options given) {
    auto config = co_await try_(client_config(given));
    for (int left = given.number("count", 1); left > 0; --left) {
        outcome out;
        const auto ended = co_await talk(given, config, out);
        if (!ended) out.error = ended.error();
        out.print();
    }
    co_return eddy::ok();
}

}  // namespace

int main(int argc, char** argv) try {
    const std::span words(argv, static_cast<std::size_t>(argc));
    const std::string role = argc > 1 ? argv[1] : "";
    if (role == "server") return eddy::run(run_server(options(words.subspan(2))));
    if (role == "client") return eddy::run(run_client(options(words.subspan(2))));
    std::fputs("usage: tls_peer server|client [OPTION VALUE]...\n", stderr);
    return 2;
} catch (const std::exception& failed) {
    std::fprintf(stderr, "tls_peer: %s\n", failed.what());
    return 2;
}
