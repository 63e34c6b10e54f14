// SPDX-License-Identifier: MIT
#include "client/proxy_tunnel.hpp"

#include <optional>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/try.hpp>
#include <eddy/http/error.hpp>
#include <eddy/time/try_timeout.hpp>

#include "h1/head_parser.hpp"
#include "h1/message_stream.hpp"

namespace eddy::detail {
namespace {

std::string connect_request(const proxy_server& proxy, const std::string& server) {
    std::string text = "CONNECT " + server + " HTTP/1.1\r\nHost: " + server + "\r\nUser-Agent: eddy\r\n";
    if (!proxy.authorization.empty()) text.append("Proxy-Authorization: ").append(proxy.authorization).append("\r\n");
    return text.append("\r\n");
}

/// Receives the response to CONNECT.
class tunnel_response {
public:
    explicit tunnel_response(std::size_t header_limit) {
        limits_.bytes = header_limit;
        limits_.fields = most_response_fields;
    }

    /// Parses the heads that have arrived, and removes them from the stream. Returns the status of the response, or
    /// nullopt if its head is incomplete.
    result<std::optional<int>> parse(message_stream& from) {
        const auto bad = [] { return std::unexpected(make_error_code(http::errc::bad_message)); };
        for (;;) {
            using outcome = head_scanner::outcome;
            switch (scanner_.scan(from.in(), limits_.bytes)) {
            case outcome::incomplete:
                if (!may_be_response(from.in())) return bad();
                return std::nullopt;
            case outcome::complete: break;
            case outcome::malformed: return bad();
            case outcome::line_too_long:
            case outcome::too_large: return std::unexpected(make_error_code(http::errc::header_too_large));
            }
            response_head head;
            const auto text = from.in().substr(scanner_.begin(), scanner_.end() - scanner_.begin());
            if (!parse_tunnel_head(text, limits_, head)) return bad();
            from.consume(scanner_.end());
            scanner_ = head_scanner();
            if (head.status >= 200) return head.status;
            if (head.status == 101 || ++interim_ > most_interim_responses) return bad();
        }
    }

private:
    head_limits limits_;
    head_scanner scanner_;
    unsigned interim_ = 0;
};

/// Sends a request CONNECT, and returns the status of the response.
task<result<int>> ask(message_stream& stream, std::string request, std::size_t header_limit) {
    stream.out().append(request);
    co_await try_(stream.flush());
    tunnel_response response(header_limit);
    for (bool has_received = false;; has_received = true) {
        const auto count = co_await try_(stream.fill());
        if (count == 0) {
            co_return std::unexpected(has_received ? make_error_code(http::errc::bad_message)
                                                   : make_error_code(errc::unexpected_eof));
        }
        const auto status = co_await try_(response.parse(stream));
        if (status) co_return *status;
    }
}

}  // namespace

task<result<opened_connection>> connect_to_proxy(const proxy_server& proxy, const http::client_options& options,
                                                 client_progress& at) {
    at.phase = http::phase::proxy;
    auto tcp = co_await try_(connect_tcp(proxy.host, proxy.port, http::phase::proxy, options, at));
    const int socket = tcp.native_handle();
    if (!proxy.is_https) {
        opened_connection plain(io::boxed_stream(std::move(tcp)), false);
        plain.socket = socket;
        co_return std::move(plain);
    }
    auto secure = co_await try_(connect_tls(std::move(tcp), options, proxy.host, client_protocols::http1));
    secure.socket = socket;
    co_return std::move(secure);
}

task<result<io::boxed_stream>> open_tunnel(io::boxed_stream to_proxy, const proxy_server& proxy, std::string server,
                                           const http::client_options& options, client_progress& at) {
    message_stream stream(std::move(to_proxy), options.io_timeout());
    auto asking = ask(stream, connect_request(proxy, server), options.header_limit());
    const auto status = co_await try_(time::try_timeout(options.connect_timeout(), std::move(asking)));
    if (status / 100 != 2) {
        at.where += " (status " + std::to_string(status) + ")";
        co_return std::unexpected(make_error_code(http::errc::proxy_refused));
    }
    co_return stream.release();
}

}  // namespace eddy::detail
