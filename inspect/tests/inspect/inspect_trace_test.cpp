// SPDX-License-Identifier: MIT
// The flight recorder's file, which `eddy trace` reads. tests/clients/run_perfetto.sh reads it by Perfetto's
// definitions.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <expected>
#include <span>
#include <string>
#include <vector>

#include "example_recording.hpp"
#include "trace/perfetto.hpp"
#include "trace_file.hpp"

namespace {

using namespace eddy::trace;
using namespace example_recording;

/// Returns the parsed file of a recording with one track.
std::expected<eddy::inspect::trace_file, std::string> parsed(const std::vector<event>& events) {
    return eddy::inspect::parse_trace(file_of({{"worker 0", events}}));
}

TEST(InspectTrace, EventHas16BytesAndKeepsItsFields) {
    const event one = event::make(event_kind::stall, 123'456'789'012, 1'000'000, 12'345'678);
    EXPECT_EQ(one.kind(), event_kind::stall);
    EXPECT_EQ(one.task(), 123'456'789'012u);
    EXPECT_EQ(one.detail(), 65'535u);
    EXPECT_EQ(one.ticks(), 12'345'678u);
}

TEST(InspectTrace, NameIsInSeveralEvents) {
    for (const std::string name : {"", "a", "12345678", "123456789012345", "1234567890123456"}) {
        spawned task;
        for (std::size_t i = 0; i < name.size(); i += event::name_bytes) {
            EXPECT_TRUE(task.add(event::name(name.substr(i))));
        }
        EXPECT_EQ(task.name(), name);
        EXPECT_FALSE(task.add(event::make(event_kind::park, 0, 0, 0)));
    }
}

TEST(InspectTrace, TicksBecomeTimesAlsoAfterTheirOverflow) {
    const std::uint64_t first = (std::uint64_t{1} << 56) - 10;  // an event keeps 56 bits
    const time_scale scale{.ticks = first, .ns = 5'000, .ns_per_tick = 0.5};
    EXPECT_EQ(scale.time_of(event::make(event_kind::park, 0, 0, first)), 5'000u);
    EXPECT_EQ(scale.time_of(event::make(event_kind::park, 0, 0, first + 100)), 5'050u);
}

TEST(InspectTrace, FileIsParsed) {
    const auto trace = eddy::inspect::parse_trace(file_of(whole));
    ASSERT_TRUE(trace.has_value()) << trace.error();
    ASSERT_EQ(trace->tracks.size(), 3u);
    EXPECT_EQ(trace->tracks[1].name, "worker 0");
    EXPECT_EQ(trace->tracks[1].pid, 77u);
    // 12 events, a begin for the end of the first poll, and an end of the last one.
    ASSERT_EQ(trace->events.size(), 14u);
    EXPECT_EQ(trace->events[0].name, "task 9");
    EXPECT_EQ(trace->events[0].time, 1'000 * ms);
    EXPECT_EQ(trace->events.back().is, eddy::inspect::trace_file::point::end);
}

TEST(InspectTrace, NameOfANumberMayBeBeforeIt) {
    const auto part = [](char tag, const std::string& bytes) {
        return std::string{tag, static_cast<char>(bytes.size())} + bytes;
    };
    const auto annotation = part('\x22', part('\x52', "task") + "\x18\x07");
    const auto trace = eddy::inspect::parse_trace(part('\x0a', part('\x5a', annotation)));
    ASSERT_TRUE(trace.has_value());
    EXPECT_EQ(trace->events.at(0).task, 7u);
}

TEST(InspectTrace, TaskWithoutLabelHasNameOfItsSpawn) {
    const auto trace = eddy::inspect::parse_trace(file_of(whole));
    ASSERT_TRUE(trace.has_value());
    EXPECT_EQ(std::ranges::count(trace->events, "accept connections", &eddy::inspect::trace_file::event::name), 1);
    const auto unnamed = eddy::inspect::parse_trace(file_of({{"worker 0",
                                                              {
                                                                  event::make(event_kind::spawn, 1, 0, 1 * ms),
                                                                  event::place(42),
                                                                  event::make(event_kind::poll_begin, 1, 0, 2 * ms),
                                                              }}}));
    ASSERT_TRUE(unnamed.has_value());
    EXPECT_EQ(std::ranges::count(unnamed->events, "main.cpp:42", &eddy::inspect::trace_file::event::name), 1);
}

TEST(InspectTrace, FlowIsFromWakeUpToPoll) {
    const auto trace = eddy::inspect::parse_trace(file_of(whole));
    ASSERT_TRUE(trace.has_value());
    std::vector<std::string> steps;
    for (const auto& one : trace->events) {
        if (one.starts_flow != 0) steps.push_back(one.category + std::to_string(one.starts_flow));
        if (one.ends_flow != 0) steps.push_back("to " + one.category + std::to_string(one.ends_flow));
    }
    // The poll without a begin has no flow.
    EXPECT_EQ(steps, (std::vector<std::string>{"spawn1", "to poll1", "wake2", "to poll2"}));
}

TEST(InspectTrace, WakeUpHasOneArrowAndOneLatency) {
    const auto trace = parsed({
        event::make(event_kind::wake, 1, 0, 1 * ms),
        event::make(event_kind::poll_begin, 1, 0, 2 * ms),
        event::make(event_kind::poll_end, 1, 0, 3 * ms),
        event::make(event_kind::poll_begin, 1, 0, 9 * ms),
    });
    ASSERT_TRUE(trace.has_value());
    const std::string json = eddy::inspect::to_chrome_json(*trace);
    const std::size_t arrow = json.find("\"ph\":\"f\"");
    ASSERT_NE(arrow, std::string::npos) << json;
    EXPECT_EQ(json.find("\"ph\":\"f\"", arrow + 1), std::string::npos) << json;
    EXPECT_TRUE(eddy::inspect::summary(*trace).ends_with("at most 1000.0 us\n"));
}

TEST(InspectTrace, PollThatHasLeftItsWorkerEndsWithTheNextSlice) {
    const auto trace = parsed({
        event::make(event_kind::poll_begin, 1, 0, 1 * ms),
        event::make(event_kind::poll_begin, 2, 0, 3 * ms),
        event::make(event_kind::park, 0, 0, 4 * ms),
        event::make(event_kind::unpark, 0, 0, 5 * ms),
    });
    ASSERT_TRUE(trace.has_value());
    std::string points;
    for (const auto& one : trace->events) points += one.is == eddy::inspect::trace_file::point::end ? ')' : '(';
    EXPECT_EQ(points, "()()()");
}

TEST(InspectTrace, AddressIsThatOfTheTaskSpawnedThereLast) {
    constexpr std::uint64_t at = 1000 | std::uint64_t{1} << 47;
    const auto spawn_and_poll = [](std::string_view name, std::uint64_t ticks) {
        return std::vector{event::make(event_kind::spawn, at, 0, ticks), event::name(name),
                           event::make(event_kind::poll_begin, at, 0, ticks + 1),
                           event::make(event_kind::poll_end, at, 1, ticks + 2)};
    };
    std::vector<event> events{event::make(event_kind::poll_begin, at, 0, 1),
                              event::make(event_kind::poll_end, at, 1, 2)};
    for (const auto& one : {spawn_and_poll("first", 10), spawn_and_poll("second", 20)})
        events.insert(events.end(), one.begin(), one.end());
    const std::array labels{task_label{at, "FIRST", 10}, task_label{at, "SECOND", 20}};
    const std::string unknown = "task " + std::to_string(at);
    for (const bool has_labels : {false, true}) {  // a crash handler writes none
        auto about = facts();
        about.labels = {};
        if (has_labels) about.labels = labels;
        const auto trace = eddy::inspect::parse_trace(file_of({{"loop 1", events}}, about));
        ASSERT_TRUE(trace.has_value());
        std::vector<std::string> polls;
        for (const auto& one : trace->events)
            if (one.category == "poll") polls.push_back(one.name);
        EXPECT_EQ(polls, has_labels ? (std::vector<std::string>{unknown, "FIRST", "SECOND"})
                                    : (std::vector<std::string>{unknown, "first", "second"}));
    }
}

TEST(InspectTrace, LongNamesAreCutOff) {
    const std::string name(5'000, 'x');
    const std::array long_labels{task_label{2, name}};
    auto about = facts();
    about.process_name = name;
    about.labels = long_labels;
    const auto trace = eddy::inspect::parse_trace(file_of(whole, about));
    ASSERT_TRUE(trace.has_value());
    EXPECT_EQ(std::ranges::count(trace->events, name.substr(0, 200), &eddy::inspect::trace_file::event::name), 1);
}

TEST(InspectTrace, CutOffFileIsRefused) {
    const std::string file = file_of(whole);
    for (std::size_t size = 0; size < file.size(); ++size)
        static_cast<void>(eddy::inspect::parse_trace(file.substr(0, size)));
    EXPECT_FALSE(eddy::inspect::parse_trace(file.substr(0, file.size() - 1)).has_value());
    EXPECT_FALSE(eddy::inspect::parse_trace("").has_value());
    EXPECT_FALSE(eddy::inspect::parse_trace("a text").has_value());
}

TEST(InspectTrace, SummaryHasAddressOfTaskWithoutNumber) {
    constexpr std::uint64_t task = 0x7fb6'5ad5'0000 | std::uint64_t{1} << 47;
    const auto trace = eddy::inspect::parse_trace(
        file_of({{"loop 1",
                  {event::make(event_kind::poll_begin, task, 0, 0), event::make(event_kind::poll_end, task, 0, ms)}}}));
    ASSERT_TRUE(trace.has_value());
    EXPECT_NE(eddy::inspect::summary(*trace).find("\n  0x7fb65ad50000   1000.0 us in        1 polls  "),
              std::string::npos)
        << eddy::inspect::summary(*trace);
}

TEST(InspectTrace, SummaryHasCountsTimesAndLatency) {
    const std::string text = eddy::inspect::summary(*eddy::inspect::parse_trace(file_of(whole)));
    EXPECT_EQ(text,
              "14 events in 255.0 ms\n"
              "  driver tick           1\n"
              "  park                  1\n"
              "  poll                  3\n"
              "  spawn                 1\n"
              "  stall                 1\n"
              "  steal                 1\n"
              "  timers                1\n"
              "  wake                  1\n"
              "\n"
              "Workers: polling\n"
              "  worker 0              2000.0 us    0.8 %\n"
              "  worker 1               250.0 ms   98.0 %\n"
              "\n"
              "Busiest tasks\n"
              "  task 2            250.0 ms in        1 polls  serve \"x\"\n"
              "  task 1           2000.0 us in        1 polls  accept connections\n"
              "  task 9                0 ns in        1 polls  task 9\n"
              "\n"
              "Longest polls\n"
              "  task 2            250.0 ms at  5000.0 us  serve \"x\"\n"
              "  task 1           2000.0 us at  2000.0 us  accept connections\n"
              "  task 9                0 ns at       0 ns  task 9\n"
              "\n"
              "Schedule latency, from a wake-up to the poll: p50 2000.0 us, p99 2000.0 us, p99.9 2000.0 us, at most "
              "2000.0 us\n");
}

TEST(InspectTrace, ChromeJsonIsJson) {
    const std::string text = eddy::inspect::to_chrome_json(*eddy::inspect::parse_trace(file_of(whole)));
    EXPECT_NE(
        text.find(
            R"({"ph":"B","cat":"poll","name":"serve \"x\"","ts":1005000.000,"pid":77,"tid":79,"args":{"task":2}})"),
        std::string::npos)
        << text;
    EXPECT_NE(text.find(R"({"ph":"f","bp":"e","cat":"wake","name":"wake","id":2,"ts":1005000.000,"pid":77,"tid":79})"),
              std::string::npos);
    EXPECT_NE(text.find(R"({"ph":"E","ts":1004000.000,"pid":77,"tid":78})"), std::string::npos);
}

TEST(InspectTrace, NamesAreEscapedForTerminalsAndInJson) {
    const std::array names{task_label{2, "\x1b[31m\xff\xe2\x82\n"}};
    auto about = facts();
    about.labels = names;
    const auto trace = eddy::inspect::parse_trace(file_of(whole, about));
    ASSERT_TRUE(trace.has_value());
    const std::string text = eddy::inspect::summary(*trace);
    EXPECT_NE(text.find("1 polls  \\x1b[31m\\xff\\xe2\\x82\\x0a\n"), std::string::npos) << text;
    const std::string json = eddy::inspect::to_chrome_json(*trace);
    EXPECT_NE(json.find(R"("name":"\u001b[31m\ufffd\ufffd\ufffd\u000a")"), std::string::npos) << json;
}

}  // namespace
