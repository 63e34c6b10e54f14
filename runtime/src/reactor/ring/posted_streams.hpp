// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <utility>

#include <eddy/detail/atomic.hpp>

#include "reactor/ring/ring_connection.hpp"

namespace eddy::detail {

/// The ring connections that wait for the thread that runs the driver ticks: it serves their requests. Each has a
/// reference, which belongs to the list.
///
///                    post()                 take_each()
///     not posted ------------> posted --------------------> served
///                                 ^                           | the ring has no free entry
///                                 +------ post_for_later() ---+
///
/// Thread safety: any thread may call post(). The holder of the driver lock calls the other functions.
class posted_streams {
public:
    /// Adds the stream and takes over a reference. Returns false after close(); the caller keeps the reference then.
    [[nodiscard]] bool post(ring_connection& stream) noexcept {
        // relaxed: the pointer is only compared and linked.
        ring_connection* before = newest_.load(std::memory_order_relaxed);
        do {
            if (before == closed()) return false;
            stream.next_requested = before;
            // seq_cst: see source_set::wake_if_driven_elsewhere().
        } while (!newest_.compare_exchange_weak(before, &stream, std::memory_order_seq_cst, std::memory_order_relaxed));
        return true;
    }
    /// Adds a stream for which the ring had no free entry. Takes over a reference.
    void post_for_later(ring_connection& stream) noexcept {
        stream.next_requested = std::exchange(for_later_, &stream);
    }
    /// Passes each stream with its reference to `serve`, which may call post_for_later().
    template <class Serve>
    void take_each(const Serve& serve) {
        pass_each(std::exchange(for_later_, nullptr), serve);
        // seq_cst: see source_set::wake_if_driven_elsewhere(). The load avoids the read-modify-write if nothing was
        // posted.
        if (newest_.load(std::memory_order_seq_cst) == nullptr) return;
        // acquire: pairs with the exchange in post(), so that next_requested is seen.
        pass_each(newest_.exchange(nullptr, std::memory_order_acquire), serve);
    }
    [[nodiscard]] bool is_empty() const noexcept {
        // relaxed: a thread that posts a stream wakes the driver, unless it is this thread.
        return newest_.load(std::memory_order_relaxed) == nullptr && for_later_ == nullptr;
    }
    /// Makes each later post() fail, and passes the posted streams to `drop`. A second call does nothing.
    template <class Drop>
    void close(const Drop& drop) {
        // acquire: pairs with the exchange in post().
        ring_connection* const posted = newest_.exchange(closed(), std::memory_order_acquire);
        if (posted == closed()) return;
        pass_each(posted, drop);
        pass_each(std::exchange(for_later_, nullptr), drop);
    }

private:
    // SAFETY: the pointer is only compared, never dereferenced.
    [[nodiscard]] static ring_connection* closed() noexcept {
        return reinterpret_cast<ring_connection*>(closed_marker_);
    }

    template <class Function>
    static void pass_each(ring_connection* list, const Function& function) {
        while (list != nullptr) function(*std::exchange(list, list->next_requested));
    }

    /// Replaces the list after close(), since no thread processes it anymore.
    alignas(ring_connection) static inline constinit std::byte closed_marker_[1]{};

    atomic<ring_connection*> newest_{nullptr};  // a stack, or the marker
    ring_connection* for_later_ = nullptr;
};

}  // namespace eddy::detail
