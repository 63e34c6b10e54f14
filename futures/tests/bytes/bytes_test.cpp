// SPDX-License-Identifier: MIT
#include <eddy/bytes/bytes.hpp>
#include <eddy/bytes/bytes_mut.hpp>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <optional>
#include <random>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <unordered_set>
#include <utility>
#include <vector>

#include "support/stress.hpp"

namespace {

using eddy::bytes;
using eddy::bytes_mut;
using namespace std::string_view_literals;

/// Returns the text of the std::out_of_range that `f` throws.
template <class Fn>
std::string text_of(Fn f) {
    try {
        f();
    } catch (const std::out_of_range& e) {
        return e.what();
    }
    return "nothing was thrown";
}

// covers: P103
TEST(Bytes, PartsShareTheSameMemory) {
    bytes whole(std::string("one,two,three"));
    const std::byte* const at = whole.data();
    const bytes copy = whole;
    EXPECT_EQ(copy.data(), at);
    EXPECT_EQ(whole.slice(4, 7), "two"sv);
    EXPECT_EQ(whole.slice(4, 7).data(), at + 4);
    EXPECT_EQ(whole.slice(8), "three"sv);
    EXPECT_EQ(whole.split_to(4), "one,"sv);
    EXPECT_EQ(whole.data(), at + 4);
    EXPECT_EQ(whole.split_off(4), "three"sv);
    EXPECT_EQ(whole, "two,"sv);
    whole.advance(1);
    whole.truncate(2);
    EXPECT_EQ(whole, "wo"sv);
    whole.truncate(5);
    EXPECT_EQ(whole.size(), 2u);
    EXPECT_EQ(copy, "one,two,three"sv);
    whole.clear();
    EXPECT_TRUE(whole.empty());
}

// covers: P103
TEST(Bytes, MovedStringsAndVectorsAreNotCopied) {
    std::string text(1000, 'x');
    const auto* const at = reinterpret_cast<const std::byte*>(text.data());
    EXPECT_EQ(bytes(std::move(text)).data(), at);
    std::vector<std::byte> row(10, std::byte{7});
    const std::byte* const first = row.data();
    const bytes kept(std::move(row));
    EXPECT_EQ(kept.data(), first);
    EXPECT_EQ(bytes(std::string("short")), "short"sv) << "a short string stores its characters inline";
    EXPECT_EQ(bytes(std::string()).size(), 0u);
    EXPECT_EQ(bytes(std::vector<unsigned char>{65, 66}), "AB"sv);
}

// covers: P103
TEST(Bytes, OwnerLivesAsLongAsItsLastWindow) {
    struct owner {
        explicit owner(bool& flag) : gone(&flag) {}
        owner(owner&& other) noexcept : gone(std::exchange(other.gone, nullptr)) {}
        owner& operator=(owner&&) = delete;
        ~owner() {
            if (gone != nullptr) *gone = true;
        }
        [[nodiscard]] const char* data() const { return "kept"; }
        [[nodiscard]] static std::size_t size() { return 4; }
        bool* gone;
    };
    bool gone = false;
    bytes part;
    {
        const bytes whole = bytes::from_owner(owner(gone));
        part = whole.slice(1, 3);
    }
    EXPECT_FALSE(gone);
    EXPECT_EQ(part, "ep"sv);
    EXPECT_FALSE(std::move(part).try_into_mut()) << "its data() is read-only";
    part = bytes();
    EXPECT_TRUE(gone);
}

// covers: P103
TEST(Bytes, StaticBytesAreNeverWritten) {
    bytes literal = bytes::from_static("literal");
    EXPECT_EQ(literal.text().data(), bytes::from_static(literal.chunk()).text().data());
    auto refused = std::move(literal).try_into_mut();
    ASSERT_FALSE(refused);
    bytes_mut copy(std::move(refused.error()));
    copy[0] = std::byte{'L'};
    EXPECT_EQ(copy, "Literal"sv);
}

// covers: S89
TEST(Bytes, MutationCopiesSharedBytes) {
    bytes first = bytes::copy_of("shared");
    const bytes second = first;
    EXPECT_FALSE(first.is_unique());
    bytes_mut changed(std::move(first));
    std::ranges::fill(changed, std::byte{'-'});
    EXPECT_EQ(second, "shared"sv);
    EXPECT_EQ(changed, "------"sv);
}

// covers: P103
TEST(Bytes, UniqueWindowIsWrittenInPlace) {
    bytes window = bytes::copy_of("unique");
    const std::byte* const at = window.data();
    {
        const bytes other = window.slice(1);
        EXPECT_FALSE(window.is_unique());
    }
    EXPECT_TRUE(window.is_unique());
    window.advance(2);
    auto writable = std::move(window).try_into_mut();
    ASSERT_TRUE(writable);
    EXPECT_EQ(writable->data(), at + 2);
    EXPECT_EQ(*writable, "ique"sv);
    EXPECT_TRUE(window.empty());  // NOLINT(bugprone-use-after-move): a moved-from window is empty
}

// covers: P103
TEST(Bytes, OutOfRangeErrorNamesBothSizes) {
    bytes five = bytes::from_static("12345");
    EXPECT_EQ(text_of([&] { five.advance(6); }), "eddy: bytes::advance() was asked for 6 bytes, and there are 5");
    EXPECT_EQ(text_of([&] { static_cast<void>(five.split_to(7)); }),
              "eddy: bytes::split_to() was asked for 7 bytes, and there are 5");
    EXPECT_EQ(text_of([&] { static_cast<void>(five.split_off(8)); }),
              "eddy: bytes::split_off() was asked for 8 bytes, and there are 5");
    EXPECT_EQ(text_of([&] { static_cast<void>(five.slice(1, 9)); }),
              "eddy: bytes::slice() was asked for 9 bytes, and there are 5");
    EXPECT_EQ(text_of([&] { static_cast<void>(five.slice(4, 2)); }),
              "eddy: bytes::slice() was asked for 4 bytes, and there are 2");
    EXPECT_EQ(text_of([&] { static_cast<void>(five.slice(6)); }),
              "eddy: bytes::slice() was asked for 6 bytes, and there are 5");
    EXPECT_EQ(text_of([&] { static_cast<void>(five.get_u64()); }),
              "eddy: get_u64() was asked for 8 bytes, and there are 5");
    EXPECT_EQ(five, "12345"sv) << "no bytes were taken";
    bytes_mut room(16);
    room.put("123");
    EXPECT_EQ(text_of([&] { room.advance_mut(14); }),
              "eddy: bytes_mut::advance_mut() was asked for 14 bytes, and there are 13");
    EXPECT_EQ(text_of([&] { static_cast<void>(room.split_off(17)); }),
              "eddy: bytes_mut::split_off() was asked for 17 bytes, and there are 16");
    EXPECT_EQ(text_of([&] { static_cast<void>(room.split_to(4)); }),
              "eddy: bytes_mut::split_to() was asked for 4 bytes, and there are 3");
    EXPECT_EQ(text_of([&] { room.advance(4); }), "eddy: bytes_mut::advance() was asked for 4 bytes, and there are 3");
    EXPECT_THROW(room.reserve(std::numeric_limits<std::size_t>::max()), std::length_error);
    EXPECT_EQ(room, "123"sv);
}

// covers: P103
TEST(Bytes, SliceOfConvertsPartOfTextToSharedBytes) {
    const bytes request = bytes::copy_of("GET /path HTTP/1.1");
    const std::string_view path = request.text().substr(4, 5);
    EXPECT_EQ(request.slice_of(path), "/path"sv);
    EXPECT_TRUE(request.slice_of(""sv).empty());
    EXPECT_THROW(static_cast<void>(request.slice_of("elsewhere"sv)), std::out_of_range);
    const bytes method = request.slice(0, 3);
    EXPECT_EQ(method.slice_of(request.text().substr(1, 2)), "ET"sv);
    EXPECT_EQ(text_of([&] { static_cast<void>(method.slice_of(request.text().substr(2, 2))); }),
              "eddy: bytes::slice_of() was given 2 bytes that do not lie within the 3 of the window");
}

// covers: P103
TEST(Bytes, ComparesAndHashesByContent) {
    const bytes a = bytes::copy_of("abc");
    const bytes_mut b = bytes_mut::copy_of("abc");
    EXPECT_TRUE(a == b && b == a && a == "abc"sv && a == bytes::from_static("abc"));
    EXPECT_TRUE(a < bytes::from_static("abd") && bytes::from_static("ab") < a && bytes() < a);
    EXPECT_TRUE(bytes::from_static("\x7f") < bytes::from_static("\x80")) << "bytes compare as unsigned";
    EXPECT_EQ(std::hash<bytes>()(a), std::hash<bytes_mut>()(b));
    std::unordered_set<bytes> set{a};
    EXPECT_TRUE(set.contains(bytes(std::string("abc"))));
    const std::span<const std::byte> span = a;
    EXPECT_TRUE(a == span && bytes() == std::span<const std::byte>());
    EXPECT_EQ(std::string_view(b), "abc");
}

#ifdef EDDY_HAS_INT128
// covers: P043
TEST(Bytes, Put128BitNumbersAreReadBack) {
    constexpr auto large = eddy::uint128_t{1} << 127 | 2;
    bytes_mut row;
    row.put_u128(large);
    row.put_u128_le(large);
    row.put_i128(-5);
    row.put_i128_le(-5);
    EXPECT_EQ(row.text().substr(15, 2), "\x02\x02"sv);
    EXPECT_TRUE(row.get_u128() == large);
    EXPECT_TRUE(row.get_u128_le() == large);
    EXPECT_TRUE(row.get_i128() == -5);
    EXPECT_TRUE(row.get_i128_le() == -5);
    row.put_u64(1);
    EXPECT_THROW(row.get_u128(), std::out_of_range);
}
#endif

// covers: P043
TEST(Bytes, PutNumbersAreReadBackInBothByteOrders) {
    bytes_mut row;
    row.put_u8(0xfe);
    row.put_i8(-2);
    row.put_u16(0x0102);
    row.put_u16_le(0x0102);
    row.put_i16(-2);
    row.put_i16_le(-2);
    row.put_u32(0x01020304);
    row.put_u32_le(0x01020304);
    row.put_i32(-3);
    row.put_i32_le(-3);
    row.put_u64(0x0102030405060708);
    row.put_u64_le(0x0102030405060708);
    row.put_i64(-4);
    row.put_i64_le(-4);
    row.put_f32(1.5F);
    row.put_f32_le(1.5F);
    row.put_f64(-0.125);
    row.put_f64_le(-0.125);
    EXPECT_EQ(row.text().substr(0, 6), "\xfe\xfe\x01\x02\x02\x01"sv);
    EXPECT_EQ(row.text().substr(10, 8), "\x01\x02\x03\x04\x04\x03\x02\x01"sv);
    bytes got = std::move(row).freeze();
    EXPECT_EQ(got.get_u8(), 0xfe);
    EXPECT_EQ(got.get_i8(), -2);
    EXPECT_EQ(got.get_u16(), 0x0102);
    EXPECT_EQ(got.get_u16_le(), 0x0102);
    EXPECT_EQ(got.get_i16(), -2);
    EXPECT_EQ(got.get_i16_le(), -2);
    EXPECT_EQ(got.get_u32(), 0x01020304u);
    EXPECT_EQ(got.get_u32_le(), 0x01020304u);
    EXPECT_EQ(got.get_i32(), -3);
    EXPECT_EQ(got.get_i32_le(), -3);
    EXPECT_EQ(got.get_u64(), 0x0102030405060708u);
    EXPECT_EQ(got.get_u64_le(), 0x0102030405060708u);
    EXPECT_EQ(got.get_i64(), -4);
    EXPECT_EQ(got.get_i64_le(), -4);
    EXPECT_EQ(got.get_f32(), 1.5F);
    EXPECT_EQ(got.get_f32_le(), 1.5F);
    EXPECT_EQ(got.get_f64(), -0.125);
    EXPECT_EQ(got.get_f64_le(), -0.125);
    EXPECT_TRUE(got.empty());
}

// covers: P103
TEST(BytesMut, GrowthKeepsTheContent) {
    bytes_mut grows;
    EXPECT_EQ(grows.capacity(), 0u);
    std::string expected;
    for (int i = 0; i < 1000; ++i) {
        grows.put(std::to_string(i));
        expected += std::to_string(i);
    }
    EXPECT_EQ(grows, std::string_view(expected));
    EXPECT_LE(grows.capacity(), 3 * expected.size());
    const auto room = grows.chunk_mut();
    ASSERT_FALSE(room.empty());
    room[0] = std::byte{'!'};
    grows.advance_mut(1);
    EXPECT_EQ(grows.text().back(), '!');
    grows.resize(3);
    grows.resize(5, std::byte{'.'});
    EXPECT_EQ(grows, "012.."sv);
    grows.put_bytes(std::byte{'x'}, 2);
    EXPECT_EQ(grows, "012..xx"sv);
}

TEST(BytesMut, GrowthByManySmallPartsTakesFewBlocks) {
    bytes_mut grows;
    const std::byte* block = nullptr;
    int blocks = 0;
    while (grows.size() < 1'000'000) {
        grows.put("0123456789");
        if (std::exchange(block, grows.data()) != grows.data()) ++blocks;
    }
    EXPECT_LE(blocks, 20);
}

TEST(BytesMut, CopyAssignmentCopiesTheBytes) {
    bytes_mut from;
    from.put("text");
    bytes_mut to;
    to.put("former text");
    to = from;
    from[2] = std::byte{'n'};
    EXPECT_EQ(to, "text"sv);
    EXPECT_EQ(from, "tent"sv) << "the copy has its own memory";
    const bytes_mut& same = to;
    to = same;
    EXPECT_EQ(to, "text"sv);
}

// covers: P103
TEST(BytesMut, SplitPartsAreWrittenIndependently) {
    bytes_mut row(16);
    row.put("headbody");
    bytes_mut head = row.split_to(4);
    bytes_mut rest = row.split_off(4);
    EXPECT_EQ(rest.size(), 0u);
    EXPECT_EQ(rest.capacity(), 8u);
    EXPECT_EQ(row.capacity(), 4u);
    rest.put("12345678");
    row[0] = std::byte{'B'};
    head.put("!");  // has no spare capacity, and must not write into `row`
    EXPECT_EQ(row, "Body"sv);
    EXPECT_EQ(head, "head!"sv);
    EXPECT_EQ(rest, "12345678"sv);
    const bytes_mut copy = row;  // NOLINT(performance-unnecessary-copy-initialization)
    row[0] = std::byte{'b'};
    EXPECT_EQ(copy, "Body"sv) << "a copy has its own memory";
}

// covers: P103
TEST(BytesMut, UnsplitJoinsSplitPartsWithoutACopy) {
    bytes_mut row(16);
    row.put("headbody");
    const std::byte* const at = row.data();
    bytes_mut tail = row.split_off(4);
    row.unsplit(std::move(tail));
    EXPECT_EQ(row, "headbody"sv);
    EXPECT_EQ(row.data(), at);
    EXPECT_EQ(row.capacity(), 16u);
    row.unsplit(bytes_mut::copy_of("+"));
    EXPECT_EQ(row, "headbody+"sv);
    bytes_mut none;
    none.unsplit(std::move(row));
    EXPECT_EQ(none.data(), at);
    none.unsplit(bytes_mut());
    EXPECT_EQ(none, "headbody+"sv);
}

TEST(BytesMut, UnsplitCopiesAdjacentMemoryOfAnotherOwner) {
    struct owner {
        owner(char* from, std::shared_ptr<int> count) : begin(from), alive(std::move(count)) {}
        [[nodiscard]] char* data() { return begin; }
        [[nodiscard]] static std::size_t size() { return 4; }
        char* begin;
        std::shared_ptr<int> alive;
    };
    std::string memory = "headbody";
    const auto first = std::make_shared<int>();
    const auto second = std::make_shared<int>();
    bytes_mut row(bytes::from_owner(owner(memory.data(), first)));
    bytes_mut tail(bytes::from_owner(owner(memory.data() + 4, second)));
    ASSERT_EQ(row.data() + row.size(), tail.data()) << "the tail must follow the row directly in memory";
    ASSERT_TRUE(first.use_count() == 2 && second.use_count() == 2);
    row.unsplit(std::move(tail));
    EXPECT_EQ(first.use_count(), 1) << "the row still refers to the memory of its first owner";
    EXPECT_EQ(second.use_count(), 1) << "the second owner is still alive";
    std::ranges::fill(memory, '-');
    EXPECT_EQ(row, "headbody"sv) << "the row must have a copy of the bytes";
}

// covers: P103
TEST(BytesMut, ReserveReclaimsUnsharedMemory) {
    bytes_mut row(64);
    const std::byte* const at = row.data();
    row.put_bytes(std::byte{'x'}, 60);
    {
        const bytes frame = row.split_to(56).freeze();
        EXPECT_FALSE(row.try_reclaim(32)) << "the frame is still alive";
        EXPECT_EQ(row.data(), at + 56);
    }
    EXPECT_TRUE(row.try_reclaim(32));
    EXPECT_EQ(row.data(), at) << "moved to the front of the same block";
    EXPECT_EQ(row, "xxxx"sv);
    EXPECT_EQ(row.capacity(), 64u);
    EXPECT_FALSE(row.try_reclaim(61));
    EXPECT_EQ(row.capacity(), 64u);
    // Memory that was split off at the end is reclaimed too.
    {
        const bytes_mut behind = row.split_off(8);
    }
    EXPECT_EQ(row.capacity(), 8u);
    row.reserve(40);
    EXPECT_EQ(row.data(), at);
    EXPECT_EQ(row.capacity(), 64u);
}

TEST(BytesMut, ReclaimMovesBytesOnlyIfFreeSpaceHoldsThem) {
    bytes_mut row(64);
    row.put("0123456789abcdefghijklmnopqr");
    const std::byte* const at = row.data();
    row.advance(13);
    EXPECT_FALSE(row.try_reclaim(49)) << "13 bytes are free in front of 15";
    EXPECT_EQ(row.data(), at + 13);
    EXPECT_EQ(row, "defghijklmnopqr"sv);
    row.advance(1);
    EXPECT_FALSE(row.try_reclaim(51)) << "14 bytes and 51 more do not fit into 64";
    EXPECT_EQ(row.data(), at + 14);
    EXPECT_TRUE(row.try_reclaim(50)) << "14 bytes are free in front of 14";
    EXPECT_EQ(row.data(), at);
    EXPECT_EQ(row, "efghijklmnopqr"sv);
}

// covers: P103
TEST(BytesMut, DroppedFramesLetADecoderReuseOneBlock) {
    bytes_mut buffer(4096);
    const std::byte* const at = buffer.data();
    for (int i = 0; i < 100'000; ++i) {
        buffer.reserve(100);
        ASSERT_TRUE(buffer.data() >= at && buffer.data() < at + 4096) << i;
        buffer.put_bytes(std::byte{1}, 100);
        const bytes frame = buffer.split_to(90 + static_cast<std::size_t>(i % 10)).freeze();
        buffer.advance(buffer.size());
    }
}

/// An owner of bytes whose lifetime the test can observe.
struct watched_bytes {
    explicit watched_bytes(std::shared_ptr<std::string> of) : text(std::move(of)) {}
    [[nodiscard]] char* data() { return text->data(); }
    [[nodiscard]] std::size_t size() const { return text->size(); }
    std::shared_ptr<std::string> text;
};

// covers: P103
TEST(BytesMut, ReferencesTakenInAdvanceAreReturned) {
    // Tests counts close to the number of references that bytes_mut takes in advance. The block must be freed with its
    // last reference: that of a frame or that of the bytes_mut.
    for (const std::size_t count : {1u, 2u, 63u, 64u, 65u, 127u, 128u, 129u, 200u}) {
        for (const bool window_goes_first : {false, true}) {
            auto text = std::make_shared<std::string>(256, 'x');
            const std::weak_ptr<std::string> kept = text;
            std::optional<bytes_mut> row(bytes::from_owner(watched_bytes(std::move(text))));
            const std::byte* const at = row->data();
            std::vector<bytes> frames;
            frames.reserve(count);
            for (std::size_t i = 0; i < count; ++i) frames.push_back(row->split_to(1).freeze());
            EXPECT_FALSE(row->try_reclaim(256)) << count;
            if (window_goes_first) {
                row.reset();
                EXPECT_FALSE(frames.back().is_unique() && count > 1) << count;
                while (frames.size() > 1) frames.pop_back();
                EXPECT_TRUE(frames.back().is_unique()) << count << ": a reference taken in advance was not returned";
                EXPECT_FALSE(kept.expired());
                frames.clear();
            } else {
                frames.clear();
                row->clear();
                EXPECT_TRUE(row->try_reclaim(256))
                    << count << ": references taken in advance must not count as sharing";
                EXPECT_EQ(row->data(), at);
                row.reset();
            }
            EXPECT_TRUE(kept.expired()) << count;
        }
    }
}

// covers: P103
TEST(BytesMut, FreezeAndThawKeepTheSameMemory) {
    bytes_mut row(32);
    row.put("frozen");
    const std::byte* const at = row.data();
    bytes frozen = std::move(row).freeze();
    EXPECT_EQ(frozen.data(), at);
    EXPECT_EQ(row.capacity(), 0u);  // NOLINT(bugprone-use-after-move)
    auto thawed = std::move(frozen).try_into_mut();
    ASSERT_TRUE(thawed);
    EXPECT_EQ(thawed->data(), at);
    EXPECT_EQ(thawed->capacity(), 32u);
}

// covers: S89
TEST(BytesStress, WindowsOnManyThreadsFreeTheirMemoryOnce) {
    const auto rounds = support::rounds(10'000);
    for (std::uint64_t i = 0; i < rounds; ++i) {
        bytes_mut row(64);
        row.put("0123456789abcdef");
        std::vector<std::thread> threads;
        for (char c = '0'; c < '4'; ++c) {
            threads.emplace_back([mine = row.split_to(4)]() mutable {
                std::ranges::fill(mine, std::byte{'x'});
                const bytes frozen = std::move(mine).freeze();
                const bytes part = frozen.slice(1);
                EXPECT_EQ(part, "xxx"sv);
            });
        }
        for (auto& each : threads) each.join();
        row.reserve(64);
        EXPECT_EQ(row.capacity(), 64u) << "all memory must be free again";
    }
}

// covers: S89
TEST(BytesStress, FramesDroppedOnOtherThreadsAreReclaimed) {
    // One thread splits frames off new and reclaimed blocks. Other threads read the frames and drop them.
    constexpr std::size_t at_once = 300;  // several times the number of references taken in advance
    const auto rounds = support::rounds(2'000);
    bytes_mut buffer(at_once * 8);
    for (std::uint64_t i = 0; i < rounds; ++i) {
        std::array<std::vector<bytes>, 2> shares;
        buffer.reserve(at_once * 8);
        for (std::size_t k = 0; k < at_once; ++k) {
            buffer.put_u64_le(i * at_once + k);
            auto frame = buffer.split();
            shares[k % 2].push_back(k % 3 == 0 ? std::move(frame).freeze().slice(0) : std::move(frame).freeze());
        }
        std::vector<std::thread> threads;
        threads.reserve(shares.size());
        for (std::size_t share = 0; share < 2; ++share) {
            threads.emplace_back([mine = std::move(shares[share]), share, i]() mutable {
                for (std::size_t k = 0; k < mine.size(); ++k) {
                    EXPECT_EQ(mine[k].get_u64_le(), i * at_once + 2 * k + share);
                    mine[k] = bytes();
                }
            });
        }
        static_cast<void>(buffer.try_reclaim(at_once * 8));  // while other threads drop the frames
        for (auto& each : threads) each.join();
        EXPECT_TRUE(buffer.try_reclaim(at_once * 8));
    }
}

/// A window and its expected content.
struct twin {
    bytes_mut window;
    std::string expected;
};

// covers: S89
TEST(BytesStress, RandomSplitsAndJoinsMatchStrings) {
    std::mt19937_64 random(1);
    const auto below = [&](std::size_t n) { return static_cast<std::size_t>(random() % n); };
    std::deque<twin> all(1);
    std::deque<std::pair<bytes, std::string>> frozen;
    const auto rounds = support::rounds(1'000'000);
    for (std::uint64_t i = 0; i < rounds; ++i) {
        const std::size_t at = below(all.size());
        twin& one = all[at];
        switch (below(8)) {
        case 0: {
            const std::string more(below(40), static_cast<char>('a' + below(26)));
            one.window.put(more);
            one.expected += more;
            break;
        }
        case 1: {
            const std::size_t n = below(one.expected.size() + 1);
            all.push_back({one.window.split_to(n), one.expected.substr(0, n)});
            all[at].expected.erase(0, n);
            break;
        }
        case 2: {
            const std::size_t n = below(one.window.capacity() + 1);
            const std::size_t cut = std::min(n, one.expected.size());
            all.push_back({one.window.split_off(n), one.expected.substr(cut)});
            all[at].expected.resize(cut);
            break;
        }
        case 3: {
            const std::size_t n = below(one.expected.size() + 1);
            one.window.advance(n);
            one.expected.erase(0, n);
            break;
        }
        case 4: one.window.reserve(below(100)); break;
        case 5: {
            twin other = std::move(all.back());
            all.pop_back();
            if (all.empty()) all.emplace_back();
            twin& into = all[below(all.size())];
            into.window.unsplit(std::move(other.window));
            into.expected += other.expected;
            break;
        }
        case 6:
            frozen.emplace_back(std::move(one.window).freeze(), std::exchange(one.expected, ""));
            if (frozen.size() > 20) frozen.pop_front();
            break;
        default:
            if (all.size() > 8 || one.expected.size() > 2000) all.erase(all.begin() + static_cast<std::ptrdiff_t>(at));
            if (all.empty()) all.emplace_back();
        }
        for (const auto& each : all) ASSERT_EQ(each.window.text(), each.expected) << i;
        for (const auto& [window, expected] : frozen) ASSERT_EQ(window.text(), expected) << i;
    }
}

TEST(BytesMut, MemoryAboveALimitIsFreedIfTheBufferIsEmpty) {
    bytes_mut row(1000);
    row.free_memory_above(1000);
    EXPECT_EQ(row.capacity(), 1000U);
    row.put("x");
    row.free_memory_above(0);
    EXPECT_EQ(row.text(), "x");
    row.advance(1);
    EXPECT_EQ(row.capacity(), 999U);
    row.free_memory_above(999);  // the block has 1000 bytes
    EXPECT_EQ(row.capacity(), 0U);
    row.free_memory_above(0);
    row.put("new");
    EXPECT_EQ(row.text(), "new");
}

TEST(BytesMut, FreedMemoryStaysWithTheBuffersThatShareIt) {
    bytes_mut row(1000);
    row.put("frame");
    const bytes frame = row.split().freeze();
    row.free_memory_above(999);
    EXPECT_EQ(row.capacity(), 0U);
    row.put("other");
    EXPECT_EQ(frame.text(), "frame");
}

}  // namespace
