// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include <eddy/future/waker.hpp>
#include <eddy/http/request.hpp>

#include "client/call_inbox.hpp"
#include "client/exchange.hpp"
#include "h2/stream.hpp"

namespace eddy::detail {

/// The head of a response, and its body.
struct http2_answer {
    int status = 0;
    http::headers headers;
    std::optional<std::uint64_t> length;   // Content-Length
    std::shared_ptr<http2_body> incoming;  // null if there is no body

    http2_answer() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

/// A request and its response on an HTTP/2 connection of a client. The task of the request and the task of the
/// connection share it: see http2_link.
struct http2_call : inbox_entry<std::shared_ptr<http2_call>>, http2_stream {
    http2_call() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug

    /// What the request waits for, until its response has a head. The numbers of a client's streams are odd, so the
    /// lowest byte of `id` is 0 only before there is one.
    static constexpr auto wait_shape() {
        const auto stream =
            inspect::part<[] { return inspect::named_wait("a free stream of an HTTP/2 connection"); }>();
        const auto window = inspect::part<&http2_window_shape>("request");
        return inspect::named_wait("the response of an HTTP/2 server",
                                   child_if(stream, offset_of<http2_call>(&http2_call::id), 0),
                                   inspect::child_while(member_of<http2_call>(&http2_call::has_part), true, window));
    }

    // Constant after submit(), with is_streamed. The request sets trailers before fill() of the last part.
    http::request asked;  // without its body if that is a reader
    std::string authority;
    std::optional<std::uint64_t> size;  // of the body
    bool is_https = false;
    bool was_kept = false;  // the connection had been used before

    // Used by the connection, with the rest of http2_stream:
    http2_answer answer;  // while its fields are received
    std::size_t head_size = 0;
    unsigned interim = 0;    // interim responses
    bool has_final = false;  // the final head was received
    time::time_point begun;  // the time at which the stream was opened

    // Guarded by the lock of the link, with `next`:
    waker requester;
    bool is_sent = false;       // the request was sent completely
    bool has_consumed = false;  // the connection has taken bytes of a part
    std::optional<http2_answer> ready;
    std::error_code failure;
    repeat again = repeat::never;
};

/// The connection between requests and the task of an HTTP/2 connection. Each side wakes the other through it.
///
///     request ──submit, fill, drop──> link ──wake──> connection
///        ^                                               │
///        └────────────wake──── http2_call <──────────────┘
///
/// Thread safety: any thread.
class http2_link final : public http2_mailbox {
public:
    explicit http2_link(std::string address) noexcept : address_(std::move(address)) {}

    [[nodiscard]] const std::string& address() const noexcept { return address_; }

    // For requests:

    /// Returns whether the connection accepts requests.
    [[nodiscard]] bool is_open() const noexcept;
    /// Adds a request. Returns false if the connection does not accept requests.
    [[nodiscard]] bool submit(const std::shared_ptr<http2_call>& call);
    /// Tells the connection that a part of the request's body can be sent.
    void fill(const std::shared_ptr<http2_call>& call, std::size_t count, bool is_last);
    /// Returns whether the next part of the request's body must be read. Otherwise, `mine` is woken when that changes.
    [[nodiscard]] bool wants_part(http2_call& call, const waker& mine);
    /// Returns whether the response's head or a failure is there. Otherwise, `mine` is woken when that changes.
    [[nodiscard]] bool poll_ready(http2_call& call, const waker& mine);
    [[nodiscard]] bool is_sent(const http2_call& call) const noexcept;
    /// Returns the part that was read and not sent, which may be empty; nullopt if an earlier byte was sent.
    /// Preconditions: the call has failed.
    [[nodiscard]] std::optional<http2_part> take_unsent(http2_call& call) noexcept;
    /// Ends the use of the call. The connection resets its stream, if that is still open.
    void drop(const std::shared_ptr<http2_call>& call) noexcept;
    /// Announces that there will be no more requests. The connection ends once its requests have ended.
    void release() noexcept;

    // For the connection:

    /// Same as http2_mailbox::end_turn(), also for calls.
    [[nodiscard]] bool end_turn(const waker& connection);
    /// Removes and returns a call that was submitted or has changed. See call_inbox::take().
    [[nodiscard]] call_inbox<std::shared_ptr<http2_call>>::item take_call() noexcept;
    [[nodiscard]] bool is_released() const noexcept;
    /// Refuses requests from now on, or accepts them again.
    void set_open(bool is_open) noexcept;
    /// Refuses requests from now on, unless some were submitted. Returns whether it does.
    [[nodiscard]] bool try_close() noexcept;
    /// Takes `count` bytes from the part of a body.
    void consume(http2_call& call, std::size_t count) noexcept;
    /// Returns the number of bytes in the part, and whether it is the last one.
    [[nodiscard]] std::pair<std::size_t, bool> part_of(const http2_stream& call) const noexcept;
    void set_sent(http2_call& call) noexcept;
    /// Gives the head of the response to the request's task.
    void answer(http2_call& call) noexcept;
    /// Ends the call with an error, unless the head of the response was given to the request's task.
    void fail(http2_call& call, std::error_code why, repeat again) noexcept;
    void close(http2_call& call) noexcept;

private:
    const std::string address_;
    // Guarded by the lock:
    call_inbox<std::shared_ptr<http2_call>> inbox_;
    bool is_open_ = true;
    bool is_released_ = false;
    bool has_release_ = false;  // the connection has not yet seen the release
    bool was_used_ = false;
};

/// Owns the right to send requests on a connection, which ends when this is destroyed. A connection has one.
class http2_handle {
public:
    explicit http2_handle(std::shared_ptr<http2_link> link) noexcept : link_(std::move(link)) {}
    http2_handle(const http2_handle&) = delete;
    http2_handle& operator=(const http2_handle&) = delete;
    ~http2_handle() { link_->release(); }

    [[nodiscard]] http2_link& link() const noexcept { return *link_; }

private:
    std::shared_ptr<http2_link> link_;
};

}  // namespace eddy::detail
