// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstring>
#include <memory>
#include <optional>
#include <source_location>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/detail/small_algorithms.hpp>
#include <eddy/future/detail/stream_adaptor.hpp>
#include <eddy/future/future.hpp>
#include <eddy/http/body.hpp>
#include <eddy/http/response.hpp>
#include <eddy/result.hpp>
#include <eddy/stream/next.hpp>
#include <eddy/time/clock.hpp>
#include <eddy/time/sleep.hpp>

namespace eddy::http {

/// A server-sent event: `event("text").name("news").id("7")`. See event_stream().
class EDDY_API event {
public:
    /// Makes an event with this text, which may have several lines. JavaScript receives it as `event.data`.
    explicit event(std::string_view data);

    /// Sets the name, for which a page adds a listener. Without a name, the page gets a "message".
    /// Errors: name() and id() throw `misuse` for text with a line break or NUL.
    event& name(std::string_view text, std::source_location where = std::source_location::current());
    /// Sets the id. After a connection was lost, the browser requests the stream again, and sends the id of the last
    /// event in the header field Last-Event-ID.
    event& id(std::string_view text, std::source_location where = std::source_location::current());
    /// Sets how long the browser waits before it connects again. Rounded up to milliseconds.
    event& retry(std::chrono::nanoseconds after);

    /// Returns the event as it is sent, without the empty line at its end.
    [[nodiscard]] const std::string& text() const noexcept { return text_; }

private:
    std::string text_;
};

}  // namespace eddy::http

namespace eddy::detail {

/// Converts a stream of events to bytes.
template <class S>
class event_source final : public described_source<event_source<S>> {
public:
    event_source(S&& events, std::chrono::nanoseconds keep_alive)
        : events_(std::move(events)), keep_alive_(keep_alive), silence_(time::sleep(keep_alive)) {}

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) override {
        if (into.empty()) return eddy::ok(std::size_t{0});
        if (begin_ == text_.size() && !has_ended_) {
            if (!poll_text(cx)) return not_ready;
            begin_ = 0;
        }
        const auto count = detail::lesser(into.size(), text_.size() - begin_);
        std::memcpy(into.data(), text_.data() + begin_, count);
        begin_ += count;
        return eddy::ok(count);
    }
    [[nodiscard]] bool ends_with_peer() const noexcept override { return true; }

    static constexpr auto wait_shape() {
        return inspect::first_of(&event_source::events_, inspect::child(&event_source::silence_, "keep-alive"));
    }

private:
    /// Sets text_ to the next event or comment, or to nothing at the end. Returns whether it did.
    bool poll_text(context& cx) {
        if (auto next = events_.poll_next(cx)) {
            has_ended_ = !next->has_value();
            text_ = has_ended_ ? std::string() : (*next)->text() + "\n";
        } else {
            if (!silence_.poll(cx)) return false;
            text_ = ":\n\n";
        }
        silence_.reset(time::deadline_after(keep_alive_));
        return true;
    }

    S events_;
    std::chrono::nanoseconds keep_alive_;
    time::sleep_future silence_;  // ends when a comment is due
    std::string text_;
    std::size_t begin_ = 0;
    bool has_ended_ = false;
};

[[nodiscard]] EDDY_API http::response event_response(std::unique_ptr<body_source> events);

}  // namespace eddy::detail

namespace eddy::http {

/// Makes a response of server-sent events, which JavaScript receives with `new EventSource(url)`. `events` is a stream
/// of `event`, for example an async_generator:
///     co_return http::event_stream(news_since(asked.headers.get("Last-Event-ID")));
/// The response ends when the stream ends. Browsers then request it again after some seconds.
///
/// If there is no event for `keep_alive`, 15 seconds by default, a comment is sent, so that proxies do not close the
/// connection. If the client closes the connection, the server destroys the stream immediately. If the connection fails
/// without being closed, the server destroys the stream when a later event or comment cannot be sent. An HTTP/1.1
/// client that only closes its sending direction is treated the same as one that closes the connection.
///
/// Each waiting client is a request in progress. At the shutdown of the server, it has the time of
/// serve_options::drain(), so let the stream end when the token is cancelled.
/// Lifetime: owns `events`.
/// Cost: one allocation, and a timer while an event is awaited.
template <stream S>
    requires std::same_as<typename S::item_type, event>
[[nodiscard]] response event_stream(S events, std::chrono::nanoseconds keep_alive = std::chrono::seconds(15)) {
    return detail::event_response(std::make_unique<detail::event_source<S>>(std::move(events), keep_alive));
}

}  // namespace eddy::http
