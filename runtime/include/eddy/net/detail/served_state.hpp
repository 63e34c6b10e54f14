// SPDX-License-Identifier: MIT
#pragma once

#include <limits>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <source_location>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/detail/spin_lock.hpp>
#include <eddy/future/detail/unread_failure.hpp>
#include <eddy/task/join_handle.hpp>
#include <eddy/task/unobserved_error.hpp>
#include <eddy/time/clock.hpp>

// The connections and the handler of a net::serve().

namespace eddy::net {
class serve_connection;
}  // namespace eddy::net

namespace eddy::detail {

class served_state;

/// Returns whether an accept that failed with `error` may succeed later.
[[nodiscard]] EDDY_API bool may_accept_later(const std::error_code& error) noexcept;

/// Reports an error or an exception of a handler. `where` is the call of serve(). `work` describes what the handler
/// did, or is empty.
EDDY_API void report_connection(unread_failure&& failure, const std::string& work, const std::source_location& where,
                                const unobserved_error_handler& handler) noexcept;

/// Reports that an accept has failed with `error`. `where` is the call of serve().
EDDY_API void report_failed_accept(const std::error_code& error, const std::source_location& where,
                                   const unobserved_error_handler& handler) noexcept;

/// The connections of one server that were not aborted. Each says without a lock when it is idle, because a server does
/// that twice for each request. The list is ordered by the time at which a connection can have reached the idle limit.
/// abort_late() looks at it then: it aborts the connection, or moves it to its next such time.
/// Thread safety: any thread.
class EDDY_API idle_connections {
public:
    /// Without a limit, idle connections are aborted only by begin_drain().
    explicit idle_connections(std::optional<time::duration> limit) noexcept : limit_(limit) {}
    idle_connections(const idle_connections&) = delete;
    idle_connections& operator=(const idle_connections&) = delete;
    ~idle_connections() = default;

    /// Aborts the connections that are idle now, and those that become idle later.
    void begin_drain() noexcept;
    /// Aborts the connections that have been idle for the limit at the time `now`. Returns when to call it again, or
    /// nullopt if there are no connections.
    /// Preconditions: there is a limit.
    [[nodiscard]] std::optional<time::time_point> abort_late(time::time_point now) noexcept;

    /// Removes and returns the description of what the task of a connection did when it failed; empty if there is none.
    [[nodiscard]] std::string take_failed_work(task_id of) noexcept;

private:
    friend served_state;

    struct entry {
        served_state* of;
        std::optional<abort_handle> task;  // empty before served_state::set_task()
    };
    using entries = std::multimap<time::time_point, entry>;  // by the time of the next look

    void take_if_idle_since(time::duration::rep since, entries::iterator which, entries& into) noexcept;
    static void abort_all(entries& taken) noexcept;

    const std::optional<time::duration> limit_;
    atomic<bool> drains_{false};
    spin_lock lock_;
    // Guarded by the lock:
    entries connections_;
    std::list<std::pair<task_id, std::string>> failed_work_;  // of connections that have not been reported
};

/// The state of one connection that serve() and the handler share.
/// Thread safety: any thread.
class EDDY_API served_state {
public:
    explicit served_state(std::shared_ptr<idle_connections> all);
    served_state(const served_state&) = delete;
    served_state& operator=(const served_state&) = delete;
    ~served_state();

    /// Sets the task of the connection. The task may already run.
    void set_task(abort_handle&& task) noexcept;
    /// Begins an idle time, unless the connection is idle.
    void begin_idle() noexcept;
    /// Ends the idle time. Returns false if the connection was aborted in it: then no request may begin.
    [[nodiscard]] bool end_idle() noexcept;
    /// Describes what the connection did when it failed ("GET /path"), for the report of its error.
    void set_failed_work(std::string&& work);

private:
    friend idle_connections;

    /// Ends the idle time that began at `since`, because the connection is about to be aborted. Returns false if it has
    /// ended already.
    [[nodiscard]] bool claim(time::duration::rep since) noexcept;

    // Values of idle_since_: the connection is not idle; it was aborted while it was idle, which is final.
    static constexpr time::duration::rep busy = std::numeric_limits<time::duration::rep>::min();
    static constexpr time::duration::rep claimed = std::numeric_limits<time::duration::rep>::max();

    const std::shared_ptr<idle_connections> all_;
    atomic<time::duration::rep> idle_since_{busy};  // since the epoch of time::clock
    // Guarded by the lock of all_:
    idle_connections::entries::iterator entry_;
    bool is_aborted_ = false;  // it has no entry then
};

/// The parameters of a handler.
enum class handler_kind : unsigned char { none, stream, stream_peer, stream_connection, stream_peer_connection };

/// Returns the parameters of the handler `H`. Tries a form only if the ones before it do not fit. Otherwise a call of a
/// generic lambda with the wrong types may fail to compile.
template <class H, class Accepted>
constexpr handler_kind kind_of_handler() {
    using stream = decltype(Accepted::stream);
    using peer = decltype(Accepted::peer);
    if constexpr (std::is_invocable_v<H&, stream, peer, net::serve_connection>) {
        return handler_kind::stream_peer_connection;
    } else if constexpr (std::is_invocable_v<H&, stream, peer>) {
        return handler_kind::stream_peer;
    } else if constexpr (std::is_invocable_v<H&, stream>) {
        return handler_kind::stream;
    } else if constexpr (std::is_invocable_v<H&, stream, net::serve_connection>) {
        return handler_kind::stream_connection;
    } else {
        return handler_kind::none;
    }
}

/// Whether the handler takes a serve_connection.
template <class H, class Accepted>
inline constexpr bool takes_connection = kind_of_handler<H, Accepted>() == handler_kind::stream_connection ||
                                         kind_of_handler<H, Accepted>() == handler_kind::stream_peer_connection;

}  // namespace eddy::detail
