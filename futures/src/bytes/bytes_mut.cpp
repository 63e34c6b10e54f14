// SPDX-License-Identifier: MIT
#include <eddy/bytes/bytes_mut.hpp>

#include <algorithm>
#include <cstring>
#include <limits>
#include <stdexcept>

namespace eddy {
namespace {

constexpr std::size_t largest_usual_block = 64 * 1024;

}  // namespace

bytes_mut::bytes_mut(bytes&& from) {
    if (auto same = std::move(from).try_into_mut()) {
        *this = *std::move(same);
    } else {
        put(same.error().chunk());
    }
}

bytes_mut bytes_mut::copy_of(std::span<const std::byte> from) {
    bytes_mut copy;
    copy.put(from);
    return copy;
}

bytes_mut bytes_mut::copy_of(std::string_view from) { return copy_of(std::as_bytes(std::span(from))); }

bool bytes_mut::try_reclaim(std::size_t additional) {
    if (capacity_ - size_ >= additional) return true;
    if (!share_.is_own()) return false;
    // This is the only window of the block. The bytes behind it are free, and the bytes before it may be free, too.
    const auto behind = static_cast<std::size_t>(share_->end() - data_);
    if (behind - size_ >= additional) {
        capacity_ = behind;
        return true;
    }
    const auto before = static_cast<std::size_t>(data_ - share_->begin());
    // Move the bytes to the front only if at least as many bytes are free there as must be moved. Otherwise a window
    // that repeatedly gains and loses one byte would move all its bytes each time.
    if (share_->capacity() - size_ < additional || before < size_) return false;
    if (size_ != 0) std::memcpy(share_->begin(), data_, size_);
    data_ = share_->begin();
    capacity_ = share_->capacity();
    return true;
}

void bytes_mut::make_room(std::size_t additional) {
    if (try_reclaim(additional)) return;
    if (additional > std::numeric_limits<std::size_t>::max() / 2 - size_) {
        throw std::length_error("eddy: bytes_mut::reserve() was asked for " + std::to_string(additional) + " bytes");
    }
    // Double the capacity, so that a series of small additions has amortized constant cost per byte. Take at least
    // the capacity of the old block, up to a limit: after a split, the capacity of this window says nothing about
    // future additions.
    const std::size_t usual = share_.get() == nullptr ? 0 : std::min(share_->capacity(), largest_usual_block);
    const std::size_t capacity = std::max({size_ + additional, capacity_ * 2, usual});
    detail::byte_share larger(detail::byte_block::make(capacity));
    if (size_ != 0) std::memcpy(larger->begin(), data_, size_);
    data_ = larger->begin();
    capacity_ = larger->capacity();
    share_ = detail::byte_shares(std::move(larger));
}

void bytes_mut::advance_mut(std::size_t count) {
    if (count > capacity_ - size_) detail::throw_out_of_window("bytes_mut::advance_mut", count, capacity_ - size_);
    size_ += count;
}

void bytes_mut::put(std::span<const std::byte> from) {
    if (from.empty()) return;
    reserve(from.size());
    std::memcpy(data_ + size_, from.data(), from.size());
    size_ += from.size();
}

void bytes_mut::put(std::string_view from) { put(std::as_bytes(std::span(from))); }

void bytes_mut::put_bytes(std::byte value, std::size_t count) {
    reserve(count);
    std::fill_n(data_ + size_, count, value);
    size_ += count;
}

void bytes_mut::resize(std::size_t size, std::byte fill) {
    if (size > size_) put_bytes(fill, size - size_);
    truncate(size);
}

bytes_mut bytes_mut::split_off(std::size_t count) {
    if (count > capacity_) detail::throw_out_of_window("bytes_mut::split_off", count, capacity_);
    bytes_mut back(share_.share(), data_ + count, size_ > count ? size_ - count : 0, capacity_ - count);
    capacity_ = count;
    size_ = std::min(size_, count);
    return back;
}

void bytes_mut::unsplit(bytes_mut other) {
    if (empty()) {
        *this = std::move(other);
    } else if (data_ + size_ == other.data_ && share_.get() == other.share_.get()) {
        // `other` starts at the end of this window's bytes, so this window has no spare capacity: windows do not
        // overlap.
        size_ += other.size_;
        capacity_ += other.capacity_;
    } else {
        put(other.chunk());
    }
}

bytes bytes_mut::freeze() && {
    bytes frozen(std::move(share_).take(), data_, size_);
    forget();
    return frozen;
}

}  // namespace eddy
