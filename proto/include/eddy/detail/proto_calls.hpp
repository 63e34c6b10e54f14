// SPDX-License-Identifier: MIT
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <expected>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <source_location>
#include <system_error>
#include <unordered_map>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/error.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/proto/message.hpp>
#include <eddy/result.hpp>
#include <eddy/sync/oneshot.hpp>
#include <eddy/sync/semaphore.hpp>

// The calls of a client: their state, and those that wait for an answer.

namespace eddy::detail {

/// The state that the handles of a client share with the task of the connection. A call with a streamed body that is
/// dropped tells the connection, which then cancels the exchange: see take_dropped().
/// Thread safety: any thread.
struct client_state {
    explicit client_state(std::size_t most, const std::source_location& where)
        : permits(most, where), limit(std::min(most, std::numeric_limits<std::size_t>::max() / 8)) {}

    /// Ends the client: waiting and later calls fail with `error`.
    void end(const std::error_code& error) {
        {
            const std::lock_guard guard(lock);
            if (!reason) reason = error;
        }
        permits.close();
    }
    [[nodiscard]] std::error_code why() {
        const std::lock_guard guard(lock);
        return reason ? reason : make_error_code(errc::connection_closed);
    }

    /// Says that a call was dropped. Its reply is closed already.
    void note_dropped() noexcept {
        waker woken;
        {
            const std::lock_guard guard(lock);
            has_dropped = true;
            woken.swap(connection);
        }
        std::move(woken).wake();
    }
    /// Returns whether calls were dropped since the last time. If not, the task of `cx` is woken by the next one.
    [[nodiscard]] bool take_dropped(context& cx) {
        waker mine = cx.waker();  // cloned without the lock
        const std::lock_guard guard(lock);
        if (std::exchange(has_dropped, false)) return true;
        connection.swap(mine);
        return false;
    }

    sync::semaphore permits;  // one for each call without an answer
    const std::size_t limit;  // of calls; a small multiple does not overflow
    mutex lock;
    // Guarded by lock:
    std::error_code reason;
    bool has_dropped = false;
    waker connection;
};

/// Tells the connection in its destructor that the call was dropped, unless it has ended.
class drop_guard {
public:
    explicit drop_guard(std::shared_ptr<client_state> state) noexcept : state_(std::move(state)) {}
    drop_guard(const drop_guard&) = delete;
    drop_guard& operator=(const drop_guard&) = delete;
    ~drop_guard() {
        if (state_) state_->note_dropped();
    }
    void release() noexcept { state_.reset(); }

private:
    std::shared_ptr<client_state> state_;
};

/// A call that is sent to the task of the connection.
template <class Request, class Response>
struct client_call {
    using reply = sync::oneshot<result<Response>>;

    client_call(Request&& what, typename reply::sender&& whom) : request(std::move(what)), to(std::move(whom)) {}

    Request request;
    typename reply::sender to;
    // The permit of a pipelined call: kept until the answer arrives, even if the call was dropped.
    std::optional<sync::semaphore::owned_permit> permit;
};

/// The calls that were sent and not answered, in their order.
template <class Call>
class calls_in_order {
public:
    explicit calls_in_order(std::size_t) {}

    /// Adds a call, which send_last() sends.
    /// Errors: throws std::bad_alloc; then `call` is unchanged.
    template <class Sink>
    void add(Sink&, Call& call) {
        calls_.push_back(std::move(call));
    }
    /// Sends the request of the call that was added last. If the encoder fails, only this call fails.
    template <class Sink>
    void send_last(Sink& io, const Call&) {
        Call& last = calls_.back();
        auto sent = io.start_send(std::move(last.request));
        if (sent) return;
        static_cast<void>(last.to.send(std::unexpected(convert_error<std::error_code>(sent.error()))));
        calls_.pop_back();
    }
    /// Stops sending the body of a request whose call was dropped. Only the last request is being sent.
    template <class Sink>
    void cancel_dropped(Sink& io) {
        if (!calls_.empty() && calls_.back().to.is_closed()) io.stop_sending();
    }
    /// Passes an answer to its call. Returns false if no call waits for an answer.
    template <class Item>
    [[nodiscard]] bool answer(Item&& item) {
        if (calls_.empty()) return false;
        static_cast<void>(calls_.front().to.send(std::forward<Item>(item)));
        calls_.pop_front();
        return true;
    }
    void end(const std::error_code& error) {
        for (Call& call : calls_) static_cast<void>(call.to.send(std::unexpected(error)));
        calls_.clear();
    }

private:
    std::deque<Call> calls_;
};

/// The calls that were sent and not answered, by their numbers, which are 1, 2, ... The permit is owned by the caller,
/// so a dropped call does not count as in flight. add() removes dropped calls when there are many entries.
template <class Call>
class calls_by_number {
public:
    explicit calls_by_number(std::size_t limit) : limit_(limit) {}

    /// Adds a call, which send_last() sends.
    /// Errors: throws std::bad_alloc; then `call` is unchanged.
    template <class Sink>
    void add(Sink& io, Call& call) {
        if (calls_.size() >= 2 * limit_) cancel_dropped(io);
        // Two steps, because try_emplace() may fail after it has constructed the value.
        const auto entry = calls_.try_emplace(last_ + 1).first;
        entry->second.emplace(std::move(call.to));
        ++last_;
    }
    /// Sends the request of the call that was added last. If the encoder fails, only this call fails.
    template <class Sink>
    void send_last(Sink& io, Call& call) {
        proto::numbered request(last_, std::move(call.request));
        auto sent = io.start_send(std::move(request));
        if (sent) return;
        const auto entry = calls_.find(last_);
        static_cast<void>(entry->second->send(std::unexpected(convert_error<std::error_code>(sent.error()))));
        calls_.erase(entry);
    }
    /// Removes the calls that were dropped, and ends their exchanges.
    template <class Sink>
    void cancel_dropped(Sink& io) {
        for (auto entry = calls_.begin(); entry != calls_.end();) {
            if (!entry->second->is_closed()) {
                ++entry;
                continue;
            }
            if constexpr (requires { io.cancel(entry->first); }) io.cancel(entry->first);
            entry = calls_.erase(entry);
        }
    }
    template <class Item>
    [[nodiscard]] bool answer(Item&& item) {
        const auto found = calls_.find(item.id);
        // A number that was used belongs to a dropped call that add() has removed.
        if (found == calls_.end()) return item.id != 0 && item.id <= last_;
        static_cast<void>(found->second->send(std::move(item.body)));
        calls_.erase(found);
        return true;
    }
    void end(const std::error_code& error) {
        for (auto& entry : calls_) static_cast<void>(entry.second->send(std::unexpected(error)));
        calls_.clear();
    }

private:
    std::size_t limit_;
    std::uint64_t last_ = 0;
    std::unordered_map<std::uint64_t, std::optional<typename Call::reply::sender>> calls_;  // never nullopt
};

}  // namespace eddy::detail
