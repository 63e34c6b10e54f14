// SPDX-License-Identifier: MIT
#include "client/connect.hpp"

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/try.hpp>
#include <eddy/http/error.hpp>
#include <eddy/io/read_exact.hpp>
#include <eddy/io/write.hpp>
#include <eddy/io/write_all.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/time/try_timeout.hpp>

namespace eddy::detail {
namespace {

// The numbers of RFC 1928.
constexpr char socks_version = 5;
constexpr char connect_command = 1;
constexpr char without_password = 0;
constexpr char with_password = 2;
constexpr char no_method = '\xff';
constexpr char address_ipv4 = 1;
constexpr char address_name = 3;
constexpr char address_ipv6 = 4;

/// Returns the text of a reply to a request, in the order of their numbers.
std::string_view text_of(unsigned char reply) noexcept {
    constexpr std::array<std::string_view, 9> texts = {"",
                                                       "general failure",
                                                       "not permitted",
                                                       "network unreachable",
                                                       "host unreachable",
                                                       "connection refused",
                                                       "TTL expired",
                                                       "command not supported",
                                                       "address type not supported"};
    return reply < texts.size() ? texts[reply] : "unknown reply";
}

/// Appends a text whose length is in the byte before it.
void append_counted(std::string& to, std::string_view text) {
    to.append(1, static_cast<char>(text.size())).append(text);
}

template <std::size_t N>
void append_octets(std::string& to, const std::array<std::uint8_t, N>& octets) {
    for (const auto each : octets) to += static_cast<char>(each);
}

/// Returns the request for a connection to a server.
std::string request_for(const http::url& to) {
    std::string made = {socks_version, connect_command, '\0'};
    const auto address = net::ip_addr::parse(to.host());
    if (!address) {
        append_counted(made.append(1, address_name), to.host());
    } else if (address->is_ipv4()) {
        append_octets(made.append(1, address_ipv4), address->as_v4()->octets());
    } else {
        append_octets(made.append(1, address_ipv6), address->as_v6()->octets());
    }
    made += static_cast<char>(to.port() >> 8U);
    made += static_cast<char>(to.port() & 0xffU);
    return made;
}

std::unexpected<std::error_code> refused(client_progress& at, std::string_view reason) {
    at.where.append(" (").append(reason).append(")");
    return std::unexpected(make_error_code(http::errc::proxy_refused));
}

std::unexpected<std::error_code> violated() { return std::unexpected(make_error_code(http::errc::bad_message)); }

task<result<void>> send(io::boxed_stream& proxy, std::string text) {
    co_await try_(io::write_all(proxy, std::move(text)));
    co_await try_(io::flush(proxy));
    co_return eddy::ok();
}

/// Agrees on a method of authentication, and uses it.
task<result<void>> authenticate(io::boxed_stream& stream, const proxy_server& proxy, client_progress& at) {
    const bool has_user = !proxy.user.empty();
    const std::string greeting = has_user ? std::string{socks_version, 2, without_password, with_password}
                                          : std::string{socks_version, 1, without_password};
    co_await try_(send(stream, greeting));
    std::array<char, 2> reply{};
    co_await try_(io::read_exact(stream, reply));
    if (reply[0] != socks_version) co_return violated();
    if (reply[1] == no_method) co_return refused(at, "it requires another authentication");
    if (reply[1] == without_password) co_return eddy::ok();
    if (reply[1] != with_password || !has_user) co_return violated();
    std::string login = {1};  // the version of RFC 1929
    append_counted(login, proxy.user);
    append_counted(login, proxy.password);
    co_await try_(send(stream, std::move(login)));
    co_await try_(io::read_exact(stream, reply));
    if (reply[1] != 0) co_return refused(at, "wrong user name or password");
    co_return eddy::ok();
}

/// Discards the address from which the proxy has connected to the server, and which follows its reply.
task<result<void>> discard_address(io::boxed_stream& stream, char type) {
    constexpr std::size_t port_size = 2;
    std::array<char, 255 + port_size> address{};
    std::size_t size = type == address_ipv4 ? 4 : 16;
    if (type == address_name) {
        co_await try_(io::read_exact(stream, std::span(address).first(1)));
        size = static_cast<unsigned char>(address[0]);
    } else if (type != address_ipv4 && type != address_ipv6) {
        co_return violated();
    }
    co_await try_(io::read_exact(stream, std::span(address).first(size + port_size)));
    co_return eddy::ok();
}

task<result<void>> ask(io::boxed_stream& stream, const proxy_server& proxy, const http::url& to, client_progress& at) {
    constexpr std::size_t most_of_name = 255;
    if (to.host().size() > most_of_name) co_return refused(at, "the name of the server is too long");
    co_await try_(authenticate(stream, proxy, at));
    co_await try_(send(stream, request_for(to)));
    std::array<char, 4> reply{};
    co_await try_(io::read_exact(stream, reply));
    if (reply[0] != socks_version) co_return violated();
    if (const auto number = static_cast<unsigned char>(reply[1]); number != 0) co_return refused(at, text_of(number));
    co_return co_await discard_address(stream, reply[3]);
}

}  // namespace

task<result<io::boxed_stream>> open_socks_tunnel(io::boxed_stream to_proxy, const proxy_server& proxy,
                                                 const http::url& to, const http::client_options& options,
                                                 client_progress& at) {
    auto asking = ask(to_proxy, proxy, to, at);
    co_await try_(time::try_timeout(options.connect_timeout(), std::move(asking)));
    co_return std::move(to_proxy);
}

}  // namespace eddy::detail
