// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>
#include <span>
#include <system_error>

#include <brotli/decode.h>
#include <brotli/encode.h>

#include <eddy/http/error.hpp>

#include "message/coding.hpp"

// brotli (RFC 7932) by Google's library.

namespace eddy::detail {
namespace {

// An encoder has a window of 64 KiB. A larger one needs several MiB of memory and makes a text hardly smaller.
constexpr std::uint32_t brotli_window_bits = 16;
// From quality 7 on, an encoder needs more than 8 MiB.
constexpr int most_brotli_quality = 6;

// With a quality that is lower by two, it makes texts as small as zlib does.
constexpr int brotli_quality(int level) noexcept { return std::clamp(level - 2, 1, most_brotli_quality); }

/// With version 1.0.9, 186 KiB were measured with quality 1, 927 KiB up to 3, and 1,950 KiB up to 6.
constexpr std::size_t brotli_memory(int level) noexcept {
    const int quality = brotli_quality(level);
    if (quality == 1) return std::size_t{256} * 1024;
    return std::size_t{quality <= 3 ? 1U : 2U} * 1024 * 1024;
}

BrotliEncoderOperation brotli_operation(encode_goal goal) noexcept {
    if (goal == encode_goal::end) return BROTLI_OPERATION_FINISH;
    return goal == encode_goal::flush ? BROTLI_OPERATION_FLUSH : BROTLI_OPERATION_PROCESS;
}

class brotli_encoder final : public encoder {
public:
    explicit brotli_encoder(int level) : state_(::BrotliEncoderCreateInstance(nullptr, nullptr, nullptr)) {
        if (!state_) throw std::bad_alloc();
        ::BrotliEncoderSetParameter(state_.get(), BROTLI_PARAM_QUALITY,
                                    static_cast<std::uint32_t>(brotli_quality(level)));
        ::BrotliEncoderSetParameter(state_.get(), BROTLI_PARAM_LGWIN, brotli_window_bits);
    }

    result<encode_step> encode(std::span<const std::byte> from, std::span<std::byte> into,
                               encode_goal goal) noexcept override {
        // SAFETY: bytes may be read and written as unsigned char.
        const auto* next_in = reinterpret_cast<const std::uint8_t*>(from.data());
        auto* next_out = reinterpret_cast<std::uint8_t*>(into.data());
        auto in = from.size();
        auto out = into.size();
        if (::BrotliEncoderCompressStream(state_.get(), brotli_operation(goal), &in, &next_in, &out, &next_out,
                                          nullptr) == BROTLI_FALSE)
            return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
        bool is_done = in == 0 && ::BrotliEncoderHasMoreOutput(state_.get()) == BROTLI_FALSE;
        if (goal == encode_goal::end) is_done = ::BrotliEncoderIsFinished(state_.get()) != BROTLI_FALSE;
        return encode_step(from.size() - in, into.size() - out, is_done);
    }

private:
    struct destroy {
        void operator()(BrotliEncoderState* of) const noexcept { ::BrotliEncoderDestroyInstance(of); }
    };
    std::unique_ptr<BrotliEncoderState, destroy> state_;
};

/// Its window has at most 16 MiB, the maximum of the format (RFC 7932, section 9.1), and grows with the output.
class brotli_decoder final : public decoder {
public:
    brotli_decoder() : state_(::BrotliDecoderCreateInstance(nullptr, nullptr, nullptr)) {
        if (!state_) throw std::bad_alloc();
    }

    result<decode_step> decode(std::span<const std::byte> from, std::span<std::byte> into) noexcept override {
        const auto bad_message = std::unexpected(make_error_code(http::errc::bad_message));
        if (::BrotliDecoderIsFinished(state_.get()) != BROTLI_FALSE) return bad_message;  // there is only one stream
        // SAFETY: bytes may be read and written as unsigned char.
        const auto* next_in = reinterpret_cast<const std::uint8_t*>(from.data());
        auto* next_out = reinterpret_cast<std::uint8_t*>(into.data());
        auto in = from.size();
        auto out = into.size();
        const auto code = ::BrotliDecoderDecompressStream(state_.get(), &in, &next_in, &out, &next_out, nullptr);
        if (code == BROTLI_DECODER_RESULT_ERROR) {
            if (::BrotliDecoderGetErrorCode(state_.get()) > BROTLI_DECODER_ERROR_ALLOC_CONTEXT_MODES)
                return bad_message;
            return std::unexpected(std::make_error_code(std::errc::not_enough_memory));
        }
        // If it needs more input, it may still have output.
        const bool has_more = code == BROTLI_DECODER_RESULT_NEEDS_MORE_OUTPUT ||
                              ::BrotliDecoderHasMoreOutput(state_.get()) != BROTLI_FALSE;
        return decode_step(from.size() - in, into.size() - out, has_more, code == BROTLI_DECODER_RESULT_SUCCESS);
    }

private:
    struct destroy {
        void operator()(BrotliDecoderState* of) const noexcept { ::BrotliDecoderDestroyInstance(of); }
    };
    std::unique_ptr<BrotliDecoderState, destroy> state_;
};

}  // namespace

constinit const body_coding brotli_coding = {
    "br", "", brotli_memory,
    [](int level) -> std::unique_ptr<encoder> { return std::make_unique<brotli_encoder>(level); },
    []() -> std::unique_ptr<decoder> { return std::make_unique<brotli_decoder>(); }};

}  // namespace eddy::detail
