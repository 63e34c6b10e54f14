// SPDX-License-Identifier: MIT
#pragma once

#ifdef EDDY_NO_THREADS
#error "this eddy was built without threads (EDDY_NO_THREADS): use eddy::core or eddy::run instead of eddy::core_thread"
#endif

#include <memory>
#include <source_location>

#include <eddy/detail/export.hpp>
#include <eddy/result.hpp>
#include <eddy/runtime/core.hpp>
#include <eddy/runtime/core_handle.hpp>

namespace eddy {

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

    /// A moved-from object is empty. The move assignment shuts down the thread that this object had before.
    core_thread(core_thread&&) noexcept;
    core_thread& operator=(core_thread&&) noexcept;
    /// Ends the event loop and joins the thread; see the class comment.
    ~core_thread();

    /// Returns a handle to send work to the event loop.
    /// Errors: throws `misuse` if this object is empty.
    [[nodiscard]] core_remote remote(std::source_location where = std::source_location::current()) const;

private:
    struct running;
    explicit core_thread(std::unique_ptr<running> thread) noexcept;

    std::unique_ptr<running> thread_;
};

}  // namespace eddy
