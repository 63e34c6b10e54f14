// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <system_error>

#include <eddy/detail/ref_count.hpp>

#include "io/buffer_owner.hpp"
#include "reactor/ring/chunk_queue.hpp"
#include "reactor/ring/uring_abi.hpp"

namespace eddy::detail {

/// The buffers into which a ring receives: a ring of provided buffers, see io_uring_register_buf_ring(3). The kernel
/// picks a buffer when bytes arrive.
///
/// The kernel uses the buffer that was returned longest ago, so it cycles through all buffers that it has. To keep the
/// cache footprint small, the kernel gets few buffers at first, and more whenever a receive has ended because no buffer
/// was free. Memory of unused buffers is never touched.
///
/// Lifetime: freed by close(), or by the return of the last leased buffer after that. See buffer_owner.
/// Thread safety: like buffer_owner; its owner is the owner of the ring.
class ring_buffers final : public buffer_owner {
public:
    static constexpr unsigned at_first = 64;               ///< number of buffers that the kernel gets initially
    static constexpr unsigned more = 16;                   ///< number of buffers that provide_more() adds
    static constexpr unsigned most = 1024;                 ///< maximum number of buffers
    static constexpr std::size_t buffer_size = 32 * 1024;  ///< in bytes
    static constexpr int group = 0;                        ///< the buffer group of the ring

    using share = std::unique_ptr<ring_buffers, closing>;

    /// Creates the buffers and registers them with `owner`, which is not yet enabled. Returns null and sets `error`
    /// if there is no memory or the kernel refuses.
    [[nodiscard]] static share make(::io_uring& owner, std::error_code& error) noexcept;

    // ---- The ring's owner ----
    /// Makes this thread the owner.
    using buffer_owner::set_owner;
    /// Returns the chunk of the buffer that a completion names. The buffer counts as leased until it is returned.
    [[nodiscard]] received_chunk& take(unsigned id, std::uint32_t size) noexcept {
        count_out();
        received_chunk& chunk = chunks_[id];
        chunk.next = nullptr;
        chunk.begin = 0;
        chunk.end = size;
        return chunk;
    }
    /// Gives more buffers to the kernel. Returns false if the kernel already has all buffers.
    bool provide_more() noexcept;
    /// Makes the returned buffers available to the kernel.
    void publish() noexcept {
        take_returned();
        if (staged_ == 0) return;
        ::io_uring_buf_ring_advance(kernel_side_, staged_);
        staged_ = 0;
    }
    /// Returns whether the kernel has a free buffer.
    [[nodiscard]] bool has_free() const noexcept { return leased() < static_cast<std::int64_t>(provided_); }

private:
    // Each buffer is followed by an unused cache line: if the distance were a power of two, the starts of all buffers
    // would map to the same few cache sets.
    static constexpr std::size_t stride = buffer_size + 64;

    ring_buffers() noexcept = default;
    ~ring_buffers() override;

    void provide(unsigned id) noexcept;
    void keep(std::byte* buffer) noexcept override { provide(id_of(buffer)); }
    void discard(std::byte*) noexcept override {}
    void discard_kept() noexcept override {}
    [[nodiscard]] unsigned id_of(const std::byte* buffer) const noexcept {
        return static_cast<unsigned>(static_cast<std::size_t>(buffer - memory_) / stride);
    }

    ::io_uring_buf_ring* kernel_side_ = nullptr;
    std::byte* memory_ = nullptr;
    std::unique_ptr<received_chunk[]> chunks_;
    unsigned provided_ = 0;  // how many buffers the kernel has been given in total
    int staged_ = 0;         // returned, but not yet visible to the kernel
};

}  // namespace eddy::detail
