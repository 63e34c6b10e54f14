// SPDX-License-Identifier: MIT
#include <eddy/runtime/runtime.hpp>

#include <system_error>
#include <utility>

#include <eddy/detail/runtime_context.hpp>
#include <eddy/error.hpp>
#include <eddy/time/clock.hpp>

#include "executor/pool/pool.hpp"
#include "executor/task/run_task.hpp"
#include "reactor/choose.hpp"
#include "sys/affinity.hpp"

namespace eddy {

result<runtime> runtime_builder::build() const noexcept {
    auto made = detail::pool::make(*this);
    if (!made) return std::unexpected(made.error());
    return runtime(**made);
}

runtime_builder& runtime_builder::pin_workers(std::source_location where) {
    auto usable = sys::processors_of_this_thread();
    if (usable) return pin_workers(*std::move(usable), where);
    is_one_each_ = true;  // build() finds the error again
    return *this;
}

std::optional<std::size_t> worker_index() noexcept {
    const detail::worker* const here = detail::this_thread.worker;
    return here != nullptr ? std::optional<std::size_t>(here->index()) : std::nullopt;
}

result<runtime> runtime::make() noexcept { return runtime_builder().build(); }

runtime::runtime() : pool_(nullptr) {
    auto made = make();
    if (!made) throw std::system_error(made.error(), detail::with_driver_asked_for("eddy::runtime", made.error()));
    pool_ = std::exchange(made->pool_, nullptr);
}

runtime::~runtime() {
    if (pool_ == nullptr) return;
    if (detail::this_thread.runs_here == pool_ && !pool_->is_in_child()) {
        detail::polled_task::fatal_misuse_here(
            "a runtime was destroyed by one of its own tasks, which would wait for itself: move it out, or call "
            "shutdown_background()");
    }
    pool_->shutdown().begin();
    pool_->shutdown().wait(std::nullopt);
    pool_->shutdown().end_blocking({});
    pool_->release();
}

void runtime::wait_until_idle(std::source_location where) const {
    auto& pool = own("runtime::wait_until_idle()", where);
    detail::check_may_await_idle(pool, "wait_until_idle", where);
    pool.idleness().wait();
}

runtime_metrics runtime::metrics() const { return pool_ != nullptr ? pool_->metrics() : runtime_metrics({}); }

std::optional<driver_kind> runtime::driver() const noexcept {
    return pool_ != nullptr ? pool_->workers().driver() : std::nullopt;
}

std::string_view runtime::why_driver() const noexcept {
    return pool_ != nullptr ? pool_->workers().why_driver()
                            : "none: this runtime was moved from, or has been shut down";
}

void runtime::shutdown_timeout(std::chrono::nanoseconds limit, std::source_location where) && {
    detail::check_may_block("shutdown_timeout", where);
    auto* const pool = std::exchange(pool_, nullptr);
    if (pool == nullptr) return;
    const auto deadline = time::saturating_add(std::chrono::steady_clock::now(), limit);
    const auto& here = detail::this_thread;
    pool->idleness().cancel_all(deadline, here.in_place_of == pool || here.blocking_work_of == pool);
    pool->shutdown().begin();
    pool->shutdown().wait(deadline);
    pool->shutdown().end_blocking(deadline);
    pool->release();
}

void runtime::shutdown_background() && noexcept {
    auto* const pool = std::exchange(pool_, nullptr);
    if (pool == nullptr) return;
    pool->shutdown().begin();
    pool->threads().detach();
    pool->shutdown().end_blocking({});
    pool->release();
}

runtime_ended runtime::shutdown_on_idle() && noexcept {
    auto* const pool = std::exchange(pool_, nullptr);
    if (pool != nullptr) pool->idleness().close_when_idle();
    return runtime_ended(pool);
}

runtime_ended runtime::shutdown_now() && noexcept {
    auto* const pool = std::exchange(pool_, nullptr);
    if (pool != nullptr) pool->shutdown().begin();
    return runtime_ended(pool);
}

// ---- runtime_ended ----

runtime_ended::~runtime_ended() {
    if (pool_ == nullptr) return;
    pool_->threads().detach();
    // A runtime that waits to be idle keeps its blocking threads. They end with it and are not joined.
    if (pool_->shutdown().is_closing()) pool_->shutdown().end_blocking({});
    pool_->release();
}

poll_result<void> runtime_ended::poll(context& cx) {
    if (pool_ == nullptr) return poll_result<void>::ready();
    return pool_->shutdown().poll_closed(cx.waker()) ? poll_result<void>::ready() : poll_result<void>(not_ready);
}

void runtime_ended::wait(std::source_location where) {
    if (pool_ == nullptr || pool_->is_in_child()) return;
    // Before the shutdown has begun, this also waits until the runtime is idle.
    pool_->shutdown().is_closing() ? detail::check_may_block("wait", where)
                                   : detail::check_may_await_idle(*pool_, "wait", where);
    pool_->shutdown().wait(std::nullopt);
}

namespace detail {
namespace {

/// Returns whether the work on this thread keeps the pool from being idle.
bool keeps_busy_here(const pool& awaited) noexcept {
    if (worker_of(awaited) != nullptr || this_thread.blocking_work_of == &awaited ||
        this_thread.ends_worker_of == &awaited)
        return true;
    if (this_thread.in_place_of != &awaited) return false;
    const spawned_task* const task = polled_task::outermost();
    return task == nullptr || !task_state<shared_word>::is_background(*task);
}

}  // namespace

void check_may_block(const pool& shared, const char* what, std::source_location where) {
    if (shared.is_in_child()) {
        throw misuse(std::string(what) +
                         "() was called on a runtime of the parent process, whose threads are not in this one: after a "
                         "fork, make a new runtime in the child",
                     where);
    }
    check_may_block(what, where);
}

void check_may_await_idle(const pool& awaited, const char* what, std::source_location where) {
    if (keeps_busy_here(awaited)) {
        throw nested_runtime(
            std::string(what) +
                "() was called by work of the very runtime that it waits for, so it would wait for itself: call it on "
                "a separate thread, or in spawn_blocking of another runtime (spawn_blocking of this runtime and "
                "block_in_place do not help)",
            where);
    }
    check_may_block(awaited, what, where);
}

}  // namespace detail
}  // namespace eddy
