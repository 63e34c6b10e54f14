// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/http/body.hpp>
#include <eddy/http/headers.hpp>
#include <eddy/http/request.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

namespace eddy::detail {
class form_reader;
}  // namespace eddy::detail

namespace eddy::http {

/// The name of a file that a client has chosen. It may be "../../etc/passwd", so it does not convert to a path or a
/// text.
/// Thread safety: a plain value.
class EDDY_API client_filename {
public:
    /// Takes what the client has sent.
    explicit client_filename(std::string sent) noexcept : sent_(std::move(sent)) {}

    /// Returns what the client has sent. Do not use it as a path.
    [[nodiscard]] const std::string& untrusted() const noexcept { return sent_; }
    /// Returns a name for a file in a folder: what follows the last slash or backslash, at most 200 bytes of it. '_'
    /// replaces a leading dot, trailing dots and spaces, control characters, and the characters that Windows forbids.
    /// It also precedes the names of devices of Windows, such as "nul.txt". An empty name becomes "file". Two clients
    /// may send the same name.
    [[nodiscard]] std::string safe() const;

private:
    std::string sent_;
};

/// A field or a file of a form.
/// Thread safety: see multipart.
struct form_part {
    std::string name;                         ///< the name of the field
    std::optional<client_filename> filename;  ///< of a file
    http::headers headers;                    ///< for example Content-Type
    http::body body;                          ///< the value; read it before the call of multipart::next()

    /// Makes a part from what multipart has received.
    form_part(std::string of, std::optional<client_filename> file, http::headers&& fields, http::body&& content)
        : name(std::move(of)), filename(std::move(file)), headers(std::move(fields)), body(std::move(content)) {}
};

/// The limits of multipart: `multipart_options().max_parts(10)`.
/// Thread safety: a plain value.
class multipart_options {
public:
    /// The default limits.
    multipart_options() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug

    /// Sets the maximum number of parts. 100 by default.
    multipart_options& max_parts(std::size_t most) noexcept {
        max_parts_ = most;
        return *this;
    }
    /// Sets the maximum number of bytes of the header fields of a part. 4 KiB by default.
    multipart_options& header_limit(std::size_t bytes) noexcept {
        header_limit_ = bytes;
        return *this;
    }

    /// Returns the value of the option.
    [[nodiscard]] std::size_t max_parts() const noexcept { return max_parts_; }
    [[nodiscard]] std::size_t header_limit() const noexcept { return header_limit_; }

private:
    std::size_t max_parts_ = 100;
    std::size_t header_limit_ = 4096;
};

/// The parts of a request with the type multipart/form-data (RFC 7578), one after the other, while they arrive:
///     http::multipart form(asked);
///     while (auto part = co_await try_(form.next())) {
///         if (part->filename) co_await try_(io::copy(part->body, file));
///         else text = co_await try_(part->body.read_text(1000));
///     }
/// A part takes no more memory than what is read of it at once. serve_options::body_limit() limits the whole body;
/// body::read_text() and io::take() limit a part.
///
/// Errors of next() and of the bodies of parts: http::errc::bad_form if the request has another type, or if the body is
/// malformed or ends early, or the header fields of a part are too large; http::errc::body_too_large if there are too
/// many parts; the errors of the request's body. Return the error: the server answers 400, 408 or 413.
/// Thread safety: one thread at a time, together with the current part.
/// Lifetime: owns the body of the request. A part may outlive it.
/// Cost: a buffer of 16 KiB, which is larger only for large header fields.
class EDDY_API multipart {
public:
    /// Takes the body of a request.
    explicit multipart(request& asked, multipart_options options = multipart_options());

    /// Waits for the next part, and discards what was not read of the one before: reads of its body then fail with
    /// http::errc::part_skipped. Returns nullopt after the last part.
    /// Errors: see above.
    /// Cancel safety: safe. The next call continues.
    task<result<std::optional<form_part>>> next();

private:
    std::shared_ptr<detail::form_reader> reader_;
};

}  // namespace eddy::http
