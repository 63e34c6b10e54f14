// SPDX-License-Identifier: MIT
#include "h2/session.hpp"

#include <cstddef>
#include <cstdint>
#include <limits>
#include <new>
#include <vector>

#include <eddy/error.hpp>

namespace eddy::detail {

namespace {

constexpr int too_many_continuations = -905;  // NGHTTP2_ERR_TOO_MANY_CONTINUATIONS, which older versions do not have

/// Removes the limits of newer versions of nghttp2 that http2_client_frames has instead. Templates, because older
/// versions do not declare the functions.
template <class Options>
void remove_limits(Options* of) {
    constexpr std::uint64_t unlimited = std::numeric_limits<std::uint32_t>::max();
    if constexpr (requires { nghttp2_option_set_stream_reset_rate_limit(of, unlimited, unlimited); })
        nghttp2_option_set_stream_reset_rate_limit(of, unlimited, unlimited);
    if constexpr (requires { nghttp2_option_set_max_continuations(of, std::size_t{unlimited}); })
        nghttp2_option_set_max_continuations(of, std::size_t{unlimited});
}

}  // namespace

http2_settings::http2_settings() {
    if (nghttp2_session_callbacks_new(&callbacks) != 0) throw std::bad_alloc();
    if (nghttp2_option_new(&options) != 0) {
        nghttp2_session_callbacks_del(callbacks);
        throw std::bad_alloc();
    }
    // The flow-control windows grow only by the bytes that were read from the bodies.
    nghttp2_option_set_no_auto_window_update(options, 1);
    // Closed streams are not kept for the tree of priorities.
    nghttp2_option_set_no_closed_streams(options, 1);
}

void http2_settings::use_own_limits() { remove_limits(options); }

http2_settings::~http2_settings() {
    nghttp2_option_del(options);
    nghttp2_session_callbacks_del(callbacks);
}

http2_session::http2_session(message_stream&& stream, role what, const http2_settings& settings, void* self)
    : role_(what), stream_(std::move(stream)) {
    nghttp2_session* made = nullptr;
    const auto create = what == role::server ? &nghttp2_session_server_new2 : &nghttp2_session_client_new2;
    if (create(&made, settings.callbacks, self, settings.options) != 0) throw std::bad_alloc();
    session_.reset(made);
}

bool http2_session::give(std::span<const std::byte> bytes) {
    // SAFETY: bytes may be read as integers of 8 bits.
    const auto* const data = reinterpret_cast<const std::uint8_t*>(bytes.data());
    const auto used = nghttp2_session_mem_recv(session_.get(), data, bytes.size());
    if (in_callback_) std::rethrow_exception(std::exchange(in_callback_, nullptr));
    if (used == NGHTTP2_ERR_NOMEM) throw std::bad_alloc();
    if (used >= 0) return true;
    const bool is_flood = used == NGHTTP2_ERR_FLOODED || used == too_many_continuations;
    terminate(is_flood ? NGHTTP2_ENHANCE_YOUR_CALM : NGHTTP2_PROTOCOL_ERROR);
    return false;
}

void http2_session::collect() {
    while (!has_lost_output_ && stream_.collected() < most_frames) {
        const std::uint8_t* data = nullptr;
        const auto count = nghttp2_session_mem_send(session_.get(), &data);
        if (in_callback_) std::rethrow_exception(std::exchange(in_callback_, nullptr));
        if (count == NGHTTP2_ERR_NOMEM) throw std::bad_alloc();
        if (count < 0) is_broken_ = true;
        if (count <= 0) return;
        stream_.out().append(text_of(data, static_cast<std::size_t>(count)));
    }
}

bool http2_session::send(context& cx) {
    if (is_broken_ || has_lost_output_ || !stream_.has_unsent()) return false;
    const auto flushed = stream_.poll_flush(cx);
    if (!flushed) return false;
    if (!*flushed) output_failed(flushed->error());
    return !is_broken_ && (skips_read_ || nghttp2_session_want_write(session_.get()) != 0);
}

void http2_session::output_failed(std::error_code why) noexcept {
    broken_by_ = why;
    has_lost_output_ = true;
    stream_.discard_unsent();
    if (role_ == role::server || why == errc::timed_out) is_broken_ = true;
}

bool http2_session::is_over() const noexcept {
    return nghttp2_session_want_read(session_.get()) == 0 && nghttp2_session_want_write(session_.get()) == 0 &&
           !stream_.has_unsent();
}

}  // namespace eddy::detail
