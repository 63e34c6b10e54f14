// SPDX-License-Identifier: MIT
#include "deflate.hpp"

#include <algorithm>
#include <new>

#include <zlib.h>

#include <eddy/detail/free_memory.hpp>

namespace eddy::detail {
namespace {

// The bytes of output for one call of zlib. The first call for a part gets less memory. Most messages are short, and a
// received message keeps the memory in which it was decompressed.
constexpr std::size_t output_size = 16 * 1024;
constexpr std::size_t least_output = 256;

// SAFETY: zlib takes its input as a pointer to non-const, and does not change it.
void set_input(z_stream& of, std::string_view from) noexcept {
    of.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(from.data()));
    of.avail_in = static_cast<uInt>(from.size());
}

/// Calls `step` with up to `room` bytes of memory behind the text, and appends what it writes.
template <class Step>
int append(z_stream& of, std::string& to, std::size_t room, Step step) {
    const auto size = to.size();
    int code = Z_OK;
    to.resize_and_overwrite(size + room, [&](char* text, std::size_t) {
        of.next_out = reinterpret_cast<Bytef*>(text + size);  // SAFETY: bytes may be written as unsigned char
        of.avail_out = static_cast<uInt>(room);
        code = step(of);
        return size + room - of.avail_out;
    });
    return code;
}

void check_made(int code) {
    if (code != Z_OK) throw std::bad_alloc();  // the parameters are valid, so memory is the only reason
}

}  // namespace

struct ws_inflater::state : immovable {
    z_stream stream{};

    state() { check_made(::inflateInit2(&stream, -15)); }
    ~state() { ::inflateEnd(&stream); }
};

ws_inflater::ws_inflater(bool has_takeover) : state_(std::make_unique<state>()), has_takeover_(has_takeover) {}
ws_inflater::~ws_inflater() = default;

ws_inflater::outcome ws_inflater::add(std::string_view& from, std::string& to, std::size_t limit) {
    auto& stream = state_->stream;
    const auto before = to.size();
    std::size_t taken = 0;
    for (auto room = std::clamp(4 * from.size(), least_output, output_size);; room = output_size) {
        if (to.size() > limit) return outcome::too_large;
        if (std::max(to.size() - before, taken) >= deflate_step) return outcome::more;
        const auto left = limit - to.size();
        const auto most = left < room ? left + 1 : room;
        const auto part = from.substr(0, deflate_step);
        set_input(stream, part);
        const int code = append(stream, to, most, [](z_stream& of) { return ::inflate(&of, Z_SYNC_FLUSH); });
        taken += part.size() - stream.avail_in;
        from.remove_prefix(part.size() - stream.avail_in);
        if (code == Z_STREAM_END) {
            // A block with BFINAL may be in a message (RFC 7692, section 7.2.3.4). The next block follows at the next
            // byte, and may refer to the former ones, so the window is kept.
            if (::inflateResetKeep(&stream) != Z_OK) return outcome::invalid;
            if (from.empty()) break;
            continue;
        }
        // One call may write the byte above the limit, and then find invalid data. With less input, the same call would
        // not reach the invalid data. So the size decides.
        if (code == Z_MEM_ERROR) throw std::bad_alloc();
        if (code != Z_OK && code != Z_BUF_ERROR) return to.size() > limit ? outcome::too_large : outcome::invalid;
        if (from.empty() && stream.avail_out != 0) break;
    }
    return to.size() > limit ? outcome::too_large : outcome::ok;
}

void ws_inflater::end_message() noexcept {
    if (!has_takeover_) ::inflateReset(&state_->stream);
}

struct ws_deflater::state : immovable {
    z_stream stream{};

    explicit state(int window_bits) {
        check_made(::deflateInit2(&stream, Z_DEFAULT_COMPRESSION, Z_DEFLATED, -window_bits, 8, Z_DEFAULT_STRATEGY));
    }
    ~state() { ::deflateEnd(&stream); }
};

ws_deflater::ws_deflater(bool has_takeover, int window_bits) noexcept
    : has_takeover_(has_takeover), window_bits_(window_bits) {}
ws_deflater::~ws_deflater() = default;

void ws_deflater::begin(const ws::message& message) {
    message_ = message;
    rest_ = message_->text();
}

bool ws_deflater::step(std::size_t& work) {
    if (!state_) state_ = std::make_unique<state>(window_bits_);
    auto& stream = state_->stream;
    const auto part = rest_.substr(0, deflate_step);
    rest_.remove_prefix(part.size());
    set_input(stream, part);
    const int flush = rest_.empty() ? Z_SYNC_FLUSH : Z_NO_FLUSH;
    do {
        append(stream, compressed_, output_size, [flush](z_stream& of) { return ::deflate(&of, flush); });
    } while (stream.avail_out == 0);
    work += part.size();
    if (!rest_.empty()) return false;
    // A message that was flushed ends with these bytes, which are not sent (RFC 7692, section 7.2.1).
    if (compressed_.ends_with(ws_inflater::message_end))
        compressed_.resize(compressed_.size() - ws_inflater::message_end.size());
    if (!has_takeover_) ::deflateReset(&stream);
    return true;
}

void ws_deflater::drop() noexcept {
    message_.reset();
    rest_ = {};
    free_memory(compressed_);
}

void ws_deflater::fail() noexcept {
    state_.reset();
    drop();
}

}  // namespace eddy::detail
