// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

#include <eddy/core.hpp>
#include <eddy/detail/buffer_pool.hpp>
#include <eddy/detail/core_shared.hpp>
#include <eddy/detail/time_driver.hpp>

#include "core/inbound_list.hpp"
#include "core/running_here.hpp"
#include "core/sleeping_place.hpp"
#include "core/task_queue.hpp"
#include "io/io_handle.hpp"

namespace eddy::detail {

struct core_joined;

/// All of a loop but its public face: at a stable address, counted, since handles, remotes and finished tasks whose
/// wakers are still about may outlive the `core`. What is not said to be shared belongs to the loop's thread.
class core_shared {
public:
    /// Ends a share in something counted; a pool of buffers is closed, and freed by its last lease.
    struct gives_up {
        void operator()(auto* shared) const noexcept { shared->release(); }
        void operator()(buffer_pool* pool) const noexcept { pool->close(); }
    };

    struct settings {
        std::unique_ptr<io_handle, gives_up> io;  ///< null without I/O
        bool start_paused = false;
        std::chrono::nanoseconds spin{0};   ///< before the thread sleeps
        std::optional<driver_kind> driver;  ///< what `io` uses
        std::string_view why_driver;
        core_builder::uncaught_handler on_uncaught;
    };

    explicit core_shared(settings&& chosen);
    core_shared(const core_shared&) = delete;
    core_shared& operator=(const core_shared&) = delete;

    // ---- Shared: any thread ----
    void retain() noexcept;
    void release() noexcept;
    [[nodiscard]] const void* owner() const noexcept { return owner_; }
    [[nodiscard]] std::uint64_t id() const noexcept { return id_; }
    /// Puts `node` on its way to the loop and wakes that if it sleeps. False if the loop is closed.
    [[nodiscard]] bool send(inbound_node& node) noexcept;

    // ---- The loop's thread ----
    void adopt(core_task& task) noexcept;
    void schedule(core_task& task) noexcept { wakes_forks_ ? forks_.push(task) : queue_.push(task); }
    /// As adopt(), for a child of a scope: newest first, so that a tree of scopes is walked depth first, and few of its
    /// nodes are alive at a time.
    void adopt_fork(core_task& task) noexcept;
    /// Wakes the parent of a scope that has ended, to go on before what its tree has queued.
    void wake_fork(waker&& parent) noexcept;
    /// Destroys a task that is not being polled.
    void destroy(core_task& task) noexcept;
    void run_until(core_task& main, const bool& done, std::source_location where);
    void run_until_idle(std::source_location where);
    void turn(max_wait limit, std::source_location where);
    void report(std::exception_ptr thrown, const std::source_location& where, std::string_view name = {}) noexcept;
    /// Destroys all tasks, then shuts the driver: what ~core does.
    void close() noexcept;

    [[nodiscard]] bool is_closed() const noexcept { return is_closed_; }
    [[nodiscard]] bool is_running() const noexcept { return running_here == this; }
    /// Whether it is a forked child's copy of a loop, which nobody can run since the driver is the parent's. (One
    /// without I/O goes on.)
    [[nodiscard]] bool is_parents() const noexcept { return io_ != nullptr && io_->is_in_child(); }
    [[nodiscard]] io_handle* io() const noexcept { return io_.get(); }
    [[nodiscard]] time_driver& time() const noexcept { return *time_; }
    [[nodiscard]] buffer_pool& buffers() const noexcept { return *buffers_; }
    [[nodiscard]] core_metrics metrics() const noexcept;
    [[nodiscard]] std::optional<driver_kind> driver() const noexcept { return driver_; }
    [[nodiscard]] std::string_view why_driver() const noexcept { return why_driver_; }

private:
    class entered;
    class poller;

    ~core_shared();

    void park(max_wait limit);
    [[nodiscard]] bool spin(max_wait& limit);
    void look_if_due();
    void look_at_driver(max_wait limit);
    void drain_inbound() noexcept;
    void arrive(inbound_node& node) noexcept;
    void run_some(std::size_t limit, const bool& stop) noexcept;
    void run_queued() noexcept;
    [[nodiscard]] bool has_queued() const noexcept { return !queue_.is_empty() || !forks_.is_empty(); }
    [[nodiscard]] core_task& pop_queued() noexcept;
    void run_task(core_task& task, poller& with) noexcept;
    void poll_future(core_task& task, context& cx) noexcept;
    void poll_joined(core_joined& task, context& cx) noexcept;
    void cancel(core_task& task, context& cx) noexcept;
    void finish_frames(core_task& task, poller& with) noexcept;
    void finish(core_task& task) noexcept;
    void merge(core_task& task) noexcept;

    // ---- Shared ----
    inbound_list inbound_;
    const std::unique_ptr<io_handle, gives_up> io_;
    const std::unique_ptr<sleeping_place, gives_up> place_;
    const std::unique_ptr<time_driver, gives_up> time_;
    std::unique_ptr<buffer_pool, gives_up> buffers_;
    const void* const owner_;
    const std::uint64_t fork_generation_;
    const std::uint64_t id_;
    atomic<std::uint32_t> references_{1};

    // ---- The loop's thread ----
    task_queue queue_;
    task_stack forks_;  // children of scopes, and parents whose scopes have ended
    unsigned fork_streak_ = 0;
    bool wakes_forks_ = false;
    live_list live_;
    bool is_closed_ = false;
    std::chrono::steady_clock::time_point last_look_{};
    std::uint64_t polls_ = 0;
    std::uint64_t turns_ = 0;
    const std::chrono::nanoseconds spin_;
    const std::optional<driver_kind> driver_;
    const std::string_view why_driver_;
    core_builder::uncaught_handler on_uncaught_;
};

}  // namespace eddy::detail
