// SPDX-License-Identifier: MIT
#pragma once

#ifdef EDDY_NO_THREADS
#error "this eddy was built without threads (EDDY_NO_THREADS): use eddy::core or eddy::run instead of eddy::core_thread"
#endif

#include <chrono>
#include <memory>
#include <source_location>
#include <string>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/result.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/core_handle.hpp>
#include <eddy/runtime/thread_builder.hpp>

namespace eddy {

class core_thread_builder;

/// An event loop on a dedicated thread: `core_thread worker; auto value = worker.remote().call(f).get();`
///
/// The destructor ends the event loop after all work that was sent before it has started, and joins the thread. Tasks
/// that have not ended by then are destroyed on that thread.
/// Thread safety: remote() and its copies may be used on any thread. Do not destroy the object on its own thread: that
/// ends the process.
class EDDY_API core_thread {
public:
    /// Starts the thread and its event loop.
    /// Errors: throws std::system_error, for example if there are too many descriptors or threads.
    core_thread();
    /// Same as the constructor, but returns the error.
    [[nodiscard]] static result<core_thread> make() noexcept;
    /// Returns a builder with the default settings.
    [[nodiscard]] static core_thread_builder builder() noexcept;

    /// A moved-from object is empty. The move assignment shuts down the thread that this object had before.
    core_thread(core_thread&&) noexcept;
    core_thread& operator=(core_thread&&) noexcept;
    /// Ends the event loop and joins the thread; see the class comment.
    ~core_thread();

    /// Returns a handle to send work to the event loop.
    /// Errors: throws `misuse` if this object is empty.
    [[nodiscard]] core_remote remote(std::source_location where = std::source_location::current()) const;

private:
    friend class core_thread_builder;
    struct running;
    explicit core_thread(std::unique_ptr<running> thread) noexcept;

    std::unique_ptr<running> thread_;
};

/// The settings of a core_thread.
/// Thread safety: not synchronized; use one object from one thread at a time.
class EDDY_API core_thread_builder : public thread_builder<core_thread_builder> {
public:
    /// Constructs a builder with the default settings.
    core_thread_builder() noexcept = default;
    /// Sets the name of the thread, which debuggers show. The system keeps the first 15 bytes. The default is the name
    /// of the thread that starts it, on Linux.
    core_thread_builder& thread_name(std::string name) {
        thread_name_ = std::move(name);
        return *this;
    }
    /// Same as core_builder::spin_before_sleep(), for an event loop that has a processor for itself; see affinity().
    /// Errors: throws `misuse` for a negative duration.
    core_thread_builder& spin_before_sleep(std::chrono::nanoseconds limit,
                                           std::source_location where = std::source_location::current()) {
        loop_.spin_before_sleep(limit, where);
        return *this;
    }

    /// Starts the thread and its event loop. on_thread_start() has been called when it returns.
    /// Errors: same as core_builder::build(); std::errc::resource_unavailable_try_again for too many threads;
    /// errc::affinity_unsupported.
    [[nodiscard]] result<core_thread> build() const noexcept;

private:
    std::string thread_name_;
    core_builder loop_;  // its own settings; those that it has in common with this builder are set by build()
};

inline core_thread_builder core_thread::builder() noexcept { return {}; }

}  // namespace eddy
