// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/detail/atomic.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/http/body.hpp>
#include <eddy/result.hpp>
#include <eddy/time/clock.hpp>

#include "message/body_timer.hpp"

namespace eddy::detail {

/// The wait of a sent body for a larger flow-control window, or for room in the connection.
constexpr auto http2_window_shape() { return inspect::named_wait("room in the window of an HTTP/2 stream"); }

class http2_body;

/// Tells a connection which bodies were read or dropped. Their reader may be in another task than the connection.
/// Thread safety: any thread.
class http2_mailbox {
public:
    using bodies = std::vector<std::shared_ptr<http2_body>>;

    /// Call this at the start of each poll of the connection. Until end_turn(), a reader does not wake the connection.
    void begin_turn() noexcept;
    /// Call this before the connection waits. Returns false if there are bodies to take().
    [[nodiscard]] bool end_turn(const waker& connection);
    /// Returns the bodies that were read or dropped since the last call.
    [[nodiscard]] bodies take() noexcept;
    /// Call this at the end of the connection. Later reads are not reported: a body in the list would keep itself
    /// alive, because it owns the mailbox.
    void end() noexcept;

protected:
    friend http2_body;

    /// Calls `change()` under the lock. Then wakes the waker that it has returned.
    template <class F>
    void wake_after(F change) {
        waker woken;
        {
            const std::lock_guard guard(lock_);
            woken = change();
        }
        std::move(woken).wake();
    }

    mutable mutex lock_;  // guards also the members of all bodies
    bodies read_;
    waker connection_;
    bool has_ended_ = false;
};

/// The body of a request, or of a response to a client, while it is received. The connection and the http::body share
/// it. The latter may outlive the connection.
///
/// The flow-control window grows only by the bytes that were read. Unread bytes are in this object, so it never stores
/// more bytes than the window allows. Its buffer is at most twice as large.
/// Thread safety: any thread.
class http2_body : public std::enable_shared_from_this<http2_body> {
public:
    /// The actions of the reader since the last call of news().
    struct report {
        std::size_t consumed = 0;  // bytes that were read
        bool is_dropped = false;   // the reader is gone: detach() the body
        bool asks = false;         // the client waits for "100 Continue", which the caller must send
        time::time_point deadline = time::time_point::max();  // of the reader that waits: see body_rate

        report() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
    };

    http2_body(std::shared_ptr<http2_mailbox> mailbox, std::int32_t stream, bool expects_continue,
               const body_rate& rate = body_rate()) noexcept
        : mailbox_(std::move(mailbox)), stream_(stream), expects_continue_(expects_continue), rate_(rate) {}

    [[nodiscard]] std::int32_t stream() const noexcept { return stream_; }

    // For the connection:

    /// Appends received bytes. Returns false if the body is not read any more.
    [[nodiscard]] bool append(std::string_view data);
    /// Appends a trailer field.
    void add_trailer(std::string_view name, std::string_view value);
    /// Ends the body: completely, or with an error. The reader gets the error after the bytes that were appended
    /// before.
    void finish(std::error_code failure = {}) noexcept;
    /// Makes all later reads fail. Returns the number of bytes that news() has not reported as consumed, including the
    /// unread bytes.
    [[nodiscard]] std::size_t detach() noexcept;
    [[nodiscard]] report news() noexcept;
    /// Returns whether the client still waits for "100 Continue", which the caller must then send. Later calls return
    /// false.
    [[nodiscard]] bool ask() noexcept;
    /// Returns the error that the reader gets, or has got.
    [[nodiscard]] std::error_code failure() const noexcept;
    /// Moves the whole body to `into`, if the body is complete without trailer fields, and no byte of it was read.
    /// Returns whether it did.
    [[nodiscard]] bool take_complete(std::string& into) noexcept;
    /// Returns the time at which the body must be ended if no bytes arrive: a reader has waited for `limit`, or the
    /// bytes have arrived too slowly. Returns time_point::max() if no reader waits.
    [[nodiscard]] time::time_point deadline(time::duration limit) const noexcept;

    // For the reader:

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into);
    [[nodiscard]] bool may_have_trailers() const noexcept { return true; }
    /// Returns the trailer fields. Empty before the end of the body.
    [[nodiscard]] http::headers trailers() const;
    /// Announces that there will be no more reads.
    void drop() noexcept;

    static constexpr auto wait_shape() { return inspect::named_wait("the body of an HTTP/2 message"); }

private:
    [[nodiscard]] std::size_t unread() const noexcept { return data_.size() - begin_; }
    std::size_t copy_to(std::span<std::byte> into) noexcept;
    void note(waker& to_wake);
    poll_result<result<std::size_t>> try_read(std::span<std::byte> into, waker& connection);
    void wait(waker& mine, waker& connection);

    const std::shared_ptr<http2_mailbox> mailbox_;
    const std::int32_t stream_;
    // Guarded by the lock of the mailbox:
    bool expects_continue_;
    bool asks_ = false;
    bool is_noted_ = false;
    bool is_complete_ = false;
    bool is_dropped_ = false;
    bool is_detached_ = false;
    std::error_code failure_;
    std::size_t begin_ = 0;  // index in data_ of the first byte that was not read
    std::size_t consumed_ = 0;
    std::string data_;
    http::headers trailers_;
    std::size_t trailer_bytes_ = 0;  // of all trailer fields, also of those that were dropped
    waker reader_;
    body_rate rate_;
};

/// A part of a sent body that was read and not yet sent. It is filled while it is empty; the connection empties it.
struct http2_part {
    static constexpr std::size_t capacity = 32 * 1024;

    std::unique_ptr<std::byte[]> memory;
    std::size_t begin = 0;
    std::size_t end = 0;
    bool is_last = false;

    http2_part() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
    [[nodiscard]] std::size_t size() const noexcept { return end - begin; }
};

/// A stream, as the connections of servers and clients see it.
struct http2_stream {
    explicit http2_stream(std::int32_t stream = 0) noexcept : id(stream) {}

    std::int32_t id;                       // 0 before a client has opened the stream
    bool is_open = true;                   // nghttp2 has not closed the stream
    bool has_ended = false;                // the peer has sent its end
    bool was_reset = false;                // by this side
    bool has_part = false;                 // bytes of the sent body wait until the peer has room for them
    bool is_streamed = false;              // the sent body is a reader
    std::shared_ptr<http2_body> incoming;  // null if no body is received
    std::string_view in_memory;            // the rest of a sent body that is in memory
    http2_part next;                       // of a sent body that is a reader
    http::headers trailers;                // of a sent body that is a reader, after its last part was read
    time::time_point since;                // the last progress of the sent body
    std::size_t index = 0;                 // in the list of the connection
};

/// Adds a stream at the end of a list.
template <class Pointer>
void add_stream(std::vector<Pointer>& to, Pointer one) {
    one->index = to.size();
    to.push_back(std::move(one));
}
/// Removes a stream, which is in the list. The last one gets its place.
template <class Pointer>
Pointer take_stream(std::vector<Pointer>& from, const http2_stream& one) noexcept {
    auto& place = from[one.index];
    std::swap(place, from.back());
    place->index = one.index;
    auto taken = std::move(from.back());
    from.pop_back();
    return taken;
}

}  // namespace eddy::detail
