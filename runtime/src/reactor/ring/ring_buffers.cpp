// SPDX-License-Identifier: MIT
#include "reactor/ring/ring_buffers.hpp"

#include <sys/mman.h>

#include <cerrno>
#include <new>

namespace eddy::detail {
namespace {

constexpr std::size_t kernel_side_size = ring_buffers::most * sizeof(io_uring_buf);

/// Maps memory whose pages are allocated on first access. Returns null if that fails.
void* map(std::size_t size) noexcept {
    void* const pages =
        ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    return pages == MAP_FAILED ? nullptr : pages;
}

}  // namespace

ring_buffers::share ring_buffers::make(::io_uring& owner, std::error_code& error) noexcept {
    error = std::make_error_code(std::errc::not_enough_memory);
    share made(new (std::nothrow) ring_buffers);
    if (!made) return nullptr;
    made->chunks_.reset(new (std::nothrow) received_chunk[most]);
    // SAFETY: fresh pages, which `made` owns until its destruction.
    made->memory_ = static_cast<std::byte*>(map(most * stride));
    made->kernel_side_ = static_cast<::io_uring_buf_ring*>(map(kernel_side_size));
    if (!made->chunks_ || made->memory_ == nullptr || made->kernel_side_ == nullptr) return nullptr;
    for (unsigned id = 0; id < most; ++id) {
        made->chunks_[id].from = made.get();
        made->chunks_[id].buffer = made->memory_ + id * stride;
    }

    ::io_uring_buf_reg known{};
    // SAFETY: the kernel accesses these pages until the ring is closed, and uring closes the ring before the buffers.
    known.ring_addr = reinterpret_cast<std::uintptr_t>(made->kernel_side_);
    known.ring_entries = most;
    known.bgid = group;
    if (const int refused = ::io_uring_register_buf_ring(&owner, &known, 0); refused < 0) {
        error = {-refused, std::generic_category()};
        return nullptr;
    }
    ::io_uring_buf_ring_init(made->kernel_side_);
    for (unsigned id = 0; id < at_first; ++id) made->provide(id);
    made->provided_ = at_first;
    made->publish();
    error = {};
    return made;
}

ring_buffers::~ring_buffers() {
    if (memory_ != nullptr) ::munmap(memory_, most * stride);
    if (kernel_side_ != nullptr) ::munmap(kernel_side_, kernel_side_size);
}

bool ring_buffers::provide_more() noexcept {
    if (provided_ == most) return false;
    for (unsigned i = 0; i < more; ++i) provide(provided_++);
    return true;
}

void ring_buffers::provide(unsigned id) noexcept {
    ::io_uring_buf_ring_add(kernel_side_, memory_ + id * stride, buffer_size, static_cast<unsigned short>(id),
                            ::io_uring_buf_ring_mask(most), staged_++);
}

}  // namespace eddy::detail
