// SPDX-License-Identifier: MIT
#include "state.hpp"

#include <algorithm>
#include <array>
#include <mutex>
#include <new>
#include <utility>

#include <eddy/detail/utf8.hpp>
#include <eddy/error.hpp>

namespace eddy::detail {
namespace {

/// The maximum number of bytes that one read receives.
constexpr std::size_t read_size = 16 * 1024;

/// The number of bytes that are compressed or decompressed for one unit of the coop budget.
constexpr std::size_t bytes_per_unit = 1024;

/// A send waits while this many bytes or more are unsent.
constexpr std::size_t most_unsent = 64 * 1024;

result<void> failed(std::error_code error) { return std::unexpected(error); }

std::span<const std::byte> bytes_of(std::string_view text) noexcept { return std::as_bytes(std::span(text)); }

/// A receive buffer whose bytes were all parsed. The next connection of this thread that receives bytes takes it.
thread_local std::string spare;

// SAFETY: bytes may be read as char.
std::string_view text_of(std::span<const std::byte> bytes) noexcept {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

}  // namespace

/// Holds the lock of a connection. Wakes the other tasks after it has released the lock, because that may run
/// user-provided code.
class ws_state::access : immovable {
public:
    explicit access(ws_state& to) : of_(to), guard_(to.lock_) {}
    ~access() {
        const bool wakes = std::exchange(of_.wakes_all_, false);
        const bool has_shared = std::exchange(of_.has_shared_, false);
        guard_.unlock();
        if (has_shared) message_share::wake_holders();
        if (!wakes) return;
        of_.waiters_->wake<direction::read>();
        of_.waiters_->wake<direction::write>();
    }

private:
    ws_state& of_;
    std::unique_lock<mutex> guard_;
};

ws_state::ws_state(io::boxed_stream&& stream, const ws_parameters& with, std::string&& protocol)
    : stream_(std::move(stream)),
      engine_(with),
      waiters_(new io_wait_list),
      message_limit_(with.message_limit),
      ping_interval_(time::round_up(with.ping_interval)),
      close_timeout_(time::round_up(with.close_timeout)),
      protocol_(std::move(protocol)),
      is_compressed_(with.compression.has_value()) {}

ws_state::~ws_state() { waiters_->clear(); }

std::error_code ws_state::returned(std::error_code error) {
    returned_ = error;
    return error;
}

bool ws_state::has_returned(const std::error_code& error) {
    const std::lock_guard guard(lock_);
    if (!error) return false;
    return error == returned_ || error == send_error_ || error == make_error_code(ws::errc::closed) ||
           (engine_.is_over() && error == engine_.reason());
}

std::optional<ws::close_frame> ws_state::peer_close() {
    const std::lock_guard guard(lock_);
    if (!engine_.has_peer_closed()) return std::nullopt;
    return ws::close_frame(engine_.peer_code(), engine_.peer_reason());
}

// ---- Sending ----

poll_result<result<void>> ws_state::poll_send(context& cx, waiting_task waiter) {
    if (send_error_) return failed(send_error_);
    while (engine_.is_compressing()) {
        if (!pay_for_compression(cx)) return not_ready;
        share_compression();
        engine_.compress_step();
    }
    has_shared_ |= send_share_.release();
    while (!engine_.unsent().empty()) {
        io_wait_context<direction::write> below(*waiters_, cx, waiter);
        const auto count = stream_->poll_write(below.get(), bytes_of(engine_.unsent()));
        if (!count) return not_ready;
        if (!*count || **count == 0) {
            send_error_ = *count ? make_error_code(errc::write_zero) : count->error();
            return failed(send_error_);
        }
        needs_flush_ = true;
        engine_.sent(std::min(**count, engine_.unsent().size()));
    }
    if (!needs_flush_) return ok();
    io_wait_context<direction::write> below(*waiters_, cx, waiter);
    auto flushed = stream_->poll_flush(below.get());
    if (!flushed) return not_ready;
    needs_flush_ = false;
    if (!*flushed) send_error_ = flushed->error();
    return flushed;
}

poll_result<result<void>> ws_state::poll_ready(context& cx) {
    const access turn(*this);
    if (is_detached_) return failed(make_error_code(ws::errc::closed));
    if (engine_.is_over()) return failed(returned(engine_.reason()));
    if (engine_.has_closed()) return failed(returned(make_error_code(ws::errc::closed)));
    const auto has_room = [this] { return engine_.unsent().size() < most_unsent && !engine_.is_compressing(); };
    if (has_room() && !send_error_) return ok();
    auto sent = poll_send(cx, waiting_task::writer);
    if (sent && !*sent) return failed(returned(sent->error()));
    if (has_room()) return ok();
    return sent;
}

result<void> ws_state::start_send(const ws::message& item) {
    const access turn(*this);
    // The message would never be sent, and would hold its share.
    if (send_error_ && !engine_.has_closed()) return failed(returned(send_error_));
    const auto error = engine_.send(item);
    share_compression();
    if (!error) return ok();
    if (error != ws::errc::invalid_text || engine_.is_over()) returned_ = error;
    return failed(error);
}

result<void> ws_state::start_ping(std::string_view payload) {
    const access turn(*this);
    const auto error = engine_.ping(payload);
    if (error) return failed(returned(error));
    return ok();
}

poll_result<result<void>> ws_state::poll_flush(context& cx) {
    const access turn(*this);
    if (is_detached_) return failed(make_error_code(ws::errc::closed));
    if (engine_.has_failed()) return failed(returned(engine_.reason()));
    if (!pay_for_compression(cx)) return not_ready;
    auto sent = poll_send(cx, waiting_task::writer);
    if (!sent && poll_late(cx, waiting_task::writer)) return failed(returned(engine_.reason()));
    if (sent && !*sent) returned_ = sent->error();
    return sent;
}

// ---- Receiving ----

ws_state::parse_outcome ws_state::parse(context& cx) {
    for (;;) {
        switch (parse_some()) {
        case ws_engine::event::none: has_shared_ |= receive_share_.release(); return parse_outcome::nothing;
        case ws_engine::event::message: has_shared_ |= receive_share_.release(); return parse_outcome::message;
        case ws_engine::event::paused: break;
        case ws_engine::event::needs_share:
            has_shared_ = true;
            if (!receive_share_.poll_acquire(message_limit_, cx)) return parse_outcome::no_share;
            engine_.permit_step();
            break;
        }
        if (!pay_for_compression(cx)) return parse_outcome::no_budget;
    }
}

ws_engine::event ws_state::parse_some() {
    /// Removes the parsed bytes, even if there was no memory for the others.
    struct rest {
        ws_state& of;
        std::string_view left;

        explicit rest(ws_state& self) : of(self), left(std::string_view(self.received_).substr(self.parsed_)) {}
        rest(const rest&) = delete;
        rest& operator=(const rest&) = delete;
        ~rest() {
            of.parsed_ = of.received_.size() - left.size();
            if (!left.empty() || of.received_.empty()) return;
            of.parsed_ = 0;
            of.received_.clear();
            spare = std::exchange(of.received_, {});  // a connection that waits has no buffer
        }
    };
    rest input(*this);
    const bool was_over = engine_.is_over();
    const auto got = engine_.receive(input.left);
    if (!was_over && engine_.is_over()) wakes_all_ = true;
    return got;
}

// A peer can send 1 MiB in a message of 1 KiB. Without this, a task could process 128 such messages in one poll.
bool ws_state::pay_for_compression(context& cx) noexcept {
    unpaid_ += engine_.take_work();
    while (unpaid_ >= bytes_per_unit) {
        if (!cx.consume_budget()) return false;
        unpaid_ -= bytes_per_unit;
    }
    return true;
}

/// Counts a large message that is being compressed.
void ws_state::share_compression() noexcept {
    if (engine_.compressing() > deflate_step) send_share_.take(engine_.compressing());
}

ws_state::read_outcome ws_state::poll_read(context& cx, waiting_task waiter) {
    if (has_ended_) return read_outcome::over;
    std::array<std::byte, read_size> scratch;  // NOLINT(cppcoreguidelines-pro-type-member-init): written by the read
    io_wait_context<direction::read> below(*waiters_, cx, waiter);
    const auto count = stream_->poll_read(below.get(), scratch);
    if (!count) return read_outcome::pending;
    if (!*count || **count == 0) {
        has_ended_ = true;
        if (*count) {
            engine_.end_of_input();
        } else {
            engine_.fail(count->error());
        }
        wakes_all_ = true;
        return read_outcome::over;
    }
    has_received_ = true;
    awaits_pong_ = false;
    if (engine_.is_over()) return read_outcome::progress;  // discards the bytes
    received_.erase(0, std::exchange(parsed_, 0));
    if (received_.empty() && received_.capacity() < spare.capacity()) received_ = std::exchange(spare, {});
    try {
        received_.append(text_of(std::span(scratch).first(std::min(**count, scratch.size()))));
    } catch (const std::bad_alloc&) {
        fail(std::make_error_code(std::errc::not_enough_memory));  // these bytes are lost
    }
    return read_outcome::progress;
}

bool ws_state::poll_ping(context& cx) {
    if (ping_interval_ <= time::duration::zero()) return false;
    for (;;) {
        if (!ping_timer_) {
            const auto deadline = time::saturating_add(time::clock::now(), ping_interval_);
            ping_timer_.reset(pool_new<time::sleep_future>(deadline));
        }
        if (!ping_timer_->poll(cx)) return false;
        ping_timer_.reset();
        if (awaits_pong_) return true;
        if (!std::exchange(has_received_, false)) {
            awaits_pong_ = true;
            static_cast<void>(engine_.ping(""));  // it fails only after a Close frame
        }
    }
}

poll_result<result<ws::message>> ws_state::poll_receive(context& cx) {
    using outcome = result<ws::message>;
    const access turn(*this);
    if (is_detached_) return outcome(std::unexpect, make_error_code(ws::errc::closed));
    if (!pay_for_compression(cx) || !cx.consume_budget()) return not_ready;
    for (;;) {
        const auto parsed = parse(cx);
        if (parsed == parse_outcome::message) return outcome(engine_.take_message());
        if (parsed == parse_outcome::no_budget) return not_ready;
        // An error of sending is not lost: reading fails, too, once it has returned what the peer had sent before.
        const auto sent = poll_send(cx, waiting_task::reader);
        if (engine_.is_over()) {
            // A Close frame is sent first. A peer that does not read it delays the error only until the close timeout.
            if (!sent && !poll_late(cx, waiting_task::reader)) break;
            return outcome(std::unexpect, returned(engine_.reason()));
        }
        if (poll_late(cx, waiting_task::reader)) continue;
        if (parsed == parse_outcome::no_share) {
            // Nothing is received meanwhile: the end of the connection would drop the message and what follows it.
            waiters_->add(waiting_task::reader, direction::read, cx.waker());
            break;
        }
        const auto read = poll_read(cx, waiting_task::reader);
        if (read != read_outcome::pending) continue;
        const bool had_unsent = !engine_.unsent().empty();
        if (poll_ping(cx)) {
            fail(make_error_code(errc::timed_out));
            continue;
        }
        if (!had_unsent && !engine_.unsent().empty()) continue;  // a ping
        break;
    }
    cx.refund_budget();
    return not_ready;
}

// ---- Closing ----

void ws_state::fail(std::error_code why) noexcept {
    engine_.fail(why);
    needs_flush_ = false;
    wakes_all_ = true;
}

void ws_state::start_close(ws::close_code code, std::string_view reason) {
    const access turn(*this);
    if (engine_.has_closed() || engine_.is_over()) return;
    engine_.close(code, reason);
    wakes_all_ = true;  // a task that receives sends the Close frame, and discards messages from now on
}

void ws_state::poll_close_frame(context& cx) {
    const access turn(*this);
    if (!is_detached_ && !engine_.has_failed()) static_cast<void>(poll_send(cx, waiting_task::session));
}

bool ws_state::poll_late(context& cx, waiting_task waiter) {
    if (!engine_.has_closed()) return false;
    if (!is_late_) {
        if (!close_timer_) {
            const auto deadline = time::saturating_add(time::clock::now(), close_timeout_);
            close_timer_.reset(pool_new<time::sleep_future>(deadline));
        }
        // Wakes all tasks: two of them may wait for the timer, which stores one waker.
        io_wait_context<direction::write> both(*waiters_, cx, waiter);
        // A peer that sends without a pause uses up the coop budget in each poll, so the timer gets a budget of its
        // own.
        context own(both.get().waker());
        if (!close_timer_->poll(own)) return false;
        close_timer_.reset();
        is_late_ = true;
    }
    if (!engine_.is_over()) fail(make_error_code(errc::timed_out));
    return true;
}

poll_result<void> ws_state::poll_end(context& cx) {
    const auto done = poll_result<void>::ready();
    // The server ends the connection (RFC 6455, section 7.1.1). A peer that has violated the protocol may still send.
    // Closing the connection would reset it before it has read the Close frame. So its bytes are discarded until it
    // closes.
    const bool ends_first = engine_.role() == ws_role::server || engine_.has_failed();
    if (ends_first && !has_shut_down_ && !send_error_) {
        io_wait_context<direction::write> below(*waiters_, cx, waiting_task::writer);
        const auto ended = stream_->poll_shutdown(below.get());
        if (!ended) return not_ready;
        has_shut_down_ = true;
    }
    if (engine_.role() == ws_role::server && !engine_.has_failed()) return done;
    for (;;) {
        const auto read = poll_read(cx, waiting_task::writer);
        if (read == read_outcome::over) break;
        if (read == read_outcome::pending) return not_ready;
        if (!cx.consume_budget()) return not_ready;
    }
    if (!ends_first && !send_error_) {
        // A client answers the end of a TLS connection with close_notify, as far as that needs no wait.
        io_wait_context<direction::write> below(*waiters_, cx, waiting_task::writer);
        static_cast<void>(stream_->poll_shutdown(below.get()));
    }
    return done;
}

poll_result<result<void>> ws_state::poll_handshake(context& cx) {
    for (;;) {
        const auto sent = poll_send(cx, waiting_task::writer);
        if (engine_.is_over()) {
            const bool is_done = sent.is_ready() && poll_end(cx).is_ready();
            if (!is_done && !poll_late(cx, waiting_task::writer)) return not_ready;
            close_timer_.reset();
            if (engine_.has_failed()) return failed(returned(engine_.reason()));
            return ok();
        }
        auto parsed = parse(cx);
        for (; parsed == parse_outcome::message; parsed = parse(cx))
            static_cast<void>(engine_.take_message());  // it arrived before close()
        if (parsed != parse_outcome::nothing) return not_ready;
        if (engine_.is_over() || poll_late(cx, waiting_task::writer)) continue;
        if (poll_read(cx, waiting_task::writer) == read_outcome::pending) return not_ready;
    }
}

poll_result<result<void>> ws_state::poll_closed(context& cx) {
    const access turn(*this);
    if (is_detached_) return failed(make_error_code(ws::errc::closed));
    return poll_handshake(cx);
}

void ws_state::end_handler(ws::close_code code) {
    const access turn(*this);
    is_detached_ = true;  // first, because close() may throw
    wakes_all_ = true;
    if (!engine_.has_closed()) engine_.close(code, "");
}

poll_result<void> ws_state::poll_session_end(context& cx) {
    std::optional<io::boxed_stream> ended;  // destroyed after the lock is released
    const access turn(*this);
    if (!poll_handshake(cx)) return not_ready;
    ended.swap(stream_);
    return poll_result<void>::ready();
}

ws_parameters parameters_of(const ws::options& from, ws_role role) {
    ws_parameters made;
    made.role = role;
    made.message_limit = from.message_limit();
    made.overhead_limit = from.overhead_limit();
    made.close_timeout = from.close_timeout();
    made.ping_interval = from.ping_interval();
    return made;
}

// ---- The shares ----

void ws_share::throw_moved_from(const std::source_location& where) {
    throw misuse("this WebSocket was moved from, or split: use the object that it was moved to, or its two halves",
                 where);
}

poll_result<result<ws::message>> ws_share::poll_receive(context& cx) const { return get(cx.where())->poll_receive(cx); }
poll_result<result<void>> ws_share::poll_ready(context& cx) const { return get(cx.where())->poll_ready(cx); }
result<void> ws_share::start_send(const ws::message& item, const std::source_location& where) const {
    return get(where)->start_send(item);
}
result<void> ws_share::start_ping(std::string_view payload, const std::source_location& where) const {
    return get(where)->start_ping(payload);
}
poll_result<result<void>> ws_share::poll_flush(context& cx) const { return get(cx.where())->poll_flush(cx); }
void ws_share::start_close(ws::close_code code, std::string_view reason, const std::source_location& where) const {
    get(where)->start_close(code, reason);
}
poll_result<result<void>> ws_share::poll_closed(context& cx) const { return get(cx.where())->poll_closed(cx); }
std::optional<ws::close_frame> ws_share::peer_close(const std::source_location& where) const {
    return get(where)->peer_close();
}
std::string_view ws_share::protocol(const std::source_location& where) const { return get(where)->protocol(); }
bool ws_share::is_compressed(const std::source_location& where) const { return get(where)->is_compressed(); }

void check_close(ws::close_code code, std::string_view reason, const std::source_location& where) {
    if (!is_valid_close_code(static_cast<std::uint16_t>(code)))
        throw misuse("a Close frame cannot have this code: use one of ws::close_code, or one from 3000 to 4999", where);
    if (reason.size() > 123) throw misuse("the reason of a Close frame has at most 123 bytes", where);
    if (!is_utf8(reason)) throw misuse("the reason of a Close frame must be UTF-8", where);
}

void check_ping(std::string_view payload, const std::source_location& where) {
    if (payload.size() > 125) throw misuse("the payload of a ping has at most 125 bytes", where);
}

}  // namespace eddy::detail
