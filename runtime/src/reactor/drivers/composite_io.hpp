// SPDX-License-Identifier: MIT
#pragma once

#include <vector>

#include <eddy/io/interest.hpp>
#include <eddy/result.hpp>

#include "reactor/drivers/source_set.hpp"
#include "reactor/source/scheduled_io.hpp"

namespace eddy::detail {

/// A source that adds its descriptors itself (io::event_source). Their events are reported together.
/// Thread safety: any thread. The list of descriptors is guarded by the lock of the source_set.
class composite_io final : public scheduled_io {
public:
    /// Registers a source without descriptors. The caller gets a reference.
    /// Errors: runtime_shutdown; not_enough_memory.
    [[nodiscard]] static result<composite_io*> make(source_set& sources) noexcept;
    explicit composite_io(source_set& sources) noexcept : sources_(sources) {}

    // SAFETY: make() has created each source of a registration without a descriptor of its own.
    static composite_io& of(scheduled_io& source) noexcept { return static_cast<composite_io&>(source); }

    /// Add, change and remove a descriptor.
    /// Errors: same as source_set::add_source() and remove_source(); no_such_file_or_directory if it was not added.
    result<void> add(int fd, io::interest wanted) noexcept;
    result<void> change(int fd, io::interest wanted) noexcept;
    result<void> remove(int fd) noexcept;
    /// Deregisters all descriptors and the source, and releases the caller's reference. Returns the first error.
    result<void> deregister() noexcept;

private:
    void rearm(io::ready over) noexcept override;
    void destroy() noexcept override;
    [[nodiscard]] result<void> check_has(int fd) const noexcept;

    source_set& sources_;  // alive while the source is registered
    std::vector<int> fds_;
};

}  // namespace eddy::detail
