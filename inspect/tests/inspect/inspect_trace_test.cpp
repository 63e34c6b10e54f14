// SPDX-License-Identifier: MIT
// The flight recorder's file, which `eddy trace` reads. tests/clients/run_perfetto.sh reads it by Perfetto's
// definitions.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "example_recording.hpp"
#include "trace/perfetto.hpp"
#include "trace_file.hpp"

namespace {

using namespace eddy::trace;
using namespace example_recording;

TEST(InspectTrace, EventHas16BytesAndKeepsItsFields) {
    const event one = event::make(event_kind::stall, ~std::uint64_t{0}, 1'000'000, 12'345'678);
    EXPECT_EQ(one.kind(), event_kind::stall);
    EXPECT_EQ(one.detail(), 65'535u);
    EXPECT_EQ(one.ns(), 12'345'664u);  // in steps of 16 ns
    EXPECT_EQ(one.task, ~std::uint64_t{0});
}

TEST(InspectTrace, FlowIsFromLastWakeUpToPoll) {
    const flow_numbers flows = find_flows(whole);
    EXPECT_EQ(flows[0], (std::vector<std::uint64_t>{0, 1, 1, 2, 0, 0, 0, 0, 0}));
    EXPECT_EQ(flows[1], (std::vector<std::uint64_t>{0, 0, 2, 0}));
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

TEST(InspectTrace, FlowsMayBeOmitted) {
    const auto trace = eddy::inspect::parse_trace(file_of(whole, false));
    ASSERT_TRUE(trace.has_value());
    for (const auto& one : trace->events) EXPECT_EQ(one.starts_flow + one.ends_flow, 0u);
}

TEST(InspectTrace, LongNamesAreCutOff) {
    const std::string name(5'000, 'x');
    const std::array long_labels{task_label{2, name}};
    const auto trace = eddy::inspect::parse_trace(file_of({77, name, tracks, long_labels}));
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
              "  task 1           2000.0 us in        1 polls  task 1\n"
              "  task 9                0 ns in        1 polls  task 9\n"
              "\n"
              "Longest polls\n"
              "  task 2            250.0 ms at  5000.0 us  serve \"x\"\n"
              "  task 1           2000.0 us at  2000.0 us  task 1\n"
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
}

}  // namespace
