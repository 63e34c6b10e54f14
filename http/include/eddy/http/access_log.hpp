// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/http/detail/filter.hpp>
#include <eddy/http/method.hpp>
#include <eddy/http/request.hpp>
#include <eddy/http/response.hpp>
#include <eddy/http/serve.hpp>
#include <eddy/http/status.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/time/clock.hpp>

namespace eddy::http {

/// The form of the lines of an access_log.
enum class log_format : unsigned char {
    /// The common log format of web servers:
    ///     192.0.2.1 - - [30/Nov/2026:01:15:34 +0000] "GET /notes HTTP/1.1" 200 12
    common,
    /// One JSON object in each line:
    ///     {"time":"2026-11-30T01:15:34Z","client":"192.0.2.1","method":"GET","target":"/notes","version":"1.1",
    ///     "status":200,"bytes":12,"seconds":0.000123,"id":"7"}
    /// "bytes" is the size of the response's body, "seconds" the time of the service, and "id" is X-Request-Id, at most
    /// 128 bytes of it. What is not known is omitted.
    json,
};

}  // namespace eddy::http

namespace eddy::detail {

/// Where the lines of a log go.
struct log_target {
    http::log_format format;
    std::function<void(std::string_view)> write;

    log_target(http::log_format form, std::function<void(std::string_view)> to) : format(form), write(std::move(to)) {}
};

/// The line of a request. The destructor writes it: with the status 499 if neither finish() nor fail() was called,
/// because the client has gone.
class EDDY_API log_line {
public:
    log_line(const log_target& to, const http::request& asked);
    log_line(const log_line&) = delete;
    log_line& operator=(const log_line&) = delete;
    ~log_line();

    void finish(const http::response& answer) noexcept;
    void fail(const std::error_code& why) noexcept;

private:
    const log_target& to_;
    http::method method_;
    http::version version_;
    std::string target_;
    std::string id_;
    std::optional<net::socket_addr> peer_;
    time::time_point start_ = time::clock::now();
    http::status status_{499};
    std::optional<std::uint64_t> bytes_;
};

/// Writes the line of a request that the server has answered itself.
EDDY_API void log_refusal(const log_target& to, const http::refused_request& what);

/// The filter of http::access_log.
class access_log_filter {
public:
    explicit access_log_filter(std::shared_ptr<const log_target> to) noexcept : to_(std::move(to)) {}
    [[nodiscard]] log_line begin(const http::request& asked) const { return {*to_, asked}; }

private:
    std::shared_ptr<const log_target> to_;
};

}  // namespace eddy::detail

namespace eddy::http {

/// A log with a line for each request, also for those that the server refuses itself because they are malformed, too
/// large or too slow:
///     const http::access_log log(http::log_format::json, [](std::string_view line) {
///         std::fprintf(stderr, "%.*s\n", static_cast<int>(line.size()), line.data());
///     });
///     http::serve(std::move(listener), app | log.layer(), http::serve_options().on_refused(log.refusals()))
///
/// - The line is written when the service has made its response, before that is sent.
/// - The status 499 stands for a request that was cancelled, for example because the client has gone.
/// - If the body of a request could not be received, the client gets 400, 408 or 413, but the line has the status of
///   the service's error. A response that is replaced or dropped because of serve_options::response_memory_limit() has
///   a second line, with 503.
/// - Place request_id() outside of the layer, so that the line has the id.
///
/// `write` gets the line without a line break. In a text, `\x` (common format) or `\u00` (JSON) with two hexadecimal
/// digits stands for each byte that is not printable ASCII. `write` must not throw, and should not block: it runs on
/// the threads of the server.
/// Thread safety: any thread. `write` may be called on several threads at the same time, so it should write a line and
/// its end by one call, as above: `std::cout << line << '\n'` is two, between which another thread may write. Copies
/// share it.
/// Cost: copies of the target and of the id, and an allocation for the line.
class EDDY_API access_log {
public:
    /// Makes a log whose lines go to `write`.
    access_log(log_format format, std::function<void(std::string_view line)> write)
        : to_(std::make_shared<const detail::log_target>(format, std::move(write))) {}

    /// Returns the layer that writes a line for each request of a service.
    [[nodiscard]] auto layer() const { return detail::filter_layer(detail::access_log_filter(to_)); }
    /// Returns the function for serve_options::on_refused().
    [[nodiscard]] std::function<void(const refused_request&)> refusals() const {
        return [to = to_](const refused_request& what) { detail::log_refusal(*to, what); };
    }

private:
    std::shared_ptr<const detail::log_target> to_;
};

}  // namespace eddy::http
