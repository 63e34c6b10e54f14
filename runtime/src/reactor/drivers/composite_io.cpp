// SPDX-License-Identifier: MIT
#include "reactor/drivers/composite_io.hpp"

#include <algorithm>
#include <mutex>
#include <new>
#include <utility>

#include <eddy/detail/frame_pool.hpp>

#include "reactor/source/rearmed_io.hpp"

namespace eddy::detail {

result<composite_io*> composite_io::make(source_set& sources) noexcept try {
    auto* const made = pool_new<composite_io>(sources);
    const auto added = sources.add_unwatched(*made);
    if (added) return made;
    made->release();
    return std::unexpected(added.error());
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

result<void> composite_io::add(int fd, io::interest wanted) noexcept try {
    const std::lock_guard guard(sources_.lock());
    fds_.reserve(fds_.size() + 1);
    if (auto added = sources_.watch_part(*this, fd, wanted); !added) return added;
    fds_.push_back(fd);
    return ok();
} catch (const std::bad_alloc&) {
    return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
}

result<void> composite_io::change(int fd, io::interest wanted) noexcept {
    const std::lock_guard guard(sources_.lock());  // also for the search: a removal must not come between
    if (auto known = check_has(fd); !known) return known;
    return sources_.change_part(*this, fd, wanted);
}

result<void> composite_io::remove(int fd) noexcept {
    const std::lock_guard guard(sources_.lock());
    if (auto known = check_has(fd); !known) return known;
    std::erase(fds_, fd);
    return sources_.unwatch_part(fd);
}

result<void> composite_io::deregister() noexcept {
    result<void> answer = ok();
    {
        const std::lock_guard guard(sources_.lock());
        for (const int fd : std::exchange(fds_, {})) {
            if (auto unwatched = sources_.unwatch_part(fd); !unwatched && answer) answer = unwatched;
        }
    }
    sources_.drop_source(*this);
    return answer;
}

void composite_io::rearm(io::ready over) noexcept {
    rearming_driver* const driver = sources_.driver().rearming();
    if (driver == nullptr) return;
    const std::lock_guard guard(sources_.lock());
    for (const int fd : fds_) driver->rearm(fd, this, over);
}

void composite_io::destroy() noexcept { pool_delete(this); }

/// The caller holds the lock.
result<void> composite_io::check_has(int fd) const noexcept {
    if (std::ranges::find(fds_, fd) != fds_.end()) return ok();
    return std::unexpected(std::make_error_code(std::errc::no_such_file_or_directory));
}

}  // namespace eddy::detail
