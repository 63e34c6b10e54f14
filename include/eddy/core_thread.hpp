// SPDX-License-Identifier: MIT
#pragma once

#include <memory>
#include <source_location>

#include <eddy/core.hpp>
#include <eddy/core_handle.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/result.hpp>

namespace eddy {

/// A loop on a thread of its own: `core_thread worker; auto value = worker.remote().call(f).get();`
///
/// Destroying it ends the loop after the work that was sent before, and joins the thread; tasks that have not ended by
/// then are destroyed, there.
/// Thread safety: remote() and its copies anywhere; destroy it on any thread but its own.
class EDDY_API core_thread {
public:
    /// Throws std::system_error if there are too many descriptors or threads.
    core_thread();
    /// As the constructor, with the error as a value.
    [[nodiscard]] static result<core_thread> make() noexcept;

    core_thread(core_thread&&) noexcept;
    core_thread& operator=(core_thread&&) noexcept;
    ~core_thread();

    /// Throws `misuse` if this was moved from.
    [[nodiscard]] core_remote remote(std::source_location where = std::source_location::current()) const;

private:
    struct running;
    explicit core_thread(std::unique_ptr<running> thread) noexcept;

    std::unique_ptr<running> thread_;
};

}  // namespace eddy
