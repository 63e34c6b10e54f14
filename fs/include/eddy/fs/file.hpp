// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <source_location>
#include <span>
#include <utility>

#include <eddy/detail/export.hpp>
#include <eddy/fs/error.hpp>
#include <eddy/fs/file_futures.hpp>
#include <eddy/fs/metadata.hpp>
#include <eddy/fs/open_options.hpp>
#include <eddy/fs/operation.hpp>
#include <eddy/future/detail/operation_guard.hpp>
#include <eddy/io/async_seek.hpp>
#include <eddy/io/buffer.hpp>
#include <eddy/result.hpp>
#include <eddy/task/task.hpp>

namespace eddy::fs {

namespace detail {
class file_sender;
}  // namespace detail

/// How a part of a file will be used; see file::advise().
enum class access_pattern : unsigned char {
    normal,        ///< no particular order
    sequential,    ///< from the start to the end
    random,        ///< in any order: do not read ahead
    will_need,     ///< soon: read it into the page cache now
    will_not_need  ///< not soon: the page cache may drop it
};

/// Whether several files may have a lock; see file::lock().
enum class lock_kind : unsigned char {
    exclusive,  ///< only one; the file must be open for writing
    shared      ///< several, but none while one has an exclusive lock; the file must be open for reading
};

/// A lock of an open file. An open file has one lock, together with its clones: while there are several objects for it,
/// the last call decides its kind, and the destructor of the last object releases it.
/// Thread safety: not synchronized.
/// Lifetime: keeps the file open, also if the fs::file is destroyed.
class EDDY_API file_lock {
public:
    /// For the library: owns the lock of `locked`.
    explicit file_lock(std::shared_ptr<detail::open_file> locked) noexcept;
    file_lock(file_lock&& other) noexcept;
    file_lock& operator=(file_lock other) noexcept;
    ~file_lock();

private:
    std::shared_ptr<detail::open_file> locked_;
};

/// An open file. It is a reader, a writer and seekable (io::async_read, io::async_write, io::async_seek), so
/// io::copy(), io::lines(), framed codecs and bodies of HTTP work with it.
///
/// It has no buffer for writes: when a write is ready, the system has its bytes. Nothing is lost without a flush, and
/// poll_flush() has nothing to do. Bytes are on the disk after sync_data() or sync_all(). A program that writes small
/// pieces puts an io::buf_writer around it, and flushes that one.
///
/// A read takes up to 256 KiB from the page cache on this thread, with preadv2(RWF_NOWAIT), which costs the task's coop
/// budget one unit for 16 KiB. A task of a runtime also writes up to 256 KiB to a local file itself, as in
/// block_in_place(), at the same cost. If the cache has nothing, and for all other operations, there is a job on a
/// thread for blocking work, see spawn_blocking(), which copies the bytes. See fs::metrics().
///
/// Errors: any error of the system call; errc::closed after close(); errc::runtime_shutdown if the runtime shuts down
/// before a job begins. They have the path that the file was opened with. The functions poll_* report them without it.
/// Cancel safety: a job that no thread has begun does not happen if the future is destroyed. One that has begun
/// finishes: a write is made, and the result of a read is discarded. After a dropped write, the next operation of the
/// stream, sync or close() first waits for the write, and reports its error. The page fs/docs/files.md has a table.
/// Thread safety: read_at(), write_at() and their variants, and locks, may be called from several threads, and be
/// pending at the same time. Of all others, one at a time: a second one throws `misuse`, with the locations of both. An
/// operation is pending from its first poll until it is ready or its future is destroyed.
/// Lifetime: the file must outlive its futures. It may be moved while they are pending. The descriptor stays open until
/// the last job has ended.
/// Cost: three allocations for the file. A job needs a switch to another thread and back, and five allocations. A file
/// whose stream has used jobs keeps the memory of the largest one, at most 1 MiB for each direction.
class EDDY_API file {
public:
    /// For the library: owns an open file.
    explicit file(std::unique_ptr<detail::file_body> body) noexcept;
    file(file&& other) noexcept;
    file& operator=(file&& other) noexcept;
    /// Closes the file, or lets the last job do that. Ignores the error of close(2); see close().
    ~file();

    /// Opens for reading. Same as open_options().read(true).open(path).
    [[nodiscard]] static operation<file> open(std::filesystem::path path);
    /// Creates a file for writing, or makes the size of an existing one 0. Same as
    /// open_options().write(true).create(true).truncate(true).open(path).
    [[nodiscard]] static operation<file> create(std::filesystem::path path);
    /// Creates a file for reading and writing that must not exist. Same as
    /// open_options().read(true).write(true).create_new(true).open(path).
    [[nodiscard]] static operation<file> create_new(std::filesystem::path path);

    /// Returns the path that the file was opened with.
    [[nodiscard]] const std::filesystem::path& path() const;
    /// Returns the descriptor, which this object owns; on Windows, the number of the handle.
    [[nodiscard]] int native_handle() const;

    // ---- The stream: a position, which reads and writes advance ----

    /// Reads at least one byte at the position, and returns the count. Returns 0 at the end of the file, or if `into`
    /// is empty. At most 1 MiB is read at once.
    /// Errors: throws `misuse` for an empty std::string or std::vector, which has no room: resize() it first.
    /// Cancel safety: safe. The position does not change.
    /// Lifetime: `into` must outlive the future.
    [[nodiscard]] file_read read(io::mutable_buffer into) { return {body(), detail::buffers(into.bytes())}; }
    template <eddy::detail::growing_bytes C>
    [[nodiscard]] file_read read(C& into, std::source_location where = std::source_location::current()) {
        return {body(where), detail::buffers(eddy::detail::room_of(into, eddy::detail::no_room_to_read, where))};
    }
    /// Same as read(), into several buffers in order.
    [[nodiscard]] file_read read_vectored(std::span<const std::span<std::byte>> into) {
        return {body(), detail::buffers<std::byte>(into)};
    }

    /// Writes at the position, or at the end after open_options::append(true), and returns the count. At most 1 MiB is
    /// written at once; io::write_all() writes everything.
    /// Cancel safety: not safe. A write that has begun is made.
    /// Lifetime: `from` must outlive the future.
    [[nodiscard]] file_write write(io::const_buffer from) { return {body(), detail::buffers(from.bytes())}; }
    /// Same as write(), from several buffers in order.
    [[nodiscard]] file_write write_vectored(std::span<const std::span<const std::byte>> from) {
        return {body(), detail::buffers<const std::byte>(from)};
    }

    /// Changes the position and returns it, in bytes from the start. It may be after the end.
    /// Errors: invalid_argument for a position before the start.
    [[nodiscard]] file_seek seek(io::seek_from to) { return {body(), to}; }
    /// Returns the position, in bytes from the start. Each file has its own, also after try_clone().
    [[nodiscard]] std::uint64_t position() const { return body()->position(); }

    /// The functions of the concepts. A write that is repeated with the same bytes, after its future was dropped, is
    /// made once, if no other operation of the stream comes between. A read that is repeated so may return what the
    /// file had at the time of the first.
    poll_result<eddy::result<std::size_t>> poll_read(context& cx, std::span<std::byte> into);
    poll_result<eddy::result<std::size_t>> poll_read_vectored(context& cx, std::span<const std::span<std::byte>> into);
    poll_result<eddy::result<std::size_t>> poll_write(context& cx, std::span<const std::byte> from);
    poll_result<eddy::result<std::size_t>> poll_write_vectored(context& cx,
                                                               std::span<const std::span<const std::byte>> from);
    poll_result<eddy::result<void>> poll_flush(context& cx);
    poll_result<eddy::result<void>> poll_shutdown(context& cx);
    eddy::result<void> start_seek(io::seek_from to);
    poll_result<eddy::result<std::uint64_t>> poll_seek_complete(context& cx);

    // ---- At a position ----

    /// Same as read(), `offset` bytes from the start. Does not use the position of the stream.
    /// Errors: invalid_argument if `offset` is above 2^63 - 1.
    [[nodiscard]] file_read_at read_at(io::mutable_buffer into, std::uint64_t offset) const {
        return {body(), detail::buffers(into.bytes()), offset};
    }
    template <eddy::detail::growing_bytes C>
    [[nodiscard]] file_read_at read_at(C& into, std::uint64_t offset,
                                       std::source_location where = std::source_location::current()) const {
        const auto room = eddy::detail::room_of(into, eddy::detail::no_room_to_read, where);
        return {body(where), detail::buffers(room), offset};
    }
    [[nodiscard]] file_read_at read_vectored_at(std::span<const std::span<std::byte>> into,
                                                std::uint64_t offset) const {
        return {body(), detail::buffers<std::byte>(into), offset};
    }

    /// Same as write(), `offset` bytes from the start. Does not use the position of the stream.
    /// Errors: invalid_argument if `offset` is above 2^63 - 1; errc::append_only after open_options::append(true),
    /// because Linux would append.
    [[nodiscard]] file_write_at write_at(io::const_buffer from, std::uint64_t offset) const {
        return {body(), detail::buffers(from.bytes()), offset};
    }
    [[nodiscard]] file_write_at write_vectored_at(std::span<const std::span<const std::byte>> from,
                                                  std::uint64_t offset) const {
        return {body(), detail::buffers<const std::byte>(from), offset};
    }

    // ---- The whole file ----

    /// Returns the size in bytes.
    [[nodiscard]] file_operation<std::uint64_t> size();
    /// Changes the size. Bytes that are added are 0. The position stays.
    [[nodiscard]] file_operation<void> truncate(std::uint64_t size);
    /// Makes sure that there is space on the disk for `size` bytes from `offset`, so that writes there do not fail with
    /// no_space_on_device. The file becomes larger if it has to.
    /// Errors: operation_not_supported if the file system, or the system, cannot do that.
    [[nodiscard]] file_operation<void> allocate(std::uint64_t offset, std::uint64_t size);
    /// Tells the system how `size` bytes from `offset` will be used; a size of 0 means to the end.
    [[nodiscard]] file_operation<void> advise(access_pattern pattern, std::uint64_t offset = 0, std::uint64_t size = 0);
    /// Waits until the contents, and the size, are on the disk.
    [[nodiscard]] file_operation<void> sync_data();
    /// Waits until the contents and the metadata are on the disk.
    [[nodiscard]] file_operation<void> sync_all();

    /// Returns what the system knows about the file.
    [[nodiscard]] file_operation<file_metadata> metadata();
    [[nodiscard]] file_operation<void> set_permissions(std::filesystem::perms permissions);
    /// Changes the owner and the group, as fs::set_owner() does.
    [[nodiscard]] file_operation<void> set_owner(std::optional<std::uint32_t> user, std::optional<std::uint32_t> group);
    /// Changes the times; nullopt leaves one as it is.
    [[nodiscard]] file_operation<void> set_times(std::optional<file_time> accessed, std::optional<file_time> modified);

    /// Returns another object for the same open file. It has a position of its own, which starts at the position of
    /// this one, and shares the locks.
    task<result<file>> try_clone(std::source_location where = std::source_location::current());

    /// Waits for a lock of the whole file. The lock excludes other open files, of this process, too, that also ask for
    /// it; see F_OFD_SETLK in fcntl(2). It does not prevent reads and writes. On systems without such locks, see
    /// flock(2). The task asks again after pauses from 1 ms to 100 ms, so no thread waits.
    /// Errors: bad_file_descriptor if the file is not open for what the kind needs.
    /// Cancel safety: safe. A lock that a dropped future has got is released, unless there is a file_lock for it.
    task<result<file_lock>> lock(lock_kind kind = lock_kind::exclusive);
    /// Returns a lock, or nullopt if another open file has one that excludes it.
    /// Errors, cancel safety: same as lock().
    [[nodiscard]] file_operation<std::optional<file_lock>> try_lock(lock_kind kind = lock_kind::exclusive);

    /// Closes the file, after the jobs that have begun, and returns the error of close(2): on network file systems, the
    /// bytes of earlier writes may not have been stored. After an error of a dropped write, closes the file, too, and
    /// returns that error. Every later operation fails with errc::closed.
    /// Cancel safety: not safe. The file may be closed, and the error is lost.
    [[nodiscard]] file_operation<void> close();

private:
    friend detail::file_sender;
    friend eddy::detail::guard_access;
    [[nodiscard]] eddy::detail::operation_guard* read_guard() const noexcept {
        return body_ == nullptr ? nullptr : &body_->guard();
    }
    [[nodiscard]] eddy::detail::operation_guard* write_guard() const noexcept { return read_guard(); }
    [[nodiscard]] detail::file_body* body(std::source_location where = std::source_location::current()) const {
        if (body_ == nullptr) eddy::detail::throw_empty("an operation", "fs::file", "moved from", where);
        return body_.get();
    }

    std::unique_ptr<detail::file_body> body_;
};

}  // namespace eddy::fs
