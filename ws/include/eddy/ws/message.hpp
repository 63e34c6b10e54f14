// SPDX-License-Identifier: MIT
#pragma once

#include <string>
#include <string_view>
#include <utility>

#include <eddy/bytes/bytes.hpp>
#include <eddy/detail/export.hpp>

EDDY_HEADERS_OF(ws)

namespace eddy::ws {

/// A message: text in UTF-8, or binary data.
///     co_await try_(socket.send("hello"));                       // text
///     co_await try_(socket.send(eddy::bytes(std::move(data))));  // binary
/// Thread safety: one thread at a time. Copies share the memory and may be on different threads.
/// Cost: copying is one atomic increment.
class message {
public:
    /// Makes a text message. Takes over the memory of a `std::string`, and copies other text.
    message(std::string text) : content_(std::move(text)) {}
    message(std::string_view text) : content_(bytes::copy_of(text)) {}
    message(const char* text) : message(std::string_view(text)) {}
    /// Makes a binary message.
    message(bytes binary) noexcept : content_(std::move(binary)), is_text_(false) {}

    /// Returns whether it is a text message.
    [[nodiscard]] bool is_text() const noexcept { return is_text_; }
    /// Returns the content as text. The content of a received text message is valid UTF-8.
    /// Lifetime: the view is valid as long as the content.
    [[nodiscard]] std::string_view text() const noexcept { return content_.text(); }
    /// Returns the content.
    [[nodiscard]] const bytes& content() const noexcept { return content_; }

    /// Returns whether kind and content are equal.
    friend bool operator==(const message& a, const message& b) noexcept {
        return a.is_text_ == b.is_text_ && a.text() == b.text();
    }

private:
    bytes content_;
    bool is_text_ = true;
};

}  // namespace eddy::ws
