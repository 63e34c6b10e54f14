// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/http/error.hpp>
#include <eddy/http/method.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>
#include <eddy/http/serve.hpp>
#include <eddy/http/status.hpp>
#include <eddy/net/serve.hpp>
#include <eddy/net/socket_addr.hpp>

#include "server/shared_state.hpp"

// Functions that the connections of HTTP/1.1 and HTTP/2 share.

namespace eddy::detail {

/// Returns the status for a client whose body could not be received.
inline http::status status_of(const std::error_code& failure) noexcept {
    using http::status;
    if (failure == http::errc::body_too_large) return status::content_too_large;
    if (failure == http::errc::bad_message || failure == http::errc::body_too_short) return status::bad_request;
    if (failure == errc::timed_out) return status::request_timeout;
    return status::internal_server_error;
}

/// Returns the status for an error of the service. body_too_large is the client's fault: a service may read the body
/// with a limit of its own.
inline http::status status_of_service(const std::error_code& failure) noexcept {
    return failure == http::errc::body_too_large ? http::status::content_too_large
                                                 : http::status::internal_server_error;
}

/// Checks the status of a response.
/// Errors: throws `misuse` for an interim status, or one that does not have three digits.
inline void check_status(http::status code) {
    if (to_int(code) < 200 || to_int(code) > 999)
        throw misuse("the service returned a response with an invalid status: use one from 200 to 999");
}

/// Returns the response to a request whose service has answered with switch_protocols(), although the client has not
/// asked for this protocol. A server must not send 101 then (RFC 9110, section 7.8).
inline http::response upgrade_required(std::string_view protocol) {
    auto text = "this resource needs the protocol " + std::string(protocol) + ": send it in the field Upgrade\n";
    auto answer = http::response::text(std::move(text), http::status::upgrade_required);
    answer.headers.add("Upgrade", protocol);
    return answer;
}

/// Returns at most 200 bytes of `text`, in which '?' stands for each byte that is not a visible character of ASCII.
inline std::string printable(std::string_view text) {
    std::string all(text.substr(0, 200));
    for (char& c : all)
        if (c <= ' ' || c > '~') c = '?';
    return all;
}

/// Reports a request that the server has answered itself to serve_options::on_refused().
inline void report_refusal(const http::serve_options& options, http::status why, std::string_view method,
                           std::string_view target, const std::optional<net::socket_addr>& peer) noexcept {
    if (const auto& handler = options.on_refused())
        handler(http::refused_request(why, printable(method), printable(target), peer));
}

/// Counts and reports a request that the server refuses before its service sees it.
inline void note_refusal(const http::serve_options& options, http::status why, std::string_view method,
                         std::string_view target, const std::optional<net::socket_addr>& peer) noexcept {
    if (const auto& counters = options.counters()) counters->count(why);
    report_refusal(options, why, method, target, peer);
}

/// The method and the path of a request, for the report of its error. The service gets the request itself, so this is a
/// copy, which is made for each request. It does not allocate; a path of more than 100 bytes is cut.
class request_name {
public:
    request_name() noexcept {}  // NOLINT: set() fills the array
    void set(http::method method, std::string_view target) noexcept {
        method_ = method;
        is_cut_ = target.size() > path_.size();
        size_ = target.copy(path_.data(), path_.size());
    }
    [[nodiscard]] http::method method() const noexcept { return method_; }
    /// Returns the target with its query, at most 100 bytes.
    [[nodiscard]] std::string_view target() const noexcept { return {path_.data(), size_}; }
    /// Returns for example "GET /path". The query is omitted, because it may contain secrets.
    [[nodiscard]] std::string text() const {
        const auto query = target().find('?');
        std::string all(http::to_string(method_));
        all.append(1, ' ').append(target().substr(0, query));
        return is_cut_ && query == std::string_view::npos ? all + "..." : all;
    }

private:
    http::method method_ = http::method::get;
    bool is_cut_ = false;
    std::size_t size_ = 0;
    std::array<char, 100> path_;
};

/// Reports a request whose response was replaced by 503, because there is not enough memory for it. The request was
/// counted with its call.
inline void report_unavailable(const http::serve_options& options, const request_name& name,
                               const std::optional<net::socket_addr>& peer) noexcept {
    report_refusal(options, http::status::service_unavailable, http::to_string(name.method()), name.target(), peer);
}

/// The idle time of a connection that net::serve() can abort. Does not own the state, unlike
/// serve_connection::idle_time: shared ownership would cost two atomic operations for each request.
class idle_mark {
public:
    idle_mark() noexcept = default;
    idle_mark(idle_mark&& other) noexcept : of_(std::exchange(other.of_, nullptr)) {}
    idle_mark& operator=(idle_mark&&) = delete;
    ~idle_mark() { end(); }

    void begin(served_state& of) noexcept {
        if (of_ != nullptr) return;
        of_ = &of;
        of.begin_idle();
    }
    void end() noexcept {
        if (auto* const of = std::exchange(of_, nullptr)) of->end_idle();
    }

private:
    served_state* of_ = nullptr;
};

}  // namespace eddy::detail
