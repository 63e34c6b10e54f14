// SPDX-License-Identifier: MIT
#include <eddy/codec/length_delimited_codec.hpp>

#include <array>
#include <cstring>
#include <limits>
#include <system_error>

#include <eddy/bytes/detail/byte_order.hpp>
#include <eddy/error.hpp>

namespace eddy::codec {
namespace {

constexpr std::size_t largest_field = sizeof(std::uint64_t);

/// Returns the number in the first `size` bytes.
std::uint64_t number_in(std::span<const std::byte> bytes, std::size_t size, std::endian order) noexcept {
    std::array<std::byte, largest_field> eight{};
    if (bytes.size() >= eight.size()) {
        std::memcpy(eight.data(), bytes.data(), eight.size());  // one load; the shift below drops the later bytes
    } else {
        std::memcpy(eight.data(), bytes.data(), size);
    }
    const std::size_t unused = 8 * (eight.size() - size);
    if (order == std::endian::big) return detail::number_of<std::uint64_t, std::endian::big>(eight) >> unused;
    return detail::number_of<std::uint64_t, std::endian::little>(eight) << unused >> unused;
}

void put_number(bytes_mut& into, std::uint64_t number, std::size_t size, std::endian order) {
    if (order == std::endian::little) {
        const auto eight = detail::bytes_of<std::endian::little>(number);
        into.put(std::span<const std::byte>(eight).first(size));
    } else {
        const auto eight = detail::bytes_of<std::endian::big>(number);
        into.put(std::span<const std::byte>(eight).last(size));
    }
}

/// Returns `number` + `adjustment`, or nothing if the sum is negative or overflows.
std::optional<std::uint64_t> adjusted(std::uint64_t number, std::int64_t adjustment) noexcept {
    const auto by = static_cast<std::uint64_t>(adjustment);
    const std::uint64_t sum = number + by;
    const bool is_too_little = adjustment < 0 && sum > number;
    const bool is_too_much = adjustment > 0 && sum < number;
    if (is_too_little || is_too_much) return std::nullopt;
    return sum;
}

/// The inverse of adjusted(): returns `size` - `adjustment`, or nothing if that is negative or overflows.
std::optional<std::uint64_t> unadjusted(std::uint64_t size, std::int64_t adjustment) noexcept {
    const std::uint64_t number = size - static_cast<std::uint64_t>(adjustment);
    const bool is_too_little = adjustment > 0 && number > size;
    const bool is_too_much = adjustment < 0 && number < size;
    if (is_too_little || is_too_much) return std::nullopt;
    return number;
}

bool fits_into(std::uint64_t number, std::size_t bytes) noexcept {
    return bytes == largest_field || number >> (8 * bytes) == 0;
}

std::unexpected<std::error_code> failure(errc code) { return std::unexpected(make_error_code(code)); }

}  // namespace

length_delimited_codec length_delimited_options::build(std::source_location where) const {
    if (length_ == 0 || length_ > largest_field)
        throw misuse("a length field has from 1 to 8 bytes: see length_field_length", where);
    constexpr std::size_t most = std::numeric_limits<std::uint32_t>::max();
    if (offset_ > most || skip_.value_or(0) > most)
        throw misuse("length_field_offset and num_skip are numbers of bytes, and must be below 2^32", where);
    return length_delimited_codec(*this);
}

/// Returns the size of the frame whose header's length field starts at `from`.
inline result<std::size_t> length_delimited_codec::frame_size(std::span<const std::byte> from) const {
    const auto size = adjusted(number_in(from, options_.length_, options_.order_), options_.adjustment_);
    if (!size) return failure(errc::bad_frame_length);
    if (*size > options_.most_ && *size != begun_) return failure(errc::frame_too_large);
    if (*size > std::numeric_limits<std::size_t>::max() / 2) return failure(errc::bad_frame_length);
    // Refuses a frame that ends within its own header. The rest of that header would be decoded as the next frame,
    // possibly forever.
    if (*size + options_.skipped() < options_.head()) return failure(errc::bad_frame_length);
    return static_cast<std::size_t>(*size);
}

auto length_delimited_codec::find(bytes_mut& from) -> result<std::optional<found_frame>> {
    using answer = result<std::optional<found_frame>>;
    // The header stays in the buffer until its frame is complete. Thus decode_eof() reports an incomplete frame as
    // remaining bytes.
    if (from.size() < options_.head()) return answer(std::in_place);
    const auto size = frame_size(from.chunk().subspan(options_.offset_));
    if (!size) return std::unexpected(size.error());
    const std::size_t skip = options_.skipped();
    if (from.size() < skip || from.size() - skip < *size) {
        begun_ = *size;
        return answer(std::in_place);
    }
    begun_ = 0;
    from.advance(skip);
    return answer(std::in_place, std::in_place, from, *size);
}

auto length_delimited_codec::find_eof(bytes_mut& from) -> result<std::optional<found_frame>> {
    auto frame = find(from);
    if (!frame || *frame || from.empty()) return frame;
    return failure(errc::bytes_remaining);
}

result<std::optional<bytes_mut>> length_delimited_codec::decode(bytes_mut& from) {
    return detail::made_frame<bytes_mut>(find(from));
}

result<void> length_delimited_codec::encode(std::span<const std::byte> frame, bytes_mut& into) {
    if (frame.size() > options_.most_) return failure(errc::frame_too_large);
    const auto number = unadjusted(frame.size(), options_.adjustment_);
    if (!number) return failure(errc::bad_frame_length);
    if (!fits_into(*number, options_.length_)) return failure(errc::frame_too_large);
    into.reserve(options_.length_ + frame.size());
    put_number(into, *number, options_.length_, options_.order_);
    into.put(frame);
    return {};
}

}  // namespace eddy::codec
