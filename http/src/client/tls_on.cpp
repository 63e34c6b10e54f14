// SPDX-License-Identifier: MIT
// The functions for https in a build with eddy::tls.
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <eddy/future/try.hpp>
#include <eddy/tls.hpp>

#include "client/connect.hpp"

namespace eddy::http {

client_options& client_options::tls(const tls::client_config& config) {
    tls_ = std::make_shared<const tls::client_config>(config);
    return *this;
}

}  // namespace eddy::http

namespace eddy::detail {
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

template <class S>
task<result<opened_connection>> shake_hands(S below, const http::client_options& options, std::string host,
                                            client_protocols offered) {
    auto config = options.tls() ? result<tls::client_config>(*options.tls()) : default_settings();
    if (!config) co_return std::unexpected(config.error());
    std::vector<std::string> protocols;
    if (offered != client_protocols::http1) protocols.emplace_back("h2");
    if (offered != client_protocols::http2) protocols.emplace_back("http/1.1");
    config = config->with_alpn(protocols);
    if (!config) co_return std::unexpected(config.error());
    auto stream = co_await try_(tls::connect(std::move(below), *config, std::move(host)));
    const bool is_http2 = stream.alpn() == "h2";
    co_return opened_connection(io::boxed_stream(std::move(stream)), is_http2);
}

}  // namespace

task<result<opened_connection>> connect_tls(net::tcp_stream below, const http::client_options& options,
                                            std::string host, client_protocols offered) {
    return shake_hands(std::move(below), options, std::move(host), offered);
}

task<result<opened_connection>> connect_tls(io::boxed_stream below, const http::client_options& options,
                                            std::string host, client_protocols offered) {
    return shake_hands(std::move(below), options, std::move(host), offered);
}

}  // namespace eddy::detail
