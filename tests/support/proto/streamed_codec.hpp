// SPDX-License-Identifier: MIT
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <system_error>
#include <type_traits>
#include <utility>
#include <variant>

#include <eddy/bytes.hpp>
#include <eddy/proto.hpp>
#include <eddy/result.hpp>

namespace support {

/// A codec for messages of texts with streamed bodies. A frame is a kind (1 byte), a number (4 bytes), a size (4 bytes)
/// and a text. A text that begins with '!' cannot be encoded: the error is std::errc::io_error.
template <bool Numbered>
class streamed_codec {
    using plain_frame = eddy::proto::pipelined_frame<std::string, std::string>;
    using numbered_frame = eddy::proto::multiplexed_frame<std::string, std::string>;

public:
    using frame = std::conditional_t<Numbered, numbered_frame, plain_frame>;

    eddy::result<std::optional<frame>> decode(eddy::bytes_mut& from) {
        if (from.size() < 9) return std::optional<frame>();
        const auto bytes = from.chunk();
        std::size_t size = 0;
        for (std::size_t i = 5; i < 9; ++i) size = size << 8U | std::to_integer<std::size_t>(bytes[i]);
        if (size > 100'000) return std::unexpected(make_error_code(eddy::errc::frame_too_large));
        if (from.size() < 9 + size) return std::optional<frame>();
        const auto kind = from.get_u8();
        const auto id = from.get_u32();
        static_cast<void>(from.get_u32());
        auto text = std::string(from.split_to(size).text());
        auto inside = content_of(kind, std::move(text));
        if (!inside) return std::unexpected(make_error_code(eddy::errc::bad_frame_length));
        if constexpr (Numbered) {
            return std::optional<frame>(std::in_place, id, *std::move(inside));
        } else {
            return std::optional<frame>(*std::move(inside));
        }
    }
    eddy::result<void> encode(const frame& one, eddy::bytes_mut& into) {
        if constexpr (Numbered) {
            return put(one.body, static_cast<std::uint32_t>(one.id), into);
        } else {
            return put(one, 0, into);
        }
    }

private:
    using content = typename std::conditional_t<Numbered, eddy::detail::body_of<numbered_frame>,
                                                std::type_identity<plain_frame>>::type;

    static std::optional<content> content_of(unsigned kind, std::string text) {
        namespace proto = eddy::proto;
        switch (kind) {
        case 0: return proto::head_frame(std::move(text), false);
        case 1: return proto::head_frame(std::move(text), true);
        case 2: return proto::chunk_frame(std::move(text));
        case 3: return proto::end_frame();
        case 4: return proto::error_frame(std::error_code(std::stoi(text), std::generic_category()));
        default: break;
        }
        if constexpr (Numbered) {
            if (kind == 5) return proto::cancel_frame();
            if (kind == 6) return proto::credit_frame(static_cast<std::uint32_t>(std::stoul(text)));
        }
        return std::nullopt;
    }
    static eddy::result<void> put(const content& one, std::uint32_t id, eddy::bytes_mut& into) {
        namespace proto = eddy::proto;
        std::uint8_t kind = 3;
        std::string text;
        if (const auto* const head = std::get_if<proto::head_frame<std::string>>(&one)) {
            kind = head->has_body ? 1 : 0;
            text = head->head;
        } else if (const auto* const chunk = std::get_if<proto::chunk_frame<std::string>>(&one)) {
            kind = 2;
            text = chunk->chunk;
        } else if (const auto* const error = std::get_if<proto::error_frame>(&one)) {
            kind = 4;
            text = std::to_string(error->error.default_error_condition().value());
        }
        if constexpr (Numbered) {
            if (std::holds_alternative<proto::cancel_frame>(one)) kind = 5;
            if (const auto* const credit = std::get_if<proto::credit_frame>(&one)) {
                kind = 6;
                text = std::to_string(credit->chunks);
            }
        }
        if (text.starts_with('!')) return std::unexpected(std::make_error_code(std::errc::io_error));
        into.put_u8(kind);
        into.put_u32(id);
        into.put_u32(static_cast<std::uint32_t>(text.size()));
        into.put(text);
        return {};
    }
};

}  // namespace support
