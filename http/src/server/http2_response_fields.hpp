// SPDX-License-Identifier: MIT
#pragma once

#include <nghttp2/nghttp2.h>

#include <array>
#include <cstddef>
#include <string_view>
#include <vector>

#include <eddy/http/method.hpp>
#include <eddy/http/response.hpp>

namespace eddy::detail {

/// The fields of a response's head, for nghttp2.
/// Lifetime: refers to the response.
class http2_response_fields {
public:
    http2_response_fields(const http::response& from, http::method asked);
    http2_response_fields(const http2_response_fields&) = delete;
    http2_response_fields& operator=(const http2_response_fields&) = delete;

    [[nodiscard]] bool has_body() const noexcept { return has_body_; }
    [[nodiscard]] const nghttp2_nv* data() const noexcept { return all_.data(); }
    [[nodiscard]] std::size_t size() const noexcept { return all_.size(); }

private:
    std::array<char, 3> status_{};
    std::array<char, 20> length_{};
    bool has_body_ = true;
    std::vector<nghttp2_nv> all_;
};

}  // namespace eddy::detail
