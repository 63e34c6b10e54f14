// SPDX-License-Identifier: MIT
// The functions for https in a build with eddy::tls.
#include <mutex>
#include <optional>
#include <utility>

#include <eddy/future/try.hpp>
#include <eddy/tls.hpp>

#include "http/client_connect.hpp"

namespace eddy::inline v0_1::http {

client_options& client_options::tls(const tls::client_config& config) {
    tls_ = std::make_shared<const tls::client_config>(config);
    return *this;
}

}  // namespace eddy::http

namespace eddy::inline v0_1::detail {
namespace {

/// Returns the default settings. Makes them once, because reading the system's certificates takes milliseconds.
result<tls::client_config> default_settings() {
    static std::mutex access;
    static std::optional<tls::client_config> made;
    const std::lock_guard guard(access);
    if (!made) {
        auto config = tls::client_config::make();
        if (!config) return config;
        made = *std::move(config);
    }
    return *made;
}

}  // namespace

task<result<io::boxed_stream>> connect_tls(net::tcp_stream below, const http::client_options& options,
                                           std::string host) {
    auto config = options.tls() ? result<tls::client_config>(*options.tls()) : default_settings();
    if (!config) co_return std::unexpected(config.error());
    auto stream = co_await try_(tls::connect(std::move(below), *config, std::move(host)));
    co_return io::boxed_stream(std::move(stream));
}

}  // namespace eddy::detail
