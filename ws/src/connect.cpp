// SPDX-License-Identifier: MIT
#include <eddy/ws/connect.hpp>

#include <algorithm>
#include <memory>
#include <string_view>
#include <utility>

#include <eddy/http/upgrade.hpp>
#include <eddy/http/url.hpp>

#include "handshake.hpp"
#include "state.hpp"

namespace eddy::detail {
namespace {

/// Returns the URL for the request: "http://..." for "ws://...". Returns an empty text if `url` is not a URL of a
/// WebSocket.
std::string http_url_of(std::string_view url) {
    const auto end = url.find("://");
    if (end == std::string_view::npos) return {};
    const bool is_plain = http::equal_names(url.substr(0, end), "ws");
    if (!is_plain && !http::equal_names(url.substr(0, end), "wss")) return {};
    auto requested = (is_plain ? "http" : "https") + std::string(url.substr(end));
    return http::url::parse(requested) ? requested : std::string();
}

http::request request_for(const std::string& key, const ws::options& with) {
    http::request made(http::method::get, "/");
    made.headers = with.headers();
    made.headers.set("Upgrade", "websocket");
    made.headers.set("Sec-WebSocket-Version", "13");
    made.headers.set("Sec-WebSocket-Key", key);
    std::string protocols;
    for (const auto& each : with.protocols()) protocols.append(protocols.empty() ? "" : ", ").append(each);
    if (!protocols.empty()) made.headers.set("Sec-WebSocket-Protocol", protocols);
    if (with.compression()) made.headers.set("Sec-WebSocket-Extensions", deflate_offer);
    return made;
}

/// Checks a response 101 (RFC 6455, section 4.1).
bool is_valid(const http::headers& answer, const std::string& key, const ws::options& with) {
    if (!answer.has_token("Upgrade", "websocket") || !answer.has_token("Connection", "Upgrade")) return false;
    if (answer.get("Sec-WebSocket-Accept") != ws_accept_key(key)) return false;
    if (answer.count("Sec-WebSocket-Accept") != 1) return false;
    const auto protocol = answer.get("Sec-WebSocket-Protocol");
    if (!protocol) return true;
    return answer.count("Sec-WebSocket-Protocol") == 1 &&
           std::ranges::find(with.protocols(), *protocol) != with.protocols().end();
}

}  // namespace
}  // namespace eddy::detail

namespace eddy::ws {

task<std::expected<connection, http::client_error>> connect(std::string url, options with) {
    const auto target = detail::http_url_of(url);
    if (target.empty())
        co_return std::unexpected(http::client_error(http::phase::url, std::move(url), make_error_code(errc::bad_url)));
    const auto key = detail::ws_new_key();
    auto outcome = co_await http::upgrade(target, detail::request_for(key, with), with.client());
    if (!outcome) co_return std::unexpected(std::move(outcome).error());
    const auto& answer = outcome->response;
    if (!outcome->stream) {
        const auto where = url + " (status " + std::to_string(http::to_int(answer.status)) + ")";
        co_return std::unexpected(
            http::client_error(http::phase::receive, where, make_error_code(errc::upgrade_refused)));
    }
    const auto extensions = detail::parse_accepted_extensions(answer.headers, with.compression());
    if (!extensions.is_valid || !detail::is_valid(answer.headers, key, with))
        co_return std::unexpected(
            http::client_error(http::phase::receive, std::move(url), make_error_code(errc::bad_handshake)));
    auto parameters = detail::parameters_of(with, detail::ws_role::client);
    parameters.compression = extensions.compression;
    std::string protocol(answer.headers.get("Sec-WebSocket-Protocol").value_or(""));
    co_return connection(detail::ws_share(
        std::make_shared<detail::ws_state>(*std::move(outcome->stream), parameters, std::move(protocol))));
}

}  // namespace eddy::ws
