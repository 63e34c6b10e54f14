// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <limits>
#include <optional>
#include <utility>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/fs/dir.hpp>
#include <eddy/fs/error.hpp>
#include <eddy/fs/metadata.hpp>
#include <eddy/stream/async_generator.hpp>

namespace eddy::fs {

/// An entry that a walk has found.
/// Thread safety: a plain value.
struct walk_entry : dir_entry {
    /// Of the entry itself, if it was asked for and could be read.
    std::optional<file_metadata> metadata;

    /// Has the constructors of dir_entry.
    using dir_entry::dir_entry;
};

/// Entries of one directory. A large directory is returned in several batches.
/// Thread safety: a plain value.
struct walk_batch {
    dir directory;                    ///< has the entries; it is open as long as the batch, or a copy of it, exists
    std::size_t depth;                ///< of the entries: 1 in the directory where the walk began
    std::vector<walk_entry> entries;  ///< 512 at most

    /// Constructs a batch without entries.
    walk_batch(const dir& of, std::size_t its_depth) noexcept : directory(of), depth(its_depth) {}
};

/// What walk() visits and returns.
/// Thread safety: a plain value.
class walk_options {
public:
    /// Decides by the path of a directory and an entry in it. It is called on threads for blocking work, on several of
    /// them at the same time. It must not throw.
    using filter = std::function<bool(const std::filesystem::path& directory, const walk_entry& entry)>;

    /// Constructs options with the defaults.
    walk_options() {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug

    /// Returns entries of these depths only. By default all of them.
    walk_options& min_depth(std::size_t depth) {
        min_depth_ = depth;
        return *this;
    }
    walk_options& max_depth(std::size_t depth) {
        max_depth_ = depth;
        return *this;
    }
    /// Reads the metadata of all entries. Off by default. It takes a system call for each entry.
    walk_options& metadata(bool on) {
        metadata_ = on;
        return *this;
    }
    /// Does not enter directories of other file systems. Off by default.
    walk_options& one_file_system(bool on) {
        one_file_system_ = on;
        return *this;
    }
    /// Reads up to this number of directories at the same time. 4 by default; 0 is treated as 1. With 1, a directory is
    /// followed by those in it.
    walk_options& concurrency(std::size_t directories) {
        concurrency_ = directories;
        return *this;
    }
    /// Returns only the entries for which the filter returns true. Directories that are not returned are entered.
    walk_options& only(filter returned) {
        only_ = std::move(returned);
        return *this;
    }
    /// Enters only the directories for which the filter returns true.
    walk_options& enter(filter entered) {
        enter_ = std::move(entered);
        return *this;
    }

    /// For the library: the options.
    [[nodiscard]] bool reads_metadata() const noexcept { return metadata_; }
    [[nodiscard]] bool stays_on_file_system() const noexcept { return one_file_system_; }
    [[nodiscard]] std::size_t concurrent_directories() const noexcept { return concurrency_ == 0 ? 1 : concurrency_; }
    [[nodiscard]] bool reaches(std::size_t depth) const noexcept { return depth <= max_depth_; }
    [[nodiscard]] bool returns(std::size_t depth, const std::filesystem::path& directory,
                               const walk_entry& entry) const {
        return depth >= min_depth_ && (!only_ || only_(directory, entry));
    }
    [[nodiscard]] bool enters(const std::filesystem::path& directory, const walk_entry& entry) const {
        return !enter_ || enter_(directory, entry);
    }

private:
    std::size_t min_depth_ = 1;
    std::size_t max_depth_ = std::numeric_limits<std::size_t>::max();
    std::size_t concurrency_ = 4;
    bool metadata_ = false;
    bool one_file_system_ = false;
    filter only_;
    filter enter_;
};

/// Returns a stream of all entries below a directory, in batches:
///
///     auto found = fs::walk("src", fs::walk_options().only(is_source));
///     while (auto batch = co_await found.next()) {
///         if (!*batch) report((*batch)->error());               // one directory could not be read; the walk goes on
///         else for (auto& entry : (*batch)->entries) use((*batch)->directory, entry);
///     }
///
/// Symbolic links are returned and not followed, also if another process replaces a directory by one meanwhile. Each
/// directory is opened by its name in the open directory above it. The order of the directories is not specified,
/// except that one is found before its entries.
/// Errors: an item that is an error is about one directory, which its path names.
/// Cancel safety: safe. Destroying the stream lets the jobs finish that have begun, and no further one begins.
/// Cost: one job for each directory, and for each 512 entries of a larger one. Directories are read ahead until each of
/// the concurrent jobs has a batch, and then when the next batch is awaited. A directory stays open until all
/// directories in it were opened.
[[nodiscard]] EDDY_API async_generator<result<walk_batch>> walk(std::filesystem::path from, walk_options options = {});
/// Same as above, from an open directory.
[[nodiscard]] EDDY_API async_generator<result<walk_batch>> walk(dir from, walk_options options = {});

}  // namespace eddy::fs
