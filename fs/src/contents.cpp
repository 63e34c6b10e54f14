// SPDX-License-Identifier: MIT
// The operations on paths that read and write contents.
#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>

#include <eddy/detail/utf8.hpp>
#include <eddy/error.hpp>
#include <eddy/fs/paths.hpp>

#include "job.hpp"
#include "opening.hpp"
#include "replace_file.hpp"
#include "sys/content_calls.hpp"
#include "sys/metadata_calls.hpp"
#include "sys/open_calls.hpp"
#include "sys/storage_calls.hpp"

namespace eddy::fs {
namespace {

using detail::call;
using eddy::sys::unique_fd;

constexpr std::size_t piece = 256 * 1024;

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

/// Copies by reads and writes, from the offsets on. Returns the number of bytes.
eddy::result<std::uint64_t> copy_pieces(int from, std::uint64_t from_offset, int to, std::uint64_t to_offset) {
    const auto buffer = std::make_unique_for_overwrite<std::byte[]>(piece);
    for (std::uint64_t copied = 0;;) {
        const std::span bytes(buffer.get(), piece);
        const auto count = eddy::sys::read_some(from, bytes, from_offset + copied);
        if (!count) return std::unexpected(count.error());
        if (*count == 0) return copied;
        const auto written = eddy::sys::write_all(to, bytes.first(*count), to_offset + copied);
        if (!written) return std::unexpected(written.error());
        copied += *count;
    }
}

/// Copies everything. The kernel may stop anywhere: reads and writes continue at the same offsets. Its 0 is not
/// necessarily the end: files of /proc are copied so.
eddy::result<std::uint64_t> copy_contents(int from, int to) {
    constexpr std::size_t most = 1024 * 1024 * 1024;
    std::uint64_t from_offset = 0, to_offset = 0;
    for (;;) {
        const auto count = eddy::sys::copy_range(from, from_offset, to, to_offset, most);
        if (!count && count.error() != std::errc::operation_not_supported) return std::unexpected(count.error());
        if (count && *count != 0) continue;
        const auto rest = copy_pieces(from, from_offset, to, to_offset);
        if (!rest) return rest;
        return to_offset + *rest;
    }
}

result<std::uint64_t> copy_regular(const call& of) {
    const auto source = detail::open_fd(of.path, open_options().read(true));
    if (!source) return of.fail_at(side::first, source.error());
    const auto found = eddy::sys::metadata_of(source->get());
    if (!found) return of.fail_at(side::first, found.error());
    // Not truncated before it is known that it is another file.
    auto target = detail::open_fd(of.other, open_options().write(true).create(true).mode(found->permissions));
    if (!target) return of.fail_at(side::second, target.error());
    const auto replaced = eddy::sys::metadata_of(target->get());
    if (!replaced) return of.fail_at(side::second, replaced.error());
    if (found->device == replaced->device && found->inode == replaced->inode)
        return std::unexpected(of.fail(make_error_code(errc::same_file)));
    // Before the first byte, so that a file that others could read does not show it. Writes would clear the other bits.
    const auto access = found->permissions & std::filesystem::perms::all;
    if (const auto done = eddy::sys::set_permissions(target->get(), access); !done)
        return of.fail_at(side::second, done.error());
    if (const auto emptied = eddy::sys::truncate(target->get(), 0); !emptied)
        return of.fail_at(side::second, emptied.error());
    const auto copied = copy_contents(source->get(), target->get());
    if (!copied) return std::unexpected(of.fail(copied.error()));
    if (const auto done = eddy::sys::set_permissions(target->get(), found->permissions); !done)
        return of.fail_at(side::second, done.error());
    if (const auto done = finish(*target); !done) return of.fail_at(side::second, done.error());
    return *copied;
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
