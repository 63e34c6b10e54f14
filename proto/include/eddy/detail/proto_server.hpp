// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/detail/false_warnings.hpp>
#include <eddy/detail/proto_connection.hpp>
#include <eddy/error.hpp>
#include <eddy/future/detail/broken_future.hpp>
#include <eddy/future/detail/holds_closure.hpp>
#include <eddy/future/detail/owned.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/future_ops.hpp>
#include <eddy/future/try.hpp>
#include <eddy/proto/message.hpp>
#include <eddy/proto/service.hpp>
#include <eddy/result.hpp>
#include <eddy/stream/futures_ordered.hpp>
#include <eddy/stream/futures_unordered.hpp>
#include <eddy/sync/cancellation_token.hpp>

// The server side of a connection: see eddy/proto/server.hpp.

EDDY_BEGIN_FALSE_UNINITIALIZED
namespace eddy::detail {

/// A call with the number of its request. `end` is null if the client cannot cancel the call.
template <class F>
class numbered_call {
public:
    using output_type = proto::numbered<output_t<F>>;

    numbered_call(std::uint64_t id, F&& call, std::shared_ptr<call_end> end)
        : id_(id), call_(std::move(call)), end_(std::move(end)) {}

    poll_result<output_type> poll(context& cx) {
        if (end_ && end_->poll(cx))
            return poll_result<output_type>(std::in_place, id_, std::unexpected(make_error_code(errc::task_cancelled)));
        auto answer = call_.poll(cx);
        if (!answer.is_ready()) return not_ready;
        return poll_result<output_type>(std::in_place, id_, *std::move(answer));
    }
    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<F>
    {
        return call_.poll_cancel(cx);
    }

private:
    std::uint64_t id_;
    F call_;
    std::shared_ptr<call_end> end_;
};

/// How a connection is stored: by value, or by reference if std::ref was passed.
template <class F>
struct held_connection : std::type_identity<F> {};
template <class F>
struct held_connection<std::reference_wrapper<F>> : std::type_identity<F&> {};

/// Prints a line at the first error of a service that ends its connection. For programs with EDDY_CHECKS.
inline void note_failed_service(const std::error_code& why) {
    static std::atomic<bool> was_printed{false};
    if (was_printed.exchange(true, std::memory_order_relaxed)) return;  // nothing is read through it
    std::fprintf(stderr,
                 "eddy: an error of a service (%s) has ended its connection, because pipelined() and multiplexed() "
                 "cannot send it: turn errors into responses with proto::recover()\n",
                 why.message().c_str());
}

/// The future of pipelined() and multiplexed(). With `Checks`, it explains an error of the service.
/// Cancel safety: see pipelined().
template <class Io, class S, bool Numbered, bool Checks>
class [[nodiscard("a connection is not served until the future is awaited")]] served_calls
    : public future_ops<served_calls<Io, S, Numbered, Checks>> {
    using call = decltype(start_call_with<std::error_code>(
        std::declval<const S&>(), std::declval<proto::request_t<S>&&>(), proto::when_full::wait));
    using response = proto::response_t<S>;
    using call_set = std::conditional_t<Numbered, futures_unordered<numbered_call<call>>, futures_ordered<call>>;
    using connection = message_connection<typename held_connection<Io>::type, response, Numbered, proto_side::server>;
    using sent_type = typename connection::sent;

public:
    using output_type = result<void>;

    template <class F, class G>
    served_calls(F&& io, G&& service, std::size_t limit, const std::optional<sync::cancellation_token>& shutdown)
        : io_(connection::make(std::forward<F>(io), limit)), service_(std::forward<G>(service)), limit_(limit) {
        if (shutdown) told_.emplace(shutdown->cancelled_owned());
    }

    poll_result<output_type> poll(context& cx) {
        if (has_ended_) throw_has_ended("the future of a served connection", cx.where());
        return poll_then_end([&] { return advance(cx); },
                             [&] {
                                 has_ended_ = true;
                                 calls_.clear();
                                 answers_.clear();
                             });
    }

    poll_result<void> poll_cancel(context& cx)
        requires cancellable_future<call>
    {
        drive_bodies(io_, cx);  // a call may wait for its body
        return calls_.poll_cancel(cx);
    }

private:
    poll_result<output_type> advance(context& cx) {
        if (told_ && told_->poll(cx).is_ready()) shut_down();
        drive_bodies(io_, cx);
        for (;;) {
            const bool is_full = !take_requests(cx);
            take_answers(cx);
            const auto count = send_answers(cx);
            if (!count) return output_type(std::unexpect, count.error());
            if (!is_full || *count == 0) break;  // all requests were read, or there is no capacity for more
        }
        if (reading_ || !calls_.is_empty() || !answers_.empty()) {
            if (!unflushed_) return not_ready;
            auto flushed = io_.poll_flush(cx);
            if (!flushed.is_ready()) return not_ready;
            if (!*flushed) return output_type(std::unexpect, convert_error<std::error_code>(flushed->error()));
            unflushed_ = false;
            return not_ready;
        }
        auto closed = io_.poll_close(cx);
        if (!closed.is_ready()) return not_ready;
        if (failure_) return output_type(std::unexpect, failure_);
        if (!*closed) return output_type(std::unexpect, convert_error<std::error_code>(closed->error()));
        return output_type();
    }

    /// Reads requests and begins their calls. Returns false if it stopped because of the limit of calls, true
    /// otherwise.
    bool take_requests(context& cx) {
        while (reading_) {
            if (calls_.size() + answers_.size() >= limit_) return false;
            auto item = io_.poll_next(cx);
            if (!item.is_ready()) return true;
            if (!*item) {
                stop_reading();
            } else if (!**item) {
                failure_ = convert_error<std::error_code>((**item).error());
                stop_reading();
            } else {
                begin(***std::move(item));
            }
        }
        return true;
    }

    template <class Item>
    void begin(Item&& item) {
        if constexpr (Numbered) {
            proto::request_t<S> request(std::move(item.body));
            std::shared_ptr<call_end> end;
            if constexpr (connection::is_streamed) end = io_.end_of(item.id);
            calls_.push(numbered_call<call>(item.id, start(std::move(request)), std::move(end)));
        } else {
            proto::request_t<S> request(std::forward<Item>(item));
            calls_.push(start(std::move(request)));
        }
    }
    call start(proto::request_t<S>&& request) const {
        return start_call_with<std::error_code>(service_, std::move(request), proto::when_full::wait);
    }

    /// Polls the calls and collects their answers, even if no answer can be sent: a call may hold a permit for which
    /// other connections wait.
    void take_answers(context& cx) {
        while (!calls_.is_empty()) {
            auto ended = calls_.poll_next(cx);
            if (!ended.is_ready()) return;
            if constexpr (connection::is_streamed) {  // errors are sent, too
                answers_.push_back(**std::move(ended));
            } else {
                keep_answer(**ended);
            }
        }
    }
    template <class Ended>
    void keep_answer(Ended& ended) {
        result<response>& answer = answer_of(ended);
        if (!answer) {
            if constexpr (Checks) note_failed_service(answer.error());
            fail(answer.error());
        } else if constexpr (Numbered) {
            answers_.emplace_back(ended.id, *std::move(answer));
        } else {
            answers_.push_back(*std::move(answer));
        }
    }
    static result<response>& answer_of(result<response>& ended) noexcept { return ended; }
    static result<response>& answer_of(proto::numbered<result<response>>& ended) noexcept { return ended.body; }

    /// Passes answers to the connection, without a flush. Returns their number.
    result<std::size_t> send_answers(context& cx) {
        std::size_t count = 0;
        while (!answers_.empty()) {
            auto ready = io_.poll_ready(cx);
            if (!ready.is_ready()) break;
            if (!*ready) return std::unexpected(convert_error<std::error_code>(ready->error()));
            auto sent = io_.start_send(std::move(answers_.front()));
            answers_.pop_front();
            if (!sent) {
                answers_.clear();
                fail(convert_error<std::error_code>(sent.error()));
                break;
            }
            unflushed_ = true;
            ++count;
        }
        return count;
    }

    /// Stops reading requests and drops the calls. The connection ends after the collected answers were sent.
    void fail(const std::error_code& why) {
        failure_ = why;
        stop_reading();
        calls_.clear();
    }
    /// Reads no further requests. Those that a connection with streamed bodies has read are still served.
    void shut_down() noexcept {
        if constexpr (connection::is_streamed) {
            told_.reset();
            io_.stop();
        } else {
            stop_reading();
        }
    }
    void stop_reading() noexcept {
        reading_ = false;
        told_.reset();
    }

    typename connection::type io_;
    S service_;  // outlives the calls, which refer to it
    std::size_t limit_;
    std::optional<sync::cancellation_token::owned_cancelled_future> told_;
    call_set calls_;
    std::deque<sent_type> answers_;  // in the order in which they are sent
    std::error_code failure_;
    bool reading_ = true;
    bool unflushed_ = false;
    bool has_ended_ = false;
};

/// Checks the arguments of pipelined() and multiplexed(), and makes the future.
template <bool Numbered, bool Checks = false, class F, class S>
auto serve_calls(F&& io, S&& service, std::size_t limit, const std::optional<sync::cancellation_token>& shutdown) {
    using kept = kept_fn_t<S>;
    constexpr bool serves = proto::service<kept>;
    static_assert(serves, "eddy: this is not a service: see eddy::proto::service");
    if constexpr (serves) {
        using stored = std::remove_cvref_t<F>;
        using connection = typename held_connection<stored>::type;
        using response = proto::response_t<kept>;
        constexpr bool reads = stream<std::remove_reference_t<connection>>;
        constexpr bool matches = !has_frames<connection>() || is_message<response>;
        constexpr bool writes = [] {
            if constexpr (matches)
                return message_connection<connection, response, Numbered, proto_side::server>::writes;
            return true;
        }();
        static_assert(reads, "eddy: the connection must be a stream of requests, for example a codec::framed");
        static_assert(matches,
                      "eddy: the codec has frames of messages with streamed bodies, so the service returns a "
                      "proto::message");
        static_assert(writes,
                      "eddy: the connection must be a sink of the responses of the service: its codec encodes the "
                      "response type, or numbered<Response> for multiplexed()");
        using served = served_calls<stored, kept, Numbered, Checks>;
        return make_if<(reads && matches && writes), served>(std::forward<F>(io), std::forward<S>(service), limit,
                                                             shutdown);
    } else {
        return broken_future();
    }
}

}  // namespace eddy::detail
EDDY_END_FALSE_UNINITIALIZED
