// SPDX-License-Identifier: MIT
#include <eddy/bytes/bytes.hpp>

#include <algorithm>
#include <cstring>
#include <functional>
#include <stdexcept>

namespace eddy {
namespace detail {

void throw_out_of_window(const char* what, std::size_t wanted, std::size_t there) {
    throw std::out_of_range("eddy: " + std::string(what) + "() was asked for " + std::to_string(wanted) +
                            " bytes, and there are " + std::to_string(there));
}

}  // namespace detail

bytes::bytes(std::string&& owner) : bytes(from_owner(std::move(owner))) {}
bytes::bytes(std::vector<std::byte>&& owner) : bytes(from_owner(std::move(owner))) {}
bytes::bytes(std::vector<char>&& owner) : bytes(from_owner(std::move(owner))) {}
bytes::bytes(std::vector<unsigned char>&& owner) : bytes(from_owner(std::move(owner))) {}

bytes bytes::from_static(std::span<const std::byte> bytes) noexcept {
    // SAFETY: a `bytes` never writes through data_. try_into_mut() refuses a window without a share.
    return {detail::byte_share(), const_cast<std::byte*>(bytes.data()), bytes.size()};
}

bytes bytes::from_static(std::string_view text) noexcept { return from_static(std::as_bytes(std::span(text))); }

bytes bytes::copy_of(std::span<const std::byte> from) {
    if (from.empty()) return {};
    auto copy = whole(detail::byte_block::make(from.size()));
    // Does not use std::ranges::copy(), because libstdc++ 12 then copies const bytes one by one.
    std::memcpy(copy.data_, from.data(), from.size());
    return copy;
}

bytes bytes::copy_of(std::string_view from) { return copy_of(std::as_bytes(std::span(from))); }

bytes bytes::slice(std::size_t begin, std::size_t end) const {
    if (end == to_the_end) end = size_;
    if (end > size_) detail::throw_out_of_window("bytes::slice", end, size_);
    if (begin > end) detail::throw_out_of_window("bytes::slice", begin, end);
    return {share_, data_ + begin, end - begin};
}

bytes bytes::slice_of(std::span<const std::byte> part) const {
    if (part.empty()) return {};
    // std::less gives a total order of pointers into different objects. operator< does not.
    const std::less<const std::byte*> before;
    if (before(part.data(), data_) || before(data_ + size_, part.data() + part.size())) {
        throw std::out_of_range("eddy: bytes::slice_of() was given " + std::to_string(part.size()) +
                                " bytes that do not lie within the " + std::to_string(size_) + " of the window");
    }
    const auto begin = static_cast<std::size_t>(part.data() - data_);
    return slice(begin, begin + part.size());
}

bytes bytes::slice_of(std::string_view part) const { return slice_of(std::as_bytes(std::span(part))); }

bytes bytes::split_to(std::size_t count) {
    if (count > size_) detail::throw_out_of_window("bytes::split_to", count, size_);
    bytes front(share_, data_, count);
    advance(count);
    return front;
}

bytes bytes::split_off(std::size_t count) {
    if (count > size_) detail::throw_out_of_window("bytes::split_off", count, size_);
    bytes back(share_, data_ + count, size_ - count);
    size_ = count;
    return back;
}

void bytes::advance(std::size_t count) {
    if (count > size_) detail::throw_out_of_window("bytes::advance", count, size_);
    data_ += count;
    size_ -= count;
}

void bytes::truncate(std::size_t count) noexcept {
    if (count < size_) size_ = count;
}

std::expected<bytes_mut, bytes> bytes::try_into_mut() && {
    if (!is_unique()) return std::unexpected(std::move(*this));
    const auto capacity = static_cast<std::size_t>(share_->end() - data_);
    bytes_mut writable(std::move(share_), data_, size_, capacity);
    forget_window();
    return writable;
}

}  // namespace eddy
