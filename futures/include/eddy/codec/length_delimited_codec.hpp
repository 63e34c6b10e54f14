// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <source_location>
#include <span>
#include <string_view>

#include <eddy/bytes/bytes.hpp>
#include <eddy/bytes/bytes_mut.hpp>
#include <eddy/codec/decoder.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/result.hpp>

namespace eddy::codec {

class length_delimited_codec;

/// The frame layout of a length_delimited_codec. Each function except build() returns these options again.
///
///     | length_field_offset | length_field_length | ...  payload ...                       |
///     |<-------- num_skip: discarded -------->|<-- frame: number in the length field + length_adjustment -->|
///
///     length field of 2 bytes                         length_field_length(2)
///     ... that includes its own size                  length_field_length(2).length_adjustment(-2)
///     ... that is a part of the frame                 length_field_length(2).length_adjustment(2).num_skip(0)
///     3 bytes of length after a 1-byte magic number   length_field_offset(1).length_field_length(3)
class EDDY_API length_delimited_options {
public:
    /// Sets the number of bytes before the length field. The default is 0. Sent frames have no such bytes.
    length_delimited_options& length_field_offset(std::size_t bytes) noexcept {
        offset_ = bytes;
        return *this;
    }
    /// Sets the size of the length field in bytes, from 1 to 8. The default is 4.
    length_delimited_options& length_field_length(std::size_t bytes) noexcept {
        length_ = bytes;
        return *this;
    }
    /// Makes the length field as large as a number type: `length_field_type<std::uint16_t>()`.
    template <class Number>
    length_delimited_options& length_field_type() noexcept {
        return length_field_length(sizeof(Number));
    }
    /// Sets a number of bytes that is added to the number in the length field. The default is 0.
    length_delimited_options& length_adjustment(std::int64_t bytes) noexcept {
        adjustment_ = bytes;
        return *this;
    }
    /// Sets how many bytes at the front of a received frame are discarded. The default is everything up to the end of
    /// the length field.
    length_delimited_options& num_skip(std::size_t bytes) noexcept {
        skip_ = bytes;
        return *this;
    }
    /// Sets the byte order of the length field. The default is big-endian (network byte order).
    length_delimited_options& big_endian() noexcept { return endian(std::endian::big); }
    length_delimited_options& little_endian() noexcept { return endian(std::endian::little); }
    length_delimited_options& native_endian() noexcept { return endian(std::endian::native); }
    /// Sets the largest size of a frame in bytes. The default is 8 MiB.
    length_delimited_options& max_frame_length(std::size_t bytes) noexcept {
        most_ = bytes;
        return *this;
    }

    /// Creates the codec.
    /// Errors: throws misuse if the length field has 0 or more than 8 bytes, or if length_field_offset or num_skip
    /// exceeds 2^32 - 1.
    [[nodiscard]] length_delimited_codec build(std::source_location where = std::source_location::current()) const;

private:
    friend class length_delimited_codec;

    length_delimited_options& endian(std::endian order) noexcept {
        order_ = order;
        return *this;
    }
    /// Returns how many bytes must be present before the size of a frame is known.
    [[nodiscard]] std::size_t head() const noexcept { return offset_ + length_; }
    /// Returns how many bytes at the front of a frame are discarded.
    [[nodiscard]] std::size_t skipped() const noexcept { return skip_.value_or(head()); }

    std::size_t offset_ = 0;
    std::size_t length_ = 4;
    std::int64_t adjustment_ = 0;
    std::optional<std::size_t> skip_;
    std::size_t most_ = std::size_t{8} * 1024 * 1024;
    std::endian order_ = std::endian::big;
};

/// A codec for frames with a length field in front of them.
///     codec::framed frames(std::move(stream), codec::length_delimited_options().length_field_length(2).build());
///
/// The length that a peer sends is checked before it is used. No memory is reserved for it: the buffer grows with the
/// bytes that are received.
/// Errors: errc::frame_too_large for a received or sent frame that exceeds max_frame_length(), or a sent frame whose
/// size does not fit into the length field; errc::bad_frame_length if the adjusted length is negative or too large;
/// errc::bytes_remaining if the bytes end within a frame. Decoding does not continue after these errors.
/// Cost: frames share the buffer; one atomic addition per frame.
class EDDY_API length_delimited_codec {
public:
    /// The default item type of the sink of framed::split().
    using sent_type = bytes;

    /// Creates a codec with the default options.
    length_delimited_codec() noexcept = default;

    /// The decoder function; see decoder. Returns nothing while the frame is incomplete.
    result<std::optional<bytes_mut>> decode(bytes_mut& from);
    /// Appends the length field and `frame` to `into`.
    /// Errors: errc::frame_too_large or errc::bad_frame_length; see the class.
    result<void> encode(std::span<const std::byte> frame, bytes_mut& into);
    result<void> encode(std::string_view frame, bytes_mut& into) {
        return encode(std::as_bytes(std::span(frame)), into);
    }

    /// Returns the largest size of a frame in bytes.
    [[nodiscard]] std::size_t max_frame_length() const noexcept { return options_.most_; }
    /// Sets the largest size of a frame in bytes. Applies to frames whose decoding or encoding starts afterwards. A
    /// frame that was partially received is still accepted.
    void set_max_frame_length(std::size_t bytes) noexcept { options_.most_ = bytes; }

private:
    friend class length_delimited_options;
    friend struct detail::frame_finder;
    explicit length_delimited_codec(const length_delimited_options& options) noexcept : options_(options) {}

    /// A frame at the front of a buffer. The conversion removes the frame from the buffer.
    class found_frame {
    public:
        found_frame(bytes_mut& from, std::size_t size) noexcept : from_(&from), size_(size) {}
        // NOLINTNEXTLINE(google-explicit-constructor): std::optional constructs its value from this
        operator bytes_mut() && { return from_->split_to(size_); }

    private:
        bytes_mut* from_;
        std::size_t size_;
    };

    result<std::optional<found_frame>> find(bytes_mut& from);
    result<std::optional<found_frame>> find_eof(bytes_mut& from);
    void reset() noexcept { begun_ = 0; }
    [[nodiscard]] result<std::size_t> frame_size(std::span<const std::byte> from) const;

    length_delimited_options options_;
    std::size_t begun_ = 0;  // the size of a partially received frame whose size was accepted
};

}  // namespace eddy::codec

template <>
inline constexpr bool eddy::detail::finds_frames<eddy::codec::length_delimited_codec> = true;
