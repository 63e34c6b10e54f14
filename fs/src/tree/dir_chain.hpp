// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include <eddy/result.hpp>

#include "sys/dir_entry_calls.hpp"
#include "sys/fd.hpp"

namespace eddy::fs::detail {

/// Open directories, each of them in the one before. The way from the top of a tree to the place where a depth-first
/// visit is. No path is resolved again on the way back, so renamed directories and symbolic links cannot divert it.
///
/// Only the innermost `kept_open` are open, so the depth of a tree is not limited by the number of descriptors. An
/// outer one is opened again by "..", and must still be the same directory. fts(3) of glibc does the same.
class dir_chain {
public:
    static constexpr std::size_t kept_open = 64;

    explicit dir_chain(sys::unique_fd top) { links_.emplace_back(std::move(top)); }

    /// Returns the descriptor of the innermost directory.
    [[nodiscard]] int innermost() const noexcept { return links_.back().fd.get(); }

    /// Enters a subdirectory of the innermost directory. A symbolic link is not followed.
    /// Errors: not_a_directory for a symbolic link or a file; the errors of openat(2).
    [[nodiscard]] eddy::result<void> enter(const std::string& name);

    /// Returns to the directory before. Returns the innermost one, which the chain has no longer.
    /// Errors: resource_unavailable_try_again if another process moved the innermost directory, and the outer one is
    /// not open any more.
    [[nodiscard]] eddy::result<sys::unique_fd> leave();

private:
    struct link {
        sys::unique_fd fd;
        sys::file_identity identity;  // known if `fd` was closed

        explicit link(sys::unique_fd its) noexcept : fd(std::move(its)) {}
    };

    /// Closes a directory, if it is open, and remembers which one it is.
    [[nodiscard]] static eddy::result<void> close(link& outer);

    std::vector<link> links_;
};

}  // namespace eddy::fs::detail
