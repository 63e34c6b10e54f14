// SPDX-License-Identifier: MIT
#include "http/client_connect.hpp"

#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/try.hpp>
#include <eddy/net/lookup_host.hpp>
#include <eddy/time/try_timeout.hpp>

namespace eddy::inline v0_1::detail {
namespace {

task<result<net::tcp_stream>> connect_to_any(std::vector<net::socket_addr> all, std::chrono::nanoseconds limit,
                                             client_progress& at) {
    std::error_code last = make_error_code(errc::no_address);
    for (const auto& each : all) {
        at.where = each.to_string();
        auto connected = co_await time::try_timeout(limit, net::tcp_stream::connect(each));
        if (connected) co_return *std::move(connected);
        last = connected.error();
    }
    co_return std::unexpected(last);
}

}  // namespace

task<result<std::unique_ptr<client_connection>>> connect_client(const http_client& client, const http::url& to,
                                                                client_progress& at) {
    const auto& options = client.options();
    at.phase = http::phase::resolve;
    at.where = to.host();
    auto addresses = co_await try_(net::lookup_host(to.host(), to.port()));
    at.phase = http::phase::connect;
    auto tcp = co_await try_(connect_to_any(std::move(addresses), options.connect_timeout(), at));
    static_cast<void>(tcp.set_nodelay(true));
    if (!to.is_https())
        co_return std::make_unique<client_connection>(io::boxed_stream(std::move(tcp)), options.io_timeout(), at.where);
    at.phase = http::phase::tls;
    auto secure = co_await try_(connect_tls(std::move(tcp), options, to.host()));
    co_return std::make_unique<client_connection>(std::move(secure), options.io_timeout(), at.where);
}

}  // namespace eddy::detail
