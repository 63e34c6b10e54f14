// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <initializer_list>
#include <source_location>
#include <span>
#include <string>

#include <eddy/detail/export.hpp>
#include <eddy/detail/small_algorithms.hpp>
#include <eddy/error.hpp>
#include <eddy/http/detail/filter.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>

namespace eddy::http {

/// A form in which compress() sends bodies.
enum class content_coding : unsigned char {
    gzip,    ///< gzip (RFC 1952), by zlib
    brotli,  ///< br (RFC 7932), by brotli
    zstd,    ///< zstd (RFC 8878), by zstd
};

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
    /// Sets how much time the compression takes: from 1, the fastest, to 9, the smallest. It is the level of zlib and
    /// of zstd, and makes brotli about as small: with brotli, 1 to 3 are the same, and 8 and 9. 6 by default. Other
    /// values become the nearest of these.
    compress_options& level(int effort) noexcept {
        level_ = detail::lesser(detail::greater(effort, 1), 9);
        return *this;
    }
    /// Sets the codings that may be used. The first one is preferred if a client accepts several of them equally:
    ///     compress_options().codings({content_coding::brotli, content_coding::gzip})
    /// By default, these are zstd, brotli and gzip, in this order. Codings whose library eddy was built without are
    /// ignored.
    /// Errors: throws `misuse` for a coding that is there twice.
    compress_options& codings(std::initializer_list<content_coding> preferred,
                              std::source_location where = std::source_location::current()) {
        coding_count_ = 0;
        for (const content_coding each : preferred) {
            for (const content_coding former : codings())
                if (each == former) throw misuse("codings() needs each coding at most once", where);
            codings_[coding_count_++] = each;
        }
        return *this;
    }

    /// Returns the value of the option.
    [[nodiscard]] std::size_t min_size() const noexcept { return min_size_; }
    [[nodiscard]] int level() const noexcept { return level_; }
    [[nodiscard]] std::span<const content_coding> codings() const noexcept {
        return std::span(codings_).first(coding_count_);
    }

private:
    std::size_t min_size_ = 1024;
    int level_ = 6;
    std::array<content_coding, 3> codings_ = {content_coding::zstd, content_coding::brotli, content_coding::gzip};
    std::size_t coding_count_ = 3;
};

}  // namespace eddy::http

namespace eddy::detail {

struct body_coding;

/// What the compression of a response depends on in its request.
struct compression_request {
    const body_coding* coding = nullptr;  // the body's, or null for none
    bool is_head = false;
    std::string known_etags;  // the list in If-None-Match

    EDDY_API compression_request(const http::request& of, const http::compress_options& options);
};

/// Compresses the body of a response, or does not change it. See http::compress().
EDDY_API void compress_response(http::response& answer, const compression_request& asked,
                                const http::compress_options& options);

/// The filter of http::compress().
class compress_filter {
public:
    class pass {
    public:
        pass(const http::compress_options& options, const http::request& asked)
            : options_(&options), asked_(asked, options) {}
        void finish(http::response& answer) const { compress_response(answer, asked_, *options_); }

    private:
        const http::compress_options* options_;
        compression_request asked_;
    };

    explicit compress_filter(http::compress_options options) noexcept : options_(options) {}
    [[nodiscard]] pass begin(const http::request& asked) const { return {options_, asked}; }

private:
    http::compress_options options_;
};

}  // namespace eddy::detail

namespace eddy::http {

/// Returns a layer that compresses the bodies of responses with zstd, brotli or gzip:
///     co_await try_(http::serve(std::move(listener), app | http::compress()));
///
/// - The client must accept one of the codings by its Accept-Encoding, and must not prefer a body without compression.
///   The coding with the highest quality value is used, and compress_options::codings() decides between equal ones.
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
/// A coding is used only if eddy was built with its library: zlib, brotli, zstd. Without any, the layer does not change
/// responses.
/// Cost: a body that is compressed while it is sent takes memory until its end: up to 300 KiB with gzip, 800 KiB with
/// zstd, and 2 MiB with brotli (256 KiB up to level 3, 1 MiB up to 5). zstd and brotli have a window of 64 KiB. Bodies
/// of up to 32 KiB in memory are compressed at once.
[[nodiscard]] inline auto compress(compress_options options = compress_options()) {
    return detail::filter_layer(detail::compress_filter(options));
}

}  // namespace eddy::http
