// SPDX-License-Identifier: MIT
#include <eddy/detail/ref_count.hpp>
#include <eddy/runtime/background_reactor.hpp>

#include <cstdint>
#include <mutex>
#include <new>
#include <optional>
#include <system_error>
#include <thread>

#include <eddy/detail/atomic.hpp>
#include <eddy/detail/frame_pool.hpp>
#include <eddy/detail/runtime_context.hpp>
#include <eddy/error.hpp>

#include "reactor/io_handle.hpp"

namespace eddy {
namespace detail {

/// A thread that runs the ticks of a driver. Reference-counted: the thread itself, the background_reactor, and the
/// futures that wait for the thread's end have one reference each.
class background_thread : immovable {
public:
    /// Starts the thread. The caller gets a reference.
    /// Errors: what std::thread reports; not_enough_memory.
    [[nodiscard]] static result<background_thread*> start(io_handle& io) noexcept try {
        auto* const made = new background_thread(io);
        try {
            made->thread_ = std::thread([made] { made->run(); });
        } catch (...) {
            delete made;
            throw;
        }
        return made;
    } catch (const std::system_error& error) {
        return std::unexpected(error.code());
    } catch (const std::bad_alloc&) {
        return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
    }

    void retain() noexcept { references_.add(); }
    void release() noexcept {
        if (references_.drop()) delete this;
    }

    [[nodiscard]] io_handle& io() const noexcept { return *io_; }

    /// Asks the thread to end, immediately or when no source is registered.
    void ask(shutdown_kind kind) noexcept {
        // relaxed, also in is_over(): if is_over() misses the flag, the wake-up is still pending. It ends the next
        // tick, and is_over() is called again.
        if (kind == shutdown_kind::now) {
            ends_now_.store(true, std::memory_order_relaxed);
        } else {
            ends_on_idle_.store(true, std::memory_order_relaxed);
            io_->wake_when_idle();
        }
        io_->wake();
    }

    /// Returns whether the thread has ended its last tick. If not, `waiter` is woken when it has.
    [[nodiscard]] bool poll_end(io_waiter& waiter, context& cx) {
        return io_->is_in_child() || end_->poll_waiter(waiter, cx).is_ready();
    }
    /// Unlinks a waiter of poll_end().
    void stop_waiting(io_waiter& waiter) noexcept { end_->unlink(waiter); }

    /// Waits until the thread has returned. Does nothing in the two cases below, because the background_reactor always
    /// joins or detaches the thread.
    void join() noexcept {
        if (is_here()) return;           // called by a waker: a thread cannot join itself
        if (io_->is_in_child()) return;  // the thread and its reference stayed in the parent
        std::lock_guard guard(lock_);
        if (thread_.joinable()) thread_.join();
    }
    void detach() noexcept {
        if (io_->is_in_child()) return;
        std::lock_guard guard(lock_);
        if (thread_.joinable()) thread_.detach();
    }
    /// Returns whether the calling thread is this thread.
    [[nodiscard]] bool is_here() const noexcept {
        // relaxed: compared with this thread's own mark, which only this thread stores.
        return runs_on_.load(std::memory_order_relaxed) == this_thread_mark();
    }

private:
    explicit background_thread(io_handle& io) : io_(&io), end_(pool_new<scheduled_io>()) { io_->retain(); }
    ~background_thread() {
        end_->release();
        io_->release();
    }

    [[nodiscard]] bool is_over() const noexcept {
        // relaxed: see ask().
        return ends_now_.load(std::memory_order_relaxed) ||
               (ends_on_idle_.load(std::memory_order_relaxed) && io_->is_idle());
    }

    void run() noexcept {
        // relaxed, also below: see is_here().
        runs_on_.store(this_thread_mark(), std::memory_order_relaxed);
        while (!is_over() && io_->tick(std::nullopt)) {
        }
        io_->shut_down();
        end_->shut_down();
        runs_on_.store(nullptr, std::memory_order_relaxed);  // a later thread may get the same mark
        release();
    }

    io_handle* const io_;  // one reference
    // Has no descriptor. Lists the futures that wait for the thread's end, and is shut down at that end.
    scheduled_io* const end_;
    atomic<const void*> runs_on_{nullptr};
    atomic<bool> ends_now_{false};
    atomic<bool> ends_on_idle_{false};
    ref_count<> references_{2};  // one for the caller of start(), one for the thread
    mutex lock_;                 // guards join() and detach()
    std::thread thread_;
};

}  // namespace detail

// ---- background_shutdown ----

background_shutdown::background_shutdown(detail::background_thread& thread, detail::shutdown_kind kind) noexcept
    : thread_(&thread), waiter_(io::interest::readable), kind_(kind) {
    thread.retain();
}

background_shutdown::background_shutdown(background_shutdown&& other) noexcept
    : thread_(std::exchange(other.thread_, nullptr)), waiter_(io::interest::readable), kind_(other.kind_) {
    if (other.record_.has_waited()) {
        detail::fatal_moved("the future of a background_reactor's shutdown", other.record_.polled_at());
    }
}

background_shutdown::~background_shutdown() {
    if (thread_ == nullptr) return;
    if (record_.has_waited()) thread_->stop_waiting(waiter_);
    thread_->release();
}

poll_result<void> background_shutdown::poll(context& cx) {
    if (thread_ == nullptr) eddy::detail::throw_has_ended("the future of a shutdown", cx.where());
    if (!record_.has_waited()) thread_->ask(kind_);
    record_.wait(cx);
    if (!thread_->poll_end(waiter_, cx)) return not_ready;
    thread_->join();
    std::exchange(thread_, nullptr)->release();
    return poll_result<void>::ready();
}

// ---- background_reactor ----

result<background_reactor> reactor::background() && noexcept {
    if (io_->holds_driver_lock())
        return std::unexpected(std::make_error_code(std::errc::resource_deadlock_would_occur));
    const auto thread = detail::background_thread::start(*io_);
    if (!thread) return std::unexpected(thread.error());
    std::exchange(io_, nullptr)->release();
    return background_reactor(**thread);
}

background_reactor::~background_reactor() {
    if (thread_ == nullptr) return;
    if (thread_->is_here()) {
        detail::fatal_misuse("a background_reactor was destroyed on its own thread, by a waker: wakers must only wake");
    }
    thread_->ask(detail::shutdown_kind::now);
    thread_->join();
    thread_->release();
}

reactor_handle background_reactor::handle() const noexcept {
    thread_->io().retain();
    return reactor_handle(&thread_->io());
}

background_shutdown background_reactor::shutdown_on_idle() noexcept {
    return {*thread_, detail::shutdown_kind::on_idle};
}

background_shutdown background_reactor::shutdown_now() noexcept { return {*thread_, detail::shutdown_kind::now}; }

void background_reactor::forget() && noexcept {
    thread_->detach();
    std::exchange(thread_, nullptr)->release();
}

}  // namespace eddy
