// SPDX-License-Identifier: MIT
#include <eddy/runtime/core_thread.hpp>

#include <functional>
#include <future>
#include <new>
#include <optional>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/error.hpp>
#include <eddy/sync/oneshot.hpp>

#include "executor/task/hook.hpp"
#include "reactor/choose.hpp"
#include "sys/affinity.hpp"
#include "sys/thread.hpp"

namespace eddy {

/// The thread of a core_thread. The thread ends when `stop` is destroyed.
struct core_thread::running {
    sys::thread thread;
    std::optional<core_remote> remote;
    std::optional<sync::oneshot<void>::sender> stop;

    ~running() {
        if (!thread.is_joinable()) return;
        if (thread.is_this_thread()) {
            detail::fatal_misuse(
                "a core_thread was destroyed on its own thread, by work that it runs: it cannot wait for itself. Own "
                "it outside of its work, and destroy it on another thread");
        }
        try {
            // Sends the end of the thread as work, so that earlier work is started before the thread ends.
            static_cast<void>(remote->spawn([stop = std::move(stop)]() mutable { stop.reset(); }));
        } catch (const std::bad_alloc&) {  // NOLINT(bugprone-empty-catch): the closure and the sender are destroyed
        }
        thread.join();
    }
};

namespace {

/// What the thread needs.
struct loop_work {
    core_builder settings;
    std::vector<unsigned> processors;
    std::function<void()> on_start;
    std::function<void()> on_stop;
    std::promise<result<core_remote>> started;
    sync::oneshot<void>::receiver stopped;

    /// Runs the event loop until the sender of `stopped` is destroyed.
    void operator()() noexcept {
        const sys::thread_binding bound(processors);
        if (on_start) on_start();
        run();
        if (on_stop) on_stop();
    }

private:
    void run() {
        auto made = settings.build();
        if (!made) return started.set_value(std::unexpected(made.error()));
        started.set_value(made->remote());
        static_cast<void>(made->run(stopped));
    }
};

}  // namespace

core_thread::core_thread(std::unique_ptr<running> thread) noexcept : thread_(std::move(thread)) {}

core_thread::core_thread() {
    auto made = make();
    if (!made) throw std::system_error(made.error(), detail::with_driver_asked_for("eddy::core_thread", made.error()));
    thread_ = std::move(made->thread_);
}

result<core_thread> core_thread::make() noexcept { return builder().build(); }

result<core_thread> core_thread_builder::build() const noexcept try {
    if (!processors_.empty()) {
        if (const auto known = sys::processors_of_this_thread(); !known) return std::unexpected(known.error());
    }
    auto [stop, stopped] = sync::oneshot<void>::channel();
    core_builder settings = loop_;
    static_cast<detail::executor_settings&>(settings) = static_cast<const detail::executor_settings&>(*this);
    settings.hooks_.thread_start = settings.hooks_.thread_stop = nullptr;  // not the hooks of the loop
    std::promise<result<core_remote>> promise;
    auto started = promise.get_future();
    auto thread = std::make_unique<core_thread::running>();
    auto begun = sys::start_thread(
        thread_name_, stack_size_,
        loop_work{std::move(settings), processors_, detail::guarded("on_thread_start()", hooks_.thread_start),
                  detail::guarded("on_thread_stop()", hooks_.thread_stop), std::move(promise), std::move(stopped)});
    if (!begun) return std::unexpected(begun.error());
    thread->thread = *std::move(begun);
    auto remote = started.get();
    if (!remote) {
        thread->thread.join();
        return std::unexpected(remote.error());
    }
    thread->remote.emplace(*remote);
    thread->stop.emplace(std::move(stop));
    return core_thread(std::move(thread));
} catch (const std::system_error& error) {
    return std::unexpected(error.code());
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

core_thread::core_thread(core_thread&&) noexcept = default;
core_thread& core_thread::operator=(core_thread&&) noexcept = default;
core_thread::~core_thread() = default;

core_remote core_thread::remote(std::source_location where) const {
    if (thread_ == nullptr) detail::throw_empty("core_thread::remote()", "core_thread", "moved from", where);
    return *thread_->remote;
}

}  // namespace eddy
