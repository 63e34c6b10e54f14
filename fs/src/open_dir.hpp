// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <memory>
#include <utility>

#include <eddy/fs/dir.hpp>

#include "sys/fd.hpp"

namespace eddy::fs::detail {

/// What the copies of a `dir` share, with the jobs that use it.
struct open_dir {
    sys::unique_fd fd;
    std::filesystem::path path;

    open_dir(sys::unique_fd its, std::filesystem::path from) noexcept : fd(std::move(its)), path(std::move(from)) {}
};

using shared_dir = std::shared_ptr<const open_dir>;

/// Makes directories from their parts, and back.
struct dir_access {
    static dir make(sys::unique_fd fd, std::filesystem::path path) {
        return dir(std::make_shared<const open_dir>(std::move(fd), std::move(path)));
    }
    static const shared_dir& parts(const dir& of) noexcept { return of.opened_; }
};

}  // namespace eddy::fs::detail
