// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <exception>
#include <expected>
#include <new>
#include <optional>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/select.hpp>
#include <eddy/proto/service.hpp>
#include <eddy/result.hpp>
#include <eddy/stream/futures_unordered.hpp>
#include <eddy/sync/mpsc.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/task/task.hpp>

// The task and the service of a buffer: see eddy/proto/buffer.hpp.

namespace eddy::detail {

/// A call that is sent to the task of a buffer(). An exception of the service is thrown to the caller.
template <class S>
struct buffered_call {
    using output = std::expected<call_output_t<S>, std::exception_ptr>;
    using reply = sync::oneshot<output>;

    buffered_call(proto::request_t<S>&& what, typename reply::sender&& whom)
        : request(std::move(what)), to(std::move(whom)) {}

    proto::request_t<S> request;
    typename reply::sender to;
};

/// Calls the service unless the caller has dropped the call. Cancels the call when the caller drops it.
template <class S>
task<> answer_buffered(const S& inner, buffered_call<S> call) {
    using output = typename buffered_call<S>::output;
    if (call.to.is_closed()) co_return;
    std::optional<output> answer;
    try {
        auto started = start_call(inner, std::move(call.request), proto::when_full::wait);
        auto ended = co_await select_biased(std::move(started), call.to.closed());
        if (ended.index() == 0) answer.emplace(std::in_place, std::get<0>(std::move(ended)));
    } catch (...) {
        answer.emplace(std::unexpect, std::current_exception());
    }
    if (answer) static_cast<void>(call.to.send(*std::move(answer)));
}

/// The future of the task of a buffer(). It is ready when there are no callers and no calls.
template <class S>
class buffer_driver {
public:
    using output_type = void;

    buffer_driver(const S& inner, typename sync::mpsc<buffered_call<S>>::receiver& calls, std::size_t concurrent)
        : inner_(inner), calls_(calls), concurrent_(concurrent) {}
    buffer_driver(const buffer_driver&) = delete;
    buffer_driver& operator=(const buffer_driver&) = delete;
    ~buffer_driver() { calls_.close(); }  // before the calls are destroyed: see buffered_service::send()

    poll_result<void> poll(context& cx) {
        for (;;) {
            take_calls(cx);
            if (running_.is_empty()) break;
            if (!running_.poll_next(cx)) return not_ready;
        }
        if (!has_ended_) return not_ready;
        return poll_result<void>::ready();
    }
    poll_result<void> poll_cancel(context& cx) {
        calls_.close();
        return running_.poll_cancel(cx);
    }

private:
    void take_calls(context& cx) {
        while (!has_ended_ && running_.size() < concurrent_) {
            auto call = calls_.poll_recv(cx);
            if (!call) return;
            if (!*call) {
                has_ended_ = true;
                return;
            }
            try {
                running_.push(answer_buffered<S>(inner_, **std::move(call)));
            } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch)
                // Only this call fails: see buffered_service::send().
            }
        }
    }

    const S& inner_;
    typename sync::mpsc<buffered_call<S>>::receiver& calls_;
    const std::size_t concurrent_;
    bool has_ended_ = false;
    futures_unordered<task<>> running_;
};

template <class S>
task<> run_buffer(S inner, typename sync::mpsc<buffered_call<S>>::receiver calls, std::size_t concurrent) {
    buffer_driver<S> all(inner, calls, concurrent);
    co_await all;
}

template <class S>
class buffered_service {
    using call_type = buffered_call<S>;
    using reply = typename call_type::reply;

public:
    using request_type = proto::request_t<S>;
    using response_type = proto::response_t<S>;
    static constexpr bool has_limit = true;

    explicit buffered_service(typename sync::mpsc<call_type>::sender calls) : calls_(std::move(calls)) {}

    task<call_output_t<S>> operator()(request_type request) const {
        return send<request_type>(calls_, std::move(request), proto::when_full::wait);
    }
    task<call_output_t<S>> call(request_type request, proto::when_full mode) const {
        return send<request_type>(calls_, std::move(request), mode);
    }
    task<call_output_t<S>> offer(request_type& request, proto::when_full mode) const {
        return send<request_type&>(calls_, request, mode);
    }

private:
    /// Owns a sender, so the service may be destroyed during the call.
    template <class Given>
    static task<call_output_t<S>> send(typename sync::mpsc<call_type>::sender calls, Given request,
                                       proto::when_full mode) {
        auto ends = reply::channel();
        call_type outgoing(std::move(request), std::move(ends.sender));
        if (mode == proto::when_full::fail) {
            auto sent = calls.try_send(std::move(outgoing));
            if (!sent) {
                const bool full = sent.error().is_full();
                keep<Given>(request, sent.error().value);
                co_return layer_error<S>(make_error_code(full ? errc::overloaded : errc::channel_closed));
            }
        } else {
            auto sent = co_await calls.send(std::move(outgoing));
            if (!sent) {
                keep<Given>(request, sent.error().value);
                co_return layer_error<S>(make_error_code(errc::channel_closed));
            }
        }
        auto answer = co_await std::move(ends.receiver);
        if (!answer && !calls.is_closed())  // the task continues: it had no memory for this call
            co_return layer_error<S>(std::make_error_code(std::errc::not_enough_memory));
        if (!answer) co_return layer_error<S>(make_error_code(errc::channel_closed));
        if (!*answer) std::rethrow_exception(answer->error());
        co_return **std::move(answer);
    }

    /// Moves a request that was not sent back to the caller of offer().
    template <class Given>
    static void keep(request_type& request, call_type& unsent) {
        if constexpr (std::is_reference_v<Given>) request = std::move(unsent.request);
    }

    typename sync::mpsc<call_type>::sender calls_;
};

}  // namespace eddy::detail
