// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/ref_count.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/sync/notify.hpp>

#include "executor/task/counted_waker.hpp"

// The end of idle HTTP/1.1 connections: at their time limit, when the server ends them, and with their client.
//
//     http_client ──put()──> idle connection ──is readable──> idle_watch ──notify──> task of the idle_keeper
//                                   ^                                                      │
//                                   └──────────── closes it: http_client::close_idle() ────┘
//
// A client has a keeper, with a task in the background, for each event loop, and one for all runtimes. The task wakes
// at the first time limit of the idle connections that it has seen, so that a request wakes no task.

namespace eddy::detail {

class client_connection;
class http_client;

/// The waker of an idle connection's read. Notes that there is something to read, such as the end, and wakes the task.
/// Thread safety: any thread.
class idle_watch {
public:
    explicit idle_watch(std::shared_ptr<sync::notify> keeper) noexcept : keeper_(std::move(keeper)) {}

    /// Returns a waker that owns the object, which was made by `new`.
    [[nodiscard]] waker into_waker() noexcept { return waker(&counted_waker<idle_watch, &idle_watch::note>, this); }
    /// Returns whether the waker was woken.
    // relaxed: the socket is what the caller looks at. notify_one() orders the flag before the task's look.
    [[nodiscard]] bool has_news() const noexcept { return has_news_.load(std::memory_order_relaxed); }

    void retain() noexcept { references_.add(); }
    void release() noexcept {
        if (references_.drop()) delete this;
    }

private:
    void note() noexcept {
        has_news_.store(true, std::memory_order_relaxed);
        keeper_->notify_one();
    }

    ref_count<> references_;
    atomic<bool> has_news_{false};
    const std::shared_ptr<sync::notify> keeper_;
};

/// What a client and the task that closes its idle connections on one event loop share.
/// Thread safety: any thread.
class idle_keeper {
public:
    idle_keeper() = default;
    idle_keeper(const idle_keeper&) = delete;
    idle_keeper& operator=(const idle_keeper&) = delete;
    ~idle_keeper();

    /// Wakes the task.
    [[nodiscard]] const std::shared_ptr<sync::notify>& news() const noexcept { return news_; }
    /// Gives a connection to the task, which ends it in order on its event loop.
    void hand_over(std::unique_ptr<client_connection> connection) noexcept;
    /// Ends the connections that were handed over. Returns false after finish(), when there will be no others.
    /// Preconditions: the thread runs the event loop of the task.
    bool end_handed_over() noexcept;
    /// Ends the task, because its client is destroyed.
    void finish() noexcept;

    // Guarded by the lock of the client:
    bool has_limit = false;  // the task will wake by itself
    bool has_ended = false;  // the task is gone: see http_client::end_keeper()

private:
    [[nodiscard]] std::unique_ptr<client_connection> take() noexcept;

    const std::shared_ptr<sync::notify> news_ = std::make_shared<sync::notify>();
    mutex lock_;
    // Guarded by lock_:
    std::unique_ptr<client_connection> first_;  // a list by client_connection::next
    bool is_finished_ = false;
};

/// Starts the task of a keeper on the current executor. `loop` is the end of the keys of its connections.
void start_keeping(std::weak_ptr<http_client> client, std::shared_ptr<idle_keeper> keeper, std::string loop);

}  // namespace eddy::detail
