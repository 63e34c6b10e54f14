// SPDX-License-Identifier: MIT
#pragma once

#include <nghttp2/nghttp2.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>

#include "message/fields.hpp"

// The heads and trailers of requests and responses as fields of HTTP/2.

namespace eddy::detail {

/// Returns a field for nghttp2, which copies names and values, and makes the names lower case.
[[nodiscard]] nghttp2_nv nv_of(std::string_view name, std::string_view value) noexcept;

/// Builds the head of a request from the fields of an HTTP/2 stream, and refuses what RFC 9113 and the limits do not
/// permit. nghttp2 has already checked the characters, and the order and number of the pseudo fields. It has also
/// checked that no field is connection-specific, and that Content-Length is one number.
class http2_head {
public:
    explicit http2_head(const head_limits& limits) noexcept : limits_(limits) {}

    /// Adds a field. Its name is in lower case.
    void add(std::string_view name, std::string_view value);
    /// Moves the head to `into`. Returns nullopt, or the status with which the server refuses the request.
    [[nodiscard]] std::optional<http::status> finish(http::request& into);

    /// Returns the method, after finish().
    [[nodiscard]] http::method method() const noexcept { return method_.value_or(http::method::get); }
    /// Returns the method and the target that were received so far, as texts. They are empty if they are not valid.
    [[nodiscard]] std::string_view method_text() const noexcept {
        return method_ ? http::to_string(*method_) : std::string_view();
    }
    [[nodiscard]] std::string_view target() const noexcept { return target_; }
    /// Returns Content-Length, or nullopt if the request has none.
    [[nodiscard]] std::optional<std::uint64_t> length() const noexcept { return length_; }
    [[nodiscard]] bool expects_continue() const noexcept { return expects_continue_; }

private:
    void add_pseudo(std::string_view name, std::string_view value);
    void add_regular(std::string_view name, std::string_view value);
    void add_host(std::string_view value);
    void refuse(http::status why) noexcept {
        if (!refused_) refused_ = why;
    }

    head_limits limits_;
    std::size_t size_ = 0;    // as SETTINGS_MAX_HEADER_LIST_SIZE counts it
    std::size_t fields_ = 0;  // except the pseudo fields
    std::optional<http::method> method_;
    std::optional<std::uint64_t> length_;
    std::optional<http::status> refused_;
    bool has_host_ = false;
    bool expects_continue_ = false;
    std::string target_;
    std::string cookies_;
    http::headers headers_;
};

/// The fields of a head that is sent, for nghttp2.
/// Lifetime: refers to the message.
class http2_fields {
public:
    http2_fields(const http2_fields&) = delete;
    http2_fields& operator=(const http2_fields&) = delete;

    [[nodiscard]] bool has_body() const noexcept { return has_body_; }
    [[nodiscard]] const nghttp2_nv* data() const noexcept { return all_.data(); }
    [[nodiscard]] std::size_t size() const noexcept { return all_.size(); }

protected:
    explicit http2_fields(bool has_body) noexcept : has_body_(has_body) {}
    ~http2_fields() = default;

    void add_length(std::uint64_t size);

    bool has_body_;
    std::vector<nghttp2_nv> all_;

private:
    std::array<char, 20> length_{};
};

class http2_request_fields : public http2_fields {
public:
    /// `size` is the size of the body, and nullopt if it is unknown. `authority` is sent unless the request has Host.
    http2_request_fields(const http::request& asked, std::optional<std::uint64_t> size, std::string_view authority,
                         bool is_https);

private:
    void add_regular(std::string_view name, std::string_view value);
};

class http2_response_fields : public http2_fields {
public:
    http2_response_fields(const http::response& from, http::method asked);

private:
    std::array<char, 3> status_{};
};

/// Gives the trailer fields of a body to nghttp2. Returns whether it has taken them.
[[nodiscard]] bool submit_trailers(nghttp2_session* session, std::int32_t stream,
                                   const http::headers& trailers) noexcept;

}  // namespace eddy::detail
