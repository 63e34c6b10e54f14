// SPDX-License-Identifier: MIT
// The program `eddy`: shows the tasks of another program, and traces.
#include <algorithm>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <exception>
#include <expected>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <new>
#include <optional>
#include <string>

#include <fmt/core.h>
#include <CLI/CLI.hpp>

#include "find_table.hpp"
#include "inspect/tree_output.hpp"
#include "inspect/walker.hpp"
#include "sys/core_file.hpp"
#include "sys/process.hpp"
#include "trace_file.hpp"

namespace {

using namespace eddy::inspect;

constexpr const char* no_eddy = "{} contains no eddy, or one that is too old: there is no debug table in its data";

std::uint64_t monotonic_now() {
    const std::chrono::nanoseconds now = std::chrono::steady_clock::now().time_since_epoch();
    return static_cast<std::uint64_t>(now.count());
}

struct request {
    std::string target;
    std::string program;
    bool is_json = false;
    bool is_list = false;
};

/// Prints a sentence. Returns the program's result for an error.
int fail(const std::string& text) {
    fmt::print(stderr, "eddy: {}\n", printable(text));
    return 1;
}

template <class Target>
int show(Target& target, const request& what, output_options options) {
    const std::optional<address> table = find_table(target.memory(), target.mappings());
    const auto tree =
        table ? read_tasks(target.memory(), *table) : std::unexpected(fmt::format(fmt::runtime(no_eddy), what.target));
    if (const auto why = target.why_incomplete()) return fail(*why);
    if (!tree) return fail(tree.error());
    if (options.now) options.now = monotonic_now();  // tasks were spawned while it was read
    const auto print = what.is_json ? tree_json : what.is_list ? list_text : tree_text;
    const std::string text = print(*tree, options);
    std::fwrite(text.data(), 1, text.size(), stdout);
    std::fflush(stdout);
    for (const std::string& problem : tree->problems) fail("note: " + problem);
    const bool has_tasks =
        std::ranges::any_of(tree->executors, [](const executor& each) { return !each.tasks.empty(); });
    return has_tasks || tree->problems.empty() ? 0 : 1;
}

int show_core(const request& what) {
    if (!std::filesystem::exists(what.target))
        return fail(what.target +
                    " is neither the number of a process nor a file; pidof(1) prints the number of a program");
    auto core = core_file::open(what.target, what.program);
    if (!core) return fail(core.error());
    for (const std::string& problem : core->problems()) fail(problem);
    return show(*core, what, {});
}

int show(const request& what) {
    int id = 0;
    const char* const end = what.target.data() + what.target.size();
    const auto number = std::from_chars(what.target.data(), end, id);
    if (number.ec != std::errc() || number.ptr != end) return show_core(what);
    auto target = process::open(id);
    if (!target) return fail(target.error());
    return show(*target, what,
                {.now = monotonic_now(), .about = [&](int fd) { return target->describe(fd); }, .about_lock = {}});
}

/// Prints a summary of a trace, or writes it as JSON to a file.
int convert(const std::string& file, const std::string& chrome) {
    std::ifstream in(file, std::ios::binary);
    if (!in) return fail(file + ": " + std::strerror(errno));
    const std::string bytes{std::istreambuf_iterator<char>(in), {}};
    const std::expected<trace_file, std::string> trace = parse_trace(bytes);
    if (!trace) return fail(file + ": " + trace.error());
    fmt::print("{}", summary(*trace));
    if (chrome.empty()) return 0;
    std::ofstream out(chrome, std::ios::binary);
    out << to_chrome_json(*trace) << std::flush;
    return out ? 0 : fail(chrome + ": " + std::strerror(errno));
}

}  // namespace

int main(int argc, char** argv) try {
    CLI::App app("Shows the tasks of a program that uses eddy, without stopping it.");
    app.require_subcommand(1);
    app.set_version_flag("--version", "eddy " EDDY_PROGRAM_VERSION, "print the version and exit");
    request what;
    CLI::App& list = *app.add_subcommand("ps", "one line per task: id, status, age, name, place");
    CLI::App& tree = *app.add_subcommand("tree", "what each task waits for, and where");
    for (CLI::App* const command : {&list, &tree}) {
        command->add_option("target", what.target, "the number of a process, or a core file")->required();
        command->add_option("--program", what.program, "the program's file, for a core file of another machine");
        command->add_flag("--json", what.is_json, "everything, as JSON");
    }
    std::string trace;
    std::string chrome;
    CLI::App& conversion = *app.add_subcommand("trace", "a summary of a file of the flight recorder");
    conversion.add_option("file", trace, "the file, in Perfetto's format")->required();
    conversion.add_option("--chrome", chrome, "write the trace to this file, for chrome://tracing");
    CLI11_PARSE(app, argc, argv);
    if (conversion.parsed()) return convert(trace, chrome);
    what.is_list = list.parsed();
    return show(what);
} catch (const std::bad_alloc&) {
    return fail("there is not enough memory for what this program has");
} catch (const std::exception& problem) {
    return fail(problem.what());
}
