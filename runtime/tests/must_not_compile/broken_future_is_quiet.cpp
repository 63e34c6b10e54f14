// No error follows eddy's message, neither about the output nor about the handle. (The harness compares only the first
// error, and `only-error` makes it count them.)
//
// expect-error: static assertion failed
// expect-error: eddy: spawn takes ownership of the work: write std::move
// only-error
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>

#include <string>

eddy::task<int> number() { co_return 1; }

eddy::task<int> use() {
    auto work = number();
#ifdef EDDY_CONTROL
    auto handle = eddy::spawn(std::move(work));
#else
    auto handle = eddy::spawn(work);
#endif
    const auto id = handle.id();
    handle.abort();
    auto output = co_await handle;
    std::string text;
    if (!output) text += output.error().what();
    int sum = *output + 1;
    sum += *output;
    sum += output.value();
    co_return sum + static_cast<int>(id + text.size());
}
