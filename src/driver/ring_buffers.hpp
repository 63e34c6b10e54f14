// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <system_error>

#include <eddy/detail/buffer_home.hpp>

#include "driver/received_chunk.hpp"
#include "driver/uring_abi.hpp"

namespace eddy::detail {

/// The buffers that a ring's receives fill: the kernel picks one when there is something to put into it (a ring of
/// provided buffers, io_uring_register_buf_ring(3)).
///
/// The kernel takes the buffer that was given back longest ago, so all that it has get into the cache in turn: it is
/// lent as few as will do, and more when a receive has ended for want of one. Memory that was never lent is never
/// touched.
///
/// Thread safety: as buffer_home; the owner is the ring's.
class ring_buffers final : public buffer_home {
public:
    static constexpr unsigned at_first = 64;
    static constexpr unsigned more = 16;
    static constexpr unsigned most = 1024;
    static constexpr std::size_t buffer_size = 32 * 1024;
    static constexpr int group = 0;

    struct closes {
        void operator()(ring_buffers* buffers) const noexcept { buffers->close(); }
    };
    using share = std::unique_ptr<ring_buffers, closes>;

    /// Makes them, known to `owner`, which is not enabled yet. Null and an error if there is no memory, or the kernel
    /// refuses.
    [[nodiscard]] static share make(::io_uring& owner, std::error_code& error) noexcept;

    // ---- The ring's owner ----
    using buffer_home::set_owner;
    /// The chunk of the buffer that a completion names: it is out from here on, until it is given back.
    [[nodiscard]] received_chunk& take(unsigned id, std::uint32_t size) noexcept {
        count_out();
        received_chunk& chunk = chunks_[id];
        chunk.next = nullptr;
        chunk.begin = 0;
        chunk.end = size;
        return chunk;
    }
    /// Lends some more to the kernel. False if it has all.
    bool lend_more() noexcept;
    /// Lets the kernel see what was given back.
    void publish() noexcept {
        take_returned();
        if (staged_ == 0) return;
        ::io_uring_buf_ring_advance(kernel_side_, staged_);
        staged_ = 0;
    }
    /// Whether the kernel has any.
    [[nodiscard]] bool has_free() const noexcept { return leased() < static_cast<std::int64_t>(lent_); }

private:
    // The odd cache line: at a distance of a power of two all buffers would compete for the same few lines of the
    // cache.
    static constexpr std::size_t stride = buffer_size + 64;

    ring_buffers() noexcept = default;
    ~ring_buffers() override;

    void lend(unsigned id) noexcept;
    void keep(std::byte* buffer) noexcept override { lend(id_of(buffer)); }
    void discard(std::byte*) noexcept override {}
    void discard_kept() noexcept override {}
    [[nodiscard]] unsigned id_of(const std::byte* buffer) const noexcept {
        return static_cast<unsigned>(static_cast<std::size_t>(buffer - memory_) / stride);
    }

    ::io_uring_buf_ring* kernel_side_ = nullptr;
    std::byte* memory_ = nullptr;
    std::unique_ptr<received_chunk[]> chunks_;
    unsigned lent_ = 0;  // so many have been lent at all
    int staged_ = 0;     // given back, and not yet seen by the kernel
};

}  // namespace eddy::detail
