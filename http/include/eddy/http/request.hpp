// SPDX-License-Identifier: MIT
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/http/body.hpp>
#include <eddy/http/headers.hpp>
#include <eddy/http/method.hpp>
#include <eddy/http/url.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/sync/cancellation_token.hpp>

namespace eddy::detail {

class client_presence;
struct request_access;

template <class T>
concept whole_number = std::integral<T> && !std::same_as<T, bool>;

/// Parses a decimal integer, which may have a minus sign. Returns nullopt for any other text.
[[nodiscard]] EDDY_API std::optional<std::int64_t> parse_signed(std::string_view text) noexcept;
[[nodiscard]] EDDY_API std::optional<std::uint64_t> parse_unsigned(std::string_view text) noexcept;

template <whole_number T>
std::optional<T> parse_number(std::string_view text) noexcept {
    const auto number = [&] {
        if constexpr (std::is_signed_v<T>) {
            return parse_signed(text);
        } else {
            return parse_unsigned(text);
        }
    }();
    if (!number || static_cast<decltype(*number)>(static_cast<T>(*number)) != *number) return std::nullopt;
    return static_cast<T>(*number);
}

/// Selects the constructor of a request whose target is empty.
struct empty_target {};

}  // namespace eddy::detail

namespace eddy::http {

/// The version of the protocol of a message.
enum class version : unsigned char {
    http_1_0,  ///< HTTP/1.0, RFC 1945
    http_1_1,  ///< HTTP/1.1, RFC 9112
    http_2,    ///< HTTP/2, RFC 9113
};

/// A request.
class EDDY_API request {
public:
    http::method method = http::method::get;          ///< what to do
    std::string target = "/";                         ///< the path and the query, not decoded
    http::version version = http::version::http_1_1;  ///< the version in which it was received
    http::headers headers;                            ///< the header fields
    http::body body;                                  ///< the body
    std::optional<net::socket_addr> peer;             ///< on a server: the client's address, if it has an IP address
    std::vector<std::pair<std::string, std::string>> parameters;  ///< on a server: set by http::router; see param()

    /// Makes a request without header fields and body. The default method is GET, and the default target is "/". A
    /// client replaces the target by the target of the URL.
    request() = default;
    explicit request(http::method what) : method(what) {}
    request(http::method what, std::string of) : method(what), target(std::move(of)) {}

    explicit request(detail::empty_target) noexcept : target() {}

    /// Returns the path of the target, not decoded: "/users/7".
    [[nodiscard]] std::string_view path() const noexcept;
    /// Returns the query of the target, not decoded: "page=2". Empty if there is none.
    [[nodiscard]] std::string_view query() const noexcept;
    /// Returns the decoded parameter of the query: `query("page")` is "2". Returns nullopt if there is no such
    /// parameter, or if its encoding is invalid.
    [[nodiscard]] std::optional<std::string> query(std::string_view name) const;
    /// Returns the decoded part of the path that matched `{name}` in the route, for example in "/users/{id}".
    /// Errors: throws `misuse` if the route has no parameter of this name. A handler of several routes can search
    /// `parameters` instead.
    [[nodiscard]] std::string_view param(std::string_view name,
                                         std::source_location where = std::source_location::current()) const;

    /// Same as query(name) and param(name), as a decimal integer: `param<int>("id")`. Returns nullopt if the text is
    /// anything else, or if the number does not fit into `T`.
    /// Errors: any error of query(name) and param(name).
    template <detail::whole_number T>
    [[nodiscard]] std::optional<T> query(std::string_view name) const {
        const auto text = query(name);
        return text ? detail::parse_number<T>(*text) : std::nullopt;
    }
    template <detail::whole_number T>
    [[nodiscard]] std::optional<T> param(std::string_view name,
                                         std::source_location where = std::source_location::current()) const {
        return detail::parse_number<T>(param(name, where));
    }

    /// Returns a token that is cancelled when the client goes away before the response was sent completely: it has
    /// closed or reset its connection, or its HTTP/2 stream, or does not accept the response. Without this call, the
    /// server cancels the service then. After this call, the service continues, and decides itself how it ends:
    ///     const auto gone = asked.client_gone();
    ///     for (bool has_more = true; has_more && !gone.is_cancelled();) has_more = co_await next_step();
    ///     co_await save_progress();
    /// Its response is discarded. A shutdown of the server still cancels the service after serve_options::drain(). Call
    /// it before the request is moved. See serve_options::half_close() for clients that only end their requests. The
    /// token of a request that no server has received is never cancelled.
    /// Errors: std::bad_alloc.
    /// Thread safety: the token may be used on any thread, also after the request was destroyed.
    /// Cost: two allocations for the first call. Without it, the token does not exist.
    [[nodiscard]] sync::cancellation_token client_gone() const;

private:
    friend detail::request_access;

    std::shared_ptr<detail::client_presence> client_;  // null if no server has received the request
};

}  // namespace eddy::http
