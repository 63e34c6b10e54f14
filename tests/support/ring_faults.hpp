// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

// What can go wrong between an io_uring and its kernel, made to go wrong at random. Nothing in the library knows of it:
// the test is linked so that its calls of liburing come by here (ring_faults.cpp; `--wrap` of ld(1)).
//
// Each fault is one that a kernel shows, with all that it does besides: a receive that ends for no reason has ended,
// since it was cancelled; a send that has sent less was given less; an entry that was not taken is still in the queue.
// Entries that were taken are filled with junk, and of each provided buffer it is known who has it.

namespace support {

enum class ring_fault : std::uint8_t {
    interrupted,       ///< enter() does not wait, or says EINTR
    nothing_taken,     ///< enter() says EAGAIN, and has done nothing
    busy,              ///< enter() says EBUSY, and has done nothing
    some_taken,        ///< enter() takes some of the entries, and neither waits nor looks for completions
    short_send,        ///< less was sent
    refused_send,      ///< nothing was sent: EAGAIN, ENOBUFS, ENOMEM, EINTR or ECANCELED
    ended_receive,     ///< a receive ends by itself: ECANCELED, ENOBUFS, ENOMEM, EAGAIN or EINTR
    ended_with_bytes,  ///< a receive's bytes are its last, without the word that more come
    ended_poll,        ///< the watch of the epoll ends
    count
};

/// How often, in a thousand times that it could happen.
class fault_chances {
public:
    fault_chances() noexcept { of_.fill(0); }
    fault_chances& set(ring_fault what, unsigned in_thousand) noexcept {
        of_[static_cast<std::size_t>(what)] = in_thousand;
        return *this;
    }
    fault_chances& set_all(unsigned in_thousand) noexcept {
        of_.fill(in_thousand);
        return *this;
    }
    [[nodiscard]] unsigned of(ring_fault what) const noexcept { return of_[static_cast<std::size_t>(what)]; }

private:
    std::array<unsigned, static_cast<std::size_t>(ring_fault::count)> of_;
};

/// As long as this lives, rings that are made have so many entries, and these faults. They have to be gone before it
/// is. One at a time in a process.
class ring_faults {
public:
    /// Sizes of zero are left as the library wants them.
    ring_faults(std::uint64_t seed, const fault_chances& chances, unsigned submissions = 0, unsigned completions = 0);
    ring_faults(const ring_faults&) = delete;
    ring_faults& operator=(const ring_faults&) = delete;
    ~ring_faults();

    /// From now on, making a ring fails with this errno after so many have been made; making its buffers, likewise.
    void fail_to_make(int error, std::size_t after);
    void fail_to_make_buffers(int error);
    /// From now on, rings are made by a kernel that does not know these IORING_FEAT_ flags.
    void hide_features(unsigned flags);

    /// The next `count` enters that have entries to submit fail with EAGAIN, and do nothing.
    void reject_next_enters(unsigned count);
    /// Returns how many of these are still to come.
    [[nodiscard]] unsigned enters_to_reject() const noexcept;

    /// So often has it happened.
    [[nodiscard]] std::uint64_t happened(ring_fault what) const noexcept;
    /// So many rings were made, and so many are not gone.
    [[nodiscard]] std::size_t rings_made() const noexcept;
    [[nodiscard]] std::size_t rings_alive() const noexcept;
    /// So often were there completions in the kernel that had no room in the queue.
    [[nodiscard]] std::uint64_t overflows() const noexcept;
    /// So often was the queue of entries full when it was submitted.
    [[nodiscard]] std::uint64_t full_submissions() const noexcept;
    /// So often were the buffers of a ring mistaken: one was given back that the kernel had, or the kernel gave one
    /// that it did not have. Found at the next call of the ring.
    [[nodiscard]] std::uint64_t buffer_mistakes() const noexcept;
    /// So often has a kernel given a buffer away.
    [[nodiscard]] std::uint64_t buffers_used() const noexcept;
    /// The flags of io_uring_setup(2) that any ring had.
    [[nodiscard]] unsigned setup_flags() const noexcept;
};

/// Large pieces of memory that the library has mapped and not given back: the buffers of its rings.
[[nodiscard]] std::size_t mapped_buffers() noexcept;

}  // namespace support
