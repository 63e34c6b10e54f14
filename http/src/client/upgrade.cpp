// SPDX-License-Identifier: MIT
#include <eddy/http/upgrade.hpp>

#include <memory>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/try.hpp>
#include <eddy/http/error.hpp>
#include <eddy/time/timeout.hpp>

#include "client/connect.hpp"
#include "client/http1_exchange.hpp"
#include "client/request_cookies.hpp"

namespace eddy::detail {
namespace {

task<result<http::upgrade_outcome>> request_upgrade(std::shared_ptr<http_client> shared, std::string where,
                                                    http::request asked, client_progress& at) {
    at.where = where;
    const auto to = co_await try_(http::url::parse(where));
    asked.target = to.target();
    const request_cookies cookies(shared->options().cookies(), asked);
    cookies.set(asked, to);
    const auto destination = co_await try_(find_destination(*shared, to, false, at));  // only a tunnel can be upgraded
    destination.prepare(asked);
    auto made = co_await try_(connect_client(*shared, destination, client_protocols::http1, at));
    auto connection = std::move(made.connection);
    at.where = connection->address;
    const auto exchange = std::make_shared<http1_exchange>(std::move(connection), std::move(shared), to.authority(),
                                                           std::move(asked), to.authority(), false, at.asked_at, true);
    head_future waiting(*exchange, at.phase);
    const auto head = co_await waiting;
    if (!head) co_return std::unexpected(head.error());
    auto answer = exchange->take_response();
    cookies.receive(to, answer);
    std::optional<io::boxed_stream> stream;
    if (answer.status == http::status::switching_protocols) {
        const bool is_named = answer.headers.has_token("Connection", "Upgrade") && answer.headers.contains("Upgrade");
        if (!is_named || !exchange->is_sent()) co_return std::unexpected(make_error_code(http::errc::bad_message));
        stream = exchange->take_stream();
    }
    co_return http::upgrade_outcome(std::move(answer), std::move(stream));
}

}  // namespace
}  // namespace eddy::detail

namespace eddy::http {

task<std::expected<upgrade_outcome, client_error>> upgrade(std::string url, request asked, client_options options) {
    detail::client_progress at;
    if (!asked.headers.contains("User-Agent")) asked.headers.add("User-Agent", "eddy");
    auto shared = std::make_shared<detail::http_client>(std::move(options));
    const auto limit = shared->options().timeout();
    auto limited =
        time::timeout(limit, detail::request_upgrade(std::move(shared), std::move(url), std::move(asked), at));
    auto outcome = co_await limited;
    if (!outcome) co_return std::unexpected(at.failed(make_error_code(eddy::errc::timed_out)));
    if (!*outcome) co_return std::unexpected(at.failed(outcome->error()));
    co_return **std::move(outcome);
}

}  // namespace eddy::http
