// SPDX-License-Identifier: MIT
#include "h1/message_stream.hpp"

#include <algorithm>
#include <array>
#include <new>
#include <utility>

#include <eddy/detail/free_memory.hpp>
#include <eddy/io/detail/graceful_end.hpp>
#include <eddy/time/clock.hpp>

namespace eddy::detail {
namespace {

constexpr std::size_t most_spare = 16 * 1024;  // larger buffers are freed

/// A connection, and bytes that were received from it already.
class prefixed_stream {
public:
    prefixed_stream(std::string&& prefix, io::boxed_stream&& below)
        : prefix_(std::move(prefix)), below_(std::move(below)) {}

    poll_result<result<std::size_t>> poll_read(context& cx, std::span<std::byte> into) {
        if (prefix_.empty() || into.empty()) return below_.poll_read(cx, into);
        const auto from = std::as_bytes(std::span(prefix_)).subspan(begin_);
        const auto count = std::min(from.size(), into.size());
        std::memcpy(into.data(), from.data(), count);
        begin_ += count;
        if (begin_ == prefix_.size()) free_memory(prefix_);
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

// ---- Buffers ----

thread_local std::unique_ptr<message_buffers::pair> message_buffers::spare;

void message_buffers::take_buffers() { made_ = spare ? std::move(spare) : std::make_unique<pair>(); }

void message_buffers::release_buffers() noexcept {
    if (!made_ || !made_->unread().empty() || !made_->out.empty()) return;
    if (std::max(made_->in.capacity(), made_->out.capacity()) > most_spare) return made_.reset();
    spare = std::move(made_);
}

void message_buffers::append(std::string_view received) {
    auto& [in, consumed, out, sent] = made();
    in.erase(0, std::exchange(consumed, 0));
    in.append(received);
}

// ---- Transfers ----

message_stream::message_stream(http_transport&& below, std::chrono::nanoseconds limit)
    : stream_(io::idle_timeout(std::move(below), limit)) {}

void message_stream::discard_unsent() noexcept {
    if (const auto left = unsent(); !left.empty()) has_sent(left.size());
    needs_flush_ = false;
}

template <class S>
poll_result<result<std::size_t>> message_stream::poll_fill_from(S& stream, context& cx) {
    // Reads into the stack and not into a buffer of the connection, so that a waiting connection owns no large buffer.
    std::array<std::byte, read_size> scratch;  // NOLINT(cppcoreguidelines-pro-type-member-init): written by the read
    // An error is reported once by the system, but it may have been received ahead: see poll_ahead().
    if (receive_failure_) return result<std::size_t>(std::unexpect, receive_failure_);
    const auto count = stream.poll_read(cx, scratch);
    if (!count) return not_ready;
    if (!*count) {
        if (count->error() != errc::timed_out) receive_failure_ = count->error();
        return result<std::size_t>(std::unexpect, count->error());
    }
    try {
        // SAFETY: bytes may be read as char.
        keep({reinterpret_cast<const char*>(scratch.data()), **count});
    } catch (...) {
        receive_failure_ = error_of_exception();  // the bytes are lost
        throw;
    }
    return eddy::ok(**count);  // a copy of `count` would stall (see eddy/future/detail/by_parts.hpp)
}

// The two kinds of reads that the header uses.
template poll_result<result<std::size_t>> message_stream::poll_fill_from(io::idle_stream<http_transport>&, context&);
template poll_result<result<std::size_t>> message_stream::poll_fill_from(http_transport&, context&);

bool message_stream::poll_ahead(context& cx, std::size_t most) {
    while (!has_ended_ && !is_broken()) {
        if (in().size() >= most) return true;
        const auto received = poll_fill_idle(cx);
        if (!received) return false;
        has_ended_ = *received && **received == 0;
    }
    return false;
}

poll_result<result<std::size_t>> message_stream::poll_send_file(context& cx, fs::detail::file_sender& file) {
    const auto count = file.poll_send(cx, socket_access::get(*stream_.inner().tcp()));
    if (!count && file.is_reading()) return not_ready;  // the time of the disk does not count as time of the connection
    if (count && *count) needs_flush_ = true;
    poll_result<result<std::size_t>> answer = not_ready;
    if (count) answer = *count ? result<std::size_t>(**count) : result<std::size_t>(std::unexpect, count->error());
    return stream_.limit_write(cx, std::move(answer));
}

poll_result<result<void>> message_stream::poll_unsent(context& cx) {
    for (auto left = unsent(); !left.empty(); left = unsent()) {
        const auto count = stream_.poll_write(cx, std::as_bytes(std::span(left)));
        if (!count) return not_ready;
        if (!*count) return result<void>(std::unexpect, count->error());
        if (**count == 0) return result<void>(std::unexpect, make_error_code(errc::write_zero));
        has_sent(**count);
        sent_ += **count;
        needs_flush_ = true;
    }
    const auto flushed = stream_.poll_flush(cx);
    if (!flushed) return not_ready;
    needs_flush_ = false;
    if (!*flushed) return result<void>(std::unexpect, flushed->error());
    return eddy::ok();  // a copy of `flushed` would stall, as in poll_fill_from()
}

// ---- The end ----

void message_stream::end_writing(context& cx) noexcept try {
    const auto flushed = poll_flush(cx);
    if (!flushed || !*flushed || stream_.inner().ends_by_destructor()) return;
    static_cast<void>(stream_.poll_shutdown(cx));
} catch (...) {  // NOLINT(bugprone-empty-catch): there is no memory, so the connection ends without close_notify
}

io::boxed_stream message_stream::release() {
    std::string received(in());
    consume(received.size());
    release_buffers();  // this object may live as long as the other protocol
    auto below = std::move(stream_).into_inner().into_box();
    if (received.empty()) return below;
    return prefixed_stream(std::move(received), std::move(below));
}

poll_result<void> connection_end::poll(context& cx) {
    if (!timer_) {
        // Receives and sends at the same time, because the peer may not read before it has sent everything.
        has_ended_ = has_ended_ || !limit_ || poll_discard(cx);
        const auto ended = poll_end(cx);
        if (!ended) return not_ready;
        if (!*ended || has_ended_) return poll_result<void>::ready();
        timer_.reset(pool_new<time::sleep_future>(time::deadline_after(*limit_)));
    }
    if (poll_discard(cx)) return poll_result<void>::ready();
    context own(cx.waker());  // a peer that sends without a pause uses up the coop budget in each poll
    return timer_->poll(own);
}

poll_result<result<void>> connection_end::poll_end(context& cx) {
    auto flushed = of_->poll_flush(cx);
    if (!flushed || !*flushed) return flushed;
    return of_->poll_shutdown(cx);
}

bool connection_end::poll_discard(context& cx) {
    for (;;) {
        discarded_ += of_->in().size();
        if (discarded_ > input_discarder::most) return true;
        of_->consume(of_->in().size());
        const auto count = of_->poll_fill_idle(cx);
        if (!count) return false;
        if (!*count || **count == 0) return true;
    }
}

}  // namespace eddy::detail
