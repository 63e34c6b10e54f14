// SPDX-License-Identifier: MIT
#include <eddy/fs/detail/job_bytes.hpp>

#include <algorithm>
#include <cstring>
#include <new>

#include <eddy/io/detail/io_checks.hpp>

namespace eddy::fs::detail {

void job_bytes::prepare(std::size_t size, bool is_direct) {
    // Of O_DIRECT: at least the block size of all devices.
    constexpr std::size_t direct_alignment = 4096;
    if (size > capacity_) {
        const auto alignment = is_direct ? direct_alignment : alignof(std::max_align_t);
        bytes_ = {nullptr, deleter{alignment}};
        capacity_ = 0;
        bytes_.reset(static_cast<std::byte*>(::operator new[](size, std::align_val_t(alignment))));
        capacity_ = size;
    }
    size_ = size;
}

void job_bytes::copy_from(write_parts from, bool is_direct) {
    prepare(std::min(eddy::detail::size_of_all(from), most), is_direct);
    auto left = all();
    for (const auto& part : from) {
        const auto count = std::min(part.size(), left.size());
        if (count != 0) std::memcpy(left.data(), part.data(), count);
        left = left.subspan(count);
    }
}

void job_bytes::deleter::operator()(std::byte* bytes) const noexcept {
    ::operator delete[](bytes, std::align_val_t(alignment));
}

}  // namespace eddy::fs::detail
