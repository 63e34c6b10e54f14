// SPDX-License-Identifier: MIT
#include "sys/beneath.hpp"

#include <string_view>
#include <utility>

#include <eddy/error.hpp>
#include <eddy/fs/error.hpp>

#include "sys/path_text.hpp"
#include "sys/windows/nt_file.hpp"
#include "sys/windows/open_parts.hpp"

namespace eddy::sys {
namespace {

constexpr std::string_view slashes = "/\\";

std::unexpected<std::error_code> refusal(std::error_code why) { return std::unexpected(why); }

/// Removes the first part of the path and returns it.
std::string_view take_part(std::string_view& path) {
    const auto end = path.find_first_of(slashes);
    const auto part = path.substr(0, end);
    path.remove_prefix(end == std::string_view::npos ? path.size() : end + 1);
    return part;
}

/// Returns why a path cannot be resolved below a directory. A colon means a drive, or a stream of a file.
std::error_code flaw_of(std::string_view path) {
    if (is_bad_path(path)) return errc::bad_path;
    if (slashes.contains(path.front()) || path.contains(':')) return fs::errc::outside;
    return {};
}

/// Splits a path before its last part. Ignores slashes at its end.
std::pair<std::string, std::string> split(const std::string& path) {
    const auto end = path.find_last_not_of(slashes) + 1;
    const auto slash = end == 0 ? std::string::npos : path.find_last_of("/\\:", end - 1);
    const auto begin = slash == std::string::npos ? 0 : slash + 1;
    return {path.substr(0, begin), path.substr(begin, end - begin)};
}

bool is_no_name(std::string_view part) { return part.empty() || part == "." || part == ".."; }

result<unique_fd> unless_link(result<unique_fd>&& opened) {
    if (opened && is_link(opened->get()))
        return refusal(std::make_error_code(std::errc::too_many_symbolic_link_levels));
    return std::move(opened);
}

result<place> found_in(result<unique_fd>&& folder, place&& found) {
    if (!folder) return refusal(folder.error());
    found.opened = *std::move(folder);
    found.dir = found.opened.get();
    return std::move(found);
}

}  // namespace

bool is_bad_path(std::string_view path) noexcept { return path.empty() || path.contains('\0'); }

result<unique_fd> open_parts(int dir, std::string_view path, const open_request& last, links last_is) {
    if (const auto flaw = flaw_of(path)) return refusal(flaw);
    unique_fd at;
    std::string_view name;  // of the part before `path`; empty for the directory
    while (!path.empty()) {
        const auto part = take_part(path);
        if (part == "..") return refusal(fs::errc::outside);
        if (part.empty() || part == ".") continue;
        if (!name.empty()) {
            auto next = unless_link(open_entry(at ? at.get() : dir, name, as_directory()));
            if (!next) return next;
            at = *std::move(next);
        }
        name = part;
    }
    auto opened = open_entry(at ? at.get() : dir, name, last);
    return last_is == links::followed ? std::move(opened) : unless_link(std::move(opened));
}

result<unique_fd> open_folder_beneath(int dir, const std::string& path) {
    return open_parts(dir, path, as_directory(), links::refused);
}

result<unique_fd> open_folder(const std::string& path) {
    if (is_bad_path(path)) return refusal(errc::bad_path);
    return open_path(path, as_directory());
}

result<unique_fd> open_for_search(int dir, const std::string& path) { return open_folder_beneath(dir, path); }

result<unique_fd> open_for_watch(int, const std::string&) {
    return refusal(std::make_error_code(std::errc::not_supported));
}

result<place> find_beneath(int dir, const std::string& path) {
    if (const auto flaw = flaw_of(path)) return refusal(flaw);
    auto [folder, name] = split(path);
    if (is_no_name(name)) return refusal(fs::errc::no_name);
    place found(dir, std::move(name));
    if (folder.empty()) return found;
    return found_in(open_folder_beneath(dir, folder), std::move(found));
}

std::filesystem::path without_end_slashes(const std::filesystem::path& path) {
    const auto text = text_of(path);
    const auto end = text.find_last_not_of(slashes);
    const bool is_root = end == std::string::npos || text[end] == ':';
    return is_root ? path : std::filesystem::path(path.native().substr(0, path.native().find_last_not_of(L"/\\") + 1));
}

result<place> find_anywhere(const std::string& path) {
    if (is_bad_path(path)) return refusal(errc::bad_path);
    auto [folder, name] = split(path);
    if (is_no_name(name)) return refusal(fs::errc::no_name);
    if (folder.empty()) folder = ".";
    return found_in(open_path(folder, as_directory()), place(-1, std::move(name)));
}

}  // namespace eddy::sys
