// SPDX-License-Identifier: MIT
#include "http/client_connect.hpp"

#include <optional>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/try.hpp>
#include <eddy/http/error.hpp>
#include <eddy/net/lookup_host.hpp>
#include <eddy/time/try_timeout.hpp>

#include "http/connect_to_any.hpp"
#include "http/http2.hpp"
#include "http/http2_client.hpp"

namespace eddy::inline v0_1::detail {

task<result<client_route>> connect_client(const http_client& client, const http::url& to, client_protocols allowed,
                                          client_progress& at) {
    const auto& options = client.options();
    if (allowed == client_protocols::http2 && !has_http2())
        co_return std::unexpected(make_error_code(http::errc::no_http2));
    at.phase = http::phase::resolve;
    at.where = to.host();
    auto addresses = co_await try_(net::lookup_host(to.host(), to.port()));
    at.phase = http::phase::connect;
    const auto connect = [limit = options.connect_timeout()](const net::socket_addr& address) {
        return time::try_timeout(limit, net::tcp_stream::connect(address));
    };
    auto tcp = co_await try_(connect_to_any<net::tcp_stream>(std::move(addresses), connect, at.where));
    static_cast<void>(tcp.set_nodelay(true));
    client_route made;
    bool is_http2 = allowed == client_protocols::http2;
    std::optional<io::boxed_stream> stream;
    if (to.is_https()) {
        at.phase = http::phase::tls;
        auto secure = co_await try_(connect_tls(std::move(tcp), options, to.host(), allowed));
        if (is_http2 && !secure.is_http2) co_return std::unexpected(make_error_code(http::errc::no_http2));
        is_http2 = secure.is_http2;
        stream = std::move(secure.stream);
    } else {
        stream = io::boxed_stream(std::move(tcp));
    }
    if (is_http2) {
        made.shared = start_http2(*std::move(stream), options, at.where);
    } else {
        made.connection = std::make_unique<client_connection>(*std::move(stream), options.io_timeout(), at.where);
    }
    co_return made;
}

}  // namespace eddy::detail
