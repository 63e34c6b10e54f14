// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <memory>
#include <span>
#include <string_view>
#include <system_error>

#include <eddy/future/future.hpp>
#include <eddy/http/body.hpp>
#include <eddy/http/h1.hpp>
#include <eddy/result.hpp>

#include "h1/message_stream.hpp"
#include "message/fields.hpp"

namespace eddy::detail {

/// Sends the body of a message whose head an engine has written.
///
/// `Side` is the connection. It has these functions, the last two of which may also receive:
///
///     lock()                    locks the engine and the buffers, if another task uses them, too
///     poll_flush(cx)            sends the collected bytes. Returns poll_result<result<void>>
///     poll_waiting(cx, body)    called while the reader of the body waits. Returns a std::error_code
class body_sender {
public:
    /// Sends bytes until the message is complete. If the body's reader fails, failure() is its error. Close the
    /// connection then, because the message is incomplete.
    /// Errors: any error of the connection, of the reader, and of Side::poll_waiting().
    /// Cancel safety: not safe. The message is incomplete.
    template <class Side>
    poll_result<result<void>> poll(context& cx, http::body& from, http::h1::engine& by, message_stream& to, Side& side);

    /// Returns the error of the body's reader, or no error.
    [[nodiscard]] std::error_code failure() const noexcept { return failure_; }
    /// Returns whether the last poll waits for the body's reader. Otherwise it waits for room in the connection.
    [[nodiscard]] bool is_reading() const noexcept { return is_reading_; }

private:
    template <class Side>
    poll_result<result<void>> poll_large(context& cx, std::span<const std::byte> content, message_stream& to,
                                         Side& side);
    template <class Side>
    poll_result<result<void>> poll_file(context& cx, http::body& from, fs::detail::file_sender& file,
                                        message_stream& to, Side& side);

    std::unique_ptr<std::byte[]> scratch_;  // null until a reader is read
    std::size_t written_ = 0;               // bytes of a large body in memory
    bool is_full_ = false;                  // message_stream::most_unsent bytes were collected
    bool is_reading_ = false;               // waits for the reader of the body
    std::error_code failure_;
};

template <class Side>
poll_result<result<void>> body_sender::poll(context& cx, http::body& from, http::h1::engine& by, message_stream& to,
                                            Side& side) {
    const auto text_of = [](std::span<const std::byte> bytes) {
        // SAFETY: bytes may be read as char. The text is used before the bytes change.
        return std::string_view(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    };
    if (const auto* const content = from.in_memory(); content != nullptr && by.sends_body()) {
        if (content->size() >= message_stream::most_unsent) {
            const auto sent = poll_large(cx, content->chunk(), to, side);
            if (!sent || !*sent) return sent;
        } else {
            by.write_data(to.out(), content->text());
        }
        by.write_end(to.out());
    }
    // A peer that gets the bytes in chunks needs their sizes between them.
    if (auto* const file = body_access::file(from);
        file != nullptr && by.sends_body() && !by.sends_trailers() && to.sends_files()) {
        const auto sent = poll_file(cx, from, *file, to, side);
        if (!sent || !*sent) return sent;
        by.write_end(to.out());
    }
    while (by.sends_body()) {
        if (is_full_) {
            const auto flushed = side.poll_flush(cx);
            if (!flushed || !*flushed) return flushed;
        }
        if (!scratch_) scratch_ = std::make_unique_for_overwrite<std::byte[]>(message_stream::read_size);
        const std::span piece(scratch_.get(), message_stream::read_size);
        const auto count = from.poll_read(cx, piece);  // without the lock: it may be the body that is received
        is_reading_ = !count;
        if (!count) {
            // Sends the collected bytes while the reader waits.
            auto flushed = side.poll_flush(cx);
            if (flushed && !*flushed) return flushed;
            if (const auto failed = side.poll_waiting(cx, from)) return result<void>(std::unexpect, failed);
            return not_ready;
        }
        if (!*count) {
            failure_ = count->error();
            return result<void>(std::unexpect, failure_);
        }
        http::headers trailers;
        if (**count == 0 && by.sends_trailers()) trailers = trailers_to_send(from);  // without the lock, as above
        const auto guard = side.lock();
        if (**count == 0) {
            by.write_end(to.out(), trailers);
        } else {
            by.write_data(to.out(), text_of(piece.first(**count)));
        }
        is_full_ = to.collected() >= message_stream::most_unsent;
    }
    return side.poll_flush(cx);
}

/// Sends a body in memory without a copy of it.
template <class Side>
poll_result<result<void>> body_sender::poll_large(context& cx, std::span<const std::byte> content, message_stream& to,
                                                  Side& side) {
    if (written_ == 0) {
        auto flushed = side.poll_flush(cx);
        if (!flushed || !*flushed) return flushed;
    }
    while (written_ != content.size()) {
        const auto count = to.poll_write(cx, content.subspan(written_));
        if (!count) return not_ready;
        if (!*count) return result<void>(std::unexpect, count->error());
        written_ += **count;
    }
    return eddy::ok();
}

/// Sends a body that is a part of a file, by sendfile(2) where that is possible.
template <class Side>
poll_result<result<void>> body_sender::poll_file(context& cx, http::body& from, fs::detail::file_sender& file,
                                                 message_stream& to, Side& side) {
    auto flushed = side.poll_flush(cx);
    if (!flushed || !*flushed) return flushed;
    while (file.left() != 0) {
        const auto count = to.poll_send_file(cx, file);
        is_reading_ = !count && file.is_reading();
        if (is_reading_) {
            if (const auto failed = side.poll_waiting(cx, from)) return result<void>(std::unexpect, failed);
        }
        if (!count) return not_ready;
        if (!*count && !file.has_failed_to_read()) return result<void>(std::unexpect, count->error());
        if (!*count) failure_ = count->error();
        if (*count && **count == 0) failure_ = make_error_code(http::errc::body_too_short);
        if (failure_) return result<void>(std::unexpect, failure_);
    }
    return eddy::ok();
}

}  // namespace eddy::detail
