// SPDX-License-Identifier: MIT
#include "server/server_exchange.hpp"

#include <exception>
#include <string>
#include <utility>

#include <eddy/time/clock.hpp>

#include "message/syntax.hpp"

namespace eddy::detail {
namespace {

using http::status;

constexpr auto close_limit = std::chrono::seconds(2);

/// The start of the preface of HTTP/2 (RFC 9113, section 3.4). nghttp2 checks the rest.
constexpr std::string_view http2_preface = "PRI * HTTP/2.0\r\n\r\n";

/// Returns a probable reason why the bytes of a client are not a request; empty if none is known. A proxy may announce
/// the address of its client by a header of the PROXY protocol, in two versions.
std::string_view note_about(std::string_view received) noexcept {
    constexpr std::string_view text = "PROXY ", binary("\r\n\r\n\0\r\nQUIT\n", 12);
    if (!received.starts_with(text) && !received.starts_with(binary)) return {};
    return "this looks like a PROXY header: serve a net::proxy_listener, or turn the header off in the proxy";
}

/// Returns the list in the fields Upgrade.
std::string upgrades_of(const http::headers& fields) {
    std::string list;
    for (const auto& [name, value] : fields)
        if (http::equal_names(name, "Upgrade")) list.append(list.empty() ? "" : ",").append(value);
    return list;
}

bool is_short(const http::body& of) noexcept {
    return of.in_memory() != nullptr && of.in_memory()->size() < message_stream::most_unsent;
}

}  // namespace

bool http1_link::poll_late(context& cx, std::chrono::nanoseconds limit) {
    if (!timer) timer.reset(pool_new<time::sleep_future>(time::deadline_after(limit)));
    context own(cx.waker());  // a client that sends without a pause uses up the coop budget in each poll
    return timer->poll(own).is_ready();
}

poll_result<bool> http1_link::poll_more(context& cx) {
    const auto flushed = stream.poll_flush(cx);
    if (!flushed) return not_ready;
    if (!*flushed) return false;
    const auto count = stream.poll_fill_idle(cx);
    if (!count) return not_ready;
    return *count && **count != 0;
}

// ---- The exchange ----

poll_result<void> server_exchange::poll(context& cx) {
    for (bool moves = true; moves;) {
        switch (at_) {
        case phase::head: moves = poll_head(cx); break;
        case phase::answering: moves = poll_answering(cx); break;
        case phase::cancelling: moves = poll_cancelling(cx); break;
        case phase::sending: moves = poll_sending(cx); break;
        case phase::discarding: moves = poll_discarding(cx); break;
        case phase::closing: moves = end_->poll(cx) && enter(phase::over); break;
        case phase::kept:
        case phase::switched:
        case phase::over: return poll_result<void>::ready();
        }
    }
    return not_ready;
}

poll_result<void> server_exchange::poll_cancel(context& cx) {
    if (at_ != phase::answering && at_ != phase::cancelling) return poll_result<void>::ready();
    input_.detach();  // another task may wait for the body, and the service for that task
    if (!call_.poll_cancel(cx)) return not_ready;
    if (const auto thrown = std::exchange(call_.thrown, nullptr)) std::rethrow_exception(thrown);
    return poll_result<void>::ready();
}

result<void> server_exchange::outcome() const {
    if (call_.thrown) std::rethrow_exception(call_.thrown);
    if (failure_) return std::unexpected(failure_);
    return ok();
}

bool server_exchange::enter(phase next) noexcept {
    at_ = next;
    return true;
}

// ---- head ----

void server_exchange::receive(std::string_view& input) {
    using enum http1_link::preface;
    if (on_->http2 == possible) {
        if (input.starts_with(http2_preface)) {
            on_->http2 = found;
        } else if (!http2_preface.starts_with(input)) {
            on_->http2 = excluded;
        }
        if (on_->http2 != excluded) return;
    }
    found_ = engine_.receive(input);
}

bool server_exchange::poll_head(context& cx) {
    while (found_ == event::incomplete) {
        if (on_->http2 == http1_link::preface::found) return enter(phase::over);
        const auto more = on_->poll_more(cx);
        if (!more) return on_->poll_late(cx, options().header_timeout()) && refuse(status::request_timeout);
        if (!*more) return enter(phase::over);
        auto input = on_->stream.in();
        receive(input);
        on_->stream.consume_until(input);
    }
    return found_ == event::head ? begin(cx) : refuse(engine_.refusal());
}

/// Answers with an error status.
bool server_exchange::refuse(status why) {
    auto line = on_->stream.in();  // it may be malformed or incomplete
    if (line.starts_with("\r\n")) line.remove_prefix(2);
    line = line.substr(0, line.find_first_of("\r\n"));
    auto method = line.contains(' ') ? take_part(line, ' ') : std::string_view();
    if (!is_token(method)) method = line = {};
    const auto note = note_about(on_->stream.in());
    note_refusal(on_->accepted, why, method, take_part(line, ' '), note);
    engine_.write_refusal(on_->stream.out(), why, note);
    return close(true);
}

/// Calls the service.
bool server_exchange::begin(context& cx) {
    on_->timer.reset();
    auto& asked = engine_.request();
    is_last_ = !engine_.keeps_alive();
    if (++on_->requests == options().max_requests()) engine_.close();
    call_.name.set(asked.method, asked.target);
    call_.counted.begin(server_access::counters(options()).get());
    try {
        if (engine_.asks_for_upgrade()) call_.upgrade = upgrades_of(asked.headers);
        if (!engine_.has_received()) input_.add_body();
        call_.start(on_->accepted, std::move(asked));
    } catch (...) {
        call_.fail();
    }
    at_ = phase::answering;
    return poll_answering(cx);
}

// ---- answering, cancelling ----

bool server_exchange::poll_answering(context& cx) {
    input_.set_task(cx);
    if (call_.poll(cx)) return respond();
    try {
        // An error of this flush is not lost: sending the response fails, too.
        static_cast<void>(input_.poll_flush(cx));
        if (is_gone_ || !input_.poll_client_gone(cx)) return false;
    } catch (...) {
        call_.fail();
        return respond();
    }
    is_gone_ = true;
    call_.client->leave();
    if (call_.client->is_watched()) return false;  // the service decides itself how it ends
    return enter(phase::cancelling);
}

bool server_exchange::poll_cancelling(context& cx) {
    if (!call_.poll_cancel(cx)) return false;
    keep_failure({});
    input_.detach();  // first, because another task may read the body
    if (on_->stream.is_broken() || on_->stream.has_unsent()) return enter(phase::over);
    return close(false);
}

/// Keeps `why`, an error of the service or of the response's body, for outcome(). The error of the request's body is
/// not reported, even if the service has passed it on: the client has disconnected, was too slow, or has sent something
/// invalid or too large.
void server_exchange::keep_failure(std::error_code why) {
    if (why && !is_of_client(why, input_.failure())) failure_ = why;
    auto* const state = on_->accepted.state();
    if (state != nullptr && (call_.thrown || failure_)) state->set_failed_work(call_.name.text());
}

// ---- The response ----

bool server_exchange::respond() {
    if (call_.has_failed()) {
        keep_failure(call_.error.value_or(std::error_code()));
        return answer_failure(input_.failure());
    }
    if (!call_.answer().upgrade) return write();
    // The new protocol begins after the request, so the rest of that is discarded.
    input_.detach();
    if (input_.failure() || engine_.has_received()) return switch_protocols(input_.failure());
    // RFC 9110, section 7.8: a client that waits for the response 100 gets it before the response 101.
    engine_.write_continue(on_->stream.out());
    return enter(phase::discarding);
}

/// Replaces the failure of a service by a response, after which the connection is closed.
bool server_exchange::answer_failure(std::error_code of_body) {
    call_.answer_failure(of_body);
    engine_.close();
    return write();
}

/// Writes the head of the response, and its body if that is short and in memory.
bool server_exchange::write() {
    const auto& body = call_.answer().body;
    const auto held = is_short(body) ? 0 : body_access::held_bytes(body);  // a short body is copied
    if (held != 0) call_.hold(on_->accepted, holder_, held);
    auto& answer = call_.answer();
    call_.counted.end(answer.status);
    if (on_->accepted.shuts_down() || is_gone_) engine_.close();
    if (answer.status == status::reset_content) answer.body = http::body();  // it is not sent, and not read either
    {
        const auto guard = input_.begin_response(answer, call_.name.method());
        auto& out = on_->stream.out();
        engine_.write_head(out, answer);
        if (is_short(answer.body)) {
            engine_.write_data(out, answer.body.in_memory()->text());
            engine_.write_end(out);
        }
        if (engine_.sends_body()) sender_.emplace();
    }
    return sender_ ? enter(phase::sending) : finish();
}

bool server_exchange::poll_sending(context& cx) {
    input_.set_task(cx);
    poll_result<result<void>> sent = not_ready;
    try {
        sent = sender_->poll(cx, call_.answer().body, engine_, on_->stream, input_);
        is_reading_body_ = sender_->is_reading();
    } catch (...) {
        call_.thrown = std::current_exception();
        return cut();
    }
    if (!sent) return call_.held.has_memory() && poll_unread(cx);
    if (sender_->failure()) return cut();
    if (!*sent) return enter(phase::over);
    return call_.answer().upgrade ? enter(phase::switched) : finish();
}

/// Closes the connection if the memory of the response was taken for another one, because the client does not read it.
bool server_exchange::poll_unread(context& cx) {
    const auto now = time::clock::now();
    const auto sent = on_->stream.sent();
    if (!is_reading_body_) call_.held.begin_wait(now);
    call_.held.has_sent(sent - std::exchange(sent_before_, sent), !is_reading_body_, now);
    if (!holder_.poll_dropped(cx)) return false;
    input_.detach();
    call_.drop_unread(on_->accepted);
    return enter(phase::over);
}

/// Closes the connection after the reader of a response body has failed. First sends what was collected: responses to
/// earlier requests, and the beginning of this one.
bool server_exchange::cut() {
    keep_failure(sender_->failure());
    input_.detach();
    call_.drop_body();
    // Such a body ends when the connection closes, so a clean close would make it look complete.
    return engine_.sends_until_end() ? enter(phase::over) : close(true);
}

/// Decides how the connection continues after a response.
bool server_exchange::finish() {
    call_.is_answered = true;
    input_.detach();
    const bool was_read = engine_.has_received();
    const bool keeps_alive = engine_.keeps_alive() && !input_.failure();
    if (keeps_alive && was_read) return enter(phase::kept);
    call_.drop_body();
    return keeps_alive ? enter(phase::discarding) : close(!is_last_ || !was_read || !on_->stream.in().empty());
}

// ---- discarding, closing ----

/// Receives the part of a body that the service has not read, for a limited time.
bool server_exchange::poll_discarding(context& cx) {
    const auto flushed = on_->stream.poll_flush(cx);
    if (!flushed) return false;
    std::error_code failure = *flushed ? std::error_code() : flushed->error();
    if (!failure) {
        const auto discarded = input_.poll_discard(cx);
        if (!discarded && !on_->poll_late(cx, options().io_timeout())) return false;
        failure = discarded ? *discarded : make_error_code(errc::timed_out);
    }
    on_->timer.reset();
    if (call_.answer().upgrade) return switch_protocols(failure);
    return failure ? close(true) : enter(phase::kept);
}

/// Writes the response 101. With a failure, the rest of the request could not be received: answers with an error.
bool server_exchange::switch_protocols(std::error_code failure) {
    if (failure) return answer_failure(failure);
    auto& answer = call_.answer();
    call_.counted.end(answer.status);
    call_.is_answered = true;
    engine_.write_switch(on_->stream.out(), answer);
    if (on_->accepted.state() != nullptr) answer.upgrade->asked = call_.name.text();
    sender_.emplace();
    return enter(phase::sending);
}

/// Begins to close the connection. With `lingers`, it has unread bytes, or may get some.
bool server_exchange::close(bool lingers) {
    end_.emplace(on_->stream, lingers ? std::optional<std::chrono::nanoseconds>(close_limit) : std::nullopt);
    return enter(phase::closing);
}

}  // namespace eddy::detail
