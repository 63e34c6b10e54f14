// SPDX-License-Identifier: MIT
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include <eddy/result.hpp>

#include "sys/fd.hpp"

/// Changes in directories, as the system reports them: inotify(7).
namespace eddy::sys {

enum class change_kind : unsigned char {
    created,
    modified,
    closed,  // by a program that had it open for writing
    metadata,
    removed,
    moved_from,
    moved_to,
    gone,      // the directory itself was removed, moved or unmounted
    ignored,   // the watch ended
    overflow,  // changes were lost
};

/// A change in a directory.
struct change {
    change_kind kind;
    bool is_directory;     // what the name refers to
    int watch;             // the directory
    std::uint32_t cookie;  // the same for both halves of a move
    std::string name;      // empty if the change concerns the directory itself

    change(change_kind what, bool of_directory, int its_watch, std::uint32_t its_cookie, std::string its_name) noexcept
        : kind(what), is_directory(of_directory), watch(its_watch), cookie(its_cookie), name(std::move(its_name)) {}
};

/// Makes a queue of changes. Its descriptor is readable while it has changes.
/// Errors: not_supported if the system has none; too_many_files_open also for the limit of queues of a user.
[[nodiscard]] result<unique_fd> make_change_queue() noexcept;

/// Adds the open directory `dir` to the queue. Returns its number, which is the same for a directory that was added
/// before. Blocks.
/// Errors: no_space_on_device for the limit of watches of a user.
[[nodiscard]] result<int> add_watch(int queue, int dir) noexcept;

/// Removes a directory from the queue. Does nothing if it was removed.
void remove_watch(int queue, int watch) noexcept;

/// The changes of one read of a queue.
struct taken_changes {
    std::vector<change> changes;
    bool is_all = true;  // the queue had no others

    taken_changes() noexcept {}  // NOLINT(modernize-use-equals-default): not an aggregate: GCC 12 bug
};
/// Takes changes from the queue. Never waits.
/// Errors: operation_would_block if it is empty.
[[nodiscard]] result<taken_changes> take_changes(int queue);

}  // namespace eddy::sys
