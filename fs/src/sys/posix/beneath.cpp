// SPDX-License-Identifier: MIT
#include "sys/beneath.hpp"

#include <fcntl.h>

#include <cerrno>
#include <climits>
#include <string_view>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/fs/error.hpp>

#include "sys/syscall.hpp"

namespace eddy::sys {
namespace {

#if defined(O_PATH)
constexpr int for_search = O_PATH | O_DIRECTORY | O_CLOEXEC;
#else
constexpr int for_search = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
#endif

#if defined(O_PATH)
constexpr int for_watch = O_PATH | O_CLOEXEC;
#elif defined(O_EVTONLY)
constexpr int for_watch = O_EVTONLY | O_NONBLOCK | O_CLOEXEC;
#else
constexpr int for_watch = O_RDONLY | O_NONBLOCK | O_CLOEXEC;
#endif

constexpr int for_reading = O_RDONLY | O_DIRECTORY | O_NONBLOCK | O_CLOEXEC;

std::unexpected<std::error_code> refusal(std::error_code why) { return std::unexpected(why); }

/// Returns what openat(2) must refuse itself: with an absolute path it ignores the directory.
std::error_code flaw_of(std::string_view path) {
    if (is_bad_path(path)) return errc::bad_path;
    return path.starts_with('/') ? fs::errc::outside : std::error_code();
}

/// Removes the first part of the path and returns it.
std::string take_part(std::string_view& path) {
    const auto end = path.find('/');
    std::string part(path.substr(0, end));
    path.remove_prefix(end == std::string_view::npos ? path.size() : end + 1);
    return part;
}

/// Splits a path before its last part. Ignores slashes at its end.
std::pair<std::string, std::string> split(const std::string& path) {
    const auto end = path.find_last_not_of('/') + 1;
    const auto slash = end == 0 ? std::string::npos : path.rfind('/', end - 1);
    const auto begin = slash == std::string::npos ? 0 : slash + 1;
    return {path.substr(0, begin), path.substr(begin, end - begin)};
}

/// Returns whether the last part of a path is not a name that can be created or removed.
bool is_no_name(std::string_view part) { return part.empty() || part == "." || part == ".."; }

result<place> found_in(result<unique_fd>&& folder, place&& found) {
    if (!folder) return std::unexpected(folder.error());
    found.opened = *std::move(folder);
    found.dir = found.opened.get();
    return std::move(found);
}

bool has_only_slashes(std::string_view text) { return text.find_first_not_of('/') == std::string_view::npos; }

}  // namespace

bool is_bad_path(std::string_view path) noexcept { return path.empty() || path.contains('\0'); }

result<unique_fd> open_step_by_step(int dir, const std::string& path, int flags, unsigned mode) {
    if (const auto flaw = flaw_of(path)) return refusal(flaw);
    unique_fd at;
    std::string_view left = path;
    for (;;) {
        const std::string part = take_part(left);
        const bool is_last = has_only_slashes(left);
        if (part == "..") return refusal(fs::errc::outside);
        const char* const name = part.empty() ? "." : part.c_str();
        const bool must_be_directory = is_last && path.ends_with('/');
        const int how = is_last ? flags | O_CLOEXEC | (must_be_directory ? O_DIRECTORY : 0) : for_search;
        auto next = own_or_error(retry_interrupted(
            [&] { return ::openat(at ? at.get() : dir, name, how | O_NOFOLLOW, static_cast<mode_t>(mode)); }));
        if (!next || is_last) return next;
        at = *std::move(next);
    }
}

result<unique_fd> open_beneath(int dir, const std::string& path, int flags, unsigned mode, links allowed) {
    if (const auto flaw = flaw_of(path)) return refusal(flaw);
    if (path.size() >= PATH_MAX) return open_step_by_step(dir, path, flags, mode);  // no system call takes it
    if (auto opened = open_at_once(dir, path, flags, mode, allowed)) {
        if (!*opened && opened->error() == std::errc::cross_device_link) return refusal(fs::errc::outside);
        return *std::move(opened);
    }
    return open_step_by_step(dir, path, flags, mode);
}

result<unique_fd> open_folder_beneath(int dir, const std::string& path) {
    return open_beneath(dir, path, for_reading, 0, links::followed);
}

result<unique_fd> open_folder(const std::string& path) {
    if (is_bad_path(path)) return refusal(errc::bad_path);
    return own_or_error(retry_interrupted([&] { return ::open(path.c_str(), for_reading); }));
}

result<unique_fd> open_for_search(int dir, const std::string& path) {
    return open_beneath(dir, path, for_search, 0, links::refused);
}

result<unique_fd> open_for_watch(int dir, const std::string& name) {
    return own_or_error(retry_interrupted([&] { return ::openat(dir, name.c_str(), for_watch); }));
}

result<place> find_beneath(int dir, const std::string& path) {
    if (const auto flaw = flaw_of(path)) return refusal(flaw);
    auto [folder, name] = split(path);
    if (is_no_name(name)) return refusal(fs::errc::no_name);
    place found(dir, std::move(name));
    if (folder.empty()) return found;
    return found_in(open_beneath(dir, folder, for_search, 0, links::followed), std::move(found));
}

std::filesystem::path without_end_slashes(const std::filesystem::path& path) {
    const auto end = path.native().find_last_not_of('/');
    return end == std::string::npos ? path : std::filesystem::path(path.native().substr(0, end + 1));
}

result<place> find_anywhere(const std::string& path) {
    if (is_bad_path(path)) return refusal(errc::bad_path);
    auto [folder, name] = split(path);
    if (is_no_name(name)) return refusal(fs::errc::no_name);
    if (folder.empty()) folder = ".";
    return found_in(own_or_error(retry_interrupted([&] { return ::open(folder.c_str(), for_search); })),
                    place(-1, std::move(name)));
}

}  // namespace eddy::sys
