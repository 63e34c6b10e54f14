// SPDX-License-Identifier: MIT
#include <eddy/detail/frame_pool.hpp>

#include <eddy/detail/atomic.hpp>

#include <algorithm>
#include <utility>

#include "future/counted_allocations.hpp"
#include "sys/static_mutex.hpp"
#include "sys/thread_end.hpp"

namespace eddy::detail {
namespace {

// Blocks of another thread's heap are returned in batches of this size. Larger batches need fewer compare-exchanges on
// the owner's list, but hold more memory back.
constexpr std::size_t batch_size = 32;

// The number of blocks that a refill carves from a chunk. A small number touches memory only when it is needed, which
// keeps the resident set small.
constexpr std::size_t carve_count = 8;

// Chunks are allocated in regions of these sizes in bytes. Each region of a heap is twice as large as the previous one,
// if there is enough memory.
constexpr std::size_t first_region = 16 * chunk_size;
constexpr std::size_t largest_region = 16 * first_region;

/// The heap of one thread.
/// Thread safety: the owning thread; `returned` on any thread.
/// Lifetime: never freed. When its thread ends, the heap is left for a later thread.
struct owned_heap : frame_heap {
    // Per size class, the unused part of the newest chunk.
    std::byte* fresh[size_class_count] = {};
    std::byte* fresh_end[size_class_count] = {};
    // The unused part of the newest region, and the size of the next one.
    std::byte* region = nullptr;
    std::byte* region_end = nullptr;
    std::size_t next_region = first_region;
    // Blocks freed on other threads. Only the owner removes blocks, and always all of them, so there is no ABA problem.
    atomic<free_block*> returned{nullptr};
    // Blocks of one other heap that this thread has freed and not yet returned.
    owned_heap* batch_owner = nullptr;
    free_block* batch = nullptr;
    free_block* batch_last = nullptr;
    std::size_t batch_length = 0;
    owned_heap* next_abandoned = nullptr;
};

// Heaps whose threads have ended. Constant-initialized and never destroyed, because threads may end after the
// destructors of static objects have run.
constinit sys::static_mutex<mutex> abandoned_lock;
constinit owned_heap* abandoned = nullptr;

owned_heap* adopt_heap() {
    {
        std::lock_guard guard(abandoned_lock);
        if (owned_heap* heap = abandoned) {
            abandoned = heap->next_abandoned;
            return heap;
        }
    }
    return new owned_heap;
}

void abandon_heap(owned_heap* heap) noexcept {
    std::lock_guard guard(abandoned_lock);
    heap->next_abandoned = abandoned;
    abandoned = heap;
}

/// Returns a list of blocks to their heap. Callable on any thread.
void return_to_owner(owned_heap& to, free_block* first, free_block* last) noexcept {
    // release: pairs with the acquire in take_returned(). The owner sees the links and the last use of the blocks.
    // relaxed for the load and for failures: the exchange validates the value.
    free_block* head = to.returned.load(std::memory_order_relaxed);
    do {
        last->next = head;
    } while (!to.returned.compare_exchange_weak(head, first, std::memory_order_release, std::memory_order_relaxed));
}

/// Returns the batch of `heap` to its owner.
void flush_batch(owned_heap& heap) noexcept {
    if (heap.batch == nullptr) return;
    return_to_owner(*heap.batch_owner, heap.batch, heap.batch_last);
    heap.batch = nullptr;
    heap.batch_length = 0;
}

/// Takes the blocks that other threads have returned, and adds them to the free lists.
void take_returned(owned_heap& heap) noexcept {
    // acquire: pairs with the release in return_to_owner().
    free_block* block = heap.returned.exchange(nullptr, std::memory_order_acquire);
    while (block != nullptr) {
        free_block* const next = block->next;
        const std::size_t size_class = info_of(block).size_class;
        block->next = heap.free[size_class];
        heap.free[size_class] = block;
        block = next;
    }
}

/// Returns a new chunk. Chunks come from larger regions, because malloc puts a header before each aligned block. With a
/// malloc call for each chunk, this header would use another page per chunk.
std::byte* next_chunk(owned_heap& heap) {
    if (heap.region == heap.region_end) {
        // SAFETY: raw memory of the right size and alignment, which this heap owns and never frees.
        constexpr auto alignment = std::align_val_t(chunk_size);
        std::size_t size = heap.next_region;
        void* memory = size > first_region ? ::operator new(size, alignment, std::nothrow) : nullptr;
        if (memory == nullptr) memory = ::operator new(size = first_region, alignment);
        heap.region = static_cast<std::byte*>(memory);
        heap.region_end = heap.region + size;
        heap.next_region = std::min(2 * size, largest_region);
    }
    return std::exchange(heap.region, heap.region + chunk_size);
}

/// Allocates a new chunk for a size class. carve() then takes blocks from this chunk.
void add_chunk(owned_heap& heap, std::size_t size_class) {
    std::byte* const memory = next_chunk(heap);
    auto* const info = ::new (&info_of(memory)) chunk_info{&heap, size_class};
    heap.fresh[size_class] = memory;
    heap.fresh_end[size_class] = reinterpret_cast<std::byte*>(info);
}

/// Adds some blocks of the newest chunk to the free list of a size class.
void carve(owned_heap& heap, std::size_t size_class) {
    const std::size_t size = size_class * size_class_step;
    if (static_cast<std::size_t>(heap.fresh_end[size_class] - heap.fresh[size_class]) < size)
        add_chunk(heap, size_class);
    const std::size_t left = static_cast<std::size_t>(heap.fresh_end[size_class] - heap.fresh[size_class]) / size;
    const std::size_t count = std::min(left, carve_count);
    // Pushes the blocks from the end, so that they are allocated in ascending order of their addresses.
    for (std::size_t i = count; i-- > 0;) {
        // SAFETY: unused memory of a chunk that this heap owns, aligned to size_class_step. free_block is trivial.
        auto* const block = reinterpret_cast<free_block*>(heap.fresh[size_class] + i * size);
        block->next = heap.free[size_class];
        heap.free[size_class] = block;
    }
    heap.fresh[size_class] += count * size;
}

void* allocate_from(owned_heap& heap, std::size_t size_class) {
    if (heap.free[size_class] == nullptr) take_returned(heap);
    if (heap.free[size_class] == nullptr) carve(heap, size_class);
    free_block* const block = heap.free[size_class];
    heap.free[size_class] = block->next;
    return block;
}

constinit thread_local bool has_ended = false;

// ---- counted_allocations ----

// While a thread counts its allocations, its heap is this one, which has no blocks, and `hidden_heap` is its own. No
// chunk belongs to it, so frees take the slow path, too.
constinit frame_heap no_blocks;
constinit thread_local owned_heap* hidden_heap = nullptr;
constinit thread_local std::uint64_t counted = 0;

[[nodiscard]] bool is_counting() noexcept { return this_thread_heap == &no_blocks; }

/// Returns the heap of this thread, or null.
[[nodiscard]] owned_heap* heap_here() noexcept {
    // SAFETY: other heaps of this_thread_heap are set by allocate_block_slowly(), to an owned_heap.
    return is_counting() ? hidden_heap : static_cast<owned_heap*>(this_thread_heap);
}

void leave_heap(void* raw) noexcept {
    // SAFETY: allocate_block_slowly() passes an owned_heap.
    auto* const heap = static_cast<owned_heap*>(raw);
    this_thread_heap = nullptr;
    flush_batch(*heap);
    abandon_heap(heap);
    has_ended = true;
}

}  // namespace

counted_allocations::counted_allocations() noexcept : is_outermost_(!is_counting()), before_(counted) {
    if (!is_outermost_) return;
    hidden_heap = heap_here();
    this_thread_heap = &no_blocks;
}

counted_allocations::~counted_allocations() {
    if (is_outermost_) this_thread_heap = hidden_heap;
}

std::uint64_t counted_allocations::count() const noexcept { return counted - before_; }

void* allocate_block_slowly(std::size_t size) {
    if (is_counting()) ++counted;
    const std::size_t size_class = (size + size_class_step - 1) / size_class_step;
    if (size_class >= size_class_count) return ::operator new(size, std::align_val_t(128));
    if (heap_here() == nullptr) {
        owned_heap* const heap = adopt_heap();
        if (has_ended) {
            // The destructor of another thread-local allocates after leave_heap() has run. It uses a heap for this
            // block only.
            void* const block = allocate_from(*heap, size_class);
            abandon_heap(heap);
            return block;
        }
        is_counting() ? static_cast<void>(hidden_heap = heap) : static_cast<void>(this_thread_heap = heap);
        sys::at_thread_end<&leave_heap>(heap);
    }
    return allocate_from(*heap_here(), size_class);
}

void free_block_elsewhere(void* block) noexcept {
    // SAFETY: the caller gives up the block, which is large enough for a free_block. The owner of each chunk is an
    // owned_heap object, which is never freed.
    auto* const freed = static_cast<free_block*>(block);
    auto* const owner = static_cast<owned_heap*>(info_of(block).owner);
    owned_heap* const heap = heap_here();
    if (heap == nullptr) {
        return_to_owner(*owner, freed, freed);
        return;
    }
    if (owner == heap) {  // counted_allocations hides the heap
        freed->next = std::exchange(heap->free[info_of(block).size_class], freed);
        return;
    }
    if (heap->batch_owner != owner) flush_batch(*heap);
    if (heap->batch == nullptr) {
        heap->batch_owner = owner;
        heap->batch_last = freed;
    }
    freed->next = heap->batch;
    heap->batch = freed;
    if (++heap->batch_length == batch_size) flush_batch(*heap);
}

#ifdef EDDY_POOL_IS_MALLOC
void* allocate_block_of_library(std::size_t size) {
    if (is_counting()) ++counted;
    return ::operator new(size, std::align_val_t(size % 128 == 0 ? 128 : size_class_step));
}
void free_block_of_library(void* block, std::size_t size) noexcept {
    ::operator delete(block, std::align_val_t(size % 128 == 0 ? 128 : size_class_step));
}
#else
void* allocate_block_of_library(std::size_t size) { return allocate_block(size); }
void free_block_of_library(void* block, std::size_t size) noexcept { free_block_of(block, size); }
#endif

void flush_freed_blocks() noexcept {
    if (owned_heap* const heap = heap_here()) flush_batch(*heap);
}

}  // namespace eddy::detail
