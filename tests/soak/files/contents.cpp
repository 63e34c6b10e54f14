// SPDX-License-Identifier: MIT
#include <algorithm>
#include <cstddef>
#include <memory>
#include <string>
#include <utility>

#include <eddy/fs.hpp>
#include <eddy/io.hpp>
#include <eddy/task.hpp>

#include "work.hpp"

namespace soak {
namespace {

using eddy::task;
namespace fs = eddy::fs;
using of_work = std::shared_ptr<operation>;
using std::filesystem::path;

/// A file that is replaced, and what may be in it.
struct replaced_file {
    path name;
    std::string before;
    std::string after;
};

task<bool> is_as_written(of_work mine, path name, std::string expected) {
    mine->doing("reads it back");
    const auto seen = co_await fs::read_to_string(std::move(name), fs::no_limit);
    if (!succeeds(*mine, seen, "read_to_string()")) co_return false;
    mine->moved(seen->size());
    if (*seen != expected) watch::get().fail(*mine, "the file has other contents than were written");
    co_return true;
}

task<bool> replace(of_work mine, replaced_file of) {
    mine->doing("replaces the file");
    const auto written = co_await fs::write_atomically(of.name, of.after);
    if (!succeeds(*mine, written, "write_atomically()")) co_return false;
    auto done = co_await is_as_written(mine, of.name, of.after);
    co_return done;
}

/// After a dropped replacement, the file has all of the old or all of the new contents.
task<void> look_at_dropped(of_work mine, replaced_file of) {
    const auto seen = co_await fs::read_to_string(of.name);
    if (succeeds(*mine, seen, "read_to_string()") && *seen != of.before && *seen != of.after)
        watch::get().fail(*mine, "a dropped write_atomically() has left a part of the contents");
}

task<bool> copy(of_work mine, path from, path to, std::string expected) {
    mine->doing("copies the file");
    const auto copied = co_await fs::copy(std::move(from), to);
    if (!succeeds(*mine, copied, "copy()")) co_return false;
    auto done = co_await is_as_written(mine, to, std::move(expected));
    co_return done;
}

/// One random step at an open file, of which `model` is the content.
task<bool> step(operation& mine, fs::file& file, std::string& model, support::dice& random) {
    const auto size = random.below(100'000);
    switch (random.below(4)) {
    case 0: {
        mine.doing("truncates the file");
        const auto done = co_await file.truncate(size);
        model.resize(size, '\0');
        co_return succeeds(mine, done, "truncate()");
    }
    case 1: {
        mine.doing("flushes the file");
        const auto done = co_await file.sync_data();
        co_return succeeds(mine, done, "sync_data()");
    }
    default: {
        mine.doing("writes the file");
        const auto at = random.below(model.size() + 1000);
        const auto bytes = random_bytes(random.below(SIZE_MAX), size);
        const auto moved = co_await file.seek(eddy::io::seek_from::start(at));
        if (!succeeds(mine, moved, "seek()")) co_return false;
        const auto done = co_await eddy::io::write_all(file, bytes);
        if (model.size() < at + size && size != 0) model.resize(at + size, '\0');
        std::ranges::copy(bytes, model.begin() + static_cast<std::ptrdiff_t>(std::min(at, model.size())));
        mine.moved(size);
        co_return succeeds(mine, done, "write_all()");
    }
    }
}

task<bool> edit(of_work mine, path name, std::uint64_t seed) {
    support::dice random(seed);
    auto opened = co_await fs::open_options().read(true).write(true).create(true).truncate(true).open(name);
    if (!succeeds(*mine, opened, "open()")) co_return false;
    auto file = *std::move(opened);
    std::string model;
    for (auto left = random.between(1, 12); left != 0; --left) {
        auto done = co_await step(*mine, file, model, random);
        if (!done) co_return false;
    }
    mine->doing("closes the file");
    const auto closed = co_await file.close();
    if (!succeeds(*mine, closed, "close()")) co_return false;
    auto done = co_await is_as_written(mine, std::move(name), std::move(model));
    co_return done;
}

}  // namespace

task<void> run_contents(std::shared_ptr<file_state> state, unsigned number) {
    support::dice random(mix(state->seed, 1, number));
    const auto folder = state->folder / ("contents" + std::to_string(number));
    static_cast<void>(co_await fs::create_dir(folder));
    std::uint64_t names = 0;
    replaced_file current;
    for (std::uint64_t i = 0; !state->is_over; ++i) {
        const auto mine = std::make_shared<operation>(layer::contents, "file", i, folder);
        if (current.name.empty()) {
            // The job of a dropped operation may still be at work on the last name.
            current.name = folder / std::to_string(names++);
            const auto written = co_await fs::write(current.name, current.before);
            if (!succeeds(*mine, written, "write()")) co_return;
        }
        const drop_plan plan(random, state->drops_one_in);
        const auto seed = random.below(SIZE_MAX);
        switch (random.below(3)) {
        case 0: {
            current.after = random_bytes(seed, random.below(300'000));
            auto ended = co_await run_one(mine, replace(mine, current), plan);
            if (!ended) co_await look_at_dropped(mine, current);
            if (!ended) current.name.clear();
            current.before = current.after;
            break;
        }
        case 1: {
            auto work = copy(mine, current.name, folder / ("copy" + std::to_string(names++)), current.before);
            static_cast<void>(co_await run_one(mine, std::move(work), plan));
            break;
        }
        default: {
            auto work = edit(mine, folder / ("edited" + std::to_string(names++)), seed);
            static_cast<void>(co_await run_one(mine, std::move(work), plan));
        }
        }
    }
}

}  // namespace soak
