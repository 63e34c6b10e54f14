// SPDX-License-Identifier: MIT
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <source_location>
#include <span>
#include <string_view>

#include <eddy/bytes.hpp>
#include <eddy/bytes_mut.hpp>
#include <eddy/codec/decoder.hpp>
#include <eddy/detail/export.hpp>
#include <eddy/result.hpp>

namespace eddy::codec {

class length_delimited_codec;

/// How frames lie in the bytes: the options of a length_delimited_codec. Each but build() returns the options again.
///
///     | length_field_offset | length_field_length | ...  payload ...              |
///     |<------ num_skip: dropped ------>|<--- the length field's number + length_adjustment: a frame --->|
///
///     length field of 2 bytes                         length_field_length(2)
///     ... that counts itself, too                     length_field_length(2).length_adjustment(-2)
///     ... and is to be a part of the frame            length_field_length(2).length_adjustment(2).num_skip(0)
///     3 bytes of length behind a magic number of 1    length_field_offset(1).length_field_length(3)
class EDDY_API length_delimited_options {
public:
    /// How many bytes are before the length field. None by default. What is sent has none.
    length_delimited_options& length_field_offset(std::size_t bytes) noexcept {
        offset_ = bytes;
        return *this;
    }
    /// How many bytes the length field has, 1 to 8. 4 by default.
    length_delimited_options& length_field_length(std::size_t bytes) noexcept {
        length_ = bytes;
        return *this;
    }
    /// The same as the size of a number: `length_field_type<std::uint16_t>()`.
    template <class Number>
    length_delimited_options& length_field_type() noexcept {
        return length_field_length(sizeof(Number));
    }
    /// What is to be added to the number in the length field. 0 by default.
    length_delimited_options& length_adjustment(std::int64_t bytes) noexcept {
        adjustment_ = bytes;
        return *this;
    }
    /// How many bytes are dropped at the front of what comes. All up to the end of the length field by default.
    length_delimited_options& num_skip(std::size_t bytes) noexcept {
        skip_ = bytes;
        return *this;
    }
    /// The order of the bytes in the length field. The network's (big) by default.
    length_delimited_options& big_endian() noexcept { return endian(std::endian::big); }
    length_delimited_options& little_endian() noexcept { return endian(std::endian::little); }
    length_delimited_options& native_endian() noexcept { return endian(std::endian::native); }
    /// How many bytes a frame may have. 8 MiB by default.
    length_delimited_options& max_frame_length(std::size_t bytes) noexcept {
        most_ = bytes;
        return *this;
    }

    /// Errors: throws misuse for a length field of no bytes, or of more than 8.
    [[nodiscard]] length_delimited_codec build(std::source_location where = std::source_location::current()) const;

private:
    friend class length_delimited_codec;

    length_delimited_options& endian(std::endian order) noexcept {
        order_ = order;
        return *this;
    }
    /// How many bytes must be there before a frame can be told.
    [[nodiscard]] std::size_t head() const noexcept { return offset_ + length_; }
    [[nodiscard]] std::size_t skipped() const noexcept { return skip_.value_or(head()); }

    std::size_t offset_ = 0;
    std::size_t length_ = 4;
    std::int64_t adjustment_ = 0;
    std::optional<std::size_t> skip_;
    std::size_t most_ = std::size_t{8} * 1024 * 1024;
    std::endian order_ = std::endian::big;
};

/// Frames with their length before them.
///     codec::framed frames(std::move(stream), codec::length_delimited_options().length_field_length(2).build());
///
/// A number that a peer sends is checked before anything is done with it, and reserves no memory: the buffer grows as
/// bytes come. Errors: errc::frame_too_large, of what comes and of what goes, which the length field must be able to
/// say; errc::bad_frame_length for a number that is less than nothing when it is adjusted, or too much;
/// errc::bytes_remaining at the end. There is nothing to be had after these. Cost: frames share the buffer; one atomic
/// addition for each.
class EDDY_API length_delimited_codec {
public:
    using sent_type = bytes;

    /// As length_delimited_options() say.
    length_delimited_codec() noexcept = default;

    result<std::optional<bytes_mut>> decode(bytes_mut& from);
    result<void> encode(std::span<const std::byte> frame, bytes_mut& into);
    result<void> encode(std::string_view frame, bytes_mut& into) {
        return encode(std::as_bytes(std::span(frame)), into);
    }

    [[nodiscard]] std::size_t max_frame_length() const noexcept { return options_.most_; }
    /// Holds for the frames that begin to be decoded, and are encoded, from now on: one that has come in part is taken.
    void set_max_frame_length(std::size_t bytes) noexcept { options_.most_ = bytes; }

private:
    friend class length_delimited_options;
    friend struct detail::frame_finder;
    explicit length_delimited_codec(const length_delimited_options& options) noexcept : options_(options) {}

    /// A frame that lies at the front of a buffer.
    class found_frame {
    public:
        found_frame(bytes_mut& from, std::size_t size) noexcept : from_(&from), size_(size) {}
        // NOLINTNEXTLINE(google-explicit-constructor): so that an optional's value is made of it
        operator bytes_mut() && { return from_->split_to(size_); }

    private:
        bytes_mut* from_;
        std::size_t size_;
    };

    result<std::optional<found_frame>> find(bytes_mut& from);
    result<std::optional<found_frame>> find_eof(bytes_mut& from);
    void begin_anew() noexcept { begun_ = 0; }
    [[nodiscard]] result<std::size_t> frame_size(std::span<const std::byte> from) const;

    length_delimited_options options_;
    std::size_t begun_ = 0;  // the size of a frame that has come in part, and was not too large
};

}  // namespace eddy::codec

template <>
inline constexpr bool eddy::detail::finds_frames<eddy::codec::length_delimited_codec> = true;
