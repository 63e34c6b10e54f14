// SPDX-License-Identifier: MIT
// runs: asan, plain
#include <eddy/detail/frame_pool.hpp>

#include <eddy/runtime/wait.hpp>
#include <eddy/task/task.hpp>

#include <gtest/gtest.h>

#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <fstream>
#include <new>
#include <random>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "support/emulated.hpp"
#include "support/stress.hpp"
#include "support/system.hpp"

namespace {

using eddy::detail::allocate_block;
using eddy::detail::chunk_size;
using eddy::detail::free_block_of;

#ifdef EDDY_POOL_IS_MALLOC
#define SKIP_IF_THE_POOL_IS_MALLOC() GTEST_SKIP() << "under a sanitizer there is no pool"
#else
#define SKIP_IF_THE_POOL_IS_MALLOC() static_cast<void>(0)
#endif

std::uintptr_t address_of(const void* block) { return reinterpret_cast<std::uintptr_t>(block); }
std::uintptr_t chunk_of(const void* block) { return address_of(block) & ~(chunk_size - 1); }

std::vector<void*> allocate(std::size_t count, std::size_t size) {
    std::vector<void*> blocks(count);
    for (void*& block : blocks) block = allocate_block(size);
    return blocks;
}

void free_all(const std::vector<void*>& blocks, std::size_t size) {
    for (void* block : blocks) free_block_of(block, size);
}

std::set<std::uintptr_t> chunks_of(const std::vector<void*>& blocks) {
    std::set<std::uintptr_t> chunks;
    for (void* block : blocks) chunks.insert(chunk_of(block));
    return chunks;
}

template <class Fn>
void on_another_thread(Fn f) {
    std::thread(std::move(f)).join();
}

TEST(FramePool, BlocksAreAligned) {
    for (std::size_t size = 1; size <= 5000; size = size * 3 / 2 + 1) {
        for (const std::size_t rounded : {size, (size + 127) / 128 * 128}) {
            const auto blocks = allocate(5, rounded);
            for (void* block : blocks) EXPECT_EQ(address_of(block) % (rounded % 128 == 0 ? 128 : 16), 0u) << rounded;
            free_all(blocks, rounded);
        }
    }
}

// A program whose code has no pool of its own, for example because of a sanitizer, takes the library's blocks.
TEST(FramePool, BlocksOfTheLibraryAreAlignedAndReused) {
    for (const std::size_t size : {1, 16, 100, 128, 384, 5000, 5120}) {
        std::vector<void*> blocks(5);
        for (void*& block : blocks) block = eddy::detail::allocate_block_of_library(size);
        EXPECT_EQ(std::set<void*>(blocks.begin(), blocks.end()).size(), blocks.size());
        for (void* block : blocks) {
            EXPECT_EQ(address_of(block) % (size % 128 == 0 ? 128 : 16), 0u) << size;
            std::memset(block, 1, size);
            eddy::detail::free_block_of_library(block, size);
        }
    }
}

TEST(FramePool, BlocksDoNotOverlap) {
    struct filled {
        unsigned char* bytes;
        std::size_t size;
        unsigned char with;
    };
    std::mt19937_64 random(support::seed());
    std::vector<filled> blocks;
    for (int i = 0; i < 2000; ++i) {
        const std::size_t size = 1 + random() % 3000;
        auto* const bytes = static_cast<unsigned char*>(allocate_block(size));
        const auto with = static_cast<unsigned char>(i);
        std::memset(bytes, with, size);
        blocks.push_back({bytes, size, with});
    }
    for (const auto& [bytes, size, with] : blocks) {
        EXPECT_TRUE(bytes[0] == with && bytes[size / 2] == with && bytes[size - 1] == with);
        free_block_of(bytes, size);
    }
}

TEST(FramePool, FreedBlockIsTheNextToBeAllocated) {
    SKIP_IF_THE_POOL_IS_MALLOC();
    void* const first = allocate_block(100);
    free_block_of(first, 100);
    void* const second = allocate_block(100);
    EXPECT_EQ(first, second);
    free_block_of(second, 100);
}

TEST(FramePool, TakesNoNewMemoryAfterWarmUp) {
    SKIP_IF_THE_POOL_IS_MALLOC();
    auto blocks = allocate(1000, 200);
    const std::set<void*> known(blocks.begin(), blocks.end());
    for (int round = 0; round < 10; ++round) {
        free_all(blocks, 200);
        blocks = allocate(1000, 200);
        for (void* block : blocks) ASSERT_TRUE(known.contains(block));
    }
    free_all(blocks, 200);
}

TEST(FramePool, CoroutineFramesAreAllocatedFromThePool) {
    SKIP_IF_THE_POOL_IS_MALLOC();
    auto returns = [](void** where) -> eddy::task<> {
        int in_the_frame = 0;
        *where = &in_the_frame;
        co_await eddy::task<>([]() -> eddy::task<> { co_return; }());
        *where = &in_the_frame;
    };
    void* first = nullptr;
    eddy::wait(returns(&first));
    for (int i = 0; i < 100; ++i) {
        void* again = nullptr;
        eddy::wait(returns(&again));
        EXPECT_EQ(first, again);
    }
}

TEST(FramePool, BlocksFreedOnAnotherThreadReturnToTheirOwner) {
    SKIP_IF_THE_POOL_IS_MALLOC();
    on_another_thread([] {
        auto blocks = allocate(10'000, 300);
        const auto known = chunks_of(blocks);
        for (int round = 0; round < 10; ++round) {
            on_another_thread([&] {
                free_all(blocks, 300);
                eddy::detail::flush_freed_blocks();
            });
            blocks = allocate(10'000, 300);
            // The pool may use the rest of the newest chunk first, so this compares chunks, not blocks.
            for (const auto chunk : chunks_of(blocks)) EXPECT_TRUE(known.contains(chunk));
        }
        free_all(blocks, 300);
    });
}

TEST(FramePool, BatchIsFlushedWhenTheFreeingThreadEnds) {
    SKIP_IF_THE_POOL_IS_MALLOC();
    on_another_thread([] {
        void* const block = allocate_block(1500);
        on_another_thread([&] {
            free_block_of(allocate_block(64), 64);  // creates the pool and the batch of this thread
            free_block_of(block, 1500);
        });
        // Allocates all free blocks of the size class, and then the returned block.
        std::vector<void*> blocks;
        do blocks.push_back(allocate_block(1500));
        while (blocks.back() != block && blocks.size() < 100);
        EXPECT_EQ(blocks.back(), block);
        free_all(blocks, 1500);
    });
}

TEST(FramePool, BlocksOutliveTheirThread) {
    std::vector<void*> blocks;
    on_another_thread([&] {
        blocks = allocate(100, 400);
        for (void* block : blocks) std::memset(block, 7, 400);
    });
    for (void* block : blocks) EXPECT_EQ(*static_cast<unsigned char*>(block), 7);
    free_all(blocks, 400);
}

// covers: R041
TEST(FramePool, ShortLivedThreadsReuseTheSameMemory) {
    SKIP_IF_THE_POOL_IS_MALLOC();
    std::set<std::uintptr_t> chunks;
    const auto work = [&] {
        const auto blocks = allocate(1000, 250);
        chunks.merge(chunks_of(blocks));
        free_all(blocks, 250);
    };
    on_another_thread(work);
    const auto after_the_first = chunks.size();
    for (int i = 0; i < 1000; ++i) on_another_thread(work);
    EXPECT_EQ(chunks.size(), after_the_first);
}

TEST(FramePool, RegionsAreSmallerIfMemoryIsScarce) {
    SKIP_IF_THE_POOL_IS_MALLOC();
    if (support::is_emulated()) GTEST_SKIP() << "qemu-user ignores RLIMIT_AS";
    EXPECT_TRUE(support::is_true_in_child([] {
        constexpr std::size_t mib = std::size_t{1024} * 1024;
        std::size_t pages = 0;
        std::ifstream("/proc/self/statm") >> pages;
        const rlim_t limit = pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) + 24 * mib;
        const rlimit lower{limit, limit};
        ::setrlimit(RLIMIT_AS, &lower);
        std::size_t allocated = 0;
        try {
            for (;; allocated += 1024) static_cast<void>(allocate_block(1024));
        } catch (const std::bad_alloc&) {
            return allocated > 18 * mib;  // regions of 1, 2, 4 and 8 MiB have 15 MiB
        }
    }));
}

/// Allocates and frees a block when its thread ends. If the object was constructed before the thread's pool, the object
/// is destroyed after the pool.
struct allocates_late {
    std::atomic<int>* count = nullptr;
    ~allocates_late() {
        if (count == nullptr) return;
        free_block_of(allocate_block(500), 500);
        count->fetch_add(1);
    }
};
thread_local allocates_late late;

TEST(FramePool, ThreadLocalDestructorCanAllocate) {
    std::atomic<int> count{0};
    for (int i = 0; i < 100; ++i) {
        on_another_thread([&] {
            late.count = &count;  // constructed before the pool of this thread, so destroyed after it
            free_block_of(allocate_block(500), 500);
        });
    }
    EXPECT_EQ(count, 100);
}

// Calls the slow functions directly, so that freed blocks return to their owner also under a sanitizer. Only this path
// orders the other thread's write before the owner's write. If it does not, ThreadSanitizer reports a race.
TEST(FramePoolStress, BlockFreedElsewhereReturnsToItsOwner) {
    constexpr std::size_t size = 48;
    for (auto left = support::rounds(5'000); left != 0; --left) {
        auto* const block = static_cast<int*>(eddy::detail::allocate_block_slowly(size));
        std::atomic<bool> is_flushed{false};
        std::thread other([&] {
            void* const own = eddy::detail::allocate_block_slowly(size);  // only a thread that has a pool sends batches
            *block = 1;
            eddy::detail::free_block_elsewhere(block);
            eddy::detail::flush_freed_blocks();
            // relaxed: must not order the write to the block. Only the pool may order it.
            is_flushed.store(true, std::memory_order_relaxed);
            eddy::detail::free_block_elsewhere(own);
        });
        while (!is_flushed.load(std::memory_order_relaxed)) std::this_thread::yield();
        std::vector<void*> taken;
        do {
            taken.push_back(eddy::detail::allocate_block_slowly(size));
        } while (taken.back() != block && taken.size() < 1'000'000);
        EXPECT_EQ(taken.back(), block);
        if (taken.back() == block) *block = 2;
        other.join();
        for (void* one : taken) eddy::detail::free_block_elsewhere(one);
        eddy::detail::flush_freed_blocks();
        if (HasFailure()) return;
    }
}

TEST(FramePoolStress, BlocksTravelBetweenThreads) {
    const auto rounds = support::rounds(50'000'000);
    const auto seed = support::seed();
    constexpr std::size_t slots = 256;
    std::vector<std::atomic<std::size_t*>> shared(slots);
    const auto work = [&](std::uint64_t number) {
        std::mt19937_64 random(seed + number);
        for (std::uint64_t i = 0; i < rounds / 4; ++i) {
            const std::size_t size = sizeof(std::size_t) + random() % 600;
            auto* const made = static_cast<std::size_t*>(allocate_block(size));
            *made = size;
            // acquire: pairs with the release of the thread that wrote the size of `found` and put the block there.
            // release: publishes the size of `made`.
            if (auto* const found = shared[random() % slots].exchange(made, std::memory_order_acq_rel)) {
                ASSERT_LT(*found, 1000u);
                free_block_of(found, *found);
            }
        }
    };
    std::vector<std::thread> threads;
    for (std::uint64_t i = 0; i < 4; ++i) threads.emplace_back(work, i);
    for (auto& thread : threads) thread.join();
    for (auto& slot : shared) {
        if (auto* const left = slot.load()) free_block_of(left, *left);
    }
}

}  // namespace
