// SPDX-License-Identifier: MIT
#include "h1/message_stream.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <limits>
#include <memory>
#include <mutex>
#include <new>
#include <utility>

#include <eddy/detail/graceful_end.hpp>
#include <eddy/future/poll_fn.hpp>
#include <eddy/http/error.hpp>
#include <eddy/time/timeout.hpp>

#include "message/fields.hpp"

namespace eddy::detail {
namespace {

constexpr std::size_t most_spare = 16 * 1024;   // larger buffers are freed
constexpr std::size_t most_unsent = 64 * 1024;  // with more unsent bytes, a body waits for the connection

std::span<const std::byte> bytes_of(std::string_view text) noexcept { return std::as_bytes(std::span(text)); }

// SAFETY: bytes may be read as char. The text is valid as long as the bytes.
std::string_view text_of(std::span<const std::byte> bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

result<std::size_t> failed(std::error_code error) { return std::unexpected(error); }

void append_chunk(std::string& out, std::span<const std::byte> data) {
    std::array<char, 16> digits{};
    const auto end = std::to_chars(digits.data(), digits.data() + digits.size(), data.size(), 16).ptr;
    out.append(digits.data(), end).append("\r\n");
    out.append(text_of(data)).append("\r\n");
}

/// Appends the end of a body in chunks.
void append_last_chunk(std::string& out, const http::headers& trailers) {
    out.append("0\r\n");
    for (const auto& [name, value] : trailers) out.append(name).append(": ").append(value).append("\r\n");
    out.append("\r\n");
}

/// A connection, and bytes that were received from it already.
class prefixed_stream {
public:
    prefixed_stream(std::string&& prefix, io::boxed_stream&& below)
        : prefix_(std::move(prefix)), below_(std::move(below)) {}

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) {
        if (prefix_.empty() || into.empty()) return below_.poll_read(cx, into);
        const auto from = bytes_of(std::string_view(prefix_).substr(begin_));
        const auto count = std::min(from.size(), into.size());
        std::memcpy(into.data(), from.data(), count);
        begin_ += count;
        if (begin_ == prefix_.size()) prefix_ = {};
        return eddy::ok(count);
    }
    poll_result<result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from) {
        return below_.poll_write(cx, from);
    }
    poll_result<result<void>> poll_flush(context& cx) { return below_.poll_flush(cx); }
    poll_result<result<void>> poll_shutdown(context& cx) { return below_.poll_shutdown(cx); }

private:
    std::string prefix_;
    std::size_t begin_ = 0;  // index in prefix_ of the first byte that was not read
    io::boxed_stream below_;
};

/// The buffers of a connection that became idle on this thread. The next connection that receives or sends takes them,
/// so a request usually needs no allocation for buffers.
thread_local std::unique_ptr<message_buffers> spare;

/// Locks the body that another task receives, if there is one.
std::unique_lock<mutex> lock_incoming(received_body* incoming) {
    return incoming != nullptr ? std::unique_lock(incoming->lock) : std::unique_lock<mutex>();
}

}  // namespace

std::error_code error_of_exception() noexcept {
    try {
        throw;
    } catch (const std::bad_alloc&) {
        return std::make_error_code(std::errc::not_enough_memory);
    } catch (...) {
        return std::make_error_code(std::errc::io_error);
    }
}

message_stream::message_stream(http_transport&& below, std::chrono::nanoseconds limit)
    : stream_(io::idle_timeout(std::move(below), limit)) {}

void message_stream::take_buffers() { buffers_ = spare ? std::move(spare) : std::make_unique<message_buffers>(); }

void message_stream::release_buffers() noexcept {
    if (!buffers_ || !buffers_->in.empty() || !buffers_->out.empty()) return;
    const bool is_large = std::max(buffers_->kept.capacity(), buffers_->out.capacity()) > most_spare;
    if (is_large) {
        buffers_.reset();
    } else {
        spare = std::move(buffers_);
    }
}

void message_stream::keep(std::span<const std::byte> received) {
    message_buffers& all = buffers();
    if (all.is_kept()) {
        all.kept.erase(0, all.kept.size() - all.in.size());
    } else {
        all.kept.assign(all.in);
    }
    all.in = all.kept;  // because append() may throw
    all.kept.append(text_of(received));
    all.in = all.kept;
}

poll_result<result<std::size_t>> message_stream::poll_fill(context& cx) { return poll_fill_from(stream_, cx); }

poll_result<result<std::size_t>> message_stream::poll_fill_idle(context& cx) {
    return poll_fill_from(stream_.inner(), cx);
}

poll_result<result<std::size_t>> message_stream::poll_body(context& cx, body_decoder& decoder,
                                                           std::span<std::byte> into) {
    for (;;) {
        if (decoder.is_finished() || into.empty()) return eddy::ok(std::size_t{0});
        const auto step = decoder.next(in(), into.size());
        if (!step) return failed(make_error_code(step.error()));
        if (const auto data = step->data; !data.empty()) {
            std::memcpy(into.data(), data.data(), data.size());
            consume(step->consumed);
            return eddy::ok(data.size());
        }
        consume(step->consumed);
        if (decoder.is_finished()) continue;
        auto count = poll_fill(cx);
        if (!count || !*count) return count;
        if (**count == 0 && !decoder.end_of_stream()) return failed(make_error_code(http::errc::body_too_short));
    }
}

task<result<void>> message_stream::flush() {
    co_return co_await poll_fn([this](context& cx) { return poll_flush(cx); });
}

task<result<std::size_t>> message_stream::fill() {
    co_return co_await poll_fn([this](context& cx) { return poll_fill(cx); });
}

poll_result<result<std::size_t>> message_stream::poll_piece(context& cx, http::body& from, std::span<std::byte> into,
                                                            received_body* incoming) {
    if (incoming != nullptr) incoming->set_connection(cx.waker());
    auto count = from.poll_read(cx, into);  // without the lock: `from` may be the incoming body
    if (count) {
        if (!*count) body_failure_ = count->error();
        return count;
    }
    // Sends the collected bytes while the reader waits.
    const auto flushed = poll_flush_locked(cx, incoming);
    if (flushed && !*flushed) return failed(flushed->error());
    if (!watches_peer_) return not_ready;
    const bool is_gone = poll_peer_gone(cx, incoming) || (has_ended_ && from.ends_with_peer());
    if (is_gone) return failed(make_error_code(errc::unexpected_eof));
    return not_ready;
}

bool message_stream::poll_peer_gone(context& cx, received_body* incoming) {
    waker to_wake;
    bool is_gone = false;
    bool looks_again = false;
    {
        const auto guard = lock_incoming(incoming);
        const bool is_read =
            incoming != nullptr && !incoming->reader.is_noop() && !incoming->decoder.is_finished() && !is_broken();
        if (is_read && poll_for_reader(cx, *incoming)) to_wake = std::exchange(incoming->reader, waker());
        // A reader that still waits has registered this task by poll_for_reader().
        const bool has_ended = (!is_read || !to_wake.is_noop()) && poll_ahead(cx, incoming);
        looks_again = has_ended && is_read && !is_broken();
        is_gone = has_ended && !looks_again && (is_broken() || !may_half_close_);
    }
    std::move(to_wake).wake();  // without the lock
    // The reader comes first: it gets the error. It may have been dropped, so this task looks again.
    if (looks_again) cx.waker().wake_by_ref();
    return is_gone;
}

bool message_stream::poll_for_reader(context& cx, received_body& body) {
    const auto received = poll_fill(cx);
    if (received) {
        body.timer.end_wait();
        if (!*received) body.failure = received->error();
    } else {
        if (!body.timer.poll_late(cx, body.decoder.is_in_trailers())) return false;
        body.failure = make_error_code(errc::timed_out);
    }
    return true;
}

bool message_stream::poll_ahead(context& cx, received_body* incoming) {
    while (!has_ended_ && !is_broken()) {
        if (in().size() >= most_unsent) {
            if (incoming != nullptr) incoming->wants_room = true;
            return false;
        }
        const auto received = poll_fill_idle(cx);
        if (!received) return false;
        has_ended_ = *received && **received == 0;
    }
    return true;
}

task<result<void>> message_stream::send_bytes(std::span<const std::byte> content) {
    if (content.size() < most_unsent) {
        out().append(text_of(content));
        co_return co_await flush();
    }
    const auto flushed = co_await flush();
    if (!flushed) co_return flushed;
    while (!content.empty()) {
        const auto count = co_await poll_fn([&](context& cx) { return stream_.poll_write(cx, content); });
        if (!count) co_return std::unexpected(count.error());
        if (*count == 0) co_return std::unexpected(make_error_code(errc::write_zero));
        needs_flush_ = true;
        content = content.subspan(*count);
    }
    co_return co_await flush();
}

task<result<void>> message_stream::send_body(http::body& from, body_framing framing, received_body* incoming) {
    using kind = body_framing::kind;
    if (framing.is == kind::none) co_return co_await flush();
    if (const auto* const content = from.in_memory(); content != nullptr && framing.is == kind::length) {
        co_return co_await send_bytes(content->chunk());
    }
    const auto scratch = std::make_unique_for_overwrite<std::byte[]>(read_size);
    const std::span piece(scratch.get(), read_size);
    for (;;) {
        auto next = poll_fn([&](context& cx) { return poll_piece(cx, from, piece, incoming); });
        const auto count = co_await next;
        if (!count) co_return std::unexpected(count.error());
        if (*count == 0) break;
        if (!append_piece(piece.first(*count), framing, incoming)) continue;
        const auto flushed = co_await poll_fn([&](context& cx) { return poll_flush_locked(cx, incoming); });
        if (!flushed) co_return flushed;
    }
    if (framing.is == kind::chunked) {
        const auto trailers = trailers_to_send(from);  // without the lock, as in poll_piece()
        const auto guard = lock_incoming(incoming);
        append_last_chunk(out(), trailers);
    }
    co_return co_await poll_fn([&](context& cx) { return poll_flush_locked(cx, incoming); });
}

bool message_stream::append_piece(std::span<const std::byte> piece, body_framing framing, received_body* incoming) {
    const auto guard = lock_incoming(incoming);
    if (framing.is == body_framing::kind::chunked) {
        append_chunk(out(), piece);
    } else {
        out().append(text_of(piece));
    }
    return out().size() >= most_unsent;
}

poll_result<result<void>> message_stream::poll_flush_locked(context& cx, received_body* incoming) {
    if (incoming != nullptr) incoming->set_connection(cx.waker());
    waker to_wake;
    poll_result<result<void>> flushed = not_ready;
    {
        const auto guard = lock_incoming(incoming);
        flushed = poll_flush(cx);
        const bool is_read = incoming != nullptr && !incoming->reader.is_noop() && !incoming->decoder.is_finished();
        if (!flushed && is_read && poll_for_reader(cx, *incoming)) to_wake = std::exchange(incoming->reader, waker());
    }
    std::move(to_wake).wake();  // without the lock
    return flushed;
}

task<result<void>> message_stream::discard_body(body_decoder& decoder, std::size_t limit) {
    const auto scratch = std::make_unique_for_overwrite<std::byte[]>(read_size);
    for (std::size_t all = 0; !decoder.is_finished();) {
        auto next = poll_fn([&](context& cx) { return poll_body(cx, decoder, std::span(scratch.get(), read_size)); });
        const auto count = co_await next;
        if (!count) co_return std::unexpected(count.error());
        all += *count;
        if (all > limit) co_return std::unexpected(make_error_code(http::errc::body_too_large));
    }
    co_return ok();
}

bool message_stream::poll_discard(context& cx, std::size_t& discarded) {
    for (;;) {
        discarded += in().size();
        if (discarded > input_discarder::most) return true;
        consume(in().size());
        const auto count = poll_fill_idle(cx);
        if (!count) return false;
        if (!*count || **count == 0) return true;
    }
}

task<void> message_stream::close_gracefully(std::chrono::nanoseconds limit) {
    bool has_ended = false;
    std::size_t discarded = 0;
    auto sending = poll_fn([&](context& cx) -> poll_result<result<void>> {
        // Receives and sends at the same time, because the peer may not read before it has sent everything.
        has_ended = has_ended || poll_discard(cx, discarded);
        auto flushed = poll_flush(cx);
        if (!flushed || !*flushed) return flushed;
        return stream_.poll_shutdown(cx);
    });
    const auto sent = co_await sending;
    if (!sent || has_ended) co_return;
    auto rest = poll_fn([&](context& cx) {
        return poll_discard(cx, discarded) ? poll_result<void>::ready() : poll_result<void>(not_ready);
    });
    auto waiting = time::timeout(limit, std::move(rest));
    static_cast<void>(co_await waiting);
}

io::boxed_stream message_stream::release() {
    std::string received(in());
    auto below = std::move(stream_).into_inner().into_box();
    if (received.empty()) return below;
    return prefixed_stream(std::move(received), std::move(below));
}

task<void> message_stream::close() {
    const auto flushed = co_await flush();
    if (!flushed) co_return;
    static_cast<void>(co_await poll_fn([this](context& cx) { return stream_.poll_shutdown(cx); }));
}

void message_stream::end_writing(context& cx) noexcept try {
    const auto flushed = poll_flush(cx);
    if (!flushed || !*flushed || stream_.inner().ends_by_destructor()) return;
    static_cast<void>(stream_.poll_shutdown(cx));
} catch (...) {  // NOLINT(bugprone-empty-catch): there is no memory, so the connection ends without close_notify
}

}  // namespace eddy::detail
