// SPDX-License-Identifier: MIT
#include <algorithm>
#include <array>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include <eddy/http/error.hpp>
#include <eddy/http/method.hpp>
#include <eddy/http/status.hpp>

// The names of methods, status codes and errors.

namespace eddy::http {
namespace {

constexpr std::array<std::string_view, 9> method_names = {"GET",     "HEAD",  "POST",  "PUT",  "DELETE",
                                                          "OPTIONS", "TRACE", "PATCH", "QUERY"};

const char* text_of(errc code) noexcept {
    switch (code) {
    case errc::bad_url:
        return "not a URL that can be requested: write it as http://host/path or https://host:port/path (there are no "
               "other schemes), without a user name, and percent-encode other characters than ASCII: a space is %20";
    case errc::bad_message: return "the peer violates the HTTP protocol";
    case errc::body_too_large: return "the body is larger than its limit";
    case errc::header_too_large: return "the headers are larger than their limit";
    case errc::body_detached: return "the body was read after the response to its request had been sent";
    case errc::body_too_short: return "the body ended before its announced size";
    case errc::too_many_redirects: return "the request was redirected too often";
    case errc::no_tls: return "https is not available: build eddy with OpenSSL 3 (Debian: libssl-dev)";
    case errc::no_http2:
        return "HTTP/2, which client_options::prior_knowledge() requires, is not available: the server does not have "
               "it, or eddy was built without nghttp2 (Debian: libnghttp2-dev)";
    case errc::bad_proxy:
        return "not the URL of a proxy: write it as http://host:port, http://user:password@host:port or "
               "socks5://host:port, and percent-encode special characters in the user name and the password";
    case errc::proxy_not_supported: return "only proxies with the scheme http, https, socks5 or socks5h are supported";
    case errc::proxy_refused:
        return "the proxy does not connect to the server. If the status is 407, the URL of the proxy needs a user name "
               "and a password; otherwise, the proxy does not permit the server, or cannot connect to it";
    case errc::bad_exclusion:
        return "the list of hosts without a proxy (no_proxy) has an element that is not valid: write example.org, "
               "*.example.org, 10.1.2.3, 10.0.0.0/8, ::1, fe80::/10, example.org:81, [::1]:81 or *";
    case errc::body_already_read:
        return "the body was read before, or moved to another object: a body can be read once, so keep what "
               "read_all() or read_text() has returned";
    case errc::bad_form: return "the body of the request is not a valid form of the type multipart/form-data";
    case errc::part_skipped:
        return "the body of a part was read after the next call of multipart::next(), which skips what is left of the "
               "part: read it before that call";
    }
    return "unknown HTTP error";
}

/// The names of the error codes of HTTP/2: RFC 9113, section 7.
constexpr std::array<std::string_view, 14> http2_names = {"NO_ERROR",
                                                          "PROTOCOL_ERROR",
                                                          "INTERNAL_ERROR",
                                                          "FLOW_CONTROL_ERROR",
                                                          "SETTINGS_TIMEOUT",
                                                          "STREAM_CLOSED",
                                                          "FRAME_SIZE_ERROR",
                                                          "REFUSED_STREAM",
                                                          "CANCEL",
                                                          "COMPRESSION_ERROR",
                                                          "CONNECT_ERROR",
                                                          "ENHANCE_YOUR_CALM",
                                                          "INADEQUATE_SECURITY",
                                                          "HTTP_1_1_REQUIRED"};

class http2_error_category final : public std::error_category {
public:
    const char* name() const noexcept override { return "eddy.http2"; }
    std::string message(int code) const override {
        const auto index = static_cast<std::size_t>(code);
        const std::string name =
            index < http2_names.size() ? std::string(http2_names[index]) : std::to_string(static_cast<unsigned>(code));
        return "the server has ended the request or the connection with the HTTP/2 error " + name;
    }
    std::error_condition default_error_condition(int) const noexcept override { return std::errc::connection_reset; }
};

class category final : public std::error_category {
public:
    const char* name() const noexcept override { return "eddy.http"; }
    std::string message(int code) const override { return text_of(static_cast<errc>(code)); }
    std::error_condition default_error_condition(int code) const noexcept override {
        switch (static_cast<errc>(code)) {
        case errc::bad_url:
        case errc::bad_proxy:
        case errc::bad_exclusion: return std::errc::invalid_argument;
        case errc::bad_message:
        case errc::bad_form: return std::errc::bad_message;
        case errc::body_too_large:
        case errc::header_too_large: return std::errc::message_size;
        case errc::no_tls:
        case errc::no_http2:
        case errc::proxy_not_supported: return std::errc::not_supported;
        case errc::proxy_refused: return std::errc::connection_refused;
        default: return {code, *this};
        }
    }
};

}  // namespace

std::string_view to_string(method of) noexcept { return method_names[static_cast<std::size_t>(of)]; }

std::optional<method> method_of(std::string_view name) noexcept {
    if (name == "GET") return method::get;  // by far the most frequent one
    const auto* const found = std::ranges::find(method_names, name);
    if (found == method_names.end()) return std::nullopt;
    return static_cast<method>(found - method_names.begin());
}

std::string_view reason_of(status code) noexcept {
    switch (code) {
    case status::switching_protocols: return "Switching Protocols";
    case status::ok: return "OK";
    case status::created: return "Created";
    case status::accepted: return "Accepted";
    case status::no_content: return "No Content";
    case status::reset_content: return "Reset Content";
    case status::partial_content: return "Partial Content";
    case status::moved_permanently: return "Moved Permanently";
    case status::found: return "Found";
    case status::see_other: return "See Other";
    case status::not_modified: return "Not Modified";
    case status::temporary_redirect: return "Temporary Redirect";
    case status::permanent_redirect: return "Permanent Redirect";
    case status::bad_request: return "Bad Request";
    case status::unauthorized: return "Unauthorized";
    case status::forbidden: return "Forbidden";
    case status::not_found: return "Not Found";
    case status::method_not_allowed: return "Method Not Allowed";
    case status::not_acceptable: return "Not Acceptable";
    case status::request_timeout: return "Request Timeout";
    case status::conflict: return "Conflict";
    case status::gone: return "Gone";
    case status::length_required: return "Length Required";
    case status::precondition_failed: return "Precondition Failed";
    case status::content_too_large: return "Content Too Large";
    case status::uri_too_long: return "URI Too Long";
    case status::unsupported_media_type: return "Unsupported Media Type";
    case status::range_not_satisfiable: return "Range Not Satisfiable";
    case status::expectation_failed: return "Expectation Failed";
    case status::unprocessable_content: return "Unprocessable Content";
    case status::upgrade_required: return "Upgrade Required";
    case status::too_many_requests: return "Too Many Requests";
    case status::request_header_fields_too_large: return "Request Header Fields Too Large";
    case status::internal_server_error: return "Internal Server Error";
    case status::not_implemented: return "Not Implemented";
    case status::bad_gateway: return "Bad Gateway";
    case status::service_unavailable: return "Service Unavailable";
    case status::gateway_timeout: return "Gateway Timeout";
    case status::http_version_not_supported: return "HTTP Version Not Supported";
    case status::insufficient_storage: return "Insufficient Storage";
    }
    return "";
}

const std::error_category& error_category() noexcept {
    static const category instance;
    return instance;
}

const std::error_category& http2_category() noexcept {
    static const http2_error_category instance;
    return instance;
}

std::error_code make_error_code(errc code) noexcept { return {static_cast<int>(code), error_category()}; }

}  // namespace eddy::http
