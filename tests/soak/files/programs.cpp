// SPDX-License-Identifier: MIT
#include <csignal>
#include <memory>
#include <string>
#include <utility>

#include <eddy/process.hpp>
#include <eddy/task.hpp>

#include "work.hpp"

namespace soak {
namespace {

using eddy::task;
namespace process = eddy::process;
using of_work = std::shared_ptr<operation>;
using process::command;

task<bool> echo(of_work mine, std::string bytes, bool is_pipeline) {
    mine->doing("sends bytes through cat");
    const auto options = process::run_options().input(bytes);
    std::string out;
    if (is_pipeline) {
        auto done = co_await process::run(process::pipeline(command("cat"), command("cat")), options);
        if (!succeeds(*mine, done, "run()")) co_return false;
        if (!done->is_success()) watch::get().fail(*mine, "cat | cat has failed");
        out = std::move(done->out);
    } else {
        auto done = co_await process::run(command("cat"), options);
        if (!succeeds(*mine, done, "run()")) co_return false;
        if (!done->status.is_success()) watch::get().fail(*mine, "cat: " + done->status.to_string());
        out = std::move(done->out);
    }
    mine->moved(out.size());
    if (out != bytes) watch::get().fail(*mine, "the output is not the input");
    co_return true;
}

task<bool> exit_with(of_work mine, int code) {
    mine->doing("waits for an exit code");
    auto started = co_await command("sh", "-c", "exit " + std::to_string(code)).spawn();
    if (!succeeds(*mine, started, "spawn()")) co_return false;
    const auto status = co_await started->wait();
    if (!succeeds(*mine, status, "wait()")) co_return false;
    if (status->code() != code) watch::get().fail(*mine, "the exit code is another one: " + status->to_string());
    co_return true;
}

task<bool> end_by_signal(of_work mine, int number) {
    mine->doing("waits for the end by a signal");
    auto started = co_await command("sleep", "1000").spawn();
    if (!succeeds(*mine, started, "spawn()")) co_return false;
    const auto sent = started->signal(number);
    if (!succeeds(*mine, sent, "signal()")) co_return false;
    const auto status = co_await started->wait();
    if (!succeeds(*mine, status, "wait()")) co_return false;
    if (status->signal() != number) watch::get().fail(*mine, "the signal is another one: " + status->to_string());
    co_return true;
}

task<bool> any_program(of_work mine, support::dice& random) {
    const auto seed = random.below(SIZE_MAX);
    switch (random.below(4)) {
    case 0: return exit_with(std::move(mine), static_cast<int>(random.below(256)));
    case 1: return end_by_signal(std::move(mine), random.one_of<int>({SIGTERM, SIGKILL, SIGINT, SIGUSR1}));
    default: return echo(std::move(mine), random_bytes(seed, random.below(500'000)), random.one_in(3));
    }
}

}  // namespace

task<void> run_programs(std::shared_ptr<file_state> state, unsigned number) {
    support::dice random(mix(state->seed, 4, number));
    for (std::uint64_t i = 0; !state->is_over; ++i) {
        const auto mine =
            std::make_shared<operation>(layer::programs, "program", i, "of session " + std::to_string(number));
        const drop_plan plan(random, state->drops_one_in);
        static_cast<void>(co_await run_one(mine, any_program(mine, random), plan));
    }
}

}  // namespace soak
