// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include <eddy/http/headers.hpp>
#include <eddy/http/method.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/status.hpp>

#include "h1/head_parser.hpp"

namespace eddy::detail {

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

}  // namespace eddy::detail
