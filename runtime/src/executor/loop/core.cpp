// SPDX-License-Identifier: MIT
#include <eddy/runtime/core.hpp>

#include <memory>
#include <new>
#include <string_view>
#include <system_error>
#include <utility>

#include <eddy/time/clock.hpp>

#include "executor/loop/core_shared.hpp"
#include "executor/reports/leaks.hpp"
#include "executor/task/hook.hpp"
#include "reactor/choose.hpp"

namespace eddy {
// ---- core_handle ----

core_handle core_handle::current(std::source_location where) {
    if (auto* const loop = detail::this_thread.running_loop) return core_handle(*loop);
    throw misuse(
        "no event loop runs on this thread: call this inside core.run(); inside eddy::run() or a runtime use "
        "eddy::handle::current()",
        where);
}

std::optional<core_handle> core_handle::try_current() noexcept {
    if (auto* const loop = detail::this_thread.running_loop) return core_handle(*loop);
    return std::nullopt;
}

core_remote core_handle::remote() const noexcept { return core_remote(*loop_); }

result<reactor_handle> core_handle::reactor(std::source_location where) const {
    detail::check_thread(*loop_, where);
    if (loop_->is_closed()) return std::unexpected(make_error_code(errc::runtime_shutdown));
    if (loop_->io() == nullptr) return std::unexpected(make_error_code(errc::io_disabled));
    loop_->io()->retain();
    return reactor_handle(loop_->io());
}

core_metrics core_handle::metrics(std::source_location where) const {
    detail::check_thread(*loop_, where);
    return loop_->metrics();
}
std::uint64_t core_handle::id() const noexcept { return loop_->id(); }

// ---- core_remote ----

std::optional<core_handle> core_remote::try_handle() const noexcept {
    if (loop_->is_running()) return core_handle(*loop_);
    return std::nullopt;
}

std::uint64_t core_remote::id() const noexcept { return loop_->id(); }

// ---- core ----

core::core(std::source_location where) : loop_(nullptr) {
    auto made = make(where);
    if (!made) throw std::system_error(made.error(), detail::with_driver_asked_for("eddy::core", made.error()));
    loop_ = std::exchange(made->loop_, nullptr);
}

result<core> core::make(std::source_location where) noexcept { return builder().build(where); }

core_builder core::builder() noexcept { return {}; }

core::~core() {
    if (loop_ == nullptr) return;
    loop_->close();
    loop_->release();
}

void core::turn(std::optional<std::chrono::nanoseconds> max_wait, std::source_location where) {
    own("core::turn()", where).turn(max_wait, where);
}

int core::native_handle(std::source_location where) {
    detail::core_shared& loop = own("core::native_handle()", where);
    detail::check_thread(loop, where);
    return loop.io() != nullptr ? loop.io()->native_handle() : -1;
}
std::optional<std::chrono::steady_clock::time_point> core::next_deadline(std::source_location where) {
    detail::core_shared& loop = own("core::next_deadline()", where);
    detail::check_thread(loop, where);
    return loop.next_deadline();
}

void core::shutdown_timeout(std::chrono::nanoseconds limit, std::source_location where) && {
    core mine(std::move(*this));
    if (mine.loop_ == nullptr) return;
    const auto deadline = time::saturating_add(std::chrono::steady_clock::now(), limit);
    mine.loop_->cancel_all(deadline, where);
}

std::uint64_t core::id() const noexcept { return loop_ == nullptr ? 0 : loop_->id(); }
core_metrics core::metrics(std::source_location where) const {
    return loop_ == nullptr ? core_metrics(0, 0, 0, io_metrics()) : handle(where).metrics(where);
}

std::optional<driver_kind> core::driver() const noexcept {
    return loop_ == nullptr ? std::nullopt : loop_->chosen().driver;
}

std::string_view core::why_driver() const noexcept {
    return loop_ == nullptr ? "none: this core was moved from" : loop_->chosen().why_driver;
}

// ---- core_builder ----

result<core> core_builder::build(std::source_location where) const noexcept try {
    detail::core_shared::settings chosen;
    chosen.reports_deadlocks = report_deadlocks_;
    chosen.made_at = where;
    chosen.start_paused = start_paused_;
    chosen.spin = spin_;
    chosen.on_uncaught = on_uncaught_;
    chosen.on_unobserved_error = on_unobserved_error_;
    chosen.on_leaks = on_leaks_ ? *on_leaks_ : detail::leak_handler_by_environment();
    chosen.seed = seed_;
    chosen.stalls = {stall_limit_, on_stall_};
    chosen.observes = detail::observer::make(hooks_, poll_time_histogram_, task_statistics_);
    chosen.why_driver = "none: I/O is not enabled";
    if (enable_io_) {
        const auto choice = detail::choose_and_make(driver_, [&](driver_kind kind) -> result<void> {
            const auto io = detail::io_handle::make(kind, max_io_events_);
            if (!io) return std::unexpected(io.error());
            chosen.io.reset(*io);
            return ok();
        });
        if (!choice) return std::unexpected(choice.error());
        chosen.driver = choice->kind;
        chosen.why_driver = choice->why;
    }
    return core(*new detail::core_shared(std::move(chosen)));
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

}  // namespace eddy
