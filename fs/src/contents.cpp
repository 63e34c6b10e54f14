// SPDX-License-Identifier: MIT
// The operations on paths that read and write contents.
#include <algorithm>
#include <filesystem>
#include <utility>

#include <eddy/detail/utf8.hpp>
#include <eddy/error.hpp>
#include <eddy/fs/paths.hpp>

#include "contents_copy.hpp"
#include "job.hpp"
#include "opening.hpp"
#include "replace_file.hpp"
#include "sys/content_calls.hpp"
#include "sys/copy_calls.hpp"
#include "sys/metadata_calls.hpp"
#include "sys/open_calls.hpp"
#include "sys/storage_calls.hpp"

namespace eddy::fs {
namespace {

using detail::call;
using eddy::sys::unique_fd;

template <class C>
std::span<std::byte> bytes_of(C& from) noexcept {
    return std::as_writable_bytes(std::span(from));
}

/// Reads a file into a container, up to its end: the size that the system knows is 0 for files of /proc, and the file
/// may grow meanwhile.
template <class C>
eddy::result<C> read_whole(const std::filesystem::path& path, std::size_t most) {
    const auto fd = detail::open_fd(path, open_options().read(true));
    if (!fd) return std::unexpected(fd.error());
    const auto size = eddy::sys::size_of(fd->get());
    if (!size) return std::unexpected(size.error());
    if (*size > most) return std::unexpected(make_error_code(errc::file_too_large));
    C into;
    std::size_t filled = 0;
    // One byte more than the size: the read that finds the end needs no larger container.
    for (into.resize(static_cast<std::size_t>(*size) + 1);;) {
        if (filled == into.size()) into.resize(std::max(into.size() * 2, std::size_t{4096}));
        const auto count = eddy::sys::read_some(fd->get(), bytes_of(into).subspan(filled), filled);
        if (!count) return std::unexpected(count.error());
        if (*count == 0) break;
        filled += *count;
        if (filled > most) return std::unexpected(make_error_code(errc::file_too_large));
    }
    into.resize(filled);
    return into;
}

/// Closes a file that was written, and returns the error of that.
eddy::result<void> finish(unique_fd& fd) { return eddy::sys::close_file(fd.release()); }

/// Makes an operation that owns a copy of `bytes`.
template <class F>
operation<void> with_bytes(const char* name, std::filesystem::path path, io::const_buffer bytes, F f) {
    auto work = [copy = std::vector<std::byte>(bytes.bytes().begin(), bytes.bytes().end()), f](const call& of) {
        return f(of, std::span<const std::byte>(copy));
    };
    return detail::blocking(call(name, std::move(path)), std::move(work));
}

eddy::result<void> append_all(int fd, std::span<const std::byte> from) {
    while (!from.empty()) {
        const auto made = eddy::sys::append_some(fd, from);
        if (!made) return std::unexpected(made.error());
        if (made->count == 0) return std::unexpected(make_error_code(eddy::errc::write_zero));
        from = from.subspan(made->count);
    }
    return {};
}

// ---- Copies ----

result<std::uint64_t> copy_regular(const call& of) {
    constexpr std::size_t most_in_step = 1024 * 1024 * 1024;
    const auto source = detail::open_fd(of.path, open_options().read(true));
    if (!source) return of.fail_at(side::first, source.error());
    const auto found = eddy::sys::metadata_of(source->get());
    if (!found) return of.fail_at(side::first, found.error());
    // Not truncated before it is known that it is another file.
    const auto access = found->permissions & std::filesystem::perms::all;
    auto target = detail::open_fd(of.other, open_options().write(true).create(true).mode(access));
    if (!target) return of.fail_at(side::second, target.error());
    const auto replaced = eddy::sys::metadata_of(target->get());
    if (!replaced) return of.fail_at(side::second, replaced.error());
    if (found->device == replaced->device && found->inode == replaced->inode)
        return std::unexpected(of.fail(make_error_code(errc::same_file)));
    // Before the first byte, so that a file that others could read does not show it. Writes would clear the other bits.
    if (const auto done = eddy::sys::set_permissions(target->get(), access); !done)
        return of.fail_at(side::second, done.error());
    if (const auto emptied = eddy::sys::truncate(target->get(), 0); !emptied)
        return of.fail_at(side::second, emptied.error());
    detail::contents_copy contents(source->get(), target->get());
    for (bool is_whole = false; !is_whole;) {
        const auto copied = contents.step(most_in_step);
        if (!copied) return std::unexpected(of.fail(copied.error()));
        is_whole = *copied;
    }
    const auto permissions =
        eddy::sys::permissions_of_copy(found->type, found->permissions, eddy::sys::has_owner_of(*replaced, *found));
    if (permissions != access) {
        if (const auto done = eddy::sys::set_permissions(target->get(), permissions); !done)
            return of.fail_at(side::second, done.error());
    }
    if (const auto done = finish(*target); !done) return of.fail_at(side::second, done.error());
    return contents.size();
}

}  // namespace

operation<std::vector<std::byte>> read(std::filesystem::path path, std::size_t most) {
    return detail::blocking(call("read", std::move(path)),
                            [most](const call& of) { return read_whole<std::vector<std::byte>>(of.path, most); });
}

operation<std::string> read_to_string(std::filesystem::path path, std::size_t most) {
    auto work = [most](const call& of) -> eddy::result<std::string> {
        auto text = read_whole<std::string>(of.path, most);
        if (text && !eddy::detail::is_utf8(*text)) return std::unexpected(make_error_code(eddy::errc::invalid_utf8));
        return text;
    };
    return detail::blocking(call("read", std::move(path)), std::move(work));
}

operation<void> write(std::filesystem::path path, io::const_buffer bytes) {
    return with_bytes("write", std::move(path), bytes,
                      [](const call& of, std::span<const std::byte> from) -> eddy::result<void> {
                          auto fd = detail::open_fd(of.path, open_options().write(true).create(true).truncate(true));
                          if (!fd) return std::unexpected(fd.error());
                          const auto written = eddy::sys::write_all(fd->get(), from, 0);
                          return written ? finish(*fd) : written;
                      });
}

operation<void> append(std::filesystem::path path, io::const_buffer bytes) {
    return with_bytes("append to", std::move(path), bytes,
                      [](const call& of, std::span<const std::byte> from) -> eddy::result<void> {
                          auto fd = detail::open_fd(of.path, open_options().append(true).create(true));
                          if (!fd) return std::unexpected(fd.error());
                          const auto written = append_all(fd->get(), from);
                          return written ? finish(*fd) : written;
                      });
}

operation<void> write_atomically(std::filesystem::path path, io::const_buffer bytes) {
    return with_bytes("write", std::move(path), bytes, [](const call& of, std::span<const std::byte> from) {
        return detail::replace_file(of.path, from);
    });
}

operation<std::uint64_t> copy(std::filesystem::path from, std::filesystem::path to) {
    return detail::blocking(call("copy", std::move(from), std::move(to)),
                            [](const call& of) { return copy_regular(of); });
}

}  // namespace eddy::fs
