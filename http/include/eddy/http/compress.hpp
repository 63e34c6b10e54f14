// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <string>

#include <eddy/detail/export.hpp>
#include <eddy/http/detail/filter.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>

namespace eddy::http {

/// The options of compress(): `compress_options().min_size(256).level(9)`.
/// Thread safety: a plain value.
class compress_options {
public:
    /// The default options.
    compress_options() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug

    /// Sets the size in bytes below which a body is not compressed. A body of unknown size is always compressed. 1024
    /// by default.
    compress_options& min_size(std::size_t bytes) noexcept {
        min_size_ = bytes;
        return *this;
    }
    /// Sets the level of zlib: from 1, the fastest, to 9, the smallest. 6 by default. Other values become the nearest
    /// of these.
    compress_options& level(int of_zlib) noexcept {
        level_ = std::clamp(of_zlib, 1, 9);
        return *this;
    }

    /// Returns the value of the option.
    [[nodiscard]] std::size_t min_size() const noexcept { return min_size_; }
    [[nodiscard]] int level() const noexcept { return level_; }

private:
    std::size_t min_size_ = 1024;
    int level_ = 6;
};

}  // namespace eddy::http

namespace eddy::detail {

/// What the compression of a response depends on in its request.
struct compression_request {
    bool accepts_gzip = false;
    bool is_head = false;
    std::string known_etags;  // the list in If-None-Match

    EDDY_API explicit compression_request(const http::request& of);
};

/// Compresses the body of a response, or does not change it. See http::compress().
EDDY_API void compress_response(http::response& answer, const compression_request& asked,
                                const http::compress_options& options);

/// The filter of http::compress().
class compress_filter {
public:
    class pass {
    public:
        pass(const http::compress_options& options, const http::request& asked) : options_(options), asked_(asked) {}
        void finish(http::response& answer) const { compress_response(answer, asked_, options_); }

    private:
        http::compress_options options_;
        compression_request asked_;
    };

    explicit compress_filter(http::compress_options options) noexcept : options_(options) {}
    [[nodiscard]] pass begin(const http::request& asked) const { return {options_, asked}; }

private:
    http::compress_options options_;
};

}  // namespace eddy::detail

namespace eddy::http {

/// Returns a layer that compresses the bodies of responses with gzip:
///     co_await try_(http::serve(std::move(listener), app | http::compress()));
///
/// - The client must accept gzip by its Accept-Encoding, and must not prefer a body without compression.
/// - The type of the response must be text, JSON, JavaScript, XML, SVG, WebAssembly, or a type that ends in "+json" or
///   "+xml".
/// - A response stays as it is if it is smaller than min_size(), has a Content-Encoding, a Content-Range, or the
///   directive "no-transform" in Cache-Control.
/// - A response whose size or encoding depends on Accept-Encoding gets "Vary: Accept-Encoding". A compressed response
///   loses Content-Length and Accept-Ranges, and its ETag becomes a weak one.
/// - A 304 gets the Vary and the ETag of the response that would be sent without the condition, and a 206 its Vary. The
///   layer decides about a 304 by its Content-Type and Content-Length, which http::files() adds. Without them, the 304
///   gets the Vary of a compressible response, and the form of the ETag that the client has named in If-None-Match.
/// - While the reader of a body waits, what it has returned so far is sent, in a form that the client can decompress.
///   So events arrive without delay.
///
/// Do not compress a response that contains a secret together with text from the request. The size of the response
/// shows an attacker how similar the two are (BREACH).
///
/// If eddy was built without zlib, the layer does not change responses.
/// Cost: a body that is compressed while it is sent takes about 300 KiB of memory until its end.
[[nodiscard]] inline auto compress(compress_options options = compress_options()) {
    return detail::filter_layer(detail::compress_filter(options));
}

}  // namespace eddy::http
