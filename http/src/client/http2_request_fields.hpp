// SPDX-License-Identifier: MIT
#pragma once

#include <nghttp2/nghttp2.h>

#include <array>
#include <cstddef>
#include <string_view>
#include <vector>

#include "client/http2_call.hpp"

namespace eddy::detail {

/// The fields of a request's head, for nghttp2.
/// Lifetime: refers to the call.
class http2_request_fields {
public:
    explicit http2_request_fields(const http2_call& call);
    http2_request_fields(const http2_request_fields&) = delete;
    http2_request_fields& operator=(const http2_request_fields&) = delete;

    [[nodiscard]] bool has_body() const noexcept { return has_body_; }
    [[nodiscard]] const nghttp2_nv* data() const noexcept { return all_.data(); }
    [[nodiscard]] std::size_t size() const noexcept { return all_.size(); }

private:
    void add_regular(std::string_view name, std::string_view value);

    std::array<char, 20> length_{};
    bool has_body_;
    std::vector<nghttp2_nv> all_;
};

}  // namespace eddy::detail
