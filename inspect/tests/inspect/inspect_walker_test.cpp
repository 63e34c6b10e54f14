// SPDX-License-Identifier: MIT
// The walker over objects made by hand, in the memory of this process: complete trees, and lists and stacks that are
// broken.
#include <gtest/gtest.h>

#include <unistd.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <expected>
#include <functional>
#include <iterator>
#include <random>
#include <set>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "hand_made.hpp"
#include "inspect/tree_output.hpp"
#include "inspect/walker.hpp"
#include "support/sanitizers.hpp"
#include "sys/process.hpp"

namespace {

using namespace eddy::inspect;
using hand_made::place;

address table_here() { return reinterpret_cast<address>(&hand_made::table); }

task_tree read_here() {
    auto self = process::open(getpid());
    EXPECT_TRUE(self.has_value());
    auto tree = read_tasks(self->memory(), table_here());
    EXPECT_TRUE(tree.has_value()) << tree.error();
    return std::move(*tree);
}

/// Returns the task with an id.
const task& task_of(const task_tree& tree, std::uint64_t id) {
    static const task none;
    for (const executor& each : tree.executors)
        for (const task& one : each.tasks)
            if (one.id == id) return one;
    ADD_FAILURE() << "there is no task " << id;
    return none;
}

/// Restores the table at the end of a test.
struct restored_table {
    ~restored_table() { hand_made::table = was; }
    const basic_debug_table<const void*> was = hand_made::table;
};

std::string format_error() {
    auto self = process::open(getpid());
    auto tree = read_tasks(self->memory(), table_here());
    return tree ? "" : tree.error();
}

std::vector<std::uint64_t> ids_of(const waiting& what) {
    std::vector<std::uint64_t> ids;
    for (const task_number& one : what.tasks) ids.push_back(one.id);
    return ids;
}

TEST(InspectWalker, ExampleHasAllTasksAndReasons) {
    hand_made::example all;
    const task_tree tree = read_here();
    ASSERT_EQ(tree.executors.size(), 1u);
    EXPECT_EQ(tree.executors[0].id, 7u);
    EXPECT_EQ(tree.executors[0].tasks.size(), 8u);
    EXPECT_TRUE(tree.problems.empty());
    EXPECT_TRUE(tree.has_all_tasks);
    EXPECT_EQ(tree.version, "0.1.0");

    const task& reads = task_of(tree, 2);
    ASSERT_EQ(reads.work.frames.size(), 2u);
    EXPECT_NE(reads.work.frames[0]->function.find("in_serve"), std::string::npos);
    EXPECT_NE(reads.work.frames[1]->function.find("in_read_head"), std::string::npos);
    EXPECT_TRUE(reads.work.frames[0]->file.ends_with("hand_made.hpp"));
    EXPECT_EQ(reads.work.leaf.kind, wait_kind::readable);
    EXPECT_EQ(reads.work.leaf.fd, 1);
    EXPECT_EQ(reads.is, task_status::waits);

    EXPECT_EQ(task_of(tree, 1).name, "keeper");
    EXPECT_EQ(task_of(tree, 1).work.is, stack::status::waits);  // for something unknown
    EXPECT_EQ(task_of(tree, 1).work.leaf.kind, wait_kind::other);
    EXPECT_EQ(ids_of(task_of(tree, 6).work.leaf), std::vector<std::uint64_t>{5});
    EXPECT_EQ(task_of(tree, 8).is, task_status::running);
}

TEST(InspectWalker, BranchesAreShown) {
    hand_made::example all;
    const task_tree tree = read_here();
    const waiting& leaf = task_of(tree, 7).work.leaf;
    EXPECT_EQ(leaf.kind, wait_kind::any_of);
    ASSERT_EQ(leaf.branches.size(), 2u);
    EXPECT_EQ(leaf.branches[0].label, "timer");
    EXPECT_EQ(leaf.branches[0].of.leaf.kind, wait_kind::timer);
    EXPECT_EQ(leaf.branches[0].of.leaf.object, 5'000'000'000u);
    ASSERT_EQ(leaf.branches[1].of.frames.size(), 1u);
    EXPECT_EQ(leaf.branches[1].of.leaf.kind, wait_kind::readable);
}

TEST(InspectWalker, EndedBranchIsOmitted) {
    hand_made::world world;
    hand_made::pair both;
    both.has_second = 0;
    world.add(place(), &world.stack({place()}, hand_made::pair_shape, &both));
    EXPECT_EQ(task_of(read_here(), 1).work.leaf.branches.size(), 1u);
}

TEST(InspectWalker, ArrayOfBranchesIsShown) {
    hand_made::world world;
    hand_made::pair parts[3];
    parts[1].has_second = 0;
    hand_made::many all{0, parts, parts + 3};
    world.add(place(), &world.stack({place()}, hand_made::many_shape, &all));
    all.end = nullptr;
    world.add(place(), &world.stack({place()}, hand_made::many_shape, &all));
    EXPECT_EQ(task_of(read_here(), 1).work.leaf.branches.size(), 0u);
    all.end = parts + 3;
    const task_tree tree = read_here();
    EXPECT_EQ(task_of(tree, 1).work.leaf.kind, wait_kind::all_of);
    EXPECT_EQ(task_of(tree, 1).work.leaf.branches.size(), 2u);
}

TEST(InspectWalker, ArrayWithDamagedEndIsLimited) {
    hand_made::world world;
    hand_made::pair parts[2];
    hand_made::many all{0, parts, parts};
    all.end = reinterpret_cast<hand_made::pair*>(~std::uintptr_t{0});
    world.add(place(), &world.stack({place()}, hand_made::many_shape, &all));
    all.begin = reinterpret_cast<hand_made::pair*>(std::uintptr_t{64});  // no memory: no element is alive
    EXPECT_EQ(task_of(read_here(), 1).work.leaf.branches.size(), 0u);
    all.begin = parts;
    EXPECT_LE(task_of(read_here(), 1).work.leaf.branches.size(), 10'000u);
}

TEST(InspectWalker, TextsOfManyFramesAreLimited) {
    constexpr int tasks = 34;
    hand_made::world world;
    const std::string text(1000, 'x');
    const basic_place_record<const void*> long_place{text.c_str(), text.c_str(), 1, 1};
    hand_made::frame& deep =
        world.stack(std::vector<const void*>(16'000, &long_place), hand_made::other_shape, nullptr);
    for (int i = 0; i < tasks; ++i) world.add(place(), &deep);
    const task_tree tree = read_here();
    ASSERT_EQ(tree.problems.size(), 1u);
    EXPECT_NE(tree.problems[0].find("too many coroutines"), std::string::npos) << tree.problems[0];
}

TEST(InspectWalker, ListOfBranchesIsShown) {
    hand_made::world world;
    hand_made::list_node nodes[3];
    nodes[0].next = &nodes[1];
    nodes[1].next = &nodes[2];
    nodes[1].value.has_second = 0;
    hand_made::chained all{0, nodes};
    world.add(place(), &world.stack({place()}, hand_made::chained_shape, &all));
    EXPECT_EQ(task_of(read_here(), 1).work.leaf.branches.size(), 2u);
    nodes[2].next = nodes;  // a cycle
    const task_tree cut = read_here();
    EXPECT_LE(task_of(cut, 1).work.leaf.branches.size(), 10'000u);
    EXPECT_EQ(cut.problems.size(), 1u);
    all.first = nullptr;
    EXPECT_EQ(task_of(read_here(), 1).work.leaf.branches.size(), 0u);
}

TEST(InspectWalker, CoroutineWithoutPositionWasNotPolled) {
    hand_made::world world;
    auto& root = world.stack({place()}, hand_made::read_shape, nullptr);
    root.at = 0;
    world.add(place(), &root);
    EXPECT_EQ(task_of(read_here(), 1).work.is, stack::status::not_started);
}

TEST(InspectWalker, TooManyListsAreNoted) {
    hand_made::world world;
    world.record().list_count = 0xffff'ffff;
    world.record().stride = 0;
    const task_tree tree = read_here();
    EXPECT_TRUE(tree.executors.at(0).tasks.empty());
    ASSERT_EQ(tree.problems.size(), 1u);
    EXPECT_NE(tree.problems[0].find("too many lists of tasks"), std::string::npos);
    EXPECT_FALSE(tree.has_all_tasks);
}

TEST(InspectWalker, CycleOfExecutorsIsNoted) {
    hand_made::world world;
    world.record().next = &world.record();
    const task_tree tree = read_here();
    EXPECT_TRUE(tree.executors.empty());
    EXPECT_EQ(tree.problems.size(), 1u);
}

TEST(InspectWalker, ChildrenOfScopeAreNamed) {
    hand_made::world world;
    hand_made::scope_link second{nullptr, &world.add(place())};
    hand_made::scope_link first{&second, &world.add(place())};
    hand_made::scope scope{reinterpret_cast<std::uintptr_t>(&first) + 1};  // locked
    world.add(place(), &world.stack({place()}, hand_made::scope_shape, &world.make(&scope)));
    EXPECT_EQ(ids_of(task_of(read_here(), 3).work.leaf), (std::vector<std::uint64_t>{2, 1}));
    EXPECT_TRUE(read_here().problems.empty());
    second.next = &first;  // a cycle
    const task_tree cut = read_here();
    EXPECT_GT(task_of(cut, 3).work.leaf.tasks.size(), 2u);
    ASSERT_EQ(cut.problems.size(), 1u);
    EXPECT_TRUE(cut.problems[0].starts_with("a task waits for more than 10,000 futures")) << cut.problems[0];
    EXPECT_TRUE(cut.has_all_tasks);
}

TEST(InspectWalker, FreePermitsAreRead) {
    hand_made::world world;
    const hand_made::lock lock{0, std::uint64_t{5} << 3 | 7};
    world.add(place(), &world.stack({place()}, hand_made::mutex_shape, &world.make(&lock)));
    EXPECT_EQ(task_of(read_here(), 1).work.leaf.permits, 5u);
}

TEST(InspectWalker, CompleteTaskIsOmitted) {
    hand_made::world world;
    world.add(place()).state = hand_made::complete;
    world.add(place()).state = hand_made::notified | hand_made::cancelled;
    const task_tree tree = read_here();
    ASSERT_EQ(tree.executors[0].tasks.size(), 1u);
    EXPECT_EQ(tree.executors[0].tasks[0].is, task_status::queued);
    EXPECT_TRUE(tree.executors[0].tasks[0].is_cancelled);
}

TEST(InspectWalker, TimeOfSpawnIsKnownIfItIsStored) {
    hand_made::world world;
    world.add(place());
    world.add(place()).started = 0xffffff;  // the time is 0
    EXPECT_EQ(task_of(read_here(), 1).started, started_unit);
    EXPECT_EQ(task_of(read_here(), 2).started, std::nullopt);
    const restored_table guard;
    hand_made::table.task_started = no_offset;
    EXPECT_EQ(task_of(read_here(), 1).started, std::nullopt);
}

TEST(InspectWalker, PolledStackHasNoFrames) {
    hand_made::world world;
    auto& root = world.stack({place(), place()}, hand_made::read_shape, &world.make(std::uint64_t{0}));
    root.at = 0x1003;  // the context of the poll
    world.add(place(), &root);
    EXPECT_EQ(task_of(read_here(), 1).work.is, stack::status::polled);
}

TEST(InspectWalker, StackThatAnyWakeUpResumesHasFrames) {
    hand_made::world world;
    auto& root = world.stack({place()}, hand_made::read_shape, nullptr);
    root.at = reinterpret_cast<std::uintptr_t>(&root) + 2;
    world.add(place(), &root);
    const task_tree tree = read_here();
    EXPECT_EQ(task_of(tree, 1).work.frames.size(), 1u);
    EXPECT_EQ(task_of(tree, 1).work.leaf.kind, wait_kind::any_wakeup);
}

TEST(InspectWalker, CycleInListIsNoted) {
    hand_made::world world;
    auto& first = world.add(place());
    for (int i = 0; i < 9; ++i) world.add(place());
    first.in_list.next = world.of(0).ring.next;  // instead of the ring's head
    const task_tree tree = read_here();
    EXPECT_LE(tree.executors[0].tasks.size(), 40u);
    ASSERT_EQ(tree.problems.size(), 1u);
    EXPECT_NE(tree.problems[0].find("changed each time"), std::string::npos);
    EXPECT_FALSE(tree.has_all_tasks);
}

TEST(InspectWalker, ListWithAnotherCountIsNoted) {
    hand_made::world world;
    world.add(place());
    world.of(0).added = 3;
    const task_tree tree = read_here();
    EXPECT_EQ(tree.executors[0].tasks.size(), 1u);
    EXPECT_EQ(tree.problems.size(), 1u);
}

TEST(InspectWalker, CycleInFramesIsGivenUp) {
    hand_made::world world;
    auto& root = world.stack({place(), place(), place()}, hand_made::read_shape, nullptr);
    // The second frame awaits itself: its slot's word before is the address of the third.
    auto* const leaf = reinterpret_cast<hand_made::leaf*>(root.at - 1);
    hand_made::frame* const third = leaf->waiter;
    static_cast<hand_made::frame**>(third->slot)[-1] = third;
    world.add(place(), &root);
    const task_tree tree = read_here();
    EXPECT_EQ(task_of(tree, 1).work.is, stack::status::unreadable);
}

TEST(InspectWalker, DeepStackIsComplete) {
    hand_made::world world;
    world.add(place(), &world.stack(std::vector<const void*>(10'000, place()), hand_made::read_shape, nullptr));
    EXPECT_EQ(task_of(read_here(), 1).work.frames.size(), 10'000u);
}

TEST(InspectWalker, UnmappedRootIsGivenUp) {
    hand_made::world world;
    world.add(place(), reinterpret_cast<hand_made::frame*>(0x10));
    world.add(reinterpret_cast<const void*>(0x18));
    const task_tree tree = read_here();
    EXPECT_EQ(task_of(tree, 1).work.is, stack::status::unreadable);
    EXPECT_EQ(task_of(tree, 2).work.leaf.kind, wait_kind::other);
    EXPECT_EQ(task_of(tree, 2).spawned_at->file, "");
}

TEST(InspectWalker, OddSequenceOfRegistryIsNoted) {
    hand_made::world world;
    world.add(place());
    hand_made::registry.sequence = 1;
    const task_tree tree = read_here();
    EXPECT_TRUE(tree.executors.empty());
    EXPECT_EQ(tree.problems.size(), 1u);
}

TEST(InspectWalker, OtherFormatsAreRefusedWithRemedy) {
    restored_table restores;
    hand_made::table.format = 9;
    EXPECT_NE(format_error().find("eddy 0.1.0, whose debug table has format 9"), std::string::npos) << format_error();
    hand_made::table.pointer_size = 4;
    EXPECT_NE(format_error().find("64 bits only"), std::string::npos);
    hand_made::table.self = nullptr;
    EXPECT_NE(format_error().find("no eddy debug table"), std::string::npos);
}

/// Counts what is read.
class counted_memory final : public target_memory {
public:
    explicit counted_memory(target_memory& of) : of_(of) {}
    void read(std::span<piece> pieces) override {
        pieces_ += pieces.size();
        of_.read(pieces);
    }
    [[nodiscard]] std::size_t pieces() const { return pieces_; }

private:
    target_memory& of_;
    std::size_t pieces_ = 0;
};

template <class T>
std::span<std::uint64_t> words_of(T& object) {
    return {reinterpret_cast<std::uint64_t*>(&object), sizeof object / 8};
}

TEST(InspectWalker, RandomWordsNeverHarmTheReader) {
    // For each attempt to read a list: two reads of the counters, and a block of pages for each of three objects.
    constexpr std::size_t most_pieces = (16'384 + 1024 * 8) * 64;
    std::mt19937_64 random(61);
    auto self = process::open(getpid());
    ASSERT_TRUE(self.has_value());
    // AddressSanitizer, which sees more, has all of them.
    const int rounds = support::is_sanitized ? 300 : 100;
    for (int round = 0; round < rounds; ++round) {
        hand_made::example all;
        auto& world = all.objects();
        // Its constants are variables here.
        hand_made::pair parts[3];
        hand_made::many array{0, parts, parts + 3};
        hand_made::child children[] = {hand_made::pair_children[0], hand_made::many_children[0]};
        children[0].offset = 0;
        hand_made::shape shape = hand_made::many_shape;
        shape.child_count = 2;
        shape.children = children;
        auto& root = world.stack({place(), place(), place()}, shape, &array);
        hand_made::task& victim = world.add(place(), &root, "victim");
        hand_made::task_ops ops = *victim.ops;
        victim.ops = &ops;
        auto* const leaf = reinterpret_cast<hand_made::leaf*>(root.at - 1);
        auto leaf_ops = *static_cast<const hand_made::leaf_ops*>(leaf->ops);
        leaf->ops = &leaf_ops;
        const std::span<std::uint64_t> objects[] = {
            // Up to the name, which the task destroys.
            words_of(victim).first(offsetof(hand_made::task, name) / 8),
            words_of(root),
            words_of(*leaf->waiter),
            words_of(*leaf),
            words_of(leaf_ops),
            words_of(ops),
            words_of(shape),
            words_of(children[0]),
            words_of(children[1]),
            words_of(array),
            words_of(world.record()),
            words_of(hand_made::registry),
            words_of(world.of(1).ring),
        };
        const auto& object = objects[random() % std::size(objects)];
        std::uint64_t& word = object[random() % object.size()];
        const std::uint64_t was = word;
        const auto& other = objects[random() % std::size(objects)];
        const std::uint64_t values[] = {random(), random() % 4096, ~std::uint64_t{0},
                                        reinterpret_cast<std::uint64_t>(other.data()) + random() % 64,
                                        was ^ std::uint64_t{1} << random() % 64};
        word = values[random() % std::size(values)];
        counted_memory memory(self->memory());
        const auto tree = read_tasks(memory, table_here());
        word = was;
        ASSERT_TRUE(tree.has_value());
        EXPECT_LE(memory.pieces(), most_pieces);
        EXPECT_LE(tree->problems.size(), 110u);
        EXPECT_TRUE(tree_json(*tree, {}).ends_with("}\n"));
        static_cast<void>(tree_text(*tree, {}));
    }
}

TEST(InspectWalker, ListIsReadWhileItChanges) {
    constexpr int kept = 200;
    hand_made::world world;
    for (int i = 0; i < kept; ++i) world.add(place());
    std::deque<hand_made::task> others;
    for (std::uint64_t i = 0; i < 16; ++i) {
        hand_made::task& one = others.emplace_back();
        one.ops = &hand_made::unnamed;
        one.id = 1'000 + i;
        one.spawned_at = place();
    }
    std::atomic<bool> stop{false};
    std::thread writer([&] {
        std::minstd_rand random;
        while (!stop.load(std::memory_order_relaxed)) {
            // Changes, and pauses in between, as a program's.
            for (auto& one : others) world.of(0).push(one);
            for (auto& one : others) world.of(0).remove(one);
            for (auto i = random() % 200'000; i != 0; --i) stop.load(std::memory_order_relaxed);
        }
    });
    int whole = 0;
    for (int i = 0; i < 100; ++i) {
        const task_tree tree = read_here();
        if (!tree.problems.empty()) continue;
        ++whole;
        std::set<std::uint64_t> ids;
        for (const task& one : tree.executors[0].tasks) EXPECT_TRUE(ids.insert(one.id).second);
        for (std::uint64_t id = 1; id <= kept; ++id) EXPECT_TRUE(ids.contains(id));
    }
    stop = true;
    writer.join();
    EXPECT_GT(whole, 0);
}

/// The memory of this process, which changes after a number of reads, and after each later one.
class changing_memory final : public target_memory {
public:
    changing_memory(int reads, std::function<void()> change) : reads_(reads), change_(std::move(change)) {}
    void read(std::span<piece> pieces) override {
        self_.value().memory().read(pieces);
        if (--reads_ <= 0) change_();
    }
    [[nodiscard]] bool has_changed() const noexcept { return reads_ <= 0; }

private:
    std::expected<process, std::string> self_ = process::open(getpid());
    int reads_;
    std::function<void()> change_;
};

/// A child of a scope, in memory that is read alone.
struct alignas(65'536) distant_child {
    hand_made::task it;
    hand_made::scope_link link;
};

TEST(InspectWalker, ChildrenOfScopeAreThoseOfOneMoment) {
    using children = std::vector<distant_child>;
    const auto set_ids = [](children& all, std::uint64_t id) {
        for (auto& one : all) one.it.id = id;
    };
    bool has_changed = true;
    for (int reads = 1; has_changed; ++reads) {
        children before(3);
        children after(3);
        for (children* all : {&before, &after})
            for (std::size_t i = 0; i < all->size(); ++i)
                (*all)[i].link = {i + 1 == all->size() ? nullptr : &(*all)[i + 1].link, &(*all)[i].it};
        set_ids(before, 1);
        set_ids(after, 2);
        hand_made::world world;
        hand_made::scope scope{reinterpret_cast<std::uintptr_t>(&before[0].link)};
        hand_made::task& parent =
            world.add(place(), &world.stack({place()}, hand_made::scope_shape, &world.make(&scope)));
        parent.id = 9;
        changing_memory memory(reads, [&] {
            scope.first = reinterpret_cast<std::uintptr_t>(&after[0].link);
            set_ids(before, 3);  // the memory is that of others now
        });
        const auto tree = read_tasks(memory, table_here());
        ASSERT_TRUE(tree.has_value());
        has_changed = memory.has_changed();
        const auto ids = ids_of(task_of(*tree, 9).work.leaf);
        EXPECT_TRUE(ids == std::vector<std::uint64_t>(3, 1) || ids == std::vector<std::uint64_t>(3, 2)) << reads;
    }
}

TEST(InspectWalker, ScopeWhoseChildrenAlwaysChangeHasNone) {
    hand_made::task child{};
    hand_made::scope_link link{nullptr, &child};
    hand_made::scope scope{reinterpret_cast<std::uintptr_t>(&link)};
    hand_made::world world;
    world.add(place(), &world.stack({place()}, hand_made::scope_shape, &world.make(&scope)));
    changing_memory memory(1, [&] { ++child.id; });
    const auto tree = read_tasks(memory, table_here());
    ASSERT_TRUE(tree.has_value());
    EXPECT_EQ(ids_of(task_of(*tree, 1).work.leaf), std::vector<std::uint64_t>());
    ASSERT_EQ(tree->problems.size(), 1u);
    EXPECT_NE(tree->problems[0].find("change all the time"), std::string::npos) << tree->problems[0];
}

}  // namespace
