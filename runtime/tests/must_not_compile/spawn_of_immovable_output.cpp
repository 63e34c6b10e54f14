// expect-error: static assertion failed
// expect-error: eddy: the output of spawned work is moved to the joining task, and this type cannot be moved
#include <eddy/task/spawn.hpp>
#include <eddy/task/task.hpp>

#include <memory>

struct fixed {
    fixed() {}
    fixed(fixed&&) = delete;
};

eddy::task<void> use() {
#ifdef EDDY_CONTROL
    auto work = eddy::spawn([] { return std::make_unique<fixed>(); });
#else
    auto work = eddy::spawn([] { return fixed(); });
#endif
    co_await work;
}
