// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <memory>
#include <new>
#include <optional>
#include <source_location>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/detail/false_warnings.hpp>
#include <eddy/detail/proto_calls.hpp>
#include <eddy/detail/proto_connection.hpp>
#include <eddy/error.hpp>
#include <eddy/future/future.hpp>
#include <eddy/proto/message.hpp>
#include <eddy/proto/service.hpp>
#include <eddy/result.hpp>
#include <eddy/sync/mpsc.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/sync/semaphore.hpp>
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>

// The client side of a connection: see eddy/proto/client.hpp.

EDDY_BEGIN_FALSE_UNINITIALIZED
namespace eddy::detail {

/// The connection of a client: sends the requests, and passes the answers to their calls. `Io` is a
/// message_connection.
template <class Io, class Call, class Calls>
class proto_connection {
public:
    template <class F>
    proto_connection(F&& io, typename sync::mpsc<Call>::unbounded_receiver calls, std::shared_ptr<client_state> state)
        : io_(Io::make(std::forward<F>(io), state->limit)),
          calls_(std::move(calls)),
          state_(std::move(state)),
          sent_(state_->limit) {}
    proto_connection(const proto_connection&) = delete;
    proto_connection& operator=(const proto_connection&) = delete;
    ~proto_connection() {
        if (state_) fail(make_error_code(errc::connection_closed));
    }

    poll_result<void> poll(context& cx) {
        try {
            cancel_dropped(cx);
            drive_bodies(io_, cx);
            if (!has_ended_) advance(cx);
            if (!has_ended_) return not_ready;
            if (state_) {  // no handle is left: flush and close the connection
                if (!io_.poll_close(cx).is_ready()) return not_ready;
                state_.reset();
            }
        } catch (const std::bad_alloc&) {
            if (state_) fail(no_memory());
        }
        return poll_result<void>::ready();
    }

private:
    void cancel_dropped(context& cx) {
        if constexpr (Io::is_streamed) {
            while (state_->take_dropped(cx)) sent_.cancel_dropped(io_);
        }
    }

    void advance(context& cx) {
        if (!write_error_) send_calls(cx);
        if (!has_ended_ && !write_error_ && unflushed_) flush(cx);
        while (!has_ended_) {
            if (!cx.consume_budget()) return;  // a codec may never run out of items
            auto item = io_.poll_next(cx);
            if (!item.is_ready()) {
                // Only now: the answers that have arrived before are valid. A streamed connection then ends itself.
                const bool is_last = write_error_ && !Io::is_streamed && had_budget(cx);
                cx.refund_budget();
                if (is_last) fail(write_error_);
                return;
            }
            if (!*item) {
                fail(errc::connection_closed);
            } else if (!**item) {
                fail(convert_error<std::error_code>((**item).error()));
            } else if (!sent_.answer(***std::move(item))) {
                fail(errc::unexpected_answer);
            }
        }
    }

    void flush(context& cx) {
        auto flushed = io_.poll_flush(cx);
        if (!flushed.is_ready()) return;
        unflushed_ = false;
        if (!*flushed) write_error_ = convert_error<std::error_code>(flushed->error());
    }

    void send_calls(context& cx) {
        for (;;) {
            auto ready = io_.poll_ready(cx);
            if (!ready.is_ready()) return keep_calls(cx);
            if (!*ready) {
                write_error_ = convert_error<std::error_code>(ready->error());
                return;
            }
            if (!unsent_.empty()) {
                Call next = std::move(unsent_.front());
                unsent_.pop_front();
                send(std::move(next));
                continue;
            }
            auto call = calls_.poll_recv(cx);
            if (!call.is_ready()) return;
            if (!*call) {
                has_ended_ = true;
                return;
            }
            send(**std::move(call));
        }
    }
    void send(Call&& call) {
        if (call.to.is_closed()) return;  // the call was dropped
        if (!keep(call, [&] { sent_.add(io_, call); })) return;
        sent_.send_last(io_, call);
        unflushed_ = true;
    }
    /// Calls `add`, which moves from `call`. If it fails, only this call fails. Returns whether `add` was successful.
    template <class Fn>
    static bool keep(Call& call, Fn add) {
        try {
            add();
            return true;
        } catch (const std::bad_alloc&) {
            static_cast<void>(call.to.send(std::unexpected(no_memory())));
            return false;
        }
    }
    static std::error_code no_memory() noexcept { return std::make_error_code(std::errc::not_enough_memory); }

    /// Moves calls that cannot be sent yet from the queue to `unsent_`. There, dropped calls are removed when there are
    /// many entries; the queue would keep them as long as the peer does not read.
    void keep_calls(context& cx) {
        for (;;) {
            auto call = calls_.poll_recv(cx);
            if (!call.is_ready()) return;
            if (!*call) {
                has_ended_ = true;
                return;
            }
            if (unsent_.size() >= 2 * state_->limit)
                std::erase_if(unsent_, [](const Call& each) { return each.to.is_closed(); });
            keep(**call, [&] { unsent_.push_back(**std::move(call)); });
        }
    }

    /// Ends all calls with `error`.
    void fail(const std::error_code& error) {
        has_ended_ = true;
        std::exchange(state_, nullptr)->end(error);
        calls_.close();
        sent_.end(error);
        for (Call& call : unsent_) static_cast<void>(call.to.send(std::unexpected(error)));
        unsent_.clear();
        while (auto call = calls_.try_recv()) static_cast<void>(call->to.send(std::unexpected(error)));
    }

    typename Io::type io_;
    typename sync::mpsc<Call>::unbounded_receiver calls_;
    std::deque<Call> unsent_;              // taken from the queue while the connection accepted no request
    std::shared_ptr<client_state> state_;  // null after fail()
    Calls sent_;
    std::error_code write_error_;
    bool unflushed_ = false;
    bool has_ended_ = false;
};

/// The future of the task of a client's connection. It is ready when there are no handles, or when the connection has
/// ended. The containers of the connection allocate when they are moved, so the connection is not moved.
template <class C>
class client_driver {
public:
    using output_type = void;

    explicit client_driver(std::unique_ptr<C> connection) noexcept : connection_(std::move(connection)) {}

    poll_result<void> poll(context& cx) { return connection_->poll(cx); }

private:
    std::unique_ptr<C> connection_;
};

/// The handle of a client.
template <class Request, class Response, bool Numbered>
class client_handle {
    using call_type = client_call<Request, Response>;
    using calls = std::conditional_t<Numbered, calls_by_number<call_type>, calls_in_order<call_type>>;
    struct shared {
        shared(std::shared_ptr<client_state> of, typename sync::mpsc<call_type>::unbounded_sender to)
            : state(std::move(of)), calls(std::move(to)) {}
        std::shared_ptr<client_state> state;
        typename sync::mpsc<call_type>::unbounded_sender calls;  // its destruction closes the connection
    };

public:
    using request_type = Request;
    using response_type = Response;
    static constexpr bool has_limit = true;

    template <class F>
    client_handle(F&& io, std::size_t max_in_flight, std::source_location where) {
        if (max_in_flight == 0) throw misuse("a client needs at least one call in flight: pass at least 1", where);
        auto state = std::make_shared<client_state>(max_in_flight, where);
        auto ends = sync::mpsc<call_type>::unbounded_channel();
        shared_ = std::make_shared<shared>(state, std::move(ends.sender));
        using io_type = message_connection<std::remove_cvref_t<F>, Request, Numbered, proto_side::client>;
        using connection = proto_connection<io_type, call_type, calls>;
        auto made = std::make_unique<connection>(std::forward<F>(io), std::move(ends.receiver), std::move(state));
        spawn_background(client_driver(std::move(made)), where).detach();
    }

    task<result<Response>> operator()(Request request) const {
        return send<Request>(shared_, std::move(request), proto::when_full::wait);
    }
    task<result<Response>> call(Request request, proto::when_full mode) const {
        return send<Request>(shared_, std::move(request), mode);
    }
    task<result<Response>> offer(Request& request, proto::when_full mode) const {
        return send<Request&>(shared_, request, mode);
    }
    [[nodiscard]] bool is_closed() const noexcept { return shared_->calls.is_closed(); }

private:
    template <class Given>
    static task<result<Response>> send(std::shared_ptr<shared> on, Given request, proto::when_full mode) {
        const std::shared_ptr<sync::semaphore> permits(on->state, &on->state->permits);
        std::optional<sync::semaphore::owned_permit> permit;
        if (mode == proto::when_full::fail) {
            auto taken = sync::semaphore::try_acquire_owned(permits);
            if (!taken && taken.error() == sync::try_acquire_error::no_permits) {
                co_return std::unexpected(make_error_code(errc::overloaded));
            }
            if (taken) permit.emplace(*std::move(taken));
        } else {
            auto taken = co_await sync::semaphore::acquire_owned(permits);
            if (taken) permit.emplace(*std::move(taken));
        }
        if (!permit) co_return std::unexpected(on->state->why());
        std::optional<drop_guard> dropped;  // destroyed after the reply is closed
        if constexpr (is_message<Request>) dropped.emplace(on->state);
        auto ends = call_type::reply::channel();
        call_type outgoing(std::move(request), std::move(ends.sender));
        if constexpr (!Numbered) outgoing.permit = std::move(permit);
        auto sent = on->calls.send(std::move(outgoing));
        if (!sent) {
            if constexpr (std::is_reference_v<Given>) request = std::move(sent.error().value.request);
            co_return std::unexpected(on->state->why());
        }
        auto answer = co_await std::move(ends.receiver);
        if (dropped) dropped->release();
        if (!answer) co_return std::unexpected(on->state->why());
        co_return *std::move(answer);
    }

    std::shared_ptr<shared> shared_;
};

/// The type of the messages in numbered items: T of a numbered<T>, or the message of which T is a frame.
template <class Item>
using message_in_t = framed_message_t<typename body_of<Item>::type>;

}  // namespace eddy::detail
EDDY_END_FALSE_UNINITIALIZED
