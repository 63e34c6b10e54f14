// SPDX-License-Identifier: MIT
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <eddy/detail/export.hpp>
#include <eddy/fs/error.hpp>
#include <eddy/stream/async_generator.hpp>

namespace eddy::fs {

/// Returns a stream of the paths that match a pattern of a shell, each once:
///
///     auto found = fs::glob("*.[ch]pp");
///     while (auto path = co_await found.next()) use(co_await try_(std::move(*path)));
///
/// | in a pattern | matches |
/// |---|---|
/// | `*` | any characters of a name, also none |
/// | `?` | one character of a name, which is UTF-8; an invalid byte is a character |
/// | `[a-z_]`, `[!a-z]`, `[^a-z]` | one of these characters, one of all others |
/// | `**` as a whole part | any number of directories, also none. As the last part, all that is below, too |
/// | `\\` and a character | the character itself |
/// | `/` at the end | directories only |
///
/// As in bash with `shopt -s globstar`: a name that begins with a dot needs a pattern that begins with one, and `**`
/// enters neither directories whose names do nor symbolic links to directories. The other parts follow links. Character
/// classes (`[[:alpha:]]`), braces and the tilde have no meaning. A path begins as its pattern does, and ends with a
/// slash if the pattern does.
///
/// A part without a wildcard is looked up, without the right to read its directory. Paths of one directory are sorted
/// by their bytes, and come before those from the directories in it.
///
/// Errors: an item that is an error is about one directory that cannot be read, which its path names; the search goes
/// on. eddy::errc::bad_path for a pattern that is empty or has a NUL.
/// Cancel safety: safe, as of walk().
/// Cost: one job for up to 64 directories, or 512 paths. A directory is read once, and as a whole.
[[nodiscard]] EDDY_API async_generator<result<std::filesystem::path>> glob(std::string pattern);

/// Returns whether a name, without slashes, matches a pattern of glob(): for walk_options::only(), for example.
[[nodiscard]] EDDY_API bool matches_glob(std::string_view pattern, std::string_view name) noexcept;

}  // namespace eddy::fs
