// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <optional>

#include <eddy/detail/atomic.hpp>
#include <eddy/waker.hpp>

#include "core/parker.hpp"
#include "core/this_thread.hpp"
#include "io/io_handle.hpp"

namespace eddy::detail {

/// What a loop sleeps in, for those who wake it: its driver or, without I/O, a parker. Counted apart from the loop,
/// since the time driver, which sleeps that outlive the loop keep alive, wakes it as well.
class sleeping_place {
public:
    /// For a loop of this thread, if nothing else is said. With one reference; shares `io`, which may be null.
    explicit sleeping_place(io_handle* io) noexcept : io_(io), owner_(this_thread_mark()) {
        if (io_ != nullptr) io_->retain();
    }
    sleeping_place(const sleeping_place&) = delete;
    sleeping_place& operator=(const sleeping_place&) = delete;

    void release() noexcept {
        // acq_rel: whoever frees it sees what the others did before they let go.
        if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) delete this;
    }

    /// This thread is the one that sleeps here from now on. Before it looks for what would keep it from sleeping, it
    /// has to take the lock under which that is left: else who slept here before could take itself for the sleeper
    /// still.
    void set_owner() noexcept {
        // relaxed: a thread compares it to its own mark only, and that lock orders it.
        owner_.store(this_thread_mark(), std::memory_order_relaxed);
    }

    /// Without I/O: sleeps here.
    void park(std::optional<std::chrono::nanoseconds> limit) { parker_.park(limit); }

    /// Ends the sleep in progress, or the next one. Any thread.
    void unpark() noexcept {
        if (io_ != nullptr) {
            io_->wake();
        } else {
            parker_.unpark();
        }
    }

    /// Does the same from other threads than the loop's own, which is awake when it wakes this.
    [[nodiscard]] eddy::waker waker() noexcept {
        add_reference();
        return {&vtable, this};
    }

private:
    ~sleeping_place() {
        if (io_ != nullptr) io_->release();
    }

    void add_reference() noexcept {
        // relaxed: whoever makes a reference has one already.
        references_.fetch_add(1, std::memory_order_relaxed);
    }

    // SAFETY: `data` is a sleeping_place, of which the waker holds a reference.
    static sleeping_place& of(void* data) noexcept { return *static_cast<sleeping_place*>(data); }
    static void* clone(void* data) noexcept {
        of(data).add_reference();
        return data;
    }
    static void wake(void* data) noexcept {
        wake_by_ref(data);
        drop(data);
    }
    static void wake_by_ref(void* data) noexcept {
        if (of(data).owner_.load(std::memory_order_relaxed) != this_thread_mark()) of(data).unpark();
    }
    static void drop(void* data) noexcept { of(data).release(); }
    static constexpr waker_vtable vtable{&clone, &wake, &wake_by_ref, &drop};

    io_handle* const io_;  // counted
    atomic<const void*> owner_;
    parker parker_;
    atomic<std::uint32_t> references_{1};
};

}  // namespace eddy::detail
