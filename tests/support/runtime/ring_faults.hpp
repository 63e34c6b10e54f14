// SPDX-License-Identifier: MIT
#pragma once

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>

// Random faults between an io_uring and its kernel. The library is unaware of them: the test program is linked with
// `--wrap` of ld(1), which redirects its calls of liburing to ring_faults.cpp.
//
// Each fault is one that a kernel can produce, including its side effects: a receive that ends for no reason was really
// cancelled, a short send was given fewer bytes, an entry that was not taken is still in the queue. Entries that were
// taken are overwritten with junk, and the owner of each provided buffer is tracked.

namespace support {

enum class ring_fault : std::uint8_t {
    interrupted,       ///< enter() does not wait, or returns EINTR
    nothing_taken,     ///< enter() returns EAGAIN or ENOMEM without an effect
    busy,              ///< enter() returns EBUSY without an effect
    some_taken,        ///< enter() takes some of the entries, and does not wait for completions
    short_send,        ///< fewer bytes are sent
    refused_send,      ///< nothing is sent: EAGAIN, ENOBUFS, ENOMEM, EINTR or ECANCELED
    ended_receive,     ///< a receive ends for no reason: ECANCELED, ENOBUFS, ENOMEM, EAGAIN or EINTR
    ended_with_bytes,  ///< a receive ends with its bytes: the completion lacks IORING_CQE_F_MORE
    ended_poll,        ///< the poll of the epoll descriptor ends
    count
};

/// The probability of each fault, per thousand opportunities.
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

/// While an instance exists, new rings have the given sizes and faults. The instance must outlive these rings. At most
/// one instance may exist in a process.
class ring_faults {
public:
    /// A size of 0 keeps the library's choice.
    ring_faults(std::uint64_t seed, const fault_chances& chances, unsigned submissions = 0, unsigned completions = 0);
    ring_faults(const ring_faults&) = delete;
    ring_faults& operator=(const ring_faults&) = delete;
    ~ring_faults();

    /// From now on, the creation of rings fails with `error` once `after` rings have been made since the constructor.
    /// The second function makes the registration of their buffers fail.
    void fail_to_make(int error, std::size_t after);
    void fail_to_make_buffers(int error);
    /// From now on, mapping the queues of a ring fails with `error`.
    void fail_to_map(int error);
    /// From now on, each mapping for buffers fails once `mappings` have been made.
    void fail_to_map_buffers_after(int mappings);
    /// Makes the kernel of later rings appear not to support these IORING_FEAT_ flags.
    void hide_features(unsigned flags);

    /// Makes the next `count` calls of io_uring_enter(2) that submit entries fail with `error`, without an effect.
    void reject_next_enters(unsigned count, int error = EAGAIN);
    /// Returns how many of these rejections remain.
    [[nodiscard]] unsigned enters_to_reject() const noexcept;

    /// Returns how often the fault has happened.
    [[nodiscard]] std::uint64_t happened(ring_fault what) const noexcept;
    /// Return the number of rings that were created, and the number of rings that exist.
    [[nodiscard]] std::size_t rings_made() const noexcept;
    [[nodiscard]] std::size_t rings_alive() const noexcept;
    /// Returns how often the kernel had completions that did not fit into the completion queue.
    [[nodiscard]] std::uint64_t overflows() const noexcept;
    /// Returns how often a full submission queue was submitted.
    [[nodiscard]] std::uint64_t full_submissions() const noexcept;
    /// Returns the number of errors in the ownership of a ring's buffers: the library returned a buffer that the kernel
    /// had, or the kernel used a buffer that it did not have. The next call on the ring detects them.
    [[nodiscard]] std::uint64_t buffer_mistakes() const noexcept;
    /// Returns how often a kernel has used a buffer.
    [[nodiscard]] std::uint64_t buffers_used() const noexcept;
    /// Returns the union of the io_uring_setup(2) flags of all rings.
    [[nodiscard]] unsigned setup_flags() const noexcept;
};

/// Returns the number of large memory mappings of the library that exist: the buffers of its rings.
[[nodiscard]] std::size_t mapped_buffers() noexcept;

}  // namespace support
