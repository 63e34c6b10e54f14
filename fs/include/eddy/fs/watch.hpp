// SPDX-License-Identifier: MIT
#pragma once

#include <chrono>
#include <filesystem>
#include <optional>
#include <source_location>
#include <system_error>
#include <utility>
#include <vector>

#include <eddy/detail/export.hpp>
#include <eddy/fs/error.hpp>
#include <eddy/stream/async_generator.hpp>
#include <eddy/task/task.hpp>

namespace eddy::fs {

/// What has happened to a file or directory.
enum class change_kind : unsigned char {
    created,   ///< it was created, or moved in from a place that is not watched
    modified,  ///< the contents were written or truncated
    closed,    ///< a program that had it open for writing has closed it (Linux, FreeBSD)
    metadata,  ///< permissions, owner, times, or the number of links
    removed,   ///< it was removed, or moved to a place that is not watched
    renamed,   ///< it was moved from `old_path`
    rescan,    ///< changes below the path may be missing: look for yourself. `reason` says why
};

/// A change that watch() reports.
/// Thread safety: a plain value.
struct change {
    change_kind kind;                ///< what has happened
    std::filesystem::path path;      ///< begins with a path that was given to watch()
    std::filesystem::path old_path;  ///< of `renamed`: the path before
    bool is_directory = false;       ///< what the path refers to
    /// Of `rescan`: no_buffer_space if the kernel's queue was full. no_space_on_device if the limit of watches is
    /// reached (fs.inotify.max_user_watches): directories below the path are not watched. too_many_files_open, with
    /// kqueue(2): directories below the path, or files in it, are not watched. Otherwise the reason why a directory, or
    /// the file of the path, cannot be watched: permission_denied if it may not be read.
    std::error_code reason;

    /// Constructs a change of `its_path`.
    change(change_kind its_kind, std::filesystem::path its_path, bool of_directory) noexcept
        : kind(its_kind), path(std::move(its_path)), is_directory(of_directory) {}
};

/// What watch() watches.
/// Thread safety: a plain value.
class watch_options {
public:
    /// Constructs options with the defaults.
    watch_options() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug

    /// Also watches all directories below, and those that appear later. On by default.
    watch_options& recursive(bool on) noexcept {
        recursive_ = on;
        return *this;
    }

    /// Reads all directories again after each pause of this length, and compares what they have, in place of the
    /// notices of the system: for network file systems, where the system reports no changes of other machines, for
    /// FUSE, and on Windows. Differences to the other way:
    ///
    /// - Changes that another one has undone meanwhile are not reported, nor contents that change while the size and
    /// the
    ///   time of the last change stay the same. `closed` and `renamed` are never reported: a rename is `removed` and
    ///   `created`. A file that is replaced by another one is `modified`.
    /// - A path that does not exist may appear, also again, wherever it is: the stream does not end. The directory that
    ///   was given is reported itself, too.
    /// - A directory that cannot be read is `rescan` with the reason, once; the entries below it are not `removed`. So
    /// a
    ///   server that does not answer for a while has no effect.
    ///
    /// Cost: each time, the cost of walk() with metadata; memory for each path. The stream polls while its next() is
    /// awaited.
    /// Errors of watch(): what stat(2) reports for a path, apart from one that does not exist.
    watch_options& poll_every(std::chrono::nanoseconds pause) noexcept {
        pause_ = pause;
        return *this;
    }

    /// For the library: the options.
    [[nodiscard]] bool is_recursive() const noexcept { return recursive_; }
    [[nodiscard]] const std::optional<std::chrono::nanoseconds>& pause() const noexcept { return pause_; }

private:
    std::optional<std::chrono::nanoseconds> pause_;
    bool recursive_ = true;
};

/// The stream of watch().
using change_stream = async_generator<result<change>>;

/// Begins to watch files and directories, and returns a stream of their changes:
///
///     auto changes = co_await try_(fs::watch("config"));
///     while (auto change = co_await changes.next()) reload((*change)->path);
///
/// Each change that begins after watch() has returned is reported. To miss nothing, read the files after that.
///
/// - A directory: the changes of the entries in it, and of all below it. Symbolic links below it are not followed. If
///   the directory itself is removed or moved, the change is `removed`, and it is watched no longer. The stream ends
///   when no directory is left.
/// - A file, or a path that does not exist in a directory that does: the changes of the file that the path leads to, by
///   whichever name they are made: through a symbolic link, by another hard link, or where the file is mounted. The
///   path is watched, too: its name, the symbolic links in it, and each name in their texts. If it then leads to
///   another file, this is `created`, perhaps twice, and if it leads to none, `removed`. So a file is still watched
///   after a program has replaced it, or a link on the way to it, by a rename. A move of the file is `removed`. If the
///   directory that contains the path is removed or moved, this is `removed`, too, and the path is watched no longer.
/// - Where a path or a symbolic link leads is not noticed to change by a mount(2). A directory that was given by a
///   symbolic link stays the one to which the link has led.
/// - What is in a directory that appears is reported as `created`, perhaps more than once, because it may have appeared
///   before the directory was watched.
/// - A directory that is renamed is still watched, with its new path. A rename shortly after the directory has appeared
///   may be reported as `removed` and `created`.
/// - A program that applies each change to a set of paths has those that exist: `removed` also stands for all below the
///   path, and `renamed` moves all below it and replaces what was there. There is one exception: if another process
///   renames a directory in the moment in which it is added, what is below it may be missed.
///
/// macOS and the BSDs have kqueue(2), which reports that an open directory or file has changed, and not what. So
/// watch() keeps all directories and regular files open, reads a directory that has changed again, and reports the
/// differences:
///
/// - A change that another one has undone meanwhile is not reported. Several changes may be one: a file that is created
///   and written is `created`.
/// - The contents and metadata of a file that may not be read are not watched, nor are those of anything but files and
///   directories.
///
/// Errors: errc::unwatchable on Windows, without watch_options::poll_every(). What inotify_init1(2) or kqueue(2)
/// reports; too_many_files_open also for the limit of queues (fs.inotify.max_user_instances). The errors of opening and
/// watching the paths that were given; needs /proc on Linux. Throws misuse without an event loop. An error in the
/// stream is the last item: errc::runtime_shutdown.
/// Cancel safety: the future is safe to drop. A dropped next() loses no change.
/// Lifetime: the stream is to be used in the event loop or runtime that it was made in.
/// Cost: one descriptor, and one watch of the kernel (about 1 KiB) for each directory. For a file, one for it, one for
/// its directory, and one for each directory in which a symbolic link leads on. A job for each 512 entries below a
/// path, for each directory that appears, and for each change of the path of a file. With kqueue(2), a descriptor for
/// each directory and each file in it, and a job for each change of names.
EDDY_API task<result<change_stream>> watch(std::vector<std::filesystem::path> paths, watch_options options = {});
EDDY_API task<result<change_stream>> watch(std::filesystem::path path, watch_options options = {});

}  // namespace eddy::fs
