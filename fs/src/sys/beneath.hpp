// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <eddy/result.hpp>

#include "sys/fd.hpp"

/// Names that are resolved below an open directory only. The functions block.
///
/// A path is relative, and not empty (eddy::errc::bad_path). Its resolution never leaves the directory: not by "..",
/// not by a symbolic link, and not while another process renames directories or replaces them by symbolic links.
namespace eddy::sys {

/// Returns whether `path` is no path: empty, or with a NUL.
[[nodiscard]] bool is_bad_path(std::string_view path) noexcept;

/// Whether symbolic links in a path are followed.
enum class links : bool { refused, followed };

/// Opens `path` below the directory `dir`, with the flags and the mode of openat(2). Adds O_CLOEXEC.
///
/// Linux 5.6 and later, openat2(2): symbolic links and ".." may be followed if they stay below `dir`.
/// Elsewhere, and if `path` is longer than PATH_MAX: one openat(2) with O_NOFOLLOW for each part, so that no symbolic
/// link is followed. ".." is refused.
/// Errors: fs::errc::outside if the path leads out of the directory; too_many_symbolic_link_levels or not_a_directory
/// for a symbolic link that is not followed; resource_unavailable_try_again if other processes renamed directories in
/// each attempt; what openat(2) reports.
[[nodiscard]] result<unique_fd> open_beneath(int dir, const std::string& path, int flags, unsigned mode, links allowed);

/// Same as open_beneath() with links::refused, without openat2(2).
[[nodiscard]] result<unique_fd> open_step_by_step(int dir, const std::string& path, int flags, unsigned mode);

/// Same as open_beneath(), by one system call. Returns nullopt if the system has none.
[[nodiscard]] std::optional<result<unique_fd>> open_at_once(int dir, const std::string& path, int flags, unsigned mode,
                                                            links allowed) noexcept;

/// Opens a directory for reading.
[[nodiscard]] result<unique_fd> open_folder_beneath(int dir, const std::string& path);
/// Same as above, with a path of the process. Symbolic links are followed.
[[nodiscard]] result<unique_fd> open_folder(const std::string& path);
/// Opens a directory to search it, which needs no permission to read it. No symbolic link is followed.
[[nodiscard]] result<unique_fd> open_for_search(int dir, const std::string& path);

/// Opens what a name in a directory refers to, without an effect on it, and without a right to it: only to watch it,
/// and to ask for its metadata. Symbolic links are followed, also out of the directory.
[[nodiscard]] result<unique_fd> open_for_watch(int dir, const std::string& name);

/// An entry of a directory: the directory, and the name in it. The last part of a path is not followed.
struct place {
    unique_fd opened;  // the directory, if it is not the one where the path begins
    int dir;
    std::string name;

    place(int from, std::string last) noexcept : dir(from), name(std::move(last)) {}
};

/// Finds the place that `path` names below `dir`. Slashes at the end of `path` are ignored.
/// Errors: bad_path; fs::errc::no_name if the last part of the path is "." or ".."; the errors of open_beneath().
/// Lifetime: `dir` must stay open while the place is used.
[[nodiscard]] result<place> find_beneath(int dir, const std::string& path);

/// Same as find_beneath(), for a path of the process, which may be absolute. Its directory may be anywhere, and
/// symbolic links to it are followed.
[[nodiscard]] result<place> find_anywhere(const std::string& path);

/// Returns a path as the two functions above read it: without slashes at its end. "/" stays as it is.
[[nodiscard]] std::filesystem::path without_end_slashes(const std::filesystem::path& path);

}  // namespace eddy::sys
