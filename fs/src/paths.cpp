// SPDX-License-Identifier: MIT
#include <eddy/fs/paths.hpp>

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <eddy/error.hpp>

#include "job.hpp"
#include "open_file.hpp"
#include "opening.hpp"
#include "sys/attribute_calls.hpp"
#include "sys/dir_entry_calls.hpp"
#include "sys/metadata_calls.hpp"
#include "sys/open_calls.hpp"
#include "sys/path_text.hpp"
#include "sys/storage_calls.hpp"

namespace eddy::fs {
namespace {

using detail::call;

/// Makes an operation on a path that calls `f` with it.
template <class F>
auto on_path(const char* operation, std::filesystem::path path, F f) {
    using output = std::invoke_result_t<F&, const std::filesystem::path&>;
    auto work = [f = std::move(f)](const call& of) mutable -> output {
        if (const auto valid = detail::check_path(of.path); !valid) return output(std::unexpect, valid.error());
        return f(of.path);
    };
    return detail::blocking(call(operation, std::move(path)), std::move(work));
}

/// Makes an operation on two paths that calls `f`, a function of std::filesystem, with them.
template <class F>
operation<void> on_two_paths(const char* operation, std::filesystem::path from, std::filesystem::path to, F f) {
    auto work = [f](const call& of) -> result<void> {
        if (const auto valid = detail::check_path(of.path); !valid) return of.fail_at(side::first, valid.error());
        if (const auto valid = detail::check_path(of.other); !valid) return of.fail_at(side::second, valid.error());
        std::error_code error;
        f(of.path, of.other, error);
        if (!error) return {};
        const auto failed = detail::failed_side(eddy::sys::current_directory, eddy::sys::text_of(of.path), error);
        return of.fail_at(failed, error);
    };
    return detail::blocking(call(operation, std::move(from), std::move(to)), std::move(work));
}

/// Calls a function of std::filesystem, whose last parameter is an error code.
template <class F>
auto checked(F f) -> eddy::result<std::invoke_result_t<F&, std::error_code&>> {
    using output = std::invoke_result_t<F&, std::error_code&>;
    std::error_code error;
    if constexpr (std::is_void_v<output>) {
        f(error);
        if (error) return std::unexpected(error);
        return {};
    } else {
        auto made = f(error);
        if (error) return std::unexpected(error);
        return made;
    }
}

}  // namespace

operation<void> rename(std::filesystem::path from, std::filesystem::path to) {
    return on_two_paths(
        "rename", std::move(from), std::move(to),
        [](const auto& old, const auto& now, std::error_code& error) { std::filesystem::rename(old, now, error); });
}

operation<void> remove(std::filesystem::path path) {
    return on_path("remove", std::move(path), [](const std::filesystem::path& of) -> eddy::result<void> {
        const auto removed = checked([&](std::error_code& error) { return std::filesystem::remove(of, error); });
        if (!removed) return std::unexpected(removed.error());
        if (!*removed) return std::unexpected(std::make_error_code(std::errc::no_such_file_or_directory));
        return {};
    });
}

operation<void> create_dir(std::filesystem::path path, std::filesystem::perms mode) {
    return on_path("create", std::move(path), [mode](const std::filesystem::path& of) {
        return eddy::sys::make_directory(eddy::sys::current_directory, eddy::sys::text_of(of),
                                         static_cast<unsigned>(mode));
    });
}

operation<void> create_dirs(std::filesystem::path path) {
    return on_path("create", std::move(path), [](const std::filesystem::path& of) -> eddy::result<void> {
        const auto made =
            checked([&](std::error_code& error) { return std::filesystem::create_directories(of, error); });
        if (!made) return std::unexpected(made.error());
        return {};
    });
}

operation<std::filesystem::path> canonical(std::filesystem::path path) {
    return on_path("resolve", std::move(path), [](const std::filesystem::path& of) {
        return checked([&](std::error_code& error) { return std::filesystem::canonical(of, error); });
    });
}

operation<std::filesystem::path> read_link(std::filesystem::path path) {
    return on_path("read the link", std::move(path), [](const std::filesystem::path& of) {
        return checked([&](std::error_code& error) { return std::filesystem::read_symlink(of, error); });
    });
}

operation<void> hard_link(std::filesystem::path target, std::filesystem::path link) {
    return on_two_paths("link", std::move(target), std::move(link),
                        [](const auto& old, const auto& now, std::error_code& error) {
                            std::filesystem::create_hard_link(old, now, error);
                        });
}

operation<void> symlink(std::filesystem::path target, std::filesystem::path link) {
    auto work = [](const call& of) -> result<void> {
        if (const auto valid = detail::check_path(of.path); !valid) return of.fail_at(side::first, valid.error());
        if (const auto valid = detail::check_path(of.other); !valid) return of.fail_at(side::second, valid.error());
        std::error_code error;
        std::filesystem::create_symlink(of.path, of.other, error);
        if (error) return of.fail_at(side::second, error);  // the target is not looked at
        return {};
    };
    return detail::blocking(call("link", std::move(target), std::move(link)), std::move(work));
}

operation<bool> exists(std::filesystem::path path) {
    return on_path("stat", std::move(path), [](const std::filesystem::path& of) -> eddy::result<bool> {
        const auto found = eddy::sys::metadata_at(eddy::sys::current_directory, eddy::sys::text_of(of).c_str(), true);
        if (found) return true;
        if (found.error() == std::errc::no_such_file_or_directory || found.error() == std::errc::not_a_directory)
            return false;
        return std::unexpected(found.error());
    });
}

operation<file_metadata> metadata(std::filesystem::path path) {
    return on_path("stat", std::move(path), [](const std::filesystem::path& of) {
        return eddy::sys::metadata_at(eddy::sys::current_directory, eddy::sys::text_of(of).c_str(), true);
    });
}

operation<file_metadata> symlink_metadata(std::filesystem::path path) {
    return on_path("stat", std::move(path), [](const std::filesystem::path& of) {
        return eddy::sys::metadata_at(eddy::sys::current_directory, eddy::sys::text_of(of).c_str(), false);
    });
}

operation<void> set_permissions(std::filesystem::path path, std::filesystem::perms permissions) {
    return on_path("chmod", std::move(path), [permissions](const std::filesystem::path& of) {
        return checked([&](std::error_code& error) { std::filesystem::permissions(of, permissions, error); });
    });
}

namespace {

operation<void> change_owner(std::filesystem::path path, std::optional<std::uint32_t> user,
                             std::optional<std::uint32_t> group, bool follow_link) {
    return on_path("chown", std::move(path), [=](const std::filesystem::path& of) {
        return eddy::sys::set_owner_at(eddy::sys::text_of(of), user.value_or(eddy::sys::same_owner),
                                       group.value_or(eddy::sys::same_owner), follow_link);
    });
}

/// Makes an operation on a path and the name of an attribute, which calls `f` with their texts.
template <class F>
auto on_attribute(const char* operation, std::filesystem::path path, std::string name, F f) {
    auto work = [name = std::move(name), f = std::move(f)](const std::filesystem::path& of) {
        using output = std::invoke_result_t<F&, const std::string&, const std::string&>;
        if (name.empty() || name.contains('\0'))
            return output(std::unexpect, std::make_error_code(std::errc::invalid_argument));
        return f(eddy::sys::text_of(of), name);
    };
    return on_path(operation, std::move(path), std::move(work));
}

}  // namespace

operation<void> set_owner(std::filesystem::path path, std::optional<std::uint32_t> user,
                          std::optional<std::uint32_t> group) {
    return change_owner(std::move(path), user, group, true);
}

operation<void> set_symlink_owner(std::filesystem::path path, std::optional<std::uint32_t> user,
                                  std::optional<std::uint32_t> group) {
    return change_owner(std::move(path), user, group, false);
}

operation<void> set_times(std::filesystem::path path, std::optional<file_time> accessed,
                          std::optional<file_time> modified) {
    return on_path("set the times of", std::move(path), [=](const std::filesystem::path& of) {
        return eddy::sys::set_times_at(eddy::sys::text_of(of), accessed, modified);
    });
}

operation<void> truncate(std::filesystem::path path, std::uint64_t size) {
    return on_path("truncate", std::move(path), [size](const std::filesystem::path& of) -> eddy::result<void> {
        if (size > detail::last_offset) return std::unexpected(std::make_error_code(std::errc::file_too_large));
        return checked([&](std::error_code& error) { std::filesystem::resize_file(of, size, error); });
    });
}

operation<file_system_info> file_system(std::filesystem::path path) {
    return on_path("statfs", std::move(path),
                   [](const std::filesystem::path& of) { return eddy::sys::file_system_of(eddy::sys::text_of(of)); });
}

operation<std::vector<std::byte>> xattr(std::filesystem::path path, std::string name) {
    return on_attribute("get an attribute of", std::move(path), std::move(name), eddy::sys::attribute_of);
}

operation<std::vector<std::string>> xattrs(std::filesystem::path path) {
    return on_path("list the attributes of", std::move(path),
                   [](const std::filesystem::path& of) { return eddy::sys::attributes_of(eddy::sys::text_of(of)); });
}

operation<void> set_xattr(std::filesystem::path path, std::string name, io::const_buffer value) {
    auto set = [bytes = std::vector(value.bytes().begin(), value.bytes().end())](const std::string& of,
                                                                                 const std::string& attribute) {
        return eddy::sys::set_attribute(of, attribute, bytes);
    };
    return on_attribute("set an attribute of", std::move(path), std::move(name), std::move(set));
}

operation<void> remove_xattr(std::filesystem::path path, std::string name) {
    return on_attribute("remove an attribute of", std::move(path), std::move(name), eddy::sys::remove_attribute);
}

operation<file> temp_file(std::filesystem::path dir) {
    auto work = [](const call& of) -> eddy::result<file> {
        const auto in = detail::or_temporary(of.path);
        auto options = open_options().read(true).write(true).mode(std::filesystem::perms(0600));
        auto unnamed = detail::open(in, open_options(options).temporary(true));
        // EISDIR: a kernel without O_TMPFILE; EOPNOTSUPP: for example overlayfs.
        if (unnamed || (unnamed.error() != std::errc::operation_not_supported &&
                        unnamed.error() != std::errc::not_supported && unnamed.error() != std::errc::is_a_directory)) {
            return unnamed;
        }
        const auto path = in / (".eddy." + eddy::sys::random_name());
        auto named = detail::open(path, options.create_new(true));
        if (!named) return named;
        if (auto gone = eddy::sys::remove_entry(eddy::sys::current_directory, eddy::sys::text_of(path)); !gone)
            return std::unexpected(gone.error());
        return named;
    };
    return detail::blocking(call("create a temporary file in", std::move(dir)), std::move(work));
}

operation<std::filesystem::path> temp_dir(std::filesystem::path dir) {
    auto work = [](const call& of) -> eddy::result<std::filesystem::path> {
        auto path = detail::or_temporary(of.path) / ("eddy." + eddy::sys::random_name());
        if (const auto valid = detail::check_path(path); !valid) return std::unexpected(valid.error());
        const auto made = eddy::sys::make_directory(eddy::sys::current_directory, eddy::sys::text_of(path), 0700);
        if (!made) return std::unexpected(made.error());
        return path;
    };
    return detail::blocking(call("create a temporary directory in", std::move(dir)), std::move(work));
}

}  // namespace eddy::fs
