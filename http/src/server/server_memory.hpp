// SPDX-License-Identifier: MIT
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>

#include <eddy/detail/atomic.hpp>
#include <eddy/future/future.hpp>
#include <eddy/future/waker.hpp>
#include <eddy/net/socket_addr.hpp>
#include <eddy/task/task.hpp>
#include <eddy/time/clock.hpp>

// The memory that the connections of a server use together, and that serve_options limits: responses that their clients
// have not received yet, and receive windows.

namespace eddy::detail {

class server_memory;
class response_share;

/// What all connections of one client have: see address_key().
struct memory_client {
    std::size_t holders = 0;            // connections
    std::size_t windows = 0;            // bytes
    std::size_t bytes = 0;              // of all shares
    std::list<response_share*> shares;  // the oldest one first, then those that were seen to be read

    memory_client() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};

using memory_clients = std::map<std::string, memory_client>;

/// What one connection has.
/// Thread safety: one thread at a time, on which the connection's task runs.
/// Lifetime: outlives its shares, and refers to the memory.
class memory_holder {
public:
    memory_holder() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
    memory_holder(const memory_holder&) = delete;
    memory_holder& operator=(const memory_holder&) = delete;
    ~memory_holder();

    /// Returns whether responses were dropped since the last call. Otherwise wakes the task when one is.
    [[nodiscard]] bool poll_dropped(context& cx);

private:
    friend server_memory;
    friend response_share;

    server_memory* memory_ = nullptr;  // null before the first share
    std::size_t shares_ = 0;           // without them, nothing can be dropped
    // Guarded by the lock of the memory:
    memory_clients::iterator client_;
    std::size_t windows_ = 0;
    bool has_dropped_ = false;
    waker task_;
};

/// The memory of one response, in bytes. The destructor gives them back.
///
///     begin ──begin_wait()──> waits for the client ──has_sent() of all that there is──> begin
///
/// A response is unread if it waits, and its client has never received a byte of it, or none for `patience`.
/// Thread safety: one thread at a time, on which the connection's task runs.
class response_share {
public:
    /// How long a client that has received some of a response may receive nothing.
    static constexpr time::duration patience = std::chrono::seconds(2);
    /// A client that receives fewer bytes receives nothing.
    static constexpr std::size_t least_progress = 4 * 1024;

    response_share() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
    response_share(const response_share&) = delete;
    response_share& operator=(const response_share&) = delete;
    ~response_share() { end(); }

    /// Records that bytes of the response wait for the client.
    void begin_wait(time::time_point now) noexcept;
    /// Records that bytes were sent, and whether more of them wait for the client. Those that wait for the service, or
    /// its reader, do not.
    void has_sent(std::size_t bytes, bool has_more, time::time_point now) noexcept;
    /// Returns whether the response was dropped, once. Free its memory then.
    [[nodiscard]] bool take_drop() noexcept;
    /// Returns whether the response has memory that counts.
    [[nodiscard]] bool has_memory() const noexcept { return holder_ != nullptr; }
    /// Gives the memory back.
    void end() noexcept;

private:
    friend server_memory;

    [[nodiscard]] bool is_unread(time::time_point now) const noexcept;

    static constexpr auto never = time::time_point::max();   // nothing waits
    static constexpr auto always = time::time_point::min();  // the client has received nothing

    memory_holder* holder_ = nullptr;  // null without memory that counts
    std::size_t bytes_ = 0;
    std::size_t sent_ = 0;  // bytes since the last progress
    bool has_progressed_ = false;
    // Relaxed: the value decides which response is dropped, and publishes no other data.
    atomic<time::time_point::rep> unread_since_{never.time_since_epoch().count()};
    // Guarded by the lock of the memory:
    bool is_dropped_ = false;
    std::list<response_share*>::iterator place_;
};

/// The memory of a server.
///
/// While there is room, each response gets its memory. Otherwise others are dropped until there is:
///
/// 1. an unread one. The requests of the client with the most memory come first, and its oldest one
/// 2. the oldest one of a client that has more memory than the one that needs it would have
///
/// So clients that do not read their responses lose them, and a client can take the memory from others only up to an
/// equal share. Only a few responses are looked at, so a full memory costs little time. A dropped response counts no
/// longer, although its task frees the memory later.
///
/// Windows are not taken back, so a client gets at most half of what is left for them.
/// Thread safety: any thread.
class server_memory : public std::enable_shared_from_this<server_memory> {
public:
    /// Takes `bytes` for a response of a connection of `peer`. Returns false if there is no room.
    [[nodiscard]] bool take(response_share& one, memory_holder& by, const std::optional<net::socket_addr>& peer,
                            std::size_t bytes, std::size_t limit) noexcept;
    /// Takes `bytes` by which the receive windows of a connection of `peer` are enlarged, until the connection ends or
    /// gives them back. Returns false if that is more than is left for others.
    [[nodiscard]] bool take_window(memory_holder& by, const std::optional<net::socket_addr>& peer, std::size_t bytes,
                                   std::size_t limit) noexcept;
    void give_back_window(memory_holder& by, std::size_t bytes) noexcept;
    /// Returns the number of bytes of all responses.
    [[nodiscard]] std::size_t used() const noexcept;
    /// Returns the number of clients that are known. They have connections that have, or had, some of the memory.
    [[nodiscard]] std::size_t clients() const noexcept;

private:
    friend memory_holder;
    friend response_share;

    static constexpr int most_looks = 64;
    static constexpr std::size_t least_peak = 64 << 20;
    static constexpr auto trim_delay = std::chrono::seconds(2);

    void join(memory_holder& by, const std::optional<net::socket_addr>& peer);
    void leave(memory_holder& by) noexcept;
    void change(memory_client& of, std::size_t added) noexcept;
    void add(response_share& one, memory_holder& by, std::size_t bytes);
    void remove(const response_share& one, memory_client& of) noexcept;
    [[nodiscard]] response_share* find_victim(const memory_client& own, std::size_t bytes) noexcept;
    [[nodiscard]] waker drop(response_share& one) noexcept;
    [[nodiscard]] bool has_fallen() const noexcept { return peak_ >= least_peak && used_ <= peak_ / 4; }
    void begin_trim() noexcept;
    static task<void> trim(std::shared_ptr<server_memory> of);

    mutable mutex lock_;
    // Guarded by lock_:
    memory_clients clients_;                                    // those that have connections with a memory_holder
    std::set<std::pair<std::size_t, memory_client*>> by_size_;  // all clients, by their bytes
    std::size_t windows_ = 0;                                   // bytes
    std::size_t used_ = 0;
    std::size_t peak_ = 0;    // of used_, since trim() began to wait
    bool will_trim_ = false;  // trim() waits
};

}  // namespace eddy::detail
